/* ops/bn.c - how batch norm is cut into chunks of work.
 *
 * Channels last: R rows of C numbers are read as fewer rows of L = k * C, k the smallest
 * count that makes L a multiple of 16 and at least 64, so that narrow channels run at full
 * width; what is left over is one short row (`tail` numbers). Statistics are taken in
 * parts, joined in order; the second pass walks the blocks backwards, since what the first
 * one touched last is still in the cache. Channels first: a few channels at a time, all
 * their planes, both passes. The cut follows from the shape alone.
 *
 * Halves are turned into floats first, whole.
 */
#include "ops/bn.h"

#include <math.h>

#include "kernels/kernels.h"
#include "ops/rules.h"

enum { LANES = 16, WIDE = 64, MAX_WIDE = 1024, PART = 65536, PART_ROWS = 256, BLOCK = 32768, PLANE_WIDE = 512 };

/* Numbers per channel for the second pass. y = (x - mean) * a + b; dx = a * dy + (x - mean) * c + d. */
typedef struct coefficients {
    float *mean_hi, *mean_lo, *a, *b, *c, *d;
} coefficients;

typedef struct bn_state {
    ek_bn_spec spec;
    bool gradient;
    int64_t channels, count, total;      /* numbers per channel, of all */
    /* channels last */
    int64_t k, width, rows, tail;
    int64_t part_rows, parts, block_rows, blocks;
    /* channels first */
    int64_t images, plane, lanes, plane_rows, plane_tail, group;
    /* places in the scratch, in bytes */
    size_t at_sums, at_coefficients, at_x, at_dy;
} bn_state;

/* ---- what a channel's sums mean ------------------------------------------------------------------ */

/* The one place where epsilon meets a variance. */
static double inverse_deviation(double variance, float epsilon)
{
    return 1.0 / sqrt(variance + (double)epsilon);
}

static float *output(const ek_run_args *a, int port)
{
    return port < 0 ? NULL : a->out[port];
}

static void put(float *to, int64_t c, double v)
{
    if (to != NULL) to[c] = (float)v;
}

/* The batch's statistic as it leaves the op: averaged with the one given, where so asked. */
static double averaged(const ek_run_args *a, const bn_state *s, int port, int64_t c, double v)
{
    const double f = (double)s->spec.average;

    return f == 0 ? v : (1 - f) * (double)((const float *)a->in[port])[c] + f * v;
}

/* From sum and sum of squares of channel c about `reference` to the op's outputs and coefficients at [j]. */
static void finish_statistics(const ek_run_args *a, const bn_state *s, int64_t c, double sum, double squares,
                              double reference, const coefficients *k, int64_t j)
{
    const ek_bn_ports *at = &s->spec.at;
    const double n = (double)s->count, m = sum / n, mean = reference + m, raw = squares / n - m * m;
    const double variance = raw < 0 ? 0 : raw; /* NaN stays */
    const double scale = (double)((const float *)a->in[at->scale])[c];

    put(output(a, at->batch_mean), c, averaged(a, s, at->mean, c, mean));
    put(output(a, at->batch_variance), c, averaged(a, s, at->variance, c, variance * (n / (n > 1 ? n - 1 : 1))));
    put(output(a, at->saved_mean), c, mean);
    put(output(a, at->saved_variance), c, variance);
    k->mean_hi[j] = (float)mean;
    k->mean_lo[j] = isfinite(mean) ? (float)(mean - (double)(float)mean) : 0;
    k->a[j] = (float)(scale * inverse_deviation(variance, s->spec.epsilon));
    k->b[j] = ((const float *)a->in[at->offset])[c];
}

/* The population's statistics as coefficients, passed on as TensorFlow 2 does. */
static void use_population(const ek_run_args *a, const bn_state *s, int64_t c, const coefficients *k, int64_t j)
{
    const ek_bn_ports *at = &s->spec.at;
    const float mean = ((const float *)a->in[at->mean])[c], variance = ((const float *)a->in[at->variance])[c];
    const double scale = (double)((const float *)a->in[at->scale])[c];
    const bool empty = s->count == 0;

    put(output(a, at->batch_mean), c, empty ? (double)NAN : (double)mean);
    put(output(a, at->batch_variance), c, empty ? (double)NAN : (double)variance);
    put(output(a, at->saved_mean), c, (double)mean);
    put(output(a, at->saved_variance), c, (double)variance);
    k->mean_hi[j] = mean;
    k->mean_lo[j] = 0;
    k->a[j] = (float)(scale * inverse_deviation((double)variance, s->spec.epsilon));
    k->b[j] = ((const float *)a->in[at->offset])[c];
}

