/* ops/grad_reduce.c - gradients of reductions: what was made one is spread again. */
#include "ops/grad.h"

/* ---- shapes with 1 where was reduced --------------------------------------------------------------------- */

/* How often each dimension of y is repeated in x. */
ek_tensor g_safe_div(const ek_grad *c, ek_tensor x, ek_tensor y)
{
    return gx2(c, ek_floor_over_with, x, gxn(c, ek_maximum_with, y, 1));
}

ek_tensor g_reduced_shape(const ek_grad *c, ek_tensor shape, ek_tensor axes)
{
    const ek_tensor counted = g_cast(c, axes, EK_INT32), rank = gx1(c, ek_size_with, shape);
    const ek_tensor positive = gx2(c, ek_modulo_with, gx2(c, ek_plus_with, counted, rank), rank);
    const ek_tensor n = g_shape(c, positive);
    const ek_tensor all = ek_range_with(c->g, &(ek_range_options){ .size = sizeof(ek_range_options), .start = ek_operand_of_int(0),
                                                                   .limit = ek__of(rank), .delta = ek_operand_of_int(1) }, c->where);
    const ek_tensor ones = ek_fill_with(&(ek_fill_options){ .size = sizeof(ek_fill_options), .dims = n,
                                                            .value = ek_operand_of_int(1) }, c->where);
    const ek_tensor in[] = { all, positive, shape, ones };

    return ek__node_tensor(c->g, &(ek_node_args){ .type = "DynamicStitch", .in = in, .n_in = 4, .where = c->where });
}

/* Axes as given, in a vector; false: they are not known. */
static bool known_axes(const ek_grad *c, ek_shape *axes, bool *vector)
{
    ek_array *value = ek__constant_value(c->g, c->n->in[1]);

    if (value == NULL) return false;
    *vector = value->shape.rank == 1;
    *axes = (ek_shape){ .rank = (int32_t)(value->count < EK_MAX_RANK ? value->count : EK_MAX_RANK) };
    for (int32_t i = 0; i < axes->rank; i++) axes->dim[i] = (int64_t)ek_array_get(value, i);
    ek_array_unref(value);
    return true;
}

static bool every_axis(const ek_shape *axes, bool vector, int32_t rank)
{
    if (!vector || axes->rank != rank) return false;
    for (int32_t i = 0; i < rank; i++)
        if (axes->dim[i] != i) return false;
    return true;
}

/* ---- sums -------------------------------------------------------------------------------------------------- */

/* Everything was summed: reshaped to ones, then repeated by the shape of the input. */
static ek_tensor spread_whole(const ek_grad *c, ek_tensor dy, const ek_shape *x)
{
    int64_t ones[EK_MAX_RANK];

    for (int32_t i = 0; i < x->rank; i++) ones[i] = 1;
    const ek_tensor kept = g_reshape_to(c, dy, ones, x->rank);
    const ek_tensor shape = ek_shape_is_known(x) ? g_ints(c, x->dim, x->rank, NULL) : g_shape(c, g_in(c, 0));
    return g2(c, "Tile", kept, shape);
}

/* What TensorFlow works out by nodes the first time it meets this shape with these axes; nobody uses them. */
static void work_out(const ek_grad *c, const ek_shape *x, const ek_shape *axes, const int64_t *kept)
{
    ek_tensor shape = ek__dead(c->g), counted = shape;

    EK_IN_SCOPE(ek_name_scope_push(c->g, "Cast", c->where)) shape = g_ints(c, x->dim, x->rank, "x");
    EK_IN_SCOPE(ek_name_scope_push(c->g, "Cast", c->where)) counted = g_ints(c, axes->dim, axes->rank, "x");
    (void)g_reduced_shape(c, shape, counted);
    EK_IN_SCOPE(ek_name_scope_push(c->g, "Maximum", c->where)) {
        const char *own = ek_name_scope(c->g);
        const ek_tensor x1 = g_ints(c, kept, x->rank, "x");
        counted = ek__emit2("Maximum", x1, g_int(c, 1, "y"), own, c->where);
    }
    EK_IN_SCOPE(ek_name_scope_push(c->g, "floordiv", c->where)) {
        const char *own = ek_name_scope(c->g);
        (void)ek__emit2("FloorDiv", g_ints(c, x->dim, x->rank, "x"), counted, own, c->where);
    }
}

