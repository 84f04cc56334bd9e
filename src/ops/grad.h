/* ops/grad.h - what the gradients of operations are written with: Python's expressions, a call each.
 *
 * Every function builds TensorFlow's nodes under the current name scope (<node>_grad). gx_ names are Python's operators
 * and wrappers (`mul`, `truediv`), g1, g2 and g3 nodes by their type.
 */
#ifndef EK_OPS_GRAD_H
#define EK_OPS_GRAD_H

#include "graph/gradient.h"
#include "ops/emit.h"

#define EK_GRADIENT(type, function) void ek__grad_##function(ek_grad *c);
#define EK_GRADIENT_OF_ROWS EK_GRADIENT
#include "ops/gradients.def"
#undef EK_GRADIENT
#undef EK_GRADIENT_OF_ROWS

enum { EK_GRAD_MAX_LIST = 256 }; /* inputs of one op that a gradient cuts or joins */

/* Nodes made inside wait for dy, so that they are not computed where nobody asks for the gradient. */
#define EK_AFTER_DY(c) EK_IN_SCOPE(ek_control_dependencies_push((c)->g, EK_LIST(g_dy((c), 0)), (c)->where))

/* ---- the operation ------------------------------------------------------------------------------- */

static inline ek_tensor g_in(const ek_grad *c, int i) { return ek__tensor(c->g, c->n->in[i]); }
static inline ek_tensor g_out(const ek_grad *c, int k) { return (ek_tensor){ c->g, c->n->id, k }; }
static inline ek_tensor g_dy(const ek_grad *c, int k) { return c->dy[k].value; }
static inline void g_set(ek_grad *c, int i, ek_tensor dx) { c->dx[i] = ek_gradient_of(dx); }
static inline ek_dtype g_dtype(ek_tensor t) { return ek_dtype_base(ek_tensor_dtype(t)); }
/* An attribute of the operation, its default where it is not written (a file may leave it out); NULL where there is neither. */
const ek_attr_value *g_attr(const ek_grad *c, const char *name);

/* ---- nodes by their type --------------------------------------------------------------------------- */

static inline ek_tensor g1(const ek_grad *c, const char *type, ek_tensor x) { return ek__emit1(type, x, NULL, c->where); }
static inline ek_tensor g2(const ek_grad *c, const char *type, ek_tensor x, ek_tensor y)
{
    return ek__emit2(type, x, y, NULL, c->where);
}
ek_tensor g3(const ek_grad *c, const char *type, ek_tensor x, ek_tensor y, ek_tensor z);
/* With attributes of the operation itself, by name; `names` ends with NULL. */
ek_op g_like_named(const ek_grad *c, const char *type, const char *name, const ek_tensor *in, int n_in, const char *const *names);
static inline ek_op g_like(const ek_grad *c, const char *type, const ek_tensor *in, int n_in, const char *const *names)
{
    return g_like_named(c, type, NULL, in, n_in, names);
}

/* ---- Python's expressions ----------------------------------------------------------------------------- */

typedef ek_tensor (*ek_binary_builder)(const ek_binary_options *o, ek_where where);
typedef ek_tensor (*ek_unary_builder)(const ek_unary_options *o, ek_where where);
static inline ek_tensor gx1(const ek_grad *c, ek_unary_builder f, ek_tensor x) { return ek__op1(f, ek__of(x), NULL, c->where); }
static inline ek_tensor gx2(const ek_grad *c, ek_binary_builder f, ek_tensor x, ek_tensor y)
{
    return ek__op2(f, ek__of(x), ek__of(y), c->where);
}
/* A number adapts to the tensor beside it; a whole one also to integers. */
static inline ek_operand g_number(double n)
{
    return n == (double)(int64_t)n ? ek_operand_of_int((int64_t)n) : ek_operand_of_double(n);
}
/* With a number on the right, on the left. */
static inline ek_tensor gxn(const ek_grad *c, ek_binary_builder f, ek_tensor x, double n)
{
    return ek__op2(f, ek__of(x), g_number(n), c->where);
}
static inline ek_tensor gnx(const ek_grad *c, ek_binary_builder f, double n, ek_tensor x)
{
    return ek__op2(f, g_number(n), ek__of(x), c->where);
}
static inline ek_tensor g_times(const ek_grad *c, ek_tensor x, ek_tensor y) { return gx2(c, ek_times_with, x, y); }

