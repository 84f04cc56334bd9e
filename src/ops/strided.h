/* ops/strided.h - Python's a[i:j:k, ..., None, n] read against a shape. */
#ifndef EK_OPS_STRIDED_H
#define EK_OPS_STRIDED_H

#include "graph/op.h"

/* As the op has it: vectors of one length (begin and end may be NULL: not known yet; strides must be known), and a
 * bit per entry. ellipsis: the entry is "..."; new_axis: it adds a dimension of 1; shrink_axis: it is an index and
 * the dimension goes; begin, end: that bound is left out. */
typedef struct ek_strided_spec {
    const ek_array *begin, *end, *strides;
    int64_t begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask;
} ek_strided_spec;

/* For each dimension of what is sliced: where it begins, the step, how many (-1: not known). */
typedef struct ek_strided {
    int64_t begin[EK_MAX_RANK], stride[EK_MAX_RANK], size[EK_MAX_RANK];
} ek_strided;

/* The slices of `in` (known rank, perhaps unknown dimensions) and the shape of the result.
 * Errors  a step of 0, an index out of range, two ellipses, more entries than dimensions. */
ek_status ek__strided(const ek_strided_spec *spec, const ek_shape *in, ek_strided *dense, ek_shape *out, ek_error *err);

#endif
