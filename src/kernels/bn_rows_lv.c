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
 * The first shift is about the mean of START rows, and the first chunk is a short one, so that wild first rows spoil no
 * shift for long. A shift is always finite, so that a mean is infinite where x is.
 */
#include <string.h>

#include "kernels/bn_lv.h"
#include "kernels/loop_lv.h"

enum {
    TILE = 1024, /* columns at a time: their sums stay in the first-level cache */
    START = 8,
    FIRST = 32,
    CHUNK = 128,
    STRIP = 4,   /* vectors */
    NEAR = 32768 /* numbers: what the second-level cache holds */
};

/* What is left of a row of w columns from j. */
#define LOAD_PART(p) vf_load_part((p), w - j, 0)
#define STORE_PART(p, v) vf_store_part((p), (v), w - j)

/* Vector v of the V of a strip, whole but for the last. */
#define STRIP_LOAD(p) (v < V - 1 ? vf_load((p) + v * VF_LANES) : vf_load_part((p) + v * VF_LANES, last, 0))
#define STRIP_STORE(p, a) \
    (v < V - 1 ? vf_store((p) + v * VF_LANES, (a)) : vf_store_part((p) + v * VF_LANES, (a), last))
/* Calls DO(V, columns in the last) for what is left of a row after whole strips. */
#define EACH_WIDTH_OF_A_STRIP(left, DO)                                \
    {                                                                  \
        const int64_t left_ = (left);                                  \
        if (left_ > 3 * VF_LANES) DO(4, left_ - 3 * VF_LANES);         \
        else if (left_ > 2 * VF_LANES) DO(3, left_ - 2 * VF_LANES);    \
        else if (left_ > VF_LANES) DO(2, left_ - VF_LANES);            \
        else if (left_ > 0) DO(1, left_);                              \
    }

/* ---- statistics -------------------------------------------------------------------------- */

static inline vf finite_or(vf a, vf otherwise)
{
    const vf zero = vf_set(0);

    return vf_select(vf_eq(vf_sub(a, a), zero), a, otherwise);
}

/* What is summed about at first: about the mean of the first rows, so that one wild row spoils it by a part only. */
#define FIRST_SHIFT(LOAD, STORE)                                                          \
    {                                                                                     \
        const vf ref = LOAD(reference + j);                                               \
        vf sum = vf_set(0);                                                               \
        for (int64_t r = 0; r < rows; r++) sum = vf_add(sum, vf_sub(LOAD(x + j + r * stride), ref)); \
        STORE(shift + j, finite_or(vf_add(ref, vf_mul(sum, share)), ref));                \
    }
static inline void first_shift(int64_t rows, int64_t stride, int64_t w, const float *restrict x,
                               const float *restrict reference, float *restrict shift)
{
    const vf share = vf_set(1.0f / (float)rows);
    int64_t j = 0;

    for (; j + VF_LANES <= w; j += VF_LANES) FIRST_SHIFT(vf_load, vf_store)
    for (; j < w; j = w) FIRST_SHIFT(LOAD_PART, STORE_PART)
}

/* Rows are added by fours, ((0 + 1) + (2 + 3)): the sums so far are then rounded a quarter as often. */
static inline void chunk_sums(int64_t rows, int64_t stride, int64_t w, const float *restrict x,
                              const float *restrict shift, float *restrict s1, float *restrict s2)
{
    int64_t r = 0;

    for (; r + 4 <= rows; r += 4, x += 4 * stride)
        for (int64_t j = 0; j < w; j++) {
            const float d0 = x[j] - shift[j], d1 = x[j + stride] - shift[j];
            const float d2 = x[j + 2 * stride] - shift[j], d3 = x[j + 3 * stride] - shift[j];
            s1[j] += (d0 + d1) + (d2 + d3);
            s2[j] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
        }
    for (; r < rows; r++, x += stride)
        for (int64_t j = 0; j < w; j++) {
            const float d = x[j] - shift[j];
            s1[j] += d;
            s2[j] += d * d;
        }
}

/* The same with the sums of a few vectors of columns in registers, all rows of them before the next: for what is in a
 * near cache. The last of V vectors has `last` columns. */
BN_INLINE void strip(int V, int64_t last, int64_t rows, int64_t stride, const float *restrict x,
                     const float *restrict shift, float *restrict s1, float *restrict s2)
{
    vf h[STRIP], t1[STRIP], t2[STRIP];

    for (int v = 0; v < V; v++) {
        h[v] = STRIP_LOAD(shift);
        t1[v] = t2[v] = vf_set(0);
    }
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4, x += 4 * stride)
        for (int v = 0; v < V; v++) {
            const vf d0 = vf_sub(STRIP_LOAD(x), h[v]), d1 = vf_sub(STRIP_LOAD(x + stride), h[v]);
            const vf d2 = vf_sub(STRIP_LOAD(x + 2 * stride), h[v]), d3 = vf_sub(STRIP_LOAD(x + 3 * stride), h[v]);
            t1[v] = vf_add(t1[v], vf_add(vf_add(d0, d1), vf_add(d2, d3)));
            t2[v] = vf_add(t2[v], vf_add(vf_add(vf_mul(d0, d0), vf_mul(d1, d1)), vf_add(vf_mul(d2, d2), vf_mul(d3, d3))));
        }
    for (; r < rows; r++, x += stride)
        for (int v = 0; v < V; v++) {
            const vf d = vf_sub(STRIP_LOAD(x), h[v]);
            t1[v] = vf_add(t1[v], d);
            t2[v] = vf_add(t2[v], vf_mul(d, d));
        }
    for (int v = 0; v < V; v++) {
        STRIP_STORE(s1, t1[v]);
        STRIP_STORE(s2, t2[v]);
    }
}

