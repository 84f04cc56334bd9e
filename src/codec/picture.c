/* codec/picture.c - see picture.h.
 *
 * PNG is written with zlib alone: a signature and three chunks around what zlib compresses. That is less than what
 * libpng's long jumps and its own memory need around them; reading PNG would be another matter.
 */
#include "codec/picture.h"

#include <math.h>

#include "codec/zlib_memory.h"

/* ---- numbers as pixels -------------------------------------------------------------------------------------- */

/* What arithmetic in the type gives: rounding the result in double once more gives the same for +, * and /. */
static double rounded(ek_dtype t, double v)
{
    switch ((int)t) {
    case EK_FLOAT16: return (double)ek_float16_to_float(ek_float_to_float16((float)v));
    case EK_FLOAT32: return (double)(float)v;
    default: return v;
    }
}

static void pixel_at(ek_dtype t, const void *data, int64_t i, int depth, double v[4])
{
    ek__convert(t, (const char *)data + (size_t)(i * depth) * ek_dtype_size(t), EK_FLOAT64, v, depth);
}

static bool is_finite(const double v[4], int depth)
{
    for (int k = 0; k < depth; k++)
        if (!isfinite(v[k])) return false;
    return true;
}

/* v * scale + offset. */
static void choose_scale(ek_dtype t, const void *data, int64_t n, int depth, double *scale, double *offset)
{
    double low = INFINITY, high = -INFINITY, v[4];

    for (int64_t i = 0; i < n; i++) {
        pixel_at(t, data, i, depth, v);
        if (!is_finite(v, depth)) continue;
        for (int k = 0; k < depth; k++) {
            low = v[k] < low ? v[k] : low;
            high = v[k] > high ? v[k] : high;
        }
    }
    /* In float32 whatever the type is, as TensorFlow has it. */
    const double most = (double)(float)(low < 0 ? fmax(-low, fabs(high)) : high), range = low < 0 ? 127 : 255;
    *scale = most < (double)1e-6f ? 0 : rounded(t, (double)(float)(range / most));
    *offset = low < 0 ? 128 : 0;
}

void ek__pixels_of(ek_dtype dtype, const void *data, int64_t n, int depth, const uint8_t bad[4], uint8_t *out)
{
    double scale, offset, v[4];

    if (dtype == EK_UINT8) {
        if (n > 0) memcpy(out, data, (size_t)n * (size_t)depth);
        return;
    }
    choose_scale(dtype, data, n, depth, &scale, &offset);
    for (int64_t i = 0; i < n; i++, out += depth) {
        pixel_at(dtype, data, i, depth, v);
        const bool good = is_finite(v, depth);
        for (int k = 0; k < depth; k++)
            out[k] = good ? (uint8_t)(int)rounded(dtype, rounded(dtype, v[k] * scale) + offset) : bad[k];
    }
}

/* ---- PNG ----------------------------------------------------------------------------------------------------------- */

static void put_number(ek_buf *b, uint32_t v)
{
    const uint8_t bytes[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };
    ek__buf_add(b, bytes, sizeof bytes);
}

/* A chunk's length, filled in by close_chunk, and its type. */
static size_t open_chunk(ek_buf *b, const char *type)
{
    put_number(b, 0);
    ek__buf_str(b, type);
    return b->size;
}

static void close_chunk(ek_buf *b, size_t mark)
{
    if (b->failed) return;
    const size_t n = b->size - mark;
    const uint8_t length[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n };

    memcpy(b->data + mark - 8, length, sizeof length);
    put_number(b, (uint32_t)crc32_z(0, (const Bytef *)b->data + mark - 4, n + 4));
}

/* More of the compressed rows. */
static bool compress_more(ek_buf *b, z_stream *z, const uint8_t *data, size_t size, int flush)
{
    uint8_t out[4096];

    z->next_in = (z_const Bytef *)data;
    z->avail_in = (uInt)size;
    do {
        z->next_out = out;
        z->avail_out = sizeof out;
        if (deflate(z, flush) == Z_STREAM_ERROR) return false;
        ek__buf_add(b, out, sizeof out - z->avail_out);
    } while (z->avail_out == 0 && !b->failed);
    return true;
}

/* Each row behind a zero: no filter. */
static ek_status put_rows(ek_buf *b, const uint8_t *pixels, size_t height, size_t row, ek_error *err)
{
    static const uint8_t unfiltered[1];
    z_stream z = { 0 };
    bool ok = true;

    ek__zlib_memory(&z);
    if (deflateInit(&z, Z_DEFAULT_COMPRESSION) != Z_OK)
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a picture");
    for (size_t y = 0; y < height && ok; y++)
        ok = compress_more(b, &z, unfiltered, 1, Z_NO_FLUSH) && compress_more(b, &z, pixels + y * row, row, Z_NO_FLUSH);
    ok = ok && compress_more(b, &z, unfiltered, 0, Z_FINISH);
    deflateEnd(&z);
    return ok ? EK_OK : EK_FAIL(err, INTERNAL, "zlib refuses to compress");
}

ek_status ek__png_put(ek_buf *b, const uint8_t *pixels, int64_t height, int64_t width, int depth, ek_error *err)
{
    const uint8_t form[5] = { 8, depth == 1 ? 0 : depth == 3 ? 2 : 6, 0, 0, 0 };
    size_t mark;

    if (height < 1 || width < 1 || height > INT32_MAX || width > INT32_MAX / 4)
        return EK_FAIL(err, INVALID_ARGUMENT, "%lld x %lld pixels are no picture", (long long)height, (long long)width);
    ek__buf_add(b, "\x89PNG\r\n\x1a\n", 8);
    mark = open_chunk(b, "IHDR");
    put_number(b, (uint32_t)width);
    put_number(b, (uint32_t)height);
    ek__buf_add(b, form, sizeof form);
    close_chunk(b, mark);
    mark = open_chunk(b, "IDAT");
    EK_TRY(put_rows(b, pixels, (size_t)height, (size_t)width * (size_t)depth, err));
    if (b->size - mark > INT32_MAX) return EK_FAIL(err, INVALID_ARGUMENT, "the picture is larger than 2 GiB");
    close_chunk(b, mark);
    close_chunk(b, open_chunk(b, "IEND"));
    return b->failed ? EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a picture") : EK_OK;
}
