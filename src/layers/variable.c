/* layers/variable.c - the nodes of a variable, and what is known of it afterwards.
 *
 * Not here: how the first value is made (initializer.c), sharing by name (get_variable.c).
 */
#include "layers/variable.h"

#include "graph/variable_scope.h"

/* ---- noting it ------------------------------------------------------------------------------ */

static bool note(ek_graph *g, const ek_variable_info *info, ek_variable *v)
{
    ek_variable_info *kept = ek__arena_memdup(&g->arena, info, sizeof *info);

    if (kept == NULL || !EK_GROW(g->variable, g->cap_variables, g->n_variables + 1)) {
        ek__graph_fail(g, info->where, EK_RESOURCE_EXHAUSTED, "no memory for variable %s", info->name);
        return false;
    }
    g->variable[g->n_variables] = kept;
    *v = (ek_variable){ g, (int32_t)g->n_variables++ };
    return true;
}

static bool trainable(const ek_variable_args *a)
{
    return a->trainable && a->synchronization != EK_SYNCHRONIZATION_ON_READ;
}

static void collect(ek_graph *g, const ek_variable_args *a, ek_variable v)
{
    bool has_trainable = false;

    if (a->collections.count < 0) ek_add_item_to_collection(g, EK_GLOBAL_VARIABLES, ek_item_of_variable(v), a->where);
    for (int i = 0; i < a->collections.count; i++) {
        ek_add_item_to_collection(g, a->collections.key[i], ek_item_of_variable(v), a->where);
        has_trainable = has_trainable || strcmp(a->collections.key[i], EK_TRAINABLE_VARIABLES) == 0;
    }
    if (trainable(a) && !has_trainable)
        ek_add_item_to_collection(g, EK_TRAINABLE_VARIABLES, ek_item_of_variable(v), a->where);
}

/* ---- the first value -------------------------------------------------------------------------- */

/* What is made inside belongs with an operation that does not exist yet, unless it is placed with another already. */
static ek_scope colocate_ahead(ek_graph *g, const char *name, ek_where where)
{
    ek_scope_state next = *ek__scope_now(g);
    ek_colocation *c = EK_ARENA_NEW(&g->arena, ek_colocation, 1);
    const char **names = EK_ARENA_NEW(&g->arena, const char *, 1);

    if (c == NULL || names == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for variable %s", name);
        return (ek_scope){ g, 0, true };
    }
    names[0] = name;
    *c = (ek_colocation){ names, 1 };
    if (next.colocation == NULL) next.colocation = c;
    return ek__scope_push(g, &next, "colocation scope", name, where, NULL, NULL);
}

static ek_tensor first_value(ek_graph *g, const ek_variable_args *a)
{
    return a->make != NULL ? a->make(g, a->arg, a->where)
                           : ek__operand_tensor(g, &a->value, a->dtype, "initial_value", a->where);
}

static bool check_first_value(ek_graph *g, const ek_variable_args *a, const char *name, ek_tensor value)
{
    ek_shape shape;
    char *repr;

    if (value.graph != g && value.graph != NULL)
        ek__graph_fail(g, a->where, EK_INVALID_ARGUMENT, "the initial value of variable %s is of another graph", name);
    if (!ek__tensor_in(g, value)) return false;
    shape = ek_tensor_shape(value);
    if (a->make == NULL && ek__node(g, value.op)->context != 0) {
        ek__graph_fail(
            g, a->where, EK_INVALID_ARGUMENT,
            "Initializer for variable %s is from inside a control-flow construct, such as a loop or conditional. "
            "When creating a variable inside a loop or conditional, use a lambda as the initializer.",
            name);
        return false;
    }
    if (a->dtype != EK_DTYPE_NONE && ek_dtype_base(ek_tensor_dtype(value)) != a->dtype) {
        ek__graph_fail(g, a->where, EK_INVALID_ARGUMENT,
                       "Tensor conversion requested dtype %s for Tensor with dtype %s", ek_dtype_name(a->dtype),
                       ek_dtype_name(ek_tensor_dtype(value)));
        return false;
    }
    if (!a->validate_shape || ek_shape_is_known(&shape)) return true;
    repr = ek_tensor_str(value);
    ek__graph_fail(g, a->where, EK_INVALID_ARGUMENT, "initial_value must have a shape specified: %s",
                   repr != NULL ? repr : name);
    ek_free(repr);
    return false;
}

