/* base/file.c - the system's calls, and whole files written. Logs: file_log.c. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_ops.h"

enum {
    BUFFER = 64 << 10, /* small pieces are gathered */
    TRIES = 1000       /* names beside a file: one that is there was left by a process that was killed */
};

/* ---- the system's calls ------------------------------------------------------------------------------- */

static int system_open(const char *path, int flags, mode_t mode) { return open(path, flags, mode); }

const ek_file_ops ek__file_system = {system_open, write, fchmod, ftruncate, fsync, close, rename, unlink, mkdir, rmdir};
const ek_file_ops *ek__file_ops = &ek__file_system;

void ek__file_ops_set(const ek_file_ops *ops)
{
    ek__file_ops = ops != NULL ? ops : &ek__file_system;
}

ek_status ek__fail_system(ek_error *err, const char *doing, const char *path)
{
    const int number = errno;
    char text[128];
    const char *words = strerror_r(number, text, sizeof text);

    switch (number) {
    case ENOENT: case ENOTDIR: return EK_FAIL(err, NOT_FOUND, "cannot %s '%s': %s", doing, path, words);
    case EACCES:
    case EPERM:
    case EROFS:
        return EK_FAIL(err, PERMISSION_DENIED, "cannot %s '%s': %s", doing, path, words);
    case EEXIST: return EK_FAIL(err, ALREADY_EXISTS, "cannot %s '%s': %s", doing, path, words);
    case ENOMEM: case ENOSPC: case EDQUOT: case EFBIG: case EMFILE: case ENFILE:
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "cannot %s '%s': %s", doing, path, words);
    case EISDIR:
        return EK_FAIL(err, INVALID_ARGUMENT, "cannot %s '%s': a file was expected, this is a folder", doing, path);
    default: return EK_FAIL(err, UNKNOWN, "cannot %s '%s': %s", doing, path, words);
    }
}

