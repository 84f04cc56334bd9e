/* ops/index.h - integers that are places in other tensors. */
#ifndef EK_OPS_INDEX_H
#define EK_OPS_INDEX_H

#include "graph/op.h"

static inline int64_t ek__get_int(ek_dtype t, const void *in, int64_t i)
{
    return t == EK_INT32 ? ((const int32_t *)in)[i] : ((const int64_t *)in)[i];
}

/* Where element i is, for messages: "" in a scalar, "[2]" in a vector, "[0,1]" in a matrix. */
typedef struct ek_place_text {
    char text[16 * 21 + 3];
} ek_place_text;
ek_place_text ek__place_text(const ek_shape *s, int64_t i);
#define EK_AT(shape, i) (ek__place_text((shape), (i)).text)

/* *out = dimensions [0, from) of a, dimensions [b_from, ..) of b, dimensions [to, ..) of a. */
ek_status ek__replace_dims(const ek_shape_ctx *c, const ek_shape *a, int32_t from, int32_t to, const ek_shape *b,
                           int32_t b_from, ek_shape *out);

#endif
