/* autodiff/gate.c - see gate.h. */
#include "autodiff/gate.h"

#include "evenkeel/control.h"
#include "graph/node.h"

bool ek__gate(ek_graph *g, ek_gradient *d, int64_t n, int64_t least, ek_where where)
{
    ek_item *item = ek__calloc((size_t)n + 1, sizeof *item);
    int64_t count = 0;

    if (item == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory to gate gradients");
        return false;
    }
    for (int64_t i = 0; i < n; i++)
        if (ek_gradient_ok(d[i])) item[count++] = ek_item_of_tensor(d[i].value);
    if (count >= least) {
        const ek_list gated = ek_tuple_with(g, &(ek_tuple_options){ .size = sizeof(ek_tuple_options),
                                                                    .list = { g, item, count } }, where);
        count = 0;
        for (int64_t i = 0; i < n; i++)
            if (ek_gradient_ok(d[i])) d[i].value = ek_list_tensor(gated, count++);
    }
    ek__free(item);
    return true;
}
