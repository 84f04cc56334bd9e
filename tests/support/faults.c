/* tests/support/faults.c - see faults.h. */
#include "support/faults.h"

#include <errno.h>
#include <stdlib.h>

#include "base/file.h"
#include "support/support.h"

static test_faults *faults;
static bool held[1024]; /* descriptors that are open */

/* Whether a call may go on; else errno tells. */
static bool allowed(void)
{
    const long call = ++faults->calls;

    if (call != faults->fail_at && (faults->die_at == 0 || call < faults->die_at)) return true;
    errno = faults->error != 0 ? faults->error : EIO;
    return false;
}

static int faulty_open(const char *path, int flags, mode_t mode)
{
    const int fd = allowed() ? ek__file_system.open(path, flags, mode) : -1;

    if (fd >= 0 && fd < 1024) held[fd] = true;
    return fd;
}

static ssize_t faulty_write(int fd, const void *data, size_t size)
{
    if (!allowed()) {
        const int error = errno;

        if (faults->calls == faults->die_at) (void)!ek__file_system.write(fd, data, size / 2);
        errno = error;
        return -1;
    }
    if (faults->room >= 0 && (int64_t)size > faults->room) {
        size = (size_t)faults->room;
        if (size == 0) {
            errno = ENOSPC;
            return -1;
        }
    }
    if (faults->room >= 0) faults->room -= (int64_t)size;
    return ek__file_system.write(fd, data, size);
}

static int faulty_close(int fd)
{
    const bool dead = faults->die_at != 0 && faults->calls + 1 >= faults->die_at, fine = allowed();
    const int error = errno;

    if (dead) return -1;
    if (fd < 1024) held[fd] = false;
    const int rc = ek__file_system.close(fd);
    errno = error;
    return fine ? rc : -1;
}

static int faulty_fchmod(int fd, mode_t mode) { return allowed() ? ek__file_system.fchmod(fd, mode) : -1; }
static int faulty_ftruncate(int fd, off_t size) { return allowed() ? ek__file_system.ftruncate(fd, size) : -1; }
static int faulty_fsync(int fd) { return fd >= 0 && allowed() ? 0 : -1; } /* the disk may rest: the machine lives on */
static int faulty_rename(const char *from, const char *to) { return allowed() ? ek__file_system.rename(from, to) : -1; }
static int faulty_unlink(const char *path) { return allowed() ? ek__file_system.unlink(path) : -1; }
static int faulty_mkdir(const char *path, mode_t mode) { return allowed() ? ek__file_system.mkdir(path, mode) : -1; }
static int faulty_rmdir(const char *path) { return allowed() ? ek__file_system.rmdir(path) : -1; }

void test_faults_install(test_faults *f)
{
    static const ek_file_ops ops = {faulty_open,  faulty_write,  faulty_fchmod, faulty_ftruncate, faulty_fsync,
                                    faulty_close, faulty_rename, faulty_unlink, faulty_mkdir,     faulty_rmdir};

    faults = f;
    ek__file_ops_set(&ops);
}

void test_faults_remove(void)
{
    ek__file_ops_set(NULL);
    for (int fd = 0; fd < 1024; fd++) {
        if (held[fd]) ek__file_system.close(fd);
        held[fd] = false;
    }
}