/* ---- reference variables ------------------------------------------------------------------------- */

static ek_tensor variable_node(ek_graph *g, const ek_variable_args *a, ek_tensor value)
{
    ek_shape shape = a->validate_shape ? ek_tensor_shape(value) : EK_UNKNOWN_SHAPE;

    if (!ek_tensor_ok(value)) return ek__dead(g);
    return ek__node_tensor(g, &(ek_node_args){
        .type = "VariableV2", .name = ek_name_scope(g), .where = a->where, .n_attr = 2,
        .attr = (ek_attr[]){ EK_ATTR("shape", EK_ATTR_SHAPE, shape, &shape),
                             EK_ATTR_T("dtype", ek_dtype_base(ek_tensor_dtype(value))) } });
}

/* Inside the variable's name scope. An initializer's nodes and the variable itself belong together; a plain value stays
 * where it was made. */
static void make_reference(ek_graph *g, const ek_variable_args *a, ek_variable_info *info)
{
    ek_tensor value = ek__dead(g), var = ek__dead(g), assign, read;

    if (a->make != NULL) {
        EK_IN_SCOPE(colocate_ahead(g, info->name, a->where)) {
            EK_IN_SCOPE(ek_name_scope_push(g, "Initializer", a->where)) value = first_value(g, a);
            if (check_first_value(g, a, info->name, value)) var = variable_node(g, a, value);
        }
    } else {
        value = first_value(g, a);
        if (check_first_value(g, a, info->name, value)) var = variable_node(g, a, value);
    }
    if (!ek_tensor_ok(var)) return;
    info->initial_value = ek__edge(value);
    info->dtype = ek_dtype_base(ek_tensor_dtype(value));
    info->shape = ek_tensor_shape(var);
    info->op = var.op;
    assign = EK_EMIT(g, a->where, "Assign", NULL, EK_IN(var, ek__guard_initial_value(g, info->name, value, a->where)),
                     EK_ATTR_B("validate_shape", a->validate_shape));
    read = ek__dead(g);
    EK_IN_SCOPE(ek__colocate_push(g, &var.op, 1, false, a->where)) read = ek__emit1("Identity", var, "read", a->where);
    info->initializer = assign.op;
    info->snapshot = ek__edge(read);
}

/* ---- resource variables ------------------------------------------------------------------------------ */

static ek_tensor handle_node(ek_graph *g, const ek_variable_args *a, const char *name, ek_tensor value)
{
    ek_shape shape = ek_tensor_shape(value);

    return ek__node_tensor(g, &(ek_node_args){
        .type = "VarHandleOp", .name = ek_name_scope(g), .where = a->where, .n_attr = 3,
        .attr = (ek_attr[]){ ek__attr_string("shared_name", name), EK_ATTR("shape", EK_ATTR_SHAPE, shape, &shape),
                             EK_ATTR_T("dtype", ek_dtype_base(ek_tensor_dtype(value))) } });
}

static ek_tensor read_node(ek_graph *g, ek_tensor handle, ek_dtype dtype, ek_where where)
{
    return EK_EMIT(g, where, "ReadVariableOp", NULL, EK_IN(handle), EK_ATTR_T("dtype", dtype));
}

static void make_resource(ek_graph *g, const ek_variable_args *a, ek_variable_info *info)
{
    ek_tensor value = ek__dead(g), handle = ek__dead(g), assign = ek__dead(g), read = ek__dead(g);

    EK_IN_SCOPE(colocate_ahead(g, info->name, a->where)) {
        EK_IN_SCOPE(ek_name_scope_push(g, "Initializer", a->where)) value = first_value(g, a);
        if (check_first_value(g, a, info->name, value)) handle = handle_node(g, a, info->name, value);
    }
    if (!ek_tensor_ok(handle)) return;
    info->initial_value = ek__edge(value);
    info->dtype = ek_dtype_base(ek_tensor_dtype(value));
    info->shape = ek_tensor_shape(value);
    info->op = handle.op;
    EK_IN_SCOPE(ek_name_scope_push(g, "IsInitialized", a->where))
        ek__emit1("VarIsInitializedOp", handle, NULL, a->where);
    EK_IN_SCOPE(ek_name_scope_push(g, "Assign", a->where)) {
        const char *name = ek_name_scope(g);
        EK_IN_SCOPE(ek__colocate_push(g, NULL, 0, true, a->where))
            assign = EK_EMIT(g, a->where, "AssignVariableOp", name,
                             EK_IN(handle, ek__guard_initial_value(g, info->name, value, a->where)),
                             EK_ATTR_T("dtype", info->dtype));
    }
    EK_IN_SCOPE(ek_name_scope_push(g, "Read", a->where)) read = read_node(g, handle, info->dtype, a->where);
    info->initializer = assign.op;
    info->snapshot = ek__edge(read);
}

