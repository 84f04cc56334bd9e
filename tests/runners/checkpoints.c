/* checkpoints save FOLDER PREFIX STEPS MORE LOSSES.npy - imports FOLDER/meta.pb, trains it from FOLDER/initial.pb for
 *     STEPS, saves it as PREFIX with a saver of its own; then, in a session that was restored from that, trains for MORE
 *     steps and writes their losses.
 * checkpoints restore FOLDER PREFIX STEPS MORE LOSSES.npy - the second half alone, of a checkpoint with its .meta that
 *     another wrote.
 *
 * FOLDER is one of data/trajectories. So that TensorFlow can be asked to go on (tools/check_checkpoints.py). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evenkeel/saver.h"
#include "graph/node.h"
#include "support/imported.h"
#include "values/array.h"

enum { MOST_INPUTS = 8 };

typedef struct run {
    const char *folder, *prefix;
    ek_graph *g;
    ek_session *s;
    ek_tensor input[MOST_INPUTS];
    ek_array *batches[MOST_INPUTS]; /* NULL: the flag, which is on */
    int n_inputs;
} run;

static void die(const char *what)
{
    fprintf(stderr, "checkpoints: %s: %s\n", what, ek_last_error()->text);
    exit(1);
}

static void open_graph(run *r, const char *path)
{
    if (ek_meta_graph_load(path, &r->g) != EK_OK) die(path);
    const ek_list list = ek_get_collection(r->g, "golden_inputs");
    for (int64_t i = 0; i < list.count && i < MOST_INPUTS; i++) {
        char file[4096];
        r->input[i] = ek_list_tensor(list, i);
        snprintf(file, sizeof file, "%s/%s.npy", r->folder, ek_op_name(ek_tensor_op(r->input[i])));
        r->batches[i] = NULL;
        if (access(file, R_OK) == 0 && ek_npy_load(file, &r->batches[i]) != EK_OK) die(file);
        r->n_inputs++;
    }
    r->s = ek_session_create(r->g, .threads = 1, .watch = EK_NO);
    if (r->s == NULL) die("session");
}

static void close_graph(run *r)
{
    for (int i = 0; i < r->n_inputs; i++) ek_array_unref(r->batches[i]);
    r->n_inputs = 0;
    ek_session_destroy(r->s);
    ek_graph_destroy(r->g);
}

static void initialize(const run *r)
{
    char path[4096], why[900];
    ek_graph *values;

    snprintf(path, sizeof path, "%s/initial.pb", r->folder);
    if (ek_graph_load(path, &values, NULL) != EK_OK) die(path);
    for (int64_t i = 0; i < ek_graph_op_count(values); i++) {
        const ek_op op = ek_graph_op_at(values, i);
        if (!case_set_variable(r->s, r->g, ek_op_name(op), ek__node(values, op.id)->constant, why, sizeof why)) {
            fprintf(stderr, "checkpoints: %s\n", why);
            exit(1);
        }
    }
    ek_graph_destroy(values);
}

/* Batch k mod 10 of a file; on, where there is none. */
static ek_array *value_in_step(const run *r, int i, int step)
{
    const ek_array *all = r->batches[i];
    const bool on = true;
    ek_shape shape;

    if (all == NULL) return ek_array_of(EK_BOOL, EK_SCALAR, &on);
    shape = *ek_array_shape(all);
    for (int k = 1; k < shape.rank; k++) shape.dim[k - 1] = shape.dim[k];
    shape.dim[--shape.rank] = 0;
    const size_t bytes = ek_array_bytes(all) / (size_t)ek_array_dim(all, 0);
    return ek_array_of(ek_array_dtype(all), shape, (const char *)ek_array_cdata(all) + (size_t)(step % 10) * bytes);
}

static ek_op listed(const run *r, const char *key)
{
    const ek_list list = ek_get_collection(r->g, key);

    return list.count > 0 && list.item[0].kind == EK_ITEM_OP ? list.item[0].u.op : (ek_op){ NULL, -1 };
}

/* Steps [from, from + n); their losses. */
static void train(const run *r, int from, int n, float *losses)
{
    const ek_tensor loss = ek_list_tensor(ek_get_collection(r->g, "golden_loss"), 0);
    const ek_op ops[2] = { listed(r, "golden_train_op"), listed(r, "golden_second_op") };
    ek_array *now = NULL;

    for (int step = from; step < from + n; step++) {
        ek_feed feed[MOST_INPUTS];
        for (int i = 0; i < r->n_inputs; i++) feed[i] = (ek_feed){ r->input[i], value_in_step(r, i, step) };
        if (ek_run(r->s, .feeds = feed, .n_feeds = r->n_inputs, .fetch = { { loss, &now } }, .target = { ops[0] }) !=
                EK_OK ||
            (ek_op_ok(ops[1]) && ek_run(r->s, .feeds = feed, .n_feeds = r->n_inputs, .target = { ops[1] }) != EK_OK))
            die("a step");
        losses[step - from] = (float)ek_array_get(now, 0);
        for (int i = 0; i < r->n_inputs; i++) ek_array_unref((ek_array *)(uintptr_t)feed[i].value);
    }
    ek_array_unref(now);
}

static void save(run *r, int steps)
{
    float *losses = calloc((size_t)steps + 1, sizeof *losses);
    char path[4096];
    ek_saver *saver;

    snprintf(path, sizeof path, "%s/meta.pb", r->folder);
    open_graph(r, path);
    saver = ek_saver_create(r->g, .name = "evenkeel");
    if (ek_graph_status(r->g, NULL) != EK_OK) die("saver");
    initialize(r);
    train(r, 0, steps, losses);
    if (ek_saver_save(saver, r->s, r->prefix) != EK_OK) die(r->prefix);
    close_graph(r);
    free(losses);
}

static void go_on(run *r, int from, int n, const char *out)
{
    float *losses = calloc((size_t)n + 1, sizeof *losses);
    char path[4096];
    ek_array *array;

    snprintf(path, sizeof path, "%s.meta", r->prefix);
    open_graph(r, path);
    if (ek_saver_of_graph(r->g) == NULL || ek_saver_restore(ek_saver_of_graph(r->g), r->s, r->prefix, NULL) != EK_OK)
        die(r->prefix);
    train(r, from, n, losses);
    array = ek_array_of(EK_FLOAT32, EK_SHAPE(n), losses);
    if (array == NULL || ek_npy_save(out, array) != EK_OK) die(out);
    ek_array_unref(array);
    free(losses);
    close_graph(r);
}

int main(int argc, char **argv)
{
    const bool saves = argc == 7 && strcmp(argv[1], "save") == 0;
    run r = { .folder = argc == 7 ? argv[2] : NULL, .prefix = argc == 7 ? argv[3] : NULL };

    if (!saves && !(argc == 7 && strcmp(argv[1], "restore") == 0)) {
        fprintf(stderr, "usage: checkpoints save|restore FOLDER PREFIX STEPS MORE LOSSES.npy\n");
        return 2;
    }
    if (saves) save(&r, atoi(argv[4]));
    go_on(&r, atoi(argv[4]), atoi(argv[5]), argv[6]);
    return 0;
}
