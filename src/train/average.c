/* train/average.c - averages that move: one variable towards a value, and ExponentialMovingAverage over many. */
#include "graph/variable_scope.h"
#include "train/train.h"

/* ---- assign_moving_average -------------------------------------------------------------------------------- */

static ek_op subtract(ek_variable v, ek_operand value, ek_operand rate, const char *name, ek_where where)
{
    ek_tensor delta = ek__op2(ek_minus_with, ek__v(v), value, where);

    delta = ek__op2(ek_times_with, ek__of(delta), rate, where);
    return ek__write(ek_assign_sub_with, v, ek__of(delta), EK_DEFAULT, ek_variable_is_resource(v) ? NULL : name, where).op;
}

/* 1 - decay: computed now where decay is a number. */
static ek_operand rate_of(ek_graph *g, ek_operand decay, ek_where where)
{
    const ek_literal *l = &decay.u.literal;

    if (decay.kind != 'l') return ek__of(ek__op2(ek_minus_with, ek__num(1.0), decay, where));
    return ek__of(ek__const_scalar(g, EK_FLOAT32, 1.0 - (l->kind == 'f' ? l->u.f : (double)l->u.i), "decay", where));
}

/* "biased", or with the first free number behind it. */
static ek_variable beside(ek_variable v, const char *stem, ek_shape shape, ek_where where)
{
    ek_graph *g = v.graph;
    const ek_vscope *scope = ek__vscope_now(g);
    const ek_initializer zeros = ek_zeros_initializer();
    const char *name = stem, *full = NULL;

    for (int i = 1; scope->reuse != EK_VSCOPE_REUSE; i++) {
        full = ek__arena_printf(&g->arena, "%s/%s", scope->name, name);
        if (full == NULL || !ek_variable_ok(ek_variable_by_name(g, full))) break;
        name = ek__arena_printf(&g->arena, "%s_%d", stem, i);
        if (name == NULL) break;
    }
    if (name == NULL || (full == NULL && scope->reuse != EK_VSCOPE_REUSE)) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for the average %s", ek_variable_name(v));
        return ek__dead_variable(g);
    }
    return ek__get_variable(g, &(ek_get_variable_args){
        .name = name, .has_shape = true, .shape = shape, .dtype = ek_dtype_base(ek_variable_dtype(v)),
        .initializer = &zeros, .collections = { NULL, -1 }, .validate_shape = true, .use_resource = EK_DEFAULT,
        .in_one = true, .where = where });
}

/* The average of what was seen so far begins with zeros; dividing by 1 - decay^steps takes them out again. */
static ek_op subtract_debiased(ek_variable v, ek_operand value, ek_operand rate, const char *name, ek_where where)
{
    ek_graph *g = v.graph;
    const ek_variable_info *info = ek__info(v);
    const ek_op place = ek_variable_op(v);
    ek_variable biased = ek__dead_variable(g), steps = biased;

    EK_IN_SCOPE(ek__vscope_push(g, &(ek_vscope_args){ .name = info->name, .use_resource = EK_DEFAULT }, where))
        EK_IN_SCOPE(ek__colocate_push(g, &place.id, 1, false, where)) {
            biased = beside(v, "biased", info->shape, where);
            steps = beside(v, "local_step", EK_SCALAR, where);
        }
    if (g->error.code != EK_OK) return (ek_op){ g, -1 };
    ek_tensor t = ek__op2(ek_minus_with, ek__v(biased), value, where);
    t = ek__op2(ek_times_with, ek__of(t), rate, where);
    const ek_write sum = ek__write(ek_assign_sub_with, biased, ek__of(t), EK_DEFAULT, NULL, where);
    const ek_write count = ek__write(ek_assign_add_with, steps, ek_operand_of_int(1), EK_NO, NULL, where);
    t = ek__op2(ek_minus_with, ek__num(1.0), rate, where);
    t = ek__op2(ek_pow_with, ek__of(t), ek__of(count.value), where);
    t = ek__op2(ek_minus_with, ek_operand_of_int(1), ek__of(t), where);
    t = ek__op2(ek_over_with, ek__of(sum.value), ek__of(t), where);
    return ek__write(ek_assign_with, v, ek__of(t), EK_DEFAULT, info->is_resource ? NULL : name, where).op;
}

static ek_op assign(ek_variable v, ek_operand value, ek_operand decay, bool zero_debias, const char *name,
                    ek_where where)
{
    ek_graph *g = v.graph;
    ek_op op = { g, -1 };

    EK_IN_SCOPE(ek_name_scope_push(g, name != NULL ? name : "AssignMovingAvg", where)) {
        const char *own = ek_name_scope(g);
        ek_operand rate = rate_of(g, decay, where);
        rate = ek__cast(g, rate, ek_dtype_base(ek_variable_dtype(v)), where);
        op = (zero_debias ? subtract_debiased : subtract)(v, value, rate, own, where);
    }
    return op;
}

