/* tests/autodiff/check_test.c - the gradient of every operation against central differences, in float64 where the operation
 * has it; second order where there is one. */
#include <stdlib.h>

#include "autodiff/numeric.h"
#include "ops/emit.h"
#include "ops/registry.h"

typedef struct arg {
    ek_shape shape;
    double low, high;
} arg;
typedef struct op_check {
    const char *name; /* the type; of several checks of one, with words behind it */
    ek_tensor (*build)(ek_graph *g, const ek_tensor *x); /* NULL: a node of that type, of all arguments */
    int n;
    arg x[4];
    int flags;
} op_check;
enum { FIRST = 1, SINGLE = 2 }; /* no second derivative; float32 inside */

/* ---- building -------------------------------------------------------------------------------------------------------- */

#define MORE(type, inputs, ...) EK_EMIT(g, EK_HERE, type, NULL, (inputs), __VA_ARGS__)
#define BUILD(id) static ek_tensor id(ek_graph *g, const ek_tensor *x)

static ek_tensor node(ek_graph *g, const char *type, const ek_tensor *in, int n)
{
    return ek__node_tensor(g, &(ek_node_args){ .type = type, .in = in, .n_in = n, .where = EK_HERE });
}
#define NODE(type, ...) node(g, type, EK_IN(__VA_ARGS__), (int)EK_COUNT_OF(EK_IN(__VA_ARGS__)))

static ek_tensor numbers(ek_graph *g, ek_shape shape, const int32_t *at)
{
    ek_array *a = ek_array_of(EK_INT32, shape, at);
    const ek_tensor t = ek_constant(g, ek_value(a));

    ek_array_unref(a);
    return t;
}
#define INTS(...) numbers(g, EK_SHAPE(sizeof((int32_t[]){ __VA_ARGS__ }) / 4), (int32_t[]){ __VA_ARGS__ })
#define TABLE(rows, columns, ...) numbers(g, EK_SHAPE(rows, columns), (int32_t[]){ __VA_ARGS__ })
#define INT(v) numbers(g, EK_SCALAR, (int32_t[]){ v })
#define ATTR_INTS(name, ...) ek__attr_ints(name, (int64_t[]){ __VA_ARGS__ }, (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / 8))
#define WINDOW(k, s, how) ATTR_INTS("ksize", 1, k, k, 1), ATTR_INTS("strides", 1, s, s, 1), ek__attr_string("padding", how)
#define STRIDES(how) ATTR_INTS("strides", 1, 2, 2, 1), ek__attr_string("padding", how)
#define DEEP_WINDOW ATTR_INTS("ksize", 1, 2, 2, 2, 1), ATTR_INTS("strides", 1, 1, 2, 1, 1), ek__attr_string("padding", "SAME")
#define DEEP_STRIDES ATTR_INTS("strides", 1, 1, 2, 1, 1), ek__attr_string("padding", "SAME")

/* ---- element by element, choices -------------------------------------------------------------------------------------- */

BUILD(leaky_relu) { return MORE("LeakyRelu", EK_IN(x[0]), EK_ATTR_F("alpha", 0.3f)); }
BUILD(leaky_relu_grad) { return MORE("LeakyReluGrad", EK_IN(x[0], x[1]), EK_ATTR_F("alpha", 0.3f)); }
BUILD(polygamma) { return NODE("Polygamma", ek_constant(g, ek_scalar(EK_FLOAT64, 1)), x[0]); }
BUILD(cast) { return ek_cast(NODE("Conj", ek_cast(x[0], EK_COMPLEX128)), EK_FLOAT64); }
BUILD(check_numerics) { return MORE("CheckNumerics", EK_IN(x[0]), ek__attr_string("message", "here")); }
BUILD(ensure_shape)
{
    ek_shape two = EK_SHAPE(2, 3);
    return MORE("EnsureShape", EK_IN(x[0]), EK_ATTR("shape", EK_ATTR_SHAPE, shape, &two));
}
BUILD(identity_n)
{
    const ek_op op = ek__node_build(g, &(ek_node_args){ .type = "IdentityN", .in = x, .n_in = 2, .where = EK_HERE });
    return ek_plus(ek_op_output(op, 0), ek_times(ek_op_output(op, 1), 2.0));
}
BUILD(print) { return MORE("Print", EK_IN(x[0], x[0]), EK_ATTR_I("first_n", 0)); } /* and prints nothing */
BUILD(choose) { return ek_plus(NODE("Select", ek_greater(x[0], x[1]), x[0], ek_square(x[1])), x[0]); }
BUILD(choose_wide) { return NODE("SelectV2", ek_greater(x[0], 0.0), x[0], x[1]); }
BUILD(by_default)
{
    ek_shape two = EK_SHAPE(2, 3);
    return MORE("PlaceholderWithDefault", EK_IN(x[0]), EK_ATTR("shape", EK_ATTR_SHAPE, shape, &two));
}

/* ---- reductions, running sums -------------------------------------------------------------------------------------------- */

BUILD(sum_) { return NODE("Sum", x[0], INTS(1)); }
BUILD(mean_) { return NODE("Mean", x[0], INTS(0, 2)); }
BUILD(max_) { return NODE("Max", x[0], INTS(1)); }
BUILD(min_) { return NODE("Min", x[0], INTS(0)); }
BUILD(prod_) { return NODE("Prod", x[0], INTS(0, 2)); }
BUILD(norm_) { return NODE("EuclideanNorm", x[0], INTS(1)); }
BUILD(cumsum) { return MORE("Cumsum", EK_IN(x[0], INT(1)), EK_ATTR_B("exclusive", true), EK_ATTR_B("reverse", true)); }
BUILD(cumprod) { return MORE("Cumprod", EK_IN(x[0], INT(1)), EK_ATTR_B("exclusive", false), EK_ATTR_B("reverse", false)); }