/* ---- both --------------------------------------------------------------------------------------------- */

/* A count of -1 says that none are given. */
static bool keys_ok(ek_graph *g, const ek_variable_args *a)
{
    if (a->collections.count == -1) return true;
    if (!ek__list_ok(g, a->collections.key, a->collections.count, ".collections", a->where)) return false;
    for (int i = 0; i < a->collections.count; i++) {
        if (a->collections.key[i] != NULL) continue;
        ek__graph_fail(g, a->where, EK_INVALID_ARGUMENT, "key %d of .collections is NULL", i);
        return false;
    }
    return true;
}

static bool modes_ok(ek_graph *g, const ek_variable_args *a)
{
    const int s = (int)a->synchronization, n = (int)a->aggregation;

    if (s < EK_SYNCHRONIZATION_AUTO || s > EK_SYNCHRONIZATION_ON_READ)
        ek__graph_fail(g, a->where, EK_INVALID_ARGUMENT, "Invalid variable synchronization mode: %d for variable: %s", s, a->name);
    if (n < EK_AGGREGATION_NONE || n > EK_AGGREGATION_ONLY_FIRST_REPLICA)
        ek__graph_fail(g, a->where, EK_INVALID_ARGUMENT, "Invalid variable aggregation mode: %d for variable: %s", n, a->name);
    return g->error.code == EK_OK;
}

ek_variable ek__variable_make(ek_graph *g, const ek_variable_args *a)
{
    ek_variable v = ek__dead_variable(g);
    ek_variable_info info = { .op = -1, .initializer = -1, .initial_value = { -1, 0 }, .snapshot = { -1, 0 },
                              .trainable = trainable(a), .is_resource = a->resource, .where = a->where,
                              .synchronization = (int)a->synchronization, .aggregation = (int)a->aggregation };

    if (g->error.code != EK_OK || !keys_ok(g, a) || !modes_ok(g, a)) return v;
    info.constraint = ek__constraint_keep(g, a->constraint);
    /* Nothing around a variable decides whether it is initialized. */
    EK_IN_SCOPE(ek_control_dependencies_clear_push(g, a->where))
        EK_IN_SCOPE(ek_name_scope_push(g, a->name, a->where)) {
            const char *scope = ek_name_scope(g);
            info.name = scope[0] == '\0' ? NULL : ek__arena_strndup(&g->arena, scope, strlen(scope) - 1);
            if (info.name != NULL && a->resource) make_resource(g, a, &info);
            else if (info.name != NULL) make_reference(g, a, &info);
        }
    if (g->error.code != EK_OK) return v;
    if (info.name == NULL || info.snapshot.node < 0) {
        ek__graph_fail(g, a->where, EK_INVALID_ARGUMENT,
                       "variable %s has no initial value: the call that made it failed", a->name);
        return v;
    }
    if (note(g, &info, &v)) collect(g, a, v);
    return v;
}

bool ek__use_resource(const ek_graph *g, ek_tristate use_resource)
{
    if (use_resource == EK_DEFAULT) use_resource = ek__vscope_now(g)->use_resource;
    return use_resource == EK_DEFAULT ? g->use_resource : use_resource == EK_YES;
}

ek_variable ek_variable_create_with(ek_graph *g, const ek_variable_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where)) return ek__dead_variable(g);
    ek_variable_args a = {
        .name = o->name != NULL ? o->name : "Variable",
        .value = o->value,
        .dtype = o->dtype,
        .trainable = o->trainable,
        .validate_shape = o->validate_shape,
        .collections = o->collections,
        .constraint = &o->constraint,
        .synchronization = o->synchronization,
        .aggregation = o->aggregation,
        .where = where,
    };

    if (!EK_GRAPH_OK(g, where)) return ek__dead_variable(NULL);
    a.resource = ek__use_resource(g, o->use_resource);
    return ek__variable_make(g, &a);
}

