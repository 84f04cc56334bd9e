/* ops/grad_nn.c - gradients of products, biases, activations, losses, convolutions. */
#include "ops/grad.h"

static bool channels_first(const ek_grad *c) { return ek__attr_channels_first(c->n); }

/* ---- products ------------------------------------------------------------------------------------------------- */

static ek_tensor product(const ek_grad *c, ek_tensor a, ek_tensor b, bool ta, bool tb)
{
    return EK_EMIT(c->g, c->where, "MatMul", NULL, EK_IN(a, b), EK_ATTR_B("transpose_a", ta), EK_ATTR_B("transpose_b", tb));
}

void ek__grad_mat_mul(ek_grad *c)
{
    const bool ta = g_flag(c, "transpose_a"), tb = g_flag(c, "transpose_b");
    const ek_tensor a = g_conj(c, g_in(c, 0)), b = g_conj(c, g_in(c, 1)), dy = g_dy(c, 0);

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

/* What flows into each channel's sum goes back to all that were summed. */
void ek__grad_bias_add_grad(ek_grad *c)
{
    const bool first = channels_first(c);
    const ek_tensor shape = g_shape(c, g_in(c, 0)), bias = g_shape(c, g_dy(c, 0));
    const int n = first ? 3 : 2;
    ek_tensor before = gx1(c, ek_ones_like_with, g_part(c, shape, 0, first ? 1 : -1)), behind = before;

    if (first) behind = gx1(c, ek_ones_like_with, g_part(c, shape, 2, 0));
    const ek_tensor to = g_concat(c, (g_piece[]){ g_of(before), g_of(bias), g_of(behind) }, n);
    before = g_part(c, shape, 0, first ? 1 : -1);
    if (first) behind = g_part(c, shape, 2, 0);
    const ek_tensor times = g_concat(c, (g_piece[]){ g_of(before), g_list_num(c, 1), g_of(behind) }, n);
    g_set(c, 0, g2(c, "Tile", g_reshape(c, g_dy(c, 0), to), times));
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

static ek_tensor by_rows(const ek_grad *c, ek_tensor vector, ek_tensor matrix)
{
    return g_times(c, g_expand_dims(c, vector, -1), matrix);
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
        const ek_tensor row = g_expand_dims(c, second, 1), column = g_expand_dims(c, softmax, 2);
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

/* A convolution and its gradients to input and filter. */
typedef struct convolution {
    const char *forward, *to_input, *to_filter;
    const char *const *attrs;
} convolution;
static const convolution conv2d = { "Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter", conv_attrs };
static const convolution conv3d = { "Conv3D", "Conv3DBackpropInputV2", "Conv3DBackpropFilterV2", depthwise_attrs };
static const convolution depthwise = { "DepthwiseConv2dNative", "DepthwiseConv2dNativeBackpropInput",
                                       "DepthwiseConv2dNativeBackpropFilter", depthwise_attrs };

static ek_tensor conv(const ek_grad *c, const char *type, ek_tensor a, ek_tensor b, ek_tensor d, const char *const *attrs)
{
    const ek_tensor in[] = { a, b, d };
    return ek_op_output(g_like(c, type, in, 3, attrs), 0);
}

static void by_shapes(ek_grad *c, const convolution *f)
{
    const ek_tensor in[] = { g_in(c, 0), g_in(c, 1) };
    const ek_op shapes = ek__node_build(c->g, &(ek_node_args){ .type = "ShapeN", .in = in, .n_in = 2, .where = c->where });

    g_set(c, 0, conv(c, f->to_input, ek_op_output(shapes, 0), in[1], g_dy(c, 0), f->attrs));
    g_set(c, 1, conv(c, f->to_filter, in[0], ek_op_output(shapes, 1), g_dy(c, 0), f->attrs));
}

/* Second order: each operand's gradient is that operation of the three for which the other two are at hand. */
static void of_input(ek_grad *c, const convolution *f)
{
    const ek_tensor w = g_in(c, 1), dy = g_dy(c, 0);

    g_set(c, 1, conv(c, f->to_filter, dy, g_shape(c, w), g_in(c, 2), f->attrs));
    g_set(c, 2, ek_op_output(g_like(c, f->forward, EK_IN(dy, w), 2, f->attrs), 0));
}

static void of_filter(ek_grad *c, const convolution *f)
{
    const ek_tensor x = g_in(c, 0), dy = g_dy(c, 0);

    g_set(c, 0, conv(c, f->to_input, g_shape(c, x), dy, g_in(c, 2), f->attrs));
    g_set(c, 2, ek_op_output(g_like(c, f->forward, EK_IN(x, dy), 2, f->attrs), 0));
}

void ek__grad_conv2d(ek_grad *c) { by_shapes(c, &conv2d); }
void ek__grad_conv2d_backprop_input(ek_grad *c) { of_input(c, &conv2d); }
void ek__grad_conv2d_backprop_filter(ek_grad *c) { of_filter(c, &conv2d); }
void ek__grad_conv3d(ek_grad *c) { by_shapes(c, &conv3d); }
void ek__grad_conv3d_backprop_input(ek_grad *c) { of_input(c, &conv3d); }
void ek__grad_conv3d_backprop_filter(ek_grad *c) { of_filter(c, &conv3d); }
void ek__grad_depthwise_backprop_input(ek_grad *c) { of_input(c, &depthwise); }
void ek__grad_depthwise_backprop_filter(ek_grad *c) { of_filter(c, &depthwise); }

void ek__grad_depthwise(ek_grad *c)
{
    const ek_tensor x = g_in(c, 0), w = g_in(c, 1);

    g_set(c, 0, conv(c, depthwise.to_input, g_shape(c, x), w, g_dy(c, 0), depthwise_attrs));
    g_set(c, 1, conv(c, depthwise.to_filter, x, g_shape(c, w), g_dy(c, 0), depthwise_attrs));
}

/* ---- normalization over neighbours ------------------------------------------------------------------------------------ */

void ek__grad_lrn(ek_grad *c)
{
    static const char *const attrs[] = { "depth_radius", "bias", "alpha", "beta", NULL };
    const ek_tensor in[] = { g_dy(c, 0), g_in(c, 0), g_out(c, 0) };

    g_set(c, 0, ek_op_output(g_like(c, "LRNGrad", in, 3, attrs), 0));
}

/* ---- rounding to few values: TensorFlow's own gradient ops -------------------------------------------------------------- */

static void fake_quant(ek_grad *c, const char *type, const char *const *attrs)
{
    ek_tensor in[4] = { g_dy(c, 0) };
    const int n = c->n->n_in;

    for (int i = 0; i < n; i++) in[i + 1] = g_in(c, i);
    const ek_op op = g_like(c, type, in, n + 1, attrs);
    for (int i = 0; i < n; i++) g_set(c, i, ek_op_output(op, i));
}

static const char *const quant_attrs[] = { "num_bits", "narrow_range", NULL };
void ek__grad_fake_quant_args(ek_grad *c)
{
    static const char *const attrs[] = { "min", "max", "num_bits", "narrow_range", NULL };
    fake_quant(c, "FakeQuantWithMinMaxArgsGradient", attrs);
}
void ek__grad_fake_quant_vars(ek_grad *c) { fake_quant(c, "FakeQuantWithMinMaxVarsGradient", quant_attrs); }
void ek__grad_fake_quant_per_channel(ek_grad *c) { fake_quant(c, "FakeQuantWithMinMaxVarsPerChannelGradient", quant_attrs); }
