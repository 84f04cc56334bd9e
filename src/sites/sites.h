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

/* The way back through a site: dx from dy. Tensors of node -1: not in the graph, or not the formula. */
typedef struct ek_site_gradient {
    ek_edge dy, dx, dgamma, dbeta;
    const ek_edge *own; /* where dx is one sum with what comes from elsewhere: the terms that are this site's */
    int n_own;
    bool stopped;          /* dx does not go through the statistics, although they are the batch's */
    bool before_gamma;     /* dy is the gradient of the normalized x: dx is that of gamma = 1 */
    const int32_t *covers; /* nodes, ascending */
    int n_covers;
} ek_site_gradient;

typedef struct ek_site {
    bool fused; /* one op of TensorFlow's */
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
    const ek_site_gradient *gradient;
    int n_gradients;
} ek_site;

typedef struct ek_sites {
    const ek_site *at; /* in the order of their outputs in the graph */
    int n;
    bool switched;  /* there are predicates that the view does not know */
    ek_arena arena; /* everything above */
} ek_sites;

/* Predicates that the view does not know are taken for `assume`; with EK_BRANCH_UNKNOWN both ways are looked at, and a
 * site that is there both ways is listed once. The same graph gives the same answer. RESOURCE_EXHAUSTED is the only
 * error. Free the result by ek__sites_free in any case. */
ek_status ek__sites_find(const ek_view *view, ek_branch assume, ek_sites *out, ek_error *err);
/* The same of a whole graph, some of whose tensors are known. */
ek_status ek__sites_find_fed(const ek_graph *g, int n, const ek_tensor *fed, ek_array *const *value, ek_branch assume,
                             ek_sites *out, ek_error *err);
void ek__sites_free(ek_sites *sites);

/* "train", "inference", "switched" */
const char *ek__site_mode_name(ek_site_mode mode);

#endif
