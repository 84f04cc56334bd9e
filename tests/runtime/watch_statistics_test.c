/* tests/runtime/watch_statistics_test.c - what a session says of the statistics that batch norms train and infer with: for each
 * rule programs that break it and twins that do not. */
#include "watch_net.h"

/* ---- BN008 ---------------------------------------------------------------------------------------------- */

static void a_layer_trained_in_inference_mode_is_told(void **state)
{
    (void)state;
    const net n[] = { dense(EK_FALSE, 0.5, true), fused(EK_FALSE, 0.5, true), flagged(false, 0.5, true),
                      flagged(true, 0.5, true) };

    for (int i = 0; i < 4; i++) {
        heard h = { 0 };
        ek_session *s = session_of(&n[i], &h);

        train(s, &n[i], 3, 8); /* the flag of the last two is not fed */
        expect_heard(&h, "BN008");
        assert_string_equal(h.at[0].place, "norm");
        assert_int_equal(h.at[0].severity, EK_SEVERITY_ERROR);
        assert_string_equal(h.at[0].text,
                            "norm is trained by train in inference mode with mean 0 and variance 1, so it does not normalize "
                            "anything; build the training graph with .training = EK_TRUE, or feed true for the layer's flag, or "
                            "restore its statistics if it is meant to be frozen");
        end(s, &n[i]);
    }
}

static void set_to(ek_session *s, const net *n, const char *name, float value)
{
    float v[WIDTH];
    ek_tensor initial;
    ek_op assign;
    char op[80];

    for (int i = 0; i < WIDTH; i++) v[i] = value;
    ek_array *a = ek_array_of(EK_FLOAT32, EK_SHAPE(WIDTH), v);
    snprintf(op, sizeof op, "%s/Assign", name);
    EK_DIE(ek_graph_op_by_name(n->g, op, &assign));
    initial = ek_op_input(assign, 1);
    EK_DIE(ek_run(s, .feed = { { initial, a } }, .target = { assign }));
    ek_array_unref(a);
}

static void a_frozen_layer_with_statistics_is_fine(void **state)
{
    (void)state;
    const net n = dense(EK_FALSE, 0.5, true);
    heard h = { 0 };
    ek_session *s = session_of(&n, &h);

    set_to(s, &n, "norm/moving_mean", 0.25f);
    train(s, &n, 3, 8);
    expect_heard(&h, "");
    end(s, &n);
}

/* The loss on other rows, in inference mode, is fetched along with the step. */
static void a_layer_that_is_looked_at_while_it_trains_is_fine(void **state)
{
    (void)state;
    net n = begin();
    heard h = { 0 };
    ek_batch_norm *norm = ek_batch_norm_layer(n.g, .name = "norm");
    const ek_tensor t = product(n.x, "w", 3);
    const ek_tensor seen = ek_batch_norm_call(norm, t, .training = EK_FALSE);

    n = finish(n, ek_batch_norm_call(norm, t, .training = EK_TRUE), false);
    ek_session *s = session_of(&n, &h);
    EK_DIE(step(s, &n, 8, NULL, EK_LIST(seen)));
    expect_heard(&h, "BN001"); /* the updates are missing, and that alone */
    end(s, &n);
}

static void a_flag_that_is_off_now_and_then_is_fine(void **state)
{
    (void)state;
    const net n = flagged(false, 0.5, true);
    heard h = { 0 };
    ek_session *s = session_of(&n, &h);

    for (int i = 0; i < 9; i++) train_flagged(s, &n, 1, 8, i % 3 != 2);
    expect_heard(&h, "");
    end(s, &n);
}

/* ---- BN007 ------------------------------------------------------------------------------------------------- */

static void inference_too_early_is_told(void **state)
{
    (void)state;
    const net n = flagged(false, 0.99, true);
    heard h = { 0 };
    ek_session *s = session_of(&n, &h);

    infer(s, &n, 8); /* not trained: nothing to say */
    train_flagged(s, &n, 10, 8, true);
    expect_heard(&h, "");
    infer(s, &n, 1);
    expect_heard(&h, "BN007");
    assert_string_equal(h.at[0].text,
                        "norm averages with momentum 0.99; after 10 steps 90.4 per cent of the initial value is still in its "
                        "statistics; train for 459 steps before inference, use a momentum of at most 0.63, or recompute the "
                        "statistics");
    assert_int_equal(h.at[0].severity, EK_SEVERITY_ERROR);
    infer(s, &n, 1);
    infer(s, &n, 8);
    expect_heard(&h, "BN007");
    end(s, &n);
}

