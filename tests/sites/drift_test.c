/* tests/sites/drift_test.c - stored statistics against those of batches: where the limits are. */
#include <math.h>

#include "sites/drift.h"
#include "support/support.h"

enum { CHANNELS = 4, ROWS = 1000 };

static const ek_site site = { .axes = 1, .rank = 2, .epsilon = 1e-3 };

/* Rows whose channel c alternates between mean[c] - deviation[c] and mean[c] + deviation[c]. */
static ek_drift_result of(const double *mean, const double *deviation, const float *stored_mean, const float *stored_variance)
{
    ek_array *m = ek_array_of(EK_FLOAT32, EK_SHAPE(CHANNELS), stored_mean);
    ek_array *v = ek_array_of(EK_FLOAT32, EK_SHAPE(CHANNELS), stored_variance);
    ek_array *x = ek_array_of(EK_FLOAT32, EK_SHAPE(ROWS, CHANNELS), NULL);
    ek_arena arena = { 0 };
    ek_drift_result r;
    ek_drift d;

    for (int i = 0; i < ROWS * CHANNELS; i++)
        ek_array_f32(x)[i] = (float)(mean[i % CHANNELS] + deviation[i % CHANNELS] * (i / CHANNELS % 2 == 0 ? 1 : -1));
    assert_true(ek__drift_begin(&site, m, v, &arena, &d, NULL));
    ek__drift_add(&d, x);
    ek__drift_add(&d, x);
    assert_int_equal(EK_OK, ek__drift_result(&d, &r, NULL));
    ek_array_unref(m);
    ek_array_unref(v);
    ek_array_unref(x);
    ek__arena_fini(&arena);
    return r;
}

static void what_fits_is_silent(void **state)
{
    const ek_drift_result r = of((double[]){ 1, 2, 300, 0 }, (double[]){ 1, 2, 3, 0 }, (float[]){ 1, 2, 300, 0 },
                                 (float[]){ 1, 4, 9, 0 });

    EK_UNUSED(state);
    assert_true(r.changed == 0 && r.far == 0 && r.deviations < 1e-3 && fabs(r.ratio - 1) < 1e-3);
    assert_false(ek__drift_is_bn018(&r) || ek__drift_is_bn019(&r));
}

static void half_a_deviation_in_more_than_a_quarter_of_the_channels_is_told(void **state)
{
    const double one[] = { 1, 1, 1, 1 };
    const float zeros[] = { 0, 0, 0, 0 }, ones[] = { 1, 1, 1, 1 };
    ek_drift_result r = of((double[]){ 0.6, 0, 0, 0 }, one, zeros, ones);

    EK_UNUSED(state);
    assert_true(r.changed == 0.25);
    assert_false(ek__drift_is_bn018(&r));
    r = of((double[]){ 0.6, 0.6, 0.4, 0.4 }, one, zeros, ones);
    assert_true(r.changed == 0.5 && ek__drift_is_bn018(&r) && !ek__drift_is_bn019(&r));
    r = of((double[]){ 0, 0, 0, 0 }, (double[]){ 1.6, 0.6, 1.4, 0.7 }, zeros, ones);
    assert_true(r.changed == 0.5 && ek__drift_is_bn018(&r));
    r = of((double[]){ NAN, NAN, 0, 0 }, one, zeros, ones);
    assert_true(r.changed == 0.5);
    r = of((double[]){ NAN, NAN, NAN, NAN }, one, zeros, ones); /* no number to tell, and another fault */
    assert_true(r.changed == 1 && !ek__drift_is_bn018(&r) && !ek__drift_is_bn019(&r));
}

static void inputs_of_another_scale_are_told(void **state)
{
    const ek_drift_result r = of((double[]){ 255, 255, 255, 255 }, (double[]){ 255, 255, 255, 255 }, (float[]){ 1, 1, 1, 1 },
                                 (float[]){ 1, 1, 1, 1 });

    EK_UNUSED(state);
    assert_true(r.far == 1 && fabs(r.ratio - 255) < 1 && fabs(r.deviations - 254) < 1);
    assert_true(ek__drift_is_bn019(&r));
}

static void what_cannot_be_measured_is_left_alone(void **state)
{
    const ek_site no_channels = { .axes = 3, .rank = 2 }, two = { .axes = 1, .rank = 3 };
    ek_array *m = ek_array_of(EK_FLOAT32, EK_SHAPE(2), NULL), *v = ek_array_of(EK_FLOAT32, EK_SHAPE(3), NULL);
    ek_array *x = ek_array_of(EK_FLOAT32, EK_SHAPE(4, 3), NULL);
    ek_arena arena = { 0 };
    ek_drift_result r;
    ek_drift d;

    EK_UNUSED(state);
    assert_false(ek__drift_begin(&no_channels, m, m, &arena, &d, NULL));
    assert_false(ek__drift_begin(&two, m, m, &arena, &d, NULL));
    assert_false(ek__drift_begin(&site, m, v, &arena, &d, NULL));
    assert_true(ek__drift_begin(&site, m, m, &arena, &d, NULL));
    ek__drift_add(&d, x); /* three channels, not two */
    assert_int_equal(EK_OK, ek__drift_result(&d, &r, NULL));
    assert_true(r.changed == 0 && r.ratio == 1);
    ek_array_unref(m);
    ek_array_unref(v);
    ek_array_unref(x);
    ek__arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_is_silent),
        cmocka_unit_test(half_a_deviation_in_more_than_a_quarter_of_the_channels_is_told),
        cmocka_unit_test(inputs_of_another_scale_are_told),
        cmocka_unit_test(what_cannot_be_measured_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