/* From sum dy and sum dy * (x - mean) of channel c to the gradients and the coefficients of dx. */
static void finish_gradient(const ek_run_args *a, const bn_state *s, int64_t c, double sum_dy, double sum_dyx,
                            const coefficients *k, int64_t j)
{
    const ek_bn_ports *at = &s->spec.at;
    const double scale = (double)((const float *)a->in[at->scale])[c], n = (double)s->count;
    const double rstd = inverse_deviation((double)((const float *)a->in[at->variance])[c], s->spec.epsilon);

    put(output(a, at->dscale), c, s->count > 0 ? rstd * sum_dyx : 0);
    put(output(a, at->doffset), c, sum_dy);
    k->a[j] = (float)(scale * rstd);
    k->c[j] = s->spec.training ? (float)(-scale * rstd * rstd * rstd * (sum_dyx / n)) : 0;
    k->d[j] = s->spec.training ? (float)(-scale * rstd * (sum_dy / n)) : 0;
}

/* ---- memory ------------------------------------------------------------------------------------------ */

static coefficients coefficients_at(const ek_run_args *a, const bn_state *s)
{
    float *p = (float *)((char *)a->scratch + s->at_coefficients);
    const int64_t w = s->width;

    return (coefficients){ p, p + w, p + 2 * w, p + 3 * w, p + 4 * w, p + 5 * w };
}

static double *part_sums(const ek_run_args *a, const bn_state *s, int64_t part)
{
    return (double *)((char *)a->scratch + s->at_sums) + part * 2 * s->channels;
}

static const float *floats_of(const ek_run_args *a, const bn_state *s, int port, size_t at)
{
    return s->spec.dtype == EK_FLOAT32 ? a->in[port] : (const float *)((const char *)a->scratch + at);
}

/* Where the second pass writes: y itself, or the float copy of x (dy), which it then no longer needs. */
static float *result_at(const ek_run_args *a, const bn_state *s)
{
    return s->spec.dtype == EK_FLOAT32 ? a->out[s->spec.at.y]
                                       : (float *)((char *)a->scratch + (s->gradient ? s->at_dy : s->at_x));
}

static void store_result(const ek_run_args *a, const bn_state *s, int64_t first, int64_t n)
{
    const size_t size = ek_dtype_size(s->spec.dtype);

    if (s->spec.dtype != EK_FLOAT32)
        ek__convert(EK_FLOAT32, result_at(a, s) + first, s->spec.dtype,
                    (char *)a->out[s->spec.at.y] + (size_t)first * size, n);
}

static void widen(const ek_run_args *a, const bn_state *s, int port, size_t at, int64_t chunk)
{
    const int64_t first = chunk * PART, n = s->total - first < PART ? s->total - first : PART;

    ek__convert(s->spec.dtype, (const char *)a->in[port] + (size_t)first * ek_dtype_size(s->spec.dtype), EK_FLOAT32,
                (float *)((char *)a->scratch + at) + first, n);
}

/* Chunk 0 lays out the mean of a gradient, the others turn halves into floats. */
static ek_status bn_begin(const ek_run_args *a, int64_t chunk)
{
    const bn_state *s = a->state;

    if (chunk == 0) {
        if (!s->gradient || s->spec.channels_first) return EK_OK;
        const coefficients k = coefficients_at(a, s);
        for (int64_t j = 0; j < s->width; j++) {
            k.mean_hi[j] = ((const float *)a->in[s->spec.at.mean])[j % s->channels];
            k.mean_lo[j] = 0;
        }
        return EK_OK;
    }
    widen(a, s, s->spec.at.x, s->at_x, chunk - 1);
    if (s->gradient) widen(a, s, s->spec.at.dy, s->at_dy, chunk - 1);
    return EK_OK;
}

/* ---- channels last -------------------------------------------------------------------------------------- */

/* Rows [first, last) of the wide view, the short row counted as one more. */
typedef struct span {
    int64_t first, rows, tail;
} span;

