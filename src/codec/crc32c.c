/* codec/crc32c.c - see crc32c.h. By the processor's instruction where there is one, else eight bytes at a time by
 * tables.
 *
 * The instruction gives its result after three cycles but can be begun in every one, so long pieces are cut into three
 * parts that go side by side. Their checksums are joined by what `part` zero bytes do to one: a linear map of its 32
 * bits, kept as a table for each of its four bytes.
 */
#include "codec/crc32c.h"

#include <nmmintrin.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

enum { PART = 4096 };             /* bytes of each of three parts; a multiple of 8 */
#define POLYNOMIAL 0x82f63b78u    /* bits reversed, as in everything here */

static uint32_t after_byte[8][256]; /* [k][b]: what byte b, k zero bytes after it, makes of a checksum of 0 */
static uint32_t after_part[4][256]; /* [k][b]: what PART zero bytes make of a checksum with byte b in place k */
static bool by_instruction;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_tables(void)
{
    uint32_t bit[32]; /* what PART zero bytes make of each bit alone */

    for (uint32_t b = 0; b < 256; b++) {
        uint32_t c = b;

        for (int i = 0; i < 8; i++) c = c >> 1 ^ (c & 1 ? POLYNOMIAL : 0);
        after_byte[0][b] = c;
    }
    for (int k = 1; k < 8; k++)
        for (int b = 0; b < 256; b++)
            after_byte[k][b] = after_byte[k - 1][b] >> 8 ^ after_byte[0][after_byte[k - 1][b] & 255];
    for (int i = 0; i < 32; i++) {
        bit[i] = UINT32_C(1) << i;
        for (int n = 0; n < PART; n++) bit[i] = bit[i] >> 8 ^ after_byte[0][bit[i] & 255];
    }
    for (int k = 0; k < 4; k++)
        for (int b = 0; b < 256; b++)
            for (int i = 0; i < 8; i++)
                if (b >> i & 1) after_part[k][b] ^= bit[8 * k + i];
    by_instruction = __builtin_cpu_supports("sse4.2");
}

static uint64_t load64(const uint8_t *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof v); /* the machine is little-endian, as the checksum is */
    return v;
}

static uint32_t by_tables(uint32_t c, const uint8_t *at, size_t size)
{
    for (; size >= 8; at += 8, size -= 8) {
        const uint64_t v = load64(at) ^ c;

        c = after_byte[7][v & 255] ^ after_byte[6][v >> 8 & 255] ^ after_byte[5][v >> 16 & 255] ^
            after_byte[4][v >> 24 & 255] ^ after_byte[3][v >> 32 & 255] ^ after_byte[2][v >> 40 & 255] ^
            after_byte[1][v >> 48 & 255] ^ after_byte[0][v >> 56];
    }
    for (; size > 0; at++, size--) c = c >> 8 ^ after_byte[0][(c ^ *at) & 255];
    return c;
}

static uint64_t skip_part(uint64_t c)
{
    return after_part[0][c & 255] ^ after_part[1][c >> 8 & 255] ^ after_part[2][c >> 16 & 255] ^
           after_part[3][c >> 24 & 255];
}

__attribute__((target("sse4.2"))) static uint32_t by_instructions(uint32_t crc, const uint8_t *at, size_t size)
{
    uint64_t c = crc;

    for (; size >= 3 * PART; at += 3 * PART, size -= 3 * PART) {
        uint64_t c1 = 0, c2 = 0;

        for (size_t i = 0; i < PART; i += 8) {
            c = _mm_crc32_u64(c, load64(at + i));
            c1 = _mm_crc32_u64(c1, load64(at + PART + i));
            c2 = _mm_crc32_u64(c2, load64(at + 2 * (size_t)PART + i));
        }
        c = skip_part(skip_part(c) ^ c1) ^ c2;
    }
    for (; size >= 8; at += 8, size -= 8) c = _mm_crc32_u64(c, load64(at));
    for (; size > 0; at++, size--) c = _mm_crc32_u8((uint32_t)c, *at);
    return (uint32_t)c;
}

uint32_t ek__crc32c(uint32_t crc, const void *data, size_t size)
{
    pthread_once(&once, make_tables);
    return ~(by_instruction ? by_instructions(~crc, data, size) : by_tables(~crc, data, size));
}

uint32_t ek__crc32c_plain(uint32_t crc, const void *data, size_t size)
{
    pthread_once(&once, make_tables);
    return ~by_tables(~crc, data, size);
}
