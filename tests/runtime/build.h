/* tests/runtime/build.h - graphs for tests of plans and sessions, op by op, without the layers above. */
#ifndef EK_TESTS_RUNTIME_BUILD_H
#define EK_TESTS_RUNTIME_BUILD_H

#include "support/support.h"

#include <string.h>

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* Output 0 of an op without attributes of its own; n inputs, control inputs up to the first dead one. */
static inline ek_op node(ek_graph *g, const char *type, const char *name, const ek_tensor *in, int n)
{
    return ek_op_build(g, type, .name = name, .inputs = in, .n_inputs = n);
}

static inline ek_tensor out(ek_op op, int index) { return ek_op_output(op, index); }

static inline ek_tensor unary(ek_graph *g, const char *type, const char *name, ek_tensor a)
{
    return out(node(g, type, name, &a, 1), 0);
}

static inline ek_tensor binary(ek_graph *g, const char *type, const char *name, ek_tensor a, ek_tensor b)
{
    return out(node(g, type, name, (ek_tensor[]){ a, b }, 2), 0);
}

static inline ek_tensor placeholder(ek_graph *g, const char *name, ek_dtype dtype, ek_shape shape)
{
    const ek_attribute a[] = { { .name = "dtype", .kind = EK_A_TYPE, .u.type = dtype },
                               { .name = "shape", .kind = EK_A_SHAPE, .u.shape = &shape } };

    return out(ek_op_build(g, "Placeholder", .name = name, .attributes = a, .n_attributes = 2), 0);
}

/* Whether making an array for a constant failed, which no graph knows of. */
static bool constant_without_memory;

/* Takes the array's reference; dead without memory. */
static inline ek_tensor constant_under(ek_graph *g, const char *name, ek_array *value, const ek_op *control, int n)
{
    if (value == NULL) {
        constant_without_memory = true;
        return (ek_tensor){ g, -1, 0 };
    }
    const ek_attribute a[] = { { .name = "dtype", .kind = EK_A_TYPE, .u.type = ek_array_dtype(value) },
                               { .name = "value", .kind = EK_A_TENSOR, .u.tensor = value } };
    const ek_tensor t = out(
        ek_op_build(g, "Const", .name = name, .attributes = a, .n_attributes = 2, .control = control, .n_control = n),
        0);

    ek_array_unref(value);
    return t;
}
static inline ek_tensor constant(ek_graph *g, const char *name, ek_array *value)
{
    return constant_under(g, name, value, NULL, 0);
}

static inline ek_array *f32(ek_shape shape, const float *data) { return ek_array_of(EK_FLOAT32, shape, data); }
static inline ek_array *scalar_f32(float v) { return ek_array_of(EK_FLOAT32, EK_SCALAR, &v); }
static inline ek_array *scalar_bool(bool v) { return ek_array_of(EK_BOOL, EK_SCALAR, &v); }
static inline ek_array *vector_i32(int n, const int32_t *v)
{
    return ek_array_of(EK_INT32, (ek_shape){ .dim = { n }, .rank = 1 }, v);
}

/* VariableV2 or VarHandleOp. */
static inline ek_tensor variable(ek_graph *g, const char *type, const char *name, ek_shape shape)
{
    const ek_attribute a[] = { { .name = "dtype", .kind = EK_A_TYPE, .u.type = EK_FLOAT32 },
                               { .name = "shape", .kind = EK_A_SHAPE, .u.shape = &shape },
                               { .name = "shared_name", .kind = EK_A_STRING, .u.s = name, .count = -1 } };
    const bool ref = strcmp(type, "VariableV2") == 0;

    return out(ek_op_build(g, type, .name = name, .attributes = a, .n_attributes = ref ? 2 : 3), 0);
}

static inline ek_op write_to(ek_graph *g, const char *type, const char *name, ek_tensor ref, ek_tensor value,
                             const ek_op *control, int n)
{
    const ek_tensor in[] = { ref, value };

    return ek_op_build(g, type, .name = name, .inputs = in, .n_inputs = 2, .control = control, .n_control = n);
}

static inline ek_tensor read_of(ek_graph *g, const char *name, ek_tensor handle, const ek_op *control, int n)
{
    const ek_attribute a[] = { { .name = "dtype", .kind = EK_A_TYPE, .u.type = EK_FLOAT32 } };

    return out(ek_op_build(g, "ReadVariableOp", .name = name, .inputs = &handle, .n_inputs = 1, .attributes = a,
                           .n_attributes = 1, .control = control, .n_control = n), 0);
}

static inline void assert_floats(const ek_array *a, int n, const float *want)
{
    assert_non_null(a);
    assert_int_equal(ek_array_dtype(a), EK_FLOAT32);
    assert_int_equal(ek_array_count(a), n);
    const float *got = ek_array_cdata(a);
    for (int i = 0; i < n; i++)
        if (!(got[i] == want[i])) fail_msg("element %d is %g, %g is right", i, (double)got[i], (double)want[i]);
}

/* What a graph that was loaded calls so. */
static inline ek_op op_named(const ek_graph *g, const char *name)
{
    ek_op op;

    EK_DIE(ek_graph_op_by_name(g, name, &op));
    return op;
}

static inline ek_tensor tensor_named(const ek_graph *g, const char *name)
{
    ek_tensor t;

    EK_DIE(ek_graph_tensor_by_name(g, name, &t));
    return t;
}

/* A failed run with just this text. */
static inline void assert_error(const ek_error *err, ek_status code, const char *text)
{
    if (err->code != code || strcmp(err->text, text) != 0)
        fail_msg("%s: %s\nbut it should be %s: %s", ek_status_name(err->code), err->text, ek_status_name(code), text);
}

#endif
