/* kernels/bn_rows_lv.c - the loops of batch norm over rows of float32.
 *
 * A row is w columns; each column has its own statistics. Callers see to it that w is wide (ops/bn_rows.c): narrow
 * channels stand side by side several times. Columns are independent and rows are added in order, so every level gives
 * the same bits.
 *
 * Sums run in float about a shift that follows the data, CHUNK rows at most, and are then promoted to double about a
 * reference that does not move:
 *     x - reference = (x - shift) + e  with  e = shift - reference
 *     sum (x - reference)   = s1 + n e
 *     sum (x - reference)^2 = s2 + 2 e s1 + n e^2
 * The first START rows are summed in double and chunks grow from there, so that wild first rows spoil no shift for
 * long. A shift is always finite, so that a mean is infinite where x is.
 */
#include "kernels/bn_lv.h"
#include "kernels/loop_lv.h"

enum {
    TILE = 1024, /* columns at a time: their sums stay in the first-level cache */
    START = 8,
    CHUNK = 128,
    NEAR = 32768 /* numbers: what the second-level cache holds */
};

/* What is left of a row of w columns from j. */
#define LOAD_PART(p) vf_load_part((p), w - j, 0)
#define STORE_PART(p, v) vf_store_part((p), (v), w - j)

/* ---- statistics -------------------------------------------------------------------------- */

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

/* The same with the sums of V vectors of columns in registers, all rows of a few columns before the next: for what is
 * in a near cache. */
#define STRIP(V, LOAD, STORE)                                                     \
    {                                                                             \
        vf h[V], t1[V], t2[V];                                                    \
        const float *p = x + j;                                                   \
        for (int v = 0; v < V; v++) {                                             \
            h[v] = LOAD(shift + j + v * VF_LANES);                                \
            t1[v] = t2[v] = vf_set(0);                                            \
        }                                                                         \
        for (int64_t r = 0; r < rows; r++, p += stride)                           \
            for (int v = 0; v < V; v++) {                                         \
                const vf d = vf_sub(LOAD(p + v * VF_LANES), h[v]);                \
                t1[v] = vf_add(t1[v], d);                                         \
                t2[v] = vf_add(t2[v], vf_mul(d, d));                              \
            }                                                                     \
        for (int v = 0; v < V; v++) {                                             \
            STORE(s1 + j + v * VF_LANES, t1[v]);                                  \
            STORE(s2 + j + v * VF_LANES, t2[v]);                                  \
        }                                                                         \
    }

static void strip_sums(int64_t rows, int64_t stride, int64_t w, const float *restrict x, const float *restrict shift,
                       float *restrict s1, float *restrict s2)
{
    int64_t j = 0;

    for (; j + 4 * VF_LANES <= w; j += 4 * VF_LANES) STRIP(4, vf_load, vf_store)
    for (; j + VF_LANES <= w; j += VF_LANES) STRIP(1, vf_load, vf_store)
    if (j < w) STRIP(1, LOAD_PART, STORE_PART)
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
        const float next = (float)((double)shift[j] + t / n);
        shift[j] = next - next == 0 ? next : reference[j];
        s1[j] = s2[j] = 0;
    }
}

static void tile_stats(int64_t rows, int64_t stride, int64_t w, const float *x, const float *first_row, double *a1,
                       double *a2)
{
    const int64_t start = rows < START ? rows : START;
    const bool near = rows * stride <= NEAR;
    double before[TILE];
    float reference[TILE], shift[TILE], s1[TILE], s2[TILE];

    for (int64_t j = 0; j < w; j++) {
        before[j] = a1[j];
        reference[j] = first_row[j] - first_row[j] == 0 ? first_row[j] : 0;
    }
    wide_sums(start, stride, w, x, reference, a1, a2);
    if (rows == start) return;
    for (int64_t j = 0; j < w; j++) {
        const float first = (float)((double)reference[j] + (a1[j] - before[j]) / (double)start);
        shift[j] = first - first == 0 ? first : reference[j];
        s1[j] = s2[j] = 0;
    }
    for (int64_t r = start, n = start; r < rows; r += n) {
        n = r < CHUNK ? r : CHUNK;
        if (n > rows - r) n = rows - r;
        if (near) strip_sums(n, stride, w, x + r * stride, shift, s1, s2);
        else chunk_sums(n, stride, w, x + r * stride, shift, s1, s2);
        promote(n, w, reference, shift, s1, s2, a1, a2);
    }
}

