/* kernels/vec_math.h - functions over vec.h's vectors with the same bits in every lane at every level: SLEEF's, and
 * the exponential of floats, in line.
 *
 * VF(log, u10)(a) is log a lane by lane of a vf, within 1 unit in the last place; VD1(log, u10, a) of a vd;
 * SCALAR_D(log, u10)(x) of one double. vf_exp(a) is e^a within 1 unit in less than half of SLEEF's time: it sits in
 * the loop that calls it, where the next vector's begins before this one's has ended.
 */
#ifndef EK_KERNELS_VEC_MATH_H
#define EK_KERNELS_VEC_MATH_H

#include <sleef.h>

#include "kernels/vec.h"

#if defined(EK_LEVEL_avx512)
#define VF(f, u) Sleef_cinz_##f##f16_##u##avx512fnofma
#define VD_PART(f, u) Sleef_cinz_##f##d8_##u##avx512fnofma
#elif defined(EK_LEVEL_avx2)
#define VF(f, u) Sleef_cinz_##f##f8_##u##avx
#define VD_PART(f, u) Sleef_cinz_##f##d4_##u##avx
#else
#define VF(f, u) Sleef_cinz_##f##f1_##u##purec
#define VD_PART(f, u) Sleef_cinz_##f##d1_##u##purec
#endif
#define SCALAR_D(f, u) Sleef_cinz_##f##d1_##u##purec

#if defined(EK_LEVEL_avx512) || defined(EK_LEVEL_avx2)
#define VD1(f, u, a) ((vd){ VD_PART(f, u)((a).lo), VD_PART(f, u)((a).hi) })
#define VD2(f, u, a, b) ((vd){ VD_PART(f, u)((a).lo, (b).lo), VD_PART(f, u)((a).hi, (b).hi) })
#else
#define VD1(f, u, a) VD_PART(f, u)(a)
#define VD2(f, u, a, b) VD_PART(f, u)(a, b)
#endif

/* ---- exp ---------------------------------------------------------------------------------- */

/* a = n ln 2 + r, n whole and r at most half of ln 2. */
typedef struct vf_reduced {
    vf n, r;
} vf_reduced;

/* Adding 1.5 * 2^23 rounds to a whole number. ln 2's high part times n is exact. */
static inline vf_reduced vf_reduce(vf a)
{
    const vf whole = vf_set(0x1.8p23f), n = vf_sub(vf_add(vf_mul(a, vf_set(0x1.715476p+0f)), whole), whole);
    const vf r = vf_sub(a, vf_mul(n, vf_set(0x1.62e4p-1f)));

    return (vf_reduced){ n, vf_sub(r, vf_mul(n, vf_set(0x1.7f7d1cp-20f))) };
}

/* e^r - 1 within 0.6 units: r + r^2 q(r), q of degree 4 by minimax, 3e-9 from right. */
static inline vf vf_expm1_reduced(vf r)
{
    const vf rr = vf_mul(r, r), low = vf_add(vf_set(0x1.fffffcp-2f), vf_mul(r, vf_set(0x1.55549p-3f)));
    const vf high = vf_add(vf_set(0x1.5558f4p-5f), vf_mul(r, vf_set(0x1.123a6cp-7f)));
    const vf q = vf_add(low, vf_mul(rr, vf_add(high, vf_mul(rr, vf_set(0x1.6a2352p-10f)))));

    return vf_add(r, vf_mul(rr, q));
}

/* Beyond the bounds the answer is 0 or infinity. */
static inline vf vf_exp(vf a)
{
    const vf_reduced x = vf_reduce(vf_min(vf_set(130.0f), vf_max(vf_set(-150.0f), a)));

    return vf_scale(vf_add(vf_set(1.0f), vf_expm1_reduced(x.r)), x.n);
}

/* ---- the ends of arrays -------------------------------------------------------------------- */

/* The next m <= VF_LANES elements of an input of step 1 or 0; lanes beyond hold 1, where every function is at ease. */
static inline vf vf_next(const float *x, int step, int64_t i, int64_t m)
{
    if (step == 0) return vf_set(*x);
    return m == VF_LANES ? vf_load(x + i) : vf_load_part(x + i, m, 1.0f);
}
static inline void vf_put(float *z, vf a, int64_t m)
{
    if (m == VF_LANES) vf_store(z, a);
    else vf_store_part(z, a, m);
}
static inline vd vd_next(const double *x, int step, int64_t i, int64_t m)
{
    double part[VF_LANES];

    if (step == 0) return vd_set(*x);
    if (m == VF_LANES) return vd_load(x + i);
    for (int k = 0; k < VF_LANES; k++) part[k] = k < m ? x[i + k] : 1.0;
    return vd_load(part);
}
static inline void vd_put(double *z, vd a, int64_t m)
{
    double part[VF_LANES];

    vd_store(m == VF_LANES ? z : part, a);
    for (int k = 0; k < m && m < VF_LANES; k++) z[k] = part[k];
}

#endif
