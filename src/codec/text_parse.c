/* codec/text_parse.c - text form to wire bytes. The grammar is protobuf's; see text.h for what is accepted. */
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>

#include <protobuf-c/protobuf-c.h>

#include "codec/text.h"

typedef enum token_kind { TOKEN_END, TOKEN_NAME, TOKEN_NUMBER, TOKEN_STRING, TOKEN_SIGN } token_kind;

/* A token; of a string literal the quotes are part. */
typedef struct token {
    token_kind kind;
    const char *at;
    size_t size;
    int line;
    const char *line_start;
} token;

typedef struct parser {
    const char *at, *end; /* behind the token */
    int line;
    const char *line_start;
    token t; /* the next token */
    ek_buf *out;
    ek_error *err;
    int depth;
} parser;

typedef ProtobufCFieldDescriptor field;

/* ---- tokens --------------------------------------------------------------------------- */

#define FAIL_AT(p, token, ...) fail_at((p), (token), __LINE__, __VA_ARGS__)
static ek_status fail_at(parser *p, const token *t, int line, const char *fmt, ...) EK_PRINTF(4, 5);
static ek_status fail_at(parser *p, const token *t, int line, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return ek__fail(p->err, EK_INVALID_ARGUMENT, __FILE__, line, "%d:%d: %s", t->line, (int)(t->at - t->line_start) + 1, text);
}

/* A token for a message, cut where it is long. */
#define SHOWN(t) ((t)->size < 60 ? (int)(t)->size : 60), (t)->at

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

static void skip_space(parser *p)
{
    for (; p->at < p->end; p->at++) {
        const char c = *p->at;
        if (c == '#') {
            const char *line_end = memchr(p->at, '\n', (size_t)(p->end - p->at));
            p->at = line_end != NULL ? line_end : p->end;
            if (p->at == p->end) return;
        }
        if (*p->at == '\n') {
            p->line++;
            p->line_start = p->at + 1;
        } else if (c != ' ' && c != '\t' && c != '\r' && c != '\v' && c != '\f') {
            return;
        }
    }
}

/* The end of a string literal that begins at `s`; NULL when its line or the text ends first. */
static const char *literal_end(const char *s, const char *end)
{
    const char quote = *s++;

    for (; s < end && *s != '\n'; s++) {
        if (*s == quote) return s + 1;
        if (*s == '\\' && s + 1 < end && s[1] != '\n') s++;
    }
    return NULL;
}

/* Signs after an exponent belong to a number; letters do too, so that "12x" is one bad number. */
static const char *number_end(const char *s, const char *end)
{
    const bool hex = end - s > 1 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X');

    for (; s < end; s++) {
        const bool sign = (*s == '+' || *s == '-') && !hex && (s[-1] == 'e' || s[-1] == 'E');
        if (!is_digit(*s) && !is_letter(*s) && *s != '.' && !sign) break;
    }
    return s;
}

/* Moves on to the next token. */
static ek_status advance(parser *p)
{
    token *t = &p->t;

    skip_space(p);
    *t = (token){ .kind = TOKEN_END, .at = p->at, .line = p->line, .line_start = p->line_start };
    if (p->at >= p->end) return EK_OK;
    if (is_letter(*p->at)) {
        t->kind = TOKEN_NAME;
        while (p->at < p->end && (is_letter(*p->at) || is_digit(*p->at))) p->at++;
    } else if (is_digit(*p->at) || (*p->at == '.' && p->at + 1 < p->end && is_digit(p->at[1]))) {
        t->kind = TOKEN_NUMBER;
        p->at = number_end(p->at, p->end);
    } else if (*p->at == '"' || *p->at == '\'') {
        const char *end = literal_end(p->at, p->end);
        t->kind = TOKEN_STRING;
        if (end == NULL) return FAIL_AT(p, t, "String missing ending quote");
        p->at = end;
    } else {
        t->kind = TOKEN_SIGN;
        p->at++;
    }
    t->size = (size_t)(p->at - t->at);
    return EK_OK;
}

static bool is_sign(const token *t, char c) { return t->kind == TOKEN_SIGN && *t->at == c; }

