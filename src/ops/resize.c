/* ops/resize.c - images at another size: ResizeNearestNeighbor, ResizeBilinear and their gradients.
 *
 * Where a pixel of the result lies among those of the image is found in float, as TensorFlow
 * finds it. Chunks are rows of the result; of a gradient, whose pixels meet in one place, images.
 */
#include <math.h>

#include "ops/elementwise.h"
#include "ops/move.h"
#include "ops/resize.h"
#include "ops/rules.h"

enum { IMAGES, SIZE };

const ek_field ek__resize_fields[2] = {
    EK_FIELD(ek_resize_attrs, align_corners, BOOL),
    EK_FIELD(ek_resize_attrs, half_pixel_centers, BOOL),
};

/* ---- shapes ------------------------------------------------------------------------------------------- */

static ek_status check_images(const ek_shape_ctx *c)
{
    const ek_resize_attrs *const a = c->attrs;

    if (!c->running) return ek__want_rank(c, IMAGES, 4);
    if (a->align_corners && a->half_pixel_centers)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "If half_pixel_centers is True, align_corners must be False.");
    if (c->in[IMAGES].rank != 4)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "input must be 4-dimensional%s", EK_CC(&c->in[IMAGES]));
    return EK_OK;
}

ek_status ek__resize_shape(ek_shape_ctx *c)
{
    const ek_shape *const x = &c->in[IMAGES], *const size = &c->in[SIZE];
    const ek_array *const v = c->in_value[SIZE];

    EK_TRY(check_images(c));
    if (c->running && (size->rank != 1 || size->dim[0] != 2))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "shape_t must have two elements%s", EK_CC(size));
    EK_TRY(ek__want_rank(c, SIZE, 1));
    if (size->rank == 1 && size->dim[0] >= 0 && size->dim[0] != 2)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Dimension must be 2 but is %lld", (long long)size->dim[0]);
    c->out[0] = x->rank < 0 ? ek__unknown_dims(4) : *x;
    for (int k = 0; k < 2; k++) {
        c->out[0].dim[1 + k] = v != NULL && v->count == 2 ? ek__array_int(v, k) : -1;
        if (v != NULL && c->out[0].dim[1 + k] <= 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "output dimensions must be positive");
        if (c->running && x->dim[1 + k] == 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "input image must be of non-zero size");
    }
    return EK_OK;
}

/* The gradient of images like input 1. */
ek_status ek__resize_grad_shape(ek_shape_ctx *c)
{
    const ek_shape *const dy = &c->in[IMAGES], *const x = &c->in[1];

    EK_TRY(check_images(c));
    EK_TRY(ek__want_rank(c, 1, 4));
    c->out[0] = x->rank < 0 ? ek__unknown_dims(4) : *x;
    if (x->rank < 0 || dy->rank < 0) return EK_OK;
    for (int d = 0; d < 4; d += 3)
        if (x->dim[d] >= 0 && dy->dim[d] >= 0 && x->dim[d] != dy->dim[d])
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Dimensions must be equal, but are %lld and %lld",
                           (long long)dy->dim[d], (long long)x->dim[d]);
    return EK_OK;
}

/* ---- places -------------------------------------------------------------------------------------------- */

/* Between which pixels of one dimension one of the result lies, and how far from the lower. */
typedef struct place {
    int64_t lower, upper;
    float lerp;
} place;

typedef struct resize_state {
    ek_dtype dtype;             /* of the images */
    int64_t batch, channels;
    int64_t small[2], large[2]; /* height and width of the images, and of what they are resized to */
    place *at[2];               /* per row, per column of the result */
    ek_elementwise_fn add;
} resize_state;

float ek__resize_scale(const ek_resize_attrs *a, int64_t n, int64_t n_out)
{
    return a->align_corners && n_out > 1 ? (float)(n - 1) / (float)(n_out - 1) : (float)n / (float)n_out;
}

static int64_t within(int64_t v, int64_t n) { return v < 0 ? 0 : v < n ? v : n - 1; }

static place place_of(const ek_resize_attrs *a, bool nearest, int64_t n, int64_t n_out, int64_t i)
{
    const float scale = ek__resize_scale(a, n, n_out);
    const float in = a->half_pixel_centers ? ((float)i + 0.5f) * scale - (nearest ? 0.0f : 0.5f) : (float)i * scale;
    const float below = floorf(in);

    if (nearest) {
        const int64_t at = within((int64_t)(a->align_corners ? roundf(in) : below), n);

        return (place){ at, at, 0 };
    }
    return (place){ within((int64_t)below, n), within((int64_t)ceilf(in), n), in - below };
}

