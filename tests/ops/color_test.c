/* Colours in two spaces: known ones, there and back, refusals. */
#include "ops/numbers.h"

static void known_colors(void **state)
{
    static const float rgb[] = { 0, 0, 0, 1, 0, 0, 0, 0.5f, 0, 0, 0, 1, 1, 0, 0.5f, 0.25f, 0.25f, 0.25f };
    static const double hsv[] = { 0, 0, 0, 0, 1, 1, 1.0 / 3, 1, 0.5, 2.0 / 3, 1, 1, 11.0 / 12, 1, 1, 0, 0, 0.25 };
    ek_array *x = ek_array_of(EK_FLOAT32, EK_SHAPE(2, 3, 3), rgb), *y, *z;

    (void)state;
    run_op("RGBToHSV", NO_ATTRS, INPUTS(x), 1, &y);
    run_op("HSVToRGB", NO_ATTRS, INPUTS(y), 1, &z);
    for (int i = 0; i < 18; i++) {
        assert_true(fabs(ek_array_get(y, i) - hsv[i]) < 1e-7);
        assert_true(fabs(ek_array_get(z, i) - (double)rgb[i]) < 1e-6);
    }
    ek_array_unref(x);
    ek_array_unref(y);
    ek_array_unref(z);
}

static void there_and_back(void **state)
{
    ek_array *x = numbers(EK_FLOAT64, EK_SHAPE(20011, 3), 4), *y, *z;

    (void)state;
    for (int64_t i = 0; i < ek_array_count(x); i++) ((double *)ek_array_data(x))[i] = fabs(ek_array_get(x, i));
    run_op("RGBToHSV", NO_ATTRS, INPUTS(x), 1, &y);
    run_op("HSVToRGB", NO_ATTRS, INPUTS(y), 1, &z);
    for (int64_t i = 0; i < ek_array_count(x); i++) assert_true(fabs(ek_array_get(z, i) - ek_array_get(x, i)) < 1e-12);
    ek_array_unref(x);
    ek_array_unref(y);
    ek_array_unref(z);
}

static void nothing_and_refusals(void **state)
{
    ek_array *none = numbers(EK_FLOAT32, EK_SHAPE(0, 3), 1), *two = numbers(EK_FLOAT32, EK_SHAPE(3, 2), 1), *one = numbers(EK_FLOAT32, EK_SCALAR, 1), *y;

    (void)state;
    run_op("RGBToHSV", NO_ATTRS, INPUTS(none), 1, &y);
    assert_int_equal(ek_array_count(y), 0);
    refuse_op("RGBToHSV", NO_ATTRS, INPUTS(two), 1, EK_INVALID_ARGUMENT, "input must have 3 channels but input only has 2 channels.");
    refuse_op("HSVToRGB", NO_ATTRS, INPUTS(one), 1, EK_INVALID_ARGUMENT, "input must be at least 1D");
    ek_array *const all[] = { none, two, one, y };
    for (int i = 0; i < EK_COUNT_OF(all); i++) ek_array_unref(all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_colors), cmocka_unit_test(there_and_back), cmocka_unit_test(nothing_and_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
