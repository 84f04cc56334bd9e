/* tests/sites/sets_test.c - the variables behind batch norms: from graphs that TensorFlow wrote, and from names alone. */
#include "sites/sets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/imported.h"
#include "support/support.h"

/* "place: gamma beta mean variance momentum", one a line; '-': none. */
static void expect_sets(const ek_norm_sets *sets, const char *about, const char *want)
{
    char text[4096] = "", line[1024];

    for (int i = 0; i < sets->n; i++) {
        const ek_norm_set *s = &sets->at[i];

        snprintf(line, sizeof line, "%s:", s->place);
        for (int role = EK_ROLE_GAMMA; role < EK_SITE_ROLES; role++) {
            strncat(line, " ", sizeof line - strlen(line) - 1);
            strncat(line, s->variable[role] != NULL ? s->variable[role] : "-", sizeof line - strlen(line) - 1);
        }
        snprintf(line + strlen(line), sizeof line - strlen(line), " %.4g%s\n", s->momentum, s->deviation ? " std" : "");
        strncat(text, line, sizeof text - strlen(text) - 1);
    }
    if (strcmp(text, want) != 0) fail_msg("%s:\n%s\nnot\n%s", about, text, want);
}

static void expect_graph(const char *file, const char *want)
{
    const char *path = ek_test_data(file);
    ek_error err = { .code = EK_OK };
    ek_norm_sets sets;
    ek_graph *g;

    if (path == NULL) skip();
    g = case_load_graph(path);
    assert_non_null(g);
    assert_int_equal(EK_OK, ek__norm_sets_of_graph(g, &sets, &err));
    expect_sets(&sets, file, want);
    ek__norm_sets_free(&sets);
    ek_graph_destroy(g);
}

#define EXPECT_NAMES(want, ...) \
    expect_names((const char *const[]){ __VA_ARGS__ }, EK_COUNT_OF(((const char *const[]){ __VA_ARGS__ })), want)

static void expect_names(const char *const *name, int n, const char *want)
{
    ek_error err = { .code = EK_OK };
    ek_norm_sets sets;

    assert_int_equal(EK_OK, ek__norm_sets_of_names(name, n, &sets, &err));
    expect_sets(&sets, name[0], want);
    ek__norm_sets_free(&sets);
}

static void a_training_graph_says_what_it_averages(void **state)
{
    (void)state;
    expect_graph("misuse/BN001_updates_not_run/model.meta",
                 "norm: norm/gamma norm/beta norm/moving_mean norm/moving_variance 0.9\n");
    expect_graph("misuse/BN007_momentum_too_slow/model.meta",
                 "norm: norm/gamma norm/beta norm/moving_mean norm/moving_variance 0.999\n");
}

static void a_layer_in_inference_mode_has_no_momentum(void **state)
{
    (void)state;
    expect_graph("misuse/BN008_training_graph_in_inference_mode/model.meta",
                 "norm: norm/gamma norm/beta norm/moving_mean norm/moving_variance nan\n");
}

static void a_flag_is_looked_at_both_ways(void **state)
{
    (void)state;
    expect_graph("trajectories/mlp_sgd/meta.pb",
                 "bn1: bn1/gamma bn1/beta bn1/moving_mean bn1/moving_variance 0.9\n"
                 "bn2: bn2/gamma bn2/beta bn2/moving_mean bn2/moving_variance 0.9\n");
}

static void a_graph_without_moving_averages_has_no_sets(void **state)
{
    (void)state;
    expect_graph("tf-models/word_cnn.meta", "");
}

static void layers_are_told_by_their_usual_names(void **state)
{
    (void)state;
    EXPECT_NAMES("a/norm: a/norm/gamma a/norm/beta a/norm/moving_mean a/norm/moving_variance nan\n"
                 "b: - - b/running_mean b/running_std nan std\n",
                 "a/norm/beta", "a/norm/gamma", "a/norm/moving_mean", "a/norm/moving_variance", "b/running_mean",
                 "b/running_std");
}

