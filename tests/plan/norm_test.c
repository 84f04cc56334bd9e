/* Batch norms as one op for each half: beside the same graphs node by node. */
#include "runtime/build.h"

#include <math.h>
#include <stdio.h>

#include "evenkeel/files.h"
#include "graph/node.h"
#include "runtime/runtime.h"
#include "sites/sites.h"
#include "support/cases.h"

enum { MOST = 256 };

/* One graph of the data folder in two sessions: as usual, and node by node. */
typedef struct twins {
    const char *name;
    ek_graph *g;
    ek_session *fused, *single;
    case_graph values;
    ek_feed feed[MOST];
    ek_array *fed[MOST];
    int64_t n_feeds;
    int halves; /* most that ran as one in a plan of `fused` */
} twins;

static double largest_of(const ek_array *a)
{
    double largest = 0.05;

    for (int64_t i = 0; i < ek_array_count(a); i++)
        if (isfinite(ek_array_get(a, i))) largest = fmax(largest, fabs(ek_array_get(a, i)));
    return largest;
}

static void assert_close(const twins *t, const char *name, const ek_array *got, const ek_array *want)
{
    char why[900];
    const double tolerance = ek_array_dtype(want) == EK_FLOAT32 ? 2e-5 * largest_of(want) : 0;

    if (!case_close(got, want, &(case_tolerance){ .absolute = tolerance }, why, sizeof why))
        fail_msg("%s: %s: %s", t->name, name, why);
}

static void set_variables(twins *t)
{
    for (int64_t i = 0; i < t->values.n; i++) {
        const ek_span s = t->values.name[i];
        char name[1000];
        ek_op assign;

        if (s.size < 6 || memcmp(s.at, "init/", 5) != 0) continue;
        snprintf(name, sizeof name, "%.*s/Assign", (int)(s.size - 5), (const char *)s.at + 5);
        if (ek_graph_op_by_name(t->g, name, &assign) != EK_OK) continue;
        ek_array *value = case_graph_value(&t->values, "%.*s", (int)s.size, (const char *)s.at);
        EK_DIE(ek_run(t->fused, .feed = { { ek_op_input(assign, 1), value } }, .target = { assign }));
        EK_DIE(ek_run(t->single, .feed = { { ek_op_input(assign, 1), value } }, .target = { assign }));
        ek_array_unref(value);
    }
}

/* False where the data are absent. */
static bool open_twins(twins *t, const char *name, int threads)
{
    char path[400], values[400];

    memset(t, 0, sizeof *t);
    t->name = name;
    snprintf(path, sizeof path, "tf115-graphs/%s/graph.pb", name);
    if (ek_test_data(path) == NULL) return false;
    EK_DIE(ek_graph_load(ek_test_data(path), &t->g, NULL));
    snprintf(values, sizeof values, "tf115-graphs/%s/values.pb", name);
    assert_true(case_graph_read(ek_test_data(values), &t->values));
    t->fused = ek_session_create(t->g, .threads = threads, .fuse = EK_YES);
    t->single = ek_session_create(t->g, .threads = 1, .fuse = EK_NO);
    set_variables(t);
    return true;
}

static void clear_feeds(twins *t)
{
    for (int64_t i = 0; i < t->n_feeds; i++) ek_array_unref(t->fed[i]);
    t->n_feeds = 0;
}

static void close_twins(twins *t)
{
    clear_feeds(t);
    ek_session_destroy(t->fused);
    ek_session_destroy(t->single);
    ek_graph_destroy(t->g);
    case_graph_free(&t->values);
}

static void read_feeds(twins *t, int step)
{
    char prefix[40], name[1000];

    clear_feeds(t);
    snprintf(prefix, sizeof prefix, "step%d/feed/", step);
    for (int64_t i = 0; i < t->values.n; i++) {
        const ek_span s = t->values.name[i];
        const size_t skip = strlen(prefix);

        if (s.size <= skip || memcmp(s.at, prefix, skip) != 0) continue;
        snprintf(name, sizeof name, "%.*s:0", (int)(s.size - skip), (const char *)s.at + skip);
        assert_int_equal(ek_graph_tensor_by_name(t->g, name, &t->feed[t->n_feeds].tensor), EK_OK);
        t->fed[t->n_feeds] = case_graph_value(&t->values, "%.*s", (int)s.size, (const char *)s.at);
        t->feed[t->n_feeds].value = t->fed[t->n_feeds];
        t->n_feeds++;
    }
}

static void count_halves(twins *t)
{
    for (int i = 0; i < EK_CACHE_SIZE; i++) {
        const ek_entry *e = atomic_load(&t->fused->cache.entry[i]);
        if (e != NULL && e->plan->n_norms > t->halves) t->halves = e->plan->n_norms;
    }
}

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
                  { "gradients_bn_composed", 4 },   { "bn_virtual_batch", 1 },      { "bn_renorm_training", 0 },
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
