/* ops/grad_bn.c - gradients of the fused batch norms, and those of the gradients. (A composed one has none of its own: it is made of ordinary
 * operations.) */
#include "ops/grad.h"

static bool training(const ek_grad *c)
{
    const ek_attr_value *v = g_attr(c, "is_training");
    return v == NULL || v->u.b;
}

static ek_tensor turned(const ek_grad *c, ek_tensor x, bool to_last)
{
    static const int64_t last[] = { 0, 2, 3, 1 }, first[] = { 0, 3, 1, 2 };

    return ek_transpose_with(&(ek_transpose_options){ .size = sizeof(ek_transpose_options), .input = x,
                                                      .perm = { to_last ? last : first, 4 } }, c->where);
}

/* In training 1.15 hands the op's two empty outputs to its inputs mean and variance, which are empty too. Later versions
 * feed the moving statistics there, which get nothing. */
static bool without_mean(const ek_grad *c)
{
    const ek_shape mean = ek_tensor_shape(g_in(c, 3));
    return ek_shape_count(&mean) == 0;
}

/* Version 0, 2 or 3: FusedBatchNormGrad of dy, x, scale and what the forward pass kept, or in inference the moving
 * statistics; on channels first in inference around transpositions, as TensorFlow has it. */
static void fused(ek_grad *c, int version)
{
    static const char *const type[] = { "FusedBatchNormGrad", NULL, "FusedBatchNormGradV2", "FusedBatchNormGradV3" };
    static const char *const attrs[] = { "epsilon", "data_format", "is_training", NULL };
    static const char *const no_format[] = { "epsilon", "is_training", NULL };
    const bool train = training(c), turn = !train && ek__attr_channels_first(c->n);
    ek_tensor x = g_in(c, 0), dy = g_dy(c, 0);

    if (turn) {
        x = turned(c, x, true);
        dy = turned(c, dy, true);
    }
    const ek_tensor in[] = { dy, x, g_in(c, 1), train ? g_out(c, 3) : g_in(c, 3), train ? g_out(c, 4) : g_in(c, 4),
                             version == 3 ? g_out(c, 5) : dy };
    const ek_op op = g_like(c, type[version], in, version == 3 ? 6 : 5, turn ? no_format : attrs);
    g_set(c, 0, turn ? turned(c, ek_op_output(op, 0), false) : ek_op_output(op, 0));
    for (int k = 1; k < (train && without_mean(c) ? 5 : 3); k++) g_set(c, k, ek_op_output(op, k));
}

void ek__grad_fused_batch_norm(ek_grad *c) { fused(c, 0); }
void ek__grad_fused_batch_norm_v2(ek_grad *c) { fused(c, 2); }
void ek__grad_fused_batch_norm_v3(ek_grad *c) { fused(c, 3); }

void ek__grad_global_norm(ek_grad *c)
{
    static const char *const attrs[] = { "variance_epsilon", "scale_after_normalization", NULL };
    const ek_tensor in[] = { g_in(c, 0), g_in(c, 1), g_in(c, 2), g_in(c, 4), g_dy(c, 0) };
    const ek_op op = g_like(c, "BatchNormWithGlobalNormalizationGrad", in, 5, attrs);

    for (int k = 0; k < 5; k++) g_set(c, k, ek_op_output(op, k));
}

/* ---- second order --------------------------------------------------------------------------------------------- */

/* The gradient op's own formula, composed of ordinary operations (Python's _BatchNormGrad), and its gradients. */
typedef struct formula {
    const ek_grad *c;
    ek_axes axes;
    bool keep;      /* channels first: statistics keep their dimensions */
    double epsilon;
    ek_tensor dx, dscale, doffset;
} formula;

static ek_tensor reduce(const formula *f, ek_tensor (*with)(const ek_reduce_options *o, ek_where where), ek_tensor x, bool keep)
{
    return with(&(ek_reduce_options){ .size = sizeof(ek_reduce_options), .x = x, .axis = f->axes, .keepdims = keep }, f->c->where);
}
static ek_tensor mean(const formula *f, ek_tensor x) { return reduce(f, ek_reduce_mean_with, x, f->keep); }
static ek_tensor minus(const formula *f, ek_tensor x, ek_tensor y) { return gx2(f->c, ek_minus_with, x, y); }
static ek_tensor times(const formula *f, ek_tensor x, ek_tensor y) { return g_times(f->c, x, y); }
static ek_tensor with_epsilon(const formula *f, ek_tensor v) { return gxn(f->c, ek_plus_with, v, f->epsilon); }
static ek_tensor inverse_root(const formula *f, ek_tensor v) { return gx1(f->c, ek_rsqrt_with, with_epsilon(f, v)); }

