/* tests/sites/averages_test.c - which ops move moving averages, and by what momentum, in graphs that TensorFlow wrote. */
#include "sites/averages.h"

#include <stdio.h>
#include <string.h>

#include "support/imported.h"
#include "support/support.h"

typedef struct found {
    ek_graph *g;
    ek_sites sites;
    ek_arena arena;
    ek_site_averages averages;
} found;

enum { MOST_FLAGS = 16 };

/* With every flag on that is a placeholder. */
static bool find(const char *file, found *f)
{
    ek_tensor flag[MOST_FLAGS];
    ek_array *on[MOST_FLAGS];
    ek_error err = { .code = EK_OK };
    const char *path = ek_test_data(file);
    int n = 0;

    *f = (found){ .g = path != NULL ? case_load_graph(path) : NULL };
    if (f->g == NULL) return false;
    for (int32_t i = 0; i < f->g->n_nodes && n < MOST_FLAGS; i++) {
        if (strncmp(f->g->node[i]->type, "Placeholder", 11) != 0 || f->g->node[i]->out_dtype[0] != EK_BOOL) continue;
        flag[n] = (ek_tensor){ f->g, i, 0 };
        on[n++] = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ true });
    }
    assert_int_equal(EK_OK, ek__sites_find_fed(f->g, n, flag, on, EK_BRANCH_TRUE, &f->sites, &err));
    assert_int_equal(EK_OK, ek__site_averages_find(f->g, &f->sites, &f->arena, &f->averages, &err));
    for (int i = 0; i < n; i++) ek_array_unref(on[i]);
    return true;
}

static void done(found *f)
{
    ek__sites_free(&f->sites);
    ek__arena_fini(&f->arena);
    ek_graph_destroy(f->g);
}

/* "op -> variable momentum", one a line. */
static void expect(const char *file, const char *want)
{
    char text[4096] = "", line[512];
    found f;

    if (!find(file, &f)) skip();
    for (int i = 0; i < f.averages.n; i++) {
        const ek_site_average *a = &f.averages.at[i];

        snprintf(line, sizeof line, "%s -> %s %.4g%s\n", f.g->node[a->write]->name, f.g->node[a->variable]->name, a->momentum,
                 a->of_variance ? " v" : "");
        strncat(text, line, sizeof text - strlen(text) - 1);
    }
    done(&f);
    if (strcmp(text, want) != 0) fail_msg("%s:\n%s\nnot\n%s", file, text, want);
}

static void plain_layers(void **state)
{
    (void)state;
    expect("tf115-graphs/bn_options/graph.pb", "norm/AssignMovingAvg -> norm/moving_mean 0.9\n"
                                               "norm/AssignMovingAvg_1 -> norm/moving_variance 0.9 v\n");
    expect("tf115-graphs/bn_rank4_fused_training/graph.pb",
           "batch_normalization/AssignMovingAvg -> batch_normalization/moving_mean 0.99\n"
           "batch_normalization/AssignMovingAvg_1 -> batch_normalization/moving_variance 0.99 v\n");
    expect("tf115-graphs/bn_rank4_fused_inference/graph.pb", "");
}

static void layers_behind_a_flag(void **state)
{
    (void)state;
    expect("tf115-graphs/article_training_flag/graph.pb",
           "batch_normalization/cond_2/AssignMovingAvg -> batch_normalization/moving_mean 0.99\n"
           "batch_normalization/cond_3/AssignMovingAvg -> batch_normalization/moving_variance 0.99 v\n");
    expect("tf115-graphs/bn_fused_flag_resource/graph.pb",
           "batch_normalization/AssignMovingAvg/AssignSubVariableOp -> batch_normalization/moving_mean 0.99\n"
           "batch_normalization/AssignMovingAvg_1/AssignSubVariableOp -> batch_normalization/moving_variance 0.99 v\n");
}

static void renorm_averages_more(void **state)
{
    (void)state;
    expect("tf115-graphs/bn_renorm_flag_clipping/graph.pb",
           "batch_normalization/cond_4/AssignMovingAvg -> batch_normalization/renorm_mean 0.9\n"
           "batch_normalization/cond_5/AssignMovingAvg -> batch_normalization/renorm_stddev 0.9 v\n"
           "batch_normalization/cond_6/AssignMovingAvg -> batch_normalization/moving_mean 0.99\n"
           "batch_normalization/cond_7/AssignMovingAvg -> batch_normalization/moving_stddev 0.99 v\n"
           "batch_normalization/cond_7/AssignNewValue -> batch_normalization/moving_variance 0 v\n");
}

