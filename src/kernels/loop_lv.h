/* kernels/loop_lv.h - how the element-wise loops of a level are written: one expression, one macro each.
 *
 * The expression sees a, b and c: one element of each input in the loop's working type, and
 * `parameter`, the float that `state` points to (0 without one). Loops without
 * transcendental functions are plain C, which the compiler turns into vectors; those with
 * them are written over vec.h (math_lv.c). 16-bit floats are computed as float and rounded
 * once.
 *
 * SHAPE below stands for UNARY, BINARY or TERNARY, RESULT for SAME (results of the elements' own
 * type) or TRUTH (bool).
 */
#ifndef EK_KERNELS_LOOP_LV_H
#define EK_KERNELS_LOOP_LV_H

#include "kernels/half.h"
#include "kernels/level.h"

#define LOOP_ARGS int64_t n, const void *const *in, const int *step, void *out, const void *state
typedef void loop_fn(LOOP_ARGS);

#define SAME(T) T
#define TRUTH(T) bool

/* No element depends on another, even where `out` is one of the inputs. */
#ifdef __clang__
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

#define EACH(DECLARE, OUT, EXPR)          \
    {                                     \
        INDEPENDENT                       \
        for (int64_t i = 0; i < n; i++) { \
            DECLARE;                      \
            z[i] = (OUT)(EXPR);           \
        }                                 \
    }
#define PARAMETER const float parameter = state != NULL ? *(const float *)state : 0.0f; (void)parameter

/* One input of type IN, computed in W. */
#define UNARY(NAME, IN, W, OUT, EXPR)                          \
    void EK_K(NAME)(LOOP_ARGS)                                 \
    {                                                          \
        const IN *const x = in[0];                             \
        const W x0 = n > 0 ? (W)x[0] : (W)0;                   \
        OUT *const z = out;                                    \
        PARAMETER;                                             \
        if (step[0] == 1) EACH(const W a = (W)x[i], OUT, EXPR) \
        else EACH(const W a = x0, OUT, EXPR)                   \
    }

/* Two inputs. */
#define BINARY(NAME, IN, W, OUT, EXPR)                                                              \
    void EK_K(NAME)(LOOP_ARGS)                                                                      \
    {                                                                                               \
        const IN *const x = in[0], *const y = in[1];                                                \
        const W x0 = n > 0 ? (W)x[0] : (W)0, y0 = n > 0 ? (W)y[0] : (W)0;                           \
        OUT *const z = out;                                                                         \
        PARAMETER;                                                                                  \
        if (step[0] == 1 && step[1] == 1) EACH(const W a = (W)x[i]; const W b = (W)y[i], OUT, EXPR) \
        else if (step[0] == 1) EACH(const W a = (W)x[i]; const W b = y0, OUT, EXPR)                 \
        else if (step[1] == 1) EACH(const W a = x0; const W b = (W)y[i], OUT, EXPR)                 \
        else EACH(const W a = x0; const W b = y0, OUT, EXPR)                                        \
    }

/* Three inputs, for types that are rare. */
#define TERNARY_RARE(NAME, IN, W, OUT, EXPR)                                                            \
    void EK_K(NAME)(LOOP_ARGS)                                                                          \
    {                                                                                                   \
        const IN *const x0 = in[0], *const x1 = in[1], *const x2 = in[2];                               \
        OUT *const z = out;                                                                             \
        const int64_t p = step[0], q = step[1], r = step[2];                                            \
        (void)state;                                                                                    \
        EACH(const W a = (W)x0[p * i]; const W b = (W)x1[q * i]; const W c = (W)x2[r * i], OUT, EXPR)   \
    }
#define TERNARY TERNARY_RARE

/* The same in one loop, for types that are rare. */
#define UNARY_RARE UNARY
#define BINARY_RARE(NAME, IN, W, OUT, EXPR)                                             \
    void EK_K(NAME)(LOOP_ARGS)                                                          \
    {                                                                                   \
        const IN *const x = in[0], *const y = in[1];                                    \
        OUT *const z = out;                                                             \
        const int64_t p = step[0], q = step[1];                                         \
        PARAMETER;                                                                      \
        EACH(const W a = (W)x[p * i]; const W b = (W)y[q * i], OUT, EXPR)               \
    }

/* ---- sets of types, as in kernels/loops.h --------------------------------------------------- */