static ek_status resize_state_new(ek_prepare_ctx *c, bool nearest, const ek_shape *image, const ek_shape *result,
                                  resize_state **out)
{
    resize_state *const s = EK_ARENA_NEW(c->arena, resize_state, 1);

    *out = s;
    if (s == NULL) return ek__no_memory(c);
    *s = (resize_state){ .batch = image->dim[0], .channels = image->dim[3] };
    for (int k = 0; k < 2; k++) {
        s->small[k] = image->dim[1 + k];
        s->large[k] = result->dim[1 + k];
        s->at[k] = EK_ARENA_NEW(c->arena, place, s->large[k]);
        if (s->at[k] == NULL) return ek__no_memory(c);
        for (int64_t i = 0; i < s->large[k]; i++)
            s->at[k][i] = place_of(c->attrs, nearest, s->small[k], s->large[k], i);
    }
    c->state = s;
    return EK_OK;
}

/* Elements before pixel (y, x) of image b. */
static int64_t pixel(const resize_state *s, const int64_t *size, int64_t b, int64_t y, int64_t x)
{
    return ((b * size[0] + y) * size[1] + x) * s->channels;
}

/* ---- nearest -------------------------------------------------------------------------------------------- */

static ek_status nearest_run(const ek_run_args *a, int64_t chunk)
{
    const resize_state *const s = a->state;
    const int64_t b = chunk / s->large[0], y = chunk % s->large[0];
    const size_t size = ek_dtype_size(s->dtype);

    for (int64_t x = 0; x < s->large[1]; x++) {
        const int64_t from = pixel(s, s->small, b, s->at[0][y].lower, s->at[1][x].lower);

        EK_TRY(ek__move(s->dtype, (char *)a->out[0] + (size_t)pixel(s, s->large, b, y, x) * size,
                        (const char *)a->in[IMAGES] + (size_t)from * size, s->channels, a->err));
    }
    return EK_OK;
}

static ek_status nearest_prepare(ek_prepare_ctx *c)
{
    resize_state *s;

    if (ek__empty(c)) return EK_OK;
    EK_TRY(resize_state_new(c, true, &c->in[IMAGES], &c->out[0], &s));
    s->dtype = c->out_dtype[0];
    ek__add_phase(c, nearest_run, s->batch * s->large[0]);
    return EK_OK;
}

static ek_status nearest_grad_run(const ek_run_args *a, int64_t b)
{
    static const int each[2] = { 1, 1 };
    const resize_state *const s = a->state;
    const size_t size = ek_dtype_size(s->dtype);

    memset((char *)a->out[0] + (size_t)pixel(s, s->small, b, 0, 0) * size, 0,
           (size_t)(s->small[0] * s->small[1] * s->channels) * size);
    for (int64_t y = 0; y < s->large[0]; y++)
        for (int64_t x = 0; x < s->large[1]; x++) {
            const int64_t to = pixel(s, s->small, b, s->at[0][y].lower, s->at[1][x].lower);
            char *const sum = (char *)a->out[0] + (size_t)to * size;
            const char *const dy = (const char *)a->in[IMAGES] + (size_t)pixel(s, s->large, b, y, x) * size;

            s->add(s->channels, (const void *const[]){ sum, dy }, each, sum, NULL);
        }
    return EK_OK;
}

static ek_status nearest_grad_prepare(ek_prepare_ctx *c)
{
    resize_state *s;

    if (ek__empty(c)) return EK_OK;
    EK_TRY(resize_state_new(c, true, &c->out[0], &c->in[IMAGES], &s));
    s->dtype = c->out_dtype[0];
    s->add = ek__loop(&ek__loops_add, s->dtype);
    ek__add_phase(c, nearest_grad_run, s->batch);
    return EK_OK;
}

/* ---- bilinear ------------------------------------------------------------------------------------------------ */

enum { BLOCK = 64 }; /* channels at a time */

/* m channels from an element on, as floats: where they are, or converted into `room`. */
static const float *floats_at(const resize_state *s, const void *images, int64_t at, int64_t m, float *room)
{
    if (s->dtype == EK_FLOAT32) return (const float *)images + at;
    ek__convert(s->dtype, (const char *)images + (size_t)at * ek_dtype_size(s->dtype), EK_FLOAT32, room, m);
    return room;
}

