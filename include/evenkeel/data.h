/* evenkeel/data.h - data to train on. */
#ifndef EVENKEEL_DATA_H
#define EVENKEEL_DATA_H

#include "evenkeel/array.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Handwriting without a download: digits that are drawn, each in a pose, a width of stroke and a noise of its own.
 *
 * images  float32 [n, 784], rows of 28 x 28 pixels from the top left, 0 (paper) to 1 (ink)
 * labels  int64 [n], 0 to 9, drawn evenly
 * seed    any; the same seed gives the same bits on every machine, and the first images of a longer row are those of a
 *         shorter one. Train and test on different seeds.
 *
 * Both arrays are new references, the caller's. The nearest mean image names less than 85 % of them rightly, a small
 * network more than 97 %.
 * Errors  INVALID_ARGUMENT: n below 0, a NULL pointer; RESOURCE_EXHAUSTED. Then both are NULL. */
EK_API EK_MUST_CHECK ek_status ek_digits(int64_t seed, int64_t n, ek_array **images, ek_array **labels);

/* One array of a file in IDX form, as MNIST has its images and labels; also when gzip has packed it (.gz), which its content
 * tells. All types of IDX: uint8, int8, int16, int32, float32, float64; up to 16 dimensions. MNIST's images come as uint8
 * [n, 28, 28], 0 (paper) to 255 (ink), its labels as uint8 [n].
 *
 * *out is a new reference, the caller's; NULL on failure.
 * Errors  NOT_FOUND and the like: what the operating system says of `path`; INVALID_ARGUMENT: no IDX file, more than 16
 *         dimensions; DATA_LOSS: cut off, damaged, longer than it says; RESOURCE_EXHAUSTED: no memory, or more than 4 GiB of
 *         elements in a .gz. */
EK_API EK_MUST_CHECK ek_status ek_idx_load(const char *path, ek_array **out);

#ifdef __cplusplus
}
#endif
#endif
