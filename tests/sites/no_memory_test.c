/* The search without memory: refused, and nothing is left behind; the same graph gives the same answer again. */
#include <stdlib.h>
#include <string.h>

#include "sites/sites.h"
#include "support/support.h"

static ek_graph *load(const char *path)
{
    ek_graph *g = NULL;

    assert_int_equal(EK_OK, ek_graph_load(path, &g, NULL));
    return g;
}

static ek_status find(ek_graph *g)
{
    const ek_view view = { .graph = g, .n_nodes = ek_graph_op_count(g) };
    ek_error err = { .code = EK_OK };
    ek_sites sites;
    const ek_status st = ek__sites_find(&view, EK_BRANCH_UNKNOWN, &sites, &err);

    if (st == EK_OK) assert_int_equal(1, sites.n);
    ek__sites_free(&sites);
    return st;
}

static void each_allocation_fails(void **state)
{
    const char *path = ek_test_data("sites/own/hand_backward/graph.pb");

    (void)state;
    if (path == NULL) skip();
    ek_test_refuse_each_on_loaded(load, path, find);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_allocation_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
