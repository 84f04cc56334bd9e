/* base/base.h - the ground floor in one include: errors, memory, strings, maps.
 *
 * Nothing here knows what an array or a graph is.
 */
#ifndef EK_BASE_BASE_H
#define EK_BASE_BASE_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "evenkeel/dtype.h"
#include "evenkeel/status.h"

/* ---- errors ----------------------------------------------------------------------- */

/* Fills *err (the thread's own record when err is NULL) unless it already holds a
 * failure, and returns `code`:
 *     return EK_FAIL(err, INVALID_ARGUMENT, "x has rank %d, 2 is needed", rank);
 * A callee that is handed `err` must clear nothing: the first failure wins. */
#define EK_FAIL(err, CODE, ...) ek__fail((err), EK_##CODE, __FILE__, __LINE__, __VA_ARGS__)
ek_status ek__fail(ek_error *err, ek_status code, const char *file, int line, const char *fmt, ...)
    EK_PRINTF(5, 6);

/* Names the node at fault, if none is named yet; {{node}} in the text becomes its name. */
void ek__fail_node(ek_error *err, const char *node);
/* Public entry points: begin with a cleared record: the caller's, else the thread's. */
ek_error *ek__error_begin(ek_error *callers);
/* Copies a worker's or a graph's record into the caller's or the thread's; returns its code. */
ek_status ek__error_copy(ek_error *to, const ek_error *from);

/* EK_TRY while nothing is held; otherwise EK_TRY_DONE, a local `ek_status st` and one
 * label `done:` that frees. */
#define EK_TRY(call)                         \
    do {                                     \
        const ek_status ek_st_ = (call);     \
        if (ek_st_ != EK_OK) return ek_st_;  \
    } while (0)
#define EK_TRY_DONE(call)                    \
    do {                                     \
        st = (call);                         \
        if (st != EK_OK) goto done;          \
    } while (0)

/* Our own bugs only, never input. Compiled out of release builds. */
#ifdef NDEBUG
#define EK_ASSERT(cond) ((void)0)
#else
#include <assert.h>
#define EK_ASSERT(cond) assert(cond)
#endif

#define EK_COUNT_OF(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define EK_UNUSED(x) ((void)(x))

/* ---- memory ------------------------------------------------------------------------ */

/* All through the process's ek_allocator. Sizes of zero give a block. Aligned to 64. */
void *ek__alloc(size_t size);
void *ek__calloc(size_t count, size_t size); /* zeroed; NULL when the product overflows */
void ek__free(void *block);
/* Grows *array (capacity *cap elements of `size` bytes) to hold `need`; false without memory. */
bool ek__grow(void **array, int64_t *cap, int64_t need, size_t size);
#define EK_GROW(array, cap, need) ek__grow((void **)&(array), &(cap), (need), sizeof *(array))

/* Memory that goes all at once. Under AddressSanitizer gaps are poisoned. */
typedef struct ek_arena {
    struct ek_arena_block *head;
    size_t block_size; /* 0: 64 KiB at first, then twice the one before, up to 1 MiB */
    struct ek_arena_deferred *deferred;
} ek_arena;
void *ek__arena_alloc(ek_arena *a, size_t size, size_t align); /* not cleared; NULL without memory */
void *ek__arena_calloc(ek_arena *a, size_t count, size_t size);
char *ek__arena_strdup(ek_arena *a, const char *s);
char *ek__arena_strndup(ek_arena *a, const char *s, size_t n); /* adds a NUL */
void *ek__arena_memdup(ek_arena *a, const void *p, size_t n);
char *ek__arena_printf(ek_arena *a, const char *fmt, ...) EK_PRINTF(2, 3);
/* fn(arg) when the arena goes, the last deferred first and before its memory: for what another library owns.
 * false without memory, fn is then not called. */
bool ek__arena_defer(ek_arena *a, void (*fn)(void *arg), void *arg);
void ek__arena_fini(ek_arena *a);
#define EK_ARENA_NEW(arena, type, count) ((type *)ek__arena_calloc((arena), (size_t)(count), sizeof(type)))

/* ---- strings ----------------------------------------------------------------------- */

/* A growing byte string; failure is sticky (`failed`), checked once at the end. A NUL
 * follows the bytes always. */
typedef struct ek_buf {
    char *data;
    size_t size;
    int64_t cap;
    bool failed;
} ek_buf;
void ek__buf_add(ek_buf *b, const void *data, size_t size);
void ek__buf_str(ek_buf *b, const char *s);
void ek__buf_printf(ek_buf *b, const char *fmt, ...) EK_PRINTF(2, 3);
void ek__buf_fini(ek_buf *b);

/* Shortest digits that read back as the same float or double, Python's repr style
 * ("1e-05", "0.001", "1.0", "inf", "nan"; numpy's for float, whose 0.0001 is "1e-04");
 * returns their number. buf holds 40. */
int ek__format_double(char *buf, double v);
int ek__format_float(char *buf, float v);

/* ---- maps -------------------------------------------------------------------------- */

/* Open addressing from byte strings to int64. Keys are borrowed: they must outlive
 * the map (arena strings do). */
typedef struct ek_map {
    struct ek_map_slot *slot;
    int64_t cap, used;
} ek_map;
/* The value, or `missing`. */
int64_t ek__map_get(const ek_map *m, const char *key, size_t size, int64_t missing);
/* Inserts or replaces; false without memory. */
bool ek__map_put(ek_map *m, const char *key, size_t size, int64_t value);
void ek__map_fini(ek_map *m);
uint64_t ek__hash(const void *data, size_t size, uint64_t seed);

#endif
