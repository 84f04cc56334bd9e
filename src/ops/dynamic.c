/* ops/dynamic.c - results whose size depends on the data: Where, DynamicPartition, DynamicStitch.
 *
 * Each runs as one chunk: what comes where follows from all that came before.
 */
#include "ops/index.h"
#include "ops/move.h"
#include "ops/rules.h"
#include "ops/walk.h"

/* ---- Where ----------------------------------------------------------------------------------- */

/* Whether an element is not zero. -0.0 is, NaN is not. */
static bool is_set(ek_dtype t, const void *data, int64_t i)
{
    switch (t) {
    case EK_FLOAT32: return ((const float *)data)[i] != 0.0f;
    case EK_FLOAT64: return ((const double *)data)[i] != 0.0;
    case EK_COMPLEX64: return ((const float *)data)[2 * i] != 0.0f || ((const float *)data)[2 * i + 1] != 0.0f;
    case EK_COMPLEX128: return ((const double *)data)[2 * i] != 0.0 || ((const double *)data)[2 * i + 1] != 0.0;
    case EK_FLOAT16:
    case EK_BFLOAT16: return (((const uint16_t *)data)[i] & 0x7fff) != 0;
    default: break;
    }
    const size_t size = ek_dtype_size(t);
    const unsigned char *byte = (const unsigned char *)data + (size_t)i * size;
    for (size_t k = 0; k < size; k++)
        if (byte[k] != 0) return true;
    return false;
}

static ek_status where_shape(ek_shape_ctx *c)
{
    const ek_array *v = c->in_value[0];

    c->out[0] = ek__unknown_dims(2);
    c->out[0].dim[1] = c->in[0].rank;
    if (v == NULL) return EK_OK;
    c->out[0].dim[0] = 0;
    for (int64_t i = 0; i < v->count; i++) c->out[0].dim[0] += is_set(v->dtype, v->data, i);
    return EK_OK;
}

typedef struct where_state {
    ek_dtype dtype;
    ek_shape shape;
    int64_t count, limit; /* limit: rows of the output */
} where_state;

static ek_status where_run(const ek_run_args *a, int64_t chunk)
{
    const where_state *s = a->state;
    int64_t *out = a->out[0], n = 0;

    EK_UNUSED(chunk);
    for (int64_t i = 0; i < s->count && n < s->limit; i++) {
        int64_t rest = i;

        if (!is_set(s->dtype, a->in[0], i)) continue;
        for (int32_t d = s->shape.rank - 1; d >= 0; d--) {
            out[n * s->shape.rank + d] = rest % s->shape.dim[d];
            rest /= s->shape.dim[d];
        }
        n++;
    }
    return EK_OK;
}

static ek_status where_prepare(ek_prepare_ctx *c)
{
    where_state *s = EK_ARENA_NEW(c->arena, where_state, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (where_state){ c->in_dtype[0], c->in[0], ek_shape_count(&c->in[0]), c->out[0].dim[0] };
    c->state = s;
    ek__add_phase(c, where_run, s->limit > 0);
    return EK_OK;
}

const ek_op_def ek__op_Where = {
    .name = "Where",
    .kind = EK_KIND_PURE,
    .inputs = "input: T",
    .outputs = "index: int64",
    .attrs = "T: {float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, uint16, "
             "complex128, half, uint32, uint64, bool} = bool",
    .shape = where_shape,
    .prepare = where_prepare,
    .no_grad_because = "its output is integers",
};

/* Whether `whole` begins with `start`, as far as both are known. */
static bool starts_with(const ek_shape *whole, const ek_shape *start)
{
    if (whole->rank < 0 || start->rank < 0) return true;
    if (whole->rank < start->rank) return false;
    for (int32_t d = 0; d < start->rank; d++)
        if (whole->dim[d] >= 0 && start->dim[d] >= 0 && whole->dim[d] != start->dim[d]) return false;
    return true;
}

/* What is left of `whole` after its first n dimensions. */
static ek_shape rest_of(const ek_shape *whole, int32_t n)
{
    ek_shape s = EK_SCALAR;

    if (whole->rank < 0) return *whole;
    for (int32_t d = n; d < whole->rank; d++) s.dim[s.rank++] = whole->dim[d];
    return s;
}

/* ---- DynamicPartition ------------------------------------------------------------------------ */

enum { DATA, PARTITIONS };

static ek_status partition_counts(ek_shape_ctx *c)
{
    const ek_array *v = c->in_value[PARTITIONS];

    for (int k = 0; k < c->n_out; k++) c->out[k].dim[0] = 0;
    for (int64_t i = 0; i < v->count; i++) {
        const int32_t k = ((const int32_t *)v->data)[i];

        if (k < 0 || k >= c->n_out)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "partitions%s = %d is not in [0, %d)", EK_AT(&v->shape, i), k,
                           c->n_out);
        c->out[k].dim[0]++;
    }
    return EK_OK;
}

