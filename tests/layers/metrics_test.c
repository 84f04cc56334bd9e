/* tests/layers/metrics_test.c - tf.metrics and in_top_k: TensorFlow's nodes, collections and values over several batches, its
 * words where something does not fit, and what lack of memory leaves. The programs are those of tools/make_loss_goldens.py,
 * line by line.
 */
#include "support/building.h"
#include "support/made.h"

#define FLOATS(shape, ...) ek_array_of(EK_FLOAT32, shape, (float[]){ __VA_ARGS__ })
#define PLACE(type, place_name, ...) ek_placeholder(g, type, .shape = EK_SHAPE(__VA_ARGS__), .name = place_name)
#define ANY(type, place_name) ek_placeholder(g, type, .name = place_name)

/* ---- programs -------------------------------------------------------------------------------------- */

static void metrics_mean(ek_graph *g)
{
    ek_tensor v = PLACE(EK_FLOAT32, "v", -1, 3), k = PLACE(EK_INT32, "k", 2, 3), u = ANY(EK_FLOAT32, "u");
    ek_tensor w = PLACE(EK_FLOAT32, "w", -1, 1), w1 = PLACE(EK_FLOAT32, "w1", -1), wu = ANY(EK_FLOAT32, "wu");
    ek_tensor x = ANY(EK_FLOAT32, "x");
    ek_array *column = FLOATS(EK_SHAPE(2, 1), 1, 0.5);

    ek_metrics_mean(v);
    ek_metrics_mean(k, .weights = EK_OPERAND(2.0));
    ek_metrics_mean(v, .weights = EK_OPERAND(w), .metrics_collections = EK_KEYS("mine"),
                    .updates_collections = EK_KEYS("ups", "more"), .name = "weighed");
    ek_metrics_mean(u, .weights = EK_OPERAND(wu));
    ek_metrics_mean(u);
    ek_metrics_mean(w, .weights = EK_OPERAND(w1));
    ek_metrics_mean(x, .weights = EK_OPERAND(w));
    ek_metrics_mean_tensor(k);
    ek_metrics_mean_tensor(k, .weights = EK_OPERAND(column));
    ek_metrics_percentage_below(v, .threshold = EK_OPERAND(0.5), .weights = EK_OPERAND(w));
    ek_metrics_percentage_below(k, .threshold = EK_OPERAND(2), .name = "small");
    ek_array_unref(column);
}

static void metrics_pairs(ek_graph *g)
{
    ek_tensor y = PLACE(EK_FLOAT32, "y", -1, 3), p = PLACE(EK_FLOAT32, "p", -1, 3), c = PLACE(EK_INT64, "c", -1);
    ek_tensor d = PLACE(EK_INT32, "d", -1, 1), w = PLACE(EK_FLOAT32, "w", -1, 1), u = ANY(EK_INT64, "u");
    ek_array *by = FLOATS(EK_SHAPE(1, 3), 1, 0, 2);

    ek_with_variable_scope(g, "net") ek_metrics_accuracy(c, d);
    ek_metrics_accuracy(c, c, .weights = EK_OPERAND(w), .name = "acc");
    ek_metrics_accuracy(u, c, .weights = EK_OPERAND(w));
    ek_metrics_mean_absolute_error(y, p);
    ek_metrics_mean_squared_error(y, p, .weights = EK_OPERAND(w), .metrics_collections = EK_KEYS("mine"),
                                  .updates_collections = EK_KEYS("ups"));
    ek_metrics_root_mean_squared_error(y, p, .weights = EK_OPERAND(w), .metrics_collections = EK_KEYS("mine"),
                                       .updates_collections = EK_KEYS("ups"));
    ek_metrics_mean_relative_error(y, p, .normalizer = EK_OPERAND(y));
    ek_metrics_mean_relative_error(y, p, .normalizer = EK_OPERAND(by), .name = "relative");
    ek_metrics_mean_cosine_distance(y, p, .dim = 1);
    ek_metrics_mean_cosine_distance(y, p, .dim = 1, .weights = EK_OPERAND(w), .metrics_collections = EK_KEYS("mine"),
                                    .updates_collections = EK_KEYS("ups"));
    ek_array_unref(by);
}

