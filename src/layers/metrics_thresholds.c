/* layers/metrics_thresholds.c - counts of positives and negatives at many thresholds at once, and what follows from a table
 * of them: precision, recall, the area under a curve.
 */
#include "layers/metrics.h"

enum { TP, FN, TN, FP, KINDS };
enum { ALL = (1 << KINDS) - 1 };

/* What one call adds up, per threshold, of the kinds that are asked for. */
typedef struct counts {
    ek_variable value[KINDS];
    ek_tensor update[KINDS];
    int n; /* thresholds */
} counts;

/* The counts as a formula reads them: variables, or what their updates gave. */
typedef struct reading {
    ek_operand of[KINDS];
    int n;
} reading;

static reading values_of(const counts *c)
{
    reading r = { .n = c->n };

    for (int k = 0; k < KINDS; k++) r.of[k] = ek_operand_of_variable(c->value[k]);
    return r;
}

static reading updates_of(const counts *c)
{
    reading r = { .n = c->n };

    for (int k = 0; k < KINDS; k++) r.of[k] = ek__unread(c->update[k]);
    return r;
}

/* Small words for formulas; a chain of them is read from left to right, as Python does. */
static ek_operand plus(ek_operand a, ek_operand b, ek_where where)
{
    return ek__of(ek__op2(ek_plus_with, a, b, where));
}
static ek_operand minus(ek_operand a, ek_operand b, ek_where where)
{
    return ek__of(ek__op2(ek_minus_with, a, b, where));
}
static ek_operand divided(ek_operand a, ek_operand b, ek_where where)
{
    return ek__of(ek__metric_div(a, b, NULL, where));
}

/* ---- predictions in [0, 1] ---------------------------------------------------------------------------- */

static ek_op assert_bound(ek_graph *g, ek_tensor p, double bound, bool least, ek_where where)
{
    const ek_operand limit = ek__cast(g, ek__num(bound), ek_dtype_base(ek_tensor_dtype(p)), where);
    ek_op op = { g, -1 };

    if (!ek_tensor_ok(limit.u.tensor)) return op;
    EK_IN_SCOPE(ek_name_scope_push(g, least ? "assert_greater_equal" : "assert_less_equal", where)) {
        const char *x = ek__arena_printf(&g->arena, "x (%s) = ", ek_item_name(g, ek_item_of_tensor(p)));
        const char *y = ek__arena_printf(&g->arena, "y (%s) = ", ek_item_name(g, ek_item_of_tensor(limit.u.tensor)));
        const ek_operand data[] = {
            ek_operand_of_string("predictions must be in [0, 1]"),
            ek_operand_of_string(least ? "Condition x >= y did not hold element-wise:"
                                       : "Condition x <= y did not hold element-wise:"),
            ek_operand_of_string(x), ek__of(p), ek_operand_of_string(y), limit };
        const ek_tensor holds = ek__op2(least ? ek_greater_equal_with : ek_less_equal_with, ek__of(p), limit, where);
        const ek_reduce_options every = { .size = sizeof every, .x = holds, .axis = { -1, { 0 } } };

        if (x != NULL && y != NULL)
            op = ek__assert(g, ek_reduce_all_with(&every, where), data, EK_COUNT_OF(data), NULL, where);
        else
            ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for an assertion");
    }
    return op;
}

/* Predictions as float32 under control of both checks, labels as bool. */
static bool fit(ek_graph *g, ek_operand labels, const ek_metric_options *o, ek_fitted *f, ek_where where)
{
    const ek_tensor p = ek__operand_tensor(g, &o->predictions, EK_DTYPE_NONE, NULL, where);
    ek_item check[2];
    bool ok = false;

    if (!ek_tensor_ok(p)) return false;
    check[0] = ek_item_of_op(assert_bound(g, p, 0.0, true, where));
    check[1] = ek_item_of_op(assert_bound(g, p, 1.0, false, where));
    if (g->error.code != EK_OK) return false;
    EK_IN_SCOPE(ek_control_dependencies_push(g, (ek_list){ g, check, 2 }, where)) {
        const ek_operand x = ek__cast(g, ek__of(p), EK_FLOAT32, where), y = ek__cast(g, labels, EK_BOOL, where);
        ok = ek__metric_fit(g, y, x, o->weights, f, where);
    }
    return ok;
}

/* ---- tables: thresholds by predictions ----------------------------------------------------------------- */

