/* sites/backward.c - the ways back through the sites that were found: whoever wrote them, they come to the closed
 * formulas.
 *
 * Tensors that may be the gradient that flows in are tried one after the other; the best hypotheses win, and no
 * tensor is the result of two.
 */
#include <stdlib.h>

#include "sites/search.h"

enum {
    MOST_CANDIDATES = 64,
    MOST_AFFINE = 40,
    STEPS_TO_DY = 3,
    MOST_FOLLOWED = 400,
    MOST_SUMMED = 16,    /* terms of what a parameter of one site gets */
    FUEL_OF_FOREIGN = 64 /* for a term of dx that does not come from dy: it may be zero, or all that comes later */
};

/* One gradient under one hypothesis; tensors, -1: none. */
typedef struct guess {
    int64_t site;
    int32_t dy, dx, dgamma, dbeta;
    bool stopped, before_gamma, partial; /* partial: dx is a sum of which only some terms are ours */
    int score;
    int links;      /* how many of `inner` read what only this site's forward half computes */
    int32_t *inner; /* everything that comes from dy, in topological order; ek__alloc */
    int n_inner;
    int32_t *own; /* of a partial one: the terms of dx that are ours, once each time they occur; ek__alloc */
    int n_own;
    int64_t next_of_dy, next_of_site; /* 1 + the next of the same dy; 1 + the next accepted one of the same site; 0 */
} guess;

static void free_guess(guess *g)
{
    ek__free(g->inner);
    ek__free(g->own);
}

typedef struct guesses {
    guess *at; /* ek__alloc */
    int64_t n, cap;
} guesses;

/* The closed formulas of a site, on the axes of its x. */
typedef struct formulas {
    ek_poly *dx, *through_no_statistics, *dgamma, *dbeta;
} formulas;

static bool covered(const ek_found *f, int32_t node)
{
    return ek__among(f->covers, f->n_covers, node);
}

static uint32_t reduced_axes(const ek_scene *s, const ek_found *f)
{
    return f->axes & ek__axes_above_one(&s->shape[f->x]);
}

/* ---- candidates for dy ----------------------------------------------------------------------------- */

typedef struct candidates {
    const ek_scene *s;
    const ek_found *f;
    int32_t at[MOST_CANDIDATES];
    int n;
} candidates;

/* What the forward half computes is no gradient; but y itself may be, of half its square. */
static bool fits(const candidates *c, int32_t t)
{
    for (int i = 0; i < c->n; i++)
        if (c->at[i] == t) return false;
    return c->n < MOST_CANDIDATES && c->s->floats[t] && ek__scene_count(c->s, t) == ek__scene_count(c->s, c->f->x) &&
           t != c->f->x && !c->s->dead[t] && (t == c->f->y || !covered(c->f, c->s->node_of[t]));
}

/* Large partners of what comes from a root of the same value, in or out of the forward half. */
static void beside_anchors(ek_search *q, const int32_t *anchor_of, candidates *c)
{
    int32_t chain[STEPS_TO_DY + 2];

    for (int64_t i = anchor_of[c->f->train ? c->f->x : c->f->variance]; i > 0; i = q->anchor[i - 1].next) {
        const ek_anchor *a = &q->anchor[i - 1];
        const double off = a->epsilon - c->f->epsilon;
        const bool own = a->tensor == c->f->anchor;

        if (a->train != c->f->train || off > 1e-9 || off < -1e-9) continue;
        ek__spread(q, a->tensor);
        for (int k = 0; k < q->n_entries; k++) {
            const ek_entry *e = &q->entry[k];

            if (covered(c->f, e->node) || (own && !covered(c->f, c->s->node_of[e->channel]))) continue;
            const int n = ek__affine_chain(c->s, ek__scene_canon(c->s, e->large), STEPS_TO_DY, chain);
            for (int j = 0; j < n; j++) {
                const int32_t t = ek__scene_canon(c->s, chain[j]);
                if (fits(c, t)) c->at[c->n++] = t;
            }
        }
    }
}

