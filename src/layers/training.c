/* layers/training.c - see training.h. */
#include "layers/training.h"

#include "evenkeel/control.h"

/* ---- what `training` says ----------------------------------------------------------------------- */

/* K.learning_phase(): one placeholder per graph, made at the root. */
static ek_tensor learning_phase(ek_graph *g, ek_where where)
{
    static const char name[] = "keras_learning_phase";
    ek_tensor phase = ek__dead(g);
    const int32_t found = ek__node_find(g, name, sizeof name - 1);

    if (found >= 0) return (ek_tensor){ g, found, 0 };
    EK_IN_SCOPE(ek_name_scope_push(g, NULL, where))
        phase = ek_placeholder_with_default_with(g, &(ek_placeholder_with_default_options){
            .size = sizeof(ek_placeholder_with_default_options), .value = ek_bool(false), .shape = EK_SCALAR,
            .name = name }, where);
    return phase;
}

/* By truth, as Python takes it: a constant 5 is training. */
static int constant_mode(const ek_graph *g, ek_tensor t)
{
    ek_array *value = ek__constant_value(g, ek__edge(t));
    int known = EK_MODE_DYNAMIC;

    if (value != NULL && value->count == 1 && value->dtype != EK_STRING) known = ek_array_get(value, 0) != 0.0;
    ek_array_unref(value);
    return known;
}

static bool mode_of_value(ek_graph *g, int v, ek_mode *mode, ek_where where)
{
    mode->known = v;
    if (v == 0 || v == 1) return true;
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                   "`pred` must be a Tensor, or a Python bool, or 1 or 0. Found instead: <class 'int'>");
    return false;
}

static bool exists(const ek_graph *g, ek_tensor t)
{
    if (t.index == EK_TRAINING_VARIABLE) return t.op < g->n_variables;
    return t.op < g->n_nodes && t.index >= 0 && t.index < ek__node(g, t.op)->n_out;
}

bool ek__mode_of(ek_graph *g, ek_tensor training, ek_mode *mode, ek_where where)
{
    *mode = (ek_mode){ .known = EK_MODE_DYNAMIC, .pred = ek_operand_of_tensor(training) };
    switch (training.index) {
    case EK_TRAINING_VALUE: return mode_of_value(g, training.op, mode, where);
    case EK_TRAINING_VARIABLE:
        mode->pred = ek_operand_of_variable((ek_variable){ training.graph, training.op });
        break;
    case EK_TRAINING_PHASE: mode->pred = ek_operand_of_tensor(learning_phase(g, where)); break;
    default: break;
    }
    if (training.index != EK_TRAINING_PHASE && (training.graph != g || training.op < 0 || !exists(g, training))) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, training.graph == g || training.graph == NULL
                       ? "training is a dead tensor: the call that made it failed, or it was never set"
                       : "training is a tensor of another graph");
        return false;
    }
    if (mode->pred.kind == 't') mode->known = constant_mode(g, mode->pred.u.tensor);
    return true;
}

/* ---- choosing -------------------------------------------------------------------------------------- */

static ek_item item_of(ek_graph *g, ek_operand x, ek_where where)
{
    if (x.kind == 'v') return ek_item_of_variable(x.u.variable);
    return ek_item_of_tensor(ek__operand_tensor(g, &x, EK_DTYPE_NONE, NULL, where));
}

static void branch(ek_graph *g, ek_conditional *cond, bool which, ek_side side, void *arg, int n, ek_where where)
{
    ek_operand out[3];

    EK_IN_SCOPE(ek_branch_push(cond, which, where)) {
        side(g, out, arg, where);
        for (int i = 0; i < n; i++) ek_give_item(cond, item_of(g, out[i], where), where);
    }
}

void ek__choose(ek_graph *g, const ek_mode *mode, ek_side yes, ek_side no, void *arg, int n, ek_operand *out,
                ek_where where)
{
    ek_conditional *cond;
    ek_list merged;

    if (mode->known != EK_MODE_DYNAMIC) {
        (mode->known == 1 ? yes : no)(g, out, arg, where);
        return;
    }
    cond = ek_cond_begin_at(mode->pred, NULL, where);
    branch(g, cond, true, yes, arg, n, where);
    branch(g, cond, false, no, arg, n, where);
    merged = ek_cond_end_at(cond, where);
    for (int i = 0; i < n; i++) out[i] = ek__of(ek_list_tensor(merged, i));
}