/* array_ops.shape: a Const where the shape is known; g_shape_node: always the node. */
static inline ek_tensor g_shape(const ek_grad *c, ek_tensor x) { return gx1(c, ek_shape_with, x); }
static inline ek_tensor g_shape_node(const ek_grad *c, ek_tensor x) { return g1(c, "Shape", x); }
static inline ek_tensor g_zeros_like(const ek_grad *c, ek_tensor x) { return gx1(c, ek_zeros_like_with, x); }
static inline ek_tensor g_zeros(const ek_grad *c, ek_tensor shape, ek_dtype dtype) { return ek__zeros_of(shape, dtype, c->where); }
static inline ek_tensor g_reshape(const ek_grad *c, ek_tensor x, ek_tensor shape) { return g2(c, "Reshape", x, shape); }
static inline ek_tensor g_sum(const ek_grad *c, ek_tensor x, ek_tensor axes) { return g2(c, "Sum", x, axes); }
static inline ek_tensor g_cast(const ek_grad *c, ek_tensor x, ek_dtype dtype)
{
    return ek__cast(c->g, ek__of(x), dtype, c->where).u.tensor;
}
/* array_ops.shape(x, out_type = dtype): int32 or int64. */
ek_tensor g_shape_as(const ek_grad *c, ek_tensor x, ek_dtype dtype);
/* A Const of integers: a vector of n, or with n < 0 a scalar. */
ek_tensor g_ints(const ek_grad *c, const int64_t *at, int n, const char *name);
static inline ek_tensor g_int(const ek_grad *c, int64_t v, const char *name) { return g_ints(c, &v, -1, name); }
/* A call by its type whose second operand is a Const vector under its own name: Reshape/shape, Sum/reduction_indices. */
ek_tensor g_with_ints(const ek_grad *c, const char *type, ek_tensor x, const int64_t *at, int n);
static inline ek_tensor g_reshape_to(const ek_grad *c, ek_tensor x, const int64_t *dim, int n)
{
    return g_with_ints(c, "Reshape", x, dim, n);
}

/* math_ops.conj: nothing of a real tensor. */
static inline ek_tensor g_conj(const ek_grad *c, ek_tensor x) { return ek_dtype_is_complex(g_dtype(x)) ? g1(c, "Conj", x) : x; }

/* A node by its type under a name of its own that operands may be built inside: EK_NAMED(c, "Reshape", own) { ... } */
#define EK_NAMED(c, name) EK_IN_SCOPE(ek_name_scope_push((c)->g, (name), (c)->where))

/* What Python writes into a list beside tensors: a tensor, a whole number, or for g_concat a list of whole numbers or of
 * one scalar. */
