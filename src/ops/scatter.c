/* ops/scatter.c - rows to where indices say: ScatterAdd and kin on variables, ScatterNd..., TensorScatter... */
#include "ops/scatter.h"

#include "ops/index.h"
#include "ops/move.h"
#include "ops/rules.h"
#include "ops/slot.h"
#include "ops/walk.h"

enum { TARGET, INDICES, UPDATES };

/* ---- the loop ----------------------------------------------------------------------------------------- */

static const ek_loops *const loops_of[][2] = {
    [EK_SCATTER_ADD] = { &ek__loops_add },      [EK_SCATTER_SUB] = { &ek__loops_sub },
    [EK_SCATTER_MUL] = { &ek__loops_mul },      [EK_SCATTER_DIV] = { &ek__loops_div, &ek__loops_trunc_div },
    [EK_SCATTER_MIN] = { &ek__loops_minimum },  [EK_SCATTER_MAX] = { &ek__loops_maximum },
};

ek_status ek__scatter_init(ek_scatter *s, const ek_prepare_ctx *c, ek_scatter_op op, ek_dtype dtype)
{
    *s = (ek_scatter){ .dtype = dtype, .depth = 1 };
    if (op == EK_SCATTER_UPDATE) return EK_OK;
    for (int k = 0; k < 2 && s->loop == NULL && loops_of[op][k] != NULL; k++)
        s->loop = ek__loop(loops_of[op][k], dtype);
    if (s->loop != NULL) return EK_OK;
    return EK_FAIL(c->err, UNIMPLEMENTED, "%s has no loop for %s", c->def->name, ek_dtype_name(dtype));
}

void ek__scatter_size(ek_scatter *s, int64_t n, int64_t width)
{
    s->n = n;
    s->width = width;
    s->chunks = n > 0 && width > 0 ? (n * width + EK_ELEMENTWISE_CHUNK - 1) / EK_ELEMENTWISE_CHUNK : 0;
}

/* The row that update i goes to, rows counted as one number; -1: none. */
static int64_t row_of(const ek_scatter *s, const ek_shape *target, const void *indices, int64_t i)
{
    int64_t row = 0;

    for (int32_t d = 0; d < s->depth; d++) {
        const int64_t at = ek__get_int(s->index_dtype, indices, i * s->depth + d);

        if (at < 0 || at >= target->dim[d]) return -1;
        row = row * target->dim[d] + at;
    }
    return row;
}

int64_t ek__scatter_outside(const ek_scatter *s, const ek_shape *target, const void *indices)
{
    for (int64_t i = 0; i < s->n; i++)
        if (row_of(s, target, indices, i) < 0) return i;
    return -1;
}

static ek_status put_row(const ek_scatter *s, const char *update, char *row, ek_error *err)
{
    const int step[2] = { 1, s->scalar ? 0 : 1 };

    if (s->loop != NULL) {
        s->loop(s->width, (const void *const[]){ row, update }, step, row, NULL);
    } else if (!s->scalar) {
        return ek__move(s->dtype, row, update, s->width, err);
    } else {
        const size_t size = ek_dtype_size(s->dtype);

        for (int64_t j = 0; j < s->width; j++) EK_TRY(ek__move(s->dtype, row + (size_t)j * size, update, 1, err));
    }
    return EK_OK;
}

ek_status ek__scatter_chunk(const ek_scatter *s, const ek_shape *target, const void *indices, const void *updates,
                            void *data, int64_t chunk, ek_error *err)
{
    const int64_t rows = ek__dims(target, 0, s->depth);
    const int64_t from = ek__part_begin(rows, s->chunks, chunk), to = ek__part_begin(rows, s->chunks, chunk + 1);
    const size_t row_bytes = (size_t)s->width * ek_dtype_size(s->dtype);

    for (int64_t i = 0; i < s->n; i++) {
        const int64_t row = row_of(s, target, indices, i);

        if (row >= from && row < to)
            EK_TRY(put_row(s, (const char *)updates + (s->scalar ? 0 : (size_t)i * row_bytes),
                           (char *)data + (size_t)row * row_bytes, err));
    }
    return EK_OK;
}

void ek__fill_elements(ek_dtype t, void *out, int64_t n, const void *value)
{
    const size_t size = ek_dtype_size(t);

    for (int64_t i = 0; i < n; i++) memcpy((char *)out + (size_t)i * size, value, size);
}

