/* sites/forward.c - batch norm written out: from each root of a small value to an x that makes it an inverse
 * deviation, and to the tensors that are gamma * (x - mean) * inverse + beta.
 */
#include "sites/search.h"

#include <math.h>

enum { MOST_HYPOTHESES = 64, MOST_ALIVE = 60, MOST_ANCESTORS = 8, DEPTH_OF_ANCESTORS = 10, LENGTH_OF_CHAIN = 4 };

typedef struct hypothesis {
    bool train;
    int32_t x, entry; /* entry: the large operand that led here; -1 in training */
} hypothesis;

typedef struct roles {
    int32_t gamma, beta, mean;
} roles;

typedef struct result {
    int32_t y;
    roles r;
    uint32_t axes, kept;
    int computed; /* parameters that are no leaves */
} result;

/* One anchor under one hypothesis. */
typedef struct trial {
    ek_search *q;
    ek_env *e;
    int32_t anchor, inner, variance; /* variance: the leaf behind the stored one; -1 */
    bool train;
    double epsilon;
    ek_coef inverse; /* on the axes of x */
    result found[MOST_ALIVE];
    int n_found;
} trial;

/* ---- where to look ------------------------------------------------------------------------------ */

static bool had(const int32_t *list, int n, int32_t t)
{
    for (int i = 0; i < n; i++)
        if (list[i] == t) return true;
    return false;
}

/* The first operand of c that is larger than t; -1. What does not depend on data is smaller than what does. */
static int32_t larger_operand(const ek_scene *s, const ek_node *c, int32_t t, bool stored)
{
    for (int i = 0; i < c->n_in; i++) {
        const int32_t r = ek__scene_root_in(s, c, i);

        if (!s->floats[r] || r == t) continue;
        if (ek__scene_count(s, r) > ek__scene_count(s, t) || (stored && s->data[s->node_of[r]])) return r;
    }
    return -1;
}

void ek__spread(ek_search *q, int32_t anchor)
{
    static const char *const repeats[] = {"Tile", "BroadcastTo", "Fill"};
    const ek_scene *s = q->s;
    const bool stored = !s->data[s->node_of[anchor]];

    q->n_entries = 0;
    q->channel[0] = anchor;
    q->n_channel = 1;
    for (int i = 0; i < q->n_channel; i++) {
        const int32_t t = q->channel[i];

        for (int32_t u = s->user_first[t]; u < s->user_first[t + 1]; u++) {
            const ek_node *c = s->g->node[s->user[u]];
            const int32_t out = s->first[c->id];
            bool further = c->n_out > 0 && ek__followed(c) && s->floats[out];

            if (!further) continue;
            const int32_t large = larger_operand(s, c, t, stored);
            if (large >= 0 && (ek__scene_count(s, out) > ek__scene_count(s, t) || stored)) {
                if (q->n_entries < EK_MOST_ENTRIES) q->entry[q->n_entries++] = (ek_entry){c->id, t, large};
                further = s->shape[t].rank == 0 || (ek__scene_count(s, t) == 1 && ek__scene_count(s, out) <= 1) ||
                          s->value[large] != NULL;
            } else if (ek__is_one_of(c, repeats, EK_COUNT_OF(repeats))) {
                further = false;
            }
            if (further && q->n_channel < EK_MOST_CHANNEL && !had(q->channel, q->n_channel, out))
                q->channel[q->n_channel++] = out;
        }
    }
}

int ek__affine_chain(const ek_scene *s, int32_t t, int most, int32_t *out)
{
    static const char *const steps[] = {"Sub", "Add", "AddV2", "Mul", "BiasAdd", "RealDiv", "Neg", "AddN"};
    int n = 0;

    out[n++] = t;
    while (n <= most) {
        const ek_node *node = ek__scene_node(s, t);
        int32_t next = -1;
        int large = 0;

        if (!ek__is_one_of(node, steps, EK_COUNT_OF(steps))) break;
        for (int i = 0; i < node->n_in; i++) {
            const int32_t r = ek__scene_root_in(s, node, i);

            if (!s->floats[r] || ek__scene_count(s, r) != ek__scene_count(s, t)) continue;
            next = r;
            large++;
        }
        if (large != 1) break;
        out[n++] = t = next;
    }
    return n;
}

