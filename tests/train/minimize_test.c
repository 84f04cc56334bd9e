/* compute_gradients, minimize and the training step: what they build, what they run, what they refuse. */
#include <math.h>

#include "support/building.h"

/* The distance of w from 3, squared. */
typedef struct line {
    ek_graph *g;
    ek_variable w;
    ek_tensor loss;
} line;

static line a_line(void)
{
    line l = { .g = ek_graph_create() };

    l.w = ek_get_variable(l.g, "w", .shape = EK_SCALAR, .initializer = ek_zeros_initializer());
    l.loss = ek_square(ek_minus(l.w, 3.0), .name = "loss");
    return l;
}

static void minimizing_goes_downhill(void **state)
{
    line l = a_line();
    ek_op train = ek_minimize(ek_gradient_descent_optimizer(l.g, 0.25), l.loss);
    ek_session *s = ek_session_create(l.g);

    (void)state;
    expect_fine(l.g);
    assert_string_equal(ek_op_name(train), "GradientDescent");
    assert_int_equal(ek_get_collection(l.g, EK_TRAIN_OP).count, 1);
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(l.g) }));
    EK_DIE(ek_run(s, .target = { train }));
    assert_true(number_now(s, l.w, 0) == 1.5);
    EK_DIE(ek_run(s, .target = { train }));
    assert_true(number_now(s, l.w, 0) == 2.25);
    ek_session_destroy(s);
    ek_graph_destroy(l.g);
}

static void gradients_may_be_changed_on_the_way(void **state)
{
    line l = a_line();
    ek_optimizer *o = ek_gradient_descent_optimizer(l.g, 1.0);
    ek_grads_and_vars gv = ek_compute_gradients(o, l.loss);

    (void)state;
    assert_int_equal(gv.gradients.count, 1);
    assert_int_equal(gv.variables.item[0].u.variable.id, l.w.id);
    gv.gradients = ek_clip_by_global_norm(gv.gradients, 0.5).gradients;
    ek_op train = ek_apply_gradients(o, gv);
    ek_session *s = ek_session_create(l.g);
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(l.g) }));
    EK_DIE(ek_run(s, .target = { train }));
    assert_true(number_now(s, l.w, 0) == 0.5);
    ek_session_destroy(s);
    ek_graph_destroy(l.g);
}

static void all_gradients_may_be_waited_for(void **state)
{
    line l = a_line();
    ek_variable unused = ek_get_variable(l.g, "unused", .shape = EK_SCALAR);
    ek_optimizer *o = ek_gradient_descent_optimizer(l.g, 1.0);
    ek_grads_and_vars gv = ek_compute_gradients(o, l.loss, .gate_gradients = EK_GATE_GRAPH,
                                                .var_list = EK_LIST(unused, l.w));

    (void)state;
    expect_fine(l.g);
    assert_false(ek_gradient_ok(gv.gradients.at[0]));
    assert_string_equal(ek_op_name(ek_tensor_op(gv.gradients.at[1].value)), "tuple/control_dependency");
    gv = ek_compute_gradients(o, l.loss, .grad_loss = ek_constant(l.g, ek_float(0.5)), .gate_gradients = EK_GATE_NONE);
    ek_op train = ek_apply_gradients(o, gv);
    ek_session *s = ek_session_create(l.g);
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(l.g) }));
    EK_DIE(ek_run(s, .target = { train }));
    assert_true(number_now(s, l.w, 0) == 3.0); /* 0.5 * 2 * 3 * 1.0 */
    ek_session_destroy(s);
    ek_graph_destroy(l.g);
}

/* Rows 2, 0 and 2 of four, each towards 0: the gradient of a row is twice the row, of one that comes twice four times. */
static void a_gather_trains_its_rows(ek_tristate resource)
{
    ek_graph *g = ek_graph_create();
    ek_array *first = ek_array_of(EK_FLOAT32, EK_SHAPE(4, 1), (float[]){ 1, 2, 3, 4 }), *got = NULL;
    ek_array *ids = ek_array_of(EK_INT32, EK_SHAPE(3), (int32_t[]){ 2, 0, 2 });
    ek_variable w = ek_variable_create(g, first, .name = "w", .use_resource = resource);
    ek_tensor rows = ek_gather(ek_variable_value(w), ek_constant(g, ek_value(ids)));
    ek_optimizer *o = ek_momentum_optimizer(g, 0.125, 0.5);
    ek_grads_and_vars gv = ek_compute_gradients(o, ek_reduce_sum(ek_square(rows)));

    assert_true(ek_gradient_is_rows(gv.gradients.at[0]));
    ek_op train = ek_apply_gradients(o, gv);
    ek_session *s = ek_session_create(g);
    expect_fine(g);
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(g) }));
    EK_DIE(ek_run(s, .target = { train }));
    EK_DIE(ek_run(s, .fetch = { { ek_variable_value(w), &got } }));
    const double want[] = { 1 - 0.125 * 2, 2, 3 - 0.125 * 12, 4 };
    for (int i = 0; i < 4; i++) assert_true(ek_array_get(got, i) == want[i]);
    ek_array_unref(first);
    ek_array_unref(ids);
    ek_array_unref(got);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void gathered_rows_are_trained(void **state)
{
    (void)state;
    a_gather_trains_its_rows(EK_NO);
    a_gather_trains_its_rows(EK_YES);
}

