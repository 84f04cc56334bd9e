/* kernels/complex_lv.c - element-wise loops of complex numbers, one element at a time (see CMakeLists.txt).
 *
 * Multiplication and division are C's (Annex G), which is what TensorFlow's std::complex gives.
 */
#include "kernels/loop_lv.h"

typedef float _Complex c64;
typedef double _Complex c128;
#define COMPLEX(SHAPE, op, OUT_, EXPR)         \
    SHAPE(op##_c64, c64, c64, OUT_(c64), EXPR) \
    SHAPE(op##_c128, c128, c128, OUT_(c128), EXPR)

COMPLEX(BINARY, add, SAME, a + b)
COMPLEX(BINARY, sub, SAME, a - b)
COMPLEX(BINARY, mul, SAME, a * b)
