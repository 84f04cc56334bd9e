/* What is reported of a graph must be true of it, whatever the graph is: one op or constant inside a site or a way back
 * is changed at a time, and every site and gradient that is still reported is compared with the formulas on numbers. */
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/node.h"
#include "sites/scene.h"
#include "sites/sites.h"
#include "support/support.h"

enum { MOST_FED = 32, MOST_FETCHED = 64 };

static uint64_t seed = 77;

static uint32_t draw(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

/* ---- changing one node ------------------------------------------------------------------------------- */

/* Types that may stand for each other: inputs and attributes are the same. */
static const char *const groups[][6] = {
    {"Mul", "AddV2", "Sub", "RealDiv", "SquaredDifference"},
    {"Rsqrt", "Sqrt", "Neg", "Square", "Reciprocal"},
    {"RsqrtGrad", "SqrtGrad", "ReciprocalGrad"},
    {"Mean", "Sum"},
};

static bool change_type(ek_graph *g, ek_node *n)
{
    for (int k = 0; k < EK_COUNT_OF(groups); k++) {
        int size = 0, at = -1;

        while (size < 6 && groups[k][size] != NULL) {
            if (strcmp(groups[k][size], n->type) == 0) at = size;
            size++;
        }
        if (at < 0) continue;
        n->type = groups[k][(at + 1 + (int)draw((uint32_t)size - 1)) % size];
        n->spec = ek__registry_find(g->registry, n->type);
        assert_non_null(n->spec);
        return true;
    }
    return false;
}

static bool change(ek_graph *g, int32_t node)
{
    ek_node *n = g->node[node];

    if ((strcmp(n->type, "Sub") == 0 || strcmp(n->type, "RealDiv") == 0) && draw(3) == 0) {
        const ek_edge first = n->in[0];

        n->in[0] = n->in[1];
        n->in[1] = first;
        return true;
    }
    if (strcmp(n->type, "Const") == 0 && n->constant != NULL && n->constant->dtype == EK_FLOAT32 &&
        !n->constant->wrapped) {
        for (int64_t i = 0; i < n->constant->count; i++)
            ek_array_f32(n->constant)[i] = ek_array_f32(n->constant)[i] * 1.01f + 1e-4f;
        return true;
    }
    return change_type(g, n);
}

/* ---- numbers --------------------------------------------------------------------------------------------- */

typedef struct numbers {
    ek_graph *g;
    ek_session *session;
    ek_feed feed[MOST_FED];
    ek_array *fed[MOST_FED];
    int n_fed;
    ek_fetch fetch[MOST_FETCHED];
    ek_array *value[MOST_FETCHED];
    int n_fetched;
} numbers;

/* Every placeholder is fed random numbers of the size that the recogniser made up; flags as it assumed them. */
static void feed_all(numbers *v, const ek_scene *s)
{
    for (int64_t i = 0; i < v->g->n_nodes; i++) {
        const ek_node *n = v->g->node[i];
        ek_array *a;

        if (strncmp(n->type, "Placeholder", 11) != 0 || v->n_fed == MOST_FED || s->shape[s->first[i]].rank < 0)
            continue;
        if (ek_array_create(n->out_dtype[0], s->shape[s->first[i]], NULL, &a) != EK_OK) continue;
        for (int64_t k = 0; k < a->count; k++) {
            if (a->dtype == EK_FLOAT32) ek_array_f32(a)[k] = (float)draw(20001) / 10000 - 1;
            if (a->dtype == EK_BOOL) ((bool *)a->data)[k] = s->assume;
        }
        v->fed[v->n_fed] = a;
        v->feed[v->n_fed++] = (ek_feed){{v->g, (int32_t)i, 0}, a};
    }
}

static void initialize(numbers *v)
{
    ek_op target[256];
    int n = 0;

    for (int64_t i = 0; i < v->g->n_nodes && n < 256; i++)
        if (strcmp(v->g->node[i]->type, "Assign") == 0 && strstr(v->g->node[i]->name, "/Assign") != NULL)
            target[n++] = (ek_op){v->g, (int32_t)i};
    if (n > 0) (void)ek_run(v->session, .targets = target, .n_targets = n);
}

static int want(numbers *v, ek_edge e)
{
    if (e.node < 0 || v->n_fetched == MOST_FETCHED) return -1;
    v->fetch[v->n_fetched] = (ek_fetch){{v->g, e.node, e.index}, &v->value[v->n_fetched]};
    return v->n_fetched++;
}

/* ---- formulas ------------------------------------------------------------------------------------------------ */

typedef struct places {
    const ek_site *s;
    const ek_shape *x;
} places;

/* The element of a parameter that belongs to element `flat` of x. */
static int64_t place(const places *p, const ek_array *parameter, int64_t flat)
{
    const uint32_t kept = ~p->s->axes & ((1u << p->s->rank) - 1);
    const ek_shape *own = &parameter->shape;
    int64_t at[EK_MAX_RANK], out = 0;

    for (int a = p->x->rank - 1; a >= 0; a--) {
        at[a] = flat % p->x->dim[a];
        flat /= p->x->dim[a];
    }
    if (own->rank == 1 && own->dim[0] > 1 && (kept & (kept - 1)) == 0 && kept != 0) return at[__builtin_ctz(kept)];
    for (int a = 0; a < own->rank; a++) {
        const int of = a + p->x->rank - own->rank;
        out = out * own->dim[a] + (own->dim[a] > 1 && of >= 0 ? at[of] : 0);
    }
    return out;
}

/* The first element of x that shares the statistics of element `flat`. */
static int64_t statistic(const places *p, int64_t flat)
{
    int64_t step = 1, out = 0;

    for (int a = p->x->rank - 1; a >= 0; a--) {
        const int64_t at = flat % p->x->dim[a];

        flat /= p->x->dim[a];
        if (!(p->s->axes >> a & 1u)) out += at * step;
        step *= p->x->dim[a];
    }
    return out;
}

/* Within what float32 leaves of sums whose terms are as large as `terms`. */
static bool near(const ek_array *got, const double *expected, int64_t n, double terms)
{
    double largest = terms, off = 0;

    if (got == NULL || got->count != n) return false;
    for (int64_t i = 0; i < n; i++) {
        const double d = fabs(ek_array_get(got, i) - expected[i]);

        largest = fmax(largest, fabs(expected[i]));
        off = d > off || d != d ? d : off;
    }
    return off <= 2e-3 * largest + 1e-4;
}

/* The normalized x and the inverse deviation of each element. */
static void normalize(const places *p, const ek_array *x, const ek_array *mean, const ek_array *variance, double *hat,
                      double *inverse)
{
    double *m = calloc((size_t)x->count, sizeof *m), *v = calloc((size_t)x->count, sizeof *v),
           *n = calloc((size_t)x->count, sizeof *n);

    for (int64_t i = 0; i < x->count; i++) {
        m[statistic(p, i)] += ek_array_get(x, i);
        n[statistic(p, i)]++;
    }
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t k = statistic(p, i);
        const double d = ek_array_get(x, i) - m[k] / n[k];

        v[k] += d * d / n[k];
    }
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t k = statistic(p, i);
        const double mu = mean != NULL ? ek_array_get(mean, place(p, mean, i)) : m[k] / n[k];
        const double var = variance != NULL ? ek_array_get(variance, place(p, variance, i)) : v[k];

        inverse[i] = 1 / sqrt(var + p->s->epsilon);
        hat[i] = (ek_array_get(x, i) - mu) * inverse[i];
    }
    free(m);
    free(v);
    free(n);
}