typedef struct g_piece {
    enum { G_TENSOR, G_NUMBER, G_LIST } kind;
    ek_tensor tensor; /* of a list: [tensor] */
    int64_t number;   /* of a list without a tensor: [number] */
} g_piece;
static inline g_piece g_of(ek_tensor t) { return (g_piece){ G_TENSOR, t, 0 }; }
static inline g_piece g_num(const ek_grad *c, int64_t n) { return (g_piece){ G_NUMBER, ek__dead(c->g), n }; }
static inline g_piece g_list(ek_tensor t) { return (g_piece){ G_LIST, t, 0 }; }
static inline g_piece g_list_num(const ek_grad *c, int64_t n) { return (g_piece){ G_LIST, ek__dead(c->g), n }; }
/* Scalars packed to a vector, as a list with a tensor in it becomes one: Pack `name`, numbers Consts below it. */
ek_tensor g_pack(const ek_grad *c, const char *name, const g_piece *piece, int n);
/* array_ops.concat along axis 0 of up to four. */
ek_tensor g_concat(const ek_grad *c, const g_piece *piece, int n);
/* array_ops.concat along an axis that is a tensor. */
ek_tensor g_concat_along(const ek_grad *c, const ek_tensor *part, int n, ek_tensor axis);
/* x[from:to]; a negative bound counts from the back, 0 as `to` is the end. */
ek_tensor g_part(const ek_grad *c, ek_tensor x, int64_t from, int64_t to);
/* x[at] */
ek_tensor g_item(const ek_grad *c, ek_tensor x, int64_t at);
static inline ek_tensor g_gather(const ek_grad *c, ek_tensor params, ek_tensor indices)
{
    return ek_gather_with(&(ek_gather_options){ .size = sizeof(ek_gather_options), .params = params, .indices = indices }, c->where);
}
static inline ek_tensor g_expand_dims(const ek_grad *c, ek_tensor x, int64_t axis)
{
    return ek_expand_dims_with(&(ek_axis_options){ .size = sizeof(ek_axis_options), .input = x, .axis = axis }, c->where);
}
static inline ek_tensor g_range(const ek_grad *c, ek_operand start, ek_operand limit, ek_operand delta)
{
    return ek_range_with(c->g, &(ek_range_options){ .size = sizeof(ek_range_options), .start = start, .limit = limit, .delta = delta },
                         c->where);
}
/* math_ops.reduced_shape of an int32 shape: 1 where the axes are. Python's x // maximum(y, 1). */
ek_tensor g_reduced_shape(const ek_grad *c, ek_tensor shape, ek_tensor axes);
ek_tensor g_safe_div(const ek_grad *c, ek_tensor x, ek_tensor y);
/* Of the op's own attributes. */
static inline bool g_flag(const ek_grad *c, const char *name)
{
    const ek_attr_value *v = g_attr(c, name);
    return v != NULL && v->u.b;
}
static inline int64_t g_number_attr(const ek_grad *c, const char *name)
{
    const ek_attr_value *v = g_attr(c, name);
    return v != NULL ? v->u.i : 0;
}

/* ---- broadcasting -------------------------------------------------------------------------------------- */

/* How the gradients of two operands are summed over what was broadcast. */
typedef struct ek_unbroadcast {
    bool known;                  /* both shapes are: axis and shape count, else the tensors */
    bool needed[2];
    ek_shape shape[2];
    int64_t axis[2][EK_MAX_RANK];
    int n_axis[2];
    ek_tensor shape_of[2], axes[2];
} ek_unbroadcast;
/* Whether x, y and dy have one shape that is known. */
bool g_same_shapes(const ek_grad *c, ek_tensor x, ek_tensor y, ek_tensor dy);
/* With the memory of pairs of known shapes (Add, Sub, Mul, Pow, SquaredDifference). */
ek_unbroadcast g_unbroadcast(ek_grad *c, ek_tensor x, ek_tensor y, ek_tensor dy);
/* Without (all others): Shape, Shape_1, BroadcastGradientArgs. */
ek_unbroadcast g_unbroadcast_plain(const ek_grad *c, ek_tensor x, ek_tensor y);
/* BroadcastGradientArgs of two shapes that are there already. */
ek_unbroadcast g_unbroadcast_by(const ek_grad *c, ek_tensor shape_x, ek_tensor shape_y);
/* The gradient of side 0 or 1: Sum and Reshape where they are needed. */
ek_tensor g_reduce_to(const ek_grad *c, const ek_unbroadcast *u, int side, ek_tensor d);

/* The same pair of shapes once more in this graph? (TensorFlow keeps what it worked out, and builds no nodes for it.) */
bool g_seen_before(ek_grad *c, char what, const ek_shape *a, const ek_shape *b);

#endif
