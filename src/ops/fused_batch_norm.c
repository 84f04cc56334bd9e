/* ops/fused_batch_norm.c - FusedBatchNorm, V2, V3 and their gradients: what the ops mean.
 *
 * Training uses and returns the batch's statistics, inference the ones that are given:
 *     y = (x - mean) * scale / sqrt(variance + epsilon) + offset
 * batch_variance is the unbiased one, reserve_space_2 the biased one; TensorFlow 2's
 * exponential_avg_factor averages what leaves as batch_mean and batch_variance with the
 * inputs. Statistics of an empty batch are NaN. Not here: how the arrays are walked (ops/bn.c).
 */
#include "ops/bn.h"
#include "ops/rules.h"

typedef struct bn_attrs {
    float epsilon;
    const char *data_format;
    bool is_training;
    float exponential_avg_factor; /* TensorFlow 2's; 0: a graph of 1.15 */
} bn_attrs;
static const ek_field bn_fields[] = { EK_FIELD(bn_attrs, epsilon, FLOAT), EK_FIELD(bn_attrs, data_format, STRING),
                                      EK_FIELD(bn_attrs, is_training, BOOL),
                                      EK_FIELD_LATER(bn_attrs, exponential_avg_factor, FLOAT) };

/* Whether batch_mean and batch_variance are averages with the inputs. */
static bool averages(const bn_attrs *a)
{
    return a->is_training && a->exponential_avg_factor != 0 && a->exponential_avg_factor != 1;
}

enum { X, SCALE, OFFSET, MEAN, VARIANCE };
enum { Y, BATCH_MEAN, BATCH_VARIANCE, RESERVE_1, RESERVE_2, RESERVE_3 };
enum { DY, G_X, G_SCALE, G_MEAN, G_VARIANCE };
enum { DX, DSCALE, DOFFSET, G_RESERVE_3, G_RESERVE_4 };

/* "NCHW" and "NCDHW" */
static bool channels_first(const bn_attrs *a)
{
    return a->data_format[1] == 'C';
}

/* ---- shapes -------------------------------------------------------------------------------------------- */

static ek_status want_image(const ek_shape_ctx *c, int i, const char *name)
{
    if (c->in[i].rank >= 0 && c->in[i].rank != 4 && c->in[i].rank != 5)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "%s must be 4 or 5-dimensional%s", name, EK_CC(&c->in[i]));
    return EK_OK;
}

static ek_status want_vector(const ek_shape_ctx *c, int i, const char *name)
{
    if (c->in[i].rank >= 0 && c->in[i].rank != 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "%s must be 1-dimensional%s", name, EK_CC(&c->in[i]));
    return EK_OK;
}

static int64_t *channel_of(ek_shape *x, const bn_attrs *a)
{
    return x->rank < 0 ? NULL : &x->dim[channels_first(a) ? 1 : x->rank - 1];
}

/* The vector at input i has as many elements as there are channels; *channels learns it where it was unknown. */
static ek_status unify_channels(const ek_shape_ctx *c, int i, const char *when, const char *name, int64_t *channels)
{
    const int64_t n = c->in[i].rank == 1 ? c->in[i].dim[0] : -1;

    if (n >= 0 && *channels >= 0 && n != *channels)
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "%s%s must have the same number of elements as the channels of x, got %lld and %lld", when, name,
                       (long long)n, (long long)*channels);
    if (n >= 0) *channels = n;
    return EK_OK;
}

