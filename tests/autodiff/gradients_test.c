/* tests/autodiff/gradients_test.c - what the graphs of TensorFlow 1.15 do not show: values, second derivatives, rows of
 * gradients, what is refused, memory that runs out. */
#include <string.h>

#include "base/base.h"
#include "evenkeel/evenkeel.h"
#include "support/support.h"

static float value_at(ek_graph *g, ek_tensor x, float at, ek_tensor y)
{
    ek_session *s = ek_session_create(g);
    ek_array *in = ek_array_of(EK_FLOAT32, EK_SCALAR, &at), *out = NULL;
    ek_error err = { 0 };

    if (ek_run(s, .feed = { { x, in } }, .fetch = { { y, &out } }, .error = &err) != EK_OK) fail_msg("%s", err.text);
    const float value = ek_array_f32(out)[0];
    ek_array_unref(in);
    ek_array_unref(out);
    ek_session_destroy(s);
    return value;
}

static ek_graph *begin(ek_tensor *x)
{
    ek_graph *g = ek_graph_create();

    *x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SCALAR, .name = "x");
    return g;
}

static ek_tensor derivative(ek_tensor y, ek_tensor x) { return ek_gradients(EK_LIST(y), EK_LIST(x)).at[0].value; }

static void derivatives_of_derivatives(void **state)
{
    ek_tensor x;
    ek_graph *g = begin(&x);
    const ek_tensor y = ek_times(ek_exp(ek_times(x, 2.0)), ek_square(x)); /* e^2x x^2 */
    const ek_tensor first = derivative(y, x), second = derivative(first, x), third = derivative(second, x);

    EK_UNUSED(state);
    assert_int_equal(EK_OK, ek_graph_status(g, NULL));
    assert_float_equal(value_at(g, x, 0.5f, first), 4.0774f, 1e-3f);   /* e (2 x^2 + 2 x) */
    assert_float_equal(value_at(g, x, 0.5f, second), 19.0280f, 1e-3f); /* e (4 x^2 + 8 x + 2) */
    assert_float_equal(value_at(g, x, 0.5f, third), 70.6753f, 1e-3f);  /* e (8 x^2 + 24 x + 12) */
    ek_graph_destroy(g);
}

static void nothing_flows_where_no_path_is(void **state)
{
    ek_tensor x;
    ek_graph *g = begin(&x);
    const ek_tensor other = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(2));
    const ek_tensor y = ek_plus(ek_square(x), ek_stop_gradient(ek_exp(x)));
    const int64_t before = ek_graph_op_count(g);
    const ek_gradient_list none = ek_gradients(EK_LIST(y), EK_LIST(other));
    const ek_gradient_list zeros = ek_gradients(EK_LIST(y), EK_LIST(other, x), .zero_unconnected = true);

    EK_UNUSED(state);
    assert_int_equal(EK_OK, ek_graph_status(g, NULL));
    assert_int_equal(1, none.count);
    assert_false(ek_gradient_ok(none.at[0]));
    assert_true(ek_graph_op_count(g) > before);
    assert_true(ek_gradient_ok(zeros.at[0]));
    assert_float_equal(value_at(g, x, 3, zeros.at[1].value), 6, 0);
    ek_graph_destroy(g);
}

static void stop_gradients_are_constants(void **state)
{
    ek_tensor x;
    ek_graph *g = begin(&x);
    const ek_tensor a = ek_square(x), y = ek_times(a, x);
    const ek_tensor d = ek_gradients(EK_LIST(y), EK_LIST(x), .stop_gradients = EK_LIST(a)).at[0].value;

    EK_UNUSED(state);
    assert_int_equal(EK_OK, ek_graph_status(g, NULL));
    assert_float_equal(value_at(g, x, 3, d), 9, 0);
    ek_graph_destroy(g);
}

static void given_gradients_of_the_ys(void **state)
{
    ek_tensor x;
    ek_graph *g = begin(&x);
    const ek_tensor a = ek_square(x), b = ek_exp(x), five = ek_constant(g, ek_float(5));
    const ek_gradient dys[] = { ek_gradient_of(five), ek_gradient_of((ek_tensor){ g, -1, 0 }) };
    const ek_tensor d = ek_gradients(EK_LIST(a, b), EK_LIST(x), .grad_ys = dys).at[0].value;

    EK_UNUSED(state);
    assert_int_equal(EK_OK, ek_graph_status(g, NULL));
    assert_float_equal(value_at(g, x, 1, d), 10 + 2.7182818f, 1e-6f);
    ek_graph_destroy(g);
}

