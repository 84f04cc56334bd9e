/* codec/record.c - see record.h.
 *
 * A record: its length in 8 bytes, their masked checksum, the bytes, their masked checksum. A compressed file is one
 * stream of records that zlib compressed as a whole.
 */
#include "codec/record.h"

#include "base/file.h"
#include "codec/crc32c.h"
#include "codec/inflate.h"
#include "codec/zlib_memory.h"

enum { HEAD = 12, TAIL = 4, PIECE = 1 << 16 };

static bool sum_fits(const uint8_t *p, size_t size, const uint8_t *sum)
{
    return ek__crc32c_mask(ek__crc32c(0, p, size)) == (uint32_t)ek__wire_fixed(sum, 4);
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

struct ek_record_reader {
    ek_source *source;
    ek_deflated kind;
    bool compressed;
    ek_inflater *packed; /* of a compressed file */
    int64_t offset;      /* of the next record */
    ek_buf held;         /* of a compressed file: the record */
    ek_error failed;     /* damage stays damage */
    bool cut;            /* it is that the file ends within a record */
};

/* A record's first bytes are hardly ever those of zlib, and never with a checksum that fits. */
static ek_compression compression_of(ek_span s)
{
    if (s.size >= HEAD && sum_fits(s.at, 8, s.at + 8)) return EK_COMPRESSION_NONE;
    if (ek__is_gzip(s)) return EK_COMPRESSION_GZIP;
    return ek__is_zlib(s) ? EK_COMPRESSION_ZLIB : EK_COMPRESSION_NONE;
}

ek_status ek__record_reader_of(ek_source *source, ek_compression compression, ek_record_reader **out, ek_error *err)
{
    ek_record_reader *r = ek__calloc(1, sizeof *r);

    *out = NULL;
    if (r == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a reader of records");
    if (compression == EK_COMPRESSION_BY_CONTENT) compression = compression_of((ek_span){ source->data, source->size });
    r->source = ek__source_ref(source);
    r->compressed = compression != EK_COMPRESSION_NONE;
    r->kind = compression == EK_COMPRESSION_GZIP ? EK_DEFLATED_GZIP : EK_DEFLATED_ZLIB;
    *out = r;
    return EK_OK;
}

ek_status ek_record_reader_open(const char *path, ek_compression compression, ek_record_reader **out, ek_error *err)
{
    ek_source *source = NULL;
    ek_status st;

    err = ek__error_begin(err);
    if (out != NULL) *out = NULL;
    if (path == NULL || out == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "a path and a place for the reader were expected, found NULL");
    if ((int)compression < 0 || compression > EK_COMPRESSION_ZLIB)
        return EK_FAIL(err, INVALID_ARGUMENT, "%d is no compression", (int)compression);
    st = ek__source_open(path, &source, err);
    if (st == EK_OK) st = ek__record_reader_of(source, compression, out, err);
    ek__source_unref(source);
    return st;
}

/* Up to `size` more bytes of a compressed file behind those that are held, which then are what the file claims and has. */
static ek_status unpack(ek_record_reader *r, uint64_t size, ek_error *err)
{
    if (r->packed == NULL)
        EK_TRY(ek__inflater_open((ek_span){ r->source->data, r->source->size }, r->kind, &r->packed, err));
    while (size > 0) {
        const size_t want = size < PIECE ? (size_t)size : PIECE;
        size_t got;

        if (!EK_GROW(r->held.data, r->held.cap, (int64_t)(r->held.size + want)))
            return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a record");
        EK_TRY(ek__inflater_read(r->packed, r->held.data + r->held.size, want, &got, err));
        r->held.size += got;
        size -= got;
        if (got < want) break;
    }
    return EK_OK;
}

/* What there is of the record's next part, `done` bytes after its beginning: up to `size` bytes. */
static ek_status part(ek_record_reader *r, size_t done, uint64_t size, ek_span *out, ek_error *err)
{
    if (!r->compressed) {
        const size_t at = (size_t)r->offset + done, rest = r->source->size - at;

        *out = (ek_span){ r->source->data + at, size < rest ? (size_t)size : rest };
        return EK_OK;
    }
    if (done == 0) r->held.size = 0;
    EK_TRY(unpack(r, size, err));
    *out = (ek_span){ (const uint8_t *)r->held.data + done, r->held.size - done };
    return EK_OK;
}

static ek_status truncated(ek_record_reader *r, size_t there, ek_error *err)
{
    r->cut = true;
    return EK_FAIL(err, DATA_LOSS, "truncated record at %lld: the file ends %zu bytes after the record begins",
                   (long long)r->offset, there);
}

static ek_status next(ek_record_reader *r, ek_span *out, ek_error *err)
{
    ek_span s = { NULL, 0 };
    uint64_t size;

    EK_TRY(part(r, 0, HEAD, &s, err));
    if (s.size == 0) return EK_FAIL(err, OUT_OF_RANGE, "the end of the records");
    if (s.size < HEAD) return truncated(r, s.size, err);
    if (!sum_fits(s.at, 8, s.at + 8))
        return EK_FAIL(err, DATA_LOSS, "corrupted record at %lld: the checksum of its length does not fit%s",
                       (long long)r->offset,
                       r->offset == 0 ? " (is this a TFRecord file?)" : "");
    size = ek__wire_fixed(s.at, 8);
    if (size > PTRDIFF_MAX - HEAD - TAIL)
        return EK_FAIL(err, DATA_LOSS, "corrupted record at %lld: it claims %llu bytes", (long long)r->offset,
                       (unsigned long long)size);
    EK_TRY(part(r, HEAD, size + TAIL, &s, err));
    if (s.size < size + TAIL) return truncated(r, HEAD + s.size, err);
    if (!sum_fits(s.at, (size_t)size, s.at + size))
        return EK_FAIL(err, DATA_LOSS, "corrupted record at %lld: the checksum of its %llu bytes does not fit",
                       (long long)r->offset,
                       (unsigned long long)size);
    *out = (ek_span){ s.at, (size_t)size };
    r->offset += (int64_t)(HEAD + size + TAIL);
    return EK_OK;
}

ek_status ek_record_reader_next(ek_record_reader *r, const void **data, size_t *size, ek_error *err)
{
    ek_span s = { NULL, 0 };

    err = ek__error_begin(err);
    if (r == NULL || data == NULL || size == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "a reader and places for a record were expected, found NULL");
    *data = NULL;
    *size = 0;
    if (r->failed.code == EK_OK && next(r, &s, &r->failed) == EK_OK) {
        *data = s.at;
        *size = s.size;
        return EK_OK;
    }
    return ek__error_copy(err, &r->failed);
}

bool ek__record_reader_cut(const ek_record_reader *r) { return r->cut; }

int64_t ek_record_reader_offset(const ek_record_reader *r) { return r != NULL ? r->offset : 0; }

void ek_record_reader_rewind(ek_record_reader *r)
{
    if (r == NULL) return;
    ek__inflater_close(r->packed);
    r->packed = NULL;
    r->offset = 0;
    r->cut = false;
    r->failed = (ek_error){ .code = EK_OK };
}

void ek_record_reader_close(ek_record_reader *r)
{
    if (r == NULL) return;
    ek__inflater_close(r->packed);
    ek__buf_fini(&r->held);
    ek__source_unref(r->source);
    ek__free(r);
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

static void put_sum(ek_buf *b, const void *data, size_t size)
{
    ek__put_fixed32(b, ek__crc32c_mask(ek__crc32c(0, data, size)));
}

void ek__record_put(ek_buf *b, const void *data, size_t size)
{
    const size_t start = b->size;

    ek__put_fixed64(b, size);
    if (!b->failed) put_sum(b, b->data + start, 8);
    ek__buf_add(b, data, size);
    put_sum(b, data, size);
}

struct ek_record_writer {
    ek_file_out *out;
    z_stream z;
    bool packs; /* z is begun */
    ek_buf record;
    ek_error failed;
};

static ek_status begin_packing(ek_record_writer *w, ek_compression compression, ek_error *err)
{
    const int bits = compression == EK_COMPRESSION_GZIP ? MAX_WBITS + 16 : MAX_WBITS;

    ek__zlib_memory(&w->z);
    if (deflateInit2(&w->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for compressing");
    w->packs = true;
    return EK_OK;
}

ek_status ek_record_writer_open(const char *path, ek_compression compression, ek_record_writer **out, ek_error *err)
{
    ek_record_writer *w;
    ek_status st;

    err = ek__error_begin(err);
    if (out != NULL) *out = NULL;
    if (path == NULL || out == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "a path and a place for the writer were expected, found NULL");
    if ((int)compression < 0 || compression > EK_COMPRESSION_ZLIB)
        return EK_FAIL(err, INVALID_ARGUMENT, "%d is no compression", (int)compression);
    w = ek__calloc(1, sizeof *w);
    if (w == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a writer of records");
    st = ek__file_create(path, &w->out, err);
    if (st == EK_OK && compression >= EK_COMPRESSION_GZIP) st = begin_packing(w, compression, err);
    if (st == EK_OK) *out = w;
    else ek_record_writer_abandon(w);
    return st;
}

/* Through zlib to the file; `flush` as zlib has it. */
static ek_status pack(ek_record_writer *w, ek_span in, int flush, ek_error *err)
{
    uint8_t out[PIECE / 4];

    do {
        const size_t n = in.size < PIECE ? in.size : PIECE;
        const int how = n == in.size ? flush : Z_NO_FLUSH;

        w->z.next_in = (z_const Bytef *)in.at;
        w->z.avail_in = (uInt)n;
        in.at += n;
        in.size -= n;
        do {
            w->z.next_out = out;
            w->z.avail_out = sizeof out;
            if (deflate(&w->z, how) == Z_STREAM_ERROR) return EK_FAIL(err, INTERNAL, "zlib refuses to compress");
            EK_TRY(ek__file_put(w->out, out, sizeof out - w->z.avail_out, err));
        } while (w->z.avail_out == 0);
    } while (in.size > 0);
    return EK_OK;
}

static ek_status write_record(ek_record_writer *w, const void *data, size_t size, ek_error *err)
{
    w->record.size = 0;
    ek__record_put(&w->record, data, size);
    if (w->record.failed) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a record of %zu bytes", size);
    if (!w->packs) return ek__file_put(w->out, w->record.data, w->record.size, err);
    return pack(w, (ek_span){ (const uint8_t *)w->record.data, w->record.size }, Z_NO_FLUSH, err);
}

ek_status ek_record_writer_write(ek_record_writer *w, const void *data, size_t size, ek_error *err)
{
    err = ek__error_begin(err);
    if (w == NULL || (data == NULL && size > 0))
        return EK_FAIL(err, INVALID_ARGUMENT, "a writer and a record were expected, found NULL");
    if (w->failed.code == EK_OK && write_record(w, data, size, &w->failed) == EK_OK) return EK_OK;
    return ek__error_copy(err, &w->failed);
}

ek_status ek_record_writer_close(ek_record_writer *w, ek_error *err)
{
    ek_status st;

    err = ek__error_begin(err);
    if (w == NULL) return EK_OK;
    st = w->failed.code != EK_OK ? ek__error_copy(err, &w->failed) : EK_OK;
    if (st == EK_OK && w->packs) st = pack(w, (ek_span){ (const uint8_t *)"", 0 }, Z_FINISH, err);
    if (st == EK_OK) {
        st = ek__file_commit(w->out, err);
        w->out = NULL;
    }
    ek_record_writer_abandon(w);
    return st;
}

void ek_record_writer_abandon(ek_record_writer *w)
{
    if (w == NULL) return;
    if (w->packs) deflateEnd(&w->z);
    ek__file_abandon(w->out);
    ek__buf_fini(&w->record);
    ek__free(w);
}