typedef struct site_places {
    int x, y, gamma, beta, mean, variance, dy, dx, dgamma, dbeta, own[8];
} site_places;

static bool gradient_is_true(const numbers *v, const places *p, const site_places *at, const ek_site_gradient *g,
                             const double *hat, const double *inverse)
{
    const ek_array *x = v->value[at->x], *dy = v->value[at->dy], *gamma = at->gamma >= 0 ? v->value[at->gamma] : NULL;
    const ek_array *beta = at->beta >= 0 ? v->value[at->beta] : NULL;
    const int64_t n = x->count;
    double *dx = calloc((size_t)n, sizeof *dx), *sum = calloc((size_t)n, sizeof *sum),
           *dot = calloc((size_t)n, sizeof *dot), *count = calloc((size_t)n, sizeof *count),
           *dgamma = calloc((size_t)n, sizeof *dgamma), *dbeta = calloc((size_t)n, sizeof *dbeta);
    const bool fits = dy->count == n;
    double terms = 0;
    bool ok = fits;

    for (int64_t i = 0; fits && i < n; i++) {
        const double d = ek_array_get(dy, i);

        sum[statistic(p, i)] += d;
        dot[statistic(p, i)] += d * hat[i];
        count[statistic(p, i)]++;
        if (gamma != NULL) dgamma[place(p, gamma, i)] += d * hat[i];
        if (beta != NULL) dbeta[place(p, beta, i)] += d;
    }
    for (int64_t i = 0; fits && i < n; i++) {
        const int64_t k = statistic(p, i);
        const double scale =
            (gamma != NULL && !g->before_gamma ? ek_array_get(gamma, place(p, gamma, i)) : 1) * inverse[i];
        const bool through = p->s->mode == EK_SITE_TRAIN && !g->stopped;

        terms = fmax(terms, fabs(scale * ek_array_get(dy, i)));
        dx[i] = scale * (ek_array_get(dy, i) - (through ? sum[k] / count[k] + hat[i] * dot[k] / count[k] : 0));
    }
    if (ok && at->dx >= 0) ok = near(v->value[at->dx], dx, n, terms);
    if (ok && at->dgamma >= 0 && gamma != NULL) ok = near(v->value[at->dgamma], dgamma, gamma->count, terms);
    if (ok && at->dbeta >= 0 && beta != NULL) ok = near(v->value[at->dbeta], dbeta, beta->count, terms);
    if (ok && g->n_own > 0 && g->n_own <= 8) {
        double *own = calloc((size_t)n, sizeof *own);

        for (int t = 0; t < g->n_own; t++)
            for (int64_t i = 0; i < n && at->own[t] >= 0 && v->value[at->own[t]]->count == n; i++)
                own[i] += ek_array_get(v->value[at->own[t]], i);
        for (int64_t i = 0; i < n; i++) ok &= fabs(own[i] - dx[i]) <= 1e-3 + 2e-3 * fabs(dx[i]) * 10;
        free(own);
    }
    free(dx);
    free(sum);
    free(dot);
    free(count);
    free(dgamma);
    free(dbeta);
    return ok;
}

