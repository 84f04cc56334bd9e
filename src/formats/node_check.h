/* formats/node_check.h - a node of a file against the definition of its op. */
#ifndef EK_FORMATS_NODE_CHECK_H
#define EK_FORMATS_NODE_CHECK_H

#include "graph/node.h"

/* n has its spec, attributes and the number of its inputs. Checks the attributes (those that the definition does not know are
 * let pass), fills in_dtype, out_dtype and n_out and checks the number of inputs. TensorFlow's words.
 * Errors  INVALID_ARGUMENT, RESOURCE_EXHAUSTED. */
ek_status ek__node_check(ek_arena *arena, ek_node *n, ek_error *err);

#endif
