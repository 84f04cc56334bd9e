/* graph/dot.h - the lines of ek_graph_dot, for who draws a graph in another way too.
 */
#ifndef EK_GRAPH_DOT_H
#define EK_GRAPH_DOT_H

#include "graph/node.h"

void ek__dot_begin(ek_buf *b);
void ek__dot_node(ek_buf *b, const ek_node *n);
/* Text between quotes: types of operations, unlike names, may hold anything. */
void ek__dot_text(ek_buf *b, const char *s);
/* From one name to another; labels at its ends, NULL: none. */
void ek__dot_edge(ek_buf *b, const char *tail, const char *head, const char *tail_label, const char *head_label);
void ek__dot_control_edge(ek_buf *b, const char *tail, const char *head);
void ek__dot_end(ek_buf *b);
/* What the end of an edge from output `index` says; NULL for output 0. */
const char *ek__dot_index(int32_t index, char buf[12]);

#endif
