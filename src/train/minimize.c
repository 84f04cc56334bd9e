/* train/minimize.c - compute_gradients, minimize, and the training step that runs the update ops too. */
#include "autodiff/gate.h"
#include "train/train.h"

/* ---- compute_gradients ------------------------------------------------------------------------------- */

static bool is_valid(ek_dtype t)
{
    return t == EK_FLOAT16 || t == EK_BFLOAT16 || t == EK_FLOAT32 || t == EK_FLOAT64;
}

static bool check_dtype(ek_graph *g, ek_dtype t, const char *name, ek_where where)
{
    t = ek_dtype_base(t);
    if (is_valid(t)) return true;
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                   "Invalid type tf.%s for %s, expected: [tf.float16, tf.bfloat16, tf.float32, tf.float64].",
                   ek_dtype_name(t), name);
    return false;
}

static bool check_tensor(ek_graph *g, const char *what, ek_tensor t, ek_where where)
{
    char name[256];

    if (!ek__tensor_in(g, t)) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, t.graph != NULL && t.graph != g
                       ? "%s is of another graph than the optimizer" : "%s is dead: the call that made it failed", what);
        return false;
    }
    ek_tensor_name(t, name, sizeof name);
    return check_dtype(g, ek_tensor_dtype(t), name, where);
}

/* Two lists as one. */
static ek_list joined(ek_graph *g, ek_list a, ek_list b)
{
    ek_item *item;

    if (b.count == 0) return a;
    item = EK_ARENA_NEW(&g->arena, ek_item, a.count + b.count);
    if (item == NULL) {
        ek__graph_fail(g, EK_HERE, EK_RESOURCE_EXHAUSTED, "no memory for a list of variables");
        return EK_EMPTY_LIST;
    }
    if (a.count > 0) memcpy(item, a.item, (size_t)a.count * sizeof *item);
    memcpy(item + a.count, b.item, (size_t)b.count * sizeof *item);
    return (ek_list){ g, item, a.count + b.count };
}

static ek_list variables_for(ek_graph *g, ek_list given)
{
    if (given.count > 0) return ek_list_copy(g, given);
    return joined(g, ek_trainable_variables(g), ek_get_collection(g, EK_TRAINABLE_RESOURCE_VARIABLES));
}

/* All gradients or none, and only when all are there. */
static ek_gradient_list gate_all(ek_gradient_list list, ek_where where)
{
    ek_gradient *out = ek__arena_memdup(&list.graph->arena, list.at, (size_t)list.count * sizeof *out);

    if (out == NULL) ek__graph_fail(list.graph, where, EK_RESOURCE_EXHAUSTED, "no memory to gate gradients");
    return out != NULL && ek__gate(list.graph, out, list.count, 1, where)
               ? (ek_gradient_list){ list.graph, out, list.count } : list;
}

/* Variables that the loss depends on must be floating; the others do not matter. */
static bool check_variables(ek_graph *g, ek_gradient_list d, ek_list variables, ek_where where)
{
    for (int64_t i = 0; i < d.count; i++)
        if (ek_gradient_ok(d.at[i]) && variables.item[i].kind == EK_ITEM_VARIABLE &&
            !check_dtype(g, ek_variable_dtype(variables.item[i].u.variable), ek_item_name(g, variables.item[i]), where))
            return false;
    return true;
}

static ek_grads_and_vars no_gradients(ek_graph *g)
{
    return (ek_grads_and_vars){ { g, NULL, 0 }, { g, NULL, 0 } };
}

ek_grads_and_vars ek_compute_gradients_with(ek_optimizer *optimizer, const ek_compute_gradients_options *o,
                                            ek_where where)
{
    ek_graph *g = optimizer != NULL ? optimizer->graph : NULL;
    ek_grads_and_vars out = no_gradients(g);

    if (optimizer == NULL) {
        ek__graph_fail(o != NULL ? o->loss.graph : NULL, where, EK_INVALID_ARGUMENT,
                       "gradients need an optimizer; this one is NULL");
        return out;
    }
    if (!EK_OPTIONS_OK(g, o, where) || g->error.code != EK_OK) return out;
    if (o->gate_gradients != EK_GATE_NONE && o->gate_gradients != EK_GATE_OP && o->gate_gradients != EK_GATE_GRAPH) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "gate_gradients must be one of: Optimizer.GATE_NONE, "
                       "Optimizer.GATE_OP, Optimizer.GATE_GRAPH.  Not %d", (int)o->gate_gradients);
        return out;
    }
    if (!EK_ITEMS_OK(g, o->var_list, where) || !check_tensor(g, "the loss", o->loss, where)) return out;
    const bool given = o->grad_loss.graph != NULL;
    if (given && !check_tensor(g, "grad_loss", o->grad_loss, where)) return out;
    const ek_list variables = variables_for(g, o->var_list);
    if (variables.count == 0) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "No variables to optimize.");
        return out;
    }
    const ek_gradient grad_loss = ek_gradient_of(o->grad_loss);
    ek_gradient_list d = ek_gradients_with(EK_LIST(o->loss), &(ek_gradients_options){
        .size = sizeof(ek_gradients_options), .xs = variables, .grad_ys = given ? &grad_loss : NULL,
        .gate_gradients = o->gate_gradients == EK_GATE_OP,
        .colocate_gradients_with_ops = o->colocate_gradients_with_ops }, where);
    if (g->error.code != EK_OK) return out;
    if (o->gate_gradients == EK_GATE_GRAPH) d = gate_all(d, where);
    if (g->error.code == EK_OK && check_variables(g, d, variables, where)) out = (ek_grads_and_vars){ d, variables };
    return out;
}

