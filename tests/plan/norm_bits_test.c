/* Training steps of TensorFlow's graphs, each half of a batch norm one op: the same bits for every number of threads and at
 * every CPU level. Levels share the bits of products only where a session is deterministic (docs/numbers.md), so theirs
 * are. */
#include "runtime/build.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "evenkeel/files.h"
#include "graph/node.h"
#include "runtime/runtime.h"

enum { STEPS = 3 };

typedef struct program {
    const char *graph, *optimizer;
    ek_shape images;
    int norms; /* halves in a step, forward and backward */
} program;

static const program programs[] = {
    { "tf115-graphs/mlp_sgd/graph.pb", "GradientDescent", { .rank = 2, .dim = { 300, 784 } }, 6 },
    { "tf115-graphs/mlp_adam/graph.pb", "Adam", { .rank = 2, .dim = { 61, 784 } }, 6 },
    { "tf115-graphs/convnet/graph.pb", "GradientDescent", { .rank = 4, .dim = { 40, 28, 28, 1 } }, 6 },
};

/* A session, what it is fed, and what came of it so far. */
typedef struct training {
    ek_graph *g;
    ek_session *s;
    ek_array *x, *labels, *flag;
    uint64_t bits; /* of every number so far, in order */
    int norms;     /* the most halves that one plan ran as one op */
} training;

static void note(training *t, const ek_array *a)
{
    const unsigned char *at = ek_array_cdata(a);

    for (size_t i = 0; i < ek_array_bytes(a); i++) t->bits = (t->bits ^ at[i]) * UINT64_C(1099511628211);
}

/* Numbers between -1/2 and 1/2 with all their digits. */
static void draw(ek_array *a, uint64_t seed)
{
    for (int64_t i = 0; i < ek_array_count(a); i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        ek_array_f32(a)[i] = (float)((double)(seed >> 11) / 9007199254740992.0 - 0.5);
    }
}

static void fill(const training *t)
{
    draw(t->x, 5);
    for (int64_t i = 0; i < ek_array_count(t->labels); i++) ((int64_t *)ek_array_data(t->labels))[i] = i % 10;
}

static void step(training *t, const char *optimizer, bool train)
{
    ek_array *loss = NULL;
    const ek_feed feed[] = { { tensor_named(t->g, "x:0"), t->x },
                             { tensor_named(t->g, "labels:0"), t->labels },
                             { tensor_named(t->g, "is_training:0"), t->flag } };
    const ek_op target = op_named(t->g, optimizer);

    *(bool *)ek_array_data(t->flag) = train;
    EK_DIE(ek_run(t->s, .feeds = feed, .n_feeds = COUNT(feed), .targets = &target, .n_targets = train ? 1 : 0,
                  .fetch = { { tensor_named(t->g, "sparse_softmax_cross_entropy_loss/value:0"), &loss } }));
    note(t, loss);
    ek_array_unref(loss);
    for (int i = 0; i < EK_CACHE_SIZE; i++) {
        const ek_entry *e = atomic_load(&t->s->cache.entry[i]);
        if (e != NULL && e->plan->n_norms > t->norms) t->norms = e->plan->n_norms;
    }
}

/* Weights are drawn at random by the graph itself: these are ours. */
static void initialize(training *t)
{
    EK_DIE(ek_run(t->s, .target = { op_named(t->g, "init") }));
    for (int32_t id = 0; id < t->g->n_nodes; id++) {
        const ek_node *n = t->g->node[id];
        const char *end = strstr(n->name, "/kernel/Assign");

        if (end == NULL || strcmp(end, "/kernel/Assign") != 0) continue;
        ek_array *value = f32(n->out_shape[0], NULL);
        const ek_op assign = { t->g, id };
        draw(value, (uint64_t)id);
        EK_DIE(ek_run(t->s, .feed = { { ek_op_input(assign, 1), value } }, .target = { assign }));
        ek_array_unref(value);
    }
}

static void note_variables(training *t)
{
    for (int32_t id = 0; id < t->g->n_nodes; id++) {
        ek_array *value = NULL;

        if (strcmp(t->g->node[id]->type, "VariableV2") != 0) continue;
        EK_DIE(ek_run(t->s, .fetch = { { (ek_tensor){ t->g, id, 0 }, &value } }));
        note(t, value);
        ek_array_unref(value);
    }
}

/* What some steps and an inference come to, all bits of it; 0 where halves are left to their nodes. */
static uint64_t bits_of(const program *p, const char *path, int threads, bool deterministic)
{
    training t = { .x = f32(p->images, NULL), .labels = ek_array_of(EK_INT64, EK_SHAPE(p->images.dim[0]), NULL),
                   .flag = scalar_bool(true), .bits = UINT64_C(14695981039346656037) };

    EK_DIE(ek_graph_load(path, &t.g, NULL));
    t.s = ek_session_create(t.g, .threads = threads, .deterministic = deterministic, .fuse = EK_YES);
    fill(&t);
    initialize(&t);
    for (int i = 0; i < STEPS; i++) step(&t, p->optimizer, true);
    step(&t, p->optimizer, false);
    note_variables(&t);
    if (t.norms < p->norms) t.bits = 0;
    ek_array_unref(t.x);
    ek_array_unref(t.labels);
    ek_array_unref(t.flag);
    ek_session_destroy(t.s);
    ek_graph_destroy(t.g);
    return t.bits;
}

/* The level is settled once a process, so each has one of its own. */
static uint64_t bits_at(const char *level, const program *p, const char *path)
{
    int pipes[2], status = 0;
    uint64_t bits = 0;

    assert_int_equal(pipe(pipes), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setenv("EK_CPU", level, 1);
        bits = bits_of(p, path, 2, true);
        _exit(write(pipes[1], &bits, sizeof bits) != sizeof bits);
    }
    close(pipes[1]);
    assert_int_equal(read(pipes[0], &bits, sizeof bits), sizeof bits);
    close(pipes[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return bits;
}

static void the_same_bits_at_every_level(void **state)
{
    static const char *const level[] = { "base", "avx2", "avx512" };

    (void)state;
    for (int i = 0; i < COUNT(programs); i++) {
        const char *path = ek_test_data(programs[i].graph);
        uint64_t bits[COUNT(level)];

        if (path == NULL) skip();
        for (int k = 0; k < COUNT(level); k++) {
            bits[k] = bits_at(level[k], &programs[i], path);
            if (bits[k] == 0) fail_msg("%s: halves are left to their nodes", programs[i].graph);
            if (bits[k] != bits[0]) fail_msg("%s: other bits at %s than at base", programs[i].graph, level[k]);
        }
    }
}

static void the_same_bits_for_every_number_of_threads(void **state)
{
    static const int threads[] = { 1, 2, 7 };

    (void)state;
    for (int i = 0; i < COUNT(programs); i++) {
        const char *path = ek_test_data(programs[i].graph);
        uint64_t first = 0;

        if (path == NULL) skip();
        for (int k = 0; k < COUNT(threads); k++) {
            const uint64_t bits = bits_of(&programs[i], path, threads[k], false);

            if (bits == 0) fail_msg("%s: halves are left to their nodes", programs[i].graph);
            if (k == 0) first = bits;
            if (bits != first) fail_msg("%s: other bits with %d threads", programs[i].graph, threads[k]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_bits_at_every_level), /* before anything in this process asks for a kernel */
        cmocka_unit_test(the_same_bits_for_every_number_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
