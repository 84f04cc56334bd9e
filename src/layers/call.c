/* layers/call.c - one call of a layer that is a function: its scopes, what it asks of its input, its weights, and what
 * comes after its body. */
#include <stdarg.h>

#include "layers/layer.h"

/* ---- refusals ------------------------------------------------------------------------------------- */

void ek__dims_str(const ek_shape *s, char *text, size_t size)
{
    size_t at = (size_t)snprintf(text, size, "[");

    for (int i = 0; i < s->rank && at < size; i++) {
        if (s->dim[i] < 0) at += (size_t)snprintf(text + at, size - at, "%sNone", i > 0 ? ", " : "");
        else at += (size_t)snprintf(text + at, size - at, "%s%lld", i > 0 ? ", " : "", (long long)s->dim[i]);
    }
    if (at < size) snprintf(text + at, size - at, "]");
}

bool ek__layer_refuse(const ek_layer *l, ek_where where, const char *fmt, ...)
{
    char why[400];
    va_list args;

    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    ek__graph_fail(l->graph, where, EK_INVALID_ARGUMENT, "Input 0 of layer %s is incompatible with the layer: %s",
                   ek__layer_name(l), why);
    return false;
}

static bool check_rank(const ek_layer *l, const ek_layer_args *a, ek_tensor x)
{
    const ek_shape s = ek_tensor_shape(x);
    char full[256];

    if (a->rank == 0 && a->least_rank == 0) return true;
    ek__dims_str(&s, full, sizeof full);
    if (s.rank < 0)
        return ek__layer_refuse(l, a->where, "its rank is undefined, but the layer requires a defined rank.");
    if (a->rank != 0 && s.rank != a->rank)
        return ek__layer_refuse(l, a->where, "expected ndim=%d, found ndim=%d. Full shape received: %s", a->rank,
                                s.rank, full);
    if (s.rank < a->least_rank)
        return ek__layer_refuse(l, a->where, ": expected min_ndim=%d, found ndim=%d. Full shape received: %s",
                                a->least_rank, s.rank, full);
    return true;
}

/* ---- weights --------------------------------------------------------------------------------------- */

ek_variable ek__layer_kernel(const ek_layer *l, const char *name, ek_shape shape, ek_dtype dtype, ek_weights w,
                             ek_where where)
{
    if (w.initializer->kind == EK_INIT_VALUE) {
        ek__graph_fail(l->graph, where, EK_INVALID_ARGUMENT,
                       "a layer's initializer must be an initializer, not a value");
        return ek__dead_variable(l->graph);
    }
    return ek__layer_add_weight(l, &(ek_weight_args){ .name = name, .shape = shape, .dtype = dtype,
                                                      .initializer = w.initializer, .regularizer = w.regularizer,
                                                      .constraint = w.constraint, .trainable = true }, where);
}

ek_variable ek__layer_bias(const ek_layer *l, int64_t n, ek_dtype dtype, ek_weights w, ek_where where)
{
    const ek_initializer zeros = ek_zeros_initializer();

    if (w.initializer->kind == EK_INIT_NONE) w.initializer = &zeros;
    return ek__layer_kernel(l, "bias", EK_SHAPE(n), dtype, w, where);
}

ek_tensor ek__layer_add_bias(ek_tensor y, ek_variable bias, const char *data_format, ek_where where)
{
    return ek_bias_add_with(ek__of(y), &(ek_bias_add_options){ .size = sizeof(ek_bias_add_options), .bias = ek__v(bias),
                                                               .data_format = data_format }, where);
}

/* ---- the call ------------------------------------------------------------------------------------------ */

/* The loss of an output is over its batch size, so that it does not grow with it. */
static void regularize_activity(ek_graph *g, const ek_regularizer *r, ek_tensor y, ek_where where)
{
    EK_IN_SCOPE(ek_name_scope_push(g, "ActivityRegularizer", where)) {
        const ek_tensor loss = ek__regularizer_build(g, r, ek__of(y), where);
        const ek_tensor rows = ek__element(ek__op1(ek_shape_with, ek__of(y), NULL, where), 0, where);
        const ek_dtype dtype = ek_dtype_base(ek_tensor_dtype(loss));
        const ek_tensor mean = ek__op2(ek_over_with, ek__of(loss), ek__cast(g, ek__of(rows), dtype, where), where);
        if (ek_tensor_ok(mean)) ek_add_item_to_collection(g, EK_REGULARIZATION_LOSSES, ek_item_of_tensor(mean), where);
    }
}

static ek_tensor run(const ek_layer *l, const ek_layer_args *a, ek_tensor x, ek_layer_body body, const void *of)
{
    ek_tensor y;

    if (!check_rank(l, a, x)) return ek__dead(l->graph);
    y = body(l, x, of, a->where);
    if (a->activation != NULL && ek_tensor_ok(y)) {
        y = ek__op1(a->activation, ek__of(y), NULL, a->where);
        if (!ek__tensor_in(l->graph, y) && l->graph->error.code == EK_OK)
            ek__graph_fail(l->graph, a->where, EK_INVALID_ARGUMENT,
                           "the activation of layer %s gave a tensor that is dead or of another graph", ek__layer_name(l));
    }
    if (a->activity != NULL && a->activity->kind != 0 && ek_tensor_ok(y))
        regularize_activity(l->graph, a->activity, y, a->where);
    return y;
}

ek_tensor ek__layer_call(const ek_layer_args *a, ek_tensor x, ek_layer_body body, const void *of)
{
    ek_graph *g = x.graph;
    ek_tensor y = ek__dead(g);
    ek_layer l;

    if (!EK_GRAPH_OK(g, a->where) || g->error.code != EK_OK) return y;
    if (!ek__tensor_in(g, x)) {
        ek__graph_fail(g, a->where, EK_INVALID_ARGUMENT, "the input of layer %s is dead: the call that made it failed",
                       a->name != NULL ? a->name : a->kind);
        return y;
    }
    ek__layer_init(&l, g, a->name != NULL ? a->name : a->kind, a->name, a->reuse, a->trainable, a->where);
    if (!ek__layer_ready(&l, a->where)) return y;
    EK_IN_SCOPE(ek__layer_enter_variables(&l, a->where))
        EK_IN_SCOPE(ek__layer_enter_names(&l, a->where)) y = run(&l, a, x, body, of);
    ek__layer_add_updates(&l, NULL, 0, a->where);
    return g->error.code == EK_OK ? y : ek__dead(g);
}
