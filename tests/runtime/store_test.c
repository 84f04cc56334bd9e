/* Stores shared by sessions, values set and got from outside, callables, traces. */
#include "build.h"

#include <stdlib.h>
#include <unistd.h>

static ek_variable weight(ek_graph *g, bool resource)
{
    return ek_get_variable(g, "w", .shape = EK_SHAPE(2), .use_resource = resource ? EK_YES : EK_NO);
}

static void values_are_set_and_got(void **state)
{
    (void)state;
    for (int resource = 0; resource < 2; resource++) {
        ek_graph *g = ek_graph_create();
        const ek_variable w = weight(g, resource != 0);
        const ek_op up = resource != 0 ? write_to(g, "AssignAddVariableOp", "up", out(ek_variable_op(w), 0),
                                                  constant(g, "one", f32(EK_SHAPE(2), (float[]){ 1, 1 })), NULL, 0)
                                       : write_to(g, "AssignAdd", "up", out(ek_variable_op(w), 0),
                                                  constant(g, "one", f32(EK_SHAPE(2), (float[]){ 1, 1 })), NULL, 0);
        ek_session *s = ek_session_create(g);
        ek_array *a = f32(EK_SHAPE(2), (float[]){ 5, 6 }), *wrong = f32(EK_SHAPE(3), NULL), *got = NULL;
        ek_array *wide = ek_array_of(EK_FLOAT64, EK_SHAPE(2), NULL);

        EK_DIE(ek_graph_status(g, NULL));
        assert_int_equal(ek_session_get(s, w, &got), EK_FAILED_PRECONDITION);
        assert_string_equal(ek_last_error()->text, "Attempting to use uninitialized value w");
        assert_int_equal(ek_session_set(s, w, wrong), EK_INVALID_ARGUMENT);
        assert_string_equal(ek_last_error()->text,
                            "Assign requires shapes of both tensors to match. lhs shape= [2] rhs shape= [3]");
        assert_int_equal(ek_session_set(s, w, wide), EK_INVALID_ARGUMENT);
        assert_int_equal(ek_session_set(s, w, a), EK_OK);
        assert_int_equal(ek_run(s, .target = { up }), EK_OK);
        assert_int_equal(ek_session_get(s, w, &got), EK_OK);
        assert_floats(got, 2, (float[]){ 6, 7 });
        assert_floats(a, 2, (float[]){ 5, 6 }); /* it was copied */
        ek_array_unref(a);
        ek_array_unref(wrong);
        ek_array_unref(wide);
        ek_array_unref(got);
        ek_session_destroy(s);
        ek_graph_destroy(g);
    }
}

/* A training and a serving graph over one store: the same variable by its name. */
static void sessions_share_a_store(void **state)
{
    (void)state;
    ek_graph *train = ek_graph_create(), *serve = ek_graph_create();
    const ek_variable w = weight(train, false), v = weight(serve, false);
    const ek_op up = write_to(train, "AssignAdd", "up", out(ek_variable_op(w), 0),
                              constant(train, "one", f32(EK_SHAPE(2), (float[]){ 1, 2 })), NULL, 0);
    const ek_tensor y = unary(serve, "Neg", "y", out(ek_variable_op(v), 0));
    ek_store *store = ek_store_create();
    ek_session *a = ek_session_create(train, .store = store), *b = ek_session_create(serve, .store = store);
    ek_session *alone = ek_session_create(serve);
    ek_array *zero = f32(EK_SHAPE(2), NULL), *got = NULL;

    assert_ptr_equal(ek_session_store(a), store);
    assert_ptr_not_equal(ek_session_store(alone), store);
    ek_store_unref(store); /* the sessions hold it */
    EK_DIE(ek_graph_status(train, NULL));
    EK_DIE(ek_graph_status(serve, NULL));
    EK_DIE(ek_session_set(a, w, zero));
    for (int i = 1; i < 4; i++) {
        EK_DIE(ek_run(a, .target = { up }));
        EK_DIE(ek_run(b, .fetch = { { y, &got } }));
        assert_floats(got, 2, (float[]){ -(float)i, -2 * (float)i });
    }
    assert_int_equal(ek_run(alone, .fetch = { { y, &got } }), EK_FAILED_PRECONDITION);
    ek_session_destroy(a);
    EK_DIE(ek_run(b, .fetch = { { y, &got } })); /* the store lives on */
    ek_array_unref(zero);
    ek_array_unref(got);
    ek_session_destroy(b);
    ek_session_destroy(alone);
    ek_graph_destroy(train);
    ek_graph_destroy(serve);
}

