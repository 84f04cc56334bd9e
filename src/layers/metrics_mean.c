/* layers/metrics_mean.c - metrics that are means. */
#include "layers/metrics.h"

static ek_operand none(void) { return (ek_operand){ .kind = 0 }; }

/* x / max(n, 0), 0 where nothing was counted. */
static ek_tensor ratio(ek_operand x, ek_operand n, const char *name, ek_where where)
{
    const ek_tensor count = ek__op2(ek_maximum_with, n, ek_operand_of_int(0), where);

    return ek__op2_named(ek_div_no_nan_with, x, ek__of(count), name, where);
}

/* Adds to both variables; the count waits for the values. */
static ek_metric total_over_count(ek_graph *g, ek_variable total, ek_variable count, ek_tensor sum, ek_tensor n,
                                  ek_tensor values, ek_where where)
{
    const ek_item wait = ek_item_of_tensor(values);
    const ek_tensor total_after = ek__metric_add(total, sum, where);
    ek_tensor count_after = ek__dead(g);
    ek_metric m = ek__dead_metric(g);

    if (!ek_tensor_ok(total_after) || !ek_tensor_ok(values)) return m;
    EK_IN_SCOPE(ek_control_dependencies_push(g, (ek_list){ g, &wait, 1 }, where))
        count_after = ek__metric_add(count, n, where);
    m.value = ratio(ek_operand_of_variable(total), ek_operand_of_variable(count), "value", where);
    m.update_op = ratio(ek__unread(total_after), ek__unread(count_after), "update_op", where);
    return m;
}

/* Values times weights, *weights broadcast; as they are where there are none. */
static bool weigh(ek_graph *g, ek_tensor *values, ek_operand weights, ek_tensor *broadcast, ek_where where)
{
    ek_fitted f;

    if (!ek__metric_fit(g, none(), ek__of(*values), weights, &f, where)) return false;
    *broadcast = ek__cast(g, ek__of(f.weights), EK_FLOAT32, where).u.tensor;
    *broadcast = ek__broadcast_weights(g, *broadcast, f.predictions, where);
    *values = ek__op2(ek_multiply_with, ek__of(f.predictions), ek__of(*broadcast), where);
    return g->error.code == EK_OK;
}

static ek_tensor floats(ek_graph *g, ek_operand x, ek_where where)
{
    const ek_operand cast = ek__cast(g, x, EK_FLOAT32, where);

    return ek__operand_tensor(g, &cast, EK_FLOAT32, NULL, where);
}

static ek_metric mean(ek_graph *g, ek_operand x, ek_operand weights, ek_where where)
{
    ek_tensor values = floats(g, x, where), n;
    const ek_variable total = ek__metric_variable(g, EK_SCALAR, EK_FLOAT32, "total", where);
    const ek_variable count = ek__metric_variable(g, EK_SCALAR, EK_FLOAT32, "count", where);

    if (g->error.code != EK_OK) return ek__dead_metric(g);
    if (weights.kind == 0) {
        n = ek__op1(ek_size_with, ek__of(values), NULL, where);
        n = ek__cast(g, ek__of(n), EK_FLOAT32, where).u.tensor;
    } else {
        if (!weigh(g, &values, weights, &n, where)) return ek__dead_metric(g);
        n = ek__sum(n, NULL, where);
    }
    return total_over_count(g, total, count, ek__sum(values, NULL, where), n, values, where);
}

/* Under `name`, or the default one; collected unless o is NULL. */
static ek_metric named_mean(ek_graph *g, ek_operand x, ek_operand weights, const char *name, const ek_metric_options *o,
                            ek_where where)
{
    ek_metric m = ek__dead_metric(g);

    if (g->error.code != EK_OK) return m;
    EK_IN_SCOPE(ek__metric_scope(g, name, "mean", where)) m = mean(g, x, weights, where);
    if (o != NULL) ek__metric_collect(&m, o, where);
    return m;
}

/* ---- of values ---------------------------------------------------------------------------------------- */

ek_metric ek_metrics_mean_with(const ek_metric_options *o, ek_where where)
{
    ek_graph *g = ek__metric_ready("mean", none(), o, EK_TAKES_NO_LABELS, where);

    return g != NULL ? named_mean(g, o->predictions, o->weights, o->name, o, where) : ek__dead_metric(NULL);
}

