/* base/memory.c - blocks from the process's allocator, growing arrays, arenas. */
#include "base/base.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISONS 1
#endif
#endif
#ifdef POISONS
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
enum { GAP = 16 }; /* between two pieces of an arena, so that running over the end of one is seen */
#else
#define POISON(p, n) ((void)0)
#define UNPOISON(p, n) ((void)0)
enum { GAP = 0 };
#endif

enum { ALIGN = 64 };

/* From HUGE on blocks begin at a multiple of a huge page and ask for such pages: with pages of 4 KiB a pass over large
 * arrays spends a good part of its time on finding them. */
enum { HUGE = 16 << 20, HUGE_PAGE = 2 << 20 };

static void *default_alloc(void *ctx, size_t size, size_t align)
{
    void *block;

    EK_UNUSED(ctx);
    if (posix_memalign(&block, size >= HUGE ? HUGE_PAGE : align, size) != 0) return NULL;
#ifdef MADV_HUGEPAGE
    if (size >= HUGE) (void)madvise(block, size, MADV_HUGEPAGE); /* a wish: without it the block is as good */
#endif
    return block;
}

static void default_release(void *ctx, void *block)
{
    EK_UNUSED(ctx);
    free(block);
}

static const ek_allocator default_allocator = { default_alloc, default_release, NULL };
static ek_allocator allocator = { default_alloc, default_release, NULL };

static void release_spares(void);

void ek_set_allocator(const ek_allocator *a)
{
    release_spares();
    allocator = a != NULL ? *a : default_allocator;
}

void *ek__alloc(size_t size)
{
    if (size > PTRDIFF_MAX - ALIGN) return NULL;
    return allocator.alloc(allocator.ctx, size != 0 ? size : 1, ALIGN);
}

void *ek__calloc(size_t count, size_t size)
{
    size_t bytes;
    void *block;

    if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
    block = ek__alloc(bytes);
    if (block != NULL) memset(block, 0, bytes);
    return block;
}

void ek__free(void *block)
{
    if (block != NULL) allocator.release(allocator.ctx, block);
}

bool ek__grow(void **array, int64_t *cap, int64_t need, size_t size)
{
    int64_t wanted = *cap > INT64_MAX / 2 ? need : *cap * 2;
    size_t bytes;
    void *old, *bigger;

    if (need <= *cap) return true;
    if (wanted < need) wanted = need;
    if (wanted < 8) wanted = 8;
    if (__builtin_mul_overflow((size_t)wanted, size, &bytes)) return false;
    bigger = ek__alloc(bytes);
    if (bigger == NULL) return false;
    memcpy(&old, array, sizeof old); /* the caller's pointer is of another type */
    if (*cap > 0) memcpy(bigger, old, (size_t)*cap * size);
    ek__free(old);
    memcpy(array, &bigger, sizeof bigger);
    *cap = wanted;
    return true;
}

/* ---- arenas ------------------------------------------------------------------------- */

struct ek_arena_block {
    struct ek_arena_block *next;
    size_t size, used; /* of the bytes that follow this header, ALIGN bytes after its start */
};
_Static_assert(sizeof(struct ek_arena_block) <= ALIGN, "the header fits before the first byte");

static char *block_bytes(struct ek_arena_block *b)
{
    return (char *)b + ALIGN;
}

/* ---- spare blocks ------------------------------------------------------------------- */

/* Blocks of arenas that are gone wait for the next ones: planning wants megabytes for a moment, and fresh pages from
 * the system cost as much as half the planning. malloc's only: whoever brings an allocator sees each block come and go. Not
 * under AddressSanitizer, which shall see what is used after its end. */
#ifdef POISONS
enum { SPARES = 0 };
static _Atomic(struct ek_arena_block *) spare[1];
#else
enum { SPARES = 16 };
static _Atomic(struct ek_arena_block *) spare[SPARES];
#endif
enum { SPARE_LEAST = 64 * 1024, SPARE_ALL = 8 * 1024 * 1024 };
static _Atomic size_t spare_bytes;

/* A spare block of at least `size` bytes and not much more, or NULL. */
static struct ek_arena_block *take_spare(size_t size)
{
    for (int i = 0; i < SPARES && size >= SPARE_LEAST; i++) {
        struct ek_arena_block *none = NULL, *b;

        if (atomic_load_explicit(&spare[i], memory_order_relaxed) == NULL) continue;
        b = atomic_exchange(&spare[i], NULL);
        if (b == NULL) continue;
        if (b->size >= size && b->size / 2 <= size) {
            atomic_fetch_sub(&spare_bytes, b->size);
            return b;
        }
        if (atomic_compare_exchange_strong(&spare[i], &none, b)) continue;
        atomic_fetch_sub(&spare_bytes, b->size); /* somebody put another there */
        ek__free(b);
    }
    return NULL;
}

