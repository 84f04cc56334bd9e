/* The search without memory: refused, and nothing is left behind; the same graph gives the same answer again. */
#include <stdlib.h>
#include <string.h>

#include "sites/sites.h"
#include "support/support.h"

static void each_allocation_fails(void **state)
{
    const char *path = ek_test_data("sites/own/hand_backward/graph.pb");
    ek_test_allocator t;
    ek_graph *g = NULL;
    ek_sites sites;
    ek_status st = EK_RESOURCE_EXHAUSTED;

    (void)state;
    if (path == NULL) skip();
    for (long k = 0; st == EK_RESOURCE_EXHAUSTED; k++) {
        ek_error err = {.code = EK_OK};

        ek_test_allocator_install(&t, 0);
        assert_int_equal(EK_OK, ek_graph_load(path, &g, NULL));
        const long before = t.live;
        const ek_view view = {.graph = g, .n_nodes = ek_graph_op_count(g)};
        t.fail_at = t.calls + 1 + k;
        st = ek__sites_find(&view, EK_BRANCH_UNKNOWN, &sites, &err);
        if (st == EK_OK) assert_int_equal(1, sites.n);
        ek__sites_free(&sites);
        assert_int_equal(before, t.live);
        t.fail_at = 0;
        ek_graph_destroy(g);
        ek_test_allocator_remove();
    }
    assert_int_equal(EK_OK, st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_allocation_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
