/* train/clip.c - keeping gradients small: by value, by norm, by the norm of all of them. */
#include <math.h>

#include "train/train.h"

/* ---- one tensor ------------------------------------------------------------------------------------------- */

static bool check_tensor(ek_tensor t, const char *what, ek_where where)
{
    if (t.graph != NULL && t.graph->error.code != EK_OK) return false;
    if (ek__tensor_in(t.graph, t)) return true;
    ek__graph_fail(t.graph, where, EK_INVALID_ARGUMENT, "%s was given a dead tensor", what);
    return false;
}

static ek_tensor select(ek_tensor condition, ek_tensor x, ek_tensor y, ek_where where)
{
    return ek_select_with(ek__of(condition), ek__of(x),
                          &(ek_select_options){ .size = sizeof(ek_select_options), .y = ek__of(y) }, where);
}

static ek_tensor identity(ek_tensor x, const char *name, ek_where where)
{
    return ek__op1(ek_identity_with, ek__of(x), name, where);
}

ek_tensor ek_clip_by_norm_with(ek_tensor t, const ek_clip_by_norm_options *o, ek_where where)
{
    ek_graph *g = t.graph;
    ek_tensor out = ek__dead(g), sum, positive, safe, norm, scaled;

    if (!EK_OPTIONS_OK(g, o, where) || !check_tensor(t, "ek_clip_by_norm", where) ||
        !ek__finite_operand(g, "clip_norm", &o->clip_norm, where))
        return out;
    EK_IN_SCOPE(ek_name_scope_push(g, ek__name_or(o->name, "clip_by_norm"), where)) {
        const char *own = ek_name_scope(g);
        sum = ek__op2(ek_times_with, ek__of(t), ek__of(t), where);
        sum = ek_reduce_sum_with(&(ek_reduce_options){ .size = sizeof(ek_reduce_options), .x = sum, .axis = o->axes,
                                                       .keepdims = true }, where);
        /* The root of 0 has no derivative: such sums are kept away from it. */
        positive = ek__op2(ek_greater_with, ek__of(sum), ek_operand_of_int(0), where);
        safe = select(positive, sum, ek__op1(ek_ones_like_with, ek__of(sum), NULL, where), where);
        norm = select(positive, ek__op1(ek_sqrt_with, ek__of(safe), NULL, where), sum, where);
        scaled = ek__op2(ek_times_with, ek__of(t), o->clip_norm, where);
        norm = ek__op2(ek_maximum_with, ek__of(norm), o->clip_norm, where);
        out = identity(ek__op2(ek_over_with, ek__of(scaled), ek__of(norm), where), own, where);
    }
    return out;
}

/* tf.range(tf.rank(t)) */
static ek_tensor all_axes(ek_tensor t, ek_where where)
{
    const ek_tensor rank = ek__op1(ek_rank_with, ek__of(t), NULL, where);

    return ek_range_with(t.graph, &(ek_range_options){ .size = sizeof(ek_range_options),
        .start = ek_operand_of_int(0), .limit = ek__of(rank), .delta = ek_operand_of_int(1) }, where);
}

ek_tensor ek_clip_by_average_norm_with(ek_tensor t, const ek_clip_by_average_norm_options *o, ek_where where)
{
    ek_graph *g = t.graph;
    ek_tensor out = ek__dead(g), n, square, inverse, most;

    if (!EK_OPTIONS_OK(g, o, where) || !check_tensor(t, "ek_clip_by_average_norm", where)) return out;
    EK_IN_SCOPE(ek_name_scope_push(g, ek__name_or(o->name, "clip_by_average_norm"), where)) {
        const char *own = ek_name_scope(g);
        n = ek__op1(ek_size_with, ek__of(t), NULL, where);
        n = ek__cast(g, ek__of(n), EK_FLOAT32, where).u.tensor;
        square = ek__op2(ek_times_with, ek__of(t), ek__of(t), where);
        const ek_operand sum[] = { ek__of(square), ek__of(all_axes(t, where)) };
        square = ek__call_tensor(&(ek_call){ .graph = g, .type = "Sum", .in = sum, .n_in = 2, .where = where });
        inverse = ek__op1(ek_rsqrt_with, ek__of(square), NULL, where);
        out = ek__op2(ek_times_with, ek__of(t), o->clip_norm, where);
        inverse = ek__op2(ek_times_with, ek__of(inverse), ek__of(n), where);
        most = ek__const_scalar(g, EK_FLOAT32, 1.0, NULL, where);
        most = ek__op2(ek_over_with, ek__of(most), o->clip_norm, where);
        inverse = ek__op2(ek_minimum_with, ek__of(inverse), ek__of(most), where);
        out = identity(ek__op2(ek_times_with, ek__of(out), ek__of(inverse), where), own, where);
    }
    return out;
}

