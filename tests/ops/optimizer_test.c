/* Optimizer ops through sessions: large variables in chunks, duplicate rows, and sentences that cases do not cover. */
#include "runtime/build.h"

#include "base/base.h"

enum { MANY = 100 * 1000 };

static ek_session *session_of(ek_graph *g, int threads)
{
    ek_error err = {0};

    if (ek_graph_status(g, &err) != EK_OK) fail_msg("%s", err.text);
    ek_session *s = ek_session_create(g, .threads = threads);
    assert_non_null(s);
    return s;
}

static ek_tensor number(ek_graph *g, const char *name, float v)
{
    return constant(g, name, scalar_f32(v));
}

static ek_array *ramp(ek_shape shape, float scale)
{
    ek_array *a = f32(shape, NULL);
    float *v = ek_array_data(a);

    for (int64_t i = 0; i < ek_array_count(a); i++) v[i] = scale * (float)(i % 1001);
    return a;
}

static void run_ok(ek_session *s, ek_op target)
{
    ek_error err = {0};

    if (ek_run(s, .target = {target}, .error = &err) != EK_OK) fail_msg("%s", err.text);
}

/* Momentum over several chunks, with one thread and with three: the same numbers, those of the formula. */
static void test_large_variables_in_chunks(void **state)
{
    ek_array *result[2] = {NULL, NULL};

    EK_UNUSED(state);
    for (int k = 0; k < 2; k++) {
        ek_graph *g = ek_graph_create();
        const ek_tensor v = variable(g, "VariableV2", "v", EK_SHAPE(MANY)),
                        a = variable(g, "VariableV2", "a", EK_SHAPE(MANY));
        const ek_tensor grad = constant(g, "grad", ramp(EK_SHAPE(MANY), 0.5f));
        const ek_op init =
            node(g, "Assign", "init", (ek_tensor[]){v, constant(g, "v0", ramp(EK_SHAPE(MANY), 1.0f))}, 2);
        const ek_op zero = node(g, "Assign", "zero", (ek_tensor[]){a, constant(g, "a0", f32(EK_SHAPE(MANY), NULL))}, 2);
        const ek_op step = node(g, "ApplyMomentum", "step",
                                (ek_tensor[]){v, a, number(g, "lr", 0.5f), grad, number(g, "momentum", 0.5f)}, 5);
        ek_session *s = session_of(g, k == 0 ? 1 : 3);

        run_ok(s, init);
        run_ok(s, zero);
        run_ok(s, step);
        run_ok(s, step);
        assert_int_equal(ek_run(s, .fetch = {{v, &result[k]}}), EK_OK);
        ek_session_destroy(s);
        ek_graph_destroy(g);
    }
    for (int64_t i = 0; i < MANY; i++) {
        const float g = 0.5f * (float)(i % 1001);

        assert_true(ek_array_f32(result[0])[i] == (float)(i % 1001) - 0.5f * g - 0.75f * g);
    }
    assert_memory_equal(ek_array_cdata(result[0]), ek_array_cdata(result[1]), MANY * sizeof(float));
    ek_array_unref(result[0]);
    ek_array_unref(result[1]);
}

