/* ops/registry.c - ops.def as two tables: the definitions, and what is parsed of them. */
#include "ops/registry.h"

#include <pthread.h>
#include <stdlib.h>

#include "evenkeel/graph.h"
#include "graph/node.h"

#define EK_OP(name) extern const ek_op_def ek__op_##name;
#include "ops/ops.def"
#undef EK_OP

static const ek_op_def *const op_table[] = {
#define EK_OP(name) &ek__op_##name,
#include "ops/ops.def"
#undef EK_OP
};

const ek_op_def *const *ek__ops(int *count)
{
    *count = EK_COUNT_OF(op_table);
    return op_table;
}

/* ---- gradients ------------------------------------------------------------------------------------------ */

#define EK_GRADIENT(type, function) extern void ek__grad_##function(ek_grad *c);
#define EK_GRADIENT_OF_ROWS EK_GRADIENT
#include "ops/gradients.def"
#undef EK_GRADIENT
#undef EK_GRADIENT_OF_ROWS

static const ek_op_gradient gradient_table[] = {
#define EK_GRADIENT(type, function) { #type, ek__grad_##function, false },
#define EK_GRADIENT_OF_ROWS(type, function) { #type, ek__grad_##function, true },
#include "ops/gradients.def"
#undef EK_GRADIENT
#undef EK_GRADIENT_OF_ROWS
};

static int by_type(const void *type, const void *entry)
{
    return strcmp(type, ((const ek_op_gradient *)entry)->type);
}

const ek_op_gradient *ek__op_gradient(const char *type)
{
    return bsearch(type, gradient_table, EK_COUNT_OF(gradient_table), sizeof gradient_table[0], by_type);
}

const ek_op_gradient *ek__op_gradients(int *count)
{
    *count = EK_COUNT_OF(gradient_table);
    return gradient_table;
}

/* ---- the parsed table ------------------------------------------------------------------------------------- */

const ek_registry *ek__ops_registry(void)
{
    static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
    static _Atomic(ek_registry *) made;
    ek_registry *r = atomic_load_explicit(&made, memory_order_acquire);

    if (r != NULL) return r;
    pthread_mutex_lock(&making);
    r = atomic_load_explicit(&made, memory_order_relaxed);
    if (r == NULL && ek__registry_create(op_table, EK_COUNT_OF(op_table), &r, NULL) == EK_OK)
        atomic_store_explicit(&made, r, memory_order_release);
    pthread_mutex_unlock(&making);
    return r;
}

/* Lives here because only this floor knows every op. */
ek_graph *ek_graph_create(void)
{
    const ek_registry *registry = ek__ops_registry();

    return registry != NULL ? ek__graph_create(registry) : NULL;
}