/* Some axes of a shape that is known. */
static ek_tensor spread_known(ek_grad *c, ek_tensor dy, const ek_shape *x, const ek_shape *axes)
{
    int64_t kept[EK_MAX_RANK], times[EK_MAX_RANK];

    for (int32_t i = 0; i < x->rank; i++) kept[i] = x->dim[i];
    for (int32_t i = 0; i < axes->rank; i++) {
        const int64_t axis = axes->dim[i] < 0 ? axes->dim[i] + x->rank : axes->dim[i];
        if (axis >= 0 && axis < x->rank) kept[axis] = 1;
    }
    for (int32_t i = 0; i < x->rank; i++) times[i] = x->dim[i] / (kept[i] > 1 ? kept[i] : 1);
    if (!g_seen_before(c, 'r', x, axes)) work_out(c, x, axes, kept);
    return g_with_ints(c, "Tile", g_reshape_to(c, dy, kept, x->rank), times, x->rank);
}

static ek_tensor spread(ek_grad *c)
{
    const ek_shape x = ek_tensor_shape(g_in(c, 0));
    const ek_tensor dy = g_dy(c, 0);
    ek_tensor kept = dy, times = dy;
    ek_shape axes;
    bool vector = false;

    if (x.rank >= 0 && known_axes(c, &axes, &vector)) {
        if (every_axis(&axes, vector, x.rank)) return spread_whole(c, dy, &x);
        if (ek_shape_is_known(&x)) return spread_known(c, dy, &x, &axes);
    }
    const ek_tensor shape = g_shape(c, g_in(c, 0));
    if (!ek_tensor_ok(shape)) return ek__dead(c->g);
    EK_IN_SCOPE(ek__colocate_push(c->g, &shape.op, 1, false, c->where)) {
        kept = g_reduced_shape(c, shape, g_in(c, 1));
        times = g_safe_div(c, shape, kept);
    }
    return g2(c, "Tile", g_reshape(c, dy, kept), times);
}

void ek__grad_sum(ek_grad *c) { g_set(c, 0, spread(c)); }

/* ---- means -------------------------------------------------------------------------------------------------- */

static ek_tensor product_of(const ek_grad *c, ek_tensor shape)
{
    return ek_reduce_prod_with(&(ek_reduce_options){ .size = sizeof(ek_reduce_options), .x = shape,
                                                      .axis = { -1, { 0 } } }, c->where);
}

void ek__grad_mean(ek_grad *c)
{
    const ek_shape x = ek_tensor_shape(g_in(c, 0)), y = ek_tensor_shape(g_out(c, 0));
    const ek_tensor sum = spread(c);
    ek_tensor factor;

    if (ek_shape_is_known(&x) && ek_shape_is_known(&y)) {
        const int64_t n = ek_shape_count(&y);
        factor = ek__const_scalar(c->g, g_dtype(sum), (double)(ek_shape_count(&x) / (n > 1 ? n : 1)), NULL, c->where);
    } else {
        const ek_tensor sx = g_shape(c, g_in(c, 0)), sy = g_shape(c, g_out(c, 0));
        const ek_tensor nx = product_of(c, sx), ny = product_of(c, sy);
        factor = g_cast(c, g_safe_div(c, nx, ny), g_dtype(sum));
    }
    g_set(c, 0, gx2(c, ek_over_with, sum, factor));
}

/* ---- extremes ------------------------------------------------------------------------------------------------ */

/* Shared evenly among all that are as large. */
void ek__grad_max(ek_grad *c)
{
    const ek_tensor shape = g_shape(c, g_in(c, 0));
    const ek_tensor kept = g_reduced_shape(c, shape, g_in(c, 1));
    const ek_tensor y = g_reshape(c, g_out(c, 0), kept), dy = g_reshape(c, g_dy(c, 0), kept);
    const ek_tensor same = g_cast(c, gx2(c, ek_equal_with, y, g_in(c, 0)), g_dtype(dy));
    const ek_tensor n = g_reshape(c, g_sum(c, same, g_in(c, 1)), kept);

    g_set(c, 0, g_times(c, gx2(c, ek_over_with, same, n), dy));
}

/* ---- products ------------------------------------------------------------------------------------------------ */

/* Its axes in front, as one: [reduced, others]. */
typedef struct flattened {
    ek_tensor perm, shape, values;
} flattened;

