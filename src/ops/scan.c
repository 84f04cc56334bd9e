/* ops/scan.c - running sums and products along an axis: Cumsum, Cumprod. */
#include "ops/elementwise.h"
#include "ops/rules.h"
#include "ops/walk.h"

enum { X, AXIS };

typedef struct scan_attrs {
    bool exclusive, reverse;
} scan_attrs;

static const ek_field scan_fields[] = { EK_FIELD(scan_attrs, exclusive, BOOL), EK_FIELD(scan_attrs, reverse, BOOL) };

static ek_status scan_shape(ek_shape_ctx *c)
{
    const ek_array *axis = c->in_value[AXIS];
    const int32_t rank = c->in[X].rank;

    if (c->in[AXIS].rank > 0)
        return c->running
                   ? EK_FAIL(c->err, INVALID_ARGUMENT, "ScanOp: axis must be a scalar, not %s", EK_CC(&c->in[AXIS]))
                   : ek__want_rank(c, AXIS, 0);
    c->out[0] = c->in[X];
    if (axis == NULL || rank < 0) return EK_OK;
    const int64_t at = ek__array_int(axis, 0);
    if (at < -rank || at >= rank)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "ScanOp: Expected scan axis in the range [%d, %d), but got %lld",
                       -rank, rank, (long long)at);
    return EK_OK;
}

/* The tensor is [outer, n, inner]: n steps of a whole row of `inner`, so that each step is the element-wise loop. */
typedef struct scan_state {
    ek_elementwise_fn loop;
    size_t size; /* of an element */
    int64_t outer, n, inner, outer_per_chunk;
    bool exclusive, reverse;
    uint64_t unit[2]; /* 0 or 1 as an element */
} scan_state;

static void scan_one(const scan_state *s, const char *in, char *out)
{
    static const int step[2] = { 1, 1 };
    const size_t row = (size_t)s->inner * s->size;
    const char *before = NULL; /* the row that the next one adds to */

    for (int64_t k = 0; k < s->n; k++) {
        const int64_t at = s->reverse ? s->n - 1 - k : k, last = s->reverse ? at + 1 : at - 1;
        char *to = out + (size_t)at * row;

        if (before == NULL && s->exclusive) {
            for (int64_t i = 0; i < s->inner; i++) memcpy(to + (size_t)i * s->size, s->unit, s->size);
        } else if (before == NULL) {
            memcpy(to, in + (size_t)at * row, row);
        } else {
            const void *const operands[] = { before, in + (size_t)(s->exclusive ? last : at) * row };
            s->loop(s->inner, operands, step, to, NULL);
        }
        before = to;
    }
}

static ek_status scan_run(const ek_run_args *a, int64_t chunk)
{
    const scan_state *s = a->state;
    const size_t block = (size_t)(s->n * s->inner) * s->size;
    const int64_t from = chunk * s->outer_per_chunk;
    const int64_t to = s->outer - from < s->outer_per_chunk ? s->outer : from + s->outer_per_chunk;

    for (int64_t k = from; k < to; k++)
        scan_one(s, (const char *)a->in[X] + (size_t)k * block, (char *)a->out[0] + (size_t)k * block);
    return EK_OK;
}

static ek_status scan_prepare(ek_prepare_ctx *c, const ek_loops *loops, double unit)
{
    const scan_attrs *attrs = c->attrs;
    const ek_shape *x = &c->in[X];
    scan_state *s = EK_ARENA_NEW(c->arena, scan_state, 1);
    const int64_t named = ek__int_at(c->in_value, AXIS, 0);
    const int32_t axis = (int32_t)(named < 0 ? named + x->rank : named);

    if (ek__empty(c)) return EK_OK;
    if (s == NULL) return ek__no_memory(c);
    *s = (scan_state){
        .loop = ek__loop(loops, c->out_dtype[0]),
        .size = ek_dtype_size(c->out_dtype[0]),
        .outer = ek__dims(x, 0, axis),
        .n = x->dim[axis],
        .inner = ek__dims(x, axis + 1, x->rank),
        .exclusive = attrs->exclusive,
        .reverse = attrs->reverse,
    };
    if (s->loop == NULL)
        return EK_FAIL(c->err, UNIMPLEMENTED, "%s has no loop for %s", c->def->name, ek_dtype_cc_name(c->out_dtype[0]));
    ek__convert(EK_FLOAT64, &unit, c->out_dtype[0], s->unit, 1);
    const int64_t block = s->n * s->inner;
    s->outer_per_chunk = block < EK_ELEMENTWISE_CHUNK ? EK_ELEMENTWISE_CHUNK / block : 1;
    c->state = s;
    ek__add_phase(c, scan_run, (s->outer + s->outer_per_chunk - 1) / s->outer_per_chunk);
    return EK_OK;
}

static ek_status sum_prepare(ek_prepare_ctx *c)
{
    return scan_prepare(c, &ek__loops_add, 0.0);
}

static ek_status product_prepare(ek_prepare_ctx *c)
{
    return scan_prepare(c, &ek__loops_mul, 1.0);
}

#define SCAN_ATTRS                                                                                                     \
    "exclusive: bool = false; reverse: bool = false; T: {float, double, int32, uint8, int16, int8, complex64, int64, " \
    "qint8, "                                                                                                          \
    "quint8, qint32, bfloat16, uint16, complex128, half, uint32, uint64}; Tidx: {int32, int64} = int32"

const ek_op_def ek__op_Cumsum = {
    .name = "Cumsum",
    .kind = EK_KIND_PURE,
    .inputs = "x: T, axis: Tidx",
    .outputs = "out: T",
    .attrs = SCAN_ATTRS,
    .attrs_size = sizeof(scan_attrs),
    .fields = scan_fields,
    .n_fields = EK_COUNT_OF(scan_fields),
    .shape = scan_shape,
    .prepare = sum_prepare,
    .value_inputs = 1u << AXIS,
};

const ek_op_def ek__op_Cumprod = {
    .name = "Cumprod",
    .kind = EK_KIND_PURE,
    .inputs = "x: T, axis: Tidx",
    .outputs = "out: T",
    .attrs = SCAN_ATTRS,
    .attrs_size = sizeof(scan_attrs),
    .fields = scan_fields,
    .n_fields = EK_COUNT_OF(scan_fields),
    .shape = scan_shape,
    .prepare = product_prepare,
    .value_inputs = 1u << AXIS,
};
