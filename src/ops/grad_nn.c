/* ops/grad_nn.c - gradients of products, biases, activations, losses, convolutions and pooling. */
#include "ops/grad.h"

static bool flag(const ek_grad *c, const char *name)
{
    const ek_attr_value *v = g_attr(c, name);
    return v != NULL && v->u.b;
}

static bool channels_first(const ek_grad *c) { return ek__attr_channels_first(c->n); }

/* ---- products ------------------------------------------------------------------------------------------------- */

static ek_tensor product(const ek_grad *c, ek_tensor a, ek_tensor b, bool ta, bool tb)
{
    return EK_EMIT(c->g, c->where, "MatMul", NULL, EK_IN(a, b), EK_ATTR_B("transpose_a", ta), EK_ATTR_B("transpose_b", tb));
}

void ek__grad_mat_mul(ek_grad *c)
{
    const bool ta = flag(c, "transpose_a"), tb = flag(c, "transpose_b");
    const ek_tensor a = g_in(c, 0), b = g_in(c, 1), dy = g_dy(c, 0);

    g_set(c, 0, ta ? product(c, b, dy, tb, true) : product(c, dy, b, false, !tb));
    g_set(c, 1, tb ? product(c, dy, a, true, ta) : product(c, a, dy, !ta, false));
}

/* ---- biases ------------------------------------------------------------------------------------------------------ */

void ek__grad_bias_add(ek_grad *c)
{
    static const char *const format[] = { "data_format", NULL };
    const ek_tensor dy = g_dy(c, 0);

    g_set(c, 0, dy);
    g_set(c, 1, ek_op_output(g_like(c, "BiasAddGrad", &dy, 1, format), 0));
}

void ek__grad_bias_add_v1(ek_grad *c)
{
    const ek_tensor dy = g_dy(c, 0), shape = g_shape(c, dy), rank = gx1(c, ek_rank_with, dy);
    const ek_tensor last = gxn(c, ek_minus_with, rank, 1);
    const ek_tensor axes = ek_range_with(c->g, &(ek_range_options){ .size = sizeof(ek_range_options), .start = ek_operand_of_int(0),
                                                                    .limit = ek__of(last), .delta = ek_operand_of_int(1) }, c->where);

    (void)shape;
    g_set(c, 0, dy);
    g_set(c, 1, g_sum(c, dy, axes));
}

/* Elements [from, to) of a vector; a negative end counts from the back, 0 as `to` is the end. */
static ek_tensor part(const ek_grad *c, ek_tensor v, int64_t from, int64_t to)
{
    return ek_strided_slice_with(&(ek_strided_slice_options){
        .size = sizeof(ek_strided_slice_options), .input = v, .begin = EK_INTS(from), .end = EK_INTS(to),
        .strides = EK_INTS(1), .begin_mask = from == 0, .end_mask = to == 0 }, c->where);
}

static ek_tensor joined(const ek_grad *c, const ek_tensor *part_, int n)
{
    return ek_concat_with(&(ek_join_options){ .size = sizeof(ek_join_options), .values = { part_, n } }, c->where);
}

/* What flows into each channel's sum goes back to all that were summed. */
void ek__grad_bias_add_grad(ek_grad *c)
{
    const int behind = channels_first(c) ? 2 : 0; /* dimensions behind the channels */
    const ek_tensor shape = g_shape(c, g_in(c, 0)), bias = g_shape(c, g_dy(c, 0));
    const int64_t channels = -1 - behind;
    ek_tensor small[3], times[3];
    int n = 0;

    small[n++] = gx1(c, ek_ones_like_with, part(c, shape, 0, channels));
    small[n++] = bias;
    if (behind > 0) small[n++] = gx1(c, ek_ones_like_with, part(c, shape, channels + 1, 0));
    const ek_tensor expanded = g_reshape(c, g_dy(c, 0), joined(c, small, n));
    n = 0;
    times[n++] = part(c, shape, 0, channels);
    times[n++] = g_ints(c, (const int64_t[]){ 1 }, 1, "one");
    if (behind > 0) times[n++] = part(c, shape, channels + 1, 0);
    g_set(c, 0, g2(c, "Tile", expanded, joined(c, times, n)));
}

/* ---- activations ---------------------------------------------------------------------------------------------------- */

/* TensorFlow's gradient ops of dy and the output. */
static void by_output(ek_grad *c, const char *type) { g_set(c, 0, g2(c, type, g_dy(c, 0), g_out(c, 0))); }
void ek__grad_relu(ek_grad *c) { by_output(c, "ReluGrad"); }
void ek__grad_relu6(ek_grad *c) { by_output(c, "Relu6Grad"); }
void ek__grad_elu(ek_grad *c) { by_output(c, "EluGrad"); }
void ek__grad_selu(ek_grad *c) { by_output(c, "SeluGrad"); }

void ek__grad_leaky_relu(ek_grad *c)
{
    static const char *const alpha[] = { "alpha", NULL };
    const ek_tensor in[] = { g_dy(c, 0), g_in(c, 0) };

    g_set(c, 0, ek_op_output(g_like(c, "LeakyReluGrad", in, 2, alpha), 0));
}

