/* evenkeel/metrics.h - how good a model is, over as many batches as one likes: tf.metrics, and tf.nn.in_top_k.
 *
 * A metric has local variables that its update adds a batch to, and a value that follows from them. Everything builds
 * TensorFlow 1.15's graph: the same variables, nodes, names, collections and order. tf.metrics.f is ek_metrics_f.
 *
 *     ek_metric accuracy = ek_metrics_accuracy(labels, ek_argmax(logits, 1));
 *     ek_run(s, .target = { ek_local_variables_initializer(g) });            (also to begin anew)
 *     ek_run(s, .feed = { batch }, .target = { ek_tensor_op(accuracy.update_op) });      (for each batch)
 *     ek_run(s, .fetch = { { accuracy.value, &out } });
 *
 * The accuracy of one batch needs none of this: ek_reduce_mean(ek_cast(ek_equal(ek_argmax(logits, 1), labels), EK_FLOAT32)).
 */
#ifndef EVENKEEL_METRICS_H
#define EVENKEEL_METRICS_H

#include "evenkeel/variables.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Both dead after a failure. */
typedef struct ek_metric {
    ek_tensor value;     /* from what was added up so far; run by itself it changes nothing */
    ek_tensor update_op; /* adds a batch, and is the value after it */
} ek_metric;

/* Options of all metrics. What only some of them take is refused by the others. */
typedef struct ek_metric_options {
    size_t size;
    ek_operand predictions;      /* required: predictions; of mean, mean_tensor, percentage_below the values */
    ek_operand weights;          /* none; EK_OPERAND(...): a scalar, or of the predictions' rank with 1 or as many in each
                                  * dimension (or one dimension more or less) */
    ek_keys metrics_collections; /* where the value goes: EK_KEYS("mine"); none */
    ek_keys updates_collections; /* where the update goes; none */
    const char *name;            /* of the variable scope; NULL: the metric's own, numbered */
    ek_number_list thresholds;   /* EK_NUMBERS(0.25, 0.5) in [0, 1], required by ..._at_thresholds; of auc, where the
                                  * default is num_thresholds evenly spread ones */
    int num_thresholds;          /* 200; of auc, sensitivity_at_specificity, specificity_at_sensitivity */
    const char *curve;           /* of auc: "ROC", the default, or "PR" */
    const char *summation_method; /* of auc: "trapezoidal" (default), "careful_interpolation", "minoring", "majoring" */
    double specificity;          /* of sensitivity_at_specificity, required: in [0, 1] */
    double sensitivity;          /* of specificity_at_sensitivity, required: in [0, 1] */
    ek_operand threshold;        /* of percentage_below, required: EK_OPERAND(0.5) */
    ek_operand normalizer;       /* of mean_relative_error, required */
    int k;                       /* of ..._at_k, required; of ..._at_top_k only part of the name */
    int dim;                     /* of mean_cosine_distance, required: the axis of the unit vectors */
} ek_metric_options;
#define EK_NOT_GIVEN (-1e308)
#define EK_METRIC_DEFAULTS                                                                                  \
    .metrics_collections = { NULL, 0 }, .updates_collections = { NULL, 0 }, .name = NULL,                    \
    .thresholds = { NULL, 0 }, .num_thresholds = 200, .curve = NULL, .summation_method = NULL,   \
    .specificity = EK_NOT_GIVEN, .sensitivity = EK_NOT_GIVEN, .k = INT32_MIN, .dim = INT32_MIN
#define EK_METRIC_(fn, labels, ...) EK_METRIC__(fn, labels, __VA_ARGS__, .size = sizeof(ek_metric_options))
#define EK_METRIC__(fn, labels, predictions_, ...)                                                          \
    EK_CALL(ek_metric, fn, (EK_OPERAND(labels),), ek_metric_options, EK_METRIC_DEFAULTS,                    \
            .predictions = EK_OPERAND(predictions_), __VA_ARGS__)
#define EK_METRIC_OF_(fn, ...) EK_METRIC_OF__(fn, __VA_ARGS__, .size = sizeof(ek_metric_options))
#define EK_METRIC_OF__(fn, values, ...)                                                                     \
    EK_CALL(ek_metric, fn, (), ek_metric_options, EK_METRIC_DEFAULTS, .predictions = EK_OPERAND(values), __VA_ARGS__)

