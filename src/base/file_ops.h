/* base/file_ops.h - the calls in force, for file.c and file_log.c. */
#ifndef EK_BASE_FILE_OPS_H
#define EK_BASE_FILE_OPS_H

#include "base/file.h"

extern const ek_file_ops *ek__file_ops;

int ek__file_open_for(const char *path, int flags);                 /* -1 and errno on failure */
bool ek__file_write_all(int fd, const void *data,
                        size_t size); /* false and errno: nobody knows how much of it is there */

#endif
