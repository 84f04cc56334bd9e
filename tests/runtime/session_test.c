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
        cmocka_unit_test(reshaped_variables_broadcast),
        cmocka_unit_test(reads_of_resource_variables_are_snapshots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
