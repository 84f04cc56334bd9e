/* graph/scope.c - the stack of scopes, name scopes, colocation, control dependencies. */
#include "graph/scope.h"

/* ---- the stack ------------------------------------------------------------------------------- */

ek_scope ek__scope_push(ek_graph *g, const ek_scope_state *next, const char *what, const char *name, ek_where where,
                        void (*leave)(ek_graph *g, void *arg), void *arg)
{
    struct ek_graph_scopes *s = g->scopes;

    if (!EK_GROW(s->frame, s->cap, s->depth + 1)) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory to open a %s", what);
        return (ek_scope){ g, 0, true };
    }
    s->frame[s->depth++] = (ek_scope_frame){ s->now, what, name, where, leave, arg };
    s->now = *next;
    return (ek_scope){ g, (int32_t)s->depth, true };
}

static void close_innermost(ek_graph *g)
{
    struct ek_graph_scopes *s = g->scopes;
    const ek_scope_frame frame = s->frame[s->depth - 1];

    if (frame.leave != NULL) frame.leave(g, frame.arg);
    s->depth--;
    s->now = frame.before;
}

void ek_scope_pop(ek_scope *scope)
{
    ek_graph *g = scope != NULL ? scope->graph : NULL;

    if (g == NULL || scope->depth <= 0) return;
    while (g->scopes->depth > scope->depth) {
        const ek_scope_frame *inner = ek__scope_open(g);
        ek__graph_fail(g, inner->where, EK_FAILED_PRECONDITION,
                       "the %s opened here was still open when one around it was closed; scopes close innermost first",
                       inner->what);
        close_innermost(g);
    }
    if (g->scopes->depth == scope->depth) close_innermost(g);
    scope->depth = 0;
    scope->once = false;
}

const ek_scope_frame *ek__scope_open(const ek_graph *g)
{
    return g->scopes->depth > 0 ? &g->scopes->frame[g->scopes->depth - 1] : NULL;
}

void ek__scope_close_all(ek_graph *g)
{
    while (g->scopes->depth > 0) close_innermost(g);
}

/* ---- name scopes ----------------------------------------------------------------------------- */

ek_scope ek_name_scope_push(ek_graph *g, const char *name, ek_where where)
{
    ek_scope_state next;

    if (!EK_GRAPH_OK(g, where)) return (ek_scope){ NULL, 0, true };
    next = *ek__scope_now(g);
    next.name = ek__name_scope_enter(g, name, where);
    if (next.name == NULL) next.name = ek__scope_now(g)->name;
    return ek__scope_push(g, &next, "name scope", next.name, where, NULL, NULL);
}

/* ---- control dependencies -------------------------------------------------------------------- */

/* The operation behind an item, or -1 after a failure, which is recorded. */
static int32_t item_op(ek_graph *g, ek_item item, ek_where where)
{
    static const char *const python[] = { [EK_ITEM_INT] = "int", [EK_ITEM_CONTEXT] = "context", [EK_ITEM_FLOAT] = "float",
                                          [EK_ITEM_BYTES] = "bytes", [EK_ITEM_ANY] = "Any" };
    ek_tensor t = { g, -1, 0 };
    ek_op op = { g, -1 };
    ek_error err = { 0 };

    switch (item.kind) {
    case EK_ITEM_OP: op = item.u.op; break;
    case EK_ITEM_TENSOR: op = (ek_op){ item.u.tensor.graph, item.u.tensor.op }; break;
    case EK_ITEM_VARIABLE:
        if (ek__variable_in(g, item.u.variable)) op.id = g->variable[item.u.variable.id]->op;
        break;
    case EK_ITEM_STRING:
        if (item.u.string == NULL) break;
        if (strchr(item.u.string, ':') != NULL && ek__tensor_by_name(g, item.u.string, &t, &err) == EK_OK) op.id = t.op;
        else if (err.code == EK_OK) (void)ek__op_by_name(g, item.u.string, &op, &err);
        if (err.code != EK_OK) ek__graph_fail_from(g, where, &err, NULL);
        break;
    default:
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Can not convert a %s into a Tensor or Operation.",
                       item.kind < EK_COUNT_OF(python) && python[item.kind] != NULL ? python[item.kind] : "NoneType");
        return -1;
    }
    if (ek__op_in(g, op)) return op.id;
    if (op.graph != g && op.id >= 0)
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Operation '%s' is not an element of this graph.",
                       ek_op_name(op));
    else
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "a control dependency is dead: the call that made it failed");
    return -1;
}

