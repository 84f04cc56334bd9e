/* evenkeel/losses.h - what training makes small: tf.losses, the cross entropies of tf.nn, and the collections of losses.
 *
 * Everything builds TensorFlow 1.15's graph: the same nodes, names, collections and order. tf.losses.f is ek_losses_f,
 * with labels first.
 */
#ifndef EVENKEEL_LOSSES_H
#define EVENKEEL_LOSSES_H

#include "evenkeel/arrays.h"
#include "evenkeel/nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- cross entropies ------------------------------------------------------------------------------ */

/* tf.nn.sparse_softmax_cross_entropy_with_logits: -log(softmax(logits)[label]) of each row.
 *     ek_sparse_softmax_cross_entropy_with_logits(labels, logits, .name = "xentropy")
 *
 * Shapes  logits [..., classes], labels and result [...]; more than two dimensions are flattened and given back.
 * Types   floating logits (of float16 computed in float32), labels int32 or int64.
 * Errors  INVALID_ARGUMENT: "Rank mismatch: ...", "Shape mismatch: ..."; when it runs, "Received a label value of 10
 *         which is outside the valid range of [0, 10)". */
#define ek_sparse_softmax_cross_entropy_with_logits(labels, ...) \
    EK_BINARY_(ek_sparse_softmax_cross_entropy_with_logits_with, labels, __VA_ARGS__)
EK_API ek_tensor ek_sparse_softmax_cross_entropy_with_logits_with(const ek_binary_options *o, ek_where where);

/* tf.nn.sigmoid_cross_entropy_with_logits, of each element: max(x, 0) - x * label + log1p(exp(-|x|)). */
#define ek_sigmoid_cross_entropy_with_logits(labels, ...) \
    EK_BINARY_(ek_sigmoid_cross_entropy_with_logits_with, labels, __VA_ARGS__)
EK_API ek_tensor ek_sigmoid_cross_entropy_with_logits_with(const ek_binary_options *o, ek_where where);

typedef struct ek_cross_entropy_options {
    size_t size;
    ek_operand logits; /* required */
    int axis;          /* of the classes; -1: the last */
    const char *name;  /* NULL: "softmax_cross_entropy_with_logits", of the older one with "_sg" */
} ek_cross_entropy_options;
/* tf.nn.softmax_cross_entropy_with_logits_v2: -sum(labels * log(softmax(logits))) over the classes; gradients flow into
 * both. The older one, without _v2, stops them at the labels. Types and shapes as above, with labels like logits. */
#define ek_softmax_cross_entropy_with_logits_v2(labels, ...)                                               \
    EK_CROSS_ENTROPY_(ek_softmax_cross_entropy_with_logits_v2_with, labels, __VA_ARGS__,                   \
                      .size = sizeof(ek_cross_entropy_options))
#define ek_softmax_cross_entropy_with_logits(labels, ...)                                                  \
    EK_CROSS_ENTROPY_(ek_softmax_cross_entropy_with_logits_with, labels, __VA_ARGS__,                      \
                      .size = sizeof(ek_cross_entropy_options))
#define EK_CROSS_ENTROPY_(fn, labels, logits_, ...)                                                        \
    EK_CALL(ek_tensor, fn, (EK_OPERAND(labels),), ek_cross_entropy_options, .axis = -1, .name = NULL,      \
            .logits = EK_OPERAND(logits_), __VA_ARGS__)
EK_API ek_tensor ek_softmax_cross_entropy_with_logits_v2_with(ek_operand labels, const ek_cross_entropy_options *o,
                                                              ek_where where);
EK_API ek_tensor ek_softmax_cross_entropy_with_logits_with(ek_operand labels, const ek_cross_entropy_options *o,
                                                           ek_where where);

/* ---- losses ------------------------------------------------------------------------------------------ */

/* tf.losses.Reduction: what becomes of the losses times the weights. A division by zero gives zero. */
typedef enum ek_reduction {
    EK_REDUCTION_NONE,                /* as they are */
    EK_REDUCTION_SUM,                 /* their sum */
    EK_REDUCTION_SUM_OVER_BATCH_SIZE, /* over the number of losses */
    EK_REDUCTION_MEAN,                /* over the sum of the weights */
    EK_REDUCTION_SUM_BY_NONZERO_WEIGHTS /* over the number of losses whose weight is not zero */
} ek_reduction;