static ek_tensor tile_down(ek_tensor row, int n, ek_where where)
{
    return ek_tile_with(&(ek_tile_options){ .size = sizeof(ek_tile_options), .input = row, .multiples = EK_INTS(n, 1) },
                        where);
}

/* The thresholds as a column, before it is as wide as there are predictions. */
static ek_tensor column_of(ek_graph *g, ek_number_list at, ek_where where)
{
    ek_array *a = ek_array_of(EK_FLOAT32, EK_SHAPE(at.n), NULL);
    ek_tensor t = ek__dead(g);

    if (a == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for %d thresholds", at.n);
        return t;
    }
    for (int i = 0; i < at.n; i++) ((float *)a->data)[i] = (float)at.at[i];
    t = ek__const(g, a, "Const", where);
    ek_array_unref(a);
    return ek__call_ints(g, "ExpandDims", NULL, ek__of(t), &EK_SHAPE(1), NULL, 0, where);
}

/* tf.stack([1, n]); n < 0: `count` says it. */
static ek_tensor one_by(ek_graph *g, int64_t n, ek_tensor count, ek_where where)
{
    ek_tensor out = ek__dead(g);

    if (n >= 0) return ek__const_shape(g, &EK_SHAPE(1, n), "stack", where);
    EK_IN_SCOPE(ek_name_scope_push(g, "stack", where)) {
        const char *own = ek_name_scope(g);
        const ek_tensor one = ek__const_scalar(g, EK_INT32, 1, "0", where);
        out = EK_EMIT(g, where, "Pack", own, EK_IN(one, count), EK_ATTR_I("axis", 0));
    }
    return out;
}

static ek_tensor first_of(ek_tensor shape, ek_where where)
{
    return ek_strided_slice_with(
        &(ek_strided_slice_options){ .size = sizeof(ek_strided_slice_options), .input = shape, .begin = EK_INTS(0),
                                     .end = EK_INTS(1), .strides = EK_INTS(1), .shrink_axis_mask = 1 }, where);
}

typedef struct table {
    ek_tensor positive[2], negative[2]; /* by label, by prediction; negative ones only where asked for */
    ek_tensor weights;                  /* float32; dead: none */
} table;
enum { LABEL, PREDICTION };

static ek_tensor weights_of(ek_graph *g, const ek_fitted *f, int n, ek_where where)
{
    ek_tensor w = ek__cast(g, ek__of(f->weights), EK_FLOAT32, where).u.tensor;

    w = ek__broadcast_weights(g, w, f->predictions, where);
    return tile_down(ek__reshape(g, ek__of(w), &EK_SHAPE(1, -1), where), n, where);
}

static ek_tensor negated(ek_tensor x, ek_where where) { return ek__op1(ek_logical_not_with, ek__of(x), NULL, where); }

static table tabulate(ek_graph *g, const ek_fitted *f, ek_number_list at, int kinds, ek_where where)
{
    const ek_tensor column = ek__reshape(g, ek__of(f->predictions), &EK_SHAPE(-1, 1), where);
    const ek_tensor labels = ek__reshape(g, ek__of(f->labels), &EK_SHAPE(1, -1), where);
    const ek_shape s = ek_tensor_shape(column);
    table t = { .weights = ek__dead(g) };
    ek_tensor count = ek__dead(g), limits, rows;

    if (s.rank != 2) return t; /* it failed */
    if (s.dim[0] < 0) count = first_of(ek__op1(ek_shape_with, ek__of(column), NULL, where), where);
    limits = column_of(g, at, where);
    limits = ek__emit2("Tile", limits, one_by(g, s.dim[0], count, where), NULL, where);
    rows = ek_transpose_with(&(ek_transpose_options){ .size = sizeof(ek_transpose_options), .input = column }, where);
    rows = tile_down(rows, at.n, where);
    t.positive[PREDICTION] = ek__op2(ek_greater_with, ek__of(rows), ek__of(limits), where);
    if (kinds & (1 << FN | 1 << TN)) t.negative[PREDICTION] = negated(t.positive[PREDICTION], where);
    t.positive[LABEL] = tile_down(labels, at.n, where);
    if (kinds & (1 << FP | 1 << TN)) t.negative[LABEL] = negated(t.positive[LABEL], where);
    if (f->weighted) t.weights = weights_of(g, f, at.n, where);
    return t;
}

