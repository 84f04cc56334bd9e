/* bench/overhead.c - what a run costs beyond its arithmetic, beside TensorFlow's ways in.
 *
 * A chain of 1,000 tiny additions (fusion off and on), planning at three sizes, and a training step of the article's
 * layer, node by node as TensorFlow's graph has it: feeds, fetch and updates included. TensorFlow's own times come from
 * a script beside this file, run where a Python with tensorflow is found ($EK_TF_PYTHON, else python3).
 *
 * The last line reads RESULT session_run_us=... callable_us=... node_us=... plan_us=... (plan_us per node, the largest
 * of the three sizes).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "evenkeel/evenkeel.h"

enum { CHAIN = 1000, ROUNDS = 7 };

/* ---- graphs -------------------------------------------------------------------------------- */

static ek_tensor op_of(ek_graph *g, const char *type, const char *name, const ek_tensor *in, int n)
{
    return ek_op_output(ek_op_build(g, type, .name = name, .inputs = in, .n_inputs = n), 0);
}

static ek_tensor constant(ek_graph *g, const char *name, float value)
{
    ek_array *a = ek_array_of(EK_FLOAT32, EK_SCALAR, &value);
    const ek_attribute attr[] = { { .name = "dtype", .kind = EK_A_TYPE, .u.type = EK_FLOAT32 },
                                  { .name = "value", .kind = EK_A_TENSOR, .u.tensor = a } };
    const ek_tensor t = ek_op_output(ek_op_build(g, "Const", .name = name, .attributes = attr, .n_attributes = 2), 0);

    ek_array_unref(a);
    return t;
}

static ek_tensor placeholder(ek_graph *g, const char *name, ek_shape shape)
{
    const ek_attribute attr[] = { { .name = "dtype", .kind = EK_A_TYPE, .u.type = EK_FLOAT32 },
                                  { .name = "shape", .kind = EK_A_SHAPE, .u.shape = &shape } };

    return ek_op_output(ek_op_build(g, "Placeholder", .name = name, .attributes = attr, .n_attributes = 2), 0);
}

/* x + c + c ..., each addition and each constant a node. */
static ek_tensor chain(ek_graph *g, ek_tensor x, int additions)
{
    const ek_tensor one = constant(g, "one", 1.0f);

    for (int i = 0; i < additions; i++) {
        const ek_tensor in[] = { x, one };

        x = op_of(g, "AddV2", "add", in, 2);
    }
    return x;
}

/* ---- measurements ------------------------------------------------------------------------------- */

/* Microseconds a node of a run of the chain. */
static double chain_us(bool fused)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor x = placeholder(g, "x", EK_SHAPE(1)), y = chain(g, x, CHAIN);
    ek_session *s = ek_session_create(g, .threads = 1, .fuse = fused ? EK_YES : EK_NO);
    ek_array *in = ek_array_of(EK_FLOAT32, EK_SHAPE(1), (float[]){ 1 }), *out = NULL;
    double round[ROUNDS];

    EK_DIE(ek_graph_status(g, NULL));
    for (int r = 0; r < ROUNDS; r++) {
        const int runs = 2000;
        const double start = bench_us();

        for (int i = 0; i < runs; i++) EK_DIE(ek_run(s, .feed = { { x, in } }, .fetch = { { y, &out } }));
        round[r] = (bench_us() - start) / runs / CHAIN;
    }
    ek_array_unref(in);
    ek_array_unref(out);
    ek_session_destroy(s);
    ek_graph_destroy(g);
    return bench_median(round, ROUNDS);
}

