/* tests/graph/toy.h - a handful of op definitions, so that the graph is tested without the library's ops. */
#ifndef EK_TESTS_GRAPH_TOY_H
#define EK_TESTS_GRAPH_TOY_H

#include "graph/scope.h"
#include "support/support.h"

static ek_status toy_same_shape(ek_shape_ctx *c)
{
    for (int k = 0; k < c->n_out; k++) c->out[k] = c->in[0];
    return EK_OK;
}

static ek_status toy_merge_shapes(ek_shape_ctx *c)
{
    c->out[0] = c->in[0];
    for (int i = 1; i < c->n_in; i++)
        if (!ek_shape_merge(&c->out[0], &c->in[i], &c->out[0]))
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Dimensions must be equal");
    return EK_OK;
}

static ek_status toy_scalar_shape(ek_shape_ctx *c)
{
    for (int k = 0; k < c->n_out; k++) c->out[k] = EK_SCALAR;
    return EK_OK;
}

/* The shape that the second input's elements say. */
static ek_status toy_reshape_shape(ek_shape_ctx *c)
{
    c->out[0] = c->in_as_shape[1];
    return EK_OK;
}

static ek_status toy_pack_shape(ek_shape_ctx *c)
{
    c->out[0] = EK_SHAPE(c->n_in);
    return EK_OK;
}

static ek_status toy_concat_shape(ek_shape_ctx *c)
{
    c->out[0] = EK_SHAPE(0);
    for (int i = 0; i + 1 < c->n_in; i++) {
        if (c->in[i].rank != 1 || c->in[i].dim[0] < 0) c->out[0].dim[0] = -1;
        else if (c->out[0].dim[0] >= 0) c->out[0].dim[0] += c->in[i].dim[0];
    }
    return EK_OK;
}

static ek_status toy_vector_shape(ek_shape_ctx *c)
{
    c->out[0] = c->in[0].rank >= 0 ? EK_SHAPE(c->in[0].rank) : EK_SHAPE(-1);
    return EK_OK;
}

static ek_status toy_unknown_vector(ek_shape_ctx *c)
{
    c->out[0] = EK_SHAPE(-1);
    return EK_OK;
}

typedef struct toy_const_attrs { ek_array *value; ek_dtype dtype; } toy_const_attrs;
static const ek_field toy_const_fields[] = {
    EK_FIELD(toy_const_attrs, value, TENSOR), EK_FIELD(toy_const_attrs, dtype, TYPE)
};
static ek_status toy_const_shape(ek_shape_ctx *c)
{
    c->out[0] = *ek_array_shape(((const toy_const_attrs *)c->attrs)->value);
    return EK_OK;
}

typedef struct toy_shape_attrs { ek_shape shape; } toy_shape_attrs;
static const ek_field toy_shape_fields[] = { EK_FIELD(toy_shape_attrs, shape, SHAPE) };
static ek_status toy_attr_shape(ek_shape_ctx *c)
{
    c->out[0] = ((const toy_shape_attrs *)c->attrs)->shape;
    return EK_OK;
}

/* int32 and float32 only; enough to be folded. */
static ek_status toy_add_run(const ek_run_args *a, int64_t chunk)
{
    const int64_t n = *(const int64_t *)a->state;

    EK_UNUSED(chunk);
    for (int64_t i = 0; i < n; i++)
        ((int32_t *)a->out[0])[i] = ((const int32_t *)a->in[0])[i] + ((const int32_t *)a->in[1])[i];
    return EK_OK;
}

static ek_status toy_add_prepare(ek_prepare_ctx *c)
{
    int64_t *n = ek__arena_alloc(c->arena, sizeof *n, sizeof *n);

    if (c->in_dtype[0] != EK_INT32) return EK_FAIL(c->err, UNIMPLEMENTED, "the toy adds int32");
    if (n == NULL) return EK_FAIL(c->err, RESOURCE_EXHAUSTED, "no memory");
    *n = ek_shape_count(&c->out[0]);
    c->state = n;
    c->n_phases = 1;
    c->phase[0] = (ek_phase){ toy_add_run, 1 };
    return EK_OK;
}

