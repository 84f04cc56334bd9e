/* codec/tensor.c - see tensor.h. The machine is little-endian, as the files are. */
#include "codec/tensor.h"

#include "codec/fields.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensor contents are used as they stand in the file");

enum { IN_PLACE_FROM = 4096 }; /* bytes from which numbers are not copied */

/* Where the values of a dtype stand, one wire element per component (complex numbers have two). */
typedef struct typed_field {
    uint8_t number;
    uint8_t wire; /* ek_wire_type */
    uint8_t components;
} typed_field;

static const typed_field field_of[] = {
    [EK_FLOAT32] = { EK_F_TENSOR_FLOAT, EK_WIRE_FIXED32, 1 },
    [EK_FLOAT64] = { EK_F_TENSOR_DOUBLE, EK_WIRE_FIXED64, 1 },
    [EK_INT32] = { EK_F_TENSOR_INT, EK_WIRE_VARINT, 1 },
    [EK_UINT8] = { EK_F_TENSOR_INT, EK_WIRE_VARINT, 1 },
    [EK_INT16] = { EK_F_TENSOR_INT, EK_WIRE_VARINT, 1 },
    [EK_INT8] = { EK_F_TENSOR_INT, EK_WIRE_VARINT, 1 },
    [EK_STRING] = { EK_F_TENSOR_STRING, EK_WIRE_BYTES, 1 },
    [EK_COMPLEX64] = { EK_F_TENSOR_SCOMPLEX, EK_WIRE_FIXED32, 2 },
    [EK_INT64] = { EK_F_TENSOR_INT64, EK_WIRE_VARINT, 1 },
    [EK_BOOL] = { EK_F_TENSOR_BOOL, EK_WIRE_VARINT, 1 },
    [EK_QINT8] = { EK_F_TENSOR_INT, EK_WIRE_VARINT, 1 },
    [EK_QUINT8] = { EK_F_TENSOR_INT, EK_WIRE_VARINT, 1 },
    [EK_QINT32] = { EK_F_TENSOR_INT, EK_WIRE_VARINT, 1 },
    [EK_BFLOAT16] = { EK_F_TENSOR_HALF, EK_WIRE_VARINT, 1 },
    [EK_QINT16] = { EK_F_TENSOR_INT, EK_WIRE_VARINT, 1 },
    [EK_QUINT16] = { EK_F_TENSOR_INT, EK_WIRE_VARINT, 1 },
    [EK_UINT16] = { EK_F_TENSOR_INT, EK_WIRE_VARINT, 1 },
    [EK_COMPLEX128] = { EK_F_TENSOR_DCOMPLEX, EK_WIRE_FIXED64, 2 },
    [EK_FLOAT16] = { EK_F_TENSOR_HALF, EK_WIRE_VARINT, 1 },
    [EK_UINT32] = { EK_F_TENSOR_UINT32, EK_WIRE_VARINT, 1 },
    [EK_UINT64] = { EK_F_TENSOR_UINT64, EK_WIRE_VARINT, 1 },
};

static const typed_field *typed(ek_dtype dtype)
{
    return (int)dtype > 0 && (int)dtype < EK_COUNT_OF(field_of) && field_of[dtype].number != 0 ? &field_of[dtype] : NULL;
}

/* ---- shapes ------------------------------------------------------------------------------- */

static bool read_dim(ek_span dim, int64_t *out)
{
    ek_wire w = ek__wire_open(dim, NULL, &(ek_error){ .code = EK_OK });
    ek_wire_field f;

    *out = 0;
    while (ek__wire_next(&w, &f))
        if (f.number == EK_F_DIM_SIZE) *out = (int64_t)f.value;
    return w.status == EK_OK && *out >= -1;
}

