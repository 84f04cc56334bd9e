/* Building nodes: attributes from inputs, defaults, TensorFlow's complaints, what it costs, memory that runs out. */
#include "graph/toy.h"

#define ASSERT_FAILS(g, CODE, message)                                \
    do {                                                              \
        ek_error fails_ = { 0 };                                      \
        assert_int_equal(ek_graph_status((g), &fails_), EK_##CODE);   \
        assert_string_equal(fails_.text, (message));                  \
    } while (0)

static const ek_node *node(ek_tensor t) { return ek__node(t.graph, t.op); }

static void attributes_follow_from_inputs_and_defaults(void **state)
{
    ek_graph *g = toy_begin();
    const ek_tensor x = toy_placeholder(g, EK_FLOAT64, EK_SHAPE(-1, 2), "x");
    const ek_tensor y = toy_unary(g, "Layout", NULL, x);
    const ek_tensor in[] = { x, y, x };
    const ek_op packed = ek_op_build(g, "Pack", .inputs = in, .n_inputs = 3);

    EK_UNUSED(state);
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
    assert_int_equal(node(y)->n_attr, 5);
    assert_int_equal(ek__attr_find(node(y)->attr, 5, "T")->u.type, EK_FLOAT64);
    assert_string_equal(ek__attr_find(node(y)->attr, 5, "format")->u.s.data, "NHWC");
    assert_int_equal(ek__attr_find(node(y)->attr, 5, "size")->u.i, 3);
    assert_int_equal(ek__attr_find(node(y)->attr, 5, "rates")->count, 2);
    assert_int_equal(ek__attr_find(g->node[packed.id]->attr, 3, "N")->u.i, 3);
    assert_int_equal(ek_tensor_dtype(ek_op_output(packed, 0)), EK_FLOAT64);
    toy_end(g);
}

static void a_reference_input_may_stand_where_a_value_is_wanted_and_not_the_other_way(void **state)
{
    ek_graph *g = toy_begin();
    const ek_tensor v = toy_variable(g, EK_FLOAT32, EK_SHAPE(2), "v");
    const ek_tensor read = toy_unary(g, "Identity", "v/read", v);
    const ek_op add = toy_op(g, "AssignAdd", NULL, v, read);

    EK_UNUSED(state);
    assert_int_equal(ek_tensor_dtype(v), EK_FLOAT32 + EK_REF);
    assert_int_equal(ek_tensor_dtype(read), EK_FLOAT32);
    assert_int_equal(ek_tensor_dtype(ek_op_output(add, 0)), EK_FLOAT32 + EK_REF);
    assert_int_equal(g->node[add.id]->in_dtype[0], EK_FLOAT32 + EK_REF);
    assert_int_equal(g->node[add.id]->in_dtype[1], EK_FLOAT32);
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
    assert_false(ek_op_ok(toy_op(g, "AssignAdd", NULL, read, v)));
    ASSERT_FAILS(g, INVALID_ARGUMENT,
                 "'AssignAdd' Op requires that input 'ref' be a mutable tensor (e.g.: a tf.Variable)");
    toy_end(g);
}

/* One graph per complaint: only the first is kept. */
static void complaints_are_in_tensorflows_words(void **state)
{
    const struct {
        const char *type;
        ek_dtype a, b;
        ek_attribute attr;
        const char *message;
    } cases[] = {
        { "AddV2",
          EK_FLOAT32,
          EK_INT32,
          { 0 },
          "Input 'y' of 'AddV2' Op has type int32 that does not match type float32 of argument 'x'." },
        { "AddV2",
          EK_STRING,
          EK_STRING,
          { 0 },
          "Value passed to parameter 'x' has DataType string not in list of allowed values: float16, float32, float64, int32" },
        { "Switch",
          EK_FLOAT32,
          EK_INT32,
          { 0 },
          "Input 'pred' of 'Switch' Op has type int32 that does not match expected type of bool." },
        { "Pack",
          EK_FLOAT32,
          EK_INT32,
          { 0 },
          "Tensors in list passed to 'values' of 'Pack' Op have types [float32, int32] that don't all match." },
        { "ConcatV2",
          EK_FLOAT32,
          EK_INT32,
          { 0 },
          "List argument 'values' to 'ConcatV2' Op with length 1 shorter than minimum length 2." },
        { "Pack", EK_FLOAT32, EK_FLOAT32, { "N", EK_A_INT, { .i = 3 }, 0 }, "Op 'Pack' takes 3 inputs, 2 were given" },
        { "Layout",
          EK_FLOAT32,
          EK_DTYPE_NONE,
          { "format", EK_A_STRING, { .s = "HWCN" }, -1 },
          "Attr 'format' of 'Layout' Op passed string 'HWCN' not in: \"NHWC\", \"NCHW\"." },
        { "Layout",
          EK_FLOAT32,
          EK_DTYPE_NONE,
          { "size", EK_A_INT, { .i = 0 }, 0 },
          "Attr 'size' of 'Layout' Op passed 0 less than minimum 1." },
        { "Layout",
          EK_FLOAT32,
          EK_DTYPE_NONE,
          { "rates", EK_A_INTS, { .is = (const int64_t[]){ 1 } }, 1 },
          "Attr 'rates' of 'Layout' Op passed list of length 1 less than minimum 2." },
        { "Layout",
          EK_FLOAT32,
          EK_DTYPE_NONE,
          { "sise", EK_A_INT, { .i = 2 }, 0 },
          "Op 'Layout' has no attribute 'sise'" },
        { "Layout",
          EK_FLOAT32,
          EK_DTYPE_NONE,
          { "T", EK_A_TYPE, { .type = EK_INT32 }, 0 },
          "Input 'x' of 'Layout' Op has type float32 that does not match type int32 of argument 'T'." },
        { "Layout", EK_FLOAT32, EK_FLOAT32, { 0 }, "Op 'Layout' takes 1 inputs, 2 were given" },
        { "Foo", EK_FLOAT32, EK_FLOAT32, { 0 }, "Op type not registered 'Foo': this library has no definition of it" },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(cases); i++) {
        ek_graph *g = toy_begin();
        const bool two = cases[i].b != EK_DTYPE_NONE;
        const ek_tensor in[] = { toy_placeholder(g, cases[i].a, EK_SCALAR, "a"),
                                 two ? toy_placeholder(g, cases[i].b, EK_SCALAR, "b") : (ek_tensor){ NULL, -1, 0 } };
        ek_error err = { 0 };
        const int line = __LINE__ + 1;
        const ek_op op = ek_op_build(g, cases[i].type, .inputs = in, .n_inputs = two ? 2 : 1,
                                     .attributes = &cases[i].attr, .n_attributes = cases[i].attr.name != NULL);
        assert_false(ek_op_ok(op));
        assert_int_not_equal(ek_graph_status(g, &err), EK_OK);
        assert_string_equal(err.text, cases[i].message);
        assert_true(err.line >= line && err.line <= line + 1);
        assert_non_null(strstr(err.file, "build_test.c"));
        toy_end(g);
    }
}

static void shapes_that_contradict_are_named(void **state)
{
    ek_graph *g = toy_begin();
    const ek_tensor a = toy_placeholder(g, EK_FLOAT32, EK_SHAPE(-1, 2), "a");
    const ek_tensor b = toy_placeholder(g, EK_FLOAT32, EK_SHAPE(3, 4), "b");

    EK_UNUSED(state);
    assert_false(ek_tensor_ok(toy_add(g, a, b)));
    ASSERT_FAILS(g, INVALID_ARGUMENT,
                 "Dimensions must be equal for 'add' (op: 'AddV2') with input shapes: [?,2], [3,4].");
    toy_end(g);
}

static void the_first_failure_stays_and_what_it_feeds_is_dead(void **state)
{
    ek_graph *g = toy_begin();
    const ek_tensor x = toy_placeholder(g, EK_FLOAT32, EK_SCALAR, "x");
    const ek_tensor i = toy_placeholder(g, EK_INT32, EK_SCALAR, "i");
    const ek_tensor bad = toy_add(g, x, i);
    const ek_tensor worse = toy_unary(g, "Identity", NULL, bad);
    const ek_tensor fine = toy_unary(g, "Identity", NULL, x);
    ek_error err = { 0 };

    EK_UNUSED(state);
    assert_false(ek_tensor_ok(bad));
    assert_false(ek_tensor_ok(worse));
    assert_true(ek_tensor_ok(fine));
    assert_int_equal(ek_graph_status(g, &err), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "AddV2"));
    assert_string_equal(err.node, "add");
    toy_end(g);
}

