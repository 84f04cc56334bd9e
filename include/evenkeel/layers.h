/* evenkeel/layers.h - layers: variables and operations under one name.
 *
 * Each is tf.layers' function of that name and builds TensorFlow 1.15's graph: the same variables, nodes, names,
 * collections and order. Batch normalization has a header of its own.
 */
#ifndef EVENKEEL_LAYERS_H
#define EVENKEEL_LAYERS_H

#include "evenkeel/batch_norm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what layers have in common -------------------------------------------------------------------- */

/* .name        NULL: the layer's own ("dense"), made unique in its variable scope ("dense_1")
 * .reuse       EK_REUSE takes the variables of an earlier layer of that name, EK_AUTO_REUSE does where there is one
 * .trainable   false: no EK_TRAINABLE_VARIABLES
 * Variables    have the input's type. Where no initializer is given it is the variable scope's, else glorot_uniform
 *              for kernels; zeros for a bias.
 * Collections  EK_GLOBAL_VARIABLES, EK_TRAINABLE_VARIABLES; EK_REGULARIZATION_LOSSES: a regularizer's loss when the
 *              variable is made, an activity regularizer's (of the output, over the batch size) at every call.
 * Errors       INVALID_ARGUMENT, recorded in the graph, in TensorFlow's words. */

/* What a layer does to its output last, in its own scope: any function of one operand, .activation = ek_relu_with,
 * ek_tanh_with, ek_softmax_with, or one of the caller's. NULL: nothing. */
typedef ek_tensor (*ek_activation)(const ek_unary_options *o, ek_where where);

/* ---- dense ------------------------------------------------------------------------------------------- */

typedef struct ek_dense_options {
    size_t size;
    int64_t units; /* required */
    ek_activation activation;
    bool use_bias;
    ek_initializer kernel_initializer, bias_initializer;
    ek_regularizer kernel_regularizer, bias_regularizer, activity_regularizer;
    ek_constraint kernel_constraint, bias_constraint;
    bool trainable;
    const char *name; /* NULL: "dense", numbered */
    ek_reuse reuse;
} ek_dense_options;
/* tf.layers.dense: activation(x * kernel + bias). ek_dense(x, 100, .activation = ek_relu_with, .name = "hidden")
 *
 * Shapes     x [.., n], rank 2 at least, n known; kernel (n, units), bias (units); y [.., units].
 * Types      floating types, complex ones.
 * Nodes      MatMul, for a higher rank Tensordot; BiasAdd; the activation. */
#define EK_DENSE_DEFAULTS .use_bias = true, .trainable = true
#define ek_dense(x, ...) \
    EK_CALL(ek_tensor, ek_dense_with, ((x),), ek_dense_options, EK_DENSE_DEFAULTS, .units = __VA_ARGS__)
EK_API ek_tensor ek_dense_with(ek_tensor x, const ek_dense_options *o, ek_where where);

/* ---- convolutions ---------------------------------------------------------------------------------------- */

typedef struct ek_conv_options {
    size_t size;
    int64_t filters;          /* required: how many channels come out */
    int64_t kernel_size;      /* required: of the window, the same in every dimension; or by dimension: */
    int64_t kernel_dims[3];   /*     .kernel_dims = { 3, 5 } */
    int64_t strides;          /* 1 */
    int64_t stride_dims[3];   /* instead, by dimension */
    const char *padding;      /* "valid" (the default), "same"; of ek_conv1d "causal" too */
    const char *data_format;  /* "channels_last" (the default), "channels_first" */
    int64_t dilation_rate;    /* 1; steps between the points of a window. With strides only 1 */
    int64_t dilation_dims[3]; /* instead, by dimension */
    ek_activation activation;
    bool use_bias;
    ek_initializer kernel_initializer, bias_initializer;
    ek_regularizer kernel_regularizer, bias_regularizer, activity_regularizer;
    ek_constraint kernel_constraint, bias_constraint;
    bool trainable;
    const char *name;         /* NULL: "conv1d", "conv2d", "conv3d", numbered */
    ek_reuse reuse;
} ek_conv_options;
#define EK_CONV_DEFAULTS                                                                                     \
    .strides = 1, .padding = "valid", .data_format = "channels_last", .dilation_rate = 1, .use_bias = true,  \
    .trainable = true
