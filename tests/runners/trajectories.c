/* trajectories [--import | --command EVENKEEL] FOLDER [CASE ...] - trains the programs of a folder, written in C, and compares
 * where they arrive; with --import the graphs as TensorFlow exported them; with --command those by what `evenkeel train` does.
 *
 * The folder's README says what a case holds. Each is trained from its initial variables for as many steps as losses.npy has,
 * then evaluated; losses, variables and the evaluation are held to the folder's tolerances. A case that needs an op without a
 * definition is skipped, and the op named; so is one whose program is not among tests/support/trajectory_programs.c. */
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codec/fields.h"
#include "evenkeel/saver.h"
#include "formats/graph_io.h"
#include "support/folder.h"
#include "support/imported.h"
#include "support/trajectory_programs.h"

enum { MOST_INPUTS = 8, MOST_NAME = 400 };

typedef struct runner {
    const char *folder;
    bool import;
    const char *command; /* the program that trains; NULL: a session here */
    case_table tolerance, final_tolerance;
    int passed, failed, skipped;
} runner;

/* What is fed in a step: a batch of an array, or the training flag. */
typedef struct input {
    ek_tensor tensor;
    char name[MOST_NAME];
    ek_array *batches; /* one batch a row; NULL: the flag */
} input;

/* One case while it runs. */
typedef struct test {
    const runner *r;
    const char *name;
    ek_graph *graph;
    ek_session *session;
    input input[MOST_INPUTS];
    int n_inputs;
    ek_tensor loss, output;
    ek_op train, second; /* second: run after each step; dead where there is none */
    int off_every, off_at; /* the flag is off in steps k with k % off_every == off_at; 0: always on */
    int compared, differ, told;
    double worst; /* largest difference as a share of what is allowed */
} test;

static void complain(test *t, const char *fmt, ...) EK_PRINTF(2, 3);
static void complain(test *t, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    case_complain(&t->differ, fmt, args);
    va_end(args);
}

static const char *path_of(const test *t, const char *file)
{
    static char path[4096];

    snprintf(path, sizeof path, "%s/%s/%s", t->r->folder, t->name, file);
    return path;
}

/* NULL where it is missing or cannot be read. */
static ek_array *load(const test *t, const char *stem)
{
    char file[MOST_NAME + 8];
    ek_array *a = NULL;

    snprintf(file, sizeof file, "%s.npy", stem);
    return access(path_of(t, file), R_OK) == 0 && ek_npy_load(path_of(t, file), &a) == EK_OK ? a : NULL;
}

/* ---- comparing --------------------------------------------------------------------------------------------- */

/* The tolerance in a column of a case's row; 1e-5 where the table has none. */
static double tolerance_of(const test *t, const char *heading)
{
    const case_table *table = &t->r->tolerance;

    for (int row = 0; row < table->rows - 1; row++)
        if (strcmp(case_table_at(table, row, 0), t->name) == 0)
            return strtod(case_table_at(table, row, case_table_column(table, heading)), NULL);
    return 1e-5;
}

static void compare(test *t, const char *what, const ek_array *got, const ek_array *want, double absolute)
{
    char why[900];
    double most = 0;

    t->compared++;
    if (!case_close(got, want, &(case_tolerance){.absolute = absolute}, why, sizeof why))
        complain(t, "%s: %s", what, why);
    else
        for (int64_t i = 0; i < ek_array_count(want); i++)
            most = fmax(most, fabs(ek_array_get(got, i) - ek_array_get(want, i)));
    t->worst = fmax(t->worst, most / absolute);
}

/* How far a variable may be off; negative: it is not compared. */
static double final_tolerance_of(const test *t, const char *variable, const ek_array *want)
{
    const case_table *table = &t->r->final_tolerance;

    for (int row = 0; row < table->rows - 1; row++) {
        if (strcmp(case_table_at(table, row, 0), t->name) != 0 || strcmp(case_table_at(table, row, 1), variable) != 0)
            continue;
        const char *text = case_table_at(table, row, table->columns - 1);
        return strncmp(text, "not compared", 12) == 0 ? -1 : strtod(text, NULL);
    }
    return tolerance_of(t, "tol final") * fmax(case_largest(want), 0.1);
}

