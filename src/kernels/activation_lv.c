/* kernels/activation_lv.c - element-wise loops of activations without functions: rectifiers, softsign, clipping.
 *
 * In gradients a is the gradient that comes in, b the features (elu, selu: the outputs), as
 * the ops order them.
 */
#include <tgmath.h>

#include "kernels/loop_lv.h"

/* NaN stays NaN. */
FLOATS1(relu, a < 0 ? 0 : a)
INTS(UNARY, relu, SAME, a > 0 ? a : 0)
FLOATS1(relu6, a < 0 ? 0 : a > 6 ? 6 : a)
INTS(UNARY, relu6, SAME, a > 6 ? 6 : a > 0 ? a : 0)
/* A gradient that is NaN or infinite is not hidden by a closed unit. */
FLOATS2(relu_grad, a * (b > 0 ? 1 : 0))
INTS(BINARY, relu_grad, SAME, b > 0 ? a : 0)
FLOATS2(relu6_grad, a * (b > 0 && b < 6 ? 1 : 0))
INTS(BINARY, relu6_grad, SAME, b > 0 && b < 6 ? a : 0)

/* The parameter is alpha. */
FLOATS1(leaky_relu, a > 0 ? a : parameter * a)
FLOATS2(leaky_relu_grad, b > 0 ? a : parameter * a)

FLOATS1(softsign, a / (1 + fabs(a)))
FLOATS2(softsign_grad, a / ((1 + fabs(b)) * (1 + fabs(b))))
FLOATS2(elu_grad, b < 0 ? a * (b + 1) : a)

FLOATS2(xdivy, a == 0 ? 0 : a / b)

/* a between b and c; where they cross, b. */
#define CLIPPED ((a > c ? c : a) < b ? b : a > c ? c : a)
WIDE(TERNARY, clip, SAME, CLIPPED)
HALF(clip, 3, false)
INTS(TERNARY, clip, SAME, CLIPPED)
