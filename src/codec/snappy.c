/* codec/snappy.c - what Snappy compressed, unpacked. Compressing: not here, no file of ours is.
 *
 * A stream is its size unpacked, then pieces. The two low bits of a piece's first byte say what it is: bytes as they
 * are, or a copy of what was unpacked before, with a distance of 11, 16 or 32 bits.
 */
#include "codec/table.h"

enum { LITERAL = 0, COPY_1 = 1, COPY_2 = 2, COPY_4 = 3, LONG_LITERAL = 60 };

static uint32_t little_endian(const uint8_t *at, size_t bytes)
{
    uint32_t v = 0;

    for (size_t i = 0; i < bytes; i++) v |= (uint32_t)at[i] << 8 * i;
    return v;
}

/* The size that the stream begins with; returns the bytes that it takes, 0: damaged. */
static size_t read_size(ek_span packed, size_t *size)
{
    uint64_t v = 0;

    for (size_t i = 0; i < packed.size && i < 5; i++) {
        v |= (uint64_t)(packed.at[i] & 127) << 7 * i;
        if (packed.at[i] < 128) {
            *size = (size_t)v;
            return v <= UINT32_MAX ? i + 1 : 0;
        }
    }
    return 0;
}

bool ek__snappy_size(ek_span packed, size_t *size)
{
    return read_size(packed, size) != 0;
}

/* A piece of bytes as they are; `in` stands behind its first byte. */
static bool literal(ek_span packed, size_t *in, uint8_t first, uint8_t *out, size_t size, size_t *done)
{
    uint64_t n = first >> 2;

    if (n >= LONG_LITERAL) {
        const size_t bytes = (size_t)n - LONG_LITERAL + 1;

        if (bytes > packed.size - *in) return false;
        n = little_endian(packed.at + *in, bytes);
        *in += bytes;
    }
    n++;
    if (n > packed.size - *in || n > size - *done) return false;
    memcpy(out + *done, packed.at + *in, (size_t)n);
    *in += (size_t)n;
    *done += (size_t)n;
    return true;
}

/* A copy from before; it may reach into what it writes. */
static bool copy(ek_span packed, size_t *in, uint8_t first, uint8_t *out, size_t size, size_t *done)
{
    const size_t bytes = (first & 3) == COPY_1 ? 1 : (first & 3) == COPY_2 ? 2 : 4;
    size_t distance, n;

    if (bytes > packed.size - *in) return false;
    distance = little_endian(packed.at + *in, bytes);
    *in += bytes;
    n = (size_t)(first >> 2) + 1;
    if (bytes == 1) {
        n = (size_t)(first >> 2 & 7) + 4;
        distance |= (size_t)(first >> 5) << 8;
    }
    if (distance == 0 || distance > *done || n > size - *done) return false;
    for (size_t i = 0; i < n; i++) out[*done + i] = out[*done + i - distance];
    *done += n;
    return true;
}

bool ek__snappy_unpack(ek_span packed, uint8_t *out, size_t size)
{
    size_t claimed, done = 0, in = read_size(packed, &claimed);

    if (in == 0 || claimed != size) return false;
    while (in < packed.size) {
        const uint8_t first = packed.at[in++];

        if ((first & 3) == LITERAL ? !literal(packed, &in, first, out, size, &done)
                                   : !copy(packed, &in, first, out, size, &done))
            return false;
    }
    return done == size;
}
