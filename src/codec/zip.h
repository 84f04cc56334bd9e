/* codec/zip.h - the members of a zip archive, read; one of stored members, written. */
#ifndef EK_CODEC_ZIP_H
#define EK_CODEC_ZIP_H

#include "base/file.h"
#include "codec/wire.h"

/* ---- reading ---------------------------------------------------------------------------------------------- */

typedef struct ek_zip_member {
    ek_span name;
    ek_span packed; /* as it lies in the archive */
    uint64_t size;  /* unpacked; no more than its packed bytes can hold */
    uint32_t crc;
    bool deflated;
} ek_zip_member;

typedef struct ek_zip {
    ek_zip_member *member; /* in the order of the directory */
    int64_t n, cap;
} ek_zip;

/* Reads the directory at the end, which alone counts: sizes in the members' own headers may be missing (streams). The
 * members' bytes together are no more than the archive's. Borrows `archive`.
 * Errors  INVALID_ARGUMENT: no zip archive, an encrypted member, another method than stored and deflated, many disks;
 *         DATA_LOSS: cut off or damaged; RESOURCE_EXHAUSTED. */
ek_status ek__zip_open(ek_span archive, ek_zip *out, ek_error *err);
/* A member's bytes, checksum verified: stored ones where they are, others in `unpacked`, which the caller releases. */
ek_status ek__zip_read(const ek_zip_member *m, ek_buf *unpacked, ek_span *out, ek_error *err);
void ek__zip_close(ek_zip *z);

/* ---- writing ---------------------------------------------------------------------------------------------- */

typedef struct ek_zip_writer {
    ek_file_out *out;
    ek_buf directory;
    uint64_t at, n; /* bytes and members so far */
} ek_zip_writer;

/* A member, stored, with 64-bit sizes whether it needs them or not: one form for small and large. */
ek_status ek__zip_add(ek_zip_writer *w, const char *name, const void *data, size_t size, ek_error *err);
/* The directory. Committing `out` stays the caller's. */
ek_status ek__zip_end(ek_zip_writer *w, ek_error *err);

#endif
