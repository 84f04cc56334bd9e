/* ops/conv_dnn.h - a convolution of float32, forward or a gradient, cut into chunks for oneDNN. */
#ifndef EK_OPS_CONV_DNN_H
#define EK_OPS_CONV_DNN_H

#include "dnn/dnn.h"
#include "ops/window.h"

/* One group; two spatial dimensions. */
typedef struct ek_conv {
    ek_window w;
    int64_t images, in_channels, out_channels;
} ek_conv;

/* Sets state, scratch and phases: output 0 from inputs a and b, which are ek_dnn_way's, weights plain (height, width,
 * input, output), as a gradient by them is. `after` may be NULL; forward only. Nothing may be empty.
 * Errors  UNIMPLEMENTED, without a text: own loops are to be used. RESOURCE_EXHAUSTED. */
ek_status ek__conv_dnn_prepare(ek_prepare_ctx *c, ek_dnn_way way, const ek_conv *conv, int a, int b,
                               const ek_after *after);

#endif