static void add_up(ek_graph *g, const table *t, int kind, counts *c, ek_where where)
{
    static const char *const names[] = { "true_positives", "false_negatives", "true_negatives", "false_positives" };
    const ek_tensor label = kind == TP || kind == FN ? t->positive[LABEL] : t->negative[LABEL];
    const ek_tensor prediction = kind == TP || kind == FP ? t->positive[PREDICTION] : t->negative[PREDICTION];
    ek_reduce_options along = { .size = sizeof along, .axis = EK_AXIS(1) };

    c->value[kind] = ek__metric_variable(g, EK_SHAPE(c->n), EK_FLOAT32, names[kind], where);
    along.x = ek__op2(ek_logical_and_with, ek__of(label), ek__of(prediction), where);
    along.x = ek__cast(g, ek__of(along.x), EK_FLOAT32, where).u.tensor;
    if (ek_tensor_ok(t->weights)) along.x = ek__op2(ek_times_with, ek__of(along.x), ek__of(t->weights), where);
    c->update[kind] = ek__metric_add(c->value[kind], ek_reduce_sum_with(&along, where), where);
}

/* The variables and their updates of these kinds. False after a failure. */
static bool count(ek_graph *g, ek_operand labels, const ek_metric_options *o, ek_number_list at, int kinds, counts *c,
                  ek_where where)
{
    ek_fitted f;
    table t;

    *c = (counts){ .n = at.n };
    if (!fit(g, labels, o, &f, where)) return false;
    t = tabulate(g, &f, at, kinds, where);
    for (int k = 0; k < KINDS && g->error.code == EK_OK; k++)
        if (kinds & 1 << k) add_up(g, &t, k, c, where);
    return g->error.code == EK_OK;
}

/* ---- counts as they are -------------------------------------------------------------------------------- */

static ek_metric counts_at(const char *name, const char *scope, ek_operand labels, const ek_metric_options *o, int kind,
                           ek_where where)
{
    ek_graph *g = ek__metric_ready(name, labels, o, EK_NEEDS_THRESHOLDS, where);
    ek_metric m = ek__dead_metric(g);
    counts c;

    if (g == NULL) return m;
    EK_IN_SCOPE(ek__metric_scope(g, o->name, scope, where)) {
        if (count(g, labels, o, o->thresholds, 1 << kind, &c, where))
            m = (ek_metric){ ek__op1(ek_identity_with, ek_operand_of_variable(c.value[kind]), NULL, where),
                             c.update[kind] };
    }
    ek__metric_collect(&m, o, where);
    return m;
}

