/* codec/idx.c - IDX: two zero bytes, the type of element, the number of dimensions; the dimensions, four bytes each, the
 * elements. All of it has the most significant byte first.
 */
#include "codec/idx.h"

#include "codec/inflate.h"
#include "codec/source.h"
#include "evenkeel/array.h"

static const struct { uint8_t code; ek_dtype dtype; } types[] = {
    { 0x08, EK_UINT8 }, { 0x09, EK_INT8 }, { 0x0b, EK_INT16 }, { 0x0c, EK_INT32 }, { 0x0d, EK_FLOAT32 }, { 0x0e,
                                                                                                           EK_FLOAT64 },
};

/* Where bytes come from: a span, or what is packed in it. */
typedef struct feed {
    ek_span rest;
    ek_inflater *packed; /* NULL: as they are */
    ek_error *err;
} feed;

static ek_status take(feed *f, void *to, size_t size, size_t *got)
{
    if (f->packed != NULL) return ek__inflater_read(f->packed, to, size, got, f->err);
    *got = size < f->rest.size ? size : f->rest.size;
    if (*got > 0) memcpy(to, f->rest.at, *got);
    f->rest.at += *got;
    f->rest.size -= *got;
    return EK_OK;
}

static ek_status take_all(feed *f, void *to, size_t size, const char *what)
{
    size_t got;

    EK_TRY(take(f, to, size, &got));
    if (got == size) return EK_OK;
    return EK_FAIL(f->err, DATA_LOSS, "the IDX file is cut off: %zu bytes of %s were expected, %zu are there", size,
                   what, got);
}

static ek_status take_header(feed *f, ek_dtype *dtype, ek_shape *shape)
{
    uint8_t head[4], dim[4];

    EK_TRY(take_all(f, head, sizeof head, "its beginning"));
    *dtype = EK_DTYPE_NONE;
    for (int i = 0; i < EK_COUNT_OF(types); i++)
        if (types[i].code == head[2]) *dtype = types[i].dtype;
    if (head[0] != 0 || head[1] != 0 || *dtype == EK_DTYPE_NONE)
        return EK_FAIL(f->err, INVALID_ARGUMENT,
                       "not an IDX file: it begins with the bytes %02x %02x %02x %02x; two zeros and "
                       "one of 08, 09, 0b, 0c, 0d, 0e were expected", head[0], head[1], head[2], head[3]);
    if (head[3] > EK_MAX_RANK)
        return EK_FAIL(f->err, INVALID_ARGUMENT, "the IDX file has %d dimensions; no more than %d are read", head[3],
                       EK_MAX_RANK);
    *shape = (ek_shape){ .rank = head[3] };
    for (int i = 0; i < shape->rank; i++) {
        EK_TRY(take_all(f, dim, sizeof dim, "its dimensions"));
        shape->dim[i] = (int64_t)dim[0] << 24 | dim[1] << 16 | dim[2] << 8 | dim[3];
    }
    return EK_OK;
}

/* Whether the file can hold what its header claims. */
static ek_status check_claim(const feed *f, ek_dtype dtype, const ek_shape *shape, size_t file, size_t *bytes)
{
    const uint64_t most = f->packed == NULL ? f->rest.size : ek__inflated_most(file);
    char text[512];
    int64_t count;

    ek_shape_format(shape, text, sizeof text);
    if (!ek__bytes_of(dtype, shape, &count, bytes) || *bytes > most)
        return EK_FAIL(f->err, DATA_LOSS,
                       "the IDX file is cut off: %s elements of %zu bytes were expected, and the file has %zu bytes",
                       text, ek_dtype_size(dtype), file);
    if (f->packed != NULL && *bytes > EK_IDX_MOST)
        return EK_FAIL(f->err, RESOURCE_EXHAUSTED,
                       "the IDX file holds %zu bytes of elements; of a .gz no more than %llu are taken: "
                       "unpack it first", *bytes, (unsigned long long)EK_IDX_MOST);
    return EK_OK;
}

static ek_status decode(feed *f, size_t file, ek_array **out)
{
    ek_dtype dtype;
    ek_shape shape;
    ek_array *a = NULL;
    size_t bytes, more;
    uint8_t one;
    ek_status st;

    EK_TRY(take_header(f, &dtype, &shape));
    EK_TRY(check_claim(f, dtype, &shape, file, &bytes));
    EK_TRY(ek__array_new_raw(dtype, &shape, &a, f->err));
    EK_TRY_DONE(take_all(f, a->data, bytes, "elements"));
    EK_TRY_DONE(take(f, &one, 1, &more));
    if (more > 0)
        EK_TRY_DONE(EK_FAIL(f->err, DATA_LOSS, "more bytes follow the %lld elements of the IDX file",
                            (long long)a->count));
    ek__swap_bytes(dtype, a->data, a->count);
    *out = a;
    return EK_OK;
done:
    ek_array_unref(a);
    return st;
}

ek_status ek__idx_decode(const void *data, size_t size, ek_array **out, ek_error *err)
{
    feed f = { .rest = { data, size }, .err = err };
    ek_status st;

    *out = NULL;
    if (ek__is_gzip(f.rest)) EK_TRY(ek__inflater_open(f.rest, EK_DEFLATED_GZIP, &f.packed, err));
    st = decode(&f, size, out);
    ek__inflater_close(f.packed);
    return st;
}

ek_status ek_idx_load(const char *path, ek_array **out)
{
    ek_error *err = ek__error_begin(NULL);
    ek_source *source = NULL;
    ek_status st;

    if (out != NULL) *out = NULL;
    if (path == NULL || out == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "a path and a place for the array were expected, found NULL");
    st = ek__source_open(path, &source, err);
    if (st == EK_OK) st = ek__idx_decode(source->data, source->size, out, err);
    ek__source_unref(source);
    return st;
}
