/* train/apply.c - apply_gradients: slots, hyper-parameters, one update per variable, and what runs them all. */
#include "train/train.h"

typedef struct application {
    ek_optimizer *o;
    const ek_apply_gradients_options *a;
    ek_graph *g;
    ek_item *update; /* operations, as many as gradients */
    int64_t n;
    ek_where where;
} application;

static ek_variable variable_at(const application *p, int64_t i)
{
    return p->a->grads_and_vars.variables.item[i].u.variable;
}

static ek_gradient gradient_at(const application *p, int64_t i) { return p->a->grads_and_vars.gradients.at[i]; }

/* ---- what may be applied -------------------------------------------------------------------------------- */

void ek__print_variables(ek_list list, char *text, size_t room)
{
    size_t n = (size_t)snprintf(text, room, "[");

    for (int64_t i = 0; i < list.count && n < room; i++) {
        char *repr = list.item[i].kind == EK_ITEM_VARIABLE ? ek_variable_repr(list.item[i].u.variable) : NULL;
        n += (size_t)snprintf(text + n, room - n, "%s\"%s\"", i > 0 ? ", " : "", repr != NULL ? repr : "");
        ek_free(repr);
    }
    if (n < room) snprintf(text + n, room - n, "]");
}

static bool refuse_as(const application *p, ek_status code, const char *sentence, const char *name)
{
    ek__graph_fail(p->g, p->where, code, sentence, name);
    return false;
}

static bool refuse(const application *p, const char *sentence, const char *name)
{
    return refuse_as(p, EK_INVALID_ARGUMENT, sentence, name);
}

static bool check_pair(const application *p, int64_t i)
{
    const ek_item *item = &p->a->grads_and_vars.variables.item[i];
    const ek_gradient d = gradient_at(p, i);

    if (item->kind == EK_ITEM_TENSOR && ek_gradient_ok(d))
        return refuse_as(p, EK_UNIMPLEMENTED, "Trying to update a Tensor: %s; only variables can be updated",
                         ek_item_name(p->g, *item));
    if (item->kind == EK_ITEM_TENSOR) return true;
    if (item->kind != EK_ITEM_VARIABLE || !ek__variable_in(p->g, item->u.variable))
        return refuse(p, "a variable to update is dead or of another graph than %s", p->o->name);
    if (!ek__whole(item->u.variable, p->where)) return false;
    if (!ek_gradient_ok(d)) return true;
    if (!ek__tensor_in(p->g, d.value) || (d.indices.graph != NULL && d.indices.op >= 0 && !ek__tensor_in(p->g, d.indices)))
        return refuse(p, "the gradient of %s is of another graph", ek_item_name(p->g, *item));
    return true;
}

/* The operation tells of a reference variable; behind a handle it sees nothing. */
static bool check_dtype(const application *p, int64_t i)
{
    const ek_variable_info *info = ek__info(variable_at(p, i));
    const ek_dtype t = ek_dtype_base(ek_tensor_dtype(gradient_at(p, i).value));

    if (!info->is_resource || t == info->dtype) return true;
    ek__graph_fail(p->g, p->where, EK_INVALID_ARGUMENT, "the gradient of %s is %s, the variable %s; cast it",
                   info->name, ek_dtype_name(t), ek_dtype_name(info->dtype));
    return false;
}

static bool check(application *p)
{
    const ek_grads_and_vars *gv = &p->a->grads_and_vars;
    char names[300];

    if (!EK_ITEMS_OK(p->g, gv->variables, p->where) ||
        !ek__list_ok(p->g, gv->gradients.at, gv->gradients.count, "of gradients", p->where))
        return false;
    if (gv->gradients.count != gv->variables.count) {
        ek__graph_fail(p->g, p->where, EK_INVALID_ARGUMENT, "%lld gradients for %lld variables",
                       (long long)gv->gradients.count, (long long)gv->variables.count);
        return false;
    }
    if (gv->variables.count == 0) return refuse(p, "No variables provided.%s", "");
    for (int64_t i = 0; i < gv->variables.count; i++) {
        if (!check_pair(p, i)) return false;
        if (!ek_gradient_ok(gradient_at(p, i))) continue;
        if (!check_dtype(p, i)) return false;
        p->n++;
    }
    if (p->n > 0) return true;
    ek__print_variables(gv->variables, names, sizeof names);
    return refuse(p, "No gradients provided for any variable: %s.", names);
}

