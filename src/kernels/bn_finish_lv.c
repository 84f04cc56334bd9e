/* kernels/bn_finish_lv.c - what the sums of batch norm mean, for n channels side by side.
 *
 * Everything is computed in double and rounded to the type that it leaves in; what comes later is computed from what
 * was rounded, so that whoever has the outputs can repeat it to the bit.
 */
#include <tgmath.h>

#include "kernels/loop_lv.h"

/* With x about `reference`: mean and what it lost by rounding, the biased variance, and that times `unbiased`. */
#define MOMENTS(t, T)                                                                                            \
    void EK_K(bn_moments_##t)(int64_t n, double count, double unbiased, const double *sum, const double *squares, \
                              const double *reference, void *mean, void *low, void *variance, void *leaving)     \
    {                                                                                                            \
        T *restrict const mean_ = mean, *restrict const low_ = low, *restrict const variance_ = variance,        \
                                        *restrict const leaving_ = leaving;                                      \
        const double share = 1.0 / count;                                                                        \
        INDEPENDENT                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                                        \
            const double m = sum[i] * share, exact = reference[i] + m, raw = squares[i] * share - m * m;         \
            const double biased = raw < 0 ? 0 : raw, lost = exact - (double)(T)exact; /* NaN stays */            \
            mean_[i] = (T)exact;                                                                                 \
            low_[i] = lost - lost == 0 ? (T)lost : 0;                                                            \
            variance_[i] = (T)biased;                                                                            \
            leaving_[i] = (T)(biased * unbiased);                                                                \
        }                                                                                                        \
    }
MOMENTS(f32, float)
MOMENTS(f64, double)

/* What x is summed about: its first numbers, or 0 where they are not finite. */
void EK_K(bn_reference_f32)(int64_t n, const float *first, double *reference)
{
    INDEPENDENT
    for (int64_t i = 0; i < n; i++) reference[i] = first[i] - first[i] == 0 ? (double)first[i] : 0;
}

/* The one place where epsilon meets a variance. */
void EK_K(bn_inverse_f64)(int64_t n, double epsilon, const void *variance, void *inverse)
{
    const double *const variance_ = variance;
    double *const inverse_ = inverse;

    INDEPENDENT
    for (int64_t i = 0; i < n; i++) inverse_[i] = 1.0 / sqrt(variance_[i] + epsilon);
}

/* Double's roots and quotients are slow: float's and a step of Newton's give the same to 1e-14, where float can hold
 * what the root is of. An infinite variance has no correction. */
void EK_K(bn_inverse_f32)(int64_t n, double epsilon, const void *variance, void *inverse)
{
    const float *const variance_ = variance;
    float *const inverse_ = inverse;

    if (epsilon < 1e-30) {
        INDEPENDENT
        for (int64_t i = 0; i < n; i++) inverse_[i] = (float)(1.0 / sqrt((double)variance_[i] + epsilon));
        return;
    }
    INDEPENDENT
    for (int64_t i = 0; i < n; i++) {
        const double v = (double)variance_[i] + epsilon, near = (double)(1.0f / sqrt((float)v));
        const double left = 1.0 - v * near * near;
        inverse_[i] = (float)(left - left == 0 ? near + near * (0.5 * left) : near);
    }
}

/* y = (x - mean) * a + b: what mean lost goes into b. scale and offset may be NULL: 1 and 0. */
#define FACTORS(t, T)                                                                                           \
    void EK_K(bn_factors_##t)(int64_t n, const void *inverse, const void *low, const void *scale,               \
                              const void *offset, void *a, void *b)                                             \
    {                                                                                                           \
        const T *const inverse_ = inverse, *const low_ = low, *const scale_ = scale, *const offset_ = offset;   \
        T *restrict const a_ = a, *restrict const b_ = b;                                                       \
        INDEPENDENT                                                                                             \
        for (int64_t i = 0; i < n; i++) {                                                                       \
            const T factor = scale != NULL ? inverse_[i] * scale_[i] : inverse_[i];                             \
            const double shift = offset != NULL ? (double)offset_[i] : 0;                                       \
            a_[i] = factor;                                                                                     \
            b_[i] = (T)(shift - (double)low_[i] * (double)factor);                                              \
        }                                                                                                       \
    }
FACTORS(f32, float)
FACTORS(f64, double)

/* dx = (a * g + (x - mean) * gc) + gd, from sum g and sum g (x - mean) about the rounded mean. */
#define SLOPES(t, T)                                                                                          \
    void EK_K(bn_slopes_##t)(int64_t n, double count, const double *sum_g, const double *sum_gx,              \
                             const void *inverse, const void *low, const void *a, void *dscale, void *doffset, \
                             void *gc, void *gd)                                                              \
    {                                                                                                         \
        const T *const inverse_ = inverse, *const low_ = low, *const a_ = a;                                  \
        T *restrict const dscale_ = dscale, *restrict const doffset_ = doffset, *restrict const gc_ = gc,     \
                          *restrict const gd_ = gd;                                                           \
        const double share = 1.0 / count;                                                                     \
        INDEPENDENT                                                                                           \
        for (int64_t i = 0; i < n; i++) {                                                                     \
            const double inv = (double)inverse_[i], lost = (double)low_[i], centred = sum_gx[i] - lost * sum_g[i]; \
            const double c = -(double)a_[i] * inv * inv * (centred * share);                                  \
            dscale_[i] = (T)(inv * centred);                                                                  \
            doffset_[i] = (T)sum_g[i];                                                                        \
            gc_[i] = (T)c;                                                                                    \
            gd_[i] = (T)(-(double)a_[i] * (sum_g[i] * share) - lost * (double)(T)c);                          \
        }                                                                                                     \
    }
SLOPES(f32, float)
SLOPES(f64, double)

/* m - (m - b) * decay, each step rounded. */
#define MOVED(t, T)                                                                                              \
    void EK_K(bn_moved_##t)(int64_t n, double decay, const void *moving, const void *batch, void *moved)         \
    {                                                                                                            \
        const T *const moving_ = moving, *const batch_ = batch, d = (T)decay;                                    \
        T *const moved_ = moved;                                                                                 \
        INDEPENDENT                                                                                              \
        for (int64_t i = 0; i < n; i++) moved_[i] = moving_[i] - (moving_[i] - batch_[i]) * d;                   \
    }
MOVED(f32, float)
MOVED(f64, double)