static ek_status bilinear_run(const ek_run_args *a, int64_t chunk)
{
    const resize_state *const s = a->state;
    const int64_t b = chunk / s->large[0], y = chunk % s->large[0];
    const place row = s->at[0][y];
    float room[4][BLOCK];

    for (int64_t x = 0; x < s->large[1]; x++) {
        const place col = s->at[1][x];
        const int64_t top = pixel(s, s->small, b, row.lower, 0), bottom = pixel(s, s->small, b, row.upper, 0);
        float *const out = (float *)a->out[0] + pixel(s, s->large, b, y, x);

        for (int64_t k = 0; k < s->channels; k += BLOCK) {
            const int64_t m = s->channels - k < BLOCK ? s->channels - k : BLOCK;
            const int64_t left = col.lower * s->channels + k, right = col.upper * s->channels + k;
            const float *const tl = floats_at(s, a->in[IMAGES], top + left, m, room[0]);
            const float *const tr = floats_at(s, a->in[IMAGES], top + right, m, room[1]);
            const float *const bl = floats_at(s, a->in[IMAGES], bottom + left, m, room[2]);
            const float *const br = floats_at(s, a->in[IMAGES], bottom + right, m, room[3]);

            for (int64_t i = 0; i < m; i++) {
                const float t = tl[i] + (tr[i] - tl[i]) * col.lerp, u = bl[i] + (br[i] - bl[i]) * col.lerp;

                out[k + i] = t + (u - t) * row.lerp;
            }
        }
    }
    return EK_OK;
}

static ek_status bilinear_prepare(ek_prepare_ctx *c)
{
    resize_state *s;

    if (ek__empty(c)) return EK_OK;
    EK_TRY(resize_state_new(c, false, &c->in[IMAGES], &c->out[0], &s));
    s->dtype = c->in_dtype[IMAGES];
    ek__add_phase(c, bilinear_run, s->batch * s->large[0]);
    return EK_OK;
}

/* Shares are float, as TensorFlow has them; sums are double, in the scratch, then as the output's type. */
static ek_status bilinear_grad_run(const ek_run_args *a, int64_t b)
{
    const resize_state *const s = a->state;
    const int64_t count = s->small[0] * s->small[1] * s->channels;
    double *const sum = (double *)a->scratch + b * count;
    const float *dy = (const float *)a->in[IMAGES] + pixel(s, s->large, b, 0, 0);

    for (int64_t i = 0; i < count; i++) sum[i] = 0;
    for (int64_t y = 0; y < s->large[0]; y++)
        for (int64_t x = 0; x < s->large[1]; x++) {
            const place row = s->at[0][y], col = s->at[1][x];

            for (int64_t i = 0; i < s->channels; i++, dy++) {
                const float up = *dy * (1.0f - row.lerp), down = *dy * row.lerp;

                sum[pixel(s, s->small, 0, row.lower, col.lower) + i] += (double)(up * (1.0f - col.lerp));
                sum[pixel(s, s->small, 0, row.lower, col.upper) + i] += (double)(up * col.lerp);
                sum[pixel(s, s->small, 0, row.upper, col.lower) + i] += (double)(down * (1.0f - col.lerp));
                sum[pixel(s, s->small, 0, row.upper, col.upper) + i] += (double)(down * col.lerp);
            }
        }
    ek__convert(EK_FLOAT64, sum, s->dtype, (char *)a->out[0] + (size_t)(b * count) * ek_dtype_size(s->dtype), count);
    return EK_OK;
}

static ek_status bilinear_grad_prepare(ek_prepare_ctx *c)
{
    resize_state *s;

    if (ek__empty(c)) return EK_OK;
    EK_TRY(resize_state_new(c, false, &c->out[0], &c->in[IMAGES], &s));
    s->dtype = c->out_dtype[0];
    c->scratch_bytes = (size_t)ek_shape_count(&c->out[0]) * sizeof(double);
    ek__add_phase(c, bilinear_grad_run, s->batch);
    return EK_OK;
}

/* ---- definitions --------------------------------------------------------------------------------------------- */

#define RESIZE(Name, inputs_, outputs_, types, rule, prepare_, values)                                       \
    const ek_op_def ek__op_##Name = {                                                                         \
        .name = #Name, .inputs = inputs_, .outputs = outputs_,                                                \
        .attrs = "T: {" types "}; align_corners: bool = false; half_pixel_centers: bool = false",             \
        EK_RESIZE_FIELDS,                                                                                     \
        .shape = rule, .prepare = prepare_, .value_inputs = values,                                           \
    };
RESIZE(ResizeBilinear, "images: T, size: int32", "resized_images: float",
       "int8, uint8, int16, uint16, int32, int64, bfloat16, half, float, double", ek__resize_shape, bilinear_prepare,
       1u << SIZE)
RESIZE(ResizeBilinearGrad, "grads: float, original_image: T", "output: T", "float, bfloat16, half, double",
       ek__resize_grad_shape, bilinear_grad_prepare, 0)
RESIZE(ResizeNearestNeighbor, "images: T, size: int32", "resized_images: T",
       "int8, uint8, int16, uint16, int32, int64, half, float, double", ek__resize_shape, nearest_prepare, 1u << SIZE)
RESIZE(ResizeNearestNeighborGrad, "grads: T, size: int32", "output: T", "uint8, int8, int32, half, float, double",
       ek__resize_shape, nearest_grad_prepare, 1u << SIZE)
