/* ops/pool.c - pooling over windows of images, flat and deep: largest elements and means, and their gradients.
 *
 * Work is cut by images, or by rows of output where no gradient has to be added up. Types other than float, double and
 * int64 are computed as one of these. Largest elements over channels are those of windows along the last dimension of
 * a flat image.
 */
#include "kernels/kernels.h"
#include "ops/elementwise.h"
#include "ops/index.h"
#include "ops/rules.h"
#include "ops/walk.h"
#include "ops/window.h"

typedef struct pool_attrs {
    ek_ints ksize, strides, explicit_paddings;
    const char *padding, *data_format;
    bool include_batch_in_index;
} pool_attrs;
static const ek_field pool_fields[] = {
    EK_FIELD_LIST(pool_attrs, ksize, INT),
    EK_FIELD_LIST(pool_attrs, strides, INT),
    EK_FIELD(pool_attrs, padding, STRING),
    EK_FIELD(pool_attrs, data_format, STRING),
    { "explicit_paddings", offsetof(pool_attrs, explicit_paddings), EK_ATTR_LIST | EK_ATTR_INT, true },
};
static const ek_field fed_fields[] = {
    EK_FIELD(pool_attrs, padding, STRING),
    EK_FIELD(pool_attrs, data_format, STRING),
};
static const ek_field winner_fields[] = {
    EK_FIELD_LIST(pool_attrs, ksize, INT),
    EK_FIELD_LIST(pool_attrs, strides, INT),
    EK_FIELD(pool_attrs, padding, STRING),
    EK_FIELD(pool_attrs, include_batch_in_index, BOOL),
};

/* ---- windows ----------------------------------------------------------------------------------------- */

enum { MOST_DIMS = 5 };

/* Sizes and steps of the window by the data format, from attributes or from two inputs (known: their values are). */
typedef struct wanted {
    int64_t ksize[MOST_DIMS], stride[MOST_DIMS];
    const char *padding, *data_format;
    const ek_ints *explicit_paddings;
    int n, batch, channel; /* how many; the dimensions that are not spatial */
    bool known;
} wanted;

static bool copy_ints(const ek_ints *from, const ek_array *value, int n, int64_t *out)
{
    if (value == NULL && from->count != n) return false;
    if (value != NULL && value->count != n) return false;
    for (int i = 0; i < n; i++) out[i] = value != NULL ? ek__array_int(value, i) : from->at[i];
    return true;
}

/* Where the op takes its windows from inputs, these are the last two. */
static ek_status read_wanted(const ek_op_def *def, const pool_attrs *a, const ek_array *const *in_value, int n_in, wanted *w,
                             ek_error *err)
{
    const bool fed = def->fields == fed_fields;
    const ek_array *ksize = fed ? in_value[n_in - 2] : NULL, *stride = fed ? in_value[n_in - 1] : NULL;

    *w = (wanted){ .padding = a->padding, .data_format = a->data_format != NULL ? a->data_format : "NHWC",
                   .explicit_paddings = a->explicit_paddings.count > 0 ? &a->explicit_paddings : NULL };
    w->n = strchr(w->data_format, 'D') != NULL ? 5 : 4;
    w->channel = w->data_format[1] == 'C' ? 1 : w->n - 1;
    w->known = !fed || (ksize != NULL && stride != NULL);
    if (!w->known) return EK_OK;
    if (!copy_ints(&a->ksize, ksize, w->n, w->ksize))
        return EK_FAIL(err, INVALID_ARGUMENT, "Sliding window ksize field must specify %d dimensions", w->n);
    if (!copy_ints(&a->strides, stride, w->n, w->stride))
        return EK_FAIL(err, INVALID_ARGUMENT, "Sliding window stride field must specify %d dimensions", w->n);
    for (int i = 0; i < w->n; i++)
        if (w->ksize[i] <= 0 || w->ksize[i] > INT32_MAX)
            return EK_FAIL(err, INVALID_ARGUMENT, "Sliding window ksize must be positive and fit 32 bits, dimension %d is %lld", i,
                           (long long)w->ksize[i]);
    return EK_OK;
}

static bool over_channels(const wanted *v)
{
    return v->ksize[v->channel] != 1 || v->stride[v->channel] != 1;
}

