/* evenkeel/ops.h - operations by name: what Python writes as tf.identity, a + b, tf.nn.relu.
 *
 * Every builder follows TensorFlow 1.15: the same node types, names and constants. An
 * ek_operand is what Python would convert: a tensor, a variable (read implicitly), a number,
 * a literal with a dtype, an array. Numbers take the dtype of the tensor beside them.
 */
#ifndef EVENKEEL_OPS_H
#define EVENKEEL_OPS_H

#include "evenkeel/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- literals and operands --------------------------------------------------------------- */

/* A value that becomes a Const: a scalar of a dtype, or an array (borrowed for the call). */
typedef struct ek_literal {
    ek_dtype dtype; /* NONE: a Python number, which adapts to its neighbour (default float32, int32, bool, string) */
    char kind;      /* 'f' number with a fraction, 'i' integer, 'b' bool, 's' string, 'a' array */
    union {
        double f;
        int64_t i;
        bool b;
        const char *s;
        const ek_array *a;
    } u;
} ek_literal;
EK_API ek_literal ek_bool(bool v);
EK_API ek_literal ek_int(int64_t v);
EK_API ek_literal ek_float(double v);
EK_API ek_literal ek_str(const char *s);
EK_API ek_literal ek_value(const ek_array *a);
EK_API ek_literal ek_scalar(ek_dtype dtype, double v); /* of an integer dtype: a whole number that it has */

typedef struct ek_operand {
    char kind; /* 't' tensor, 'v' variable, 'l' literal */
    union {
        ek_tensor tensor;
        ek_variable variable;
        ek_literal literal;
    } u;
} ek_operand;
EK_API ek_operand ek_operand_of_tensor(ek_tensor t);
EK_API ek_operand ek_operand_of_variable(ek_variable v);
EK_API ek_operand ek_operand_of_literal(ek_literal l);
EK_API ek_operand ek_operand_of_double(double v);
EK_API ek_operand ek_operand_of_int(int64_t v);
EK_API ek_operand ek_operand_of_bool(bool v);
EK_API ek_operand ek_operand_of_string(const char *s); /* borrowed for the call */
EK_API ek_operand ek_operand_of_array(const ek_array *a);
/* An operand from a tensor, variable, literal, number, bool, string or array. */
#define EK_OPERAND(x)                                                                              \
    _Generic((x), ek_tensor: ek_operand_of_tensor, ek_variable: ek_operand_of_variable,            \
             ek_literal: ek_operand_of_literal, double: ek_operand_of_double,                      \
             float: ek_operand_of_double, int: ek_operand_of_int, long: ek_operand_of_int,         \
             long long: ek_operand_of_int, bool: ek_operand_of_bool, char *: ek_operand_of_string, \
             const char *: ek_operand_of_string,                                                   \
             ek_array *: ek_operand_of_array, const ek_array *: ek_operand_of_array)(x)

/* ---- sources ---------------------------------------------------------------------------------- */

typedef struct ek_placeholder_options {
    size_t size;
    ek_dtype dtype; /* required */
    ek_shape shape; /* unknown rank by default */
    const char *name;
} ek_placeholder_options;
/* tf.placeholder: x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 1), .name = "x") */
#define ek_placeholder(g, ...)                                                                \
    EK_CALL(ek_tensor, ek_placeholder_with, ((g),), ek_placeholder_options,                   \
            .shape = { .rank = -1 }, .name = NULL, .dtype = __VA_ARGS__)
EK_API ek_tensor ek_placeholder_with(ek_graph *g, const ek_placeholder_options *o, ek_where where);

typedef struct ek_placeholder_with_default_options {
    size_t size;
    ek_literal value; /* required: the default, made a Const <name>/input */
    ek_shape shape;   /* of rank -2 (the default): the default's own shape */
    const char *name;
} ek_placeholder_with_default_options;
#define ek_placeholder_with_default(g, ...)                                                          \
    EK_CALL(ek_tensor, ek_placeholder_with_default_with, ((g),), ek_placeholder_with_default_options, \
            .shape = { .rank = -2 }, .name = NULL, .value = __VA_ARGS__)
EK_API ek_tensor ek_placeholder_with_default_with(ek_graph *g, const ek_placeholder_with_default_options *o,
                                                  ek_where where);

