/* tests/layers/layers_test.c - what layers refuse, in TensorFlow's words where it has them, and what they collect. Their
 * graphs and numbers are held against TensorFlow's in layers.goldens. */
#include "support/building.h"

#include <math.h>

static ek_graph *graph;

static ek_tensor input(ek_shape shape)
{
    graph = ek_graph_create();
    assert_non_null(graph);
    return ek_placeholder(graph, EK_FLOAT32, .shape = shape, .name = "x");
}
#define ROWS input(EK_SHAPE(-1, 3))
#define IMAGES input(EK_SHAPE(-1, 8, 8, 3))

/* ---- dense -------------------------------------------------------------------------------------- */

static void dense_refuses(void **state)
{
    (void)state;
    ek_dense(input(EK_UNKNOWN_SHAPE), 3);
    expect_failure(graph, "Input 0 of layer dense is incompatible with the layer: its rank is undefined, but the layer "
                          "requires a defined rank.");
    ek_dense(input(EK_SHAPE(5)), 3);
    expect_failure(graph, "Input 0 of layer dense is incompatible with the layer: : expected min_ndim=2, found ndim=1. "
                          "Full shape received: [5]");
    ek_dense(input(EK_SHAPE(2, -1)), 3);
    expect_failure(graph, "The last dimension of the inputs to `Dense` should be defined. Found `None`.");
    ek_dense(ROWS, 0);
    expect_failure(graph, "Received an invalid value for `units`, expected a positive integer, got 0.");
    input(EK_SCALAR);
    ek_dense(ek_placeholder(graph, EK_INT32, .shape = EK_SHAPE(2, 3)), 3);
    expect_failure(graph, "Unable to build `Dense` layer with non-floating point dtype <dtype: 'int32'>");
    ek_dense(ROWS, 3, .kernel_initializer = ek_initial_value(1.0));
    expect_failure(graph, "a layer's initializer must be an initializer, not a value");
}

static ek_tensor no_activation(const ek_unary_options *o, ek_where where)
{
    (void)o;
    (void)where;
    return (ek_tensor){ graph, -1, 0 };
}

static void what_goes_wrong_inside_is_told_where_it_is(void **state)
{
    (void)state;
    ek_dense(ROWS, 3, .activation = no_activation);
    expect_failure(graph, "the activation of layer dense gave a tensor that is dead or of another graph");
    ek_dense(ROWS, 3, .kernel_regularizer = ek_l2_regularizer(NAN));
    expect_failure(graph, "l2 of a regularizer is nan; it must be a finite number");
    ek_conv2d_with(IMAGES, NULL, EK_HERE);
    expect_failure(graph, "conv2d was given no options: NULL");
    ek_conv2d_transpose(IMAGES, 3, 2, .strides = 3000000000LL);
    expect_failure(graph, "strides of 3000000000: at most 2147483647 is possible");
}

static void a_dead_input_is_told_of(void **state)
{
    (void)state;
    ek_tensor dead = input(EK_SCALAR);

    dead.op = -1;
    ek_dense(dead, 3, .name = "logits");
    expect_failure(graph, "the input of layer logits is dead: the call that made it failed");
    dead.graph = NULL;
    assert_false(ek_tensor_ok(ek_dense(dead, 3)));
}

static void a_failed_graph_stays_as_it_is(void **state)
{
    (void)state;
    ek_tensor y = ek_dense(input(EK_SHAPE(2, -1)), 3);
    const int64_t n = ek_graph_op_count(graph);

    assert_false(ek_tensor_ok(y));
    assert_false(ek_tensor_ok(ek_flatten(ek_dense(y, 4))));
    assert_int_equal(ek_graph_op_count(graph), n);
    ek_graph_destroy(graph);
}

static void names_taken_and_missing_are_refused(void **state)
{
    (void)state;
    ek_dense(ek_dense(ROWS, 3, .name = "d"), 3, .name = "d");
    assert_int_equal(ek_graph_status(graph, NULL), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(ek_last_error()->text, "Variable d/kernel already exists, disallowed."));
    ek_graph_destroy(graph);
    ek_conv2d(IMAGES, 3, 3, .name = "c", .reuse = EK_REUSE);
    assert_int_equal(ek_graph_status(graph, NULL), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(ek_last_error()->text, "Variable c/kernel does not exist"));
    ek_graph_destroy(graph);
}

static ek_tensor half(ek_variable v, void *arg) { return (void)arg, ek_l2_loss(v); }

