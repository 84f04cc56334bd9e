/* ops/slot.c - writing variables. */
#include "ops/slot.h"

#include "ops/move.h"
#include "ops/rules.h"

static bool slot_owned(const ek_slot *slot)
{
    return slot->value != NULL && !slot->value->wrapped && atomic_load(&slot->value->refs) == 1;
}

static void slot_replace(ek_slot *slot, ek_array *value)
{
    ek_array_unref(slot->value);
    slot->value = value;
    slot->version++;
}

ek_status ek__slot_assign(ek_slot *slot, ek_dtype dtype, const ek_shape *shape, const void *data, ek_error *err)
{
    ek_array *fresh = NULL;

    if (slot_owned(slot) && slot->value->dtype == dtype && slot->value->count == ek_shape_count(shape)) {
        EK_TRY(ek__move(dtype, slot->value->data, data, slot->value->count, err));
        slot->value->shape = *shape;
        slot->version++;
        return EK_OK;
    }
    EK_TRY(ek__array_new_raw(dtype, shape, &fresh, err));
    const ek_status st = ek__move(dtype, fresh->data, data, fresh->count, err);
    if (st != EK_OK) {
        ek_array_unref(fresh);
        return st;
    }
    slot_replace(slot, fresh);
    return EK_OK;
}

ek_status ek__slot_own(ek_slot *slot, ek_error *err)
{
    ek_array *copy = NULL;

    if (slot_owned(slot)) {
        slot->version++;
        return EK_OK;
    }
    EK_TRY(ek__array_new(slot->value->dtype, &slot->value->shape, slot->value->data, &copy, err));
    slot_replace(slot, copy);
    return EK_OK;
}

ek_status ek__slot_unread(const ek_slot *slot, ek_error *err)
{
    return EK_FAIL(err, FAILED_PRECONDITION,
                   "Error while reading resource variable %s from Container: localhost. This could mean that the "
                   "variable was uninitialized. Not found: Resource localhost/%s/N10tensorflow3VarE does not exist.",
                   slot->name, slot->name);
}

ek_write_state *ek__write_state(ek_prepare_ctx *c)
{
    ek_write_state *s = EK_ARENA_NEW(c->arena, ek_write_state, 1);

    if (s == NULL) {
        (void)ek__no_memory(c);
        return NULL;
    }
    *s = (ek_write_state){ c->in_dtype[1], c->in[1] };
    c->state = s;
    return s;
}
