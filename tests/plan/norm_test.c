/* Batch norms as one op for each half: beside the same graphs node by node. */
#include "plan/twins.h"

/* What one run fetches and runs, both ways. */
static void run_both(twins *t, const ek_array *names)
{
    const ek_string *s = ek_array_cdata(names);
    ek_fetch fetch[2][MOST];
    ek_array *got[2][MOST] = { { NULL } };
    const char *name[MOST];
    ek_op target[MOST];
    int64_t n_fetches = 0, n_targets = 0;
    ek_error err[2] = { { .code = EK_OK }, { .code = EK_OK } };

    for (int64_t i = 0; i < ek_array_count(names); i++) {
        ek_tensor tensor;

        if (ek_graph_tensor_by_name(t->g, s[i].data, &tensor) == EK_OK) {
            for (int k = 0; k < 2; k++) fetch[k][n_fetches] = (ek_fetch){ tensor, &got[k][n_fetches] };
            name[n_fetches++] = s[i].data;
        } else if (ek_graph_op_by_name(t->g, s[i].data, &target[n_targets]) == EK_OK) {
            n_targets++;
        }
    }
    for (int k = 0; k < 2; k++)
        (void)ek_run(k == 0 ? t->fused : t->single, .feeds = t->feed, .n_feeds = t->n_feeds, .fetches = fetch[k],
                     .n_fetches = n_fetches, .targets = target, .n_targets = n_targets, .error = &err[k]);
    assert_int_equal(err[0].code, err[1].code);
    assert_string_equal(err[0].text, err[1].text);
    for (int64_t i = 0; i < n_fetches && err[0].code == EK_OK; i++) assert_close(t, name[i], got[0][i], got[1][i]);
    for (int64_t i = 0; i < n_fetches; i++) {
        ek_array_unref(got[0][i]);
        ek_array_unref(got[1][i]);
    }
}

static void all_steps(twins *t)
{
    for (int step = 1; step <= 5; step++) {
        read_feeds(t, step);
        for (int run = 1;; run++) {
            ek_array *names = case_graph_value(&t->values, "step%d/run%d", step, run);

            if (names == NULL) break;
            run_both(t, names);
            ek_array_unref(names);
        }
    }
    count_halves(t);
}

static void whole_graphs_agree_with_their_nodes(void **state)
{
    static const struct {
        const char *name;
        int halves;
    } graph[] = { { "article_training_flag", 1 },   { "article_training_true", 1 }, { "bn_adjustment", 2 },
                  { "bn_no_center_no_scale", 3 },   { "bn_options", 1 },            { "bn_rank3_training", 1 },
                  { "bn_rank4_composed_axis1", 1 }, { "bn_rank5_flag", 1 },         { "bn_scopes", 5 },
                  { "bn_shared_by_name", 5 },       { "bn_training_values", 2 },    { "bn_wide_and_constant_input", 2 },
                  { "gradients_bn_composed", 4 },   { "bn_virtual_batch", 1 },      { "bn_renorm_training", 2 },
                  { "bn_float16_float64", 0 },      { "bn_axis_list", 0 },          { "names", 0 } };

    (void)state;
    for (int i = 0; i < COUNT(graph); i++) {
        twins t;

        if (!open_twins(&t, graph[i].name, 1)) {
            print_message("the data folder is absent\n");
            return;
        }
        all_steps(&t);
        if (t.halves < graph[i].halves)
            fail_msg("%s: %d halves as one op, not %d", graph[i].name, t.halves, graph[i].halves);
        close_twins(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(whole_graphs_agree_with_their_nodes) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
