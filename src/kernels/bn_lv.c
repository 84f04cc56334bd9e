/* kernels/bn_lv.c - the loops of batch norm over rows of float32.
 *
 * A row is w columns; each column has its own statistics. Callers see to it that w is wide
 * (ops/bn.c): narrow channels stand side by side several times. Columns are independent
 * and rows are added in order, so every level gives the same bits.
 *
 * Sums run in float about a shift that follows the data, CHUNK rows at most, and are then
 * promoted to double about a reference that does not move:
 *     x - reference = (x - shift) + e  with  e = shift - reference
 *     sum (x - reference)   = s1 + n e
 *     sum (x - reference)^2 = s2 + 2 e s1 + n e^2
 * The first START rows are summed in double and chunks grow from there, so that wild first rows
 * spoil no shift for long.
 */
#include "kernels/loop_lv.h"

enum {
    TILE = 1024, /* columns at a time: their sums stay in the first-level cache */
    START = 16,
    CHUNK = 128
};

/* ---- statistics ----------------------------------------------------------------------------- */

static inline void wide_sums(int64_t rows, int64_t stride, int64_t w, const float *restrict x,
                             const float *restrict reference, double *restrict a1, double *restrict a2)
{
    int64_t r = 0;

    for (; r + 4 <= rows; r += 4, x += 4 * stride)
        for (int64_t j = 0; j < w; j++) {
            const double ref = (double)reference[j];
            const double d0 = (double)x[j] - ref, d1 = (double)x[j + stride] - ref;
            const double d2 = (double)x[j + 2 * stride] - ref, d3 = (double)x[j + 3 * stride] - ref;
            a1[j] = (((a1[j] + d0) + d1) + d2) + d3;
            a2[j] = (((a2[j] + d0 * d0) + d1 * d1) + d2 * d2) + d3 * d3;
        }
    for (; r < rows; r++, x += stride)
        for (int64_t j = 0; j < w; j++) {
            const double d = (double)x[j] - (double)reference[j];
            a1[j] += d;
            a2[j] += d * d;
        }
}

static inline void chunk_sums(int64_t rows, int64_t stride, int64_t w, const float *restrict x,
                              const float *restrict shift, float *restrict s1, float *restrict s2)
{
    int64_t r = 0;

    for (; r + 4 <= rows; r += 4, x += 4 * stride)
        for (int64_t j = 0; j < w; j++) {
            const float d0 = x[j] - shift[j], d1 = x[j + stride] - shift[j];
            const float d2 = x[j + 2 * stride] - shift[j], d3 = x[j + 3 * stride] - shift[j];
            s1[j] = (((s1[j] + d0) + d1) + d2) + d3;
            s2[j] = (((s2[j] + d0 * d0) + d1 * d1) + d2 * d2) + d3 * d3;
        }
    for (; r < rows; r++, x += stride)
        for (int64_t j = 0; j < w; j++) {
            const float d = x[j] - shift[j];
            s1[j] += d;
            s2[j] += d * d;
        }
}

/* Adds a chunk's sums to the wide ones, moves the shift to that chunk's mean and clears its sums. */
static inline void promote(int64_t rows, int64_t w, const float *restrict reference, float *restrict shift,
                           float *restrict s1, float *restrict s2, double *restrict a1, double *restrict a2)
{
    const double n = (double)rows;

    for (int64_t j = 0; j < w; j++) {
        const double e = (double)shift[j] - (double)reference[j], t = (double)s1[j];
        a1[j] += t + n * e;
        a2[j] += (double)s2[j] + e * (2.0 * t + n * e);
        shift[j] = (float)((double)shift[j] + t / n);
        s1[j] = s2[j] = 0;
    }
}

static void tile_stats(int64_t rows, int64_t stride, int64_t w, const float *x, const float *reference, double *a1,
                       double *a2)
{
    const int64_t start = rows < START ? rows : START;
    double before[TILE];
    float shift[TILE], s1[TILE], s2[TILE];

    for (int64_t j = 0; j < w; j++) before[j] = a1[j];
    wide_sums(start, stride, w, x, reference, a1, a2);
    if (rows == start) return;
    for (int64_t j = 0; j < w; j++) {
        shift[j] = (float)((double)reference[j] + (a1[j] - before[j]) / (double)start);
        s1[j] = s2[j] = 0;
    }
    for (int64_t r = start, n = start; r < rows; r += n) {
        n = r < CHUNK ? r : CHUNK;
        if (n > rows - r) n = rows - r;
        chunk_sums(n, stride, w, x + r * stride, shift, s1, s2);
        promote(n, w, reference, shift, s1, s2, a1, a2);
    }
}

