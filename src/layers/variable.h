/* layers/variable.h - the making of variables, beneath tf.Variable, get_variable and layers. */
#ifndef EK_LAYERS_VARIABLE_H
#define EK_LAYERS_VARIABLE_H

#include "codec/wire.h"
#include "layers/build.h"

typedef struct ek_variable_args {
    const char *name;            /* op name; made unique under the current name scope */
    /* The first value: built by a function inside V/Initializer, ... */
    ek_tensor (*make)(ek_graph *g, void *arg, ek_where where);
    void *arg;
    /* ... or, make being NULL, an operand converted beside the variable, of `dtype` unless that is NONE. */
    ek_operand value;
    ek_dtype dtype;
    bool trainable, validate_shape, resource;
    ek_synchronization synchronization;
    ek_aggregation aggregation;
    ek_keys collections;         /* count -1: EK_GLOBAL_VARIABLES */
    const ek_constraint *constraint; /* copied; NULL: none */
    ek_where where;
} ek_variable_args;

/* What `use_resource` comes to: EK_DEFAULT is the variable scope's, else the graph's. */
bool ek__use_resource(const ek_graph *g, ek_tristate use_resource);

/* Makes the nodes outside all control dependencies and branches, notes the variable, adds it to its
 * collections. Dead after a failure, which the graph has recorded. */
ek_variable ek__variable_make(ek_graph *g, const ek_variable_args *a);

/* The initial value of a variable of this shape and dtype, in the current name scope; of a part where `slice` is not NULL. */
ek_tensor ek__initializer_build(ek_graph *g, const ek_initializer *init, ek_shape shape, ek_dtype dtype,
                                const ek_slice_info *slice, ek_where where);
/* Notes which part of what a variable is, for files; false without memory, which is recorded. */
bool ek__slice_note(ek_variable v, const ek_slice_info *slice, ek_where where);
/* What was noted of a part, or came from a file: all but the full name, which is borrowed from the note. false: it is
 * not said which part of what it is. */
bool ek__slice_noted(const ek_variable_info *info, ek_slice_info *out, ek_span *full_name);

static inline ek_variable ek__dead_variable(ek_graph *g) { return (ek_variable){ g, -1 }; }

/* The loss of a variable or, for a layer's activity, of a tensor; dead where there is none (or the graph failed). */
ek_tensor ek__regularizer_build(ek_graph *g, const ek_regularizer *r, ek_operand x, ek_where where);

/* A copy for the variable, with what its call needs; NULL where there is none. */
const ek_constraint *ek__constraint_keep(ek_graph *g, const ek_constraint *c);

/* `value` with every variable that it reads replaced by what that variable has, or will be initialized with. `name`:
 * what the copies' names end in. */
ek_tensor ek__guard_initial_value(ek_graph *g, const char *name, ek_tensor value, ek_where where);

#endif
