/* sites/interpret.c - tensors as polynomials: leaves, sums over x, the environment of one hypothesis. */
#include "sites/interpret.h"

#include <math.h>

double ek__inverse_root(double v, double unused)
{
    EK_UNUSED(unused);
    return 1 / sqrt(v);
}

bool ek__followed(const ek_node *n)
{
    return ek__rule_of(n) != NULL;
}

/* ---- leaves ---------------------------------------------------------------------------------------------------- */

uint32_t ek__axes_above_one(const ek_shape *shape)
{
    uint32_t axes = 0;

    for (int a = 0; a < shape->rank; a++)
        if (shape->dim[a] > 1) axes |= 1u << a;
    return axes;
}

/* Small beside x: fewer elements, or as many of what does not depend on data. */
static bool is_small(const ek_env *e, int32_t t)
{
    const int64_t n = ek__scene_count(e->s, t), all = ek__scene_count(e->s, e->x);

    if (!e->s->data[e->s->node_of[t]] && n <= all) return true;
    return all <= 1 ? n <= 1 : n < all;
}

static const ek_poly *leaf(ek_env *e, int32_t t)
{
    ek_poly *p = ek__poly_of(
        &e->pool, &e->s->shape[t],
        ek__coef_random(&e->pool, ek__axes_above_one(&e->s->shape[t]), 0x6c65616600000000u + (uint64_t)t, 0.4, 1.6));

    if (p != NULL) ek__deps_add(&p->deps, t);
    return p;
}

/* All elements are one finite number. */
static bool uniform(const ek_array *a, double *v)
{
    if (a == NULL || a->count == 0) return false;
    *v = ek_array_get(a, 0);
    for (int64_t i = 1; i < a->count; i++)
        if (ek_array_get(a, i) != *v) return false;
    return *v - *v == 0;
}

static bool is_kept(const ek_env *e, int32_t t)
{
    for (int i = 0; i < e->n_keep; i++)
        if (e->keep[i] == t) return true;
    return false;
}

/* Where d itself is a known number, what is computed from it is not to be taken for one. */
static bool follows_known_d(const ek_env *e, const ek_node *n, ek_rule_fn *rule)
{
    return rule != NULL && e->d >= 0 && e->s->value[e->d] != NULL &&
           e->s->rank[n->id] > e->s->rank[e->s->node_of[e->d]];
}

static const ek_poly *evaluate(ek_env *e, int32_t t)
{
    const ek_node *n = ek__scene_node(e->s, t);
    const bool sized = e->s->floats[t] && ek__scene_sized(e->s, t) && ek_shape_count(&e->s->shape[t]) > 0;
    const bool small = sized && is_small(e, t);
    ek_rule_fn *rule = ek__rule_of(n);
    const ek_poly *p = NULL;
    double v;

    if (!sized) return NULL;
    if (!follows_known_d(e, n, rule) && uniform(e->s->value[t], &v))
        return ek__poly_scalar(&e->pool, &e->s->shape[t], v);
    if (ek__is_type(n, "Const") && e->constants_known && !is_kept(e, t) && uniform(n->constant, &v))
        return ek__poly_scalar(&e->pool, &e->s->shape[t], v);
    if (ek__is_type(n, "ZerosLike") || ek__is_type(n, "OnesLike"))
        return ek__poly_scalar(&e->pool, &e->s->shape[t], ek__is_type(n, "OnesLike"));
    if (rule != NULL && t == e->s->first[n->id] && e->fuel > 0 && e->depth < EK_MOST_DEEP &&
        (small || e->s->rank[n->id] > e->s->rank[e->s->node_of[e->x]])) {
        e->fuel--;
        e->depth++;
        p = rule(e, n, t);
        e->depth--;
        if (p != NULL) p = ek__poly_reshape(&e->pool, p, &e->s->shape[t]);
    }
    return p != NULL || !small ? p : leaf(e, t);
}

/* A branch of a Select that is one number fills the result. */
static const ek_poly *filled(ek_env *e, const ek_poly *p, int32_t t)
{
    ek_poly *out;

    if (p == NULL || ek__scene_count(e->s, t) == ek_shape_count(&p->shape)) return p;
    if (!ek__poly_pure(p) || (p->n > 0 && p->t[0].c.axes != 0)) return NULL;
    out = ek__poly_of(&e->pool, &e->s->shape[t], ek__poly_value(&e->pool, p));
    if (out != NULL) out->deps = p->deps;
    return ek__poly_tidy(out);
}

const ek_poly *ek__env_value(ek_env *e, int32_t tensor)
{
    const int32_t t = e->s->root[tensor];

    if (e->stamp[t] == e->now) return filled(e, e->memo[t], tensor);
    e->stamp[t] = e->now;
    e->memo[t] = NULL; /* what depends on itself is opaque */
    e->memo[t] = evaluate(e, t);
    e->seen[e->n_seen++] = t;
    e->evaluated++;
    return filled(e, e->memo[t], tensor);
}

bool ek__env_is_leaf(const ek_env *e, int32_t t)
{
    const ek_poly *p = ek__env_known(e, t);
    return p != NULL && p->deps.n == 1 && !p->deps.more && p->deps.at[0] == t && !p->deps.sum_x && !p->deps.sum_d;
}

/* ---- the environment ----------------------------------------------------------------------------------------- */

