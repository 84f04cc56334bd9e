/* op_cases FOLDER [OP ...] - runs the cases of a folder: what each op must compute, and refuse.
 *
 * The folder's README says what a case is. Cases whose op, or an op around it, has no definition are skipped and listed.
 * Gradients are those that ek_gradients builds; an op that TensorFlow differentiates and the library does not is a failure.
 * Options: --eval  computes pure ops one by one, without a session; --list  prints a line per passed case too. */
#include <getopt.h>
#include <stdlib.h>

#include "codec/fields.h"
#include "evenkeel/files.h"
#include "graph/node.h"
#include "ops/registry.h"
#include "support/cases.h"

enum { MOST_INPUTS = 64 };
typedef enum verdict { PASSED, FAILED, SKIPPED, N_VERDICTS } verdict;

typedef struct runner {
    const char *folder;
    case_table index;
    int op, name, about, has_grad, has_error, tolerance, atol, grad_tolerance, grad_atol, scale, note; /* columns */
    bool eval, list;
    char loaded[128]; /* the op whose file is open */
    case_graph file;
    int count[N_VERDICTS];
} runner;

/* One case while it runs. */
typedef struct test {
    const runner *r;
    int row;
    const char *op, *name;
    ek_graph *graph;
    case_tolerance tolerance, grad_tolerance;
    char why[1200];
} test;

static const char *cell(const test *t, int column) { return case_table_at(&t->r->index, t->row, column); }

static ek_array *value_of(const test *t, const char *what, int k)
{
    return case_graph_value(&t->r->file, "%s/%s%d", t->name, what, k);
}

static verdict fail(test *t, const char *fmt, ...) EK_PRINTF(2, 3);
static verdict fail(test *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(t->why, sizeof t->why, fmt, args);
    va_end(args);
    return FAILED;
}

/* ---- the nodes of a case ---------------------------------------------------------------------------------- */

static bool starts(ek_span s, const char *with)
{
    return s.size >= strlen(with) && memcmp(s.at, with, strlen(with)) == 0;
}

/* What stands behind "c000/"; empty for the nodes of other cases. */
static ek_span inside(const test *t, int64_t node)
{
    const ek_span name = t->r->file.name[node];
    const size_t n = strlen(t->name);

    if (!starts(name, t->name) || name.size < n + 1 || name.at[n] != '/') return (ek_span){ NULL, 0 };
    return (ek_span){ name.at + n + 1, name.size - n - 1 };
}

/* Nodes that only say what to feed and to expect. */
static bool is_expectation(ek_span name, ek_span type)
{
    static const char *const word[] = { "value", "expect", "dy", "grad", "error", "about" };

    for (int i = 0; i < EK_COUNT_OF(word) && type.size == 5 && memcmp(type.at, "Const", 5) == 0; i++)
        if (starts(name, word[i])) return true;
    return false;
}

/* Appends the GraphDef of the case; false, with the reason, where a definition is missing. */
static bool collect(test *t, ek_buf *out)
{
    const case_graph *file = &t->r->file;

    for (int64_t i = 0; i < file->n; i++) {
        const ek_span name = inside(t, i), type = case_graph_type(file, i);
        char text[128];
        if (name.size == 0 || is_expectation(name, type)) continue;
        snprintf(text, sizeof text, "%.*s", (int)type.size, (const char *)type.at);
        if (ek__registry_find(ek__ops_registry(), text) == NULL) {
            snprintf(t->why, sizeof t->why, "no definition of %s", text);
            return false;
        }
        ek__put_bytes(out, EK_F_GRAPH_NODE, file->node[i].at, file->node[i].size);
    }
    const size_t mark = ek__put_open(out, EK_F_GRAPH_VERSIONS);
    ek__put_int(out, EK_F_VERSIONS_PRODUCER, file->producer);
    ek__put_close(out, mark);
    return true;
}

/* ---- errors -------------------------------------------------------------------------------------------------- */

/* Length of a message without what says where: " for 'c000/op' (op: ..." or " for '{{node c000/op}} = ...", " [[{{node ...". */
static size_t core(const char *message)
{
    size_t n = strcspn(message, "\n");
    static const char *const tail[] = { " for '{{node", " for 'c", " [[{{node", "\t [[" };

    for (int i = 0; i < EK_COUNT_OF(tail); i++) {
        const char *at = strstr(message, tail[i]);
        if (at != NULL && (size_t)(at - message) < n) n = (size_t)(at - message);
    }
    return n;
}

