/* tests/runtime/watch_test.c - what a session says of batch norms whose updates do not run, who hears it, and what it
 * leaves in peace. */
#include "watch_net.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- BN001 ----------------------------------------------------------------------------------------- */

static const char s_not_updated[] =
    "the moving mean and variance of norm are updated by norm/AssignMovingAvg and norm/AssignMovingAvg_1, but no path leads "
    "from them to the train step train, so inference will use their initial values; make the "
    "train step by ek_train_op(loss, optimizer), or put ek_with_control_dependencies(g, ek_get_collection(g, EK_UPDATE_OPS)) "
    "before ek_minimize, or run them with it: .also = ek_get_collection(g, EK_UPDATE_OPS)";

static void updates_that_nothing_runs_are_named(void **state)
{
    (void)state;
    const net n = dense(EK_TRUE, 0.5, false);
    heard h = { 0 };
    ek_session *s = session_of(&n, &h);

    expect_heard(&h, "");
    train(s, &n, 1, 8);
    expect_heard(&h, "BN001");
    assert_string_equal(h.at[0].text, s_not_updated);
    assert_string_equal(h.at[0].place, "norm");
    assert_int_equal(h.at[0].severity, EK_SEVERITY_ERROR);
    assert_int_equal(h.at[0].places, 1);
    train(s, &n, 3, 8);
    train(s, &n, 3, 16); /* another plan */
    expect_heard(&h, "BN001");
    end(s, &n);
}

static void updates_that_the_step_waits_for_are_fine(void **state)
{
    (void)state;
    const net n = dense(EK_TRUE, 0.5, true);
    heard h = { 0 };

    train_and_hear(&n, 5, 8, "", &h);
}

static void updates_that_run_along_are_fine(void **state)
{
    (void)state;
    const net n = dense(EK_TRUE, 0.5, false);
    heard h = { 0 };
    ek_session *s = session_of(&n, &h);

    EK_DIE(step(s, &n, 8, NULL, ek_get_collection(n.g, EK_UPDATE_OPS)));
    expect_heard(&h, "");
    end(s, &n);
}

static void updates_in_runs_of_their_own_are_fine(void **state)
{
    (void)state;
    const net n = dense(EK_TRUE, 0.5, false);
    heard h = { 0 };
    ek_session *s = session_of(&n, &h);
    ek_array *x = rows(8);

    for (int i = 0; i < 3; i++) {
        EK_DIE(ek_run(s, .feed = { { n.x, x } }, .also = ek_get_collection(n.g, EK_UPDATE_OPS)));
        train(s, &n, 1, 8);
    }
    expect_heard(&h, "");
    ek_array_unref(x);
    end(s, &n);
}

typedef net maker(bool updates);
static net make_fused(bool updates) { return fused(EK_TRUE, 0.5, updates); }
static net make_flagged(bool updates) { return flagged(false, 0.5, updates); }
static net make_fused_flagged(bool updates) { return flagged(true, 0.5, updates); }

static net make_resource(bool updates)
{
    net n = begin();

    ek_with_variable_scope(n.g, "r", .use_resource = EK_YES)
        n = finish(n, ek_batch_normalization(product(n.x, "w", 3), .training = n.flag, .momentum = 0.5, .name = "norm"),
                   updates);
    return n;
}

static net make_renorm(bool updates)
{
    net n = begin();

    return finish(n, ek_batch_normalization(product(n.x, "w", 3), .training = n.flag, .momentum = 0.5, .renorm = true,
                                            .renorm_momentum = 0.5, .name = "norm"), updates);
}

static net make_virtual(bool updates)
{
    net n = begin();

    return finish(n, ek_batch_normalization(product(n.x, "w", 3), .training = EK_TRUE, .momentum = 0.5,
                                            .virtual_batch_size = 12, .name = "norm"), updates);
}

static net make_bare(bool updates)
{
    net n = begin();

    return finish(n, ek_batch_normalization(product(n.x, "w", 3), .training = n.flag, .momentum = 0.5, .center = false,
                                            .scale = false, .name = "norm"), updates);
}

