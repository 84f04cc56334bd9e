/* layers/separable.c - convolutions that look at each channel by itself: tf.nn.depthwise_conv2d, tf.nn.separable_conv2d,
 * and the layers of it. */
#include "layers/spatial.h"

/* ---- depthwise ---------------------------------------------------------------------------------- */

typedef struct depthwise_op {
    ek_tensor filter;
    const char *name;
} depthwise_op;

static ek_tensor depthwise_native(ek_tensor x, const ek_spatial *s, const char *padding, void *arg, ek_where where)
{
    const depthwise_op *op = arg;
    int64_t strides[EK_SPATIAL_MOST + 2];

    ek__spatial_full(s, s->strides, strides);
    const ek_attr attr[] = { ek__attr_ints("strides", strides, 4), ek__attr_string("padding", padding),
                             ek__attr_string("data_format", ek__spatial_name(s)) };
    return ek__call_tensor(&(ek_call){ .type = "DepthwiseConv2dNative", .name = op->name, .n_in = 2, .attr = attr,
                                       .in = (ek_operand[]){ ek__of(x), ek__of(op->filter) },
                                       .n_attr = EK_COUNT_OF(attr), .where = where });
}

static ek_tensor depthwise(ek_tensor x, ek_tensor filter, const char *name, const ek_spatial *s, ek_where where)
{
    depthwise_op op = { filter, name };

    if (!ek_tensor_ok(x) || !ek_tensor_ok(ek__op1(ek_shape_with, ek__of(filter), NULL, where))) return ek__dead(x.graph);
    const ek_dilation d = ek__dilation_begin(x, s, NULL, where);

    return ek__dilation_apply(x, &d, depthwise_native, &op, where);
}

/* From tf.nn's arguments; the filter's shape says how large the window is. */
static bool spatial_of(ek_graph *g, const ek_nn_depthwise_options *o, ek_spatial *s, ek_where where)
{
    const ek_shape filter = ek__operand_shape(&o->filter);
    const char *format = o->data_format != NULL ? o->data_format : "NHWC";

    *s = (ek_spatial){ .n = 2, .channels_first = strcmp(format, "NCHW") == 0 };
    if (!ek__spatial_padding(g, o->padding, s, where)) return false;
    if (!s->channels_first && strcmp(format, "NHWC") != 0) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "data_format must be \"NHWC\" or \"NCHW\", found \"%s\"", format);
        return false;
    }
    if (filter.rank != 4 || filter.dim[0] < 0 || filter.dim[1] < 0) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "the filter of a depthwise convolution must be of rank 4 with a window of known size");
        return false;
    }
    for (int i = 0; i < 2; i++) {
        s->kernel[i] = filter.dim[i];
        s->strides[i] = o->strides[i + (s->channels_first ? 2 : 1)];
        s->dilation[i] = o->rate[i];
    }
    return ek__spatial_steps_ok(g, s, where);
}

ek_tensor ek_nn_depthwise_conv2d_with(ek_operand input, const ek_nn_depthwise_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(ek__operand_graph(&input, 1), o, where)) return ek__dead(NULL);
    ek_graph *g = ek__operand_graph((ek_operand[]){ input, o->filter }, 2);
    ek_tensor y = ek__dead(g);
    ek_spatial s;

    if (!EK_GRAPH_OK(g, where) || g->error.code != EK_OK || !spatial_of(g, o, &s, where)) return y;
    EK_IN_SCOPE(ek_name_scope_push(g, o->name != NULL ? o->name : "depthwise", where)) {
        const char *own = ek_name_scope(g);
        const ek_tensor x = ek__operand_tensor(g, &input, EK_DTYPE_NONE, "tensor_in", where);
        y = depthwise(x, ek__operand_tensor(g, &o->filter, EK_DTYPE_NONE, "filter_in", where), own, &s, where);
    }
    return y;
}

/* ---- separable: depthwise, then one point at a time over the channels --------------------------- */

/* tf.nn.separable_conv2d. */
static ek_tensor separable(ek_tensor x, ek_operand by_depth, ek_operand by_point, const ek_spatial *s, ek_where where)
{
    const int64_t ones[] = { 1, 1, 1, 1 };
    const ek_attr attr[] = { ek__attr_ints("strides", ones, 4), ek__attr_string("padding", "VALID"),
                             ek__attr_string("data_format", ek__spatial_name(s)) };
    ek_tensor y = ek__dead(x.graph);

    EK_IN_SCOPE(ek_name_scope_push(x.graph, "separable_conv2d", where)) {
        const char *own = ek_name_scope(x.graph);
        const ek_tensor depth = ek__operand_tensor(x.graph, &by_depth, EK_DTYPE_NONE, NULL, where);
        const ek_tensor point = ek__operand_tensor(x.graph, &by_point, EK_DTYPE_NONE, NULL, where);
        y = depthwise(x, depth, "depthwise", s, where);
        y = ek__call_tensor(&(ek_call){ .graph = x.graph, .type = "Conv2D", .name = own, .n_in = 2, .attr = attr,
                                        .in = (ek_operand[]){ ek__of(y), ek__of(point) },
                                        .n_attr = EK_COUNT_OF(attr), .where = where });
    }
    return y;
}

typedef struct separable_call {
    const ek_separable_options *o;
    int n;
} separable_call;

typedef struct separable_weights {
    ek_variable depthwise, pointwise, bias;
} separable_weights;

