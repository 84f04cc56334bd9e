/* tests/support/building.h - for tests of building calls: what went wrong, what was made. */
#ifndef EK_TESTS_BUILDING_H
#define EK_TESTS_BUILDING_H

#include <stdio.h>
#include <string.h>

#include "support/support.h"

/* The graph's failure is exactly this sentence; the graph is destroyed. */
static inline void expect_failure(ek_graph *g, const char *text)
{
    ek_error err = { 0 };
    const ek_status st = ek_graph_status(g, &err);

    if (st == EK_OK || strcmp(err.text, text) != 0) {
        fprintf(stderr, "expected: %s\nfound:    %s\n", text, st == EK_OK ? "no failure" : err.text);
        ek_graph_destroy(g);
        fail();
    }
    ek_graph_destroy(g);
}

/* No failure so far. */
static inline void expect_fine(ek_graph *g)
{
    ek_error err = { 0 };

    if (ek_graph_status(g, &err) != EK_OK) fail_msg("%s:%d: %s", err.file, err.line, err.text);
}

/* Names of the operations from number `from` on, separated by spaces. */
static inline void expect_names(ek_graph *g, int64_t from, const char *names)
{
    char found[4096] = "";

    for (int64_t i = from; i < ek_graph_op_count(g); i++) {
        strncat(found, i > from ? " " : "", sizeof found - strlen(found) - 1);
        strncat(found, ek_op_name(ek_graph_op_at(g, i)), sizeof found - strlen(found) - 1);
    }
    assert_string_equal(found, names);
}

/* Element i of the tensor as it is now. */
static inline double number_at(ek_session *s, ek_tensor t, int64_t i)
{
    ek_array *a = NULL;

    EK_DIE(ek_run(s, .fetch = { { t, &a } }));
    const double x = ek_array_get(a, i);
    ek_array_unref(a);
    return x;
}

static inline double number_now(ek_session *s, ek_variable v, int64_t i)
{
    return number_at(s, ek_variable_value(v), i);
}

#endif
