/* evenkeel/nn.h - reductions, products, convolutions, random tensors: tf.reduce_mean, tf.matmul, tf.nn.conv2d and kin.
 *
 * As in ops.h every builder makes TensorFlow 1.15's nodes: the same types, names and constants.
 */
#ifndef EVENKEEL_NN_H
#define EVENKEEL_NN_H

#include "evenkeel/arrays.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- reductions ------------------------------------------------------------------------------------ */

/* Axes: EK_AXES(0, 2) is a list, EK_AXIS(1) one number (where TensorFlow has a scalar). Negative ones count from the
 * end. */
typedef struct ek_axes {
    int count; /* of a list; -1: not given; -2: the number axis[0] */
    int axis[EK_MAX_RANK];
} ek_axes;
#define EK_AXES(...) ((ek_axes){ (int)(sizeof((int[]){ __VA_ARGS__ }) / sizeof(int)), { __VA_ARGS__ } })
#define EK_AXIS(i) ((ek_axes){ -2, { (i) } })

typedef struct ek_reduce_options {
    size_t size;
    ek_tensor x; /* required */
    ek_axes axis; /* none: all */
    bool keepdims;
    const char *name; /* NULL: the type ("Mean") */
} ek_reduce_options;
/* tf.reduce_mean and kin: ek_reduce_mean(x), ek_reduce_sum(x, .axis = EK_AXIS(1), .keepdims = true). The axes become
 * Mean/reduction_indices; without any the Const "Const", or for an unknown rank a range.
 *
 * Sums of floats are taken in double and rounded once. The mean of nothing is NaN, of integers it is cut off. */
#define EK_REDUCE_BUILDERS(X) \
    X(all) X(any) X(euclidean_norm) X(max) X(mean) X(min) X(prod) X(sum)
#define EK_DECLARE_REDUCE_(f) EK_API ek_tensor ek_reduce_##f##_with(const ek_reduce_options *o, ek_where where);
EK_REDUCE_BUILDERS(EK_DECLARE_REDUCE_)
#define EK_REDUCE_(fn, ...)                                                                                            \
    EK_CALL(ek_tensor, fn, (), ek_reduce_options, .axis = { -1, { 0 } }, .keepdims = false, .name = NULL, .x = __VA_ARGS__)
#define ek_reduce_all(...) EK_REDUCE_(ek_reduce_all_with, __VA_ARGS__)
#define ek_reduce_any(...) EK_REDUCE_(ek_reduce_any_with, __VA_ARGS__)
#define ek_reduce_euclidean_norm(...) EK_REDUCE_(ek_reduce_euclidean_norm_with, __VA_ARGS__)
#define ek_reduce_max(...) EK_REDUCE_(ek_reduce_max_with, __VA_ARGS__)
#define ek_reduce_mean(...) EK_REDUCE_(ek_reduce_mean_with, __VA_ARGS__)
#define ek_reduce_min(...) EK_REDUCE_(ek_reduce_min_with, __VA_ARGS__)
#define ek_reduce_prod(...) EK_REDUCE_(ek_reduce_prod_with, __VA_ARGS__)
#define ek_reduce_sum(...) EK_REDUCE_(ek_reduce_sum_with, __VA_ARGS__)

typedef struct ek_argmax_options {
    size_t size;
    ek_tensor x; /* required */
    int64_t axis;
    ek_dtype output_type;
    const char *name;
} ek_argmax_options;
/* tf.argmax, tf.argmin: the place of the first largest (smallest) element along an axis, 0 unless said. */
#define EK_ARG_(fn, ...) \
    EK_CALL(ek_tensor, fn, (), ek_argmax_options, .axis = 0, .output_type = EK_INT64, .name = NULL, .x = __VA_ARGS__)
#define ek_argmax(...) EK_ARG_(ek_argmax_with, __VA_ARGS__)
#define ek_argmin(...) EK_ARG_(ek_argmin_with, __VA_ARGS__)
EK_API ek_tensor ek_argmax_with(const ek_argmax_options *o, ek_where where);
EK_API ek_tensor ek_argmin_with(const ek_argmax_options *o, ek_where where);

/* ---- products and convolutions ------------------------------------------------------------------------ */