static void a_regularizer_of_variables_takes_no_activity(void **state)
{
    (void)state;
    ek_dense(ROWS, 3, .activity_regularizer = ek_custom_regularizer(half, NULL));
    expect_failure(graph, "a regularizer of variables was given for a tensor; make it with "
                          "ek_custom_activity_regularizer()");
}

/* ---- convolutions ------------------------------------------------------------------------------- */

static void convolutions_refuse_ranks_and_channels(void **state)
{
    (void)state;
    ek_conv2d(ROWS, 3, 3);
    expect_failure(graph, "Input 0 of layer conv2d is incompatible with the layer: expected ndim=4, found ndim=2. Full "
                          "shape received: [None, 3]");
    ek_conv1d(IMAGES, 3, 3, .name = "net/c");
    expect_failure(graph, "Input 0 of layer c is incompatible with the layer: expected ndim=3, found ndim=4. Full shape "
                          "received: [None, 8, 8, 3]");
    ek_conv2d(input(EK_SHAPE(2, 8, 8, -1)), 3, 3);
    expect_failure(graph, "The channel dimension of the inputs should be defined. Found `None`.");
    ek_conv3d(input(EK_SHAPE(2, -1, 8, 8, 3)), 3, 3, .data_format = "channels_first");
    expect_failure(graph, "The channel dimension of the inputs should be defined. Found `None`.");
}

static void convolutions_refuse_windows(void **state)
{
    (void)state;
    ek_conv2d(IMAGES, 0, 3);
    expect_failure(graph, "Invalid value for argument `filters`. Expected a strictly positive value. Received filters=0.");
    ek_conv2d(IMAGES, 3);
    expect_failure(graph, "The argument `kernel_size` cannot contain 0(s). Received: (0, 0)");
    ek_conv2d(IMAGES, 3, .kernel_dims = { 3, -2 });
    expect_failure(graph, "The `kernel_size` argument must be a tuple of 2 integers. Received: (3, -2) including {-2} that "
                          "does not satisfy the requirement `> 0`.");
    ek_conv2d(IMAGES, 3, .kernel_dims = { 3, 3, 3 });
    expect_failure(graph, "The `kernel_size` argument must be a tuple of 2 integers. Received: (3, 3, 3)");
    ek_conv2d(IMAGES, 3, 3, .stride_dims = { 2 });
    expect_failure(graph, "The `strides` argument must be a tuple of 2 integers. Received: (2,)");
    ek_conv2d(IMAGES, 3, 3, .strides = 0);
    expect_failure(graph, "all values of strides must be positive");
    ek_conv2d(IMAGES, 3, 3, .dilation_dims = { 2, -1 });
    expect_failure(graph, "all values of dilation_rate must be positive");
    ek_conv2d(IMAGES, 3, 3, .strides = 2, .dilation_rate = 2);
    expect_failure(graph, "strides > 1 not supported in conjunction with dilation_rate > 1");
    ek_conv2d(IMAGES, 3, 70000, .dilation_rate = 70000);
    expect_failure(graph, "a window of 70000 points 70000 apart is too large");
}

static void convolutions_refuse_words(void **state)
{
    (void)state;
    ek_conv2d(IMAGES, 3, 3, .padding = "full");
    expect_failure(graph, "The `padding` argument must be a list/tuple or one of \"valid\", \"same\" (or \"causal\", only "
                          "for `Conv1D). Received: full");
    ek_conv2d(IMAGES, 3, 3, .padding = "causal");
    expect_failure(graph, "Causal padding is only supported for `Conv1D` and `SeparableConv1D`.");
    ek_conv2d(IMAGES, 3, 3, .padding = NULL);
    expect_failure(graph, "The `padding` argument must be a list/tuple or one of \"valid\", \"same\" (or \"causal\", only "
                          "for `Conv1D). Received: None");
    ek_conv2d(IMAGES, 3, 3, .data_format = "NHWC");
    expect_failure(graph, "The `data_format` argument must be one of \"channels_first\", \"channels_last\". Received: NHWC");
}