/* ---- variables: rows by one index ------------------------------------------------------------------------ */

typedef struct variable_state {
    ek_scatter s;
    bool by_tuple;
    ek_shape updates;
} variable_state;

static const ek_shape *target_shape(const ek_shape_ctx *c)
{
    return c->in_dtype[TARGET] == EK_RESOURCE ? &c->in_handle[TARGET] : &c->in[TARGET];
}

static ek_status rows_shape(ek_shape_ctx *c)
{
    const ek_shape *const var = target_shape(c), *const indices = &c->in[INDICES], *const updates = &c->in[UPDATES];
    ek_shape expected, both;

    if (c->n_out > 0) c->out[0] = *var;
    if (var->rank < 0 || indices->rank < 0 || updates->rank <= 0) return EK_OK;
    if (var->rank == 0) return EK_FAIL(c->err, INVALID_ARGUMENT, "params must be at least 1-D, got shape []");
    EK_TRY(ek__replace_dims(c, var, 0, 1, indices, 0, &expected));
    if (c->running && !ek_shape_compatible(&expected, updates))
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "Must have updates.shape = indices.shape + params.shape[1:] or updates.shape = [], got "
                       "updates.shape %s, indices.shape %s, params.shape %s",
                       EK_CC(updates), EK_CC(indices), EK_CC(var));
    return ek__merge_shapes(c, &expected, updates, &both);
}

/* ---- tuples of indices -------------------------------------------------------------------------------------- */

/* "[2, 3]": the indices of update i. */
static ek_status refuse_tuple(const ek_scatter *s, const ek_shape *target, const void *indices, int64_t i,
                              ek_error *err)
{
    char text[EK_MAX_RANK * 22] = "";
    size_t at = 0;

    for (int32_t d = 0; d < s->depth; d++)
        at += (size_t)snprintf(text + at, sizeof text - at, d > 0 ? ", %lld" : "%lld",
                               (long long)ek__get_int(s->index_dtype, indices, i * s->depth + d));
    return EK_FAIL(err, INVALID_ARGUMENT, "indices%s = [%s] does not index into shape %s", EK_AT(&s->places, i), text,
                   EK_CC(target));
}

/* Whether updates are indices[:-1] + target[depth:]. */
static ek_status tuples_fit(const ek_shape_ctx *c, const ek_shape *target, const ek_shape *indices,
                            const ek_shape *updates)
{
    if (target->rank < 0 || indices->rank < 0) return EK_OK;
    if (indices->rank == 0) return EK_FAIL(c->err, INVALID_ARGUMENT, "Shape must be at least rank 1 but is rank 0");
    const int64_t depth = indices->dim[indices->rank - 1];
    if (depth < 0 || updates->rank < 0) return EK_OK;
    if (depth > target->rank)
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "The inner dimension of indices, %lld, must be at most the rank of the target, %s",
                       (long long)depth, EK_CC(target));
    const int32_t outer = indices->rank - 1;
    bool fits = updates->rank == outer + target->rank - (int32_t)depth;
    for (int32_t d = 0; fits && d < updates->rank; d++) {
        const int64_t want = d < outer ? indices->dim[d] : target->dim[d - outer + (int32_t)depth];

        fits = want < 0 || updates->dim[d] < 0 || want == updates->dim[d];
    }
    if (fits) return EK_OK;
    return EK_FAIL(c->err, INVALID_ARGUMENT,
                   "Dimensions [0,%d) of indices[shape=%s] must match dimensions [0,%d) of updates[shape=%s], whose "
                   "others must be dimensions [%lld,%d) of the target[shape=%s]",
                   outer, EK_CC(indices), outer, EK_CC(updates), (long long)depth, target->rank, EK_CC(target));
}

static ek_status tuples_shape(ek_shape_ctx *c)
{
    if (c->n_out > 0) c->out[0] = *target_shape(c);
    return tuples_fit(c, target_shape(c), &c->in[INDICES], &c->in[UPDATES]);
}

