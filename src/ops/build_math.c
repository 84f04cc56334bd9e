/* ops/build_math.c - builders of element-wise ops: Python's operators, tf's functions of one and two operands, tf.cast
 * and kin.
 *
 * Functions are calls of the generated wrappers (ops/operand.h). Operators open a scope of their own name and convert
 * the other operand to the dtype of the first where it can have it; otherwise it keeps its own and the node refuses
 * the pair. / */
#include "ops/operand.h"

/* ---- functions named by their type ------------------------------------------------------------------ */

#define UNARY_FUNCTIONS(X)                                                                                            \
    X(abs, Abs) X(acos, Acos) X(acosh, Acosh) X(asin, Asin) X(asinh, Asinh) X(atan, Atan) X(atanh, Atanh)              \
    X(ceil, Ceil) X(cos, Cos) X(cosh, Cosh) X(elu, Elu) X(erf, Erf) X(erfc, Erfc) X(exp, Exp) X(expm1, Expm1)          \
    X(floor, Floor) X(is_finite, IsFinite) X(is_inf, IsInf) X(is_nan, IsNan) X(lgamma, Lgamma) X(log, Log)             \
    X(log1p, Log1p) X(logical_not, LogicalNot) X(negative, Neg) X(reciprocal, Reciprocal) X(relu, Relu)                \
    X(relu6, Relu6) X(rint, Rint) X(round, Round) X(rsqrt, Rsqrt) X(selu, Selu) X(sigmoid, Sigmoid) X(sign, Sign)      \
    X(sin, Sin) X(sinh, Sinh) X(softplus, Softplus) X(softsign, Softsign) X(sqrt, Sqrt) X(square, Square) X(tan, Tan)  \
    X(tanh, Tanh)
#define BINARY_FUNCTIONS(X)                                                                                           \
    X(add, Add) X(atan2, Atan2) X(equal, Equal) X(floor_mod, FloorMod) X(greater, Greater)     \
    X(greater_equal, GreaterEqual) X(less, Less) X(less_equal, LessEqual) X(logical_and, LogicalAnd)                   \
    X(logical_or, LogicalOr) X(maximum, Maximum) X(minimum, Minimum) X(multiply, Mul) X(not_equal, NotEqual)           \
    X(pow, Pow) X(real_div, RealDiv) X(squared_difference, SquaredDifference) X(subtract, Sub)                         \
    X(truncate_div, TruncateDiv) X(truncate_mod, TruncateMod) X(xdivy, Xdivy) X(xlogy, Xlogy)

static ek_tensor unary(const char *type, const char *name, ek_operand x, ek_where where)
{
    return ek__call_tensor(&(ek_call){ .type = type, .name = name, .in = &x, .n_in = 1, .where = where });
}

static ek_tensor binary(const char *type, const char *name, ek_operand x, ek_operand y, ek_where where)
{
    const ek_operand in[] = { x, y };

    return ek__call_tensor(&(ek_call){ .type = type, .name = name, .in = in, .n_in = 2, .where = where });
}

