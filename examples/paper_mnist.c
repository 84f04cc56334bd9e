/* paper_mnist.c - the experiment of section 4.1 of the paper that introduced batch normalization (S. Ioffe, C. Szegedy, "Batch
 * Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift", 2015): 784-100-100-100-10, sigmoid,
 * 50,000 steps of 60 images, with and without batch normalization.
 *
 *     paper_mnist [FOLDER|digits] [STEPS] [OUT]
 *
 * FOLDER holds MNIST's four files, as they are published or unpacked; digits are drawn by the library. What comes out is the
 * paper's Figure 1, in the folder OUT: the test accuracy over the steps (accuracy.png), and how the input of one unit of the last
 * hidden layer is distributed meanwhile, as its 15th, 50th and 85th percentiles over a thousand test images
 * (unit_with.png, unit_without.png). The same as events, for TensorBoard: OUT/with and OUT/without. */
#include <evenkeel/evenkeel.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PIXELS = 784, UNITS = 100, LAYERS = 3, BATCH = 60, WATCHED = 1000, POINTS = 100, PERCENTILES = 3 };
static const double share[PERCENTILES] = { 0.15, 0.50, 0.85 };
static const char *const share_name[PERCENTILES] = { "15th percentile", "median", "85th percentile" };

/* ---- data ------------------------------------------------------------------------------------------------------- */

/* Rows of 784 pixels from 0 to 1, and labels. */
static ek_dataset *images(const char *folder, bool test)
{
    ek_dataset *d;

    if (strcmp(folder, "digits") == 0)
        EK_DIE(ek_dataset_from_digits(test ? 2 : 1, test ? 10000 : 60000, &d, NULL));
    else
        EK_DIE(ek_dataset_from_idx(folder, test ? "t10k" : "train", &d, NULL));
    EK_DIE(ek_dataset_reshape(d, 0, EK_SHAPE(PIXELS), NULL));
    return d;
}

/* ---- the network ---------------------------------------------------------------------------------------------------- */

typedef struct network {
    ek_graph *graph;
    ek_session *session;
    ek_tensor x, labels, is_training, loss, right, unit; /* right: how many; unit: what goes into one sigmoid of the last layer */
    ek_op train;
} network;

static network build(bool normalized)
{
    network n = { .graph = ek_graph_create() };
    const ek_initializer small = ek_random_normal_initializer(.stddev = 0.1);

    ek_set_random_seed(n.graph, 1);
    n.x = ek_placeholder(n.graph, EK_FLOAT32, .shape = EK_SHAPE(-1, PIXELS), .name = "x");
    n.labels = ek_placeholder(n.graph, EK_INT64, .shape = EK_SHAPE(-1), .name = "labels");
    n.is_training = ek_placeholder_with_default(n.graph, ek_bool(false), .name = "is_training");
    ek_tensor h = n.x;
    for (int i = 0; i < LAYERS; i++) {
        h = ek_dense(h, UNITS, .kernel_initializer = small, .use_bias = !normalized);
        if (normalized) h = ek_batch_normalization(h, .training = n.is_training, .momentum = 0.95);
        n.unit = h;
        h = ek_sigmoid(h);
    }
    n.unit = ek_slice(n.unit, .begin = EK_INTS(0, 0), .sizes = EK_INTS(-1, 1));
    const ek_tensor logits = ek_dense(h, 10, .kernel_initializer = small, .name = "logits");
    n.loss = ek_losses_sparse_softmax_cross_entropy(n.labels, logits);
    n.right = ek_reduce_sum(ek_cast(ek_equal(ek_argmax(logits, .axis = 1), n.labels), EK_FLOAT32));
    n.train = ek_tensor_op(ek_train_op(n.loss, ek_gradient_descent_optimizer(n.graph, 0.1)));
    const ek_op init = ek_global_variables_initializer(n.graph);
    n.session = ek_session_create(n.graph);
    EK_DIE(ek_graph_status(n.graph, NULL));
    EK_DIE(ek_run(n.session, .target = { init }));
    return n;
}

/* ---- what is measured ------------------------------------------------------------------------------------------------- */

typedef struct record {
    double step[POINTS + 1], accuracy[POINTS + 1], percentile[PERCENTILES][POINTS + 1];
    int n;
} record;

