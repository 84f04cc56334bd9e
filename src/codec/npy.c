/* codec/npy.c - numpy's .npy files.
 *
 * A magic string, a version, the length of a header, the header: a Python dict with the element type, the order
 * and the shape; then the elements. Nothing in the header is believed before it is checked against the size of the file.
 */
#include "codec/npy.h"

#include "base/file.h"
#include "codec/source.h"

static const char magic[6] = "\x93NUMPY";

/* ---- the header ---------------------------------------------------------------------------- */

typedef struct header {
    ek_dtype dtype;
    char kind;       /* numpy's letter */
    size_t element;  /* bytes of one element in the file */
    bool swapped, fortran;
    ek_shape shape;
    bool has_descr, has_order, has_shape;
} header;

typedef struct reader {
    const char *start, *at, *end; /* of the file, of the header's text */
    ek_error *err;
} reader;

static ek_status fail_at(const reader *r, const char *what)
{
    return EK_FAIL(r->err, INVALID_ARGUMENT, "not a valid .npy file: byte %zu: %s", (size_t)(r->at - r->start), what);
}

static void skip_spaces(reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')) r->at++;
}

/* Skips spaces and takes `c` if it comes next. */
static bool take(reader *r, char c)
{
    skip_spaces(r);
    if (r->at == r->end || *r->at != c) return false;
    r->at++;
    return true;
}

static bool take_word(reader *r, const char *word)
{
    const size_t n = strlen(word);

    skip_spaces(r);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0) return false;
    r->at += n;
    return true;
}

/* A Python string without escapes. */
static ek_status take_string(reader *r, char *text, size_t size)
{
    const char *begin;
    char quote;

    skip_spaces(r);
    if (r->at == r->end || (*r->at != '\'' && *r->at != '"')) return fail_at(r, "a quoted string was expected");
    quote = *r->at++;
    begin = r->at;
    while (r->at < r->end && *r->at != quote && *r->at != '\\') r->at++;
    if (r->at == r->end || *r->at == '\\') return fail_at(r, "the string does not end");
    if ((size_t)(r->at - begin) >= size) return fail_at(r, "the string is too long");
    memcpy(text, begin, (size_t)(r->at - begin));
    text[r->at - begin] = '\0';
    r->at++;
    return EK_OK;
}

static ek_status take_number(reader *r, int64_t *out)
{
    int64_t v = 0;

    skip_spaces(r);
    if (r->at == r->end || *r->at < '0' || *r->at > '9') return fail_at(r, "a dimension was expected");
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *r->at - '0', &v))
            return fail_at(r, "the dimension is too large");
    if (r->at < r->end && *r->at == 'L') r->at++; /* Python 2's long */
    *out = v;
    return EK_OK;
}

static ek_status take_shape(reader *r, header *h)
{
    h->shape = EK_SCALAR;
    if (!take(r, '(')) return fail_at(r, "the shape, a tuple, was expected");
    while (!take(r, ')')) {
        if (h->shape.rank == EK_MAX_RANK) return fail_at(r, "more than 16 dimensions");
        EK_TRY(take_number(r, &h->shape.dim[h->shape.rank++]));
        if (take(r, ',')) continue;
        if (!take(r, ')')) return fail_at(r, "a comma or the end of the shape was expected");
        break;
    }
    h->has_shape = true;
    return EK_OK;
}

/* Letter, bytes per element, type. Strings have any size. */
static const struct { char kind; size_t bytes; ek_dtype dtype; } kinds[] = {
    { 'f', 2, EK_FLOAT16 }, { 'f', 4, EK_FLOAT32 }, { 'f', 8, EK_FLOAT64 }, { 'i', 1, EK_INT8 }, { 'i', 2, EK_INT16 },
    { 'i', 4, EK_INT32 }, { 'i', 8, EK_INT64 }, { 'u', 1, EK_UINT8 }, { 'u', 2, EK_UINT16 }, { 'u', 4, EK_UINT32 },
    { 'u', 8, EK_UINT64 }, { 'b', 1, EK_BOOL }, { 'c', 8, EK_COMPLEX64 }, { 'c', 16, EK_COMPLEX128 },
    { 'V', 2, EK_BFLOAT16 },
};

