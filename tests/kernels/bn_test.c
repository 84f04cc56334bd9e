/* Batch norm's loops: every level gives base's bits for every width, whole vectors or not, at any address, streamed or
 * not, and in place. */
#include <math.h>

#include "kernels/levels.h"

enum { ROWS = 301, W = 1100, SPARE = 16 };
static float x[ROWS * W + SPARE], dy[ROWS * W + SPARE], v[5][W];
static _Alignas(64) float got[ROWS * W + SPARE], expect[ROWS * W + SPARE];
static double sums[2][2][W];

static void fill(void)
{
    uint64_t seed = 3;

    for (int i = 0; i < ROWS * W + SPARE; i++) {
        x[i] = (float)(100 + test_uniform(&seed));
        dy[i] = (float)test_uniform(&seed);
    }
    for (int k = 0; k < 5; k++)
        for (int j = 0; j < W; j++) v[k][j] = (float)test_uniform(&seed);
    for (int j = 0; j < W; j++) v[0][j] += 100;
}

/* Plain; streamed; clamped at 0 and 0.5; both. */
static ek_bn_columns variant(int i)
{
    return (ek_bn_columns){v[0], v[1], v[2], v[3], v[4], 0.5f, i >= 2, i % 2 == 1};
}

static void same_results(const ek_kernels *base, const ek_kernels *level, int64_t rows, int64_t w, int shift)
{
    const size_t bytes = (size_t)(rows * w) * sizeof(float);

    for (int i = 0; i < 4; i++) {
        const ek_bn_columns k = variant(i);
        base->bn_apply_f32(rows, w, x + shift, &k, expect);
        level->bn_apply_f32(rows, w, x + shift, &k, got + shift);
        assert_memory_equal(got + shift, expect, bytes);
        base->bn_grad_apply_f32(rows, w, x + shift, dy, &k, expect);
        level->bn_grad_apply_f32(rows, w, x + shift, dy, &k, got + shift);
        assert_memory_equal(got + shift, expect, bytes);
        base->bn_apply_plane_f32(rows * w, x + shift, &k, expect);
        level->bn_apply_plane_f32(rows * w, x + shift, &k, got + shift);
        assert_memory_equal(got + shift, expect, bytes);
        base->bn_grad_apply_plane_f32(rows * w, x + shift, dy, &k, expect);
        level->bn_grad_apply_plane_f32(rows * w, x + shift, dy, &k, got + shift);
        assert_memory_equal(got + shift, expect, bytes);
    }
}

static void same_sums(const ek_kernels *base, const ek_kernels *level, int64_t rows, int64_t w, int shift)
{
    const ek_kernels *const both[] = {base, level};

    for (int i = 0; i < 6; i++) {
        const ek_bn_columns k = variant(i < 2 ? 2 * i : 0);
        memset(sums, 0, sizeof sums);
        for (int l = 0; l < 2; l++) {
            if (i < 2)
                both[l]->bn_grad_sums_f32(rows, w, x + shift, dy, &k, sums[l][0], sums[l][1]);
            else if (i == 2)
                both[l]->bn_stats_f32(rows, w, x + shift, x, sums[l][0], sums[l][1]);
            else if (i == 3)
                both[l]->bn_stats_planes_f32(rows, w, w, x + shift, 99.5, sums[l][0]);
            else if (i == 4)
                both[l]->bn_stats_planes_f32(1, 0, rows * w, x + shift, 99.5, sums[l][0]);
            else
                both[l]->bn_grad_sums_planes_f32(rows, w, w, x + shift, dy, &k, sums[l][0]);
        }
        assert_memory_equal(sums[0], sums[1], sizeof sums[0]);
    }
}

static void levels_agree(void **state)
{
    static const int64_t sizes[][2] = {{0, 16}, {1, 1}, {3, 17}, {16, 64}, {145, 80}, {301, 33}, {250, 49}, {20, W}};
    const ek_kernels *level[8];
    const int n = ek__kernel_levels(level, 8);

    (void)state;
    fill();
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int l = 0; l < n; l++)
            for (int shift = 0; shift < 3; shift++) {
                same_results(level[0], level[l], sizes[s][0], sizes[s][1], shift);
                same_sums(level[0], level[l], sizes[s][0], sizes[s][1], shift);
            }
}

