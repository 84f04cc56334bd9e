/* tests/runtime/watch_net.h - small networks to train and watch, and somebody who remembers what was said. */
#ifndef EK_TESTS_RUNTIME_WATCH_NET_H
#define EK_TESTS_RUNTIME_WATCH_NET_H

#include "support/support.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* ---- what was said --------------------------------------------------------------------------------- */

enum { MOST_HEARD = 16 };

typedef struct heard {
    atomic_int n;
    struct {
        char rule[8], place[80], text[1024];
        ek_severity severity;
        int64_t places;
    } at[MOST_HEARD];
} heard;

static inline void hear(const ek_finding *f, void *arg)
{
    heard *h = arg;
    const int i = atomic_fetch_add(&h->n, 1);

    if (i >= MOST_HEARD) return;
    snprintf(h->at[i].rule, sizeof h->at[i].rule, "%s", f->rule);
    snprintf(h->at[i].place, sizeof h->at[i].place, "%s", f->place);
    snprintf(h->at[i].text, sizeof h->at[i].text, "%s", f->text);
    h->at[i].severity = f->severity;
    h->at[i].places = f->places;
}

/* The rules that were broken, in the order said: "BN001 BN013". */
static inline void expect_heard(const heard *h, const char *rules)
{
    char all[256] = "";

    for (int i = 0; i < atomic_load(&h->n) && i < MOST_HEARD; i++) {
        if (i > 0) strcat(all, " ");
        strcat(all, h->at[i].rule);
    }
    if (strcmp(all, rules) == 0) return;
    for (int i = 0; i < atomic_load(&h->n) && i < MOST_HEARD; i++) print_message("%s: %s\n", h->at[i].rule, h->at[i].text);
    fail_msg("heard '%s', not '%s'", all, rules);
}

/* ---- networks -------------------------------------------------------------------------------------------- */

/* Plain gradient descent on every trainable variable, as one op. */
static inline ek_op descend(ek_graph *g, ek_tensor loss)
{
    const ek_list variables = ek_get_collection(g, EK_TRAINABLE_VARIABLES);
    const ek_gradient_list d = ek_gradients(EK_LIST(loss), variables);
    const ek_tensor rate = ek_constant(g, ek_float(0.1));
    ek_op step[32];
    int n = 0;

    for (int64_t i = 0; i < d.count; i++) {
        const ek_variable v = variables.item[i].u.variable;
        const ek_tensor at = { g, ek_variable_op(v).id, 0 }, in[] = { at, rate, d.at[i].value };

        if (!ek_gradient_ok(d.at[i])) continue;
        step[n++] = ek_op_build(g, ek_tensor_dtype(at) == EK_RESOURCE ? "ResourceApplyGradientDescent" : "ApplyGradientDescent",
                                .inputs = in, .n_inputs = 3);
    }
    return ek_op_build(g, "NoOp", .name = "train", .control = step, .n_control = n);
}

typedef struct net {
    ek_graph *g;
    ek_tensor x, flag, y, loss;
    ek_op train;
} net;

enum { WIDTH = 4 };

static inline ek_tensor product(ek_tensor x, const char *name, int64_t in)
{
    return ek_matmul(x, ek_variable_value(ek_get_variable(x.graph, name, .shape = EK_SHAPE(in, WIDTH))));
}

/* x times a kernel, batch norm "norm"; the loss is something of its output. `updates`: the step waits for them. */
static inline net finish(net n, ek_tensor h, bool updates)
{
    n.y = ek_relu(h);
    n.loss = ek_reduce_mean(ek_square(ek_minus(n.y, 0.5)));
    if (updates)
        ek_with_control_dependencies(n.g, ek_get_collection(n.g, EK_UPDATE_OPS)) n.train = descend(n.g, n.loss);
    else
        n.train = descend(n.g, n.loss);
    return n;
}

