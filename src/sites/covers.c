/* sites/covers.c - the nodes that make something up. */
#include <stdlib.h>

#include "sites/search.h"

static bool is_stop(const ek_scene *s, const int32_t *stop, int n, int32_t t)
{
    for (int i = 0; i < n; i++)
        if (stop[i] == s->root[t]) return true;
    return false;
}

static int ascending(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

    return (x > y) - (x < y);
}

typedef struct walk {
    ek_search *q;
    int32_t *stack, *node; /* tensors to look at; nodes found */
    int64_t n_stack, cap_stack, n, cap;
} walk;

static bool push(walk *w, int32_t t)
{
    if (!EK_GROW(w->stack, w->cap_stack, w->n_stack + 1)) return false;
    w->stack[w->n_stack++] = t;
    return true;
}

/* The inputs whose values matter. */
static bool push_inputs(walk *w, const ek_node *n)
{
    static const char *const shape_only[] = {"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike"};
    const ek_scene *s = w->q->s;

    if (ek__is_one_of(n, shape_only, EK_COUNT_OF(shape_only))) return true;
    for (int i = 0; i < n->n_in; i++) {
        if (ek__is_type(n, "Switch") && i > 0) break;
        if (s->dead[ek__scene_in(s, n, i)]) continue;
        if (!push(w, ek__scene_in(s, n, i))) return false;
    }
    return true;
}

static bool visit(walk *w, int32_t t, const int32_t *stop, int n_stops)
{
    static const char *const sources[] = {
        "VariableV2", "Variable", "VarHandleOp", "Placeholder", "PlaceholderWithDefault", "ReadVariableOp"};
    const ek_node *n = ek__scene_node(w->q->s, t);
    const bool stops = is_stop(w->q->s, stop, n_stops, t);

    if (w->q->mark[n->id] || ek__is_one_of(n, sources, EK_COUNT_OF(sources))) return true;
    if (stops && !ek__is_type(n, "Switch") && !ek__is_type(n, "Merge")) return true;
    w->q->mark[n->id] = 1;
    if (!EK_GROW(w->node, w->cap, w->n + 1)) return false;
    w->node[w->n++] = n->id;
    return stops || push_inputs(w, n);
}

ek_status ek__cover(ek_search *q, const int32_t *from, int n, const int32_t *stop, int n_stops, const ek_found *outside,
                    int32_t **out, int *n_out)
{
    walk w = {.q = q};
    bool ok = true;

    *out = NULL;
    *n_out = 0;
    for (int i = 0; outside != NULL && i < outside->n_covers; i++) q->mark[outside->covers[i]] = 1;
    for (int i = 0; ok && i < n; i++) ok = push(&w, from[i]);
    while (ok && w.n_stack > 0) ok = visit(&w, w.stack[--w.n_stack], stop, n_stops);
    for (int64_t i = 0; i < w.n; i++) q->mark[w.node[i]] = 0;
    for (int i = 0; outside != NULL && i < outside->n_covers; i++) q->mark[outside->covers[i]] = 0;
    if (ok && w.n > 0) qsort(w.node, (size_t)w.n, sizeof *w.node, ascending);
    if (ok) *out = ek__arena_memdup(q->arena, w.n > 0 ? w.node : (int32_t[]){0}, (size_t)w.n * sizeof *w.node);
    ok = ok && *out != NULL;
    if (ok) *n_out = (int)w.n;
    ek__free(w.stack);
    ek__free(w.node);
    return ok ? EK_OK : ek__search_no_memory(q);
}
