/* saver/statistics.h - the batch norms of a checkpoint: which variables they are, and what the stored values look like. */
#ifndef EK_SAVER_STATISTICS_H
#define EK_SAVER_STATISTICS_H

#include "evenkeel/checkpoint.h"
#include "sites/stored.h"

typedef struct ek_checkpoint_norms {
    const ek_stored *at; /* a layer each; .set is in `sets` */
    int n;
    bool by_graph; /* roles come from the graph; else from names */
    ek_trained trained;
    ek_norm_sets sets; /* names in the checkpoint */
    ek_arena arena;
} ek_checkpoint_norms;

/* Roles come from how `g` uses its variables; names in the checkpoint are those that its saver gives them. Without a graph
 * (NULL), or where it has no batch norm with moving averages (TensorFlow 2 keeps them in functions), roles come from the
 * names alone. Free the result by ek__checkpoint_norms_free in any case.
 * Errors  as ek_checkpoint_read; RESOURCE_EXHAUSTED. */
ek_status ek__checkpoint_norms(ek_checkpoint *c, const ek_graph *g, ek_checkpoint_norms *out, ek_error *err);
void ek__checkpoint_norms_free(ek_checkpoint_norms *norms);

#endif