typedef struct ek_constant_options {
    size_t size;
    ek_literal value;
    ek_dtype dtype;  /* NONE: the literal's */
    ek_shape shape;  /* rank -2: the literal's; else the value is broadcast or its last element repeated */
    const char *name;
} ek_constant_options;
/* tf.constant: ek_constant(g, ek_float(1.0)), ek_constant(g, ek_value(array), .name = "c") */
#define ek_constant(g, ...)                                                              \
    EK_CALL(ek_tensor, ek_constant_with, ((g),), ek_constant_options, .dtype = EK_DTYPE_NONE, \
            .shape = { .rank = -2 }, .name = NULL, .value = __VA_ARGS__)
EK_API ek_tensor ek_constant_with(ek_graph *g, const ek_constant_options *o, ek_where where);

/* ---- calls with one or two operands and perhaps a name ----------------------------------------- */

typedef struct ek_unary_options {
    size_t size;
    ek_operand x;
    const char *name; /* NULL: TensorFlow's default */
} ek_unary_options;
typedef struct ek_binary_options {
    size_t size;
    ek_operand x, y;
    const char *name;
} ek_binary_options;

#define EK_THIRD_(a, b, c, ...) c
#define EK_UNARY_(fn, ...) EK_THIRD_(__VA_ARGS__, EK_UNARY_NAMED_, EK_UNARY_PLAIN_, 0)(fn, __VA_ARGS__)
#define EK_UNARY_PLAIN_(fn, a) EK_CALL(ek_tensor, fn, (), ek_unary_options, .x = EK_OPERAND(a))
#define EK_UNARY_NAMED_(fn, a, n) EK_CALL(ek_tensor, fn, (), ek_unary_options, .x = EK_OPERAND(a), n)
#define EK_BINARY_(fn, a, ...) EK_THIRD_(__VA_ARGS__, EK_BINARY_NAMED_, EK_BINARY_PLAIN_, 0)(fn, a, __VA_ARGS__)
#define EK_BINARY_PLAIN_(fn, a, b) \
    EK_CALL(ek_tensor, fn, (), ek_binary_options, .x = EK_OPERAND(a), .y = EK_OPERAND(b))
#define EK_BINARY_NAMED_(fn, a, b, n) \
    EK_CALL(ek_tensor, fn, (), ek_binary_options, .x = EK_OPERAND(a), .y = EK_OPERAND(b), n)

/* Functions of one operand: ek_relu(x), ek_relu(x, .name = "act"). The node is named by its type ("Relu", "Neg").
 * Numbers that stand for the operand become float32, int32, bool or string; there must be a tensor or variable for a
 * graph to be found, so that ek_sqrt(2.0) gives a dead tensor.
 *
 * identity and stop_gradient pass their operand on; shape, size, rank, zeros_like and ones_like are in arrays.h. The
 * others are element-wise; is_nan, is_inf, is_finite and logical_not give bool. Integers are taken by abs, negative,
 * sign, square, round, relu, relu6. */
#define EK_UNARY_BUILDERS(X) \
    X(identity) X(stop_gradient) X(shape) X(size) X(rank) X(zeros_like) X(ones_like) X(abs) X(acos)        \
    X(acosh) X(asin) X(asinh) X(atan) X(atanh) X(ceil) X(cos) X(cosh) X(elu) X(erf) X(erfc) X(exp)         \
    X(expm1) X(floor) X(is_finite) X(is_inf) X(is_nan) X(lgamma) X(log) X(log1p) X(logical_not)            \
    X(negative) X(reciprocal) X(relu) X(relu6) X(rint) X(round) X(rsqrt) X(selu) X(sigmoid) X(sign)        \
    X(sin) X(sinh) X(softplus) X(softsign) X(sqrt) X(square) X(tan) X(tanh)
/* Functions of two operands, which are broadcast against each other: ek_maximum(x, 0.0), ek_add(a, b, .name = "sum").
 * A number takes the dtype of the tensor beside it and becomes <name>/x or <name>/y; where it cannot, the graph fails
 * with Python's TypeError. The node's name is its type ("Add", "Mul", "Sub"), but "truediv" for divide. Comparisons
 * and logic give bool. */
#define EK_BINARY_BUILDERS(X) \
    X(add) X(atan2) X(divide) X(div_no_nan) X(equal) X(floor_mod) X(greater) X(greater_equal) X(less)      \
    X(less_equal) X(logical_and) X(logical_or) X(maximum) X(minimum) X(multiply) X(not_equal) X(pow)       \
    X(real_div) X(squared_difference) X(subtract) X(truncate_div) X(truncate_mod) X(xdivy) X(xlogy)
