/* ops/split.c - taking a tensor apart along an axis: Split, SplitV, Unpack. */
#include "ops/rules.h"
#include "ops/walk.h"

/* Pieces of input `in`, one after the other along the axis. */
static ek_status pieces_prepare(ek_prepare_ctx *c, int in, int32_t axis)
{
    const ek_shape *whole = &c->in[in];
    const int64_t outer = ek__dims(whole, 0, axis), row = ek__dims(whole, axis, whole->rank);
    const int64_t inner = ek__dims(whole, axis + 1, whole->rank);
    ek_parts *p = ek__parts_new(c, c->n_out);
    int64_t at = 0;

    if (ek_shape_count(whole) == 0) return EK_OK;
    if (p == NULL) return EK_RESOURCE_EXHAUSTED;
    for (int k = 0; k < c->n_out; k++) {
        /* Unpack's pieces lack the axis: they have one row each. */
        const int64_t mine = (c->out[k].rank == whole->rank ? c->out[k].dim[axis] : 1) * inner;
        ek_walk *w = ek__parts_add(p, in, k);

        w->in_at = at;
        ek__walk_loop(w, outer, row, mine);
        ek__walk_loop(w, mine, 1, 1);
        at += mine;
    }
    ek__parts_only(c, p);
    return EK_OK;
}

/* The axis that the value of input i names, within the rank of what is split; -1 while one of them is unknown. */
static ek_status split_axis(const ek_shape_ctx *c, int i, const ek_shape *whole, int32_t *axis)
{
    const ek_array *value = c->in_value[i];

    *axis = -1;
    if (value != NULL && value->count != 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "split_dim must be a scalar but has shape %s", EK_CC(&value->shape));
    if (value == NULL || whole->rank < 0) return EK_OK;
    const int64_t named = ek__array_int(value, 0);
    if (named < -whole->rank || named >= whole->rank)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "-input rank(-%d) <= split_dim < input rank (%d), but got %lld",
                       whole->rank, whole->rank, (long long)named);
    *axis = (int32_t)(named < 0 ? named + whole->rank : named);
    return EK_OK;
}

/* Without the axis: pieces of as many dimensions. */
static ek_status rank_only(ek_shape_ctx *c, const ek_shape *whole)
{
    for (int k = 0; k < c->n_out && whole->rank >= 0; k++) c->out[k] = ek__unknown_dims(whole->rank);
    return EK_OK;
}

/* ---- Split ----------------------------------------------------------------------------------- */

enum { SPLIT_DIM, SPLIT_VALUE };

static ek_status split_shape(ek_shape_ctx *c)
{
    const ek_shape *whole = &c->in[SPLIT_VALUE];
    int32_t axis;

    EK_TRY(split_axis(c, SPLIT_DIM, whole, &axis));
    if (axis < 0) return rank_only(c, whole);
    const int64_t n = whole->dim[axis];
    if (n >= 0 && n % c->n_out != 0)
        return c->running
                   ? EK_FAIL(c->err, INVALID_ARGUMENT,
                             "Number of ways to split should evenly divide the split dimension, but got split_dim "
                             "%d (size = %lld) and num_split %d",
                             axis, (long long)n, c->n_out)
                   : EK_FAIL(c->err, INVALID_ARGUMENT, "Dimension size must be evenly divisible by %d but is %lld",
                             c->n_out, (long long)n);
    for (int k = 0; k < c->n_out; k++) {
        c->out[k] = *whole;
        c->out[k].dim[axis] = n < 0 ? -1 : n / c->n_out;
    }
    return EK_OK;
}

static ek_status split_prepare(ek_prepare_ctx *c)
{
    const int64_t axis = ek__int_at(c->in_value, SPLIT_DIM, 0);

    return pieces_prepare(c, SPLIT_VALUE, (int32_t)(axis < 0 ? axis + c->in[SPLIT_VALUE].rank : axis));
}

const ek_op_def ek__op_Split = {
    .name = "Split",
    .kind = EK_KIND_PURE,
    .inputs = "split_dim: int32, value: T",
    .outputs = "output: num_split * T",
    .attrs = "num_split: int >= 1; T: type",
    .shape = split_shape,
    .prepare = split_prepare,
    .value_inputs = 1u << SPLIT_DIM,
};

/* ---- SplitV ---------------------------------------------------------------------------------- */

enum { V_VALUE, V_SIZES, V_DIM };

/* Where the -1 among the sizes is (-1: none), and the sum of the others. */
static ek_status sizes_sum(const ek_shape_ctx *c, int64_t *missing, int64_t *sum)
{
    const ek_array *sizes = c->in_value[V_SIZES];

    *missing = -1;
    *sum = 0;
    for (int64_t k = 0; k < sizes->count; k++) {
        const int64_t n = ek__array_int(sizes, k);

        if (n == -1) {
            if (*missing >= 0) return EK_FAIL(c->err, INVALID_ARGUMENT, "There can only be one -1 in the input.");
            *missing = k;
            continue;
        }
        if (n < 0 || *sum > INT64_MAX - n)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Split size at index %lld must be >= 0. Got: %lld", (long long)k,
                           (long long)n);
        *sum += n;
    }
    return EK_OK;
}

