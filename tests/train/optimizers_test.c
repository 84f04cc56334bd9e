/* Optimizers: values after some steps are TensorFlow's, slots and names too; what cannot be is refused. */
#include <math.h>

#include "support/building.h"

/* ---- three steps of each, against TensorFlow's own numbers ------------------------------------------------ */

typedef struct vectors {
    const char *optimizer;
    ek_dtype dtype;
    bool rows;
    const char *slot[3];
    double after[4][8]; /* of the variable, then of its slots */
} vectors;
static const vectors all_vectors[] = {
#include "optimizer_vectors.h"
};

static ek_optimizer *optimizer_named(ek_graph *g, const char *name)
{
    if (strcmp(name, "descent") == 0) return ek_gradient_descent_optimizer(g, 0.1);
    if (strcmp(name, "momentum") == 0) return ek_momentum_optimizer(g, 0.1, 0.9);
    if (strcmp(name, "nesterov") == 0) return ek_momentum_optimizer(g, 0.1, 0.9, .use_nesterov = true);
    if (strcmp(name, "adam") == 0) return ek_adam_optimizer(g, 0.01, .beta2 = EK_OPERAND(0.99));
    if (strcmp(name, "rms_prop") == 0)
        return ek_rms_prop_optimizer(g, 0.01, .decay = EK_OPERAND(0.8), .momentum = EK_OPERAND(0.5),
                                     .epsilon = EK_OPERAND(1e-3));
    if (strcmp(name, "centered") == 0)
        return ek_rms_prop_optimizer(g, 0.01, .momentum = EK_OPERAND(0.5), .centered = true);
    if (strcmp(name, "adagrad") == 0) return ek_adagrad_optimizer(g, 0.1, .initial_accumulator_value = 0.2);
    if (strcmp(name, "adadelta") == 0) return ek_adadelta_optimizer(g, 0.1);
    if (strcmp(name, "ftrl") == 0)
        return ek_ftrl_optimizer(g, 0.1, .l1_regularization_strength = 0.2, .l2_regularization_strength = 0.3);
    assert_string_equal(name, "ftrl_v2");
    return ek_ftrl_optimizer(g, 0.1, .learning_rate_power = -0.7, .l2_shrinkage_regularization_strength = 0.4);
}

static const double start[] = { 1.0, -0.5, 0.25, 2.0, -1.5, 0.75, 0.125, -3.0 };
static const double dense[] = { 0.5, -0.3, 0.9, 0.0, 0.001, -2.0, 1.5, 0.25 };
static const double rows[] = { 0.5, -0.25, 1.0, 0.75, -0.3, 0.6 };

static ek_array *array_from(ek_dtype dtype, ek_shape shape, const double *values)
{
    float narrow[8];

    for (int64_t i = 0; i < ek_shape_count(&shape); i++) narrow[i] = (float)values[i];
    ek_array *a = ek_array_of(dtype, shape, dtype == EK_FLOAT64 ? (const void *)values : narrow);
    assert_non_null(a);
    return a;
}

static ek_tensor constant(ek_graph *g, ek_dtype dtype, ek_shape shape, const double *values)
{
    ek_array *a = array_from(dtype, shape, values);
    const ek_tensor t = ek_constant(g, ek_value(a));

    ek_array_unref(a);
    return t;
}

static ek_gradient gradient_of(ek_graph *g, const vectors *v, ek_tensor factor)
{
    ek_array *indices;
    ek_gradient d;

    if (!v->rows) return ek_gradient_of(ek_times(constant(g, v->dtype, EK_SHAPE(4, 2), dense), factor));
    d = ek_gradient_of(ek_times(constant(g, v->dtype, EK_SHAPE(3, 2), rows), factor));
    indices = ek_array_of(EK_INT32, EK_SHAPE(3), (int32_t[]){ 2, 0, 2 });
    d.indices = ek_constant(g, ek_value(indices));
    ek_array_unref(indices);
    return d;
}

