/* kernels/depthwise_lv.c - convolutions whose channels do not mix, and their gradients: float and double.
 *
 * A result adds up its taps in row-major order, one channel like the other, so every level gives the same bits however
 * pixels and channels are blocked. Four pixels at a time share what is read of the filter.
 */
#include <string.h>

#include "kernels/level.h"

typedef float f32x16 __attribute__((vector_size(64)));
typedef float f32x4 __attribute__((vector_size(16)));
typedef double f64x8 __attribute__((vector_size(64)));
typedef double f64x2 __attribute__((vector_size(16)));

#define ALWAYS static inline __attribute__((always_inline))
enum { PIXELS = 4, WIDE_BLOCKS = 4 };

/* `n` results of one block of channels, `apart` from each other in the image and `to_apart` in the result. */
#define RESULTS(name, T, V, n)                                                                                         \
    ALWAYS void name(const ek_depthwise *g, const ek_taps *y, const ek_taps *x, const T *image, int64_t apart,         \
                     const T *filter, T *to, int64_t to_apart)                                                         \
    {                                                                                                                  \
        V sum[n] = { 0 }, v, w;                                                                                        \
                                                                                                                       \
        for (int64_t i = 0; i < y->count; i++) {                                                                       \
            const T *row = image + (y->at + i * y->at_step) * g->image_width * g->channels;                            \
            const T *taps = filter + (y->first + i * y->step) * g->kernel_width * g->channels;                         \
            for (int64_t j = 0; j < x->count; j++) {                                                                   \
                const T *from = row + (x->at + j * x->at_step) * g->channels;                                          \
                memcpy(&w, taps + (x->first + j * x->step) * g->channels, sizeof w);                                   \
                for (int q = 0; q < (n); q++) {                                                                        \
                    memcpy(&v, from + q * apart, sizeof v);                                                            \
                    sum[q] += v * w;                                                                                   \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        for (int q = 0; q < (n); q++) memcpy(to + q * to_apart, &sum[q], sizeof v);                                    \
    }

/* All channels of n pixels. */
#define CHANNELS(name, t, T, n)                                                                                        \
    static void name(const ek_depthwise *g, const ek_taps *y, const ek_taps *x, const T *image, int64_t apart,         \
                     const T *filter, T *to)                                                                           \
    {                                                                                                                  \
        enum { WIDE = 64 / sizeof(T), NARROW = 16 / sizeof(T) };                                                       \
        const int64_t to_apart = g->period * g->channels;                                                              \
        int64_t c = 0;                                                                                                 \
                                                                                                                       \
        for (; c + WIDE <= g->channels; c += WIDE)                                                                     \
            name##_wide(g, y, x, image + c, apart, filter + c, to + c, to_apart);                                      \
        for (; c + NARROW <= g->channels; c += NARROW)                                                                 \
            name##_narrow(g, y, x, image + c, apart, filter + c, to + c, to_apart);                                    \
        for (; c < g->channels; c++) name##_one(g, y, x, image + c, apart, filter + c, to + c, to_apart);              \
    }

/* How many of the four columns from x on, a period apart, meet the same taps: all or one. */
ALWAYS int64_t alike(const ek_depthwise *g, int64_t x)
{
    const int64_t last = x + (PIXELS - 1) * g->period;

    return last < g->width && g->column[last].count == g->column[x].count && g->column[last].first == g->column[x].first
               ? PIXELS : 1;
}

#define FORWARD(t, T, WIDE_V, NARROW_V)                                                                                \
    RESULTS(t##_four_wide, T, WIDE_V, PIXELS)                                                                          \
    RESULTS(t##_four_narrow, T, NARROW_V, PIXELS)                                                                      \
    RESULTS(t##_four_one, T, T, PIXELS)                                                                                \
    RESULTS(t##_single_wide, T, WIDE_V, 1)                                                                             \
    RESULTS(t##_single_narrow, T, NARROW_V, 1)                                                                         \
    RESULTS(t##_single_one, T, T, 1)                                                                                   \
    CHANNELS(t##_four, t, T, PIXELS)                                                                                   \
    CHANNELS(t##_single, t, T, 1)                                                                                      \
    void EK_K(depthwise_##t)(const ek_depthwise *g, const void *image, const void *filter, void *out, int64_t first,   \
                             int64_t last)                                                                             \
    {                                                                                                                  \
        for (int64_t r = first; r < last; r++)                                                                         \
            for (int64_t phase = 0; phase < g->period; phase++)                                                        \
                for (int64_t x = phase, n; x < g->width; x += n * g->period) {                                         \
                    const ek_taps *at = &g->column[x];                                                                 \
                    T *to = (T *)out + (r * g->width + x) * g->channels;                                               \
                    n = alike(g, x);                                                                                   \
                    if (n == 1) t##_single(g, &g->row[r], at, image, 0, filter, to);                                   \
                    else t##_four(g, &g->row[r], at, image, (at[g->period].at - at->at) * g->channels, filter, to);    \
                }                                                                                                      \
    }

/* One tap of the filter in one row: sums over the row of `n` blocks of channels. */
#define TAP(name, T, V, n)                                                                                             \
    ALWAYS void name(const ek_taps *x, int64_t channels, const T *image, const T *grad, T *sums)                       \
    {                                                                                                                  \
        V sum[n] = { 0 }, v, w;                                                                                        \
        enum { LANES = sizeof(V) / sizeof(T) };                                                                        \
                                                                                                                       \
        for (int64_t j = 0; j < x->count; j++) {                                                                       \
            const T *from = image + (x->at + j * x->at_step) * channels;                                               \
            const T *dy = grad + (x->first + j * x->step) * channels;                                                  \
            for (int q = 0; q < (n); q++) {                                                                            \
                memcpy(&v, from + q * LANES, sizeof v);                                                                \
                memcpy(&w, dy + q * LANES, sizeof w);                                                                  \
                sum[q] += v * w;                                                                                       \
            }                                                                                                          \
        }                                                                                                              \
        for (int q = 0; q < (n); q++) {                                                                                \
            memcpy(&v, sums + q * LANES, sizeof v);                                                                    \
            v += sum[q];                                                                                               \
            memcpy(sums + q * LANES, &v, sizeof v);                                                                    \
        }                                                                                                              \
    }

#define BY_FILTER(t, T, WIDE_V, NARROW_V)                                                                              \
    TAP(t##_tap_blocks, T, WIDE_V, WIDE_BLOCKS)                                                                        \
    TAP(t##_tap_wide, T, WIDE_V, 1)                                                                                    \
    TAP(t##_tap_narrow, T, NARROW_V, 1)                                                                                \
    TAP(t##_tap_one, T, T, 1)                                                                                          \
    static void t##_tap(const ek_taps *x, int64_t channels, const T *image, const T *grad, T *sums)                    \
    {                                                                                                                  \
        enum { WIDE = 64 / sizeof(T), NARROW = 16 / sizeof(T), BLOCKS = WIDE * WIDE_BLOCKS };                          \
        int64_t c = 0;                                                                                                 \
                                                                                                                       \
        for (; c + BLOCKS <= channels; c += BLOCKS) t##_tap_blocks(x, channels, image + c, grad + c, sums + c);        \
        for (; c + WIDE <= channels; c += WIDE) t##_tap_wide(x, channels, image + c, grad + c, sums + c);              \
        for (; c + NARROW <= channels; c += NARROW) t##_tap_narrow(x, channels, image + c, grad + c, sums + c);        \
        for (; c < channels; c++) t##_tap_one(x, channels, image + c, grad + c, sums + c);                             \
    }                                                                                                                  \
    void EK_K(depthwise_by_filter_##t)(const ek_depthwise *g, const void *image, const void *grad, void *sums,         \
                                       int64_t first, int64_t last)                                                    \
    {                                                                                                                  \
        for (int64_t r = first; r < last; r++) {                                                                       \
            const ek_taps *y = &g->row[r];                                                                             \
            const T *dy = (const T *)grad + r * g->width * g->channels;                                                \
            for (int64_t i = 0; i < y->count; i++) {                                                                   \
                const T *from = (const T *)image + (y->at + i * y->at_step) * g->image_width * g->channels;            \
                T *to = (T *)sums + (y->first + i * y->step) * g->kernel_width * g->channels;                          \
                for (int64_t k = 0; k < g->kernel_width; k++)                                                          \
                    t##_tap(&g->column[k], g->channels, from, dy, to + k * g->channels);                               \
            }                                                                                                          \
        }                                                                                                              \
    }

FORWARD(f32, float, f32x16, f32x4)
FORWARD(f64, double, f64x8, f64x2)
BY_FILTER(f32, float, f32x16, f32x4)
BY_FILTER(f64, double, f64x8, f64x2)