static bool arguments(ek_graph *g, const separable_call *c, ek_spatial *s, ek_where where)
{
    const ek_separable_options *o = c->o;
    ek_conv_options conv = { .size = sizeof conv, .filters = o->filters, .kernel_size = o->kernel_size,
                             .strides = o->strides, .padding = o->padding, .data_format = o->data_format,
                             .dilation_rate = o->dilation_rate };

    memcpy(conv.kernel_dims, o->kernel_dims, sizeof conv.kernel_dims);
    memcpy(conv.stride_dims, o->stride_dims, sizeof conv.stride_dims);
    memcpy(conv.dilation_dims, o->dilation_dims, sizeof conv.dilation_dims);
    if (!ek__spatial_of_conv(g, c->n, &conv, s, where)) return false;
    if (o->depth_multiplier <= 0)
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "depth_multiplier must be positive, found %lld",
                       (long long)o->depth_multiplier);
    return o->depth_multiplier > 0;
}

static separable_weights weights(const ek_layer *l, const separable_call *c, const ek_spatial *s, int64_t channels,
                                 ek_dtype dtype, ek_where where)
{
    const ek_separable_options *o = c->o;
    ek_shape depth = { .rank = s->n + 2 }, point = { .rank = s->n + 2 };
    separable_weights w = { .bias = ek__dead_variable(l->graph) };

    for (int i = 0; i < s->n; i++) {
        depth.dim[i] = s->kernel[i];
        point.dim[i] = 1;
    }
    depth.dim[s->n] = channels;
    depth.dim[s->n + 1] = o->depth_multiplier;
    if (__builtin_mul_overflow(channels, o->depth_multiplier, &point.dim[s->n])) point.dim[s->n] = INT64_MAX;
    point.dim[s->n + 1] = o->filters;
    w.depthwise = ek__layer_kernel(l, "depthwise_kernel", depth, dtype,
                                   (ek_weights){ &o->depthwise_initializer, &o->depthwise_regularizer,
                                                 &o->depthwise_constraint }, where);
    w.pointwise = ek__layer_kernel(l, "pointwise_kernel", point, dtype,
                                   (ek_weights){ &o->pointwise_initializer, &o->pointwise_regularizer,
                                                 &o->pointwise_constraint }, where);
    if (o->use_bias)
        w.bias = ek__layer_bias(l, o->filters, dtype,
                                (ek_weights){ &o->bias_initializer, &o->bias_regularizer, &o->bias_constraint }, where);
    return w;
}

static ek_operand expanded(ek_operand x, int64_t axis, ek_where where)
{
    return ek__of(ek__call_tensor(&(ek_call){ .type = "ExpandDims", .in = (ek_operand[]){ x, ek__int(axis) }, .n_in = 2,
                                              .where = where }));
}

/* A row of numbers is an image of height 1. */
static ek_tensor separable_row(ek_tensor x, const separable_weights *w, bool use_bias, const ek_spatial *s, ek_where where)
{
    const int64_t axis = s->channels_first ? 2 : 1;
    ek_spatial image = { .n = 2, .kernel = { 1, s->kernel[0] }, .strides = { s->strides[0], s->strides[0] },
                         .dilation = { 1, s->dilation[0] }, .same = s->same, .channels_first = s->channels_first };

    if (s->causal) x = ek__pad_before(x, s, where);
    const ek_tensor row = expanded(ek__of(x), axis, where).u.tensor;
    const ek_operand depth = expanded(ek__v(w->depthwise), 0, where), point = expanded(ek__v(w->pointwise), 0, where);
    ek_tensor y = ek_tensor_ok(row) ? separable(row, depth, point, &image, where) : row;

    if (use_bias) y = ek__layer_add_bias(y, w->bias, ek__spatial_name(&image), where);
    return ek_squeeze_with(&(ek_squeeze_options){ .size = sizeof(ek_squeeze_options), .input = y,
                                                  .axis = EK_INTS(axis) }, where);
}

static ek_tensor body(const ek_layer *l, ek_tensor x, const void *of, ek_where where)
{
    const separable_call *c = of;
    const ek_shape shape = ek_tensor_shape(x);
    ek_spatial s;
    int64_t channels;
    ek_tensor y;

    if (!arguments(l->graph, c, &s, where)) return ek__dead(l->graph);
    channels = ek__spatial_channels(l->graph, &s, &shape, where);
    if (channels < 0) return ek__dead(l->graph);
    const separable_weights w = weights(l, c, &s, channels, ek_dtype_base(ek_tensor_dtype(x)), where);

    if (l->graph->error.code != EK_OK) return ek__dead(l->graph);
    if (c->n == 1) return separable_row(x, &w, c->o->use_bias, &s, where);
    y = separable(x, ek__v(w.depthwise), ek__v(w.pointwise), &s, where);
    return c->o->use_bias ? ek__layer_add_bias(y, w.bias, ek__spatial_name(&s), where) : y;
}

static ek_tensor layer(const char *kind, int n, ek_tensor x, const ek_separable_options *o, ek_where where)
{
    if (!EK_OPTIONS_OF(x.graph, o, kind, where)) return ek__dead(x.graph);
    return ek__layer_call(&(ek_layer_args){ .kind = kind, .name = o->name, .reuse = (int)o->reuse,
                                            .trainable = o->trainable, .activation = o->activation,
                                            .activity = &o->activity_regularizer, .rank = n + 2, .where = where },
                          x, body, &(separable_call){ o, n });
}

ek_tensor ek_separable_conv1d_with(ek_tensor x, const ek_separable_options *o, ek_where where)
{
    return layer("separable_conv1d", 1, x, o, where);
}

ek_tensor ek_separable_conv2d_with(ek_tensor x, const ek_separable_options *o, ek_where where)
{
    return layer("separable_conv2d", 2, x, o, where);
}
