/* tests/layers/get_variable_test.c - variable scopes and what get_variable says. */
#include "support/building.h"

static ek_graph *graph;

static int begin(void **state)
{
    (void)state;
    graph = ek_graph_create();
    return graph == NULL;
}

/* ---- outcomes and sentences ------------------------------------------------------------------- */

static void a_variable_made_twice_is_refused(void **state)
{
    char text[512];
    const int line = __LINE__ + 1;
    ek_get_variable(graph, "w", .shape = EK_SHAPE(2));
    ek_get_variable(graph, "w", .shape = EK_SHAPE(2));
    snprintf(text, sizeof text,
             "Variable w already exists, disallowed. Did you mean to set reuse=True or reuse=tf.AUTO_REUSE in "
             "VarScope? Originally defined at:\n\n  File \"%s\", line %d\n",
             __FILE__, line);
    (void)state;
    expect_failure(graph, text);
}

static void a_resource_variable_made_twice_is_refused_without_its_origin(void **state)
{
    (void)state;
    ek_get_variable(graph, "w", .shape = EK_SHAPE(2), .use_resource = EK_YES);
    ek_get_variable(graph, "w", .shape = EK_SHAPE(2), .use_resource = EK_YES);
    expect_failure(
        graph,
        "Variable w already exists, disallowed. Did you mean to set reuse=True or reuse=tf.AUTO_REUSE in VarScope?");
}

static void reuse_of_a_variable_that_is_not_there_is_refused(void **state)
{
    (void)state;
    ek_with_variable_scope(graph, "net", .reuse = EK_REUSE)
        ek_get_variable(graph, "w", .shape = EK_SHAPE(2));
    expect_failure(graph,
                   "Variable net/w does not exist, or was not created with tf.get_variable(). Did you mean to set "
                   "reuse=tf.AUTO_REUSE in VarScope?");
}

static void auto_reuse_makes_first_and_shares_then(void **state)
{
    ek_variable a, b;

    (void)state;
    ek_with_variable_scope(graph, "net", .reuse = EK_AUTO_REUSE) {
        a = ek_get_variable(graph, "w", .shape = EK_SHAPE(2));
        b = ek_get_variable(graph, "w");
    }
    expect_fine(graph);
    assert_int_equal(a.id, b.id);
    assert_string_equal(ek_variable_name(a), "net/w:0");
    assert_int_equal(ek_global_variables(graph).count, 1);
    ek_graph_destroy(graph);
}

static void another_shape_is_refused(void **state)
{
    (void)state;
    ek_get_variable(graph, "w", .shape = EK_SHAPE(1));
    ek_with_variable_scope(graph, "", .reuse = EK_REUSE)
        ek_get_variable(graph, "w", .shape = EK_SHAPE(2));
    expect_failure(graph, "Trying to share variable w, but specified shape (2,) and found shape (1,).");
}

static void another_dtype_is_refused(void **state)
{
    (void)state;
    ek_get_variable(graph, "w", .shape = EK_SHAPE(1));
    ek_with_variable_scope(graph, "", .reuse = EK_REUSE)
        ek_get_variable(graph, "w", .shape = EK_SHAPE(1), .dtype = EK_FLOAT64);
    expect_failure(graph, "Trying to share variable w, but specified dtype float64 and found dtype float32_ref.");
}

static void a_resource_variable_names_its_plain_dtype(void **state)
{
    (void)state;
    ek_get_variable(graph, "w", .shape = EK_SHAPE(1), .use_resource = EK_YES);
    ek_with_variable_scope(graph, "", .reuse = EK_REUSE)
        ek_get_variable(graph, "w", .shape = EK_SHAPE(1), .dtype = EK_INT32);
    expect_failure(graph, "Trying to share variable w, but specified dtype int32 and found dtype float32.");
}