/* Large partners, in multiplications, of what is affine in x. */
static void beside_affine(ek_search *q, candidates *c)
{
    int32_t list[MOST_AFFINE] = {c->f->x};
    int n = 1;

    ek__env_restart(&q->env, c->f->x, -1, reduced_axes(c->s, c->f));
    for (int i = 0; i < n; i++) {
        for (int32_t u = c->s->user_first[list[i]]; u < c->s->user_first[list[i] + 1]; u++) {
            const ek_node *node = c->s->g->node[c->s->user[u]];
            const int32_t out = c->s->first[node->id];
            bool known =
                node->n_out == 0 || !ek__followed(node) || ek__scene_count(c->s, out) != ek__scene_count(c->s, c->f->x);

            for (int k = 0; k < n && !known; k++) known = list[k] == out;
            if (known) continue;
            const ek_poly *p = ek__env_value(&q->env, out);
            bool affine = p != NULL && ek__poly_coef(p, 1, 0).at != NULL;
            for (int k = 0; affine && k < p->n; k++) affine = p->t[k].x + p->t[k].d <= 1;
            if (affine && n < MOST_AFFINE) list[n++] = out;
            if (affine || !ek__is_type(node, "Mul") || covered(c->f, node->id)) continue;
            for (int k = 0; k < node->n_in; k++) {
                const int32_t t = ek__scene_canon(c->s, ek__scene_in(c->s, node, k));

                if (ek__scene_root_in(c->s, node, k) == list[i] || !fits(c, t)) continue;
                p = ek__env_value(&q->env, t);
                if (p == NULL || !ek__poly_pure(p)) c->at[c->n++] = t;
            }
        }
    }
}

/* ---- formulas ------------------------------------------------------------------------------------------ */

/* A value on the axes of x, as the gradient of a parameter that lies along only some of them. */
static ek_poly *as_gradient_of(ek_env *e, int32_t parameter, ek_coef c)
{
    const ek_shape *x = &e->s->shape[e->x];
    ek_shape shape = {.rank = x->rank};
    uint32_t along = c.axes;

    if (parameter >= 0) {
        const ek_shape *own = &e->s->shape[parameter];
        const ek_poly *any = ek__poly_of(&e->pool, own, ek__coef_random(&e->pool, ek__axes_above_one(own), 1, 1, 2));
        const ek_coef lies = ek__env_lay(e, any);

        if (lies.at != NULL) along = lies.axes;
    }
    for (int a = 0; a < x->rank; a++) {
        if ((c.axes & ~along) >> a & 1u) c = ek__coef_sum(&e->pool, c, a, x->dim[a]);
        shape.dim[a] = along >> a & 1u ? x->dim[a] : 1;
    }
    return ek__poly_of(&e->pool, &shape, c);
}

static ek_poly *on_x(ek_env *e)
{
    ek_poly *p = ek__poly_new(&e->pool, &e->s->shape[e->x]);

    for (int a = 0; p != NULL && a < p->shape.rank; a++) p->axis[a] = p->shape.dim[a] > 1 ? (int8_t)a : -1;
    return p;
}

