/* What a run refuses, in TensorFlow's order and words. */
#include "build.h"

typedef struct fixture {
    ek_graph *g;
    ek_tensor x, y;
    ek_session *s;
    ek_array *good, *got;
    ek_error err;
} fixture;

static int set_up(void **state)
{
    static fixture f;

    f = (fixture){ .g = ek_graph_create() };
    f.x = placeholder(f.g, "Placeholder", EK_FLOAT32, EK_SHAPE(-1, 1));
    f.y = unary(f.g, "Neg", "y", f.x);
    f.s = ek_session_create(f.g, .error = &f.err);
    f.good = f32(EK_SHAPE(2, 1), NULL);
    *state = &f;
    return f.s != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    ek_array_unref(f->good);
    ek_array_unref(f->got);
    ek_session_destroy(f->s);
    ek_graph_destroy(f->g);
    return 0;
}

static void a_feed_of_another_shape(void **state)
{
    fixture *f = *state;
    ek_array *three = f32(EK_SHAPE(3), NULL);

    ek_run(f->s, .feed = { { f->x, three } }, .fetch = { { f->y, &f->got } }, .error = &f->err);
    assert_error(&f->err, EK_INVALID_ARGUMENT,
                 "Cannot feed value of shape (3,) for Tensor 'Placeholder:0', which has shape '(?, 1)'");
    assert_non_null(strstr(f->err.file, "messages_test.c"));
    ek_array_unref(three);
}

static void a_feed_of_another_dtype(void **state)
{
    fixture *f = *state;
    ek_array *wide = ek_array_of(EK_FLOAT64, EK_SHAPE(2, 1), NULL);

    assert_int_equal(ek_run(f->s, .feed = { { f->x, wide } }, .fetch = { { f->y, &f->got } }, .error = &f->err),
                     EK_INVALID_ARGUMENT);
    assert_non_null(strstr(f->err.text, "float64"));
    assert_non_null(strstr(f->err.text, "float32"));
    ek_array_unref(wide);
}

static void the_feed_is_looked_at_before_the_fetch(void **state)
{
    fixture *f = *state;
    ek_array *three = f32(EK_SHAPE(3), NULL);

    ek_run(f->s, .feed = { { f->x, three } }, .fetch = { { { f->g, -1, 0 }, &f->got } }, .error = &f->err);
    assert_int_equal(strncmp(f->err.text, "Cannot feed value", 17), 0);
    ek_array_unref(three);
}

static void a_placeholder_that_is_not_fed(void **state)
{
    fixture *f = *state;

    ek_run(f->s, .fetch = { { f->y, &f->got } }, .error = &f->err);
    assert_error(&f->err, EK_INVALID_ARGUMENT,
                 "You must feed a value for placeholder tensor 'Placeholder' with dtype float and shape [?,1]"
                 "\n\t [[{{node Placeholder}}]]");
    assert_string_equal(f->err.node, "Placeholder");
    assert_null(f->got);
}

static void dead_and_foreign_tensors(void **state)
{
    fixture *f = *state;
    ek_graph *other = ek_graph_create();
    const ek_tensor z = placeholder(other, "z", EK_FLOAT32, EK_SCALAR);
    ek_array *v = scalar_f32(1);

    ek_run(f->s, .feed = { { f->x, f->good }, { { f->g, -1, 0 }, v } }, .fetch = { { f->y, &f->got } },
           .error = &f->err);
    assert_int_equal(strncmp(f->err.text, "Cannot interpret feed_dict key as Tensor", 40), 0);
    ek_run(f->s, .feed = { { z, v } }, .fetch = { { f->y, &f->got } }, .error = &f->err);
    assert_int_equal(strncmp(f->err.text, "Cannot interpret feed_dict key as Tensor", 40), 0);
    ek_run(f->s, .feed = { { f->x, f->good } }, .fetch = { { f->y, &f->got }, { z, NULL } }, .error = &f->err);
    assert_int_equal(strncmp(f->err.text, "Fetch argument 1 cannot be interpreted as a Tensor", 50), 0);
    ek_run(f->s, .target = { { f->g, -1 } }, .error = &f->err);
    assert_int_equal(f->err.code, EK_INVALID_ARGUMENT);
    ek_run(f->s, .feed = { { f->x, NULL } }, .fetch = { { f->y, &f->got } }, .error = &f->err);
    assert_error(&f->err, EK_INVALID_ARGUMENT, "the feed of 'Placeholder:0' has no value");
    ek_run(f->s, .feed = { { f->x, f->good }, { f->x, f->good } }, .fetch = { { f->y, &f->got } }, .error = &f->err);
    assert_error(&f->err, EK_INVALID_ARGUMENT, "Endpoint \"Placeholder:0\" fed more than once.");
    ek_array_unref(v);
    ek_graph_destroy(other);
}

