/* Conditionals: TensorFlow's nodes, what a branch sees of the outside, complaints. */
#include "graph/golden.h"
#include "graph/toy.h"

static ek_tensor scalar(ek_graph *g, float value, const char *name)
{
    return toy_const(g, EK_FLOAT32, EK_SCALAR, &value, name);
}

static ek_tensor with_number(const char *type, const char *name, ek_tensor x, float value)
{
    ek_tensor out = ek__dead(x.graph);

    ek_with_name_scope(x.graph, name)
        out = ek_op_output(toy_op(x.graph, type, ek_name_scope(x.graph), x, scalar(x.graph, value, "y")), 0);
    return out;
}

/* ---- the golden graph ------------------------------------------------------------------------ */

typedef struct program {
    ek_tensor p, q, x, w, read;
} program;

static ek_list results(ek_graph *g, ek_tensor t) { return EK_RESULTS(g, t); }

static ek_list doubled(ek_graph *g, void *arg)
{
    return results(g, with_number("Mul", "mul", ((program *)arg)->x, 2.0f));
}

static ek_list plus_w(ek_graph *g, void *arg)
{
    const program *a = arg;

    return results(g, toy_add(g, a->x, a->read));
}

static ek_list added_to_w(ek_graph *g, void *arg)
{
    const program *a = arg;

    return results(g, ek_op_output(toy_op(g, "AssignAdd", NULL, a->w, a->x), 0));
}

static ek_list w_again(ek_graph *g, void *arg)
{
    return results(g, toy_unary(g, "Identity", NULL, ((program *)arg)->read));
}

static ek_list plus_one(ek_graph *g, void *arg)
{
    return results(g, with_number("AddV2", "add", ((program *)arg)->x, 1.0f));
}
static ek_list minus_one(ek_graph *g, void *arg)
{
    return results(g, with_number("Sub", "sub", ((program *)arg)->x, 1.0f));
}

static ek_list cond(ek_tensor pred, ek_branch_fn yes, ek_branch_fn no, void *arg)
{
    return ek_cond(pred, yes, no, .arg = arg);
}

static ek_list nested(ek_graph *g, void *arg)
{
    EK_UNUSED(g);
    return cond(((program *)arg)->q, plus_one, minus_one, arg);
}

static ek_list numbers(ek_graph *g, void *arg)
{
    EK_UNUSED(arg);
    return results(g, toy_const(g, EK_FLOAT32, EK_SHAPE(2), (const float[]){ 3.0f, 4.0f }, NULL));
}

static ek_list assigned(ek_graph *g, void *arg)
{
    const program *a = arg;
    const ek_op assign = toy_op(g, "Assign", NULL, a->w, a->x);

    return EK_RESULTS(g, ek_group(g, EK_LIST(assign)));
}

static ek_list nothing(ek_graph *g, void *arg)
{
    EK_UNUSED(arg);
    return EK_RESULTS(g, ek_no_op(g));
}

static ek_list outer_ones(ek_graph *g, void *arg)
{
    const program *a = arg;

    return EK_RESULTS(g, a->x, a->read);
}

static ek_list square_and_x(ek_graph *g, void *arg)
{
    const program *a = arg;

    return EK_RESULTS(g, ek_op_output(toy_op(g, "Mul", "mul", a->x, a->x), 0), a->x);
}

/* get_variable("w", [2], zeros), by hand: variables are another floor's. */
static void variable_w(ek_graph *g, program *a)
{
    static const char *const w[] = { "w" };
    ek_array *zeros = ek_array_of(EK_FLOAT32, EK_SHAPE(2), NULL);
    ek_shape shape = EK_SHAPE(2);
    const ek_attr value[] = { { "value", { .kind = EK_ATTR_TENSOR, .count = 1, .u.tensor = zeros } },
                              { "dtype", { .kind = EK_ATTR_TYPE, .u.type = EK_FLOAT32 } } };
    const ek_attr variable[] = { { "shape", { .kind = EK_ATTR_SHAPE, .u.shape = &shape } },
                                 { "dtype", { .kind = EK_ATTR_TYPE, .u.type = EK_FLOAT32 } } };
    ek_tensor in[2];

    in[1] = ek_op_output(ek__node_build(g, &(ek_node_args){ .type = "Const",
                                                            .name = "w/Initializer/zeros",
                                                            .attr = value,
                                                            .n_attr = 2,
                                                            .colocate = w,
                                                            .n_colocate = 1 }),
                         0);
    in[0] = a->w = ek_op_output(
        ek__node_build(
            g,
            &(ek_node_args){
                .type = "VariableV2", .name = "w", .attr = variable, .n_attr = 2, .colocate = w, .n_colocate = 1 }),
        0);
    (void)ek__node_build(
        g,
        &(ek_node_args){ .type = "Assign", .name = "w/Assign", .in = in, .n_in = 2, .colocate = w, .n_colocate = 1 });
    a->read = ek_op_output(
        ek__node_build(
            g,
            &(ek_node_args){
                .type = "Identity", .name = "w/read", .in = &a->w, .n_in = 1, .colocate = w, .n_colocate = 1 }),
        0);
    ek_array_unref(zeros);
}

