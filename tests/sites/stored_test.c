/* tests/sites/stored_test.c - what stored values of a batch norm look like, rule by rule, each beside values that are fine. */
#include "sites/stored.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

enum { CHANNELS = 4 };

/* A layer of four channels; what is not given is as it should be. */
typedef struct layer {
    float gamma[CHANNELS], mean[CHANNELS], variance[CHANNELS];
    bool no_mean, no_variance, no_graph;
    double momentum, epsilon; /* 0: not known */
    int64_t step;
    const char *slot, *parameter;
} layer;

#define GAMMA .gamma = { 1, 1.1f, 0.9f, 1 }
#define MEAN .mean = { 0.1f, -0.2f, 0.3f, 0 }
#define VARIANCE .variance = { 0.5f, 1.5f, 1, 2 }

/* "never updated BN003 error"; findings in their order. */
static void expect(const layer *l, const char *want)
{
    const ek_norm_set set = { .place = "norm", .epsilon = l->epsilon > 0 ? l->epsilon : NAN,
                              .momentum = l->momentum > 0 ? l->momentum : NAN };
    const ek_trained trained = { l->step, l->slot, l->parameter };
    ek_array *value[EK_SITE_ROLES] = { NULL };
    ek_error err = { .code = EK_OK };
    ek_arena arena = { .block_size = 0 };
    ek_stored out;
    char text[400];

    value[EK_ROLE_GAMMA] = ek_array_of(EK_FLOAT32, EK_SHAPE(CHANNELS), l->gamma);
    if (!l->no_mean) value[EK_ROLE_MEAN] = ek_array_of(EK_FLOAT32, EK_SHAPE(CHANNELS), l->mean);
    if (!l->no_variance) value[EK_ROLE_VARIANCE] = ek_array_of(EK_FLOAT32, EK_SHAPE(CHANNELS), l->variance);
    assert_int_equal(EK_OK,
                     ek__stored_look(&set, (const ek_array *const *)value, &trained, !l->no_graph, &arena, &out, &err));
    snprintf(text, sizeof text, "%s", ek__stored_state_name(out.state));
    for (int i = 0; i < out.n_findings; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), " %s %s", out.finding[i].rule,
                 ek_severity_name(out.finding[i].severity));
        assert_string_equal("norm", out.finding[i].place);
        assert_non_null(strstr(out.finding[i].text, "norm"));
    }
    assert_string_equal(want, text);
    for (int i = 0; i < EK_SITE_ROLES; i++) ek_array_unref(value[i]);
    ek__arena_fini(&arena);
}

static void good_values_are_updated(void **state)
{
    (void)state;
    expect(&(layer){ GAMMA, MEAN, VARIANCE, .step = 1000, .momentum = 0.99 }, "updated");
    expect(&(layer){ GAMMA, MEAN, VARIANCE, .step = -1, .slot = "w/Adam" }, "updated");
}

static void values_of_a_model_that_was_not_trained_are_initial(void **state)
{
    (void)state;
    expect(&(layer){ .gamma = { 1, 1, 1, 1 }, .variance = { 1, 1, 1, 1 }, .step = 0 }, "as initialized");
    expect(&(layer){ .gamma = { 1, 1, 1, 1 }, .variance = { 1, 1, 1, 1 }, .step = -1 }, "as initialized");
}

static void zero_and_one_after_training_were_never_updated(void **state)
{
    (void)state;
    expect(&(layer){ .variance = { 1, 1, 1, 1 }, .step = 200 }, "never updated BN003 error");
    expect(&(layer){.variance = {1, 1, 1, 1}, .step = -1, .slot = "w/Adam", .no_graph = true},
           "never updated BN003 error");
    /* without a graph, a layer folded on purpose looks the same */
    expect(&(layer){ .variance = { 1, 1, 1, 1 }, .step = -1, .parameter = "norm/gamma", .no_graph = true },
           "never updated BN003 warning");
    expect(&(layer){ .variance = { 1, 1, 1, 1 }, .step = -1, .parameter = "norm/gamma" }, "never updated BN003 error");
}

