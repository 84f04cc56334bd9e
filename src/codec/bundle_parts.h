/* codec/bundle_parts.h - what the files that make up codec/bundle.h share. */
#ifndef EK_CODEC_BUNDLE_PARTS_H
#define EK_CODEC_BUNDLE_PARTS_H

#include "codec/bundle.h"
#include "codec/source.h"
#include "codec/table.h"

/* ---- slices (bundle_slice.c) ----------------------------------------------------------------------------------- */

ek_slice ek__slice_full(int32_t rank);
/* The slice with its lengths written out. false: it does not fit the shape. */
bool ek__slice_resolve(const ek_slice *s, const ek_shape *full, ek_slice *out);
bool ek__slice_is_whole(const ek_slice *s, const ek_shape *full);
/* Of resolved slices. false: they have nothing in common. */
bool ek__slice_meet(const ek_slice *a, const ek_slice *b, ek_slice *out);
int64_t ek__slice_count(const ek_slice *s); /* elements, of a resolved one */
/* "0,3:-", as TensorFlow prints it. */
void ek__slice_print(ek_buf *b, const ek_slice *s);

/* The key under which a slice of a tensor is stored. */
void ek__slice_key(ek_buf *b, const char *name, const ek_slice *s);
/* TensorSliceProto. false: a length below 1, or more dimensions than EK_MAX_RANK. */
bool ek__slice_read(ek_span proto, ek_slice *out);
void ek__slice_write(ek_buf *b, const ek_slice *s); /* its fields */

/* Copies what two slices of one tensor have in common, all three resolved: from the elements of one to those of the
 * other. Strings are copied one by one; false without memory. */
bool ek__slice_copy(ek_dtype dtype, const ek_slice *common, const ek_slice *from, const void *in, const ek_slice *to,
                    void *out);

/* ---- files (bundle_files.c) ------------------------------------------------------------------------------------ */

/* Names; NULL without memory. */
char *ek__bundle_index_path(ek_arena *a, const char *prefix);
char *ek__bundle_shard_path(ek_arena *a, const char *prefix, int32_t shard, int32_t n_shards);
/* Makes the folder of a prefix where it is missing. */
ek_status ek__bundle_make_folder(const char *prefix, ek_error *err);
/* The smallest number of shards, `least` or more, of which there is no file. */
ek_status ek__bundle_free_layout(const char *prefix, int32_t least, int32_t *n_shards, ek_error *err);
/* Removes what no checkpoint of this prefix and number of shards needs: shards of other numbers, what a writer left
 * that was killed; with n_shards 0 all shards. Nothing depends on its success. */
void ek__bundle_sweep(const char *prefix, int32_t n_shards);
/* ek__bundle_sweep when the index is in its place: first of all that is made sure of. */
ek_status ek__bundle_settle(const char *prefix, int32_t n_shards, ek_error *err);
/* The files of version 1 that a prefix or a pattern stands for, from the arena; none: *n is 0. */
ek_status ek__bundle_v1_files(ek_arena *a, const char *prefix, char ***path, int *n, ek_error *err);

/* ---- reading --------------------------------------------------------------------------------------------------- */

/* An entry as it is stored. Of slices: their extents one after the other, start and length of each dimension. */
typedef struct ek_bundle_record {
    ek_bundle_entry entry; /* first: what callers see; of a slice the name is its key */
    size_t key_size;
    int64_t *extent;       /* n_slices * rank * 2 */
    int32_t cap_slices;    /* room in extent and in_shard */
    int32_t *in_shard;     /* version 1: where each slice is; of a whole tensor the one */
    int32_t shard;         /* version 2 */
    uint32_t crc;          /* as stored, masked */
    uint64_t offset, size;
} ek_bundle_record;

typedef struct ek_bundle_shard {
    int32_t id;
    ek_source *source;
    ek_table table; /* version 1 */
} ek_bundle_shard;

struct ek_bundle {
    ek_arena arena;
    const char *prefix;
    int version;
    int32_t n_shards;
    ek_bundle_record *record; /* in the order of keys, so those of slices first, which begin with a byte 0 */
    int64_t n, cap, first;    /* `first` of those that have a name */
    ek_map by_key;
    ek_bundle_shard *shard;   /* those that are open; of version 1 all */
    int64_t n_open, open_cap;
    uint64_t shard_bytes;     /* of those that are open */
    uint64_t key_bytes, key_limit; /* what keys may take: those of a table leave out what they share */
};

/* A new record for a key, which is copied; it is in the map. */
ek_status ek__bundle_record_new(ek_bundle *b, ek_span key, ek_bundle_record **out, ek_error *err);
/* Its shape, from a TensorShapeProto, and its slices, from the fields of that number in a message; those of a record
 * that has some are added to. The shape comes first. `shard`: where the slices are, of version 1. */
ek_status ek__bundle_put_shape(ek_bundle_record *r, ek_span proto, ek_error *err);
ek_status ek__bundle_put_slices(ek_bundle *b, ek_bundle_record *r, ek_span message, uint32_t field, int32_t shard,
                                ek_error *err);
ek_slice ek__bundle_slice_at(const ek_bundle_record *r, int32_t i); /* as it is stored; i = 0 of a whole one: all */
/* Opens a file as one more shard. */
ek_status ek__bundle_shard_open(ek_bundle *b, const char *path, int32_t id, ek_bundle_shard **out, ek_error *err);

/* Version 1 (bundle_v1.c). */
ek_status ek__bundle_v1_open(ek_bundle *b, char *const *path, int n, ek_error *err);
/* Slice i of a record (of a whole tensor 0), which has this shape, as an array of its own. */
ek_status ek__bundle_v1_load(ek_bundle *b, const ek_bundle_record *r, int32_t i, const ek_shape *shape, ek_array **out,
                             ek_error *err);

/* Version 2 (bundle_v2.c). */
ek_status ek__bundle_v2_open(ek_bundle *b, const char *path, ek_error *err);
/* The header of an index, its first entry. */
ek_status ek__bundle_v2_header(const char *path, ek_span key, ek_span value, int32_t *n_shards, ek_error *err);
/* The record of slice i. */
ek_status ek__bundle_v2_slice(ek_bundle *b, const ek_bundle_record *r, int32_t i, const ek_shape *shape,
                              const ek_bundle_record **out, ek_error *err);
/* The bytes of a record that has no slices, as many as its shape needs; their checksum is another matter. `name` for
 * errors. */
ek_status ek__bundle_v2_bytes(ek_bundle *b, const ek_bundle_record *r, const char *name, ek_span *out, ek_error *err);
/* Those bytes held against their checksum, and copied where `out` is not NULL; of strings as an array. */
ek_status ek__bundle_v2_numbers(ek_bundle *b, const ek_bundle_record *r, const char *name, ek_span bytes, void *out,
                                ek_error *err);
ek_status ek__bundle_v2_strings(ek_bundle *b, const ek_bundle_record *r, const char *name, ek_span bytes,
                                ek_array **out, ek_error *err);

#endif