#define COUNTS_AT(f, kind)                                                                                   \
    ek_metric ek_metrics_##f##_at_thresholds_with(ek_operand labels, const ek_metric_options *o, ek_where where) \
    {                                                                                                        \
        return counts_at(#f "_at_thresholds", #f, labels, o, kind, where);                                   \
    }
COUNTS_AT(true_positives, TP)
COUNTS_AT(false_negatives, FN)
COUNTS_AT(true_negatives, TN)
COUNTS_AT(false_positives, FP)

/* ---- formulas over them ---------------------------------------------------------------------------------- */

/* A formula gives its tensor the name "value" or "update_op". */
typedef ek_tensor (*formula)(const reading *r, const ek_metric_options *o, const char *name, ek_where where);

static ek_metric follow(ek_graph *g, const char *scope, ek_operand labels, const ek_metric_options *o, ek_number_list at,
                        int kinds, formula from, ek_where where)
{
    ek_metric m = ek__dead_metric(g);
    reading values, updates;
    counts c;

    EK_IN_SCOPE(ek__metric_scope(g, o->name, scope, where)) {
        if (count(g, labels, o, at, kinds, &c, where)) {
            values = values_of(&c);
            updates = updates_of(&c);
            m.value = from(&values, o, "value", where);
            m.update_op = from(&updates, o, "update_op", where);
        }
    }
    ek__metric_collect(&m, o, where);
    return m;
}

/* tp / (1e-7 + tp + others) */
static ek_tensor share(const reading *r, int others, const char *what, const char *name, ek_where where)
{
    const ek_operand sum = plus(plus(ek__num(1e-7), r->of[TP], where), r->of[others], where);
    char text[32];

    snprintf(text, sizeof text, "%s_%s", what, name);
    return ek__metric_div(r->of[TP], sum, text, where);
}

static ek_tensor precision(const reading *r, const ek_metric_options *o, const char *name, ek_where where)
{
    EK_UNUSED(o);
    return share(r, FP, "precision", name, where);
}

static ek_tensor recall(const reading *r, const ek_metric_options *o, const char *name, ek_where where)
{
    EK_UNUSED(o);
    return share(r, FN, "recall", name, where);
}

ek_metric ek_metrics_precision_at_thresholds_with(ek_operand labels, const ek_metric_options *o, ek_where where)
{
    const char *name = "precision_at_thresholds";
    ek_graph *g = ek__metric_ready(name, labels, o, EK_NEEDS_THRESHOLDS, where);

    return g != NULL ? follow(g, name, labels, o, o->thresholds, 1 << TP | 1 << FP, precision, where) : ek__dead_metric(g);
}

ek_metric ek_metrics_recall_at_thresholds_with(ek_operand labels, const ek_metric_options *o, ek_where where)
{
    const char *name = "recall_at_thresholds";
    ek_graph *g = ek__metric_ready(name, labels, o, EK_NEEDS_THRESHOLDS, where);

    return g != NULL ? follow(g, name, labels, o, o->thresholds, 1 << TP | 1 << FN, recall, where) : ek__dead_metric(g);
}

/* ---- one point of a curve -------------------------------------------------------------------------------- */

enum { FEWEST_THRESHOLDS = 3, MOST_THRESHOLDS = 1 << 16 };
static const double beyond = 1e-7; /* the outermost thresholds lie that far outside [0, 1] */

/* number - 2 thresholds evenly spread in (0, 1), or those given in ascending order, between `first` and `last`. NULL
 * after a failure; lives in the graph. */
static double *spread(ek_graph *g, const char *name, const ek_metric_options *o, double last, int *n, ek_where where)
{
    const int inner = o->thresholds.at != NULL ? o->thresholds.n : o->num_thresholds - 2;
    double *at = NULL;

    *n = inner + 2;
    if (o->thresholds.at == NULL && (o->num_thresholds < FEWEST_THRESHOLDS || o->num_thresholds > MOST_THRESHOLDS)) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "%s needs %d to %d thresholds, .num_thresholds is %d", name,
                       FEWEST_THRESHOLDS, MOST_THRESHOLDS, o->num_thresholds);
        return NULL;
    }
    at = EK_ARENA_NEW(&g->arena, double, *n);
    if (at == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for %d thresholds", *n);
        return NULL;
    }
    for (int i = 0; i < inner; i++) {
        const double t = o->thresholds.at != NULL ? o->thresholds.at[i] : (i + 1) * 1.0 / (o->num_thresholds - 1);
        int k = i;

        for (; k > 0 && at[k] > t; k--) at[k + 1] = at[k];
        at[k + 1] = t;
    }
    at[0] = 0.0 - beyond;
    at[*n - 1] = last;
    return at;
}

/* |of(...) - wanted| */
static ek_tensor distance(ek_operand rates, double wanted, ek_where where)
{
    return ek__op1(ek_abs_with, minus(rates, ek__num(wanted), where), NULL, where);
}

static ek_operand pick(ek_operand counts_of, ek_tensor at, ek_where where)
{
    const ek_tensor x = ek__operand_tensor(at.graph, &counts_of, EK_DTYPE_NONE, NULL, where);

    return ek__of(ek__element_at(x, at, where));
}

/* a[at] / (a[at] + b[at] + 1e-7) */
static ek_tensor share_at(ek_operand a, ek_operand b, ek_tensor at, const char *name, ek_where where)
{
    const ek_operand over = pick(a, at, where);
    ek_operand sum = pick(a, at, where);

    sum = plus(sum, pick(b, at, where), where);
    return ek__metric_div(over, plus(sum, ek__num(beyond), where), name, where);
}

static ek_tensor int32_of(ek_tensor x, ek_where where) { return ek__cast(x.graph, ek__of(x), EK_INT32, where).u.tensor; }

static ek_tensor sensitivity(const reading *r, const ek_metric_options *o, const char *name, ek_where where)
{
    const ek_operand sum = plus(plus(r->of[TN], r->of[FP], where), ek__num(beyond), where);
    const ek_tensor off = distance(divided(r->of[TN], sum, where), o->specificity, where);
    const ek_argmax_options nearest = { .size = sizeof nearest, .x = off, .axis = 0, .output_type = EK_INT64 };

    return share_at(r->of[TP], r->of[FN], int32_of(ek_argmin_with(&nearest, where), where), name, where);
}

