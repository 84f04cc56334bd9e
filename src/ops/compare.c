/* ops/compare.c - comparisons and logic: two operands, broadcast, a bool each. */
#include "ops/elementwise.h"
#include "ops/rules.h"

#define COMPARE_OP(Name, table) \
    EK_ELEMENTWISE_OP_FLAT(Name, table, "x: T, y: T", "z: bool", "T: {" EK_T_REAL "}", ek__binary_shape, 0, "its output is bool")
#define LOGIC_OP(Name, table) \
    EK_ELEMENTWISE_OP_FLAT(Name, table, "x: bool, y: bool", "z: bool", "", ek__binary_shape, 3, "its output is bool")

COMPARE_OP(Greater, greater)
COMPARE_OP(GreaterEqual, greater_equal)
COMPARE_OP(Less, less)
COMPARE_OP(LessEqual, less_equal)
LOGIC_OP(LogicalAnd, logical_and)
LOGIC_OP(LogicalOr, logical_or)

/* ---- Equal, NotEqual: anything, strings too; shapes that do not fit may be an answer ----------------- */

typedef struct equal_attrs {
    bool incompatible_shape_error;
} equal_attrs;

static const ek_field equal_fields[] = { EK_FIELD(equal_attrs, incompatible_shape_error, BOOL) };

static bool never_equal(const ek_shape *x, const ek_shape *y)
{
    ek_shape both;
    int64_t a, b;

    return !ek__broadcast(x, y, &both, &a, &b);
}

/* Without the error the answer to shapes that do not fit is one bool: unknown dimensions then say nothing. */
static ek_status equal_shape(ek_shape_ctx *c)
{
    const equal_attrs *const a = c->attrs;

    if (a->incompatible_shape_error) return ek__binary_shape(c);
    if (never_equal(&c->in[0], &c->in[1])) c->out[0] = EK_SCALAR;
    else if (ek_shape_is_known(&c->in[0]) && ek_shape_is_known(&c->in[1])) return ek__binary_shape(c);
    return EK_OK;
}

static bool same_string(const ek_string *a, const ek_string *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

static void equal_strings(int64_t n, const void *const *in, const int *step, void *out, const void *state)
{
    const ek_string *const x = in[0], *const y = in[1];
    bool *const z = out;

    EK_UNUSED(state);
    for (int64_t i = 0; i < n; i++) z[i] = same_string(&x[i * step[0]], &y[i * step[1]]);
}

static void not_equal_strings(int64_t n, const void *const *in, const int *step, void *out, const void *state)
{
    bool *const z = out;

    equal_strings(n, in, step, out, state);
    for (int64_t i = 0; i < n; i++) z[i] = !z[i];
}

static ek_status one_truth(const ek_run_args *a, int64_t chunk)
{
    EK_UNUSED(chunk);
    *(bool *)a->out[0] = *(const bool *)a->state;
    return EK_OK;
}

/* The answer to shapes that do not fit: `truth`. */
static ek_status equal_prepare(ek_prepare_ctx *c, bool truth)
{
    if (!never_equal(&c->in[0], &c->in[1])) return ek__elementwise_prepare(c);
    c->state = ek__arena_memdup(c->arena, &truth, sizeof truth);
    if (c->state == NULL) return EK_FAIL(c->err, RESOURCE_EXHAUSTED, "no memory to prepare %s", c->def->name);
    c->n_phases = 1;
    c->phase[0] = (ek_phase){ one_truth, 1 };
    return EK_OK;
}

#define EQUAL_OP(Name, table, truth)                                                                               \
    static ek_status Name##_prepare(ek_prepare_ctx *c) { return equal_prepare(c, truth); }                          \
    static ek_elementwise_fn Name##_loop(ek_prepare_ctx *c, const void **state)                                     \
    {                                                                                                               \
        EK_UNUSED(state);                                                                                           \
        return c->in_dtype[0] == EK_STRING ? table##_strings : ek__loop(&ek__loops_##table, c->in_dtype[0]);        \
    }                                                                                                               \
    const ek_op_def ek__op_##Name = { .name = #Name, .inputs = "x: T, y: T", .outputs = "z: bool",                   \
        .attrs = "T: {" EK_T_FLOAT ", uint8, int8, int16, int32, int64, complex64, quint8, qint8, qint32, string, bool, " \
                 "complex128}; incompatible_shape_error: bool = true later",                                              \
        .attrs_size = sizeof(equal_attrs), .fields = equal_fields, .n_fields = EK_COUNT_OF(equal_fields),            \
        .shape = equal_shape, .prepare = Name##_prepare, .elementwise = Name##_loop, .no_grad_because = "its output is bool" };
EQUAL_OP(Equal, equal, false)
EQUAL_OP(NotEqual, not_equal, true)

/* ---- ApproximateEqual: the loops' parameter is the tolerance ------------------------------------------ */

typedef struct approximate_attrs {
    float tolerance;
} approximate_attrs;

static const ek_field approximate_fields[] = { EK_FIELD(approximate_attrs, tolerance, FLOAT) };

static ek_status approximate_shape(ek_shape_ctx *c)
{
    if (!c->running || ek_shape_equal(&c->in[0], &c->in[1])) return ek__same_shape(c);
    return EK_FAIL(c->err, INVALID_ARGUMENT, "x and y must be of the same shape. x shape: %s. y shape: %s",
                   EK_CC(&c->in[0]), EK_CC(&c->in[1]));
}

static ek_elementwise_fn approximate_loop(ek_prepare_ctx *c, const void **state)
{
    const approximate_attrs *const a = c->attrs;

    *state = &a->tolerance;
    return ek__loop(&ek__loops_approximate_equal, c->in_dtype[0]);
}

const ek_op_def ek__op_ApproximateEqual = {
    .name = "ApproximateEqual", .inputs = "x: T, y: T", .outputs = "z: bool",
    .attrs = "T: {" EK_T_NUMBER "}; tolerance: float = 1e-05",
    .attrs_size = sizeof(approximate_attrs), .fields = approximate_fields, .n_fields = EK_COUNT_OF(approximate_fields),
    .shape = approximate_shape, .prepare = ek__elementwise_prepare, .elementwise = approximate_loop,
    .no_grad_because = "its output is bool",
};
