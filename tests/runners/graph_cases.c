/* graph_cases FOLDER [CASE ...] - imports whole graphs and reproduces what TensorFlow computed from them over several steps.
 *
 * The folder's README says what values.pb holds. A fetch that needs an op without a definition is left out and told; the
 * variables that it might have written are then set to what TensorFlow has, so that later steps can be held to it. A case is
 * skipped where nothing remains. --list tells each left-out fetch. */
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "evenkeel/files.h"
#include "support/imported.h"

enum { MOST = 512 };

typedef struct runner {
    const char *folder;
    case_table loose;
    bool list;
    int passed, failed, skipped;
} runner;

/* One case while it runs. */
typedef struct test {
    const runner *r;
    const char *name;
    ek_graph *graph;
    ek_session *session;
    case_graph values;
    const char *variable[MOST]; /* names, from "init/..." */
    bool tainted[MOST];         /* written by something that was left out, since the step began */
    int n_variables;
    int compared, left_out, differ;
} test;

static void complain(test *t, const char *fmt, ...) EK_PRINTF(2, 3);
static void complain(test *t, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    case_complain(&t->differ, fmt, args);
    va_end(args);
}

/* ---- tolerance ------------------------------------------------------------------------------------------- */

static double usual_tolerance(const ek_array *want)
{
    const double largest = case_largest(want);

    switch (ek_array_dtype(want)) {
    case EK_FLOAT64: return 1e-12 * fmax(largest, 1);
    case EK_FLOAT16: return 4e-3 * fmax(largest, 1);
    default: return 2e-5 * fmax(largest, 0.05);
    }
}

/* The tolerance of a node; negative: it is not compared. */
static double tolerance_of(const test *t, const char *node, const ek_array *want)
{
    const case_table *l = &t->r->loose;

    for (int row = 0; row < l->rows - 1; row++) {
        if (strcmp(case_table_at(l, row, 0), t->name) != 0 || strcmp(case_table_at(l, row, 1), node) != 0) continue;
        const char *text = case_table_at(l, row, l->columns - 1);
        return strcmp(text, "not compared") == 0 ? -1 : strtod(text, NULL);
    }
    return usual_tolerance(want);
}

static void compare(test *t, const char *node, const ek_array *got, const ek_array *want)
{
    const double tolerance = tolerance_of(t, node, want);
    char why[900];

    if (tolerance < 0) return;
    t->compared++;
    const case_tolerance allowed = { .absolute = tolerance, .relative = ek_array_dtype(want) == EK_STRING ? 2e-5 : 0 }; /* summaries */
    if (!case_close(got, want, &allowed, why, sizeof why)) complain(t, "%s: %s", node, why);
}

/* ---- what is left out ---------------------------------------------------------------------------------------- */

static int32_t node_of(const test *t, const char *name)
{
    ek_op op;
    return ek_graph_op_by_name(t->graph, name, &op) == EK_OK ? op.id : -1;
}

/* Whether input i of an op is a variable that it may write: a reference or a handle, unless its definition says no. */
static bool may_write(const ek_graph *g, const ek_node *n, int32_t i)
{
    const ek_node *from = g->node[n->in[i].node];
    const ek_dtype type = n->in[i].index < from->n_out ? from->out_dtype[n->in[i].index] : EK_DTYPE_NONE;

    if (!ek_dtype_is_ref(type) && type != EK_RESOURCE) return false;
    return n->spec == NULL || (i < 32 && (n->spec->def->writes >> i & 1u) != 0);
}

/* Taints the variables that anything among `reached` may write. */
static void taint(test *t, const bool *reached)
{
    for (int64_t id = 0; id < t->graph->n_nodes; id++) {
        const ek_node *n = t->graph->node[id];

        for (int32_t i = 0; i < n->n_in && reached[id]; i++) {
            if (!may_write(t->graph, n, i)) continue;
            const ek_node *variable = t->graph->node[n->in[i].node];
            while (variable->n_in > 0) variable = t->graph->node[variable->in[0].node];
            for (int v = 0; v < t->n_variables; v++)
                if (strcmp(t->variable[v], variable->name) == 0) t->tainted[v] = true;
        }
    }
}

