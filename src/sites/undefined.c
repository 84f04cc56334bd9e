/* sites/undefined.c - shapes of ops that a graph may bring without a definition: those that TensorFlow fused. */
#include "sites/scene.h"

/* Filters that slide over the axes between batch and channels, and say the channels. */
static const struct {
    const char *type;
    bool depthwise;
} sliding[] = {
    {"_FusedConv2D", false},
    {"_FusedDepthwiseConv2dNative", true},
};

static const ek_attr_value *ints_of(const ek_node *n, const char *name, int count)
{
    const ek_attr_value *a = ek__attr_find(n->attr, n->n_attr, name);

    return a != NULL && a->kind == (EK_ATTR_LIST | EK_ATTR_INT) && a->count == count ? a : NULL;
}

/* How far a filter reaches along axis a of the image. */
static int64_t extent(const ek_node *n, const ek_shape *filter, int a)
{
    const ek_attr_value *dilation = ints_of(n, "dilations", filter->rank);
    const int at = a - (ek__attr_channels_first(n) ? 2 : 1);

    return (filter->dim[at] - 1) * (dilation != NULL ? dilation->u.is[a] : 1) + 1;
}

static void slide(const ek_scene *s, const ek_node *n, int k, ek_shape *out)
{
    const ek_shape in = n->n_in > 0 ? s->shape[ek__scene_in(s, n, 0)] : EK_UNKNOWN_SHAPE;
    const ek_shape filter = n->n_in > 1 ? s->shape[ek__scene_in(s, n, 1)] : EK_UNKNOWN_SHAPE;
    const ek_attr_value *stride = ints_of(n, "strides", in.rank);
    const ek_attr_value *padding = ek__attr_find(n->attr, n->n_attr, "padding");
    const int channels = ek__attr_channels_first(n) ? 1 : in.rank - 1;
    ek_shape shape = in;

    if (in.rank < 3 || stride == NULL || padding == NULL || padding->kind != EK_ATTR_STRING) return;
    if (filter.rank != in.rank) return;
    const bool same = padding->u.s.size == 4 && memcmp(padding->u.s.data, "SAME", 4) == 0;
    for (int a = 1; a < in.rank; a++) {
        const int64_t step = stride->u.is[a];

        if (a == channels) continue;
        const int64_t lost = same ? 1 : extent(n, &filter, a);
        if (step < 1 || lost < 1 || in.dim[a] < lost) return;
        shape.dim[a] = (in.dim[a] - lost) / step + 1;
    }
    shape.dim[channels] = filter.dim[filter.rank - 1] * (sliding[k].depthwise ? filter.dim[filter.rank - 2] : 1);
    *out = shape;
}

void ek__shape_undefined(ek_scene *s, const ek_node *n)
{
    if (n->n_out < 1) return;
    ek_shape *out = &s->shape[s->first[n->id]];

    for (int k = 0; k < EK_COUNT_OF(sliding); k++)
        if (ek__is_type(n, sliding[k].type)) slide(s, n, k, out);
    if (n->n_in > 0 && ek__is_type(n, "_FusedBatchNormEx")) *out = s->shape[ek__scene_in(s, n, 0)];
}