static void a_partly_known_shape_is_enough_to_share(void **state)
{
    ek_variable a = ek_get_variable(graph, "w", .shape = EK_SHAPE(2, 3)), b;

    (void)state;
    ek_with_variable_scope(graph, "", .reuse = EK_REUSE)
        b = ek_get_variable(graph, "w", .shape = EK_SHAPE(-1, 3));
    expect_fine(graph);
    assert_int_equal(a.id, b.id);
    ek_graph_destroy(graph);
}

static void neither_shape_nor_initializer_is_refused(void **state)
{
    (void)state;
    ek_get_variable(graph, "ns");
    expect_failure(graph, "Variable ns did not get an initializer, so its `shape` argument must be specified.");
}

static void a_value_and_a_shape_are_refused(void **state)
{
    (void)state;
    ek_get_variable(graph, "w", .shape = EK_SHAPE(1), .initializer = ek_initial_value(1.0));
    expect_failure(graph, "If initializer is a constant, do not specify shape.");
}

static void a_shape_with_a_hole_is_refused(void **state)
{
    (void)state;
    ek_get_variable(graph, "w", .shape = EK_SHAPE(-1, 2));
    expect_failure(
        graph,
        "The initializer passed is not valid. It should be a callable with no arguments and the shape should not be "
        "provided or an instance of `tf.keras.initializers.*' and `shape` should be fully defined.");
}

static void a_value_of_another_dtype_is_refused(void **state)
{
    (void)state;
    ek_get_variable(graph, "w", .dtype = EK_FLOAT32, .initializer = ek_initial_value(1));
    expect_failure(graph, "Initializer type '<dtype: 'int32'>' and explicit dtype '<dtype: 'float32'>' don't match.");
}

static void a_dtype_without_default_initializer_is_refused(void **state)
{
    (void)state;
    ek_get_variable(graph, "w", .shape = EK_SHAPE(1), .dtype = EK_COMPLEX64);
    expect_failure(graph, "An initializer for variable w of <dtype: 'complex64'> is required");
}

static void a_variable_in_parts_is_not_taken_for_a_whole_one(void **state)
{
    (void)state;
    ek_get_variable(graph, "w/part_0", .shape = EK_SHAPE(2));
    ek_get_variable(graph, "w/part_0/part_1", .shape = EK_SHAPE(2));
    expect_fine(graph);
    ek_get_variable(graph, "w", .shape = EK_SHAPE(2));
    expect_failure(graph,
                   "No partitioner was provided, but a partitioned version of the variable was found: w/part_0. Perhaps "
                   "a variable of the same name was already created with partitioning?");
}

static void scopes_without_a_name_are_refused(void **state)
{
    (void)state;
    ek_with_variable_scope(graph, NULL) { }
    expect_failure(graph, "If default_name is None then name_or_scope is required");
    graph = ek_graph_create();
    ek_with_variable_scope(graph, NULL, .default_name = "d", .reuse = EK_REUSE) { }
    expect_failure(graph, "reuse=True cannot be used without a name_or_scope");
    graph = ek_graph_create();
    ek_with_variable_scope(graph, "a", .reuse = (ek_reuse)7) { }
    expect_failure(graph, "The reuse parameter must be True or False or None.");
}

static void tf_variables_are_never_found_and_names_step_aside(void **state)
{
    ek_variable v = ek_variable_create(graph, 1.0, .name = "w"), w;

    (void)state;
    w = ek_get_variable(graph, "w", .shape = EK_SCALAR);
    expect_fine(graph);
    assert_string_equal(ek_variable_name(v), "w:0");
    assert_string_equal(ek_variable_name(w), "w_1:0");
    ek_graph_destroy(graph);
}

/* ---- scopes ------------------------------------------------------------------------------------------ */

