/* base/file.h - whole files written. */
#ifndef EK_BASE_FILE_H
#define EK_BASE_FILE_H

#include "base/base.h"

/* Writes all or nothing: to a file beside it that then takes its place, so that a failure leaves what was there.
 * It keeps the rights of the old file. Pipes and devices are written through; of a symbolic link what it leads to is replaced.
 * Errors  NOT_FOUND (no such folder), PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNKNOWN. */
ek_status ek__file_write(const char *path, const void *data, size_t size, ek_error *err);

#endif
