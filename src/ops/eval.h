/* ops/eval.h - one op on arrays, by name, without a graph. */
#ifndef EK_OPS_EVAL_H
#define EK_OPS_EVAL_H

#include "graph/op.h"

/* Evaluates one pure op: ek__op_eval("Reshape", NULL, 0, 2, in, 1, &out, err). Attributes that follow from the inputs
 * or have a default may be left out. in[i] are borrowed; out[0 .. n_out) become new references, all NULL on failure.
 * Errors  NOT_FOUND: no such definition; INVALID_ARGUMENT: the op takes other inputs or gives another number of
 *         outputs; whatever the op says. */
ek_status ek__op_eval(const char *type, const ek_attr *attrs, int n_attrs, int n_in, const ek_array *const *in,
                      int n_out, ek_array **out, ek_error *err);

#endif
