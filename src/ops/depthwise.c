/* ops/depthwise.c - DepthwiseConv2dNative and its gradients: a filter, or several, for each channel alone.
 *
 * Output channel c * multiplier + q is input channel c through filter [.., c, q], so that the filter as it is stored has a
 * number for each output channel. Loops see an image with channels last, each repeated for each of its filters; images
 * that are not stored like this are laid out so in scratch, one at a time.
 */
#include "kernels/depthwise.h"

#include "ops/after.h"
#include "ops/elementwise.h"
#include "ops/rules.h"
#include "ops/window.h"

enum { IMAGE, SIZES = 0, FILTER = 1, GRADIENT = 2 }; /* by input: sizes of the image come first; by filter: its own second */

typedef struct depthwise_attrs {
    ek_ints strides, dilations, explicit_paddings;
    const char *padding, *data_format;
} depthwise_attrs;
static const ek_field depthwise_fields[] = {
    EK_FIELD_LIST(depthwise_attrs, strides, INT),
    EK_FIELD_LIST(depthwise_attrs, dilations, INT),
    EK_FIELD(depthwise_attrs, padding, STRING),
    EK_FIELD(depthwise_attrs, data_format, STRING),
    { "explicit_paddings", offsetof(depthwise_attrs, explicit_paddings), EK_ATTR_LIST | EK_ATTR_INT, true },
};

static ek_window_attrs window_of(const depthwise_attrs *a)
{
    return (ek_window_attrs){ a->data_format, a->padding, a->strides, &a->dilations, &a->explicit_paddings };
}

/* ---- shapes ------------------------------------------------------------------------------------------ */

/* Output sizes of an image by a filter, either of which may be unknown. */
static ek_status fit(const ek_shape_ctx *c, const char *op, const ek_shape *image, const ek_shape *filter, ek_window *w)
{
    const depthwise_attrs *a = c->attrs;
    const ek_window_attrs wa = window_of(a);

    *w = (ek_window){ .in = { -1, -1 }, .kernel = { -1, -1 } };
    ek__window_layout(a->data_format, w);
    for (int i = 0; i < 2; i++) {
        if (image->rank == 4) w->in[i] = image->dim[w->axis[i]];
        if (filter->rank == 4) w->kernel[i] = filter->dim[i];
    }
    return ek__window_fit(c, op, &wa, w);
}

static int64_t known_product(int64_t a, int64_t b)
{
    int64_t n;

    return a < 0 || b < 0 || __builtin_mul_overflow(a, b, &n) ? -1 : n;
}

static ek_status forward_shape(ek_shape_ctx *c)
{
    const ek_shape *x = &c->in[IMAGE], *f = &c->in[FILTER];
    ek_window w;

    if (c->running && x->rank != 4)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "input must be 4-dimensional%s", EK_CC(x));
    if (c->running && f->rank != 4)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "filter must be 4-dimensional: %s", EK_CC(f));
    EK_TRY(ek__want_rank(c, IMAGE, 4));
    EK_TRY(ek__want_rank(c, FILTER, 4));
    EK_TRY(fit(c, "DepthwiseConv2D", x, f, &w));
    const int channel = w.channels_first ? 1 : 3;
    const int64_t depth = x->rank < 0 ? -1 : x->dim[channel], filters = f->rank < 0 ? -1 : f->dim[2];
    if (depth >= 0 && filters >= 0 && depth != filters)
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       c->running ? "input and filter must have the same depth: %lld vs %lld"
                                  : "Dimensions must be equal, but are %lld and %lld",
                       (long long)depth, (long long)filters);

    c->out[0] = ek__unknown_dims(4);
    if (x->rank == 4) c->out[0].dim[0] = x->dim[0];
    if (f->rank == 4) c->out[0].dim[channel] = known_product(filters < 0 ? depth : filters, f->dim[3]);
    for (int i = 0; i < 2; i++) c->out[0].dim[w.axis[i]] = w.out[i];
    return EK_OK;
}

