/* kernels/random.c - from Philox words to numbers (docs/numbers.md has the sources of every constant).
 *
 * Compiled once: SLEEF's scalar functions give the same bits on every processor.
 */
#include "kernels/random.h"

#include <math.h>
#include <sleef.h>
#include <string.h>

#include "kernels/half.h"

static inline float uniform_float(uint32_t word)
{
    return half_bits_float(0x3f800000 | (word & 0x7fffff)) - 1.0f;
}

static inline double uniform_double(uint32_t high, uint32_t low)
{
    const uint64_t bits = (uint64_t)1023 << 52 | (uint64_t)(high & 0xfffff) << 32 | low;
    double d;

    memcpy(&d, &bits, sizeof d);
    return d - 1.0;
}

/* Two normal numbers, the sine first. */
static inline void normal_pair(uint32_t w0, uint32_t w1, float f[2])
{
    const float u = uniform_float(w0), v = (float)(6.283185307179586 * (double)uniform_float(w1));
    const float r = sqrtf(-2.0f * Sleef_cinz_logf1_u10purec(u < 1e-7f ? 1e-7f : u));

    f[0] = Sleef_cinz_sinf1_u10purec(v) * r;
    f[1] = Sleef_cinz_cosf1_u10purec(v) * r;
}

static inline void normal_pair_double(const uint32_t w[4], double f[2])
{
    const double u = uniform_double(w[0], w[1]), v = 6.283185307179586 * uniform_double(w[2], w[3]);
    const double r = sqrt(-2.0 * Sleef_cinz_logd1_u10purec(u < 1e-7 ? 1e-7 : u));

    f[0] = Sleef_cinz_sind1_u10purec(v) * r;
    f[1] = Sleef_cinz_cosd1_u10purec(v) * r;
}

/* ---- one group ----------------------------------------------------------------------------- */

static void group_uniform_f32(const ek_philox *p, float out[4])
{
    uint32_t w[4];

    ek__philox_block(p, w);
    for (int i = 0; i < 4; i++) out[i] = uniform_float(w[i]);
}

static void group_uniform_f64(const ek_philox *p, double out[2])
{
    uint32_t w[4];

    ek__philox_block(p, w);
    for (int i = 0; i < 2; i++) out[i] = uniform_double(w[2 * i], w[2 * i + 1]);
}

static void group_uniform_f16(const ek_philox *p, uint16_t out[4])
{
    uint32_t w[4];

    ek__philox_block(p, w);
    for (int i = 0; i < 4; i++) out[i] = half_to_f16((float)(w[i] & 0x3ff) * 0x1p-10f);
}

static void group_uniform_bf16(const ek_philox *p, uint16_t out[4])
{
    uint32_t w[4];

    ek__philox_block(p, w);
    for (int i = 0; i < 4; i++) out[i] = half_to_bf16((float)(w[i] & 0x7f) * 0x1p-7f);
}

static void group_normal_f32(const ek_philox *p, float out[4])
{
    uint32_t w[4];

    ek__philox_block(p, w);
    normal_pair(w[0], w[1], out);
    normal_pair(w[2], w[3], out + 2);
}

static void group_normal_f64(const ek_philox *p, double out[2])
{
    uint32_t w[4];

    ek__philox_block(p, w);
    normal_pair_double(w, out);
}

static void group_truncated_f32(const ek_philox *p, float out[4])
{
    ek_philox_words words = ek__philox_words(*p);

    for (int n = 0; n < 4;) {
        const uint32_t w0 = ek__philox_word(&words), w1 = ek__philox_word(&words);
        float f[2];
        normal_pair(w0, w1, f);
        for (int i = 0; i < 2 && n < 4; i++)
            if (fabsf(f[i]) < 2.0f) out[n++] = f[i];
    }
}

static void group_truncated_f64(const ek_philox *p, double out[2])
{
    ek_philox_words words = ek__philox_words(*p);

    for (int n = 0; n < 2;) {
        uint32_t w[4];
        double f[2];
        for (int i = 0; i < 4; i++) w[i] = ek__philox_word(&words);
        normal_pair_double(w, f);
        for (int i = 0; i < 2 && n < 2; i++)
            if (fabs(f[i]) < 2.0) out[n++] = f[i];
    }
}

