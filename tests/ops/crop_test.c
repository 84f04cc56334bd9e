/* Crops: the whole image is the image, half of it, turned around, beyond it; boxes that are no numbers, refusals. */
#include "ops/numbers.h"

static ek_array *crop(const ek_array *x, int64_t n, const float *box, int32_t image, int32_t h, int32_t w, bool nearest)
{
    ek_array *boxes = ek_array_of(EK_FLOAT32, EK_SHAPE(n, 4), box), *size = ek_array_of(EK_INT32, EK_SHAPE(2), (int32_t[]){ h, w }), *y;
    ek_array *ind = ek_array_of(EK_INT32, EK_SHAPE(n), NULL);
    const ek_attr attrs[] = { ATTR_FLOAT("extrapolation_value", -9), ATTR_STRING("method", "nearest") };

    for (int64_t i = 0; i < n; i++) ek_array_i32(ind)[i] = image;
    run_op("CropAndResize", attrs, nearest ? 2 : 1, INPUTS(x, boxes, ind, size), 1, &y);
    ek_array_unref(boxes);
    ek_array_unref(ind);
    ek_array_unref(size);
    return y;
}

static void a_crop_of_all_is_the_image(void **state)
{
    static const ek_dtype types[] = { EK_FLOAT32, EK_FLOAT64, EK_UINT8, EK_INT64 };

    (void)state;
    for (int k = 0; k < 2 * EK_COUNT_OF(types); k++) {
        ek_array *x = ek_array_of(types[k / 2], EK_SHAPE(2, 4, 6, 3), NULL);
        for (int64_t i = 0; i < ek_array_count(x); i++) {
            const float v = (float)(i % 101);
            ek__convert(EK_FLOAT32, &v, types[k / 2], (char *)ek_array_data(x) + (size_t)i * ek_dtype_size(types[k / 2]), 1);
        }
        ek_array *same = crop(x, 1, (float[]){ 0, 0, 1, 1 }, 1, 4, 6, k % 2 == 1);
        ek_array *turned = crop(x, 1, (float[]){ 1, 1, 0, 0 }, 1, 4, 6, k % 2 == 1);
        for (int64_t i = 0; i < 72; i++) {
            assert_true(fabs(ek_array_get(same, i) - ek_array_get(x, 72 + i)) < 1e-4);
            assert_true(fabs(ek_array_get(turned, i) - ek_array_get(x, 72 + (23 - i / 3) * 3 + i % 3)) < 1e-4);
        }
        ek_array_unref(x);
        ek_array_unref(same);
        ek_array_unref(turned);
    }
}

static void beyond_the_image(void **state)
{
    ek_array *x = ek_array_of(EK_FLOAT32, EK_SHAPE(1, 2, 2, 1), (float[]){ 1, 2, 3, 4 });
    ek_array *wide = crop(x, 1, (float[]){ -1, 0, 1, 1 }, 0, 3, 2, false), *one = crop(x, 1, (float[]){ 0, 0, 1, 1 }, 0, 1, 1, false);
    ek_array *quarter = crop(x, 1, (float[]){ 0.25f, 0.5f, 0.25f, 0.5f }, 0, 1, 1, false);
    ek_array *none = crop(x, 0, NULL, 0, 2, 2, false);
    ek_array *odd = crop(x, 2, (float[]){ NAN, 0, 1, 1, 0, -INFINITY, 1, INFINITY }, 0, 2, 2, false);
    const double want[] = { -9, -9, 1, 2, 3, 4 };

    (void)state;
    for (int i = 0; i < 6; i++) assert_true(ek_array_get(wide, i) == want[i]);
    assert_true(ek_array_get(one, 0) == 2.5);
    assert_true(ek_array_get(quarter, 0) == 2); /* 1.5 above and 3.5 below */
    assert_int_equal(ek_array_count(none), 0);
    for (int i = 0; i < 8; i++) assert_true(ek_array_get(odd, i) == -9);
    ek_array *const all[] = { x, wide, one, quarter, none, odd };
    for (int i = 0; i < EK_COUNT_OF(all); i++) ek_array_unref(all[i]);
}

static void refusals(void **state)
{
    ek_array *x = numbers(EK_FLOAT32, EK_SHAPE(1, 2, 2, 1), 1), *box = numbers(EK_FLOAT32, EK_SHAPE(1, 4), 1), *flat = numbers(EK_FLOAT32, EK_SHAPE(2, 2), 1);
    ek_array *size = ek_array_of(EK_INT32, EK_SHAPE(2), (int32_t[]){ 2, 2 }), *zero = ek_array_of(EK_INT32, EK_SHAPE(2), (int32_t[]){ 2, 0 });
    ek_array *first = ek_array_of(EK_INT32, EK_SHAPE(1), (int32_t[]){ 0 }), *second = ek_array_of(EK_INT32, EK_SHAPE(1), (int32_t[]){ 1 });

    (void)state;
    refuse_op("CropAndResize", NO_ATTRS, INPUTS(flat, box, first, size), 1, EK_INVALID_ARGUMENT, "input image must be 4-D[2,2]");
    refuse_op("CropAndResize", NO_ATTRS, INPUTS(x, flat, first, size), 1, EK_INVALID_ARGUMENT, "boxes must have 4 columns");
    refuse_op("CropAndResize", NO_ATTRS, INPUTS(x, box, size, size), 1, EK_INVALID_ARGUMENT, "box_index has incompatible shape");
    refuse_op("CropAndResize", NO_ATTRS, INPUTS(x, box, first, first), 1, EK_INVALID_ARGUMENT, "crop_size must have two elements");
    refuse_op("CropAndResize", NO_ATTRS, INPUTS(x, box, first, zero), 1, EK_INVALID_ARGUMENT, "crop dimensions must be positive");
    refuse_op("CropAndResize", NO_ATTRS, INPUTS(x, box, second, size), 1, EK_OUT_OF_RANGE, "box_index has values outside [0, batch_size)");
    ek_array *const all[] = { x, box, flat, size, zero, first, second };
    for (int i = 0; i < EK_COUNT_OF(all); i++) ek_array_unref(all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crop_of_all_is_the_image), cmocka_unit_test(beyond_the_image), cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