static void one_bit_of_difference_is_an_update(void **state)
{
    (void)state;
    expect(&(layer){ .gamma = { 1, 1, 1, 1 }, .variance = { 1, 1, 1, nextafterf(1, 2) }, .step = 200 }, "updated");
    expect(&(layer){.gamma = {1, 1, 1, 1}, .mean = {0, 1e-30f}, .variance = {1, 1, 1, 1}, .step = 200}, "updated");
}

static void a_pass_over_zeros_is_no_update(void **state)
{
    (void)state;
    expect(&(layer){ .variance = { 0.9f, 0.9f, 0.9f, 0.9f }, .step = 200 }, "never updated BN003 error");
    expect(&(layer){ .variance = { 0.9801f, 0.9801f, 0.9801f, 0.9801f }, .step = 200 }, "never updated BN003 error");
    expect(&(layer){.variance = {0.64f, 0.64f, 0.64f, 0.64f}, .momentum = 0.8, .step = 200},
           "never updated BN003 error");
    /* 1 - epsilon is what a layer holds whose statistics were folded into gamma and beta */
    expect(&(layer){ .gamma = { 1, 1, 1, 1 }, .variance = { 0.999f, 0.999f, 0.999f, 0.999f }, .step = 200 }, "updated");
    expect(&(layer){.variance = {0.999f, 0.999f, 0.999f, 0.999f}, .epsilon = 1e-5, .step = 200},
           "never updated BN003 error");
}

static void numbers_that_are_none_are_told(void **state)
{
    (void)state;
    expect(&(layer){ GAMMA, MEAN, .variance = { 1, NAN, 1, 1 }, .step = 9 }, "not finite BN011 error");
    expect(&(layer){ GAMMA, VARIANCE, .mean = { INFINITY, 0, 0, 0 }, .step = 9 }, "not finite BN011 error");
    expect(&(layer){ GAMMA, MEAN, .variance = { NAN, NAN, NAN, NAN }, .step = 0 }, "not finite BN011 error");
}

static void negative_variances_are_told(void **state)
{
    (void)state;
    expect(&(layer){ GAMMA, MEAN, .variance = { 1, -0.5f, 1, 1 }, .step = 9 }, "negative variance BN011 error");
    expect(&(layer){ GAMMA, MEAN, .variance = { 1, -1e-7f, 1, 1 }, .step = -1 }, "negative variance BN011 warning");
    expect(&(layer){ GAMMA, VARIANCE, .mean = { -1, -2, -3, -4 }, .step = 9 }, "updated");
}

static void what_the_graph_needs_is_missing(void **state)
{
    (void)state;
    expect(&(layer){ GAMMA, MEAN, VARIANCE, .no_mean = true, .no_variance = true, .step = 9 }, "missing BN004 error");
    expect(&(layer){ GAMMA, MEAN, VARIANCE, .no_variance = true, .step = -1 }, "missing BN004 error");
    expect(&(layer){ GAMMA, MEAN, VARIANCE, .no_variance = true, .no_graph = true, .step = 9 }, "updated");
}

static void a_slow_average_has_not_forgotten_its_first_value(void **state)
{
    (void)state;
    expect(&(layer){ GAMMA, MEAN, VARIANCE, .step = 229, .momentum = 0.99 }, "suspicious BN007 error");
    expect(&(layer){ GAMMA, MEAN, VARIANCE, .step = 230, .momentum = 0.99 }, "suspicious BN007 warning");
    expect(&(layer){ GAMMA, MEAN, VARIANCE, .step = 459, .momentum = 0.99 }, "updated");
    expect(&(layer){ GAMMA, MEAN, VARIANCE, .step = 10 }, "updated");
    expect(&(layer){ GAMMA, MEAN, VARIANCE, .step = -1, .slot = "w/Adam", .momentum = 0.99 }, "updated");
}

