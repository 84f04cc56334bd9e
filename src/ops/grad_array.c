/* ops/grad_array.c - gradients of operations that move elements. */
#include "ops/grad.h"

/* ---- nothing but names and shapes --------------------------------------------------------------------------- */

void ek__grad_ensure_shape(ek_grad *c) { c->dx[0] = c->dy[0]; }
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

static void turn_back(ek_grad *c, const char *type)
{
    const ek_tensor back = g1(c, "InvertPermutation", g_in(c, 1));

    g_set(c, 0, ek__emit2(type, g_dy(c, 0), back, "transpose", c->where));
}
void ek__grad_transpose(ek_grad *c) { turn_back(c, "Transpose"); }
void ek__grad_conjugate_transpose(ek_grad *c) { turn_back(c, "ConjugateTranspose"); }

/* The first input passes through, the others only say what is printed. */
void ek__grad_print(ek_grad *c) { c->dx[0] = c->dy[0]; }

void ek__grad_check_numerics(ek_grad *c)
{
    static const char message[] = "Not a number (NaN) or infinity (Inf) values detected in gradient.";

    g_set(c, 0, EK_EMIT(c->g, c->where, "CheckNumerics", NULL, EK_IN(g_dy(c, 0)), ek__attr_string("message", message)));
}

void ek__grad_fill(ek_grad *c)
{
    g_set(c, 1, ek_reduce_sum_with(&(ek_reduce_options){ .size = sizeof(ek_reduce_options), .x = g_dy(c, 0), .axis = { -1, { 0 } } },
                                   c->where));
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

static void rejoin(ek_grad *c, ek_tensor axis)
{
    ek_tensor part[EK_GRAD_MAX_LIST];
    const int n = c->n->n_out;

    for (int k = 0; k < n && k < EK_GRAD_MAX_LIST; k++) part[k] = g_dy(c, k);
    g_set(c, 0, g_concat_along(c, part, n, axis));
}

void ek__grad_split(ek_grad *c)
{
    rejoin(c, g_in(c, 0));
    c->dx[1] = c->dx[0];
    g_set(c, 0, ek__dead(c->g));
}
void ek__grad_split_v(ek_grad *c) { rejoin(c, g_in(c, 2)); }

void ek__grad_unpack(ek_grad *c)
{
    ek_tensor part[EK_GRAD_MAX_LIST];
    const int n = c->n->n_out;

    if (n > EK_GRAD_MAX_LIST) {
        ek__graph_fail(c->g, c->where, EK_UNIMPLEMENTED, "the gradient of '%s' joins %d tensors, at most %d are possible",
                       c->n->name, n, EK_GRAD_MAX_LIST);
        return;
    }
    for (int k = 0; k < n; k++) part[k] = g_dy(c, k);
    g_set(c, 0, ek_stack_with(&(ek_join_options){ .size = sizeof(ek_join_options), .values = { part, n },
                                                  .axis = g_number_attr(c, "axis") }, c->where));
}

/* ---- pieces of a tensor ------------------------------------------------------------------------------------------- */

void ek__grad_strided_slice(ek_grad *c)
{
    static const char *const masks[] = { "begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask", NULL };
    const ek_tensor shape = g_shape_as(c, g_in(c, 0), g_dtype(g_in(c, 1)));
    const ek_tensor in[] = { shape, g_in(c, 1), g_in(c, 2), g_in(c, 3), g_dy(c, 0) };

    g_set(c, 0, ek_op_output(g_like(c, "StridedSliceGrad", in, 5, masks), 0));
}

void ek__grad_strided_slice_grad(ek_grad *c)
{
    static const char *const masks[] = { "begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask", NULL };
    const ek_tensor in[] = { g_dy(c, 0), g_in(c, 1), g_in(c, 2), g_in(c, 3) };

    g_set(c, 4, ek_op_output(g_like(c, "StridedSlice", in, 4, masks), 0));
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

/* [rank, 1], the shape of a column of paddings. */
static ek_tensor column(const ek_grad *c, ek_tensor rank) { return g_pack(c, "stack", (g_piece[]){ g_of(rank), g_num(c, 1) }, 2); }

/* Zeros around dy. */
void ek__grad_slice(ek_grad *c)
{
    const ek_tensor x = g_in(c, 0), begin = g_in(c, 1);
    const ek_tensor rank = gx1(c, ek_rank_with, x), size = g_shape_as(c, g_out(c, 0), g_dtype(begin));
    const ek_tensor shape = column(c, rank), before = g_reshape(c, begin, shape);
    const ek_tensor rest = gx2(c, ek_minus_with, gx2(c, ek_minus_with, g_shape_as(c, x, g_dtype(begin)), size), begin);
    const ek_tensor both[] = { before, g_reshape(c, rest, shape) };
    const ek_tensor paddings = ek_concat_with(&(ek_join_options){ .size = sizeof(ek_join_options), .values = { both, 2 }, .axis = 1 },
                                              c->where);

    g_set(c, 0, g2(c, "Pad", g_dy(c, 0), paddings));
}

/* dy without the padding, which is [n, 2] of before and after. */
void ek__grad_pad(ek_grad *c)
{
    const ek_tensor x = g_in(c, 0), paddings = g_in(c, 1);
    const ek_tensor rank = gx1(c, ek_rank_with, x), size = column(c, rank);
    ek_tensor before = rank;

    EK_IN_SCOPE(ek_name_scope_push(c->g, "Slice", c->where)) {
        const char *own = ek_name_scope(c->g);
        const ek_tensor in[] = { paddings, g_ints(c, (const int64_t[]){ 0, 0 }, 2, "begin"), size };
        before = ek__node_tensor(c->g, &(ek_node_args){ .type = "Slice", .name = own, .in = in, .n_in = 3, .where = c->where });
    }
    const ek_tensor begin = g_reshape_to(c, before, (const int64_t[]){ -1 }, 1);
    const ek_tensor sizes = g_shape_as(c, x, g_dtype(begin));
    g_set(c, 0, g3(c, "Slice", g_dy(c, 0), begin, sizes));
}

void ek__grad_mirror_pad(ek_grad *c)
{
    static const char *const mode[] = { "mode", NULL };
    g_set(c, 0, ek_op_output(g_like(c, "MirrorPadGrad", EK_IN(g_dy(c, 0), g_in(c, 1)), 2, mode), 0));
}

void ek__grad_mirror_pad_grad(ek_grad *c)
{
    static const char *const mode[] = { "mode", NULL };
    g_set(c, 0, ek_op_output(g_like(c, "MirrorPad", EK_IN(g_dy(c, 0), g_in(c, 1)), 2, mode), 0));
}

/* ---- turned, rolled, stretched ------------------------------------------------------------------------------------ */

void ek__grad_reverse(ek_grad *c) { g_set(c, 0, g2(c, "Reverse", g_dy(c, 0), g_in(c, 1))); }
void ek__grad_reverse_v2(ek_grad *c) { g_set(c, 0, g2(c, "ReverseV2", g_dy(c, 0), g_in(c, 1))); }

void ek__grad_reverse_sequence(ek_grad *c)
{
    static const char *const dims[] = { "seq_dim", "batch_dim", NULL };
    g_set(c, 0, ek_op_output(g_like(c, "ReverseSequence", EK_IN(g_dy(c, 0), g_in(c, 1)), 2, dims), 0));
}

void ek__grad_roll(ek_grad *c)
{
    const ek_tensor back = gx1(c, ek_negative_with, g_in(c, 1));
    g_set(c, 0, g3(c, "Roll", g_dy(c, 0), back, g_in(c, 2)));
}

void ek__grad_broadcast_to(ek_grad *c)
{
    const ek_tensor shape = g_shape_as(c, g_in(c, 0), g_dtype(g_in(c, 1)));
    const ek_op pair = ek__node_build(c->g, &(ek_node_args){ .type = "BroadcastGradientArgs", .in = EK_IN(g_in(c, 1), shape),
                                                             .n_in = 2, .where = c->where });
    const ek_tensor sum = EK_EMIT(c->g, c->where, "Sum", NULL, EK_IN(g_dy(c, 0), ek_op_output(pair, 1)), EK_ATTR_B("keep_dims", true));

    g_set(c, 0, g_reshape(c, sum, shape));
}

/* ---- blocks of pixels ---------------------------------------------------------------------------------------------- */

void ek__grad_space_to_batch_nd(ek_grad *c) { g_set(c, 0, g3(c, "BatchToSpaceND", g_dy(c, 0), g_in(c, 1), g_in(c, 2))); }
void ek__grad_batch_to_space_nd(ek_grad *c) { g_set(c, 0, g3(c, "SpaceToBatchND", g_dy(c, 0), g_in(c, 1), g_in(c, 2))); }

/* The old ops' gradients are the new ones, with the block written as a vector. */
static void by_block(ek_grad *c, const char *type)
{
    const int64_t size = g_number_attr(c, "block_size"), block[] = { size, size };

    EK_NAMED(c, type) {
        const char *own = ek_name_scope(c->g);
        ek_array *a = ek_array_of(EK_INT64, EK_SHAPE(2), block);
        if (a == NULL) ek__graph_fail(c->g, c->where, EK_RESOURCE_EXHAUSTED, "no memory for a constant");
        const ek_tensor shape = a != NULL ? ek__const(c->g, a, "block_shape", c->where) : ek__dead(c->g);
        ek_array_unref(a);
        const ek_tensor in[] = { g_dy(c, 0), shape, g_in(c, 1) };
        g_set(c, 0, ek__node_tensor(c->g, &(ek_node_args){ .type = type, .name = own, .in = in, .n_in = 3, .where = c->where }));
    }
}
void ek__grad_space_to_batch(ek_grad *c) { by_block(c, "BatchToSpaceND"); }
void ek__grad_batch_to_space(ek_grad *c) { by_block(c, "SpaceToBatchND"); }

static const char *const block_attrs[] = { "block_size", "data_format", NULL };
void ek__grad_space_to_depth(ek_grad *c) { g_set(c, 0, ek_op_output(g_like(c, "DepthToSpace", EK_IN(g_dy(c, 0)), 1, block_attrs), 0)); }
void ek__grad_depth_to_space(ek_grad *c) { g_set(c, 0, ek_op_output(g_like(c, "SpaceToDepth", EK_IN(g_dy(c, 0)), 1, block_attrs), 0)); }