/* ---- lists of gradients ------------------------------------------------------------------------------------- */

/* A copy to be changed; NULL after a failure. None stays None, rows keep their indices. */
static ek_gradient *copy_of(ek_gradient_list list, ek_where where)
{
    ek_graph *g = list.graph;
    ek_gradient *out;

    if (!EK_GRAPH_OK(g, where) || g->error.code != EK_OK ||
        !ek__list_ok(g, list.at, list.count, "of gradients", where))
        return NULL;
    for (int64_t i = 0; i < list.count; i++) {
        if (!ek_gradient_ok(list.at[i]) || ek__tensor_in(g, list.at[i].value)) continue;
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "gradient %lld is of another graph than its list", (long long)i);
        return NULL;
    }
    out = EK_ARENA_NEW(&g->arena, ek_gradient, list.count + 1);
    if (out == NULL) ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for a list of gradients");
    else if (list.count > 0) memcpy(out, list.at, (size_t)list.count * sizeof *out);
    return out;
}

ek_gradient_list ek_clip_gradients_by_value_at(ek_gradient_list list, ek_operand least, ek_operand most,
                                               ek_where where)
{
    ek_gradient *const out = copy_of(list, where);

    for (int64_t i = 0; out != NULL && i < list.count; i++)
        if (ek_gradient_ok(out[i]))
            out[i].value = ek_clip_by_value_with(ek__of(out[i].value), least, &(ek_clip_by_value_options){
                .size = sizeof(ek_clip_by_value_options), .most = most }, where);
    return (ek_gradient_list){ list.graph, out, out != NULL ? list.count : 0 };
}

ek_gradient_list ek_clip_gradients_by_norm_at(ek_gradient_list list, ek_operand clip_norm, ek_where where)
{
    ek_gradient *const out = copy_of(list, where);

    for (int64_t i = 0; out != NULL && i < list.count; i++)
        if (ek_gradient_ok(out[i]))
            out[i].value = ek_clip_by_norm_with(out[i].value, &(ek_clip_by_norm_options){
                .size = sizeof(ek_clip_by_norm_options), .clip_norm = clip_norm, .axes = { -1, { 0 } } }, where);
    return (ek_gradient_list){ list.graph, out, out != NULL ? list.count : 0 };
}

/* ---- the norm of all of them ----------------------------------------------------------------------------------- */

static int64_t half_squares(ek_gradient_list list, const ek_gradient *d, ek_tensor *half, ek_where where)
{
    int64_t n = 0;

    for (int64_t i = 0; i < list.count; i++)
        if (ek_gradient_ok(d[i]))
            EK_IN_SCOPE(ek__colocate_push(list.graph, &d[i].value.op, 1, false, where))
                half[n++] = ek__op1(ek_l2_loss_with, ek__of(d[i].value), NULL, where);
    return n;
}

static ek_tensor norm_of(ek_gradient_list list, const ek_gradient *d, ek_tensor *half, ek_where where)
{
    ek_graph *g = list.graph;
    const int64_t n = half_squares(list, d, half, where);
    ek_tensor sum, two;

    if (n == 0) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "a norm of no gradients: all %lld are None", (long long)list.count);
        return ek__dead(g);
    }
    sum = ek_stack_with(&(ek_join_options){ .size = sizeof(ek_join_options), .values = { half, (int)n } }, where);
    sum = ek_reduce_sum_with(&(ek_reduce_options){ .size = sizeof(ek_reduce_options), .x = sum,
                                                   .axis = { -1, { 0 } } }, where);
    two = ek__const_scalar(g, ek_dtype_base(ek_tensor_dtype(sum)), 2.0, NULL, where);
    return ek__op1(ek_sqrt_with, ek__of(ek__op2(ek_times_with, ek__of(sum), ek__of(two), where)), "global_norm", where);
}

