/* tests/layers/batch_normalization_test.c - what the layer refuses, in which order and words, and what it
 * names and collects. Its graphs are held against TensorFlow's in tests/goldens. */
#include "support/building.h"

static ek_graph *graph;
static ek_tensor x; /* (?, 3) */

static int begin(void **state)
{
    (void)state;
    graph = ek_graph_create();
    if (graph == NULL) return 1;
    x = ek_placeholder(graph, EK_FLOAT32, .shape = EK_SHAPE(-1, 3), .name = "x");
    return 0;
}

/* ---- refusals ---------------------------------------------------------------------------------- */

static void no_axes_are_refused(void **state)
{
    (void)state;
    ek_batch_normalization(x, .axes = { .count = 0 });
    expect_failure(graph, "list index out of range: axes is an empty list");
}

static void unknown_clipping_keys_are_refused_only_with_renorm(void **state)
{
    (void)state;
    ek_batch_normalization(x, .renorm_clipping = { { "zmax", 1.0 } });
    expect_fine(graph);
    ek_batch_normalization(x, .renorm = true, .renorm_clipping = { { "rmax", 3.0 }, { "zmax", 0.5 } });
    expect_failure(graph, "renorm_clipping {'rmax': 3.0, 'zmax': 0.5} contains keys not in ['rmax', 'rmin', 'dmax']");
}

static void unknown_rank_and_scalars_are_refused(void **state)
{
    (void)state;
    ek_batch_normalization(ek_placeholder(graph, EK_FLOAT32));
    expect_failure(graph, "('Input has undefined rank:', TensorShape(None))");
    graph = ek_graph_create();
    ek_batch_normalization(ek_placeholder(graph, EK_FLOAT32, .shape = EK_SCALAR));
    expect_failure(graph, "('Input has undefined rank:', TensorShape([]))");
}

static void axes_outside_are_refused(void **state)
{
    (void)state;
    ek_batch_normalization(x, .axis = 2);
    expect_failure(graph, "Invalid axis: 2");
    assert_int_equal(begin(NULL), 0);
    ek_batch_normalization(x, .axis = -3);
    expect_failure(graph, "Invalid axis: -1");
}

static void an_axis_given_twice_is_refused(void **state)
{
    (void)state;
    ek_batch_normalization(x, .axes = EK_AXES(1, -1));
    expect_failure(graph, "Duplicate axis: [1, 1]");
}

static void virtual_batches_are_checked(void **state)
{
    (void)state;
    ek_batch_normalization(x, .virtual_batch_size = 0);
    expect_failure(
        graph, "virtual_batch_size must be a positive integer that divides the true batch size of the input Tensor");
    assert_int_equal(begin(NULL), 0);
    ek_batch_normalization(ek_placeholder(graph, EK_FLOAT32, .shape = EK_SHAPE(4, 3)), .axis = 0,
                           .virtual_batch_size = 2);
    expect_failure(graph,
                   "When using virtual_batch_size, the batch dimension must be 0 and thus axis cannot include 0");
}

static void no_adjustment(ek_tensor shape, ek_tensor *scale, ek_tensor *offset, void *arg)
{
    (void)arg;
    *scale = *offset = shape;
}

static void virtual_batches_exclude_an_adjustment(void **state)
{
    (void)state;
    ek_batch_normalization(x, .virtual_batch_size = 2, .adjustment = { no_adjustment, NULL });
    expect_failure(graph, "When using virtual_batch_size, adjustment cannot be specified");
}

static void an_axis_of_unknown_size_is_refused(void **state)
{
    (void)state;
    ek_batch_normalization(ek_placeholder(graph, EK_FLOAT32, .shape = EK_SHAPE(4, -1)));
    expect_failure(
        graph, "('Input has undefined `axis` dimension. Input shape: ', TensorShape([Dimension(4), Dimension(None)]))");
}

static void integers_fail_in_the_first_mixed_operation(void **state)
{
    (void)state;
    ek_batch_normalization(ek_placeholder(graph, EK_INT32, .shape = EK_SHAPE(-1, 3)), .training = EK_TRUE);
    expect_failure(graph, "Input 'y' of 'AddV2' Op has type float32 that does not match type int32 of argument 'x'.");
}

