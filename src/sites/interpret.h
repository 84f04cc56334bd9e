/* sites/interpret.h - computes with tensors of a scene as polynomials in one of them, x, and a gradient, d.
 *
 * What is small beside x and cannot be interpreted is a leaf: random positive numbers of its own. What is large and
 * cannot be interpreted is opaque.
 */
#ifndef EK_SITES_INTERPRET_H
#define EK_SITES_INTERPRET_H

#include "sites/scene.h"
#include "sites/value.h"

enum { EK_FUEL = 20000, EK_MOST_DEEP = 400, EK_MOST_KEPT = 5 };

typedef struct ek_env {
    const ek_scene *s;
    ek_pool pool;
    int32_t x, d;     /* d: -1 if none */
    uint32_t reduced; /* axes of x, of size above 1, that statistics are taken over; 0: not known yet */
    uint32_t ones;    /* axes of size 1 that the first sum was over as well */
    bool reduced_known;
    bool constants_known; /* a vector of one constant is a number, not a leaf; but those in `keep` */
    int32_t keep[EK_MOST_KEPT];
    int n_keep;
    uint32_t kept; /* axes of x, of size above 1, that parameters lie along; with kept_known */
    bool kept_known;
    int fuel, depth;
    const ek_poly **memo; /* per tensor; all three shared by the envs of one search */
    uint32_t *stamp, now;
    int32_t *seen; /* tensors in the order they were evaluated */
    int64_t n_seen;
    int64_t evaluated; /* tensors, since it was opened */
    ek_coef sum[EK_DEGREE + 1][EK_DEGREE + 1]; /* on the axes of x */
} ek_env;

bool ek__env_open(ek_env *e, const ek_scene *s);
void ek__env_close(ek_env *e);
/* Begins anew with another x (and d, or -1); `reduced` 0: the first sum over x will tell. */
void ek__env_restart(ek_env *e, int32_t x, int32_t d, uint32_t reduced);

const ek_poly *ek__env_value(ek_env *e, int32_t tensor);                  /* NULL: opaque */
static inline const ek_poly *ek__env_known(const ek_env *e, int32_t root) /* without evaluating */
{
    return e->stamp[root] == e->now ? e->memo[root] : NULL;
}
bool ek__env_is_leaf(const ek_env *e, int32_t root);

/* The sum over the reduced axes of x^x d^d; at NULL where the axes are not known. */
ek_coef ek__env_sum(ek_env *e, int x, int d);
double ek__env_reduced_count(const ek_env *e);
/* Mean and biased variance of x. */
bool ek__env_moments(ek_env *e, ek_coef *mean, ek_coef *variance);
/* A channel-sized value on the axes of x: as it stands where ranks agree, else along the kept axes. at NULL: it does
 * not fit. */
ek_coef ek__env_lay(ek_env *e, const ek_poly *p);

/* How output 0 of an op follows from its inputs; NULL for ops that are not followed (transfer.c). */
typedef const ek_poly *ek_rule_fn(ek_env *e, const ek_node *n, int32_t tensor);
ek_rule_fn *ek__rule_of(const ek_node *n);
/* Whether the interpreter follows ops of this type, be it to an opaque end. */
bool ek__followed(const ek_node *n);
/* Axes of size above 1 among those that are set. */
uint32_t ek__axes_above_one(const ek_shape *shape);

double ek__inverse_root(double v, double unused);

#endif