/* ---- products --------------------------------------------------------------------------------------------------------------- */

BUILD(mat_mul_t) { return MORE("MatMul", EK_IN(x[0], x[1]), EK_ATTR_B("transpose_a", true), EK_ATTR_B("transpose_b", true)); }
BUILD(batch_t) { return MORE("BatchMatMul", EK_IN(x[0], x[1]), EK_ATTR_B("adj_x", true), EK_ATTR_B("adj_y", false)); }
BUILD(band) { return NODE("MatrixBandPart", x[0], INT(1), INT(0)); }

/* ---- shapes ------------------------------------------------------------------------------------------------------------------ */

BUILD(reshape) { return NODE("Reshape", x[0], INTS(3, 2)); }
BUILD(expand) { return NODE("ExpandDims", x[0], INT(1)); }
BUILD(squeeze) { return NODE("Squeeze", x[0]); }
BUILD(transpose) { return NODE("Transpose", x[0], INTS(2, 0, 1)); }
BUILD(conjugate_transpose) { return NODE("ConjugateTranspose", x[0], INTS(1, 0)); }
BUILD(concat) { return NODE("Concat", INT(1), x[0], x[1]); }
BUILD(concat_v2) { return NODE("ConcatV2", x[0], x[1], INT(0)); }
BUILD(pack) { return MORE("Pack", EK_IN(x[0], x[1]), EK_ATTR_I("axis", 1)); }
BUILD(tile) { return NODE("Tile", x[0], INTS(2, 3)); }
BUILD(fill) { return NODE("Fill", INTS(2, 3), x[0]); }
BUILD(stretch) { return NODE("BroadcastTo", x[0], INTS(2, 3, 4)); }
BUILD(pad) { return NODE("Pad", x[0], TABLE(2, 2, 1, 0, 2, 1)); }
BUILD(pad_v2) { return NODE("PadV2", x[0], TABLE(2, 2, 1, 0, 2, 1), ek_constant(g, ek_scalar(EK_FLOAT64, 3))); }
BUILD(mirror_pad) { return MORE("MirrorPad", EK_IN(x[0], TABLE(2, 2, 1, 0, 2, 1)), ek__attr_string("mode", "REFLECT")); }
BUILD(mirror_pad_grad) { return MORE("MirrorPadGrad", EK_IN(x[0], TABLE(2, 2, 1, 0, 1, 1)), ek__attr_string("mode", "SYMMETRIC")); }
BUILD(slice) { return NODE("Slice", x[0], INTS(0, 1), INTS(2, 2)); }
BUILD(strided)
{
    return MORE("StridedSlice", EK_IN(x[0], INTS(0, 3), INTS(2, 0), INTS(1, -2)), EK_ATTR_I("begin_mask", 1), EK_ATTR_I("end_mask", 0),
                EK_ATTR_I("ellipsis_mask", 0), EK_ATTR_I("new_axis_mask", 0), EK_ATTR_I("shrink_axis_mask", 0));
}
BUILD(strided_grad) { return NODE("StridedSliceGrad", INTS(5), INTS(1), INTS(5), INTS(2), x[0]); }
BUILD(reverse)
{
    ek_array *a = ek_array_of(EK_BOOL, EK_SHAPE(2), (uint8_t[]){ 0, 1 });
    const ek_tensor dims = ek_constant(g, ek_value(a));
    ek_array_unref(a);
    return NODE("Reverse", x[0], dims);
}
BUILD(reverse_v2) { return NODE("ReverseV2", x[0], INTS(1)); }
BUILD(reverse_sequence)
{
    return MORE("ReverseSequence", EK_IN(x[0], INTS(2, 3)), EK_ATTR_I("seq_dim", 1), EK_ATTR_I("batch_dim", 0), EK_ATTR_T("Tlen", EK_INT32));
}
BUILD(roll) { return NODE("Roll", x[0], INTS(1, -2), INTS(0, 1)); }
/* Every output counts, each by a weight of its own. */
static ek_tensor outputs(ek_graph *g, ek_op op)
{
    ek_tensor sum = ek_reduce_sum(ek_square(ek_op_output(op, 0)));

    for (int k = 1; k < ek_op_output_count(op); k++) sum = ek_plus(sum, ek_times(ek_reduce_sum(ek_exp(ek_op_output(op, k))), (double)(k + 1)));
    EK_UNUSED(g);
    return sum;
}
#define MANY(op_type, inputs, ...)                                                                                                 \
    outputs(g, ek__node_build(g, &(ek_node_args){ .type = op_type, .in = (inputs), .n_in = EK_COUNT_OF(inputs), .where = EK_HERE,    \
                                                  .attr = (ek_attr[]){ __VA_ARGS__ }, .n_attr = EK_COUNT_OF(((ek_attr[]){ __VA_ARGS__ })) }))