static void a_channel_that_never_varied_is_told(void **state)
{
    (void)state;
    expect(&(layer){ GAMMA, MEAN, .variance = { 1e-6f, 1, 1, 1 }, .step = 9 }, "suspicious BN028 warning");
    expect(&(layer){MEAN, .gamma = {0, 1, 1, 1}, .variance = {1e-6f, 1, 1, 1}, .step = 9}, "updated"); /* pruned */
    expect(&(layer){GAMMA, .variance = {1e-6f, 1e-6f, 1e-6f, 1e-7f}, .step = 9},
           "updated"); /* all are small: so is the input */
}

static void a_mean_far_from_its_spread_is_told(void **state)
{
    (void)state;
    expect(&(layer){GAMMA, .mean = {101, 0, 0, 0}, .variance = {1, 1, 1, 1}, .step = 9}, "suspicious BN039 warning");
    expect(&(layer){ GAMMA, .mean = { 99, 0, 0, 0 }, .variance = { 1, 1, 1, 1 }, .step = 9 }, "updated");
}

static void slots_that_were_used_differ_within_or_from_zero(void **state)
{
    ek_array *zero = ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){ 0, 0 });
    ek_array *tenth = ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){ 0.1f, 0.1f });
    ek_array *mixed = ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){ 0.1f, 0.2f });

    (void)state;
    assert_true(ek__is_slot_name("w/Adam_1"));
    assert_false(ek__is_slot_name("w/AdamW"));
    assert_false(ek__is_slot_name("wAdam"));
    assert_false(ek__slot_was_used("w/Adam", zero));
    assert_true(ek__slot_was_used("w/Adam", tenth));
    assert_false(ek__slot_was_used("w/Adagrad", tenth));
    assert_true(ek__slot_was_used("w/Adagrad", mixed));
    ek_array_unref(zero);
    ek_array_unref(tenth);
    ek_array_unref(mixed);
}

static ek_status look_at_a_bad_layer(void)
{
    const ek_norm_set set = { .place = "norm", .epsilon = 1e-3, .momentum = 0.99 };
    ek_array *value[EK_SITE_ROLES] = { NULL };
    ek_error err = { .code = EK_OK };
    ek_arena arena = { .block_size = 64 };
    ek_status st = EK_RESOURCE_EXHAUSTED;
    ek_stored out;

    value[EK_ROLE_MEAN] = ek_array_of(EK_FLOAT32, EK_SHAPE(CHANNELS), (float[CHANNELS]){ 0, 0, 0, 1000 });
    value[EK_ROLE_VARIANCE] = ek_array_of(EK_FLOAT32, EK_SHAPE(CHANNELS), (float[CHANNELS]){ 1e-7f, 1, 1, 1 });
    if (value[EK_ROLE_MEAN] != NULL && value[EK_ROLE_VARIANCE] != NULL)
        st = ek__stored_look(&set, (const ek_array *const *)value, &(ek_trained){10, NULL, NULL}, true, &arena, &out,
                             &err);
    if (st == EK_OK) assert_int_equal(3, out.n_findings);
    ek_array_unref(value[EK_ROLE_MEAN]);
    ek_array_unref(value[EK_ROLE_VARIANCE]);
    ek__arena_fini(&arena);
    return st;
}

static void a_look_without_memory_is_refused(void **state)
{
    (void)state;
    ek_test_refuse_each(look_at_a_bad_layer, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_values_are_updated),
        cmocka_unit_test(values_of_a_model_that_was_not_trained_are_initial),
        cmocka_unit_test(zero_and_one_after_training_were_never_updated),
        cmocka_unit_test(one_bit_of_difference_is_an_update),
        cmocka_unit_test(a_pass_over_zeros_is_no_update),
        cmocka_unit_test(numbers_that_are_none_are_told),
        cmocka_unit_test(negative_variances_are_told),
        cmocka_unit_test(what_the_graph_needs_is_missing),
        cmocka_unit_test(a_slow_average_has_not_forgotten_its_first_value),
        cmocka_unit_test(a_channel_that_never_varied_is_told),
        cmocka_unit_test(a_mean_far_from_its_spread_is_told),
        cmocka_unit_test(slots_that_were_used_differ_within_or_from_zero),
        cmocka_unit_test(a_look_without_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
