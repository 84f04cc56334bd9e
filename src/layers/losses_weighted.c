/* layers/losses_weighted.c - losses times weights, reduced and collected; sums of what was collected. */
#include "layers/losses.h"

#include "evenkeel/control.h"

void ek__collect_loss(ek_tensor loss, const char *collection, ek_where where)
{
    if (!ek_tensor_ok(loss) || collection == NULL || collection[0] == '\0') return;
    ek_add_item_to_collection(loss.graph, collection, ek_item_of_tensor(loss), where);
}

/* ---- counting -------------------------------------------------------------------------------------- */

ek_tensor ek__axes_from_one(ek_tensor x, ek_where where)
{
    const ek_tensor rank = ek__op1(ek_rank_with, ek__of(x), NULL, where);

    return ek_range_with(x.graph, &(ek_range_options){ .size = sizeof(ek_range_options), .start = ek_operand_of_int(1),
                                                       .limit = ek__of(rank), .delta = ek_operand_of_int(1) }, where);
}

ek_tensor ek__num_present(ek_graph *g, ek_tensor losses, ek_operand weights, bool per_batch, ek_where where)
{
    ek_tensor count = ek__dead(g);

    EK_IN_SCOPE(ek_name_scope_push(g, "num_present", where)) {
        const char *own = ek_name_scope(g);
        const ek_operand w = ek__cast(g, weights, EK_FLOAT32, where);
        const ek_tensor zero = ek__op2(ek_equal_with, w, ek__num(0.0), where);
        const ek_tensor zeros = ek__op1(ek_zeros_like_with, w, NULL, where);
        const ek_tensor ones = ek__op1(ek_ones_like_with, w, NULL, where);
        const ek_select_options or_one = { .size = sizeof or_one, .y = ek__of(ones) };
        const ek_tensor here = ek_select_with(ek__of(zero), ek__of(zeros), &or_one, where);
        const ek_tensor all = ek__broadcast_weights(g, here, losses, where);

        if (per_batch && ek_tensor_ok(all))
            count = EK_EMIT(g, where, "Sum", own, EK_IN(all, ek__axes_from_one(all, where)),
                            EK_ATTR_B("keep_dims", true));
        else
            count = ek__sum(all, own, where);
    }
    return count;
}

static ek_tensor num_elements(ek_graph *g, ek_tensor losses, ek_where where)
{
    ek_tensor count = ek__dead(g);

    EK_IN_SCOPE(ek_name_scope_push(g, "num_elements", where)) {
        const ek_tensor size = ek__op1(ek_size_with, ek__of(losses), ek_name_scope(g), where);
        count = ek__cast(g, ek__of(size), ek_dtype_base(ek_tensor_dtype(losses)), where).u.tensor;
    }
    return count;
}

/* ---- reducing --------------------------------------------------------------------------------------- */

static ek_tensor divided(ek_tensor loss, ek_tensor count, ek_where where)
{
    const ek_tensor total = ek__sum(loss, NULL, where);

    return ek__op2_named(ek_div_no_nan_with, ek__of(total), ek__of(count), "value", where);
}

static ek_tensor reduced(ek_graph *g, ek_tensor losses, ek_operand weights, ek_reduction reduction, ek_where where)
{
    const ek_tensor weighted = ek__op2(ek_multiply_with, ek__of(losses), weights, where);
    ek_tensor sum, ones;

    if (reduction == EK_REDUCTION_NONE) return weighted;
    sum = ek__sum(weighted, NULL, where);
    switch (reduction) {
    case EK_REDUCTION_MEAN:
        ones = ek__op1(ek_ones_like_with, ek__of(losses), NULL, where);
        ones = ek__op2(ek_times_with, ek__of(ones), weights, where);
        return divided(sum, ek__sum(ones, NULL, where), where);
    case EK_REDUCTION_SUM_BY_NONZERO_WEIGHTS:
        return divided(sum, ek__num_present(g, losses, weights, false, where), where);
    case EK_REDUCTION_SUM_OVER_BATCH_SIZE: return divided(sum, num_elements(g, losses, where), where);
    case EK_REDUCTION_NONE:
    case EK_REDUCTION_SUM: break;
    }
    return sum;
}

