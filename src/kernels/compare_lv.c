/* kernels/compare_lv.c - element-wise loops of truths and bits: comparisons, logic, shifts, choosing one of two. */
#include <math.h>

#include "kernels/loop_lv.h"

#define FLOAT_TRUTHS(op, EXPR) WIDE(BINARY, op, TRUTH, EXPR) HALF(op, 2, true)
#define COMPARE(op, EXPR) FLOAT_TRUTHS(op, EXPR) INTS(BINARY, op, TRUTH, EXPR)

COMPARE(equal, a == b)
BINARY(equal_b, uint8_t, uint8_t, bool, a == b)
COMPARE(not_equal, a != b)
BINARY(not_equal_b, uint8_t, uint8_t, bool, a != b)
COMPARE(less, a < b)
COMPARE(less_equal, a <= b)
COMPARE(greater, a > b)
COMPARE(greater_equal, a >= b)

/* |a - b| < tolerance, in the elements' own type: for integers the tolerance is truncated. */
FLOAT_TRUTHS(approximate_equal, (a > b ? a - b : b - a) < parameter)
#define TOLERANCE (parameter >= 0x1p63f ? UINT64_MAX : parameter > 0.0f ? (uint64_t)parameter : 0)
INTS(BINARY, approximate_equal, TRUTH, (a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a) < TOLERANCE)

#define FLOAT_TESTS(op, EXPR) WIDE(UNARY, op, TRUTH, EXPR) HALF(op, 1, true)
FLOAT_TESTS(is_nan, isnan(a))
FLOAT_TESTS(is_inf, isinf(a))
FLOAT_TESTS(is_finite, isfinite(a))

BINARY(logical_and_b, uint8_t, uint8_t, bool, (a & b) != 0)
BINARY(logical_or_b, uint8_t, uint8_t, bool, (a | b) != 0)
UNARY(logical_not_b, uint8_t, uint8_t, bool, a == 0)

INTS(BINARY, bitwise_and, SAME, a & b)
INTS(BINARY, bitwise_or, SAME, a | b)
INTS(BINARY, bitwise_xor, SAME, a ^ b)
INTS(UNARY, invert, SAME, ~a)

/* Shifts by less than 0 or by the width or more are those by the nearest that is allowed. */
#define SHIFT_BY(a, b) ((b) < 1 ? 0 : (uint64_t)(b) >= 8 * sizeof(a) ? 8 * sizeof(a) - 1 : (uint64_t)(b))
INTS(BINARY, left_shift, SAME, (uint64_t)a << SHIFT_BY(a, b))
INTS(BINARY, right_shift, SAME, a >> SHIFT_BY(a, b))

/* Elements of one size are chosen alike, whatever they are. */
#define SELECT(NAME, T)                                                           \
    void EK_K(NAME)(LOOP_ARGS)                                                    \
    {                                                                             \
        const uint8_t *const c = in[0];                                           \
        const T *const x = in[1], *const y = in[2];                               \
        const int64_t p = step[0], q = step[1], r = step[2];                      \
        T *const z = out;                                                         \
        (void)state;                                                              \
        EACH(const uint8_t m = c[p * i], T, m != 0 ? x[q * i] : y[r * i])         \
    }
typedef double _Complex wide16;
SELECT(select_u8, uint8_t)
SELECT(select_u16, uint16_t)
SELECT(select_u32, uint32_t)
SELECT(select_u64, uint64_t)
SELECT(select_c128, wide16)
