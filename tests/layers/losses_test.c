/* tests/layers/losses_test.c - tf.losses and the cross entropies: TensorFlow's nodes, collections and values, its words where
 * something does not fit, and what lack of memory leaves. The programs are those of tools/make_loss_goldens.py, line by line.
 */
#include <math.h>

#include "support/building.h"
#include "support/made.h"

#include "evenkeel/control.h"

#define FLOATS(shape, ...) ek_array_of(EK_FLOAT32, shape, (float[]){ __VA_ARGS__ })
#define PLACE(type, place_name, ...) ek_placeholder(g, type, .shape = EK_SHAPE(__VA_ARGS__), .name = place_name)
#define ANY(type, place_name) ek_placeholder(g, type, .name = place_name)

/* ---- programs -------------------------------------------------------------------------------------- */

static void losses_each(ek_graph *g)
{
    ek_tensor y = PLACE(EK_FLOAT32, "y", -1, 3), p = PLACE(EK_FLOAT32, "p", -1, 3);
    ek_tensor classes = PLACE(EK_INT64, "classes", -1);

    ek_losses_absolute_difference(y, p);
    ek_losses_cosine_distance(y, p, .axis = 1);
    ek_losses_hinge_loss(y, p);
    ek_losses_huber_loss(y, p, .delta = 0.5);
    ek_losses_log_loss(y, p);
    ek_losses_log_loss(y, p, .epsilon = 0.25);
    ek_losses_mean_pairwise_squared_error(y, p);
    ek_losses_mean_squared_error(y, p);
    ek_losses_sigmoid_cross_entropy(y, p);
    ek_losses_softmax_cross_entropy(y, p);
    ek_losses_sparse_softmax_cross_entropy(classes, p);
    ek_losses_compute_weighted_loss(p);
}

/* The arrays of the program below. */
static void weigh_by_arrays(ek_tensor y, ek_tensor p)
{
    ek_array *column = FLOATS(EK_SHAPE(2, 1), 1, 0), *all = FLOATS(EK_SHAPE(2, 3), 1, 2, 3, 0, 0.5, 0);
    ek_array *row = ek_array_of(EK_INT64, EK_SHAPE(1, 3), (int64_t[]){ 1, 0, 2 });

    ek_losses_mean_squared_error(y, p, .weights = EK_OPERAND(column));
    ek_losses_absolute_difference(y, p, .weights = EK_OPERAND(row));
    ek_losses_hinge_loss(y, p, .weights = EK_OPERAND(all));
    ek_array_unref(column);
    ek_array_unref(all);
    ek_array_unref(row);
}

static void lose_literals(ek_graph *g, ek_tensor q)
{
    ek_array *whole = ek_array_of(EK_INT32, EK_SHAPE(1, 3), (int32_t[]){ 1, 2, 3 });
    ek_array *parts = ek_array_of(EK_FLOAT64, EK_SHAPE(1, 3), (double[]){ 1.5, 2.5, 2.0 });
    ek_array *own = FLOATS(EK_SHAPE(3), 1, 2, 4), *two = FLOATS(EK_SHAPE(2), 1, 2);
    ek_tensor labels = ek_constant(g, ek_value(whole)), predictions = ek_constant(g, ek_value(parts)), half;

    ek_losses_mean_squared_error(labels, predictions);
    half = ek_constant(g, ek_value(two), .dtype = EK_FLOAT16);
    ek_losses_compute_weighted_loss(half, .weights = EK_OPERAND(0.5));
    q = ek_strided_slice(q, .begin = EK_INTS(0), .end = EK_INTS(1), .strides = EK_INTS(1), .shrink_axis_mask = 1);
    ek_losses_compute_weighted_loss(own, .weights = EK_OPERAND(q));
    ek_array_unref(whole);
    ek_array_unref(parts);
    ek_array_unref(own);
    ek_array_unref(two);
}

