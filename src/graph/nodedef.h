/* graph/nodedef.h - a node as TensorFlow's NodeDef, in wire form: for files and for printing. The reader is formats/'s. */
#ifndef EK_GRAPH_NODEDEF_H
#define EK_GRAPH_NODEDEF_H

#include "codec/wire.h"
#include "graph/node.h"

/* The fields of the node's NodeDef. A node as it was imported has its own bytes; else data inputs come first, control
 * inputs after them sorted by name, attributes sorted by name. Failure is the buffer's. */
void ek__nodedef_write(ek_buf *b, const ek_graph *g, const ek_node *n);

/* The fields of an AttrValue. */
void ek__attr_write(ek_buf *b, const ek_attr_value *v);

#endif
