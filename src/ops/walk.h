/* ops/walk.h - copies between strided views: transposing, slicing, joining, padding and kin are lists of these. */
#ifndef EK_OPS_WALK_H
#define EK_OPS_WALK_H

#include "graph/op.h"

enum { EK_WALK_RANK = 2 * EK_MAX_RANK };

/* Nested loops, outermost first; strides count elements. For every index i of dim:
 *     out[out_at + sum i[d] * out_stride[d]] = in[in_at + sum i[d] * in_stride[d]]
 * An input stride of 0 repeats, a negative one runs backwards. No element of `out` is written twice. */
typedef struct ek_walk {
    int rank;
    int64_t dim[EK_WALK_RANK], in_stride[EK_WALK_RANK], out_stride[EK_WALK_RANK];
    int64_t in_at, out_at;
} ek_walk;

/* Adds a loop inside those that are there. Loops of one turn vanish, those that continue each other become one. */
void ek__walk_loop(ek_walk *w, int64_t dim, int64_t in_stride, int64_t out_stride);

/* Where a part reads: an input, or one element of its own (zero, an empty string, unless it is set). */
enum { EK_FROM_CONSTANT = -1 };
typedef struct ek_part {
    ek_walk walk;
    int in, out; /* in may be EK_FROM_CONSTANT */
    uint64_t constant[2];
    int64_t count, first_chunk;
} ek_part;

/* Parts that are independent of each other; elements have one type. */
typedef struct ek_parts {
    ek_dtype dtype;
    int64_t n, cap;
    ek_part *part;
} ek_parts;

/* State for up to `cap` parts of elements like those of output 0; NULL (recorded) without memory. */
ek_parts *ek__parts_new(ek_prepare_ctx *c, int64_t cap);
/* Two lists in a row, done one after the other. */
ek_parts *ek__parts_pair(ek_prepare_ctx *c, int64_t cap_first, int64_t cap_second);
/* The next part, all zeros but for its ends. */
ek_walk *ek__parts_add(ek_parts *p, int in, int out);
/* Adds the phase that does them all; `run` finds the list through the state. */
void ek__parts_phase(ek_prepare_ctx *c, ek_parts *p, ek_run_fn run);
/* Chunk `chunk` of a list. */
ek_status ek__parts_chunk(const ek_parts *p, const ek_run_args *a, int64_t chunk);
/* The usual case: the list is the state, one phase does it. */
void ek__parts_only(ek_prepare_ctx *c, ek_parts *p);

/* Row-major strides of a shape. Of one without elements they mean nothing. */
void ek__strides(const ek_shape *s, int64_t *stride);
/* Product of dimensions [from, to). */
int64_t ek__dims(const ek_shape *s, int32_t from, int32_t to);
/* Loops that repeat `in` until it has the shape `out`, to which it broadcasts. */
void ek__walk_broadcast(ek_walk *w, const ek_shape *in, const ek_shape *out);
/* Loops that write all of `out` from one element. */
void ek__walk_fill(ek_walk *w, const ek_shape *out);

#endif
