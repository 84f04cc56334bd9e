/* ops/bn_rows.c - batch norm over rows of channels, channels last.
 *
 * R rows of C numbers are read as fewer rows of width L = k * C, k the smallest count that makes L a multiple of 16 and
 * at least 64, so that narrow channels run at full width; what is left over is one short row (`tail` numbers). Sums are
 * taken in parts of at least PART_ROWS rows, joined in order; the cut follows from the shape alone. The second pass, in
 * which no order counts, takes rows of a multiple of 16 wherever MAX_WIDE allows it.
 *
 * Each part of the second pass is one that was summed lately, whoever did it: the first pass piles parts up as it
 * takes them, the second takes them from the top, and walks each backwards, so that much of it is still in a cache.
 * Which part a chunk works on changes no result.
 */
#include <math.h>
#include <stdatomic.h>

#include "ops/bn_state.h"
#include "ops/rules.h"

enum { LANES = 16, WIDE = 64, MAX_WIDE = 1024, PART_ROWS = 64, PIECE = 32768, TINY = 512, TINY_CHANNELS = 8 };

/* Parts in the order in which the first pass took them. */
typedef struct pile {
    atomic_int_fast64_t n;
    int64_t part[];
} pile;

static pile *pile_of(const ek_run_args *a, const ek_bn_state *s)
{
    return (pile *)((char *)a->scratch + s->at_order);
}

static ek_bn_numbers numbers_of(const ek_run_args *a, const ek_bn_state *s)
{
    return ek__bn_numbers_at(s, (char *)a->scratch + s->at_numbers, s->wide);
}

static double *part_sums(const ek_run_args *a, const ek_bn_state *s, int64_t part)
{
    return (double *)((char *)a->scratch + s->at_sums) + part * 2 * s->channels;
}

/* Repeats what the first C columns have over a pass's width. */
static void repeat(const ek_bn_state *s, const ek_bn_numbers *n, int64_t width)
{
    float *const arrays[] = {n->mean, n->a, n->b, n->gc, n->gd};

    for (int i = 0; i < (s->gradient ? 5 : 3); i++)
        for (int64_t have = s->channels, more; have < width; have += more) {
            more = width - have < have ? width - have : have;
            memcpy(arrays[i] + have, arrays[i], (size_t)more * sizeof(float));
        }
}

/* ---- begin ------------------------------------------------------------------------------- */

/* Chunk 0 lays out what a gradient knows before its sums, the others copy. */
static ek_status begin(const ek_run_args *a, int64_t chunk)
{
    const ek_bn_state *s = a->state;
    const ek_bn_numbers n = numbers_of(a, s);

    if (chunk > 0) return ek__bn_copy(a, chunk - 1);
    atomic_store_explicit(&pile_of(a, s)->n, 0, memory_order_relaxed);
    if (!s->gradient) return EK_OK;
    ek__bn_given(a, s, 0, s->channels, &n);
    repeat(s, &n, s->width);
    return EK_OK;
}

/* ---- sums -------------------------------------------------------------------------------- */

/* Rows of the wide view, and the short row where it comes behind them. */
typedef struct span {
    int64_t first, rows, tail;
} span;

static span part_span(const ek_bn_state *s, int64_t part)
{
    const int64_t first = part * s->part_rows, left = s->rows - first;
    const int64_t rows = left < s->part_rows ? left : s->part_rows;

    return (span){first * s->width, rows, rows == left ? s->tail : 0};
}

static void sums_of(const ek_run_args *a, const ek_bn_state *s, const span *p, double *s1, double *s2)
{
    const ek_kernels *run = ek__kernels();
    const float *all = ek__bn_x(a, s), *x = all + p->first, *reference = all;
    const int64_t w = s->width, end = p->rows * w;
    float first_row[MAX_WIDE];

    if (s->gradient) {
        const float *g = ek__bn_g(a, s) + p->first;
        const ek_bn_numbers n = numbers_of(a, s);
        const ek_bn_columns k = ek__bn_columns(a, s, &n);
        run->bn_grad_sums_f32(p->rows, w, x, g, &k, s1, s2);
        if (p->tail > 0) run->bn_grad_sums_f32(1, p->tail, x + end, g + end, &k, s1, s2);
        return;
    }
    if (s->k > 1) {
        for (int64_t j = 0; j < w; j++) first_row[j] = all[j % s->channels];
        reference = first_row;
    }
    run->bn_stats_f32(p->rows, w, x, reference, s1, s2);
    if (p->tail > 0) run->bn_stats_f32(1, p->tail, x + end, reference, s1, s2);
}

