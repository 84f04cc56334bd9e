/* Folding rows: every level gives base's bits, for every dtype and fold, and base adds in row order. */
#include <math.h>

#include "kernels/levels.h"

typedef void (*fold_fn)(int64_t rows, int64_t stride, int64_t w, const void *x, void *acc);

#define ALL_TYPES(X, op)                                                                                      \
    X(op, f16) X(op, bf16) X(op, f32) X(op, f64) X(op, i8) X(op, i16) X(op, i32) X(op, i64) X(op, u8)         \
    X(op, u16) X(op, u32) X(op, u64)
#define PLACE(op, t) { #op "_" #t, offsetof(ek_kernels, reduce_##op##_##t) },
static const struct {
    const char *name;
    size_t place;
} folds[] = { ALL_TYPES(PLACE, max) ALL_TYPES(PLACE, min) ALL_TYPES(PLACE, prod) ALL_TYPES(PLACE, sum)
              ALL_TYPES(PLACE, sumsq) PLACE(prod, c64) PLACE(prod, c128) PLACE(sum, c64) PLACE(sum, c128)
              PLACE(sumsq, c64) PLACE(sumsq, c128) };

static fold_fn fold_at(const ek_kernels *k, size_t place)
{
    fold_fn fn;
    memcpy(&fn, (const char *)k + place, sizeof fn);
    return fn;
}

/* Bits that are ordinary numbers as float16, bfloat16, float and double alike: no NaN, whose payload may differ. */
static void fill(uint16_t *x, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t r = test_next(&seed);
        x[i] = (uint16_t)((r & 0x83ff) | (0x3c00 + ((r >> 20) & 0x3) * 0x100));
    }
}

static void levels_agree(void **state)
{
    static const int64_t sizes[][3] = { { 1, 16, 16 }, { 9, 16, 16 }, { 5, 40, 33 }, { 3, 7, 7 }, { 18, 256, 256 },
                                        { 0, 16, 16 }, { 4, 1, 1 }, { 7, 300, 130 } };
    static uint16_t x[32 * 320 * 8], expect[300 * 8], got[300 * 8];
    const ek_kernels *level[8];
    const int n = ek__kernel_levels(level, 8);

    (void)state;
    fill(x, sizeof x / 2, 7);
    for (size_t f = 0; f < sizeof folds / sizeof *folds; f++) {
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            fill(expect, sizeof expect / 2, 9);
            fold_at(level[0], folds[f].place)(sizes[s][0], sizes[s][1], sizes[s][2], x, expect);
            for (int l = 1; l < n; l++) {
                fill(got, sizeof got / 2, 9);
                fold_at(level[l], folds[f].place)(sizes[s][0], sizes[s][1], sizes[s][2], x, got);
                if (memcmp(got, expect, sizeof got) != 0)
                    fail_msg("%s differs at level %s", folds[f].name, level[l]->level);
            }
        }
    }
}

static void base_adds_in_row_order(void **state)
{
    enum { ROWS = 11, W = 16 };
    const ek_kernels *level[1];
    float x[ROWS * W];
    double acc[W], expect[W];
    uint64_t seed = 3;

    (void)state;
    ek__kernel_levels(level, 1);
    for (int i = 0; i < ROWS * W; i++) x[i] = (float)test_uniform(&seed);
    for (int j = 0; j < W; j++) {
        acc[j] = expect[j] = 0.1 * j;
        for (int r = 0; r < ROWS; r++) expect[j] += (double)x[r * W + j];
    }
    level[0]->reduce_sum_f32(ROWS, W, W, x, acc);
    assert_memory_equal(acc, expect, sizeof acc);
}

static void maximum_keeps_a_nan(void **state)
{
    const float x[] = { 1, 2, NAN, 4, 5, 3 };
    const ek_kernels *level[8];
    const int n = ek__kernel_levels(level, 8);

    (void)state;
    for (int l = 0; l < n; l++) {
        double acc[2] = { -INFINITY, -INFINITY };
        level[l]->reduce_max_f32(3, 2, 2, x, acc);
        assert_true(isnan(acc[0]));
        assert_true(acc[1] == 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_agree),
        cmocka_unit_test(base_adds_in_row_order),
        cmocka_unit_test(maximum_keeps_a_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