/* Types that numpy has only as a record of one field. */
static const struct { ek_dtype dtype; const char *code; } records[] = {
    { EK_QINT8, "|i1" }, { EK_QUINT8, "|u1" }, { EK_QINT16, "<i2" }, { EK_QUINT16, "<u2" }, { EK_QINT32, "<i4" },
};

/* "<f4" and the like. */
static ek_status read_type(reader *r, const char *text, header *h)
{
    const char *p = text;
    size_t n = 0;

    if (*p == '<' || *p == '>' || *p == '|' || *p == '=') h->swapped = *p++ == '>';
    h->kind = *p;
    if (*p == 'O') return EK_FAIL(r->err, INVALID_ARGUMENT, "the array holds pickled Python objects ('%s'), which are "
                                  "not read; save it with a plain dtype", text);
    if (*p != '\0') p++;
    for (; *p >= '0' && *p <= '9' && n < (size_t)1 << 32; p++) n = n * 10 + (size_t)(*p - '0');
    h->element = n;
    h->dtype = EK_DTYPE_NONE;
    if (h->kind == '?') h->dtype = EK_BOOL, h->element = 1;
    if (h->kind == 'S' || h->kind == 'a') h->dtype = EK_STRING;
    if (h->kind == 'U') h->dtype = EK_STRING, h->element = n * 4;
    for (int i = 0; i < EK_COUNT_OF(kinds); i++)
        if (kinds[i].kind == h->kind && kinds[i].bytes == n) h->dtype = kinds[i].dtype;
    if (h->dtype == EK_DTYPE_NONE || *p != '\0' || n >= (size_t)1 << 32)
        return EK_FAIL(r->err, INVALID_ARGUMENT, "the .npy file's element type '%s' has no counterpart here", text);
    return EK_OK;
}

/* A list: a structured type. Only TensorFlow's quantized types, records of one field of that name, are known. */
static ek_status read_record(reader *r, header *h)
{
    const char *begin = r->at;
    char name[32], code[32];
    ek_error quiet = { .code = EK_OK };
    reader probe = *r;

    probe.err = &quiet;
    if (take(&probe, '[') && take(&probe, '(') && take_string(&probe, name, sizeof name) == EK_OK && take(&probe, ',') &&
        take_string(&probe, code, sizeof code) == EK_OK && take(&probe, ')') && (take(&probe, ','), take(&probe, ']')) &&
        ek_dtype_is_quantized(ek_dtype_from_name(name)) && read_type(&probe, code, h) == EK_OK &&
        h->element == ek_dtype_size(ek_dtype_from_name(name)) && (h->kind == 'i' || h->kind == 'u')) {
        h->dtype = ek_dtype_from_name(name);
        r->at = probe.at;
        return EK_OK;
    }
    const int length = (int)(r->end - begin < 60 ? r->end - begin : 60);
    return EK_FAIL(r->err, INVALID_ARGUMENT, "the .npy file's structured element type has no counterpart here: %.*s",
                   length, begin);
}

static ek_status take_entry(reader *r, header *h)
{
    char key[32], type[64];

    EK_TRY(take_string(r, key, sizeof key));
    if (!take(r, ':')) return fail_at(r, "a colon was expected");
    if (strcmp(key, "descr") == 0) {
        h->has_descr = true;
        skip_spaces(r);
        if (r->at < r->end && *r->at == '[') return read_record(r, h);
        EK_TRY(take_string(r, type, sizeof type));
        return read_type(r, type, h);
    }
    if (strcmp(key, "shape") == 0) return take_shape(r, h);
    if (strcmp(key, "fortran_order") != 0) return fail_at(r, "an unknown key; descr, fortran_order and shape are known");
    h->has_order = true;
    h->fortran = take_word(r, "True");
    return h->fortran || take_word(r, "False") ? EK_OK : fail_at(r, "True or False was expected");
}