/* Inside the scope and under control of the check. Everything in float32, the result in the losses' own type. */
static ek_tensor compute(ek_graph *g, const ek_weighted_loss_options *o, ek_where where)
{
    const ek_tensor losses = ek__operand_tensor(g, &o->losses, EK_DTYPE_NONE, NULL, where);
    const ek_dtype own = ek_dtype_base(ek_tensor_dtype(losses));
    ek_operand l, w;

    if (!ek_tensor_ok(losses)) return ek__dead(g);
    l = ek__cast(g, ek__of(losses), EK_FLOAT32, where);
    w = ek__cast(g, o->weights, EK_FLOAT32, where);
    return ek__cast(g, ek__of(reduced(g, l.u.tensor, w, o->reduction, where)), own, where).u.tensor;
}

ek_tensor ek__weighted_loss(ek_graph *g, const ek_weighted_loss_options *o, ek_where where)
{
    ek_tensor loss = ek__dead(g);

    if ((int)o->reduction < EK_REDUCTION_NONE || o->reduction > EK_REDUCTION_SUM_BY_NONZERO_WEIGHTS) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Invalid Reduction Key %d.", (int)o->reduction);
        return loss;
    }
    EK_IN_SCOPE(ek_name_scope_push(g, o->scope != NULL ? o->scope : "weighted_loss", where)) {
        const ek_item check = ek_item_of_op(ek__assert_broadcastable(g, o->weights, o->losses, where));
        EK_IN_SCOPE(ek_control_dependencies_push(g, (ek_list){ g, &check, 1 }, where)) loss = compute(g, o, where);
    }
    ek__collect_loss(loss, o->loss_collection, where);
    return loss;
}

ek_tensor ek_losses_compute_weighted_loss_with(const ek_weighted_loss_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    ek_graph *g = ek__operand_graph((const ek_operand[]){ o->losses, o->weights }, 2);

    return EK_GRAPH_OK(g, where) ? ek__weighted_loss(g, o, where) : ek__dead(NULL);
}

/* ---- all of them --------------------------------------------------------------------------------------- */

static ek_list losses_of(ek_graph *g, const char *key, const char *scope)
{
    return scope != NULL && scope[0] != '\0' ? ek_get_collection_scope(g, key, scope) : ek_get_collection(g, key);
}

ek_list ek_losses_get_losses(ek_graph *g, const char *scope) { return losses_of(g, EK_LOSSES, scope); }

ek_list ek_losses_get_regularization_losses(ek_graph *g, const char *scope)
{
    return losses_of(g, EK_REGULARIZATION_LOSSES, scope);
}

/* tf.add_n of two lists. */
static ek_tensor total(ek_graph *g, ek_list a, ek_list b, const char *name, ek_where where)
{
    const int64_t n = a.count + b.count;
    ek_tensor *in = n > 0 ? EK_ARENA_NEW(&g->arena, ek_tensor, n) : NULL;

    if (n == 0) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "inputs must be a list of at least one Tensor/IndexedSlices with the same dtype and shape");
        return ek__dead(g);
    }
    if (in == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory to add %lld losses", (long long)n);
        return ek__dead(g);
    }
    for (int64_t i = 0; i < n; i++) in[i] = i < a.count ? ek_list_tensor(a, i) : ek_list_tensor(b, i - a.count);
    return ek_add_n_with(in, n, &(ek_add_n_options){ .size = sizeof(ek_add_n_options), .name = name }, where);
}

ek_tensor ek_losses_get_total_loss_with(const ek_total_loss_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where) || !EK_GRAPH_OK(o->graph, where)) return ek__dead(NULL);
    const ek_list losses = ek_losses_get_losses(o->graph, o->scope);
    const ek_list more =
        o->regularization_losses ? ek_losses_get_regularization_losses(o->graph, o->scope) : EK_EMPTY_LIST;

    return total(o->graph, losses, more, o->name != NULL ? o->name : "total_loss", where);
}

ek_tensor ek_losses_get_regularization_loss_with(const ek_total_loss_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where) || !EK_GRAPH_OK(o->graph, where)) return ek__dead(NULL);
    const ek_list losses = ek_losses_get_regularization_losses(o->graph, o->scope);

    if (losses.count == 0) return ek__const_scalar(o->graph, EK_FLOAT32, 0.0, "Const", where);
    return total(o->graph, losses, EK_EMPTY_LIST, o->name != NULL ? o->name : "total_regularization_loss", where);
}
