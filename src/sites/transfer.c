/* sites/transfer.c - what each type of op does to polynomials: a table of rules.
 *
 * Only analytic ops have a rule: a maximum whose bound is not active at the samples would look like the identity.
 */
#include "sites/interpret.h"

#include <math.h>

/* ---- functions of one number --------------------------------------------------------------------- */

static double inverse(double v, double arg)
{
    EK_UNUSED(arg);
    return 1 / v;
}
static double root(double v, double arg)
{
    EK_UNUSED(arg);
    return sqrt(v);
}
static double minus_half_cube(double v, double arg)
{
    EK_UNUSED(arg);
    return -0.5 * v * v * v;
}
static double half_inverse(double v, double arg)
{
    EK_UNUSED(arg);
    return 0.5 / v;
}
static double minus_square(double v, double arg)
{
    EK_UNUSED(arg);
    return -v * v;
}
/* Powers that have a rule: halves and whole numbers from -4 to 4. */
static double power(double v, double arg)
{
    const double whole = arg < 0 ? -arg : arg;
    double out = whole - floor(whole) == 0.5 ? sqrt(v) : 1;

    for (int k = 0; k < (int)whole; k++) out *= v;
    return arg < 0 ? 1 / out : out;
}

static const ek_poly *input(ek_env *e, const ek_node *n, int i)
{
    return i < n->n_in ? ek__env_value(e, ek__scene_in(e->s, n, i)) : NULL;
}

static const ek_poly *mapped(ek_env *e, const ek_node *n, double (*f)(double, double))
{
    const ek_poly *a = input(e, n, 0);
    return a != NULL ? ek__poly_map(&e->pool, a, f, 0) : NULL;
}

static const ek_poly *do_rsqrt(ek_env *e, const ek_node *n, int32_t t)
{
    EK_UNUSED(t);
    return mapped(e, n, ek__inverse_root);
}
static const ek_poly *do_sqrt(ek_env *e, const ek_node *n, int32_t t)
{
    EK_UNUSED(t);
    return mapped(e, n, root);
}
static const ek_poly *do_inverse(ek_env *e, const ek_node *n, int32_t t)
{
    EK_UNUSED(t);
    return mapped(e, n, inverse);
}

static const ek_poly *do_pow(ek_env *e, const ek_node *n, int32_t t)
{
    const ek_poly *a = input(e, n, 0), *b = input(e, n, 1);
    double k;

    EK_UNUSED(t);
    if (a == NULL || b == NULL || !ek__poly_pure(b)) return NULL;
    const ek_coef c = ek__poly_value(&e->pool, b);
    if (c.at == NULL || c.axes != 0 || c.at[0] != c.at[1] || b->deps.n > 0 || b->deps.sum_x || b->deps.sum_d)
        return NULL;
    k = c.at[0];
    if (k == 1) return a;
    if (k == 2) return ek__poly_mul(&e->pool, a, a);
    return k >= -4 && k <= 4 && 2 * k == floor(2 * k) ? ek__poly_map(&e->pool, a, power, k) : NULL;
}

/* Input 1, a gradient, times a function of input 0. */
static const ek_poly *gradient(ek_env *e, const ek_node *n, double (*f)(double, double))
{
    const ek_poly *a = mapped(e, n, f), *g = a != NULL ? input(e, n, 1) : NULL;
    return g != NULL ? ek__poly_mul(&e->pool, g, a) : NULL;
}

static const ek_poly *do_rsqrt_grad(ek_env *e, const ek_node *n, int32_t t)
{
    EK_UNUSED(t);
    return gradient(e, n, minus_half_cube);
}
static const ek_poly *do_sqrt_grad(ek_env *e, const ek_node *n, int32_t t)
{
    EK_UNUSED(t);
    return gradient(e, n, half_inverse);
}
static const ek_poly *do_inverse_grad(ek_env *e, const ek_node *n, int32_t t)
{
    EK_UNUSED(t);
    return gradient(e, n, minus_square);
}

/* ---- sums and products ------------------------------------------------------------------------------ */

static const ek_poly *sum_of(ek_env *e, const ek_node *n, double sign)
{
    const ek_poly *a = input(e, n, 0), *b = a != NULL ? input(e, n, 1) : NULL;
    return b != NULL ? ek__poly_add(&e->pool, a, b, sign) : NULL;
}

