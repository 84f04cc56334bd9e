/* ops/bn.h - running the loops of kernels/bn_lv.c over an array: training, inference and gradient of batch norm.
 *
 * An op that is batch norm (ops/fused_batch_norm.c; what the plan lowers a site to) says where its inputs and outputs
 * are and calls one of the two functions below in its prepare. Forward:
 *     mean, variance = of x's elements of a channel (training), or given
 *     inverse = 1 / sqrt(variance + epsilon)
 *     y = activation((x - mean) * (inverse * scale) + offset)
 * Gradient, with g = dy where the activation lets it through, n elements a channel, c = x - mean:
 *     doffset = sum g        dscale = inverse * sum g c
 *     dx = scale * inverse * (g - sum g / n - c * inverse^2 * sum g c / n)    (training)
 *     dx = scale * inverse * g                                                (inference, or statistics held constant)
 *
 * Statistics come out of double; the mean is kept as a high and a low float, so that x - mean is right however large
 * the mean is beside the deviation. Everything behind the statistics is computed from what leaves as outputs, in the
 * types they leave in: a gradient that is given mean, mean_low and inverse (or the variance) of a forward half sees
 * exactly that half's y again.
 */
#ifndef EK_OPS_BN_H
#define EK_OPS_BN_H

#include "graph/op.h"

typedef enum ek_bn_activation { EK_BN_PLAIN, EK_BN_RELU, EK_BN_RELU6, EK_BN_SIGMOID, EK_BN_TANH } ek_bn_activation;

/* The activation that an op is; EK_BN_PLAIN: none of these. */
ek_bn_activation ek__activation_of(const ek_op_def *def);
/* The activation whose gradient an op is: of its two inputs, number *gradient_input flows in, the other is what left
 * the activation. */
ek_bn_activation ek__activation_gradient_of(const ek_op_def *def, int *gradient_input);

/* Whether an op adds its second input, a number per channel, to its first. */
bool ek__is_bias(const ek_op_def *def);

/* x as outer * channels * inner elements: [R, C] has inner 1, NCHW outer N, inner H * W. */
typedef struct ek_bn_view {
    int64_t outer, channels, inner;
} ek_bn_view;

/* How x looks where statistics are over `axes` (bit a: axis a). false: its other axes are not side by side (axes of
 * size 1 apart), and these loops cannot walk it. */
bool ek__bn_view_of(const ek_shape *x, uint32_t axes, ek_bn_view *out);

/* Where things are among an op's inputs and outputs; -1: absent. Start from EK_BN_NO_PORTS. x, y, dy, dx, before and
 * activated are of the spec's dtype, all else has one element per channel (decay one in all) of float32, float64 where
 * x is float64. An output may be absent always; y and dx may lie over x, dx over dy, moved_* over moving_*. */
typedef struct ek_bn_ports {
    /* inputs */
    int x, dy;
    int scale, offset;  /* absent: 1 and 0. A gradient looks at offset only where an activation is recomputed */
    int mean, variance; /* of inference and gradients */
    int inverse;        /* of gradients and inference, instead of variance: 1 / sqrt(variance + epsilon) */
    int mean_low;       /* of gradients: what mean lost by rounding; absent: 0 */
    int activated;      /* of gradients: y behind its activation. Absent: recomputed from x, sigmoid and tanh excepted */
    int moving_mean, moving_variance; /* averages as they were */
    int decay;          /* scalar; absent: the spec's */
    /* outputs */
    int y;              /* or dx */
    int before;         /* y before its activation */
    int batch_mean, batch_variance;   /* of the batch (inference: those given); the variance unbiased where so asked */
    int saved_mean, saved_variance;   /* the same, the variance biased */
    int saved_mean_low, saved_inverse;
    int moved_mean, moved_variance;   /* m - (m - b) * decay, in this order, b as in batch_mean and batch_variance */
    int dscale, doffset;
    int zero;           /* a scalar that holds nothing */
} ek_bn_ports;
#define EK_BN_NO_PORTS                                                                                               \
    ((ek_bn_ports){ .x = -1, .dy = -1, .scale = -1, .offset = -1, .mean = -1, .variance = -1, .inverse = -1,          \
                    .mean_low = -1, .activated = -1, .moving_mean = -1, .moving_variance = -1, .decay = -1, .y = -1,  \
                    .before = -1, .batch_mean = -1, .batch_variance = -1, .saved_mean = -1, .saved_variance = -1,     \
                    .saved_mean_low = -1, .saved_inverse = -1, .moved_mean = -1, .moved_variance = -1, .dscale = -1,  \
                    .doffset = -1, .zero = -1 })

typedef struct ek_bn_spec {
    ek_bn_ports at;
    ek_dtype dtype;         /* of x: float32, float64, float16, bfloat16 */
    ek_bn_view view;
    bool training;          /* statistics are the batch's own; of a gradient: they depend on x */
    bool unbiased;          /* batch_variance and what moves moved_variance: times n / max(n - 1, 1) */
    bool empty_as_fused;    /* of no elements batch_* in inference are NaN and gradients 0, as in TensorFlow's fused op */
    ek_bn_activation activation;
    double decay, epsilon;
} ek_bn_spec;

/* Sets state, scratch and phases. RESOURCE_EXHAUSTED; UNIMPLEMENTED for another dtype, and for the gradient through a
 * sigmoid or tanh without `activated`. */
ek_status ek__bn_prepare_forward(ek_prepare_ctx *c, const ek_bn_spec *spec);
ek_status ek__bn_prepare_gradient(ek_prepare_ctx *c, const ek_bn_spec *spec);

#endif