static ek_status forward_shape(ek_shape_ctx *c)
{
    static const char *const name[] = { "input", "scale", "offset", "estimated_mean", "estimated_variance" };
    const bn_attrs *a = c->attrs;
    ek_shape x = c->in[X];
    int64_t *of_x = channel_of(&x, a), channels = of_x != NULL ? *of_x : -1;

    EK_TRY(want_image(c, X, name[X]));
    for (int i = SCALE; i <= VARIANCE; i++) EK_TRY(want_vector(c, i, name[i]));
    EK_TRY(unify_channels(c, SCALE, "", "scale", &channels));
    EK_TRY(unify_channels(c, OFFSET, "", "offset", &channels));
    if (!a->is_training || averages(a)) {
        const char *when = a->is_training ? "When exponential_avg_factor != 1, " : "When is_training=false, ";
        EK_TRY(unify_channels(c, MEAN, when, "mean", &channels));
        EK_TRY(unify_channels(c, VARIANCE, when, "variance", &channels));
    }
    for (int i = MEAN; i <= VARIANCE && a->is_training && a->exponential_avg_factor == 0; i++)
        if (c->in[i].rank == 1 && c->in[i].dim[0] > 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "%s must be empty for training%s", name[i], EK_CC(&c->in[i]));
    if (of_x != NULL) *of_x = channels;
    c->out[Y] = x;
    for (int k = BATCH_MEAN; k <= RESERVE_2; k++) c->out[k] = ek__vector(channels);
    /* declared as a vector, in truth a scalar that nobody reads */
    if (c->n_out > RESERVE_3) c->out[RESERVE_3] = c->running || ek__values_known(c) ? EK_SCALAR : ek__vector(-1);
    return EK_OK;
}

static ek_status gradient_shape(ek_shape_ctx *c)
{
    const bn_attrs *a = c->attrs;
    ek_shape x;

    EK_TRY(want_image(c, DY, "y_backprop"));
    EK_TRY(want_image(c, G_X, "x"));
    EK_TRY(want_vector(c, G_SCALE, "scale"));
    EK_TRY(want_vector(c, G_MEAN, "saved mean"));
    EK_TRY(want_vector(c, G_VARIANCE, "saved variance"));
    if (!ek_shape_merge(&c->in[DY], &c->in[G_X], &x))
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "x and y_backprop must have same shape, but x has shape %s and y_backprop has shape %s",
                       EK_CC(&c->in[G_X]), EK_CC(&c->in[DY]));

    int64_t *of_x = channel_of(&x, a), channels = of_x != NULL ? *of_x : -1;
    EK_TRY(unify_channels(c, G_SCALE, "", "scale", &channels));
    EK_TRY(unify_channels(c, G_MEAN, "", "reserve_space_1", &channels));
    EK_TRY(unify_channels(c, G_VARIANCE, "", "reserve_space_2", &channels));
    if (of_x != NULL) *of_x = channels;
    c->out[DX] = x;
    c->out[DSCALE] = c->out[DOFFSET] = ek__vector(channels);
    c->out[G_RESERVE_3] = c->out[G_RESERVE_4] = ek__vector(0);
    return EK_OK;
}

/* ---- preparing ------------------------------------------------------------------------------------------- */

static ek_bn_spec spec_of(const ek_prepare_ctx *c, int x)
{
    const bn_attrs *a = c->attrs;
    const uint32_t all = (1u << c->in[x].rank) - 1, channel = 1u << (channels_first(a) ? 1 : c->in[x].rank - 1);
    ek_bn_spec spec = {
        .at = EK_BN_NO_PORTS,
        .dtype = c->in_dtype[x],
        .training = a->is_training,
        .unbiased = true,
        .empty_as_fused = true,
        .decay = (double)a->exponential_avg_factor,
        .epsilon = (double)a->epsilon,
    };

    (void)ek__bn_view_of(&c->in[x], all & ~channel, &spec.view); /* one axis is always side by side with itself */
    spec.at.x = x;
    spec.at.y = Y;
    return spec;
}

static ek_status forward_prepare(ek_prepare_ctx *c)
{
    ek_bn_spec spec = spec_of(c, X);
    ek_bn_ports *at = &spec.at;

    at->scale = SCALE;
    at->offset = OFFSET;
    at->mean = MEAN;
    at->variance = VARIANCE;
    at->batch_mean = BATCH_MEAN;
    at->batch_variance = BATCH_VARIANCE;
    at->saved_mean = RESERVE_1;
    at->saved_variance = RESERVE_2;
    if (averages(c->attrs)) {
        at->moving_mean = MEAN;
        at->moving_variance = VARIANCE;
        at->moved_mean = BATCH_MEAN;
        at->moved_variance = BATCH_VARIANCE;
        at->batch_mean = at->batch_variance = -1;
    }
    if (c->n_out > RESERVE_3) at->zero = RESERVE_3;
    return ek__bn_prepare_forward(c, &spec);
}

