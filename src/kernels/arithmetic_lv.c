/* kernels/arithmetic_lv.c - element-wise loops of exact arithmetic: + - * /, roots, rounding, the gradients of those.
 * Complex numbers are in complex_lv.c, functions that need an approximation in math_lv.c. */
#include <tgmath.h>

#include "kernels/loop_lv.h"

FLOATS2(add, a + b)
WRAPPING(BINARY, add, a + b)
FLOATS2(sub, a - b)
WRAPPING(BINARY, sub, a - b)
FLOATS2(mul, a * b)
WRAPPING(BINARY, mul, a * b)
FLOATS2(squared_difference, (a - b) * (a - b))
WRAPPING_INDEX(BINARY, squared_difference, (a - b) * (a - b))
FLOATS1(square, a * a)
WRAPPING_INDEX(UNARY, square, a * a)
FLOATS1(neg, -a)
WRAPPING_INDEX(UNARY, neg, 0u - a)
FLOATS1(abs, fabs(a))
INDEX(UNARY, abs, SAME, a < 0 ? 0u - (uint64_t)a : (uint64_t)a)
FLOATS1(sign, a > 0 ? 1 : a < 0 ? -1 : a)
INDEX(UNARY, sign, SAME, a > 0 ? 1 : a < 0 ? -1 : 0)

/* A NaN on either side stays one. */
FLOATS2(maximum, a < b || b != b ? b : a)
INTS(BINARY, maximum, SAME, a > b ? a : b)
FLOATS2(minimum, a > b || b != b ? b : a)
INTS(BINARY, minimum, SAME, a < b ? a : b)

/* ---- division -------------------------------------------------------------------------------
 *
 * Integers divided by zero give zero here: whoever runs these loops has refused it before. The most negative number
 * divided by -1 wraps around. */

FLOATS2(div, a / b)
FLOATS2(div_no_nan, b == 0 ? 0 : a / b)
FLOATS2(mul_no_nan, b == 0 ? 0 : a * b)
FLOATS1(reciprocal, 1 / a)

#define WRAPPED_NEGATIVE(a) ((int64_t)(0u - (uint64_t)(a)))
FLOATS2(trunc_div, trunc(a / b))
DIVISION(trunc_div, b == 0 ? 0 : a / b, b == 0 ? 0 : b == -1 ? WRAPPED_NEGATIVE(a) : a / b, b == 0 ? 0 : a / b)

#define FLOORED(a, b) ((a) / (b) - ((a) % (b) != 0 && ((a) < 0) != ((b) < 0)))
FLOATS2(floor_div, floor(a / b))
DIVISION(floor_div, b == 0 ? 0 : FLOORED(a, b), b == 0 ? 0 : b == -1 ? WRAPPED_NEGATIVE(a) : FLOORED(a, b),
         b == 0 ? 0 : a / b)

FLOATS2(trunc_mod, fmod(a, b))
DIVISION_INDEX(trunc_mod, b == 0 ? 0 : a % b, b == 0 || b == -1 ? 0 : a % b)

/* The remainder takes the divisor's sign. */
#define FLOOR_MOD(r, b) ((r) != 0 && ((r) < 0) != ((b) < 0) ? (r) + (b) : (r))
FLOATS2(floor_mod, FLOOR_MOD(fmod(a, b), b))
DIVISION_INDEX(floor_mod, b == 0 ? 0 : FLOOR_MOD(a % b, b), b == 0 || b == -1 ? 0 : FLOOR_MOD(a % b, b))

/* ---- roots, rounding -------------------------------------------------------------------------- */

FLOATS1(sqrt, sqrt(a))
FLOATS1(rsqrt, 1 / sqrt(a))
FLOATS1(floor, floor(a))
FLOATS1(ceil, ceil(a))
FLOATS1(rint, rint(a))
/* Half to even. */
FLOATS1(round, rint(a))
INDEX(UNARY, round, SAME, a)

/* ---- gradients, where a is y (or the gradient) and b is dy (or the features), as the ops order them ----- */

/* No gradient stays none, whatever y is: a NaN or an infinite slope would undo a mask. */
FLOATS2(rsqrt_grad, b == 0 ? 0 : b * a / -2 * (a * a))
FLOATS2(sqrt_grad, b == 0 ? 0 : b / 2 / a)
FLOATS2(reciprocal_grad, b == 0 ? 0 : -a * b * a)
FLOATS2(sigmoid_grad, b * a * (1 - a))
FLOATS2(tanh_grad, b * (1 - a * a))
