/* base/file_log.c - files that grow at their end. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file_ops.h"

enum { GATHER = 64 << 10 }; /* bytes in memory from which on they are written */

struct ek_file_log {
    char *path;
    int fd;
    bool dead;  /* half a piece is at the end of the file */
    off_t size; /* of the whole pieces in it; -1: it is no file, but a pipe or a device */
    ek_buf waiting;
};

ek_status ek__file_append(const char *path, ek_file_log **out, ek_error *err)
{
    const size_t size = strlen(path) + 1;
    ek_file_log *f = ek__alloc(sizeof *f + size);
    struct stat s;

    *out = NULL;
    if (f == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "cannot write '%s': no memory", path);
    *f = (ek_file_log){ .path = (char *)(f + 1), .fd = ek__file_open_for(path, O_WRONLY | O_CREAT | O_APPEND) };
    memcpy(f->path, path, size);
    if (f->fd < 0 || fstat(f->fd, &s) != 0) {
        const ek_status st = ek__fail_system(err, "write", path);

        if (f->fd >= 0) ek__file_ops->close(f->fd);
        ek__free(f);
        return st;
    }
    f->size = S_ISREG(s.st_mode) ? s.st_size : -1;
    *out = f;
    return EK_OK;
}

ek_status ek__file_log_flush(ek_file_log *f, ek_error *err)
{
    const size_t n = f->waiting.size;
    ek_status st = EK_OK;

    if (f->dead) return EK_FAIL(err, FAILED_PRECONDITION, "cannot write '%s': writing failed before", f->path);
    if (n > 0 && !ek__file_write_all(f->fd, f->waiting.data, n)) {
        st = ek__fail_system(err, "write", f->path);
        f->dead = f->size < 0 || ek__file_ops->ftruncate(f->fd, f->size) != 0;
    } else if (f->size >= 0) {
        f->size += (off_t)n;
    }
    f->waiting.size = 0;
    return st;
}

ek_status ek__file_log_put(ek_file_log *f, const void *data, size_t size, ek_error *err)
{
    const size_t before = f->waiting.size;

    ek__buf_add(&f->waiting, data, size);
    if (f->waiting.failed) {
        f->waiting.failed = false;
        f->waiting.size = before;
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "cannot write '%s': no memory", f->path);
    }
    return f->waiting.size >= GATHER ? ek__file_log_flush(f, err) : EK_OK;
}

ek_status ek__file_log_close(ek_file_log *f, ek_error *err)
{
    ek_status st;

    if (f == NULL) return EK_OK;
    st = f->dead ? EK_OK : ek__file_log_flush(f, err);
    if (ek__file_ops->close(f->fd) != 0 && st == EK_OK) st = ek__fail_system(err, "write", f->path);
    ek__buf_fini(&f->waiting);
    ek__free(f);
    return st;
}