static bool operand_ok(ek_graph *g, const ek_operand *x)
{
    if (x->kind == 't') return ek__tensor_in(g, x->u.tensor);
    if (x->kind == 'v') return ek__variable_in(g, x->u.variable);
    return x->kind == 'l' && (x->u.literal.kind == 'f' || x->u.literal.kind == 'i');
}

ek_op ek_assign_moving_average_with(ek_variable v, ek_operand value, const ek_assign_moving_average_options *o,
                                    ek_where where)
{
    ek_graph *g = v.graph;

    if (!EK_OPTIONS_OK(g, o, where) || !EK_GRAPH_OK(g, where) || g->error.code != EK_OK) return (ek_op){ g, -1 };
    if (ek__variable_in(g, v) && operand_ok(g, &value) && operand_ok(g, &o->decay) &&
        ek__finite_operand(g, "decay", &o->decay, where))
        return assign(v, value, o->decay, o->zero_debias, o->name, where);
    if (g->error.code != EK_OK) return (ek_op){ g, -1 };
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                   "a moving average is of a variable; value and decay are numbers, or tensors or variables of its graph");
    return (ek_op){ g, -1 };
}

/* ---- ExponentialMovingAverage --------------------------------------------------------------------------------- */

typedef struct average_entry {
    struct average_entry *next;
    ek_item of; /* variable or tensor */
    ek_variable average;
} average_entry;

struct ek_moving_average {
    ek_graph *graph;
    const char *name;
    ek_operand decay, num_updates; /* num_updates of kind 0: none */
    bool zero_debias;
    average_entry *averages; /* the youngest first */
};

ek_moving_average *ek_exponential_moving_average_with(ek_graph *g, const ek_moving_average_options *o, ek_where where)
{
    ek_moving_average *m;

    if (!EK_OPTIONS_OK(g, o, where) || !EK_GRAPH_OK(g, where) || g->error.code != EK_OK) return NULL;
    if (!operand_ok(g, &o->decay) || (o->num_updates.kind != 0 && !operand_ok(g, &o->num_updates))) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "decay and num_updates must be numbers, or tensors or variables of this graph");
        return NULL;
    }
    if (!ek__finite_operand(g, "decay", &o->decay, where)) return NULL;
    m = EK_ARENA_NEW(&g->arena, ek_moving_average, 1);
    if (m != NULL) m->name = ek__arena_strdup(&g->arena, o->name != NULL ? o->name : "ExponentialMovingAverage");
    if (m == NULL || m->name == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for a moving average");
        return NULL;
    }
    m->graph = g;
    m->decay = o->decay;
    m->num_updates = o->num_updates;
    m->zero_debias = o->zero_debias;
    return m;
}

static bool is_same(const ek_item *a, const ek_item *b)
{
    if (a->kind != b->kind) return false;
    if (a->kind == EK_ITEM_VARIABLE)
        return a->u.variable.graph == b->u.variable.graph && a->u.variable.id == b->u.variable.id;
    return a->u.tensor.graph == b->u.tensor.graph && a->u.tensor.op == b->u.tensor.op && a->u.tensor.index == b->u.tensor.index;
}

ek_variable ek_average_of_item(const ek_moving_average *m, ek_item x)
{
    for (const average_entry *e = m != NULL ? m->averages : NULL; e != NULL; e = e->next)
        if (is_same(&e->of, &x)) return e->average;
    return ek__dead_variable(m != NULL ? m->graph : NULL);
}

static bool check_item(ek_moving_average *m, const ek_item *x, ek_where where)
{
    const bool variable = x->kind == EK_ITEM_VARIABLE && ek__variable_in(m->graph, x->u.variable);
    const bool tensor = x->kind == EK_ITEM_TENSOR && ek__tensor_in(m->graph, x->u.tensor);
    ek_dtype t;

    if (!variable && !tensor) {
        ek__graph_fail(m->graph, where, EK_INVALID_ARGUMENT,
                       "%s averages variables and tensors of its graph; this item is neither", m->name);
        return false;
    }
    if (variable && !ek__whole(x->u.variable, where)) return false;
    t = ek_dtype_base(variable ? ek_variable_dtype(x->u.variable) : ek_tensor_dtype(x->u.tensor));
    if (t == EK_FLOAT16 || t == EK_BFLOAT16 || t == EK_FLOAT32 || t == EK_FLOAT64) return true;
    ek__graph_fail(m->graph, where, EK_INVALID_ARGUMENT, "The variables must be half, float, or double: %s",
                   ek_item_name(m->graph, *x));
    return false;
}

