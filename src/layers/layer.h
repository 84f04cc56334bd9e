/* layers/layer.h - what all layers share: their scope, their variables, their updates.
 *
 * A layer takes its variable scope and its name scope once; every call comes back to both, so that its
 * variables are shared and its operations stay under one name.
 */
#ifndef EK_LAYERS_LAYER_H
#define EK_LAYERS_LAYER_H

#include "graph/variable_scope.h"
#include "layers/get_variable.h"

typedef struct ek_layer {
    ek_graph *graph;
    const char *base_name;   /* "batch_normalization", or the name given */
    const ek_vscope *scope;  /* NULL until it is taken */
    int reuse;               /* EK_VSCOPE_... */
    bool trainable, built;
} ek_layer;

/* A layer named by the caller takes the scope of that name at once (`name` not NULL, function form); otherwise the
 * first call takes `base_name`, made unique unless it reuses. */
void ek__layer_init(ek_layer *l, ek_graph *g, const char *base_name, const char *name, int reuse, bool trainable,
                    ek_where where);

/* One call: takes the scope if that is still to be done, then
 *     EK_LAYER_CALL(l, where) { ... }
 * runs inside its variable scope and its name scope. */
bool ek__layer_ready(ek_layer *l, ek_where where);
ek_scope ek__layer_enter_variables(const ek_layer *l, ek_where where);
ek_scope ek__layer_enter_names(const ek_layer *l, ek_where where);

typedef struct ek_weight_args {
    const char *name;
    ek_shape shape;
    ek_dtype dtype;
    const ek_initializer *initializer; /* of kind NONE: the scope's, else by dtype */
    const ek_regularizer *regularizer; /* NULL or of kind 0: none; only a new variable gets its loss */
    const ek_constraint *constraint;   /* NULL: none */
    bool trainable;                    /* and the layer's */
    ek_synchronization synchronization;
    ek_aggregation aggregation;
} ek_weight_args;
ek_variable ek__layer_add_weight(const ek_layer *l, const ek_weight_args *a, ek_where where);

/* Adds the updates of a call to EK_UPDATE_OPS, where the layer is trainable; makes sure that the collection exists. */
void ek__layer_add_updates(const ek_layer *l, const ek_op *update, int n, ek_where where);

/* The layer's name for messages: the last part of its scope. */
const char *ek__layer_name(const ek_layer *l);

#endif
