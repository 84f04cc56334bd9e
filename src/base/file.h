/* base/file.h - what is written: whole files that take the place of old ones, and logs that grow. Reading:
 * codec/source.h.
 *
 * Everything that writes goes through one table of the system's calls, which tests replace: a disk that is full, a call
 * that fails, a process that dies in between.
 */
#ifndef EK_BASE_FILE_H
#define EK_BASE_FILE_H

#include <sys/types.h>

#include "base/base.h"

/* ---- the system's calls --------------------------------------------------------------------------------------- */

/* Like the calls of the same name: -1 and errno on failure. */
typedef struct ek_file_ops {
    int (*open)(const char *path, int flags, mode_t mode);
    ssize_t (*write)(int fd, const void *data, size_t size);
    int (*fchmod)(int fd, mode_t mode);
    int (*ftruncate)(int fd, off_t size);
    int (*fsync)(int fd);
    int (*close)(int fd);
    int (*rename)(const char *from, const char *to);
    int (*unlink)(const char *path);
    int (*mkdir)(const char *path, mode_t mode);
    int (*rmdir)(const char *path);
} ek_file_ops;
extern const ek_file_ops ek__file_system;      /* the system's own */
void ek__file_ops_set(const ek_file_ops *ops); /* for tests, while nothing is written; NULL: the system's */

/* "cannot <doing> '<path>': " and the words for errno, with the code that it stands for: NOT_FOUND, PERMISSION_DENIED,
 * ALREADY_EXISTS, RESOURCE_EXHAUSTED (disk, memory, descriptors), INVALID_ARGUMENT (a folder where a file is expected),
 * else UNKNOWN. */
ek_status ek__fail_system(ek_error *err, const char *doing, const char *path);

/* ---- whole files ------------------------------------------------------------------------------------------------ */

/* Writes all or nothing: to a file beside it that then takes its place, so that a failure leaves what was there.
 * It keeps the rights of the old file. Pipes and devices are written through; of a symbolic link what it leads to is
 * replaced.
 * Errors  as ek__fail_system. */
ek_status ek__file_write(const char *path, const void *data, size_t size, ek_error *err);

/* The same piece by piece. The file is where it belongs once ek__file_commit says EK_OK; until then nothing of it is
 * seen. After a failure of ek__file_put everything fails, and ek__file_abandon is what is left to do. */
typedef struct ek_file_out ek_file_out;
ek_status ek__file_create(const char *path, ek_file_out **out, ek_error *err);
ek_status ek__file_put(ek_file_out *f, const void *data, size_t size, ek_error *err);
ek_status ek__file_commit(ek_file_out *f, ek_error *err); /* on the disk, in its place; frees f whatever happens */
void ek__file_abandon(ek_file_out *f);                    /* nothing is left of it; NULL is allowed */

/* Whether `name` is one that a file beside `whole` has while it is written: "<whole>.<number>.<number>.part". A process
 * that was killed leaves them. */
bool ek__file_is_part_of(const char *name, const char *whole, size_t whole_size);

/* Removes a file where it is there. */
ek_status ek__file_remove(const char *path, ek_error *err);

/* ---- folders --------------------------------------------------------------------------------------------------- */

/* Makes the last folder of a path where it is missing, not those above it. */
ek_status ek__file_make_folder(const char *path, ek_error *err);
/* Whether there is something in a folder. errno is 0 then and where it is empty, else why it could not be opened. */
bool ek__file_folder_in_use(const char *path);
/* Removes a folder; false where it is not empty, or for whatever reason. */
bool ek__file_remove_folder(const char *path);
/* What was renamed in or removed from the folder of `path` so far is on the disk before what comes after. Where the
 * file system has no such thing, nothing happens. */
ek_status ek__file_sync_folder(const char *path, ek_error *err);
/* Gives a file another name, in place of what has that; on the same disk. */
ek_status ek__file_rename(const char *from, const char *to, ek_error *err);
/* Bytes of `path` up to and with the last slash; 0: it has none. */
size_t ek__file_folder_size(const char *path);

/* ---- logs ------------------------------------------------------------------------------------------------------ */

/* A file that grows at its end and is read while it does. It is made where it is missing.
 * Whole pieces only: when one cannot be written, what was written of it is cut off again and a later one may succeed;
 * where not even that can be done, the log takes no more. */
typedef struct ek_file_log ek_file_log;
ek_status ek__file_append(const char *path, ek_file_log **out, ek_error *err);
/* Taken into memory; on the disk when there is enough of it, or at a flush. A failure loses the pieces since the last
 * flush. */
ek_status ek__file_log_put(ek_file_log *f, const void *data, size_t size, ek_error *err);
ek_status ek__file_log_flush(ek_file_log *f, ek_error *err);
ek_status ek__file_log_close(ek_file_log *f, ek_error *err); /* flushes; frees f whatever happens; NULL is allowed */

#endif