BUILD(split) { return MANY("Split", EK_IN(INT(1), x[0]), EK_ATTR_I("num_split", 2)); }
BUILD(split_v) { return MANY("SplitV", EK_IN(x[0], INTS(1, 3), INT(1)), EK_ATTR_I("num_split", 2)); }
BUILD(unpack) { return MANY("Unpack", EK_IN(x[0]), EK_ATTR_I("num", 2), EK_ATTR_I("axis", 0)); }
BUILD(space_to_batch) { return MORE("SpaceToBatch", EK_IN(x[0], TABLE(2, 2, 0, 1, 1, 0)), EK_ATTR_I("block_size", 2)); }
BUILD(batch_to_space) { return MORE("BatchToSpace", EK_IN(x[0], TABLE(2, 2, 0, 1, 1, 0)), EK_ATTR_I("block_size", 2)); }
BUILD(space_to_batch_nd) { return NODE("SpaceToBatchND", x[0], INTS(2), TABLE(1, 2, 1, 0)); }
BUILD(batch_to_space_nd) { return NODE("BatchToSpaceND", x[0], INTS(2), TABLE(1, 2, 1, 0)); }
BUILD(space_to_depth) { return MORE("SpaceToDepth", EK_IN(x[0]), EK_ATTR_I("block_size", 2)); }
BUILD(depth_to_space) { return MORE("DepthToSpace", EK_IN(x[0]), EK_ATTR_I("block_size", 2)); }

/* ---- rows ------------------------------------------------------------------------------------------------------------------------ */

BUILD(gather) { return NODE("Gather", x[0], INTS(2, 0, 2)); }
BUILD(gather_rows) { return NODE("GatherV2", x[0], INTS(2, 0, 2), INT(0)); }
BUILD(gather_columns) { return NODE("GatherV2", x[0], TABLE(2, 2, 1, 0, 1, 1), INT(1)); }
BUILD(gather_batches) { return MORE("GatherV2", EK_IN(x[0], TABLE(2, 2, 1, 0, 2, 2), INT(2)), EK_ATTR_I("batch_dims", 1)); }
BUILD(gather_nd) { return NODE("GatherNd", x[0], TABLE(3, 2, 1, 0, 1, 0, 0, 2)); }
BUILD(gather_nd_rows) { return NODE("GatherNd", x[0], TABLE(3, 1, 1, 0, 1)); }
BUILD(scatter_nd) { return NODE("ScatterNd", TABLE(2, 1, 3, 1), x[0], INTS(4, 3)); }
BUILD(put) { return NODE("TensorScatterUpdate", x[0], TABLE(2, 1, 2, 0), x[1]); }
BUILD(put_add) { return NODE("TensorScatterAdd", x[0], TABLE(2, 1, 2, 2), x[1]); }
BUILD(put_sub) { return NODE("TensorScatterSub", x[0], TABLE(2, 1, 2, 0), x[1]); }
BUILD(partition) { return MANY("DynamicPartition", EK_IN(x[0], INTS(1, 0, 1)), EK_ATTR_I("num_partitions", 2)); }
BUILD(stitch) { return NODE("DynamicStitch", INTS(2, 0), INTS(1), x[0], x[1]); }
BUILD(stitch_any) { return NODE("ParallelDynamicStitch", INTS(2, 0), INTS(1), x[0], x[1]); }
BUILD(top_k) { return MORE("TopK", EK_IN(x[0]), EK_ATTR_I("k", 2)); }
BUILD(top_k_v2) { return NODE("TopKV2", x[0], INT(2)); }
#define SEGMENT(id, type) BUILD(id) { return NODE(type, x[0], INTS(0, 0, 2)); }
SEGMENT(segment_sum, "SegmentSum")
SEGMENT(segment_mean, "SegmentMean")
SEGMENT(segment_min, "SegmentMin")
SEGMENT(segment_max, "SegmentMax")
SEGMENT(segment_prod, "SegmentProd")
#define UNSORTED(id, type) BUILD(id) { return NODE(type, x[0], INTS(2, 0, 2, -1), INT(3)); }
UNSORTED(unsorted_sum, "UnsortedSegmentSum")
UNSORTED(unsorted_prod, "UnsortedSegmentProd")
/* Without a segment that nobody has: the smallest number of all would stand there. */
BUILD(unsorted_min) { return NODE("UnsortedSegmentMin", x[0], INTS(1, 0, 1, -1), INT(2)); }
BUILD(unsorted_max) { return NODE("UnsortedSegmentMax", x[0], INTS(1, 0, 1, -1), INT(2)); }
#define SPARSE(id, type) BUILD(id) { return NODE(type, x[0], INTS(2, 0, 2), INTS(0, 0, 1)); }
SPARSE(sparse_sum, "SparseSegmentSum")
SPARSE(sparse_mean, "SparseSegmentMean")
SPARSE(sparse_root, "SparseSegmentSqrtN")

/* ---- networks ---------------------------------------------------------------------------------------------------------------------- */

/* Labels that add up to 1, as the op takes for granted. That its gradient by the logits depends on them is no part of
 * TensorFlow's second derivatives: they are constants there. */