#define EK_CONV_(fn, x, ...) \
    EK_CALL(ek_tensor, fn, ((x),), ek_conv_options, EK_CONV_DEFAULTS, .filters = __VA_ARGS__)
/* tf.layers.conv1d, conv2d, conv3d: ek_conv2d(x, 8, 3, .padding = "same"),
 * ek_conv2d(x, 8, .kernel_dims = { 3, 5 }, .strides = 2)
 *
 * Shapes     x [batch, image.., c] or [batch, c, image..], an image of 1 to 3 dimensions, c known; kernel
 *            (window.., c, filters), bias (filters). An output dimension is ceil((n - e + 1) / stride) where
 *            e = (k - 1) * dilation + 1, with "same" and "causal" padding ceil(n / stride).
 * Types      floating types that the operation has.
 * Nodes      Conv2D (of one dimension on an image of one row), Conv3D, where dilated between SpaceToBatchND and
 *            BatchToSpaceND; BiasAdd; the activation. */
#define ek_conv1d(x, ...) EK_CONV_(ek_conv1d_with, x, __VA_ARGS__)
#define ek_conv2d(x, ...) EK_CONV_(ek_conv2d_with, x, __VA_ARGS__)
#define ek_conv3d(x, ...) EK_CONV_(ek_conv3d_with, x, __VA_ARGS__)
EK_API ek_tensor ek_conv1d_with(ek_tensor x, const ek_conv_options *o, ek_where where);
EK_API ek_tensor ek_conv2d_with(ek_tensor x, const ek_conv_options *o, ek_where where);
EK_API ek_tensor ek_conv3d_with(ek_tensor x, const ek_conv_options *o, ek_where where);

/* tf.layers.conv2d_transpose, conv3d_transpose: ek_conv2d_transpose(x, 8, 3, .strides = 2). The gradient of a
 * convolution with respect to its input, as a layer.
 *
 * Shapes     kernel (window.., filters, c). An output dimension is n * stride + max(k - stride, 0), with "same" padding
 *            n * stride; the graph computes it.
 * Nodes      Shape and what is computed of it; Conv2DBackpropInput (of images channels first between two Transposes),
 *            Conv3DBackpropInputV2; BiasAdd; the activation. No dilation. */
#define ek_conv2d_transpose(x, ...) EK_CONV_(ek_conv2d_transpose_with, x, __VA_ARGS__)
#define ek_conv3d_transpose(x, ...) EK_CONV_(ek_conv3d_transpose_with, x, __VA_ARGS__)
EK_API ek_tensor ek_conv2d_transpose_with(ek_tensor x, const ek_conv_options *o, ek_where where);
EK_API ek_tensor ek_conv3d_transpose_with(ek_tensor x, const ek_conv_options *o, ek_where where);

typedef struct ek_separable_options {
    size_t size;
    int64_t filters, kernel_size; /* these and the following as ek_conv_options has them */
    int64_t kernel_dims[3], strides, stride_dims[3];
    const char *padding, *data_format;
    int64_t dilation_rate, dilation_dims[3];
    int64_t depth_multiplier;     /* 1; how many channels are made of each before they are mixed */
    ek_activation activation;
    bool use_bias;
    ek_initializer depthwise_initializer, pointwise_initializer, bias_initializer;
    ek_regularizer depthwise_regularizer, pointwise_regularizer, bias_regularizer, activity_regularizer;
    ek_constraint depthwise_constraint, pointwise_constraint, bias_constraint;
    bool trainable;
    const char *name;             /* NULL: "separable_conv1d", "separable_conv2d", numbered */
    ek_reuse reuse;
} ek_separable_options;
#define EK_SEPARABLE_DEFAULTS EK_CONV_DEFAULTS, .depth_multiplier = 1
#define EK_SEPARABLE_(fn, x, ...) \
    EK_CALL(ek_tensor, fn, ((x),), ek_separable_options, EK_SEPARABLE_DEFAULTS, .filters = __VA_ARGS__)
/* tf.layers.separable_conv1d, separable_conv2d: ek_separable_conv2d(x, 8, 3, .padding = "same"). A convolution of each
 * channel by itself, then a product over the channels.
 *
 * Shapes     depthwise_kernel (window.., c, depth_multiplier), pointwise_kernel (1.., c * depth_multiplier, filters).
 * Nodes      DepthwiseConv2dNative, where dilated between SpaceToBatchND and BatchToSpaceND; Conv2D; BiasAdd. */
