/* runtime/values.c - reading and setting variables from outside a run.
 */
#include "runtime/runtime.h"

#include "graph/node.h"

static ek_status find_slot(ek_session *s, ek_variable v, ek_slot **slot, const ek_variable_info **info, ek_error *err)
{
    if (s == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "no session");
    if (v.graph != s->graph || v.id < 0 || v.id >= s->graph->n_variables)
        return EK_FAIL(err, INVALID_ARGUMENT, "the variable is %s",
                       v.id < 0 ? "dead: building it failed" : "not of the session's graph");
    *info = s->graph->variable[v.id];
    if ((*info)->n_parts > 0)
        return EK_FAIL(err, INVALID_ARGUMENT, "%s is in parts: each has a value of its own, ek_variable_part(v, 0) and so on",
                       (*info)->name);
    return ek__store_slot(s->store, s->graph->node[(*info)->op], slot, err);
}

/* A copy of what a place holds. */
static ek_status copy_value(ek_session *s, const ek_slot *slot, const char *name, ek_array **out, ek_error *err)
{
    ek_status st;

    pthread_rwlock_rdlock(&s->store->lock);
    st = slot->value == NULL ? EK_FAIL(err, FAILED_PRECONDITION, "Attempting to use uninitialized value %s", name)
                             : ek__array_new(slot->dtype, &slot->value->shape, slot->value->data, out, err);
    pthread_rwlock_unlock(&s->store->lock);
    return st;
}

ek_status ek_session_get(ek_session *s, ek_variable v, ek_array **out)
{
    ek_error *err = ek__error_begin(NULL);
    const ek_variable_info *info;
    ek_slot *slot;

    EK_TRY(find_slot(s, v, &slot, &info, err));
    return copy_value(s, slot, info->name, out, err);
}

ek_status ek__session_value(ek_session *s, const ek_node *source, ek_array **out, ek_error *err)
{
    ek_slot *slot;

    EK_TRY(ek__store_slot(s->store, source, &slot, err));
    return copy_value(s, slot, source->name, out, err);
}

/* A copy of the value becomes the place's. */
static ek_status put_value(ek_session *s, ek_slot *slot, const ek_array *value, ek_error *err)
{
    ek_array *copy;

    EK_TRY(ek__array_new(value->dtype, &value->shape, value->data, &copy, err));
    pthread_rwlock_wrlock(&s->store->lock);
    ek_array *old = slot->value;
    slot->value = copy;
    slot->version++;
    ek__notes_reset(slot);
    ek__store_written(s->store, slot);
    pthread_rwlock_unlock(&s->store->lock);
    ek_array_unref(old);
    return EK_OK;
}

ek_status ek_session_set(ek_session *s, ek_variable v, const ek_array *value)
{
    ek_error *err = ek__error_begin(NULL);
    const ek_variable_info *info;
    ek_slot *slot;
    char given[400], wanted[400];

    EK_TRY(find_slot(s, v, &slot, &info, err));
    if (value == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "no value for variable '%s'", info->name);
    if (value->dtype != slot->dtype)
        return EK_FAIL(err, INVALID_ARGUMENT, "variable '%s' is %s, the value is %s; convert it first", info->name,
                       ek_dtype_name(slot->dtype), ek_dtype_name(value->dtype));
    if (!ek_shape_compatible(&value->shape, &info->shape)) {
        ek_shape_format_cc(&info->shape, wanted, sizeof wanted);
        ek_shape_format_cc(&value->shape, given, sizeof given);
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "Assign requires shapes of both tensors to match. lhs shape= %s rhs shape= %s", wanted, given);
    }
    return put_value(s, slot, value, err);
}

ek_status ek__session_set_value(ek_session *s, const ek_node *source, const ek_array *value, ek_error *err)
{
    ek_slot *slot;

    EK_TRY(ek__store_slot(s->store, source, &slot, err));
    EK_ASSERT(value->dtype == slot->dtype);
    return put_value(s, slot, value, err);
}
