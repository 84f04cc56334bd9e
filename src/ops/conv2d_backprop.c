/* ops/conv2d_backprop.c - Conv2DBackpropInput, Conv2DBackpropFilter, Conv3DBackpropInputV2, Conv3DBackpropFilterV2: a
 * convolution's gradients.
 *
 * float32 in the plane goes to oneDNN (ops/conv_dnn.h). Else, by input: a row of the output's gradient times the transposed filter is
 * a row of patches, which are added to the image they came from; by filter: transposed patches times that row, added up
 * in parts, which are added in order.
 */
#include "ops/conv_loops.h"
#include "ops/elementwise.h"
#include "ops/rules.h"

enum { IMAGE, SIZES = 0, FILTER = 1, GRADIENT = 2 }; /* by input: sizes of the image come first; by filter: its own second */

typedef struct back_state {
    ek_conv_loops loops;
    int64_t parts;
    size_t at_parts, per_part; /* in the scratch, in bytes */
} back_state;

/* ---- shapes ----------------------------------------------------------------------------------------- */

static ek_status fit(const ek_shape_ctx *c, const char *label, const ek_shape *image, const ek_shape *filter)
{
    const ek_conv_attrs *a = c->attrs;
    const ek_window_attrs wa = ek__conv_window(a);
    const ek_shape *dy = &c->in[GRADIENT];
    ek_window w = { .in = { -1, -1, -1 }, .kernel = { -1, -1, -1 } };

    ek__window_layout(a->data_format, &w);
    const int channel = w.channels_first ? 1 : w.dims + 1;
    for (int i = 0; i < w.dims; i++) {
        if (image->rank >= 0) w.in[i] = image->dim[w.axis[i]];
        if (filter->rank >= 0) w.kernel[i] = filter->dim[i];
    }
    EK_TRY(ek__window_fit(c, c->def->name, &wa, &w));
    if (!c->running) return EK_OK;
    const int64_t depth = image->dim[channel], filter_depth = filter->dim[w.dims], outputs = filter->dim[w.dims + 1];
    if (image->dim[0] != dy->dim[0])
        return EK_FAIL(c->err, INVALID_ARGUMENT, "%s: input and out_backprop must have the same batch size. Input batch: %lld, "
                       "outbackprop batch: %lld", label, (long long)image->dim[0], (long long)dy->dim[0]);
    if (filter_depth == 0 ? depth != 0 : depth % filter_depth != 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "%s: input depth must be evenly divisible by filter depth: %lld vs %lld", label,
                       (long long)depth, (long long)filter_depth);
    if (outputs != dy->dim[channel])
        return EK_FAIL(c->err, INVALID_ARGUMENT, "%s: filter and out_backprop must have the same out_depth: %lld vs %lld", label,
                       (long long)outputs, (long long)dy->dim[channel]);
    if (filter_depth > 0 && depth > 0 && outputs % (depth / filter_depth) != 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "%s: output depth %lld is not a multiple of the number of groups %lld", label,
                       (long long)outputs, (long long)(depth / filter_depth));
    for (int i = 0; i < w.dims; i++)
        if (w.out[i] != dy->dim[w.axis[i]])
            return EK_FAIL(c->err, INVALID_ARGUMENT,
                           "%s: Size of out_backprop doesn't match computed: actual = %lld, computed = %lld spatial_dim: %d "
                           "input: %lld filter: %lld output: %lld stride: %lld dilation: %lld",
                           label, (long long)dy->dim[w.axis[i]], (long long)w.out[i], w.axis[i], (long long)w.in[i],
                           (long long)w.kernel[i], (long long)dy->dim[w.axis[i]], (long long)w.stride[i],
                           (long long)w.dilation[i]);
    return EK_OK;
}

static bool is_flat(const ek_shape_ctx *c)
{
    const ek_conv_attrs *a = c->attrs;

    return strchr(a->data_format, 'D') == NULL;
}

static ek_status input_shape(ek_shape_ctx *c)
{
    const char *label = is_flat(c) ? "Conv2DCustomBackpropInput" : "Conv3DBackpropInputOp";

    EK_TRY(ek__window_sizes(c, label, SIZES, FILTER, "input_sizes", is_flat(c) ? 4 : 5));
    return fit(c, label, &c->out[0], &c->in[FILTER]);
}

static ek_status filter_shape(ek_shape_ctx *c)
{
    const char *label = is_flat(c) ? "Conv2DCustomBackpropFilter" : "Conv3DBackpropFilterOp";

    EK_TRY(ek__window_sizes(c, label, FILTER, IMAGE, "filter_sizes", is_flat(c) ? 4 : 5));
    return fit(c, label, &c->in[IMAGE], &c->out[0]);
}

/* Sums of nothing. */
static ek_status zeros(const ek_run_args *a, int64_t chunk)
{
    EK_UNUSED(chunk);
    memset(a->out[0], 0, *(const size_t *)a->state);
    return EK_OK;
}

