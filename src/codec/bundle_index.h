/* codec/bundle_index.h - the index of a checkpoint of version 2 that is to be written: entries by key. */
#ifndef EK_CODEC_BUNDLE_INDEX_H
#define EK_CODEC_BUNDLE_INDEX_H

#include "codec/bundle_parts.h"

typedef struct ek_index_entry {
    ek_span key;        /* owned, by the arena */
    const char *name;   /* of the tensor, for errors */
    ek_dtype dtype;
    ek_shape shape;
    int32_t shard;
    uint64_t offset, size;
    uint32_t crc;       /* not masked */
    bool in_slices;     /* then no data, but */
    ek_buf slices;      /* these fields of a BundleEntryProto */
} ek_index_entry;

/* Zero at first. */
typedef struct ek_index {
    ek_arena arena;
    ek_index_entry **entry;
    int64_t n, cap;
    ek_map by_key;
} ek_index;

/* A new entry. INVALID_ARGUMENT "Adding duplicate key: w". */
ek_status ek__index_add(ek_index *x, ek_span key, const char *name, ek_dtype dtype, const ek_shape *shape,
                        ek_index_entry **out, ek_error *err);
/* NULL: there is none. */
ek_index_entry *ek__index_find(const ek_index *x, ek_span key);
/* Notes one more slice of a whole tensor, whose entry is made with the first. */
ek_status ek__index_note_slice(ek_index *x, const char *name, ek_dtype dtype, const ek_shape *full,
                               const ek_slice *part, ek_error *err);
/* Writes PREFIX.index: all or nothing. The order of entries is changed. */
ek_status ek__index_write(ek_index *x, const char *prefix, int32_t n_shards, ek_error *err);
void ek__index_fini(ek_index *x);

#endif
