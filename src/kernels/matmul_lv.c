/* kernels/matmul_lv.c - products of matrices by plain loops: every dtype, every level, one order of additions.
 *
 * An element is summed over p in order, whatever block it falls into, so blocks may be cut
 * as speed likes. Sixteen columns of four rows at a time stay in registers. Big float32
 * products are oneDNN's (dnn/), these serve the rest: other dtypes, one row, small sides.
 */
#include <string.h>

#include "kernels/level.h"

typedef float f32x16 __attribute__((vector_size(64)));
typedef float f32x4 __attribute__((vector_size(16)));
typedef double f64x8 __attribute__((vector_size(64)));
typedef double f64x2 __attribute__((vector_size(16)));
typedef uint32_t u32x16 __attribute__((vector_size(64)));
typedef uint32_t u32x4 __attribute__((vector_size(16)));
typedef uint64_t u64x8 __attribute__((vector_size(64)));
typedef uint64_t u64x2 __attribute__((vector_size(16)));

/* One panel of columns as wide as V: four rows a turn, then the rest one by one. */
#define PANEL(name, T, V)                                                                                         \
    static inline void name(int64_t m, int64_t k, const T *a, int64_t a_row, int64_t a_col, const T *b, int64_t b_row, \
                            T *c, int64_t c_row)                                                                  \
    {                                                                                                             \
        int64_t i = 0;                                                                                            \
                                                                                                                  \
        for (; i + 4 <= m; i += 4) {                                                                              \
            const T *a0 = a + i * a_row, *a1 = a0 + a_row, *a2 = a1 + a_row, *a3 = a2 + a_row;                    \
            V c0 = { 0 }, c1 = { 0 }, c2 = { 0 }, c3 = { 0 };                                                     \
            for (int64_t p = 0; p < k; p++) {                                                                     \
                V v;                                                                                              \
                memcpy(&v, b + p * b_row, sizeof v);                                                              \
                c0 += a0[p * a_col] * v;                                                                          \
                c1 += a1[p * a_col] * v;                                                                          \
                c2 += a2[p * a_col] * v;                                                                          \
                c3 += a3[p * a_col] * v;                                                                          \
            }                                                                                                     \
            memcpy(c + i * c_row, &c0, sizeof c0);                                                                \
            memcpy(c + (i + 1) * c_row, &c1, sizeof c1);                                                          \
            memcpy(c + (i + 2) * c_row, &c2, sizeof c2);                                                          \
            memcpy(c + (i + 3) * c_row, &c3, sizeof c3);                                                          \
        }                                                                                                         \
        for (; i < m; i++) {                                                                                      \
            const T *a0 = a + i * a_row;                                                                          \
            V c0 = { 0 };                                                                                         \
            for (int64_t p = 0; p < k; p++) {                                                                     \
                V v;                                                                                              \
                memcpy(&v, b + p * b_row, sizeof v);                                                              \
                c0 += a0[p * a_col] * v;                                                                          \
            }                                                                                                     \
            memcpy(c + i * c_row, &c0, sizeof c0);                                                                \
        }                                                                                                         \
    }

#define COLUMN(name, T)                                                                                           \
    static inline void name(int64_t m, int64_t k, const T *a, int64_t a_row, int64_t a_col, const T *b, int64_t b_row, \
                            T *c, int64_t c_row)                                                                  \
    {                                                                                                             \
        for (int64_t i = 0; i < m; i++) {                                                                         \
            T sum = 0;                                                                                            \
            for (int64_t p = 0; p < k; p++) sum += a[i * a_row + p * a_col] * b[p * b_row];                       \
            c[i * c_row] = sum;                                                                                   \
        }                                                                                                         \
    }

#define PRODUCT(t, T, WIDE, NARROW)                                                                               \
    PANEL(t##_wide, T, WIDE)                                                                                      \
    PANEL(t##_narrow, T, NARROW)                                                                                  \
    COLUMN(t##_column, T)                                                                                         \
    void EK_K(matmul_##t)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row, int64_t a_col, const void *b, \
                          int64_t b_row, void *c, int64_t c_row)                                                  \
    {                                                                                                             \
        enum { WIDE_COLUMNS = sizeof(WIDE) / sizeof(T), NARROW_COLUMNS = sizeof(NARROW) / sizeof(T) };            \
        const T *right = b;                                                                                       \
        T *out = c;                                                                                               \
        int64_t j = 0;                                                                                            \
                                                                                                                  \
        for (; j + WIDE_COLUMNS <= n; j += WIDE_COLUMNS) \
            t##_wide(m, k, a, a_row, a_col, right + j, b_row, out + j, c_row); \
        for (; j + NARROW_COLUMNS <= n; j += NARROW_COLUMNS)                                                      \
            t##_narrow(m, k, a, a_row, a_col, right + j, b_row, out + j, c_row);                                  \
        for (; j < n; j++) t##_column(m, k, a, a_row, a_col, right + j, b_row, out + j, c_row);                   \
    }
PRODUCT(f32, float, f32x16, f32x4)
PRODUCT(f64, double, f64x8, f64x2)
PRODUCT(i32, uint32_t, u32x16, u32x4)
PRODUCT(i64, uint64_t, u64x8, u64x2)

#define COMPLEX_PRODUCT(t, T)                                                                                     \
    EK_COMPLEX_LOOP void EK_K(matmul_##t)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row, \
                                          int64_t a_col, const void *b, int64_t b_row, void *c, int64_t c_row)                   \
    {                                                                                                             \
        const T *x = a, *y = b;                                                                                   \
        T *z = c;                                                                                                 \
                                                                                                                  \
        for (int64_t i = 0; i < m; i++)                                                                           \
            for (int64_t j = 0; j < n; j++) {                                                                     \
                T re = 0, im = 0;                                                                                 \
                for (int64_t p = 0; p < k; p++) {                                                                 \
                    const T *u = x + 2 * (i * a_row + p * a_col), *v = y + 2 * (p * b_row + j);                   \
                    re += u[0] * v[0] - u[1] * v[1];                                                              \
                    im += u[0] * v[1] + u[1] * v[0];                                                              \
                }                                                                                                 \
                z[2 * (i * c_row + j)] = re;                                                                      \
                z[2 * (i * c_row + j) + 1] = im;                                                                  \
            }                                                                                                     \
    }
COMPLEX_PRODUCT(c64, float)
COMPLEX_PRODUCT(c128, double)

static inline float fold_lanes(const f32x16 *v)
{
    float lane[16], sum = 0;

    memcpy(lane, v, sizeof lane);
    for (int i = 0; i < 16; i++) sum += lane[i];
    return sum;
}

/* One row of b against a: whole turns of 16, the rest in a turn filled up with zeros. */
static inline float dot(int64_t k, const float *b, const float *a)
{
    f32x16 sum = { 0 }, u, v;
    int64_t p = 0;

    for (; p + 16 <= k; p += 16) {
        memcpy(&u, b + p, sizeof u);
        memcpy(&v, a + p, sizeof v);
        sum += u * v;
    }
    if (p < k) {
        memset(&u, 0, sizeof u);
        memset(&v, 0, sizeof v);
        memcpy(&u, b + p, (size_t)(k - p) * sizeof *b);
        memcpy(&v, a + p, (size_t)(k - p) * sizeof *a);
        sum += u * v;
    }
    return fold_lanes(&sum);
}

void EK_K(matmul_dots_f32)(int64_t n, int64_t k, const float *b, int64_t b_row, const float *a, float *c)
{
    for (int64_t j = 0; j < n; j++) c[j] = dot(k, b + j * b_row, a);
}
