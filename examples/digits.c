/* digits.c - a network that reads handwritten digits, trained twice: as it should be, and with the update ops forgotten.
 *
 * 784-100-100-100-10, batch norm before each sigmoid, on digits that the library draws. The first half trains with
 * ek_train_op, which runs the updates of the moving averages in every step, and evaluates with what they stored: one image
 * at a time or a thousand, the answer is the same. The second half trains with ek_minimize alone, the commonest mistake
 * there is: the loss falls just as well, the session says what is wrong (BN001), and evaluation shows it. */
#include <evenkeel/evenkeel.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIXELS = 784, IMAGES = 20000, UNSEEN = 2000, BATCH = 60, EPOCHS = 12 };

typedef struct network {
    ek_graph *graph;
    ek_session *session;
    ek_tensor x, labels, is_training, loss, right; /* right: whether each image was named rightly */
    ek_op train, init;
} network;

static network build(bool with_updates)
{
    network n = { .graph = ek_graph_create() };

    ek_set_random_seed(n.graph, 1);
    n.x = ek_placeholder(n.graph, EK_FLOAT32, .shape = EK_SHAPE(-1, PIXELS), .name = "x");
    n.labels = ek_placeholder(n.graph, EK_INT64, .shape = EK_SHAPE(-1), .name = "labels");
    n.is_training = ek_placeholder_with_default(n.graph, ek_bool(false), .name = "is_training");
    ek_tensor h = n.x;
    for (int i = 0; i < 3; i++) {
        h = ek_dense(h, 100, .use_bias = false);
        h = ek_batch_normalization(h, .training = n.is_training, .momentum = 0.95);
        h = ek_sigmoid(h);
    }
    ek_tensor logits = ek_dense(h, 10, .name = "logits");
    n.loss = ek_losses_sparse_softmax_cross_entropy(n.labels, logits);
    n.right = ek_cast(ek_equal(ek_argmax(logits, .axis = 1), n.labels), EK_FLOAT32);
    ek_optimizer *sgd = ek_gradient_descent_optimizer(n.graph, 0.5);
    n.train = with_updates ? ek_tensor_op(ek_train_op(n.loss, sgd)) : ek_minimize(sgd, n.loss);
    n.init = ek_global_variables_initializer(n.graph);
    n.session = ek_session_create(n.graph);
    EK_DIE(ek_run(n.session, .target = { n.init }));
    return n;
}

/* Rows [from, from + count) of images and labels, copied. */
static void rows(const ek_array *images, const ek_array *labels, int from, int count, ek_array **x, ek_array **y)
{
    *x = ek_array_of(EK_FLOAT32, EK_SHAPE(count, PIXELS), (const float *)ek_array_cdata(images) + from * PIXELS);
    *y = ek_array_of(EK_INT64, EK_SHAPE(count), (const int64_t *)ek_array_cdata(labels) + from);
    if (*x == NULL || *y == NULL) exit(1);
}

static void train(const network *n, const ek_array *images, const ek_array *labels)
{
    ek_array *yes = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ true }), *loss = NULL;

    for (int epoch = 1; epoch <= EPOCHS; epoch++) {
        double sum = 0;
        int steps = 0;
        for (int from = 0; from + BATCH <= IMAGES; from += BATCH, steps++) {
            ek_array *x, *y;
            rows(images, labels, from, BATCH, &x, &y);
            EK_DIE(ek_run(n->session, .feed = { { n->x, x }, { n->labels, y }, { n->is_training, yes } },
                          .fetch = { { n->loss, &loss } }, .target = { n->train }));
            sum += ek_array_get(loss, 0);
            ek_array_unref(x);
            ek_array_unref(y);
        }
        if (epoch % 3 == 0) printf("  epoch %2d: loss %.4f\n", epoch, sum / steps);
    }
    ek_array_unref(yes);
    ek_array_unref(loss);
}

/* How many of the unseen images are named rightly, `batch` at a time. Inference: is_training is not fed. */
static int evaluate(const network *n, const ek_array *images, const ek_array *labels, int batch)
{
    ek_array *right = NULL;
    double sum = 0;

    for (int from = 0; from < UNSEEN; from += batch) {
        ek_array *x, *y;
        rows(images, labels, from, batch, &x, &y);
        EK_DIE(ek_run(n->session, .feed = { { n->x, x }, { n->labels, y } }, .fetch = { { n->right, &right } }));
        for (int i = 0; i < batch; i++) sum += ek_array_get(right, i);
        ek_array_unref(x);
        ek_array_unref(y);
    }
    ek_array_unref(right);
    return (int)sum;
}

static int try(const char *title, bool with_updates, const ek_array *const images[2], const ek_array *const labels[2])
{
    const network n = build(with_updates);

    printf("%s\n", title);
    train(&n, images[0], labels[0]);
    const int one = evaluate(&n, images[1], labels[1], 1), many = evaluate(&n, images[1], labels[1], 1000);
    printf("  unseen images named rightly: %.2f %% one at a time, %.2f %% a thousand at a time\n", 100.0 * one / UNSEEN,
           100.0 * many / UNSEEN);
    ek_session_destroy(n.session);
    ek_graph_destroy(n.graph);
    return one == many ? one : -1;
}

int main(void)
{
    ek_array *images[2], *labels[2];

    EK_DIE(ek_digits(1, IMAGES, &images[0], &labels[0]));
    EK_DIE(ek_digits(2, UNSEEN, &images[1], &labels[1]));
    setvbuf(stdout, NULL, _IOLBF, 0);
    const ek_array *const i[2] = { images[0], images[1] }, *const l[2] = { labels[0], labels[1] };
    const int well = try("with ek_train_op:", true, i, l);
    const int forgotten = try("with ek_minimize alone, the update ops forgotten:", false, i, l);
    for (int k = 0; k < 2; k++) {
        ek_array_unref(images[k]);
        ek_array_unref(labels[k]);
    }
    return well > 0.97 * UNSEEN && forgotten < 0.5 * UNSEEN ? 0 : 1;
}
