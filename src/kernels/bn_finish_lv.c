/* kernels/bn_finish_lv.c - what the sums of batch norm mean, for n channels side by side.
 *
 * Everything is computed in double and rounded to the type that it leaves in; what comes later is computed from what
 * was rounded, so that whoever has the outputs can repeat it to the bit.
 */
#include <tgmath.h>

#include "kernels/level.h"

/* With x about `reference`: mean and what it lost by rounding, the biased variance, and that times `unbiased`. */
#define MOMENTS(t, T)                                                                                            \
    void EK_K(bn_moments_##t)(int64_t n, double count, double unbiased, const double *sum, const double *squares, \
                              const double *reference, void *mean, void *low, void *variance, void *leaving)     \
    {                                                                                                            \
        T *restrict const mean_ = mean, *restrict const low_ = low, *restrict const variance_ = variance,        \
                                        *restrict const leaving_ = leaving;                                      \
        for (int64_t i = 0; i < n; i++) {                                                                        \
            const double m = sum[i] / count, exact = reference[i] + m, raw = squares[i] / count - m * m;         \
            const double biased = raw < 0 ? 0 : raw, lost = exact - (double)(T)exact; /* NaN stays */            \
            mean_[i] = (T)exact;                                                                                 \
            low_[i] = lost - lost == 0 ? (T)lost : 0;                                                            \
            variance_[i] = (T)biased;                                                                            \
            leaving_[i] = (T)(biased * unbiased);                                                                \
        }                                                                                                        \
    }
MOMENTS(f32, float)
MOMENTS(f64, double)

/* The one place where epsilon meets a variance. */
#define INVERSE(t, T)                                                                                       \
    void EK_K(bn_inverse_##t)(int64_t n, double epsilon, const void *variance, void *inverse)               \
    {                                                                                                       \
        const T *const variance_ = variance;                                                                \
        T *restrict const inverse_ = inverse;                                                               \
        for (int64_t i = 0; i < n; i++) inverse_[i] = (T)(1.0 / sqrt((double)variance_[i] + epsilon));      \
    }
INVERSE(f32, float)
INVERSE(f64, double)

/* y = (x - mean) * a + b: what mean lost goes into b. scale and offset may be NULL: 1 and 0. */
#define FACTORS(t, T)                                                                                           \
    void EK_K(bn_factors_##t)(int64_t n, const void *inverse, const void *low, const void *scale,               \
                              const void *offset, void *a, void *b)                                             \
    {                                                                                                           \
        const T *const inverse_ = inverse, *const low_ = low, *const scale_ = scale, *const offset_ = offset;   \
        T *restrict const a_ = a, *restrict const b_ = b;                                                       \
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
        for (int64_t i = 0; i < n; i++) {                                                                     \
            const double inv = (double)inverse_[i], lost = (double)low_[i], centred = sum_gx[i] - lost * sum_g[i]; \
            const double c = -(double)a_[i] * inv * inv * (centred / count);                                  \
            dscale_[i] = (T)(inv * centred);                                                                  \
            doffset_[i] = (T)sum_g[i];                                                                        \
            gc_[i] = (T)c;                                                                                    \
            gd_[i] = (T)(-(double)a_[i] * (sum_g[i] / count) - lost * (double)(T)c);                          \
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
        for (int64_t i = 0; i < n; i++) moved_[i] = moving_[i] - (moving_[i] - batch_[i]) * d;                   \
    }
MOVED(f32, float)
MOVED(f64, double)
