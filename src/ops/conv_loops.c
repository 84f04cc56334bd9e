/* ops/conv_loops.c - images to patches and back, for the loops of convolutions. */
#include "ops/conv_loops.h"

#include "kernels/kernels.h"
#include "ops/rules.h"

enum { MOST_PARTS = 16, PART_WORK = 1 << 19 };

const ek_field ek__conv_fields[5] = {
    EK_FIELD_LIST(ek_conv_attrs, strides, INT), EK_FIELD_LIST(ek_conv_attrs, dilations, INT),
    EK_FIELD_LIST(ek_conv_attrs, explicit_paddings, INT), EK_FIELD(ek_conv_attrs, padding, STRING),
    EK_FIELD(ek_conv_attrs, data_format, STRING),
};

ek_window_attrs ek__conv_window(const ek_conv_attrs *a)
{
    return (ek_window_attrs){ a->data_format, a->padding, a->strides, &a->dilations, &a->explicit_paddings };
}

void ek__conv_loops_set(ek_conv_loops *l, const ek_conv_attrs *a, const ek_shape *image, const ek_shape *filter, ek_dtype t)
{
    const ek_window_attrs wa = ek__conv_window(a);
    ek_window *w = &l->conv.w;

    ek__window_layout(wa.data_format, w);
    for (int i = 0; i < 2; i++) {
        w->in[i] = image->dim[w->axis[i]];
        w->kernel[i] = filter->dim[i];
    }
    ek__window_set(&wa, w);
    l->conv.images = image->dim[0];
    l->conv.in_channels = image->dim[w->channels_first ? 1 : 3];
    l->conv.out_channels = filter->dim[3];
    l->filter_channels = filter->dim[2];
    l->groups = l->filter_channels > 0 ? l->conv.in_channels / l->filter_channels : 0;
    l->patch = w->kernel[0] * w->kernel[1] * l->filter_channels;
    l->dtype = t;
    l->loop_dtype = t == EK_FLOAT64 ? EK_FLOAT64 : EK_FLOAT32;
    l->product = l->loop_dtype == EK_FLOAT64 ? ek__kernels()->matmul_f64 : ek__kernels()->matmul_f32;
}

ek_status ek__conv_by_dnn(ek_prepare_ctx *c, const ek_conv_loops *l, ek_dnn_way way, int a, int b, const ek_after *after)
{
    if (l->dtype != EK_FLOAT32 || l->groups != 1 || c->deterministic) return EK_UNIMPLEMENTED;
    return ek__conv_dnn_prepare(c, way, &l->conv, a, b, after);
}

int64_t ek__conv_parts(const ek_conv_loops *l, int64_t units)
{
    const ek_conv *v = &l->conv;
    const double parts = (double)(v->images * v->w.out[0] * v->w.out[1]) * (double)(v->out_channels * l->patch) / PART_WORK;
    const int64_t wanted = parts < 1 ? 1 : parts < MOST_PARTS ? (int64_t)parts : MOST_PARTS;

    return wanted < units ? wanted : units;
}

/* ---- patches ---------------------------------------------------------------------------------------- */

/* Where tap (i, j) of the window at (y, x) lies; false: past the image. */
static bool tap(const ek_window *w, int64_t y, int64_t x, int64_t i, int64_t j, int64_t *row, int64_t *column)
{
    *row = y * w->stride[0] - w->before[0] + i * w->dilation[0];
    *column = x * w->stride[1] - w->before[1] + j * w->dilation[1];
    return *row >= 0 && *row < w->in[0] && *column >= 0 && *column < w->in[1];
}

/* The taps of an output row's patches, in the order in which patches hold them. */
#define EACH_TAP(w)                                \
    for (int64_t x = 0; x < (w)->out[1]; x++)      \
        for (int64_t i = 0; i < (w)->kernel[0]; i++) \
            for (int64_t j = 0; j < (w)->kernel[1]; j++)

void ek__conv_gather(const ek_conv_loops *l, const void *images, int64_t image, int64_t y, int64_t first, void *patches)
{
    const ek_window *w = &l->conv.w;
    const int64_t n = l->filter_channels, channels = l->conv.in_channels, pixels = w->in[0] * w->in[1];
    const size_t size = ek_dtype_size(l->dtype), wide = ek_dtype_size(l->loop_dtype);
    const char *from = (const char *)images + (size_t)(image * pixels * channels) * size;
    char *to = patches;
    int64_t row, column;

    EACH_TAP(w)
    {
        if (!tap(w, y, x, i, j, &row, &column)) {
            memset(to, 0, (size_t)n * wide);
        } else if (!w->channels_first) {
            ek__convert(l->dtype, from + (size_t)((row * w->in[1] + column) * channels + first) * size, l->loop_dtype, to, n);
        } else {
            for (int64_t c = 0; c < n; c++)
                ek__convert(l->dtype, from + (size_t)((first + c) * pixels + row * w->in[1] + column) * size, l->loop_dtype,
                            to + (size_t)c * wide, 1);
        }
        to += (size_t)n * wide;
    }
}

void ek__conv_scatter(const ek_conv_loops *l, const void *patches, int64_t y, int64_t first, void *image)
{
    const ek_window *w = &l->conv.w;
    const int64_t n = l->filter_channels, channels = l->conv.in_channels;
    int64_t row, column, at = 0;

    EACH_TAP(w)
    {
        if (tap(w, y, x, i, j, &row, &column)) {
            const int64_t to = (row * w->in[1] + column) * channels + first;
            for (int64_t c = 0; c < n; c++) {
                if (l->loop_dtype == EK_FLOAT64) ((double *)image)[to + c] += ((const double *)patches)[at + c];
                else ((float *)image)[to + c] += ((const float *)patches)[at + c];
            }
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
    const ek_window *w = &l->conv.w;
    const int64_t pixels = w->out[0] * w->out[1], channels = l->conv.out_channels;
    char *base = (char *)outputs + (size_t)(image * pixels * channels) * ek_dtype_size(l->dtype);

    move_pixels(l, load, row, base, pixels, channels, y * w->out[1], w->out[1]);
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
    const int64_t pixels = l->conv.w.in[0] * l->conv.w.in[1], channels = l->conv.in_channels;
    char *base = (char *)images + (size_t)(image * pixels * channels) * ek_dtype_size(l->dtype);

    move_pixels(l, false, (void *)(uintptr_t)from, base, pixels, channels, 0, pixels);
}
