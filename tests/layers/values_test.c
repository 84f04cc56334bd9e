/* tests/layers/values_test.c - what layers and variables compute when they run. */
#include "support/building.h"

#include <math.h>

#include "evenkeel/arrays.h"

static ek_graph *graph;
static ek_session *session;

static int begin(void **state)
{
    (void)state;
    graph = ek_graph_create();
    return graph == NULL;
}

static int end(void **state)
{
    (void)state;
    ek_session_destroy(session);
    session = NULL;
    ek_graph_destroy(graph);
    return 0;
}

/* A session with every variable initialized. */
static void start(void)
{
    const ek_op init = ek_global_variables_initializer(graph);

    expect_fine(graph);
    session = ek_session_create(graph);
    assert_non_null(session);
    if (ek_run(session, .target = { init }) != EK_OK) fail_msg("%s", ek_last_error()->text);
}

static ek_array *run(ek_tensor y, ek_tensor x, const ek_array *value, ek_list also)
{
    ek_array *out = NULL;
    ek_status st;

    if (x.graph != NULL) st = ek_run(session, .feed = { { x, value } }, .fetch = { { y, &out } }, .also = also);
    else st = ek_run(session, .fetch = { { y, &out } }, .also = also);
    if (st != EK_OK) fail_msg("%s", ek_last_error()->text);
    return out;
}

static void near(double found, double want, double relative)
{
    if (!(fabs(found - want) <= relative * fmax(1.0, fabs(want)))) fail_msg("expected %.9g, found %.9g", want, found);
}

/* Element 0 of a tensor computed without feeds; frees the array. */
static double scalar_of(ek_tensor t)
{
    ek_array *out = run(t, (ek_tensor){ NULL, 0, 0 }, NULL, EK_EMPTY_LIST);
    const double v = ek_array_get(out, 0);

    ek_array_unref(out);
    return v;
}

/* Element 0 of what a variable holds. */
static double stored(ek_variable v)
{
    ek_array *value = NULL;

    assert_int_equal(ek_session_get(session, v, &value), EK_OK);
    const double found = ek_array_get(value, 0);
    ek_array_unref(value);
    return found;
}

/* ---- test vectors 10.1 --------------------------------------------------------------------------- */

static const int after[] = { 1, 2, 10, 100, 1000 };

static void check_vectors(ek_shape shape, const double variance[5], const double inference[5], bool resource, bool flag)
{
    const ek_array *rows =
        ek_array_of(EK_FLOAT32, (ek_shape){ .rank = shape.rank, .dim = { 3, 1, 1, 1 } }, (float[]){ -10, 0, 10 });
    const ek_array *yes = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ true });
    ek_use_resource_variables(graph, resource);
    ek_tensor x = ek_placeholder(graph, EK_FLOAT32, .shape = shape);
    ek_tensor chosen = ek_placeholder_with_default(graph, ek_bool(false), .shape = EK_SCALAR);
    ek_tensor y = ek_batch_normalization(x, .training = flag ? chosen : EK_TRUE, .name = "bn");
    ek_tensor z = ek_batch_normalization(x, .name = "bn", .reuse = EK_REUSE);
    const ek_list updates = ek_get_collection(graph, EK_UPDATE_OPS);
    ek_variable moving = ek_variable_by_name(graph, "bn/moving_variance");
    ek_array *value = NULL;

    start();
    ek_array_unref(run(z, x, rows, EK_EMPTY_LIST));
    for (int done = 0, i = 0; i < 5; done = after[i++]) {
        for (int k = done; k < after[i]; k++)
            assert_int_equal(ek_run(session, .feed = { { x, rows }, { chosen, yes } }, .fetch = { { y, &value } },
                                    .also = updates), EK_OK);
        near(ek_array_get(value, 0), -1.2247357, 2e-6);
        near(stored(moving), variance[i], 2e-6);
        ek_array *out = run(z, x, rows, EK_EMPTY_LIST);
        near(ek_array_get(out, 0), inference[i], 2e-6);
        ek_array_unref(out);
    }
    ek_array_unref(value);
    ek_array_unref((ek_array *)(uintptr_t)rows);
    ek_array_unref((ek_array *)(uintptr_t)yes);
}

static const double composed_variance[5] = { 1.65666664, 2.30676651, 7.27891016, 42.6305466, 66.6638184 };
static const double composed_inference[5] = { -7.76696587, -6.58269978, -3.7062695, -1.53156161, -1.22476196 };
static const double fused_variance[5] = { 1.98999906, 2.97009826, 10.4661665, 63.762764, 99.9957352 };
static const double fused_inference[5] = { -7.08703327, -5.80151606, -3.09090352, -1.25231338, -1.00001633 };

