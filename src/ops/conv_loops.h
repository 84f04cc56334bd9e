/* ops/conv_loops.h - what convolutions, flat and deep, and their gradients share: attributes, sizes, and our own loops over
 * patches, for what oneDNN does not take. */
#ifndef EK_OPS_CONV_LOOPS_H
#define EK_OPS_CONV_LOOPS_H

#include "ops/conv_dnn.h"

typedef struct ek_conv_attrs {
    ek_ints strides, dilations, explicit_paddings;
    const char *padding, *data_format;
} ek_conv_attrs;
extern const ek_field ek__conv_fields[5];
#define EK_CONV_ATTRS                                                                                        \
    "T: {half, bfloat16, float, double}; strides: list(int); use_cudnn_on_gpu: bool = true; "                \
    "padding: {'SAME', 'VALID', 'EXPLICIT'}; explicit_paddings: list(int) = []; "                            \
    "data_format: {'NHWC', 'NCHW'} = 'NHWC'; dilations: list(int) = [1, 1, 1, 1]"
#define EK_DEEP_CONV_ATTRS                                                                                       \
    "T: {half, bfloat16, float, double}; strides: list(int) >= 5; padding: {'SAME', 'VALID'}; "              \
    "data_format: {'NDHWC', 'NCDHW'} = 'NDHWC'; dilations: list(int) = [1, 1, 1, 1, 1]"
#define EK_CONV_FIELDS .attrs_size = sizeof(ek_conv_attrs), .fields = ek__conv_fields, .n_fields = EK_COUNT_OF(ek__conv_fields)
#define EK_DEEP_CONV_FIELDS /* explicit_paddings are the last */ \
    .attrs_size = sizeof(ek_conv_attrs), .fields = ek__conv_fields, .n_fields = EK_COUNT_OF(ek__conv_fields) - 1
ek_window_attrs ek__conv_window(const ek_conv_attrs *a);

/* A row of patches is [output width, window * channels of a group]; times a filter as it is stored it is a row of output.
 * An image has depth * height rows. */
typedef struct ek_conv_loops {
    ek_conv conv;
    ek_window deep;      /* conv.w in three dimensions; a flat image has depth 1 */
    int64_t rows, width; /* of one image's output */
    int64_t pixels;      /* of one input image */
    ek_dtype dtype, loop_dtype;
    int64_t filter_channels, groups; /* groups 0: there are no channels */
    int64_t patch;                   /* elements of one patch of a group */
    void (*product)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row, int64_t a_col, const void *b,
                    int64_t b_row, void *c, int64_t c_row);
} ek_conv_loops;

/* Everything, from the shapes of image and filter, which fit together. */
void ek__conv_loops_set(ek_conv_loops *l, const ek_conv_attrs *a, const ek_shape *image, const ek_shape *filter, ek_dtype t);
/* Leaves the convolution to oneDNN (ops/conv_dnn.h) if it takes it: float32 in one group, unless the session wants the same
 * bits everywhere. UNIMPLEMENTED, with nothing set: the loops are to be used. */
ek_status ek__conv_by_dnn(ek_prepare_ctx *c, const ek_conv_loops *l, ek_dnn_way way, int a, int b, const ek_after *after);
/* Into how many parts the loops' `units` of work are cut. */
int64_t ek__conv_parts(const ek_conv_loops *l, int64_t units);

/* The patches of output row y of an image, channels [first, first + filter_channels). */
void ek__conv_gather(const ek_conv_loops *l, const void *images, int64_t image, int64_t y, int64_t first, void *patches);
/* Adds them to where they came from: `image` is one image, channels last, in the loops' type. */
void ek__conv_scatter(const ek_conv_loops *l, const void *patches, int64_t y, int64_t first, void *image);
/* A row of output [width, channels] in the loops' type to its place in the outputs, and from there. */
void ek__conv_store_row(const ek_conv_loops *l, const void *row, void *outputs, int64_t image, int64_t y);
void ek__conv_load_row(const ek_conv_loops *l, const void *outputs, int64_t image, int64_t y, void *row);
/* An image in the loops' type, channels last, to its place in the inputs. */
void ek__conv_store_image(const ek_conv_loops *l, const void *from, void *images, int64_t image);

#endif
