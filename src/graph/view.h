/* graph/view.h - a graph as somebody sees it: pruned, fed, with known values and branches.
 *
 * Passes annotate nodes through a view and never change the graph. The bare graph is the
 * trivial view (every member but `graph` NULL), which inspection and the doctor use, so
 * that a recogniser reads a plan's graph and a file's alike.
 */
#ifndef EK_GRAPH_VIEW_H
#define EK_GRAPH_VIEW_H

#include "graph/node.h"

typedef enum ek_branch { EK_BRANCH_UNKNOWN = -1, EK_BRANCH_FALSE = 0, EK_BRANCH_TRUE = 1 } ek_branch;

/* Arrays are indexed by node id, or by first_out[node id] + output. */
typedef struct ek_view {
    const ek_graph *graph;
    int64_t n_nodes;            /* nodes that exist for this view */
    const uint8_t *live;        /* per node: is part of it; NULL: all */
    const int32_t *first_out;   /* per node: place of its output 0 in the arrays below */
    const uint8_t *fed;         /* per output: comes from a feed */
    const ek_shape *shape;      /* per output: at least as known as the static one */
    ek_array *const *constant;  /* per output: its value where known */
    const int8_t *taken;        /* per Switch or Merge node: ek_branch, or the index of the input a Merge takes; -1 unknown */
} ek_view;

static inline bool ek__view_live(const ek_view *v, int32_t node)
{
    return node < v->n_nodes && (v->live == NULL || v->live[node] != 0);
}
static inline bool ek__view_fed(const ek_view *v, ek_edge e)
{
    return v->fed != NULL && v->fed[v->first_out[e.node] + e.index] != 0;
}
static inline const ek_shape *ek__view_shape(const ek_view *v, ek_edge e)
{
    return v->shape != NULL ? &v->shape[v->first_out[e.node] + e.index]
                            : &v->graph->node[e.node]->out_shape[e.index];
}
static inline const ek_array *ek__view_constant(const ek_view *v, ek_edge e)
{
    return v->constant != NULL ? v->constant[v->first_out[e.node] + e.index] : v->graph->node[e.node]->constant;
}

#endif