int ek__file_open_for(const char *path, int flags)
{
    int fd;

    do {
        fd = ek__file_ops->open(path, flags | O_CLOEXEC, 0666);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

bool ek__file_write_all(int fd, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        const ssize_t n = ek__file_ops->write(fd, at, size);

        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = ENOSPC;
        if (n <= 0) return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

/* ---- whole files --------------------------------------------------------------------------------------- */

struct ek_file_out {
    char *path;   /* where it will be */
    char *beside; /* where it is until then; NULL: what is there is a pipe or a device, which is written through */
    int fd;
    bool failed;
    mode_t rights; /* of the file that it replaces; 0: there is none */
    size_t used;
    char buffer[BUFFER];
};

/* Opens a new file beside the one that it will become. */
static int open_beside(ek_file_out *f, size_t room)
{
    static atomic_uint serial;
    int fd = -1;

    for (int i = 0; i < TRIES && fd < 0; i++) {
        snprintf(f->beside, room, "%s.%ld.%u.part", f->path, (long)getpid(), atomic_fetch_add(&serial, 1));
        fd = ek__file_open_for(f->beside, O_WRONLY | O_CREAT | O_EXCL);
        if (fd < 0 && errno != EEXIST) break;
    }
    return fd;
}

static ek_status create(const char *path, ek_file_out **out, ek_error *err)
{
    const size_t size = strlen(path) + 1, room = size + 48;
    struct stat s;
    const bool exists = lstat(path, &s) == 0, through = exists && !S_ISREG(s.st_mode);
    ek_file_out *f = ek__alloc(sizeof *f + size + room);

    if (f == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "cannot write '%s': no memory", path);
    f->path = (char *)(f + 1);
    f->beside = through ? NULL : f->path + size;
    f->failed = false;
    f->rights = exists && !through ? s.st_mode & 0777 : 0;
    f->used = 0;
    memcpy(f->path, path, size);
    f->fd = through ? ek__file_open_for(path, O_WRONLY | O_CREAT | O_TRUNC) : open_beside(f, room);
    if (f->fd < 0) {
        const ek_status st = ek__fail_system(err, "write", path);

        ek__free(f);
        return st;
    }
    *out = f;
    return EK_OK;
}

ek_status ek__file_create(const char *path, ek_file_out **out, ek_error *err)
{
    struct stat s;
    char *real;
    ek_status st;

    *out = NULL;
    /* What a link leads to is replaced, not emptied: somebody may have it mapped. */
    real = lstat(path, &s) == 0 && S_ISLNK(s.st_mode) ? realpath(path, NULL) : NULL;
    st = create(real != NULL ? real : path, out, err);
    free(real);
    return st;
}

static ek_status put_through(ek_file_out *f, const void *data, size_t size, ek_error *err)
{
    if (ek__file_write_all(f->fd, data, size)) return EK_OK;
    f->failed = true;
    return ek__fail_system(err, "write", f->path);
}

static ek_status flush(ek_file_out *f, ek_error *err)
{
    const size_t used = f->used;

    f->used = 0;
    return used > 0 ? put_through(f, f->buffer, used, err) : EK_OK;
}

ek_status ek__file_put(ek_file_out *f, const void *data, size_t size, ek_error *err)
{
    if (f->failed) return EK_FAIL(err, FAILED_PRECONDITION, "cannot write '%s': writing failed before", f->path);
    if (size > sizeof f->buffer - f->used) EK_TRY(flush(f, err));
    if (size >= sizeof f->buffer) return put_through(f, data, size, err);
    if (size > 0) memcpy(f->buffer + f->used, data, size);
    f->used += size;
    return EK_OK;
}

ek_status ek__file_commit(ek_file_out *f, ek_error *err)
{
    const ek_file_ops *ops = ek__file_ops;
    ek_status st = ek__file_put(f, NULL, 0, err);

    if (st == EK_OK) st = flush(f, err);
    if (st == EK_OK && f->beside != NULL) {
        if ((f->rights != 0 && ops->fchmod(f->fd, f->rights) != 0) || ops->fsync(f->fd) != 0)
            st = ek__fail_system(err, "write", f->path);
    }
    if (ops->close(f->fd) != 0 && st == EK_OK) st = ek__fail_system(err, "write", f->path);
    f->fd = -1;
    if (st == EK_OK && f->beside != NULL && ops->rename(f->beside, f->path) != 0)
        st = ek__fail_system(err, "write", f->path);
    if (st == EK_OK) ek__free(f);
    else ek__file_abandon(f);
    return st;
}

void ek__file_abandon(ek_file_out *f)
{
    if (f == NULL) return;
    if (f->fd >= 0) ek__file_ops->close(f->fd);
    if (f->beside != NULL) ek__file_ops->unlink(f->beside);
    ek__free(f);
}

ek_status ek__file_write(const char *path, const void *data, size_t size, ek_error *err)
{
    ek_file_out *f;
    ek_status st;

    EK_TRY(ek__file_create(path, &f, err));
    st = ek__file_put(f, data, size, err);
    if (st == EK_OK) return ek__file_commit(f, err);
    ek__file_abandon(f);
    return st;
}

bool ek__file_is_part_of(const char *name, const char *whole, size_t whole_size)
{
    if (strncmp(name, whole, whole_size) != 0) return false;
    name += whole_size;
    for (int i = 0; i < 2; i++) {
        const size_t digits = name[0] == '.' ? strspn(name + 1, "0123456789") : 0;

        if (digits == 0) return false;
        name += 1 + digits;
    }
    return strcmp(name, ".part") == 0;
}

ek_status ek__file_remove(const char *path, ek_error *err)
{
    if (ek__file_ops->unlink(path) == 0 || errno == ENOENT) return EK_OK;
    return ek__fail_system(err, "remove", path);
}

ek_status ek__file_rename(const char *from, const char *to, ek_error *err)
{
    return ek__file_ops->rename(from, to) == 0 ? EK_OK : ek__fail_system(err, "rename", from);
}

/* ---- folders --------------------------------------------------------------------------------------------- */

size_t ek__file_folder_size(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? (size_t)(slash + 1 - path) : 0;
}

ek_status ek__file_make_folder(const char *path, ek_error *err)
{
    if (ek__file_ops->mkdir(path, 0777) == 0 || errno == EEXIST) return EK_OK;
    return ek__fail_system(err, "make the folder", path);
}

bool ek__file_folder_in_use(const char *path)
{
    DIR *d = opendir(path);
    const struct dirent *e;
    bool used = false;

    if (d == NULL) return false;
    while (!used && (e = readdir(d)) != NULL) used = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    errno = 0;
    return used;
}

bool ek__file_remove_folder(const char *path)
{
    return ek__file_ops->rmdir(path) == 0;
}

ek_status ek__file_sync_folder(const char *path, ek_error *err)
{
    const size_t size = ek__file_folder_size(path);
    char *folder = ek__alloc(size + 2);
    ek_status st = EK_OK;

    if (folder == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the folder of '%s'", path);
    memcpy(folder, size > 0 ? path : ".", size > 0 ? size : 1);
    folder[size > 0 ? size : 1] = '\0';
    const int fd = ek__file_open_for(folder, O_RDONLY | O_DIRECTORY);
    if (fd < 0 || (ek__file_ops->fsync(fd) != 0 && errno != EINVAL))
        st = ek__fail_system(err, "write the folder", folder);
    if (fd >= 0) ek__file_ops->close(fd);
    ek__free(folder);
    return st;
}