static void expect_values(const vectors *v, const char *what, const ek_array *got, const double *want)
{
    const double tolerance = v->dtype == EK_FLOAT64 ? 4e-15 : 2e-7;

    for (int64_t i = 0; i < 8; i++) {
        const double x = ek_array_get(got, i), y = want[i];
        if (!(fabs(x - y) <= tolerance * (fabs(y) + 0.1)))
            fail_msg("%s, %s, %s: %s[%d] is %.17g, TensorFlow's %.17g", v->optimizer, ek_dtype_name(v->dtype),
                     v->rows ? "rows" : "dense", what, (int)i, x, y);
    }
}

static void three_steps(const vectors *v, ek_tristate resource)
{
    ek_graph *g = ek_graph_create();
    ek_array *first = array_from(v->dtype, EK_SHAPE(4, 2), start), *got = NULL;
    ek_variable var = ek_variable_create(g, first, .name = "v", .use_resource = resource);
    ek_tensor factor = ek_placeholder(g, v->dtype, .shape = EK_SCALAR);
    ek_optimizer *o = optimizer_named(g, v->optimizer);
    const ek_gradient d = gradient_of(g, v, factor);
    ek_op train = ek_apply_gradients(o, { { g, &d, 1 }, EK_LIST(var) });
    ek_session *s = ek_session_create(g);

    expect_fine(g);
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(g) }));
    for (int i = 0; i < 3; i++) {
        ek_array *now = array_from(v->dtype, EK_SCALAR, &(double[]){ 1.0, -0.5, 2.0 }[i]);
        EK_DIE(ek_run(s, .feed = { { factor, now } }, .target = { train }));
        ek_array_unref(now);
    }
    EK_DIE(ek_run(s, .fetch = { { ek_variable_value(var), &got } }));
    expect_values(v, "variable", got, v->after[0]);
    for (int k = 0; k < 3 && v->slot[k] != NULL; k++) {
        const ek_variable slot = ek_get_slot(o, var, v->slot[k]);
        assert_true(ek_variable_ok(slot));
        assert_false(ek_variable_is_trainable(slot));
        assert_int_equal(ek_variable_is_resource(slot), ek_variable_is_resource(var));
        EK_DIE(ek_run(s, .fetch = { { ek_variable_value(slot), &got } }));
        expect_values(v, v->slot[k], got, v->after[1 + k]);
    }
    ek_array_unref(first);
    ek_array_unref(got);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void three_steps_are_tensorflows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof all_vectors / sizeof all_vectors[0]; i++) {
        three_steps(&all_vectors[i], EK_NO);
        three_steps(&all_vectors[i], EK_YES);
    }
}

/* ---- nodes --------------------------------------------------------------------------------------------------- */

/* A variable of four rows of two and the gradient of three of its rows, two of them the same. */
typedef struct few {
    ek_graph *g;
    ek_variable v;
    ek_gradient rows, dense;
} few;

static few few_rows(ek_dtype dtype, ek_tristate resource)
{
    few f = { ek_graph_create(), { NULL, -1 }, { { NULL, -1, 0 }, { NULL, -1, 0 }, { NULL, -1, 0 } },
              { { NULL, -1, 0 }, { NULL, -1, 0 }, { NULL, -1, 0 } } };
    const vectors of = { .dtype = dtype, .rows = true };
    ek_array *first = array_from(dtype, EK_SHAPE(4, 2), start);

    f.v = ek_variable_create(f.g, first, .name = "v", .use_resource = resource);
    f.rows = gradient_of(f.g, &of, ek_constant(f.g, ek_scalar(dtype, 1.0)));
    f.dense = ek_gradient_of(constant(f.g, dtype, EK_SHAPE(4, 2), dense));
    ek_array_unref(first);
    return f;
}

/* Applied, its nodes are named so. */
static void expect_applied(few f, ek_optimizer *o, const ek_gradient *d, const char *names)
{
    const int64_t before = ek_graph_op_count(f.g);

    ek_apply_gradients(o, { { f.g, d, 1 }, EK_LIST(f.v) });
    expect_fine(f.g);
    expect_names(f.g, before, names);
    ek_graph_destroy(f.g);
}

