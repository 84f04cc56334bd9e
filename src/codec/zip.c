/* codec/zip.c - see zip.h. What a zip archive may have besides (encryption, several disks, comments) is refused or skipped. */
#include "codec/zip.h"

#include <zlib.h>

#include "codec/inflate.h"

enum { LOCAL = 0x04034b50, CENTRAL = 0x02014b50, END = 0x06054b50, END64 = 0x06064b50, LOCATOR64 = 0x07064b50 };
enum { LOCAL_SIZE = 30, CENTRAL_SIZE = 46, END_SIZE = 22, END64_SIZE = 56, LOCATOR64_SIZE = 20, EXTRA64 = 1 };
enum { STORED = 0, DEFLATED = 8, ENCRYPTED = 1, VERSION = 45 };

/* ---- reading ---------------------------------------------------------------------------------------------- */

static uint32_t number32(const uint8_t *p) { return (uint32_t)ek__wire_fixed(p, 4); }
static uint16_t number16(const uint8_t *p) { return (uint16_t)ek__wire_fixed(p, 2); }

static ek_status damaged(ek_error *err, uint64_t at, const char *what)
{
    return EK_FAIL(err, DATA_LOSS, "the zip archive is damaged or cut off: byte %llu: %s", (unsigned long long)at,
                   what);
}

/* `n` bytes at `at`; NULL where the archive has not that many. */
static const uint8_t *bytes_at(ek_span a, uint64_t at, uint64_t n)
{
    return at <= a.size && n <= a.size - at ? a.at + at : NULL;
}

/* Where the directory lies and how many members it has. */
typedef struct directory {
    uint64_t at, size, n;
} directory;

/* The end record for large archives, in front of the ordinary one. */
static ek_status read_end64(ek_span a, uint64_t end, directory *d, ek_error *err)
{
    const uint8_t *locator = end >= LOCATOR64_SIZE ? bytes_at(a, end - LOCATOR64_SIZE, LOCATOR64_SIZE) : NULL;
    const uint8_t *p;
    uint64_t at;

    if (locator == NULL || number32(locator) != LOCATOR64) return EK_OK;
    at = ek__wire_fixed(locator + 8, 8);
    p = bytes_at(a, at, END64_SIZE);
    if (p == NULL || number32(p) != END64) return damaged(err, end - LOCATOR64_SIZE, "it points to no end record");
    *d = (directory){ .n = ek__wire_fixed(p + 32, 8), .size = ek__wire_fixed(p + 40, 8),
                      .at = ek__wire_fixed(p + 48, 8) };
    return EK_OK;
}

/* The end record: behind it is nothing but a comment. */
static ek_status find_directory(ek_span a, directory *d, ek_error *err)
{
    for (size_t back = END_SIZE; back <= a.size && back <= END_SIZE + 0xffff; back++) {
        const uint64_t end = a.size - back;
        const uint8_t *p = a.at + end;

        if (number32(p) != END || number16(p + 20) != back - END_SIZE) continue;
        if (number16(p + 4) != 0 && number16(p + 4) != 0xffff)
            return EK_FAIL(err, INVALID_ARGUMENT, "the zip archive is one of several parts");
        *d = (directory){ .n = number16(p + 10), .size = number32(p + 12), .at = number32(p + 16) };
        EK_TRY(read_end64(a, end, d, err));
        if (d->n > d->size / CENTRAL_SIZE || bytes_at(a, d->at, d->size) == NULL)
            return damaged(err, end, "it claims a directory that is not there");
        return EK_OK;
    }
    if (a.size >= 4 && number32(a.at) == LOCAL) return damaged(err, a.size, "its directory is missing");
    return EK_FAIL(err, INVALID_ARGUMENT, "not a zip archive (.npz)");
}

/* Sizes and place that are too large for their fields, in the order in which they are missing. */
static bool read_extra64(const uint8_t *p, size_t size, uint64_t *value[3])
{
    while (size >= 4) {
        const size_t n = number16(p + 2), used = 4 + n;

        if (used > size) return false;
        if (number16(p) == EXTRA64) {
            size_t at = 4;
            for (int i = 0; i < 3; i++) {
                if (*value[i] != 0xffffffffu) continue;
                if (at + 8 > used) return false;
                *value[i] = ek__wire_fixed(p + at, 8);
                at += 8;
            }
            return true;
        }
        p += used;
        size -= used;
    }
    return true;
}

