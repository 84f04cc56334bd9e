/* ops/whole.c - the value of a variable that is stored in parts: W/ConcatPartitions/concat and an Identity of its name. */
#include "ops/emit.h"

static ek_variable part_of(ek_variable whole, int32_t i)
{
    return (ek_variable){ whole.graph, whole.graph->variable[whole.id]->part[i] };
}

/* The reads of resource variables belong to the scope of what joins them. */
static ek_tensor join(ek_variable whole, const ek_variable_info *info, ek_where where)
{
    ek_graph *g = whole.graph;
    ek_tensor *const in = ek__calloc((size_t)info->n_parts + 1, sizeof *in), y = ek__dead(g);

    if (in == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory to join the %d parts of %s", (int)info->n_parts, info->name);
        return y;
    }
    EK_IN_SCOPE(ek_name_scope_push(g, "concat", where)) {
        for (int32_t i = 0; i < info->n_parts; i++) in[i] = ek__variable_value(part_of(whole, i), where);
        in[info->n_parts] = ek__const_scalar(g, EK_INT32, info->axis, "axis", where);
        y = ek__node_tensor(g, &(ek_node_args){ .type = "ConcatV2", .name = ek_name_scope(g), .in = in,
                                                .n_in = info->n_parts + 1, .where = where });
    }
    ek__free(in);
    return y;
}

ek_tensor ek__parts_value(ek_variable whole, ek_where where)
{
    ek_graph *g = whole.graph;
    const ek_variable_info *const info = g->variable[whole.id];
    ek_operand joined = ek_operand_of_variable(part_of(whole, 0));
    ek_tensor y = ek__dead(g);

    if (info->n_parts > 1) {
        const char *const scope = ek__arena_printf(&g->arena, "%s/ConcatPartitions/", info->name);

        if (scope == NULL) {
            ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory to join the parts of %s", info->name);
            return y;
        }
        EK_IN_SCOPE(ek_name_scope_push(g, scope, where)) joined = ek__of(join(whole, info, where));
    }
    EK_IN_SCOPE(ek_name_scope_push(g, NULL, where))
        y = ek__call_tensor(&(ek_call){ .type = "Identity", .name = info->name, .in = &joined, .n_in = 1, .where = where });
    return y;
}