/* ---- what a MetaGraph tells ---------------------------------------------------------------------------------- */

/* The first tensor of a collection. */
static ek_tensor listed_tensor(test *t, const char *key)
{
    const ek_tensor tensor = ek_list_tensor(ek_get_collection(t->graph, key), 0);

    if (!ek_tensor_ok(tensor)) complain(t, "%s: no tensor", key);
    return tensor;
}

/* The first operation of a collection; dead: there is none. */
static ek_op listed_op(test *t, const char *key)
{
    const ek_list list = ek_get_collection(t->graph, key);

    return list.count > 0 && list.item[0].kind == EK_ITEM_OP ? list.item[0].u.op : (ek_op){ NULL, -1 };
}

/* Its batches are in a file of its name. */
static void add_input(test *t, ek_tensor tensor)
{
    input *in = &t->input[t->n_inputs++];

    in->tensor = tensor;
    snprintf(in->name, sizeof in->name, "%s", ek_op_name(ek_tensor_op(tensor)));
    in->batches = load(t, in->name);
    if (in->batches == NULL && ek_tensor_dtype(tensor) != EK_BOOL) complain(t, "no %s.npy to feed", in->name);
}

static void find_inputs(test *t)
{
    const ek_list list = ek_get_collection(t->graph, "golden_inputs");

    for (int64_t i = 0; i < MOST_INPUTS && i < list.count; i++) add_input(t, ek_list_tensor(list, i));
}

/* How the flag changes stands in the program alone: "training: step % 3 != 2". */
static void find_toggle(test *t)
{
    ek_source *s;
    ek_error quiet = { .code = EK_OK };

    if (ek__source_open(path_of(t, "program.py.txt"), &s, &quiet) != EK_OK) return;
    char *text = strndup((const char *)s->data, s->size), *at = strstr(text, "training: step %");
    if (at != NULL && sscanf(at, "training: step %% %d != %d", &t->off_every, &t->off_at) != 2)
        complain(t, "what is '%.40s'?", at);
    free(text);
    ek__source_unref(s);
}

/* False: it cannot be run, for a reason that was told. */
static bool build_case(test *t, const trajectory_program *p)
{
    trajectory built = { .dtype = EK_FLOAT32, .training = { NULL, -1, 0 } };
    ek_error err = { .code = EK_OK };

    t->second = (ek_op){ NULL, -1 };
    t->graph = ek_graph_create();
    p->build(t->graph, &built, p);
    if (ek_graph_status(t->graph, &err) != EK_OK) {
        complain(t, "%s:%d: %s", err.file, err.line, err.text);
        return false;
    }
    add_input(t, built.x);
    add_input(t, built.target);
    if (ek_tensor_ok(built.training)) add_input(t, built.training);
    find_toggle(t);
    t->loss = built.loss;
    t->output = built.output;
    t->train = built.train;
    return t->differ == 0;
}

static bool import_case(test *t)
{
    ek_error err = { .code = EK_OK };

    t->train = t->second = (ek_op){ NULL, -1 };
    if (ek_meta_graph_load(path_of(t, "meta.pb"), &t->graph, .error = &err) != EK_OK) {
        complain(t, "%s", err.text);
        return false;
    }
    find_inputs(t);
    find_toggle(t);
    t->loss = listed_tensor(t, "golden_loss");
    t->output = listed_tensor(t, "golden_output");
    t->train = listed_op(t, "golden_train_op");
    t->second = listed_op(t, "golden_second_op");
    if (!ek_op_ok(t->train)) complain(t, "golden_train_op: no operation");
    return t->differ == 0;
}

