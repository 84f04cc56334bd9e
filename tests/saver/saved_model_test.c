/* SavedModels with their variables: TensorFlow's loaded, our own written and loaded again, and what becomes of failures. */
#include <math.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "evenkeel/evenkeel.h"
#include "graph/node.h"
#include "support/faults.h"
#include "support/folder.h"
#include "support/support.h"

/* "folder/name"; the next sixty leave it as it is. */
static const char *in(const char *folder, const char *name)
{
    static char path[64][600];
    static int turn;
    char joined[600];

    snprintf(joined, sizeof joined, "%s/%s", folder, name);
    turn = (turn + 1) % 64;
    return strcpy(path[turn], joined);
}

static bool exists(const char *path) { return access(path, F_OK) == 0; }

static ek_tensor tensor_of(const ek_graph *g, const char *name)
{
    ek_tensor t;

    assert_int_equal(ek_graph_tensor_by_name(g, name, &t), EK_OK);
    return t;
}

/* ---- TensorFlow's ---------------------------------------------------------------------------------------------- */

static void load(const char *path, const char *tag, ek_graph **g, ek_session **s)
{
    ek_error err = { .code = EK_OK };

    if (ek_saved_model_load(path, .graph = g, .session = s, .tags = { tag }, .error = &err) != EK_OK) fail_msg("%s: %s", path, err.text);
}

/* The value of a Const of expected.pb. */
static const ek_array *expected(const ek_graph *want, const char *name)
{
    ek_op op;

    assert_int_equal(ek_graph_op_by_name(want, name, &op), EK_OK);
    return want->node[op.id]->constant;
}

static void assert_output(ek_graph *g, ek_session *s, const ek_graph *want, const char *signature, const char *x, const char *key)
{
    ek_array *out = NULL;
    ek_signature sig;
    char name[200];

    assert_true(ek_graph_signature(g, signature, &sig));
    assert_int_equal(ek_run(s, .feed = { { ek_signature_input(&sig, x), expected(want, "feed/x") } },
                            .fetch = { { ek_signature_output(&sig, key), &out } }), EK_OK);
    snprintf(name, sizeof name, "%s/%s", signature, key);
    const ek_array *right = expected(want, name);
    assert_true(ek_array_count(out) == ek_array_count(right) && ek_array_count(out) > 0);
    for (int64_t i = 0; i < ek_array_count(out); i++) {
        if (ek_array_dtype(out) == EK_STRING) {
            const ek_string *a = ek_array_cdata(out), *b = ek_array_cdata(right);
            assert_true(a[i].size == b[i].size && memcmp(a[i].data, b[i].data, a[i].size) == 0);
        } else {
            assert_true(fabs(ek_array_get(out, i) - ek_array_get(right, i)) <= 1e-6 + 1e-5 * fabs(ek_array_get(right, i)));
        }
    }
    ek_array_unref(out);
}

static void the_model_of_the_v1_builder_answers_with_its_asset(void **state)
{
    const char *path = ek_test_data("tf-files/saved-model-v1/expected.pb");
    ek_session *s;
    ek_graph *g, *want;

    (void)state;
    if (path == NULL) skip();
    assert_int_equal(ek_graph_load(path, &want, NULL), EK_OK);
    load(ek_test_data("tf-files/saved-model-v1"), "serve", &g, &s);
    assert_output(g, s, want, "serving_default", "features", "probabilities");
    assert_output(g, s, want, "names", "features", "names");
    ek_session_destroy(s);
    ek_graph_destroy(g);
    load(ek_test_data("tf-files/saved-model-v1"), "train", &g, &s);
    assert_output(g, s, want, "train", "x", "y");
    ek_session_destroy(s);
    ek_graph_destroy(g);
    ek_graph_destroy(want);
}

static double scalar_of(ek_session *s, ek_tensor x, double v, ek_tensor y)
{
    ek_array *in_array = ek_array_of(EK_FLOAT32, EK_SHAPE(1, 1), (float[]){ (float)v }), *out = NULL;
    double found;

    assert_int_equal(ek_run(s, .feed = { { x, in_array } }, .fetch = { { y, &out } }), EK_OK);
    found = ek_array_get(out, 0);
    ek_array_unref(in_array);
    ek_array_unref(out);
    return found;
}

