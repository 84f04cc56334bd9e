/* ops/bn.h - running the loops of kernels/bn_lv.c over an array: training, inference and gradient of batch norm.
 *
 * What the ops promise is in ops/fused_batch_norm.c; here is how the work is cut. Statistics
 * come out of double; the mean is kept as a high and a low float, so that x - mean is right
 * however large the mean is beside the deviation.
 */
#ifndef EK_OPS_BN_H
#define EK_OPS_BN_H

#include "graph/op.h"

/* Where things are among an op's inputs and outputs; -1: absent. float32 but for x, y, dy and dx. */
typedef struct ek_bn_ports {
    int x, dy;                            /* inputs */
    int scale, offset, mean, variance;    /* inputs: of the population, or of the batch for a gradient */
    int y;                                /* outputs: y, or dx */
    int batch_mean, batch_variance;       /* variance times n / max(n - 1, 1) */
    int saved_mean, saved_variance;
    int dscale, doffset;
    int zero;                             /* a scalar output that holds nothing */
} ek_bn_ports;

typedef struct ek_bn_spec {
    ek_bn_ports at;
    ek_dtype dtype;        /* of x: float32, float16, bfloat16 */
    ek_shape x;
    bool channels_first;   /* the channel is axis 1, else the last */
    bool training;         /* statistics are the batch's own */
    float average; /* weight of the batch in batch_mean and batch_variance beside those given; 0: it stands alone */
    float epsilon;
} ek_bn_spec;

/* Sets state, scratch and phases. */
ek_status ek__bn_prepare_forward(ek_prepare_ctx *c, const ek_bn_spec *spec);
ek_status ek__bn_prepare_gradient(ek_prepare_ctx *c, const ek_bn_spec *spec);

#endif
