/* ops/resource.c - resource variables: a handle, and reads and writes through it.
 *
 * The shapes that rules see behind a handle are the declared one while building, the variable's own in a run; what
 * depends on the value that is there (its type, whether it is there at all) is checked when the op runs.
 */
#include "ops/move.h"
#include "ops/rules.h"
#include "ops/slot.h"

enum { HANDLE, VALUE };

/* ---- the handle ------------------------------------------------------------------------------ */

typedef struct handle_attrs {
    ek_shape shape;
    ek_dtype dtype;
    const char *container, *shared_name;
} handle_attrs;

static const ek_field handle_fields[] = {
    EK_FIELD(handle_attrs, shape, SHAPE),
    EK_FIELD(handle_attrs, dtype, TYPE),
    EK_FIELD(handle_attrs, container, STRING),
    EK_FIELD(handle_attrs, shared_name, STRING),
};

static ek_status handle_shape(ek_shape_ctx *c)
{
    c->out[0] = EK_SCALAR;
    c->out_handle[0] = ((const handle_attrs *)c->attrs)->shape;
    return EK_OK;
}

const ek_op_def ek__op_VarHandleOp = {
    .name = "VarHandleOp",
    .kind = EK_KIND_SOURCE,
    .stateful = true,
    .inputs = "",
    .outputs = "resource: resource",
    .attrs = "container: string = ''; shared_name: string = ''; dtype: type; shape: shape",
    .attrs_size = sizeof(handle_attrs),
    .fields = handle_fields,
    .n_fields = EK_COUNT_OF(handle_fields),
    .shape = handle_shape,
    .no_grad_because = "it has no inputs",
};

static ek_status initialized_run(const ek_run_args *a, int64_t chunk)
{
    EK_UNUSED(chunk);
    *(bool *)a->out[0] = a->slot[HANDLE]->value != NULL;
    return EK_OK;
}