/* Whether the token is this word, small or capital letters alike. */
static bool is_word(const token *t, const char *word)
{
    return t->kind == TOKEN_NAME && t->size == strlen(word) && strncasecmp(t->at, word, t->size) == 0;
}

static ek_status unexpected(parser *p, const char *wanted)
{
    if (p->t.kind == TOKEN_END) return FAIL_AT(p, &p->t, "Expected %s, the text ends", wanted);
    if (p->t.kind == TOKEN_SIGN && (*p->t.at < ' ' || *p->t.at > '~'))
        return FAIL_AT(p, &p->t, "Expected %s, got the byte 0x%02x", wanted, (unsigned)(unsigned char)*p->t.at);
    return FAIL_AT(p, &p->t, "Expected %s, got %.*s", wanted, SHOWN(&p->t));
}

/* Steps over one sign if it is there. */
static ek_status take_sign(parser *p, char c, bool *taken)
{
    *taken = is_sign(&p->t, c);
    return *taken ? advance(p) : EK_OK;
}

/* ---- numbers ---------------------------------------------------------------------------- */

/* strtod must not depend on the caller's locale. */
static locale_t c_locale;
static void make_c_locale(void) { c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); }

/* Digits in decimal, hexadecimal or octal; false for anything else or more than 64 bits. */
static bool unsigned_value(const token *t, uint64_t *value)
{
    const char *s = t->at, *end = s + t->size;
    unsigned base = 10;
    uint64_t v = 0;

    if (t->kind != TOKEN_NUMBER) return false;
    if (t->size > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
        base = 16;
        s += 2;
    } else if (t->size > 1 && s[0] == '0') {
        base = 8;
        s += 1;
    }
    for (; s < end; s++) {
        const char c = *s;
        const unsigned digit = is_digit(c) ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                             : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10 : 99;
        if (digit >= base || v > (UINT64_MAX - digit) / base) return false;
        v = v * base + digit;
    }
    *value = v;
    return true;
}

/* An integer with its sign as 64 bits of two's complement, held to [min, max] or [0, umax]. */
static ek_status take_integer(parser *p, int64_t min, uint64_t max, uint64_t *value)
{
    const token first = p->t;
    bool negative;
    uint64_t v;

    EK_TRY(take_sign(p, '-', &negative));
    if (!unsigned_value(&p->t, &v)) {
        if (p->t.kind != TOKEN_NUMBER && p->t.kind != TOKEN_NAME) return unexpected(p, "an integer");
        return FAIL_AT(p, &p->t, "Couldn't parse integer: %.*s", SHOWN(&p->t));
    }
    if (negative ? v > (uint64_t)0 - (uint64_t)min : v > max)
        return FAIL_AT(p, &first, "Value out of range: %s%.*s", negative ? "-" : "", SHOWN(&p->t));
    *value = negative ? (uint64_t)0 - v : v;
    return advance(p);
}

static ek_status take_real(parser *p, double *value)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    bool negative;
    char digits[512], *rest;
    size_t n;

    EK_TRY(take_sign(p, '-', &negative));
    n = p->t.size;
    if (is_word(&p->t, "inf") || is_word(&p->t, "infinity")) {
        *value = strtod("inf", NULL);
    } else if (is_word(&p->t, "nan")) {
        *value = strtod("nan", NULL);
    } else if (p->t.kind != TOKEN_NUMBER) {
        return unexpected(p, "a number");
    } else {
        pthread_once(&once, make_c_locale);
        if (c_locale == (locale_t)0) return EK_FAIL(p->err, RESOURCE_EXHAUSTED, "no memory for a locale");
        if (n >= sizeof digits) return FAIL_AT(p, &p->t, "A number of %zu digits is too long", n);
        memcpy(digits, p->t.at, n);
        if (n > 1 && (digits[n - 1] == 'f' || digits[n - 1] == 'F')) n--;
        digits[n] = '\0';
        *value = strtod_l(digits, &rest, c_locale);
        if (*rest != '\0' || strpbrk(digits, "xX") != NULL)
            return FAIL_AT(p, &p->t, "Couldn't parse float: %.*s", SHOWN(&p->t));
    }
    if (negative) *value = -*value;
    return advance(p);
}

