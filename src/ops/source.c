/* ops/source.c - where values come from: constants and placeholders. Variables are in state.c and resource.c. */
#include "ops/move.h"
#include "ops/rules.h"

/* ---- Const ------------------------------------------------------------------------------ */

typedef struct const_attrs {
    ek_array *value;
    ek_dtype dtype;
} const_attrs;

static const ek_field const_fields[] = { EK_FIELD(const_attrs, value, TENSOR), EK_FIELD(const_attrs, dtype, TYPE) };

static ek_status const_shape(ek_shape_ctx *c)
{
    const const_attrs *a = c->attrs;

    if (a->value == NULL) return EK_FAIL(c->err, INVALID_ARGUMENT, "NodeDef missing attr 'value' from Op<name=Const>");
    if (a->value->dtype != a->dtype)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Type mismatch between value (%s) and dtype (%s)",
                       ek_dtype_cc_name(a->value->dtype), ek_dtype_cc_name(a->dtype));
    c->out[0] = a->value->shape;
    return EK_OK;
}

static ek_status const_run(const ek_run_args *a, int64_t chunk)
{
    const ek_array *value = a->state;

    return ek__move_chunk(value->dtype, a->out[0], value->data, value->count, chunk, a->err);
}

/* The graph keeps the value longer than any plan lives. */
static ek_status const_prepare(ek_prepare_ctx *c)
{
    const const_attrs *a = c->attrs;

    c->state = a->value;
    ek__add_phase(c, const_run, ek__move_chunks(a->value->dtype, a->value->count));
    return EK_OK;
}

const ek_op_def ek__op_Const = {
    .name = "Const",
    .kind = EK_KIND_PURE,
    .inputs = "",
    .outputs = "output: dtype",
    .attrs = "value: tensor; dtype: type",
    .attrs_size = sizeof(const_attrs),
    .fields = const_fields,
    .n_fields = EK_COUNT_OF(const_fields),
    .shape = const_shape,
    .prepare = const_prepare,
    .no_grad_because = "it has no inputs",
};

/* ---- placeholders ------------------------------------------------------------------------- */

typedef struct placeholder_attrs {
    ek_shape shape;
    ek_dtype dtype;
} placeholder_attrs;

static const ek_field placeholder_fields[] = {
    EK_FIELD(placeholder_attrs, shape, SHAPE),
    EK_FIELD(placeholder_attrs, dtype, TYPE),
};

static ek_status placeholder_shape(ek_shape_ctx *c)
{
    c->out[0] = ((const placeholder_attrs *)c->attrs)->shape;
    return EK_OK;
}

const ek_op_def ek__op_Placeholder = {
    .name = "Placeholder",
    .kind = EK_KIND_SOURCE,
    .inputs = "",
    .outputs = "output: dtype",
    .attrs = "dtype: type; shape: shape = { unknown_rank }",
    .attrs_size = sizeof(placeholder_attrs),
    .fields = placeholder_fields,
    .n_fields = EK_COUNT_OF(placeholder_fields),
    .shape = placeholder_shape,
    .no_grad_because = "it has no inputs",
};

const ek_op_def ek__op_PlaceholderV2 = {
    .name = "PlaceholderV2",
    .kind = EK_KIND_SOURCE,
    .inputs = "",
    .outputs = "output: dtype",
    .attrs = "dtype: type; shape: shape",
    .attrs_size = sizeof(placeholder_attrs),
    .fields = placeholder_fields,
    .n_fields = EK_COUNT_OF(placeholder_fields),
    .shape = placeholder_shape,
    .no_grad_because = "it has no inputs",
};

/* While the graph is built only the declared shape is known: a feed may replace the default. In a run it is
 * the default that passes. */
static ek_status with_default_shape(ek_shape_ctx *c)
{
    const placeholder_attrs *a = c->attrs;
    ek_shape both;

    if (!ek_shape_merge(&c->in[0], &a->shape, &both))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "the default has shape %s, the placeholder is declared as %s",
                       EK_CC(&c->in[0]), EK_CC(&a->shape));
    c->out[0] = c->running ? both : a->shape;
    return EK_OK;
}

const ek_op_def ek__op_PlaceholderWithDefault = {
    .name = "PlaceholderWithDefault",
    .kind = EK_KIND_ALIAS,
    .feed_point = true,
    .inputs = "input: dtype",
    .outputs = "output: dtype",
    .attrs = "dtype: type; shape: shape",
    .attrs_size = sizeof(placeholder_attrs),
    .fields = placeholder_fields,
    .n_fields = EK_COUNT_OF(placeholder_fields),
    .shape = with_default_shape,
    .prepare = ek__prepare_copy,
};