BUILD(cross_entropy) { return NODE("SoftmaxCrossEntropyWithLogits", x[0], NODE("Softmax", x[1])); }
BUILD(cross_entropy_of)
{
    ek_array *a = ek_array_of(EK_FLOAT64, EK_SHAPE(2, 3), (double[]){ 0.2, 0.5, 0.3, 0.1, 0.7, 0.2 });
    const ek_tensor labels = ek_constant(g, ek_value(a));
    ek_array_unref(a);
    return NODE("SoftmaxCrossEntropyWithLogits", x[0], labels);
}
BUILD(sparse_cross_entropy) { return NODE("SparseSoftmaxCrossEntropyWithLogits", x[0], INTS(2, 0)); }
BUILD(bias_first) { return MORE("BiasAdd", EK_IN(x[0], x[1]), ek__attr_string("data_format", "NCHW")); }
BUILD(bias_grad_first) { return MORE("BiasAddGrad", EK_IN(x[0]), ek__attr_string("data_format", "NCHW")); }
BUILD(conv) { return MORE("Conv2D", EK_IN(x[0], x[1]), STRIDES("SAME")); }
BUILD(conv_by_input) { return MORE("Conv2DBackpropInput", EK_IN(INTS(1, 4, 4, 2), x[0], x[1]), STRIDES("SAME")); }
BUILD(conv_by_filter) { return MORE("Conv2DBackpropFilter", EK_IN(x[0], INTS(2, 3, 2, 2), x[1]), STRIDES("VALID")); }
BUILD(depthwise) { return MORE("DepthwiseConv2dNative", EK_IN(x[0], x[1]), STRIDES("SAME")); }
BUILD(depthwise_by_input) { return MORE("DepthwiseConv2dNativeBackpropInput", EK_IN(INTS(1, 4, 4, 2), x[0], x[1]), STRIDES("SAME")); }
BUILD(depthwise_by_filter) { return MORE("DepthwiseConv2dNativeBackpropFilter", EK_IN(x[0], INTS(2, 2, 2, 1), x[1]), STRIDES("SAME")); }
BUILD(deep) { return MORE("Conv3D", EK_IN(x[0], x[1]), DEEP_STRIDES); }
BUILD(deep_by_input) { return MORE("Conv3DBackpropInputV2", EK_IN(INTS(1, 2, 4, 2, 1), x[0], x[1]), DEEP_STRIDES); }
BUILD(deep_by_filter) { return MORE("Conv3DBackpropFilterV2", EK_IN(x[0], INTS(2, 2, 1, 1, 2), x[1]), DEEP_STRIDES); }
BUILD(max_pool) { return MORE("MaxPool", EK_IN(x[0]), WINDOW(2, 1, "SAME")); }
BUILD(max_pool_v2) { return MORE("MaxPoolV2", EK_IN(x[0], INTS(1, 2, 2, 1), INTS(1, 1, 1, 1)), ek__attr_string("padding", "VALID")); }
BUILD(max_pool_argmax) { return MORE("MaxPoolWithArgmax", EK_IN(x[0]), WINDOW(2, 1, "SAME")); }
BUILD(max_pool_deep) { return MORE("MaxPool3D", EK_IN(x[0]), DEEP_WINDOW); }
/* Of the argument's own maxima, which stay where they are. */
BUILD(max_pool_grad) { return MORE("MaxPoolGrad", EK_IN(x[0], max_pool(g, x), x[1]), WINDOW(2, 1, "SAME")); }
BUILD(max_pool_grad_grad) { return MORE("MaxPoolGradGrad", EK_IN(x[0], max_pool(g, x), x[1]), WINDOW(2, 1, "SAME")); }
BUILD(max_pool_grad_v2)
{
    const ek_tensor in[] = { x[0], max_pool_v2(g, x), x[1], INTS(1, 2, 2, 1), INTS(1, 1, 1, 1) };
    return MORE("MaxPoolGradV2", in, ek__attr_string("padding", "VALID"));
}
BUILD(max_pool_deep_grad) { return MORE("MaxPool3DGrad", EK_IN(x[0], max_pool_deep(g, x), x[1]), DEEP_WINDOW); }
BUILD(max_pool_deep_grad_grad) { return MORE("MaxPool3DGradGrad", EK_IN(x[0], max_pool_deep(g, x), x[1]), DEEP_WINDOW); }
BUILD(avg_pool) { return MORE("AvgPool", EK_IN(x[0]), WINDOW(2, 1, "SAME")); }
BUILD(avg_pool_deep) { return MORE("AvgPool3D", EK_IN(x[0]), DEEP_WINDOW); }
BUILD(avg_pool_grad) { return MORE("AvgPoolGrad", EK_IN(INTS(1, 3, 3, 2), x[0]), WINDOW(2, 1, "SAME")); }
BUILD(avg_pool_deep_grad) { return MORE("AvgPool3DGrad", EK_IN(INTS(1, 2, 4, 2, 1), x[0]), DEEP_WINDOW); }
BUILD(lrn) { return MORE("LRN", EK_IN(x[0]), EK_ATTR_I("depth_radius", 1), EK_ATTR_F("bias", 1.0f), EK_ATTR_F("alpha", 0.5f), EK_ATTR_F("beta", 0.7f)); }
static const float epsilon = 1e-3f;
#define FUSED(id, version, training, format)                                                                                            \
    BUILD(id)                                                                                                                           \
    {                                                                                                                                   \
        const ek_tensor none = training ? ek_zeros(g, EK_SHAPE(0)) : ek_constant(g, ek_scalar(EK_FLOAT32, 0.2), .shape = EK_SHAPE(2));  \
        const ek_tensor variance = training ? none : ek_constant(g, ek_scalar(EK_FLOAT32, 1.7), .shape = EK_SHAPE(2));                 \
        return MORE("FusedBatchNorm" version, EK_IN(x[0], x[1], x[2], none, variance), EK_ATTR_F("epsilon", epsilon),                  \
                    EK_ATTR_B("is_training", training), ek__attr_string("data_format", format));                                       \
    }
FUSED(fused, "", true, "NHWC")
FUSED(fused_v2, "V2", true, "NCHW")
FUSED(fused_v3, "V3", true, "NHWC")
FUSED(fused_inference, "", false, "NHWC")
FUSED(fused_v2_inference, "V2", false, "NHWC")
FUSED(fused_v3_inference, "V3", false, "NCHW")
BUILD(global_norm)
{
    const ek_tensor in[] = { x[0], ek_constant(g, ek_scalar(EK_FLOAT32, 0.2), .shape = EK_SHAPE(2)), x[1], x[2], x[3] };
    return MORE("BatchNormWithGlobalNormalization", in, EK_ATTR_F("variance_epsilon", epsilon), EK_ATTR_B("scale_after_normalization", true));
}