/* What a run refuses, in the words of TensorFlow's kernels. */
static ek_status check_running(const ek_shape_ctx *c, const wanted *v, const ek_shape *x)
{
    const bool maximum = strncmp(c->def->name, "Max", 3) == 0;

    if (strcmp(v->data_format, "NCHW_VECT_C") == 0)
        return EK_FAIL(c->err, UNIMPLEMENTED, "%s has no data format NCHW_VECT_C here: use NHWC or NCHW", c->def->name);
    if (v->ksize[0] != 1 || v->stride[0] != 1)
        return EK_FAIL(c->err, UNIMPLEMENTED, "Pooling is not yet supported on the batch dimension.");
    if (!over_channels(v)) return EK_OK;
    if (!maximum || v->n != 4 || strcmp(c->def->name, "MaxPoolWithArgmax") == 0)
        return EK_FAIL(c->err, UNIMPLEMENTED, "Non-spatial pooling is not yet supported.");
    for (int i = 1; i < v->n; i++)
        if (i != v->channel && (v->ksize[i] != 1 || v->stride[i] != 1))
            return EK_FAIL(c->err, UNIMPLEMENTED,
                           "MaxPooling supports exactly one of pooling across depth or pooling across width/height.");
    if (v->channel == 1) return EK_FAIL(c->err, UNIMPLEMENTED, "Pooling across channels needs the data format NHWC.");
    if (x->dim[v->channel] % v->ksize[v->channel] != 0)
        return EK_FAIL(c->err, UNIMPLEMENTED,
                       "Depthwise max pooling requires the depth window to evenly divide the input depth.");
    if (v->stride[v->channel] != v->ksize[v->channel])
        return EK_FAIL(c->err, UNIMPLEMENTED,
                       "Depthwise max pooling requires the depth window to equal the depth stride.");
    return EK_OK;
}

/* The window as convolutions have it, over spatial dimensions alone. `stride` is where its attributes point. */
static ek_window_attrs spatial(const wanted *v, int64_t *stride)
{
    for (int i = 0; i < v->n; i++) stride[i] = i == 0 || i == v->channel ? 1 : v->stride[i];
    return (ek_window_attrs){ v->data_format, v->padding, { stride, v->n }, NULL, v->explicit_paddings };
}

/* The pooled shape of x: *out. */
static ek_status pooled(ek_shape_ctx *c, const ek_shape *x, ek_shape *out)
{
    int64_t stride[MOST_DIMS];
    ek_window w = { .dims = 0 };
    wanted v;

    EK_TRY(read_wanted(c->def, c->attrs, c->in_value, c->n_in, &v, c->err));
    if (c->running && x->rank != v.n) {
        if (v.n == 5) return EK_FAIL(c->err, INVALID_ARGUMENT, "tensor_in must be 5-dimensional");
        if (strcmp(c->def->name, "MaxPoolWithArgmax") == 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "tensor_in must be 4-dimensional (2)");
        return EK_FAIL(c->err, INVALID_ARGUMENT, "tensor_in_shape must have 2 spatial dimensions. %d %d", x->rank, v.channel == 1);
    }
    if (x->rank >= 0 && x->rank != v.n)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Shape must be rank %d but is rank %d", v.n, x->rank);
    *out = ek__unknown_dims(v.n);
    if (!v.known) return EK_OK;
    if (c->running) EK_TRY(check_running(c, &v, x));
    const ek_window_attrs wa = spatial(&v, stride);
    ek__window_layout(v.data_format, &w);
    for (int i = 0; i < w.dims; i++) {
        w.in[i] = x->rank < 0 ? -1 : x->dim[w.axis[i]];
        w.kernel[i] = v.ksize[w.axis[i]];
    }
    EK_TRY(ek__window_fit(c, c->def->name, &wa, &w));
    if (x->rank >= 0) {
        const int64_t depth = x->dim[v.channel];
        out->dim[0] = x->dim[0];
        out->dim[v.channel] = depth < 0 || v.stride[v.channel] < 1 ? depth : depth / v.stride[v.channel];
    }
    for (int i = 0; i < w.dims; i++) out->dim[w.axis[i]] = w.out[i];
    return EK_OK;
}

static ek_status pool_shape(ek_shape_ctx *c)
{
    for (int k = 1; k < c->n_out; k++) EK_TRY(pooled(c, &c->in[0], &c->out[k]));
    return pooled(c, &c->in[0], &c->out[0]);
}

static ek_status want_same(const ek_shape_ctx *c, const char *what, const ek_shape *want, const ek_shape *got)
{
    if (!c->running || ek_shape_equal(want, got)) return EK_OK;
    return EK_FAIL(c->err, INVALID_ARGUMENT, "Expected %s shape to be %s, but got %s", what, EK_CC(want), EK_CC(got));
}