/* Sizes that no arithmetic has room for are an error. */
static void sizes_beyond_reason_do_no_harm(void **state)
{
    (void)state;
    ek_conv2d(IMAGES, INT64_MAX, 3);
    assert_int_equal(ek_graph_status(graph, NULL), EK_INVALID_ARGUMENT);
    ek_graph_destroy(graph);
    ek_conv2d(IMAGES, 3, INT64_MAX);
    expect_failure(graph, "a window of 9223372036854775807 points 1 apart is too large");
    ek_conv2d(input(EK_SHAPE(1, INT64_MAX, 8, 3)), 3, 3, .padding = "same", .dilation_rate = 2);
    expect_failure(graph, "the dimension 9223372036854775807 does not fit into int32");
    ek_conv2d_transpose(input(EK_SHAPE(1, INT64_MAX, 8, 3)), 3, 3, .strides = 2);
    expect_failure(graph, "the dimension 9223372036854775807 does not fit into int32");
    ek_dense(input(EK_SHAPE(INT64_MAX, INT64_MAX, 3)), 3);
    assert_int_equal(ek_graph_status(graph, NULL), EK_INVALID_ARGUMENT);
    ek_graph_destroy(graph);
}

static void an_image_smaller_than_the_window_is_refused(void **state)
{
    (void)state;
    ek_conv2d(IMAGES, 3, 9);
    assert_int_equal(ek_graph_status(graph, NULL), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(ek_last_error()->text, "Negative dimension size caused by subtracting 9 from 8"));
    ek_graph_destroy(graph);
}

static void transposed_convolutions_refuse(void **state)
{
    (void)state;
    ek_conv2d_transpose(ROWS, 3, 3);
    expect_failure(graph, "Input 0 of layer conv2d_transpose is incompatible with the layer: expected ndim=4, found ndim=2. "
                          "Full shape received: [None, 3]");
    ek_conv2d_transpose(IMAGES, 3, 3, .dilation_rate = 2);
    expect_failure(graph, "dilation_rate is no argument of conv2d_transpose");
    ek_conv3d_transpose(input(EK_SHAPE(2, 8, 8, 8, -1)), 3, 3);
    expect_failure(graph, "The channel dimension of the inputs should be defined. Found `None`.");
}

static void transposed_convolutions_know_their_shape(void **state)
{
    (void)state;
    const ek_shape s = ek_tensor_shape(ek_conv2d_transpose(input(EK_SHAPE(-1, 5, -1, 3)), 4, 3, .strides = 2));

    assert_true(s.rank == 4 && s.dim[0] == -1 && s.dim[1] == 11 && s.dim[2] == -1 && s.dim[3] == 4);
    ek_graph_destroy(graph);
}

static void separable_convolutions_refuse(void **state)
{
    (void)state;
    ek_separable_conv2d(IMAGES, 3, 3, .depth_multiplier = 0);
    expect_failure(graph, "depth_multiplier must be positive, found 0");
    ek_separable_conv2d(IMAGES, 3, 3, .depth_multiplier = INT64_MAX);
    assert_int_equal(ek_graph_status(graph, NULL), EK_INVALID_ARGUMENT);
    ek_graph_destroy(graph);
    ek_separable_conv2d(IMAGES, 3, 3, .strides = 2, .dilation_rate = 2);
    expect_failure(graph, "strides > 1 not supported in conjunction with dilation_rate > 1");
    ek_separable_conv1d(IMAGES, 3, 3);
    expect_failure(graph, "Input 0 of layer separable_conv1d is incompatible with the layer: expected ndim=3, found ndim=4. "
                          "Full shape received: [None, 8, 8, 3]");
}

static void depthwise_refuses(void **state)
{
    (void)state;
    ek_tensor x = IMAGES;
    ek_nn_depthwise_conv2d(x, ek_placeholder(graph, EK_FLOAT32, .shape = EK_SHAPE(3, -1, 3, 1)));
    expect_failure(graph, "the filter of a depthwise convolution must be of rank 4 with a window of known size");
    x = IMAGES;
    ek_nn_depthwise_conv2d(x, ek_placeholder(graph, EK_FLOAT32, .shape = EK_SHAPE(3, 3, 3, 1)), .data_format = "NCWH");
    expect_failure(graph, "data_format must be \"NHWC\" or \"NCHW\", found \"NCWH\"");
    x = IMAGES;
    ek_nn_depthwise_conv2d(x, ek_placeholder(graph, EK_FLOAT32, .shape = EK_SHAPE(3, 3, 3, 1)),
                           .strides = { 1, 2, 2, 1 }, .rate = { 2, 2 });
    expect_failure(graph, "strides > 1 not supported in conjunction with dilation_rate > 1");
}

/* ---- pooling, flatten --------------------------------------------------------------------------- */

