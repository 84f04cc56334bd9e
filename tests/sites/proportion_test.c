/* The search costs in proportion to the graph, whatever the clock says: tensors that are computed with are counted. */
#include <stdlib.h>
#include <string.h>

#include "graph/node.h"
#include "sites/sites.h"
#include "support/deep_net.h"
#include "support/support.h"

typedef struct cost {
    int64_t nodes, evaluated;
    int sites, gradients;
} cost;

static cost cost_of(int layers, bool gradients)
{
    deep_net net = deep_net_of(layers, gradients);
    cost c = {.nodes = 0};
    ek_graph *g;
    ek_sites sites;

    assert_int_equal(EK_OK, ek_graph_load_bytes(net.text, net.size, &g, NULL));
    assert_int_equal(EK_OK, ek__sites_find_fed(g, 0, NULL, NULL, EK_BRANCH_UNKNOWN, &sites, NULL));
    c.nodes = g->n_nodes;
    c.evaluated = sites.evaluated;
    c.sites = sites.n;
    for (int i = 0; i < sites.n; i++) {
        c.gradients += sites.at[i].n_gradients;
        for (int k = 0; k < sites.at[i].n_gradients; k++) {
            assert_true(sites.at[i].gradient[k].dx.node >= 0);
            assert_true(sites.at[i].gradient[k].dgamma.node >= 0);
            assert_true(sites.at[i].gradient[k].dbeta.node >= 0);
        }
    }
    ek__sites_free(&sites);
    ek_graph_destroy(g);
    free(net.text);
    return c;
}

static void check(bool gradients, int64_t most_per_node)
{
    const cost small = cost_of(10, gradients), large = cost_of(200, gradients);

    assert_int_equal(10, small.sites);
    assert_int_equal(200, large.sites);
    assert_int_equal(gradients ? 10 : 0, small.gradients);
    assert_int_equal(gradients ? 200 : 0, large.gradients);
    print_message("%.2f tensors per node of %lld, %.2f of %lld\n", (double)small.evaluated / (double)small.nodes,
                  (long long)small.nodes, (double)large.evaluated / (double)large.nodes, (long long)large.nodes);
    assert_true(small.evaluated <= most_per_node * small.nodes);
    assert_true(20 * large.evaluated * small.nodes <= 21 * small.evaluated * large.nodes);
}

static void forward(void **state)
{
    (void)state;
    check(false, 3);
}

static void with_gradients(void **state)
{
    (void)state;
    check(true, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forward), cmocka_unit_test(with_gradients)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