/* A type that the run needs and that is not defined; NULL: all are. */
static const char *missing_op(const test *t)
{
    const int32_t needed[] = { t->loss.op, t->output.op, t->train.id, t->second.id };
    const char *missing = NULL;

    for (int i = 0; i < EK_COUNT_OF(needed) && missing == NULL; i++) {
        case_needs n;
        if (needed[i] < 0) continue;
        case_reach(t->graph, needed[i], &n);
        missing = n.missing;
        free(n.node);
    }
    return missing;
}

/* ---- training -------------------------------------------------------------------------------------------------- */

static void set_variables(test *t)
{
    case_graph initial;
    char name[MOST_NAME], why[1000];

    if (!case_graph_read(path_of(t, "initial.pb"), &initial)) {
        complain(t, "initial.pb cannot be read");
        return;
    }
    for (int64_t i = 0; i < initial.n; i++) {
        snprintf(name, sizeof name, "%.*s", (int)initial.name[i].size, (const char *)initial.name[i].at);
        ek_array *value = case_graph_value(&initial, "%s", name);
        if (!case_set_variable(t->session, t->graph, name, value, why, sizeof why)) complain(t, "%s", why);
        ek_array_unref(value);
    }
    case_graph_free(&initial);
}

/* Batch `row` of an array of batches, copied. */
static ek_array *batch_of(const ek_array *batches, int64_t row)
{
    ek_shape shape = *ek_array_shape(batches);
    const size_t bytes = ek_array_bytes(batches) / (size_t)shape.dim[0];

    memmove(shape.dim, shape.dim + 1, (size_t)--shape.rank * sizeof *shape.dim);
    return ek_array_of(ek_array_dtype(batches), shape, (const char *)ek_array_cdata(batches) + (size_t)row * bytes);
}

/* The loss of a step; NaN where it failed. */
static double train_step(test *t, int64_t step)
{
    ek_error err = { .code = EK_OK };
    ek_feed feed[MOST_INPUTS];
    ek_array *value[MOST_INPUTS], *loss = NULL;
    double got = NAN;

    for (int i = 0; i < t->n_inputs; i++) {
        const ek_array *batches = t->input[i].batches;
        value[i] = batches != NULL ? batch_of(batches, step % ek_array_shape(batches)->dim[0])
                                   : ek_array_of(EK_BOOL, EK_SCALAR,
                                                 (bool[]){t->off_every == 0 || step % t->off_every != t->off_at});
        feed[i] = (ek_feed){ t->input[i].tensor, value[i] };
    }
    ek_status st = ek_run(t->session, .feeds = feed, .n_feeds = t->n_inputs, .fetch = {{t->loss, &loss}},
                          .target = {t->train}, .error = &err);
    if (st == EK_OK) got = ek_array_get(loss, 0);
    if (st == EK_OK && ek_op_ok(t->second))
        st = ek_run(t->session, .feeds = feed, .n_feeds = t->n_inputs, .target = { t->second }, .error = &err);
    if (st != EK_OK) complain(t, "step %lld: %s: %s", (long long)step + 1, ek_status_name(err.code), err.text);
    for (int i = 0; i < t->n_inputs; i++) ek_array_unref(value[i]);
    ek_array_unref(loss);
    return got;
}

static void compare_loss(test *t, const ek_array *losses, int64_t step, double got)
{
    const double want = ek_array_get(losses, step);
    const double allowed = tolerance_of(t, step < 10 ? "tol loss 1..10" : "tol loss 1..100") * fmax(fabs(want), 0.01);

    t->compared++;
    if (t->differ == 0 && !(fabs(got - want) <= allowed))
        complain(t, "the loss of step %lld: %.9g, expected %.9g within %.2g", (long long)step + 1, got, want, allowed);
    t->worst = fmax(t->worst, fabs(got - want) / allowed);
}

static void train(test *t)
{
    ek_array *losses = load(t, "losses");

    if (losses == NULL) complain(t, "losses.npy cannot be read");
    for (int64_t step = 0; losses != NULL && step < ek_array_count(losses) && t->differ == 0; step++)
        compare_loss(t, losses, step, train_step(t, step));
    ek_array_unref(losses);
}

