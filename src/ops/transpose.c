/* ops/transpose.c - other orders of the same elements: Transpose, Reverse, InvertPermutation. */
#include "ops/index.h"
#include "ops/rules.h"
#include "ops/walk.h"

/* ---- Transpose, ConjugateTranspose ----------------------------------------------------------- */

enum { X, PERM };

/* What TensorFlow's kernel says about a permutation. */
static ek_status perm_check(const ek_shape_ctx *c, int32_t rank)
{
    const ek_array *perm = c->in_value[PERM];
    bool seen[EK_MAX_RANK] = { false };

    if (perm->shape.rank != 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "perm must be rank 1, got shape %s", EK_CC(&perm->shape));
    if (perm->count != rank)
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "transpose expects a vector of size %d. But input(1) is a vector of size %lld", rank,
                       (long long)perm->count);
    for (int32_t d = 0; d < rank; d++) {
        const int64_t from = ek__array_int(perm, d);

        if (from < 0 || from >= rank)
            return c->running
                       ? EK_FAIL(c->err, INVALID_ARGUMENT, "%lld is out of range [0 .. %d)", (long long)from, rank)
                       : EK_FAIL(c->err, INVALID_ARGUMENT, "perm dim %lld is out of range of input rank %d",
                                 (long long)from, rank);
        seen[from] = true;
    }
    for (int32_t d = 0; d < rank && c->running; d++)
        if (!seen[d]) {
            char text[EK_MAX_RANK * 4];
            size_t at = 0;

            for (int32_t k = 0; k < rank; k++)
                at += (size_t)snprintf(text + at, sizeof text - at, k > 0 ? ",%d" : "%d", (int)ek__array_int(perm, k));
            return EK_FAIL(c->err, INVALID_ARGUMENT, "%d is missing from {%s}.", d, text);
        }
    return EK_OK;
}

static ek_status transpose_shape(ek_shape_ctx *c)
{
    const ek_shape *x = &c->in[X];
    const int64_t length = c->in[PERM].rank == 1 ? c->in[PERM].dim[0] : -1;
    int64_t rank = x->rank;

    if (c->in_value[PERM] != NULL && x->rank >= 0) {
        EK_TRY(perm_check(c, x->rank));
        c->out[0].rank = x->rank;
        for (int32_t d = 0; d < x->rank; d++) c->out[0].dim[d] = x->dim[ek__int_at(c->in_value, PERM, d)];
        return EK_OK;
    }
    EK_TRY(ek__want_rank(c, PERM, 1));
    if (rank < 0) rank = length;
    if (rank > EK_MAX_RANK)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "a permutation of %lld, %d are supported", (long long)rank,
                       EK_MAX_RANK);
    /* A single entry with an unknown input may be for a scalar or a vector. */
    if (rank < 0 || (x->rank < 0 && rank < 2)) return EK_OK;
    if (length >= 0 && length != rank)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Dimension must be %lld but is %lld", (long long)rank,
                       (long long)length);
    c->out[0] = ek__unknown_dims((int32_t)rank);
    return EK_OK;
}

static void transpose_loops(const ek_prepare_ctx *c, ek_walk *w)
{
    int64_t in_stride[EK_MAX_RANK], out_stride[EK_MAX_RANK];

    ek__strides(&c->in[X], in_stride);
    ek__strides(&c->out[0], out_stride);
    for (int32_t d = 0; d < c->out[0].rank; d++)
        ek__walk_loop(w, c->out[0].dim[d], in_stride[ek__int_at(c->in_value, PERM, d)], out_stride[d]);
}

static ek_status transpose_prepare(ek_prepare_ctx *c)
{
    ek_parts *p = ek__parts_new(c, 1);

    if (ek__empty(c)) return EK_OK;
    if (p == NULL) return EK_RESOURCE_EXHAUSTED;
    transpose_loops(c, ek__parts_add(p, X, 0));
    ek__parts_only(c, p);
    return EK_OK;
}

const ek_op_def ek__op_Transpose = {
    .name = "Transpose",
    .kind = EK_KIND_PURE,
    .inputs = "x: T, perm: Tperm",
    .outputs = "y: T",
    .attrs = "T: type; Tperm: {int32, int64} = int32",
    .shape = transpose_shape,
    .prepare = transpose_prepare,
    .value_inputs = 1u << PERM,
};

