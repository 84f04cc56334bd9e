/* graph/variable_scope.h - variable scopes and the store that get_variable looks into.
 *
 * A variable scope is a name for variables (which name scopes do not touch), a mode of sharing, and
 * defaults for the variables made inside. What an initializer or a regularizer is this floor does not
 * know: it hands them down from scope to scope.
 */
#ifndef EK_GRAPH_VARIABLE_SCOPE_H
#define EK_GRAPH_VARIABLE_SCOPE_H

#include "graph/scope.h"

/* Values of the public ek_reuse. */
enum { EK_VSCOPE_NEW = 0, EK_VSCOPE_REUSE = 1, EK_VSCOPE_AUTO = 2 };

/* All of it lives in the graph's arena and never changes. */
typedef struct ek_vscope {
    const char *name;       /* "" at the root, "net/block" */
    const char *name_scope; /* the one it was first opened with, with its trailing '/'; "" at the root */
    int reuse;
    ek_dtype dtype;
    ek_tristate use_resource;
    const void *initializer, *regularizer, *constraint, *partitioner; /* NULL: none */
} ek_vscope;

typedef struct ek_vscope_args {
    const char *name;          /* NULL: default_name, made unique among the variable scopes here */
    const char *default_name;
    const ek_vscope *again;    /* re-enters this one; `name` is not looked at */
    int reuse;                 /* EK_VSCOPE_NEW: inherited */
    ek_dtype dtype;            /* NONE: inherited */
    ek_tristate use_resource;  /* EK_DEFAULT: inherited */
    const void *initializer, *regularizer, *partitioner; /* NULL: inherited */
    const void *constraint;    /* never inherited, as in TensorFlow */
    bool no_name_scope;        /* leaves the name scope as it is */
} ek_vscope_args;

/* Opens a variable scope and, beside it, a name scope of the same name. */
ek_scope ek__vscope_push(ek_graph *g, const ek_vscope_args *a, ek_where where);
/* The current one; the root's is there always. */
const ek_vscope *ek__vscope_now(const ek_graph *g);

/* The variable that get_variable made under this full name; -1: none. */
int32_t ek__vstore_find(const ek_graph *g, const char *full);
/* `full` lives in the arena. False without memory. */
bool ek__vstore_add(ek_graph *g, const char *full, int32_t variable);

/* ek_graph_destroy's part. */
void ek__vscopes_fini(ek_graph *g);

#endif
