/* Every site of the data folder with made-up numbers: each half as one op beside its nodes. */
#include "runtime/build.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>

#include "evenkeel/files.h"
#include "formats/graph_io.h"
#include "graph/node.h"
#include "runtime/runtime.h"
#include "sites/sites.h"
#include "support/imported.h"

enum { MOST = 64, BATCH = 8 };
#define TOLERANCE 2e-4 /* what is left of 2e-5 behind some ten layers */
#define DEEP 10        /* and once more behind twenty */

typedef struct pair {
    char name[300];
    ek_graph *g;
    ek_session *fused, *single;
    ek_feed feed[MOST];
    ek_array *fed[MOST], *flag_value[MOST];
    ek_tensor flag[MOST];
    int64_t n_feeds;
    int n_flags;
} pair;

typedef struct tally {
    int fetched, skipped, halves, sums;
} tally;

/* Numbers that follow from a seed: vectors about 1 (a variance is positive), other floats about 0, small whole numbers,
 * true. */
static ek_array *made_up(ek_dtype dtype, const ek_shape *shape, uint64_t seed)
{
    ek_array *a = ek_array_of(dtype, *shape, NULL);

    for (int64_t i = 0; a != NULL && i < ek_array_count(a); i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        const double v = (shape->rank > 1 ? -0.7 : 0.3) + (double)(seed >> 40) / (double)(1 << 24) * 1.4;

        switch (dtype) {
        case EK_FLOAT32: ((float *)ek_array_data(a))[i] = (float)v; break;
        case EK_FLOAT64: ((double *)ek_array_data(a))[i] = v; break;
        case EK_INT32: ((int32_t *)ek_array_data(a))[i] = (int32_t)(seed >> 60) % 2; break;
        case EK_INT64: ((int64_t *)ek_array_data(a))[i] = (int64_t)(seed >> 60) % 2; break;
        case EK_BOOL: ((bool *)ek_array_data(a))[i] = true; break;
        default: break;
        }
    }
    return a;
}

static bool is_type(const ek_node *n, const char *type) { return strcmp(n->type, type) == 0; }

static void set_variable(pair *p, const ek_node *assign)
{
    const ek_node *v = p->g->node[assign->in[0].node];
    const bool handle = v->out_handle != NULL && v->out_dtype[0] == EK_RESOURCE;
    const ek_shape *shape = handle ? &v->out_handle[0] : &v->out_shape[0];
    ek_array *value = ek_shape_is_known(shape) ? made_up(ek_dtype_base(assign->in_dtype[1]), shape, (uint64_t)v->id) : NULL;
    const ek_tensor to = { p->g, assign->in[1].node, assign->in[1].index };
    const ek_op op = { p->g, assign->id };

    if (value != NULL)
        for (int k = 0; k < 2; k++)
            (void)ek_run(k == 0 ? p->fused : p->single, .feed = { { to, value } }, .target = { op },
                         .error = &(ek_error){ .code = EK_OK });
    ek_array_unref(value);
}

static void make_feeds(pair *p, bool flag)
{
    for (int64_t id = 0; id < p->g->n_nodes && p->n_feeds < MOST; id++) {
        const ek_node *n = p->g->node[id];
        ek_shape shape = n->n_out > 0 ? n->out_shape[0] : EK_SCALAR;
        const bool with_default = is_type(n, "PlaceholderWithDefault");

        if (!is_type(n, "Placeholder") && !(with_default && n->out_dtype[0] == EK_BOOL)) continue;
        if (shape.rank < 0) shape = EK_SCALAR;
        for (int d = 0; d < shape.rank; d++)
            if (shape.dim[d] < 0) shape.dim[d] = d == 0 ? BATCH : 6;
        ek_array *a = made_up(n->out_dtype[0], &shape, (uint64_t)id + 77);
        if (a == NULL) continue;
        p->fed[p->n_feeds] = a;
        p->feed[p->n_feeds++] = (ek_feed){ { p->g, (int32_t)id, 0 }, a };
        if (n->out_dtype[0] != EK_BOOL) continue;
        *(bool *)ek_array_data(a) = flag;
        p->flag[p->n_flags] = (ek_tensor){ p->g, (int32_t)id, 0 };
        p->flag_value[p->n_flags++] = a;
    }
}

