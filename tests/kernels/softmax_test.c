/* Rows of logits: every level gives base's bits, base what a plain loop gives; a NaN reaches its row and no other. */
#include <math.h>

#include "kernels/levels.h"

enum { ROWS = 5, MOST = 67 };
static const int64_t widths[] = { 1, 2, 10, 15, 16, 17, 33, MOST };

static void fill(double *x, uint64_t seed)
{
    for (int i = 0; i < ROWS * MOST; i++) x[i] = 8 * test_uniform(&seed);
}

static void levels_agree(void **state)
{
    static double start[ROWS * MOST], x[2][ROWS * MOST], sum[2][ROWS];
    static float f[2][ROWS * MOST];
    const ek_kernels *level[8];
    const int n = ek__kernel_levels(level, 8);

    (void)state;
    fill(start, 3);
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        for (int l = 0; l < n; l++) {
            double *const d = x[l > 0], *const s = sum[l > 0];
            float *const g = f[l > 0];

            memcpy(d, start, sizeof start);
            for (int i = 0; i < ROWS * MOST; i++) g[i] = (float)start[i];
            level[l]->softmax_less_largest_f64(ROWS, widths[w], d);
            level[l]->softmax_less_largest_f32(ROWS, widths[w], g);
            level[l]->softmax_sums_f64(ROWS, widths[w], d, s);
            level[l]->softmax_minus_f64(ROWS, widths[w], d, s, d);
            level[l]->softmax_over_f64(ROWS, widths[w], d, s, d);
            level[l]->softmax_sums_f32(ROWS, widths[w], g, s);
            level[l]->softmax_minus_f32(ROWS, widths[w], g, s, g);
            level[l]->softmax_over_f32(ROWS, widths[w], g, s, g);
            assert_memory_equal(d, x[0], sizeof x[0]);
            assert_memory_equal(g, f[0], sizeof f[0]);
            assert_memory_equal(s, sum[0], sizeof sum[0]);
        }
    }
}

static void base_is_right(void **state)
{
    static double start[ROWS * MOST], x[ROWS * MOST], sum[ROWS];
    const ek_kernels *base[1];

    (void)state;
    ek__kernel_levels(base, 1);
    fill(start, 5);
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        const int64_t n = widths[w];

        memcpy(x, start, sizeof start);
        base[0]->softmax_less_largest_f64(ROWS, n, x);
        base[0]->softmax_sums_f64(ROWS, n, x, sum);
        for (int64_t r = 0; r < ROWS; r++) {
            double largest = -(double)INFINITY, total = 0;

            for (int64_t j = 0; j < n; j++) largest = fmax(largest, start[r * n + j]);
            for (int64_t j = 0; j < n; j++) {
                assert_true(x[r * n + j] == start[r * n + j] - largest);
                total += start[r * n + j] - largest;
            }
            assert_true(fabs(sum[r] - total) <= 1e-12 * (1 - total));
        }
    }
}

static void a_nan_stays_in_its_row(void **state)
{
    float x[] = { 1, 2, NAN, 4, 5, 3 };

    (void)state;
    ek__kernels()->softmax_less_largest_f32(2, 3, x);
    for (int j = 0; j < 3; j++) assert_true(isnan(x[j]));
    assert_true(x[3] == -1 && x[4] == 0 && x[5] == -2);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(levels_agree), cmocka_unit_test(base_is_right),
                                        cmocka_unit_test(a_nan_stays_in_its_row) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
