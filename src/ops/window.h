/* ops/window.h - windows that slide over the two or three spatial dimensions of an image: convolution and pooling share
 * them. */
#ifndef EK_OPS_WINDOW_H
#define EK_OPS_WINDOW_H

#include "graph/op.h"

/* Height and width, or depth, height and width of everything; -1: unknown. */
typedef struct ek_window {
    bool channels_first;
    int dims, axis[3];           /* of the image */
    int64_t in[3], out[3];
    int64_t kernel[3], stride[3], dilation[3]; /* dilation 1: none */
    int64_t before[3], after[3]; /* padding; known where `in` is */
} ek_window;

/* Strides and dilations as the attributes have them, four or five numbers by the data format ("NHWC", "NCHW", "NDHWC", "NCDHW"). dilations NULL: 1. */
typedef struct ek_window_attrs {
    const char *data_format, *padding; /* "SAME", "VALID", "EXPLICIT" */
    ek_ints strides;
    const ek_ints *dilations, *explicit_paddings;
} ek_window_attrs;

/* Output sizes and paddings from in and kernel, which the caller has set.
 * Errors  INVALID_ARGUMENT: not as many numbers, a stride or dilation below 1, paddings that do not fit the format, a
 *         window larger than the padded image. UNIMPLEMENTED (in a run): strides over batch or channels. */
ek_status ek__window_fit(const ek_shape_ctx *c, const char *op, const ek_window_attrs *a, ek_window *w);
/* The same for a prepare function, where the rule has been there before: cannot fail. */
void ek__window_set(const ek_window_attrs *a, ek_window *w);
/* channels_first, dims and axis from the data format. */
void ek__window_layout(const char *data_format, ek_window *w);

/* Of a gradient: output 0 has the `rank` sizes in input `sizes`, called `what`; input `other` and the last input, the
 * output's gradient, have that rank too. */
ek_status ek__window_sizes(ek_shape_ctx *c, const char *label, int sizes, int other, const char *what, int rank);

#endif
