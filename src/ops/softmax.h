/* ops/softmax.h - rows of logits less their largest, their powers of e and the sums of those: softmax and the losses on
 * it share this. */
#ifndef EK_OPS_SOFTMAX_H
#define EK_OPS_SOFTMAX_H

#include "ops/elementwise.h"

typedef void (*ek_fold_fn)(int64_t rows, int64_t stride, int64_t w, const void *x, void *acc);

/* Rows of n, `block` of them at a time in cache; halves are computed as floats. */
typedef struct ek_softmax {
    ek_dtype dtype, work;
    int64_t rows, n, block, chunks;
    ek_fold_fn max, sum;
    ek_elementwise_fn sub, mul, exp, div, log_double;
} ek_softmax;

void ek__softmax_init(ek_softmax *s, ek_dtype dtype, int64_t rows, int64_t n);
/* Bytes of scratch: of a block of rows in the working type; of a chunk, so many blocks and then a sum in double per row. */
size_t ek__softmax_block(const ek_softmax *s);
size_t ek__softmax_scratch(const ek_softmax *s, int blocks);

/* x, rows in the working type: less their largest; e: powers; sum[row]: of the powers, in double. */
void ek__softmax_powers(const ek_softmax *s, int64_t rows, void *x, void *e, double *sum);
double ek__softmax_log(const ek_softmax *s, double sum);

/* out[0 .. n) = in op v in the working type; the other way round: v op in. */
void ek__softmax_with(const ek_softmax *s, ek_elementwise_fn fn, int64_t n, const void *in, double v, void *out);
void ek__softmax_from(const ek_softmax *s, ek_elementwise_fn fn, int64_t n, double v, const void *in, void *out);
/* The sum of a row, in double, in 16 lanes. */
double ek__softmax_sum(const ek_softmax *s, const void *row);

#endif
