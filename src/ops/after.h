/* ops/after.h - applying what follows a linear op to a part of its results. */
#ifndef EK_OPS_AFTER_H
#define EK_OPS_AFTER_H

#include <math.h>

#include "graph/op.h"
#include "kernels/kernels.h"

static inline ek_after ek__after_nothing(void)
{
    return (ek_after){ .center = -1, .scale = -1, .bias = -1, .high = INFINITY };
}

static inline bool ek__after_any(const ek_after *f)
{
    return f->scale >= 0 || f->bias >= 0 || f->clamp;
}

/* In place on `rows` dense rows of w results, columns [first, first + w) of the channels. */
static inline void ek__after_rows(const ek_run_args *a, const ek_after *f, int64_t first, int64_t rows, int64_t w,
                                  float *y)
{
    const float *center = f->center < 0 ? NULL : (const float *)a->in[f->center] + first;
    const float *scale = f->scale < 0 ? NULL : (const float *)a->in[f->scale] + first;
    const float *bias = f->bias < 0 ? NULL : (const float *)a->in[f->bias] + first;

    if (ek__after_any(f)) ek__kernels()->after_rows_f32(rows, w, center, scale, bias, f->clamp, f->high, y);
}

/* In place on images of `channels` planes of n results. */
static inline void ek__after_planes(const ek_run_args *a, const ek_after *f, int64_t images, int64_t channels, int64_t n,
                                    float *y)
{
    for (int64_t i = 0; i < images * channels && ek__after_any(f); i++, y += n) {
        const float *center = f->center < 0 ? NULL : (const float *)a->in[f->center] + i % channels;
        const float *scale = f->scale < 0 ? NULL : (const float *)a->in[f->scale] + i % channels;
        const float *bias = f->bias < 0 ? NULL : (const float *)a->in[f->bias] + i % channels;
        ek__kernels()->after_plane_f32(n, center, scale, bias, f->clamp, f->high, y);
    }
}

#endif
