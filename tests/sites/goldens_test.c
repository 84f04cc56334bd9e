/* The batch norms of whole graphs, forward and backward, beside the lists in the data folder. */
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats/graph_io.h"
#include "sites/scene.h"
#include "sites/sites.h"
#include "support/imported.h"
#include "support/json.h"
#include "support/support.h"

/* What is found of what, and what is reported that is not there. */
typedef struct tally {
    int sites, sites_found, more, gradients, gradients_found, gradients_more;
} tally;

/* One setting of the flags: the view of it, laid out, and what was found. */
typedef struct look {
    ek_graph *g;
    const char *what;
    ek_scene scene;
    ek_sites sites;
    const ek_array *value[8];
} look;

/* The tensor that is meant, up to what changes nothing; -1: none. */
static int32_t meant(const look *l, const char *name)
{
    ek_tensor t;
    ek_op op;

    if (name == NULL) return -1;
    if (strchr(name, ':') != NULL && ek_graph_tensor_by_name(l->g, name, &t) == EK_OK)
        return ek__scene_canon(&l->scene, l->scene.first[t.op] + t.index);
    if (ek_graph_op_by_name(l->g, name, &op) == EK_OK) return ek__scene_canon(&l->scene, l->scene.first[op.id]);
    return -2;
}

static int32_t found_tensor(const look *l, ek_edge e)
{
    return e.node < 0 ? -1 : ek__scene_canon(&l->scene, l->scene.first[e.node] + e.index);
}

static bool agree(const look *l, const json *want, const char *key, ek_edge got, const char *site)
{
    const int32_t w = meant(l, json_string(want, key)), g = found_tensor(l, got);

    if (w == g) return true;
    if (getenv("EK_TEST_VERBOSE") != NULL)
        print_message("%s: %s: %s is %s:%d, expected %s\n", l->what, site, key,
                      got.node < 0 ? "(none)" : l->g->node[got.node]->name, got.index,
                      json_string(want, key) != NULL ? json_string(want, key) : "(none)");
    return false;
}

static bool same_site(const look *l, const json *want, const ek_site *got)
{
    const char *mode = json_string(want, "mode"), *name = json_string(want, "output");
    const json *axes = json_get(want, "axes"), *epsilon = json_get(want, "epsilon"), *form = json_get(want, "form");
    uint32_t bits = 0;
    bool same = true;

    for (const json *a = axes != NULL ? axes->child : NULL; a != NULL; a = a->next) bits |= 1u << (int)a->number;
    if (strcmp(mode, ek__site_mode_name(got->mode)) != 0 || (axes != NULL && bits != got->axes) ||
        (form != NULL && (strcmp(form->string, "fused") == 0) != got->fused) ||
        fabs(got->epsilon - epsilon->number) > 5e-6 * epsilon->number) {
        same = false;
        if (getenv("EK_TEST_VERBOSE") != NULL)
            print_message("%s: %s: mode %s, axes %x, epsilon %g, fused %d\n", l->what, name,
                          ek__site_mode_name(got->mode), (unsigned)got->axes, got->epsilon, got->fused);
    }
    same &= agree(l, want, "input", got->x, name);
    same &= agree(l, want, "mean", got->mean, name);
    same &= agree(l, want, "variance", got->variance, name);
    same &= agree(l, want, "gamma", got->gamma, name);
    same &= agree(l, want, "beta", got->beta, name);
    return same;
}

/* {"sum": [terms]}, or none. */
static bool same_own_terms(const look *l, const json *want, const ek_site_gradient *got)
{
    const json *own = json_get(want, "own_terms"), *list = own != NULL ? own->child : NULL;
    int n = 0;

    for (const json *t = list != NULL ? list->child : NULL; t != NULL; t = t->next, n++)
        if (n == got->n_own || meant(l, t->string) != found_tensor(l, got->own[n])) return false;
    return n == got->n_own && (list == NULL || meant(l, list->key) == found_tensor(l, got->dx));
}

