/* ops/optimizer.h - what a prepared optimizer step is, for whoever runs several of them as one.
 *
 * Its inputs are the parameter and its slots (variables), then scalars and the gradient, and
 * for the sparse ones the rows that the gradient's rows belong to.
 */
#ifndef EK_OPS_OPTIMIZER_H
#define EK_OPS_OPTIMIZER_H

#include "graph/op.h"

enum { EK_UPDATE_MAX_VARS = 4, EK_UPDATE_MAX_SCALARS = 6 };

/* A kernel of kernels/optimizer_lv.c. */
typedef void (*ek_update_fn)(int64_t n, void *const *var, const void *grad, const void *scalar);

/* The state of a dense or sparse update: the first thing that its phases see. */
typedef struct ek_update {
    const ek_op_def *def;
    ek_update_fn fn;
    ek_dtype dtype, work;     /* work, the type of scalars: float for 16-bit floats, else dtype */
    int n_vars, n_in, grad;   /* inputs [0, n_vars) are variables; which one is the gradient */
    int indices;              /* which one has the rows; 0: dense */
    ek_shape shape;           /* of the parameter and its slots; sparse: rows unknown */
    int64_t count;            /* elements of one; sparse: of a row */
    int n_scalars, scalar[EK_UPDATE_MAX_SCALARS]; /* inputs, in the order that fn has them */
    ek_dtype scalar_dtype[EK_UPDATE_MAX_SCALARS];
    /* sparse only */
    ek_dtype index_dtype;
    int64_t n_indices, chunks;
    bool is_keras; /* whose sentence about indices is another */
} ek_update;

/* The scalars as elements of `work`. */
typedef union ek_update_scalars {
    float f[EK_UPDATE_MAX_SCALARS];
    double d[EK_UPDATE_MAX_SCALARS];
} ek_update_scalars;
void ek__update_scalars(const ek_update *u, const void *const *in, ek_update_scalars *out);

/* Checks the variables behind the inputs (initialized, of the right type and shape) and makes their memory theirs. */
ek_status ek__update_open(const ek_update *u, const ek_run_args *a);

/* Updates elements [from, from + n) of the variables with grad[0 .. n). */
void ek__update_elements(const ek_update *u, ek_slot *const *slot, const ek_update_scalars *scalars, const void *grad,
                         int64_t from, int64_t n);

#endif
