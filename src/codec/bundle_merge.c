/* codec/bundle_merge.c - several checkpoints made one, as a sharded Saver ends: shards are renamed, indexes merged. */
#include "base/file.h"
#include "codec/bundle_index.h"
#include "codec/crc32c.h"

/* A shard that takes part: where it is now, and where it goes. */
typedef struct moved {
    const char *from, *to;
} moved;

typedef struct merger {
    ek_arena arena;
    ek_index index;
    moved *shard; /* the number of each is that in the new checkpoint */
    int64_t n, cap;
    ek_map by_origin; /* those numbers, by checkpoint and shard */
} merger;

/* The new number of a shard. */
static ek_status number_of(merger *m, const ek_bundle *b, int prefix, int32_t shard, int32_t *out, ek_error *err)
{
    const int32_t origin[2] = { prefix, shard };
    const int64_t known = ek__map_get(&m->by_origin, (const char *)origin, sizeof origin, -1);

    *out = (int32_t)(known >= 0 ? known : m->n);
    if (known >= 0) return EK_OK;
    const char *from = ek__bundle_shard_path(&m->arena, b->prefix, shard, b->n_shards);
    const char *key = ek__arena_memdup(&m->arena, origin, sizeof origin);
    if (from == NULL || key == NULL || !EK_GROW(m->shard, m->cap, m->n + 1) ||
        !ek__map_put(&m->by_origin, key, sizeof origin, m->n))
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for shards");
    m->shard[m->n++] = (moved){ .from = from };
    return EK_OK;
}

static ek_status add_record(merger *m, const ek_bundle *b, int prefix, const ek_bundle_record *r, ek_error *err)
{
    const ek_span key = { (const uint8_t *)r->entry.name, r->key_size };
    const char *name = r->entry.name[0] != '\0' ? r->entry.name : "a slice";
    ek_index_entry *e = ek__index_find(&m->index, key);
    int32_t shard = 0;

    if (r->entry.dtype == EK_DTYPE_NONE)
        return EK_FAIL(err, UNIMPLEMENTED, "%s of '%s' is of a type that is not known here", name, b->prefix);
    if (e != NULL && (!e->in_slices || r->entry.n_slices == 0))
        return EK_FAIL(err, INVALID_ARGUMENT, "Duplicate tensor keyed by %s encountered, when merging prefix: %s", name,
                       b->prefix);
    for (int32_t i = 0; i < r->entry.n_slices; i++) {
        const ek_slice s = ek__bundle_slice_at(r, i);

        EK_TRY(ek__index_note_slice(&m->index, r->entry.name, r->entry.dtype, &r->entry.shape, &s, err));
    }
    if (r->entry.n_slices > 0) return EK_OK;
    EK_TRY(number_of(m, b, prefix, r->shard, &shard, err));
    EK_TRY(ek__index_add(&m->index, key, name, r->entry.dtype, &r->entry.shape, &e, err));
    e->shard = shard;
    e->offset = r->offset;
    e->size = r->size;
    e->crc = ek__crc32c_unmask(r->crc);
    return EK_OK;
}

static ek_status add_bundle(merger *m, const char *path, int prefix, ek_error *err)
{
    ek_bundle *b;
    ek_status st;

    EK_TRY(ek__bundle_open(path, &b, err));
    st = b->version == 2
             ? EK_OK
             : EK_FAIL(err, INVALID_ARGUMENT, "'%s' is a checkpoint of version 1, which cannot be merged", path);
    for (int64_t i = 0; i < b->n && st == EK_OK; i++) st = add_record(m, b, prefix, &b->record[i], err);
    ek__bundle_close(b);
    return st;
}

/* Gives the shards their new names; after a failure they have the old ones. */
static ek_status move_shards(merger *m, const char *destination, int32_t n_shards, ek_error *err)
{
    for (int64_t i = 0; i < m->n; i++) {
        m->shard[i].to = ek__bundle_shard_path(&m->arena, destination, (int32_t)i, n_shards);
        if (m->shard[i].to == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the names of shards");
    }
    for (int64_t i = 0; i < m->n; i++) {
        const ek_status st = ek__file_rename(m->shard[i].from, m->shard[i].to, err);

        if (st == EK_OK) continue;
        m->n = i; /* these were */
        return st;
    }
    return EK_OK;
}

static void move_back(const merger *m)
{
    for (int64_t i = 0; i < m->n; i++)
        if (m->shard[i].to != NULL) (void)ek__file_rename(m->shard[i].to, m->shard[i].from, &(ek_error){.code = EK_OK});
}

static ek_status commit(merger *m, const char *destination, ek_error *err)
{
    int32_t n_shards;
    ek_status st;

    EK_TRY(ek__bundle_make_folder(destination, err));
    EK_TRY(ek__bundle_free_layout(destination, m->n > 0 ? (int32_t)m->n : 1, &n_shards, err));
    st = move_shards(m, destination, n_shards, err);
    if (st == EK_OK) st = ek__file_sync_folder(destination, err);
    if (st == EK_OK) st = ek__index_write(&m->index, destination, n_shards, err);
    if (st != EK_OK) {
        move_back(m);
        return st;
    }
    return ek__bundle_settle(destination, n_shards, err);
}

/* Removes what is left of a checkpoint that was merged. Nothing depends on its success. */
static void clean_up(merger *m, const char *prefix, const char *destination, bool folder)
{
    const size_t n = ek__file_folder_size(prefix), of_destination = ek__file_folder_size(destination);
    const char *path;

    if (strcmp(prefix, destination) == 0) return;
    (void)ek__bundle_delete(prefix, &(ek_error){ .code = EK_OK });
    if (!folder || n < 2 || (n == of_destination && memcmp(prefix, destination, n) == 0)) return;
    path = ek__arena_strndup(&m->arena, prefix, n - 1);
    if (path != NULL) (void)ek__file_remove_folder(path);
}

ek_status ek__bundle_merge(const char *const *prefixes, int n, const char *destination, bool delete_old_dirs,
                           ek_error *err)
{
    merger m = { .n = 0 };
    ek_status st = EK_OK;

    if (destination[ek__file_folder_size(destination)] == '\0')
        st = EK_FAIL(err, INVALID_ARGUMENT, "'%s' is no prefix of a checkpoint: it has no name", destination);
    for (int i = 0; i < n && st == EK_OK; i++) st = add_bundle(&m, prefixes[i], i, err);
    if (st == EK_OK) st = commit(&m, destination, err);
    for (int i = 0; i < n && st == EK_OK; i++) clean_up(&m, prefixes[i], destination, delete_old_dirs);
    ek__index_fini(&m.index);
    ek__free(m.shard);
    ek__map_fini(&m.by_origin);
    ek__arena_fini(&m.arena);
    return st;
}