static void rows_are_applied_by_tensorflows_nodes(void **state)
{
    few f = few_rows(EK_FLOAT64, EK_NO);

    (void)state;
    expect_applied(f, ek_momentum_optimizer(f.g, 0.1, 0.9), &f.rows,
        "v/Momentum/Initializer/zeros v/Momentum v/Momentum/Assign v/Momentum/read Momentum/learning_rate "
        "Momentum/momentum Momentum/update_v/Unique Momentum/update_v/Shape Momentum/update_v/strided_slice/stack "
        "Momentum/update_v/strided_slice/stack_1 Momentum/update_v/strided_slice/stack_2 "
        "Momentum/update_v/strided_slice Momentum/update_v/UnsortedSegmentSum Momentum/update_v/Cast "
        "Momentum/update_v/Cast_1 Momentum/update_v/SparseApplyMomentum Momentum");
    f = few_rows(EK_FLOAT32, EK_NO);
    expect_applied(f, ek_gradient_descent_optimizer(f.g, 0.1), &f.rows,
        "GradientDescent/learning_rate GradientDescent/update_v/mul GradientDescent/update_v/ScatterSub "
        "GradientDescent");
    f = few_rows(EK_FLOAT64, EK_YES);
    expect_applied(f, ek_gradient_descent_optimizer(f.g, 0.1), &f.rows,
        "GradientDescent/learning_rate GradientDescent/update_v/Neg GradientDescent/update_v/Cast "
        "GradientDescent/update_v/mul GradientDescent/update_v/ResourceScatterAdd GradientDescent");
    f = few_rows(EK_FLOAT32, EK_NO);
    expect_applied(f, ek_adam_optimizer(f.g, 0.1), &f.rows,
        "beta1_power/initial_value beta1_power beta1_power/Assign beta1_power/read beta2_power/initial_value "
        "beta2_power beta2_power/Assign beta2_power/read v/Adam/Initializer/zeros v/Adam v/Adam/Assign v/Adam/read "
        "v/Adam_1/Initializer/zeros v/Adam_1 v/Adam_1/Assign v/Adam_1/read Adam/learning_rate Adam/beta1 Adam/beta2 "
        "Adam/epsilon Adam/update_v/Unique Adam/update_v/Shape Adam/update_v/strided_slice/stack "
        "Adam/update_v/strided_slice/stack_1 Adam/update_v/strided_slice/stack_2 Adam/update_v/strided_slice "
        "Adam/update_v/UnsortedSegmentSum Adam/update_v/sub/x Adam/update_v/sub Adam/update_v/Sqrt Adam/update_v/mul "
        "Adam/update_v/sub_1/x Adam/update_v/sub_1 Adam/update_v/truediv Adam/update_v/sub_2/x Adam/update_v/sub_2 "
        "Adam/update_v/mul_1 Adam/update_v/mul_2 Adam/update_v/Assign Adam/update_v/ScatterAdd Adam/update_v/mul_3 "
        "Adam/update_v/sub_3/x Adam/update_v/sub_3 Adam/update_v/mul_4 Adam/update_v/mul_5 Adam/update_v/Assign_1 "
        "Adam/update_v/ScatterAdd_1 Adam/update_v/Sqrt_1 Adam/update_v/mul_6 Adam/update_v/add "
        "Adam/update_v/truediv_1 Adam/update_v/AssignSub Adam/update_v/group_deps Adam/mul Adam/Assign Adam/mul_1 "
        "Adam/Assign_1 Adam");
}

static ek_tensor halved(ek_variable v, void *arg)
{
    (void)arg;
    return ek_times(v, 0.5);
}

