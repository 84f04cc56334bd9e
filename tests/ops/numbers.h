/* tests/ops/numbers.h - arrays of made-up numbers, and their products. */
#ifndef EK_TESTS_OPS_NUMBERS_H
#define EK_TESTS_OPS_NUMBERS_H

#include "kernels/levels.h"
#include "ops/one_op.h"

/* In [-1, 1), the same in every type but for rounding. */
static inline ek_array *numbers(ek_dtype t, ek_shape shape, uint64_t seed)
{
    ek_array *a = ek_array_of(t, shape, NULL);

    for (int64_t i = 0; i < ek_array_count(a); i++) {
        const float v = (float)test_uniform(&seed);
        ek__convert(EK_FLOAT32, &v, t, (char *)ek_array_data(a) + (size_t)i * ek_dtype_size(t), 1);
    }
    return a;
}

/* The sum of the products of their elements. */
static inline double dot(const ek_array *a, const ek_array *b)
{
    double sum = 0;

    assert_int_equal(ek_array_count(a), ek_array_count(b));
    for (int64_t i = 0; i < ek_array_count(a); i++) sum += ek_array_get(a, i) * ek_array_get(b, i);
    return sum;
}

#endif