/* Inputs: what was pooled, the result, and the gradient of either. */
static ek_status max_grad_shape(ek_shape_ctx *c)
{
    const bool second = strstr(c->def->name, "GradGrad") != NULL;
    ek_shape y;

    EK_TRY(pooled(c, &c->in[0], &y));
    EK_TRY(want_same(c, "orig_output", &y, &c->in[1]));
    EK_TRY(want_same(c, "grad", second ? &c->in[0] : &y, &c->in[2]));
    c->out[0] = second ? y : c->in[0];
    return EK_OK;
}

/* Inputs: what was pooled, the gradient of the result, and where each number of it came from; or going the other way, the
 * gradient of that gradient. */
static ek_status argmax_grad_shape(ek_shape_ctx *c)
{
    const bool second = strstr(c->def->name, "GradGrad") != NULL;
    ek_shape y;

    EK_TRY(pooled(c, &c->in[0], &y));
    EK_TRY(want_same(c, "grad", second ? &c->in[0] : &y, &c->in[1]));
    EK_TRY(want_same(c, "argmax", &y, &c->in[2]));
    c->out[0] = second ? y : c->in[0];
    return EK_OK;
}

static ek_status mean_grad_shape(ek_shape_ctx *c)
{
    const pool_attrs *a = c->attrs;
    const int rank = strchr(a->data_format, 'D') != NULL ? 5 : 4;
    ek_shape y;

    if (c->running && (c->in[0].rank != 1 || c->in[0].dim[0] != rank))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "out_backprop must be 1-dimensional and %d elements", rank);
    EK_TRY(ek__input_as_full_shape(c, 0, &c->out[0]));
    if (c->out[0].rank < 0) c->out[0] = ek__unknown_dims(rank);
    EK_TRY(pooled(c, &c->out[0], &y));
    return want_same(c, "grad", &y, &c->in[1]);
}

/* ---- state ------------------------------------------------------------------------------------------------ */

enum { MOST_PARTS = 16, PART_WORK = 1 << 16 };

typedef struct pool_state pool_state;
/* Rows [first, last) of one image; numbers in `room` are this chunk's own. */
typedef void image_fn(const ek_run_args *a, const pool_state *s, int64_t image, int64_t first, int64_t last, char *room);
struct pool_state {
    ek_pool p;
    ek_dtype dtype, work, index; /* index NONE: places are not asked for */
    int picked;                  /* the input that winners are taken from */
    bool batch_in_index;
    int64_t images, in_count, out_count; /* numbers of one image */
    int64_t rows;                        /* units of work of one image: rows of output, or 1 */
    int64_t parts;
    size_t room; /* bytes of each part's scratch */
    image_fn *run;
    void (*pool)(const ek_pool *p, const void *image, void *out, int64_t first, int64_t last);
    void (*winners)(const ek_pool *p, const void *image, int32_t *out, int64_t first, int64_t last);
    void (*max_grad)(const ek_pool *p, const void *image, const void *grad, void *out);
    void (*mean_grad)(const ek_pool *p, const void *grad, void *out);
};

/* Image number `image` of `count` numbers each, in the type of the loops: itself, or copied to *room, which goes on. */
static const void *read_image(const pool_state *s, const void *base, int64_t image, int64_t count, char **room)
{
    const char *at = (const char *)base + (size_t)(image * count) * ek_dtype_size(s->dtype);

    if (s->dtype == s->work) return at;
    char *to = *room;
    *room += ek__whole_lines((size_t)count * ek_dtype_size(s->work));
    ek__convert(s->dtype, at, s->work, to, count);
    return to;
}

/* Where the loops put such an image, and how it comes home. */
static void *result_image(const pool_state *s, void *base, int64_t image, int64_t count, char **room)
{
    if (s->dtype == s->work) return (char *)base + (size_t)(image * count) * ek_dtype_size(s->dtype);
    char *to = *room;
    *room += ek__whole_lines((size_t)count * ek_dtype_size(s->work));
    return to;
}

static void store_image(const pool_state *s, const void *result, void *base, int64_t image, int64_t count)
{
    if (s->dtype != s->work)
        ek__convert(s->work, result, s->dtype, (char *)base + (size_t)(image * count) * ek_dtype_size(s->dtype), count);
}

static void forward_image(const ek_run_args *a, const pool_state *s, int64_t image, int64_t first, int64_t last, char *room)
{
    const void *x = read_image(s, a->in[0], image, s->in_count, &room);
    void *y = result_image(s, a->out[0], image, s->out_count, &room);

    s->pool(&s->p, x, y, first, last);
    store_image(s, y, a->out[0], image, s->out_count);
}

