/* ops/emit.h - nodes in few words, for code that builds many of them: layers, losses, gradients, optimizers.
 *
 * Everything here is sticky like all building: a dead tensor comes out where a dead one went in or the
 * graph has failed.
 */
#ifndef EK_OPS_EMIT_H
#define EK_OPS_EMIT_H

#include "evenkeel/nn.h"
#include "ops/operand.h"

/* ---- attributes ----------------------------------------------------------------------------- */

#define EK_ATTR_B(name, v) EK_ATTR(name, EK_ATTR_BOOL, b, v)
#define EK_ATTR_I(name, v) EK_ATTR(name, EK_ATTR_INT, i, v)
#define EK_ATTR_F(name, v) EK_ATTR(name, EK_ATTR_FLOAT, f, v)
#define EK_ATTR_T(name, v) EK_ATTR(name, EK_ATTR_TYPE, type, v)
ek_attr ek__attr_string(const char *name, const char *s); /* borrows s */
ek_attr ek__attr_ints(const char *name, const int64_t *at, int count); /* borrows at */

/* ---- nodes -------------------------------------------------------------------------------------- */

/* A node by its type; name NULL: the type. Output 0. */
#define EK_EMIT(g, place, op_type, node_name, inputs, ...)                                               \
    ek__node_tensor((g), &(ek_node_args){ .type = (op_type), .name = (node_name), .in = (inputs),               \
                                   .n_in = EK_COUNT_OF(inputs), .attr = (ek_attr[]){ __VA_ARGS__ },      \
                                   .n_attr = EK_COUNT_OF(((ek_attr[]){ __VA_ARGS__ })), .where = (place) })
#define EK_IN(...) ((ek_tensor[]){ __VA_ARGS__ })

/* One input, no attributes that do not follow from it. */
ek_tensor ek__emit1(const char *type, ek_tensor x, const char *name, ek_where where);
ek_tensor ek__emit2(const char *type, ek_tensor x, ek_tensor y, const char *name, ek_where where);

/* Const nodes. */
ek_tensor ek__const_scalar(ek_graph *g, ek_dtype dtype, double v, const char *name, ek_where where);
ek_tensor ek__const_filled(ek_graph *g, ek_dtype dtype, ek_shape shape, double v, const char *name, ek_where where);

/* Whether a number that became an argument is finite in float32; otherwise the graph fails and names it. */
bool ek__finite(ek_graph *g, const char *what, double v, ek_where where);
/* tf.zeros of a shape that is a tensor: zeros/Const and the Fill zeros. */
ek_tensor ek__zeros_of(ek_tensor shape, ek_dtype dtype, ek_where where);

/* ---- operands and the public builders ---------------------------------------------------------------- */

/* Beside ek__of(tensor). */
static inline ek_operand ek__num(double v) { return ek_operand_of_double(v); }
/* ek__op2(ek_plus_with, ek__of(x), ek__num(eps), where) is x + eps. */
static inline ek_tensor ek__op2(ek_tensor (*with)(const ek_binary_options *, ek_where), ek_operand x, ek_operand y,
                                ek_where where)
{
    return with(&(ek_binary_options){ .size = sizeof(ek_binary_options), .x = x, .y = y }, where);
}
static inline ek_tensor ek__op1(ek_tensor (*with)(const ek_unary_options *, ek_where), ek_operand x, const char *name,
                                ek_where where)
{
    return with(&(ek_unary_options){ .size = sizeof(ek_unary_options), .x = x, .name = name }, where);
}
/* tf.cast: nothing where the dtype is right already, though a reference variable is read then and takes the name scope
 * "Cast" all the same. */
ek_operand ek__cast(ek_graph *g, ek_operand x, ek_dtype dtype, ek_where where);
/* A call whose second operand is an int32 vector, written as a shape: tf.reshape, reductions over axes. */
ek_tensor ek__call_ints(ek_graph *g, const char *type, const char *name, ek_operand x, const ek_shape *ints,
                        const ek_attr *attr, int n_attr, ek_where where);
static inline ek_tensor ek__reshape(ek_graph *g, ek_operand x, const ek_shape *shape, ek_where where)
{
    return ek__call_ints(g, "Reshape", NULL, x, shape, NULL, 0, where);
}

/* v[i] of a vector: a StridedSlice. */
ek_tensor ek__element(ek_tensor v, int64_t i, ek_where where);
/* v[i], i being an integer tensor. */
ek_tensor ek__element_at(ek_tensor v, ek_tensor i, ek_where where);
/* Python's list of tensors and integers as one int32 vector: the integers become the Consts name/0, name/1, .., the whole
 * a Pack; integers alone one Const. */
ek_tensor ek__int_list(ek_graph *g, const char *name, const ek_operand *x, int n, ek_where where);
static inline ek_operand ek__int(int64_t v) { return ek_operand_of_int(v); }

/* ---- scopes ---------------------------------------------------------------------------------------------- */

/* Scopes that leave themselves, for code that has the caller's line in `where`. */
#define EK_IN_SCOPE(push) EK_SCOPE_(push)

#endif
