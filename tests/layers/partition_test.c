/* Variables in parts: how many parts partitioners make (TensorFlow 2.15's numbers), what shares with what, what parts begin
 * with, and that training, files and other calls see parts. Their nodes are held against TensorFlow's in goldens_test.c. */
#include "support/building.h"

#include <math.h>

#include "evenkeel/files.h"

/* ---- how many ------------------------------------------------------------------------------------------------- */

/* Parts of a variable of this shape, and their places along the axis one by one. */
static void expect_parts(ek_shape shape, ek_dtype dtype, ek_partitioner p, int axis, int n)
{
    ek_graph *g = ek_graph_create();
    ek_variable v = ek_get_variable(g, "w", .shape = shape, .dtype = dtype, .initializer = ek_zeros_initializer(), .partitioner = p);
    int64_t at = 0;

    expect_fine(g);
    assert_int_equal(ek_variable_parts(v), n);
    for (int i = 0; i < n; i++) {
        ek_slice_info s;

        assert_true(ek_variable_slice_info(ek_variable_part(v, i), &s));
        assert_string_equal(s.full_name, "w");
        assert_true(ek_shape_equal(&s.full_shape, &shape));
        for (int d = 0; d < shape.rank; d++) {
            assert_int_equal(s.offset[d], d == axis ? at : 0);
            if (d != axis) assert_int_equal(s.shape.dim[d], shape.dim[d]);
        }
        at += s.shape.dim[axis];
    }
    assert_int_equal(at, shape.dim[axis]);
    assert_false(ek_variable_ok(ek_variable_part(v, n)));
    ek_graph_destroy(g);
}

static void partitioners_count_as_tensorflow_does(void **state)
{
    const ek_shape a = EK_SHAPE(10, 3), b = EK_SHAPE(64, 1024), c = EK_SHAPE(4, 8, 16);

    (void)state;
    expect_parts(a, EK_FLOAT32, ek_fixed_size_partitioner(3), 0, 3);
    expect_parts(a, EK_FLOAT32, ek_fixed_size_partitioner(20), 0, 10);
    expect_parts(a, EK_FLOAT32, ek_fixed_size_partitioner(2, .axis = -1), 1, 2);
    expect_parts(a, EK_FLOAT32, ek_variable_axis_size_partitioner(1), 0, 10);
    expect_parts(a, EK_FLOAT32, ek_variable_axis_size_partitioner(64), 0, 2);
    expect_parts(a, EK_FLOAT32, ek_variable_axis_size_partitioner(1000), 0, 1);
    expect_parts(a, EK_FLOAT32, ek_variable_axis_size_partitioner(1, .max_shards = 3), 0, 3);
    expect_parts(b, EK_FLOAT32, ek_variable_axis_size_partitioner(1000, .axis = 1), 1, 342);
    expect_parts(b, EK_FLOAT32, ek_variable_axis_size_partitioner(65536, .axis = 1), 1, 4);
    expect_parts(c, EK_FLOAT32, ek_variable_axis_size_partitioner(1000, .axis = 2), 2, 3);
    expect_parts(EK_SHAPE(30, 3), EK_STRING, ek_variable_axis_size_partitioner(100), 0, 15);
    expect_parts(a, EK_FLOAT32, ek_min_max_variable_partitioner(.max_partitions = 100, .min_slice_size = 16), 0, 8);
    expect_parts(a, EK_FLOAT32, ek_min_max_variable_partitioner(.max_partitions = 4, .min_slice_size = 16), 0, 4);
    expect_parts(a, EK_FLOAT32, ek_min_max_variable_partitioner(), 0, 1);
    expect_parts(b, EK_FLOAT32, ek_min_max_variable_partitioner(.max_partitions = 100, .min_slice_size = 16), 0, 64);
    expect_parts(EK_SHAPE(1024, 1024), EK_FLOAT32, ek_min_max_variable_partitioner(.max_partitions = 100, .axis = 1), 1, 16);
    expect_parts(c, EK_FLOAT32, ek_min_max_variable_partitioner(.max_partitions = 100, .axis = -1, .min_slice_size = 1000), 2, 3);
}

