/* autodiff/sum.c - gradients that meet in one tensor, and zeros where none arrives. */
#include "autodiff/walk.h"
#include "ops/emit.h"

bool ek__walk_arrive(ek_walk *w, ek_edge e, ek_gradient d)
{
    const ek_node *n = ek__node(w->g, e.node);
    ek_arrival *a = EK_ARENA_NEW(&w->arena, ek_arrival, 1), **last;

    if (w->at[e.node] == NULL) w->at[e.node] = EK_ARENA_NEW(&w->arena, ek_arrival *, n->n_out);
    if (a == NULL || w->at[e.node] == NULL) return false;
    a->gradient = d;
    for (last = &w->at[e.node][e.index]; *last != NULL; last = &(*last)->next) {}
    *last = a;
    return true;
}

/* An AddN, placed with the operation of its first term. */
static ek_tensor add_n(ek_walk *w, const ek_tensor *term, int n)
{
    ek_scope scope = ek__colocate_push(w->g, &term[0].op, 1, true, w->where);
    const ek_tensor sum = ek__node_tensor(w->g, &(ek_node_args){ .type = "AddN", .in = term, .n_in = n, .where = w->where });

    ek_scope_pop(&scope);
    return sum;
}

/* Rows and rows: all of them one after the other. */
static ek_gradient join_rows(ek_walk *w, const ek_gradient *d, int n, ek_tensor *list)
{
    ek_gradient all = d[0];
    bool wide = false;

    for (int i = 0; i < n; i++) list[i] = d[i].value;
    all.value = ek_concat_with(&(ek_join_options){ .size = sizeof(ek_join_options), .values = { list, n } }, w->where);
    for (int i = 0; i < n; i++) wide = wide || ek_tensor_dtype(d[i].indices) == EK_INT64;
    for (int i = 0; i < n; i++) {
        const ek_operand index = ek__of(d[i].indices);
        list[i] = wide ? ek__cast(w->g, index, EK_INT64, w->where).u.tensor : d[i].indices;
    }
    all.indices = ek_concat_with(&(ek_join_options){ .size = sizeof(ek_join_options), .values = { list, n } }, w->where);
    return all;
}

static ek_gradient total(ek_walk *w, const ek_gradient *d, int n, ek_tensor *list)
{
    int rows = 0;

    if (n == 1) return d[0];
    for (int i = 0; i < n; i++) rows += ek_gradient_is_rows(d[i]);
    if (rows == n) return join_rows(w, d, n, list);
    for (int i = 0; i < n; i++) list[i] = ek_gradient_dense_at(d[i], NULL, w->where);
    return ek_gradient_of(add_n(w, list, n));
}

ek_gradient *ek__walk_sum(ek_walk *w, int32_t node)
{
    const ek_node *n = ek__node(w->g, node);
    ek_gradient *sum = EK_ARENA_NEW(&w->arena, ek_gradient, n->n_out + 1);

    if (sum == NULL) return NULL;
    w->sum[node] = sum;
    for (int32_t k = 0; k < n->n_out; k++) {
        int count = 0, i = 0;
        sum[k] = ek_gradient_of(ek__dead(w->g));
        if (w->at[node] == NULL || w->at[node][k] == NULL) continue;
        for (const ek_arrival *a = w->at[node][k]; a != NULL; a = a->next) count++;
        ek_gradient *d = EK_ARENA_NEW(&w->arena, ek_gradient, count);
        ek_tensor *list = EK_ARENA_NEW(&w->arena, ek_tensor, count);
        if (d == NULL || list == NULL) return NULL;
        for (const ek_arrival *a = w->at[node][k]; a != NULL; a = a->next) d[i++] = a->gradient;
        sum[k] = total(w, d, count, list);
    }
    return sum;
}

ek_tensor ek_gradient_dense_at(ek_gradient d, const char *name, ek_where where)
{
    if (!ek_gradient_is_rows(d)) return d.value;
    if (!ek_tensor_ok(d.dense_shape)) {
        ek__graph_fail(d.value.graph, where, EK_INVALID_ARGUMENT,
                       "Tensor conversion requested for IndexedSlices without dense_shape: %s",
                       ek_op_name(ek_tensor_op(d.value)));
        return ek__dead(d.value.graph);
    }
    /* The number of rows is the first element of the shape. */
    ek_tensor out = ek__dead(d.value.graph);
    EK_IN_SCOPE(ek_name_scope_push(d.value.graph, name != NULL ? name : "UnsortedSegmentSum", where)) {
        const char *own = ek_name_scope(d.value.graph);
        const ek_tensor shape = ek__cast(d.value.graph, ek__of(d.dense_shape), EK_INT32, where).u.tensor;
        const ek_tensor in[] = { d.value, d.indices, ek__element(shape, 0, where) };
        out = ek__node_tensor(d.value.graph, &(ek_node_args){ .type = "UnsortedSegmentSum", .name = own, .in = in,
                                                              .n_in = 3, .where = where });
    }
    return out;
}

/* ---- zeros --------------------------------------------------------------------------------------- */

ek_dtype ek__walk_handle_dtype(const ek_graph *g, ek_edge e)
{
    const ek_node *n = ek__node(g, e.node);
    const ek_attr_value *dtype;

    while (n->n_in > 0 && ek_dtype_base(n->in_dtype[0]) == EK_RESOURCE) n = ek__node(g, n->in[0].node);
    dtype = ek__attr_find(n->attr, n->n_attr, "dtype");
    return dtype != NULL && dtype->u.type != EK_RESOURCE ? ek_dtype_base(dtype->u.type) : EK_FLOAT32;
}

/* Of a Switch in a branch: zeros that are made only where that branch is not taken, or the Merge that waits for them would
 * see two values. */
static ek_tensor zeros_beside(ek_walk *w, const ek_node *n, const ek_context *c)
{
    const ek_tensor in[] = { ek__tensor(w->g, n->in[0]), ek__tensor(w->g, c->pred) };
    const bool resource = n->out_dtype[0] == EK_RESOURCE;
    const ek_op sw = ek__node_build(w->g, &(ek_node_args){ .type = "Switch", .in = in, .n_in = 2, .where = w->where });
    const ek_tensor other = ek_op_output(sw, 1 - c->branch);
    const ek_tensor pivot = ek__emit1("Identity", other, NULL, w->where);
    ek_tensor shape = resource ? ek__dead(w->g) : ek__emit1("Shape", other, NULL, w->where), out = shape;
    ek_dtype dtype = ek_dtype_base(n->out_dtype[0]);

    EK_IN_SCOPE(ek_control_dependencies_push(w->g, EK_LIST(pivot), w->where)) {
        if (resource) {
            shape = ek__emit1("VariableShape", other, NULL, w->where);
            dtype = ek__walk_handle_dtype(w->g, n->in[0]);
        }
        out = ek__zeros_of(shape, dtype, w->where);
    }
    return out;
}

ek_gradient ek__walk_zeros(ek_walk *w, int32_t node, int32_t output)
{
    const ek_node *n = ek__node(w->g, node);
    const ek_context *c = ek__context(w->g, n->context);
    const ek_dtype t = ek_dtype_base(n->out_dtype[output]);

    if (strcmp(n->type, "Switch") == 0 && c != NULL && c->imported == NULL)
        return ek_gradient_of(zeros_beside(w, n, c));
    if (t == EK_RESOURCE || t == EK_BFLOAT16 || !ek__walk_flows(t))
        return ek_gradient_of(ek__dead(w->g));
    return ek_gradient_of(ek__emit1("ZerosLike", ek__tensor(w->g, (ek_edge){ node, output }), "zeros_like", w->where));
}
