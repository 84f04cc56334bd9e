/* sites - what looking for the batch norms of a graph costs: time per node of nets of 10, 100 and 1,000 dense layers,
 * forward alone and with the gradients that TensorFlow writes. Graphs that are named as arguments are timed too.
 *
 * The time is the processor's, of one thread; the least of several searches counts. */
#include <stdio.h>
#include <stdlib.h>

#include "../tests/support/deep_net.h"
#include "bench.h"
#include "evenkeel/evenkeel.h"
#include "graph/node.h"
#include "sites/sites.h"

/* Microseconds per node; prints a line. */
static double bench(const char *what, const ek_graph *g)
{
    double best = 1e30, spent = 0;
    int sites = 0, gradients = 0;

    for (int i = 0; i < 3 || spent < 0.2; i++) {
        const double start = bench_thread_seconds();
        ek_sites found;

        if (ek__sites_find_fed(g, 0, NULL, NULL, EK_BRANCH_UNKNOWN, &found, NULL) != EK_OK) exit(1);
        const double took = bench_thread_seconds() - start;
        spent += took;
        if (took < best) best = took;
        sites = found.n;
        gradients = 0;
        for (int k = 0; k < found.n; k++) gradients += found.at[k].n_gradients;
        ek__sites_free(&found);
    }
    const double per_node = 1e6 * best / (double)g->n_nodes;
    printf("%-28s %7lld nodes %5d sites %5d ways back %8.1f ms %6.2f us per node\n", what, (long long)g->n_nodes, sites,
           gradients, 1e3 * best, per_node);
    return per_node;
}

static double bench_net(int layers, bool gradients)
{
    deep_net net = deep_net_of(layers, gradients);
    ek_error err = {.code = EK_OK};
    ek_graph *g;
    char what[64];

    if (ek_graph_load_bytes(net.text, net.size, &g, &err) != EK_OK) {
        fprintf(stderr, "sites: %s\n", err.text);
        exit(1);
    }
    snprintf(what, sizeof what, "%d layers%s", layers, gradients ? ", with gradients" : "");
    const double t = bench(what, g);
    ek_graph_destroy(g);
    free(net.text);
    return t;
}

int main(int argc, char **argv)
{
    static const int layers[] = {10, 100, 1000};
    double forward[3], training[3];

    for (int i = 1; i < argc; i++) {
        ek_graph *g;

        if (ek_graph_load(argv[i], &g, NULL) != EK_OK) {
            fprintf(stderr, "sites: '%s' cannot be read as a graph\n", argv[i]);
            return 1;
        }
        (void)bench(argv[i], g);
        ek_graph_destroy(g);
    }
    for (int i = 0; i < 3; i++) {
        forward[i] = bench_net(layers[i], false);
        training[i] = bench_net(layers[i], true);
    }
    printf("RESULT forward_10=%.2f forward_100=%.2f forward_1000=%.2f gradients_10=%.2f gradients_100=%.2f "
           "gradients_1000=%.2f\n",
           forward[0], forward[1], forward[2], training[0], training[1], training[2]);
    return 0;
}
