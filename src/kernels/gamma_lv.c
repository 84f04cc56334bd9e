/* kernels/gamma_lv.c - derivatives of the logarithm of the gamma function, one double at a time: float32 comes out rounded
 * once. */
#include <math.h>

#include "kernels/loop_lv.h"
#include "kernels/vec_math.h"

#define PI 3.14159265358979323846

/* The first derivative: carried up to 10 by the recurrence, from there the asymptotic series; from negative numbers by
 * reflection. Poles are NaN, as in TensorFlow. */
static double digamma_d(double x)
{
    static const double term[] = { 1.0 / 12, -1.0 / 120, 1.0 / 252, -1.0 / 240, 1.0 / 132, -691.0 / 32760, 1.0 / 12 };
    double sum = 0;

    if (x <= 0) {
        const double whole = floor(x);
        double off = x - whole;
        if (x == whole) return (double)NAN;
        if (off > 0.5) off = x - (whole + 1);
        if (off != 0.5) sum = -PI / SCALAR_D(tan, u10)(PI * off);
        x = 1 - x;
    }
    for (; x < 10; x += 1) sum -= 1 / x;
    if (x > 1e17) return sum + SCALAR_D(log, u10)(x);
    const double square = 1 / (x * x);
    double series = 0;
    for (int i = 6; i >= 0; i--) series = (series + term[i]) * square;
    return sum + SCALAR_D(log, u10)(x) - 0.5 / x - series;
}

/* Hurwitz' zeta(s, q), s > 1: nine terms and more, then Euler and Maclaurin's. */
static double zeta_d(double s, double q)
{
    static const double divisor[] = { 12, -720, 30240, -1209600, 47900160, -1.8924375803183791606e9, 7.47242496e10,
                                      -2.950130727918164224e12, 1.1646782814350067249e14, -4.5979787224074726105e15,
                                      1.8152105401943546773e17, -7.1661652561756670113e18 };
    double a = q, b = SCALAR_D(pow, u10)(q, -s), sum = b, factor = 1;

    if (q <= 0 && q == floor(q)) return (double)INFINITY;
    if (q > 1e300) return 0;
    for (int i = 0; i < 9 || a <= 9; i++) {
        if (fabs(b) < fabs(sum) * 0x1p-54) return sum;
        a += 1;
        b = SCALAR_D(pow, u10)(a, -s);
        sum += b;
    }
    sum += b * a / (s - 1) - 0.5 * b;
    for (int i = 0; i < 12; i++) {
        factor *= s + 2 * i;
        b /= a;
        const double t = factor * b / divisor[i];
        sum += t;
        if (fabs(t) < fabs(sum) * 0x1p-54) break;
        factor *= s + 2 * i + 1;
        b /= a;
    }
    return sum;
}

/* Derivative number n of digamma: n! zeta(n + 1, x), its sign by n. */
static double polygamma_d(double n, double x)
{
    double factorial = 1;

    if (n == 0) return digamma_d(x);
    if (!(n > 0) || n != floor(n) || isnan(x)) return (double)NAN;
    for (double i = 2; i <= n && factorial < 1e300; i += 1) factorial *= i;
    if (n > 170) factorial = (double)INFINITY;
    return (fmod(n, 2.0) == 0.0 ? -factorial : factorial) * zeta_d(n + 1, x);
}

UNARY(digamma_f32, float, double, float, digamma_d(a))
UNARY(digamma_f64, double, double, double, digamma_d(a))
HALF(digamma, 1, false)
BINARY(polygamma_f32, float, double, float, polygamma_d(a, b))
BINARY(polygamma_f64, double, double, double, polygamma_d(a, b))
HALF(polygamma, 2, false)