/* Microseconds a node of the first run of a chain: checks, planning, one run. */
static double plan_us(int additions)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor x = placeholder(g, "x", EK_SHAPE(-1)), y = chain(g, x, additions);
    const int rounds = additions >= 10000 ? ROUNDS : 5 * ROUNDS;
    double round[5 * ROUNDS];

    EK_DIE(ek_graph_status(g, NULL));
    for (int r = 0; r < rounds; r++) {
        ek_session *s = ek_session_create(g, .threads = 1);
        ek_array *in = ek_array_of(EK_FLOAT32, EK_SHAPE(1), (float[]){ 1 }), *out = NULL;
        const double start = bench_us();

        EK_DIE(ek_run(s, .feed = { { x, in } }, .fetch = { { y, &out } }));
        round[r] = (bench_us() - start) / additions;
        ek_array_unref(in);
        ek_array_unref(out);
        ek_session_destroy(s);
    }
    ek_graph_destroy(g);
    return bench_median(round, rounds);
}

/* Microseconds a node of building: us[0] of the first ten thousand additions of a graph, us[1] of the third. */
static void build_us(double us[2])
{
    double round[2][ROUNDS];

    for (int r = 0; r < ROUNDS; r++) {
        ek_graph *g = ek_graph_create();
        ek_tensor sum = placeholder(g, "x", EK_SHAPE(-1));
        for (int k = 0; k < 3; k++) {
            const double start = bench_us();
            sum = chain(g, sum, 10000);
            round[k / 2][r] = (bench_us() - start) / 10000;
        }
        EK_DIE(ek_graph_status(g, NULL));
        ek_graph_destroy(g);
    }
    us[0] = bench_median(round[0], ROUNDS);
    us[1] = bench_median(round[1], ROUNDS);
}

/* ---- the article's step --------------------------------------------------------------------------- */

typedef struct article {
    ek_graph *g;
    ek_tensor x, flag, y;
    ek_op init;
} article;

/* Its eighth step: dynamic training, the updates run by themselves. */
static article build_article(void)
{
    article a = { .g = ek_graph_create() };

    a.x = ek_placeholder(a.g, EK_FLOAT32, .shape = EK_SHAPE(-1, 1), .name = "x");
    a.flag = ek_placeholder_with_default(a.g, ek_bool(false), .name = "is_training");
    a.y = ek_batch_normalization(a.x, .training = a.flag);
    ek_with_control_dependencies(a.g, ek_get_collection(a.g, EK_UPDATE_OPS)) a.y = ek_identity(a.y, .name = "y");
    a.init = ek_global_variables_initializer(a.g);
    EK_DIE(ek_graph_status(a.g, NULL));
    return a;
}

/* Microseconds of a training step through ek_run and through a callable, node by node and fused. */
static void article_us(const article *a, ek_tristate fuse, double *run_us, double *callable_us)
{
    enum { RUNS = 20000 };
    ek_session *s = ek_session_create(a->g, .threads = 1, .fuse = fuse);
    ek_array *x = ek_array_of(EK_FLOAT32, EK_SHAPE(3, 1), (float[]){ -10, 0, 10 }), *out = NULL;
    ek_array *yes = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ true });
    ek_callable *c = ek_callable_create(s, .feed = { { a->x, NULL }, { a->flag, NULL } }, .fetch = { { a->y, NULL } });
    double run[ROUNDS], call[ROUNDS];

    EK_DIE(ek_run(s, .target = { a->init }));
    for (int r = 0; r < ROUNDS; r++) {
        double start = bench_us();

        for (int i = 0; i < RUNS; i++)
            EK_DIE(ek_run(s, .feed = { { a->x, x }, { a->flag, yes } }, .fetch = { { a->y, &out } }));
        run[r] = (bench_us() - start) / RUNS;
        start = bench_us();
        for (int i = 0; i < RUNS; i++) EK_DIE(ek_callable_run(c, (const ek_array *[]){ x, yes }, &out));
        call[r] = (bench_us() - start) / RUNS;
    }
    *run_us = bench_median(run, ROUNDS);
    *callable_us = bench_median(call, ROUNDS);
    ek_callable_destroy(c);
    ek_array_unref(x);
    ek_array_unref(yes);
    ek_array_unref(out);
    ek_session_destroy(s);
}

/* ---- TensorFlow's --------------------------------------------------------------------------------------- */

