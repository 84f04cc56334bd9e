/* ops/grad_segment.c - gradients of reductions by segment: what went into one row of the output gets that row's gradient. */
#include "ops/grad.h"

static ek_tensor ids(const ek_grad *c) { return g_in(c, 1); }
static ek_tensor div(const ek_grad *c, ek_tensor x, ek_tensor y) { return ek__emit2("RealDiv", x, y, "div", c->where); }

/* ---- sorted ids ------------------------------------------------------------------------------------------------ */

void ek__grad_segment_sum(ek_grad *c) { g_set(c, 0, g_gather(c, g_dy(c, 0), ids(c))); }

void ek__grad_segment_mean(ek_grad *c)
{
    const ek_tensor rank = gx1(c, ek_rank_with, g_in(c, 0)), dy = g_dy(c, 0), shape = g_shape(c, ids(c));
    const ek_tensor behind = g_expand_dims(c, gxn(c, ek_minus_with, rank, 1), 0);
    const ek_tensor rest = ek_fill_with(&(ek_fill_options){ .size = sizeof(ek_fill_options), .dims = behind,
                                                            .value = ek_operand_of_int(1) }, c->where);
    const ek_tensor ones_shape = g_concat(c, (g_piece[]){ g_of(shape), g_of(rest) }, 2);
    const ek_tensor one = ek__const_scalar(c->g, g_dtype(dy), 1, NULL, c->where);
    const ek_tensor ones = g2(c, "Fill", ones_shape, one);

    g_set(c, 0, g_gather(c, div(c, dy, g2(c, "SegmentSum", ones, ids(c))), ids(c)));
}

/* Shared evenly among all of a segment that are as large. */
void ek__grad_segment_extreme(ek_grad *c)
{
    const ek_tensor x = g_in(c, 0), dy = g_dy(c, 0), zeros = g_zeros_like(c, x);
    const ek_tensor mine = g_gather(c, g_out(c, 0), ids(c)), chosen = gx2(c, ek_equal_with, x, mine);
    const ek_tensor count = g2(c, "SegmentSum", g_cast(c, chosen, g_dtype(dy)), ids(c));
    const ek_tensor shared = g_gather(c, div(c, dy, count), ids(c));

    g_set(c, 0, g3(c, "Select", chosen, shared, zeros));
}

/* The product of a segment by its elements, without dividing by zero: an element that is the only 0 of its segment has the
 * product of the others, and where there are two all gradients are 0. */
typedef struct zeros {
    ek_tensor is_zero, dy, data, product; /* dy without segments of two; 1 for 0, and the product of that */
} zeros;

static zeros without_zeros(const ek_grad *c, const char *sum, const char *product, const char *select)
{
    const ek_tensor x = g_in(c, 0), dy = g_dy(c, 0), n = c->n->n_in > 2 ? g_in(c, 2) : ids(c);
    const int n_in = c->n->n_in > 2 ? 3 : 2;
    zeros z;

    z.is_zero = gxn(c, ek_equal_with, x, 0);
    const ek_tensor counted[] = { g_cast(c, z.is_zero, EK_INT32), ids(c), n };
    const ek_tensor count = ek__node_tensor(c->g, &(ek_node_args){ .type = sum, .in = counted, .n_in = n_in, .where = c->where });
    const ek_tensor several = gxn(c, ek_greater_with, count, 1), none = g_zeros_like(c, dy);
    z.dy = g3(c, select, several, none, dy);
    const ek_tensor ones = gx1(c, ek_ones_like_with, x);
    z.data = g3(c, select, z.is_zero, ones, x);
    const ek_tensor in[] = { z.data, ids(c), n };
    z.product = ek__node_tensor(c->g, &(ek_node_args){ .type = product, .in = in, .n_in = n_in, .where = c->where });
    return z;
}

/* TensorFlow 1.15 has none; this is TensorFlow 2's. */
void ek__grad_segment_prod(ek_grad *c)
{
    const zeros z = without_zeros(c, "SegmentSum", "SegmentProd", "SelectV2");
    const ek_tensor whole = g_gather(c, g_out(c, 0), ids(c)), others = g_gather(c, z.product, ids(c));
    const ek_tensor part = g3(c, "SelectV2", z.is_zero, others, gx2(c, ek_over_with, whole, z.data));

    g_set(c, 0, g_times(c, g_gather(c, z.dy, ids(c)), part));
}

