/* dnn/dnn.h - products and convolutions of float32 by oneDNN, the only includer of it.
 *
 * Prepared when a plan is made (which may generate code: up to a millisecond), run on raw
 * pointers. A prepared primitive belongs to an arena and goes with it. It runs on the
 * calling thread alone, whatever OpenMP's settings, which stay as they were; several
 * threads may run it at once, each with a scratch of its own. Nothing here is allocated
 * in a run unless more threads than EK_DNN_SPARES run the same primitive.
 *
 * Sums are oneDNN's: the same for equal shapes and processors, not across CPU levels.
 */
#ifndef EK_DNN_DNN_H
#define EK_DNN_DNN_H

#include "base/base.h"

typedef struct ek_dnn ek_dnn;
enum { EK_DNN_SPARES = 4 };

/* c[m, n] = a[m, k] * b[k, n], row-major and dense; a transposed matrix is stored [k, m], [n, k]. */
typedef struct ek_dnn_matmul {
    int64_t m, n, k;
    bool transpose_a, transpose_b;
    int64_t stride_a; /* from one stored row of a to the next; so that a part of a transposed a's rows can be taken */
} ek_dnn_matmul;

/* Cross-correlation, two-dimensional. Weights are height, width, input, output. */
typedef struct ek_dnn_conv {
    int64_t images, in_channels, out_channels;
    int64_t in[2], out[2], kernel[2];      /* height, width */
    int64_t stride[2], dilation[2];        /* dilation 1: none */
    int64_t before[2], after[2];           /* padding */
    bool channels_first;                   /* of input and output */
} ek_dnn_conv;

/* Errors  UNIMPLEMENTED: oneDNN has nothing but a reference loop, or a size exceeds its types; use own loops.
 *         RESOURCE_EXHAUSTED. */
ek_status ek__dnn_matmul(ek_arena *arena, const ek_dnn_matmul *spec, ek_dnn **out, ek_error *err);
ek_status ek__dnn_conv(ek_arena *arena, const ek_dnn_conv *spec, ek_dnn **out, ek_error *err);

/* Bytes of scratch a run needs (64-byte aligned). */
size_t ek__dnn_scratch(const ek_dnn *d);
/* Bytes of the weights in the layout that a convolution wants. */
size_t ek__dnn_weights_bytes(const ek_dnn *d);
/* Turns plain weights into that layout. */
ek_status ek__dnn_pack_weights(const ek_dnn *d, const float *plain, void *packed, ek_error *err);
/* a times b; or an input convolved with packed weights. */
ek_status ek__dnn_run(const ek_dnn *d, const float *a, const void *b, float *c, void *scratch, ek_error *err);

#endif
