/* Put before the C library (LD_PRELOAD), it refuses allocation number $FAIL_AT of the command that runs. */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef int memalign_fn(void **block, size_t align, size_t size);

__attribute__((visibility("default"))) int posix_memalign(void **block, size_t align, size_t size)
{
    static memalign_fn *real;
    static long calls, fail_at;

    if (real == NULL) {
        void *symbol = dlsym(RTLD_NEXT, "posix_memalign");
        const char *number = getenv("FAIL_AT");

        memcpy(&real, &symbol, sizeof real);
        fail_at = number != NULL ? strtol(number, NULL, 10) : 0;
    }
    return __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) == fail_at ? ENOMEM : real(block, align, size);
}
