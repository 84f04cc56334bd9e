/* ops/binary.c - element-wise arithmetic of two numbers, broadcast. Comparisons are in compare.c. */
#include "ops/elementwise.h"

#define SMALL_INTS "uint8, int8, uint16, int16, int32, int64"
#define ADDED EK_T_FLOAT ", uint8, int8, int16, int32, int64, " EK_T_COMPLEX
#define NUMBERS "T: {" EK_T_FLOAT ", " SMALL_INTS ", " EK_T_COMPLEX "}"
#define WITH_INDICES "T: {" EK_T_FLOAT ", int32, int64}"
#define WITH_COMPLEX "T: {half, float, double, " EK_T_COMPLEX "}"
#define BITS "T: {" EK_T_INT "}"

#define BINARY_OP(Name, table, types) \
    EK_ELEMENTWISE_OP(Name, table, "x: T, y: T", "z: T", types, ek__binary_shape, 3)

#define BITS_OP(Name, table) \
    EK_ELEMENTWISE_OP_FLAT(Name, table, "x: T, y: T", "z: T", BITS, ek__binary_shape, 3, "its output is integers")

BINARY_OP(AddV2, add, "T: {" ADDED "}")
BINARY_OP(Sub, sub, NUMBERS)
BINARY_OP(Mul, mul, NUMBERS)
BINARY_OP(MulNoNan, mul_no_nan, WITH_COMPLEX)
BINARY_OP(RealDiv, div, NUMBERS)
BINARY_OP(DivNoNan, div_no_nan, WITH_COMPLEX)
BINARY_OP(Maximum, maximum, WITH_INDICES)
BINARY_OP(Minimum, minimum, WITH_INDICES)
BINARY_OP(SquaredDifference, squared_difference, "T: {" EK_T_FLOAT ", int32, int64, " EK_T_COMPLEX "}")
BINARY_OP(Xdivy, xdivy, WITH_COMPLEX)
BINARY_OP(Xlogy, xlogy, WITH_COMPLEX)
EK_ELEMENTWISE_OP(Polygamma, polygamma, "a: T, x: T", "z: T", "T: {float, double}", ek__binary_shape, 3)
BITS_OP(BitwiseAnd, bitwise_and)
BITS_OP(BitwiseOr, bitwise_or)
BITS_OP(BitwiseXor, bitwise_xor)
BITS_OP(LeftShift, left_shift)
BITS_OP(RightShift, right_shift)
EK_ELEMENTWISE_OP(Atan2, atan2, "y: T, x: T", "z: T", "T: {" EK_T_FLOAT "}", ek__binary_shape, 3)

/* ---- Add: numbers, and strings joined --------------------------------------------------------------- */

static ek_elementwise_fn add_loop(ek_prepare_ctx *c, const void **state)
{
    EK_UNUSED(state);
    return ek__loop(&ek__loops_add, c->in_dtype[0]);
}

static ek_status join_strings(int64_t n, const void *const *in, const int *step, void *out, const void *state,
                              ek_error *err)
{
    const ek_string *const x = in[0], *const y = in[1];
    ek_string *const z = out;

    EK_UNUSED(state);
    for (int64_t i = 0; i < n; i++) {
        const ek_string a = x[i * step[0]], b = y[i * step[1]];
        ek_buf joined = { 0 };
        bool ok;

        ek__buf_add(&joined, a.data, a.size);
        ek__buf_add(&joined, b.data, b.size);
        ok = !joined.failed && ek__string_set(&z[i], joined.data, joined.size);
        ek__buf_fini(&joined);
        if (!ok) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to join two strings");
    }
    return EK_OK;
}

static ek_status add_prepare(ek_prepare_ctx *c)
{
    if (c->in_dtype[0] == EK_STRING) return ek__elementwise_prepare_fallible(c, join_strings, NULL);
    return ek__elementwise_prepare(c);
}

const ek_op_def ek__op_Add = {
    .name = "Add", .inputs = "x: T, y: T", .outputs = "z: T", .attrs = "T: {" ADDED ", string}",
    .shape = ek__binary_shape, .prepare = add_prepare, .elementwise = add_loop, .inplace = 3,
};

/* ---- integers that can be refused ------------------------------------------------------------------- */

/* A loop to run where no element of input 1 is refused; otherwise the code and the sentence. */
typedef struct guarded {
    ek_elementwise_fn fn;
    bool (*refused)(int64_t n, const void *y);
    ek_status code;
    const char *why;
} guarded;

#define REFUSED(NAME, T, CONDITION)                                    \
    static bool NAME(int64_t n, const void *operand)                   \
    {                                                                  \
        const T *const y = operand;                                    \
        int any = 0;                                                   \
        for (int64_t i = 0; i < n; i++) any |= (CONDITION);            \
        return any != 0;                                               \
    }
REFUSED(zero_1, uint8_t, y[i] == 0)
REFUSED(zero_2, uint16_t, y[i] == 0)
REFUSED(zero_4, uint32_t, y[i] == 0)
REFUSED(zero_8, uint64_t, y[i] == 0)
REFUSED(negative_4, int32_t, y[i] < 0)
REFUSED(negative_8, int64_t, y[i] < 0)

