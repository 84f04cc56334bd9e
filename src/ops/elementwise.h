/* ops/elementwise.h - what all element-wise ops share: broadcasting, cutting, the loops' tables.
 *
 * The contract of a loop (ek_elementwise_fn; the kernels of kernels/loops.h have it):
 * fn(n, in, step, out, state) computes out[0 .. n); input i is read at step[i] = 1, or 0
 * for one value that serves all. Each output depends on its own elements only, so any cut
 * of the whole gives the same bits, and several ops may be run one after the other over a
 * block that stays in cache. `out` may be the same block as an input of step 1 whose
 * elements have the same size. A loop cannot fail; ops whose operands can be refused
 * (integer division by zero) offer no loop and check in their prepared form.
 */
#ifndef EK_OPS_ELEMENTWISE_H
#define EK_OPS_ELEMENTWISE_H

#include "graph/op.h"
#include "kernels/kernels.h"

/* Elements of a chunk: large enough that handing it over costs nothing, small enough to share. */
enum { EK_ELEMENTWISE_CHUNK = 32 * 1024, EK_ELEMENTWISE_MAX_INPUTS = 3 };

/* ---- loops by type --------------------------------------------------------------------- */

/* Place of the loop for each dtype in ek_kernels; 0 for none. One table per op of kernels/elementwise.def:
 * ek__loops_add and so on. */
typedef struct ek_loops {
    uint16_t offset[EK_DTYPE_COUNT];
} ek_loops;
#define EK_LOOPS(op, types, inputs, result) extern const ek_loops ek__loops_##op;
#include "kernels/elementwise.def"

/* The loop for elements of type t in the table in force, or NULL. */
ek_elementwise_fn ek__loop(const ek_loops *loops, ek_dtype t);

/* ---- shapes ------------------------------------------------------------------------------ */

/* Broadcasting of two static shapes (-1 unknown): unknown against 1 stays unknown, against d > 1 becomes d. False
 * where they contradict: *x_dim and *y_dim are then the two dimensions. */
bool ek__broadcast(const ek_shape *x, const ek_shape *y, ek_shape *out, int64_t *x_dim, int64_t *y_dim);

/* out 0 = input 0 broadcast with input 1. "Incompatible shapes: [3,1] vs. [2]" in a run, else "Dimensions must be
 * equal, but are 3 and 2". */
ek_status ek__binary_shape(ek_shape_ctx *c);
/* out 0 = what all inputs are; in a run "Inputs to operation {{node}} of type AddN must have the same size and shape.
 * Input 0: [2] != input 1: [3]". */
ek_status ek__same_shape(ek_shape_ctx *c);

/* ---- prepare ------------------------------------------------------------------------------- */

/* Looks at the chunk's operands before the loop runs; fails with the op's error. */
typedef ek_status (*ek_elementwise_check)(int64_t n, const void *const *in, const int *step, ek_error *err);

/* Prepares def->elementwise's loop over inputs [0, n_in) broadcast to out[0]. Every element-wise definition's
 * .prepare; UNIMPLEMENTED where the op has no loop for the type. */
ek_status ek__elementwise_prepare(ek_prepare_ctx *c);
/* The same for a loop at hand; check may be NULL. */
ek_status ek__elementwise_prepare_loop(ek_prepare_ctx *c, ek_elementwise_fn fn, const void *state,
                                       ek_elementwise_check check);

#endif