static void pooling_refuses(void **state)
{
    (void)state;
    ek_max_pooling2d(ROWS, 2, 2);
    expect_failure(graph, "Input 0 of layer max_pooling2d is incompatible with the layer: expected ndim=4, found ndim=2. "
                          "Full shape received: [None, 3]");
    ek_average_pooling2d(IMAGES, 2, 2, .padding = "causal");
    expect_failure(graph, "Causal padding is only supported for `Conv1D` and `SeparableConv1D`.");
    ek_max_pooling1d(input(EK_SHAPE(2, 5, 3)), 2, 2, .padding = "causal");
    expect_failure(graph, "pooling has no causal padding: \"valid\" or \"same\"");
    ek_average_pooling2d(IMAGES, 2, 2, .data_format = "last");
    expect_failure(graph, "The `data_format` argument must be one of \"channels_first\", \"channels_last\". Received: last");
    ek_average_pooling2d(IMAGES, 0, 1, .pool_dims = { 2, 2, 2 });
    expect_failure(graph, "The `pool_size` argument must be a tuple of 2 integers. Received: (2, 2, 2)");
    ek_max_pooling2d(IMAGES, 0, 1);
    assert_int_equal(ek_graph_status(graph, NULL), EK_INVALID_ARGUMENT);
    ek_graph_destroy(graph);
}

static void flatten_refuses(void **state)
{
    (void)state;
    ek_flatten(input(EK_SCALAR));
    expect_failure(graph, "Input 0 of layer flatten is incompatible with the layer: : expected min_ndim=1, found ndim=0. "
                          "Full shape received: []");
    ek_flatten(input(EK_UNKNOWN_SHAPE));
    expect_failure(graph, "Input 0 of layer flatten is incompatible with the layer: its rank is undefined, but the layer "
                          "requires a defined rank.");
    ek_flatten(ROWS, .data_format = "first");
    expect_failure(graph, "The `data_format` argument must be one of \"channels_first\", \"channels_last\". Received: first");
}

static void flatten_knows_its_columns(void **state)
{
    (void)state;
    const ek_shape known = ek_tensor_shape(ek_flatten(input(EK_SHAPE(-1, 4, 3))));

    assert_true(known.rank == 2 && known.dim[0] == -1 && known.dim[1] == 12);
    ek_graph_destroy(graph);
    const ek_shape open = ek_tensor_shape(ek_flatten(input(EK_SHAPE(-1, -1, 3))));
    assert_true(open.rank == 2 && open.dim[0] == -1 && open.dim[1] == -1);
    ek_graph_destroy(graph);
}

/* ---- dropout ------------------------------------------------------------------------------------ */

static void dropout_refuses_rates(void **state)
{
    (void)state;
    ek_dropout(ROWS, 1.0, .training = EK_TRUE);
    expect_failure(graph, "rate must be a scalar tensor or a float in the range [0, 1), got 1");
    ek_dropout(ROWS, -0.25, .training = EK_TRUE);
    expect_failure(graph, "rate must be a scalar tensor or a float in the range [0, 1), got -0.25");
    ek_dropout(ROWS, (double)NAN, .training = EK_TRUE);
    expect_failure(graph, "rate must be a scalar tensor or a float in the range [0, 1), got nan");
    ek_nn_dropout(ROWS);
    expect_failure(graph, "You must provide a rate to dropout.");
    ek_nn_dropout(ROWS, .rate = EK_OPERAND(0.5), .keep_prob = EK_OPERAND(0.5));
    expect_failure(graph, "Cannot specify both 'keep_prob' and 'rate'");
    ek_tensor x = ROWS;
    ek_nn_dropout(x, .rate = EK_OPERAND(x));
    expect_failure(graph, "Shape of the rate of dropout must have rank 0, found 2");
    x = ROWS;
    ek_nn_dropout(x, .rate = EK_OPERAND(ek_placeholder(graph, EK_FLOAT64, .shape = EK_SCALAR)));
    expect_failure(graph, "Tensor conversion requested dtype float32 for Tensor with dtype float64: the rate of dropout "
                          "must have the type of x");
}

static void dropout_refuses_inputs(void **state)
{
    (void)state;
    input(EK_SCALAR);
    ek_dropout(ek_placeholder(graph, EK_INT32, .shape = EK_SHAPE(3)), 0.5, .training = EK_TRUE);
    expect_failure(graph, "x has to be a floating point tensor since it's going to be scaled. Got a <dtype: 'int32'> "
                          "tensor instead.");
    ek_dropout(ROWS, 0.5, .noise_shape = EK_SHAPE(-1, 1), .training = EK_TRUE);
    expect_failure(graph, "Cannot convert a partially known TensorShape to a Tensor: noise_shape leaves dimensions open that "
                          "x does not know; give .noise_dims");
    ek_dropout(ROWS, 0.5, .training = EK_TRAINING(2));
    expect_failure(graph, "`pred` must be a Tensor, or a Python bool, or 1 or 0. Found instead: <class 'int'>");
}