/* Whether the gradient of the output fits image and filter. */
static ek_status check_gradient(const ek_shape_ctx *c, const char *label, const ek_shape *image, const ek_shape *filter)
{
    const ek_shape *dy = &c->in[GRADIENT];
    ek_window w;

    EK_TRY(fit(c, label, image, filter, &w));
    const int channel = w.channels_first ? 1 : 3;
    if (!c->running) return EK_OK;
    if (image->dim[0] != dy->dim[0])
        return EK_FAIL(c->err, INVALID_ARGUMENT, "%s: input and out_backprop must have the same batch size", label);
    for (int i = 0; i < 2; i++)
        if (w.out[i] != dy->dim[w.axis[i]])
            return EK_FAIL(c->err, INVALID_ARGUMENT,
                           "%s: Number of %s of out_backprop doesn't match computed: actual = %lld, computed = %lld", label,
                           i == 0 ? "rows" : "columns", (long long)dy->dim[w.axis[i]], (long long)w.out[i]);
    if (image->dim[channel] != filter->dim[2])
        return EK_FAIL(c->err, INVALID_ARGUMENT, "%s: input and filter must have the same in_depth", label);
    if (known_product(filter->dim[2], filter->dim[3]) != dy->dim[channel])
        return EK_FAIL(c->err, INVALID_ARGUMENT, "%s: depth_multiplier * in_depth not equal to out_depth", label);
    return EK_OK;
}

static ek_status by_input_shape(ek_shape_ctx *c)
{
    EK_TRY(ek__window_sizes(c, "DepthwiseConv2DBackpropInput", SIZES, FILTER, "input_sizes", 4));
    return check_gradient(c, "DepthwiseConv2DBackpropInput", &c->out[0], &c->in[FILTER]);
}

static ek_status by_filter_shape(ek_shape_ctx *c)
{
    EK_TRY(ek__window_sizes(c, "DepthwiseConv2DBackpropFilter", FILTER, IMAGE, "filter_sizes", 4));
    return check_gradient(c, "DepthwiseConv2DBackpropFilter", &c->in[IMAGE], &c->out[0]);
}

/* ---- what meets what ------------------------------------------------------------------------------------ */

/* The pixel of the input that tap k meets at output o; -1: past the image. */
static int64_t input_at(const ek_window *w, int axis, int64_t o, int64_t k)
{
    const int64_t i = o * w->stride[axis] - w->before[axis] + k * w->dilation[axis];

    return i < w->in[axis] ? i : -1;
}

/* The output at which tap k meets input i. */
static int64_t output_at(const ek_window *w, int axis, int64_t i, int64_t k)
{
    const int64_t o = i + w->before[axis] - k * w->dilation[axis];

    return o >= 0 && o % w->stride[axis] == 0 && o / w->stride[axis] < w->out[axis] ? o / w->stride[axis] : -1;
}

/* The pixel of the input that tap k meets at output o, from the tap's side. */
static int64_t input_of_tap(const ek_window *w, int axis, int64_t k, int64_t o)
{
    return input_at(w, axis, o, k);
}

/* For positions 0 .. n-1 all of 0 .. met-1 for which `at` has a place. */
static const ek_taps *taps_of(ek_prepare_ctx *c, const ek_window *w, int axis, int64_t n, int64_t met,
                              int64_t (*at)(const ek_window *w, int axis, int64_t position, int64_t other))
{
    ek_taps *t = EK_ARENA_NEW(c->arena, ek_taps, (size_t)n);

    for (int64_t p = 0; t != NULL && p < n; p++)
        for (int64_t k = 0; k < met; k++) {
            const int64_t place = at(w, axis, p, k);
            if (place < 0) continue;
            if (t[p].count == 0) {
                t[p].first = k;
                t[p].at = place;
            } else if (t[p].count == 1) {
                t[p].step = k - t[p].first;
                t[p].at_step = place - t[p].at;
            }
            t[p].count++;
        }
    return t;
}

/* ---- state ---------------------------------------------------------------------------------------------- */

/* An image as it is stored. */
typedef struct picture {
    int64_t pixels, channels, repeat; /* repeat: each channel that many times in the loops */
    bool converted, arranged;         /* what has to be done to it for the loops */
} picture;

