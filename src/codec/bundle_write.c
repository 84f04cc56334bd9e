/* codec/bundle_write.c - checkpoints of version 2 written. The index is what commits: see bundle.h. */
#include <stdlib.h>

#include "base/file.h"
#include "codec/bundle_parts.h"
#include "codec/bundle_index.h"
#include "codec/crc32c.h"
#include "codec/tensor.h"

struct ek_bundle_writer {
    ek_arena arena;
    char *prefix, *data_path;
    int32_t n_shards;   /* ours is the first of so many, the others are not there */
    ek_file_out *data;  /* NULL: it is where it belongs */
    uint64_t size;      /* of the data so far */
    ek_index index;
    bool failed;
};

/* ---- opening --------------------------------------------------------------------------------------------------- */

static ek_status open_data(ek_bundle_writer *w, const char *prefix, ek_error *err)
{
    w->prefix = ek__arena_strdup(&w->arena, prefix);
    EK_TRY(ek__bundle_make_folder(prefix, err));
    EK_TRY(ek__bundle_free_layout(prefix, 1, &w->n_shards, err));
    w->data_path = ek__bundle_shard_path(&w->arena, prefix, 0, w->n_shards);
    if (w->prefix == NULL || w->data_path == NULL)
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to write '%s'", prefix);
    return ek__file_create(w->data_path, &w->data, err);
}

