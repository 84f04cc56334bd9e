/* tests/layers/goldens_test.c - each layer makes TensorFlow's nodes and, run, gives TensorFlow's numbers. The files were
 * written by tools/make_layer_goldens.py, where each case stands in Python under the same name. */
#include "support/building.h"

#include <math.h>

#include "evenkeel/files.h"

static ek_tensor input(ek_graph *g, ek_shape shape, const char *name)
{
    return ek_placeholder(g, EK_FLOAT32, .shape = shape, .name = name);
}

/* ---- dense -------------------------------------------------------------------------------------- */

static void dense_rank3(ek_graph *g) { ek_dense(input(g, EK_SHAPE(2, 3, 4), "x"), 5, .activation = ek_tanh_with); }

static void dense_rank3_unknown(ek_graph *g)
{
    ek_dense(input(g, EK_SHAPE(-1, 3, 4), "x"), 5, .use_bias = false);
    ek_dense(input(g, EK_SHAPE(-1, -1, 2, 3), "z"), 2);
}

static ek_tensor largest(ek_tensor y, void *arg) { return (void)arg, ek_reduce_max(y); }

static void dense_options(ek_graph *g)
{
    ek_tensor x = input(g, EK_SHAPE(-1, 4), "x");

    ek_dense(x, 3, .activation = ek_relu_with, .kernel_initializer = ek_random_normal_initializer(.stddev = 0.5),
             .bias_initializer = ek_constant_initializer(0.25), .kernel_regularizer = ek_l2_regularizer(0.01),
             .bias_regularizer = ek_l2_regularizer(0.01), .activity_regularizer = ek_l1_l2_regularizer(0.1, 0.2),
             .name = "a");
    ek_dense(x, 3, .trainable = false, .name = "b");
    ek_dense(x, 3, .name = "b", .reuse = EK_REUSE);
    ek_dense(input(g, EK_SHAPE(2, 4), "z"), 3, .activation = ek_softmax_with, .name = "b", .reuse = EK_AUTO_REUSE,
             .activity_regularizer = ek_custom_activity_regularizer(largest, NULL));
}

static void dense_resource(ek_graph *g)
{
    ek_with_variable_scope(g, "r", .use_resource = EK_YES) {
        ek_dense(input(g, EK_SHAPE(-1, 4), "x"), 3);
        ek_dense(input(g, EK_SHAPE(1, 2, 4), "z"), 3);
    }
}

static void dense_float64(ek_graph *g)
{
    ek_dense(ek_placeholder(g, EK_FLOAT64, .shape = EK_SHAPE(-1, 4), .name = "x"), 3);
}

/* ---- convolutions ------------------------------------------------------------------------------- */

static void conv1d(ek_graph *g)
{
    ek_tensor x = input(g, EK_SHAPE(-1, 7, 2), "x");

    ek_conv1d(x, 3, 3, .strides = 2, .padding = "same", .activation = ek_relu_with);
    ek_conv1d(x, 3, 3, .padding = "causal", .use_bias = false);
}

static void conv1d_channels_first(ek_graph *g)
{
    ek_conv1d(input(g, EK_SHAPE(-1, 2, 7), "x"), 3, 3, .strides = 2, .data_format = "channels_first");
}

static void conv1d_dilated_causal(ek_graph *g)
{
    ek_conv1d(input(g, EK_SHAPE(-1, 7, 2), "x"), 3, 3, .padding = "causal", .dilation_rate = 2);
}

static void conv1d_resource(ek_graph *g)
{
    ek_with_variable_scope(g, "r", .use_resource = EK_YES) ek_conv1d(input(g, EK_SHAPE(-1, 7, 2), "x"), 3, 3);
}

static void conv2d(ek_graph *g)
{
    ek_tensor x = input(g, EK_SHAPE(-1, 7, 6, 2), "x");

    ek_conv2d(x, 3, .kernel_dims = { 3, 2 }, .stride_dims = { 2, 1 }, .padding = "SAME", .activation = ek_elu_with);
    ek_conv2d(x, 3, 3, .kernel_regularizer = ek_l2_regularizer(0.01), .use_bias = false);
}

static void conv2d_channels_first(ek_graph *g)
{
    ek_conv2d(input(g, EK_SHAPE(-1, 2, 7, 6), "x"), 3, 3, .strides = 2, .data_format = "channels_first");
}