static void max_grad_image(const ek_run_args *a, const pool_state *s, int64_t image, int64_t first, int64_t last, char *room)
{
    const void *x = read_image(s, a->in[0], image, s->in_count, &room);
    const void *dy = read_image(s, a->in[2], image, s->out_count, &room);
    void *dx = result_image(s, a->out[0], image, s->in_count, &room);

    EK_UNUSED(first);
    EK_UNUSED(last);
    s->max_grad(&s->p, x, dy, dx);
    store_image(s, dx, a->out[0], image, s->in_count);
}

static void mean_grad_image(const ek_run_args *a, const pool_state *s, int64_t image, int64_t first, int64_t last, char *room)
{
    const void *dy = read_image(s, a->in[1], image, s->out_count, &room);
    void *dx = result_image(s, a->out[0], image, s->in_count, &room);

    EK_UNUSED(first);
    EK_UNUSED(last);
    s->mean_grad(&s->p, dy, dx);
    store_image(s, dx, a->out[0], image, s->in_count);
}

/* The number, in its image, of the element that won output j; -1: none did. */
static int64_t winner(const pool_state *s, const int32_t *pixel, int64_t j)
{
    return pixel[j] < 0 ? -1 : pixel[j] * s->p.channels + j % s->p.channels;
}

/* Picks what stands where the winners are, of one of the inputs, and says where that is if there is a place for it. Bytes
 * move as they are: only the comparison needs the loops' type. */
static void winners_image(const ek_run_args *a, const pool_state *s, int64_t image, int64_t first, int64_t last, char *room)
{
    const size_t size = ek_dtype_size(s->dtype);
    const char *from = (const char *)a->in[s->picked] + (size_t)(image * s->in_count) * size;
    char *out = (char *)a->out[0] + (size_t)(image * s->out_count) * size;
    const void *x = read_image(s, a->in[0], image, s->in_count, &room);
    int32_t *pixel = (int32_t *)(void *)room;

    EK_UNUSED(first);
    EK_UNUSED(last);
    s->winners(&s->p, x, pixel, 0, s->p.out[0] * s->p.out[1]);
    for (int64_t j = 0; j < s->out_count; j++) {
        const int64_t at = winner(s, pixel, j);
        if (at < 0) memset(out + (size_t)j * size, 0, size);
        else memcpy(out + (size_t)j * size, from + (size_t)at * size, size);
        if (s->index != EK_DTYPE_NONE)
            ek__store_int(s->index, a->out[1], image * s->out_count + j, at + (s->batch_in_index ? image * s->in_count : 0));
    }
}

/* Where number j of an image's outputs came from; an error where that is outside the image. */
static ek_status named_place(const ek_run_args *a, const pool_state *s, int64_t image, int64_t j, int64_t *at)
{
    *at = ek__get_int(s->index, a->in[2], image * s->out_count + j) - (s->batch_in_index ? image * s->in_count : 0);
    if (*at >= 0 && *at < s->in_count) return EK_OK;
    return EK_FAIL(a->err, INVALID_ARGUMENT, "Invalid output index: %lld, Valid indices: 0 - %lld", (long long)*at,
                   (long long)(s->in_count - 1));
}

/* Adds each gradient to the place that argmax names. */
static ek_status argmax_grad_run(const ek_run_args *a, int64_t chunk)
{
    const pool_state *s = a->state;
    const size_t size = ek_dtype_size(s->dtype);
    const ek_elementwise_fn add = ek__loop(&ek__loops_add, s->dtype);
    char *out = (char *)a->out[0] + (size_t)(chunk * s->in_count) * size;
    const char *dy = (const char *)a->in[1] + (size_t)(chunk * s->out_count) * size;

    memset(out, 0, (size_t)s->in_count * size);
    for (int64_t j = 0; j < s->out_count; j++) {
        int64_t at;
        EK_TRY(named_place(a, s, chunk, j, &at));
        char *to = out + (size_t)at * size;
        add(1, (const void *const[]){ to, dy + (size_t)j * size }, (const int[]){ 1, 1 }, to, NULL);
    }
    return EK_OK;
}

