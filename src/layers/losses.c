/* layers/losses.c - tf.losses: what each loss is, element by element. What the weights make of it is in losses_weighted.c.
 */
#include "layers/losses.h"

/* One call. */
typedef struct loss {
    ek_graph *g;
    const ek_loss_options *o;
    ek_operand labels, predictions; /* float32 once they are cast */
    ek_operand weights;
    ek_where where;
} loss;
typedef ek_tensor (*elements_fn)(loss *l);

/* ---- what is given ------------------------------------------------------------------------------- */

enum { TAKES_SMOOTHING = 1, TAKES_DELTA = 2, TAKES_EPSILON = 4, TAKES_AXIS = 8, TAKES_REDUCTION = 16 };

/* The first option given that this loss does not have, as Python names it; NULL: none. */
static const char *unexpected(const ek_loss_options *o, int takes)
{
    const ek_loss_options plain = { .size = sizeof plain, EK_LOSS_DEFAULTS };

    if (!(takes & TAKES_SMOOTHING) && o->label_smoothing != plain.label_smoothing) return "label_smoothing";
    if (!(takes & TAKES_DELTA) && o->delta != plain.delta) return "delta";
    if (!(takes & TAKES_EPSILON) && o->epsilon != plain.epsilon) return "epsilon";
    if (!(takes & TAKES_AXIS) && o->axis != plain.axis) return "axis";
    if (!(takes & TAKES_REDUCTION) && o->reduction != plain.reduction) return "reduction";
    return NULL;
}

static bool of_graph(ek_graph *g, const char *name, const char *what, const ek_operand *x, ek_where where)
{
    const ek_graph *its = ek__operand_graph(x, 1);

    if (its == NULL || its == g) return true;
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "%s of %s() is of another graph", what, name);
    return false;
}

static bool ready(ek_graph *g, const char *name, ek_operand labels, const ek_loss_options *o, int takes, ek_where where)
{
    const char *extra;

    if (!ek__graph_ok(g, name, where)) return false;
    if (!of_graph(g, name, "labels", &labels, where) || !of_graph(g, name, "predictions", &o->predictions, where) ||
        !of_graph(g, name, "weights", &o->weights, where))
        return false;
    if (!ek__finite(g, "delta", o->delta, where) || !ek__finite(g, "epsilon", o->epsilon, where) ||
        !ek__finite(g, "label_smoothing", o->label_smoothing, where))
        return false;
    extra = unexpected(o, takes);
    if (extra != NULL)
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "%s() got an unexpected keyword argument '%s'", name, extra);
    else if (labels.kind == 0)
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "labels must not be None.");
    else if (o->predictions.kind == 0)
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "predictions must not be None.");
    return g->error.code == EK_OK;
}

/* Both in float32, of one shape. */
static bool pair(loss *l)
{
    l->predictions = ek__cast(l->g, l->o->predictions, EK_FLOAT32, l->where);
    l->labels = ek__cast(l->g, l->labels, EK_FLOAT32, l->where);
    return ek__shapes_compatible(l->g, ek__operand_shape(&l->predictions), ek__operand_shape(&l->labels), l->where);
}

/* A loss of pairs: its elements in the scope, then the weights. */
static ek_tensor build(const char *name, ek_operand labels, const ek_loss_options *o, int takes, const char *scope,
                       elements_fn elements, ek_where where)
{
    if (!EK_OPTIONS_OF(ek__operand_graph(&labels, 1), o, name, where)) return ek__dead(NULL);
    ek_graph *g = ek__operand_graph((const ek_operand[]){ labels, o->predictions, o->weights }, 3);
    loss l = { .g = g, .o = o, .labels = labels, .weights = o->weights, .where = where };
    ek_tensor out = ek__dead(g);

    if (!ready(g, name, labels, o, takes | TAKES_REDUCTION, where)) return out;
    EK_IN_SCOPE(ek_name_scope_push(g, o->scope != NULL ? o->scope : scope, where)) {
        const char *own = ek_name_scope(g);
        const ek_tensor losses = elements(&l);
        if (ek_tensor_ok(losses))
            out = ek__weighted_loss(g, &(ek_weighted_loss_options){ .losses = ek__of(losses), .weights = l.weights,
                                                                    .scope = own, .reduction = o->reduction,
                                                                    .loss_collection = o->loss_collection }, where);
    }
    return g->error.code == EK_OK ? out : ek__dead(g);
}

