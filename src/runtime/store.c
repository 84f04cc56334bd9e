/* runtime/store.c - variables' values by name. */
#include "runtime/runtime.h"

#include "base/log.h"

ek_store *ek_store_create(void)
{
    ek_store *s = ek__calloc(1, sizeof *s);
    pthread_rwlockattr_t attr;

    if (s == NULL) return NULL;
    s->refs = 1;
    s->layout = 1;
    /* Training must get its turn among any number of readers. */
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    const bool ok = pthread_rwlock_init(&s->lock, &attr) == 0 && pthread_mutex_init(&s->names, NULL) == 0;
    pthread_rwlockattr_destroy(&attr);
    if (!ok) {
        ek__free(s);
        return NULL;
    }
    return s;
}

ek_store *ek__store_ref(ek_store *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void ek_store_unref(ek_store *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
    for (int64_t i = 0; i < s->n_slots; i++) {
        ek_array_unref(s->slot[i]->slot.value);
        ek__free(s->slot[i]);
    }
    ek__free(s->slot);
    ek__map_fini(&s->by_key);
    ek__arena_fini(&s->arena);
    pthread_rwlock_destroy(&s->lock);
    pthread_mutex_destroy(&s->names);
    ek__free(s);
}

static const char *string_attr(const ek_node *n, const char *name)
{
    const ek_attr_value *v = ek__attr_find(n->attr, n->n_attr, name);

    return v != NULL && v->kind == EK_ATTR_STRING && v->u.s.data != NULL ? v->u.s.data : "";
}

static ek_dtype variable_dtype(const ek_node *n)
{
    const ek_attr_value *v = ek__attr_find(n->attr, n->n_attr, "dtype");

    if (ek_dtype_is_ref(n->out_dtype[0])) return ek_dtype_base(n->out_dtype[0]);
    return v != NULL && v->kind == EK_ATTR_TYPE ? v->u.type : EK_DTYPE_NONE;
}

/* names is locked. `key` is borrowed for the call. */
static ek_variable_slot *find_or_add(ek_store *s, const char *key, const char *name, ek_dtype dtype)
{
    const int64_t at = ek__map_get(&s->by_key, key, strlen(key), -1);
    char *kept_key, *kept_name;
    ek_variable_slot *slot;

    if (at >= 0) return s->slot[at];
    kept_key = ek__arena_strdup(&s->arena, key);
    kept_name = ek__arena_strdup(&s->arena, name);
    if (kept_key == NULL || kept_name == NULL || !EK_GROW(s->slot, s->cap_slots, s->n_slots + 1)) return NULL;
    slot = ek__calloc(1, sizeof *slot);
    if (slot == NULL) return NULL;
    slot->slot = (ek_slot){ .dtype = dtype, .name = kept_name };
    if (!ek__map_put(&s->by_key, kept_key, strlen(kept_key), s->n_slots)) {
        ek__free(slot);
        return NULL;
    }
    s->slot[s->n_slots++] = slot;
    return slot;
}

ek_status ek__store_slot(ek_store *s, const ek_node *source, ek_slot **out, ek_error *err)
{
    const char *shared = string_attr(source, "shared_name"), *container = string_attr(source, "container");
    const char *name = shared[0] != '\0' ? shared : source->name;
    const ek_dtype dtype = variable_dtype(source);
    const bool resource = source->out_dtype[0] == EK_RESOURCE;
    ek_variable_slot *slot = NULL;
    ek_buf key = { 0 };

    if (dtype == EK_DTYPE_NONE || dtype == EK_RESOURCE || dtype == EK_VARIANT)
        return EK_FAIL(err, UNIMPLEMENTED, "'%s' of type %s is no variable", source->name, source->type);
    /* Reference and resource variables of one name are two things, as in TensorFlow. */
    ek__buf_printf(&key, "%s/%s/%s", resource ? "resource" : "reference", container, name);
    if (!key.failed) {
        pthread_mutex_lock(&s->names);
        slot = find_or_add(s, key.data, name, dtype);
        pthread_mutex_unlock(&s->names);
    }
    ek__buf_fini(&key);
    if (slot == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for variable '%s'", name);
    if (slot->slot.dtype != dtype)
        return EK_FAIL(err, INVALID_ARGUMENT, "variable '%s' holds %s here and %s elsewhere", name,
                       ek_dtype_name(dtype), ek_dtype_name(slot->slot.dtype));
    *out = &slot->slot;
    return EK_OK;
}

static bool same_shape(const ek_shape *a, const ek_shape *b)
{
    return a->rank == b->rank && memcmp(a->dim, b->dim, sizeof a->dim[0] * (size_t)a->rank) == 0;
}

void ek__store_written(ek_store *s, ek_slot *slot)
{
    ek_variable_slot *v = (ek_variable_slot *)slot; /* its first member */

    if (slot->value == NULL) return;
    if (v->seen && same_shape(&v->seen_shape, &slot->value->shape)) return;
    v->seen = true;
    v->seen_shape = slot->value->shape;
    atomic_fetch_add(&s->layout, 1);
}

int64_t ek__store_global_step(ek_store *s)
{
    static const char *const key[] = { "reference//global_step", "resource//global_step" };
    int64_t step = -1;

    pthread_mutex_lock(&s->names);
    for (int i = 0; i < EK_COUNT_OF(key) && step < 0; i++) {
        const int64_t at = ek__map_get(&s->by_key, key[i], strlen(key[i]), -1);
        const ek_array *value = at >= 0 ? s->slot[at]->slot.value : NULL;

        if (value != NULL && value->count == 1 && (value->dtype == EK_INT64 || value->dtype == EK_INT32))
            step = ek__array_int(value, 0);
    }
    pthread_mutex_unlock(&s->names);
    return step;
}
