/* Nodes as importers append them, shapes in any order, what is known of values. */
#include "graph/toy.h"

static ek_node *raw_node(ek_graph *g, const char *type, const char *name, int n_in)
{
    ek_node *n = EK_ARENA_NEW(&g->arena, ek_node, 1);

    n->type = type;
    n->name = name;
    n->n_in = n_in;
    n->in = EK_ARENA_NEW(&g->arena, ek_edge, n_in + 1);
    n->attr = EK_ARENA_NEW(&g->arena, ek_attr, 4);
    return n;
}

static void add_attr(ek_node *n, const char *name, ek_attr_value v) { n->attr[n->n_attr++] = (ek_attr){ name, v }; }

static void append(ek_graph *g, ek_node *n)
{
    ek_error err = { 0 };

    if (ek__node_append(g, n, &err) != EK_OK) fail_msg("%s", err.text);
}

static ek_node *typed(ek_graph *g, const char *type, const char *name, int a, int b)
{
    ek_node *n = raw_node(g, type, name, b >= 0 ? 2 : 1);

    n->in[0].node = a;
    n->in[1].node = b >= 0 ? b : 0;
    add_attr(n, "T", (ek_attr_value){ .kind = EK_ATTR_TYPE, .u.type = EK_INT32 });
    return n;
}

static void shapes_are_inferred_whatever_the_order(void **state)
{
    ek_graph *g = toy_begin();
    ek_shape shape = EK_SHAPE(3);
    ek_node *p = raw_node(g, "Placeholder", "p", 0);
    ek_error err = { 0 };

    EK_UNUSED(state);
    append(g, typed(g, "Identity", "second", 1, -1));
    append(g, typed(g, "AddV2", "first", 2, 2));
    add_attr(p, "dtype", (ek_attr_value){ .kind = EK_ATTR_TYPE, .u.type = EK_INT32 });
    add_attr(p, "shape", (ek_attr_value){ .kind = EK_ATTR_SHAPE, .u.shape = &shape });
    append(g, p);
    assert_int_equal(ek__graph_infer(g, 0, &err), EK_OK);
    assert_int_equal(g->node[0]->out_shape[0].dim[0], 3);
    /* Names of a file are taken. */
    assert_string_equal(ek_unique_name(g, "First"), "First_1");
    toy_end(g);
}

static void a_cycle_is_refused_and_a_loop_is_not(void **state)
{
    static const ek_op_def next = { .name = "NextIteration",
                                    .inputs = "data: T",
                                    .outputs = "output: T",
                                    .attrs = "T: type",
                                    .shape = toy_same_shape };
    const ek_op_def *defs[EK_COUNT_OF(toy_defs) + 1];
    ek_registry *r;
    ek_error err = { 0 };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(toy_defs); i++) defs[i] = &toy_defs[i];
    defs[EK_COUNT_OF(toy_defs)] = &next;
    assert_int_equal(ek__registry_create(defs, EK_COUNT_OF(defs), &r, &err), EK_OK);
    for (int loop = 0; loop < 2; loop++) {
        ek_graph *g = ek__graph_create(r);
        append(g, typed(g, "AddV2", "a", 1, 1));
        append(g, typed(g, loop ? "NextIteration" : "Identity", "b", 0, -1));
        err = (ek_error){ 0 };
        assert_int_equal(ek__graph_infer(g, 0, &err), loop ? EK_OK : EK_INVALID_ARGUMENT);
        assert_string_equal(err.text, loop ? "" : "2 nodes in a cycle");
        /* Asking for values must end too. */
        assert_null(ek__constant_value(g, (ek_edge){ 0, 0 }));
        ek_graph_destroy(g);
    }
    ek__registry_destroy(r);
}

static void a_name_stands_once(void **state)
{
    ek_graph *g = toy_begin();
    ek_error err = { 0 };

    EK_UNUSED(state);
    append(g, typed(g, "Identity", "a", 0, -1));
    assert_int_equal(ek__node_append(g, typed(g, "Identity", "a", 0, -1), &err), EK_INVALID_ARGUMENT);
    assert_string_equal(err.text, "Duplicate node name in graph: 'a'");
    toy_end(g);
}

static void a_small_file_cannot_ask_for_much_memory(void **state)
{
    static const ek_op_def split = {
        .name = "Split", .inputs = "x: T", .outputs = "y: N * T", .attrs = "T: type; N: int", .shape = toy_same_shape
    };
    const ek_op_def *defs[] = { &split };
    ek_registry *r;
    ek_graph *g;
    ek_error err = { 0 };
    ek_status st = EK_OK;
    char name[16];

    EK_UNUSED(state);
    assert_int_equal(ek__registry_create(defs, 1, &r, &err), EK_OK);
    g = ek__graph_create(r);
    for (int i = 0; i < 100 && st == EK_OK; i++) {
        sprintf(name, "n%d", i);
        ek_node *n = typed(g, "Split", ek__arena_strdup(&g->arena, name), 0, -1);
        add_attr(n, "N", (ek_attr_value){ .kind = EK_ATTR_INT, .u.i = 60000 });
        st = ek__node_append(g, n, &err);
    }
    assert_int_equal(st, EK_RESOURCE_EXHAUSTED);
    assert_true(g->n_nodes == 17);
    ek_graph_destroy(g);
    ek__registry_destroy(r);
}

