/* ops/conv_loops.c - images to patches and back, for the loops of convolutions. */
#include "ops/conv_loops.h"

#include "kernels/kernels.h"
#include "ops/rules.h"

enum { MOST_PARTS = 16, PART_WORK = 1 << 19 };

const ek_field ek__conv_fields[5] = {
    EK_FIELD_LIST(ek_conv_attrs, strides, INT), EK_FIELD_LIST(ek_conv_attrs, dilations, INT),
    EK_FIELD(ek_conv_attrs, padding, STRING), EK_FIELD(ek_conv_attrs, data_format, STRING),
    EK_FIELD_LIST(ek_conv_attrs, explicit_paddings, INT),
};

ek_window_attrs ek__conv_window(const ek_conv_attrs *a)
{
    return (ek_window_attrs){ a->data_format, a->padding, a->strides, &a->dilations, &a->explicit_paddings };
}

/* The same window in three dimensions. */
static ek_window deepened(const ek_window *w)
{
    ek_window d = { .channels_first = w->channels_first, .dims = 3 };

    for (int i = 0; i < 3; i++) {
        const int from = i - (3 - w->dims);
        d.in[i] = from < 0 ? 1 : w->in[from];
        d.out[i] = from < 0 ? 1 : w->out[from];
        d.kernel[i] = from < 0 ? 1 : w->kernel[from];
        d.stride[i] = from < 0 ? 1 : w->stride[from];
        d.dilation[i] = from < 0 ? 1 : w->dilation[from];
        d.before[i] = from < 0 ? 0 : w->before[from];
    }
    return d;
}

void ek__conv_loops_set(ek_conv_loops *l, const ek_conv_attrs *a, const ek_shape *image, const ek_shape *filter, ek_dtype t)
{
    const ek_window_attrs wa = ek__conv_window(a);
    ek_window *w = &l->conv.w;

    ek__window_layout(wa.data_format, w);
    for (int i = 0; i < w->dims; i++) {
        w->in[i] = image->dim[w->axis[i]];
        w->kernel[i] = filter->dim[i];
    }
    ek__window_set(&wa, w);
    l->deep = deepened(w);
    l->rows = l->deep.out[0] * l->deep.out[1];
    l->width = l->deep.out[2];
    l->pixels = l->deep.in[0] * l->deep.in[1] * l->deep.in[2];
    l->conv.images = image->dim[0];
    l->conv.in_channels = image->dim[w->channels_first ? 1 : w->dims + 1];
    l->conv.out_channels = filter->dim[w->dims + 1];
    l->filter_channels = filter->dim[w->dims];
    l->groups = l->filter_channels > 0 ? l->conv.in_channels / l->filter_channels : 0;
    l->patch = l->deep.kernel[0] * l->deep.kernel[1] * l->deep.kernel[2] * l->filter_channels;
    l->dtype = t;
    l->loop_dtype = t == EK_FLOAT64 ? EK_FLOAT64 : EK_FLOAT32;
    l->product = l->loop_dtype == EK_FLOAT64 ? ek__kernels()->matmul_f64 : ek__kernels()->matmul_f32;
}

ek_status ek__conv_by_dnn(ek_prepare_ctx *c, const ek_conv_loops *l, ek_dnn_way way, int a, int b, const ek_after *after)
{
    if (l->dtype != EK_FLOAT32 || l->groups != 1 || l->conv.w.dims != 2 || c->deterministic) return EK_UNIMPLEMENTED;
    return ek__conv_dnn_prepare(c, way, &l->conv, a, b, after);
}

int64_t ek__conv_parts(const ek_conv_loops *l, int64_t units)
{
    const ek_conv *v = &l->conv;
    const double parts = (double)(v->images * l->rows * l->width) * (double)(v->out_channels * l->patch) / PART_WORK;
    const int64_t wanted = parts < 1 ? 1 : parts < MOST_PARTS ? (int64_t)parts : MOST_PARTS;

    return wanted < units ? wanted : units;
}

/* ---- patches ---------------------------------------------------------------------------------------- */

/* The pixel that tap (h, i, j) of the window meets at (row, x) of the output; -1: past the image. */
static int64_t tap(const ek_window *w, int64_t row, int64_t x, int64_t h, int64_t i, int64_t j)
{
    const int64_t at_z = row / w->out[1] * w->stride[0] - w->before[0] + h * w->dilation[0];
    const int64_t at_y = row % w->out[1] * w->stride[1] - w->before[1] + i * w->dilation[1];
    const int64_t at_x = x * w->stride[2] - w->before[2] + j * w->dilation[2];
    const bool inside = at_z >= 0 && at_z < w->in[0] && at_y >= 0 && at_y < w->in[1] && at_x >= 0 && at_x < w->in[2];

    return inside ? (at_z * w->in[1] + at_y) * w->in[2] + at_x : -1;
}

