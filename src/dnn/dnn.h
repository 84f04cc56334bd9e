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
    bool bias;        /* [n], added to every row of c */
} ek_dnn_matmul;

/* The same for a part of the columns or rows of larger matrices, without preparation. row_a, row_b, row_c: from one
 * stored row to the next. */
typedef struct ek_dnn_gemm {
    int64_t m, n, k;
    bool transpose_a, transpose_b;
    int64_t row_a, row_b, row_c;
} ek_dnn_gemm;

/* Cross-correlation, two-dimensional. Weights are height, width, input, output. */
typedef struct ek_dnn_conv {
    int64_t images, in_channels, out_channels;
    int64_t in[2], out[2], kernel[2];      /* height, width */
    int64_t stride[2], dilation[2];        /* dilation 1: none */
    int64_t before[2], after[2];           /* padding */
    bool channels_first;                   /* of input and output */
    bool bias;                             /* [out_channels], added to the output; forward only */
} ek_dnn_conv;

/* What of a convolution is computed from what: ek__dnn_run's a, b and c. */
typedef enum ek_dnn_way {
    EK_DNN_FORWARD, /* input, packed weights: output */
    EK_DNN_INPUT,   /* gradient of the output, packed weights: gradient of the input */
    EK_DNN_WEIGHTS  /* input, gradient of the output: gradient of the weights, packed */
} ek_dnn_way;

/* Errors  UNIMPLEMENTED: oneDNN has nothing but a reference loop, or a size exceeds its types; use own loops.
 *         RESOURCE_EXHAUSTED. */
ek_status ek__dnn_matmul(ek_arena *arena, const ek_dnn_matmul *spec, ek_dnn **out, ek_error *err);
/* Whether each row of c has the same bits whatever other rows the product has: true of oneDNN's newer loops among
 * products of which all say so; its older ones choose the order of additions by the number of rows. */
bool ek__dnn_rows_alone(const ek_dnn_matmul *spec);
ek_status ek__dnn_conv(ek_arena *arena, ek_dnn_way way, const ek_dnn_conv *spec, ek_dnn **out, ek_error *err);

/* Bytes of scratch a run needs (64-byte aligned). */
size_t ek__dnn_scratch(const ek_dnn *d);
/* Whether the convolution wants its weights in another layout than plain; packed weights are plain ones otherwise. */
bool ek__dnn_packs(const ek_dnn *d);
/* Bytes of the weights in the layout that a convolution wants. */
size_t ek__dnn_weights_bytes(const ek_dnn *d);
/* Whether two convolutions want their weights in the same layout. */
bool ek__dnn_same_weights(const ek_dnn *d, const ek_dnn *other);
/* Turns plain weights into that layout; turns a gradient in it into a plain one. Only where ek__dnn_packs. */
ek_status ek__dnn_pack_weights(const ek_dnn *d, const float *plain, void *packed, ek_error *err);
ek_status ek__dnn_unpack_weights(const ek_dnn *d, const void *packed, float *plain, ek_error *err);
/* c = a * b. Errors  RESOURCE_EXHAUSTED. */
ek_status ek__dnn_gemm(const ek_dnn_gemm *g, const float *a, const float *b, float *c, ek_error *err);
/* a times b; or a convolution, `way` says which. bias is NULL where the specification has none. No activation is
 * offered here: oneDNN's turn NaN into 0. */
ek_status ek__dnn_run(const ek_dnn *d, const void *a, const void *b, const float *bias, void *c, void *scratch,
                      ek_error *err);

#endif
