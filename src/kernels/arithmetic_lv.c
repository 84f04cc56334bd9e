/* kernels/arithmetic_lv.c - element-wise loops of + - * and their kin: exact operations, no functions. Complex
 * numbers are in complex_lv.c. */
#include "kernels/loop_lv.h"

#define FLOATS(op, EXPR) WIDE(BINARY, op, SAME, EXPR) HALF(op, 2, false)
#define REALS(op, EXPR) FLOATS(op, EXPR) WRAPPING(BINARY, op, EXPR)

REALS(add, a + b)
REALS(sub, a - b)
REALS(mul, a * b)