/* ---- the training step ---------------------------------------------------------------------------------------- */

/* One batch norm over two rows, 1 and 3, whose mean is 2. */
typedef struct normed {
    ek_graph *g;
    ek_tensor loss;
    ek_variable mean;
} normed;

static normed a_batch_norm(void)
{
    normed n = { .g = ek_graph_create() };
    ek_array *rows = ek_array_of(EK_FLOAT32, EK_SHAPE(2, 1), (float[]){ 1, 3 });
    ek_tensor y = ek_batch_normalization(ek_constant(n.g, ek_value(rows)), .training = EK_TRUE, .momentum = 0.5);

    n.loss = ek_reduce_mean(ek_square(ek_minus(y, 2.0)));
    n.mean = ek_variable_by_name(n.g, "batch_normalization/moving_mean");
    ek_array_unref(rows);
    return n;
}

static void minimize_alone_leaves_the_averages(void **state)
{
    normed n = a_batch_norm();
    ek_op train = ek_minimize(ek_gradient_descent_optimizer(n.g, 0.1), n.loss);
    ek_session *s = ek_session_create(n.g);

    (void)state;
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(n.g) }));
    EK_DIE(ek_run(s, .target = { train }));
    assert_true(number_now(s, n.mean, 0) == 0.0);
    ek_session_destroy(s);
    ek_graph_destroy(n.g);
}

static void the_training_step_moves_them(void **state)
{
    normed n = a_batch_norm();
    ek_tensor train = ek_train_op(n.loss, ek_adam_optimizer(n.g, 0.1));
    ek_variable step = ek_get_global_step(n.g);
    ek_session *s = ek_session_create(n.g);
    ek_array *loss = NULL;
    double before = INFINITY;

    (void)state;
    expect_fine(n.g);
    assert_string_equal(ek_op_name(ek_tensor_op(train)), "train_op/control_dependency");
    assert_int_equal(ek_get_collection(n.g, EK_TRAIN_OP).count, 2);
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(n.g) }));
    for (int i = 0; i < 3; i++) {
        EK_DIE(ek_run(s, .fetch = { { train, &loss } }));
        assert_true(ek_array_get(loss, 0) < before);
        before = ek_array_get(loss, 0);
    }
    assert_true(number_now(s, n.mean, 0) == 1.75); /* 2 * (1 - 0.5^3) */
    assert_true(number_now(s, step, 0) == 3.0);
    EK_DIE(ek_run(s, .target = { ek_tensor_op(train) }));
    assert_true(number_now(s, step, 0) == 4.0);
    ek_array_unref(loss);
    ek_session_destroy(s);
    ek_graph_destroy(n.g);
}

static ek_gradient_list to_nothing(ek_gradient_list gradients, ek_list variables, void *called)
{
    *(int64_t *)called = variables.count;
    return ek_clip_gradients_by_value(gradients, 0.0, 0.0);
}

static void a_training_step_has_options(void **state)
{
    normed n = a_batch_norm();
    int64_t variables = 0;
    ek_tensor train = ek_train_op(n.loss, ek_gradient_descent_optimizer(n.g, 0.1), .all_update_ops = false,
                                  .no_global_step = true, .check_numerics = false, .transform = to_nothing,
                                  .arg = &variables);
    ek_variable gamma = ek_variable_by_name(n.g, "batch_normalization/gamma");
    ek_session *s = ek_session_create(n.g);

    (void)state;
    expect_fine(n.g);
    assert_int_equal(variables, 2);
    assert_false(ek_variable_ok(ek_get_global_step(n.g)));
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(n.g) }));
    EK_DIE(ek_run(s, .target = { ek_tensor_op(train) }));
    assert_true(number_now(s, n.mean, 0) == 0.0);
    assert_true(number_now(s, gamma, 0) == 1.0);
    ek_session_destroy(s);
    ek_graph_destroy(n.g);
}

