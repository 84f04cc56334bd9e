/* kernels/depthwise.h - the geometry of a depthwise convolution, as its loops see it. */
#ifndef EK_KERNELS_DEPTHWISE_H
#define EK_KERNELS_DEPTHWISE_H

#include <stdint.h>

/* Along one axis: what meets at a position. Number first + i * step of one side meets number at + i * at_step of another,
 * i = 0 .. count-1; past the edges nothing is met. */
typedef struct ek_taps {
    int64_t first, step, at, at_step, count;
} ek_taps;

/* One image; its pixels, those of the result and the filter's taps are `channels` numbers that lie side by side.
 * Forward, and the gradient by the input: `row` and `column` have what each row and column of the result meets, the
 * filter's taps first, then pixels of the image. By the filter: `row` as forward, `column` has what each column of the
 * filter meets, pixels of the output first, then those of the input. */
typedef struct ek_depthwise {
    int64_t channels;
    int64_t width;        /* of a row of the result; by the filter: of the output */
    int64_t image_width, kernel_width;
    int64_t period;       /* columns so far apart meet the same taps, but at the edges */
    const ek_taps *row, *column;
} ek_depthwise;

#endif
