/* ops/conv2d.c - Conv2D.
 *
 * float32 goes to oneDNN (ops/conv_dnn.h). Other dtypes, groups, and sessions that want the same bits everywhere go
 * to products of patches: a row of output is [width, window * channels] times the filter as
 * it is stored.
 */
#include "ops/after.h"
#include "ops/conv_dnn.h"
#include "ops/rules.h"

enum { INPUT, FILTER };

typedef struct conv_attrs {
    ek_ints strides, dilations, explicit_paddings;
    const char *padding, *data_format;
} conv_attrs;
static const ek_field conv_fields[] = {
    EK_FIELD_LIST(conv_attrs, strides, INT), EK_FIELD_LIST(conv_attrs, dilations, INT),
    EK_FIELD_LIST(conv_attrs, explicit_paddings, INT), EK_FIELD(conv_attrs, padding, STRING),
    EK_FIELD(conv_attrs, data_format, STRING),
};

/* ---- shape ------------------------------------------------------------------------------------------ */

static ek_window_attrs window_attrs(const conv_attrs *a)
{
    return (ek_window_attrs){ a->data_format, a->padding, a->strides, &a->dilations, &a->explicit_paddings };
}

static ek_status conv_shape(ek_shape_ctx *c)
{
    const conv_attrs *a = c->attrs;
    const ek_window_attrs wa = window_attrs(a);
    const ek_shape *x = &c->in[INPUT], *f = &c->in[FILTER];
    ek_window w = { .in = { -1, -1 }, .kernel = { -1, -1 } };

    for (int i = INPUT; i <= FILTER && c->running; i++)
        if (c->in[i].rank != 4)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "%s must be 4-dimensional%s", i == INPUT ? "input" : "filter",
                           EK_CC(&c->in[i]));
    EK_TRY(ek__want_rank(c, INPUT, 4));
    EK_TRY(ek__want_rank(c, FILTER, 4));
    ek__window_layout(a->data_format, &w);
    const int channel = w.channels_first ? 1 : 3;
    const int64_t depth = x->rank < 0 ? -1 : x->dim[channel], filter_depth = f->rank < 0 ? -1 : f->dim[2];

    for (int i = 0; i < 2; i++) {
        if (x->rank == 4) w.in[i] = x->dim[w.axis[i]];
        if (f->rank == 4) w.kernel[i] = f->dim[i];
    }
    if (c->running && (w.kernel[0] == 0 || w.kernel[1] == 0 || filter_depth == 0))
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "filter must not have zero elements (i.e. all dimensions must be non-zero)");
    if (!c->running && filter_depth == 0) return EK_FAIL(c->err, INVALID_ARGUMENT, "Depth of filter must not be 0");
    if (!c->running && depth == 0 && filter_depth > 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Number of groups must not be 0");
    if (depth >= 0 && filter_depth > 0 && depth % filter_depth != 0) {
        if (c->running)
            return EK_FAIL(c->err, INVALID_ARGUMENT,
                           "input depth must be evenly divisible by filter depth: %lld vs %lld", (long long)depth,
                           (long long)filter_depth);
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "Depth of input (%lld) is not a multiple of input depth of filter (%lld)", (long long)depth,
                       (long long)filter_depth);
    }
    if (depth > 0 && filter_depth > 0 && f->dim[3] >= 0 && f->dim[3] % (depth / filter_depth) != 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "Depth of output (%lld) is not a multiple of the number of groups (%lld)", (long long)f->dim[3],
                       (long long)(depth / filter_depth));
    EK_TRY(ek__window_fit(c, "Conv2D", &wa, &w));

    ek_shape out = ek__unknown_dims(4);
    if (x->rank == 4) out.dim[0] = x->dim[0];
    if (f->rank == 4) out.dim[channel] = f->dim[3];
    for (int i = 0; i < 2; i++) out.dim[w.axis[i]] = w.out[i];
    c->out[0] = out;
    return EK_OK;
}

/* ---- state --------------------------------------------------------------------------------------------- */

enum { LOOP_PARTS = 16, LOOP_WORK = 1 << 19 };

typedef struct conv_state {
    ek_conv conv;
    ek_after after;
    ek_dtype dtype, loop_dtype;
    int64_t filter_channels; /* of a group */
    void (*product)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row, int64_t a_col, const void *b,
                    int64_t b_row, void *c, int64_t c_row);
    int64_t parts, patch; /* elements of a row of patches, per group */
    size_t at_rows, per_part;
} conv_state;

/* ---- by loops ------------------------------------------------------------------------------------------------ */