/* ---- images --------------------------------------------------------------------------------------------------------------------------- */

BUILD(nearest) { return NODE("ResizeNearestNeighbor", x[0], INTS(4, 5)); }
BUILD(bilinear) { return NODE("ResizeBilinear", x[0], INTS(4, 5)); }
BUILD(bicubic) { return NODE("ResizeBicubic", x[0], INTS(4, 5)); }
BUILD(crop) { return NODE("CropAndResize", x[0], x[1], INTS(0, 0), INTS(2, 3)); }
BUILD(quant_args) { return MORE("FakeQuantWithMinMaxArgs", EK_IN(x[0]), EK_ATTR_F("min", -9.0f), EK_ATTR_F("max", -8.0f)); }
/* Outside the range, where differences see what the gradient says: nothing. Inside it is a staircase that is given for a slope. */
BUILD(quant_vars) { return NODE("FakeQuantWithMinMaxVars", x[0], ek_constant(g, ek_scalar(EK_FLOAT32, 0)), ek_constant(g, ek_scalar(EK_FLOAT32, 1))); }
BUILD(quant_channels)
{
    const ek_tensor low = ek_zeros(g, EK_SHAPE(3)), high = ek_ones(g, EK_SHAPE(3));
    return NODE("FakeQuantWithMinMaxVarsPerChannel", x[0], low, high);
}

/* ---- the table --------------------------------------------------------------------------------------------------------------------- */

#define V(n) { { n }, 1 }
#define M(a, b) { { a, b }, 2 }
#define T3(a, b, c) { { a, b, c }, 3 }
#define T4(a, b, c, d) { { a, b, c, d }, 4 }
#define T5(a, b, c, d, e) { { a, b, c, d, e }, 5 }
#define SCALAR { { 0 }, 0 }
#define ON(low, high) NULL, 1, { { M(2, 3), low, high } }, 0
#define ON_FIRST(low, high) NULL, 1, { { M(2, 3), low, high } }, FIRST
/* Shapes that broadcast. */
#define TWO(low, high) NULL, 2, { { M(2, 3), low, high }, { V(3), low, high } }, 0
#define ALIKE(low, high) NULL, 2, { { M(2, 3), low, high }, { M(2, 3), low, high } }, 0
#define OF(build, shape) build, 1, { { shape, -1.5, 2 } }, 0
#define OF2(build, a, b) build, 2, { { a, -1.5, 2 }, { b, -1.5, 2 } }, 0

