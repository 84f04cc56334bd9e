/* Names, scopes, control dependencies, collections, lookups, printed forms. */
#include "graph/golden.h"
#include "graph/toy.h"

static ek_tensor one(ek_graph *g, const char *name)
{
    const float value = 1.0f;

    return toy_const(g, EK_FLOAT32, EK_SCALAR, &value, name);
}

static const char *name_of(ek_tensor t) { return ek_op_name(ek_tensor_op(t)); }

/* ---- names ----------------------------------------------------------------------------------- */

static void names_are_made_unique_without_regard_to_case(void **state)
{
    ek_graph *g = toy_begin();

    EK_UNUSED(state);
    assert_string_equal(name_of(one(g, NULL)), "Const");
    assert_string_equal(name_of(one(g, "Const")), "Const_1");
    assert_string_equal(name_of(one(g, "const")), "const_2");
    assert_string_equal(name_of(one(g, "a_1")), "a_1");
    assert_string_equal(name_of(one(g, "a")), "a");
    assert_string_equal(name_of(one(g, "a")), "a_2");
    assert_string_equal(name_of(one(g, "a")), "a_3");
    assert_string_equal(name_of(one(g, "Const_1")), "Const_1_1");
    assert_string_equal(ek_unique_name(g, "a"), "a_4");
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
    toy_end(g);
}

static void scopes_share_the_namespace_with_operations(void **state)
{
    ek_graph *g = toy_begin();

    EK_UNUSED(state);
    for (int i = 0; i < 3; i++) ek_with_name_scope(g, "s") (void)one(g, NULL);
    assert_string_equal(name_of(one(g, "s")), "s_3");
    ek_with_name_scope(g, "s/") assert_string_equal(name_of(one(g, NULL)), "s/Const_1");
    ek_with_name_scope(g, "s") {
        assert_string_equal(ek_name_scope(g), "s_4/");
        ek_with_name_scope(g, NULL) assert_string_equal(name_of(one(g, NULL)), "Const");
        ek_with_name_scope(g, "_t") assert_string_equal(name_of(one(g, "x")), "s_4/_t/x");
    }
    assert_string_equal(ek_name_scope(g), "");
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
    toy_end(g);
}

static void bad_names_are_refused(void **state)
{
    static const struct { const char *scope, *name, *message; } cases[] = {
        { NULL, "_x", "'_x' is not a valid node name" },
        { NULL, "a b", "'a b' is not a valid node name" },
        { "_s", "x", "'_s' is not a valid scope name" },
        { "a:b", "x", "'a:b' is not a valid scope name" },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(cases); i++) {
        ek_graph *g = toy_begin();
        ek_error err = { 0 };
        if (cases[i].scope != NULL) ek_with_name_scope(g, cases[i].scope) (void)one(g, cases[i].name);
        else (void)one(g, cases[i].name);
        assert_int_equal(ek_graph_status(g, &err), EK_INVALID_ARGUMENT);
        assert_string_equal(err.text, cases[i].message);
        toy_end(g);
    }
}

static void a_literal_name_may_stand_once(void **state)
{
    ek_graph *g = toy_begin();
    ek_error err = { 0 };

    EK_UNUSED(state);
    assert_string_equal(name_of(one(g, "x/y/")), "x/y");
    assert_false(ek_tensor_ok(one(g, "x/y/")));
    assert_int_equal(ek_graph_status(g, &err), EK_INVALID_ARGUMENT);
    assert_string_equal(err.text, "Duplicate node name in graph: 'x/y'");
    toy_end(g);
}

/* ---- the stack of scopes --------------------------------------------------------------------- */

static void leave_early(ek_graph *g)
{
    ek_with_name_scope(g, "a") {
        ek_with_control_dependencies(g, EK_EMPTY_LIST) return;
    }
}

static void scopes_close_on_every_way_out(void **state)
{
    ek_graph *g = toy_begin();

    EK_UNUSED(state);
    leave_early(g);
    assert_string_equal(ek_name_scope(g), "");
    ek_with_name_scope(g, "b") break;
    assert_int_equal(g->scopes->depth, 0);
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
    toy_end(g);
}