#define TOY_NUMBERS "T: {half, float, double, int32}"
static const ek_op_def toy_defs[] = {
    { .name = "AddV2", .inputs = "x: T, y: T", .outputs = "z: T", .attrs = TOY_NUMBERS, .shape = toy_merge_shapes,
      .prepare = toy_add_prepare },
    { .name = "AssignAdd", .kind = EK_KIND_EFFECT, .inputs = "ref: Ref(T), value: T", .outputs = "output_ref: Ref(T)",
      .attrs = TOY_NUMBERS "; use_locking: bool = false", .shape = toy_same_shape },
    { .name = "ConcatV2", .inputs = "values: N * T, axis: Tidx", .outputs = "output: T",
      .attrs = "N: int >= 2; T: type; Tidx: {int32, int64} = int32", .shape = toy_concat_shape },
    { .name = "Const", .outputs = "output: dtype", .attrs = "value: tensor; dtype: type", .shape = toy_const_shape,
      .attrs_size = sizeof(toy_const_attrs), .fields = toy_const_fields, .n_fields = 2 },
    { .name = "Identity", .kind = EK_KIND_ALIAS, .inputs = "input: T", .outputs = "output: T", .attrs = "T: type",
      .shape = toy_same_shape },
    { .name = "IdentityN", .inputs = "input: T", .outputs = "output: T", .attrs = "T: list(type) >= 1",
      .shape = toy_same_shape },
    { .name = "Layout", .inputs = "x: T", .outputs = "y: T",
      .attrs = "T: type; format: {'NHWC', 'NCHW'} = 'NHWC'; size: int >= 1 = 3; rates: list(int) >= 2 = [1, 1]; "
               "eps: float = 1e-3",
      .shape = toy_same_shape },
    { .name = "LogicalNot", .inputs = "x: bool", .outputs = "y: bool", .attrs = "", .shape = toy_same_shape },
    { .name = "Merge", .kind = EK_KIND_MERGE, .inputs = "inputs: N * T", .outputs = "output: T, value_index: int32",
      .attrs = "T: type; N: int >= 1", .shape = toy_scalar_shape },
    { .name = "NoOp", .kind = EK_KIND_EFFECT, .shape = NULL },
    { .name = "Pack", .inputs = "values: N * T", .outputs = "output: T", .attrs = "N: int >= 1; T: type; axis: int = 0",
      .shape = toy_pack_shape },
    { .name = "Placeholder", .kind = EK_KIND_SOURCE, .outputs = "output: dtype",
      .attrs = "dtype: type; shape: shape = { unknown_rank }", .shape = toy_attr_shape,
      .attrs_size = sizeof(toy_shape_attrs),
      .fields = toy_shape_fields, .n_fields = 1 },
    { .name = "RefMerge", .kind = EK_KIND_MERGE, .inputs = "inputs: Ref(N * T)",
      .outputs = "output: Ref(T), value_index: int32",
      .attrs = "T: type; N: int >= 1", .shape = toy_scalar_shape },
    { .name = "RefSwitch", .kind = EK_KIND_SWITCH, .inputs = "data: Ref(T), pred: bool",
      .outputs = "output_false: Ref(T), output_true: Ref(T)", .attrs = "T: type", .shape = toy_same_shape },
    { .name = "Reshape", .inputs = "tensor: T, shape: Tshape", .outputs = "output: T",
      .attrs = "T: type; Tshape: {int32, int64} = int32", .shape = toy_reshape_shape, .value_inputs = 2 },
    { .name = "Shape", .inputs = "input: T", .outputs = "output: out_type",
      .attrs = "T: type; out_type: {int32, int64} = int32",
      .shape = toy_vector_shape },
    { .name = "StridedSlice", .inputs = "input: T, begin: Index, end: Index, strides: Index", .outputs = "output: T",
      .attrs = "T: type; Index: {int32, int64}; begin_mask: int = 0; end_mask: int = 0; ellipsis_mask: int = 0; "
               "new_axis_mask: int = 0; shrink_axis_mask: int = 0", .shape = toy_unknown_vector },
    { .name = "Switch", .kind = EK_KIND_SWITCH, .inputs = "data: T, pred: bool",
      .outputs = "output_false: T, output_true: T",
      .attrs = "T: type", .shape = toy_same_shape },
    { .name = "VariableV2", .kind = EK_KIND_SOURCE, .stateful = true, .outputs = "ref: Ref(dtype)",
      .attrs = "shape: shape; dtype: type; container: string = ''; shared_name: string = ''", .shape = toy_attr_shape,
      .attrs_size = sizeof(toy_shape_attrs), .fields = toy_shape_fields, .n_fields = 1 },
};

