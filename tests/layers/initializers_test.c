/* tests/layers/initializers_test.c - the first values of variables are TensorFlow's: to the bit where uniform, to
 * 4 units in the last place where normal (logarithm, sine and cosine differ between machines). The expected numbers
 * were made with TensorFlow 2.15.1. */
#include "support/building.h"

#include <math.h>

typedef struct sample {
    const char *name;
    ek_initializer init;
    ek_shape shape;
    ek_dtype dtype;
    int ulp;
    double want[8];
} sample;

/* Of the rounding that the dtype has near v; near zero of that near the standard deviation. */
static double unit(double v, ek_dtype dtype)
{
    const double least = fmax(fabs(v), 0.125);

    return dtype == EK_FLOAT64 ? nextafter(least, INFINITY) - least
                               : (double)(nextafterf((float)least, INFINITY) - (float)least);
}

static void check(const sample *s)
{
    ek_graph *g = ek_graph_create();
    ek_variable v = ek_get_variable(g, "v", .shape = s->shape, .dtype = s->dtype, .initializer = s->init);
    ek_op init = ek_global_variables_initializer(g);
    ek_array *value = NULL;

    expect_fine(g);
    ek_session *session = ek_session_create(g);
    if (ek_run(session, .target = { init }) != EK_OK) fail_msg("%s: %s", s->name, ek_last_error()->text);
    assert_int_equal(ek_session_get(session, v, &value), EK_OK);
    for (int64_t i = 0; i < ek_array_count(value) && i < 8; i++) {
        const double found = ek_array_get(value, i);
        if (!(fabs(found - s->want[i]) <= s->ulp * unit(s->want[i], s->dtype)))
            fail_msg("%s[%d]: expected %.17g, found %.17g", s->name, (int)i, s->want[i], found);
    }
    ek_array_unref(value);
    ek_session_destroy(session);
    ek_graph_destroy(g);
}

