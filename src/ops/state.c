/* ops/state.c - reference variables: the variable is its memory, and writing returns it. */
#include "ops/rules.h"
#include "ops/slot.h"

enum { REF, VALUE };

/* ---- the variable ---------------------------------------------------------------------------- */

typedef struct variable_attrs {
    ek_shape shape;
    ek_dtype dtype;
    const char *container, *shared_name;
} variable_attrs;

static const ek_field variable_fields[] = {
    EK_FIELD(variable_attrs, shape, SHAPE),
    EK_FIELD(variable_attrs, dtype, TYPE),
    EK_FIELD(variable_attrs, container, STRING),
    EK_FIELD(variable_attrs, shared_name, STRING),
};

static ek_status variable_shape(ek_shape_ctx *c)
{
    c->out[0] = ((const variable_attrs *)c->attrs)->shape;
    return EK_OK;
}

const ek_op_def ek__op_VariableV2 = {
    .name = "VariableV2",
    .kind = EK_KIND_SOURCE,
    .stateful = true,
    .inputs = "",
    .outputs = "ref: Ref(dtype)",
    .attrs = "shape: shape; dtype: type; container: string = ''; shared_name: string = ''",
    .attrs_size = sizeof(variable_attrs),
    .fields = variable_fields,
    .n_fields = EK_COUNT_OF(variable_fields),
    .shape = variable_shape,
    .no_grad_because = "it has no inputs",
};

/* The first version: a scalar shape meant that none is known. */
static ek_status old_variable_shape(ek_shape_ctx *c)
{
    EK_TRY(variable_shape(c));
    if (c->out[0].rank == 0 && !c->running) c->out[0] = EK_UNKNOWN_SHAPE;
    return EK_OK;
}

const ek_op_def ek__op_Variable = {
    .name = "Variable",
    .kind = EK_KIND_SOURCE,
    .stateful = true,
    .inputs = "",
    .outputs = "ref: Ref(dtype)",
    .attrs = "shape: shape; dtype: type; container: string = ''; shared_name: string = ''",
    .attrs_size = sizeof(variable_attrs),
    .fields = variable_fields,
    .n_fields = EK_COUNT_OF(variable_fields),
    .shape = old_variable_shape,
    .no_grad_because = "it has no inputs",
};

static ek_status initialized_run(const ek_run_args *a, int64_t chunk)
{
    EK_UNUSED(chunk);
    *(bool *)a->out[0] = a->slot[0]->value != NULL;
    return EK_OK;
}

static ek_status initialized_prepare(ek_prepare_ctx *c)
{
    ek__add_phase(c, initialized_run, 1);
    return EK_OK;
}

typedef struct initialized_attrs {
    ek_dtype dtype;
} initialized_attrs;

static const ek_field initialized_fields[] = { EK_FIELD(initialized_attrs, dtype, TYPE) };

const ek_op_def ek__op_IsVariableInitialized = {
    .name = "IsVariableInitialized",
    .kind = EK_KIND_EFFECT,
    .inputs = "ref: Ref(dtype)",
    .outputs = "is_initialized: bool",
    .attrs = "dtype: type",
    .attrs_size = sizeof(initialized_attrs),
    .fields = initialized_fields,
    .n_fields = EK_COUNT_OF(initialized_fields),
    .shape = ek__scalar_rule,
    .prepare = initialized_prepare,
    .reads = 1u << REF,
    .accepts_uninitialized = 1u << REF,
    .no_grad_because = "its output is a bool",
};

/* ---- Assign ---------------------------------------------------------------------------------- */

typedef struct assign_attrs {
    bool validate_shape, use_locking;
} assign_attrs;

static const ek_field assign_fields[] = {
    EK_FIELD(assign_attrs, validate_shape, BOOL),
    EK_FIELD(assign_attrs, use_locking, BOOL),
};

static ek_status assign_shape(ek_shape_ctx *c)
{
    const assign_attrs *a = c->attrs;

    if (!a->validate_shape) {
        c->out[0] = c->in[VALUE];
        return EK_OK;
    }
    if (c->running && !ek_shape_compatible(&c->in[REF], &c->in[VALUE]))
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "Assign requires shapes of both tensors to match. lhs shape= %s rhs shape= %s",
                       EK_CC(&c->in[REF]), EK_CC(&c->in[VALUE]));
    return ek__merge_shapes(c, &c->in[REF], &c->in[VALUE], &c->out[0]);
}

static ek_status assign_run(const ek_run_args *a, int64_t chunk)
{
    const ek_write_state *s = a->state;

    EK_UNUSED(chunk);
    return ek__slot_assign(a->slot[REF], s->dtype, &s->shape, a->in[VALUE], a->err);
}