static void strip_sums(int64_t rows, int64_t stride, int64_t w, const float *restrict x, const float *restrict shift,
                       float *restrict s1, float *restrict s2)
{
    int64_t j = 0;

#define STRIP_FROM_J(V, last) strip(V, last, rows, stride, x + j, shift + j, s1 + j, s2 + j)
    for (; j + STRIP * VF_LANES <= w; j += STRIP * VF_LANES) STRIP_FROM_J(STRIP, VF_LANES);
    EACH_WIDTH_OF_A_STRIP(w - j, STRIP_FROM_J)
#undef STRIP_FROM_J
}

/* Adds a chunk's sums to the wide ones and moves the shift to about that chunk's mean. */
static inline void promote(int64_t rows, int64_t w, const float *restrict reference, float *restrict shift,
                           const float *restrict s1, const float *restrict s2, double *restrict a1,
                           double *restrict a2)
{
    const double n = (double)rows, share = 1.0 / n;

    for (int64_t j = 0; j < w; j++) {
        const double e = (double)shift[j] - (double)reference[j], t = (double)s1[j];
        a1[j] += t + n * e;
        a2[j] += (double)s2[j] + e * (2.0 * t + n * e);
        const float next = (float)((double)shift[j] + t * share);
        shift[j] = next - next == 0 ? next : reference[j];
    }
}

static void tile_stats(int64_t rows, int64_t stride, int64_t w, const float *x, const float *first_row, double *a1,
                       double *a2)
{
    const bool near = rows * stride <= NEAR;
    float reference[TILE], shift[TILE], s1[TILE], s2[TILE];

    if (rows == 0) return;
    for (int64_t j = 0; j < w; j++) reference[j] = first_row[j] - first_row[j] == 0 ? first_row[j] : 0;
    first_shift(rows < START ? rows : START, stride, w, x, reference, shift);
    for (int64_t r = 0, n = FIRST; r < rows; r += n, n = CHUNK) {
        if (n > rows - r) n = rows - r;
        if (near) {
            strip_sums(n, stride, w, x + r * stride, shift, s1, s2);
        } else {
            memset(s1, 0, (size_t)w * sizeof *s1);
            memset(s2, 0, (size_t)w * sizeof *s2);
            chunk_sums(n, stride, w, x + r * stride, shift, s1, s2);
        }
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

BN_INLINE void grad_strip(int V, int64_t last, int64_t rows, int64_t stride, int64_t at, const float *restrict x,
                          const float *restrict dy, const ek_bn_columns *k, float *restrict s1, float *restrict s2,
                          bool clamp)
{
    const vf high = vf_set(k->high);
    vf mean[STRIP], a[STRIP], b[STRIP], t1[STRIP], t2[STRIP];

    for (int v = 0; v < V; v++) {
        mean[v] = STRIP_LOAD(k->mean + at);
        a[v] = clamp ? STRIP_LOAD(k->a + at) : mean[v];
        b[v] = clamp ? STRIP_LOAD(k->b + at) : mean[v];
        t1[v] = t2[v] = vf_set(0);
    }
    for (int64_t r = 0; r < rows; r++, x += stride, dy += stride)
        for (int v = 0; v < V; v++) {
            const vf c = vf_sub(STRIP_LOAD(x), mean[v]), g = bn_passed(STRIP_LOAD(dy), c, a[v], b[v], clamp, high);
            t1[v] = vf_add(t1[v], g);
            t2[v] = vf_add(t2[v], vf_mul(g, c));
        }
    for (int v = 0; v < V; v++) {
        STRIP_STORE(s1, t1[v]);
        STRIP_STORE(s2, t2[v]);
    }
}

BN_INLINE void strip_grad_sums(int64_t rows, int64_t stride, int64_t w, int64_t at, const float *restrict x,
                               const float *restrict dy, const ek_bn_columns *k, float *restrict s1,
                               float *restrict s2, bool clamp)
{
    int64_t j = 0;

#define STRIP_FROM_J(V, last) \
    grad_strip(V, last, rows, stride, at + j, x + j, dy + j, k, s1 + j, s2 + j, clamp)
    for (; j + STRIP * VF_LANES <= w; j += STRIP * VF_LANES) STRIP_FROM_J(STRIP, VF_LANES);
    EACH_WIDTH_OF_A_STRIP(w - j, STRIP_FROM_J)
#undef STRIP_FROM_J
}

static void any_grad_sums(bool near, int64_t rows, int64_t stride, int64_t w, int64_t at, const float *x,
                          const float *dy, const ek_bn_columns *k, float *s1, float *s2)
{
    if (near && k->clamp) strip_grad_sums(rows, stride, w, at, x, dy, k, s1, s2, true);
    else if (near) strip_grad_sums(rows, stride, w, at, x, dy, k, s1, s2, false);
    else if (k->clamp) chunk_grad_sums(rows, stride, w, at, x, dy, k, s1, s2, true);
    else chunk_grad_sums(rows, stride, w, at, x, dy, k, s1, s2, false);
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
            any_grad_sums(rows * w <= NEAR, n, w, width, j, x + r * w + j, dy + r * w + j, k, s1, s2);
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
