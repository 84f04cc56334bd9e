/* codec/source.c - see source.h. */
#include "codec/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { MAP_FROM = 1 << 20 }; /* bytes from which a file is mapped */

static ek_status new_source(uint8_t *data, size_t size, bool mapped, ek_source **out, ek_error *err)
{
    ek_source *s = ek__alloc(sizeof *s);

    if (s == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a file of %zu bytes", size);
    atomic_init(&s->refs, 1);
    s->data = data;
    s->size = size;
    s->mapped = mapped;
    *out = s;
    return EK_OK;
}

static ek_status read_all(int fd, const char *path, uint8_t *data, size_t size, ek_error *err)
{
    for (size_t done = 0; done < size;) {
        const ssize_t n = read(fd, data + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return ek__fail_system(err, "read", path);
        if (n == 0) return EK_FAIL(err, DATA_LOSS, "'%s' shrank while it was read", path);
        done += (size_t)n;
    }
    return EK_OK;
}

static ek_status open_fd(int fd, const char *path, ek_source **out, ek_error *err)
{
    struct stat info;
    uint8_t *data;
    ek_status st;

    if (fstat(fd, &info) != 0) return ek__fail_system(err, "look at", path);
    if (!S_ISREG(info.st_mode)) return EK_FAIL(err, INVALID_ARGUMENT, "'%s' is not a file", path);
    const size_t size = (size_t)info.st_size;
    const bool mapped = size >= MAP_FROM;
    if (mapped) {
        data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) return ek__fail_system(err, "map", path);
        st = EK_OK;
    } else {
        data = ek__alloc(size);
        if (data == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the %zu bytes of %s", size, path);
        st = read_all(fd, path, data, size, err);
    }
    if (st == EK_OK) st = new_source(data, size, mapped, out, err);
    if (st != EK_OK && mapped) munmap(data, size);
    if (st != EK_OK && !mapped) ek__free(data);
    return st;
}

ek_status ek__source_open(const char *path, ek_source **out, ek_error *err)
{
    ek_status st;
    int fd;

    *out = NULL;
    do {
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not make us wait; it is refused */
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) return ek__fail_system(err, "open", path);
    st = open_fd(fd, path, out, err);
    close(fd);
    return st;
}

ek_status ek__source_copy(const void *data, size_t size, ek_source **out, ek_error *err)
{
    ek_buf b = { .data = NULL };

    ek__buf_add(&b, data, size);
    return ek__source_take(&b, out, err);
}

ek_status ek__source_take(ek_buf *b, ek_source **out, ek_error *err)
{
    ek_status st;

    *out = NULL;
    if (b->failed) {
        ek__buf_fini(b);
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the bytes of a file");
    }
    st = new_source((uint8_t *)b->data, b->size, false, out, err);
    if (st != EK_OK) ek__buf_fini(b);
    *b = (ek_buf){ .data = NULL };
    return st;
}

ek_source *ek__source_ref(ek_source *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void ek__source_unref(ek_source *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
    if (s->mapped) munmap(s->data, s->size);
    else ek__free(s->data);
    ek__free(s);
}
