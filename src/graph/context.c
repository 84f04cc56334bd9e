/* graph/context.c - control-flow contexts: how a branch of a cond sees what was made outside. */
#include "graph/build.h"

enum { TOO_DEEP = 64 }; /* conds inside conds */

void ek__node_place(ek_graph *g, int32_t id, int32_t context)
{
    pthread_rwlock_wrlock(&g->lock); /* sessions may be planning */
    g->node[id]->context = context;
    g->node[id]->unfetchable = true;
    pthread_rwlock_unlock(&g->lock);
}

bool ek__context_within(const ek_graph *g, int32_t id, int32_t outer)
{
    while (id != outer && id != 0) id = ek__context(g, id)->outer;
    return id == outer;
}

ek_context *ek__context_restore(ek_graph *g, const char *name, int32_t outer)
{
    struct ek_graph_scopes *s = g->scopes;
    ek_context *c = EK_ARENA_NEW(&g->arena, ek_context, 1);

    if (c == NULL || !EK_GROW(s->context, s->cap_contexts, s->n_contexts + 1)) return NULL;
    c->name = ek__arena_strdup(&g->arena, name);
    if (c->name == NULL) return NULL;
    c->outer = outer;
    s->context[s->n_contexts++] = c;
    c->id = (int32_t)s->n_contexts;
    return c;
}

ek_context *ek__context_create(ek_graph *g, const char *name, ek_edge pred, ek_edge pivot, int branch, ek_where where)
{
    const ek_scope_state *now = ek__scope_now(g);
    const char *unique;
    ek_context *c;
    int deep = 0;

    for (int32_t id = now->context; id != 0; id = ek__context(g, id)->outer) deep++;
    if (deep > TOO_DEEP) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "conds are nested more than %d deep", TOO_DEEP);
        return NULL;
    }
    unique = ek__unique_name_in(g, now->name, name, true);
    c = unique != NULL ? ek__context_restore(g, unique, now->context) : NULL;
    if (c == NULL || !ek__context_map(g, c, pred, pred)) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for a control-flow context");
        return NULL;
    }
    c->pred = pred;
    c->pivot = pivot;
    c->branch = branch;
    c->where = where;
    ek__node_place(g, pivot.node, c->id);
    return c;
}

static int64_t external_place(const ek_context *c, ek_edge e)
{
    return ek__map_get(&c->by_outer, (const char *)&e, sizeof e, -1);
}

bool ek__context_map(ek_graph *g, ek_context *c, ek_edge outer, ek_edge inner)
{
    const int64_t at = external_place(c, outer);
    ek_edge *key;

    if (at >= 0) {
        c->external[at].inner = inner;
        return true;
    }
    key = ek__arena_memdup(&g->arena, &outer, sizeof outer);
    if (key == NULL || !EK_GROW(c->external, c->cap_external, c->n_external + 1) ||
        !ek__map_put(&c->by_outer, (const char *)key, sizeof *key, c->n_external))
        return false;
    c->external[c->n_external++] = (ek_external){ outer, inner, false };
    return true;
}

/* Switch or RefSwitch of a tensor on the context's predicate, placed with the tensor; the output of the context's
 * branch. */
static ek_edge make_switch(ek_graph *g, const ek_context *c, ek_edge e, ek_where where)
{
    const bool is_ref = ek_dtype_is_ref(g->node[e.node]->out_dtype[e.index]);
    ek_scope scope = ek__colocate_push(g, &e.node, 1, true, where);
    const ek_tensor in[2] = { ek__tensor(g, e), ek__tensor(g, c->pred) };
    const ek_op op = ek__node_build(
        g, &(ek_node_args){
               .type = is_ref ? "RefSwitch" : "Switch", .name = "Switch", .in = in, .n_in = 2, .where = where });

    ek_scope_pop(&scope);
    return (ek_edge){ op.id, c->branch };
}

static bool own(const ek_graph *g, const ek_context *c, ek_edge e)
{
    return ek__context_within(g, g->node[e.node]->context, c->id);
}

