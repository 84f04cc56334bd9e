/* Training steps of TensorFlow's own graphs: once a step has been planned, nothing is allocated. */
#include "evenkeel/files.h"
#include "ops/registry.h"
#include "runtime/build.h"

/* Steps of a classifier of images of this shape; every variable is written in each. */
static void train(const char *path, ek_shape images, const char *optimizer, ek_tristate fuse)
{
    ek_test_allocator t;
    ek_graph *g = NULL;
    long calls = 0;

    assert_non_null(ek__ops_registry()); /* of the process: not counted */
    ek_test_allocator_install(&t, 0);
    EK_DIE(ek_graph_load(path, &g, NULL));
    ek_session *s = ek_session_create(g, .threads = 2, .fuse = fuse);
    ek_array *x = ek_array_of(EK_FLOAT32, images, NULL), *labels = ek_array_of(EK_INT64, EK_SHAPE(20), NULL), *loss = NULL;
    ek_array *yes = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ true });
    for (int64_t i = 0; i < ek_array_count(x); i++) ek_array_f32(x)[i] = (float)(i % 17) / 17.0f;
    EK_DIE(ek_run(s, .target = { op_named(g, "init") }));
    for (int i = 0; i < 12; i++) {
        if (i == 2) calls = t.calls;
        EK_DIE(ek_run(s,
                      .feed = { { tensor_named(g, "x:0"), x }, { tensor_named(g, "labels:0"), labels }, { tensor_named(g, "is_training:0"), yes } },
                      .fetch = { { tensor_named(g, "sparse_softmax_cross_entropy_loss/value:0"), &loss } },
                      .target = { op_named(g, optimizer) }));
    }
    assert_int_equal(t.calls, calls);
    ek_array_unref(loss);
    ek_array_unref(yes);
    ek_array_unref(labels);
    ek_array_unref(x);
    ek_session_destroy(s);
    ek_graph_destroy(g);
    assert_int_equal(t.live, 0);
    ek_test_allocator_remove();
}

static void a_training_step_allocates_nothing(void **state)
{
    const struct { const char *graph, *optimizer; ek_shape images; } row[] = {
        { "tf115-graphs/convnet/graph.pb", "GradientDescent", EK_SHAPE(20, 28, 28, 1) },
        { "tf115-graphs/mlp_adam/graph.pb", "Adam", EK_SHAPE(20, 784) },
        { "tf115-graphs/mlp_momentum/graph.pb", "Momentum", EK_SHAPE(20, 784) },
        { "tf115-graphs/mlp_sgd/graph.pb", "GradientDescent", EK_SHAPE(20, 784) },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(row); i++) {
        const char *path = ek_test_data(row[i].graph);
        if (path == NULL) skip();
        train(path, row[i].images, row[i].optimizer, EK_YES);
        train(path, row[i].images, row[i].optimizer, EK_NO);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_training_step_allocates_nothing) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
