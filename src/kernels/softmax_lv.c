/* kernels/softmax_lv.c - rows of logits: less their largest, sums of their powers, a number of its own taken from or
 * dividing each row.
 *
 * A row's largest and its sum are taken in 16 lanes, joined in order, whatever the vector width.
 */
#include "kernels/level.h"

enum { LANES = 16 };

/* A NaN stays whichever way it came in. */
#define LARGER(a, v) ((v) > (a) || (v) != (v) ? (v) : (a))
#define ADD(a, v) ((a) + (v))

/* Folds row[0 .. n) into `acc`, which starts as START in every lane. */
#define FOLD_ROW(A, START, OP)                                                                    \
    A lane[LANES];                                                                                \
    int64_t j = 0;                                                                                \
                                                                                                  \
    for (int i = 0; i < LANES; i++) lane[i] = (START);                                            \
    for (; j + LANES <= n; j += LANES)                                                            \
        for (int i = 0; i < LANES; i++) { const A v = (A)row[j + i]; lane[i] = OP(lane[i], v); }  \
    for (int i = 0; i < n - j; i++) { const A v = (A)row[j + i]; lane[i] = OP(lane[i], v); }      \
    for (int i = 1; i < LANES; i++) lane[0] = OP(lane[0], lane[i])

#define ROWS(T, TYPE)                                                                             \
    void EK_K(softmax_less_largest_##TYPE)(int64_t rows, int64_t n, void *x)                      \
    {                                                                                             \
        T *row = x;                                                                               \
                                                                                                  \
        for (int64_t r = 0; r < rows; r++, row += n) {                                            \
            FOLD_ROW(T, -(T)__builtin_inff(), LARGER);                                            \
            for (j = 0; j < n; j++) row[j] -= lane[0];                                            \
        }                                                                                         \
    }                                                                                             \
    void EK_K(softmax_sums_##TYPE)(int64_t rows, int64_t n, const void *x, double *sum)           \
    {                                                                                             \
        const T *row = x;                                                                         \
                                                                                                  \
        for (int64_t r = 0; r < rows; r++, row += n) {                                            \
            FOLD_ROW(double, 0, ADD);                                                             \
            sum[r] = lane[0];                                                                     \
        }                                                                                         \
    }                                                                                             \
    void EK_K(softmax_minus_##TYPE)(int64_t rows, int64_t n, const void *x, const double *v, void *out) \
    {                                                                                             \
        EACH_ROW(T, row[j] - number)                                                              \
    }                                                                                             \
    void EK_K(softmax_over_##TYPE)(int64_t rows, int64_t n, const void *x, const double *v, void *out) \
    {                                                                                             \
        EACH_ROW(T, row[j] / number)                                                              \
    }
#define EACH_ROW(T, EXPR)                                                                         \
    const T *row = x;                                                                             \
    T *to = out;                                                                                  \
                                                                                                  \
    for (int64_t r = 0; r < rows; r++, row += n, to += n) {                                       \
        const T number = (T)v[r];                                                                 \
        for (int64_t j = 0; j < n; j++) to[j] = EXPR;                                             \
    }

ROWS(float, f32)
ROWS(double, f64)