/* The member's bytes follow its own header, whose name and extra fields may differ in length from the directory's. */
static ek_status find_bytes(ek_span a, uint64_t local, uint64_t packed, ek_zip_member *m, ek_error *err)
{
    const uint8_t *p = bytes_at(a, local, LOCAL_SIZE);
    uint64_t at;

    if (p == NULL || number32(p) != LOCAL) return damaged(err, local, "no member begins here");
    at = local + LOCAL_SIZE + number16(p + 26) + number16(p + 28);
    m->packed = (ek_span){ bytes_at(a, at, packed), (size_t)packed };
    return m->packed.at != NULL ? EK_OK : damaged(err, local, "a member reaches past the end");
}

/* The entry at *at of the directory; moves *at behind it. */
static ek_status read_entry(ek_span a, uint64_t *at, uint64_t end, ek_zip_member *m, ek_error *err)
{
    const uint8_t *p = end - *at >= CENTRAL_SIZE ? bytes_at(a, *at, CENTRAL_SIZE) : NULL;
    uint64_t packed, local, names;
    int method;

    if (p == NULL || number32(p) != CENTRAL) return damaged(err, *at, "an entry of the directory was expected");
    names = (uint64_t)number16(p + 28) + number16(p + 30) + number16(p + 32);
    if (names > end - *at - CENTRAL_SIZE) return damaged(err, *at, "an entry of the directory is cut off");
    *m = (ek_zip_member){ .name = { p + CENTRAL_SIZE, number16(p + 28) }, .crc = number32(p + 16), .size = number32(p + 24) };
    packed = number32(p + 20);
    local = number32(p + 42);
    if (!read_extra64(p + CENTRAL_SIZE + m->name.size, number16(p + 30), (uint64_t *[3]){ &m->size, &packed, &local }))
        return damaged(err, *at, "its sizes are missing");
    method = number16(p + 10);
    if ((number16(p + 8) & ENCRYPTED) != 0 || (method != STORED && method != DEFLATED))
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "member '%.*s' of the zip archive is %s; stored and deflated ones are read",
                       (int)m->name.size, (const char *)m->name.at,
                       (number16(p + 8) & ENCRYPTED) != 0 ? "encrypted" : "compressed in another way");
    m->deflated = method == DEFLATED;
    EK_TRY(find_bytes(a, local, packed, m, err));
    if (m->deflated ? m->size > ek__inflated_most(m->packed.size) : m->size != packed)
        return damaged(err, *at, "the two sizes of a member contradict each other");
    *at += CENTRAL_SIZE + names;
    return EK_OK;
}

ek_status ek__zip_open(ek_span archive, ek_zip *out, ek_error *err)
{
    directory d = { 0 };
    uint64_t at, packed = 0;
    ek_status st = EK_OK;

    *out = (ek_zip){ 0 };
    EK_TRY(find_directory(archive, &d, err));
    at = d.at;
    for (uint64_t i = 0; i < d.n; i++) {
        if (!EK_GROW(out->member, out->cap, out->n + 1))
            EK_TRY_DONE(EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a zip archive's directory"));
        EK_TRY_DONE(read_entry(archive, &at, d.at + d.size, &out->member[out->n], err));
        packed += out->member[out->n++].packed.size;
        /* Otherwise many members could share the bytes of one. */
        if (packed > archive.size) EK_TRY_DONE(damaged(err, at, "the members claim more bytes than there are"));
    }
    return EK_OK;
done:
    ek__zip_close(out);
    return st;
}

static uint32_t checksum(const uint8_t *p, size_t size)
{
    return (uint32_t)crc32_z(crc32_z(0, NULL, 0), p, size);
}

static ek_status inflate_member(const ek_zip_member *m, ek_buf *to, ek_error *err)
{
    ek_inflater *z = NULL;
    size_t got = 0, more = 0;
    uint8_t one;
    ek_status st;

    if (m->size >= PTRDIFF_MAX - 1 || !EK_GROW(to->data, to->cap, (int64_t)m->size + 1))
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the %llu bytes of a member",
                       (unsigned long long)m->size);
    EK_TRY(ek__inflater_open(m->packed, EK_DEFLATED_BARE, &z, err));
    st = ek__inflater_read(z, to->data, (size_t)m->size, &got, err);
    if (st == EK_OK) st = ek__inflater_read(z, &one, 1, &more, err);
    if (st == EK_OK && (got != m->size || more != 0))
        st = EK_FAIL(err, DATA_LOSS, "the member has another size than the zip archive says, %llu",
                     (unsigned long long)m->size);
    ek__inflater_close(z);
    to->size = got;
    to->data[got] = '\0';
    return st;
}