static void metrics_count(ek_graph *g)
{
    ek_tensor y = PLACE(EK_FLOAT32, "y", -1, 3), p = PLACE(EK_FLOAT32, "p", -1, 3), b = PLACE(EK_BOOL, "b", -1);
    ek_tensor i = PLACE(EK_INT64, "i", -1, 1), w = PLACE(EK_FLOAT32, "w", -1, 3), v = ANY(EK_FLOAT32, "v");

    ek_metrics_true_positives(y, p);
    ek_metrics_false_positives(y, p, .weights = EK_OPERAND(w));
    ek_metrics_true_negatives(b, i, .weights = EK_OPERAND(2));
    ek_metrics_false_negatives(y, p, .weights = EK_OPERAND(v));
    ek_metrics_false_negatives(v, v, .weights = EK_OPERAND(w), .metrics_collections = EK_KEYS("mine"),
                               .updates_collections = EK_KEYS("ups"), .name = "fn");
    ek_metrics_precision(y, p);
    ek_metrics_precision(y, p, .weights = EK_OPERAND(w), .metrics_collections = EK_KEYS("mine"));
    ek_metrics_recall(b, i);
    ek_metrics_recall(y, p, .weights = EK_OPERAND(0.5), .updates_collections = EK_KEYS("ups"), .name = "r");
}

static void metrics_thresholds(ek_graph *g)
{
    ek_tensor y = PLACE(EK_BOOL, "y", -1), p = PLACE(EK_FLOAT32, "p", -1), y2 = PLACE(EK_INT32, "y2", 2, 2);
    ek_tensor p2 = PLACE(EK_FLOAT64, "p2", 2, 2), w = PLACE(EK_FLOAT32, "w", -1);
    ek_number_list t = EK_NUMBERS(0.25, 0.5, 0.75);

    ek_metrics_true_positives_at_thresholds(y, p, .thresholds = t);
    ek_metrics_false_positives_at_thresholds(y, p, .thresholds = EK_NUMBERS(0.5), .weights = EK_OPERAND(w));
    ek_metrics_true_negatives_at_thresholds(y2, p2, .thresholds = t, .weights = EK_OPERAND(2.0));
    ek_metrics_false_negatives_at_thresholds(y, p, .thresholds = t, .metrics_collections = EK_KEYS("mine"),
                                             .updates_collections = EK_KEYS("ups"));
    ek_metrics_precision_at_thresholds(y, p, .thresholds = t);
    ek_metrics_recall_at_thresholds(y2, p2, .thresholds = t, .name = "r");
    ek_metrics_sensitivity_at_specificity(y, p, .specificity = 0.5, .num_thresholds = 20);
    ek_metrics_specificity_at_sensitivity(y, p, .sensitivity = 0.5, .weights = EK_OPERAND(w), .num_thresholds = 10);
}

static void metrics_auc(ek_graph *g)
{
    ek_tensor y = PLACE(EK_BOOL, "y", -1), p = PLACE(EK_FLOAT32, "p", -1), w = PLACE(EK_FLOAT32, "w", -1);

    ek_metrics_auc(y, p, .num_thresholds = 30);
    ek_metrics_auc(y, p, .weights = EK_OPERAND(w), .num_thresholds = 12, .metrics_collections = EK_KEYS("mine"),
                   .updates_collections = EK_KEYS("ups"), .curve = "PR");
    ek_metrics_auc(y, p, .num_thresholds = 15, .curve = "PR", .summation_method = "careful_interpolation");
    ek_metrics_auc(y, p, .num_thresholds = 9, .summation_method = "minoring", .name = "low");
    ek_metrics_auc(y, p, .num_thresholds = 9, .summation_method = "majoring");
    ek_metrics_auc(y, p, .thresholds = EK_NUMBERS(0.75, 0.25, 0.5));
}

