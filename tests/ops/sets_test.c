/* DenseToDenseSetOperation, SetSize: each operation, groups, strings, nothing; refusals in TensorFlow's words. Expectations are what
 * TensorFlow 2.15 computes. */
#include "ops/one_op.h"

#define OPERATION(name) ATTRS(ATTR_STRING("set_operation", name))

static void expect_ints(const ek_array *a, int n, const int64_t *want)
{
    assert_int_equal(ek_array_count(a), n);
    for (int i = 0; i < n; i++) assert_int_equal((int64_t)ek_array_get(a, i), want[i]);
}
#define EXPECT(a, ...) \
    expect_ints((a), (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), (int64_t[]){ __VA_ARGS__ })

static void release(ek_array **out)
{
    for (int k = 0; k < 3; k++) ek_array_unref(out[k]);
}

static void each_operation_keeps_its_part(void **state)
{
    ek_array *a = ek_array_of(EK_INT32, EK_SHAPE(2, 4), (int32_t[]){ 3, 1, 2, 3, 5, 5, 5, 5 });
    ek_array *b = ek_array_of(EK_INT32, EK_SHAPE(2, 2), (int32_t[]){ 1, 9, 5, 4 }), *out[3];

    (void)state;
    run_op("DenseToDenseSetOperation", OPERATION("A-b"), INPUTS(a, b), 3, out);
    EXPECT(out[0], 0, 0, 0, 1);
    EXPECT(out[1], 2, 3);
    EXPECT(out[2], 2, 2);
    release(out);
    run_op("DenseToDenseSetOperation", OPERATION("b-a"), INPUTS(a, b), 3, out);
    EXPECT(out[0], 0, 0, 1, 0);
    EXPECT(out[1], 9, 4);
    EXPECT(out[2], 2, 1);
    release(out);
    run_op("DenseToDenseSetOperation", OPERATION("intersection"), INPUTS(a, b), 3, out);
    EXPECT(out[1], 1, 5);
    release(out);
    run_op("DenseToDenseSetOperation", OPERATION("union"), INPUTS(a, b), 3, out);
    EXPECT(out[0], 0, 0, 0, 1, 0, 2, 0, 3, 1, 0, 1, 1);
    EXPECT(out[1], 1, 2, 3, 9, 4, 5);
    EXPECT(out[2], 2, 4);
    release(out);
    ek_array_unref(a);
    ek_array_unref(b);
}

static ek_array *strings(ek_shape shape, const char *const *text)
{
    ek_array *a = ek_array_of(EK_STRING, shape, NULL);

    for (int64_t i = 0; i < a->count; i++) assert_int_equal(ek_array_set_string(a, i, text[i], strlen(text[i])), EK_OK);
    return a;
}

static void strings_are_ordered_by_their_bytes(void **state)
{
    const char *three[] = { "b", "a", "ab" }, *two[] = { "a", "c" };
    ek_array *a = strings(EK_SHAPE(1, 3), three), *b = strings(EK_SHAPE(1, 2), two), *out[3];
    static const char *const want[] = { "a", "ab", "b", "c" };

    (void)state;
    run_op("DenseToDenseSetOperation", OPERATION("union"), INPUTS(a, b), 3, out);
    assert_int_equal(out[1]->count, 4);
    for (int i = 0; i < 4; i++) assert_string_equal(((const ek_string *)out[1]->data)[i].data, want[i]);
    release(out);
    ek_array_unref(a);
    ek_array_unref(b);
}

static void empty_sets_and_several_groups(void **state)
{
    ek_array *none = ek_array_of(EK_INT64, EK_SHAPE(2, 1, 0), NULL), *out[3];
    ek_array *six = ek_array_of(EK_INT64, EK_SHAPE(2, 1, 3), (int64_t[]){ 0, 1, 2, 3, 4, 5 });

    (void)state;
    run_op("DenseToDenseSetOperation", OPERATION("b-a"), INPUTS(none, six), 3, out);
    EXPECT(out[0], 0, 0, 0, 0, 0, 1, 0, 0, 2, 1, 0, 0, 1, 0, 1, 1, 0, 2);
    EXPECT(out[1], 0, 1, 2, 3, 4, 5);
    EXPECT(out[2], 2, 1, 3);
    release(out);
    run_op("DenseToDenseSetOperation", OPERATION("a-b"), INPUTS(none, six), 3, out);
    assert_int_equal(out[1]->count, 0);
    EXPECT(out[2], 2, 1, 0);
    release(out);
    ek_array_unref(none);
    ek_array_unref(six);
}

static void sets_that_do_not_fit_are_refused(void **state)
{
    ek_array *one = ek_array_of(EK_INT64, EK_SHAPE(1), NULL), *two = ek_array_of(EK_INT64, EK_SHAPE(2, 3), NULL);
    ek_array *three = ek_array_of(EK_INT64, EK_SHAPE(3, 3), NULL), *deep = ek_array_of(EK_INT64, EK_SHAPE(2, 3, 3), NULL);

    (void)state;
    refuse_op("DenseToDenseSetOperation", OPERATION("a-b"), INPUTS(one, one), 3, EK_INVALID_ARGUMENT,
              "Shape [1] has rank 1 < 2");
    refuse_op("DenseToDenseSetOperation", OPERATION("a-b"), INPUTS(two, three), 3, EK_INVALID_ARGUMENT,
              "Mismatched shapes [2] vs [3]");
    refuse_op("DenseToDenseSetOperation", OPERATION("a-b"), INPUTS(two, deep), 3, EK_INVALID_ARGUMENT,
              "Mismatched shapes [2] vs [2,3]");
    refuse_op("DenseToDenseSetOperation", OPERATION("xor"), INPUTS(two, two), 3, EK_INVALID_ARGUMENT,
              "Invalid set_operation xor.");
    ek_array_unref(one);
    ek_array_unref(two);
    ek_array_unref(three);
    ek_array_unref(deep);
}

