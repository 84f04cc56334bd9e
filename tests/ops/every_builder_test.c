/* Every builder of ops.h and nn.h that is named after its op: which node it makes, what comes out. Names as TensorFlow's
 * functions give them; values from the C library. */
#include "ops/nodes.h"

#include <math.h>

typedef struct made {
    ek_tensor y;
    const char *name, *type; /* of the last node */
    double value;            /* of its first element */
} made;
#define SAME(call, type, value) { (call), (type), (type), (value) }

/* Each was built in `g`, in any order; all are fetched. */
static void expect_all(ek_graph *g, const made *m, int n)
{
    ek_error err = { 0 };

    if (ek_graph_status(g, &err) != EK_OK) fail_msg("%s", err.text);
    ek_session *s = ek_session_create(g, .threads = 1);
    for (int i = 0; i < n; i++) {
        const ek_op op = ek_tensor_op(m[i].y);
        ek_array *out = NULL;

        assert_string_equal(ek_op_name(op), m[i].name);
        assert_string_equal(ek_op_type(op), m[i].type);
        if (ek_run(s, .fetch = { { m[i].y, &out } }, .error = &err) != EK_OK) fail_msg("%s: %s", m[i].name, err.text);
        const double found = ek_array_get(out, 0);
        if (!(fabs(found - m[i].value) <= 1e-6 * fmax(1.0, fabs(m[i].value))))
            fail_msg("%s: %.9g was expected, found %.9g", m[i].name, m[i].value, found);
        ek_array_unref(out);
    }
    ek_session_destroy(s);
    ek_graph_destroy(g);
}
#define EXPECT_ALL(g, ...) expect_all((g), (made[]){ __VA_ARGS__ }, (int)(sizeof((made[]){ __VA_ARGS__ }) / sizeof(made)))

static ek_tensor vector(ek_graph *g, float a, float b)
{
    ek_array *v = ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){ a, b });
    const ek_tensor t = ek_constant(g, ek_value(v), .name = "v");

    ek_array_unref(v);
    return t;
}

static void of_one_operand(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor h = vector(g, 0.5f, -0.5f), w = vector(g, 1.5f, 7.5f);

    (void)state;
    EXPECT_ALL(g, SAME(ek_acos(h), "Acos", acos(0.5)), SAME(ek_acosh(w), "Acosh", acosh(1.5)),
               SAME(ek_asin(h), "Asin", asin(0.5)), SAME(ek_asinh(w), "Asinh", asinh(1.5)),
               SAME(ek_atan(h), "Atan", atan(0.5)), SAME(ek_atanh(h), "Atanh", atanh(0.5)), SAME(ek_ceil(w), "Ceil", 2),
               SAME(ek_cos(w), "Cos", cos(1.5)), SAME(ek_cosh(w), "Cosh", cosh(1.5)), SAME(ek_elu(w), "Elu", 1.5),
               SAME(ek_erf(h), "Erf", erf(0.5)), SAME(ek_erfc(h), "Erfc", erfc(0.5)), SAME(ek_exp(w), "Exp", exp(1.5)),
               SAME(ek_expm1(h), "Expm1", expm1(0.5)), SAME(ek_floor(w), "Floor", 1),
               SAME(ek_is_finite(h), "IsFinite", 1), SAME(ek_is_inf(h), "IsInf", 0), SAME(ek_is_nan(h), "IsNan", 0),
               SAME(ek_lgamma(w), "Lgamma", lgamma(1.5)), SAME(ek_log(w), "Log", log(1.5)),
               SAME(ek_log1p(w), "Log1p", log1p(1.5)), SAME(ek_reciprocal(w), "Reciprocal", 1 / 1.5),
               SAME(ek_relu6(w), "Relu6", 1.5), SAME(ek_rint(w), "Rint", 2), SAME(ek_round(w), "Round", 2),
               SAME(ek_rsqrt(w), "Rsqrt", 1 / sqrt(1.5)), SAME(ek_selu(w), "Selu", 1.5 * 1.0507009873554804934),
               SAME(ek_sign(w), "Sign", 1), SAME(ek_sin(w), "Sin", sin(1.5)), SAME(ek_sinh(w), "Sinh", sinh(1.5)),
               SAME(ek_softplus(w), "Softplus", log1p(exp(1.5))), SAME(ek_softsign(w), "Softsign", 1.5 / 2.5),
               SAME(ek_tan(h), "Tan", tan(0.5)), SAME(ek_softmax(h), "Softmax", 1 / (1 + exp(-1))),
               SAME(ek_log_softmax(h), "LogSoftmax", -log(1 + exp(-1))), SAME(ek_stop_gradient(w), "StopGradient", 1.5),
               SAME(ek_where_true(ek_greater(w, 2.0)), "Where", 1));
}

