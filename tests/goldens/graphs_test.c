/* tests/goldens/graphs_test.c - programs written in C give TensorFlow 1.15's graphs, node for node. */
#include "support/golden.h"

#include <stdio.h>

static void check(void **state)
{
    const golden_program *p = *state;
    golden_results results = { .count = 0 };
    ek_graph *g = ek_graph_create();
    ek_error err = { 0 };
    bool skipped = false, same;

    assert_non_null(g);
    p->build(g, &results);
    if (ek_graph_status(g, &err) != EK_OK) fail_msg("%s: %s:%d: %s", p->name, err.file, err.line, err.text);
    same = golden_same_nodes(p->name, g, p->first, &skipped);
    if (same && p->first == 0 && !skipped) same = golden_same_collections(p->name, g, &skipped);
    if (same && p->first == 0 && !skipped) same = golden_same_results(p->name, g, &results, &skipped);
    ek_graph_destroy(g);
    if (skipped) skip();
    assert_true(same);
}

int main(void)
{
    struct CMUnitTest tests[64];
    const golden_program *p;
    int n = 0;

    for (; n < 64 && (p = golden_program_at(n)) != NULL; n++)
        tests[n] = (struct CMUnitTest){ .name = p->name, .test_func = check, .initial_state = (void *)(uintptr_t)p };
    return _cmocka_run_group_tests("graphs of TensorFlow 1.15", tests, (size_t)n, NULL, NULL);
}