/* Whether the fetch is left out: it needs what is not defined, or a variable that something left out may have written. */
static bool left_out(test *t, int step, const char *name, int32_t op)
{
    case_needs n;
    bool out;
    const char *because = NULL;

    case_reach(t->graph, op, &n);
    out = n.missing != NULL;
    for (int i = 0; i < t->n_variables; i++) {
        const int32_t v = node_of(t, t->variable[i]);
        if (v >= 0 && n.node[v] && t->tainted[i]) because = t->variable[i];
    }
    if (n.missing != NULL) taint(t, n.node);
    out = out || because != NULL;
    if (out && t->r->list)
        printf("    step %d: %s is left out: %s %s\n", step, name, n.missing != NULL ? "no definition of" : "something left out writes",
               n.missing != NULL ? n.missing : because);
    t->left_out += out;
    free(n.node);
    return out;
}

/* ---- variables --------------------------------------------------------------------------------------------------- */

static void find_variables(test *t)
{
    for (int64_t i = 0; i < t->values.n && t->n_variables < MOST; i++) {
        const ek_span s = t->values.name[i];
        if (s.size > 5 && memcmp(s.at, "init/", 5) == 0)
            t->variable[t->n_variables++] = strndup((const char *)s.at + 5, s.size - 5);
    }
}

/* Sets a variable by its initializer. */
static void set_variable(test *t, const char *variable, const ek_array *value)
{
    char why[1000];

    if (!case_set_variable(t->session, t->graph, variable, value, why, sizeof why)) complain(t, "%s", why);
}

static ek_array *read_variable(test *t, const char *variable)
{
    char why[1000];
    ek_array *got = case_read_variable(t->session, t->graph, variable, why, sizeof why);

    if (got == NULL) complain(t, "%s", why);
    return got;
}

/* Values that the graph itself gives are compared; others are set, and what an op without a definition would give. */
static void initialize(test *t, const char *set_by_name)
{
    for (int i = 0; i < t->n_variables; i++) {
        char node[1000];
        ek_error err = { .code = EK_OK };
        ek_op assign;
        case_needs n = { .missing = NULL };
        const char *listed = strstr(set_by_name, t->variable[i]);
        ek_array *want, *got;
        snprintf(node, sizeof node, "init/%s", t->variable[i]);
        want = case_graph_value(&t->values, "%s", node);
        if (case_assign_op(t->graph, t->variable[i], &assign)) case_reach(t->graph, assign.id, &n);
        if (listed != NULL || n.missing != NULL) {
            set_variable(t, t->variable[i], want);
        } else if (ek_run(t->session, .target = { assign }, .error = &err) != EK_OK) {
            complain(t, "cannot initialize %s: %s", t->variable[i], err.text);
        } else if ((got = read_variable(t, t->variable[i])) != NULL) {
            compare(t, node, got, want);
            ek_array_unref(got);
        }
        free(n.node);
        ek_array_unref(want);
    }
}

/* Sixteen rows of a large variable: row i * max(1, n / 16) of n. */
static ek_array *rows_of(const ek_array *a)
{
    ek_shape shape = *ek_array_shape(a);
    const int64_t n = shape.dim[0], step = n / 16 > 1 ? n / 16 : 1;
    const size_t row = n > 0 ? ek_array_bytes(a) / (size_t)n : 0;
    ek_array *out;

    shape.dim[0] = n < 16 ? n : 16;
    out = ek_array_of(ek_array_dtype(a), shape, NULL);
    for (int64_t i = 0; i < shape.dim[0]; i++)
        memcpy((char *)ek_array_data(out) + (size_t)i * row, (const char *)ek_array_cdata(a) + (size_t)(i * step) * row, row);
    return out;
}

static void check_variables(test *t, int step)
{
    for (int i = 0; i < t->n_variables; i++) {
        char node[1000];
        ek_array *want, *got, *rows = NULL;
        snprintf(node, sizeof node, "step%d/var/%s", step, t->variable[i]);
        want = case_graph_value(&t->values, "%s", node);
        if (t->tainted[i]) {
            if (want != NULL) set_variable(t, t->variable[i], want);
            t->tainted[i] = want == NULL; /* of rows alone it cannot be set again */
            ek_array_unref(want);
            continue;
        }
        if (want == NULL) {
            snprintf(node, sizeof node, "step%d/rows/%s", step, t->variable[i]);
            want = case_graph_value(&t->values, "%s", node);
        }
        got = want != NULL ? read_variable(t, t->variable[i]) : NULL;
        if (got != NULL && strstr(node, "/rows/") != NULL) rows = rows_of(got);
        if (got != NULL) compare(t, node, rows != NULL ? rows : got, want);
        ek_array_unref(rows);
        ek_array_unref(got);
        ek_array_unref(want);
    }
}

