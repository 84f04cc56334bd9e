/* ops/global_norm.c - BatchNormWithGlobalNormalization and its gradient: batch norm as the first graphs had it.
 *
 *     y = (t - m) / sqrt(v + epsilon), times gamma where scale_after_normalization, plus beta
 *
 * Statistics are inputs like any other, so the gradient has a part for each. Float only, as in TensorFlow.
 */
#include <math.h>

#include "kernels/kernels.h"
#include "ops/rules.h"

typedef struct norm_attrs {
    float variance_epsilon;
    bool scale_after_normalization;
} norm_attrs;
static const ek_field norm_fields[] = {
    EK_FIELD(norm_attrs, variance_epsilon, FLOAT),
    EK_FIELD(norm_attrs, scale_after_normalization, BOOL),
};

enum { T, M, V, BETA, GAMMA, GRAD_GAMMA = 3, BACKPROP = 4 };
enum { DX, DM, DV, DB, DG };

/* ---- shapes ----------------------------------------------------------------------------------------- */

/* Input i is `what`, of this rank. */
static ek_status want(const ek_shape_ctx *c, int i, const char *what, int rank)
{
    if (c->running && c->in[i].rank != rank)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "%s must be %d-dimensional%s", what, rank, EK_CC(&c->in[i]));
    return ek__want_rank(c, i, rank);
}

/* Vectors first .. last have as many numbers as there are channels, which is also written to the tensors. */
static ek_status channels_of(const ek_shape_ctx *c, int first, int last, ek_shape *tensor, int64_t *channels)
{
    *channels = tensor->dim[3];
    for (int i = first; i <= last; i++) {
        const int64_t n = c->in[i].rank == 1 ? c->in[i].dim[0] : -1;
        if (n >= 0 && *channels >= 0 && n != *channels)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Dimensions must be equal, but are %lld and %lld", (long long)*channels, (long long)n);
        if (n >= 0) *channels = n;
    }
    tensor->dim[3] = *channels;
    return EK_OK;
}

static ek_status forward_shape(ek_shape_ctx *c)
{
    static const char *const what[] = { "input", "mean", "var", "beta", "gamma" };
    int64_t channels;

    for (int i = T; i <= GAMMA; i++) EK_TRY(want(c, i, what[i], i == T ? 4 : 1));
    c->out[0] = c->in[T].rank < 0 ? ek__unknown_dims(4) : c->in[T];
    return channels_of(c, M, GAMMA, &c->out[0], &channels);
}

static ek_status gradient_shape(ek_shape_ctx *c)
{
    static const char *const what[] = { "input", "mean", "var", "gamma", "out_backprop" };
    ek_shape all = ek__unknown_dims(4);
    int64_t channels;

    for (int i = T; i <= BACKPROP; i++) EK_TRY(want(c, i, what[i], i == T || i == BACKPROP ? 4 : 1));
    EK_TRY(ek__merge_shapes(c, &all, &c->in[T], &all));
    EK_TRY(ek__merge_shapes(c, &all, &c->in[BACKPROP], &all));
    EK_TRY(channels_of(c, M, GRAD_GAMMA, &all, &channels));
    c->out[DX] = all;
    for (int k = DM; k <= DG; k++) c->out[k] = ek__vector(channels);
    return EK_OK;
}

/* ---- state -------------------------------------------------------------------------------------------- */

enum { MOST_PARTS = 16, PART_WORK = 1 << 16, VECTORS = 2 };

typedef struct norm_state {
    double epsilon;
    bool scaled;
    int64_t rows, channels, parts;
    size_t vector, sums; /* bytes of a vector of floats, of a part's two of doubles; the factor comes first, then zeros */
} norm_state;

static float *vector_of(const ek_run_args *a, int i)
{
    const norm_state *s = a->state;

    return (float *)(void *)((char *)a->scratch + (size_t)i * s->vector);
}

static double *sums_of(const ek_run_args *a, int64_t part)
{
    const norm_state *s = a->state;

    return (double *)(void *)((char *)a->scratch + VECTORS * s->vector + (size_t)part * s->sums);
}

/* What each channel is multiplied by, and zeros. */
static void set_factors(const ek_run_args *a, const float *v, const float *gamma)
{
    const norm_state *s = a->state;
    float *factor = vector_of(a, 0), *zero = vector_of(a, 1);

    for (int64_t c = 0; c < s->channels; c++) {
        factor[c] = (float)((s->scaled ? (double)gamma[c] : 1) / sqrt((double)v[c] + s->epsilon));
        zero[c] = 0;
    }
}

static ek_status prepare_state(ek_prepare_ctx *c, norm_state **out)
{
    const norm_attrs *at = c->attrs;
    const ek_shape *x = &c->in[T];
    norm_state *s = EK_ARENA_NEW(c->arena, norm_state, 1);

    if (s == NULL) return ek__no_memory(c);
    if (c->in_dtype[T] != EK_FLOAT32) return EK_FAIL(c->err, UNIMPLEMENTED, "%s of %s", c->def->name, ek_dtype_name(c->in_dtype[T]));
    *s = (norm_state){ .epsilon = (double)at->variance_epsilon, .scaled = at->scale_after_normalization, .channels = x->dim[3],
                       .rows = x->dim[3] > 0 ? ek_shape_count(x) / x->dim[3] : 0 };
    const int64_t parts = s->rows * s->channels / PART_WORK;
    s->parts = parts < 1 ? 1 : parts < MOST_PARTS ? parts : MOST_PARTS;
    s->vector = ek__whole_lines((size_t)s->channels * sizeof(float));
    s->sums = ek__far_apart((size_t)(2 * s->channels) * sizeof(double));
    c->state = *out = s;
    return EK_OK;
}

