/* sites/value.c - the arithmetic of polynomials with sampled coefficients. */
#include "sites/value.h"

/* ---- coefficients ------------------------------------------------------------------------------ */

ek_coef ek__coef_new(ek_pool *m, uint32_t axes)
{
    const int varying = __builtin_popcount(axes);
    double *at = varying <= EK_MOST_VARYING ? EK_ARENA_NEW(&m->arena, double, EK_WORLDS << varying) : NULL;

    if (varying <= EK_MOST_VARYING && at == NULL) m->failed = true;
    return (ek_coef){axes, at};
}

ek_coef ek__coef_scalar(ek_pool *m, double v)
{
    const ek_coef c = ek__coef_new(m, 0);

    for (int w = 0; c.at != NULL && w < EK_WORLDS; w++) c.at[w] = v;
    return c;
}

static uint64_t mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

ek_coef ek__coef_random(ek_pool *m, uint32_t axes, uint64_t key, double low, double high)
{
    const ek_coef c = ek__coef_new(m, axes);

    for (int i = 0; c.at != NULL && i < ek__coef_size(c); i++)
        c.at[i] = low + (high - low) * ((double)(mix(mix(key) + (uint64_t)i) >> 11) * 0x1p-53);
    return c;
}

/* The bits of `all` that place i has set. */
static uint32_t spread(int i, uint32_t all)
{
    uint32_t out = 0;

    for (; all != 0; all &= all - 1, i >>= 1)
        if (i & 1) out |= all & (0u - all);
    return out;
}

/* The place within `own` of a set of bits. */
static int gather(uint32_t bits, uint32_t own)
{
    int out = 0;

    for (int k = 0; own != 0; own &= own - 1, k++)
        if (bits & own & (0u - own)) out |= 1 << k;
    return out;
}

static double apply(double a, char op, double b)
{
    return op == '+' ? a + b : op == '-' ? a - b : op == '*' ? a * b : a / b;
}

ek_coef ek__coef_combine(ek_pool *m, ek_coef a, char op, ek_coef b)
{
    ek_coef c = {a.axes | b.axes, NULL};

    if (a.at == NULL || b.at == NULL) return c;
    c = ek__coef_new(m, c.axes);
    for (int i = 0; c.at != NULL && i < ek__coef_size(c) / EK_WORLDS; i++) {
        const uint32_t bits = spread(i, c.axes);
        const double *pa = a.at + EK_WORLDS * gather(bits, a.axes), *pb = b.at + EK_WORLDS * gather(bits, b.axes);

        for (int w = 0; w < EK_WORLDS; w++) c.at[EK_WORLDS * i + w] = apply(pa[w], op, pb[w]);
    }
    return c;
}

ek_coef ek__coef_sum(ek_pool *m, ek_coef c, int axis, int64_t size)
{
    const uint32_t bit = 1u << axis;
    ek_coef out = ek__coef_new(m, c.axes & ~bit);

    for (int i = 0; c.at != NULL && out.at != NULL && i < ek__coef_size(out) / EK_WORLDS; i++) {
        const uint32_t bits = spread(i, out.axes);
        const double *even = c.at + EK_WORLDS * gather(bits, c.axes),
                     *odd = c.at + EK_WORLDS * gather(bits | bit, c.axes);

        for (int w = 0; w < EK_WORLDS; w++)
            out.at[EK_WORLDS * i + w] = even[w] * (double)((size + 1) / 2) + odd[w] * (double)(size / 2);
    }
    if (c.at == NULL) out.at = NULL;
    return out;
}

ek_coef ek__coef_move(ek_pool *m, ek_coef c, const int *to, int rank)
{
    uint32_t axes = 0;
    ek_coef out;

    if (c.at == NULL) return c;
    for (int a = 0; a < rank; a++)
        if (c.axes >> a & 1u) axes |= 1u << to[a];
    out = ek__coef_new(m, axes);
    for (int i = 0; out.at != NULL && i < ek__coef_size(out) / EK_WORLDS; i++) {
        const uint32_t bits = spread(i, axes);
        uint32_t from = 0;

        for (int a = 0; a < rank; a++)
            if ((c.axes >> a & 1u) && (bits >> to[a] & 1u)) from |= 1u << a;
        memcpy(out.at + EK_WORLDS * i, c.at + EK_WORLDS * gather(from, c.axes), sizeof(double) * EK_WORLDS);
    }
    return out;
}

ek_coef ek__coef_map(ek_pool *m, ek_coef c, double (*f)(double v, double arg), double arg)
{
    const ek_coef out = ek__coef_new(m, c.axes);

    if (c.at == NULL) return c;
    for (int i = 0; out.at != NULL && i < ek__coef_size(out); i++) out.at[i] = f(c.at[i], arg);
    return out;
}