void ek__grad_softplus(ek_grad *c)
{
    const ek_tensor slope = gx1(c, ek_sigmoid_with, g_in(c, 0));
    g_set(c, 0, g_times(c, g_dy(c, 0), slope));
}

void ek__grad_softsign(ek_grad *c) { g_set(c, 0, g2(c, "SoftsignGrad", g_dy(c, 0), g_in(c, 0))); }

static ek_tensor zeros_shaped(const ek_grad *c, ek_tensor x) { return g_zeros(c, g_shape(c, x), g_dtype(x)); }

/* Linear in what flows in; nothing comes back from where the corner is. */
static void piecewise(ek_grad *c, const char *type)
{
    g_set(c, 0, g2(c, type, g_dy(c, 0), g_in(c, 1)));
    g_set(c, 1, zeros_shaped(c, g_in(c, 1)));
}
void ek__grad_relu_grad(ek_grad *c) { piecewise(c, "ReluGrad"); }
void ek__grad_relu6_grad(ek_grad *c) { piecewise(c, "Relu6Grad"); }

void ek__grad_leaky_relu_grad(ek_grad *c)
{
    static const char *const alpha[] = { "alpha", NULL };
    const ek_tensor in[] = { g_dy(c, 0), g_in(c, 1) };

    g_set(c, 0, ek_op_output(g_like(c, "LeakyReluGrad", in, 2, alpha), 0));
    g_set(c, 1, zeros_shaped(c, g_in(c, 1)));
}

/* Below 0 the slope is the output itself, up to a constant. */
static void exponential(ek_grad *c, const char *type)
{
    const ek_tensor y = g_in(c, 1);

    g_set(c, 0, g2(c, type, g_dy(c, 0), y));
    const ek_tensor below = gxn(c, ek_less_with, y, 0), slope = g_times(c, g_dy(c, 0), g_in(c, 0));
    g_set(c, 1, g3(c, "Select", below, slope, zeros_shaped(c, y)));
}
void ek__grad_elu_grad(ek_grad *c) { exponential(c, "EluGrad"); }
void ek__grad_selu_grad(ek_grad *c) { exponential(c, "SeluGrad"); }

void ek__grad_softplus_grad(ek_grad *c)
{
    EK_AFTER_DY(c) {
        const ek_tensor x = g_in(c, 1);
        g_set(c, 0, g2(c, "SoftplusGrad", g_dy(c, 0), x));
        const ek_tensor top = g_times(c, g_dy(c, 0), g_in(c, 0));
        const ek_tensor falling = gx1(c, ek_exp_with, gx1(c, ek_negative_with, x));
        const ek_tensor sum = gx2(c, ek_plus_with, gxn(c, ek_plus_with, falling, 2), gx1(c, ek_exp_with, x));
        g_set(c, 1, gx2(c, ek_over_with, top, sum));
    }
}

/* ---- softmax and losses ------------------------------------------------------------------------------------------------ */

/* Over the last axis, which stays as 1. */
static ek_tensor sum_last(const ek_grad *c, ek_tensor x)
{
    return ek_reduce_sum_with(&(ek_reduce_options){ .size = sizeof(ek_reduce_options), .x = x, .axis = EK_AXIS(-1),
                                                     .keepdims = true }, c->where);
}

void ek__grad_softmax(ek_grad *c)
{
    const ek_tensor y = g_out(c, 0), sum = sum_last(c, g_times(c, g_dy(c, 0), y));

    g_set(c, 0, g_times(c, gx2(c, ek_minus_with, g_dy(c, 0), sum), y));
}

void ek__grad_log_softmax(ek_grad *c)
{
    const ek_tensor softmax = gx1(c, ek_exp_with, g_out(c, 0)), sum = sum_last(c, g_dy(c, 0));

    g_set(c, 0, gx2(c, ek_minus_with, g_dy(c, 0), g_times(c, sum, softmax)));
}

static ek_tensor expand(const ek_grad *c, ek_tensor x, int64_t axis)
{
    return ek_expand_dims_with(&(ek_axis_options){ .size = sizeof(ek_axis_options), .input = x, .axis = axis }, c->where);
}

static ek_tensor by_rows(const ek_grad *c, ek_tensor vector, ek_tensor matrix)
{
    return g_times(c, expand(c, vector, -1), matrix);
}

void ek__grad_sparse_softmax_cross_entropy(ek_grad *c)
{
    static const char why[] = "Currently there is no way to take the second derivative of "
                              "sparse_softmax_cross_entropy_with_logits due to the fused implementation's interaction with "
                              "tf.gradients()";
    const ek_tensor once = EK_EMIT(c->g, c->where, "PreventGradient", NULL, EK_IN(g_out(c, 1)), ek__attr_string("message", why));

    g_set(c, 0, by_rows(c, g_dy(c, 0), once));
}

