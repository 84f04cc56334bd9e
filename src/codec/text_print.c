/* codec/text_print.c - wire bytes to text form, as TensorFlow's Python prints it. */
#include <locale.h>
#include <stdlib.h>

#include <protobuf-c/protobuf-c.h>

#include "base/number.h"
#include "codec/text.h"

typedef ProtobufCFieldDescriptor field;

typedef struct printer {
    ek_buf *out;
    ek_error *err;
    const uint8_t *origin;
} printer;

static ek_status print_message(const printer *p, const ek_proto *type, ek_span message, int indent, int depth);

static void add_indent(ek_buf *out, int indent)
{
    for (int i = 0; i < indent; i++) ek__buf_add(out, "  ", 2);
}

/* ---- values ----------------------------------------------------------------------------- */

/* Digits and exponent in the form of Python's repr: 0.0001, 12.5, 1e+16, 1.5e-05. */
static void print_digits(ek_buf *out, bool negative, const char *digits, int n, int exponent)
{
    if (negative) ek__buf_str(out, "-");
    if (exponent < -4 || exponent >= 16) {
        ek__buf_add(out, digits, 1);
        if (n > 1) {
            ek__buf_str(out, ".");
            ek__buf_add(out, digits + 1, (size_t)n - 1);
        }
        ek__buf_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    if (exponent < 0) ek__buf_str(out, "0.");
    for (int i = -1; i > exponent; i--) ek__buf_str(out, "0");
    for (int i = 0; i < n || i <= exponent; i++) {
        ek__buf_add(out, i < n ? digits + i : "0", 1);
        if (i == exponent) ek__buf_str(out, i + 1 < n ? "." : ".0");
    }
}

/* TensorFlow prints a float with the fewest digits from 6 on that read back as the same float, so that the shortest
 * form of all (1e-42 for 1.00053e-42) is not always the one. */
static void print_float(ek_buf *out, float value)
{
    char form[32], digits[20];
    int n = 0, exponent = 0;

    if (value != value || value - value != 0.0f || value == 0.0f) {
        ek__buf_str(out, value != value ? "nan" : value == 0.0f ? (1.0f / value < 0 ? "-0.0" : "0.0") : value < 0 ? "-inf" : "inf");
        return;
    }
    if (ek__shortest_digits((double)value, EK_WIDTH_32, digits, &exponent) < 6) {
        /* The decimal point of the caller's locale is stepped over. */
        snprintf(form, sizeof form, "%.5e", (double)value);
        for (const char *s = form; *s != 'e'; s++)
            if (*s >= '0' && *s <= '9') digits[n++] = *s;
        exponent = atoi(strchr(form, 'e') + 1);
        while (n > 1 && digits[n - 1] == '0') n--;
    } else {
        n = (int)strlen(digits);
    }
    print_digits(out, value < 0, digits, n, exponent);
}

static void print_double(ek_buf *out, double value)
{
    char text[40];
    ek__buf_add(out, text, (size_t)ek__format_double(text, value));
}

static void print_string(ek_buf *out, ek_span s)
{
    static const char plain[] = "\n\r\t\"'\\", letter[] = "nrt\"'\\";
    size_t done = 0;

    ek__buf_str(out, "\"");
    for (size_t i = 0; i < s.size; i++) {
        const uint8_t c = s.at[i];
        char escape[4] = { '\\', (char)('0' + (c >> 6)), (char)('0' + (c >> 3 & 7)), (char)('0' + (c & 7)) };
        const char *known = c != 0 ? strchr(plain, (char)c) : NULL;
        if (c >= ' ' && c <= '~' && known == NULL) continue;
        ek__buf_add(out, s.at + done, i - done);
        if (known != NULL) escape[1] = letter[known - plain];
        ek__buf_add(out, escape, known != NULL ? 2 : 4);
        done = i + 1;
    }
    ek__buf_add(out, s.at + done, s.size - done);
    ek__buf_str(out, "\"");
}

static void print_enum(ek_buf *out, const ProtobufCEnumDescriptor *type, int32_t value)
{
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(type, value);

    if (known != NULL) ek__buf_str(out, known->name);
    else ek__buf_printf(out, "%d", (int)value);
}

/* What a field holds of its bits: numbers of 32 bits lose the upper half that a file may give them. */
static uint64_t narrowed(const field *d, uint64_t bits)
{
    switch (d->type) {
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_UINT32: return (uint32_t)bits;
    default: return bits;
    }
}

/* A number from its bits. */
static void print_number(ek_buf *out, const field *d, uint64_t bits)
{
    bits = narrowed(d, bits);
    switch (d->type) {
    case PROTOBUF_C_TYPE_FLOAT: print_float(out, ek__wire_float(bits)); break;
    case PROTOBUF_C_TYPE_DOUBLE: print_double(out, ek__wire_double(bits)); break;
    case PROTOBUF_C_TYPE_BOOL: ek__buf_str(out, bits != 0 ? "true" : "false"); break;
    case PROTOBUF_C_TYPE_ENUM: print_enum(out, d->descriptor, (int32_t)(uint32_t)bits); break;
    case PROTOBUF_C_TYPE_INT32: ek__buf_printf(out, "%d", (int)(int32_t)(uint32_t)bits); break;
    case PROTOBUF_C_TYPE_UINT32: ek__buf_printf(out, "%u", (unsigned)(uint32_t)bits); break;
    case PROTOBUF_C_TYPE_UINT64: ek__buf_printf(out, "%llu", (unsigned long long)bits); break;
    default: ek__buf_printf(out, "%lld", (long long)bits); break;
    }
}

static ek_wire_type number_wire_type(const field *d)
{
    return d->type == PROTOBUF_C_TYPE_FLOAT ? EK_WIRE_FIXED32 : d->type == PROTOBUF_C_TYPE_DOUBLE ? EK_WIRE_FIXED64 : EK_WIRE_VARINT;
}

/* ---- fields ----------------------------------------------------------------------------- */

/* One record of a known field. */
static ek_status print_field(const printer *p, const field *d, const ek_wire_field *f, int indent, int depth)
{
    size_t offset = 0;
    uint64_t bits;

    if (d->type == PROTOBUF_C_TYPE_MESSAGE) {
        add_indent(p->out, indent);
        ek__buf_printf(p->out, "%s {\n", d->name);
        EK_TRY(print_message(p, d->descriptor, f->bytes, indent + 1, depth + 1));
        add_indent(p->out, indent);
        ek__buf_str(p->out, "}\n");
        return EK_OK;
    }
    if (d->type == PROTOBUF_C_TYPE_STRING || d->type == PROTOBUF_C_TYPE_BYTES) {
        add_indent(p->out, indent);
        ek__buf_printf(p->out, "%s: ", d->name);
        print_string(p->out, f->bytes);
        ek__buf_str(p->out, "\n");
        return EK_OK;
    }
    while (ek__wire_packed(f, number_wire_type(d), &offset, &bits)) {
        add_indent(p->out, indent);
        ek__buf_printf(p->out, "%s: ", d->name);
        print_number(p->out, d, bits);
        ek__buf_str(p->out, "\n");
    }
    return EK_OK;
}

static void print_unknown(const printer *p, const ek_wire_field *f, int indent)
{
    if (f->type == EK_WIRE_GROUP) return; /* a form that nobody writes any more; it stays in the bytes */
    add_indent(p->out, indent);
    ek__buf_printf(p->out, "%u: ", f->number);
    if (f->type == EK_WIRE_BYTES) print_string(p->out, f->bytes);
    if (f->type == EK_WIRE_VARINT) ek__buf_printf(p->out, "%llu", (unsigned long long)f->value);
    if (f->type == EK_WIRE_FIXED32) ek__buf_printf(p->out, "0x%08llx", (unsigned long long)f->value);
    if (f->type == EK_WIRE_FIXED64) ek__buf_printf(p->out, "0x%016llx", (unsigned long long)f->value);
    ek__buf_str(p->out, "\n");
}

/* A field of the message being printed: where it stands, and the place of its type among the known ones. */
typedef struct entry {
    const uint8_t *at;
    size_t size;
    unsigned known; /* n_fields: unknown */
    bool map;
} entry;

/* Strings sort by bytes, whole numbers by value; a missing key is the empty one. */
static int compare_keys(const entry *a, const entry *b)
{
    ek_wire_field key[2] = { { .number = 0 } };
    const entry *const side[2] = { a, b };

    for (int i = 0; i < 2; i++) {
        ek_wire outer = ek__wire_open((ek_span){ side[i]->at, side[i]->size }, NULL, &(ek_error){ .code = EK_OK });
        ek_wire_field f, of_entry;
        ek_wire inner;
        if (!ek__wire_next(&outer, &f)) continue;
        inner = ek__wire_open(f.bytes, NULL, &(ek_error){ .code = EK_OK });
        while (ek__wire_next(&inner, &of_entry))
            if (of_entry.number == 1) key[i] = of_entry;
    }
    if (key[0].value != key[1].value) return key[0].value < key[1].value ? -1 : 1;
    const size_t n = key[0].bytes.size < key[1].bytes.size ? key[0].bytes.size : key[1].bytes.size;
    const int order = n > 0 ? memcmp(key[0].bytes.at, key[1].bytes.at, n) : 0;
    return order != 0 ? order : (key[0].bytes.size > key[1].bytes.size) - (key[0].bytes.size < key[1].bytes.size);
}

/* By number, maps by key, then in the order of the bytes. */
static int compare_entries(const void *x, const void *y)
{
    const entry *a = x, *b = y;
    int order = (a->known > b->known) - (a->known < b->known);

    if (order == 0 && a->map) order = compare_keys(a, b);
    return order != 0 ? order : (a->at > b->at) - (a->at < b->at);
}

static ek_status collect(const printer *p, const ek_proto *type, ek_span message, entry **list, int64_t *count)
{
    ek_wire w = ek__wire_open(message, p->origin, p->err);
    ek_wire_field f;
    int64_t cap = 0;
    bool sorted = true;

    while (ek__wire_next(&w, &f)) {
        const field *d = protobuf_c_message_descriptor_get_field(type, f.number);
        entry *e;
        if (!EK_GROW(*list, cap, *count + 1)) return EK_FAIL(p->err, RESOURCE_EXHAUSTED, "no memory to print a %s", type->name);
        e = &(*list)[(*count)++];
        *e = (entry){ f.whole.at, f.whole.size, d != NULL ? (unsigned)(d - type->fields) : type->n_fields, false };
        e->map = d != NULL && d->type == PROTOBUF_C_TYPE_MESSAGE && d->label == PROTOBUF_C_LABEL_REPEATED &&
                 ek__proto_is_map_entry(d->descriptor);
        sorted = sorted && (*count == 1 || compare_entries(e - 1, e) < 0);
    }
    EK_TRY(w.status);
    if (!sorted) qsort(*list, (size_t)*count, sizeof **list, compare_entries);
    return EK_OK;
}

/* Whether the entry is overruled by the one behind it: a later value of a single field or of a map's key. */
static bool overruled(const ek_proto *type, const entry *e, const entry *next)
{
    if (e->known != next->known || e->known == type->n_fields) return false;
    if (e->map) return compare_keys(e, next) == 0;
    return type->fields[e->known].label != PROTOBUF_C_LABEL_REPEATED;
}

/* Where the last member of each oneof stands, under the place of the oneof's first field. */
typedef struct oneofs {
    const uint8_t *last[64];
} oneofs;

/* The place of the first field of the oneof that field `known` belongs to; -1: it belongs to none. */
static int oneof_of(const ek_proto *type, unsigned known)
{
    const field *d = known < type->n_fields ? &type->fields[known] : NULL;
    int i = 0;

    if (d == NULL || (d->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0) return -1;
    while ((type->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 || type->fields[i].quantifier_offset != d->quantifier_offset) i++;
    return i;
}

static void find_oneofs(const ek_proto *type, const entry *list, int64_t count, oneofs *o)
{
    memset(o, 0, sizeof *o);
    for (int64_t i = 0; i < count; i++) {
        const int of = oneof_of(type, list[i].known);
        if (of >= 0 && (o->last[of] == NULL || list[i].at > o->last[of])) o->last[of] = list[i].at;
    }
}

/* Single fields at their default are not there, but for members of a oneof. */
static bool is_default(const field *d, const ek_wire_field *f)
{
    if (d->label == PROTOBUF_C_LABEL_REPEATED || (d->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) return false;
    if (d->type == PROTOBUF_C_TYPE_MESSAGE) return false;
    return narrowed(d, f->value) == 0 && f->bytes.size == 0;
}

static ek_status print_entries(const printer *p, const ek_proto *type, const entry *list, int64_t count, int indent, int depth)
{
    oneofs o;

    find_oneofs(type, list, count, &o);
    for (int64_t i = 0; i < count; i++) {
        const int of = oneof_of(type, list[i].known);
        ek_wire w = ek__wire_open((ek_span){ list[i].at, list[i].size }, p->origin, p->err);
        ek_wire_field f;
        if (i + 1 < count && overruled(type, &list[i], &list[i + 1])) continue;
        if (of >= 0 && list[i].at != o.last[of]) continue;
        if (!ek__wire_next(&w, &f)) return w.status;
        if (list[i].known == type->n_fields) {
            print_unknown(p, &f, indent);
            continue;
        }
        const field *d = &type->fields[list[i].known];
        if (!is_default(d, &f)) EK_TRY(print_field(p, d, &f, indent, depth));
    }
    return EK_OK;
}

/* An entry of a map shows both of its fields, whatever the bytes hold. */
static ek_status print_map_entry(const printer *p, const ek_proto *type, ek_span message, int indent, int depth)
{
    ek_wire w = ek__wire_open(message, p->origin, p->err);
    ek_wire_field f, last[2];

    for (int i = 0; i < 2; i++) {
        const ek_wire_type wire = type->fields[i].type == PROTOBUF_C_TYPE_UINT32 ? EK_WIRE_VARINT : EK_WIRE_BYTES;
        last[i] = (ek_wire_field){ .number = (uint32_t)i + 1, .type = wire, .bytes = { (const uint8_t *)"", 0 } };
    }
    while (ek__wire_next(&w, &f))
        if (f.number == 1 || f.number == 2) last[f.number - 1] = f;
    EK_TRY(w.status);
    EK_TRY(print_field(p, &type->fields[0], &last[0], indent, depth));
    return print_field(p, &type->fields[1], &last[1], indent, depth);
}

static ek_status print_message(const printer *p, const ek_proto *type, ek_span message, int indent, int depth)
{
    entry *list = NULL;
    int64_t count = 0;
    ek_status st;

    if (depth > EK_WIRE_MAX_DEPTH)
        return EK_FAIL(p->err, RESOURCE_EXHAUSTED, "messages are nested more than %d deep", EK_WIRE_MAX_DEPTH);
    if (ek__proto_is_map_entry(type)) return print_map_entry(p, type, message, indent, depth);
    EK_TRY_DONE(collect(p, type, message, &list, &count));
    EK_TRY_DONE(print_entries(p, type, list, count, indent, depth));
done:
    ek__free(list);
    return st;
}

ek_status ek__text_print(const ek_proto *type, ek_span message, int indent, ek_buf *out, ek_error *err)
{
    const printer p = { out, err, message.at };

    EK_TRY(print_message(&p, type, message, indent, 1));
    if (out->failed) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the text of a %s", type->name);
    return EK_OK;
}
