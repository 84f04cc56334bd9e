/* ops/select.c - Select, SelectV2 and ClipByValue: element-wise ops of three operands. */
#include "ops/elementwise.h"
#include "ops/move.h"
#include "ops/rules.h"

enum { CONDITION, THEN, ELSE };

static ek_status select_strings(int64_t n, const void *const *in, const int *step, void *out, const void *state,
                                ek_error *err)
{
    const bool *const c = in[CONDITION];
    const ek_string *const x = in[THEN], *const y = in[ELSE];
    ek_string *const z = out;

    EK_UNUSED(state);
    for (int64_t i = 0; i < n; i++) {
        const ek_string *const from = c[i * step[CONDITION]] ? &x[i * step[THEN]] : &y[i * step[ELSE]];

        if (!ek__string_set(&z[i], from->data, from->size))
            return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a string of %zu bytes", from->size);
    }
    return EK_OK;
}

/* The loop moves elements of their size, whatever they are. */
static ek_elementwise_fn select_loop(ek_prepare_ctx *c, const void **state)
{
    static const ek_dtype by_size[17] = { [1] = EK_UINT8, [2] = EK_UINT16, [4] = EK_UINT32, [8] = EK_UINT64,
                                          [16] = EK_COMPLEX128 };
    const ek_dtype t = c->in_dtype[THEN];

    EK_UNUSED(state);
    if (t == EK_STRING || t == EK_RESOURCE || t == EK_VARIANT) return NULL;
    return ek__loop(&ek__loops_select, by_size[ek_dtype_size(t)]);
}

static ek_status select_any(ek_prepare_ctx *c)
{
    if (c->in_dtype[THEN] == EK_STRING) return ek__elementwise_prepare_fallible(c, select_strings, NULL);
    return ek__elementwise_prepare(c);
}

/* ---- Select: condition of the operands' shape, a scalar, or a vector that chooses rows ------------------- */

static bool chooses_rows(const ek_shape *condition, const ek_shape *data)
{
    return condition->rank == 1 && data->rank != 1;
}

static ek_status select_run_check(const ek_shape_ctx *c)
{
    const ek_shape *const p = &c->in[CONDITION], *const x = &c->in[THEN], *const y = &c->in[ELSE];
    const bool rows = chooses_rows(p, x);

    if (rows && x->rank < 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "'then' must be at least a vector, but saw shape: %s", EK_CC(x));
    if (rows && x->dim[0] != p->dim[0])
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "Number of batches of 'then' must match size of 'cond', but saw: %lld vs. %lld",
                       (long long)x->dim[0], (long long)p->dim[0]);
    if ((rows || p->rank == 0) && !ek_shape_equal(x, y))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "'then' and 'else' must have the same size.  but received: %s vs. %s",
                       EK_CC(x), EK_CC(y));
    return EK_OK;
}

static ek_status select_shape(ek_shape_ctx *c)
{
    const ek_shape *const p = &c->in[CONDITION];
    ek_shape *const data = &c->out[0];

    if (c->running) {
        EK_TRY(select_run_check(c));
        if (p->rank != 0 && !chooses_rows(p, &c->in[THEN])) EK_TRY(ek__same_shape(c));
        *data = c->in[THEN];
        return EK_OK;
    }
    EK_TRY(ek__merge_shapes(c, &c->in[THEN], &c->in[ELSE], data));
    if (p->rank <= 0 || data->rank < 0) return EK_OK;
    if (p->rank != 1 || data->rank == 0) return ek__merge_shapes(c, data, p, data);

    ek_shape first = { .rank = 1, .dim = { data->dim[0] } };
    EK_TRY(ek__merge_shapes(c, &first, p, &first));
    data->dim[0] = first.dim[0];
    return EK_OK;
}

static ek_status select_prepare(ek_prepare_ctx *c)
{
    ek_prepare_ctx by_rows = *c;
    ek_shape shapes[3] = { c->in[CONDITION], c->in[THEN], c->in[ELSE] };

    if (!chooses_rows(&c->in[CONDITION], &c->in[THEN])) return select_any(c);
    /* [n] stands for [n,1,1]. */
    shapes[CONDITION].rank = shapes[THEN].rank;
    for (int d = 1; d < shapes[THEN].rank; d++) shapes[CONDITION].dim[d] = 1;
    by_rows.in = shapes;
    EK_TRY(select_any(&by_rows));
    by_rows.in = c->in;
    *c = by_rows;
    return EK_OK;
}

const ek_op_def ek__op_Select = {
    .name = "Select", .inputs = "condition: bool, t: T, e: T", .outputs = "output: T", .attrs = "T: type",
    .shape = select_shape, .prepare = select_prepare, .elementwise = select_loop, .inplace = 1u << THEN | 1u << ELSE,
};

/* ---- SelectV2: all three broadcast ------------------------------------------------------------------------ */

static ek_status select_v2_shape(ek_shape_ctx *c)
{
    int64_t a, b;
    ek_shape data;

    if (ek__broadcast(&c->in[THEN], &c->in[ELSE], &data, &a, &b) &&
        ek__broadcast(&c->in[CONDITION], &data, &c->out[0], &a, &b))
        return EK_OK;
    if (!c->running)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Dimensions must be equal, but are %lld and %lld", (long long)a,
                       (long long)b);
    return EK_FAIL(c->err, INVALID_ARGUMENT, "condition %s, then %s, and else %s must be broadcastable",
                   EK_CC(&c->in[CONDITION]), EK_CC(&c->in[THEN]), EK_CC(&c->in[ELSE]));
}

const ek_op_def ek__op_SelectV2 = {
    .name = "SelectV2", .inputs = "condition: bool, t: T, e: T", .outputs = "output: T", .attrs = "T: type",
    .shape = select_v2_shape, .prepare = select_any, .elementwise = select_loop, .inplace = 1u << THEN | 1u << ELSE,
};

/* ---- ClipByValue -------------------------------------------------------------------------------------------- */

enum { VALUE, LEAST, MOST };

static ek_status clip_shape(ek_shape_ctx *c)
{
    c->out[0] = c->in[VALUE];
    for (int k = LEAST; c->running && k <= MOST; k++)
        if (c->in[k].rank != 0 && !ek_shape_equal(&c->in[k], &c->in[VALUE]))
            return EK_FAIL(c->err, INVALID_ARGUMENT,
                           "clip_value_min and clip_value_max must be either of the same shape as input, or a scalar. "
                           "input shape: %sclip_value_min shape: %sclip_value_max shape: %s",
                           EK_CC(&c->in[VALUE]), EK_CC(&c->in[LEAST]), EK_CC(&c->in[MOST]));
    return EK_OK;
}

EK_ELEMENTWISE_OP(ClipByValue, clip, "t: T, clip_value_min: T, clip_value_max: T", "output: T", "T: {" EK_T_NUMBER "}",
                  clip_shape, 7)
