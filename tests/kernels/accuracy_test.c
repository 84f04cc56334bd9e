/* How far the functions are from the right answer, in units in the last place, over ordinary and extreme arguments. The
 * reference is the C library's long double. */
#include <float.h>
#include <math.h>

#include "kernels/levels.h"

typedef void loop_fn(int64_t n, const void *const *in, const int *step, void *out, const void *state);

static long double sigmoid(long double x) { return 1 / (1 + expl(-x)); }
static long double softplus(long double x) { return x > 0 ? x + log1pl(expl(-x)) : log1pl(expl(x)); }
static long double elu(long double x) { return x < 0 ? expm1l(x) : x; }
static long double rsqrt(long double x) { return 1 / sqrtl(x); }

/* Arguments are taken from +-[least, most], evenly by logarithm; below 0 only where `both`. */
static const struct row {
    const char *name;
    size_t f32, f64;
    long double (*right)(long double);
    double least, most32, most64;
    bool both;
    double ulp; /* of float32 and float64 alike */
} rows[] = {
#define ROW(op, right, least, most32, most64, both, ulp) \
    { #op, offsetof(ek_kernels, op##_f32), offsetof(ek_kernels, op##_f64), right, least, most32, most64, both, ulp }
    ROW(exp, expl, 1e-30, 88, 709, true, 1.0),
    ROW(expm1, expm1l, 1e-30, 88, 709, true, 1.0),
    ROW(log, logl, 1e-37, 3e38, 1e308, false, 1.0),
    ROW(log1p, log1pl, 1e-30, 3e38, 1e308, false, 2.0),
    ROW(log1p, log1pl, 1e-30, 0.999, 0.999, true, 2.0),
    ROW(sigmoid, sigmoid, 1e-30, 87, 700, true, 4.0),
    ROW(tanh, tanhl, 1e-30, 100, 1000, true, 4.0),
    ROW(softplus, softplus, 1e-30, 87, 700, true, 4.0),
    ROW(elu, elu, 1e-30, 1e30, 1e300, true, 1.0),
    ROW(sqrt, sqrtl, 1e-37, 3e38, 1e308, false, 0.5),
    ROW(rsqrt, rsqrt, 1e-37, 3e38, 1e308, false, 1.5),
    ROW(sin, sinl, 1e-30, 1e6, 1e9, true, 1.0),
    ROW(cos, cosl, 1e-30, 1e6, 1e9, true, 1.0),
    ROW(atan, atanl, 1e-30, 1e30, 1e300, true, 1.0),
    ROW(asinh, asinhl, 1e-30, 1e30, 1e300, true, 1.0),
    ROW(acosh, acoshl, 1.0001, 1e30, 1e300, false, 1.0),
    ROW(erf, erfl, 1e-30, 10, 10, true, 1.0),
    ROW(lgamma, lgammal, 3.0, 1e30, 1e300, false, 1.0),
};

enum { N = 20000 };

static loop_fn *loop_at(const ek_kernels *k, size_t place)
{
    loop_fn *fn;

    memcpy(&fn, (const char *)k + place, sizeof fn);
    return fn;
}

static double argument(uint64_t *seed, double least, double most, bool both)
{
    const double u = 0.5 + 0.5 * test_uniform(seed), x = exp(log(least) + u * (log(most) - log(least)));

    return both && (test_next(seed) & 1) != 0 ? -x : x;
}

/* Distance in units of the last place of the right answer, `digits` bits wide; subnormal answers by the smallest unit. */
static double distance(double got, long double right, int digits, int least)
{
    int e;

    if (right == 0) return got == 0 ? 0 : INFINITY;
    (void)frexpl(right, &e);
    e -= digits;
    return (double)(fabsl(got - right) / ldexpl(1, e < least ? least : e));
}

static void within_their_units(void **state)
{
    static float x32[N], y32[N];
    static double x64[N], y64[N];
    const ek_kernels *k = ek__kernels();
    const int each = 1;

    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        uint64_t seed = 3 + r;
        double worst32 = 0, worst64 = 0;

        for (int i = 0; i < N; i++) {
            x32[i] = (float)argument(&seed, rows[r].least, rows[r].most32, rows[r].both);
            x64[i] = argument(&seed, rows[r].least, rows[r].most64, rows[r].both);
        }
        loop_at(k, rows[r].f32)(N, (const void *const[]){ x32 }, &each, y32, NULL);
        loop_at(k, rows[r].f64)(N, (const void *const[]){ x64 }, &each, y64, NULL);
        for (int i = 0; i < N; i++) {
            worst32 = fmax(worst32, distance((double)y32[i], rows[r].right((long double)x32[i]), 24, -149));
            worst64 = fmax(worst64, distance(y64[i], rows[r].right((long double)x64[i]), 53, -1074));
        }
        print_message("%-9s float32 %.2f, float64 %.2f ulp\n", rows[r].name, worst32, worst64);
        if (!(worst32 <= rows[r].ulp + 0.01)) fail_msg("%s: float32 is off by %g ulp", rows[r].name, worst32);
        if (!(worst64 <= rows[r].ulp + 0.01)) fail_msg("%s: float64 is off by %g ulp", rows[r].name, worst64);
    }
}