static bool open_pair(pair *p, const char *path, bool flag)
{
    p->g = case_load_graph(path);
    p->n_feeds = p->n_flags = 0;
    if (p->g == NULL) return false;
    p->fused = ek_session_create(p->g, .threads = 1, .fuse = EK_YES);
    p->single = ek_session_create(p->g, .threads = 1, .fuse = EK_NO);
    for (int64_t id = p->g->n_nodes - 1; id >= 0; id--)
        if (is_type(p->g->node[id], "Assign") || is_type(p->g->node[id], "AssignVariableOp"))
            set_variable(p, p->g->node[id]);
    make_feeds(p, flag);
    return true;
}

static void close_pair(pair *p)
{
    for (int64_t i = 0; i < p->n_feeds; i++) ek_array_unref(p->fed[i]);
    ek_session_destroy(p->fused);
    ek_session_destroy(p->single);
    ek_graph_destroy(p->g);
}

static void fetch_both(const pair *p, ek_edge e, double scale, tally *t)
{
    const ek_tensor tensor = { p->g, e.node, e.index };
    ek_array *got[2] = { NULL };
    ek_error err[2] = { { .code = EK_OK }, { .code = EK_OK } };
    char why[900];

    if (e.node < 0) return;
    if (ek_dtype_is_ref(p->g->node[e.node]->out_dtype[e.index])) return;
    for (int k = 0; k < 2; k++)
        (void)ek_run(k == 0 ? p->fused : p->single, .feeds = p->feed, .n_feeds = p->n_feeds,
                     .fetch = { { tensor, &got[k] } }, .error = &err[k]);
    if (err[0].code != err[1].code || strcmp(err[0].text, err[1].text) != 0)
        fail_msg("%s: %s: %s, but node by node %s", p->name, p->g->node[e.node]->name, err[0].text, err[1].text);
    if (err[0].code != EK_OK) t->skipped++;
    else {
        const double deep = strcmp(p->name, "deep20") == 0 ? DEEP : 1, largest = deep * fmax(case_largest(got[1]), scale);
        t->fetched++;
        if (!case_close(got[0], got[1], &(case_tolerance){ .absolute = TOLERANCE * largest }, why, sizeof why))
            fail_msg("%s: %s: %s", p->name, p->g->node[e.node]->name, why);
    }
    ek_array_unref(got[0]);
    ek_array_unref(got[1]);
}

/* Gradients may cancel to nothing but rounding noise: they are held to the size of what is summed. A run may move the
 * statistics that renorm reads, so both sessions make it. */
static double scale_of(const pair *p, ek_edge dy)
{
    const ek_tensor tensor = { p->g, dy.node, dy.index };
    double scale = 0.05;

    for (int k = 0; k < 2; k++) {
        ek_error err = { .code = EK_OK };
        ek_array *got = NULL;

        if (ek_run(k == 0 ? p->fused : p->single, .feeds = p->feed, .n_feeds = p->n_feeds,
                   .fetch = { { tensor, &got } }, .error = &err) == EK_OK && k == 1)
            scale = fmax(scale, BATCH * case_largest(got));
        ek_array_unref(got);
    }
    return scale;
}

static int halves_of(const pair *p)
{
    int n = 0;

    for (int i = 0; i < EK_CACHE_SIZE; i++) {
        const ek_entry *e = atomic_load(&p->fused->cache.entry[i]);
        if (e != NULL && e->plan->n_norms > n) n = e->plan->n_norms;
    }
    return n;
}

/* Where dx is terms of a sum with others, no step gives one of them but the one that is the half. */
static void check_terms(const pair *p, const ek_site_gradient *g, tally *t)
{
    if (g->n_own < 2) return;
    for (int i = 0; i < EK_CACHE_SIZE; i++) {
        const ek_entry *e = atomic_load(&p->fused->cache.entry[i]);

        for (int k = 0; e != NULL && k < e->plan->n_steps; k++) {
            const ek_step *step = &e->plan->step[k];
            bool gives = false;

            for (int c = 0; c < step->n_covers; c++)
                for (int o = 0; o < g->n_own; o++) gives |= step->covers[c]->id == g->own[o].node;
            if (gives && step->n_covers < g->n_covers / 2)
                fail_msg("%s: a term of %s is computed by itself", p->name, p->g->node[g->dx.node]->name);
            t->sums += gives;
        }
    }
}