static void of_two_operands(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor a = vector(g, -7.5f, 1), b = vector(g, 2, 0), p = vector(g, 2.5f, 3);
    const ek_tensor yes = ek_greater(p, 0.0), no = ek_greater(a, p);

    (void)state;
    EXPECT_ALL(g, SAME(ek_atan2(a, b), "Atan2", atan2(-7.5, 2)),
               { ek_div_no_nan(a, b), "div_no_nan", "DivNoNan", -3.75 }, SAME(ek_equal(a, b), "Equal", 0),
               SAME(ek_floor_mod(a, p), "FloorMod", 0), SAME(ek_greater_equal(a, b), "GreaterEqual", 0),
               SAME(ek_less(a, b), "Less", 1), SAME(ek_less_equal(a, b), "LessEqual", 1),
               SAME(ek_minimum(a, b), "Minimum", -7.5), SAME(ek_not_equal(a, b), "NotEqual", 1),
               SAME(ek_pow(p, b), "Pow", 6.25), SAME(ek_real_div(a, p), "RealDiv", -3),
               { ek_subtract(a, b), "Sub", "Sub", -9.5 }, SAME(ek_truncate_mod(a, b), "TruncateMod", -1.5),
               SAME(ek_xlogy(p, b), "Xlogy", 2.5 * log(2)), SAME(ek_logical_and(yes, no), "LogicalAnd", 0),
               SAME(ek_logical_or(yes, no), "LogicalOr", 1),
               SAME(ek_truncate_div(ek_constant(g, ek_int(-7)), 2), "TruncateDiv", -3));
}

static void of_an_axis(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor x = vector(g, 3, -4), yes = ek_greater(x, 0.0);

    (void)state;
    EXPECT_ALL(g, SAME(ek_reduce_all(yes), "All", 0), SAME(ek_reduce_any(yes), "Any", 1),
               SAME(ek_reduce_min(x), "Min", -4), SAME(ek_reduce_prod(x), "Prod", -12),
               SAME(ek_reduce_euclidean_norm(x), "EuclideanNorm", 5), SAME(ek_argmin(x), "ArgMin", 1),
               SAME(ek_reduce_sum(ek_random_shuffle(x, .seed = 1)), "Sum", -1));
}

/* tf.div_no_nan opens a scope, as operators do; what stands beside a tensor takes its dtype. */
static void division_without_nan_has_a_scope(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor x = ek_placeholder(g, EK_FLOAT64, .shape = EK_SHAPE(2), .name = "x");

    (void)state;
    (void)ek_div_no_nan(x, 2.0);
    (void)ek_div_no_nan(x, x, .name = "value");
    EXPECT_NODES(g, { "x", "Placeholder" }, { "div_no_nan/y", "Const" }, { "div_no_nan", "DivNoNan" },
                 { "value", "DivNoNan" });
    assert_int_equal(ek_tensor_dtype(ek_op_output(ek_graph_op_at(g, 1), 0)), EK_FLOAT64);
    assert_false(ek_tensor_ok(ek_div_no_nan(1.0, 2.0))); /* of no graph */
    ek_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_one_operand),
        cmocka_unit_test(of_two_operands),
        cmocka_unit_test(of_an_axis),
        cmocka_unit_test(division_without_nan_has_a_scope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
