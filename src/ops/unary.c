/* ops/unary.c - element-wise functions of one number, and the gradient ops that belong to them. */
#include "ops/elementwise.h"
#include "ops/rules.h"

#define FLOATS "T: {" EK_T_FLOAT "}"
#define FIELD "T: {" EK_T_FLOAT ", " EK_T_COMPLEX "}"
#define ORDERED "T: {" EK_T_FLOAT ", int32, int64}"
#define RING "T: {" EK_T_FLOAT ", int32, int64, " EK_T_COMPLEX "}"

#define UNARY_OP(Name, table, types) EK_ELEMENTWISE_OP(Name, table, "x: T", "y: T", types, ek__like_first_rule, 1)
#define STEP_OP(Name, table, types) \
    EK_ELEMENTWISE_OP_FLAT(Name, table, "x: T", "y: T", types, ek__like_first_rule, 1, "it is flat between its steps")
#define TEST_OP(Name, table) EK_ELEMENTWISE_OP(Name, table, "x: T", "y: bool", FLOATS, ek__like_first_rule, 0)
/* Of the function's result y and the gradient dy. */
#define GRAD_OP(Name, table) EK_ELEMENTWISE_OP(Name, table, "y: T, dy: T", "z: T", FIELD, grad_shape, 3)

/* Statically that of y alone; a run wants both alike. */
static ek_status grad_shape(ek_shape_ctx *c)
{
    if (c->running) return ek__same_shape(c);
    return ek__like_first_rule(c);
}

UNARY_OP(Abs, abs, ORDERED)
STEP_OP(Ceil, ceil, FLOATS)
STEP_OP(Floor, floor, FLOATS)
UNARY_OP(Inv, reciprocal, RING)
EK_ELEMENTWISE_OP_FLAT(Invert, invert, "x: T", "y: T", "T: {" EK_T_INT "}", ek__like_first_rule, 1, "its output is integers")
UNARY_OP(Neg, neg, RING)
UNARY_OP(Reciprocal, reciprocal, RING)
STEP_OP(Rint, rint, FLOATS)
STEP_OP(Round, round, RING)
UNARY_OP(Rsqrt, rsqrt, FIELD)
UNARY_OP(Sign, sign, RING)
UNARY_OP(Sqrt, sqrt, FIELD)
UNARY_OP(Square, square, RING)

UNARY_OP(Acos, acos, RING)
UNARY_OP(Acosh, acosh, FIELD)
UNARY_OP(Asin, asin, RING)
UNARY_OP(Asinh, asinh, FIELD)
UNARY_OP(Atan, atan, RING)
UNARY_OP(Atanh, atanh, FIELD)
UNARY_OP(Cos, cos, FIELD)
UNARY_OP(Cosh, cosh, FIELD)
UNARY_OP(Digamma, digamma, FLOATS)
UNARY_OP(Erf, erf, FLOATS)
UNARY_OP(Erfc, erfc, FLOATS)
UNARY_OP(Exp, exp, FIELD)
UNARY_OP(Expm1, expm1, FIELD)
UNARY_OP(Lgamma, lgamma, FLOATS)
UNARY_OP(Log, log, FIELD)
UNARY_OP(Log1p, log1p, FIELD)
UNARY_OP(Sigmoid, sigmoid, FIELD)
UNARY_OP(Sin, sin, FIELD)
UNARY_OP(Sinh, sinh, FIELD)
UNARY_OP(Tan, tan, RING)
UNARY_OP(Tanh, tanh, FIELD)

EK_ELEMENTWISE_OP(Conj, conj, "input: T", "output: T", "T: {" EK_T_COMPLEX ", variant} = complex64", ek__like_first_rule, 1)

GRAD_OP(InvGrad, reciprocal_grad)
GRAD_OP(ReciprocalGrad, reciprocal_grad)
GRAD_OP(RsqrtGrad, rsqrt_grad)
GRAD_OP(SigmoidGrad, sigmoid_grad)
GRAD_OP(SqrtGrad, sqrt_grad)
GRAD_OP(TanhGrad, tanh_grad)

TEST_OP(IsFinite, is_finite)
TEST_OP(IsInf, is_inf)
TEST_OP(IsNan, is_nan)

EK_ELEMENTWISE_OP_FLAT(LogicalNot, logical_not, "x: bool", "y: bool", "", ek__like_first_rule, 1, "its output is bool")
