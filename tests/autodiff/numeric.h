/* tests/autodiff/numeric.h - gradients held against central differences. */
#ifndef EK_TESTS_NUMERIC_H
#define EK_TESTS_NUMERIC_H

#include <math.h>
#include <string.h>

#include "base/base.h"
#include "graph/node.h"
#include "support/support.h"
#include "values/array.h"

enum { MOST_ARGS = 6, MOST_HELD = 16 };

/* What is varied: placeholders that are fed, or variables, which are assigned before the run. All float64 or float32. */
typedef struct numeric {
    ek_graph *g;
    ek_session *s;
    int n;
    ek_item x[MOST_ARGS];
    ek_tensor fed[MOST_ARGS];    /* the placeholder, of a variable the one that its assignment reads */
    ek_op assign[MOST_ARGS];     /* id < 0: x is fed itself */
    ek_array *value[MOST_ARGS];
    int n_held;                  /* outputs of StopGradient nodes that are fed with what they are, see numeric_hold */
    ek_feed held[MOST_HELD];
    double step, tolerance;      /* of the differences; relative to the largest number of the gradient, and 1 */
    const char *name;
    uint64_t random;
} numeric;

static inline double numeric_random(numeric *t)
{
    t->random = t->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(t->random >> 11) * 0x1p-53;
}

static inline void numeric_set(ek_array *a, int64_t i, double v)
{
    if (a->dtype == EK_FLOAT64) ek_array_f64(a)[i] = v;
    else ek_array_f32(a)[i] = (float)v;
}

/* Numbers between low and high, each at least half an n-th of that away from every other, in no order. */
static inline ek_array *numeric_spread(numeric *t, ek_dtype dtype, ek_shape shape, double low, double high)
{
    ek_array *a = ek_array_of(dtype, shape, NULL);
    const int64_t n = a->count;

    for (int64_t i = 0; i < n; i++) numeric_set(a, i, low + (high - low) * ((double)i + 0.25 + 0.5 * numeric_random(t)) / (double)n);
    for (int64_t i = n - 1; i > 0; i--) {
        const int64_t k = (int64_t)(numeric_random(t) * (double)(i + 1));
        const double v = ek_array_get(a, i);
        numeric_set(a, i, ek_array_get(a, k));
        numeric_set(a, k, v);
    }
    return a;
}

static inline void numeric_feed(numeric *t, ek_tensor placeholder, ek_array *value)
{
    t->fed[t->n] = placeholder;
    t->assign[t->n] = (ek_op){ t->g, -1 };
    t->x[t->n] = ek_item_of_tensor(placeholder);
    t->value[t->n++] = value;
}

static inline void numeric_vary(numeric *t, ek_variable v, ek_array *value)
{
    t->fed[t->n] = ek_placeholder(t->g, value->dtype, .shape = value->shape);
    t->assign[t->n] = ek_tensor_op(ek_assign(v, t->fed[t->n]));
    t->x[t->n] = ek_item_of_variable(v);
    t->value[t->n++] = value;
}

static inline void numeric_run(numeric *t, ek_op target, ek_fetch *fetch, int n_fetch)
{
    ek_feed feed[MOST_ARGS + MOST_HELD];
    ek_error err = { 0 };
    ek_op targets[] = { target };

    for (int i = 0; i < t->n; i++) feed[i] = (ek_feed){ t->fed[i], t->value[i] };
    for (int i = 0; i < t->n_held; i++) feed[t->n + i] = t->held[i];
    if (ek_run(t->s, .targets = targets, .n_targets = target.id >= 0, .feeds = feed, .n_feeds = t->n + t->n_held, .fetches = fetch,
               .n_fetches = n_fetch, .error = &err) != EK_OK)
        fail_msg("%s: %s", t->name, err.text);
}

static inline void numeric_settle(numeric *t, int arg)
{
    if (t->assign[arg].id >= 0) numeric_run(t, t->assign[arg], NULL, 0);
}

static inline double numeric_value(numeric *t, ek_tensor scalar)
{
    ek_array *out = NULL;
    ek_fetch fetch = { scalar, &out };

    numeric_run(t, (ek_op){ t->g, -1 }, &fetch, 1);
    const double v = ek_array_get(out, 0);
    ek_array_unref(out);
    return v;
}

/* y * w for weights without an order, summed in float64. */
static inline ek_tensor numeric_weigh(numeric *t, ek_tensor y)
{
    ek_array *got = NULL;
    ek_fetch fetch = { y, &got };
    const ek_tensor wide = ek_cast(y, EK_FLOAT64);

    numeric_run(t, (ek_op){ t->g, -1 }, &fetch, 1);
    if (!ek_dtype_is_floating(got->dtype)) fail_msg("%s: the result is no floating tensor", t->name);
    ek_array *w = numeric_spread(t, EK_FLOAT64, got->shape, -1, 1.5);
    const ek_tensor sum = ek_reduce_sum(ek_times(wide, ek_constant(t->g, ek_value(w))));
    ek_array_unref(w);
    ek_array_unref(got);
    return sum;
}

