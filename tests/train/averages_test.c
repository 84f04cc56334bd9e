/* Moving averages of weights: nodes and values are TensorFlow's; names to restore from. */
#include <math.h>

#include "support/building.h"

static void expect_pair(ek_session *s, ek_variable v, double a, double b)
{
    ek_array *got = NULL;

    EK_DIE(ek_run(s, .fetch = { { ek_variable_value(v), &got } }));
    if (!(fabs(ek_array_get(got, 0) - a) <= 1e-6 * fabs(a)) || !(fabs(ek_array_get(got, 1) - b) <= 1e-6 * fabs(b)))
        fail_msg("%s is %.9g, %.9g instead of %.9g, %.9g", ek_variable_name(v), ek_array_get(got, 0),
                 ek_array_get(got, 1), a, b);
    ek_array_unref(got);
}

typedef struct averaged {
    ek_graph *g;
    ek_tensor x, y;
    ek_variable w, step;
    ek_moving_average *ema;
    ek_op apply;
    int64_t before;
} averaged;

/* w moves by x each step; its average, and that of 2*x without the zeros it begins with. */
static averaged build(ek_tristate resource)
{
    averaged a = { .g = ek_graph_create() };

    ek_use_resource_variables(a.g, resource == EK_YES);
    a.x = ek_placeholder(a.g, EK_FLOAT32, .shape = EK_SHAPE(2), .name = "x");
    a.w = ek_get_variable(a.g, "w", .shape = EK_SHAPE(2), .initializer = ek_ones_initializer());
    a.step = ek_get_or_create_global_step(a.g);
    const ek_tensor up = ek_assign_add(a.w, a.x), count = ek_assign_add(a.step, 1);
    a.ema = ek_exponential_moving_average(a.g, 0.9, .num_updates = EK_OPERAND(a.step), .zero_debias = true);
    ek_with_control_dependencies(a.g, EK_LIST(up, count)) {
        a.y = ek_times(a.x, 2.0);
        a.before = ek_graph_op_count(a.g);
        a.apply = ek_moving_average_apply(a.ema, EK_LIST(a.w, a.y));
    }
    expect_fine(a.g);
    return a;
}

/* TensorFlow 2.15's numbers, for both sorts of variables. */
static const double w_after[4][2] = { { 1.81818175, 0.590909123 }, { 3.4545455, 0.147727281 }, { 5.909091, -0.300699294 },
                                      { 9.18181801, -0.750249743 } };
static const double y_after[4][2] = { { 2.0, -1.0 }, { 3.63636374, -1.0181818 }, { 5.35890579, -1.01559901 },
                                      { 7.11678362, -1.01146078 } };

static void four_steps(ek_tristate resource)
{
    averaged a = build(resource);
    ek_session *s = ek_session_create(a.g);

    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(a.g) }));
    for (int i = 0; i < 4; i++) {
        ek_array *x = ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){ 1.0f + (float)i, -0.5f });
        EK_DIE(ek_run(s, .feed = { { a.x, x } }, .target = { a.apply }));
        expect_pair(s, ek_average_of(a.ema, a.w), w_after[i][0], w_after[i][1]);
        expect_pair(s, ek_average_of(a.ema, a.y), y_after[i][0], y_after[i][1]);
        ek_array_unref(x);
    }
    ek_session_destroy(s);
    ek_graph_destroy(a.g);
}

static void averages_are_tensorflows(void **state)
{
    (void)state;
    four_steps(EK_NO);
    four_steps(EK_YES);
}