static void conv2d_dilated_same(ek_graph *g)
{
    ek_conv2d(input(g, EK_SHAPE(-1, 7, 6, 2), "x"), 3, 3, .padding = "same", .dilation_rate = 2,
              .activation = ek_relu_with);
}

static void conv2d_dilated_unknown(ek_graph *g)
{
    ek_tensor x = input(g, EK_SHAPE(-1, -1, -1, 2), "x");

    ek_conv2d(x, 3, .kernel_dims = { 2, 3 }, .dilation_dims = { 2, 3 });
    ek_conv2d(x, 2, 2, .padding = "same", .dilation_rate = 2);
}

static void conv2d_dilated_channels_first(ek_graph *g)
{
    ek_conv2d(input(g, EK_SHAPE(-1, 2, 7, 6), "x"), 3, 3, .padding = "same", .dilation_rate = 2,
              .data_format = "channels_first");
    ek_conv2d(input(g, EK_SHAPE(-1, 2, -1, 6), "z"), 3, 3, .dilation_rate = 2, .data_format = "channels_first");
}

static void conv3d(ek_graph *g)
{
    ek_conv3d(input(g, EK_SHAPE(-1, 4, 4, 3, 2), "x"), 2, .kernel_dims = { 2, 3, 2 }, .stride_dims = { 1, 2, 1 },
              .padding = "same");
}

static void conv3d_channels_first(ek_graph *g)
{
    ek_conv3d(input(g, EK_SHAPE(-1, 2, 4, 4, 3), "x"), 2, 2, .data_format = "channels_first");
}

static void conv3d_dilated(ek_graph *g)
{
    ek_conv3d(input(g, EK_SHAPE(1, 4, 4, 3, 1), "x"), 1, 2, .dilation_dims = { 2, 1, 1 });
}

static void conv2d_transpose_all(ek_graph *g)
{
    ek_conv2d_transpose(input(g, EK_SHAPE(-1, 3, 4, 2), "x"), 3, 3, .strides = 2, .padding = "same",
                        .activation = ek_relu_with);
    ek_conv2d_transpose(input(g, EK_SHAPE(-1, -1, 4, 2), "z"), 2, .kernel_dims = { 3, 2 }, .stride_dims = { 2, 3 },
                        .use_bias = false);
}

static void conv2d_transpose_channels_first(ek_graph *g)
{
    ek_conv2d_transpose(input(g, EK_SHAPE(-1, 2, 3, 4), "x"), 3, 3, .strides = 2, .data_format = "channels_first",
                        .use_bias = false);
}

static void conv3d_transpose_all(ek_graph *g)
{
    ek_conv3d_transpose(input(g, EK_SHAPE(1, 2, 3, 2, 2), "x"), 2, .kernel_dims = { 2, 3, 2 }, .stride_dims = { 2, 1, 2 });
}

static void conv3d_transpose_channels_first(ek_graph *g)
{
    ek_conv3d_transpose(input(g, EK_SHAPE(1, 2, 2, 3, 2), "x"), 2, 2, .padding = "same", .data_format = "channels_first");
}

static void separable_conv1d(ek_graph *g)
{
    ek_tensor x = input(g, EK_SHAPE(-1, 7, 2), "x");

    ek_separable_conv1d(x, 3, 3, .strides = 2, .padding = "same", .activation = ek_relu_with);
    ek_separable_conv1d(x, 3, 2, .padding = "causal", .dilation_rate = 2, .use_bias = false, .depth_multiplier = 2);
}

static void separable_conv2d(ek_graph *g)
{
    ek_tensor x = input(g, EK_SHAPE(-1, 6, 5, 2), "x");

    ek_separable_conv2d(x, 3, 3, .strides = 2, .padding = "same", .depth_multiplier = 2,
                        .depthwise_regularizer = ek_l2_regularizer(0.01), .pointwise_regularizer = ek_l1_regularizer(0.01));
    ek_separable_conv2d(x, 3, .kernel_dims = { 3, 2 }, .dilation_rate = 2, .padding = "same", .name = "dilated");
}

static void separable_conv2d_resource(ek_graph *g)
{
    ek_with_variable_scope(g, "r", .use_resource = EK_YES) ek_separable_conv2d(input(g, EK_SHAPE(-1, 6, 5, 2), "x"), 3, 3);
}

