/* ops/scatter.h - rows of updates that go to rows of something else, named by indices.
 *
 * In the order of the updates: a row named twice is updated twice. Chunks own ranges of the
 * target's rows; each looks at all indices and does its own.
 */
#ifndef EK_OPS_SCATTER_H
#define EK_OPS_SCATTER_H

#include "ops/elementwise.h"

typedef enum ek_scatter_op {
    EK_SCATTER_UPDATE, EK_SCATTER_ADD, EK_SCATTER_SUB, EK_SCATTER_MUL, EK_SCATTER_DIV, EK_SCATTER_MIN, EK_SCATTER_MAX
} ek_scatter_op;

typedef struct ek_scatter {
    ek_dtype dtype, index_dtype;
    ek_elementwise_fn loop; /* row = loop(row, update); NULL: the update itself */
    int32_t depth;          /* indices that name a row: one, or a tuple */
    int64_t n, width;       /* updates, elements of each */
    bool scalar;            /* one number is every update */
    int64_t chunks;
    ek_shape places;        /* of the indices, without the tuples: for sentences */
} ek_scatter;

/* UNIMPLEMENTED where elements of this type cannot be joined so. n * width must fit. */
ek_status ek__scatter_init(ek_scatter *s, const ek_prepare_ctx *c, ek_scatter_op op, ek_dtype dtype);
/* Sets n, width, chunks. */
void ek__scatter_size(ek_scatter *s, int64_t n, int64_t width);

/* The first update whose indices lie outside `target`; -1: none. */
int64_t ek__scatter_outside(const ek_scatter *s, const ek_shape *target, const void *indices);
/* One chunk. Updates that name no row are left out. */
ek_status ek__scatter_chunk(const ek_scatter *s, const ek_shape *target, const void *indices, const void *updates,
                            void *data, int64_t chunk, ek_error *err);

/* out[0 .. n) = the element `value`, which has the size of the type. */
void ek__fill_elements(ek_dtype t, void *out, int64_t n, const void *value);

#endif