/* With what the batch norms stored: is_training is not fed. The first thousand inputs of the unit go to *unit. */
static double accuracy(const network *n, const ek_dataset *test, ek_array **unit)
{
    ek_batches *batches = ek_batches_create(test, WATCHED, .partial = EK_PARTIAL_KEEP, .epochs = 1);
    const ek_array *const *column;
    ek_array *right = NULL, *here = NULL;
    double sum = 0;

    while (ek_batches_next(batches, &column, NULL) == EK_OK) {
        EK_DIE(ek_run(n->session, .feed = { { n->x, column[0] }, { n->labels, column[1] } },
                      .fetch = { { n->right, &right }, { n->unit, *unit == NULL ? unit : &here } }));
        sum += ek_array_get(right, 0);
    }
    ek_batches_destroy(batches);
    ek_array_unref(right);
    ek_array_unref(here);
    return sum / (double)ek_dataset_rows(test);
}

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static void measure(const network *n, const ek_dataset *test, int64_t step, ek_event_writer *events, record *r)
{
    ek_array *unit = NULL;

    r->step[r->n] = (double)step;
    r->accuracy[r->n] = accuracy(n, test, &unit);
    EK_DIE(ek_event_write_scalar(events, "test_accuracy", r->accuracy[r->n], step, NULL));
    EK_DIE(ek_event_write_histogram(events, "unit_input", unit, step, NULL));
    qsort(ek_array_f32(unit), (size_t)ek_array_count(unit), sizeof(float), ascending);
    for (int i = 0; i < PERCENTILES; i++) {
        char tag[32];

        snprintf(tag, sizeof tag, "unit_input/p%.0f", 100 * share[i]);
        r->percentile[i][r->n] = ek_array_get(unit, (int64_t)(share[i] * (double)ek_array_count(unit)));
        EK_DIE(ek_event_write_scalar(events, tag, r->percentile[i][r->n], step, NULL));
    }
    r->n++;
    ek_array_unref(unit);
}

static void train(bool normalized, const ek_dataset *data, const ek_dataset *test, int64_t steps, const char *out, record *r)
{
    const network n = build(normalized);
    const int64_t every = steps / POINTS > 0 ? steps / POINTS : 1;
    ek_batches *batches = ek_batches_create(data, BATCH, .shuffle = true, .seed = 1);
    ek_array *yes = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ true });
    ek_event_writer *events;
    char logdir[4096];

    snprintf(logdir, sizeof logdir, "%s/%s", out, normalized ? "with" : "without");
    EK_DIE(ek_event_writer_open(logdir, &events, .graph = n.graph));
    measure(&n, test, 0, events, r);
    for (int64_t step = 1; step <= steps; step++) {
        const ek_array *const *column;

        EK_DIE(ek_batches_next(batches, &column, NULL));
        EK_DIE(ek_run(n.session, .feed = { { n.x, column[0] }, { n.labels, column[1] }, { n.is_training, yes } }, .target = { n.train }));
        if (step % every == 0 && r->n <= POINTS) measure(&n, test, step, events, r);
    }
    printf("%-29s test accuracy %.2f %% after %lld steps\n", normalized ? "with batch normalization:" : "without:",
           100 * r->accuracy[r->n - 1], (long long)steps);
    EK_DIE(ek_event_writer_close(events, NULL));
    ek_batches_destroy(batches);
    ek_array_unref(yes);
    ek_session_destroy(n.session);
    ek_graph_destroy(n.graph);
}

/* ---- Figure 1 ------------------------------------------------------------------------------------------------------------ */

static void draw(const char *out, const record r[2])
{
    const ek_curve both[] = { { "with batch normalization", r[1].step, r[1].accuracy, r[1].n },
                              { "without", r[0].step, r[0].accuracy, r[0].n } };
    const double worst = r[0].accuracy[r[0].n - 1]; /* the paper's axis, where a run is as long as its */
    bool drawn;
    char path[4096];

    snprintf(path, sizeof path, "%s/accuracy", out);
    EK_DIE(ek_plot(path, .curves = both, .n_curves = 2, .title = "Test accuracy", .x_label = "steps",
                   .y_min = worst > 0.8 ? 0.7 : 0, .y_max = 1, .drawn = &drawn));
    for (int k = 0; k < 2; k++) {
        ek_curve lines[PERCENTILES];

        for (int i = 0; i < PERCENTILES; i++) lines[i] = (ek_curve){ share_name[i], r[k].step, r[k].percentile[i], r[k].n };
        snprintf(path, sizeof path, "%s/unit_%s", out, k == 1 ? "with" : "without");
        EK_DIE(ek_plot(path, .curves = lines, .n_curves = PERCENTILES, .x_label = "steps", .y_label = "input of a sigmoid",
                       .title = k == 1 ? "With batch normalization" : "Without batch normalization"));
    }
    printf("%s: accuracy, unit_with, unit_without %s\n", out,
           drawn ? "(.png; .tsv and .gp beside them)" : "as .tsv and .gp; install gnuplot for pictures");
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "digits", *out = argc > 3 ? argv[3] : "paper_mnist";
    const int64_t steps = argc > 2 ? strtoll(argv[2], NULL, 10) : 50000;
    static record r[2];

    if (steps < 1 || argc > 4) {
        fprintf(stderr, "usage: paper_mnist [FOLDER|digits] [STEPS] [OUT]\n");
        return 2;
    }
    if (mkdir(out, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "cannot make the folder '%s': %s\n", out, strerror(errno));
        return 1;
    }
    ek_dataset *data = images(folder, false), *test = images(folder, true);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int normalized = 1; normalized >= 0; normalized--) train(normalized != 0, data, test, steps, out, &r[normalized]);
    draw(out, r);
    ek_dataset_destroy(data);
    ek_dataset_destroy(test);
    return r[1].accuracy[r[1].n - 1] > r[0].accuracy[r[0].n - 1] ? 0 : 1;
}