typedef struct tally {
    int mutants, sites, gradients, skipped, wrong;
} tally;

/* One site, way back by way back; each is a run of its own. */
static void check(numbers *v, const ek_site *s, const ek_site_gradient *g, tally *t)
{
    site_places at = {.x = want(v, s->x), .dy = -1, .dx = -1, .dgamma = -1, .dbeta = -1};
    places q = {s, NULL};

    at.y = want(v, s->y);
    at.gamma = want(v, s->gamma);
    at.beta = want(v, s->beta);
    at.mean = want(v, s->mean);
    at.variance = want(v, s->variance);

    if (g != NULL) {
        at.dy = want(v, g->dy);
        at.dgamma = want(v, g->dgamma);
        at.dbeta = want(v, g->dbeta);
        if (g->n_own == 0) at.dx = want(v, g->dx);
        for (int i = 0; i < g->n_own && i < 8; i++) at.own[i] = want(v, g->own[i]);
    }
    if (ek_run(v->session, .feeds = v->feed, .n_feeds = v->n_fed, .fetches = v->fetch, .n_fetches = v->n_fetched) !=
        EK_OK) {
        t->skipped++;
    } else {
        const ek_array *x = v->value[at.x], *gamma = at.gamma >= 0 ? v->value[at.gamma] : NULL,
                       *beta = at.beta >= 0 ? v->value[at.beta] : NULL;
        double *hat = calloc((size_t)x->count + 1, sizeof *hat),
               *inverse = calloc((size_t)x->count + 1, sizeof *inverse);
        double *y = calloc((size_t)x->count + 1, sizeof *y);
        bool ok, usable = true;

        q.x = &x->shape;
        normalize(&q, x, at.mean >= 0 ? v->value[at.mean] : NULL, at.variance >= 0 ? v->value[at.variance] : NULL, hat,
                  inverse);
        for (int64_t i = 0; i < x->count; i++) {
            y[i] = hat[i] * (gamma != NULL ? ek_array_get(gamma, place(&q, gamma, i)) : 1) +
                   (beta != NULL ? ek_array_get(beta, place(&q, beta, i)) : 0);
            usable &= isfinite(y[i]) && fabs(y[i]) < 1e6;
        }
        for (int64_t i = 0; g != NULL && i < v->value[at.dy]->count; i++)
            usable &= fabs(ek_array_get(v->value[at.dy], i)) < 1e6;
        ok = near(v->value[at.y], y, x->count, 0);
        if (ok && g != NULL) ok = gradient_is_true(v, &q, &at, g, hat, inverse);
        t->sites += g == NULL && usable;
        t->gradients += g != NULL && usable;
        t->skipped += !usable;
        t->wrong += usable && !ok;
        if (usable && !ok)
            print_message("wrong: %s %s\n", v->g->node[s->y.node]->name,
                          g != NULL ? v->g->node[g->dy.node]->name : "(forward)");
        free(hat);
        free(inverse);
        free(y);
    }
    for (int i = 0; i < v->n_fetched; i++) {
        ek_array_unref(v->value[i]);
        v->value[i] = NULL;
    }
    v->n_fetched = 0;
}