/* Whether the gradient is made of zeros for its own sake. */
static bool is_zeros(const ek_grad *c, ek_tensor d)
{
    if (!ek_tensor_ok(d) || strcmp(ek__node(c->g, d.op)->type, "ZerosLike") == 0) return true;
    ek_array *value = ek__constant_value(c->g, ek__edge(d));
    bool zeros = value != NULL;
    for (int64_t i = 0; zeros && i < value->count; i++) zeros = ek_array_get(value, i) == 0;
    ek_array_unref(value);
    return zeros;
}

void ek__grad_softmax_cross_entropy(ek_grad *c)
{
    const ek_tensor logits = g_in(c, 0), second = g_dy(c, 1);
    ek_tensor d = by_rows(c, g_dy(c, 0), g_out(c, 1));

    if (!is_zeros(c, second)) {
        const ek_tensor softmax = gx1(c, ek_softmax_with, logits);
        const ek_tensor row = expand(c, second, 1), column = expand(c, softmax, 2);
        const ek_tensor dot = ek_matmul_with(ek__of(row), &(ek_matmul_options){ .size = sizeof(ek_matmul_options),
                                                                                 .b = ek__of(column) }, c->where);
        const ek_tensor mean = ek_squeeze_with(&(ek_squeeze_options){ .size = sizeof(ek_squeeze_options), .input = dot,
                                                                       .axis = EK_INTS(1) }, c->where);
        const ek_tensor off = gx2(c, ek_minus_with, second, mean);
        d = gx2(c, ek_plus_with, d, g_times(c, off, softmax));
    }
    g_set(c, 0, d);
    const ek_tensor minus = gx1(c, ek_negative_with, gx1(c, ek_log_softmax_with, logits));
    g_set(c, 1, by_rows(c, g_dy(c, 0), minus));
}

void ek__grad_l2_loss(ek_grad *c) { g_set(c, 0, g_times(c, g_in(c, 0), g_dy(c, 0))); }

/* ---- convolutions --------------------------------------------------------------------------------------------------------- */

static const char *const conv_attrs[] = { "strides", "use_cudnn_on_gpu", "padding", "explicit_paddings", "data_format",
                                          "dilations", NULL };
static const char *const depthwise_attrs[] = { "strides", "padding", "data_format", "dilations", NULL };

static ek_tensor conv(const ek_grad *c, const char *type, ek_tensor a, ek_tensor b, ek_tensor d, const char *const *attrs)
{
    const ek_tensor in[] = { a, b, d };
    return ek_op_output(g_like(c, type, in, 3, attrs), 0);
}

void ek__grad_conv2d(ek_grad *c)
{
    const ek_tensor in[] = { g_in(c, 0), g_in(c, 1) };
    const ek_op shapes = ek__node_build(c->g, &(ek_node_args){ .type = "ShapeN", .in = in, .n_in = 2, .where = c->where });

    g_set(c, 0, conv(c, "Conv2DBackpropInput", ek_op_output(shapes, 0), in[1], g_dy(c, 0), conv_attrs));
    g_set(c, 1, conv(c, "Conv2DBackpropFilter", in[0], ek_op_output(shapes, 1), g_dy(c, 0), conv_attrs));
}

void ek__grad_conv2d_backprop_input(ek_grad *c)
{
    const ek_tensor in[] = { g_dy(c, 0), g_in(c, 1) };

    g_set(c, 1, conv(c, "Conv2DBackpropFilter", in[0], g_shape(c, g_in(c, 1)), g_in(c, 2), conv_attrs));
    g_set(c, 2, ek_op_output(g_like(c, "Conv2D", in, 2, conv_attrs), 0));
}

void ek__grad_conv2d_backprop_filter(ek_grad *c)
{
    const ek_tensor in[] = { g_in(c, 0), g_dy(c, 0) };

    g_set(c, 0, conv(c, "Conv2DBackpropInput", g_shape(c, g_in(c, 0)), g_dy(c, 0), g_in(c, 2), conv_attrs));
    g_set(c, 2, ek_op_output(g_like(c, "Conv2D", in, 2, conv_attrs), 0));
}

void ek__grad_depthwise(ek_grad *c)
{
    const ek_tensor x = g_in(c, 0), w = g_in(c, 1);

    g_set(c, 0, conv(c, "DepthwiseConv2dNativeBackpropInput", g_shape(c, x), w, g_dy(c, 0), depthwise_attrs));
    g_set(c, 1, conv(c, "DepthwiseConv2dNativeBackpropFilter", x, g_shape(c, w), g_dy(c, 0), depthwise_attrs));
}

/* ---- pooling ------------------------------------------------------------------------------------------------------------------ */

static const char *const pool_attrs[] = { "ksize", "strides", "padding", "data_format", NULL };

void ek__grad_max_pool(ek_grad *c)
{
    g_set(c, 0, conv(c, "MaxPoolGrad", g_in(c, 0), g_out(c, 0), g_dy(c, 0), pool_attrs));
}

void ek__grad_avg_pool(ek_grad *c)
{
    const ek_tensor in[] = { g_shape(c, g_in(c, 0)), g_dy(c, 0) };
    g_set(c, 0, ek_op_output(g_like(c, "AvgPoolGrad", in, 2, pool_attrs), 0));
}
