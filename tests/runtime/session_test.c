/* What sessions compute: straight runs, feeds anywhere, fetches, variables. */
#include "build.h"

static void a_chain_of_ops_gives_its_numbers(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(-1, 1));
    const ek_tensor y = binary(g, "AddV2", "y", x, constant(g, "one", scalar_f32(1)));
    const ek_tensor z = binary(g, "Mul", "z", y, y);
    ek_session *s = ek_session_create(g);
    ek_array *three = f32(EK_SHAPE(3, 1), (float[]){ 1, 2, 3 }), *one = f32(EK_SHAPE(1, 1), (float[]){ 4 });
    ek_array *got = NULL, *again = NULL;

    EK_DIE(ek_graph_status(g, NULL));
    assert_int_equal(ek_run(s, .feed = { { x, three } }, .fetch = { { z, &got }, { z, &again } }), EK_OK);
    assert_floats(got, 3, (float[]){ 4, 9, 16 });
    assert_floats(again, 3, (float[]){ 4, 9, 16 });
    const void *memory = ek_array_cdata(got);
    assert_int_equal(ek_run(s, .feed = { { x, three } }, .fetch = { { z, &got } }), EK_OK);
    assert_ptr_equal(ek_array_cdata(got), memory); /* refilled in place */
    assert_int_equal(ek_run(s, .feed = { { x, one } }, .fetch = { { z, &got } }), EK_OK);
    assert_floats(got, 1, (float[]){ 25 });
    /* feeding in the middle: x is not needed any more */
    assert_int_equal(ek_run(s, .feed = { { y, three } }, .fetch = { { z, &got }, { y, &again } }), EK_OK);
    assert_floats(got, 3, (float[]){ 1, 4, 9 });
    assert_floats(again, 3, (float[]){ 1, 2, 3 });
    ek_array_unref(got);
    ek_array_unref(again);
    ek_array_unref(three);
    ek_array_unref(one);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void reference_variables_are_their_memory(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    const ek_tensor w = variable(g, "VariableV2", "w", EK_SCALAR);
    const ek_op init = write_to(g, "Assign", "w/Assign", w, constant(g, "zero", scalar_f32(3)), NULL, 0);
    const ek_tensor read = unary(g, "Identity", "w/read", w);
    const ek_op up = write_to(g, "AssignAdd", "AssignAdd", w, constant(g, "one", scalar_f32(1)), NULL, 0);
    const ek_tensor zero = constant_under(g, "add/y", scalar_f32(0), &up, 1);
    const ek_tensor sum = binary(g, "AddV2", "add", read, zero);
    ek_session *s = ek_session_create(g);
    ek_array *a = NULL, *b = NULL;
    ek_error err = { 0 };

    EK_DIE(ek_graph_status(g, NULL));
    ek_run(s, .fetch = { { read, &a } }, .error = &err);
    assert_error(&err, EK_FAILED_PRECONDITION, "Attempting to use uninitialized value w\n\t [[{{node w/read}}]]");
    assert_string_equal(err.node, "w/read");
    ek_run(s, .fetch = { { w, &a } }, .error = &err);
    assert_error(&err, EK_FAILED_PRECONDITION,
                 "Attempting to use uninitialized value w\n\t [[{{node _retval_w_0_0}}]]");
    assert_null(a);
    assert_int_equal(ek_run(s, .target = { init }), EK_OK);
    /* the consumer of the read sees what is there at its turn, after the write that a control edge demands */
    assert_int_equal(ek_run(s, .fetch = { { sum, &a } }), EK_OK);
    assert_floats(a, 1, (float[]){ 4 });
    /* a fetched read is copied when it runs, before the write */
    assert_int_equal(ek_run(s, .fetch = { { read, &a }, { sum, &b } }), EK_OK);
    assert_floats(a, 1, (float[]){ 4 });
    assert_floats(b, 1, (float[]){ 5 });
    assert_int_equal(ek_run(s, .target = { up, init }, .fetch = { { w, &a } }), EK_OK);
    assert_floats(a, 1, (float[]){ 5 });
    ek_array_unref(a);
    ek_array_unref(b);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* x moves forward in time when it joins the loop of `a`; the read of w, in between the write and x, must not. */
static void loops_that_move_leave_reads_behind_the_write(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    const ek_tensor two = placeholder(g, "two", EK_FLOAT32, EK_SHAPE(2));
    const ek_tensor w = variable(g, "VariableV2", "w", EK_SHAPE(2));
    const ek_tensor a = unary(g, "Neg", "a", two);
    const ek_op init = write_to(g, "Assign", "w/Assign", w, two, NULL, 0);
    const ek_tensor read = unary(g, "Identity", "w/read", w);
    const ek_tensor b = binary(g, "Mul", "b", two, two);
    const ek_tensor c = binary(g, "Sub", "c", read, a);
    ek_session *s = ek_session_create(g);
    ek_array *in = f32(EK_SHAPE(2), (float[]){ 1, 2 }), *got[3] = { NULL, NULL, NULL };
    ek_error err = { 0 };

    EK_DIE(ek_graph_status(g, NULL));
    ek_run(s, .feed = { { two, in } }, .fetch = { { a, &got[0] }, { b, &got[1] }, { c, &got[2] } }, .target = { init },
           .error = &err);
    if (err.code != EK_OK) fail_msg("%s", err.text);
    assert_floats(got[0], 2, (float[]){ -1, -2 });
    assert_floats(got[1], 2, (float[]){ 1, 4 });
    assert_floats(got[2], 2, (float[]){ 2, 4 });
    for (int i = 0; i < COUNT(got); i++) ek_array_unref(got[i]);
    ek_array_unref(in);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* The op runs for its other output; the memory of the fed one follows from what it gives, not from its static shape. */
static void one_output_of_several_is_fed(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(-1, 2));
    const ek_tensor s0 = placeholder(g, "s0", EK_INT32, EK_SHAPE(2)), s1 = placeholder(g, "s1", EK_INT32, EK_SHAPE(2));
    const ek_op args = node(g, "BroadcastGradientArgs", "args", (ek_tensor[]){ s0, s1 }, 2);
    const ek_attribute two = { .name = "num_split", .kind = EK_A_INT, .u.i = 2 };
    const int32_t one = 1;
    const ek_tensor axis = constant(g, "split_dim", ek_array_of(EK_INT32, EK_SCALAR, &one));
    const ek_op split =
        ek_op_build(g, "Split", .inputs = (ek_tensor[]){ axis, x }, .n_inputs = 2, .attributes = &two, .n_attributes = 1);
    const ek_tensor sum = binary(g, "AddV2", "sum", out(split, 0), out(split, 1));
    ek_session *s = ek_session_create(g);
    ek_array *value = f32(EK_SHAPE(2, 2), (float[]){ 1, 2, 3, 4 }), *fed = f32(EK_SHAPE(1, 1), (float[]){ 10 });
    ek_array *a = vector_i32(2, (int32_t[]){ 3, 4 }), *b = vector_i32(2, (int32_t[]){ 1, 1 }), *got = NULL, *axes = NULL;

    EK_DIE(ek_graph_status(g, NULL));
    assert_int_equal(ek_run(s, .feed = { { x, value }, { out(split, 0), fed } }, .fetch = { { sum, &got } }), EK_OK);
    assert_floats(got, 2, (float[]){ 12, 14 });
    assert_int_equal(ek_run(s, .feed = { { s0, a }, { s1, b }, { out(args, 0), b } }, .fetch = { { out(args, 1), &axes } }),
                     EK_OK);
    assert_int_equal(ek_array_count(axes), 2);
    assert_int_equal(ek_array_i32(axes)[1], 1);
    ek_array_unref(got);
    ek_array_unref(axes);
    ek_array_unref(value);
    ek_array_unref(fed);
    ek_array_unref(a);
    ek_array_unref(b);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* A reshaped variable is its memory too, under another shape. */
static void reshaped_variables_broadcast(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    const ek_tensor w = variable(g, "VariableV2", "w", EK_SHAPE(3));
    const ek_op init =
        write_to(g, "Assign", "init", w, constant(g, "i", f32(EK_SHAPE(3), (float[]){ 1, 2, 3 })), NULL, 0);
    const ek_tensor column = binary(g, "Reshape", "column", w, constant(g, "s", vector_i32(2, (int32_t[]){ 3, 1 })));
    const ek_tensor y = binary(g, "Mul", "y", column, w), z = unary(g, "Neg", "z", column);
    ek_session *s = ek_session_create(g);
    ek_array *a = NULL, *b = NULL, *c = NULL;

    EK_DIE(ek_graph_status(g, NULL));
    EK_DIE(ek_run(s, .target = { init }));
    EK_DIE(ek_run(s, .fetch = { { y, &a }, { z, &b }, { column, &c } }));
    assert_floats(a, 9, (float[]){ 1, 2, 3, 2, 4, 6, 3, 6, 9 });
    assert_int_equal(ek_array_rank(b), 2);
    assert_int_equal(ek_array_rank(c), 2);
    ek_array_unref(a);
    ek_array_unref(b);
    ek_array_unref(c);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void reads_of_resource_variables_are_snapshots(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    const ek_tensor w = variable(g, "VarHandleOp", "w", EK_SHAPE(2));
    const ek_op init =
        write_to(g, "AssignVariableOp", "w/Assign", w, constant(g, "i", f32(EK_SHAPE(2), (float[]){ 1, 2 })), NULL, 0);
    const ek_tensor before = read_of(g, "before", w, NULL, 0);
    const ek_op up = write_to(g, "AssignAddVariableOp", "up", w, before, (ek_op[]){ ek_tensor_op(before) }, 1);
    const ek_tensor after = read_of(g, "after", w, &up, 1);
    const ek_tensor both = binary(g, "Sub", "both", after, before);
    ek_session *s = ek_session_create(g);
    ek_array *a = NULL, *b = NULL, *c = NULL;
    ek_error err = { 0 };

    EK_DIE(ek_graph_status(g, NULL));
    assert_int_equal(ek_run(s, .fetch = { { before, &a } }, .error = &err), EK_FAILED_PRECONDITION);
    assert_non_null(strstr(err.text, "Error while reading resource variable w from Container: localhost"));
    assert_int_equal(ek_run(s, .target = { init }), EK_OK);
    for (int i = 1; i < 8; i *= 2) {
        assert_int_equal(ek_run(s, .fetch = { { both, &a }, { before, &b }, { after, &c } }), EK_OK);
        assert_floats(a, 2, (float[]){ (float)i, (float)(2 * i) });
        assert_floats(b, 2, (float[]){ (float)i, (float)(2 * i) });
        assert_floats(c, 2, (float[]){ (float)(2 * i), (float)(4 * i) });
    }
    ek_array_unref(a);
    ek_array_unref(b);
    ek_array_unref(c);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_of_ops_gives_its_numbers),
        cmocka_unit_test(reference_variables_are_their_memory),
        cmocka_unit_test(loops_that_move_leave_reads_behind_the_write),
        cmocka_unit_test(one_output_of_several_is_fed),
        cmocka_unit_test(reshaped_variables_broadcast),
        cmocka_unit_test(reads_of_resource_variables_are_snapshots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
