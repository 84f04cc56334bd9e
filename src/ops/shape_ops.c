/* ops/shape_ops.c - ops about shapes: asking for one, and giving the same numbers another. */
#include "ops/move.h"
#include "ops/rules.h"

/* ---- Shape, ShapeN, Size, Rank --------------------------------------------------------------- */

typedef struct out_type_attrs {
    ek_dtype out_type;
} out_type_attrs;

static const ek_field out_type_fields[] = { EK_FIELD(out_type_attrs, out_type, TYPE) };

static ek_status shape_shape(ek_shape_ctx *c)
{
    for (int k = 0; k < c->n_out; k++) c->out[k] = ek__vector(c->in[k].rank);
    return EK_OK;
}

/* The answers are known when preparing: vectors of int64, one after the other. */
typedef struct answer {
    ek_dtype type;
    int64_t n;
    const int64_t *value;
} answer;

static ek_status answer_run(const ek_run_args *a, int64_t k)
{
    const answer *s = (const answer *)a->state + k;

    for (int64_t i = 0; i < s->n; i++) ek__store_int(s->type, a->out[k], i, s->value[i]);
    return EK_OK;
}

static ek_status answer_set(ek_prepare_ctx *c, int k, int64_t n, const int64_t *value)
{
    answer *s = c->state != NULL ? c->state : EK_ARENA_NEW(c->arena, answer, c->n_out);
    const int64_t *copy = ek__arena_memdup(c->arena, value, (size_t)(n + 1) * sizeof *value);

    if (s == NULL || copy == NULL) return ek__no_memory(c);
    for (int64_t i = 0; i < n; i++)
        if (c->out_dtype[k] == EK_INT32 && value[i] > INT32_MAX)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "%s: %lld does not fit into int32; ask for out_type int64",
                           c->def->name, (long long)value[i]);
    s[k] = (answer){ c->out_dtype[k], n, copy };
    c->state = s;
    return EK_OK;
}

static ek_status shape_prepare(ek_prepare_ctx *c)
{
    for (int k = 0; k < c->n_out; k++) {
        int64_t value[EK_MAX_RANK + 1] = { 0 };

        memcpy(value, c->in[k].dim, sizeof c->in[k].dim);
        EK_TRY(answer_set(c, k, c->in[k].rank, value));
    }
    ek__add_phase(c, answer_run, c->n_out);
    return EK_OK;
}

static ek_status size_prepare(ek_prepare_ctx *c)
{
    const int64_t value[2] = { ek_shape_count(&c->in[0]), 0 };

    EK_TRY(answer_set(c, 0, 1, value));
    ek__add_phase(c, answer_run, 1);
    return EK_OK;
}