/* dx = p * (d - mean(d) - xhat * mean(d * xhat)) with p = gamma * inverse; without statistics p * d. */
static bool write_formulas(ek_env *e, const ek_found *f, bool before_gamma, formulas *out)
{
    ek_pool *m = &e->pool;
    const ek_coef n = ek__coef_scalar(m, ek__env_reduced_count(e)), sum = ek__env_sum(e, 0, 1);
    ek_coef mean, variance, inverse, p, dot, slope;

    if (f->train) {
        if (!ek__env_moments(e, &mean, &variance)) return false;
    } else {
        mean = ek__env_lay(e, ek__env_value(e, f->mean));
        variance = ek__env_lay(e, ek__env_value(e, f->variance));
    }
    p = f->gamma >= 0 && !before_gamma ? ek__env_lay(e, ek__env_value(e, f->gamma)) : ek__coef_scalar(m, 1);
    inverse = ek__coef_map(m, ek__coef_combine(m, variance, '+', ek__coef_scalar(m, f->epsilon)), ek__inverse_root, 0);
    p = ek__coef_combine(m, p, '*', inverse);
    dot = ek__coef_combine(m, inverse, '*',
                           ek__coef_combine(m, ek__env_sum(e, 1, 1), '-', ek__coef_combine(m, mean, '*', sum)));
    if (dot.at == NULL || p.at == NULL) return false;
    slope = ek__coef_combine(m, ek__coef_combine(m, ek__coef_combine(m, p, '*', inverse), '*', dot), '/', n);
    *out = (formulas){on_x(e), on_x(e), as_gradient_of(e, f->gamma, dot), as_gradient_of(e, f->beta, sum)};
    if (out->dx == NULL || out->through_no_statistics == NULL || out->dgamma == NULL || out->dbeta == NULL)
        return false;
    out->through_no_statistics->t[0] = (ek_term){0, 1, p};
    out->through_no_statistics->n = 1;
    if (!f->train) {
        *out->dx = *out->through_no_statistics;
        return true;
    }
    const ek_coef level = ek__coef_combine(m, ek__coef_combine(m, slope, '*', mean), '-',
                                           ek__coef_combine(m, ek__coef_combine(m, p, '*', sum), '/', n));
    out->dx->t[0] = (ek_term){0, 0, level};
    out->dx->t[1] = (ek_term){0, 1, p};
    out->dx->t[2] = (ek_term){1, 0, ek__coef_combine(m, ek__coef_scalar(m, 0), '-', slope)};
    out->dx->n = 3;
    return true;
}

/* ---- following dy ------------------------------------------------------------------------------------------ */

static bool is_ours(const ek_poly *p)
{
    return p != NULL && (p->n == 0 || ek__poly_has_d(p));
}

/* A term of a sum. What comes from dy was evaluated before. */
static bool is_own_term(ek_env *e, int32_t term)
{
    const int fuel = e->fuel, less = fuel < FUEL_OF_FOREIGN ? fuel : FUEL_OF_FOREIGN;
    bool own;

    e->fuel = less;
    own = is_ours(ek__env_value(e, term));
    e->fuel = fuel - (less - e->fuel);
    return own;
}

/* Of a sum some of whose terms come from elsewhere: what ours come to; NULL: none do, or all. */
static const ek_poly *own_part(ek_env *e, const ek_node *n)
{
    const ek_poly *sum = NULL;
    bool foreign = false;

    if (!ek__is_type(n, "AddN") && !ek__is_type(n, "Add") && !ek__is_type(n, "AddV2")) return NULL;
    for (int i = 0; i < n->n_in; i++) {
        const int32_t term = ek__scene_in(e->s, n, i);

        if (!is_own_term(e, term)) {
            foreign = true;
            continue;
        }
        const ek_poly *p = ek__env_value(e, term);
        sum = sum == NULL ? p : ek__poly_add(&e->pool, sum, p, 1);
        if (sum == NULL) return NULL;
    }
    return foreign ? sum : NULL;
}

/* What the formulas were met by, in topological order. */
typedef struct trail {
    ek_search *q;
    const ek_found *f;
    guess *g;
    bool dx_canonical;
    int32_t other[8]; /* dx without statistics, the last ones */
    int n_other;
    int64_t cap_inner;
} trail;

static void push_users(trail *t, int32_t tensor)
{
    const ek_scene *s = t->q->s;

    for (int32_t u = s->user_first[tensor]; u < s->user_first[tensor + 1]; u++)
        if (!covered(t->f, s->user[u])) ek__queue_push(&t->q->queue, s->user[u]);
}