static void the_golden_conditionals_come_out(void **state)
{
    const char *path = ek_test_data("tf115-graphs/cond_with_variables/graph.pbtxt");
    ek_graph *g;
    program a;
    ek_list contexts;

    EK_UNUSED(state);
    if (path == NULL) skip();
    g = ek_graph_create();
    a.p = toy_placeholder(g, EK_BOOL, EK_SCALAR, "p");
    a.q = toy_placeholder(g, EK_BOOL, EK_SCALAR, "q");
    a.x = toy_placeholder(g, EK_FLOAT32, EK_SHAPE(2), "x");
    variable_w(g, &a);
    (void)cond(a.p, doubled, plus_w, &a);
    (void)cond(a.p, added_to_w, w_again, &a);
    (void)cond(a.p, nested, numbers, &a);
    (void)cond(a.q, assigned, nothing, &a);
    assert_int_equal(cond(a.p, outer_ones, square_and_x, &a).count, 2);
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
    golden_compare(g, path, ek_graph_op_count(g));
    contexts = ek_get_collection(g, EK_COND_CONTEXT);
    assert_int_equal(contexts.count, 10);
    assert_string_equal(ek_item_name(g, contexts.item[0]), "cond/cond_text");
    assert_string_equal(ek_item_name(g, contexts.item[5]), "cond_2/cond_text_1");
    ek_graph_destroy(g);
}

/* ---- with toy ops ---------------------------------------------------------------------------- */

typedef struct toy {
    ek_graph *g;
    ek_tensor p, x, n;
} toy;

static toy begin(void)
{
    toy t = { .g = toy_begin() };

    t.p = toy_placeholder(t.g, EK_BOOL, EK_SCALAR, "p");
    t.x = toy_placeholder(t.g, EK_FLOAT32, EK_SHAPE(2), "x");
    t.n = toy_placeholder(t.g, EK_INT32, EK_SHAPE(2), "n");
    return t;
}

static ek_list gives_x(ek_graph *g, void *arg) { return results(g, ((toy *)arg)->x); }
static ek_list gives_n(ek_graph *g, void *arg) { return results(g, ((toy *)arg)->n); }
static ek_list gives_two(ek_graph *g, void *arg) { return EK_RESULTS(g, ((toy *)arg)->x, ((toy *)arg)->n); }
static ek_list gives_none(ek_graph *g, void *arg)
{
    EK_UNUSED(arg);
    return (ek_list){ g, NULL, 0 };
}
static ek_list gives_dead(ek_graph *g, void *arg)
{
    EK_UNUSED(arg);
    return results(g, ek__dead(g));
}

static void complaints_are_tensorflows(void **state)
{
    static const struct { ek_branch_fn yes, no; bool number; const char *message;
    } cases[] = {
        { gives_none, gives_x, false, "true_fn must have a return value." },
        { gives_x, gives_none, false, "false_fn must have a return value." },
        { NULL, gives_x, false, "true_fn must be callable." },
        { gives_x, NULL, false, "false_fn must be callable." },
        { gives_x, gives_n, false, "Outputs of true_fn and false_fn must have the same type: float32, int32" },
        { gives_x, gives_two, false,
          "Incompatible return values of true_fn and false_fn: The two structures don't have the same number of "
          "elements: 1 and 2." },
        { gives_x, gives_x, true,
          "Input 'pred' of 'Switch' Op has type int32 that does not match expected type of bool." },
        { gives_dead, gives_x, false,
          "a branch of a conditional gave something that is no tensor, variable or operation of this graph, or that "
          "is dead" },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(cases); i++) {
        toy t = begin();
        ek_error err = { 0 };
        const ek_list out = cond(cases[i].number ? t.n : t.p, cases[i].yes, cases[i].no, &t);
        assert_int_equal(out.count, 0);
        assert_false(ek_tensor_ok(ek_first(out)));
        assert_int_equal(ek_graph_status(t.g, &err), EK_INVALID_ARGUMENT);
        assert_string_equal(err.text, cases[i].message);
        assert_int_equal(t.g->scopes->depth, 0);
        toy_end(t.g);
    }
}