/* Takes what stands there. */
static ek_status argmax_grad_grad_run(const ek_run_args *a, int64_t chunk)
{
    const pool_state *s = a->state;
    const size_t size = ek_dtype_size(s->dtype);
    char *out = (char *)a->out[0] + (size_t)(chunk * s->out_count) * size;
    const char *from = (const char *)a->in[1] + (size_t)(chunk * s->in_count) * size;

    for (int64_t j = 0; j < s->out_count; j++) {
        int64_t at;
        EK_TRY(named_place(a, s, chunk, j, &at));
        memcpy(out + (size_t)j * size, from + (size_t)at * size, size);
    }
    return EK_OK;
}

static ek_status run_part(const ek_run_args *a, int64_t chunk)
{
    const pool_state *s = a->state;
    const int64_t units = s->images * s->rows, whole = s->p.out[0] * s->p.out[1];
    char *room = (char *)a->scratch + (size_t)chunk * s->room;

    for (int64_t u = ek__part_begin(units, s->parts, chunk), end = ek__part_begin(units, s->parts, chunk + 1); u < end;) {
        const int64_t image = u / s->rows, first = u % s->rows;
        const int64_t n = end - u < s->rows - first ? end - u : s->rows - first;
        if (s->rows == 1) s->run(a, s, image, 0, whole, room);
        else s->run(a, s, image, first, first + n, room);
        u += n;
    }
    return EK_OK;
}

/* ---- preparing ------------------------------------------------------------------------------------------------ */

static ek_dtype work_type(ek_dtype t)
{
    if (t == EK_FLOAT64) return t;
    return t == EK_FLOAT32 || t == EK_FLOAT16 || t == EK_BFLOAT16 ? EK_FLOAT32 : EK_INT64;
}

static void set_geometry(const wanted *v, const ek_shape *x, pool_state *s)
{
    int64_t stride[MOST_DIMS];
    const ek_window_attrs wa = spatial(v, stride);
    ek_window w = { .dims = 0 };
    ek_pool *p = &s->p;

    ek__window_layout(v->data_format, &w);
    for (int i = 0; i < w.dims; i++) {
        w.in[i] = x->dim[w.axis[i]];
        w.kernel[i] = v->ksize[w.axis[i]];
    }
    ek__window_set(&wa, &w);
    *p = (ek_pool){ .channels = w.channels_first ? 1 : x->dim[v->channel] };
    s->images = w.channels_first ? x->dim[0] * x->dim[1] : x->dim[0];
    for (int i = 0; i < 3; i++) {
        const int from = i - (3 - w.dims);
        p->in[i] = from < 0 ? 1 : w.in[from];
        p->out[i] = from < 0 ? 1 : w.out[from];
        p->kernel[i] = from < 0 ? 1 : w.kernel[from];
        p->stride[i] = from < 0 ? 1 : w.stride[from];
        p->before[i] = from < 0 ? 0 : w.before[from];
    }
    if (!over_channels(v)) return;
    const int64_t k = v->ksize[v->channel], n = x->dim[v->channel], pixels = p->in[1] * p->in[2];
    *p = (ek_pool){ 1, { 1, pixels, n }, { 1, pixels, n / k }, { 1, 1, k }, { 1, 1, k }, { 0, 0, 0 } };
}

/* Whether the first input is a shape, not what was pooled. */
static bool by_shape(const ek_prepare_ctx *c)
{
    return c->def->value_inputs == 1;
}

/* x: the shape of what is, or was, pooled. `by_rows`: an image may be cut. `per_out`: bytes of scratch per output, beside
 * what images in the loops' type need. */