static flattened axes_in_front(const ek_grad *c, ek_tensor shape, ek_tensor axes)
{
    const ek_tensor x = g_in(c, 0), rank = gx1(c, ek_rank_with, x);
    flattened f;

    if (g_dtype(axes) == EK_INT64) axes = g_cast(c, axes, EK_INT32);
    const ek_tensor positive = gx2(c, ek_modulo_with, gx2(c, ek_plus_with, axes, rank), rank);
    const ek_tensor all = g_range(c, ek_operand_of_int(0), ek__of(rank), ek_operand_of_int(1));
    const ek_tensor in[] = { all, positive };
    const ek_op rest = ek__node_build(c->g, &(ek_node_args){ .type = "ListDiff", .in = in, .n_in = 2, .where = c->where });
    const ek_tensor other = ek_op_output(rest, 0);
    f.perm = g_concat(c, (g_piece[]){ g_of(positive), g_of(other) }, 2);
    const ek_tensor rows = product_of(c, g_gather(c, shape, positive));
    const ek_tensor columns = product_of(c, g_gather(c, shape, other));
    const ek_tensor turned = ek__emit2("Transpose", x, f.perm, "transpose", c->where);
    f.shape = g_shape(c, turned);
    f.values = turned;
    EK_NAMED(c, "Reshape") {
        const char *own = ek_name_scope(c->g);
        const ek_tensor to = g_pack(c, "shape", (g_piece[]){ g_of(rows), g_of(columns) }, 2);
        f.values = ek__emit2("Reshape", turned, to, own, c->where);
    }
    return f;
}

/* The product of all before each element, or of all behind it. */
static ek_tensor product_of_others(const ek_grad *c, ek_tensor x, bool behind)
{
    ek_tensor out = x;

    EK_NAMED(c, "Cumprod") {
        const char *own = ek_name_scope(c->g);
        const ek_tensor axis = g_int(c, 0, "axis");
        out = EK_EMIT(c->g, c->where, "Cumprod", own, EK_IN(x, axis), EK_ATTR_B("exclusive", true), EK_ATTR_B("reverse", behind));
    }
    return out;
}

/* Not by dividing, which zeros forbid: what is before times what is behind. */
void ek__grad_prod(ek_grad *c)
{
    const ek_tensor shape = g_shape(c, g_in(c, 0));
    const ek_tensor axes = g_reshape_to(c, g_in(c, 1), (const int64_t[]){ -1 }, 1);
    const ek_tensor kept = g_reduced_shape(c, shape, g_in(c, 1));
    const ek_tensor times = g_safe_div(c, shape, kept);
    const ek_tensor dy = g2(c, "Tile", g_reshape(c, g_dy(c, 0), kept), times);
    const flattened f = axes_in_front(c, shape, axes);
    const ek_tensor before = product_of_others(c, f.values, false), behind = product_of_others(c, f.values, true);
    const ek_tensor both = g_times(c, g_conj(c, before), g_conj(c, behind));
    const ek_tensor others = g_reshape(c, both, f.shape), back = g1(c, "InvertPermutation", f.perm);
    const ek_tensor d = g_times(c, dy, ek__emit2("Transpose", others, back, "transpose", c->where));

    g_set(c, 0, g_reshape(c, d, shape));
}

/* TensorFlow 1.15 has none; this is TensorFlow 2's. */
void ek__grad_euclidean_norm(ek_grad *c)
{
    ek_tensor y = g_out(c, 0), dy = g_dy(c, 0);

    if (!g_flag(c, "keep_dims")) {
        const ek_tensor kept = g_reduced_shape(c, g_shape(c, g_in(c, 0)), g_in(c, 1));
        y = g_reshape(c, y, kept);
        dy = g_reshape(c, dy, kept);
    }
    g_set(c, 0, gx2(c, ek_over_with, g_in(c, 0), gx2(c, ek_over_with, y, dy)));
}

/* ---- running sums -------------------------------------------------------------------------------------------- */

static ek_tensor running(const ek_grad *c, const char *type, ek_tensor x, bool reverse)
{
    return EK_EMIT(c->g, c->where, type, NULL, EK_IN(x, g_in(c, 1)), EK_ATTR_B("exclusive", g_flag(c, "exclusive")),
                   EK_ATTR_B("reverse", reverse));
}

void ek__grad_cumsum(ek_grad *c) { g_set(c, 0, running(c, "Cumsum", g_dy(c, 0), !g_flag(c, "reverse"))); }

void ek__grad_cumprod(ek_grad *c)
{
    const bool reverse = g_flag(c, "reverse");
    const ek_tensor x = g_in(c, 0), product = running(c, "Cumprod", x, reverse);
    const ek_tensor sum = running(c, "Cumsum", g_times(c, product, g_dy(c, 0)), !reverse);

    /* TensorFlow 1.15 divides, which gives NaN at zeros; 2's DivNoNan has no bfloat16 there. */
    g_set(c, 0, g_dtype(x) == EK_BFLOAT16 ? gx2(c, ek_over_with, sum, x) : gx2(c, ek_div_no_nan_with, sum, x));
}
