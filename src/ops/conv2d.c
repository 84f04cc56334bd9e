/* ops/conv2d.c - Conv2D, Conv3D.
 *
 * float32 in the plane goes to oneDNN (ops/conv_dnn.h). Depth, other dtypes, groups, and sessions that want the same bits everywhere go
 * to products of patches: a row of output is [width, window * channels] times the filter as
 * it is stored.
 */
#include "ops/after.h"
#include "ops/conv_loops.h"
#include "ops/rules.h"

enum { INPUT, FILTER };

/* ---- shape ------------------------------------------------------------------------------------------ */

static ek_status want_ranks(const ek_shape_ctx *c, int rank)
{
    for (int i = INPUT; i <= FILTER && c->running; i++)
        if (c->in[i].rank != rank)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "%s must be %d-dimensional%s", i == INPUT ? "input" : "filter", rank,
                           rank == 4 ? EK_CC(&c->in[i]) : "");
    EK_TRY(ek__want_rank(c, INPUT, rank));
    return ek__want_rank(c, FILTER, rank);
}

/* Whether the channels of image and filter go together; -1: unknown. */
static ek_status check_channels(const ek_shape_ctx *c, int64_t depth, int64_t filter_depth, int64_t outputs, bool flat)
{
    if (!c->running && filter_depth == 0) return EK_FAIL(c->err, INVALID_ARGUMENT, "Depth of filter must not be 0");
    if (!c->running && depth == 0 && filter_depth > 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Number of groups must not be 0");
    if (depth >= 0 && filter_depth > 0 && depth % filter_depth != 0) {
        if (c->running)
            return EK_FAIL(c->err, INVALID_ARGUMENT,
                           "%s depth must be evenly divisible by filter depth: %lld vs %lld", flat ? "input" : "Input",
                           (long long)depth, (long long)filter_depth);
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "Depth of input (%lld) is not a multiple of input depth of filter (%lld)", (long long)depth,
                       (long long)filter_depth);
    }
    if (depth > 0 && filter_depth > 0 && outputs >= 0 && outputs % (depth / filter_depth) != 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "Depth of output (%lld) is not a multiple of the number of groups (%lld)", (long long)outputs,
                       (long long)(depth / filter_depth));
    return EK_OK;
}

static ek_status conv_shape(ek_shape_ctx *c)
{
    const ek_conv_attrs *a = c->attrs;
    const ek_window_attrs wa = ek__conv_window(a);
    const ek_shape *x = &c->in[INPUT], *f = &c->in[FILTER];
    ek_window w = { .in = { -1, -1, -1 }, .kernel = { -1, -1, -1 } };

    ek__window_layout(a->data_format, &w);
    EK_TRY(want_ranks(c, w.dims + 2));
    const int channel = w.channels_first ? 1 : w.dims + 1;
    const int64_t depth = x->rank < 0 ? -1 : x->dim[channel], filter_depth = f->rank < 0 ? -1 : f->dim[w.dims];
    const int64_t outputs = f->rank < 0 ? -1 : f->dim[w.dims + 1];
    bool no_taps = filter_depth == 0;

    for (int i = 0; i < w.dims; i++) {
        if (x->rank >= 0) w.in[i] = x->dim[w.axis[i]];
        if (f->rank >= 0) w.kernel[i] = f->dim[i];
        no_taps = no_taps || w.kernel[i] == 0;
    }
    if (c->running && no_taps)
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "filter must not have zero elements (i.e. all dimensions must be non-zero)");
    EK_TRY(check_channels(c, depth, filter_depth, outputs, w.dims == 2));
    EK_TRY(ek__window_fit(c, c->def->name, &wa, &w));

    ek_shape out = ek__unknown_dims(w.dims + 2);
    if (x->rank >= 0) out.dim[0] = x->dim[0];
    if (f->rank >= 0) out.dim[channel] = outputs;
    for (int i = 0; i < w.dims; i++) out.dim[w.axis[i]] = w.out[i];
    c->out[0] = out;
    return EK_OK;
}

/* ---- state --------------------------------------------------------------------------------------------- */

typedef struct conv_state {
    ek_conv_loops loops;
    ek_after after;
    int64_t parts; /* of the loops' rows */
    size_t at_rows, per_part;
} conv_state;

/* ---- by loops ------------------------------------------------------------------------------------------------ */

static ek_status widen_filter(const ek_run_args *a, int64_t chunk)
{
    const conv_state *s = a->state;
    const ek_conv_loops *l = &s->loops;

    EK_UNUSED(chunk);
    ek__convert(l->dtype, a->in[FILTER], l->loop_dtype, a->scratch, l->patch * l->conv.out_channels);
    return EK_OK;
}