/* Means over everything so far, weighted: sum(weights * x) / sum(weights), 0 where nothing was added.
 *     mean                     of the values: ek_metrics_mean(loss, .weights = EK_OPERAND(n))
 *     mean_tensor              the same element by element; the values' static shape must be known
 *     percentage_below         how many values lie below .threshold
 *     accuracy                 how many predictions equal their labels
 *     mean_absolute_error, mean_squared_error, root_mean_squared_error
 *     mean_relative_error      |labels - predictions| / .normalizer, 0 where that is 0
 *     mean_cosine_distance     1 - sum(labels * predictions) along .dim
 * Computed in float32. Labels, predictions and weights may differ by a last dimension of 1.
 * Errors  INVALID_ARGUMENT: "Shapes (2, 3) and (3, 2) are incompatible"; "weights can not be broadcast to values. ...", at
 *         run time where shapes are known only then. */
#define ek_metrics_mean(...) EK_METRIC_OF_(ek_metrics_mean_with, __VA_ARGS__)
#define ek_metrics_mean_tensor(...) EK_METRIC_OF_(ek_metrics_mean_tensor_with, __VA_ARGS__)
#define ek_metrics_percentage_below(...) EK_METRIC_OF_(ek_metrics_percentage_below_with, __VA_ARGS__)
EK_API ek_metric ek_metrics_mean_with(const ek_metric_options *o, ek_where where);
EK_API ek_metric ek_metrics_mean_tensor_with(const ek_metric_options *o, ek_where where);
EK_API ek_metric ek_metrics_percentage_below_with(const ek_metric_options *o, ek_where where);

/* Counts and what follows from them; labels and predictions are cast to bool. Counts are sums of weights, float32.
 *     true_positives, false_positives, true_negatives, false_negatives
 *     precision                true positives / all that was predicted true; 0 where that is none
 *     recall                   true positives / all that is true
 * With thresholds predictions are numbers in [0, 1] and true where above the threshold; values have one element per
 * threshold. (TensorFlow hangs its check of [0, 1] on the cast to float32: it is left out for predictions of that type.)
 *     ek_metrics_recall_at_thresholds(labels, p, .thresholds = EK_NUMBERS(0.25, 0.5))
 *     auc                      the area under the curve of true over false positives (or of precision over recall)
 *     sensitivity_at_specificity, specificity_at_sensitivity
 * Of classes: labels [..., n] or [...] (int64) are those that are right, predictions [..., classes] numbers of which the k
 * largest count, or with top_k [..., k] those classes themselves. TensorFlow's class_id is not here.
 *     recall_at_k, recall_at_top_k          how many of the labels are among the k: ek_metrics_recall_at_k(y, p, .k = 5)
 *     precision_at_k, precision_at_top_k    how many of the k are labels */
#define EK_METRIC_BUILDERS(X)                                                                               \
    X(accuracy) X(auc) X(false_negatives) X(false_negatives_at_thresholds) X(false_positives)                \
    X(false_positives_at_thresholds) X(mean_absolute_error) X(mean_cosine_distance) X(mean_relative_error)   \
    X(mean_squared_error) X(precision) X(precision_at_k) X(precision_at_thresholds) X(precision_at_top_k)    \
    X(recall) X(recall_at_k) X(recall_at_thresholds) X(recall_at_top_k)                                      \
    X(root_mean_squared_error) X(sensitivity_at_specificity) X(specificity_at_sensitivity)                   \
    X(true_negatives) X(true_negatives_at_thresholds) X(true_positives) X(true_positives_at_thresholds)
#define EK_DECLARE_METRIC_(f) \
    EK_API ek_metric ek_metrics_##f##_with(ek_operand labels, const ek_metric_options *o, ek_where where);
EK_METRIC_BUILDERS(EK_DECLARE_METRIC_)
#define ek_metrics_accuracy(labels, ...) EK_METRIC_(ek_metrics_accuracy_with, labels, __VA_ARGS__)
#define ek_metrics_auc(labels, ...) EK_METRIC_(ek_metrics_auc_with, labels, __VA_ARGS__)
#define ek_metrics_false_negatives(labels, ...) EK_METRIC_(ek_metrics_false_negatives_with, labels, __VA_ARGS__)
#define ek_metrics_false_negatives_at_thresholds(labels, ...) \
    EK_METRIC_(ek_metrics_false_negatives_at_thresholds_with, labels, __VA_ARGS__)
#define ek_metrics_false_positives(labels, ...) EK_METRIC_(ek_metrics_false_positives_with, labels, __VA_ARGS__)
#define ek_metrics_false_positives_at_thresholds(labels, ...) \
    EK_METRIC_(ek_metrics_false_positives_at_thresholds_with, labels, __VA_ARGS__)
