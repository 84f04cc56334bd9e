/* kernels/pool_lv.c - pooling over one image and its gradients: float, double, and integers as 64 bits.
 *
 * Channels are independent of each other and the pixels of a window are taken in row-major
 * order, so every level gives the same bits. A window without a pixel has no winner: its largest
 * element is the lowest number of the type, its gradient goes nowhere.
 */
#include <float.h>
#include <string.h>

#include "kernels/level.h"

enum { TILE = 64 }; /* channels whose winners are looked for at a time */

/* The pixels of a window that lie inside the image: [low, high) in each dimension. */
typedef struct span {
    int64_t low[3], high[3];
} span;

static inline void span_set(const ek_pool *p, int i, int64_t position, span *s)
{
    const int64_t first = position * p->stride[i] - p->before[i], end = first + p->kernel[i];

    s->low[i] = first > 0 ? first : 0;
    s->high[i] = end < p->in[i] ? end : p->in[i];
}

static inline int64_t span_pixels(const span *s)
{
    int64_t n = 1;

    for (int i = 0; i < 3; i++) n *= s->high[i] > s->low[i] ? s->high[i] - s->low[i] : 0;
    return n;
}

/* Rows of output [first, last) of depth * height, their pixels one after the other: `s` and `to`, the pixel's number. */
#define EACH_WINDOW(p, first, last)                                                     \
    for (int64_t row = (first), to = row * (p)->out[2]; row < (last); row++)             \
        for (int64_t column = 0; column < (p)->out[2]; column++, to++)
#define WINDOW_SPAN(p)                      \
    span s;                                 \
    span_set(p, 0, row / (p)->out[1], &s);  \
    span_set(p, 1, row % (p)->out[1], &s);  \
    span_set(p, 2, column, &s)

/* The pixels of span `s`: `from`, their number in the image. */
#define EACH_PIXEL(p)                                   \
    for (int64_t d = s.low[0]; d < s.high[0]; d++)      \
        for (int64_t h = s.low[1]; h < s.high[1]; h++)  \
            for (int64_t from = (d * (p)->in[1] + h) * (p)->in[2] + s.low[2], end = from + s.high[2] - s.low[2]; from < end; from++)

/* Which pixel holds the first largest element of each of n channels, -1: none. A NaN wins only where it comes first. */
#define WINNERS(T, t)                                                                                            \
    static inline void winners_##t(const ek_pool *p, const T *restrict x, span s, int64_t n, int32_t *restrict at) \
    {                                                                                                            \
        T best[TILE];                                                                                            \
        bool begun = false;                                                                                      \
                                                                                                                 \
        for (int64_t j = 0; j < n; j++) at[j] = -1;                                                              \
        EACH_PIXEL(p)                                                                                            \
        {                                                                                                        \
            const T *restrict pixel = x + from * p->channels;                                                    \
            for (int64_t j = 0; j < n; j++) {                                                                    \
                const bool wins = !begun || best[j] < pixel[j];                                                  \
                best[j] = wins ? pixel[j] : best[j];                                                             \
                at[j] = wins ? (int32_t)from : at[j];                                                            \
            }                                                                                                    \
            begun = true;                                                                                        \
        }                                                                                                        \
    }