#define ek_separable_conv1d(x, ...) EK_SEPARABLE_(ek_separable_conv1d_with, x, __VA_ARGS__)
#define ek_separable_conv2d(x, ...) EK_SEPARABLE_(ek_separable_conv2d_with, x, __VA_ARGS__)
EK_API ek_tensor ek_separable_conv1d_with(ek_tensor x, const ek_separable_options *o, ek_where where);
EK_API ek_tensor ek_separable_conv2d_with(ek_tensor x, const ek_separable_options *o, ek_where where);

typedef struct ek_nn_depthwise_options {
    size_t size;
    ek_operand filter;       /* required: [height, width, c, multiplier], the window of known size */
    int64_t strides[4];      /* by data format */
    const char *padding;     /* "VALID" (the default), "SAME" */
    int64_t rate[2];         /* dilation of height and width; with strides only 1 */
    const char *data_format; /* "NHWC" (the default), "NCHW" */
    const char *name;        /* NULL: "depthwise" */
} ek_nn_depthwise_options;
/* tf.nn.depthwise_conv2d: ek_nn_depthwise_conv2d(x, w, .padding = "SAME", .rate = { 2, 2 }). Output channel
 * c * multiplier + q is channel c through its filter q. */
#define EK_NN_DEPTHWISE_DEFAULTS \
    .strides = { 1, 1, 1, 1 }, .padding = "VALID", .rate = { 1, 1 }, .data_format = "NHWC", .name = NULL
#define ek_nn_depthwise_conv2d(input, ...) \
    EK_NN_DEPTHWISE_CONV_(input, __VA_ARGS__, .size = sizeof(ek_nn_depthwise_options))
#define EK_NN_DEPTHWISE_CONV_(input, filter_, ...)                                                           \
    EK_CALL(ek_tensor, ek_nn_depthwise_conv2d_with, (EK_OPERAND(input),), ek_nn_depthwise_options,           \
            EK_NN_DEPTHWISE_DEFAULTS, .filter = EK_OPERAND(filter_), __VA_ARGS__)
EK_API ek_tensor ek_nn_depthwise_conv2d_with(ek_operand input, const ek_nn_depthwise_options *o, ek_where where);

/* ---- pooling ------------------------------------------------------------------------------------------------ */

typedef struct ek_pooling_options {
    size_t size;
    int64_t pool_size;       /* required: of the window, the same in every dimension */
    int64_t strides;         /* required */
    int64_t pool_dims[3], stride_dims[3]; /* instead (write 0 there), by dimension */
    const char *padding;     /* "valid" (the default), "same" */
    const char *data_format; /* "channels_last" (the default), "channels_first" */
    const char *name;        /* NULL: "max_pooling2d", "average_pooling2d", ..., numbered */
} ek_pooling_options;
#define EK_POOLING_DEFAULTS .padding = "valid", .data_format = "channels_last"
#define EK_POOLING_(fn, x, ...) \
    EK_CALL(ek_tensor, fn, ((x),), ek_pooling_options, EK_POOLING_DEFAULTS, .pool_size = __VA_ARGS__)
/* tf.layers.max_pooling1d to 3d, average_pooling1d to 3d: ek_max_pooling2d(x, 2, 2),
 * ek_max_pooling2d(x, 0, 1, .pool_dims = { 2, 3 }). An average is over what lies inside the image. */
#define ek_max_pooling1d(x, ...) EK_POOLING_(ek_max_pooling1d_with, x, __VA_ARGS__)
#define ek_max_pooling2d(x, ...) EK_POOLING_(ek_max_pooling2d_with, x, __VA_ARGS__)
#define ek_max_pooling3d(x, ...) EK_POOLING_(ek_max_pooling3d_with, x, __VA_ARGS__)
#define ek_average_pooling1d(x, ...) EK_POOLING_(ek_average_pooling1d_with, x, __VA_ARGS__)
#define ek_average_pooling2d(x, ...) EK_POOLING_(ek_average_pooling2d_with, x, __VA_ARGS__)
#define ek_average_pooling3d(x, ...) EK_POOLING_(ek_average_pooling3d_with, x, __VA_ARGS__)
EK_API ek_tensor ek_max_pooling1d_with(ek_tensor x, const ek_pooling_options *o, ek_where where);
EK_API ek_tensor ek_max_pooling2d_with(ek_tensor x, const ek_pooling_options *o, ek_where where);
EK_API ek_tensor ek_max_pooling3d_with(ek_tensor x, const ek_pooling_options *o, ek_where where);
EK_API ek_tensor ek_average_pooling1d_with(ek_tensor x, const ek_pooling_options *o, ek_where where);
EK_API ek_tensor ek_average_pooling2d_with(ek_tensor x, const ek_pooling_options *o, ek_where where);
EK_API ek_tensor ek_average_pooling3d_with(ek_tensor x, const ek_pooling_options *o, ek_where where);