static ek_status gradient_prepare(ek_prepare_ctx *c)
{
    ek_bn_spec spec = spec_of(c, G_X);

    spec.at.dy = DY;
    spec.at.scale = G_SCALE;
    spec.at.mean = G_MEAN;
    spec.at.variance = G_VARIANCE;
    spec.at.dscale = DSCALE;
    spec.at.doffset = DOFFSET;
    return ek__bn_prepare_gradient(c, &spec);
}

/* ---- definitions --------------------------------------------------------------------------------------------- */

#define HALVES "T: {half, bfloat16, float}; U: {float}; "
#define REST(FORMATS) "epsilon: float = 0.0001; data_format: {" FORMATS "} = 'NHWC'; is_training: bool = true"
#define IMAGES "'NHWC', 'NCHW'"
#define VOLUMES "'NHWC', 'NCHW', 'NDHWC', 'NCDHW'"

#define FUSED(NAME, INPUTS, OUTPUTS, ATTRS, SHAPE, PREPARE, INPLACE) \
    const ek_op_def ek__op_##NAME = {                       \
        .name = #NAME,                                      \
        .inputs = INPUTS,                                   \
        .outputs = OUTPUTS,                                 \
        .attrs = ATTRS,                                     \
        .attrs_size = sizeof(bn_attrs),                     \
        .fields = bn_fields,                                \
        .n_fields = EK_COUNT_OF(bn_fields),                 \
        .shape = SHAPE,                                     \
        .prepare = PREPARE,                                 \
        .inplace = INPLACE,                                 \
    }

FUSED(FusedBatchNorm, "x: T, scale: T, offset: T, mean: T, variance: T",
      "y: T, batch_mean: T, batch_variance: T, reserve_space_1: T, reserve_space_2: T", "T: {float}; " REST(IMAGES),
      forward_shape, forward_prepare, 1u << X);
FUSED(FusedBatchNormV2, "x: T, scale: U, offset: U, mean: U, variance: U",
      "y: T, batch_mean: U, batch_variance: U, reserve_space_1: U, reserve_space_2: U", HALVES REST(IMAGES),
      forward_shape, forward_prepare, 1u << X);
FUSED(FusedBatchNormV3, "x: T, scale: U, offset: U, mean: U, variance: U",
      "y: T, batch_mean: U, batch_variance: U, reserve_space_1: U, reserve_space_2: U, reserve_space_3: U",
      HALVES REST(VOLUMES), forward_shape, forward_prepare, 1u << X);
FUSED(FusedBatchNormGrad, "y_backprop: T, x: T, scale: T, reserve_space_1: T, reserve_space_2: T",
      "x_backprop: T, scale_backprop: T, offset_backprop: T, reserve_space_3: T, reserve_space_4: T",
      "T: {float}; " REST(IMAGES), gradient_shape, gradient_prepare, 1u << DY | 1u << G_X);
FUSED(FusedBatchNormGradV2, "y_backprop: T, x: T, scale: float, reserve_space_1: U, reserve_space_2: U",
      "x_backprop: T, scale_backprop: U, offset_backprop: U, reserve_space_3: U, reserve_space_4: U",
      HALVES REST(IMAGES), gradient_shape, gradient_prepare, 1u << DY | 1u << G_X);
FUSED(FusedBatchNormGradV3,
      "y_backprop: T, x: T, scale: float, reserve_space_1: U, reserve_space_2: U, reserve_space_3: U",
      "x_backprop: T, scale_backprop: U, offset_backprop: U, reserve_space_4: U, reserve_space_5: U",
      HALVES REST(VOLUMES), gradient_shape, gradient_prepare, 1u << DY | 1u << G_X);
