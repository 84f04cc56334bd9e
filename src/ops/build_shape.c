/* ops/build_shape.c - builders of tf.shape, size, rank, zeros_like, ones_like: constants where the shape is known. */
#include "ops/operand.h"

enum { SMALL = 1000 }; /* elements of zeros that are written out as a constant */

/* A constant of `shape` filled with v. */
static ek_tensor filled(ek_graph *g, ek_dtype dtype, const ek_shape *shape, double v, const char *name, ek_where where)
{
    const ek_literal value = dtype == EK_STRING ? ek_str("") : dtype == EK_BOOL ? ek_bool(v != 0.0) : ek_scalar(dtype, v);

    return ek_constant_with(g, &(ek_constant_options){ .size = sizeof(ek_constant_options), .value = value, .dtype = dtype,
                                                       .shape = *shape, .name = name }, where);
}

static ek_tensor scalar(ek_graph *g, int64_t v, const char *name, ek_where where)
{
    return filled(g, EK_INT32, &EK_SCALAR, (double)v, name, where);
}

static ek_tensor build(ek_graph *g, const char *type, const char *name, const ek_tensor *in, int n_in, ek_where where)
{
    return ek__node_tensor(g, &(ek_node_args){ .type = type, .name = name, .in = in, .n_in = n_in, .where = where });
}

/* What a builder makes of its operand once the scope is open; name is the scope's own. */
typedef ek_tensor (*body)(ek_graph *g, ek_tensor x, const char *name, ek_where where);

static ek_tensor in_scope(const ek_unary_options *o, const char *name, const char *argument, body make, ek_where where)
{
    ek_graph *const g = ek__operand_graph(&o->x, 1);
    ek_scope scope;
    ek_tensor x, out = ek__dead(g);

    if (g == NULL) return out;
    scope = ek_name_scope_push(g, o->name != NULL ? o->name : name, where);
    x = ek__operand_tensor(g, &o->x, EK_DTYPE_NONE, argument, where);
    if (ek_tensor_ok(x)) out = make(g, x, ek_name_scope(g), where);
    ek_scope_pop(&scope);
    return out;
}

static ek_tensor make_shape(ek_graph *g, ek_tensor x, const char *name, ek_where where)
{
    const ek_shape s = ek_tensor_shape(x);

    if (ek_shape_is_known(&s)) return ek__const_shape(g, &s, name, where);
    return build(g, "Shape", name, &x, 1, where);
}

static ek_tensor make_size(ek_graph *g, ek_tensor x, const char *name, ek_where where)
{
    const ek_shape s = ek_tensor_shape(x);

    if (ek_shape_is_known(&s)) return scalar(g, ek_shape_count(&s), name, where);
    return build(g, "Size", name, &x, 1, where);
}

static ek_tensor make_rank(ek_graph *g, ek_tensor x, const char *name, ek_where where)
{
    const ek_shape s = ek_tensor_shape(x);

    if (s.rank >= 0) return scalar(g, s.rank, name, where);
    return build(g, "Rank", name, &x, 1, where);
}

/* Small constants are written out; larger ones are filled when run. */
static ek_tensor make_zeros(ek_graph *g, ek_tensor x, const char *name, ek_where where)
{
    const ek_shape s = ek_tensor_shape(x);
    const ek_dtype t = ek_dtype_base(ek_tensor_dtype(x));
    ek_tensor in[2];

    if (!ek_shape_is_known(&s) || t == EK_VARIANT) return build(g, "ZerosLike", name, &x, 1, where);
    if (ek_shape_count(&s) < SMALL) return filled(g, t, &s, 0.0, name, where);
    in[0] = ek__const_shape(g, &s, "shape_as_tensor", where);
    in[1] = filled(g, t, &EK_SCALAR, 0.0, "Const", where);
    return build(g, "Fill", name, in, 2, where);
}

static ek_tensor make_ones(ek_graph *g, ek_tensor x, const char *name, ek_where where)
{
    const ek_operand of = ek_operand_of_tensor(x);
    ek_tensor in[2], out;

    in[0] = in_scope(&(ek_unary_options){ .size = sizeof(ek_unary_options), .x = of }, "Shape", "input", make_shape, where);
    in[1] = filled(g, ek_dtype_base(ek_tensor_dtype(x)), &EK_SCALAR, 1.0, "Const", where);
    out = build(g, "Fill", name, in, 2, where);
    if (ek_tensor_ok(out)) ek_set_shape_at(out, ek_tensor_shape(x), where);
    return out;
}

#define DEFINE(f, name, argument, make)                                        \
    ek_tensor ek_##f##_with(const ek_unary_options *o, ek_where where)         \
    {                                                                          \
        return in_scope(o, name, argument, make, where);                       \
    }
DEFINE(shape, "Shape", "input", make_shape)
DEFINE(size, "Size", "input", make_size)
DEFINE(rank, "Rank", "input", make_rank)
DEFINE(zeros_like, "zeros_like", "tensor", make_zeros)
DEFINE(ones_like, "ones_like", "tensor", make_ones)
