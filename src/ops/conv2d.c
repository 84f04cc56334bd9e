/* ops/conv2d.c - Conv2D.
 *
 * float32 goes to oneDNN: batches are cut into chunks of images, one image into halves of
 * its output rows; weights are turned into the layout that oneDNN chose, once for constants,
 * else once a run. Other dtypes, groups, and sessions that want the same bits everywhere go
 * to products of patches: a row of output is [width, window * channels] times the filter as
 * it is stored.
 */
#include "dnn/dnn.h"
#include "kernels/kernels.h"
#include "ops/rules.h"
#include "ops/window.h"

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

enum {
    MOST_PARTS = 8,
    IMAGES_PER_PART = 4,
    ROWS_TO_HALVE = 14,
    HALVE_WORK = 1 << 19,
    PART_WORK = 1 << 26,
    LOOP_PARTS = 16,
    LOOP_WORK = 1 << 19,
    MOST_PRIMITIVES = 2
};

/* What one chunk of oneDNN's work reads and writes, in elements. */
typedef struct dnn_part {
    int which; /* primitive */
    int64_t in, out;
} dnn_part;

typedef struct conv_state {
    ek_window w;
    ek_dtype dtype, loop_dtype;
    int64_t images, in_channels, out_channels, filter_channels;
    /* by oneDNN */
    int n_dnn, n_parts;
    ek_dnn *dnn[MOST_PRIMITIVES];
    const void *packed[MOST_PRIMITIVES]; /* constant weights */
    size_t at_packed[MOST_PRIMITIVES];   /* else their places in the scratch, in bytes */
    size_t at_scratch, scratch;          /* of a chunk */
    dnn_part part[MOST_PARTS];
    /* by loops */
    void (*product)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row, int64_t a_col, const void *b,
                    int64_t b_row, void *c, int64_t c_row);
    int64_t parts, patch; /* elements of a row of patches, per group */
    size_t at_rows, per_part;
} conv_state;

static int64_t part_begin(int64_t n, int64_t parts, int64_t i)
{
    return n / parts * i + (i < n % parts ? i : n % parts);
}

/* ---- by oneDNN -------------------------------------------------------------------------------------------- */

static ek_status pack_weights(const ek_run_args *a, int64_t which)
{
    const conv_state *s = a->state;

    return ek__dnn_pack_weights(s->dnn[which], a->in[FILTER], (char *)a->scratch + s->at_packed[which], a->err);
}

static ek_status dnn_run(const ek_run_args *a, int64_t chunk)
{
    const conv_state *s = a->state;
    const dnn_part *p = &s->part[chunk];
    const void *weights = s->packed[p->which];

    if (weights == NULL) weights = (char *)a->scratch + s->at_packed[p->which];
    return ek__dnn_run(s->dnn[p->which], (const float *)a->in[INPUT] + p->in, weights, (float *)a->out[0] + p->out,
                       (char *)a->scratch + s->at_scratch + (size_t)chunk * s->scratch, a->err);
}

static double work_of(const conv_state *s)
{
    const ek_window *w = &s->w;

    return (double)(s->images * w->out[0] * w->out[1]) * (double)(s->out_channels * s->filter_channels) *
           (double)(w->kernel[0] * w->kernel[1]);
}

/* The part of one image's rows [first, last) of output, as a convolution of a slice of the input. */
static ek_dnn_conv rows_of(const conv_state *s, int64_t first, int64_t last, int64_t *in_row)
{
    const ek_window *w = &s->w;
    const int64_t from = first * w->stride[0] - w->before[0];
    const int64_t to = (last - 1) * w->stride[0] - w->before[0] + (w->kernel[0] - 1) * w->dilation[0] + 1;
    const int64_t low = from > 0 ? from : 0, high = to < w->in[0] ? to : w->in[0];

    *in_row = low;
    return (ek_dnn_conv){ .images = 1, .in_channels = s->in_channels, .out_channels = s->out_channels,
                          .in = { high - low, w->in[1] }, .out = { last - first, w->out[1] },
                          .kernel = { w->kernel[0], w->kernel[1] }, .stride = { w->stride[0], w->stride[1] },
                          .dilation = { w->dilation[0], w->dilation[1] }, .before = { low - from, w->before[1] },
                          .after = { to - high, w->after[1] } };
}

static ek_dnn_conv images_of(const conv_state *s, int64_t images)
{
    const ek_window *w = &s->w;

    return (ek_dnn_conv){ .images = images, .in_channels = s->in_channels, .out_channels = s->out_channels,
                          .in = { w->in[0], w->in[1] }, .out = { w->out[0], w->out[1] },
                          .kernel = { w->kernel[0], w->kernel[1] }, .stride = { w->stride[0], w->stride[1] },
                          .dilation = { w->dilation[0], w->dilation[1] }, .before = { w->before[0], w->before[1] },
                          .after = { w->after[0], w->after[1] }, .channels_first = w->channels_first };
}