/* What sums mean: every level gives base's bits, for any number of channels. */
static void finishes_agree(void **state)
{
    enum { N = 37 };
    static double sum[N], squares[N], reference[2][N];
    static float out[2][12][N];
    const ek_kernels *level[8];
    const int levels = ek__kernel_levels(level, 8);
    uint64_t seed = 5;

    (void)state;
    for (int j = 0; j < N; j++) {
        sum[j] = 30 * test_uniform(&seed);
        squares[j] = 100 + 30 * test_uniform(&seed);
        out[1][0][j] = out[0][0][j] = j == 5 ? INFINITY : j == 6 ? NAN : (float)test_uniform(&seed);
    }
    for (int l = 0; l < levels; l++)
        for (int n = 0; n <= N; n++) {
            for (int k = 0; k < 2; k++) {
                const ek_kernels *run = k == 0 ? level[0] : level[l];
                float(*o)[N] = out[k];
                run->bn_reference_f32(n, o[0], reference[k]);
                run->bn_moments_f32(n, 60, 60.0 / 59, sum, squares, reference[k], o[1], o[2], o[3], o[4]);
                run->bn_inverse_f32(n, 1e-3, o[3], o[5]);
                run->bn_factors_f32(n, o[5], o[2], o[1], o[4], o[6], o[7]);
                run->bn_slopes_f32(n, 60, sum, squares, o[5], o[2], o[6], o[8], o[9], o[10], o[11]);
                run->bn_moved_f32(n, 0.1, o[3], o[4], o[3]);
            }
            assert_memory_equal(reference[0], reference[1], sizeof reference[0]);
            assert_memory_equal(out[0][1], out[1][1], 11 * sizeof out[0][1]);
        }
}

/* Rounded rightly but for the rarest, whatever the variance and epsilon. */
static void inverse_deviations_are_right(void **state)
{
    static const float ends[] = {0, 1e-45f, 1e-38f, 1e-12f, 1e30f, 3.4e38f, INFINITY};
    static const double epsilon[] = {0, 1e-60, 1e-30, 1e-12, 1e-3, 10};
    enum { ENDS = sizeof ends / sizeof *ends, N = 500 };
    const ek_kernels *level[8];
    const int levels = ek__kernel_levels(level, 8);
    float variance[N], inverse[N];
    uint64_t seed = 9;

    (void)state;
    for (int j = 0; j < N; j++) variance[j] = j < ENDS ? ends[j] : (float)exp(20 * test_uniform(&seed));
    for (int l = 0; l < levels; l++)
        for (int e = 0; e < 6; e++) {
            level[l]->bn_inverse_f32(N, epsilon[e], variance, inverse);
            for (int j = 0; j < N; j++) {
                const double right = 1 / sqrt((double)variance[j] + epsilon[e]);
                assert_true((double)inverse[j] == right || fabs((double)inverse[j] - right) <= 6e-8 * right);
            }
        }
}

/* Against double, at every level: sums of g and of g (x - mean), of x and its square about a reference. */
static void sums_are_right(void **state)
{
    const ek_kernels *level[8];
    const int n = ek__kernel_levels(level, 8), rows = 301, w = 70;
    const ek_bn_columns k = variant(2);

    (void)state;
    fill();
    for (int l = 0; l < n; l++) {
        memset(sums, 0, sizeof sums);
        level[l]->bn_grad_sums_f32(rows, w, x, dy, &k, sums[0][0], sums[0][1]);
        level[l]->bn_stats_f32(rows, w, x, x, sums[1][0], sums[1][1]);
        for (int j = 0; j < w; j++) {
            double g = 0, gx = 0, s1 = 0, s2 = 0;
            for (int r = 0; r < rows; r++) {
                const double c = (double)x[r * w + j] - (double)v[0][j], d = (double)x[r * w + j] - (double)x[j];
                const float y = (x[r * w + j] - v[0][j]) * v[1][j] + v[2][j];
                const double passed = y > 0 && y <= 0.5f ? (double)dy[r * w + j] : 0;
                g += passed;
                gx += passed * c;
                s1 += d;
                s2 += d * d;
            }
            assert_true(fabs(sums[0][0][j] - g) < 2e-5 && fabs(sums[0][1][j] - gx) < 2e-5);
            assert_true(fabs(sums[1][0][j] - s1) < 1e-3 && fabs(sums[1][1][j] - s2) < 1e-3);
        }
    }
}

