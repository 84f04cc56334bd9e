/* graph/build.h - the steps of building a node, one file each. */
#ifndef EK_GRAPH_BUILD_H
#define EK_GRAPH_BUILD_H

#include "graph/scope.h"

/* types.c: fills n->attr (given, inferred, defaults; in the registry's order, then those that begin with '_'), n->attrs
 * and the types of inputs and outputs, from n->spec and the types of the inputs. */
ek_status ek__node_types(ek_graph *g, ek_node *n, const ek_node_args *args, ek_error *err);

/* infer.c: runs the node's shape rule over what is known of its inputs; fills out_shape and out_handle. */
ek_status ek__node_shapes(ek_graph *g, ek_node *n, ek_error *err);

/* graph.c: makes room and enters the node, whose name must be free. */
ek_status ek__graph_enter(ek_graph *g, ek_node *n, ek_error *err);

/* context.c: brings a new node into its control-flow context. False after a failure, which is recorded. */
bool ek__context_enter(ek_graph *g, ek_node *n, ek_where where);
bool ek__add_control(ek_graph *g, ek_node *n, int32_t op);

#endif