/* The size of everything from indices [.., depth] and updates. */
static void size_by_tuples(ek_scatter *s, const ek_shape *indices, const ek_shape *updates)
{
    s->places = *indices;
    s->places.rank--;
    s->depth = (int32_t)indices->dim[s->places.rank];
    ek__scatter_size(s, ek_shape_count(&s->places),
                     ek_shape_count(updates) > 0 ? ek__dims(updates, s->places.rank, updates->rank) : 0);
}

/* ---- running on variables -------------------------------------------------------------------------------------- */

static ek_status variable_open(const ek_run_args *a, int64_t chunk)
{
    const variable_state *const v = a->state;
    const ek_scatter *const s = &v->s;
    ek_slot *const slot = a->slot[TARGET];

    EK_UNUSED(chunk);
    if (slot->value == NULL)
        return EK_FAIL(a->err, NOT_FOUND, "Resource localhost/%s/N10tensorflow3VarE does not exist.", slot->name);
    const ek_shape *const now = &slot->value->shape;
    if (slot->dtype != s->dtype || now->rank < s->depth)
        return EK_FAIL(a->err, INVALID_ARGUMENT, "variable %s is %s%s and takes no such updates", slot->name,
                       ek_dtype_name(slot->dtype), EK_CC(now));
    if (s->n > 0 && s->width > 0 && !s->scalar && ek__dims(now, s->depth, now->rank) != s->width)
        return EK_FAIL(a->err, INVALID_ARGUMENT, "variable %s has shape %s, updates %s do not fit", slot->name,
                       EK_CC(now), EK_CC(&v->updates));
    const int64_t i = ek__scatter_outside(s, now, a->in[INDICES]);
    if (i >= 0 && v->by_tuple) return refuse_tuple(s, now, a->in[INDICES], i, a->err);
    if (i >= 0)
        return EK_FAIL(a->err, INVALID_ARGUMENT, "indices%s = %lld is not in [0, %lld)", EK_AT(&s->places, i),
                       (long long)ek__get_int(s->index_dtype, a->in[INDICES], i), (long long)now->dim[0]);
    return ek__slot_own(slot, a->err);
}

static ek_status variable_run(const ek_run_args *a, int64_t chunk)
{
    const variable_state *const v = a->state;
    ek_array *const value = a->slot[TARGET]->value;
    ek_scatter s = v->s;

    if (s.scalar) s.width = ek__dims(&value->shape, s.depth, value->shape.rank);
    return ek__scatter_chunk(&s, &value->shape, a->in[INDICES], a->in[UPDATES], value->data, chunk, a->err);
}

static ek_status variable_prepare(ek_prepare_ctx *c, ek_scatter_op op, bool by_tuple)
{
    variable_state *const v = EK_ARENA_NEW(c->arena, variable_state, 1);
    const ek_shape *const indices = &c->in[INDICES], *const updates = &c->in[UPDATES];
    const int64_t n = ek_shape_count(indices), count = ek_shape_count(updates);

    if (v == NULL) return ek__no_memory(c);
    EK_TRY(ek__scatter_init(&v->s, c, op, c->in_dtype[UPDATES]));
    v->s.index_dtype = c->in_dtype[INDICES];
    v->s.places = *indices;
    v->s.scalar = !by_tuple && updates->rank == 0;
    v->by_tuple = by_tuple;
    v->updates = *updates;
    if (by_tuple) size_by_tuples(&v->s, indices, updates);
    else ek__scatter_size(&v->s, n, v->s.scalar || n == 0 ? 1 : count / n);
    c->state = v;
    ek__add_phase(c, variable_open, 1);
    ek__add_phase(c, variable_run, v->s.chunks);
    return EK_OK;
}

/* ---- running on tensors ------------------------------------------------------------------------------------------- */

typedef struct tensor_state {
    ek_scatter s;
    ek_shape target;
    int indices, updates; /* which inputs */
    int64_t count;
} tensor_state;

static ek_status tensor_open(const ek_run_args *a, int64_t chunk)
{
    const tensor_state *const t = a->state;
    const int64_t i = ek__scatter_outside(&t->s, &t->target, a->in[t->indices]);

    EK_UNUSED(chunk);
    return i < 0 ? EK_OK : refuse_tuple(&t->s, &t->target, a->in[t->indices], i, a->err);
}

