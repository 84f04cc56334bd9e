/* codec/bundle_slice.c - parts of tensors: as text, as messages, as keys, and copied. */
#include "codec/bundle_parts.h"

#include <errno.h>
#include <stdlib.h>

#include "codec/fields.h"

ek_slice ek__slice_full(int32_t rank)
{
    ek_slice s = { .rank = rank };

    for (int i = 0; i < rank; i++) s.length[i] = -1;
    return s;
}

bool ek__slice_resolve(const ek_slice *s, const ek_shape *full, ek_slice *out)
{
    if (s->rank != full->rank) return false;
    *out = *s;
    for (int i = 0; i < s->rank; i++) {
        if (s->length[i] < 0) {
            out->start[i] = 0;
            out->length[i] = full->dim[i];
        } else if (s->start[i] < 0 || s->start[i] > full->dim[i] || s->length[i] > full->dim[i] - s->start[i]) {
            return false;
        }
    }
    return true;
}

bool ek__slice_is_whole(const ek_slice *s, const ek_shape *full)
{
    for (int i = 0; i < s->rank; i++)
        if (s->length[i] >= 0 && s->length[i] != full->dim[i]) return false;
    return true;
}

bool ek__slice_meet(const ek_slice *a, const ek_slice *b, ek_slice *out)
{
    out->rank = a->rank;
    for (int i = 0; i < a->rank; i++) {
        const int64_t a_end = a->start[i] + a->length[i], b_end = b->start[i] + b->length[i];

        out->start[i] = a->start[i] > b->start[i] ? a->start[i] : b->start[i];
        out->length[i] = (a_end < b_end ? a_end : b_end) - out->start[i];
        if (out->length[i] <= 0) return false;
    }
    return true;
}

int64_t ek__slice_count(const ek_slice *s)
{
    int64_t n = 1;

    for (int i = 0; i < s->rank; i++) n *= s->length[i];
    return n;
}

void ek__slice_print(ek_buf *b, const ek_slice *s)
{
    for (int i = 0; i < s->rank; i++) {
        if (i > 0) ek__buf_str(b, ":");
        if (s->length[i] < 0) ek__buf_str(b, "-");
        else ek__buf_printf(b, "%lld,%lld", (long long)s->start[i], (long long)s->length[i]);
    }
}

/* ---- text ------------------------------------------------------------------------------------------------------ */

/* A whole number that is all of the n bytes. */
static bool parse_number(const char *at, size_t n, int64_t *out)
{
    char text[24], *end;

    if (n == 0 || n >= sizeof text) return false;
    memcpy(text, at, n);
    text[n] = '\0';
    if (text[0] != '-' && (text[0] < '0' || text[0] > '9')) return false;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && end == text + n;
}

/* One dimension of a slice: "-" or "start,length". */
static ek_status parse_extent(const char *at, size_t n, const char *all, int all_n, ek_slice *s, ek_error *err)
{
    const char *comma = memchr(at, ',', n);
    int64_t *start = &s->start[s->rank], *length = &s->length[s->rank];

    if (n == 1 && at[0] == '-') {
        *start = 0;
        *length = -1;
        return EK_OK;
    }
    if (comma == NULL || !parse_number(at, (size_t)(comma - at), start) ||
        !parse_number(comma + 1, n - (size_t)(comma + 1 - at), length))
        return EK_FAIL(err, INVALID_ARGUMENT, "Expected a pair of numbers or '-' but got '%.*s': string = %.*s", (int)n,
                       at, all_n, all);
    if (*start < 0 || *length <= 0)
        return EK_FAIL(err, INVALID_ARGUMENT, "Expected non-negative start and positive length but got start = %lld, "
                       "length = %lld: string = %.*s", (long long)*start, (long long)*length, all_n, all);
    return EK_OK;
}

