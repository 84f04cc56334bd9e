/* layers/metrics.c - see metrics.h; tf.nn.in_top_k. */
#include "layers/metrics.h"

#include "evenkeel/control.h"
#include "graph/variable_scope.h"

/* ---- options ------------------------------------------------------------------------------------- */

/* An option that some metrics take: whether it is given, and the bits of those that may have it and must have it. */
typedef struct option {
    const char *name;
    bool given;
    int takes, needs;
} option;

static const char *missing_or_extra(const ek_metric_options *o, int takes, bool *missing)
{
    const option all[] = {
        { "thresholds", o->thresholds.at != NULL, EK_TAKES_THRESHOLDS | EK_NEEDS_THRESHOLDS, EK_NEEDS_THRESHOLDS },
        { "num_thresholds", o->num_thresholds != 200, EK_TAKES_NUMBER, 0 },
        { "curve", o->curve != NULL, EK_TAKES_CURVE, 0 },
        { "summation_method", o->summation_method != NULL, EK_TAKES_CURVE, 0 },
        { "specificity", o->specificity != EK_NOT_GIVEN, EK_NEEDS_SPECIFICITY, EK_NEEDS_SPECIFICITY },
        { "sensitivity", o->sensitivity != EK_NOT_GIVEN, EK_NEEDS_SENSITIVITY, EK_NEEDS_SENSITIVITY },
        { "threshold", o->threshold.kind != 0, EK_NEEDS_THRESHOLD, EK_NEEDS_THRESHOLD },
        { "normalizer", o->normalizer.kind != 0, EK_NEEDS_NORMALIZER, EK_NEEDS_NORMALIZER },
        { "k", o->k != INT32_MIN, EK_TAKES_K | EK_NEEDS_K, EK_NEEDS_K },
        { "dim", o->dim != INT32_MIN, EK_NEEDS_DIM, EK_NEEDS_DIM },
    };

    for (int i = 0; i < EK_COUNT_OF(all); i++) {
        *missing = !all[i].given;
        if (all[i].given ? (takes & all[i].takes) == 0 : (takes & all[i].needs) != 0) return all[i].name;
    }
    return NULL;
}

static bool keys_ok(ek_graph *g, const ek_keys *keys, const char *what, ek_where where)
{
    if (!ek__list_ok(g, keys->key, keys->count, what, where)) return false;
    for (int i = 0; i < keys->count; i++) {
        if (keys->key[i] != NULL) continue;
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "key %d of %s is NULL", i, what);
        return false;
    }
    return true;
}

static bool operands_ok(ek_graph *g, const char *name, ek_operand labels, const ek_metric_options *o, int takes,
                        ek_where where)
{
    if ((labels.kind != 0 || (takes & EK_TAKES_NO_LABELS)) && o->predictions.kind != 0) return true;
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "%s() missing 1 required positional argument: '%s'", name,
                   o->predictions.kind != 0 ? "labels" : (takes & EK_TAKES_NO_LABELS) ? "values" : "predictions");
    return false;
}

ek_graph *ek__metric_ready(const char *name, ek_operand labels, const ek_metric_options *o, int takes, ek_where where)
{
    const char *wrong;
    ek_graph *g;
    bool missing;

    if (!EK_OPTIONS_OF(ek__operand_graph(&labels, 1), o, name, where)) return NULL;
    g = ek__operand_graph((const ek_operand[]){ labels, o->predictions, o->weights, o->normalizer, o->threshold },
                          5);
    if (!ek__graph_ok(g, name, where) || !keys_ok(g, &o->metrics_collections, ".metrics_collections", where) ||
        !keys_ok(g, &o->updates_collections, ".updates_collections", where) ||
        !EK_LIST_OK(g, o->thresholds, ".thresholds", where) || !operands_ok(g, name, labels, o, takes, where))
        return NULL;
    wrong = missing_or_extra(o, takes, &missing);
    if (wrong != NULL && missing)
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "%s() missing 1 required positional argument: '%s'", name, wrong);
    else if (wrong != NULL)
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "%s() got an unexpected keyword argument '%s'", name, wrong);
    return g->error.code == EK_OK ? g : NULL;
}

