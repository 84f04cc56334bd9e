/* ops/build_array.c - builders of operations that move elements or speak of shapes. */
#include "evenkeel/arrays.h"
#include "ops/operand.h"

/* ---- small pieces ---------------------------------------------------------------------------- */

/* An int32 vector, or with n < 0 a scalar, as an operand. *held keeps the array until the call is over. */
static ek_operand ints(ek_graph *g, const int64_t *at, int n, ek_array **held, ek_where where)
{
    const int64_t count = n < 0 ? 1 : n;
    const ek_shape shape = n < 0 ? EK_SCALAR : EK_SHAPE(n);
    ek_error err = { 0 };

    *held = NULL;
    if (ek__array_new(EK_INT32, &shape, NULL, held, &err) != EK_OK) {
        if (g != NULL) ek__graph_fail(g, where, err.code, "%s", err.text);
        return ek__of(ek__dead(g));
    }
    for (int64_t i = 0; i < count; i++) {
        if ((at[i] > INT32_MAX || at[i] < INT32_MIN) && g != NULL)
            ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "%lld does not fit into int32", (long long)at[i]);
        ((int32_t *)(*held)->data)[i] = (int32_t)at[i];
    }
    return ek_operand_of_array(*held);
}

static void release(ek_array **held, int n)
{
    for (int i = 0; i < n; i++) ek_array_unref(held[i]);
}

/* A tensor and one list of integers (n < 0: a scalar). */
static ek_tensor with_ints(const char *type, const char *name, ek_tensor x, const int64_t *at, int n, ek_where where)
{
    ek_array *held;
    const ek_operand in[] = { ek__of(x), ints(x.graph, at, n, &held, where) };
    const ek_tensor t = ek__call_tensor(&(ek_call){ .type = type, .name = name, .in = in, .n_in = 2, .where = where });

    release(&held, 1);
    return t;
}

/* ---- asking for shapes ----------------------------------------------------------------------- */

/* What x is before it is asked: Python converts it outside the name scope. */
static ek_tensor asked(const ek_unary_options *o, ek_where where)
{
    return ek__operand_tensor(ek__operand_graph(&o->x, 1), &o->x, EK_DTYPE_NONE, NULL, where);
}

static ek_tensor ask(const char *type, ek_tensor x, const char *name, ek_where where)
{
    return ek__call_tensor(&(ek_call){ .type = type, .name = name, .in = (ek_operand[]){ ek__of(x) }, .n_in = 1,
                                       .where = where });
}

static ek_tensor known_int(ek_graph *g, int64_t v, const char *name, ek_where where)
{
    return ek_constant_with(g,
                            &(ek_constant_options){ .size = sizeof(ek_constant_options),
                                                    .value = ek_int(v),
                                                    .dtype = EK_INT32,
                                                    .shape = { .rank = -2 },
                                                    .name = name },
                            where);
}

ek_tensor ek_shape_with(const ek_unary_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    const ek_tensor x = asked(o, where);
    const ek_shape s = ek_tensor_shape(x);
    const char *name = o->name != NULL ? o->name : "Shape";

    return ek_tensor_ok(x) && ek_shape_is_known(&s) ? ek__const_shape(x.graph, &s, name, where)
                                                    : ask("Shape", x, name, where);
}

ek_tensor ek_size_with(const ek_unary_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    const ek_tensor x = asked(o, where);
    const ek_shape s = ek_tensor_shape(x);
    const char *name = o->name != NULL ? o->name : "Size";

    return ek_tensor_ok(x) && ek_shape_is_known(&s) ? known_int(x.graph, ek_shape_count(&s), name, where)
                                                    : ask("Size", x, name, where);
}

ek_tensor ek_rank_with(const ek_unary_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    const ek_tensor x = asked(o, where);
    const ek_shape s = ek_tensor_shape(x);
    const char *name = o->name != NULL ? o->name : "Rank";

    return ek_tensor_ok(x) && s.rank >= 0 ? known_int(x.graph, s.rank, name, where) : ask("Rank", x, name, where);
}

