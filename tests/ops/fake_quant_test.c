/* Rounding to few bits: every result is a step of the range, zero among them; gradients stop where the range does. */
#include "ops/one_op.h"

enum { N = 70000 };

static void test_steps_of_the_range(void **state)
{
    ek_array *x = ek_array_of(EK_FLOAT32, EK_SHAPE(N), NULL), *y;
    const float step = 5.0f / 15; /* 4 bits from -1 to 4; -1 is three steps below zero */

    (void)state;
    for (int i = 0; i < N; i++) ((float *)ek_array_data(x))[i] = (float)i / N * 8 - 3;
    run_op("FakeQuantWithMinMaxArgs", ATTRS(ATTR_FLOAT("min", -1), ATTR_FLOAT("max", 4), ATTR_INT("num_bits", 4)),
           INPUTS(x), 1, &y);
    for (int i = 0; i < N; i++) {
        const double v = ek_array_get(x, i), steps = fmin(fmax(floor(v / (double)step + 0.5), -3), 12);

        assert_true(fabs(ek_array_get(y, i) - steps * (double)step) < 1e-6 ||
                    fabs(v / (double)step - floor(v / (double)step) - 0.5) < 1e-4);
    }
    ek_array_unref(x);
    ek_array_unref(y);
}

static void test_gradients_by_channel(void **state)
{
    ek_array *dy = ek_array_of(EK_FLOAT32, EK_SHAPE(3, 2), (float[]){1, 2, 3, 4, 5, 6}), *out[3];
    ek_array *x = ek_array_of(EK_FLOAT32, EK_SHAPE(3, 2), (float[]){-9, 0, 0, 9, 9, -9});
    ek_array *min = ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){-1, -2});
    ek_array *max = ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){1, 2});

    (void)state;
    run_op("FakeQuantWithMinMaxVarsPerChannelGradient", NO_ATTRS, INPUTS(dy, x, min, max), 3, out);
    assert_memory_equal(ek_array_cdata(out[0]), ((float[]){0, 2, 3, 0, 0, 0}), 24);
    assert_memory_equal(ek_array_cdata(out[1]), ((float[]){1, 6}), 8);
    assert_memory_equal(ek_array_cdata(out[2]), ((float[]){5, 4}), 8);
    for (int k = 0; k < 3; k++) ek_array_unref(out[k]);
    refuse_op("FakeQuantWithMinMaxVarsPerChannel", ATTRS(ATTR_INT("num_bits", 17)), INPUTS(x, min, max), 1,
              EK_INVALID_ARGUMENT, "num_bits must be between 2 and 16, inclusive");
    ek_array_unref(dy);
    ek_array_unref(x);
    ek_array_unref(min);
    ek_array_unref(max);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_of_the_range),
        cmocka_unit_test(test_gradients_by_channel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