/* The last of those nearest: the largest running count of them. */
static ek_tensor specificity(const reading *r, const ek_metric_options *o, const char *name, ek_where where)
{
    const ek_operand sum = plus(plus(r->of[TP], r->of[FN], where), ek__num(beyond), where);
    const ek_operand rates = divided(r->of[TP], sum, where);
    const ek_reduce_options least = { .size = sizeof least, .x = distance(rates, o->sensitivity, where),
                                      .axis = { -1, { 0 } } };
    const ek_tensor best = ek_reduce_min_with(&least, where);
    ek_tensor at = distance(rates, o->sensitivity, where);

    at = ek__op2(ek_equal_with, ek__of(at), ek__of(best), where);
    at = ek__cast(best.graph, ek__of(at), EK_INT64, where).u.tensor;
    at = ek__call_tensor(&(ek_call){ .type = "Cumsum", .n_in = 2, .where = where,
                                     .in = (ek_operand[]){ ek__of(at), ek_operand_of_int(0) } });
    at = ek_argmax_with(&(ek_argmax_options){ .size = sizeof(ek_argmax_options), .x = at, .output_type = EK_INT64 }, where);
    return share_at(r->of[TN], r->of[FP], int32_of(at, where), name, where);
}

static ek_metric point(const char *name, ek_operand labels, const ek_metric_options *o, int needs, double wanted,
                       double last, formula from, ek_where where)
{
    ek_graph *g = ek__metric_ready(name, labels, o, needs | EK_TAKES_NUMBER, where);
    double *at;
    int n;

    if (g == NULL) return ek__dead_metric(g);
    if (!(wanted >= 0 && wanted <= 1)) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "`%s` must be in the range [0, 1].",
                       needs == EK_NEEDS_SPECIFICITY ? "specificity" : "sensitivity");
        return ek__dead_metric(g);
    }
    at = spread(g, name, o, last, &n, where);
    return at != NULL ? follow(g, name, labels, o, (ek_number_list){ at, n }, ALL, from, where) : ek__dead_metric(g);
}

ek_metric ek_metrics_sensitivity_at_specificity_with(ek_operand labels, const ek_metric_options *o, ek_where where)
{
    return point("sensitivity_at_specificity", labels, o, EK_NEEDS_SPECIFICITY, o != NULL ? o->specificity : 0,
                 1.0 + beyond, sensitivity, where);
}

/* Its last threshold lies inside, as TensorFlow has it. */
ek_metric ek_metrics_specificity_at_sensitivity_with(ek_operand labels, const ek_metric_options *o, ek_where where)
{
    return point("specificity_at_sensitivity", labels, o, EK_NEEDS_SENSITIVITY, o != NULL ? o->sensitivity : 0,
                 1.0 - beyond, specificity, where);
}

/* ---- the area under a curve ----------------------------------------------------------------------------- */

/* x[:n - 1] and x[1:] */
static ek_operand slice(ek_operand x, ek_graph *g, int n, bool first, ek_where where)
{
    const ek_strided_slice_options head = { .size = sizeof head, .begin = EK_INTS(0), .end = EK_INTS(n - 1),
                                            .strides = EK_INTS(1), .begin_mask = 1,
                                            .input = ek__operand_tensor(g, &x, EK_DTYPE_NONE, NULL, where) };
    const ek_strided_slice_options tail = { .size = sizeof tail, .begin = EK_INTS(1), .end = EK_INTS(0),
                                            .strides = EK_INTS(1), .end_mask = 1, .input = head.input };

    return ek__of(ek_strided_slice_with(first ? &head : &tail, where));
}

static ek_operand no_nan(ek_operand a, ek_operand b, const char *name, ek_where where)
{
    const ek_tensor least = ek__op2(ek_maximum_with, b, ek_operand_of_int(0), where);

    return ek__of(ek__op2_named(ek_div_no_nan_with, a, ek__of(least), name, where));
}

/* The area under precision over recall with true positives in between interpolated, as Davis and Goadrich show: "The
 * Relationship Between Precision-Recall and ROC Curves", 2006. */
