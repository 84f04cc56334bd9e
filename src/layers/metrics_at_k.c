/* layers/metrics_at_k.c - precision and recall of sets of classes: the k that a model ranks first, and the labels. */
#include "layers/metrics.h"

#include "evenkeel/control.h"

/* A set that is counted: what is kept of predictions and labels, and the names of its scopes. */
typedef struct part {
    const char *name;      /* of the scope, before "_at_5" */
    const char *inner;     /* of the scope inside it */
    const char *operation; /* of predictions (a) and labels (b) */
} part;
static const part true_positive = { "true_positive", "true_positives", "intersection" };
static const part false_positive = { "false_positive", "false_positives", "a-b" };
static const part false_negative = { "false_negative", "false_negatives", "b-a" };

/* "recall_at_5", or without a k "recall_at_k". An arena string, NULL after a failure. */
static const char *at_k(ek_graph *g, const char *name, int k, ek_where where)
{
    const char *text = k != INT32_MIN ? ek__arena_printf(&g->arena, "%s_at_%d", name, k)
                                      : ek__arena_printf(&g->arena, "%s_at_k", name);

    if (text == NULL) ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for the name of a metric");
    return text;
}

/* ---- labels ---------------------------------------------------------------------------------------------- */

static ek_tensor expand(ek_tensor labels, const char *name, ek_where where)
{
    return ek_expand_dims_with(&(ek_axis_options){ .size = sizeof(ek_axis_options), .input = labels, .axis = -1,
                                                   .name = name }, where);
}

static ek_tensor expand_at_run(ek_graph *g, ek_tensor labels, ek_tensor predictions, const char *own, ek_where where)
{
    const ek_tensor p = ek__op1(ek_rank_with, ek__of(predictions), NULL, where);
    ek_tensor l = ek__op1(ek_rank_with, ek__of(labels), NULL, where);
    ek_conditional *c;

    l = ek__op2(ek_plus_with, ek__of(l), ek_operand_of_int(1), where);
    c = ek_cond_begin_at(ek__of(ek__op2(ek_equal_with, ek__of(p), ek__of(l), where)), NULL, where);
    EK_IN_SCOPE(ek_branch_push(c, true, where)) ek_give_item(c, ek_item_of_tensor(expand(labels, own, where)), where);
    EK_IN_SCOPE(ek_branch_push(c, false, where)) ek_give_item(c, ek_item_of_tensor(labels), where);
    return c != NULL ? ek_list_tensor(ek_cond_end_at(c, where), 0) : ek__dead(g);
}

/* Labels of the predictions' rank: one each becomes a set of one. */
static ek_tensor expand_labels(ek_graph *g, ek_operand given, ek_tensor predictions, ek_where where)
{
    ek_tensor labels = ek__dead(g);

    EK_IN_SCOPE(ek_name_scope_push(g, "expand_labels", where)) {
        const char *own = ek_name_scope(g);
        labels = ek__operand_tensor(g, &given, EK_DTYPE_NONE, NULL, where);
        const ek_shape l = ek_tensor_shape(labels), p = ek_tensor_shape(predictions);
        char first[256], second[256];

        if (!ek_tensor_ok(labels) || !ek_tensor_ok(predictions)) {
            labels = ek__dead(g);
        } else if (l.rank < 0 || p.rank < 0) {
            labels = expand_at_run(g, labels, predictions, own, where);
        } else if (p.rank == l.rank + 1) {
            labels = expand(labels, own, where);
        } else if (p.rank != l.rank) {
            ek_shape_format(&l, first, sizeof first);
            ek_shape_format(&p, second, sizeof second);
            ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Unexpected labels shape %s for predictions shape %s.", first,
                           second);
            labels = ek__dead(g);
        }
    }
    return labels;
}

/* ---- counting ---------------------------------------------------------------------------------------------- */

/* How many elements each set has, in float64, weighted. */
static ek_tensor sizes(ek_graph *g, const part *p, ek_tensor predictions, ek_tensor labels, ek_operand weights,
                       ek_where where)
{
    ek_tensor n = ek__dead(g);

    EK_IN_SCOPE(ek_name_scope_push(g, p->inner, where)) {
        const ek_tensor set = EK_EMIT(g, where, "DenseToDenseSetOperation", NULL, EK_IN(predictions, labels),
                                      ek__attr_string("set_operation", p->operation));
        const ek_tensor in[] = { set, { g, set.op, 1 }, { g, set.op, 2 } };
        n = ek__node_tensor(g, &(ek_node_args){ .type = "SetSize", .in = in, .n_in = 3, .where = where });
        n = ek__cast(g, ek__of(n), EK_FLOAT64, where).u.tensor;
        if (weights.kind != 0 && ek_tensor_ok(n)) {
            const ek_item check = ek_item_of_op(ek__assert_broadcastable(g, weights, ek__of(n), where));
            EK_IN_SCOPE(ek_control_dependencies_push(g, (ek_list){ g, &check, 1 }, where))
                n = ek__op2(ek_multiply_with, ek__of(n), ek__cast(g, weights, EK_FLOAT64, where), where);
        }
    }
    return n;
}