typedef struct depthwise_state {
    ek_depthwise g;
    ek_after after;
    ek_dtype dtype, loop_dtype;
    bool channels_first, by_rows; /* by_rows: an image may be cut */
    int source;                   /* the input that `from` is */
    int64_t images, rows, parts;  /* rows: of the result; by the filter, of the output */
    int64_t weights;              /* numbers of the filter */
    picture from, to;             /* by the filter: input and output's gradient */
    size_t at_parts, per_part, room_from; /* in the scratch, in bytes */
} depthwise_state;

/* ---- images ---------------------------------------------------------------------------------------------- */

static size_t plain_bytes(const depthwise_state *s, const picture *p)
{
    return ek__whole_lines((size_t)(p->pixels * p->channels) * ek_dtype_size(s->loop_dtype));
}

/* Bytes in which an image is converted, then arranged. */
static size_t room_of(const depthwise_state *s, const picture *p)
{
    return (p->converted ? plain_bytes(s, p) : 0) + (p->arranged ? plain_bytes(s, p) * (size_t)p->repeat : 0);
}

/* Where a channel of a pixel is stored. */
static int64_t stored_at(const picture *p, bool channels_first, int64_t pixel, int64_t channel)
{
    return channels_first ? channel * p->pixels + pixel : pixel * p->channels + channel;
}

/* Between an image as it is stored and as the loops see it; the copies of a channel are added on the way back. */
#define ARRANGE(t, T)                                                                                  \
    static void spread_##t(const picture *p, bool channels_first, const T *from, T *to)                \
    {                                                                                                  \
        for (int64_t i = 0; i < p->pixels; i++)                                                        \
            for (int64_t c = 0; c < p->channels; c++) {                                                \
                const T v = from[stored_at(p, channels_first, i, c)];                                  \
                for (int64_t q = 0; q < p->repeat; q++) *to++ = v;                                     \
            }                                                                                          \
    }                                                                                                  \
    static void collect_##t(const picture *p, bool channels_first, const T *from, T *to)               \
    {                                                                                                  \
        for (int64_t i = 0; i < p->pixels; i++)                                                        \
            for (int64_t c = 0; c < p->channels; c++) {                                                \
                T sum = 0;                                                                             \
                for (int64_t q = 0; q < p->repeat; q++) sum += *from++;                                \
                to[stored_at(p, channels_first, i, c)] = sum;                                          \
            }                                                                                          \
    }
ARRANGE(f32, float)
ARRANGE(f64, double)

static void *stored_image(const depthwise_state *s, const picture *p, const void *base, int64_t image)
{
    return (char *)(uintptr_t)base + (size_t)(image * p->pixels * p->channels) * ek_dtype_size(s->dtype);
}

static const void *load_image(const depthwise_state *s, const picture *p, const void *base, int64_t image, char *room)
{
    const void *from = stored_image(s, p, base, image);

    if (p->converted) {
        ek__convert(s->dtype, from, s->loop_dtype, room, p->pixels * p->channels);
        from = room;
        room += plain_bytes(s, p);
    }
    if (!p->arranged) return from;
    if (s->loop_dtype == EK_FLOAT64) spread_f64(p, s->channels_first, from, (double *)(void *)room);
    else spread_f32(p, s->channels_first, from, (float *)(void *)room);
    return room;
}

/* Where the loops put an image that belongs to `base`. */
static void *result_image(const depthwise_state *s, const picture *p, void *base, int64_t image, char *room)
{
    if (!p->converted && !p->arranged) return stored_image(s, p, base, image);
    return p->converted && p->arranged ? room + plain_bytes(s, p) : room;
}

static void store_image(const depthwise_state *s, const picture *p, void *base, int64_t image, char *room)
{
    void *place = stored_image(s, p, base, image), *plain = p->converted ? room : place;
    const void *result = result_image(s, p, base, image, room);

    if (p->arranged && s->loop_dtype == EK_FLOAT64) collect_f64(p, s->channels_first, result, plain);
    else if (p->arranged) collect_f32(p, s->channels_first, result, plain);
    if (p->converted) ek__convert(s->loop_dtype, plain, s->dtype, place, p->pixels * p->channels);
}

/* ---- parts ------------------------------------------------------------------------------------------------ */

