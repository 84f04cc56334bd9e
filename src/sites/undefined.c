/* sites/undefined.c - shapes of ops that a graph may bring without a definition: convolutions, pooling, resizing,
 * gradients. */
#include "sites/scene.h"

/* The result is shaped like input `like`, or as the value of input `value` says; -1: not so. */
static const struct {
    const char *type;
    int like, value;
} shaped_like[] = {
    {"AvgPool3DGrad", -1, 0},
    {"AvgPoolGrad", -1, 0},
    {"Conv2DBackpropFilter", -1, 1},
    {"Conv2DBackpropInput", -1, 0},
    {"Conv3DBackpropFilterV2", -1, 1},
    {"Conv3DBackpropInputV2", -1, 0},
    {"DepthwiseConv2dNativeBackpropFilter", -1, 1},
    {"DepthwiseConv2dNativeBackpropInput", -1, 0},
    {"FakeQuantWithMinMaxArgs", 0, -1},
    {"FakeQuantWithMinMaxVars", 0, -1},
    {"FakeQuantWithMinMaxVarsPerChannel", 0, -1},
    {"LRN", 0, -1},
    {"LRNGrad", 0, -1},
    {"MaxPool3DGrad", 0, -1},
    {"MaxPoolGrad", 0, -1},
    {"_FusedBatchNormEx", 0, -1},
};

/* Windows that slide over the axes between batch and channels: `filter` says the channels, else they stay. */
static const struct {
    const char *type;
    bool filter, depthwise;
} sliding[] = {
    {"AvgPool", false, false},
    {"AvgPool3D", false, false},
    {"Conv2D", true, false},
    {"Conv3D", true, false},
    {"DepthwiseConv2dNative", true, true},
    {"MaxPool", false, false},
    {"MaxPool3D", false, false},
    {"_FusedConv2D", true, false},
    {"_FusedDepthwiseConv2dNative", true, true},
};

static void from_value(const ek_scene *s, const ek_node *n, int i, ek_shape *out)
{
    const ek_array *dims = i < n->n_in ? s->value[ek__scene_in(s, n, i)] : NULL;
    ek_shape shape = {.rank = 0};

    if (dims == NULL || dims->count > EK_MAX_RANK || (dims->dtype != EK_INT32 && dims->dtype != EK_INT64)) return;
    for (; shape.rank < dims->count; shape.rank++) {
        shape.dim[shape.rank] = ek__array_int(dims, shape.rank);
        if (shape.dim[shape.rank] < 0) return;
    }
    *out = shape;
}

static const ek_attr_value *ints_of(const ek_node *n, const char *name, int count)
{
    const ek_attr_value *a = ek__attr_find(n->attr, n->n_attr, name);

    return a != NULL && a->kind == (EK_ATTR_LIST | EK_ATTR_INT) && a->count == count ? a : NULL;
}

/* Axis a of a window; false where it is not known. */
static bool window_size(const ek_scene *s, const ek_node *n, int k, int a, int rank, int64_t *out)
{
    const ek_attr_value *ksize = ints_of(n, "ksize", rank), *dilation = ints_of(n, "dilations", rank);

    if (!sliding[k].filter) {
        if (ksize != NULL) *out = ksize->u.is[a];
        return ksize != NULL;
    }
    const ek_shape *filter = &s->shape[ek__scene_in(s, n, 1)];
    const int at = a - (ek__attr_channels_first(n) ? 2 : 1);
    *out = (filter->dim[at] - 1) * (dilation != NULL ? dilation->u.is[a] : 1) + 1;
    return true;
}

static void slide(const ek_scene *s, const ek_node *n, int k, ek_shape *out)
{
    const ek_shape in = n->n_in > 0 ? s->shape[ek__scene_in(s, n, 0)] : EK_UNKNOWN_SHAPE;
    const ek_shape filter = sliding[k].filter && n->n_in > 1 ? s->shape[ek__scene_in(s, n, 1)] : EK_UNKNOWN_SHAPE;
    const ek_attr_value *stride = ints_of(n, "strides", in.rank);
    const ek_attr_value *padding = ek__attr_find(n->attr, n->n_attr, "padding");
    const int channels = ek__attr_channels_first(n) ? 1 : in.rank - 1;
    ek_shape shape = in;

    if (in.rank < 3 || stride == NULL || padding == NULL || padding->kind != EK_ATTR_STRING) return;
    if (sliding[k].filter && filter.rank != in.rank) return;
    const bool same = padding->u.s.size == 4 && memcmp(padding->u.s.data, "SAME", 4) == 0;
    for (int a = 1; a < in.rank; a++) {
        const int64_t step = stride->u.is[a];
        int64_t lost = 1;

        if (a == channels) continue;
        if (!same && !window_size(s, n, k, a, in.rank, &lost)) return;
        if (step < 1 || lost < 1 || in.dim[a] < lost) return;
        shape.dim[a] = (in.dim[a] - lost) / step + 1;
    }
    if (sliding[k].filter)
        shape.dim[channels] = filter.dim[filter.rank - 1] * (sliding[k].depthwise ? filter.dim[filter.rank - 2] : 1);
    *out = shape;
}

/* Images of another height and width, channels last. */
static void resized(const ek_scene *s, const ek_node *n, ek_shape *out)
{
    ek_shape shape = s->shape[ek__scene_in(s, n, 0)], size = EK_UNKNOWN_SHAPE;

    from_value(s, n, 1, &size);
    if (shape.rank != 4 || size.rank != 2) return;
    shape.dim[1] = size.dim[0];
    shape.dim[2] = size.dim[1];
    *out = shape;
}

void ek__shape_undefined(ek_scene *s, const ek_node *n)
{
    static const char *const resizes[] = {"ResizeArea", "ResizeBicubic", "ResizeBilinear", "ResizeNearestNeighbor"};
    if (n->n_out < 1) return;
    ek_shape *out = &s->shape[s->first[n->id]];

    for (int k = 0; k < EK_COUNT_OF(sliding); k++)
        if (ek__is_type(n, sliding[k].type)) slide(s, n, k, out);
    if (n->n_in == 2 && ek__is_one_of(n, resizes, EK_COUNT_OF(resizes))) resized(s, n, out);
    for (int i = 0; i < EK_COUNT_OF(shaped_like); i++) {
        if (!ek__is_type(n, shaped_like[i].type)) continue;
        if (shaped_like[i].value >= 0)
            from_value(s, n, shaped_like[i].value, out);
        else if (shaped_like[i].like < n->n_in)
            *out = s->shape[ek__scene_in(s, n, shaped_like[i].like)];
    }
}
