/* ops/slice.c - parts of a tensor: Slice, StridedSlice and its gradient. Splitting is in concat.c. */
#include "ops/rules.h"
#include "ops/strided.h"
#include "ops/walk.h"

/* ---- Slice ----------------------------------------------------------------------------------- */

enum { INPUT, BEGIN, SIZE };

static ek_status slice_lengths(const ek_shape_ctx *c)
{
    const ek_shape *begin = &c->in[BEGIN], *size = &c->in[SIZE];
    const int32_t rank = c->in[INPUT].rank;

    if (!c->running) {
        EK_TRY(ek__want_rank(c, BEGIN, 1));
        return ek__want_rank(c, SIZE, 1);
    }
    if (rank < 0 || begin->rank < 0 || size->rank < 0) return EK_OK;
    if (begin->rank != 1 || size->rank != 1 || begin->dim[0] != rank || size->dim[0] != rank)
        return EK_FAIL(
            c->err, INVALID_ARGUMENT,
            "Expected begin and size arguments to be 1-D tensors of size %d, but got shapes %s and %s instead.", rank,
            EK_CC(begin), EK_CC(size));
    return EK_OK;
}

/* One dimension: b and s are known, n may be -1. */
static ek_status slice_dim(const ek_shape_ctx *c, int32_t d, int64_t n, int64_t b, int64_t s, int64_t *out)
{
    if (n < 0) {
        *out = s < 0 ? -1 : s;
        return EK_OK;
    }
    if (b < 0 || b > n)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Expected begin[%d] in [0, %lld], but got %lld", d, (long long)n,
                       (long long)b);
    *out = s == -1 ? n - b : s;
    if (*out < 0 || *out > n - b)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Expected size[%d] in [0, %lld], but got %lld", d, (long long)(n - b),
                       (long long)*out);
    return EK_OK;
}

static ek_status slice_shape(ek_shape_ctx *c)
{
    const ek_shape *in = &c->in[INPUT], *begin = &c->in[BEGIN];
    const ek_array *bv = c->in_value[BEGIN], *sv = c->in_value[SIZE];
    int32_t rank = in->rank;

    EK_TRY(slice_lengths(c));
    if (rank < 0 && begin->rank == 1 && begin->dim[0] >= 0 && begin->dim[0] <= EK_MAX_RANK)
        rank = (int32_t)begin->dim[0];
    if (rank < 0) return EK_OK;
    EK_TRY(ek__want_rank(c, INPUT, rank));
    c->out[0] = ek__unknown_dims(rank);
    for (int i = BEGIN; i <= SIZE; i++)
        if (c->in[i].rank == 1 && c->in[i].dim[0] >= 0 && c->in[i].dim[0] != rank)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Dimension must be %d but is %lld", rank,
                           (long long)c->in[i].dim[0]);
    for (int32_t d = 0; sv != NULL && d < rank; d++) {
        const int64_t s = ek__array_int(sv, d);

        if (bv != NULL)
            EK_TRY(slice_dim(c, d, in->rank < 0 ? -1 : in->dim[d], ek__array_int(bv, d), s, &c->out[0].dim[d]));
        else if (s >= 0)
            c->out[0].dim[d] = s;
    }
    return EK_OK;
}

static ek_status slice_prepare(ek_prepare_ctx *c)
{
    int64_t in_stride[EK_MAX_RANK], out_stride[EK_MAX_RANK];
    ek_parts *p = ek__parts_new(c, 1);

    if (ek__empty(c)) return EK_OK;
    if (p == NULL) return EK_RESOURCE_EXHAUSTED;
    ek_walk *w = ek__parts_add(p, INPUT, 0);
    ek__strides(&c->in[INPUT], in_stride);
    ek__strides(&c->out[0], out_stride);
    for (int32_t d = 0; d < c->out[0].rank; d++) {
        w->in_at += ek__int_at(c->in_value, BEGIN, d) * in_stride[d];
        ek__walk_loop(w, c->out[0].dim[d], in_stride[d], out_stride[d]);
    }
    ek__parts_only(c, p);
    return EK_OK;
}

