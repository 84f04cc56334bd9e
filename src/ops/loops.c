/* ops/loops.c - from an op and a dtype to its loop in the kernel table. */
#include <stddef.h>

#include "kernels/loops.h"
#include "ops/elementwise.h"

#define LOOP_AT(op, type) [EK_LOOP_DTYPE_##type] = (uint16_t)offsetof(ek_kernels, op##_##type),
#define EK_LOOPS(op, types, inputs, result) const ek_loops ek__loops_##op = { { EK_TYPES_##types(LOOP_AT, op) } };
#include "kernels/elementwise.def"

_Static_assert(sizeof(ek_kernels) <= UINT16_MAX, "offsets into the kernel table are 16 bits");

ek_elementwise_fn ek__loop(const ek_loops *loops, ek_dtype t)
{
    const int type = (int)ek_dtype_base(t);
    const size_t offset = type > 0 && type < EK_DTYPE_COUNT ? loops->offset[type] : 0;
    ek_elementwise_fn fn = NULL;

    if (offset != 0) memcpy(&fn, (const char *)ek__kernels() + offset, sizeof fn);
    return fn;
}
