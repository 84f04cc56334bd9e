/* kernels/arg.h - the place of the first largest or smallest element along an axis; compiled once, compares only. */
#ifndef EK_KERNELS_ARG_H
#define EK_KERNELS_ARG_H

#include <stdbool.h>
#include <stdint.h>

/* n elements `stride` apart; the first of equal ones. NaN is passed over unless it comes first. */
typedef int64_t ek_arg_fn(int64_t n, int64_t stride, const void *x, bool smallest);
ek_arg_fn ek__arg_f16, ek__arg_bf16, ek__arg_f32, ek__arg_f64, ek__arg_i8, ek__arg_i16, ek__arg_i32, ek__arg_i64,
    ek__arg_u8, ek__arg_u16, ek__arg_u32, ek__arg_u64;

#endif
