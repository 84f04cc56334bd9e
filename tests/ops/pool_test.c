/* Pooling beyond TensorFlow's cases: images that are cut into parts, types that loops do not have, refusals. */
#include "kernels/levels.h"
#include "ops/one_op.h"

static ek_array *numbers(ek_dtype t, ek_shape shape, uint64_t seed)
{
    ek_array *a = ek_array_of(t, shape, NULL);

    for (int64_t i = 0; i < ek_array_count(a); i++) {
        const float v = floorf(100 * (float)test_uniform(&seed));
        ek__convert(EK_FLOAT32, &v, t, (char *)ek_array_data(a) + (size_t)i * ek_dtype_size(t), 1);
    }
    return a;
}

#define WINDOW(k, s, pad) ATTR_INTS("ksize", 1, k, k, 1), ATTR_INTS("strides", 1, s, s, 1), ATTR_STRING("padding", pad)
#define FIRST(k, s, pad) \
    ATTR_INTS("ksize", 1, 1, k, k), ATTR_INTS("strides", 1, 1, s, s), ATTR_STRING("padding", pad), ATTR_STRING("data_format", "NCHW")

static void assert_same_numbers(const ek_array *a, const ek_array *b, double tolerance)
{
    assert_int_equal(ek_array_count(a), ek_array_count(b));
    for (int64_t i = 0; i < ek_array_count(a); i++)
        if (fabs(ek_array_get(a, i) - ek_array_get(b, i)) > tolerance)
            fail_msg("element %lld: %g and %g", (long long)i, ek_array_get(a, i), ek_array_get(b, i));
}

/* Images large enough to be cut, once cut by rows (float), once by images (float16, whose integers are exact). */
static void parts_and_types_agree(void **state)
{
    static const ek_dtype type[] = { EK_FLOAT16, EK_FLOAT64, EK_INT32, EK_INT64, EK_INT8 };
    ek_array *x = numbers(EK_FLOAT32, EK_SHAPE(3, 61, 47, 5), 5), *want, *dx_want;

    EK_UNUSED(state);
    run_op("MaxPool", ATTRS(WINDOW(3, 2, "SAME")), INPUTS(x), 1, &want);
    ek_array *dy = numbers(EK_FLOAT32, want->shape, 6);
    run_op("MaxPoolGrad", ATTRS(WINDOW(3, 2, "SAME")), INPUTS(x, want, dy), 1, &dx_want);
    for (int i = 0; i < EK_COUNT_OF(type); i++) {
        ek_array *other = numbers(type[i], EK_SHAPE(3, 61, 47, 5), 5), *y, *dx;
        run_op("MaxPool", ATTRS(WINDOW(3, 2, "SAME"), ATTR_TYPE("T", type[i])), INPUTS(other), 1, &y);
        assert_same_numbers(y, want, 0);
        ek_array *d = numbers(type[i], want->shape, 6);
        run_op("MaxPoolGrad", ATTRS(WINDOW(3, 2, "SAME"), ATTR_TYPE("T", type[i])), INPUTS(other, y, d), 1, &dx);
        if (type[i] != EK_INT8) assert_same_numbers(dx, dx_want, 0); /* sums of int8 wrap around */
        ek_array_unref(other);
        ek_array_unref(d);
        ek_array_unref(y);
        ek_array_unref(dx);
    }
    ek_array_unref(x);
    ek_array_unref(dy);
    ek_array_unref(want);
    ek_array_unref(dx_want);
}

static ek_array *transposed(const ek_array *x, bool to_first)
{
    ek_array *perm = ek_array_of(EK_INT32, EK_SHAPE(4), to_first ? (int32_t[]){ 0, 3, 1, 2 } : (int32_t[]){ 0, 2, 3, 1 }), *y;

    run_op("Transpose", NO_ATTRS, INPUTS(x, perm), 1, &y);
    ek_array_unref(perm);
    return y;
}