static void resource_variables_have_nodes_of_their_own(void **state)
{
    few f = few_rows(EK_FLOAT32, EK_YES);
    const char *powers =
        "v/Adam/Initializer/zeros v/Adam v/Adam/IsInitialized/VarIsInitializedOp v/Adam/Assign "
        "v/Adam/Read/ReadVariableOp v/Adam_1/Initializer/zeros v/Adam_1 v/Adam_1/IsInitialized/VarIsInitializedOp "
        "v/Adam_1/Assign v/Adam_1/Read/ReadVariableOp Adam/learning_rate Adam/beta1 Adam/beta2 Adam/epsilon "
        "Adam/update_v/ResourceApplyAdam/ReadVariableOp Adam/update_v/ResourceApplyAdam/ReadVariableOp_1 "
        "Adam/update_v/ResourceApplyAdam Adam/ReadVariableOp Adam/mul Adam/AssignVariableOp Adam/ReadVariableOp_1 "
        "Adam/ReadVariableOp_2 Adam/mul_1 Adam/AssignVariableOp_1 Adam/ReadVariableOp_3 Adam";
    int64_t before;
    ek_optimizer *o;

    (void)state;
    o = ek_adam_optimizer(f.g, 0.1);
    before = ek_graph_op_count(f.g) + 10; /* those of the powers come first */
    ek_apply_gradients(o, { { f.g, &f.dense, 1 }, EK_LIST(f.v) });
    expect_fine(f.g);
    expect_names(f.g, before, powers);
    assert_true(ek_variable_is_resource(ek_optimizer_variables(o).item[0].u.variable));
    ek_graph_destroy(f.g);

    f = few_rows(EK_FLOAT32, EK_YES);
    f.v = ek_variable_create(f.g, f.dense.value, .name = "w",
                             .use_resource = EK_YES, .constraint = ek_custom_constraint(halved, NULL));
    expect_applied(f, ek_gradient_descent_optimizer(f.g, 0.1), &f.dense,
        "GradientDescent/learning_rate GradientDescent/update_w/ResourceApplyGradientDescent "
        "GradientDescent/update_w/ReadVariableOp GradientDescent/update_w/mul/y GradientDescent/update_w/mul "
        "GradientDescent/update_w/AssignVariableOp GradientDescent/update_w/ReadVariableOp_1 GradientDescent");
}

/* ---- slots, steps ---------------------------------------------------------------------------------------------- */

static void a_second_optimizer_goes_on_numbering(void **state)
{
    few f = few_rows(EK_FLOAT32, EK_NO);
    ek_optimizer *one = ek_adam_optimizer(f.g, 0.1), *two = ek_adam_optimizer(f.g, 0.2);
    ek_keys names = ek_get_slot_names(one);

    (void)state;
    assert_int_equal(names.count, 0);
    assert_false(ek_variable_ok(ek_get_slot(one, f.v, "m")));
    ek_apply_gradients(one, { { f.g, &f.dense, 1 }, EK_LIST(f.v) });
    ek_apply_gradients(two, { { f.g, &f.dense, 1 }, EK_LIST(f.v) });
    ek_apply_gradients(one, { { f.g, &f.dense, 1 }, EK_LIST(f.v) }); /* has its slots already */
    expect_fine(f.g);
    assert_string_equal(ek_variable_name(ek_get_slot(one, f.v, "m")), "v/Adam:0");
    assert_string_equal(ek_variable_name(ek_get_slot(one, f.v, "v")), "v/Adam_1:0");
    assert_string_equal(ek_variable_name(ek_get_slot(two, f.v, "m")), "v/Adam_2:0");
    assert_false(ek_variable_ok(ek_get_slot(two, f.v, "momentum")));
    names = ek_get_slot_names(two);
    assert_int_equal(names.count, 2);
    assert_string_equal(names.key[0], "m");
    assert_string_equal(names.key[1], "v");
    const ek_list kept = ek_optimizer_variables(two);
    assert_int_equal(kept.count, 4);
    assert_string_equal(ek_variable_name(kept.item[0].u.variable), "beta1_power_1:0");
    assert_string_equal(ek_variable_name(kept.item[2].u.variable), "v/Adam_2:0");
    assert_int_equal(ek_get_collection(f.g, EK_TRAIN_OP).count, 3);
    assert_int_equal(ek_trainable_variables(f.g).count, 1);
    assert_string_equal(ek_optimizer_name(two), "Adam");
    ek_graph_destroy(f.g);
}