static ek_status take_header(reader *r, header *h)
{
    if (!take(r, '{')) return fail_at(r, "the header, a dict, was expected");
    while (!take(r, '}')) {
        EK_TRY(take_entry(r, h));
        if (take(r, ',')) continue;
        if (!take(r, '}')) return fail_at(r, "a comma or the end of the header was expected");
        break;
    }
    skip_spaces(r);
    if (r->at != r->end) return fail_at(r, "text after the header");
    if (!h->has_descr || !h->has_order || !h->has_shape)
        return fail_at(r, "the header lacks one of descr, fortran_order and shape");
    return EK_OK;
}

/* Magic, version and length; sets r to the header's text. */
static ek_status take_prologue(reader *r, const unsigned char *p, size_t size)
{
    size_t length, start;

    if (size < 10 || memcmp(p, magic, sizeof magic) != 0) return fail_at(r, "the magic string \\x93NUMPY was expected");
    if (p[6] < 1 || p[6] > 3 || p[7] != 0)
        return EK_FAIL(r->err, INVALID_ARGUMENT, ".npy version %d.%d is not known; 1.0, 2.0 and 3.0 are", p[6], p[7]);
    start = p[6] == 1 ? 10 : 12;
    length = (size_t)p[8] | (size_t)p[9] << 8;
    if (p[6] > 1 && size >= 12) length |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
    if (size < start || length > size - start)
        return EK_FAIL(r->err, DATA_LOSS, "the .npy file is cut off: its header of %zu bytes is longer than the file",
                       length);
    r->at = r->start + start;
    r->end = r->at + length;
    return EK_OK;
}

/* ---- elements ---------------------------------------------------------------------------------- */

/* Goes through a shape's elements in row-major order; `at` is where each lies in the file. */
typedef struct walk {
    const header *h;
    int64_t index[EK_MAX_RANK], stride[EK_MAX_RANK], at;
} walk;

static void walk_begin(walk *w, const header *h)
{
    int64_t step = 1;

    *w = (walk){ .h = h };
    for (int i = 0; i < h->shape.rank; i++) {
        const int axis = h->fortran ? i : h->shape.rank - 1 - i;

        w->stride[axis] = step;
        step *= h->shape.dim[axis];
    }
}

static void walk_next(walk *w)
{
    for (int i = w->h->shape.rank - 1; i >= 0; i--) {
        w->at += w->stride[i];
        if (++w->index[i] < w->h->shape.dim[i]) return;
        w->at -= w->stride[i] * w->h->shape.dim[i];
        w->index[i] = 0;
    }
}

/* One code point as UTF-8; false where there is no such character. */
static bool add_utf8(ek_buf *b, uint32_t c)
{
    char text[4];
    int n = 0;

    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return false;
    if (c < 0x80) {
        text[n++] = (char)c;
    } else {
        const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;

        text[n++] = (char)(0xff00u >> (more + 1) | c >> 6 * more);
        for (int i = more - 1; i >= 0; i--) text[n++] = (char)(0x80 | (c >> 6 * i & 0x3f));
    }
    ek__buf_add(b, text, (size_t)n);
    return true;
}

