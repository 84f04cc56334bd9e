/* base/file.h - whole files in and out. */
#ifndef EK_BASE_FILE_H
#define EK_BASE_FILE_H

#include "base/base.h"

/* The bytes of a file, pipe or device up to its end; ek__free(*data). A NUL follows them.
 * Errors  NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT (a folder), RESOURCE_EXHAUSTED, UNKNOWN. */
ek_status ek__file_read(const char *path, void **data, size_t *size, ek_error *err);

/* Writes all or nothing: to a file beside it that then takes its place, so that a failure leaves what was there.
 * Pipes, devices and symbolic links are written through.
 * Errors  NOT_FOUND (no such folder), PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNKNOWN. */
ek_status ek__file_write(const char *path, const void *data, size_t size, ek_error *err);

#endif