/* ---- minimize ------------------------------------------------------------------------------------------- */

static bool any_gradient(ek_graph *g, const ek_grads_and_vars *gv, ek_tensor loss, ek_where where)
{
    char names[192], *tensor;

    for (int64_t i = 0; i < gv->gradients.count; i++)
        if (ek_gradient_ok(gv->gradients.at[i])) return true;
    ek__print_variables(gv->variables, names, sizeof names);
    tensor = ek_tensor_str(loss);
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                   "No gradients provided for any variable, check your graph for ops that do not support gradients, "
                   "between variables %s and loss %s.", names, tensor != NULL ? tensor : "");
    ek_free(tensor);
    return false;
}

ek_op ek_minimize_with(ek_optimizer *optimizer, const ek_minimize_options *o, ek_where where)
{
    ek_graph *g = optimizer != NULL ? optimizer->graph : NULL;
    ek_grads_and_vars gv;

    if (!EK_OPTIONS_OK(g, o, where)) return (ek_op){ g, -1 };
    gv = ek_compute_gradients_with(optimizer, &(ek_compute_gradients_options){
        .size = sizeof(ek_compute_gradients_options), .loss = o->loss, .var_list = o->var_list,
        .gate_gradients = o->gate_gradients,
        .colocate_gradients_with_ops = o->colocate_gradients_with_ops, .grad_loss = o->grad_loss }, where);
    if (g == NULL || g->error.code != EK_OK || !any_gradient(g, &gv, o->loss, where)) return (ek_op){ g, -1 };
    return ek_apply_gradients_with(optimizer, &(ek_apply_gradients_options){
        .size = sizeof(ek_apply_gradients_options), .grads_and_vars = gv, .global_step = o->global_step,
        .name = o->name }, where);
}

/* ---- the training step -------------------------------------------------------------------------------------- */

/* The loss again, once the update ops have run. */
static ek_tensor after_updates(ek_tensor loss, ek_list updates, ek_where where)
{
    ek_op barrier = { loss.graph, -1 };

    if (updates.count == 0) return loss;
    EK_IN_SCOPE(ek_control_dependencies_push(loss.graph, updates, where))
        barrier = ek_no_op_with(&(ek_no_op_options){ .size = sizeof(ek_no_op_options), .graph = loss.graph,
                                                     .name = "update_barrier" }, where);
    return ek_with_dependencies_with(loss, &(ek_with_dependencies_options){
        .size = sizeof(ek_with_dependencies_options), .list = EK_LIST(barrier) }, where);
}

/* Inside the scope train_op: the loss, checked, once the gradients are applied. */
static ek_tensor after_step(ek_tensor loss, ek_op step, const ek_train_op_options *o, ek_where where)
{
    ek_tensor out = ek__dead(loss.graph);

    EK_IN_SCOPE(ek_name_scope_push(loss.graph, "train_op", where)) {
        if (o->check_numerics)
            loss = ek_check_numerics_with(ek__of(loss), &(ek_check_numerics_options){
                .size = sizeof(ek_check_numerics_options), .message = "LossTensor is inf or nan" }, where);
        out = ek_with_dependencies_with(loss, &(ek_with_dependencies_options){
            .size = sizeof(ek_with_dependencies_options), .list = EK_LIST(step) }, where);
    }
    return out;
}

static ek_variable step_for(ek_graph *g, const ek_train_op_options *o, ek_where where)
{
    if (o->no_global_step) return (ek_variable){ NULL, -1 };
    return o->global_step.graph != NULL ? o->global_step : ek_get_or_create_global_step_at(g, where);
}

ek_tensor ek_train_op_with(ek_tensor loss, const ek_train_op_options *o, ek_where where)
{
    ek_graph *g = loss.graph != NULL || o == NULL || o->optimizer == NULL ? loss.graph : o->optimizer->graph;
    ek_tensor out = ek__dead(g);

    if (!EK_OPTIONS_OK(g, o, where) || !ek__graph_ok(g, "ek_train_op", where) || g->error.code != EK_OK) return out;
    if (!check_tensor(g, "the loss", loss, where)) return out;
    if (o->optimizer != NULL && o->optimizer->graph != g) {
        ek__graph_fail(o->optimizer->graph, where, EK_INVALID_ARGUMENT, "the loss is of another graph than the optimizer");
        return out;
    }
    const ek_variable step = step_for(g, o, where);
    loss = after_updates(loss, o->all_update_ops ? ek_get_collection(g, EK_UPDATE_OPS) : o->update_ops, where);
    ek_grads_and_vars gv = ek_compute_gradients_with(o->optimizer, &(ek_compute_gradients_options){
        .size = sizeof(ek_compute_gradients_options), .loss = loss, .var_list = o->variables_to_train,
        .gate_gradients = o->gate_gradients,
        .colocate_gradients_with_ops = o->colocate_gradients_with_ops, .grad_loss = { NULL, -1, 0 } }, where);
    if (g->error.code != EK_OK || !any_gradient(g, &gv, loss, where)) return out;
    if (o->transform != NULL) gv.gradients = o->transform(gv.gradients, gv.variables, o->arg);
    const ek_op applied = ek_apply_gradients_with(o->optimizer, &(ek_apply_gradients_options){
        .size = sizeof(ek_apply_gradients_options), .grads_and_vars = gv, .global_step = step }, where);
    if (g->error.code != EK_OK) return out;
    out = after_step(loss, applied, o, where);
    if (ek_tensor_ok(out)) ek_add_item_to_collection(g, EK_TRAIN_OP, ek_item_of_tensor(out), where);
    return out;
}