static bool contributed(const ek_controller *c, int32_t op)
{
    for (; c != NULL; c = c->outer)
        for (int32_t i = 0; i < c->n; i++)
            if (c->op[i] == op) return true;
    return false;
}

ek_scope ek_control_dependencies_push(ek_graph *g, ek_list list, ek_where where)
{
    ek_scope_state next;
    ek_controller *c;
    int32_t *ops;

    if (!EK_GRAPH_OK(g, where)) return (ek_scope){ NULL, 0, true };
    if (!EK_ITEMS_OK(g, list, where)) list.count = 0;
    next = *ek__scope_now(g);
    c = EK_ARENA_NEW(&g->arena, ek_controller, 1);
    ops = EK_ARENA_NEW(&g->arena, int32_t, list.count + 1);
    if (c == NULL || ops == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for control dependencies");
        return (ek_scope){ g, 0, true };
    }
    c->op = ops;
    c->outer = next.controller;
    for (int64_t i = 0; i < list.count; i++) {
        const int32_t op = item_op(g, list.item[i], where);
        if (op >= 0 && !contributed(c, op)) ops[c->n++] = op;
    }
    next.controller = c;
    return ek__scope_push(g, &next, "control_dependencies scope", NULL, where, NULL, NULL);
}

ek_scope ek_control_dependencies_clear_push(ek_graph *g, ek_where where)
{
    ek_scope_state next;

    if (!EK_GRAPH_OK(g, where)) return (ek_scope){ NULL, 0, true };
    next = *ek__scope_now(g);
    next.controller = NULL;
    next.context = 0;
    return ek__scope_push(g, &next, "control_dependencies scope", NULL, where, NULL, NULL);
}

/* ---- colocation ------------------------------------------------------------------------------ */

/* Adds a name to a sorted list that has room for it. */
static void insert_name(const char **list, int32_t *n, const char *name)
{
    int32_t at = 0;

    while (at < *n && strcmp(list[at], name) < 0) at++;
    if (at < *n && strcmp(list[at], name) == 0) return;
    memmove(list + at + 1, list + at, (size_t)(*n - at) * sizeof *list);
    list[at] = name;
    ++*n;
}

static const char *group_name(const ek_attr_value *classes, int32_t i)
{
    const char *s = classes->u.ss[i].data;

    return s != NULL && strncmp(s, "loc:@", 5) == 0 ? s + 5 : NULL;
}

bool ek__colocation_of(ek_graph *g, const int32_t *op, int n, const ek_colocation *with, ek_colocation *out)
{
    int64_t room = with != NULL ? with->n : 0;
    const char **list;
    int32_t count = 0;

    for (int i = 0; i < n; i++) {
        const ek_attr_value *classes = ek__attr_find(g->node[op[i]]->attr, g->node[op[i]]->n_attr, "_class");
        room += 1 + (classes != NULL ? classes->count : 0);
    }
    list = EK_ARENA_NEW(&g->arena, const char *, room + 1);
    if (list == NULL) return false;
    for (int32_t i = 0; with != NULL && i < with->n; i++) list[count++] = with->name[i];
    for (int i = 0; i < n; i++) {
        const ek_node *node = g->node[op[i]];
        const ek_attr_value *classes = ek__attr_find(node->attr, node->n_attr, "_class");
        bool own = true;
        for (int32_t k = 0; classes != NULL && classes->kind == (EK_ATTR_LIST | EK_ATTR_STRING) && k < classes->count;
             k++) {
            const char *name = group_name(classes, k);
            if (name == NULL) continue;
            insert_name(list, &count, name);
            own = false;
        }
        if (own) insert_name(list, &count, node->name);
    }
    *out = (ek_colocation){ list, count };
    return true;
}

ek_scope ek__colocate_push(ek_graph *g, const int32_t *op, int n, bool alone, ek_where where)
{
    ek_scope_state next = *ek__scope_now(g);
    ek_colocation *c = EK_ARENA_NEW(&g->arena, ek_colocation, 1);

    if (c == NULL || !ek__colocation_of(g, op, n, alone ? NULL : next.colocation, c)) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for a colocation");
        return (ek_scope){ g, 0, true };
    }
    next.colocation = c->n > 0 ? c : NULL;
    return ek__scope_push(g, &next, "colocation scope", NULL, where, NULL, NULL);
}