static ek_status take_bool(parser *p, uint64_t *value)
{
    if (p->t.kind == TOKEN_NUMBER && unsigned_value(&p->t, value) && *value <= 1) return advance(p);
    *value = is_word(&p->t, "true") || is_word(&p->t, "t");
    if (*value == 1 || is_word(&p->t, "false") || is_word(&p->t, "f")) return advance(p);
    return unexpected(p, "\"true\" or \"false\"");
}

static ek_status take_enum(parser *p, const ProtobufCEnumDescriptor *type, uint64_t *value)
{
    char name[128];
    const ProtobufCEnumValue *found = NULL;

    if (p->t.kind != TOKEN_NAME) return take_integer(p, INT32_MIN, INT32_MAX, value);
    if (p->t.size < sizeof name) {
        memcpy(name, p->t.at, p->t.size);
        name[p->t.size] = '\0';
        found = protobuf_c_enum_descriptor_get_value_by_name(type, name);
    }
    if (found == NULL) return FAIL_AT(p, &p->t, "Enum type \"%s\" has no value named %.*s.", type->name, SHOWN(&p->t));
    *value = (uint64_t)(int64_t)found->value;
    return advance(p);
}

/* ---- strings ---------------------------------------------------------------------------- */

/* Up to `most` digits of `base` at *s. */
static unsigned escape_digits(const char **s, const char *end, unsigned base, int most)
{
    unsigned v = 0;

    for (int i = 0; i < most && *s < end; i++, (*s)++) {
        const char c = **s;
        const unsigned digit = is_digit(c) ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                             : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10 : 99;
        if (digit >= base) break;
        v = v * base + digit;
    }
    return v;
}

static void add_utf8(ek_buf *out, unsigned c)
{
    const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    const int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    uint8_t bytes[4];

    for (int i = n - 1; i > 0; i--, c >>= 6) bytes[i] = (uint8_t)(0x80 | (c & 0x3f));
    bytes[0] = n == 1 ? (uint8_t)c : (uint8_t)(lead[n] | c);
    ek__buf_add(out, bytes, (size_t)n);
}

