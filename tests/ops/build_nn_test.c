/* Builders of reductions, products and random tensors: TensorFlow's nodes, names and seeds. */
#include "evenkeel/nn.h"
#include "ops/nodes.h"

static int64_t int_attr(ek_graph *g, int64_t op, const char *name)
{
    const ek_node *n = ek__node(g, (int32_t)op);
    return ek__attr_find(n->attr, n->n_attr, name)->u.i;
}

static void reductions(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 3), .name = "x");
    const ek_tensor u = ek_placeholder(g, EK_FLOAT32, .name = "u");

    (void)state;
    (void)ek_reduce_mean(x);
    (void)ek_reduce_sum(x, .axis = EK_AXIS(-1), .keepdims = true);
    (void)ek_reduce_max(x, .axis = EK_AXES(0, 1), .name = "top");
    (void)ek_reduce_mean(u);
    const ek_tensor place = ek_argmax(x, .axis = 1);
    EXPECT_NODES(g, {"x", "Placeholder"}, {"u", "Placeholder"}, {"Const", "Const"}, {"Mean", "Mean"},
                 {"Sum/reduction_indices", "Const"}, {"Sum", "Sum"}, {"top/reduction_indices", "Const"}, {"top", "Max"},
                 {"Rank", "Rank"}, {"range/start", "Const"}, {"range/delta", "Const"}, {"range", "Range"},
                 {"Mean_1", "Mean"}, {"ArgMax/dimension", "Const"}, {"ArgMax", "ArgMax"});
    assert_int_equal(ek_array_rank(ek__node(g, 2)->constant), 1);
    assert_int_equal(ek_array_rank(ek__node(g, 4)->constant), 0);
    assert_int_equal(ek__node(g, 5)->out_shape[0].rank, 2);
    assert_int_equal(ek_tensor_dtype(place), EK_INT64);
    ek_graph_destroy(g);
}

static void products(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor a = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 3), .name = "a");
    const ek_tensor b = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(4, 3), .name = "b");
    const ek_tensor c = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(2, 3, 3), .name = "c");
    const ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(1, 8, 8, 3), .name = "x");
    const ek_tensor f = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(3, 3, 3, 5), .name = "f");
    const ek_tensor bias = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(5), .name = "bias");

    (void)state;
    const ek_tensor ab = ek_matmul(a, b, .transpose_b = true);
    (void)ek_matmul(c, c, .name = "many");
    const ek_tensor y = ek_bias_add(ek_nn_conv2d(x, f, .strides = { 1, 2, 2, 1 }, .padding = "SAME"), bias);
    (void)ek_l2_loss(y);
    const ek_tensor alone = ek_nn_depthwise_conv2d_native(x, f, .padding = "SAME");
    EXPECT_NODES(g, { "a", "Placeholder" }, { "b", "Placeholder" }, { "c", "Placeholder" }, { "x", "Placeholder" },
                 { "f", "Placeholder" }, { "bias", "Placeholder" }, { "MatMul", "MatMul" }, { "many", "BatchMatMulV2" },
                 { "Conv2D", "Conv2D" }, { "BiasAdd", "BiasAdd" }, { "L2Loss", "L2Loss" },
                 { "DepthwiseConv2dNative", "DepthwiseConv2dNative" });
    assert_true(ek_shape_equal(&(ek_shape){ { 1, 8, 8, 15 }, 4 }, &ek__node(g, alone.op)->out_shape[0]));
    assert_int_equal(ek_tensor_shape(ab).dim[0], -1);
    assert_int_equal(ek_tensor_shape(ab).dim[1], 4);
    assert_true(ek_shape_equal(&(ek_shape){ { 1, 4, 4, 5 }, 4 }, &ek__node(g, y.op)->out_shape[0]));
    ek_graph_destroy(g);
}

/* Spec 9.2: a seed of the graph, of the op, both, none. */
static void seeds(void **state)
{
    ek_graph *g = ek_graph_create();

    (void)state;
    (void)ek_random_uniform(g, EK_SHAPE(2, 3), .minval = -1);
    (void)ek_random_normal(g, EK_SHAPE(2), .seed = 7, .name = "n");
    EXPECT_NODES(g, {"random_uniform/shape", "Const"}, {"random_uniform/min", "Const"}, {"random_uniform/max", "Const"},
                 {"random_uniform/RandomUniform", "RandomUniform"}, {"random_uniform/sub", "Sub"},
                 {"random_uniform/mul", "Mul"}, {"random_uniform", "Add"}, {"n/shape", "Const"}, {"n/mean", "Const"},
                 {"n/stddev", "Const"}, {"n/RandomStandardNormal", "RandomStandardNormal"}, {"n/mul", "Mul"},
                 { "n", "Add" });
    assert_true(int_attr(g, 3, "seed") == 0 && int_attr(g, 3, "seed2") == 0);
    assert_true(int_attr(g, 10, "seed") == 87654321 && int_attr(g, 10, "seed2") == 7);
    ek_set_random_seed(g, 42);
    (void)ek_truncated_normal(g, EK_SHAPE(2));
    (void)ek_random_uniform(g, EK_SHAPE(2), .maxval = 10, .dtype = EK_INT32, .seed = -1);
    assert_true(int_attr(g, 16, "seed") == 42 && int_attr(g, 16, "seed2") == 16);
    assert_string_equal(ek_op_type(ek_graph_op_at(g, 22)), "RandomUniformInt");
    assert_true(int_attr(g, 22, "seed") == 42 && int_attr(g, 22, "seed2") == INT32_MAX - 1);
    ek_graph_destroy(g);
}

static void integers_need_an_end(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_error err = { 0 };

    (void)state;
    assert_false(ek_tensor_ok(ek_random_uniform(g, EK_SHAPE(2), .dtype = EK_INT32)));
    assert_int_equal(ek_graph_status(g, &err), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "Must specify maxval for integer dtype tf.int32"));
    ek_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(reductions), cmocka_unit_test(products),
                                       cmocka_unit_test(seeds), cmocka_unit_test(integers_need_an_end) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