static ek_status prepare_zeros(ek_prepare_ctx *c, ek_dtype t)
{
    size_t *bytes = EK_ARENA_NEW(c->arena, size_t, 1);

    if (bytes == NULL) return ek__no_memory(c);
    *bytes = (size_t)ek_shape_count(&c->out[0]) * ek_dtype_size(t);
    c->state = bytes;
    ek__add_phase(c, zeros, 1);
    return EK_OK;
}

/* State and geometry; *out NULL: all is prepared, there are no elements or, `other` or the gradient being empty, only zeros. */
static ek_status begin(ek_prepare_ctx *c, const ek_shape *image, const ek_shape *filter, const ek_shape *other, back_state **out)
{
    const ek_dtype t = c->out_dtype[0];
    back_state *s = EK_ARENA_NEW(c->arena, back_state, 1);

    *out = NULL;
    if (s == NULL) return ek__no_memory(c);
    if (ek__empty(c)) return EK_OK;
    if (ek_shape_count(other) == 0 || ek_shape_count(&c->in[GRADIENT]) == 0) return prepare_zeros(c, t);
    ek__conv_loops_set(&s->loops, c->attrs, image, filter, t);
    c->state = *out = s;
    return EK_OK;
}

/* ---- by input ------------------------------------------------------------------------------------------ */

/* The filter as [group, output channel of the group, patch] in the loops' type. */
static ek_status transpose_filter(const ek_run_args *a, int64_t group)
{
    const back_state *s = a->state;
    const ek_conv_loops *l = &s->loops;
    const int64_t all = l->conv.out_channels, n = all / l->groups;
    const size_t size = ek_dtype_size(l->dtype), wide = ek_dtype_size(l->loop_dtype);
    char *to = (char *)a->scratch + (size_t)(group * n * l->patch) * wide;

    for (int64_t p = 0; p < l->patch; p++)
        for (int64_t j = 0; j < n; j++)
            ek__convert(l->dtype, (const char *)a->in[FILTER] + (size_t)(p * all + group * n + j) * size, l->loop_dtype,
                        to + (size_t)(j * l->patch + p) * wide, 1);
    return EK_OK;
}

static ek_status input_images(const ek_run_args *a, int64_t chunk)
{
    const back_state *s = a->state;
    const ek_conv_loops *l = &s->loops;
    const int64_t all = l->conv.out_channels, n = all / l->groups, count = l->pixels * l->conv.in_channels;
    const size_t wide = ek_dtype_size(l->loop_dtype);
    char *row = (char *)a->scratch + s->at_parts + (size_t)chunk * s->per_part;
    char *patches = row + ek__whole_lines((size_t)(l->width * all) * wide);
    char *image = patches + ek__whole_lines((size_t)(l->width * l->patch) * wide);

    for (int64_t i = ek__part_begin(l->conv.images, s->parts, chunk); i < ek__part_begin(l->conv.images, s->parts, chunk + 1); i++) {
        memset(image, 0, (size_t)count * wide);
        for (int64_t y = 0; y < l->rows; y++) {
            ek__conv_load_row(l, a->in[GRADIENT], i, y, row);
            for (int64_t g = 0; g < l->groups; g++) {
                l->product(l->width, l->patch, n, row + (size_t)(g * n) * wide, all, 1,
                           (char *)a->scratch + (size_t)(g * n * l->patch) * wide, l->patch, patches, l->patch);
                ek__conv_scatter(l, patches, y, g * l->filter_channels, image);
            }
        }
        ek__conv_store_image(l, image, a->out[0], i);
    }
    return EK_OK;
}

static ek_status input_prepare(ek_prepare_ctx *c)
{
    back_state *s;

    EK_TRY(begin(c, &c->out[0], &c->in[FILTER], &c->in[FILTER], &s));
    if (s == NULL) return EK_OK;
    const ek_conv_loops *l = &s->loops;
    const ek_status st = ek__conv_by_dnn(c, l, EK_DNN_INPUT, GRADIENT, FILTER, NULL);
    if (st != EK_UNIMPLEMENTED) return st;
    const size_t wide = ek_dtype_size(l->loop_dtype);
    s->parts = ek__conv_parts(l, l->conv.images);
    s->at_parts = ek__whole_lines((size_t)(l->patch * l->conv.out_channels) * wide);
    s->per_part = ek__whole_lines((size_t)(l->width * l->conv.out_channels) * wide) + ek__whole_lines((size_t)(l->width * l->patch) * wide) +
                  ek__whole_lines((size_t)(l->pixels * l->conv.in_channels) * wide);
    c->scratch_bytes = s->at_parts + (size_t)s->parts * s->per_part;
    ek__add_phase(c, transpose_filter, l->groups);
    ek__add_phase(c, input_images, s->parts);
    return EK_OK;
}

/* ---- by filter ------------------------------------------------------------------------------------------- */

enum { MOST_PARTIAL = 1 << 24 }; /* numbers that all parts hold together, as far as one alone holds fewer */