/* The kinds of gates and colocations that optimizers ask for leave the numbers as they are. */
static void gates_change_no_number(void **state)
{
    ek_tensor x;
    ek_graph *g = begin(&x);
    const ek_tensor y = ek_times(ek_exp(x), ek_square(x));
    const ek_tensor plain = derivative(y, x);
    const ek_tensor gated = ek_gradients(EK_LIST(y), EK_LIST(x), .gate_gradients = true,
                                         .colocate_gradients_with_ops = true).at[0].value;

    EK_UNUSED(state);
    assert_int_equal(EK_OK, ek_graph_status(g, NULL));
    assert_float_equal(value_at(g, x, 0.7f, plain), value_at(g, x, 0.7f, gated), 0);
    ek_graph_destroy(g);
}

/* ---- conditionals -------------------------------------------------------------------------------------------- */

typedef struct pair {
    ek_tensor x;
    ek_variable w;
} pair;
static ek_list x_times_w(ek_graph *g, void *p) { return EK_RESULTS(g, ek_times(((pair *)p)->x, ((pair *)p)->w)); }
static ek_list x_times_2(ek_graph *g, void *p) { return EK_RESULTS(g, ek_times(((pair *)p)->x, 2.0)); }

/* The handle of a resource variable goes into the branch: where it is not taken its gradient is zeros of the variable's
 * shape and dtype. */
static void a_resource_variable_inside_a_branch(void **state)
{
    static const double expected[2][2][3] = { { { 2, 2, 2 }, { 0, 0, 0 } }, { { 1, 1, 1 }, { 1, 2, 3 } } };
    ek_graph *g = ek_graph_create();
    pair p;

    EK_UNUSED(state);
    ek_use_resource_variables(g, true);
    p.x = ek_placeholder(g, EK_FLOAT64, .shape = EK_SHAPE(3));
    p.w = ek_get_variable(g, "w", .shape = EK_SHAPE(3), .dtype = EK_FLOAT64, .initializer = ek_ones_initializer());
    const ek_tensor flag = ek_placeholder(g, EK_BOOL, .shape = EK_SCALAR);
    const ek_tensor y = ek_first(ek_cond(flag, x_times_w, x_times_2, .arg = &p));
    const ek_gradient_list d = ek_gradients(EK_LIST(y), EK_LIST(p.x, p.w));
    ek_session *s = ek_session_create(g);
    ek_array *x = ek_array_of(EK_FLOAT64, EK_SHAPE(3), (double[]){ 1, 2, 3 });

    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(g) }));
    for (int taken = 0; taken < 2; taken++) {
        ek_array *on = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ taken }), *out[2] = { NULL, NULL };
        EK_DIE(ek_run(s, .feed = { { p.x, x }, { flag, on } }, .fetch = { { d.at[0].value, &out[0] }, { d.at[1].value, &out[1] } }));
        for (int k = 0; k < 2; k++) {
            assert_int_equal(EK_FLOAT64, ek_array_dtype(out[k]));
            assert_memory_equal(ek_array_f64(out[k]), expected[taken][k], sizeof expected[taken][k]);
            ek_array_unref(out[k]);
        }
        ek_array_unref(on);
    }
    ek_array_unref(x);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* ---- batch norm as later versions write it -------------------------------------------------------------------- */

/* TensorFlow 2 feeds the moving statistics to the op in training as well, where 1.15 has empty tensors. */
static const char later_version[] =
    "node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } }"
    "  attr { key: 'shape' value { shape { dim { size: -1 } dim { size: 2 } dim { size: 2 } dim { size: 3 } } } } }"
    "node { name: 'c' op: 'Const' attr { key: 'dtype' value { type: DT_FLOAT } }"
    "  attr { key: 'value' value { tensor { dtype: DT_FLOAT tensor_shape { dim { size: 3 } } float_val: 1.0 } } } }"
    "node { name: 'y' op: 'FusedBatchNormV3' input: 'x' input: 'c' input: 'c' input: 'c' input: 'c'"
    "  attr { key: 'T' value { type: DT_FLOAT } } attr { key: 'U' value { type: DT_FLOAT } }"
    "  attr { key: 'exponential_avg_factor' value { f: 1.0 } } }"
    "versions { producer: 1645 }";

static void a_fused_batch_norm_that_is_given_its_averages_in_training(void **state)
{
    ek_graph *g = NULL;
    ek_error err = { 0 };
    ek_tensor x, y;

    EK_UNUSED(state);
    EK_DIE(ek_graph_load_bytes(later_version, sizeof later_version - 1, &g, NULL));
    EK_DIE(ek_graph_tensor_by_name(g, "x:0", &x));
    EK_DIE(ek_graph_tensor_by_name(g, "y:0", &y));
    const ek_gradient_list d = ek_gradients(EK_LIST(ek_square(y)), EK_LIST(x));
    if (ek_graph_status(g, &err) != EK_OK) fail_msg("%s", err.text);
    assert_true(ek_gradient_ok(d.at[0]));
    ek_graph_destroy(g);
}

/* ---- what is refused ---------------------------------------------------------------------------------------- */