static const ek_poly *do_add(ek_env *e, const ek_node *n, int32_t t)
{
    EK_UNUSED(t);
    return sum_of(e, n, 1);
}
static const ek_poly *do_sub(ek_env *e, const ek_node *n, int32_t t)
{
    EK_UNUSED(t);
    return sum_of(e, n, -1);
}

static const ek_poly *do_mul(ek_env *e, const ek_node *n, int32_t t)
{
    const ek_poly *a = input(e, n, 0), *b = a != NULL ? input(e, n, 1) : NULL;

    EK_UNUSED(t);
    return b != NULL ? ek__poly_mul(&e->pool, a, b) : NULL;
}

static const ek_poly *do_div(ek_env *e, const ek_node *n, int32_t t)
{
    const ek_poly *b = input(e, n, 1), *a = b != NULL ? input(e, n, 0) : NULL;

    EK_UNUSED(t);
    if (a == NULL) return NULL;
    b = ek__poly_map(&e->pool, b, inverse, 0);
    return b != NULL ? ek__poly_mul(&e->pool, a, b) : NULL;
}

static const ek_poly *do_neg(ek_env *e, const ek_node *n, int32_t t)
{
    const ek_poly *a = input(e, n, 0), *minus = ek__poly_scalar(&e->pool, &EK_SCALAR, -1);

    EK_UNUSED(t);
    return a != NULL && minus != NULL ? ek__poly_mul(&e->pool, a, minus) : NULL;
}

static const ek_poly *do_square(ek_env *e, const ek_node *n, int32_t t)
{
    const ek_poly *a = input(e, n, 0);

    EK_UNUSED(t);
    return a != NULL ? ek__poly_mul(&e->pool, a, a) : NULL;
}

static const ek_poly *do_squared_difference(ek_env *e, const ek_node *n, int32_t t)
{
    const ek_poly *a = do_sub(e, n, t);
    return a != NULL ? ek__poly_mul(&e->pool, a, a) : NULL;
}

static const ek_poly *do_bias_add(ek_env *e, const ek_node *n, int32_t t)
{
    const ek_poly *a = input(e, n, 0), *b = input(e, n, 1);

    EK_UNUSED(t);
    if (a == NULL || b == NULL || b->shape.rank != 1 || a->shape.rank < 2) return NULL;
    if (ek__attr_channels_first(n)) {
        ek_shape column = {.rank = a->shape.rank - 1};

        for (int k = 0; k < column.rank; k++) column.dim[k] = k == 0 ? b->shape.dim[0] : 1;
        b = ek__poly_reshape(&e->pool, b, &column);
    }
    return b != NULL ? ek__poly_add(&e->pool, a, b, 1) : NULL;
}

static const ek_poly *do_add_n(ek_env *e, const ek_node *n, int32_t t)
{
    const ek_poly *sum = input(e, n, 0);

    EK_UNUSED(t);
    for (int i = 1; i < n->n_in && sum != NULL; i++) {
        const ek_poly *a = input(e, n, i);
        sum = a != NULL ? ek__poly_add(&e->pool, sum, a, 1) : NULL;
    }
    return sum;
}

/* ---- reductions ------------------------------------------------------------------------------------------ */

/* The sum over axes `over` of one term with elements; on the axes of the value. */
static ek_coef sum_term(ek_env *e, const ek_poly *p, const ek_term *t, uint32_t over)
{
    int from[EK_MAX_RANK] = {0};
    uint32_t stat = 0;
    ek_coef c;

    for (int a = 0; a < p->shape.rank; a++) {
        if (p->axis[a] < 0) continue;
        from[p->axis[a]] = a;
        if (over >> a & 1u) stat |= 1u << p->axis[a];
    }
    if (!e->reduced_known) {
        e->reduced = stat;
        e->reduced_known = true;
    }
    if ((stat & e->reduced) != e->reduced) return (ek_coef){0, NULL};
    c = ek__coef_move(&e->pool, ek__env_sum(e, t->x, t->d), from, e->s->shape[e->x].rank);
    for (int a = 0; a < p->shape.rank; a++)
        if (p->axis[a] >= 0 && (e->reduced >> p->axis[a] & 1u)) {
            if (t->c.axes >> a & 1u) return (ek_coef){0, NULL};
            over &= ~(1u << a);
        }
    c = ek__coef_combine(&e->pool, c, '*', t->c);
    for (int a = 0; a < p->shape.rank; a++)
        if (over >> a & 1u) c = ek__coef_sum(&e->pool, c, a, p->shape.dim[a]);
    return c;
}