#define DEFINE_UNARY(f, Type) \
    ek_tensor ek_##f##_with(const ek_unary_options *o, ek_where where)                                                 \
    {                                                                                                                  \
        return EK_OPTIONS_OK(NULL, o, where) ? unary(#Type, o->name, o->x, where) : ek__dead(NULL);                    \
    }
#define DEFINE_BINARY(f, Type)                                                                                         \
    ek_tensor ek_##f##_with(const ek_binary_options *o, ek_where where)                                                \
    {                                                                                                                  \
        return EK_OPTIONS_OK(NULL, o, where) ? binary(#Type, o->name, o->x, o->y, where) : ek__dead(NULL);             \
    }
UNARY_FUNCTIONS(DEFINE_UNARY)
BINARY_FUNCTIONS(DEFINE_BINARY)

/* ---- operators -------------------------------------------------------------------------------------------- */

/* The operand beside one of dtype `beside`: a literal takes that dtype where it can, else keeps its own. */
static ek_tensor beside(ek_graph *g, const ek_operand *x, ek_dtype dtype, const char *name, ek_where where)
{
    ek_error err = { 0 };
    ek_array *value = NULL;
    ek_tensor t;

    if (x->kind != 'l' || (ek__literal_array(&x->u.literal, dtype, NULL, &value, &err) != EK_OK &&
                           err.code != EK_RESOURCE_EXHAUSTED))
        return ek__operand_tensor(g, x, EK_DTYPE_NONE, name, where);
    if (value == NULL) {
        ek__graph_fail(g, where, err.code, "%s", err.text);
        return ek__dead(g);
    }
    t = ek__const(g, value, name, where);
    ek_array_unref(value);
    return t;
}

static ek_tensor build2(ek_graph *g, const char *type, const char *name, const ek_tensor *in, ek_where where)
{
    return ek__node_tensor(g, &(ek_node_args){ .type = type, .name = name, .in = in, .n_in = 2, .where = where });
}

/* The operands of an operator whose scope is open. A reversed one (2 - x) must be able to take the dtype of x. */
static void operands(ek_graph *g, const ek_operand *x, const ek_operand *y, ek_tensor *in, ek_where where)
{
    if (x->kind == 'l') {
        in[1] = ek__operand_tensor(g, y, EK_DTYPE_NONE, "y", where);
        in[0] = ek__operand_tensor(g, x, ek_dtype_base(ek_tensor_dtype(in[1])), "x", where);
    } else {
        in[0] = ek__operand_tensor(g, x, EK_DTYPE_NONE, "x", where);
        in[1] = beside(g, y, ek_dtype_base(ek_tensor_dtype(in[0])), "y", where);
    }
}

/* A variable whose operator is asked is read before the scope opens. */
static ek_operand asked(const ek_operand *x, bool own, ek_where where)
{
    if (!own || (x->kind != 'v' && x->kind != EK_UNREAD)) return *x;
    return ek_operand_of_tensor(ek__operand_tensor(ek__operand_graph(x, 1), x, EK_DTYPE_NONE, NULL, where));
}

typedef ek_tensor (*operator_fn)(ek_graph *g, const char *scope, const ek_tensor *in, ek_where where);

static ek_tensor operate(const ek_binary_options *o, const char *name, operator_fn finish, ek_where where)
{
    const ek_operand pair[] = { o->x, o->y };
    ek_graph *const g = ek__operand_graph(pair, 2);
    ek_operand x, y;
    ek_tensor in[2], out;
    ek_scope scope;

    if (!EK_GRAPH_OK(g, where)) return ek__dead(NULL);
    x = asked(&o->x, true, where);
    y = asked(&o->y, o->x.kind == 'l', where);
    scope = ek_name_scope_push(g, o->name != NULL ? o->name : name, where);
    operands(g, &x, &y, in, where);
    out = finish(g, ek_name_scope(g), in, where);
    ek_scope_pop(&scope);
    return out;
}

#define FINISH(fn, Type)                                                                                     \
    static ek_tensor fn(ek_graph *g, const char *scope, const ek_tensor *in, ek_where where)                 \
    {                                                                                                        \
        return build2(g, Type, scope, in, where);                                                            \
    }
FINISH(finish_sub, "Sub")
FINISH(finish_mul, "Mul")
FINISH(finish_floor_div, "FloorDiv")
FINISH(finish_floor_mod, "FloorMod")
FINISH(finish_pow, "Pow")

/* Strings are joined by Add; numbers are added by AddV2. */
static ek_tensor finish_add(ek_graph *g, const char *scope, const ek_tensor *in, ek_where where)
{
    const bool strings = ek_dtype_base(ek_tensor_dtype(in[0])) == EK_STRING;

    return build2(g, strings ? "Add" : "AddV2", scope, in, where);
}

/* The type in which Python 3 divides: integers of 32 and 64 bits as float64, smaller ones as float32. NONE: not at
 * all. */
static ek_dtype quotient_type(ek_dtype t)
{
    if (ek_dtype_is_floating(t) || ek_dtype_is_complex(t)) return t;
    if (t == EK_INT32 || t == EK_INT64) return EK_FLOAT64;
    return ek_dtype_is_integer(t) && ek_dtype_size(t) <= 2 ? EK_FLOAT32 : EK_DTYPE_NONE;
}

static ek_tensor finish_true_div(ek_graph *g, const char *scope, const ek_tensor *in, ek_where where)
{
    const ek_dtype x = ek_dtype_base(ek_tensor_dtype(in[0])), y = ek_dtype_base(ek_tensor_dtype(in[1]));
    const ek_dtype t = quotient_type(x);
    ek_tensor as[2] = { in[0], in[1] };

    if (!ek_tensor_ok(in[0]) || !ek_tensor_ok(in[1])) return build2(g, "RealDiv", scope, in, where);
    if (x != y) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "x and y must have the same dtype, got tf.%s != tf.%s",
                       ek_dtype_name(x), ek_dtype_name(y));
        return ek__dead(g);
    }
    if (t == EK_DTYPE_NONE) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Invalid dtype tf.%s in __truediv__", ek_dtype_name(x));
        return ek__dead(g);
    }
    for (int k = 0; k < 2 && t != x; k++)
        as[k] = ek_cast_with(ek_operand_of_tensor(in[k]), &(ek_cast_options){ sizeof(ek_cast_options), t, NULL }, where);
    return build2(g, "RealDiv", scope, as, where);
}