/* Units are rows of images where these may be cut, else images. Rows [first, last) of one image, all that a part has of it. */
typedef struct stretch {
    int64_t image, first, last, units;
} stretch;

static int64_t part_begin(const depthwise_state *s, int64_t part)
{
    return ek__part_begin(s->images * (s->by_rows ? s->rows : 1), s->parts, part);
}

static stretch stretch_at(const depthwise_state *s, int64_t unit, int64_t end)
{
    if (!s->by_rows) return (stretch){ unit, 0, s->rows, 1 };
    const int64_t first = unit % s->rows, n = end - unit < s->rows - first ? end - unit : s->rows - first;
    return (stretch){ unit / s->rows, first, first + n, n };
}

/* ---- forward, and the gradient by the input ---------------------------------------------------------------- */

static ek_status widen_filter(const ek_run_args *a, int64_t chunk)
{
    const depthwise_state *s = a->state;

    EK_UNUSED(chunk);
    ek__convert(s->dtype, a->in[FILTER], s->loop_dtype, a->scratch, s->weights);
    return EK_OK;
}

/* Rows [first, last) of one image, what follows included. */
static void run_rows(const ek_run_args *a, const depthwise_state *s, const void *from, void *to, int64_t first, int64_t last)
{
    const ek_depthwise *g = &s->g;
    const void *filter = s->dtype == s->loop_dtype ? a->in[FILTER] : a->scratch;

    if (s->loop_dtype == EK_FLOAT64) {
        ek__kernels()->depthwise_f64(g, from, filter, to, first, last);
        return;
    }
    for (int64_t r = first; r < last; r++) {
        ek__kernels()->depthwise_f32(g, from, filter, to, r, r + 1);
        ek__after_rows(a, &s->after, 0, g->width, g->channels, (float *)to + r * g->width * g->channels);
    }
}

static ek_status run_part(const ek_run_args *a, int64_t chunk)
{
    const depthwise_state *s = a->state;
    char *room = (char *)a->scratch + s->at_parts + (size_t)chunk * s->per_part, *room_to = room + s->room_from;

    for (int64_t u = part_begin(s, chunk), end = part_begin(s, chunk + 1); u < end;) {
        const stretch r = stretch_at(s, u, end);
        const void *from = load_image(s, &s->from, a->in[s->source], r.image, room);
        run_rows(a, s, from, result_image(s, &s->to, a->out[0], r.image, room_to), r.first, r.last);
        store_image(s, &s->to, a->out[0], r.image, room_to);
        u += r.units;
    }
    return EK_OK;
}

/* ---- the gradient by the filter ------------------------------------------------------------------------------ */

static ek_status sum_part(const ek_run_args *a, int64_t chunk)
{
    const depthwise_state *s = a->state;
    char *sums = (char *)a->scratch + s->at_parts + (size_t)chunk * s->per_part;
    char *room = sums + ek__whole_lines((size_t)s->weights * ek_dtype_size(s->loop_dtype));

    memset(sums, 0, (size_t)s->weights * ek_dtype_size(s->loop_dtype));
    for (int64_t u = part_begin(s, chunk), end = part_begin(s, chunk + 1); u < end;) {
        const stretch r = stretch_at(s, u, end);
        const void *x = load_image(s, &s->from, a->in[IMAGE], r.image, room);
        const void *dy = load_image(s, &s->to, a->in[GRADIENT], r.image, room + s->room_from);
        (s->loop_dtype == EK_FLOAT64 ? ek__kernels()->depthwise_by_filter_f64 : ek__kernels()->depthwise_by_filter_f32)(
            &s->g, x, dy, sums, r.first, r.last);
        u += r.units;
    }
    return EK_OK;
}

/* The parts' sums, added in order. */
static ek_status sum_up(const ek_run_args *a, int64_t chunk)
{
    const depthwise_state *s = a->state;
    char *sums = (char *)a->scratch + s->at_parts;

    EK_UNUSED(chunk);
    for (int64_t p = 1; p < s->parts; p++) ek__add_to(s->loop_dtype, s->weights, sums, sums + (size_t)p * s->per_part);
    ek__convert(s->loop_dtype, sums, s->dtype, a->out[0], s->weights);
    return EK_OK;
}