typedef struct step {
    int32_t t;
    int depth;
    bool reduced;
} step;

/* Large tensors under the reductions that t is made of, nearest first. */
static int ancestors(const ek_scene *s, int32_t t, int32_t *out)
{
    step list[EK_MOST_CHANNEL] = {{s->root[t], 0, false}};
    const int64_t base = ek__scene_count(s, t);
    int n = 1, found = 0;

    for (int i = 0; i < n; i++) {
        const step at = list[i];
        const ek_node *node = ek__scene_node(s, at.t);
        const bool reduction = ek__is_type(node, "Mean") || ek__is_type(node, "Sum");

        if (at.reduced && ek__scene_count(s, at.t) > base && s->floats[at.t] && !had(out, found, at.t)) {
            int k = found < MOST_ANCESTORS ? found++ : found;

            for (; k > 0 && s->rank[s->node_of[out[k - 1]]] < s->rank[node->id]; k--)
                if (k < MOST_ANCESTORS) out[k] = out[k - 1];
            if (k < MOST_ANCESTORS) out[k] = at.t;
        }
        if (at.depth >= DEPTH_OF_ANCESTORS || !ek__followed(node) || ek__is_type(node, "Transpose")) continue;
        if (at.reduced && ek__is_type(node, "Reshape")) continue;
        for (int k = 0; k < node->n_in && !(reduction && k > 0); k++) {
            const int32_t r = ek__scene_root_in(s, node, k);
            const bool reduced = at.reduced || reduction;
            bool again = !s->floats[r] || n == EK_MOST_CHANNEL;

            for (int j = 0; j < n && !again; j++) again = list[j].t == r && list[j].reduced == reduced;
            if (!again) list[n++] = (step){r, at.depth + 1, reduced};
        }
    }
    return found;
}

static int hypotheses(ek_search *q, int32_t inner, hypothesis *out)
{
    int32_t list[MOST_ANCESTORS + LENGTH_OF_CHAIN + 2];
    int n = 0;
    const int found = ancestors(q->s, inner, list);

    for (int i = 0; i < found; i++) out[n++] = (hypothesis){true, list[i], -1};
    for (int i = 0; i < q->n_entries; i++) {
        const int length = ek__affine_chain(q->s, q->entry[i].large, LENGTH_OF_CHAIN, list);

        for (int k = 0; k < length && n < MOST_HYPOTHESES; k++) {
            bool again = false;

            for (int j = found; j < n && !again; j++) again = out[j].x == list[k];
            if (!again) out[n++] = (hypothesis){false, list[k], q->entry[i].large};
        }
    }
    return n;
}

/* ---- what a root says of x ---------------------------------------------------------------------- */

/* The number of the graph that an epsilon was computed to be, but for what sums of float32 constants leave. */
static double as_written(const ek_env *e, double epsilon)
{
    double best = epsilon, least = fmin(5e-7, 0.01 * epsilon);

    for (int64_t i = 0; i < e->n_seen; i++) {
        const ek_poly *p = e->memo[e->seen[i]];
        const bool number = p != NULL && ek__poly_pure(p) && p->n == 1 && p->t[0].c.axes == 0 && p->deps.n == 0 &&
                            !p->deps.more && !p->deps.sum_x && !p->deps.sum_d;

        if (!number || fabs(p->t[0].c.at[0] - epsilon) > least) continue;
        best = p->t[0].c.at[0];
        least = fabs(best - epsilon);
    }
    return best;
}

/* Of several axes, all reduced, none of size 1: no axis has channels. A tensor was standardised as a whole. */
static bool is_one_number(const ek_env *e)
{
    const ek_shape *const x = &e->s->shape[e->x];

    return e->kept == 0 && x->rank > 1 && ek__axes_above_one(x) == (1u << x->rank) - 1;
}