#define DEFINE_OPERATOR(f, name, finish) \
    ek_tensor ek_##f##_with(const ek_binary_options *o, ek_where where) \
    { \
        return EK_OPTIONS_OK(NULL, o, where) ? operate(o, name, finish, where) : ek__dead(NULL); \
    }
DEFINE_OPERATOR(plus, "add", finish_add)
DEFINE_OPERATOR(minus, "sub", finish_sub)
DEFINE_OPERATOR(times, "mul", finish_mul)
DEFINE_OPERATOR(over, "truediv", finish_true_div)
DEFINE_OPERATOR(divide, "truediv", finish_true_div)
DEFINE_OPERATOR(floor_over, "floordiv", finish_floor_div)
DEFINE_OPERATOR(modulo, "mod", finish_floor_mod)
DEFINE_OPERATOR(power, "pow", finish_pow)

/* No operator, yet a function with a scope of its own: what it reads and makes constant is inside. */
ek_tensor ek_div_no_nan_with(const ek_binary_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    const ek_operand pair[] = { o->x, o->y };
    ek_graph *const g = ek__operand_graph(pair, 2);
    ek_tensor in[2], out;
    ek_scope scope;

    if (!EK_GRAPH_OK(g, where)) return ek__dead(NULL);
    scope = ek_name_scope_push(g, o->name != NULL ? o->name : "div_no_nan", where);
    in[0] = ek__operand_tensor(g, &o->x, EK_DTYPE_NONE, "x", where);
    in[1] = ek__operand_tensor(g, &o->y, ek_dtype_base(ek_tensor_dtype(in[0])), "y", where);
    out = build2(g, "DivNoNan", ek_name_scope(g), in, where);
    ek_scope_pop(&scope);
    return out;
}

/* ---- more than operands ---------------------------------------------------------------------------------------- */

/* A tensor of the dtype already is returned as it is; a reference variable is read inside the scope "Cast" all the
 * same. */
ek_tensor ek_cast_with(ek_operand x, const ek_cast_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(ek__operand_graph(&x, 1), o, where)) return ek__dead(NULL);
    ek_graph *const g = ek__operand_graph(&x, 1);
    const ek_attr to = EK_ATTR("DstT", EK_ATTR_TYPE, type, ek_dtype_base(o->dtype));
    ek_tensor t;
    ek_scope scope;

    if (!EK_GRAPH_OK(g, where)) return ek__dead(NULL);
    if (x.kind == 't' && ek_dtype_base(ek_tensor_dtype(x.u.tensor)) == to.value.u.type) return x.u.tensor;
    scope = ek_name_scope_push(g, o->name != NULL ? o->name : "Cast", where);
    t = ek__operand_tensor(g, &x, EK_DTYPE_NONE, "x", where);
    if (ek_dtype_base(ek_tensor_dtype(t)) != to.value.u.type || !ek_tensor_ok(t))
        t = ek__node_tensor(g, &(ek_node_args){ .type = "Cast",
                                               .name = ek_name_scope(g),
                                               .in = &t,
                                               .n_in = 1,
                                               .attr = &to,
                                               .n_attr = 1,
                                               .where = where });
    ek_scope_pop(&scope);
    return t;
}