/* A vector of channels as [1, C, 1, 1]. */
static ek_tensor upright(const ek_grad *c, ek_tensor v)
{
    const ek_tensor size = gx1(c, ek_size_with, v);
    ek_tensor out = v;

    EK_NAMED(c, "Reshape") {
        const char *own = ek_name_scope(c->g);
        const ek_tensor to = g_pack(c, "shape", (g_piece[]){ g_num(c, 1), g_of(size), g_num(c, 1), g_num(c, 1) }, 4);
        out = ek__emit2("Reshape", v, to, own, c->where);
    }
    return out;
}

static void in_training(formula *f, ek_tensor dy, ek_tensor x, ek_tensor scale)
{
    if (f->keep) scale = upright(f->c, scale);
    const ek_tensor mean_dy = mean(f, dy), mean_x = mean(f, x);
    const ek_tensor still = gx1(f->c, ek_stop_gradient_with, mean_x);
    const ek_tensor variance = mean(f, gx2(f->c, ek_squared_difference_with, x, still));
    const ek_tensor dy_off = minus(f, dy, mean_dy), x_off = minus(f, x, mean_x);
    const ek_tensor both = mean(f, times(f, dy, x_off));
    const ek_tensor scaled = times(f, scale, inverse_root(f, variance));
    const ek_tensor slope = times(f, gx1(f->c, ek_reciprocal_with, with_epsilon(f, variance)), both);
    f->dx = times(f, scaled, minus(f, dy_off, times(f, slope, x_off)));
    const ek_tensor root = inverse_root(f, variance);
    f->dscale = times(f, root, reduce(f, ek_reduce_sum_with, times(f, dy, x_off), f->keep));
    if (f->keep)
        f->dscale = ek_squeeze_with(&(ek_squeeze_options){ .size = sizeof(ek_squeeze_options), .input = f->dscale,
                                                           .axis = EK_INTS(0, 2, 3) }, f->c->where);
    f->doffset = reduce(f, ek_reduce_sum_with, dy, false);
}

static void in_inference(formula *f, ek_tensor dy, ek_tensor x, ek_tensor scale)
{
    ek_tensor moving_mean = g_in(f->c, 3), moving_variance = g_in(f->c, 4);

    if (f->keep) {
        moving_mean = upright(f->c, moving_mean);
        moving_variance = upright(f->c, moving_variance);
        scale = upright(f->c, scale);
    }
    f->doffset = reduce(f, ek_reduce_sum_with, dy, false);
    const ek_tensor root = inverse_root(f, moving_variance);
    const ek_tensor off = minus(f, x, moving_mean);
    f->dscale = reduce(f, ek_reduce_sum_with, times(f, times(f, dy, off), root), false);
    f->dx = times(f, times(f, dy, scale), root);
}

void ek__grad_fused_batch_norm_grad(ek_grad *c)
{
    const ek_tensor dy = g_in(c, 0), x = g_in(c, 1), scale = g_in(c, 2);
    const ek_attr_value *epsilon = g_attr(c, "epsilon");
    const ek_dtype dtype = g_dtype(x);
    const bool first = ek__attr_channels_first(c->n);
    ek_item y[3], arg[] = { ek_item_of_tensor(dy), ek_item_of_tensor(x), ek_item_of_tensor(scale) };
    ek_gradient flow[3];
    int n = 0;
    formula f = { .c = c, .keep = first, .epsilon = epsilon != NULL ? (double)epsilon->u.f : 1e-4,
                  .axes = first ? EK_AXES(0, 2, 3) : EK_AXES(0, 1, 2) };

    const ek_tensor wide_x = g_cast(c, x, EK_FLOAT32), wide_dy = g_cast(c, dy, EK_FLOAT32);
    if (training(c)) in_training(&f, wide_dy, wide_x, scale);
    else in_inference(&f, wide_dy, wide_x, scale);
    f.dx = g_cast(c, f.dx, dtype);
    const ek_tensor out[] = { f.dx, f.dscale, f.doffset };
    for (int k = 0; k < 3; k++) {
        if (!ek_tensor_ok(g_dy(c, k))) continue;
        y[n] = ek_item_of_tensor(out[k]);
        flow[n++] = c->dy[k];
    }
    const ek_list xs = { c->g, arg, 3 };
    const ek_gradients_options o = { .size = sizeof o, .xs = xs, .grad_ys = flow, .stop_gradients = xs };
    const ek_gradient_list d = ek_gradients_with((ek_list){ c->g, y, n }, &o, c->where);
    for (int k = 0; k < 3 && k < d.count; k++) c->dx[k] = d.at[k];
}