/* What the session must say of the case's batch norms: a hundred steps of momentum 0.99 leave a third of the first value,
 * and batches of 6 and 4 are small. NULL: nothing. */
static const char *rule_of(const char *name)
{
    static const struct { const char *begins, *rule; } told[] = {
        { "convnet_", "BN007" }, { "mlp_relu_l2_", "BN007" }, { "renorm_", "BN013" }, { "virtual_batch_", "BN013" },
    };

    for (int i = 0; i < EK_COUNT_OF(told); i++)
        if (strncmp(name, told[i].begins, strlen(told[i].begins)) == 0) return told[i].rule;
    return NULL;
}

/* ---- the same by the command ------------------------------------------------------------------------------------- */

enum { MOST_ARGUMENTS = 2 * MOST_INPUTS + 20, MOST_TEXT = 4096 };

/* A command line; the strings are its own. */
typedef struct command_line {
    char *argument[MOST_ARGUMENTS + 1];
    int n;
} command_line;

static void add(command_line *l, const char *fmt, ...) EK_PRINTF(2, 3);
static void add(command_line *l, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    if (l->n < MOST_ARGUMENTS && vasprintf(&l->argument[l->n], fmt, args) >= 0) l->n++;
    va_end(args);
}

/* Runs it and forgets it; what it says to stderr goes to a file. False: its status was not 0. */
static bool run(command_line *l, const char *said)
{
    posix_spawn_file_actions_t files;
    int status = -1;
    pid_t child;

    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, said, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (posix_spawn(&child, l->argument[0], &files, NULL, l->argument, environ) != 0 ||
        waitpid(child, &status, 0) != child)
        status = -1;
    posix_spawn_file_actions_destroy(&files);
    for (int i = 0; i < l->n; i++) free(l->argument[i]);
    *l = (command_line){ .n = 0 };
    return status == 0;
}

/* What the flag is in the steps, as a series; false: it is always on. */
static bool save_flag(const test *t, const char *path)
{
    bool on[64];

    if (t->off_every <= 0 || t->off_every > EK_COUNT_OF(on)) return false;
    for (int k = 0; k < t->off_every; k++) on[k] = k != t->off_at;
    ek_array *flag = ek_array_of(EK_BOOL, EK_SHAPE(t->off_every), on);
    const bool ok = ek_npy_save(path, flag) == EK_OK;
    ek_array_unref(flag);
    return ok;
}

static void add_training(test *t, command_line *l, const char *room, int64_t steps)
{
    char flag[MOST_TEXT];

    add(l, "%s", t->r->command);
    add(l, "train");
    add(l, "%s", path_of(t, "meta.pb"));
    add(l, "--checkpoint=%s/initial", room);
    add(l, "--train-op=%s", ek_op_name(t->train));
    add(l, "--fetch=%s=%s/losses.npy", ek_op_name(ek_tensor_op(t->loss)), room);
    add(l, "--steps=%lld", (long long)steps);
    add(l, "--save=%s/final", room);
    snprintf(flag, sizeof flag, "%s/flag.npy", room);
    for (int i = 0; i < t->n_inputs; i++) {
        const input *in = &t->input[i];
        char file[MOST_NAME + 8];

        snprintf(file, sizeof file, "%s.npy", in->name);
        add(l, "--feed=%s=%s", in->name, in->batches != NULL ? path_of(t, file) : save_flag(t, flag) ? flag : "True");
    }
}

/* The rule that training itself breaks: averages that are too slow are noticed by who uses them. */
static void check_said(test *t, const char *path)
{
    const char *rule = rule_of(t->name);
    ek_error err = { .code = EK_OK };
    ek_source *said;
    int lines = 0;

    if (rule != NULL && strcmp(rule, "BN007") == 0) rule = NULL;
    if (ek__source_open(path, &said, &err) != EK_OK) {
        complain(t, "%s", err.text);
        return;
    }
    for (size_t i = 0; i < said->size; i++) lines += said->data[i] == '\n';
    if (lines != (rule != NULL) || (rule != NULL && memmem(said->data, said->size, rule, strlen(rule)) == NULL))
        complain(t, "the command said: %.*s", (int)said->size, (const char *)said->data);
    ek__source_unref(said);
}

