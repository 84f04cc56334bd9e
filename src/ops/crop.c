/* ops/crop.c - CropAndResize: boxes of images, each at the same size (a chunk is a row of a crop), and its gradients by the
 * images and by the boxes. */
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
    int64_t images, image[2], crop[2], channels, boxes; /* boxes: of a gradient */
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

/* ---- gradients ----------------------------------------------------------------------------------------------- */

enum { GRAD, GRAD_BOXES, GRAD_IND, GRAD_SIZE };
enum { BY_IMAGE = 1, BY_BOXES, BY_IND };

static ek_status check_crops(const ek_shape_ctx *c, int boxes, int ind)
{
    const ek_shape *dy = &c->in[GRAD];

    EK_TRY(want(c, GRAD, "grads image", 4));
    EK_TRY(want(c, boxes, "boxes", 2));
    EK_TRY(want(c, ind, "box_index", 1));
    if (!c->running) return EK_OK;
    if (dy->dim[1] <= 0 || dy->dim[2] <= 0) return EK_FAIL(c->err, INVALID_ARGUMENT, "grads dimensions must be positive");
    if (c->in[boxes].dim[1] != 4) return EK_FAIL(c->err, INVALID_ARGUMENT, "boxes must have 4 columns%s", EK_CC(&c->in[boxes]));
    if (c->in[boxes].dim[0] != dy->dim[0] || c->in[ind].dim[0] != dy->dim[0])
        return EK_FAIL(c->err, INVALID_ARGUMENT, "boxes and grads have incompatible shape");
    return EK_OK;
}

static ek_status image_grad_shape(ek_shape_ctx *c)
{
    EK_TRY(check_crops(c, GRAD_BOXES, GRAD_IND));
    if (c->running && (c->in[GRAD_SIZE].rank != 1 || c->in[GRAD_SIZE].dim[0] != 4))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "image_size must have 4 elements%s", EK_CC(&c->in[GRAD_SIZE]));
    EK_TRY(ek__input_as_full_shape(c, GRAD_SIZE, &c->out[0]));
    if (c->out[0].rank < 0) c->out[0] = ek__unknown_dims(4);
    if (c->running && (c->out[0].dim[1] <= 0 || c->out[0].dim[2] <= 0))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "image dimensions must be positive");
    if (c->running && c->out[0].dim[3] != c->in[GRAD].dim[3])
        return EK_FAIL(c->err, INVALID_ARGUMENT, "image_size and grads are incompatible");
    return EK_OK;
}

static ek_status boxes_grad_shape(ek_shape_ctx *c)
{
    EK_TRY(check_crops(c, BY_BOXES, BY_IND));
    EK_TRY(want(c, BY_IMAGE, "input image", 4));
    if (c->running && c->in[BY_IMAGE].dim[3] != c->in[GRAD].dim[3])
        return EK_FAIL(c->err, INVALID_ARGUMENT, "image, grads depth differ");
    c->out[0] = c->in[BY_BOXES];
    return EK_OK;
}

/* Calls `each` for every pixel of every crop that lies within its image. */
typedef struct crop_pixels {
    const crop_state *s;
    const ek_run_args *a;
    const float *corner; /* of this box */
    int64_t image, box, row, column;
    float y, x;
    const float *dy; /* of this pixel, a number per channel */
} crop_pixels;

static ek_status each_pixel(const ek_run_args *a, int boxes, int ind, void (*each)(const crop_pixels *p))
{
    const crop_state *s = a->state;
    crop_pixels p = { .s = s, .a = a };

    for (p.box = 0; p.box < s->boxes; p.box++) {
        p.corner = (const float *)a->in[boxes] + 4 * p.box;
        p.image = ((const int32_t *)a->in[ind])[p.box];
        if (p.image < 0 || p.image >= s->images) return EK_FAIL(a->err, OUT_OF_RANGE, "box_index has values outside [0, batch_size)");
        for (p.row = 0; p.row < s->crop[0]; p.row++) {
            if (!place_of(p.corner[0], p.corner[2], s->image[0], s->crop[0], p.row, &p.y)) continue;
            for (p.column = 0; p.column < s->crop[1]; p.column++) {
                if (!place_of(p.corner[1], p.corner[3], s->image[1], s->crop[1], p.column, &p.x)) continue;
                p.dy = (const float *)a->in[GRAD] + ((p.box * s->crop[0] + p.row) * s->crop[1] + p.column) * s->channels;
                each(&p);
            }
        }
    }
    return EK_OK;
}

/* Adds to one number of the gradient by the images. Sums are kept in double until the end. */
static void give(const crop_pixels *p, float y, float x, int64_t c, double v)
{
    const crop_state *s = p->s;
    double *sum = p->a->scratch;

    sum[((p->image * s->image[0] + (int64_t)y) * s->image[1] + (int64_t)x) * s->channels + c] += v;
}

