/* ops/binary.c - element-wise ops of two numbers, broadcast: Add, Sub, Mul and kin. */
#include "ops/elementwise.h"

#define REAL_TYPES "bfloat16, half, float, double"
#define SMALL_INTS "uint8, int8, uint16, int16, int32, int64"
#define COMPLEX_TYPES "complex64, complex128"

#define BINARY_OP(Name, loops, types)                                                    \
    static ek_elementwise_fn Name##_loop(ek_prepare_ctx *c, const void **state)          \
    {                                                                                    \
        EK_UNUSED(state);                                                                \
        return ek__loop(&ek__loops_##loops, c->in_dtype[0]);                             \
    }                                                                                    \
    const ek_op_def ek__op_##Name = { .name = #Name, .inputs = "x: T, y: T", .outputs = "z: T", .attrs = types, \
        .shape = ek__binary_shape, .prepare = ek__elementwise_prepare, .elementwise = Name##_loop, .inplace = 3 };

BINARY_OP(AddV2, add, "T: {" REAL_TYPES ", uint8, int8, int16, int32, int64, " COMPLEX_TYPES "}")
BINARY_OP(Sub, sub, "T: {" REAL_TYPES ", " SMALL_INTS ", " COMPLEX_TYPES "}")
BINARY_OP(Mul, mul, "T: {" REAL_TYPES ", " SMALL_INTS ", " COMPLEX_TYPES "}")
BINARY_OP(Add, add, "T: {" REAL_TYPES ", uint8, int8, int16, int32, int64, " COMPLEX_TYPES ", string}")