static void metrics_resource(ek_graph *g)
{
    ek_use_resource_variables(g, true);
    ek_tensor y = PLACE(EK_FLOAT32, "y", -1, 3), p = PLACE(EK_FLOAT32, "p", -1, 3);

    ek_metrics_mean_squared_error(y, p);
    ek_metrics_precision(y, p);
    ek_metrics_auc(y, p, .num_thresholds = 5);
    ek_metrics_recall_at_thresholds(y, p, .thresholds = EK_NUMBERS(0.5));
    ek_metrics_sensitivity_at_specificity(y, p, .specificity = 0.5, .num_thresholds = 4);
}

static void metrics_top_k(ek_graph *g)
{
    ek_tensor x = PLACE(EK_FLOAT32, "x", -1, 4), c = PLACE(EK_INT32, "c", -1), d = PLACE(EK_INT64, "d", -1);
    ek_tensor k = ek_placeholder(g, EK_INT64, .shape = EK_SCALAR, .name = "k");

    ek_in_top_k(x, c, 2);
    ek_in_top_k(x, d, k, .name = "best");
    ek_reduce_mean(ek_cast(ek_equal(ek_argmax(x, .axis = 1), d), EK_FLOAT32), .name = "accuracy");
}

static void metrics_at_k(ek_graph *g)
{
    ek_tensor x = PLACE(EK_FLOAT32, "x", -1, 5), y = PLACE(EK_INT64, "y", -1), y2 = PLACE(EK_INT64, "y2", -1, 2);
    ek_tensor i = PLACE(EK_INT32, "i", -1, 3), w = PLACE(EK_FLOAT32, "w", -1), u = ANY(EK_INT64, "u");

    ek_metrics_recall_at_k(y, x, .k = 2);
    ek_metrics_recall_at_k(y2, x, .k = 3, .weights = EK_OPERAND(w));
    ek_metrics_precision_at_k(y2, x, .k = 1, .weights = EK_OPERAND(0.5), .name = "p");
    ek_metrics_precision_at_top_k(y, i);
    ek_metrics_recall_at_top_k(u, i, .k = 3, .metrics_collections = EK_KEYS("mine"), .updates_collections = EK_KEYS("ups"));
    ek_metrics_precision_at_k(u, x, .k = 2);
}

