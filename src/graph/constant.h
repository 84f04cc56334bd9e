/* graph/constant.h - limits of what is computed while building. The questions are in node.h. */
#ifndef EK_GRAPH_CONSTANT_H
#define EK_GRAPH_CONSTANT_H

#include "graph/node.h"

enum {
    EK_FOLD_ELEMENTS = 4096, /* of one folded value */
    EK_FOLD_NODES = 1024     /* looked at for one question */
};

/* ek__constant_value and ek__constant_value_as_shape with a record: only a lack of memory is a failure. *out is a new
 * reference or NULL. */
ek_status ek__constant_find(const ek_graph *g, ek_edge e, ek_array **out, ek_error *err);
ek_status ek__constant_find_shape(const ek_graph *g, ek_edge e, ek_shape *out, ek_error *err);

/* ek__def_eval, UNIMPLEMENTED where an output has more than `most` elements. */
ek_status ek__def_eval_small(const ek_op_def *def, const void *attrs, int n_in, const ek_array *const *in, int n_out,
                             const ek_dtype *out_dtype, int64_t most, ek_array **out, ek_error *err);

#endif