static void an_open_scope_is_reported_with_its_line(void **state)
{
    ek_graph *g = toy_begin();
    const int line = __LINE__ + 1;
    ek_scope s = ek_name_scope_push(g, "open", EK_HERE);
    ek_error err = { 0 };

    EK_UNUSED(state);
    assert_int_equal(ek_graph_status(g, &err), EK_FAILED_PRECONDITION);
    assert_int_equal(err.line, line);
    assert_non_null(strstr(err.text, "name scope 'open'"));
    ek_scope_pop(&s);
    ek_scope_pop(&s);
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
    toy_end(g);
}

static void closing_an_outer_scope_first_is_an_error_at_the_inner_ones_line(void **state)
{
    ek_graph *g = toy_begin();
    ek_scope outer = ek_name_scope_push(g, "outer", EK_HERE);
    const int line = __LINE__ + 1;
    ek_scope inner = ek_name_scope_push(g, "inner", EK_HERE);
    ek_error err = { 0 };

    EK_UNUSED(state);
    ek_scope_pop(&outer);
    ek_scope_pop(&inner);
    assert_int_equal(g->scopes->depth, 0);
    assert_int_equal(ek_graph_status(g, &err), EK_FAILED_PRECONDITION);
    assert_int_equal(err.line, line);
    toy_end(g);
}

/* ---- control dependencies -------------------------------------------------------------------- */

static int controls(ek_tensor t) { return ek_op_control_input_count(ek_tensor_op(t)); }

static const char *control_name(ek_tensor t, int i) { return ek_op_name(ek_op_control_input(ek_tensor_op(t), i)); }

static void an_operation_fed_from_inside_gets_no_control_input(void **state)
{
    ek_graph *g = toy_begin();
    const ek_tensor i = one(g, "i"), v = one(g, "v");
    ek_tensor inner, sum, copy, outer;

    EK_UNUSED(state);
    ek_with_control_dependencies(g, EK_LIST(i)) {
        inner = one(g, "inner");
        sum = toy_add(g, i, inner);
        outer = toy_unary(g, "Identity", NULL, i);
        ek_with_control_dependencies(g, EK_LIST(v, i)) {
            const ek_op both = ek_op_build(g, "NoOp");
            assert_int_equal(ek_op_control_input_count(both), 2);
            assert_string_equal(ek_op_name(ek_op_control_input(both, 0)), "i");
            assert_string_equal(ek_op_name(ek_op_control_input(both, 1)), "v");
            copy = toy_unary(g, "Identity", NULL, inner);
            ek_with_no_control_dependencies(g) assert_int_equal(controls(one(g, NULL)), 0);
        }
    }
    assert_int_equal(controls(inner), 1);
    assert_string_equal(control_name(inner, 0), "i");
    assert_int_equal(controls(sum), 0);   /* fed by inner */
    assert_int_equal(controls(outer), 0); /* i is its input already */
    assert_int_equal(controls(copy), 1);
    assert_string_equal(control_name(copy, 0), "v");
    assert_int_equal(controls(one(g, NULL)), 0);
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
    toy_end(g);
}

static void control_dependencies_take_names_and_refuse_numbers(void **state)
{
    ek_graph *g = toy_begin();
    const ek_item number = { .kind = EK_ITEM_INT, .u.integer = 3 };
    ek_error err = { 0 };

    EK_UNUSED(state);
    (void)one(g, "a");
    ek_with_control_dependencies(g, EK_LIST("a", "a:0")) assert_int_equal(controls(one(g, NULL)), 1);
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
    ek_with_control_dependencies(g, ((ek_list){ g, &number, 1 })) (void)one(g, NULL);
    assert_int_equal(ek_graph_status(g, &err), EK_INVALID_ARGUMENT);
    assert_string_equal(err.text, "Can not convert a int into a Tensor or Operation.");
    toy_end(g);
}

/* ---- collections ----------------------------------------------------------------------------- */