static void check_all(ek_graph *g, bool assume, tally *t)
{
    const ek_view view = {.graph = g, .n_nodes = g->n_nodes};
    numbers v = {.g = g};
    ek_scene scene;
    ek_sites sites;

    assert_int_equal(EK_OK, ek__sites_find(&view, assume ? EK_BRANCH_TRUE : EK_BRANCH_FALSE, &sites, NULL));
    assert_int_equal(EK_OK, ek__scene_open(&scene, &view, assume, NULL));
    v.session = ek_session_create(g, .threads = 1);
    feed_all(&v, &scene);
    initialize(&v);
    for (int i = 0; i < sites.n; i++) {
        check(&v, &sites.at[i], NULL, t);
        for (int k = 0; k < sites.at[i].n_gradients; k++) check(&v, &sites.at[i], &sites.at[i].gradient[k], t);
    }
    for (int i = 0; i < v.n_fed; i++) ek_array_unref(v.fed[i]);
    ek_session_destroy(v.session);
    ek__scene_close(&scene);
    ek__sites_free(&sites);
}

/* The nodes inside what is found in the graph as it is. */
static int inside(ek_graph *g, bool assume, int32_t *out, int most)
{
    const ek_view view = {.graph = g, .n_nodes = g->n_nodes};
    ek_sites sites;
    int n = 0;

    assert_int_equal(EK_OK, ek__sites_find(&view, assume ? EK_BRANCH_TRUE : EK_BRANCH_FALSE, &sites, NULL));
    for (int i = 0; i < sites.n; i++) {
        for (int k = 0; k < sites.at[i].n_covers && n < most; k++) out[n++] = sites.at[i].covers[k];
        for (int w = 0; w < sites.at[i].n_gradients; w++)
            for (int k = 0; k < sites.at[i].gradient[w].n_covers && n < most; k++)
                out[n++] = sites.at[i].gradient[w].covers[k];
    }
    ek__sites_free(&sites);
    return n;
}

static void mutate(const char *path, bool assume, int times, tally *t)
{
    int32_t node[4096];
    ek_graph *g;
    int n;

    if (ek_graph_load(path, &g, NULL) != EK_OK) return;
    n = inside(g, assume, node, 4096);
    check_all(g, assume, t);
    ek_graph_destroy(g);
    for (int i = 0; i < times && n > 0; i++) {
        const int32_t at = node[draw((uint32_t)n)];
        const int before = t->wrong;

        assert_int_equal(EK_OK, ek_graph_load(path, &g, NULL));
        if (change(g, at)) {
            t->mutants++;
            check_all(g, assume, t);
        }
        if (t->wrong > before)
            print_message("    with %s changed to %s in %s, flag %d\n", g->node[at]->name, g->node[at]->type, path,
                          assume);
        ek_graph_destroy(g);
    }
}

/* Every graph of a folder. */
static bool mutate_folder(const char *name, int on, int off, tally *t)
{
    const char *folder = ek_test_data(name), *times = getenv("EK_TEST_MUTANTS");
    struct dirent **entry;
    char path[4096];
    const int n = folder != NULL ? scandir(folder, &entry, NULL, alphasort) : -1;

    if (n < 0) return false;
    snprintf(path, sizeof path, "%s", folder);
    const size_t stem = strlen(path);
    for (int i = 0; i < n; i++) {
        const char *graph = entry[i]->d_name;

        snprintf(path + stem, sizeof path - stem, "/%s/graph.pb", graph);
        if (graph[0] != '.' && strstr(graph, "f16") == NULL && strstr(graph, "float16") == NULL) {
            mutate(path, true, times != NULL ? atoi(times) : on, t);
            mutate(path, false, times != NULL ? atoi(times) : off, t);
        }
        free(entry[i]);
    }
    free(entry);
    return true;
}

static void what_is_reported_is_true(void **state)
{
    tally t = {.mutants = 0};

    (void)state;
    if (!mutate_folder("sites/own", 24, 12, &t) || !mutate_folder("tf115-graphs", 6, 3, &t) ||
        !mutate_folder("tf-files/recognise", 8, 8, &t))
        skip();
    print_message("%d mutants: %d sites, %d gradients still reported, %d wrong, %d not computed\n", t.mutants, t.sites,
                  t.gradients, t.wrong, t.skipped);
    assert_int_equal(0, t.wrong);
    assert_true(t.mutants > 500);
    assert_true(t.gradients > 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_reported_is_true)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
