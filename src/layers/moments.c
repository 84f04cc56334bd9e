/* layers/moments.c - tf.nn.moments, tf.nn.batch_normalization and its old name. */
#include "layers/build.h"

/* ---- moments ------------------------------------------------------------------------------------ */

static ek_tensor mean_over(ek_tensor x, const ek_axes *axes, const char *name, ek_where where)
{
    const ek_attr keep_dims = EK_ATTR_B("keep_dims", true);
    ek_shape indices = { .rank = axes->count };

    for (int i = 0; i < axes->count; i++) indices.dim[i] = axes->axis[i];
    return ek__call_ints(x.graph, "Mean", name, ek__of(x), &indices, &keep_dims, 1, where);
}

static ek_tensor squeeze(ek_tensor x, const ek_axes *axes, ek_where where)
{
    int64_t at[EK_MAX_RANK];

    for (int i = 0; i < axes->count; i++) at[i] = axes->axis[i];
    return EK_EMIT(x.graph, where, "Squeeze", NULL, EK_IN(x), ek__attr_ints("squeeze_dims", at, axes->count));
}

static ek_moments_result moments(const ek_moments_options *o, ek_where where)
{
    ek_graph *g = o->x.graph;
    const bool half = ek_tensor_dtype(o->x) == EK_FLOAT16;
    const ek_tensor x = half ? ek__cast(g, ek__of(o->x), EK_FLOAT32, where).u.tensor : o->x;
    ek_moments_result r;
    ek_tensor deviation;

    r.mean = mean_over(x, &o->axes, "mean", where);
    /* The gradient through this mean is zero anyhow. */
    deviation = ek__emit2("SquaredDifference", x, ek__emit1("StopGradient", r.mean, NULL, where), NULL, where);
    r.variance = mean_over(deviation, &o->axes, "variance", where);
    if (!o->keep_dims) {
        r.mean = squeeze(r.mean, &o->axes, where);
        r.variance = squeeze(r.variance, &o->axes, where);
    }
    if (half) {
        r.mean = ek__cast(g, ek__of(r.mean), EK_FLOAT16, where).u.tensor;
        r.variance = ek__cast(g, ek__of(r.variance), EK_FLOAT16, where).u.tensor;
    }
    return r;
}

ek_moments_result ek_moments_with(const ek_moments_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return (ek_moments_result){ ek__dead(NULL), ek__dead(NULL) };
    ek_graph *g = o->x.graph;
    ek_moments_result r = { ek__dead(g), ek__dead(g) };

    if (g == NULL || !ek_tensor_ok(o->x)) return r;
    if (o->axes.count < 0 || o->axes.count > EK_MAX_RANK) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "ek_moments needs .axes = EK_AXES(...), 0 to %d of them",
                       EK_MAX_RANK);
        return r;
    }
    EK_IN_SCOPE(ek_name_scope_push(g, o->name != NULL ? o->name : "moments", where)) r = moments(o, where);
    return r;
}

/* ---- batch normalization from given statistics ------------------------------------------------------- */

/* offset - mean * inv, or -mean * inv. */
static ek_tensor shift(const ek_nn_batch_normalization_options *o, ek_tensor inv, ek_where where)
{
    ek_tensor minus;

    if (o->offset.kind != 0)
        return ek__op2(ek_minus_with, o->offset, ek__of(ek__op2(ek_times_with, o->mean, ek__of(inv), where)), where);
    minus = ek__op1(ek_negative_with, o->mean, NULL, where);
    return ek__op2(ek_times_with, ek__of(minus), ek__of(inv), where);
}

/* The order of these operations is part of the result's last bits. */
static ek_tensor normalize(const ek_nn_batch_normalization_options *o, ek_where where)
{
    ek_graph *g = o->x.graph;
    const ek_dtype dtype = ek_dtype_base(ek_tensor_dtype(o->x));
    ek_tensor inv = ek__op2(ek_plus_with, o->variance, ek__num(o->variance_epsilon), where), scaled, moved;

    inv = ek__op1(ek_rsqrt_with, ek__of(inv), NULL, where);
    if (o->scale.kind != 0) inv = ek__op2(ek_times_with, ek__of(inv), o->scale, where);
    scaled = ek__op2(ek_times_with, ek__of(o->x), ek__cast(g, ek__of(inv), dtype, where), where);
    moved = ek__cast(g, ek__of(shift(o, inv, where)), dtype, where).u.tensor;
    return ek__op2(ek_plus_with, ek__of(scaled), ek__of(moved), where);
}

ek_tensor ek_nn_batch_normalization_with(const ek_nn_batch_normalization_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    ek_graph *g = o->x.graph;
    ek_tensor y = ek__dead(g);

    if (g == NULL || !ek_tensor_ok(o->x)) return y;
    if (o->mean.kind == 0 || o->variance.kind == 0) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "batch normalization needs .mean and .variance");
        return y;
    }
    EK_IN_SCOPE(ek_name_scope_push(g, o->name != NULL ? o->name : "batchnorm", where)) y = normalize(o, where);
    return y;
}

ek_tensor ek_batch_norm_with_global_normalization_with(const ek_global_normalization_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    ek_nn_batch_normalization_options n = { .size = sizeof n, .x = o->t, .mean = o->m, .variance = o->v,
                                            .offset = o->beta, .variance_epsilon = o->variance_epsilon,
                                            .name = o->name };

    if (o->scale_after_normalization) n.scale = o->gamma;
    return ek_nn_batch_normalization_with(&n, where);
}
