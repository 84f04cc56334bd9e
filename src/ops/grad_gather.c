/* ops/grad_gather.c - gradients of what picks rows, puts them somewhere, or sorts them: gathers, scatters, partitions, TopK. */
#include "graph/scope.h"
#include "ops/grad.h"

/* ---- rows of a table ------------------------------------------------------------------------------------------ */

/* As rows (IndexedSlices): dy[i] belongs to params[indices[i]]. */
static void rows_of(ek_grad *c, ek_tensor params_shape)
{
    const ek_tensor size = g_expand_dims(c, gx1(c, ek_size_with, g_in(c, 1)), 0);
    const ek_tensor tail = g_part(c, params_shape, 1, 0);
    const ek_tensor shape = g_concat(c, (g_piece[]){ g_of(size), g_of(tail) }, 2);
    const ek_tensor values = g_reshape(c, g_dy(c, 0), shape);

    c->dx[0] = (ek_gradient){ values, g_reshape(c, g_in(c, 1), size), params_shape };
}

/* Beside the params, which may be large. */
static ek_tensor params_shape(const ek_grad *c)
{
    const ek_tensor params = g_in(c, 0);
    ek_tensor shape = params;

    EK_IN_SCOPE(ek__colocate_push(c->g, &params.op, 1, false, c->where))
        shape = g_cast(c, g_shape_as(c, params, EK_INT64), EK_INT32);
    return shape;
}

void ek__grad_gather(ek_grad *c) { rows_of(c, params_shape(c)); }

void ek__grad_resource_gather(ek_grad *c)
{
    const ek_node *handle = ek__node(c->g, c->n->in[0].node);
    const ek_shape *shape = handle->out_handle != NULL ? &handle->out_handle[c->n->in[0].index] : NULL;

    if (shape == NULL || !ek_shape_is_known(shape)) rows_of(c, g1(c, "VariableShape", g_in(c, 0)));
    else rows_of(c, g_ints(c, shape->dim, shape->rank, NULL));
}

/* A bound of a slice; a dead one stands for the beginning or the end. */
static ek_tensor bound(const ek_grad *c, ek_tensor at, const char *name)
{
    return ek_tensor_ok(at) ? g_pack(c, name, (g_piece[]){ g_of(at) }, 1) : g_ints(c, (int64_t[]){ 0 }, 1, name);
}

/* x[from:to] whose bounds are tensors. */
static ek_tensor between(const ek_grad *c, ek_tensor x, ek_tensor from, ek_tensor to)
{
    ek_tensor out = x;

    EK_NAMED(c, "strided_slice") {
        const char *own = ek_name_scope(c->g);
        const ek_tensor first = bound(c, from, "stack"), last = bound(c, to, "stack_1");
        const ek_tensor step = ek__const_filled(c->g, g_dtype(first), EK_SHAPE(1), 1, "stack_2", c->where);
        out = EK_EMIT(c->g, c->where, "StridedSlice", own, EK_IN(x, first, last, step), EK_ATTR_I("begin_mask", !ek_tensor_ok(from)),
                      EK_ATTR_I("end_mask", !ek_tensor_ok(to)));
    }
    return out;
}

