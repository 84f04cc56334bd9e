/* bench/train.c - whole training steps beside PyTorch and TensorFlow.
 *
 *     train [1|2] [MODEL ...]        one number of threads, or models, alone
 *
 * Ours are the networks of bench/models.h, built and trained through the library's own calls; bench/train_peers.py has the same
 * networks for the peers: each library in a process of its own per number of threads ($EK_TORCH_PYTHON, $EK_TF_PYTHON, else
 * python3), TensorFlow without its oneDNN and with it. What is not installed is left out.
 *
 * Rounds alternate: ours, then each peer. Medians of rounds. The last line reads RESULT <model>_t<threads>_<peer>=..., the peer's
 * time over ours. Before it: the bytes of the block that a step of ours works in, scratch included, and the peak of TensorFlow's
 * allocator in a step, without its oneDNN and with it.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "models.h"
#include "runtime/runtime.h"

enum { ROUNDS = 7, LIBRARIES = 5, MOST_WAYS = 2, NAME = 32 };

/* By model. */
static const int steps_of_a_round[BENCH_MODELS] = { 100, 100, 5, 3 };
static const double goal[BENCH_MODELS][2] = { { 1.6, 2.5 }, { 1.6, 3 }, { 1.25, 1.5 }, { 1.15, 1.3 } }; /* against the best peer */

/* One process. */
typedef struct library {
    const char *name, *kind, *variable, *onednn;
    pid_t pid;
    FILE *to, *from;
    int n_ways;
    char way[MOST_WAYS][NAME];
} library;

/* ---- peers -------------------------------------------------------------------------------------------- */

static void library_end(library *l)
{
    if (l->to != NULL) fclose(l->to);
    if (l->from != NULL) fclose(l->from);
    if (l->pid > 0) waitpid(l->pid, NULL, 0);
    l->pid = 0;
    l->to = l->from = NULL;
    l->n_ways = 0;
}

static void become_python(const library *l, int threads)
{
    const char *python = getenv(l->variable) != NULL ? getenv(l->variable) : "python3";
    char count[12];

    snprintf(count, sizeof count, "%d", threads);
    if (l->onednn != NULL) setenv("TF_ENABLE_ONEDNN_OPTS", l->onednn, 1);
    setenv("OMP_NUM_THREADS", count, 1);
    execlp(python, python, EK_BENCH_DIR "/train_peers.py", l->kind, count, (char *)NULL);
    _exit(127);
}

/* Without the library it has no ways. */
static void library_start(library *l, int threads)
{
    char line[100] = "", *at = line;
    int in[2], out[2], used = 0;

    /* closed in later children, or this one would never see its input end */
    if (pipe2(in, O_CLOEXEC) != 0) return;
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]);
        close(in[1]);
        return;
    }
    l->pid = fork();
    if (l->pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        become_python(l, threads);
    }
    close(in[0]);
    close(out[1]);
    l->to = fdopen(in[1], "w");
    l->from = fdopen(out[0], "r");
    if (l->pid < 0 || fgets(line, sizeof line, l->from) == NULL || strncmp(line, "ready", 5) != 0) {
        library_end(l);
        return;
    }
    at += 5;
    while (l->n_ways < MOST_WAYS && sscanf(at, "%31s%n", l->way[l->n_ways], &used) == 1) {
        at += used;
        l->n_ways++;
    }
}

/* One line there, one number back; 0 where there is none. */
static double ask(const library *l, const char *question)
{
    char line[100] = "";

    fputs(question, l->to);
    fflush(l->to);
    return fgets(line, sizeof line, l->from) != NULL ? atof(line) : 0;
}

static double way_us(const library *l, int way, const char *model, int steps)
{
    char line[100];

    snprintf(line, sizeof line, "time %s %s %d\n", l->way[way], model, steps);
    return ask(l, line);
}

/* 0: it is not there. */
static double peak_mb(const library *tf, const char *model)
{
    char line[100];

    snprintf(line, sizeof line, "peak %s\n", model);
    return tf->n_ways > 0 ? ask(tf, line) / 1e6 : 0;
}

/* ---- ours ----------------------------------------------------------------------------------------------- */

typedef struct trainer {
    bench_net net;
    ek_session *session;
    ek_callable *call;
    ek_array *x, *labels, *loss;
} trainer;

static double trainer_us(trainer *t, int steps)
{
    const double start = bench_us();

    for (int i = 0; i < steps; i++) EK_DIE(ek_callable_run(t->call, (const ek_array *[]){ t->x, t->labels }, &t->loss));
    return (bench_us() - start) / steps;
}

static void trainer_make(trainer *t, const bench_model *m, int threads)
{
    *t = (trainer){ .net = bench_net_make(m), .x = bench_images(m, m->batch), .labels = bench_labels(m->batch) };
    t->session = ek_session_create(t->net.graph, .threads = threads);
    EK_DIE(ek_run(t->session, .target = { t->net.init }));
    t->call = ek_callable_create(t->session, .feed = { { t->net.x, NULL }, { t->net.labels, NULL } },
                                 .fetch = { { t->net.loss, NULL } }, .target = { t->net.train });
    trainer_us(t, 5);
}

static void trainer_end(trainer *t)
{
    ek_callable_destroy(t->call);
    ek_array_unref(t->x);
    ek_array_unref(t->labels);
    ek_array_unref(t->loss);
    ek_session_destroy(t->session);
    ek_graph_destroy(t->net.graph);
}