#define MADE(program) \
    static void program##_as_tensorflow(void **state) \
    { \
        (void)state; \
        assert_true(made_same(#program, program)); \
    }
MADE(metrics_mean)
MADE(metrics_pairs)
MADE(metrics_count)
MADE(metrics_thresholds)
MADE(metrics_auc)
MADE(metrics_resource)
MADE(metrics_top_k)
MADE(metrics_at_k)

/* ---- what does not fit -------------------------------------------------------------------------------- */

#define REFUSED(text, ...)                                                                                   \
    do {                                                                                                     \
        ek_graph *g = ek_graph_create();                                                                     \
        ek_tensor a = PLACE(EK_FLOAT32, "a", 2, 3), b = PLACE(EK_FLOAT32, "b", 3, 2);                        \
        ek_array *three = FLOATS(EK_SHAPE(3), 1, 2, 3), *deep = FLOATS(EK_SHAPE(1, 1, 1, 1), 1);             \
        ek_metric m;                                                                                         \
        (void)a, (void)b;                                                                                    \
        m = __VA_ARGS__;                                                                                     \
        assert_false(ek_tensor_ok(m.value) || ek_tensor_ok(m.update_op));                                    \
        ek_array_unref(three);                                                                               \
        ek_array_unref(deep);                                                                                \
        expect_failure(g, text);                                                                             \
    } while (0)

static void metrics_refuse_in_tensorflows_words(void **state)
{
    (void)state;
    REFUSED("Shapes (3, 2) and (2, 3) are incompatible", ek_metrics_accuracy(a, b));
    REFUSED("Shapes (3, 2) and (2, 3) are incompatible", ek_metrics_recall(a, b));
    REFUSED("weights can not be broadcast to values. Mismatch at dim 0. values.shape=[2 3] weights.shape=[3 1].",
            ek_metrics_mean(a, .weights = EK_OPERAND(three)));
    REFUSED("weights can not be broadcast to values. values.rank=2. weights.rank=4. values.shape=(2, 3). "
            "weights.shape=(1, 1, 1, 1).", ek_metrics_mean_squared_error(a, a, .weights = EK_OPERAND(deep)));
    REFUSED(".  Tensor true_positives/Const:0 must have rank in (array(0, dtype=int32), array(2, dtype=int32)).  "
            "Received rank 4, shape (1, 1, 1, 1)",
            ek_metrics_true_positives(a, a, .weights = EK_OPERAND(deep)));
    REFUSED("curve must be either ROC or PR, AUC unknown", ek_metrics_auc(a, a, .curve = "AUC"));
    REFUSED("Invalid summation_method: simpson", ek_metrics_auc(a, a, .summation_method = "simpson"));
    REFUSED("`specificity` must be in the range [0, 1].",
            ek_metrics_sensitivity_at_specificity(a, a, .specificity = 1.5));
    REFUSED("`sensitivity` must be in the range [0, 1].",
            ek_metrics_specificity_at_sensitivity(a, a, .sensitivity = -0.5));
    REFUSED("auc needs 3 to 65536 thresholds, .num_thresholds is 2", ek_metrics_auc(a, a, .num_thresholds = 2));
    REFUSED("Unexpected labels shape (2, 3) for predictions shape (4,).",
            ek_metrics_precision_at_top_k(a, PLACE(EK_INT32, "c", 4)));
    REFUSED("zeros needs a shape that is fully known", ek_metrics_mean_tensor(PLACE(EK_FLOAT32, "c", -1, 3)));
}

static void options_that_lack_or_are_of_other_metrics_are_refused(void **state)
{
    (void)state;
    REFUSED("mean_cosine_distance() missing 1 required positional argument: 'dim'", ek_metrics_mean_cosine_distance(a, a));
    REFUSED("recall_at_k() missing 1 required positional argument: 'k'", ek_metrics_recall_at_k(a, a));
    REFUSED("percentage_below() missing 1 required positional argument: 'threshold'", ek_metrics_percentage_below(a));
    REFUSED("recall_at_thresholds() missing 1 required positional argument: 'thresholds'",
            ek_metrics_recall_at_thresholds(a, a));
    REFUSED("mean_relative_error() missing 1 required positional argument: 'normalizer'",
            ek_metrics_mean_relative_error(a, a));
    REFUSED("accuracy() got an unexpected keyword argument 'thresholds'",
            ek_metrics_accuracy(a, a, .thresholds = EK_NUMBERS(0.5)));
    REFUSED("precision() got an unexpected keyword argument 'num_thresholds'",
            ek_metrics_precision(a, a, .num_thresholds = 10));
    REFUSED("mean() got an unexpected keyword argument 'curve'", ek_metrics_mean(a, .curve = "PR"));
    REFUSED("accuracy() missing 1 required positional argument: 'predictions'",
            ek_metrics_accuracy_with(EK_OPERAND(a), &(ek_metric_options){ .size = sizeof(ek_metric_options),
                                                                          EK_METRIC_DEFAULTS }, EK_HERE));
    REFUSED("key 0 of .metrics_collections is NULL", ek_metrics_mean(a, .metrics_collections = EK_KEYS(NULL)));
}

/* ---- hostile operands -------------------------------------------------------------------------------------- */

typedef ek_metric (*metric_fn)(ek_operand labels, const ek_metric_options *o, ek_where where);
static ek_metric of_values(ek_operand labels, const ek_metric_options *o, ek_where where)
{
    ek_metric m = ek_metrics_mean_with(o, where);

    (void)labels;
    if (!ek_tensor_ok(m.value)) m = ek_metrics_mean_tensor_with(o, where);
    return ek_tensor_ok(m.value) ? m : ek_metrics_percentage_below_with(o, where);
}
#define EACH(f) ek_metrics_##f##_with,
static const metric_fn metrics[] = { EK_METRIC_BUILDERS(EACH) of_values };

/* Whatever else is required is given where the metric takes it: a refusal is what is wanted all the same. */
static void expect_nothing(ek_operand labels, ek_operand predictions, ek_operand weights, const char *name)
{
    for (size_t k = 0; k < sizeof metrics / sizeof metrics[0]; k++)
        for (int take = 0; take < 7; take++) {
            ek_metric_options o = { .size = sizeof o, EK_METRIC_DEFAULTS, .predictions = predictions, .weights = weights };
            ek_metric m;

            o.name = name;
            if (take == 1) o.thresholds = EK_NUMBERS(0.5);
            if (take == 2) o.dim = 0;
            if (take == 3) o.specificity = 0.5;
            if (take == 4) o.sensitivity = 0.5;
            if (take == 5) o.normalizer = predictions;
            if (take == 6) o.k = 1;
            m = metrics[k](labels, &o, EK_HERE);
            assert_false(ek_tensor_ok(m.update_op));
        }
}

static void hostile_operands_give_dead_metrics(void **state)
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
        case 0: expect_nothing(EK_OPERAND(dead), EK_OPERAND(dead), (ek_operand){ .kind = 0 }, NULL); break;
        case 1: expect_nothing(EK_OPERAND(far), EK_OPERAND(a), EK_OPERAND(far), NULL); break;
        case 2: expect_nothing(EK_OPERAND(a), EK_OPERAND(a), EK_OPERAND(dead), NULL); break;
        case 3: expect_nothing(EK_OPERAND(a), EK_OPERAND(a), EK_OPERAND(2.0), "a b"); break;
        case 4: expect_nothing(EK_OPERAND(a), EK_OPERAND("text"), EK_OPERAND(2.0), NULL); break;
        default: expect_nothing(EK_OPERAND(1), EK_OPERAND(2), EK_OPERAND(3), NULL); break;
        }
    }
    assert_false(ek_tensor_ok(ek_metrics_accuracy_with(EK_OPERAND(a), NULL, EK_HERE).value));
    ek_graph_destroy(g);
    ek_graph_destroy(other);
}