static bool finite(double v)
{
    return v - v == 0;
}
static double size_of(double v)
{
    return v < 0 ? -v : v;
}

bool ek__coef_finite(ek_coef c)
{
    for (int i = 0; c.at != NULL && i < ek__coef_size(c); i++)
        if (!finite(c.at[i])) return false;
    return c.at != NULL;
}

/* Every |a - b| within 2e-7 of `floor` + |a| + |b|. */
static bool close(ek_coef a, ek_coef b, double floor)
{
    static const double zero[EK_WORLDS << EK_MOST_VARYING];
    const uint32_t axes = a.axes | b.axes;

    if (__builtin_popcount(axes) > EK_MOST_VARYING) return false;
    if (a.at == NULL) a.at = (double *)(uintptr_t)zero;
    if (b.at == NULL) b.at = (double *)(uintptr_t)zero;
    for (int i = 0; i < 1 << __builtin_popcount(axes); i++) {
        const uint32_t bits = spread(i, axes);

        for (int w = 0; w < EK_WORLDS; w++) {
            const double u = a.at[EK_WORLDS * gather(bits, a.axes) + w], v = b.at[EK_WORLDS * gather(bits, b.axes) + w];

            if (!finite(u) || !finite(v) || size_of(u - v) > 2e-7 * (floor + size_of(u) + size_of(v))) return false;
        }
    }
    return true;
}

bool ek__coef_same(ek_coef a, ek_coef b)
{
    return a.at != NULL && b.at != NULL && close(a, b, 1.0);
}

bool ek__coef_is_constant(ek_coef c, double tolerance)
{
    double low, high;

    if (!ek__coef_finite(c)) return false;
    low = high = c.at[0];
    for (int i = 1; i < ek__coef_size(c); i++) {
        if (c.at[i] < low) low = c.at[i];
        if (c.at[i] > high) high = c.at[i];
    }
    return high - low < tolerance;
}

/* ---- what a value was made of -------------------------------------------------------------------- */

void ek__deps_add(ek_deps *d, int32_t leaf)
{
    int at = 0;

    while (at < d->n && d->at[at] < leaf) at++;
    if (at < d->n && d->at[at] == leaf) return;
    if (d->n == EK_MOST_LEAVES) {
        d->more = true;
        return;
    }
    memmove(d->at + at + 1, d->at + at, (size_t)(d->n - at) * sizeof *d->at);
    d->at[at] = leaf;
    d->n++;
}

void ek__deps_join(ek_deps *d, const ek_deps *other)
{
    for (int i = 0; i < other->n; i++) ek__deps_add(d, other->at[i]);
    d->more |= other->more;
    d->sum_x |= other->sum_x;
    d->sum_d |= other->sum_d;
}

bool ek__deps_have(const ek_deps *d, int32_t leaf)
{
    for (int i = 0; i < d->n; i++)
        if (d->at[i] == leaf) return true;
    return d->more;
}

/* ---- polynomials --------------------------------------------------------------------------------- */

ek_poly *ek__poly_new(ek_pool *m, const ek_shape *shape)
{
    ek_poly *p = EK_ARENA_NEW(&m->arena, ek_poly, 1);

    if (p == NULL) {
        m->failed = true;
        return NULL;
    }
    p->shape = *shape;
    memset(p->axis, -1, sizeof p->axis);
    return p;
}

ek_poly *ek__poly_of(ek_pool *m, const ek_shape *shape, ek_coef c)
{
    ek_poly *p = c.at != NULL ? ek__poly_new(m, shape) : NULL;

    if (p != NULL) p->t[p->n++] = (ek_term){.c = c};
    return p;
}

ek_poly *ek__poly_scalar(ek_pool *m, const ek_shape *shape, double v)
{
    return ek__poly_of(m, shape, ek__coef_scalar(m, v));
}

ek_coef ek__poly_coef(const ek_poly *p, int x, int d)
{
    for (int i = 0; i < p->n; i++)
        if (p->t[i].x == x && p->t[i].d == d) return p->t[i].c;
    return (ek_coef){0, NULL};
}

ek_coef ek__poly_value(ek_pool *m, const ek_poly *p)
{
    return p->n == 0 ? ek__coef_scalar(m, 0) : p->t[0].c;
}

bool ek__poly_has_d(const ek_poly *p)
{
    for (int i = 0; i < p->n; i++)
        if (p->t[i].d > 0) return true;
    return p->deps.sum_d;
}

