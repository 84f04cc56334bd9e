/* kernels/complex_math_lv.c - element-wise functions of complex numbers, computed in double one at a time, rounded
 * once.
 *
 * From SLEEF's functions of a double (see CMakeLists.txt for why nothing here is vectorised). Values at infinities and
 * branch cuts follow the formulas, not Annex G. / */
#include <complex.h>
#include <math.h>

#include "kernels/loop_lv.h"
#include "kernels/vec_math.h"

typedef float _Complex c64;
typedef double _Complex c128;
#define COMPLEX1(op, EXPR) UNARY(op##_c64, c64, c128, c64, EXPR) UNARY(op##_c128, c128, c128, c128, EXPR)
#define COMPLEX2(op, EXPR) BINARY(op##_c64, c64, c128, c64, EXPR) BINARY(op##_c128, c128, c128, c128, EXPR)

/* C11's CMPLX, which not every compiler has. */
static inline c128 parts(double re, double im)
{
    const union { double part[2]; c128 z; } u = { { re, im } };

    return u.z;
}

static inline double size_of(c128 z) { return SCALAR_D(hypot, u05)(creal(z), cimag(z)); }

static c128 exp_of(c128 z)
{
    const double r = SCALAR_D(exp, u10)(creal(z)), t = cimag(z);

    return t == 0.0 ? parts(r, t) : parts(r * SCALAR_D(cos, u10)(t), r * SCALAR_D(sin, u10)(t));
}

static c128 log_of(c128 z)
{
    return parts(SCALAR_D(log, u10)(size_of(z)), SCALAR_D(atan2, u10)(cimag(z), creal(z)));
}

/* The root with a real part that is not negative; the larger part is computed, the other follows from it. */
static c128 sqrt_of(c128 z)
{
    const double x = creal(z), y = cimag(z), t = sqrt(0.5 * (size_of(z) + fabs(x)));

    if (t == 0.0) return parts(0.0, y);
    return x >= 0.0 ? parts(t, 0.5 * y / t) : parts(0.5 * fabs(y) / t, copysign(t, y));
}

static c128 sinh_of(c128 z)
{
    return parts(SCALAR_D(sinh, u10)(creal(z)) * SCALAR_D(cos, u10)(cimag(z)),
                 SCALAR_D(cosh, u10)(creal(z)) * SCALAR_D(sin, u10)(cimag(z)));
}

static c128 cosh_of(c128 z)
{
    return parts(SCALAR_D(cosh, u10)(creal(z)) * SCALAR_D(cos, u10)(cimag(z)),
                 SCALAR_D(sinh, u10)(creal(z)) * SCALAR_D(sin, u10)(cimag(z)));
}

/* Beyond 20 the hyperbolic functions' quotient is 1 to the last bit, and they would overflow soon. */
static c128 tanh_of(c128 z)
{
    const double x = creal(z), y = cimag(z), d = SCALAR_D(cosh, u10)(2.0 * x) + SCALAR_D(cos, u10)(2.0 * y);

    if (fabs(x) > 20.0) return parts(copysign(1.0, x), 0.0);
    return parts(SCALAR_D(sinh, u10)(2.0 * x) / d, SCALAR_D(sin, u10)(2.0 * y) / d);
}

/* sin z = -i sinh iz, cos z = cosh iz, tan z = -i tanh iz. */
static inline c128 turned(c128 z) { return parts(-cimag(z), creal(z)); }
static inline c128 turned_back(c128 z) { return parts(cimag(z), -creal(z)); }

static c128 pow_of(c128 x, c128 y)
{
    if (x == 0.0) return y == 0.0 ? 1.0 : 0.0;
    return exp_of(y * log_of(x));
}

COMPLEX1(exp, exp_of(a))
COMPLEX1(expm1, exp_of(a) - 1.0)
COMPLEX1(log, log_of(a))
COMPLEX1(log1p, log_of(1.0 + a))
COMPLEX1(sqrt, sqrt_of(a))
COMPLEX1(rsqrt, 1.0 / sqrt_of(a))
COMPLEX1(sinh, sinh_of(a))
COMPLEX1(cosh, cosh_of(a))
COMPLEX1(tanh, tanh_of(a))
COMPLEX1(sin, turned_back(sinh_of(turned(a))))
COMPLEX1(cos, cosh_of(turned(a)))
COMPLEX1(tan, turned_back(tanh_of(turned(a))))
COMPLEX1(asinh, log_of(a + sqrt_of(a * a + 1.0)))
COMPLEX1(acosh, log_of(a + sqrt_of(a + 1.0) * sqrt_of(a - 1.0)))
COMPLEX1(atanh, 0.5 * log_of((1.0 + a) / (1.0 - a)))
COMPLEX1(sigmoid, 1.0 / (1.0 + exp_of(-a)))
COMPLEX1(sign, a == 0.0 ? 0.0 : a / size_of(a))
COMPLEX2(pow, pow_of(a, b))
COMPLEX2(xlogy, a == 0.0 ? 0.0 : a * log_of(b))
COMPLEX2(xdivy, a == 0.0 ? 0.0 : a / b)

/* Gradients: y is conjugated here as in TensorFlow's kernels; of sigmoid and tanh its Python does that before. */
COMPLEX2(rsqrt_grad, b == 0.0 ? 0.0 : b * conj(a) / -2.0 * (conj(a) * conj(a)))
COMPLEX2(sqrt_grad, b == 0.0 ? 0.0 : b / 2.0 / conj(a))
COMPLEX2(sigmoid_grad, b * a * (1.0 - a))
COMPLEX2(tanh_grad, b * (1.0 - a * a))