/* ---- other shapes for the same elements ------------------------------------------------------ */

ek_tensor ek_reshape_with(const ek_reshape_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    if (o->shape.graph != NULL)
        return ek__call_tensor(&(ek_call){ .type = "Reshape", .name = o->name,
                                           .in = (ek_operand[]){ ek__of(o->tensor), ek__of(o->shape) }, .n_in = 2,
                                           .where = where });
    if (o->to.rank == 0 && o->to.dim[0] != 0) { /* EK_SCALAR has no dimensions: a bare number stands here */
        if (o->tensor.graph != NULL)
            ek__graph_fail(o->tensor.graph, where, EK_INVALID_ARGUMENT, "ek_reshape takes a shape: EK_SHAPE(%lld), not %lld",
                           (long long)o->to.dim[0], (long long)o->to.dim[0]);
        return ek__dead(o->tensor.graph);
    }
    if (o->to.rank < 0 || o->to.rank > EK_MAX_RANK) {
        if (o->tensor.graph != NULL)
            ek__graph_fail(o->tensor.graph, where, EK_INVALID_ARGUMENT,
                           "ek_reshape needs a shape: give its dimensions, %d at most, or "
                           "a tensor as .shape", EK_MAX_RANK);
        return ek__dead(o->tensor.graph);
    }
    return with_ints("Reshape", o->name, o->tensor, o->to.dim, o->to.rank, where);
}

ek_tensor ek_squeeze_with(const ek_squeeze_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    if (!EK_LIST_OK(o->input.graph, o->axis, ".axis", where)) return ek__dead(o->input.graph);
    ek_attr dims = { .name = "squeeze_dims", .value = { .kind = EK_ATTR_LIST | EK_ATTR_INT, .count = o->axis.n } };

    dims.value.u.is = (int64_t *)(uintptr_t)o->axis.at;
    return ek__call_tensor(&(ek_call){ .type = "Squeeze", .name = o->name, .in = (ek_operand[]){ ek__of(o->input) },
                                       .n_in = 1, .attr = &dims, .n_attr = o->axis.n > 0, .where = where });
}

ek_tensor ek_expand_dims_with(const ek_axis_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    return with_ints("ExpandDims", o->name, o->input, &o->axis, -1, where);
}

ek_tensor ek_transpose_with(const ek_transpose_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    if (!EK_LIST_OK(o->input.graph, o->perm, ".perm", where)) return ek__dead(o->input.graph);
    const ek_shape s = ek_tensor_shape(o->input);
    const char *name = o->name != NULL ? o->name : "transpose";
    int64_t reversed[EK_MAX_RANK];

    if (o->perm.n > 0) return with_ints("Transpose", name, o->input, o->perm.at, o->perm.n, where);
    if (s.rank < 0) {
        if (ek_tensor_ok(o->input))
            ek__graph_fail(o->input.graph, where, EK_INVALID_ARGUMENT,
                           "ek_transpose of a tensor of unknown rank needs .perm");
        return ek__dead(o->input.graph);
    }
    for (int32_t d = 0; d < s.rank; d++) reversed[d] = s.rank - 1 - d;
    return with_ints("Transpose", name, o->input, reversed, s.rank, where);
}

/* ---- repeated numbers ------------------------------------------------------------------------ */

ek_tensor ek_fill_with(const ek_fill_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    return ek__call_tensor(&(ek_call){ .type = "Fill", .name = o->name,
                                       .in = (ek_operand[]){ ek__of(o->dims), o->value }, .n_in = 2, .where = where });
}

/* Zero, one, False, True, the empty string. */
static ek_literal unit(ek_dtype dtype, bool one)
{
    if (dtype == EK_STRING) return one ? ek_int(1) : ek_str(""); /* Python has no one of strings: it is refused */
    if (dtype == EK_BOOL) return ek_bool(one);
    return ek_scalar(dtype, one ? 1.0 : 0.0);
}

