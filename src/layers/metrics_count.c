/* layers/metrics_count.c - true and false positives and negatives; precision and recall, which follow from them. */
#include "layers/metrics.h"

#include "evenkeel/control.h"

/* ---- the rank of weights --------------------------------------------------------------------------- */

static ek_op no_op(ek_graph *g, const char *name, ek_where where)
{
    return ek_no_op_with(&(ek_no_op_options){ .size = sizeof(ek_no_op_options), .graph = g, .name = name }, where);
}

/* tf.assert_type of what has the type: a NoOp. */
static void assert_type(ek_graph *g, ek_where where)
{
    EK_IN_SCOPE(ek_name_scope_push(g, "assert_type", where)) no_op(g, "statically_determined_correct_type", where);
}

/* tf.assert_rank(rank, 0) of what is a scalar as every rank is. */
static ek_op assert_scalar(ek_graph *g, ek_where where)
{
    ek_op op = { g, -1 };

    EK_IN_SCOPE(ek_name_scope_push(g, "assert_rank", where)) {
        ek__const_scalar(g, EK_INT32, 0, "rank", where);
        assert_type(g, where);
        op = no_op(g, "static_checks_determined_all_ok", where);
    }
    return op;
}

static ek_op refuse_rank(ek_graph *g, ek_tensor weights, int32_t rank, ek_where where)
{
    const ek_shape w = ek_tensor_shape(weights);
    char shape[256];

    ek_shape_format(&w, shape, sizeof shape);
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                   ".  Tensor %s must have rank in (array(0, dtype=int32), array(%d, dtype=int32)).  Received rank %d, "
                   "shape %s", ek_item_name(g, ek_item_of_tensor(weights)), rank, w.rank, shape);
    return (ek_op){ g, -1 };
}

static ek_op rank_at_run(ek_graph *g, ek_tensor weights, ek_tensor zero, ek_tensor rank, bool rank_known,
                         const ek_operand *data, int n, ek_where where)
{
    const ek_tensor found = ek__op1(ek_rank_with, ek__of(weights), NULL, where);
    const ek_tensor scalar = ek__op2(ek_equal_with, ek__of(zero), ek__of(found), where);
    const ek_tensor same = ek__op2(ek_equal_with, ek__of(rank), ek__of(found), where);
    ek_tensor either = ek__op2(ek_logical_or_with, ek__of(scalar), ek__of(same), where);

    if (!rank_known) {
        const ek_item checked = ek_item_of_op(assert_scalar(g, where));
        const ek_with_dependencies_options wait = { .size = sizeof wait, .list = { g, &checked, 1 } };
        either = ek_with_dependencies_with(either, &wait, where);
    }
    return ek__assert(g, either, data, n, NULL, where);
}

/* tf.assert_rank_in(weights, (0, rank(values))) */
static ek_op assert_rank_in(ek_graph *g, ek_tensor weights, ek_tensor values, ek_tensor rank, ek_where where)
{
    const ek_shape w = ek_tensor_shape(weights), v = ek_tensor_shape(values);
    ek_op op = { g, -1 };

    EK_IN_SCOPE(ek_name_scope_push(g, "assert_rank_in", where)) {
        const ek_tensor zero = ek__const_scalar(g, EK_INT32, 0, "rank", where);
        const ek_tensor shape = ek__op1(ek_shape_with, ek__of(weights), NULL, where);
        const char *who = ek__arena_printf(&g->arena, "Tensor %s must have rank in",
                                           ek_item_name(g, ek_item_of_tensor(weights)));
        const ek_operand data[] = { ek_operand_of_string(""), ek_operand_of_string(who), ek__of(zero), ek__of(rank),
                                    ek_operand_of_string("Received shape: "), ek__of(shape) };

        assert_type(g, where);
        assert_type(g, where);
        if (who == NULL) ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for an assertion");
        else if (v.rank < 0 || w.rank < 0)
            op = rank_at_run(g, weights, zero, rank, v.rank >= 0, data, EK_COUNT_OF(data), where);
        else if (w.rank != 0 && w.rank != v.rank) op = refuse_rank(g, weights, v.rank, where);
        else op = no_op(g, "static_checks_determined_all_ok", where);
    }
    return op;
}

/* ---- counting ------------------------------------------------------------------------------------------ */

/* What holds times the weights, after a check of their rank. */
static ek_tensor weigh(ek_graph *g, ek_tensor values, ek_tensor weights, ek_where where)
{
    const ek_tensor rank = ek__op1(ek_rank_with, ek__of(values), NULL, where);
    const ek_item check = ek_item_of_op(assert_rank_in(g, weights, values, rank, where));
    ek_tensor out = ek__dead(g);

    if (g->error.code != EK_OK) return out;
    EK_IN_SCOPE(ek_control_dependencies_push(g, (ek_list){ g, &check, 1 }, where))
        out = ek__op2(ek_multiply_with, ek__of(values), ek__cast(g, ek__of(weights), EK_FLOAT32, where), where);
    return out;
}