static ek_status parse_slice(const char *at, size_t n, ek_slice *s, ek_error *err)
{
    s->rank = 0;
    for (size_t i = 0; i < n;) {
        const char *colon = memchr(at + i, ':', n - i);
        const size_t size = colon != NULL ? (size_t)(colon - (at + i)) : n - i;

        if (size > 0) {
            if (s->rank == EK_MAX_RANK)
                return EK_FAIL(err, INVALID_ARGUMENT, "a slice of more than %d dimensions: %.*s", EK_MAX_RANK, (int)n,
                               at);
            EK_TRY(parse_extent(at + i, size, at, (int)n, s, err));
            s->rank++;
        }
        i += size + 1;
    }
    return EK_OK;
}

/* The shape of a slice of a tensor. */
static ek_status slice_shape(const ek_slice *s, const ek_shape *full, ek_shape *part, ek_error *err)
{
    ek_buf text = { .data = NULL };
    char shape[256];
    ek_slice resolved;
    ek_status st = EK_OK;

    if (ek__slice_resolve(s, full, &resolved)) {
        *part = *full;
        for (int i = 0; i < s->rank; i++) part->dim[i] = resolved.length[i];
        return EK_OK;
    }
    ek__slice_print(&text, s);
    ek_shape_format_cc(full, shape, sizeof shape);
    if (s->rank != full->rank) {
        st = EK_FAIL(err, INVALID_ARGUMENT, "Mismatching ranks: shape = %s, slice = %s", shape,
                     text.failed ? "?" : text.data);
    } else {
        int i = 0;
        while (s->length[i] < 0 || (s->start[i] <= full->dim[i] && s->length[i] <= full->dim[i] - s->start[i])) i++;
        st = EK_FAIL(err, INVALID_ARGUMENT, "Extent in dimension %d out of bounds: shape = %s, slice = %s", i, shape,
                     text.failed ? "?" : text.data);
    }
    ek__buf_fini(&text);
    return st;
}

ek_status ek__slice_parse(const char *spec, size_t n, ek_shape *full, ek_slice *slice, ek_shape *part, ek_error *err)
{
    size_t last = n; /* where the slice begins, behind the last space */
    int64_t dim;

    while (last > 0 && spec[last - 1] != ' ') last--;
    if (last == 0)
        return EK_FAIL(err, INVALID_ARGUMENT, "Need least two elements in shape_and_slice specification: %.*s", (int)n,
                       spec);
    EK_TRY(parse_slice(spec + last, n - last, slice, err));
    *full = EK_SCALAR;
    for (size_t i = 0; i < last;) {
        const size_t size = (size_t)((const char *)memchr(spec + i, ' ', last - i) - (spec + i));

        if (full->rank == EK_MAX_RANK || !parse_number(spec + i, size, &dim) || dim < 0)
            return EK_FAIL(err, INVALID_ARGUMENT, "Non numerical dimension in shape_and_slice: %.*s", (int)n, spec);
        full->dim[full->rank++] = dim;
        i += size + 1;
    }
    return slice_shape(slice, full, part, err);
}

/* ---- messages and keys ----------------------------------------------------------------------------------------- */

static bool read_extent(ek_span proto, int64_t *start, int64_t *length)
{
    ek_wire w = ek__wire_open(proto, NULL, &(ek_error){ .code = EK_OK });
    ek_wire_field f;

    *start = 0;
    *length = -1;
    while (ek__wire_next(&w, &f)) {
        if (f.number == EK_F_EXTENT_START) *start = (int64_t)f.value;
        if (f.number == EK_F_EXTENT_LENGTH) *length = (int64_t)f.value;
    }
    if (*start == 0 && *length == -1) return w.status == EK_OK;
    return w.status == EK_OK && *start >= 0 && *length > 0 && *length <= INT64_MAX - *start;
}

bool ek__slice_read(ek_span proto, ek_slice *out)
{
    ek_wire w = ek__wire_open(proto, NULL, &(ek_error){ .code = EK_OK });
    ek_wire_field f;

    out->rank = 0;
    while (ek__wire_next(&w, &f)) {
        if (f.number != EK_F_SLICE_EXTENT) continue;
        if (out->rank == EK_MAX_RANK || !read_extent(f.bytes, &out->start[out->rank], &out->length[out->rank]))
            return false;
        out->rank++;
    }
    return w.status == EK_OK;
}

