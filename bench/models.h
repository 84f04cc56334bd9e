/* bench/models.h - the networks whose training steps are timed, and tested: as bench/train_peers.py has them.
 */
#ifndef EK_BENCH_MODELS_H
#define EK_BENCH_MODELS_H

#include "evenkeel/evenkeel.h"

static inline ek_tensor bench_logits(ek_tensor x) { return ek_dense(x, 10, .name = "logits"); }

/* 784-100-100-100-10: dense with bias, batch norm, sigmoid. (The built-in one has no bias before a batch norm, its peers do.) */
static inline ek_tensor bench_mlp(ek_tensor x)
{
    for (int i = 0; i < 3; i++) x = ek_sigmoid(ek_batch_normalization(ek_dense(x, 100), .training = EK_TRUE));
    return bench_logits(x);
}

static inline ek_tensor bench_conv_bn(ek_tensor x, int64_t filters, int64_t kernel, int64_t stride)
{
    x = ek_conv2d(x, filters, kernel, .strides = stride, .padding = "same", .use_bias = false);
    return ek_batch_normalization(x, .training = EK_TRUE);
}

/* Three 3x3 convolutions with batch norm and ReLU. */
static inline ek_tensor bench_convnet(ek_tensor x)
{
    for (int i = 0; i < 3; i++) x = ek_relu(bench_conv_bn(x, 16 << i, 3, i == 0 ? 1 : 2));
    return bench_logits(ek_reduce_mean(x, .axis = EK_AXES(1, 2)));
}

/* That of CIFAR, which is built in. */
static inline ek_tensor bench_resnet20(ek_tensor x)
{
    return ek_model_resnet20(x, .training = EK_TRUE, .momentum = 0.99);
}

static inline ek_optimizer *bench_descent(ek_graph *g) { return ek_gradient_descent_optimizer(g, 0.1); }
static inline ek_optimizer *bench_adam(ek_graph *g) { return ek_adam_optimizer(g, 0.001); }
static inline ek_optimizer *bench_momentum(ek_graph *g) { return ek_momentum_optimizer(g, 0.1, 0.9); }

typedef struct bench_model {
    const char *name;
    int32_t rank;
    int64_t batch, features[3];
    ek_tensor (*logits)(ek_tensor x);
    ek_optimizer *(*optimizer)(ek_graph *g);
} bench_model;
enum { BENCH_MODELS = 4 };
static const bench_model bench_models[BENCH_MODELS] = {
    { "mlp", 2, 60, { 784 }, bench_mlp, bench_descent },
    { "mlp_adam", 2, 60, { 784 }, bench_mlp, bench_adam },
    { "convnet", 4, 128, { 32, 32, 3 }, bench_convnet, bench_descent },
    { "resnet20", 4, 32, { 32, 32, 3 }, bench_resnet20, bench_momentum },
};

/* A model with its training step: graph, and what is fed, fetched and run. */
typedef struct bench_net {
    ek_graph *graph;
    ek_tensor x, labels, loss;
    ek_op train, init;
} bench_net;

static inline ek_shape bench_shape(const bench_model *m, int64_t batch)
{
    return (ek_shape){ .rank = m->rank, .dim = { batch, m->features[0], m->features[1], m->features[2] } };
}

static inline bench_net bench_net_make(const bench_model *m)
{
    ek_graph *const g = ek_graph_create();
    bench_net n = { .graph = g };

    ek_set_random_seed(g, 1);
    n.x = ek_placeholder(g, EK_FLOAT32, .shape = bench_shape(m, -1), .name = "x");
    n.labels = ek_placeholder(g, EK_INT64, .shape = EK_SHAPE(-1), .name = "labels");
    n.loss = ek_losses_sparse_softmax_cross_entropy(n.labels, m->logits(n.x));
    ek_with_control_dependencies(g, ek_get_collection(g, EK_UPDATE_OPS)) n.train = ek_minimize(m->optimizer(g), n.loss);
    n.init = ek_global_variables_initializer(g);
    EK_DIE(ek_graph_status(g, NULL));
    return n;
}

static inline ek_array *bench_images(const bench_model *m, int64_t batch)
{
    ek_array *a = ek_array_of(EK_FLOAT32, bench_shape(m, batch), NULL);
    unsigned seed = 1;

    for (int64_t i = 0; i < ek_array_count(a); i++) {
        seed = seed * 1664525u + 1013904223u;
        ek_array_f32(a)[i] = (float)(seed >> 8) / (float)(1u << 22) - 2.0f;
    }
    return a;
}

static inline ek_array *bench_labels(int64_t batch)
{
    ek_array *a = ek_array_of(EK_INT64, EK_SHAPE(batch), NULL);

    for (int64_t i = 0; i < batch; i++) ((int64_t *)ek_array_data(a))[i] = i % 10;
    return a;
}

#endif