static void check_gradients(const look *l, const json *want, const ek_site *got, tally *t)
{
    const json *list = json_get(want, "gradients");
    const char *name = json_string(want, "output");

    for (const json *w = list != NULL ? list->child : NULL; w != NULL; w = w->next) {
        bool found = false;

        t->gradients++;
        for (int k = 0; k < got->n_gradients && !found; k++) {
            const ek_site_gradient *g = &got->gradient[k];

            if (meant(l, json_string(w, "dy")) != found_tensor(l, g->dy)) continue;
            const bool dx = agree(l, w, "dx", g->dx, name), dgamma = agree(l, w, "dgamma", g->dgamma, name),
                       dbeta = agree(l, w, "dbeta", g->dbeta, name); /* each says where it differs */
            found = dx && dgamma && dbeta && same_own_terms(l, w, g);
        }
        t->gradients_found += found;
        if (!found && getenv("EK_TEST_VERBOSE") != NULL)
            print_message("%s: %s: no gradient from %s\n", l->what, name, json_string(w, "dy"));
    }
    t->gradients_more += got->n_gradients > (list != NULL ? json_count(list) : 0)
                             ? got->n_gradients - (list != NULL ? json_count(list) : 0)
                             : 0;
}

static void compare(look *l, const json *list, tally *t)
{
    bool *used = calloc((size_t)l->sites.n + 1, sizeof *used);

    for (const json *want = list->child; want != NULL; want = want->next) {
        const int32_t y = meant(l, json_string(want, "output"));
        bool found = false;

        t->sites++;
        for (int i = 0; i < l->sites.n && !found; i++) {
            if (used[i] || found_tensor(l, l->sites.at[i].y) != y) continue;
            used[i] = true;
            found = same_site(l, want, &l->sites.at[i]);
            check_gradients(l, want, &l->sites.at[i], t);
        }
        t->sites_found += found;
        if (!found && getenv("EK_TEST_VERBOSE") != NULL)
            print_message("%s: missing %s\n", l->what, json_string(want, "output"));
    }
    for (int i = 0; i < l->sites.n; i++) {
        if (used[i]) continue;
        t->more++;
        if (getenv("EK_TEST_VERBOSE") != NULL)
            print_message("%s: not there: %s\n", l->what, l->g->node[l->sites.at[i].y.node]->name);
    }
    free(used);
}

/* One entry of a list: the flags it names are fed, "*" is every other. */
static void check_entry(ek_graph *g, const char *what, const json *flags, const json *sites, tally *t)
{
    ek_tensor fed[8];
    ek_array *value[8], **constant = calloc((size_t)g->n_outputs + 1, sizeof *constant);
    int32_t *first = calloc((size_t)g->n_nodes + 1, sizeof *first), outputs = 0;
    ek_branch assume = flags != NULL ? EK_BRANCH_TRUE : EK_BRANCH_UNKNOWN;
    look l = {.g = g, .what = what};
    int n = 0;

    for (int64_t i = 0; i < g->n_nodes; i++) {
        first[i] = outputs;
        for (int k = 0; k < g->node[i]->n_out; k++) constant[outputs++] = g->node[i]->constant;
    }
    for (const json *f = flags != NULL ? flags->child : NULL; f != NULL; f = f->next) {
        ek_op op;

        if (strcmp(f->key, "*") == 0) assume = f->boolean ? EK_BRANCH_TRUE : EK_BRANCH_FALSE;
        if (strcmp(f->key, "*") == 0) continue;
        assert_int_equal(EK_OK, ek_graph_op_by_name(g, f->key, &op));
        fed[n] = ek_op_output(op, 0);
        value[n] = ek_array_of(EK_BOOL, EK_SCALAR, &f->boolean);
        constant[first[op.id]] = value[n];
        n++;
    }
    assert_int_equal(EK_OK, ek__sites_find_fed(g, n, fed, value, assume, &l.sites, NULL));
    const ek_view view = {.graph = g, .n_nodes = g->n_nodes, .first_out = first, .constant = constant};
    assert_int_equal(EK_OK, ek__scene_open(&l.scene, &view, assume != EK_BRANCH_FALSE, NULL));
    compare(&l, sites, t);
    ek__scene_close(&l.scene);
    ek__sites_free(&l.sites);
    for (int i = 0; i < n; i++) ek_array_unref(value[i]);
    free(constant);
    free(first);
}