/* A variable's average begins as the variable does, ... */
static ek_variable average_of_variable(ek_moving_average *m, ek_variable v, ek_where where)
{
    const ek_initializer init = { .kind = EK_INIT_VALUE, .operand = ek__of(ek_initialized_value_at(v, where)) };
    const ek_variable average = ek__slot_of(v, &init, m->name, where);

    if (ek_variable_ok(average))
        ek_add_item_to_collection(m->graph, EK_MOVING_AVERAGE_VARIABLES, ek_item_of_variable(v), where);
    return average;
}

/* ... a tensor's with zeros. */
static ek_variable average_of_tensor(ek_moving_average *m, ek_tensor t, ek_where where)
{
    const ek_dtype dtype = ek_dtype_base(ek_tensor_dtype(t));
    const ek_shape shape = ek_tensor_shape(t);
    const char *type = ek_op_type(ek_tensor_op(t));
    ek_initializer init = ek_zeros_initializer();
    const bool known = ek_shape_is_known(&shape);

    if (!known) {
        const ek_tensor dims = ek__op1(ek_shape_with, ek__of(t), NULL, where);
        init = (ek_initializer){ .kind = EK_INIT_VALUE, .operand = ek__of(ek_fill_with(&(ek_fill_options){
            .size = sizeof(ek_fill_options), .dims = dims, .value = ek_operand_of_literal(ek_scalar(dtype, 0.0)),
            .name = "zeros" }, where)) };
    }
    return ek__slot_create(m->graph, &(ek_slot_args){
        .primary = ek_tensor_op(t), .name = m->name, .initializer = &init, .shape = shape,
        .dtype = known ? dtype : EK_DTYPE_NONE, .resource = EK_DEFAULT, .where = where,
        .colocate = strncmp(type, "Variable", 8) == 0 || strcmp(type, "VarHandleOp") == 0 });
}

static ek_variable make_average(ek_moving_average *m, const ek_item *x, ek_where where)
{
    ek_variable average = ek__dead_variable(m->graph);
    average_entry *e;

    EK_IN_SCOPE(ek_control_dependencies_clear_push(m->graph, where))
        average = x->kind == EK_ITEM_VARIABLE ? average_of_variable(m, x->u.variable, where)
                                              : average_of_tensor(m, x->u.tensor, where);
    e = ek_variable_ok(average) ? EK_ARENA_NEW(&m->graph->arena, average_entry, 1) : NULL;
    if (e == NULL) {
        ek__graph_fail(m->graph, where, EK_RESOURCE_EXHAUSTED, "no memory for the average of %s",
                       ek_item_name(m->graph, *x));
        return ek__dead_variable(m->graph);
    }
    *e = (average_entry){ m->averages, *x, average };
    m->averages = e;
    return average;
}

/* min(decay, (1 + n)/(10 + n)): fast at first. */
static ek_operand decay_now(ek_moving_average *m, ek_where where)
{
    ek_graph *g = m->graph;
    ek_tensor decay = ek__operand_tensor(g, &m->decay, EK_FLOAT32, "decay", where), n = ek__dead(g), up, down;

    if (m->num_updates.kind == 0) return ek__of(decay);
    EK_IN_SCOPE(ek_name_scope_push(g, "num_updates", where)) {
        const char *own = ek_name_scope(g);
        n = ek__operand_tensor(g, &m->num_updates, EK_DTYPE_NONE, "x", where);
        if (ek_dtype_base(ek_tensor_dtype(n)) != EK_FLOAT32)
            n = EK_EMIT(g, where, "Cast", own, EK_IN(n), EK_ATTR_T("DstT", EK_FLOAT32));
    }
    up = ek__op2(ek_plus_with, ek__num(1.0), ek__of(n), where);
    down = ek__op2(ek_plus_with, ek__num(10.0), ek__of(n), where);
    return ek__of(ek__op2(ek_minimum_with, ek__of(decay), ek__of(ek__op2(ek_over_with, ek__of(up), ek__of(down), where)),
                          where));
}

static ek_operand operand_of(const ek_item *x)
{
    return x->kind == EK_ITEM_VARIABLE ? ek__v(x->u.variable) : ek__of(x->u.tensor);
}

/* `fresh` are the tensors whose average began with this call: only those are debiased, as in TensorFlow. */
static ek_op apply(ek_moving_average *m, ek_list list, const bool *fresh, ek_item *update, ek_where where)
{
    ek_op op = { m->graph, -1 };

    EK_IN_SCOPE(ek_name_scope_push(m->graph, m->name, where)) {
        const char *own = ek_name_scope(m->graph);
        const ek_operand decay = decay_now(m, where);
        for (int64_t i = 0; i < list.count && m->graph->error.code == EK_OK; i++)
            update[i] = ek_item_of_op(assign(ek_average_of_item(m, list.item[i]), operand_of(&list.item[i]), decay,
                                             fresh[i], NULL, where));
        if (m->graph->error.code == EK_OK)
            op = ek_group_with(m->graph, &(ek_group_options){ .size = sizeof(ek_group_options), .name = own,
                                                              .list = { m->graph, update, list.count } }, where);
    }
    return op;
}

