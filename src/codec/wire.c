/* codec/wire.c - see wire.h. Not here: the text form (text_parse.c, text_print.c). */
#include "codec/wire.h"

#include <protobuf-c/protobuf-c.h>

#include "checkpoint.pb-c.h"
#include "event.pb-c.h"
#include "example.pb-c.h"
#include "graph.pb-c.h"
#include "meta_graph.pb-c.h"

const ek_proto *ek__proto(ek_proto_id id)
{
    static const ek_proto *const table[] = {
#define EK_PROTO_ROW(id, name) &tensorflow__##name##__descriptor,
        EK_PROTO_LIST(EK_PROTO_ROW)
#undef EK_PROTO_ROW
    };
    return table[id];
}

bool ek__proto_is_map_entry(const ek_proto *type)
{
    const size_t n = strlen(type->short_name);

    return n > 5 && strcmp(type->short_name + n - 5, "Entry") == 0 && type->n_fields == 2 &&
           strcmp(type->fields[0].name, "key") == 0 && strcmp(type->fields[1].name, "value") == 0;
}

/* ---- reading --------------------------------------------------------------------------- */

ek_wire ek__wire_open(ek_span message, const uint8_t *origin, ek_error *err)
{
    /* No bytes may come as a null pointer, which must not be compared or added to. */
    static const uint8_t nothing[1];
    const uint8_t *at = message.at != NULL ? message.at : nothing;

    return (ek_wire){ .at = at, .end = at + message.size, .origin = origin != NULL ? origin : at, .err = err };
}

static bool damaged(ek_wire *w, const uint8_t *at, const char *what)
{
    w->status = EK_FAIL(w->err, DATA_LOSS, "byte %lld: %s", (long long)(at - w->origin), what);
    return false;
}

/* A varint at *at; false when it is cut off or longer than ten bytes. */
static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    const uint8_t *p = *at;
    uint64_t v = 0;

    for (unsigned shift = 0; p < end && shift < 70; shift += 7) {
        const uint8_t byte = *p++;
        if (shift == 63 && byte > 1) return false;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *at = p;
            *value = v;
            return true;
        }
    }
    return false;
}

/* Tag and, but for a group's contents, value at w->at. */
static bool read_field(ek_wire *w, ek_wire_field *f)
{
    const uint8_t *start = w->at, *p = start;
    uint64_t tag;

    if (!read_varint(&p, w->end, &tag)) return damaged(w, start, "the tag of a field is cut off or too long");
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return damaged(w, start, "a field has a number out of range");
    f->number = (uint32_t)(tag >> 3);
    f->type = (ek_wire_type)(tag & 7);
    f->value = 0;
    f->bytes = (ek_span){ p, 0 };
    switch (f->type) {
    case EK_WIRE_VARINT:
        if (!read_varint(&p, w->end, &f->value)) return damaged(w, p, "a number is cut off or longer than ten bytes");
        break;
    case EK_WIRE_FIXED64:
    case EK_WIRE_FIXED32: {
        const int bytes = f->type == EK_WIRE_FIXED64 ? 8 : 4;
        if (w->end - p < bytes) return damaged(w, p, "a number is cut off");
        f->value = ek__wire_fixed(p, bytes);
        p += bytes;
        break;
    }
    case EK_WIRE_BYTES: {
        uint64_t n;
        if (!read_varint(&p, w->end, &n)) return damaged(w, p, "a length is cut off or too long");
        if (n > (uint64_t)(w->end - p)) return damaged(w, start, "a field reaches past the end: it claims more bytes than there are");
        f->bytes = (ek_span){ p, (size_t)n };
        p += n;
        break;
    }
    case EK_WIRE_GROUP:
    case EK_WIRE_END_GROUP:
        break;
    default:
        return damaged(w, start, "a field has a wire type that does not exist");
    }
    w->at = p;
    f->whole = (ek_span){ start, (size_t)(p - start) };
    return true;
}

/* Steps over a group whose opening tag was just read. Iterative: the numbers of the open groups are kept. */
static bool skip_group(ek_wire *w, ek_wire_field *f)
{
    uint32_t open[EK_WIRE_MAX_DEPTH] = { f->number };
    int depth = 1;
    ek_wire_field inner;
    const uint8_t *contents = w->at;

    while (depth > 0) {
        if (w->at >= w->end) return damaged(w, f->whole.at, "a group is never closed");
        if (!read_field(w, &inner)) return false;
        if (inner.type == EK_WIRE_GROUP) {
            if (depth == EK_WIRE_MAX_DEPTH) {
                w->status = EK_FAIL(w->err, RESOURCE_EXHAUSTED, "byte %lld: groups are nested more than %d deep",
                                    (long long)(inner.whole.at - w->origin), EK_WIRE_MAX_DEPTH);
                return false;
            }
            open[depth++] = inner.number;
        } else if (inner.type == EK_WIRE_END_GROUP && inner.number != open[--depth]) {
            return damaged(w, inner.whole.at, "a group is closed that is not open");
        }
    }
    f->bytes = (ek_span){ contents, (size_t)(inner.whole.at - contents) };
    f->whole.size = (size_t)(w->at - f->whole.at);
    return true;
}

