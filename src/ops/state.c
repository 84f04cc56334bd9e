/* ops/state.c - reference variables: the variable is its memory, and writing returns it. */
#include "ops/rules.h"
#include "ops/slot.h"

enum { REF, VALUE };

/* ---- the variable ------------------------------------------------------------------------- */

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

/* ---- Assign ----------------------------------------------------------------------------------- */

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
    .no_grad_because = "it writes",
};