static void losses_weights(ek_graph *g)
{
    ek_tensor y = PLACE(EK_FLOAT32, "y", 2, 3), p = PLACE(EK_FLOAT32, "p", 2, 3), q = PLACE(EK_FLOAT32, "q", -1, 3);
    ek_tensor w = PLACE(EK_FLOAT32, "w", -1, 1), v = ANY(EK_FLOAT32, "v");
    ek_array *first = FLOATS(EK_SHAPE(3), 1, 0, 3);
    ek_variable k = ek_get_variable(g, "k", .shape = EK_SHAPE(1, 3), .initializer = ek_constant_initializer(0, .array = first),
                                    .collections = EK_KEYS(EK_LOCAL_VARIABLES));

    ek_array_unref(first);
    ek_losses_mean_squared_error(y, p, .weights = EK_OPERAND(2.0));
    ek_losses_mean_squared_error(y, p, .weights = EK_OPERAND(3));
    ek_losses_mean_squared_error(y, p, .weights = EK_OPERAND(0.0));
    weigh_by_arrays(y, p);
    ek_losses_huber_loss(y, p, .weights = EK_OPERAND(k));
    ek_losses_log_loss(q, q, .weights = EK_OPERAND(w));
    ek_losses_mean_squared_error(q, p, .weights = EK_OPERAND(w));
    ek_losses_mean_squared_error(q, q, .weights = EK_OPERAND(v));
    ek_losses_mean_pairwise_squared_error(q, ek_times(q, 0.5), .weights = EK_OPERAND(w));
    ek_losses_mean_pairwise_squared_error(y, p, .weights = EK_OPERAND(2.0));
    lose_literals(g, q);
}

static void losses_reductions(ek_graph *g)
{
    static const ek_reduction each[] = { EK_REDUCTION_NONE, EK_REDUCTION_SUM, EK_REDUCTION_SUM_OVER_BATCH_SIZE,
                                         EK_REDUCTION_MEAN, EK_REDUCTION_SUM_BY_NONZERO_WEIGHTS };
    ek_tensor y = PLACE(EK_FLOAT32, "y", -1, 3), p = PLACE(EK_FLOAT32, "p", -1, 3), s = PLACE(EK_FLOAT32, "s", 2, 3);
    ek_tensor w = PLACE(EK_FLOAT32, "w", -1, 1), c = PLACE(EK_INT32, "c", -1), u = ANY(EK_FLOAT32, "u");

    for (int i = 0; i < 5; i++) {
        ek_losses_mean_squared_error(y, p, .weights = EK_OPERAND(w), .reduction = each[i]);
        ek_losses_absolute_difference(s, ek_times(s, 0.5), .weights = EK_OPERAND(2.0), .scope = "fixed", .reduction = each[i]);
        ek_losses_sparse_softmax_cross_entropy(c, p, .loss_collection = "mine", .reduction = each[i]);
        ek_losses_compute_weighted_loss(u, .weights = EK_OPERAND(3.0), .loss_collection = NULL, .reduction = each[i]);
    }
    ek_with_name_scope(g, "tower") ek_losses_hinge_loss(y, p, .scope = "again/");
}

typedef struct logits {
    ek_tensor x2, y2, x3, x3n, xu, xh, xd, c1, c2, c2n, c11, w11, cu, cd;
} logits;

static logits place_logits(ek_graph *g)
{
    logits l;

    l.x2 = PLACE(EK_FLOAT32, "x2", -1, 4);
    l.y2 = PLACE(EK_FLOAT32, "y2", -1, 4);
    l.x3 = PLACE(EK_FLOAT32, "x3", 2, 3, 4);
    l.x3n = PLACE(EK_FLOAT32, "x3n", -1, 3, 4);
    l.xu = ANY(EK_FLOAT32, "xu");
    l.xh = PLACE(EK_FLOAT16, "xh", 2, 4);
    l.xd = PLACE(EK_FLOAT64, "xd", -1, 4);
    l.c1 = PLACE(EK_INT64, "c1", -1);
    l.c2 = PLACE(EK_INT32, "c2", 2, 3);
    l.c2n = PLACE(EK_INT64, "c2n", -1, -1);
    l.c11 = PLACE(EK_INT64, "c11", -1, 1);
    l.w11 = PLACE(EK_FLOAT32, "w11", -1, 1);
    l.cu = ANY(EK_INT64, "cu");
    l.cd = PLACE(EK_INT64, "cd", -1, 4);
    return l;
}