static ek_status widen_filter(const ek_run_args *a, int64_t chunk)
{
    const conv_state *s = a->state;

    EK_UNUSED(chunk);
    ek__convert(s->dtype, a->in[FILTER], s->loop_dtype, a->scratch,
                s->conv.w.kernel[0] * s->conv.w.kernel[1] * s->filter_channels * s->conv.out_channels);
    return EK_OK;
}

/* The windows of output row `y` of an image, channels [first, first + n) of each: [out width, kernel, kernel, n]. */
static void gather_patches(const ek_run_args *a, const conv_state *s, int64_t image, int64_t y, int64_t first,
                           char *patches)
{
    const ek_window *w = &s->conv.w;
    const int64_t n = s->filter_channels;
    const size_t size = ek_dtype_size(s->dtype), wide = ek_dtype_size(s->loop_dtype);

    for (int64_t x = 0; x < w->out[1]; x++)
        for (int64_t i = 0; i < w->kernel[0]; i++)
            for (int64_t j = 0; j < w->kernel[1]; j++, patches += (size_t)n * wide) {
                const int64_t row = y * w->stride[0] - w->before[0] + i * w->dilation[0];
                const int64_t col = x * w->stride[1] - w->before[1] + j * w->dilation[1];
                if (row < 0 || row >= w->in[0] || col < 0 || col >= w->in[1]) {
                    memset(patches, 0, (size_t)n * wide);
                    continue;
                }
                if (!w->channels_first) {
                    const int64_t at = ((image * w->in[0] + row) * w->in[1] + col) * s->conv.in_channels + first;
                    ek__convert(s->dtype, (const char *)a->in[INPUT] + (size_t)at * size, s->loop_dtype, patches, n);
                    continue;
                }
                for (int64_t ch = 0; ch < n; ch++) {
                    const int64_t at = ((image * s->conv.in_channels + first + ch) * w->in[0] + row) * w->in[1] + col;
                    ek__convert(s->dtype, (const char *)a->in[INPUT] + (size_t)at * size, s->loop_dtype,
                                patches + (size_t)ch * wide, 1);
                }
            }
}

/* A row of results [out width, channels] to its place. */
static void store_row(const ek_run_args *a, const conv_state *s, int64_t image, int64_t y, const char *row)
{
    const ek_window *w = &s->conv.w;
    const int64_t channels = s->conv.out_channels;
    const size_t size = ek_dtype_size(s->dtype), wide = ek_dtype_size(s->loop_dtype);
    char *out = a->out[0];

    if (!w->channels_first) {
        ek__convert(s->loop_dtype, row, s->dtype, out + (size_t)((image * w->out[0] + y) * w->out[1] * channels) * size,
                    w->out[1] * channels);
        return;
    }
    for (int64_t x = 0; x < w->out[1]; x++)
        for (int64_t ch = 0; ch < channels; ch++)
            ek__convert(s->loop_dtype, row + (size_t)(x * channels + ch) * wide, s->dtype,
                        out + (size_t)(((image * channels + ch) * w->out[0] + y) * w->out[1] + x) * size, 1);
}

static ek_status loop_rows(const ek_run_args *a, int64_t chunk)
{
    const conv_state *s = a->state;
    const ek_window *w = &s->conv.w;
    const int64_t rows = s->conv.images * w->out[0], groups = s->conv.in_channels / s->filter_channels,
                  n = s->conv.out_channels / groups;
    const size_t wide = ek_dtype_size(s->loop_dtype);
    char *patches = (char *)a->scratch + s->at_rows + (size_t)chunk * s->per_part;
    char *results = patches + (size_t)(w->out[1] * s->patch) * wide;
    const char *filter = s->dtype == s->loop_dtype ? a->in[FILTER] : a->scratch;

    for (int64_t r = ek__part_begin(rows, s->parts, chunk); r < ek__part_begin(rows, s->parts, chunk + 1); r++) {
        for (int64_t g = 0; g < groups; g++) {
            gather_patches(a, s, r / w->out[0], r % w->out[0], g * s->filter_channels, patches);
            s->product(w->out[1], n, s->patch, patches, s->patch, 1, filter + (size_t)(g * n) * wide, s->conv.out_channels,
                       results + (size_t)(g * n) * wide, s->conv.out_channels);
        }
        if (ek__after_any(&s->after)) ek__after_rows(a, &s->after, 0, w->out[1], s->conv.out_channels, (float *)(void *)results);
        store_row(a, s, r / w->out[0], r % w->out[0], results);
    }
    return EK_OK;
}

