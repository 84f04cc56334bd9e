/* layers/cross_entropy.c - the cross entropies of tf.nn, brought to the two dimensions of their operations and back. */
#include "evenkeel/losses.h"
#include "layers/fit.h"

/* ---- labels as places ---------------------------------------------------------------------------- */

/* Logits without their last dimension; of unknown rank stay so. */
static ek_shape outer_of(ek_shape s)
{
    if (s.rank > 0) s.rank--;
    return s;
}

static bool sparse_fits(ek_graph *g, ek_shape labels, ek_shape logits, ek_where where)
{
    const ek_shape outer = outer_of(logits);
    char l[256], x[256];

    ek_shape_format(&labels, l, sizeof l);
    ek_shape_format(&logits, x, sizeof x);
    if (logits.rank == 0)
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Logits cannot be scalars - received shape %s.", x);
    else if (logits.rank > 0 && labels.rank >= 0 && labels.rank != logits.rank - 1)
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "Rank mismatch: Rank of labels (received %d) should equal rank of logits minus 1 (received %d).",
                       labels.rank, logits.rank);
    else if (ek_shape_is_known(&labels) && logits.rank > 0 && ek_shape_is_known(&outer) &&
             !ek_shape_compatible(&labels, &outer))
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "Shape mismatch: The shape of labels (received %s) should equal the shape of logits except for "
                       "the last dimension (received %s).", l, x);
    return g->error.code == EK_OK;
}

/* x[:-1] */
static ek_tensor all_but_last(ek_tensor x, ek_where where)
{
    return ek_strided_slice_with(
        &(ek_strided_slice_options){ .size = sizeof(ek_strided_slice_options), .input = x, .begin = EK_INTS(0),
                                     .end = EK_INTS(-1), .strides = EK_INTS(1), .begin_mask = 1 }, where);
}

/* tf.assert_equal of two int32 tensors, which opens its scope twice. */
static ek_op assert_equal(ek_graph *g, ek_tensor x, ek_tensor y, ek_where where)
{
    ek_op op = { g, -1 };

    if (!ek_tensor_ok(x) || !ek_tensor_ok(y)) return op;
    EK_IN_SCOPE(ek_name_scope_push(g, "assert_equal", where)) op.graph = g;
    EK_IN_SCOPE(ek_name_scope_push(g, "assert_equal", where)) {
        const char *first = ek__arena_printf(&g->arena, "x (%s) = ", ek_item_name(g, ek_item_of_tensor(x)));
        const char *second = ek__arena_printf(&g->arena, "y (%s) = ", ek_item_name(g, ek_item_of_tensor(y)));
        const ek_tensor equal = ek__op2(ek_equal_with, ek__of(x), ek__of(y), where);
        const ek_reduce_options every = { .size = sizeof every, .x = equal, .axis = { -1, { 0 } } };
        const ek_operand data[] = { ek_operand_of_string("Condition x == y did not hold element-wise:"),
                                    ek_operand_of_string(first), ek__of(x), ek_operand_of_string(second), ek__of(y) };

        if (first != NULL && second != NULL)
            op = ek__assert(g, ek_reduce_all_with(&every, where), data, EK_COUNT_OF(data), NULL, where);
        else
            ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for an assertion");
    }
    return op;
}

static ek_tensor sparse_node(ek_tensor logits, ek_tensor labels, const char *name, ek_where where)
{
    return ek__emit2("SparseSoftmaxCrossEntropyWithLogits", logits, labels, name, where);
}

/* Logits [-1, classes], labels [-1]; the losses as the labels were. */
static ek_tensor flattened(ek_tensor logits, ek_tensor precise, ek_tensor labels, ek_tensor shape, const char *name,
                           ek_where where)
{
    ek_graph *g = labels.graph;
    const ek_shape known = ek_tensor_shape(labels);
    const ek_tensor dims = ek__op1(ek_shape_with, ek__of(logits), NULL, where);
    const ek_tensor rank = ek__op1(ek_rank_with, ek__of(logits), NULL, where);
    const ek_tensor last = ek__op2(ek_minus_with, ek__of(rank), ek_operand_of_int(1), where);
    const ek_tensor classes = ek__element_at(dims, last, where);
    ek_tensor two = ek__dead(g), one, cost;

    EK_IN_SCOPE(ek_name_scope_push(g, "Reshape", where)) {
        const char *own = ek_name_scope(g);
        ek_tensor to = ek__dead(g);
        EK_IN_SCOPE(ek_name_scope_push(g, "shape", where)) {
            const char *packed = ek_name_scope(g);
            const ek_tensor any = ek__const_filled(g, EK_INT32, EK_SCALAR, -1, "0", where);
            to = EK_EMIT(g, where, "Pack", packed, EK_IN(any, classes), EK_ATTR_I("axis", 0));
        }
        two = ek__emit2("Reshape", precise, to, own, where);
    }
    one = ek__reshape(g, ek__of(labels), &EK_SHAPE(-1), where);
    cost = sparse_node(two, one, name, where);
    cost = ek_reshape_with(&(ek_reshape_options){ .size = sizeof(ek_reshape_options), .tensor = cost, .shape = shape },
                           where);
    if (ek_tensor_ok(cost)) ek_set_shape_at(cost, known, where);
    return cost;
}

