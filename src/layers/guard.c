/* layers/guard.c - initial values that read other variables.
 *
 * Initializers run in no order. So the initial value of a variable is rebuilt with every variable it reads
 * replaced by a conditional: that variable's value, or its initial value while it has none.
 */
#include "layers/variable.h"

#include "evenkeel/control.h"

ek_tensor ek_initialized_value_at(ek_variable v, ek_where where)
{
    ek_graph *g = v.graph;
    ek_tensor out = ek__dead(g);
    ek_conditional *cond;

    if (ek__info(v) == NULL) return ek_is_variable_initialized_at(v, where);
    EK_IN_SCOPE(ek_control_dependencies_clear_push(g, where)) {
        cond = ek_cond_begin_at(ek__of(ek_is_variable_initialized_at(v, where)), NULL, where);
        EK_IN_SCOPE(ek_branch_push(cond, true, where))
            ek_give_item(cond, ek_item_of_tensor(ek_read_value_at(v, where)), where);
        EK_IN_SCOPE(ek_branch_push(cond, false, where))
            ek_give_item(cond, ek_item_of_tensor(ek_variable_initial_value(v)), where);
        out = ek_list_tensor(ek_cond_end_at(cond, where), 0);
    }
    return out;
}

/* ---- the walk ------------------------------------------------------------------------------------ */

/* Replacements of nodes: [id] is unknown, being worked at, or what stands for the node. Nodes made meanwhile are past
 * the end and stand for themselves. */
typedef struct guard {
    ek_graph *g;
    const char *name;
    int32_t *stands;
    int64_t n;
    ek_where where;
} guard;
static const char *const variable_types[] = { "Variable", "VariableV2", "VarHandleOp", NULL };
enum { UNKNOWN = -1, BUSY = -2, DEEP = 1000 };

static bool is_one_of(const char *type, const char *const *list)
{
    for (; *list != NULL; list++)
        if (strcmp(type, *list) == 0) return true;
    return false;
}

/* Only variables that initializers will run for. */
static ek_variable find_variable(ek_graph *g, int32_t op)
{
    const ek_list lists[] = { ek_global_variables(g), ek_local_variables(g) };

    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < lists[k].count; i++) {
            const ek_item *item = &lists[k].item[i];
            if (item->kind == EK_ITEM_VARIABLE && ek_variable_op(item->u.variable).id == op) return item->u.variable;
        }
    return ek__dead_variable(g);
}

static int32_t stand_in(guard *w, int32_t id, int depth);

static int32_t rebuild(guard *w, const ek_node *n, const ek_tensor *in)
{
    const char *type = strcmp(n->type, "RefSwitch") == 0 ? "Switch" : n->type;
    const char *name = ek__arena_printf(&w->g->arena, "%s_%s", n->name, w->name);
    ek_op op = { w->g, -1 };

    if (name == NULL) {
        ek__graph_fail(w->g, w->where, EK_RESOURCE_EXHAUSTED, "no memory for the initial value of %s", w->name);
        return n->id;
    }
    EK_IN_SCOPE(ek_name_scope_push(w->g, NULL, w->where))
        op = ek__node_build(w->g, &(ek_node_args){ .type = type, .name = name, .in = in, .n_in = n->n_in,
                                                   .attr = n->attr, .n_attr = n->n_attr, .device = n->device,
                                                   .where = w->where });
    return ek_op_ok(op) ? op.id : n->id;
}

/* The node itself where none of its inputs changed. */
static int32_t stand_in_op(guard *w, const ek_node *n, int depth)
{
    ek_tensor few[8], *in = few;
    bool modified = false;
    int32_t id = n->id;

    if (n->n_in > EK_COUNT_OF(few)) in = ek__calloc((size_t)n->n_in, sizeof *in);
    if (in == NULL) {
        ek__graph_fail(w->g, w->where, EK_RESOURCE_EXHAUSTED, "no memory for the initial value of %s", w->name);
        return id;
    }
    for (int32_t i = 0; i < n->n_in; i++) {
        const int32_t other = stand_in(w, n->in[i].node, depth + 1);
        modified = modified || other != n->in[i].node;
        in[i] = (ek_tensor){ w->g, other, n->in[i].index };
    }
    if (modified && w->g->error.code == EK_OK) id = rebuild(w, n, in);
    if (in != few) ek__free(in);
    return id;
}

