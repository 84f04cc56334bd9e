/* kernels/reduce_lv.c - folds rows of numbers into a row of accumulators, element by element.
 *
 * Every reduction is made of this one loop (ops/reduce.c): a long row is read as many rows
 * of 16, narrow columns as fewer rows of k columns side by side. Each accumulator adds in
 * row order at every level, whatever the vector width.
 */
#include "kernels/half.h"
#include "kernels/level.h"

typedef struct complex_f { float re, im; } complex_f;
typedef struct complex_d { double re, im; } complex_d;

#define ADD(a, v) ((a) + (v))
#define MUL(a, v) ((a) * (v))
#define ADD_SQUARE(a, v) ((a) + (v) * (v))
/* A NaN stays whichever way it came in. */
#define LARGER(a, v) ((v) > (a) || (v) != (v) ? (v) : (a))
#define SMALLER(a, v) ((v) < (a) || (v) != (v) ? (v) : (a))

/* Sixteen columns, the usual width, stay in registers; wider ones take four rows a turn. */
#define FOLD(name, T, A, LOAD, OP)                                                                        \
    void EK_K(name)(int64_t rows, int64_t stride, int64_t w, const void *x, void *acc)                    \
    {                                                                                                     \
        const T *restrict p = x;                                                                          \
        A *restrict a = acc;                                                                              \
        int64_t r = 0;                                                                                    \
                                                                                                          \
        if (w == 16) {                                                                                    \
            A t[16];                                                                                      \
            for (int j = 0; j < 16; j++) t[j] = a[j];                                                     \
            for (; r < rows; r++, p += stride)                                                            \
                for (int j = 0; j < 16; j++) { const A v = (A)LOAD(p[j]); t[j] = (A)OP(t[j], v); }        \
            for (int j = 0; j < 16; j++) a[j] = t[j];                                                     \
            return;                                                                                       \
        }                                                                                                 \
        for (; r + 4 <= rows; r += 4, p += 4 * stride)                                                    \
            for (int64_t j = 0; j < w; j++) {                                                             \
                const A v0 = (A)LOAD(p[j]), v1 = (A)LOAD(p[j + stride]);                                  \
                const A v2 = (A)LOAD(p[j + 2 * stride]), v3 = (A)LOAD(p[j + 3 * stride]);                 \
                A t = (A)OP(a[j], v0);                                                                    \
                t = (A)OP(t, v1);                                                                         \
                t = (A)OP(t, v2);                                                                         \
                a[j] = (A)OP(t, v3);                                                                      \
            }                                                                                             \
        for (; r < rows; r++, p += stride)                                                                \
            for (int64_t j = 0; j < w; j++) { const A v = (A)LOAD(p[j]); a[j] = (A)OP(a[j], v); }         \
    }

#define AS_IS(v) (v)
#define REAL(op, OP)                                             \
    FOLD(reduce_##op##_f16, uint16_t, double, half_from_f16, OP)  \
    FOLD(reduce_##op##_bf16, uint16_t, double, half_from_bf16, OP) \
    FOLD(reduce_##op##_f32, float, double, AS_IS, OP)            \
    FOLD(reduce_##op##_f64, double, double, AS_IS, OP)

/* Sums and products of integers wrap, so signed ones are folded as unsigned: sign extension comes first. */
#define WRAPPING(op, OP)                                        \
    FOLD(reduce_##op##_i8, int8_t, uint64_t, AS_IS, OP)         \
    FOLD(reduce_##op##_i16, int16_t, uint64_t, AS_IS, OP)       \
    FOLD(reduce_##op##_i32, int32_t, uint64_t, AS_IS, OP)       \
    FOLD(reduce_##op##_i64, int64_t, uint64_t, AS_IS, OP)
#define SIGNED(op, OP)                                          \
    FOLD(reduce_##op##_i8, int8_t, int64_t, AS_IS, OP)          \
    FOLD(reduce_##op##_i16, int16_t, int64_t, AS_IS, OP)        \
    FOLD(reduce_##op##_i32, int32_t, int64_t, AS_IS, OP)        \
    FOLD(reduce_##op##_i64, int64_t, int64_t, AS_IS, OP)
#define UNSIGNED(op, OP)                                        \
    FOLD(reduce_##op##_u8, uint8_t, uint64_t, AS_IS, OP)        \
    FOLD(reduce_##op##_u16, uint16_t, uint64_t, AS_IS, OP)      \
    FOLD(reduce_##op##_u32, uint32_t, uint64_t, AS_IS, OP)      \
    FOLD(reduce_##op##_u64, uint64_t, uint64_t, AS_IS, OP)

REAL(max, LARGER) SIGNED(max, LARGER) UNSIGNED(max, LARGER)
REAL(min, SMALLER) SIGNED(min, SMALLER) UNSIGNED(min, SMALLER)
REAL(prod, MUL) WRAPPING(prod, MUL) UNSIGNED(prod, MUL)
REAL(sum, ADD) WRAPPING(sum, ADD) UNSIGNED(sum, ADD)
REAL(sumsq, ADD_SQUARE) WRAPPING(sumsq, ADD_SQUARE) UNSIGNED(sumsq, ADD_SQUARE)

static inline complex_d complex_add(complex_d a, complex_d v)
{
    return (complex_d){ a.re + v.re, a.im + v.im };
}

static inline complex_d complex_mul(complex_d a, complex_d v)
{
    return (complex_d){ a.re * v.re - a.im * v.im, a.re * v.im + a.im * v.re };
}

/* v times its conjugate */
static inline complex_d complex_add_norm(complex_d a, complex_d v)
{
    return (complex_d){ a.re + (v.re * v.re + v.im * v.im), a.im };
}

#define FOLD_COMPLEX(name, T, STEP)                                                                       \
    EK_COMPLEX_LOOP void EK_K(name)(int64_t rows, int64_t stride, int64_t w, const void *x, void *acc) \
    {                                                                                                     \
        const T *p = x;                                                                                   \
        complex_d *a = acc;                                                                               \
                                                                                                          \
        for (int64_t r = 0; r < rows; r++, p += stride)                                                   \
            for (int64_t j = 0; j < w; j++) a[j] = STEP(a[j], (complex_d){ (double)p[j].re, (double)p[j].im }); \
    }
FOLD_COMPLEX(reduce_prod_c64, complex_f, complex_mul)
FOLD_COMPLEX(reduce_prod_c128, complex_d, complex_mul)
FOLD_COMPLEX(reduce_sum_c64, complex_f, complex_add)
FOLD_COMPLEX(reduce_sum_c128, complex_d, complex_add)
FOLD_COMPLEX(reduce_sumsq_c64, complex_f, complex_add_norm)
FOLD_COMPLEX(reduce_sumsq_c128, complex_d, complex_add_norm)