static void little_that_is_left_is_a_warning(void **state)
{
    (void)state;
    const net n = flagged(true, 0.9, true);
    heard h = { 0 };
    ek_session *s = session_of(&n, &h);

    train_flagged(s, &n, 30, 8, true); /* 4 per cent */
    infer(s, &n, 8);
    expect_heard(&h, "BN007");
    assert_int_equal(h.at[0].severity, EK_SEVERITY_WARNING);
    end(s, &n);
}

static void inference_after_enough_steps_is_fine(void **state)
{
    (void)state;
    const net n = flagged(false, 0.9, true);
    heard h = { 0 };
    ek_session *s = session_of(&n, &h);

    train_flagged(s, &n, 44, 8, true); /* 0.97 per cent */
    infer(s, &n, 8);
    expect_heard(&h, "");
    end(s, &n);
}

/* A layer that is fused and told not to train keeps its averages by a momentum of one: those runs do not count. */
static void updates_that_change_nothing_do_not_count(void **state)
{
    (void)state;
    const net n = flagged(true, 0.9, true);
    heard h = { 0 };
    ek_session *s = session_of(&n, &h);

    train_flagged(s, &n, 10, 8, true);
    for (int i = 0; i < 40; i++) EK_DIE(step(s, &n, 8, (bool[]){ false }, ek_get_collection(n.g, EK_UPDATE_OPS)));
    infer(s, &n, 8);
    expect_heard(&h, "BN007");
    assert_non_null(strstr(h.at[0].text, "after 10 steps 34.9 per cent"));
    end(s, &n);
}

static void statistics_from_elsewhere_are_fine(void **state)
{
    (void)state;
    const net n = flagged(false, 0.99, true);
    heard h = { 0 };
    ek_session *s = session_of(&n, &h);

    set_to(s, &n, "norm/moving_mean", 0.5f);
    set_to(s, &n, "norm/moving_variance", 2.0f);
    train_flagged(s, &n, 3, 8, true); /* fine tuning */
    infer(s, &n, 8);
    expect_heard(&h, "");
    end(s, &n);
}

static void statistics_that_were_recomputed_are_fine(void **state)
{
    (void)state;
    const net n = flagged(false, 0.99, true);
    const float v[WIDTH] = { 1, 2, 3, 4 };
    ek_array *value = ek_array_of(EK_FLOAT32, EK_SHAPE(WIDTH), v);

    for (int way = 0; way < 2; way++) {
        heard h = { 0 };
        ek_session *s = session_of(&n, &h);

        train_flagged(s, &n, 3, 8, true);
        for (int64_t i = 0; way == 0 && i < ek_get_collection(n.g, EK_GLOBAL_VARIABLES).count; i++) {
            const ek_variable of = ek_get_collection(n.g, EK_GLOBAL_VARIABLES).item[i].u.variable;
            if (strstr(ek_op_name(ek_variable_op(of)), "moving") != NULL) EK_DIE(ek_session_set(s, of, value));
        }
        if (way == 1) set_to(s, &n, "norm/moving_mean", 0.5f);
        if (way == 1) set_to(s, &n, "norm/moving_variance", 2.0f);
        infer(s, &n, 8);
        expect_heard(&h, "");
        ek_session_destroy(s);
    }
    ek_array_unref(value);
    ek_graph_destroy(n.g);
}

/* Two towers that move the same averages: what is left is the square. */
static void updates_of_one_run_count_together(void **state)
{
    (void)state;
    net n = begin();
    heard h = { 0 };
    ek_batch_norm *norm = ek_batch_norm_layer(n.g, .name = "norm", .momentum = 0.9);
    const ek_tensor t = product(n.x, "w", 3);
    const ek_tensor towers[] = { ek_batch_norm_call(norm, t, .training = n.flag),
                                 ek_batch_norm_call(norm, ek_square(t), .training = n.flag) };

    n = finish(n, ek_plus(towers[0], towers[1]), true);
    ek_session *s = session_of(&n, &h);
    train_flagged(s, &n, 10, 8, true);
    infer(s, &n, 8);
    expect_heard(&h, "BN007");
    assert_non_null(strstr(h.at[0].text, "momentum 0.81; after 10 steps 12.2 per cent"));
    end(s, &n);
}

