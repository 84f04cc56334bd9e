/* base/cpu.h - what the machine's memory is like. How many processors there are: base/pool.h. */
#ifndef EK_BASE_CPU_H
#define EK_BASE_CPU_H

#include <stddef.h>

typedef enum ek_cache { EK_CACHE_SECOND, EK_CACHE_LAST } ek_cache;

/* Bytes of a data cache of the first processor, as the system tells; 1 and 8 MiB where it does not. Asked once per
 * process. What depends on it may change how fast a thing is, never its bits. */
size_t ek__cache_bytes(ek_cache which);
/* Of the last cache, what this process can hope to have: three eighths, and no more than 24 second caches. A slice of
 * a large server is told the size of a cache that it shares with cores it does not see. */
size_t ek__cache_share(void);

#endif