static ek_tensor formula(ek_tensor x, ek_tensor mean, ek_tensor variance, ek_tensor beta, ek_tensor gamma)
{
    return ek_nn_batch_normalization(x, .mean = EK_OPERAND(mean), .variance = EK_OPERAND(variance), .offset = EK_OPERAND(beta),
                                     .scale = EK_OPERAND(gamma), .variance_epsilon = 1e-3);
}

/* What batch_normalization makes in its scope. */
typedef struct parameters {
    ek_variable mean, variance;
    ek_tensor gamma, beta;
} parameters;

static parameters parameters_in(ek_graph *g)
{
    const ek_initializer zeros = ek_zeros_initializer(), ones = ek_ones_initializer();
    parameters p;

    p.mean = ek_get_variable(g, "mean", .shape = EK_SHAPE(WIDTH), .trainable = false, .initializer = zeros);
    p.variance = ek_get_variable(g, "variance", .shape = EK_SHAPE(WIDTH), .trainable = false, .initializer = ones);
    p.gamma = ek_variable_value(ek_get_variable(g, "gamma", .shape = EK_SHAPE(WIDTH), .initializer = ones));
    p.beta = ek_variable_value(ek_get_variable(g, "beta", .shape = EK_SHAPE(WIDTH), .initializer = zeros));
    return p;
}

/* Moments, a formula, and averages that are assigned: momentum * old + (1 - momentum) * batch. */
static net make_by_hand(bool updates)
{
    net n = begin();
    const ek_tensor h = product(n.x, "w", 3);
    const ek_moments_result batch = ek_moments(h, .axes = EK_AXES(0));

    ek_with_variable_scope(n.g, "norm") {
        const parameters p = parameters_in(n.g);
        const ek_tensor of[] = { batch.mean, batch.variance };
        const ek_variable to[] = { p.mean, p.variance };
        for (int i = 0; i < 2; i++) {
            const ek_tensor at = { n.g, ek_variable_op(to[i]).id, 0 };
            const ek_tensor in[] = { at, ek_plus(ek_times(to[i], 0.5), ek_times(of[i], 0.5)) };
            const ek_op update = ek_op_build(n.g, "Assign", .name = "Move", .inputs = in, .n_inputs = 2);
            ek_add_to_collection(n.g, EK_UPDATE_OPS, update);
        }
        n.y = formula(h, batch.mean, batch.variance, p.beta, p.gamma);
    }
    return finish(n, n.y, updates);
}

static void expect_twins(maker *make, const char *place)
{
    for (int updates = 0; updates < 2; updates++) {
        const net n = make(updates != 0);
        heard h = { 0 };
        ek_session *s = session_of(&n, &h);

        train_flagged(s, &n, 3, 24, true);
        expect_heard(&h, updates != 0 ? "" : "BN001");
        if (updates == 0) assert_string_equal(h.at[0].place, place);
        end(s, &n);
    }
}

static void every_form_of_batch_norm_is_told(void **state)
{
    (void)state;
    expect_twins(make_fused, "norm");
    expect_twins(make_flagged, "norm");
    expect_twins(make_fused_flagged, "norm");
    expect_twins(make_resource, "r/norm");
    expect_twins(make_renorm, "norm");
    expect_twins(make_virtual, "norm");
    expect_twins(make_bare, "norm");
    expect_twins(make_by_hand, "norm");
}

static void layers_are_told_together(void **state)
{
    (void)state;
    net n = begin();
    ek_tensor t = n.x;
    heard h = { 0 };

    for (int i = 0; i < 3; i++)
        t = ek_relu(ek_batch_normalization(product(t, (const char *[]){ "a", "b", "c" }[i], i == 0 ? 3 : WIDTH),
                                           .training = EK_TRUE));
    n = finish(n, t, false);
    train_and_hear(&n, 2, 8, "BN001", &h);
    assert_int_equal(h.at[0].places, 3);
    assert_string_equal(h.at[0].place, "batch_normalization");
    assert_non_null(strstr(h.at[0].text, "batch_normalization (3 layers in all) are updated by "
                                         "batch_normalization/AssignMovingAvg, batch_normalization/AssignMovingAvg_1, "
                                         "batch_normalization_1/AssignMovingAvg, batch_normalization_1/AssignMovingAvg_1 and "
                                         "2 more, but"));
}

