/* codec/bundle_index.c - see bundle_index.h. */
#include "codec/bundle_index.h"

#include <stdlib.h>

#include "base/file.h"
#include "codec/crc32c.h"
#include "codec/fields.h"
#include "codec/tensor.h"

enum { VERSION = 1 };

ek_index_entry *ek__index_find(const ek_index *x, ek_span key)
{
    const int64_t i = ek__map_get(&x->by_key, (const char *)key.at, key.size, -1);

    return i >= 0 ? x->entry[i] : NULL;
}

ek_status ek__index_add(ek_index *x, ek_span key, const char *name, ek_dtype dtype, const ek_shape *shape,
                        ek_index_entry **out, ek_error *err)
{
    ek_index_entry *e;

    if (ek__index_find(x, key) != NULL) return EK_FAIL(err, INVALID_ARGUMENT, "Adding duplicate key: %s", name);
    e = EK_ARENA_NEW(&x->arena, ek_index_entry, 1);
    const char *copy = ek__arena_strndup(&x->arena, (const char *)key.at, key.size);
    const char *name_copy = ek__arena_strdup(&x->arena, name);
    if (e == NULL || copy == NULL || name_copy == NULL || !EK_GROW(x->entry, x->cap, x->n + 1) ||
        !ek__map_put(&x->by_key, copy, key.size, x->n))
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the entry of %s", name);
    *e = (ek_index_entry){.key = {(const uint8_t *)copy, key.size}, .name = name_copy, .dtype = dtype, .shape = *shape};
    x->entry[x->n++] = e;
    *out = e;
    return EK_OK;
}

ek_status ek__index_note_slice(ek_index *x, const char *name, ek_dtype dtype, const ek_shape *full,
                               const ek_slice *part, ek_error *err)
{
    const ek_span key = { (const uint8_t *)name, strlen(name) };
    ek_index_entry *e = ek__index_find(x, key);
    size_t mark;

    if (e == NULL) EK_TRY(ek__index_add(x, key, name, dtype, full, &e, err));
    else if (!e->in_slices) return EK_FAIL(err, INVALID_ARGUMENT, "Adding duplicate key: %s", name);
    e->in_slices = true;
    if (e->dtype != dtype || !ek_shape_equal(&e->shape, full))
        return EK_FAIL(err, INVALID_ARGUMENT, "%s: its slices have different dtypes or are of different shapes", name);
    mark = ek__put_open(&e->slices, EK_F_BUNDLE_SLICES);
    ek__slice_write(&e->slices, part);
    ek__put_close(&e->slices, mark);
    return e->slices.failed ? EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the slices of %s", name) : EK_OK;
}

static int by_key(const void *a, const void *b)
{
    return ek__span_compare((*(ek_index_entry *const *)a)->key, (*(ek_index_entry *const *)b)->key);
}

/* The fields of a BundleEntryProto. */
static void write_entry(ek_buf *b, const ek_index_entry *e)
{
    size_t mark;

    ek__put_int(b, EK_F_BUNDLE_DTYPE, e->dtype);
    mark = ek__put_open(b, EK_F_BUNDLE_SHAPE);
    ek__shape_write(b, &e->shape);
    ek__put_close(b, mark);
    if (!e->in_slices) {
        const uint32_t crc = ek__crc32c_mask(e->crc);

        if (e->shard != 0) ek__put_int(b, EK_F_BUNDLE_SHARD, e->shard);
        if (e->offset != 0) ek__put_int(b, EK_F_BUNDLE_OFFSET, (int64_t)e->offset);
        if (e->size != 0) ek__put_int(b, EK_F_BUNDLE_SIZE, (int64_t)e->size);
        if (crc != 0) {
            ek__put_tag(b, EK_F_BUNDLE_CRC, EK_WIRE_FIXED32);
            ek__put_fixed32(b, crc);
        }
    }
    ek__buf_add(b, e->slices.data, e->slices.size);
}

static void write_header(ek_buf *b, int32_t n_shards)
{
    size_t mark;

    ek__put_int(b, EK_F_HEADER_SHARDS, n_shards);
    mark = ek__put_open(b, EK_F_HEADER_VERSION);
    ek__put_int(b, EK_F_VERSIONS_PRODUCER, VERSION);
    ek__put_close(b, mark);
}

static ek_span span_of(const ek_buf *b)
{
    return (ek_span){ (const uint8_t *)b->data, b->size };
}

ek_status ek__index_write(ek_index *x, const char *prefix, int32_t n_shards, ek_error *err)
{
    const char *path = ek__bundle_index_path(&x->arena, prefix);
    ek_table_writer w = { .n = 0 };
    ek_buf value = { .data = NULL };
    ek_status st;

    if (x->n > 0) qsort(x->entry, (size_t)x->n, sizeof(ek_index_entry *), by_key);
    write_header(&value, n_shards);
    ek__table_put(&w, (ek_span){ NULL, 0 }, span_of(&value));
    for (int64_t i = 0; i < x->n && !value.failed; i++) {
        value.size = 0;
        write_entry(&value, x->entry[i]);
        ek__table_put(&w, x->entry[i]->key, span_of(&value));
    }
    ek__table_end(&w);
    if (path == NULL || value.failed || w.out.failed)
        st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the index of '%s'", prefix);
    else st = ek__file_write(path, w.out.data, w.out.size, err);
    ek__buf_fini(&value);
    ek__table_writer_fini(&w);
    return st;
}

void ek__index_fini(ek_index *x)
{
    for (int64_t i = 0; i < x->n; i++) ek__buf_fini(&x->entry[i]->slices);
    ek__free(x->entry);
    ek__map_fini(&x->by_key);
    ek__arena_fini(&x->arena);
    *x = (ek_index){ .n = 0 };
}
