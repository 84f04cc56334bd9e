/* What callers give wrong: lists without elements, options without a size, handles that nobody gave out, strings that
 * are NULL, numbers that do not fit. Each is refused with a sentence; none crashes, and the graph goes on being usable
 * enough to be asked, drawn and freed. */
#include "base/base.h"
#include "support/support.h"

#include <string.h>

/* ---- a small world ---------------------------------------------------------------------------- */

typedef struct world {
    ek_graph *g, *other;
    ek_session *s;
    ek_array *a;
    ek_tensor x, rows, flag, foreign, beyond, index;
    ek_variable v, v_beyond, v_foreign;
    ek_op op_beyond;
} world;

static world begin(void)
{
    world w = { .g = ek_graph_create(), .other = ek_graph_create() };

    w.x = ek_placeholder(w.g, EK_FLOAT32, .shape = EK_SHAPE(-1, 3), .name = "x");
    w.rows = ek_placeholder(w.g, EK_INT32, .name = "rows");
    w.flag = ek_placeholder(w.g, EK_BOOL, .shape = EK_SCALAR, .name = "flag");
    w.v = ek_get_variable(w.g, "v", .shape = EK_SHAPE(3));
    w.v_foreign = ek_get_variable(w.other, "elsewhere", .shape = EK_SHAPE(3));
    w.foreign = ek_placeholder(w.other, EK_FLOAT32, .shape = EK_SHAPE(3));
    w.beyond = (ek_tensor){ w.g, 1 << 20, 0 };
    w.index = (ek_tensor){ w.g, w.x.op, 7 };
    w.v_beyond = (ek_variable){ w.g, 1 << 20 };
    w.op_beyond = (ek_op){ w.g, 1 << 20 };
    w.a = ek_array_of(EK_FLOAT32, EK_SHAPE(2, 3), NULL);
    w.s = ek_session_create(w.g, .threads = 1);
    assert_non_null(w.s);
    return w;
}

/* The graph, or without one the thread, has the sentence. */
static void end(world *w, const char *text, int line)
{
    ek_error err = { 0 };
    char *dot;

    if (ek_graph_status(w->g, &err) == EK_OK) err = *ek_last_error();
    if (strstr(err.text, text) == NULL || err.code == EK_OK)
        print_error("line %d: expected \"%s\", found \"%s\"\n", line, text, err.text);
    assert_int_not_equal(err.code, EK_OK);
    assert_non_null(strstr(err.text, text));
    dot = ek_graph_dot(w->g);
    assert_non_null(dot);
    ek_free(dot);
    ek_session_destroy(w->s);
    ek_graph_destroy(w->g);
    ek_graph_destroy(w->other);
    ek_array_unref(w->a);
}

#define REFUSED(call, sentence)              \
    do {                                     \
        world w = begin();                   \
        (void)(call);                        \
        end(&w, (sentence), __LINE__);       \
    } while (0)

/* ---- lists ------------------------------------------------------------------------------------ */

static const int64_t numbers[1] = { 0 };
#define NOTHING ((ek_int_list){ NULL, 3 })
#define FEWER ((ek_int_list){ numbers, -1 })
#define NO_ITEMS ((ek_list){ NULL, NULL, 3 })

