/* base/cache.c - the sizes of the caches, from sysfs, else from the C library (which believes a virtual machine's
 * CPUID, often the whole host's). */
#include "base/cpu.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

enum { INDICES = 8 };

/* Level and bytes of cache `index` of processor 0; false where there is none or it holds instructions only. */
static bool read_cache(int index, int *level, size_t *bytes)
{
    static const char *const name[] = {"level", "size", "type"};
    char path[96], text[3][32];
    long size;
    char unit = 'B';

    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, name[i]);
        FILE *f = fopen(path, "r");
        const bool ok = f != NULL && fgets(text[i], sizeof text[i], f) != NULL;
        if (f != NULL) fclose(f);
        if (!ok) return false;
    }
    if (text[2][0] == 'I' || sscanf(text[0], "%d", level) != 1 || sscanf(text[1], "%ld%c", &size, &unit) < 1)
        return false;
    *bytes = (size_t)size << (unit == 'K' ? 10 : unit == 'M' ? 20 : 0);
    return size > 0;
}

static size_t from_library(int name, size_t otherwise)
{
    const long n = sysconf(name);

    return n > 0 ? (size_t)n : otherwise;
}

size_t ek__cache_bytes(ek_cache which)
{
    static atomic_size_t known[2];
    size_t second = 0, last = 0, bytes;
    int level, last_level = 0;

    bytes = atomic_load_explicit(&known[which], memory_order_relaxed);
    if (bytes > 0) return bytes;
    for (int i = 0; i < INDICES; i++) {
        if (!read_cache(i, &level, &bytes)) continue;
        if (level == 2) second = bytes;
        if (level >= last_level) {
            last_level = level;
            last = bytes;
        }
    }
    if (second == 0) second = from_library(_SC_LEVEL2_CACHE_SIZE, (size_t)1 << 20);
    if (last == 0) last = from_library(_SC_LEVEL3_CACHE_SIZE, (size_t)8 << 20);
    atomic_store_explicit(&known[EK_CACHE_SECOND], second, memory_order_relaxed);
    atomic_store_explicit(&known[EK_CACHE_LAST], last, memory_order_relaxed);
    return which == EK_CACHE_SECOND ? second : last;
}

size_t ek__cache_share(void)
{
    const size_t part = ek__cache_bytes(EK_CACHE_LAST) / 8 * 3;
    const size_t most = ek__cache_bytes(EK_CACHE_SECOND) * 24;

    return part < most ? part : most;
}