static void a_thousand_updates_composed(void **state)
{
    (void)state;
    check_vectors(EK_SHAPE(-1, 1), composed_variance, composed_inference, false, false);
}

static void a_thousand_updates_composed_by_flag_with_resources(void **state)
{
    (void)state;
    check_vectors(EK_SHAPE(-1, 1), composed_variance, composed_inference, true, true);
}

static void a_thousand_updates_fused(void **state)
{
    (void)state;
    check_vectors(EK_SHAPE(-1, 1, 1, 1), fused_variance, fused_inference, false, false);
}

static void a_thousand_updates_fused_by_flag_with_resources(void **state)
{
    (void)state;
    check_vectors(EK_SHAPE(-1, 1, 1, 1), fused_variance, fused_inference, true, true);
}

static void a_thousand_updates_renormalized(void **state)
{
    const ek_array *rows = ek_array_of(EK_FLOAT32, EK_SHAPE(3, 1), (float[]){ -10, 0, 10 });
    ek_tensor x = ek_placeholder(graph, EK_FLOAT32, .shape = EK_SHAPE(-1, 1));
    ek_tensor y = ek_batch_normalization(x, .training = EK_TRUE, .renorm = true, .renorm_momentum = 0.9, .name = "bn");
    ek_tensor z = ek_batch_normalization(x, .renorm = true, .name = "bn", .reuse = EK_REUSE);
    const ek_list updates = ek_get_collection(graph, EK_UPDATE_OPS);
    ek_array *a = NULL, *b;

    (void)state;
    start();
    for (int k = 0; k < 1000; k++)
        assert_int_equal(ek_run(session, .feed = { { x, rows } }, .fetch = { { y, &a } }, .also = updates), EK_OK);
    b = run(z, x, rows, EK_EMPTY_LIST);
    /* Training and inference have come together: what renormalization is for. */
    near(ek_array_get(a, 0), ek_array_get(b, 0), 2e-3);
    ek_array_unref(a);
    ek_array_unref(b);
    ek_array_unref((ek_array *)(uintptr_t)rows);
}

/* ---- degenerate batches --------------------------------------------------------------------------------- */

static void check_degenerate(ek_shape shape, ek_shape one, ek_shape none)
{
    ek_array *row = ek_array_of(EK_FLOAT32, one, (float[]){ 5, -7 });
    ek_array *nothing = ek_array_of(EK_FLOAT32, none, NULL), *out;
    ek_tensor x = ek_placeholder(graph, EK_FLOAT32, .shape = shape);
    ek_tensor y =
        ek_batch_normalization(x, .training = EK_TRUE, .beta_initializer = ek_constant_initializer(0.25), .name = "bn");
    const ek_list updates = ek_get_collection(graph, EK_UPDATE_OPS);

    start();
    out = run(y, x, row, updates);
    near(ek_array_get(out, 0), 0.25, 0);
    near(ek_array_get(out, 1), 0.25, 0);
    near(stored(ek_variable_by_name(graph, "bn/moving_variance")), 0.99, 1e-7);
    ek_array_unref(out);
    out = run(y, x, nothing, updates);
    assert_int_equal(ek_array_count(out), 0);
    assert_true(isnan(stored(ek_variable_by_name(graph, "bn/moving_variance"))));
    ek_array_unref(out);
    ek_array_unref(row);
    ek_array_unref(nothing);
}

static void one_row_gives_beta_and_none_poisons_the_averages(void **state)
{
    (void)state;
    check_degenerate(EK_SHAPE(-1, 2), EK_SHAPE(1, 2), EK_SHAPE(0, 2));
}

static void one_pixel_gives_beta_and_none_poisons_the_averages(void **state)
{
    (void)state;
    check_degenerate(EK_SHAPE(-1, 1, 1, 2), EK_SHAPE(1, 1, 1, 2), EK_SHAPE(0, 1, 1, 2));
}

/* ---- options ------------------------------------------------------------------------------------------------ */

/* Groups are strided: rows i with equal i mod (n / size) are normalised together. */
static void virtual_batches_are_strided(void **state)
{
    ek_array *rows = ek_array_of(EK_FLOAT32, EK_SHAPE(4, 1), (float[]){ 1, 10, 3, 30 }), *out;
    ek_tensor x = ek_placeholder(graph, EK_FLOAT32, .shape = EK_SHAPE(-1, 1));
    ek_tensor y = ek_batch_normalization(x, .virtual_batch_size = 2, .training = EK_TRUE, .epsilon = 0);

    (void)state;
    start();
    out = run(y, x, rows, EK_EMPTY_LIST);
    near(ek_array_get(out, 0), -1, 1e-6);
    near(ek_array_get(out, 1), -1, 1e-6);
    near(ek_array_get(out, 2), 1, 1e-6);
    near(ek_array_get(out, 3), 1, 1e-6);
    ek_array_unref(out);
    ek_array_unref(rows);
}

