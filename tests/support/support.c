/* tests/support.c - see support.h. */
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *ek_test_data(const char *relative)
{
    static char ring[4][4096];
    static int turn;
    const char *root = getenv("EK_DATA");
    char *path = ring[turn = (turn + 1) % 4];

    if (root == NULL) root = getenv("EK_TEST_DATA_DEFAULT");
    if (root == NULL) root = "../shared/data";
    snprintf(path, sizeof ring[0], "%s/%s", root, relative);
    if (access(path, R_OK) == 0) return path;
    fprintf(stderr, "skipped: the data folder has no %s (set EK_DATA to the folder that does)\n", relative);
    return NULL;
}

char *ek_test_read(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    char *data = NULL;
    long n;

    if (f == NULL) return NULL;
    if (fseek(f, 0, SEEK_END) == 0 && (n = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0) {
        data = malloc((size_t)n + 1);
        if (data != NULL && fread(data, 1, (size_t)n, f) == (size_t)n) {
            data[n] = '\0';
            if (size != NULL) *size = (size_t)n;
        } else {
            free(data);
            data = NULL;
        }
    }
    fclose(f);
    return data;
}

static void *counting_alloc(void *ctx, size_t size, size_t align)
{
    ek_test_allocator *t = ctx;
    const long call = __atomic_add_fetch(&t->calls, 1, __ATOMIC_SEQ_CST);

    if (call == t->fail_at) return NULL;
    __atomic_add_fetch(&t->bytes, size, __ATOMIC_SEQ_CST);
    void *block = aligned_alloc(align, (size + align - 1) / align * align);
    if (block != NULL) __atomic_add_fetch(&t->live, 1, __ATOMIC_SEQ_CST);
    return block;
}

static void counting_release(void *ctx, void *block)
{
    ek_test_allocator *t = ctx;

    if (block == NULL) return;
    __atomic_sub_fetch(&t->live, 1, __ATOMIC_SEQ_CST);
    free(block);
}

void ek_test_allocator_install(ek_test_allocator *t, long fail_at)
{
    *t = (ek_test_allocator){ .allocator = { counting_alloc, counting_release, t }, .fail_at = fail_at };
    ek_set_allocator(&t->allocator);
}

void ek_test_allocator_remove(void)
{
    ek_set_allocator(NULL);
}

void ek_test_refuse_each(ek_status (*everything)(void), long coarse)
{
    assert_int_equal(everything(), EK_OK);
    for (long k = 1;; k += k < coarse ? 7 : 1) {
        ek_test_allocator t;

        ek_test_allocator_install(&t, k);
        const ek_status st = everything();
        const long live = t.live, calls = t.calls;
        ek_test_allocator_remove();
        if (live != 0) fail_msg("allocation %ld failed and %ld blocks are left", k, live);
        if (calls < k) break;
        if (st != EK_RESOURCE_EXHAUSTED) fail_msg("allocation %ld failed and the run says %s", k, ek_status_name(st));
    }
}

static ek_status (*starving)(ek_graph *g);

static ek_status starve(void)
{
    ek_graph *g = ek_graph_create();
    const ek_status st = g != NULL ? starving(g) : EK_RESOURCE_EXHAUSTED;

    ek_graph_destroy(g);
    return st;
}

void ek_test_refuse_each_on_graph(ek_status (*everything)(ek_graph *g), long coarse)
{
    starving = everything;
    ek_test_refuse_each(starve, coarse);
}

void ek_test_refuse_each_on_loaded(ek_graph *(*load)(const char *path), const char *path,
                                   ek_status (*everything)(ek_graph *g))
{
    ek_status st = EK_RESOURCE_EXHAUSTED;

    for (long k = 1; st == EK_RESOURCE_EXHAUSTED; k++) {
        ek_test_allocator t;

        ek_test_allocator_install(&t, 0);
        ek_graph *g = load(path);
        const long before = t.live;
        t.fail_at = t.calls + k;
        st = everything(g);
        assert_int_equal(before, t.live);
        t.fail_at = 0;
        ek_graph_destroy(g);
        ek_test_allocator_remove();
    }
    assert_int_equal(EK_OK, st);
}