/* What is there before the updates come: input 0, or zeros. */
static ek_status tensor_start(const ek_run_args *a, int64_t chunk)
{
    const tensor_state *const t = a->state;

    EK_UNUSED(chunk);
    if (t->indices == INDICES) return ek__move(t->s.dtype, a->out[0], a->in[TARGET], t->count, a->err);
    memset(a->out[0], 0, (size_t)t->count * ek_dtype_size(t->s.dtype));
    return EK_OK;
}

static ek_status tensor_run(const ek_run_args *a, int64_t chunk)
{
    const tensor_state *const t = a->state;

    return ek__scatter_chunk(&t->s, &t->target, a->in[t->indices], a->in[t->updates], a->out[0], chunk, a->err);
}

static ek_status tensor_prepare(ek_prepare_ctx *c, ek_scatter_op op, int indices)
{
    tensor_state *const t = EK_ARENA_NEW(c->arena, tensor_state, 1);

    if (t == NULL) return ek__no_memory(c);
    EK_TRY(ek__scatter_init(&t->s, c, op, c->out_dtype[0]));
    t->indices = indices;
    t->updates = indices + 1;
    t->s.index_dtype = c->in_dtype[indices];
    t->target = c->out[0];
    t->count = ek_shape_count(&c->out[0]);
    size_by_tuples(&t->s, &c->in[indices], &c->in[t->updates]);
    c->state = t;
    ek__add_phase(c, tensor_open, 1);
    ek__add_phase(c, tensor_start, t->count > 0);
    ek__add_phase(c, tensor_run, t->s.chunks);
    return EK_OK;
}

enum { ND_INDICES, ND_UPDATES, ND_SHAPE };

static ek_status scatter_nd_shape(ek_shape_ctx *c)
{
    EK_TRY(ek__want_rank(c, ND_SHAPE, 1));
    EK_TRY(ek__input_as_full_shape(c, ND_SHAPE, &c->out[0]));
    return tuples_fit(c, &c->out[0], &c->in[ND_INDICES], &c->in[ND_UPDATES]);
}

static ek_status scatter_nd_prepare(ek_prepare_ctx *c)
{
    return tensor_prepare(c, EK_SCATTER_ADD, ND_INDICES);
}

/* ---- definitions ---------------------------------------------------------------------------------------------------- */

typedef struct locking_attrs {
    bool use_locking;
} locking_attrs;

static const ek_field locking_fields[] = { EK_FIELD(locking_attrs, use_locking, BOOL) };

#define INDEX_TYPES "Tindices: {int32, int64}"
#define NUMBERS                                                                                              \
    ": {float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, "       \
    "uint16, complex128, half, uint32, uint64}; "
#define ANY ": type; "
#define SOME ": {half, bfloat16, float, double, int32, int64}; "
#define LOCKED "; use_locking: bool = true"
#define UNLOCKED "; use_locking: bool = false"

#define ON_REFERENCE(Name, op, tuple, types, locking, rule)                                                  \
    static ek_status Name##_prepare(ek_prepare_ctx *c) { return variable_prepare(c, op, tuple); }             \
    const ek_op_def ek__op_##Name = {                                                                         \
        .name = #Name, .kind = EK_KIND_EFFECT, .inputs = "ref: Ref(T), indices: Tindices, updates: T",        \
        .outputs = "output_ref: Ref(T)", .attrs = "T" types INDEX_TYPES locking,                              \
        .attrs_size = sizeof(locking_attrs), .fields = locking_fields, .n_fields = 1, .shape = rule,          \
        .prepare = Name##_prepare, .writes = 1u << TARGET, .ref_output = 1, .no_grad_because = "it writes",   \
    };
#define ON_RESOURCE(Name, op, types)                                                                         \
    static ek_status Name##_prepare(ek_prepare_ctx *c) { return variable_prepare(c, op, false); }             \
    const ek_op_def ek__op_##Name = {                                                                         \
        .name = #Name, .kind = EK_KIND_EFFECT, .stateful = true,                                              \
        .inputs = "resource: resource, indices: Tindices, updates: dtype", .outputs = "",                     \
        .attrs = "dtype" types INDEX_TYPES, .shape = rows_shape, .prepare = Name##_prepare,                   \
        .writes = 1u << TARGET, .no_grad_because = "it writes",                                               \
    };