ek_tensor ek_leaky_relu_with(ek_operand x, const ek_leaky_relu_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(ek__operand_graph(&x, 1), o, where)) return ek__dead(NULL);
    const ek_attr alpha = EK_ATTR("alpha", EK_ATTR_FLOAT, f, (float)o->alpha);

    return ek__call_tensor(&(ek_call){
        .type = "LeakyRelu", .name = o->name, .in = &x, .n_in = 1, .attr = &alpha, .n_attr = 1, .where = where });
}

ek_tensor ek_select_with(ek_operand condition, ek_operand x, const ek_select_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(ek__operand_graph(&condition, 1), o, where)) return ek__dead(NULL);
    const ek_operand in[] = { condition, x, o->y };

    return ek__call_tensor(&(ek_call){ .type = "Select", .name = o->name, .in = in, .n_in = 3, .where = where });
}

/* min(x, most), then max(that, least) under the scope's own name. */
ek_tensor ek_clip_by_value_with(ek_operand x, ek_operand least, const ek_clip_by_value_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(ek__operand_graph(&x, 1), o, where)) return ek__dead(NULL);
    const ek_operand all[] = { x, least, o->most };
    ek_graph *const g = ek__operand_graph(all, 3);
    ek_tensor value, below, out;
    ek_scope scope;

    if (!EK_GRAPH_OK(g, where)) return ek__dead(NULL);
    scope = ek_name_scope_push(g, o->name != NULL ? o->name : "clip_by_value", where);
    value = ek__operand_tensor(g, &x, EK_DTYPE_NONE, "t", where);
    below = binary("Minimum", NULL, ek_operand_of_tensor(value), o->most, where);
    out = binary("Maximum", ek_name_scope(g), ek_operand_of_tensor(below), least, where);
    ek_scope_pop(&scope);
    return out;
}

ek_tensor ek_check_numerics_with(ek_operand x, const ek_check_numerics_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(ek__operand_graph(&x, 1), o, where)) return ek__dead(NULL);
    if (o->message == NULL) {
        ek__graph_fail(ek__operand_graph(&x, 1), where, EK_INVALID_ARGUMENT, "ek_check_numerics needs a message");
        return ek__dead(NULL);
    }
    const char *const text = o->message;
    const ek_attr message = EK_ATTR("message", EK_ATTR_STRING, s, ((ek_string){ (char *)(uintptr_t)text, strlen(text) }));

    return ek__call_tensor(&(ek_call){ .type = "CheckNumerics", .name = o->name, .in = &x, .n_in = 1, .attr = &message,
                                       .n_attr = 1, .where = where });
}

/* One tensor is its own sum: itself, or an Identity where a name is wanted. */
ek_tensor ek_add_n_with(const ek_tensor *in, int64_t n, const ek_add_n_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    if (!ek__list_ok(NULL, in, n, "of tensors to add", where)) return ek__dead(NULL);
    ek_graph *const g = n > 0 ? in[0].graph : NULL;

    if (g == NULL || n > INT32_MAX) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "inputs must be a list of at least one Tensor/IndexedSlices with the same dtype and shape");
        return ek__dead(g);
    }
    if (n == 1 && o->name == NULL) return in[0];
    return ek__node_tensor(
        g, &(ek_node_args){
               .type = n == 1 ? "Identity" : "AddN", .name = o->name, .in = in, .n_in = (int)n, .where = where });
}
