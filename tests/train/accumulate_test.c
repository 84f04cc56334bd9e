/* Gradients of several runs: their mean is applied, dense or rows, and then forgotten. */
#include <string.h>

#include "support/building.h"

static void add_part(ek_session *s, ek_accumulation parts, ek_tensor x, float value)
{
    ek_array *a = ek_array_of(EK_FLOAT32, EK_SCALAR, &value);

    EK_DIE(ek_run(s, .feed = { { x, a } }, .target = { parts.add }));
    ek_array_unref(a);
}

static void parts_make_one_step(ek_tristate resource)
{
    ek_graph *g = ek_graph_create();
    ek_use_resource_variables(g, resource == EK_YES);
    ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SCALAR);
    ek_variable w = ek_get_variable(g, "w", .shape = EK_SHAPE(3), .initializer = ek_ones_initializer());
    ek_variable none = ek_get_variable(g, "none", .shape = EK_SHAPE(3));
    ek_array *two = ek_array_of(EK_INT32, EK_SHAPE(2), (int32_t[]){ 2, 2 });
    const ek_tensor ones = ek_ones(g, EK_SHAPE(3)), pair = ek_ones(g, EK_SHAPE(2));
    ek_variable v = ek_get_variable(g, "v", .shape = EK_SHAPE(3), .initializer = ek_zeros_initializer());
    ek_gradient d[3] = { ek_gradient_of(ek_times(ones, x)), ek_gradient_of((ek_tensor){ g, -1, 0 }),
                         ek_gradient_of(ek_times(pair, x)) };
    d[2].indices = ek_constant(g, ek_value(two));
    ek_optimizer *o = ek_gradient_descent_optimizer(g, 1.0);
    ek_accumulation parts = ek_accumulate_gradients({ { g, d, 3 }, EK_LIST(w, none, v) });
    ek_op step = ek_apply_accumulated(o, parts, .global_step = ek_get_or_create_global_step(g));
    ek_session *s = ek_session_create(g);

    expect_fine(g);
    assert_int_equal(parts.kept.count, 3);
    assert_string_equal(ek_variable_name(parts.kept.item[0].u.variable), "w/accumulation:0");
    assert_false(ek_gradient_ok(parts.mean.gradients.at[1]));
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(g) }));
    for (int round = 1; round <= 2; round++) {
        add_part(s, parts, x, 1);
        add_part(s, parts, x, 2);
        assert_true(number_now(s, parts.kept.item[2].u.variable, 0) == 2.0);
        EK_DIE(ek_run(s, .target = { step }));
        assert_true(number_now(s, w, 0) == 1.0 - 1.5 * round);
        assert_true(number_now(s, v, 0) == 0.0 && number_now(s, v, 2) == -3.0 * round);
        assert_true(number_now(s, parts.kept.item[2].u.variable, 0) == 0.0);
        assert_true(number_now(s, parts.kept.item[0].u.variable, 1) == 0.0);
    }
    add_part(s, parts, x, 100);
    EK_DIE(ek_run(s, .target = { parts.reset }));
    add_part(s, parts, x, 1);
    EK_DIE(ek_run(s, .target = { step }));
    assert_true(number_now(s, w, 0) == -3.0);
    assert_true(number_now(s, ek_get_global_step(g), 0) == 3.0);
    assert_int_equal(ek_run(s, .target = { step }), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(ek_last_error()->text, "no part was added"));
    assert_true(number_now(s, w, 0) == -3.0);
    ek_array_unref(two);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void parts_of_a_batch_make_one_step(void **state)
{
    (void)state;
    parts_make_one_step(EK_NO);
    parts_make_one_step(EK_YES);
}

static void nothing_to_add_is_refused(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_variable w = ek_get_variable(g, "w", .shape = EK_SHAPE(3));
    ek_gradient d = ek_gradient_of((ek_tensor){ g, -1, 0 });

    (void)state;
    ek_accumulate_gradients({ { g, &d, 1 }, EK_LIST(w) });
    expect_failure(g, "there is no gradient to accumulate: all 1 are None");
    g = ek_graph_create();
    d = ek_gradient_of(ek_ones(g, EK_SHAPE(3)));
    ek_accumulate_gradients({ { g, &d, 1 }, EK_LIST(d.value) });
    expect_failure(g, "gradient 0, or what it is of, is no variable's of this graph");
    g = ek_graph_create();
    ek_accumulate_gradients({ { g, &d, 1 }, { g, NULL, 0 } });
    expect_failure(g, "1 gradients for 0 variables");
}

static void hear(const ek_finding *f, void *arg)
{
    (void)f;
    ++*(int *)arg;
}

/* The updates run with each part: nothing to warn of, and the averages move twice. */
static void parts_move_the_averages_of_batch_norms(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 1));
    ek_tensor y = ek_batch_normalization(x, .training = EK_TRUE, .momentum = 0.5, .name = "bn");
    ek_optimizer *o = ek_gradient_descent_optimizer(g, 0.1);
    ek_accumulation parts = ek_accumulate_gradients(ek_compute_gradients(o, ek_reduce_mean(ek_square(y))));
    ek_op step = ek_apply_accumulated(o, parts);
    ek_array *eights = ek_array_of(EK_FLOAT32, EK_SHAPE(8, 1), (float[]){ 8, 8, 8, 8, 8, 8, 8, 8 });
    int heard = 0;
    ek_session *s = ek_session_create(g, .report = hear, .report_arg = &heard);

    (void)state;
    expect_fine(g);
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(g) }));
    for (int i = 0; i < 2; i++) EK_DIE(ek_run(s, .feed = { { x, eights } }, .target = { parts.add }));
    EK_DIE(ek_run(s, .target = { step }));
    assert_true(number_now(s, ek_variable_by_name(g, "bn/moving_mean"), 0) == 6.0);
    assert_int_equal(heard, 0);
    ek_array_unref(eights);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static ek_status everything(ek_graph *g)
{
    ek_variable w = ek_get_variable(g, "w", .shape = EK_SHAPE(3));
    ek_gradient d = ek_gradient_of(ek_ones(g, EK_SHAPE(3)));
    ek_apply_accumulated(ek_gradient_descent_optimizer(g, 0.1), ek_accumulate_gradients({ { g, &d, 1 }, EK_LIST(w) }));
    return ek_graph_status(g, NULL);
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    ek_test_refuse_each_on_graph(everything, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_of_a_batch_make_one_step),
        cmocka_unit_test(parts_move_the_averages_of_batch_norms),
        cmocka_unit_test(nothing_to_add_is_refused),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