/* One layer's updates run, another's do not. */
static void a_layer_that_is_left_out_is_named(void **state)
{
    (void)state;
    net n = begin();
    heard h = { 0 };
    ek_tensor t = ek_batch_normalization(product(n.x, "a", 3), .training = EK_TRUE, .name = "first");
    const ek_list early = ek_get_collection(n.g, EK_UPDATE_OPS);

    t = ek_batch_normalization(product(t, "b", WIDTH), .training = EK_TRUE, .name = "second");
    n.loss = ek_reduce_mean(ek_square(ek_minus(t, 0.5)));
    ek_with_control_dependencies(n.g, early) n.train = descend(n.g, n.loss);
    train_and_hear(&n, 1, 8, "BN001", &h);
    assert_string_equal(h.at[0].place, "second");
}

/* Nothing in the graph updates what its inference reads. */
static void averages_that_have_no_update_are_told(void **state)
{
    (void)state;
    net n = begin();
    heard h = { 0 };
    const ek_tensor t = product(n.x, "w", 3);
    const ek_moments_result batch = ek_moments(t, .axes = EK_AXES(0));

    ek_with_variable_scope(n.g, "norm") {
        const parameters p = parameters_in(n.g);
        n.y = formula(t, batch.mean, batch.variance, p.beta, p.gamma);
        formula(t, ek_variable_value(p.mean), ek_variable_value(p.variance), p.beta, p.gamma);
    }
    n = finish(n, n.y, false);
    train_and_hear(&n, 2, 8, "BN001", &h);
    assert_string_equal(h.at[0].text,
                        "nothing updates the moving mean and variance of norm while train trains it, so inference will use their "
                        "initial values; in each step assign momentum * old + (1 - momentum) * batch to both, as "
                        "ek_batch_normalization does");
}

/* Batch statistics forever: there is nothing to update. */
static void a_layer_without_averages_is_fine(void **state)
{
    (void)state;
    net n = begin();
    heard h = { 0 };
    const ek_tensor t = product(n.x, "w", 3);
    const ek_moments_result batch = ek_moments(t, .axes = EK_AXES(0));
    const ek_tensor gamma = ek_variable_value(ek_get_variable(n.g, "gamma", .shape = EK_SHAPE(WIDTH)));
    const ek_tensor beta = ek_variable_value(ek_get_variable(n.g, "beta", .shape = EK_SHAPE(WIDTH)));

    n = finish(n, formula(t, batch.mean, batch.variance, beta, gamma), false);
    train_and_hear(&n, 2, 8, "", &h);
}

/* A generator's step: the gradient passes a critic, whose layer another step trains and updates. */
static void a_gradient_that_only_passes_trains_nothing(void **state)
{
    (void)state;
    net n = begin();
    heard h = { 0 };
    const ek_variable made = ek_get_variable(n.g, "made", .shape = EK_SHAPE(3, WIDTH));
    const ek_tensor t = ek_batch_normalization(product(ek_matmul(n.x, ek_variable_value(made)), "w", WIDTH),
                                               .training = EK_TRUE, .name = "critic");
    const ek_tensor loss = ek_reduce_mean(ek_square(ek_minus(ek_relu(t), 0.5)));
    const ek_tensor d = ek_gradients(EK_LIST(loss), EK_LIST(made)).at[0].value;
    const ek_tensor in[] = { { n.g, ek_variable_op(made).id, 0 }, ek_constant(n.g, ek_float(0.1)), d };

    n.train = ek_op_build(n.g, "ApplyGradientDescent", .inputs = in, .n_inputs = 3);
    train_and_hear(&n, 2, 8, "", &h);
}