/* ---- collections -------------------------------------------------------------------------------- */

static void variables_and_losses_are_collected(void **state)
{
    (void)state;
    ek_tensor x = ROWS;

    ek_dense(x, 2, .kernel_regularizer = ek_l2_regularizer(0.1), .activity_regularizer = ek_l1_regularizer(0.1), .name = "a");
    ek_dense(x, 2, .trainable = false, .use_bias = false, .bias_regularizer = ek_l2_regularizer(0.1), .name = "b");
    expect_fine(graph);
    char *all = ek_list_repr(ek_global_variables(graph)), *trained = ek_list_repr(ek_trainable_variables(graph));
    assert_string_equal(all, "[<tf.Variable 'a/kernel:0' shape=(3, 2) dtype=float32_ref>, <tf.Variable 'a/bias:0' shape=(2,) "
                             "dtype=float32_ref>, <tf.Variable 'b/kernel:0' shape=(3, 2) dtype=float32_ref>]");
    assert_string_equal(trained, "[<tf.Variable 'a/kernel:0' shape=(3, 2) dtype=float32_ref>, <tf.Variable 'a/bias:0' "
                                 "shape=(2,) dtype=float32_ref>]");
    ek_list losses = ek_get_collection(graph, EK_REGULARIZATION_LOSSES);
    assert_int_equal(losses.count, 2);
    assert_string_equal(ek_item_name(graph, losses.item[0]), "a/kernel/Regularizer/add:0");
    assert_string_equal(ek_item_name(graph, losses.item[1]), "a/ActivityRegularizer/truediv:0");
    ek_free(all);
    ek_free(trained);
    ek_graph_destroy(graph);
}

static void a_constraint_stays_with_its_variable(void **state)
{
    (void)state;
    ek_dense(ROWS, 2, .kernel_constraint = ek_non_neg_constraint());
    assert_non_null(ek_variable_constraint(ek_variable_by_name(graph, "dense/kernel")).call);
    assert_null(ek_variable_constraint(ek_variable_by_name(graph, "dense/bias")).call);
    ek_graph_destroy(graph);
}

/* ---- initializers ------------------------------------------------------------------------------- */

static void initializers_of_matrices_refuse_other_shapes(void **state)
{
    (void)state;
    input(EK_SCALAR);
    ek_get_variable(graph, "v", .shape = EK_SHAPE(3), .initializer = ek_orthogonal_initializer());
    expect_failure(graph, "The tensor to initialize must be at least two-dimensional");
    input(EK_SCALAR);
    ek_get_variable(graph, "v", .shape = EK_SHAPE(3, 3, 3), .initializer = ek_identity_initializer());
    expect_failure(graph, "Identity matrix initializer can only be used for 2D matrices.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_refuses),
        cmocka_unit_test(what_goes_wrong_inside_is_told_where_it_is),
        cmocka_unit_test(a_dead_input_is_told_of),
        cmocka_unit_test(a_failed_graph_stays_as_it_is),
        cmocka_unit_test(names_taken_and_missing_are_refused),
        cmocka_unit_test(a_regularizer_of_variables_takes_no_activity),
        cmocka_unit_test(convolutions_refuse_ranks_and_channels),
        cmocka_unit_test(convolutions_refuse_windows),
        cmocka_unit_test(convolutions_refuse_words),
        cmocka_unit_test(sizes_beyond_reason_do_no_harm),
        cmocka_unit_test(an_image_smaller_than_the_window_is_refused),
        cmocka_unit_test(transposed_convolutions_refuse),
        cmocka_unit_test(transposed_convolutions_know_their_shape),
        cmocka_unit_test(separable_convolutions_refuse),
        cmocka_unit_test(depthwise_refuses),
        cmocka_unit_test(pooling_refuses),
        cmocka_unit_test(flatten_refuses),
        cmocka_unit_test(flatten_knows_its_columns),
        cmocka_unit_test(dropout_refuses_rates),
        cmocka_unit_test(dropout_refuses_inputs),
        cmocka_unit_test(variables_and_losses_are_collected),
        cmocka_unit_test(a_constraint_stays_with_its_variable),
        cmocka_unit_test(initializers_of_matrices_refuse_other_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