/* ---- running ------------------------------------------------------------------------------------------------ */

static double value_of(ek_session *s, ek_tensor t)
{
    ek_array *out = NULL;
    double v;

    if (ek_run(s, .fetch = { { t, &out } }) != EK_OK) fail_msg("%s", ek_last_error()->text);
    v = ek_array_get(out, 0);
    ek_array_unref(out);
    return v;
}

/* Zero before anything was added; the initializer of local variables begins anew. */
static void a_metric_begins_at_zero_and_anew(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_array *v = FLOATS(EK_SHAPE(2), 1, 3);
    ek_metric m = ek_metrics_mean(ek_constant(g, ek_value(v)));
    const ek_op init = ek_local_variables_initializer(g);
    ek_session *s;

    (void)state;
    ek_array_unref(v);
    expect_fine(g);
    s = ek_session_create(g);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(ek_run(s, .target = { init }), EK_OK);
        assert_true(value_of(s, m.value) == 0);
        assert_true(value_of(s, m.update_op) == 2);
        assert_true(value_of(s, m.update_op) == 2);
        assert_true(value_of(s, m.value) == 2);
    }
    assert_int_equal(ek_get_collection(g, EK_METRIC_VARIABLES).count, 2);
    const ek_variable total = ek_get_collection(g, EK_METRIC_VARIABLES).item[0].u.variable;
    assert_int_equal(ek_variable_synchronization(total), EK_SYNCHRONIZATION_ON_READ);
    assert_int_equal(ek_variable_aggregation(total), EK_AGGREGATION_SUM);
    assert_int_equal(ek_get_collection(g, EK_GLOBAL_VARIABLES).count, 0);
    assert_int_equal(ek_get_collection(g, EK_TRAINABLE_VARIABLES).count, 0);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* As in TensorFlow the check controls the cast to float32: predictions that need none are not checked. */
