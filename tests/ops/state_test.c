/* State and effect ops through sessions: values after writes, and TensorFlow's sentences. */
#include "runtime/build.h"

#include "base/base.h"

static ek_tensor i32(ek_graph *g, const char *name, int n, const int32_t *v)
{
    return constant(g, name, vector_i32(n, v));
}

/* A variable of any dtype and shape. */
static ek_tensor variable_of(ek_graph *g, const char *type, const char *name, ek_dtype dtype, ek_shape shape)
{
    const ek_attribute a[] = { { .name = "dtype", .kind = EK_A_TYPE, .u.type = dtype },
                               { .name = "shape", .kind = EK_A_SHAPE, .u.shape = &shape },
                               { .name = "shared_name", .kind = EK_A_STRING, .u.s = name, .count = -1 } };

    return out(ek_op_build(g, type, .name = name, .attributes = a, .n_attributes = 3), 0);
}

/* The first line of a failure; the next one names the node. */
static void expect_text(const ek_error *err, ek_status code, const char *text)
{
    assert_int_equal(err->code, code);
    if (strncmp(err->text, text, strlen(text)) != 0 ||
        (err->text[strlen(text)] != '\n' && err->text[strlen(text)] != '\0'))
        fail_msg("found \"%s\", expected \"%s\"", err->text, text);
}

static void expect_error(ek_session *s, ek_op target, ek_status code, const char *text)
{
    ek_error err = { 0 };

    assert_int_equal(ek_run(s, .target = { target }, .error = &err), code);
    expect_text(&err, code, text);
}

static void expect_f32(ek_session *s, ek_tensor t, int n, const float *v)
{
    ek_array *a = NULL;
    ek_error err = { 0 };

    if (ek_run(s, .fetch = { { t, &a } }, .error = &err) != EK_OK) fail_msg("%s", err.text);
    assert_int_equal(ek_array_count(a), n);
    assert_memory_equal(ek_array_cdata(a), v, (size_t)n * sizeof *v);
    ek_array_unref(a);
}

static ek_session *session(ek_graph *g)
{
    ek_error err = { 0 };

    if (ek_graph_status(g, &err) != EK_OK) fail_msg("%s", err.text);
    ek_session *s = ek_session_create(g, .threads = 1);
    assert_non_null(s);
    return s;
}

