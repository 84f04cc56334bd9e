/* ops/fill.c - tensors that repeat what they are given: Fill, ZerosLike, OnesLike, BroadcastTo, Tile. */
#include "ops/rules.h"
#include "ops/walk.h"

/* ---- Fill ------------------------------------------------------------------------------------ */

enum { DIMS, VALUE };

static ek_status fill_shape(ek_shape_ctx *c)
{
    if (!c->running) {
        EK_TRY(ek__want_rank(c, VALUE, 0));
        return ek__input_as_shape(c, DIMS, &c->out[0]);
    }
    if (c->in[DIMS].rank != 1 && c->in[DIMS].rank >= 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "dims must represent a vector, got shape %s", EK_CC(&c->in[DIMS]));
    if (ek_shape_is_known(&c->in[VALUE]) && ek_shape_count(&c->in[VALUE]) != 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "value must represent a scalar, got shape %s", EK_CC(&c->in[VALUE]));
    return ek__input_as_full_shape(c, DIMS, &c->out[0]);
}

static ek_status fill_prepare(ek_prepare_ctx *c)
{
    ek_parts *p = ek__parts_new(c, 1);

    if (p == NULL) return EK_RESOURCE_EXHAUSTED;
    ek__walk_fill(ek__parts_add(p, VALUE, 0), &c->out[0]);
    ek__parts_only(c, p);
    return EK_OK;
}

static bool fills_zeros(const ek_array *const *in_value)
{
    const ek_array *const v = in_value[VALUE];

    return v != NULL && ek_dtype_is_floating(v->dtype) && v->count == 1 && ek_array_get(v, 0) == 0;
}

const ek_op_def ek__op_Fill = {
    .name = "Fill",
    .kind = EK_KIND_PURE,
    .inputs = "dims: index_type, value: T",
    .outputs = "output: T",
    .attrs = "T: type; index_type: {int32, int64} = int32",
    .shape = fill_shape,
    .prepare = fill_prepare,
    .zeros = fills_zeros,
    .value_inputs = 1u << DIMS,
};

/* ---- ZerosLike, OnesLike --------------------------------------------------------------------- */

static ek_status constant_prepare(ek_prepare_ctx *c, double value)
{
    ek_parts *p = ek__parts_new(c, 1);

    if (p == NULL) return EK_RESOURCE_EXHAUSTED;
    ek__walk_fill(ek__parts_add(p, EK_FROM_CONSTANT, 0), &c->out[0]);
    if (value != 0.0) ek__convert(EK_FLOAT64, &value, c->out_dtype[0], p->part[0].constant, 1);
    ek__parts_only(c, p);
    return EK_OK;
}

static ek_status zeros_prepare(ek_prepare_ctx *c)
{
    return constant_prepare(c, 0.0);
}

static ek_status ones_prepare(ek_prepare_ctx *c)
{
    return constant_prepare(c, 1.0);
}

static bool always_zeros(const ek_array *const *in_value)
{
    EK_UNUSED(in_value);
    return true;
}

const ek_op_def ek__op_ZerosLike = {
    .name = "ZerosLike",
    .kind = EK_KIND_PURE,
    .inputs = "x: T",
    .outputs = "y: T",
    .attrs = "T: type",
    .shape = ek__like_first_rule,
    .prepare = zeros_prepare,
    .zeros = always_zeros,
    .shape_inputs = 1,
    .inplace = 1,
    .no_grad_because = "its output is constant",
};

const ek_op_def ek__op_OnesLike = {
    .name = "OnesLike",
    .kind = EK_KIND_PURE,
    .inputs = "x: T",
    .outputs = "y: T",
    .attrs =
        "T: {bfloat16, half, float, double, int8, uint8, int16, uint16, int32, int64, complex64, complex128, bool}",
    .shape = ek__like_first_rule,
    .prepare = ones_prepare,
    .shape_inputs = 1,
    .inplace = 1,
    .no_grad_because = "its output is constant",
};

/* ---- BroadcastTo ----------------------------------------------------------------------------- */

enum { INPUT, SHAPE };

static ek_status broadcast_to_shape(ek_shape_ctx *c)
{
    const ek_shape *in = &c->in[INPUT];
    ek_shape out;

    EK_TRY(c->running ? ek__input_as_full_shape(c, SHAPE, &out) : ek__input_as_shape(c, SHAPE, &out));
    c->out[0] = out;
    if (out.rank < 0 || in->rank < 0) return EK_OK;
    if (in->rank > out.rank)
        return c->running ? EK_FAIL(c->err, INVALID_ARGUMENT,
                                    "Rank of input (%d) must be no greater than rank of output shape (%d).", in->rank,
                                    out.rank)
                          : EK_FAIL(c->err, INVALID_ARGUMENT, "Cannot broadcast a tensor with shape %s shape %s",
                                    EK_CC(in), EK_CC(&out));
    for (int32_t d = 0; d < in->rank; d++) {
        int64_t *to = &c->out[0].dim[d + out.rank - in->rank];

        if (in->dim[d] == 1 || in->dim[d] < 0) continue;
        if (*to >= 0 && *to != in->dim[d])
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Incompatible shapes: %s vs. %s", EK_CC(in), EK_CC(&out));
        *to = in->dim[d];
    }
    return EK_OK;
}

