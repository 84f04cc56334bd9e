/* ops/grad_array.c - gradients of operations that move elements. */
#include "ops/grad.h"

/* ---- nothing but names and shapes --------------------------------------------------------------------------- */

void ek__grad_identity(ek_grad *c) { c->dx[0] = c->dy[0]; }

void ek__grad_identity_n(ek_grad *c)
{
    for (int32_t i = 0; i < c->n->n_in; i++) c->dx[i] = c->dy[i];
}

void ek__grad_prevent(ek_grad *c)
{
    const ek_attr_value *why = g_attr(c, "message");

    ek__graph_fail(c->g, c->where, EK_NOT_FOUND, "Gradient explicitly disabled. Reason: %.*s",
                   why != NULL ? (int)why->u.s.size : 0, why != NULL ? why->u.s.data : "");
}

/* Reshape, Squeeze, ExpandDims: back to the shape that was. */
void ek__grad_reshape(ek_grad *c) { g_set(c, 0, g_reshape(c, g_dy(c, 0), g_shape(c, g_in(c, 0)))); }

void ek__grad_transpose(ek_grad *c)
{
    const ek_tensor back = g1(c, "InvertPermutation", g_in(c, 1));

    g_set(c, 0, ek__emit2("Transpose", g_dy(c, 0), back, "transpose", c->where));
}

/* ---- joined and cut --------------------------------------------------------------------------------------------- */

/* dy cut into the parts that were joined. */
static void cut(ek_grad *c, int axis_input, int first, int n)
{
    const ek_tensor axis = g_in(c, axis_input), dy = g_dy(c, 0);
    ek_tensor in[EK_GRAD_MAX_LIST + 1];

    if (n == 1) {
        g_set(c, first, dy);
        return;
    }
    if (n > EK_GRAD_MAX_LIST) {
        ek__graph_fail(c->g, c->where, EK_UNIMPLEMENTED, "the gradient of '%s' joins %d tensors, at most %d are possible",
                       c->n->name, n, EK_GRAD_MAX_LIST);
        return;
    }
    const ek_tensor rank = gx1(c, ek_rank_with, g_in(c, first));
    in[0] = gx2(c, ek_modulo_with, axis, rank);
    for (int i = 0; i < n; i++) in[i + 1] = g_shape(c, g_in(c, first + i));
    const ek_op at = ek__node_build(c->g, &(ek_node_args){ .type = "ConcatOffset", .in = in, .n_in = n + 1, .where = c->where });
    for (int i = 0; i < n; i++) g_set(c, first + i, g3(c, "Slice", dy, ek_op_output(at, i), in[i + 1]));
}

void ek__grad_concat(ek_grad *c) { cut(c, 0, 1, c->n->n_in - 1); }
void ek__grad_concat_v2(ek_grad *c) { cut(c, c->n->n_in - 1, 0, c->n->n_in - 1); }

void ek__grad_pack(ek_grad *c)
{
    const ek_attr_value *axis = g_attr(c, "axis");
    const ek_attr attr[] = { EK_ATTR_I("num", c->n->n_in), EK_ATTR_I("axis", axis != NULL ? axis->u.i : 0) };
    const ek_tensor dy = g_dy(c, 0);
    const ek_op parts = ek__node_build(c->g, &(ek_node_args){ .type = "Unpack", .name = "unstack", .in = &dy, .n_in = 1,
                                                              .attr = attr, .n_attr = 2, .where = c->where });

    for (int32_t i = 0; i < c->n->n_in; i++) g_set(c, i, ek_op_output(parts, i));
}

/* ---- pieces of a tensor ------------------------------------------------------------------------------------------- */

void ek__grad_strided_slice(ek_grad *c)
{
    static const char *const masks[] = { "begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask", NULL };
    const ek_tensor shape = g_shape_as(c, g_in(c, 0), g_dtype(g_in(c, 1)));
    const ek_tensor in[] = { shape, g_in(c, 1), g_in(c, 2), g_in(c, 3), g_dy(c, 0) };

    g_set(c, 0, ek_op_output(g_like(c, "StridedSliceGrad", in, 5, masks), 0));
}

void ek__grad_tile(ek_grad *c)
{
    const ek_tensor shape = g_shape_as(c, g_in(c, 0), g_dtype(g_in(c, 1)));
    const ek_tensor list[] = { g_in(c, 1), shape };
    const ek_tensor both = ek_stack_with(&(ek_join_options){ .size = sizeof(ek_join_options), .values = { list, 2 } }, c->where);
    const ek_tensor turned = ek_transpose_with(&(ek_transpose_options){ .size = sizeof(ek_transpose_options), .input = both },
                                               c->where);
    const ek_tensor split = g_reshape_to(c, turned, (const int64_t[]){ -1 }, 1);
    const ek_tensor axes = ek_range_with(c->g, &(ek_range_options){ .size = sizeof(ek_range_options), .start = ek_operand_of_int(0),
                                                                    .limit = ek__of(gx1(c, ek_size_with, split)),
                                                                    .delta = ek_operand_of_int(2) }, c->where);
    const ek_tensor repeated = g_reshape(c, g_dy(c, 0), split);

    g_set(c, 0, g_sum(c, repeated, axes));
}

/* dy without the padding, which is [n, 2] of before and after. */
void ek__grad_pad(ek_grad *c)
{
    const ek_tensor x = g_in(c, 0), paddings = g_in(c, 1);
    const ek_tensor rank = gx1(c, ek_rank_with, x);
    ek_tensor size = rank, before = rank;

    EK_IN_SCOPE(ek_name_scope_push(c->g, "stack", c->where)) {
        const char *own = ek_name_scope(c->g);
        const ek_tensor in[] = { rank, g_int(c, 1, "1") };
        size = ek__node_tensor(c->g, &(ek_node_args){ .type = "Pack", .name = own, .in = in, .n_in = 2, .where = c->where });
    }
    EK_IN_SCOPE(ek_name_scope_push(c->g, "Slice", c->where)) {
        const char *own = ek_name_scope(c->g);
        const ek_tensor in[] = { paddings, g_ints(c, (const int64_t[]){ 0, 0 }, 2, "begin"), size };
        before = ek__node_tensor(c->g, &(ek_node_args){ .type = "Slice", .name = own, .in = in, .n_in = 3, .where = c->where });
    }
    const ek_tensor begin = g_reshape_to(c, before, (const int64_t[]){ -1 }, 1);
    const ek_tensor sizes = g_shape_as(c, x, g_dtype(begin));
    g_set(c, 0, g3(c, "Slice", g_dy(c, 0), begin, sizes));
}
