/* layers/get_variable.h - get_variable for layers. */
#ifndef EK_LAYERS_GET_VARIABLE_H
#define EK_LAYERS_GET_VARIABLE_H

#include "layers/variable.h"

typedef struct ek_get_variable_args {
    const char *name;
    bool has_shape;
    ek_shape shape;
    ek_dtype dtype;                    /* NONE: the scope's */
    const ek_initializer *initializer; /* NULL: the scope's, else by dtype */
    const ek_regularizer *regularizer; /* NULL: the scope's */
    const ek_constraint *constraint;   /* NULL: the scope's */
    const ek_partitioner *partitioner; /* NULL: the scope's */
    bool in_one;                       /* never in parts, whatever the scope says */
    bool trainable, validate_shape;
    ek_synchronization synchronization;
    ek_aggregation aggregation;
    ek_keys collections;
    ek_tristate use_resource;
    ek_where where;
    /* found out by get_variable */
    const char *full;
    int reuse;
    const ek_slice_info *slice;        /* the part that it is; NULL: a whole */
} ek_get_variable_args;
/* False, with a failure recorded, where `reuse` is none of the three modes. */
bool ek__reuse_ok(ek_graph *g, int reuse, ek_where where);
ek_variable ek__get_variable(ek_graph *g, const ek_get_variable_args *args);
/* Its two halves, once scope and name are known: one variable, or one in parts (partition.c). */
ek_variable ek__get_single(ek_graph *g, const ek_get_variable_args *a);
ek_variable ek__get_parts(ek_graph *g, const ek_get_variable_args *a);

#endif