/* Python's operators; the constant beside a tensor is <name>/y, before it (2 - x) <name>/x. Comparisons and -x are the
 * functions above.
 *     ek_plus        a + b    add, an AddV2 (of strings an Add)
 *     ek_minus       a - b    sub
 *     ek_times       a * b    mul
 *     ek_over        a / b    truediv: integers become float64, those of 8 and 16 bits float32 (truediv/Cast)
 *     ek_floor_over  a // b   floordiv: rounded down
 *     ek_modulo      a % b    mod: with the sign of b
 *     ek_power       a ** b   pow */
#define EK_OPERATOR_BUILDERS(X) X(plus) X(minus) X(times) X(over) X(floor_over) X(modulo) X(power)
#define EK_DECLARE_UNARY_(f) EK_API ek_tensor ek_##f##_with(const ek_unary_options *o, ek_where where);
#define EK_DECLARE_BINARY_(f) EK_API ek_tensor ek_##f##_with(const ek_binary_options *o, ek_where where);
EK_UNARY_BUILDERS(EK_DECLARE_UNARY_)
EK_BINARY_BUILDERS(EK_DECLARE_BINARY_)
EK_OPERATOR_BUILDERS(EK_DECLARE_BINARY_)

#define ek_identity(...) EK_UNARY_(ek_identity_with, __VA_ARGS__)
#define ek_stop_gradient(...) EK_UNARY_(ek_stop_gradient_with, __VA_ARGS__)
#define ek_abs(...) EK_UNARY_(ek_abs_with, __VA_ARGS__)
#define ek_acos(...) EK_UNARY_(ek_acos_with, __VA_ARGS__)
#define ek_acosh(...) EK_UNARY_(ek_acosh_with, __VA_ARGS__)
#define ek_asin(...) EK_UNARY_(ek_asin_with, __VA_ARGS__)
#define ek_asinh(...) EK_UNARY_(ek_asinh_with, __VA_ARGS__)
#define ek_atan(...) EK_UNARY_(ek_atan_with, __VA_ARGS__)
#define ek_atanh(...) EK_UNARY_(ek_atanh_with, __VA_ARGS__)
#define ek_ceil(...) EK_UNARY_(ek_ceil_with, __VA_ARGS__)
#define ek_cos(...) EK_UNARY_(ek_cos_with, __VA_ARGS__)
#define ek_cosh(...) EK_UNARY_(ek_cosh_with, __VA_ARGS__)
#define ek_elu(...) EK_UNARY_(ek_elu_with, __VA_ARGS__)
#define ek_erf(...) EK_UNARY_(ek_erf_with, __VA_ARGS__)
#define ek_erfc(...) EK_UNARY_(ek_erfc_with, __VA_ARGS__)
#define ek_exp(...) EK_UNARY_(ek_exp_with, __VA_ARGS__)
#define ek_expm1(...) EK_UNARY_(ek_expm1_with, __VA_ARGS__)
#define ek_floor(...) EK_UNARY_(ek_floor_with, __VA_ARGS__)
#define ek_is_finite(...) EK_UNARY_(ek_is_finite_with, __VA_ARGS__)
#define ek_is_inf(...) EK_UNARY_(ek_is_inf_with, __VA_ARGS__)
#define ek_is_nan(...) EK_UNARY_(ek_is_nan_with, __VA_ARGS__)
#define ek_lgamma(...) EK_UNARY_(ek_lgamma_with, __VA_ARGS__)
#define ek_log(...) EK_UNARY_(ek_log_with, __VA_ARGS__)
#define ek_log1p(...) EK_UNARY_(ek_log1p_with, __VA_ARGS__)
#define ek_logical_not(...) EK_UNARY_(ek_logical_not_with, __VA_ARGS__)
#define ek_negative(...) EK_UNARY_(ek_negative_with, __VA_ARGS__)
#define ek_reciprocal(...) EK_UNARY_(ek_reciprocal_with, __VA_ARGS__)
#define ek_relu(...) EK_UNARY_(ek_relu_with, __VA_ARGS__)
#define ek_relu6(...) EK_UNARY_(ek_relu6_with, __VA_ARGS__)
#define ek_rint(...) EK_UNARY_(ek_rint_with, __VA_ARGS__)
#define ek_round(...) EK_UNARY_(ek_round_with, __VA_ARGS__)
#define ek_rsqrt(...) EK_UNARY_(ek_rsqrt_with, __VA_ARGS__)
#define ek_selu(...) EK_UNARY_(ek_selu_with, __VA_ARGS__)
#define ek_sigmoid(...) EK_UNARY_(ek_sigmoid_with, __VA_ARGS__)
#define ek_sign(...) EK_UNARY_(ek_sign_with, __VA_ARGS__)
#define ek_sin(...) EK_UNARY_(ek_sin_with, __VA_ARGS__)
#define ek_sinh(...) EK_UNARY_(ek_sinh_with, __VA_ARGS__)
#define ek_softplus(...) EK_UNARY_(ek_softplus_with, __VA_ARGS__)
#define ek_softsign(...) EK_UNARY_(ek_softsign_with, __VA_ARGS__)
#define ek_sqrt(...) EK_UNARY_(ek_sqrt_with, __VA_ARGS__)
#define ek_square(...) EK_UNARY_(ek_square_with, __VA_ARGS__)
#define ek_tan(...) EK_UNARY_(ek_tan_with, __VA_ARGS__)
#define ek_tanh(...) EK_UNARY_(ek_tanh_with, __VA_ARGS__)

