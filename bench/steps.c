/* bench/steps.c - whole training steps beside TensorFlow's callable on the same graph.
 *
 * The networks: 784-100-100-100-10 with batch norm and sigmoid, batch 60; three convolutions (16, 32, 64 filters) with batch norm
 * and ReLU over 32x32x3, batch 128; gradient descent. A script beside this file makes the graphs with TensorFlow and times it, in a
 * process per number of threads ($EK_TF_PYTHON, else python3); without TensorFlow there is no graph, and the program says so.
 *
 * Rounds alternate: ours fused, ours node by node, TensorFlow. The last line reads RESULT mlp_t1=... mlp_t2=... convnet_t1=...
 * convnet_t2=...: TensorFlow's median over ours, fused.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "evenkeel/evenkeel.h"

enum { ROUNDS = 9 };

typedef struct network {
    const char *name;
    ek_shape batch;
    int steps; /* a round */
} network;

/* TensorFlow in a process of its own. */
typedef struct peer {
    pid_t pid;
    FILE *to, *from;
} peer;

/* ---- TensorFlow ------------------------------------------------------------------------------------- */

static void peer_end(peer *p)
{
    if (p->to != NULL) fclose(p->to);
    if (p->from != NULL) fclose(p->from);
    if (p->pid > 0) waitpid(p->pid, NULL, 0);
    *p = (peer){ .pid = 0 };
}

/* False where there is no TensorFlow. */
static int peer_start(peer *p, const char *folder, int threads)
{
    const char *python = getenv("EK_TF_PYTHON") != NULL ? getenv("EK_TF_PYTHON") : "python3";
    char count[12], line[100] = "";
    int in[2], out[2];

    if (pipe(in) != 0) return 0;
    if (pipe(out) != 0) return close(in[0]), close(in[1]), 0;
    snprintf(count, sizeof count, "%d", threads);
    p->pid = fork();
    if (p->pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(in[1]);
        close(out[0]);
        execlp(python, python, EK_BENCH_DIR "/steps_tf.py", folder, count, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    p->to = fdopen(in[1], "w");
    p->from = fdopen(out[0], "r");
    if (p->pid > 0 && fgets(line, sizeof line, p->from) != NULL && strcmp(line, "ready\n") == 0) return 1;
    peer_end(p);
    return 0;
}

/* Microseconds a step of one round. */
static double peer_us(peer *p, const network *net)
{
    char line[100] = "";

    fprintf(p->to, "%s %d\n", net->name, net->steps);
    fflush(p->to);
    return fgets(line, sizeof line, p->from) != NULL ? atof(line) : 0;
}

/* ---- ours --------------------------------------------------------------------------------------------- */

typedef struct trainer {
    ek_session *session;
    ek_callable *call;
    ek_array *x, *labels, *yes, *loss;
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

/* False, with a line, where the graph cannot be run. */
static int trainer_make(trainer *t, ek_graph *g, const network *net, int threads, ek_tristate fuse)
{
    *t = (trainer){ .session = ek_session_create(g, .threads = threads, .fuse = fuse) };
    EK_DIE(ek_run(t->session, .target = { op_of(g, "init") }));
    t->x = noise(net->batch);
    t->labels = labels_of(net->batch.dim[0]);
    t->yes = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ true });
    t->call = ek_callable_create(t->session,
                                 .feed = { { tensor_of(g, "x:0"), NULL }, { tensor_of(g, "labels:0"), NULL }, { tensor_of(g, "training:0"), NULL } },
                                 .fetch = { { tensor_of(g, "loss:0"), NULL } }, .target = { op_of(g, "train") });
    for (int i = 0; i < 5; i++) {
        if (ek_callable_run(t->call, (const ek_array *[]){ t->x, t->labels, t->yes }, &t->loss) == EK_OK) continue;
        printf("%s: %s\n", net->name, ek_last_error()->text);
        return 0;
    }
    return 1;
}

static double trainer_us(trainer *t, int steps)
{
    const double start = bench_us();

    for (int i = 0; i < steps; i++) EK_DIE(ek_callable_run(t->call, (const ek_array *[]){ t->x, t->labels, t->yes }, &t->loss));
    return (bench_us() - start) / steps;
}

static void trainer_end(trainer *t)
{
    ek_callable_destroy(t->call);
    ek_array_unref(t->x);
    ek_array_unref(t->labels);
    ek_array_unref(t->yes);
    ek_array_unref(t->loss);
    ek_session_destroy(t->session);
}

/* TensorFlow's time over ours; 0 where it could not be had. */
static double measure(const network *net, ek_graph *g, int threads, peer *tf)
{
    trainer fused, plain;
    double f[ROUNDS], n[ROUNDS], p[ROUNDS], ratio = 0;
    const int both = trainer_make(&fused, g, net, threads, EK_YES) & trainer_make(&plain, g, net, threads, EK_NO);

    if (both) {
        for (int r = 0; r < ROUNDS; r++) {
            f[r] = trainer_us(&fused, net->steps);
            n[r] = trainer_us(&plain, net->steps);
            p[r] = peer_us(tf, net);
        }
        const double ours = bench_median(f, ROUNDS), nodes = bench_median(n, ROUNDS), theirs = bench_median(p, ROUNDS);
        ratio = theirs / ours;
        printf("%-8s %d thread%s: fused %9.1f us, node by node %9.1f (%.2f times), TensorFlow %9.1f (%.2f times)\n", net->name, threads,
               threads > 1 ? "s" : " ", ours, nodes, nodes / ours, theirs, ratio);
    }
    trainer_end(&fused);
    trainer_end(&plain);
    return ratio;
}

int main(void)
{
    const network nets[] = { { "mlp", EK_SHAPE(60, 784), 150 }, { "convnet", EK_SHAPE(128, 32, 32, 3), 3 } };
    char folder[] = "/tmp/ek_steps_XXXXXX", path[2][64];
    double ratio[2][2] = { { 0 } };

    signal(SIGPIPE, SIG_IGN);
    if (mkdtemp(folder) == NULL) return perror(folder), 1;
    for (int i = 0; i < 2; i++) snprintf(path[i], sizeof path[i], "%s/%s.pb", folder, nets[i].name);
    for (int threads = 1; threads <= 2; threads++) {
        peer tf;
        if (!peer_start(&tf, folder, threads)) {
            printf("no TensorFlow: neither graphs nor anything to compare with (set EK_TF_PYTHON)\n");
            break;
        }
        for (int i = 0; i < 2; i++) {
            ek_graph *g = NULL;
            EK_DIE(ek_graph_load(path[i], &g, NULL));
            ratio[i][threads - 1] = measure(&nets[i], g, threads, &tf);
            ek_graph_destroy(g);
        }
        peer_end(&tf);
    }
    for (int i = 0; i < 2; i++) remove(path[i]);
    rmdir(folder);
    printf("RESULT mlp_t1=%.2f mlp_t2=%.2f convnet_t1=%.2f convnet_t2=%.2f\n", ratio[0][0], ratio[0][1], ratio[1][0], ratio[1][1]);
    return 0;
}
