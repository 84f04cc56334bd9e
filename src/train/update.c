/* train/update.c - how one variable follows its gradient: Apply..., ResourceApply..., and their forms for rows. */
#include <stdio.h>

#include "evenkeel/arrays.h"
#include "train/train.h"

/* ---- inputs ------------------------------------------------------------------------------------------ */

ek_operand ek__update_hyper(const ek_update *u, int i)
{
    return ek__cast(u->o->graph, ek__of(u->o->hyper_now[i]), u->dtype, u->where);
}

ek_operand ek__update_power(const ek_update *u, int k)
{
    return ek__cast(u->o->graph, ek__v(u->o->power[k]), u->dtype, u->where);
}

static ek_operand input(const ek_update *u, char c)
{
    if (c >= '0' && c < '0' + EK_MAX_SLOTS) return ek__of(ek__backing(ek__slot_at(u->o, u->variable, c - '0')));
    if (c == 'P' || c == 'Q') return ek__update_power(u, c - 'P');
    return ek__update_hyper(u, c - 'a');
}

/* The operation of the optimizer's kind; Python converts its arguments before it enters the operation's name scope. */
static ek_op apply(const ek_update *u)
{
    const ek_optimizer_kind *kind = u->o->kind;
    ek_operand in[EK_CALL_MAX_IN] = { ek__of(ek__backing(u->variable)) };
    ek_attr attr[2] = { EK_ATTR_B("use_locking", u->o->use_locking) };
    char type[64];
    int n = 1;

    for (const char *c = kind->inputs; *c != '\0'; c++) {
        if (*c != 'g') {
            in[n++] = input(u, *c);
            continue;
        }
        in[n++] = ek__of(u->gradient.value);
        if (ek_gradient_is_rows(u->gradient)) in[n++] = ek__of(u->gradient.indices);
    }
    attr[1] = EK_ATTR_B("use_nesterov", u->o->use_nesterov);
    snprintf(type, sizeof type, "%s%sApply%s", u->info->is_resource ? "Resource" : "",
             ek_gradient_is_rows(u->gradient) ? "Sparse" : "", kind->type);
    return ek__call(&(ek_call){ .graph = u->o->graph, .type = type, .in = in, .n_in = n, .attr = attr,
                                .n_attr = kind->nesterov ? 2 : 1, .where = u->where });
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

/* Their number as a scalar: tf.shape(x)[0]. */
static ek_tensor count_of(ek_tensor x, ek_where where)
{
    const ek_tensor shape = ek__op1(ek_shape_with, ek__of(x), NULL, where);

    return ek_strided_slice_with(&(ek_strided_slice_options){ .size = sizeof(ek_strided_slice_options), .input = shape,
        .begin = EK_INTS(0), .end = EK_INTS(1), .strides = EK_INTS(1), .shrink_axis_mask = 1 }, where);
}

void ek__rows_unique(ek_gradient *rows, ek_where where)
{
    ek_graph *g = rows->value.graph;
    const ek_operand all[] = { ek__of(rows->indices) };
    const ek_op unique = ek__call(&(ek_call){ .graph = g, .type = "Unique", .in = all, .n_in = 1, .where = where });

    if (!ek_op_ok(unique)) return;
    const ek_operand sum[] = { ek__of(rows->value), ek__of(ek_op_output(unique, 1)),
                               ek__of(count_of(ek_op_output(unique, 0), where)) };

    rows->indices = ek_op_output(unique, 0);
    rows->value = ek__call_tensor(&(ek_call){ .graph = g, .type = "UnsortedSegmentSum", .in = sum, .n_in = 3,
                                              .where = where });
}

/* Without moments, adding what belongs together and adding it bit by bit are the same. */
ek_op ek__rows_descent(const ek_update *u)
{
    ek_operand value = ek__of(u->gradient.value);
    const bool resource = u->info->is_resource;

    if (resource) value = ek__of(ek__op1(ek_negative_with, value, NULL, u->where));
    value = ek__of(ek__op2(ek_times_with, value, ek__update_hyper(u, 0), u->where));
    const ek_operand in[] = { ek__of(ek__backing(u->variable)), ek__of(u->gradient.indices), value };
    const ek_attr attr[] = { EK_ATTR_B("use_locking", u->o->use_locking) };
    const ek_attr dtype[] = { EK_ATTR_T("dtype", u->info->dtype) };

    return ek__call(&(ek_call){ .graph = u->o->graph, .type = resource ? "ResourceScatterAdd" : "ScatterSub", .in = in,
                                .n_in = 3, .attr = resource ? dtype : attr, .n_attr = 1, .where = u->where });
}

/* x = x*keep + rows at their places: what Adam's averages become where most rows got no gradient. */
static ek_write decayed(const ek_update *u, ek_variable x, ek_operand keep, ek_tensor rows)
{
    ek_graph *g = u->o->graph;
    ek_write w = { { g, -1 }, ek__dead(g) };
    const ek_tensor kept = ek__op2(ek_times_with, ek__v(x), keep, u->where);
    const ek_write all = ek__write(ek_assign_with, x, ek__of(kept), u->o->use_locking ? EK_YES : EK_NO, NULL, u->where);
    const ek_item first = ek_item_of_op(all.op);

    EK_IN_SCOPE(ek_control_dependencies_push(g, (ek_list){ g, &first, 1 }, u->where))
        w = ek__scatter_add(x, u->gradient.indices, rows, u->o->use_locking, u->where);
    return w;
}

/* Adam on rows, in small operations: TensorFlow has no kernel for it. */
ek_op ek__rows_adam(const ek_update *u)
{
    const ek_where where = u->where;
    ek_graph *g = u->o->graph;
    const ek_operand one = ek__num(1.0), grad = ek__of(u->gradient.value);
    const ek_operand beta1_power = ek__update_power(u, 0), beta2_power = ek__update_power(u, 1);
    const ek_operand rate = ek__update_hyper(u, 0), beta1 = ek__update_hyper(u, 1), beta2 = ek__update_hyper(u, 2);
    const ek_operand epsilon = ek__update_hyper(u, 3);
    ek_tensor lr, t;

    lr = ek__op1(ek_sqrt_with, ek__of(ek__op2(ek_minus_with, one, beta2_power, where)), NULL, where);
    lr = ek__op2(ek_times_with, rate, ek__of(lr), where);
    lr = ek__op2(ek_over_with, ek__of(lr), ek__of(ek__op2(ek_minus_with, one, beta1_power, where)), where);
    t = ek__op2(ek_times_with, grad, ek__of(ek__op2(ek_minus_with, one, beta1, where)), where);
    const ek_write m = decayed(u, ek__slot_at(u->o, u->variable, 0), beta1, t);
    t = ek__op2(ek_times_with, grad, grad, where);
    t = ek__op2(ek_times_with, ek__of(t), ek__of(ek__op2(ek_minus_with, one, beta2, where)), where);
    const ek_write v = decayed(u, ek__slot_at(u->o, u->variable, 1), beta2, t);
    const ek_tensor root = ek__op1(ek_sqrt_with, ek__of(v.value), NULL, where);
    t = ek__op2(ek_times_with, ek__of(lr), ek__of(m.value), where);
    t = ek__op2(ek_over_with, ek__of(t), ek__of(ek__op2(ek_plus_with, ek__of(root), epsilon, where)), where);
    const ek_write w = ek__write(ek_assign_sub_with, u->variable, ek__of(t), u->o->use_locking ? EK_YES : EK_NO, NULL,
                                 where);
    return ek_group_with(g, &(ek_group_options){ .size = sizeof(ek_group_options),
        .list = EK_LIST(w.op, m.value, v.value) }, where);
}

/* ---- a variable -------------------------------------------------------------------------------------------- */

static ek_op update_rows(const ek_update *u)
{
    ek_update unique = *u;

    if (u->info->constraint != NULL) {
        ek__graph_fail(u->o->graph, u->where, EK_FAILED_PRECONDITION,
                       "Cannot use a constraint function on a sparse variable.");
        return (ek_op){ u->o->graph, -1 };
    }
    if (u->o->kind->rows != ek__rows_descent) ek__rows_unique(&unique.gradient, u->where);
    return u->o->kind->rows != NULL ? u->o->kind->rows(&unique) : apply(&unique);
}

/* v <- constraint(v), after the update. */
static ek_op constrain(const ek_update *u, ek_op update)
{
    const ek_constraint *c = u->info->constraint;
    const ek_item first = ek_item_of_op(update);
    ek_write w = { update, ek__dead(u->o->graph) };

    EK_IN_SCOPE(ek_control_dependencies_push(u->o->graph, (ek_list){ u->o->graph, &first, 1 }, u->where)) {
        const ek_tensor value = c->call(u->variable, c->arg);
        w = ek__write(ek_assign_with, u->variable, ek__of(value), EK_NO, NULL, u->where);
    }
    return w.op;
}

ek_op ek__update_build(const ek_update *u)
{
    ek_op op;

    if (ek_gradient_is_rows(u->gradient)) return update_rows(u);
    op = apply(u);
    return u->info->constraint != NULL && ek_op_ok(op) ? constrain(u, op) : op;
}