static void depthwise(ek_graph *g)
{
    ek_tensor x = input(g, EK_SHAPE(-1, 6, 5, 2), "x"), w = input(g, EK_SHAPE(3, 3, 2, 2), "w");

    ek_nn_depthwise_conv2d(x, w, .strides = { 1, 2, 2, 1 }, .padding = "SAME");
    ek_nn_depthwise_conv2d(x, w, .rate = { 2, 1 }, .name = "dilated");
}

/* ---- constraints: called as an optimizer calls them --------------------------------------------- */

static void constrain(ek_variable v)
{
    const ek_constraint c = ek_variable_constraint(v);

    if (ek_variable_ok(v)) c.call(v, c.arg);
}

static ek_variable constrained(ek_graph *g, const char *name, ek_shape shape, ek_constraint c)
{
    return ek_get_variable(g, name, .shape = shape, .initializer = ek_random_normal_initializer(), .constraint = c);
}

/* The same variable with another constraint. */
static void constrain_by(ek_variable v, ek_constraint c)
{
    c.arg = &c.norm;
    if (ek_variable_ok(v)) c.call(v, c.arg);
}

static void constraints(ek_graph *g)
{
    ek_variable w = constrained(g, "w", EK_SHAPE(3, 4), ek_max_norm_constraint(.max_value = 1.5));
    ek_variable k = constrained(g, "k", EK_SHAPE(2, 2, 3, 4), ek_max_norm_constraint(.axis = EK_AXES(0, 1, 2)));

    constrain(w);
    constrain(k);
    constrain_by(w, ek_unit_norm_constraint());
    constrain_by(k, ek_min_max_norm_constraint(.min_value = 0.5, .rate = 0.9, .axis = EK_AXIS(1)));
}

/* ---- initializers ------------------------------------------------------------------------------- */

static void variable(ek_graph *g, const char *name, ek_shape shape, ek_initializer init)
{
    (void)ek_read_value(ek_get_variable(g, name, .shape = shape, .initializer = init));
}

static void orthogonal(ek_graph *g)
{
    variable(g, "tall", EK_SHAPE(5, 3), ek_orthogonal_initializer());
    variable(g, "wide", EK_SHAPE(3, 5), ek_orthogonal_initializer(.gain = 2.0, .seed = 3));
    variable(g, "square", EK_SHAPE(24, 24), ek_orthogonal_initializer(.seed = 4));
    variable(g, "kernel", EK_SHAPE(2, 2, 3, 4), ek_orthogonal_initializer());
    variable(g, "row", EK_SHAPE(1, 4), ek_orthogonal_initializer());
    variable(g, "column", EK_SHAPE(4, 1), ek_orthogonal_initializer());
}

static void identity(ek_graph *g)
{
    variable(g, "square", EK_SHAPE(3, 3), ek_identity_initializer());
    variable(g, "tall", EK_SHAPE(4, 2), ek_identity_initializer(.gain = 0.5));
    variable(g, "wide", EK_SHAPE(2, 3), ek_identity_initializer());
}

/* ---- pooling, flatten --------------------------------------------------------------------------- */

static void pooling1d(ek_graph *g)
{
    ek_tensor x = input(g, EK_SHAPE(-1, 7, 2), "x");

    ek_max_pooling1d(x, 3, 2);
    ek_average_pooling1d(x, 2, 2, .padding = "same");
    ek_max_pooling1d(input(g, EK_SHAPE(-1, 2, 7), "z"), 3, 2, .data_format = "channels_first");
}

static void pooling2d(ek_graph *g)
{
    ek_tensor x = input(g, EK_SHAPE(-1, 7, 6, 2), "x");

    ek_max_pooling2d(x, 0, 0, .pool_dims = { 2, 3 }, .stride_dims = { 2, 1 }, .padding = "same");
    ek_average_pooling2d(x, 3, 2, .padding = "same");
    ek_max_pooling2d(x, 2, 2, .name = "pool");
}

static void pooling2d_channels_first(ek_graph *g)
{
    ek_max_pooling2d(input(g, EK_SHAPE(-1, 2, 7, 6), "x"), 2, 2, .data_format = "channels_first");
}

