/* codec/idx.h - IDX, the files of MNIST, in memory. */
#ifndef EK_CODEC_IDX_H
#define EK_CODEC_IDX_H

#include "codec/wire.h"
#include "values/array.h"

/* What the elements of an .idx.gz may take in memory at most; of others it is bounded by the file. */
#define EK_IDX_MOST ((uint64_t)4 << 30)

/* One array, plain or in gzip form, told by its content.
 * Errors  INVALID_ARGUMENT: no IDX, more than 16 dimensions; DATA_LOSS: cut off, damaged, bytes behind the end;
 *         RESOURCE_EXHAUSTED: no memory, or more than EK_IDX_MOST. */
ek_status ek__idx_decode(const void *data, size_t size, ek_array **out, ek_error *err);

#endif