static void averages_of_moments_are_told_by_hand_written_names(void **state)
{
    (void)state;
    EXPECT_NAMES("bn: bn/gamma bn/beta bn/bn/moments/Squeeze/ExponentialMovingAverage "
                 "bn/bn/moments/Squeeze_1/ExponentialMovingAverage nan\n",
                 "bn/beta", "bn/bn/moments/Squeeze/ExponentialMovingAverage",
                 "bn/bn/moments/Squeeze/ExponentialMovingAverage/biased",
                 "bn/bn/moments/Squeeze/ExponentialMovingAverage/local_step",
                 "bn/bn/moments/Squeeze_1/ExponentialMovingAverage", "bn/gamma");
}

static void averaged_copies_of_variables_are_no_statistics(void **state)
{
    (void)state;
    EXPECT_NAMES("n: n/gamma - n/moving_mean n/moving_variance nan\n", "n/gamma", "n/gamma/ExponentialMovingAverage",
                 "n/moving_mean", "n/moving_mean/ExponentialMovingAverage", "n/moving_variance",
                 "n/moving_variance/ExponentialMovingAverage");
}

static void object_based_checkpoints_have_names_with_endings(void **state)
{
    (void)state;
    EXPECT_NAMES(
        "m: m/scale/.ATTRIBUTES/VARIABLE_VALUE m/offset/.ATTRIBUTES/VARIABLE_VALUE "
        "m/moving_mean/average/.ATTRIBUTES/VARIABLE_VALUE m/moving_variance/average/.ATTRIBUTES/VARIABLE_VALUE nan\n",
        "m/moving_mean/_counter/.ATTRIBUTES/VARIABLE_VALUE", "m/moving_mean/average/.ATTRIBUTES/VARIABLE_VALUE",
        "m/moving_variance/average/.ATTRIBUTES/VARIABLE_VALUE", "m/offset/.ATTRIBUTES/VARIABLE_VALUE",
        "m/scale/.ATTRIBUTES/VARIABLE_VALUE", "m/scale/.OPTIMIZER_SLOT/opt/m/.ATTRIBUTES/VARIABLE_VALUE");
}

static void what_has_no_statistics_is_no_batch_norm(void **state)
{
    (void)state;
    EXPECT_NAMES("", "ln/beta", "ln/gamma", "data/mean", "mean", "w/scale");
    EXPECT_NAMES("data: - - data/mean data/variance nan\n", "data/mean", "data/variance");
    EXPECT_NAMES("moving_mean: - - moving_mean - nan\n", "moving_mean");
}

static ek_status from_names(void)
{
    static const char *const name[] = { "a/beta", "a/gamma", "a/moving_mean", "a/moving_variance" };
    ek_error err = { .code = EK_OK };
    ek_norm_sets sets;
    const ek_status st = ek__norm_sets_of_names(name, EK_COUNT_OF(name), &sets, &err);

    ek__norm_sets_free(&sets);
    return st;
}

static void names_without_memory_are_refused(void **state)
{
    (void)state;
    ek_test_refuse_each(from_names, 0);
}

static ek_graph *load(const char *path)
{
    ek_graph *g = NULL;

    assert_int_equal(EK_OK, ek_meta_graph_load(path, &g));
    return g;
}

static ek_status from_graph(ek_graph *g)
{
    ek_error err = { .code = EK_OK };
    ek_norm_sets sets;
    const ek_status st = ek__norm_sets_of_graph(g, &sets, &err);

    ek__norm_sets_free(&sets);
    return st;
}

static void graphs_without_memory_are_refused(void **state)
{
    const char *path = ek_test_data("misuse/BN001_updates_not_run/model.meta");

    (void)state;
    if (path == NULL) skip();
    ek_test_refuse_each_on_loaded(load, path, from_graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_training_graph_says_what_it_averages),
        cmocka_unit_test(a_layer_in_inference_mode_has_no_momentum),
        cmocka_unit_test(a_flag_is_looked_at_both_ways),
        cmocka_unit_test(a_graph_without_moving_averages_has_no_sets),
        cmocka_unit_test(layers_are_told_by_their_usual_names),
        cmocka_unit_test(averages_of_moments_are_told_by_hand_written_names),
        cmocka_unit_test(averaged_copies_of_variables_are_no_statistics),
        cmocka_unit_test(object_based_checkpoints_have_names_with_endings),
        cmocka_unit_test(what_has_no_statistics_is_no_batch_norm),
        cmocka_unit_test(names_without_memory_are_refused),
        cmocka_unit_test(graphs_without_memory_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
