/* sites/sites.h - the batch norms of a graph, found by their algebra.
 *
 * A site is one place where batch normalization is applied, whatever ops it is written in: a fused op of any version,
 * the composed form with batch statistics or stored ones, or a choice of both by a flag. Layer, group and instance
 * norm, standardised weights and plain affine maps are none.
 */
#ifndef EK_SITES_SITES_H
#define EK_SITES_SITES_H

#include "graph/view.h"

typedef enum ek_site_mode { EK_SITE_TRAIN, EK_SITE_INFERENCE, EK_SITE_SWITCHED } ek_site_mode;

/* What a half is given from outside. */
typedef enum ek_site_role {
    EK_ROLE_X, EK_ROLE_DY, EK_ROLE_GAMMA, EK_ROLE_BETA, EK_ROLE_MEAN, EK_ROLE_VARIANCE
} ek_site_role;
enum { EK_SITE_ROLES = EK_ROLE_VARIANCE + 1 };

/* Input `input` of the covered node is what the role says, as the graph hands it in. */
typedef struct ek_site_entry {
    int32_t node, input;
    ek_site_role role;
} ek_site_entry;

/* A tensor all of whose elements were taken for this number, be it a constant or what follows from sizes. */
typedef struct ek_site_number {
    ek_edge at;
    double value;
} ek_site_number;

/* What was found holds where sizes are others if the numbers are those of other sizes too. */
typedef struct ek_site_terms {
    const ek_site_entry *entry;
    int n_entries;
    const ek_site_number *number;
    int n_numbers;
    double count; /* elements that a statistic was taken over, of sizes that may be made up */
    bool assumed; /* a branch inside was taken for a reason that the view does not know */
} ek_site_terms;

/* The way back through a site: dx from dy. Tensors of node -1: not in the graph, or not the formula. */
typedef struct ek_site_gradient {
    ek_edge dy, dx, dgamma, dbeta;
    const ek_edge *own; /* where dx is one sum with what comes from elsewhere: the terms that are this site's */
    int n_own;
    bool stopped;          /* dx does not go through the statistics, although they are the batch's */
    bool before_gamma;     /* dy is the gradient of the normalized x: dx is that of gamma = 1 */
    const int32_t *covers; /* nodes, ascending */
    int n_covers;
    ek_site_terms terms;
} ek_site_gradient;

typedef struct ek_site {
    bool fused; /* one op of TensorFlow's */
    bool averages; /* in training, and its statistics leave averaged with those that it is given */
    ek_site_mode mode;
    ek_edge x, y;           /* behind Identity and its kin, taken branches */
    ek_edge gamma, beta;    /* variables, constants or whatever computes them; node -1: none */
    ek_edge mean, variance; /* stored statistics; node -1: none (or not found beside batch statistics) */
    ek_edge predicate;      /* of a switched one; else node -1 */
    uint32_t axes;          /* bit a: statistics are over axis a of x */
    int rank;               /* of x */
    double epsilon;
    int32_t linear;        /* the product or convolution before it, else behind it; -1: none */
    const char *set;       /* the common scope of its variables, "" if none */
    const int32_t *covers; /* the nodes that make it up, ascending; of the training way where it is switched */
    int n_covers;
    ek_site_terms terms;
    const ek_edge *batch_mean, *batch_variance; /* covered tensors that are the batch's statistics (biased) */
    int n_batch_means, n_batch_variances;
    const ek_site_gradient *gradient;
    int n_gradients;
} ek_site;

typedef struct ek_sites {
    const ek_site *at; /* in the order of their outputs in the graph */
    int n;
    bool switched;  /* there are predicates that the view does not know */
    /* Per output, output k of a node at first_out[node] + k: it is never there, as the view says. NULL where both ways
     * were looked at. */
    const uint8_t *never;
    const int32_t *first_out;
    int64_t evaluated; /* tensors that were computed with: what the search cost */
    ek_arena arena; /* everything above */
} ek_sites;

/* Predicates that the view does not know are taken for `assume`; with EK_BRANCH_UNKNOWN both ways are looked at, and a
 * site that is there both ways is listed once. The same graph gives the same answer. RESOURCE_EXHAUSTED is the only
 * error. Free the result by ek__sites_free in any case. */
ek_status ek__sites_find(const ek_view *view, ek_branch assume, ek_sites *out, ek_error *err);
/* The same of a whole graph, some of whose tensors are known. */
ek_status ek__sites_find_fed(const ek_graph *g, int n, const ek_tensor *fed, ek_array *const *value, ek_branch assume,
                             ek_sites *out, ek_error *err);
/* Whether what is live may be a part of a site, be it one of its statistics alone: a quick no. */
bool ek__sites_possible(const ek_view *view);
void ek__sites_free(ek_sites *sites);

/* "train", "inference", "switched" */
const char *ek__site_mode_name(ek_site_mode mode);

#endif