/* Training: the argument is the variance of x and a constant. */
static bool is_batch_variance(trial *t)
{
    const ek_poly *p = ek__env_value(t->e, t->inner);
    ek_coef mean, variance, c;

    if (p == NULL || !ek__poly_pure(p) || !t->e->reduced_known || !p->deps.sum_x) return false;
    t->e->kept = ek__axes_above_one(&t->e->s->shape[t->e->x]) & ~t->e->reduced;
    t->e->kept_known = true;
    if (is_one_number(t->e) || !ek__env_moments(t->e, &mean, &variance)) return false;
    c = ek__coef_combine(&t->e->pool, ek__env_lay(t->e, p), '-', variance);
    if (c.at == NULL || !ek__coef_is_constant(c, 5e-7) || c.at[0] < -1e-12) return false;
    t->epsilon = as_written(t->e, c.at[0]);
    t->inverse = ek__coef_map(&t->e->pool,
                              ek__coef_combine(&t->e->pool, variance, '+', ek__coef_scalar(&t->e->pool, t->epsilon)),
                              ek__inverse_root, 0);
    return t->inverse.at != NULL;
}

/* Inference: the argument is one leaf and a constant. */
static bool is_stored_variance(trial *t)
{
    const ek_poly *p = ek__env_value(t->e, t->inner), *v;
    ek_coef a, b;

    if (p == NULL || !ek__poly_pure(p) || p->deps.n != 1 || p->deps.more || p->deps.sum_x || p->deps.sum_d)
        return false;
    v = ek__env_known(t->e, p->deps.at[0]);
    if (v == NULL || v->n == 0 || p->n == 0) return false;
    a = p->t[0].c;
    b = v->t[0].c;
    if (ek__coef_size(a) != ek__coef_size(b)) return false;
    a = ek__coef_combine(&t->e->pool, (ek_coef){b.axes, a.at}, '-', b);
    if (a.at == NULL || !ek__coef_is_constant(a, 1e-9) || a.at[0] < -1e-12) return false;
    t->epsilon = as_written(t->e, a.at[0]);
    t->variance = p->deps.at[0];
    return true;
}

/* Inference: the axes that y's scale varies along are those of the parameters; then the inverse deviation is known. */
static bool fit_stored(trial *t, const ek_poly *p, ek_coef scale)
{
    const ek_shape *x = &t->e->s->shape[t->e->x];
    int64_t n = 1;
    ek_coef v;

    if (!ek_shape_equal(&p->shape, x)) return false;
    for (int a = 0; a < x->rank; a++)
        if (scale.axes >> a & 1u) n *= x->dim[a];
    if (n != ek__scene_count(t->e->s, t->variance)) return false;
    t->e->kept = scale.axes;
    t->e->kept_known = true;
    v = ek__env_lay(t->e, ek__env_known(t->e, t->variance));
    if (v.at == NULL) return false;
    t->inverse =
        ek__coef_map(&t->e->pool, ek__coef_combine(&t->e->pool, v, '+', ek__coef_scalar(&t->e->pool, t->epsilon)),
                     ek__inverse_root, 0);
    return t->inverse.at != NULL;
}

/* ---- what a tensor is --------------------------------------------------------------------------- */

/* The tensor with this channel-sized value: a leaf if there is one, else the first; -1. None that is made of
 * `avoid`. */