#define ON_RESOURCE_ND(Name, op)                                                                             \
    static ek_status Name##_prepare(ek_prepare_ctx *c) { return variable_prepare(c, op, true); }              \
    const ek_op_def ek__op_##Name = {                                                                         \
        .name = #Name, .kind = EK_KIND_EFFECT, .stateful = true,                                              \
        .inputs = "ref: resource, indices: Tindices, updates: T", .outputs = "",                              \
        .attrs = "T" ANY INDEX_TYPES LOCKED, .attrs_size = sizeof(locking_attrs), .fields = locking_fields,   \
        .n_fields = 1, .shape = tuples_shape, .prepare = Name##_prepare, .writes = 1u << TARGET,              \
        .no_grad_because = "it writes",                                                                       \
    };
#define ON_TENSOR(Name, op)                                                                                  \
    static ek_status Name##_prepare(ek_prepare_ctx *c) { return tensor_prepare(c, op, INDICES); }             \
    const ek_op_def ek__op_##Name = {                                                                         \
        .name = #Name, .inputs = "tensor: T, indices: Tindices, updates: T", .outputs = "output: T",          \
        .attrs = "T" ANY INDEX_TYPES, .shape = tuples_shape, .prepare = Name##_prepare,                       \
        .inplace = 1u << TARGET,                                                                              \
    };

ON_REFERENCE(ScatterAdd, EK_SCATTER_ADD, false, NUMBERS, UNLOCKED, rows_shape)
ON_REFERENCE(ScatterDiv, EK_SCATTER_DIV, false, NUMBERS, UNLOCKED, rows_shape)
ON_REFERENCE(ScatterMax, EK_SCATTER_MAX, false, SOME, UNLOCKED, rows_shape)
ON_REFERENCE(ScatterMin, EK_SCATTER_MIN, false, SOME, UNLOCKED, rows_shape)
ON_REFERENCE(ScatterMul, EK_SCATTER_MUL, false, NUMBERS, UNLOCKED, rows_shape)
ON_REFERENCE(ScatterSub, EK_SCATTER_SUB, false, NUMBERS, UNLOCKED, rows_shape)
ON_REFERENCE(ScatterUpdate, EK_SCATTER_UPDATE, false, ANY, LOCKED, rows_shape)
ON_REFERENCE(ScatterNdAdd, EK_SCATTER_ADD, true, NUMBERS, UNLOCKED, tuples_shape)
ON_REFERENCE(ScatterNdSub, EK_SCATTER_SUB, true, NUMBERS, UNLOCKED, tuples_shape)
ON_REFERENCE(ScatterNdUpdate, EK_SCATTER_UPDATE, true, ANY, LOCKED, tuples_shape)

ON_RESOURCE(ResourceScatterAdd, EK_SCATTER_ADD, NUMBERS)
ON_RESOURCE(ResourceScatterDiv, EK_SCATTER_DIV, NUMBERS)
ON_RESOURCE(ResourceScatterMax, EK_SCATTER_MAX, NUMBERS)
ON_RESOURCE(ResourceScatterMin, EK_SCATTER_MIN, NUMBERS)
ON_RESOURCE(ResourceScatterMul, EK_SCATTER_MUL, NUMBERS)
ON_RESOURCE(ResourceScatterSub, EK_SCATTER_SUB, NUMBERS)
ON_RESOURCE(ResourceScatterUpdate, EK_SCATTER_UPDATE, ANY)
ON_RESOURCE_ND(ResourceScatterNdAdd, EK_SCATTER_ADD)
ON_RESOURCE_ND(ResourceScatterNdSub, EK_SCATTER_SUB)
ON_RESOURCE_ND(ResourceScatterNdUpdate, EK_SCATTER_UPDATE)

ON_TENSOR(TensorScatterAdd, EK_SCATTER_ADD)
ON_TENSOR(TensorScatterSub, EK_SCATTER_SUB)
ON_TENSOR(TensorScatterUpdate, EK_SCATTER_UPDATE)

const ek_op_def ek__op_ScatterNd = {
    .name = "ScatterNd",
    .inputs = "indices: Tindices, updates: T, shape: Tindices",
    .outputs = "output: T",
    .attrs = "T: type; Tindices: {int32, int64}",
    .shape = scatter_nd_shape,
    .prepare = scatter_nd_prepare,
    .value_inputs = 1u << ND_SHAPE,
};