/* ---- steps ----------------------------------------------------------------------------------------------------- */

/* Feeds of a step: every node stepK/feed/P. */
static int64_t feeds_of(test *t, int step, ek_feed *feed, ek_array **value)
{
    char prefix[40], name[1000];
    int64_t n = 0;

    snprintf(prefix, sizeof prefix, "step%d/feed/", step);
    for (int64_t i = 0; i < t->values.n && n < MOST; i++) {
        const ek_span s = t->values.name[i];
        if (s.size <= strlen(prefix) || memcmp(s.at, prefix, strlen(prefix)) != 0) continue;
        snprintf(name, sizeof name, "%.*s:0", (int)(s.size - strlen(prefix)), (const char *)s.at + strlen(prefix));
        if (ek_graph_tensor_by_name(t->graph, name, &feed[n].tensor) != EK_OK) {
            complain(t, "there is no %s to feed", name);
            continue;
        }
        value[n] = case_graph_value(&t->values, "%s%.*s", prefix, (int)(s.size - strlen(prefix)), (const char *)s.at + strlen(prefix));
        feed[n].value = value[n];
        n++;
    }
    return n;
}

/* What one run fetches and runs; names are borrowed from its list. */
typedef struct request {
    ek_fetch fetch[MOST];
    ek_array *got[MOST];
    const char *name[MOST];
    ek_op target[MOST];
    int64_t n_fetches, n_targets;
} request;

/* All names first, so that what is left out taints only later runs. */
static void make_request(test *t, int step, const ek_array *names, request *q)
{
    const ek_string *s = ek_array_cdata(names);
    bool before[MOST], after[MOST] = { false };

    memcpy(before, t->tainted, sizeof before);
    for (int64_t i = 0; i < ek_array_count(names) && i < MOST; i++) {
        const char *name = s[i].data;
        ek_tensor tensor = { NULL, -1, 0 };
        ek_op op = { NULL, -1 };
        const bool is_tensor = strchr(name, ':') != NULL;
        const ek_status st = is_tensor ? ek_graph_tensor_by_name(t->graph, name, &tensor) : ek_graph_op_by_name(t->graph, name, &op);
        if (st != EK_OK) {
            complain(t, "there is no %s", name);
            continue;
        }
        memcpy(t->tainted, before, sizeof before);
        const bool out = left_out(t, step, name, is_tensor ? tensor.op : op.id);
        for (int k = 0; k < t->n_variables; k++) after[k] = after[k] || t->tainted[k];
        if (out) continue;
        if (is_tensor) {
            q->name[q->n_fetches] = name;
            q->fetch[q->n_fetches] = (ek_fetch){ tensor, &q->got[q->n_fetches] };
            q->n_fetches++;
        } else {
            q->target[q->n_targets++] = op;
        }
    }
    memcpy(t->tainted, after, sizeof after);
}

static void compare_fetches(test *t, int step, const request *q)
{
    for (int64_t i = 0; i < q->n_fetches; i++) {
        char node[1000];
        ek_array *want;
        snprintf(node, sizeof node, "step%d/%s", step, q->name[i]);
        *strrchr(node, ':') = '_';
        want = case_graph_value(&t->values, "%s", node);
        if (want != NULL) compare(t, node, q->got[i], want);
        ek_array_unref(want);
    }
}

/* The N-th run of a step; false: there is none. */
static bool run_once(test *t, int step, int n, const ek_feed *feed, int64_t n_feeds)
{
    ek_array *names = case_graph_value(&t->values, "step%d/run%d", step, n);
    ek_error err = { .code = EK_OK };
    request *q;

    if (names == NULL) return false;
    q = calloc(1, sizeof *q);
    make_request(t, step, names, q);
    if (q->n_fetches + q->n_targets > 0) {
        if (ek_run(t->session, .feeds = feed, .n_feeds = n_feeds, .fetches = q->fetch, .n_fetches = q->n_fetches,
                   .targets = q->target, .n_targets = q->n_targets, .error = &err) == EK_OK)
            compare_fetches(t, step, q);
        else if (err.code == EK_UNIMPLEMENTED)
            t->left_out += (int)(q->n_fetches + q->n_targets); /* defined, but not run by this version */
        else
            complain(t, "step %d, run %d: %s: %s", step, n, ek_status_name(err.code), err.text);
    }
    for (int64_t i = 0; i < q->n_fetches; i++) ek_array_unref(q->got[i]);
    free(q);
    ek_array_unref(names);
    return true;
}