static ek_status rank_prepare(ek_prepare_ctx *c)
{
    const int64_t value[2] = { c->in[0].rank, 0 };

    EK_TRY(answer_set(c, 0, 1, value));
    ek__add_phase(c, answer_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_Shape = {
    .name = "Shape",
    .kind = EK_KIND_PURE,
    .inputs = "input: T",
    .outputs = "output: out_type",
    .attrs = "T: type; out_type: {int32, int64} = int32",
    .attrs_size = sizeof(out_type_attrs),
    .fields = out_type_fields,
    .n_fields = EK_COUNT_OF(out_type_fields),
    .shape = shape_shape,
    .prepare = shape_prepare,
    .shape_inputs = 1,
    .no_grad_because = "its output is integers",
};

const ek_op_def ek__op_ShapeN = {
    .name = "ShapeN",
    .kind = EK_KIND_PURE,
    .inputs = "input: N * T",
    .outputs = "output: N * out_type",
    .attrs = "N: int >= 1; T: type; out_type: {int32, int64} = int32",
    .attrs_size = sizeof(out_type_attrs),
    .fields = out_type_fields,
    .n_fields = EK_COUNT_OF(out_type_fields),
    .shape = shape_shape,
    .prepare = shape_prepare,
    .shape_inputs = 1,
    .no_grad_because = "its outputs are integers",
};

const ek_op_def ek__op_Size = {
    .name = "Size",
    .kind = EK_KIND_PURE,
    .inputs = "input: T",
    .outputs = "output: out_type",
    .attrs = "T: type; out_type: {int32, int64} = int32",
    .attrs_size = sizeof(out_type_attrs),
    .fields = out_type_fields,
    .n_fields = EK_COUNT_OF(out_type_fields),
    .shape = ek__scalar_rule,
    .prepare = size_prepare,
    .shape_inputs = 1,
    .no_grad_because = "its output is an integer",
};

const ek_op_def ek__op_Rank = {
    .name = "Rank",
    .kind = EK_KIND_PURE,
    .inputs = "input: T",
    .outputs = "output: int32",
    .attrs = "T: type",
    .shape = ek__scalar_rule,
    .prepare = rank_prepare,
    .shape_inputs = 1,
    .no_grad_because = "its output is an integer",
};

/* ---- Reshape --------------------------------------------------------------------------------- */

enum { TENSOR, SHAPE };

/* The product of the known dimensions, and where the last unknown one is (-1: there is none), how many there are. */
typedef struct shape_sum {
    int64_t known;
    int32_t unknown_at, n_unknown;
} shape_sum;

static ek_status sum_shape(const ek_shape_ctx *c, const ek_shape *s, shape_sum *out)
{
    *out = (shape_sum){ 1, -1, 0 };
    for (int32_t d = 0; d < s->rank; d++) {
        if (s->dim[d] < 0) {
            out->unknown_at = d;
            out->n_unknown++;
        } else if (s->dim[d] != 0 && out->known > INT64_MAX / s->dim[d]) {
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Shape %s has too many elements", EK_CC(s));
        } else {
            out->known *= s->dim[d];
        }
    }
    return EK_OK;
}

/* What TensorFlow's kernel says about the requested sizes before it looks at the tensor. */
static ek_status reshape_check(const ek_shape_ctx *c)
{
    const ek_array *v = c->in_value[SHAPE];
    int64_t unknown = -1;

    if (c->in[SHAPE].rank > 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "sizes input must be 1-D, not %s", EK_CC(&c->in[SHAPE]));
    for (int64_t d = 0; v != NULL && d < v->count; d++) {
        const int64_t size = ek__array_int(v, d);

        if (size < -1)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Size %lld must be non-negative, not %lld", (long long)d,
                           (long long)size);
        if (size == -1 && unknown >= 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Only one input size may be -1, not both %lld and %lld",
                           (long long)unknown, (long long)d);
        if (size == -1) unknown = d;
    }
    return EK_OK;
}

/* The product of the dimensions that are neither 0 nor unknown. */
static int64_t nonzero(const ek_shape *s)
{
    int64_t n = 1;

    for (int32_t d = 0; d < s->rank; d++)
        if (s->dim[d] > 0) n *= s->dim[d];
    return n;
}

/* -1 beside a 0 of a tensor without elements: what the dimensions that are not 0 leave for it, as in TensorFlow. */
static ek_status reshape_of_nothing(ek_shape_ctx *c, const ek_shape *to, int64_t count, int unknown_at)
{
    if (count != 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Input to reshape is a tensor with %lld values, but the requested shape has 0",
                       (long long)count);
    c->out[0].dim[unknown_at] = nonzero(&c->in[TENSOR]) / nonzero(to);
    return EK_OK;
}

static ek_status reshape_shape(ek_shape_ctx *c)
{
    const int64_t count = ek_shape_count(&c->in[TENSOR]);
    ek_shape out;
    shape_sum s;

    if (c->running) EK_TRY(reshape_check(c));
    EK_TRY(ek__input_as_shape(c, SHAPE, &out));
    c->out[0] = out;
    if (out.rank < 0 || count < 0) return EK_OK;
    EK_TRY(sum_shape(c, &out, &s));
    if (s.n_unknown == 0 && s.known != count)
        return c->running ? EK_FAIL(c->err, INVALID_ARGUMENT,
                                    "Input to reshape is a tensor with %lld values, but the requested shape has %lld",
                                    (long long)count, (long long)s.known)
                          : EK_FAIL(c->err, INVALID_ARGUMENT,
                                    "Cannot reshape a tensor with %lld elements to shape %s (%lld elements)",
                                    (long long)count, EK_CC(&out), (long long)s.known);
    if (s.n_unknown != 1) return EK_OK;
    if (s.known == 0) return c->running ? reshape_of_nothing(c, &out, count, s.unknown_at) : EK_OK;
    if (count % s.known != 0)
        return c->running ? EK_FAIL(c->err, INVALID_ARGUMENT,
                                    "Input to reshape is a tensor with %lld values, but the requested shape requires a "
                                    "multiple of %lld",
                                    (long long)count, (long long)s.known)
                          : EK_FAIL(c->err, INVALID_ARGUMENT,
                                    "Dimension size must be evenly divisible by %lld but is %lld", (long long)s.known,
                                    (long long)count);
    c->out[0].dim[s.unknown_at] = count / s.known;
    return EK_OK;
}

const ek_op_def ek__op_Reshape = {
    .name = "Reshape",
    .kind = EK_KIND_PURE,
    .inputs = "tensor: T, shape: Tshape",
    .outputs = "output: T",
    .attrs = "T: type; Tshape: {int32, int64} = int32",
    .shape = reshape_shape,
    .prepare = ek__prepare_copy,
    .value_inputs = 1u << SHAPE,
    .alias_data = true,
    .inplace = 1u << TENSOR,
};

/* ---- Squeeze --------------------------------------------------------------------------------- */

typedef struct squeeze_attrs {
    ek_ints squeeze_dims;
} squeeze_attrs;

static const ek_field squeeze_fields[] = { EK_FIELD_LIST(squeeze_attrs, squeeze_dims, INT) };

/* Bit d for each dimension that is named. */
static ek_status squeeze_named(const ek_shape_ctx *c, uint32_t *named)
{
    const ek_ints *dims = &((const squeeze_attrs *)c->attrs)->squeeze_dims;
    const int64_t rank = c->in[0].rank;

    *named = 0;
    for (int32_t i = 0; i < dims->count; i++) {
        const int64_t d = dims->at[i];

        if (d < -rank || d >= rank)
            return c->running ? EK_FAIL(c->err, INVALID_ARGUMENT,
                                        "Tried to squeeze dim index %lld for tensor with %lld dimensions.",
                                        (long long)d, (long long)rank)
                              : EK_FAIL(c->err, INVALID_ARGUMENT, "squeeze_dims[%d] not in [%lld,%lld).", i,
                                        (long long)-rank, (long long)rank);
        *named |= 1u << (d < 0 ? d + rank : d);
    }
    return EK_OK;
}

static ek_status squeeze_shape(ek_shape_ctx *c)
{
    const bool all = ((const squeeze_attrs *)c->attrs)->squeeze_dims.count == 0;
    const ek_shape *in = &c->in[0];
    ek_shape out = EK_SCALAR;
    uint32_t named;

    if (in->rank < 0) return EK_OK;
    EK_TRY(squeeze_named(c, &named));
    for (int32_t d = 0; d < in->rank; d++) {
        const bool is_named = (named >> d & 1u) != 0;

        if (is_named && in->dim[d] > 1)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Can not squeeze dim[%d], expected a dimension of 1, got %lld", d,
                           (long long)in->dim[d]);
        if (is_named && in->dim[d] == 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Can not squeeze dim[%d], expected a dimension of 1, got 0", d);
        if (all && in->dim[d] < 0) return EK_OK; /* it may be 1: not even the rank is known */
        if (!is_named && !(all && in->dim[d] == 1)) out.dim[out.rank++] = in->dim[d];
    }
    c->out[0] = out;
    return EK_OK;
}

const ek_op_def ek__op_Squeeze = {
    .name = "Squeeze",
    .kind = EK_KIND_PURE,
    .inputs = "input: T",
    .outputs = "output: T",
    .attrs = "T: type; squeeze_dims: list(int) >= 0 = []",
    .attrs_size = sizeof(squeeze_attrs),
    .fields = squeeze_fields,
    .n_fields = EK_COUNT_OF(squeeze_fields),
    .shape = squeeze_shape,
    .prepare = ek__prepare_copy,
    .alias_data = true,
    .inplace = 1,
};

/* ---- ExpandDims ------------------------------------------------------------------------------ */

enum { INPUT, DIM };

static ek_status expand_shape(ek_shape_ctx *c)
{
    const ek_shape *in = &c->in[INPUT];
    const ek_array *dim = c->in_value[DIM];

    if (dim != NULL && dim->count != 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "'dim' %smust be a tensor with a single value",
                       c->running ? "" : "input ");
    if (dim == NULL || in->rank < 0) return EK_OK;

    const int64_t d = ek__array_int(dim, 0), rank = in->rank;
    if (d < -rank - 1 || d > rank)
        return c->running ? EK_FAIL(c->err, INVALID_ARGUMENT,
                                    "Tried to expand dim index %lld for tensor with %lld dimensions.", (long long)d,
                                    (long long)rank)
                          : EK_FAIL(c->err, INVALID_ARGUMENT, "dim %lld not in the interval [%lld, %lld].",
                                    (long long)d, (long long)(-rank - 1), (long long)rank);
    return ek__insert_dim(c, in, (int32_t)(d < 0 ? d + rank + 1 : d), 1, &c->out[0]);
}

const ek_op_def ek__op_ExpandDims = {
    .name = "ExpandDims",
    .kind = EK_KIND_PURE,
    .inputs = "input: T, dim: Tdim",
    .outputs = "output: T",
    .attrs = "T: type; Tdim: {int32, int64} = int32",
    .shape = expand_shape,
    .prepare = ek__prepare_copy,
    .value_inputs = 1u << DIM,
    .alias_data = true,
    .inplace = 1u << INPUT,
};

/* ---- EnsureShape ----------------------------------------------------------------------------- */

typedef struct ensure_attrs {
    ek_shape shape;
} ensure_attrs;

static const ek_field ensure_fields[] = { EK_FIELD(ensure_attrs, shape, SHAPE) };

static ek_status ensure_shape(ek_shape_ctx *c)
{
    const ensure_attrs *a = c->attrs;

    if (!ek_shape_merge(&c->in[0], &a->shape, &c->out[0]))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Shape of tensor %s is not compatible with expected shape %s.",
                       EK_CC(&c->in[0]), EK_CC(&a->shape));
    return EK_OK;
}

const ek_op_def ek__op_EnsureShape = {
    .name = "EnsureShape",
    .kind = EK_KIND_PURE,
    .inputs = "input: T",
    .outputs = "output: T",
    .attrs = "shape: shape; T: type",
    .attrs_size = sizeof(ensure_attrs),
    .fields = ensure_fields,
    .n_fields = EK_COUNT_OF(ensure_fields),
    .shape = ensure_shape,
    .prepare = ek__prepare_copy,
    .alias_data = true,
    .inplace = 1,
};