/* ---- refusals --------------------------------------------------------------------------------------------------- */

static void same_parts(ek_shape shape, ek_dtype dtype, int64_t *parts, void *arg)
{
    (void)dtype;
    for (int d = 0; d < shape.rank; d++) parts[d] = *(const int64_t *)arg;
}

/* The graph's failure has these words; the graph is destroyed. */
static void expect_words(ek_graph *g, const char *text)
{
    ek_error err = { 0 };
    const ek_status st = ek_graph_status(g, &err);

    ek_graph_destroy(g);
    if (st != EK_INVALID_ARGUMENT || strstr(err.text, text) == NULL) fail_msg("expected: %s\nfound: %s", text, err.text);
}

#define IN_PARTS(n) .partitioner = ek_fixed_size_partitioner(n)
static void make(ek_graph *g, ek_shape shape, ek_partitioner p) { (void)ek_get_variable(g, "w", .shape = shape, .partitioner = p); }
/* 0: in one. */
static ek_variable cut(ek_graph *g, ek_shape shape, int parts)
{
    return parts > 0 ? ek_get_variable(g, "w", .shape = shape, IN_PARTS(parts)) : ek_get_variable(g, "w", .shape = shape);
}

#define REFUSED(text, ...)                      \
    do {                                        \
        ek_graph *g = ek_graph_create();        \
        __VA_ARGS__;                            \
        expect_words(g, (text));                \
    } while (0)

static void what_cannot_be_in_parts_is_told(void **state)
{
    int64_t none = 0, two = 2;
    const ek_shape s = EK_SHAPE(3, 2);

    (void)state;
    REFUSED("Partitioner returned zero partitions for some axes: [0, 0]",
            make(g, s, ek_custom_partitioner(same_parts, &none)));
    REFUSED("Can only slice a variable along one dimension: shape: (3, 2), partitioning: [2, 2]",
            make(g, s, ek_custom_partitioner(same_parts, &two)));
    REFUSED("Shape of a new partitioned variable must be fully defined, but instead was (?, 3).",
            cut(g, EK_SHAPE(-1, 3), 2));
    REFUSED("Cannot partition variable along axis 2 when shape is only (3, 2)",
            make(g, s, ek_fixed_size_partitioner(2, .axis = 2)));
    REFUSED("Both max_shard_bytes and bytes_per_string_element must be positive.",
            make(g, s, ek_variable_axis_size_partitioner(0)));
    REFUSED("A partitioned Variable must have rank at least 1, shape: ()",
            (void)ek_get_variable(g, "w", .initializer = ek_initial_value(1.0), IN_PARTS(2)));
}

static void sharing_needs_the_same_parts(void **state)
{
    const ek_shape s = EK_SHAPE(3);

    (void)state;
    REFUSED("A partitioner was provided, but an unpartitioned version of the variable was found: w.",
            cut(g, s, 0); cut(g, s, 2));
    REFUSED("No partitioner was provided, but a partitioned version of the variable was found: w/part_0.",
            cut(g, s, 2); cut(g, s, 0));
    REFUSED("No partitioner was provided, but a partitioned version of the variable was found: v/w/part_0.",
            ek_with_variable_scope(g, "v", .reuse = EK_AUTO_REUSE) {
                cut(g, s, 2);
                cut(g, s, 0);
            });
    REFUSED("Partitioned variable with name w already exists. Did you mean to set reuse=True or reuse=tf.AUTO_REUSE in VarScope?",
            cut(g, s, 2); cut(g, s, 2));
    REFUSED("Trying to reuse partitioned variable v/w, but specified partitions [3] and found partitions [2].",
            ek_with_variable_scope(g, "v", .reuse = EK_AUTO_REUSE) {
                cut(g, s, 2);
                cut(g, s, 3);
            });
    REFUSED("Trying to reuse partitioned variable v/w, but specified shape (4,) and found shape (3,).",
            ek_with_variable_scope(g, "v", .reuse = EK_AUTO_REUSE) {
                cut(g, s, 2);
                cut(g, EK_SHAPE(4), 2);
            });
    REFUSED("PartitionedVariable v/w does not exist, or was not created with tf.get_variable().",
            ek_with_variable_scope(g, "v", .reuse = EK_REUSE) cut(g, s, 2));
}