/* The number after `key` in a line of output, or 0. */
static double number_after(const char *line, const char *key)
{
    const char *at = strstr(line, key);

    return at != NULL ? atof(at + strlen(key)) : 0;
}

/* First line that a command prints; empty where it fails. */
static void first_line(const char *command, char *line, int size)
{
    FILE *f = popen(command, "r");

    line[0] = '\0';
    if (f == NULL) return;
    if (fgets(line, size, f) == NULL) line[0] = '\0';
    if (pclose(f) != 0) line[0] = '\0';
}

static void compare_with_tensorflow(const char *program, const article *a, double run_us, double callable_us)
{
    const char *python = getenv("EK_TF_PYTHON") != NULL ? getenv("EK_TF_PYTHON") : "python3";
    char graph[] = "/tmp/ek_overhead_XXXXXX", line[1024], command[2048], folder[512], library[512] = "";
    const int fd = mkstemp(graph);

    if (fd < 0) return;
    close(fd);
    snprintf(folder, sizeof folder, "%s", program);
    *(strrchr(folder, '/') != NULL ? strrchr(folder, '/') : folder) = '\0';
    EK_DIE(ek_graph_save(a->g, graph, false, NULL));
    snprintf(command, sizeof command, "%s %s/overhead_tf.py %s %s %s 2>/dev/null", python, EK_BENCH_DIR, graph,
             ek_op_name(a->init), ek_op_name(ek_tensor_op(a->y)));
    first_line(command, line, sizeof line);
    const double tf_run = number_after(line, "session_run_us="), tf_call = number_after(line, "callable_us=");
    if (tf_run > 0 && sscanf(line, "library=%511s", library) == 1) {
        printf("TensorFlow 2.15 Session.run:   %8.2f us, %5.1f times ours\n", tf_run, tf_run / run_us);
        printf("TensorFlow 2.15 make_callable: %8.2f us, %5.1f times ours\n", tf_call, tf_call / callable_us);
        snprintf(command, sizeof command, "TF_CPP_MIN_LOG_LEVEL=3 %s/tf_session %s %s %s %s 2>/dev/null", folder,
                 library, graph, ek_op_name(a->init), ek_op_name(ek_tensor_op(a->y)));
        first_line(command, line, sizeof line);
        const double c_api = number_after(line, "c_api_us=");
        if (c_api > 0) printf("TensorFlow 2.15 TF_SessionRun: %8.2f us, %5.1f times ours\n", c_api, c_api / run_us);
    } else {
        printf("no TensorFlow for %s: nothing to compare with (set EK_TF_PYTHON)\n", python);
    }
    remove(graph);
}

int main(int argc, char **argv)
{
    const double unfused = chain_us(false), fused = chain_us(true);
    const double plan[] = { plan_us(100), plan_us(1000), plan_us(10000) };
    const article a = build_article();
    double built[2], worst = 0, run_us, callable_us, fused_run_us, fused_callable_us;

    article_us(&a, EK_NO, &run_us, &callable_us);
    article_us(&a, EK_YES, &fused_run_us, &fused_callable_us);
    for (int i = 0; i < 3; i++) worst = plan[i] > worst ? plan[i] : worst;
    printf("chain of %d additions, us a node: %.4f, fused %.4f\n", CHAIN, unfused, fused);
    build_us(built);
    printf("building, us a node: %.3f, %.3f after 20,000\n", built[0], built[1]);
    printf("planning, us a node: %.3f (100), %.3f (1,000), %.3f (10,000)\n", plan[0], plan[1], plan[2]);
    printf("the article's training step, us: ek_run %.3f, callable %.3f; fused %.3f, %.3f\n", run_us, callable_us,
           fused_run_us, fused_callable_us);
    compare_with_tensorflow(argc > 0 ? argv[0] : "", &a, run_us, callable_us);
    printf("RESULT session_run_us=%.3f callable_us=%.3f node_us=%.4f plan_us=%.3f\n", run_us, callable_us, unfused,
           worst);
    ek_graph_destroy(a.g);
    return 0;
}
