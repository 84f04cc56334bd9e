/* kernels/after_lv.c - what follows a product or a convolution, in place while its results are in the cache: a center, a
 * scale and a bias per channel, then a rectifier. */
#include "kernels/vec.h"

#include "kernels/level.h"

#define AFTER_INLINE static inline __attribute__((always_inline))

/* NaN stays NaN and -0 stays -0, as in the loops of Relu and Relu6. */
AFTER_INLINE vf after(vf y, const vf *center, const vf *scale, const vf *bias, bool clamp, vf high)
{
    if (center != NULL) y = vf_sub(y, *center);
    if (scale != NULL) y = vf_mul(y, *scale);
    if (bias != NULL) y = vf_add(y, *bias);
    return clamp ? vf_min(high, vf_max(vf_set(0), y)) : y;
}

/* Channels [j, j + n) of a vector that may be none. */
AFTER_INLINE vf part(const float *v, int64_t j, int64_t n, bool all)
{
    if (v == NULL) return vf_set(0);
    return all ? vf_load(v + j) : vf_load_part(v + j, n, 0);
}

AFTER_INLINE void rows_loop(int64_t rows, int64_t w, const float *center, const float *scale, const float *bias, bool clamp,
                            float high, float *y)
{
    const vf h = vf_set(high);

    for (int64_t r = 0; r < rows; r++, y += w) {
        for (int64_t j = 0; j < w; j += VF_LANES) {
            const bool all = j + VF_LANES <= w;
            const vf c = part(center, j, w - j, all), s = part(scale, j, w - j, all), b = part(bias, j, w - j, all);
            const vf *cp = center != NULL ? &c : NULL, *sp = scale != NULL ? &s : NULL, *bp = bias != NULL ? &b : NULL;

            if (all) vf_store(y + j, after(vf_load(y + j), cp, sp, bp, clamp, h));
            else vf_store_part(y + j, after(vf_load_part(y + j, w - j, 0), cp, sp, bp, clamp, h), w - j);
        }
    }
}

void EK_K(after_rows_f32)(int64_t rows, int64_t w, const float *center, const float *scale, const float *bias, bool clamp,
                          float high, float *y)
{
    if (scale == NULL && bias == NULL) { /* one long row */
        if (clamp) rows_loop(1, rows * w, NULL, NULL, NULL, true, high, y);
        return;
    }
    if (center != NULL && clamp) rows_loop(rows, w, center, scale, bias, true, high, y);
    else if (center != NULL) rows_loop(rows, w, center, scale, bias, false, high, y);
    else if (scale != NULL && bias != NULL && clamp) rows_loop(rows, w, NULL, scale, bias, true, high, y);
    else if (scale != NULL && bias != NULL) rows_loop(rows, w, NULL, scale, bias, false, high, y);
    else if (scale != NULL) rows_loop(rows, w, NULL, scale, bias, clamp, high, y);
    else rows_loop(rows, w, NULL, NULL, bias, clamp, high, y);
}

void EK_K(after_plane_f32)(int64_t n, const float *center, const float *scale, const float *bias, bool clamp, float high,
                           float *y)
{
    const vf h = vf_set(high), c = vf_set(center != NULL ? *center : 0), s = vf_set(scale != NULL ? *scale : 1);
    const vf b = vf_set(bias != NULL ? *bias : 0);
    const vf *cp = center != NULL ? &c : NULL, *sp = scale != NULL ? &s : NULL, *bp = bias != NULL ? &b : NULL;
    int64_t j = 0;

    for (; j + VF_LANES <= n; j += VF_LANES) vf_store(y + j, after(vf_load(y + j), cp, sp, bp, clamp, h));
    if (j < n) vf_store_part(y + j, after(vf_load_part(y + j, n - j, 0), cp, sp, bp, clamp, h), n - j);
}