ek_op ek_moving_average_apply_at(ek_moving_average *m, ek_list list, ek_where where)
{
    ek_graph *g = m != NULL ? m->graph : list.graph;
    ek_op op = { g, -1 };
    ek_item *update;
    bool *fresh;

    if (m == NULL) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "ek_moving_average_apply needs a moving average; this one is NULL");
        return op;
    }
    if (g->error.code != EK_OK || !EK_ITEMS_OK(g, list, where)) return op;
    if (list.count == 0) list = ek_trainable_variables(g);
    update = ek__calloc((size_t)list.count + 1, sizeof *update);
    fresh = ek__calloc((size_t)list.count + 1, sizeof *fresh);
    if (update == NULL || fresh == NULL)
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for moving averages");
    for (int64_t i = 0; i < list.count && g->error.code == EK_OK; i++) {
        const ek_item *x = &list.item[i];
        if (!check_item(m, x, where) || ek_variable_ok(ek_average_of_item(m, *x))) continue;
        make_average(m, x, where);
        fresh[i] = m->zero_debias && x->kind == EK_ITEM_TENSOR;
    }
    if (g->error.code == EK_OK) op = apply(m, list, fresh, update, where);
    ek__free(update);
    ek__free(fresh);
    return op;
}

/* ---- names for restoring ------------------------------------------------------------------------------------------ */

const char *ek_average_name_of_item(const ek_moving_average *m, ek_item x)
{
    const ek_variable average = ek_average_of_item(m, x);
    const char *name;

    if (ek_variable_ok(average)) return ek__info(average)->name;
    if (m == NULL || (x.kind != EK_ITEM_VARIABLE && x.kind != EK_ITEM_TENSOR)) return "";
    name = x.kind == EK_ITEM_VARIABLE ? ek_op_name(ek_variable_op(x.u.variable)) : ek_op_name(ek_tensor_op(x.u.tensor));
    name = ek__arena_printf(&m->graph->arena, "%s/%s", name, m->name);
    if (name != NULL) name = ek__unique_name_in(m->graph, ek__scope_now(m->graph)->name, name, false);
    return name != NULL ? name : "";
}

static bool is_in(ek_list list, ek_variable v)
{
    for (int64_t i = 0; i < list.count; i++)
        if (list.item[i].kind == EK_ITEM_VARIABLE && list.item[i].u.variable.id == v.id) return true;
    return false;
}

static bool is_named(const ek_named_variable *at, int64_t n, const char *name)
{
    for (int64_t i = 0; i < n; i++)
        if (strcmp(at[i].name, name) == 0) return true;
    return false;
}

/* Appends those of `list` that are not among `before`; averaged ones under their average's name. */
static int64_t append(const ek_moving_average *m, ek_list list, ek_list before, bool averaged, ek_named_variable *at,
                      int64_t n)
{
    for (int64_t i = 0; i < list.count; i++) {
        const ek_variable v = list.item[i].u.variable;
        if (list.item[i].kind != EK_ITEM_VARIABLE || is_in(before, v)) continue;
        const char *name = averaged ? ek_average_name_of_item(m, list.item[i]) : ek__info(v)->name;
        if (!is_named(at, n, name)) at[n++] = (ek_named_variable){ name, v };
    }
    return n;
}

ek_named_variables ek_variables_to_restore(const ek_moving_average *m, ek_list moving)
{
    ek_graph *g = m != NULL ? m->graph : NULL;
    ek_list trainable = EK_EMPTY_LIST, all;
    ek_named_variable *at;
    int64_t n;

    if (g == NULL) return (ek_named_variables){ NULL, 0 };
    if (moving.count == 0) {
        moving = ek_moving_average_variables(g);
        trainable = ek_trainable_variables(g);
    }
    all = ek_global_variables(g);
    at = EK_ARENA_NEW(&g->arena, ek_named_variable, trainable.count + moving.count + all.count + 1);
    if (at == NULL) return (ek_named_variables){ NULL, 0 };
    n = append(m, trainable, EK_EMPTY_LIST, true, at, 0);
    n = append(m, moving, trainable, true, at, n);
    for (int64_t i = 0; i < all.count; i++) {
        const ek_list one = { g, &all.item[i], 1 };
        if (!is_in(trainable, all.item[i].u.variable)) n = append(m, one, moving, false, at, n);
    }
    return (ek_named_variables){ at, n };
}