static void pooling3d(ek_graph *g)
{
    ek_tensor x = input(g, EK_SHAPE(-1, 4, 4, 3, 2), "x");

    ek_max_pooling3d(x, 2, 2);
    ek_average_pooling3d(x, 0, 1, .pool_dims = { 2, 3, 1 }, .padding = "same");
    ek_average_pooling3d(input(g, EK_SHAPE(-1, 2, 4, 4, 3), "z"), 2, 2, .data_format = "channels_first");
}

static void flatten_all(ek_graph *g)
{
    ek_flatten(input(g, EK_SHAPE(-1, 3, 2), "x"));
    ek_flatten(input(g, EK_SHAPE(2, -1, 3), "z"));
    ek_flatten(input(g, EK_SHAPE(-1), "v"));
    ek_flatten(input(g, EK_SHAPE(-1, 3, 4, 2), "f"), .data_format = "channels_first");
}

/* ---- dropout ------------------------------------------------------------------------------------ */

static void dropout_layer(ek_graph *g)
{
    ek_tensor x = input(g, EK_SHAPE(-1, 4, 3), "x"), p = ek_placeholder_with_default(g, ek_bool(true), .name = "p");

    ek_dropout(x, 0.3, .seed = 7, .training = EK_TRUE);
    ek_dropout(x, .training = EK_FALSE);
    ek_dropout(x, 0.6, .noise_shape = EK_SHAPE(2, 1, 3), .seed = 8, .training = p);
    ek_dropout(input(g, EK_SHAPE(2, 3), "z"), 0.25, .noise_shape = EK_SHAPE(-1, 1), .seed = 9, .training = EK_TRUE,
               .name = "d");
    ek_dropout(x, 0.0, .training = EK_TRUE);
}

static void dropout_nn(ek_graph *g)
{
    ek_tensor x = input(g, EK_SHAPE(-1, 6), "x"), rate = ek_placeholder_with_default(g, ek_float(0.5), .name = "rate");
    ek_tensor shape = ek_shape_of(input(g, EK_SHAPE(-1, 1), "z"));

    ek_nn_dropout(x, .rate = EK_OPERAND(rate), .seed = 1);
    ek_nn_dropout(x, .keep_prob = EK_OPERAND(0.75), .seed = 2, .name = "keep");
    ek_nn_dropout(x, .keep_prob = EK_OPERAND(rate), .noise_dims = shape, .seed = 3);
}

/* ---- variables in parts --------------------------------------------------------------------------- */

static void partitioned(ek_graph *g)
{
    ek_variable a = ek_get_variable(g, "a", .shape = EK_SHAPE(5, 3), .partitioner = ek_fixed_size_partitioner(3));
    ek_variable b = ek_get_variable(g, "b", .shape = EK_SHAPE(2, 5), .partitioner = ek_fixed_size_partitioner(2, .axis = 1),
                                    .initializer = ek_random_normal_initializer(.stddev = 0.5));
    ek_variable c = a, d = a, e = a, f = a, v;

    ek_with_variable_scope(g, "s", .partitioner = ek_fixed_size_partitioner(4), .initializer = ek_ones_initializer()) {
        c = ek_get_variable(g, "c", .shape = EK_SHAPE(6));
        ek_with_variable_scope(g, "t", .partitioner = ek_min_max_variable_partitioner(.max_partitions = 3, .min_slice_size = 16))
            d = ek_get_variable(g, "d", .shape = EK_SHAPE(4, 2));
        e = ek_get_variable(g, "e", .shape = EK_SCALAR);
        f = ek_get_variable(g, "f", .shape = EK_SHAPE(3), .dtype = EK_INT32, .initializer = ek_zeros_initializer(),
                            .partitioner = ek_fixed_size_partitioner(1));
    }
    v = ek_get_variable(g, "v", .initializer = ek_initial_value(ek_constant(g, ek_float(1.5), .shape = EK_SHAPE(3, 2))),
                        .partitioner = ek_fixed_size_partitioner(2));
    ek_matmul(b, a);
    ek_variable_value(b);
    ek_variable_value(c);
    ek_identity(d);
    ek_plus(e, 1.0);
    ek_variable_value(f);
    ek_variable_value(v);
}