static void test_reference_errors(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor v = variable_of(g, "VariableV2", "v", EK_FLOAT32, EK_SHAPE(2));
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_UNKNOWN_SHAPE);
    const ek_op assign = node(g, "Assign", "assign", (ek_tensor[]){ v, x }, 2);
    const ek_op sub = node(g, "AssignSub", "sub", (ek_tensor[]){ v, x }, 2);
    const ek_tensor read = unary(g, "Identity", "v/read", v), ready = unary(g, "IsVariableInitialized", "ready", v);
    ek_session *s = session(g);
    ek_array *three = f32(EK_SHAPE(3), (float[]){ 1, 2, 3 }), *two = f32(EK_SHAPE(2), (float[]){ 1, 2 }), *is = NULL;
    ek_error err = { 0 };

    EK_UNUSED(state);
    expect_error(s, ek_tensor_op(read), EK_FAILED_PRECONDITION, "Attempting to use uninitialized value v");
    assert_int_equal(ek_run(s, .fetch = { { ready, &is } }), EK_OK);
    assert_false(*(const bool *)ek_array_cdata(is));
    (void)ek_run(s, .feed = { { x, two } }, .target = { sub }, .error = &err);
    expect_text(&err, EK_FAILED_PRECONDITION, "Attempting to use uninitialized value v");
    err = (ek_error){ 0 };
    (void)ek_run(s, .feed = { { x, three } }, .target = { assign }, .error = &err);
    expect_text(&err, EK_INVALID_ARGUMENT,
                "Assign requires shapes of both tensors to match. lhs shape= [2] rhs shape= [3]");
    assert_int_equal(ek_run(s, .feed = { { x, two } }, .target = { assign }), EK_OK);
    err = (ek_error){ 0 };
    (void)ek_run(s, .feed = { { x, three } }, .target = { sub }, .error = &err);
    expect_text(&err, EK_INVALID_ARGUMENT, "Parameters and update must be the same size");
    assert_int_equal(ek_run(s, .feed = { { x, two } }, .target = { sub }, .fetch = { { ready, &is } }), EK_OK);
    assert_true(*(const bool *)ek_array_cdata(is));
    expect_f32(s, read, 2, (float[]){ 0, 0 });
    ek_array_unref(three);
    ek_array_unref(two);
    ek_array_unref(is);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void test_resource_errors(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_attribute dtype = { .name = "dtype", .kind = EK_A_TYPE, .u.type = EK_FLOAT32 };
    const ek_tensor h = variable_of(g, "VarHandleOp", "w", EK_FLOAT32, EK_SHAPE(2));
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_UNKNOWN_SHAPE);
    const ek_op assign = node(g, "AssignVariableOp", "assign", (ek_tensor[]){ h, x }, 2);
    const ek_op add = node(g, "AssignAddVariableOp", "add", (ek_tensor[]){ h, x }, 2);
    const ek_op read = ek_op_build(g, "ReadVariableOp", .name = "read", .inputs = &h, .n_inputs = 1,
                                   .attributes = &dtype, .n_attributes = 1);
    const ek_tensor ready = unary(g, "VarIsInitializedOp", "ready", h), shape = unary(g, "VariableShape", "shape", h);
    ek_session *s = session(g);
    ek_array *three = f32(EK_SHAPE(3), (float[]){ 1, 2, 3 }), *two = f32(EK_SHAPE(2), (float[]){ 1, 2 }), *is = NULL;
    ek_error err = { 0 };

    EK_UNUSED(state);
    expect_error(
        s, read, EK_FAILED_PRECONDITION,
        "Error while reading resource variable w from Container: localhost. This could mean that the variable was "
        "uninitialized. Not found: Resource localhost/w/N10tensorflow3VarE does not exist.");
    (void)ek_run(s, .feed = { { x, two } }, .target = { add }, .error = &err);
    expect_text(&err, EK_NOT_FOUND, "Resource localhost/w/N10tensorflow3VarE does not exist.");
    assert_int_equal(ek_run(s, .fetch = { { ready, &is } }), EK_OK);
    assert_false(*(const bool *)ek_array_cdata(is));
    assert_int_equal(ek_run(s, .feed = { { x, two } }, .target = { assign }), EK_OK);
    err = (ek_error){ 0 };
    (void)ek_run(s, .feed = { { x, three } }, .target = { add }, .error = &err);
    expect_text(&err, EK_INVALID_ARGUMENT,
                "Cannot update variable with shape [2] using a Tensor with shape [3], shapes must be equal.");
    assert_int_equal(ek_run(s, .feed = { { x, three } }, .target = { assign }), EK_OK); /* any shape will do */
    assert_int_equal(ek_run(s, .fetch = { { shape, &is } }), EK_OK);
    assert_int_equal(ek_array_i32(is)[0], 3);
    assert_int_equal(ek_run(s, .feed = { { x, three } }, .target = { add }), EK_OK);
    expect_f32(s, out(read, 0), 3, (float[]){ 2, 4, 6 });
    ek_array_unref(three);
    ek_array_unref(two);
    ek_array_unref(is);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* Without validate_shape the variable takes the shape of what it is given; strings and counters are variables too. */