/* The library's own: minimize as TensorFlow has it, and ek_train_op, which runs the updates. */
static void minimize_is_told_and_train_op_is_fine(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        net n = dense(EK_TRUE, 0.5, true);
        heard h = { 0 };
        ek_optimizer *adam = ek_adam_optimizer(n.g, 0.01);

        if (way == 0) n.train = ek_minimize(adam, n.loss);
        if (way == 1) n.train = ek_tensor_op(ek_train_op(n.loss, adam));
        if (way == 2)
            ek_with_control_dependencies(n.g, ek_get_collection(n.g, EK_UPDATE_OPS)) n.train = ek_minimize(adam, n.loss);
        ek_session *s = session_of(&n, &h);
        train(s, &n, 2, 8);
        expect_heard(&h, way == 0 ? "BN001" : "");
        if (way == 0) assert_non_null(strstr(h.at[0].text, "the train step Adam,"));
        end(s, &n);
    }
}

/* No optimizer's op: variables less a share of their gradients. */
static void steps_by_hand_are_training_too(void **state)
{
    (void)state;
    net n = dense(EK_TRUE, 0.5, false);
    heard h = { 0 };
    const ek_list variables = ek_get_collection(n.g, EK_TRAINABLE_VARIABLES);
    const ek_gradient_list d = ek_gradients(EK_LIST(n.loss), variables);
    ek_op by_hand[3];

    assert_int_equal(d.count, 3);
    for (int i = 0; i < 3; i++)
        by_hand[i] = ek_tensor_op(ek_assign_sub(variables.item[i].u.variable, ek_times(d.at[i].value, 0.1)));
    n.train = ek_op_build(n.g, "NoOp", .name = "by_hand", .control = by_hand, .n_control = 3);
    train_and_hear(&n, 2, 8, "BN001", &h);
    assert_non_null(strstr(h.at[0].text, "the train step by_hand,"));
}

/* Only the kernel in front of it trains; its own parameters are frozen. */
static void a_kernel_trains_its_layer(void **state)
{
    (void)state;
    net n = dense(EK_TRUE, 0.5, false);
    heard h = { 0 };
    const ek_variable kernel = ek_get_collection(n.g, EK_TRAINABLE_VARIABLES).item[0].u.variable;

    n.train = ek_tensor_op(ek_assign_sub(kernel, ek_gradients(EK_LIST(n.loss), EK_LIST(kernel)).at[0].value));
    train_and_hear(&n, 2, 8, "BN001", &h);
}

/* The same where nothing but its parameters tells whose layer it is. */
static void frozen_parameters_train_nothing(void **state)
{
    (void)state;
    net n = begin();
    heard h = { 0 };
    const ek_variable made = ek_get_variable(n.g, "made", .shape = EK_SHAPE(3));
    const ek_tensor t = ek_batch_normalization(ek_tanh(ek_times(n.x, made)), .training = EK_TRUE, .name = "critic");
    const ek_tensor loss = ek_reduce_mean(ek_square(ek_minus(ek_relu(t), 0.5)));

    n.train = ek_tensor_op(ek_assign_sub(made, ek_gradients(EK_LIST(loss), EK_LIST(made)).at[0].value));
    train_and_hear(&n, 2, 8, "", &h);
}