/* The variable's name is its scope's. */
static ek_variable count(ek_graph *g, const part *p, int k, ek_tensor predictions, ek_tensor labels, ek_operand weights,
                         ek_tensor *update, ek_where where)
{
    const char *name = at_k(g, p->name, k, where);
    ek_variable v = ek__dead_variable(g);

    *update = ek__dead(g);
    if (name == NULL) return v;
    EK_IN_SCOPE(ek_name_scope_push(g, name, where)) {
        const char *own = ek_name_scope(g);
        const ek_tensor batch = ek__sum(sizes(g, p, predictions, labels, weights, where), NULL, where);
        v = ek__metric_variable(g, EK_SCALAR, EK_FLOAT64, own, where);
        if (ek_variable_ok(v) && ek_tensor_ok(batch))
            *update = ek_assign_add_with(&(ek_assign_options){ .size = sizeof(ek_assign_options), .variable = v,
                                                               .value = ek__of(batch), .use_locking = EK_DEFAULT,
                                                               .validate_shape = true, .name = "update" }, where);
    }
    return v;
}

static ek_tensor share(ek_operand a, ek_operand b, const char *name, ek_where where)
{
    const ek_tensor sum = ek__op2(ek_add_with, a, b, where);

    return ek__metric_div(a, ek__of(sum), name, where);
}

/* Inside the metric's own scope. */
static ek_metric of_sets(ek_graph *g, const part *others, ek_operand labels_in, ek_tensor classes,
                         const ek_metric_options *o, ek_where where)
{
    const char *own = ek_name_scope(g);
    const ek_tensor labels = expand_labels(g, labels_in, classes, where);
    ek_metric m = ek__dead_metric(g);
    ek_variable hits, misses;
    ek_tensor hit, miss;

    if (!ek_tensor_ok(labels)) return m;
    classes = ek__cast(g, ek__of(classes), EK_INT64, where).u.tensor;
    hits = count(g, &true_positive, o->k, classes, labels, o->weights, &hit, where);
    misses = count(g, others, o->k, classes, labels, o->weights, &miss, where);
    if (!ek_tensor_ok(hit) || !ek_tensor_ok(miss)) return m;
    m.value = share(ek_operand_of_variable(hits), ek_operand_of_variable(misses), own, where);
    m.update_op = share(ek__unread(hit), ek__unread(miss), "update", where);
    return m;
}

/* ---- the calls ------------------------------------------------------------------------------------------------ */

/* ranked: predictions are numbers, of which the k largest count. */
static ek_metric metric(const char *name, const char *scope, const part *others, bool ranked, ek_operand labels,
                        const ek_metric_options *o, ek_where where)
{
    ek_graph *g = ek__metric_ready(name, labels, o, ranked ? EK_NEEDS_K : EK_TAKES_K, where);
    ek_metric m = ek__dead_metric(g);

    if (g == NULL) return m;
    scope = o->name != NULL ? o->name : at_k(g, scope, o->k, where);
    if (scope == NULL) return m;
    EK_IN_SCOPE(ek_name_scope_push(g, scope, where)) {
        const ek_operand in[] = { o->predictions, ek_operand_of_int(o->k) };
        const ek_tensor classes =
            ranked ? ek_op_output(ek__call(&(ek_call){ .graph = g, .type = "TopKV2", .in = in, .n_in = 2, .where = where }), 1)
                   : ek__operand_tensor(g, &o->predictions, EK_DTYPE_NONE, NULL, where);
        if (g->error.code == EK_OK) m = of_sets(g, others, labels, classes, o, where);
    }
    ek__metric_collect(&m, o, where);
    return m;
}

#define AT_K(f, scope, others, ranked)                                                                       \
    ek_metric ek_metrics_##f##_with(ek_operand labels, const ek_metric_options *o, ek_where where)           \
    {                                                                                                        \
        return metric(#f, scope, others, ranked, labels, o, where);                                          \
    }
AT_K(precision_at_k, "precision", &false_positive, true)
AT_K(precision_at_top_k, "precision", &false_positive, false)
AT_K(recall_at_k, "recall", &false_negative, true)
AT_K(recall_at_top_k, "recall", &false_negative, false)
