/* layers/regularizer.c - losses of single variables, and of what layers give. */
#include "layers/variable.h"

enum { NONE, KERAS, CALL, CALL_ON_TENSOR };

ek_regularizer ek_l1_l2_regularizer(double l1, double l2)
{
    return (ek_regularizer){ .kind = KERAS, .l1 = l1, .l2 = l2 };
}
ek_regularizer ek_l1_regularizer(double l1) { return ek_l1_l2_regularizer(l1, 0.0); }
ek_regularizer ek_l2_regularizer(double l2) { return ek_l1_l2_regularizer(0.0, l2); }

ek_regularizer ek_custom_regularizer(ek_variable_fn call, void *arg)
{
    return (ek_regularizer){ .kind = CALL, .call = call, .arg = arg };
}

ek_regularizer ek_custom_activity_regularizer(ek_tensor_fn call, void *arg)
{
    return (ek_regularizer){ .kind = CALL_ON_TENSOR, .of_tensor = call, .arg = arg };
}

/* tf.reduce_sum over everything: the axes are a constant. */
static ek_tensor sum_all(ek_tensor x, ek_where where)
{
    const ek_shape shape = ek_tensor_shape(x);
    ek_shape axes = { .rank = shape.rank };

    if (!ek_tensor_ok(x)) return x;
    for (int i = 0; i < shape.rank; i++) axes.dim[i] = i;
    return ek__emit2("Sum", x, ek__const_shape(x.graph, &axes, "Const", where), NULL, where);
}

/* sum + factor * sum(what(v)). Keras keeps its factors in float32. */
static ek_tensor add_term(ek_tensor total, double factor, ek_tensor what, ek_where where)
{
    const ek_tensor term = ek__op2(ek_times_with, ek__num((double)(float)factor), ek__of(sum_all(what, where)), where);

    return ek__op2(ek_plus_with, ek_tensor_ok(total) ? ek__of(total) : ek__num(0.0), ek__of(term), where);
}

static ek_tensor keras(ek_graph *g, const ek_regularizer *r, ek_operand x, ek_where where)
{
    ek_tensor total = ek__dead(g);

    if (!ek__finite(g, "l1 of a regularizer", r->l1, where) || !ek__finite(g, "l2 of a regularizer", r->l2, where)) return total;
    if (r->l1 == 0.0 && r->l2 == 0.0) return ek__const_scalar(g, EK_FLOAT32, 0.0, "Const", where);
    if (r->l1 != 0.0) total = add_term(total, r->l1, ek__op1(ek_abs_with, x, NULL, where), where);
    if (r->l2 != 0.0) total = add_term(total, r->l2, ek__op1(ek_square_with, x, NULL, where), where);
    return total;
}

ek_tensor ek__regularizer_build(ek_graph *g, const ek_regularizer *r, ek_operand x, ek_where where)
{
    if (r->kind == KERAS) return keras(g, r, x, where);
    if (r->kind == CALL && r->call != NULL && x.kind == 'v') return r->call(x.u.variable, r->arg);
    if (r->kind == CALL_ON_TENSOR && r->of_tensor != NULL)
        return r->of_tensor(ek__operand_tensor(g, &x, EK_DTYPE_NONE, NULL, where), r->arg);
    if (r->kind == CALL && r->call != NULL)
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "a regularizer of variables was given for a tensor; make it with ek_custom_activity_regularizer()");
    else
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "this is no regularizer (kind %d); make one with ek_..._regularizer()", r->kind);
    return ek__dead(g);
}
