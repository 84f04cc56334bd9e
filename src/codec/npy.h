/* codec/npy.h - numpy's .npy files, in memory. */
#ifndef EK_CODEC_NPY_H
#define EK_CODEC_NPY_H

#include "values/array.h"

/* Reads one array; bytes after it are ignored, as numpy does. Errors say at which byte. */
ek_status ek__npy_decode(const void *data, size_t size, ek_array **out, ek_error *err);
/* Appends one array to `out`. */
ek_status ek__npy_encode(const ek_array *a, ek_buf *out, ek_error *err);

#endif
