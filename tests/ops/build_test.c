/* Builders: the nodes that TensorFlow's front end makes, names and constants included. */
#include "ops/nodes.h"

static void test_sources(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 3), .name = "x");
    const ek_tensor d = ek_placeholder_with_default(g, ek_bool(false), .name = "training");
    const ek_tensor c = ek_constant(g, ek_float(1.5), .shape = EK_SHAPE(2, 2));

    EK_UNUSED(state);
    (void)ek_identity_with(&(ek_unary_options){ sizeof(ek_unary_options), EK_OPERAND(x), "y" }, EK_HERE);
    EXPECT_NODES(g, { "x", "Placeholder" }, { "training/input", "Const" }, { "training", "PlaceholderWithDefault" },
                 { "Const", "Const" }, { "y", "Identity" });
    assert_int_equal(ek_tensor_shape(x).dim[0], -1);
    assert_int_equal(ek_tensor_shape(x).dim[1], 3);
    assert_int_equal(ek_tensor_dtype(d), EK_BOOL);
    assert_int_equal(ek_tensor_shape(d).rank, 0);
    assert_int_equal(ek_tensor_shape(c).rank, 2);
    assert_float_equal(ek_array_get(ek__node(g, c.op)->constant, 3), 1.5, 0);
    ek_graph_destroy(g);
}

static void test_literals(void **state)
{
    ek_graph *g = ek_graph_create();
    const int32_t two[2] = { 1, 2 };
    ek_array *a = ek_array_of(EK_INT32, EK_SHAPE(2), two);
    const ek_tensor big = ek_constant(g, ek_int(3000000000));
    const ek_tensor rest = ek_constant(g, ek_value(a), .shape = EK_SHAPE(4), .dtype = EK_FLOAT64);
    const ek_tensor text = ek_constant(g, ek_str("hi"));
    const ek_array *v;

    EK_UNUSED(state);
    ek_array_unref(a);
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
    assert_int_equal(ek_tensor_dtype(big), EK_INT64);
    assert_int_equal(ek_tensor_dtype(text), EK_STRING);
    v = ek__node(g, rest.op)->constant;
    assert_int_equal(v->dtype, EK_FLOAT64);
    assert_float_equal(ek_array_get(v, 0), 1.0, 0);
    assert_float_equal(ek_array_get(v, 3), 2.0, 0); /* the last one repeats */
    ek_graph_destroy(g);
}

static void expect_failure(ek_graph *g, const char *text)
{
    ek_error err = { 0 };

    assert_int_equal(ek_graph_status(g, &err), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, text));
    assert_non_null(strstr(err.file, "build_test.c"));
    ek_graph_destroy(g);
}

static void test_refused_literals(void **state)
{
    ek_graph *g = ek_graph_create();

    EK_UNUSED(state);
    (void)ek_constant(g, ek_float(0.001), .dtype = EK_INT32);
    expect_failure(g, "Expected int32, got 0.001 of type 'float' instead.");

    g = ek_graph_create();
    (void)ek_constant(g, ek_value(NULL));
    expect_failure(g, "a value is needed");

    g = ek_graph_create();
    ek_array *a = ek_array_of(EK_FLOAT32, EK_SHAPE(3), NULL);
    (void)ek_constant(g, ek_value(a), .shape = EK_SHAPE(2));
    ek_array_unref(a);
    expect_failure(g, "Too many elements provided. Needed at most 2, but received 3");
}

/* ek_reshape(x, 3) and ek_range(g, 5) compile: the number becomes the first member. */
static void test_bare_numbers(void **state)
{
    ek_graph *g = ek_graph_create();

    EK_UNUSED(state);
    (void)ek_reshape_with(&(ek_reshape_options){ .size = sizeof(ek_reshape_options), .to = { .dim = { 3 } },
                                                 .tensor = ek_placeholder(g, EK_FLOAT32) }, EK_HERE);
    expect_failure(g, "ek_reshape takes a shape: EK_SHAPE(3), not 3");
    g = ek_graph_create();
    (void)ek_range_with(g, &(ek_range_options){ .size = sizeof(ek_range_options), .limit = { .kind = 5 } }, EK_HERE);
    expect_failure(g, "ek_range takes an operand: EK_OPERAND(5), not 5");
}