static void lists_with_a_count_and_no_elements(void **state)
{
    EK_UNUSED(state);
    REFUSED(ek_transpose(w.x, .perm = NOTHING), "the list .perm has a length of 3 and is NULL");
    REFUSED(ek_transpose(w.x, .perm = FEWER), "the list .perm has a length of -1");
    REFUSED(ek_squeeze(w.x, .axis = NOTHING), ".axis has a length of 3 and is NULL");
    REFUSED(ek_squeeze(w.x, .axis = FEWER), ".axis has a length of -1");
    REFUSED(ek_tile(w.x, NOTHING), "of multiples has a length of 3");
    REFUSED(ek_tile(w.x, FEWER), "of multiples has a length of -1");
    REFUSED(ek_slice(w.x, .begin = NOTHING, .sizes = EK_INTS(1, 1)), ".begin has a length of 3");
    REFUSED(ek_slice(w.x, .begin = EK_INTS(0, 0), .sizes = FEWER), ".sizes has a length of -1");
    REFUSED(ek_strided_slice(w.x, .begin = NOTHING, .end = NOTHING), ".begin has a length of 3");
    REFUSED(ek_strided_slice(w.x, .begin = EK_INTS(0), .end = EK_INTS(1), .strides = FEWER), ".strides has a length");
    REFUSED(ek_concat((ek_tensor_list){ NULL, 2 }), "of values has a length of 2 and is NULL");
    REFUSED(ek_stack((ek_tensor_list){ &w.x, -2 }), "of values has a length of -2");
    REFUSED(ek_concat((ek_tensor_list){ &w.x, 0 }), "at least one tensor");
    REFUSED(ek_add_n(NULL, 3), "of tensors to add has a length of 3 and is NULL");
    REFUSED(ek_add_n(&w.x, -1), "of tensors to add has a length of -1");
    REFUSED(ek_add_n(&w.x, 0), "at least one Tensor");
    REFUSED(ek_get_variable(w.g, "q", .shape = EK_SHAPE(3), .collections = { NULL, 3 }), ".collections has a length of 3");
    REFUSED(ek_get_variable(w.g, "q", .shape = EK_SHAPE(3), .collections = { NULL, -9 }), ".collections has a length");
    REFUSED(ek_variable_create(w.g, 1.0, .collections = { (const char *[]){ NULL }, 1 }), "key 0 of .collections is NULL");
}

static ek_list no_items(ek_graph *g, void *arg)
{
    EK_UNUSED(arg);
    return (ek_list){ g, NULL, 3 };
}

static void lists_of_items_without_items(void **state)
{
    EK_UNUSED(state);
    REFUSED(ek_list_copy(w.g, NO_ITEMS), "of items has a length of 3 and is NULL");
    REFUSED(ek_control_dependencies_push(w.g, NO_ITEMS, EK_HERE), "of items has a length of 3");
    REFUSED(ek_group(w.g, NO_ITEMS), "of items has a length of 3");
    REFUSED(ek_tuple(w.g, NO_ITEMS), "of items has a length of 3");
    REFUSED(ek_tuple(w.g, EK_LIST(w.x), .control = NO_ITEMS), "of items has a length of 3");
    REFUSED(ek_tuple(w.g, ((ek_list){ NULL, NULL, -3 })), "of items has a length of -3");
    REFUSED(ek_with_dependencies(w.x, NO_ITEMS), "of items has a length of 3");
    REFUSED(ek_variables_initializer(w.g, NO_ITEMS, NULL), "of items has a length of 3");
    REFUSED(ek_variables_initializer(w.g, ((ek_list){ NULL, NULL, -3 }), NULL), "of items has a length of -3");
    REFUSED(ek_report_uninitialized_variables_at(w.g, NO_ITEMS, NULL, EK_HERE), "of items has a length of 3");
    REFUSED(ek_cond(w.flag, no_items, no_items), "of items has a length of 3");
    assert_int_equal(ek_list_tensor(NO_ITEMS, 1).op, -1);
    char *text = ek_list_repr(NO_ITEMS);
    assert_string_equal(text, "[]");
    ek_free(text);
}

/* ---- options ---------------------------------------------------------------------------------- */

static void options_that_are_missing_or_short(void **state)
{
    const ek_zeros_options zeroed = { .shape = EK_SHAPE(3), .dtype = EK_FLOAT32 };

    EK_UNUSED(state);
    REFUSED(ek_zeros_with(w.g, &zeroed, EK_HERE), "ek_zeros_with was given options of size 0, expected");
    REFUSED(ek_zeros_with(w.g, NULL, EK_HERE), "ek_zeros_with was given no options: NULL");
    REFUSED(ek_relu_with(NULL, EK_HERE), "ek_relu_with was given no options");
    REFUSED(ek_add_with(NULL, EK_HERE), "ek_add_with was given no options");
    REFUSED(ek_plus_with(NULL, EK_HERE), "ek_plus_with was given no options");
    REFUSED(ek_softmax_with(NULL, EK_HERE), "ek_softmax_with was given no options");
    REFUSED(ek_reduce_sum_with(NULL, EK_HERE), "ek_reduce_sum_with was given no options");
    REFUSED(ek_matmul_with(EK_OPERAND(w.x), NULL, EK_HERE), "no options");
    REFUSED(ek_reshape_with(NULL, EK_HERE), "no options");
    REFUSED(ek_batch_normalization_with(NULL, EK_HERE), "no options");
    REFUSED(ek_batch_norm_layer_with(w.g, NULL, EK_HERE), "no options");
    REFUSED(ek_moments_with(NULL, EK_HERE).mean, "no options");
    REFUSED(ek_nn_fused_batch_norm_with(NULL, EK_HERE).y, "no options");
    REFUSED(ek_get_variable_with(w.g, NULL, EK_HERE), "no options");
    REFUSED(ek_variable_create_with(w.g, NULL, EK_HERE), "no options");
    REFUSED(ek_variable_scope_push_with(w.g, NULL, EK_HERE), "no options");
    REFUSED(ek_assign_with(NULL, EK_HERE), "no options");
    REFUSED(ek_cond_with(EK_OPERAND(w.flag), no_items, NULL, EK_HERE), "no options");
    REFUSED(ek_group_with(w.g, NULL, EK_HERE), "no options");
    REFUSED(ek_op_build_with(w.g, NULL, EK_HERE), "no options");
}