static void nothing_to_run(void **state)
{
    fixture *f = *state;
    ek_graph *empty = ek_graph_create();
    ek_session *s = ek_session_create(empty);

    ek_run(f->s, .error = &f->err);
    assert_error(&f->err, EK_INVALID_ARGUMENT, "Must specify at least one target to fetch or execute.");
    ek_run(s, .error = &f->err);
    assert_error(&f->err, EK_FAILED_PRECONDITION,
                 "The Session graph is empty.  Add operations to the graph before calling run().");
    ek_session_destroy(s);
    ek_graph_destroy(empty);
}

static void a_graph_that_failed_says_why(void **state)
{
    fixture *f = *state;

    assert_int_equal(ek_run(f->s, .feed = { { f->x, f->good } }, .fetch = { { f->y, &f->got } }), EK_OK);
    (void)ek_op_build(f->g, "NoSuchOp", .name = "z");
    const int line = __LINE__ - 1;
    assert_int_not_equal(ek_run(f->s, .feed = { { f->x, f->good } }, .fetch = { { f->y, &f->got } }, .error = &f->err),
                         EK_OK);
    assert_int_equal(f->err.line, line);
}

static void kernels_name_their_node(void **state)
{
    fixture *f = *state;
    const ek_tensor two = placeholder(f->g, "two", EK_FLOAT32, EK_UNKNOWN_SHAPE);
    const ek_tensor sum = binary(f->g, "AddV2", "sum", f->y, two);
    ek_array *v = f32(EK_SHAPE(3, 2), NULL);

    ek_run(f->s, .feed = { { f->x, f->good }, { two, v } }, .fetch = { { sum, &f->got } }, .error = &f->err);
    assert_error(&f->err, EK_INVALID_ARGUMENT, "Incompatible shapes: [2,1] vs. [3,2]\n\t [[{{node sum}}]]");
    assert_string_equal(f->err.node, "sum");
    ek_array_unref(v);
}

static void the_first_nan_is_named(void **state)
{
    fixture *f = *state;
    const ek_tensor log = unary(f->g, "Log", "log", f->y), sum = binary(f->g, "AddV2", "sum", log, log);
    ek_session *s = ek_session_create(f->g, .check_numerics = true);
    ek_array *v = f32(EK_SHAPE(2, 1), (float[]){ -1, 2 });

    assert_int_equal(ek_run(s, .feed = { { f->x, v } }, .fetch = { { sum, &f->got } }, .error = &f->err),
                     EK_INVALID_ARGUMENT);
    assert_error(&f->err, EK_INVALID_ARGUMENT,
                 "log:0 of type Log has NaN, first at element 1 of 2, in run 1 of the session\n\t [[{{node log}}]]");
    assert_string_equal(f->err.node, "log");
    ek_session_destroy(s);
    ek_array_unref(v);
}

static void failures_leave_fetched_arrays_alone(void **state)
{
    fixture *f = *state;
    const ek_tensor w = variable(f->g, "VariableV2", "w", EK_SHAPE(2, 1));
    const ek_tensor sum = binary(f->g, "AddV2", "sum", f->y, w);
    ek_array *other = NULL;

    EK_DIE(ek_run(f->s, .feed = { { f->x, f->good } }, .fetch = { { f->y, &f->got } }));
    ek_array *before = f->got;
    ((float *)ek_array_data(f->got))[0] = 42;
    assert_int_equal(
        ek_run(f->s, .feed = { { f->x, f->good } }, .fetch = { { f->y, &f->got }, { sum, &other } }, .error = &f->err),
        EK_FAILED_PRECONDITION);
    assert_ptr_equal(f->got, before);
    assert_true(((float *)ek_array_data(f->got))[0] == 42);
    assert_null(other);
}