static void check_graph(const char *what, const char *graph, const char *list, tally *t)
{
    ek_graph *g = case_load_graph(graph);
    json *all = json_load(list);

    assert_non_null(g);
    assert_non_null(all);
    if (all->kind == JSON_OBJECT)
        check_entry(g, what, NULL, json_get(all, "sites"), t);
    else
        for (const json *e = all->child; e != NULL; e = e->next)
            check_entry(g, what, json_get(e, "flags"), json_get(e, "sites"), t);
    json_free(all);
    ek_graph_destroy(g);
}

static void report(const char *group, const tally *t)
{
    print_message("%s: sites %d of %d, false %d; gradients %d of %d, false %d\n", group, t->sites_found, t->sites,
                  t->more, t->gradients_found, t->gradients, t->gradients_more);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}
static int visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

/* Every case of a group; `graph` and `list` are patterns for its files. */
static tally check_group(const char *folder, const char *graph, const char *list, const char *left_out)
{
    const char *path = ek_test_data(folder);
    struct dirent **entry;
    tally t = {.sites = 0};
    char name[256], a[1200], b[1200];
    const int n = path != NULL ? scandir(path, &entry, visible, by_name) : -1;

    if (n < 0) skip();
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%s", entry[i]->d_name);
        free(entry[i]);
        char *dot = strstr(name, ".json");
        if (strstr(name, "README") != NULL || strstr(left_out, name) != NULL) continue;
        if (dot != NULL) *dot = '\0';
        if (getenv("EK_TEST_CASE") != NULL && strcmp(getenv("EK_TEST_CASE"), name) != 0) continue;
        snprintf(a, sizeof a, graph, name);
        snprintf(b, sizeof b, list, name);
        char graph_path[2048], list_path[2048];
        snprintf(graph_path, sizeof graph_path, "%s", ek_test_data(a));
        snprintf(list_path, sizeof list_path, "%s", ek_test_data(b));
        check_graph(name, graph_path, list_path, &t);
    }
    free(entry);
    report(folder, &t);
    return t;
}

static void assert_complete(const tally *t)
{
    assert_int_equal(t->sites, t->sites_found);
    assert_int_equal(0, t->more);
    assert_int_equal(t->gradients, t->gradients_found);
    assert_int_equal(0, t->gradients_more);
}

static void tf115(void **state)
{
    (void)state;
    const tally t = check_group("sites/tf115-graphs", "tf115-graphs/%s/graph.pb", "sites/tf115-graphs/%s.json", "");
    assert_complete(&t);
}

static void trajectories(void **state)
{
    (void)state;
    const tally t = check_group("sites/trajectories", "trajectories/%s/meta.pb", "sites/trajectories/%s.json", "");
    assert_complete(&t);
}

static void own(void **state)
{
    (void)state;
    const tally t = check_group("sites/own", "sites/own/%s/graph.pb", "sites/own/%s/sites.json", "cf2_flag");
    assert_complete(&t);
}

static void recognise(void **state)
{
    (void)state;
    const tally t = check_group("tf-files/recognise", "tf-files/recognise/%s/graph.pb",
                                "tf-files/recognise/%s/expected.json", "convnet_cond_v2");
    assert_complete(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tf115), cmocka_unit_test(trajectories), cmocka_unit_test(own),
                                       cmocka_unit_test(recognise)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