static ek_status loop_rows(const ek_run_args *a, int64_t chunk)
{
    const conv_state *s = a->state;
    const ek_conv_loops *l = &s->loops;
    const int64_t height = l->rows, width = l->width, rows = l->conv.images * height;
    const int64_t channels = l->conv.out_channels, n = channels / l->groups;
    const size_t wide = ek_dtype_size(l->loop_dtype);
    char *patches = (char *)a->scratch + s->at_rows + (size_t)chunk * s->per_part;
    char *results = patches + (size_t)(width * l->patch) * wide;
    const char *filter = l->dtype == l->loop_dtype ? a->in[FILTER] : a->scratch;

    for (int64_t r = ek__part_begin(rows, s->parts, chunk); r < ek__part_begin(rows, s->parts, chunk + 1); r++) {
        for (int64_t g = 0; g < l->groups; g++) {
            ek__conv_gather(l, a->in[INPUT], r / height, r % height, g * l->filter_channels, patches);
            l->product(width, n, l->patch, patches, l->patch, 1, filter + (size_t)(g * n) * wide, channels,
                       results + (size_t)(g * n) * wide, channels);
        }
        if (ek__after_any(&s->after)) ek__after_rows(a, &s->after, 0, width, channels, (float *)(void *)results);
        ek__conv_store_row(l, results, a->out[0], r / height, r % height);
    }
    return EK_OK;
}

static ek_status use_loops(ek_prepare_ctx *c, conv_state *s)
{
    const ek_conv_loops *l = &s->loops;
    const size_t wide = ek_dtype_size(l->loop_dtype);

    s->parts = ek__conv_parts(l, l->conv.images * l->rows);
    if (l->dtype != l->loop_dtype) s->at_rows = ek__whole_lines((size_t)(l->patch * l->conv.out_channels) * wide);
    s->per_part = ek__whole_lines((size_t)(l->width * (l->patch + l->conv.out_channels)) * wide);
    c->scratch_bytes = s->at_rows + (size_t)s->parts * s->per_part;
    if (l->dtype != l->loop_dtype) ek__add_phase(c, widen_filter, 1);
    ek__add_phase(c, loop_rows, s->parts);
    return EK_OK;
}

/* ---- preparing ------------------------------------------------------------------------------------------------- */

/* Of an image without channels: sums of nothing. */
static ek_status zeros(const ek_run_args *a, int64_t chunk)
{
    const conv_state *s = a->state;
    const ek_conv *conv = &s->loops.conv;
    const int64_t pixels = s->loops.rows * s->loops.width, channels = conv->out_channels;

    EK_UNUSED(chunk);
    memset(a->out[0], 0, (size_t)(conv->images * pixels * channels) * ek_dtype_size(s->loops.dtype));
    if (conv->w.channels_first) ek__after_planes(a, &s->after, conv->images, channels, pixels, a->out[0]);
    else ek__after_rows(a, &s->after, 0, conv->images * pixels, channels, a->out[0]);
    return EK_OK;
}

static ek_status conv_prepare_after(ek_prepare_ctx *c, const ek_after *after)
{
    conv_state *s = EK_ARENA_NEW(c->arena, conv_state, 1);

    if (s == NULL) return ek__no_memory(c);
    c->state = s;
    s->after = *after;
    ek__conv_loops_set(&s->loops, c->attrs, &c->in[INPUT], &c->in[FILTER], c->in_dtype[INPUT]);
    if (ek_shape_count(&c->out[0]) == 0) return EK_OK;
    if (s->loops.conv.in_channels == 0) {
        ek__add_phase(c, zeros, 1);
        return EK_OK;
    }
    const ek_status st = ek__conv_by_dnn(c, &s->loops, EK_DNN_FORWARD, INPUT, FILTER, after);
    return st == EK_UNIMPLEMENTED ? use_loops(c, s) : st;
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
    .attrs = EK_CONV_ATTRS,
    EK_CONV_FIELDS,
    .shape = conv_shape,
    .prepare = conv_prepare,
    .prepare_after = conv_prepare_after,
};

const ek_op_def ek__op_Conv3D = {
    .name = "Conv3D",
    .inputs = "input: T, filter: T",
    .outputs = "output: T",
    .attrs = EK_DEEP_CONV_ATTRS,
    EK_DEEP_CONV_FIELDS,
    .shape = conv_shape,
    .prepare = conv_prepare,
    .prepare_after = conv_prepare_after,
};