/* Conjugation: the sign of every imaginary part, in place, after the move. */
enum { CONJUGATE_CHUNK = 32 * 1024 };

static ek_status conjugate(const ek_run_args *a, int64_t chunk)
{
    const ek_parts *p = a->state;
    const int64_t from = chunk * CONJUGATE_CHUNK, left = p->part[0].count - from;
    const int64_t to = from + (left < CONJUGATE_CHUNK ? left : CONJUGATE_CHUNK);

    if (p->dtype == EK_COMPLEX64)
        for (int64_t i = from; i < to; i++) ((float *)a->out[0])[2 * i + 1] *= -1.0f;
    else
        for (int64_t i = from; i < to; i++) ((double *)a->out[0])[2 * i + 1] *= -1.0;
    return EK_OK;
}

static ek_status conjugate_prepare(ek_prepare_ctx *c)
{
    EK_TRY(transpose_prepare(c));
    if (ek_dtype_is_complex(c->out_dtype[0]))
        ek__add_phase(c, conjugate, (ek_shape_count(&c->out[0]) + CONJUGATE_CHUNK - 1) / CONJUGATE_CHUNK);
    return EK_OK;
}

const ek_op_def ek__op_ConjugateTranspose = {
    .name = "ConjugateTranspose",
    .kind = EK_KIND_PURE,
    .inputs = "x: T, perm: Tperm",
    .outputs = "y: T",
    .attrs = "T: type; Tperm: {int32, int64} = int32",
    .shape = transpose_shape,
    .prepare = conjugate_prepare,
    .value_inputs = 1u << PERM,
};

/* ---- Reverse, ReverseV2 ---------------------------------------------------------------------- */

enum { TENSOR, AXES };

static void reverse_loops(const ek_shape *shape, uint32_t reversed, ek_walk *w)
{
    int64_t stride[EK_MAX_RANK];

    ek__strides(shape, stride);
    for (int32_t d = 0; d < shape->rank; d++) {
        const bool back = (reversed >> d & 1u) != 0 && shape->dim[d] > 0;

        if (back) w->in_at += (shape->dim[d] - 1) * stride[d];
        ek__walk_loop(w, shape->dim[d], back ? -stride[d] : stride[d], stride[d]);
    }
}

static ek_status reverse_prepare_axes(ek_prepare_ctx *c, uint32_t reversed)
{
    ek_parts *p = ek__parts_new(c, 1);

    if (ek__empty(c)) return EK_OK;
    if (p == NULL) return EK_RESOURCE_EXHAUSTED;
    reverse_loops(&c->in[TENSOR], reversed, ek__parts_add(p, TENSOR, 0));
    ek__parts_only(c, p);
    return EK_OK;
}

static ek_status reverse_shape(ek_shape_ctx *c)
{
    const ek_shape *in = &c->in[TENSOR], *dims = &c->in[AXES];

    EK_TRY(ek__want_rank(c, AXES, 1));
    c->out[0] = *in;
    if (dims->rank != 1 || dims->dim[0] < 0) return EK_OK;
    if (in->rank >= 0 && in->rank != dims->dim[0])
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "'dims' must have the same number of values as 'input' has dimensions. 'input' has %d'dims' has "
                       "%lld values",
                       in->rank, (long long)dims->dim[0]);
    if (in->rank < 0 && dims->dim[0] <= EK_MAX_RANK) c->out[0] = ek__unknown_dims((int32_t)dims->dim[0]);
    return EK_OK;
}

static ek_status reverse_prepare(ek_prepare_ctx *c)
{
    const bool *dims = c->in_value[AXES]->data;
    uint32_t reversed = 0;

    for (int32_t d = 0; d < c->in[TENSOR].rank; d++) reversed |= (uint32_t)dims[d] << d;
    return reverse_prepare_axes(c, reversed);
}

const ek_op_def ek__op_Reverse = {
    .name = "Reverse",
    .kind = EK_KIND_PURE,
    .inputs = "tensor: T, dims: bool",
    .outputs = "output: T",
    .attrs = "T: {uint8, int8, uint16, int16, int32, int64, bool, half, float, double, complex64, complex128, string}",
    .shape = reverse_shape,
    .prepare = reverse_prepare,
    .value_inputs = 1u << AXES,
};

