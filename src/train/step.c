/* train/step.c - the variable that counts training steps. */
#include "train/train.h"

static bool check_step(ek_graph *g, ek_variable v, ek_where where)
{
    const ek_variable_info *info = ek__info(v);
    char shape[256];

    if (!ek_dtype_is_integer(info->dtype)) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Existing \"global_step\" does not have integer type: <dtype: '%s'>",
                       ek_dtype_name(ek_variable_dtype(v)));
        return false;
    }
    if (info->shape.rank == 0 || !ek_shape_is_known(&info->shape)) return true;
    ek_shape_format(&info->shape, shape, sizeof shape);
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Existing \"global_step\" is not scalar: %s", shape);
    return false;
}

ek_variable ek_get_global_step_at(ek_graph *g, ek_where where)
{
    ek_variable v = ek__dead_variable(g);

    if (!EK_GRAPH_OK(g, where) || g->error.code != EK_OK) return v;
    const ek_list found = ek_get_collection(g, EK_GLOBAL_STEP);
    if (found.count == 1 && found.item[0].kind == EK_ITEM_VARIABLE) v = found.item[0].u.variable;
    else if (found.count == 0) v = ek_variable_by_name(g, "global_step");
    return ek_variable_ok(v) && !check_step(g, v, where) ? ek__dead_variable(g) : v;
}

ek_variable ek_create_global_step_at(ek_graph *g, ek_where where)
{
    static const char *const keys[] = { EK_GLOBAL_VARIABLES, EK_GLOBAL_STEP };
    const ek_initializer zeros = ek_zeros_initializer();
    ek_variable v = ek__dead_variable(g);

    if (ek_variable_ok(ek_get_global_step_at(g, where))) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "\"global_step\" already exists.");
        return v;
    }
    if (g == NULL || g->error.code != EK_OK) return v;
    EK_IN_SCOPE(ek_name_scope_push(g, NULL, where))
        v = ek__get_variable(g, &(ek_get_variable_args){
            .name = "global_step", .has_shape = true, .shape = EK_SCALAR, .dtype = EK_INT64, .initializer = &zeros,
            .collections = { keys, 2 }, .validate_shape = true, .use_resource = EK_DEFAULT,
            .aggregation = EK_AGGREGATION_ONLY_FIRST_REPLICA, .where = where });
    return v;
}

ek_variable ek_get_or_create_global_step_at(ek_graph *g, ek_where where)
{
    const ek_variable v = ek_get_global_step_at(g, where);

    return ek_variable_ok(v) ? v : ek_create_global_step_at(g, where);
}
