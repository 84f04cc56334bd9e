/* ops/gather.c - rows chosen by index: Gather, GatherV2, GatherNd, ResourceGather. */
#include "ops/index.h"
#include "ops/move.h"
#include "ops/rules.h"
#include "ops/slot.h"
#include "ops/walk.h"

enum { PARAMS, INDICES, AXIS };

/* Elements of one chunk of copying. */
enum { GATHER_CHUNK = 64 * 1024 };

/* ---- Gather, GatherV2 ------------------------------------------------------------------------ */

/* params is [batch, outer, n, inner], indices [batch, m], the output [batch, outer, m, inner]. */
typedef struct gather_state {
    ek_dtype dtype, index_type;
    ek_shape indices;
    int64_t batch, outer, n, m, inner, rows_per_chunk;
} gather_state;

typedef struct gather_attrs {
    int64_t batch_dims;
} gather_attrs;

static const ek_field gather_fields[] = { EK_FIELD(gather_attrs, batch_dims, INT) };

static ek_status gather_check(const ek_run_args *a, int64_t chunk)
{
    const gather_state *s = a->state;

    EK_UNUSED(chunk);
    for (int64_t i = 0; i < s->batch * s->m; i++) {
        const int64_t at = ek__get_int(s->index_type, a->in[INDICES], i);

        if (at < 0 || at >= s->n)
            return EK_FAIL(a->err, INVALID_ARGUMENT, "indices%s = %lld is not in [0, %lld)", EK_AT(&s->indices, i),
                           (long long)at, (long long)s->n);
    }
    return EK_OK;
}

/* Rows [k, k + n) of what is taken from one block of params. */
static ek_status gather_rows(const gather_state *s, const ek_run_args *a, int64_t block, int64_t k, int64_t n)
{
    const size_t size = ek_dtype_size(s->dtype) * (size_t)s->inner;
    const char *params = (const char *)a->in[PARAMS] + (size_t)(block * s->n) * size;
    const int64_t first = block / s->outer * s->m;
    char *out = (char *)a->out[0] + (size_t)(block * s->m + k) * size;

    for (int64_t i = first + k; i < first + k + n; i++, out += size) {
        const char *row = params + (size_t)ek__get_int(s->index_type, a->in[INDICES], i) * size;

        if (size == 4 && s->dtype != EK_STRING)
            memcpy(out, row, 4);
        else if (size == 8 && s->dtype != EK_STRING)
            memcpy(out, row, 8);
        else
            EK_TRY(ek__move(s->dtype, out, row, s->inner, a->err));
    }
    return EK_OK;
}

static ek_status gather_run(const ek_run_args *a, int64_t chunk)
{
    const gather_state *s = a->state;
    const int64_t rows = s->batch * s->outer * s->m, from = chunk * s->rows_per_chunk;
    const int64_t to = rows - from < s->rows_per_chunk ? rows : from + s->rows_per_chunk;

    for (int64_t r = from; r < to;) {
        const int64_t block = r / s->m, k = r % s->m, n = s->m - k < to - r ? s->m - k : to - r;

        EK_TRY(gather_rows(s, a, block, k, n));
        r += n;
    }
    return EK_OK;
}