/* A case that failed. `importing`: while the graph was imported. A mistake found at another time than TensorFlow finds it
 * has other words; its code must be right. */
static verdict judge_error(test *t, ek_status status, const ek_error *err, bool importing)
{
    char name[64];
    ek_array *held;
    snprintf(name, sizeof name, "%s/error", t->name);
    const char *want = case_graph_string(&t->r->file, &held, name);
    const char *message = strchr(want, '\t') != NULL ? strchr(want, '\t') + 1 : "";
    const bool same_time = (strcmp(cell(t, t->r->has_error), "import") == 0) == importing;
    const bool wording = strstr(cell(t, t->r->note), "wording") != NULL;
    verdict v = PASSED;

    if (want[0] == '\0') {
        const bool allowed = strcmp(cell(t, t->r->note), "equivalent") == 0 && (status == EK_UNIMPLEMENTED || status == EK_INVALID_ARGUMENT);
        v = allowed ? PASSED : fail(t, "expected values, got %s: %s", ek_status_name(status), err->text);
    } else if (strncmp(want, ek_status_name(status), strlen(ek_status_name(status))) != 0 || want[strlen(ek_status_name(status))] != '\t') {
        v = fail(t, "expected %s\n    got %s: %s", want, ek_status_name(status), err->text);
    } else if (same_time && !wording && (core(message) != core(err->text) || strncmp(message, err->text, core(message)) != 0)) {
        v = fail(t, "expected %s\n    got %s: %s", want, ek_status_name(status), err->text);
    }
    ek_array_unref(held);
    return v;
}

/* A case that did not fail: a fault where an error is expected. */
static verdict judge_no_error(test *t)
{
    char name[64];
    ek_array *held;
    snprintf(name, sizeof name, "%s/error", t->name);
    const char *want = case_graph_string(&t->r->file, &held, name);
    const verdict v = want[0] == '\0' ? PASSED : fail(t, "expected %s\n    got no error", want);

    ek_array_unref(held);
    return v;
}

/* ---- computing without a session --------------------------------------------------------------------------------- */

/* Values of all outputs of the nodes computed so far. */
typedef struct values {
    ek_array ***of; /* per node id; NULL: not computed */
} values;

static verdict eval_node(test *t, values *v, int32_t id, bool *failed);

static verdict eval_inputs(test *t, values *v, const ek_node *n, const ek_array **in, bool *failed)
{
    if (n->n_in > MOST_INPUTS) return SKIPPED;
    for (int32_t i = 0; i < n->n_in; i++) {
        const verdict done = eval_node(t, v, n->in[i].node, failed);
        if (done != PASSED || *failed) return done;
        in[i] = v->of[n->in[i].node][n->in[i].index];
        if (in[i] == NULL) return SKIPPED;
    }
    return PASSED;
}

/* *failed: the op refused; the verdict is then that on its error. */
static verdict eval_node(test *t, values *v, int32_t id, bool *failed)
{
    const ek_node *n = t->graph->node[id];
    const ek_array *in[MOST_INPUTS];
    ek_error err = { .code = EK_OK };
    verdict done;
    ek_status st;
    int feed;

    if (v->of[id] != NULL) return PASSED;
    v->of[id] = calloc((size_t)n->n_out + 1, sizeof **v->of);
    if (n->constant != NULL) {
        v->of[id][0] = ek_array_ref(n->constant);
        return PASSED;
    }
    if (sscanf(n->name, "%*[^/]/in%d", &feed) == 1 && strcmp(n->type, "Placeholder") == 0) {
        v->of[id][0] = value_of(t, "value", feed);
        return PASSED;
    }
    done = eval_inputs(t, v, n, in, failed);
    if (done != PASSED || *failed) return done;
    if (n->spec->def->kind == EK_KIND_ALIAS && n->n_in == 1) {
        v->of[id][0] = ek_array_ref((ek_array *)(uintptr_t)in[0]);
        return PASSED;
    }
    if (n->spec->def->kind != EK_KIND_PURE) {
        snprintf(t->why, sizeof t->why, "%s is not pure: it needs a session", n->type);
        return SKIPPED;
    }
    st = ek__def_eval(n->spec->def, n->attrs, n->n_in, in, n->n_out, n->out_dtype, v->of[id], &err);
    if (st == EK_OK) return PASSED;
    *failed = true;
    ek__fail_node(&err, n->name);
    return judge_error(t, st, &err, false);
}