static void collections_keep_order_and_can_be_filtered(void **state)
{
    ek_graph *g = toy_begin();
    const ek_tensor a = one(g, "a"), b = one(g, "b/x");
    ek_list before;
    char *text;

    EK_UNUSED(state);
    ek_touch_collection(g, "empty");
    ek_add_to_collection(g, "k", b);
    before = ek_get_collection(g, "k");
    ek_add_to_collection(g, "k", ek_tensor_op(a));
    ek_add_to_collection(g, "k", "text");
    assert_int_equal(before.count, 1);
    assert_int_equal(before.item[0].kind, EK_ITEM_TENSOR);
    assert_ptr_equal(ek_get_collection(g, "k").item, ek_get_collection(g, "k").item);
    assert_int_equal(ek_get_collection(g, "k").count, 3);
    assert_int_equal(ek_get_collection_scope(g, "k", "b/").count, 1);
    assert_int_equal(ek_get_collection_scope(g, "k", "x").count, 0); /* from the beginning, as re.match */
    assert_int_equal(ek_get_collection(g, "none").count, 0);
    assert_int_equal(ek_collection_count(g), 2);
    assert_string_equal(ek_collection_key(g, 0), "empty");
    text = ek_list_repr(ek_get_collection(g, "k"));
    assert_string_equal(text, "[<tf.Tensor 'b/x:0' shape=() dtype=float32>, <tf.Operation 'a' type=Const>, 'text']");
    ek_free(text);
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
    ek_graph_finalize(g);
    ek_add_to_collection(g, "k", a);
    assert_int_equal(ek_graph_status(g, NULL), EK_FAILED_PRECONDITION);
    toy_end(g);
}

static void collections_hold_numbers_and_bytes(void **state)
{
    static const char bytes[] = "a\0'\xff";
    ek_graph *g = toy_begin();
    char *text;

    EK_UNUSED(state);
    ek_add_to_collection(g, "k", 3);
    ek_add_to_collection(g, "k", 0.5);
    ek_add_item_to_collection(g, "k", ek_item_of_bytes(bytes, 4), EK_HERE);
    ek_add_item_to_collection(g, "k", ek_item_of_bytes(NULL, 0), EK_HERE);
    text = ek_list_repr(ek_get_collection(g, "k"));
    assert_string_equal(text, "[3, 0.5, b'a\\x00\\'\\xff', b'']");
    ek_free(text);
    assert_ptr_not_equal(ek_get_collection(g, "k").item[2].u.bytes.data, bytes);
    ek_add_item_to_collection(g, "k", ek_item_of_bytes(NULL, 1), EK_HERE);
    assert_int_equal(ek_graph_status(g, NULL), EK_INVALID_ARGUMENT);
    toy_end(g);
}

/* ---- lookups --------------------------------------------------------------------------------- */

static void lookups_say_what_is_wrong(void **state)
{
    static const struct { bool tensor; const char *name; ek_status code; const char *part;
    } cases[] = {
        { true, "a", EK_INVALID_ARGUMENT,
          "refers to an Operation, not a Tensor. Tensor names must be of the form \"<op_name>:<output_index>\"" },
        { true, "zz:0", EK_NOT_FOUND,
          "refers to a Tensor which does not exist. The operation, 'zz', does not exist in the graph." },
        { true, "a:1", EK_NOT_FOUND,
          "refers to a Tensor which does not exist. The operation, 'a', exists but only has 1 outputs." },
        { true, "a:99999999999999999999", EK_NOT_FOUND, "exists but only has 1 outputs." },
        { true, "a:x", EK_INVALID_ARGUMENT, "looks like a Tensor name, but is not a valid one." },
        { true, "a:0:0", EK_INVALID_ARGUMENT, "looks like a Tensor name, but is not a valid one." },
        { true, "a:", EK_INVALID_ARGUMENT, "looks like a Tensor name, but is not a valid one." },
        { true, "zz", EK_INVALID_ARGUMENT, "looks like an (invalid) Operation name, not a Tensor." },
        { false, "a:0", EK_INVALID_ARGUMENT, "appears to refer to a Tensor, not a Operation." },
        { false, "qq", EK_NOT_FOUND, "The name 'qq' refers to an Operation not in the graph." },
    };
    ek_graph *g = toy_begin();
    ek_tensor t;
    ek_op op;

    EK_UNUSED(state);
    (void)one(g, "a");
    for (int i = 0; i < EK_COUNT_OF(cases); i++) {
        const ek_status st = cases[i].tensor ? ek_graph_tensor_by_name(g, cases[i].name, &t)
                                             : ek_graph_op_by_name(g, cases[i].name, &op);
        assert_int_equal(st, cases[i].code);
        assert_non_null(strstr(ek_last_error()->text, cases[i].part));
    }
    assert_int_equal(ek_graph_tensor_by_name(g, "a:0", &t), EK_OK);
    assert_true(ek_tensor_ok(t));
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
    toy_end(g);
}