static ek_status gather_setup(ek_prepare_ctx *c, int32_t axis, int32_t batch)
{
    const ek_shape *params = &c->in[PARAMS], *indices = &c->in[INDICES];
    gather_state *s = EK_ARENA_NEW(c->arena, gather_state, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (gather_state){
        .dtype = c->out_dtype[0],
        .index_type = c->in_dtype[INDICES],
        .indices = *indices,
        .batch = ek__dims(params, 0, batch),
        .outer = ek__dims(params, batch, axis),
        .n = params->dim[axis],
        .m = ek__dims(indices, batch, indices->rank),
        .inner = ek__dims(params, axis + 1, params->rank),
    };
    s->rows_per_chunk = s->inner < GATHER_CHUNK ? GATHER_CHUNK / (s->inner > 0 ? s->inner : 1) : 1;
    c->state = s;
    const int64_t rows = ek_shape_count(&c->out[0]) > 0 ? s->batch * s->outer * s->m : 0;
    if (rows > 0) ek__add_phase(c, gather_check, 1);
    ek__add_phase(c, gather_run, (rows + s->rows_per_chunk - 1) / s->rows_per_chunk);
    return EK_OK;
}

static ek_status gather_shape(ek_shape_ctx *c)
{
    const ek_shape *params = &c->in[PARAMS], *indices = &c->in[INDICES];

    EK_TRY(ek__want_rank_at_least(c, PARAMS, 1));
    if (params->rank < 0 || indices->rank < 0) return EK_OK;
    return ek__replace_dims(c, params, 0, 1, indices, 0, &c->out[0]);
}

static ek_status gather_prepare(ek_prepare_ctx *c)
{
    return gather_setup(c, 0, 0);
}

const ek_op_def ek__op_Gather = {
    .name = "Gather",
    .kind = EK_KIND_PURE,
    .inputs = "params: Tparams, indices: Tindices",
    .outputs = "output: Tparams",
    .attrs = "validate_indices: bool = true; Tparams: type; Tindices: {int32, int64}",
    .shape = gather_shape,
    .prepare = gather_prepare,
};

/* batch_dims counted from the front; the leading dimensions of both must agree. */
static ek_status batch_of(const ek_shape_ctx *c, int32_t axis, int32_t *batch)
{
    const ek_shape *params = &c->in[PARAMS], *indices = &c->in[INDICES];
    const int64_t named = ((const gather_attrs *)c->attrs)->batch_dims;
    const int64_t n = named < 0 ? named + indices->rank : named;

    if (n < 0 || n > indices->rank)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Expected batch_dims in the range [%d, %d], but got %lld",
                       -indices->rank, indices->rank, (long long)named);
    if (n > axis)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "batch_dims (%lld) must be less than or equal to axis (%d).",
                       (long long)n, axis);
    for (int32_t d = 0; d < n; d++)
        if (params->dim[d] >= 0 && indices->dim[d] >= 0 && params->dim[d] != indices->dim[d])
            return EK_FAIL(c->err, INVALID_ARGUMENT,
                           "params.shape[%d]: %lld should be equal to indices.shape[%d]: %lld", d,
                           (long long)params->dim[d], d, (long long)indices->dim[d]);
    *batch = (int32_t)n;
    return EK_OK;
}

static ek_status gather_v2_shape(ek_shape_ctx *c)
{
    const ek_shape *params = &c->in[PARAMS], *indices = &c->in[INDICES];
    const ek_array *value = c->in_value[AXIS];
    const int64_t named_batch = ((const gather_attrs *)c->attrs)->batch_dims;
    int32_t batch = 0;

    if (named_batch < -EK_MAX_RANK || named_batch > EK_MAX_RANK)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "batch_dims %lld is out of range", (long long)named_batch);
    EK_TRY(ek__want_rank_at_least(c, PARAMS, 1));
    EK_TRY(ek__want_rank(c, AXIS, 0));
    if (value == NULL) {
        const int64_t rank = (int64_t)params->rank + indices->rank - 1 - (named_batch > 0 ? named_batch : 0);

        if (params->rank >= 0 && indices->rank >= 0 && rank >= 0 && rank <= EK_MAX_RANK)
            c->out[0] = ek__unknown_dims((int32_t)rank);
        return EK_OK;
    }
    const int64_t named = ek__array_int(value, 0);
    if (named < -EK_MAX_RANK || named >= EK_MAX_RANK)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "axis %lld is out of range", (long long)named);
    EK_TRY(ek__want_rank_at_least(c, PARAMS, (int32_t)(named < 0 ? -named : named + 1)));
    EK_TRY(ek__want_rank_at_least(c, INDICES, (int32_t)(named_batch < 0 ? -named_batch : named_batch)));
    if (params->rank < 0 || indices->rank < 0) return EK_OK;
    const int32_t axis = (int32_t)(named < 0 ? named + params->rank : named);
    EK_TRY(batch_of(c, axis, &batch));
    return ek__replace_dims(c, params, axis, axis + 1, indices, batch, &c->out[0]);
}

