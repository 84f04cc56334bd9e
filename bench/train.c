/* bench/train.c - whole training steps beside PyTorch and TensorFlow.
 *
 *     train [1|2] [MODEL ...]        one number of threads, or models, alone
 *
 * bench/train_peers.py has the models and the peers: each library in a process of its own per number of threads ($EK_TORCH_PYTHON,
 * $EK_TF_PYTHON, else python3), TensorFlow without its oneDNN and with it. What is not installed is left out. TensorFlow also makes
 * the graphs that are run here.
 *
 * Rounds alternate: ours, then each peer. Medians of rounds. The last line reads RESULT <model>_t<threads>_<peer>=..., the peer's
 * time over ours. Before it: the bytes of the block that a step of ours works in, and the peak of TensorFlow's allocator in a step.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "evenkeel/evenkeel.h"
#include "runtime/runtime.h"

enum { ROUNDS = 7, MODELS = 4, LIBRARIES = 5, MOST_WAYS = 2, NAME = 32 };

typedef struct model {
    const char *name;
    ek_shape batch;
    int steps;               /* a round */
    double goal[2];          /* against the best peer, by threads */
} model;

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

static void become_python(const library *l, const char *folder, int threads)
{
    const char *python = getenv(l->variable) != NULL ? getenv(l->variable) : "python3";
    char count[12];

    snprintf(count, sizeof count, "%d", threads);
    if (l->onednn != NULL) setenv("TF_ENABLE_ONEDNN_OPTS", l->onednn, 1);
    setenv("OMP_NUM_THREADS", count, 1);
    execlp(python, python, EK_BENCH_DIR "/train_peers.py", l->kind, count, folder, (char *)NULL);
    _exit(127);
}

/* Without the library it has no ways. */
static void library_start(library *l, const char *folder, int threads)
{
    char line[100] = "", *at = line;
    int in[2], out[2], used = 0;

    if (pipe(in) != 0) return;
    if (pipe(out) != 0) {
        close(in[0]);
        close(in[1]);
        return;
    }
    l->pid = fork();
    if (l->pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        for (int i = 0; i < 2; i++) {
            close(in[i]);
            close(out[i]);
        }
        become_python(l, folder, threads);
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

static double way_us(const library *l, int way, const model *m, int steps)
{
    char line[100];

    snprintf(line, sizeof line, "time %s %s %d\n", l->way[way], m->name, steps);
    return ask(l, line);
}

/* ---- ours ----------------------------------------------------------------------------------------------- */

typedef struct trainer {
    ek_graph *graph;
    ek_session *session;
    ek_callable *call;
    ek_array *x, *labels, *loss;
} trainer;

static ek_tensor tensor_of(const ek_graph *g, const char *name)
{
    ek_tensor t;

    EK_DIE(ek_graph_tensor_by_name(g, name, &t));
    return t;
}

static ek_op op_of(const ek_graph *g, const char *name)
{
    ek_op op;

    EK_DIE(ek_graph_op_by_name(g, name, &op));
    return op;
}

static ek_array *noise(ek_shape shape)
{
    ek_array *a = ek_array_of(EK_FLOAT32, shape, NULL);
    unsigned seed = 1;

    for (int64_t i = 0; i < ek_array_count(a); i++) {
        seed = seed * 1664525u + 1013904223u;
        ek_array_f32(a)[i] = (float)(seed >> 8) / (float)(1u << 22) - 2.0f;
    }
    return a;
}

static ek_array *labels_of(int64_t n)
{
    ek_array *a = ek_array_of(EK_INT64, EK_SHAPE(n), NULL);

    for (int64_t i = 0; i < n; i++) ((int64_t *)ek_array_data(a))[i] = i % 10;
    return a;
}

static double trainer_us(trainer *t, int steps)
{
    const double start = bench_us();

    for (int i = 0; i < steps; i++) EK_DIE(ek_callable_run(t->call, (const ek_array *[]){ t->x, t->labels }, &t->loss));
    return (bench_us() - start) / steps;
}

static void trainer_make(trainer *t, const model *m, const char *folder, int threads)
{
    char path[100];

    snprintf(path, sizeof path, "%s/%s.pb", folder, m->name);
    *t = (trainer){ .graph = NULL };
    EK_DIE(ek_graph_load(path, &t->graph, NULL));
    t->session = ek_session_create(t->graph, .threads = threads);
    EK_DIE(ek_run(t->session, .target = { op_of(t->graph, "init") }));
    t->x = noise(m->batch);
    t->labels = labels_of(m->batch.dim[0]);
    t->call = ek_callable_create(t->session, .feed = { { tensor_of(t->graph, "x:0"), NULL }, { tensor_of(t->graph, "labels:0"), NULL } },
                                 .fetch = { { tensor_of(t->graph, "loss:0"), NULL } }, .target = { op_of(t->graph, "train") });
    trainer_us(t, 5);
}

static void trainer_end(trainer *t)
{
    ek_callable_destroy(t->call);
    ek_array_unref(t->x);
    ek_array_unref(t->labels);
    ek_array_unref(t->loss);
    ek_session_destroy(t->session);
    ek_graph_destroy(t->graph);
}

/* Of the largest plan, which is the step's: values and scratch. */
static double planned_bytes(const trainer *t)
{
    double most = 0;

    for (int i = 0; i < EK_CACHE_SIZE; i++) {
        const ek_entry *e = atomic_load(&t->session->cache.entry[i]);

        if (e == NULL) continue;
        const double bytes = (double)(e->plan->block_bytes + e->plan->scratch_bytes);
        if (bytes > most) most = bytes;
    }
    return most;
}

/* ---- side by side ----------------------------------------------------------------------------------------- */

/* A line of the table in the making. */
typedef struct contest {
    const model *m;
    int threads;
    double ours[ROUNDS], theirs[LIBRARIES][MOST_WAYS][ROUNDS];
    char *result;            /* what the last line says of it is added here */
} contest;

static void run_rounds(contest *c, trainer *t, const library *libraries)
{
    for (int r = -1; r < ROUNDS; r++) { /* the first makes models and warms up */
        const double us = trainer_us(t, c->m->steps);

        if (r >= 0) c->ours[r] = us;
        for (int l = 0; l < LIBRARIES; l++)
            for (int w = 0; w < libraries[l].n_ways; w++) {
                const double them = way_us(&libraries[l], w, c->m, r < 0 ? 1 : c->m->steps);
                if (r >= 0) c->theirs[l][w][r] = them;
            }
    }
}

static void report(contest *c, const library *libraries)
{
    const double ours = bench_median(c->ours, ROUNDS);
    char best[3 * NAME] = "nobody";
    double least = 0;

    printf("%s, %d thread%s: ours %.1f us\n", c->m->name, c->threads, c->threads > 1 ? "s" : "", ours);
    for (int l = 0; l < LIBRARIES; l++)
        for (int w = 0; w < libraries[l].n_ways; w++) {
            const double them = bench_median(c->theirs[l][w], ROUNDS);
            char name[3 * NAME];

            snprintf(name, sizeof name, "%s_%s%s", libraries[l].name, libraries[l].way[w],
                     libraries[l].onednn != NULL && libraries[l].onednn[0] == '1' ? "_onednn" : "");
            printf("    %-20s %10.1f us, %.2f times ours\n", name, them, them / ours);
            c->result += sprintf(c->result, " %s_t%d_%s=%.2f", c->m->name, c->threads, name, them / ours);
            if (them <= 0 || (least > 0 && them >= least)) continue;
            least = them;
            memcpy(best, name, sizeof best);
        }
    printf("    the best is %s: %.2f times ours, the goal %.2f\n", best, least / ours, c->m->goal[c->threads - 1]);
    fflush(stdout);
}

static void compare(contest *c, const char *folder, const library *libraries)
{
    const library *const tf = &libraries[LIBRARIES - 1];
    char question[50];
    trainer t;

    trainer_make(&t, c->m, folder, c->threads);
    run_rounds(c, &t, libraries);
    report(c, libraries);
    snprintf(question, sizeof question, "peak %s\n", c->m->name);
    printf("    memory of a step: ours %.2f MB, TensorFlow's allocator at its peak %.2f MB\n", planned_bytes(&t) / 1e6,
           ask(tf, question) / 1e6);
    trainer_end(&t);
}

static int is_wanted(const char *name, int argc, char **argv, const char *others)
{
    int any = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0) return 1;
        any = any || (strspn(argv[i], "12") == strlen(argv[i])) == (strspn(others, "12") > 0);
    }
    return !any;
}

