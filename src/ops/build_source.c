/* ops/build_source.c - builders of what comes first: constants, placeholders; and of identities. */
#include "ops/operand.h"

static ek_tensor fail(ek_graph *g, ek_where where, const ek_error *err)
{
    if (g != NULL) ek__graph_fail(g, where, err->code, "%s", err->text);
    return ek__dead(g);
}

/* A Const whose elements after the first `given` repeat the last of them: files hold only those. */
static ek_tensor repeated(ek_graph *g, ek_array *value, int32_t given, const char *name, ek_where where)
{
    ek_attr attr[] = {
        EK_ATTR("value", EK_ATTR_TENSOR, tensor, value),
        EK_ATTR("dtype", EK_ATTR_TYPE, type, value->dtype),
    };

    attr[0].value.count = given;
    const ek_op op = ek__node_build(g, &(ek_node_args){ .type = "Const", .name = name, .attr = attr, .n_attr = 2,
                                                        .where = where });
    return (ek_tensor){ op.graph, op.id, 0 };
}

ek_tensor ek_constant_with(ek_graph *g, const ek_constant_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where)) return ek__dead(g);
    const int64_t given = o->value.kind != 'a' ? 1 : o->value.u.a != NULL ? o->value.u.a->count : 0;
    ek_error err = { 0 };
    ek_array *value = NULL;

    if (!EK_GRAPH_OK(g, where)) return ek__dead(g);
    if (ek__literal_array(&o->value, o->dtype, o->shape.rank == -2 ? NULL : &o->shape, &value, &err) != EK_OK)
        return fail(g, where, &err);
    const ek_tensor t = given < value->count ? repeated(g, value, (int32_t)given, o->name, where)
                                             : ek__const(g, value, o->name, where);
    ek_array_unref(value);
    return t;
}

ek_tensor ek_placeholder_with(ek_graph *g, const ek_placeholder_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where)) return ek__dead(g);
    ek_shape shape = o->shape;
    const ek_attr attr[] = {
        EK_ATTR("dtype", EK_ATTR_TYPE, type, o->dtype),
        EK_ATTR("shape", EK_ATTR_SHAPE, shape, &shape),
    };

    return ek__call_tensor(&(ek_call){ .graph = g, .type = "Placeholder", .name = o->name, .attr = attr, .n_attr = 2,
                                       .where = where });
}

ek_tensor ek_placeholder_with_default_with(ek_graph *g, const ek_placeholder_with_default_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where)) return ek__dead(g);
    const ek_operand value = ek_operand_of_literal(o->value);
    ek_shape shape = o->shape.rank == -2 ? ek__operand_shape(&value) : o->shape;
    const ek_attr attr = EK_ATTR("shape", EK_ATTR_SHAPE, shape, &shape);

    return ek__call_tensor(&(ek_call){ .graph = g, .type = "PlaceholderWithDefault", .name = o->name, .in = &value,
                                       .n_in = 1, .attr = &attr, .n_attr = 1, .where = where });
}

/* One operand, nothing else to say. */
static ek_tensor pass(const char *type, const ek_unary_options *o, ek_where where)
{
    return ek__call_tensor(&(ek_call){ .type = type, .name = o->name, .in = &o->x, .n_in = 1, .where = where });
}

ek_tensor ek_identity_with(const ek_unary_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    return pass("Identity", o, where);
}

ek_tensor ek_stop_gradient_with(const ek_unary_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    return pass("StopGradient", o, where);
}