ek_status ek__bundle_writer_open(const char *prefix, ek_bundle_writer **out, ek_error *err)
{
    const char *base = prefix + ek__file_folder_size(prefix);
    ek_bundle_writer *w;
    ek_status st;

    *out = NULL;
    if (*base == '\0')
        return EK_FAIL(err, INVALID_ARGUMENT, "'%s' is no prefix of a checkpoint: it has no name", prefix);
    w = ek__calloc(1, sizeof *w);
    if (w == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to write '%s'", prefix);
    st = open_data(w, prefix, err);
    if (st == EK_OK) *out = w;
    else ek__bundle_abandon(w);
    return st;
}

void ek__bundle_abandon(ek_bundle_writer *w)
{
    if (w == NULL) return;
    ek__file_abandon(w->data);
    ek__index_fini(&w->index);
    ek__arena_fini(&w->arena);
    ek__free(w);
}

/* ---- data ------------------------------------------------------------------------------------------------------ */

static ek_status put(ek_bundle_writer *w, const void *data, size_t size, ek_index_entry *e, ek_error *err)
{
    e->size += size;
    return ek__file_put(w->data, data, size, err);
}

static ek_status put_numbers(ek_bundle_writer *w, const void *data, size_t size, ek_index_entry *e, ek_error *err)
{
    e->crc = ek__crc32c(0, data, size);
    return put(w, data, size, e, err);
}

/* The lengths, their checksum, the bytes. */
static ek_status put_strings(ek_bundle_writer *w, const ek_string *s, int64_t n, ek_index_entry *e, ek_error *err)
{
    ek_buf lengths = { .data = NULL };
    ek_status st = EK_OK;

    for (int64_t i = 0; i < n; i++) {
        const uint64_t size = s[i].size;

        ek__put_varint(&lengths, size);
        e->crc = ek__crc32c(e->crc, &size, size <= UINT32_MAX ? 4 : 8);
    }
    ek__put_fixed32(&lengths, ek__crc32c_mask(e->crc));
    if (lengths.failed)
        st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the lengths of %lld strings", (long long)n);
    if (st == EK_OK) {
        e->crc = ek__crc32c(e->crc, lengths.data + lengths.size - 4, 4);
        st = put(w, lengths.data, lengths.size, e, err);
    }
    ek__buf_fini(&lengths);
    for (int64_t i = 0; i < n && st == EK_OK; i++) {
        e->crc = ek__crc32c(e->crc, s[i].data, s[i].size);
        st = put(w, s[i].data, s[i].size, e, err);
    }
    return st;
}

static ek_status put_tensor(ek_bundle_writer *w, ek_index_entry *e, const void *data, ek_error *err)
{
    int64_t count;
    size_t bytes;

    if (!ek_shape_is_known(&e->shape) || !ek__bytes_of(e->dtype, &e->shape, &count, &bytes))
        return EK_FAIL(err, INVALID_ARGUMENT, "%s: the shape is not known, or has too many elements", e->name);
    e->offset = w->size;
    EK_TRY(e->dtype == EK_STRING ? put_strings(w, data, count, e, err) : put_numbers(w, data, bytes, e, err));
    w->size += e->size;
    return EK_OK;
}

/* A slice: the whole tensor's entry notes it, and it has one of its own. */
static ek_status add_slice(ek_bundle_writer *w, const char *name, ek_dtype dtype, const ek_shape *shape,
                           const void *data, const ek_shape *full, const ek_slice *part, ek_error *err)
{
    ek_buf key = { .data = NULL };
    ek_slice resolved;
    ek_index_entry *e;
    ek_status st;

    if (!ek__slice_resolve(part, full, &resolved) || shape->rank != part->rank ||
        memcmp(resolved.length, shape->dim, (size_t)part->rank * sizeof shape->dim[0]) != 0)
        return EK_FAIL(err, INVALID_ARGUMENT, "%s: the slice is none of the tensor's shape, or has another shape",
                       name);
    EK_TRY(ek__index_note_slice(&w->index, name, dtype, full, part, err));
    ek__slice_key(&key, name, part);
    st = key.failed
             ? EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the key of a slice of %s", name)
             : ek__index_add(&w->index, (ek_span){(const uint8_t *)key.data, key.size}, name, dtype, shape, &e, err);
    ek__buf_fini(&key);
    return st == EK_OK ? put_tensor(w, e, data, err) : st;
}

static ek_status add(ek_bundle_writer *w, const char *name, ek_dtype dtype, const ek_shape *shape, const void *data,
                     const ek_shape *full, const ek_slice *part, ek_error *err)
{
    ek_index_entry *e;

    if (name[0] == '\0') return EK_FAIL(err, INVALID_ARGUMENT, "a tensor without a name cannot be saved");
    if (ek_dtype_size(dtype) == 0 || dtype == EK_RESOURCE || dtype == EK_VARIANT || ek_dtype_is_ref(dtype))
        return EK_FAIL(err, UNIMPLEMENTED, "%s: Saving data type %s not yet supported", name, ek_dtype_name(dtype));
    if (part != NULL && !ek__slice_is_whole(part, full)) return add_slice(w, name, dtype, shape, data, full, part, err);
    EK_TRY(ek__index_add(&w->index, (ek_span){ (const uint8_t *)name, strlen(name) }, name, dtype, shape, &e, err));
    return put_tensor(w, e, data, err);
}

ek_status ek__bundle_add(ek_bundle_writer *w, const char *name, ek_dtype dtype, const ek_shape *shape, const void *data,
                         const ek_shape *full, const ek_slice *part, ek_error *err)
{
    ek_status st;

    if (w->failed)
        return EK_FAIL(err, FAILED_PRECONDITION, "'%s' cannot be written: adding to it failed before", w->prefix);
    st = add(w, name, dtype, shape, data, full, part, err);
    w->failed = st != EK_OK;
    return st;
}

/* ---- the end --------------------------------------------------------------------------------------------------- */

static ek_status finish(ek_bundle_writer *w, ek_error *err)
{
    ek_file_out *data = w->data;
    ek_status st;

    if (w->failed)
        return EK_FAIL(err, FAILED_PRECONDITION, "'%s' cannot be written: adding to it failed before", w->prefix);
    w->data = NULL;
    EK_TRY(ek__file_commit(data, err));
    st = ek__file_sync_folder(w->prefix, err); /* the data is there before the index that names it */
    if (st == EK_OK) st = ek__index_write(&w->index, w->prefix, w->n_shards, err);
    if (st != EK_OK) {
        (void)ek__file_remove(w->data_path, &(ek_error){ .code = EK_OK });
        return st;
    }
    return ek__bundle_settle(w->prefix, w->n_shards, err);
}

ek_status ek__bundle_finish(ek_bundle_writer *w, ek_error *err)
{
    const ek_status st = finish(w, err);

    ek__bundle_abandon(w);
    return st;
}