/* Adds to sum and sum_of_squares what x has about the reference, 0 where that is not finite. */
void EK_K(bn_stats_f32)(int64_t rows, int64_t w, const float *x, const float *reference, double *sum,
                        double *sum_of_squares)
{
    for (int64_t j = 0; j < w; j += TILE)
        tile_stats(rows, w, w - j < TILE ? w - j : TILE, x + j, reference + j, sum + j, sum_of_squares + j);
}

/* ---- normalising ------------------------------------------------------------------------- */

/* Rows [0, STEP) of the columns from j, as many as a vector has or `part` of them. */
#define APPLY_ROWS(STEP, LOAD, STORE)                                            \
    {                                                                            \
        const vf mean = LOAD(k->mean + j), a = LOAD(k->a + j), b = LOAD(k->b + j); \
        vf v[STEP];                                                              \
        for (int i = 0; i < STEP; i++) v[i] = bn_normal(LOAD(x + j + i * w), mean, a, b, clamp, high); \
        for (int i = 0; i < STEP; i++) STORE(y + j + i * w, v[i]);               \
    }

/* Streamed stores want whole lines one after the other: row by row. */
BN_INLINE void apply_rows(int64_t rows, int64_t w, const float *x, const ek_bn_columns *k, float *y, bool clamp,
                          bool stream)
{
    const vf high = vf_set(k->high);
    const int64_t whole = w - w % VF_LANES;
    int64_t r = 0;

    for (; r + 4 <= rows && !stream; r += 4, x += 4 * w, y += 4 * w) {
        INDEPENDENT
        for (int64_t j = 0; j < whole; j += VF_LANES) APPLY_ROWS(4, vf_load, vf_store)
        for (int64_t j = whole; j < w; j = w) APPLY_ROWS(4, LOAD_PART, STORE_PART)
    }
    for (; r < rows; r++, x += w, y += w) {
        INDEPENDENT
        for (int64_t j = 0; j < whole; j += VF_LANES)
            if (stream) APPLY_ROWS(1, vf_load, vf_stream)
            else APPLY_ROWS(1, vf_load, vf_store)
        for (int64_t j = whole; j < w; j = w) APPLY_ROWS(1, LOAD_PART, STORE_PART)
    }
    if (stream) vf_fence();
}

void EK_K(bn_apply_f32)(int64_t rows, int64_t w, const float *x, const ek_bn_columns *k, float *y)
{
    const bool stream = k->stream && bn_aligned(y) && w % VF_LANES == 0;

    if (k->clamp && stream) apply_rows(rows, w, x, k, y, true, true);
    else if (k->clamp) apply_rows(rows, w, x, k, y, true, false);
    else if (stream) apply_rows(rows, w, x, k, y, false, true);
    else apply_rows(rows, w, x, k, y, false, false);
}

/* ---- gradient ---------------------------------------------------------------------------- */

/* s1 += g, s2 += g * (x - mean) for the columns of a vector from j, STEP rows in order. */
#define SUM_ROWS(STEP, LOAD, STORE)                                                                       \
    {                                                                                                     \
        const vf mean = LOAD(k->mean + at + j), a = clamp ? LOAD(k->a + at + j) : mean,                   \
                 b = clamp ? LOAD(k->b + at + j) : mean;                                                  \
        vf t1 = LOAD(s1 + j), t2 = LOAD(s2 + j);                                                          \
        for (int i = 0; i < STEP; i++) {                                                                  \
            const vf c = vf_sub(LOAD(x + j + i * stride), mean);                                          \
            const vf g = bn_passed(LOAD(dy + j + i * stride), c, a, b, clamp, high);                      \
            t1 = vf_add(t1, g);                                                                           \
            t2 = vf_add(t2, vf_mul(g, c));                                                                \
        }                                                                                                 \
        STORE(s1 + j, t1);                                                                                \
        STORE(s2 + j, t2);                                                                                \
    }