/* ---- ids in any order, of which negative ones belong to no segment ------------------------------------------------ */

static ek_tensor not_negative(const ek_grad *c) { return gx2(c, ek_maximum_with, ids(c), g_zeros_like(c, ids(c))); }

typedef struct taken {
    ek_tensor rows, clipped, positive; /* rows: 0 where the id is negative */
} taken;

/* clipped, positive: dead where they are still to be made. */
static taken rows_of(const ek_grad *c, ek_tensor of, ek_tensor clipped, ek_tensor positive)
{
    taken t = { .clipped = clipped, .positive = positive };

    if (!ek_tensor_ok(clipped)) t.clipped = not_negative(c);
    t.rows = g_gather(c, of, t.clipped);
    if (!ek_tensor_ok(positive)) {
        const int32_t rank = ek_tensor_shape(t.rows).rank;
        t.positive = gxn(c, ek_greater_equal_with, ids(c), 0);
        for (int32_t i = ek_tensor_shape(t.positive).rank; i < rank; i++) t.positive = g_expand_dims(c, t.positive, -1);
        const ek_tensor shape = g_shape(c, t.rows), yes = ek__const_scalar(c->g, EK_BOOL, 1, NULL, c->where);
        t.positive = gx2(c, ek_logical_and_with, t.positive, ek__emit2("Fill", shape, yes, "ones_like", c->where));
    }
    t.rows = g3(c, "Select", t.positive, t.rows, g_zeros_like(c, t.rows));
    return t;
}

void ek__grad_unsorted_segment_sum(ek_grad *c)
{
    g_set(c, 0, rows_of(c, g_dy(c, 0), ek__dead(c->g), ek__dead(c->g)).rows);
}

void ek__grad_unsorted_segment_extreme(ek_grad *c)
{
    const ek_tensor dy = g_dy(c, 0), none = ek__dead(c->g);
    const taken mine = rows_of(c, g_out(c, 0), none, none);
    const ek_tensor same = gx2(c, ek_equal_with, g_in(c, 0), mine.rows);
    const ek_tensor chosen = gx2(c, ek_logical_and_with, same, mine.positive);
    const ek_tensor count = g3(c, "UnsortedSegmentSum", g_cast(c, chosen, g_dtype(dy)), ids(c), g_in(c, 2));
    const taken shared = rows_of(c, div(c, dy, count), mine.clipped, mine.positive);

    g_set(c, 0, g3(c, "Select", chosen, shared.rows, g_zeros_like(c, shared.rows)));
}

void ek__grad_unsorted_segment_prod(ek_grad *c)
{
    const zeros z = without_zeros(c, "UnsortedSegmentSum", "UnsortedSegmentProd", "Select");
    const ek_tensor clipped = not_negative(c);
    const ek_tensor whole = g_gather(c, g_out(c, 0), clipped), others = g_gather(c, z.product, clipped);
    const ek_tensor part = g3(c, "Select", z.is_zero, others, gx2(c, ek_over_with, whole, g_in(c, 0)));

    g_set(c, 0, g_times(c, rows_of(c, z.dy, clipped, ek__dead(c->g)).rows, part));
}

/* ---- rows named by indices -------------------------------------------------------------------------------------------- */

void ek__grad_sparse_segment_sum(ek_grad *c)
{
    const ek_tensor rows = g_item(c, g_shape(c, g_in(c, 0)), 0);
    g_set(c, 0, g3(c, "UnsortedSegmentSum", g_gather(c, g_dy(c, 0), g_in(c, 2)), g_in(c, 1), rows));
}

static void sparse(ek_grad *c, const char *type)
{
    const ek_tensor rows = g_item(c, g_shape(c, g_in(c, 0)), 0);
    const ek_tensor in[] = { g_dy(c, 0), g_in(c, 1), g_in(c, 2), rows };

    g_set(c, 0, ek__node_tensor(c->g, &(ek_node_args){ .type = type, .in = in, .n_in = 4, .where = c->where }));
}
void ek__grad_sparse_segment_mean(ek_grad *c) { sparse(c, "SparseSegmentMeanGrad"); }
void ek__grad_sparse_segment_sqrt_n(ek_grad *c) { sparse(c, "SparseSegmentSqrtNGrad"); }
