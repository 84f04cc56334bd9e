/* tests/train/fit_test.c - the training loop without files: steps, evaluation, callbacks, and every way to end. */
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "evenkeel/fit.h"
#include "support/support.h"
#include "train_net.h"

typedef struct seen {
    int64_t steps, evaluations, last, stop_at;
    double eval_loss;
    bool started, ended;
} seen;

static bool watch(const ek_fit_progress *p, void *arg)
{
    seen *s = arg;

    s->steps += p->moment == EK_FIT_STEP;
    s->evaluations += p->moment == EK_FIT_EVALUATED;
    if (p->moment == EK_FIT_EVALUATED) s->eval_loss = p->loss;
    s->started = s->started || p->moment == EK_FIT_STARTED;
    s->ended = s->ended || p->moment == EK_FIT_ENDED;
    s->last = p->step;
    return s->stop_at == 0 || p->step < s->stop_at;
}

static void it_learns_and_evaluates_the_same_at_every_batch_size(void **state)
{
    double right[3], loss[3];

    EK_UNUSED(state);
    for (int i = 0; i < 3; i++) {
        net n = net_create(true);
        ek_fit_result r;
        seen s = { 0 };

        assert_int_equal(EK_OK, ek_fit(n.session, n.train, NET_FIT(n), .steps = 150, .eval_data = n.test, .eval_every = 50,
                                       .eval_batch_size = (int64_t[]){ 1, 7, 1000 }[i], .callback = watch,
                                       .callback_arg = &s, .result = &r));
        assert_int_equal(EK_FIT_DONE, r.end);
        assert_int_equal(150, r.step);
        assert_int_equal(150, s.steps);
        assert_int_equal(3, s.evaluations);
        assert_true(s.started && s.ended);
        assert_true(s.eval_loss == r.eval_loss);
        right[i] = r.eval_metric[0];
        loss[i] = r.eval_loss;
        net_destroy(&n);
    }
    assert_true(right[0] > 0.6);
    assert_true(right[0] == right[1] && right[0] == right[2]);
    assert_true(fabs(loss[0] - loss[2]) < 1e-5 && fabs(loss[1] - loss[2]) < 1e-5);
}

static void epochs_are_counted_in_whole_batches(void **state)
{
    net n = net_create(true);
    ek_fit_result r;

    EK_UNUSED(state);
    assert_int_equal(EK_OK, ek_fit(n.session, n.train, NET_FIT(n), .epochs = 2, .result = &r));
    assert_int_equal(2 * (NET_ROWS / 20), r.step);
    assert_int_equal(2, r.epoch);
    assert_true(isnan(r.eval_loss));
    net_destroy(&n);
}

static void a_callback_and_a_flag_stop_it(void **state)
{
    net n = net_create(true);
    seen s = { .stop_at = 7 };
    const int stop = 1;
    ek_fit_result r;

    EK_UNUSED(state);
    assert_int_equal(EK_OK, ek_fit(n.session, n.train, NET_FIT(n), .steps = 100, .callback = watch, .callback_arg = &s,
                                   .result = &r));
    assert_int_equal(EK_FIT_STOPPED, r.end);
    assert_int_equal(7, r.step);
    assert_int_equal(EK_OK, ek_fit(n.session, n.train, NET_FIT(n), .steps = 100, .stop = &stop, .result = &r));
    assert_int_equal(EK_FIT_STOPPED, r.end);
    assert_int_equal(0, r.step);
    net_destroy(&n);
}

static void nothing_better_ends_it(void **state)
{
    net n = net_create(true);
    ek_fit_result r;

    EK_UNUSED(state);
    /* A step that trains nothing: no evaluation is better than the first. */
    assert_int_equal(EK_OK, ek_fit(n.session, ek_no_op(n.graph), NET_FIT(n), .steps = 100, .held_out = n.test,
                                   .eval_every = 10, .patience = 3, .result = &r));
    assert_int_equal(EK_FIT_PATIENCE, r.end);
    assert_int_equal(40, r.step);
    assert_int_equal(10, r.best_step);
    net_destroy(&n);
}

static void a_loss_that_is_no_number_ends_it(void **state)
{
    net n = net_create(true);
    ek_error err = { .code = EK_OK };
    ek_fit_result r;
    const ek_tensor bad = ek_log(ek_minus(2.0, ek_cast(ek_get_global_step(n.graph), EK_FLOAT32)));

    EK_UNUSED(state);
    assert_int_equal(EK_ABORTED, ek_fit(n.session, n.train, NET_FIT(n), .steps = 100, .loss = ek_reduce_sum(bad),
                                        .result = &r, .error = &err));
    assert_int_equal(EK_FIT_NOT_FINITE, r.end);
    assert_int_equal(2, r.step);
    assert_non_null(strstr(err.text, "the loss of step 2 is -inf"));
    net_destroy(&n);
}

