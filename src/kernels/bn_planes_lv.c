/* kernels/bn_planes_lv.c - the loops of batch norm over the planes of one channel, float32.
 *
 * Sums are kept in LANES lanes: element i of a piece belongs to lane i % LANES, planes follow each other, and lanes are
 * joined in order at the end of a chunk, so every level gives the same bits. Shift, chunks and promotion are as in
 * bn_rows_lv.c, with one shift for all lanes; a chunk is some whole planes, or a piece of one.
 */
#include "kernels/bn_lv.h"
#include "kernels/loop_lv.h"

enum { LANES = 32, VECTORS = LANES / VF_LANES, START = 8, CHUNK = 128 };

/* ---- walking ----------------------------------------------------------------------------- */

/* `n` elements from `offset` of `images` planes from `image`. */
typedef struct piece {
    int64_t image, offset, images, n;
} piece;

/* The next piece, of about `rows` rows of lanes. */
static piece next_piece(const piece *last, int64_t images, int64_t n, int64_t rows)
{
    const bool done = last->offset + last->n >= n;
    const int64_t image = done ? last->image + last->images : last->image, offset = done ? 0 : last->offset + last->n;
    const int64_t fit = rows / ((n + LANES - 1) / LANES), left = images - image, most = rows * LANES;

    if (offset == 0 && fit >= 1) return (piece){ image, 0, fit < left ? fit : left, n };
    return (piece){ image, offset, 1, n - offset < most ? n - offset : most };
}

static double joined(const float *lanes)
{
    double sum = 0;

    for (int j = 0; j < LANES; j++) sum += (double)lanes[j];
    return sum;
}

/* ---- statistics -------------------------------------------------------------------------- */

static void wide_sums(const float *x, int64_t stride, const piece *p, double reference, double *sums)
{
    for (int64_t i = 0; i < p->images; i++)
        for (int64_t e = 0; e < p->n; e++) {
            const double d = (double)x[(p->image + i) * stride + p->offset + e] - reference;
            sums[0] += d;
            sums[1] += d * d;
        }
}

#define SUM_VECTOR(v, x)                                                    \
    {                                                                       \
        const vf d = vf_sub((x), vf_set(shift));                            \
        t1[v] = vf_add(t1[v], d);                                           \
        t2[v] = vf_add(t2[v], vf_mul(d, d));                                \
    }

/* Lanes of row v of vectors that are in a plane with `left` numbers to go: all, some, none. */
static inline int64_t lanes_left(int64_t left, int v)
{
    const int64_t n = left - (int64_t)v * VF_LANES;

    return n > VF_LANES ? VF_LANES : n;
}

static void chunk_sums(const float *x, int64_t stride, const piece *p, float shift, float *s1, float *s2)
{
    vf t1[VECTORS], t2[VECTORS];

    for (int v = 0; v < VECTORS; v++) t1[v] = t2[v] = vf_set(0);
    for (int64_t i = 0; i < p->images; i++) {
        const float *from = x + (p->image + i) * stride + p->offset;
        int64_t e = 0;
        for (; e + LANES <= p->n; e += LANES)
            for (int v = 0; v < VECTORS; v++) SUM_VECTOR(v, vf_load(from + e + v * VF_LANES))
        for (int v = 0; v < VECTORS; v++) { /* lanes beyond the plane hold the shift, which adds nothing */
            const int64_t n = lanes_left(p->n - e, v);
            if (n > 0) SUM_VECTOR(v, vf_load_part(from + e + v * VF_LANES, n, shift))
        }
    }
    for (int v = 0; v < VECTORS; v++) vf_store(s1 + v * VF_LANES, t1[v]), vf_store(s2 + v * VF_LANES, t2[v]);
}

void EK_K(bn_stats_planes_f32)(int64_t images, int64_t stride, int64_t n, const float *x, double reference,
                                double *sums)
{
    float s1[LANES], s2[LANES];
    piece p = { 0 };
    double mean;

    if (images == 0 || n == 0) return;
    p = next_piece(&p, images, n, START);
    wide_sums(x, stride, &p, reference, sums);
    mean = reference + sums[0] / (double)(p.images * p.n);
    for (int64_t rows = START;; rows = rows < CHUNK ? 2 * rows : rows) {
        p = next_piece(&p, images, n, rows);
        if (p.image >= images) return;
        const float shift = mean - mean == 0 ? (float)mean : (float)reference;
        const double count = (double)(p.images * p.n), e = (double)shift - reference;
        chunk_sums(x, stride, &p, shift, s1, s2);
        const double t = joined(s1);
        sums[0] += t + count * e;
        sums[1] += joined(s2) + e * (2.0 * t + count * e);
        mean = (double)shift + t / count;
    }
}

/* ---- normalising ------------------------------------------------------------------------- */

/* Elements before the first that may be streamed: all where they are not to be. */
static int64_t unaligned(const float *y, int64_t n, bool stream)
{
    int64_t e = 0;

    if (!stream) return n;
    while (e < n && !bn_aligned(y + e)) e++;
    return e;
}