static void a_literal_is_no_predicate(void **state)
{
    toy t = begin();

    EK_UNUSED(state);
    assert_int_equal(ek_cond(ek_bool(true), gives_x, gives_x, .arg = &t).count, 0);
    assert_string_equal(ek_last_error()->text, "pred must not be a Python bool");
    toy_end(t.g);
}

static void a_predicate_known_while_building_builds_one_branch(void **state)
{
    toy t = begin();
    const bool yes = true;
    const int32_t five = 5;
    const ek_tensor known = toy_const(t.g, EK_BOOL, EK_SCALAR, &yes, "yes"),
                    number = toy_const(t.g, EK_INT32, EK_SCALAR, &five, "five");
    const int64_t before = ek_graph_op_count(t.g);

    EK_UNUSED(state);
    assert_int_equal(ek_first(ek_smart_cond(known, gives_x, gives_dead, .arg = &t)).op, t.x.op);
    assert_int_equal(ek_first(ek_smart_cond(number, gives_x, gives_dead, .arg = &t)).op, t.x.op);
    assert_int_equal(ek_first(ek_smart_cond(ek_bool(false), gives_dead, gives_x, .arg = &t, .graph = t.g)).op, t.x.op);
    assert_int_equal(ek_graph_op_count(t.g), before);
    assert_int_equal(ek_graph_status(t.g, NULL), EK_OK);
    toy_end(t.g);
}

static void inner_nodes_cannot_be_fetched_and_results_can(void **state)
{
    toy t = begin();
    const ek_tensor y = ek_first(cond(t.p, gives_x, gives_x, &t));

    EK_UNUSED(state);
    for (int64_t i = 0; i < t.g->n_nodes; i++) {
        const ek_node *n = t.g->node[i];
        assert_int_equal(n->unfetchable, strncmp(n->name, "cond/", 5) == 0 && strcmp(n->name, "cond/Merge") != 0);
    }
    assert_string_equal(ek_op_name(ek_tensor_op(y)), "cond/Merge");
    toy_end(t.g);
}

static void two_blocks_do_what_two_functions_do(void **state)
{
    toy a = begin(), b = begin();
    ek_conditional *c = ek_cond_begin(b.p, NULL);
    ek_list out;

    EK_UNUSED(state);
    (void)cond(a.p, gives_x, gives_x, &a);
    ek_with_branch(c, true) ek_give(c, b.x);
    ek_with_branch(c, false) ek_give(c, b.x);
    out = ek_cond_end(c);
    assert_int_equal(out.count, 1);
    assert_int_equal(ek_graph_status(b.g, NULL), EK_OK);
    assert_int_equal(ek_graph_op_count(a.g), ek_graph_op_count(b.g));
    for (int64_t i = 0; i < ek_graph_op_count(a.g); i++)
        assert_string_equal(ek_op_name(ek_graph_op_at(a.g, i)), ek_op_name(ek_graph_op_at(b.g, i)));
    toy_end(a.g);
    toy_end(b.g);
}

static void an_operation_without_inputs_waits_for_its_branch(void **state)
{
    toy t = begin();
    const ek_op before = ek_no_op(t.g, .name = "before");
    ek_conditional *c = ek_cond_begin(t.p, NULL);
    ek_op first, second;

    EK_UNUSED(state);
    ek_with_branch(c, true) {
        ek_with_control_dependencies(t.g, EK_LIST(before)) first = ek_no_op(t.g);
        ek_with_control_dependencies(t.g, EK_LIST(first)) second = ek_no_op(t.g);
        ek_give(c, t.x);
    }
    ek_with_branch(c, false) ek_give(c, t.x);
    (void)ek_cond_end(c);
    /* A control input from outside does not keep it from running in the wrong branch, one from inside does. */
    assert_int_equal(ek_op_control_input_count(first), 2);
    assert_string_equal(ek_op_name(ek_op_control_input(first, 1)), "cond/switch_t");
    assert_int_equal(ek_op_control_input_count(second), 1);
    toy_end(t.g);
}

static void a_branch_is_built_once(void **state)
{
    toy t = begin();
    ek_conditional *c = ek_cond_begin(t.p, NULL);
    ek_error err = { 0 };

    EK_UNUSED(state);
    ek_with_branch(c, true) ek_give(c, t.x);
    ek_with_branch(c, true) ek_give(c, t.x);
    assert_int_equal(ek_cond_end(c).count, 0);
    assert_int_equal(ek_graph_status(t.g, &err), EK_FAILED_PRECONDITION);
    toy_end(t.g);
}

