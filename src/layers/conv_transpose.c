/* layers/conv_transpose.c - tf.layers.conv2d_transpose, conv3d_transpose: the gradient of a convolution as a layer. How large
 * the output is, the graph computes, whether it is known or not. */
#include "layers/spatial.h"

/* What a dimension of n becomes: n * stride, and where the window is wider and not cut off, the rest of it. */
static int64_t beyond(const ek_spatial *s, int i)
{
    return s->kernel[i] > s->strides[i] ? s->kernel[i] - s->strides[i] : 0;
}

static ek_operand grown(ek_operand n, const ek_spatial *s, int i, ek_where where)
{
    const ek_operand size = ek__of(ek__op2(ek_times_with, n, ek__int(s->strides[i]), where));

    return s->same ? size : ek__of(ek__op2(ek_plus_with, size, ek__int(beyond(s, i)), where));
}

/* The output's shape as a vector, in x's layout. */
static ek_tensor output_shape(ek_tensor x, const ek_spatial *s, int64_t filters, ek_where where)
{
    const int first = s->channels_first ? 2 : 1;
    const ek_tensor shape = ek__op1(ek_shape_with, ek__of(x), NULL, where);
    ek_operand to[EK_SPATIAL_MOST + 2];

    for (int i = 0; i < s->n + 2; i++)
        if (i == 0 || (i >= first && i < first + s->n)) to[i] = ek__of(ek__element(shape, i, where));
    for (int i = 0; i < s->n; i++) to[first + i] = grown(to[first + i], s, i, where);
    to[s->channels_first ? 1 : s->n + 1] = ek__int(filters);
    return ek__int_list(x.graph, "stack", to, s->n + 2, where);
}

static ek_shape known_shape(const ek_shape *x, const ek_spatial *s, int64_t filters)
{
    const int first = s->channels_first ? 2 : 1;
    ek_shape out = *x;

    out.dim[s->channels_first ? 1 : s->n + 1] = filters;
    for (int i = 0; i < s->n; i++) {
        int64_t *dim = &out.dim[first + i];
        if (*dim >= 0 && (__builtin_mul_overflow(*dim, s->strides[i], dim) ||
                          (!s->same && __builtin_add_overflow(*dim, beyond(s, i), dim))))
            *dim = -1;
    }
    return out;
}

static ek_tensor backprop(const char *type, const char *scope, ek_tensor x, ek_tensor to, ek_variable kernel,
                          const ek_spatial *s, ek_where where)
{
    int64_t strides[EK_SPATIAL_MOST + 2];

    ek__spatial_full(s, s->strides, strides);
    const ek_attr attr[] = { ek__attr_ints("strides", strides, s->n + 2),
                             ek__attr_string("padding", ek__spatial_padding_name(s)),
                             ek__attr_string("data_format", ek__spatial_name(s)) };
    return ek__call_tensor(&(ek_call){ .type = type, .name = scope, .n_in = 3, .attr = attr,
                                       .n_attr = EK_COUNT_OF(attr), .where = where,
                                       .in = (ek_operand[]){ ek__of(to), ek__v(kernel), ek__of(x) } });
}

/* Keras has a processor's images channels last, and looks at the first element of the shape, which makes a node. */
static ek_tensor transpose_2d(ek_tensor x, ek_tensor to, ek_variable kernel, ek_spatial s, ek_where where)
{
    static const int order[] = { 0, 2, 3, 1 };
    const bool moved = s.channels_first;
    ek_operand dims[4];
    ek_tensor y;

    s.channels_first = false;
    if (moved) {
        x = ek__move_channels(x, 4, true, where);
        for (int i = 0; i < 4; i++) dims[i] = ek__of(ek__element(to, order[i], where));
        to = ek__int_list(x.graph, "stack", dims, 4, where);
    } else {
        ek__element(to, 0, where);
    }
    y = backprop("Conv2DBackpropInput", "conv2d_transpose", x, to, kernel, &s, where);
    return moved ? ek__move_channels(y, 4, false, where) : y;
}

static bool arguments(ek_graph *g, const ek_conv_call *c, ek_spatial *s, ek_where where)
{
    if (!ek__spatial_of_conv(g, c->n, c->o, s, where)) return false;
    for (int i = 0; i < c->n; i++) {
        if (s->dilation[i] == 1) continue;
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "dilation_rate is no argument of conv%dd_transpose", c->n);
        return false;
    }
    return true;
}

static ek_tensor body(const ek_layer *l, ek_tensor x, const void *of, ek_where where)
{
    const ek_conv_call *c = of;
    const ek_conv_options *o = c->o;
    const ek_shape shape = ek_tensor_shape(x);
    ek_shape kernel_shape = { .rank = c->n + 2 };
    ek_spatial s;

    if (!arguments(l->graph, c, &s, where)) return ek__dead(l->graph);
    for (int i = 0; i < c->n; i++) kernel_shape.dim[i] = s.kernel[i];
    kernel_shape.dim[c->n] = o->filters;
    kernel_shape.dim[c->n + 1] = ek__spatial_channels(l->graph, &s, &shape, where);
    if (kernel_shape.dim[c->n + 1] < 0) return ek__dead(l->graph);
    const ek_conv_weights w = ek__conv_weights(l, o, kernel_shape, ek_dtype_base(ek_tensor_dtype(x)), where);
    const ek_tensor to = output_shape(x, &s, o->filters, where);
    const ek_tensor y = c->n == 2 ? transpose_2d(x, to, w.kernel, s, where)
                                  : backprop("Conv3DBackpropInputV2", "conv3d_transpose", x, to, w.kernel, &s, where);
    if (ek_tensor_ok(y)) ek_set_shape_at(y, known_shape(&shape, &s, o->filters), where);
    return o->use_bias ? ek__layer_add_bias(y, w.bias, s.channels_first ? "NCHW" : "NHWC", where) : y;
}

ek_tensor ek_conv2d_transpose_with(ek_tensor x, const ek_conv_options *o, ek_where where)
{
    return ek__conv_layer("conv2d_transpose", 2, x, o, body, where);
}

ek_tensor ek_conv3d_transpose_with(ek_tensor x, const ek_conv_options *o, ek_where where)
{
    return ek__conv_layer("conv3d_transpose", 3, x, o, body, where);
}