static void cross_entropies_of_nn(const logits *l, const ek_array *classes)
{
    ek_sparse_softmax_cross_entropy_with_logits(l->c1, l->x2);
    ek_sparse_softmax_cross_entropy_with_logits(l->c2, l->x3, .name = "known");
    ek_sparse_softmax_cross_entropy_with_logits(l->c2n, l->x3n, .name = "partly");
    ek_sparse_softmax_cross_entropy_with_logits(l->cu, l->xu);
    ek_sparse_softmax_cross_entropy_with_logits(classes, l->xh);
    ek_softmax_cross_entropy_with_logits_v2(l->y2, l->x2);
    ek_softmax_cross_entropy_with_logits_v2(l->x3, l->x3, .axis = 1, .name = "moved");
    ek_softmax_cross_entropy_with_logits_v2(l->x3n, l->x3n);
    ek_softmax_cross_entropy_with_logits_v2(l->xu, l->xu);
    ek_tensor two = ek_strided_slice(l->y2, .begin = EK_INTS(0), .end = EK_INTS(2), .begin_mask = 1);
    ek_softmax_cross_entropy_with_logits_v2(two, l->xh);
    ek_softmax_cross_entropy_with_logits(l->y2, l->x2);
    ek_sigmoid_cross_entropy_with_logits(l->y2, l->x2);
    ek_sigmoid_cross_entropy_with_logits(l->x3, l->x3, .name = "each");
}

static void losses_cross_entropy(ek_graph *g)
{
    const logits l = place_logits(g);
    ek_array *classes = ek_array_of(EK_INT64, EK_SHAPE(2), (int64_t[]){ 1, 3 });
    ek_array *column = FLOATS(EK_SHAPE(2, 1), 1, 0.5);

    cross_entropies_of_nn(&l, classes);
    ek_losses_softmax_cross_entropy(l.y2, l.x2, .label_smoothing = 0.1);
    ek_losses_softmax_cross_entropy(l.cd, l.xd, .weights = EK_OPERAND(2.0));
    ek_losses_softmax_cross_entropy(l.x3, l.x3, .label_smoothing = 0.25, .reduction = EK_REDUCTION_NONE);
    ek_losses_sigmoid_cross_entropy(l.y2, l.x2, .weights = EK_OPERAND(l.w11), .label_smoothing = 0.125);
    ek_losses_sparse_softmax_cross_entropy(l.c11, l.x2);
    ek_losses_sparse_softmax_cross_entropy(l.c1, l.x2, .weights = EK_OPERAND(l.w11));
    ek_losses_sparse_softmax_cross_entropy(l.c2, l.x3, .weights = EK_OPERAND(column));
    ek_losses_sparse_softmax_cross_entropy(l.cu, l.xu);
    ek_losses_sparse_softmax_cross_entropy(l.c1, l.xu, .weights = EK_OPERAND(l.w11));
    ek_losses_sparse_softmax_cross_entropy(l.cu, l.x2, .weights = EK_OPERAND(l.w11));
    ek_losses_sparse_softmax_cross_entropy(classes, l.xh);
    ek_array_unref(classes);
    ek_array_unref(column);
}

static void losses_total(ek_graph *g)
{
    ek_tensor x = PLACE(EK_FLOAT32, "x", -1, 2), h, own;
    ek_variable w = { NULL, -1 };
    ek_list some;

    ek_losses_get_regularization_loss(g);
    ek_with_variable_scope(g, "net", .regularizer = ek_l2_regularizer(0.5))
        w = ek_get_variable(g, "w", .shape = EK_SHAPE(2, 3), .initializer = ek_constant_initializer(0.5),
                            .collections = EK_KEYS(EK_LOCAL_VARIABLES));
    ek_losses_get_regularization_loss(g);
    ek_losses_get_total_loss(g);
    h = ek_matmul(x, w);
    ek_losses_mean_squared_error(ek_zeros_like(h), h);
    ek_with_name_scope(g, "head") ek_losses_absolute_difference(ek_ones_like(h), h, .weights = EK_OPERAND(0.5));
    own = ek_reduce_sum(h, .name = "own");
    ek_losses_add_loss(own);
    ek_losses_get_total_loss(g);
    ek_losses_get_total_loss(g, .regularization_losses = false, .name = "without");
    ek_losses_get_total_loss(g, .scope = "head");
    ek_losses_get_regularization_loss(g, .scope = "net", .name = "decay");
    ek_losses_get_regularization_loss(g, .scope = "other");
    some = ek_losses_get_losses(g, "own|mean");
    assert_int_equal(some.count, 2);
    ek_add_n(((ek_tensor[]){ ek_list_tensor(some, 0), ek_list_tensor(some, 1) }), 2);
}