ek_status ek__zip_read(const ek_zip_member *m, ek_buf *unpacked, ek_span *out, ek_error *err)
{
    *out = m->packed;
    if (m->deflated) {
        EK_TRY(inflate_member(m, unpacked, err));
        *out = (ek_span){ (const uint8_t *)unpacked->data, unpacked->size };
    }
    if (checksum(out->at, out->size) != m->crc)
        return EK_FAIL(err, DATA_LOSS, "the checksum of the member does not fit its bytes");
    return EK_OK;
}

void ek__zip_close(ek_zip *z)
{
    ek__free(z->member);
    *z = (ek_zip){ 0 };
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

static void put16(ek_buf *b, unsigned v)
{
    const uint8_t bytes[2] = { (uint8_t)v, (uint8_t)(v >> 8) };
    ek__buf_add(b, bytes, sizeof bytes);
}

/* What the header of a member and its entry in the directory have in common. The day is the first that zip knows: a file
 * depends on what is in it alone. */
static void put_common(ek_buf *b, uint32_t crc, size_t name, unsigned extra)
{
    put16(b, VERSION);
    put16(b, 0);
    put16(b, STORED);
    put16(b, 0);
    put16(b, 1 << 5 | 1);
    ek__put_fixed32(b, crc);
    ek__put_fixed32(b, 0xffffffffu);
    ek__put_fixed32(b, 0xffffffffu);
    put16(b, (unsigned)name);
    put16(b, extra);
}

static void put_entry(ek_zip_writer *w, const char *name, size_t size, uint32_t crc)
{
    ek_buf *d = &w->directory;

    ek__put_fixed32(d, CENTRAL);
    put16(d, VERSION);
    put_common(d, crc, strlen(name), 28);
    for (int i = 0; i < 3; i++) put16(d, 0); /* no comment, the first disk, no text */
    ek__put_fixed32(d, 0600u << 16 | 0100000u << 16);
    ek__put_fixed32(d, 0xffffffffu);
    ek__buf_str(d, name);
    put16(d, EXTRA64);
    put16(d, 24);
    ek__put_fixed64(d, size);
    ek__put_fixed64(d, size);
    ek__put_fixed64(d, w->at);
}

static ek_status put(ek_zip_writer *w, const ek_buf *b, ek_error *err)
{
    if (b->failed) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a zip archive's directory");
    w->at += b->size;
    return ek__file_put(w->out, b->data, b->size, err);
}

ek_status ek__zip_add(ek_zip_writer *w, const char *name, const void *data, size_t size, ek_error *err)
{
    const uint32_t crc = checksum(data, size);
    ek_buf b = { 0 };
    ek_status st;

    put_entry(w, name, size, crc);
    ek__put_fixed32(&b, LOCAL);
    put_common(&b, crc, strlen(name), 20);
    ek__buf_str(&b, name);
    put16(&b, EXTRA64);
    put16(&b, 16);
    ek__put_fixed64(&b, size);
    ek__put_fixed64(&b, size);
    st = put(w, &b, err);
    ek__buf_fini(&b);
    EK_TRY(st);
    w->at += size;
    w->n++;
    return ek__file_put(w->out, data, size, err);
}

ek_status ek__zip_end(ek_zip_writer *w, ek_error *err)
{
    ek_buf *d = &w->directory;
    const uint64_t start = w->at, size = d->size;

    ek__put_fixed32(d, END64);
    ek__put_fixed64(d, END64_SIZE - 12);
    put16(d, VERSION);
    put16(d, VERSION);
    ek__put_fixed64(d, 0);
    ek__put_fixed64(d, w->n);
    ek__put_fixed64(d, w->n);
    ek__put_fixed64(d, size);
    ek__put_fixed64(d, start);
    ek__put_fixed32(d, LOCATOR64);
    ek__put_fixed32(d, 0);
    ek__put_fixed64(d, start + size);
    ek__put_fixed32(d, 1);
    ek__put_fixed32(d, END);
    ek__put_fixed32(d, 0);
    put16(d, 0xffff);
    put16(d, 0xffff);
    ek__put_fixed32(d, 0xffffffffu);
    ek__put_fixed32(d, 0xffffffffu);
    put16(d, 0);
    return put(w, d, err);
}
