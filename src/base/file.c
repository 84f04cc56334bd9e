/* base/file.c - whole files in and out. */
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

/* read() until the end; the buffer starts with the size that the file system tells, if it does. */
static ek_status read_all(int fd, const char *path, ek_buf *b, ek_error *err)
{
    struct stat s;
    int64_t room = 64 * 1024;

    if (fstat(fd, &s) == 0 && S_ISDIR(s.st_mode)) {
        errno = EISDIR;
        return fail_errno(err, "cannot read", path);
    }
    if (fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && s.st_size > 0 && s.st_size < INT64_MAX - 2) room = s.st_size + 2;
    for (;;) {
        ssize_t n;

        if (!EK_GROW(b->data, b->cap, room))
            return EK_FAIL(err, RESOURCE_EXHAUSTED, "cannot read '%s': no memory for %lld bytes", path, (long long)room);
        n = read(fd, b->data + b->size, (size_t)b->cap - b->size - 1);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(err, "cannot read", path);
        b->size += (size_t)n;
        b->data[b->size] = '\0';
        if (n == 0) return EK_OK;
        if (b->size + 1 == (size_t)b->cap) room = b->cap + 1;
    }
}

ek_status ek__file_read(const char *path, void **data, size_t *size, ek_error *err)
{
    ek_buf b = { 0 };
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ek_status st;

    if (fd < 0) return fail_errno(err, "cannot open", path);
    st = read_all(fd, path, &b, err);
    close(fd);
    if (st != EK_OK) {
        ek__buf_fini(&b);
        return st;
    }
    *data = b.data;
    *size = b.size;
    return EK_OK;
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
    char *beside;
    int fd;

    if (lstat(path, &s) == 0 && !S_ISREG(s.st_mode)) return write_through(path, data, size, err);
    beside = ek__alloc(room);
    if (beside == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "cannot write '%s': no memory", path);
    snprintf(beside, room, "%s.%ld.%u.part", path, (long)getpid(), atomic_fetch_add(&serial, 1));
    fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        st = fail_errno(err, "cannot write", path);
    } else {
        if (!write_all(fd, data, size) || fsync(fd) != 0) st = fail_errno(err, "cannot write", path);
        if (close(fd) != 0 && st == EK_OK) st = fail_errno(err, "cannot write", path);
        if (st == EK_OK && rename(beside, path) != 0) st = fail_errno(err, "cannot write", path);
        if (st != EK_OK) unlink(beside);
    }
    ek__free(beside);
    return st;
}