static int32_t with_value(ek_env *e, ek_coef c, int32_t avoid)
{
    const int64_t large = ek__scene_count(e->s, e->x);
    int32_t best = -1;
    bool best_leaf = false;

    for (int64_t i = 0; i < e->n_seen; i++) {
        const int32_t t = e->seen[i];
        const ek_poly *p = e->memo[t];

        if (p == NULL || !ek__poly_pure(p) || (avoid >= 0 && ek__deps_have(&p->deps, avoid))) continue;
        if (ek__scene_count(e->s, t) >= large && large > 1 && e->s->data[e->s->node_of[t]]) continue;
        const bool is_leaf = ek__env_is_leaf(e, t);
        if (best >= 0 && (best_leaf > is_leaf ||
                          (best_leaf == is_leaf && e->s->rank[e->s->node_of[best]] <= e->s->rank[e->s->node_of[t]])))
            continue;
        if (!ek__coef_same(ek__env_lay(e, p), c)) continue;
        best = t;
        best_leaf = is_leaf;
    }
    return best;
}

/* beta, given the mean: -1 for none. False where what is left is no tensor's value. */
static bool beta_of(trial *t, ek_coef scale, ek_coef shift, ek_coef mean, int32_t *beta)
{
    ek_pool *m = &t->e->pool;
    const ek_coef moved = ek__coef_combine(m, scale, '*', mean), b = ek__coef_combine(m, shift, '+', moved);
    bool zero = true;

    *beta = -1;
    if (!ek__coef_finite(b) || b.axes != (shift.axes | moved.axes)) return false;
    for (int i = 0; zero && i < ek__coef_size(b); i++) {
        const double size = b.at[i] < 0 ? -b.at[i] : b.at[i];
        zero = size <= 1e-9;
    }
    if (zero) return true;
    *beta = with_value(t->e, b, t->variance);
    return *beta >= 0;
}

/* The stored mean that leaves the best beta. */
static bool stored_mean(trial *t, const ek_poly *p, ek_coef scale, ek_coef shift, roles *r)
{
    bool found = false;

    for (int i = 0; i < p->deps.n; i++) {
        const int32_t leaf = p->deps.at[i];
        int32_t beta;

        if (leaf == t->variance || leaf == r->gamma || ek__env_known(t->e, leaf) == NULL) continue;
        const ek_coef mean = ek__env_lay(t->e, ek__env_known(t->e, leaf));
        if (mean.at == NULL || !beta_of(t, scale, shift, mean, &beta) || beta == leaf) continue;
        if (found && beta >= 0 && !ek__env_is_leaf(t->e, beta)) continue;
        const bool best = beta < 0 || ek__env_is_leaf(t->e, beta);
        if (!found || best) {
            r->beta = beta;
            r->mean = leaf;
        }
        found = true;
        if (best) break;
    }
    return found;
}

/* Whether p, affine in x, is gamma * (x - mean) * inverse + beta. */
static bool is_normalized(trial *t, const ek_poly *p, roles *r)
{
    ek_pool *m = &t->e->pool;
    int to[EK_MAX_RANK], last = -1;
    ek_coef scale = ek__poly_coef(p, 1, 0), shift = ek__poly_coef(p, 0, 0), g, mean, variance;

    for (int i = 0; i < p->n; i++)
        if (p->t[i].x + p->t[i].d > 1 || p->t[i].d > 0) return false;
    for (int a = 0; a < p->shape.rank; a++) {
        to[a] = p->axis[a] < 0 ? 0 : p->axis[a];
        if (p->axis[a] >= 0 && p->axis[a] < last) return false; /* transposed */
        if (p->axis[a] >= 0) last = p->axis[a];
    }
    if (scale.at == NULL) return false;
    if (shift.at == NULL) shift = ek__coef_scalar(m, 0);
    scale = ek__coef_move(m, scale, to, p->shape.rank);
    shift = ek__coef_move(m, shift, to, p->shape.rank);
    if (!t->train && !fit_stored(t, p, scale)) return false;
    *r = (roles){-1, -1, -1};
    g = ek__coef_combine(m, scale, '/', t->inverse);
    if (!ek__coef_finite(g)) return false;
    if (!ek__coef_same(g, ek__coef_scalar(m, 1)) && (r->gamma = with_value(t->e, g, t->variance)) < 0) return false;
    if (!t->train) return stored_mean(t, p, scale, shift, r);
    return ek__env_moments(t->e, &mean, &variance) && beta_of(t, scale, shift, mean, &r->beta) &&
           (r->beta < 0 || r->beta != r->gamma);
}