/* Losses, compared; and the variables as the command left them, into the session. */
static void take_results(test *t, const ek_array *losses, const char *room)
{
    char path[MOST_TEXT];
    ek_error err = { .code = EK_OK };
    ek_array *got = NULL;

    snprintf(path, sizeof path, "%s/losses.npy", room);
    if (ek_npy_load(path, &got) != EK_OK || ek_array_count(got) != ek_array_count(losses))
        complain(t, "the command wrote no losses");
    for (int64_t step = 0; t->differ == 0 && step < ek_array_count(losses); step++)
        compare_loss(t, losses, step, ek_array_get(got, step));
    ek_array_unref(got);
    snprintf(path, sizeof path, "%s/final", room);
    if (t->differ == 0 && ek_saver_restore(ek_saver_of_graph(t->graph), t->session, path, &err) != EK_OK)
        complain(t, "what the command saved: %s", err.text);
}

static void train_by_command(test *t)
{
    ek_array *losses = load(t, "losses");
    char *room = test_folder_make(), said[MOST_TEXT];
    command_line l = { .n = 0 };

    snprintf(said, sizeof said, "%s/said", room);
    if (losses == NULL) complain(t, "losses.npy cannot be read");
    add(&l, "%s", t->r->command);
    add(&l, "convert");
    add(&l, "%s", path_of(t, "initial.pb"));
    add(&l, "%s/initial", room);
    if (!run(&l, said)) complain(t, "initial.pb was not converted");
    if (t->differ == 0) add_training(t, &l, room, ek_array_count(losses));
    if (t->differ == 0 && !run(&l, said)) complain(t, "the command failed");
    check_said(t, said);
    if (t->differ == 0) take_results(t, losses, room);
    test_folder_remove(room);
    ek_array_unref(losses);
}

/* ---- where it arrives --------------------------------------------------------------------------------------------- */

static void check_finals(test *t)
{
    case_graph finals;
    char name[MOST_NAME], why[1000];

    if (!case_graph_read(path_of(t, "final.pb"), &finals)) {
        complain(t, "final.pb cannot be read");
        return;
    }
    for (int64_t i = 0; i < finals.n; i++) {
        snprintf(name, sizeof name, "%.*s", (int)finals.name[i].size, (const char *)finals.name[i].at);
        ek_array *want = case_graph_value(&finals, "%s", name);
        ek_array *got = case_read_variable(t->session, t->graph, name, why, sizeof why);
        const double allowed = final_tolerance_of(t, name, want);
        if (got == NULL) complain(t, "%s", why);
        else if (allowed >= 0) compare(t, name, got, want, allowed);
        ek_array_unref(got);
        ek_array_unref(want);
    }
    case_graph_free(&finals);
}

static void check_evaluation(test *t)
{
    ek_error err = { .code = EK_OK };
    ek_array *x = load(t, "eval_x"), *want = load(t, "eval_output"),
             *off = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){false});
    ek_array *got = NULL;
    ek_feed feed[MOST_INPUTS];
    int n = 0;

    for (int i = 0; i < t->n_inputs; i++) {
        if (t->input[i].batches == NULL) feed[n++] = (ek_feed){ t->input[i].tensor, off };
        else if (strcmp(t->input[i].name, "x") == 0) feed[n++] = (ek_feed){ t->input[i].tensor, x };
    }
    if (x == NULL || want == NULL) complain(t, "eval_x.npy and eval_output.npy cannot be read");
    else if (ek_run(t->session, .feeds = feed, .n_feeds = n, .fetch = { { t->output, &got } }, .error = &err) != EK_OK)
        complain(t, "evaluation: %s: %s", ek_status_name(err.code), err.text);
    else compare(t, "the evaluation", got, want, tolerance_of(t, "tol eval") * case_largest(want));
    ek_array_unref(got);
    ek_array_unref(off);
    ek_array_unref(want);
    ek_array_unref(x);
}

