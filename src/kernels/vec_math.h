/* kernels/vec_math.h - SLEEF's deterministic functions over vec.h's vectors: the same bits in every lane at every
 * level.
 *
 * VF(expf...) VF(exp, u10)(a) is e^a lane by lane of a vf, within 1 unit in the last place; VD(exp, u10)(a) of a vd;
 * SCALAR_D(exp, u10)(x) of one double. / */
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