static void more_ops_follow_each_step(void **state)
{
    net n = net_create(true);
    const ek_variable count = ek_get_variable(n.graph, "count", .shape = EK_SCALAR, .initializer = ek_zeros_initializer(),
                                              .trainable = false);
    const ek_op once = ek_tensor_op(ek_assign_add(count, 1.0)), twice = ek_tensor_op(ek_assign_add(count, 10.0));
    ek_array *v;

    EK_UNUSED(state);
    assert_int_equal(EK_OK, ek_run(n.session, .target = { ek_variable_initializer(count) }));
    assert_int_equal(EK_OK, ek_fit(n.session, n.train, NET_FIT(n), .steps = 5, .also_run = EK_LIST(once), .then = { twice, twice }));
    assert_int_equal(EK_OK, ek_session_get(n.session, count, &v));
    assert_true(ek_array_get(v, 0) == 105);
    ek_array_unref(v);
    net_destroy(&n);
}

static void mistakes_are_told(void **state)
{
    net n = net_create(true);
    ek_error err;
    ek_dataset *bare, *empty;
    ek_array *column[1] = { ek_array_of(EK_FLOAT32, EK_SHAPE(4, 3), NULL) };

    EK_UNUSED(state);
#define REFUSED(words, ...)                                                                                     \
    do {                                                                                                        \
        err = (ek_error){ .code = EK_OK };                                                                      \
        assert_int_equal(EK_INVALID_ARGUMENT, ek_fit(n.session, n.train, NET_FIT(n), .error = &err, __VA_ARGS__)); \
        if (strstr(err.text, words) == NULL) fail_msg("expected '%s' in: %s", words, err.text);                 \
    } while (0)
    assert_int_equal(EK_OK, ek_dataset_from_arrays(column, 1, &bare, NULL));
    assert_int_equal(EK_OK, ek_dataset_part(n.test, 0, 0, &empty, NULL));
    REFUSED("the data set has no rows", .steps = 1, .data = empty);
    REFUSED("the data set of evaluation has no rows", .steps = 1, .eval_data = empty);
    REFUSED("the held-out data set has no rows", .steps = 1, .held_out = empty);
    ek_dataset_destroy(empty);
    REFUSED("a number of steps or of epochs", .steps = 0);
    REFUSED("a number of steps or of epochs", .steps = 1, .epochs = 1);
    REFUSED("needs a loss", .steps = 1, .loss = { n.graph, -1, 0 });
    REFUSED("needs data", .steps = 1, .data = NULL);
    REFUSED("has 1 columns; there is no column 1", .steps = 1, .eval_data = bare, .feed = { { n.c.labels, 1 } });
    REFUSED("batches of column 0 of the data set have shape (?, 3), 'x:0' is (?, 28, 28, 1)", .steps = 1, .data = bare);
    REFUSED("column 1 of the data set holds int64, 'x:0' is float32", .steps = 1, .feed = { { n.c.x, 1 } });
    REFUSED("patience needs held-out data", .steps = 1, .patience = 2);
    REFUSED("nothing to resume from", .steps = 1, .resume = true);
    REFUSED("epochs have more steps than can be counted", .epochs = INT64_MAX, .steps = 0);
    REFUSED("setting 0 of 1 has no name or no value", .steps = 1, .n_settings = 1);
    REFUSED("setting 0 of 1 has no name or no value", .steps = 1, .n_settings = 1,
            .settings = &(ek_fit_setting){ "seed", NULL });
    REFUSED("-1 settings were given", .steps = 1, .n_settings = -1);
    REFUSED("'odd' has shape (28,) for a batch of 20 rows", .steps = 1,
            .metric = { { "odd", ek_reduce_sum(n.c.x, .axis = EK_AXES(0, 2, 3)) } });
    ek_dataset_destroy(bare);
    ek_array_unref(column[0]);
    net_destroy(&n);
}

static net shared;

static ek_status train_a_little(void)
{
    ek_error err = { .code = EK_OK };

    return ek_fit(shared.session, shared.train, NET_FIT(shared), .steps = 3, .eval_data = shared.test, .held_out = shared.test,
                  .eval_every = 2, .error = &err);
}

static void no_memory_is_an_error(void **state)
{
    ek_test_allocator t;

    EK_UNUSED(state);
    ek_test_allocator_install(&t, 0);
    shared = net_create(true);
    assert_int_equal(EK_OK, train_a_little());
    for (long k = 1; k < 400; k++) {
        t.fail_at = t.calls + k;
        const ek_status st = train_a_little();
        if (st != EK_OK) assert_int_equal(EK_RESOURCE_EXHAUSTED, st);
        if (t.calls < t.fail_at) break;
    }
    t.fail_at = 0;
    net_destroy(&shared);
    assert_int_equal(0, t.live);
    ek_test_allocator_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_learns_and_evaluates_the_same_at_every_batch_size),
        cmocka_unit_test(epochs_are_counted_in_whole_batches),
        cmocka_unit_test(a_callback_and_a_flag_stop_it),
        cmocka_unit_test(nothing_better_ends_it),
        cmocka_unit_test(a_loss_that_is_no_number_ends_it),
        cmocka_unit_test(more_ops_follow_each_step),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(no_memory_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
