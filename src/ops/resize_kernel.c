/* ops/resize_kernel.c - images at another size where a pixel comes from several with weights: ResizeBicubic and its
 * gradient, ResizeArea.
 *
 * Along each axis a pixel of the result is a weighted sum of a few in a row; places and weights are found in float, cubics
 * in steps of 1/1024 as in TensorFlow. Chunks are parts of the result's rows; of a gradient, images.
 */
#include <float.h>
#include <math.h>

#include "ops/resize.h"
#include "ops/rules.h"

enum { IMAGES, SIZE };

/* ---- weights ------------------------------------------------------------------------------------------ */

/* Pixels first .. first + n-1, held inside the image; their weights are `weight`. */
typedef struct taps {
    int64_t first, n;
    const float *weight;
} taps;

typedef struct kernel_state {
    ek_dtype dtype; /* of the images */
    int64_t batch, channels, small[2], large[2];
    const taps *at[2]; /* per row, per column of the result */
    float scale;       /* of each sum */
    int64_t parts;     /* of the result's rows */
    size_t per_part;   /* of the scratch, in bytes */
} kernel_state;

static int64_t within(int64_t v, int64_t n)
{
    return v < 0 ? 0 : v < n ? v : n - 1;
}

enum { CUBIC_STEPS = 1 << 10, CUBIC_TAPS = 4 };

/* The cubic at distance x below 1, and at 1 + x: of Keys with a = -0.5, of former times with -0.75. */
static float cubic_near(double a, float x) { return (float)(((a + 2) * (double)x - (a + 3)) * (double)x * (double)x + 1); }
static float cubic_far(double a, float x)
{
    const float y = x + 1.0f;

    return (float)(((a * (double)y - 5 * a) * (double)y + 8 * a) * (double)y - 4 * a);
}

static void cubic_weights(const ek_resize_attrs *at, int64_t n, int64_t n_out, int64_t i, taps *t, float *w)
{
    const bool keys = at->half_pixel_centers;
    const double a = keys ? -0.5 : -0.75;
    const float scale = ek__resize_scale(at, n, n_out), place = keys ? ((float)i + 0.5f) * scale - 0.5f : (float)i * scale;
    const int64_t in = (int64_t)floorf(place), step = lrintf((place - (float)in) * CUBIC_STEPS);
    const float x = (float)((double)step / CUBIC_STEPS), y = (float)((double)(CUBIC_STEPS - step) / CUBIC_STEPS);
    float sum = 0;

    w[0] = cubic_far(a, x);
    w[1] = cubic_near(a, x);
    w[2] = cubic_near(a, y);
    w[3] = cubic_far(a, y);
    *t = (taps){ in - 1, CUBIC_TAPS, w };
    if (!keys) return;
    for (int k = 0; k < CUBIC_TAPS; k++) { /* beyond the image there is nothing, and the rest is scaled up */
        if (within(t->first + k, n) != t->first + k) w[k] = 0;
        sum += w[k];
    }
    for (int k = 0; k < CUBIC_TAPS && fabsf(sum) >= 1000.0f * FLT_MIN; k++) w[k] *= 1.0f / sum;
}

static ek_status cubic_axis(ek_prepare_ctx *c, int64_t n, int64_t n_out, const taps **out)
{
    taps *t = EK_ARENA_NEW(c->arena, taps, n_out);
    float *w = t != NULL ? EK_ARENA_NEW(c->arena, float, n_out * CUBIC_TAPS) : NULL;

    if (w == NULL) return ek__no_memory(c);
    for (int64_t i = 0; i < n_out; i++) cubic_weights(c->attrs, n, n_out, i, &t[i], w + i * CUBIC_TAPS);
    *out = t;
    return EK_OK;
}

/* How much of the pixel from v to v + 1 lies between low and high. */
static float share(float v, float low, float high, float scale)
{
    if (v < low) return v + 1 > high ? scale : v + 1 - low;
    return v + 1 > high ? high - v : 1.0f;
}