/* ---- variables and collections --------------------------------------------------------------------- */

ek_scope ek__metric_scope(ek_graph *g, const char *name, const char *default_name, ek_where where)
{
    return ek__vscope_push(g, &(ek_vscope_args){ .name = name, .default_name = name == NULL ? default_name : NULL,
                                                 .use_resource = EK_DEFAULT }, where);
}

static ek_tensor zeros(ek_graph *g, void *arg, ek_where where) { return ek_zeros_with(g, arg, where); }

ek_variable ek__metric_variable(ek_graph *g, ek_shape shape, ek_dtype dtype, const char *name, ek_where where)
{
    ek_zeros_options first = { .size = sizeof first, .shape = shape, .dtype = dtype };

    if (g->error.code != EK_OK) return ek__dead_variable(g);
    return ek__variable_make(g, &(ek_variable_args){ .name = name, .make = zeros, .arg = &first, .validate_shape = true,
                                                     .resource = ek__use_resource(g, EK_DEFAULT), .where = where,
                                                     .collections = EK_KEYS(EK_LOCAL_VARIABLES, EK_METRIC_VARIABLES),
                                                     .synchronization = EK_SYNCHRONIZATION_ON_READ,
                                                     .aggregation = EK_AGGREGATION_SUM });
}

ek_tensor ek__metric_add(ek_variable v, ek_tensor x, ek_where where)
{
    if (!ek_variable_ok(v) || !ek_tensor_ok(x)) return ek__dead(x.graph);
    return ek_assign_add_with(&(ek_assign_options){ .size = sizeof(ek_assign_options), .variable = v, .value = ek__of(x),
                                                    .use_locking = EK_DEFAULT, .validate_shape = true }, where);
}

static void add_to_all(const ek_keys *keys, ek_tensor t, ek_where where)
{
    for (int i = 0; i < keys->count && ek_tensor_ok(t); i++)
        ek_add_item_to_collection(t.graph, keys->key[i], ek_item_of_tensor(t), where);
}

void ek__metric_collect(const ek_metric *m, const ek_metric_options *o, ek_where where)
{
    add_to_all(&o->metrics_collections, m->value, where);
    add_to_all(&o->updates_collections, m->update_op, where);
}

/* ---- operands that fit ------------------------------------------------------------------------------ */

/* tf.expand_dims(x, [-1]) */
static ek_tensor expand_last(ek_tensor x, ek_where where)
{
    return ek__call_ints(x.graph, "ExpandDims", NULL, ek__of(x), &EK_SHAPE(-1), NULL, 0, where);
}

static ek_tensor equals(ek_tensor x, int n, ek_where where)
{
    return ek__op2(ek_equal_with, ek__of(x), ek_operand_of_int(n), where);
}

typedef ek_tensor (*branch_fn)(ek_tensor weights, ek_tensor difference, ek_where where);

/* cond(pred, lambda: yes(...), lambda: no(...)) */
static ek_tensor choose(ek_tensor pred, branch_fn yes, branch_fn no, ek_tensor weights, ek_tensor difference,
                        ek_where where)
{
    ek_conditional *c = ek_cond_begin_at(ek__of(pred), NULL, where);

    EK_IN_SCOPE(ek_branch_push(c, true, where))
        ek_give_item(c, ek_item_of_tensor(yes(weights, difference, where)), where);
    EK_IN_SCOPE(ek_branch_push(c, false, where))
        ek_give_item(c, ek_item_of_tensor(no(weights, difference, where)), where);
    return c != NULL ? ek_list_tensor(ek_cond_end_at(c, where), 0) : ek__dead(weights.graph);
}