static void callables_take_arrays_by_position(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(-1)),
                    y = placeholder(g, "y", EK_FLOAT32, EK_SHAPE(-1));
    const ek_tensor d = binary(g, "Sub", "d", x, y), n = unary(g, "Neg", "n", d);
    ek_session *s = ek_session_create(g);
    ek_callable *c = ek_callable_create(s, .feed = { { y, NULL }, { x, NULL } }, .fetch = { { d, NULL }, { n, NULL } });
    ek_array *one = f32(EK_SHAPE(1), (float[]){ 1 }), *two = f32(EK_SHAPE(2), (float[]){ 5, 7 }), *got[2] = { NULL };

    assert_non_null(c);
    EK_DIE(
        ek_callable_run(c, (const ek_array *[]){ one, two }, got)); /* broadcast: shapes may differ from call to call */
    assert_floats(got[0], 2, (float[]){ 4, 6 });
    assert_floats(got[1], 2, (float[]){ -4, -6 });
    EK_DIE(ek_callable_run(c, (const ek_array *[]){ two, two }, got));
    assert_floats(got[0], 2, (float[]){ 0, 0 });
    EK_DIE(ek_callable_run(c, (const ek_array *[]){ one, one }, NULL));
    assert_int_equal(ek_callable_run(c, (const ek_array *[]){ one, NULL }, got), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_callable_run(c, NULL, got), EK_INVALID_ARGUMENT);
    assert_floats(got[0], 2, (float[]){ 0, 0 });
    assert_null(ek_callable_create(NULL, .target = { ek_tensor_op(d) }));
    ek_callable_destroy(c);
    ek_callable_destroy(NULL);
    for (int i = 0; i < 2; i++) ek_array_unref(got[i]);
    ek_array_unref(one);
    ek_array_unref(two);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void a_trace_is_written(void **state)
{
    (void)state;
    char path[] = "/tmp/ek_trace_XXXXXX";
    const int fd = mkstemp(path);
    ek_graph *g = ek_graph_create();
    const ek_tensor y = unary(g, "Neg", "first_step", placeholder(g, "x", EK_FLOAT32, EK_SHAPE(-1)));
    ek_array *x = f32(EK_SHAPE(1), NULL), *got = NULL;

    assert_true(fd >= 0);
    close(fd);
    setenv("EK_TRACE", path, 1);
    for (int i = 0; i < 2; i++) { /* a second session goes on where the first ended */
        ek_session *s = ek_session_create(g);
        EK_DIE(ek_run(s, .feed = { { ek_op_input(ek_tensor_op(y), 0), x } }, .fetch = { { y, &got } }));
        ek_session_destroy(s);
    }
    unsetenv("EK_TRACE");
    size_t size = 0;
    char *text = ek_test_read(path, &size);
    assert_non_null(text);
    assert_int_equal(text[0], '[');
    assert_string_equal(text + size - 3, "\n]\n");
    const char *first = strstr(text, "\"first_step\"");
    assert_non_null(first);
    assert_non_null(strstr(first + 1, "\"first_step\""));
    assert_null(strstr(text, "}\n{"));
    free(text);
    unlink(path);
    ek_array_unref(x);
    ek_array_unref(got);
    ek_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_set_and_got),
        cmocka_unit_test(sessions_share_a_store),
        cmocka_unit_test(callables_take_arrays_by_position),
        cmocka_unit_test(a_trace_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