static ek_list error_of(ek_graph *g, void *arg)
{
    ek_tensor *t = arg;

    return EK_RESULTS(g, ek_losses_mean_squared_error(t[0], t[1], .weights = EK_OPERAND(t[2]), .loss_collection = NULL));
}

static ek_list difference_of(ek_graph *g, void *arg)
{
    ek_tensor *t = arg;

    return EK_RESULTS(g, ek_losses_absolute_difference(t[0], t[1], .loss_collection = NULL));
}

static void losses_in_cond(ek_graph *g)
{
    ek_tensor flag = ek_placeholder(g, EK_BOOL, .shape = EK_SCALAR, .name = "flag");
    ek_tensor y = PLACE(EK_FLOAT32, "y", -1, 2), p = PLACE(EK_FLOAT32, "p", -1, 2), w = PLACE(EK_FLOAT32, "w", -1, 1);
    ek_tensor a = ek_first(ek_cond(flag, error_of, difference_of, .arg = (ek_tensor[]){ y, p, w }));

    ek_with_control_dependencies(g, EK_LIST(a)) ek_losses_huber_loss(y, p);
}

static void differentiate(int i, ek_tensor loss, ek_tensor by)
{
    char name[16];

    snprintf(name, sizeof name, "d%d", i);
    ek_identity(ek_gradients(EK_LIST(loss), EK_LIST(by)).at[0].value, .name = name);
}

static void losses_gradients(ek_graph *g)
{
    ek_tensor y = PLACE(EK_FLOAT32, "y", -1, 3), p = PLACE(EK_FLOAT32, "p", -1, 3), x = PLACE(EK_FLOAT32, "x", -1, 2, 3);
    ek_tensor c = PLACE(EK_INT64, "c", -1, 2), w = PLACE(EK_FLOAT32, "w", -1, 1), u = ANY(EK_FLOAT32, "u");
    ek_tensor first = ek_strided_slice(c, .begin = EK_INTS(0, 0), .end = EK_INTS(0, 1), .begin_mask = 1, .end_mask = 1,
                                       .shrink_axis_mask = 2);

    differentiate(0, ek_losses_absolute_difference(y, p, .weights = EK_OPERAND(w)), p);
    differentiate(1, ek_losses_cosine_distance(y, p, .axis = 1, .weights = EK_OPERAND(w)), p);
    differentiate(2, ek_losses_hinge_loss(y, p, .weights = EK_OPERAND(u)), p);
    differentiate(3, ek_losses_huber_loss(y, p, .weights = EK_OPERAND(w), .delta = 0.5), p);
    differentiate(4, ek_losses_log_loss(y, p, .weights = EK_OPERAND(u), .epsilon = 0.25), p);
    differentiate(5, ek_losses_mean_pairwise_squared_error(y, p, .weights = EK_OPERAND(w)), p);
    differentiate(6, ek_losses_mean_squared_error(y, p, .weights = EK_OPERAND(w), .reduction = EK_REDUCTION_MEAN), p);
    differentiate(7, ek_losses_mean_squared_error(y, p, .weights = EK_OPERAND(w)), w);
    differentiate(8, ek_losses_sigmoid_cross_entropy(y, p, .weights = EK_OPERAND(w), .label_smoothing = 0.25), p);
    differentiate(9, ek_losses_softmax_cross_entropy(y, p, .weights = EK_OPERAND(u), .label_smoothing = 0.25), p);
    differentiate(10, ek_losses_softmax_cross_entropy(x, x, .reduction = EK_REDUCTION_SUM_OVER_BATCH_SIZE), x);
    differentiate(11, ek_softmax_cross_entropy_with_logits_v2(x, ek_ones_like(x)), x);
    differentiate(12, ek_losses_sparse_softmax_cross_entropy(c, x), x);
    differentiate(13, ek_losses_sparse_softmax_cross_entropy(first, p, .weights = EK_OPERAND(w)), p);
}