/* What stands behind a backslash; *s is moved past it. */
static ek_status unescape(parser *p, const char **s, const char *end)
{
    static const char plain[] = "abfnrtv\\'\"?", meant[] = "\a\b\f\n\r\t\v\\'\"?";
    const char *start = *s, c = *start;
    const char *known = c != '\0' ? strchr(plain, c) : NULL;
    uint8_t byte;

    if (c == 'u' || c == 'U') {
        const int digits = c == 'u' ? 4 : 8;
        const unsigned v = (++*s, escape_digits(s, end, 16, digits));
        if (*s - start - 1 != digits || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
            return FAIL_AT(p, &p->t, "Invalid escape sequence in string literal: \\%c needs %d digits of a character", c, digits);
        add_utf8(p->out, v);
        return EK_OK;
    }
    if (known != NULL) {
        byte = (uint8_t)meant[known - plain];
        ++*s;
    } else if (c >= '0' && c <= '7') {
        const unsigned v = escape_digits(s, end, 8, 3);
        if (v > 0xff) return FAIL_AT(p, &p->t, "Invalid escape sequence in string literal: \\%o is no byte", v);
        byte = (uint8_t)v;
    } else if (c == 'x' || c == 'X') {
        ++*s;
        byte = (uint8_t)escape_digits(s, end, 16, 2);
        if (*s == start + 1) return FAIL_AT(p, &p->t, "Invalid escape sequence in string literal: \\%c without digits", c);
    } else {
        return FAIL_AT(p, &p->t, "Invalid escape sequence in string literal: \\%c", c >= ' ' && c <= '~' ? c : '?');
    }
    ek__buf_add(p->out, &byte, 1);
    return EK_OK;
}

/* The contents of the literals that stand here, appended to the output. */
static ek_status take_string(parser *p)
{
    if (p->t.kind != TOKEN_STRING) return unexpected(p, "a string");
    while (p->t.kind == TOKEN_STRING) {
        const char *s = p->t.at + 1, *end = p->t.at + p->t.size - 1;
        while (s < end) {
            const char *escape = memchr(s, '\\', (size_t)(end - s));
            const char *stop = escape != NULL ? escape : end;
            ek__buf_add(p->out, s, (size_t)(stop - s));
            s = stop;
            if (escape != NULL) {
                s++;
                EK_TRY(unescape(p, &s, end));
            }
        }
        EK_TRY(advance(p));
    }
    return EK_OK;
}

/* `keep`: written though it is empty. */
static ek_status string_field(parser *p, const field *d, bool keep)
{
    const token first = p->t;
    const size_t before = p->out->size, mark = ek__put_open(p->out, d->id);
    int64_t bad;

    EK_TRY(take_string(p));
    if (p->out->size == mark && !keep) {
        p->out->size = before;
        return EK_OK;
    }
    if (d->type == PROTOBUF_C_TYPE_STRING && !p->out->failed) {
        const uint8_t *s = (const uint8_t *)p->out->data + mark;
        bad = ek__utf8_bad(s, p->out->size - mark, false);
        if (bad >= 0)
            return FAIL_AT(p, &first, "field \"%s\" %s (byte %lld of the string)", d->name,
                           s[bad] == 0 ? "holds a NUL character" : "is not UTF-8", (long long)bad);
    }
    ek__put_close(p->out, mark);
    return EK_OK;
}

/* ---- fields ----------------------------------------------------------------------------- */

static ek_status message_body(parser *p, const ek_proto *type, const token *open);

/* One number as `d` has it: its bits and its wire type. */
static ek_status take_number(parser *p, const field *d, ek_wire_type *wire, uint64_t *bits)
{
    double real;
    float narrow;
    uint32_t narrow_bits;

    *wire = EK_WIRE_VARINT;
    switch (d->type) {
    case PROTOBUF_C_TYPE_INT32: return take_integer(p, INT32_MIN, INT32_MAX, bits);
    case PROTOBUF_C_TYPE_INT64: return take_integer(p, INT64_MIN, INT64_MAX, bits);
    case PROTOBUF_C_TYPE_UINT32: return take_integer(p, 0, UINT32_MAX, bits);
    case PROTOBUF_C_TYPE_UINT64: return take_integer(p, 0, UINT64_MAX, bits);
    case PROTOBUF_C_TYPE_BOOL: return take_bool(p, bits);
    case PROTOBUF_C_TYPE_ENUM: return take_enum(p, d->descriptor, bits);
    case PROTOBUF_C_TYPE_FLOAT:
        *wire = EK_WIRE_FIXED32;
        EK_TRY(take_real(p, &real));
        narrow = (float)real;
        memcpy(&narrow_bits, &narrow, sizeof narrow_bits);
        *bits = narrow_bits;
        return EK_OK;
    case PROTOBUF_C_TYPE_DOUBLE:
        *wire = EK_WIRE_FIXED64;
        EK_TRY(take_real(p, &real));
        memcpy(bits, &real, sizeof *bits);
        return EK_OK;
    default:
        return FAIL_AT(p, &p->t, "field \"%s\" has a type that this reader lacks", d->name);
    }
}

static void put_bits(ek_buf *out, ek_wire_type wire, uint64_t bits)
{
    if (wire == EK_WIRE_VARINT) ek__put_varint(out, bits);
    if (wire == EK_WIRE_FIXED32) ek__put_fixed32(out, (uint32_t)bits);
    if (wire == EK_WIRE_FIXED64) ek__put_fixed64(out, bits);
}

/* A message between braces or angle brackets, as field `number`. */
static ek_status message_field(parser *p, const field *d)
{
    const token open = p->t;
    size_t mark;

    if (!is_sign(&open, '{') && !is_sign(&open, '<')) return unexpected(p, "\"{\"");
    if (p->depth >= EK_WIRE_MAX_DEPTH)
        return EK_FAIL(p->err, RESOURCE_EXHAUSTED, "%d:%d: messages are nested more than %d deep", open.line,
                       (int)(open.at - open.line_start) + 1, EK_WIRE_MAX_DEPTH);
    EK_TRY(advance(p));
    mark = ek__put_open(p->out, d->id);
    p->depth++;
    EK_TRY(message_body(p, d->descriptor, &open));
    p->depth--;
    ek__put_close(p->out, mark);
    return EK_OK;
}

/* Several values of a repeated field stand next to each other in wire form; numbers share one length. */
typedef struct run {
    const field *d; /* the packed field being written; NULL: none */
    size_t mark;
} run;

static void close_run(parser *p, run *r)
{
    if (r->d != NULL) ek__put_close(p->out, r->mark);
    r->d = NULL;
}

/* One value of a field. `keep`: written though it is the default (members of a oneof, entries of maps). */
static ek_status one_value(parser *p, const field *d, run *r, bool keep)
{
    ek_wire_type wire;
    uint64_t bits;

    if (d->type == PROTOBUF_C_TYPE_MESSAGE) return message_field(p, d);
    if (d->type == PROTOBUF_C_TYPE_STRING || d->type == PROTOBUF_C_TYPE_BYTES) return string_field(p, d, keep);
    EK_TRY(take_number(p, d, &wire, &bits));
    if (d->label == PROTOBUF_C_LABEL_REPEATED) {
        if (r->d != d) {
            r->mark = ek__put_open(p->out, d->id);
            r->d = d;
        }
    } else if (bits != 0 || keep) {
        ek__put_tag(p->out, d->id, wire);
    } else {
        return EK_OK;
    }
    put_bits(p->out, wire, bits);
    return EK_OK;
}

/* "[a, b, c]" of a repeated field. */
static ek_status value_list(parser *p, const field *d, run *r)
{
    bool more;

    EK_TRY(advance(p));
    EK_TRY(take_sign(p, ']', &more));
    if (more) return EK_OK;
    for (more = true; more;) {
        EK_TRY(one_value(p, d, r, true));
        EK_TRY(take_sign(p, ',', &more));
    }
    if (!is_sign(&p->t, ']')) return unexpected(p, "\"]\" or \",\"");
    return advance(p);
}

/* A field under its number, which its message does not know: kept as it will be written. */
static ek_status unknown_field(parser *p, const ek_proto *type)
{
    const token name = p->t;
    const field *known;
    uint64_t number, value;
    bool colon;

    if (!unsigned_value(&name, &number) || number == 0 || number > 0x1fffffff)
        return FAIL_AT(p, &name, "\"%.*s\" is no number of a field", SHOWN(&name));
    known = protobuf_c_message_descriptor_get_field(type, (unsigned)number);
    if (known != NULL) return FAIL_AT(p, &name, "field %d of \"%s\" goes by the name \"%s\"", (int)number, type->name, known->name);
    EK_TRY(advance(p));
    EK_TRY(take_sign(p, ':', &colon));
    if (!colon) return unexpected(p, "\":\"");
    if (p->t.kind == TOKEN_STRING) {
        const size_t mark = ek__put_open(p->out, (uint32_t)number);
        EK_TRY(take_string(p));
        ek__put_close(p->out, mark);
        return EK_OK;
    }
    if (!unsigned_value(&p->t, &value)) return unexpected(p, "an integer or a string");
    /* As it is printed: 8 hexadecimal digits are a fixed32, 16 a fixed64. */
    const bool hex = p->t.size > 2 && (p->t.at[1] == 'x' || p->t.at[1] == 'X');
    const ek_wire_type wire = hex && p->t.size == 10 ? EK_WIRE_FIXED32 : hex && p->t.size == 18 ? EK_WIRE_FIXED64 : EK_WIRE_VARINT;
    ek__put_tag(p->out, (uint32_t)number, wire);
    put_bits(p->out, wire, value);
    return advance(p);
}

static ek_status find_field(parser *p, const ek_proto *type, const field **out)
{
    char name[128];
    const token *t = &p->t;

    *out = NULL;
    if (t->size < sizeof name) {
        memcpy(name, t->at, t->size);
        name[t->size] = '\0';
        *out = protobuf_c_message_descriptor_get_field_by_name(type, name);
    }
    if (*out != NULL) return EK_OK;
    return FAIL_AT(p, t, "Message type \"%s\" has no field named \"%.*s\".", type->name, SHOWN(t));
}

/* A single field may stand once, and of a oneof one member. */
static ek_status note_seen(parser *p, const ek_proto *type, const field *d, uint64_t *seen)
{
    const uint64_t bit = (uint64_t)1 << (d - type->fields);
    const bool oneof = (d->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;

    if (d->label == PROTOBUF_C_LABEL_REPEATED) return EK_OK;
    if ((*seen & bit) != 0)
        return FAIL_AT(p, &p->t, "Message type \"%s\" should not have multiple \"%s\" fields.", type->name, d->name);
    for (unsigned i = 0; oneof && i < type->n_fields; i++) {
        const field *other = &type->fields[i];
        if ((*seen >> i & 1) != 0 && (other->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
            other->quantifier_offset == d->quantifier_offset)
            return FAIL_AT(p, &p->t, "Field \"%s\" is specified along with field \"%s\", another member of the same oneof.",
                           d->name, other->name);
    }
    *seen |= bit;
    return EK_OK;
}

static ek_status one_field(parser *p, const ek_proto *type, run *r, uint64_t *seen)
{
    const field *d;
    bool colon, keep;

    if (p->t.kind == TOKEN_NUMBER) {
        close_run(p, r);
        return unknown_field(p, type);
    }
    if (is_sign(&p->t, '[')) return FAIL_AT(p, &p->t, "extensions and types in brackets are not read");
    if (p->t.kind != TOKEN_NAME) return unexpected(p, "identifier or number");
    EK_TRY(find_field(p, type, &d));
    EK_TRY(advance(p));
    EK_TRY(take_sign(p, ':', &colon));
    if (!colon && d->type != PROTOBUF_C_TYPE_MESSAGE) return unexpected(p, "\":\"");
    if (r->d != d) close_run(p, r);
    EK_TRY(note_seen(p, type, d, seen));
    if (is_sign(&p->t, '[') && d->label == PROTOBUF_C_LABEL_REPEATED) return value_list(p, d, r);
    keep = d->label == PROTOBUF_C_LABEL_REPEATED || (d->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 || ek__proto_is_map_entry(type);
    return one_value(p, d, r, keep);
}

/* Fields until the bracket that closes `open`, which is taken too; until the end of the text where open is NULL. */
static ek_status message_body(parser *p, const ek_proto *type, const token *open)
{
    const char closer = open == NULL ? '\0' : *open->at == '{' ? '}' : '>';
    run r = { NULL, 0 };
    uint64_t seen = 0;

    for (;;) {
        bool separator;
        if (p->t.kind == TOKEN_END) {
            if (open != NULL)
                return FAIL_AT(p, &p->t, "Expected \"%c\" for the \"%c\" of line %d, the text ends.", closer, *open->at, open->line);
            break;
        }
        if (open != NULL && is_sign(&p->t, closer)) {
            EK_TRY(advance(p));
            break;
        }
        EK_TRY(one_field(p, type, &r, &seen));
        EK_TRY(take_sign(p, ';', &separator));
        if (!separator) EK_TRY(take_sign(p, ',', &separator));
    }
    close_run(p, &r);
    return EK_OK;
}

ek_status ek__text_parse(const ek_proto *type, const char *text, size_t size, ek_buf *out, ek_error *err)
{
    if (size == 0) text = ""; /* NULL is allowed then */
    parser p = { .at = text, .end = text + size, .line = 1, .line_start = text, .out = out, .err = err, .depth = 1 };

    EK_TRY(advance(&p));
    EK_TRY(message_body(&p, type, NULL));
    if (out->failed) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the bytes of a text of %zu characters", size);
    if (out->size > EK_WIRE_MAX_BYTES)
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "%zu bytes are more than the 2 GiB that a %s may have", out->size, type->name);
    return EK_OK;
}
