/* ops/index.c - integers that are places in other tensors. */
#include "ops/index.h"

ek_place_text ek__place_text(const ek_shape *s, int64_t i)
{
    ek_place_text t = { "" };
    int64_t at[EK_MAX_RANK];
    size_t n = 0;

    if (s->rank == 0) return t;
    for (int32_t d = s->rank - 1; d >= 0; d--) {
        at[d] = s->dim[d] > 0 ? i % s->dim[d] : 0;
        i = s->dim[d] > 0 ? i / s->dim[d] : 0;
    }
    for (int32_t d = 0; d < s->rank; d++)
        n += (size_t)snprintf(t.text + n, sizeof t.text - n, d > 0 ? ",%lld" : "[%lld", (long long)at[d]);
    (void)snprintf(t.text + n, sizeof t.text - n, "]");
    return t;
}

ek_status ek__replace_dims(const ek_shape_ctx *c, const ek_shape *a, int32_t from, int32_t to, const ek_shape *b,
                           int32_t b_from, ek_shape *out)
{
    const int32_t rank = from + (b->rank - b_from) + (a->rank - to);
    ek_shape s = EK_SCALAR;

    if (rank > EK_MAX_RANK)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "%s: the result has %d dimensions, %d are supported", c->def->name,
                       rank, EK_MAX_RANK);
    for (int32_t d = 0; d < from; d++) s.dim[s.rank++] = a->dim[d];
    for (int32_t d = b_from; d < b->rank; d++) s.dim[s.rank++] = b->dim[d];
    for (int32_t d = to; d < a->rank; d++) s.dim[s.rank++] = a->dim[d];
    *out = s;
    return EK_OK;
}
