/* kernels/random.h - tensors of random numbers from a Philox stream; the same at every CPU level.
 *
 * A fill begins at the stream's counter and writes n numbers. Numbers come in groups: a
 * block of the stream each (four numbers of up to 32 bits, two of 64), truncated normals
 * EK_TRUNCATED_BLOCKS (doubles: half of it) apart. To fill from number i on, a multiple of the group, skip first.
 */
#ifndef EK_KERNELS_RANDOM_H
#define EK_KERNELS_RANDOM_H

#include "kernels/philox.h"

enum { EK_TRUNCATED_BLOCKS = 256 };

/* In [0, 1). */
void ek__random_uniform_f32(const ek_philox *from, int64_t n, void *out);
void ek__random_uniform_f64(const ek_philox *from, int64_t n, void *out);
void ek__random_uniform_f16(const ek_philox *from, int64_t n, void *out);
void ek__random_uniform_bf16(const ek_philox *from, int64_t n, void *out);
/* Mean 0, deviation 1, by Box and Muller; the halves are the floats, rounded. */
void ek__random_normal_f32(const ek_philox *from, int64_t n, void *out);
void ek__random_normal_f64(const ek_philox *from, int64_t n, void *out);
void ek__random_normal_f16(const ek_philox *from, int64_t n, void *out);
void ek__random_normal_bf16(const ek_philox *from, int64_t n, void *out);
/* The same, drawn anew until inside (-2, 2). */
void ek__random_truncated_f32(const ek_philox *from, int64_t n, void *out);
void ek__random_truncated_f64(const ek_philox *from, int64_t n, void *out);
void ek__random_truncated_f16(const ek_philox *from, int64_t n, void *out);
void ek__random_truncated_bf16(const ek_philox *from, int64_t n, void *out);
/* lo + (word mod range), wrapping. */
void ek__random_int_i32(const ek_philox *from, int64_t n, int32_t lo, uint32_t range, int32_t *out);
void ek__random_int_i64(const ek_philox *from, int64_t n, int64_t lo, uint64_t range, int64_t *out);

/* Draws `samples` classes out of exp(logit); logits that are not finite have no chance. cdf has room for `classes`. */
void ek__random_classes(ek_philox_words *words, int64_t classes, const double *logits, double *cdf, int64_t samples,
                        int64_t *out);

#endif
