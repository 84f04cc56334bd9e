/* ops/bn_double.c - batch norm of float64, a few channels at a time, all loops plain.
 *
 * Rare in graphs, so right before fast: statistics in two passes about the mean.
 */
#include <math.h>

#include "ops/bn_state.h"
#include "ops/rules.h"

enum { GROUP = 64 };

typedef struct group {
    int64_t first, n; /* channels */
    double s1[GROUP], s2[GROUP], reference[GROUP];
    double place[EK_BN_ARRAYS * GROUP];
    double *mean, *a, *b, *gc, *gd; /* within */
    ek_bn_numbers numbers;
} group;

static const double *g_of(const ek_run_args *a, const ek_bn_state *s)
{
    if (!s->gradient) return NULL;
    return s->spec.at.activated >= 0 ? (const double *)((const char *)a->scratch + s->at_g) : a->in[s->spec.at.dy];
}

/* 1 where the gradient passes x, else 0: the activation is recomputed unless its output was given, and g has passed it. */
static double passes(const ek_bn_state *s, const group *q, int64_t j, double x)
{
    const double y = (x - q->mean[j]) * q->a[j] + q->b[j];

    if (s->spec.activation == EK_BN_PLAIN || s->spec.at.activated >= 0) return 1;
    return y > 0 && (s->spec.activation == EK_BN_RELU || y < 6) ? 1 : 0;
}

/* Calls `body` with element `e` of the group's channel `j`. */
#define EACH_ELEMENT(s, q, body)                                                                                       \
    for (int64_t o = 0; o < (s)->spec.view.outer; o++)                                                                 \
        for (int64_t j = 0; j < (q)->n; j++) {                                                                         \
            const int64_t from = (o * (s)->channels + (q)->first + j) * (s)->spec.view.inner;                          \
            for (int64_t e = from; e < from + (s)->spec.view.inner; e++) body                                          \
        }

static void sum_x(const ek_bn_state *s, const double *x, group *q)
{
    const double n = (double)s->count;

    for (int64_t j = 0; j < q->n; j++)
        q->reference[j] = s->count > 0 ? ek__bn_reference(x[(q->first + j) * s->spec.view.inner]) : (double)NAN;
    EACH_ELEMENT(s, q, { q->s1[j] += x[e] - q->reference[j]; })
    for (int64_t j = 0; j < q->n; j++) {
        q->reference[j] += q->s1[j] / n;
        q->s1[j] = 0;
    }
    EACH_ELEMENT(s, q, {
        const double d = x[e] - q->reference[j];
        q->s1[j] += d;
        q->s2[j] += d * d;
    })
    for (int64_t j = 0; j < q->n; j++)
        if (!isfinite(q->reference[j])) q->s1[j] = 0; /* an infinite mean stays what it is */
}

static void sum_g(const ek_bn_state *s, const double *x, const double *g, group *q)
{
    EACH_ELEMENT(s, q, {
        const double v = g[e] * passes(s, q, j, x[e]);
        q->s1[j] += v;
        q->s2[j] += v * (x[e] - q->mean[j]);
    })
}

static void channel_numbers(const ek_run_args *a, const ek_bn_state *s, group *q)
{
    const double *x = a->in[s->spec.at.x];

    if (s->gradient || !s->spec.training) ek__bn_given(a, s, q->first, q->n, &q->numbers);
    if (s->gradient) {
        sum_g(s, x, g_of(a, s), q);
        ek__bn_gradient(a, s, q->first, q->n, q->s1, q->s2, &q->numbers);
    } else if (s->spec.training) {
        sum_x(s, x, q);
        ek__bn_statistics(a, s, q->first, q->n, q->s1, q->s2, q->reference, &q->numbers);
    }
}

static void results(const ek_run_args *a, const ek_bn_state *s, const group *q)
{
    const double *x = a->in[s->spec.at.x], *g = g_of(a, s);
    double *y = a->out[s->spec.at.y];

    if (s->gradient)
        EACH_ELEMENT(s, q, {
            const double v = g[e] * passes(s, q, j, x[e]);
            y[e] = (q->a[j] * v + (x[e] - q->mean[j]) * q->gc[j]) + q->gd[j];
        })
    else
        EACH_ELEMENT(s, q, { y[e] = (x[e] - q->mean[j]) * q->a[j] + q->b[j]; })
    for (int64_t o = 0; o < s->spec.view.outer; o++)
        ek__bn_leave(a, s, (o * s->channels + q->first) * s->spec.view.inner, q->n * s->spec.view.inner);
}

static ek_status channels(const ek_run_args *a, int64_t chunk)
{
    const ek_bn_state *s = a->state;
    group q = {.first = chunk * GROUP};

    if (chunk == 0) ek__bn_nothing(a, s);
    q.n = s->channels - q.first < GROUP ? s->channels - q.first : GROUP;
    q.numbers = ek__bn_numbers_at(s, q.place, GROUP);
    q.mean = q.numbers.mean;
    q.a = q.numbers.a;
    q.b = q.numbers.b;
    q.gc = q.numbers.gc;
    q.gd = q.numbers.gd;
    channel_numbers(a, s, &q);
    if (s->spec.at.y >= 0) results(a, s, &q);
    return EK_OK;
}

void ek__bn_doubles(ek_prepare_ctx *c, ek_bn_state *s)
{
    ek__add_phase(c, ek__bn_copy, ek__bn_copies(s));
    ek__add_phase(c, channels, s->channels > 0 ? (s->channels + GROUP - 1) / GROUP : 1);
}