static ek_status partition_shape(ek_shape_ctx *c)
{
    const ek_shape *data = &c->in[DATA], *partitions = &c->in[PARTITIONS];

    if (!starts_with(data, partitions))
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "data.shape must start with partitions.shape, got data.shape = %s, partitions.shape = %s",
                       EK_CC(data), EK_CC(partitions));
    if (partitions->rank < 0 || data->rank < 0) return EK_OK;
    const ek_shape rest = rest_of(data, partitions->rank);
    for (int k = 0; k < c->n_out; k++) EK_TRY(ek__insert_dim(c, &rest, 0, -1, &c->out[k]));
    return c->in_value[PARTITIONS] != NULL ? partition_counts(c) : EK_OK;
}

typedef struct partition_state {
    ek_dtype dtype;
    int64_t n, inner;
    int n_out;
    int64_t limit[]; /* rows of each output */
} partition_state;

static ek_status partition_run(const ek_run_args *a, int64_t chunk)
{
    const partition_state *s = a->state;
    const size_t size = ek_dtype_size(s->dtype) * (size_t)s->inner;
    const int32_t *of = a->in[PARTITIONS];
    int64_t *filled = a->scratch;

    EK_UNUSED(chunk);
    memset(filled, 0, (size_t)s->n_out * sizeof *filled);
    for (int64_t i = 0; i < s->n; i++) {
        const int32_t k = of[i];

        if (k < 0 || k >= s->n_out || filled[k] >= s->limit[k])
            return EK_FAIL(a->err, INTERNAL, "the partitions changed since the sizes of the outputs were found");
        EK_TRY(ek__move(s->dtype, (char *)a->out[k] + (size_t)filled[k]++ * size,
                        (const char *)a->in[DATA] + (size_t)i * size, s->inner, a->err));
    }
    return EK_OK;
}

static ek_status partition_prepare(ek_prepare_ctx *c)
{
    partition_state *s = ek__arena_calloc(c->arena, 1, sizeof *s + (size_t)c->n_out * sizeof s->limit[0]);

    if (s == NULL) return ek__no_memory(c);
    s->dtype = c->in_dtype[DATA];
    s->n = ek_shape_count(&c->in[PARTITIONS]);
    s->inner = ek__dims(&c->in[DATA], c->in[PARTITIONS].rank, c->in[DATA].rank);
    s->n_out = c->n_out;
    for (int k = 0; k < c->n_out; k++) s->limit[k] = c->out[k].dim[0];
    c->state = s;
    c->scratch_bytes = (size_t)c->n_out * sizeof(int64_t);
    ek__add_phase(c, partition_run, s->n > 0);
    return EK_OK;
}

const ek_op_def ek__op_DynamicPartition = {
    .name = "DynamicPartition",
    .kind = EK_KIND_PURE,
    .inputs = "data: T, partitions: int32",
    .outputs = "outputs: num_partitions * T",
    .attrs = "num_partitions: int >= 1; T: type",
    .shape = partition_shape,
    .prepare = partition_prepare,
};

/* ---- DynamicStitch: partitions put back; where an index comes twice the later one wins ------- */

/* Inputs 0 .. n are indices, n .. 2n their data. */
static ek_status stitch_rest(const ek_shape_ctx *c, int n, ek_shape *rest)
{
    *rest = EK_UNKNOWN_SHAPE;
    for (int i = 0; i < n; i++) {
        const ek_shape *indices = &c->in[i], *data = &c->in[n + i];

        if (indices->rank < 0) continue;
        if (!starts_with(data, indices))
            return EK_FAIL(c->err, INVALID_ARGUMENT, "data[%d].shape = %s does not start with indices[%d].shape = %s",
                           i, EK_CC(data), i, EK_CC(indices));
        const ek_shape mine = rest_of(data, indices->rank);
        if (!ek_shape_merge(rest, &mine, rest))
            return EK_FAIL(c->err, INVALID_ARGUMENT,
                           "Need data[0].shape[%d:] = data[%d].shape[%d:], got data[0].shape = %s, data[%d].shape = %s",
                           c->in[0].rank, i, indices->rank, EK_CC(&c->in[n]), i, EK_CC(data));
    }
    return EK_OK;
}