/* Adds in ADD: integers wrap around. */
#define MAXIMA(T, t, ADD, LOWEST)                                                                                \
    void EK_K(pool_max_##t)(const ek_pool *p, const void *image, void *out, int64_t first, int64_t last)        \
    {                                                                                                            \
        EACH_WINDOW(p, first, last)                                                                              \
        {                                                                                                        \
            T *restrict y = (T *)out + to * p->channels;                                                         \
            WINDOW_SPAN(p);                                                                                      \
            for (int64_t j = 0; j < p->channels; j++) y[j] = LOWEST;                                             \
            EACH_PIXEL(p)                                                                                        \
            {                                                                                                    \
                const T *restrict x = (const T *)image + from * p->channels;                                     \
                for (int64_t j = 0; j < p->channels; j++) y[j] = y[j] < x[j] ? x[j] : y[j];                      \
            }                                                                                                    \
        }                                                                                                        \
    }                                                                                                            \
    void EK_K(pool_winners_##t)(const ek_pool *p, const void *image, int32_t *out, int64_t first, int64_t last) \
    {                                                                                                            \
        EACH_WINDOW(p, first, last)                                                                              \
        {                                                                                                        \
            WINDOW_SPAN(p);                                                                                      \
            for (int64_t c = 0; c < p->channels; c += TILE)                                                      \
                winners_##t(p, (const T *)image + c, s, p->channels - c < TILE ? p->channels - c : TILE,         \
                            out + to * p->channels + c);                                                         \
        }                                                                                                        \
    }                                                                                                            \
    void EK_K(pool_max_grad_##t)(const ek_pool *p, const void *image, const void *grad, void *out)               \
    {                                                                                                            \
        T *dx = out;                                                                                             \
        int32_t at[TILE];                                                                                        \
                                                                                                                 \
        memset(dx, 0, (size_t)(p->in[0] * p->in[1] * p->in[2] * p->channels) * sizeof *dx);                      \
        EACH_WINDOW(p, 0, p->out[0] * p->out[1])                                                                 \
        {                                                                                                        \
            WINDOW_SPAN(p);                                                                                      \
            for (int64_t c = 0; c < p->channels; c += TILE) {                                                    \
                const int64_t n = p->channels - c < TILE ? p->channels - c : TILE;                               \
                const T *dy = (const T *)grad + to * p->channels + c;                                            \
                winners_##t(p, (const T *)image + c, s, n, at);                                                  \
                for (int64_t j = 0; j < n; j++)                                                                  \
                    if (at[j] >= 0) {                                                                            \
                        T *to_dx = &dx[at[j] * p->channels + c + j];                                             \
                        *to_dx = (T)((ADD)*to_dx + (ADD)dy[j]);                                                  \
                    }                                                                                            \
            }                                                                                                    \
        }                                                                                                        \
    }

WINNERS(float, f32)
WINNERS(double, f64)
WINNERS(int64_t, i64)
MAXIMA(float, f32, float, -FLT_MAX)
MAXIMA(double, f64, double, -DBL_MAX)
MAXIMA(int64_t, i64, uint64_t, INT64_MIN)

/* Means are sums over their number; their gradient is spread by that number's reciprocal, as TensorFlow does it. */
#define MEANS(T, t)                                                                                              \
    void EK_K(pool_mean_##t)(const ek_pool *p, const void *image, void *out, int64_t first, int64_t last)       \
    {                                                                                                            \
        EACH_WINDOW(p, first, last)                                                                              \
        {                                                                                                        \
            T *restrict y = (T *)out + to * p->channels;                                                         \
            WINDOW_SPAN(p);                                                                                      \
            const T n = (T)span_pixels(&s);                                                                      \
            for (int64_t j = 0; j < p->channels; j++) y[j] = 0;                                                  \
            EACH_PIXEL(p)                                                                                        \
            {                                                                                                    \
                const T *restrict x = (const T *)image + from * p->channels;                                     \
                for (int64_t j = 0; j < p->channels; j++) y[j] += x[j];                                          \
            }                                                                                                    \
            for (int64_t j = 0; j < p->channels; j++) y[j] /= n;                                                 \
        }                                                                                                        \
    }                                                                                                            \
    void EK_K(pool_mean_grad_##t)(const ek_pool *p, const void *grad, void *out)                                 \
    {                                                                                                            \
        memset(out, 0, (size_t)(p->in[0] * p->in[1] * p->in[2] * p->channels) * sizeof(T));                      \
        EACH_WINDOW(p, 0, p->out[0] * p->out[1])                                                                 \
        {                                                                                                        \
            const T *restrict dy = (const T *)grad + to * p->channels;                                           \
            WINDOW_SPAN(p);                                                                                      \
            const T share = (T)1 / (T)span_pixels(&s);                                                           \
            EACH_PIXEL(p)                                                                                        \
            {                                                                                                    \
                T *restrict dx = (T *)out + from * p->channels;                                                  \
                for (int64_t j = 0; j < p->channels; j++) dx[j] += dy[j] * share;                                \
            }                                                                                                    \
        }                                                                                                        \
    }

MEANS(float, f32)
MEANS(double, f64)