#define WIDE(SHAPE, op, RESULT, EXPR)                  \
    SHAPE(op##_f32, float, float, RESULT(float), EXPR) \
    SHAPE(op##_f64, double, double, RESULT(double), EXPR)

/* int32 and int64, or all integers, computed in their own type. */
#define INDEX(SHAPE, op, RESULT, EXPR)                       \
    SHAPE(op##_i32, int32_t, int32_t, RESULT(int32_t), EXPR) \
    SHAPE(op##_i64, int64_t, int64_t, RESULT(int64_t), EXPR)
#define INTS(SHAPE, op, RESULT, EXPR)                                \
    INDEX(SHAPE, op, RESULT, EXPR)                                   \
    SHAPE##_RARE(op##_i8, int8_t, int8_t, RESULT(int8_t), EXPR)      \
    SHAPE##_RARE(op##_u8, uint8_t, uint8_t, RESULT(uint8_t), EXPR)   \
    SHAPE##_RARE(op##_i16, int16_t, int16_t, RESULT(int16_t), EXPR)  \
    SHAPE##_RARE(op##_u16, uint16_t, uint16_t, RESULT(uint16_t), EXPR) \
    SHAPE##_RARE(op##_u32, uint32_t, uint32_t, RESULT(uint32_t), EXPR) \
    SHAPE##_RARE(op##_u64, uint64_t, uint64_t, RESULT(uint64_t), EXPR)

/* The same for arithmetic that wraps around: computed unsigned, in at least 32 bits (16 would be promoted to int,
 * where overflow is undefined). */
#define WRAPPING_INDEX(SHAPE, op, EXPR)               \
    SHAPE(op##_i32, int32_t, uint32_t, int32_t, EXPR) \
    SHAPE(op##_i64, int64_t, uint64_t, int64_t, EXPR)
#define WRAPPING(SHAPE, op, EXPR)                              \
    WRAPPING_INDEX(SHAPE, op, EXPR)                            \
    SHAPE##_RARE(op##_i8, int8_t, uint32_t, int8_t, EXPR)      \
    SHAPE##_RARE(op##_u8, uint8_t, uint32_t, uint8_t, EXPR)    \
    SHAPE##_RARE(op##_i16, int16_t, uint32_t, int16_t, EXPR)   \
    SHAPE##_RARE(op##_u16, uint16_t, uint32_t, uint16_t, EXPR) \
    SHAPE##_RARE(op##_u32, uint32_t, uint32_t, uint32_t, EXPR) \
    SHAPE##_RARE(op##_u64, uint64_t, uint64_t, uint64_t, EXPR)

/* Division: NARROW in 64 bits, where the types below cannot overflow; int64 and uint64 have their own care. */
#define DIVISION_INDEX(op, NARROW, SIGNED)            \
    BINARY(op##_i32, int32_t, int64_t, int32_t, NARROW) \
    BINARY(op##_i64, int64_t, int64_t, int64_t, SIGNED)
#define DIVISION(op, NARROW, SIGNED, UNSIGNED)                 \
    DIVISION_INDEX(op, NARROW, SIGNED)                         \
    BINARY_RARE(op##_i8, int8_t, int64_t, int8_t, NARROW)      \
    BINARY_RARE(op##_u8, uint8_t, int64_t, uint8_t, NARROW)    \
    BINARY_RARE(op##_i16, int16_t, int64_t, int16_t, NARROW)   \
    BINARY_RARE(op##_u16, uint16_t, int64_t, uint16_t, NARROW) \
    BINARY_RARE(op##_u32, uint32_t, int64_t, uint32_t, NARROW) \
    BINARY_RARE(op##_u64, uint64_t, uint64_t, uint64_t, UNSIGNED)

/* ---- 16-bit floats ------------------------------------------------------------------------- */

enum { HALF_BLOCK = 512 };

/* Runs a float loop over 16-bit elements by the block; results are narrowed, or truths as they come. */
#define HALF_LOOP(TYPE)                                                                               \
    static inline void TYPE##_loop(loop_fn *f, int n_in, bool truth, LOOP_ARGS)                       \
    {                                                                                                 \
        float wide[3][HALF_BLOCK], result[HALF_BLOCK];                                                \
        for (int64_t at = 0; at < n; at += HALF_BLOCK) {                                              \
            const int64_t m = n - at < HALF_BLOCK ? n - at : HALF_BLOCK;                              \
            for (int k = 0; k < n_in; k++) {                                                          \
                const uint16_t *const x = (const uint16_t *)in[k] + at * step[k];                     \
                for (int64_t i = 0; i < (step[k] == 1 ? m : 1); i++) wide[k][i] = half_from_##TYPE(x[i]); \
            }                                                                                         \
            f(m, (const void *const[3]){ wide[0], wide[1], wide[2] }, step,                           \
              truth ? (void *)((bool *)out + at) : (void *)result, state);                            \
            for (int64_t i = 0; !truth && i < m; i++) ((uint16_t *)out)[at + i] = half_to_##TYPE(result[i]); \
        }                                                                                             \
    }
HALF_LOOP(f16)
HALF_LOOP(bf16)

#define HALF(op, n_in, truth)                                                                          \
    void EK_K(op##_f16)(LOOP_ARGS) { f16_loop(EK_K(op##_f32), n_in, truth, n, in, step, out, state); } \
    void EK_K(op##_bf16)(LOOP_ARGS) { bf16_loop(EK_K(op##_f32), n_in, truth, n, in, step, out, state); }

/* All four floating types. */
#define FLOATS1(op, EXPR) WIDE(UNARY, op, SAME, EXPR) HALF(op, 1, false)
#define FLOATS2(op, EXPR) WIDE(BINARY, op, SAME, EXPR) HALF(op, 2, false)

#endif
