/* saver/by_name.c - variables that are known as nodes alone, restored by their names. */
#include "saver/by_name.h"

#include "runtime/runtime.h"

static ek_status check(const ek_checkpoint *c, const ek_node *n, ek_error *err)
{
    const ek_attr_value *dtype = ek__attr_find(n->attr, n->n_attr, "dtype");
    const ek_attr_value *shape = ek__attr_find(n->attr, n->n_attr, "shape");
    char want[EK_MAX_RANK * 24], have[EK_MAX_RANK * 24];
    ek_checkpoint_entry e;

    if (!ek_checkpoint_find(c, n->name, &e)) return EK_FAIL(err, NOT_FOUND, "Key %s not found in checkpoint", n->name);
    if (dtype != NULL && dtype->kind == EK_ATTR_TYPE && dtype->u.type != e.dtype)
        return EK_FAIL(err, INVALID_ARGUMENT, "variable '%s' is %s, the checkpoint has %s", n->name,
                       ek_dtype_name(dtype->u.type), ek_dtype_name(e.dtype));
    if (shape == NULL || shape->kind != EK_ATTR_SHAPE || ek_shape_compatible(shape->u.shape, &e.shape)) return EK_OK;
    ek_shape_format_cc(shape->u.shape, want, sizeof want);
    ek_shape_format_cc(&e.shape, have, sizeof have);
    return EK_FAIL(err, INVALID_ARGUMENT, "variable '%s' has shape %s, the checkpoint has %s", n->name, want, have);
}

ek_status ek__restore_by_name(ek_session *s, const ek_graph *g, const char *prefix, ek_error *err)
{
    ek_checkpoint *c;
    ek_status st = EK_OK;
    int64_t n = 0;

    EK_TRY(ek_checkpoint_open(prefix, &c, err));
    for (int64_t i = 0; st == EK_OK && i < g->n_nodes; i++) {
        if (!ek__is_variable_node(g->node[i])) continue;
        st = check(c, g->node[i], err);
        n++;
    }
    if (st == EK_OK && n == 0) st = EK_FAIL(err, FAILED_PRECONDITION, "the graph has no variable to give a value");
    for (int64_t i = 0; st == EK_OK && i < g->n_nodes; i++) {
        ek_array *value = NULL;

        if (!ek__is_variable_node(g->node[i])) continue;
        st = ek_checkpoint_read(c, g->node[i]->name, &value, err);
        if (st == EK_OK) st = ek__session_set_value(s, g->node[i], value, err);
        ek_array_unref(value);
    }
    ek_checkpoint_close(c);
    return st;
}