static void give_spare(struct ek_arena_block *b)
{
    const size_t size = b->size;

    if (size >= SPARE_LEAST && size <= SPARE_ALL && allocator.alloc == default_alloc) {
        if (atomic_fetch_add(&spare_bytes, size) + size <= SPARE_ALL)
            for (int i = 0; i < SPARES; i++) {
                struct ek_arena_block *none = NULL;

                if (atomic_compare_exchange_strong(&spare[i], &none, b)) return;
            }
        atomic_fetch_sub(&spare_bytes, size);
    }
    ek__free(b);
}

static void release_spares(void)
{
    for (int i = 0; i < SPARES; i++) {
        struct ek_arena_block *b = atomic_exchange(&spare[i], NULL);

        if (b == NULL) continue;
        atomic_fetch_sub(&spare_bytes, b->size);
        ek__free(b);
    }
}

/* ---- pieces ------------------------------------------------------------------------- */

/* Each usual block is twice the one before, up to a megabyte, where the arena leaves it open. */
static size_t usual_size(const ek_arena *a)
{
    const size_t least = 64 * 1024, most = 1024 * 1024;

    if (a->block_size != 0) return a->block_size;
    if (a->head == NULL || a->head->size < least) return least;
    return a->head->size < most / 2 ? 2 * a->head->size : most;
}

/* A block of its own for what would fill much of one, behind the head, which stays in use. */
static struct ek_arena_block *add_block(ek_arena *a, size_t size)
{
    const size_t usual = usual_size(a);
    const bool own = size > usual / 4;
    const size_t bytes = own ? size : usual;
    struct ek_arena_block *b;

    if (bytes > PTRDIFF_MAX - 2 * ALIGN) return NULL;
    b = take_spare(bytes);
    if (b == NULL) {
        b = ek__alloc(bytes + ALIGN);
        if (b == NULL) return NULL;
        b->size = bytes;
    }
    b->used = 0;
    POISON(block_bytes(b), b->size);
    if (own && a->head != NULL) {
        b->next = a->head->next;
        a->head->next = b;
    } else {
        b->next = a->head;
        a->head = b;
    }
    return b;
}

void *ek__arena_alloc(ek_arena *a, size_t size, size_t align)
{
    struct ek_arena_block *b = a->head;
    size_t at = b != NULL ? (b->used + align - 1) & ~(align - 1) : 0;

    EK_ASSERT(align != 0 && (align & (align - 1)) == 0 && align <= ALIGN);
    if (size > PTRDIFF_MAX - 4 * ALIGN) return NULL;
    if (b == NULL || at > b->size || size + GAP > b->size - at) {
        b = add_block(a, size + GAP);
        if (b == NULL) return NULL;
        at = 0;
    }
    b->used = at + size + GAP;
    UNPOISON(block_bytes(b) + at, size);
    return block_bytes(b) + at;
}

void *ek__arena_calloc(ek_arena *a, size_t count, size_t size)
{
    size_t bytes;
    void *p;

    if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
    p = ek__arena_alloc(a, bytes, 16);
    if (p != NULL) memset(p, 0, bytes);
    return p;
}

char *ek__arena_strndup(ek_arena *a, const char *s, size_t n)
{
    char *copy = n < SIZE_MAX ? ek__arena_alloc(a, n + 1, 1) : NULL;

    if (copy == NULL) return NULL;
    if (n > 0) memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *ek__arena_strdup(ek_arena *a, const char *s)
{
    return ek__arena_strndup(a, s, strlen(s));
}

void *ek__arena_memdup(ek_arena *a, const void *p, size_t n)
{
    void *copy = ek__arena_alloc(a, n, 16);

    if (copy != NULL && n > 0) memcpy(copy, p, n);
    return copy;
}

char *ek__arena_printf(ek_arena *a, const char *fmt, ...)
{
    va_list args, again;
    char *s = NULL;
    int n;

    va_start(args, fmt);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, fmt, args);
    if (n >= 0) s = ek__arena_alloc(a, (size_t)n + 1, 1);
    if (s != NULL) vsnprintf(s, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(args);
    return s;
}

struct ek_arena_deferred {
    struct ek_arena_deferred *next;
    void (*fn)(void *arg);
    void *arg;
};

bool ek__arena_defer(ek_arena *a, void (*fn)(void *arg), void *arg)
{
    struct ek_arena_deferred *d = EK_ARENA_NEW(a, struct ek_arena_deferred, 1);

    if (d == NULL) return false;
    *d = (struct ek_arena_deferred){ a->deferred, fn, arg };
    a->deferred = d;
    return true;
}

void ek__arena_fini(ek_arena *a)
{
    for (const struct ek_arena_deferred *d = a->deferred; d != NULL; d = d->next) d->fn(d->arg);
    a->deferred = NULL;
    while (a->head != NULL) {
        struct ek_arena_block *b = a->head;

        a->head = b->next;
        UNPOISON(block_bytes(b), b->size);
        give_spare(b);
    }
}
