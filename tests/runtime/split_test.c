/* Shapes that follow from data: the run splits where they are needed, and each outcome gets a plan. */
#include "build.h"

static ek_array *vector(int n, const float *v)
{
    return f32((ek_shape){ .dim = { n }, .rank = 1 }, v);
}

static void shapes_that_follow_from_values_are_planned_when_seen(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(-1));
    const ek_tensor positive = binary(g, "Greater", "positive", x, constant(g, "zero", scalar_f32(0)));
    const ek_tensor where = unary(g, "Where", "where", positive);
    const ek_attribute squeeze[] = {
        { .name = "squeeze_dims", .kind = EK_A_INTS, .u.is = (int64_t[]){ 1 }, .count = 1 }
    };
    const ek_tensor index = out(ek_op_build(g, "Squeeze", .name = "index", .inputs = &where, .n_inputs = 1,
                                            .attributes = squeeze, .n_attributes = 1), 0);
    const ek_tensor picked = binary(g, "Gather", "picked", x, index);
    const ek_tensor twice = binary(g, "AddV2", "twice", picked, picked);
    ek_session *s = ek_session_create(g);
    ek_array *y = NULL, *again = NULL;

    EK_DIE(ek_graph_status(g, NULL));
    for (int round = 0; round < 40; round++) { /* more outcomes than are kept */
        float v[16], want[16];
        int n = 0;

        for (int i = 0; i < 16; i++) {
            v[i] = (float)((i * 7 + round) % 16 - (round * 5) % 16);
            if (v[i] > 0) want[n++] = 2 * v[i];
        }
        ek_array *in = vector(16, v);
        assert_int_equal(ek_run(s, .feed = { { x, in } }, .fetch = { { twice, &y }, { x, &again } }), EK_OK);
        assert_floats(y, n, want);
        assert_floats(again, 16, v);
        ek_array_unref(in);
    }
    ek_array_unref(y);
    ek_array_unref(again);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void a_fed_shape_reshapes(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(6)),
                    shape = placeholder(g, "s", EK_INT32, EK_SHAPE(-1));
    const ek_tensor sum = binary(g, "AddV2", "sum", x, x);
    const ek_tensor y = binary(g, "Reshape", "y", sum, shape);
    const ek_tensor z = unary(g, "Neg", "z", y);
    ek_session *s = ek_session_create(g);
    ek_array *in = vector(6, (float[]){ 1, 2, 3, 4, 5, 6 }), *got = NULL;
    ek_array *two = vector_i32(2, (int32_t[]){ 2, -1 }), *three = vector_i32(3, (int32_t[]){ 1, 3, 2 });
    ek_array *bad = vector_i32(1, (int32_t[]){ 4 });
    ek_error err = { 0 };

    EK_DIE(ek_graph_status(g, NULL));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ek_run(s, .feed = { { x, in }, { shape, two } }, .fetch = { { z, &got } }), EK_OK);
        assert_floats(got, 6, (float[]){ -2, -4, -6, -8, -10, -12 });
        assert_int_equal(ek_array_dim(got, 1), 3);
        assert_int_equal(ek_run(s, .feed = { { x, in }, { shape, three } }, .fetch = { { z, &got } }), EK_OK);
        assert_int_equal(ek_array_rank(got), 3);
    }
    ek_run(s, .feed = { { x, in }, { shape, bad } }, .fetch = { { z, &got } }, .error = &err);
    assert_error(&err, EK_INVALID_ARGUMENT,
                 "Input to reshape is a tensor with 6 values, but the requested shape has 4\n\t [[{{node y}}]]");
    ek_array_unref(got);
    ek_array_unref(in);
    ek_array_unref(two);
    ek_array_unref(three);
    ek_array_unref(bad);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* shape(x) is known as soon as x's shape is: no split, as the log would show; here, that it works with variables. */
static void shapes_of_what_is_fed_are_constants(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(-1, -1));
    const ek_tensor y = binary(g, "Reshape", "y", unary(g, "Neg", "neg", x),
                               constant(g, "flat", vector_i32(1, (int32_t[]){ -1 })));
    const ek_tensor z = binary(g, "Reshape", "z", y, unary(g, "Shape", "shape", x));
    ek_session *s = ek_session_create(g);
    ek_array *in = f32(EK_SHAPE(2, 2), (float[]){ 1, 2, 3, 4 }), *got = NULL;

    EK_DIE(ek_graph_status(g, NULL));
    assert_int_equal(ek_run(s, .feed = { { x, in } }, .fetch = { { z, &got } }), EK_OK);
    assert_floats(got, 4, (float[]){ -1, -2, -3, -4 });
    assert_int_equal(ek_array_dim(got, 0), 2);
    ek_array_unref(got);
    ek_array_unref(in);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* A variable assigned without a look at shapes takes the new one, for the next run and within the same. */
static void variables_may_change_their_shape(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    const ek_tensor w = variable(g, "VarHandleOp", "w", EK_UNKNOWN_SHAPE);
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_UNKNOWN_SHAPE);
    const ek_op set = write_to(g, "AssignVariableOp", "set", w, x, NULL, 0);
    const ek_tensor read = read_of(g, "read", w, NULL, 0), after = read_of(g, "after", w, &set, 1);
    const ek_tensor y = unary(g, "Neg", "y", read), z = unary(g, "Neg", "z", after);
    ek_session *s = ek_session_create(g);
    ek_array *two = vector(2, (float[]){ 1, 2 }), *three = vector(3, (float[]){ 3, 4, 5 }), *got = NULL, *old = NULL;

    EK_DIE(ek_graph_status(g, NULL));
    assert_int_equal(ek_run(s, .fetch = { { y, &got } }), EK_FAILED_PRECONDITION);
    assert_int_equal(ek_run(s, .feed = { { x, two } }, .fetch = { { z, &got } }), EK_OK);
    assert_floats(got, 2, (float[]){ -1, -2 });
    assert_int_equal(ek_run(s, .fetch = { { y, &got } }), EK_OK);
    assert_floats(got, 2, (float[]){ -1, -2 });
    assert_int_equal(ek_run(s, .feed = { { x, three } }, .fetch = { { z, &got }, { y, &old } }), EK_OK);
    assert_floats(got, 3, (float[]){ -3, -4, -5 });
    assert_floats(old, 3, (float[]){ -3, -4, -5 }); /* set stands before both reads in order of creation */
    assert_int_equal(ek_run(s, .fetch = { { y, &got } }), EK_OK);
    assert_floats(got, 3, (float[]){ -3, -4, -5 });
    ek_array_unref(got);
    ek_array_unref(old);
    ek_array_unref(two);
    ek_array_unref(three);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_that_follow_from_values_are_planned_when_seen),
        cmocka_unit_test(a_fed_shape_reshapes),
        cmocka_unit_test(shapes_of_what_is_fed_are_constants),
        cmocka_unit_test(variables_may_change_their_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
