/* codec/source.h - the bytes of a file, shared by everything that points into them. */
#ifndef EK_CODEC_SOURCE_H
#define EK_CODEC_SOURCE_H

#include "base/base.h"

typedef struct ek_source {
    atomic_int refs;
    uint8_t *data;
    size_t size;
    bool mapped;
} ek_source;

/* A whole file. Small ones are read, large ones mapped privately: what another process writes to them later is not
 * guarded against, what this one writes in place never reaches the file.
 * Errors  NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT (a folder), RESOURCE_EXHAUSTED, UNKNOWN with the system's words. */
ek_status ek__source_open(const char *path, ek_source **out, ek_error *err);
/* A copy of the caller's bytes. */
ek_status ek__source_copy(const void *data, size_t size, ek_source **out, ek_error *err);
/* Takes over a buffer's bytes; the buffer is empty afterwards, whatever happens. */
ek_status ek__source_take(ek_buf *b, ek_source **out, ek_error *err);
ek_source *ek__source_ref(ek_source *s);
void ek__source_unref(ek_source *s); /* NULL is allowed */

#endif
