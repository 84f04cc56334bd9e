/* codec/crc32c.h - the checksum of TensorFlow's files: CRC-32 with Castagnoli's polynomial. */
#ifndef EK_CODEC_CRC32C_H
#define EK_CODEC_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of the bytes, after those whose checksum is `crc` (0: none):
 *     ek__crc32c(ek__crc32c(0, a, n), b, m) is the checksum of a and b together. */
uint32_t ek__crc32c(uint32_t crc, const void *data, size_t size);

/* The form in files. A checksum over bytes that hold their own checksum tells little; a masked one is another number. */
static inline uint32_t ek__crc32c_mask(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8u; }
static inline uint32_t ek__crc32c_unmask(uint32_t masked)
{
    const uint32_t r = masked - 0xa282ead8u;

    return r >> 17 | r << 15;
}

/* For tests: the way without the processor's instruction, which gives the same. */
uint32_t ek__crc32c_plain(uint32_t crc, const void *data, size_t size);

#endif
