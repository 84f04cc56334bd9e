/* train/accumulate.c - gradients of several runs, added up and applied once. */
#include "layers/fit.h"
#include "train/train.h"

typedef struct accumulator {
    ek_graph *g;
    ek_gradient_list in;
    ek_list variables;
    const char *name;
    ek_gradient *mean;
    ek_item *kept; /* the sum of each gradient that there is; last the number of runs */
    ek_item *op;   /* what is done to each of them */
    int64_t n;     /* gradients */
    ek_where where;
} accumulator;

static ek_variable kept_at(const accumulator *a, int64_t i) { return a->kept[i].u.variable; }

/* ---- what is kept --------------------------------------------------------------------------------------- */

static bool check(accumulator *a)
{
    if (a->in.count != a->variables.count) {
        ek__graph_fail(a->g, a->where, EK_INVALID_ARGUMENT, "%lld gradients for %lld variables", (long long)a->in.count,
                       (long long)a->variables.count);
        return false;
    }
    for (int64_t i = 0; i < a->in.count; i++) {
        const ek_item *v = &a->variables.item[i];
        if (!ek_gradient_ok(a->in.at[i])) continue;
        a->n++;
        if (ek__tensor_in(a->g, a->in.at[i].value) && v->kind == EK_ITEM_VARIABLE &&
            ek__variable_in(a->g, v->u.variable))
            continue;
        ek__graph_fail(a->g, a->where, EK_INVALID_ARGUMENT,
                       "gradient %lld, or what it is of, is no variable's of this graph", (long long)i);
        return false;
    }
    if (a->n == 0)
        ek__graph_fail(a->g, a->where, EK_INVALID_ARGUMENT, "there is no gradient to accumulate: all %lld are None",
                       (long long)a->in.count);
    return a->n > 0;
}

static void make_kept(accumulator *a)
{
    int64_t n = 0;
    bool resource = false;

    for (int64_t i = 0; i < a->in.count && a->g->error.code == EK_OK; i++) {
        const ek_variable v = a->variables.item[i].u.variable;
        if (!ek_gradient_ok(a->in.at[i])) continue;
        a->kept[n++] = ek_item_of_variable(ek__slot_zeros(v, a->name, a->where));
        resource = resource || ek_variable_is_resource(v);
    }
    a->kept[n] = ek_item_of_variable(ek_variable_create_with(a->g, &(ek_variable_options){
        .size = sizeof(ek_variable_options), .value = ek__num(0.0), .name = a->name, .collections = { NULL, -1 },
        .validate_shape = true, .use_resource = resource ? EK_YES : EK_NO }, a->where));
}

/* ---- what is done to it ------------------------------------------------------------------------------------ */

static ek_op add(ek_variable sum, ek_gradient d, ek_where where)
{
    if (ek_gradient_is_rows(d)) return ek__scatter_add(sum, d.indices, d.value, false, where).op;
    return ek__write(ek_assign_add_with, sum, ek__of(d.value), EK_NO, NULL, where).op;
}

static ek_op group(ek_graph *g, ek_item *op, int64_t n, const char *name, ek_where where)
{
    return ek_group_with(g, &(ek_group_options){ .size = sizeof(ek_group_options), .list = { g, op, n }, .name = name },
                         where);
}

/* With it the update ops run: each part moves the averages of batch norms, as ek_train_op does. */
static ek_op make_add(accumulator *a)
{
    const ek_list updates = ek_get_collection(a->g, EK_UPDATE_OPS);
    int64_t n = 0;

    for (int64_t i = 0; i < a->in.count; i++) {
        if (!ek_gradient_ok(a->in.at[i])) continue;
        a->op[n] = ek_item_of_op(add(kept_at(a, n), a->in.at[i], a->where));
        n++;
    }
    a->op[n] = ek_item_of_op(ek__write(ek_assign_add_with, kept_at(a, n), ek__num(1.0), EK_NO, NULL, a->where).op);
    n++;
    ek_item *all = EK_ARENA_NEW(&a->g->arena, ek_item, n + updates.count);
    if (all == NULL) {
        ek__graph_fail(a->g, a->where, EK_RESOURCE_EXHAUSTED, "no memory to accumulate gradients");
        return (ek_op){ a->g, -1 };
    }
    memcpy(all, a->op, (size_t)n * sizeof *all);
    if (updates.count > 0) memcpy(all + n, updates.item, (size_t)updates.count * sizeof *all);
    return group(a->g, all, n + updates.count, "add", a->where);
}

static void make_mean(accumulator *a)
{
    int64_t n = 0;

    for (int64_t i = 0; i < a->in.count; i++) {
        a->mean[i] = ek_gradient_of(ek__dead(a->g));
        if (!ek_gradient_ok(a->in.at[i])) continue;
        const ek_variable sum = kept_at(a, n++);
        const ek_operand runs = ek__cast(a->g, ek__v(kept_at(a, a->n)), ek_dtype_base(ek_variable_dtype(sum)), a->where);
        a->mean[i] = ek_gradient_of(ek__op2(ek_over_with, ek__v(sum), runs, a->where));
    }
}