BN_INLINE void chunk_grad_sums(int64_t rows, int64_t stride, int64_t w, int64_t at, const float *restrict x,
                               const float *restrict dy, const ek_bn_columns *k, float *restrict s1,
                               float *restrict s2, bool clamp)
{
    const vf high = vf_set(k->high);
    const int64_t whole = w - w % VF_LANES;
    int64_t r = 0;

    for (; r + 4 <= rows; r += 4, x += 4 * stride, dy += 4 * stride) {
        INDEPENDENT
        for (int64_t j = 0; j < whole; j += VF_LANES) SUM_ROWS(4, vf_load, vf_store)
        for (int64_t j = whole; j < w; j = w) SUM_ROWS(4, LOAD_PART, STORE_PART)
    }
    for (; r < rows; r++, x += stride, dy += stride) {
        INDEPENDENT
        for (int64_t j = 0; j < whole; j += VF_LANES) SUM_ROWS(1, vf_load, vf_store)
        for (int64_t j = whole; j < w; j = w) SUM_ROWS(1, LOAD_PART, STORE_PART)
    }
}

/* Adds sum g and sum g * (x - mean), CHUNK rows at a time in float. */
void EK_K(bn_grad_sums_f32)(int64_t rows, int64_t w, const float *x, const float *dy, const ek_bn_columns *k,
                            double *sum_g, double *sum_gx)
{
    float s1[TILE], s2[TILE];

    for (int64_t r = 0; r < rows; r += CHUNK)
        for (int64_t j = 0; j < w; j += TILE) {
            const int64_t width = w - j < TILE ? w - j : TILE, n = rows - r < CHUNK ? rows - r : CHUNK;
            for (int64_t i = 0; i < width; i++) s1[i] = s2[i] = 0;
            if (k->clamp) chunk_grad_sums(n, w, width, j, x + r * w + j, dy + r * w + j, k, s1, s2, true);
            else chunk_grad_sums(n, w, width, j, x + r * w + j, dy + r * w + j, k, s1, s2, false);
            for (int64_t i = 0; i < width; i++) {
                sum_g[j + i] += (double)s1[i];
                sum_gx[j + i] += (double)s2[i];
            }
        }
}

#define GRAD_ROWS(STEP, LOAD, STORE)                                                                      \
    {                                                                                                     \
        const vf mean = LOAD(k->mean + j), a = LOAD(k->a + j), b = clamp ? LOAD(k->b + j) : mean;          \
        const vf gc = LOAD(k->gc + j), gd = LOAD(k->gd + j);                                              \
        vf v[STEP];                                                                                       \
        for (int i = 0; i < STEP; i++) {                                                                  \
            const vf c = vf_sub(LOAD(x + j + i * w), mean);                                               \
            v[i] = bn_slope(bn_passed(LOAD(dy + j + i * w), c, a, b, clamp, high), c, a, gc, gd);         \
        }                                                                                                 \
        for (int i = 0; i < STEP; i++) STORE(dx + j + i * w, v[i]);                                       \
    }

BN_INLINE void grad_apply_rows(int64_t rows, int64_t w, const float *x, const float *dy, const ek_bn_columns *k,
                               float *dx, bool clamp, bool stream)
{
    const vf high = vf_set(k->high);
    const int64_t whole = w - w % VF_LANES;
    int64_t r = 0;

    for (; r + 2 <= rows && !stream; r += 2, x += 2 * w, dy += 2 * w, dx += 2 * w) {
        INDEPENDENT
        for (int64_t j = 0; j < whole; j += VF_LANES) GRAD_ROWS(2, vf_load, vf_store)
        for (int64_t j = whole; j < w; j = w) GRAD_ROWS(2, LOAD_PART, STORE_PART)
    }
    for (; r < rows; r++, x += w, dy += w, dx += w) {
        INDEPENDENT
        for (int64_t j = 0; j < whole; j += VF_LANES)
            if (stream) GRAD_ROWS(1, vf_load, vf_stream)
            else GRAD_ROWS(1, vf_load, vf_store)
        for (int64_t j = whole; j < w; j = w) GRAD_ROWS(1, LOAD_PART, STORE_PART)
    }
    if (stream) vf_fence();
}

void EK_K(bn_grad_apply_f32)(int64_t rows, int64_t w, const float *x, const float *dy, const ek_bn_columns *k,
                             float *dx)
{
    const bool stream = k->stream && bn_aligned(dx) && w % VF_LANES == 0;

    if (k->clamp && stream) grad_apply_rows(rows, w, x, dy, k, dx, true, true);
    else if (k->clamp) grad_apply_rows(rows, w, x, dy, k, dx, true, false);
    else if (stream) grad_apply_rows(rows, w, x, dy, k, dx, false, true);
    else grad_apply_rows(rows, w, x, dy, k, dx, false, false);
}