static void calls_without_a_graph(void **state)
{
    EK_UNUSED(state);
    REFUSED(ek_placeholder(NULL, EK_FLOAT32), "needs a graph");
    REFUSED(ek_zeros(NULL, EK_SHAPE(3)), "needs a graph");
    REFUSED(ek_relu(2.0), "Relu needs a graph");
    REFUSED(ek_add(2, 3), "Add needs a graph");
    REFUSED(ek_times(2, 3), "needs a graph");
    REFUSED(ek_random_uniform(NULL, EK_SHAPE(3)), "needs a graph");
    REFUSED(ek_get_variable(NULL, "w", .shape = EK_SHAPE(3)), "needs a graph");
    REFUSED(ek_op_build(NULL, "Relu"), "needs a graph");
    REFUSED(ek_group(NULL, EK_LIST(w.x)), "needs a graph");
    REFUSED(ek_global_variables_initializer(NULL), "needs a graph");
    REFUSED(ek_name_scope_push(NULL, "a", EK_HERE), "needs a graph");
    REFUSED(ek_batch_normalization((ek_tensor){ 0 }), "needs a graph");
}

/* ---- handles ---------------------------------------------------------------------------------- */

static ek_list give(ek_graph *g, void *arg)
{
    return EK_RESULTS(g, *(ek_tensor *)arg);
}

static void handles_that_nobody_gave_out(void **state)
{
    EK_UNUSED(state);
    REFUSED(ek_get_variable(w.g, "q", .initializer = ek_initial_value(w.beyond)), "has no initial value");
    REFUSED(ek_variable_create(w.g, w.beyond), "has no initial value");
    REFUSED(ek_variable_create(w.g, w.foreign), "is of another graph");
    REFUSED(ek_variable_create(w.g, w.v_foreign), "is of another graph");
    REFUSED(ek_variable_create(w.g, w.v_beyond), "this one is dead");
    REFUSED(ek_variable_value(w.v_beyond), "this one is dead");
    REFUSED(ek_read_value(w.v_beyond), "this one is dead");
    REFUSED(ek_initialized_value(w.v_beyond), "this one is dead");
    REFUSED(ek_is_variable_initialized(w.v_beyond), "this one is dead");
    REFUSED(ek_control_dependencies_push(w.g, EK_LIST(w.beyond), EK_HERE), "a control dependency is dead");
    REFUSED(ek_control_dependencies_push(w.g, EK_LIST(w.op_beyond), EK_HERE), "a control dependency is dead");
    REFUSED(ek_group(w.g, EK_LIST(w.beyond)), "a control dependency is dead");
    REFUSED(ek_tuple(w.g, EK_LIST(w.beyond)), "dead");
    REFUSED(ek_with_dependencies(w.index, EK_LIST(w.x)), "dead tensor");
    REFUSED(ek_add_to_collection(w.g, "q", w.beyond), "is dead or of another graph");
    REFUSED(ek_add_to_collection(w.g, "q", w.v_beyond), "is dead or of another graph");
    REFUSED((ek_add_item_to_collection(w.g, "q", (ek_item){ .kind = (ek_item_kind)77 }, EK_HERE), 0), "is dead");
    REFUSED((ek_add_item_to_collection(w.g, "q", (ek_item){ EK_ITEM_CONTEXT, { .context = 9 } }, EK_HERE), 0), "is dead");
    REFUSED((ek_set_shape(w.beyond, EK_SHAPE(1)), 0), "dead tensor");
    REFUSED(ek_batch_normalization(w.beyond), "the input of layer batch_normalization is dead");
    REFUSED(ek_cond(w.v_beyond, give, give, .arg = &w.x), "is a dead variable");
    REFUSED(ek_cond(w.flag, give, give, .arg = &w.index), "a branch of a conditional gave something");
    REFUSED((ek_scope_pop(&(ek_scope){ w.g, -9, true }), ek_relu(w.beyond)), "is no tensor");
}