static bool map_or_fail(ek_graph *g, ek_context *c, ek_edge outer, ek_edge inner, ek_where where)
{
    if (ek__context_map(g, c, outer, inner)) return true;
    ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for the inputs of a control-flow context");
    return false;
}

/* The tensor as the context around c sees it, recorded as seen by c. */
static ek_edge through_outer(ek_graph *g, ek_context *c, ek_edge e, const char *prefix, ek_where where)
{
    ek_edge outer = e;

    if (c->outer == 0) return e;
    outer = ek__context_value(g, ek__context(g, c->outer), e, prefix, where);
    if (outer.node >= 0 && !map_or_fail(g, c, outer, outer, where)) outer.node = -1;
    return outer;
}

ek_edge ek__context_value(ek_graph *g, ek_context *c, ek_edge e, const char *prefix, ek_where where)
{
    const int64_t at = external_place(c, e);
    ek_edge inner;
    ek_scope scope;
    ek_scope_state state;

    if (at >= 0) return c->external[at].inner;
    if (own(g, c, e)) return e;
    inner = through_outer(g, c, e, prefix, where);
    if (inner.node < 0) return inner;
    state = *ek__scope_now(g);
    state.controller = NULL;
    state.context = 0;
    state.name = prefix;
    scope = ek__scope_push(g, &state, "control-flow context", NULL, where, NULL, NULL);
    inner = make_switch(g, c, inner, where);
    ek_scope_pop(&scope);
    if (inner.node < 0) return inner;
    ek__node_place(g, inner.node, c->id);
    return map_or_fail(g, c, e, inner, where) ? inner : (ek_edge){ -1, 0 };
}

ek_edge ek__context_result(ek_graph *g, ek_context *c, ek_edge e, ek_where where)
{
    const int64_t at = external_place(c, e);
    ek_edge inner;

    if (at >= 0) return c->external[at].inner;
    if (own(g, c, e)) return e;
    /* Seen as it is while its Switch is made inside the context. */
    if (!map_or_fail(g, c, e, e, where)) return (ek_edge){ -1, 0 };
    inner = through_outer(g, c, e, ek__scope_now(g)->name, where);
    if (inner.node >= 0) inner = make_switch(g, c, inner, where);
    if (inner.node < 0 || !map_or_fail(g, c, e, inner, where)) return (ek_edge){ -1, 0 };
    c->external[external_place(c, e)].result = true;
    return inner;
}

/* ---- a new node inside a context ------------------------------------------------------------- */

static bool has_inner_control(const ek_graph *g, const ek_node *n, int32_t context)
{
    for (int32_t i = 0; i < n->n_control; i++)
        if (ek__context_within(g, g->node[n->control[i]]->context, context)) return true;
    return false;
}

static bool wait_for_pivot(ek_graph *g, ek_node *n, const ek_context *c)
{
    bool ok = true;

    if (has_inner_control(g, n, c->id)) return true;
    pthread_rwlock_wrlock(&g->lock);
    ok = ek__add_control(g, n, c->pivot.node);
    pthread_rwlock_unlock(&g->lock);
    return ok;
}

bool ek__context_enter(ek_graph *g, ek_node *n, ek_where where)
{
    ek_context *c = ek__context(g, n->context);

    if (c->imported != NULL) {
        ek__graph_fail(g, where, EK_UNIMPLEMENTED, "nothing can be built inside the while loop '%s'", c->name);
        return false;
    }
    if (n->n_in == 0) {
        if (wait_for_pivot(g, n, c)) return true;
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for a control input");
        return false;
    }
    for (int32_t i = 0; i < n->n_in; i++) {
        const ek_edge inner = ek__context_value(g, c, n->in[i], n->name, where);
        if (inner.node < 0) return false;
        pthread_rwlock_wrlock(&g->lock);
        n->in[i] = inner;
        pthread_rwlock_unlock(&g->lock);
    }
    return true;
}

ek_scope ek__context_push(ek_graph *g, int32_t id, ek_where where)
{
    ek_scope_state next = *ek__scope_now(g);

    next.context = id;
    return ek__scope_push(g, &next, "control-flow context", ek__context(g, id)->name, where, NULL, NULL);
}