bool ek__env_open(ek_env *e, const ek_scene *s)
{
    *e = (ek_env){.s = s, .x = -1, .d = -1};
    e->memo = ek__calloc((size_t)s->n_tensors + 1, sizeof(const ek_poly *));
    e->stamp = ek__calloc((size_t)s->n_tensors + 1, sizeof *e->stamp);
    e->seen = ek__calloc((size_t)s->n_tensors + 1, sizeof *e->seen);
    return e->memo != NULL && e->stamp != NULL && e->seen != NULL;
}

void ek__env_close(ek_env *e)
{
    ek__arena_fini(&e->pool.arena);
    ek__free((void *)e->memo);
    ek__free(e->stamp);
    ek__free(e->seen);
}

static void base(ek_env *e, int32_t t, int x, int d)
{
    ek_poly *p = ek__poly_of(&e->pool, &e->s->shape[t], ek__coef_scalar(&e->pool, 1));
    const ek_shape *shape = &e->s->shape[t];
    int map[EK_MAX_RANK];

    if (p != NULL && ek__axes_match(shape, &e->s->shape[e->x], map)) {
        p->t[0].x = (uint8_t)x;
        p->t[0].d = (uint8_t)d;
        for (int a = 0; a < shape->rank; a++) p->axis[a] = (int8_t)map[a];
    } else {
        p = NULL;
    }
    e->stamp[t] = e->now;
    e->memo[t] = p;
    e->seen[e->n_seen++] = t;
}

void ek__env_restart(ek_env *e, int32_t x, int32_t d, uint32_t reduced)
{
    const bool failed = e->pool.failed;

    ek__arena_fini(&e->pool.arena);
    e->pool = (ek_pool){.arena = {.block_size = 32768}, .failed = failed};
    e->now++;
    e->n_seen = e->n_keep = e->depth = 0;
    e->fuel = EK_FUEL;
    e->x = x;
    e->d = d;
    e->reduced = reduced;
    e->ones = 0;
    e->reduced_known = reduced != 0;
    e->constants_known = e->kept_known = false;
    e->kept = 0;
    memset(e->sum, 0, sizeof e->sum);
    base(e, x, 1, 0);
    if (d >= 0) base(e, d, 0, 1);
}

ek_coef ek__env_sum(ek_env *e, int x, int d)
{
    const ek_shape *shape = &e->s->shape[e->x];
    const uint32_t axes = ek__axes_above_one(shape) & ~e->reduced;
    const double n = ek__env_reduced_count(e);
    ek_coef *c = &e->sum[x][d], mean, variance;

    if (!e->reduced_known) return (ek_coef){0, NULL};
    if (c->at != NULL) return *c;
    if (d == 0 && x > 0 && x <= 2) {
        mean = ek__coef_random(&e->pool, axes, 0x6d65616e, -1.5, 1.5);
        variance = ek__coef_random(&e->pool, axes, 0x766172, 0.3, 2);
        *c = x == 2 ? ek__coef_combine(&e->pool, ek__coef_combine(&e->pool, mean, '*', mean), '+', variance) : mean;
        *c = ek__coef_combine(&e->pool, *c, '*', ek__coef_scalar(&e->pool, n));
    } else {
        *c = ek__coef_random(&e->pool, axes, 0x73756d00u + (uint64_t)(16 * x + d), -2 * sqrt(n), 2 * sqrt(n));
    }
    return *c;
}

double ek__env_reduced_count(const ek_env *e)
{
    const ek_shape *shape = &e->s->shape[e->x];
    double n = 1;

    for (int a = 0; a < shape->rank; a++)
        if (e->reduced >> a & 1u) n *= (double)shape->dim[a];
    return n;
}

bool ek__env_moments(ek_env *e, ek_coef *mean, ek_coef *variance)
{
    const ek_coef n = ek__coef_scalar(&e->pool, ek__env_reduced_count(e));

    *mean = ek__coef_combine(&e->pool, ek__env_sum(e, 1, 0), '/', n);
    *variance = ek__coef_combine(&e->pool, ek__coef_combine(&e->pool, ek__env_sum(e, 2, 0), '/', n), '-',
                                 ek__coef_combine(&e->pool, *mean, '*', *mean));
    return mean->at != NULL && variance->at != NULL;
}

ek_coef ek__env_lay(ek_env *e, const ek_poly *p)
{
    const ek_shape *x = &e->s->shape[e->x];
    ek_coef c = p != NULL && ek__poly_pure(p) ? ek__poly_value(&e->pool, p) : (ek_coef){0, NULL};
    int to[EK_MAX_RANK], at = 0;
    bool straight = p != NULL && p->shape.rank == x->rank;

    if (c.at == NULL || c.axes == 0) return c;
    for (int a = 0; straight && a < x->rank; a++) straight = !(c.axes >> a & 1u) || p->shape.dim[a] == x->dim[a];
    if (straight) return c;
    for (int a = 0; a < p->shape.rank; a++) {
        to[a] = 0;
        if (p->shape.dim[a] == 1) continue;
        while (at < x->rank && !(e->kept >> at & 1u)) at++;
        if (at == x->rank || x->dim[at] != p->shape.dim[a]) return (ek_coef){0, NULL};
        to[a] = at++;
    }
    while (at < x->rank && !(e->kept >> at & 1u)) at++;
    return at == x->rank ? ek__coef_move(&e->pool, c, to, p->shape.rank) : (ek_coef){0, NULL};
}
