/* ops/fold.h - sums and other folds over some axes of an array, for every op that needs one.
 *
 * The order of additions follows from shape, axes and dtype alone. Floats and halves are
 * summed in double, integers wrap in 64 bits, complex numbers are two doubles.
 */
#ifndef EK_OPS_FOLD_H
#define EK_OPS_FOLD_H

#include "graph/op.h"

typedef enum ek_fold_op { EK_FOLD_MAX, EK_FOLD_MIN, EK_FOLD_PROD, EK_FOLD_SUM, EK_FOLD_SUMSQ, EK_FOLD_OPS } ek_fold_op;

/* What becomes of a fold's result before it is stored as the output's dtype. */
typedef enum ek_fold_end {
    EK_FOLD_PLAIN,
    EK_FOLD_MEAN, /* divided by the number of elements folded; integers truncate, nothing folded is NaN or 0 */
    EK_FOLD_ROOT,
    EK_FOLD_HALF
} ek_fold_end;

/* Prepares the fold of an array of this dtype and shape over the axes of the mask (bit i: axis i): sets state,
 * scratch and phases of the context. The fold reads in[0] and writes out[0]: the kept axes in order.
 * Errors  UNIMPLEMENTED: a dtype that has no such fold; RESOURCE_EXHAUSTED. */
ek_status ek__fold_prepare(ek_prepare_ctx *c, ek_fold_op op, ek_fold_end end, ek_dtype dtype, const ek_shape *x,
                           uint32_t mask);

#endif