/* A choice by Select: nothing steers by the flag, and the mode is its value's all the same. */
static void a_flag_counts_in_each_run(void **state)
{
    (void)state;
    net n = begin();
    heard h = { 0 };
    const ek_tensor t = product(n.x, "w", 3);
    const ek_moments_result batch = ek_moments(t, .axes = EK_AXES(0));

    ek_with_variable_scope(n.g, "norm") {
        const parameters p = parameters_in(n.g);
        ek_assign(p.mean, ek_plus(ek_times(p.mean, 0.5), ek_times(batch.mean, 0.5)));
        n.y = formula(t, ek_select(n.flag, batch.mean, ek_variable_value(p.mean)),
                      ek_select(n.flag, batch.variance, ek_variable_value(p.variance)), p.beta, p.gamma);
    }
    n = finish(n, n.y, false);
    for (int fuse = 0; fuse < 2; fuse++) {
        memset(&h, 0, sizeof h);
        ek_session *s = ek_session_create(n.g, .fuse = fuse == 0 ? EK_NO : EK_YES, .report = hear, .report_arg = &h);
        EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(n.g) }));
        train_flagged(s, &n, 2, 8, true);
        expect_heard(&h, "BN001");
        train_flagged(s, &n, 2, 8, false);
        expect_heard(&h, "BN001 BN008");
        ek_session_destroy(s);
    }
    ek_graph_destroy(n.g);
}

/* ---- silence ------------------------------------------------------------------------------------------------------- */

/* The article's program trains nothing: three rows, one row, averages that move a thousand times. */
static void the_article_is_left_in_peace(void **state)
{
    (void)state;
    net n = begin();
    heard h = { 0 };

    n.y = ek_batch_normalization(n.x, .training = n.flag);
    ek_with_control_dependencies(n.g, ek_get_collection(n.g, EK_UPDATE_OPS)) n.y = ek_identity(n.y);
    n.train = ek_tensor_op(n.y);
    ek_session *s = session_of(&n, &h);
    for (int i = 0; i < 10; i++) {
        train_flagged(s, &n, 1, 3, true);
        infer(s, &n, 1);
    }
    expect_heard(&h, "");
    train_flagged(s, &n, 1, 1, true); /* averages of nothing */
    expect_heard(&h, "BN006");
    end(s, &n);
}

static void metrics_are_no_training(void **state)
{
    (void)state;
    net n = flagged(false, 0.5, true);
    heard h = { 0 };
    const ek_variable total = ek_get_variable(n.g, "total", .shape = EK_SCALAR, .trainable = false,
                                              .initializer = ek_zeros_initializer());
    const ek_tensor in[] = { { n.g, ek_variable_op(total).id, 0 }, n.loss };

    n.train = ek_op_build(n.g, "AssignAdd", .inputs = in, .n_inputs = 2);
    ek_session *s = session_of(&n, &h);
    train(s, &n, 3, 2);
    train_flagged(s, &n, 3, 2, true);
    expect_heard(&h, "");
    end(s, &n);
}

/* ---- who hears it ----------------------------------------------------------------------------------------------------- */

static void each_session_says_it_for_itself(void **state)
{
    (void)state;
    const net n = dense(EK_TRUE, 0.5, false);
    heard one = { 0 }, two = { 0 };
    ek_session *a = session_of(&n, &one), *b = session_of(&n, &two);

    train(a, &n, 2, 4);
    expect_heard(&one, "BN001 BN013");
    expect_heard(&two, "");
    train(b, &n, 2, 8);
    expect_heard(&two, "BN001");
    ek_session_destroy(b);
    end(a, &n);
}

static void an_option_turns_it_off(void **state)
{
    (void)state;
    const net n = dense(EK_TRUE, 0.5, false);
    heard h = { 0 };

    for (int way = 0; way < 2; way++) {
        if (way == 1) setenv("EK_WATCH", "0", 1);
        ek_session *s = ek_session_create(n.g, .watch = way == 0 ? EK_NO : EK_DEFAULT, .report = hear, .report_arg = &h);
        unsetenv("EK_WATCH");
        EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(n.g) }));
        train(s, &n, 1, 4);
        ek_session_destroy(s);
    }
    expect_heard(&h, "");
    ek_graph_destroy(n.g);
}

/* What the process writes to stderr meanwhile. */
static void capture(void (*run)(const net *n), const net *n, char *out, size_t room)
{
    FILE *file = tmpfile();
    const int kept = dup(2);
    size_t size;

    assert_non_null(file);
    fflush(stderr);
    dup2(fileno(file), 2);
    run(n);
    fflush(stderr);
    dup2(kept, 2);
    close(kept);
    rewind(file);
    size = fread(out, 1, room - 1, file);
    out[size] = '\0';
    fclose(file);
}