static const ek_poly *reduce(ek_env *e, const ek_poly *p, uint32_t axes, bool keep, bool mean)
{
    const uint32_t over = axes & ek__axes_above_one(&p->shape);
    const bool first = !e->reduced_known;
    ek_shape shape = p->shape, left = {.rank = 0};
    ek_coef total = ek__coef_scalar(&e->pool, 0);
    const ek_poly *out = p;
    double n = 1;

    for (int a = 0; a < shape.rank; a++) {
        if (over >> a & 1u) {
            n *= (double)shape.dim[a];
            shape.dim[a] = 1;
        }
        if (!(axes >> a & 1u)) left.dim[left.rank++] = shape.dim[a];
    }
    if (over != 0) {
        ek_poly *sum;

        for (int i = 0; i < p->n; i++) {
            ek_coef c = p->t[i].c;

            if (p->t[i].x + p->t[i].d > 0)
                c = sum_term(e, p, &p->t[i], over);
            else
                for (int a = 0; a < p->shape.rank; a++)
                    if (over >> a & 1u) c = ek__coef_sum(&e->pool, c, a, p->shape.dim[a]);
            if (c.at == NULL) return NULL;
            total = ek__coef_combine(&e->pool, total, '+', c);
        }
        if (first && e->reduced_known && ek_shape_equal(&p->shape, &e->s->shape[e->x])) e->ones = axes & ~over;
        if (mean) total = ek__coef_combine(&e->pool, total, '/', ek__coef_scalar(&e->pool, n));
        sum = ek__poly_of(&e->pool, &shape, total);
        if (sum == NULL) return NULL;
        sum->deps = p->deps;
        for (int i = 0; i < p->n; i++) {
            sum->deps.sum_x |= p->t[i].x > 0;
            sum->deps.sum_d |= p->t[i].d > 0;
        }
        out = ek__poly_tidy(sum);
    }
    return out == NULL || keep ? out : ek__poly_reshape(&e->pool, out, &left);
}

/* Axes from a known vector; false where they are not. */
static bool axes_of(ek_env *e, const ek_node *n, int i, int rank, uint32_t *out)
{
    const ek_array *v = i < n->n_in ? e->s->value[ek__scene_in(e->s, n, i)] : NULL;

    *out = 0;
    if (v == NULL || (v->dtype != EK_INT32 && v->dtype != EK_INT64)) return false;
    for (int64_t k = 0; k < v->count; k++) {
        const int64_t a = ek__array_int(v, k) + (ek__array_int(v, k) < 0 ? rank : 0);

        if (a < 0 || a >= rank) return false;
        *out |= 1u << a;
    }
    return true;
}

static const ek_poly *do_reduce(ek_env *e, const ek_node *n, int32_t t)
{
    const ek_poly *p = input(e, n, 0);
    uint32_t axes;

    EK_UNUSED(t);
    if (p == NULL || !axes_of(e, n, 1, p->shape.rank, &axes)) return NULL;
    return reduce(e, p, axes, ek__attr_bool(n, "keep_dims", false), ek__is_type(n, "Mean"));
}

static const ek_poly *do_bias_add_grad(ek_env *e, const ek_node *n, int32_t t)
{
    const ek_poly *p = input(e, n, 0);

    EK_UNUSED(t);
    if (p == NULL || p->shape.rank < 2) return NULL;
    const int channel = ek__attr_channels_first(n) ? 1 : p->shape.rank - 1;
    return reduce(e, p, ((1u << p->shape.rank) - 1) & ~(1u << channel), false, false);
}

/* ---- movement ------------------------------------------------------------------------------------------------ */

static const ek_poly *do_reshape(ek_env *e, const ek_node *n, int32_t t)
{
    const ek_poly *p = input(e, n, 0);
    return p != NULL ? ek__poly_reshape(&e->pool, p, &e->s->shape[t]) : NULL;
}