/* Options of all losses. What only some of them take is refused by the others. */
typedef struct ek_loss_options {
    size_t size;
    ek_operand predictions;      /* required: predictions, or logits */
    ek_operand weights;          /* 1.0; EK_OPERAND(tensor, variable, number, array): a scalar, or of the losses' rank with 1
                                  * or as many in each dimension */
    const char *scope;           /* NULL: the loss's name ("mean_squared_error") */
    const char *loss_collection; /* EK_LOSSES; NULL: none */
    ek_reduction reduction;      /* EK_REDUCTION_SUM_BY_NONZERO_WEIGHTS; not of mean_pairwise_squared_error */
    double label_smoothing;      /* 0; of softmax_cross_entropy and sigmoid_cross_entropy: how far labels move to even ones */
    double delta;                /* 1; of huber_loss: where it becomes linear */
    double epsilon;              /* 1e-7; of log_loss: added to what the logarithm is taken of */
    int axis;                    /* of cosine_distance, required there: the axis of the unit vectors */
} ek_loss_options;
enum { EK_NO_AXIS = INT32_MIN };
#define EK_ONE_OPERAND_ { 'l', { .literal = { EK_DTYPE_NONE, 'f', { .f = 1.0 } } } }
#define EK_LOSS_DEFAULTS                                                                                    \
    .weights = EK_ONE_OPERAND_, .scope = NULL, .loss_collection = EK_LOSSES,                                 \
    .reduction = EK_REDUCTION_SUM_BY_NONZERO_WEIGHTS, .label_smoothing = 0, .delta = 1, .epsilon = 1e-7,     \
    .axis = EK_NO_AXIS
#define EK_LOSS_(fn, labels, ...) EK_LOSS__(fn, labels, __VA_ARGS__, .size = sizeof(ek_loss_options))
#define EK_LOSS__(fn, labels, predictions_, ...)                                                            \
    EK_CALL(ek_tensor, fn, (EK_OPERAND(labels),), ek_loss_options, EK_LOSS_DEFAULTS,                        \
            .predictions = EK_OPERAND(predictions_), __VA_ARGS__)

/* tf.losses: ek_losses_mean_squared_error(labels, predictions, .weights = EK_OPERAND(w)). With p the predictions (or
 * logits), y the labels:
 *     absolute_difference           |p - y|
 *     cosine_distance               1 - sum(p * y) along .axis, which stays with size 1; both are to be unit vectors
 *     hinge_loss                    relu(1 - (2y - 1) * p), labels 0 and 1
 *     huber_loss                    q^2 / 2 + delta * (a - q), a = |p - y|, q = min(a, delta)
 *     log_loss                      -y * log(p + epsilon) - (1 - y) * log(1 - p + epsilon)
 *     mean_pairwise_squared_error   of the differences between pairs of elements of one batch row
 *     mean_squared_error            (p - y)^2
 *     sigmoid_cross_entropy         see above, per element
 *     softmax_cross_entropy         see above, per row; gradients stop at the labels
 *     sparse_softmax_cross_entropy  see above, per row; labels [..., 1] lose their last dimension
 *
 * The losses are multiplied by the weights and reduced; the result is added to the collection.
 *
 * Types       everything is computed in float32; the cross entropies in the logits' type, their reduction in float32.
 * Edge cases  weights of zero leave losses out; all of them zero: 0.
 * Errors      INVALID_ARGUMENT, recorded in the graph: "Shapes (3, 2) and (2, 3) are incompatible"; "weights can not be
 *             broadcast to values. ...", at run time where shapes are known only then; "Invalid Reduction Key 7.". */
#define ek_losses_absolute_difference(labels, ...) EK_LOSS_(ek_losses_absolute_difference_with, labels, __VA_ARGS__)
#define ek_losses_cosine_distance(labels, ...) EK_LOSS_(ek_losses_cosine_distance_with, labels, __VA_ARGS__)
#define ek_losses_hinge_loss(labels, ...) EK_LOSS_(ek_losses_hinge_loss_with, labels, __VA_ARGS__)
#define ek_losses_huber_loss(labels, ...) EK_LOSS_(ek_losses_huber_loss_with, labels, __VA_ARGS__)
#define ek_losses_log_loss(labels, ...) EK_LOSS_(ek_losses_log_loss_with, labels, __VA_ARGS__)
#define ek_losses_mean_pairwise_squared_error(labels, ...) \
    EK_LOSS_(ek_losses_mean_pairwise_squared_error_with, labels, __VA_ARGS__)
#define ek_losses_mean_squared_error(labels, ...) EK_LOSS_(ek_losses_mean_squared_error_with, labels, __VA_ARGS__)
#define ek_losses_sigmoid_cross_entropy(labels, ...) \
    EK_LOSS_(ek_losses_sigmoid_cross_entropy_with, labels, __VA_ARGS__)