typedef struct ek_matmul_options {
    size_t size;
    ek_operand b; /* required */
    bool transpose_a, transpose_b;
    const char *name; /* NULL: "MatMul" */
} ek_matmul_options;
/* tf.matmul: a MatMul, or for more than two dimensions a BatchMatMulV2. */
#define ek_matmul(a, ...) EK_MATMUL_(a, __VA_ARGS__, .size = sizeof(ek_matmul_options))
#define EK_MATMUL_(a, b_, ...)                                                                               \
    EK_CALL(ek_tensor, ek_matmul_with, (EK_OPERAND(a),), ek_matmul_options, .transpose_a = false,            \
            .transpose_b = false, .name = NULL, .b = EK_OPERAND(b_), __VA_ARGS__)
EK_API ek_tensor ek_matmul_with(ek_operand a, const ek_matmul_options *o, ek_where where);

typedef struct ek_bias_add_options {
    size_t size;
    ek_operand bias;         /* required */
    const char *data_format; /* "NHWC" (the channel is the last axis) or "NCHW" (axis 1) */
    const char *name;        /* NULL: "BiasAdd" */
} ek_bias_add_options;
/* tf.nn.bias_add */
#define ek_bias_add(value, ...) EK_BIAS_ADD_(value, __VA_ARGS__, .size = sizeof(ek_bias_add_options))
#define EK_BIAS_ADD_(value, bias_, ...)                                                               \
    EK_CALL(ek_tensor, ek_bias_add_with, (EK_OPERAND(value),), ek_bias_add_options,                   \
            .data_format = "NHWC", .name = NULL, .bias = EK_OPERAND(bias_), __VA_ARGS__)
EK_API ek_tensor ek_bias_add_with(ek_operand value, const ek_bias_add_options *o, ek_where where);

typedef struct ek_nn_conv2d_options {
    size_t size;
    ek_operand filter;             /* required: [height, width, input channels, output channels] */
    int64_t strides[4];            /* by data format */
    const char *padding;           /* "SAME", "VALID", or "EXPLICIT" with: */
    int64_t explicit_paddings[8];  /* before and after of each dimension, by data format */
    const char *data_format;       /* "NHWC", "NCHW" */
    int64_t dilations[4];
    const char *name;              /* NULL: "Conv2D" */
} ek_nn_conv2d_options;
/* tf.nn.conv2d: ek_nn_conv2d(x, w, .strides = { 1, 2, 2, 1 }, .padding = "SAME") */
#define ek_nn_conv2d(input, ...) EK_NN_CONV2D_(input, __VA_ARGS__, .size = sizeof(ek_nn_conv2d_options))
#define EK_NN_CONV2D_(input, filter_, ...)                                                                     \
    EK_CALL(ek_tensor, ek_nn_conv2d_with, (EK_OPERAND(input),), ek_nn_conv2d_options, .strides = { 1, 1, 1, 1 }, \
            .padding = "VALID", .explicit_paddings = { 0 }, .data_format = "NHWC", .dilations = { 1, 1, 1, 1 }, \
            .name = NULL, .filter = EK_OPERAND(filter_), __VA_ARGS__)
EK_API ek_tensor ek_nn_conv2d_with(ek_operand input, const ek_nn_conv2d_options *o, ek_where where);

/* tf.nn.depthwise_conv2d_native: each channel by filters of its own, [height, width, input channels, filters]; output channel
 * c * filters + q is channel c through its filter q. Options are those of ek_nn_conv2d; a name is "DepthwiseConv2dNative". */
#define ek_nn_depthwise_conv2d_native(input, ...) \
    EK_NN_DEPTHWISE_(input, __VA_ARGS__, .size = sizeof(ek_nn_conv2d_options))
#define EK_NN_DEPTHWISE_(input, filter_, ...)                                                                       \
    EK_CALL(ek_tensor, ek_nn_depthwise_conv2d_native_with, (EK_OPERAND(input),), ek_nn_conv2d_options,              \
            .strides = { 1, 1, 1, 1 }, .padding = "VALID", .explicit_paddings = { 0 }, .data_format = "NHWC",       \
            .dilations = { 1, 1, 1, 1 }, .name = NULL, .filter = EK_OPERAND(filter_), __VA_ARGS__)
EK_API ek_tensor ek_nn_depthwise_conv2d_native_with(ek_operand input, const ek_nn_conv2d_options *o, ek_where where);

