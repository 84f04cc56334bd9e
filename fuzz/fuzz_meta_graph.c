/* fuzz/fuzz_meta_graph.c - MetaGraphDefs, binary or text, and the question what a file is: opened, their collections asked
 * for, their graphs loaded; or refused with a sentence. What loads with its collections is written, and what was written is
 * written the same again; under a scope it loads too, or there is a sentence. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "evenkeel/files.h"
#include "formats/graph_io.h"
#include "fuzz.h"

static bool inside(ek_span part, ek_span whole)
{
    return part.at >= whole.at && part.size <= whole.size && part.at - whole.at <= (ptrdiff_t)(whole.size - part.size);
}

static void open_file(const char *path)
{
    static const char *const keys[] = { "trainable_variables", "update_ops", "", "k" };
    ek_error err = { .code = EK_OK };
    ek_meta_graph meta;
    ek_graph *g = NULL;
    ek_span found;

    if (ek__meta_graph_open(path, &meta, &err) != EK_OK) {
        must(err.code != EK_OK && err.text[0] != '\0' && meta.source == NULL);
        return;
    }
    must(inside(meta.graph_def, meta.whole));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (ek__meta_graph_collection(&meta, keys[i], &found)) must(inside(found, meta.whole));
    if (ek__graph_import(meta.source, meta.graph_def, &g, &err) != EK_OK) must(err.text[0] != '\0' && g == NULL);
    ek__meta_graph_close(&meta);
    ek_graph_destroy(g); /* later than the file: it keeps what it points into */
}

/* NULL: it cannot be loaded, or there is no memory to write it. */
static void *written(const void *data, size_t size, bool text, size_t *n)
{
    ek_error err = { .code = EK_OK };
    void *out = NULL;
    ek_graph *g;

    if (ek_meta_graph_load_bytes(data, size, &g, .error = &err) != EK_OK) {
        must(err.code != EK_OK && err.text[0] != '\0' && g == NULL);
        return NULL;
    }
    if (ek_meta_graph_save_bytes(g, &out, n, .text = text, .error = &err) != EK_OK) must(err.code == EK_RESOURCE_EXHAUSTED);
    ek_graph_destroy(g);
    return out;
}

static void there_and_back(const uint8_t *data, size_t size)
{
    size_t n = 0, m = 0;
    void *first = written(data, size, false, &n), *second = first != NULL ? written(first, n, false, &m) : NULL;
    ek_error err = { .code = EK_OK };
    ek_graph *scoped = NULL;

    if (second != NULL) must(n == m && memcmp(first, second, n) == 0);
    if (first != NULL) {
        void *text = written(first, n, true, &m);
        ek_free(text);
        if (ek_meta_graph_load_bytes(first, n, &scoped, .import_scope = "s/t", .error = &err) != EK_OK)
            must(err.text[0] != '\0' && scoped == NULL);
    }
    ek_free(first);
    ek_free(second);
    ek_graph_destroy(scoped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int file = memfd_create("meta_graph", MFD_CLOEXEC);
    ek_error err = { .code = EK_OK };
    ek_file_kind kind;
    char path[64];

    if (file < 0) return 0;
    must(size == 0 || write(file, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    fuzz_refuse_large();
    if (ek__file_kind(path, &kind, &err) == EK_OK) must(ek__file_kind_name(kind)[0] != '\0');
    open_file(path);
    there_and_back(data, size);
    ek_set_allocator(NULL);
    close(file);
    return 0;
}
