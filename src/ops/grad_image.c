/* ops/grad_image.c - gradients of resizing, cropping and colours. */
#include "ops/grad.h"

/* ---- resizing ------------------------------------------------------------------------------------------------- */

static const char *const resize_attrs[] = { "align_corners", "half_pixel_centers", NULL };

void ek__grad_resize_nearest_neighbor(ek_grad *c)
{
    const ek_tensor x = g_in(c, 0);
    const ek_shape s = ek_tensor_shape(x);

    if (s.rank != 4 || s.dim[1] < 0 || s.dim[2] < 0) {
        const ek_tensor size = g_part(c, g_shape(c, x), 1, 3);
        g_set(c, 0, ek_op_output(g_like(c, "ResizeNearestNeighborGrad", EK_IN(g_dy(c, 0), size), 2, resize_attrs), 0));
        return;
    }
    EK_NAMED(c, "ResizeNearestNeighborGrad") {
        const ek_tensor size = g_ints(c, &s.dim[1], 2, "size"), in[] = { g_dy(c, 0), size };
        g_set(c, 0, ek_op_output(g_like_named(c, "ResizeNearestNeighborGrad", ek_name_scope(c->g), in, 2, resize_attrs), 0));
    }
}

void ek__grad_resize_bilinear(ek_grad *c)
{
    g_set(c, 0, ek_op_output(g_like(c, "ResizeBilinearGrad", EK_IN(g_dy(c, 0), g_in(c, 0)), 2, resize_attrs), 0));
}

void ek__grad_resize_bicubic(ek_grad *c)
{
    const ek_dtype t = g_dtype(g_in(c, 0));

    if (t != EK_FLOAT32 && t != EK_FLOAT64) return;
    g_set(c, 0, ek_op_output(g_like(c, "ResizeBicubicGrad", EK_IN(g_dy(c, 0), g_in(c, 0)), 2, resize_attrs), 0));
}

/* ---- cropping -------------------------------------------------------------------------------------------------- */

static ek_tensor by_image(const ek_grad *c)
{
    const ek_attr_value *method = g_attr(c, "method");
    const ek_tensor x = g_in(c, 0);
    const ek_shape s = ek_tensor_shape(x);
    ek_tensor size = x, out = x;
    ek_attr attr[] = { EK_ATTR_T("T", g_dtype(x)), { .name = "method" } };

    if (!ek_shape_is_known(&s)) size = g_shape(c, x);
    if (method != NULL) attr[1].value = *method;
    EK_NAMED(c, "CropAndResizeGradImage") {
        const char *own = ek_name_scope(c->g);
        if (ek_shape_is_known(&s)) size = g_ints(c, s.dim, s.rank, "image_size");
        const ek_tensor in[] = { g_dy(c, 0), g_in(c, 1), g_in(c, 2), size };
        out = ek__node_tensor(c->g, &(ek_node_args){ .type = "CropAndResizeGradImage", .name = own, .in = in, .n_in = 4, .attr = attr,
                                                     .n_attr = method != NULL ? 2 : 1, .where = c->where });
    }
    return out;
}

/* To images of floats, and to the corners of the boxes. */
void ek__grad_crop_and_resize(ek_grad *c)
{
    const ek_dtype t = g_dtype(g_in(c, 0));

    if (t == EK_FLOAT16 || t == EK_FLOAT32 || t == EK_FLOAT64) g_set(c, 0, by_image(c));
    const ek_tensor in[] = { g_dy(c, 0), g_in(c, 0), g_in(c, 1), g_in(c, 2) };
    g_set(c, 1, ek__node_tensor(c->g, &(ek_node_args){ .type = "CropAndResizeGradBoxes", .in = in, .n_in = 4, .where = c->where }));
}

/* ---- colours ----------------------------------------------------------------------------------------------------- */

/* Which of the channels r, g, b is the largest and the smallest, as 1 or 0, ties in this order; and the numbers that come
 * with them. */
typedef struct colours {
    const ek_grad *c;
    ek_tensor x[3], largest[3], smallest[3], positive[3];
    ek_tensor saturation, value;
} colours;

static ek_tensor channel(const ek_grad *c, ek_tensor x, int64_t k)
{
    return ek_strided_slice_with(&(ek_strided_slice_options){
        .size = sizeof(ek_strided_slice_options), .input = x, .begin = EK_INTS(0, k), .end = EK_INTS(0, k + 1),
        .strides = EK_INTS(1, 1), .ellipsis_mask = 1, .shrink_axis_mask = 2 }, c->where);
}

static ek_tensor both(const colours *k, ek_binary_builder f, ek_tensor a, ek_tensor b, ek_binary_builder h, ek_tensor p, ek_tensor q)
{
    const ek_tensor first = gx2(k->c, f, a, b), second = gx2(k->c, h, p, q);

    return g_cast(k->c, gx2(k->c, ek_logical_and_with, first, second), g_dtype(k->x[0]));
}

