/* codec/tensor.h - TensorProto and TensorShapeProto, to and from arrays and shapes. */
#ifndef EK_CODEC_TENSOR_H
#define EK_CODEC_TENSOR_H

#include "codec/source.h"
#include "codec/wire.h"
#include "values/array.h"

/* What reading tensors of one file shares.
 * source     what the bytes belong to: large numbers are used in place, holding a reference; NULL: all is copied
 * expansion  bytes that tensors may still take in memory beyond what they take in the file: a file of a hundred bytes can
 *            claim a tensor of a terabyte, because the last value repeats */
typedef struct ek_tensor_reader {
    ek_source *source;
    size_t expansion;
} ek_tensor_reader;
#define EK_TENSOR_EXPANSION ((size_t)1 << 30) /* what a file may claim by default */

/* An array from a TensorProto. Missing values repeat the last one, none at all are zeros, too many are ignored.
 * Errors  INVALID_ARGUMENT "Cannot parse tensor from proto: ..": a dtype without elements, a shape that is not fully known
 *         or has more than 16 dimensions, tensor_content of the wrong length; RESOURCE_EXHAUSTED: no memory, or more
 *         repeated values than `expansion` allows. */
ek_status ek__tensor_read(ek_tensor_reader *r, ek_span proto, ek_array **out, ek_error *err);

/* A shape from a TensorShapeProto. false: more than 16 dimensions, or one below -1. */
bool ek__shape_read(ek_span proto, ek_shape *out);

/* The fields of a TensorProto, as TensorFlow 1.15 writes constants: tensor_content for more than one element, the typed
 * field for one element and strings. `values` > 0: only that many values, in the typed field, the last of which stands for
 * the rest (a scalar broadcast to a shape has one). `values` < 0: one number too in tensor_content. */
void ek__tensor_write(ek_buf *b, const ek_array *a, int64_t values);
void ek__shape_write(ek_buf *b, const ek_shape *s); /* the fields of a TensorShapeProto */

#endif