static ek_status gather_v2_prepare(ek_prepare_ctx *c)
{
    const int64_t named = ek__int_at(c->in_value, AXIS, 0);
    const int64_t batch = ((const gather_attrs *)c->attrs)->batch_dims;

    return gather_setup(c, (int32_t)(named < 0 ? named + c->in[PARAMS].rank : named),
                        (int32_t)(batch < 0 ? batch + c->in[INDICES].rank : batch));
}

const ek_op_def ek__op_GatherV2 = {
    .name = "GatherV2",
    .kind = EK_KIND_PURE,
    .inputs = "params: Tparams, indices: Tindices, axis: Taxis",
    .outputs = "output: Tparams",
    .attrs = "batch_dims: int = 0; Tparams: type; Tindices: {int32, int64}; Taxis: {int32, int64}",
    .attrs_size = sizeof(gather_attrs),
    .fields = gather_fields,
    .n_fields = EK_COUNT_OF(gather_fields),
    .shape = gather_v2_shape,
    .prepare = gather_v2_prepare,
    .value_inputs = 1u << AXIS,
};

/* ---- GatherNd -------------------------------------------------------------------------------- */

/* Each row of indices, `depth` long, names a slice of `inner` elements. */
typedef struct nd_state {
    ek_dtype dtype, index_type;
    ek_shape params, rows; /* rows: indices without its last dimension */
    int32_t depth;
    int64_t n_rows, inner, stride[EK_MAX_RANK];
} nd_state;

static ek_status nd_shape(ek_shape_ctx *c)
{
    const ek_shape *params = &c->in[PARAMS], *indices = &c->in[INDICES];

    EK_TRY(ek__want_rank_at_least(c, INDICES, 1));
    if (!c->running) EK_TRY(ek__want_rank_at_least(c, PARAMS, 1));
    if (params->rank < 0 || indices->rank < 0) return EK_OK;
    const int64_t depth = indices->dim[indices->rank - 1];
    if (depth < 0) return EK_OK;
    if (depth > params->rank)
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "index innermost dimension length must be <= params rank; saw: %lld vs. %d", (long long)depth,
                       params->rank);
    ek_shape rows = *indices;
    rows.rank--;
    rows.dim[rows.rank] = 0;
    return ek__replace_dims(c, params, 0, (int32_t)depth, &rows, 0, &c->out[0]);
}

static ek_status nd_bad_row(const ek_run_args *a, const nd_state *s, int64_t row)
{
    char text[EK_MAX_RANK * 22] = "";
    size_t at = 0;

    for (int32_t d = 0; d < s->depth; d++)
        at += (size_t)snprintf(text + at, sizeof text - at, d > 0 ? ", %lld" : "%lld",
                               (long long)ek__get_int(s->index_type, a->in[INDICES], row * s->depth + d));
    return EK_FAIL(a->err, INVALID_ARGUMENT, "indices%s = [%s] does not index into param shape %s, node name: {{node}}",
                   EK_AT(&s->rows, row), text, EK_CC(&s->params));
}

static ek_status nd_run(const ek_run_args *a, int64_t chunk)
{
    const nd_state *s = a->state;
    const size_t size = ek_dtype_size(s->dtype);

    EK_UNUSED(chunk);
    for (int64_t row = 0; row < s->n_rows; row++) {
        int64_t at = 0;

        for (int32_t d = 0; d < s->depth; d++) {
            const int64_t i = ek__get_int(s->index_type, a->in[INDICES], row * s->depth + d);

            if (i < 0 || i >= s->params.dim[d]) return nd_bad_row(a, s, row);
            at += i * s->stride[d];
        }
        EK_TRY(ek__move(s->dtype, (char *)a->out[0] + (size_t)(row * s->inner) * size,
                        (const char *)a->in[PARAMS] + (size_t)at * size, s->inner, a->err));
    }
    return EK_OK;
}

static ek_status nd_prepare(ek_prepare_ctx *c)
{
    const ek_shape *params = &c->in[PARAMS];
    nd_state *s = EK_ARENA_NEW(c->arena, nd_state, 1);

    if (s == NULL) return ek__no_memory(c);
    s->dtype = c->out_dtype[0];
    s->index_type = c->in_dtype[INDICES];
    s->params = *params;
    s->rows = c->in[INDICES];
    s->rows.rank--;
    s->depth = (int32_t)c->in[INDICES].dim[s->rows.rank];
    s->n_rows = ek_shape_count(&s->rows);
    s->inner = ek__dims(params, s->depth, params->rank);
    ek__strides(params, s->stride);
    c->state = s;
    ek__add_phase(c, nd_run, s->n_rows > 0);
    return EK_OK;
}