static ek_metric mean_tensor(ek_graph *g, const ek_metric_options *o, ek_where where)
{
    ek_tensor values = floats(g, o->predictions, where), n, weights;
    const ek_shape shape = ek_tensor_shape(values);
    const ek_variable total = ek__metric_variable(g, shape, EK_FLOAT32, "total_tensor", where);
    const ek_variable count = ek__metric_variable(g, shape, EK_FLOAT32, "count_tensor", where);

    if (g->error.code != EK_OK) return ek__dead_metric(g);
    n = ek__op1(ek_ones_like_with, ek__of(values), NULL, where);
    if (o->weights.kind != 0) {
        if (!weigh(g, &values, o->weights, &weights, where)) return ek__dead_metric(g);
        n = ek__op2(ek_multiply_with, ek__of(n), ek__of(weights), where);
    }
    return total_over_count(g, total, count, values, n, values, where);
}

ek_metric ek_metrics_mean_tensor_with(const ek_metric_options *o, ek_where where)
{
    ek_graph *g = ek__metric_ready("mean_tensor", none(), o, EK_TAKES_NO_LABELS, where);
    ek_metric m = ek__dead_metric(g);

    if (g == NULL) return m;
    EK_IN_SCOPE(ek__metric_scope(g, o->name, "mean", where)) m = mean_tensor(g, o, where);
    ek__metric_collect(&m, o, where);
    return m;
}

ek_metric ek_metrics_percentage_below_with(const ek_metric_options *o, ek_where where)
{
    ek_graph *g = ek__metric_ready("percentage_below", none(), o, EK_TAKES_NO_LABELS | EK_NEEDS_THRESHOLD, where);
    ek_tensor below;

    if (g == NULL) return ek__dead_metric(NULL);
    below = ek__op2(ek_less_with, o->predictions, o->threshold, where);
    return named_mean(g, ek__cast(g, ek__of(below), EK_FLOAT32, where), o->weights,
                      o->name != NULL ? o->name : "percentage_below_threshold", o, where);
}

/* ---- of labels and predictions --------------------------------------------------------------------------- */

typedef ek_tensor (*error_fn)(ek_graph *g, const ek_fitted *f, const ek_metric_options *o, ek_where where);

static ek_metric mean_of_pairs(const char *name, ek_operand labels, const ek_metric_options *o, int takes, error_fn error,
                               ek_where where)
{
    ek_graph *g = ek__metric_ready(name, labels, o, takes, where);
    ek_tensor errors;
    ek_fitted f;

    if (g == NULL || !ek__metric_fit(g, labels, o->predictions, o->weights, &f, where)) return ek__dead_metric(g);
    errors = error(g, &f, o, where);
    return named_mean(g, ek__of(errors), f.weighted ? ek__of(f.weights) : none(), o->name != NULL ? o->name : name, o, where);
}

static ek_tensor is_correct(ek_graph *g, const ek_fitted *f, const ek_metric_options *o, ek_where where)
{
    const ek_dtype t = ek_dtype_base(ek_tensor_dtype(f->labels));
    const ek_operand p = ek__cast(g, ek__of(f->predictions), t, where);
    const ek_tensor equal = ek__op2(ek_equal_with, p, ek__of(f->labels), where);

    EK_UNUSED(o);
    return ek__cast(g, ek__of(equal), EK_FLOAT32, where).u.tensor;
}

static ek_tensor absolute_error(ek_graph *g, const ek_fitted *f, const ek_metric_options *o, ek_where where)
{
    const ek_tensor difference = ek__op2(ek_minus_with, ek__of(f->predictions), ek__of(f->labels), where);

    EK_UNUSED(g);
    EK_UNUSED(o);
    return ek__op1(ek_abs_with, ek__of(difference), NULL, where);
}

static ek_tensor squared_error(ek_graph *g, const ek_fitted *f, const ek_metric_options *o, ek_where where)
{
    EK_UNUSED(g);
    EK_UNUSED(o);
    return ek__op2(ek_squared_difference_with, ek__of(f->labels), ek__of(f->predictions), where);
}

