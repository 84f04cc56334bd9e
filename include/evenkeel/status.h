/* evenkeel/status.h - how a call says that it failed.
 *
 * Every fallible call returns an ek_status for branching; the sentence for people
 * is an ek_error, a record without heap, so that running out of memory can be
 * explained too. Whoever passes no record finds it in ek_last_error().
 */
#ifndef EVENKEEL_STATUS_H
#define EVENKEEL_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Public symbols; everything else in the shared library is hidden. */
#define EK_API __attribute__((visibility("default")))
#define EK_MUST_CHECK __attribute__((warn_unused_result))
#define EK_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* TensorFlow's codes and numbers (error_codes.proto). One list: the enum, the
 * names and the docs are expanded from it. Values are frozen. */
#define EK_STATUS_LIST(X)                                                                   \
    X(OK, 0, "success")                                                                     \
    X(CANCELLED, 1, "the run was cancelled")                                                \
    X(UNKNOWN, 2, "an error that fits no other code")                                       \
    X(INVALID_ARGUMENT, 3, "the caller, a file or a graph gave what is not allowed")        \
    X(DEADLINE_EXCEEDED, 4, "it took longer than allowed")                                  \
    X(NOT_FOUND, 5, "no such file, operation, tensor or variable")                          \
    X(ALREADY_EXISTS, 6, "the name is taken")                                               \
    X(PERMISSION_DENIED, 7, "the operating system forbids it")                              \
    X(RESOURCE_EXHAUSTED, 8, "no memory, or a limit was exceeded")                          \
    X(FAILED_PRECONDITION, 9, "the system is not in the state needed: a variable is not initialized, say") \
    X(ABORTED, 10, "a conflict stopped it")                                                 \
    X(OUT_OF_RANGE, 11, "past the end")                                                     \
    X(UNIMPLEMENTED, 12, "valid, but this build cannot do it")                              \
    X(INTERNAL, 13, "an invariant of the library is broken")                                \
    X(UNAVAILABLE, 14, "not now")                                                           \
    X(DATA_LOSS, 15, "bytes are damaged or missing")                                        \
    X(UNAUTHENTICATED, 16, "who are you")

typedef enum ek_status {
#define EK_STATUS_ENUM(name, value, text) EK_##name = value,
    EK_STATUS_LIST(EK_STATUS_ENUM)
#undef EK_STATUS_ENUM
} ek_status;

/* "INVALID_ARGUMENT" for EK_INVALID_ARGUMENT; "?" for a number that is no code. */
EK_API const char *ek_status_name(ek_status status);

/* A place in the caller's source. Builders take one, so that an error can say
 * which line of yours is wrong. */
typedef struct ek_where {
    const char *file;
    int line;
} ek_where;
#define EK_HERE ((ek_where){ __FILE__, __LINE__ })

/* Owned by the caller, zeroed before use; the first failure wins. No heap.
 *
 * code   what kind of failure; EK_OK while nothing failed
 * file, line   the caller's line where the call that failed was written, when a
 *        builder knows it; otherwise where the library raised it. file is static
 *        storage or lives as long as the graph.
 * node   the graph node at fault, "" if none (cut at 159 characters)
 * text   what was expected, what was found, what to try */
typedef struct ek_error {
    ek_status code;
    int line;
    const char *file;
    char node[160];
    char text[704];
} ek_error;

/* The error of the last failed call on this thread that had no `.error` of its
 * own. Valid until the next call on this thread; never NULL. */
EK_API const ek_error *ek_last_error(void);

/* For programs and examples: prints "file:line: STATUS: text" to stderr and exits
 * with 1 unless `status` is EK_OK. The library itself never exits. */
#define EK_DIE(call) ek_die_unless_ok((call), __FILE__, __LINE__, #call)
EK_API void ek_die_unless_ok(ek_status status, const char *file, int line, const char *call);

/* ---- version, memory ------------------------------------------------------------ */

#define EK_VERSION_MAJOR 0
#define EK_VERSION_MINOR 1
#define EK_VERSION_PATCH 0
#define EK_VERSION "0.1.0"
EK_API const char *ek_version(void);

/* Where all memory of the library comes from. `alloc` returns `size` bytes aligned
 * to `align` (a power of two, at most 64) or NULL; `release` accepts NULL. */
typedef struct ek_allocator {
    void *(*alloc)(void *ctx, size_t size, size_t align);
    void (*release)(void *ctx, void *block);
    void *ctx;
} ek_allocator;

/* Replaces the process's allocator; NULL restores malloc's. Call it while no
 * object of the library is alive: blocks go back to the allocator in force. */
EK_API void ek_set_allocator(const ek_allocator *allocator);

#ifdef __cplusplus
}
#endif
#endif