/* A later whole dx is better than an earlier one, but not one that only renames it. */
static void meet_dx(trail *t, int32_t out)
{
    const bool canonical = ek__scene_canon(t->q->s, out) == out;

    if (t->g->dx >= 0 && !t->g->partial && t->dx_canonical && !canonical) return;
    t->g->dx = out;
    t->g->partial = false;
    t->dx_canonical = canonical;
}

static void compare(trail *t, const formulas *want, int32_t out, const ek_poly *p)
{
    ek_env *e = &t->q->env;
    const bool whole = ek__scene_count(e->s, out) == ek__scene_count(e->s, e->x);

    if (whole && !ek__poly_pure(p)) {
        if (ek__poly_same(&e->pool, p, want->dx))
            meet_dx(t, out);
        else if (t->f->train && ek__poly_same(&e->pool, p, want->through_no_statistics))
            t->other[t->n_other++ % 8] = out;
    }
    if (!whole || ek__poly_pure(p)) {
        if (t->f->gamma >= 0 && !t->g->before_gamma && ek__poly_same(&e->pool, p, want->dgamma)) t->g->dgamma = out;
        if (t->f->beta >= 0 && !t->g->before_gamma && ek__poly_same(&e->pool, p, want->dbeta)) t->g->dbeta = out;
    }
}

/* Notes the terms of a sum that are ours; false without memory. */
static bool keep_terms(trail *t, const ek_node *sum)
{
    ek_env *e = &t->q->env;

    t->g->own = ek__calloc((size_t)sum->n_in, sizeof *t->g->own);
    if (t->g->own == NULL) return false;
    for (int i = 0; i < sum->n_in; i++)
        if (is_own_term(e, ek__scene_in(e->s, sum, i))) t->g->own[t->g->n_own++] = ek__scene_root_in(e->s, sum, i);
    return true;
}

static bool follow(trail *t, const formulas *want)
{
    ek_search *q = t->q;
    ek_env *e = &q->env;

    ek__queue_restart(&q->queue);
    push_users(t, t->g->dy);
    for (int32_t node, n = 0; n < MOST_FOLLOWED && (node = ek__queue_pop(&q->queue)) >= 0;) {
        const ek_node *c = e->s->g->node[node];
        const int32_t out = e->s->first[node];
        const bool whole = c->n_out > 0 && ek__scene_count(e->s, out) == ek__scene_count(e->s, e->x);

        if (c->n_out == 0 || !ek__followed(c) || !e->s->floats[out]) continue;
        if (!whole && c->n_in > MOST_SUMMED) continue; /* of a variable that many share */
        const ek_poly *part = whole ? own_part(e, c) : NULL, *p = ek__env_value(e, out);
        if (part != NULL && t->g->dx < 0 && !ek__poly_pure(part) && ek__poly_same(&e->pool, part, want->dx)) {
            if (!keep_terms(t, c)) return false;
            t->g->dx = out;
            t->g->partial = true;
        }
        if (p == NULL || !ek__poly_has_d(p)) continue;
        n++;
        if (!EK_GROW(t->g->inner, t->cap_inner, t->g->n_inner + 1)) return false;
        t->g->inner[t->g->n_inner++] = out;
        compare(t, want, out, p);
        push_users(t, out);
    }
    return !q->queue.failed && !e->pool.failed;
}

/* dx past the statistics counts where somebody outside this way back reads it. */
static void take_stopped(trail *t)
{
    const ek_scene *s = t->q->s;
    const int kept = t->n_other < 8 ? t->n_other : 8;

    for (int i = 1; i <= kept && t->g->dx < 0; i++) {
        const int32_t out = t->other[(t->n_other - i) % 8];

        for (int32_t u = s->user_first[out]; u < s->user_first[out + 1] && t->g->dx < 0; u++) {
            if (ek__queue_had(&t->q->queue, s->user[u]) && ek__followed(s->g->node[s->user[u]])) continue;
            t->g->dx = out;
            t->g->stopped = true;
        }
    }
}

