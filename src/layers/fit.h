/* layers/fit.h - what losses and metrics share: labels, predictions and weights brought together, and the checks that
 * TensorFlow puts into the graph where only a run can tell whether they fit.
 */
#ifndef EK_LAYERS_FIT_H
#define EK_LAYERS_FIT_H

#include "layers/build.h"

/* ek__op2 with a name. */
static inline ek_tensor ek__op2_named(ek_tensor (*with)(const ek_binary_options *, ek_where), ek_operand x, ek_operand y,
                                      const char *name, ek_where where)
{
    return with(&(ek_binary_options){ .size = sizeof(ek_binary_options), .x = x, .y = y, .name = name }, where);
}
/* tf.reduce_sum over everything. */
ek_tensor ek__sum(ek_tensor x, const char *name, ek_where where);
/* tf.squeeze(x, [-1]) */
ek_tensor ek__squeeze_last(ek_tensor x, ek_where where);
/* cond(pred, lambda: squeeze(x, [-1]), lambda: x) */
ek_tensor ek__squeeze_last_if(ek_tensor pred, ek_tensor x, ek_where where);

/* a.get_shape().assert_is_compatible_with(b.get_shape()): false, with TensorFlow's sentence recorded. */
bool ek__shapes_compatible(ek_graph *g, ek_shape a, ek_shape b, ek_where where);
/* Whether the last dimension of a tensor of known rank may be 1. */
bool ek__last_may_be_one(const ek_shape *s);

/* confusion_matrix.remove_squeezable_dimensions: of the two, the one that has a dimension more than rank(predictions) -
 * rank(labels) = `difference` asks for loses its last. By static ranks, else by conditionals. */
void ek__remove_squeezable(ek_graph *g, ek_operand labels, ek_operand predictions, int difference, ek_tensor *labels_out,
                           ek_tensor *predictions_out, ek_where where);

/* tf.Assert: strings and tensors in `data`; name NULL: "Assert". Guarded by a conditional unless all are strings and
 * int32. */
enum { EK_ASSERT_MAX_DATA = 12 };
ek_op ek__assert(ek_graph *g, ek_tensor condition, const ek_operand *data, int n, const char *name, ek_where where);

/* weights_broadcast_ops. Weights are a scalar, or have the rank of `values` and in each dimension 1 or as many. */
ek_op ek__assert_broadcastable(ek_graph *g, ek_operand weights, ek_operand values, ek_where where);
ek_tensor ek__broadcast_weights(ek_graph *g, ek_tensor weights, ek_tensor values, ek_where where);

#endif