static void values_are_those_of_tensorflow(void **state)
{
    ek_array *short_list = ek_array_of(EK_INT32, EK_SHAPE(3), (int32_t[]){ 1, 2, 3 });
    const sample samples[] = {
        { "random_normal", ek_random_normal_initializer(.mean = 1, .stddev = 2, .seed = 3), EK_SHAPE(5), EK_FLOAT32, 4,
          { 0x1.8fc916p+1, -0x1.83aa08p-1, 0x1.39474ep+0, 0x1.5ec7aep+0, 0x1.68c304p+1 } },
        { "truncated_normal", ek_truncated_normal_initializer(.mean = 1, .stddev = 2, .seed = 3), EK_SHAPE(5),
          EK_FLOAT32, 4, { 0x1.8fc916p+1, -0x1.83aa08p-1, 0x1.39474ep+0, 0x1.5ec7aep+0, 0x1.59c4e8p-1 } },
        { "variance_scaling", ek_variance_scaling_initializer(.scale = 2, .mode = EK_FAN_OUT,
          .distribution = EK_DISTRIBUTION_UNTRUNCATED_NORMAL, .seed = 1), EK_SHAPE(2, 3), EK_FLOAT32, 4,
          { -0x1.532b26p-1, 0x1.3650c4p+0, 0x1.b4f8ap-5, -0x1.fe94eap+0, 0x1.4bec64p-4, 0x1.ee5178p-2 } },
        { "glorot_uniform", ek_glorot_uniform_initializer(.seed = 4), EK_SHAPE(2, 3), EK_FLOAT32, 0,
          { 0x1.0015p+0, -0x1.0593a4p-1, 0x1.1732e4p+0, 0x1.840028p-1, -0x1.078142p+0, -0x1.d85214p-2 } },
        { "glorot_normal", ek_glorot_normal_initializer(.seed = 4), EK_SHAPE(3, 3, 2, 1), EK_FLOAT32, 4,
          { 0x1.778274p-4, -0x1.3e7dd2p-7, -0x1.15595cp-6, 0x1.7d8a3cp-7, -0x1.672bbcp-2, -0x1.41fd68p-8, 0x1.617df4p-5,
            0x1.926c84p-2 } },
        { "random_uniform of int32", ek_random_uniform_initializer(.maxval = 5, .seed = 4), EK_SHAPE(7), EK_INT32, 0,
          { 0, 4, 3, 3, 0, 3, 3 } },
        { "constant of a short list", ek_constant_initializer(0, .array = short_list), EK_SHAPE(2, 2), EK_FLOAT32, 0,
          { 1, 2, 3, 3 } },
        { "random_uniform of float64", ek_random_uniform_initializer(.minval = -1, .maxval = 2, .seed = 9), EK_SHAPE(3),
          EK_FLOAT64, 0, { 0x1.d5e199ff12276p-1, 0x1.cc335134fafe0p-4, 0x1.e96a2f7917446p+0 } },
        { "he_uniform", ek_he_uniform_initializer(.seed = 2), EK_SHAPE(2, 3), EK_FLOAT32, 0,
          { 0x1.3d074cp-1, 0x1.7bd284p-1, -0x1.ac4440p-4, -0x1.ffa98p-5, -0x1.32bd8p-4, 0x1.7e5c1p-3 } },
        { "lecun_normal", ek_lecun_normal_initializer(.seed = 2), EK_SHAPE(2, 3), EK_FLOAT32, 4,
          { -0x1.612efep-1, -0x1.43b4dap-3, 0x1.c9844cp-4, -0x1.f6a806p-1, -0x1.5652eap-3, -0x1.6df45ep+0 } },
        { "zeros", ek_zeros_initializer(), EK_SHAPE(2), EK_FLOAT16, 0, { 0, 0 } },
        { "ones, many", ek_ones_initializer(), EK_SHAPE(50, 50), EK_INT64, 0, { 1, 1, 1, 1, 1, 1, 1, 1 } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) check(&samples[i]);
    ek_array_unref(short_list);
}

/* ---- seeds -------------------------------------------------------------------------------------- */

static void expect_seeds(ek_graph *g, ek_initializer init, const char *seed, const char *seed2)
{
    char name[32], node[128], line[64];
    static int turn;
    ek_op op;

    snprintf(name, sizeof name, "seeded%d", turn++);
    ek_get_variable(g, name, .shape = EK_SHAPE(2), .initializer = init);
    expect_fine(g);
    snprintf(node, sizeof node, "%s/Initializer/random_normal/RandomStandardNormal", name);
    assert_int_equal(ek_graph_op_by_name(g, node, &op), EK_OK);
    char *text = ek_op_str(op), *at = text;
    const char *want[] = { seed, seed2 };
    for (int i = 0; i < 2; i++) {
        at = strstr(at, i == 0 ? "key: \"seed\"" : "key: \"seed2\"");
        assert_non_null(at);
        snprintf(line, sizeof line, "i: %s\n", want[i]);
        if (strstr(at, line) == NULL) fail_msg("expected %s in\n%s", line, text);
    }
    ek_free(text);
}

static void seeds_follow_the_graph_and_the_operation(void **state)
{
    ek_graph *g = ek_graph_create();

    (void)state;
    expect_seeds(g, ek_random_normal_initializer(), "0", "0");
    expect_seeds(g, ek_random_normal_initializer(.seed = 7), "87654321", "7");
    expect_seeds(g, ek_random_normal_initializer(.seed = -1), "87654321", "2147483646");
    ek_set_random_seed(g, 42);
    expect_seeds(g, ek_random_normal_initializer(.seed = 7), "42", "7");
    /* Three constants precede the operation: its seed is the number of operations before it. */
    char expected[32];
    snprintf(expected, sizeof expected, "%lld", (long long)ek_graph_op_count(g) + 3);
    expect_seeds(g, ek_random_normal_initializer(), "42", expected);
    ek_set_random_seed(g, 0);
    expect_seeds(g, ek_random_normal_initializer(.seed = 0), "0", "2147483647");
    ek_graph_destroy(g);
}

/* ---- refusals -------------------------------------------------------------------------------------- */

static ek_tensor of_another_dtype(ek_graph *g, ek_shape shape, ek_dtype dtype, void *arg)
{
    (void)shape;
    (void)dtype;
    (void)arg;
    return ek_constant(g, ek_int(1));
}

static void bad_initializers_are_refused(void **state)
{
    ek_graph *g = ek_graph_create();

    (void)state;
    ek_get_variable(g, "v", .shape = EK_SHAPE(2), .dtype = EK_INT32, .initializer = ek_random_uniform_initializer());
    expect_failure(g, "Must specify maxval for integer dtype tf.int32");
    g = ek_graph_create();
    ek_get_variable(g, "v", .shape = EK_SHAPE(2), .initializer = ek_variance_scaling_initializer(.scale = 0));
    expect_failure(g, "`scale` must be positive float.");
    g = ek_graph_create();
    ek_get_variable(g, "v", .shape = EK_SCALAR, .initializer = ek_custom_initializer(of_another_dtype, NULL));
    expect_failure(g, "Tensor conversion requested dtype float32 for Tensor with dtype int32");
    g = ek_graph_create();
    ek_array *long_list = ek_array_of(EK_FLOAT32, EK_SHAPE(3), NULL);
    ek_get_variable(g, "v", .shape = EK_SHAPE(2), .initializer = ek_constant_initializer(0, .array = long_list));
    expect_failure(g, "Too many elements provided. Needed at most 2, but received 3");
    ek_array_unref(long_list);
}

static void values_without_a_full_shape_are_refused(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 2), .name = "x");
    ek_variable v = ek_variable_create(g, x, .validate_shape = false);

    (void)state;
    expect_fine(g);
    assert_int_equal(ek_variable_shape(v).rank, -1);
    ek_variable_create(g, x);
    expect_failure(g, "initial_value must have a shape specified: Tensor(\"x:0\", shape=(?, 2), dtype=float32)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_of_tensorflow),
        cmocka_unit_test(seeds_follow_the_graph_and_the_operation),
        cmocka_unit_test(bad_initializers_are_refused),
        cmocka_unit_test(values_without_a_full_shape_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