static void the_global_step_counts(ek_tristate resource)
{
    few f = few_rows(EK_FLOAT32, resource);
    ek_use_resource_variables(f.g, resource == EK_YES);
    ek_variable step = ek_get_or_create_global_step(f.g);
    ek_op train = ek_apply_gradients(ek_gradient_descent_optimizer(f.g, 0.5), { { f.g, &f.dense, 1 }, EK_LIST(f.v) },
                                     .global_step = step, .name = "step");
    ek_session *s = ek_session_create(f.g);

    expect_fine(f.g);
    assert_string_equal(ek_op_name(train), "step");
    assert_string_equal(ek_op_type(train), resource == EK_YES ? "AssignAddVariableOp" : "AssignAdd");
    assert_int_equal(ek_get_or_create_global_step(f.g).id, step.id);
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(f.g) }));
    for (int i = 0; i < 3; i++) EK_DIE(ek_run(s, .target = { train }));
    assert_true(number_now(s, step, 0) == 3.0);
    assert_true(number_now(s, f.v, 0) == 1.0 - 3 * 0.25);
    ek_session_destroy(s);
    ek_graph_destroy(f.g);
}

static void steps_are_counted(void **state)
{
    (void)state;
    the_global_step_counts(EK_NO);
    the_global_step_counts(EK_YES);
}

static void a_constraint_comes_after_the_update(void **state)
{
    few f = few_rows(EK_FLOAT32, EK_NO);
    ek_variable w = ek_variable_create(f.g, f.dense.value, .name = "w", .constraint = ek_custom_constraint(halved, NULL));
    ek_op train = ek_apply_gradients(ek_gradient_descent_optimizer(f.g, 1.0), { { f.g, &f.dense, 1 }, EK_LIST(w) });
    ek_session *s = ek_session_create(f.g);

    (void)state;
    expect_fine(f.g);
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(f.g) }));
    EK_DIE(ek_run(s, .target = { train }));
    assert_true(number_now(s, w, 0) == 0.0); /* (0.5 - 0.5) / 2 */
    EK_DIE(ek_run(s, .target = { train }));
    assert_true(number_now(s, w, 0) == -0.25);
    ek_session_destroy(s);
    ek_graph_destroy(f.g);
}

static void a_rate_may_be_a_tensor(void **state)
{
    few f = few_rows(EK_FLOAT32, EK_NO);
    ek_tensor rate = ek_placeholder(f.g, EK_FLOAT32, .shape = EK_SCALAR);
    ek_op train = ek_apply_gradients(ek_gradient_descent_optimizer(f.g, rate), { { f.g, &f.dense, 1 }, EK_LIST(f.v) });
    ek_session *s = ek_session_create(f.g);
    ek_array *two = ek_array_of(EK_FLOAT32, EK_SCALAR, (float[]){ 2 });

    (void)state;
    expect_fine(f.g);
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(f.g) }));
    EK_DIE(ek_run(s, .feed = { { rate, two } }, .target = { train }));
    assert_true(number_now(s, f.v, 0) == 0.0);
    ek_array_unref(two);
    ek_session_destroy(s);
    ek_graph_destroy(f.g);
}

/* What stands beside a variable of unknown shape takes its shape when it runs. */
static void shapes_may_be_known_late(void **state)
{
    static const char *const all[] = { "momentum", "rms_prop", "adagrad", "ftrl" };

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        ek_graph *g = ek_graph_create();
        ek_tensor p = ek_placeholder(g, EK_FLOAT32, .name = "p");
        ek_variable late = ek_variable_create(g, p, .validate_shape = false, .name = "late");
        ek_variable known = ek_variable_create(g, ek_zeros(g, EK_SHAPE(3)), .name = "known");
        const ek_gradient d[2] = { ek_gradient_of(ek_ones_like(p)), ek_gradient_of(ek_ones(g, EK_SHAPE(3))) };
        const int64_t before = ek_graph_op_count(g);
        ek_op train = ek_apply_gradients(optimizer_named(g, all[i]), { { g, d, 2 }, EK_LIST(late, known) });
        ek_session *s = ek_session_create(g);
        ek_array *zeros = ek_array_of(EK_FLOAT32, EK_SHAPE(3), NULL);

        expect_fine(g);
        if (i == 0) {
            ek_tensor shape;
            assert_int_equal(ek_graph_tensor_by_name(g, "Shape_late/Momentum:0", &shape), EK_OK);
            assert_true(shape.op > before);
        }
        EK_DIE(ek_run(s, .feed = { { p, zeros } }, .target = { ek_global_variables_initializer(g) }));
        for (int k = 0; k < 2; k++) EK_DIE(ek_run(s, .feed = { { p, zeros } }, .target = { train }));
        assert_true(number_now(s, late, 2) == number_now(s, known, 2));
        assert_true(number_now(s, late, 2) < 0.0);
        ek_array_unref(zeros);
        ek_session_destroy(s);
        ek_graph_destroy(g);
    }
}