static void gradients_of_losses_are_tensorflows(void **state)
{
    (void)state;
    assert_true(made_same_values("losses_gradients", losses_gradients));
}

#define MADE(program) \
    static void program##_as_tensorflow(void **state) \
    { \
        (void)state; \
        assert_true(made_same(#program, program)); \
    }
MADE(losses_each)
MADE(losses_weights)
MADE(losses_reductions)
MADE(losses_cross_entropy)
MADE(losses_total)
MADE(losses_in_cond)

/* ---- what does not fit -------------------------------------------------------------------------------- */

#define REFUSED(text, ...)                                                                                   \
    do {                                                                                                     \
        ek_graph *g = ek_graph_create();                                                                     \
        ek_tensor a = PLACE(EK_FLOAT32, "a", 2, 3), b = PLACE(EK_FLOAT32, "b", 3, 2);                        \
        ek_array *three = FLOATS(EK_SHAPE(3), 1, 2, 3), *column = FLOATS(EK_SHAPE(3, 1), 1, 2, 3);           \
        (void)a, (void)b;                                                                                    \
        (void)(__VA_ARGS__);                                                                                 \
        ek_array_unref(three);                                                                               \
        ek_array_unref(column);                                                                              \
        expect_failure(g, text);                                                                             \
    } while (0)

static void losses_refuse_in_tensorflows_words(void **state)
{
    (void)state;
    REFUSED("Shapes (2, 3) and (3, 2) are incompatible", ek_losses_mean_squared_error(b, a));
    REFUSED("Shapes (2, 3) and (3, 2) are incompatible", ek_losses_softmax_cross_entropy(b, a));
    REFUSED("Shapes (2, 3) and (3, 2) are incompatible", ek_losses_mean_pairwise_squared_error(b, a));
    REFUSED("weights can not be broadcast to values. values.rank=2. weights.rank=1. values.shape=(2, 3). "
            "weights.shape=(3,).", ek_losses_hinge_loss(a, a, .weights = EK_OPERAND(three)));
    REFUSED("weights can not be broadcast to values. Mismatch at dim 0. values.shape=[2 3] weights.shape=[3 1].",
            ek_losses_log_loss(a, a, .weights = EK_OPERAND(column)));
    REFUSED("Invalid Reduction Key 7.", ek_losses_huber_loss(a, a, .reduction = (ek_reduction)7));
    REFUSED("Invalid Reduction Key -1.", ek_losses_compute_weighted_loss(a, .reduction = (ek_reduction)-1));
    REFUSED("You must specify 'axis'.", ek_losses_cosine_distance(a, a));
    REFUSED("inputs must be a list of at least one Tensor/IndexedSlices with the same dtype and shape",
            ek_losses_get_total_loss(g));
    REFUSED("predictions must not be None.",
            ek_losses_hinge_loss_with(EK_OPERAND(a), &(ek_loss_options){ .size = sizeof(ek_loss_options), EK_LOSS_DEFAULTS },
                                      EK_HERE));
}

static void numbers_that_are_none_and_other_graphs_are_refused(void **state)
{
    ek_graph *g = ek_graph_create(), *other = ek_graph_create();
    ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(2)), far = ek_placeholder(other, EK_FLOAT32, .shape = EK_SHAPE(2));

    (void)state;
    ek_losses_mean_squared_error(x, x, .weights = EK_OPERAND(far));
    expect_failure(g, "weights of mean_squared_error() is of another graph");
    assert_int_equal(ek_graph_op_count(other), 1);
    ek_graph_destroy(other);
    g = ek_graph_create();
    x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(2));
    ek_losses_huber_loss(x, x, .delta = NAN);
    expect_failure(g, "delta is nan; it must be a finite number");
    g = ek_graph_create();
    ek_batch_normalization(ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 2)), .momentum = NAN);
    expect_failure(g, "momentum is nan; it must be a finite number");
    assert_false(ek_tensor_ok(ek_losses_mean_squared_error(1.0, 2.0)));
    assert_non_null(strstr(ek_last_error()->text, "mean_squared_error needs a graph"));
}