bool ek__wire_next(ek_wire *w, ek_wire_field *f)
{
    if (w->status != EK_OK || w->at >= w->end) return false;
    if (!read_field(w, f)) return false;
    if (f->type == EK_WIRE_END_GROUP) return damaged(w, f->whole.at, "a group is closed that is not open");
    return f->type != EK_WIRE_GROUP || skip_group(w, f);
}

bool ek__wire_packed(const ek_wire_field *field, ek_wire_type type, size_t *offset, uint64_t *value)
{
    const uint8_t *p, *end;

    if (field->type == type) {
        *value = field->value;
        return (*offset)++ == 0;
    }
    if (field->type != EK_WIRE_BYTES || *offset >= field->bytes.size) return false;
    p = field->bytes.at + *offset;
    end = field->bytes.at + field->bytes.size;
    if (type == EK_WIRE_VARINT) {
        if (!read_varint(&p, end, value)) return false;
    } else {
        const int bytes = type == EK_WIRE_FIXED64 ? 8 : 4;
        if (end - p < bytes) return false;
        *value = ek__wire_fixed(p, bytes);
        p += bytes;
    }
    *offset = (size_t)(p - field->bytes.at);
    return true;
}

ek_span ek__wire_bytes_of(ek_span message, uint32_t number)
{
    ek_wire w = ek__wire_open(message, NULL, NULL);
    ek_wire_field f;
    ek_span found = { (const uint8_t *)"", 0 };

    while (ek__wire_next(&w, &f))
        if (f.number == number && f.type == EK_WIRE_BYTES) found = f.bytes;
    return found;
}

/* ---- checking ---------------------------------------------------------------------------- */

/* Bytes of the UTF-8 sequence at s, 0 if it is none: no overlong forms, surrogates or values beyond 10ffff. */
static size_t utf8_length(const uint8_t *s, size_t n)
{
    static const struct { uint8_t lead_min, lead_max, second_min, second_max, length; } form[] = {
        { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
        { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
        { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };

    for (int i = 0; i < EK_COUNT_OF(form); i++) {
        if (s[0] < form[i].lead_min || s[0] > form[i].lead_max) continue;
        if (n < form[i].length || s[1] < form[i].second_min || s[1] > form[i].second_max) return 0;
        for (size_t k = 2; k < form[i].length; k++)
            if ((s[k] & 0xc0) != 0x80) return 0;
        return form[i].length;
    }
    return 0;
}

int64_t ek__utf8_bad(const uint8_t *s, size_t n, bool nul)
{
    size_t i = 0;

    while (i < n) {
        const size_t length = s[i] < 0x80 ? 1 : utf8_length(s + i, n - i);
        if (length == 0 || (s[i] == 0 && !nul)) return (int64_t)i;
        i += length;
    }
    return -1;
}

/* The wire type of one element. */
static ek_wire_type wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return EK_WIRE_FIXED32;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return EK_WIRE_FIXED64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return EK_WIRE_BYTES;
    default:
        return EK_WIRE_VARINT;
    }
}

typedef struct check {
    const uint8_t *origin;
    ek_error *err;
} check;

static ek_status check_packed(const check *c, const ProtobufCFieldDescriptor *d, const ek_wire_field *f)
{
    const ek_wire_type type = wire_type_of(d->type);
    size_t offset = 0;
    uint64_t value;

    while (ek__wire_packed(f, type, &offset, &value)) {}
    if (offset == f->bytes.size) return EK_OK;
    return EK_FAIL(c->err, DATA_LOSS, "byte %lld: the last number of field \"%s\" is cut off or longer than ten bytes",
                   (long long)(f->bytes.at + offset - c->origin), d->name);
}

static ek_status check_string(const check *c, const ek_proto *type, const ProtobufCFieldDescriptor *d, ek_span s)
{
    const int64_t bad = ek__utf8_bad(s.at, s.size, false);

    if (bad < 0) return EK_OK;
    return EK_FAIL(c->err, INVALID_ARGUMENT, "byte %lld: field \"%s\" of %s %s", (long long)(s.at + bad - c->origin), d->name,
                   type->name, s.at[bad] == 0 ? "holds a NUL character" : "is not UTF-8");
}

static ek_status check_message(const check *c, const ek_proto *type, ek_span message, int depth);

/* One known field. `seen` has a bit per field of the type. */
static ek_status check_field(const check *c, const ek_proto *type, const ProtobufCFieldDescriptor *d, const ek_wire_field *f,
                             uint64_t *seen, int depth)
{
    const ek_wire_type want = wire_type_of(d->type);
    const uint64_t bit = (uint64_t)1 << (d - type->fields);
    const bool repeated = d->label == PROTOBUF_C_LABEL_REPEATED;

    if (f->type != want) {
        if (repeated && f->type == EK_WIRE_BYTES) return check_packed(c, d, f);
        return EK_FAIL(c->err, DATA_LOSS, "byte %lld: field \"%s\" of %s has wire type %d, %d is right",
                       (long long)(f->whole.at - c->origin), d->name, type->name, (int)f->type, (int)want);
    }
    if (d->type == PROTOBUF_C_TYPE_STRING) return check_string(c, type, d, f->bytes);
    if (d->type != PROTOBUF_C_TYPE_MESSAGE) return EK_OK;
    if (!repeated && (*seen & bit) != 0)
        return EK_FAIL(c->err, DATA_LOSS, "byte %lld: field \"%s\" of %s is there twice",
                       (long long)(f->whole.at - c->origin), d->name, type->name);
    *seen |= bit;
    return check_message(c, d->descriptor, f->bytes, depth + 1);
}

static ek_status check_message(const check *c, const ek_proto *type, ek_span message, int depth)
{
    ek_wire w = ek__wire_open(message, c->origin, c->err);
    ek_wire_field f;
    uint64_t seen = 0;

    EK_ASSERT(type->n_fields <= 64);
    if (depth > EK_WIRE_MAX_DEPTH)
        return EK_FAIL(c->err, RESOURCE_EXHAUSTED, "byte %lld: messages are nested more than %d deep",
                       (long long)(message.at - c->origin), EK_WIRE_MAX_DEPTH);
    while (ek__wire_next(&w, &f)) {
        const ProtobufCFieldDescriptor *d = protobuf_c_message_descriptor_get_field(type, f.number);
        if (d != NULL) EK_TRY(check_field(c, type, d, &f, &seen, depth));
    }
    return w.status;
}

ek_status ek__wire_check(const ek_proto *type, ek_span message, const uint8_t *origin, ek_error *err)
{
    const check c = { origin != NULL ? origin : message.at, err };

    if (message.size > EK_WIRE_MAX_BYTES)
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "%zu bytes are more than the 2 GiB that a %s may have", message.size, type->name);
    return check_message(&c, type, message, 1);
}

