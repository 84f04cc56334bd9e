/* layers/metrics.h - what metrics share: their options checked, their variables, operands that fit, collections. */
#ifndef EK_LAYERS_METRICS_H
#define EK_LAYERS_METRICS_H

#include "evenkeel/metrics.h"
#include "layers/fit.h"
#include "layers/variable.h"

static inline ek_metric ek__dead_metric(ek_graph *g) { return (ek_metric){ ek__dead(g), ek__dead(g) }; }

/* Options that only some metrics take. */
enum {
    EK_TAKES_THRESHOLDS = 1, EK_NEEDS_THRESHOLDS = 2, EK_TAKES_NUMBER = 4, EK_TAKES_CURVE = 8, EK_NEEDS_SPECIFICITY = 16,
    EK_NEEDS_SENSITIVITY = 32, EK_NEEDS_THRESHOLD = 64, EK_NEEDS_NORMALIZER = 128, EK_NEEDS_DIM = 256,
    EK_TAKES_NO_LABELS = 512,
    EK_TAKES_K = 1024, EK_NEEDS_K = 2048
};
/* The graph of a call whose options are in order; NULL: refused, and recorded. */
ek_graph *ek__metric_ready(const char *name, ek_operand labels, const ek_metric_options *o, int takes, ek_where where);

/* The variable scope `name`, or, that being NULL, `default_name` made unique. */
ek_scope ek__metric_scope(ek_graph *g, const char *name, const char *default_name, ek_where where);
/* Zeros, in EK_LOCAL_VARIABLES and EK_METRIC_VARIABLES. */
ek_variable ek__metric_variable(ek_graph *g, ek_shape shape, ek_dtype dtype, const char *name, ek_where where);
/* tf.assign_add(v, x) */
ek_tensor ek__metric_add(ek_variable v, ek_tensor x, ek_where where);
/* Adds the value and the update to the collections that are given. */
void ek__metric_collect(const ek_metric *m, const ek_metric_options *o, ek_where where);

/* Labels, predictions and weights; labels and weights of kind 0 are none. */
typedef struct ek_fitted {
    ek_tensor labels, predictions, weights; /* dead where there are none */
    bool weighted;
} ek_fitted;
/* Those that have a last dimension too many lose it, weights may get one. False after a failure. */
bool ek__metric_fit(ek_graph *g, ek_operand labels, ek_operand predictions, ek_operand weights, ek_fitted *out,
                    ek_where where);

/* x / y under TensorFlow's old name "div". */
static inline ek_tensor ek__metric_div(ek_operand x, ek_operand y, const char *name, ek_where where)
{
    return ek__op2_named(ek_real_div_with, x, y, name != NULL ? name : "div", where);
}

#endif
