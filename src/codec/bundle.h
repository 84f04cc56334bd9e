/* codec/bundle.h - checkpoints: tensors by name in files. Version 2, the "tensor bundle", read and written; version 1
 * read. What a Saver does with them (which, when, how many) is not known here.
 *
 * A bundle of prefix P is an index, P.index, and shards of data, P.data-00000-of-00001. A tensor is stored whole or in
 * slices. A checkpoint of version 1 is one table P, or several P-00000-of-00002.
 */
#ifndef EK_CODEC_BUNDLE_H
#define EK_CODEC_BUNDLE_H

#include "base/base.h"
#include "values/array.h"

/* ---- slices ---------------------------------------------------------------------------------------------------- */

/* A part of a tensor: along each dimension from `start`, `length` of them; length -1, with start 0: all there are. */
typedef struct ek_slice {
    int32_t rank;
    int64_t start[EK_MAX_RANK], length[EK_MAX_RANK];
} ek_slice;

/* What SaveV2 and RestoreV2 call shape_and_slices: "5 3 0,3:-" is rows 0 to 2 of a tensor of shape (5, 3); n bytes.
 * *part is the shape of the slice. Errors  INVALID_ARGUMENT, in TensorFlow's words. */
ek_status ek__slice_parse(const char *spec, size_t n, ek_shape *full, ek_slice *slice, ek_shape *part, ek_error *err);

/* ---- reading --------------------------------------------------------------------------------------------------- */

typedef struct ek_bundle ek_bundle;
typedef struct ek_bundle_entry {
    const char *name;  /* borrowed, as all of it, from the bundle */
    ek_dtype dtype;    /* EK_DTYPE_NONE: one that is not known here; it cannot be read */
    ek_shape shape;    /* fully known */
    int32_t n_slices;  /* that it is stored in; 0: whole */
} ek_bundle_entry;

/* Opens the checkpoint of a prefix: reads its index, no data. Version 2 where there is PREFIX.index; else the file of
 * that name, or PREFIX-00000-of-00002 and so on, as version 1. A prefix with '?' or '*' is a pattern of such files. One
 * bundle is for one thread at a time. What another process writes into its files is not guarded against; one that
 * replaces them is fine.
 * Errors  NOT_FOUND: no such files; DATA_LOSS: damaged; INVALID_ARGUMENT: of a newer version; UNIMPLEMENTED:
 *         big-endian. */
ek_status ek__bundle_open(const char *prefix, ek_bundle **out, ek_error *err);
void ek__bundle_close(ek_bundle *b); /* NULL is allowed */

int ek__bundle_version(const ek_bundle *b); /* 1 or 2 */
int64_t ek__bundle_count(const ek_bundle *b);
const ek_bundle_entry *ek__bundle_at(const ek_bundle *b, int64_t i);               /* by name, in the order of bytes */
const ek_bundle_entry *ek__bundle_find(const ek_bundle *b, const char *name);      /* NULL: there is none */

/* A tensor, or a part of one, put together from whatever slices it is stored in; the shards that hold them are opened
 * when first needed, and nothing else of them is read. Checksums are verified.
 * Errors  NOT_FOUND: a shard is missing; DATA_LOSS: damaged; OUT_OF_RANGE: the shard is too short; INVALID_ARGUMENT:
 *         the slices do not cover the part; UNIMPLEMENTED: a dtype without numbers or strings; RESOURCE_EXHAUSTED. */
ek_status ek__bundle_read(ek_bundle *b, const ek_bundle_entry *e, const ek_slice *part, ek_array **out, ek_error *err);
/* The same into an array of that dtype and shape; after a failure nobody knows what is in it. */
ek_status ek__bundle_read_into(ek_bundle *b, const ek_bundle_entry *e, const ek_slice *part, ek_array *out,
                               ek_error *err);

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* Writes a bundle that replaces what was at its prefix when it is whole and on the disk, and not before: data goes to a
 * file of another name than the one there, then the index takes the place of the old one, then the old data is removed.
 * A process that is killed leaves the old checkpoint or the new one; the next that is written there removes what it
 * left besides. One writer of a prefix at a time. The last folder of the prefix is made where it is missing. */
typedef struct ek_bundle_writer ek_bundle_writer;
ek_status ek__bundle_writer_open(const char *prefix, ek_bundle_writer **out, ek_error *err);

/* Adds a tensor, or a slice of one: then `full` is the whole one's shape, `shape` the slice's (both NULL: whole).
 * `data` as for ek_array_create. After a failure everything fails.
 * Errors  INVALID_ARGUMENT "Adding duplicate key: w"; slices of a tensor that contradict each other; an empty name. */
ek_status ek__bundle_add(ek_bundle_writer *w, const char *name, ek_dtype dtype, const ek_shape *shape, const void *data,
                         const ek_shape *full, const ek_slice *part, ek_error *err);
ek_status ek__bundle_finish(ek_bundle_writer *w, ek_error *err); /* frees w whatever happens */
void ek__bundle_abandon(ek_bundle_writer *w);                    /* nothing was written; NULL is allowed */

/* Makes one checkpoint of several (MergeV2Checkpoints): their shards are renamed, their indexes become one and are
 * removed; with delete_old_dirs their folders too, where nothing is left in them. What was at `destination` is replaced
 * as above.
 * Errors  INVALID_ARGUMENT "Duplicate tensor keyed by .. encountered, when merging prefix: .."; as ek__bundle_open. */
ek_status ek__bundle_merge(const char *const *prefixes, int n, const char *destination, bool delete_old_dirs,
                           ek_error *err);

/* Removes a checkpoint, the index first: half removed it is none. Nothing there: EK_OK. Not its .meta. */
ek_status ek__bundle_delete(const char *prefix, ek_error *err);

#endif