static ek_tensor sparse(ek_graph *g, const ek_binary_options *o, const char *name, ek_where where)
{
    const ek_tensor labels = ek__operand_tensor(g, &o->x, EK_DTYPE_NONE, NULL, where);
    const ek_tensor logits = ek__operand_tensor(g, &o->y, EK_DTYPE_NONE, NULL, where);
    const ek_shape l = ek_tensor_shape(labels), x = ek_tensor_shape(logits), outer = outer_of(x);
    const bool half = ek_dtype_base(ek_tensor_dtype(logits)) == EK_FLOAT16;
    ek_tensor precise, shape, cost = ek__dead(g);

    if (!ek_tensor_ok(labels) || !ek_tensor_ok(logits)) return cost;
    precise = half ? ek__cast(g, ek__of(logits), EK_FLOAT32, where).u.tensor : logits;
    shape = ek__op1(ek_shape_with, ek__of(labels), NULL, where);
    if (!sparse_fits(g, l, x, where)) return cost;
    if (x.rank == 2) {
        cost = sparse_node(precise, labels, name, where);
    } else {
        const bool known = ek_shape_is_known(&l) && x.rank > 0 && ek_shape_is_known(&outer);
        ek_item check = { 0 };
        if (!known) {
            const ek_tensor found = ek__op1(ek_shape_with, ek__of(labels), NULL, where);
            const ek_tensor dims = ek__op1(ek_shape_with, ek__of(logits), NULL, where);
            check = ek_item_of_op(assert_equal(g, found, all_but_last(dims, where), where));
        }
        EK_IN_SCOPE(ek_control_dependencies_push(g, (ek_list){ g, &check, known ? 0 : 1 }, where))
            cost = flattened(logits, precise, labels, shape, name, where);
    }
    return half ? ek__cast(g, ek__of(cost), EK_FLOAT16, where).u.tensor : cost;
}

ek_tensor ek_sparse_softmax_cross_entropy_with_logits_with(const ek_binary_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    ek_graph *g = ek__operand_graph((const ek_operand[]){ o->x, o->y }, 2);
    const char *name = o->name != NULL ? o->name : "SparseSoftmaxCrossEntropyWithLogits";
    ek_tensor cost = ek__dead(g);

    if (!EK_GRAPH_OK(g, where)) return cost;
    EK_IN_SCOPE(ek_name_scope_push(g, name, where)) cost = sparse(g, o, name, where);
    return cost;
}

/* ---- labels as distributions ------------------------------------------------------------------------ */

/* The axis of the classes to the end. */
static ek_tensor move_to_end(ek_tensor x, int axis, ek_tensor rank, ek_where where)
{
    ek_graph *g = x.graph;
    const ek_range_options first = { .size = sizeof first, .start = ek_operand_of_int(0),
                                     .limit = ek_operand_of_int(axis), .delta = ek_operand_of_int(1) };
    const ek_range_options rest = { .size = sizeof rest, .start = ek_operand_of_int(axis + 1), .limit = ek__of(rank),
                                    .delta = ek_operand_of_int(1) };
    const ek_tensor before = ek_range_with(g, &first, where), after = ek_range_with(g, &rest, where);
    ek_tensor perm = ek__dead(g);

    EK_IN_SCOPE(ek_name_scope_push(g, "concat", where)) {
        const char *own = ek_name_scope(g);
        const ek_tensor last = ek__const_shape(g, &EK_SHAPE(axis), "values_2", where);
        const ek_tensor at = ek__const_filled(g, EK_INT32, EK_SCALAR, 0, "axis", where);
        perm = EK_EMIT(g, where, "ConcatV2", own, EK_IN(before, after, last, at), EK_ATTR_I("N", 3));
    }
    return ek__emit2("Transpose", x, perm, "transpose", where);
}

/* What is known of [product of all others, classes]. */
static void tell_flat_shape(ek_tensor flat, ek_shape s, ek_where where)
{
    int64_t rows = 1;

    if (s.rank < 1 || !ek_tensor_ok(flat)) return;
    for (int i = 0; i + 1 < s.rank; i++) {
        if (s.dim[i] < 0) return;
        rows *= s.dim[i];
    }
    ek_set_shape_at(flat, EK_SHAPE(rows, s.dim[s.rank - 1]), where);
}

