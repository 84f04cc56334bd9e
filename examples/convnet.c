/* convnet.c - a small image classifier: convolutions with batch norm and ReLU, on images that this program draws.
 *
 * Four kinds of picture, 16 x 16 and noisy: a disc, a frame, a cross, stripes, each anywhere and of any size. Convolutions
 * before a batch norm have no bias; the step is built by hand here, with the article's control dependency. */
#include <evenkeel/evenkeel.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 16, KINDS = 4, IMAGES = 4096, UNSEEN = 1000, BATCH = 64, STEPS = 600 };
static const double wanted = 0.95; /* share of unseen images named rightly */

typedef struct album {
    ek_array *images, *labels;
} album;

static float chance(unsigned *state) /* even in [0, 1) */
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 16777216.0f;
}

/* How dark a kind of picture is at a distance (dx, dy) from its middle. */
static bool dark(int kind, float dx, float dy, float size)
{
    const float ax = fabsf(dx), ay = fabsf(dy), far = ax > ay ? ax : ay;

    if (kind == 0) return dx * dx + dy * dy < size * size;
    if (kind == 1) return far < size && far > size - 1.5f;
    if (kind == 2) return far < size && (ax < 1 || ay < 1);
    return far < size && fmodf(dy + 32, 3) < 1.5f;
}

static album draw(int n, unsigned seed)
{
    album a = { ek_array_of(EK_FLOAT32, EK_SHAPE(n, SIDE, SIDE, 1), NULL), ek_array_of(EK_INT64, EK_SHAPE(n), NULL) };

    if (a.images == NULL || a.labels == NULL) exit(1);
    for (int i = 0; i < n; i++) {
        const int kind = (int)(KINDS * chance(&seed));
        const float x = 5 + 6 * chance(&seed), y = 5 + 6 * chance(&seed), size = 3.5f + 2 * chance(&seed);
        const float ink = 0.5f + 0.5f * chance(&seed);
        ek_array_i64(a.labels)[i] = kind;
        for (int p = 0; p < SIDE * SIDE; p++) {
            const bool on = dark(kind, (float)(p % SIDE) - x, (float)(p / SIDE) - y, size);
            ek_array_f32(a.images)[i * SIDE * SIDE + p] = (on ? ink : 0) + 0.5f * chance(&seed);
        }
    }
    return a;
}

static void drop(album *a)
{
    ek_array_unref(a->images);
    ek_array_unref(a->labels);
}

static album some(const album *a, int from)
{
    return (album){ ek_array_of(EK_FLOAT32, EK_SHAPE(BATCH, SIDE, SIDE, 1), ek_array_f32(a->images) + from * SIDE * SIDE),
                    ek_array_of(EK_INT64, EK_SHAPE(BATCH), ek_array_i64(a->labels) + from) };
}

int main(void)
{
    ek_graph *g = ek_graph_create();
    ek_set_random_seed(g, 1);
    ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, SIDE, SIDE, 1), .name = "x");
    ek_tensor labels = ek_placeholder(g, EK_INT64, .shape = EK_SHAPE(-1), .name = "labels");
    ek_tensor is_training = ek_placeholder_with_default(g, ek_bool(false), .name = "is_training");

    ek_tensor h = x;
    for (int filters = 8; filters <= 32; filters *= 2) {
        h = ek_conv2d(h, filters, 3, .padding = "same", .use_bias = false);
        h = ek_batch_normalization(h, .training = is_training, .momentum = 0.9);
        h = ek_relu(h);
        h = ek_max_pooling2d(h, 2, 2);
    }
    ek_tensor logits = ek_dense(ek_flatten(h), KINDS);
    ek_tensor loss = ek_losses_sparse_softmax_cross_entropy(labels, logits);
    ek_tensor right = ek_equal(ek_argmax(logits, .axis = 1), labels);
    ek_tensor accuracy = ek_reduce_mean(ek_cast(right, EK_FLOAT32));
    ek_op train;
    ek_with_control_dependencies(g, ek_get_collection(g, EK_UPDATE_OPS))
        train = ek_minimize(ek_momentum_optimizer(g, 0.05, 0.9), loss);
    ek_op init = ek_global_variables_initializer(g);

    ek_session *s = ek_session_create(g);
    EK_DIE(ek_run(s, .target = { init }));
    album drawn = draw(IMAGES, 1), unseen = draw(UNSEEN, 2);
    ek_array *yes = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ true }), *now = NULL, *loss_now = NULL;
    for (int i = 1; i <= STEPS; i++) {
        album batch = some(&drawn, i * BATCH % IMAGES);
        EK_DIE(ek_run(s, .feed = { { x, batch.images }, { labels, batch.labels }, { is_training, yes } },
                      .fetch = { { loss, &loss_now } }, .target = { train }));
        drop(&batch);
        if (i % 100 != 0) continue;
        EK_DIE(ek_run(s, .feed = { { x, unseen.images }, { labels, unseen.labels } }, .fetch = { { accuracy, &now } }));
        printf("after %3d steps: loss %.4f, unseen images named rightly %.1f %%\n", i, ek_array_get(loss_now, 0),
               100 * ek_array_get(now, 0));
    }
    const bool good = ek_array_get(now, 0) >= wanted;

    drop(&drawn);
    drop(&unseen);
    ek_array_unref(yes);
    ek_array_unref(now);
    ek_array_unref(loss_now);
    ek_session_destroy(s);
    ek_graph_destroy(g);
    return good ? 0 : 1;
}