/* Parameters that come from reductions of something else: another norm's. */
static bool is_foreign(const ek_env *e, int32_t t)
{
    static const char *const reductions[] = {"Sum", "Mean", "BiasAddGrad"};
    const ek_poly *p = t >= 0 ? ek__env_known(e, t) : NULL;

    for (int i = 0; p != NULL && i < p->deps.n; i++)
        if (ek__is_one_of(ek__scene_node(e->s, p->deps.at[i]), reductions, EK_COUNT_OF(reductions))) return true;
    return false;
}

/* A stored mean or variance that is taken of data is the statistics of something else. */
static bool any_is_foreign(const trial *t, const roles *r)
{
    return is_foreign(t->e, r->gamma) || is_foreign(t->e, r->beta) || is_foreign(t->e, r->mean) ||
           is_foreign(t->e, t->variance);
}

static void push_users(ek_search *q, int32_t t)
{
    for (int32_t u = q->s->user_first[t]; u < q->s->user_first[t + 1]; u++)
        if (ek__followed(q->s->g->node[q->s->user[u]])) ek__queue_push(&q->queue, q->s->user[u]);
}

static int computed(const ek_env *e, const roles *r)
{
    return (r->gamma >= 0 && !ek__env_is_leaf(e, r->gamma)) + (r->beta >= 0 && !ek__env_is_leaf(e, r->beta));
}

static result result_of(const trial *t, int32_t y, const roles *r)
{
    const uint32_t all = (1u << t->e->s->shape[t->e->x].rank) - 1, kept = t->e->kept;

    return (result){y, *r, t->train ? t->e->reduced | t->e->ones : all & ~kept, kept, computed(t->e, r)};
}

/* Follows x through what scales it, and keeps what is normalized. */
static void follow(trial *t)
{
    ek_search *q = t->q;
    const int64_t size = ek__scene_count(q->s, t->e->x);
    int alive = 0;

    ek__queue_restart(&q->queue);
    for (int i = 0; i < q->n_entries; i++) ek__queue_push(&q->queue, q->entry[i].node);
    for (int32_t node; alive < MOST_ALIVE && (node = ek__queue_pop(&q->queue)) >= 0;) {
        const int32_t out = q->s->first[node];
        const ek_poly *p = ek__env_value(t->e, out);
        roles r;

        if (p == NULL || ek__poly_coef(p, 1, 0).at == NULL || ek__scene_count(q->s, out) != size) continue;
        alive++;
        if (is_normalized(t, p, &r) && !any_is_foreign(t, &r)) t->found[t->n_found++] = result_of(t, out, &r);
        push_users(q, out);
    }
}

/* ---- the end of a site -------------------------------------------------------------------------- */

static bool reads(const ek_scene *s, const ek_node *n, int32_t t)
{
    for (int i = 0; i < n->n_in; i++)
        if (ek__scene_root_in(s, n, i) == t) return true;
    return false;
}

/* Whether `next` carries on from `at`: one multiplication with a leaf gamma, one addition of a leaf beta. */
static bool carries_on(const trial *t, const result *at, const result *next)
{
    const ek_node *n = ek__scene_node(t->q->s, next->y);
    const bool none = at->r.beta < 0, none_then = next->r.beta < 0;

    if (!reads(t->q->s, n, at->y) || at->r.mean != next->r.mean) return false;
    const bool scales = none && none_then && at->r.gamma < 0 && next->r.gamma >= 0 &&
                        ek__env_is_leaf(t->e, next->r.gamma) && (ek__is_type(n, "Mul") || ek__is_type(n, "RealDiv"));
    const bool shifts = none && !none_then && at->r.gamma == next->r.gamma &&
                        ek__env_is_leaf(t->e, next->r.beta) && !ek__is_type(n, "Sub");
    return scales || shifts || (none && none_then && at->r.gamma == next->r.gamma);
}

