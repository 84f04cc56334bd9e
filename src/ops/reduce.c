/* ops/reduce.c - Sum, Mean, Prod, Max, Min, All, Any, EuclideanNorm: reductions over axes given as an input.
 *
 * Not here: how an array is cut and summed (ops/fold.c), ArgMax and ArgMin (ops/arg.c).
 */
#include "ops/fold.h"
#include "ops/rules.h"

typedef struct reduce_attrs {
    bool keep_dims;
} reduce_attrs;
static const ek_field reduce_fields[] = { EK_FIELD(reduce_attrs, keep_dims, BOOL) };

enum { INPUT, AXES };

/* Bit i: axis i is reduced. Negative axes count from the end; one that is named twice counts once. */
static ek_status axes_mask(const ek_array *axes, int rank, uint32_t *mask, ek_error *err)
{
    *mask = 0;
    for (int64_t i = 0; i < ek_array_count(axes); i++) {
        const int64_t axis = ek__array_int(axes, i);
        if (axis < -rank || axis >= rank)
            return EK_FAIL(err, INVALID_ARGUMENT, "Invalid reduction dimension (%lld for input with %d dimension(s)",
                           (long long)axis, rank);
        *mask |= 1u << (axis < 0 ? axis + rank : axis);
    }
    return EK_OK;
}

static ek_status reduce_shape(ek_shape_ctx *c)
{
    const reduce_attrs *a = c->attrs;
    const ek_shape *x = &c->in[INPUT];
    ek_shape *out = &c->out[0];
    uint32_t mask;

    if (c->in[AXES].rank > 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Shape must be at most rank 1 but is rank %d", (int)c->in[AXES].rank);
    if (x->rank < 0) return EK_OK;
    if (c->in_value[AXES] == NULL) {
        if (a->keep_dims) *out = ek__unknown_dims(x->rank);
        return EK_OK;
    }
    EK_TRY(axes_mask(c->in_value[AXES], x->rank, &mask, c->err));
    *out = (ek_shape){ .rank = 0 };
    for (int i = 0; i < x->rank; i++) {
        const bool reduced = (mask >> i & 1) != 0;
        if (!reduced) out->dim[out->rank++] = x->dim[i];
        else if (a->keep_dims) out->dim[out->rank++] = 1;
    }
    return EK_OK;
}

static ek_status reduce_prepare(ek_prepare_ctx *c, ek_fold_op op, ek_fold_end end)
{
    uint32_t mask;

    EK_TRY(axes_mask(c->in_value[AXES], c->in[INPUT].rank, &mask, c->err));
    return ek__fold_prepare(c, op, end, c->in_dtype[INPUT], &c->in[INPUT], mask);
}

#define NUMBERS                                                                                            \
    "float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, uint16, " \
    "complex128, half, uint32, uint64"
/* WHOLE: of one element it is that element. */
#define REDUCTION(NAME, INPUT_TYPE, ATTRS, OP, END, WHOLE)                                                          \
    static ek_status NAME##_prepare(ek_prepare_ctx *c) { return reduce_prepare(c, EK_FOLD_##OP, EK_FOLD_##END); }    \
    const ek_op_def ek__op_##NAME = {                                                                               \
        .name = #NAME,                                                                                              \
        .inputs = "input: " INPUT_TYPE ", reduction_indices: Tidx",                                                 \
        .outputs = "output: " INPUT_TYPE,                                                                           \
        .attrs = "keep_dims: bool = false; " ATTRS "Tidx: {int32, int64} = int32",                                   \
        .attrs_size = sizeof(reduce_attrs),                                                                         \
        .fields = reduce_fields,                                                                                    \
        .n_fields = EK_COUNT_OF(reduce_fields),                                                                     \
        .shape = reduce_shape,                                                                                      \
        .value_inputs = 1u << AXES,                                                                                 \
        .prepare = NAME##_prepare,                                                                                  \
        .alias_whole = WHOLE,                                                                                       \
    }
REDUCTION(All, "bool", "", MIN, PLAIN, true);
REDUCTION(Any, "bool", "", MAX, PLAIN, true);
REDUCTION(EuclideanNorm, "T", "T: {" NUMBERS "}; ", SUMSQ, ROOT, false);
REDUCTION(Max, "T", "T: {" NUMBERS "}; ", MAX, PLAIN, true);
REDUCTION(Mean, "T", "T: {" NUMBERS "}; ", SUM, MEAN, true);
REDUCTION(Min, "T", "T: {" NUMBERS "}; ", MIN, PLAIN, true);
REDUCTION(Prod, "T", "T: {" NUMBERS "}; ", PROD, PLAIN, true);
REDUCTION(Sum, "T", "T: {" NUMBERS "}; ", SUM, PLAIN, true);