static inline net begin(void)
{
    net n = { .g = ek_graph_create() };

    n.x = ek_placeholder(n.g, EK_FLOAT32, .shape = EK_SHAPE(-1, 3), .name = "x");
    n.flag = ek_placeholder_with_default(n.g, ek_bool(false), .name = "is_training");
    return n;
}

static inline net dense(ek_tensor training, double momentum, bool updates)
{
    net n = begin();

    return finish(n, ek_batch_normalization(product(n.x, "w", 3), .training = training, .momentum = momentum, .name = "norm"),
                  updates);
}

/* The same by TensorFlow's fused op. */
static inline net fused(ek_tensor training, double momentum, bool updates)
{
    net n = begin();
    const ek_tensor h = ek_reshape(product(n.x, "w", 3), EK_SHAPE(-1, 1, 1, WIDTH));

    return finish(n, ek_batch_normalization(h, .training = training, .momentum = momentum, .name = "norm"), updates);
}

/* With the flag of the network itself. */
static inline net flagged(bool is_fused, double momentum, bool updates)
{
    net n = begin();
    ek_tensor h = product(n.x, "w", 3);

    if (is_fused) h = ek_reshape(h, EK_SHAPE(-1, 1, 1, WIDTH));
    return finish(n, ek_batch_normalization(h, .training = n.flag, .momentum = momentum, .name = "norm"), updates);
}

static inline ek_session *session_of(const net *n, heard *h)
{
    ek_error err = { 0 };
    ek_session *s;

    if (ek_graph_status(n->g, &err) != EK_OK) fail_msg("%s:%d: %s", err.file, err.line, err.text);
    s = ek_session_create(n->g, .report = hear, .report_arg = h);
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(n->g) }));
    return s;
}

static inline ek_array *rows(int64_t n)
{
    float v[64 * 3];

    for (int64_t i = 0; i < n * 3; i++) v[i] = (float)((i * 7919) % 31) / 10 - 1;
    return ek_array_of(EK_FLOAT32, EK_SHAPE(n, 3), v);
}

/* A step of training with so many rows; `flag` is fed where it is not NULL. */
static inline ek_status step(ek_session *s, const net *n, int64_t batch, const bool *flag, ek_list also)
{
    ek_array *x = rows(batch), *f = flag != NULL ? ek_array_of(EK_BOOL, EK_SCALAR, flag) : NULL;
    const ek_feed feed[] = { { n->x, x }, { n->flag, f } };
    ek_status st = EK_RESOURCE_EXHAUSTED;

    if (x != NULL && (f != NULL) == (flag != NULL))
        st = ek_run(s, .feeds = feed, .n_feeds = f != NULL ? 2 : 1, .target = { n->train }, .also = also);

    ek_array_unref(x);
    ek_array_unref(f);
    return st;
}

static inline void train(ek_session *s, const net *n, int steps, int64_t batch)
{
    for (int i = 0; i < steps; i++) EK_DIE(step(s, n, batch, NULL, EK_EMPTY_LIST));
}

static inline void train_flagged(ek_session *s, const net *n, int steps, int64_t batch, bool flag)
{
    for (int i = 0; i < steps; i++) EK_DIE(step(s, n, batch, &flag, EK_EMPTY_LIST));
}

static inline void infer(ek_session *s, const net *n, int64_t batch)
{
    ek_array *x = rows(batch);

    EK_DIE(ek_run(s, .feed = { { n->x, x } }, .fetch = { { n->y, NULL } }));
    ek_array_unref(x);
}

static inline void end(ek_session *s, const net *n)
{
    ek_session_destroy(s);
    ek_graph_destroy(n->g);
}

/* All of it: so many steps, after which these rules and no other were broken. */
static inline void train_and_hear(const net *n, int steps, int64_t batch, const char *rules, heard *h)
{
    ek_session *s = session_of(n, h);

    train(s, n, steps, batch);
    expect_heard(h, rules);
    end(s, n);
}

#endif
