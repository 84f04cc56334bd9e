/* graph/node.h - the graph from inside: nodes, what surrounds their building, lookups.
 *
 * A graph is an append-only array of nodes in creation order. Node ids are their places.
 * Everything a node points to lives in the graph's arena and dies with the graph.
 */
#ifndef EK_GRAPH_NODE_H
#define EK_GRAPH_NODE_H

#include <pthread.h>

#include "evenkeel/graph.h"
#include "graph/op.h"

/* One end of a data edge: output `index` of node `node`. */
typedef struct ek_edge {
    int32_t node, index;
} ek_edge;

typedef struct ek_node {
    const char *name, *type, *device; /* device "" if none */
    const ek_op_spec *spec;           /* NULL: no definition */
    const void *attrs;                /* parsed form; NULL if none */
    ek_attr *attr;                    /* generic, in the order added; files sort them by name */
    int n_attr;
    int32_t id, n_in, n_control, n_out;
    ek_edge *in;
    int32_t *control;                 /* in the order added */
    ek_dtype *in_dtype, *out_dtype;   /* may be reference types */
    ek_shape *out_shape;              /* static */
    ek_shape *out_handle;             /* shape of the variable behind a resource output; NULL if none */
    ek_array *constant;               /* the value of a Const; borrowed from its attribute */
    int32_t context;                  /* innermost control-flow context it was made in; 0: none */
    bool unfetchable, unfeedable;
    const void *controller;           /* innermost control_dependencies scope it was made in; graph/scope.h */
    ek_array **folded;                /* per output, what constant.c found; NULL: not asked yet */
    ek_where where;                   /* the caller's line, {0} for imported nodes */
    const uint8_t *raw;               /* its NodeDef as imported, while untouched; NULL otherwise */
    size_t raw_size;
} ek_node;

/* Whether the attribute data_format puts the channels behind the batch: "NCHW" and its kin. */
static inline bool ek__attr_channels_first(const ek_node *n)
{
    const ek_attr_value *a = ek__attr_find(n->attr, n->n_attr, "data_format");

    return a != NULL && a->kind == EK_ATTR_STRING && a->u.s.size >= 2 && memcmp(a->u.s.data, "NC", 2) == 0;
}

/* What a variable consists of; ek_variable is its place here. */
typedef struct ek_variable_info {
    const char *name;       /* op name, without ":0" */
    int32_t op;             /* VariableV2 or VarHandleOp */
    int32_t initializer;    /* the Assign op */
    ek_edge initial_value;
    ek_edge snapshot;       /* V/read, or V/Read/ReadVariableOp */
    ek_dtype dtype;         /* base type */
    ek_shape shape;
    bool trainable, is_resource, in_store; /* in_store: made by get_variable */
    int synchronization, aggregation; /* ek_synchronization, ek_aggregation */
    ek_where where;
    const void *constraint; /* an ek_constraint in the arena, for optimizers; NULL: none */
    const void *slice;      /* of a part: its SaveSliceInfoDef as in the file, which part of what it is; NULL: a whole */
    size_t slice_size;
    int32_t n_parts, axis;  /* of a variable in parts along an axis: it has no node (op -1), its parts have; 0: it is one */
    const int32_t *part;    /* their places */
} ek_variable_info;

/* An empty graph over a set of definitions, which must outlive it. NULL only without memory. */
ek_graph *ek__graph_create(const ek_registry *registry);

struct ek_graph {
    ek_arena arena;
    const ek_registry *registry;
    ek_node **node;
    int64_t n_nodes, cap_nodes;
    int64_t n_outputs;          /* of all nodes together */
    ek_map by_name;
    ek_variable_info **variable;
    int64_t n_variables, cap_variables;
    ek_error error;             /* the first failure of a sticky call */
    struct ek_graph_scopes *scopes; /* name stack, variable scopes, control dependencies, contexts: graph/scope.c */
    struct ek_collections *collections;
    struct ek_vscopes *variable_scopes; /* variable scopes and the store of get_variable: graph/variable_scope.c */
    /* from a file */
    int32_t producer, min_consumer;
    const uint8_t *raw_rest;    /* GraphDef fields other than node: versions, library, unknown; in wire form */
    size_t raw_rest_size;
    bool imported_whole;
    struct ek_graph_meta *meta; /* what else its MetaGraphDef said: formats/meta.h; in the arena, NULL: nothing */
    const struct ek_saver_def *saver_def; /* of the last saver made here; in the arena, NULL: none */
    struct ek_saver *saver;     /* the one that came with its file, once asked for: saver/saver.h; in the arena */
    bool has_graph_seed, finalized, use_resource;
    int64_t graph_seed;
    uint64_t version;           /* nodes and attributes added so far; a session notices growth by it */
    void *source;               /* a mapped file that raw bytes point into; freed by source_release */
    void (*source_release)(void *source);
    /* made on demand by floors above and freed with the graph: the recogniser's findings, ... */
    ek_map worked_out;          /* pairs of shapes whose broadcasting gradients worked out once: ops/grad.c */
    pthread_mutex_t fold_lock;  /* guards node->folded: planning threads share what one of them found */
    pthread_rwlock_t lock;      /* one builder, many readers: sessions planning while nobody builds */
};

static inline const ek_node *ek__node(const ek_graph *g, int32_t id) { return g->node[id]; }

/* An empty graph whose ops are those of `registry` (borrowed: it outlives the graph). NULL only without memory. */
ek_graph *ek__graph_create(const ek_registry *registry);