static void a_float64_image_fails_in_the_fused_operation(void **state)
{
    (void)state;
    ek_batch_normalization(ek_placeholder(graph, EK_FLOAT64, .shape = EK_SHAPE(-1, 4, 4, 3)));
    expect_failure(
        graph,
        "Value passed to parameter 'x' has DataType float64 not in list of allowed values: float16, bfloat16, float32");
}

static void training_must_be_zero_or_one(void **state)
{
    (void)state;
    ek_batch_normalization(x, .training = EK_TRAINING(2));
    expect_failure(graph, "`pred` must be a Tensor, or a Python bool, or 1 or 0. Found instead: <class 'int'>");
}

static void training_that_is_no_bool_fails_in_switch(void **state)
{
    (void)state;
    ek_batch_normalization(x, .training = ek_placeholder(graph, EK_INT32, .shape = EK_SCALAR));
    expect_failure(graph, "Input 'pred' of 'Switch' Op has type int32 that does not match expected type of bool.");
}

static void a_name_taken_is_refused(void **state)
{
    (void)state;
    ek_batch_normalization(x, .name = "bn");
    expect_fine(graph);
    ek_batch_normalization(x, .name = "bn");
    assert_int_equal(ek_graph_status(graph, NULL), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(ek_last_error()->text, "Variable bn/gamma already exists, disallowed."));
    ek_graph_destroy(graph);
}

static void reuse_without_a_name_finds_nothing(void **state)
{
    (void)state;
    ek_batch_normalization(x, .reuse = EK_REUSE);
    expect_failure(
        graph,
        "Variable batch_normalization/gamma does not exist, or was not created with tf.get_variable(). Did you mean "
        "to set reuse=tf.AUTO_REUSE in VarScope?");
}

static void an_unknown_mode_of_reuse_is_refused(void **state)
{
    (void)state;
    ek_batch_normalization(x, .name = "bn", .reuse = (ek_reuse)7);
    expect_failure(graph, "The reuse parameter must be True or False or None.");
}

static void the_failure_has_the_callers_line(void **state)
{
    ek_error err = { 0 };
    const int line = __LINE__ + 1;
    ek_batch_normalization(x, .axis = 9);

    (void)state;
    assert_int_equal(ek_graph_status(graph, &err), EK_INVALID_ARGUMENT);
    assert_int_equal(err.line, line);
    assert_string_equal(err.file, __FILE__);
    ek_graph_destroy(graph);
}

/* ---- a layer called again ---------------------------------------------------------------------------- */

static void later_inputs_must_fit_the_first(void **state)
{
    static const struct { int rank; int64_t dim[3]; const char *text; } bad[] = {
        { 3, { -1, 3, 3 }, "expected ndim=2, found ndim=3. Full shape received: [None, 3, 3]" },
        { 2, { -1, 4 }, "expected axis 1 of input shape to have value 3 but received input with shape [None, 4]" },
        { -1, { 0 }, "its rank is undefined, but the layer requires a defined rank." },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[256];
        ek_batch_norm *layer = ek_batch_norm_layer(graph);
        ek_shape shape = { .rank = bad[i].rank };
        memcpy(shape.dim, bad[i].dim, sizeof bad[i].dim);
        ek_batch_norm_call(layer, x);
        ek_batch_norm_call(layer, ek_placeholder(graph, EK_FLOAT32, .shape = EK_SHAPE(-1, -1)));
        expect_fine(graph);
        ek_batch_norm_call(layer, ek_placeholder(graph, EK_FLOAT32, .shape = shape));
        snprintf(text, sizeof text, "Input 0 of layer batch_normalization is incompatible with the layer: %s",
                 bad[i].text);
        expect_failure(graph, text);
        assert_int_equal(begin(NULL), 0);
    }
    ek_graph_destroy(graph);
}

static void a_layer_shows_its_variables(void **state)
{
    ek_batch_norm *layer = ek_batch_norm_layer(graph, .center = false, .name = "norm");

    (void)state;
    assert_false(ek_variable_ok(ek_batch_norm_gamma(layer)));
    ek_batch_norm_call(layer, x, .training = EK_TRUE);
    expect_fine(graph);
    assert_string_equal(ek_variable_name(ek_batch_norm_gamma(layer)), "norm/gamma:0");
    assert_string_equal(ek_variable_name(ek_batch_norm_moving_variance(layer)), "norm/moving_variance:0");
    assert_false(ek_variable_ok(ek_batch_norm_beta(layer)));
    ek_graph_destroy(graph);
}