static ek_status add_primitive(ek_prepare_ctx *c, conv_state *s, const ek_dnn_conv *spec, ek_error *err)
{
    EK_TRY(ek__dnn_conv(c->arena, spec, &s->dnn[s->n_dnn], err));
    const size_t scratch = (ek__dnn_scratch(s->dnn[s->n_dnn]) + 63) / 64 * 64;
    if (scratch > s->scratch) s->scratch = scratch;
    s->n_dnn++;
    return EK_OK;
}

static ek_status cut_rows(ek_prepare_ctx *c, conv_state *s, ek_error *err)
{
    const ek_window *w = &s->w;

    s->n_parts = 2;
    for (int i = 0; i < 2; i++) {
        int64_t row;
        const int64_t first = part_begin(w->out[0], 2, i);
        const ek_dnn_conv spec = rows_of(s, first, part_begin(w->out[0], 2, i + 1), &row);
        if (spec.in[0] <= 0) return EK_UNIMPLEMENTED; /* nothing but padding */
        EK_TRY(add_primitive(c, s, &spec, err));
        s->part[i] = (dnn_part){ i, row * w->in[1] * s->in_channels, first * w->out[1] * s->out_channels };
    }
    return EK_OK;
}

static ek_status cut_images(ek_prepare_ctx *c, conv_state *s, ek_error *err)
{
    const ek_window *w = &s->w;
    const int64_t by_images = s->images / IMAGES_PER_PART, by_work = (int64_t)(work_of(s) / PART_WORK);
    const int64_t parts = by_images < 2 || work_of(s) < HALVE_WORK ? 1 : by_work < 2 ? 2 : by_work;

    s->n_parts = (int)(parts < by_images || parts == 1 ? parts : by_images);
    if (s->n_parts > MOST_PARTS) s->n_parts = MOST_PARTS;
    for (int i = 0; i < 2; i++) { /* the larger part, then the smaller */
        const ek_dnn_conv spec = images_of(s, part_begin(s->images, s->n_parts, 1) - i);
        if (i == 1 && s->images % s->n_parts == 0) break;
        EK_TRY(add_primitive(c, s, &spec, err));
    }
    for (int i = 0; i < s->n_parts; i++) {
        const int64_t first = part_begin(s->images, s->n_parts, i);
        s->part[i] =
            (dnn_part){ s->n_dnn > 1 && i >= s->images % s->n_parts, first * w->in[0] * w->in[1] * s->in_channels,
                       first * w->out[0] * w->out[1] * s->out_channels };
    }
    return EK_OK;
}

static ek_status place_weights(ek_prepare_ctx *c, conv_state *s)
{
    const ek_array *known = c->in_value[FILTER];
    size_t at = 0;

    for (int i = 0; i < s->n_dnn; i++) {
        const size_t bytes = ek__dnn_weights_bytes(s->dnn[i]);
        s->at_packed[i] = at;
        if (known == NULL) {
            at += (bytes + 63) / 64 * 64;
            continue;
        }
        void *packed = ek__arena_alloc(c->arena, bytes, 64);
        if (packed == NULL) return ek__no_memory(c);
        EK_TRY(ek__dnn_pack_weights(s->dnn[i], known->data, packed, c->err));
        s->packed[i] = packed;
    }
    s->at_scratch = at;
    c->scratch_bytes = at + (size_t)s->n_parts * s->scratch;
    if (known == NULL) ek__add_phase(c, pack_weights, s->n_dnn);
    ek__add_phase(c, dnn_run, s->n_parts);
    return EK_OK;
}

/* UNIMPLEMENTED: oneDNN has nothing better than a reference loop. */
static ek_status use_dnn(ek_prepare_ctx *c, conv_state *s, ek_error *err)
{
    const bool halves =
        s->images == 1 && !s->w.channels_first && s->w.out[0] >= ROWS_TO_HALVE && work_of(s) >= HALVE_WORK;

    if (halves) {
        const ek_status st = cut_rows(c, s, err);
        if (st != EK_UNIMPLEMENTED) return st;
        *err = (ek_error){ 0 };
        s->n_dnn = 0;
        s->scratch = 0;
    }
    return cut_images(c, s, err);
}

/* ---- by loops ------------------------------------------------------------------------------------------------ */

static ek_status widen_filter(const ek_run_args *a, int64_t chunk)
{
    const conv_state *s = a->state;

    EK_UNUSED(chunk);
    ek__convert(s->dtype, a->in[FILTER], s->loop_dtype, a->scratch,
                s->w.kernel[0] * s->w.kernel[1] * s->filter_channels * s->out_channels);
    return EK_OK;
}

