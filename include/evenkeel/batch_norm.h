/* evenkeel/batch_norm.h - the batch normalization layer, its primitives, and how a layer is told whether it trains.
 *
 * Everything builds TensorFlow 1.15's graph: the same variables, nodes, names, collections and order.
 */
#ifndef EVENKEEL_BATCH_NORM_H
#define EVENKEEL_BATCH_NORM_H

#include "evenkeel/nn.h"
#include "evenkeel/variables.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- training or not ------------------------------------------------------------------------- */

/* `.training = is_training` takes a tensor; these stand for Python's values. They are no tensors of any graph. */
enum { EK_TRAINING_VALUE = -1, EK_TRAINING_VARIABLE = -2, EK_TRAINING_PHASE = -3 };
static inline ek_tensor ek_training_of_int(int v)
{
    ek_tensor t = { NULL, v, EK_TRAINING_VALUE };
    return t;
}
static inline ek_tensor ek_training_of_double(double v) { return ek_training_of_int(v == 0.0 ? 0 : v == 1.0 ? 1 : 2); }
static inline ek_tensor ek_training_of_tensor(ek_tensor t) { return t; }
static inline ek_tensor ek_training_of_variable(ek_variable v)
{
    ek_tensor t = { v.graph, v.id, EK_TRAINING_VARIABLE };
    return t;
}
#define EK_TRUE ek_training_of_int(1)
#define EK_FALSE ek_training_of_int(0)
/* Python's None: the graph's keras_learning_phase, a placeholder whose default is inference. */
static inline ek_tensor ek_learning_phase(void)
{
    ek_tensor t = { NULL, 0, EK_TRAINING_PHASE };
    return t;
}
/* .training = EK_TRAINING(x) for a variable, an int or a bool. */
#define EK_TRAINING(x)                                                                                  \
    _Generic((x), int: ek_training_of_int, bool: ek_training_of_int, double: ek_training_of_double,      \
             ek_tensor: ek_training_of_tensor, ek_variable: ek_training_of_variable)(x)

/* ---- batch normalization ------------------------------------------------------------------------ */

enum { EK_NO_VIRTUAL_BATCHES = INT32_MIN };

/* A key and its number, as in Python's {'rmax': 3.0}; a NULL key ends the list. */
typedef struct ek_clip {
    const char *key;
    double value;
} ek_clip;

/* Builds a scale and an offset, random ones say, from the shape of the input (an int32 vector). */
typedef struct ek_adjustment {
    void (*call)(ek_tensor shape, ek_tensor *scale, ek_tensor *offset, void *arg); /* NULL: none */
    void *arg;
} ek_adjustment;

/* Everything tf.layers.batch_normalization can be told. Start from the macros; a struct zeroed by hand means
 * axis 0, momentum 0, epsilon 0, no centre and no scale. */
typedef struct ek_batch_normalization_options {
    size_t size;
    ek_tensor x;            /* required; rank >= 1 known, every normalised axis of known size */
    int axis;               /* the feature axis, kept; all others are averaged over. -1: the last */
    ek_axes axes;           /* several of them, instead */
    double momentum;        /* weight of the old moving statistics, 0.99 */
    double epsilon;         /* added to the variance, 1e-3; the fused op raises it to 1.001e-5 */
    bool center, scale;     /* has beta, has gamma */
    ek_initializer beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer;
    ek_regularizer beta_regularizer, gamma_regularizer;
    ek_constraint beta_constraint, gamma_constraint;
    ek_tensor training;     /* EK_TRUE, EK_FALSE (the default), a bool tensor, or EK_TRAINING(x) */
    bool trainable;         /* false: no trainable variables, and no EK_UPDATE_OPS */
    const char *name;       /* NULL: "batch_normalization", numbered */
    ek_reuse reuse;
    bool renorm;            /* batch renormalization */
    ek_clip renorm_clipping[4]; /* .renorm_clipping = { { "rmax", 3.0 }, { "rmin", 0.25 }, { "dmax", 5.0 } } */
    double renorm_momentum; /* 0.99 */
    ek_tristate fused;      /* EK_DEFAULT and EK_YES: where possible (rank 4, axis 1 or 3, nothing unusual) */
    int64_t virtual_batch_size; /* the batch is cut into strided groups of this many, each normalised by itself */
    ek_adjustment adjustment;
} ek_batch_normalization_options;
#define EK_BATCH_NORMALIZATION_DEFAULTS                                                                     \
    .axis = -1, .axes = { -1, { 0 } }, .momentum = 0.99, .epsilon = 1e-3, .center = true, .scale = true,     \
    .training = { NULL, 0, EK_TRAINING_VALUE }, .trainable = true, .renorm_momentum = 0.99,                  \
    .fused = EK_DEFAULT, .virtual_batch_size = EK_NO_VIRTUAL_BATCHES

