/* kernels/level.h - the level this file is being compiled for (see CMakeLists.txt). */
#ifndef EK_KERNELS_LEVEL_H
#define EK_KERNELS_LEVEL_H

#if defined(EK_LEVEL_avx512)
#define EK_K(name) ek__avx512_##name
#define EK_LEVEL "avx512"
#elif defined(EK_LEVEL_avx2)
#define EK_K(name) ek__avx2_##name
#define EK_LEVEL "avx2"
#else
#define EK_K(name) ek__base_##name
#define EK_LEVEL "base"
#endif

/* GCC 12 makes (a * b - c * d, a * d + b * c) a fused vfmaddsub whatever -ffp-contract says. Loops that multiply
 * complex numbers carry this and stay scalar. */
#if defined(__GNUC__) && !defined(__clang__)
#define EK_COMPLEX_LOOP __attribute__((optimize("no-tree-vectorize")))
#else
#define EK_COMPLEX_LOOP
#endif

#include "kernels/kernels.h"

#define EK_KERNEL(name, params) void EK_K(name) params;
#include "kernels/kernels.def"
#undef EK_KERNEL

#endif