/* Indices within each batch, moved on by where the batch begins. */
static ek_tensor batch_indices(const ek_grad *c, ek_tensor shape, ek_tensor indices, int64_t batch_dims)
{
    const ek_dtype t = g_dtype(indices);
    const int rank = ek_tensor_shape(indices).rank;
    const ek_tensor wide = g_cast(c, shape, t);
    ek_tensor passed = ek_ones_with(c->g, &(ek_zeros_options){ .size = sizeof(ek_zeros_options), .shape = EK_SCALAR, .dtype = t }, c->where);

    for (int64_t dim = batch_dims; dim > 0; dim--) {
        const ek_tensor n = g_item(c, wide, dim - 1);
        g_piece to[8];
        passed = g_times(c, passed, g_item(c, wide, dim));
        const ek_zeros_options scalar = { .size = sizeof(ek_zeros_options), .shape = EK_SCALAR, .dtype = t };
        const ek_tensor start = ek_zeros_with(c->g, &scalar, c->where), step = ek_ones_with(c->g, &scalar, c->where);
        const ek_tensor offset = g_times(c, g_range(c, ek__of(start), ek__of(n), ek__of(step)), passed);
        for (int i = 0; i < rank && i < 8; i++) to[i] = i == dim - 1 ? g_of(n) : g_num(c, 1);
        const ek_tensor stretched = g_pack(c, "stack", to, rank);
        indices = gx2(c, ek_plus_with, indices, g_reshape(c, offset, stretched));
    }
    return indices;
}

static ek_tensor segment_sum(const ek_grad *c, ek_tensor values, ek_tensor indices, ek_tensor n)
{
    return g3(c, "UnsortedSegmentSum", values, indices, n);
}

/* Of values whose axis stands behind the batch dimensions. */
static ek_tensor sum_by_index(const ek_grad *c, ek_tensor shape, ek_tensor values, int64_t batch_dims, ek_tensor n)
{
    ek_tensor indices = g_in(c, 1), outer = shape, flat = shape;
    const ek_tensor size = g_expand_dims(c, gx1(c, ek_size_with, indices), 0);

    if (batch_dims > 0) {
        const ek_tensor values_shape = g_shape(c, values);
        outer = g_part(c, values_shape, 0, batch_dims);
        const ek_tensor inner = g_part(c, g_part(c, values_shape, batch_dims, 0), 1, 0);
        const ek_tensor batches = g_with_ints(c, "Prod", outer, (const int64_t[]){ 0 }, 1);
        flat = g_concat(c, (g_piece[]){ g_list_num(c, -1), g_of(inner) }, 2);
        n = g_times(c, n, batches);
        indices = batch_indices(c, shape, indices, batch_dims);
        values = g_reshape(c, values, flat);
    }
    indices = g_reshape(c, indices, size);
    const ek_tensor sum = segment_sum(c, values, indices, n);
    return batch_dims > 0 ? g_reshape(c, sum, g_concat(c, (g_piece[]){ g_of(outer), g_of(flat) }, 2)) : sum;
}

static ek_tensor numbers(const ek_grad *c, ek_operand from, ek_tensor to) { return g_range(c, from, ek__of(to), ek_operand_of_int(1)); }

/* Along another axis: that axis moved behind the batch dimensions, summed there, and moved back. */
static void along_axis(ek_grad *c, ek_tensor shape, int64_t batch_dims)
{
    const ek_tensor none = ek__dead(c->g), axis = g_in(c, 2);
    const ek_tensor outer = between(c, shape, none, axis);
    const ek_tensor inner = g_part(c, between(c, shape, axis, none), 1, 0);
    const ek_tensor values_shape = g_concat(c, (g_piece[]){ g_of(outer), g_list_num(c, -1), g_of(inner) }, 3);
    const ek_tensor rank = gx1(c, ek_size_with, values_shape), at = gx1(c, ek_size_with, outer);
    const ek_tensor batches = g_range(c, ek_operand_of_int(0), ek_operand_of_int(batch_dims), ek_operand_of_int(1));
    const ek_tensor middle = numbers(c, ek_operand_of_int(batch_dims), at);
    const ek_tensor behind = gxn(c, ek_plus_with, at, 1);
    const ek_tensor rest = numbers(c, ek__of(behind), rank);
    const ek_tensor values = g_reshape(c, g_dy(c, 0), values_shape);
    const ek_tensor perm = g_concat(c, (g_piece[]){ g_of(batches), g_list(at), g_of(middle), g_of(rest) }, 4);
    const ek_tensor turned = ek__emit2("Transpose", values, perm, "transpose", c->where);
    const ek_tensor turned_shape = g_gather(c, shape, perm);
    const ek_tensor sum = sum_by_index(c, turned_shape, turned, batch_dims, ek__element_at(shape, axis, c->where));
    const ek_tensor moved = gxn(c, ek_plus_with, middle, 1);
    const ek_tensor back = g_concat(c, (g_piece[]){ g_of(batches), g_of(moved), g_list_num(c, batch_dims), g_of(rest) }, 4);

    g_set(c, 0, ek__emit2("Transpose", sum, back, "transpose", c->where));
}