/* ---- printed forms --------------------------------------------------------------------------- */

static void takes(char *text, const char *want)
{
    assert_non_null(text);
    assert_string_equal(text, want);
    ek_free(text);
}

static void things_print_as_in_tensorflow(void **state)
{
    ek_graph *g = toy_begin();
    const ek_tensor x = toy_placeholder(g, EK_FLOAT32, EK_SHAPE(-1, 1), "x");
    const ek_tensor u = toy_placeholder(g, EK_INT64, EK_UNKNOWN_SHAPE, "u");
    const ek_tensor v = toy_variable(g, EK_FLOAT32, EK_SHAPE(1), "v");

    EK_UNUSED(state);
    takes(ek_op_repr(ek_tensor_op(x)), "<tf.Operation 'x' type=Placeholder>");
    takes(ek_tensor_repr(x), "<tf.Tensor 'x:0' shape=(?, 1) dtype=float32>");
    takes(ek_tensor_str(x), "Tensor(\"x:0\", shape=(?, 1), dtype=float32)");
    takes(ek_tensor_str(u), "Tensor(\"u:0\", dtype=int64)");
    takes(ek_tensor_repr(v), "<tf.Tensor 'v:0' shape=(1,) dtype=float32_ref>");
    takes(ek_list_repr(EK_EMPTY_LIST), "[]");
    takes(ek_op_str(ek_tensor_op(u)),
          "name: \"u\"\nop: \"Placeholder\"\nattr {\n  key: \"dtype\"\n  value {\n    type: DT_INT64\n  }\n}\n"
          "attr {\n  key: \"shape\"\n  value {\n    shape {\n      unknown_rank: true\n    }\n  }\n}\n");
    toy_end(g);
}

static bool printed_with_little_memory(void)
{
    ek_graph *g = toy_begin();
    char *text[6] = { 0 };
    bool ok = g != NULL;

    if (ok) {
        const ek_tensor x = toy_placeholder(g, EK_FLOAT32, EK_SHAPE(-1, 1), "x");
        text[0] = ek_op_str(ek_tensor_op(x));
        text[1] = ek_op_repr(ek_tensor_op(x));
        text[2] = ek_tensor_str(x);
        text[3] = ek_list_repr(EK_LIST(x));
        text[4] = ek_graph_dot(g);
        text[5] = ek_tensor_repr(x);
        ok = ek_graph_status(g, NULL) == EK_OK;
    }
    for (int i = 0; i < EK_COUNT_OF(text); i++) {
        ok = ok && text[i] != NULL;
        ek_free(text[i]);
    }
    toy_end(g);
    return ok;
}

static void without_memory_nothing_is_printed_and_nothing_leaks(void **state)
{
    ek_test_allocator a;
    long fail_at = 0;
    bool ok;

    EK_UNUSED(state);
    do {
        ek_test_allocator_install(&a, ++fail_at);
        ok = printed_with_little_memory();
        ek_test_allocator_remove();
        assert_int_equal(a.live, 0);
    } while (!ok);
    assert_true(a.calls < fail_at);
}

static void a_graph_draws_itself(void **state)
{
    ek_graph *g = toy_begin();
    const ek_tensor x = toy_placeholder(g, EK_FLOAT32, EK_SHAPE(-1, 1), "x");

    EK_UNUSED(state);
    ek_with_control_dependencies(g, EK_LIST(one(g, "c"))) (void)toy_add(g, x, x);
    takes(ek_graph_dot(g), "digraph graph_ {\n  node [shape=box];\n"
                           "  \"x\" [label=\"x\\nPlaceholder\\nfloat32(?, 1)\"];\n"
                           "  \"c\" [label=\"c\\nConst\\nfloat32()\"];\n"
                           "  \"add\" [label=\"add\\nAddV2\\nfloat32(?, 1)\"];\n"
                           "  \"x\" -> \"add\";\n  \"x\" -> \"add\";\n  \"c\" -> \"add\" [style=dashed];\n}\n");
    toy_end(g);
}