static int score_of(const guess *g)
{
    const int parameters = 2 * (g->dgamma >= 0) + (g->dbeta >= 0);

    if (g->stopped) return parameters > 0 ? 3 + parameters : 0;
    return 4 * (g->dx >= 0) + parameters;
}

static ek_status try_dy(ek_search *q, int64_t site, int32_t dy, bool before_gamma, guesses *out, bool *whole)
{
    const ek_found *f = &q->found[site];
    guess g = {.site = site, .dy = dy, .dx = -1, .dgamma = -1, .dbeta = -1, .before_gamma = before_gamma};
    trail t = {.q = q, .f = f, .g = &g};
    const int32_t roles[] = {f->gamma, f->beta, f->mean, f->variance};
    formulas want;
    bool ok = true;

    ek__env_restart(&q->env, f->x, dy, reduced_axes(q->s, f));
    q->env.constants_known = q->env.kept_known = true;
    q->env.kept = f->kept & ek__axes_above_one(&q->s->shape[f->x]);
    for (int i = 0; i < EK_COUNT_OF(roles); i++)
        if (roles[i] >= 0) q->env.keep[q->env.n_keep++] = roles[i];
    *whole = false;
    if (write_formulas(&q->env, f, before_gamma, &want)) {
        ok = follow(&t, &want);
        take_stopped(&t);
    }
    g.score = score_of(&g);
    ok = ok && !q->env.pool.failed && EK_GROW(out->at, out->cap, out->n + 1);
    if (!ok || g.score < 2) {
        free_guess(&g);
        return ok ? EK_OK : ek__search_no_memory(q);
    }
    *whole = g.dx >= 0 && !before_gamma;
    out->at[out->n++] = g;
    return EK_OK;
}

static ek_status try_site(ek_search *q, int64_t site, const int32_t *anchor_of, guesses *out)
{
    const ek_found *f = &q->found[site];
    candidates c = {.s = q->s, .f = f};
    const bool parameters = f->gamma >= 0 || f->beta >= 0;

    if (reduced_axes(q->s, f) == 0) return EK_OK;
    beside_anchors(q, anchor_of, &c);
    beside_affine(q, &c);
    for (int i = 0; i < c.n; i++) {
        bool whole;

        EK_TRY(try_dy(q, site, c.at[i], false, out, &whole));
        if (!whole && parameters) EK_TRY(try_dy(q, site, c.at[i], true, out, &whole));
    }
    return q->env.pool.failed ? ek__search_no_memory(q) : EK_OK;
}

/* ---- the best hypotheses ------------------------------------------------------------------------------------- */

static int best_first(const void *a, const void *b)
{
    const guess *x = a, *y = b;

    if (x->score != y->score) return y->score - x->score;
    if (x->before_gamma != y->before_gamma) return x->before_gamma - y->before_gamma;
    return x->dy != y->dy ? (x->dy > y->dy) - (x->dy < y->dy) : (x->site > y->site) - (x->site < y->site);
}

static bool has(const guess *g, int32_t t)
{
    for (int i = 0; i < g->n_inner; i++)
        if (g->inner[i] == t) return true;
    return false;
}

/* What choosing among guesses needs: per tensor, 1 + a guess from that dy, and what is a result already; per site, 1 + an
 * accepted guess. */
typedef struct choice {
    ek_search *q;
    guesses *all;
    int32_t *from_dy, *accepted;
    uint8_t *taken;
} choice;

/* Whether another site of the same x, whose own nodes it reads, has this dy. */
static bool is_of_another(const choice *c, const guess *g)
{
    const int32_t x = c->q->found[g->site].x;

    for (int64_t i = g->links > 0 ? 0 : c->from_dy[g->dy]; i > 0; i = c->all->at[i - 1].next_of_dy) {
        const guess *other = &c->all->at[i - 1];

        if (other->site != g->site && other->links > 0 && c->q->found[other->site].x == x) return true;
    }
    return false;
}

