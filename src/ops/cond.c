/* ops/cond.c - tf.cond as TensorFlow 1 builds it: the pivots, two branches, a Merge per result. What a
 * branch sees of the outside is graph/context.c's. */
#include "ops/cond.h"

/* One conditional under construction. In the graph's arena. */
struct ek_conditional {
    ek_graph *graph;
    ek_scope name;
    ek_tensor pred;      /* pred_id */
    ek_tensor pivot[2];  /* switch_f, switch_t */
    ek_context *context[2];
    ek_item *given[2];   /* what the branch handed over, as it came */
    int64_t n_given[2], cap_given[2];
    ek_tensor *result[2]; /* the same as tensors, made when the branch closes */
    bool entered[2];
    int open;            /* branch that is open now, -1: none */
    ek_where where;
    bool failed;
};

static const char *const branch_name[2] = { "false_fn", "true_fn" };

static void fail(ek_conditional *c, ek_where where, ek_status code, const char *text)
{
    c->failed = true;
    ek__graph_fail(c->graph, where, code, "%s", text);
}

/* ---- values ---------------------------------------------------------------------------------- */

static ek_tristate truth_of(const ek_array *value)
{
    if (value == NULL || ek_array_count(value) != 1) return EK_DEFAULT;
    return ek_array_get(value, 0) != 0.0 ? EK_YES : EK_NO;
}

ek_tristate ek__static_pred(ek_operand pred)
{
    ek_tristate known;
    ek_array *value;

    if (pred.kind == 'l') {
        const ek_literal l = pred.u.literal;
        if (l.kind == 'a') return truth_of(l.u.a);
        const bool truth = l.kind == 'b' ? l.u.b : l.kind == 'i' ? l.u.i != 0 : l.kind == 'f' && l.u.f != 0.0;
        return truth ? EK_YES : EK_NO;
    }
    if (pred.kind != 't' || !ek_op_ok(ek_tensor_op(pred.u.tensor))) return EK_DEFAULT;
    value = ek__constant_value(pred.u.tensor.graph, ek__edge(pred.u.tensor));
    known = truth_of(value);
    ek_array_unref(value);
    return known;
}

/* ---- lists ----------------------------------------------------------------------------------- */

ek_list ek_list_copy(ek_graph *g, ek_list list)
{
    if (!EK_GRAPH_OK(g, EK_HERE) || !EK_ITEMS_OK(g, list, EK_HERE)) return (ek_list){ g, NULL, 0 };
    ek_item *item = list.count > 0 ? EK_ARENA_NEW(&g->arena, ek_item, list.count) : NULL;

    if (item == NULL) {
        if (list.count > 0) ek__graph_fail(g, (ek_where){ 0 }, EK_RESOURCE_EXHAUSTED, "no memory for a list");
        return (ek_list){ g, NULL, 0 };
    }
    memcpy(item, list.item, (size_t)list.count * sizeof *item);
    return (ek_list){ g, item, list.count };
}

ek_tensor ek_list_tensor(ek_list list, int64_t i)
{
    if (i < 0 || i >= list.count || list.item == NULL) return ek__dead(list.graph);
    if (list.item[i].kind == EK_ITEM_TENSOR) return list.item[i].u.tensor;
    if (list.item[i].kind == EK_ITEM_OP) return ek_op_output(list.item[i].u.op, 0);
    return ek__dead(list.graph);
}

/* ---- the pivots ------------------------------------------------------------------------------ */

static ek_op node(ek_graph *g, const char *type, const char *name, const ek_tensor *in, int n, ek_where where)
{
    const ek_op op =
        ek__node_build(g, &(ek_node_args){ .type = type, .name = name, .in = in, .n_in = n, .where = where });

    if (ek_op_ok(op)) ek__node_place(g, op.id, g->node[op.id]->context);
    return op;
}

static ek_tensor value_of(ek_operand pred, ek_where where)
{
    return pred.kind == 'v' ? ek__variable_value(pred.u.variable, where) : pred.u.tensor;
}

/* Switch(pred, pred). A variable is asked for as a reference first: a reference variable gives itself; a resource
 * gives a read, behind which an Identity stays that nobody uses. */