bool ek__shape_read(ek_span proto, ek_shape *out)
{
    ek_wire w = ek__wire_open(proto, NULL, &(ek_error){ .code = EK_OK });
    ek_wire_field f;
    bool unknown_rank = false;

    *out = EK_SCALAR;
    while (ek__wire_next(&w, &f)) {
        if (f.number == EK_F_SHAPE_UNKNOWN_RANK) unknown_rank = f.value != 0;
        if (f.number != EK_F_SHAPE_DIM) continue;
        if (out->rank == EK_MAX_RANK || !read_dim(f.bytes, &out->dim[out->rank])) return false;
        out->rank++;
    }
    if (unknown_rank) *out = EK_UNKNOWN_SHAPE;
    return w.status == EK_OK;
}

void ek__shape_write(ek_buf *b, const ek_shape *s)
{
    if (s->rank < 0) ek__put_int(b, EK_F_SHAPE_UNKNOWN_RANK, 1);
    for (int i = 0; i < s->rank; i++) {
        const size_t mark = ek__put_open(b, EK_F_SHAPE_DIM);
        if (s->dim[i] != 0) ek__put_int(b, EK_F_DIM_SIZE, s->dim[i]);
        ek__put_close(b, mark);
    }
}

/* ---- reading ------------------------------------------------------------------------------ */

typedef struct parts {
    ek_dtype dtype;
    ek_shape shape;
    ek_span content;
    int64_t count;
    size_t bytes;
} parts;

#define PARSE_FAIL(err, CODE, ...) EK_FAIL(err, CODE, "Cannot parse tensor from proto: " __VA_ARGS__)

/* Everything but the typed values. */
static ek_status read_parts(ek_span proto, parts *p, ek_error *err)
{
    ek_wire w = ek__wire_open(proto, NULL, err);
    ek_wire_field f;
    char text[256];

    *p = (parts){ .shape = EK_SCALAR };
    while (ek__wire_next(&w, &f)) {
        if (f.number == EK_F_TENSOR_DTYPE) p->dtype = f.value < EK_DTYPE_COUNT ? (ek_dtype)f.value : EK_DTYPE_NONE;
        if (f.number == EK_F_TENSOR_CONTENT) p->content = f.bytes;
        if (f.number == EK_F_TENSOR_SHAPE && !ek__shape_read(f.bytes, &p->shape))
            return PARSE_FAIL(err, INVALID_ARGUMENT, "a shape of more than %d dimensions, or a dimension below -1", EK_MAX_RANK);
    }
    EK_TRY(w.status);
    if (typed(p->dtype) == NULL)
        return PARSE_FAIL(err, INVALID_ARGUMENT, "its dtype (%s) has no elements that could be read", ek_dtype_cc_name(p->dtype));
    if (!ek_shape_is_known(&p->shape)) {
        ek_shape_format_cc(&p->shape, text, sizeof text);
        return PARSE_FAIL(err, INVALID_ARGUMENT, "the shape %s is not fully known", text);
    }
    if (!ek__bytes_of(p->dtype, &p->shape, &p->count, &p->bytes)) {
        ek_shape_format_cc(&p->shape, text, sizeof text);
        return PARSE_FAIL(err, RESOURCE_EXHAUSTED, "the shape %s has too many elements", text);
    }
    return EK_OK;
}

static void let_go(void *arg, void *data)
{
    EK_UNUSED(data);
    ek__source_unref(arg);
}