/* Small words for formulas. */
static ek_tensor minus(ek_operand x, ek_operand y, ek_where where) { return ek__op2(ek_minus_with, x, y, where); }
static ek_tensor subtract(ek_operand x, ek_operand y, ek_where where) { return ek__op2(ek_subtract_with, x, y, where); }
static ek_tensor multiply(ek_operand x, ek_operand y, ek_where where) { return ek__op2(ek_multiply_with, x, y, where); }

/* ---- distances ----------------------------------------------------------------------------------------- */

static ek_tensor absolute_difference(loss *l)
{
    if (!pair(l)) return ek__dead(l->g);
    return ek__op1(ek_abs_with, ek__of(subtract(l->predictions, l->labels, l->where)), NULL, l->where);
}

static ek_tensor squared_difference(loss *l)
{
    if (!pair(l)) return ek__dead(l->g);
    return ek__op2(ek_squared_difference_with, l->predictions, l->labels, l->where);
}

static ek_tensor cosine_distance(loss *l)
{
    ek_tensor products, sum;

    if (!pair(l)) return ek__dead(l->g);
    products = multiply(l->predictions, l->labels, l->where);
    sum = ek_reduce_sum_with(&(ek_reduce_options){ .size = sizeof(ek_reduce_options), .x = products, .keepdims = true,
                                                   .axis = { 1, { l->o->axis } } }, l->where);
    return minus(ek_operand_of_int(1), ek__of(sum), l->where);
}

static ek_tensor hinge(loss *l)
{
    const ek_where where = l->where;
    ek_tensor ones, signs, products;

    if (!pair(l)) return ek__dead(l->g);
    ones = ek__op1(ek_ones_like_with, l->labels, NULL, where);
    signs = ek__op2(ek_times_with, ek_operand_of_int(2), l->labels, where);
    signs = subtract(ek__of(signs), ek__of(ones), where);
    products = multiply(ek__of(signs), l->predictions, where);
    return ek__op1(ek_relu_with, ek__of(subtract(ek__of(ones), ek__of(products), where)), NULL, where);
}

/* The linear part is a - min(a, delta) rather than max(a - delta, 0): its gradient at delta is zero. */
static ek_tensor huber(loss *l)
{
    const ek_where where = l->where;
    const ek_operand delta = ek__num(l->o->delta);
    ek_tensor size, quadratic, linear, half, square, outer;

    if (!pair(l)) return ek__dead(l->g);
    size = ek__op1(ek_abs_with, ek__of(subtract(l->predictions, l->labels, where)), NULL, where);
    quadratic = ek__op2(ek_minimum_with, ek__of(size), delta, where);
    linear = subtract(ek__of(size), ek__of(quadratic), where);
    half = ek__const_scalar(l->g, EK_FLOAT32, 0.5, "Const", where);
    square = multiply(ek__of(quadratic), ek__of(quadratic), where);
    square = multiply(ek__of(half), ek__of(square), where);
    outer = multiply(delta, ek__of(linear), where);
    return ek__op2(ek_add_with, ek__of(square), ek__of(outer), where);
}

static ek_tensor log_of(ek_operand p, double epsilon, ek_where where)
{
    return ek__op1(ek_log_with, ek__of(ek__op2(ek_plus_with, p, ek__num(epsilon), where)), NULL, where);
}

static ek_tensor logs(loss *l)
{
    const ek_where where = l->where;
    const ek_operand one = ek_operand_of_int(1);
    ek_tensor yes, no, rest;

    if (!pair(l)) return ek__dead(l->g);
    yes = multiply(l->labels, ek__of(log_of(l->predictions, l->o->epsilon, where)), where);
    yes = ek__op1(ek_negative_with, ek__of(yes), NULL, where);
    no = minus(one, l->labels, where);
    rest = log_of(ek__of(minus(one, l->predictions, where)), l->o->epsilon, where);
    return minus(ek__of(yes), ek__of(multiply(ek__of(no), ek__of(rest), where)), where);
}

/* ---- cross entropies -------------------------------------------------------------------------------------- */

/* Labels in the logits' type, of their shape. */
static bool dense_pair(loss *l)
{
    const ek_tensor logits = ek__operand_tensor(l->g, &l->o->predictions, EK_DTYPE_NONE, NULL, l->where);

    if (!ek_tensor_ok(logits)) return false;
    l->predictions = ek__of(logits);
    l->labels = ek__cast(l->g, l->labels, ek_dtype_base(ek_tensor_dtype(logits)), l->where);
    return ek__shapes_compatible(l->g, ek_tensor_shape(logits), ek__operand_shape(&l->labels), l->where);
}

