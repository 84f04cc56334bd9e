/* tests/train/mnist_test.c - what the defaults of evenkeel train reach on MNIST in 3,000 steps of 60. */
#include "base/base.h"
#include "evenkeel/fit.h"
#include "evenkeel/models.h"
#include "support/support.h"

static void the_mlp_names_97_per_cent_rightly(void **state)
{
    const char *dir = ek_test_data("mnist");
    ek_dataset *train, *test;

    EK_UNUSED(state);
#if defined __SANITIZE_THREAD__ || defined __SANITIZE_ADDRESS__
    dir = NULL; /* 3,000 steps take minutes then, and say nothing new */
#endif
    if (dir == NULL) skip();
    assert_int_equal(EK_OK, ek_dataset_from_idx(dir, "train", &train, NULL));
    assert_int_equal(EK_OK, ek_dataset_from_idx(dir, "t10k", &test, NULL));
    ek_graph *g = ek_graph_create();
    ek_set_random_seed(g, 1);
    const ek_classifier c = ek_classifier_build(g, ek_model_mlp_with);
    const ek_tensor rate = ek_decay_named(g, "cosine", 0.01, 3000, EK_HERE);
    const ek_op step = ek_tensor_op(ek_train_op(c.loss, ek_adam_optimizer(g, rate)));
    const ek_op init = ek_global_variables_initializer(g);
    ek_session *s = ek_session_create(g);
    ek_array *yes = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ true });
    ek_fit_result r;

    assert_int_equal(EK_OK, ek_run(s, .target = { init }));
    assert_int_equal(EK_OK, ek_fit(s, step, .loss = c.loss, .metric = { { "accuracy", c.right } }, .data = train,
                                   .feed = { { c.x, 0 }, { c.labels, 1 } }, .also = { { c.is_training, yes } },
                                   .batch_size = 60, .steps = 3000, .seed = 1, .eval_data = test, .result = &r));
    print_message("test accuracy %.4f\n", r.eval_metric[0]);
    assert_true(r.eval_metric[0] > 0.97);
    ek_array_unref(yes);
    ek_session_destroy(s);
    ek_graph_destroy(g);
    ek_dataset_destroy(train);
    ek_dataset_destroy(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_mlp_names_97_per_cent_rightly) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