int main(int argc, char **argv)
{
    const model models[MODELS] = { { "mlp", EK_SHAPE(60, 784), 100, { 1.6, 2.5 } },
                                          { "mlp_adam", EK_SHAPE(60, 784), 100, { 1.6, 3 } },
                                          { "convnet", EK_SHAPE(128, 32, 32, 3), 5, { 1.25, 1.5 } },
                                          { "resnet20", EK_SHAPE(32, 32, 32, 3), 3, { 1.15, 1.3 } } };
    static contest c;
    char folder[] = "/tmp/ek_train_XXXXXX", path[100], result[8192] = "", *end = result;

    signal(SIGPIPE, SIG_IGN);
    if (mkdtemp(folder) == NULL) return perror(folder), 1;
    for (int threads = 1; threads <= 2; threads++) {
        library libraries[LIBRARIES] = { { .name = "torch", .kind = "torch", .variable = "EK_TORCH_PYTHON" },
                                         { .name = "tf", .kind = "keras", .variable = "EK_TF_PYTHON", .onednn = "0" },
                                         { .name = "tf", .kind = "keras", .variable = "EK_TF_PYTHON", .onednn = "1" },
                                         { .name = "tf", .kind = "tf", .variable = "EK_TF_PYTHON", .onednn = "1" },
                                         { .name = "tf", .kind = "tf", .variable = "EK_TF_PYTHON", .onednn = "0" } };
        const char count[] = { (char)('0' + threads), '\0' };

        if (!is_wanted(count, argc, argv, "1")) continue;
        for (int l = 0; l < LIBRARIES; l++) library_start(&libraries[l], folder, threads);
        if (libraries[LIBRARIES - 1].n_ways == 0) printf("no TensorFlow: there are no graphs (set EK_TF_PYTHON)\n");
        for (int i = 0; i < MODELS && libraries[LIBRARIES - 1].n_ways > 0; i++) {
            if (!is_wanted(models[i].name, argc, argv, models[i].name)) continue;
            c = (contest){ .m = &models[i], .threads = threads, .result = end };
            compare(&c, folder, libraries);
            end = c.result;
        }
        for (int l = 0; l < LIBRARIES; l++) library_end(&libraries[l]);
    }
    for (int i = 0; i < MODELS; i++) {
        snprintf(path, sizeof path, "%s/%s.pb", folder, models[i].name);
        remove(path);
    }
    rmdir(folder);
    printf("RESULT%s\n", result);
    return 0;
}