static void test_other_variables(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_attribute loose = { .name = "validate_shape", .kind = EK_A_BOOL, .u.b = false };
    const ek_attribute limit = { .name = "limit", .kind = EK_A_INT, .u.i = 2 };
    const ek_tensor v = variable_of(g, "VariableV2", "v", EK_FLOAT32, EK_UNKNOWN_SHAPE);
    const ek_tensor t = variable_of(g, "VariableV2", "t", EK_STRING, EK_SHAPE(2));
    const ek_tensor n = variable_of(g, "VariableV2", "n", EK_INT32, EK_SCALAR);
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_UNKNOWN_SHAPE);
    const ek_string words[] = { { (char *)(uintptr_t)"one", 3 }, { (char *)(uintptr_t)"two", 3 } };
    const ek_op assign = ek_op_build(g, "Assign", .name = "a", .inputs = (ek_tensor[]){ v, x }, .n_inputs = 2,
                                     .attributes = &loose, .n_attributes = 1);
    const ek_op put =
        node(g, "Assign", "put", (ek_tensor[]){ t, constant(g, "w", ek_array_of(EK_STRING, EK_SHAPE(2), words)) }, 2);
    const ek_op zero =
        node(g, "Assign", "zero", (ek_tensor[]){ n, constant(g, "0", ek_array_of(EK_INT32, EK_SCALAR, NULL)) }, 2);
    const ek_op count = ek_op_build(g, "CountUpTo", .name = "count", .inputs = &n, .n_inputs = 1, .attributes = &limit,
                                    .n_attributes = 1);
    ek_session *s = session(g);
    ek_array *three = f32(EK_SHAPE(3), (float[]){ 1, 2, 3 }), *one = f32(EK_SHAPE(1, 1), (float[]){ 7 }), *a = NULL;

    EK_UNUSED(state);
    assert_int_equal(ek_run(s, .feed = { { x, three } }, .target = { assign, put, zero }), EK_OK);
    expect_f32(s, v, 3, (float[]){ 1, 2, 3 });
    assert_int_equal(ek_run(s, .feed = { { x, one } }, .target = { assign }), EK_OK);
    expect_f32(s, v, 1, (float[]){ 7 });
    assert_int_equal(ek_run(s, .fetch = { { t, &a } }), EK_OK);
    assert_memory_equal(((const ek_string *)ek_array_cdata(a))[1].data, "two", 3);
    assert_int_equal(ek_run(s, .fetch = { { out(count, 0), &a } }), EK_OK);
    assert_int_equal(ek_array_i32(a)[0], 0);
    assert_int_equal(ek_run(s, .fetch = { { out(count, 0), &a } }), EK_OK);
    assert_int_equal(ek_array_i32(a)[0], 1);
    expect_error(s, count, EK_OUT_OF_RANGE, "Reached limit of 2");
    ek_array_unref(three);
    ek_array_unref(one);
    ek_array_unref(a);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void test_assert(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor ok = placeholder(g, "ok", EK_BOOL, EK_UNKNOWN_SHAPE);
    const ek_tensor v = i32(g, "v", 5, (int32_t[]){ 1, 2, 3, 4, 5 });
    const ek_tensor word =
        constant(g, "word", ek_array_of(EK_STRING, EK_SCALAR, &(ek_string){ (char *)(uintptr_t) "x:", 2 }));
    const ek_op check = node(g, "Assert", "check", (ek_tensor[]){ ok, word, v }, 3);
    ek_session *s = session(g);
    ek_array *no = scalar_bool(false), *yes = scalar_bool(true), *two = ek_array_of(EK_BOOL, EK_SHAPE(2), NULL);
    ek_error err = { 0 };

    EK_UNUSED(state);
    assert_int_equal(ek_run(s, .feed = { { ok, yes } }, .target = { check }), EK_OK);
    (void)ek_run(s, .feed = { { ok, no } }, .target = { check }, .error = &err);
    expect_text(&err, EK_INVALID_ARGUMENT, "assertion failed: [x:] [1 2 3...]");
    assert_string_equal(err.node, "check");
    err = (ek_error){ 0 };
    (void)ek_run(s, .feed = { { ok, two } }, .target = { check }, .error = &err);
    expect_text(&err, EK_INVALID_ARGUMENT, "In[0] should be a scalar: [2]");
    ek_array_unref(no);
    ek_array_unref(yes);
    ek_array_unref(two);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_errors),
        cmocka_unit_test(test_resource_errors),
        cmocka_unit_test(test_other_variables),
        cmocka_unit_test(test_assert),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