static const op_check checks[] = {
    { "Abs", ON(-2, 2) }, { "Acos", ON(-0.8, 0.8) }, { "Acosh", ON(1.3, 3) }, { "Add", TWO(-2, 2) }, { "AddV2", TWO(-2, 2) },
    { "AddN", ALIKE(-2, 2) }, { "Asin", ON(-0.8, 0.8) }, { "Asinh", ON(-2, 2) }, { "Atan", ON(-2, 2) },
    { "Atan2", NULL, 2, { { M(2, 3), 0.5, 2 }, { M(2, 3), -2, 2 } }, 0 }, { "Atanh", ON(-0.8, 0.8) },
    { "AvgPool", OF(avg_pool, T4(1, 3, 3, 2)) }, { "AvgPool3D", avg_pool_deep, 1, { { T5(1, 2, 4, 2, 1), -1, 2 } }, SINGLE },
    { "AvgPoolGrad", OF(avg_pool_grad, T4(1, 3, 3, 2)) }, { "AvgPool3DGrad", avg_pool_deep_grad, 1, { { T5(1, 2, 2, 2, 1), -1, 2 } }, SINGLE },
    { "BatchMatMul", OF2(NULL, T3(2, 2, 3), T3(2, 3, 2)) }, { "BatchMatMul, adjoints", OF2(batch_t, T3(2, 3, 2), T3(2, 3, 2)) },
    { "BatchMatMulV2", OF2(NULL, T3(2, 2, 3), T3(1, 3, 2)) },
    { "BatchNormWithGlobalNormalization", global_norm, 4,
      { { T4(2, 1, 2, 2), -1, 2 }, { V(2), 0.5, 2 }, { V(2), -1, 1 }, { V(2), 0.5, 2 } }, FIRST | SINGLE },
    { "BatchToSpace", OF(batch_to_space, T4(4, 1, 2, 1)) }, { "BatchToSpaceND", OF(batch_to_space_nd, T3(4, 2, 2)) },
    { "BiasAdd", OF2(NULL, M(3, 2), V(2)) }, { "BiasAdd, channels first", OF2(bias_first, T4(2, 2, 2, 1), V(2)) },
    { "BiasAddGrad", OF(NULL, M(3, 2)) }, { "BiasAddGrad, channels first", OF(bias_grad_first, T4(2, 2, 2, 1)) },
    { "BiasAddV1", OF2(NULL, M(3, 2), V(2)) }, { "BroadcastTo", OF(stretch, M(3, 1)) }, { "Cast, Conj", OF(cast, M(2, 3)) },
    { "CheckNumerics", OF(check_numerics, M(2, 3)) },
    { "ClipByValue", NULL, 3, { { M(2, 3), -2, 2 }, { SCALAR, -0.9, -0.8 }, { SCALAR, 0.7, 0.8 } }, 0 },
    { "Concat", OF2(concat, M(2, 3), M(2, 1)) }, { "ConcatV2", OF2(concat_v2, M(2, 3), M(1, 3)) },
    { "ConjugateTranspose", OF(conjugate_transpose, M(2, 3)) }, { "Conv2D", OF2(conv, T4(1, 4, 3, 2), T4(2, 2, 2, 2)) },
    { "Conv2DBackpropFilter", OF2(conv_by_filter, T4(1, 4, 3, 2), T4(1, 2, 1, 2)) },
    { "Conv2DBackpropInput", OF2(conv_by_input, T4(2, 2, 2, 2), T4(1, 2, 2, 2)) },
    { "Conv3D", deep, 2, { { T5(1, 2, 4, 2, 1), -1, 2 }, { T5(2, 2, 1, 1, 2), -1, 2 } }, SINGLE },
    { "Conv3DBackpropFilterV2", deep_by_filter, 2, { { T5(1, 2, 4, 2, 1), -1, 2 }, { T5(1, 2, 2, 2, 2), -1, 2 } }, SINGLE },
    { "Conv3DBackpropInputV2", deep_by_input, 2, { { T5(2, 2, 1, 1, 2), -1, 2 }, { T5(1, 2, 2, 2, 2), -1, 2 } }, SINGLE },
    { "Cos", ON(-2, 2) }, { "Cosh", ON(-2, 2) },
    { "CropAndResize", crop, 2, { { T4(1, 5, 5, 2), -1, 2 }, { M(2, 4), 0.31, 0.43 } }, FIRST | SINGLE },
    { "Cumprod", OF(cumprod, M(2, 3)) }, { "Cumsum", OF(cumsum, M(2, 3)) }, { "DepthToSpace", OF(depth_to_space, T4(1, 1, 2, 4)) },
    { "DepthwiseConv2dNative", OF2(depthwise, T4(1, 4, 4, 2), T4(2, 2, 2, 1)) },
    { "DepthwiseConv2dNativeBackpropFilter", OF2(depthwise_by_filter, T4(1, 4, 4, 2), T4(1, 2, 2, 2)) },
    { "DepthwiseConv2dNativeBackpropInput", OF2(depthwise_by_input, T4(2, 2, 2, 1), T4(1, 2, 2, 2)) }, { "Diag", OF(NULL, V(3)) },
    { "DiagPart", OF(NULL, M(3, 3)) }, { "Digamma", ON(0.6, 3) }, { "Div", TWO(0.5, 2) }, { "DivNoNan", TWO(0.5, 2) },
    { "DynamicPartition", OF(partition, M(3, 2)) }, { "DynamicStitch", OF2(stitch, M(2, 2), M(1, 2)) }, { "Elu", ON(-2, 2) },
    { "EnsureShape", OF(ensure_shape, M(2, 3)) }, { "Erf", ON(-2, 2) }, { "Erfc", ON(-2, 2) },
    { "EuclideanNorm", OF(norm_, M(2, 3)) }, { "Exp", ON(-2, 2) }, { "ExpandDims", OF(expand, M(2, 3)) }, { "Expm1", ON(-2, 2) },
    { "FakeQuantWithMinMaxArgs", quant_args, 1, { { M(2, 3), 1, 2 } }, FIRST | SINGLE },
    { "FakeQuantWithMinMaxVars", quant_vars, 1, { { M(2, 3), 2, 3 } }, FIRST | SINGLE },
    { "FakeQuantWithMinMaxVarsPerChannel", quant_channels, 1, { { M(2, 3), 2, 3 } }, FIRST | SINGLE },
    { "Fill", OF(fill, SCALAR) }, { "FloorMod", NULL, 2, { { M(2, 3), 2.3, 2.9 }, { V(3), 1.1, 1.2 } }, 0 },
#define NORMALIZED(name, build) { name, build, 3, { { T4(2, 2, 2, 2), -1, 2 }, { V(2), 0.5, 1.5 }, { V(2), -1, 1 } }, SINGLE }
    NORMALIZED("FusedBatchNorm", fused), NORMALIZED("FusedBatchNormV2", fused_v2), NORMALIZED("FusedBatchNormV3", fused_v3),
    NORMALIZED("FusedBatchNorm, inference", fused_inference), NORMALIZED("FusedBatchNormV2, inference", fused_v2_inference),
    NORMALIZED("FusedBatchNormV3, inference", fused_v3_inference), { "Gather", OF(gather, M(3, 2)) },
    { "GatherNd", OF(gather_nd, M(2, 3)) }, { "GatherNd, rows", OF(gather_nd_rows, M(2, 3)) },
    { "GatherV2, rows", OF(gather_rows, M(3, 2)) }, { "GatherV2, columns", OF(gather_columns, T3(2, 2, 2)) },
    { "GatherV2, batches", OF(gather_batches, T3(2, 2, 3)) }, { "Identity", ON(-2, 2) }, { "IdentityN", OF2(identity_n, M(2, 3), V(3)) },
    { "Inv", ON(0.5, 2) }, { "InvGrad", ALIKE(0.5, 2) }, { "L2Loss", ON(-2, 2) }, { "LRN", lrn, 1, { { T4(1, 2, 2, 3), -1, 2 } }, FIRST | SINGLE },
    { "LeakyRelu", OF(leaky_relu, M(2, 3)) }, { "LeakyReluGrad", OF2(leaky_relu_grad, M(2, 3), M(2, 3)) }, { "Lgamma", ON(0.6, 3) },
    { "Log", ON(0.5, 2) }, { "Log1p", ON(-0.5, 2) }, { "LogSoftmax", ON(-2, 2) }, { "MatMul", OF2(NULL, M(2, 3), M(3, 2)) },
    { "MatMul, transposed", OF2(mat_mul_t, M(3, 2), M(2, 3)) }, { "MatrixBandPart", OF(band, T3(2, 3, 3)) },
    { "MatrixDiag", OF(NULL, M(2, 3)) }, { "MatrixDiagPart", OF(NULL, T3(2, 3, 3)) }, { "MatrixDiagPart, not square", OF(NULL, T3(2, 2, 3)) },
    { "MatrixSetDiag", OF2(NULL, T3(2, 2, 3), M(2, 2)) }, { "Max", OF(max_, M(2, 3)) }, { "MaxPool", OF(max_pool, T4(1, 3, 3, 2)) },
    { "MaxPool3D", max_pool_deep, 1, { { T5(1, 2, 4, 2, 1), -2, 2 } }, SINGLE },
    { "MaxPool3DGrad", max_pool_deep_grad, 2, { { T5(1, 2, 4, 2, 1), -2, 2 }, { T5(1, 2, 2, 2, 1), -1, 2 } }, SINGLE },
    { "MaxPool3DGradGrad", max_pool_deep_grad_grad, 2, { { T5(1, 2, 4, 2, 1), -2, 2 }, { T5(1, 2, 4, 2, 1), -1, 2 } }, SINGLE },
    { "MaxPoolGrad", OF2(max_pool_grad, T4(1, 3, 3, 2), T4(1, 3, 3, 2)) },
    { "MaxPoolGradGrad", OF2(max_pool_grad_grad, T4(1, 3, 3, 2), T4(1, 3, 3, 2)) },
    { "MaxPoolGradV2", max_pool_grad_v2, 2, { { T4(1, 3, 3, 2), -2, 2 }, { T4(1, 2, 2, 2), -1, 2 } }, FIRST },
    { "MaxPoolV2", OF(max_pool_v2, T4(1, 3, 3, 2)) }, { "MaxPoolWithArgmax", max_pool_argmax, 1, { { T4(1, 3, 3, 2), -2, 2 } }, FIRST },
    { "Maximum", TWO(-2, 2) }, { "Mean", OF(mean_, T3(2, 3, 2)) }, { "Min", OF(min_, M(2, 3)) }, { "Minimum", TWO(-2, 2) },
    { "MirrorPad", OF(mirror_pad, M(3, 3)) }, { "MirrorPadGrad", OF(mirror_pad_grad, M(3, 4)) }, { "Mul", TWO(-2, 2) },
    { "MulNoNan", ALIKE(0.5, 2) }, { "Neg", ON(-2, 2) }, { "Pack", OF2(pack, M(2, 3), M(2, 3)) }, { "Pad", OF(pad, M(2, 2)) },
    { "PadV2", OF(pad_v2, M(2, 2)) }, { "ParallelDynamicStitch", OF2(stitch_any, M(2, 2), M(1, 2)) },
    { "PlaceholderWithDefault", OF(by_default, M(2, 3)) }, { "Polygamma", OF(polygamma, M(2, 3)) }, { "Pow", TWO(0.5, 2) },
    { "Print", OF(print, M(2, 3)) }, { "Prod", OF(prod_, T3(2, 2, 2)) }, { "RGBToHSV", NULL, 1, { { M(4, 3), 0.1, 0.9 } }, FIRST },
    { "RealDiv", TWO(0.5, 2) }, { "Reciprocal", ON(0.5, 2) }, { "Relu", ON(-2, 2) }, { "ReluGrad", ALIKE(-2, 2) }, { "Relu6", ON(-3, 8) },
    { "Relu6Grad", ALIKE(-3, 8) }, { "Reshape", OF(reshape, M(2, 3)) }, { "ResizeBicubic", bicubic, 1, { { T4(1, 2, 3, 1), -1, 2 } }, FIRST | SINGLE },
    { "ResizeBilinear", bilinear, 1, { { T4(1, 2, 3, 1), -1, 2 } }, FIRST | SINGLE },
    { "ResizeNearestNeighbor", nearest, 1, { { T4(1, 2, 3, 1), -1, 2 } }, FIRST }, { "Reverse", OF(reverse, M(2, 3)) },
    { "ReverseSequence", OF(reverse_sequence, M(2, 3)) }, { "ReverseV2", OF(reverse_v2, M(2, 3)) }, { "Roll", OF(roll, M(2, 3)) },
    { "Rsqrt", ON(0.5, 2) }, { "RsqrtGrad", ALIKE(0.5, 2) }, { "ScatterNd", OF(scatter_nd, M(2, 3)) }, { "SegmentMax", OF(segment_max, M(3, 2)) },
    { "SegmentMean", OF(segment_mean, M(3, 2)) }, { "SegmentMin", OF(segment_min, M(3, 2)) }, { "SegmentProd", OF(segment_prod, M(3, 2)) },
    { "SegmentSum", OF(segment_sum, M(3, 2)) }, { "Select", OF2(choose, M(2, 3), M(2, 3)) }, { "SelectV2", OF2(choose_wide, M(2, 3), V(3)) },
    { "Selu", ON(-2, 2) }, { "Sigmoid", ON(-2, 2) }, { "SigmoidGrad", ALIKE(0.2, 0.8) }, { "Sign", ON(-2, 2) }, { "Sin", ON(-2, 2) },
    { "Sinh", ON(-2, 2) }, { "Slice", OF(slice, M(2, 3)) }, { "Softmax", ON(-2, 2) },
    { "SoftmaxCrossEntropyWithLogits", cross_entropy, 2, { { M(2, 3), -2, 2 }, { M(2, 3), -2, 2 } }, FIRST },
    { "SoftmaxCrossEntropyWithLogits, labels", OF(cross_entropy_of, M(2, 3)) },
    { "Softplus", ON(-2, 2) }, { "SoftplusGrad", ALIKE(-2, 2) }, { "Softsign", ON_FIRST(-2, 2) }, { "SpaceToBatch", OF(space_to_batch, T4(1, 1, 3, 1)) },
    { "SpaceToBatchND", OF(space_to_batch_nd, T3(2, 3, 2)) }, { "SpaceToDepth", OF(space_to_depth, T4(1, 2, 4, 1)) },
    { "SparseSegmentMean", sparse_mean, 1, { { M(3, 2), -1, 2 } }, FIRST }, { "SparseSegmentSqrtN", sparse_root, 1, { { M(3, 2), -1, 2 } }, FIRST },
    { "SparseSegmentSum", OF(sparse_sum, M(3, 2)) },
    { "SparseSoftmaxCrossEntropyWithLogits", sparse_cross_entropy, 1, { { M(2, 3), -2, 2 } }, FIRST }, { "Split", OF(split, M(2, 4)) },
    { "SplitV", OF(split_v, M(2, 4)) }, { "Sqrt", ON(0.5, 2) }, { "SqrtGrad", ALIKE(0.5, 2) }, { "Square", ON(-2, 2) },
    { "SquaredDifference", TWO(-2, 2) }, { "Squeeze", OF(squeeze, T3(2, 1, 3)) }, { "StridedSlice", OF(strided, M(2, 4)) },
    { "StridedSliceGrad", OF(strided_grad, V(2)) }, { "Sub", TWO(-2, 2) }, { "Sum", OF(sum_, M(2, 3)) }, { "Tan", ON(-1, 1) }, { "Tanh", ON(-2, 2) },
    { "TanhGrad", ALIKE(-0.8, 0.8) }, { "TensorScatterAdd", OF2(put_add, M(3, 2), M(2, 2)) }, { "TensorScatterSub", OF2(put_sub, M(3, 2), M(2, 2)) },
    { "TensorScatterUpdate", OF2(put, M(3, 2), M(2, 2)) }, { "Tile", OF(tile, M(2, 2)) }, { "TopK", OF(top_k, M(2, 4)) },
    { "TopKV2", OF(top_k_v2, M(2, 4)) }, { "Transpose", OF(transpose, T3(2, 3, 2)) }, { "Unpack", OF(unpack, M(2, 3)) },
    { "UnsortedSegmentMax", OF(unsorted_max, M(4, 2)) }, { "UnsortedSegmentMin", OF(unsorted_min, M(4, 2)) },
    { "UnsortedSegmentProd", OF(unsorted_prod, M(4, 2)) }, { "UnsortedSegmentSum", OF(unsorted_sum, M(4, 2)) }, { "Xdivy", TWO(0.5, 2) },
    { "Xlogy", TWO(0.5, 2) },
};