static void virtual_batches_are_averaged_first(void **state)
{
    (void)state;
    expect("trajectories/virtual_batch_momentum/meta.pb", "bn/AssignMovingAvg -> bn/moving_mean 0.9\n"
                                                          "bn/AssignMovingAvg_1 -> bn/moving_variance 0.9 v\n");
}

/* Optimizers, averages of weights, learning rates that decay: nothing of it is a batch norm's. */
static void nothing_else_is_taken_for_one(void **state)
{
    static const char *const cases[] = { "mlp_relu_l2_adam", "mlp_ftrl", "convnet_rmsprop", "residual_momentum" };
    static const int want[] = { 4, 4, 4, 6 };
    char file[100];
    found f;

    (void)state;
    for (int i = 0; i < 4; i++) {
        snprintf(file, sizeof file, "trajectories/%s/meta.pb", cases[i]);
        if (!find(file, &f)) skip();
        assert_int_equal(want[i], f.averages.n);
        for (int k = 0; k < f.averages.n; k++)
            assert_non_null(strstr(f.g->node[f.averages.at[k].variable]->name, "moving_"));
        done(&f);
    }
}

static void a_deep_net(void **state)
{
    found f;

    (void)state;
    if (!find("sites/own/deep20/graph.pb", &f)) skip();
    assert_int_equal(20, f.sites.n);
    assert_int_equal(40, f.averages.n);
    for (int i = 0; i < f.averages.n; i++) assert_true(f.averages.at[i].momentum > 0.9899 && f.averages.at[i].momentum < 0.9901);
    done(&f);
}

/* momentum * V + (1 - momentum) * batch by Assign; what grows by a gradient or copies another variable is none. */
static void by_hand(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 3));
    const ek_moments_result batch = ek_moments(x, .axes = EK_AXES(0));
    const ek_variable mean = ek_get_variable(g, "mean", .shape = EK_SHAPE(3)), gamma = ek_get_variable(g, "gamma", .shape = EK_SHAPE(3));
    const ek_tensor y = ek_nn_batch_normalization(x, .mean = EK_OPERAND(batch.mean), .variance = EK_OPERAND(batch.variance),
                                                  .scale = EK_OPERAND(gamma), .variance_epsilon = 1e-3);
    const ek_tensor decay = ek_placeholder(g, EK_FLOAT32, .shape = EK_SCALAR);
    const ek_tensor dgamma = ek_gradients(EK_LIST(ek_square(y)), EK_LIST(gamma)).at[0].value;
    ek_sites sites;
    ek_arena arena = { 0 };
    ek_site_averages a;

    (void)state;
    const ek_op update = ek_tensor_op(ek_assign(mean, ek_plus(ek_times(mean, 0.75), ek_times(batch.mean, 0.25))));
    const ek_op fed = ek_tensor_op(ek_assign_sub(mean, ek_times(ek_minus(mean, batch.mean), decay)));
    ek_assign_sub(gamma, ek_times(dgamma, 0.1));
    ek_assign(mean, gamma);
    ek_assign_add(mean, ek_times(mean, 0.5));
    assert_int_equal(EK_OK, ek_graph_status(g, NULL));
    assert_int_equal(EK_OK, ek__sites_find_fed(g, 0, NULL, NULL, EK_BRANCH_TRUE, &sites, NULL));
    assert_int_equal(1, sites.n);
    assert_int_equal(EK_OK, ek__site_averages_find(g, &sites, &arena, &a, NULL));
    assert_int_equal(2, a.n);
    assert_int_equal(update.id, a.at[0].write);
    assert_true(a.at[0].momentum == 0.75);
    assert_int_equal(fed.id, a.at[1].write);
    assert_true(a.at[1].momentum != a.at[1].momentum); /* nobody knows */
    assert_int_equal(ek_variable_op(mean).id, a.at[0].variable);
    ek__sites_free(&sites);
    ek__arena_fini(&arena);
    ek_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_layers),
        cmocka_unit_test(layers_behind_a_flag),
        cmocka_unit_test(renorm_averages_more),
        cmocka_unit_test(virtual_batches_are_averaged_first),
        cmocka_unit_test(nothing_else_is_taken_for_one),
        cmocka_unit_test(a_deep_net),
        cmocka_unit_test(by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