static void half_precision_trains(void **state)
{
    static const char *const all[] = { "descent", "momentum", "adam", "rms_prop", "adagrad" };

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        ek_graph *g = ek_graph_create();
        ek_variable v = ek_get_variable(g, "v", .shape = EK_SHAPE(3), .dtype = EK_FLOAT16,
                                        .initializer = ek_ones_initializer());
        const ek_gradient d = ek_gradient_of(ek_ones(g, EK_SHAPE(3), .dtype = EK_FLOAT16));
        ek_op train = ek_apply_gradients(optimizer_named(g, all[i]), { { g, &d, 1 }, EK_LIST(v) });
        ek_session *s = ek_session_create(g);

        expect_fine(g);
        EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(g) }));
        EK_DIE(ek_run(s, .target = { train }));
        const double x = number_now(s, v, 1);
        if (!(x > 0.85 && x < 0.995)) fail_msg("%s: %g", all[i], x);
        ek_session_destroy(s);
        ek_graph_destroy(g);
    }
}

/* ---- what cannot be ------------------------------------------------------------------------------------------------ */

static void hyper_parameters_are_looked_at(void **state)
{
    ek_graph *g = ek_graph_create(), *other;
    ek_array *two = ek_array_of(EK_FLOAT32, EK_SHAPE(2), NULL);

    (void)state;
    assert_null(ek_gradient_descent_optimizer(g, (double)NAN));
    expect_failure(g, "learning_rate is nan; it must be a finite number");
    g = ek_graph_create();
    assert_null(ek_gradient_descent_optimizer(g, 1e300));
    expect_failure(g, "learning_rate is beyond float32; it must be a finite number");
    g = ek_graph_create();
    assert_null(ek_adam_optimizer(g, ek_constant(g, ek_float((double)INFINITY))));
    expect_failure(g, "learning_rate is inf; it must be a finite number");
    g = ek_graph_create();
    assert_null(ek_momentum_optimizer(g, 0.1, ek_constant(g, ek_value(two))));
    expect_failure(g, "momentum must be a scalar; it has shape (2,)");
    g = ek_graph_create();
    assert_null(ek_gradient_descent_optimizer(g, "fast"));
    expect_failure(g, "learning_rate must be a number, a tensor or a variable");
    g = ek_graph_create();
    other = ek_graph_create();
    assert_null(ek_gradient_descent_optimizer(g, ek_constant(other, ek_float(0.1))));
    ek_graph_destroy(other);
    expect_failure(g, "learning_rate is of another graph");
    g = ek_graph_create();
    assert_null(ek_adam_optimizer(g, 0.1, .name = ""));
    expect_failure(g, "Must specify the optimizer name");
    g = ek_graph_create();
    assert_null(ek_adagrad_optimizer(g, 0.1, .initial_accumulator_value = 0));
    expect_failure(g, "initial_accumulator_value must be positive: 0");
    g = ek_graph_create();
    assert_null(ek_ftrl_optimizer(g, 0.1, .learning_rate_power = 0.5));
    expect_failure(g, "learning_rate_power 0.500000 needs to be negative or zero");
    g = ek_graph_create();
    assert_null(ek_ftrl_optimizer(g, 0.1, .l1_regularization_strength = -1));
    expect_failure(g, "l1_regularization_strength -1.000000 needs to be positive or zero");
    ek_array_unref(two);
}

