/* kernels/arithmetic_lv.c - element-wise loops of + - * and their kin: exact operations, no functions. */
#include "kernels/loop_lv.h"

#define FLOATS(op, EXPR) WIDE(BINARY, op, SAME, EXPR) HALF(op, 2, false)
#define NUMBERS(op, EXPR) FLOATS(op, EXPR) WRAPPING(BINARY, op, EXPR) COMPLEX(BINARY, op, SAME, EXPR)

NUMBERS(add, a + b)
NUMBERS(sub, a - b)
NUMBERS(mul, a * b)
