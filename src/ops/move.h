/* ops/move.h - moving elements of any type: what data movement ops are made of.
 *
 * Nothing here computes; strings are copied one by one, everything else as bytes.
 */
#ifndef EK_OPS_MOVE_H
#define EK_OPS_MOVE_H

#include "graph/op.h"

/* Copies n elements that do not overlap, or are the very same. Strings replace what `out` held. */
ek_status ek__move(ek_dtype t, void *out, const void *in, int64_t n, ek_error *err);

/* One chunk of a copy of `count` elements, and their number. */
int64_t ek__move_chunks(ek_dtype t, int64_t count);
ek_status ek__move_chunk(ek_dtype t, void *out, const void *in, int64_t count, int64_t chunk, ek_error *err);

/* prepare of ops whose output k has the bytes of input k (of input 0 where there is one output). */
ek_status ek__prepare_copy(ek_prepare_ctx *c);

#endif