/* A row that comes twice is updated twice, in order; others stay. The step is large enough for several chunks. */
static void test_rows_that_come_twice(void **state)
{
    enum { ROWS = 7, WIDTH = 20 * 1000 };
    ek_graph *g = ek_graph_create();
    const ek_tensor v = variable(g, "VariableV2", "v", EK_SHAPE(ROWS, WIDTH)),
                    a = variable(g, "VariableV2", "a", EK_SHAPE(ROWS, WIDTH));
    const ek_tensor rows = constant(g, "rows", vector_i32(4, (int32_t[]){6, 1, 6, 0}));
    const ek_tensor grad = constant(g, "grad", ramp(EK_SHAPE(4, WIDTH), 0.0f));
    const ek_tensor ones = unary(g, "OnesLike", "ones", grad);
    const ek_op init =
        node(g, "Assign", "init", (ek_tensor[]){v, constant(g, "v0", f32(EK_SHAPE(ROWS, WIDTH), NULL))}, 2);
    const ek_op zero =
        node(g, "Assign", "zero", (ek_tensor[]){a, constant(g, "a0", f32(EK_SHAPE(ROWS, WIDTH), NULL))}, 2);
    const ek_op step = node(g, "SparseApplyMomentum", "step",
                            (ek_tensor[]){v, a, number(g, "lr", 1), ones, rows, number(g, "momentum", 0.5f)}, 6);
    static const float expected[ROWS] = {-1, -1, 0, 0, 0, 0, -2.5f};
    ek_session *s = session_of(g, 2);
    ek_array *value = NULL;

    EK_UNUSED(state);
    run_ok(s, init);
    run_ok(s, zero);
    run_ok(s, step);
    assert_int_equal(ek_run(s, .fetch = {{v, &value}}), EK_OK);
    for (int64_t i = 0; i < ROWS * WIDTH; i++) assert_true(ek_array_f32(value)[i] == expected[i / WIDTH]);
    ek_array_unref(value);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* An embedding's step: rows of a resource are gathered, updated, gathered again. */
static void test_rows_of_a_resource(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_attribute dtype = {.name = "dtype", .kind = EK_A_TYPE, .u.type = EK_FLOAT32};
    const ek_tensor v = variable(g, "VarHandleOp", "v", EK_SHAPE(3, 2));
    const ek_tensor rows = constant(g, "rows", vector_i32(3, (int32_t[]){2, 0, 2}));
    const ek_tensor grad = constant(g, "grad", f32(EK_SHAPE(3, 2), (float[]){1, 2, 3, 4, 5, 6}));
    const ek_tensor zero = number(g, "zero", 0), lr = number(g, "lr", 0.5f);
    const ek_tensor v0 = constant(g, "v0", f32(EK_SHAPE(3, 2), (float[]){10, 20, 30, 40, 50, 60}));
    const ek_op init = node(g, "AssignVariableOp", "init", (ek_tensor[]){v, v0}, 2);
    const ek_op step = node(g, "ResourceSparseApplyProximalGradientDescent", "step",
                            (ek_tensor[]){v, lr, zero, zero, grad, rows}, 6);
    const ek_op gather = ek_op_build(g, "ResourceGather", .name = "gather", .inputs = (ek_tensor[]){v, rows},
                                     .n_inputs = 2, .attributes = &dtype, .n_attributes = 1);
    static const float before[] = {50, 60, 10, 20, 50, 60}, after[] = {47, 56, 8.5f, 18, 47, 56};
    ek_session *s = session_of(g, 1);
    ek_array *value = NULL;
    ek_error err = {0};

    EK_UNUSED(state);
    assert_int_equal(ek_run(s, .target = {gather}, .error = &err), EK_FAILED_PRECONDITION);
    run_ok(s, init);
    assert_int_equal(ek_run(s, .fetch = {{out(gather, 0), &value}}), EK_OK);
    assert_memory_equal(ek_array_cdata(value), before, sizeof before);
    run_ok(s, step);
    assert_int_equal(ek_run(s, .fetch = {{out(gather, 0), &value}}), EK_OK);
    assert_memory_equal(ek_array_cdata(value), after, sizeof after);
    ek_array_unref(value);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void expect_refusal(ek_session *s, ek_op target, ek_tensor x, ek_array *value, const char *text)
{
    ek_error err = {0};

    assert_int_equal(ek_run(s, .feed = {{x, value}}, .target = {target}, .error = &err), EK_INVALID_ARGUMENT);
    if (strncmp(err.text, text, strlen(text)) != 0) fail_msg("found \"%s\", expected \"%s\"", err.text, text);
    ek_array_unref(value);
}

static void test_refusals(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor v = variable(g, "VariableV2", "v", EK_SHAPE(3, 2)), zero = number(g, "zero", 0);
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_UNKNOWN_SHAPE);
    const ek_tensor i = placeholder(g, "i", EK_INT32, EK_UNKNOWN_SHAPE);
    const ek_tensor rows = constant(g, "rows", f32(EK_SHAPE(2, 2), NULL));
    const ek_op init = node(g, "Assign", "init", (ek_tensor[]){v, constant(g, "v0", f32(EK_SHAPE(3, 2), NULL))}, 2);
    const ek_op rate =
        node(g, "ApplyGradientDescent", "rate", (ek_tensor[]){v, x, constant(g, "g", f32(EK_SHAPE(3, 2), NULL))}, 3);
    const ek_op sparse =
        node(g, "SparseApplyProximalGradientDescent", "sparse", (ek_tensor[]){v, zero, zero, zero, rows, i}, 6);
    const ek_op wide =
        node(g, "SparseApplyProximalGradientDescent", "wide",
             (ek_tensor[]){v, zero, zero, zero, x, constant(g, "one", vector_i32(1, (int32_t[]){1}))}, 6);
    ek_session *s = session_of(g, 1);

    EK_UNUSED(state);
    run_ok(s, init);
    expect_refusal(s, rate, x, f32(EK_SHAPE(2), NULL), "alpha is not a scalar: [2]");
    expect_refusal(s, sparse, i, vector_i32(2, (int32_t[]){0, -1}), "Index -1 at offset 1 in indices is out of range");
    expect_refusal(s, sparse, i, ek_array_of(EK_INT32, EK_SHAPE(1, 2), NULL), "indices must be one-dimensional");
    expect_refusal(s, wide, x, f32(EK_SHAPE(1, 3), NULL), "var and grad must match in dimension 1");
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_variables_in_chunks),
        cmocka_unit_test(test_rows_that_come_twice),
        cmocka_unit_test(test_rows_of_a_resource),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
