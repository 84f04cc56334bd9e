/* kernels/after_lv.c - what follows a product or a convolution, in place while its results are in the cache: a scale and
 * a bias per channel, then a rectifier. */
#include "kernels/vec.h"

#include "kernels/level.h"

#define AFTER_INLINE static inline __attribute__((always_inline))

/* NaN stays NaN and -0 stays -0, as in the loops of Relu and Relu6. */
AFTER_INLINE vf after(vf y, const vf *scale, const vf *bias, bool clamp, vf high)
{
    if (scale != NULL) y = vf_mul(y, *scale);
    if (bias != NULL) y = vf_add(y, *bias);
    return clamp ? vf_min(high, vf_max(vf_set(0), y)) : y;
}

AFTER_INLINE void rows_loop(int64_t rows, int64_t w, const float *scale, const float *bias, bool clamp, float high,
                            float *y)
{
    const vf h = vf_set(high);

    for (int64_t r = 0; r < rows; r++, y += w) {
        int64_t j = 0;
        for (; j + VF_LANES <= w; j += VF_LANES) {
            const vf s = scale != NULL ? vf_load(scale + j) : h, b = bias != NULL ? vf_load(bias + j) : h;
            vf_store(y + j, after(vf_load(y + j), scale != NULL ? &s : NULL, bias != NULL ? &b : NULL, clamp, h));
        }
        if (j == w) continue;
        const int64_t n = w - j;
        const vf s = scale != NULL ? vf_load_part(scale + j, n, 0) : h, b = bias != NULL ? vf_load_part(bias + j, n, 0) : h;
        vf_store_part(y + j,
                      after(vf_load_part(y + j, n, 0), scale != NULL ? &s : NULL, bias != NULL ? &b : NULL, clamp, h), n);
    }
}

void EK_K(after_rows_f32)(int64_t rows, int64_t w, const float *scale, const float *bias, bool clamp, float high,
                          float *y)
{
    if (scale == NULL && bias == NULL) { /* one long row */
        if (clamp) rows_loop(1, rows * w, NULL, NULL, true, high, y);
        return;
    }
    if (scale != NULL && bias != NULL && clamp) rows_loop(rows, w, scale, bias, true, high, y);
    else if (scale != NULL && bias != NULL) rows_loop(rows, w, scale, bias, false, high, y);
    else if (scale != NULL) rows_loop(rows, w, scale, NULL, clamp, high, y);
    else rows_loop(rows, w, NULL, bias, clamp, high, y);
}

void EK_K(after_plane_f32)(int64_t n, const float *scale, const float *bias, bool clamp, float high, float *y)
{
    const vf h = vf_set(high), s = vf_set(scale != NULL ? *scale : 1), b = vf_set(bias != NULL ? *bias : 0);
    const vf *sp = scale != NULL ? &s : NULL, *bp = bias != NULL ? &b : NULL;
    int64_t j = 0;

    for (; j + VF_LANES <= n; j += VF_LANES) vf_store(y + j, after(vf_load(y + j), sp, bp, clamp, h));
    if (j < n) vf_store_part(y + j, after(vf_load_part(y + j, n - j, 0), sp, bp, clamp, h), n - j);
}