static void partitioned_resource(ek_graph *g)
{
    ek_variable w = { g, -1 }, one = w, again = w;

    ek_with_variable_scope(g, "r", .use_resource = EK_YES, .partitioner = ek_fixed_size_partitioner(2)) {
        w = ek_get_variable(g, "w", .shape = EK_SHAPE(5, 3), .initializer = ek_glorot_normal_initializer());
        one = ek_get_variable(g, "one", .shape = EK_SHAPE(2), .partitioner = ek_fixed_size_partitioner(1));
    }
    ek_with_variable_scope(g, "r", .reuse = EK_REUSE) again = ek_get_variable(g, "w", .shape = EK_SHAPE(5, 3));
    ek_variable_value(w);
    ek_variable_value(one);
    ek_variable_value(again);
}

static void partitioned_layers(ek_graph *g)
{
    ek_with_variable_scope(g, "p", .partitioner = ek_fixed_size_partitioner(2)) {
        ek_dense(input(g, EK_SHAPE(2, 3), "x"), 4, .kernel_regularizer = ek_l2_regularizer(0.01), .activation = ek_relu_with);
        ek_conv2d(input(g, EK_SHAPE(2, 4, 4, 2), "z"), 3, 3);
    }
}

static void partitioned_batch_norm(ek_graph *g)
{
    ek_with_variable_scope(g, "p", .partitioner = ek_fixed_size_partitioner(2))
        ek_batch_normalization(input(g, EK_SHAPE(4, 3), "x"), .training = EK_TRUE);
}

/* ---- checking ----------------------------------------------------------------------------------- */

typedef struct layer_case {
    const char *name;
    void (*build)(ek_graph *g);
} layer_case;

static ek_array *value_of(const ek_graph *g, ek_op op)
{
    ek_session *s = ek_session_create((ek_graph *)(uintptr_t)g, .threads = 1);
    ek_array *a = NULL;

    assert_int_equal(ek_run(s, .fetch = { { ek_op_output(op, 0), &a } }), EK_OK);
    ek_session_destroy(s);
    return a;
}

/* "expect/conv2d/BiasAdd_0" stands for "conv2d/BiasAdd:0". */
static ek_tensor tensor_expected(ek_graph *g, const char *name)
{
    char text[128];
    ek_tensor t = { NULL, -1, 0 };

    snprintf(text, sizeof text, "%s", strchr(name, '/') + 1);
    *strrchr(text, '_') = ':';
    assert_int_equal(ek_graph_tensor_by_name(g, text, &t), EK_OK);
    return t;
}

static void same_numbers(const char *name, const ek_array *found, const ek_array *want)
{
    assert_int_equal(ek_array_count(found), ek_array_count(want));
    assert_int_equal(ek_array_rank(found), ek_array_rank(want));
    for (int i = 0; i < ek_array_rank(want); i++) assert_int_equal(ek_array_dim(found, i), ek_array_dim(want, i));
    for (int64_t i = 0; i < ek_array_count(want); i++) {
        const double a = ek_array_get(found, i), b = ek_array_get(want, i);
        if (!(fabs(a - b) <= 2e-6 * fmax(1.0, fabs(b))))
            fail_msg("%s, element %lld: %.9g was expected, found %.9g", name, (long long)i, b, a);
    }
}

/* Feeds and expectations stand behind the nodes of the case. */
static void run(const char *name, ek_graph *g, const ek_graph *want)
{
    ek_feed feed[4];
    ek_array *value[4];
    char placeholder[64];
    ek_session *s = ek_session_create(g, .threads = 1);
    ek_error err = { 0 };
    int n = 0;

    for (int64_t i = 0; i < ek_graph_op_count(want); i++) {
        const ek_op op = ek_graph_op_at(want, i);
        if (strncmp(ek_op_name(op), "feed/", 5) != 0) continue;
        assert_true(n < 4);
        snprintf(placeholder, sizeof placeholder, "%s:0", ek_op_name(op) + strlen("feed/"));
        assert_int_equal(ek_graph_tensor_by_name(g, placeholder, &feed[n].tensor), EK_OK);
        value[n] = value_of(want, op);
        feed[n].value = value[n];
        n++;
    }
    if (ek_run(s, .target = { ek_global_variables_initializer(g) }, .error = &err) != EK_OK) fail_msg("%s", err.text);
    for (int64_t i = 0; i < ek_graph_op_count(want); i++) {
        const ek_op op = ek_graph_op_at(want, i);
        ek_array *expected, *found = NULL;
        if (strncmp(ek_op_name(op), "expect/", 7) != 0) continue;
        expected = value_of(want, op);
        if (ek_run(s, .feeds = feed, .n_feeds = n, .fetch = { { tensor_expected(g, ek_op_name(op)), &found } },
                   .error = &err) != EK_OK)
            fail_msg("%s: %s", name, err.text);
        same_numbers(ek_op_name(op), found, expected);
        ek_array_unref(expected);
        ek_array_unref(found);
    }
    for (int i = 0; i < n; i++) ek_array_unref(value[i]);
    ek_session_destroy(s);
}