static ek_status split_v_shape(ek_shape_ctx *c)
{
    const ek_shape *whole = &c->in[V_VALUE], *lengths = &c->in[V_SIZES];
    const ek_array *sizes = c->in_value[V_SIZES];
    int64_t missing, sum;
    int32_t axis;

    if (lengths->rank > 0 && lengths->dim[0] >= 0 && (lengths->rank != 1 || lengths->dim[0] != c->n_out))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "size_splits must have %d elements, but has shape %s", c->n_out,
                       EK_CC(lengths));
    EK_TRY(split_axis(c, V_DIM, whole, &axis));
    if (axis < 0) return rank_only(c, whole);
    const int64_t n = whole->dim[axis];
    for (int k = 0; k < c->n_out; k++) {
        c->out[k] = *whole;
        c->out[k].dim[axis] = -1;
    }
    if (sizes == NULL) return EK_OK;
    if (sizes->count != c->n_out)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "size_splits must have %d elements, but has shape %s", c->n_out,
                       EK_CC(lengths));
    EK_TRY(sizes_sum(c, &missing, &sum));
    if (n >= 0 && (missing < 0 ? sum != n : sum > n))
        return EK_FAIL(
            c->err, INVALID_ARGUMENT,
            "Determined shape must either match input shape along split_dim exactly if fully specified, or be "
            "less than the size of the input along split_dim if not fully specified.  Got: %lld",
            (long long)sum);
    for (int k = 0; k < c->n_out; k++)
        c->out[k].dim[axis] = k != missing ? ek__array_int(sizes, k) : n >= 0 ? n - sum : -1;
    return EK_OK;
}

static ek_status split_v_prepare(ek_prepare_ctx *c)
{
    const int64_t axis = ek__int_at(c->in_value, V_DIM, 0);

    return pieces_prepare(c, V_VALUE, (int32_t)(axis < 0 ? axis + c->in[V_VALUE].rank : axis));
}

const ek_op_def ek__op_SplitV = {
    .name = "SplitV",
    .kind = EK_KIND_PURE,
    .inputs = "value: T, size_splits: Tlen, split_dim: int32",
    .outputs = "output: num_split * T",
    .attrs = "num_split: int >= 1; T: type; Tlen: {int32, int64} = int64",
    .shape = split_v_shape,
    .prepare = split_v_prepare,
    .value_inputs = 1u << V_SIZES | 1u << V_DIM,
};

/* ---- Unpack ---------------------------------------------------------------------------------- */

typedef struct unpack_attrs {
    int64_t axis;
} unpack_attrs;

static const ek_field unpack_fields[] = { EK_FIELD(unpack_attrs, axis, INT) };

static ek_status unpack_shape(ek_shape_ctx *c)
{
    const ek_shape *whole = &c->in[0];
    const int64_t named = ((const unpack_attrs *)c->attrs)->axis;
    ek_shape out = EK_SCALAR;

    if (whole->rank < 0) return EK_OK;
    if (named < -whole->rank || named >= whole->rank)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "axis = %lld not in [%d, %d)", (long long)named, -whole->rank,
                       whole->rank);
    const int32_t axis = (int32_t)(named < 0 ? named + whole->rank : named);
    const int64_t n = whole->dim[axis];
    if (n >= 0 && n != c->n_out)
        return c->running
                   ? EK_FAIL(c->err, INVALID_ARGUMENT, "Input shape axis %d must equal %d, got shape %s", axis,
                             c->n_out, EK_CC(whole))
                   : EK_FAIL(c->err, INVALID_ARGUMENT, "Dimension must be %d but is %lld", c->n_out, (long long)n);
    for (int32_t d = 0; d < whole->rank; d++)
        if (d != axis) out.dim[out.rank++] = whole->dim[d];
    for (int k = 0; k < c->n_out; k++) c->out[k] = out;
    return EK_OK;
}

static ek_status unpack_prepare(ek_prepare_ctx *c)
{
    const int64_t axis = ((const unpack_attrs *)c->attrs)->axis;

    return c->n_out == 0 ? EK_OK : pieces_prepare(c, 0, (int32_t)(axis < 0 ? axis + c->in[0].rank : axis));
}

const ek_op_def ek__op_Unpack = {
    .name = "Unpack",
    .kind = EK_KIND_PURE,
    .inputs = "value: T",
    .outputs = "output: num * T",
    .attrs = "num: int >= 0; T: type; axis: int = 0",
    .attrs_size = sizeof(unpack_attrs),
    .fields = unpack_fields,
    .n_fields = EK_COUNT_OF(unpack_fields),
    .shape = unpack_shape,
    .prepare = unpack_prepare,
};