static void shared_parts_are_the_same_variable(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_variable a = { g, -1 }, b = a;

    (void)state;
    ek_with_variable_scope(g, "v", .reuse = EK_AUTO_REUSE, IN_PARTS(2)) {
        a = ek_get_variable(g, "w", .shape = EK_SHAPE(3));
        b = ek_get_variable(g, "w", .shape = EK_SHAPE(3));
    }
    assert_int_equal(a.id, b.id);
    ek_with_variable_scope(g, "v", .reuse = EK_REUSE) b = ek_get_variable(g, "w");
    assert_int_equal(a.id, b.id);
    assert_string_equal(ek_variable_name(a), "v/w:0");
    assert_int_equal(ek_global_variables(g).count, 2);
    expect_fine(g);
    ek_graph_destroy(g);
}

static void the_whole_is_not_written_or_listed(void **state)
{
    (void)state;
    REFUSED("w is in parts", (void)ek_assign(cut(g, EK_SHAPE(3), 2), ek_float(1.0)));
    REFUSED("w is in parts", (void)ek_read_value(cut(g, EK_SHAPE(3), 2)));
    REFUSED("w is in parts", ek_add_to_collection(g, "mine", cut(g, EK_SHAPE(3), 2)));
    REFUSED("w is in parts", (void)ek_variables_initializer(g, EK_LIST(cut(g, EK_SHAPE(3), 2)), NULL));
}

/* ---- values ----------------------------------------------------------------------------------------------------------- */

static void expect_numbers(ek_session *s, ek_variable v, int n, const float *want)
{
    ek_array *out = NULL;

    EK_DIE(ek_run(s, .fetch = { { ek_variable_value(v), &out } }));
    assert_int_equal(ek_array_count(out), n);
    for (int i = 0; i < n; i++)
        if (!(ek_array_f32(out)[i] == want[i])) fail_msg("element %d is %g, not %g", i, (double)ek_array_f32(out)[i], (double)want[i]);
    ek_array_unref(out);
}
#define EXPECT_VALUE(s, v, ...) \
    expect_numbers(s, v, (int)(sizeof((float[]){ __VA_ARGS__ }) / sizeof(float)), (float[]){ __VA_ARGS__ })

static void parts_begin_with_their_part(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_array *six = ek_array_of(EK_FLOAT32, EK_SHAPE(2, 3), (float[]){ 1, 2, 3, 4, 5, 6 });
    ek_variable a = ek_get_variable(g, "a", .initializer = ek_initial_value(six),
                                    .partitioner = ek_fixed_size_partitioner(2, .axis = 1));
    ek_variable b = ek_get_variable(g, "b", .shape = EK_SHAPE(3, 2), .initializer = ek_identity_initializer(.gain = 2.0), IN_PARTS(2));
    ek_session *s = ek_session_create(g);

    (void)state;
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(g) }));
    EXPECT_VALUE(s, a, 1, 2, 3, 4, 5, 6);
    EXPECT_VALUE(s, ek_variable_part(a, 0), 1, 2, 4, 5);
    EXPECT_VALUE(s, ek_variable_part(a, 1), 3, 6);
    EXPECT_VALUE(s, b, 2, 0, 0, 2, 0, 0);

    ek_array *out = NULL;
    assert_int_equal(ek_session_get(s, a, &out), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(ek_last_error()->text, "a is in parts"));
    assert_int_equal(ek_session_get(s, ek_variable_part(a, 1), &out), EK_OK);
    ek_array_unref(out);
    ek_array_unref(six);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* Slots of parts are parts of slots, and training moves them like those of one variable. */