static void fold_copies(const ek_bn_state *s, double *sums)
{
    for (int64_t j = s->channels; j < s->width; j++) sums[j % s->channels] += sums[j];
}

static ek_status part_of_sums(const ek_run_args *a, int64_t part)
{
    const ek_bn_state *s = a->state;
    const span p = part_span(s, part);
    pile *order = pile_of(a, s);
    double copies[2 * MAX_WIDE], *sums = part_sums(a, s, part);
    double *s1 = s->k > 1 ? copies : sums, *s2 = s1 + s->width;

    order->part[atomic_fetch_add_explicit(&order->n, 1, memory_order_relaxed)] = part;
    memset(s1, 0, (size_t)(2 * s->width) * sizeof *s1);
    sums_of(a, s, &p, s1, s2);
    if (s->k == 1) return EK_OK;
    fold_copies(s, s1);
    fold_copies(s, s2);
    memcpy(sums, s1, (size_t)s->channels * sizeof *s1);
    memcpy(sums + s->channels, s2, (size_t)s->channels * sizeof *s2);
    return EK_OK;
}

/* ---- what they mean ---------------------------------------------------------------------- */

static bool has_sums(const ek_bn_state *s)
{
    return s->gradient || s->spec.training;
}

/* The sums are about the first row. */
static void finish_statistics(const ek_run_args *a, const ek_bn_state *s, const double *sum, const ek_bn_numbers *n)
{
    enum { BLOCK = 256 };
    const float *x = ek__bn_x(a, s);
    double reference[BLOCK];

    for (int64_t c = 0; c < s->channels; c += BLOCK) {
        const int64_t m = s->channels - c < BLOCK ? s->channels - c : BLOCK;
        const ek_bn_numbers k = ek__bn_numbers_at(s, (float *)n->mean + c, s->wide);
        if (s->count > 0) ek__kernels()->bn_reference_f32(m, x + c, reference);
        for (int64_t j = 0; j < m && s->count == 0; j++) reference[j] = (double)NAN;
        ek__bn_statistics(a, s, c, m, sum + c, sum + s->channels + c, reference, &k);
    }
}

static ek_status finish(const ek_run_args *a, int64_t chunk)
{
    const ek_bn_state *s = a->state;
    const ek_bn_numbers n = numbers_of(a, s);
    double *sum = part_sums(a, s, 0);

    EK_UNUSED(chunk);
    ek__bn_nothing(a, s);
    for (int64_t p = 1; has_sums(s) && p < s->parts; p++) {
        const double *more = part_sums(a, s, p);
        for (int64_t i = 0; i < 2 * s->channels; i++) sum[i] += more[i];
    }
    if (s->gradient)
        ek__bn_gradient(a, s, 0, s->channels, sum, sum + s->channels, &n);
    else if (!s->spec.training)
        ek__bn_given(a, s, 0, s->channels, &n);
    else
        finish_statistics(a, s, sum, &n);
    repeat(s, &n, s->wide);
    return EK_OK;
}

/* ---- the second pass --------------------------------------------------------------------- */

static void apply_columns(const ek_run_args *a, const ek_bn_state *s, const ek_bn_columns *k, int64_t first,
                          int64_t rows, int64_t w)
{
    const ek_kernels *run = ek__kernels();
    const float *x = ek__bn_x(a, s) + first, *g = ek__bn_g(a, s);
    float *y = ek__bn_result(a, s) + first;

    if (s->gradient && w == 1)
        run->bn_grad_apply_plane_f32(rows, x, g + first, k, y);
    else if (s->gradient)
        run->bn_grad_apply_f32(rows, w, x, g + first, k, y);
    else if (w == 1)
        run->bn_apply_plane_f32(rows, x, k, y);
    else
        run->bn_apply_f32(rows, w, x, k, y);
}