/* ---- strings, attributes ------------------------------------------------------------------------ */

static ek_op relu(ek_tensor x, const ek_attribute *a, int n)
{
    return ek_op_build(x.graph, "Relu", .inputs = &x, .n_inputs = 1, .attributes = a, .n_attributes = n);
}

static void strings_that_are_missing(void **state)
{
    EK_UNUSED(state);
    REFUSED(ek_bias_add(w.x, w.v, .data_format = NULL), ".data_format is NULL");
    REFUSED(ek_nn_conv2d(w.x, w.x, .padding = NULL), ".padding is NULL");
    REFUSED(ek_nn_conv2d(w.x, w.x, .data_format = NULL), ".data_format is NULL");
    REFUSED(ek_check_numerics(w.x, NULL), "needs a message");
    REFUSED((ek_add_to_collection(w.g, "\xff", w.x), 0), "not UTF-8");
    REFUSED(ek_op_build(w.g, "NoOp", .device = "\xff"), "the device of the Op 'NoOp' is not UTF-8");
}

static void attributes_that_say_nothing(void **state)
{
    const ek_attribute strings = { .name = "_x", .kind = EK_A_STRINGS, .count = 2 },
                       null_string = { .name = "_x", .kind = EK_A_STRINGS, .u.ss = (const char *[]){ NULL }, .count = 1 },
                       types = { .name = "_x", .kind = EK_A_TYPES, .count = 2 },
                       floats = { .name = "_x", .kind = EK_A_FLOATS, .count = 2 },
                       ints = { .name = "_x", .kind = EK_A_INTS, .count = 4 },
                       fewer = { .name = "_x", .kind = EK_A_INTS, .u.is = numbers, .count = -1 },
                       text = { .name = "_x", .kind = EK_A_STRING, .count = 4 },
                       twice[2] = { { .name = "_x", .kind = EK_A_INT }, { .name = "_x", .kind = EK_A_INT } };

    EK_UNUSED(state);
    REFUSED(relu(w.x, &strings, 1), "attribute 0 of the Op 'Relu' has no name, no value");
    REFUSED(relu(w.x, &null_string, 1), "attribute 0");
    REFUSED(relu(w.x, &types, 1), "attribute 0");
    REFUSED(relu(w.x, &floats, 1), "attribute 0");
    REFUSED(relu(w.x, &ints, 1), "attribute 0");
    REFUSED(relu(w.x, &fewer, 1), "attribute 0");
    REFUSED(relu(w.x, &text, 1), "attribute 0");
    REFUSED(relu(w.x, twice, 2), "was given the attribute '_x' twice");
}

/* ---- numbers ------------------------------------------------------------------------------------ */

