/* kernels/table_lv.c - this level's table; compiled once per level. */
#include "kernels/level.h"

extern const ek_kernels EK_K(kernels);
const ek_kernels EK_K(kernels) = {
    .level = EK_LEVEL,
#define EK_KERNEL(name, params) .name = EK_K(name),
#include "kernels/kernels.def"
#undef EK_KERNEL
};