static ek_tensor interpolated(ek_graph *g, const reading *r, ek_where where)
{
    const int n = r->n;
    ek_operand dtp = slice(r->of[TP], g, n, true, where), p, slope, intercept, ratio, some, more, ones;

    dtp = minus(dtp, slice(r->of[TP], g, n, false, where), where);
    p = plus(r->of[TP], r->of[FP], where);
    slope = slice(p, g, n, true, where);
    slope = no_nan(dtp, minus(slope, slice(p, g, n, false, where), where), "prec_slope", where);
    intercept = slice(r->of[TP], g, n, false, where);
    more = ek__of(ek__op2(ek_multiply_with, slope, slice(p, g, n, false, where), where));
    intercept = minus(intercept, more, where);
    some = ek__of(ek__op2(ek_greater_with, slice(p, g, n, true, where), ek_operand_of_int(0), where));
    more = ek__of(ek__op2(ek_greater_with, slice(p, g, n, false, where), ek_operand_of_int(0), where));
    some = ek__of(ek__op2(ek_logical_and_with, some, more, where));
    ratio = slice(p, g, n, true, where);
    ratio = no_nan(ratio, slice(p, g, n, false, where), "recall_relative_ratio", where);
    ones = ek__of(ek__op1(ek_ones_like_with, slice(p, g, n, false, where), NULL, where));
    ratio = ek__of(ek_select_with(some, ratio, &(ek_select_options){ .size = sizeof(ek_select_options), .y = ones }, where));
    ratio = ek__of(ek__op1(ek_log_with, ratio, NULL, where));
    more = ek__of(ek__op2(ek_times_with, intercept, ratio, where));
    more = plus(dtp, more, where);
    more = ek__of(ek__op2(ek_times_with, slope, more, where));
    some = slice(r->of[TP], g, n, false, where);
    some = plus(some, slice(r->of[FN], g, n, false, where), where);
    more = no_nan(more, some, "pr_auc_increment", where);
    return ek__sum(more.u.tensor, "interpolate_pr_auc", where);
}

/* The height between two neighbours. */
static ek_operand height(ek_graph *g, ek_operand y, int n, const char *method, ek_where where)
{
    const ek_operand left = slice(y, g, n, true, where), right = slice(y, g, n, false, where);

    if (strcmp(method, "minoring") == 0) return ek__of(ek__op2(ek_minimum_with, left, right, where));
    if (strcmp(method, "majoring") == 0) return ek__of(ek__op2(ek_maximum_with, left, right, where));
    return ek__of(ek__op2(ek_over_with, plus(left, right, where), ek__num(2.0), where));
}

/* (count + epsilon) / (count + others + epsilon) */
static ek_operand rate(ek_operand hits, ek_operand others, ek_where where)
{
    const ek_operand epsilon = ek__num(1.0e-6), over = plus(hits, epsilon, where);

    return divided(over, plus(plus(hits, others, where), epsilon, where), where);
}

static const char *method_of(const ek_metric_options *o)
{
    return o->summation_method != NULL ? o->summation_method : "trapezoidal";
}

static ek_tensor area(const reading *r, const ek_metric_options *o, const char *name, ek_where where)
{
    const bool pr = o->curve != NULL && strcmp(o->curve, "PR") == 0;
    ek_graph *g = ek__operand_graph(r->of, KINDS);
    ek_operand x, y, width;

    if (pr && strcmp(method_of(o), "careful_interpolation") == 0) return interpolated(g, r, where);
    x = rate(r->of[TP], r->of[FN], where);
    if (pr) {
        y = rate(r->of[TP], r->of[FP], where);
    } else {
        y = x;
        x = divided(r->of[FP], plus(plus(r->of[FP], r->of[TN], where), ek__num(1.0e-6), where), where);
    }
    width = slice(x, g, r->n, true, where);
    width = minus(width, slice(x, g, r->n, false, where), where);
    return ek__sum(ek__op2(ek_multiply_with, width, height(g, y, r->n, method_of(o), where), where), name, where);
}

static bool curve_ok(ek_graph *g, const ek_metric_options *o, ek_where where)
{
    static const char *const methods[] = { "trapezoidal", "careful_interpolation", "minoring", "majoring" };
    const char *curve = o->curve != NULL ? o->curve : "ROC";

    if (strcmp(curve, "ROC") != 0 && strcmp(curve, "PR") != 0) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "curve must be either ROC or PR, %s unknown", curve);
        return false;
    }
    for (int i = 0; i < EK_COUNT_OF(methods); i++)
        if (strcmp(method_of(o), methods[i]) == 0) return true;
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Invalid summation_method: %s", method_of(o));
    return false;
}

ek_metric ek_metrics_auc_with(ek_operand labels, const ek_metric_options *o, ek_where where)
{
    ek_graph *g = ek__metric_ready("auc", labels, o, EK_TAKES_THRESHOLDS | EK_TAKES_NUMBER | EK_TAKES_CURVE, where);
    double *at;
    int n;

    if (g == NULL || !curve_ok(g, o, where)) return ek__dead_metric(g);
    at = spread(g, "auc", o, 1.0 + beyond, &n, where);
    return at != NULL ? follow(g, "auc", labels, o, (ek_number_list){ at, n }, ALL, area, where) : ek__dead_metric(g);
}
