/* ops/bitcast.c - the same bytes read as another type. */
#include "ops/move.h"
#include "ops/rules.h"

/* A smaller type adds a dimension at the end, a larger one takes the last one away. */
static ek_status bitcast_shape(ek_shape_ctx *c)
{
    const int64_t from = (int64_t)ek_dtype_size(c->in_dtype[0]), to = (int64_t)ek_dtype_size(c->out_dtype[0]);
    const ek_shape *in = &c->in[0];
    const int32_t last = in->rank - 1;

    if (in->rank < 0) return EK_OK;
    if (from > to) return ek__insert_dim(c, in, in->rank, from / to, &c->out[0]);
    c->out[0] = *in;
    if (from == to) return EK_OK;
    if (in->rank == 0 || (in->dim[last] >= 0 && in->dim[last] != to / from))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Cannot bitcast from %lld to %lld", (long long)to, (long long)from);
    c->out[0].rank = last;
    c->out[0].dim[last] = 0;
    return EK_OK;
}

typedef struct bitcast_state {
    int64_t bytes;
} bitcast_state;

static ek_status bitcast_run(const ek_run_args *a, int64_t chunk)
{
    const bitcast_state *s = a->state;

    return ek__move_chunk(EK_UINT8, a->out[0], a->in[0], s->bytes, chunk, a->err);
}

static ek_status bitcast_prepare(ek_prepare_ctx *c)
{
    bitcast_state *s = EK_ARENA_NEW(c->arena, bitcast_state, 1);

    if (ek__empty(c)) return EK_OK;
    if (s == NULL) return ek__no_memory(c);
    s->bytes = ek_shape_count(&c->out[0]) * (int64_t)ek_dtype_size(c->out_dtype[0]);
    c->state = s;
    ek__add_phase(c, bitcast_run, ek__move_chunks(EK_UINT8, s->bytes));
    return EK_OK;
}

#define BITCAST_TYPES                                                                                       \
    "{bfloat16, half, float, double, int64, int32, uint8, uint16, uint32, uint64, int8, int16, complex64, " \
    "complex128, qint8, quint8, qint16, quint16, qint32}"

const ek_op_def ek__op_Bitcast = {
    .name = "Bitcast",
    .kind = EK_KIND_PURE,
    .inputs = "input: T",
    .outputs = "output: type",
    .attrs = "T: " BITCAST_TYPES "; type: " BITCAST_TYPES,
    .shape = bitcast_shape,
    .prepare = bitcast_prepare,
    .no_grad_because = "bits have no derivative",
};