static void names_of_operations_move_on_names_of_variables_stay(void **state)
{
    ek_variable a, b;
    ek_tensor x, y;

    (void)state;
    ek_with_variable_scope(graph, "net") {
        a = ek_get_variable(graph, "a", .shape = EK_SCALAR);
        x = ek_constant(graph, ek_float(1.0));
    }
    ek_with_variable_scope(graph, "net") {
        b = ek_get_variable(graph, "b", .shape = EK_SCALAR);
        y = ek_constant(graph, ek_float(1.0));
    }
    expect_fine(graph);
    assert_string_equal(ek_variable_name(a), "net/a:0");
    assert_string_equal(ek_variable_name(b), "net/b:0");
    assert_string_equal(ek_op_name(ek_tensor_op(x)), "net/Const");
    assert_string_equal(ek_op_name(ek_tensor_op(y)), "net_1/Const");
    ek_graph_destroy(graph);
}

static void reuse_is_inherited_and_cannot_be_switched_off(void **state)
{
    ek_variable a, b;

    (void)state;
    ek_with_variable_scope(graph, "net")
        ek_with_variable_scope(graph, "in")
            a = ek_get_variable(graph, "w", .shape = EK_SCALAR);
    ek_with_variable_scope(graph, "net", .reuse = EK_REUSE)
        ek_with_variable_scope(graph, "in", .reuse = EK_NEW)
            b = ek_get_variable(graph, "w", .shape = EK_SCALAR);
    expect_fine(graph);
    assert_int_equal(a.id, b.id);
    ek_graph_destroy(graph);
}

static void default_names_count_and_start_again_on_reentry(void **state)
{
    const char *first[2], *second, *outside[2];

    (void)state;
    ek_with_variable_scope(graph, "net")
        for (int i = 0; i < 2; i++)
            ek_with_variable_scope(graph, NULL, .default_name = "d")
                first[i] = ek_variable_scope_name(ek_get_variable_scope(graph));
    ek_with_variable_scope(graph, "net")
        ek_with_variable_scope(graph, NULL, .default_name = "d")
            second = ek_variable_scope_name(ek_get_variable_scope(graph));
    for (int i = 0; i < 2; i++)
        ek_with_variable_scope(graph, NULL, .default_name = "d")
            outside[i] = ek_variable_scope_name(ek_get_variable_scope(graph));
    expect_fine(graph);
    assert_string_equal(first[0], "net/d");
    assert_string_equal(first[1], "net/d_1");
    assert_string_equal(second, "net/d");
    assert_string_equal(outside[0], "d");
    assert_string_equal(outside[1], "d_1");
    ek_graph_destroy(graph);
}

/* Coming back to a scope object counts default names inside afresh, and forgets them on leaving. */
static void a_scope_object_restores_the_counts(void **state)
{
    ek_variable_scope net;
    const char *inside, *after;

    (void)state;
    ek_with_variable_scope(graph, "net")
        net = ek_get_variable_scope(graph);
    ek_with_variable_scope(graph, NULL, .scope = net)
        ek_with_variable_scope(graph, NULL, .default_name = "d")
            inside = ek_variable_scope_name(ek_get_variable_scope(graph));
    ek_with_variable_scope(graph, NULL, .scope = net)
        ek_with_variable_scope(graph, NULL, .default_name = "d")
            after = ek_variable_scope_name(ek_get_variable_scope(graph));
    expect_fine(graph);
    assert_string_equal(inside, "net/d");
    assert_string_equal(after, "net/d");
    ek_graph_destroy(graph);
}

static void a_scope_object_names_variables_absolutely(void **state)
{
    ek_variable_scope inner;
    ek_variable w;
    ek_tensor c;

    (void)state;
    ek_with_variable_scope(graph, "a")
        ek_with_variable_scope(graph, "b")
            inner = ek_get_variable_scope(graph);
    ek_with_variable_scope(graph, "other")
        ek_with_variable_scope(graph, NULL, .scope = inner) {
            w = ek_get_variable(graph, "w", .shape = EK_SCALAR);
            c = ek_constant(graph, ek_float(1.0));
        }
    expect_fine(graph);
    assert_string_equal(ek_variable_name(w), "a/b/w:0");
    assert_string_equal(ek_op_name(ek_tensor_op(c)), "other/b/Const");
    assert_string_equal(ek_variable_scope_name_scope(inner), "a/b/");
    ek_graph_destroy(graph);
}

