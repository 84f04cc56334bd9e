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
EK_API ek_literal ek_scalar(ek_dtype dtype, double v);

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
EK_API ek_operand ek_operand_of_int(int v);
EK_API ek_operand ek_operand_of_array(const ek_array *a);
/* An operand from a tensor, variable, literal, number or array. */
#define EK_OPERAND(x)                                                                              \
    _Generic((x), ek_tensor: ek_operand_of_tensor, ek_variable: ek_operand_of_variable,            \
             ek_literal: ek_operand_of_literal, double: ek_operand_of_double,                      \
             float: ek_operand_of_double, int: ek_operand_of_int,                                  \
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
EK_API ek_tensor ek_placeholder_with_default_with(ek_graph *g, const ek_placeholder_with_default_options *o, ek_where where);

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

/* tf.identity and kin: ek_identity(y), ek_identity(y, .name = "out"). X(C name, what Python calls it) */
#define EK_UNARY_BUILDERS(X)                                                                              \
    X(identity) X(stop_gradient) X(square) X(sqrt) X(rsqrt) X(negative) X(relu) X(sigmoid) X(tanh)         \
    X(exp) X(log) X(abs) X(logical_not) X(zeros_like) X(ones_like) X(shape) X(size) X(rank)
/* Functions name the node by TensorFlow's wrapper ("Add", "Mul"); operators are below. */
#define EK_BINARY_BUILDERS(X)                                                                             \
    X(add) X(subtract) X(multiply) X(divide) X(maximum) X(minimum) X(pow) X(squared_difference)            \
    X(equal) X(not_equal) X(less) X(less_equal) X(greater) X(greater_equal) X(logical_and) X(logical_or)
/* Python's operators: a + b is the node "add" of type AddV2, and so on (spec 3.10). No names. */
#define EK_OPERATOR_BUILDERS(X) X(plus) X(minus) X(times) X(over) X(floor_over) X(modulo) X(power)
#define EK_DECLARE_UNARY_(f) EK_API ek_tensor ek_##f##_with(const ek_unary_options *o, ek_where where);
#define EK_DECLARE_BINARY_(f) EK_API ek_tensor ek_##f##_with(const ek_binary_options *o, ek_where where);
EK_UNARY_BUILDERS(EK_DECLARE_UNARY_)
EK_BINARY_BUILDERS(EK_DECLARE_BINARY_)
EK_OPERATOR_BUILDERS(EK_DECLARE_BINARY_)

#define ek_identity(...) EK_UNARY_(ek_identity_with, __VA_ARGS__)
#define ek_plus(a, b) EK_BINARY_PLAIN_(ek_plus_with, a, b)
/* ... one line each; see the end of this file */

#ifdef __cplusplus
}
#endif
#endif
