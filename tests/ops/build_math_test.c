/* Builders of element-wise ops: names, constants and refusals of Python's operators and of tf's functions. */
#include "ops/nodes.h"

static void names(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_tensor a = ek_constant(g, ek_float(1.0), .name = "a"), p, q, s;

    EK_UNUSED(state);
    p = ek_plus(a, a);
    q = ek_minus(ek_times(2.0, p), 1.0);
    (void)ek_over(q, 3.0);
    s = ek_add(q, 1.0);
    (void)ek_multiply(s, 2.0, .name = "a");
    (void)ek_negative(s);
    EXPECT_NODES(g, { "a", "Const" }, { "add", "AddV2" }, { "mul/x", "Const" }, { "mul", "Mul" }, { "sub/y", "Const" },
                 { "sub", "Sub" }, { "truediv/y", "Const" }, { "truediv", "RealDiv" }, { "Add_1/y", "Const" }, { "Add_1", "Add" },
                 { "a_1/y", "Const" }, { "a_1", "Mul" }, { "Neg", "Neg" });
    ek_graph_destroy(g);
}

static void operators(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor i = ek_placeholder(g, EK_INT32, .shape = EK_SHAPE(2), .name = "i"), s = ek_constant(g, ek_str("s"));

    EK_UNUSED(state);
    (void)ek_over(i, 2);
    (void)ek_floor_over(i, 2);
    (void)ek_modulo(7, i);
    (void)ek_power(i, i);
    (void)ek_plus(s, "t");
    (void)ek_divide(i, i, .name = "d");
    EXPECT_NODES(g, { "i", "Placeholder" }, { "Const", "Const" }, { "truediv/y", "Const" }, { "truediv/Cast", "Cast" },
                 { "truediv/Cast_1", "Cast" }, { "truediv", "RealDiv" }, { "floordiv/y", "Const" }, { "floordiv", "FloorDiv" },
                 { "mod/x", "Const" }, { "mod", "FloorMod" }, { "pow", "Pow" }, { "add/y", "Const" }, { "add", "Add" },
                 { "d/Cast", "Cast" }, { "d/Cast_1", "Cast" }, { "d", "RealDiv" });
    assert_int_equal(ek_tensor_dtype(ek_op_output(ek_graph_op_at(g, 5), 0)), EK_FLOAT64);
    ek_graph_destroy(g);
}

static void more_than_operands(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 2), .name = "x");
    const ek_tensor k = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(3), .name = "k"), two[] = { k, k };

    EK_UNUSED(state);
    assert_int_equal(ek_cast(x, EK_FLOAT32).op, x.op);
    (void)ek_cast(x, EK_INT32);
    (void)ek_leaky_relu(x, .alpha = 0.1, .name = "leaky");
    (void)ek_select(ek_greater(x, 0.0), x, x, .name = "positive");
    (void)ek_clip_by_value(x, 0.0, 6.0);
    (void)ek_check_numerics(x, "bad");
    assert_int_equal(ek_add_n(two, 1).op, k.op);
    (void)ek_add_n(two, 2);
    EXPECT_NODES(g, { "x", "Placeholder" }, { "k", "Placeholder" }, { "Cast", "Cast" }, { "leaky", "LeakyRelu" },
                 { "Greater/y", "Const" }, { "Greater", "Greater" }, { "positive", "Select" },
                 { "clip_by_value/Minimum/y", "Const" }, { "clip_by_value/Minimum", "Minimum" },
                 { "clip_by_value/y", "Const" }, { "clip_by_value", "Maximum" }, { "CheckNumerics", "CheckNumerics" },
                 { "AddN", "AddN" });
    ek_graph_destroy(g);
}

static void refuse(ek_graph *g, const char *text)
{
    ek_error err = { 0 };

    assert_int_equal(ek_graph_status(g, &err), EK_INVALID_ARGUMENT);
    assert_string_equal(err.text, text);
    ek_graph_destroy(g);
}

static void refusals(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_tensor dead;

    EK_UNUSED(state);
    dead = ek_plus(ek_placeholder(g, EK_INT32), 1.5);
    assert_false(ek_tensor_ok(dead));
    refuse(g, "Input 'y' of 'AddV2' Op has type float32 that does not match type int32 of argument 'x'.");
    g = ek_graph_create();
    (void)ek_add(ek_placeholder(g, EK_INT32), 0.001);
    refuse(g, "Expected int32 passed to parameter 'y' of op 'Add', got 0.001 of type 'float' instead. "
              "Error: Expected int32, got 0.001 of type 'float' instead.");
    g = ek_graph_create();
    (void)ek_over(ek_placeholder(g, EK_FLOAT32), ek_placeholder(g, EK_FLOAT64));
    refuse(g, "x and y must have the same dtype, got tf.float32 != tf.float64");
    g = ek_graph_create();
    (void)ek_over(ek_placeholder(g, EK_BOOL), ek_placeholder(g, EK_BOOL));
    refuse(g, "Invalid dtype tf.bool in __truediv__");
    assert_false(ek_tensor_ok(ek_sqrt(2.0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(names), cmocka_unit_test(operators),
                                        cmocka_unit_test(more_than_operands), cmocka_unit_test(refusals) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