static span part_span(const bn_state *s, int64_t i, int64_t size)
{
    const int64_t first = i * size, whole = s->rows - first < size ? s->rows - first : size;

    return (span){ first * s->width, whole, first + whole == s->rows ? s->tail : 0 };
}

static void fold_copies(const bn_state *s, double *sums)
{
    for (int64_t j = s->channels; j < s->width; j++) sums[j % s->channels] += sums[j];
}

static ek_status last_sums(const ek_run_args *a, int64_t part)
{
    const bn_state *s = a->state;
    const ek_kernels *run = ek__kernels();
    const span p = part_span(s, part, s->part_rows);
    const float *all = floats_of(a, s, s->spec.at.x, s->at_x), *x = all + p.first;
    double copies[2 * MAX_WIDE], *sums = part_sums(a, s, part);
    double *s1 = s->k > 1 ? copies : sums, *s2 = s1 + s->width;
    float first_row[MAX_WIDE];
    const float *reference = all;

    memset(s1, 0, (size_t)(2 * s->width) * sizeof *s1);
    if (s->gradient) {
        const coefficients k = coefficients_at(a, s);
        const float *dy = floats_of(a, s, s->spec.at.dy, s->at_dy) + p.first;
        const int64_t end = p.rows * s->width;
        run->bn_grad_sums_f32(p.rows, s->width, s->width, x, dy, k.mean_hi, k.mean_lo, s1, s2);
        run->bn_grad_sums_f32(p.tail > 0, s->width, p.tail, x + end, dy + end, k.mean_hi, k.mean_lo, s1, s2);
    } else {
        if (s->k > 1) {
            for (int64_t j = 0; j < s->width; j++) first_row[j] = all[j % s->channels];
            reference = first_row;
        }
        run->bn_stats_f32(p.rows, s->width, s->width, x, reference, s1, s2);
        run->bn_stats_f32(p.tail > 0, s->width, p.tail, x + p.rows * s->width, reference, s1, s2);
    }
    if (s->k > 1) {
        fold_copies(s, s1);
        fold_copies(s, s2);
        memcpy(sums, s1, (size_t)s->channels * sizeof *s1);
        memcpy(sums + s->channels, s2, (size_t)s->channels * sizeof *s2);
    }
    return EK_OK;
}

static ek_status last_finish(const ek_run_args *a, int64_t chunk)
{
    const bn_state *s = a->state;
    const coefficients k = coefficients_at(a, s);
    const int64_t channels = s->channels;
    const float *all = floats_of(a, s, s->spec.at.x, s->at_x);

    EK_UNUSED(chunk);
    if (s->spec.at.zero >= 0) *output(a, s->spec.at.zero) = 0;
    for (int64_t c = 0; c < channels; c++) {
        double s1 = 0, s2 = 0;
        for (int64_t p = 0; p < s->parts; p++) {
            s1 += part_sums(a, s, p)[c];
            s2 += part_sums(a, s, p)[channels + c];
        }
        if (s->gradient) finish_gradient(a, s, c, s1, s2, &k, c);
        else if (s->spec.training)
            finish_statistics(a, s, c, s1, s2, s->count > 0 ? (double)all[c] : (double)NAN, &k, c);
        else use_population(a, s, c, &k, c);
    }
    float *const arrays[] = { k.mean_hi, k.mean_lo, k.a, s->gradient ? k.c : k.b, k.d };
    for (int i = 0; i < 4 + s->gradient; i++)
        for (int64_t j = channels; j < s->width; j++) arrays[i][j] = arrays[i][j - channels];
    return EK_OK;
}

static ek_status last_apply(const ek_run_args *a, int64_t chunk)
{
    const bn_state *s = a->state;
    const ek_kernels *run = ek__kernels();
    const coefficients k = coefficients_at(a, s);
    const span p = part_span(s, s->blocks - 1 - chunk, s->block_rows);
    const float *x = floats_of(a, s, s->spec.at.x, s->at_x) + p.first;
    const int64_t w = s->width, end = p.rows * w;
    float *y = result_at(a, s) + p.first;

    if (s->gradient) {
        const float *dy = floats_of(a, s, s->spec.at.dy, s->at_dy) + p.first;
        run->bn_grad_apply_f32(p.rows, w, w, x, dy, k.mean_hi, k.mean_lo, k.a, k.c, k.d, y);
        run->bn_grad_apply_f32(p.tail > 0, w, p.tail, x + end, dy + end, k.mean_hi, k.mean_lo, k.a, k.c, k.d, y + end);
    } else {
        run->bn_apply_f32(p.rows, w, w, x, k.mean_hi, k.mean_lo, k.a, k.b, y);
        run->bn_apply_f32(p.tail > 0, w, p.tail, x + end, k.mean_hi, k.mean_lo, k.a, k.b, y + end);
    }
    store_result(a, s, p.first, end + p.tail);
    return EK_OK;
}