static ek_op first_switch(ek_conditional *c, ek_operand pred)
{
    ek_graph *g = c->graph;
    ek_op op = { g, -1 };

    EK_SCOPE_(ek_name_scope_push(g, "Switch", c->where)) {
        const char *own = ek_name_scope(g);
        ek_tensor in[2] = { pred.u.tensor, pred.u.tensor };
        if (pred.kind == 'v' && !g->variable[pred.u.variable.id]->is_resource) {
            in[0] = (ek_tensor){ g, g->variable[pred.u.variable.id]->op, 0 };
        } else if (pred.kind == 'v') {
            EK_SCOPE_(ek_name_scope_push(g, "Read", c->where)) in[0] = value_of(pred, c->where);
            node(g, "Identity", NULL, in, 1, c->where);
        }
        if (pred.kind == 'v') in[1] = value_of(pred, c->where);
        op = node(g, "Switch", own, in, 2, c->where);
    }
    return op;
}

/* Identity(pred); a resource is read inside its name scope. */
static ek_tensor pred_id(ek_conditional *c, ek_operand pred)
{
    ek_tensor out = ek__dead(c->graph);

    EK_SCOPE_(ek_name_scope_push(c->graph, "pred_id", c->where)) {
        const char *own = ek_name_scope(c->graph);
        const ek_tensor value = value_of(pred, c->where);
        out = ek_op_output(node(c->graph, "Identity", own, &value, 1, c->where), 0);
    }
    return out;
}

/* cond/Switch, switch_t, switch_f, pred_id. */
static bool pivots(ek_conditional *c, ek_operand pred)
{
    ek_graph *g = c->graph;
    const ek_op op = first_switch(c, pred);
    ek_tensor out[2];

    out[0] = ek_op_output(op, 0);
    out[1] = ek_op_output(op, 1);
    if (!ek_op_ok(op)) return false;
    c->pivot[1] = ek_op_output(node(g, "Identity", "switch_t", &out[1], 1, c->where), 0);
    c->pivot[0] = ek_op_output(node(g, "Identity", "switch_f", &out[0], 1, c->where), 0);
    c->pred = pred_id(c, pred);
    return ek_tensor_ok(c->pivot[0]) && ek_tensor_ok(c->pivot[1]) && ek_tensor_ok(c->pred);
}

ek_conditional *ek_cond_begin_at(ek_operand pred, const char *name, ek_where where)
{
    ek_graph *g = ek__operand_graph(&pred, 1);
    ek_conditional *c = g != NULL ? EK_ARENA_NEW(&g->arena, ek_conditional, 1) : NULL;

    if (g == NULL) {
        (void)ek__fail(ek__error_begin(NULL), EK_INVALID_ARGUMENT, where.file, where.line,
                       "pred must not be a Python bool");
        return NULL;
    }
    if (c == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for a conditional");
        return NULL;
    }
    if (pred.kind == 'v' && !ek__variable_in(g, pred.u.variable)) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "the predicate of a conditional is a dead variable");
        return NULL;
    }
    c->graph = g;
    c->where = where;
    c->open = -1;
    c->name = ek_name_scope_push(g, name != NULL && name[0] != '\0' ? name : "cond", where);
    if (pivots(c, pred)) return c;
    ek_scope_pop(&c->name);
    return NULL;
}

/* ---- branches -------------------------------------------------------------------------------- */

/* What one given thing is outside the branch: TensorFlow's _BuildCondTensor. */
static ek_tensor as_result(ek_conditional *c, int branch, ek_item item)
{
    ek_graph *g = c->graph;
    ek_tensor t = ek__dead(g);

    if (item.kind == EK_ITEM_OP) {
        const ek_list wait = { g, &item, 1 };
        return ek_with_dependencies_with(
            c->pivot[branch],
            &(ek_with_dependencies_options){ .size = sizeof(ek_with_dependencies_options), .list = wait }, c->where);
    }
    if (item.kind == EK_ITEM_VARIABLE) t = ek__variable_value(item.u.variable, c->where);
    if (item.kind == EK_ITEM_TENSOR) t = item.u.tensor;
    if (!ek__tensor_in(g, t)) {
        fail(c, c->where, EK_INVALID_ARGUMENT,
             "a branch of a conditional gave something that is no tensor, variable or operation of this "
             "graph, or that is dead");
        return ek__dead(g);
    }
    return ek__tensor(g, ek__context_result(g, c->context[branch], ek__edge(t), c->where));
}

