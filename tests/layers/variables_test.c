/* tests/layers/variables_test.c - what a variable, a scope and a layer say of themselves. */
#include "support/building.h"

static void expect_text(char *found, const char *want)
{
    assert_non_null(found);
    assert_string_equal(found, want);
    ek_free(found);
}

static void a_variable_tells_what_it_is(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_variable w = ek_get_variable(g, "w", .shape = EK_SHAPE(2, 3)),
                      r = ek_get_variable(g, "r", .shape = EK_SHAPE(2), .trainable = EK_NO, .use_resource = EK_YES);
    const ek_variable dead = { g, -1 };

    (void)state;
    expect_fine(g);
    expect_text(ek_variable_repr(w), "<tf.Variable 'w:0' shape=(2, 3) dtype=float32_ref>");
    expect_text(ek_variable_repr(r), "<tf.Variable 'r:0' shape=(2,) dtype=float32>");
    assert_true(ek_variable_is_trainable(w));
    assert_false(ek_variable_is_trainable(r));
    assert_false(ek_variable_is_trainable(dead));
    assert_string_equal(ek_op_name(ek_tensor_op(ek_variable_initial_value(w))), "w/Initializer/random_uniform");
    assert_false(ek_tensor_ok(ek_variable_initial_value(dead)));
    assert_string_equal(ek_variable_name(dead), "");
    ek_graph_destroy(g);
}

static void a_scope_says_of_which_kind_variables_are(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_variable a = { g, -1 }, b = { g, -1 }, c = { g, -1 };

    (void)state;
    ek_with_variable_scope(g, "s", .use_resource = EK_YES) {
        a = ek_variable_create(g, 1.0);
        ek_with_variable_scope(g, "t") b = ek_variable_create(g, 1.0);
        c = ek_variable_create(g, 1.0, .use_resource = EK_NO);
        ek_metrics_mean(ek_constant(g, ek_float(1.0)));
    }
    expect_fine(g);
    assert_true(ek_variable_is_resource(a) && ek_variable_is_resource(b));
    assert_false(ek_variable_is_resource(c));
    assert_true(ek_variable_is_resource(ek_get_collection(g, EK_METRIC_VARIABLES).item[0].u.variable));
    ek_graph_destroy(g);
}

static void a_scope_tells_whether_it_reuses(void **state)
{
    ek_graph *g = ek_graph_create();

    (void)state;
    assert_int_equal(ek_variable_scope_reuse(ek_get_variable_scope(g)), EK_NEW);
    ek_with_variable_scope(g, "a", .reuse = EK_AUTO_REUSE)
        assert_int_equal(ek_variable_scope_reuse(ek_get_variable_scope(g)), EK_AUTO_REUSE);
    assert_int_equal(ek_variable_scope_reuse((ek_variable_scope){ g, NULL }), EK_NEW);
    ek_graph_destroy(g);
}

static void a_layer_hands_out_its_variables(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_batch_norm *layer = ek_batch_norm_layer(g, .center = false, .name = "bn");

    (void)state;
    assert_false(ek_variable_ok(ek_batch_norm_moving_mean(layer))); /* not called yet */
    (void)ek_batch_norm_call(layer, ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 4)), .training = EK_TRUE);
    expect_fine(g);
    assert_string_equal(ek_variable_name(ek_batch_norm_moving_mean(layer)), "bn/moving_mean:0");
    assert_string_equal(ek_variable_name(ek_batch_norm_moving_variance(layer)), "bn/moving_variance:0");
    assert_string_equal(ek_variable_name(ek_batch_norm_gamma(layer)), "bn/gamma:0");
    assert_false(ek_variable_ok(ek_batch_norm_beta(layer)));
    ek_graph_destroy(g);
}

static ek_tensor halved(ek_variable v, void *arg)
{
    return ek_times(v, *(double *)arg);
}

static void regularizers_and_constraints_are_kept(void **state)
{
    ek_graph *g = ek_graph_create();
    double half = 0.5;
    const ek_variable w = ek_get_variable(g, "w", .shape = EK_SHAPE(2), .initializer = ek_constant_initializer(-3.0),
                                          .regularizer = ek_l1_regularizer(0.5),
                                          .constraint = ek_custom_constraint(halved, &half));
    const ek_list losses = ek_get_collection(g, EK_REGULARIZATION_LOSSES);
    const ek_constraint c = ek_variable_constraint(w);
    ek_array *loss = NULL, *next = NULL;

    (void)state;
    expect_fine(g);
    assert_int_equal(losses.count, 1);
    ek_session *s = ek_session_create(g, .threads = 1);
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(g) }));
    EK_DIE(ek_run(s, .fetch = { { losses.item[0].u.tensor, &loss }, { c.call(w, c.arg), &next } }));
    assert_true(ek_array_get(loss, 0) == 3.0); /* 0.5 * (3 + 3) */
    assert_true(ek_array_get(next, 1) == -1.5);
    ek_array_unref(loss);
    ek_array_unref(next);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void lists_hold_what_was_put_in(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_variable w = ek_get_variable(g, "w", .shape = EK_SHAPE(2));

    (void)state;
    assert_int_equal(ek_model_variables(g).count, 0);
    ek_add_to_collection(g, EK_MODEL_VARIABLES, w);
    ek_add_to_collection(g, EK_MOVING_AVERAGE_VARIABLES, w);
    assert_int_equal(ek_model_variables(g).count, 1);
    assert_int_equal(ek_moving_average_variables(g).count, 1);
    assert_int_equal(ek_local_variables(g).count, 0);
    ek_graph_destroy(g);
}

static void a_tensor_is_told_its_shape(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 3), .name = "x");
    ek_error err = { 0 };

    (void)state;
    ek_set_shape(x, EK_UNKNOWN_SHAPE);
    ek_set_shape(x, EK_SHAPE(5, -1));
    expect_fine(g);
    expect_text(ek_tensor_repr(x), "<tf.Tensor 'x:0' shape=(5, 3) dtype=float32>");
    ek_set_shape(x, EK_SHAPE(5, 4));
    assert_int_equal(ek_graph_status(g, &err), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "(5, 4)"));
    assert_non_null(strstr(err.text, "(5, 3)"));
    ek_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_variable_tells_what_it_is),
        cmocka_unit_test(a_scope_says_of_which_kind_variables_are),
        cmocka_unit_test(a_scope_tells_whether_it_reuses),
        cmocka_unit_test(a_layer_hands_out_its_variables),
        cmocka_unit_test(regularizers_and_constraints_are_kept),
        cmocka_unit_test(lists_hold_what_was_put_in),
        cmocka_unit_test(a_tensor_is_told_its_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
