/* ops/group.c - operations that only wait: no_op, group, tuple, with_dependencies. */
#include "evenkeel/control.h"
#include "graph/scope.h"
#include "ops/cond.h"

ek_op ek_no_op_with(const ek_no_op_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return (ek_op){ NULL, -1 };
    return ek__node_build(o->graph, &(ek_node_args){ .type = "NoOp", .name = o->name, .where = where });
}

/* The name scope of a call, under which its node has the scope's own name. NULL-safe: the push tells. */
static ek_scope call_scope(ek_graph *g, const char *name, const char *usual, ek_where where)
{
    return ek_name_scope_push(g, name != NULL && name[0] != '\0' ? name : usual, where);
}

ek_tensor ek_with_dependencies_with(ek_tensor t, const ek_with_dependencies_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(t.graph, o, where)) return ek__dead(t.graph);
    ek_graph *g = t.graph;
    ek_scope name, place = { 0 }, control;
    ek_op op;

    if (!EK_GRAPH_OK(g, where)) return t;
    if (!ek__tensor_in(g, t)) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "ek_with_dependencies was given a dead tensor");
        return ek__dead(g);
    }
    name = call_scope(g, o->name, "control_dependency", where);
    place = ek__colocate_push(g, &t.op, 1, false, where);
    control = ek_control_dependencies_push(g, o->list, where);
    op = ek__node_build(g, &(ek_node_args){ .type = ek_dtype_is_ref(ek_tensor_dtype(t)) ? "RefIdentity" : "Identity",
                                           .name = ek_name_scope(g), .in = &t, .n_in = 1, .where = where });
    ek_scope_pop(&control);
    ek_scope_pop(&place);
    ek_scope_pop(&name);
    return ek_op_output(op, 0);
}

/* ---- group ----------------------------------------------------------------------------------- */

static ek_op item_op(ek_graph *g, ek_item item)
{
    switch (item.kind) {
    case EK_ITEM_OP: return item.u.op;
    case EK_ITEM_TENSOR: return (ek_op){ item.u.tensor.graph, item.u.tensor.op };
    case EK_ITEM_VARIABLE:
        if (ek__variable_in(g, item.u.variable)) return (ek_op){ g, g->variable[item.u.variable.id]->op };
        break;
    default: break;
    }
    return (ek_op){ g, -1 };
}

/* The next device after `after` in the list's (NULL: the first), in order of their names; NULL at the end. */
static const char *next_device(ek_graph *g, ek_list list, const char *after)
{
    const char *next = NULL;

    for (int64_t i = 0; i < list.count; i++) {
        const char *device = ek_op_device(item_op(g, list.item[i]));
        if (after != NULL && strcmp(device, after) <= 0) continue;
        if (next == NULL || strcmp(device, next) < 0) next = device;
    }
    return next;
}

static ek_op waits_for(ek_graph *g, ek_list list, const char *name, const char *device, ek_where where)
{
    ek_scope control = ek_control_dependencies_push(g, list, where);
    const ek_op op =
        ek__node_build(g, &(ek_node_args){ .type = "NoOp", .name = name, .device = device, .where = where });

    ek_scope_pop(&control);
    return op;
}

/* One NoOp per device, then one that waits for them. */
static ek_op group_by_device(ek_graph *g, ek_list list, ek_where where)
{
    ek_item *same = EK_ARENA_NEW(&g->arena, ek_item, list.count),
            *groups = EK_ARENA_NEW(&g->arena, ek_item, list.count);
    int64_t n_groups = 0;

    if (same == NULL || groups == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for a group");
        return (ek_op){ g, -1 };
    }
    for (const char *device = next_device(g, list, NULL); device != NULL; device = next_device(g, list, device)) {
        int64_t n = 0;
        for (int64_t i = 0; i < list.count; i++)
            if (strcmp(ek_op_device(item_op(g, list.item[i])), device) == 0) same[n++] = list.item[i];
        groups[n_groups++] = ek_item_of_op(waits_for(g, (ek_list){ g, same, n }, NULL, device, where));
    }
    return waits_for(g, (ek_list){ g, groups, n_groups }, ek_name_scope(g), NULL, where);
}

ek_op ek_group_with(ek_graph *g, const ek_group_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where)) return (ek_op){ g, -1 };
    const char *first;
    ek_scope name;
    ek_op op;

    if (!EK_GRAPH_OK(g, where) || !EK_ITEMS_OK(g, o->list, where)) return (ek_op){ g, -1 };
    name = call_scope(g, o->name, "group_deps", where);
    first = next_device(g, o->list, NULL);
    if (first == NULL || next_device(g, o->list, first) == NULL)
        op = waits_for(g, o->list, ek_name_scope(g), first, where);
    else op = group_by_device(g, o->list, where);
    ek_scope_pop(&name);
    return op;
}

/* ---- tuple ----------------------------------------------------------------------------------- */

/* Operations of both lists, each once, in order of creation, as the list that the gate waits for. */
static ek_list gating(ek_graph *g, ek_list a, ek_list b)
{
    ek_item *item = EK_ARENA_NEW(&g->arena, ek_item, a.count + b.count + 1);
    ek_list out = { g, item, 0 };

    for (int64_t i = 0; item != NULL && i < a.count + b.count; i++) {
        const ek_op op = item_op(g, i < a.count ? a.item[i] : b.item[i - a.count]);
        int64_t at = out.count;
        while (at > 0 && item[at - 1].u.op.id > op.id) at--;
        if (at > 0 && item[at - 1].u.op.id == op.id) continue;
        memmove(item + at + 1, item + at, (size_t)(out.count - at) * sizeof *item);
        item[at] = ek_item_of_op(op);
        out.count++;
    }
    return out;
}

static ek_item gated(ek_graph *g, ek_item item, ek_op gate, ek_where where)
{
    const ek_list wait = EK_LIST(gate);
    ek_scope control;
    ek_op op;

    if (item.kind == EK_ITEM_VARIABLE) item = ek_item_of_tensor(ek__variable_value(item.u.variable, where));
    if (item.kind == EK_ITEM_TENSOR)
        return ek_item_of_tensor(ek_with_dependencies_with(
            item.u.tensor,
            &(ek_with_dependencies_options){ .size = sizeof(ek_with_dependencies_options), .list = wait }, where));
    control = ek_control_dependencies_push(g, wait, where);
    op = ek_group_with(g, &(ek_group_options){ .size = sizeof(ek_group_options), .list = { g, &item, 1 } }, where);
    ek_scope_pop(&control);
    return ek_item_of_op(op);
}

ek_list ek_tuple_with(ek_graph *g, const ek_tuple_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where)) return (ek_list){ g, NULL, 0 };
    ek_list out = { g, NULL, 0 };
    ek_item *item;
    ek_scope name;
    ek_op gate;

    if (!EK_GRAPH_OK(g, where) || !EK_ITEMS_OK(g, o->list, where) || !EK_ITEMS_OK(g, o->control, where)) return out;
    if (o->list.count == 0) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Must have at least one Tensor: []");
        return out;
    }
    item = EK_ARENA_NEW(&g->arena, ek_item, o->list.count);
    if (item == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for a tuple");
        return out;
    }
    name = call_scope(g, o->name, "tuple", where);
    gate = ek_group_with(
        g, &(ek_group_options){ .size = sizeof(ek_group_options), .list = gating(g, o->list, o->control) }, where);
    for (; out.count < o->list.count; out.count++) item[out.count] = gated(g, o->list.item[out.count], gate, where);
    ek_scope_pop(&name);
    out.item = item;
    return out;
}