const ek_op_def ek__op_Slice = {
    .name = "Slice",
    .kind = EK_KIND_PURE,
    .inputs = "input: T, begin: Index, size: Index",
    .outputs = "output: T",
    .attrs = "T: type; Index: {int32, int64}",
    .shape = slice_shape,
    .prepare = slice_prepare,
    .value_inputs = 1u << BEGIN | 1u << SIZE,
    .alias_whole = true,
};

/* ---- StridedSlice ---------------------------------------------------------------------------- */

typedef struct strided_attrs {
    int64_t begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask;
} strided_attrs;

static const ek_field strided_fields[] = {
    EK_FIELD(strided_attrs, begin_mask, INT),        EK_FIELD(strided_attrs, end_mask, INT),
    EK_FIELD(strided_attrs, ellipsis_mask, INT),     EK_FIELD(strided_attrs, new_axis_mask, INT),
    EK_FIELD(strided_attrs, shrink_axis_mask, INT),
};

/* first: the place of begin among the inputs; end and strides follow. */
static ek_strided_spec spec_of(const strided_attrs *a, const ek_array *const *value, int first)
{
    return (ek_strided_spec){
        .begin = value[first], .end = value[first + 1], .strides = value[first + 2],
        .begin_mask = a->begin_mask, .end_mask = a->end_mask, .ellipsis_mask = a->ellipsis_mask,
        .new_axis_mask = a->new_axis_mask, .shrink_axis_mask = a->shrink_axis_mask,
    };
}

static ek_status strided_lengths(const ek_shape_ctx *c, int first, int64_t *n)
{
    const ek_shape *b = &c->in[first], *e = &c->in[first + 1], *s = &c->in[first + 2];
    ek_shape all = ek__vector(-1);

    if (ek_shape_merge(&all, b, &all) && ek_shape_merge(&all, e, &all) && ek_shape_merge(&all, s, &all)) {
        *n = all.dim[0];
        return EK_OK;
    }
    return EK_FAIL(
        c->err, INVALID_ARGUMENT,
        "Expected begin, end, and strides to be 1D equal size tensors, but got shapes %s, %s, and %s instead.",
        EK_CC(b), EK_CC(e), EK_CC(s));
}

static ek_status strided_shape(ek_shape_ctx *c)
{
    ek_strided dense;
    int64_t n;

    EK_TRY(strided_lengths(c, 1, &n));
    if (c->in[0].rank < 0 || n < 0 || c->in_value[3] == NULL) return EK_OK;
    const ek_strided_spec spec = spec_of(c->attrs, c->in_value, 1);
    return ek__strided(&spec, &c->in[0], &dense, &c->out[0], c->err);
}

/* Loops over the sliced dimensions of `whole`, which one side has strided and the other packed. */
static void strided_loops(const ek_strided *dense, const ek_shape *whole, bool whole_is_in, ek_walk *w)
{
    int64_t stride[EK_MAX_RANK], packed[EK_MAX_RANK], n = 1, at = 0;

    ek__strides(whole, stride);
    for (int32_t d = whole->rank - 1; d >= 0; d--) {
        packed[d] = n;
        n *= dense->size[d];
        at += dense->begin[d] * stride[d];
    }
    *(whole_is_in ? &w->in_at : &w->out_at) = n > 0 ? at : 0;
    for (int32_t d = 0; d < whole->rank; d++) {
        const int64_t step = dense->size[d] > 1 ? stride[d] * dense->stride[d] : 0; /* a lone step may be any size */
        ek__walk_loop(w, dense->size[d], whole_is_in ? step : packed[d], whole_is_in ? packed[d] : step);
    }
}

static ek_status strided_prepare(ek_prepare_ctx *c)
{
    const ek_strided_spec spec = spec_of(c->attrs, c->in_value, 1);
    ek_strided dense;
    ek_shape out;
    ek_parts *p = ek__parts_new(c, 1);

    if (ek__empty(c)) return EK_OK;
    if (p == NULL) return EK_RESOURCE_EXHAUSTED;
    EK_TRY(ek__strided(&spec, &c->in[0], &dense, &out, c->err));
    strided_loops(&dense, &c->in[0], true, ek__parts_add(p, 0, 0));
    ek__parts_only(c, p);
    return EK_OK;
}

