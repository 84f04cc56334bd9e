/* ops/summary.h - a tensor's first elements as text, as TensorFlow's C++ side shows them: Assert, Print. */
#ifndef EK_OPS_SUMMARY_H
#define EK_OPS_SUMMARY_H

#include "graph/op.h"

/* Appends the first `limit` elements (all where it is negative), rows in brackets, "..." where some are left out:
 * "1 2 3...", "[1 2][3...". */
void ek__summary(ek_buf *b, ek_dtype t, const ek_shape *shape, const void *data, int64_t limit);

#endif
