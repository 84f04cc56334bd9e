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

/* sum[i] += more[i] */
static inline void ek__add_to(ek_dtype t, int64_t n, void *sum, const void *more)
{
    ek__loop(&ek__loops_add, t)(n, (const void *const[]){ sum, more }, (const int[]){ 1, 1 }, sum, NULL);
}

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

/* A loop that may refuse its operands or run out of memory: same operands, same independence of the cut. */
typedef ek_status (*ek_fallible_fn)(int64_t n, const void *const *in, const int *step, void *out, const void *state,
                                    ek_error *err);

/* Prepares def->elementwise's loop over all inputs broadcast to out[0]: the .prepare of element-wise definitions.
 * UNIMPLEMENTED where the op has no loop for the type. */
ek_status ek__elementwise_prepare(ek_prepare_ctx *c);
/* The same for a loop at hand (NULL: UNIMPLEMENTED); state lives as long as the plan. */
ek_status ek__elementwise_prepare_loop(ek_prepare_ctx *c, ek_elementwise_fn fn, const void *state);
ek_status ek__elementwise_prepare_fallible(ek_prepare_ctx *c, ek_fallible_fn fn, const void *state);

/* ---- definitions -------------------------------------------------------------------------------- */

/* Types as the registry lists them. */
#define EK_T_FLOAT "bfloat16, half, float, double"
#define EK_T_COMPLEX "complex64, complex128"
#define EK_T_INT "int8, int16, int32, int64, uint8, uint16, uint32, uint64"
#define EK_T_REAL "float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64"
#define EK_T_NUMBER EK_T_REAL ", " EK_T_COMPLEX ", qint8, quint8, qint32"

/* A pure op that is one loop by the type of its first input. Name, table (ek__loops_...), notation, shape rule, inputs
 * that may be overwritten. */
#define EK_ELEMENTWISE_OP(Name, table, inputs_, outputs_, attrs_, rule, inplace_)                            \
    EK_ELEMENTWISE_OP_FLAT(Name, table, inputs_, outputs_, attrs_, rule, inplace_, NULL)
/* Nothing flows back through it, for this reason. */
#define EK_ELEMENTWISE_OP_FLAT(Name, table, inputs_, outputs_, attrs_, rule, inplace_, reason)               \
    static ek_elementwise_fn Name##_loop(ek_prepare_ctx *c, const void **state)                              \
    {                                                                                                        \
        EK_UNUSED(state);                                                                                    \
        return ek__loop(&ek__loops_##table, c->in_dtype[0]);                                                 \
    }                                                                                                        \
    const ek_op_def ek__op_##Name = { .name = #Name, .inputs = inputs_, .outputs = outputs_, .attrs = attrs_, \
        .shape = rule, .prepare = ek__elementwise_prepare, .elementwise = Name##_loop, .inplace = inplace_, \
        .no_grad_because = reason };

#endif