/* False: there is no such step. */
static bool run_step(test *t, int step)
{
    ek_feed feed[MOST];
    ek_array *value[MOST];
    const int64_t n_feeds = feeds_of(t, step, feed, value);
    int runs = 0;

    for (int i = 0; i < t->n_variables; i++) {
        ek_array *set = case_graph_value(&t->values, "step%d/assign/%s", step, t->variable[i]);
        if (set != NULL) set_variable(t, t->variable[i], set);
        ek_array_unref(set);
    }
    while (run_once(t, step, runs + 1, feed, n_feeds)) runs++;
    if (runs > 0) check_variables(t, step);
    for (int64_t i = 0; i < n_feeds; i++) ek_array_unref(value[i]);
    return runs > 0;
}

static void run_steps(test *t, const char *set_by_name)
{
    ek_error err = { .code = EK_OK };

    t->session = ek_session_create(t->graph, .threads = 1, .error = &err);
    if (t->session == NULL) {
        complain(t, "session: %s", err.text);
        return;
    }
    find_variables(t);
    initialize(t, set_by_name);
    for (int step = 1; run_step(t, step); step++) continue;
    ek_session_destroy(t->session);
    for (int i = 0; i < t->n_variables; i++) free((char *)(uintptr_t)t->variable[i]);
}

/* ---- cases --------------------------------------------------------------------------------------------------------- */

static void run_case(runner *r, const char *name, const char *set_by_name)
{
    test *t = calloc(1, sizeof *t);
    ek_error err = { .code = EK_OK };
    char path[4096];

    t->r = r;
    t->name = name;
    snprintf(path, sizeof path, "%s/%s/graph.pb", r->folder, name);
    if (ek_graph_load(path, &t->graph, &err) != EK_OK) complain(t, "%s", err.text);
    snprintf(path, sizeof path, "%s/%s/values.pb", r->folder, name);
    if (t->graph != NULL && !case_graph_read(path, &t->values)) complain(t, "%s cannot be read", path);
    else if (t->graph != NULL) run_steps(t, set_by_name);
    const bool nothing = t->differ == 0 && t->compared == 0;
    r->failed += t->differ > 0;
    r->skipped += nothing;
    r->passed += t->differ == 0 && !nothing;
    printf("%s %s: %d values compared", t->differ > 0 ? "FAILED " : nothing ? "skipped" : "passed ", name, t->compared);
    if (t->differ > 0) printf(", %d differ", t->differ);
    if (t->left_out > 0) printf(", %d fetches left out for want of an op", t->left_out);
    printf("\n");
    case_graph_free(&t->values);
    ek_graph_destroy(t->graph);
    free(t);
}

static bool wanted(const char *name, char **names, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0) return true;
    return n == 0;
}

/* The cases are the rows of values.tsv. */
static int run_all(runner *r, char **names, int n)
{
    case_table cases;
    char path[4096];

    snprintf(path, sizeof path, "%s/values.tsv", r->folder);
    if (!case_table_read(path, &cases)) return 2;
    const int run = case_table_column(&cases, "run"), set = case_table_column(&cases, "assigned instead of initialized");
    for (int row = 0; row < cases.rows - 1; row++) {
        const char *name = case_table_at(&cases, row, 0);
        if (wanted(name, names, n) && (run < 0 || strcmp(case_table_at(&cases, row, run), "yes") == 0))
            run_case(r, name, case_table_at(&cases, row, set));
    }
    printf("%d passed, %d failed", r->passed, r->failed);
    if (r->skipped > 0) printf(", %d skipped", r->skipped);
    printf("\n");
    case_table_free(&cases);
    return r->failed > 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "list", no_argument, NULL, 'l' }, { NULL, 0, NULL, 0 } };
    runner r = { .folder = NULL };
    char path[4096];
    int c, result;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'l') r.list = true;
        else optind = argc;
    }
    if (optind >= argc) {
        fprintf(stderr, "usage: graph_cases [--list] FOLDER [CASE ...]\n");
        return 2;
    }
    r.folder = argv[optind];
    snprintf(path, sizeof path, "%s/values_loose.tsv", r.folder);
    if (access(path, R_OK) == 0 && !case_table_read(path, &r.loose)) return 2;
    result = run_all(&r, argv + optind + 1, argc - optind - 1);
    case_table_free(&r.loose);
    return result;
}