static inline ek_gradient_list numeric_gradients(numeric *t, ek_tensor scalar)
{
    const ek_gradient_list d = ek_gradients(EK_LIST(scalar), ((ek_list){ t->g, t->x, t->n }));
    ek_error err = { 0 };

    if (ek_graph_status(t->g, &err) != EK_OK) fail_msg("%s: %s", t->name, err.text);
    return d;
}

/* Element k of argument `arg`. */
static inline void numeric_element(numeric *t, ek_tensor scalar, int arg, int64_t k, double got, double largest, const char *what)
{
    const double at = ek_array_get(t->value[arg], k);
    double side[2];

    for (int i = 0; i < 2; i++) {
        numeric_set(t->value[arg], k, at + (i == 0 ? t->step : -t->step));
        numeric_settle(t, arg);
        side[i] = numeric_value(t, scalar);
    }
    numeric_set(t->value[arg], k, at);
    numeric_settle(t, arg);
    const double want = (side[0] - side[1]) / (2 * t->step);
    if (!(fabs(want - got) <= t->tolerance * (1 + largest)))
        fail_msg("%s: %s derivative by element %lld of argument %d is %.9g, differences say %.9g", t->name, what, (long long)k, arg, got, want);
}

/* The gradients of a scalar against differences of it; what has none must not move it. */
static inline void numeric_compare(numeric *t, ek_tensor scalar, ek_gradient_list d, const char *what)
{
    for (int i = 0; i < t->n; i++) {
        ek_array *got = NULL;
        double largest = 0;
        if (ek_gradient_ok(d.at[i])) {
            ek_fetch fetch = { ek_gradient_dense(d.at[i]), &got };
            numeric_run(t, (ek_op){ t->g, -1 }, &fetch, 1);
            if (!ek_shape_equal(&got->shape, &t->value[i]->shape)) fail_msg("%s: gradient %d has another shape than its argument", t->name, i);
        }
        for (int64_t k = 0; got != NULL && k < got->count; k++) largest = fmax(largest, fabs(ek_array_get(got, k)));
        for (int64_t k = 0; k < t->value[i]->count; k++)
            numeric_element(t, scalar, i, k, got != NULL ? ek_array_get(got, k) : 0, largest, what);
        ek_array_unref(got);
    }
}

/* The gradients, each weighted and summed, as one number. */
static inline ek_tensor numeric_weigh_gradients(numeric *t, ek_gradient_list d)
{
    ek_tensor sum = { t->g, -1, 0 };

    for (int i = 0; i < t->n; i++) {
        if (!ek_gradient_ok(d.at[i])) continue;
        const ek_tensor part = numeric_weigh(t, ek_gradient_dense(d.at[i]));
        sum = ek_tensor_ok(sum) ? ek_plus(sum, part) : part;
    }
    return sum;
}

/* A gradient takes what a StopGradient gives for a constant, and so do differences of it from now on. (TensorFlow's moments
 * hold the mean so within the variance: right for first derivatives, of which it has none, and missing in second ones.) */
static inline void numeric_hold(numeric *t)
{
    for (int32_t i = 0; i < t->g->n_nodes && t->n_held < MOST_HELD; i++) {
        ek_array *value = NULL;
        const ek_tensor still = { t->g, i, 0 };
        ek_fetch fetch = { still, &value };
        if (strcmp(t->g->node[i]->type, "StopGradient") != 0 || t->g->node[i]->context != 0) continue;
        numeric_run(t, (ek_op){ t->g, -1 }, &fetch, 1);
        t->held[t->n_held++] = (ek_feed){ still, value };
    }
}

/* First order, and second where asked for. */
static inline void numeric_check(numeric *t, ek_tensor y, bool second)
{
    const ek_tensor loss = numeric_weigh(t, y);
    const ek_gradient_list d = numeric_gradients(t, loss);

    numeric_compare(t, loss, d, "first");
    if (!second) return;
    const ek_tensor slope = numeric_weigh_gradients(t, d);
    if (!ek_tensor_ok(slope)) return;
    numeric_hold(t);
    numeric_compare(t, slope, numeric_gradients(t, slope), "second");
}

static inline void numeric_end(numeric *t)
{
    for (int i = 0; i < t->n; i++) ek_array_unref(t->value[i]);
    for (int i = 0; i < t->n_held; i++) ek_array_unref((ek_array *)(uintptr_t)t->held[i].value);
    ek_session_destroy(t->s);
    ek_graph_destroy(t->g);
}

#endif