void ek__slice_write(ek_buf *b, const ek_slice *s)
{
    for (int i = 0; i < s->rank; i++) {
        const size_t mark = ek__put_open(b, EK_F_SLICE_EXTENT);

        if (s->length[i] >= 0) {
            if (s->start[i] != 0) ek__put_int(b, EK_F_EXTENT_START, s->start[i]);
            ek__put_int(b, EK_F_EXTENT_LENGTH, s->length[i]);
        }
        ek__put_close(b, mark);
    }
}

/* Appends byte by byte, keeping order: a number without sign as the count of its bytes and those, the largest first. */
static void put_unsigned(ek_buf *b, uint64_t v)
{
    uint8_t bytes[9];
    int n = 0;

    for (uint64_t rest = v; rest != 0; rest >>= 8) n++;
    bytes[0] = (uint8_t)n;
    for (int i = 0; i < n; i++) bytes[1 + i] = (uint8_t)(v >> 8 * (n - 1 - i));
    ek__buf_add(b, bytes, (size_t)n + 1);
}

/* A number with sign: two's complement in the fewest bytes that hold seven bits each, with as many bits turned over,
 * from the first on, as there are bytes. */
static void put_signed(ek_buf *b, int64_t v)
{
    uint8_t bytes[10];
    int n = 1;

    while (7 * n - 1 < 63 && (v < -(INT64_C(1) << (7 * n - 1)) || v >= INT64_C(1) << (7 * n - 1))) n++;
    for (int i = 0; i < n; i++) {
        const int shift = 8 * (n - 1 - i);

        bytes[i] = (uint8_t)(shift < 64 ? v >> shift : v < 0 ? -1 : 0);
    }
    for (int bit = 0; bit < n; bit++) bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
    ek__buf_add(b, bytes, (size_t)n);
}

void ek__slice_key(ek_buf *b, const char *name, const ek_slice *s)
{
    put_unsigned(b, 0);
    for (; *name != '\0'; name++) { /* a name has no byte 0 */
        ek__buf_add(b, name, 1);
        if ((uint8_t)*name == 0xff) ek__buf_add(b, "", 1);
    }
    ek__buf_add(b, "\0\1", 2);
    put_unsigned(b, (uint64_t)s->rank);
    for (int i = 0; i < s->rank; i++) {
        put_signed(b, s->start[i]);
        put_signed(b, s->length[i]);
    }
}

/* ---- copying --------------------------------------------------------------------------------------------------- */

static bool copy_run(ek_dtype dtype, const char *in, char *out, int64_t n)
{
    const size_t size = ek_dtype_size(dtype);

    if (dtype != EK_STRING) {
        memcpy(out, in, (size_t)n * size);
        return true;
    }
    for (int64_t i = 0; i < n; i++) {
        const ek_string *s = (const ek_string *)(const void *)in + i;

        if (!ek__string_set((ek_string *)(void *)out + i, s->data, s->size)) return false;
    }
    return true;
}

/* Where an element of the tensor is in a slice of it. */
static int64_t place_in(const ek_slice *s, const int64_t *at)
{
    int64_t place = 0;

    for (int i = 0; i < s->rank; i++) place = place * s->length[i] + (at[i] - s->start[i]);
    return place;
}

bool ek__slice_copy(ek_dtype dtype, const ek_slice *common, const ek_slice *from, const void *in, const ek_slice *to,
                    void *out)
{
    const int64_t size = (int64_t)ek_dtype_size(dtype);
    int64_t at[EK_MAX_RANK], run = 1;
    int axis = common->rank; /* of those before it each combination is a run */

    if (ek__slice_count(common) == 0) return true;
    while (axis > 0) {
        const int64_t n = common->length[--axis];

        run *= n;
        if (n != from->length[axis] || n != to->length[axis]) break;
    }
    memcpy(at, common->start, sizeof at);
    for (;;) {
        if (!copy_run(dtype, (const char *)in + place_in(from, at) * size, (char *)out + place_in(to, at) * size, run))
            return false;
        int i = axis - 1;
        while (i >= 0 && ++at[i] == common->start[i] + common->length[i]) {
            at[i] = common->start[i];
            i--;
        }
        if (i < 0) return true;
    }
}
