/* plan/recognise.h - the batch norms of a graph as plans may use them: found once per graph and setting of its flags.
 */
#ifndef EK_PLAN_RECOGNISE_H
#define EK_PLAN_RECOGNISE_H

#include "plan/ir.h"
#include "sites/averages.h"

/* A half as it stands in the graph, whoever fetches what. */
typedef struct ek_found_half {
    const ek_site *site;
    const ek_site_gradient *gradient; /* NULL: forward */
    ek_half_part part;
    int32_t forward;                  /* of a gradient in training or an application: whose statistics it uses; -1 */
    int32_t applied;                  /* of a gradient in training: who gives y; -1 */
    int32_t rank;                     /* the highest of what it may be given; INT32_MAX: on a loop */
    const char *why_not;              /* it is left to its nodes; NULL: it may be one op */
} ek_found_half;

/* The value of a tensor that steers. */
typedef struct ek_flag {
    ek_edge at;
    bool value;
} ek_flag;

typedef struct ek_recognised {
    struct ek_recognised *next;
    uint64_t version;
    int32_t n_flags;
    ek_flag *flag;
    ek_sites sites;
    ek_site_averages averages;
    ek_sites *both; /* with both ways looked at; NULL: nobody asked so far */
    int32_t *rank; /* per node: a place in an order of the whole graph that plans keep to */
    int32_t n_halves;
    ek_found_half *half; /* by rank; a forward half comes before its gradients */
    ek_arena arena;
} ek_recognised;

/* What is known for the flags of this plan; NULL: nothing to be found (or no memory, then b->err says so). */
const ek_recognised *ek__recognise(ek_builder *b);

/* The batch norms of the graph whichever way its flags go. NULL without memory. */
const ek_sites *ek__recognise_both_ways(ek_builder *b, const ek_recognised *r);

/* A plan under examination. */
typedef struct ek_scan {
    ek_builder *b;
    int32_t *position;               /* per node: in the order; -1 */
    int32_t *first_write, *last_write; /* per variable: positions in this region; -1: none */
} ek_scan;

/* A tensor, and how it was read on the way. */
typedef struct ek_origin {
    ek_edge at;
    int32_t read; /* position of the snapshot on the way, or -1 */
} ek_origin;

/* halves.c: the tensor behind what only passes it on. */
ek_origin ek__origin_of(const ek_scan *s, ek_edge e);
/* halves.c: the plan is good for the values of the booleans that are fed only. */
void ek__rest_on_flags(ek_builder *b);
/* beside.c: what the halves of the plan take in from beside them. */
void ek__find_beside(const ek_scan *s);

static inline bool ek__same_edge(ek_edge a, ek_edge b) { return a.node == b.node && a.index == b.index; }

/* Whether a node stands in this region. */
static inline bool ek__in_region(const ek_scan *s, int32_t node)
{
    return s->position[node] >= s->b->begin && s->position[node] < s->b->end;
}

static inline const char *ek__half_name(const ek_graph *g, const ek_site *s)
{
    return g->node[s->y.node]->name;
}

#endif