static void types_shapes_and_lists_that_cannot_be_are_refused(void **state)
{
    const ek_shape wide = { .rank = 99 }, negative = EK_SHAPE(2, -7);
    const struct { ek_dtype type; const ek_shape *shape; const char *text; } bad[] = {
        { (ek_dtype)999, &EK_SCALAR, "the attribute 'dtype' of Op 'Placeholder' is no type: 999" },
        { EK_FLOAT32, &wide, "the attribute 'shape' of Op 'Placeholder' has 99 dimensions; 16 is the limit" },
        { EK_FLOAT32, &negative, "Dimension -7 must be >= 0" },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(bad); i++) {
        ek_graph *g = toy_begin();
        const ek_attribute a[] = { { .name = "dtype", .kind = EK_A_TYPE, .u.type = bad[i].type },
                                   { .name = "shape", .kind = EK_A_SHAPE, .u.shape = bad[i].shape } };
        ek_op_build(g, "Placeholder", .attributes = a, .n_attributes = 2);
        ASSERT_FAILS(g, INVALID_ARGUMENT, bad[i].text);
        toy_end(g);
    }
    ek_graph *g = toy_begin();
    assert_int_equal(ek_get_collection(g, NULL).count, 0);
    ek_touch_collection(g, NULL);
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
    ek_with_control_dependencies(g, ((ek_list){ g, NULL, 3 })) toy_placeholder(g, EK_FLOAT32, EK_SCALAR, "x");
    ASSERT_FAILS(g, INVALID_ARGUMENT, "the list of items has a length of 3 and is NULL");
    toy_end(g);
    g = toy_begin();
    ek_op_build(g, "Pack", .n_inputs = 2);
    ASSERT_FAILS(g, INVALID_ARGUMENT, "a list of the Op 'Pack' has a count and is NULL");
    toy_end(g);
}

