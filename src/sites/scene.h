/* sites/scene.h - a graph laid out for the recogniser: order, sizes, branches, names that mean the same tensor.
 *
 * Tensors are places: first[node] + output. Unknown sizes are made up (a batch of 12, 6 elsewhere), so that shapes and
 * what follows from them are numbers; predicates that nobody knows are assumed. Whoever reads a scene sees neither
 * Identity nor Switch nor Merge: `root` is the tensor behind them.
 */
#ifndef EK_SITES_SCENE_H
#define EK_SITES_SCENE_H

#include "graph/view.h"

enum { EK_MADE_UP_BATCH = 12, EK_MADE_UP_SIZE = 6 };
enum { EK_DEAD_AS_ASSUMED = 1, EK_DEAD_SURELY = 2 };

typedef struct ek_scene {
    const ek_view *view;
    const ek_graph *g;
    bool assume;  /* what predicates that cannot be known are taken for */
    bool assumed; /* there are such */
    ek_arena arena;
    int64_t n_nodes, n_tensors;
    int32_t *first;             /* per node, and one more */
    int32_t *node_of;           /* per tensor */
    int32_t *order, *rank;      /* nodes with inputs first, and the place of each among them */
    ek_shape *shape;            /* per tensor: concrete, or of unknown rank; of the variable behind a handle */
    ek_array **value;           /* per tensor: what follows from sizes, integers, booleans and scalars alone */
    int32_t *root;              /* per tensor */
    uint8_t *dead;              /* per tensor: on a branch that is not taken; EK_DEAD_SURELY: and nothing of it is assumed */
    uint8_t *dead_node;         /* per node */
    uint8_t *floats;            /* per tensor: of a real type, or the handle of such a variable */
    uint8_t *data;              /* per node: depends on what is fed */
    uint8_t *guess;             /* per node: a Switch or Select whose predicate was assumed */
    int32_t *user_first, *user; /* per root: the live nodes that read it and are no alias themselves, in order */
} ek_scene;

/* With `assume` for what is not known. RESOURCE_EXHAUSTED only. Close it in any case. */
ek_status ek__scene_open(ek_scene *s, const ek_view *view, bool assume, ek_error *err);
void ek__scene_close(ek_scene *s);

static inline const ek_node *ek__scene_node(const ek_scene *s, int32_t tensor)
{
    return s->g->node[s->node_of[tensor]];
}
static inline int32_t ek__scene_in(const ek_scene *s, const ek_node *n, int i)
{
    return s->first[n->in[i].node] + n->in[i].index;
}
/* The tensor behind input i. */
static inline int32_t ek__scene_root_in(const ek_scene *s, const ek_node *n, int i)
{
    return s->root[ek__scene_in(s, n, i)];
}
static inline bool ek__scene_sized(const ek_scene *s, int32_t tensor)
{
    return s->shape[tensor].rank >= 0;
}
/* The same tensor as the graph calls it; node -1 for -1. */
static inline ek_edge ek__scene_edge(const ek_scene *s, int32_t tensor)
{
    return tensor < 0 ? (ek_edge){-1, 0} : (ek_edge){s->node_of[tensor], tensor - s->first[s->node_of[tensor]]};
}
/* Elements; 0 where not known. */
static inline int64_t ek__scene_count(const ek_scene *s, int32_t tensor)
{
    return ek__scene_sized(s, tensor) ? ek_shape_count(&s->shape[tensor]) : 0;
}
static inline bool ek__is_type(const ek_node *n, const char *type)
{
    return strcmp(n->type, type) == 0;
}
bool ek__is_one_of(const ek_node *n, const char *const *types, int count);
/* Through what changes no number: aliases, a Reshape or Sum to the same shape, an AddN of one. */
int32_t ek__scene_canon(const ek_scene *s, int32_t tensor);
/* A node's attributes, with their defaults. */
double ek__attr_float(const ek_node *n, const char *name, double missing);
bool ek__attr_bool(const ek_node *n, const char *name, bool missing);
/* Whether an ascending list of nodes has this one. */
bool ek__among(const int32_t *list, int n, int32_t node);

/* What is known of the shape of output 0 of an op without a definition (undefined.c). */
void ek__shape_undefined(ek_scene *s, const ek_node *n);

/* Nodes waiting in topological order, each once. */
typedef struct ek_queue {
    const ek_scene *s;
    int32_t *heap; /* ranks */
    int64_t n, cap;
    uint32_t *stamp, now; /* per node: queued in this round */
    bool failed;
} ek_queue;
bool ek__queue_open(ek_queue *q, const ek_scene *s);
void ek__queue_close(ek_queue *q);
void ek__queue_restart(ek_queue *q);
void ek__queue_push(ek_queue *q, int32_t node);
int32_t ek__queue_pop(ek_queue *q); /* -1: empty */
static inline bool ek__queue_had(const ek_queue *q, int32_t node)
{
    return q->stamp[node] == q->now;
}

#endif