static void options_of_other_losses_are_refused(void **state)
{
    (void)state;
    REFUSED("mean_squared_error() got an unexpected keyword argument 'delta'",
            ek_losses_mean_squared_error(a, a, .delta = 2));
    REFUSED("huber_loss() got an unexpected keyword argument 'epsilon'", ek_losses_huber_loss(a, a, .epsilon = 1e-3));
    REFUSED("log_loss() got an unexpected keyword argument 'axis'", ek_losses_log_loss(a, a, .axis = 0));
    REFUSED("sparse_softmax_cross_entropy() got an unexpected keyword argument 'label_smoothing'",
            ek_losses_sparse_softmax_cross_entropy(a, a, .label_smoothing = 0.1));
    REFUSED("mean_pairwise_squared_error() got an unexpected keyword argument 'reduction'",
            ek_losses_mean_pairwise_squared_error(a, a, .reduction = EK_REDUCTION_SUM));
}

static void cross_entropies_refuse_labels_that_do_not_fit(void **state)
{
    (void)state;
    REFUSED("Rank mismatch: Rank of labels (received 2) should equal rank of logits minus 1 (received 2).",
            ek_sparse_softmax_cross_entropy_with_logits(PLACE(EK_INT64, "c", 2, 3), a));
    REFUSED("Shape mismatch: The shape of labels (received (3,)) should equal the shape of logits except for the last "
            "dimension (received (2, 3)).",
            ek_sparse_softmax_cross_entropy_with_logits(PLACE(EK_INT64, "c", 3), a));
    REFUSED("Logits cannot be scalars - received shape ().",
            ek_sparse_softmax_cross_entropy_with_logits(PLACE(EK_INT64, "c", 3), ek_reduce_sum(a)));
    REFUSED("Value passed to parameter 'labels' has DataType float32 not in list of allowed values: int32, int64",
            ek_losses_sparse_softmax_cross_entropy(PLACE(EK_FLOAT32, "c", 2), a));
    REFUSED("Can not squeeze dim[1], expected a dimension of 1, got 3 for 'sparse_softmax_cross_entropy_loss/"
            "remove_squeezable_dimensions/Squeeze' (op: 'Squeeze') with input shapes: [2,3].",
            ek_losses_sparse_softmax_cross_entropy(PLACE(EK_INT64, "c", 2, 3), a));
    REFUSED("logits and labels must have the same shape ((2, 3) vs (3, 2))", ek_sigmoid_cross_entropy_with_logits(b, a));
}

static void a_loss_of_numbers_alone_has_no_graph(void **state)
{
    (void)state;
    assert_false(ek_tensor_ok(ek_losses_compute_weighted_loss(1.0)));
    assert_int_equal(ek_last_error()->code, EK_INVALID_ARGUMENT);
}

typedef ek_tensor (*loss_fn)(ek_operand labels, const ek_loss_options *o, ek_where where);
#define EACH(f) ek_losses_##f##_with,
static const loss_fn losses[] = { EK_LOSS_BUILDERS(EACH) };

static void expect_nothing(ek_operand labels, ek_operand predictions, ek_operand weights, const char *scope)
{
    for (size_t k = 0; k < sizeof losses / sizeof losses[0]; k++)
        for (int axis = 0; axis < 2; axis++) {
            ek_loss_options o = { .size = sizeof o, EK_LOSS_DEFAULTS };

            o.predictions = predictions;
            o.weights = weights;
            o.scope = scope;
            if (axis == 1) o.axis = 0;
            if (ek_tensor_ok(losses[k](labels, &o, EK_HERE)))
                fail_msg("loss %zu, axis %d: operands of kinds %c, %c, %c, scope %s", k, axis, labels.kind, predictions.kind,
                         weights.kind, scope != NULL ? scope : "(none)");
        }
}