static ek_list deeper(ek_graph *g, void *arg)
{
    toy *t = arg;
    static int depth;
    ek_list out;

    if (++depth > 100) out = EK_RESULTS(g, t->x);
    else out = cond(t->p, deeper, gives_x, arg);
    depth--;
    return out;
}

static void conds_without_end_are_refused(void **state)
{
    toy t = begin();
    ek_error err = { 0 };

    EK_UNUSED(state);
    (void)cond(t.p, deeper, gives_x, &t);
    assert_int_equal(ek_graph_status(t.g, &err), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "nested more than"));
    toy_end(t.g);
}

static bool conds_with_little_memory(void)
{
    toy t;
    ek_status st;

    t.g = toy_begin();
    if (t.g == NULL) return false;
    t.p = toy_placeholder(t.g, EK_BOOL, EK_SCALAR, "p");
    t.x = toy_placeholder(t.g, EK_FLOAT32, EK_SHAPE(2), "x");
    t.n = toy_placeholder(t.g, EK_INT32, EK_SHAPE(2), "n");
    (void)cond(t.p, gives_two, gives_two, &t);
    (void)ek_tuple(t.g, EK_LIST(t.x, t.n));
    st = ek_graph_status(t.g, NULL);
    toy_end(t.g);
    if (st != EK_OK) assert_int_equal(st, EK_RESOURCE_EXHAUSTED);
    return st == EK_OK;
}

static void memory_that_runs_out_is_an_error(void **state)
{
    ek_test_allocator a;
    long fail_at = 0;
    bool ok;

    EK_UNUSED(state);
    do {
        ek_test_allocator_install(&a, ++fail_at);
        ok = conds_with_little_memory();
        ek_test_allocator_remove();
        assert_int_equal(a.live, 0);
    } while (!ok);
    assert_true(a.calls < fail_at);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void groups_are_split_by_device(void **state)
{
    toy t = begin();
    const ek_op a = ek_op_build(t.g, "NoOp", .name = "a", .device = "/device:B"),
                b = ek_op_build(t.g, "NoOp", .name = "b", .device = "/device:A");
    const ek_op both = ek_group(t.g, EK_LIST(a, b, a)), single = ek_group(t.g, EK_LIST(a), .name = "single"),
                none = ek_group(t.g, EK_EMPTY_LIST);
    ek_op first;

    EK_UNUSED(state);
    assert_string_equal(ek_op_name(both), "group_deps");
    assert_int_equal(ek_op_control_input_count(both), 2);
    first = ek_op_control_input(both, 0);
    assert_string_equal(ek_op_name(first), "group_deps/NoOp");
    assert_string_equal(ek_op_device(first), "/device:A");
    assert_string_equal(ek_op_name(ek_op_control_input(both, 1)), "group_deps/NoOp_1");
    assert_string_equal(ek_op_device(single), "/device:B");
    assert_string_equal(ek_op_name(none), "group_deps_1");
    assert_int_equal(ek_op_control_input_count(none), 0);
    assert_int_equal(ek_graph_status(t.g, NULL), EK_OK);
    toy_end(t.g);
}

static void a_tuple_waits_for_all(void **state)
{
    toy t = begin();
    const ek_list out = ek_tuple(t.g, EK_LIST(t.x, t.n));
    const ek_op second = ek_tensor_op(ek_list_tensor(out, 1));

    EK_UNUSED(state);
    assert_int_equal(out.count, 2);
    assert_string_equal(ek_op_name(ek_tensor_op(ek_first(out))), "tuple/control_dependency");
    assert_string_equal(ek_op_name(second), "tuple/control_dependency_1");
    assert_string_equal(ek_op_name(ek_op_control_input(second, 0)), "tuple/group_deps");
    assert_int_equal(ek_op_control_input_count(ek_op_control_input(second, 0)), 2);
    assert_int_equal(ek_graph_status(t.g, NULL), EK_OK);
    toy_end(t.g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_golden_conditionals_come_out),
        cmocka_unit_test(complaints_are_tensorflows),
        cmocka_unit_test(a_literal_is_no_predicate),
        cmocka_unit_test(a_predicate_known_while_building_builds_one_branch),
        cmocka_unit_test(inner_nodes_cannot_be_fetched_and_results_can),
        cmocka_unit_test(two_blocks_do_what_two_functions_do),
        cmocka_unit_test(an_operation_without_inputs_waits_for_its_branch),
        cmocka_unit_test(a_branch_is_built_once),
        cmocka_unit_test(conds_without_end_are_refused),
        cmocka_unit_test(memory_that_runs_out_is_an_error),
        cmocka_unit_test(groups_are_split_by_device),
        cmocka_unit_test(a_tuple_waits_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