static int32_t stand_in(guard *w, int32_t id, int depth)
{
    static const char *const keep[] = { "IsVariableInitialized", "VarIsInitializedOp", "ReadVariableOp", "If", NULL };
    const ek_node *n = ek__node(w->g, id);
    int32_t other = id;

    if (id >= w->n || depth > DEEP) return id;
    if (w->stands[id] != UNKNOWN) return w->stands[id] == BUSY ? id : w->stands[id];
    w->stands[id] = BUSY;
    if (is_one_of(n->type, variable_types)) {
        const ek_variable v = find_variable(w->g, id);
        const ek_tensor t = ek_variable_ok(v) ? ek_initialized_value_at(v, w->where) : ek__dead(w->g);
        if (ek_tensor_ok(t)) other = t.op;
    } else if (!is_one_of(n->type, keep) && n->n_in > 0) {
        other = stand_in_op(w, n, depth);
    }
    w->stands[id] = other;
    return other;
}

/* ---- cycles: such a graph is left alone --------------------------------------------------------------- */

/* Depth first without recursion; `state` per node is 0, 1 while on the way, 2 when done. */
static bool has_cycle(const ek_graph *g, int32_t from, uint8_t *state, int32_t *stack)
{
    int64_t depth = 0;

    stack[depth++] = from;
    while (depth > 0) {
        const ek_node *n = ek__node(g, stack[depth - 1]);
        if (state[n->id] != 0) {
            state[n->id] = 2;
            depth--;
            continue;
        }
        state[n->id] = 1;
        for (int32_t i = 0; i < n->n_in + n->n_control; i++) {
            const int32_t id = i < n->n_in ? n->in[i].node : n->control[i - n->n_in];
            if (state[id] == 1) return true;
            if (state[id] == 0) stack[depth++] = id;
        }
    }
    return false;
}

/* Room on the stack for every edge: a node may be pushed once per edge to it. */
static int64_t count_edges(const ek_graph *g)
{
    int64_t edges = 1;

    for (int64_t i = 0; i < g->n_nodes; i++) edges += g->node[i]->n_in + g->node[i]->n_control;
    return edges;
}

/* The usual case, told without a walk through the graph: a few nodes above the value, none of them a variable. */
static bool reads_nothing(const ek_graph *g, int32_t id, int *budget)
{
    const ek_node *n = ek__node(g, id);

    if (--*budget < 0 || is_one_of(n->type, variable_types)) return false;
    for (int32_t i = 0; i < n->n_in; i++)
        if (!reads_nothing(g, n->in[i].node, budget)) return false;
    return true;
}

ek_tensor ek__guard_initial_value(ek_graph *g, const char *name, ek_tensor value, ek_where where)
{
    guard w = { g, name, NULL, g->n_nodes, where };
    uint8_t *state;
    int32_t *stack;
    int budget = 64;
    ek_tensor out = value;

    if (!ek_tensor_ok(value) || reads_nothing(g, value.op, &budget)) return value;
    w.stands = ek__alloc((size_t)w.n * sizeof *w.stands);
    state = ek__calloc((size_t)w.n, 1);
    stack = ek__alloc((size_t)count_edges(g) * sizeof *stack);
    if (w.stands == NULL || state == NULL || stack == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for the initial value of %s", name);
    } else if (!has_cycle(g, value.op, state, stack)) {
        for (int64_t i = 0; i < w.n; i++) w.stands[i] = UNKNOWN;
        out.op = stand_in(&w, value.op, 0);
    }
    ek__free(w.stands);
    ek__free(state);
    ek__free(stack);
    return out;
}