/* An element of '|S' or '<U' at p; numpy pads with NULs, so those at the end do not count. */
static ek_status take_element(const header *h, const unsigned char *p, size_t offset, ek_string *out, ek_buf *b,
                              ek_error *err)
{
    size_t n = h->element;

    b->size = 0;
    if (h->kind != 'U') {
        while (n > 0 && p[n - 1] == 0) n--;
        return ek__string_set(out, (const char *)p, n) ? EK_OK : EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a string");
    }
    while (n > 0 && (p[n - 1] | p[n - 2] | p[n - 3] | p[n - 4]) == 0) n -= 4;
    for (size_t i = 0; i < n; i += 4) {
        const uint32_t c = h->swapped ? (uint32_t)p[i] << 24 | (uint32_t)p[i + 1] << 16 | (uint32_t)p[i + 2] << 8 | p[i + 3]
                                      : (uint32_t)p[i + 3] << 24 | (uint32_t)p[i + 2] << 16 | (uint32_t)p[i + 1] << 8 | p[i];

        if (!add_utf8(b, c))
            return EK_FAIL(err, INVALID_ARGUMENT, "not a valid .npy file: byte %zu: 0x%x is no character", offset + i, c);
    }
    if (b->failed || !ek__string_set(out, b->data, b->size)) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a string");
    return EK_OK;
}

static ek_status take_strings(const header *h, const unsigned char *data, size_t offset, ek_array *a, ek_error *err)
{
    ek_buf b = { 0 };
    ek_status st = EK_OK;
    walk w;

    walk_begin(&w, h);
    for (int64_t i = 0; i < a->count && st == EK_OK; i++, walk_next(&w)) {
        const size_t at = (size_t)w.at * h->element;

        st = take_element(h, data + at, offset + at, (ek_string *)a->data + i, &b, err);
    }
    ek__buf_fini(&b);
    return st;
}

static void take_numbers(const header *h, const unsigned char *data, ek_array *a)
{
    const size_t size = h->element;
    walk w;

    walk_begin(&w, h);
    if (a->count > 0 && (!h->fortran || h->shape.rank < 2)) {
        memcpy(a->data, data, (size_t)a->count * size);
    } else {
        for (int64_t i = 0; i < a->count; i++, walk_next(&w))
            memcpy((char *)a->data + (size_t)i * size, data + (size_t)w.at * size, size);
    }
    if (h->swapped) ek__swap_bytes(h->dtype, a->data, a->count);
    if (h->dtype == EK_BOOL)
        for (int64_t i = 0; i < a->count; i++) ((uint8_t *)a->data)[i] = ((uint8_t *)a->data)[i] != 0;
}

ek_status ek__npy_decode(const void *data, size_t size, ek_array **out, ek_error *err)
{
    reader r = { data, data, (const char *)data + size, err };
    header h = { 0 };
    ek_array *a = NULL;
    ek_status st = EK_OK;
    int64_t count, bytes;
    size_t offset;

    EK_TRY(take_prologue(&r, data, size));
    EK_TRY(take_header(&r, &h));
    offset = (size_t)(r.end - r.start);
    count = ek_shape_count(&h.shape);
    if (__builtin_mul_overflow(count, (int64_t)h.element, &bytes) || (uint64_t)bytes > size - offset)
        return EK_FAIL(err, DATA_LOSS, "the .npy file is cut off: %lld elements of %zu bytes were expected at byte %zu, "
                       "%zu bytes are there", (long long)count, h.element, offset, size - offset);
    /* Empty strings take no bytes in the file: a few bytes must not claim much memory. */
    if (h.element == 0 && count > 1 << 20)
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "%lld strings of no bytes are too many", (long long)count);
    EK_TRY(ek__array_new_raw(h.dtype, &h.shape, &a, err));
    if (h.dtype == EK_STRING) {
        st = take_strings(&h, (const unsigned char *)data + offset, offset, a, err);
    } else {
        take_numbers(&h, (const unsigned char *)data + offset, a);
    }
    if (st == EK_OK) {
        *out = a;
    } else {
        ek_array_unref(a);
    }
    return st;
}

/* ---- writing --------------------------------------------------------------------------------------- */

/* The bytes of the longest string, at least 1, as numpy has it. */
static ek_status string_width(const ek_array *a, size_t *width, ek_error *err)
{
    const ek_string *s = a->data;

    *width = 1;
    for (int64_t i = 0; i < a->count; i++) {
        if (s[i].size > 0 && s[i].data[s[i].size - 1] == '\0')
            return EK_FAIL(err, INVALID_ARGUMENT, "string %lld ends in a NUL, which .npy cannot keep", (long long)i);
        if (s[i].size > *width) *width = s[i].size;
    }
    return EK_OK;
}