static void train_unheard(const net *n)
{
    ek_session *s = ek_session_create(n->g);

    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(n->g) }));
    train(s, n, 3, 8);
    ek_session_destroy(s);
}

static void without_a_listener_it_is_a_line_on_stderr(void **state)
{
    (void)state;
    const net n = dense(EK_TRUE, 0.5, false), fine = dense(EK_TRUE, 0.5, true);
    char found[4096], wanted[4096];

    capture(train_unheard, &n, found, sizeof found);
    snprintf(wanted, sizeof wanted, "evenkeel: BN001 error: %s\n", s_not_updated);
    assert_string_equal(found, wanted);
    capture(train_unheard, &fine, found, sizeof found);
    assert_string_equal(found, "");
    ek_graph_destroy(n.g);
    ek_graph_destroy(fine.g);
}

typedef struct asker {
    ek_session *s;
    const net *n;
    int times;
} asker;

static void ask(const ek_finding *f, void *arg)
{
    asker *a = arg;

    assert_string_equal(f->title, "Moving-average updates not tied to the train step");
    a->times++;
    infer(a->s, a->n, 8);
    train(a->s, a->n, 1, 8);
}

static void a_listener_may_use_the_session(void **state)
{
    (void)state;
    const net n = dense(EK_TRUE, 0.5, false);
    asker a = { .n = &n };

    a.s = ek_session_create(n.g, .report = ask, .report_arg = &a);
    EK_DIE(ek_run(a.s, .target = { ek_global_variables_initializer(n.g) }));
    train(a.s, &n, 1, 8);
    assert_int_equal(a.times, 1);
    end(a.s, &n);
}

static void node_by_node_it_is_the_same(void **state)
{
    (void)state;
    const net n = flagged(true, 0.99, false);
    heard h = { 0 };
    ek_session *s = ek_session_create(n.g, .fuse = EK_NO, .report = hear, .report_arg = &h);

    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(n.g) }));
    train_flagged(s, &n, 2, 4, true);
    expect_heard(&h, "BN001 BN013");
    EK_DIE(step(s, &n, 8, (bool[]){ true }, ek_get_collection(n.g, EK_UPDATE_OPS)));
    infer(s, &n, 8);
    expect_heard(&h, "BN001 BN013 BN007");
    end(s, &n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(updates_that_nothing_runs_are_named),
        cmocka_unit_test(updates_that_the_step_waits_for_are_fine),
        cmocka_unit_test(updates_that_run_along_are_fine),
        cmocka_unit_test(updates_in_runs_of_their_own_are_fine),
        cmocka_unit_test(every_form_of_batch_norm_is_told),
        cmocka_unit_test(layers_are_told_together),
        cmocka_unit_test(a_layer_that_is_left_out_is_named),
        cmocka_unit_test(averages_that_have_no_update_are_told),
        cmocka_unit_test(a_layer_without_averages_is_fine),
        cmocka_unit_test(a_gradient_that_only_passes_trains_nothing),
        cmocka_unit_test(minimize_is_told_and_train_op_is_fine),
        cmocka_unit_test(steps_by_hand_are_training_too),
        cmocka_unit_test(a_kernel_trains_its_layer),
        cmocka_unit_test(frozen_parameters_train_nothing),
        cmocka_unit_test(a_flag_counts_in_each_run),
        cmocka_unit_test(the_article_is_left_in_peace),
        cmocka_unit_test(metrics_are_no_training),
        cmocka_unit_test(each_session_says_it_for_itself),
        cmocka_unit_test(an_option_turns_it_off),
        cmocka_unit_test(without_a_listener_it_is_a_line_on_stderr),
        cmocka_unit_test(a_listener_may_use_the_session),
        cmocka_unit_test(node_by_node_it_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