/* shape[rank - 1 :] of an int32 vector, and shape[0 : rank - 1]. */
static ek_tensor slice_of(ek_tensor shape, ek_tensor begin, ek_tensor size, ek_where where)
{
    ek_graph *g = shape.graph;
    ek_tensor out = ek__dead(g);

    EK_IN_SCOPE(ek_name_scope_push(g, "Slice", where)) {
        const char *own = ek_name_scope(g);
        const ek_tensor b = ek_tensor_ok(begin) ? EK_EMIT(g, where, "Pack", "begin", EK_IN(begin), EK_ATTR_I("axis", 0))
                                                : ek__const_shape(g, &EK_SHAPE(0), "begin", where);
        const ek_tensor n = ek_tensor_ok(size) ? EK_EMIT(g, where, "Pack", "size", EK_IN(size), EK_ATTR_I("axis", 0))
                                               : ek__const_shape(g, &EK_SHAPE(1), "size", where);
        out = EK_EMIT(g, where, "Slice", own, EK_IN(shape, b, n), EK_ATTR_T("Index", EK_INT32));
    }
    return out;
}

static ek_tensor flatten_outer(ek_tensor x, ek_where where)
{
    ek_graph *g = x.graph;
    const ek_tensor rank = ek__op1(ek_rank_with, ek__of(x), NULL, where);
    const ek_tensor dims = ek__op1(ek_shape_with, ek__of(x), NULL, where);
    const ek_tensor before = ek__op2(ek_subtract_with, ek__of(rank), ek_operand_of_int(1), where);
    const ek_tensor last = slice_of(dims, before, ek__dead(g), where);
    ek_tensor to = ek__dead(g), flat;

    EK_IN_SCOPE(ek_name_scope_push(g, "concat", where)) {
        const char *own = ek_name_scope(g);
        const ek_tensor any = ek__const_filled(g, EK_INT32, EK_SHAPE(1), -1, "values_0", where);
        const ek_tensor at = ek__const_filled(g, EK_INT32, EK_SCALAR, 0, "axis", where);
        to = EK_EMIT(g, where, "ConcatV2", own, EK_IN(any, last, at), EK_ATTR_I("N", 2));
    }
    flat = ek_reshape_with(&(ek_reshape_options){ .size = sizeof(ek_reshape_options), .tensor = x, .shape = to }, where);
    tell_flat_shape(flat, ek_tensor_shape(x), where);
    return flat;
}

/* Losses have the logits' shape without the axis of the classes. */
static void tell_loss_shape(ek_tensor cost, ek_shape s, int axis, ek_where where)
{
    const int at = axis < 0 ? axis + s.rank : axis;

    if (s.rank < 1 || at < 0 || at >= s.rank || !ek_tensor_ok(cost)) return;
    for (int i = at; i + 1 < s.rank; i++) s.dim[i] = s.dim[i + 1];
    s.rank--;
    ek_set_shape_at(cost, s, where);
}

static ek_tensor dense(ek_graph *g, ek_operand labels_in, const ek_cross_entropy_options *o, ek_where where)
{
    const char *own = ek_name_scope(g);
    const ek_tensor logits = ek__operand_tensor(g, &o->logits, EK_DTYPE_NONE, "logits", where);
    const ek_tensor given = ek__operand_tensor(g, &labels_in, EK_DTYPE_NONE, "labels", where);
    const ek_dtype t = ek_dtype_base(ek_tensor_dtype(logits));
    const bool half = t == EK_FLOAT16 || t == EK_BFLOAT16;
    ek_tensor precise, labels, rank, dims, cost = ek__dead(g);

    if (!ek_tensor_ok(logits) || !ek_tensor_ok(given)) return cost;
    precise = half ? ek__cast(g, ek__of(logits), EK_FLOAT32, where).u.tensor : logits;
    labels = ek__cast(g, ek__of(given), half ? EK_FLOAT32 : t, where).u.tensor;
    rank = ek__op1(ek_rank_with, ek__of(precise), NULL, where);
    if (o->axis != -1) {
        precise = move_to_end(precise, o->axis, rank, where);
        labels = move_to_end(labels, o->axis, rank, where);
    }
    dims = ek__op1(ek_shape_with, ek__of(precise), NULL, where);
    precise = flatten_outer(precise, where);
    labels = flatten_outer(labels, where);
    cost = ek__emit2("SoftmaxCrossEntropyWithLogits", precise, labels, own, where);
    rank = ek__op2(ek_subtract_with, ek__of(rank), ek_operand_of_int(1), where);
    dims = slice_of(dims, ek__dead(g), rank, where);
    cost = ek_reshape_with(&(ek_reshape_options){ .size = sizeof(ek_reshape_options), .tensor = cost, .shape = dims },
                           where);
    tell_loss_shape(cost, ek_tensor_shape(logits), o->axis, where);
    return half ? ek__cast(g, ek__of(cost), t, where).u.tensor : cost;
}

