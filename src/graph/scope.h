/* graph/scope.h - what surrounds the building of a node: the state that scopes change.
 *
 * There is one stack of scopes of all kinds. Everything a scope can change is a member of
 * ek_scope_state; opening a scope keeps the state as it was, closing restores it. All the
 * state points into the graph's arena, so keeping it is a copy of a few words.
 */
#ifndef EK_GRAPH_SCOPE_H
#define EK_GRAPH_SCOPE_H

#include "graph/node.h"

/* One control_dependencies scope: control operations for what is made inside. Controllers form a
 * tree; each node remembers the innermost one it was made in. */
typedef struct ek_controller {
    const struct ek_controller *outer; /* NULL: none, or control_dependencies(None) between */
    const int32_t *op;
    int32_t n;
} ek_controller;

/* Operations that nodes made inside are placed with: sorted names, without "loc:@". */
typedef struct ek_colocation {
    const char *const *name;
    int32_t n;
} ek_colocation;

/* A tensor of the outside as the inside of a control-flow context sees it. */
typedef struct ek_external {
    ek_edge outer, inner;
    bool result; /* a branch's result: its Switch was made inside, so that both outputs belong to the context */
} ek_external;

/* A branch of a cond. Its place in the list of contexts, counted from 1, is its id; 0 is no context.
 * Tensors made inside (node->context is it or one further in) are its own; `external` maps the others. */
typedef struct ek_context {
    const char *name;
    int32_t id, outer;
    ek_edge pred, pivot;
    int branch;
    ek_external *external; /* in the order added; pred maps to itself */
    int64_t n_external, cap_external;
    ek_map by_outer;       /* packed edge -> place in external */
    ek_where where;
    /* Of a context that a file described: what belongs to it among the graph's first `told_nodes` nodes. What came later
     * belongs to it by its node's context. */
    ek_edge *told;
    int64_t n_told, told_nodes;
    /* A while loop read from a file is kept as it came; nothing can be built inside it. */
    const void *imported;  /* wire bytes of its WhileContextDef, NULL for a cond */
    size_t imported_size;
} ek_context;

typedef struct ek_scope_state {
    const char *name;                   /* name scope without the trailing '/'; "" at the root */
    const ek_controller *controller;    /* innermost; NULL: none */
    int32_t context;                    /* control-flow context */
    const ek_colocation *colocation;    /* NULL: none */
    const void *variable; /* the current variable scope: owned by graph/variable_scope.c; NULL: the root's */
} ek_scope_state;

typedef struct ek_scope_frame {
    ek_scope_state before;
    const char *what;                   /* "name scope", for the report of an unclosed one */
    const char *name;
    ek_where where;
    void (*leave)(ek_graph *g, void *arg); /* called while closing, before the state is restored; NULL: none */
    void *arg;
} ek_scope_frame;

struct ek_graph_scopes {
    ek_scope_state now;
    ek_scope_frame *frame;
    int64_t depth, cap;
    ek_map used;                        /* lower-cased full name -> the next number to try */
    ek_context **context;               /* [id - 1] */
    int64_t n_contexts, cap_contexts;
};

/* Opens a scope: keeps the state, then makes *next the current one. Without memory the graph fails and the returned
 * scope's pop does nothing. `what` is static, `name` may be NULL or live in the arena. */
ek_scope ek__scope_push(ek_graph *g, const ek_scope_state *next, const char *what, const char *name, ek_where where,
                        void (*leave)(ek_graph *g, void *arg), void *arg);
/* The current state; change a copy of it and push that. */
static inline const ek_scope_state *ek__scope_now(const ek_graph *g) { return &g->scopes->now; }
/* NULL, or the innermost scope still open. */
const ek_scope_frame *ek__scope_open(const ek_graph *g);
/* Closes whatever is open, for the end of a graph. */
void ek__scope_close_all(ek_graph *g);

/* unique_name under `prefix` ("" is the root) instead of the current scope; mark false: only says what it would be.
 * Arena strings; NULL without memory. */
const char *ek__unique_name_in(ek_graph *g, const char *prefix, const char *name, bool mark);
/* Marks a full name as used, as importing a node does. False without memory. */
bool ek__name_mark(ek_graph *g, const char *full);
/* The name scope that `name` opens under the current one, without its trailing '/'; NULL after a failure,
 * which is recorded. For scopes that open a name scope beside something else. */
const char *ek__name_scope_enter(ek_graph *g, const char *name, ek_where where);
bool ek__name_valid(const char *name, bool inner); /* inner: of a scope inside a scope, which may start with '_' */

/* Nodes made inside carry _class of these operations (with those of outer colocations, unless `alone`). */
ek_scope ek__colocate_push(ek_graph *g, const int32_t *op, int n, bool alone, ek_where where);
/* Names of the colocation group of an operation: its _class, else itself. False without memory. */
bool ek__colocation_of(ek_graph *g, const int32_t *op, int n, const ek_colocation *with, ek_colocation *out);

/* ---- control-flow contexts ------------------------------------------------------------------- */

static inline ek_context *ek__context(const ek_graph *g, int32_t id)
{
    return id > 0 ? g->scopes->context[id - 1] : NULL;
}
/* Puts a node into a context, where it cannot be fetched. */
void ek__node_place(ek_graph *g, int32_t id, int32_t context);
/* Whether context `id` is `outer` or inside it. */
bool ek__context_within(const ek_graph *g, int32_t id, int32_t outer);
/* A new context inside the current one; it takes over the pivot's operation. NULL without memory. */
ek_context *ek__context_create(ek_graph *g, const char *name, ek_edge pred, ek_edge pivot, int branch, ek_where where);
/* A context as a file describes it; predicate, pivot and branch are the reader's to set, as is what belongs to it, the
 * nodes' contexts and what comes from outside (ek__context_map). NULL without memory. */
ek_context *ek__context_restore(ek_graph *g, const char *name, int32_t outer);
/* The tensor as the context sees it: itself, what it was given before, or a new Switch made under name scope `prefix`.
 * node < 0 after a failure. */
ek_edge ek__context_value(ek_graph *g, ek_context *c, ek_edge e, const char *prefix, ek_where where);
/* The branch's result: an outer tensor gets a Switch in the current name scope. */
ek_edge ek__context_result(ek_graph *g, ek_context *c, ek_edge e, ek_where where);
bool ek__context_map(ek_graph *g, ek_context *c, ek_edge outer, ek_edge inner);
ek_scope ek__context_push(ek_graph *g, int32_t id, ek_where where);

#endif