static ek_status area_axis(ek_prepare_ctx *c, int64_t n, int64_t n_out, const taps **out)
{
    const float scale = ek__resize_scale(c->attrs, n, n_out);
    taps *t = EK_ARENA_NEW(c->arena, taps, n_out);

    if (t == NULL) return ek__no_memory(c);
    for (int64_t i = 0; i < n_out; i++) {
        /* one pixel, its corners aligned: all of the result is that pixel */
        const float low = scale > 0 ? (float)i * scale : 0, high = scale > 0 ? (float)(i + 1) * scale : 1;
        const int64_t first = (int64_t)floorf(low), last = (int64_t)ceilf(high);
        float *w = EK_ARENA_NEW(c->arena, float, last - first + 1);
        if (w == NULL) return ek__no_memory(c);
        for (int64_t k = first; k < last; k++) w[k - first] = share((float)k, low, high, scale);
        t[i] = (taps){ first, last - first, w };
    }
    *out = t;
    return EK_OK;
}

typedef ek_status axis_fn(ek_prepare_ctx *c, int64_t n, int64_t n_out, const taps **out);

static ek_status state_new(ek_prepare_ctx *c, axis_fn *axis, const ek_shape *image, const ek_shape *result, kernel_state **out)
{
    kernel_state *s = EK_ARENA_NEW(c->arena, kernel_state, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (kernel_state){ .batch = image->dim[0], .channels = image->dim[3], .scale = 1 };
    for (int k = 0; k < 2; k++) {
        s->small[k] = image->dim[1 + k];
        s->large[k] = result->dim[1 + k];
        EK_TRY(axis(c, s->small[k], s->large[k], &s->at[k]));
    }
    c->state = *out = s;
    return EK_OK;
}

/* ---- the way forward -------------------------------------------------------------------------------------- */

enum { MOST_PARTS = 16, PART_WORK = 1 << 16 };

/* One row of the result: rows of the image are added up with their weights, then columns. The scratch has room for both
 * a row of the image as floats, and the sum of rows. */
static void run_row(const ek_run_args *a, const kernel_state *s, int64_t r, float *row)
{
    const int64_t b = r / s->large[0], n = s->small[1] * s->channels;
    const taps *rows = &s->at[0][r % s->large[0]];
    float *sum = row + n, *out = (float *)a->out[0] + r * s->large[1] * s->channels;

    for (int64_t i = 0; i < n; i++) sum[i] = 0;
    for (int64_t k = 0; k < rows->n; k++) {
        const int64_t from = (b * s->small[0] + within(rows->first + k, s->small[0])) * n;
        ek__convert(s->dtype, (const char *)a->in[IMAGES] + (size_t)from * ek_dtype_size(s->dtype), EK_FLOAT32, row, n);
        for (int64_t i = 0; i < n; i++) sum[i] += row[i] * rows->weight[k];
    }
    for (int64_t x = 0; x < s->large[1]; x++, out += s->channels) {
        const taps *columns = &s->at[1][x];
        for (int64_t c = 0; c < s->channels; c++) out[c] = 0;
        for (int64_t k = 0; k < columns->n; k++) {
            const float *from = sum + within(columns->first + k, s->small[1]) * s->channels;
            for (int64_t c = 0; c < s->channels; c++) out[c] += from[c] * columns->weight[k];
        }
        for (int64_t c = 0; c < s->channels; c++) out[c] *= s->scale;
    }
}

static ek_status run_rows(const ek_run_args *a, int64_t chunk)
{
    const kernel_state *s = a->state;
    const int64_t rows = s->batch * s->large[0];
    char *room = (char *)a->scratch + (size_t)chunk * s->per_part;

    for (int64_t r = ek__part_begin(rows, s->parts, chunk); r < ek__part_begin(rows, s->parts, chunk + 1); r++)
        run_row(a, s, r, (float *)(void *)room);
    return EK_OK;
}

static ek_status forward_prepare(ek_prepare_ctx *c, axis_fn *axis, kernel_state **out)
{
    EK_TRY(state_new(c, axis, &c->in[IMAGES], &c->out[0], out));
    kernel_state *s = *out;
    const double parts = (double)ek_shape_count(&c->out[0]) * (double)s->at[0][0].n / PART_WORK;
    const int64_t rows = s->batch * s->large[0];
    s->dtype = c->in_dtype[IMAGES];
    s->parts = parts < 1 ? 1 : parts < MOST_PARTS ? (int64_t)parts : MOST_PARTS;
    if (s->parts > rows) s->parts = rows;
    s->per_part = ek__far_apart((size_t)(2 * s->small[1] * s->channels) * sizeof(float));
    c->scratch_bytes = (size_t)s->parts * s->per_part;
    ek__add_phase(c, run_rows, s->parts);
    return EK_OK;
}

static ek_status cubic_prepare(ek_prepare_ctx *c)
{
    kernel_state *s;

    return ek__empty(c) ? EK_OK : forward_prepare(c, cubic_axis, &s);
}

static ek_status area_prepare(ek_prepare_ctx *c)
{
    kernel_state *s;

    if (ek__empty(c)) return EK_OK;
    EK_TRY(forward_prepare(c, area_axis, &s));
    for (int k = 0; k < 2; k++) {
        const float scale = ek__resize_scale(c->attrs, s->small[k], s->large[k]);
        if (scale > 0) s->scale /= scale;
    }
    return EK_OK;
}

/* ---- the gradient ------------------------------------------------------------------------------------------ */

/* Sums are double, in the scratch, then as the output's type. */
static ek_status cubic_grad_run(const ek_run_args *a, int64_t b)
{
    const kernel_state *s = a->state;
    const int64_t n = s->channels, count = s->small[0] * s->small[1] * n;
    double *sum = (double *)a->scratch + b * count;
    const float *dy = (const float *)a->in[IMAGES] + b * s->large[0] * s->large[1] * n;

    for (int64_t i = 0; i < count; i++) sum[i] = 0;
    for (int64_t y = 0; y < s->large[0]; y++)
        for (int64_t x = 0; x < s->large[1]; x++, dy += n)
            for (int64_t k = 0; k < CUBIC_TAPS * CUBIC_TAPS; k++) {
                const taps *rows = &s->at[0][y], *columns = &s->at[1][x];
                const int64_t row = within(rows->first + k / CUBIC_TAPS, s->small[0]);
                const int64_t column = within(columns->first + k % CUBIC_TAPS, s->small[1]);
                double *to = sum + (row * s->small[1] + column) * n;
                for (int64_t c = 0; c < n; c++)
                    to[c] += (double)dy[c] * (double)rows->weight[k / CUBIC_TAPS] * (double)columns->weight[k % CUBIC_TAPS];
            }
    ek__convert(EK_FLOAT64, sum, s->dtype, (char *)a->out[0] + (size_t)(b * count) * ek_dtype_size(s->dtype), count);
    return EK_OK;
}

static ek_status cubic_grad_prepare(ek_prepare_ctx *c)
{
    kernel_state *s;

    if (ek__empty(c)) return EK_OK;
    EK_TRY(state_new(c, cubic_axis, &c->out[0], &c->in[IMAGES], &s));
    s->dtype = c->out_dtype[0];
    c->scratch_bytes = (size_t)ek_shape_count(&c->out[0]) * sizeof(double);
    ek__add_phase(c, cubic_grad_run, s->batch);
    return EK_OK;
}

/* ---- definitions --------------------------------------------------------------------------------------------- */

#define TYPES "T: {int8, uint8, int16, uint16, int32, int64, half, float, double}; align_corners: bool = false"

const ek_op_def ek__op_ResizeBicubic = {
    .name = "ResizeBicubic",
    .inputs = "images: T, size: int32",
    .outputs = "resized_images: float",
    .attrs = TYPES "; half_pixel_centers: bool = false",
    EK_RESIZE_FIELDS,
    .shape = ek__resize_shape,
    .prepare = cubic_prepare,
    .value_inputs = 1u << SIZE,
};

const ek_op_def ek__op_ResizeBicubicGrad = {
    .name = "ResizeBicubicGrad",
    .inputs = "grads: float, original_image: T",
    .outputs = "output: T",
    .attrs = "T: {float, double}; align_corners: bool = false; half_pixel_centers: bool = false",
    EK_RESIZE_FIELDS,
    .shape = ek__resize_grad_shape,
    .prepare = cubic_grad_prepare,
};

const ek_op_def ek__op_ResizeArea = {
    .name = "ResizeArea",
    .inputs = "images: T, size: int32",
    .outputs = "resized_images: float",
    .attrs = TYPES,
    .attrs_size = sizeof(ek_resize_attrs),
    .fields = ek__resize_fields,
    .n_fields = 1, /* centers are those of old */
    .shape = ek__resize_shape,
    .prepare = area_prepare,
    .value_inputs = 1u << SIZE,
};
