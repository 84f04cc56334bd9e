/* ops/arg.c - ArgMax, ArgMin: where along an axis the first largest or smallest element is. */
#include "kernels/arg.h"

#include "ops/rules.h"

enum { INPUT, DIMENSION, CHUNK_WORK = 1 << 16 };

static ek_status arg_shape(ek_shape_ctx *c)
{
    const ek_shape *x = &c->in[INPUT];
    int64_t axis;

    if (c->running && c->in[DIMENSION].rank != 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "dim must be a scalar, but received tensor of shape: %s",
                       EK_CC(&c->in[DIMENSION]));
    EK_TRY(ek__want_rank(c, DIMENSION, 0));
    if (x->rank < 0) return EK_OK;
    if (c->in_value[DIMENSION] == NULL) {
        c->out[0] = ek__unknown_dims(x->rank > 0 ? x->rank - 1 : 0);
        return EK_OK;
    }
    axis = ek__int_at(c->in_value, DIMENSION, 0);
    if (axis < -x->rank || axis >= x->rank)
        return c->running ? EK_FAIL(c->err, INVALID_ARGUMENT, "Expected dimension in the range [%d, %d), but got %lld",
                                    -x->rank, x->rank, (long long)axis)
                          : EK_FAIL(c->err, INVALID_ARGUMENT,
                                    "Dimension (%lld) must be in the range [%d, %d), where %d is the number of "
                                    "dimensions in the input.",
                                    (long long)axis, -x->rank, x->rank, x->rank);
    if (axis < 0) axis += x->rank;
    if (c->running && x->dim[axis] == 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Reduction axis %lld is empty in shape %s", (long long)axis, EK_CC(x));
    c->out[0] = (ek_shape){ .rank = 0 };
    for (int i = 0; i < x->rank; i++)
        if (i != axis) c->out[0].dim[c->out[0].rank++] = x->dim[i];
    return EK_OK;
}

typedef struct arg_state {
    ek_arg_fn *find;
    bool smallest;
    ek_dtype out;
    size_t size;
    int64_t n, inner, outputs, per_chunk;
} arg_state;

static ek_status arg_run(const ek_run_args *a, int64_t chunk)
{
    const arg_state *s = a->state;
    const int64_t first = chunk * s->per_chunk,
                  last = first + s->per_chunk < s->outputs ? first + s->per_chunk : s->outputs;

    for (int64_t i = first; i < last; i++) {
        const int64_t at = i / s->inner * s->n * s->inner + i % s->inner;
        ek__store_int(s->out, a->out[0], i,
                    s->find(s->n, s->inner, (const char *)a->in[INPUT] + (size_t)at * s->size, s->smallest));
    }
    return EK_OK;
}

static ek_status arg_prepare(ek_prepare_ctx *c, bool smallest)
{
    static ek_arg_fn *const by_dtype[EK_DTYPE_COUNT] = {
        [EK_FLOAT16] = ek__arg_f16, [EK_BFLOAT16] = ek__arg_bf16, [EK_FLOAT32] = ek__arg_f32,
        [EK_FLOAT64] = ek__arg_f64, [EK_INT8] = ek__arg_i8,       [EK_INT16] = ek__arg_i16,
        [EK_INT32] = ek__arg_i32,   [EK_INT64] = ek__arg_i64,     [EK_UINT8] = ek__arg_u8,
        [EK_UINT16] = ek__arg_u16,  [EK_UINT32] = ek__arg_u32,    [EK_UINT64] = ek__arg_u64,
    };
    const ek_shape *x = &c->in[INPUT];
    const int64_t given = ek__int_at(c->in_value, DIMENSION, 0), axis = given < 0 ? given + x->rank : given;
    arg_state *s = EK_ARENA_NEW(c->arena, arg_state, 1);

    if (s == NULL) return ek__no_memory(c);
    c->state = s;
    s->find = by_dtype[c->in_dtype[INPUT]];
    if (s->find == NULL)
        return EK_FAIL(c->err, UNIMPLEMENTED, "%s of %s", c->def->name, ek_dtype_name(c->in_dtype[INPUT]));
    s->smallest = smallest;
    s->out = c->out_dtype[0];
    s->size = ek_dtype_size(c->in_dtype[INPUT]);
    s->n = x->dim[axis];
    s->inner = 1;
    for (int i = (int)axis + 1; i < x->rank; i++) s->inner *= x->dim[i];
    s->outputs = ek_shape_count(&c->out[0]);
    s->per_chunk = CHUNK_WORK / (s->n + 1) + 1;
    ek__add_phase(c, arg_run, (s->outputs + s->per_chunk - 1) / s->per_chunk);
    return EK_OK;
}

static ek_status arg_max_prepare(ek_prepare_ctx *c)
{
    return arg_prepare(c, false);
}

static ek_status arg_min_prepare(ek_prepare_ctx *c)
{
    return arg_prepare(c, true);
}

#define ARG_OP(NAME, PREPARE) \
    const ek_op_def ek__op_##NAME = { \
        .name = #NAME, \
        .inputs = "input: T, dimension: Tidx", \
        .outputs = "output: output_type", \
        .attrs = "T: {float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, " \
                 "uint16, complex128, half, uint32, uint64}; Tidx: {int32, int64} = int32; "                      \
                 "output_type: {int32, int64} = int64",                                                           \
        .shape = arg_shape, \
        .value_inputs = 1u << DIMENSION, \
        .prepare = PREPARE, \
        .no_grad_because = "it gives places, not numbers", \
    }
ARG_OP(ArgMax, arg_max_prepare);
ARG_OP(ArgMin, arg_min_prepare);