/* ---- preparing -------------------------------------------------------------------------------------------------- */

enum { MOST_PARTS = 16, PART_WORK = 1 << 19 };

/* Geometry and pictures; the parts are still to be cut. */
static void set_state(depthwise_state *s, ek_window *w, const depthwise_attrs *a, const ek_shape *image, const ek_shape *filter,
                      ek_dtype t)
{
    const ek_window_attrs wa = window_of(a);
    const int64_t multiplier = filter->dim[3];

    *w = (ek_window){ .dims = 0 };
    ek__window_layout(a->data_format, w);
    for (int i = 0; i < 2; i++) {
        w->in[i] = image->dim[w->axis[i]];
        w->kernel[i] = filter->dim[i];
    }
    ek__window_set(&wa, w);
    s->dtype = t;
    s->loop_dtype = t == EK_FLOAT64 ? EK_FLOAT64 : EK_FLOAT32;
    s->channels_first = w->channels_first;
    s->images = image->dim[0];
    s->weights = ek_shape_count(filter);
    s->g = (ek_depthwise){ .channels = filter->dim[2] * multiplier, .kernel_width = w->kernel[1], .period = 1 };
    s->after = ek__after_nothing();
    s->from = (picture){ w->in[0] * w->in[1], filter->dim[2], multiplier, t != s->loop_dtype, w->channels_first || multiplier != 1 };
    s->to = (picture){ w->out[0] * w->out[1], s->g.channels, 1, t != s->loop_dtype, w->channels_first };
}

static void cut(ek_prepare_ctx *c, depthwise_state *s, const ek_window *w, size_t sums)
{
    const double work = (double)(s->images * w->out[0] * w->out[1]) * (double)(w->kernel[0] * w->kernel[1]) * (double)s->g.channels;
    const double parts = work / PART_WORK;
    const picture *f = &s->from, *t = &s->to;

    s->by_rows = !f->converted && !f->arranged && !t->converted && !t->arranged;
    const int64_t units = s->by_rows ? s->images * s->rows : s->images;
    s->parts = parts < 1 ? 1 : parts < MOST_PARTS ? (int64_t)parts : MOST_PARTS;
    if (s->parts > units) s->parts = units > 0 ? units : 1; /* sums of nothing are a part too */
    s->room_from = room_of(s, f);
    const size_t bytes = sums + s->room_from + room_of(s, t);
    s->per_part = bytes > 0 ? ek__far_apart(bytes) : 0;
    c->scratch_bytes = s->at_parts + (size_t)s->parts * s->per_part;
}

/* The phases of what is computed like the way forward. */
static ek_status prepare_results(ek_prepare_ctx *c, depthwise_state *s, const ek_window *w)
{
    const bool widen = s->dtype != s->loop_dtype;

    if (s->g.row == NULL || s->g.column == NULL) return ek__no_memory(c);
    if (widen) s->at_parts = ek__whole_lines((size_t)s->weights * ek_dtype_size(s->loop_dtype));
    cut(c, s, w, 0);
    if (widen) ek__add_phase(c, widen_filter, 1);
    ek__add_phase(c, run_part, s->parts);
    return EK_OK;
}

static ek_status forward_prepare_after(ek_prepare_ctx *c, const ek_after *after)
{
    depthwise_state *s = EK_ARENA_NEW(c->arena, depthwise_state, 1);
    ek_window w;

    if (s == NULL) return ek__no_memory(c);
    c->state = s;
    if (ek__empty(c)) return EK_OK;
    set_state(s, &w, c->attrs, &c->in[IMAGE], &c->in[FILTER], c->out_dtype[0]);
    s->after = *after;
    s->source = IMAGE;
    s->rows = w.out[0];
    s->g.width = w.out[1];
    s->g.image_width = w.in[1];
    s->g.row = taps_of(c, &w, 0, w.out[0], w.kernel[0], input_at);
    s->g.column = taps_of(c, &w, 1, w.out[1], w.kernel[1], input_at);
    return prepare_results(c, s, &w);
}