/* tensor_content: used in place where it is worth it and aligned. */
static ek_status from_content(const ek_tensor_reader *r, const parts *p, ek_array **out, ek_error *err)
{
    const size_t size = ek_dtype_size(p->dtype), align = size / typed(p->dtype)->components;
    char text[256];

    if (p->dtype == EK_STRING) return PARSE_FAIL(err, INVALID_ARGUMENT, "strings do not stand in tensor_content");
    if (p->content.size != p->bytes) {
        ek_shape_format_cc(&p->shape, text, sizeof text);
        return PARSE_FAIL(err, INVALID_ARGUMENT, "tensor_content has %zu bytes, a %s tensor of shape %s needs %zu",
                          p->content.size, ek_dtype_cc_name(p->dtype), text, p->bytes);
    }
    if (r->source != NULL && p->bytes >= IN_PLACE_FROM && p->dtype != EK_BOOL && (uintptr_t)p->content.at % align == 0) {
        void *data = r->source->data + (p->content.at - r->source->data);
        if (ek_array_wrap(p->dtype, p->shape, data, let_go, r->source, out) != EK_OK)
            return PARSE_FAIL(err, RESOURCE_EXHAUSTED, "no memory");
        ek__source_ref(r->source);
        return EK_OK;
    }
    if (p->dtype != EK_BOOL) return ek__array_new(p->dtype, &p->shape, p->content.at, out, err);
    EK_TRY(ek__array_new_raw(p->dtype, &p->shape, out, err));
    for (size_t i = 0; i < p->bytes; i++) ((uint8_t *)(*out)->data)[i] = p->content.at[i] != 0;
    return EK_OK;
}

/* Repeats element `from - 1` in [from, count). */
static ek_status repeat_last(ek_array *a, int64_t from, ek_error *err)
{
    const size_t size = ek_dtype_size(a->dtype);
    char *data = a->data;

    if (from == 0 && a->dtype != EK_STRING) memset(data, 0, (size_t)a->count * size);
    if (from == 0) return EK_OK;
    for (int64_t i = from; i < a->count && a->dtype == EK_STRING; i++) {
        const ek_string *last = &((const ek_string *)a->data)[from - 1];
        if (!ek__string_set(&((ek_string *)a->data)[i], last->data, last->size))
            return PARSE_FAIL(err, RESOURCE_EXHAUSTED, "no memory for its strings");
    }
    if (a->dtype == EK_STRING) return EK_OK;
    for (int64_t done = from; done < a->count;) {
        /* what stands there from the last value on, doubled each time */
        const int64_t have = done - (from - 1), n = have < a->count - done ? have : a->count - done;
        memcpy(data + (size_t)done * size, data + (size_t)(from - 1) * size, (size_t)n * size);
        done += n;
    }
    return EK_OK;
}

/* The strings of one record or the numbers of one: stored from component *at on, as many as there is room for. */
static bool store_record(ek_array *a, const typed_field *t, const ek_wire_field *f, int64_t *at)
{
    const size_t size = ek_dtype_size(a->dtype) / t->components;
    const int64_t room = a->count * t->components;
    char *data = a->data;
    size_t offset = 0;
    uint64_t bits;

    if (t->wire == EK_WIRE_BYTES)
        return *at >= room || ek__string_set(&((ek_string *)a->data)[(*at)++], (const char *)f->bytes.at, f->bytes.size);
    while (*at < room && ek__wire_packed(f, (ek_wire_type)t->wire, &offset, &bits)) {
        if (a->dtype == EK_BOOL) bits = bits != 0;
        memcpy(data + (size_t)(*at)++ * size, &bits, size);
    }
    return true;
}

/* What the values take beyond the file, were all missing ones the last one. */
static ek_status take_expansion(ek_tensor_reader *r, ek_span proto, const parts *p, ek_error *err)
{
    size_t needed = p->bytes;
    char text[256];

    if (p->dtype == EK_STRING) {
        ek_wire w = ek__wire_open(proto, NULL, err);
        ek_wire_field f;
        int64_t n = 0;
        size_t last = 0, repeated;
        while (ek__wire_next(&w, &f))
            if (f.number == EK_F_TENSOR_STRING) {
                n++;
                last = f.bytes.size;
            }
        if (n < p->count && (__builtin_mul_overflow(last, (size_t)(p->count - n), &repeated) ||
                             __builtin_add_overflow(needed, repeated, &needed)))
            needed = SIZE_MAX;
    }
    if (needed <= proto.size) return EK_OK;
    if (needed - proto.size > r->expansion) {
        ek_shape_format_cc(&p->shape, text, sizeof text);
        return PARSE_FAIL(err, RESOURCE_EXHAUSTED, "shape %s of %s takes %zu bytes where the file holds %zu; "
                          "repeated values may add %zu more in this file", text, ek_dtype_cc_name(p->dtype), needed, proto.size,
                          r->expansion);
    }
    r->expansion -= needed - proto.size;
    return EK_OK;
}

