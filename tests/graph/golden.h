/* tests/graph/golden.h - holds a graph against the text form of one that TensorFlow 1.15 built, node for node. */
#ifndef EK_TESTS_GRAPH_GOLDEN_H
#define EK_TESTS_GRAPH_GOLDEN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

/* The next "node { ... }" of the text with its indentation taken away, or NULL. *at moves behind it. */
static inline char *golden_next(const char **at)
{
    const char *from = strstr(*at, "node {\n"), *end = from != NULL ? strstr(from, "\n}") : NULL;
    char *out, *p;

    if (end == NULL) return NULL;
    from += strlen("node {\n");
    *at = end + 2;
    out = p = malloc((size_t)(end - from) + 2);
    while (from <= end) {
        const char *line_end = memchr(from, '\n', (size_t)(end - from) + 1);
        const size_t skip = strncmp(from, "  ", 2) == 0 ? 2 : 0, n = (size_t)(line_end - from) + 1 - skip;
        memcpy(p, from + skip, n);
        p += n;
        from = line_end + 1;
    }
    *p = '\0';
    return out;
}

/* Compares the first `n` nodes (0: all, and that there are no more). Prints where they part. */
static inline void golden_compare(const ek_graph *g, const char *path, int64_t n)
{
    char *text = ek_test_read(path, NULL), *want;
    const char *at = text;
    int64_t i = 0;

    assert_non_null(text);
    for (; (n == 0 || i < n) && (want = golden_next(&at)) != NULL; i++) {
        char *got = i < ek_graph_op_count(g) ? ek_op_str(ek_graph_op_at(g, i)) : NULL;
        if (got == NULL || strcmp(got, want) != 0)
            fprintf(stderr, "node %d\nexpected:\n%s\ngot:\n%s\n", (int)i, want, got != NULL ? got : "none");
        assert_non_null(got);
        assert_string_equal(got, want);
        ek_free(got);
        free(want);
    }
    if (n == 0) assert_int_equal(ek_graph_op_count(g), i);
    free(text);
}

#endif
