/* kernels/bn_lv.h - what batch norm does to one vector, shared by its loops over rows and over planes. */
#ifndef EK_KERNELS_BN_LV_H
#define EK_KERNELS_BN_LV_H

#include "kernels/vec.h"

/* Loops written once and compiled per variant: `clamp` and `stream` are constants where they are called. */
#define BN_INLINE static inline __attribute__((always_inline))

static inline bool bn_aligned(const void *p)
{
    return (uintptr_t)p % (VF_LANES * sizeof(float)) == 0;
}

/* (x - mean) * a + b; where `clamp`, between 0 and high, NaN staying NaN. */
BN_INLINE vf bn_normal(vf x, vf mean, vf a, vf b, bool clamp, vf high)
{
    const vf y = vf_add(vf_mul(vf_sub(x, mean), a), b);

    return clamp ? vf_min(high, vf_max(vf_set(0), y)) : y;
}

/* dy, or 0 times it where y = centred * a + b is not in (0, high]. */
BN_INLINE vf bn_passed(vf dy, vf centred, vf a, vf b, bool clamp, vf high)
{
    if (!clamp) return dy;
    const vf y = vf_add(vf_mul(centred, a), b), zero = vf_set(0);
    return vf_mul(dy, vf_select(vf_lt(zero, y), vf_select(vf_lt(high, y), zero, vf_set(1)), zero));
}

BN_INLINE vf bn_slope(vf g, vf centred, vf a, vf gc, vf gd)
{
    return vf_add(vf_add(vf_mul(a, g), vf_mul(centred, gc)), gd);
}

#endif
