/* base/file.c - whole files written. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The failure that errno stands for. */
static ek_status fail_errno(ek_error *err, const char *what, const char *path)
{
    const int e = errno;

    switch (e) {
    case ENOENT: case ENOTDIR: return EK_FAIL(err, NOT_FOUND, "%s '%s': %s", what, path, strerror(e));
    case EACCES: case EPERM: case EROFS: return EK_FAIL(err, PERMISSION_DENIED, "%s '%s': %s", what, path, strerror(e));
    case ENOMEM: case ENOSPC: case EDQUOT: case EFBIG: case EMFILE: case ENFILE:
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "%s '%s': %s", what, path, strerror(e));
    case EISDIR: return EK_FAIL(err, INVALID_ARGUMENT, "%s '%s': a file was expected, this is a folder", what, path);
    default: return EK_FAIL(err, UNKNOWN, "%s '%s': %s", what, path, strerror(e));
    }
}

static bool write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        const ssize_t n = write(fd, data, size);

        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

/* What is there is no regular file: a pipe, a device, a link to whatever. */
static ek_status write_through(const char *path, const void *data, size_t size, ek_error *err)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    ek_status st = EK_OK;

    if (fd < 0) return fail_errno(err, "cannot open", path);
    if (!write_all(fd, data, size)) st = fail_errno(err, "cannot write", path);
    if (close(fd) != 0 && st == EK_OK) st = fail_errno(err, "cannot write", path);
    return st;
}

ek_status ek__file_write(const char *path, const void *data, size_t size, ek_error *err)
{
    static atomic_uint serial;
    const size_t room = strlen(path) + 48;
    struct stat s;
    ek_status st = EK_OK;
    const bool exists = lstat(path, &s) == 0;
    char *beside, *real;
    int fd;

    /* What a link leads to is replaced, not emptied: somebody may have it mapped. */
    real = exists && S_ISLNK(s.st_mode) ? realpath(path, NULL) : NULL;
    if (real != NULL) {
        st = ek__file_write(real, data, size, err);
        free(real);
        return st;
    }
    if (exists && !S_ISREG(s.st_mode)) return write_through(path, data, size, err);
    beside = ek__alloc(room);
    if (beside == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "cannot write '%s': no memory", path);
    snprintf(beside, room, "%s.%ld.%u.part", path, (long)getpid(), atomic_fetch_add(&serial, 1));
    fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        st = fail_errno(err, "cannot write", path);
    } else {
        if (!write_all(fd, data, size) || (exists && fchmod(fd, s.st_mode & 0777) != 0) || fsync(fd) != 0)
            st = fail_errno(err, "cannot write", path);
        if (close(fd) != 0 && st == EK_OK) st = fail_errno(err, "cannot write", path);
        if (st == EK_OK && rename(beside, path) != 0) st = fail_errno(err, "cannot write", path);
        if (st != EK_OK) unlink(beside);
    }
    ek__free(beside);
    return st;
}