static void nothing_to_apply_is_refused(void **state)
{
    few f = few_rows(EK_FLOAT32, EK_NO);
    ek_gradient none = ek_gradient_of((ek_tensor){ f.g, -1, 0 });

    (void)state;
    ek_apply_gradients(ek_gradient_descent_optimizer(f.g, 0.1), { { f.g, NULL, 0 }, { f.g, NULL, 0 } });
    expect_failure(f.g, "No variables provided.");
    f = few_rows(EK_FLOAT32, EK_NO);
    ek_apply_gradients(ek_gradient_descent_optimizer(f.g, 0.1), { { f.g, &none, 1 }, EK_LIST(f.v) });
    expect_failure(f.g, "No gradients provided for any variable: [\"<tf.Variable 'v:0' shape=(4, 2) "
                        "dtype=float32_ref>\"].");
    f = few_rows(EK_FLOAT32, EK_NO);
    ek_apply_gradients(ek_gradient_descent_optimizer(f.g, 0.1), { { f.g, &f.dense, 1 }, EK_LIST(f.v, f.v) });
    expect_failure(f.g, "1 gradients for 2 variables");
    f = few_rows(EK_FLOAT32, EK_NO);
    ek_apply_gradients(ek_gradient_descent_optimizer(f.g, 0.1), { { f.g, &f.dense, 1 }, EK_LIST(f.dense.value) });
    assert_int_equal(ek_graph_status(f.g, NULL), EK_UNIMPLEMENTED);
    expect_failure(f.g, "Trying to update a Tensor: Const_3:0; only variables can be updated");
    f = few_rows(EK_FLOAT32, EK_NO);
    ek_apply_gradients(NULL, { { f.g, &f.dense, 1 }, EK_LIST(f.v) });
    expect_failure(f.g, "ek_apply_gradients needs an optimizer; this one is NULL");
}

static void gradients_that_do_not_fit_are_refused(void **state)
{
    few f = few_rows(EK_FLOAT32, EK_NO), other = few_rows(EK_FLOAT32, EK_NO);
    ek_gradient d;

    (void)state;
    ek_apply_gradients(ek_gradient_descent_optimizer(f.g, 0.1), { { f.g, &other.dense, 1 }, EK_LIST(f.v) });
    expect_failure(f.g, "the gradient of v:0 is of another graph");
    f = few_rows(EK_FLOAT32, EK_NO);
    ek_apply_gradients(ek_gradient_descent_optimizer(f.g, 0.1), { { f.g, &f.dense, 1 }, EK_LIST(other.v) });
    ek_graph_destroy(other.g);
    expect_failure(f.g, "a variable to update is dead or of another graph than GradientDescent");
    f = few_rows(EK_FLOAT32, EK_NO);
    d = ek_gradient_of(ek_cast(f.dense.value, EK_FLOAT64));
    ek_apply_gradients(ek_gradient_descent_optimizer(f.g, 0.1), { { f.g, &d, 1 }, EK_LIST(f.v) });
    expect_failure(f.g, "Input 'delta' of 'ApplyGradientDescent' Op has type float64 that does not match type float32 "
                        "of argument 'var'.");
    f = few_rows(EK_FLOAT32, EK_YES);
    d = ek_gradient_of(ek_cast(f.dense.value, EK_FLOAT64));
    ek_apply_gradients(ek_gradient_descent_optimizer(f.g, 0.1), { { f.g, &d, 1 }, EK_LIST(f.v) });
    expect_failure(f.g, "the gradient of v is float64, the variable float32; cast it");
    f = few_rows(EK_FLOAT32, EK_NO);
    d = ek_gradient_of(ek_zeros(f.g, EK_SHAPE(4, 3)));
    ek_apply_gradients(ek_gradient_descent_optimizer(f.g, 0.1), { { f.g, &d, 1 }, EK_LIST(f.v) });
    expect_failure(f.g, "Dimension 1 in both shapes must be equal, but are 2 and 3. Shapes are [4,2] and [4,3]. for "
                        "'GradientDescent/update_v/ApplyGradientDescent' (op: 'ApplyGradientDescent') with input "
                        "shapes: [4,2], [], [4,3].");
    f = few_rows(EK_FLOAT32, EK_NO);
    f.v = ek_variable_create(f.g, f.dense.value, .name = "w", .constraint = ek_non_neg_constraint());
    ek_apply_gradients(ek_gradient_descent_optimizer(f.g, 0.1), { { f.g, &f.rows, 1 }, EK_LIST(f.v) });
    assert_int_equal(ek_graph_status(f.g, NULL), EK_FAILED_PRECONDITION);
    expect_failure(f.g, "Cannot use a constraint function on a sparse variable.");
}