/* ---- before the updates ------------------------------------------------------------------------------------ */

/* Adam's powers live with the first variable by name, so that it is the same one wherever the graph is built. */
static void make_powers(application *p)
{
    static const char *const name[] = { "beta1_power", "beta2_power" };
    ek_variable first = ek__dead_variable(p->g);

    for (int64_t i = 0; i < p->a->grads_and_vars.variables.count; i++)
        if (ek_gradient_ok(gradient_at(p, i)) &&
            (!ek_variable_ok(first) || strcmp(ek_variable_name(variable_at(p, i)), ek_variable_name(first)) < 0))
            first = variable_at(p, i);
    const ek_op place = ek_variable_op(first);
    for (int k = 0; k < 2 && !ek_variable_ok(p->o->power[k]); k++)
        EK_IN_SCOPE(ek__colocate_push(p->g, &place.id, 1, false, p->where))
            p->o->power[k] = ek_variable_create_with(p->g, &(ek_variable_options){
                .size = sizeof(ek_variable_options), .value = p->o->hyper[1 + k], .name = name[k],
                .collections = { NULL, -1 }, .validate_shape = true,
                .use_resource = ek_variable_is_resource(first) ? EK_YES : EK_NO }, p->where);
}

/* Made outside all control dependencies and branches: what an optimizer keeps is there once. */
static void make_slots(application *p)
{
    EK_IN_SCOPE(ek_control_dependencies_clear_push(p->g, p->where)) {
        if (p->o->kind->powers && !ek_variable_ok(p->o->power[1])) make_powers(p);
        for (int64_t i = 0; i < p->a->grads_and_vars.variables.count && p->g->error.code == EK_OK; i++)
            if (ek_gradient_ok(gradient_at(p, i))) ek__slots_make(p->o, variable_at(p, i), p->where);
    }
}

static void make_hypers(application *p)
{
    const ek_optimizer_kind *kind = p->o->kind;

    for (int i = 0; i < EK_MAX_HYPERS && kind->hyper[i] != NULL; i++)
        p->o->hyper_now[i] = ek__operand_tensor(p->g, &p->o->hyper[i], EK_DTYPE_NONE, kind->hyper[i], p->where);
}

/* ---- the updates --------------------------------------------------------------------------------------------- */

static void update_one(application *p, int64_t i)
{
    const ek_variable v = variable_at(p, i);
    const ek_variable_info *info = ek__info(v);
    const ek_op place = ek_variable_op(v);
    const ek_update u = { .o = p->o, .variable = v, .info = info, .dtype = info->dtype, .gradient = gradient_at(p, i),
                          .where = p->where };
    const char *scope = ek__arena_printf(&p->g->arena, "update_%s", info->name);

    if (scope == NULL) {
        ek__graph_fail(p->g, p->where, EK_RESOURCE_EXHAUSTED, "no memory for the update of %s", info->name);
        return;
    }
    EK_IN_SCOPE(ek_name_scope_push(p->g, scope, p->where))
        EK_IN_SCOPE(ek__colocate_push(p->g, &place.id, 1, false, p->where))
            p->update[p->n++] = ek_item_of_op(ek__update_build(&u));
}

static ek_list updates(const application *p) { return (ek_list){ p->g, p->update, p->n }; }

/* beta^t becomes beta^(t + 1) once all variables are updated. */
static void move_powers(application *p)
{
    const ek_list all = updates(p);
    const ek_op place = ek_variable_op(p->o->power[0]);

    EK_IN_SCOPE(ek_control_dependencies_push(p->g, all, p->where))
        EK_IN_SCOPE(ek__colocate_push(p->g, &place.id, 1, false, p->where))
            for (int k = 0; k < 2; k++) {
                const ek_tensor next =
                    ek__op2(ek_times_with, ek__v(p->o->power[k]), ek__of(p->o->hyper_now[1 + k]), p->where);
                p->update[p->n++] = ek_item_of_op(ek__write(ek_assign_with, p->o->power[k], ek__of(next),
                                                            p->o->use_locking ? EK_YES : EK_NO, NULL, p->where).op);
            }
}

