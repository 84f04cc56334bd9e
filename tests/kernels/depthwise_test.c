/* Depthwise convolution: every level gives base's bits, whatever the number of channels, and writes nothing beyond. */
#include "kernels/levels.h"

enum { IMAGE = 7, KERNEL = 3, CHANNELS = 90, GUARD = 16, MOST = IMAGE * IMAGE * CHANNELS + GUARD };

/* Padded by one: result r meets what lies around it. By the filter: tap k meets output o at o + k - 1. */
static void set_taps(ek_taps *forward, ek_taps *by_tap)
{
    for (int64_t r = 0; r < IMAGE; r++) {
        const int64_t first = r == 0, end = r == IMAGE - 1 ? KERNEL - 1 : KERNEL;
        forward[r] = (ek_taps){ .first = first, .step = 1, .at = r - 1 + first, .at_step = 1, .count = end - first };
    }
    for (int64_t k = 0; k < KERNEL; k++)
        by_tap[k] = (ek_taps){ .first = k == 0, .step = 1, .at = k == 2, .at_step = 1, .count = k == 1 ? IMAGE : IMAGE - 1 };
}

typedef struct results {
    float f32[MOST], by_filter_f32[KERNEL * KERNEL * CHANNELS + GUARD];
    double f64[MOST], by_filter_f64[KERNEL * KERNEL * CHANNELS + GUARD];
} results;

/* In two goes of rows, which must not matter; sums begin with what is there. */
static void run(const ek_kernels *k, int64_t channels, const float *x, const float *w, const double *x64, const double *w64, results *r)
{
    ek_taps forward[IMAGE], by_tap[KERNEL];
    ek_depthwise g = { channels, IMAGE, IMAGE, KERNEL, 1, forward, forward };

    set_taps(forward, by_tap);
    memset(r, 0, sizeof *r);
    k->depthwise_f32(&g, x, w, r->f32, 2, IMAGE);
    k->depthwise_f32(&g, x, w, r->f32, 0, 2);
    k->depthwise_f64(&g, x64, w64, r->f64, 0, IMAGE);
    g.column = by_tap;
    k->depthwise_by_filter_f32(&g, x, x + 1, r->by_filter_f32, 0, 3);
    k->depthwise_by_filter_f32(&g, x, x + 1, r->by_filter_f32, 3, IMAGE);
    k->depthwise_by_filter_f64(&g, x64, x64 + 1, r->by_filter_f64, 0, IMAGE);
}

static void levels_agree(void **state)
{
    static float x[MOST], w[MOST];
    static double x64[MOST], w64[MOST];
    static results want, got;
    const ek_kernels *level[8];
    const int n = ek__kernel_levels(level, 8);
    uint64_t seed = 5;

    (void)state;
    for (int i = 0; i < MOST; i++) {
        x[i] = (float)(x64[i] = test_uniform(&seed));
        w[i] = (float)(w64[i] = test_uniform(&seed));
    }
    for (int64_t channels = 1; channels <= CHANNELS; channels += channels < 40 ? 1 : 10) {
        run(level[0], channels, x, w, x64, w64, &want);
        assert_true(want.f32[IMAGE * IMAGE * channels] == 0 && want.by_filter_f32[KERNEL * KERNEL * channels] == 0);
        for (int l = 1; l < n; l++) {
            run(level[l], channels, x, w, x64, w64, &got);
            if (memcmp(&got, &want, sizeof got) != 0) fail_msg("%s: %d channels", level[l]->level, (int)channels);
        }
    }
}

/* Ones all over: the middle sees nine taps, an edge six, a corner four; each tap sees the outputs it meets. */
static void ones_count_what_meets(void **state)
{
    static float ones[MOST];
    static double ones64[MOST];
    static results r;

    (void)state;
    for (int i = 0; i < MOST; i++) ones[i] = (float)(ones64[i] = 1);
    run(ek__kernels(), 21, ones, ones, ones64, ones64, &r);
    for (int y = 0; y < IMAGE; y++)
        for (int x = 0; x < IMAGE; x++) {
            const int rows = y % (IMAGE - 1) == 0 ? 2 : 3, columns = x % (IMAGE - 1) == 0 ? 2 : 3;
            for (int c = 0; c < 21; c++) assert_true(r.f32[(y * IMAGE + x) * 21 + c] == (float)(rows * columns));
        }
    for (int k = 0; k < KERNEL * KERNEL * 21; k++) {
        const int rows = k / 21 / KERNEL == 1 ? IMAGE : IMAGE - 1, columns = k / 21 % KERNEL == 1 ? IMAGE : IMAGE - 1;
        assert_true(r.by_filter_f64[k] == rows * columns && r.by_filter_f32[k] == (float)(rows * columns));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(levels_agree), cmocka_unit_test(ones_count_what_meets) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