static void parts_are_trained(void **state)
{
    static const char *const slots[] = { "w/part_0/Momentum", "w/part_1/Momentum", "w/part_0/Averages", "w/part_1/Averages" };
    static const char *const of[] = { "w/Momentum", "w/Momentum", "w/Averages", "w/Averages" };
    ek_graph *g = ek_graph_create();
    ek_variable w = ek_get_variable(g, "w", .shape = EK_SHAPE(3), .initializer = ek_constant_initializer(2.0), IN_PARTS(2));
    ek_op step = ek_minimize(ek_momentum_optimizer(g, 0.25, 0.5), ek_reduce_sum(ek_square(w)));
    ek_moving_average *average = ek_exponential_moving_average(g, 0.5, .name = "Averages");
    ek_session *s = ek_session_create(g);
    ek_slice_info info;

    (void)state;
    ek_moving_average_apply(average, ek_trainable_variables(g));
    expect_fine(g);
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(g) }));
    for (int i = 0; i < 2; i++) EK_DIE(ek_run(s, .target = { step }));
    /* v = 4, w = 1; v = 2 + 2 = 4, w = 0 */
    EXPECT_VALUE(s, w, 0, 0, 0);
    for (int i = 0; i < 4; i++) {
        assert_true(ek_variable_slice_info(ek_variable_by_name(g, slots[i]), &info));
        assert_string_equal(info.full_name, of[i]);
        assert_int_equal(info.offset[0], i % 2 == 0 ? 0 : 2);
        assert_int_equal(info.shape.dim[0], i % 2 == 0 ? 2 : 1);
    }
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* A file has the parts, each with what it is a part of; the whole is in the nodes alone. */
static void a_file_says_what_is_a_part_of_what(void **state)
{
    ek_graph *g = ek_graph_create(), *read = NULL;
    ek_variable w = ek_get_variable(g, "w", .shape = EK_SHAPE(2, 5), .partitioner = ek_fixed_size_partitioner(2, .axis = 1));
    void *data = NULL;
    size_t size = 0;
    ek_slice_info s;

    (void)state;
    ek_variable_value(w);
    expect_fine(g);
    EK_DIE(ek_meta_graph_save_bytes(g, &data, &size));
    EK_DIE(ek_meta_graph_load_bytes(data, size, &read));
    assert_int_equal(ek_global_variables(read).count, 2);
    assert_true(ek_variable_slice_info(ek_variable_by_name(read, "w/part_1"), &s));
    assert_string_equal(s.full_name, "w");
    assert_true(ek_shape_equal(&s.full_shape, &EK_SHAPE(2, 5)));
    assert_true(ek_shape_equal(&s.shape, &EK_SHAPE(2, 2)));
    assert_int_equal(s.offset[0], 0);
    assert_int_equal(s.offset[1], 3);
    ek_free(data);
    ek_graph_destroy(g);
    ek_graph_destroy(read);
}

/* Moving statistics are never in parts: they are written whole. */
static void statistics_stay_in_one(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 4), .name = "x");

    (void)state;
    ek_with_variable_scope(g, "p", IN_PARTS(2)) ek_batch_normalization(x, .training = EK_TRUE, .name = "bn");
    expect_fine(g);
    assert_int_equal(ek_variable_parts(ek_variable_by_name(g, "p/bn/gamma")), 2);
    assert_true(ek_variable_ok(ek_variable_by_name(g, "p/bn/beta/part_1")));
    assert_int_equal(ek_variable_parts(ek_variable_by_name(g, "p/bn/moving_mean")), 1);
    assert_int_equal(ek_variable_parts(ek_variable_by_name(g, "p/bn/moving_variance")), 1);
    assert_false(ek_variable_slice_info(ek_variable_by_name(g, "p/bn/moving_mean"), &(ek_slice_info){ .full_name = "" }));
    ek_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partitioners_count_as_tensorflow_does),
        cmocka_unit_test(what_cannot_be_in_parts_is_told),
        cmocka_unit_test(sharing_needs_the_same_parts),
        cmocka_unit_test(shared_parts_are_the_same_variable),
        cmocka_unit_test(the_whole_is_not_written_or_listed),
        cmocka_unit_test(parts_begin_with_their_part),
        cmocka_unit_test(parts_are_trained),
        cmocka_unit_test(a_file_says_what_is_a_part_of_what),
        cmocka_unit_test(statistics_stay_in_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