/* Whether a better hypothesis speaks against it, or another site's forward half is what looked like a gradient. */
static bool is_refuted(const choice *c, const guess *g)
{
    const ek_search *q = c->q;

    if (!q->found[g->site].train && g->dgamma < 0 && g->dbeta < 0) return true;
    if ((g->dx >= 0 && !g->partial && c->taken[g->dx]) || (g->dgamma >= 0 && c->taken[g->dgamma]) ||
        (g->dbeta >= 0 && c->taken[g->dbeta]))
        return true;
    for (int64_t i = g->dx >= 0 ? q->by_x[g->dy] : 0; i > 0; i = q->found[i - 1].next)
        if (covered(&q->found[i - 1], q->s->node_of[g->dx])) return true;
    for (int64_t i = q->by_x[q->found[g->site].x]; i > 0; i = q->found[i - 1].next)
        for (int64_t k = c->accepted[i - 1]; k > 0; k = c->all->at[k - 1].next_of_site)
            if (has(&c->all->at[k - 1], g->dy)) return true;
    return is_of_another(c, g);
}

/* Adds the way back to its site, unless a term of its dx is another's already. */
static ek_status accept(ek_search *q, const guess *g, uint8_t *taken, bool *accepted)
{
    ek_found *f = &q->found[g->site];
    const int n_own = g->partial ? g->n_own : 0;
    int32_t *from = ek__arena_calloc(q->arena, (size_t)n_own + 3, sizeof *from);
    ek_edge *own = ek__arena_calloc(q->arena, (size_t)n_own + 1, sizeof *own);
    const int32_t roles[] = {f->x, g->dy, f->gamma, f->beta, f->mean, f->variance};
    int32_t stop[EK_COUNT_OF(roles)], *covers;
    int n = 0, n_stops = 0, n_covers;
    ek_site_gradient out = {.dy = ek__scene_edge(q->s, g->dy),
                            .dx = ek__scene_edge(q->s, g->dx),
                            .dgamma = ek__scene_edge(q->s, g->dgamma),
                            .dbeta = ek__scene_edge(q->s, g->dbeta),
                            .stopped = g->stopped,
                            .before_gamma = g->before_gamma};

    if (from == NULL || own == NULL) return ek__search_no_memory(q);
    for (; n < n_own; n++) from[n] = g->own[n];
    for (int i = 0; i < n; i++)
        if (taken[from[i]]) return EK_OK;
    *accepted = true;
    for (int i = 0; i < n; i++) own[i] = ek__scene_edge(q->s, from[i]);
    out.own = own;
    out.n_own = n;
    if (g->dx >= 0 && !g->partial) from[n++] = g->dx;
    for (int i = 0; i < n; i++) taken[from[i]] = 1;
    if (g->dgamma >= 0) from[n++] = g->dgamma;
    if (g->dbeta >= 0) from[n++] = g->dbeta;
    for (int i = 0; i < EK_COUNT_OF(roles); i++)
        if (roles[i] >= 0) stop[n_stops++] = roles[i];
    EK_TRY(ek__cover(q, from, n, stop, n_stops, f, &covers, &n_covers));
    out.covers = covers;
    out.n_covers = n_covers;
    ek_site_gradient *more = ek__arena_calloc(q->arena, (size_t)f->n_gradients + 1, sizeof *more);
    if (more == NULL) return ek__search_no_memory(q);
    if (f->n_gradients > 0) memcpy(more, f->gradient, (size_t)f->n_gradients * sizeof *more);
    more[f->n_gradients++] = out;
    f->gradient = more;
    return EK_OK;
}