/* tf.nn.l2_loss: half the sum of squares. tf.nn.softmax and tf.nn.log_softmax over the last axis. */
#define ek_l2_loss(...) EK_UNARY_(ek_l2_loss_with, __VA_ARGS__)
#define ek_softmax(...) EK_UNARY_(ek_softmax_with, __VA_ARGS__)
#define ek_log_softmax(...) EK_UNARY_(ek_log_softmax_with, __VA_ARGS__)
EK_API ek_tensor ek_l2_loss_with(const ek_unary_options *o, ek_where where);
EK_API ek_tensor ek_softmax_with(const ek_unary_options *o, ek_where where);
EK_API ek_tensor ek_log_softmax_with(const ek_unary_options *o, ek_where where);

/* ---- random tensors --------------------------------------------------------------------------------------- */

typedef struct ek_random_uniform_options {
    size_t size;
    ek_shape shape;        /* required, fully known; without meaning where dims is given */
    ek_tensor dims;        /* the shape as an int32 or int64 vector */
    double minval, maxval; /* of integers maxval is required; EK_NO_MAXVAL (1 for floats) by default */
    ek_dtype dtype;
    int64_t seed;          /* EK_NO_SEED: by the graph's seed and the number of operations, or from the system */
    const char *name;      /* NULL: "random_uniform" */
} ek_random_uniform_options;
#define EK_NO_MAXVAL (-1e308)
/* tf.random_uniform: ek_random_uniform(g, EK_SHAPE(2, 3), .minval = -1, .seed = 7), in [minval, maxval). For a seed the
 * same bits as TensorFlow's. */
#define ek_random_uniform(g, ...)                                                                              \
    EK_CALL(ek_tensor, ek_random_uniform_with, ((g),), ek_random_uniform_options, .minval = 0, .maxval = EK_NO_MAXVAL, \
            .dims = { NULL, -1, 0 }, .dtype = EK_FLOAT32, .seed = EK_NO_SEED, .name = NULL, .shape = __VA_ARGS__)
EK_API ek_tensor ek_random_uniform_with(ek_graph *g, const ek_random_uniform_options *o, ek_where where);

typedef struct ek_random_normal_options {
    size_t size;
    ek_shape shape; /* required, fully known; without meaning where dims is given */
    ek_tensor dims; /* the shape as an int32 or int64 vector */
    double mean, stddev;
    ek_dtype dtype;
    int64_t seed;
    const char *name; /* NULL: "random_normal", "truncated_normal" */
} ek_random_normal_options;
/* tf.random_normal; tf.truncated_normal, which draws anew what is two deviations away or more. */
#define EK_RANDOM_NORMAL_(fn, g, ...)                                                                       \
    EK_CALL(ek_tensor, fn, ((g),), ek_random_normal_options, .mean = 0, .stddev = 1, .dtype = EK_FLOAT32,   \
            .dims = { NULL, -1, 0 }, .seed = EK_NO_SEED, .name = NULL, .shape = __VA_ARGS__)
#define ek_random_normal(g, ...) EK_RANDOM_NORMAL_(ek_random_normal_with, g, __VA_ARGS__)
#define ek_truncated_normal(g, ...) EK_RANDOM_NORMAL_(ek_truncated_normal_with, g, __VA_ARGS__)
EK_API ek_tensor ek_random_normal_with(ek_graph *g, const ek_random_normal_options *o, ek_where where);
EK_API ek_tensor ek_truncated_normal_with(ek_graph *g, const ek_random_normal_options *o, ek_where where);

typedef struct ek_random_shuffle_options {
    size_t size;
    ek_tensor value; /* required */
    int64_t seed;
    const char *name; /* NULL: "RandomShuffle" */
} ek_random_shuffle_options;
/* tf.random_shuffle: rows in another order. */
#define ek_random_shuffle(...)                                                                             \
    EK_CALL(ek_tensor, ek_random_shuffle_with, (), ek_random_shuffle_options, .seed = EK_NO_SEED, .name = NULL, \
            .value = __VA_ARGS__)
EK_API ek_tensor ek_random_shuffle_with(const ek_random_shuffle_options *o, ek_where where);

#ifdef __cplusplus
}
#endif
#endif