static ek_status filter_rows(const ek_run_args *a, int64_t chunk)
{
    const back_state *s = a->state;
    const ek_conv_loops *l = &s->loops;
    const int64_t all = l->conv.out_channels, n = all / l->groups, height = l->rows, rows = l->conv.images * height;
    const size_t wide = ek_dtype_size(l->loop_dtype);
    char *sum = (char *)a->scratch + s->at_parts + (size_t)chunk * s->per_part;
    char *row = sum + ek__whole_lines((size_t)(l->patch * all) * wide);
    char *patches = row + ek__whole_lines((size_t)(l->width * all) * wide);
    char *product = patches + ek__whole_lines((size_t)(l->width * l->patch) * wide);

    memset(sum, 0, (size_t)(l->patch * all) * wide);
    for (int64_t r = ek__part_begin(rows, s->parts, chunk); r < ek__part_begin(rows, s->parts, chunk + 1); r++) {
        ek__conv_load_row(l, a->in[GRADIENT], r / height, r % height, row);
        for (int64_t g = 0; g < l->groups; g++) {
            ek__conv_gather(l, a->in[IMAGE], r / height, r % height, g * l->filter_channels, patches);
            l->product(l->patch, n, l->width, patches, 1, l->patch, row + (size_t)(g * n) * wide, all,
                       product + (size_t)(g * n) * wide, all);
        }
        ek__add_to(l->loop_dtype, l->patch * all, sum, product);
    }
    return EK_OK;
}

static ek_status filter_sum(const ek_run_args *a, int64_t chunk)
{
    const back_state *s = a->state;
    const ek_conv_loops *l = &s->loops;
    const int64_t count = l->patch * l->conv.out_channels;
    char *sum = (char *)a->scratch + s->at_parts;

    EK_UNUSED(chunk);
    for (int64_t p = 1; p < s->parts; p++) ek__add_to(l->loop_dtype, count, sum, sum + (size_t)p * s->per_part);
    ek__convert(l->loop_dtype, sum, l->dtype, a->out[0], count);
    return EK_OK;
}

static ek_status filter_prepare(ek_prepare_ctx *c)
{
    back_state *s;

    EK_TRY(begin(c, &c->in[IMAGE], &c->out[0], &c->in[IMAGE], &s));
    if (s == NULL) return EK_OK;
    const ek_conv_loops *l = &s->loops;
    const ek_status st = ek__conv_by_dnn(c, l, EK_DNN_WEIGHTS, IMAGE, GRADIENT, NULL);
    if (st != EK_UNIMPLEMENTED) return st;
    const size_t wide = ek_dtype_size(l->loop_dtype);
    const int64_t count = l->patch * l->conv.out_channels, fits = count < MOST_PARTIAL ? MOST_PARTIAL / count : 1;
    s->parts = ek__conv_parts(l, l->conv.images * l->rows);
    if (s->parts > fits) s->parts = fits;
    s->per_part = 2 * ek__whole_lines((size_t)count * wide) + ek__whole_lines((size_t)(l->width * l->conv.out_channels) * wide) +
                  ek__whole_lines((size_t)(l->width * l->patch) * wide);
    c->scratch_bytes = (size_t)s->parts * s->per_part;
    ek__add_phase(c, filter_rows, s->parts);
    ek__add_phase(c, filter_sum, 1);
    return EK_OK;
}

/* ---- definitions ------------------------------------------------------------------------------------------- */

const ek_op_def ek__op_Conv2DBackpropInput = {
    .name = "Conv2DBackpropInput",
    .inputs = "input_sizes: int32, filter: T, out_backprop: T",
    .outputs = "output: T",
    .attrs = EK_CONV_ATTRS,
    EK_CONV_FIELDS,
    .shape = input_shape,
    .value_inputs = 1u << SIZES,
    .prepare = input_prepare,
};

const ek_op_def ek__op_Conv2DBackpropFilter = {
    .name = "Conv2DBackpropFilter",
    .inputs = "input: T, filter_sizes: int32, out_backprop: T",
    .outputs = "output: T",
    .attrs = EK_CONV_ATTRS,
    EK_CONV_FIELDS,
    .shape = filter_shape,
    .value_inputs = 1u << FILTER,
    .prepare = filter_prepare,
};

const ek_op_def ek__op_Conv3DBackpropInputV2 = {
    .name = "Conv3DBackpropInputV2",
    .inputs = "input_sizes: Tshape, filter: T, out_backprop: T",
    .outputs = "output: T",
    .attrs = EK_DEEP_CONV_ATTRS "; Tshape: {int32, int64} = int32",
    EK_DEEP_CONV_FIELDS,
    .shape = input_shape,
    .value_inputs = 1u << SIZES,
    .prepare = input_prepare,
};

const ek_op_def ek__op_Conv3DBackpropFilterV2 = {
    .name = "Conv3DBackpropFilterV2",
    .inputs = "input: T, filter_sizes: int32, out_backprop: T",
    .outputs = "output: T",
    .attrs = EK_DEEP_CONV_ATTRS,
    EK_DEEP_CONV_FIELDS,
    .shape = filter_shape,
    .value_inputs = 1u << FILTER,
    .prepare = filter_prepare,
};
