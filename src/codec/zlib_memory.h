/* codec/zlib_memory.h - zlib's memory comes from where all memory comes from. */
#ifndef EK_CODEC_ZLIB_MEMORY_H
#define EK_CODEC_ZLIB_MEMORY_H

#include <zlib.h>

#include "base/base.h"

static inline voidpf ek__zlib_take(voidpf arg, uInt count, uInt size)
{
    EK_UNUSED(arg);
    return ek__calloc(count, size);
}

static inline void ek__zlib_give(voidpf arg, voidpf block)
{
    EK_UNUSED(arg);
    ek__free(block);
}

/* Before inflateInit2 or deflateInit2 of a zeroed stream. */
static inline void ek__zlib_memory(z_stream *z)
{
    z->zalloc = ek__zlib_take;
    z->zfree = ek__zlib_give;
}

#endif