static ek_status forward_prepare(ek_prepare_ctx *c)
{
    const ek_after nothing = ek__after_nothing();

    return forward_prepare_after(c, &nothing);
}

static ek_status by_input_prepare(ek_prepare_ctx *c)
{
    depthwise_state *s = EK_ARENA_NEW(c->arena, depthwise_state, 1);
    ek_window w;

    if (s == NULL) return ek__no_memory(c);
    c->state = s;
    if (ek__empty(c)) return EK_OK;
    set_state(s, &w, c->attrs, &c->out[0], &c->in[FILTER], c->out_dtype[0]);
    const picture image = s->from;
    s->from = s->to;
    s->to = image;
    s->source = GRADIENT;
    s->rows = w.in[0];
    s->g.width = w.in[1];
    s->g.image_width = w.out[1];
    s->g.period = w.stride[1];
    s->g.row = taps_of(c, &w, 0, w.in[0], w.kernel[0], output_at);
    s->g.column = taps_of(c, &w, 1, w.in[1], w.kernel[1], output_at);
    return prepare_results(c, s, &w);
}

static ek_status by_filter_prepare(ek_prepare_ctx *c)
{
    depthwise_state *s = EK_ARENA_NEW(c->arena, depthwise_state, 1);
    ek_window w;

    if (s == NULL) return ek__no_memory(c);
    c->state = s;
    if (ek__empty(c)) return EK_OK;
    set_state(s, &w, c->attrs, &c->in[IMAGE], &c->out[0], c->out_dtype[0]);
    s->rows = w.out[0];
    s->g.width = w.out[1];
    s->g.image_width = w.in[1];
    s->g.row = taps_of(c, &w, 0, w.out[0], w.kernel[0], input_at);
    s->g.column = taps_of(c, &w, 1, w.kernel[1], w.out[1], input_of_tap);
    if (s->g.row == NULL || s->g.column == NULL) return ek__no_memory(c);
    cut(c, s, &w, ek__whole_lines((size_t)s->weights * ek_dtype_size(s->loop_dtype)));
    ek__add_phase(c, sum_part, s->parts);
    ek__add_phase(c, sum_up, 1);
    return EK_OK;
}

/* ---- definitions ------------------------------------------------------------------------------------------- */

#define DEPTHWISE_ATTRS                                                                                                 \
    "T: {half, bfloat16, float, double}; strides: list(int); padding: {'SAME', 'VALID', 'EXPLICIT'}; "                  \
    "data_format: {'NHWC', 'NCHW'} = 'NHWC'; dilations: list(int) = [1, 1, 1, 1]; explicit_paddings: list(int) = [] later"
#define DEPTHWISE_FIELDS \
    .attrs_size = sizeof(depthwise_attrs), .fields = depthwise_fields, .n_fields = EK_COUNT_OF(depthwise_fields)

const ek_op_def ek__op_DepthwiseConv2dNative = {
    .name = "DepthwiseConv2dNative",
    .inputs = "input: T, filter: T",
    .outputs = "output: T",
    .attrs = DEPTHWISE_ATTRS,
    DEPTHWISE_FIELDS,
    .shape = forward_shape,
    .prepare = forward_prepare,
    .prepare_after = forward_prepare_after,
};

const ek_op_def ek__op_DepthwiseConv2dNativeBackpropInput = {
    .name = "DepthwiseConv2dNativeBackpropInput",
    .inputs = "input_sizes: int32, filter: T, out_backprop: T",
    .outputs = "output: T",
    .attrs = DEPTHWISE_ATTRS,
    DEPTHWISE_FIELDS,
    .shape = by_input_shape,
    .value_inputs = 1u << SIZES,
    .prepare = by_input_prepare,
};

const ek_op_def ek__op_DepthwiseConv2dNativeBackpropFilter = {
    .name = "DepthwiseConv2dNativeBackpropFilter",
    .inputs = "input: T, filter_sizes: int32, out_backprop: T",
    .outputs = "output: T",
    .attrs = DEPTHWISE_ATTRS,
    DEPTHWISE_FIELDS,
    .shape = by_filter_shape,
    .value_inputs = 1u << FILTER,
    .prepare = by_filter_prepare,
};
