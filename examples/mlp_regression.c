/* mlp_regression.c - batch normalization in a multi-layer perceptron for regression, trained.
 *
 * What readers of the article ask most. Four things matter:
 *     - batch norm stands in every hidden layer, between the product and the activation, and never after the output,
 *       whose mean and spread are what the network is to learn;
 *     - the products before it have no bias: beta takes its place;
 *     - the updates of the moving averages must run. ek_train_op ties them to the step;
 *     - their momentum must suit the number of steps: 0.99, the default, remembers some hundred steps; a run of a few
 *       hundred needs less.
 * The features lie on very different scales, as measurements do; a batch norm on the input takes care of that too. The
 * program ends with 0 when a test set is predicted within the error that it states.
 */
#include <evenkeel/evenkeel.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FEATURES = 4, WIDTH = 32, LAYERS = 3, ROWS = 4096, BATCH = 64, STEPS = 3000 };
static const double error_wanted = 0.1; /* root mean square; the targets' own deviation is about 1 */

typedef struct table {
    ek_array *x, *y;
} table;

static float chance(unsigned *state) /* even in [-1, 1) */
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 8388608.0f - 1.0f;
}

/* The first feature has a mean of 100 and a spread of 1000, the third is a hundred thousand times smaller. */
static table measure(int rows, unsigned seed)
{
    static const float mean[FEATURES] = { 100, -3, 0, 7 }, scale[FEATURES] = { 1000, 1, 0.01f, 50 };
    table t = { ek_array_of(EK_FLOAT32, EK_SHAPE(rows, FEATURES), NULL), ek_array_of(EK_FLOAT32, EK_SHAPE(rows, 1), NULL) };

    if (t.x == NULL || t.y == NULL) exit(1);
    for (int i = 0; i < rows; i++) {
        float u[FEATURES];
        for (int k = 0; k < FEATURES; k++) {
            u[k] = chance(&seed);
            ek_array_f32(t.x)[i * FEATURES + k] = mean[k] + scale[k] * u[k];
        }
        ek_array_f32(t.y)[i] = sinf(3 * u[0]) + u[1] * u[2] + fabsf(u[3]) - 0.5f;
    }
    return t;
}

static void drop(table *t)
{
    ek_array_unref(t->x);
    ek_array_unref(t->y);
}

/* BATCH rows beginning with number `from`, copied. */
static table some_rows(const table *t, int from)
{
    return (table){ ek_array_of(EK_FLOAT32, EK_SHAPE(BATCH, FEATURES), ek_array_f32(t->x) + from * FEATURES),
                    ek_array_of(EK_FLOAT32, EK_SHAPE(BATCH, 1), ek_array_f32(t->y) + from) };
}

int main(void)
{
    ek_graph *g = ek_graph_create();
    ek_set_random_seed(g, 1);
    ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, FEATURES), .name = "x");
    ek_tensor y = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 1), .name = "y");
    ek_tensor is_training = ek_placeholder_with_default(g, ek_bool(false), .name = "is_training");

    ek_tensor h = ek_batch_normalization(x, .training = is_training, .momentum = 0.9, .center = false, .scale = false);
    for (int i = 0; i < LAYERS; i++) {
        h = ek_dense(h, WIDTH, .use_bias = false);
        h = ek_batch_normalization(h, .training = is_training, .momentum = 0.9);
        h = ek_relu(h);
    }
    ek_tensor predicted = ek_dense(h, 1, .name = "predicted");
    ek_tensor loss = ek_losses_mean_squared_error(y, predicted);
    ek_variable step = ek_get_or_create_global_step(g);
    ek_tensor rate = ek_exponential_decay(0.01, step, 500, 0.5);
    ek_tensor train = ek_train_op(loss, ek_adam_optimizer(g, rate), .global_step = step);
    ek_op init = ek_global_variables_initializer(g);

    ek_session *s = ek_session_create(g);
    EK_DIE(ek_run(s, .target = { init }));
    table measured = measure(ROWS, 1), unseen = measure(1000, 2);
    ek_array *yes = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ true }), *now = NULL;
    double error = 0;
    for (int i = 0; i <= STEPS; i++) {
        if (i % 500 == 0) {
            EK_DIE(ek_run(s, .feed = { { x, unseen.x }, { y, unseen.y } }, .fetch = { { loss, &now } }));
            error = sqrt(ek_array_get(now, 0));
            printf("after %4d steps: root mean square error on rows never seen %.4f\n", i, error);
        }
        table batch = some_rows(&measured, i * BATCH % ROWS);
        EK_DIE(ek_run(s, .feed = { { x, batch.x }, { y, batch.y }, { is_training, yes } }, .fetch = { { train, &now } }));
        drop(&batch);
    }
    printf("%s: below %.2f was wanted\n", error < error_wanted ? "done" : "not good enough", error_wanted);

    drop(&measured);
    drop(&unseen);
    ek_array_unref(yes);
    ek_array_unref(now);
    ek_session_destroy(s);
    ek_graph_destroy(g);
    return error < error_wanted ? 0 : 1;
}
