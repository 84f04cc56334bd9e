/* autodiff/gradients.c - tf.gradients: from the ys back to the xs, each operation once, its gradient's nodes built by what
 * ops/gradients.def names for it. */
#include "autodiff/gate.h"
#include "autodiff/walk.h"
#include "ops/emit.h"
#include "ops/registry.h"

/* ---- what is asked for ------------------------------------------------------------------------------ */

static bool refuse(ek_walk *w, ek_status code, const char *text)
{
    ek__graph_fail(w->g, w->where, code, "%s", text);
    return false;
}

/* An item as a tensor. A variable is its own memory (reference) or handle as an x, its value as a y. */
static ek_tensor item_tensor(ek_walk *w, ek_item item, bool value)
{
    ek_graph *g = w->g;

    if (item.kind == EK_ITEM_TENSOR) return item.u.tensor;
    if (item.kind == EK_ITEM_OP) return ek_op_output(item.u.op, 0);
    if (item.kind != EK_ITEM_VARIABLE || !ek__variable_in(g, item.u.variable)) return ek__dead(g);
    if (value) return ek__variable_value(item.u.variable, w->where);
    return (ek_tensor){ g, g->variable[item.u.variable.id]->op, 0 };
}

static ek_edge *edges_of(ek_walk *w, ek_list list, bool value, const char *what)
{
    ek_edge *e = EK_ARENA_NEW(&w->arena, ek_edge, list.count + 1);

    if (e == NULL) {
        refuse(w, EK_RESOURCE_EXHAUSTED, "no memory for gradients");
        return NULL;
    }
    for (int64_t i = 0; i < list.count; i++) {
        const ek_tensor t = item_tensor(w, list.item[i], value);
        if (!ek__tensor_in(w->g, t)) {
            ek__graph_fail(w->g, w->where, EK_INVALID_ARGUMENT,
                           "ek_gradients: %s[%lld] is dead or of another graph; a live tensor or variable is expected", what,
                           (long long)i);
            return NULL;
        }
        e[i] = ek__edge(t);
    }
    return e;
}

static ek_graph *graph_of(const ek_list *list)
{
    for (int64_t i = 0; i < list->count && list->item != NULL; i++) {
        const ek_item *it = &list->item[i];
        ek_graph *g = it->kind == EK_ITEM_TENSOR     ? it->u.tensor.graph
                      : it->kind == EK_ITEM_VARIABLE ? it->u.variable.graph
                      : it->kind == EK_ITEM_OP       ? it->u.op.graph
                                                     : NULL;
        if (g != NULL) return g;
    }
    return list->graph;
}

/* ---- what flows into the ys ------------------------------------------------------------------------- */

static const char *complaint_about(ek_dtype y, ek_dtype given)
{
    const bool real = ek_dtype_is_floating(y) || ek_dtype_is_integer(y);

    if (real && !(ek_dtype_is_floating(given) || ek_dtype_is_integer(given))) return "must be real or integer";
    if (ek_dtype_is_complex(y) && !ek_dtype_is_complex(given)) return "must be complex";
    return NULL;
}

static bool ones_for(ek_walk *w, ek_tensor y, int64_t i, ek_gradient *d)
{
    const ek_dtype t = ek_dtype_base(ek_tensor_dtype(y));
    char name[32];

    if (ek_dtype_is_complex(t)) {
        ek__graph_fail(w->g, w->where, EK_INVALID_ARGUMENT,
                       "Gradients of complex tensors must set grad_ys (y.dtype = %s)", ek_dtype_name(t));
        return false;
    }
    snprintf(name, sizeof name, "grad_ys_%lld", (long long)i);
    const ek_tensor shape = ek__op1(ek_shape_with, ek__of(y), NULL, w->where);
    const ek_tensor one = ek__const_scalar(w->g, t, 1, name, w->where);
    *d = ek_gradient_of(ek__emit2("Fill", shape, one, NULL, w->where));
    return ek_gradient_ok(*d);
}

