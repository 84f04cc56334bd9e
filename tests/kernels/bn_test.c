/* Batch norm's loops: every level gives base's bits for every width, whole vectors or not. */
#include "kernels/levels.h"

enum { ROWS = 301, W = 1100 };
static float x[ROWS * W], dy[ROWS * W], got[ROWS * W], expect[ROWS * W], v[6][W];
static double sums[2][2][W];

static void fill(void)
{
    uint64_t seed = 3;

    for (int i = 0; i < ROWS * W; i++) {
        x[i] = (float)(100 + test_uniform(&seed));
        dy[i] = (float)test_uniform(&seed);
    }
    for (int k = 0; k < 6; k++)
        for (int j = 0; j < W; j++) v[k][j] = (float)test_uniform(&seed);
}

static void levels_agree(void **state)
{
    static const int64_t sizes[][2] = { { 1, 1 }, { 3, 17 }, { 16, 64 }, { 145, 80 }, { 301, 33 }, { 20, W } };
    const ek_kernels *level[8];
    const int n = ek__kernel_levels(level, 8);

    (void)state;
    fill();
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const int64_t rows = sizes[s][0], w = sizes[s][1];
        const size_t bytes = (size_t)(rows * w) * sizeof(float);
        for (int l = 1; l < n; l++) {
            memset(sums, 0, sizeof sums);
            level[0]->bn_stats_f32(rows, w, w, x, x, sums[0][0], sums[0][1]);
            level[l]->bn_stats_f32(rows, w, w, x, x, sums[1][0], sums[1][1]);
            assert_memory_equal(sums[0], sums[1], sizeof sums[0]);
            level[0]->bn_grad_sums_f32(rows, w, w, x, dy, v[0], v[1], sums[0][0], sums[0][1]);
            level[l]->bn_grad_sums_f32(rows, w, w, x, dy, v[0], v[1], sums[1][0], sums[1][1]);
            assert_memory_equal(sums[0], sums[1], sizeof sums[0]);
            level[0]->bn_apply_f32(rows, w, w, x, v[0], v[1], v[2], v[3], expect);
            level[l]->bn_apply_f32(rows, w, w, x, v[0], v[1], v[2], v[3], got);
            assert_memory_equal(got, expect, bytes);
            level[0]->bn_grad_apply_f32(rows, w, w, x, dy, v[0], v[1], v[2], v[3], v[4], expect);
            level[l]->bn_grad_apply_f32(rows, w, w, x, dy, v[0], v[1], v[2], v[3], v[4], got);
            assert_memory_equal(got, expect, bytes);
        }
    }
}

static void the_result_may_replace_the_input(void **state)
{
    const ek_kernels *level[8];
    const int n = ek__kernel_levels(level, 8);

    (void)state;
    fill();
    for (int l = 0; l < n; l++) {
        level[l]->bn_apply_f32(10, 77, 77, x, v[0], v[1], v[2], v[3], expect);
        memcpy(got, x, sizeof got);
        level[l]->bn_apply_f32(10, 77, 77, got, v[0], v[1], v[2], v[3], got);
        assert_memory_equal(got, expect, 770 * sizeof(float));
        level[l]->bn_grad_apply_f32(10, 77, 77, x, dy, v[0], v[1], v[2], v[3], v[4], expect);
        memcpy(got, dy, sizeof got);
        level[l]->bn_grad_apply_f32(10, 77, 77, x, got, v[0], v[1], v[2], v[3], v[4], got);
        assert_memory_equal(got, expect, 770 * sizeof(float));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(levels_agree),
                                       cmocka_unit_test(the_result_may_replace_the_input) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
