/* tests/train/nets_test.c - the built-in networks: what they are made of, with and without batch norm, for images of any size;
 * optimizers and learning rates by name. */
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "evenkeel/models.h"
#include "support/support.h"

typedef struct kind {
    const char *name;
    int norms, weights; /* layers with a batch norm; all layers with weights */
} kind;
static const kind kinds[] = { { "mlp", 3, 4 }, { "convnet", 6, 7 }, { "resnet20", 21, 22 } };

static int count(ek_graph *g, const char *end)
{
    const ek_list all = ek_get_collection(g, EK_GLOBAL_VARIABLES);
    int n = 0;

    for (int64_t i = 0; i < all.count; i++) {
        const char *name = ek_item_name(g, all.item[i]);
        const size_t size = strcspn(name, ":"), k = strlen(end);

        n += size >= k && strncmp(name + size - k, end, k) == 0;
    }
    return n;
}

static void each_has_its_layers(void **state)
{
    EK_UNUSED(state);
    for (int i = 0; i < 4 * EK_COUNT_OF(kinds); i++) {
        const kind *k = &kinds[i / 4];
        const bool norm = i % 2 == 0;
        ek_graph *g = ek_graph_create();
        const ek_shape image = i / 2 % 2 == 0 ? EK_SHAPE(28, 28, 1) : EK_SHAPE(32, 32, 3);
        const ek_classifier c = ek_classifier_build(g, ek_model_named(k->name), .image = image, .classes = 7, .batch_norm = norm);
        const ek_shape logits = ek_tensor_shape(c.logits);

        assert_int_equal(EK_OK, ek_graph_status(g, NULL));
        assert_true(ek_shape_equal(&logits, &EK_SHAPE(-1, 7)));
        assert_int_equal(norm ? k->norms : 0, count(g, "/gamma"));
        assert_int_equal(norm ? k->norms : 0, count(g, "/moving_variance"));
        assert_int_equal(k->weights, count(g, "/kernel"));
        assert_int_equal(norm ? 1 : k->weights, count(g, "/bias"));
        ek_graph_destroy(g);
    }
}

/* One step, then the same images in the graph for inference, whose variables are found by their names. */
static void one_for_inference_has_the_same_variables(void **state)
{
    ek_array *x, *y, *yes = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ true });

    EK_UNUSED(state);
    assert_int_equal(EK_OK, ek_digits(3, 8, &x, &y));
    ek_array *image = ek_array_of(EK_FLOAT32, EK_SHAPE(8, 28, 28, 1), ek_array_cdata(x));
    for (int i = 0; i < EK_COUNT_OF(kinds); i++) {
        ek_graph *g = ek_graph_create(), *h = ek_graph_create();
        const ek_classifier c = ek_classifier_build(g, ek_model_named(kinds[i].name));
        const ek_classifier d = ek_classifier_build(h, ek_model_named(kinds[i].name), .inference = true);
        const ek_tensor step = ek_train_op(c.loss, ek_gradient_descent_optimizer(g, 0.1));
        const ek_op init = ek_global_variables_initializer(g);
        ek_session *s = ek_session_create(g, .watch = EK_NO), *use = ek_session_create(h, .store = ek_session_store(s));
        ek_array *a = NULL, *b = NULL;

        assert_int_equal(EK_OK, ek_run(s, .target = { init }));
        assert_int_equal(EK_OK, ek_run(s, .feed = { { c.x, image }, { c.labels, y }, { c.is_training, yes } },
                                       .target = { ek_tensor_op(step) }));
        assert_int_equal(EK_OK, ek_run(s, .feed = { { c.x, image } }, .fetch = { { c.probabilities, &a } }));
        assert_int_equal(EK_OK, ek_run(use, .feed = { { d.x, image } }, .fetch = { { d.probabilities, &b } }));
        for (int64_t k = 0; k < 80; k++) assert_true(fabs(ek_array_get(a, k) - ek_array_get(b, k)) < 1e-5);
        ek_array_unref(a);
        ek_array_unref(b);
        ek_session_destroy(use);
        ek_session_destroy(s);
        ek_graph_destroy(g);
        ek_graph_destroy(h);
    }
    ek_array_unref(x);
    ek_array_unref(y);
    ek_array_unref(image);
    ek_array_unref(yes);
}

static void optimizers_are_found_by_name(void **state)
{
    static const char *const names[] = { "sgd", "momentum", "nesterov", "adam", "rmsprop", "adagrad", "adadelta", "ftrl" };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(names); i++) {
        ek_graph *g = ek_graph_create();
        const ek_variable w = ek_get_variable(g, "w", .shape = EK_SHAPE(2), .initializer = ek_ones_initializer());
        ek_optimizer *o = ek_optimizer_named(g, names[i], EK_OPERAND(0.1), EK_HERE);
        const ek_op step = ek_minimize(o, ek_reduce_sum(ek_square(ek_variable_value(w))));
        const ek_op init = ek_global_variables_initializer(g);
        ek_session *s = ek_session_create(g);
        ek_array *v = NULL;

        assert_int_equal(EK_OK, ek_run(s, .target = { init }));
        assert_int_equal(EK_OK, ek_run(s, .target = { step }));
        assert_int_equal(EK_OK, ek_session_get(s, w, &v));
        assert_true(ek_array_get(v, 0) < 1);
        ek_array_unref(v);
        ek_session_destroy(s);
        ek_graph_destroy(g);
    }
    ek_graph *g = ek_graph_create();
    assert_null(ek_optimizer_named(g, "adm", EK_OPERAND(0.1), EK_HERE));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_graph_status(g, NULL));
    ek_graph_destroy(g);
}

static double rate_at(const char *name, int64_t step)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor rate = ek_decay_named(g, name, 0.5, 1000, EK_HERE);
    const ek_variable steps = ek_get_or_create_global_step(g);
    ek_session *s = ek_session_create(g);
    ek_array *at = ek_array_of(EK_INT64, EK_SCALAR, &step), *v = NULL;

    assert_int_equal(EK_OK, ek_session_set(s, steps, at));
    assert_int_equal(EK_OK, ek_run(s, .fetch = { { rate, &v } }));
    const double r = ek_array_get(v, 0);
    ek_array_unref(at);
    ek_array_unref(v);
    ek_session_destroy(s);
    ek_graph_destroy(g);
    return r;
}

static void learning_rates_fall_as_named(void **state)
{
    static const struct { const char *name; double middle, end; } way[] = {
        { "none", 0.5, 0.5 }, { "cosine", 0.25, 0 }, { "linear", 0.25, 0 }, { "exponential", 0.05, 0.005 }, { "step", 0.5, 0.005 },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(way); i++) {
        assert_true(fabs(rate_at(way[i].name, 0) - 0.5) < 1e-6);
        assert_true(fabs(rate_at(way[i].name, 500) - way[i].middle) < 1e-6);
        assert_true(fabs(rate_at(way[i].name, 1000) - way[i].end) < 1e-6);
    }
    ek_graph *g = ek_graph_create();
    assert_false(ek_tensor_ok(ek_decay_named(g, "cosin", 0.5, 10, EK_HERE)));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_graph_status(g, NULL));
    ek_graph_destroy(g);
    assert_null(ek_model_named("vgg"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_its_layers),
        cmocka_unit_test(one_for_inference_has_the_same_variables),
        cmocka_unit_test(optimizers_are_found_by_name),
        cmocka_unit_test(learning_rates_fall_as_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