static void channels_first_is_the_same(void **state)
{
    ek_array *x = numbers(EK_FLOAT32, EK_SHAPE(2, 9, 11, 3), 7), *xf = transposed(x, true), *y, *yf;

    EK_UNUSED(state);
    run_op("AvgPool", ATTRS(WINDOW(3, 2, "SAME")), INPUTS(x), 1, &y);
    run_op("AvgPool", ATTRS(FIRST(3, 2, "SAME")), INPUTS(xf), 1, &yf);
    ek_array *back = transposed(yf, false);
    assert_same_numbers(back, y, 0);
    ek_array_unref(x);
    ek_array_unref(xf);
    ek_array_unref(y);
    ek_array_unref(yf);
    ek_array_unref(back);
}

static void nothing_is_pooled_to_nothing(void **state)
{
    ek_array *x = numbers(EK_FLOAT32, EK_SHAPE(0, 5, 5, 3), 8), *none = numbers(EK_FLOAT32, EK_SHAPE(2, 5, 5, 0), 8), *y;

    EK_UNUSED(state);
    run_op("MaxPool", ATTRS(WINDOW(2, 2, "VALID")), INPUTS(x), 1, &y);
    assert_int_equal(ek_array_count(y), 0);
    ek_array_unref(y);
    run_op("AvgPool", ATTRS(WINDOW(2, 2, "VALID")), INPUTS(none), 1, &y);
    assert_int_equal(ek_array_count(y), 0);
    ek_array_unref(y);
    ek_array_unref(x);
    ek_array_unref(none);
}

static void refusals(void **state)
{
    ek_array *x = numbers(EK_FLOAT32, EK_SHAPE(2, 5, 5, 4), 9), *small = numbers(EK_FLOAT32, EK_SHAPE(2, 2, 2, 3), 9);
    ek_array *sizes = ek_array_of(EK_INT32, EK_SHAPE(4), (int32_t[]){ 2, 5, -5, 4 });

    EK_UNUSED(state);
    refuse_op("MaxPool", ATTRS(WINDOW(7, 1, "VALID")), INPUTS(x), 1, EK_INVALID_ARGUMENT, "Computed output size would be negative");
    refuse_op("AvgPool", ATTRS(WINDOW(0, 1, "SAME")), INPUTS(x), 1, EK_INVALID_ARGUMENT, "ksize must be positive");
    refuse_op("MaxPool", ATTRS(ATTR_INTS("ksize", 1, 2, 1, 2), ATTR_INTS("strides", 1, 1, 1, 2), ATTR_STRING("padding", "SAME")),
              INPUTS(x), 1, EK_UNIMPLEMENTED, "exactly one of pooling across depth");
    refuse_op("MaxPool", ATTRS(ATTR_INTS("ksize", 1, 1, 1, 3), ATTR_INTS("strides", 1, 1, 1, 3), ATTR_STRING("padding", "SAME")),
              INPUTS(x), 1, EK_UNIMPLEMENTED, "evenly divide");
    refuse_op("AvgPool", ATTRS(ATTR_INTS("ksize", 1, 1, 1, 2), ATTR_INTS("strides", 1, 1, 1, 2), ATTR_STRING("padding", "SAME")),
              INPUTS(x), 1, EK_UNIMPLEMENTED, "Non-spatial pooling");
    refuse_op("MaxPoolGrad", ATTRS(WINDOW(2, 2, "SAME")), INPUTS(x, small, small), 1, EK_INVALID_ARGUMENT, "Expected orig_output shape");
    refuse_op("AvgPoolGrad", ATTRS(WINDOW(2, 2, "SAME")), INPUTS(sizes, small), 1, EK_INVALID_ARGUMENT, "-5");
    ek_array_unref(x);
    ek_array_unref(small);
    ek_array_unref(sizes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_and_types_agree),
        cmocka_unit_test(channels_first_is_the_same),
        cmocka_unit_test(nothing_is_pooled_to_nothing),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
