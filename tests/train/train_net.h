/* tests/train/train_net.h - the built-in mlp on drawn digits, for tests of the training loop. */
#ifndef EK_TESTS_TRAIN_NET_H
#define EK_TESTS_TRAIN_NET_H

#include "evenkeel/fit.h"
#include "evenkeel/models.h"
#include "support/support.h"

enum { NET_ROWS = 410 };

typedef struct net {
    ek_graph *graph;
    ek_session *session;
    ek_classifier c;
    ek_op train;
    ek_dataset *data, *test;
    ek_array *yes;
} net;

/* Two nets have the same bits. */
static inline net net_create(bool batch_norm)
{
    net n = { .graph = ek_graph_create(), .yes = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ true }) };

    ek_set_random_seed(n.graph, 1);
    n.c = ek_classifier_build(n.graph, ek_model_mlp_with, .batch_norm = batch_norm);
    ek_optimizer *adam = ek_adam_optimizer(n.graph, 0.005);
    n.train = ek_tensor_op(ek_train_op(n.c.loss, adam, .check_numerics = false));
    const ek_op init = ek_global_variables_initializer(n.graph);
    n.session = ek_session_create(n.graph, .threads = 1, .watch = EK_NO);
    assert_int_equal(EK_OK, ek_run(n.session, .target = { init }));
    assert_int_equal(EK_OK, ek_dataset_from_digits(1, NET_ROWS, &n.data, NULL));
    assert_int_equal(EK_OK, ek_dataset_from_digits(2, 130, &n.test, NULL));
    return n;
}

static inline void net_destroy(net *n)
{
    ek_session_destroy(n->session);
    ek_graph_destroy(n->graph);
    ek_dataset_destroy(n->data);
    ek_dataset_destroy(n->test);
    ek_array_unref(n->yes);
}

/* What every ek_fit of a net is told. */
#define NET_FIT(n)                                                                                              \
    .loss = (n).c.loss, .data = (n).data, .feed = { { (n).c.x, 0 }, { (n).c.labels, 1 } },                      \
    .also = { { (n).c.is_training, (n).yes } }, .metric = { { "accuracy", (n).c.right } }, .batch_size = 20, .seed = 4

#endif