/* Whether result i begins a site: it reads none of those before it, or it is one more map of what is normalized. */
static bool begins(const trial *t, int i)
{
    for (int k = 0; k < i; k++) {
        const result *at = &t->found[k];

        if (!reads(t->q->s, ek__scene_node(t->q->s, t->found[i].y), at->y)) continue;
        if (at->r.gamma >= 0 || at->r.beta >= 0 || !carries_on(t, at, &t->found[i])) return false;
    }
    return true;
}

/* Where the site that begins with result i ends; marks the results on the way. */
static result last_of(const trial *t, int i, bool *passed)
{
    result at = t->found[i];

    for (int k = i + 1; k < t->n_found; k++) {
        if (passed[k] || !carries_on(t, &at, &t->found[k])) continue;
        at = t->found[k];
        passed[k] = true;
    }
    return at;
}

/* Where a role is no leaf: once more with vectors of one constant known. */
static void know_constants(trial *t, result *at)
{
    const uint32_t reduced = t->e->reduced_known ? t->e->reduced : 0;
    const ek_poly *p;
    roles r;

    if (at->computed == 0) return;
    ek__env_restart(t->e, t->e->x, -1, reduced);
    t->e->constants_known = true;
    if (t->variance >= 0) t->e->keep[t->e->n_keep++] = t->variance;
    if (at->r.mean >= 0) t->e->keep[t->e->n_keep++] = at->r.mean;
    if (!(t->train ? is_batch_variance(t) : is_stored_variance(t))) return;
    p = ek__env_value(t->e, at->y);
    if (p == NULL || !is_normalized(t, p, &r) || computed(t->e, &r) >= at->computed) return;
    at->r = r;
}

/* Whether a parameter lies along every axis that is kept. */
static bool parameter_is_whole(ek_env *e, int32_t t)
{
    const ek_coef c = t >= 0 ? ek__env_lay(e, ek__env_value(e, t)) : (ek_coef){0, NULL};

    return c.at != NULL && (c.axes & e->kept) == e->kept;
}

static ek_status conclude(trial *t, result at)
{
    ek_search *q = t->q;
    const ek_shape *x = &q->s->shape[t->e->x];
    int32_t stops[5];
    int n = 0;

    know_constants(t, &at);
    ek_found f = {.train = t->train,
                  .x = t->e->x,
                  .y = at.y,
                  .axes = at.axes,
                  .gamma = at.r.gamma,
                  .beta = at.r.beta,
                  .mean = at.r.mean,
                  .variance = t->variance,
                  .kept = at.kept,
                  .rank = x->rank,
                  .epsilon = t->epsilon,
                  .anchor = t->anchor};
    t->e->kept = at.kept;
    f.look_alike = ek__is_look_alike(q, &f, parameter_is_whole(t->e, f.gamma) || parameter_is_whole(t->e, f.beta));
    const int32_t all[] = {f.x, f.gamma, f.beta, f.mean, f.variance};
    for (int i = 0; i < EK_COUNT_OF(all); i++)
        if (all[i] >= 0) stops[n++] = all[i];
    EK_TRY(ek__cover(q, &f.y, 1, stops, n, NULL, &f.covers, &f.n_covers));
    return ek__search_add(q, &f);
}

static ek_status conclude_all(trial *t)
{
    bool passed[MOST_ALIVE] = {false};
    result end[MOST_ALIVE];
    int n = 0;

    for (int i = 0; i < t->n_found; i++)
        if (!passed[i] && begins(t, i)) end[n++] = last_of(t, i, passed);
    for (int i = 0; i < n; i++) EK_TRY(conclude(t, end[i]));
    return EK_OK;
}

static ek_status note_anchor(const trial *t)
{
    ek_search *q = t->q;

    if (!EK_GROW(q->anchor, q->cap_anchors, q->n_anchors + 1)) return ek__search_no_memory(q);
    q->anchor[q->n_anchors++] = (ek_anchor){t->anchor, t->train, t->train ? t->e->x : -1, t->variance, t->epsilon, 0};
    return EK_OK;
}