/* ---- flatten ---------------------------------------------------------------------------------------------------- */

typedef struct ek_flatten_options {
    size_t size;
    ek_tensor x;             /* required */
    const char *data_format; /* "channels_last" (the default); "channels_first": the channels are moved last before */
    const char *name;        /* NULL: "flatten", numbered */
} ek_flatten_options;
/* tf.layers.flatten: [batch, everything else]. */
#define EK_FLATTEN_DEFAULTS .data_format = "channels_last", .name = NULL
#define ek_flatten(...) \
    EK_CALL(ek_tensor, ek_flatten_with, (), ek_flatten_options, EK_FLATTEN_DEFAULTS, .x = __VA_ARGS__)
EK_API ek_tensor ek_flatten_with(const ek_flatten_options *o, ek_where where);

/* ---- dropout ----------------------------------------------------------------------------------------------------- */

typedef struct ek_dropout_options {
    size_t size;
    ek_tensor x;            /* required; a floating type */
    double rate;            /* 0.5; which part is dropped, in [0, 1) */
    ek_tensor rate_tensor;  /* in place of `rate`: a scalar */
    ek_shape noise_shape;   /* of rank -2: that of x. 1 where one decision is for all; -1: as x, if x knows */
    ek_tensor noise_dims;   /* in place of `noise_shape`: an integer vector */
    int64_t seed;           /* EK_NO_SEED */
    ek_tensor training;     /* EK_TRUE, EK_FALSE (the default), a bool tensor, or EK_TRAINING(x) */
    const char *name;       /* NULL: "dropout", numbered */
} ek_dropout_options;
/* tf.layers.dropout: ek_dropout(h, 0.4, .training = is_training). In training each element is 0 with probability
 * `rate`, else x / (1 - rate); otherwise x (an Identity). The random numbers are TensorFlow's, bit for bit, for a seed. */
#define EK_DROPOUT_DEFAULTS                                                                                  \
    .rate = 0.5, .rate_tensor = { NULL, -1, 0 }, .noise_shape = { .rank = -2 },                              \
    .noise_dims = { NULL, -1, 0 }, .seed = EK_NO_SEED, .training = { NULL, 0, EK_TRAINING_VALUE }, .name = NULL
#define ek_dropout(...) \
    EK_CALL(ek_tensor, ek_dropout_with, (), ek_dropout_options, EK_DROPOUT_DEFAULTS, .x = __VA_ARGS__)
EK_API ek_tensor ek_dropout_with(const ek_dropout_options *o, ek_where where);

typedef struct ek_nn_dropout_options {
    size_t size;
    ek_tensor x;             /* required; a floating type */
    ek_operand rate;         /* EK_OPERAND(0.4), EK_OPERAND(tensor); or, the other way round: */
    ek_operand keep_prob;    /*     rate = 1 - keep_prob */
    ek_shape noise_shape;    /* as ek_dropout's */
    ek_tensor noise_dims;
    int64_t seed;
    const char *name;        /* NULL: "dropout" */
} ek_nn_dropout_options;
/* tf.nn.dropout: ek_nn_dropout(x, .rate = EK_OPERAND(0.4)). Of rate 0, x itself. */
#define EK_NN_DROPOUT_DEFAULTS \
    .noise_shape = { .rank = -2 }, .noise_dims = { NULL, -1, 0 }, .seed = EK_NO_SEED, .name = NULL
#define ek_nn_dropout(...) \
    EK_CALL(ek_tensor, ek_nn_dropout_with, (), ek_nn_dropout_options, EK_NN_DROPOUT_DEFAULTS, .x = __VA_ARGS__)
EK_API ek_tensor ek_nn_dropout_with(const ek_nn_dropout_options *o, ek_where where);

#ifdef __cplusplus
}
#endif
#endif
