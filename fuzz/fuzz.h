/* fuzz/fuzz.h - what the targets share: the entry that each defines, a check,
 * and memory that does not last for ever. */
#ifndef EK_FUZZ_FUZZ_H
#define EK_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "evenkeel/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FUZZ_MOST_BYTES = 1 << 24 };

static inline void must(bool holds)
{
    if (!holds) abort();
}

static inline void *fuzz_alloc(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    return size < FUZZ_MOST_BYTES ? aligned_alloc(align, (size + align - 1) / align * align) : NULL;
}

static inline void fuzz_release(void *ctx, void *block)
{
    (void)ctx;
    free(block);
}

/* A file of a few bytes may claim a gigabyte; from here on that is refused, to keep the search quick. */
static inline void fuzz_refuse_large(void)
{
    static const ek_allocator small = { fuzz_alloc, fuzz_release, NULL };

    ek_set_allocator(&small);
}

#endif