static ek_status from_values(ek_tensor_reader *r, ek_span proto, const parts *p, ek_array **out, ek_error *err)
{
    const typed_field *t = typed(p->dtype);
    ek_wire w = ek__wire_open(proto, NULL, err);
    ek_wire_field f;
    int64_t at = 0;
    ek_status st;

    EK_TRY(take_expansion(r, proto, p, err));
    EK_TRY(ek__array_new_raw(p->dtype, &p->shape, out, err));
    while (ek__wire_next(&w, &f)) {
        if (f.number == t->number && !store_record(*out, t, &f, &at)) {
            st = PARSE_FAIL(err, RESOURCE_EXHAUSTED, "no memory for its strings");
            goto done;
        }
    }
    st = w.status;
    if (st == EK_OK) st = repeat_last(*out, at / t->components, err);
done:
    if (st != EK_OK) {
        ek_array_unref(*out);
        *out = NULL;
    }
    return st;
}

ek_status ek__tensor_read(ek_tensor_reader *r, ek_span proto, ek_array **out, ek_error *err)
{
    parts p;

    *out = NULL;
    EK_TRY(read_parts(proto, &p, err));
    if (p.content.size > 0) return from_content(r, &p, out, err);
    return from_values(r, proto, &p, out, err);
}

/* ---- writing ------------------------------------------------------------------------------- */

/* One component as its varint: whole numbers keep their sign, halves are their sixteen bits. */
static uint64_t as_varint(ek_dtype dtype, const char *at)
{
    uint64_t bits = 0;
    const size_t size = ek_dtype_size(dtype);

    memcpy(&bits, at, size);
    switch (dtype) {
    case EK_INT8:
    case EK_QINT8: return (uint64_t)(int64_t)(int8_t)bits;
    case EK_INT16:
    case EK_QINT16: return (uint64_t)(int64_t)(int16_t)bits;
    case EK_INT32:
    case EK_QINT32: return (uint64_t)(int64_t)(int32_t)bits;
    default: return bits;
    }
}

static void write_values(ek_buf *b, const ek_array *a, int64_t values)
{
    const typed_field *t = typed(a->dtype);
    const size_t size = ek_dtype_size(a->dtype) / t->components;
    size_t mark;

    if (values == 0) return;
    if (t->wire == EK_WIRE_BYTES) {
        const ek_string *s = a->data;
        for (int64_t i = 0; i < values; i++) ek__put_bytes(b, t->number, s[i].data, s[i].size);
        return;
    }
    mark = ek__put_open(b, t->number);
    for (int64_t i = 0; i < values * t->components; i++) {
        const char *at = (const char *)a->data + (size_t)i * size;
        if (t->wire == EK_WIRE_VARINT) ek__put_varint(b, as_varint(a->dtype, at));
        else ek__buf_add(b, at, size);
    }
    ek__put_close(b, mark);
}

void ek__tensor_write(ek_buf *b, const ek_array *a, int64_t values)
{
    size_t mark;

    ek__put_int(b, EK_F_TENSOR_DTYPE, a->dtype);
    mark = ek__put_open(b, EK_F_TENSOR_SHAPE);
    ek__shape_write(b, &a->shape);
    ek__put_close(b, mark);
    if (typed(a->dtype) == NULL) return;
    if (a->dtype != EK_STRING && a->count > (values < 0 ? 0 : 1) && values <= 0) {
        ek__put_bytes(b, EK_F_TENSOR_CONTENT, a->data, ek_array_bytes(a));
        return;
    }
    write_values(b, a, values > 0 && values < a->count ? values : a->count);
}