static ek_status initialized_prepare(ek_prepare_ctx *c)
{
    ek__add_phase(c, initialized_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_VarIsInitializedOp = {
    .name = "VarIsInitializedOp",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "resource: resource",
    .outputs = "is_initialized: bool",
    .attrs = "",
    .shape = ek__scalar_rule,
    .prepare = initialized_prepare,
    .reads = 1u << HANDLE,
    .accepts_uninitialized = 1u << HANDLE,
    .no_grad_because = "its output is a bool",
};

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct dtype_attrs {
    ek_dtype dtype;
} dtype_attrs;

static const ek_field dtype_fields[] = { EK_FIELD(dtype_attrs, dtype, TYPE) };

static ek_status read_shape(ek_shape_ctx *c)
{
    c->out[0] = c->in_handle[HANDLE];
    return EK_OK;
}

typedef struct read_state {
    ek_dtype dtype;
    int64_t count;
} read_state;

static ek_status read_check(const ek_run_args *a, int64_t chunk)
{
    const read_state *s = a->state;
    const ek_slot *slot = a->slot[HANDLE];

    EK_UNUSED(chunk);
    if (slot->value == NULL) return ek__slot_unread(slot, a->err);
    if (slot->value->dtype != s->dtype)
        return EK_FAIL(a->err, INVALID_ARGUMENT, "Trying to read variable with wrong dtype. Expected %s got %s",
                       ek_dtype_cc_name(slot->value->dtype), ek_dtype_cc_name(s->dtype));
    if (slot->value->count != s->count)
        return EK_FAIL(a->err, INTERNAL, "variable %s changed its size while a plan reads it", slot->name);
    return EK_OK;
}

static ek_status read_run(const ek_run_args *a, int64_t chunk)
{
    const read_state *s = a->state;

    return ek__move_chunk(s->dtype, a->out[0], a->slot[HANDLE]->value->data, s->count, chunk, a->err);
}

static ek_status read_prepare(ek_prepare_ctx *c)
{
    read_state *s = EK_ARENA_NEW(c->arena, read_state, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (read_state){ c->out_dtype[0], ek_shape_count(&c->out[0]) };
    c->state = s;
    ek__add_phase(c, read_check, 1);
    ek__add_phase(c, read_run, ek__move_chunks(s->dtype, s->count));
    return EK_OK;
}

const ek_op_def ek__op_ReadVariableOp = {
    .name = "ReadVariableOp",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "resource: resource",
    .outputs = "value: dtype",
    .attrs = "dtype: type",
    .attrs_size = sizeof(dtype_attrs),
    .fields = dtype_fields,
    .n_fields = EK_COUNT_OF(dtype_fields),
    .shape = read_shape,
    .prepare = read_prepare,
    .reads = 1u << HANDLE,
    .snapshot = true,
};

/* ---- writing --------------------------------------------------------------------------------- */

/* While building the declared shape must fit; a run takes any. */
static ek_status write_shape(ek_shape_ctx *c)
{
    ek_shape both;

    return c->running ? EK_OK : ek__merge_shapes(c, &c->in_handle[HANDLE], &c->in[VALUE], &both);
}

static ek_status assign_run(const ek_run_args *a, int64_t chunk)
{
    const ek_write_state *s = a->state;
    ek_slot *slot = a->slot[HANDLE];

    EK_UNUSED(chunk);
    if (slot->dtype != s->dtype)
        return EK_FAIL(a->err, INVALID_ARGUMENT, "Trying to assign variable with wrong dtype. Expected %s got %s",
                       ek_dtype_cc_name(slot->dtype), ek_dtype_cc_name(s->dtype));
    return ek__slot_assign(slot, s->dtype, &s->shape, a->in[VALUE], a->err);
}

static ek_status assign_prepare(ek_prepare_ctx *c)
{
    if (ek__write_state(c) == NULL) return EK_RESOURCE_EXHAUSTED;
    ek__add_phase(c, assign_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_AssignVariableOp = {
    .name = "AssignVariableOp",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "resource: resource, value: dtype",
    .outputs = "",
    .attrs = "dtype: type",
    .attrs_size = sizeof(dtype_attrs),
    .fields = dtype_fields,
    .n_fields = EK_COUNT_OF(dtype_fields),
    .shape = write_shape,
    .prepare = assign_prepare,
    .assigns = true,
    .writes = 1u << HANDLE,
    .accepts_uninitialized = 1u << HANDLE,
    .no_grad_because = "it writes",
};

static ek_status update_check(const ek_run_args *a, int64_t chunk)
{
    const ek_write_state *s = a->state;
    const ek_slot *slot = a->slot[HANDLE];

    EK_UNUSED(chunk);
    if (slot->value == NULL)
        return EK_FAIL(a->err, NOT_FOUND, "Resource localhost/%s/N10tensorflow3VarE does not exist.", slot->name);
    if (slot->dtype != s->dtype)
        return EK_FAIL(a->err, INVALID_ARGUMENT, "Trying to update variable with wrong dtype. Expected %s got %s",
                       ek_dtype_cc_name(slot->dtype), ek_dtype_cc_name(s->dtype));
    if (!ek_shape_equal(&slot->value->shape, &s->shape))
        return EK_FAIL(a->err, INVALID_ARGUMENT,
                       "Cannot update variable with shape %s using a Tensor with shape %s, shapes must be equal.",
                       EK_CC(&slot->value->shape), EK_CC(&s->shape));
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

const ek_op_def ek__op_AssignAddVariableOp = {
    .name = "AssignAddVariableOp",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "resource: resource, value: dtype",
    .outputs = "",
    .attrs = "dtype: type",
    .attrs_size = sizeof(dtype_attrs),
    .fields = dtype_fields,
    .n_fields = EK_COUNT_OF(dtype_fields),
    .shape = write_shape,
    .prepare = add_prepare,
    .writes = 1u << HANDLE,
    .no_grad_because = "it writes",
};

const ek_op_def ek__op_AssignSubVariableOp = {
    .name = "AssignSubVariableOp",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "resource: resource, value: dtype",
    .outputs = "",
    .attrs = "dtype: type",
    .attrs_size = sizeof(dtype_attrs),
    .fields = dtype_fields,
    .n_fields = EK_COUNT_OF(dtype_fields),
    .shape = write_shape,
    .prepare = sub_prepare,
    .writes = 1u << HANDLE,
    .no_grad_because = "it writes",
};

/* ---- the shape of what is there -------------------------------------------------------------- */

typedef struct shape_attrs {
    ek_dtype out_type;
} shape_attrs;

static const ek_field shape_fields[] = { EK_FIELD(shape_attrs, out_type, TYPE) };

static ek_status variable_shape_shape(ek_shape_ctx *c)
{
    c->out[0] = ek__vector(c->in_handle[HANDLE].rank);
    return EK_OK;
}

static ek_status variable_shape_run(const ek_run_args *a, int64_t chunk)
{
    const ek_slot *slot = a->slot[HANDLE];

    EK_UNUSED(chunk);
    if (slot->value == NULL) return ek__slot_unread(slot, a->err);
    const ek_shape *s = &slot->value->shape;
    const ek_dtype out_type = *(const ek_dtype *)a->state;
    for (int32_t d = 0; d < s->rank; d++) {
        if (out_type == EK_INT32)
            ((int32_t *)a->out[0])[d] = (int32_t)s->dim[d];
        else
            ((int64_t *)a->out[0])[d] = s->dim[d];
    }
    return EK_OK;
}

static ek_status variable_shape_prepare(ek_prepare_ctx *c)
{
    c->state = ek__arena_memdup(c->arena, &c->out_dtype[0], sizeof c->out_dtype[0]);
    if (c->state == NULL) return ek__no_memory(c);
    ek__add_phase(c, variable_shape_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_VariableShape = {
    .name = "VariableShape",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "input: resource",
    .outputs = "output: out_type",
    .attrs = "out_type: {int32, int64} = int32",
    .attrs_size = sizeof(shape_attrs),
    .fields = shape_fields,
    .n_fields = EK_COUNT_OF(shape_fields),
    .shape = variable_shape_shape,
    .prepare = variable_shape_prepare,
    .reads = 1u << HANDLE,
    .no_grad_because = "its output is integers",
};