/* Adds to sum and sum_of_squares what x has about the reference. */
void EK_K(bn_stats_f32)(int64_t rows, int64_t stride, int64_t w, const float *x, const float *reference, double *sum,
                        double *sum_of_squares)
{
    for (int64_t j = 0; j < w; j += TILE)
        tile_stats(rows, stride, w - j < TILE ? w - j : TILE, x + j, reference + j, sum + j, sum_of_squares + j);
}

/* ---- normalising ------------------------------------------------------------------------------ */

/* y = ((x - mean_hi) - mean_lo) * a + b; y may be x. */
void EK_K(bn_apply_f32)(int64_t rows, int64_t stride, int64_t w, const float *x, const float *mean_hi,
                        const float *mean_lo, const float *a, const float *b, float *y)
{
    int64_t r = 0;

#define NORMAL(i) (((x[i] - mean_hi[j]) - mean_lo[j]) * a[j] + b[j])
    for (; r + 4 <= rows; r += 4, x += 4 * stride, y += 4 * stride) {
        INDEPENDENT
        for (int64_t j = 0; j < w; j++) {
            const float y0 = NORMAL(j), y1 = NORMAL(j + stride), y2 = NORMAL(j + 2 * stride),
                        y3 = NORMAL(j + 3 * stride);
            y[j] = y0;
            y[j + stride] = y1;
            y[j + 2 * stride] = y2;
            y[j + 3 * stride] = y3;
        }
    }
    for (; r < rows; r++, x += stride, y += stride) {
        INDEPENDENT
        for (int64_t j = 0; j < w; j++) y[j] = NORMAL(j);
    }
#undef NORMAL
}

/* ---- gradient ------------------------------------------------------------------------------------ */

static inline void chunk_grad_sums(int64_t rows, int64_t stride, int64_t w, const float *restrict x,
                                   const float *restrict dy, const float *restrict mean_hi,
                                   const float *restrict mean_lo, float *restrict s1, float *restrict s2)
{
    int64_t r = 0;

#define CENTRED(i) ((x[i] - mean_hi[j]) - mean_lo[j])
    for (; r + 2 <= rows; r += 2, x += 2 * stride, dy += 2 * stride)
        for (int64_t j = 0; j < w; j++) {
            const float c0 = CENTRED(j), c1 = CENTRED(j + stride), dy0 = dy[j], dy1 = dy[j + stride];
            s1[j] = (s1[j] + dy0) + dy1;
            s2[j] = (s2[j] + dy0 * c0) + dy1 * c1;
        }
    for (; r < rows; r++, x += stride, dy += stride)
        for (int64_t j = 0; j < w; j++) {
            s1[j] += dy[j];
            s2[j] += dy[j] * CENTRED(j);
        }
#undef CENTRED
}

/* Adds sum dy and sum dy * (x - mean), CHUNK rows at a time in float. */
void EK_K(bn_grad_sums_f32)(int64_t rows, int64_t stride, int64_t w, const float *x, const float *dy,
                            const float *mean_hi, const float *mean_lo, double *sum_dy, double *sum_dyx)
{
    float s1[TILE], s2[TILE];

    for (int64_t j = 0; j < w; j += TILE) {
        const int64_t width = w - j < TILE ? w - j : TILE;
        for (int64_t r = 0; r < rows; r += CHUNK) {
            for (int64_t i = 0; i < width; i++) s1[i] = s2[i] = 0;
            chunk_grad_sums(rows - r < CHUNK ? rows - r : CHUNK, stride, width, x + r * stride + j, dy + r * stride + j,
                            mean_hi + j, mean_lo + j, s1, s2);
            for (int64_t i = 0; i < width; i++) {
                sum_dy[j + i] += (double)s1[i];
                sum_dyx[j + i] += (double)s2[i];
            }
        }
    }
}

/* dx = (a * dy + (x - mean) * c) + d; dx may be dy or x. */
void EK_K(bn_grad_apply_f32)(int64_t rows, int64_t stride, int64_t w, const float *x, const float *dy,
                             const float *mean_hi, const float *mean_lo, const float *a, const float *c, const float *d,
                             float *dx)
{
    int64_t r = 0;

#define SLOPE(i) ((a[j] * dy[i] + ((x[i] - mean_hi[j]) - mean_lo[j]) * c[j]) + d[j])
    for (; r + 2 <= rows; r += 2, x += 2 * stride, dy += 2 * stride, dx += 2 * stride) {
        INDEPENDENT
        for (int64_t j = 0; j < w; j++) {
            const float d0 = SLOPE(j), d1 = SLOPE(j + stride);
            dx[j] = d0;
            dx[j + stride] = d1;
        }
    }
    for (; r < rows; r++, x += stride, dy += stride, dx += stride) {
        INDEPENDENT
        for (int64_t j = 0; j < w; j++) dx[j] = SLOPE(j);
    }
#undef SLOPE
}
