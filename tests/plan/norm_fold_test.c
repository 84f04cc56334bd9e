/* A batch norm at inference that goes into the product or convolution before it keeps the numbers, however far the mean is
 * from zero: beside float64, where the product itself is exact. */
#include "runtime/build.h"

#include <math.h>

#include "evenkeel/evenkeel.h"
#include "runtime/runtime.h"

enum { ROWS = 40, CHANNELS = 19 };
#define EPSILON 1e-9

typedef struct spread {
    double mean, deviation, bias; /* bias 0: none is added */
} spread;

/* What is stored, per channel, in float32. */
typedef struct stored {
    ek_array *x, *weights, *mean, *variance, *gamma, *beta, *bias;
} stored;

static float between(uint64_t *seed, double low, double high)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (float)(low + (high - low) * (double)(*seed >> 40) / (double)(1 << 24));
}

static stored make(const spread *n)
{
    uint64_t seed = 17;
    stored s = { f32(EK_SHAPE(ROWS, CHANNELS), NULL), f32(EK_SHAPE(CHANNELS, CHANNELS), NULL), f32(EK_SHAPE(CHANNELS), NULL),
                 f32(EK_SHAPE(CHANNELS), NULL), f32(EK_SHAPE(CHANNELS), NULL), f32(EK_SHAPE(CHANNELS), NULL),
                 f32(EK_SHAPE(CHANNELS), NULL) };

    for (int c = 0; c < CHANNELS; c++) {
        for (int k = 0; k < CHANNELS; k++) ek_array_f32(s.weights)[k * CHANNELS + c] = k == c ? 1 : 0;
        ek_array_f32(s.mean)[c] = (float)(n->mean + n->deviation * (double)between(&seed, -1, 1));
        ek_array_f32(s.variance)[c] = (float)(n->deviation * n->deviation) * between(&seed, 0.5, 2);
        ek_array_f32(s.gamma)[c] = between(&seed, 0.5, 2);
        ek_array_f32(s.beta)[c] = between(&seed, -1, 1);
        ek_array_f32(s.bias)[c] = (float)n->bias * between(&seed, 0.5, 2);
        for (int r = 0; r < ROWS; r++)
            ek_array_f32(s.x)[r * CHANNELS + c] =
                (float)((double)ek_array_f32(s.mean)[c] - (double)ek_array_f32(s.bias)[c] +
                        n->deviation * (double)between(&seed, -2, 2));
    }
    return s;
}

static void forget(stored *s)
{
    ek_array *const all[] = { s->x, s->weights, s->mean, s->variance, s->gamma, s->beta, s->bias };

    for (int i = 0; i < COUNT(all); i++) ek_array_unref(all[i]);
}

/* How the graph holds the parameters. */
typedef enum kept { CONSTANTS, VARIABLES } kept;

typedef struct net {
    ek_graph *g;
    ek_session *s;
    ek_tensor x, y, rectified;
} net;

static ek_tensor parameter(net *n, kept how, const char *name, ek_array *value, ek_op *assign, int *n_assigns)
{
    if (how == CONSTANTS) return constant(n->g, name, ek_array_ref(value));
    const ek_tensor v = variable(n->g, "VariableV2", name, *ek_array_shape(value));
    char text[80];

    snprintf(text, sizeof text, "%s/value", name);
    const ek_tensor c = constant(n->g, text, ek_array_ref(value));
    snprintf(text, sizeof text, "%s/assign", name);
    assign[(*n_assigns)++] = write_to(n->g, "Assign", text, v, c, NULL, 0);
    snprintf(text, sizeof text, "%s/read", name);
    return unary(n->g, "Identity", text, v);
}

