/* evenkeel/checkpoint.h - the tensors in a checkpoint's files, by name; no graph is needed. */
#ifndef EVENKEEL_CHECKPOINT_H
#define EVENKEEL_CHECKPOINT_H

#include "evenkeel/array.h"

#ifdef __cplusplus
extern "C" {
#endif

/* tf.train.load_checkpoint. One checkpoint is for one thread at a time. */
typedef struct ek_checkpoint ek_checkpoint;

/* Opens the checkpoint of a prefix, "logdir/model.ckpt-100": version 2 (TensorFlow's since 1.0: PREFIX.index and
 * PREFIX.data-00000-of-00001) or 1. Its index is read, no tensor. *out is the caller's, to be given to
 * ek_checkpoint_close, NULL on failure. `err` may be NULL: ek_last_error() has it then.
 * Errors  NOT_FOUND: no such checkpoint; DATA_LOSS: it is damaged; INVALID_ARGUMENT: its format is newer than is known
 *         here, or `prefix` is the name of an index; UNIMPLEMENTED: it is of a big-endian machine; PERMISSION_DENIED,
 *         RESOURCE_EXHAUSTED. */
EK_API EK_MUST_CHECK ek_status ek_checkpoint_open(const char *prefix, ek_checkpoint **out, ek_error *err);
EK_API void ek_checkpoint_close(ek_checkpoint *c); /* NULL is allowed */

/* A tensor of it, as in the reader's get_variable_to_shape_map; `name` is borrowed from the checkpoint.
 * dtype   EK_DTYPE_NONE: of a type that is not known here; it cannot be read
 * slices  of a partitioned variable: the parts it is stored in; 0: it is stored whole */
typedef struct ek_checkpoint_entry {
    const char *name;
    ek_dtype dtype;
    ek_shape shape;
    int64_t slices;
} ek_checkpoint_entry;

EK_API int64_t ek_checkpoint_count(const ek_checkpoint *c);
/* In the order of their names' bytes. false: there is none. */
EK_API bool ek_checkpoint_at(const ek_checkpoint *c, int64_t i, ek_checkpoint_entry *out);
EK_API bool ek_checkpoint_find(const ek_checkpoint *c, const char *name, ek_checkpoint_entry *out);

/* The reader's get_tensor: the whole tensor, also of slices, as a new array, the caller's; its checksum is verified.
 * The other tensors are not read.
 * Errors  NOT_FOUND "Key x not found in checkpoint", or a file of the checkpoint is missing; DATA_LOSS, OUT_OF_RANGE:
 *         damaged or cut off; INVALID_ARGUMENT: slices are missing; UNIMPLEMENTED: a type without numbers or strings;
 *         RESOURCE_EXHAUSTED. */
EK_API EK_MUST_CHECK ek_status ek_checkpoint_read(ek_checkpoint *c, const char *name, ek_array **out, ek_error *err);

/* Writes a checkpoint of version 2 that TensorFlow, where only a Saver writes them, restores: with these tensors in
 * this order; the last folder of the prefix is made where it is missing. What was at the prefix is replaced when all is
 * written and on the disk, and not before: whatever happens meanwhile, the old checkpoint restores or the new one. One
 * writer of a prefix at a time.
 * Errors  INVALID_ARGUMENT "Adding duplicate key: w", a name that is empty; UNIMPLEMENTED: a type without numbers or
 *         strings; what the operating system says. */
EK_API EK_MUST_CHECK ek_status ek_checkpoint_write(const char *prefix, const ek_named_array *arrays, int64_t n,
                                                   ek_error *err);

#ifdef __cplusplus
}
#endif
#endif
