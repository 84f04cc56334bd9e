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
#include <time.h>

#include "evenkeel/evenkeel.h"
#include "evenkeel/session.h"

enum { CHAIN = 1000, ROUNDS = 7 };

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, compare);
    return v[n / 2];
}

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
        const double start = now_us();

        for (int i = 0; i < runs; i++) EK_DIE(ek_run(s, .feed = { { x, in } }, .fetch = { { y, &out } }));
        round[r] = (now_us() - start) / runs / CHAIN;
    }
    ek_array_unref(in);
    ek_array_unref(out);
    ek_session_destroy(s);
    ek_graph_destroy(g);
    return median(round, ROUNDS);
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
        const double start = now_us();

        EK_DIE(ek_run(s, .feed = { { x, in } }, .fetch = { { y, &out } }));
        round[r] = (now_us() - start) / additions;
        ek_array_unref(in);
        ek_array_unref(out);
        ek_session_destroy(s);
    }
    ek_graph_destroy(g);
    return median(round, rounds);
}

int main(void)
{
    const double unfused = chain_us(false), fused = chain_us(true);
    const double plan[] = { plan_us(100), plan_us(1000), plan_us(10000) };
    double worst = 0;

    for (int i = 0; i < 3; i++) worst = plan[i] > worst ? plan[i] : worst;
    printf("chain of %d additions, us a node: %.4f, fused %.4f\n", CHAIN, unfused, fused);
    printf("planning, us a node: %.3f (100), %.3f (1,000), %.3f (10,000)\n", plan[0], plan[1], plan[2]);
    printf("RESULT node_us=%.4f plan_us=%.3f\n", unfused, worst);
    return 0;
}