static void a_loss_that_is_not_finite_is_told(void **state)
{
    line l = a_line();
    ek_tensor x = ek_placeholder(l.g, EK_FLOAT32, .shape = EK_SCALAR);
    ek_tensor train = ek_train_op(ek_times(l.loss, x), ek_gradient_descent_optimizer(l.g, 0.1));
    ek_session *s = ek_session_create(l.g);
    ek_array *nan = ek_array_of(EK_FLOAT32, EK_SCALAR, (float[]){ NAN }), *loss = NULL;
    ek_error err = { 0 };

    (void)state;
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(l.g) }));
    assert_int_equal(ek_run(s, .feed = { { x, nan } }, .fetch = { { train, &loss } }, .error = &err),
                     EK_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "LossTensor is inf or nan : Tensor had NaN values"));
    ek_array_unref(nan);
    ek_array_unref(loss);
    ek_session_destroy(s);
    ek_graph_destroy(l.g);
}

/* ---- what cannot be --------------------------------------------------------------------------------------------- */

/* The graph of the loss has nothing to do with it and stays as it was. */
static void a_loss_of_another_graph_is_refused(void **state)
{
    ek_graph *g = ek_graph_create(), *other = ek_graph_create();
    ek_variable w = ek_variable_create(other, 1.0);
    ek_tensor loss = ek_square(w);
    const int64_t before = ek_graph_op_count(other);

    (void)state;
    assert_false(ek_tensor_ok(ek_train_op(loss, ek_gradient_descent_optimizer(g, 0.1))));
    assert_int_equal(ek_graph_op_count(other), before);
    expect_fine(other);
    ek_graph_destroy(other);
    expect_failure(g, "the loss is of another graph than the optimizer");
}

static void nothing_to_train_is_refused(void **state)
{
    ek_graph *g = ek_graph_create(), *other;
    line l;

    (void)state;
    ek_minimize(ek_gradient_descent_optimizer(g, 0.1), ek_constant(g, ek_float(1)));
    expect_failure(g, "No variables to optimize.");
    l = a_line();
    ek_minimize(ek_gradient_descent_optimizer(l.g, 0.1), ek_constant(l.g, ek_float(1)));
    expect_failure(l.g, "No gradients provided for any variable, check your graph for ops that do not support "
                        "gradients, between variables [\"<tf.Variable 'w:0' shape=() dtype=float32_ref>\"] and loss "
                        "Tensor(\"Const:0\", shape=(), dtype=float32).");
    l = a_line();
    ek_minimize(ek_gradient_descent_optimizer(l.g, 0.1), ek_constant(l.g, ek_int(1), .name = "loss_of_ints"));
    expect_failure(l.g, "Invalid type tf.int32 for loss_of_ints:0, expected: [tf.float16, tf.bfloat16, tf.float32, "
                        "tf.float64].");
    l = a_line();
    ek_minimize(ek_gradient_descent_optimizer(l.g, 0.1), l.loss, .gate_gradients = (ek_gate)7);
    expect_failure(l.g, "gate_gradients must be one of: Optimizer.GATE_NONE, Optimizer.GATE_OP, Optimizer.GATE_GRAPH.  "
                        "Not 7");
    l = a_line();
    ek_train_op(l.loss, NULL);
    expect_failure(l.g, "gradients need an optimizer; this one is NULL");
    l = a_line();
    other = ek_graph_create();
    ek_minimize(ek_gradient_descent_optimizer(l.g, 0.1), ek_constant(other, ek_float(1)));
    ek_graph_destroy(other);
    expect_failure(l.g, "the loss is of another graph than the optimizer");
}

static ek_status everything(ek_graph *g)
{
    line l = { .g = g };

    l.w = ek_get_variable(l.g, "w", .shape = EK_SCALAR, .initializer = ek_zeros_initializer());
    l.loss = ek_square(l.w);
    ek_train_op(l.loss, ek_momentum_optimizer(l.g, 0.1, 0.9), .gate_gradients = EK_GATE_GRAPH);
    return ek_graph_status(g, NULL);
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    ek_test_refuse_each_on_graph(everything, 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minimizing_goes_downhill),
        cmocka_unit_test(gradients_may_be_changed_on_the_way),
        cmocka_unit_test(all_gradients_may_be_waited_for),
        cmocka_unit_test(gathered_rows_are_trained),
        cmocka_unit_test(minimize_alone_leaves_the_averages),
        cmocka_unit_test(the_training_step_moves_them),
        cmocka_unit_test(a_training_step_has_options),
        cmocka_unit_test(a_loss_that_is_not_finite_is_told),
        cmocka_unit_test(a_loss_of_another_graph_is_refused),
        cmocka_unit_test(nothing_to_train_is_refused),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