static ek_tensor as_it_is(ek_tensor weights, ek_tensor difference, ek_where where)
{
    EK_UNUSED(difference);
    EK_UNUSED(where);
    return weights;
}

static ek_tensor expanded(ek_tensor weights, ek_tensor difference, ek_where where)
{
    EK_UNUSED(difference);
    return expand_last(weights, where);
}

/* Where the static shape says that it cannot be squeezed it is not tried. */
static ek_tensor squeezed(ek_tensor weights, ek_tensor difference, ek_where where)
{
    const ek_shape s = ek_tensor_shape(weights);

    EK_UNUSED(difference);
    return s.rank < 0 || ek__last_may_be_one(&s) ? ek__squeeze_last(weights, where) : weights;
}

static ek_tensor maybe_expanded(ek_tensor weights, ek_tensor difference, ek_where where)
{
    return choose(equals(difference, -1, where), expanded, as_it_is, weights, difference, where);
}

static ek_tensor adjusted(ek_tensor weights, ek_tensor difference, ek_where where)
{
    return choose(equals(difference, 1, where), squeezed, maybe_expanded, weights, difference, where);
}

static ek_tensor fit_weights(ek_tensor weights, ek_tensor predictions, ek_where where)
{
    const ek_shape w = ek_tensor_shape(weights), p = ek_tensor_shape(predictions);
    ek_tensor rank, difference;

    if (w.rank == 0 || !ek_tensor_ok(weights) || !ek_tensor_ok(predictions)) return weights;
    if (p.rank >= 0 && w.rank >= 0) {
        if (w.rank - p.rank == 1) return ek__squeeze_last(weights, where);
        return p.rank - w.rank == 1 ? expand_last(weights, where) : weights;
    }
    rank = ek__op1(ek_rank_with, ek__of(weights), NULL, where);
    difference = ek__op1(ek_rank_with, ek__of(predictions), NULL, where);
    difference = ek__op2(ek_minus_with, ek__of(rank), ek__of(difference), where);
    return choose(equals(rank, 0, where), as_it_is, adjusted, weights, difference, where);
}

bool ek__metric_fit(ek_graph *g, ek_operand labels, ek_operand predictions, ek_operand weights, ek_fitted *out,
                    ek_where where)
{
    *out = (ek_fitted){ ek__dead(g), ek__operand_tensor(g, &predictions, EK_DTYPE_NONE, NULL, where), ek__dead(g),
                        weights.kind != 0 };
    if (labels.kind != 0) {
        ek__remove_squeezable(g, labels, ek__of(out->predictions), 0, &out->labels, &out->predictions, where);
        if (!ek__shapes_compatible(g, ek_tensor_shape(out->predictions), ek_tensor_shape(out->labels), where)) return false;
    }
    if (out->weighted)
        out->weights = fit_weights(ek__operand_tensor(g, &weights, EK_DTYPE_NONE, NULL, where), out->predictions, where);
    return g->error.code == EK_OK;
}

/* ---- tf.nn.in_top_k ------------------------------------------------------------------------------------ */

/* Python opens the scope and then calls the op by the same name inside it. */
ek_tensor ek_in_top_k_with(ek_operand predictions, ek_operand targets, const ek_in_top_k_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(ek__operand_graph(&predictions, 1), o, where)) return ek__dead(NULL);
    const ek_operand in[] = { predictions, targets, o->k };
    ek_graph *g = ek__operand_graph(in, 3);
    ek_tensor out = ek__dead(g);

    if (!EK_GRAPH_OK(g, where)) return out;
    EK_IN_SCOPE(ek_name_scope_push(g, o->name != NULL ? o->name : "in_top_k", where))
        out = ek__call_tensor(&(ek_call){ .graph = g, .type = "InTopKV2", .name = o->name, .in = in, .n_in = 3,
                                          .where = where });
    return out;
}