/* Runs while the branch is still the current context. */
static void close_branch(ek_graph *g, void *arg)
{
    ek_conditional *c = arg;
    const int branch = c->open;

    c->open = -1;
    c->result[branch] = EK_ARENA_NEW(&g->arena, ek_tensor, c->n_given[branch] + 1);
    if (c->result[branch] == NULL) {
        fail(c, c->where, EK_RESOURCE_EXHAUSTED, "no memory for a conditional's results");
        return;
    }
    for (int64_t i = 0; i < c->n_given[branch]; i++) {
        c->result[branch][i] = as_result(c, branch, c->given[branch][i]);
        if (!ek_tensor_ok(c->result[branch][i])) c->failed = true;
    }
}

ek_scope ek_branch_push(ek_conditional *c, bool which, ek_where where)
{
    ek_scope_state next;
    ek_graph *g;

    /* The body of a conditional that could not be begun is not built: its first failure is recorded. */
    if (c == NULL) return (ek_scope){ NULL, 0, false };
    g = c->graph;
    if (c->open >= 0 || c->entered[which] || c->failed) {
        if (!c->failed)
            fail(c, where, EK_FAILED_PRECONDITION, "each branch of a conditional is built once, one after the other");
        return (ek_scope){ g, 0, false };
    }
    c->context[which] = ek__context_create(g, "cond_text", ek__edge(c->pred), ek__edge(c->pivot[which]), which, where);
    if (c->context[which] == NULL) {
        c->failed = true;
        return (ek_scope){ g, 0, false };
    }
    c->entered[which] = true;
    c->open = which;
    next = *ek__scope_now(g);
    next.context = c->context[which]->id;
    return ek__scope_push(g, &next, "branch of a conditional", c->context[which]->name, where, close_branch, c);
}

void ek_give_item(ek_conditional *c, ek_item item, ek_where where)
{
    const int b = c != NULL ? c->open : -1;
    ek_item *grown;

    if (c == NULL || c->failed) return;
    if (b < 0) {
        fail(c, where, EK_FAILED_PRECONDITION, "ek_give is for inside a branch of its conditional");
        return;
    }
    if (c->n_given[b] == c->cap_given[b]) {
        c->cap_given[b] = c->cap_given[b] > 0 ? 2 * c->cap_given[b] : 4;
        grown = EK_ARENA_NEW(&c->graph->arena, ek_item, c->cap_given[b]);
        if (grown == NULL) {
            fail(c, where, EK_RESOURCE_EXHAUSTED, "no memory for a conditional's results");
            return;
        }
        if (c->n_given[b] > 0) memcpy(grown, c->given[b], (size_t)c->n_given[b] * sizeof *grown);
        c->given[b] = grown;
    }
    c->given[b][c->n_given[b]++] = item;
}

/* ---- the end --------------------------------------------------------------------------------- */

static bool comparable(ek_conditional *c, ek_where where)
{
    ek_graph *g = c->graph;

    for (int b = 1; b >= 0; b--) {
        if (c->n_given[b] > 0) continue;
        c->failed = true;
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "%s must have a return value.", branch_name[b]);
        return false;
    }
    if (c->n_given[0] != c->n_given[1]) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "Incompatible return values of true_fn and false_fn: The two structures don't have "
                       "the same number of elements: %lld and %lld.",
                       (long long)c->n_given[1], (long long)c->n_given[0]);
        return false;
    }
    for (int64_t i = 0; i < c->n_given[0]; i++) {
        const ek_dtype t = ek_tensor_dtype(c->result[1][i]), f = ek_tensor_dtype(c->result[0][i]);
        if (ek_dtype_base(t) == ek_dtype_base(f)) continue;
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Outputs of true_fn and false_fn must have the same type: %s, %s",
                       ek_dtype_name(t), ek_dtype_name(f));
        return false;
    }
    return true;
}

