/* tests/support.h - what tests share: the data folder, reading files, allocators that fail. */
#ifndef EK_TESTS_SUPPORT_H
#define EK_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "evenkeel/evenkeel.h"

/* Path of a file of the data folder: $EK_DATA, else ../shared/data beside the checkout. NULL, with one line on
 * stderr, where it is absent: the test then calls skip(). Static storage, overwritten by the next call but three. */
const char *ek_test_data(const char *relative);

/* Reads a whole file; *size may be NULL. A NUL follows the bytes. NULL when it cannot be read; free() it. */
char *ek_test_read(const char *path, size_t *size);

/* An allocator that counts and refuses allocation number fail_at (1 is the first; 0: none). Install it with
 * ek_set_allocator while no object is alive. */
typedef struct ek_test_allocator {
    ek_allocator allocator;
    long calls, fail_at, live; /* guarded by the atomicity of __atomic builtins */
    size_t bytes;              /* asked for so far, whether released or not */
} ek_test_allocator;
void ek_test_allocator_install(ek_test_allocator *t, long fail_at);
void ek_test_allocator_remove(void);

/* Runs `everything`, which must succeed, then with allocation 1, 2, 3 ... refused, of the first `coarse` every seventh, until
 * none is: each time it must say RESOURCE_EXHAUSTED and leave nothing. */
void ek_test_refuse_each(ek_status (*everything)(void), long coarse);
/* The same of what is done with a graph, which is made and destroyed around it. */
void ek_test_refuse_each_on_graph(ek_status (*everything)(ek_graph *g), long coarse);
/* The same of what is done with a file's graph, which is loaded before memory is refused. */
void ek_test_refuse_each_on_loaded(ek_graph *(*load)(const char *path), const char *path,
                                   ek_status (*everything)(ek_graph *g));

#endif
