/* layers/spatial.h - what the arguments of convolutions and pooling come to, and the convolution itself. */
#ifndef EK_LAYERS_SPATIAL_H
#define EK_LAYERS_SPATIAL_H

#include "layers/layer.h"

enum { EK_SPATIAL_MOST = 3 };

typedef struct ek_spatial {
    int n;                             /* dimensions of the image: 1 to 3 */
    int64_t kernel[EK_SPATIAL_MOST];   /* the window */
    int64_t strides[EK_SPATIAL_MOST];
    int64_t dilation[EK_SPATIAL_MOST];
    bool same, causal, channels_first; /* causal: padded before, as far as the window reaches */
} ek_spatial;

/* Each is false after a failure in TensorFlow's words. */
/* A number for all dimensions, or one for each. */
bool ek__spatial_tuple(ek_graph *g, const char *argument, int n, int64_t all, const int64_t *each, int64_t *out,
                       ek_where where);
bool ek__spatial_padding(ek_graph *g, const char *padding, ek_spatial *s, ek_where where);
bool ek__spatial_format(ek_graph *g, const char *data_format, bool *channels_first, ek_where where);
/* Strides and dilation, and how far a window reaches. */
bool ek__spatial_steps_ok(ek_graph *g, const ek_spatial *s, ek_where where);
/* All of them: kernel, strides, padding, format, dilation. */
bool ek__spatial_of_conv(ek_graph *g, int n, const ek_conv_options *o, ek_spatial *s, ek_where where);
/* The number of channels of an input whose rank was checked; -1 after a failure. */
int64_t ek__spatial_channels(ek_graph *g, const ek_spatial *s, const ek_shape *x, ek_where where);

/* "NHWC", "NCDHW", ... */
const char *ek__spatial_name(const ek_spatial *s);
static inline const char *ek__spatial_padding_name(const ek_spatial *s) { return s->same ? "SAME" : "VALID"; }
/* 1 where batch and channels are, the image's numbers between or behind. */
void ek__spatial_full(const ek_spatial *s, const int64_t *image, int64_t *full);

/* The channels of an image of this rank last, or from there second: a Transpose. */
ek_tensor ek__move_channels(ek_tensor x, int rank, bool last, ek_where where);
/* Causal: a row is padded before it alone, so that no output sees what comes after it. */
ek_tensor ek__pad_before(ek_tensor x, const ek_spatial *s, ek_where where);

/* ---- convolutions and transposed ones: what both layers do ---- */

typedef struct ek_conv_call {
    const ek_conv_options *o;
    int n;
} ek_conv_call;
/* The layer of this kind; its body is given an ek_conv_call. */
ek_tensor ek__conv_layer(const char *kind, int n, ek_tensor x, const ek_conv_options *o, ek_layer_body body, ek_where where);

typedef struct ek_conv_weights {
    ek_variable kernel, bias; /* bias: dead where it is not asked for */
} ek_conv_weights;
ek_conv_weights ek__conv_weights(const ek_layer *l, const ek_conv_options *o, ek_shape kernel, ek_dtype dtype, ek_where where);

/* ---- dilation: tf.nn.with_space_to_batch (convolution.c) ---- */

typedef struct ek_dilation {
    const ek_spatial *s;
    bool dilated;
    ek_tensor rate, base;            /* Consts: dilation_rate; what "same" pads, dead where that is nothing */
    int64_t image[EK_SPATIAL_MOST]; /* -1: not known */
} ek_dilation;
/* When a layer is built: its Consts. `filter_shape` becomes one; NULL where it is in the graph already. */
ek_dilation ek__dilation_begin(ek_tensor x, const ek_spatial *s, const ek_shape *filter_shape, ek_where where);
/* An operation on an image; it is told "SAME" or "VALID". */
typedef ek_tensor (*ek_spatial_op)(ek_tensor x, const ek_spatial *s, const char *padding, void *arg, ek_where where);
/* The operation, between SpaceToBatchND and BatchToSpaceND where something is dilated. */
ek_tensor ek__dilation_apply(ek_tensor x, const ek_dilation *d, ek_spatial_op op, void *arg, ek_where where);

/* The convolution: Conv2D, Conv3D, conv1d's nodes. `arg` is an ek_operand, the filter. */
ek_tensor ek__convolution_op(ek_tensor x, const ek_spatial *s, const char *padding, void *arg, ek_where where);

#endif