/* More feeds and fetches than the macro holds go through pointers; a shared array is replaced, not written to. */
static void long_lists_and_shared_arrays(void **state)
{
    fixture *f = *state;
    enum { N = 100 };
    ek_feed feed[N];
    ek_fetch fetch[N];
    ek_array *in[N], *got[N];

    for (int i = 0; i < N; i++) {
        const ek_tensor x = placeholder(f->g, "p", EK_FLOAT32, EK_SCALAR);

        in[i] = scalar_f32((float)i);
        got[i] = NULL;
        feed[i] = (ek_feed){ x, in[i] };
        fetch[i] = (ek_fetch){ unary(f->g, "Neg", "n", x), &got[i] };
    }
    for (int round = 0; round < 3; round++) {
        ek_array *kept = ek_array_ref(got[7]);

        EK_DIE(ek_run(f->s, .feeds = feed, .n_feeds = N, .fetches = fetch, .n_fetches = N));
        for (int i = 0; i < N; i++) assert_floats(got[i], 1, (float[]){ -(float)i });
        if (round > 0) assert_ptr_not_equal(kept, got[7]);
        ek_array_unref(kept);
    }
    for (int i = 0; i < N; i++) {
        ek_array_unref(in[i]);
        ek_array_unref(got[i]);
    }
}

/* Results may go where feeds come from, even crosswise, and two of them to one place. */
static void fetches_into_arrays_that_are_fed(void **state)
{
    fixture *f = *state;
    const ek_tensor x = placeholder(f->g, "one", EK_FLOAT32, EK_SHAPE(-1)),
                    z = placeholder(f->g, "two", EK_FLOAT32, EK_SHAPE(-1));
    const ek_tensor minus = unary(f->g, "Neg", "minus", x);
    ek_array *a = f32(EK_SHAPE(2), (float[]){ 1, 2 }), *b = f32(EK_SHAPE(2), (float[]){ 3, 4 }), *c = NULL;
    ek_array *large = f32(EK_SHAPE(40), NULL);

    /* a is refilled by the first fetch and handed on by the second */
    assert_int_equal(ek_run(f->s, .feed = { { x, a } }, .fetch = { { minus, &a }, { x, &c } }), EK_OK);
    assert_floats(a, 2, (float[]){ -1, -2 });
    assert_floats(c, 2, (float[]){ 1, 2 });
    /* the same with nothing to make anew but a */
    assert_int_equal(ek_run(f->s, .feed = { { x, a } }, .fetch = { { minus, &a }, { x, &c } }), EK_OK);
    assert_floats(a, 2, (float[]){ 1, 2 });
    assert_floats(c, 2, (float[]){ -1, -2 });
    assert_int_equal(ek_run(f->s, .feed = { { x, a }, { z, b } }, .fetch = { { x, &b }, { z, &a } }), EK_OK);
    assert_floats(a, 2, (float[]){ 3, 4 });
    assert_floats(b, 2, (float[]){ 1, 2 });
    const void *memory = ek_array_cdata(a);
    assert_int_equal(ek_run(f->s, .feed = { { x, a } }, .fetch = { { x, &a } }), EK_OK);
    assert_ptr_equal(ek_array_cdata(a), memory);
    /* the small array makes room for the large result, and must not be taken for it */
    assert_int_equal(ek_run(f->s, .feed = { { x, a }, { z, large } }, .fetch = { { minus, &large }, { z, &large } }),
                     EK_OK);
    assert_int_equal(ek_array_count(large), 2);
    ek_array_unref(a);
    ek_array_unref(b);
    ek_array_unref(c);
    ek_array_unref(large);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_feed_of_another_shape),
        TEST(a_feed_of_another_dtype),
        TEST(the_feed_is_looked_at_before_the_fetch),
        TEST(a_placeholder_that_is_not_fed),
        TEST(dead_and_foreign_tensors),
        TEST(nothing_to_run),
        TEST(a_graph_that_failed_says_why),
        TEST(kernels_name_their_node),
        TEST(the_first_nan_is_named),
        TEST(failures_leave_fetched_arrays_alone),
        TEST(long_lists_and_shared_arrays),
        TEST(fetches_into_arrays_that_are_fed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
