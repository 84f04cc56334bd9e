/* ops/softmax.h - rows of logits less their largest, their powers of e and the sums of those: softmax and the losses on
 * it share this. */
#ifndef EK_OPS_SOFTMAX_H
#define EK_OPS_SOFTMAX_H

#include "ops/elementwise.h"

/* Rows of n, `block` of them at a time in cache; halves are computed as floats. */
typedef struct ek_softmax {
    ek_dtype dtype, work;
    int64_t rows, n, block, chunks;
    void (*less_largest)(int64_t rows, int64_t n, void *x);
    void (*sums)(int64_t rows, int64_t n, const void *x, double *sum);
    void (*minus)(int64_t rows, int64_t n, const void *x, const double *v, void *out);
    void (*over)(int64_t rows, int64_t n, const void *x, const double *v, void *out);
    ek_elementwise_fn exp, log_double;
} ek_softmax;

void ek__softmax_init(ek_softmax *s, ek_dtype dtype, int64_t rows, int64_t n);
/* Bytes of scratch: of a block of rows in the working type; of a chunk, so many blocks and then a sum in double per row. */
size_t ek__softmax_block(const ek_softmax *s);
size_t ek__softmax_scratch(const ek_softmax *s, int blocks);

/* x, rows in the working type: less their largest; e: powers; sum[row]: of the powers, in double. */
void ek__softmax_powers(const ek_softmax *s, int64_t rows, void *x, void *e, double *sum);
/* In place: the logarithm of the sum of each row. */
void ek__softmax_logs(const ek_softmax *s, int64_t rows, double *sum);

#endif