/* labels * factor + others */
static void smooth(loss *l, double factor, ek_operand others)
{
    const ek_tensor kept = ek__op2(ek_times_with, l->labels, ek__num(factor), l->where);

    l->labels = ek__of(ek__op2(ek_plus_with, ek__of(kept), others, l->where));
}

static ek_tensor sigmoid_cross_entropy(loss *l)
{
    const double smoothing = l->o->label_smoothing;

    if (!dense_pair(l)) return ek__dead(l->g);
    if (smoothing > 0) smooth(l, 1 - smoothing, ek__num(0.5 * smoothing));
    return ek__op2_named(ek_sigmoid_cross_entropy_with_logits_with, l->labels, l->predictions, "xentropy", l->where);
}

/* smoothing / number of classes, which is the last dimension. */
static ek_operand share(const loss *l)
{
    const ek_tensor dims = ek__op1(ek_shape_with, l->labels, NULL, l->where);
    const ek_strided_slice_options last = { .size = sizeof last, .input = dims, .begin = EK_INTS(-1), .end = EK_INTS(0),
                                            .strides = EK_INTS(1), .shrink_axis_mask = 1 };
    const ek_operand classes = ek__cast(l->g, ek__of(ek_strided_slice_with(&last, l->where)),
                                        ek__operand_dtype(&l->predictions), l->where);

    return ek__of(ek__op2(ek_over_with, ek__num(l->o->label_smoothing), classes, l->where));
}

static ek_tensor softmax_cross_entropy(loss *l)
{
    if (!dense_pair(l)) return ek__dead(l->g);
    if (l->o->label_smoothing > 0) smooth(l, 1.0 - l->o->label_smoothing, share(l));
    l->labels = ek__of(ek__op1(ek_stop_gradient_with, l->labels, "labels_stop_gradient", l->where));
    return ek_softmax_cross_entropy_with_logits_v2_with(
        l->labels, &(ek_cross_entropy_options){ .size = sizeof(ek_cross_entropy_options), .logits = l->predictions,
                                                .axis = -1, .name = "xentropy" }, l->where);
}

/* Weights with a dimension more than the labels lose their last. */
static ek_tensor fit_weights(loss *l, ek_tensor labels)
{
    const ek_where where = l->where;
    const ek_tensor weights = ek__operand_tensor(l->g, &l->weights, EK_DTYPE_NONE, NULL, where);
    const ek_shape w = ek_tensor_shape(weights), y = ek_tensor_shape(labels);
    ek_tensor rank, found;

    if (!ek_tensor_ok(weights) || !ek_tensor_ok(labels)) return ek__dead(l->g);
    if (y.rank >= 0 && w.rank >= 0) return w.rank - y.rank == 1 ? ek__squeeze_last(weights, where) : weights;
    rank = ek__op1(ek_rank_with, ek__of(weights), NULL, where);
    found = minus(ek__of(rank), ek__of(ek__op1(ek_rank_with, ek__of(labels), NULL, where)), where);
    if (w.rank >= 0 && !ek__last_may_be_one(&w)) return weights;
    return ek__squeeze_last_if(ek__op2(ek_equal_with, ek_operand_of_int(1), ek__of(found), where), weights, where);
}

static ek_tensor sparse_softmax_cross_entropy(loss *l)
{
    ek_tensor labels, logits;

    ek__remove_squeezable(l->g, l->labels, l->o->predictions, 1, &labels, &logits, l->where);
    l->weights = ek__of(fit_weights(l, labels));
    if (l->g->error.code != EK_OK) return ek__dead(l->g);
    return ek__op2_named(ek_sparse_softmax_cross_entropy_with_logits_with, ek__of(labels), ek__of(logits), "xentropy",
                         l->where);
}

/* ---- the calls --------------------------------------------------------------------------------------------- */