#define REFUSED(g, CODE, call, part)                                                       \
    do {                                                                                   \
        ek_error err_ = { 0 };                                                             \
        const ek_gradient_list list_ = (call);                                             \
        for (int64_t i_ = 0; i_ < list_.count; i_++) assert_false(ek_gradient_ok(list_.at[i_])); \
        assert_int_equal(EK_##CODE, ek_graph_status((g), &err_));                          \
        if (strstr(err_.text, (part)) == NULL) fail_msg("%s", err_.text);                  \
        ek_graph_destroy(g);                                                               \
    } while (0)

static void bad_requests_say_what_was_wrong(void **state)
{
    ek_tensor x;
    ek_graph *g = begin(&x), *other;
    ek_tensor elsewhere;

    EK_UNUSED(state);
    REFUSED(g, INVALID_ARGUMENT, ek_gradients(EK_LIST(x), EK_LIST(((ek_tensor){ g, 99, 0 }))), "xs[0] is dead or of another graph");
    g = begin(&x);
    other = begin(&elsewhere);
    REFUSED(g, INVALID_ARGUMENT, ek_gradients(EK_LIST(x), EK_LIST(elsewhere)), "xs[0] is dead or of another graph");
    ek_graph_destroy(other);
    g = begin(&x);
    ek_tensor c = ek_op_output(ek_op_build(g, "PreventGradient", .inputs = &x, .n_inputs = 1,
                                           .attributes = &(ek_attribute){ .name = "message", .kind = EK_A_STRING, .u.s = "not here" },
                                           .n_attributes = 1), 0);
    REFUSED(g, NOT_FOUND, ek_gradients(EK_LIST(c), EK_LIST(x)), "Gradient explicitly disabled. Reason: not here");
    g = begin(&x);
    c = ek_cast(x, EK_COMPLEX64);
    REFUSED(g, INVALID_ARGUMENT, ek_gradients(EK_LIST(c), EK_LIST(x)), "Gradients of complex tensors must set grad_ys (y.dtype = complex64)");
    g = begin(&x);
    const ek_gradient dy = ek_gradient_of(ek_constant(g, ek_bool(true)));
    REFUSED(g, INVALID_ARGUMENT, ek_gradients(EK_LIST(ek_square(x)), EK_LIST(x), .grad_ys = &dy), "must be real or integer");
    g = begin(&x);
    const ek_gradient wide = ek_gradient_of(ek_zeros(g, EK_SHAPE(3)));
    REFUSED(g, INVALID_ARGUMENT, ek_gradients(EK_LIST(ek_identity(x)), EK_LIST(x), .grad_ys = &wide),
            "Incompatible shapes between op input and calculated input gradient.  Forward operation: Identity.");
    g = begin(&x);
    REFUSED(g, INVALID_ARGUMENT, ek_gradients(((ek_list){ g, NULL, 3 }), EK_LIST(x)), "items");
    g = begin(&x);
    REFUSED(g, INVALID_ARGUMENT, ek_gradients_with(EK_LIST(x), NULL, EK_HERE), "options");
}

static ek_status everything(void)
{
    ek_graph *g = ek_graph_create();
    ek_status st = EK_RESOURCE_EXHAUSTED;

    if (g == NULL) return st;
    const ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 3));
    const ek_variable w = ek_get_variable(g, "w", .shape = EK_SHAPE(3, 2));
    const ek_tensor y = ek_reduce_mean(ek_square(ek_batch_normalization(ek_matmul(x, w), .training = EK_TRUE)));
    (void)ek_gradients(EK_LIST(y), EK_LIST(x, w), .gate_gradients = true);
    const ek_tensor rows = ek_constant(g, ek_int(1), .shape = EK_SHAPE(2));
    const ek_tensor picked = ek_plus(ek_reduce_prod(ek_gather(x, rows, .axis = 1)), ek_reduce_sum(ek_gather(ek_square(x), rows)));
    (void)ek_gradients(EK_LIST(picked), EK_LIST(x));
    st = ek_graph_status(g, NULL);
    ek_graph_destroy(g);
    return st;
}

static void memory_that_runs_out_is_an_error_and_nothing_leaks(void **state)
{
    EK_UNUSED(state);
    ek_test_refuse_each(everything, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derivatives_of_derivatives),
        cmocka_unit_test(nothing_flows_where_no_path_is),
        cmocka_unit_test(stop_gradients_are_constants),
        cmocka_unit_test(given_gradients_of_the_ys),
        cmocka_unit_test(gates_change_no_number),
        cmocka_unit_test(a_resource_variable_inside_a_branch),
        cmocka_unit_test(a_fused_batch_norm_that_is_given_its_averages_in_training),
        cmocka_unit_test(bad_requests_say_what_was_wrong),
        cmocka_unit_test(memory_that_runs_out_is_an_error_and_nothing_leaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