void ek__grad_gather_v2(ek_grad *c)
{
    const ek_tensor shape = params_shape(c);
    const int32_t rank = ek_tensor_shape(g_in(c, 1)).rank;
    int64_t batch_dims = g_number_attr(c, "batch_dims");
    ek_array *axis = ek__constant_value(c->g, c->n->in[2]);
    const bool front = axis != NULL && ek_array_get(axis, 0) == 0;

    ek_array_unref(axis);
    if (batch_dims != 0 && (rank < 0 || rank > 8)) {
        ek__graph_fail(c->g, c->where, EK_UNIMPLEMENTED,
                       "the gradient of '%s' with batch_dims needs the rank of its indices, which is unknown", c->n->name);
        return;
    }
    if (batch_dims < 0) batch_dims += rank;
    if (front) rows_of(c, shape);
    else along_axis(c, shape, batch_dims);
}

void ek__grad_gather_nd(ek_grad *c)
{
    const ek_tensor indices = g_in(c, 1), shape = g_shape_as(c, g_in(c, 0), g_dtype(indices));
    const ek_shape s = ek_tensor_shape(indices);

    if (s.rank != 2 || s.dim[1] != 1) {
        g_set(c, 0, g3(c, "ScatterNd", indices, g_dy(c, 0), shape));
        return;
    }
    const ek_tensor rows = ek_squeeze_with(&(ek_squeeze_options){ .size = sizeof(ek_squeeze_options), .input = indices,
                                                                  .axis = EK_INTS(-1) }, c->where);
    c->dx[0] = (ek_gradient){ g_dy(c, 0), rows, shape };
}

/* ---- updates put somewhere ----------------------------------------------------------------------------------------- */

static ek_tensor taken(const ek_grad *c, ek_tensor indices) { return g2(c, "GatherNd", g_dy(c, 0), indices); }

void ek__grad_scatter_nd(ek_grad *c) { g_set(c, 1, taken(c, g_in(c, 0))); }

void ek__grad_tensor_scatter_update(ek_grad *c)
{
    const ek_tensor indices = g_in(c, 1);

    g_set(c, 2, taken(c, indices));
    const ek_tensor dy = g1(c, "Identity", g_dy(c, 0)), zeros = g_zeros_like(c, g_in(c, 2));
    g_set(c, 0, g3(c, "TensorScatterUpdate", dy, indices, zeros));
}

void ek__grad_tensor_scatter_add(ek_grad *c)
{
    g_set(c, 2, taken(c, g_in(c, 1)));
    c->dx[0] = c->dy[0];
}

void ek__grad_tensor_scatter_sub(ek_grad *c)
{
    g_set(c, 2, gx1(c, ek_negative_with, taken(c, g_in(c, 1))));
    c->dx[0] = c->dy[0];
}

/* ---- partitions ------------------------------------------------------------------------------------------------------ */

