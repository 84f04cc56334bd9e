/* ops/product.h - c = a * b for one or many matrices of any dtype, ready to run: MatMul and BatchMatMul use it. */
#ifndef EK_OPS_PRODUCT_H
#define EK_OPS_PRODUCT_H

#include "graph/op.h"

typedef struct ek_product_spec {
    ek_dtype dtype;
    int64_t m, n, k;           /* a is m by k, b is k by n once transposed as said */
    bool transpose_a, transpose_b;
    bool conjugate_a, conjugate_b;
    int64_t batch;
    ek_after after;            /* columns of c are the channels; float32 */
    const int64_t *matrix_a, *matrix_b; /* per product: which matrix of the input; NULL: the same number */
} ek_product_spec;

/* Sets state, scratch and phases: in[0] times in[1] into out[0].
 * Errors  UNIMPLEMENTED: a dtype without products; RESOURCE_EXHAUSTED. */
ek_status ek__product_prepare(ek_prepare_ctx *c, const ek_product_spec *spec);

#endif
