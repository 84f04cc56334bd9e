/* evenkeel/gradients.h - tf.gradients: operations that compute derivatives, added to the graph.
 *
 * What is added are TensorFlow 1.15's nodes: the same types, names and order. Nothing is computed until a session runs it.
 */
#ifndef EVENKEEL_GRADIENTS_H
#define EVENKEEL_GRADIENTS_H

#include "evenkeel/variables.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The gradient with respect to one x: None, a tensor like x, or rows of one (tf.IndexedSlices).
 *
 * None   `value` is dead (ek_tensor_ok says no): y does not depend on x.
 * Dense  `value` has the shape and dtype of x; `indices` is dead.
 * Rows   x[indices[i], ...] gets value[i, ...], rows that occur twice are added, all others get 0: what a gather gives.
 *        `dense_shape` is the shape of x as an integer vector, dead where nobody knows it. */
typedef struct ek_gradient {
    ek_tensor value, indices, dense_shape;
} ek_gradient;
static inline bool ek_gradient_ok(ek_gradient d) { return ek_tensor_ok(d.value); }
static inline bool ek_gradient_is_rows(ek_gradient d) { return ek_tensor_ok(d.value) && ek_tensor_ok(d.indices); }
/* A dense gradient; None from a dead tensor. */
static inline ek_gradient ek_gradient_of(ek_tensor t)
{
    const ek_tensor none = { t.graph, -1, 0 };
    const ek_gradient d = { t, none, none };
    return d;
}
/* As one tensor: itself, or for rows an UnsortedSegmentSum (dense_shape must be known then). None stays dead.
 * name NULL: the operation's type. */
#define ek_gradient_dense(d) ek_gradient_dense_at((d), NULL, EK_HERE)
EK_API ek_tensor ek_gradient_dense_at(ek_gradient d, const char *name, ek_where where);

/* One per x, in their order; borrowed from the graph. Where the call failed all are None. */
typedef struct ek_gradient_list {
    ek_graph *graph;
    const ek_gradient *at;
    int64_t count;
} ek_gradient_list;

typedef struct ek_gradients_options {
    size_t size;
    ek_list xs;                     /* required: tensors and variables */
    const ek_gradient *grad_ys;     /* one per y in place of ones; a None among them stands for ones. NULL: ones */
    ek_list stop_gradients;         /* tensors held constant: nothing flows past them */
    bool gate_gradients;            /* all gradients of an operation are there before one of them is used */
    bool colocate_gradients_with_ops; /* _class of the gradient's nodes: their operation */
    bool zero_unconnected;          /* zeros in place of None (UnconnectedGradients.ZERO) */
    const char *name;               /* NULL: "gradients" */
} ek_gradients_options;
/* tf.gradients: the derivative of sum(ys) by each x.
 *     const ek_gradient_list d = ek_gradients(EK_LIST(loss), EK_LIST(w, b));
 *     ek_run(s, .fetch = { { d.at[0].value, &dw } });
 * ys are tensors or variables (their values) of one graph. An x that is a variable stands for all reads of it.
 * Second derivatives: gradients of what this returns.
 *
 * Errors (recorded in the graph; all are None then)
 *   NOT_FOUND         "No gradient defined for operation 'a' (op type: ArgMax)": on the way from an x to a y is an
 *                     operation that cannot be differentiated.
 *   INVALID_ARGUMENT  a dead or foreign tensor; grad_ys of another number, dtype or shape than ys; complex ys without
 *                     grad_ys; a gradient whose shape contradicts its input. */
#define ek_gradients(ys, ...) \
    EK_CALL(ek_gradient_list, ek_gradients_with, ((ys),), ek_gradients_options, EK_GRADIENTS_DEFAULTS, .xs = __VA_ARGS__)
#define EK_GRADIENTS_DEFAULTS \
    .grad_ys = NULL, .stop_gradients = { NULL, NULL, 0 }, .gate_gradients = false, .colocate_gradients_with_ops = false, \
    .zero_unconnected = false, .name = NULL
EK_API ek_gradient_list ek_gradients_with(ek_list ys, const ek_gradients_options *o, ek_where where);

#ifdef __cplusplus
}
#endif
#endif
