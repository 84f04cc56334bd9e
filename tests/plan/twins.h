/* tests/plan/twins.h - a graph of the data folder in two sessions: batch norms as one op for each half, and node by
 * node. */
#ifndef EK_TESTS_PLAN_TWINS_H
#define EK_TESTS_PLAN_TWINS_H

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

static inline double largest_of(const ek_array *a)
{
    double largest = 0.05;

    for (int64_t i = 0; i < ek_array_count(a); i++)
        if (isfinite(ek_array_get(a, i))) largest = fmax(largest, fabs(ek_array_get(a, i)));
    return largest;
}

static inline void assert_close(const twins *t, const char *name, const ek_array *got, const ek_array *want)
{
    char why[900];
    const double tolerance = ek_array_dtype(want) == EK_FLOAT32 ? 2e-5 * largest_of(want) : 0;

    if (!case_close(got, want, &(case_tolerance){ .absolute = tolerance }, why, sizeof why))
        fail_msg("%s: %s: %s", t->name, name, why);
}

static inline void set_variables(twins *t)
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
static inline bool open_twins(twins *t, const char *name, int threads)
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

static inline void clear_feeds(twins *t)
{
    for (int64_t i = 0; i < t->n_feeds; i++) ek_array_unref(t->fed[i]);
    t->n_feeds = 0;
}

static inline void close_twins(twins *t)
{
    clear_feeds(t);
    ek_session_destroy(t->fused);
    ek_session_destroy(t->single);
    ek_graph_destroy(t->g);
    case_graph_free(&t->values);
}

static inline void read_feeds(twins *t, int step)
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

static inline void count_halves(twins *t)
{
    for (int i = 0; i < EK_CACHE_SIZE; i++) {
        const ek_entry *e = atomic_load(&t->fused->cache.entry[i]);
        if (e != NULL && e->plan->n_norms > t->halves) t->halves = e->plan->n_norms;
    }
}

#endif