/* The largest index, from what is known; -1 where there is none at all. */
static ek_status stitch_largest(const ek_shape_ctx *c, int n, int64_t *largest, bool *all_known)
{
    *largest = -1;
    *all_known = true;
    for (int i = 0; i < n; i++) {
        const ek_array *v = c->in_value[i];

        *all_known = *all_known && v != NULL;
        for (int64_t k = 0; v != NULL && k < v->count; k++) {
            const int32_t at = ((const int32_t *)v->data)[k];

            if (at < 0) return EK_FAIL(c->err, INVALID_ARGUMENT, "indices[%lld] is out of range", (long long)k);
            if (at > *largest) *largest = at;
        }
    }
    return EK_OK;
}

static ek_status stitch_shape(ek_shape_ctx *c)
{
    const int n = c->n_in / 2;
    ek_shape rest;
    int64_t largest;
    bool all_known;

    EK_TRY(stitch_rest(c, n, &rest));
    EK_TRY(stitch_largest(c, n, &largest, &all_known));
    if (rest.rank < 0) return EK_OK;
    return ek__insert_dim(c, &rest, 0, all_known ? largest + 1 : -1, &c->out[0]);
}

typedef struct stitch_state {
    ek_dtype dtype;
    int n;
    int64_t rows, inner;
    int64_t count[]; /* of each input's indices */
} stitch_state;

static ek_status stitch_clear(const stitch_state *s, void *out)
{
    if (s->dtype == EK_STRING)
        ek__strings_clear(out, s->rows * s->inner);
    else
        memset(out, 0, (size_t)(s->rows * s->inner) * ek_dtype_size(s->dtype));
    return EK_OK;
}

static ek_status stitch_run(const ek_run_args *a, int64_t chunk)
{
    const stitch_state *s = a->state;
    const size_t size = ek_dtype_size(s->dtype) * (size_t)s->inner;

    EK_UNUSED(chunk);
    EK_TRY(stitch_clear(s, a->out[0])); /* rows that no index names: TensorFlow leaves them to chance */
    for (int i = 0; i < s->n; i++)
        for (int64_t k = 0; k < s->count[i]; k++) {
            const int32_t at = ((const int32_t *)a->in[i])[k];

            if (at < 0 || at >= s->rows)
                return EK_FAIL(a->err, INVALID_ARGUMENT, "indices[%lld] is out of range", (long long)k);
            EK_TRY(ek__move(s->dtype, (char *)a->out[0] + (size_t)at * size,
                            (const char *)a->in[s->n + i] + (size_t)k * size, s->inner, a->err));
        }
    return EK_OK;
}

static ek_status stitch_prepare(ek_prepare_ctx *c)
{
    const int n = c->n_in / 2;
    stitch_state *s = ek__arena_calloc(c->arena, 1, sizeof *s + (size_t)n * sizeof s->count[0]);

    if (ek__empty(c)) return EK_OK;
    if (s == NULL) return ek__no_memory(c);
    s->dtype = c->out_dtype[0];
    s->n = n;
    s->rows = c->out[0].dim[0];
    s->inner = ek__dims(&c->out[0], 1, c->out[0].rank);
    for (int i = 0; i < n; i++) s->count[i] = ek_shape_count(&c->in[i]);
    c->state = s;
    ek__add_phase(c, stitch_run, s->rows > 0);
    return EK_OK;
}

const ek_op_def ek__op_DynamicStitch = {
    .name = "DynamicStitch",
    .kind = EK_KIND_PURE,
    .inputs = "indices: N * int32, data: N * T",
    .outputs = "merged: T",
    .attrs = "N: int >= 1; T: type",
    .shape = stitch_shape,
    .prepare = stitch_prepare,
    .value_inputs = 1u << 0,
};

const ek_op_def ek__op_ParallelDynamicStitch = {
    .name = "ParallelDynamicStitch",
    .kind = EK_KIND_PURE,
    .inputs = "indices: N * int32, data: N * T",
    .outputs = "merged: T",
    .attrs = "N: int >= 1; T: type",
    .shape = stitch_shape,
    .prepare = stitch_prepare,
    .value_inputs = 1u << 0,
};