static void a_scope_without_auxiliary_name_scope_opens_none(void **state)
{
    ek_tensor c;

    (void)state;
    ek_with_name_scope(graph, "ops")
        ek_with_variable_scope(graph, "net", .auxiliary_name_scope = false)
            c = ek_constant(graph, ek_float(1.0));
    expect_fine(graph);
    assert_string_equal(ek_op_name(ek_tensor_op(c)), "ops/Const");
    ek_graph_destroy(graph);
}

static void defaults_of_a_scope_reach_inside_except_the_constraint(void **state)
{
    ek_variable outer, inner;

    (void)state;
    ek_with_variable_scope(graph, "a", .dtype = EK_FLOAT64, .use_resource = EK_YES,
                           .constraint = ek_non_neg_constraint()) {
        outer = ek_get_variable(graph, "w", .shape = EK_SCALAR);
        ek_with_variable_scope(graph, "b")
            inner = ek_get_variable(graph, "w", .shape = EK_SCALAR);
    }
    expect_fine(graph);
    assert_int_equal(ek_variable_dtype(inner), EK_FLOAT64);
    assert_true(ek_variable_is_resource(inner));
    assert_non_null(ek_variable_constraint(outer).call);
    assert_null(ek_variable_constraint(inner).call);
    ek_graph_destroy(graph);
}

static void collections_are_those_that_were_asked_for(void **state)
{
    (void)state;
    ek_get_variable(graph, "l", .shape = EK_SCALAR, .trainable = false,
                    .collections = EK_KEYS(EK_LOCAL_VARIABLES, "mine"));
    ek_get_variable(graph, "t", .shape = EK_SCALAR, .collections = EK_KEYS(EK_TRAINABLE_VARIABLES));
    expect_fine(graph);
    assert_int_equal(ek_global_variables(graph).count, 0);
    assert_int_equal(ek_local_variables(graph).count, 1);
    assert_int_equal(ek_get_collection(graph, "mine").count, 1);
    assert_int_equal(ek_trainable_variables(graph).count, 1);
    ek_graph_destroy(graph);
}

/* ---- without memory --------------------------------------------------------------------------------------- */

static void build_some(ek_graph *g)
{
    ek_variable_scope net;

    ek_with_variable_scope(g, "net", .initializer = ek_constant_initializer(1.0),
                           .regularizer = ek_l2_regularizer(0.1)) {
        net = ek_get_variable_scope(g);
        ek_get_variable(g, "w", .shape = EK_SHAPE(2));
        ek_with_variable_scope(g, NULL, .default_name = "d")
            ek_get_variable(g, "u", .shape = EK_SHAPE(2), .use_resource = EK_YES);
    }
    ek_with_variable_scope(g, NULL, .scope = net, .reuse = EK_REUSE)
        ek_get_variable(g, "w");
    ek_global_variables_initializer(g);
}

static void running_out_of_memory_is_reported_and_leaks_nothing(void **state)
{
    ek_test_allocator t;
    ek_status st = EK_RESOURCE_EXHAUSTED;
    ek_error err;

    (void)state;
    ek_graph_destroy(graph);
    for (long k = 1; st != EK_OK && k < 100000; k++) {
        ek_test_allocator_install(&t, k);
        ek_graph *g = ek_graph_create();
        err = (ek_error){ 0 };
        st = EK_RESOURCE_EXHAUSTED;
        if (g != NULL) {
            build_some(g);
            st = ek_graph_status(g, &err);
        }
        ek_graph_destroy(g);
        ek_test_allocator_remove();
        if (st != EK_OK && st != EK_RESOURCE_EXHAUSTED) fail_msg("allocation %ld: %s", k, err.text);
        if (t.live != 0) fail_msg("allocation %ld refused: %ld blocks leaked", k, t.live);
    }
    assert_int_equal(st, EK_OK);
}