/* ---- channels first -------------------------------------------------------------------------------------- */

typedef struct lanes {
    float mean_hi[WIDE], mean_lo[WIDE], a[WIDE], b[WIDE], c[WIDE], d[WIDE];
} lanes;

static void spread(const bn_state *s, float *v)
{
    for (int64_t j = 1; j < s->lanes; j++) v[j] = v[0];
}

static void first_channel(const ek_run_args *a, const bn_state *s, int64_t c)
{
    const ek_kernels *run = ek__kernels();
    const float *x = floats_of(a, s, s->spec.at.x, s->at_x);
    const float *dy = s->gradient ? floats_of(a, s, s->spec.at.dy, s->at_dy) : NULL;
    float *y = result_at(a, s);
    float reference[WIDE];
    const int64_t w = s->lanes, end = s->plane_rows * w;
    double s1[WIDE] = { 0 }, s2[WIDE] = { 0 };
    lanes v;
    const coefficients k = { v.mean_hi, v.mean_lo, v.a, v.b, v.c, v.d };

    reference[0] = s->count > 0 ? x[c * s->plane] : NAN;
    spread(s, reference);
    v.mean_hi[0] = s->gradient ? ((const float *)a->in[s->spec.at.mean])[c] : 0;
    v.mean_lo[0] = 0;
    spread(s, v.mean_hi);
    spread(s, v.mean_lo);
    for (int64_t i = 0; i < s->images && (s->gradient || s->spec.training); i++) {
        const int64_t at = (i * s->channels + c) * s->plane;
        if (s->gradient) {
            run->bn_grad_sums_f32(s->plane_rows, w, w, x + at, dy + at, v.mean_hi, v.mean_lo, s1, s2);
            run->bn_grad_sums_f32(s->plane_tail > 0, w, s->plane_tail, x + at + end, dy + at + end, v.mean_hi,
                                  v.mean_lo, s1, s2);
        } else {
            run->bn_stats_f32(s->plane_rows, w, w, x + at, reference, s1, s2);
            run->bn_stats_f32(s->plane_tail > 0, w, s->plane_tail, x + at + end, reference, s1, s2);
        }
    }
    for (int64_t j = 1; j < w; j++) {
        s1[0] += s1[j];
        s2[0] += s2[j];
    }
    if (s->gradient) finish_gradient(a, s, c, s1[0], s2[0], &k, 0);
    else if (s->spec.training) finish_statistics(a, s, c, s1[0], s2[0], (double)reference[0], &k, 0);
    else use_population(a, s, c, &k, 0);
    float *const arrays[] = { v.mean_hi, v.mean_lo, v.a, s->gradient ? v.c : v.b, v.d };
    for (int i = 0; i < 4 + s->gradient; i++) spread(s, arrays[i]);

    for (int64_t i = s->images - 1; i >= 0; i--) {
        const int64_t at = (i * s->channels + c) * s->plane;
        if (s->gradient) {
            run->bn_grad_apply_f32(s->plane_rows, w, w, x + at, dy + at, v.mean_hi, v.mean_lo, v.a, v.c, v.d, y + at);
            run->bn_grad_apply_f32(s->plane_tail > 0, w, s->plane_tail, x + at + end, dy + at + end, v.mean_hi,
                                   v.mean_lo, v.a, v.c, v.d, y + at + end);
        } else {
            run->bn_apply_f32(s->plane_rows, w, w, x + at, v.mean_hi, v.mean_lo, v.a, v.b, y + at);
            run->bn_apply_f32(s->plane_tail > 0, w, s->plane_tail, x + at + end, v.mean_hi, v.mean_lo, v.a, v.b,
                              y + at + end);
        }
        store_result(a, s, at, s->plane);
    }
}