/* tf.layers.batch_normalization.
 *
 * Training    y = x * inv + (beta - mean * inv), inv = gamma / sqrt(variance + epsilon), with mean and variance (over
 *             n, not n - 1) of this batch. Two operations that move the averages,
 *                 moving -= (moving - batch) * (1 - momentum),
 *             go to the collection EK_UPDATE_OPS, mean first: **run them**, or make what you run depend on them.
 * Inference   the same formula with the moving statistics.
 * Shapes      y like x. gamma, beta, moving_mean, moving_variance (C) for one axis; the input's rank with 1 where it is
 *             averaged for several; one more 1 at index 1 with virtual batches.
 * Types       floating types. float16 and bfloat16: statistics and parameters in float32.
 * Fused       rank 4 on axis 1 (NCHW) or 3 (NHWC): one FusedBatchNormV3, whose moving variance gets the unbiased
 *             n / (n - 1). Otherwise composed of small operations, biased.
 * Edge cases  n = 1: y = beta. An empty batch poisons the moving statistics with NaN if the updates run.
 * Collections EK_GLOBAL_VARIABLES, EK_TRAINABLE_VARIABLES, EK_UPDATE_OPS, EK_REGULARIZATION_LOSSES.
 * Errors      INVALID_ARGUMENT, recorded in the graph, in TensorFlow's order and words. */
#define ek_batch_normalization(...)                                                                          \
    EK_CALL(ek_tensor, ek_batch_normalization_with, (), ek_batch_normalization_options,                      \
            EK_BATCH_NORMALIZATION_DEFAULTS, .x = __VA_ARGS__)
EK_API ek_tensor ek_batch_normalization_with(const ek_batch_normalization_options *o, ek_where where);

/* tf.layers.BatchNormalization: a layer that can be called several times; the calls share its variables, each adds its
 * own updates. Owned by its graph. `x`, `training` and `reuse` are not looked at here. */
typedef struct ek_batch_norm ek_batch_norm;
#define ek_batch_norm_layer(...) \
    EK_BATCH_NORM_LAYER_(__VA_ARGS__, .size = sizeof(ek_batch_normalization_options))
#define EK_BATCH_NORM_LAYER_(g, ...)                                                                         \
    EK_CALL(ek_batch_norm *, ek_batch_norm_layer_with, ((g),), ek_batch_normalization_options,               \
            EK_BATCH_NORMALIZATION_DEFAULTS, __VA_ARGS__)
EK_API ek_batch_norm *ek_batch_norm_layer_with(ek_graph *g, const ek_batch_normalization_options *o, ek_where where);

typedef struct ek_batch_norm_call_options {
    size_t size;
    ek_tensor x, training;
} ek_batch_norm_call_options;
/* y = ek_batch_norm_call(layer, x, .training = EK_TRUE). The rank and the size of the axes stay what they were the
 * first time. A NULL layer gives a dead tensor. */
#define ek_batch_norm_call(layer, ...)                                                                       \
    EK_CALL(ek_tensor, ek_batch_norm_call_with, ((layer),), ek_batch_norm_call_options,                      \
            .training = { NULL, 0, EK_TRAINING_VALUE }, .x = __VA_ARGS__)
