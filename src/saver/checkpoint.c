/* saver/checkpoint.c - checkpoints without a graph: the calls of evenkeel/checkpoint.h over codec/bundle. */
#include "evenkeel/checkpoint.h"

#include "codec/bundle.h"

/* An ek_checkpoint is an ek_bundle under the name that callers know. */
static ek_bundle *bundle_of(ek_checkpoint *c) { return (ek_bundle *)c; }
static const ek_bundle *bundle_in(const ek_checkpoint *c) { return (const ek_bundle *)c; }

ek_status ek_checkpoint_open(const char *prefix, ek_checkpoint **out, ek_error *err)
{
    ek_bundle *b = NULL;

    err = ek__error_begin(err);
    *out = NULL;
    if (prefix == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "a checkpoint has a prefix; this one is NULL");
    EK_TRY(ek__bundle_open(prefix, &b, err));
    *out = (ek_checkpoint *)b;
    return EK_OK;
}

void ek_checkpoint_close(ek_checkpoint *c)
{
    ek__bundle_close(bundle_of(c));
}

int64_t ek_checkpoint_count(const ek_checkpoint *c)
{
    return c != NULL ? ek__bundle_count(bundle_in(c)) : 0;
}

static bool show(const ek_bundle_entry *e, ek_checkpoint_entry *out)
{
    if (e != NULL) *out = (ek_checkpoint_entry){ e->name, e->dtype, e->shape, e->n_slices };
    return e != NULL;
}

bool ek_checkpoint_at(const ek_checkpoint *c, int64_t i, ek_checkpoint_entry *out)
{
    return c != NULL && show(ek__bundle_at(bundle_in(c), i), out);
}

bool ek_checkpoint_find(const ek_checkpoint *c, const char *name, ek_checkpoint_entry *out)
{
    return c != NULL && name != NULL && show(ek__bundle_find(bundle_in(c), name), out);
}

ek_status ek_checkpoint_read(ek_checkpoint *c, const char *name, ek_array **out, ek_error *err)
{
    const ek_bundle_entry *e;

    err = ek__error_begin(err);
    *out = NULL;
    if (c == NULL || name == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "there is no checkpoint, or no name");
    e = ek__bundle_find(bundle_of(c), name);
    if (e == NULL) return EK_FAIL(err, NOT_FOUND, "Key %s not found in checkpoint", name);
    return ek__bundle_read(bundle_of(c), e, NULL, out, err);
}

ek_status ek_checkpoint_write(const char *prefix, const ek_named_array *arrays, int64_t n, ek_error *err)
{
    ek_bundle_writer *w = NULL;
    ek_status st;

    err = ek__error_begin(err);
    if (prefix == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "a checkpoint has a prefix; this one is NULL");
    EK_TRY(ek__bundle_writer_open(prefix, &w, err));
    for (int64_t i = 0; i < n; i++) {
        const ek_array *a = arrays[i].array;

        if (arrays[i].name == NULL || a == NULL) {
            st = EK_FAIL(err, INVALID_ARGUMENT, "tensor %lld of the checkpoint has no name or no array", (long long)i);
            goto done;
        }
        EK_TRY_DONE(ek__bundle_add(w, arrays[i].name, ek_array_dtype(a), ek_array_shape(a), ek_array_cdata(a), NULL,
                                   NULL, err));
    }
    st = ek__bundle_finish(w, err);
    w = NULL;
done:
    ek__bundle_abandon(w);
    return st;
}