/* Zeros in all that is kept. */
static ek_op make_reset(ek_graph *g, ek_list kept, ek_where where)
{
    ek_item *op = ek__calloc((size_t)kept.count + 1, sizeof *op);
    ek_op out = { g, -1 };

    if (op == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory to accumulate gradients");
        return out;
    }
    for (int64_t i = 0; i < kept.count; i++) {
        const ek_variable v = kept.item[i].u.variable;
        const ek_tensor zeros = ek__op1(ek_zeros_like_with, ek__v(v), NULL, where);
        op[i] = ek_item_of_op(ek__write(ek_assign_with, v, ek__of(zeros), EK_NO, NULL, where).op);
    }
    if (g->error.code == EK_OK) out = group(g, op, kept.count, "reset", where);
    ek__free(op);
    return out;
}

/* ---- calls ------------------------------------------------------------------------------------------------------ */

static bool make_room(accumulator *a)
{
    a->mean = EK_ARENA_NEW(&a->g->arena, ek_gradient, a->in.count + 1);
    a->kept = EK_ARENA_NEW(&a->g->arena, ek_item, a->in.count + 1);
    a->op = EK_ARENA_NEW(&a->g->arena, ek_item, a->in.count + 1);
    a->name = ek__arena_strdup(&a->g->arena, a->name);
    if (a->mean != NULL && a->kept != NULL && a->op != NULL && a->name != NULL) return true;
    ek__graph_fail(a->g, a->where, EK_RESOURCE_EXHAUSTED, "no memory to accumulate gradients");
    return false;
}

ek_accumulation ek_accumulate_gradients_with(const ek_accumulate_gradients_options *o, ek_where where)
{
    ek_accumulation out = { .add = { NULL, -1 } };

    if (!EK_OPTIONS_OK(NULL, o, where)) return out;
    accumulator a = { .g = o->grads_and_vars.gradients.graph, .in = o->grads_and_vars.gradients,
                      .variables = o->grads_and_vars.variables, .where = where,
                      .name = o->name != NULL ? o->name : "accumulation" };

    out = (ek_accumulation){ { a.g, -1 }, { a.g, -1 }, { { a.g, NULL, 0 }, { a.g, NULL, 0 } }, { a.g, NULL, 0 } };
    if (!EK_GRAPH_OK(a.g, where) || a.g->error.code != EK_OK || !EK_ITEMS_OK(a.g, a.variables, where) ||
        !ek__list_ok(a.g, a.in.at, a.in.count, "of gradients", where) || !check(&a) || !make_room(&a))
        return out;
    EK_IN_SCOPE(ek_control_dependencies_clear_push(a.g, where)) make_kept(&a);
    if (a.g->error.code != EK_OK) return out;
    EK_IN_SCOPE(ek_name_scope_push(a.g, a.name, where)) {
        out.kept = (ek_list){ a.g, a.kept, a.n + 1 };
        out.add = make_add(&a);
        make_mean(&a);
        out.reset = make_reset(a.g, out.kept, where);
    }
    out.mean = (ek_grads_and_vars){ { a.g, a.mean, a.in.count }, ek_list_copy(a.g, a.variables) };
    return out;
}

/* Fails a run where no part was added: the mean of nothing would make all variables NaN. */
static ek_op some_part(ek_graph *g, ek_list kept, ek_where where)
{
    const ek_operand why = ek_operand_of_string("ek_apply_accumulated: no part was added since the last step");
    const ek_variable parts = kept.item[kept.count - 1].u.variable;

    return ek__assert(g, ek__op2(ek_greater_with, ek__v(parts), ek__num(0.0), where), &why, 1, NULL, where);
}

ek_op ek_apply_accumulated_with(ek_optimizer *optimizer, const ek_apply_accumulated_options *o, ek_where where)
{
    ek_graph *g = optimizer != NULL ? optimizer->graph : NULL;
    ek_op op = { g, -1 }, any = op;

    if (!EK_OPTIONS_OK(g, o, where) || !EK_GRAPH_OK(g, where)) return op;
    if (g->error.code == EK_OK && o->accumulation.kept.count > 0 && o->accumulation.kept.item != NULL)
        any = some_part(g, o->accumulation.kept, where);
    EK_IN_SCOPE(ek_control_dependencies_push(g, ek_op_ok(any) ? EK_LIST(any) : EK_EMPTY_LIST, where))
        op = ek_apply_gradients_with(optimizer, &(ek_apply_gradients_options){
            .size = sizeof(ek_apply_gradients_options), .grads_and_vars = o->accumulation.mean,
            .global_step = o->global_step, .name = o->name }, where);
    if (!ek_op_ok(op)) return op;
    EK_IN_SCOPE(ek_name_scope_push(g, ek_op_name(op), where))
        EK_IN_SCOPE(ek_control_dependencies_push(g, EK_LIST(op), where)) op = make_reset(g, o->accumulation.kept, where);
    return op;
}