static bool given_for(ek_walk *w, ek_tensor y, int64_t i, ek_gradient given, ek_gradient *d)
{
    const ek_dtype t = ek_dtype_base(ek_tensor_dtype(y)), its = ek_dtype_base(ek_tensor_dtype(given.value));
    const char *why = complaint_about(t, its);
    char name[48], y_name[256];

    if (!ek__tensor_in(w->g, given.value)) return refuse(w, EK_INVALID_ARGUMENT, "ek_gradients: a tensor of .grad_ys is of another graph");
    if (why != NULL) {
        ek_tensor_name(y, y_name, sizeof y_name);
        ek__graph_fail(w->g, w->where, EK_INVALID_ARGUMENT, "Gradient type %s generated for tensor %s with type %s %s",
                       ek_dtype_name(its), y_name, ek_dtype_name(t), why);
        return false;
    }
    *d = given;
    if (!ek_gradient_is_rows(given)) {
        snprintf(name, sizeof name, "grad_ys_%lld", (long long)i);
        d->value = ek__emit1("Identity", given.value, name, w->where);
        return ek_gradient_ok(*d);
    }
    snprintf(name, sizeof name, "grad_ys_%lld_indices", (long long)i);
    d->indices = ek__emit1("Identity", given.indices, name, w->where);
    snprintf(name, sizeof name, "grad_ys_%lld_values", (long long)i);
    d->value = ek__emit1("Identity", given.value, name, w->where);
    snprintf(name, sizeof name, "grad_ys_%lld_shape", (long long)i);
    if (ek_tensor_ok(given.dense_shape)) d->dense_shape = ek__emit1("Identity", given.dense_shape, name, w->where);
    return ek_gradient_ok(*d);
}

static ek_scope with_op(ek_walk *w, int32_t node)
{
    if (!w->o->colocate_gradients_with_ops) return (ek_scope){ NULL, 0, false };
    return ek__colocate_push(w->g, &node, 1, false, w->where);
}

static bool begin(ek_walk *w, const ek_edge *ys, int64_t n)
{
    ek_gradient *d = EK_ARENA_NEW(&w->arena, ek_gradient, n + 1);

    if (d == NULL) return refuse(w, EK_RESOURCE_EXHAUSTED, "no memory for gradients");
    for (int64_t i = 0; i < n; i++) {
        const ek_tensor y = ek__tensor(w->g, ys[i]);
        const bool given = w->o->grad_ys != NULL && ek_gradient_ok(w->o->grad_ys[i]);
        ek_scope scope = with_op(w, ys[i].node);
        const bool ok = given ? given_for(w, y, i, w->o->grad_ys[i], &d[i]) : ones_for(w, y, i, &d[i]);
        ek_scope_pop(&scope);
        if (!ok) return false;
    }
    for (int64_t i = 0; i < n; i++)
        if (!ek__walk_arrive(w, ys[i], d[i])) return refuse(w, EK_RESOURCE_EXHAUSTED, "no memory for gradients");
    return true;
}

/* ---- one operation ------------------------------------------------------------------------------------- */

static bool any(const ek_gradient *d, int n)
{
    for (int i = 0; i < n; i++)
        if (ek_gradient_ok(d[i])) return true;
    return false;
}

static bool undefined(ek_walk *w, const ek_node *n)
{
    static const char *const loop[] = { "Enter", "Exit", "NextIteration", "LoopCond", "RefEnter", "RefExit" };

    for (size_t i = 0; i < EK_COUNT_OF(loop); i++) {
        if (strcmp(n->type, loop[i]) != 0) continue;
        ek__graph_fail(w->g, w->where, EK_UNIMPLEMENTED,
                       "the gradient leads through the while loop of '%s' (op type: %s); loops cannot be differentiated yet, "
                       "name a tensor inside .stop_gradients to keep out of it", n->name, n->type);
        return false;
    }
    ek__graph_fail(w->g, w->where, EK_NOT_FOUND, "No gradient defined for operation '%s' (op type: %s)", n->name, n->type);
    return false;
}

static ek_gradient *through(ek_walk *w, const ek_node *n, const ek_op_gradient *f, ek_gradient *dy)
{
    ek_grad c = { .g = w->g, .n = n, .dy = dy, .where = w->where };
    const char *name = ek__arena_printf(&w->arena, "%s_grad", n->name);

    c.dx = EK_ARENA_NEW(&w->arena, ek_gradient, n->n_in + 1);
    if (name == NULL || c.dx == NULL) {
        refuse(w, EK_RESOURCE_EXHAUSTED, "no memory for gradients");
        return NULL;
    }
    for (int32_t i = 0; i < n->n_in; i++) c.dx[i] = ek_gradient_of(ek__dead(w->g));
    for (int32_t k = 0; k < n->n_out; k++)
        if (!ek_gradient_ok(dy[k])) dy[k] = ek__walk_zeros(w, n->id, k);
    EK_IN_SCOPE(ek_name_scope_push(w->g, name, w->where)) {
        for (int32_t k = 0; k < n->n_out && !f->takes_rows; k++)
            if (ek_gradient_is_rows(dy[k])) dy[k] = ek_gradient_of(ek_gradient_dense_at(dy[k], NULL, w->where));
        f->build(&c);
        if (w->o->gate_gradients) (void)ek__gate(w->g, c.dx, n->n_in, 2, w->where);
    }
    return c.dx;
}