static void the_result_may_replace_the_input(void **state)
{
    const ek_kernels *level[8];
    const int n = ek__kernel_levels(level, 8);
    const ek_bn_columns k = variant(2);
    const size_t bytes = 770 * sizeof(float);

    (void)state;
    fill();
    for (int l = 0; l < n; l++) {
        level[l]->bn_apply_f32(10, 77, x, &k, expect);
        memcpy(got, x, bytes);
        level[l]->bn_apply_f32(10, 77, got, &k, got);
        assert_memory_equal(got, expect, bytes);
        level[l]->bn_grad_apply_f32(10, 77, x, dy, &k, expect);
        memcpy(got, dy, bytes);
        level[l]->bn_grad_apply_f32(10, 77, x, got, &k, got);
        assert_memory_equal(got, expect, bytes);
        level[l]->bn_grad_apply_plane_f32(770, x, dy, &k, expect);
        memcpy(got, x, bytes);
        level[l]->bn_grad_apply_plane_f32(770, got, dy, &k, got);
        assert_memory_equal(got, expect, bytes);
    }
}

/* A rectifier lets NaN through, and no gradient at NaN, 0 or beyond the end. */
static void ends_of_the_clamp(void **state)
{
    static const float in[] = {-1, 0, 5, 6, 7, INFINITY, NAN}, ones[] = {1, 1, 1, 1, 1, 1, 1};
    static const float zero = 0, one = 1;
    const ek_kernels *level[8];
    const int n = ek__kernel_levels(level, 8);
    float out[7];

    (void)state;
    for (int l = 0; l < n; l++) {
        ek_bn_columns k = {&zero, &one, &zero, &zero, &zero, 6, true, false};
        level[l]->bn_apply_plane_f32(7, in, &k, out);
        assert_true(out[0] == 0 && out[1] == 0 && out[2] == 5 && out[3] == 6 && out[4] == 6 && out[5] == 6);
        assert_true(isnan(out[6]));
        k.high = INFINITY;
        double sum[2] = {0, 0};
        level[l]->bn_grad_sums_planes_f32(1, 7, 6, in, ones, &k, sum);
        assert_true(sum[0] == 4); /* infinity passes */
        k.high = 0x1.7ffffep2f;
        sum[0] = sum[1] = 0;
        level[l]->bn_grad_sums_planes_f32(1, 7, 5, in, ones, &k, sum);
        assert_true(sum[0] == 1 && sum[1] == 5);
        const float bad[2] = {NAN, INFINITY}, closed[2] = {-1, -1}; /* not hidden by the closed unit */
        float dx[2], columns[2] = {0, 0}, unit[2] = {1, 1};
        const ek_bn_columns rows = {columns, unit, columns, columns, columns, INFINITY, true, false};
        level[l]->bn_grad_apply_plane_f32(2, closed, bad, &k, dx);
        assert_true(isnan(dx[0]) && isnan(dx[1]));
        level[l]->bn_grad_apply_f32(1, 2, closed, bad, &rows, dx);
        assert_true(isnan(dx[0]) && isnan(dx[1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(levels_agree), cmocka_unit_test(sums_are_right),
                                       cmocka_unit_test(finishes_agree), cmocka_unit_test(inverse_deviations_are_right),
                                       cmocka_unit_test(the_result_may_replace_the_input),
                                       cmocka_unit_test(ends_of_the_clamp)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
