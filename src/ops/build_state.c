/* ops/build_state.c - builders of writes to variables. Making variables is layers/. */
#include "evenkeel/arrays.h"
#include "ops/operand.h"

static ek_tensor dead_write(const ek_assign_options *o, ek_where where)
{
    ek_graph *g = o->variable.graph;

    if (g != NULL) ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "a variable is needed to assign to, this one is dead");
    return ek__dead(g);
}

/* The value that a write to a resource variable gives: a read that waits for it. */
static ek_tensor read_after(const ek_variable_info *info, ek_op write, ek_where where)
{
    const ek_tensor handle = { write.graph, info->op, 0 };
    const ek_attr dtype = EK_ATTR("dtype", EK_ATTR_TYPE, type, info->dtype);
    const ek_item control = ek_item_of_op(write);

    if (!ek_op_ok(write)) return ek__dead(write.graph);
    ek_scope scope = ek_control_dependencies_push(write.graph, (ek_list){ write.graph, &control, 1 }, where);
    const ek_op read = ek__node_build(write.graph, &(ek_node_args){ .type = "ReadVariableOp", .in = &handle, .n_in = 1,
                                                                    .attr = &dtype, .n_attr = 1, .where = where });
    ek_scope_pop(&scope);
    return (ek_tensor){ read.graph, read.id, 0 };
}

/* Python converts the value before it enters the name scope of the write. */
static ek_tensor write_resource(const ek_variable_info *info, const char *type, const ek_assign_options *o,
                                ek_where where)
{
    ek_graph *g = o->variable.graph;
    const ek_operand in[] = {
        ek__of((ek_tensor){ g, info->op, 0 }),
        ek__of(ek__operand_tensor(g, &o->value, info->dtype, NULL, where)),
    };
    const ek_attr dtype = EK_ATTR("dtype", EK_ATTR_TYPE, type, info->dtype);

    return read_after(info, ek__call(&(ek_call){ .type = type, .name = o->name, .in = in, .n_in = 2, .attr = &dtype,
                                                 .n_attr = 1, .where = where }), where);
}

typedef struct write_types {
    const char *reference, *resource;
    bool validates; /* the reference form has validate_shape */
} write_types;

static ek_tensor write(const write_types *types, const ek_assign_options *o, ek_where where)
{
    ek_graph *g = o->variable.graph;

    if (!EK_GRAPH_OK(g, where) || !ek__variable_in(g, o->variable)) return dead_write(o, where);
    const ek_variable_info *info = g->variable[o->variable.id];
    if (info->n_parts > 0) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "%s is in parts: write to each, ek_variable_part(v, 0) and so on",
                       info->name);
        return ek__dead(g);
    }
    if (info->is_resource) return write_resource(info, types->resource, o, where);

    const ek_operand in[] = { ek__of((ek_tensor){ g, info->op, 0 }), o->value };
    ek_attr attr[2];
    int n = 0;
    if (types->validates) attr[n++] = EK_ATTR("validate_shape", EK_ATTR_BOOL, b, o->validate_shape);
    if (o->use_locking != EK_DEFAULT) attr[n++] = EK_ATTR("use_locking", EK_ATTR_BOOL, b, o->use_locking == EK_YES);
    return ek__call_tensor(&(ek_call){ .type = types->reference, .name = o->name, .in = in, .n_in = 2, .attr = attr,
                                       .n_attr = n, .where = where });
}

ek_tensor ek_assign_with(const ek_assign_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    return write(&(write_types){ "Assign", "AssignVariableOp", true }, o, where);
}

ek_tensor ek_assign_add_with(const ek_assign_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    return write(&(write_types){ "AssignAdd", "AssignAddVariableOp", false }, o, where);
}

ek_tensor ek_assign_sub_with(const ek_assign_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    return write(&(write_types){ "AssignSub", "AssignSubVariableOp", false }, o, where);
}