/* ---- what is known of it ------------------------------------------------------------------------------- */

const char *ek_variable_name(ek_variable v)
{
    return ek__info(v) != NULL ? ek_item_name(v.graph, ek_item_of_variable(v)) : "";
}

ek_dtype ek_variable_dtype(ek_variable v)
{
    const ek_variable_info *info = ek__info(v);

    if (info == NULL) return EK_DTYPE_NONE;
    return info->is_resource ? info->dtype : ek_dtype_ref(info->dtype);
}

ek_shape ek_variable_shape(ek_variable v)
{
    return ek__info(v) != NULL ? ek__info(v)->shape : EK_UNKNOWN_SHAPE;
}

bool ek_variable_is_resource(ek_variable v) { return ek__info(v) != NULL && ek__info(v)->is_resource; }
bool ek_variable_is_trainable(ek_variable v) { return ek__info(v) != NULL && ek__info(v)->trainable; }

ek_op ek_variable_op(ek_variable v)
{
    return (ek_op){ v.graph, ek__info(v) != NULL ? ek__info(v)->op : -1 };
}

ek_op ek_variable_initializer(ek_variable v)
{
    return (ek_op){ v.graph, ek__info(v) != NULL ? ek__info(v)->initializer : -1 };
}

ek_tensor ek_variable_initial_value(ek_variable v)
{
    return ek__info(v) != NULL ? ek__tensor(v.graph, ek__info(v)->initial_value) : ek__dead(v.graph);
}

ek_constraint ek_variable_constraint(ek_variable v)
{
    const ek_constraint *c = ek__info(v) != NULL ? ek__info(v)->constraint : NULL;

    return c != NULL ? *c : (ek_constraint){ .call = NULL };
}

ek_synchronization ek_variable_synchronization(ek_variable v)
{
    return ek__info(v) != NULL ? (ek_synchronization)ek__info(v)->synchronization : EK_SYNCHRONIZATION_AUTO;
}

ek_aggregation ek_variable_aggregation(ek_variable v)
{
    return ek__info(v) != NULL ? (ek_aggregation)ek__info(v)->aggregation : EK_AGGREGATION_NONE;
}

ek_variable ek_variable_by_name(ek_graph *g, const char *name)
{
    for (int64_t i = 0; g != NULL && name != NULL && i < g->n_variables; i++)
        if (strcmp(g->variable[i]->name, name) == 0) return (ek_variable){ g, (int32_t)i };
    return ek__dead_variable(g);
}

/* ---- reading it ------------------------------------------------------------------------------------------ */

/* What is known of a variable that a node is to be made for; NULL for a dead one, which is recorded. */
static const ek_variable_info *wanted(ek_variable v, ek_where where)
{
    const ek_variable_info *info = ek__info(v);

    if (info == NULL) ek__graph_fail(v.graph, where, EK_INVALID_ARGUMENT, "a variable is needed, this one is dead");
    return ek__whole(v, where) ? info : NULL;
}

static ek_tensor handle_of(ek_variable v)
{
    return (ek_tensor){ v.graph, ek__info(v)->op, 0 };
}

ek_tensor ek_variable_value_at(ek_variable v, ek_where where) { return ek__variable_value(v, where); }

ek_tensor ek_read_value_at(ek_variable v, ek_where where)
{
    const ek_variable_info *info = wanted(v, where);
    ek_tensor value = ek__dead(v.graph);

    if (info == NULL) return value;
    if (!info->is_resource) return ek__emit1("Identity", handle_of(v), "read", where);
    EK_IN_SCOPE(ek_name_scope_push(v.graph, "Read", where))
        value = read_node(v.graph, handle_of(v), info->dtype, where);
    return ek__emit1("Identity", value, NULL, where);
}

ek_tensor ek_is_variable_initialized_at(ek_variable v, ek_where where)
{
    const ek_variable_info *info = wanted(v, where);

    if (info == NULL) return ek__dead(v.graph);
    return ek__emit1(info->is_resource ? "VarIsInitializedOp" : "IsVariableInitialized", handle_of(v), NULL, where);
}