static ek_tensor filled(ek_graph *g, ek_tensor shape, ek_dtype dtype, bool one, ek_where where)
{
    const ek_constant_options value = { .size = sizeof value, .value = unit(dtype, one), .dtype = dtype,
                                        .shape = { .rank = -2 } };
    const ek_tensor in[] = { shape, ek_constant_with(g, &value, where) };
    const ek_op op = ek__node_build(g, &(ek_node_args){ .type = "Fill", .name = ek_name_scope(g), .in = in, .n_in = 2,
                                                        .where = where });

    return (ek_tensor){ op.graph, op.id, 0 };
}

/* TensorFlow keeps graphs small: a large tensor is filled when it runs. */
enum { SMALL_CONSTANT = 1000 };

static ek_tensor zeros(ek_graph *g, const ek_zeros_options *o, const char *name, bool one, ek_where where)
{
    const int64_t count = ek_shape_count(&o->shape);
    ek_tensor t = ek__dead(g);

    if (!EK_GRAPH_OK(g, where)) return t;
    if (!ek_shape_is_known(&o->shape)) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "%s needs a shape that is fully known", name);
        return t;
    }
    ek_scope scope = ek_name_scope_push(g, o->name != NULL ? o->name : name, where);
    if (count >= 0 && count < SMALL_CONSTANT)
        t = ek_constant_with(g,
                             &(ek_constant_options){ .size = sizeof(ek_constant_options),
                                                     .value = unit(o->dtype, one),
                                                     .dtype = o->dtype,
                                                     .shape = o->shape,
                                                     .name = ek_name_scope(g) },
                             where);
    else
        t = filled(g, ek__const_shape(g, &o->shape, "shape_as_tensor", where), o->dtype, one, where);
    ek_scope_pop(&scope);
    return t;
}

ek_tensor ek_zeros_with(ek_graph *g, const ek_zeros_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where)) return ek__dead(g);
    return zeros(g, o, "zeros", false, where);
}

ek_tensor ek_ones_with(ek_graph *g, const ek_zeros_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where)) return ek__dead(g);
    return zeros(g, o, "ones", true, where);
}

ek_tensor ek_zeros_like_with(const ek_unary_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    ek_graph *g = ek__operand_graph(&o->x, 1);
    ek_tensor t = ek__dead(g);

    if (!EK_GRAPH_OK(g, where)) return t;
    ek_scope scope = ek_name_scope_push(g, o->name != NULL ? o->name : "zeros_like", where);
    const ek_tensor x = ek__operand_tensor(g, &o->x, EK_DTYPE_NONE, "tensor", where);
    const ek_shape s = ek_tensor_shape(x);
    if (ek_tensor_ok(x) && ek_shape_is_known(&s))
        t = zeros(
            g, &(ek_zeros_options){ .shape = s, .dtype = ek_dtype_base(ek_tensor_dtype(x)), .name = ek_name_scope(g) },
            "zeros", false, where);
    else
        t = ask("ZerosLike", x, ek_name_scope(g), where);
    ek_scope_pop(&scope);
    return t;
}

/* Always a Fill, with the shape as a Const where it is known. */
ek_tensor ek_ones_like_with(const ek_unary_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    ek_graph *g = ek__operand_graph(&o->x, 1);

    if (!EK_GRAPH_OK(g, where)) return ek__dead(g);
    ek_scope scope = ek_name_scope_push(g, o->name != NULL ? o->name : "ones_like", where);
    const ek_tensor x = ek__operand_tensor(g, &o->x, EK_DTYPE_NONE, "tensor", where);
    const ek_unary_options shape = { .size = sizeof shape, .x = ek__of(x) };
    const ek_tensor t = filled(g, ek_shape_with(&shape, where), ek_dtype_base(ek_tensor_dtype(x)), true, where);
    ek_scope_pop(&scope);
    return t;
}