static void old_models_of_other_projects_answer(void **state)
{
    const char *path = ek_test_data("saved-models/half_plus_two");
    ek_session *s;
    ek_graph *g;
    ek_signature sig;

    (void)state;
    if (path == NULL) skip();
    load(path, "serve", &g, &s);
    assert_true(ek_graph_signature(g, "serving_default", &sig));
    assert_true(scalar_of(s, ek_signature_input(&sig, "x"), 10, ek_signature_output(&sig, "y")) == 7);
    ek_session_destroy(s);
    ek_graph_destroy(g);
    assert_int_equal(ek_saved_model_load(ek_test_data("saved-models/rust_regression"), .graph = &g, .session = &s), EK_NOT_FOUND);
    assert_non_null(strstr(ek_last_error()->text, "it has 1: {train, serve}"));
    assert_true(g == NULL && s == NULL);
    assert_int_equal(ek_saved_model_load(ek_test_data("saved-models/rust_regression"), .graph = &g, .session = &s, .tags = { "serve", "train" }), EK_OK);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void a_model_of_tensorflow_2_is_refused_by_its_function_call(void **state)
{
    const char *path = ek_test_data("tf-files/saved-model-keras");
    ek_session *s;
    ek_graph *g;

    (void)state;
    if (path == NULL) skip();
    assert_int_equal(ek_saved_model_load(path, .graph = &g, .session = &s), EK_UNIMPLEMENTED);
    assert_non_null(strstr(ek_last_error()->text, "operation 'StatefulPartitionedCall_2' of type StatefulPartitionedCall"));
    assert_true(g == NULL && s == NULL);
}

/* ---- our own ------------------------------------------------------------------------------------------------------- */

/* y = x * w + b; text is what the asset holds, read by the main op. */
typedef struct model {
    ek_graph *g;
    ek_session *s;
    ek_tensor x, y, file, text;
    ek_op main_op;
} model;

static model make(void)
{
    model m = { .g = ek_graph_create() };

    m.x = ek_placeholder(m.g, EK_FLOAT32, .shape = EK_SHAPE(-1, 1), .name = "x");
    const ek_variable w = ek_variable_create(m.g, 3.0, .name = "w", .dtype = EK_FLOAT32), b = ek_variable_create(m.g, 0.5, .name = "b", .dtype = EK_FLOAT32);
    m.y = ek_add(ek_multiply(m.x, ek_variable_value(w)), ek_variable_value(b), .name = "y");
    m.file = ek_constant(m.g, ek_str("nowhere.txt"), .name = "file");
    const ek_variable kept = ek_variable_create(m.g, "", .name = "kept", .trainable = false, .collections = EK_KEYS(EK_LOCAL_VARIABLES));
    const ek_op read = ek_op_build(m.g, "ReadFile", .inputs = (ek_tensor[]){ m.file }, .n_inputs = 1);
    m.main_op = ek_tensor_op(ek_assign(kept, ek_op_output(read, 0)));
    m.text = ek_variable_value(kept);
    const ek_op init = ek_global_variables_initializer(m.g);
    assert_int_equal(ek_graph_status(m.g, NULL), EK_OK);
    m.s = ek_session_create(m.g);
    assert_int_equal(ek_run(m.s, .target = { init }), EK_OK);
    return m;
}

static void unmake(model *m)
{
    ek_session_destroy(m->s);
    ek_graph_destroy(m->g);
}

static const char *write_asset(const char *folder, const char *text)
{
    const char *path = in(folder, "words.txt");

    assert_int_equal(ek__file_write(path, text, strlen(text), NULL), EK_OK);
    return path;
}

static void assert_text(const char *folder, const char *tag, const char *want)
{
    ek_array *out = NULL;
    ek_session *s;
    ek_graph *g;

    load(folder, tag, &g, &s);
    assert_int_equal(ek_run(s, .fetch = { { tensor_of(g, "kept:0"), &out } }), EK_OK);
    const ek_string *found = ek_array_cdata(out);
    assert_true(found->size == strlen(want) && memcmp(found->data, want, found->size) == 0);
    assert_true(scalar_of(s, tensor_of(g, "x:0"), 2, tensor_of(g, "y:0")) == 6.5);
    ek_array_unref(out);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void a_model_comes_back_with_variables_signature_and_asset(void **state)
{
    (void)state;
    for (int text = 0; text < 2; text++) {
        char *folder = test_folder_make();
        const char *dir = in(folder, "a/b/model");
        model m = make();
        ek_session *s;
        ek_graph *g;
        ek_signature sig;

        assert_int_equal(ek_saved_model_save(m.s, dir, .inputs = { { "x", m.x } }, .outputs = { { "y", m.y } },
                                             .add = { .assets = { { m.file, write_asset(folder, "hello") } }, .main_op = m.main_op },
                                             .text = text != 0), EK_OK);
        unmake(&m);
        assert_true(exists(in(dir, text != 0 ? "saved_model.pbtxt" : "saved_model.pb")) && exists(in(dir, "assets/words.txt")));
        assert_true(exists(in(dir, "variables/variables.index")));
        assert_int_equal(test_folder_count(in(dir, "variables"), NULL), 2);
        assert_text(dir, NULL, "hello");
        load(dir, "serve", &g, &s);
        assert_true(ek_graph_signature(g, "serving_default", &sig));
        assert_true(scalar_of(s, ek_signature_input(&sig, "x"), 10, ek_signature_output(&sig, "y")) == 30.5);
        /* And once more from what was loaded: asset and main op go along. */
        assert_int_equal(ek_saved_model_save(s, in(folder, "second")), EK_OK);
        assert_text(in(folder, "second"), "serve", "hello");
        ek_session_destroy(s);
        ek_graph_destroy(g);
        test_folder_remove(folder);
    }
}

static void several_graphs_share_the_variables(void **state)
{
    char *folder = test_folder_make();
    const char *dir = in(folder, "model");
    model m = make(), other = make();
    ek_saved_model_builder *b;
    ek_saved_model *opened;
    ek_session *s;
    ek_graph *g;

    (void)state;
    const ek_variable w = ek_variable_by_name(m.g, "w");
    ek_array *four = ek_array_of(EK_FLOAT32, EK_SCALAR, (float[]){ 4 });
    assert_int_equal(ek_session_set(m.s, w, four), EK_OK);
    assert_int_equal(ek_saved_model_builder_create(dir, &b, NULL), EK_OK);
    assert_int_equal(ek_saved_model_builder_save(b, false, NULL), EK_FAILED_PRECONDITION);
    assert_int_equal(ek_saved_model_builder_add_meta_graph(b, m.g), EK_FAILED_PRECONDITION);
    assert_non_null(strstr(ek_last_error()->text, "has not been saved yet"));
    assert_int_equal(ek_signature_set(m.g, "one", .outputs = { { "y", m.y } }), EK_OK);
    assert_int_equal(ek_saved_model_builder_add_meta_graph_and_variables(b, m.s, .tags = { "train", "gpu" }), EK_OK);
    assert_int_equal(ek_saved_model_builder_add_meta_graph_and_variables(b, m.s), EK_FAILED_PRECONDITION);
    assert_non_null(strstr(ek_last_error()->text, "has already been saved"));
    assert_int_equal(ek_saved_model_builder_add_meta_graph(b, other.g), EK_OK);
    assert_false(exists(in(dir, "saved_model.pb")));
    assert_int_equal(ek_saved_model_builder_save(b, false, NULL), EK_OK);
    ek_saved_model_builder_destroy(b);
    unmake(&m);
    unmake(&other);
    assert_int_equal(ek_saved_model_open(dir, &opened, NULL), EK_OK);
    assert_int_equal(ek_saved_model_count(opened), 2);
    ek_saved_model_close(opened);
    load(dir, NULL, &g, &s);
    assert_int_equal(ek_graph_signature_count(g), 0);
    assert_true(scalar_of(s, tensor_of(g, "x:0"), 1, tensor_of(g, "y:0")) == 4.5);
    ek_session_destroy(s);
    ek_graph_destroy(g);
    assert_int_equal(ek_saved_model_load(dir, .graph = &g, .session = &s, .tags = { "gpu", "train" }), EK_OK);
    assert_int_equal(ek_graph_signature_count(g), 1);
    assert_true(scalar_of(s, tensor_of(g, "x:0"), 1, tensor_of(g, "y:0")) == 4.5);
    ek_session_destroy(s);
    ek_graph_destroy(g);
    ek_array_unref(four);
    test_folder_remove(folder);
}

static void assets_of_one_name_are_told_apart(void **state)
{
    char *folder = test_folder_make();
    const char *dir = in(folder, "model");
    model m = make();
    const ek_tensor second = ek_constant(m.g, ek_str("x"), .name = "second"), third = ek_constant(m.g, ek_str("x"), .name = "third");
    ek_session *s;
    ek_graph *g;
    ek_asset asset;
    char path[600];

    (void)state;
    snprintf(path, sizeof path, "%s", write_asset(folder, "one"));
    assert_int_equal(mkdir(in(folder, "other"), 0777), 0);
    const char *two = write_asset(in(folder, "other"), "two");
    assert_int_equal(ek_saved_model_save(m.s, dir, .add = { .assets = { { m.file, path }, { second, two }, { third, path } }, .main_op = m.main_op }), EK_OK);
    unmake(&m);
    assert_int_equal(test_folder_count(in(dir, "assets"), NULL), 2);
    load(dir, NULL, &g, &s);
    assert_int_equal(ek_graph_asset_count(g), 3);
    assert_true(ek_graph_asset_at(g, 1, &asset));
    assert_string_equal(asset.filename, "words.txt_1");
    assert_true(ek_graph_asset_at(g, 2, &asset));
    assert_string_equal(asset.filename, "words.txt");
    ek_session_destroy(s);
    ek_graph_destroy(g);
    assert_text(dir, NULL, "one");
    test_folder_remove(folder);
}

static void a_graph_without_variables_is_a_model_too(void **state)
{
    char *folder = test_folder_make();
    ek_graph *g = ek_graph_create(), *back;
    const ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(1, 1), .name = "x"), y = ek_negative(x, .name = "y");
    ek_session *s = ek_session_create(g), *again;

    (void)state;
    assert_int_equal(ek_saved_model_save(s, folder, .inputs = { { "x", x } }, .outputs = { { "y", y } }), EK_OK);
    ek_session_destroy(s);
    ek_graph_destroy(g);
    load(folder, NULL, &back, &again);
    assert_false(ek_graph_saver_def(back, &(ek_saver_def){ 0 }));
    assert_true(scalar_of(again, tensor_of(back, "x:0"), 2, tensor_of(back, "y:0")) == -2);
    ek_session_destroy(again);
    ek_graph_destroy(back);
    test_folder_remove(folder);
}

/* ---- failures ----------------------------------------------------------------------------------------------------------- */

static void folders_that_are_in_use_are_left_alone(void **state)
{
    char *folder = test_folder_make();
    model m = make();

    (void)state;
    write_asset(folder, "mine");
    assert_int_equal(ek_saved_model_save(m.s, folder, .outputs = { { "y", m.y } }), EK_ALREADY_EXISTS);
    assert_non_null(strstr(ek_last_error()->text, "Export directory already exists, and isn't empty."));
    assert_int_equal(test_folder_count(folder, NULL), 1);
    assert_int_equal(ek_saved_model_save(m.s, in(folder, "words.txt"), .outputs = { { "y", m.y } }) != EK_OK, 1);
    assert_int_equal(ek_saved_model_save(m.s, in(folder, "model"), .add = { .assets = { { m.file, in(folder, "no such file") } } }), EK_NOT_FOUND);
    assert_false(exists(in(folder, "model/saved_model.pb")));
    assert_int_equal(ek_saved_model_save(m.s, in(folder, "other"), .add = { .assets = { { m.x, NULL } } }), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_saved_model_save(NULL, in(folder, "other2")), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_saved_model_save(m.s, in(folder, "other3"), .add = { .tags = { "\xff" } }), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_saved_model_save(m.s, in(folder, "other4"), .add = { .assets = { { m.file, in(folder, "\xff") } } }), EK_INVALID_ARGUMENT);
    unmake(&m);
    test_folder_remove(folder);
}

static void without_its_files_a_model_is_not_loaded(void **state)
{
    char *folder = test_folder_make();
    const char *dir = in(folder, "model");
    model m = make();
    ek_session *s;
    ek_graph *g;

    (void)state;
    assert_int_equal(ek_saved_model_save(m.s, dir, .add = { .assets = { { m.file, write_asset(folder, "hello") } }, .main_op = m.main_op }), EK_OK);
    unmake(&m);
    assert_int_equal(unlink(in(dir, "assets/words.txt")), 0);
    assert_int_equal(ek_saved_model_load(dir, .graph = &g, .session = &s), EK_NOT_FOUND);
    assert_non_null(strstr(ek_last_error()->text, "assets/words.txt"));
    assert_int_equal(unlink(in(dir, "variables/variables.index")), 0);
    assert_int_equal(ek_saved_model_load(dir, .graph = &g, .session = &s), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(ek_last_error()->text, "variables/variables"));
    assert_true(g == NULL && s == NULL);
    assert_int_equal(ek_saved_model_load(in(folder, "nothing"), .graph = &g, .session = &s), EK_NOT_FOUND);
    assert_int_equal(ek_saved_model_load(NULL, .graph = &g, .session = &s), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_saved_model_load(dir, .graph = &g), EK_INVALID_ARGUMENT);
    test_folder_remove(folder);
}

/* Killed before the first, the second, the third call of the system: the folder holds a model that loads, or none. */
static void killed_at_any_instant_there_is_a_whole_model_or_none(void **state)
{
    bool done = false;
    int without = 0;

    (void)state;
    for (long k = 1; !done; k++) {
        char *folder = test_folder_make();
        const char *dir = in(folder, "model"), *asset = write_asset(folder, "hello");
        model m = make();
        test_faults faults = { .die_at = k, .room = -1 };

        test_faults_install(&faults);
        const ek_status st = ek_saved_model_save(m.s, dir, .add = { .assets = { { m.file, asset } }, .main_op = m.main_op });
        test_faults_remove();
        done = faults.calls < k;
        assert_true(done == (st == EK_OK) || exists(in(dir, "saved_model.pb")));
        unmake(&m);
        if (exists(in(dir, "saved_model.pb"))) assert_text(dir, NULL, "hello");
        else without++;
        test_folder_remove(folder);
    }
    assert_true(without > 10);
}

/* Otherwise the next attempt would find the folder in use. */
static void after_a_failure_nothing_is_left(void **state)
{
    ek_status st = EK_INTERNAL;

    (void)state;
    for (long k = 1; st != EK_OK; k++) {
        char *folder = test_folder_make();
        const char *dir = in(folder, "model"), *asset = write_asset(folder, "hello");
        model m = make();
        test_faults faults = { .fail_at = k, .error = ENOSPC, .room = -1 };

        if (k % 2 == 0) assert_int_equal(mkdir(dir, 0777), 0);
        test_faults_install(&faults);
        st = ek_saved_model_save(m.s, dir, .add = { .assets = { { m.file, asset } }, .main_op = m.main_op });
        test_faults_remove();
        if (st != EK_OK && k % 2 != 0 && exists(dir)) fail_msg("call %ld failed, and the folder is left", k);
        if (st != EK_OK && k % 2 == 0 && test_folder_count(dir, NULL) != 0) fail_msg("call %ld failed, and files are left", k);
        st = faults.calls < k ? st : EK_INTERNAL; /* what tidies up may fail without a word */
        unmake(&m);
        test_folder_remove(folder);
    }
}

static char *memory_folder;

static ek_status everything(void)
{
    ek_error err = { .code = EK_OK };
    ek_graph *g = ek_graph_create(), *back = NULL;
    ek_session *s = NULL, *again = NULL;
    ek_status st;
    static int turn;
    char dir[600];

    if (g == NULL) return EK_RESOURCE_EXHAUSTED;
    snprintf(dir, sizeof dir, "%s/%d", memory_folder, turn++);
    const ek_variable w = ek_variable_create(g, 3.0, .name = "w", .dtype = EK_FLOAT32);
    const ek_tensor y = ek_negative(ek_variable_value(w)), file = ek_constant(g, ek_str("x"), .name = "file");
    const ek_op init = ek_global_variables_initializer(g);
    st = ek_graph_status(g, &err);
    if (st == EK_OK && (s = ek_session_create(g, .threads = 1)) == NULL) st = EK_RESOURCE_EXHAUSTED;
    if (st == EK_OK) st = ek_run(s, .target = { init }, .error = &err);
    if (st == EK_OK)
        st = ek_saved_model_save(s, dir, .outputs = { { "y", y } }, .error = &err,
                                 .add = { .main_op = init, .assets = { { file, in(memory_folder, "words.txt") } } });
    if (st == EK_OK) st = ek_saved_model_load(dir, .graph = &back, .session = &again, .threads = 1, .error = &err);
    ek_session_destroy(s);
    ek_session_destroy(again);
    ek_graph_destroy(g);
    ek_graph_destroy(back);
    return st;
}

static void without_memory_there_is_an_error_and_no_leak(void **state)
{
    (void)state;
    memory_folder = test_folder_make();
    write_asset(memory_folder, "hello");
    ek_test_refuse_each(everything, 600);
    test_folder_remove(memory_folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_model_of_the_v1_builder_answers_with_its_asset),
        cmocka_unit_test(old_models_of_other_projects_answer),
        cmocka_unit_test(a_model_of_tensorflow_2_is_refused_by_its_function_call),
        cmocka_unit_test(a_model_comes_back_with_variables_signature_and_asset),
        cmocka_unit_test(several_graphs_share_the_variables),
        cmocka_unit_test(assets_of_one_name_are_told_apart),
        cmocka_unit_test(a_graph_without_variables_is_a_model_too),
        cmocka_unit_test(folders_that_are_in_use_are_left_alone),
        cmocka_unit_test(without_its_files_a_model_is_not_loaded),
        cmocka_unit_test(killed_at_any_instant_there_is_a_whole_model_or_none),
        cmocka_unit_test(after_a_failure_nothing_is_left),
        cmocka_unit_test(without_memory_there_is_an_error_and_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
