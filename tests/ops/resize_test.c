/* Resizing: many channels and rows, other types, and gradients as the transposed map. */
#include "ops/numbers.h"

enum { CHANNELS = 130 };

static ek_array *image(ek_dtype t, ek_shape shape)
{
    ek_array *a = ek_array_of(t, shape, NULL);

    for (int64_t i = 0; i < ek_array_count(a); i++) {
        if (t == EK_FLOAT32)
            ((float *)ek_array_data(a))[i] = (float)(i * 31 % 97) - 40;
        else
            ((uint8_t *)ek_array_data(a))[i] = (uint8_t)(i * 31 % 97);
    }
    return a;
}

static ek_array *size_of(int32_t h, int32_t w)
{
    return ek_array_of(EK_INT32, EK_SHAPE(2), (int32_t[]){h, w});
}

/* For every linear map A and its transpose, <A x, y> = <x, At y>. */
static void test_gradients_are_transposes(void **state)
{
    ek_array *x = image(EK_FLOAT32, EK_SHAPE(2, 5, 4, CHANNELS)), *dy = image(EK_FLOAT32, EK_SHAPE(2, 7, 9, CHANNELS));
    ek_array *large = size_of(7, 9), *small = size_of(5, 4), *y, *dx;

    (void)state;
    for (int way = 0; way < 3; way++) {
        const ek_attr a[] = {ATTR_BOOL("align_corners", way == 1), ATTR_BOOL("half_pixel_centers", way == 2)};

        run_op("ResizeBilinear", a, 2, INPUTS(x, large), 1, &y);
        run_op("ResizeBilinearGrad", a, 2, INPUTS(dy, x), 1, &dx);
        assert_true(fabs(dot(y, dy) - dot(x, dx)) < 1e-6 * (1e3 + fabs(dot(x, dx))));
        ek_array_unref(y);
        ek_array_unref(dx);
        run_op("ResizeNearestNeighbor", a, 2, INPUTS(x, large), 1, &y);
        run_op("ResizeNearestNeighborGrad", a, 2, INPUTS(dy, small), 1, &dx);
        assert_true(dot(y, dy) == dot(x, dx)); /* whole numbers */
        ek_array_unref(y);
        ek_array_unref(dx);
        run_op("ResizeBicubic", a, 2, INPUTS(x, large), 1, &y);
        run_op("ResizeBicubicGrad", a, 2, INPUTS(dy, x), 1, &dx);
        assert_true(fabs(dot(y, dy) - dot(x, dx)) < 1e-6 * (1e3 + fabs(dot(x, dx))));
        ek_array_unref(y);
        ek_array_unref(dx);
    }
    ek_array_unref(x);
    ek_array_unref(dy);
    ek_array_unref(large);
    ek_array_unref(small);
}

/* By area: whole blocks become their means; the sum over a result is the image's, scaled. */
static void test_areas(void **state)
{
    ek_array *x = image(EK_FLOAT32, EK_SHAPE(2, 6, 9, CHANNELS)), *third = size_of(2, 3), *odd = size_of(5, 7), *y;
    double sum = 0, all = 0;

    (void)state;
    run_op("ResizeArea", NO_ATTRS, INPUTS(x, third), 1, &y);
    for (int64_t i = 0; i < ek_array_count(y); i += 17) {
        const int64_t c = i % CHANNELS, column = i / CHANNELS % 3, row = i / CHANNELS / 3 % 2, b = i / CHANNELS / 6;
        double mean = 0;
        for (int64_t k = 0; k < 9; k++)
            mean += ek_array_get(x, ((b * 6 + row * 3 + k / 3) * 9 + column * 3 + k % 3) * CHANNELS + c) / 9;
        assert_true(fabs(ek_array_get(y, i) - mean) < 1e-4);
    }
    ek_array_unref(y);
    run_op("ResizeArea", NO_ATTRS, INPUTS(x, odd), 1, &y);
    for (int64_t i = 0; i < ek_array_count(x); i++) all += ek_array_get(x, i);
    for (int64_t i = 0; i < ek_array_count(y); i++) sum += ek_array_get(y, i) * (6 * 9) / (5 * 7);
    assert_true(fabs(sum - all) < 1e-4 * (1e3 + fabs(all)));
    ek_array_unref(x);
    ek_array_unref(y);
    ek_array_unref(third);
    ek_array_unref(odd);
}

static void test_bytes_and_refusals(void **state)
{
    ek_array *x = image(EK_UINT8, EK_SHAPE(1, 3, 3, CHANNELS)), *same = size_of(3, 3), *y;
    ek_array *flat = image(EK_FLOAT32, EK_SHAPE(3, 3, 1)), *none = image(EK_FLOAT32, EK_SHAPE(1, 0, 3, 1)),
             *zero = size_of(0, 3);

    (void)state;
    run_op("ResizeBilinear", NO_ATTRS, INPUTS(x, same), 1, &y);
    assert_int_equal(ek_array_dtype(y), EK_FLOAT32);
    for (int64_t i = 0; i < ek_array_count(x); i++) assert_true(ek_array_get(x, i) == ek_array_get(y, i));
    refuse_op("ResizeBilinear", NO_ATTRS, INPUTS(x, zero), 1, EK_INVALID_ARGUMENT,
              "output dimensions must be positive");
    refuse_op("ResizeBilinear", NO_ATTRS, INPUTS(flat, same), 1, EK_INVALID_ARGUMENT, "4");
    refuse_op("ResizeNearestNeighbor", NO_ATTRS, INPUTS(none, same), 1, EK_INVALID_ARGUMENT, "non-zero size");
    ek_array_unref(x);
    ek_array_unref(y);
    ek_array_unref(same);
    ek_array_unref(flat);
    ek_array_unref(none);
    ek_array_unref(zero);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_are_transposes),
        cmocka_unit_test(test_areas),
        cmocka_unit_test(test_bytes_and_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