static ek_status first_channels(const ek_run_args *a, int64_t chunk)
{
    const bn_state *s = a->state;
    const int64_t first = chunk * s->group, last = first + s->group < s->channels ? first + s->group : s->channels;

    if (chunk == 0 && s->spec.at.zero >= 0) *output(a, s->spec.at.zero) = 0;
    for (int64_t c = first; c < last; c++) first_channel(a, s, c);
    return EK_OK;
}

/* ---- preparing ---------------------------------------------------------------------------------------------- */

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static void cut_last(bn_state *s)
{
    const int64_t channels = s->channels;

    s->k = 1;
    while (channels > 0 && channels < WIDE && (s->k * channels % LANES != 0 || s->k * channels < WIDE)) s->k++;
    s->width = s->k * channels;
    s->rows = s->count / s->k;
    s->tail = s->count % s->k * channels;
    s->part_rows = s->width > 0 && PART / s->width > PART_ROWS ? PART / s->width : PART_ROWS;
    s->parts = s->rows > s->part_rows ? divide_up(s->rows, s->part_rows) : 1;
    s->block_rows = s->width > 0 && BLOCK / s->width > 4 ? BLOCK / s->width : 4;
    s->blocks = s->rows > s->block_rows ? divide_up(s->rows, s->block_rows) : 1;
}

static void cut_first(bn_state *s)
{
    s->lanes = s->plane >= PLANE_WIDE ? WIDE : LANES;
    s->plane_rows = s->plane / s->lanes;
    s->plane_tail = s->plane % s->lanes;
    s->group = s->count >= BLOCK ? 1 : BLOCK / (s->count + 1) + 1;
}

static void place(bn_state *s, ek_prepare_ctx *c)
{
    const size_t copy = s->spec.dtype == EK_FLOAT32 ? 0 : ((size_t)s->total * sizeof(float) + 63) / 64 * 64;

    s->at_x = 0;
    s->at_dy = copy;
    s->at_coefficients = copy * (s->gradient ? 2 : 1);
    s->at_sums = s->at_coefficients + ((size_t)s->width * 6 * sizeof(float) + 63) / 64 * 64;
    c->scratch_bytes = s->at_sums + (size_t)(s->parts * 2 * s->channels) * sizeof(double);
}

static ek_status bn_prepare(ek_prepare_ctx *c, const ek_bn_spec *spec, bool gradient)
{
    bn_state *s = EK_ARENA_NEW(c->arena, bn_state, 1);
    const ek_shape *x = &spec->x;

    if (s == NULL) return EK_FAIL(c->err, RESOURCE_EXHAUSTED, "no memory to prepare %s", c->def->name);
    s->spec = *spec;
    s->gradient = gradient;
    s->channels = x->dim[spec->channels_first ? 1 : x->rank - 1];
    s->total = ek_shape_count(x);
    s->count = 1;
    s->plane = 1;
    for (int i = 0; i < x->rank; i++) {
        if (i != (spec->channels_first ? 1 : x->rank - 1)) s->count *= x->dim[i];
        if (i > 1) s->plane *= x->dim[i];
    }
    s->images = x->dim[0];
    if (spec->channels_first) cut_first(s);
    else cut_last(s);
    place(s, c);
    c->state = s;
    ek__add_phase(c, bn_begin,
                  spec->dtype == EK_FLOAT32 ? gradient && !spec->channels_first : 1 + divide_up(s->total, PART));
    if (spec->channels_first) {
        ek__add_phase(c, first_channels, s->channels > 0 ? divide_up(s->channels, s->group) : 1);
        return EK_OK;
    }
    if ((gradient || spec->training) && s->count > 0) ek__add_phase(c, last_sums, s->parts);
    else s->parts = 0;
    ek__add_phase(c, last_finish, 1);
    ek__add_phase(c, last_apply, s->count > 0 ? s->blocks : 0);
    return EK_OK;
}

ek_status ek__bn_prepare_forward(ek_prepare_ctx *c, const ek_bn_spec *spec)
{
    return bn_prepare(c, spec, false);
}

ek_status ek__bn_prepare_gradient(ek_prepare_ctx *c, const ek_bn_spec *spec)
{
    return bn_prepare(c, spec, true);
}