static void averages_are_made_of_tensorflows_nodes(void **state)
{
    averaged a = build(EK_NO);

    (void)state;
    expect_names(a.g, a.before,
        "IsVariableInitialized cond/Switch cond/switch_t cond/switch_f cond/pred_id cond/read cond/read/Switch "
        "cond/Switch_1 cond/Merge w/ExponentialMovingAverage w/ExponentialMovingAverage/IsVariableInitialized "
        "w/ExponentialMovingAverage/cond/Switch w/ExponentialMovingAverage/cond/switch_t "
        "w/ExponentialMovingAverage/cond/switch_f w/ExponentialMovingAverage/cond/pred_id "
        "w/ExponentialMovingAverage/cond/read w/ExponentialMovingAverage/cond/read/Switch "
        "w/ExponentialMovingAverage/cond/Switch_1 w/ExponentialMovingAverage/cond/Merge "
        "cond/read/Switch_w/ExponentialMovingAverage cond/read_w/ExponentialMovingAverage "
        "cond/Merge_w/ExponentialMovingAverage w/ExponentialMovingAverage/Assign w/ExponentialMovingAverage/read "
        "mul/ExponentialMovingAverage/Initializer/zeros mul/ExponentialMovingAverage mul/ExponentialMovingAverage/Assign "
        "mul/ExponentialMovingAverage/read ExponentialMovingAverage/decay ExponentialMovingAverage/num_updates "
        "ExponentialMovingAverage/add/x ExponentialMovingAverage/add ExponentialMovingAverage/add_1/x "
        "ExponentialMovingAverage/add_1 ExponentialMovingAverage/truediv ExponentialMovingAverage/Minimum "
        "ExponentialMovingAverage/AssignMovingAvg/sub/x ExponentialMovingAverage/AssignMovingAvg/sub "
        "ExponentialMovingAverage/AssignMovingAvg/sub_1 ExponentialMovingAverage/AssignMovingAvg/mul "
        "ExponentialMovingAverage/AssignMovingAvg ExponentialMovingAverage/AssignMovingAvg_1/sub/x "
        "ExponentialMovingAverage/AssignMovingAvg_1/sub mul/ExponentialMovingAverage/biased/Initializer/zeros "
        "mul/ExponentialMovingAverage/biased mul/ExponentialMovingAverage/biased/Assign "
        "mul/ExponentialMovingAverage/biased/read mul/ExponentialMovingAverage/local_step/Initializer/zeros "
        "mul/ExponentialMovingAverage/local_step mul/ExponentialMovingAverage/local_step/Assign "
        "mul/ExponentialMovingAverage/local_step/read ExponentialMovingAverage/AssignMovingAvg_1/sub_1 "
        "ExponentialMovingAverage/AssignMovingAvg_1/mul ExponentialMovingAverage/AssignMovingAvg_1/AssignSub "
        "ExponentialMovingAverage/AssignMovingAvg_1/AssignAdd/value ExponentialMovingAverage/AssignMovingAvg_1/AssignAdd "
        "ExponentialMovingAverage/AssignMovingAvg_1/sub_2/x ExponentialMovingAverage/AssignMovingAvg_1/sub_2 "
        "ExponentialMovingAverage/AssignMovingAvg_1/Pow ExponentialMovingAverage/AssignMovingAvg_1/sub_3/x "
        "ExponentialMovingAverage/AssignMovingAvg_1/sub_3 ExponentialMovingAverage/AssignMovingAvg_1/truediv "
        "ExponentialMovingAverage/AssignMovingAvg_1 ExponentialMovingAverage");
    ek_graph_destroy(a.g);
}

static void one_variable_follows_a_value(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(2), .name = "x");
    ek_variable v = ek_get_variable(g, "v", .shape = EK_SHAPE(2), .initializer = ek_ones_initializer());
    const int64_t before = ek_graph_op_count(g);
    ek_op plain = ek_assign_moving_average(v, x, 0.5, .zero_debias = false), debiased = ek_assign_moving_average(v, x, 0.9);
    ek_array *value = ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){ 4, -2 });
    ek_session *s = ek_session_create(g);

    (void)state;
    expect_fine(g);
    expect_names(g, before,
        "AssignMovingAvg/decay AssignMovingAvg/sub AssignMovingAvg/mul AssignMovingAvg AssignMovingAvg_1/decay "
        "v/biased/Initializer/zeros v/biased v/biased/Assign v/biased/read v/local_step/Initializer/zeros v/local_step "
        "v/local_step/Assign v/local_step/read AssignMovingAvg_1/sub AssignMovingAvg_1/mul AssignMovingAvg_1/AssignSub "
        "AssignMovingAvg_1/AssignAdd/value AssignMovingAvg_1/AssignAdd AssignMovingAvg_1/sub_1/x AssignMovingAvg_1/sub_1 "
        "AssignMovingAvg_1/Pow AssignMovingAvg_1/sub_2/x AssignMovingAvg_1/sub_2 AssignMovingAvg_1/truediv "
        "AssignMovingAvg_1");
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(g) }));
    EK_DIE(ek_run(s, .feed = { { x, value } }, .target = { plain }));
    expect_pair(s, v, 2.5, -0.5);
    EK_DIE(ek_run(s, .feed = { { x, value } }, .target = { debiased }));
    expect_pair(s, v, 4, -2);
    ek_array_unref(value);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void variables_are_restored_from_their_averages(void **state)
{
    averaged a = build(EK_NO);
    const ek_named_variables all = ek_variables_to_restore(a.ema, EK_EMPTY_LIST);

    (void)state;
    assert_int_equal(all.count, 5);
    assert_string_equal(all.at[0].name, "w/ExponentialMovingAverage");
    assert_string_equal(ek_variable_name(all.at[0].variable), "w:0");
    assert_string_equal(all.at[1].name, "global_step");
    assert_string_equal(all.at[2].name, "mul/ExponentialMovingAverage");
    assert_string_equal(ek_average_name(a.ema, a.w), "w/ExponentialMovingAverage");
    assert_string_equal(ek_average_name(a.ema, a.step), "global_step/ExponentialMovingAverage");
    assert_string_equal(ek_average_name(a.ema, a.y), "mul/ExponentialMovingAverage");
    assert_false(ek_variable_ok(ek_average_of(a.ema, a.step)));
    assert_int_equal(ek_moving_average_variables(a.g).count, 1);
    ek_graph_destroy(a.g);
}