/* Names as tf.shape, tf.zeros_like, tf.concat, ... give them in TensorFlow 1.15. */
static void test_arrays(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor a = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 3), .name = "a");
    const ek_tensor b = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(2, 3), .name = "b");

    EK_UNUSED(state);
    (void)ek_shape_of(a);
    (void)ek_shape_of(b);
    (void)ek_rank_of(a, .name = "r");
    (void)ek_reshape(a, EK_SHAPE(-1));
    (void)ek_squeeze(a, .axis = EK_INTS(0));
    (void)ek_expand_dims(a, 0, .name = "more");
    (void)ek_transpose(a);
    (void)ek_zeros_like(a);
    (void)ek_zeros_like(b);
    (void)ek_ones_like(b);
    (void)ek_zeros(g, EK_SHAPE(1000));
    EXPECT_NODES(g, { "a", "Placeholder" }, { "b", "Placeholder" }, { "Shape", "Shape" }, { "Shape_1", "Const" },
                 { "r", "Const" }, { "Reshape/shape", "Const" }, { "Reshape", "Reshape" }, { "Squeeze", "Squeeze" },
                 { "more/dim", "Const" }, { "more", "ExpandDims" }, { "transpose/perm", "Const" },
                 { "transpose", "Transpose" }, { "zeros_like", "ZerosLike" }, { "zeros_like_1", "Const" },
                 { "ones_like/Shape", "Const" }, { "ones_like/Const", "Const" }, { "ones_like", "Fill" },
                 { "zeros/shape_as_tensor", "Const" }, { "zeros/Const", "Const" }, { "zeros", "Fill" });
    ek_graph_destroy(g);
}

static void test_joining(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor a = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(2, 3), .name = "a");
    const ek_tensor rows = ek_concat(EK_TENSORS(a, a, a));
    const ek_tensor stacked = ek_stack(EK_TENSORS(a, a), .axis = -1);
    const ek_tensor cut = ek_strided_slice(rows, .begin = EK_INTS(1), .end = EK_INTS(-1));
    const ek_tensor picked = ek_gather(rows, ek_constant(g, ek_int(4), .name = "i"));

    EK_UNUSED(state);
    (void)ek_tile(picked, EK_INTS(2));
    (void)ek_slice(a, .begin = EK_INTS(0, 1), .sizes = EK_INTS(2, -1));
    (void)ek_range(g, EK_OPERAND(5));
    EXPECT_NODES(g, { "a", "Placeholder" }, { "concat/axis", "Const" }, { "concat", "ConcatV2" }, { "stack", "Pack" },
                 { "strided_slice/stack", "Const" }, { "strided_slice/stack_1", "Const" },
                 { "strided_slice/stack_2", "Const" }, { "strided_slice", "StridedSlice" }, { "i", "Const" },
                 { "GatherV2/axis", "Const" }, { "GatherV2", "GatherV2" }, { "Tile/multiples", "Const" },
                 { "Tile", "Tile" }, { "Slice/begin", "Const" }, { "Slice/size", "Const" }, { "Slice", "Slice" },
                 { "range/start", "Const" }, { "range/limit", "Const" }, { "range/delta", "Const" },
                 { "range", "Range" });
    assert_int_equal(ek_tensor_shape(rows).dim[0], 6);
    assert_int_equal(ek_tensor_shape(stacked).dim[2], 2);
    assert_int_equal(ek_tensor_shape(cut).dim[0], 4);
    assert_int_equal(ek_tensor_shape(picked).rank, 1);
    ek_graph_destroy(g);
}

/* A reference variable is written and is the result; a resource is written, then read. */
static void test_writes(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_variable v = ek_variable_create(g, 1.0, .name = "v");
    const ek_variable w = ek_variable_create(g, 1.0, .name = "w", .use_resource = EK_YES);
    const int64_t made = ek_graph_op_count(g);
    const ek_tensor set = ek_assign(v, 2.0), less = ek_assign_sub(v, 1.0, .use_locking = EK_YES, .name = "less");
    const ek_tensor more = ek_assign_add(w, 1.0, .name = "more");
    const row rows[] = {
        { "Assign/value", "Const" }, { "Assign", "Assign" },  { "less/value", "Const" },
        { "less", "AssignSub" },     { "Const", "Const" },    { "more", "AssignAddVariableOp" },
        { "ReadVariableOp", "ReadVariableOp" },
    };

    EK_UNUSED(state);
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
    assert_int_equal(ek_graph_op_count(g) - made, EK_COUNT_OF(rows));
    for (int i = 0; i < EK_COUNT_OF(rows); i++) {
        assert_string_equal(ek_op_name(ek_graph_op_at(g, made + i)), rows[i].name);
        assert_string_equal(ek_op_type(ek_graph_op_at(g, made + i)), rows[i].type);
    }
    assert_true(ek_dtype_is_ref(ek_tensor_dtype(set)));
    assert_true(ek__attr_find(ek__node(g, set.op)->attr, ek__node(g, set.op)->n_attr, "use_locking")->u.b);
    assert_true(ek__attr_find(ek__node(g, less.op)->attr, ek__node(g, less.op)->n_attr, "use_locking")->u.b);
    assert_string_equal(ek_op_name(ek_op_control_input(ek_tensor_op(more), 0)), "more");
    ek_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_literals),
        cmocka_unit_test(test_refused_literals),
        cmocka_unit_test(test_bare_numbers),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_joining),
        cmocka_unit_test(test_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
