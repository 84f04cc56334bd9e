/* layers/conv.c - tf.layers.conv1d, conv2d, conv3d: variables and what follows the convolution. */
#include "layers/spatial.h"

/* BiasAdd takes channels first from rank 4 on; below, the bias gets the input's rank. */
static ek_tensor add_bias(ek_tensor y, ek_variable bias, int64_t filters, const ek_spatial *s, ek_where where)
{
    if (s->n > 1 || !s->channels_first)
        return ek__layer_add_bias(y, bias, s->channels_first ? "NCHW" : "NHWC", where);
    const ek_tensor column = ek__reshape(y.graph, ek__v(bias), &EK_SHAPE(1, filters, 1), where);

    return ek__op2(ek_plus_with, ek__of(y), ek__of(column), where);
}

static ek_tensor body(const ek_layer *l, ek_tensor x, const void *of, ek_where where)
{
    const ek_conv_call *c = of;
    const ek_conv_options *o = c->o;
    const ek_shape shape = ek_tensor_shape(x);
    ek_shape kernel_shape = { .rank = c->n + 2 };
    ek_spatial s;
    ek_tensor y;

    if (!ek__spatial_of_conv(l->graph, c->n, o, &s, where)) return ek__dead(l->graph);
    for (int i = 0; i < c->n; i++) kernel_shape.dim[i] = s.kernel[i];
    kernel_shape.dim[c->n] = ek__spatial_channels(l->graph, &s, &shape, where);
    if (kernel_shape.dim[c->n] < 0) return ek__dead(l->graph);
    kernel_shape.dim[c->n + 1] = o->filters;
    const ek_conv_weights w = ek__conv_weights(l, o, kernel_shape, ek_dtype_base(ek_tensor_dtype(x)), where);
    const ek_dilation d = ek__dilation_begin(x, &s, &kernel_shape, where);
    ek_operand filter = ek__v(w.kernel);
    if (s.causal) x = ek__pad_before(x, &s, where);
    y = ek__dilation_apply(x, &d, ek__convolution_op, &filter, where);
    return o->use_bias ? add_bias(y, w.bias, o->filters, &s, where) : y;
}

ek_tensor ek_conv1d_with(ek_tensor x, const ek_conv_options *o, ek_where where)
{
    return ek__conv_layer("conv1d", 1, x, o, body, where);
}

ek_tensor ek_conv2d_with(ek_tensor x, const ek_conv_options *o, ek_where where)
{
    return ek__conv_layer("conv2d", 2, x, o, body, where);
}

ek_tensor ek_conv3d_with(ek_tensor x, const ek_conv_options *o, ek_where where)
{
    return ek__conv_layer("conv3d", 3, x, o, body, where);
}
