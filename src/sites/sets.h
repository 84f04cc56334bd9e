/* sites/sets.h - the variables behind batch norms: the sets of a graph, or of nothing but names.
 *
 * A set is what one layer owns: gamma, beta, moving mean, moving variance. Who has a graph takes the roles from how it
 * uses its variables; names are for a file of values that came without one.
 */
#ifndef EK_SITES_SETS_H
#define EK_SITES_SETS_H

#include "sites/sites.h"

typedef struct ek_norm_set {
    const char *place;                   /* the common scope: "block1/norm" */
    const char *variable
        [EK_SITE_ROLES]; /* by role, from EK_ROLE_GAMMA on: the op's name, or the name as it was given; NULL: none */
    bool deviation;                      /* `variance` holds standard deviations */
    double epsilon, momentum;            /* NaN: not known, or not constant */
} ek_norm_set;

typedef struct ek_norm_sets {
    const ek_norm_set *at;
    int n;
    ek_arena arena; /* everything above; names from a graph are the graph's */
} ek_norm_sets;

/* Free the result by ek__norm_sets_free in any case. RESOURCE_EXHAUSTED is the only error of both. */

/* The sets of a graph that have moving averages, in training and in inference, in the order of their first sites. */
ek_status ek__norm_sets_of_graph(const ek_graph *g, ek_norm_sets *out, ek_error *err);
/* Those that names tell of, in the order of the names, which they borrow: moving_mean, running_var, what an average of
 * moments is called, with gamma and beta in the same scope or the one around it. Names of object-based checkpoints too. */
ek_status ek__norm_sets_of_names(const char *const *name, int64_t n, ek_norm_sets *out, ek_error *err);
void ek__norm_sets_free(ek_norm_sets *sets);

#endif
