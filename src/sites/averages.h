/* sites/averages.h - the moving averages of batch norms: what moves them, and how fast; what is trained.
 *
 * Told by what is written, not by names: an update writes momentum * itself + something of a batch's statistics.
 */
#ifndef EK_SITES_AVERAGES_H
#define EK_SITES_AVERAGES_H

#include "sites/sites.h"

/* One op that moves one variable. */
typedef struct ek_site_average {
    int32_t write, variable; /* nodes */
    int32_t site;            /* whose statistics go in */
    bool of_variance;
    double momentum;         /* the share of the old value that stays, in [0, 1); NaN: not a constant */
} ek_site_average;

typedef struct ek_site_averages {
    const ek_site_average *at; /* in the order of their ops */
    int n;
} ek_site_averages;

/* All of the graph that `sites` were found in, with one way assumed for its flags. In the arena. RESOURCE_EXHAUSTED is
 * the only error. */
ek_status ek__site_averages_find(const ek_graph *g, const ek_sites *sites, ek_arena *arena, ek_site_averages *out,
                                 ek_error *err);

/* The variable (VariableV2, VarHandleOp) that a tensor is, refers to, or was read from; -1: it is none. */
int32_t ek__variable_behind(const ek_graph *g, ek_edge e);
/* The variable among the inputs of the product or convolution beside a site: its kernel; -1: none. */
int32_t ek__site_kernel(const ek_graph *g, const ek_site *s);
/* Whether it is an optimizer's op: it changes the variable behind input 0 by a gradient. */
bool ek__applies_gradient(const ek_node *n);
/* Whether it is one of those that write input 1 to the variable behind input 0, or add it, or take it away. */
bool ek__is_assignment(const ek_node *n);

#endif
