/* train/write.c - assignments as Python returns them: an operation to wait for, and the value after it. */
#include "train/train.h"

/* The value of a resource variable after a write is a read that waits for the write. */
static ek_op write_before(ek_graph *g, int32_t id)
{
    const ek_node *read = ek__node(g, id);

    for (int32_t i = 0; i < read->n_control; i++) {
        const ek_node *n = ek__node(g, read->control[i]);
        if (n->n_in > 0 && n->n_out == 0 && n->in[0].node == read->in[0].node) return (ek_op){ g, n->id };
    }
    return (ek_op){ g, id };
}

ek_write ek__write(ek_assign_fn fn, ek_variable v, ek_operand value, ek_tristate use_locking, const char *name,
                   ek_where where)
{
    ek_write w = { { v.graph, -1 }, fn(&(ek_assign_options){ .size = sizeof(ek_assign_options), .variable = v,
                                                             .value = value, .use_locking = use_locking,
                                                             .validate_shape = true, .name = name }, where) };

    if (!ek_tensor_ok(w.value)) return w;
    w.op = ek_variable_is_resource(v) ? write_before(v.graph, w.value.op) : ek_tensor_op(w.value);
    return w;
}

ek_write ek__scatter_add(ek_variable v, ek_tensor indices, ek_tensor rows, bool use_locking, ek_where where)
{
    ek_graph *g = v.graph;
    const ek_operand in[] = { ek__of(ek__backing(v)), ek__of(indices), ek__of(rows) };
    const ek_attr locking[] = { EK_ATTR_B("use_locking", use_locking) };
    const ek_attr dtype[] = { EK_ATTR_T("dtype", ek_dtype_base(ek_variable_dtype(v))) };
    const bool resource = ek_variable_is_resource(v);
    ek_write w = { ek__call(&(ek_call){ .graph = g, .type = resource ? "ResourceScatterAdd" : "ScatterAdd", .in = in,
                                        .n_in = 3, .attr = resource ? dtype : locking, .n_attr = 1, .where = where }),
                   ek__dead(g) };
    const ek_item first = ek_item_of_op(w.op);

    if (!resource || !ek_op_ok(w.op)) w.value = ek_op_output(w.op, 0);
    else
        EK_IN_SCOPE(ek_control_dependencies_push(g, (ek_list){ g, &first, 1 }, where))
            w.value = ek__variable_value(v, where);
    return w;
}