const ek_op_def ek__op_GatherNd = {
    .name = "GatherNd",
    .kind = EK_KIND_PURE,
    .inputs = "params: Tparams, indices: Tindices",
    .outputs = "output: Tparams",
    .attrs = "Tparams: type; Tindices: {int32, int64}",
    .shape = nd_shape,
    .prepare = nd_prepare,
};

/* ---- ResourceGather: rows of a variable ------------------------------------------------------- */

typedef struct resource_gather_attrs {
    int64_t batch_dims;
    bool validate_indices;
    ek_dtype dtype;
} resource_gather_attrs;

static const ek_field resource_gather_fields[] = {
    EK_FIELD(resource_gather_attrs, batch_dims, INT),
    EK_FIELD(resource_gather_attrs, validate_indices, BOOL),
    EK_FIELD(resource_gather_attrs, dtype, TYPE),
};

static ek_status resource_gather_shape(ek_shape_ctx *c)
{
    const ek_shape *params = &c->in_handle[PARAMS], *indices = &c->in[INDICES];

    if (((const resource_gather_attrs *)c->attrs)->batch_dims != 0)
        return EK_FAIL(c->err, UNIMPLEMENTED, "ResourceGather has no kernel for batch_dims");
    if (params->rank == 0) return EK_FAIL(c->err, INVALID_ARGUMENT, "params must be at least 1 dimensional");
    if (params->rank < 0 || indices->rank < 0) return EK_OK;
    return ek__replace_dims(c, params, 0, 1, indices, 0, &c->out[0]);
}

/* The same as Gather once the variable's memory stands in for the input. */
static ek_status resource_gather_run(const ek_run_args *a, int64_t chunk)
{
    gather_state s = *(const gather_state *)a->state;
    const ek_slot *const slot = a->slot[PARAMS];

    EK_UNUSED(chunk);
    if (slot->value == NULL) return ek__slot_unread(slot, a->err);
    const ek_shape *const now = &slot->value->shape;
    if (slot->dtype != s.dtype || now->rank < 1 || ek__dims(now, 1, now->rank) != s.inner)
        return EK_FAIL(a->err, INVALID_ARGUMENT, "variable %s has changed its type or shape", slot->name);
    s.n = now->dim[0];
    const void *const in[] = { slot->value->data, a->in[INDICES] };
    ek_run_args as_gather = *a;
    as_gather.in = in;
    as_gather.state = &s;
    EK_TRY(gather_check(&as_gather, 0));
    return gather_rows(&s, &as_gather, 0, 0, s.m);
}

static ek_status resource_gather_prepare(ek_prepare_ctx *c)
{
    const ek_shape *const indices = &c->in[INDICES], *const out = &c->out[0];
    gather_state *s = EK_ARENA_NEW(c->arena, gather_state, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (gather_state){ .dtype = c->out_dtype[0], .index_type = c->in_dtype[INDICES], .indices = *indices, .batch = 1,
                         .outer = 1, .m = ek__dims(indices, 0, indices->rank),
                         .inner = ek__dims(out, indices->rank, out->rank) };
    c->state = s;
    ek__add_phase(c, resource_gather_run, ek_shape_count(out) > 0);
    return EK_OK;
}

const ek_op_def ek__op_ResourceGather = {
    .name = "ResourceGather",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "resource: resource, indices: Tindices",
    .outputs = "output: dtype",
    .attrs = "batch_dims: int = 0; validate_indices: bool = true; dtype: type; Tindices: {int32, int64}",
    .attrs_size = sizeof(resource_gather_attrs),
    .fields = resource_gather_fields,
    .n_fields = EK_COUNT_OF(resource_gather_fields),
    .shape = resource_gather_shape,
    .prepare = resource_gather_prepare,
    .reads = 1u << PARAMS,
};