static verdict run_eval(test *t, const ek_op *op)
{
    values v = { calloc((size_t)t->graph->n_nodes, sizeof *v.of) };
    bool failed = false;
    verdict done = eval_node(t, &v, op->id, &failed);

    if (done == PASSED && !failed) done = judge_no_error(t);
    for (int k = 0; k < t->graph->node[op->id]->n_out && done == PASSED && !failed; k++) {
        char why[900];
        ek_array *want = value_of(t, "expect", k);
        if (want != NULL && !case_close(v.of[op->id][k], want, &t->tolerance, why, sizeof why)) done = fail(t, "output %d: %s", k, why);
        ek_array_unref(want);
    }
    for (int64_t i = 0; i < t->graph->n_nodes; i++) {
        for (int k = 0; v.of[i] != NULL && k < t->graph->node[i]->n_out; k++) ek_array_unref(v.of[i][k]);
        free(v.of[i]);
    }
    free(v.of);
    return done;
}

/* ---- computing in a session ----------------------------------------------------------------------------------------- */

/* "c000/<what><k>:0" as a tensor; false: the case has none. */
static bool tensor_of(const test *t, const char *what, int k, int output, ek_tensor *out)
{
    char name[80];

    if (k >= 0) snprintf(name, sizeof name, "%s/%s%d:%d", t->name, what, k, output);
    else snprintf(name, sizeof name, "%s/%s:%d", t->name, what, output);
    return ek_graph_tensor_by_name(t->graph, name, out) == EK_OK;
}

/* What to feed, in order of the op's inputs; `value` holds the references. */
static int64_t feeds_of(const test *t, ek_feed *feed, ek_array **value)
{
    int64_t n = 0;
    ek_tensor in;

    for (int k = 0; k < MOST_INPUTS && tensor_of(t, "in", k, 0, &in); k++) {
        value[n] = value_of(t, "value", k);
        if (value[n] == NULL) continue;
        feed[n] = (ek_feed){ in, value[n] };
        n++;
    }
    return n;
}

/* Runs the op once and holds its outputs against Consts called <expect>0, 1, ... */
static verdict run_op(test *t, ek_session *s, ek_op op, const char *expect, bool *failed)
{
    ek_array *value[MOST_INPUTS] = { NULL }, *got[MOST_INPUTS] = { NULL }, *want[MOST_INPUTS] = { NULL };
    ek_feed feed[MOST_INPUTS];
    ek_fetch fetch[MOST_INPUTS];
    ek_error err = { .code = EK_OK };
    const int64_t n_feeds = feeds_of(t, feed, value);
    int64_t n_fetches = 0;
    verdict v = PASSED;
    char why[900];

    for (int k = 0; k < ek_op_output_count(op) && k < MOST_INPUTS; k++) {
        want[k] = value_of(t, expect, k);
        if (want[k] != NULL) fetch[n_fetches++] = (ek_fetch){ ek_op_output(op, k), &got[k] };
    }
    const ek_status st = ek_run(s, .target = { op }, .feeds = feed, .n_feeds = n_feeds, .fetches = fetch, .n_fetches = n_fetches, .error = &err);
    if (st != EK_OK) {
        *failed = true;
        v = judge_error(t, st, &err, false);
    }
    for (int k = 0; k < MOST_INPUTS; k++) {
        if (v == PASSED && !*failed && want[k] != NULL && !case_close(got[k], want[k], &t->tolerance, why, sizeof why))
            v = fail(t, "%s%d: %s", expect, k, why);
        ek_array_unref(value[k]);
        ek_array_unref(got[k]);
        ek_array_unref(want[k]);
    }
    return v;
}

