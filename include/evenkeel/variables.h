/* evenkeel/variables.h - variables, variable scopes, get_variable, initializers. */
#ifndef EVENKEEL_VARIABLES_H
#define EVENKEEL_VARIABLES_H

#include "evenkeel/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- initializers, regularizers, constraints ---------------------------------------------- */

/* tf.zeros_initializer() and kin: a kind with its numbers, copied by value. */
typedef struct ek_initializer {
    int kind; /* ek_initializer_kind; 0: none given */
    double a, b;          /* minval/maxval, mean/stddev, scale, gain */
    int mode, distribution;
    int64_t seed;
    bool has_seed;
    ek_dtype dtype;       /* NONE: the variable's */
    const ek_array *value; /* constant: borrowed until the variable is made */
    ek_tensor (*call)(ek_graph *g, ek_shape shape, ek_dtype dtype, void *arg); /* one of the caller's own */
    void *arg;
} ek_initializer;
typedef enum ek_initializer_kind {
    EK_INIT_NONE, EK_INIT_ZEROS, EK_INIT_ONES, EK_INIT_CONSTANT, EK_INIT_RANDOM_UNIFORM, EK_INIT_RANDOM_NORMAL,
    EK_INIT_TRUNCATED_NORMAL, EK_INIT_VARIANCE_SCALING, EK_INIT_CALL
} ek_initializer_kind;

/* A scalar from a variable's value, or a value from a value; built into the graph where it is called. */
typedef ek_tensor (*ek_variable_fn)(ek_tensor value, void *arg);
typedef struct ek_regularizer { ek_variable_fn call; void *arg; double l1, l2; } ek_regularizer;
typedef struct ek_constraint { ek_variable_fn call; void *arg; } ek_constraint;

#ifdef __cplusplus
}
#endif
#endif