#define LOSS(f, takes, scope, elements)                                                                      \
    ek_tensor ek_losses_##f##_with(ek_operand labels, const ek_loss_options *o, ek_where where)              \
    {                                                                                                        \
        return build(#f, labels, o, takes, scope, elements, where);                                          \
    }
LOSS(absolute_difference, 0, "absolute_difference", absolute_difference)
LOSS(hinge_loss, 0, "hinge_loss", hinge)
LOSS(huber_loss, TAKES_DELTA, "huber_loss", huber)
LOSS(log_loss, TAKES_EPSILON, "log_loss", logs)
LOSS(mean_squared_error, 0, "mean_squared_error", squared_difference)
LOSS(sigmoid_cross_entropy, TAKES_SMOOTHING, "sigmoid_cross_entropy_loss", sigmoid_cross_entropy)
LOSS(softmax_cross_entropy, TAKES_SMOOTHING, "softmax_cross_entropy_loss", softmax_cross_entropy)
LOSS(sparse_softmax_cross_entropy, 0, "sparse_softmax_cross_entropy_loss", sparse_softmax_cross_entropy)

ek_tensor ek_losses_cosine_distance_with(ek_operand labels, const ek_loss_options *o, ek_where where)
{
    ek_graph *g = ek__operand_graph(&labels, 1);

    if (!EK_OPTIONS_OK(g, o, where)) return ek__dead(NULL);
    if (o->axis == EK_NO_AXIS) {
        g = ek__operand_graph((const ek_operand[]){ labels, o->predictions, o->weights }, 3);
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "You must specify 'axis'.");
        return ek__dead(g);
    }
    return build("cosine_distance", labels, o, TAKES_AXIS, "cosine_distance_loss", cosine_distance, where);
}

/* ---- differences of differences ------------------------------------------------------------------------------- */

/* 2 * (a / max(n, 0)), no division by zero. */
static ek_tensor term(ek_tensor a, ek_tensor n, ek_where where)
{
    const ek_tensor most = ek__op2(ek_maximum_with, ek__of(n), ek_operand_of_int(0), where);
    const ek_tensor quotient = ek__op2_named(ek_div_no_nan_with, ek__of(a), ek__of(most), "value", where);

    return ek__op2(ek_times_with, ek__num(2.0), ek__of(quotient), where);
}

static ek_tensor sum_over(ek_tensor x, ek_tensor axes, ek_where where)
{
    return EK_EMIT(x.graph, where, "Sum", NULL, EK_IN(x, axes), EK_ATTR_B("keep_dims", true));
}

static ek_tensor pairwise(loss *l, ek_where where)
{
    ek_tensor diffs, axes, squares, present, one, two, sum, total, none;

    l->predictions = ek__cast(l->g, l->o->predictions, EK_FLOAT32, where);
    if (!ek__shapes_compatible(l->g, ek__operand_shape(&l->predictions), ek__operand_shape(&l->labels), where))
        return ek__dead(l->g);
    diffs = subtract(l->predictions, l->labels, where);
    axes = ek__axes_from_one(diffs, where);
    squares = sum_over(ek__op1(ek_square_with, ek__of(diffs), NULL, where), axes, where);
    present = ek__num_present(l->g, diffs, l->weights, true, where);
    one = term(squares, minus(ek__of(present), ek_operand_of_int(1), where), where);
    sum = sum_over(diffs, axes, where);
    sum = ek__op1(ek_square_with, ek__of(sum), NULL, where);
    two = minus(ek__of(present), ek_operand_of_int(1), where);
    two = term(sum, multiply(ek__of(present), ek__of(two), where), where);
    total = multiply(ek__of(minus(ek__of(one), ek__of(two), where)), l->weights, where);
    total = ek__sum(total, NULL, where);
    sum = ek__op2(ek_greater_with, ek__of(ek__sum(present, NULL, where)), ek_operand_of_int(0), where);
    none = ek__op1(ek_zeros_like_with, ek__of(total), NULL, where);
    return ek_select_with(ek__of(sum), ek__of(total),
                          &(ek_select_options){ .size = sizeof(ek_select_options), .y = ek__of(none), .name = "value" },
                          where);
}

ek_tensor ek_losses_mean_pairwise_squared_error_with(ek_operand labels, const ek_loss_options *o, ek_where where)
{
    const char *name = "mean_pairwise_squared_error";

    if (!EK_OPTIONS_OK(ek__operand_graph(&labels, 1), o, where)) return ek__dead(NULL);
    ek_graph *g = ek__operand_graph((const ek_operand[]){ labels, o->predictions, o->weights }, 3);
    loss l = { .g = g, .o = o, .where = where };
    ek_tensor out = ek__dead(g);

    if (!ready(g, name, labels, o, 0, where)) return out;
    EK_IN_SCOPE(ek_name_scope_push(g, o->scope != NULL ? o->scope : name, where)) {
        l.weights = ek__cast(g, o->weights, EK_FLOAT32, where);
        l.labels = ek__cast(g, labels, EK_FLOAT32, where);
        const ek_item check = ek_item_of_op(ek__assert_broadcastable(g, l.weights, l.labels, where));
        EK_IN_SCOPE(ek_control_dependencies_push(g, (ek_list){ g, &check, 1 }, where)) out = pairwise(&l, where);
        ek__collect_loss(out, o->loss_collection, where);
    }
    return g->error.code == EK_OK ? out : ek__dead(g);
}