static void a_variable_of_another_graph_has_no_average(void **state)
{
    ek_graph *g = ek_graph_create(), *other = ek_graph_create();
    ek_variable v = ek_variable_create(g, 1.0), w = ek_variable_create(other, 1.0);
    ek_moving_average *m = ek_exponential_moving_average(g, 0.9);

    (void)state;
    ek_moving_average_apply(m, EK_LIST(v));
    expect_fine(g);
    assert_true(ek_variable_ok(ek_average_of(m, v)));
    assert_false(ek_variable_ok(ek_average_of(m, w)));
    ek_graph_destroy(g);
    ek_graph_destroy(other);
}

static void what_cannot_be_averaged_is_refused(void **state)
{
    ek_graph *g = ek_graph_create(), *other = ek_graph_create();
    ek_variable n = ek_get_variable(g, "n", .shape = EK_SCALAR, .dtype = EK_INT32);

    (void)state;
    ek_moving_average_apply(ek_exponential_moving_average(g, 0.9), EK_LIST(n));
    expect_failure(g, "The variables must be half, float, or double: n:0");
    g = ek_graph_create();
    ek_moving_average_apply(ek_exponential_moving_average(g, 0.9), EK_LIST(ek_constant(other, ek_float(1))));
    expect_failure(g, "ExponentialMovingAverage averages variables and tensors of its graph; this item is neither");
    g = ek_graph_create();
    assert_null(ek_exponential_moving_average(g, ek_constant(other, ek_float(1))));
    expect_failure(g, "decay and num_updates must be numbers, or tensors or variables of this graph");
    g = ek_graph_create();
    n = ek_get_variable(g, "n", .shape = EK_SCALAR);
    ek_assign_moving_average(n, "word", 0.9);
    expect_failure(g, "a moving average is of a variable; value and decay are numbers, or tensors or variables of its graph");
    g = ek_graph_create();
    assert_null(ek_exponential_moving_average(g, NAN));
    expect_failure(g, "decay is nan; it must be a finite number");
    g = ek_graph_create();
    n = ek_get_variable(g, "n", .shape = EK_SCALAR);
    ek_moving_average_apply(NULL, EK_LIST(n));
    ek_graph_destroy(g);
    ek_graph_destroy(other);
}

static ek_status everything(ek_graph *g)
{
    ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(2));
    ek_variable w = ek_get_variable(g, "w", .shape = EK_SHAPE(2));
    ek_moving_average *m = ek_exponential_moving_average(g, 0.9, .num_updates = EK_OPERAND(3), .zero_debias = true);
    ek_moving_average_apply(m, EK_LIST(w, x));
    ek_get_or_create_global_step(g);
    const ek_status st = ek_graph_status(g, NULL);
    return st == EK_OK && ek_variables_to_restore(m, EK_EMPTY_LIST).count != 5 ? EK_RESOURCE_EXHAUSTED : st;
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    ek_test_refuse_each_on_graph(everything, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(averages_are_tensorflows),
        cmocka_unit_test(averages_are_made_of_tensorflows_nodes),
        cmocka_unit_test(one_variable_follows_a_value),
        cmocka_unit_test(variables_are_restored_from_their_averages),
        cmocka_unit_test(a_variable_of_another_graph_has_no_average),
        cmocka_unit_test(what_cannot_be_averaged_is_refused),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
