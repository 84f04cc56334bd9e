/* kernels/half.h - float16 and bfloat16 in loops: conversions that vectorise, the same bits as the library's own. */
#ifndef EK_KERNELS_HALF_H
#define EK_KERNELS_HALF_H

#include <stdint.h>
#include <string.h>

static inline float half_bits_float(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static inline uint32_t half_float_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

/* The exponent is moved by a multiplication, which is exact and makes subnormals right as well. */
static inline float half_from_f16(uint16_t h)
{
    const uint32_t magnitude = (uint32_t)(h & 0x7fff) << 13, sign = (uint32_t)(h & 0x8000) << 16;
    const uint32_t finite = half_float_bits(half_bits_float(magnitude) * 0x1p112f);
    const uint32_t special = magnitude | 0x7f800000;

    return half_bits_float(sign | ((h & 0x7c00) == 0x7c00 ? special : finite));
}

static inline float half_from_bf16(uint16_t h)
{
    return half_bits_float((uint32_t)h << 16);
}

/* Rounds to nearest even; overflow gives infinity, NaN stays NaN. */
static inline uint16_t half_to_f16(float f)
{
    const uint32_t bits = half_float_bits(f), sign = (bits >> 16) & 0x8000, a = bits & 0x7fffffff;
    uint32_t h;

    if (a > 0x7f800000) return (uint16_t)(sign | 0x7e00 | ((a >> 13) & 0x3ff));
    if (a >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* 65520 and above */
    if (a < 0x38800000) { /* subnormal: adding 0.5 leaves the ten bits, rounded, at the end */
        h = half_float_bits(half_bits_float(a) + 0.5f) - 0x3f000000;
    } else {
        h = (a + 0xfff + ((a >> 13) & 1) - 0x38000000) >> 13;
    }
    return (uint16_t)(sign | h);
}

static inline uint16_t half_to_bf16(float f)
{
    const uint32_t bits = half_float_bits(f);

    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)((bits >> 16) | 0x40);
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

#endif