static ek_status broadcast_to_prepare(ek_prepare_ctx *c)
{
    ek_parts *p = ek__parts_new(c, 1);

    if (ek__empty(c)) return EK_OK;
    if (p == NULL) return EK_RESOURCE_EXHAUSTED;
    ek__walk_broadcast(ek__parts_add(p, INPUT, 0), &c->in[INPUT], &c->out[0]);
    ek__parts_only(c, p);
    return EK_OK;
}

const ek_op_def ek__op_BroadcastTo = {
    .name = "BroadcastTo",
    .kind = EK_KIND_PURE,
    .inputs = "input: T, shape: Tidx",
    .outputs = "output: T",
    .attrs = "T: type; Tidx: {int32, int64} = int32",
    .shape = broadcast_to_shape,
    .prepare = broadcast_to_prepare,
    .value_inputs = 1u << SHAPE,
    .alias_whole = true,
};

/* ---- Tile ------------------------------------------------------------------------------------ */

enum { MULTIPLES = 1 };

static ek_status tile_check(const ek_shape_ctx *c)
{
    const ek_array *v = c->in_value[MULTIPLES];

    if (v == NULL || c->in[INPUT].rank < 0) return EK_OK;
    if (v->shape.rank != 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Expected multiples to be 1-D, but got shape %s", EK_CC(&v->shape));
    if (v->count != c->in[INPUT].rank)
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "Expected multiples argument to be a vector of length %d but got length %lld", c->in[INPUT].rank,
                       (long long)v->count);
    for (int64_t d = 0; d < v->count; d++)
        if (ek__array_int(v, d) < 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Expected multiples[%lld] >= 0, but got %lld", (long long)d,
                           (long long)ek__array_int(v, d));
    return EK_OK;
}

static ek_status tile_shape(ek_shape_ctx *c)
{
    const ek_shape *in = &c->in[INPUT];
    ek_shape times;

    if (c->running) EK_TRY(tile_check(c));
    EK_TRY(ek__input_as_shape(c, MULTIPLES, &times));
    if (times.rank < 0) {
        if (in->rank >= 0) c->out[0] = ek__unknown_dims(in->rank);
        return EK_OK;
    }
    if (in->rank < 0) {
        c->out[0] = ek__unknown_dims(times.rank);
        return EK_OK;
    }
    EK_TRY(ek__want_rank(c, INPUT, times.rank));
    for (int32_t d = 0; d < in->rank; d++) {
        const int64_t n = in->dim[d], m = times.dim[d];

        if (n > 0 && m > INT64_MAX / n)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "dimension %d of %lld cannot be repeated %lld times", d,
                           (long long)n, (long long)m);
        times.dim[d] = n == 0 || m == 0 ? 0 : n < 0 || m < 0 ? -1 : n * m;
    }
    c->out[0] = times;
    return EK_OK;
}

/* Two loops for each dimension: which copy, and where in it. */
static ek_status tile_prepare(ek_prepare_ctx *c)
{
    const ek_shape *in = &c->in[INPUT];
    int64_t in_stride[EK_MAX_RANK], out_stride[EK_MAX_RANK];
    ek_parts *p = ek__parts_new(c, 1);

    if (ek__empty(c)) return EK_OK;
    if (p == NULL) return EK_RESOURCE_EXHAUSTED;
    ek_walk *w = ek__parts_add(p, INPUT, 0);
    ek__strides(in, in_stride);
    ek__strides(&c->out[0], out_stride);
    for (int32_t d = 0; d < in->rank; d++) {
        const int64_t times = in->dim[d] > 0 ? c->out[0].dim[d] / in->dim[d] : 0;

        ek__walk_loop(w, times, 0, in->dim[d] * out_stride[d]);
        ek__walk_loop(w, in->dim[d], in_stride[d], out_stride[d]);
    }
    ek__parts_only(c, p);
    return EK_OK;
}

const ek_op_def ek__op_Tile = {
    .name = "Tile",
    .kind = EK_KIND_PURE,
    .inputs = "input: T, multiples: Tmultiples",
    .outputs = "output: T",
    .attrs = "T: type; Tmultiples: {int32, int64} = int32",
    .shape = tile_shape,
    .prepare = tile_prepare,
    .value_inputs = 1u << MULTIPLES,
    .alias_whole = true,
};
