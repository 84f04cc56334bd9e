/* checkpoint - how fast a model is there again: a checkpoint of 105 MB in 400 tensors restored, checksums verified, and
 * a MetaGraph of 10,000 nodes loaded; one tensor of the checkpoint alone; and what saving takes.
 *
 * Medians of several runs, files in the page cache. They are made in a folder of $TMPDIR, which is removed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "evenkeel/evenkeel.h"

enum { TENSORS = 400, NUMBERS = 1 << 16, RUNS = 9, NODES = 10000 };

static char folder[512], prefix[600], meta[600];

static void fail(const char *what)
{
    fprintf(stderr, "checkpoint: %s: %s\n", what, ek_last_error()->text);
    exit(1);
}

static void name_of(char *name, size_t size, int i)
{
    snprintf(name, size, "network/layer_%03d/kernel", i);
}

static void save(void)
{
    static ek_named_array arrays[TENSORS];
    static char name[TENSORS][64];

    for (int i = 0; i < TENSORS; i++) {
        ek_array *a = ek_array_of(EK_FLOAT32, EK_SHAPE(NUMBERS / 64, 64), NULL);

        if (a == NULL) fail("no memory");
        for (int k = 0; k < NUMBERS; k++) ek_array_f32(a)[k] = (float)(i * 31 + k) * 0.001f;
        name_of(name[i], sizeof name[i], i);
        arrays[i] = (ek_named_array){ name[i], a };
    }
    const double start = bench_seconds();
    if (ek_checkpoint_write(prefix, arrays, TENSORS, NULL) != EK_OK) fail("saving");
    printf("saving %d tensors, on the disk %33.1f ms\n", TENSORS, 1e3 * (bench_seconds() - start));
    for (int i = 0; i < TENSORS; i++) ek_array_unref((ek_array *)(uintptr_t)arrays[i].array);
}

/* Reads `n` tensors of a checkpoint that is opened for it. */
static double restore(int n)
{
    static ek_array *kept[TENSORS];
    const double start = bench_seconds();
    ek_checkpoint *c;
    char name[64];

    if (ek_checkpoint_open(prefix, &c, NULL) != EK_OK) fail("opening");
    for (int i = 0; i < n; i++) {
        name_of(name, sizeof name, n == 1 ? TENSORS / 2 : i);
        if (ek_checkpoint_read(c, name, &kept[i], NULL) != EK_OK) fail("reading");
    }
    ek_checkpoint_close(c);
    const double took = bench_seconds() - start;
    for (int i = 0; i < n; i++) ek_array_unref(kept[i]);
    return took;
}

/* A deep net of dense layers with batch norm, as it is trained. */
static void save_graph(void)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 16), .name = "x");
    ek_tensor h = x;

    while (ek_graph_op_count(g) < NODES / 4)
        h = ek_relu(ek_batch_normalization(ek_dense(h, 16, .use_bias = false), .training = EK_TRUE));
    (void)ek_train_op(ek_reduce_mean(ek_square(h)), ek_adam_optimizer(g, 0.001));
    while (ek_graph_op_count(g) < NODES) h = ek_relu(h);
    if (ek_meta_graph_save(g, meta) != EK_OK) fail("saving the graph");
    printf("graph of %lld nodes\n", (long long)ek_graph_op_count(g));
    ek_graph_destroy(g);
}

static double load_graph(void)
{
    const double start = bench_seconds();
    ek_graph *g;

    if (ek_meta_graph_load(meta, &g) != EK_OK) fail("loading the graph");
    const double took = bench_seconds() - start;
    if (ek_graph_op_count(g) < NODES) exit(1);
    ek_graph_destroy(g);
    return took;
}

static void clean_up(void)
{
    static const char *const names[] = { "model.index", "model.data-00000-of-00001", "model.meta", "" };
    char path[700];

    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)remove(path);
    }
}

int main(void)
{
    const char *root = getenv("TMPDIR");
    double all[RUNS], one[RUNS], graph[RUNS];

    snprintf(folder, sizeof folder, "%s/evenkeel_bench_XXXXXX", root != NULL ? root : "/tmp");
    if (mkdtemp(folder) == NULL) {
        perror("checkpoint: no folder");
        return 1;
    }
    atexit(clean_up);
    snprintf(prefix, sizeof prefix, "%s/model", folder);
    snprintf(meta, sizeof meta, "%s/model.meta", folder);
    save();
    save_graph();
    for (int i = 0; i < RUNS; i++) {
        all[i] = restore(TENSORS);
        one[i] = restore(1);
        graph[i] = load_graph();
    }
    const double a = 1e3 * bench_median(all, RUNS), o = 1e3 * bench_median(one, RUNS),
                 m = 1e3 * bench_median(graph, RUNS);
    printf("restoring all, checksums verified %30.1f ms\n", a);
    printf("restoring one %50.2f ms\n", o);
    printf("loading the MetaGraph %42.1f ms\n", m);
    printf("RESULT restore_all_ms=%.1f restore_one_ms=%.2f load_meta_graph_ms=%.1f together_ms=%.1f\n", a, o, m, a + m);
    return 0;
}
