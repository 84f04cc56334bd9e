/* layers/layer.c - see layer.h. */
#include "layers/layer.h"

/* Opens the variable scope once to learn its names. */
static void take_scope(ek_layer *l, const ek_vscope_args *a, ek_where where)
{
    const ek_vscope *before = ek__vscope_now(l->graph);

    EK_IN_SCOPE(ek__vscope_push(l->graph, a, where)) {
        const ek_vscope *now = ek__vscope_now(l->graph);
        if (now != before) l->scope = now;
    }
}

void ek__layer_init(ek_layer *l, ek_graph *g, const char *base_name, const char *name, int reuse, bool trainable,
                    ek_where where)
{
    *l = (ek_layer){ .graph = g, .reuse = reuse, .trainable = trainable,
                     .base_name = ek__arena_strdup(&g->arena, base_name) };
    if (l->base_name == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for layer %s", base_name);
        return;
    }
    if (name != NULL)
        take_scope(l, &(ek_vscope_args){ .name = name, .use_resource = EK_DEFAULT }, where);
}

bool ek__layer_ready(ek_layer *l, ek_where where)
{
    if (l->graph->error.code != EK_OK || !ek__reuse_ok(l->graph, l->reuse, where)) return false;
    if (l->scope == NULL && l->reuse != EK_VSCOPE_NEW)
        take_scope(l, &(ek_vscope_args){ .name = l->base_name, .use_resource = EK_DEFAULT }, where);
    else if (l->scope == NULL)
        take_scope(l, &(ek_vscope_args){ .default_name = l->base_name, .use_resource = EK_DEFAULT }, where);
    return l->scope != NULL && l->graph->error.code == EK_OK;
}

ek_scope ek__layer_enter_variables(const ek_layer *l, ek_where where)
{
    return ek__vscope_push(l->graph,
                           &(ek_vscope_args){ .again = l->scope, .use_resource = EK_DEFAULT, .no_name_scope = true,
                                              .reuse = l->built ? EK_VSCOPE_REUSE : l->reuse },
                           where);
}

ek_scope ek__layer_enter_names(const ek_layer *l, ek_where where)
{
    return ek_name_scope_push(l->graph, l->scope->name_scope, where);
}

const char *ek__layer_name(const ek_layer *l)
{
    const char *name = l->scope != NULL ? l->scope->name : l->base_name;
    const char *slash = strrchr(name, '/');

    return slash != NULL ? slash + 1 : name;
}

/* ---- weights --------------------------------------------------------------------------------------- */

static void regularize(const ek_layer *l, const ek_weight_args *a, ek_variable v, ek_where where)
{
    ek_graph *g = l->graph;
    ek_tensor loss = ek__dead(g);
    const char *scope = ek__arena_printf(&g->arena, "%s/Regularizer", a->name);

    if (scope == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for the regularizer of %s", a->name);
        return;
    }
    EK_IN_SCOPE(ek_name_scope_push(g, scope, where)) loss = ek__regularizer_build(g, a->regularizer, ek__v(v), where);
    if (ek_tensor_ok(loss)) ek_add_item_to_collection(g, EK_REGULARIZATION_LOSSES, ek_item_of_tensor(loss), where);
}

ek_variable ek__layer_add_weight(const ek_layer *l, const ek_weight_args *a, ek_where where)
{
    ek_graph *g = l->graph;
    const int64_t before = g->n_variables;
    ek_variable v = ek__dead_variable(g);

    if (g->error.code != EK_OK) return v;
    EK_IN_SCOPE(ek__layer_enter_variables(l, where))
        EK_IN_SCOPE(ek__layer_enter_names(l, where)) {
            v = ek__get_variable(g, &(ek_get_variable_args){
                .name = a->name, .has_shape = true, .shape = a->shape, .dtype = a->dtype,
                .initializer = a->initializer->kind != EK_INIT_NONE ? a->initializer : NULL,
                .constraint = a->constraint != NULL && a->constraint->call != NULL ? a->constraint : NULL,
                .trainable = a->trainable && l->trainable, .validate_shape = true, .collections = { NULL, -1 },
                .use_resource = EK_DEFAULT, .synchronization = a->synchronization, .aggregation = a->aggregation,
                .in_one = a->in_one, .where = where });
            if (ek_variable_ok(v) && v.id >= before && a->regularizer != NULL && a->regularizer->kind != 0)
                for (int i = 0; i < ek_variable_parts(v); i++) regularize(l, a, ek_variable_part(v, i), where);
        }
    return v;
}

void ek__layer_add_updates(const ek_layer *l, const ek_op *update, int n, ek_where where)
{
    ek_touch_collection(l->graph, EK_UPDATE_OPS);
    for (int i = 0; l->trainable && i < n; i++)
        ek_add_item_to_collection(l->graph, EK_UPDATE_OPS, ek_item_of_op(update[i]), where);
}
