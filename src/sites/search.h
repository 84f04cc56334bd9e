/* sites/search.h - what the parts of one search share: candidates, findings. */
#ifndef EK_SITES_SEARCH_H
#define EK_SITES_SEARCH_H

#include "sites/interpret.h"
#include "sites/sites.h"

enum { EK_MOST_CHANNEL = 200, EK_MOST_ENTRIES = 512 };

/* A root or power of a half that turned out to scale x, or what is like it. */
typedef struct ek_anchor {
    int32_t tensor;
    bool train;
    int32_t x, variance; /* train: its x; else its stored variance; -1 */
    double epsilon;
    int64_t next; /* 1 + the next of the same x or variance; 0 */
} ek_anchor;

/* A site within one scene. Tensors are roots, -1: none. */
typedef struct ek_found {
    bool fused, averages, train, look_alike;
    int32_t x, y, gamma, beta, mean, variance;
    int rank;            /* of x */
    uint32_t axes, kept; /* kept: of size above 1 for composed ones */
    double epsilon;
    int32_t anchor;  /* of a composed one; -1 */
    int32_t *covers; /* nodes, ascending */
    int n_covers;
    ek_site_gradient *gradient;
    int n_gradients;
    int64_t next; /* 1 + the next of the same x; 0 */
} ek_found;

/* A node where something channel-sized meets something larger. */
typedef struct ek_entry {
    int32_t node, channel, large;
} ek_entry;

typedef struct ek_search {
    const ek_scene *s;
    ek_arena *arena; /* of the findings */
    ek_env env;
    ek_queue queue;
    ek_found *found; /* ek__alloc */
    int64_t n_found, cap_found;
    ek_anchor *anchor; /* ek__alloc */
    int64_t n_anchors, cap_anchors;
    int32_t *by_output;               /* per tensor: 1 + place in found; 0 */
    int32_t *by_x;                    /* per tensor: 1 + the last that was found of this x; 0 */
    int32_t channel[EK_MOST_CHANNEL]; /* of the last ek__spread */
    int n_channel;
    ek_entry entry[EK_MOST_ENTRIES];
    int n_entries;
    uint8_t *mark; /* per node, zero between uses */
    ek_error *err;
} ek_search;

ek_status ek__search_no_memory(const ek_search *q);
ek_status ek__search_add(ek_search *q, const ek_found *f);

/* Channel-sized tensors that come from the anchor, and where they meet larger ones. */
void ek__spread(ek_search *q, int32_t anchor);
/* t and at most `most` tensors of its size that it is made of, affinely; returns how many. out holds most + 1. */
int ek__affine_chain(const ek_scene *s, int32_t t, int most, int32_t *out);

ek_status ek__find_fused(ek_search *q);           /* fused.c */
ek_status ek__find_composed(ek_search *q);        /* forward.c */
ek_status ek__find_fused_gradients(ek_search *q); /* fused.c */
ek_status ek__find_gradients(ek_search *q);       /* backward.c: of all that was found */

/* Whether what looks like batch norm is something else (reject.c). `parameters`: gamma or beta lie along
 * every axis that is kept. */
bool ek__is_look_alike(ek_search *q, const ek_found *f, bool parameters);

/* What whoever replaces the halves of a site by something else must know (provide.c). */
ek_status ek__tell_terms(ek_search *q, const ek_found *f, ek_site *out);

/* The nodes between `from` (n tensors) and the stops, ascending, in the arena (covers.c). Those that
 * `outside` covers are left out; NULL: none. */
ek_status ek__cover(ek_search *q, const int32_t *from, int n, const int32_t *stop, int n_stops, const ek_found *outside,
                    int32_t **out, int *n_out);

#endif