static ek_status assign_prepare(ek_prepare_ctx *c)
{
    if (ek__write_state(c) == NULL) return EK_RESOURCE_EXHAUSTED;
    ek__add_phase(c, assign_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_Assign = {
    .name = "Assign",
    .kind = EK_KIND_EFFECT,
    .inputs = "ref: Ref(T), value: T",
    .outputs = "output_ref: Ref(T)",
    .attrs = "T: type; validate_shape: bool = true; use_locking: bool = true",
    .attrs_size = sizeof(assign_attrs),
    .fields = assign_fields,
    .n_fields = EK_COUNT_OF(assign_fields),
    .shape = assign_shape,
    .prepare = assign_prepare,
    .writes = 1u << REF,
    .accepts_uninitialized = 1u << REF,
    .ref_output = 1,
    .assigns = true,
    .no_grad_because = "it writes",
};

/* ---- AssignAdd, AssignSub -------------------------------------------------------------------- */

typedef struct update_attrs {
    bool use_locking;
} update_attrs;

static const ek_field update_fields[] = { EK_FIELD(update_attrs, use_locking, BOOL) };

static ek_status update_shape(ek_shape_ctx *c)
{
    if (c->running && !ek_shape_compatible(&c->in[REF], &c->in[VALUE]))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Parameters and update must be the same size");
    return ek__merge_shapes(c, &c->in[REF], &c->in[VALUE], &c->out[0]);
}

/* A plan knows both before it runs; this is for a variable that changed since. */
static ek_status update_check(const ek_run_args *a, int64_t chunk)
{
    const ek_write_state *s = a->state;
    const ek_slot *slot = a->slot[REF];

    EK_UNUSED(chunk);
    if (slot->value == NULL)
        return EK_FAIL(a->err, FAILED_PRECONDITION, "Attempting to use uninitialized value %s", slot->name);
    if (!ek_shape_equal(&slot->value->shape, &s->shape))
        return EK_FAIL(a->err, INVALID_ARGUMENT, "Parameters and update must be the same size");
    return EK_OK;
}

static ek_status add_prepare(ek_prepare_ctx *c)
{
    return ek__update_prepare(c, &ek__loops_add, update_check);
}

static ek_status sub_prepare(ek_prepare_ctx *c)
{
    return ek__update_prepare(c, &ek__loops_sub, update_check);
}

#define UPDATE_TYPES                                                                                            \
    "T: {float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, uint16, " \
    "complex128, half, uint32, uint64}; use_locking: bool = false"

const ek_op_def ek__op_AssignAdd = {
    .name = "AssignAdd",
    .kind = EK_KIND_EFFECT,
    .inputs = "ref: Ref(T), value: T",
    .outputs = "output_ref: Ref(T)",
    .attrs = UPDATE_TYPES,
    .attrs_size = sizeof(update_attrs),
    .fields = update_fields,
    .n_fields = EK_COUNT_OF(update_fields),
    .shape = update_shape,
    .prepare = add_prepare,
    .writes = 1u << REF,
    .ref_output = 1,
    .no_grad_because = "it writes",
};

const ek_op_def ek__op_AssignSub = {
    .name = "AssignSub",
    .kind = EK_KIND_EFFECT,
    .inputs = "ref: Ref(T), value: T",
    .outputs = "output_ref: Ref(T)",
    .attrs = UPDATE_TYPES,
    .attrs_size = sizeof(update_attrs),
    .fields = update_fields,
    .n_fields = EK_COUNT_OF(update_fields),
    .shape = update_shape,
    .prepare = sub_prepare,
    .writes = 1u << REF,
    .ref_output = 1,
    .no_grad_because = "it writes",
};

/* ---- CountUpTo ------------------------------------------------------------------------------- */

typedef struct count_attrs {
    int64_t limit;
} count_attrs;

static const ek_field count_fields[] = { EK_FIELD(count_attrs, limit, INT) };

static ek_status count_shape(ek_shape_ctx *c)
{
    EK_TRY(ek__want_rank(c, REF, 0));
    return ek__scalar_rule(c);
}

static ek_status count_run(const ek_run_args *a, int64_t chunk)
{
    const int64_t limit = *(const int64_t *)a->state;
    ek_slot *slot = a->slot[REF];

    EK_UNUSED(chunk);
    if (slot->value == NULL)
        return EK_FAIL(a->err, FAILED_PRECONDITION, "Attempting to use uninitialized value %s", slot->name);
    if (slot->value->count != 1)
        return EK_FAIL(a->err, INVALID_ARGUMENT, "input is not a scalar: %s", EK_CC(&slot->value->shape));
    const int64_t before = ek__array_int(slot->value, 0);
    if (before >= limit) return EK_FAIL(a->err, OUT_OF_RANGE, "Reached limit of %lld", (long long)limit);
    EK_TRY(ek__slot_own(slot, a->err));
    ek__store_int(slot->value->dtype, slot->value->data, 0, before + 1);
    ek__store_int(slot->value->dtype, a->out[0], 0, before);
    return EK_OK;
}

static ek_status count_prepare(ek_prepare_ctx *c)
{
    c->state = ek__arena_memdup(c->arena, &((const count_attrs *)c->attrs)->limit, sizeof(int64_t));
    if (c->state == NULL) return ek__no_memory(c);
    ek__add_phase(c, count_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_CountUpTo = {
    .name = "CountUpTo",
    .kind = EK_KIND_EFFECT,
    .inputs = "ref: Ref(T)",
    .outputs = "output: T",
    .attrs = "limit: int; T: {int32, int64}",
    .attrs_size = sizeof(count_attrs),
    .fields = count_fields,
    .n_fields = EK_COUNT_OF(count_fields),
    .shape = count_shape,
    .prepare = count_prepare,
    .writes = 1u << REF,
    .no_grad_because = "its output is an integer",
};
