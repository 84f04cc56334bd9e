/* kernels/complex_lv.c - element-wise loops of complex numbers, one element at a time (see CMakeLists.txt).
 *
 * Multiplication and division are C's (Annex G), which is what TensorFlow's std::complex gives.
 */
#include <complex.h>

#include "kernels/loop_lv.h"

typedef float _Complex c64;
typedef double _Complex c128;
#define COMPLEX(SHAPE, op, RESULT, EXPR)         \
    SHAPE(op##_c64, c64, c64, RESULT(c64), EXPR) \
    SHAPE(op##_c128, c128, c128, RESULT(c128), EXPR)

COMPLEX(BINARY, add, SAME, a + b)
COMPLEX(BINARY, sub, SAME, a - b)
COMPLEX(BINARY, mul, SAME, a * b)
COMPLEX(BINARY, div, SAME, a / b)
COMPLEX(BINARY, div_no_nan, SAME, b == 0 ? 0 : a / b)
COMPLEX(BINARY, mul_no_nan, SAME, b == 0 ? 0 : a * b)
COMPLEX(BINARY, squared_difference, SAME, (a - b) * conj(a - b))
COMPLEX(UNARY, conj, SAME, conj(a))
COMPLEX(UNARY, square, SAME, a * a)
COMPLEX(UNARY, neg, SAME, -a)
COMPLEX(UNARY, reciprocal, SAME, 1 / a)
COMPLEX(BINARY, reciprocal_grad, SAME, b == 0 ? 0 : -conj(a) * b * conj(a))
COMPLEX(BINARY, equal, TRUTH, a == b)
COMPLEX(BINARY, not_equal, TRUTH, a != b)
