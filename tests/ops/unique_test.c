/* Unique, ListDiff, Bincount on many values, NaN and zeros, axes; matrices without elements, sequences along the first axis. */
#include "ops/one_op.h"

enum { N = 20000 };

static void test_many_values(void **state)
{
    ek_array *x = ek_array_of(EK_INT64, EK_SHAPE(N), NULL), *out[3];
    int64_t *v = ek_array_data(x);

    (void)state;
    for (int64_t i = 0; i < N; i++) v[i] = i * 7919 % 5003 - 2000;
    run_op("UniqueWithCounts", NO_ATTRS, INPUTS(x), 3, out);
    assert_int_equal(ek_array_count(out[0]), 5003);
    for (int64_t i = 0; i < N; i++) {
        const int32_t at = ek_array_i32(out[1])[i];

        assert_true(((const int64_t *)ek_array_cdata(out[0]))[at] == v[i]);
        assert_true(at == (int32_t)(i % 5003)); /* the first 5003 all differ */
    }
    assert_int_equal(ek_array_i32(out[2])[0], 4);
    assert_int_equal(ek_array_i32(out[2])[5002], 3);
    for (int k = 0; k < 3; k++) ek_array_unref(out[k]);
    ek_array_unref(x);
}

/* NaN equals nothing, however many there are; both zeros are one. */
static void test_nan_and_zeros(void **state)
{
    ek_array *x = ek_array_of(EK_FLOAT32, EK_SHAPE(N), NULL), *out[2];
    float *v = ek_array_data(x);

    (void)state;
    for (int i = 0; i < N; i++) v[i] = i < 4 ? (i % 2 == 0 ? 0.0f : -0.0f) : NAN;
    run_op("Unique", NO_ATTRS, INPUTS(x), 2, out);
    assert_int_equal(ek_array_count(out[0]), N - 3);
    assert_int_equal(ek_array_i32(out[1])[3], 0);
    for (int k = 0; k < 2; k++) ek_array_unref(out[k]);
    ek_array_unref(x);
}

static void test_axes_and_refusals(void **state)
{
    ek_array *x = ek_array_of(EK_INT32, EK_SHAPE(2, 3, 1), (int32_t[]){1, 2, 1, 3, 4, 3}), *out[2];
    ek_array *axis = ek_array_of(EK_INT64, EK_SHAPE(1), (int64_t[]){-2}),
             *none = ek_array_of(EK_INT64, EK_SHAPE(0), NULL);
    ek_array *far = ek_array_of(EK_INT64, EK_SHAPE(1), (int64_t[]){3});

    (void)state;
    run_op("UniqueV2", NO_ATTRS, INPUTS(x, axis), 2, out);
    assert_memory_equal(ek_array_cdata(out[0]), ((int32_t[]){1, 2, 3, 4}), 16);
    assert_memory_equal(ek_array_cdata(out[1]), ((int32_t[]){0, 1, 0}), 12);
    for (int k = 0; k < 2; k++) ek_array_unref(out[k]);
    refuse_op("UniqueV2", NO_ATTRS, INPUTS(x, none), 2, EK_INVALID_ARGUMENT, "unique expects a 1D vector.");
    refuse_op("UniqueV2", NO_ATTRS, INPUTS(x, far), 2, EK_INVALID_ARGUMENT, "axis has to be between [0, 3)");
    ek_array_unref(x);
    ek_array_unref(axis);
    ek_array_unref(none);
    ek_array_unref(far);
}

static void test_lists_without_the_others(void **state)
{
    ek_array *x = ek_array_of(EK_INT32, EK_SHAPE(5), (int32_t[]){4, 1, 4, 2, 3}), *out[2];
    ek_array *y = ek_array_of(EK_INT32, EK_SHAPE(2), (int32_t[]){1, 3});

    (void)state;
    run_op("ListDiff", NO_ATTRS, INPUTS(x, y), 2, out);
    assert_int_equal(ek_array_count(out[0]), 3);
    assert_memory_equal(ek_array_cdata(out[0]), ((int32_t[]){4, 4, 2}), 12);
    assert_memory_equal(ek_array_cdata(out[1]), ((int32_t[]){0, 2, 3}), 12);
    for (int k = 0; k < 2; k++) ek_array_unref(out[k]);
    ek_array_unref(x);
    ek_array_unref(y);
}

/* Bins beyond the last are dropped; weights of another shape are refused. */
static void test_counts(void **state)
{
    ek_array *x = ek_array_of(EK_INT32, EK_SHAPE(2, 2), (int32_t[]){1, 3, 1, 9}), *out;
    ek_array *size = ek_array_of(EK_INT32, EK_SCALAR, &(int32_t){4});
    ek_array *none = ek_array_of(EK_INT64, EK_SHAPE(0), NULL), *two = ek_array_of(EK_INT64, EK_SHAPE(2), NULL);

    (void)state;
    run_op("Bincount", NO_ATTRS, INPUTS(x, size, none), 1, &out);
    assert_memory_equal(ek_array_cdata(out), ((int64_t[]){0, 2, 0, 1}), 32);
    ek_array_unref(out);
    refuse_op("Bincount", NO_ATTRS, INPUTS(x, size, two), 1, EK_INVALID_ARGUMENT, "weights must be the same shape");
    ek_array_unref(x);
    ek_array_unref(size);
    ek_array_unref(none);
    ek_array_unref(two);
}

/* A band beside a matrix that is wider or higher than the band reaches; diagonals of stacks; nothing at all. */
static void test_matrices(void **state)
{
    ek_array *x = ek_array_of(EK_INT32, EK_SHAPE(2, 4, 2), NULL),
             *none = ek_array_of(EK_INT32, EK_SHAPE(2, 0, 3), NULL), *out;
    ek_array *zero = ek_array_of(EK_INT64, EK_SCALAR, NULL), *one = ek_array_of(EK_INT64, EK_SCALAR, &(int64_t){1});

    (void)state;
    for (int i = 0; i < 16; i++) ((int32_t *)ek_array_data(x))[i] = i + 1;
    run_op("MatrixBandPart", NO_ATTRS, INPUTS(x, one, zero), 1, &out);
    assert_memory_equal(ek_array_cdata(out), ((int32_t[]){1, 0, 3, 4, 0, 6, 0, 0, 9, 0, 11, 12, 0, 14, 0, 0}), 64);
    ek_array_unref(out);
    run_op("MatrixDiagPart", NO_ATTRS, INPUTS(x), 1, &out);
    assert_memory_equal(ek_array_cdata(out), ((int32_t[]){1, 4, 9, 12}), 16);
    ek_array *diagonal = out;
    run_op("MatrixSetDiag", NO_ATTRS, INPUTS(x, diagonal), 1, &out);
    assert_memory_equal(ek_array_cdata(out), ek_array_cdata(x), ek_array_bytes(x));
    ek_array_unref(out);
    run_op("MatrixDiagPart", NO_ATTRS, INPUTS(none), 1, &out);
    assert_int_equal(ek_array_count(out), 0);
    ek_array_unref(out);
    ek_array_unref(diagonal);
    ek_array_unref(x);
    ek_array_unref(none);
    ek_array_unref(zero);
    ek_array_unref(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_values),       cmocka_unit_test(test_nan_and_zeros),
        cmocka_unit_test(test_axes_and_refusals), cmocka_unit_test(test_lists_without_the_others),
        cmocka_unit_test(test_matrices),          cmocka_unit_test(test_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
