/* sites/value.h - what the interpreter computes with: polynomials in x and d whose coefficients are a few doubles.
 *
 * x is the tensor under suspicion and d the gradient that flows in; both stand for all their elements at once. A
 * coefficient is known at two places along each axis it varies along, in two worlds of random leaves: enough to tell
 * two formulas apart, and never an expression.
 *
 * Functions return NULL where the result is no such polynomial (it is opaque then) and where memory is short, which
 * the pool remembers.
 */
#ifndef EK_SITES_VALUE_H
#define EK_SITES_VALUE_H

#include "base/base.h"
#include "values/array.h"

enum { EK_WORLDS = 2, EK_DEGREE = 4, EK_MOST_TERMS = 15, EK_MOST_LEAVES = 16, EK_MOST_VARYING = 6 };

typedef struct ek_pool {
    ek_arena arena;
    bool failed;
} ek_pool;

/* Varies along the axes whose bit is set, with period 2. Place i of those axes (its lowest bit is the first of them)
 * in world w is at[EK_WORLDS * i + w]. at NULL: there is none. */
typedef struct ek_coef {
    uint32_t axes;
    double *at;
} ek_coef;

/* c * x^x * d^d */
typedef struct ek_term {
    uint8_t x, d;
    ek_coef c;
} ek_term;

/* The leaves that a value was made of. */
typedef struct ek_deps {
    int32_t at[EK_MOST_LEAVES]; /* ascending */
    int n;
    bool more;         /* than fit */
    bool sum_x, sum_d; /* and of sums over elements of x, of d */
} ek_deps;

typedef struct ek_poly {
    ek_shape shape;
    int8_t axis[EK_MAX_RANK]; /* for the elements: the axis of x that each axis is; -1 for one of size 1 */
    int n;                    /* 0: zero */
    ek_term t[EK_MOST_TERMS]; /* in the order of (x, d) */
    ek_deps deps;
} ek_poly;

/* ---- coefficients ------------------------------------------------------------------------------ */

static inline int ek__coef_size(ek_coef c)
{
    return EK_WORLDS << __builtin_popcount(c.axes);
}
ek_coef ek__coef_new(ek_pool *m, uint32_t axes); /* zeros */
ek_coef ek__coef_scalar(ek_pool *m, double v);
/* Numbers of (low, high) that follow from the key alone. */
ek_coef ek__coef_random(ek_pool *m, uint32_t axes, uint64_t key, double low, double high);
/* a op b, op one of + - * /. */
ek_coef ek__coef_combine(ek_pool *m, ek_coef a, char op, ek_coef b);
/* The sum along an axis of `size` places. */
ek_coef ek__coef_sum(ek_pool *m, ek_coef c, int axis, int64_t size);
/* The same numbers with axis a called to[a]. */
ek_coef ek__coef_move(ek_pool *m, ek_coef c, const int *to, int rank);
ek_coef ek__coef_map(ek_pool *m, ek_coef c, double (*f)(double v, double arg), double arg);
bool ek__coef_finite(ek_coef c);
/* Equal within what constants folded in float32 leave; never where not finite. */
bool ek__coef_same(ek_coef a, ek_coef b);
/* All numbers are within `tolerance` of each other. */
bool ek__coef_is_constant(ek_coef c, double tolerance);

/* ---- polynomials --------------------------------------------------------------------------------- */

ek_poly *ek__poly_new(ek_pool *m, const ek_shape *shape);
ek_poly *ek__poly_of(ek_pool *m, const ek_shape *shape, ek_coef c); /* without elements */
ek_poly *ek__poly_scalar(ek_pool *m, const ek_shape *shape, double v);

/* Without elements of x or d: a number per place. */
static inline bool ek__poly_pure(const ek_poly *p)
{
    return p->n == 0 || (p->n == 1 && p->t[0].x + p->t[0].d == 0);
}
/* The coefficient of x^x d^d; at NULL where it is zero. */
ek_coef ek__poly_coef(const ek_poly *p, int x, int d);
/* The value of a pure one. */
ek_coef ek__poly_value(ek_pool *m, const ek_poly *p);
bool ek__poly_has_d(const ek_poly *p); /* elements or sums of d */

const ek_poly *ek__poly_add(ek_pool *m, const ek_poly *a, const ek_poly *b, double sign);
const ek_poly *ek__poly_mul(ek_pool *m, const ek_poly *a, const ek_poly *b);
const ek_poly *ek__poly_map(ek_pool *m, const ek_poly *p, double (*f)(double v, double arg), double arg);
const ek_poly *ek__poly_reshape(ek_pool *m, const ek_poly *p, const ek_shape *shape);
const ek_poly *ek__poly_transpose(ek_pool *m, const ek_poly *p, const int *perm);
/* Drops zero terms and axes along which nothing varies; NULL where something is not finite. */
const ek_poly *ek__poly_tidy(ek_poly *p);
/* Coefficients compared on the axes of x, shapes up to axes of size 1. */
bool ek__poly_same(ek_pool *m, const ek_poly *p, const ek_poly *q);

void ek__deps_add(ek_deps *d, int32_t leaf);
void ek__deps_join(ek_deps *d, const ek_deps *other);
bool ek__deps_have(const ek_deps *d, int32_t leaf);

/* The axes of `from` of size above 1 in the order of those of `to`: map[a] is the axis of `to`, -1 for size 1. False
 * where they differ. */
bool ek__axes_match(const ek_shape *from, const ek_shape *to, int *map);

#endif
