/* ops/range.c - numbers in a row: Range, LinSpace. Arithmetic is that of the type, bfloat16 included. */
#include "ops/rules.h"

#include <math.h>

enum { START, LIMIT, DELTA };

/* Rounds to what the type holds. */
static double rounded(ek_dtype t, double v)
{
    if (t == EK_FLOAT32) return (double)(float)v;
    if (t == EK_BFLOAT16) return (double)ek_bfloat16_to_float(ek_float_to_bfloat16((float)v));
    return v;
}

static void put_float(ek_dtype t, void *out, int64_t i, double v)
{
    if (t == EK_FLOAT32)
        ((float *)out)[i] = (float)v;
    else if (t == EK_BFLOAT16)
        ((uint16_t *)out)[i] = ek_float_to_bfloat16((float)v);
    else
        ((double *)out)[i] = v;
}

/* In a run a vector of one counts as a scalar, as in old graphs. */
static ek_status want_scalar(const ek_shape_ctx *c, int i, const char *name)
{
    if (!c->running) return ek__want_rank(c, i, 0);
    if (ek_shape_is_known(&c->in[i]) && ek_shape_count(&c->in[i]) != 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "%s must be a scalar, not shape %s", name, EK_CC(&c->in[i]));
    return EK_OK;
}

/* ---- Range ----------------------------------------------------------------------------------- */

typedef struct range_state {
    ek_dtype dtype;
    int64_t n, start, delta;
    double f_start, f_delta;
} range_state;

static ek_status range_order(ek_error *err, bool up, bool right, const char *start, const char *limit)
{
    if (right) return EK_OK;
    return up ? EK_FAIL(err, INVALID_ARGUMENT, "Requires start <= limit when delta > 0: %s/%s", start, limit)
              : EK_FAIL(err, INVALID_ARGUMENT, "Requires start >= limit when delta < 0: %s/%s", start, limit);
}

static ek_status int_range(const ek_array *const *v, ek_dtype t, range_state *out, ek_error *err)
{
    const int64_t start = ek__int_at(v, START, 0), limit = ek__int_at(v, LIMIT, 0), delta = ek__int_at(v, DELTA, 0);
    char a[24], b[24];

    if (delta == 0) return EK_FAIL(err, INVALID_ARGUMENT, "Requires delta != 0: 0");
    (void)snprintf(a, sizeof a, "%lld", (long long)start);
    (void)snprintf(b, sizeof b, "%lld", (long long)limit);
    EK_TRY(range_order(err, delta > 0, delta > 0 ? start <= limit : start >= limit, a, b));
    /* Distances of two int64 fit uint64. */
    const uint64_t span = delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
    const uint64_t step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta;
    const uint64_t n = span / step + (span % step != 0);
    if (n > INT64_MAX)
        return EK_FAIL(err, INVALID_ARGUMENT, "Requires ((limit - start) / delta) <= %lld", (long long)INT64_MAX);
    *out = (range_state){ .dtype = t, .n = (int64_t)n, .start = start, .delta = delta };
    return EK_OK;
}

static ek_status float_range(const ek_array *const *v, ek_dtype t, range_state *out, ek_error *err)
{
    const double start = ek_array_get(v[START], 0), limit = ek_array_get(v[LIMIT], 0),
                 delta = ek_array_get(v[DELTA], 0);
    char a[40], b[40];

    if (delta == 0.0) return EK_FAIL(err, INVALID_ARGUMENT, "Requires delta != 0: 0");
    (void)snprintf(a, sizeof a, "%.6g", start);
    (void)snprintf(b, sizeof b, "%.6g", limit);
    EK_TRY(range_order(err, delta > 0.0, delta > 0.0 ? start <= limit : start >= limit, a, b));
    const double n = ceil(fabs(rounded(t, rounded(t, limit - start) / delta)));
    if (!(n < 4611686018427387904.0))
        return EK_FAIL(err, INVALID_ARGUMENT, "Requires ((limit - start) / delta) <= %lld", (long long)INT64_MAX);
    *out = (range_state){ .dtype = t, .n = (int64_t)n, .f_start = start, .f_delta = delta };
    return EK_OK;
}

static ek_status range_of(const ek_array *const *v, ek_dtype t, range_state *out, ek_error *err)
{
    return ek_dtype_is_integer(t) ? int_range(v, t, out, err) : float_range(v, t, out, err);
}

