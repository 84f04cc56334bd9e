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
    bool in_one;                       /* never in parts */
    ek_synchronization synchronization;
    ek_aggregation aggregation;
} ek_weight_args;
ek_variable ek__layer_add_weight(const ek_layer *l, const ek_weight_args *a, ek_where where);

/* Adds the updates of a call to EK_UPDATE_OPS, where the layer is trainable; makes sure that the collection exists. */
void ek__layer_add_updates(const ek_layer *l, const ek_op *update, int n, ek_where where);

/* The layer's name for messages: the last part of its scope. */
const char *ek__layer_name(const ek_layer *l);

/* ---- layers that are a function of their input (call.c) ---- */

typedef struct ek_layer_args {
    const char *kind;               /* "conv2d": its name where none is given */
    const char *name;               /* NULL: none */
    int reuse;
    bool trainable;
    ek_activation activation;       /* NULL: none */
    const ek_regularizer *activity; /* NULL or of kind 0: none */
    int rank, least_rank;           /* what the input's must be; 0: not asked */
    ek_where where;
} ek_layer_args;
/* What lies between input and activation; runs inside the layer's scopes. */
typedef ek_tensor (*ek_layer_body)(const ek_layer *l, ek_tensor x, const void *of, ek_where where);
/* The whole call: scopes, the input's rank, the body, activation, activity regularizer. */
ek_tensor ek__layer_call(const ek_layer_args *a, ek_tensor x, ek_layer_body body, const void *of);

/* Fails with "Input 0 of layer NAME is incompatible with the layer: WHY"; always false. */
bool ek__layer_refuse(const ek_layer *l, ek_where where, const char *fmt, ...) EK_PRINTF(3, 4);
/* "[None, 3]" */
void ek__dims_str(const ek_shape *s, char *text, size_t size);
/* Kernels and biases: what their options say in one place. */
typedef struct ek_weights {
    const ek_initializer *initializer;
    const ek_regularizer *regularizer;
    const ek_constraint *constraint;
} ek_weights;
ek_variable ek__layer_kernel(const ek_layer *l, const char *name, ek_shape shape, ek_dtype dtype, ek_weights w,
                             ek_where where);
/* `n` zeros, unless the initializer says otherwise. */
ek_variable ek__layer_bias(const ek_layer *l, int64_t n, ek_dtype dtype, ek_weights w, ek_where where);
ek_tensor ek__layer_add_bias(ek_tensor y, ek_variable bias, const char *data_format, ek_where where);

#endif
