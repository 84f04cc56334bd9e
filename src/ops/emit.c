/* ops/emit.c - see emit.h. */
#include "ops/emit.h"

#include <math.h>

ek_attr ek__attr_string(const char *name, const char *s)
{
    ek_attr a = { .name = name, .value = { .kind = EK_ATTR_STRING } };

    a.value.u.s = (ek_string){ .data = (char *)(uintptr_t)s, .size = strlen(s) };
    return a;
}

ek_attr ek__attr_ints(const char *name, const int64_t *at, int count)
{
    ek_attr a = { .name = name, .value = { .kind = EK_ATTR_LIST | EK_ATTR_INT, .count = count } };

    a.value.u.is = (int64_t *)(uintptr_t)at;
    return a;
}

/* ---- nodes ------------------------------------------------------------------------------------------ */

ek_tensor ek__emit1(const char *type, ek_tensor x, const char *name, ek_where where)
{
    return ek__node_tensor(x.graph, &(ek_node_args){ .type = type, .name = name, .in = &x, .n_in = 1, .where = where });
}

ek_tensor ek__emit2(const char *type, ek_tensor x, ek_tensor y, const char *name, ek_where where)
{
    const ek_tensor in[] = { x, y };

    return ek__node_tensor(x.graph, &(ek_node_args){ .type = type, .name = name, .in = in, .n_in = 2, .where = where });
}

/* ---- constants ----------------------------------------------------------------------------------------- */

ek_tensor ek__const_filled(ek_graph *g, ek_dtype dtype, ek_shape shape, double v, const char *name, ek_where where)
{
    return ek_constant_with(g, &(ek_constant_options){ .size = sizeof(ek_constant_options),
                                                       .value = ek_scalar(dtype, v),
                                                       .dtype = dtype, .shape = shape, .name = name }, where);
}

ek_tensor ek__const_scalar(ek_graph *g, ek_dtype dtype, double v, const char *name, ek_where where)
{
    return ek__const_filled(g, dtype, EK_SCALAR, v, name, where);
}

bool ek__finite(ek_graph *g, const char *what, double v, ek_where where)
{
    if (isfinite((float)v)) return true;
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "%s is %s; it must be a finite number", what,
                   isnan(v) ? "nan" : isfinite(v) ? "beyond float32" : v > 0 ? "inf" : "-inf");
    return false;
}

ek_tensor ek__zeros_of(ek_tensor shape, ek_dtype dtype, ek_where where)
{
    ek_tensor out = shape;

    EK_IN_SCOPE(ek_name_scope_push(shape.graph, "zeros", where)) {
        const char *own = ek_name_scope(shape.graph);
        out = ek__emit2("Fill", shape, ek__const_scalar(shape.graph, dtype, 0, "Const", where), own, where);
    }
    return out;
}

/* ---- operands ------------------------------------------------------------------------------------------- */

static bool is_resource_variable(const ek_operand *x)
{
    return x->kind == 'v' && ek__variable_in(x->u.variable.graph, x->u.variable) &&
           x->u.variable.graph->variable[x->u.variable.id]->is_resource;
}

ek_operand ek__cast(ek_graph *g, ek_operand x, ek_dtype dtype, ek_where where)
{
    ek_tensor value = { g, -1, 0 };

    if (ek__operand_dtype(&x) == dtype && (x.kind == 't' || is_resource_variable(&x))) return x;
    EK_IN_SCOPE(ek_name_scope_push(g, "Cast", where)) {
        const char *own = ek_name_scope(g);
        value = ek__operand_tensor(g, &x, EK_DTYPE_NONE, "x", where);
        if (ek_dtype_base(ek_tensor_dtype(value)) != dtype)
            value = EK_EMIT(g, where, "Cast", own, EK_IN(value), EK_ATTR_T("DstT", dtype));
    }
    return ek__of(value);
}

ek_tensor ek__call_ints(ek_graph *g, const char *type, const char *name, ek_operand x, const ek_shape *ints,
                        const ek_attr *attr, int n_attr, ek_where where)
{
    int32_t at[EK_MAX_RANK];
    ek_array *array;
    ek_tensor out = ek__dead(g);

    for (int32_t i = 0; i < ints->rank; i++) {
        at[i] = (int32_t)ints->dim[i];
        if (at[i] == ints->dim[i]) continue;
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "%lld does not fit into int32", (long long)ints->dim[i]);
        return out;
    }
    array = ek_array_of(EK_INT32, EK_SHAPE(ints->rank), at);
    if (array == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for a constant");
        return out;
    }
    out = ek__call_tensor(&(ek_call){ .graph = g, .type = type, .name = name, .n_in = 2, .where = where, .attr = attr,
                                      .n_attr = n_attr, .in = (ek_operand[]){ x, ek_operand_of_array(array) } });
    ek_array_unref(array);
    return out;
}

/* ---- vectors of integers -------------------------------------------------------------------------------- */

ek_tensor ek__element(ek_tensor v, int64_t i, ek_where where)
{
    return ek_strided_slice_with(
        &(ek_strided_slice_options){ .size = sizeof(ek_strided_slice_options), .input = v, .begin = EK_INTS(i),
                                     .end = EK_INTS(i + 1), .strides = EK_INTS(1), .shrink_axis_mask = 1 }, where);
}

/* Bounds are packed inside the slice's scope. */
ek_tensor ek__element_at(ek_tensor v, ek_tensor i, ek_where where)
{
    ek_graph *g = v.graph;
    const ek_tensor next = ek__op2(ek_plus_with, ek__of(i), ek_operand_of_int(1), where);
    ek_tensor out = ek__dead(g);

    EK_IN_SCOPE(ek_name_scope_push(g, "strided_slice", where)) {
        const char *own = ek_name_scope(g);
        const ek_tensor begin = EK_EMIT(g, where, "Pack", "stack", EK_IN(i), EK_ATTR_I("axis", 0));
        const ek_tensor end = EK_EMIT(g, where, "Pack", "stack", EK_IN(next), EK_ATTR_I("axis", 0));
        const ek_tensor step = ek__const_filled(g, ek_dtype_base(ek_tensor_dtype(i)), EK_SHAPE(1), 1, "stack", where);
        out = EK_EMIT(g, where, "StridedSlice", own, EK_IN(v, begin, end, step), EK_ATTR_I("shrink_axis_mask", 1));
    }
    return out;
}

static bool all_numbers(const ek_operand *x, int n, ek_shape *out)
{
    *out = (ek_shape){ .rank = n };
    for (int i = 0; i < n; i++) {
        if (x[i].kind != 'l') return false;
        out->dim[i] = x[i].u.literal.u.i;
    }
    return true;
}

ek_tensor ek__int_list(ek_graph *g, const char *name, const ek_operand *x, int n, ek_where where)
{
    ek_tensor in[EK_MAX_RANK], out = ek__dead(g);
    ek_shape numbers;
    char index[12];

    if (all_numbers(x, n, &numbers)) return ek__const_shape(g, &numbers, name, where);
    EK_IN_SCOPE(ek_name_scope_push(g, name, where)) {
        const char *own = ek_name_scope(g);
        for (int i = 0; i < n; i++) {
            snprintf(index, sizeof index, "%d", i);
            in[i] = ek__operand_tensor(g, &x[i], EK_INT32, index, where);
        }
        out = ek__node_tensor(g, &(ek_node_args){ .type = "Pack", .name = own, .in = in, .n_in = n, .where = where });
    }
    return out;
}