/* A layer object with a name takes it as a default: the second of that name is numbered. */
static void layer_objects_number_their_names(void **state)
{
    ek_batch_norm *a = ek_batch_norm_layer(graph, .name = "norm"), *b = ek_batch_norm_layer(graph, .name = "norm");

    (void)state;
    ek_batch_norm_call(a, x);
    ek_batch_norm_call(b, x);
    expect_fine(graph);
    assert_string_equal(ek_variable_name(ek_batch_norm_gamma(b)), "norm_1/gamma:0");
    ek_graph_destroy(graph);
}

/* ---- names and collections -------------------------------------------------------------------------------- */

/* Two counters that part once a layer is made inside a name scope. */
static void default_names_of_scopes_and_variables_can_part(void **state)
{
    ek_tensor y;
    ek_list all;

    (void)state;
    ek_batch_normalization(x);
    ek_batch_normalization(x);
    ek_with_name_scope(graph, "ns")
        ek_batch_normalization(x);
    y = ek_batch_normalization(x);
    expect_fine(graph);
    all = ek_global_variables(graph);
    assert_string_equal(ek_op_name(ek_tensor_op(y)), "batch_normalization_2/batchnorm/add_1");
    assert_string_equal(ek_item_name(graph, all.item[12]), "batch_normalization_3/gamma:0");
    ek_graph_destroy(graph);
}

static void update_ops_exist_empty_after_inference(void **state)
{
    (void)state;
    assert_int_equal(ek_collection_count(graph), 0);
    ek_batch_normalization(x);
    expect_fine(graph);
    assert_string_equal(ek_collection_key(graph, ek_collection_count(graph) - 1), EK_UPDATE_OPS);
    assert_int_equal(ek_get_collection(graph, EK_UPDATE_OPS).count, 0);
    ek_graph_destroy(graph);
}

static void regularizers_add_losses_for_new_variables_only(void **state)
{
    ek_list losses;

    (void)state;
    for (int i = 0; i < 2; i++)
        ek_batch_normalization(x, .name = "bn", .reuse = EK_AUTO_REUSE,
                               .gamma_regularizer = ek_l1_l2_regularizer(0.5, 0.25));
    expect_fine(graph);
    losses = ek_get_collection(graph, EK_REGULARIZATION_LOSSES);
    assert_int_equal(losses.count, 1);
    assert_string_equal(ek_item_name(graph, losses.item[0]), "bn/gamma/Regularizer/add_1:0");
    ek_graph_destroy(graph);
}

static void a_variable_as_training_is_always_dynamic(void **state)
{
    ek_variable flag = ek_variable_create(graph, ek_bool(true), .trainable = false, .name = "flag");

    (void)state;
    ek_batch_normalization(x, .training = EK_TRAINING(flag));
    expect_fine(graph);
    assert_string_equal(ek_item_name(graph, ek_get_collection(graph, EK_UPDATE_OPS).item[0]),
                        "batch_normalization/cond_2/Merge");
    ek_graph_destroy(graph);
}

/* A resource is read by Switch twice, once as if a reference were wanted, and again by pred_id. */
static void a_resource_as_training_is_read_where_it_is_used(void **state)
{
    ek_variable flag = ek_variable_create(graph, ek_bool(true), .trainable = false, .use_resource = EK_YES);
    int64_t from;
    ek_op op;
    ek_tensor y;

    (void)state;
    y = ek_batch_normalization(x, .training = EK_TRAINING(flag), .name = "bn");
    expect_fine(graph);
    assert_int_equal(ek_graph_op_by_name(graph, "bn/cond/Switch/Read/ReadVariableOp", &op), EK_OK);
    from = op.id;
    assert_string_equal(ek_op_name(ek_graph_op_at(graph, from + 1)), "bn/cond/Switch/Identity");
    assert_string_equal(ek_op_name(ek_graph_op_at(graph, from + 2)), "bn/cond/Switch/ReadVariableOp");
    assert_string_equal(ek_op_name(ek_graph_op_at(graph, from + 3)), "bn/cond/Switch");
    assert_int_equal(ek_op_input(ek_graph_op_at(graph, from + 3), 0).op, from);
    assert_int_equal(ek_op_input(ek_graph_op_at(graph, from + 3), 1).op, from + 2);
    assert_string_equal(ek_op_name(ek_graph_op_at(graph, from + 6)), "bn/cond/pred_id/ReadVariableOp");
    assert_string_equal(ek_op_name(ek_graph_op_at(graph, from + 7)), "bn/cond/pred_id");
    assert_true(ek_tensor_ok(y));
    ek_graph_destroy(graph);
}