static ek_array *longs(ek_shape shape, const int64_t *at) { return ek_array_of(EK_INT64, shape, at); }
#define LONGS(shape, ...) longs(shape, (int64_t[]){ __VA_ARGS__ })

static void the_size_of_a_set_counts_each_value_once(void **state)
{
    ek_array *places = LONGS(EK_SHAPE(4, 3), 0, 0, 0, 0, 1, 0, 1, 1, 0, 1, 1, 2), *shape = LONGS(EK_SHAPE(3), 2, 2, 3), *out[1];
    ek_array *values = ek_array_of(EK_INT32, EK_SHAPE(4), (int32_t[]){ 7, 7, 5, 5 });

    (void)state;
    run_op("SetSize", NO_ATTRS, INPUTS(places, values, shape), 1, out);
    assert_int_equal(out[0]->shape.rank, 2);
    EXPECT(out[0], 1, 1, 0, 1);
    ek_array_unref(out[0]);
    ek_array_unref(places);
    ek_array_unref(values);
    ek_array_unref(shape);
}

static void refuse_size(ek_array *places, int n, ek_array *shape, const char *text)
{
    ek_array *values = ek_array_of(EK_INT32, EK_SHAPE(n), NULL);

    refuse_op("SetSize", NO_ATTRS, INPUTS(places, values, shape), 1, EK_INVALID_ARGUMENT, text);
    ek_array_unref(places);
    ek_array_unref(values);
    ek_array_unref(shape);
}

static void sizes_of_what_is_no_set_are_refused(void **state)
{
    (void)state;
    refuse_size(LONGS(EK_SHAPE(1, 2), 5, 0), 1, LONGS(EK_SHAPE(2), 2, 2),
                "indices[0] = [5,0] is out of bounds: need 0 <= index < [2,2]");
    refuse_size(LONGS(EK_SHAPE(2, 2), 1, 0, 0, 1), 2, LONGS(EK_SHAPE(2), 2, 2),
                "indices[1] = [0,1] is out of order. Many sparse ops require sorted indices.");
    refuse_size(LONGS(EK_SHAPE(2, 2), 0, 0, 0, 0), 2, LONGS(EK_SHAPE(2), 2, 2), "indices[1] = [0,0] is repeated");
    refuse_size(LONGS(EK_SHAPE(1, 1), 0), 1, LONGS(EK_SHAPE(1), 3), "Invalid rank 1.");
    refuse_size(LONGS(EK_SHAPE(1, 2), 0, 0), 2, LONGS(EK_SHAPE(2), 3, 3),
                "indices and values rows (indexing dimension) must match. (indices = 1, values = 2)");
    refuse_size(LONGS(EK_SHAPE(2), 0, 0), 2, LONGS(EK_SHAPE(2), 2, 2), "indices must be a matrix, but got: [2]");
    refuse_size(LONGS(EK_SHAPE(1, 3), 0, 0, 0), 1, LONGS(EK_SHAPE(2), 2, 2), "Order length must be SparseTensor rank.");
    refuse_size(LONGS(EK_SHAPE(1, 2), 0, 0), 1, LONGS(EK_SHAPE(1, 2), 2, 2), "Shape must be a 1D tensor.");
}

/* What is known while building. */
static void static_shapes_say_what_they_can(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_attribute less = { .name = "set_operation", .kind = EK_A_STRING, .u.s = "a-b" };
    ek_tensor any = ek_placeholder(g, EK_INT32), deep = ek_placeholder(g, EK_INT32, .shape = EK_SHAPE(3, 2, 4));
    ek_tensor other = ek_placeholder(g, EK_INT32, .shape = EK_SHAPE(2, 5, 4));
    ek_op op = ek_op_build(g, "DenseToDenseSetOperation", .inputs = (ek_tensor[]){ any, deep }, .n_inputs = 2,
                           .attributes = &less, .n_attributes = 1);
    const ek_shape places = ek_tensor_shape(ek_op_output(op, 0)), shape = ek_tensor_shape(ek_op_output(op, 2));
    ek_error err = { 0 };

    (void)state;
    assert_int_equal(places.dim[0], -1);
    assert_int_equal(places.dim[1], 3);
    assert_int_equal(shape.dim[0], 3);
    (void)ek_op_build(g, "DenseToDenseSetOperation", .inputs = (ek_tensor[]){ deep, other }, .n_inputs = 2,
                      .attributes = &less, .n_attributes = 1);
    assert_int_equal(ek_graph_status(g, &err), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "Dimension 0 in both shapes must be equal, but are 3 and 2. Shapes are [3,2] and [2,5]."));
    ek_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operation_keeps_its_part),
        cmocka_unit_test(strings_are_ordered_by_their_bytes),
        cmocka_unit_test(empty_sets_and_several_groups),
        cmocka_unit_test(sets_that_do_not_fit_are_refused),
        cmocka_unit_test(the_size_of_a_set_counts_each_value_once),
        cmocka_unit_test(sizes_of_what_is_no_set_are_refused),
        cmocka_unit_test(static_shapes_say_what_they_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