/* The taps of an output row's patches, in the order in which patches hold them. */
#define EACH_TAP(w)                                        \
    for (int64_t x = 0; x < (w)->out[2]; x++)              \
        for (int64_t h = 0; h < (w)->kernel[0]; h++)       \
            for (int64_t i = 0; i < (w)->kernel[1]; i++)   \
                for (int64_t j = 0; j < (w)->kernel[2]; j++)

void ek__conv_gather(const ek_conv_loops *l, const void *images, int64_t image, int64_t row, int64_t first, void *patches)
{
    const ek_window *w = &l->deep;
    const int64_t n = l->filter_channels, channels = l->conv.in_channels;
    const size_t size = ek_dtype_size(l->dtype), wide = ek_dtype_size(l->loop_dtype);
    const char *from = (const char *)images + (size_t)(image * l->pixels * channels) * size;
    char *to = patches;

    EACH_TAP(w)
    {
        const int64_t pixel = tap(w, row, x, h, i, j);
        if (pixel < 0) {
            memset(to, 0, (size_t)n * wide);
        } else if (!w->channels_first) {
            ek__convert(l->dtype, from + (size_t)(pixel * channels + first) * size, l->loop_dtype, to, n);
        } else {
            for (int64_t c = 0; c < n; c++)
                ek__convert(l->dtype, from + (size_t)((first + c) * l->pixels + pixel) * size, l->loop_dtype,
                            to + (size_t)c * wide, 1);
        }
        to += (size_t)n * wide;
    }
}

void ek__conv_scatter(const ek_conv_loops *l, const void *patches, int64_t row, int64_t first, void *image)
{
    const ek_window *w = &l->deep;
    const int64_t n = l->filter_channels;
    int64_t at = 0;

    EACH_TAP(w)
    {
        const int64_t pixel = tap(w, row, x, h, i, j), to = pixel * l->conv.in_channels + first;
        for (int64_t c = 0; c < n && pixel >= 0; c++) {
            if (l->loop_dtype == EK_FLOAT64) ((double *)image)[to + c] += ((const double *)patches)[at + c];
            else ((float *)image)[to + c] += ((const float *)patches)[at + c];
        }
        at += n;
    }
}

/* ---- rows and images ------------------------------------------------------------------------------------ */

/* Pixels [first, first + n) of one image of `channels` and `pixels` in all: between [n, channels] in the loops' type and
 * their place in the tensor. */
static void move_pixels(const ek_conv_loops *l, bool load, void *plain, void *image, int64_t pixels, int64_t channels,
                        int64_t first, int64_t n)
{
    const size_t size = ek_dtype_size(l->dtype), wide = ek_dtype_size(l->loop_dtype);
    const int64_t run = l->conv.w.channels_first ? 1 : n * channels; /* numbers that lie together in both */

    for (int64_t k = 0; k < n * channels; k += run) {
        const int64_t at = run > 1 ? first * channels : k % channels * pixels + first + k / channels;
        char *a = (char *)plain + (size_t)k * wide, *b = (char *)image + (size_t)at * size;
        if (load) ek__convert(l->dtype, b, l->loop_dtype, a, run);
        else ek__convert(l->loop_dtype, a, l->dtype, b, run);
    }
}

static void move_row(const ek_conv_loops *l, bool load, void *row, void *outputs, int64_t image, int64_t y)
{
    const int64_t pixels = l->rows * l->width, channels = l->conv.out_channels;
    char *base = (char *)outputs + (size_t)(image * pixels * channels) * ek_dtype_size(l->dtype);

    move_pixels(l, load, row, base, pixels, channels, y * l->width, l->width);
}

void ek__conv_store_row(const ek_conv_loops *l, const void *row, void *outputs, int64_t image, int64_t y)
{
    move_row(l, false, (void *)(uintptr_t)row, outputs, image, y);
}

void ek__conv_load_row(const ek_conv_loops *l, const void *outputs, int64_t image, int64_t y, void *row)
{
    move_row(l, true, row, (void *)(uintptr_t)outputs, image, y);
}

void ek__conv_store_image(const ek_conv_loops *l, const void *from, void *images, int64_t image)
{
    const int64_t pixels = l->pixels, channels = l->conv.in_channels;
    char *base = (char *)images + (size_t)(image * pixels * channels) * ek_dtype_size(l->dtype);

    move_pixels(l, false, (void *)(uintptr_t)from, base, pixels, channels, 0, pixels);
}
