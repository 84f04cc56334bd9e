/* ops/operand.h - what Python's wrappers do around a node: converting operands, opening the name scope. */
#ifndef EK_OPS_OPERAND_H
#define EK_OPS_OPERAND_H

#include "evenkeel/ops.h"
#include "graph/scope.h"

/* ---- operands -------------------------------------------------------------------------------- */

/* The graph of a tensor or variable; NULL for a literal. The first one among several. */
ek_graph *ek__operand_graph(const ek_operand *x, int n);
/* The base dtype of the tensor or variable, the dtype that a literal says; NONE for a Python number. */
ek_dtype ek__operand_dtype(const ek_operand *x);
/* The static shape: of a Python number that of a scalar. */
ek_shape ek__operand_shape(const ek_operand *x);

/* A literal's elements. dtype NONE: its own, for Python numbers float32, int32 (int64 where it does not fit), bool,
 * string. shape NULL: its own; else filled with its elements, the last one repeated.
 * Errors  INVALID_ARGUMENT: "Expected int32, got 0.001 of type 'float' instead."; more elements than the shape has. */
ek_status ek__literal_array(const ek_literal *l, ek_dtype dtype, const ek_shape *shape, ek_array **out, ek_error *err);

/* The operand as a tensor: itself; a variable's value by an implicit read (V/read, or a new ReadVariableOp in the
 * current name scope); a literal as a Const `name`, of `dtype` where that is given. */
ek_tensor ek__operand_tensor(ek_graph *g, const ek_operand *x, ek_dtype dtype, const char *name, ek_where where);
/* What a write of a variable gave (ek_assign_add), as an operand. Of a resource variable every use of it reads anew, after
 * the write; else the tensor. */
enum { EK_UNREAD = 'u' };
ek_operand ek__unread(ek_tensor t);
/* What reading a variable without a word gives. */
ek_tensor ek__variable_value(ek_variable v, ek_where where);
/* The same of a variable in parts: they are joined anew each time (ops/whole.c). */
ek_tensor ek__parts_value(ek_variable v, ek_where where);

/* ---- nodes ----------------------------------------------------------------------------------- */

/* A node's output 0. */
static inline ek_tensor ek__node_tensor(ek_graph *g, const ek_node_args *args)
{
    const ek_op op = ek__node_build(g, args);

    return (ek_tensor){ op.graph, op.id, 0 };
}
/* A Const. `value` is borrowed. */
ek_tensor ek__const(ek_graph *g, ek_array *value, const char *name, ek_where where);
ek_tensor ek__const_shape(ek_graph *g, const ek_shape *s, const char *name, ek_where where); /* int32 vector */

/* A call as the generated wrappers make it: opens the name scope `name` (NULL: the type), converts the operands inside
 * it, each under its argument's name and to the dtype that the tensors among them agree on, and makes the node with
 * exactly the scope's name. */
enum { EK_CALL_MAX_IN = 12 };
typedef struct ek_call {
    ek_graph *graph; /* may be NULL where an operand has one */
    const char *type, *name;
    const ek_operand *in;
    int n_in;
    const ek_attr *attr;
    int n_attr;
    ek_where where;
} ek_call;
ek_op ek__call(const ek_call *c);
/* Output 0 of it. */
ek_tensor ek__call_tensor(const ek_call *c);

static inline ek_operand ek__of(ek_tensor t) { return (ek_operand){ .kind = 't', .u = { .tensor = t } }; }

#define EK_ATTR(attr_name, attr_kind, member, v) \
    ((ek_attr){ .name = (attr_name), .value = { .kind = (attr_kind), .u = { .member = (v) } } })

#endif
