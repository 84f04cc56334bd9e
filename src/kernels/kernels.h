/* kernels/kernels.h - the table of loops over raw pointers, one table per CPU level.
 *
 * A level is one decision per process: base, avx2, avx512, the best that this processor
 * and its operating system support, capped by EK_CPU=base|avx2|avx512. Every level gives
 * the same bits: lanes, chunks and the order of additions follow from the shape alone,
 * counted in 16 lanes, without fused multiply-add. Kernels allocate nothing, know no
 * graph, and see no thread.
 */
#ifndef EK_KERNELS_KERNELS_H
#define EK_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/depthwise.h"
#include "kernels/pool.h"

/* How batch norm runs over columns (arrays of w numbers) or over a plane (arrays of one). Loops use what they need.
 *     y = (x - mean) * a + b, held between 0 and high where `clamp`
 *     dx = (a * g + (x - mean) * gc) + gd, g = dy; where `clamp`, g is 0 unless 0 < y <= high */
typedef struct ek_bn_columns {
    const float *mean, *a, *b, *gc, *gd;
    float high;
    bool clamp;
    bool stream; /* results are written past the caches where that can be */
} ek_bn_columns;

typedef struct ek_kernels {
    const char *level;
#define EK_KERNEL(name, params) void(*name) params;
#include "kernels/kernels.def"
#undef EK_KERNEL
} ek_kernels;

/* The table in force. */
const ek_kernels *ek__kernels(void);
/* Every table this processor can run, base first; for tests and benchmarks. */
int ek__kernel_levels(const ek_kernels **out, int cap);

#endif