static ek_status use_loops(ek_prepare_ctx *c, conv_state *s)
{
    const ek_window *w = &s->conv.w;
    const int64_t rows = s->conv.images * w->out[0];
    const double parts = (double)(rows * w->out[1]) * (double)(s->conv.out_channels * s->filter_channels) *
                         (double)(w->kernel[0] * w->kernel[1]) / LOOP_WORK;

    s->loop_dtype = s->dtype == EK_FLOAT64 ? EK_FLOAT64 : EK_FLOAT32;
    s->product = s->loop_dtype == EK_FLOAT64 ? ek__kernels()->matmul_f64 : ek__kernels()->matmul_f32;
    s->patch = w->kernel[0] * w->kernel[1] * s->filter_channels;
    s->parts = parts < 1 ? 1 : parts < LOOP_PARTS ? (int64_t)parts : LOOP_PARTS;
    if (s->parts > rows) s->parts = rows;
    const size_t wide = ek_dtype_size(s->loop_dtype);
    if (s->dtype != s->loop_dtype) s->at_rows = ((size_t)(s->patch * s->conv.out_channels) * wide + 63) / 64 * 64;
    s->per_part = ((size_t)(w->out[1] * (s->patch + s->conv.out_channels)) * wide + 63) / 64 * 64;
    c->scratch_bytes = s->at_rows + (size_t)s->parts * s->per_part;
    if (s->dtype != s->loop_dtype) ek__add_phase(c, widen_filter, 1);
    ek__add_phase(c, loop_rows, s->parts);
    return EK_OK;
}

/* ---- preparing ------------------------------------------------------------------------------------------------- */

/* Of an image without channels: sums of nothing. */
static ek_status zeros(const ek_run_args *a, int64_t chunk)
{
    const conv_state *s = a->state;
    const ek_window *w = &s->conv.w;
    const int64_t pixels = w->out[0] * w->out[1], channels = s->conv.out_channels;

    EK_UNUSED(chunk);
    memset(a->out[0], 0, (size_t)(s->conv.images * pixels * channels) * ek_dtype_size(s->dtype));
    if (w->channels_first) ek__after_planes(a, &s->after, s->conv.images, channels, pixels, a->out[0]);
    else ek__after_rows(a, &s->after, 0, s->conv.images * pixels, channels, a->out[0]);
    return EK_OK;
}

static ek_status conv_prepare_after(ek_prepare_ctx *c, const ek_after *after)
{
    const ek_window_attrs wa = window_attrs(c->attrs);
    const ek_shape *x = &c->in[INPUT], *f = &c->in[FILTER];
    conv_state *s = EK_ARENA_NEW(c->arena, conv_state, 1);

    if (s == NULL) return ek__no_memory(c);
    c->state = s;
    s->after = *after;
    ek__window_layout(wa.data_format, &s->conv.w);
    for (int i = 0; i < 2; i++) {
        s->conv.w.in[i] = x->dim[s->conv.w.axis[i]];
        s->conv.w.kernel[i] = f->dim[i];
    }
    ek__window_set(&wa, &s->conv.w);
    s->dtype = c->in_dtype[INPUT];
    s->conv.images = x->dim[0];
    s->conv.in_channels = x->dim[s->conv.w.channels_first ? 1 : 3];
    s->filter_channels = f->dim[2];
    s->conv.out_channels = f->dim[3];
    if (ek_shape_count(&c->out[0]) == 0) return EK_OK;
    if (s->conv.in_channels == 0) {
        ek__add_phase(c, zeros, 1);
        return EK_OK;
    }
    if (s->dtype == EK_FLOAT32 && s->conv.in_channels == s->filter_channels && !c->deterministic) {
        const ek_status st = ek__conv_dnn_prepare(c, EK_DNN_FORWARD, &s->conv, INPUT, FILTER, after);
        if (st != EK_UNIMPLEMENTED) return st;
    }
    return use_loops(c, s);
}

static ek_status conv_prepare(ek_prepare_ctx *c)
{
    const ek_after nothing = ek__after_nothing();

    return conv_prepare_after(c, &nothing);
}

const ek_op_def ek__op_Conv2D = {
    .name = "Conv2D",
    .inputs = "input: T, filter: T",
    .outputs = "output: T",
    .attrs = "T: {half, bfloat16, float, double}; strides: list(int); use_cudnn_on_gpu: bool = true; "
             "padding: {'SAME', 'VALID', 'EXPLICIT'}; explicit_paddings: list(int) = []; "
             "data_format: {'NHWC', 'NCHW'} = 'NHWC'; dilations: list(int) = [1, 1, 1, 1]",
    .attrs_size = sizeof(conv_attrs),
    .fields = conv_fields,
    .n_fields = EK_COUNT_OF(conv_fields),
    .shape = conv_shape,
    .prepare = conv_prepare,
    .prepare_after = conv_prepare_after,
};