#define ek_losses_softmax_cross_entropy(labels, ...) \
    EK_LOSS_(ek_losses_softmax_cross_entropy_with, labels, __VA_ARGS__)
#define ek_losses_sparse_softmax_cross_entropy(labels, ...) \
    EK_LOSS_(ek_losses_sparse_softmax_cross_entropy_with, labels, __VA_ARGS__)
#define EK_LOSS_BUILDERS(X)                                                                                 \
    X(absolute_difference) X(cosine_distance) X(hinge_loss) X(huber_loss) X(log_loss)                        \
    X(mean_pairwise_squared_error) X(mean_squared_error) X(sigmoid_cross_entropy) X(softmax_cross_entropy)   \
    X(sparse_softmax_cross_entropy)
#define EK_DECLARE_LOSS_(f) \
    EK_API ek_tensor ek_losses_##f##_with(ek_operand labels, const ek_loss_options *o, ek_where where);
EK_LOSS_BUILDERS(EK_DECLARE_LOSS_)

typedef struct ek_weighted_loss_options {
    size_t size;
    ek_operand losses; /* required */
    ek_operand weights;
    const char *scope; /* NULL: "weighted_loss" */
    const char *loss_collection;
    ek_reduction reduction;
} ek_weighted_loss_options;
/* tf.losses.compute_weighted_loss: what every loss ends with, for losses of one's own.
 *     ek_losses_compute_weighted_loss(ek_square(x), .weights = EK_OPERAND(0.5)) */
#define ek_losses_compute_weighted_loss(...) \
    EK_WEIGHTED_LOSS_(__VA_ARGS__, .size = sizeof(ek_weighted_loss_options))
#define EK_WEIGHTED_LOSS_(losses_, ...)                                                                     \
    EK_CALL(ek_tensor, ek_losses_compute_weighted_loss_with, (), ek_weighted_loss_options,                   \
            .weights = EK_ONE_OPERAND_, .scope = NULL, .loss_collection = EK_LOSSES,                         \
            .reduction = EK_REDUCTION_SUM_BY_NONZERO_WEIGHTS, .losses = EK_OPERAND(losses_), __VA_ARGS__)
EK_API ek_tensor ek_losses_compute_weighted_loss_with(const ek_weighted_loss_options *o, ek_where where);

/* ---- all losses together ----------------------------------------------------------------------------- */

/* tf.losses.add_loss: a loss of one's own into EK_LOSSES, or another collection. */
#define ek_losses_add_loss(loss) ek_add_item_to_collection((loss).graph, EK_LOSSES, ek_item_of_tensor(loss), EK_HERE)

/* tf.losses.get_losses, get_regularization_losses: the collections EK_LOSSES and EK_REGULARIZATION_LOSSES; with a scope (a
 * regular expression that names begin with) only those. NULL: all. */
EK_API ek_list ek_losses_get_losses(ek_graph *g, const char *scope);
EK_API ek_list ek_losses_get_regularization_losses(ek_graph *g, const char *scope);

typedef struct ek_total_loss_options {
    size_t size;
    ek_graph *graph;          /* required */
    bool regularization_losses; /* of get_total_loss: those too, the default */
    const char *name;         /* NULL: "total_loss", "total_regularization_loss" */
    const char *scope;        /* NULL: all */
} ek_total_loss_options;
/* tf.losses.get_total_loss: the sum of all losses and regularization losses there are now (an AddN; of one alone an
 * Identity). tf.losses.get_regularization_loss: of the regularization losses; 0.0 where there is none.
 *     ek_losses_get_total_loss(g), ek_losses_get_total_loss(g, .regularization_losses = false)
 * Errors  INVALID_ARGUMENT: no loss at all. */
#define ek_losses_get_total_loss(...)                                                                       \
    EK_CALL(ek_tensor, ek_losses_get_total_loss_with, (), ek_total_loss_options,                             \
            .regularization_losses = true, .graph = __VA_ARGS__)
#define ek_losses_get_regularization_loss(...)                                                              \
    EK_CALL(ek_tensor, ek_losses_get_regularization_loss_with, (), ek_total_loss_options,                    \
            .regularization_losses = true, .graph = __VA_ARGS__)
EK_API ek_tensor ek_losses_get_total_loss_with(const ek_total_loss_options *o, ek_where where);
EK_API ek_tensor ek_losses_get_regularization_loss_with(const ek_total_loss_options *o, ek_where where);

#ifdef __cplusplus
}
#endif
#endif
