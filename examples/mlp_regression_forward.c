/* mlp_regression_forward.c - batch normalization in a multi-layer perceptron for regression.
 *
 * What readers of the article ask most. Three things matter:
 *     - it stands in every hidden layer, between the product and the activation, and never after the output, whose
 *       mean and spread are what the network is to learn;
 *     - the products before it have no bias: beta takes its place;
 *     - the updates must run, or inference goes on using the statistics of the first day.
 * Here the network is not trained: only the statistics move, as they do in every training step. The program shows
 * that inference, wrong at first, comes to agree with training.
 */
#include <evenkeel/evenkeel.h>

#include <math.h>
#include <stdio.h>

enum { ROWS = 512, FEATURES = 4, WIDTH = 16, LAYERS = 3, STEPS = 600 };

/* One hidden layer: h -> relu(batch_norm(h * w)). */
static ek_tensor hidden(ek_graph *g, ek_tensor h, int64_t in, ek_tensor is_training, const char *name)
{
    ek_with_variable_scope(g, name) {
        ek_variable w = ek_get_variable(g, "kernel", .shape = EK_SHAPE(in, WIDTH),
                                        .initializer = ek_he_normal_initializer(.seed = 1));
        h = ek_batch_normalization(ek_matmul(h, w), .training = is_training, .momentum = 0.98);
        h = ek_relu(h);
    }
    return h;
}

/* Features on very different scales, as measurements are: the first layer sees a mean of 100 and a spread of 1000. */
static ek_array *rows(unsigned *state)
{
    ek_array *a = ek_array_of(EK_FLOAT32, EK_SHAPE(ROWS, FEATURES), NULL);
    const float scale[FEATURES] = { 1000, 1, 0.01f, 50 }, mean[FEATURES] = { 100, -3, 0, 7 };

    for (int i = 0; a != NULL && i < ROWS * FEATURES; i++) {
        *state = *state * 1664525u + 1013904223u;
        ek_array_f32(a)[i] = mean[i % FEATURES] + scale[i % FEATURES] * ((float)(*state >> 8) / 8388608.0f - 1.0f);
    }
    return a;
}

/* The largest difference, relative to the largest value. */
static double apart(const ek_array *a, const ek_array *b)
{
    double most = 0, largest = 1e-30;

    for (int64_t i = 0; i < ek_array_count(a); i++) {
        most = fmax(most, fabs(ek_array_get(a, i) - ek_array_get(b, i)));
        largest = fmax(largest, fabs(ek_array_get(a, i)));
    }
    return most / largest;
}

int main(void)
{
    ek_graph *g = ek_graph_create();
    ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, FEATURES), .name = "x");
    ek_tensor is_training = ek_placeholder_with_default(g, ek_bool(false), .shape = EK_SCALAR, .name = "is_training");
    ek_tensor h = x;

    for (int i = 0; i < LAYERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "hidden%d", i + 1);
        h = hidden(g, h, i == 0 ? FEATURES : WIDTH, is_training, name);
    }
    ek_variable w = ek_get_variable(g, "output/kernel", .shape = EK_SHAPE(WIDTH, 1),
                                    .initializer = ek_glorot_uniform_initializer(.seed = 2));
    ek_variable b = ek_get_variable(g, "output/bias", .shape = EK_SHAPE(1), .initializer = ek_zeros_initializer());
    ek_tensor y = ek_bias_add(ek_matmul(h, w), b, .name = "y");

    ek_list update_ops = ek_get_collection(g, EK_UPDATE_OPS);
    printf("%lld update operations, two for each hidden layer\n", (long long)update_ops.count);

    ek_session *s = ek_session_create(g);
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(g) }));

    ek_array *yes = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ true }), *trained = NULL, *served = NULL;
    unsigned state = 1;
    double first = 0, last = 0;
    for (int step = 0; step <= STEPS; step++) {
        ek_array *batch = rows(&state);
        EK_DIE(ek_run(s, .feed = { { x, batch } }, .fetch = { { y, &served } }));
        EK_DIE(ek_run(s, .feed = { { x, batch }, { is_training, yes } }, .fetch = { { y, &trained } },
                      .also = update_ops));
        last = apart(trained, served);
        if (step == 0) first = last;
        if (step % 100 == 0) printf("after %4d updates inference is %10.4g apart from training\n", step, last);
        ek_array_unref(batch);
    }
    ek_array_unref(yes);
    ek_array_unref(trained);
    ek_array_unref(served);
    ek_session_destroy(s);
    ek_graph_destroy(g);
    return first > 10.0 && last < 0.5 ? 0 : 1;
}
