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

/* ---- updates in place -------------------------------------------------------------------- */

typedef struct update_state {
    ek_write_state value; /* first: what checks see */
    ek_elementwise_fn loop;
    ek_run_fn check;
    int64_t count;
} update_state;

static ek_status update_open(const ek_run_args *a, int64_t chunk)
{
    const update_state *s = a->state;

    EK_TRY(s->check(a, chunk));
    return ek__slot_own(a->slot[0], a->err);
}

static ek_status update_run(const ek_run_args *a, int64_t chunk)
{
    static const int step[2] = { 1, 1 };
    const update_state *s = a->state;
    const int64_t from = chunk * EK_ELEMENTWISE_CHUNK;
    const int64_t n = s->count - from < EK_ELEMENTWISE_CHUNK ? s->count - from : EK_ELEMENTWISE_CHUNK;
    const size_t at = (size_t)from * ek_dtype_size(s->value.dtype);
    char *to = (char *)a->slot[0]->value->data + at;

    s->loop(n, (const void *const[]){ to, (const char *)a->in[1] + at }, step, to, NULL);
    return EK_OK;
}

ek_status ek__update_prepare(ek_prepare_ctx *c, const ek_loops *loops, ek_run_fn check)
{
    update_state *s = EK_ARENA_NEW(c->arena, update_state, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (update_state){ .value = { c->in_dtype[1], c->in[1] }, .loop = ek__loop(loops, c->in_dtype[1]), .check = check,
                         .count = ek_shape_count(&c->in[1]) };
    if (s->loop == NULL)
        return EK_FAIL(c->err, UNIMPLEMENTED, "%s has no loop for %s", c->def->name, ek_dtype_cc_name(c->in_dtype[1]));
    c->state = s;
    ek__add_phase(c, update_open, 1);
    ek__add_phase(c, update_run, (s->count + EK_ELEMENTWISE_CHUNK - 1) / EK_ELEMENTWISE_CHUNK);
    return EK_OK;
}