#define ROUNDED(name, type, from)                              \
    static void group_##name##_##type(const ek_philox *p, uint16_t out[4]) \
    {                                                          \
        float f[4];                                            \
                                                               \
        from(p, f);                                            \
        for (int i = 0; i < 4; i++) out[i] = half_to_##type(f[i]); \
    }
ROUNDED(normal, f16, group_normal_f32)
ROUNDED(normal, bf16, group_normal_f32)
ROUNDED(truncated, f16, group_truncated_f32)
ROUNDED(truncated, bf16, group_truncated_f32)

/* ---- a whole fill ------------------------------------------------------------------------------ */

/* The last group may be used in part: its first numbers. */
#define FILL(name, T, size, apart)                                              \
    void ek__random_##name(const ek_philox *from, int64_t n, void *out)         \
    {                                                                           \
        ek_philox at = *from;                                                   \
        T *to = out;                                                            \
                                                                                \
        for (int64_t i = 0; i < n; i += size, ek__philox_skip(&at, apart)) {    \
            T group[size];                                                      \
            group_##name(&at, group);                                           \
            memcpy(to + i, group, (size_t)(n - i < size ? n - i : size) * sizeof(T)); \
        }                                                                       \
    }
FILL(uniform_f32, float, 4, 1)
FILL(uniform_f64, double, 2, 1)
FILL(uniform_f16, uint16_t, 4, 1)
FILL(uniform_bf16, uint16_t, 4, 1)
FILL(normal_f32, float, 4, 1)
FILL(normal_f64, double, 2, 1)
FILL(normal_f16, uint16_t, 4, 1)
FILL(normal_bf16, uint16_t, 4, 1)
FILL(truncated_f32, float, 4, EK_TRUNCATED_BLOCKS)
FILL(truncated_f64, double, 2, EK_TRUNCATED_BLOCKS / 2)
FILL(truncated_f16, uint16_t, 4, EK_TRUNCATED_BLOCKS)
FILL(truncated_bf16, uint16_t, 4, EK_TRUNCATED_BLOCKS)

void ek__random_int_i32(const ek_philox *from, int64_t n, int32_t lo, uint32_t range, int32_t *out)
{
    ek_philox_words words = ek__philox_words(*from);

    for (int64_t i = 0; i < n; i++) out[i] = (int32_t)((uint32_t)lo + ek__philox_word(&words) % range);
}

void ek__random_int_i64(const ek_philox *from, int64_t n, int64_t lo, uint64_t range, int64_t *out)
{
    ek_philox_words words = ek__philox_words(*from);

    for (int64_t i = 0; i < n; i++) {
        const uint64_t low = ek__philox_word(&words), high = ek__philox_word(&words);
        out[i] = (int64_t)((uint64_t)lo + (high << 32 | low) % range);
    }
}

void ek__random_classes(ek_philox_words *words, int64_t classes, const double *logits, double *cdf, int64_t samples,
                        int64_t *out)
{
    double top = -INFINITY, sum = 0;

    for (int64_t c = 0; c < classes; c++)
        if (isfinite(logits[c]) && logits[c] > top) top = logits[c];
    for (int64_t c = 0; c < classes; c++) {
        if (isfinite(logits[c])) sum += Sleef_cinz_expd1_u10purec(logits[c] - top);
        cdf[c] = sum;
    }
    for (int64_t s = 0; s < samples; s++) {
        const uint32_t high = ek__philox_word(words), low = ek__philox_word(words);
        const double d = uniform_double(high, low) * sum;
        int64_t first = 0, last = classes; /* the first entry above d is in [first, last] */
        while (first < last) {
            const int64_t middle = first + (last - first) / 2;
            if (cdf[middle] <= d) first = middle + 1;
            else last = middle;
        }
        out[s] = first;
    }
}