static ek_op finish(application *p, const char *name)
{
    if (p->o->kind->powers) move_powers(p);
    if (p->g->error.code != EK_OK) return (ek_op){ p->g, -1 };
    return ek_group_with(p->g, &(ek_group_options){ .size = sizeof(ek_group_options), .list = updates(p), .name = name },
                         p->where);
}

/* The global step goes up after the updates, under the optimizer's name. */
static ek_op count_step(application *p, ek_op after, const char *own)
{
    const ek_variable step = p->a->global_step;
    const ek_op place = ek_variable_op(step);
    const ek_item first = ek_item_of_op(after);
    ek_op op = { p->g, -1 };

    EK_IN_SCOPE(ek_control_dependencies_push(p->g, (ek_list){ p->g, &first, 1 }, p->where))
        EK_IN_SCOPE(ek__colocate_push(p->g, &place.id, 1, false, p->where)) {
            if (ek_variable_is_resource(step)) {
                const ek_tensor one = ek__const_scalar(p->g, ek_variable_dtype(step), 1.0, NULL, p->where);
                op.id = EK_EMIT(p->g, p->where, "AssignAddVariableOp", own, EK_IN(ek__backing(step), one),
                                EK_ATTR_T("dtype", ek_variable_dtype(step))).op;
            } else {
                op = ek__write(ek_assign_add_with, step, ek_operand_of_int(1), EK_DEFAULT, own, p->where).op;
            }
        }
    return op;
}

static bool check_step(const application *p)
{
    const ek_variable step = p->a->global_step;

    return step.graph == NULL || ek__variable_in(p->g, step) ||
           refuse(p, "the global step is dead or of another graph than %s", p->o->name);
}

static ek_op apply(application *p)
{
    const bool counts = p->a->global_step.graph != NULL;
    ek_op op = { p->g, -1 };

    EK_IN_SCOPE(ek_name_scope_push(p->g, p->a->name != NULL ? p->a->name : p->o->name, p->where)) {
        const char *own = ek_name_scope(p->g);
        make_hypers(p);
        for (int64_t i = 0; i < p->a->grads_and_vars.variables.count && p->g->error.code == EK_OK; i++)
            if (ek_gradient_ok(gradient_at(p, i))) update_one(p, i);
        if (p->g->error.code == EK_OK) op = finish(p, counts ? "update" : own);
        if (p->g->error.code == EK_OK && counts) op = count_step(p, op, own);
    }
    if (ek_op_ok(op)) ek_add_item_to_collection(p->g, EK_TRAIN_OP, ek_item_of_op(op), p->where);
    return op;
}

ek_op ek_apply_gradients_with(ek_optimizer *optimizer, const ek_apply_gradients_options *o, ek_where where)
{
    application p = { .o = optimizer, .a = o, .g = optimizer != NULL ? optimizer->graph : NULL, .where = where };
    ek_op op = { p.g, -1 };

    if (optimizer == NULL) {
        ek__graph_fail(o != NULL ? o->grads_and_vars.gradients.graph : NULL, where, EK_INVALID_ARGUMENT,
                       "ek_apply_gradients needs an optimizer; this one is NULL");
        return op;
    }
    if (!EK_OPTIONS_OK(p.g, o, where) || p.g->error.code != EK_OK || !check(&p) || !check_step(&p)) return op;
    p.update = ek__calloc((size_t)p.n + 2, sizeof *p.update);
    p.n = 0;
    if (p.update == NULL) {
        ek__graph_fail(p.g, where, EK_RESOURCE_EXHAUSTED, "no memory to apply gradients");
        return op;
    }
    make_slots(&p);
    if (p.g->error.code == EK_OK) op = apply(&p);
    ek__free(p.update);
    return op;
}
