/* Reductions: every axis set against a plain loop in double, dtypes, empty and wrong axes, long folds. */
#include "kernels/levels.h"
#include "ops/one_op.h"

static ek_array *random_array(const ek_shape *shape, uint64_t seed)
{
    ek_array *a = ek_array_of(EK_FLOAT32, *shape, NULL);

    for (int64_t i = 0; i < ek_array_count(a); i++) ek_array_f32(a)[i] = (float)(100 + test_uniform(&seed));
    return a;
}

static ek_array *axes_of(int rank, uint32_t mask)
{
    int32_t axis[EK_MAX_RANK];
    int n = 0;

    for (int i = 0; i < rank; i++)
        if (mask >> i & 1) axis[n++] = i % 2 == 0 ? i : i - rank; /* some from the end */
    return ek_array_of(EK_INT32, EK_SHAPE(n), axis);
}

/* The sum over `mask` at the kept index `out`, in index order. */
static double plain_sum(const ek_array *x, uint32_t mask, int64_t out)
{
    const ek_shape *s = ek_array_shape(x);
    double sum = 0;

    for (int64_t i = 0; i < ek_array_count(x); i++) {
        int64_t rest = i, at = 0, stride = 1;
        for (int d = s->rank - 1; d >= 0; rest /= s->dim[d--])
            if (!(mask >> d & 1)) {
                at += rest % s->dim[d] * stride;
                stride *= s->dim[d];
            }
        if (at == out) sum += ek_array_get(x, i);
    }
    return sum;
}

static void every_set_of_axes(void **state)
{
    static const ek_shape shapes[] = { { { 5 }, 1 }, { { 3, 4 }, 2 }, { { 37, 29 }, 2 }, { { 2, 3, 20, 2 }, 4 },
                                       { { 2, 1, 3, 1, 7 }, 5 }, { { 3, 70, 5 }, 3 }, { { 0 }, 0 } };

    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (uint32_t mask = 0; mask < 1u << shapes[i].rank; mask++) {
            ek_array *x = random_array(&shapes[i], i + 1), *axes = axes_of(shapes[i].rank, mask), *out;
            run_op("Sum", ATTRS(ATTR_BOOL("keep_dims", mask % 2 == 1)), INPUTS(x, axes), 1, &out);
            assert_int_equal(ek_array_rank(out),
                             mask % 2 == 1 ? shapes[i].rank : shapes[i].rank - __builtin_popcount(mask));
            for (int64_t k = 0; k < ek_array_count(out); k++)
                assert_true(ek_array_f32(out)[k] == (float)plain_sum(x, mask, k));
            ek_array_unref(out);
            ek_array_unref(axes);
            ek_array_unref(x);
        }
}

static void long_folds_are_cut(void **state)
{
    static const ek_shape shapes[] = {{{300001}, 1}, {{100003, 3}, 2}, {{2000, 300}, 2}, {{64, 3, 1000}, 3}};
    static const uint32_t mask[] = { 1, 1, 1, 5 };

    (void)state;
    for (int i = 0; i < 4; i++) {
        ek_array *x = random_array(&shapes[i], 5), *axes = axes_of(shapes[i].rank, mask[i]), *out;
        run_op("Mean", NO_ATTRS, INPUTS(x, axes), 1, &out);
        const int64_t kept = ek_array_count(out), n = ek_array_count(x) / kept;
        assert_true(ek_array_f32(out)[kept - 1] == (float)(plain_sum(x, mask[i], kept - 1) / (double)n));
        ek_array_unref(out);
        ek_array_unref(axes);
        ek_array_unref(x);
    }
}

static void check(const char *type, ek_dtype dtype, const void *x, int n, const void *expect)
{
    ek_array *a = ek_array_of(dtype, EK_SHAPE(n), x), *axes = ek_array_of(EK_INT64, EK_SCALAR, (int64_t[]){ -1 }), *out;

    run_op(type, NO_ATTRS, INPUTS(a, axes), 1, &out);
    assert_int_equal(ek_array_dtype(out), dtype);
    if (memcmp(ek_array_data(out), expect, ek_dtype_size(dtype)) != 0) fail_msg("%s of %s", type, ek_dtype_name(dtype));
    ek_array_unref(out);
    ek_array_unref(axes);
    ek_array_unref(a);
}