static void known_shape(ek_walk *w, const ek_node *n, int32_t i, ek_tensor dx)
{
    const ek_shape have = ek_tensor_shape(dx), want = w->g->node[n->in[i].node]->out_shape[n->in[i].index];
    char a[256], b[256];
    ek_shape both;

    if (ek_dtype_base(n->in_dtype[i]) == EK_RESOURCE) return;
    if (ek_shape_merge(&have, &want, &both)) {
        ek_set_shape_at(dx, want, w->where);
        return;
    }
    (void)ek_shape_format(&want, a, sizeof a);
    (void)ek_shape_format(&have, b, sizeof b);
    ek__graph_fail(w->g, w->where, EK_INVALID_ARGUMENT,
                   "Incompatible shapes between op input and calculated input gradient.  Forward operation: %s.  Input "
                   "index: %d. Original input shape: %s.  Calculated input gradient shape: %s", n->name, (int)i, a, b);
}

static bool hand_on(ek_walk *w, const ek_node *n, const ek_gradient *dx)
{
    for (int32_t i = 0; i < n->n_in; i++) {
        if (dx != NULL && ek_gradient_ok(dx[i])) {
            if (!ek_gradient_is_rows(dx[i])) known_shape(w, n, i, dx[i].value);
            if (!ek__walk_arrive(w, n->in[i], dx[i])) return refuse(w, EK_RESOURCE_EXHAUSTED, "no memory for gradients");
        }
    }
    for (int32_t i = 0; i < n->n_in; i++)
        if (w->between[n->in[i].node] && --w->pending[n->in[i].node] == 0) w->queue[w->tail++] = n->in[i].node;
    return true;
}

static bool differentiate(ek_walk *w, int32_t node)
{
    const ek_node *n = ek__node(w->g, node);
    ek_gradient *sum, *dy, *dx = NULL;
    ek_scope scope = with_op(w, node);
    bool ok = true;

    sum = ek__walk_sum(w, node);
    dy = EK_ARENA_NEW(&w->arena, ek_gradient, n->n_out + 1);
    if (sum == NULL || dy == NULL) ok = refuse(w, EK_RESOURCE_EXHAUSTED, "no memory for gradients");
    if (ok && !w->stop[node] && any(sum, n->n_out)) {
        memcpy(dy, sum, (size_t)n->n_out * sizeof *dy);
        const ek_op_gradient *f = ek__op_gradient(n->type);
        if (f != NULL) dx = through(w, n, f, dy);
        else if (n->n_in > 0 && (n->spec == NULL || n->spec->def->no_grad_because == NULL)) ok = undefined(w, n);
    }
    ek_scope_pop(&scope);
    return ok && hand_on(w, n, dx) && w->g->error.code == EK_OK;
}

/* ---- the walk --------------------------------------------------------------------------------------------- */

static bool prepare(ek_walk *w)
{
    w->n = w->g->n_nodes;
    w->at = EK_ARENA_NEW(&w->arena, ek_arrival **, w->n + 1);
    w->sum = EK_ARENA_NEW(&w->arena, ek_gradient *, w->n + 1);
    w->pending = EK_ARENA_NEW(&w->arena, int32_t, w->n + 1);
    w->between = EK_ARENA_NEW(&w->arena, bool, w->n + 1);
    w->stop = EK_ARENA_NEW(&w->arena, bool, w->n + 1);
    w->queue = EK_ARENA_NEW(&w->arena, int32_t, w->n + 1);
    if (w->at != NULL && w->sum != NULL && w->pending != NULL && w->between != NULL && w->stop != NULL && w->queue != NULL)
        return true;
    return refuse(w, EK_RESOURCE_EXHAUSTED, "no memory for gradients");
}