#define ek_add(a, ...) EK_BINARY_(ek_add_with, a, __VA_ARGS__)
#define ek_atan2(a, ...) EK_BINARY_(ek_atan2_with, a, __VA_ARGS__)
#define ek_divide(a, ...) EK_BINARY_(ek_divide_with, a, __VA_ARGS__)
#define ek_div_no_nan(a, ...) EK_BINARY_(ek_div_no_nan_with, a, __VA_ARGS__)
#define ek_equal(a, ...) EK_BINARY_(ek_equal_with, a, __VA_ARGS__)
#define ek_floor_mod(a, ...) EK_BINARY_(ek_floor_mod_with, a, __VA_ARGS__)
#define ek_greater(a, ...) EK_BINARY_(ek_greater_with, a, __VA_ARGS__)
#define ek_greater_equal(a, ...) EK_BINARY_(ek_greater_equal_with, a, __VA_ARGS__)
#define ek_less(a, ...) EK_BINARY_(ek_less_with, a, __VA_ARGS__)
#define ek_less_equal(a, ...) EK_BINARY_(ek_less_equal_with, a, __VA_ARGS__)
#define ek_logical_and(a, ...) EK_BINARY_(ek_logical_and_with, a, __VA_ARGS__)
#define ek_logical_or(a, ...) EK_BINARY_(ek_logical_or_with, a, __VA_ARGS__)
#define ek_maximum(a, ...) EK_BINARY_(ek_maximum_with, a, __VA_ARGS__)
#define ek_minimum(a, ...) EK_BINARY_(ek_minimum_with, a, __VA_ARGS__)
#define ek_multiply(a, ...) EK_BINARY_(ek_multiply_with, a, __VA_ARGS__)
#define ek_not_equal(a, ...) EK_BINARY_(ek_not_equal_with, a, __VA_ARGS__)
#define ek_pow(a, ...) EK_BINARY_(ek_pow_with, a, __VA_ARGS__)
#define ek_real_div(a, ...) EK_BINARY_(ek_real_div_with, a, __VA_ARGS__)
#define ek_squared_difference(a, ...) EK_BINARY_(ek_squared_difference_with, a, __VA_ARGS__)
#define ek_subtract(a, ...) EK_BINARY_(ek_subtract_with, a, __VA_ARGS__)
#define ek_truncate_div(a, ...) EK_BINARY_(ek_truncate_div_with, a, __VA_ARGS__)
#define ek_truncate_mod(a, ...) EK_BINARY_(ek_truncate_mod_with, a, __VA_ARGS__)
#define ek_xdivy(a, ...) EK_BINARY_(ek_xdivy_with, a, __VA_ARGS__)
#define ek_xlogy(a, ...) EK_BINARY_(ek_xlogy_with, a, __VA_ARGS__)

#define ek_plus(a, b) EK_BINARY_PLAIN_(ek_plus_with, a, b)
#define ek_minus(a, b) EK_BINARY_PLAIN_(ek_minus_with, a, b)
#define ek_times(a, b) EK_BINARY_PLAIN_(ek_times_with, a, b)
#define ek_over(a, b) EK_BINARY_PLAIN_(ek_over_with, a, b)
#define ek_floor_over(a, b) EK_BINARY_PLAIN_(ek_floor_over_with, a, b)
#define ek_modulo(a, b) EK_BINARY_PLAIN_(ek_modulo_with, a, b)
#define ek_power(a, b) EK_BINARY_PLAIN_(ek_power_with, a, b)

/* ---- element-wise calls with more to say ------------------------------------------------------------ */

