/* autodiff/walk.h - one call of ek_gradients under way. */
#ifndef EK_AUTODIFF_WALK_H
#define EK_AUTODIFF_WALK_H

#include "graph/gradient.h"
#include "graph/scope.h"

/* A gradient that has arrived at an output and waits to be added to the others. In the walk's arena. */
typedef struct ek_arrival {
    ek_gradient gradient;
    struct ek_arrival *next;
} ek_arrival;

typedef struct ek_walk {
    ek_graph *g;
    const ek_gradients_options *o;
    ek_where where;
    ek_arena arena;      /* everything below; gone when the call returns */
    int64_t n;           /* nodes when the walk began: what is added later takes no part */
    ek_arrival ***at;    /* [node][output]: in the order of arrival; NULL: none so far */
    ek_gradient **sum;   /* [node][output]: what they came to, once the node was dealt with */
    int32_t *pending;    /* consuming input slots between xs and ys that were not dealt with yet */
    bool *between;       /* whether a path from an x to a y leads through the node */
    bool *stop;          /* nothing flows past it */
    int32_t *queue;      /* nodes whose gradients are complete, first in, first out */
    int64_t head, tail;
} ek_walk;

/* Whether gradients flow through tensors of this type. */
static inline bool ek__walk_flows(ek_dtype t)
{
    t = ek_dtype_base(t);
    return ek_dtype_is_floating(t) || ek_dtype_is_complex(t) || t == EK_RESOURCE;
}

/* Marks what lies between and counts what each node waits for. False without memory. */
bool ek__walk_reach(ek_walk *w, const ek_edge *ys, int64_t n_ys, const ek_edge *xs, int64_t n_xs);

/* Adds one more gradient of a tensor. False without memory. */
bool ek__walk_arrive(ek_walk *w, ek_edge e, ek_gradient d);
/* What has arrived at all outputs of a node, as one gradient each (None where nothing has); builds the sums. NULL without
 * memory. */
ek_gradient *ek__walk_sum(ek_walk *w, int32_t node);
/* The dtype of the variable behind a handle, float32 where nothing tells. */
ek_dtype ek__walk_handle_dtype(const ek_graph *g, ek_edge e);
/* Zeros for an output that the ys do not depend on, for the sake of an op whose other outputs they do. */
ek_gradient ek__walk_zeros(ek_walk *w, int32_t node, int32_t output);

#endif