/* Of the step's plan: values and scratch. */
static double planned_bytes(const trainer *t)
{
    double most = 0;

    for (int i = 0; i < EK_CACHE_SIZE; i++) {
        const ek_entry *e = atomic_load(&t->session->cache.entry[i]);

        if (e == NULL || e->n_fetches == 0) continue; /* the initializer's */
        const double bytes = (double)(e->plan->block_bytes + e->plan->scratch_bytes);
        if (bytes > most) most = bytes;
    }
    return most;
}

/* ---- side by side ----------------------------------------------------------------------------------------- */

/* A line of the table in the making. */
typedef struct contest {
    int model, threads;
    double ours[ROUNDS], theirs[LIBRARIES][MOST_WAYS][ROUNDS];
    char *result;            /* what the last line says of it is added here */
} contest;

/* The first round makes models and warms up. */
static void run_rounds(contest *c, trainer *t, const library *libraries)
{
    const int steps = steps_of_a_round[c->model];

    for (int r = -1; r < ROUNDS; r++) {
        const double us = trainer_us(t, steps);

        if (r >= 0) c->ours[r] = us;
        for (int l = 0; l < LIBRARIES; l++)
            for (int w = 0; w < libraries[l].n_ways; w++) {
                const double them = way_us(&libraries[l], w, bench_models[c->model].name, r < 0 ? 1 : steps);
                if (r >= 0) c->theirs[l][w][r] = them;
            }
    }
}

static void report(contest *c, const library *libraries)
{
    const char *const model = bench_models[c->model].name;
    const double ours = bench_median(c->ours, ROUNDS);
    char best[3 * NAME] = "nobody";
    double least = 0;

    printf("%s, %d thread%s: ours %.1f us\n", model, c->threads, c->threads > 1 ? "s" : "", ours);
    for (int l = 0; l < LIBRARIES; l++)
        for (int w = 0; w < libraries[l].n_ways; w++) {
            const double them = bench_median(c->theirs[l][w], ROUNDS);
            char name[3 * NAME];

            snprintf(name, sizeof name, "%s_%s%s", libraries[l].name, libraries[l].way[w],
                     libraries[l].onednn != NULL && libraries[l].onednn[0] == '1' ? "_onednn" : "");
            printf("    %-20s %10.1f us, %.2f times ours\n", name, them, them / ours);
            c->result += sprintf(c->result, " %s_t%d_%s=%.2f", model, c->threads, name, them / ours);
            if (them <= 0 || (least > 0 && them >= least)) continue;
            least = them;
            memcpy(best, name, sizeof best);
        }
    if (least > 0) printf("    the best is %s: %.2f times ours, the goal %.2f\n", best, least / ours, goal[c->model][c->threads - 1]);
}

static void compare(contest *c, const library *libraries)
{
    const char *const model = bench_models[c->model].name;
    trainer t;

    trainer_make(&t, &bench_models[c->model], c->threads);
    run_rounds(c, &t, libraries);
    report(c, libraries);
    printf("    memory of a step: ours %.2f MB, TensorFlow's allocator at its peak %.2f MB, %.2f MB with its oneDNN\n",
           planned_bytes(&t) / 1e6, peak_mb(&libraries[LIBRARIES - 1], model), peak_mb(&libraries[LIBRARIES - 2], model));
    fflush(stdout);
    trainer_end(&t);
}

/* Whether the arguments name it, or none of its kind: numbers of threads and models are the two kinds. */
static int is_wanted(const char *name, int argc, char **argv)
{
    const int number = name[1] == '\0';
    int any = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0) return 1;
        any = any || (argv[i][0] != '\0' && (argv[i][1] == '\0') == number);
    }
    return !any;
}

/* All models with so many threads; returns where the last line goes on. */
static char *contests(int threads, int argc, char **argv, char *result)
{
    static contest c;
    library libraries[LIBRARIES] = { { .name = "torch", .kind = "torch", .variable = "EK_TORCH_PYTHON" },
                                     { .name = "tf", .kind = "keras", .variable = "EK_TF_PYTHON", .onednn = "0" },
                                     { .name = "tf", .kind = "keras", .variable = "EK_TF_PYTHON", .onednn = "1" },
                                     { .name = "tf", .kind = "tf", .variable = "EK_TF_PYTHON", .onednn = "1" },
                                     { .name = "tf", .kind = "tf", .variable = "EK_TF_PYTHON", .onednn = "0" } };

    for (int l = 0; l < LIBRARIES; l++) {
        library_start(&libraries[l], threads);
        if (libraries[l].n_ways == 0) printf("%s: not here ($%s)\n", libraries[l].kind, libraries[l].variable);
    }
    for (int i = 0; i < BENCH_MODELS; i++) {
        if (!is_wanted(bench_models[i].name, argc, argv)) continue;
        c = (contest){ .model = i, .threads = threads, .result = result };
        compare(&c, libraries);
        result = c.result;
    }
    for (int l = 0; l < LIBRARIES; l++) library_end(&libraries[l]);
    return result;
}

int main(int argc, char **argv)
{
    char result[8192] = "", *end = result;

    signal(SIGPIPE, SIG_IGN);
    for (int threads = 1; threads <= 2; threads++) {
        const char count[] = { (char)('0' + threads), '\0' };
        if (is_wanted(count, argc, argv)) end = contests(threads, argc, argv, end);
    }
    printf("RESULT%s\n", result);
    return 0;
}