static void to_image(const crop_pixels *p)
{
    const float top = floorf(p->y), bottom = ceilf(p->y), left = floorf(p->x), right = ceilf(p->x);
    const float down = p->y - top, over = p->x - left;

    for (int64_t c = 0; c < p->s->channels; c++) {
        const float d = p->dy[c];
        if (p->s->nearest) {
            give(p, roundf(p->y), roundf(p->x), c, (double)d);
            continue;
        }
        give(p, top, left, c, (double)((1 - down) * d * (1 - over)));
        give(p, top, right, c, (double)((1 - down) * d * over));
        give(p, bottom, left, c, (double)(down * d * (1 - over)));
        give(p, bottom, right, c, (double)(down * d * over));
    }
}

static ek_status image_grad_run(const ek_run_args *a, int64_t chunk)
{
    const crop_state *s = a->state;
    const int64_t n = s->images * s->image[0] * s->image[1] * s->channels;

    EK_UNUSED(chunk);
    memset(a->scratch, 0, (size_t)n * sizeof(double));
    EK_TRY(each_pixel(a, GRAD_BOXES, GRAD_IND, to_image));
    ek__convert(EK_FLOAT64, a->scratch, s->dtype, a->out[0], n);
    return EK_OK;
}

/* How the place of pixel i moves with its box's near and far side, times `slope`. */
static void to_sides(float slope, int64_t n, int64_t n_crop, int64_t i, float *near, float *far)
{
    const float last = (float)(n - 1), along = n_crop > 1 ? (float)i / (float)(n_crop - 1) : 0.5f;

    *near += slope * last * (1 - along);
    *far += slope * last * along;
}

static void to_box(const crop_pixels *p)
{
    const float top = floorf(p->y), bottom = ceilf(p->y), left = floorf(p->x), right = ceilf(p->x);
    const float down = p->y - top, over = p->x - left;
    const void *image = p->a->in[BY_IMAGE];
    float *d = (float *)p->a->out[0] + 4 * p->box;

    for (int64_t c = 0; c < p->s->channels; c++) {
        const float tl = number_at(p->s, image, p->image, top, left, c), tr = number_at(p->s, image, p->image, top, right, c);
        const float bl = number_at(p->s, image, p->image, bottom, left, c), br = number_at(p->s, image, p->image, bottom, right, c);
        const float by_y = (1 - over) * (bl - tl) + over * (br - tr), by_x = (1 - down) * (tr - tl) + down * (br - bl);
        to_sides(p->dy[c] * by_y, p->s->image[0], p->s->crop[0], p->row, &d[0], &d[2]);
        to_sides(p->dy[c] * by_x, p->s->image[1], p->s->crop[1], p->column, &d[1], &d[3]);
    }
}

static ek_status boxes_grad_run(const ek_run_args *a, int64_t chunk)
{
    const crop_state *s = a->state;

    EK_UNUSED(chunk);
    memset(a->out[0], 0, (size_t)s->boxes * 4 * sizeof(float));
    return each_pixel(a, BY_BOXES, BY_IND, to_box);
}

static ek_status prepare_gradient(ek_prepare_ctx *c, const ek_shape *x, ek_dtype dtype, bool nearest)
{
    const ek_shape *dy = &c->in[GRAD];
    crop_state *s = EK_ARENA_NEW(c->arena, crop_state, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (crop_state){ .dtype = dtype, .nearest = nearest, .images = x->dim[0], .image = { x->dim[1], x->dim[2] },
                       .crop = { dy->dim[1], dy->dim[2] }, .channels = x->dim[3], .boxes = dy->dim[0] };
    c->state = s;
    return EK_OK;
}

static ek_status image_grad_prepare(ek_prepare_ctx *c)
{
    const crop_attrs *at = c->attrs;
    const ek_shape *x = &c->out[0];

    EK_TRY(prepare_gradient(c, x, c->out_dtype[0], strcmp(at->method, "nearest") == 0));
    if (ek_shape_count(x) == 0) return EK_OK;
    c->scratch_bytes = (size_t)ek_shape_count(x) * sizeof(double);
    ek__add_phase(c, image_grad_run, 1);
    return EK_OK;
}

static ek_status boxes_grad_prepare(ek_prepare_ctx *c)
{
    EK_TRY(prepare_gradient(c, &c->in[BY_IMAGE], c->in_dtype[BY_IMAGE], false));
    if (!ek__empty(c)) ek__add_phase(c, boxes_grad_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_CropAndResizeGradImage = {
    .name = "CropAndResizeGradImage",
    .inputs = "grads: float, boxes: float, box_ind: int32, image_size: int32",
    .outputs = "output: T",
    .attrs = "T: {float, half, double}; method: {'bilinear', 'nearest'} = 'bilinear'",
    .attrs_size = sizeof(crop_attrs),
    .fields = crop_fields,
    .n_fields = 1,
    .shape = image_grad_shape,
    .value_inputs = 1u << GRAD_SIZE,
    .prepare = image_grad_prepare,
};

const ek_op_def ek__op_CropAndResizeGradBoxes = {
    .name = "CropAndResizeGradBoxes",
    .inputs = "grads: float, image: T, boxes: float, box_ind: int32",
    .outputs = "output: float",
    .attrs = "T: {uint8, uint16, int8, int16, int32, int64, half, float, double}; method: {'bilinear'} = 'bilinear'",
    .shape = boxes_grad_shape,
    .prepare = boxes_grad_prepare,
};

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