/* Adds a term in its place; false where memory is short or there are too many axes. */
static bool add_term(ek_pool *m, ek_poly *p, int x, int d, ek_coef c)
{
    int at = 0;

    if (c.at == NULL) return false;
    while (at < p->n && (p->t[at].x < x || (p->t[at].x == x && p->t[at].d < d))) at++;
    if (at < p->n && p->t[at].x == x && p->t[at].d == d) {
        p->t[at].c = ek__coef_combine(m, p->t[at].c, '+', c);
        return p->t[at].c.at != NULL;
    }
    memmove(p->t + at + 1, p->t + at, (size_t)(p->n - at) * sizeof *p->t);
    p->t[at] = (ek_term){(uint8_t)x, (uint8_t)d, c};
    p->n++;
    return true;
}

/* The axes of a coefficient that varies nowhere along them are dropped. */
static void compress(ek_coef *c)
{
    for (uint32_t rest = c->axes; rest != 0; rest &= rest - 1) {
        const uint32_t bit = rest & (0u - rest);
        const int k = __builtin_popcount(c->axes & (bit - 1)), n = 1 << __builtin_popcount(c->axes);
        bool varies = false;

        for (int i = 0; i < n && !varies; i++)
            if (!(i >> k & 1))
                varies =
                    memcmp(c->at + EK_WORLDS * i, c->at + EK_WORLDS * (i | 1 << k), sizeof(double) * EK_WORLDS) != 0;
        if (varies) continue;
        for (int i = 0, o = 0; i < n; i++)
            if (!(i >> k & 1)) memmove(c->at + EK_WORLDS * o++, c->at + EK_WORLDS * i, sizeof(double) * EK_WORLDS);
        c->axes &= ~bit;
    }
}

const ek_poly *ek__poly_tidy(ek_poly *p)
{
    int n = 0;

    for (int i = 0; p != NULL && i < p->n; i++) {
        bool zero = true;

        if (!ek__coef_finite(p->t[i].c)) return NULL;
        for (int k = 0; zero && k < ek__coef_size(p->t[i].c); k++) zero = size_of(p->t[i].c.at[k]) < 1e-300;
        if (zero) continue;
        compress(&p->t[i].c);
        p->t[n++] = p->t[i];
    }
    if (p != NULL) p->n = n;
    return p;
}

static bool broadcast(const ek_shape *a, const ek_shape *b, ek_shape *out)
{
    const int rank = a->rank > b->rank ? a->rank : b->rank;

    *out = (ek_shape){.rank = rank};
    for (int i = 0; i < rank; i++) {
        const int64_t da = i < rank - a->rank ? 1 : a->dim[i - rank + a->rank];
        const int64_t db = i < rank - b->rank ? 1 : b->dim[i - rank + b->rank];

        if (da != db && da != 1 && db != 1) return false;
        out->dim[i] = da == 1 ? db : da;
    }
    return true;
}

/* The operand in the result's shape: its elements may not be repeated, and must lie as those that are there. */
static bool place_elements(ek_poly *out, const ek_poly *p)
{
    const int shift = out->shape.rank - p->shape.rank;

    if (ek__poly_pure(p)) return true;
    if (ek_shape_count(&p->shape) != ek_shape_count(&out->shape)) return false;
    for (int a = 0; a < p->shape.rank; a++) {
        if (p->axis[a] < 0) continue;
        if (out->axis[a + shift] >= 0 && out->axis[a + shift] != p->axis[a]) return false;
        out->axis[a + shift] = p->axis[a];
    }
    return true;
}

static ek_poly *open_result(ek_pool *m, const ek_poly *a, const ek_poly *b)
{
    ek_shape shape;
    ek_poly *out;

    if (!broadcast(&a->shape, &b->shape, &shape)) return NULL;
    out = ek__poly_new(m, &shape);
    if (out == NULL || !place_elements(out, a) || !place_elements(out, b)) return NULL;
    ek__deps_join(&out->deps, &a->deps);
    ek__deps_join(&out->deps, &b->deps);
    return out;
}

static ek_coef shifted(ek_coef c, int by)
{
    return (ek_coef){c.axes << by, c.at};
}

/* A coefficient of the pool that only this value will write to. */
static ek_coef scaled(ek_pool *m, ek_coef c, double by)
{
    const ek_coef out = ek__coef_new(m, c.axes);

    for (int i = 0; out.at != NULL && i < ek__coef_size(c); i++) out.at[i] = by * c.at[i];
    return out;
}

const ek_poly *ek__poly_add(ek_pool *m, const ek_poly *a, const ek_poly *b, double sign)
{
    ek_poly *out = open_result(m, a, b);

    if (out == NULL) return NULL;
    for (int i = 0; i < a->n; i++)
        if (!add_term(m, out, a->t[i].x, a->t[i].d, shifted(scaled(m, a->t[i].c, 1), out->shape.rank - a->shape.rank)))
            return NULL;
    for (int i = 0; i < b->n; i++)
        if (!add_term(m, out, b->t[i].x, b->t[i].d,
                      shifted(scaled(m, b->t[i].c, sign), out->shape.rank - b->shape.rank)))
            return NULL;
    return ek__poly_tidy(out);
}

