/* kernels/arg.c - see arg.h. */
#include "kernels/arg.h"

#include "kernels/half.h"

#define AS_IS(v) (v)
#define ARG(t, T, W, LOAD)                                                            \
    int64_t ek__arg_##t(int64_t n, int64_t stride, const void *x, bool smallest)      \
    {                                                                                 \
        const T *p = x;                                                               \
        W best = LOAD(p[0]);                                                          \
        int64_t at = 0;                                                               \
                                                                                      \
        for (int64_t i = 1; i < n; i++) {                                             \
            const W v = LOAD(p[i * stride]);                                          \
            if (smallest ? v < best : v > best) {                                     \
                best = v;                                                             \
                at = i;                                                               \
            }                                                                         \
        }                                                                             \
        return at;                                                                    \
    }
ARG(f16, uint16_t, float, half_from_f16)
ARG(bf16, uint16_t, float, half_from_bf16)
ARG(f32, float, float, AS_IS)
ARG(f64, double, double, AS_IS)
ARG(i8, int8_t, int8_t, AS_IS)
ARG(i16, int16_t, int16_t, AS_IS)
ARG(i32, int32_t, int32_t, AS_IS)
ARG(i64, int64_t, int64_t, AS_IS)
ARG(u8, uint8_t, uint8_t, AS_IS)
ARG(u16, uint16_t, uint16_t, AS_IS)
ARG(u32, uint32_t, uint32_t, AS_IS)
ARG(u64, uint64_t, uint64_t, AS_IS)