static void virtual_batches_must_divide_the_batch(void **state)
{
    ek_array *rows = ek_array_of(EK_FLOAT32, EK_SHAPE(6, 3), NULL), *out = NULL;
    ek_tensor x = ek_placeholder(graph, EK_FLOAT32, .shape = EK_SHAPE(-1, 3));
    ek_tensor y = ek_batch_normalization(x, .virtual_batch_size = 4);

    (void)state;
    start();
    assert_int_equal(ek_run(session, .feed = { { x, rows } }, .fetch = { { y, &out } }), EK_INVALID_ARGUMENT);
    assert_non_null(
        strstr(ek_last_error()->text,
               "Input to reshape is a tensor with 18 values, but the requested shape requires a multiple of 12"));
    ek_array_unref(rows);
}

static void two_and_minus_one(ek_tensor shape, ek_tensor *scale, ek_tensor *offset, void *calls)
{
    ++*(int *)calls;
    *scale = ek_constant(shape.graph, ek_float(2.0));
    *offset = ek_constant(shape.graph, ek_float(-1.0));
}

static void an_adjustment_works_in_training_only(void **state)
{
    ek_array *rows = ek_array_of(EK_FLOAT32, EK_SHAPE(2, 1), (float[]){ -1, 1 }),
             *yes = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ true });
    ek_array *out = NULL;
    int calls = 0;
    ek_tensor x = ek_placeholder(graph, EK_FLOAT32, .shape = EK_SHAPE(-1, 1));
    ek_tensor flag = ek_placeholder_with_default(graph, ek_bool(false), .shape = EK_SCALAR);
    ek_tensor y = ek_batch_normalization(x, .training = flag, .epsilon = 0,
                                         .adjustment = { two_and_minus_one, &calls });

    (void)state;
    ek_batch_normalization(x, .adjustment = { two_and_minus_one, &calls });
    assert_int_equal(calls, 1);
    start();
    assert_int_equal(ek_run(session, .feed = { { x, rows }, { flag, yes } }, .fetch = { { y, &out } }), EK_OK);
    near(ek_array_get(out, 0), -3, 1e-6);
    near(ek_array_get(out, 1), 1, 1e-6);
    assert_int_equal(ek_run(session, .feed = { { x, rows } }, .fetch = { { y, &out } }), EK_OK);
    near(ek_array_get(out, 0), -1, 1e-6);
    ek_array_unref(out);
    ek_array_unref(rows);
    ek_array_unref(yes);
}

static void updates_run_with_the_flag_off_change_nothing(void **state)
{
    static const int ranks[] = { 2, 4 };

    (void)state;
    for (int i = 0; i < 2; i++) {
        const ek_shape shape = { .rank = ranks[i], .dim = { ranks[i] == 2 ? 3 : 1, ranks[i] == 2 ? 1 : 3, 1, 1 } };
        ek_array *rows = ek_array_of(EK_FLOAT32, shape, (float[]){ -10, 0, 10 });
        ek_tensor x = ek_placeholder(graph, EK_FLOAT32, .shape = shape);
        ek_tensor flag = ek_placeholder_with_default(graph, ek_bool(false), .shape = EK_SCALAR);
        ek_tensor y = ek_batch_normalization(x, .training = flag, .name = "bn",
                                             .moving_variance_initializer = ek_constant_initializer(0.3));
        ek_variable v = ek_variable_by_name(graph, "bn/moving_variance");
        start();
        const double before = stored(v);
        ek_array_unref(run(y, x, rows, ek_get_collection(graph, EK_UPDATE_OPS)));
        near(stored(v), before, 0);
        ek_array_unref(rows);
        end(NULL);
        graph = ek_graph_create();
    }
}

/* ---- variables ---------------------------------------------------------------------------------------------- */