/* An x ends the walk unless another x lies before it. */
static void mark_stops(ek_walk *w, const ek_edge *xs, int64_t n_xs, const ek_edge *stops, int64_t n_stops)
{
    for (int64_t i = 0; i < n_xs; i++) {
        const ek_node *n = ek__node(w->g, xs[i].node);
        bool last = true;
        for (int32_t k = 0; k < n->n_in; k++) last = last && w->pending[n->in[k].node] <= 0;
        w->stop[n->id] = w->stop[n->id] || last;
    }
    for (int64_t i = 0; i < n_stops; i++) w->stop[stops[i].node] = true;
}

static bool walk(ek_walk *w, const ek_edge *ys, int64_t n_ys, const ek_edge *xs, int64_t n_xs)
{
    const ek_edge *stops = edges_of(w, w->o->stop_gradients, false, ".stop_gradients");
    bool ok = stops != NULL && begin(w, ys, n_ys);

    if (ok && !ek__walk_reach(w, ys, n_ys, xs, n_xs)) ok = refuse(w, EK_RESOURCE_EXHAUSTED, "no memory for gradients");
    w->head = w->tail = 0;
    for (int64_t i = 0; ok && i < n_ys; i++) {
        bool queued = false;
        for (int64_t k = 0; k < w->tail; k++) queued = queued || w->queue[k] == ys[i].node;
        if (w->between[ys[i].node] && w->pending[ys[i].node] == 0 && !queued) w->queue[w->tail++] = ys[i].node;
    }
    if (ok) mark_stops(w, xs, n_xs, stops, w->o->stop_gradients.count);
    while (ok && w->head < w->tail) ok = differentiate(w, w->queue[w->head++]);
    return ok;
}

static ek_tensor unconnected(ek_walk *w, ek_edge x)
{
    const ek_tensor t = ek__tensor(w->g, x);

    if (ek_dtype_base(ek_tensor_dtype(t)) == EK_RESOURCE)
        return ek__zeros_of(ek__emit1("VariableShape", t, NULL, w->where), ek__walk_handle_dtype(w->g, x), w->where);
    return ek__op1(ek_zeros_like_with, ek__of(t), NULL, w->where);
}

static bool sound(ek_graph *g, ek_list ys, const ek_gradients_options *o, ek_where where)
{
    return EK_ITEMS_OK(g, ys, where) && EK_ITEMS_OK(g, o->xs, where) && EK_ITEMS_OK(g, o->stop_gradients, where);
}

ek_gradient_list ek_gradients_with(ek_list ys, const ek_gradients_options *o, ek_where where)
{
    ek_graph *g = graph_of(&ys);

    if (!EK_GRAPH_OK(g, where) || !EK_OPTIONS_OK(g, o, where) || !sound(g, ys, o, where))
        return (ek_gradient_list){ g, NULL, 0 };
    ek_gradient *out = EK_ARENA_NEW(&g->arena, ek_gradient, o->xs.count + 1);
    ek_walk w = { .g = g, .o = o, .where = where };

    if (out == NULL) {
        refuse(&w, EK_RESOURCE_EXHAUSTED, "no memory for gradients");
        return (ek_gradient_list){ g, NULL, 0 };
    }
    for (int64_t i = 0; i < o->xs.count; i++) out[i] = ek_gradient_of(ek__dead(g));
    if (g->error.code == EK_OK && !ek__graph_closed(g, where)) {
        const ek_edge *x = NULL, *y = NULL;
        bool ok = false;
        EK_IN_SCOPE(ek_name_scope_push(g, o->name != NULL ? o->name : "gradients", where)) {
            (void)ek_unique_name(g, "uid");
            y = edges_of(&w, ys, true, "ys");
            x = y != NULL ? edges_of(&w, o->xs, false, "xs") : NULL;
            ok = x != NULL && prepare(&w) && walk(&w, y, ys.count, x, o->xs.count);
        }
        for (int64_t i = 0; ok && i < o->xs.count; i++) {
            if (w.sum[x[i].node] != NULL) out[i] = w.sum[x[i].node][x[i].index];
            if (o->zero_unconnected && !ek_gradient_ok(out[i])) out[i] = ek_gradient_of(unconnected(&w, x[i]));
        }
    }
    ek__arena_fini(&w.arena);
    return (ek_gradient_list){ g, out, o->xs.count };
}
