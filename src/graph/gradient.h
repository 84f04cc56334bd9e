/* graph/gradient.h - what an operation's gradient sees when it is built.
 *
 * The walk in autodiff/ calls it with the gradients of the node's outputs, inside the name scope
 * <node>_grad; the function builds TensorFlow's nodes and says what flows into each input. It builds in the graph as
 * everybody does: failures stick, dead tensors pass through.
 */
#ifndef EK_GRAPH_GRADIENT_H
#define EK_GRAPH_GRADIENT_H

#include "evenkeel/gradients.h"
#include "graph/node.h"

typedef struct ek_grad {
    ek_graph *g;
    const ek_node *n;      /* whose gradient */
    const ek_gradient *dy; /* per output; dead where the output takes no part and has no zeros either (integers).
                            * Rows (IndexedSlices) only where the gradient takes them: else made dense */
    ek_gradient *dx;       /* per input, at first none (dead): to be filled */
    ek_where where;        /* the caller's line */
} ek_grad;
typedef void (*ek_gradient_fn)(ek_grad *c);

#endif