static ek_status range_shape(ek_shape_ctx *c)
{
    range_state s;

    EK_TRY(want_scalar(c, START, "start"));
    EK_TRY(want_scalar(c, LIMIT, "limit"));
    EK_TRY(want_scalar(c, DELTA, "delta"));
    c->out[0] = ek__vector(-1);
    if (!ek__values_known(c)) return EK_OK;
    EK_TRY(range_of(c->in_value, ek_dtype_base(c->out_dtype[0]), &s, c->err));
    c->out[0].dim[0] = s.n;
    return EK_OK;
}

/* Each number is the one before and delta, rounded. */
static ek_status range_run(const ek_run_args *a, int64_t chunk)
{
    const range_state *s = a->state;
    int64_t at = s->start;
    double f = s->f_start;

    EK_UNUSED(chunk);
    for (int64_t i = 0; i < s->n; i++) {
        if (ek_dtype_is_integer(s->dtype)) {
            ek__store_int(s->dtype, a->out[0], i, at);
            at = (int64_t)((uint64_t)at + (uint64_t)s->delta);
        } else {
            put_float(s->dtype, a->out[0], i, f);
            f = rounded(s->dtype, f + s->f_delta);
        }
    }
    return EK_OK;
}

static ek_status range_prepare(ek_prepare_ctx *c)
{
    range_state *s = EK_ARENA_NEW(c->arena, range_state, 1);

    if (s == NULL) return ek__no_memory(c);
    EK_TRY(range_of(c->in_value, c->out_dtype[0], s, c->err));
    c->state = s;
    ek__add_phase(c, range_run, s->n > 0);
    return EK_OK;
}

const ek_op_def ek__op_Range = {
    .name = "Range",
    .kind = EK_KIND_PURE,
    .inputs = "start: Tidx, limit: Tidx, delta: Tidx",
    .outputs = "output: Tidx",
    .attrs = "Tidx: {bfloat16, float, double, int32, int64} = int32",
    .shape = range_shape,
    .prepare = range_prepare,
    .value_inputs = 1u << START | 1u << LIMIT | 1u << DELTA,
    .no_grad_because = "TensorFlow gives none",
};

/* ---- LinSpace -------------------------------------------------------------------------------- */

enum { STOP = 1, NUM = 2 };

typedef struct space_state {
    ek_dtype dtype;
    int64_t n;
} space_state;

static ek_status space_shape(ek_shape_ctx *c)
{
    const ek_array *num = c->in_value[NUM];

    EK_TRY(want_scalar(c, START, "start"));
    EK_TRY(want_scalar(c, STOP, "stop"));
    EK_TRY(want_scalar(c, NUM, "num"));
    c->out[0] = ek__vector(-1);
    if (num == NULL) return EK_OK;
    const int64_t n = ek__array_int(num, 0);
    if (n <= 0) return EK_FAIL(c->err, INVALID_ARGUMENT, "Requires num > 0: %lld", (long long)n);
    c->out[0].dim[0] = n;
    return EK_OK;
}

static double get_float(ek_dtype t, const void *in)
{
    return t == EK_FLOAT32    ? (double)*(const float *)in
           : t == EK_BFLOAT16 ? (double)ek_bfloat16_to_float(*(const uint16_t *)in)
                              : *(const double *)in;
}

static ek_status space_run(const ek_run_args *a, int64_t chunk)
{
    const space_state *s = a->state;
    const double start = get_float(s->dtype, a->in[START]), stop = get_float(s->dtype, a->in[STOP]);
    const double step = s->n > 1 ? rounded(s->dtype, rounded(s->dtype, stop - start) / (double)(s->n - 1)) : 0.0;

    EK_UNUSED(chunk);
    for (int64_t i = 0; i < s->n; i++)
        put_float(s->dtype, a->out[0], i, start + rounded(s->dtype, step * rounded(s->dtype, (double)i)));
    if (s->n > 1) put_float(s->dtype, a->out[0], s->n - 1, stop);
    return EK_OK;
}

static ek_status space_prepare(ek_prepare_ctx *c)
{
    space_state *s = EK_ARENA_NEW(c->arena, space_state, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (space_state){ c->out_dtype[0], c->out[0].dim[0] };
    c->state = s;
    ek__add_phase(c, space_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_LinSpace = {
    .name = "LinSpace",
    .kind = EK_KIND_PURE,
    .inputs = "start: T, stop: T, num: Tidx",
    .outputs = "output: T",
    .attrs = "T: {bfloat16, float, double}; Tidx: {int32, int64} = int32",
    .shape = space_shape,
    .prepare = space_prepare,
    .value_inputs = 1u << NUM,
    .no_grad_because = "TensorFlow gives none",
};