static ek_status type_text(const ek_array *a, size_t width, char *text, size_t size, ek_error *err)
{
    if (a->dtype == EK_STRING) {
        snprintf(text, size, "'|S%zu'", width);
        return EK_OK;
    }
    for (int i = 0; i < EK_COUNT_OF(kinds); i++) {
        if (kinds[i].dtype != a->dtype) continue;
        snprintf(text, size, "'%c%c%zu'", kinds[i].bytes == 1 ? '|' : '<', kinds[i].kind, kinds[i].bytes);
        return EK_OK;
    }
    for (int i = 0; i < EK_COUNT_OF(records); i++) {
        if (records[i].dtype != a->dtype) continue;
        snprintf(text, size, "[('%s', '%s')]", ek_dtype_name(a->dtype), records[i].code);
        return EK_OK;
    }
    return EK_FAIL(err, INVALID_ARGUMENT, "%s has no counterpart in .npy files", ek_dtype_name(a->dtype));
}

ek_status ek__npy_encode(const ek_array *a, ek_buf *out, ek_error *err)
{
    static const char zeros[64] = { 0 };
    char type[64], shape[EK_MAX_RANK * 24], text[EK_MAX_RANK * 24 + 160];
    const ek_string *s = a->data;
    size_t width = 0, length;
    int64_t bytes;

    if (a->dtype == EK_STRING) EK_TRY(string_width(a, &width, err));
    if (__builtin_mul_overflow(a->count, (int64_t)width, &bytes) || bytes >= (int64_t)1 << 46)
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "%lld strings padded to %zu bytes are too many", (long long)a->count, width);
    EK_TRY(type_text(a, width, type, sizeof type, err));
    ek_shape_format(&a->shape, shape, sizeof shape);
    length = (size_t)snprintf(text, sizeof text, "{'descr': %s, 'fortran_order': False, 'shape': %s, }", type, shape);
    length += 63 - (10 + length) % 64; /* with the newline the elements start at a multiple of 64 */
    const unsigned char prologue[4] = { 1, 0, (unsigned char)(length + 1), (unsigned char)((length + 1) >> 8) };
    ek__buf_add(out, magic, sizeof magic);
    ek__buf_add(out, prologue, sizeof prologue);
    ek__buf_printf(out, "%-*s\n", (int)length, text);
    if (a->dtype != EK_STRING) ek__buf_add(out, a->data, ek_array_bytes(a));
    for (int64_t i = 0; a->dtype == EK_STRING && i < a->count; i++) {
        ek__buf_add(out, s[i].data, s[i].size);
        for (size_t n = s[i].size; n < width && !out->failed; n += 64)
            ek__buf_add(out, zeros, width - n < 64 ? width - n : 64);
    }
    return out->failed ? EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a .npy file") : EK_OK;
}

/* ---- files -------------------------------------------------------------------------------------------- */

ek_status ek_npy_load(const char *path, ek_array **out)
{
    ek_error *err = ek__error_begin(NULL);
    ek_source *source = NULL;
    ek_status st;

    if (path == NULL || out == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "a path and a place for the array were expected, found NULL");
    st = ek__source_open(path, &source, err);
    if (st == EK_OK) st = ek__npy_decode(source->data, source->size, out, err);
    ek__source_unref(source);
    return st;
}

ek_status ek_npy_save(const char *path, const ek_array *a)
{
    ek_error *err = ek__error_begin(NULL);
    ek_buf b = { 0 };
    ek_status st;

    if (path == NULL || a == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "a path and an array were expected, found NULL");
    st = ek__npy_encode(a, &b, err);
    if (st == EK_OK) st = ek__file_write(path, b.data, b.size, err);
    ek__buf_fini(&b);
    return st;
}