static void training_that_begins_anew_counts_anew(void **state)
{
    (void)state;
    const net n = flagged(false, 0.9, true);
    heard h = { 0 };
    ek_session *s = session_of(&n, &h);

    train_flagged(s, &n, 60, 8, true);
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(n.g) }));
    infer(s, &n, 8); /* as never trained */
    expect_heard(&h, "");
    train_flagged(s, &n, 2, 8, true);
    infer(s, &n, 8);
    expect_heard(&h, "BN007");
    assert_non_null(strstr(h.at[0].text, "after 2 steps"));
    end(s, &n);
}

/* Another graph, another session, the same variables. */
static void whoever_serves_from_the_store_is_told(void **state)
{
    (void)state;
    const net n = dense(EK_TRUE, 0.99, true), serving = dense(EK_FALSE, 0.99, true);
    heard trainer = { 0 }, server = { 0 };
    ek_session *s = session_of(&n, &trainer);
    ek_session *of = ek_session_create(serving.g, .store = ek_session_store(s), .report = hear, .report_arg = &server);

    train(s, &n, 5, 8);
    infer(of, &serving, 1);
    expect_heard(&trainer, "");
    expect_heard(&server, "BN007");
    end(of, &serving);
    end(s, &n);
}

/* ---- BN006, BN013 ------------------------------------------------------------------------------------------------ */

static void one_value_per_channel_is_told(void **state)
{
    (void)state;
    const net n[] = { dense(EK_TRUE, 0.5, true), fused(EK_TRUE, 0.5, true) };

    for (int i = 0; i < 2; i++) {
        heard h = { 0 };
        ek_session *s = session_of(&n[i], &h);

        train(s, &n[i], 2, 8);
        expect_heard(&h, "");
        train(s, &n[i], 2, 1);
        expect_heard(&h, "BN006");
        assert_int_equal(h.at[0].severity, EK_SEVERITY_ERROR);
        assert_string_equal(h.at[0].text,
                            "norm sees one value per channel for a batch of 1, so its variance is 0 and its output carries no "
                            "information; drop the last partial batch, use a batch of at least 2, or put this layer in inference "
                            "mode");
        end(s, &n[i]);
    }
}

static void few_values_per_channel_are_told(void **state)
{
    (void)state;
    const net n = dense(EK_TRUE, 0.5, true);
    heard h = { 0 };
    ek_session *s = session_of(&n, &h);

    train(s, &n, 2, 8);
    expect_heard(&h, "");
    train(s, &n, 2, 7);
    train(s, &n, 2, 2);
    expect_heard(&h, "BN013");
    assert_int_equal(h.at[0].severity, EK_SEVERITY_WARNING);
    assert_string_equal(h.at[0].text,
                        "norm estimates its statistics from 7 values per channel (7 samples), which is too few to be stable; use "
                        "a larger batch, drop the last partial one, put this layer in inference mode, or use another normalizer");
    end(s, &n);
}

/* Two samples of an image are as good as many. */
static void pixels_count_as_values(void **state)
{
    (void)state;
    net n = begin();
    heard h = { 0 };
    const ek_tensor image = ek_reshape(ek_matmul(n.x, ek_variable_value(ek_get_variable(n.g, "w", .shape = EK_SHAPE(3, 16)))),
                                       EK_SHAPE(-1, 2, 2, 4));

    n = finish(n, ek_batch_normalization(image, .training = EK_TRUE), true);
    ek_session *s = session_of(&n, &h);
    train(s, &n, 2, 2);
    expect_heard(&h, "");
    train(s, &n, 2, 1);
    expect_heard(&h, "BN013");
    assert_non_null(strstr(h.at[0].text, "from 4 values per channel (1 sample)"));
    end(s, &n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_layer_trained_in_inference_mode_is_told),
        cmocka_unit_test(a_frozen_layer_with_statistics_is_fine),
        cmocka_unit_test(a_layer_that_is_looked_at_while_it_trains_is_fine),
        cmocka_unit_test(a_flag_that_is_off_now_and_then_is_fine),
        cmocka_unit_test(inference_too_early_is_told),
        cmocka_unit_test(little_that_is_left_is_a_warning),
        cmocka_unit_test(inference_after_enough_steps_is_fine),
        cmocka_unit_test(updates_that_change_nothing_do_not_count),
        cmocka_unit_test(statistics_from_elsewhere_are_fine),
        cmocka_unit_test(statistics_that_were_recomputed_are_fine),
        cmocka_unit_test(updates_of_one_run_count_together),
        cmocka_unit_test(training_that_begins_anew_counts_anew),
        cmocka_unit_test(whoever_serves_from_the_store_is_told),
        cmocka_unit_test(one_value_per_channel_is_told),
        cmocka_unit_test(few_values_per_channel_are_told),
        cmocka_unit_test(pixels_count_as_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