static ek_metric count(ek_graph *g, ek_tensor holds, const ek_fitted *f, ek_where where)
{
    ek_metric m = ek__dead_metric(g);
    ek_variable sum;
    ek_tensor values;

    if (!ek_tensor_ok(holds)) return m;
    assert_type(g, where);
    sum = ek__metric_variable(g, EK_SCALAR, EK_FLOAT32, "count", where);
    if (!ek_variable_ok(sum)) return m;
    values = ek__cast(g, ek__of(holds), EK_FLOAT32, where).u.tensor;
    if (f->weighted) values = weigh(g, values, f->weights, where);
    if (!ek_tensor_ok(values)) return m;
    m.value = ek__op1(ek_identity_with, ek_operand_of_variable(sum), NULL, where);
    m.update_op = ek__metric_add(sum, ek__sum(values, NULL, where), where);
    return m;
}

/* Both as bool. Python's arguments are cast in this order. */
static bool fit(ek_graph *g, ek_operand labels, ek_operand predictions, ek_operand weights, ek_fitted *f, ek_where where)
{
    const ek_operand p = ek__cast(g, predictions, EK_BOOL, where), l = ek__cast(g, labels, EK_BOOL, where);

    return ek__metric_fit(g, l, p, weights, f, where);
}

typedef struct kind {
    const char *name;
    bool label, prediction;
} kind;
static const kind true_positives = { "true_positives", true, true }, false_positives = { "false_positives", false, true };
static const kind true_negatives = { "true_negatives", false, false }, false_negatives = { "false_negatives", true, false };

static ek_metric count_of(ek_graph *g, const kind *k, ek_operand labels, ek_operand predictions, ek_operand weights,
                          const char *name, ek_where where)
{
    ek_metric m = ek__dead_metric(g);
    ek_tensor l, p;
    ek_fitted f;

    EK_IN_SCOPE(ek__metric_scope(g, name, k->name, where)) {
        if (fit(g, labels, predictions, weights, &f, where)) {
            l = ek__op2(ek_equal_with, ek__of(f.labels), ek_operand_of_bool(k->label), where);
            p = ek__op2(ek_equal_with, ek__of(f.predictions), ek_operand_of_bool(k->prediction), where);
            m = count(g, ek__op2(ek_logical_and_with, ek__of(l), ek__of(p), where), &f, where);
        }
    }
    return m;
}

#define COUNT(f)                                                                                             \
    ek_metric ek_metrics_##f##_with(ek_operand labels, const ek_metric_options *o, ek_where where)           \
    {                                                                                                        \
        ek_graph *g = ek__metric_ready(#f, labels, o, 0, where);                                             \
        ek_metric m = ek__dead_metric(g);                                                                    \
                                                                                                             \
        if (g == NULL) return m;                                                                             \
        m = count_of(g, &f, labels, o->predictions, o->weights, o->name, where);                             \
        ek__metric_collect(&m, o, where);                                                                    \
        return m;                                                                                            \
    }
COUNT(true_positives)
COUNT(false_positives)
COUNT(true_negatives)
COUNT(false_negatives)

/* ---- shares of counts ------------------------------------------------------------------------------------- */

/* a / (a + b), 0 where nothing was counted. */
static ek_tensor share(ek_operand a, ek_operand b, const char *name, ek_where where)
{
    ek_tensor sum = ek__op2(ek_plus_with, a, b, where);
    const ek_tensor some = ek__op2(ek_greater_with, ek__of(sum), ek_operand_of_int(0), where);

    sum = ek__op2(ek_plus_with, a, b, where);
    sum = ek__metric_div(a, ek__of(sum), NULL, where);
    return ek_select_with(ek__of(some), ek__of(sum),
                          &(ek_select_options){ .size = sizeof(ek_select_options), .y = ek_operand_of_int(0), .name = name },
                          where);
}

static ek_metric shares(const char *name, ek_operand labels, const ek_metric_options *o, const kind *others, ek_where where)
{
    ek_graph *g = ek__metric_ready(name, labels, o, 0, where);
    ek_metric m = ek__dead_metric(g), hit, miss;
    ek_operand weights;
    ek_fitted f;

    if (g == NULL) return m;
    EK_IN_SCOPE(ek__metric_scope(g, o->name, name, where)) {
        if (fit(g, labels, o->predictions, o->weights, &f, where)) {
            weights = f.weighted ? ek__of(f.weights) : (ek_operand){ .kind = 0 };
            hit = count_of(g, &true_positives, ek__of(f.labels), ek__of(f.predictions), weights, NULL, where);
            miss = count_of(g, others, ek__of(f.labels), ek__of(f.predictions), weights, NULL, where);
            m.value = share(ek__of(hit.value), ek__of(miss.value), "value", where);
            m.update_op = share(ek__unread(hit.update_op), ek__unread(miss.update_op), "update_op", where);
        }
    }
    ek__metric_collect(&m, o, where);
    return m;
}

ek_metric ek_metrics_precision_with(ek_operand labels, const ek_metric_options *o, ek_where where)
{
    return shares("precision", labels, o, &false_positives, where);
}

ek_metric ek_metrics_recall_with(ek_operand labels, const ek_metric_options *o, ek_where where)
{
    return shares("recall", labels, o, &false_negatives, where);
}