/* ---- writing ------------------------------------------------------------------------------ */

static size_t varint_bytes(uint64_t value, uint8_t out[10])
{
    size_t n = 0;

    while (value >= 0x80) {
        out[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[n++] = (uint8_t)value;
    return n;
}

void ek__put_varint(ek_buf *b, uint64_t value)
{
    uint8_t bytes[10];
    ek__buf_add(b, bytes, varint_bytes(value, bytes));
}

void ek__put_tag(ek_buf *b, uint32_t number, ek_wire_type type)
{
    ek__put_varint(b, (uint64_t)number << 3 | (uint64_t)type);
}

void ek__put_int(ek_buf *b, uint32_t number, int64_t value)
{
    ek__put_tag(b, number, EK_WIRE_VARINT);
    ek__put_varint(b, (uint64_t)value);
}

void ek__put_fixed32(ek_buf *b, uint32_t value)
{
    const uint8_t bytes[4] = { (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24) };
    ek__buf_add(b, bytes, sizeof bytes);
}

void ek__put_fixed64(ek_buf *b, uint64_t value)
{
    ek__put_fixed32(b, (uint32_t)value);
    ek__put_fixed32(b, (uint32_t)(value >> 32));
}

void ek__put_float(ek_buf *b, uint32_t number, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    ek__put_tag(b, number, EK_WIRE_FIXED32);
    ek__put_fixed32(b, bits);
}

void ek__put_double(ek_buf *b, uint32_t number, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    ek__put_tag(b, number, EK_WIRE_FIXED64);
    ek__put_fixed64(b, bits);
}

void ek__put_bytes(ek_buf *b, uint32_t number, const void *data, size_t size)
{
    ek__put_tag(b, number, EK_WIRE_BYTES);
    ek__put_varint(b, size);
    ek__buf_add(b, data, size);
}

void ek__put_str(ek_buf *b, uint32_t number, const char *s)
{
    ek__put_bytes(b, number, s, strlen(s));
}

size_t ek__put_open(ek_buf *b, uint32_t number)
{
    ek__put_tag(b, number, EK_WIRE_BYTES);
    return b->size;
}

void ek__put_close(ek_buf *b, size_t mark)
{
    uint8_t length[10];
    size_t n;

    if (b->failed) return;
    n = varint_bytes(b->size - mark, length);
    ek__buf_add(b, length, n); /* makes room; the contents move over it */
    if (b->failed) return;
    memmove(b->data + mark + n, b->data + mark, b->size - mark - n);
    memcpy(b->data + mark, length, n);
}