/* The variables after the first or the second run. */
static verdict check_variables(test *t, ek_session *s, int runs)
{
    verdict v = PASSED;

    for (int k = 0; k < MOST_INPUTS && v == PASSED; k++) {
        ek_array *want = case_graph_value(&t->r->file, "%s/expect_var%d_%d", t->name, k, runs), *got = NULL;
        ek_error err = { .code = EK_OK };
        ek_tensor read;
        char why[900];
        if (want != NULL && !tensor_of(t, "read", k, 0, &read)) v = fail(t, "there is no node read%d", k);
        else if (want != NULL && ek_run(s, .fetch = { { read, &got } }, .error = &err) != EK_OK) v = fail(t, "read%d: %s", k, err.text);
        else if (want != NULL && !case_close(got, want, &t->tolerance, why, sizeof why)) v = fail(t, "expect_var%d_%d: %s", k, runs, why);
        ek_array_unref(want);
        ek_array_unref(got);
    }
    return v;
}

/* Stateful cases run twice, and those that say what a second run gives. */
static bool wants_second_run(const test *t)
{
    char name[80];
    bool wants;

    snprintf(name, sizeof name, "%s/var0", t->name);
    wants = case_graph_find(&t->r->file, name) >= 0;
    for (int k = 0; k < MOST_INPUTS && !wants; k++) {
        snprintf(name, sizeof name, "%s/expect_second%d", t->name, k);
        wants = case_graph_find(&t->r->file, name) >= 0;
    }
    return wants;
}

static verdict run_steps(test *t, ek_session *s, ek_op op)
{
    ek_error err = { .code = EK_OK };
    char name[80];
    ek_op init;
    bool failed = false;
    verdict v;

    snprintf(name, sizeof name, "%s/init", t->name);
    if (strstr(cell(t, t->r->note), "no-init") == NULL && ek_graph_op_by_name(t->graph, name, &init) == EK_OK &&
        ek_run(s, .target = { init }, .error = &err) != EK_OK)
        return fail(t, "init: %s", err.text);
    v = run_op(t, s, op, "expect", &failed);
    if (v != PASSED || failed) return v;
    v = check_variables(t, s, 1);
    if (v == PASSED && wants_second_run(t)) {
        v = run_op(t, s, op, "expect_second", &failed);
        if (v == PASSED && !failed) v = check_variables(t, s, 2);
    }
    return v == PASSED && !failed ? judge_no_error(t) : v;
}

static verdict run_session(test *t, ek_op op)
{
    ek_error err = { .code = EK_OK };
    ek_session *s = ek_session_create(t->graph, .threads = 1, .error = &err);
    const verdict v = s != NULL ? run_steps(t, s, op) : fail(t, "session: %s", err.text);

    ek_session_destroy(s);
    return v;
}

/* ---- gradients ----------------------------------------------------------------------------------------------------- */

/* What flows in, in the graph: outputs of the op with a dy, and that. Returns how many; -1: one cannot be built. */
static int gradients_in(const test *t, ek_op op, ek_item *y, ek_gradient *dy)
{
    int n = 0;

    for (int k = 0; k < ek_op_output_count(op) && k < MOST_INPUTS; k++) {
        ek_array *value = value_of(t, "dy", k);
        if (value == NULL) continue;
        y[n] = ek_item_of_tensor(ek_op_output(op, k));
        dy[n] = ek_gradient_of(ek_constant(t->graph, ek_value(value)));
        ek_array_unref(value);
        if (!ek_gradient_ok(dy[n++])) return -1;
    }
    return n;
}

/* A refusal where TensorFlow's own CPU has no kernel is no fault; a gradient that needs an op without a definition is skipped
 * like that op's own cases. */
static verdict no_gradient(test *t, const ek_error *err)
{
    if (err->code == EK_NOT_FOUND && strncmp(err->text, "Op type not registered", 22) == 0) {
        snprintf(t->why, sizeof t->why, "%s", err->text);
        return SKIPPED;
    }
    const bool allowed = strstr(cell(t, t->r->note), "equivalent") != NULL &&
                         (err->code == EK_UNIMPLEMENTED || err->code == EK_INVALID_ARGUMENT);

    return allowed ? PASSED : fail(t, "expected gradients, got %s: %s", ek_status_name(err->code), err->text);
}

/* TensorFlow 1.15 hands inputs that a training batch norm does not read the empty gradients that 2.15 replaces by None. */
static bool is_empty(ek_tensor dx)
{
    const ek_shape s = ek_tensor_shape(dx);

    return ek_shape_is_known(&s) && ek_shape_count(&s) == 0;
}