/* Infinity, NaN, the sign of 0, and where answers leave the range: within one smallest unit there. */
static void the_ends(void **state)
{
    static const float x[] = { -INFINITY, -1e30f, -104, -100, -90, -0.0f, 0, 88.7f, 89, 1e30f, INFINITY, NAN };
    enum { ENDS = sizeof x / sizeof *x };
    const ek_kernels *level[8];
    const int n = ek__kernel_levels(level, 8), each = 1;
    float e[ENDS], s[ENDS], t[ENDS];

    (void)state;
    for (int l = 0; l < n; l++) {
        level[l]->exp_f32(ENDS, (const void *const[]){ x }, &each, e, NULL);
        level[l]->sigmoid_f32(ENDS, (const void *const[]){ x }, &each, s, NULL);
        level[l]->tanh_f32(ENDS, (const void *const[]){ x }, &each, t, NULL);
        for (int i = 0; i < ENDS - 1; i++) {
            const long double v = (long double)x[i];
            assert_true(e[i] == (float)expl(v) || distance((double)e[i], expl(v), 24, -149) <= 1);
            assert_true(distance((double)s[i], sigmoid(v), 24, -149) <= 4);
            assert_true(distance((double)t[i], tanhl(v), 24, -149) <= 4);
            assert_true(signbit(t[i]) == signbit(x[i]));
        }
        assert_true(isnan(e[ENDS - 1]) && isnan(s[ENDS - 1]) && isnan(t[ENDS - 1]));
    }
}

/* All of float32 in steps of a prime. */
static void every_level_gives_the_same_bits(void **state)
{
    enum { STEP = 401, BLOCK = 4096 };
    static const size_t place[] = { offsetof(ek_kernels, exp_f32), offsetof(ek_kernels, sigmoid_f32),
                                    offsetof(ek_kernels, tanh_f32) };
    static float x[BLOCK], expect[BLOCK], got[BLOCK];
    const ek_kernels *level[8];
    const int n = ek__kernel_levels(level, 8), each = 1;

    (void)state;
    for (uint64_t first = 0; first < (uint64_t)1 << 32; first += (uint64_t)BLOCK * STEP) {
        for (uint32_t i = 0; i < BLOCK; i++) {
            const uint32_t bits = (uint32_t)first + i * STEP;
            memcpy(&x[i], &bits, sizeof bits);
            if (isnan(x[i])) x[i] = 0;
        }
        for (int k = 0; k < 3; k++) {
            loop_at(level[0], place[k])(BLOCK, (const void *const[]){ x }, &each, expect, NULL);
            for (int l = 1; l < n; l++) {
                loop_at(level[l], place[k])(BLOCK, (const void *const[]){ x }, &each, got, NULL);
                assert_memory_equal(got, expect, sizeof got);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(within_their_units), cmocka_unit_test(the_ends),
                                        cmocka_unit_test(every_level_gives_the_same_bits) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