/* ---- the check -------------------------------------------------------------------------------------------------------------------------- */

static ek_tensor built(ek_graph *g, const op_check *k, const ek_tensor *x)
{
    const size_t n = strcspn(k->name, ",");
    char type[64];

    snprintf(type, sizeof type, "%.*s", (int)n, k->name);
    return k->build != NULL ? k->build(g, x) : node(g, type, x, k->n);
}

/* Which types a check's graph had when its gradients were built. */
static void mark(const ek_graph *g, bool *seen)
{
    int count;
    const ek_op_gradient *all = ek__op_gradients(&count);

    for (int32_t i = 0; i < g->n_nodes; i++) {
        const ek_op_gradient *f = ek__op_gradient(g->node[i]->type);
        if (f != NULL) seen[f - all] = true;
    }
}

static void check(const op_check *k, bool *seen)
{
    const bool single = (k->flags & SINGLE) != 0;
    numeric t = { .g = ek_graph_create(), .step = single ? 1e-2 : 1e-5, .tolerance = single ? 2e-3 : 1e-6, .name = k->name, .random = 5 };
    ek_error err = { 0 };
    ek_tensor x[4];

    for (int i = 0; i < k->n; i++) {
        x[i] = ek_placeholder(t.g, EK_FLOAT64, .shape = k->x[i].shape);
        numeric_feed(&t, x[i], numeric_spread(&t, EK_FLOAT64, k->x[i].shape, k->x[i].low, k->x[i].high));
        if (single) x[i] = ek_cast(x[i], EK_FLOAT32);
    }
    const ek_tensor y = built(t.g, k, x);
    if (ek_graph_status(t.g, &err) != EK_OK) fail_msg("%s: %s", k->name, err.text);
    t.s = ek_session_create(t.g, .threads = 1);
    /* The square lets the second derivative of what is linear be something. */
    numeric_check(&t, (k->flags & FIRST) != 0 ? y : ek_times(y, y), (k->flags & FIRST) == 0);
    mark(t.g, seen);
    numeric_end(&t);
}

/* Not differentiated by a node of its own in a session: conditionals, variables, what always fails. */
static bool elsewhere(const char *type)
{
    static const char *const other[] = { "Merge", "PreventGradient", "ReadVariableOp", "RefIdentity", "RefMerge", "RefSwitch",
                                         "ResourceGather", "Switch" };

    for (int i = 0; i < (int)EK_COUNT_OF(other); i++)
        if (strcmp(other[i], type) == 0) return true;
    return false;
}

static void gradients_are_what_differences_say(void **state)
{
    int count;
    const ek_op_gradient *all = ek__op_gradients(&count);
    bool *seen = calloc((size_t)count, sizeof *seen);

    EK_UNUSED(state);
    for (int i = 0; i < (int)EK_COUNT_OF(checks); i++) check(&checks[i], seen);
    for (int i = 0; i < count; i++)
        if (!seen[i] && !elsewhere(all[i].type)) fail_msg("no check has a node %s", all[i].type);
    free(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_what_differences_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