ek_tensor ek_tile_with(const ek_tile_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    if (!EK_LIST_OK(o->input.graph, o->multiples, "of multiples", where)) return ek__dead(o->input.graph);
    return with_ints("Tile", o->name, o->input, o->multiples.at, o->multiples.n, where);
}

ek_tensor ek_range_with(ek_graph *g, const ek_range_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where)) return ek__dead(g);
    const ek_operand in[] = { o->start, o->limit, o->delta };

    if (g != NULL && o->limit.kind != 't' && o->limit.kind != 'v' && o->limit.kind != 'l') {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "ek_range takes an operand: EK_OPERAND(5), not 5");
        return ek__dead(g);
    }
    return ek__call_tensor(&(ek_call){ .graph = g,
                                       .type = "Range",
                                       .name = o->name != NULL ? o->name : "range",
                                       .in = in,
                                       .n_in = 3,
                                       .where = where });
}

/* ---- joining and choosing -------------------------------------------------------------------- */

static ek_graph *graph_of_list(const ek_join_options *o, const char *what, ek_where where)
{
    if (!EK_LIST_OK(NULL, o->values, "of values", where)) return NULL;
    ek_graph *g = o->values.n > 0 ? o->values.at[0].graph : NULL;

    if (g == NULL)
        ek__graph_fail(NULL, where, EK_INVALID_ARGUMENT,
                       "%s: at least one tensor of a graph was expected, found %s", what,
                       o->values.n > 0 ? "one without a graph" : "none");
    for (int i = 0; i < o->values.n; i++)
        if (o->values.at[i].graph != g || !ek_tensor_ok(o->values.at[i])) {
            if (g != NULL)
                ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "%s: value %d is no tensor of this graph", what, i);
            return NULL;
        }
    return g;
}

ek_tensor ek_concat_with(const ek_join_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    const char *name = o->name != NULL ? o->name : "concat";
    ek_graph *g = graph_of_list(o, "ek_concat", where);
    ek_tensor *in = g != NULL ? EK_ARENA_NEW(&g->arena, ek_tensor, o->values.n + 1) : NULL;

    if (g == NULL) return ek__dead(g);
    if (in == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory to join %d tensors", o->values.n);
        return ek__dead(g);
    }
    ek_scope scope = ek_name_scope_push(g, name, where);
    memcpy(in, o->values.at, (size_t)o->values.n * sizeof *in);
    in[o->values.n] = known_int(g, o->axis, o->values.n == 1 ? "concat_dim" : "axis", where);
    const ek_node_args join = { .type = "ConcatV2", .name = ek_name_scope(g), .in = in, .n_in = o->values.n + 1,
                                .where = where };
    const ek_node_args pass = { .type = "Identity", .name = ek_name_scope(g), .in = in, .n_in = 1, .where = where };
    const ek_op op = ek__node_build(g, o->values.n == 1 ? &pass : &join);
    ek_scope_pop(&scope);
    return (ek_tensor){ op.graph, op.id, 0 };
}

ek_tensor ek_stack_with(const ek_join_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    ek_graph *g = graph_of_list(o, "ek_stack", where);
    const ek_attr axis = EK_ATTR("axis", EK_ATTR_INT, i, o->axis);

    if (g == NULL) return ek__dead(g);
    const ek_op op = ek__node_build(g, &(ek_node_args){ .type = "Pack", .name = o->name != NULL ? o->name : "stack",
                                                        .in = o->values.at, .n_in = o->values.n, .attr = &axis,
                                                        .n_attr = 1, .where = where });
    return (ek_tensor){ op.graph, op.id, 0 };
}

ek_tensor ek_gather_with(const ek_gather_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    ek_array *held;
    const ek_operand in[] = { ek__of(o->params), ek__of(o->indices),
                              ints(o->params.graph, &o->axis, -1, &held, where) };
    const ek_attr batch = EK_ATTR("batch_dims", EK_ATTR_INT, i, o->batch_dims);
    const ek_tensor t = ek__call_tensor(&(ek_call){ .type = "GatherV2", .name = o->name, .in = in, .n_in = 3,
                                                    .attr = &batch, .n_attr = 1, .where = where });

    release(&held, 1);
    return t;
}