/* ---- forward ---------------------------------------------------------------------------------------------- */

static ek_status forward_factors(const ek_run_args *a, int64_t chunk)
{
    EK_UNUSED(chunk);
    set_factors(a, a->in[V], a->in[GAMMA]);
    return EK_OK;
}

static void apply(const ek_run_args *a, int64_t chunk, const float *x, const float *mean, const float *offset, float *y)
{
    const norm_state *s = a->state;
    const int64_t first = ek__part_begin(s->rows, s->parts, chunk), last = ek__part_begin(s->rows, s->parts, chunk + 1);
    const ek_bn_columns k = { .mean = mean, .a = vector_of(a, 0), .b = offset };

    ek__kernels()->bn_apply_f32(last - first, s->channels, x + first * s->channels, &k, y + first * s->channels);
}

static ek_status forward_rows(const ek_run_args *a, int64_t chunk)
{
    apply(a, chunk, a->in[T], a->in[M], a->in[BETA], a->out[0]);
    return EK_OK;
}

static ek_status forward_prepare(ek_prepare_ctx *c)
{
    norm_state *s;

    EK_TRY(prepare_state(c, &s));
    if (ek__empty(c)) return EK_OK;
    c->scratch_bytes = VECTORS * s->vector;
    ek__add_phase(c, forward_factors, 1);
    ek__add_phase(c, forward_rows, s->parts);
    return EK_OK;
}

/* ---- the gradient ------------------------------------------------------------------------------------------ */

static ek_status gradient_factors(const ek_run_args *a, int64_t chunk)
{
    EK_UNUSED(chunk);
    set_factors(a, a->in[V], a->in[GRAD_GAMMA]);
    return EK_OK;
}

static ek_status gradient_rows(const ek_run_args *a, int64_t chunk)
{
    const norm_state *s = a->state;
    const int64_t first = ek__part_begin(s->rows, s->parts, chunk), last = ek__part_begin(s->rows, s->parts, chunk + 1);
    const ek_bn_columns k = { .mean = a->in[M] };
    double *sum = sums_of(a, chunk);

    memset(sum, 0, (size_t)(2 * s->channels) * sizeof *sum);
    ek__kernels()->bn_grad_sums_f32(last - first, s->channels, (const float *)a->in[T] + first * s->channels,
                                    (const float *)a->in[BACKPROP] + first * s->channels, &k, sum, sum + s->channels);
    apply(a, chunk, a->in[BACKPROP], vector_of(a, 1), vector_of(a, 1), a->out[DX]);
    return EK_OK;
}

/* The parts' sums in their order: of dy, and of dy (t - m). */
static ek_status gradient_vectors(const ek_run_args *a, int64_t chunk)
{
    const norm_state *s = a->state;
    const float *v = a->in[V], *gamma = a->in[GRAD_GAMMA];

    EK_UNUSED(chunk);
    for (int64_t c = 0; c < s->channels; c++) {
        double sum = 0, product = 0;
        for (int64_t p = 0; p < s->parts; p++) {
            sum += sums_of(a, p)[c];
            product += sums_of(a, p)[s->channels + c];
        }
        const double inverse = 1 / sqrt((double)v[c] + s->epsilon), scale = s->scaled ? (double)gamma[c] : 1;
        ((float *)a->out[DM])[c] = (float)(-sum * inverse * scale);
        ((float *)a->out[DV])[c] = (float)(-0.5 * product * scale * inverse * inverse * inverse);
        ((float *)a->out[DB])[c] = (float)sum;
        ((float *)a->out[DG])[c] = s->scaled ? (float)(product * inverse) : 0;
    }
    return EK_OK;
}

static ek_status gradient_prepare(ek_prepare_ctx *c)
{
    norm_state *s;

    EK_TRY(prepare_state(c, &s));
    if (s->channels == 0) return EK_OK;
    c->scratch_bytes = VECTORS * s->vector + (size_t)s->parts * s->sums;
    ek__add_phase(c, gradient_factors, 1);
    ek__add_phase(c, gradient_rows, s->parts);
    ek__add_phase(c, gradient_vectors, 1);
    return EK_OK;
}

/* ---- definitions --------------------------------------------------------------------------------------------- */

#define NORM_ATTRS                                                                                                    \
    "T: {float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, uint16, "       \
    "complex128, half, uint32, uint64}; variance_epsilon: float; scale_after_normalization: bool"
#define NORM_FIELDS .attrs_size = sizeof(norm_attrs), .fields = norm_fields, .n_fields = EK_COUNT_OF(norm_fields)

const ek_op_def ek__op_BatchNormWithGlobalNormalization = {
    .name = "BatchNormWithGlobalNormalization",
    .inputs = "t: T, m: T, v: T, beta: T, gamma: T",
    .outputs = "result: T",
    .attrs = NORM_ATTRS,
    NORM_FIELDS,
    .shape = forward_shape,
    .prepare = forward_prepare,
};

const ek_op_def ek__op_BatchNormWithGlobalNormalizationGrad = {
    .name = "BatchNormWithGlobalNormalizationGrad",
    .inputs = "t: T, m: T, v: T, gamma: T, backprop: T",
    .outputs = "dx: T, dm: T, dv: T, db: T, dg: T",
    .attrs = NORM_ATTRS,
    NORM_FIELDS,
    .shape = gradient_shape,
    .prepare = gradient_prepare,
};
