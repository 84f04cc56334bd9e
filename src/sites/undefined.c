/* sites/undefined.c - shapes of ops that a graph may bring without a definition: losses, pooling and its gradients. */
#include "sites/scene.h"

/* The result is shaped like input `like`, or as the value of input `value` says; -1: not so. */
static const struct {
    const char *type;
    int like, value;
} shaped_like[] = {
    {"MaxPoolGrad", 0, -1},
    {"AvgPoolGrad", -1, 0},
    {"Conv2DBackpropInput", -1, 0},
    {"Conv2DBackpropFilter", -1, 1},
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

static void pooled(const ek_scene *s, const ek_node *n, ek_shape *out)
{
    const ek_shape in = n->n_in > 0 ? s->shape[ek__scene_in(s, n, 0)] : EK_UNKNOWN_SHAPE;
    const ek_attr_value *window = ints_of(n, "ksize", in.rank), *stride = ints_of(n, "strides", in.rank);
    const ek_attr_value *padding = ek__attr_find(n->attr, n->n_attr, "padding");
    ek_shape shape = in;

    if (in.rank < 1 || window == NULL || stride == NULL || padding == NULL || padding->kind != EK_ATTR_STRING) return;
    const bool same = padding->u.s.size == 4 && memcmp(padding->u.s.data, "SAME", 4) == 0;
    for (int a = 0; a < in.rank; a++) {
        const int64_t step = stride->u.is[a], lost = same ? 1 : window->u.is[a];

        if (step < 1 || lost < 1 || in.dim[a] < lost) return;
        shape.dim[a] = (in.dim[a] - lost) / step + 1;
    }
    *out = shape;
}

void ek__shape_undefined(ek_scene *s, const ek_node *n)
{
    if (n->n_out < 1) return;
    ek_shape *out = &s->shape[s->first[n->id]];

    if (ek__is_type(n, "MaxPool") || ek__is_type(n, "AvgPool")) pooled(s, n, out);
    for (int i = 0; i < EK_COUNT_OF(shaped_like); i++) {
        if (!ek__is_type(n, shaped_like[i].type)) continue;
        if (shaped_like[i].value >= 0)
            from_value(s, n, shaped_like[i].value, out);
        else if (shaped_like[i].like < n->n_in)
            *out = s->shape[ek__scene_in(s, n, shaped_like[i].like)];
    }
}