static void hostile_operands_give_dead_losses(void **state)
{
    ek_graph *g = ek_graph_create(), *other = ek_graph_create();
    ek_tensor dead = { g, -1, 0 }, far = ek_placeholder(other, EK_FLOAT32, .shape = EK_SHAPE(2)), a;

    (void)state;
    for (int k = 0; k < 6; k++) {
        ek_graph_destroy(g);
        g = ek_graph_create();
        dead.graph = g;
        a = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(2));
        switch (k) {
        case 0: expect_nothing(EK_OPERAND(dead), EK_OPERAND(dead), EK_OPERAND(1.0), NULL); break;
        case 1: expect_nothing(EK_OPERAND(far), EK_OPERAND(a), EK_OPERAND(far), NULL); break;
        case 2: expect_nothing(EK_OPERAND(a), EK_OPERAND(a), EK_OPERAND(dead), NULL); break;
        case 3: expect_nothing(EK_OPERAND(a), EK_OPERAND(a), EK_OPERAND(2.0), "a b"); break;
        case 4: expect_nothing(EK_OPERAND(a), EK_OPERAND("text"), EK_OPERAND(2.0), NULL); break;
        default: expect_nothing(EK_OPERAND(1), EK_OPERAND(2), EK_OPERAND(3), NULL); break;
        }
    }
    assert_false(ek_tensor_ok(ek_losses_hinge_loss_with(EK_OPERAND(a), NULL, EK_HERE)));
    ek_graph_destroy(g);
    ek_graph_destroy(other);
}

/* ---- what only a run can tell ------------------------------------------------------------------------- */

/* Running t with these values for two placeholders fails so. */
static void expect_refused_run(ek_tensor t, ek_tensor a, ek_array *va, ek_tensor b, ek_array *vb, const char *text)
{
    ek_session *s = ek_session_create(t.graph);
    ek_array *out = NULL;

    assert_int_equal(ek_run(s, .feed = { { a, va }, { b, vb } }, .fetch = { { t, &out } }), EK_INVALID_ARGUMENT);
    if (strncmp(ek_last_error()->text, text, strlen(text)) != 0)
        fail_msg("expected: %s\nfound:    %s", text, ek_last_error()->text);
    ek_array_unref(va);
    ek_array_unref(vb);
    ek_session_destroy(s);
}

static void weights_are_checked_when_it_runs(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_tensor w = PLACE(EK_FLOAT32, "w", -1, 1), v = ANY(EK_FLOAT32, "v"), q = PLACE(EK_FLOAT32, "q", -1, 3);
    ek_tensor a = ek_losses_mean_squared_error(q, q, .weights = EK_OPERAND(w));
    ek_tensor b = ek_losses_mean_squared_error(q, q, .weights = EK_OPERAND(v));

    (void)state;
    expect_refused_run(a, w, FLOATS(EK_SHAPE(3, 1), 1, 1, 1), q, FLOATS(EK_SHAPE(2, 3), 1, 2, 3, 4, 5, 6),
                       "assertion failed: [weights can not be broadcast to values.] [weights.shape=] [w:0] [3 1] "
                       "[values.shape=] [mean_squared_error/SquaredDifference:0] [2 3] [is_scalar=] [0]");
    expect_refused_run(b, v, FLOATS(EK_SHAPE(3), 1, 1, 1), q, FLOATS(EK_SHAPE(2, 3), 1, 2, 3, 4, 5, 6),
                       "assertion failed: [weights can not be broadcast to values.] [weights.shape=] [v:0] [3] "
                       "[values.shape=] [mean_squared_error_1/SquaredDifference:0] [2 3] [is_scalar=] [0]");
    ek_graph_destroy(g);
}