typedef struct ek_cast_options {
    size_t size;
    ek_dtype dtype; /* required */
    const char *name;
} ek_cast_options;
/* tf.cast: ek_cast(x, EK_FLOAT32). Of that dtype already: x itself. */
#define ek_cast(x, ...) \
    EK_CALL(ek_tensor, ek_cast_with, (EK_OPERAND(x),), ek_cast_options, .name = NULL, .dtype = __VA_ARGS__)
EK_API ek_tensor ek_cast_with(ek_operand x, const ek_cast_options *o, ek_where where);

typedef struct ek_leaky_relu_options {
    size_t size;
    double alpha;
    const char *name;
} ek_leaky_relu_options;
/* tf.nn.leaky_relu: ek_leaky_relu(x), ek_leaky_relu(x, .alpha = 0.1). alpha * x below 0. */
#define ek_leaky_relu(...) EK_LEAKY_RELU_(__VA_ARGS__, .size = sizeof(ek_leaky_relu_options))
#define EK_LEAKY_RELU_(x, ...)                                                                                         \
    EK_CALL(ek_tensor, ek_leaky_relu_with, (EK_OPERAND(x),), ek_leaky_relu_options, .alpha = 0.2, .name = NULL,       \
            __VA_ARGS__)
EK_API ek_tensor ek_leaky_relu_with(ek_operand x, const ek_leaky_relu_options *o, ek_where where);

typedef struct ek_select_options {
    size_t size;
    ek_operand y; /* required */
    const char *name;
} ek_select_options;
/* tf.where with three arguments: x where the condition holds, else y. The condition has their shape, is a scalar, or a
 * vector that chooses rows. */
#define ek_select(condition, x, ...) EK_SELECT_(condition, x, __VA_ARGS__, .size = sizeof(ek_select_options))
#define EK_SELECT_(condition, x, y_, ...) \
    EK_CALL(ek_tensor, ek_select_with, (EK_OPERAND(condition), EK_OPERAND(x),), ek_select_options, .name = NULL, \
            .y = EK_OPERAND(y_), __VA_ARGS__)
EK_API ek_tensor ek_select_with(ek_operand condition, ek_operand x, const ek_select_options *o, ek_where where);

typedef struct ek_clip_by_value_options {
    size_t size;
    ek_operand most; /* required */
    const char *name;
} ek_clip_by_value_options;
/* tf.clip_by_value: ek_clip_by_value(x, 0.0, 6.0): a Minimum, then a Maximum. */
#define ek_clip_by_value(x, least, ...) \
    EK_CLIP_BY_VALUE_(x, least, __VA_ARGS__, .size = sizeof(ek_clip_by_value_options))
#define EK_CLIP_BY_VALUE_(x, least, most_, ...)                                                        \
    EK_CALL(ek_tensor, ek_clip_by_value_with, (EK_OPERAND(x), EK_OPERAND(least),), ek_clip_by_value_options, \
            .name = NULL, .most = EK_OPERAND(most_), __VA_ARGS__)
EK_API ek_tensor ek_clip_by_value_with(ek_operand x, ek_operand least, const ek_clip_by_value_options *o,
                                       ek_where where);

typedef struct ek_check_numerics_options {
    size_t size;
    const char *message; /* required */
    const char *name;
} ek_check_numerics_options;
/* tf.check_numerics: x, or INVALID_ARGUMENT "<message> : Tensor had NaN values" when it runs. */
#define ek_check_numerics(x, ...) \
    EK_CALL(ek_tensor, ek_check_numerics_with, (EK_OPERAND(x),), ek_check_numerics_options, .name = NULL, \
            .message = __VA_ARGS__)
EK_API ek_tensor ek_check_numerics_with(ek_operand x, const ek_check_numerics_options *o, ek_where where);

typedef struct ek_add_n_options {
    size_t size;
    const char *name;
} ek_add_n_options;
/* tf.add_n: the sum of n tensors of one shape. One alone is returned as it is, unless a name is given. */
#define ek_add_n(tensors, n) EK_CALL(ek_tensor, ek_add_n_with, ((tensors), (n),), ek_add_n_options, .name = NULL)
#define ek_add_n_named(tensors, n, name_) \
    EK_CALL(ek_tensor, ek_add_n_with, ((tensors), (n),), ek_add_n_options, .name = (name_))
EK_API ek_tensor ek_add_n_with(const ek_tensor *in, int64_t n, const ek_add_n_options *o, ek_where where);

#ifdef __cplusplus
}
#endif
#endif