#define STRIDED_MASKS                                                                                                  \
    "T: type; Index: {int32, int64}; begin_mask: int = 0; end_mask: int = 0; ellipsis_mask: int = 0; new_axis_mask: "  \
    "int = 0; "                                                                                                        \
    "shrink_axis_mask: int = 0"

const ek_op_def ek__op_StridedSlice = {
    .name = "StridedSlice",
    .kind = EK_KIND_PURE,
    .inputs = "input: T, begin: Index, end: Index, strides: Index",
    .outputs = "output: T",
    .attrs = STRIDED_MASKS,
    .attrs_size = sizeof(strided_attrs),
    .fields = strided_fields,
    .n_fields = EK_COUNT_OF(strided_fields),
    .shape = strided_shape,
    .prepare = strided_prepare,
    .value_inputs = 1u << 1 | 1u << 2 | 1u << 3,
};

/* ---- StridedSliceGrad: zeros, but for what was sliced ---------------------------------------- */

enum { GRAD_SHAPE, GRAD_BEGIN, GRAD_DY = 4 };

static ek_status strided_grad_shape(ek_shape_ctx *c)
{
    ek_strided dense;
    ek_shape sliced;
    int64_t n;

    EK_TRY(ek__input_as_shape(c, GRAD_SHAPE, &c->out[0]));
    EK_TRY(strided_lengths(c, GRAD_BEGIN, &n));
    if (!c->running || !ek_shape_is_known(&c->out[0]) || c->in_value[GRAD_BEGIN] == NULL ||
        c->in_value[GRAD_BEGIN + 1] == NULL || c->in_value[GRAD_BEGIN + 2] == NULL)
        return EK_OK;
    const ek_strided_spec spec = spec_of(c->attrs, c->in_value, GRAD_BEGIN);
    EK_TRY(ek__strided(&spec, &c->out[0], &dense, &sliced, c->err));
    if (!ek_shape_compatible(&sliced, &c->in[GRAD_DY]))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "shape of dy was %s instead of %s", EK_CC(&c->in[GRAD_DY]),
                       EK_CC(&sliced));
    return EK_OK;
}

static ek_status grad_zero(const ek_run_args *a, int64_t chunk)
{
    return ek__parts_chunk(&((const ek_parts *)a->state)[0], a, chunk);
}

static ek_status grad_copy(const ek_run_args *a, int64_t chunk)
{
    return ek__parts_chunk(&((const ek_parts *)a->state)[1], a, chunk);
}

static ek_status strided_grad_prepare(ek_prepare_ctx *c)
{
    const ek_strided_spec spec = spec_of(c->attrs, c->in_value, GRAD_BEGIN);
    ek_strided dense;
    ek_shape sliced;
    ek_parts *p = ek__parts_pair(c, 1, 1);

    if (ek__empty(c)) return EK_OK;
    if (p == NULL) return EK_RESOURCE_EXHAUSTED;
    EK_TRY(ek__strided(&spec, &c->out[0], &dense, &sliced, c->err));
    ek__walk_fill(ek__parts_add(&p[0], EK_FROM_CONSTANT, 0), &c->out[0]);
    strided_loops(&dense, &c->out[0], false, ek__parts_add(&p[1], GRAD_DY, 0));
    c->state = p;
    ek__parts_phase(c, &p[0], grad_zero);
    ek__parts_phase(c, &p[1], grad_copy);
    return EK_OK;
}

const ek_op_def ek__op_StridedSliceGrad = {
    .name = "StridedSliceGrad",
    .kind = EK_KIND_PURE,
    .inputs = "shape: Index, begin: Index, end: Index, strides: Index, dy: T",
    .outputs = "output: T",
    .attrs = STRIDED_MASKS,
    .attrs_size = sizeof(strided_attrs),
    .fields = strided_fields,
    .n_fields = EK_COUNT_OF(strided_fields),
    .shape = strided_grad_shape,
    .prepare = strided_grad_prepare,
    .value_inputs = 0xf,
};
