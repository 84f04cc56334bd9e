/* ops/registry.h - every op of the library, once (ops.def), as one parsed set. */
#ifndef EK_OPS_REGISTRY_H
#define EK_OPS_REGISTRY_H

#include "graph/gradient.h"
#include "graph/op.h"

/* The definitions in ops.def's order (strcmp). */
const ek_op_def *const *ek__ops(int *count);
/* Parsed once per process, at the first graph, and kept until the process ends: a test that counts allocations
 * asks for it before it starts to count. Thread safe; NULL only without memory (the next call tries again). */
const ek_registry *ek__ops_registry(void);

/* How the gradient of an operation is built; NULL: ops/gradients.def has none. */
typedef struct ek_op_gradient {
    const char *type;
    ek_gradient_fn build;
    bool takes_rows;
} ek_op_gradient;
const ek_op_gradient *ek__op_gradient(const char *type);
const ek_op_gradient *ek__op_gradients(int *count); /* sorted by type */

#endif
