/* ops/crop.c - CropAndResize: boxes of images, each at the same size. A chunk is a row of a crop. */
#include <math.h>

#include "ops/rules.h"

typedef struct crop_attrs {
    const char *method;
    float extrapolation_value;
} crop_attrs;
static const ek_field crop_fields[] = {
    EK_FIELD(crop_attrs, method, STRING),
    EK_FIELD(crop_attrs, extrapolation_value, FLOAT),
};

enum { IMAGE, BOXES, BOX_IND, SIZE };

/* ---- shape ---------------------------------------------------------------------------------------------- */

static ek_status want(const ek_shape_ctx *c, int i, const char *what, int rank)
{
    if (c->running && c->in[i].rank != rank)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "%s must be %d-D%s", what, rank, EK_CC(&c->in[i]));
    return ek__want_rank(c, i, rank);
}

static ek_status check_boxes(const ek_shape_ctx *c, int64_t *n)
{
    const ek_shape *boxes = &c->in[BOXES], *ind = &c->in[BOX_IND], *size = &c->in[SIZE];
    const int64_t of_ind = ind->rank == 1 ? ind->dim[0] : -1;

    *n = boxes->rank == 2 ? boxes->dim[0] : -1;
    if (boxes->rank == 2 && boxes->dim[1] >= 0 && boxes->dim[1] != 4)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "boxes must have 4 columns%s", EK_CC(boxes));
    if (*n >= 0 && of_ind >= 0 && *n != of_ind)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "box_index has incompatible shape%s", EK_CC(ind));
    if (*n < 0) *n = of_ind;
    if (size->rank == 1 && size->dim[0] >= 0 && size->dim[0] != 2)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "crop_size must have two elements%s", EK_CC(size));
    return EK_OK;
}

static ek_status crop_shape(ek_shape_ctx *c)
{
    const ek_shape *x = &c->in[IMAGE];
    const ek_array *size = c->in_value[SIZE];
    int64_t n;

    EK_TRY(want(c, IMAGE, "input image", 4));
    EK_TRY(want(c, BOXES, "boxes", 2));
    EK_TRY(want(c, BOX_IND, "box_index", 1));
    EK_TRY(want(c, SIZE, "crop_size", 1));
    EK_TRY(check_boxes(c, &n));
    if (c->running && (x->dim[1] <= 0 || x->dim[2] <= 0))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "image dimensions must be positive");
    c->out[0] = ek__unknown_dims(4);
    c->out[0].dim[0] = n;
    if (x->rank == 4) c->out[0].dim[3] = x->dim[3];
    for (int k = 0; k < 2 && size != NULL; k++) {
        c->out[0].dim[1 + k] = ek__array_int(size, k);
        if (c->out[0].dim[1 + k] <= 0) return EK_FAIL(c->err, INVALID_ARGUMENT, "crop dimensions must be positive");
    }
    return EK_OK;
}

/* ---- running --------------------------------------------------------------------------------------------- */

typedef struct crop_state {
    ek_dtype dtype;
    bool nearest;
    float outside;
    int64_t images, image[2], crop[2], channels;
} crop_state;

/* Where pixel i of a crop from low to high (of 0 .. 1) lies along an axis; false: past the image. */
static bool place_of(float low, float high, int64_t n, int64_t n_crop, int64_t i, float *place)
{
    const float last = (float)(n - 1);

    if (n_crop > 1) *place = low * last + (float)i * ((high - low) * last / (float)(n_crop - 1));
    else *place = 0.5f * (low + high) * last;
    return *place >= 0 && *place <= last;
}

static float number_at(const crop_state *s, const void *images, int64_t image, float y, float x, int64_t c)
{
    const int64_t at = ((image * s->image[0] + (int64_t)y) * s->image[1] + (int64_t)x) * s->channels + c;
    float v;

    if (s->dtype == EK_FLOAT32) return ((const float *)images)[at];
    ek__convert(s->dtype, (const char *)images + (size_t)at * ek_dtype_size(s->dtype), EK_FLOAT32, &v, 1);
    return v;
}

static void crop_pixel(const crop_state *s, const void *images, int64_t image, float y, float x, float *out)
{
    const float top = floorf(y), bottom = ceilf(y), left = floorf(x), right = ceilf(x);

    for (int64_t c = 0; c < s->channels; c++) {
        if (s->nearest) {
            out[c] = number_at(s, images, image, roundf(y), roundf(x), c);
            continue;
        }
        const float tl = number_at(s, images, image, top, left, c), tr = number_at(s, images, image, top, right, c);
        const float bl = number_at(s, images, image, bottom, left, c), br = number_at(s, images, image, bottom, right, c);
        const float t = tl + (tr - tl) * (x - left), b = bl + (br - bl) * (x - left);
        out[c] = t + (b - t) * (y - top);
    }
}

static ek_status crop_row(const ek_run_args *a, int64_t chunk)
{
    const crop_state *s = a->state;
    const int64_t box = chunk / s->crop[0], row = chunk % s->crop[0];
    const float *corner = (const float *)a->in[BOXES] + 4 * box;
    const int32_t image = ((const int32_t *)a->in[BOX_IND])[box];
    float y, x, *out = (float *)a->out[0] + chunk * s->crop[1] * s->channels;

    if (image < 0 || image >= s->images) return EK_FAIL(a->err, OUT_OF_RANGE, "box_index has values outside [0, batch_size)");
    const bool inside = place_of(corner[0], corner[2], s->image[0], s->crop[0], row, &y);
    for (int64_t column = 0; column < s->crop[1]; column++, out += s->channels) {
        if (place_of(corner[1], corner[3], s->image[1], s->crop[1], column, &x) && inside)
            crop_pixel(s, a->in[IMAGE], image, y, x, out);
        else
            for (int64_t c = 0; c < s->channels; c++) out[c] = s->outside;
    }
    return EK_OK;
}

static ek_status crop_prepare(ek_prepare_ctx *c)
{
    const crop_attrs *at = c->attrs;
    const ek_shape *x = &c->in[IMAGE], *y = &c->out[0];
    crop_state *s = EK_ARENA_NEW(c->arena, crop_state, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (crop_state){ .dtype = c->in_dtype[IMAGE], .nearest = strcmp(at->method, "nearest") == 0, .outside = at->extrapolation_value,
                       .images = x->dim[0], .image = { x->dim[1], x->dim[2] }, .crop = { y->dim[1], y->dim[2] }, .channels = x->dim[3] };
    c->state = s;
    if (!ek__empty(c)) ek__add_phase(c, crop_row, y->dim[0] * y->dim[1]);
    return EK_OK;
}

const ek_op_def ek__op_CropAndResize = {
    .name = "CropAndResize",
    .inputs = "image: T, boxes: float, box_ind: int32, crop_size: int32",
    .outputs = "crops: float",
    .attrs = "T: {uint8, uint16, int8, int16, int32, int64, half, float, double}; method: {'bilinear', 'nearest'} = 'bilinear'; "
             "extrapolation_value: float = 0",
    .attrs_size = sizeof(crop_attrs),
    .fields = crop_fields,
    .n_fields = EK_COUNT_OF(crop_fields),
    .shape = crop_shape,
    .value_inputs = 1u << SIZE,
    .prepare = crop_prepare,
};