#define ek_metrics_mean_absolute_error(labels, ...) EK_METRIC_(ek_metrics_mean_absolute_error_with, labels, __VA_ARGS__)
#define ek_metrics_mean_cosine_distance(labels, ...) \
    EK_METRIC_(ek_metrics_mean_cosine_distance_with, labels, __VA_ARGS__)
#define ek_metrics_mean_relative_error(labels, ...) EK_METRIC_(ek_metrics_mean_relative_error_with, labels, __VA_ARGS__)
#define ek_metrics_mean_squared_error(labels, ...) EK_METRIC_(ek_metrics_mean_squared_error_with, labels, __VA_ARGS__)
#define ek_metrics_precision(labels, ...) EK_METRIC_(ek_metrics_precision_with, labels, __VA_ARGS__)
#define ek_metrics_precision_at_k(labels, ...) EK_METRIC_(ek_metrics_precision_at_k_with, labels, __VA_ARGS__)
#define ek_metrics_precision_at_top_k(labels, ...) EK_METRIC_(ek_metrics_precision_at_top_k_with, labels, __VA_ARGS__)
#define ek_metrics_recall_at_k(labels, ...) EK_METRIC_(ek_metrics_recall_at_k_with, labels, __VA_ARGS__)
#define ek_metrics_recall_at_top_k(labels, ...) EK_METRIC_(ek_metrics_recall_at_top_k_with, labels, __VA_ARGS__)
#define ek_metrics_precision_at_thresholds(labels, ...) \
    EK_METRIC_(ek_metrics_precision_at_thresholds_with, labels, __VA_ARGS__)
#define ek_metrics_recall(labels, ...) EK_METRIC_(ek_metrics_recall_with, labels, __VA_ARGS__)
#define ek_metrics_recall_at_thresholds(labels, ...) \
    EK_METRIC_(ek_metrics_recall_at_thresholds_with, labels, __VA_ARGS__)
#define ek_metrics_root_mean_squared_error(labels, ...) \
    EK_METRIC_(ek_metrics_root_mean_squared_error_with, labels, __VA_ARGS__)
#define ek_metrics_sensitivity_at_specificity(labels, ...) \
    EK_METRIC_(ek_metrics_sensitivity_at_specificity_with, labels, __VA_ARGS__)
#define ek_metrics_specificity_at_sensitivity(labels, ...) \
    EK_METRIC_(ek_metrics_specificity_at_sensitivity_with, labels, __VA_ARGS__)
#define ek_metrics_true_negatives(labels, ...) EK_METRIC_(ek_metrics_true_negatives_with, labels, __VA_ARGS__)
#define ek_metrics_true_negatives_at_thresholds(labels, ...) \
    EK_METRIC_(ek_metrics_true_negatives_at_thresholds_with, labels, __VA_ARGS__)
#define ek_metrics_true_positives(labels, ...) EK_METRIC_(ek_metrics_true_positives_with, labels, __VA_ARGS__)
#define ek_metrics_true_positives_at_thresholds(labels, ...) \
    EK_METRIC_(ek_metrics_true_positives_at_thresholds_with, labels, __VA_ARGS__)

typedef struct ek_in_top_k_options {
    size_t size;
    ek_operand k;     /* required: a number, or a scalar tensor of the targets' type */
    const char *name; /* NULL: "in_top_k" */
} ek_in_top_k_options;
/* tf.nn.in_top_k: of each row of predictions [batch, classes], whether the target is among the k largest (bool); those of
 * equal size as the k-th all are. False where a number of the row is not finite.
 *     ek_in_top_k(logits, labels, 5) */
#define ek_in_top_k(predictions, targets, ...) \
    EK_IN_TOP_K_(predictions, targets, __VA_ARGS__, .size = sizeof(ek_in_top_k_options))
#define EK_IN_TOP_K_(predictions, targets, k_, ...)                                                         \
    EK_CALL(ek_tensor, ek_in_top_k_with, (EK_OPERAND(predictions), EK_OPERAND(targets),), ek_in_top_k_options, \
            .name = NULL, .k = EK_OPERAND(k_), __VA_ARGS__)
EK_API ek_tensor ek_in_top_k_with(ek_operand predictions, ek_operand targets, const ek_in_top_k_options *o,
                                  ek_where where);

#ifdef __cplusplus
}
#endif
#endif