BN_INLINE void apply_plane(int64_t n, const float *x, const ek_bn_columns *k, float *y, bool clamp)
{
    const vf mean = vf_set(*k->mean), a = vf_set(*k->a), b = vf_set(*k->b), high = vf_set(k->high);
    int64_t e = 0, plain = unaligned(y, n, k->stream);

    INDEPENDENT
    for (; e + VF_LANES <= plain; e += VF_LANES)
        vf_store(y + e, bn_normal(vf_load(x + e), mean, a, b, clamp, high));
    if (e < plain) {
        vf_store_part(y + e, bn_normal(vf_load_part(x + e, plain - e, 0), mean, a, b, clamp, high), plain - e);
        e = plain;
    }
    for (; e + VF_LANES <= n; e += VF_LANES)
        vf_stream(y + e, bn_normal(vf_load(x + e), mean, a, b, clamp, high));
    if (e < n) vf_store_part(y + e, bn_normal(vf_load_part(x + e, n - e, 0), mean, a, b, clamp, high), n - e);
    if (k->stream) vf_fence();
}

void EK_K(bn_apply_plane_f32)(int64_t n, const float *x, const ek_bn_columns *k, float *y)
{
    if (k->clamp) apply_plane(n, x, k, y, true);
    else apply_plane(n, x, k, y, false);
}

/* ---- gradient ---------------------------------------------------------------------------- */

#define SUM_GRAD_VECTOR(v, x, dy)                                            \
    {                                                                       \
        const vf c = vf_sub((x), mean);                                     \
        const vf g = bn_passed((dy), c, a, b, clamp, high);                 \
        t1[v] = vf_add(t1[v], g);                                           \
        t2[v] = vf_add(t2[v], vf_mul(g, c));                                \
    }

BN_INLINE void chunk_grad_sums(const float *x, const float *dy, int64_t stride, const piece *p, const ek_bn_columns *k,
                               float *s1, float *s2, bool clamp)
{
    const vf mean = vf_set(*k->mean), a = vf_set(*k->a), b = vf_set(*k->b), high = vf_set(k->high);
    vf t1[VECTORS], t2[VECTORS];

    for (int v = 0; v < VECTORS; v++) t1[v] = t2[v] = vf_set(0);
    for (int64_t i = 0; i < p->images; i++) {
        const float *px = x + (p->image + i) * stride + p->offset, *pg = dy + (px - x);
        int64_t e = 0;
        for (; e + LANES <= p->n; e += LANES)
            for (int v = 0, at = 0; v < VECTORS; v++, at += VF_LANES)
                SUM_GRAD_VECTOR(v, vf_load(px + e + at), vf_load(pg + e + at))
        for (int v = 0, at = 0; v < VECTORS; v++, at += VF_LANES) { /* beyond: the mean, and no gradient */
            const int64_t n = lanes_left(p->n - e, v);
            if (n > 0) SUM_GRAD_VECTOR(v, vf_load_part(px + e + at, n, *k->mean), vf_load_part(pg + e + at, n, 0))
        }
    }
    for (int v = 0; v < VECTORS; v++) vf_store(s1 + v * VF_LANES, t1[v]), vf_store(s2 + v * VF_LANES, t2[v]);
}

void EK_K(bn_grad_sums_planes_f32)(int64_t images, int64_t stride, int64_t n, const float *x, const float *dy,
                                    const ek_bn_columns *k, double *sums)
{
    float s1[LANES], s2[LANES];
    piece p = { 0 };

    for (;;) {
        if (images == 0 || n == 0) return;
        p = next_piece(&p, images, n, CHUNK);
        if (p.image >= images) return;
        if (k->clamp) chunk_grad_sums(x, dy, stride, &p, k, s1, s2, true);
        else chunk_grad_sums(x, dy, stride, &p, k, s1, s2, false);
        sums[0] += joined(s1);
        sums[1] += joined(s2);
    }
}

typedef struct slopes {
    vf mean, a, b, gc, gd, high;
} slopes;

BN_INLINE vf slope(vf x, vf dy, const slopes *q, bool clamp)
{
    const vf c = vf_sub(x, q->mean);

    return bn_slope(bn_passed(dy, c, q->a, q->b, clamp, q->high), c, q->a, q->gc, q->gd);
}

BN_INLINE void grad_apply_plane(int64_t n, const float *x, const float *dy, const ek_bn_columns *k, float *dx,
                                bool clamp)
{
    const slopes q = { vf_set(*k->mean), vf_set(*k->a), vf_set(*k->b), vf_set(*k->gc), vf_set(*k->gd),
                       vf_set(k->high) };
    int64_t e = 0, plain = unaligned(dx, n, k->stream);

    INDEPENDENT
    for (; e + VF_LANES <= plain; e += VF_LANES) vf_store(dx + e, slope(vf_load(x + e), vf_load(dy + e), &q, clamp));
    for (int64_t m = plain - e; m > 0; m = 0, e = plain)
        vf_store_part(dx + e, slope(vf_load_part(x + e, m, 0), vf_load_part(dy + e, m, 0), &q, clamp), m);
    for (; e + VF_LANES <= n; e += VF_LANES) vf_stream(dx + e, slope(vf_load(x + e), vf_load(dy + e), &q, clamp));
    for (int64_t m = n - e; m > 0; m = 0)
        vf_store_part(dx + e, slope(vf_load_part(x + e, m, 0), vf_load_part(dy + e, m, 0), &q, clamp), m);
    if (k->stream) vf_fence();
}

void EK_K(bn_grad_apply_plane_f32)(int64_t n, const float *x, const float *dy, const ek_bn_columns *k, float *dx)
{
    if (k->clamp) grad_apply_plane(n, x, dy, k, dx, true);
    else grad_apply_plane(n, x, dy, k, dx, false);
}
