/* The batch-norm functions of tf.nn: the nodes they make and what comes out, as TensorFlow computes it. */
#include "ops/nodes.h"

#include <math.h>

typedef struct operands {
    ek_graph *g;
    ek_tensor x, image, mean, variance, offset, scale; /* x (2, 2); image the same as (1, 2, 1, 2) */
} operands;

static ek_tensor constant(ek_graph *g, const char *name, ek_shape shape, const float *v)
{
    ek_array *a = ek_array_of(EK_FLOAT32, shape, v);
    const ek_tensor t = ek_constant(g, ek_value(a), .name = name);

    ek_array_unref(a);
    return t;
}

static operands build(void)
{
    ek_graph *g = ek_graph_create();
    const float x[] = { 1, 2, 3, 5 };

    return (operands){ .g = g,
                       .x = constant(g, "x", EK_SHAPE(2, 2), x),
                       .image = constant(g, "image", EK_SHAPE(1, 2, 1, 2), x),
                       .mean = constant(g, "mean", EK_SHAPE(2), (float[]){ 2, 3 }),
                       .variance = constant(g, "variance", EK_SHAPE(2), (float[]){ 1, 4 }),
                       .offset = constant(g, "offset", EK_SHAPE(2), (float[]){ 0.5f, -0.5f }),
                       .scale = constant(g, "scale", EK_SHAPE(2), (float[]){ 2, 3 }) };
}
#define GIVEN { "x", "Const" }, { "image", "Const" }, { "mean", "Const" }, { "variance", "Const" }, \
              { "offset", "Const" }, { "scale", "Const" }

static void expect_values(ek_graph *g, ek_tensor t, int n, const float *want)
{
    ek_session *s = ek_session_create(g, .threads = 1);
    ek_array *out = NULL;

    EK_DIE(ek_run(s, .fetch = { { t, &out } }));
    assert_int_equal(ek_array_count(out), n);
    for (int i = 0; i < n; i++)
        if (fabs(ek_array_get(out, i) - (double)want[i]) > 2e-6)
            fail_msg("element %d: %.9g was expected, found %.9g", i, (double)want[i], ek_array_get(out, i));
    ek_array_unref(out);
    ek_session_destroy(s);
}

static void with_given_statistics(void **state)
{
    const operands o = build();
    const ek_tensor y = ek_nn_batch_normalization(o.x, .mean = EK_OPERAND(o.mean), .variance = EK_OPERAND(o.variance),
                                                  .offset = EK_OPERAND(o.offset), .scale = EK_OPERAND(o.scale),
                                                  .variance_epsilon = 1e-3);

    (void)state;
    EXPECT_NODES(o.g, GIVEN, { "batchnorm/add/y", "Const" }, { "batchnorm/add", "AddV2" }, { "batchnorm/Rsqrt", "Rsqrt" },
                 { "batchnorm/mul", "Mul" }, { "batchnorm/mul_1", "Mul" }, { "batchnorm/mul_2", "Mul" },
                 { "batchnorm/sub", "Sub" }, { "batchnorm/add_1", "AddV2" });
    expect_values(o.g, y, 4, (float[]){ -1.4990008f, -1.9998126f, 2.499001f, 2.4996252f });
    ek_graph_destroy(o.g);
}

static void without_offset_and_scale(void **state)
{
    const operands o = build();
    const ek_tensor y = ek_nn_batch_normalization(o.x, .mean = EK_OPERAND(o.mean), .variance = EK_OPERAND(o.variance),
                                                  .variance_epsilon = 1e-3, .name = "plain");

    (void)state;
    EXPECT_NODES(o.g, GIVEN, { "plain/add/y", "Const" }, { "plain/add", "AddV2" }, { "plain/Rsqrt", "Rsqrt" },
                 { "plain/mul", "Mul" }, { "plain/Neg", "Neg" }, { "plain/mul_1", "Mul" }, { "plain/add_1", "AddV2" });
    expect_values(o.g, y, 4, (float[]){ -0.9995004f, -0.49993753f, 0.9995005f, 0.99987507f });
    ek_graph_destroy(o.g);
}

static void under_its_old_name(void **state)
{
    const operands o = build();
    const ek_tensor scaled = ek_batch_norm_with_global_normalization(
        o.x, .m = EK_OPERAND(o.mean), .v = EK_OPERAND(o.variance), .beta = EK_OPERAND(o.offset),
        .gamma = EK_OPERAND(o.scale), .variance_epsilon = 1e-3, .scale_after_normalization = true);
    const ek_tensor plain = ek_batch_norm_with_global_normalization(
        o.x, .m = EK_OPERAND(o.mean), .v = EK_OPERAND(o.variance), .beta = EK_OPERAND(o.offset),
        .gamma = EK_OPERAND(o.scale), .variance_epsilon = 1e-3);

    (void)state;
    assert_int_equal(ek_graph_status(o.g, NULL), EK_OK);
    expect_values(o.g, scaled, 4, (float[]){ -1.4990008f, -1.9998126f, 2.499001f, 2.4996252f });
    expect_values(o.g, plain, 4, (float[]){ -0.4995004f, -0.99993753f, 1.4995005f, 0.49987507f });
    ek_graph_destroy(o.g);
}

static void fused_inference(void **state)
{
    const operands o = build();
    const ek_fused_batch_norm_result r =
        ek_nn_fused_batch_norm(o.image, .scale = EK_OPERAND(o.scale), .offset = EK_OPERAND(o.offset),
                               .mean = EK_OPERAND(o.mean), .variance = EK_OPERAND(o.variance), .is_training = false);

    (void)state;
    EXPECT_NODES(o.g, GIVEN, { "FusedBatchNormV3", "FusedBatchNormV3" });
    expect_values(o.g, r.y, 4, (float[]){ -1.4990008f, -1.9998126f, 2.4990008f, 2.4996252f });
    ek_graph_destroy(o.g);
}

static void fused_training(void **state)
{
    const operands o = build();
    const ek_fused_batch_norm_result r =
        ek_nn_fused_batch_norm(o.image, .scale = EK_OPERAND(o.scale), .offset = EK_OPERAND(o.offset), .epsilon = 0.01);

    (void)state;
    EXPECT_NODES(o.g, GIVEN, { "Const", "Const" }, { "Const_1", "Const" }, { "FusedBatchNormV3", "FusedBatchNormV3" });
    expect_values(o.g, r.y, 4, (float[]){ -1.4900743f, -3.4933555f, 2.4900742f, 2.4933555f });
    expect_values(o.g, r.mean, 2, (float[]){ 2, 3.5f });
    expect_values(o.g, r.variance, 2, (float[]){ 2, 4.5f }); /* over n - 1 */
    ek_graph_destroy(o.g);
}

static void training_takes_no_statistics(void **state)
{
    const operands o = build();
    const ek_fused_batch_norm_result r =
        ek_nn_fused_batch_norm(o.image, .scale = EK_OPERAND(o.scale), .offset = EK_OPERAND(o.offset),
                               .mean = EK_OPERAND(o.mean), .variance = EK_OPERAND(o.variance));
    ek_error err = { 0 };

    (void)state;
    assert_false(ek_tensor_ok(r.y));
    assert_int_equal(ek_graph_status(o.g, &err), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "Both 'mean' and 'variance' must be None if is_training is True"));
    ek_graph_destroy(o.g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_given_statistics),
        cmocka_unit_test(without_offset_and_scale),
        cmocka_unit_test(under_its_old_name),
        cmocka_unit_test(fused_inference),
        cmocka_unit_test(fused_training),
        cmocka_unit_test(training_takes_no_statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