/* Bit d for each axis that is named. */
static ek_status reversed_axes(const ek_array *axes, int32_t rank, uint32_t *reversed, ek_error *err)
{
    *reversed = 0;
    for (int64_t i = 0; i < axes->count; i++) {
        const int64_t named = ek__array_int(axes, i), d = named < 0 ? named + rank : named;

        if (d < 0 || d >= rank)
            return EK_FAIL(err, INVALID_ARGUMENT, "'axis'[%lld] = %lld is out of valid range [0, %d", (long long)i,
                           (long long)named, rank - 1);
        if ((*reversed >> d & 1u) != 0)
            return EK_FAIL(err, INVALID_ARGUMENT, "axis %lld specified more than once.", (long long)d);
        *reversed |= 1u << d;
    }
    return EK_OK;
}

static ek_status reverse_v2_shape(ek_shape_ctx *c)
{
    uint32_t reversed;

    EK_TRY(ek__want_rank(c, AXES, 1));
    c->out[0] = c->in[TENSOR];
    if (c->in_value[AXES] == NULL || c->in[TENSOR].rank < 0) return EK_OK;
    return reversed_axes(c->in_value[AXES], c->in[TENSOR].rank, &reversed, c->err);
}

static ek_status reverse_v2_prepare(ek_prepare_ctx *c)
{
    uint32_t reversed;

    EK_TRY(reversed_axes(c->in_value[AXES], c->in[TENSOR].rank, &reversed, c->err));
    return reverse_prepare_axes(c, reversed);
}

const ek_op_def ek__op_ReverseV2 = {
    .name = "ReverseV2",
    .kind = EK_KIND_PURE,
    .inputs = "tensor: T, axis: Tidx",
    .outputs = "output: T",
    .attrs = "Tidx: {int32, int64} = int32; T: {uint8, int8, uint16, int16, int32, int64, bool, bfloat16, half, float, "
             "double, complex64, complex128, string}",
    .shape = reverse_v2_shape,
    .prepare = reverse_v2_prepare,
    .value_inputs = 1u << AXES,
};

/* ---- InvertPermutation ----------------------------------------------------------------------- */

typedef struct invert_state {
    ek_dtype type;
    int64_t n;
} invert_state;

static ek_status invert_shape(ek_shape_ctx *c)
{
    if (c->in[0].rank >= 0 && c->in[0].rank != 1)
        return c->running ? EK_FAIL(c->err, INVALID_ARGUMENT, "invert_permutation expects a 1D vector.")
                          : ek__want_rank(c, 0, 1);
    c->out[0] = c->in[0].rank < 0 ? ek__vector(-1) : c->in[0];
    return EK_OK;
}

static ek_status invert_run(const ek_run_args *a, int64_t chunk)
{
    const invert_state *s = a->state;

    EK_UNUSED(chunk);
    for (int64_t i = 0; i < s->n; i++) ek__store_int(s->type, a->out[0], i, -1);
    for (int64_t i = 0; i < s->n; i++) {
        const int64_t at = ek__get_int(s->type, a->in[0], i);

        if (at < 0 || at >= s->n)
            return EK_FAIL(a->err, INVALID_ARGUMENT, "%lld is not between 0 and %lld", (long long)at, (long long)s->n);
        if (ek__get_int(s->type, a->out[0], at) != -1)
            return EK_FAIL(a->err, INVALID_ARGUMENT, "%lld is duplicated in the input.", (long long)at);
        ek__store_int(s->type, a->out[0], at, i);
    }
    return EK_OK;
}

static ek_status invert_prepare(ek_prepare_ctx *c)
{
    invert_state *s = EK_ARENA_NEW(c->arena, invert_state, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (invert_state){ c->in_dtype[0], c->in[0].dim[0] };
    c->state = s;
    ek__add_phase(c, invert_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_InvertPermutation = {
    .name = "InvertPermutation",
    .kind = EK_KIND_PURE,
    .inputs = "x: T",
    .outputs = "y: T",
    .attrs = "T: {int32, int64} = int32",
    .shape = invert_shape,
    .prepare = invert_prepare,
    .no_grad_because = "its output is integers",
};
