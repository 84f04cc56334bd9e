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

typedef struct conv_call {
    const ek_conv_options *o;
    int n;
} conv_call;

static ek_tensor body(const ek_layer *l, ek_tensor x, const void *of, ek_where where)
{
    const conv_call *c = of;
    const ek_conv_options *o = c->o;
    const ek_shape shape = ek_tensor_shape(x);
    const ek_dtype dtype = ek_dtype_base(ek_tensor_dtype(x));
    ek_shape kernel_shape = { .rank = c->n + 2 };
    ek_variable kernel, bias = ek__dead_variable(l->graph);
    ek_spatial s;
    ek_tensor y;

    if (!ek__spatial_of_conv(l->graph, c->n, o, &s, where)) return ek__dead(l->graph);
    for (int i = 0; i < c->n; i++) kernel_shape.dim[i] = s.kernel[i];
    kernel_shape.dim[c->n] = ek__spatial_channels(l->graph, &s, &shape, where);
    if (kernel_shape.dim[c->n] < 0) return ek__dead(l->graph);
    kernel_shape.dim[c->n + 1] = o->filters;
    kernel = ek__layer_kernel(l, "kernel", kernel_shape, dtype,
                              (ek_weights){ &o->kernel_initializer, &o->kernel_regularizer, &o->kernel_constraint }, where);
    if (o->use_bias)
        bias = ek__layer_bias(l, o->filters, dtype,
                              (ek_weights){ &o->bias_initializer, &o->bias_regularizer, &o->bias_constraint }, where);
    const ek_dilation d = ek__dilation_begin(x, &s, &kernel_shape, where);
    ek_operand filter = ek__v(kernel);
    if (s.causal) x = ek__pad_before(x, &s, where);
    y = ek__dilation_apply(x, &d, ek__convolution_op, &filter, where);
    return o->use_bias ? add_bias(y, bias, o->filters, &s, where) : y;
}

static ek_tensor convolve(const char *kind, int n, ek_tensor x, const ek_conv_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(x.graph, o, where)) return ek__dead(x.graph);
    return ek__layer_call(&(ek_layer_args){ .kind = kind, .name = o->name, .reuse = (int)o->reuse,
                                            .trainable = o->trainable, .activation = o->activation,
                                            .activity = &o->activity_regularizer, .rank = n + 2, .where = where },
                          x, body, &(conv_call){ o, n });
}

ek_tensor ek_conv1d_with(ek_tensor x, const ek_conv_options *o, ek_where where)
{
    return convolve("conv1d", 1, x, o, where);
}

ek_tensor ek_conv2d_with(ek_tensor x, const ek_conv_options *o, ek_where where)
{
    return convolve("conv2d", 2, x, o, where);
}

ek_tensor ek_conv3d_with(ek_tensor x, const ek_conv_options *o, ek_where where)
{
    return convolve("conv3d", 3, x, o, where);
}