static const ek_poly *do_fill(ek_env *e, const ek_node *n, int32_t t)
{
    const ek_poly *p = input(e, n, 1);
    ek_poly *out;

    if (p == NULL || !ek__poly_pure(p) || (p->n > 0 && p->t[0].c.axes != 0)) return NULL;
    out = ek__poly_of(&e->pool, &e->s->shape[t], ek__coef_map(&e->pool, ek__poly_value(&e->pool, p), power, 1));
    if (out != NULL) out->deps = p->deps;
    return out;
}

/* Tile and BroadcastTo of what has no elements. Samples have period 2: an odd number of them cannot be repeated. */
static const ek_poly *do_repeat(ek_env *e, const ek_node *n, int32_t t)
{
    const ek_poly *p = input(e, n, 0);
    const ek_shape *shape = &e->s->shape[t];
    ek_poly *out;

    if (p == NULL || ek_shape_equal(&p->shape, shape)) return p;
    if (!ek__poly_pure(p) || shape->rank < p->shape.rank) return NULL;
    const int shift = shape->rank - p->shape.rank;
    const ek_coef c = ek__poly_value(&e->pool, p);
    for (int a = 0; a < p->shape.rank; a++)
        if ((c.axes >> a & 1u) && shape->dim[a + shift] != p->shape.dim[a] && p->shape.dim[a] % 2 != 0) return NULL;
    out = ek__poly_of(&e->pool, shape, (ek_coef){c.axes << shift, c.at});
    if (out != NULL) out->deps = p->deps;
    return out;
}

static const ek_poly *do_transpose(ek_env *e, const ek_node *n, int32_t t)
{
    const ek_poly *p = input(e, n, 0);
    const ek_array *v = n->n_in > 1 ? e->s->value[ek__scene_in(e->s, n, 1)] : NULL;
    int perm[EK_MAX_RANK];
    uint32_t all = 0;

    EK_UNUSED(t);
    if (p == NULL || v == NULL || v->count != p->shape.rank) return NULL;
    for (int a = 0; a < p->shape.rank; a++) {
        const int64_t from = ek__array_int(v, a);

        if (from < 0 || from >= p->shape.rank) return NULL;
        perm[a] = (int)from;
        all |= 1u << from;
    }
    return all == (1u << p->shape.rank) - 1 ? ek__poly_transpose(&e->pool, p, perm) : NULL;
}

/* Followed, but nothing is known of the result. */
static const ek_poly *do_nothing(ek_env *e, const ek_node *n, int32_t t)
{
    EK_UNUSED(e);
    EK_UNUSED(n);
    EK_UNUSED(t);
    return NULL;
}

static const struct {
    const char *type;
    ek_rule_fn *rule;
} rules[] = {
    {"Abs", do_nothing},
    {"Add", do_add},
    {"AddN", do_add_n},
    {"AddV2", do_add},
    {"BiasAdd", do_bias_add},
    {"BiasAddGrad", do_bias_add_grad},
    {"BroadcastTo", do_repeat},
    {"Div", do_div},
    {"DivNoNan", do_div},
    {"Exp", do_nothing},
    {"ExpandDims", do_reshape},
    {"Fill", do_fill},
    {"Inv", do_inverse},
    {"InvGrad", do_inverse_grad},
    {"Log", do_nothing},
    {"Maximum", do_nothing},
    {"Mean", do_reduce},
    {"Minimum", do_nothing},
    {"Mul", do_mul},
    {"MulNoNan", do_mul},
    {"Neg", do_neg},
    {"Pow", do_pow},
    {"RealDiv", do_div},
    {"Reciprocal", do_inverse},
    {"ReciprocalGrad", do_inverse_grad},
    {"Reshape", do_reshape},
    {"Rsqrt", do_rsqrt},
    {"RsqrtGrad", do_rsqrt_grad},
    {"Sqrt", do_sqrt},
    {"SqrtGrad", do_sqrt_grad},
    {"Square", do_square},
    {"SquaredDifference", do_squared_difference},
    {"Squeeze", do_reshape},
    {"Sub", do_sub},
    {"Sum", do_reduce},
    {"Tile", do_repeat},
    {"Transpose", do_transpose},
};

ek_rule_fn *ek__rule_of(const ek_node *n)
{
    int low = 0, high = EK_COUNT_OF(rules) - 1;

    while (low <= high) {
        const int at = (low + high) / 2, order = strcmp(n->type, rules[at].type);

        if (order == 0) return rules[at].rule;
        if (order < 0)
            high = at - 1;
        else
            low = at + 1;
    }
    return NULL;
}