/* Holds gradients against grad0, grad1, ...: dense, and none where there is none. */
static verdict run_gradients(test *t, ek_session *s, const ek_feed *feed, int64_t n_feeds, const ek_tensor *dx, int n)
{
    ek_array *want[MOST_INPUTS] = { NULL }, *got[MOST_INPUTS] = { NULL };
    ek_fetch fetch[MOST_INPUTS];
    ek_error err = { .code = EK_OK };
    int64_t n_fetches = 0;
    verdict v = PASSED;
    char why[900];

    for (int k = 0; k < n && v == PASSED; k++) {
        want[k] = value_of(t, "grad", k);
        if (want[k] == NULL && ek_tensor_ok(dx[k]) && !is_empty(dx[k])) v = fail(t, "grad%d: expected none, got one", k);
        if (want[k] != NULL && !ek_tensor_ok(dx[k])) v = fail(t, "grad%d: expected one, got none", k);
        if (want[k] != NULL) fetch[n_fetches++] = (ek_fetch){ dx[k], &got[k] };
    }
    if (v == PASSED && ek_run(s, .feeds = feed, .n_feeds = n_feeds, .fetches = fetch, .n_fetches = n_fetches, .error = &err) != EK_OK) {
        v = no_gradient(t, &err);
        n = v == PASSED ? 0 : n;
    }
    for (int k = 0; k < n && v == PASSED; k++)
        if (want[k] != NULL && !case_close(got[k], want[k], &t->grad_tolerance, why, sizeof why)) v = fail(t, "grad%d: %s", k, why);
    for (int k = 0; k < MOST_INPUTS; k++) {
        ek_array_unref(want[k]);
        ek_array_unref(got[k]);
    }
    return v;
}

static verdict check_gradients(test *t, ek_op op)
{
    ek_item y[MOST_INPUTS], x[MOST_INPUTS];
    ek_gradient dy[MOST_INPUTS];
    ek_tensor dx[MOST_INPUTS], in;
    ek_array *value[MOST_INPUTS] = { NULL };
    ek_feed feed[MOST_INPUTS];
    ek_error err = { .code = EK_OK };
    const int n_y = gradients_in(t, op, y, dy);
    int n_x = 0;

    for (; n_x < MOST_INPUTS && tensor_of(t, "in", n_x, 0, &in); n_x++) x[n_x] = ek_item_of_tensor(in);
    if (n_y > 0) {
        const ek_gradient_list d = ek_gradients(((ek_list){ t->graph, y, n_y }), ((ek_list){ t->graph, x, n_x }), .grad_ys = dy);
        for (int k = 0; k < d.count; k++) dx[k] = ek_gradient_dense(d.at[k]);
    }
    if (ek_graph_status(t->graph, &err) != EK_OK) return no_gradient(t, &err);
    const int64_t n_feeds = feeds_of(t, feed, value);
    ek_session *s = ek_session_create(t->graph, .threads = 1, .error = &err);
    const verdict v = s != NULL ? run_gradients(t, s, feed, n_feeds, dx, n_y > 0 ? n_x : 0) : fail(t, "session: %s", err.text);
    ek_session_destroy(s);
    for (int k = 0; k < MOST_INPUTS; k++) ek_array_unref(value[k]);
    return v;
}

/* ---- the cases ------------------------------------------------------------------------------------------------------- */

static verdict run_case(test *t)
{
    ek_buf bytes = { .data = NULL };
    ek_error err = { .code = EK_OK };
    verdict v = SKIPPED;
    char name[64];
    ek_status st;
    ek_op op;

    if (collect(t, &bytes)) {
        st = ek_graph_load_bytes(bytes.data, bytes.size, &t->graph, &err);
        snprintf(name, sizeof name, "%s/op", t->name);
        if (st != EK_OK) v = judge_error(t, st, &err, true);
        else if (ek_graph_op_by_name(t->graph, name, &op) != EK_OK) v = fail(t, "there is no node %s", name);
        else v = t->r->eval ? run_eval(t, &op) : run_session(t, op);
        if (v == PASSED && !t->r->eval && strcmp(cell(t, t->r->has_grad), "yes") == 0) v = check_gradients(t, op);
    }
    ek_graph_destroy(t->graph);
    ek__buf_fini(&bytes);
    return v;
}

