/* codec/picture.h - numbers as pixels, pixels as PNG. */
#ifndef EK_CODEC_PICTURE_H
#define EK_CODEC_PICTURE_H

#include "values/array.h"

/* TensorFlow's scaling of float16, float32 or float64 to 0..255: with nothing below zero the largest becomes 255, otherwise
 * zero is 128 and the farthest from it 1 or 255. A pixel that is not finite in one of its channels gets `bad`. uint8 stays
 * as it is. n pixels of `depth` channels. */
void ek__pixels_of(ek_dtype dtype, const void *data, int64_t n, int depth, const uint8_t bad[4], uint8_t *out);

/* Appends a PNG file of 8 bits per channel: 1 gray, 3 RGB, 4 RGBA.
 * Errors  INVALID_ARGUMENT: no pixels, or more than 2^31 - 1 on a side; RESOURCE_EXHAUSTED. */
ek_status ek__png_put(ek_buf *b, const uint8_t *pixels, int64_t height, int64_t width, int depth, ek_error *err);

#endif