static bool is_value(ek_op op)
{
    return strncmp(ek_op_name(op), "feed/", 5) == 0 || strncmp(ek_op_name(op), "expect/", 7) == 0;
}

static void same_nodes(const char *name, const ek_graph *g, const ek_graph *want)
{
    int64_t n = 0;

    while (n < ek_graph_op_count(want) && !is_value(ek_graph_op_at(want, n))) n++;
    for (int64_t i = 0; i < n && i < ek_graph_op_count(g); i++) {
        char *a = ek_op_str(ek_graph_op_at(want, i)), *b = ek_op_str(ek_graph_op_at(g, i));
        const bool same = strcmp(a, b) == 0;
        if (!same) fprintf(stderr, "%s: node %lld differs. TensorFlow:\n%s\nhere:\n%s\n", name, (long long)i, a, b);
        ek_free(a);
        ek_free(b);
        assert_true(same);
    }
    assert_int_equal(ek_graph_op_count(g), n);
}

static void check(void **state)
{
    const layer_case *c = *state;
    char path[256];
    ek_graph *g = ek_graph_create(), *want = NULL;
    ek_error err = { 0 };

    snprintf(path, sizeof path, EK_SOURCE_DIR "/tests/layers/golden/%s.pb", c->name);
    if (ek_graph_load(path, &want, &err) != EK_OK) fail_msg("%s", err.text);
    ek_set_random_seed(g, 42);
    c->build(g);
    expect_fine(g);
    same_nodes(c->name, g, want);
    run(c->name, g, want);
    ek_graph_destroy(g);
    ek_graph_destroy(want);
}

#define CASE(name) { #name, name }
static const layer_case cases[] = {
    CASE(dense_rank3), CASE(dense_rank3_unknown), CASE(dense_options), CASE(dense_resource), CASE(dense_float64),
    CASE(conv1d), CASE(conv1d_channels_first), CASE(conv1d_dilated_causal), CASE(conv1d_resource), CASE(conv2d),
    CASE(conv2d_channels_first), CASE(conv2d_dilated_same), CASE(conv2d_dilated_unknown),
    CASE(conv2d_dilated_channels_first), CASE(conv3d), CASE(conv3d_channels_first), CASE(conv3d_dilated),
    CASE(conv2d_transpose_all), CASE(conv2d_transpose_channels_first), CASE(conv3d_transpose_all),
    CASE(conv3d_transpose_channels_first), CASE(separable_conv1d), CASE(separable_conv2d),
    CASE(separable_conv2d_resource), CASE(depthwise), CASE(constraints), CASE(orthogonal), CASE(identity),
    CASE(pooling1d), CASE(pooling2d), CASE(pooling2d_channels_first), CASE(pooling3d), CASE(flatten_all),
    CASE(dropout_layer), CASE(dropout_nn), CASE(partitioned), CASE(partitioned_resource), CASE(partitioned_layers),
    CASE(partitioned_batch_norm),
};
enum { N_CASES = sizeof cases / sizeof cases[0] };

static const layer_case *starving;

static ek_status build_one(void)
{
    ek_graph *g = ek_graph_create();
    ek_status st;

    if (g == NULL) return EK_RESOURCE_EXHAUSTED;
    starving->build(g);
    st = ek_graph_status(g, NULL);
    ek_graph_destroy(g);
    return st;
}

static void building_without_memory_is_an_error(void **state)
{
    (void)state;
    for (starving = cases; starving < cases + N_CASES; starving++) ek_test_refuse_each(build_one, 0);
}

int main(void)
{
    struct CMUnitTest tests[N_CASES + 1] = { [N_CASES] = cmocka_unit_test(building_without_memory_is_an_error) };

    for (int i = 0; i < N_CASES; i++)
        tests[i] = (struct CMUnitTest){ .name = cases[i].name, .test_func = check, .initial_state = (void *)&cases[i] };
    return _cmocka_run_group_tests("layers of TensorFlow", tests, N_CASES + 1, NULL, NULL);
}
