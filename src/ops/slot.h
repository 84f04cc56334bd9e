/* ops/slot.h - writing variables: what state ops of both kinds share. */
#ifndef EK_OPS_SLOT_H
#define EK_OPS_SLOT_H

#include "ops/elementwise.h"

/* The new value of a variable: `data` has elements of `dtype` in `shape`. Where as many elements of the type are
 * already there and nobody else holds them they are overwritten in place, so that reads which share the memory see
 * it; otherwise the variable gets an array of its own. data may be the variable's own memory. */
ek_status ek__slot_assign(ek_slot *slot, ek_dtype dtype, const ek_shape *shape, const void *data, ek_error *err);

/* Makes the value's memory the variable's own, for an update in place: a snapshot that somebody holds keeps the old
 * numbers. The variable must be initialized. Counts as the write. */
ek_status ek__slot_own(ek_slot *slot, ek_error *err);

/* What reading a resource variable without a value is: FAILED_PRECONDITION. */
ek_status ek__slot_unread(const ek_slot *slot, ek_error *err);

/* State of ops that write the value of input 1, and its prepare half. */
typedef struct ek_write_state {
    ek_dtype dtype;
    ek_shape shape;
} ek_write_state;
ek_write_state *ek__write_state(ek_prepare_ctx *c);

/* Prepares "variable = loop(variable, input 1)", in place and in chunks; `check` looks at the variable first (in the
 * first phase, chunk 0; its a->state is an ek_write_state). */
ek_status ek__update_prepare(ek_prepare_ctx *c, const ek_loops *loops, ek_run_fn check);

#endif