static void a_global_step_that_is_none_is_refused(void **state)
{
    ek_graph *g = ek_graph_create();

    (void)state;
    ek_create_global_step(g);
    ek_create_global_step(g);
    expect_failure(g, "\"global_step\" already exists.");
    g = ek_graph_create();
    ek_variable_create(g, 1.0, .name = "global_step");
    ek_get_or_create_global_step(g);
    expect_failure(g, "Existing \"global_step\" does not have integer type: <dtype: 'float32_ref'>");
    g = ek_graph_create();
    ek_get_variable(g, "global_step", .shape = EK_SHAPE(2), .dtype = EK_INT64);
    ek_get_global_step(g);
    expect_failure(g, "Existing \"global_step\" is not scalar: (2,)");
    g = ek_graph_create();
    ek_add_to_collection(g, EK_GLOBAL_STEP, ek_create_global_step(g)); /* twice now: which one is meant? */
    assert_false(ek_variable_ok(ek_get_global_step(g)));
    ek_graph_destroy(g);
}

static void variables_without_values_are_named(void **state)
{
    few f = few_rows(EK_FLOAT32, EK_NO);
    ek_op train = ek_apply_gradients(ek_momentum_optimizer(f.g, 0.1, 0.9), { { f.g, &f.dense, 1 }, EK_LIST(f.v) });
    ek_session *s = ek_session_create(f.g);
    ek_error err = { 0 };

    (void)state;
    assert_int_equal(ek_run(s, .target = { train }, .error = &err), EK_FAILED_PRECONDITION);
    assert_non_null(strstr(err.text, "Attempting to use uninitialized value v"));
    ek_session_destroy(s);
    ek_graph_destroy(f.g);
}

/* ---- without memory -------------------------------------------------------------------------------------------------- */

static ek_status everything(ek_graph *g)
{
    ek_variable v = ek_variable_create(g, ek_zeros(g, EK_SHAPE(4, 2)), .constraint = ek_custom_constraint(halved, NULL));
    ek_variable w = ek_variable_create(g, ek_zeros(g, EK_SHAPE(4, 2)));
    ek_gradient d[2] = { ek_gradient_of(ek_zeros(g, EK_SHAPE(4, 2))), ek_gradient_of(ek_zeros(g, EK_SHAPE(1, 2))) };
    d[1].indices = ek_zeros(g, EK_SHAPE(1), .dtype = EK_INT32);
    ek_variable step = ek_get_or_create_global_step(g);
    for (int i = 0; i < 2; i++)
        ek_apply_gradients(optimizer_named(g, i == 0 ? "adam" : "ftrl"), { { g, d, 2 }, EK_LIST(v, w) }, .global_step = step);
    return ek_graph_status(g, NULL);
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    ek_test_refuse_each_on_graph(everything, 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_steps_are_tensorflows),
        cmocka_unit_test(rows_are_applied_by_tensorflows_nodes),
        cmocka_unit_test(resource_variables_have_nodes_of_their_own),
        cmocka_unit_test(a_second_optimizer_goes_on_numbering),
        cmocka_unit_test(steps_are_counted),
        cmocka_unit_test(a_constraint_comes_after_the_update),
        cmocka_unit_test(a_rate_may_be_a_tensor),
        cmocka_unit_test(shapes_may_be_known_late),
        cmocka_unit_test(half_precision_trains),
        cmocka_unit_test(hyper_parameters_are_looked_at),
        cmocka_unit_test(nothing_to_apply_is_refused),
        cmocka_unit_test(gradients_that_do_not_fit_are_refused),
        cmocka_unit_test(a_global_step_that_is_none_is_refused),
        cmocka_unit_test(variables_without_values_are_named),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