/* n numbers from `first`, where a row begins: wide rows, then what is left of one. */
static void apply(const ek_run_args *a, const ek_bn_state *s, const ek_bn_columns *k, int64_t first, int64_t n)
{
    const int64_t rows = n / s->wide, left = n % s->wide;

    apply_columns(a, s, k, first, rows, s->wide);
    if (left > 0) apply_columns(a, s, k, first + rows * s->wide, 1, left);
    ek__bn_leave(a, s, first, n);
}

static ek_status part_of_results(const ek_run_args *a, int64_t chunk)
{
    const ek_bn_state *s = a->state;
    pile *order = pile_of(a, s);
    const int64_t top = has_sums(s) ? atomic_fetch_sub_explicit(&order->n, 1, memory_order_relaxed) - 1 : 0;
    const span p = part_span(s, has_sums(s) ? order->part[top] : chunk);
    const ek_bn_numbers numbers = numbers_of(a, s);
    const ek_bn_columns k = ek__bn_columns(a, s, &numbers);
    const int64_t n = p.rows * s->width + p.tail, piece = PIECE / s->wide > 4 ? PIECE / s->wide * s->wide : 4 * s->wide;

    if (s->spec.at.y < 0) return EK_OK;
    for (int64_t i = 0; i < n && !has_sums(s); i += piece)
        apply(a, s, &k, p.first + i, n - i < piece ? n - i : piece);
    for (int64_t i = (n - 1) / piece * piece; i >= 0 && has_sums(s); i -= piece)
        apply(a, s, &k, p.first + i, n - i < piece ? n - i : piece);
    return EK_OK;
}

/* ---- preparing --------------------------------------------------------------------------- */

/* A problem too small for threads. */
static ek_status whole(const ek_run_args *a, int64_t chunk)
{
    const ek_bn_state *s = a->state;

    for (int64_t i = 0; i <= ek__bn_copies(s); i++) EK_TRY(begin(a, i));
    if (has_sums(s) && s->count > 0)
        EK_TRY(part_of_sums(a, 0));
    else if (has_sums(s))
        memset(part_sums(a, s, 0), 0, (size_t)(2 * s->channels) * sizeof(double));
    EK_TRY(finish(a, chunk));
    return s->count > 0 && s->channels > 0 ? part_of_results(a, 0) : EK_OK;
}

/* What element i of channel c adds: v, and v * d. */
typedef struct tiny_term {
    double v, d;
} tiny_term;

static inline tiny_term term_of(const ek_bn_state *s, const float *x, const float *g, const ek_bn_columns *k, int64_t c,
                                double reference, int64_t i)
{
    const double d = (double)x[i] - reference;

    if (!s->gradient) return (tiny_term){d, d};
    const float y = (x[i] - k->mean[c]) * k->a[c] + k->b[c];
    return (tiny_term){!k->clamp || (y > 0 && y <= k->high) ? (double)g[i] : 0, d};
}

/* A few numbers of a few channels: one channel after the other, sums in double in four lanes. */
static void tiny_sums(const ek_bn_state *s, const float *x, const float *g, const ek_bn_columns *k, int64_t c,
                      double *s1, double *s2)
{
    const double reference = s->gradient ? (double)k->mean[c] : ek__bn_reference((double)x[c]);
    const int64_t step = s->channels, end = s->total;
    double t1[4] = {0}, t2[4] = {0};
    int64_t i = c;

#define ADD(lane)                                                                          \
    {                                                                                      \
        const tiny_term q = term_of(s, x, g, k, c, reference, i + (lane) * step);          \
        t1[lane] += q.v;                                                                   \
        t2[lane] += q.v * q.d;                                                             \
    }
    for (; i + 3 * step < end; i += 4 * step) {
        ADD(0)
        ADD(1)
        ADD(2)
        ADD(3)
    }
    if (i < end) ADD(0)
    if (i + step < end) ADD(1)
    if (i + 2 * step < end) ADD(2)
#undef ADD
    *s1 = (t1[0] + t1[1]) + (t1[2] + t1[3]);
    *s2 = (t2[0] + t2[1]) + (t2[2] + t2[3]);
}

