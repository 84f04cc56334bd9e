/* ops/operand.c - what Python's wrappers do around a node. Literals are in literal.c. */
#include "ops/operand.h"

/* ---- operands -------------------------------------------------------------------------------- */

static const ek_variable_info *variable_info(ek_variable v)
{
    return ek__variable_in(v.graph, v) ? v.graph->variable[v.id] : NULL;
}

ek_graph *ek__operand_graph(const ek_operand *x, int n)
{
    for (int i = 0; i < n; i++) {
        if ((x[i].kind == 't' || x[i].kind == EK_UNREAD) && x[i].u.tensor.graph != NULL) return x[i].u.tensor.graph;
        if (x[i].kind == 'v' && x[i].u.variable.graph != NULL) return x[i].u.variable.graph;
    }
    return NULL;
}

ek_dtype ek__operand_dtype(const ek_operand *x)
{
    if (x->kind == 't' || x->kind == EK_UNREAD) return ek_dtype_base(ek_tensor_dtype(x->u.tensor));
    if (x->kind == 'v') {
        const ek_variable_info *info = variable_info(x->u.variable);
        return info != NULL ? info->dtype : EK_DTYPE_NONE;
    }
    const ek_literal *l = &x->u.literal;
    return l->kind == 'a' && l->dtype == EK_DTYPE_NONE && l->u.a != NULL ? l->u.a->dtype : l->dtype;
}

ek_shape ek__operand_shape(const ek_operand *x)
{
    if (x->kind == 't' || x->kind == EK_UNREAD) return ek_tensor_shape(x->u.tensor);
    if (x->kind == 'v') {
        const ek_variable_info *info = variable_info(x->u.variable);
        return info != NULL ? info->shape : EK_UNKNOWN_SHAPE;
    }
    return x->u.literal.kind == 'a' && x->u.literal.u.a != NULL ? x->u.literal.u.a->shape : EK_SCALAR;
}

ek_tensor ek__variable_value(ek_variable v, ek_where where)
{
    const ek_variable_info *info = variable_info(v);

    if (info == NULL) {
        ek__graph_fail(v.graph, where, EK_INVALID_ARGUMENT, "a variable is needed, this one is dead");
        return ek__dead(v.graph);
    }
    if (info->n_parts > 0) return ek__parts_value(v, where);
    if (!info->is_resource) return ek__tensor(v.graph, info->snapshot);
    const ek_tensor handle = { v.graph, info->op, 0 };
    const ek_attr dtype = EK_ATTR("dtype", EK_ATTR_TYPE, type, info->dtype);
    /* A read belongs to nobody but its variable, whatever is being placed around it. */
    ek_scope nowhere = ek__colocate_push(v.graph, NULL, 0, true, where);
    const ek_op read = ek__node_build(v.graph, &(ek_node_args){ .type = "ReadVariableOp", .in = &handle, .n_in = 1,
                                                                .attr = &dtype, .n_attr = 1, .where = where });

    ek_scope_pop(&nowhere);
    return (ek_tensor){ read.graph, read.id, 0 };
}

/* The write of its variable that a read waits for; -1: it is no such read. */
static int32_t write_before(ek_tensor t)
{
    const ek_node *n = ek__tensor_in(t.graph, t) ? ek__node(t.graph, t.op) : NULL;

    if (n == NULL || strcmp(n->type, "ReadVariableOp") != 0) return -1;
    for (int32_t i = 0; i < n->n_control; i++) {
        const ek_node *w = ek__node(t.graph, n->control[i]);
        if (w->n_in > 0 && w->in[0].node == n->in[0].node && w->in[0].index == n->in[0].index) return w->id;
    }
    return -1;
}

ek_operand ek__unread(ek_tensor t)
{
    return (ek_operand){ .kind = write_before(t) >= 0 ? EK_UNREAD : 't', .u = { .tensor = t } };
}

/* Another read of the same variable, which waits for the same write. */
static ek_tensor read_again(ek_tensor t, ek_where where)
{
    const ek_node *n = ek__node(t.graph, t.op);
    const ek_tensor handle = ek__tensor(t.graph, n->in[0]);
    const ek_op written = { t.graph, write_before(t) };

    return ek__node_tensor(t.graph, &(ek_node_args){ .type = "ReadVariableOp", .in = &handle, .n_in = 1, .where = where,
                                                     .attr = n->attr, .n_attr = n->n_attr, .control = &written,
                                                     .n_control = 1 });
}