static void a_constant_counts_by_truth(void **state)
{
    (void)state;
    ek_batch_normalization(x, .training = ek_constant(graph, ek_int(5)));
    expect_fine(graph);
    assert_string_equal(ek_item_name(graph, ek_get_collection(graph, EK_UPDATE_OPS).item[0]),
                        "batch_normalization/AssignMovingAvg");
    ek_graph_destroy(graph);
}

static void the_learning_phase_is_one_placeholder(void **state)
{
    ek_op phase;

    (void)state;
    ek_batch_normalization(x, .training = ek_learning_phase());
    ek_batch_normalization(x, .training = ek_learning_phase());
    expect_fine(graph);
    assert_int_equal(ek_graph_op_by_name(graph, "keras_learning_phase", &phase), EK_OK);
    assert_int_not_equal(ek_graph_op_by_name(graph, "keras_learning_phase_1", &phase), EK_OK);
    ek_graph_destroy(graph);
}

/* ---- without memory ------------------------------------------------------------------------------------------ */

static void build_some(ek_graph *g)
{
    ek_tensor in = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 3), .name = "x");
    ek_tensor image = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 2, 2, 3), .name = "image");
    ek_tensor flag = ek_placeholder_with_default(g, ek_bool(false), .name = "flag");

    ek_batch_normalization(in, .training = flag, .renorm = true, .renorm_clipping = { { "rmax", 3.0 } });
    ek_batch_normalization(image, .training = flag, .gamma_regularizer = ek_l2_regularizer(0.1));
    ek_batch_normalization(in, .virtual_batch_size = 2, .training = EK_TRUE);
}

static void running_out_of_memory_is_reported_and_leaks_nothing(void **state)
{
    ek_test_allocator t;
    ek_status st = EK_RESOURCE_EXHAUSTED;
    ek_error err;

    (void)state;
    ek_graph_destroy(graph);
    for (long k = 1; st != EK_OK && k < 100000; k += k < 300 ? 1 : 13) {
        ek_test_allocator_install(&t, k);
        ek_graph *g = ek_graph_create();
        err = (ek_error){ 0 };
        st = EK_RESOURCE_EXHAUSTED;
        if (g != NULL) {
            build_some(g);
            st = ek_graph_status(g, &err);
        }
        ek_graph_destroy(g);
        ek_test_allocator_remove();
        if (st != EK_OK && st != EK_RESOURCE_EXHAUSTED) fail_msg("allocation %ld: %s", k, err.text);
        if (t.live != 0) fail_msg("allocation %ld refused: %ld blocks leaked", k, t.live);
    }
    assert_int_equal(st, EK_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, begin)
    const struct CMUnitTest tests[] = {
        TEST(no_axes_are_refused),
        TEST(unknown_clipping_keys_are_refused_only_with_renorm),
        TEST(unknown_rank_and_scalars_are_refused),
        TEST(axes_outside_are_refused),
        TEST(an_axis_given_twice_is_refused),
        TEST(virtual_batches_are_checked),
        TEST(virtual_batches_exclude_an_adjustment),
        TEST(an_axis_of_unknown_size_is_refused),
        TEST(integers_fail_in_the_first_mixed_operation),
        TEST(a_float64_image_fails_in_the_fused_operation),
        TEST(training_must_be_zero_or_one),
        TEST(training_that_is_no_bool_fails_in_switch),
        TEST(a_name_taken_is_refused),
        TEST(reuse_without_a_name_finds_nothing),
        TEST(an_unknown_mode_of_reuse_is_refused),
        TEST(the_failure_has_the_callers_line),
        TEST(later_inputs_must_fit_the_first),
        TEST(a_layer_shows_its_variables),
        TEST(layer_objects_number_their_names),
        TEST(default_names_of_scopes_and_variables_can_part),
        TEST(update_ops_exist_empty_after_inference),
        TEST(regularizers_add_losses_for_new_variables_only),
        TEST(a_variable_as_training_is_always_dynamic),
        TEST(a_resource_as_training_is_read_where_it_is_used),
        TEST(a_constant_counts_by_truth),
        TEST(the_learning_phase_is_one_placeholder),
        TEST(running_out_of_memory_is_reported_and_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