static ek_item merge(ek_conditional *c, int64_t i, ek_where where)
{
    const ek_tensor in[2] = { c->result[0][i], c->result[1][i] };
    const bool refs = ek_dtype_is_ref(ek_tensor_dtype(in[0])) && ek_dtype_is_ref(ek_tensor_dtype(in[1]));

    return ek_item_of_tensor(ek_op_output(ek__node_build(c->graph, &(ek_node_args){
        .type = refs ? "RefMerge" : "Merge", .name = "Merge", .in = in, .n_in = 2, .where = where }), 0));
}

/* Only outermost ones: what is nested is found through them. */
static void collect(const ek_conditional *c, ek_where where)
{
    if (c->context[0]->outer != 0) return;
    for (int b = 1; b >= 0; b--)
        ek_add_item_to_collection(c->graph, EK_COND_CONTEXT,
                                  (ek_item){ .kind = EK_ITEM_CONTEXT, .u.context = c->context[b]->id }, where);
}

ek_list ek_cond_end_at(ek_conditional *c, ek_where where)
{
    ek_list out = { c != NULL ? c->graph : NULL, NULL, 0 };
    ek_item *item;

    if (c == NULL) return out;
    if (c->open >= 0) fail(c, where, EK_FAILED_PRECONDITION, "a branch of the conditional is still open");
    if (!c->failed && comparable(c, where)) {
        item = EK_ARENA_NEW(&c->graph->arena, ek_item, c->n_given[0]);
        if (item == NULL) fail(c, where, EK_RESOURCE_EXHAUSTED, "no memory for a conditional's results");
        for (; item != NULL && out.count < c->n_given[0]; out.count++) item[out.count] = merge(c, out.count, where);
        out.item = item;
        if (item != NULL) collect(c, where);
    }
    ek_scope_pop(&c->name);
    return out;
}

/* ---- two functions --------------------------------------------------------------------------- */

static ek_list failed_list(ek_graph *g, ek_where where, const char *text)
{
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "%s", text);
    return (ek_list){ g, NULL, 0 };
}

ek_list ek_cond_with(ek_operand pred, ek_branch_fn true_fn, const ek_cond_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(ek__operand_graph(&pred, 1), o, where)) return (ek_list){ NULL, NULL, 0 };
    const ek_branch_fn fn[2] = { o->false_fn, true_fn };
    ek_graph *g = ek__operand_graph(&pred, 1);
    ek_conditional *c;

    if (true_fn == NULL) return failed_list(g, where, "true_fn must be callable.");
    if (o->false_fn == NULL) return failed_list(g, where, "false_fn must be callable.");
    c = ek_cond_begin_at(pred, o->name, where);
    for (int b = 1; b >= 0 && c != NULL; b--) {
        ek_scope branch = ek_branch_push(c, b, where);
        const ek_list given = branch.once ? fn[b](g, o->arg) : EK_EMPTY_LIST;
        const bool listed = EK_ITEMS_OK(g, given, where);
        for (int64_t i = 0; listed && i < given.count; i++) ek_give_item(c, given.item[i], where);
        ek_scope_pop(&branch);
    }
    return c != NULL ? ek_cond_end_at(c, where) : (ek_list){ g, NULL, 0 };
}

ek_list ek_smart_cond_with(ek_operand pred, ek_branch_fn true_fn, const ek_smart_cond_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(ek__operand_graph(&pred, 1), o, where)) return (ek_list){ NULL, NULL, 0 };
    const ek_tristate known = ek__static_pred(pred);
    ek_graph *g = ek__operand_graph(&pred, 1) != NULL ? ek__operand_graph(&pred, 1) : o->graph;
    const ek_cond_options plain = { .size = sizeof plain, .false_fn = o->false_fn, .arg = o->arg, .name = o->name };

    if (true_fn == NULL) return failed_list(g, where, "true_fn must be callable.");
    if (o->false_fn == NULL) return failed_list(g, where, "false_fn must be callable.");
    if (!EK_GRAPH_OK(g, where)) return (ek_list){ NULL, NULL, 0 };
    if (known == EK_DEFAULT) return ek_cond_with(pred, true_fn, &plain, where);
    return (known == EK_YES ? true_fn : o->false_fn)(g, o->arg);
}