ek_tensor ek_slice_with(const ek_slice_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    if (!EK_LIST_OK(o->input.graph, o->begin, ".begin", where) ||
        !EK_LIST_OK(o->input.graph, o->sizes, ".sizes", where))
        return ek__dead(o->input.graph);
    ek_array *held[2];
    const ek_operand in[] = { ek__of(o->input), ints(o->input.graph, o->begin.at, o->begin.n, &held[0], where),
                              ints(o->input.graph, o->sizes.at, o->sizes.n, &held[1], where) };
    const ek_tensor t = ek__call_tensor(&(ek_call){ .type = "Slice", .name = o->name, .in = in, .n_in = 3,
                                                    .where = where });

    release(held, 2);
    return t;
}

/* Python packs the bounds itself: they are stack, stack_1, stack_2. */
static ek_tensor bounds(ek_graph *g, ek_int_list list, int n, ek_where where)
{
    const int64_t one = 1;
    ek_array *held;
    ek_operand x = ints(g, list.n > 0 ? list.at : &one, list.n > 0 ? list.n : 1, &held, where);
    const ek_shape length = EK_SHAPE(n);
    ek_error err = { 0 };
    ek_array *value = NULL;
    ek_tensor t = ek__dead(g);

    if (x.kind == 'l' && ek__literal_array(&x.u.literal, EK_DTYPE_NONE, &length, &value, &err) == EK_OK)
        t = ek__const(g, value, "stack", where);
    else if (x.kind == 'l')
        ek__graph_fail(g, where, err.code, "%s", err.text);
    ek_array_unref(value);
    release(&held, 1);
    return t;
}

ek_tensor ek_strided_slice_with(const ek_strided_slice_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    ek_graph *g = o->input.graph;
    const ek_attr attr[] = {
        EK_ATTR("begin_mask", EK_ATTR_INT, i, o->begin_mask),
        EK_ATTR("end_mask", EK_ATTR_INT, i, o->end_mask),
        EK_ATTR("ellipsis_mask", EK_ATTR_INT, i, o->ellipsis_mask),
        EK_ATTR("new_axis_mask", EK_ATTR_INT, i, o->new_axis_mask),
        EK_ATTR("shrink_axis_mask", EK_ATTR_INT, i, o->shrink_axis_mask),
    };

    if (g == NULL || !ek_tensor_ok(o->input)) return ek__dead(g);
    if (!EK_LIST_OK(g, o->begin, ".begin", where) || !EK_LIST_OK(g, o->end, ".end", where) ||
        !EK_LIST_OK(g, o->strides, ".strides", where))
        return ek__dead(g);
    if (o->begin.n < 1 || o->end.n != o->begin.n || (o->strides.n > 0 && o->strides.n != o->begin.n)) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "ek_strided_slice needs begin, end and strides of one length, found %d, %d, %d", o->begin.n,
                       o->end.n, o->strides.n);
        return ek__dead(g);
    }
    ek_scope scope = ek_name_scope_push(g, o->name != NULL ? o->name : "strided_slice", where);
    const ek_tensor begin = bounds(g, o->begin, o->begin.n, where), end = bounds(g, o->end, o->begin.n, where);
    const ek_tensor in[] = { o->input, begin, end, bounds(g, o->strides, o->begin.n, where) };
    const ek_op op = ek__node_build(g, &(ek_node_args){ .type = "StridedSlice", .name = ek_name_scope(g), .in = in,
                                                        .n_in = 4, .attr = attr, .n_attr = EK_COUNT_OF(attr),
                                                        .where = where });
    ek_scope_pop(&scope);
    return (ek_tensor){ op.graph, op.id, 0 };
}

ek_tensor ek_where_true_with(const ek_unary_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    return ek__call_tensor(&(ek_call){ .type = "Where", .name = o->name, .in = &o->x, .n_in = 1, .where = where });
}