static void other_types(void **state)
{
    static const int32_t big[] = { INT32_MAX, 1, 1 }, wrapped[] = { INT32_MIN + 1 };
    static const int8_t small[] = { -7, 3, -5 };
    static const uint8_t truth[] = { 1, 0, 1 };
    static const uint16_t halves[] = { 0x3c00, 0x4000, 0x4200 }; /* 1, 2, 3 */
    static const float complex_x[] = { 1, 2, 3, -1 };

    (void)state;
    check("Sum", EK_INT32, big, 3, wrapped);
    check("Mean", EK_INT8, small, 3, (int8_t[]){ -3 });
    check("Mean", EK_INT32, big, 3, (int32_t[]){ 715827883 }); /* of the sum as it is, not as int32 holds it */
    check("Mean", EK_INT8, small, 0, (int8_t[]){ 0 });
    check("Prod", EK_INT8, small, 3, (int8_t[]){ 105 });
    check("Max", EK_INT8, small, 3, (int8_t[]){ 3 });
    check("Max", EK_INT8, small, 0, (int8_t[]){ INT8_MIN });
    check("Min", EK_INT8, small, 0, (int8_t[]){ INT8_MAX });
    check("Min", EK_UINT8, truth, 0, (uint8_t[]){ 255 });
    check("EuclideanNorm", EK_INT8, (int8_t[]){ 3, 4, 0 }, 3, (int8_t[]){ 5 });
    check("All", EK_BOOL, truth, 3, (uint8_t[]){ 0 });
    check("Any", EK_BOOL, truth, 3, (uint8_t[]){ 1 });
    check("All", EK_BOOL, truth, 0, (uint8_t[]){ 1 });
    check("Any", EK_BOOL, truth, 0, (uint8_t[]){ 0 });
    check("Sum", EK_FLOAT16, halves, 3, (uint16_t[]){ 0x4600 });
    check("Sum", EK_COMPLEX64, complex_x, 2, (float[]){ 4, 1 });
    check("Prod", EK_COMPLEX64, complex_x, 2, (float[]){ 5, 5 });
    check("Max", EK_FLOAT32, NULL, 0, (float[]){ -INFINITY });
}

static void mean_of_nothing_is_nan(void **state)
{
    ek_array *x = ek_array_of(EK_FLOAT32, EK_SHAPE(2, 0), NULL),
             *axes = ek_array_of(EK_INT32, EK_SHAPE(1), (int32_t[]){ 1 });
    ek_array *out;

    (void)state;
    run_op("Mean", NO_ATTRS, INPUTS(x, axes), 1, &out);
    assert_int_equal(ek_array_count(out), 2);
    assert_true(isnan(ek_array_f32(out)[0]) && isnan(ek_array_f32(out)[1]));
    ek_array_unref(out);
    ek_array_unref(x);
    ek_array_unref(axes);
}

static void huge_dimensions_of_nothing(void **state)
{
    const int64_t huge = (int64_t)1 << 40;
    ek_array *x = ek_array_of(EK_FLOAT32, EK_SHAPE(huge, huge, 0), NULL), *axes = axes_of(3, 7), *out;

    (void)state;
    if (x == NULL) skip(); /* arrays need not allow it */
    run_op("Sum", NO_ATTRS, INPUTS(x, axes), 1, &out);
    assert_true(ek_array_f32(out)[0] == 0);
    ek_array_unref(out);
    ek_array_unref(axes);
    ek_array_unref(x);
}

static void wrong_calls(void **state)
{
    ek_array *x = ek_array_of(EK_FLOAT32, EK_SHAPE(3), NULL), *c = ek_array_of(EK_COMPLEX64, EK_SHAPE(3), NULL);
    ek_array *axes = ek_array_of(EK_INT32, EK_SHAPE(1), (int32_t[]){ 5 }),
             *zero = ek_array_of(EK_INT32, EK_SHAPE(1), NULL);

    (void)state;
    refuse_op("Sum", NO_ATTRS, INPUTS(x, axes), 1, EK_INVALID_ARGUMENT,
              "Invalid reduction dimension (5 for input with 1 dimension(s)");
    refuse_op("Max", NO_ATTRS, INPUTS(c, zero), 1, EK_UNIMPLEMENTED, "complex64");
    ek_array_unref(x);
    ek_array_unref(c);
    ek_array_unref(axes);
    ek_array_unref(zero);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_of_axes), cmocka_unit_test(long_folds_are_cut), cmocka_unit_test(other_types),
        cmocka_unit_test(mean_of_nothing_is_nan), cmocka_unit_test(wrong_calls),
        cmocka_unit_test(huge_dimensions_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