static ek_tensor global_norm(ek_gradient_list list, const ek_gradient *d, const char *name, ek_where where)
{
    ek_graph *g = list.graph;
    ek_tensor *half = ek__calloc((size_t)list.count + 1, sizeof *half), out = ek__dead(g);

    if (half == NULL) ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for a norm");
    else EK_IN_SCOPE(ek_name_scope_push(g, ek__name_or(name, "global_norm"), where)) out = norm_of(list, d, half, where);
    ek__free(half);
    return out;
}

ek_tensor ek_global_norm_at(ek_gradient_list list, const char *name, ek_where where)
{
    const ek_gradient *const d = copy_of(list, where);

    return d != NULL ? global_norm(list, d, name, where) : ek__dead(list.graph);
}

/* clip_norm / max(norm, clip_norm); NaN where the norm is not finite, so that nobody takes it for a gradient. */
static ek_tensor scale_for(ek_tensor norm, ek_operand clip_norm, ek_where where)
{
    ek_graph *g = norm.graph;
    const ek_dtype t = ek_dtype_base(ek_tensor_dtype(norm));
    ek_tensor scale, most, nan;

    scale = ek__op2(ek_over_with, ek__num(1.0), ek__of(norm), where);
    most = ek__const_scalar(g, t, 1.0, NULL, where);
    most = ek__op2(ek_over_with, ek__of(most), clip_norm, where);
    scale = ek__op2(ek_minimum_with, ek__of(scale), ek__of(most), where);
    scale = ek__op2(ek_times_with, clip_norm, ek__of(scale), where);
    most = ek__op1(ek_is_finite_with, ek__of(norm), NULL, where);
    nan = ek__const_scalar(g, t, NAN, NULL, where);
    return select(most, scale, nan, where);
}

static void scale_all(ek_gradient_list list, ek_gradient *d, ek_tensor scale, const char *own, ek_where where)
{
    for (int64_t i = 0; i < list.count && list.graph->error.code == EK_OK; i++) {
        const char *name = ek__arena_printf(&list.graph->arena, "%s_%lld", own, (long long)i);
        if (name == NULL) {
            ek__graph_fail(list.graph, where, EK_RESOURCE_EXHAUSTED, "no memory to clip gradients");
            return;
        }
        if (ek_gradient_ok(d[i]))
            EK_IN_SCOPE(ek__colocate_push(list.graph, &d[i].value.op, 1, false, where))
                d[i].value = identity(ek__op2(ek_times_with, ek__of(d[i].value), ek__of(scale), where), name, where);
    }
}

ek_clipped_gradients ek_clip_by_global_norm_with(ek_gradient_list list, const ek_clip_by_global_norm_options *o,
                                                 ek_where where)
{
    ek_graph *g = list.graph;
    ek_clipped_gradients out = { { g, NULL, 0 }, ek__dead(g) };
    ek_gradient *d;

    if (!EK_OPTIONS_OK(g, o, where)) return out;
    d = copy_of(list, where);
    if (d == NULL) return out;
    out.norm = o->use_norm.graph != NULL ? o->use_norm : global_norm(list, d, o->name, where);
    if (!ek__tensor_in(g, out.norm)) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "use_norm is dead or of another graph than the gradients");
        return out;
    }
    EK_IN_SCOPE(ek_name_scope_push(g, ek__name_or(o->name, "clip_by_global_norm"), where)) {
        const char *own = ek_name_scope(g);
        scale_all(list, d, scale_for(out.norm, o->clip_norm, where), own, where);
    }
    out.gradients = (ek_gradient_list){ g, d, list.count };
    return out;
}