static colours look(const ek_grad *c)
{
    const ek_tensor x = g_in(c, 0), y = g_out(c, 0);
    colours k = { .c = c };

    for (int i = 0; i < 3; i++) k.x[i] = channel(c, x, i);
    const ek_tensor r = k.x[0], g = k.x[1], b = k.x[2];
    k.saturation = channel(c, y, 1);
    k.value = channel(c, y, 2);
    k.largest[0] = both(&k, ek_greater_equal_with, r, b, ek_greater_equal_with, r, g);
    k.largest[1] = both(&k, ek_greater_with, g, r, ek_greater_equal_with, g, b);
    k.largest[2] = both(&k, ek_greater_with, b, r, ek_greater_with, b, g);
    k.smallest[0] = both(&k, ek_less_with, r, b, ek_less_with, r, g);
    k.smallest[1] = both(&k, ek_less_equal_with, g, r, ek_less_with, g, b);
    k.smallest[2] = both(&k, ek_less_equal_with, b, r, ek_less_equal_with, b, g);
    for (int i = 0; i < 3; i++) k.positive[i] = g_cast(c, gxn(c, ek_greater_with, k.x[i], 0), g_dtype(x));
    return k;
}

static ek_tensor times(const colours *k, ek_tensor a, ek_tensor b) { return g_times(k->c, a, b); }
static ek_tensor plus(const colours *k, ek_tensor a, ek_tensor b) { return gx2(k->c, ek_plus_with, a, b); }
static ek_tensor minus(const colours *k, ek_tensor a, ek_tensor b) { return gx2(k->c, ek_minus_with, a, b); }
static ek_tensor square(const colours *k, ek_tensor a) { return gx1(k->c, ek_square_with, a); }
/* 1 / a, and 0 for 0. */
static ek_tensor inverse(const colours *k, ek_tensor a)
{
    const ek_tensor one = ek__const_scalar(k->c->g, g_dtype(a), 1, NULL, k->c->where);
    return gx2(k->c, ek_div_no_nan_with, one, a);
}

/* Of 1 - smallest / largest by channel i: smallest / largest^2 where it is the largest, -1 / largest where the smallest. */
static ek_tensor by_saturation(const colours *k, int i)
{
    const int a = i == 0 ? 1 : 0, b = i == 2 ? 1 : 2;
    const ek_tensor least = plus(k, times(k, k->smallest[a], k->x[a]), times(k, k->smallest[b], k->x[b]));
    const ek_tensor up = times(k, times(k, k->largest[i], least), inverse(k, square(k, k->x[i])));
    const ek_tensor most = plus(k, times(k, k->largest[a], k->x[a]), times(k, k->largest[b], k->x[b]));
    const ek_tensor down = times(k, k->smallest[i], inverse(k, most));

    return times(k, k->positive[i], minus(k, up, down));
}

/* Of the hue, which is (g - b) / (largest - smallest) on the side of red, and so on around: channel i, then the two after
 * it in the circle r, g, b. */
static ek_tensor by_hue(const colours *k, int i)
{
    const int next = (i + 1) % 3, last = (i + 2) % 3;
    const ek_tensor x = k->x[i], n = k->x[next], l = k->x[last];
    /* the largest: the others' difference, by the square of the range */
    const ek_tensor range = times(k, inverse(k, square(k, k->saturation)), inverse(k, square(k, k->value)));
    ek_tensor d = times(k, times(k, times(k, k->positive[i], k->largest[i]), minus(k, l, n)), range);
    /* the smallest, beside one or the other of them as the largest: it is in the numerator and in the range */
    const ek_tensor beside_next = times(k, times(k, k->positive[next], k->largest[next]), k->smallest[i]);
    d = plus(k, d, times(k, times(k, beside_next, minus(k, l, n)), inverse(k, square(k, minus(k, x, n)))));
    const ek_tensor beside_last = times(k, times(k, k->positive[last], k->largest[last]), k->smallest[i]);
    d = plus(k, d, times(k, times(k, beside_last, minus(k, l, n)), inverse(k, square(k, minus(k, l, x)))));
    /* between them: it is in the numerator alone */
    const ek_tensor below_next = times(k, times(k, k->positive[next], k->largest[next]), k->smallest[last]);
    d = minus(k, d, times(k, below_next, inverse(k, minus(k, n, l))));
    const ek_tensor below_last = times(k, times(k, k->positive[last], k->largest[last]), k->smallest[next]);
    d = plus(k, d, times(k, below_last, inverse(k, minus(k, l, n))));
    return gxn(k->c, ek_over_with, d, 6);
}

/* TensorFlow 1.15 has none; the numbers are TensorFlow 2's, ties and zeros included. */
void ek__grad_rgb_to_hsv(ek_grad *c)
{
    const colours k = look(c);
    ek_tensor part[3], d[3];

    for (int j = 0; j < 3; j++) d[j] = channel(c, g_dy(c, 0), j);
    for (int i = 0; i < 3; i++) {
        const ek_tensor hue = times(&k, d[0], by_hue(&k, i)), saturation = times(&k, d[1], by_saturation(&k, i));
        const ek_tensor value = times(&k, d[2], k.largest[i]);
        part[i] = plus(&k, plus(&k, value, saturation), hue);
    }
    g_set(c, 0, ek_stack_with(&(ek_join_options){ .size = sizeof(ek_join_options), .values = { part, 3 }, .axis = -1 }, c->where));
}