static bool open_file(runner *r, const char *op)
{
    char path[4096];

    if (strcmp(r->loaded, op) == 0) return true;
    case_graph_free(&r->file);
    snprintf(path, sizeof path, "%s/%s.pb", r->folder, op);
    snprintf(r->loaded, sizeof r->loaded, "%s", op);
    return case_graph_read(path, &r->file);
}

static void run_row(runner *r, int row)
{
    static const char *const word[N_VERDICTS] = { "passed ", "FAILED ", "skipped" };
    test t = { .r = r, .row = row, .op = case_table_at(&r->index, row, r->op), .name = case_table_at(&r->index, row, r->name) };
    verdict v = FAILED;

    t.tolerance.relative = strtod(case_table_at(&r->index, row, r->tolerance), NULL);
    t.tolerance.absolute = strtod(case_table_at(&r->index, row, r->atol), NULL);
    t.tolerance.by_tensor = strcmp(case_table_at(&r->index, row, r->scale), "tensor") == 0;
    t.grad_tolerance = (case_tolerance){ strtod(case_table_at(&r->index, row, r->grad_tolerance), NULL),
                                         strtod(case_table_at(&r->index, row, r->grad_atol), NULL), t.tolerance.by_tensor };
    if (open_file(r, t.op)) v = run_case(&t);
    r->count[v]++;
    if (v == FAILED || (v == SKIPPED && r->list) || r->list)
        printf("%s %s %s (%s)%s%s\n", word[v], t.op, t.name, case_table_at(&r->index, row, r->about), t.why[0] != '\0' ? "\n    " : "", t.why);
}

/* Whether the command line asks for this op: for every one where it names none. */
static bool wanted(const char *op, char **ops, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(ops[i], op) == 0) return true;
    return n == 0;
}

/* Rows of the same op stand together; what was skipped is told once per op. */
static void run_all(runner *r, char **ops, int n)
{
    int before = 0;

    for (int row = 0; row < r->index.rows - 1; row++) {
        const char *op = case_table_at(&r->index, row, r->op), *next = row + 2 < r->index.rows ? case_table_at(&r->index, row + 1, r->op) : "";
        if (wanted(op, ops, n)) run_row(r, row);
        if (strcmp(op, next) == 0) continue;
        if (r->count[SKIPPED] > before) printf("skipped %s: %d cases\n", op, r->count[SKIPPED] - before);
        before = r->count[SKIPPED];
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "eval", no_argument, NULL, 'e' }, { "list", no_argument, NULL, 'l' }, { NULL, 0, NULL, 0 } };
    runner r = { .folder = NULL };
    char path[4096];
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'e') r.eval = true;
        else if (c == 'l') r.list = true;
        else optind = argc;
    }
    if (optind >= argc) {
        fprintf(stderr, "usage: op_cases [--eval] [--list] FOLDER [OP ...]\n");
        return 2;
    }
    r.folder = argv[optind];
    snprintf(path, sizeof path, "%s/index.tsv", r.folder);
    if (!case_table_read(path, &r.index)) return 2;
    r.op = case_table_column(&r.index, "op");
    r.name = case_table_column(&r.index, "case");
    r.about = case_table_column(&r.index, "about");
    r.has_grad = case_table_column(&r.index, "has_grad");
    r.has_error = case_table_column(&r.index, "has_error");
    r.tolerance = case_table_column(&r.index, "tolerance");
    r.atol = case_table_column(&r.index, "atol");
    r.grad_tolerance = case_table_column(&r.index, "grad_tolerance");
    r.grad_atol = case_table_column(&r.index, "grad_atol");
    r.scale = case_table_column(&r.index, "scale");
    r.note = case_table_column(&r.index, "note");
    if (r.op < 0 || r.name < 0) {
        fprintf(stderr, "%s has no columns \"op\" and \"case\"\n", path);
        return 2;
    }
    run_all(&r, argv + optind + 1, argc - optind - 1);
    printf("%d passed, %d failed", r.count[PASSED], r.count[FAILED]);
    if (r.count[SKIPPED] > 0) printf(", %d skipped", r.count[SKIPPED]);
    printf("\n");
    case_graph_free(&r.file);
    case_table_free(&r.index);
    return r.count[FAILED] > 0;
}