static void predictions_beyond_one_are_refused_when_it_runs(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_tensor p = PLACE(EK_FLOAT64, "p", -1);
    ek_metric m = ek_metrics_auc(ek_cast(p, EK_BOOL), p, .num_thresholds = 4);
    const ek_op init = ek_local_variables_initializer(g);
    ek_session *s = ek_session_create(g);
    ek_array *v = ek_array_of(EK_FLOAT64, EK_SHAPE(2), (double[]){ 0.5, 1.5 });
    const char *text = "assertion failed: [predictions must be in [0, 1]] [Condition x <= y did not hold element-wise:] "
                       "[x (p:0) = ] [0.5 1.5] [y (auc/Cast_1:0) = ] [1]";

    (void)state;
    assert_int_equal(ek_run(s, .target = { init }), EK_OK);
    assert_int_equal(ek_run(s, .feed = { { p, v } }, .target = { ek_tensor_op(m.update_op) }), EK_INVALID_ARGUMENT);
    if (strncmp(ek_last_error()->text, text, strlen(text)) != 0) fail_msg("%s", ek_last_error()->text);
    ek_array_unref(v);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* ---- without memory ------------------------------------------------------------------------------------------- */

static ek_status build_and_run(ek_graph *g)
{
    ek_array *v = FLOATS(EK_SHAPE(2), 1, 0);
    ek_metric auc, recall;
    ek_session *s = NULL;
    ek_status st;
    ek_tensor p;
    ek_op init;

    if (v == NULL) return EK_RESOURCE_EXHAUSTED;
    p = PLACE(EK_FLOAT32, "p", -1);
    auc = ek_metrics_auc(p, p, .num_thresholds = 3);
    recall = ek_metrics_recall(p, p, .weights = EK_OPERAND(p));
    init = ek_local_variables_initializer(g);
    st = ek_graph_status(g, NULL);
    if (st == EK_OK) s = ek_session_create(g);
    if (st == EK_OK && s == NULL) st = EK_RESOURCE_EXHAUSTED;
    if (st == EK_OK) st = ek_run(s, .target = { init });
    if (st == EK_OK)
        st = ek_run(s, .feed = { { p, v } }, .target = { ek_tensor_op(auc.update_op), ek_tensor_op(recall.update_op) });
    ek_array_unref(v);
    ek_session_destroy(s);
    return st;
}

static void without_memory_there_is_an_error_and_no_leak(void **state)
{
    (void)state;
    ek_test_refuse_each_on_graph(build_and_run, 2500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_mean_as_tensorflow),
        cmocka_unit_test(metrics_pairs_as_tensorflow),
        cmocka_unit_test(metrics_count_as_tensorflow),
        cmocka_unit_test(metrics_thresholds_as_tensorflow),
        cmocka_unit_test(metrics_auc_as_tensorflow),
        cmocka_unit_test(metrics_resource_as_tensorflow),
        cmocka_unit_test(metrics_top_k_as_tensorflow),
        cmocka_unit_test(metrics_at_k_as_tensorflow),
        cmocka_unit_test(metrics_refuse_in_tensorflows_words),
        cmocka_unit_test(options_that_lack_or_are_of_other_metrics_are_refused),
        cmocka_unit_test(hostile_operands_give_dead_metrics),
        cmocka_unit_test(a_metric_begins_at_zero_and_anew),
        cmocka_unit_test(predictions_beyond_one_are_refused_when_it_runs),
        cmocka_unit_test(without_memory_there_is_an_error_and_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
