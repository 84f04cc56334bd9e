/* layers/pooling.c - tf.layers.max_pooling1d to 3d, average_pooling1d to 3d. */
#include "layers/spatial.h"

typedef struct pool_call {
    const ek_pooling_options *o;
    int n;
    bool max;
} pool_call;

static bool arguments(ek_graph *g, const pool_call *c, ek_spatial *s, ek_where where)
{
    const ek_pooling_options *o = c->o;

    *s = (ek_spatial){ .n = c->n };
    if (!ek__spatial_tuple(g, "pool_size", c->n, o->pool_size, o->pool_dims, s->kernel, where) ||
        !ek__spatial_tuple(g, "strides", c->n, o->strides, o->stride_dims, s->strides, where) ||
        !ek__spatial_padding(g, o->padding, s, where) ||
        !ek__spatial_format(g, o->data_format, &s->channels_first, where))
        return false;
    if (!s->causal) return true;
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "pooling has no causal padding: \"valid\" or \"same\"");
    return false;
}

/* MaxPool3D, AvgPool, ... */
static ek_tensor pool(ek_tensor x, const pool_call *c, const ek_spatial *s, ek_where where)
{
    static const char *const type[2][2] = { { "AvgPool", "AvgPool3D" }, { "MaxPool", "MaxPool3D" } };
    int64_t ksize[EK_SPATIAL_MOST + 2], strides[EK_SPATIAL_MOST + 2];
    const ek_operand in = ek__of(x);

    ek__spatial_full(s, s->kernel, ksize);
    ek__spatial_full(s, s->strides, strides);
    const ek_attr attr[] = { ek__attr_ints("ksize", ksize, s->n + 2), ek__attr_ints("strides", strides, s->n + 2),
                             ek__attr_string("padding", ek__spatial_padding_name(s)),
                             ek__attr_string("data_format", ek__spatial_name(s)) };
    return ek__call_tensor(&(ek_call){ .type = type[c->max][s->n == 3], .in = &in, .n_in = 1, .attr = attr,
                                       .n_attr = EK_COUNT_OF(attr), .where = where });
}

/* Keras pools a processor's images channels last. */
static ek_tensor pool_channels_last(ek_tensor x, const pool_call *c, ek_spatial s, ek_where where)
{
    const bool moved = s.channels_first;

    s.channels_first = false;
    if (moved) x = ek__move_channels(x, s.n + 2, true, where);
    x = pool(x, c, &s, where);
    return moved ? ek__move_channels(x, s.n + 2, false, where) : x;
}

/* A row of numbers is an image of height n and width 1. */
static ek_tensor pool_row(ek_tensor x, const pool_call *c, ek_spatial s, ek_where where)
{
    const int64_t axis = s.channels_first ? 3 : 2;

    s.n = 2;
    s.kernel[1] = s.strides[1] = 1;
    x = ek_expand_dims_with(&(ek_axis_options){ .size = sizeof(ek_axis_options), .input = x, .axis = axis }, where);
    x = pool_channels_last(x, c, s, where);
    return ek_squeeze_with(&(ek_squeeze_options){ .size = sizeof(ek_squeeze_options), .input = x,
                                                  .axis = EK_INTS(axis) }, where);
}

static ek_tensor body(const ek_layer *l, ek_tensor x, const void *of, ek_where where)
{
    const pool_call *c = of;
    ek_spatial s;

    if (!arguments(l->graph, c, &s, where)) return ek__dead(l->graph);
    if (s.n == 1) return pool_row(x, c, s, where);
    return s.n == 2 ? pool(x, c, &s, where) : pool_channels_last(x, c, s, where);
}

static ek_tensor layer(const char *kind, int n, bool max, ek_tensor x, const ek_pooling_options *o, ek_where where)
{
    if (!EK_OPTIONS_OF(x.graph, o, kind, where)) return ek__dead(x.graph);
    return ek__layer_call(&(ek_layer_args){ .kind = kind, .name = o->name, .reuse = EK_NEW, .rank = n + 2,
                                            .where = where },
                          x, body, &(pool_call){ o, n, max });
}

#define POOLING(function, n, max) \
    ek_tensor ek_##function##_with(ek_tensor x, const ek_pooling_options *o, ek_where where) \
    { \
        return layer(#function, n, max, x, o, where); \
    }
POOLING(max_pooling1d, 1, true)
POOLING(max_pooling2d, 2, true)
POOLING(max_pooling3d, 3, true)
POOLING(average_pooling1d, 1, false)
POOLING(average_pooling2d, 2, false)
POOLING(average_pooling3d, 3, false)