ek_tensor ek__operand_tensor(ek_graph *g, const ek_operand *x, ek_dtype dtype, const char *name, ek_where where)
{
    ek_error err = { 0 };
    ek_array *value = NULL;

    if (x->kind == 't') return x->u.tensor;
    if (x->kind == 'v') return ek__variable_value(x->u.variable, where);
    if (x->kind == EK_UNREAD) return read_again(x->u.tensor, where);
    if (g == NULL) return ek__dead(g);
    if (ek__literal_array(&x->u.literal, dtype, NULL, &value, &err) != EK_OK) {
        ek__graph_fail(g, where, err.code, "%s", err.text);
        return ek__dead(g);
    }
    const ek_tensor t = ek__const(g, value, name, where);
    ek_array_unref(value);
    return t;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

ek_tensor ek__const(ek_graph *g, ek_array *value, const char *name, ek_where where)
{
    const ek_attr attr[] = {
        EK_ATTR("value", EK_ATTR_TENSOR, tensor, value),
        EK_ATTR("dtype", EK_ATTR_TYPE, type, value->dtype),
    };
    const ek_op op = ek__node_build(g, &(ek_node_args){ .type = "Const", .name = name, .attr = attr, .n_attr = 2,
                                                        .where = where });

    return (ek_tensor){ op.graph, op.id, 0 };
}

ek_tensor ek__const_shape(ek_graph *g, const ek_shape *s, const char *name, ek_where where)
{
    int32_t dim[EK_MAX_RANK];
    ek_error err = { 0 };
    ek_array *value = NULL;

    for (int32_t d = 0; d < s->rank && d < EK_MAX_RANK; d++) {
        if (s->dim[d] > INT32_MAX) {
            ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "the dimension %lld does not fit into int32",
                           (long long)s->dim[d]);
            return ek__dead(g);
        }
        dim[d] = (int32_t)s->dim[d];
    }
    if (ek__array_new(EK_INT32, &EK_SHAPE(s->rank), dim, &value, &err) != EK_OK) {
        ek__graph_fail(g, where, err.code, "%s", err.text);
        return ek__dead(g);
    }
    const ek_tensor t = ek__const(g, value, name, where);
    ek_array_unref(value);
    return t;
}

/* The dtype that argument `arg` must have: its own, one given as an attribute, what another operand of the same type
 * attribute has, the attribute's default; else the operand's own. */
static ek_dtype wanted_dtype(const ek_call *c, const ek_op_spec *spec, int arg)
{
    const char *type_attr = spec->in[arg].type_attr;

    if (spec->in[arg].type != EK_DTYPE_NONE) return spec->in[arg].type;
    if (type_attr == NULL) return EK_DTYPE_NONE;
    const ek_attr_value *given = ek__attr_find(c->attr, c->n_attr, type_attr);
    if (given != NULL) return given->u.type;
    for (int i = 0; i < c->n_in && i < spec->n_in; i++) {
        if (spec->in[i].type_attr == NULL || strcmp(spec->in[i].type_attr, type_attr) != 0) continue;
        const ek_dtype t = ek__operand_dtype(&c->in[i]);
        if (t != EK_DTYPE_NONE) return t;
    }
    for (int i = 0; i < spec->n_attrs; i++)
        if (strcmp(spec->attr[i].name, type_attr) == 0 && spec->attr[i].has_default)
            return spec->attr[i].fallback.u.type;
    return EK_DTYPE_NONE;
}

/* One operand; a literal that cannot have the dtype is told as Python tells it. */
static ek_tensor convert(const ek_call *c, ek_graph *g, const ek_op_spec *spec, int i)
{
    const ek_operand *x = &c->in[i];
    const ek_dtype dtype = wanted_dtype(c, spec, i);
    ek_error err = { 0 };
    ek_array *value = NULL;

    if (x->kind != 'l') return ek__operand_tensor(g, x, dtype, spec->in[i].name, c->where);
    const ek_status st = ek__literal_array(&x->u.literal, dtype, NULL, &value, &err);
    if (st == EK_INVALID_ARGUMENT && dtype != EK_DTYPE_NONE) {
        /* "Expected int32, got 0.001 of type 'float' instead." is told in the middle and whole at the end. */
        const char *got = strstr(err.text, ", got ");
        ek__graph_fail(g, c->where, st, "Expected %s passed to parameter '%s' of op '%s'%s Error: %s",
                       ek_dtype_name(dtype), spec->in[i].name, c->type, got != NULL ? got : ".", err.text);
    } else if (st != EK_OK) {
        ek__graph_fail(g, c->where, st, "%s", err.text);
    }
    const ek_tensor t = st == EK_OK ? ek__const(g, value, spec->in[i].name, c->where) : ek__dead(g);
    ek_array_unref(value);
    return t;
}

ek_op ek__call(const ek_call *c)
{
    ek_graph *g = c->graph != NULL ? c->graph : ek__operand_graph(c->in, c->n_in);
    ek_tensor in[EK_CALL_MAX_IN];
    ek_op op = { g, -1 };

    if (g == NULL) {
        ek__graph_fail(NULL, c->where, EK_INVALID_ARGUMENT,
                       "%s needs a graph: a tensor or a variable of one among its operands", c->type);
        return op;
    }
    const ek_op_spec *spec = ek__registry_find(g->registry, c->type);
    if (spec == NULL || c->n_in > EK_CALL_MAX_IN || c->n_in != spec->n_in) {
        ek__graph_fail(g, c->where, EK_INTERNAL, "%s is not called with %d operands", c->type, c->n_in);
        return op;
    }
    ek_scope scope = ek_name_scope_push(g, c->name != NULL ? c->name : c->type, c->where);
    for (int i = 0; i < c->n_in; i++) in[i] = convert(c, g, spec, i);
    op = ek__node_build(g, &(ek_node_args){ .type = c->type, .name = ek_name_scope(g), .in = in, .n_in = c->n_in,
                                            .attr = c->attr, .n_attr = c->n_attr, .where = c->where });
    ek_scope_pop(&scope);
    return op;
}

ek_tensor ek__call_tensor(const ek_call *c)
{
    const ek_op op = ek__call(c);

    return (ek_tensor){ op.graph, op.id, 0 };
}