/* ---- values ---------------------------------------------------------------------------------- */

static ek_tensor vector(ek_graph *g, int64_t n, const int32_t *value)
{
    return toy_const(g, EK_INT32, EK_SHAPE(n), value, NULL);
}

static ek_tensor integer(ek_graph *g, int32_t value) { return toy_const(g, EK_INT32, EK_SCALAR, &value, NULL); }

static void shows(ek_tensor t, const char *want)
{
    const ek_shape s = ek__constant_value_as_shape(t.graph, ek__edge(t));
    char text[200];

    ek_shape_format(&s, text, sizeof text);
    assert_string_equal(text, want);
}

static void vectors_are_read_as_shapes(void **state)
{
    ek_graph *g = toy_begin();
    const ek_tensor x = toy_placeholder(g, EK_FLOAT32, EK_SHAPE(-1, 7, 5), "x"),
                    n = toy_placeholder(g, EK_INT32, EK_SCALAR, "n");
    const ek_tensor shape = toy_unary(g, "Shape", NULL, x);
    const ek_tensor two = vector(g, 2, (const int32_t[]){ 3, -1 });
    const ek_tensor parts[] = { integer(g, 4), n }, joined[] = { shape, two, integer(g, 0) };
    const ek_tensor from = vector(g, 1, (const int32_t[]){ 1 }), to = vector(g, 1, (const int32_t[]){ 3 });
    const ek_tensor slice[] = { shape, from, to, from };
    const ek_tensor pack = ek_op_output(ek_op_build(g, "Pack", .inputs = parts, .n_inputs = 2), 0);
    const ek_attribute index = { "N", EK_A_INT, { .i = 2 }, 0 };
    const ek_tensor concat = ek_op_output(
        ek_op_build(g, "ConcatV2", .inputs = joined, .n_inputs = 3, .attributes = &index, .n_attributes = 1), 0);

    EK_UNUSED(state);
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
    shows(shape, "(?, 7, 5)");
    shows(two, "(3, ?)");
    shows(pack, "(4, ?)");
    shows(concat, "(?, 7, 5, 3, ?)");
    shows(ek_op_output(ek_op_build(g, "StridedSlice", .inputs = slice, .n_inputs = 4), 0), "(7, 5)");
    shows(toy_placeholder(g, EK_INT32, EK_SHAPE(2), NULL), "(?, ?)");
    shows(toy_placeholder(g, EK_INT32, EK_SHAPE(-1), NULL), "<unknown>");
    toy_end(g);
}

static void what_follows_from_constants_is_known(void **state)
{
    ek_graph *g = toy_begin();
    const ek_tensor c = integer(g, 2), p = toy_placeholder(g, EK_INT32, EK_SCALAR, "p");
    const ek_tensor four = toy_unary(g, "Identity", NULL, toy_add(g, c, c));
    const ek_tensor rows = toy_unary(g, "Shape", NULL, toy_placeholder(g, EK_FLOAT32, EK_SHAPE(6), "fed"));
    ek_array *a = ek__constant_value(g, ek__edge(four)), *b = ek__constant_value(g, ek__edge(rows));

    EK_UNUSED(state);
    assert_int_equal(ek_array_i32(a)[0], 4);
    assert_int_equal(ek_array_i32(b)[0], 6);
    assert_null(ek__constant_value(g, ek__edge(toy_add(g, c, p))));
    assert_null(ek__constant_value(g, (ek_edge){ 1000, 0 }));
    ek_array_unref(a);
    ek_array_unref(b);
    toy_end(g);
}

static void large_results_are_not_computed_while_building(void **state)
{
    ek_graph *g = toy_begin();
    const ek_tensor big = toy_const(g, EK_INT32, EK_SHAPE(100000), NULL, NULL);

    EK_UNUSED(state);
    assert_null(ek__constant_value(g, ek__edge(toy_add(g, big, big))));
    toy_end(g);
    g = ek_graph_create();
    const ek_tensor in[] = { vector(g, 1, (const int32_t[]){ 1 << 30 }), integer(g, 1) };
    const ek_tensor filled = ek_op_output(ek_op_build(g, "Fill", .inputs = in, .n_inputs = 2), 0);
    assert_int_equal(ek_tensor_shape(filled).dim[0], 1 << 30);
    assert_null(ek__constant_value(g, ek__edge(filled)));
    ek_graph_destroy(g);
}

static void a_long_chain_needs_no_stack(void **state)
{
    ek_graph *g = toy_begin();
    ek_tensor t = integer(g, 1);

    EK_UNUSED(state);
    for (int i = 0; i < 200000; i++) t = toy_unary(g, "Identity", "i", t);
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
    assert_null(ek__constant_value(g, (ek_edge){ -1, 0 }));
    ek_array_unref(ek__constant_value(g, ek__edge(t)));
    toy_end(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_are_inferred_whatever_the_order),
        cmocka_unit_test(a_cycle_is_refused_and_a_loop_is_not),
        cmocka_unit_test(a_name_stands_once),
        cmocka_unit_test(a_small_file_cannot_ask_for_much_memory),
        cmocka_unit_test(vectors_are_read_as_shapes),
        cmocka_unit_test(what_follows_from_constants_is_known),
        cmocka_unit_test(large_results_are_not_computed_while_building),
        cmocka_unit_test(a_long_chain_needs_no_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