/* ---- cases ------------------------------------------------------------------------------------------------------ */

static void hear(const ek_finding *f, void *arg)
{
    test *t = arg;
    const char *rule = rule_of(t->name);

    t->told++;
    if (rule == NULL || strcmp(f->rule, rule) != 0) complain(t, "a false alarm: %s: %s", f->rule, f->text);
}

static void run_open_case(test *t)
{
    ek_error err = { .code = EK_OK };

    t->session = ek_session_create(t->graph, .watch = EK_YES, .report = hear, .report_arg = t, .error = &err);
    if (t->session == NULL) {
        complain(t, "session: %s", err.text);
        return;
    }
    if (t->r->command != NULL) {
        train_by_command(t);
    } else {
        set_variables(t);
        if (t->differ == 0) train(t);
    }
    if (t->differ == 0) check_finals(t);
    if (t->differ == 0) check_evaluation(t);
    if (t->differ == 0 && t->r->command == NULL && t->told != (rule_of(t->name) != NULL))
        complain(t, "the session said %d things of its batch norms", t->told);
    ek_session_destroy(t->session);
}

static void run_case(runner *r, const char *name)
{
    test t = { .r = r, .name = name };
    const trajectory_program *p = r->import ? NULL : trajectory_program_find(name);
    const bool written = r->import || p != NULL, open = written && (p != NULL ? build_case(&t, p) : import_case(&t));
    const char *missing = open ? missing_op(&t) : NULL;

    if (!written) {
        r->skipped++;
        printf("skipped %s: there is no such program in C\n", name);
    } else if (missing != NULL) {
        r->skipped++;
        printf("skipped %s: no definition of %s\n", name, missing);
    } else {
        if (open) run_open_case(&t);
        r->failed += t.differ > 0;
        r->passed += t.differ == 0;
        printf("%s %s: %d values compared, the furthest at %.0f %% of its tolerance\n",
               t.differ > 0 ? "FAILED " : "passed ", name, t.compared, 100 * t.worst);
    }
    for (int i = 0; i < t.n_inputs; i++) ek_array_unref(t.input[i].batches);
    ek_graph_destroy(t.graph);
}

/* The cases are the rows of tolerances.tsv. */
static int run_all(runner *r, char **names, int n)
{
    for (int i = 0; i < n; i++) run_case(r, names[i]);
    for (int row = 0; n == 0 && row < r->tolerance.rows - 1; row++) run_case(r, case_table_at(&r->tolerance, row, 0));
    printf("%d passed, %d failed", r->passed, r->failed);
    if (r->skipped > 0) printf(", %d skipped", r->skipped);
    printf("\n");
    return r->failed > 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"import", no_argument, NULL, 'i'}, {"command", required_argument, NULL, 'c'}, {NULL, 0, NULL, 0}};
    runner r = { .folder = NULL };
    char path[4096];
    int c, result;

    bool usage = false;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        r.import = r.import || c == 'i' || c == 'c';
        if (c == 'c') r.command = optarg;
        usage = usage || c == '?';
    }
    if (usage || optind >= argc) {
        fprintf(stderr, "usage: trajectories [--import | --command EVENKEEL] FOLDER [CASE ...]\n");
        return 2;
    }
    r.folder = argv[optind++];
    snprintf(path, sizeof path, "%s/tolerances.tsv", r.folder);
    if (!case_table_read(path, &r.tolerance)) return 2;
    snprintf(path, sizeof path, "%s/final_tolerances.tsv", r.folder);
    result = case_table_read(path, &r.final_tolerance) ? run_all(&r, argv + optind, argc - optind) : 2;
    case_table_free(&r.tolerance);
    case_table_free(&r.final_tolerance);
    return result;
}