/* What a variable of several devices would need is kept; one that is synchronized on reading is not trained. */
static void synchronization_and_aggregation(void **state)
{
    ek_variable v = ek_get_variable(graph, "v", .shape = EK_SCALAR, .synchronization = EK_SYNCHRONIZATION_ON_READ,
                                    .aggregation = EK_AGGREGATION_SUM),
                w = ek_variable_create(graph, 1.0, .aggregation = EK_AGGREGATION_ONLY_FIRST_REPLICA);

    (void)state;
    expect_fine(graph);
    assert_false(ek_variable_is_trainable(v));
    assert_int_equal(ek_variable_synchronization(v), EK_SYNCHRONIZATION_ON_READ);
    assert_int_equal(ek_variable_aggregation(v), EK_AGGREGATION_SUM);
    assert_true(ek_variable_is_trainable(w));
    assert_int_equal(ek_variable_synchronization(w), EK_SYNCHRONIZATION_AUTO);
    assert_int_equal(ek_variable_aggregation(w), EK_AGGREGATION_ONLY_FIRST_REPLICA);
    assert_int_equal(ek_trainable_variables(graph).count, 1);
    ek_get_variable(graph, "x", .shape = EK_SCALAR, .aggregation = (ek_aggregation)9);
    expect_failure(graph, "Invalid variable aggregation mode: 9 for variable: x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_variable_made_twice_is_refused, begin),
        cmocka_unit_test_setup(a_resource_variable_made_twice_is_refused_without_its_origin, begin),
        cmocka_unit_test_setup(reuse_of_a_variable_that_is_not_there_is_refused, begin),
        cmocka_unit_test_setup(auto_reuse_makes_first_and_shares_then, begin),
        cmocka_unit_test_setup(another_shape_is_refused, begin),
        cmocka_unit_test_setup(another_dtype_is_refused, begin),
        cmocka_unit_test_setup(a_resource_variable_names_its_plain_dtype, begin),
        cmocka_unit_test_setup(a_partly_known_shape_is_enough_to_share, begin),
        cmocka_unit_test_setup(neither_shape_nor_initializer_is_refused, begin),
        cmocka_unit_test_setup(a_value_and_a_shape_are_refused, begin),
        cmocka_unit_test_setup(a_shape_with_a_hole_is_refused, begin),
        cmocka_unit_test_setup(a_value_of_another_dtype_is_refused, begin),
        cmocka_unit_test_setup(a_dtype_without_default_initializer_is_refused, begin),
        cmocka_unit_test_setup(a_variable_in_parts_is_not_taken_for_a_whole_one, begin),
        cmocka_unit_test_setup(scopes_without_a_name_are_refused, begin),
        cmocka_unit_test_setup(tf_variables_are_never_found_and_names_step_aside, begin),
        cmocka_unit_test_setup(names_of_operations_move_on_names_of_variables_stay, begin),
        cmocka_unit_test_setup(reuse_is_inherited_and_cannot_be_switched_off, begin),
        cmocka_unit_test_setup(default_names_count_and_start_again_on_reentry, begin),
        cmocka_unit_test_setup(a_scope_object_restores_the_counts, begin),
        cmocka_unit_test_setup(a_scope_object_names_variables_absolutely, begin),
        cmocka_unit_test_setup(a_scope_without_auxiliary_name_scope_opens_none, begin),
        cmocka_unit_test_setup(defaults_of_a_scope_reach_inside_except_the_constraint, begin),
        cmocka_unit_test_setup(collections_are_those_that_were_asked_for, begin),
        cmocka_unit_test_setup(synchronization_and_aggregation, begin),
        cmocka_unit_test_setup(running_out_of_memory_is_reported_and_leaks_nothing, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