static ek_status choose_best(choice *c)
{
    for (int64_t i = 0; i < c->all->n; i++) {
        guess *g = &c->all->at[i];
        bool one = false;

        if (!is_refuted(c, g)) EK_TRY(accept(c->q, g, c->taken, &one));
        if (!one) continue;
        g->next_of_site = c->accepted[g->site];
        c->accepted[g->site] = (int32_t)i + 1;
        if (g->dgamma >= 0) c->taken[g->dgamma] = 1;
        if (g->dbeta >= 0) c->taken[g->dbeta] = 1;
    }
    return EK_OK;
}

/* Per node: 1 + the site whose forward half alone has it; 0: none or several. */
static void find_owners(const ek_search *q, int32_t *owner)
{
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < q->n_found; i++)
            for (int k = 0; k < q->found[i].n_covers; k++) {
                int32_t *own = &owner[q->found[i].covers[k]];

                if (pass == 0) *own = *own == 0 || *own == i + 1 ? (int32_t)i + 1 : -1;
                if (pass == 1 && *own < 0) *own = 0;
            }
}

static int count_links(const ek_scene *s, const int32_t *owner, const guess *g)
{
    int n = 0;

    for (int i = 0; i < g->n_inner; i++) {
        const ek_node *node = ek__scene_node(s, g->inner[i]);
        bool reads = false;

        for (int k = 0; k < node->n_in; k++)
            reads |= owner[s->node_of[ek__scene_root_in(s, node, k)]] == g->site + 1;
        n += reads;
    }
    return n;
}

static ek_status choose(ek_search *q, guesses *all)
{
    int32_t *owner = ek__calloc((size_t)q->s->n_nodes + 1, sizeof *owner);
    choice c = {.q = q,
                .all = all,
                .from_dy = ek__calloc((size_t)q->s->n_tensors + 1, sizeof(int32_t)),
                .accepted = ek__calloc((size_t)q->n_found + 1, sizeof(int32_t)),
                .taken = ek__calloc((size_t)q->s->n_tensors + 1, 1)};
    ek_status st = EK_OK;

    if (owner == NULL || c.from_dy == NULL || c.accepted == NULL || c.taken == NULL) st = ek__search_no_memory(q);
    if (st == EK_OK) find_owners(q, owner);
    if (st == EK_OK && all->n > 0) qsort(all->at, (size_t)all->n, sizeof *all->at, best_first);
    for (int64_t i = 0; st == EK_OK && i < all->n; i++) {
        guess *g = &all->at[i];

        g->links = count_links(q->s, owner, g);
        g->next_of_dy = c.from_dy[g->dy];
        c.from_dy[g->dy] = (int32_t)i + 1;
    }
    if (st == EK_OK) st = choose_best(&c);
    ek__free(owner);
    ek__free(c.from_dy);
    ek__free(c.accepted);
    ek__free(c.taken);
    return st;
}

/* Per tensor: 1 + the first anchor that has it for its x or stored variance; 0. */
static int32_t *chain_anchors(ek_search *q)
{
    int32_t *first = ek__calloc((size_t)q->s->n_tensors + 1, sizeof *first);

    for (int64_t i = q->n_anchors - 1; first != NULL && i >= 0; i--) {
        ek_anchor *a = &q->anchor[i];
        const int32_t key = a->train ? a->x : a->variance;

        a->next = first[key];
        first[key] = (int32_t)i + 1;
    }
    return first;
}

ek_status ek__find_gradients(ek_search *q)
{
    int32_t *anchor_of = chain_anchors(q);
    guesses all = {.n = 0};
    ek_status st = anchor_of != NULL ? ek__find_fused_gradients(q) : ek__search_no_memory(q);

    for (int64_t i = 0; st == EK_OK && i < q->n_found; i++)
        if (!q->found[i].fused && !q->found[i].look_alike) st = try_site(q, i, anchor_of, &all);
    if (st == EK_OK) st = choose(q, &all);
    for (int64_t i = 0; i < all.n; i++) free_guess(&all.at[i]);
    ek__free(all.at);
    ek__free(anchor_of);
    return st;
}