/* A product of [ROWS, CHANNELS], or a convolution of one image of ROWS points. */
static net build(const stored *s, const spread *by, kept how, bool image)
{
    net n = { .g = ek_graph_create() };
    ek_op assign[6];
    int n_assigns = 0;
    ek_tensor h;

    n.x = placeholder(n.g, "x", EK_FLOAT32, image ? EK_SHAPE(1, ROWS, 1, CHANNELS) : EK_SHAPE(-1, CHANNELS));
    ek_array *weights = f32(image ? EK_SHAPE(1, 1, CHANNELS, CHANNELS) : EK_SHAPE(CHANNELS, CHANNELS), ek_array_f32(s->weights));
    const ek_tensor w = parameter(&n, how, "w", weights, assign, &n_assigns);
    ek_array_unref(weights);
    h = image ? ek_nn_conv2d(n.x, w, .padding = "SAME") : ek_matmul(n.x, w);
    if (by->bias != 0) h = ek_bias_add(h, parameter(&n, how, "bias", s->bias, assign, &n_assigns));
    n.y = ek_nn_batch_normalization(h, .mean = EK_OPERAND(parameter(&n, how, "mean", s->mean, assign, &n_assigns)),
                                    .variance = EK_OPERAND(parameter(&n, how, "variance", s->variance, assign, &n_assigns)),
                                    .offset = EK_OPERAND(parameter(&n, how, "beta", s->beta, assign, &n_assigns)),
                                    .scale = EK_OPERAND(parameter(&n, how, "gamma", s->gamma, assign, &n_assigns)),
                                    .variance_epsilon = EPSILON);
    n.rectified = ek_relu(n.y);
    EK_DIE(ek_graph_status(n.g, NULL));
    n.s = ek_session_create(n.g, .fuse = EK_YES);
    for (int i = 0; i < n_assigns; i++) EK_DIE(ek_run(n.s, .target = { assign[i] }));
    return n;
}

/* Whether the plan of the run has as few steps as the fold leaves. */
static void check_folded(const net *n, int most)
{
    int plans = 0;

    for (int i = 0; i < EK_CACHE_SIZE; i++) {
        const ek_entry *e = atomic_load(&n->s->cache.entry[i]);

        if (e == NULL || e->plan->n_norms == 0) continue;
        plans++;
        if (e->plan->n_steps > most) fail_msg("%d steps: the batch norm is one of its own", (int)e->plan->n_steps);
    }
    assert_true(plans > 0);
}

static void check(const stored *s, const spread *by, const net *n, bool rectify, bool image)
{
    const ek_shape shape = image ? EK_SHAPE(1, ROWS, 1, CHANNELS) : EK_SHAPE(ROWS, CHANNELS);
    ek_array *x = f32(shape, ek_array_f32(s->x)), *y = NULL;
    double largest = 0, furthest = 0;

    EK_DIE(ek_run(n->s, .feed = { { n->x, x } }, .fetch = { { rectify ? n->rectified : n->y, &y } }));
    for (int i = 0; i < ROWS * CHANNELS; i++) {
        const int c = i % CHANNELS;
        const double inverse = 1 / sqrt(ek_array_get(s->variance, c) + EPSILON);
        const double h = ek_array_get(s->x, i) + (by->bias != 0 ? ek_array_get(s->bias, c) : 0);
        double want = (h - ek_array_get(s->mean, c)) * inverse * ek_array_get(s->gamma, c) + ek_array_get(s->beta, c);

        if (rectify) want = fmax(want, 0);
        largest = fmax(largest, fabs(want));
        furthest = fmax(furthest, fabs(want - ek_array_get(y, i)));
    }
    if (!(furthest <= 2e-5 * largest))
        fail_msg("mean %g, deviation %g, bias %g: %g of the largest value", by->mean, by->deviation,
                 by->bias, furthest / largest);
    ek_array_unref(x);
    ek_array_unref(y);
}

static void a_far_mean_costs_no_digits(void **state)
{
    static const spread all[] = { { 0, 1, 0 },      { 30, 1, 0 },       { -99, 1, 0 },       { 1e4, 1e-2, 0 },
                                   { -3e3, 0.1, 0 }, { 1e4, 1e-2, 1.5 }, { 0, 1e-2, 1e4 },    { 1e6, 1, 0.25 } };

    (void)state;
    for (int i = 0; i < COUNT(all); i++) {
        stored s = make(&all[i]);

        for (int how = 0; how < 8; how++) {
            const kept held = how % 2 != 0 ? VARIABLES : CONSTANTS;
            const net n = build(&s, &all[i], held, how >= 4);

            check(&s, &all[i], &n, how % 4 >= 2, how >= 4);
            check_folded(&n, held == CONSTANTS ? 1 : 2);
            ek_session_destroy(n.s);
            ek_graph_destroy(n.g);
        }
        forget(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_far_mean_costs_no_digits) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
