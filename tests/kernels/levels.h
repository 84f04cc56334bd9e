/* tests/kernels/levels.h - what kernel tests share: numbers from a fixed generator, kernels found by place. */
#ifndef EK_TESTS_KERNELS_LEVELS_H
#define EK_TESTS_KERNELS_LEVELS_H

#include <string.h>

#include "kernels/kernels.h"
#include "support/support.h"

/* xorshift: the same numbers on every machine. */
static inline uint64_t test_next(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

/* In [-1, 1). */
static inline double test_uniform(uint64_t *state)
{
    return (double)(int64_t)test_next(state) * 0x1p-63;
}

#endif