/* ---- the golden graph of names --------------------------------------------------------------- */

static ek_tensor number(ek_graph *g, float value, const char *name)
{
    return toy_const(g, EK_FLOAT32, EK_SCALAR, &value, name);
}

/* What Python's operators do with a number: the name scope first, the constant in it, then the node under the scope's
 * name. */
static ek_tensor with_number(ek_graph *g, const char *type, const char *name, ek_tensor x, float value, bool reversed)
{
    ek_tensor out = ek__dead(g);

    ek_with_name_scope(g, name) {
        const ek_tensor c = number(g, value, reversed ? "x" : "y");
        out = ek_op_output(toy_op(g, type, ek_name_scope(g), reversed ? c : x, reversed ? x : c), 0);
    }
    return out;
}

static void the_golden_names_come_out(void **state)
{
    const char *path = ek_test_data("tf115-graphs/names/graph.pbtxt");
    const char *s = NULL;
    ek_graph *g;
    ek_tensor a, b, q, p;

    EK_UNUSED(state);
    if (path == NULL) skip();
    g = ek_graph_create();
    a = number(g, 1, NULL);
    b = number(g, 2, "Const");
    (void)number(g, 2, "const");
    ek_with_name_scope(g, "s") (void)number(g, 1, NULL);
    ek_with_name_scope(g, "s") (void)number(g, 1, NULL);
    ek_with_name_scope(g, "s/") (void)number(g, 1, NULL);
    ek_with_name_scope(g, "s") {
        s = ek_name_scope(g);
        ek_with_name_scope(g, NULL) (void)number(g, 1, NULL);
        ek_with_name_scope(g, "t") (void)number(g, 1, NULL);
    }
    ek_with_name_scope(g, s) (void)number(g, 1, NULL);
    (void)number(g, 1, "Const_1");
    (void)number(g, 1, "a_1");
    for (int i = 0; i < 3; i++) (void)number(g, 1, "a");
    (void)number(g, 1, "s");
    p = ek_op_output(toy_op(g, "AddV2", "add", a, b), 0);
    q = with_number(g, "Sub", "sub", with_number(g, "Mul", "mul", p, 2, true), 1, false);
    (void)with_number(g, "RealDiv", "truediv", q, 3, false);
    (void)with_number(g, "Mul", "a", with_number(g, "Add", "Add", q, 1, false), 2, false);
    (void)toy_unary(g, "Neg", NULL, ek__tensor(g, (ek_edge){ (int32_t)ek_graph_op_count(g) - 1, 0 }));
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
    golden_compare(g, path, 0);
    ek_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_made_unique_without_regard_to_case),
        cmocka_unit_test(scopes_share_the_namespace_with_operations),
        cmocka_unit_test(bad_names_are_refused),
        cmocka_unit_test(a_literal_name_may_stand_once),
        cmocka_unit_test(scopes_close_on_every_way_out),
        cmocka_unit_test(an_open_scope_is_reported_with_its_line),
        cmocka_unit_test(closing_an_outer_scope_first_is_an_error_at_the_inner_ones_line),
        cmocka_unit_test(an_operation_fed_from_inside_gets_no_control_input),
        cmocka_unit_test(control_dependencies_take_names_and_refuse_numbers),
        cmocka_unit_test(collections_keep_order_and_can_be_filtered),
        cmocka_unit_test(collections_hold_numbers_and_bytes),
        cmocka_unit_test(lookups_say_what_is_wrong),
        cmocka_unit_test(things_print_as_in_tensorflow),
        cmocka_unit_test(without_memory_nothing_is_printed_and_nothing_leaks),
        cmocka_unit_test(a_graph_draws_itself),
        cmocka_unit_test(the_golden_names_come_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
