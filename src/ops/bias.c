/* ops/bias.c - BiasAdd, BiasAddV1, BiasAddGrad, L2Loss: a vector along the channels, and its gradient. */
#include "ops/elementwise.h"
#include "ops/fold.h"
#include "ops/rules.h"

enum { VALUE, BIAS };

typedef struct bias_attrs {
    const char *data_format;
} bias_attrs;
static const ek_field bias_fields[] = { EK_FIELD(bias_attrs, data_format, STRING) };

/* Axis 1 of NCHW, else the last. BiasAddV1 has no such attribute. */
static int channel_axis(const bias_attrs *a, int rank)
{
    return a != NULL && strcmp(a->data_format, "NCHW") == 0 ? 1 : rank - 1;
}

static ek_status want_two_dims(const ek_shape_ctx *c)
{
    if (c->running && c->in[VALUE].rank < 2)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Input tensor must be at least 2D: %s", EK_CC(&c->in[VALUE]));
    return ek__want_rank_at_least(c, VALUE, 2);
}

/* ---- adding -------------------------------------------------------------------------------------- */

static ek_status bias_shape(ek_shape_ctx *c)
{
    const ek_shape *x = &c->in[VALUE], *b = &c->in[BIAS];

    EK_TRY(want_two_dims(c));
    if (c->running && b->rank != 1) return EK_FAIL(c->err, INVALID_ARGUMENT, "Biases must be 1D: %s", EK_CC(b));
    EK_TRY(ek__want_rank(c, BIAS, 1));
    c->out[0] = *x;
    if (x->rank < 0 || b->rank < 0) return EK_OK;

    int64_t *channels = &c->out[0].dim[channel_axis(c->attrs, x->rank)];
    if (*channels < 0) *channels = b->dim[0];
    if (b->dim[0] < 0 || b->dim[0] == *channels) return EK_OK;
    if (!c->running)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Dimensions must be equal, but are %lld and %lld",
                       (long long)*channels, (long long)b->dim[0]);
    return EK_FAIL(c->err, INVALID_ARGUMENT,
                   "Must provide as many biases as the last dimension of the input tensor: %s vs. %s", EK_CC(b),
                   EK_CC(x));
}

/* An addition whose second operand is seen as a bias with dimensions of 1 behind its channels. */
static ek_status bias_prepare(ek_prepare_ctx *c)
{
    const ek_shape *in = c->in;
    ek_shape seen[2] = { c->in[VALUE], { .rank = c->in[VALUE].rank - channel_axis(c->attrs, c->in[VALUE].rank) } };

    for (int i = 0; i < seen[BIAS].rank; i++) seen[BIAS].dim[i] = i == 0 ? c->in[BIAS].dim[0] : 1;
    c->in = seen;
    const ek_status st = ek__elementwise_prepare_loop(c, ek__loop(&ek__loops_add, c->in_dtype[VALUE]), NULL);
    c->in = in;
    return st;
}

/* ---- the gradient: sums over all axes but the channels ---------------------------------------------- */

static ek_status grad_shape(ek_shape_ctx *c)
{
    const ek_shape *x = &c->in[VALUE];

    EK_TRY(want_two_dims(c));
    c->out[0] = ek__vector(x->rank < 0 ? -1 : x->dim[channel_axis(c->attrs, x->rank)]);
    return EK_OK;
}

static ek_status grad_prepare(ek_prepare_ctx *c)
{
    const ek_shape *x = &c->in[VALUE];
    const uint32_t all = (1u << x->rank) - 1, channel = 1u << channel_axis(c->attrs, x->rank);

    return ek__fold_prepare(c, EK_FOLD_SUM, EK_FOLD_PLAIN, c->in_dtype[VALUE], x, all & ~channel);
}

/* ---- L2Loss: half the sum of squares ------------------------------------------------------------------ */

static ek_status l2_prepare(ek_prepare_ctx *c)
{
    return ek__fold_prepare(c, EK_FOLD_SUMSQ, EK_FOLD_HALF, c->in_dtype[VALUE], &c->in[VALUE],
                            (1u << c->in[VALUE].rank) - 1);
}

/* ---- definitions ------------------------------------------------------------------------------------------ */

#define NUMBERS                                                                                            \
    "float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, uint16, " \
    "complex128, half, uint32, uint64"

const ek_op_def ek__op_BiasAdd = {
    .name = "BiasAdd",
    .inputs = "value: T, bias: T",
    .outputs = "output: T",
    .attrs = "T: {" NUMBERS "}; data_format: {'NHWC', 'NCHW'} = 'NHWC'",
    .attrs_size = sizeof(bias_attrs),
    .fields = bias_fields,
    .n_fields = EK_COUNT_OF(bias_fields),
    .shape = bias_shape,
    .prepare = bias_prepare,
    .inplace = 1u << VALUE,
};

const ek_op_def ek__op_BiasAddV1 = {
    .name = "BiasAddV1",
    .inputs = "value: T, bias: T",
    .outputs = "output: T",
    .attrs = "T: {" NUMBERS "}",
    .shape = bias_shape,
    .prepare = bias_prepare,
    .inplace = 1u << VALUE,
};

const ek_op_def ek__op_BiasAddGrad = {
    .name = "BiasAddGrad",
    .inputs = "out_backprop: T",
    .outputs = "output: T",
    .attrs = "T: {" NUMBERS "}; data_format: {'NHWC', 'NCHW'} = 'NHWC'",
    .attrs_size = sizeof(bias_attrs),
    .fields = bias_fields,
    .n_fields = EK_COUNT_OF(bias_fields),
    .shape = grad_shape,
    .prepare = grad_prepare,
};

const ek_op_def ek__op_L2Loss = {
    .name = "L2Loss",
    .inputs = "t: T",
    .outputs = "output: T",
    .attrs = "T: {half, bfloat16, float, double}",
    .shape = ek__scalar_rule,
    .prepare = l2_prepare,
};