/* dx that takes terms of a sum has the same bits beside one of them. */
static void fetch_terms(const pair *p, const ek_site_gradient *g)
{
    const ek_tensor dx = { p->g, g->dx.node, g->dx.index };

    for (int i = 0; i < g->n_own && g->n_own > 1; i++) {
        ek_array *got[3] = { NULL };
        ek_error err = { .code = EK_OK };

        if (ek_run(p->fused, .feeds = p->feed, .n_feeds = p->n_feeds, .fetch = { { dx, &got[0] } }, .error = &err) != EK_OK)
            return;
        EK_DIE(ek_run(p->fused, .feeds = p->feed, .n_feeds = p->n_feeds,
                      .fetch = { { dx, &got[1] }, { { p->g, g->own[i].node, g->own[i].index }, &got[2] } }));
        if (memcmp(ek_array_cdata(got[0]), ek_array_cdata(got[1]), ek_array_bytes(got[0])) != 0)
            fail_msg("%s: %s has other bits beside %s", p->name, p->g->node[dx.op]->name, p->g->node[g->own[i].node]->name);
        fetch_both(p, g->own[i], 1, &(tally){ 0 });
        for (int k = 0; k < 3; k++) ek_array_unref(got[k]);
    }
}

static void each_site(const char *path, const char *name, bool flag, tally *t)
{
    pair p;
    ek_sites sites;
    ek_error err = { .code = EK_OK };

    snprintf(p.name, sizeof p.name, "%s", name);
    if (!open_pair(&p, path, flag)) return;
    EK_DIE(ek__sites_find_fed(p.g, p.n_flags, p.flag, p.flag_value, EK_BRANCH_TRUE, &sites, &err));
    for (int i = 0; i < sites.n; i++) {
        const ek_site *s = &sites.at[i];

        fetch_both(&p, s->y, 1, t); /* x of a made-up net may hardly vary: then y is what rounding left of it */
        for (int k = 0; k < s->n_gradients; k++) {
            const double scale = scale_of(&p, s->gradient[k].dy);

            fetch_both(&p, s->gradient[k].dx, scale, t);
            check_terms(&p, &s->gradient[k], t);
            fetch_terms(&p, &s->gradient[k]);
            fetch_both(&p, s->gradient[k].dgamma, scale, t);
            fetch_both(&p, s->gradient[k].dbeta, scale, t);
        }
    }
    ek__sites_free(&sites);
    t->halves += halves_of(&p);
    close_pair(&p);
}

static tally folder(const char *folder_name, const char *file)
{
    const char *root = ek_test_data(folder_name);
    tally t = { 0 };
    DIR *d = root != NULL ? opendir(root) : NULL;
    char path[1200], base[600];

    if (d == NULL) {
        print_message("the data folder is absent\n");
        return t;
    }
    snprintf(base, sizeof base, "%s", root);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.' || strcmp(e->d_name, "adjust_flag") == 0) continue; /* that one draws random numbers */
        snprintf(path, sizeof path, "%s/%s/%s", base, e->d_name, file);
        for (int flag = 0; flag < 2; flag++) each_site(path, e->d_name, flag != 0, &t);
    }
    closedir(d);
    print_message("%s: %d tensors, %d that do not run, %d halves\n", folder_name, t.fetched, t.skipped, t.halves);
    return t;
}

static void sites_of_many_writers_agree(void **state)
{
    (void)state;
    const tally t = folder("sites/own", "graph.pb");
    assert_true(t.fetched == 0 || (t.halves >= 239 && t.sums > 0));
}

static void sites_of_training_graphs_agree(void **state)
{
    (void)state;
    const tally t = folder("trajectories", "meta.pb");
    assert_true(t.fetched == 0 || t.halves >= 156);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(sites_of_many_writers_agree),
                                        cmocka_unit_test(sites_of_training_graphs_agree) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