static ek_tensor relative_error(ek_graph *g, const ek_fitted *f, const ek_metric_options *o, ek_where where)
{
    ek_tensor by, predictions, zero, zeros, size;

    ek__remove_squeezable(g, ek__of(f->predictions), o->normalizer, 0, &predictions, &by, where);
    if (!ek__shapes_compatible(g, ek_tensor_shape(predictions), ek_tensor_shape(by), where)) return ek__dead(g);
    zero = ek__op2(ek_equal_with, ek__of(by), ek__num(0.0), where);
    zeros = ek__op1(ek_zeros_like_with, ek__of(f->labels), NULL, where);
    size = ek__op2(ek_minus_with, ek__of(f->labels), ek__of(predictions), where);
    size = ek__op1(ek_abs_with, ek__of(size), NULL, where);
    size = ek__metric_div(ek__of(size), ek__of(by), NULL, where);
    return ek_select_with(ek__of(zero), ek__of(zeros),
                          &(ek_select_options){ .size = sizeof(ek_select_options), .y = ek__of(size) }, where);
}

#define MEAN_OF_PAIRS(f, takes, error)                                                                       \
    ek_metric ek_metrics_##f##_with(ek_operand labels, const ek_metric_options *o, ek_where where)           \
    {                                                                                                        \
        return mean_of_pairs(#f, labels, o, takes, error, where);                                            \
    }
MEAN_OF_PAIRS(accuracy, 0, is_correct)
MEAN_OF_PAIRS(mean_absolute_error, 0, absolute_error)
MEAN_OF_PAIRS(mean_squared_error, 0, squared_error)
MEAN_OF_PAIRS(mean_relative_error, EK_NEEDS_NORMALIZER, relative_error)

/* ---- functions of a mean ------------------------------------------------------------------------------------ */

/* tf.metrics.mean_squared_error fits its operands, though they were fitted before. */
ek_metric ek_metrics_root_mean_squared_error_with(ek_operand labels, const ek_metric_options *o, ek_where where)
{
    const char *name = "root_mean_squared_error";
    ek_graph *g = ek__metric_ready(name, labels, o, 0, where);
    ek_metric m = ek__dead_metric(g);
    ek_fitted f, again;

    if (g == NULL || !ek__metric_fit(g, labels, o->predictions, o->weights, &f, where) ||
        !ek__metric_fit(g, ek__of(f.labels), ek__of(f.predictions), f.weighted ? ek__of(f.weights) : none(), &again, where))
        return m;
    m = named_mean(g, ek__of(squared_error(g, &again, o, where)), again.weighted ? ek__of(again.weights) : none(),
                   o->name != NULL ? o->name : name, NULL, where);
    m.value = ek__op1(ek_sqrt_with, ek__of(m.value), NULL, where);
    m.update_op = ek__op1(ek_sqrt_with, ek__of(m.update_op), NULL, where);
    ek__metric_collect(&m, o, where);
    return m;
}

ek_metric ek_metrics_mean_cosine_distance_with(ek_operand labels, const ek_metric_options *o, ek_where where)
{
    const char *name = "mean_cosine_distance";
    ek_graph *g = ek__metric_ready(name, labels, o, EK_NEEDS_DIM, where);
    ek_metric m = ek__dead_metric(g);
    ek_reduce_options along = { .size = sizeof along, .keepdims = true };
    ek_fitted f;

    if (g == NULL || !ek__metric_fit(g, labels, o->predictions, o->weights, &f, where)) return m;
    along.axis = EK_AXES(o->dim);
    along.x = ek__op2(ek_multiply_with, ek__of(f.predictions), ek__of(f.labels), where);
    m = named_mean(g, ek__of(ek_reduce_sum_with(&along, where)), f.weighted ? ek__of(f.weights) : none(),
                   o->name != NULL ? o->name : name, NULL, where);
    m.value = ek__op2(ek_subtract_with, ek__num(1.0), ek__of(m.value), where);
    m.update_op = ek__op2(ek_subtract_with, ek__num(1.0), ek__of(m.update_op), where);
    ek__metric_collect(&m, o, where);
    return m;
}
