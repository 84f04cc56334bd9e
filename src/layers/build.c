/* layers/build.c - see build.h. */
#include "layers/build.h"

const ek_variable_info *ek__info(ek_variable v)
{
    return v.graph != NULL && v.id >= 0 && v.id < v.graph->n_variables ? v.graph->variable[v.id] : NULL;
}

bool ek__whole(ek_variable v, ek_where where)
{
    const ek_variable_info *const info = ek__info(v);

    if (info == NULL || info->n_parts == 0) return true;
    ek__graph_fail(v.graph, where, EK_INVALID_ARGUMENT,
                   "%s is in parts: what is done to a variable is done to each, ek_variable_part(v, 0) and so on", info->name);
    return false;
}