static void a_tensor_of_another_graph_is_refused(void **state)
{
    ek_graph *g = toy_begin(), *h = toy_begin();
    const ek_tensor x = toy_placeholder(g, EK_FLOAT32, EK_SCALAR, "x");

    EK_UNUSED(state);
    assert_false(ek_tensor_ok(toy_unary(h, "Identity", NULL, x)));
    ASSERT_FAILS(h, INVALID_ARGUMENT, "input 0 of the Op 'Identity' is 'x:0', which is not an element of this graph");
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
    toy_end(g);
    toy_end(h);
}

static void a_finished_graph_takes_nothing(void **state)
{
    ek_graph *g = toy_begin();

    EK_UNUSED(state);
    ek_graph_finalize(g);
    assert_false(ek_op_ok(ek_op_build(g, "NoOp")));
    ASSERT_FAILS(g, FAILED_PRECONDITION, "Graph is finalized and cannot be modified.");
    assert_int_equal(ek_graph_version(g), 0);
    toy_end(g);
}

/* Counted, not timed (bench/overhead has the time): blocks taken from memory and their bytes. */
static void the_thirty_thousandth_node_costs_what_the_first_does(void **state)
{
    ek_test_allocator t;
    const int32_t one = 1;
    long calls[3];
    size_t bytes[3];

    EK_UNUSED(state);
    ek_test_allocator_install(&t, 0);
    ek_graph *g = toy_begin();
    const ek_tensor c = toy_const(g, EK_INT32, EK_SCALAR, &one, "one");
    ek_tensor sum = c;
    for (int round = 0; round < 3; round++) {
        const long calls_before = t.calls;
        const size_t bytes_before = t.bytes;
        for (int i = 0; i < 10000; i++) sum = toy_add(g, sum, c);
        calls[round] = t.calls - calls_before;
        bytes[round] = t.bytes - bytes_before;
    }
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
    ek_array *value = ek__constant_value(g, ek__edge(sum));
    assert_int_equal(ek_array_i32(value)[0], 30001);
    ek_array_unref(value);
    toy_end(g);
    assert_int_equal(t.live, 0);
    ek_test_allocator_remove();
    print_message("10,000 nodes: %ld blocks of %zu bytes, then %ld of %zu\n", calls[0], bytes[0], calls[2], bytes[2]);
    /* Tables double, so a round may pay for the ones before it; what grows with the graph would be five times as much. */
    assert_true(calls[2] <= calls[0] + 100);
    assert_true(bytes[2] <= 2 * bytes[0]);
}

/* A small graph with everything that allocates; returns whether nothing failed. */
static bool build_everything(void)
{
    ek_graph *g = toy_begin();
    ek_status st = EK_RESOURCE_EXHAUSTED;
    const int32_t two[] = { 1, 2 };

    if (g == NULL) return false;
    ek_with_name_scope(g, "s") {
        const ek_tensor c = toy_const(g, EK_INT32, EK_SHAPE(2), two, NULL);
        const ek_tensor sum = toy_add(g, c, c);
        ek_with_control_dependencies(g, EK_LIST(sum)) (void)toy_unary(g, "Layout", NULL, c);
        (void)toy_op(g, "Reshape", NULL, c, sum);
        ek_add_to_collection(g, "things", c);
        (void)ek_get_collection_scope(g, "things", "s");
    }
    st = ek_graph_status(g, NULL);
    toy_end(g);
    if (st != EK_OK) assert_int_equal(st, EK_RESOURCE_EXHAUSTED);
    return st == EK_OK;
}

static void memory_that_runs_out_is_an_error_and_nothing_leaks(void **state)
{
    ek_test_allocator a;
    long fail_at = 0;
    bool ok;

    EK_UNUSED(state);
    do {
        ek_test_allocator_install(&a, ++fail_at);
        ok = build_everything();
        ek_test_allocator_remove();
        assert_int_equal(a.live, 0);
        assert_true(fail_at < 10000);
    } while (!ok);
    assert_true(a.calls < fail_at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_follow_from_inputs_and_defaults),
        cmocka_unit_test(a_reference_input_may_stand_where_a_value_is_wanted_and_not_the_other_way),
        cmocka_unit_test(complaints_are_in_tensorflows_words),
        cmocka_unit_test(shapes_that_contradict_are_named),
        cmocka_unit_test(the_first_failure_stays_and_what_it_feeds_is_dead),
        cmocka_unit_test(types_shapes_and_lists_that_cannot_be_are_refused),
        cmocka_unit_test(a_tensor_of_another_graph_is_refused),
        cmocka_unit_test(a_finished_graph_takes_nothing),
        cmocka_unit_test(the_thirty_thousandth_node_costs_what_the_first_does),
        cmocka_unit_test(memory_that_runs_out_is_an_error_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
