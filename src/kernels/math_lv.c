/* kernels/math_lv.c - element-wise loops of exp, log, tanh and their kin, and of activations made of them.
 *
 * float32 in vectors; float64 in vectors where the op is one function, else one at a time,
 * by the same functions. The activations are written so that no intermediate overflows or
 * cancels: sigmoid, tanh and softplus stay within 4 units in the last place everywhere.
 */
#include <tgmath.h>

#include "kernels/loop_lv.h"
#include "kernels/vec_math.h"

#define PIECES(T, BODY)                                                \
    {                                                                  \
        T *const z = out;                                              \
        (void)state;                                                   \
        for (int64_t i = 0; i < n; i += VF_LANES) {                    \
            const int64_t m = n - i < VF_LANES ? n - i : VF_LANES;     \
            BODY                                                       \
        }                                                              \
    }
#define VECTORS1(NAME, V, T, EXPR)                                     \
    void EK_K(NAME)(LOOP_ARGS)                                         \
    {                                                                  \
        const T *const x = in[0];                                      \
        const int sx = step[0];                                        \
        PIECES(T, const V a = V##_next(x, sx, i, m);                   \
               V##_put(z + i, EXPR, m);)                               \
    }
#define VECTORS2(NAME, V, T, EXPR)                                     \
    void EK_K(NAME)(LOOP_ARGS)                                         \
    {                                                                  \
        const T *const x = in[0], *const y = in[1];                    \
        const int sx = step[0], sy = step[1];                          \
        PIECES(T, const V a = V##_next(x, sx, i, m);                   \
               const V b = V##_next(y, sy, i, m);                      \
               V##_put(z + i, EXPR, m);)                               \
    }

/* One function of SLEEF for all floating types. */
#define FUNCTION1(op, f, u)                         \
    VECTORS1(op##_f32, vf, float, VF(f, u)(a))      \
    VECTORS1(op##_f64, vd, double, VD1(f, u, a))    \
    HALF(op, 1, false)
#define FUNCTION2(op, f, u)                            \
    VECTORS2(op##_f32, vf, float, VF(f, u)(a, b))      \
    VECTORS2(op##_f64, vd, double, VD2(f, u, a, b))    \
    HALF(op, 2, false)

VECTORS1(exp_f32, vf, float, vf_exp(a))
VECTORS1(exp_f64, vd, double, VD1(exp, u10, a))
HALF(exp, 1, false)
FUNCTION1(expm1, expm1, u10)
FUNCTION1(log, log, u10)
FUNCTION1(sin, sin, u10)
FUNCTION1(cos, cos, u10)
FUNCTION1(tan, tan, u10)
FUNCTION1(asin, asin, u10)
FUNCTION1(acos, acos, u10)
FUNCTION1(atan, atan, u10)
FUNCTION1(sinh, sinh, u10)
FUNCTION1(cosh, cosh, u10)
FUNCTION1(atanh, atanh, u10)
FUNCTION1(erf, erf, u10)
FUNCTION1(erfc, erfc, u15)
FUNCTION1(lgamma, lgamma, u10)
FUNCTION2(atan2, atan2, u10)
FUNCTION2(pow, pow, u10)

/* ---- compositions: one expression over vf, one over double --------------------------------------- */

#define ONE vf_set(1.0f)
#define ZERO vf_set(0.0f)
#define COMPOSED1(op, VECTOR, SCALAR)          \
    VECTORS1(op##_f32, vf, float, VECTOR)      \
    UNARY(op##_f64, double, double, double, SCALAR) \
    HALF(op, 1, false)
#define COMPOSED2(op, VECTOR, SCALAR)          \
    VECTORS2(op##_f32, vf, float, VECTOR)      \
    BINARY(op##_f64, double, double, double, SCALAR) \
    HALF(op, 2, false)

/* With x = n ln 2 - r: 2^n / (2^n + e^r), which neither overflows nor cancels. Beyond the bounds it is 0 or 1. Above 0 it is 1
 * less the other part of that sum: near 1 the last bit is right then, and so is 1 - y, the gradient's factor. */
static inline vf sigmoid_vf(vf a)
{
    const vf_reduced x = vf_reduce(vf_min(vf_set(88.0f), vf_max(vf_set(-150.0f), a)));
    const vf power = vf_scale(ONE, x.n), other = vf_add(ONE, vf_expm1_reduced(vf_neg(x.r)));
    const vm above = vf_lt(ZERO, a);
    const vf part = vf_div(vf_select(above, other, power), vf_add(power, other));

    return vf_select(above, vf_sub(ONE, part), part);
}
/* With e = exp(-|x|): e / (1 + e) below 0, 1 less that from 0 on. */
static inline double sigmoid_d(double a)
{
    const double e = SCALAR_D(exp, u10)(-fabs(a)), part = e / (1.0 + e);

    return a < 0.0 ? part : 1.0 - part;
}
COMPOSED1(sigmoid, sigmoid_vf(a), sigmoid_d(a))

/* With m = e^(2|x|) - 1 = 2^n (e^r - 1) + (2^n - 1): m / (m + 2), with the sign of x. It is 1 from 10 on. */
static inline vf tanh_vf(vf a)
{
    const vf_reduced x = vf_reduce(vf_min(vf_set(30.0f), vf_mul(vf_set(2.0f), vf_abs(a))));
    const vf power = vf_scale(ONE, x.n), m = vf_add(vf_mul(power, vf_expm1_reduced(x.r)), vf_sub(power, ONE));

    return vf_copysign(vf_div(m, vf_add(vf_set(2.0f), m)), a);
}
/* SLEEF's u35 is three times as fast as its u10, and still within 4 units. */
VECTORS1(tanh_f32, vf, float, tanh_vf(a))
VECTORS1(tanh_f64, vd, double, VD1(tanh, u35, a))
HALF(tanh, 1, false)

/* With u = 1 + x rounded and c what the rounding lost, log(1 + x) = log(u) + c / u: twice as fast as SLEEF's log1p,
 * which gives infinity near the end of the range besides. Large x is u itself, infinity among it. */
static inline vf log1p_vf(vf a)
{
    const vf u = vf_add(ONE, a), c = vf_sub(a, vf_sub(u, ONE)), log_u = VF(log, u10)(u);
    const vf whole = vf_add(log_u, vf_div(c, u));

    return vf_select(vf_lt(vf_set(1e10f), a), log_u, vf_select(vf_eq(c, ZERO), log_u, whole));
}
COMPOSED1(log1p, log1p_vf(a), a > 1e20 ? SCALAR_D(log, u10)(a) : SCALAR_D(log1p, u10)(a))

/* SLEEF squares the argument, which overflows; beyond LARGE asinh and acosh are log(2|x|) to the last bit. */
#define LARGE 1e10
#define LN_2 0.693147180559945309417232121458
static inline vf far_log_vf(vf a) { return vf_add(VF(log, u10)(vf_abs(a)), vf_set((float)LN_2)); }
static inline double far_log_d(double a) { return SCALAR_D(log, u10)(fabs(a)) + LN_2; }
COMPOSED1(asinh,
          vf_select(vf_lt(vf_set((float)LARGE), vf_abs(a)),
                    vf_select(vf_lt(a, ZERO), vf_neg(far_log_vf(a)), far_log_vf(a)), VF(asinh, u10)(a)),
          fabs(a) > LARGE ? copysign(far_log_d(a), a) : SCALAR_D(asinh, u10)(a))
COMPOSED1(acosh, vf_select(vf_lt(vf_set((float)LARGE), a), far_log_vf(a), VF(acosh, u10)(a)),
          a > LARGE ? far_log_d(a) : SCALAR_D(acosh, u10)(a))

/* max(x, 0) + log(1 + exp(-|x|)). */
COMPOSED1(softplus, vf_add(vf_max(a, ZERO), log1p_vf(vf_exp(vf_neg(vf_abs(a))))),
          (a > 0.0 ? a : 0.0) + SCALAR_D(log1p, u10)(SCALAR_D(exp, u10)(-fabs(a))))
/* a is the gradient, b the features. */
COMPOSED2(softplus_grad, vf_mul(a, sigmoid_vf(b)), a * sigmoid_d(b))

COMPOSED1(elu, vf_select(vf_lt(a, ZERO), VF(expm1, u10)(a), a), a < 0.0 ? SCALAR_D(expm1, u10)(a) : a)

#define SELU_SCALE 1.0507009873554804934193349852946
#define SELU_SCALE_ALPHA 1.7580993408473768599402175208123
/* Where exp(x) rounds to 1 the output is 0, as TensorFlow's exp(x) - 1: by its sign the gradient takes its side. */
COMPOSED1(selu, vf_select(vf_lt(a, ZERO), vf_select(vf_lt(vf_set(-0x1p-25f), a), ZERO, vf_mul(vf_set((float)SELU_SCALE_ALPHA), VF(expm1, u10)(a))),
                          vf_mul(vf_set((float)SELU_SCALE), a)),
          a < 0.0 ? (a > -0x1p-54 ? 0.0 : SELU_SCALE_ALPHA * SCALAR_D(expm1, u10)(a)) : SELU_SCALE * a)
/* b is the output here. */
BINARY(selu_grad_f32, float, float, float, b < 0 ? a * (b + (float)SELU_SCALE_ALPHA) : a * (float)SELU_SCALE)
BINARY(selu_grad_f64, double, double, double, b < 0 ? a * (b + SELU_SCALE_ALPHA) : a * SELU_SCALE)
HALF(selu_grad, 2, false)

/* 0 where x is 0, whatever y. */
COMPOSED2(xlogy, vf_select(vf_eq(a, ZERO), ZERO, vf_mul(a, VF(log, u10)(b))),
          a == 0.0 ? 0.0 : a * SCALAR_D(log, u10)(b))

/* Integers by squaring, wrapping around; negative exponents are refused before and give 0 here. */
static inline uint64_t power(uint64_t base, int64_t exponent)
{
    uint64_t result = exponent < 0 ? 0 : 1;

    for (; exponent > 0; exponent >>= 1, base *= base)
        if ((exponent & 1) != 0) result *= base;
    return result;
}
INDEX(BINARY, pow, SAME, power((uint64_t)a, b))
