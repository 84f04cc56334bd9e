/* fuzz/checkpoint_files.h - a checkpoint of bytes in a folder of its own: everything in it read, whole and in part. */
#ifndef EK_FUZZ_CHECKPOINT_FILES_H
#define EK_FUZZ_CHECKPOINT_FILES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/bundle.h"
#include "fuzz.h"
#include "table_repair.h"

static char checkpoint_prefix[64];

static inline void checkpoint_clean(void)
{
    static const char *const names[] = { ".index", ".data-00000-of-00001", "" };
    char path[128];

    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", checkpoint_prefix, names[i]);
        (void)remove(path);
    }
    *strrchr(checkpoint_prefix, '/') = '\0';
    (void)remove(checkpoint_prefix);
}

static inline void checkpoint_begin(void)
{
    if (checkpoint_prefix[0] != '\0') return;
    snprintf(checkpoint_prefix, sizeof checkpoint_prefix, "%s/ek_fuzz_XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(checkpoint_prefix) == NULL) abort();
    strcat(checkpoint_prefix, "/m");
    atexit(checkpoint_clean);
}

static inline void checkpoint_put(const char *ending, const void *data, size_t size)
{
    char path[128];

    snprintf(path, sizeof path, "%s%s", checkpoint_prefix, ending);
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(data, 1, size, f) != size || fclose(f) != 0) abort();
}

static inline void checkpoint_read(void)
{
    ek_error err = { .code = EK_OK };
    ek_bundle *b;

    fuzz_refuse_large();
    if (ek__bundle_open(checkpoint_prefix, &b, &err) != EK_OK && (err.text[0] == '\0' || b != NULL)) abort();
    for (int64_t i = 0; b != NULL && i < ek__bundle_count(b); i++) {
        const ek_bundle_entry *e = ek__bundle_at(b, i);
        ek_slice part = { .rank = e->shape.rank };
        ek_array *a;

        for (int k = 0; k < part.rank; k++) {
            part.start[k] = e->shape.dim[k] / 3;
            part.length[k] = 1;
        }
        for (int way = 0; way < 2; way++) {
            err = (ek_error){ .code = EK_OK };
            if (ek__bundle_read(b, e, way == 0 ? NULL : &part, &a, &err) != EK_OK && (err.text[0] == '\0' || a != NULL))
                abort();
            if (a != NULL && way == 0 && !ek_shape_equal(ek_array_shape(a), &e->shape)) abort();
            ek_array_unref(a);
        }
    }
    ek__bundle_close(b);
    ek_set_allocator(NULL);
}

#endif