/* Where each row came from, partitioned like the rows, says where its gradient goes. */
void ek__grad_dynamic_partition(ek_grad *c)
{
    static const char *const count[] = { "num_partitions", NULL };
    const int n = c->n->n_out;
    ek_tensor in[EK_GRAD_MAX_LIST * 2];

    if (n > EK_GRAD_MAX_LIST) {
        ek__graph_fail(c->g, c->where, EK_UNIMPLEMENTED, "the gradient of '%s' joins %d tensors, at most %d are possible",
                       c->n->name, n, EK_GRAD_MAX_LIST);
        return;
    }
    const ek_tensor shape = g_shape(c, g_in(c, 1));
    const ek_tensor size = ek_reduce_prod_with(&(ek_reduce_options){ .size = sizeof(ek_reduce_options), .x = shape, .axis = { -1, { 0 } } },
                                               c->where);
    const ek_tensor places = g_reshape(c, numbers(c, ek_operand_of_int(0), size), shape);
    const ek_op parts = g_like(c, "DynamicPartition", EK_IN(places, g_in(c, 1)), 2, count);
    for (int k = 0; k < n; k++) {
        in[k] = ek_op_output(parts, k);
        in[n + k] = g_dy(c, k);
    }
    const ek_tensor all = ek__node_tensor(c->g, &(ek_node_args){ .type = "ParallelDynamicStitch", .in = in, .n_in = 2 * n, .where = c->where });
    g_set(c, 0, g_reshape(c, all, g_shape(c, g_in(c, 0))));
}

void ek__grad_dynamic_stitch(ek_grad *c)
{
    const int n = c->n->n_in / 2;

    for (int i = 0; i < n; i++) g_set(c, n + i, g_gather(c, g_dy(c, 0), g_in(c, i)));
}

/* ---- the largest ------------------------------------------------------------------------------------------------------ */

static ek_tensor last_of(const ek_grad *c, ek_tensor shape)
{
    const ek_tensor wide = g_cast(c, shape, EK_INT64), size = gx1(c, ek_size_with, shape);

    return g_gather(c, wide, gxn(c, ek_minus_with, size, 1));
}

/* Indices into the whole input: each row's, moved on by where the row begins. */
static ek_tensor whole_indices(const ek_grad *c, ek_tensor shape)
{
    const ek_tensor k = last_of(c, g_shape(c, g_out(c, 1)));
    const ek_tensor by_row = g_reshape(c, g_out(c, 1), g_pack(c, "stack", (g_piece[]){ g_num(c, -1), g_of(k) }, 2));
    const ek_tensor width = last_of(c, shape);
    const ek_tensor rows = g_cast(c, g_item(c, g_shape(c, by_row), 0), EK_INT64);
    const ek_tensor starts = g_range(c, ek_operand_of_int(0), ek__of(g_times(c, rows, width)), ek__of(width));
    const ek_tensor column = g_cast(c, g_expand_dims(c, starts, -1), EK_INT32);

    return g_reshape_to(c, gx2(c, ek_plus_with, by_row, column), (const int64_t[]){ -1 }, 1);
}

/* To the places that they were taken from. */
void ek__grad_top_k(ek_grad *c)
{
    const ek_tensor shape = g_shape(c, g_in(c, 0));
    const ek_tensor index = g_expand_dims(c, whole_indices(c, shape), -1);
    const ek_tensor dy = g_reshape_to(c, g_dy(c, 0), (const int64_t[]){ -1 }, 1);
    const ek_tensor size = ek_reduce_prod_with(&(ek_reduce_options){ .size = sizeof(ek_reduce_options), .x = shape, .axis = { -1, { 0 } } },
                                               c->where);
    ek_tensor sum = dy;

    EK_NAMED(c, "ScatterNd") {
        const char *own = ek_name_scope(c->g);
        const ek_tensor to = g_pack(c, "shape", (g_piece[]){ g_of(size) }, 1), in[] = { index, dy, to };
        sum = ek__node_tensor(c->g, &(ek_node_args){ .type = "ScatterNd", .name = own, .in = in, .n_in = 3, .where = c->where });
    }
    g_set(c, 0, g_reshape(c, sum, shape));
    (void)ek_zeros_with(c->g, &(ek_zeros_options){ .size = sizeof(ek_zeros_options), .shape = EK_SCALAR, .dtype = EK_INT32 }, c->where);
}