static void numbers_that_do_not_fit(void **state)
{
    EK_UNUSED(state);
    REFUSED(ek_constant(w.g, ek_scalar(EK_INT32, 1e300)), "Expected int32, got 1e+300 of type 'float' instead.");
    REFUSED(ek_constant(w.g, ek_scalar(EK_INT32, 0.5)), "Expected int32, got 0.5 of type 'float' instead.");
    REFUSED(ek_constant(w.g, ek_scalar(EK_UINT8, -1)), "Expected uint8, got -1.0");
    REFUSED(ek_constant(w.g, ek_scalar(EK_INT64, 9223372036854775808.0)), "Expected int64");
    REFUSED(ek_constant(w.g, ek_int(300), .dtype = EK_INT8), "Expected int8, got 300 of type 'int' instead.");
    REFUSED(ek_constant(w.g, ek_int(-1), .dtype = EK_UINT64), "Expected uint64, got -1");
    REFUSED(ek_random_uniform(w.g, EK_SHAPE(2), .dtype = EK_INT32, .maxval = 1e300), "Expected int32");
    REFUSED(ek_ones(w.g, EK_SHAPE(3), .dtype = EK_STRING), "Expected string, got 1 of type 'int' instead.");
    REFUSED(ek_zeros(w.g, EK_SHAPE(INT64_C(1) << 33)), "does not fit into int32");
    REFUSED(ek_concat(EK_TENSORS(w.x, w.x), .axis = INT64_MAX), "9223372036854775807");
    REFUSED(ek_reduce_sum(w.x, .axis = { -3, { 0 } }), "Sum over -3 axes");
    REFUSED(ek_batch_normalization(w.x, .axes = { -7, { 0 } }), "-7 axes");
    REFUSED((ek_set_shape(w.x, EK_SHAPE(-7, -7)), 0), "Dimension -7 must be >= 0");
    REFUSED(ek_get_variable(w.g, "q", .shape = EK_SHAPE(3), .regularizer = { .kind = 9 }), "this is no regularizer");
    REFUSED(ek_get_variable(w.g, "q", .shape = EK_SHAPE(3), .regularizer = { .kind = 2 }), "this is no regularizer");
    REFUSED(ek_get_variable(w.g, "q", .shape = EK_SHAPE(3),
                            .initializer = ek_variance_scaling_initializer(.mode = (ek_fan)77)), "Invalid `mode` argument");
    REFUSED(ek_get_variable(w.g, "q", .shape = EK_SHAPE(3),
                            .initializer = ek_variance_scaling_initializer(.distribution = (ek_distribution)77)),
            "Invalid `distribution` argument");
}

/* EK_AXIS is one axis, not none: .axes = EK_AXIS(1) once meant the last. */
static void one_axis_is_taken_as_one(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 5, 2));
    ek_batch_norm *bn = ek_batch_norm_layer(g, .axes = EK_AXIS(1));

    EK_UNUSED(state);
    assert_true(ek_tensor_ok(ek_batch_norm_call(bn, x)));
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
    assert_int_equal(ek_variable_shape(ek_batch_norm_gamma(bn)).dim[0], 5);
    ek_graph_destroy(g);
}

/* ---- values ------------------------------------------------------------------------------------- */

static void values_without_a_place(void **state)
{
    ek_array *a = ek_array_of(EK_FLOAT32, EK_SHAPE(1), NULL), *b = NULL;
    float f = 0.0f;

    EK_UNUSED(state);
    assert_int_equal(ek_array_create(EK_FLOAT32, EK_SHAPE(1), NULL, NULL), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_array_wrap(EK_FLOAT32, EK_SHAPE(1), &f, NULL, NULL, NULL), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_array_copy(a, NULL), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_array_create(EK_STRING, EK_SHAPE(1), &(ek_string){ NULL, 5 }, &b), EK_INVALID_ARGUMENT);
    assert_string_equal(ek_last_error()->text, "string 0 has 5 bytes and is NULL");
    assert_null(b);
    ek_array_unref(a);
}

static void shapes_that_are_null_are_unknown(void **state)
{
    const ek_shape one = EK_SHAPE(1, 2);
    ek_shape out = EK_SCALAR;
    char text[16];

    EK_UNUSED(state);
    assert_false(ek_shape_is_known(NULL));
    assert_int_equal(ek_shape_count(NULL), -1);
    assert_false(ek_shape_equal(NULL, &one));
    assert_true(ek_shape_compatible(NULL, &one));
    assert_false(ek_shape_merge(&one, &one, NULL));
    assert_true(ek_shape_merge(NULL, &one, &out));
    assert_true(ek_shape_equal(&out, &one));
    assert_int_equal(ek_shape_format(&one, NULL, 9), 6);
    assert_int_equal(ek_shape_format_cc(NULL, text, sizeof text), 9);
    assert_int_equal(ek_tensor_name((ek_tensor){ 0 }, NULL, 9), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_with_a_count_and_no_elements), cmocka_unit_test(lists_of_items_without_items),
        cmocka_unit_test(options_that_are_missing_or_short),  cmocka_unit_test(calls_without_a_graph),
        cmocka_unit_test(handles_that_nobody_gave_out),       cmocka_unit_test(strings_that_are_missing),
        cmocka_unit_test(attributes_that_say_nothing),        cmocka_unit_test(numbers_that_do_not_fit),
        cmocka_unit_test(one_axis_is_taken_as_one),           cmocka_unit_test(values_without_a_place),
        cmocka_unit_test(shapes_that_are_null_are_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
