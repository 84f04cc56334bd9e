/* train/init_from.c - variables begin with those values of a checkpoint that fit. */
#include "codec/bundle.h"
#include "evenkeel/fit.h"
#include "evenkeel/train.h"
#include "graph/node.h"
#include "runtime/runtime.h"

/* "v:0" without ":0": what checkpoints call it. */
static const char *stored_name(ek_variable v) { return v.graph->variable[v.id]->name; }

/* Why a tensor is not the variable's; "" where it is. */
static void compare(ek_variable v, const ek_bundle_entry *e, char *why, size_t room)
{
    const ek_shape *shape = &v.graph->variable[v.id]->shape;
    const ek_dtype dtype = ek_dtype_base(ek_variable_dtype(v));
    char here[256], there[256];

    why[0] = '\0';
    if (e == NULL) {
        snprintf(why, room, "is not in the checkpoint");
    } else if (e->dtype != dtype) {
        snprintf(why, room, "is %s in the checkpoint, %s here", ek_dtype_name(e->dtype), ek_dtype_name(dtype));
    } else if (!ek_shape_compatible(shape, &e->shape)) {
        ek_shape_format(&e->shape, there, sizeof there);
        ek_shape_format(shape, here, sizeof here);
        snprintf(why, room, "has shape %s in the checkpoint, %s here", there, here);
    }
}

static ek_status restore(ek_session *s, ek_bundle *b, const ek_init_from_options *o, int64_t *restored, ek_error *err)
{
    const ek_list all = ek_global_variables(s->graph);
    const ek_variable step =
        ek_get_global_step(s->graph); /* another training's: learning rates fall from its beginning */

    for (int64_t i = 0; i < all.count; i++) {
        char why[640];
        ek_array *value = NULL;
        ek_status st;

        if (all.item[i].kind != EK_ITEM_VARIABLE) continue;
        const ek_variable v = all.item[i].u.variable;
        if (v.id == step.id) continue;
        const ek_bundle_entry *e = ek__bundle_find(b, stored_name(v));

        compare(v, e, why, sizeof why);
        if (why[0] != '\0') {
            if (o->skipped != NULL) o->skipped(stored_name(v), why, o->arg);
            continue;
        }
        EK_TRY(ek__bundle_read(b, e, NULL, &value, err));
        st = ek_session_set(s, v, value);
        ek_array_unref(value);
        if (st != EK_OK) return ek__error_copy(err, ek_last_error());
        ++*restored;
    }
    return EK_OK;
}

ek_status ek_init_from_with(ek_session *s, const ek_init_from_options *o, ek_where where)
{
    ek_init_from_options all = { .prefix = NULL };
    const size_t has_error = offsetof(ek_init_from_options, error) + sizeof all.error;
    ek_error *err = ek__error_begin(o != NULL && o->size >= has_error ? o->error : NULL);
    ek_bundle *b = NULL;
    int64_t restored = 0;
    ek_status st;

    EK_UNUSED(where);
    if (o != NULL) memcpy(&all, o, o->size < sizeof all ? o->size : sizeof all);
    if (s == NULL || all.prefix == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "ek_init_from needs a session and the prefix of a checkpoint");
    st = ek__bundle_open(all.prefix, &b, err);
    if (st == EK_OK) st = restore(s, b, &all, &restored, err);
    if (st == EK_OK && restored == 0)
        st =
            EK_FAIL(err, NOT_FOUND, "nothing in the checkpoint %s fits a variable by name, type and shape", all.prefix);
    ek__bundle_close(b);
    if (all.restored != NULL) *all.restored = restored;
    return st;
}