/* v is made from w; whatever order the initializers run in, v sees w's value. */
static void initial_values_that_read_variables_are_guarded(void **state)
{
    ek_variable w = ek_variable_create(graph, 3.0, .name = "w");
    ek_variable v = ek_variable_create(graph, ek_plus(ek_times(w, 2.0), 1.0), .name = "v");

    (void)state;
    expect_names(graph, 9,
                 "v/IsVariableInitialized v/cond/Switch v/cond/switch_t v/cond/switch_f v/cond/pred_id v/cond/read "
                 "v/cond/read/Switch v/cond/Switch_1 v/cond/Merge w/read_v mul_v add_v v/Assign v/read");
    start();
    near(scalar_of(ek_variable_value(v)), 7.0, 0);
}

static void initialized_value_is_the_value_once_there_is_one(void **state)
{
    ek_variable w = ek_variable_create(graph, 3.0, .use_resource = EK_YES);
    ek_tensor value = ek_initialized_value(w), set = ek_assign(w, 5.0);

    (void)state;
    expect_fine(graph);
    session = ek_session_create(graph);
    near(scalar_of(value), 3.0, 0);
    near(scalar_of(set), 5.0, 0);
    near(scalar_of(value), 5.0, 0);
}

static void uninitialized_variables_are_reported(void **state)
{
    ek_variable a = ek_get_variable(graph, "a", .shape = EK_SHAPE(2)),
                b = ek_get_variable(graph, "b", .shape = EK_SHAPE(2));
    ek_variable c =
        ek_variable_create(graph, 1.0, .use_resource = EK_YES, .name = "c", .collections = EK_KEYS(EK_LOCAL_VARIABLES));
    ek_tensor report = ek_report_uninitialized_variables(graph);
    ek_array *out;

    (void)state;
    (void)a;
    (void)c;
    expect_fine(graph);
    assert_string_equal(ek_op_name(ek_tensor_op(report)), "report_uninitialized_variables/boolean_mask/GatherV2");
    assert_string_equal(ek_op_device(ek_tensor_op(report)), "/device:CPU:0");
    session = ek_session_create(graph);
    assert_int_equal(ek_run(session, .target = { ek_variable_initializer(b) }), EK_OK);
    out = run(report, (ek_tensor){ NULL, 0, 0 }, NULL, EK_EMPTY_LIST);
    assert_int_equal(ek_array_count(out), 2);
    assert_memory_equal(((const ek_string *)ek_array_cdata(out))[0].data, "a", 1);
    assert_memory_equal(((const ek_string *)ek_array_cdata(out))[1].data, "c", 1);
    ek_array_unref(out);
    assert_int_equal(ek_run(session, .target = { ek_variable_initializer(a), ek_local_variables_initializer(graph) }),
                     EK_OK);
    out = run(report, (ek_tensor){ NULL, 0, 0 }, NULL, EK_EMPTY_LIST);
    assert_int_equal(ek_array_count(out), 0);
    ek_array_unref(out);
}

static void regularizers_and_constraints_compute_what_they_say(void **state)
{
    ek_array *start_at = ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){ -2, 3 }), *out;
    ek_variable w =
        ek_get_variable(graph, "w", .shape = EK_SHAPE(2), .initializer = ek_constant_initializer(0, .array = start_at),
                        .regularizer = ek_l1_l2_regularizer(0.5, 0.25), .constraint = ek_non_neg_constraint());
    const ek_constraint c = ek_variable_constraint(w);
    const ek_list losses = ek_get_collection(graph, EK_REGULARIZATION_LOSSES);
    ek_tensor held = c.call(w, c.arg);

    (void)state;
    start();
    near(scalar_of(losses.item[0].u.tensor), 0.5 * 5 + 0.25 * 13, 1e-6);
    out = run(held, (ek_tensor){ NULL, 0, 0 }, NULL, EK_EMPTY_LIST);
    near(ek_array_get(out, 0), 0, 0);
    near(ek_array_get(out, 1), 3, 0);
    ek_array_unref(out);
    ek_array_unref(start_at);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_thousand_updates_composed), TEST(a_thousand_updates_composed_by_flag_with_resources),
        TEST(a_thousand_updates_fused), TEST(a_thousand_updates_fused_by_flag_with_resources),
        TEST(a_thousand_updates_renormalized), TEST(one_row_gives_beta_and_none_poisons_the_averages),
        TEST(one_pixel_gives_beta_and_none_poisons_the_averages), TEST(virtual_batches_are_strided),
        TEST(virtual_batches_must_divide_the_batch), TEST(an_adjustment_works_in_training_only),
        TEST(updates_run_with_the_flag_off_change_nothing), TEST(initial_values_that_read_variables_are_guarded),
        TEST(initialized_value_is_the_value_once_there_is_one), TEST(uninitialized_variables_are_reported),
        TEST(regularizers_and_constraints_compute_what_they_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