/* ---- anchors ------------------------------------------------------------------------------------ */

static bool is_anchor(const ek_scene *s, const ek_node *n)
{
    const int32_t t = s->first[n->id];

    if (s->dead_node[n->id] || n->n_in < 1 || n->n_out < 1 || !s->floats[t] || !ek__scene_sized(s, t)) return false;
    if (ek__is_type(n, "Rsqrt") || ek__is_type(n, "Sqrt")) return true;
    if (!ek__is_type(n, "Pow") || n->n_in != 2) return false;
    const ek_array *k = s->value[ek__scene_in(s, n, 1)];
    if (k == NULL || k->count != 1) k = ek__scene_node(s, ek__scene_root_in(s, n, 1))->constant;
    return k != NULL && k->count == 1 && (ek_array_get(k, 0) == 0.5 || ek_array_get(k, 0) == -0.5);
}

/* A root of a variance anywhere, and in the view it or a sum: a half alone may be all that runs. */
bool ek__sites_possible(const ek_view *view)
{
    static const char *const roots[] = {"Rsqrt", "Sqrt", "Pow"}, *const sums[] = {"Mean", "Sum", "BiasAddGrad"};
    bool root = false, part = false;

    for (int32_t id = 0; id < view->n_nodes && !(root && part); id++) {
        const ek_node *n = view->graph->node[id];
        const bool is_root =
            ek__is_one_of(n, roots, EK_COUNT_OF(roots)) || strncmp(n->type, "FusedBatchNorm", 14) == 0;

        root = root || is_root;
        part = part || (ek__view_live(view, id) && (is_root || ek__is_one_of(n, sums, EK_COUNT_OF(sums))));
    }
    return root && part;
}

static bool worth_trying(const ek_scene *s, int32_t anchor, const hypothesis *h)
{
    const int64_t n = ek__scene_count(s, h->x), least = ek__scene_count(s, anchor);
    const bool stored = !s->data[s->node_of[anchor]] && s->data[s->node_of[h->x]];

    return n > 0 && (n > least || (!h->train && stored));
}

static ek_status try_anchor(ek_search *q, const ek_node *n)
{
    hypothesis list[MOST_HYPOTHESES];
    int32_t done[MOST_HYPOTHESES];
    int n_done = 0;
    bool trained = false;

    ek__spread(q, q->s->first[n->id]);
    const int count = q->n_entries > 0 ? hypotheses(q, ek__scene_root_in(q->s, n, 0), list) : 0;
    for (int i = 0; i < count; i++) {
        trial t = {.q = q,
                   .e = &q->env,
                   .anchor = q->s->first[n->id],
                   .inner = ek__scene_root_in(q->s, n, 0),
                   .variance = -1,
                   .train = list[i].train};

        if (!list[i].train && (trained || had(done, n_done, list[i].entry))) continue;
        if (!worth_trying(q->s, t.anchor, &list[i])) continue;
        ek__env_restart(t.e, list[i].x, -1, 0);
        if (!(t.train ? is_batch_variance(&t) : is_stored_variance(&t))) continue;
        EK_TRY(note_anchor(&t));
        follow(&t);
        if (q->env.pool.failed || q->queue.failed) return ek__search_no_memory(q);
        if (t.n_found == 0) continue;
        EK_TRY(conclude_all(&t));
        trained |= list[i].train;
        if (!list[i].train) done[n_done++] = list[i].entry;
    }
    return EK_OK;
}

ek_status ek__find_composed(ek_search *q)
{
    for (int64_t o = 0; o < q->s->n_nodes; o++) {
        const ek_node *n = q->s->g->node[q->s->order[o]];

        if (is_anchor(q->s, n)) EK_TRY(try_anchor(q, n));
        if (q->env.pool.failed || q->queue.failed) return ek__search_no_memory(q);
    }
    return EK_OK;
}
