/* ops/grad_control.c - gradients through conditionals: a Merge's is a Switch, a Switch's a Merge. */
#include "graph/scope.h"
#include "ops/grad.h"

/* Placed with the data. */
static ek_op switch_on(const ek_grad *c, ek_tensor data, ek_tensor pred, const char *name)
{
    const ek_tensor in[] = { data, pred };
    ek_scope scope = ek__colocate_push(c->g, &data.op, 1, true, c->where);
    const ek_op op = ek__node_build(c->g, &(ek_node_args){ .type = "Switch", .name = name, .in = in, .n_in = 2, .where = c->where });

    ek_scope_pop(&scope);
    return op;
}

static ek_tensor merge(const ek_grad *c, ek_tensor a, ek_tensor b, const char *name) { return ek__emit2("Merge", a, b, name, c->where); }

void ek__grad_merge(ek_grad *c)
{
    const ek_context *of = ek__context(c->g, ek__node(c->g, c->n->in[0].node)->context);

    if (of != NULL && of->imported == NULL) {
        const ek_op both = switch_on(c, g_dy(c, 0), ek__tensor(c->g, of->pred), "cond_grad");
        for (int32_t i = 0; i < c->n->n_in; i++) g_set(c, i, ek_op_output(both, i));
        return;
    }
    /* No conditional that is known: to the input that came. */
    ek_tensor came[EK_GRAD_MAX_LIST];
    const int n = c->n->n_in < EK_GRAD_MAX_LIST ? c->n->n_in : EK_GRAD_MAX_LIST;
    for (int i = 0; i < n; i++) came[i] = gxn(c, ek_equal_with, g_out(c, 1), i);
    for (int i = 0; i < n; i++) g_set(c, i, ek_op_output(switch_on(c, g_dy(c, 0), came[i], NULL), 1));
}

void ek__grad_switch(ek_grad *c)
{
    const ek_context *of = ek__context(c->g, c->n->context);
    const ek_tensor when = g_in(c, 1);

    if (of != NULL && of->imported == NULL) {
        if (ek_tensor_ok(g_dy(c, 0)) && ek_tensor_ok(g_dy(c, 1))) g_set(c, 0, merge(c, g_dy(c, 0), g_dy(c, 1), "cond_grad"));
        return;
    }
    const ek_tensor off = ek_op_output(switch_on(c, g_dy(c, 0), when, NULL), 0);
    const ek_tensor on = ek_op_output(switch_on(c, g_dy(c, 1), when, NULL), 1);
    g_set(c, 0, merge(c, off, on, NULL));
}
