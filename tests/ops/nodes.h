/* tests/ops/nodes.h - what tests of builders share: a graph's nodes in order. */
#ifndef EK_TESTS_OPS_NODES_H
#define EK_TESTS_OPS_NODES_H

#include "support/support.h"

#include <string.h>

#include "graph/node.h"

typedef struct row {
    const char *name, *type;
} row;

/* The whole graph, in order. */
static inline void expect_nodes(ek_graph *g, const row *rows, int n)
{
    ek_error err = { 0 };

    if (ek_graph_status(g, &err) != EK_OK) fail_msg("%s", err.text);
    for (int i = 0; i < n && i < ek_graph_op_count(g); i++) {
        assert_string_equal(ek_op_name(ek_graph_op_at(g, i)), rows[i].name);
        assert_string_equal(ek_op_type(ek_graph_op_at(g, i)), rows[i].type);
    }
    assert_int_equal(ek_graph_op_count(g), n);
}
#define EXPECT_NODES(g, ...) expect_nodes((g), (row[]){ __VA_ARGS__ }, (int)(sizeof((row[]){ __VA_ARGS__ }) / sizeof(row)))

#endif
