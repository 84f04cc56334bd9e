/* codec/summary.c - see summary.h. Fields that have their default are left out, as protocol buffers do. */
#include "codec/summary.h"

#include <math.h>

#include "codec/fields.h"
#include "codec/picture.h"
#include "codec/tensor.h"

static size_t open_value(ek_buf *b, ek_span tag)
{
    const size_t mark = ek__put_open(b, EK_F_SUMMARY_VALUE);

    if (tag.size > 0) ek__put_bytes(b, EK_F_SUMMARY_TAG, tag.at, tag.size);
    return mark;
}

void ek__summary_scalar(ek_buf *b, ek_span tag, float v)
{
    const size_t mark = open_value(b, tag);

    ek__put_float(b, EK_F_SUMMARY_SIMPLE, v);
    ek__put_close(b, mark);
}

static void put_number(ek_buf *b, uint32_t field, double v)
{
    if (v != 0 || signbit(v)) ek__put_double(b, field, v);
}

static void put_numbers(ek_buf *b, uint32_t field, const double *v, int n)
{
    const size_t mark = ek__put_open(b, field);

    for (int i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &v[i], sizeof bits);
        ek__put_fixed64(b, bits);
    }
    ek__put_close(b, mark);
}

void ek__summary_histogram(ek_buf *b, ek_span tag, const ek_tally *t, const ek_bucket_limits *limits)
{
    double limit[EK_BUCKETS], count[EK_BUCKETS];
    const int n = ek__tally_buckets(t, limits, limit, count);
    const size_t value = open_value(b, tag), histogram = ek__put_open(b, EK_F_SUMMARY_HISTOGRAM);

    put_number(b, EK_F_HISTOGRAM_MIN, t->min);
    put_number(b, EK_F_HISTOGRAM_MAX, t->max);
    put_number(b, EK_F_HISTOGRAM_NUM, t->num);
    put_number(b, EK_F_HISTOGRAM_SUM, t->sum);
    put_number(b, EK_F_HISTOGRAM_SQUARES, t->squares);
    put_numbers(b, EK_F_HISTOGRAM_LIMIT, limit, n);
    put_numbers(b, EK_F_HISTOGRAM_BUCKET, count, n);
    ek__put_close(b, histogram);
    ek__put_close(b, value);
}

void ek__summary_tensor(ek_buf *b, ek_span tag, const ek_array *a, ek_span metadata)
{
    const size_t value = open_value(b, tag), tensor = ek__put_open(b, EK_F_SUMMARY_TENSOR);

    ek__tensor_write(b, a, -1);
    ek__put_close(b, tensor);
    ek__put_bytes(b, EK_F_SUMMARY_METADATA, metadata.at, metadata.size);
    ek__put_close(b, value);
}

static ek_status put_image(ek_buf *b, ek_span tag, const ek_pictures *p, const uint8_t *pixels, ek_error *err)
{
    const size_t value = open_value(b, tag), image = ek__put_open(b, EK_F_SUMMARY_IMAGE);
    size_t png;

    ek__put_int(b, EK_F_IMAGE_HEIGHT, p->height);
    ek__put_int(b, EK_F_IMAGE_WIDTH, p->width);
    ek__put_int(b, EK_F_IMAGE_COLORSPACE, p->depth);
    png = ek__put_open(b, EK_F_IMAGE_ENCODED);
    EK_TRY(ek__png_put(b, pixels, p->height, p->width, p->depth, err));
    ek__put_close(b, png);
    ek__put_close(b, image);
    ek__put_close(b, value);
    return EK_OK;
}

ek_status ek__summary_images(ek_buf *b, ek_span tag, const ek_pictures *p, ek_error *err)
{
    const int64_t n = p->n < p->most ? p->n : p->most, area = p->height * p->width;
    uint8_t *pixels = ek__calloc((size_t)area, (size_t)p->depth);
    ek_buf name = { 0 };
    ek_status st = EK_OK;

    if (pixels == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a picture");
    for (int64_t i = 0; i < n && st == EK_OK; i++) {
        const size_t offset = (size_t)(i * area * p->depth) * ek_dtype_size(p->dtype);

        ek__pixels_of(p->dtype, (const char *)p->data + offset, area, p->depth, p->bad, pixels);
        name.size = 0;
        ek__buf_add(&name, tag.at, tag.size);
        ek__buf_str(&name, "/image");
        if (p->most > 1) ek__buf_printf(&name, "/%lld", (long long)i);
        st = name.failed ? EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a picture")
                         : put_image(b, (ek_span){ (const uint8_t *)name.data, name.size }, p, pixels, err);
    }
    ek__free(pixels);
    ek__buf_fini(&name);
    return st;
}