static ek_status prepare_images(ek_prepare_ctx *c, const ek_shape *x, pool_state **out, bool by_rows, image_fn *run, size_t per_out)
{
    const ek_dtype dtype = c->out_dtype[0];
    pool_state *s = EK_ARENA_NEW(c->arena, pool_state, 1);
    wanted v;

    if (s == NULL) return ek__no_memory(c);
    if (c->in_dtype[0] != dtype && !by_shape(c))
        return EK_FAIL(c->err, UNIMPLEMENTED, "%s takes inputs of one type, found %s and %s", c->def->name,
                       ek_dtype_name(c->in_dtype[0]), ek_dtype_name(dtype));
    if (ek_dtype_is_quantized(dtype))
        return EK_FAIL(c->err, UNIMPLEMENTED, "%s has no loops for %s", c->def->name, ek_dtype_name(dtype));
    EK_TRY(read_wanted(c->def, c->attrs, c->in_value, c->n_in, &v, c->err));
    *out = c->state = s;
    set_geometry(&v, x, s);
    const ek_pool *p = &s->p;
    if (p->in[0] * p->in[1] * p->in[2] > INT32_MAX)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "images of more than 2147483647 pixels cannot be pooled: %s", EK_CC(x));
    s->dtype = dtype;
    s->work = work_type(dtype);
    s->run = run;
    s->in_count = p->channels * p->in[0] * p->in[1] * p->in[2];
    s->out_count = p->channels * p->out[0] * p->out[1] * p->out[2];
    s->rows = by_rows && s->dtype == s->work ? p->out[0] * p->out[1] : 1;
    const double window = (double)(p->kernel[0] * p->kernel[1]) * (double)p->kernel[2];
    const double parts = (double)s->images * (double)s->out_count * window / PART_WORK;
    s->parts = parts < 1 ? 1 : parts < MOST_PARTS ? (int64_t)parts : MOST_PARTS;
    if (s->parts > s->images * s->rows) s->parts = s->images * s->rows;
    if (s->dtype != s->work)
        s->room = 2 * (ek__whole_lines((size_t)s->in_count * ek_dtype_size(s->work)) + ek__whole_lines((size_t)s->out_count * ek_dtype_size(s->work)));
    s->room += ek__whole_lines((size_t)s->out_count * per_out);
    c->scratch_bytes = (size_t)s->parts * s->room;
    if (ek_shape_count(&c->out[0]) > 0) ek__add_phase(c, run_part, s->parts);
    return EK_OK;
}

