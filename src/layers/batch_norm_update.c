/* layers/batch_norm_update.c - how the moving averages move. */
#include "layers/batch_norm.h"

/* ---- writes ----------------------------------------------------------------------------------- */

static ek_tensor backing(ek_variable v)
{
    const ek_op op = ek_variable_op(v);

    return (ek_tensor){ op.graph, op.id, 0 };
}

static ek_tensor read_after(const ek_bn_call *c, ek_variable v, ek_op write)
{
    const ek_tensor handle = backing(v);
    const ek_attr dtype = EK_ATTR_T("dtype", ek_variable_dtype(v));

    return ek__node_tensor(c->g, &(ek_node_args){ .type = "ReadVariableOp", .in = &handle, .n_in = 1, .attr = &dtype,
                                                  .n_attr = 1, .control = &write, .n_control = 1,
                                                  .where = c->where });
}

/* A resource's write is followed by a read, which is what the assignment returns in Python. */
static ek_bn_write write_resource(const ek_bn_call *c, const char *type, const char *name, ek_variable v,
                                  ek_tensor value)
{
    const ek_tensor op = EK_EMIT(c->g, c->where, type, name, EK_IN(backing(v), value),
                                 EK_ATTR_T("dtype", ek_variable_dtype(v)));
    const ek_bn_write w = { { c->g, op.op }, v, ek__dead(c->g) };

    read_after(c, v, w.op);
    return w;
}

static ek_bn_write write_reference(const ek_bn_call *c, const char *type, const char *name, ek_variable v,
                                   ek_tensor value)
{
    const ek_tensor after = ek__emit2(type, backing(v), value, name, c->where);

    return (ek_bn_write){ { c->g, after.op }, v, after };
}

ek_tensor ek__bn_written(const ek_bn_call *c, const ek_bn_write *w)
{
    ek_tensor value = w->value;

    if (ek_variable_is_resource(w->variable) && ek_op_ok(w->op))
        EK_IN_SCOPE(ek__colocate_push(c->g, NULL, 0, true, c->where)) value = read_after(c, w->variable, w->op);
    return value;
}

ek_bn_write ek__bn_moving_average(const ek_bn_call *c, ek_variable variable, ek_tensor value, ek_operand momentum)
{
    const ek_op place = ek_variable_op(variable);
    const ek_dtype dtype = ek_dtype_base(ek_variable_dtype(variable));
    ek_bn_write w = { { c->g, -1 }, variable, ek__dead(c->g) };

    if (!ek_op_ok(place)) return w;
    EK_IN_SCOPE(ek_name_scope_push(c->g, "AssignMovingAvg", c->where))
        EK_IN_SCOPE(ek__colocate_push(c->g, &place.id, 1, false, c->where)) {
            const char *own = ek_name_scope(c->g);
            ek_operand decay, delta;
            if (momentum.kind == 'l')
                decay = ek__of(ek__const_scalar(c->g, EK_FLOAT32, 1.0 - momentum.u.literal.u.f, "decay", c->where));
            else
                decay = ek__of(ek__op2(ek_minus_with, ek__num(1.0), momentum, c->where));
            decay = ek__cast(c->g, decay, dtype, c->where);
            value = ek__cast(c->g, ek__of(value), dtype, c->where).u.tensor;
            delta = ek__of(ek__op2(ek_minus_with, ek__v(variable), ek__of(value), c->where));
            delta = ek__of(ek__op2(ek_times_with, delta, decay, c->where));
            w = ek_variable_is_resource(variable)
                    ? write_resource(c, "AssignSubVariableOp", NULL, variable, delta.u.tensor)
                    : write_reference(c, "AssignSub", own, variable, delta.u.tensor);
        }
    return w;
}

ek_bn_write ek__bn_assign(const ek_bn_call *c, ek_variable variable, ek_tensor value)
{
    const ek_op place = ek_variable_op(variable);
    ek_bn_write w = { { c->g, -1 }, variable, ek__dead(c->g) };

    if (!ek_op_ok(place)) return w;
    EK_IN_SCOPE(ek_name_scope_push(c->g, "AssignNewValue", c->where))
        EK_IN_SCOPE(ek__colocate_push(c->g, &place.id, 1, false, c->where)) {
            const char *own = ek_name_scope(c->g);
            w = ek_variable_is_resource(variable) ? write_resource(c, "AssignVariableOp", own, variable, value)
                                                  : write_reference(c, "Assign", own, variable, value);
        }
    return w;
}

/* ---- updates of a call ------------------------------------------------------------------------------- */

typedef struct update_arg {
    ek_bn_call *call;
    ek_variable variable;
    ek_bn_writer write;
    void *arg;
} update_arg;

static void move(ek_graph *g, ek_operand *out, void *arg, ek_where where)
{
    const update_arg *u = arg;
    const ek_bn_write w = u->write(u->call, u->arg);

    EK_UNUSED(g);
    EK_UNUSED(where);
    *out = ek__of(ek__bn_written(u->call, &w));
}

static void stay(ek_graph *g, ek_operand *out, void *arg, ek_where where)
{
    EK_UNUSED(g);
    EK_UNUSED(where);
    *out = ek__v(((const update_arg *)arg)->variable);
}

void ek__bn_update(ek_bn_call *c, ek_variable variable, ek_bn_writer write, void *arg)
{
    update_arg u = { c, variable, write, arg };
    ek_operand merged = { 0 };
    ek_op op = { c->g, -1 };

    if (c->mode.known == 1) {
        op = write(c, arg).op;
    } else if (c->mode.known == EK_MODE_DYNAMIC) {
        ek__choose(c->g, &c->mode, move, stay, &u, 1, &merged, c->where);
        op.id = merged.u.tensor.op;
    }
    if (ek_op_ok(op) && c->n_updates < EK_BN_MAX_UPDATES) c->update[c->n_updates++] = op;
}
