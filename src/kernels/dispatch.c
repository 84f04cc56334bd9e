/* kernels/dispatch.c - which table is in force. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

extern const ek_kernels ek__base_kernels, ek__avx2_kernels, ek__avx512_kernels;

/* The features asked for are exactly the -m flags that level is built with (CMakeLists.txt).
 * __builtin_cpu_supports also asks whether the operating system saves the registers. */
int ek__kernel_levels(const ek_kernels **out, int cap)
{
    int n = 0;

    if (n < cap) out[n++] = &ek__base_kernels;
#ifdef EK_HAVE_AVX2
    if (n < cap && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) out[n++] = &ek__avx2_kernels;
#endif
#ifdef EK_HAVE_AVX512
    if (n < cap && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        out[n++] = &ek__avx512_kernels;
#endif
    return n;
}

const ek_kernels *ek__kernels(void)
{
    static _Atomic(const ek_kernels *) in_force;
    const ek_kernels *table = atomic_load_explicit(&in_force, memory_order_acquire);

    if (table == NULL) { /* two threads that come first find the same answer */
        const ek_kernels *level[8];
        const int n = ek__kernel_levels(level, 8);
        const char *cap = getenv("EK_CPU");

        table = level[n - 1];
        for (int i = 0; cap != NULL && i < n; i++)
            if (strcmp(level[i]->level, cap) == 0) table = level[i];
        atomic_store_explicit(&in_force, table, memory_order_release);
    }
    return table;
}
