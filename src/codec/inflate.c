/* codec/inflate.c - see inflate.h. */
#include "codec/inflate.h"

#include "codec/zlib_memory.h"

enum { PIECE = 1 << 30 }; /* zlib counts in unsigned int */

struct ek_inflater {
    z_stream z;
    ek_span rest; /* not yet given to z */
    ek_deflated kind;
    bool begun, ended;
};

bool ek__is_zlib(ek_span s)
{
    return s.size >= 2 && (s.at[0] & 15) == 8 && s.at[0] >> 4 <= 7 && (s.at[0] << 8 | s.at[1]) % 31 == 0 &&
           (s.at[1] & 32) == 0;
}

ek_status ek__inflater_open(ek_span deflated, ek_deflated kind, ek_inflater **out, ek_error *err)
{
    ek_inflater *z = ek__calloc(1, sizeof *z);

    *out = NULL;
    if (z == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for compressed data");
    z->rest = deflated;
    z->kind = kind;
    ek__zlib_memory(&z->z);
    *out = z;
    return EK_OK;
}

static ek_status damaged(const ek_inflater *z, ek_error *err)
{
    return EK_FAIL(err, DATA_LOSS, "the compressed data is damaged: %s", z->z.msg != NULL ? z->z.msg
                   : "it contradicts itself");
}

static ek_status begin(ek_inflater *z, ek_error *err)
{
    const int bits = z->kind == EK_DEFLATED_BARE ? -MAX_WBITS : z->kind == EK_DEFLATED_GZIP ? MAX_WBITS + 16 : MAX_WBITS;

    if (inflateInit2(&z->z, bits) != Z_OK) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for compressed data");
    z->begun = true;
    return EK_OK;
}

/* What stands behind the end: another file in gzip form, padding, or what does not belong there. */
static ek_status at_end(ek_inflater *z, ek_error *err)
{
    ek_span tail = { z->z.next_in, z->z.avail_in + z->rest.size }; /* both lie side by side */

    if (z->kind == EK_DEFLATED_GZIP && ek__is_gzip(tail)) {
        z->z.avail_in = 0;
        z->rest = tail;
        return inflateReset(&z->z) == Z_OK ? EK_OK : damaged(z, err);
    }
    z->ended = true;
    for (; tail.size > 0; tail.at++, tail.size--)
        if (*tail.at != 0)
            return EK_FAIL(err, DATA_LOSS, "%zu bytes that do not belong there follow the end of the compressed data",
                           tail.size);
    return EK_OK;
}

static void give_input(ek_inflater *z)
{
    const size_t n = z->rest.size < PIECE ? z->rest.size : PIECE;

    if (z->z.avail_in > 0 || n == 0) return;
    z->z.next_in = (z_const Bytef *)z->rest.at;
    z->z.avail_in = (uInt)n;
    z->rest.at += n;
    z->rest.size -= n;
}

ek_status ek__inflater_read(ek_inflater *z, void *to, size_t size, size_t *got, ek_error *err)
{
    *got = 0;
    if (!z->begun) EK_TRY(begin(z, err));
    while (*got < size && !z->ended) {
        const size_t want = size - *got < PIECE ? size - *got : PIECE;

        give_input(z);
        z->z.next_out = (Bytef *)to + *got;
        z->z.avail_out = (uInt)want;
        const int code = inflate(&z->z, Z_NO_FLUSH);
        *got += want - z->z.avail_out;
        if (code == Z_STREAM_END) {
            EK_TRY(at_end(z, err));
        } else if (code == Z_MEM_ERROR) {
            return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for compressed data");
        } else if (code == Z_BUF_ERROR || (code == Z_OK && z->z.avail_in == 0 && z->rest.size == 0 &&
                                           z->z.avail_out > 0)) {
            return EK_FAIL(err, DATA_LOSS, "the compressed data is cut off");
        } else if (code != Z_OK) {
            return damaged(z, err);
        }
    }
    return EK_OK;
}

void ek__inflater_close(ek_inflater *z)
{
    if (z == NULL) return;
    if (z->begun) inflateEnd(&z->z);
    ek__free(z);
}