const ek_poly *ek__poly_mul(ek_pool *m, const ek_poly *a, const ek_poly *b)
{
    ek_poly *out = open_result(m, a, b);

    if (out == NULL) return NULL;
    for (int i = 0; i < a->n; i++) {
        for (int k = 0; k < b->n; k++) {
            const int x = a->t[i].x + b->t[k].x, d = a->t[i].d + b->t[k].d;

            if (x + d > EK_DEGREE) return NULL;
            if (!add_term(m, out, x, d,
                          ek__coef_combine(m, shifted(a->t[i].c, out->shape.rank - a->shape.rank), '*',
                                           shifted(b->t[k].c, out->shape.rank - b->shape.rank))))
                return NULL;
        }
    }
    return ek__poly_tidy(out);
}

const ek_poly *ek__poly_map(ek_pool *m, const ek_poly *p, double (*f)(double v, double arg), double arg)
{
    ek_poly *out;

    if (!ek__poly_pure(p)) return NULL;
    out = ek__poly_of(m, &p->shape, ek__coef_map(m, ek__poly_value(m, p), f, arg));
    if (out != NULL) out->deps = p->deps;
    return ek__poly_tidy(out);
}

bool ek__axes_match(const ek_shape *from, const ek_shape *to, int *map)
{
    int b = 0;

    for (int a = 0; a < from->rank; a++) {
        map[a] = -1;
        if (from->dim[a] == 1) continue;
        while (b < to->rank && to->dim[b] == 1) b++;
        if (b == to->rank || to->dim[b] != from->dim[a]) return false;
        map[a] = b++;
    }
    while (b < to->rank && to->dim[b] == 1) b++;
    return b == to->rank;
}

const ek_poly *ek__poly_reshape(ek_pool *m, const ek_poly *p, const ek_shape *shape)
{
    int map[EK_MAX_RANK];
    ek_poly *out;
    const bool same = ek__axes_match(&p->shape, shape, map);

    if (ek_shape_equal(&p->shape, shape)) return p;
    if (!same && (!ek__poly_pure(p) || (p->n > 0 && p->t[0].c.axes != 0))) return NULL;
    if (ek_shape_count(&p->shape) != ek_shape_count(shape)) return NULL;
    out = ek__poly_new(m, shape);
    if (out == NULL) return NULL;
    out->deps = p->deps;
    for (int a = 0; same && a < p->shape.rank; a++)
        if (map[a] >= 0) out->axis[map[a]] = p->axis[a];
    for (int i = 0; i < p->n; i++)
        if (!add_term(m, out, p->t[i].x, p->t[i].d, ek__coef_move(m, p->t[i].c, map, p->shape.rank))) return NULL;
    return out;
}

const ek_poly *ek__poly_transpose(ek_pool *m, const ek_poly *p, const int *perm)
{
    int to[EK_MAX_RANK] = {0};
    ek_poly *out = ek__poly_new(m, &p->shape);

    if (out == NULL) return NULL;
    out->deps = p->deps;
    for (int a = 0; a < p->shape.rank; a++) {
        out->shape.dim[a] = p->shape.dim[perm[a]];
        out->axis[a] = p->axis[perm[a]];
        to[perm[a]] = a;
    }
    for (int i = 0; i < p->n; i++)
        if (!add_term(m, out, p->t[i].x, p->t[i].d, ek__coef_move(m, p->t[i].c, to, p->shape.rank))) return NULL;
    return out;
}

bool ek__poly_same(ek_pool *m, const ek_poly *p, const ek_poly *q)
{
    int map[EK_MAX_RANK];
    double scale = 1;

    if (!ek__axes_match(&q->shape, &p->shape, map)) return false;
    for (int a = 0; !ek__poly_pure(p) && !ek__poly_pure(q) && a < q->shape.rank; a++)
        if (map[a] >= 0 && q->axis[a] != p->axis[map[a]]) return false;
    for (int i = 0; i < q->n; i++)
        for (int k = 0; k < ek__coef_size(q->t[i].c); k++)
            if (size_of(q->t[i].c.at[k]) > scale) scale = size_of(q->t[i].c.at[k]);
    for (int i = 0; i < p->n; i++)
        if (!close(p->t[i].c, ek__coef_move(m, ek__poly_coef(q, p->t[i].x, p->t[i].d), map, q->shape.rank),
                   1e-3 * scale))
            return false;
    for (int i = 0; i < q->n; i++)
        if (ek__poly_coef(p, q->t[i].x, q->t[i].d).at == NULL && !close((ek_coef){0, NULL}, q->t[i].c, 1e-3 * scale))
            return false;
    return !m->failed;
}