EK_API ek_tensor ek_batch_norm_call_with(ek_batch_norm *layer, const ek_batch_norm_call_options *o, ek_where where);
/* Its variables, dead before the first call and where there is none. */
EK_API ek_variable ek_batch_norm_gamma(const ek_batch_norm *layer);
EK_API ek_variable ek_batch_norm_beta(const ek_batch_norm *layer);
EK_API ek_variable ek_batch_norm_moving_mean(const ek_batch_norm *layer);
EK_API ek_variable ek_batch_norm_moving_variance(const ek_batch_norm *layer);

/* ---- primitives --------------------------------------------------------------------------------------- */

/* Two tensors at once. */
typedef struct ek_moments_result {
    ek_tensor mean, variance;
} ek_moments_result;
typedef struct ek_moments_options {
    size_t size;
    ek_tensor x;
    ek_axes axes;     /* required */
    bool keep_dims;
    const char *name; /* NULL: "moments" */
} ek_moments_options;
/* tf.nn.moments: mean and biased variance over `axes`; float16 is averaged in float32.
 *     ek_moments_result m = ek_moments(x, .axes = EK_AXES(0)); */
#define ek_moments(...) \
    EK_CALL(ek_moments_result, ek_moments_with, (), ek_moments_options, .axes = { -1, { 0 } }, .x = __VA_ARGS__)
EK_API ek_moments_result ek_moments_with(const ek_moments_options *o, ek_where where);

typedef struct ek_nn_batch_normalization_options {
    size_t size;
    ek_tensor x;
    ek_operand mean, variance; /* required: EK_OPERAND(tensor or variable) */
    ek_operand offset, scale;  /* of kind 0, the default: none */
    double variance_epsilon;   /* required */
    const char *name;          /* NULL: "batchnorm" */
} ek_nn_batch_normalization_options;
/* tf.nn.batch_normalization: x * inv + (offset - mean * inv), inv = scale * rsqrt(variance + epsilon). */
#define ek_nn_batch_normalization(...)                                                                       \
    EK_CALL(ek_tensor, ek_nn_batch_normalization_with, (), ek_nn_batch_normalization_options, .name = NULL,  \
            .x = __VA_ARGS__)
EK_API ek_tensor ek_nn_batch_normalization_with(const ek_nn_batch_normalization_options *o, ek_where where);

typedef struct ek_global_normalization_options {
    size_t size;
    ek_tensor t;
    ek_operand m, v, beta, gamma; /* required */
    double variance_epsilon;
    bool scale_after_normalization; /* false: gamma is not used */
    const char *name;
} ek_global_normalization_options;
/* tf.nn.batch_norm_with_global_normalization: the same function under its old name. */
#define ek_batch_norm_with_global_normalization(...)                                                         \
    EK_CALL(ek_tensor, ek_batch_norm_with_global_normalization_with, (), ek_global_normalization_options,    \
            .name = NULL, .t = __VA_ARGS__)
EK_API ek_tensor ek_batch_norm_with_global_normalization_with(const ek_global_normalization_options *o, ek_where where);

typedef struct ek_fused_batch_norm_result {
    ek_tensor y, mean, variance;
} ek_fused_batch_norm_result;
typedef struct ek_nn_fused_batch_norm_options {
    size_t size;
    ek_tensor x;               /* rank 4: float16, bfloat16, float32 */
    ek_operand scale, offset;  /* required: one float32 per channel */
    ek_operand mean, variance; /* of kind 0: none; in training there must be none */
    double epsilon;            /* 0.001; below 1.001e-5 it is raised to that */
    const char *data_format;   /* "NHWC" or "NCHW" */
    bool is_training;
    const char *name;
} ek_nn_fused_batch_norm_options;
/* tf.nn.fused_batch_norm: y with the batch's mean and unbiased variance in training, the given ones otherwise. */
#define ek_nn_fused_batch_norm(...)                                                                          \
    EK_CALL(ek_fused_batch_norm_result, ek_nn_fused_batch_norm_with, (), ek_nn_fused_batch_norm_options,     \
            .epsilon = 0.001, .data_format = "NHWC", .is_training = true, .x = __VA_ARGS__)
EK_API ek_fused_batch_norm_result ek_nn_fused_batch_norm_with(const ek_nn_fused_batch_norm_options *o, ek_where where);

#ifdef __cplusplus
}
#endif
#endif