#define PICK(s, name)                                                        \
    ((s)->work == EK_FLOAT64 ? ek__kernels()->name##_f64                     \
     : (s)->work == EK_FLOAT32 ? ek__kernels()->name##_f32 : ek__kernels()->name##_i64)

static ek_status max_prepare(ek_prepare_ctx *c)
{
    pool_state *s;

    EK_TRY(prepare_images(c, &c->in[0], &s, true, forward_image, 0));
    s->pool = PICK(s, pool_max);
    return EK_OK;
}

static ek_status mean_prepare(ek_prepare_ctx *c)
{
    pool_state *s;

    EK_TRY(prepare_images(c, &c->in[0], &s, true, forward_image, 0));
    s->pool = s->work == EK_FLOAT64 ? ek__kernels()->pool_mean_f64 : ek__kernels()->pool_mean_f32;
    return EK_OK;
}

static ek_status max_grad_prepare(ek_prepare_ctx *c)
{
    pool_state *s;

    EK_TRY(prepare_images(c, &c->in[0], &s, false, max_grad_image, 0));
    s->max_grad = PICK(s, pool_max_grad);
    return EK_OK;
}

static ek_status mean_grad_prepare(ek_prepare_ctx *c)
{
    pool_state *s;

    EK_TRY(prepare_images(c, &c->out[0], &s, false, mean_grad_image, 0));
    s->mean_grad = s->work == EK_FLOAT64 ? ek__kernels()->pool_mean_grad_f64 : ek__kernels()->pool_mean_grad_f32;
    return EK_OK;
}

static ek_status grad_grad_prepare(ek_prepare_ctx *c)
{
    pool_state *s;

    EK_TRY(prepare_images(c, &c->in[0], &s, false, winners_image, sizeof(int32_t)));
    s->picked = 2;
    s->winners = PICK(s, pool_winners);
    return EK_OK;
}

static ek_status winner_prepare(ek_prepare_ctx *c)
{
    const pool_attrs *a = c->attrs;
    pool_state *s;

    EK_TRY(prepare_images(c, &c->in[0], &s, false, winners_image, sizeof(int32_t)));
    s->winners = PICK(s, pool_winners);
    s->index = c->out_dtype[1];
    s->batch_in_index = a->include_batch_in_index;
    return EK_OK;
}

/* Nothing but the images' sizes and the places: a chunk is an image. */
static ek_status prepare_argmax(ek_prepare_ctx *c, ek_status (*run)(const ek_run_args *a, int64_t chunk))
{
    const pool_attrs *a = c->attrs;
    const ek_shape *x = &c->in[0], *index = &c->in[2];
    pool_state *s = EK_ARENA_NEW(c->arena, pool_state, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (pool_state){ .dtype = c->out_dtype[0], .index = c->in_dtype[2], .batch_in_index = a->include_batch_in_index,
                       .images = x->dim[0] };
    s->in_count = ek__dims(x, 1, x->rank);
    s->out_count = ek__dims(index, 1, index->rank);
    c->state = s;
    if (ek_shape_count(&c->out[0]) > 0) ek__add_phase(c, run, s->images);
    return EK_OK;
}
static ek_status argmax_grad_prepare(ek_prepare_ctx *c) { return prepare_argmax(c, argmax_grad_run); }
static ek_status argmax_grad_grad_prepare(ek_prepare_ctx *c) { return prepare_argmax(c, argmax_grad_grad_run); }

/* ---- definitions -------------------------------------------------------------------------------------------------- */

#define FIELDS(list) .attrs_size = sizeof(pool_attrs), .fields = list, .n_fields = EK_COUNT_OF(list)
#define PLAIN_FIELDS .attrs_size = sizeof(pool_attrs), .fields = pool_fields, .n_fields = EK_COUNT_OF(pool_fields) - 1
#define WINDOW "ksize: list(int) >= 4; strides: list(int) >= 4; padding: {'SAME', 'VALID'}; data_format: {'NHWC', 'NCHW'} = 'NHWC'"
#define DEEP_WINDOW \
    "ksize: list(int) >= 5; strides: list(int) >= 5; padding: {'SAME', 'VALID'}; data_format: {'NDHWC', 'NCDHW'} = 'NDHWC'"
#define REALS "{float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64}"
#define ARGMAX_WINDOW                                                                                          \
    "ksize: list(int) >= 4; strides: list(int) >= 4; padding: {'SAME', 'VALID'}; include_batch_in_index: bool = false; " \
    "Targmax: {int32, int64}; T: " REALS
#define MAX_TYPES "T: {half, bfloat16, float, double, int32, int64, uint8, int16, int8, uint16, qint8} = float"

const ek_op_def ek__op_MaxPool = {
    .name = "MaxPool",
    .inputs = "input: T",
    .outputs = "output: T",
    .attrs = MAX_TYPES "; ksize: list(int) >= 4; strides: list(int) >= 4; padding: {'SAME', 'VALID', 'EXPLICIT'}; "
             "data_format: {'NHWC', 'NCHW', 'NCHW_VECT_C'} = 'NHWC'; explicit_paddings: list(int) = [] later",
    FIELDS(pool_fields),
    .shape = pool_shape,
    .prepare = max_prepare,
};

const ek_op_def ek__op_MaxPoolV2 = {
    .name = "MaxPoolV2",
    .inputs = "input: T, ksize: int32, strides: int32",
    .outputs = "output: T",
    .attrs = MAX_TYPES "; padding: {'SAME', 'VALID'}; data_format: {'NHWC', 'NCHW', 'NCHW_VECT_C'} = 'NHWC'",
    FIELDS(fed_fields),
    .shape = pool_shape,
    .value_inputs = 3u << 1,
    .prepare = max_prepare,
};

const ek_op_def ek__op_MaxPool3D = {
    .name = "MaxPool3D",
    .inputs = "input: T",
    .outputs = "output: T",
    .attrs = DEEP_WINDOW "; T: {half, bfloat16, float}",
    PLAIN_FIELDS,
    .shape = pool_shape,
    .prepare = max_prepare,
};

const ek_op_def ek__op_MaxPoolWithArgmax = {
    .name = "MaxPoolWithArgmax",
    .inputs = "input: T",
    .outputs = "output: T, argmax: Targmax",
    .attrs = "ksize: list(int) >= 4; strides: list(int) >= 4; Targmax: {int32, int64} = int64; padding: {'SAME', 'VALID'}; "
             "include_batch_in_index: bool = false; T: " REALS,
    FIELDS(winner_fields),
    .shape = pool_shape,
    .prepare = winner_prepare,
};

const ek_op_def ek__op_MaxPoolGrad = {
    .name = "MaxPoolGrad",
    .inputs = "orig_input: T, orig_output: T, grad: T",
    .outputs = "output: T",
    .attrs = "ksize: list(int) >= 4; strides: list(int) >= 4; padding: {'SAME', 'VALID', 'EXPLICIT'}; "
             "data_format: {'NHWC', 'NCHW'} = 'NHWC'; T: " REALS " = float; explicit_paddings: list(int) = [] later",
    FIELDS(pool_fields),
    .shape = max_grad_shape,
    .prepare = max_grad_prepare,
    .shape_inputs = 1u << 1,
};

const ek_op_def ek__op_MaxPoolGradV2 = {
    .name = "MaxPoolGradV2",
    .inputs = "orig_input: T, orig_output: T, grad: T, ksize: int32, strides: int32",
    .outputs = "output: T",
    .attrs = "padding: {'SAME', 'VALID'}; data_format: {'NHWC', 'NCHW'} = 'NHWC'; T: " REALS " = float",
    FIELDS(fed_fields),
    .shape = max_grad_shape,
    .value_inputs = 3u << 3,
    .prepare = max_grad_prepare,
    .shape_inputs = 1u << 1,
};

const ek_op_def ek__op_MaxPool3DGrad = {
    .name = "MaxPool3DGrad",
    .inputs = "orig_input: TInput, orig_output: TInput, grad: T",
    .outputs = "output: T",
    .attrs = DEEP_WINDOW "; T: {half, bfloat16, float} = float; TInput: {half, bfloat16, float} = float",
    PLAIN_FIELDS,
    .shape = max_grad_shape,
    .prepare = max_grad_prepare,
    .shape_inputs = 1u << 1,
};

const ek_op_def ek__op_MaxPoolGradGrad = {
    .name = "MaxPoolGradGrad",
    .inputs = "orig_input: T, orig_output: T, grad: T",
    .outputs = "output: T",
    .attrs = WINDOW "; T: " REALS,
    PLAIN_FIELDS,
    .shape = max_grad_shape,
    .prepare = grad_grad_prepare,
    .shape_inputs = 1u << 1,
};

const ek_op_def ek__op_MaxPoolGradGradV2 = {
    .name = "MaxPoolGradGradV2",
    .inputs = "orig_input: T, orig_output: T, grad: T, ksize: int32, strides: int32",
    .outputs = "output: T",
    .attrs = "padding: {'SAME', 'VALID'}; data_format: {'NHWC', 'NCHW'} = 'NHWC'; T: " REALS,
    FIELDS(fed_fields),
    .shape = max_grad_shape,
    .value_inputs = 3u << 3,
    .prepare = grad_grad_prepare,
    .shape_inputs = 1u << 1,
};

const ek_op_def ek__op_MaxPool3DGradGrad = {
    .name = "MaxPool3DGradGrad",
    .inputs = "orig_input: T, orig_output: T, grad: T",
    .outputs = "output: T",
    .attrs = DEEP_WINDOW "; T: " REALS,
    PLAIN_FIELDS,
    .shape = max_grad_shape,
    .prepare = grad_grad_prepare,
    .shape_inputs = 1u << 1,
};

const ek_op_def ek__op_MaxPoolGradWithArgmax = {
    .name = "MaxPoolGradWithArgmax",
    .inputs = "input: T, grad: T, argmax: Targmax",
    .outputs = "output: T",
    .attrs = ARGMAX_WINDOW,
    FIELDS(winner_fields),
    .shape = argmax_grad_shape,
    .prepare = argmax_grad_prepare,
    .shape_inputs = 1u << 0,
};

const ek_op_def ek__op_MaxPoolGradGradWithArgmax = {
    .name = "MaxPoolGradGradWithArgmax",
    .inputs = "input: T, grad: T, argmax: Targmax",
    .outputs = "output: T",
    .attrs = ARGMAX_WINDOW,
    FIELDS(winner_fields),
    .shape = argmax_grad_shape,
    .prepare = argmax_grad_grad_prepare,
    .shape_inputs = 1u << 0,
};

const ek_op_def ek__op_AvgPool = {
    .name = "AvgPool",
    .inputs = "value: T",
    .outputs = "output: T",
    .attrs = WINDOW "; T: {half, bfloat16, float, double}",
    PLAIN_FIELDS,
    .shape = pool_shape,
    .prepare = mean_prepare,
};

const ek_op_def ek__op_AvgPool3D = {
    .name = "AvgPool3D",
    .inputs = "input: T",
    .outputs = "output: T",
    .attrs = DEEP_WINDOW "; T: {half, bfloat16, float, double}",
    PLAIN_FIELDS,
    .shape = pool_shape,
    .prepare = mean_prepare,
};

const ek_op_def ek__op_AvgPoolGrad = {
    .name = "AvgPoolGrad",
    .inputs = "orig_input_shape: int32, grad: T",
    .outputs = "output: T",
    .attrs = WINDOW "; T: {half, bfloat16, float, double}",
    PLAIN_FIELDS,
    .shape = mean_grad_shape,
    .value_inputs = 1u << 0,
    .prepare = mean_grad_prepare,
};

const ek_op_def ek__op_AvgPool3DGrad = {
    .name = "AvgPool3DGrad",
    .inputs = "orig_input_shape: int32, grad: T",
    .outputs = "output: T",
    .attrs = DEEP_WINDOW "; T: {half, bfloat16, float, double}",
    PLAIN_FIELDS,
    .shape = mean_grad_shape,
    .value_inputs = 1u << 0,
    .prepare = mean_grad_prepare,
};