ek_tensor ek_softmax_cross_entropy_with_logits_v2_with(ek_operand labels, const ek_cross_entropy_options *o,
                                                       ek_where where)
{
    if (!EK_OPTIONS_OK(ek__operand_graph(&labels, 1), o, where)) return ek__dead(NULL);
    ek_graph *g = ek__operand_graph((const ek_operand[]){ labels, o->logits }, 2);
    ek_tensor cost = ek__dead(g);

    if (!EK_GRAPH_OK(g, where)) return cost;
    EK_IN_SCOPE(ek_name_scope_push(g, o->name != NULL ? o->name : "softmax_cross_entropy_with_logits", where))
        cost = dense(g, labels, o, where);
    return cost;
}

ek_tensor ek_softmax_cross_entropy_with_logits_with(ek_operand labels, const ek_cross_entropy_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(ek__operand_graph(&labels, 1), o, where)) return ek__dead(NULL);
    ek_graph *g = ek__operand_graph((const ek_operand[]){ labels, o->logits }, 2);
    ek_cross_entropy_options again = *o;

    if (!EK_GRAPH_OK(g, where)) return ek__dead(g);
    EK_IN_SCOPE(ek_name_scope_push(g, o->name != NULL ? o->name : "softmax_cross_entropy_with_logits_sg", where)) {
        again.name = ek_name_scope(g);
        labels = ek__of(ek__call_tensor(&(ek_call){ .graph = g, .type = "StopGradient", .name = "labels_stop_gradient",
                                                    .in = &labels, .n_in = 1, .where = where }));
    }
    return ek_softmax_cross_entropy_with_logits_v2_with(labels, &again, where);
}

/* ---- labels of their own ---------------------------------------------------------------------------- */

/* max(x, 0) and -|x| by conditions, so that the gradient at zero is what it should be. */
static ek_tensor logistic(ek_graph *g, const ek_binary_options *o, ek_where where)
{
    const char *own = ek_name_scope(g);
    const ek_tensor x = ek__operand_tensor(g, &o->y, EK_DTYPE_NONE, "logits", where);
    const ek_tensor y = ek__operand_tensor(g, &o->x, EK_DTYPE_NONE, "labels", where);
    const ek_shape xs = ek_tensor_shape(x), ys = ek_tensor_shape(y);
    char first[256], second[256];

    if (!ek_tensor_ok(x) || !ek_tensor_ok(y)) return ek__dead(g);
    if (!ek_shape_compatible(&xs, &ys)) {
        ek_shape_format(&xs, first, sizeof first);
        ek_shape_format(&ys, second, sizeof second);
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "logits and labels must have the same shape (%s vs %s)", first,
                       second);
        return ek__dead(g);
    }
    const ek_tensor zeros = ek__op1(ek_zeros_like_with, ek__of(x), NULL, where);
    const ek_operand positive = ek__of(ek__op2(ek_greater_equal_with, ek__of(x), ek__of(zeros), where));
    const ek_select_options or_zero = { .size = sizeof or_zero, .y = ek__of(zeros) };
    const ek_select_options or_self = { .size = sizeof or_self, .y = ek__of(x) };
    const ek_tensor above = ek_select_with(positive, ek__of(x), &or_zero, where);
    const ek_tensor minus = ek__op1(ek_negative_with, ek__of(x), NULL, where);
    const ek_tensor below = ek_select_with(positive, ek__of(minus), &or_self, where);
    const ek_tensor product = ek__op2(ek_times_with, ek__of(x), ek__of(y), where);
    const ek_tensor linear = ek__op2(ek_minus_with, ek__of(above), ek__of(product), where);
    const ek_tensor power = ek__op1(ek_exp_with, ek__of(below), NULL, where);
    const ek_tensor rest = ek__op1(ek_log1p_with, ek__of(power), NULL, where);
    return ek__op2_named(ek_add_with, ek__of(linear), ek__of(rest), own, where);
}

ek_tensor ek_sigmoid_cross_entropy_with_logits_with(const ek_binary_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    ek_graph *g = ek__operand_graph((const ek_operand[]){ o->x, o->y }, 2);
    ek_tensor cost = ek__dead(g);

    if (!EK_GRAPH_OK(g, where)) return cost;
    EK_IN_SCOPE(ek_name_scope_push(g, o->name != NULL ? o->name : "logistic_loss", where))
        cost = logistic(g, o, where);
    return cost;
}