static ek_status tiny(const ek_run_args *a, int64_t chunk)
{
    const ek_bn_state *s = a->state;
    float place[EK_BN_ARRAYS * TINY_CHANNELS];
    const ek_bn_numbers n = ek__bn_numbers_at(s, place, s->channels);
    const ek_bn_columns k = ek__bn_columns(a, s, &n);
    const float *x = ek__bn_x(a, s), *g = ek__bn_g(a, s);
    double s1[TINY_CHANNELS] = {0}, s2[TINY_CHANNELS] = {0}, reference[TINY_CHANNELS];

    EK_UNUSED(chunk);
    ek__bn_nothing(a, s);
    for (int64_t i = 0; i < ek__bn_copies(s); i++) EK_TRY(ek__bn_copy(a, i));
    if (s->gradient || !s->spec.training) ek__bn_given(a, s, 0, s->channels, &n);
    for (int64_t c = 0; c < s->channels; c++) {
        reference[c] = ek__bn_reference((double)x[c]);
        if (has_sums(s)) tiny_sums(s, x, g, &k, c, &s1[c], &s2[c]);
    }
    if (s->gradient)
        ek__bn_gradient(a, s, 0, s->channels, s1, s2, &n);
    else if (s->spec.training)
        ek__bn_statistics(a, s, 0, s->channels, s1, s2, reference, &n);
    if (s->spec.at.y < 0) return EK_OK;
    apply_columns(a, s, &k, 0, s->count, s->channels);
    ek__bn_leave(a, s, 0, s->total);
    return EK_OK;
}

static void cut(ek_bn_state *s)
{
    const int64_t channels = s->channels;

    s->k = 1;
    while (channels > 0 && channels < WIDE && (s->k * channels % LANES != 0 || s->k * channels < WIDE)) s->k++;
    s->width = s->k * channels;
    s->wide = s->width;
    for (int64_t w = s->width; w <= MAX_WIDE && s->wide % LANES != 0; w += s->width)
        if (w % LANES == 0) s->wide = w;
    s->rows = s->count / s->k;
    s->tail = s->count % s->k * channels;
    s->part_rows = s->width > 0 && EK_BN_CHUNK / s->width > PART_ROWS ? EK_BN_CHUNK / s->width : PART_ROWS;
    s->parts = s->total > EK_BN_CHUNK && s->rows > s->part_rows ? (s->rows + s->part_rows - 1) / s->part_rows : 1;
    if (s->parts == 1) s->part_rows = s->rows;
}

void ek__bn_rows(ek_prepare_ctx *c, ek_bn_state *s)
{
    cut(s);
    if (s->total <= TINY && s->channels <= TINY_CHANNELS && s->total > 0) {
        ek__add_phase(c, tiny, 1);
        return;
    }
    s->at_order = s->at_numbers + ek__whole_lines((size_t)s->wide * EK_BN_ARRAYS * sizeof(float));
    s->at_sums = s->at_order + ek__whole_lines(sizeof(pile) + (size_t)s->parts * sizeof(int64_t));
    c->scratch_bytes = s->at_sums + (size_t)(s->parts * 2 * s->channels) * sizeof(double);
    if (s->parts == 1) {
        ek__add_phase(c, whole, 1);
        return;
    }
    ek__add_phase(c, begin, has_sums(s) || ek__bn_copies(s) > 0 ? 1 + ek__bn_copies(s) : 0);
    if (has_sums(s)) ek__add_phase(c, part_of_sums, s->parts);
    ek__add_phase(c, finish, 1);
    ek__add_phase(c, part_of_results, s->parts);
}