/* Everything that makes a node. Names follow the rules of the current scopes; name NULL: the type; a name that ends
 * in '/' is taken literally. Attributes may leave out what follows from the inputs' types and what has a default.
 * Control inputs of the scopes are added. In a cond context, outer inputs come through their Switch. */
typedef struct ek_node_args {
    const char *type, *name;
    const ek_tensor *in;
    int n_in;
    const ek_attr *attr;     /* copied; tensors referenced */
    int n_attr;
    const ek_op *control;    /* besides those of the scopes */
    int n_control;
    const char *const *colocate; /* names for _class, "loc:@" is added; sorted by the caller */
    int n_colocate;
    const char *device;
    ek_where where;
} ek_node_args;
/* The op, dead (id < 0) after a failure, which is then recorded in the graph. */
ek_op ek__node_build(ek_graph *g, const ek_node_args *args);

/* Whether nothing more may be added; a failure is then recorded. */
bool ek__graph_closed(ek_graph *g, ek_where where);
/* Sticky failure: records it with the caller's place (without a graph in ek_last_error()), returns nothing useful on
 * purpose. */
void ek__graph_fail(ek_graph *g, ek_where where, ek_status code, const char *fmt, ...) EK_PRINTF(4, 5);
/* The same from a record that a callee filled; `node` names the node at fault, or is NULL. */
void ek__graph_fail_from(ek_graph *g, ek_where where, const ek_error *from, const char *node);

/* Guards of what callers hand over. False: it is refused, and the graph has failed (without one: ek_last_error()).
 * EK_OPTIONS_OK   options that are there and no shorter than this library's
 * EK_GRAPH_OK     a graph
 * EK_LIST_OK      a list of n things has n things: { NULL, 3 } and { p, -1 } are refused. `what` names it: ".perm" */
#define EK_OPTIONS_OK(g, o, where) EK_OPTIONS_OF(g, o, __func__, where)
/* Where the call that was made has another name. */
#define EK_OPTIONS_OF(g, o, who, where) \
    ek__options_ok((g), (o), (o) != NULL ? (o)->size : 0, sizeof *(o), (who), (where))
#define EK_GRAPH_OK(g, where) ek__graph_ok((g), __func__, (where))
#define EK_LIST_OK(g, list, what, where) ek__list_ok((g), (list).at, (list).n, (what), (where))
#define EK_ITEMS_OK(g, list, where) ek__list_ok((g), (list).item, (list).count, "of items", (where))
bool ek__options_ok(ek_graph *g, const void *o, size_t size, size_t needed, const char *who, ek_where where);
bool ek__graph_ok(const ek_graph *g, const char *who, ek_where where);
bool ek__list_ok(ek_graph *g, const void *at, int64_t n, const char *what, ek_where where);

/* The public lookups, with a record of one's own. */
ek_status ek__op_by_name(const ek_graph *g, const char *name, ek_op *out, ek_error *err);
ek_status ek__tensor_by_name(const ek_graph *g, const char *name, ek_tensor *out, ek_error *err);
/* Places of an operation; -1: none of that name. */
int32_t ek__node_find(const ek_graph *g, const char *name, size_t size);

/* For importers: appends a node as it came. No scopes, no shape inference (ek__graph_infer does it, in any order of
 * nodes). */
ek_status ek__node_append(ek_graph *g, ek_node *n, ek_error *err);
/* Infers static shapes of nodes [from, n_nodes) in topological order, loops cut at NextIteration. Contradictions are
 * errors. */
ek_status ek__graph_infer(ek_graph *g, int64_t from, ek_error *err);

/* The value of a tensor if it follows from constants alone (small ones; evaluated through the definitions), as a new
 * reference, else NULL. For builders: a lack of memory is recorded in the graph. */
ek_array *ek__constant_value(const ek_graph *g, ek_edge e);
/* What is known of an integer vector's elements, as a shape. */
ek_shape ek__constant_value_as_shape(const ek_graph *g, ek_edge e);

/* Whether it is a variable, of whichever sort: what holds values from run to run. */
static inline bool ek__is_variable_node(const ek_node *n)
{
    return strcmp(n->type, "VariableV2") == 0 || strcmp(n->type, "Variable") == 0 || strcmp(n->type, "VarHandleOp") == 0;
}

static inline ek_tensor ek__tensor(const ek_graph *g, ek_edge e)
{
    return (ek_tensor){ (ek_graph *)(uintptr_t)g, e.node, e.index };
}
static inline ek_edge ek__edge(ek_tensor t) { return (ek_edge){ t.op, t.index }; }
/* Whether a handle stands for something in this graph: numbers that no call gave out are refused like dead ones. */
static inline bool ek__op_in(const ek_graph *g, ek_op op)
{
    return g != NULL && op.graph == g && op.id >= 0 && op.id < g->n_nodes;
}
static inline bool ek__tensor_in(const ek_graph *g, ek_tensor t)
{
    return ek__op_in(g, (ek_op){ t.graph, t.op }) && t.index >= 0 && t.index < g->node[t.op]->n_out;
}
static inline bool ek__variable_in(const ek_graph *g, ek_variable v)
{
    return g != NULL && v.graph == g && v.id >= 0 && v.id < g->n_variables;
}
static inline ek_tensor ek__dead(ek_graph *g) { return (ek_tensor){ g, -1, 0 }; }

/* Evaluates one pure op on arrays: shape, prepare, run. Outputs are new references. in[] may not hold NULL.
 * Lives here because constants are folded here; ops/eval.h offers it by name. */
ek_status ek__def_eval(const ek_op_def *def, const void *attrs, int n_in, const ek_array *const *in, int n_out,
                       const ek_dtype *out_dtype, ek_array **out, ek_error *err);

#endif