static ek_status run_guarded(int64_t n, const void *const *in, const int *step, void *out, const void *state,
                             ek_error *err)
{
    const guarded *const g = state;

    if (g->refused(step[1] == 0 ? 1 : n, in[1])) return ek__fail(err, g->code, __FILE__, __LINE__, "%s", g->why);
    g->fn(n, in, step, out, NULL);
    return EK_OK;
}

/* Floats as any loop; integers with input 1 looked at first, by a function for the size of an element. */
static ek_status prepare_guarded(ek_prepare_ctx *c, const ek_loops *loops,
                                 bool (*const refused[9])(int64_t, const void *), ek_status code, const char *why)
{
    const ek_elementwise_fn fn = ek__loop(loops, c->in_dtype[0]);
    guarded *g;

    if (fn == NULL || !ek_dtype_is_integer(c->in_dtype[0])) return ek__elementwise_prepare_loop(c, fn, NULL);
    g = EK_ARENA_NEW(c->arena, guarded, 1);
    if (g == NULL) return EK_FAIL(c->err, RESOURCE_EXHAUSTED, "no memory to prepare %s", c->def->name);
    *g = (guarded){ fn, refused[ek_dtype_size(c->in_dtype[0])], code, why };
    return ek__elementwise_prepare_fallible(c, run_guarded, g);
}

static bool (*const zero[9])(int64_t, const void *) = { [1] = zero_1, [2] = zero_2, [4] = zero_4, [8] = zero_8 };
static bool (*const negative[9])(int64_t, const void *) = { [4] = negative_4, [8] = negative_8 };

static ek_status prepare_division(ek_prepare_ctx *c, const ek_loops *loops)
{
    return prepare_guarded(c, loops, zero, EK_INVALID_ARGUMENT, "Integer division by zero");
}

/* TensorFlow forgot these two when it gave its divisions a sentence. */
static ek_status prepare_truncation(ek_prepare_ctx *c, const ek_loops *loops)
{
    return prepare_guarded(c, loops, zero, EK_INTERNAL,
                           "Unexpected error in binary operator (only integer div and mod should have errors)");
}

static ek_status prepare_power(ek_prepare_ctx *c, const ek_loops *loops)
{
    return prepare_guarded(c, loops, negative, EK_INVALID_ARGUMENT,
                           "Integers to negative integer powers are not allowed");
}

/* Offers the loop to chains for floats only: integers are looked at first. */
static ek_elementwise_fn float_loop(const ek_prepare_ctx *c, const ek_loops *loops)
{
    return ek_dtype_is_integer(c->in_dtype[0]) ? NULL : ek__loop(loops, c->in_dtype[0]);
}

#define GUARDED_OP(Name, table, prepare_, types, reason)                                                  \
    static ek_status Name##_prepare(ek_prepare_ctx *c) { return prepare_(c, &ek__loops_##table); }         \
    static ek_elementwise_fn Name##_loop(ek_prepare_ctx *c, const void **state)                            \
    {                                                                                                      \
        EK_UNUSED(state);                                                                                  \
        return float_loop(c, &ek__loops_##table);                                                          \
    }                                                                                                      \
    const ek_op_def ek__op_##Name = { .name = #Name, .inputs = "x: T, y: T", .outputs = "z: T", .attrs = types, \
        .shape = ek__binary_shape, .prepare = Name##_prepare, .elementwise = Name##_loop, .inplace = 3,          \
        .no_grad_because = reason };

GUARDED_OP(FloorDiv, floor_div, prepare_division, NUMBERS, "it is flat between its steps")
GUARDED_OP(TruncateDiv, trunc_div, prepare_truncation, NUMBERS, "it is flat between its steps")
GUARDED_OP(FloorMod, floor_mod, prepare_division, "T: {int32, int64, " EK_T_FLOAT "}", NULL)
GUARDED_OP(TruncateMod, trunc_mod, prepare_truncation, "T: {int32, int64, " EK_T_FLOAT "}", NULL)
GUARDED_OP(Mod, trunc_mod, prepare_division, "T: {int32, int64, half, half, bfloat16, float, double}", NULL)
GUARDED_OP(Pow, pow, prepare_power, "T: {" EK_T_FLOAT ", int32, int64, " EK_T_COMPLEX "}", NULL)

/* Div divides integers as C does, everything else as RealDiv. */
static const ek_loops *div_loops(const ek_prepare_ctx *c)
{
    return ek_dtype_is_integer(c->in_dtype[0]) ? &ek__loops_trunc_div : &ek__loops_div;
}
static ek_status div_prepare(ek_prepare_ctx *c)
{
    return prepare_division(c, div_loops(c));
}
static ek_elementwise_fn div_loop(ek_prepare_ctx *c, const void **state)
{
    EK_UNUSED(state);
    return float_loop(c, div_loops(c));
}
const ek_op_def ek__op_Div = {
    .name = "Div", .inputs = "x: T, y: T", .outputs = "z: T", .attrs = NUMBERS, .shape = ek__binary_shape,
    .prepare = div_prepare, .elementwise = div_loop, .inplace = 3,
};