static inline ek_registry *toy_registry(void)
{
    const ek_op_def *list[EK_COUNT_OF(toy_defs)];
    ek_registry *r = NULL;
    ek_error err = { 0 };

    for (int i = 0; i < EK_COUNT_OF(toy_defs); i++) list[i] = &toy_defs[i];
    if (ek__registry_create(list, EK_COUNT_OF(toy_defs), &r, &err) != EK_OK && err.code != EK_RESOURCE_EXHAUSTED)
        fprintf(stderr, "%s\n", err.text);
    return r;
}

/* A graph over the toy ops; both go with toy_end. */
static inline ek_graph *toy_begin(void)
{
    ek_registry *r = toy_registry();
    ek_graph *g = r != NULL ? ek__graph_create(r) : NULL;

    if (g == NULL) ek__registry_destroy(r);
    return g;
}

static inline void toy_end(ek_graph *g)
{
    ek_registry *r = g != NULL ? (ek_registry *)(uintptr_t)g->registry : NULL;

    ek_graph_destroy(g);
    ek__registry_destroy(r);
}

static inline ek_tensor toy_placeholder(ek_graph *g, ek_dtype type, ek_shape shape, const char *name)
{
    const ek_attribute attrs[] = { { "dtype", EK_A_TYPE, { .type = type }, 0 },
                                   { "shape", EK_A_SHAPE, { .shape = &shape }, 0 } };

    return ek_op_output(ek_op_build(g, "Placeholder", .name = name, .attributes = attrs, .n_attributes = 2), 0);
}

static inline ek_tensor toy_const(ek_graph *g, ek_dtype type, ek_shape shape, const void *data, const char *name)
{
    ek_array *value = ek_array_of(type, shape, data);
    const ek_attribute attrs[] = { { "dtype", EK_A_TYPE, { .type = type }, 0 },
                                   { "value", EK_A_TENSOR, { .tensor = value }, 0 } };
    ek_op op = { g, -1 };

    if (value == NULL) ek__graph_fail(g, EK_HERE, EK_RESOURCE_EXHAUSTED, "no memory for a constant");
    else op = ek_op_build(g, "Const", .name = name, .attributes = attrs, .n_attributes = 2);
    ek_array_unref(value);
    return ek_op_output(op, 0);
}

static inline ek_tensor toy_variable(ek_graph *g, ek_dtype type, ek_shape shape, const char *name)
{
    const ek_attribute attrs[] = { { "dtype", EK_A_TYPE, { .type = type }, 0 },
                                   { "shape", EK_A_SHAPE, { .shape = &shape }, 0 } };

    return ek_op_output(ek_op_build(g, "VariableV2", .name = name, .attributes = attrs, .n_attributes = 2), 0);
}

static inline ek_op toy_op(ek_graph *g, const char *type, const char *name, ek_tensor a, ek_tensor b)
{
    const ek_tensor in[] = { a, b };

    return ek_op_build(g, type, .name = name, .inputs = in, .n_inputs = b.graph != NULL ? 2 : 1);
}

static inline ek_tensor toy_unary(ek_graph *g, const char *type, const char *name, ek_tensor a)
{
    return ek_op_output(toy_op(g, type, name, a, (ek_tensor){ NULL, -1, 0 }), 0);
}

static inline ek_tensor toy_add(ek_graph *g, ek_tensor a, ek_tensor b)
{
    return ek_op_output(toy_op(g, "AddV2", "add", a, b), 0);
}

#endif