static void labels_are_checked_when_it_runs(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_tensor c = PLACE(EK_INT64, "c", -1), x = PLACE(EK_FLOAT32, "x", -1, 2);
    ek_tensor l = PLACE(EK_INT64, "l", -1, -1), y = PLACE(EK_FLOAT32, "y", -1, 2, 1);
    ek_tensor loss = ek_losses_sparse_softmax_cross_entropy(c, x);
    ek_tensor three = ek_sparse_softmax_cross_entropy_with_logits(l, y);

    (void)state;
    expect_refused_run(loss, c, ek_array_of(EK_INT64, EK_SHAPE(3), (int64_t[]){ 0, 4, 2 }), x,
                       FLOATS(EK_SHAPE(3, 2), 1, 2, 3, 4, 5, 6),
                       "Received a label value of 4 which is outside the valid range of [0, 2).  Label values: 0 4 2");
    expect_refused_run(loss, c, ek_array_of(EK_INT64, EK_SHAPE(3), (int64_t[]){ 0, 4, -1 }), x,
                       FLOATS(EK_SHAPE(3, 2), 1, 2, 3, 4, 5, 6),
                       "Received a label value of -1 which is outside the valid range of [0, 2).  Label values: 0 4 -1");
    expect_refused_run(three, l, ek_array_of(EK_INT64, EK_SHAPE(1, 1), (int64_t[]){ 0 }), y,
                       FLOATS(EK_SHAPE(1, 2, 1), 1, 2),
                       "assertion failed: [Condition x == y did not hold element-wise:] "
                       "[x (SparseSoftmaxCrossEntropyWithLogits/Shape_1:0) = ] [1 1] "
                       "[y (SparseSoftmaxCrossEntropyWithLogits/strided_slice:0) = ] [1 2]");
    ek_graph_destroy(g);
}

/* ---- without memory ------------------------------------------------------------------------------------- */

static ek_status build_and_run(ek_graph *g)
{
    ek_array *v = FLOATS(EK_SHAPE(2, 1), 1, 0), *out = NULL;
    ek_tensor q, w;
    ek_session *s = NULL;
    ek_status st;

    if (v == NULL) return EK_RESOURCE_EXHAUSTED;
    q = PLACE(EK_FLOAT32, "q", -1, 1);
    w = ANY(EK_FLOAT32, "w");
    ek_losses_mean_squared_error(q, q, .weights = EK_OPERAND(w));
    ek_losses_softmax_cross_entropy(q, q, .label_smoothing = 0.1);
    ek_losses_sparse_softmax_cross_entropy(ek_cast(w, EK_INT64), q);
    ek_losses_get_total_loss(g);
    st = ek_graph_status(g, NULL);
    if (st == EK_OK) s = ek_session_create(g);
    if (st == EK_OK && s == NULL) st = EK_RESOURCE_EXHAUSTED;
    if (st == EK_OK)
        st = ek_run(s, .feed = { { q, v }, { w, v } },
                    .fetch = { { ek_list_tensor(ek_losses_get_losses(g, NULL), 0), &out } });
    ek_array_unref(out);
    ek_array_unref(v);
    ek_session_destroy(s);
    return st;
}

static void without_memory_there_is_an_error_and_no_leak(void **state)
{
    (void)state;
    ek_test_refuse_each_on_graph(build_and_run, 1500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_each_as_tensorflow),
        cmocka_unit_test(losses_weights_as_tensorflow),
        cmocka_unit_test(losses_reductions_as_tensorflow),
        cmocka_unit_test(losses_cross_entropy_as_tensorflow),
        cmocka_unit_test(losses_total_as_tensorflow),
        cmocka_unit_test(losses_in_cond_as_tensorflow),
        cmocka_unit_test(gradients_of_losses_are_tensorflows),
        cmocka_unit_test(losses_refuse_in_tensorflows_words),
        cmocka_unit_test(numbers_that_are_none_and_other_graphs_are_refused),
        cmocka_unit_test(options_of_other_losses_are_refused),
        cmocka_unit_test(cross_entropies_refuse_labels_that_do_not_fit),
        cmocka_unit_test(a_loss_of_numbers_alone_has_no_graph),
        cmocka_unit_test(hostile_operands_give_dead_losses),
        cmocka_unit_test(weights_are_checked_when_it_runs),
        cmocka_unit_test(labels_are_checked_when_it_runs),
        cmocka_unit_test(without_memory_there_is_an_error_and_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