/* The windows of output row `y` of an image, channels [first, first + n) of each: [out width, kernel, kernel, n]. */
static void gather_patches(const ek_run_args *a, const conv_state *s, int64_t image, int64_t y, int64_t first,
                           char *patches)
{
    const ek_window *w = &s->w;
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
                    const int64_t at = ((image * w->in[0] + row) * w->in[1] + col) * s->in_channels + first;
                    ek__convert(s->dtype, (const char *)a->in[INPUT] + (size_t)at * size, s->loop_dtype, patches, n);
                    continue;
                }
                for (int64_t ch = 0; ch < n; ch++) {
                    const int64_t at = ((image * s->in_channels + first + ch) * w->in[0] + row) * w->in[1] + col;
                    ek__convert(s->dtype, (const char *)a->in[INPUT] + (size_t)at * size, s->loop_dtype,
                                patches + (size_t)ch * wide, 1);
                }
            }
}

/* A row of results [out width, channels] to its place. */
static void store_row(const ek_run_args *a, const conv_state *s, int64_t image, int64_t y, const char *row)
{
    const ek_window *w = &s->w;
    const int64_t channels = s->out_channels;
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
    const ek_window *w = &s->w;
    const int64_t rows = s->images * w->out[0], groups = s->in_channels / s->filter_channels,
                  n = s->out_channels / groups;
    const size_t wide = ek_dtype_size(s->loop_dtype);
    char *patches = (char *)a->scratch + s->at_rows + (size_t)chunk * s->per_part;
    char *results = patches + (size_t)(w->out[1] * s->patch) * wide;
    const char *filter = s->dtype == s->loop_dtype ? a->in[FILTER] : a->scratch;

    for (int64_t r = part_begin(rows, s->parts, chunk); r < part_begin(rows, s->parts, chunk + 1); r++) {
        for (int64_t g = 0; g < groups; g++) {
            gather_patches(a, s, r / w->out[0], r % w->out[0], g * s->filter_channels, patches);
            s->product(w->out[1], n, s->patch, patches, s->patch, 1, filter + (size_t)(g * n) * wide, s->out_channels,
                       results + (size_t)(g * n) * wide, s->out_channels);
        }
        store_row(a, s, r / w->out[0], r % w->out[0], results);
    }
    return EK_OK;
}

static ek_status use_loops(ek_prepare_ctx *c, conv_state *s)
{
    const ek_window *w = &s->w;
    const int64_t rows = s->images * w->out[0];
    const double parts = work_of(s) / LOOP_WORK;

    s->loop_dtype = s->dtype == EK_FLOAT64 ? EK_FLOAT64 : EK_FLOAT32;
    s->product = s->loop_dtype == EK_FLOAT64 ? ek__kernels()->matmul_f64 : ek__kernels()->matmul_f32;
    s->patch = w->kernel[0] * w->kernel[1] * s->filter_channels;
    s->parts = parts < 1 ? 1 : parts < LOOP_PARTS ? (int64_t)parts : LOOP_PARTS;
    if (s->parts > rows) s->parts = rows;
    const size_t wide = ek_dtype_size(s->loop_dtype);
    if (s->dtype != s->loop_dtype) s->at_rows = ((size_t)(s->patch * s->out_channels) * wide + 63) / 64 * 64;
    s->per_part = ((size_t)(w->out[1] * (s->patch + s->out_channels)) * wide + 63) / 64 * 64;
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
    const ek_window *w = &s->w;

    EK_UNUSED(chunk);
    memset(a->out[0], 0, (size_t)(s->images * w->out[0] * w->out[1] * s->out_channels) * ek_dtype_size(s->dtype));
    return EK_OK;
}

static ek_status conv_prepare(ek_prepare_ctx *c)
{
    const ek_window_attrs wa = window_attrs(c->attrs);
    const ek_shape *x = &c->in[INPUT], *f = &c->in[FILTER];
    conv_state *s = EK_ARENA_NEW(c->arena, conv_state, 1);

    if (s == NULL) return ek__no_memory(c);
    c->state = s;
    ek__window_layout(wa.data_format, &s->w);
    for (int i = 0; i < 2; i++) {
        s->w.in[i] = x->dim[s->w.axis[i]];
        s->w.kernel[i] = f->dim[i];
    }
    ek__window_set(&wa, &s->w);
    s->dtype = c->in_dtype[INPUT];
    s->images = x->dim[0];
    s->in_channels = x->dim[s->w.channels_first ? 1 : 3];
    s->filter_channels = f->dim[2];
    s->out_channels = f->dim[3];
    if (ek_shape_count(&c->out[0]) == 0) return EK_OK;
    if (s->in_channels == 0) {
        ek__add_phase(c, zeros, 1);
        return EK_OK;
    }
    ek_error why = { 0 };
    ek_status st = EK_UNIMPLEMENTED;
    if (s->dtype == EK_FLOAT32 && s->in_channels == s->filter_channels && !c->deterministic)
        st = use_dnn(c, s, &why);
    if (st == EK_OK) return place_weights(c, s);
    return st == EK_UNIMPLEMENTED ? use_loops(c, s) : ek__error_copy(c->err, &why);
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
};
