/* kernels/loop_lv.h - how the element-wise loops of a level are written: one expression, one macro each.
 *
 * The expression sees a (and b, c): one element of each input in the loop's working type. Loops without
 * transcendental functions are plain C that the compiler turns into vectors; those with them go
 * through vec.h and vec_math.h. 16-bit floats are computed as float and rounded once.
 */
#ifndef EK_KERNELS_LOOP_LV_H
#define EK_KERNELS_LOOP_LV_H

#include "kernels/half.h"
#include "kernels/level.h"

#define LOOP_ARGS int64_t n, const void *const *in, const int *step, void *out, const void *state
typedef void loop_fn(LOOP_ARGS);

/* No element depends on another, even where `out` is one of the inputs. */
#ifdef __clang__
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

#define EACH(DECLARE, OUT, EXPR)              \
    {                                         \
        INDEPENDENT                           \
        for (int64_t i = 0; i < n; i++) {     \
            DECLARE;                          \
            z[i] = (OUT)(EXPR);               \
        }                                     \
    }

/* One input of type IN, computed in W. */
#define UNARY(NAME, IN, W, OUT, EXPR)                  \
    void EK_K(NAME)(LOOP_ARGS)                         \
    {                                                  \
        const IN *const x = in[0];                     \
        const W x0 = n > 0 ? (W)x[0] : (W)0;           \
        OUT *const z = out;                            \
        (void)state;                                   \
        if (step[0] == 1) EACH(const W a = (W)x[i], OUT, EXPR) \
        else EACH(const W a = x0, OUT, EXPR)           \
    }

/* Two inputs. */
#define BINARY(NAME, IN, W, OUT, EXPR)                                                             \
    void EK_K(NAME)(LOOP_ARGS)                                                                     \
    {                                                                                              \
        const IN *const x = in[0], *const y = in[1];                                               \
        const W x0 = n > 0 ? (W)x[0] : (W)0, y0 = n > 0 ? (W)y[0] : (W)0;                          \
        OUT *const z = out;                                                                        \
        (void)state;                                                                               \
        if (step[0] == 1 && step[1] == 1) EACH(const W a = (W)x[i]; const W b = (W)y[i], OUT, EXPR) \
        else if (step[0] == 1) EACH(const W a = (W)x[i]; const W b = y0, OUT, EXPR)                \
        else if (step[1] == 1) EACH(const W a = x0; const W b = (W)y[i], OUT, EXPR)                \
        else EACH(const W a = x0; const W b = y0, OUT, EXPR)                                       \
    }

/* The eight integer types; the working type is the type itself, or for arithmetic that wraps around an unsigned
 * one of at least 32 bits (smaller ones would be promoted to int, where overflow is undefined). */
#define EXACT(SHAPE, op, OUT_, EXPR)                                                                    \
    SHAPE(op##_i8, int8_t, int8_t, OUT_(int8_t), EXPR) SHAPE(op##_u8, uint8_t, uint8_t, OUT_(uint8_t), EXPR) \
    SHAPE(op##_i16, int16_t, int16_t, OUT_(int16_t), EXPR)                                              \
    SHAPE(op##_u16, uint16_t, uint16_t, OUT_(uint16_t), EXPR) EXACT_WORDS(SHAPE, op, OUT_, EXPR)        \
    SHAPE(op##_u32, uint32_t, uint32_t, OUT_(uint32_t), EXPR)                                           \
    SHAPE(op##_u64, uint64_t, uint64_t, OUT_(uint64_t), EXPR)
#define EXACT_WORDS(SHAPE, op, OUT_, EXPR)                 \
    SHAPE(op##_i32, int32_t, int32_t, OUT_(int32_t), EXPR) \
    SHAPE(op##_i64, int64_t, int64_t, OUT_(int64_t), EXPR)
#define WRAPPING(SHAPE, op, EXPR)                                                             \
    SHAPE(op##_i8, int8_t, uint32_t, int8_t, EXPR) SHAPE(op##_u8, uint8_t, uint32_t, uint8_t, EXPR) \
    SHAPE(op##_i16, int16_t, uint32_t, int16_t, EXPR)                                         \
    SHAPE(op##_u16, uint16_t, uint32_t, uint16_t, EXPR) WRAPPING_WORDS(SHAPE, op, EXPR)       \
    SHAPE(op##_u32, uint32_t, uint32_t, uint32_t, EXPR)                                       \
    SHAPE(op##_u64, uint64_t, uint64_t, uint64_t, EXPR)
#define WRAPPING_WORDS(SHAPE, op, EXPR)                \
    SHAPE(op##_i32, int32_t, uint32_t, int32_t, EXPR)  \
    SHAPE(op##_i64, int64_t, uint64_t, int64_t, EXPR)
#define WIDE(SHAPE, op, OUT_, EXPR)                  \
    SHAPE(op##_f32, float, float, OUT_(float), EXPR) \
    SHAPE(op##_f64, double, double, OUT_(double), EXPR)
/* Results of the elements' own type, or truths. */
#define SAME(T) T
#define TRUTH(T) bool

/* ---- 16-bit floats ------------------------------------------------------------------------- */

enum { HALF_BLOCK = 512 };

/* Runs a float loop over 16-bit elements by the block; results are narrowed, or truths as they come. */
#define HALF_LOOP(TYPE)                                                                              \
    static inline void TYPE##_loop(loop_fn *f, int n_in, bool truth, LOOP_ARGS)                      \
    {                                                                                                \
        float wide[3][HALF_BLOCK], result[HALF_BLOCK];                                               \
        const void *const block[3] = { wide[0], wide[1], wide[2] };                                  \
        for (int64_t at = 0; at < n; at += HALF_BLOCK) {                                             \
            const int64_t m = n - at < HALF_BLOCK ? n - at : HALF_BLOCK;                             \
            for (int k = 0; k < n_in; k++) {                                                         \
                const uint16_t *const x = (const uint16_t *)in[k] + at * step[k];                    \
                const int64_t count = step[k] == 1 ? m : 1;                                          \
                for (int64_t i = 0; i < count; i++) wide[k][i] = half_from_##TYPE(x[i]);               \
            }                                                                                        \
            f(m, block, step, truth ? (void *)((bool *)out + at) : (void *)result, state);           \
            for (int64_t i = 0; !truth && i < m; i++) ((uint16_t *)out)[at + i] = half_to_##TYPE(result[i]); \
        }                                                                                            \
    }
HALF_LOOP(f16)
HALF_LOOP(bf16)

#define HALF(op, n_in, truth)                                                                                 \
    void EK_K(op##_f16)(LOOP_ARGS) { f16_loop(EK_K(op##_f32), n_in, truth, n, in, step, out, state); }        \
    void EK_K(op##_bf16)(LOOP_ARGS) { bf16_loop(EK_K(op##_f32), n_in, truth, n, in, step, out, state); }

#endif
