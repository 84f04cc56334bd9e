/* Saving: what is written, what is kept, what is found again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "evenkeel/evenkeel.h"
#include "codec/bundle.h"
#include "support/counting.h"
#include "support/folder.h"
#include "support/json.h"
#include "support/support.h"
#include "values/array.h"


/* Of all elements; -1: none, or they differ. */
static double value_of(counting m, ek_variable v)
{
    ek_array *value = NULL;
    double first = -1;

    if (ek_session_get(m.s, v, &value) == EK_OK) first = ek_array_get(value, 0);
    for (int64_t i = 1; i < ek_array_count(value); i++)
        if (ek_array_get(value, i) != first) first = -1;
    ek_array_unref(value);
    return first;
}

static bool there(const char *name) { return access(name, F_OK) == 0; }

static void assert_text(const char *name, const char *want)
{
    char *text = ek_test_read(name, NULL);

    assert_non_null(text);
    assert_string_equal(text, want);
    free(text);
}

/* ---- there and back --------------------------------------------------------------------------------------------- */

static void what_is_saved_is_restored_without_an_initializer(void **state)
{
    (void)state;
    for (int resource = 0; resource < 2; resource++) {
        counting m = counting_make(resource != 0, NULL);
        char *path = NULL, *latest;
        counting_steps(m, 3);
        assert_int_equal(ek_saver_save(m.saver, m.s, "run/model", .global_step_variable = m.step, .path = &path),
                         EK_OK);
        assert_string_equal(path, "run/model-3");
        assert_true(there("run/model-3.index") && there("run/model-3.meta") && there("run/checkpoint"));
        assert_int_equal(test_folder_count("run", NULL), 4);
        counting_steps(m, 2);
        counting_restore(m, path);
        assert_true(value_of(m, m.w) == 3 && value_of(m, m.step) == 3);
        ek_session_destroy(m.s);
        m.s = ek_session_create(m.g, .threads = 1); /* nothing is initialized here */
        latest = ek_latest_checkpoint("run", NULL);
        assert_string_equal(latest, "run/model-3");
        counting_restore(m, latest);
        assert_true(value_of(m, m.w) == 3);
        ek_free(latest);
        ek_free(path);
        counting_end(m);
        assert_int_equal(ek_checkpoint_remove("run/model-3", NULL), EK_OK);
        assert_int_equal(test_folder_count("run", NULL), 1);
    }
}

/* A graph that comes from the .meta goes on with its own saver, nothing else known. */
static void a_graph_and_its_checkpoint_go_on_from_their_files(void **state)
{
    counting m = counting_make(false, NULL), again = { .g = NULL };
    ek_op next;
    char *path = NULL;

    (void)state;
    counting_steps(m, 4);
    counting_save(m, "model", -1);
    counting_end(m);
    assert_int_equal(ek_meta_graph_load("model.meta", &again.g), EK_OK);
    again.s = ek_session_create(again.g);
    again.saver = ek_saver_of_graph(again.g);
    assert_non_null(again.saver);
    assert_ptr_equal(again.saver, ek_saver_of_graph(again.g));
    assert_int_equal(ek_saver_get_def(again.saver)->max_to_keep, 5);
    counting_restore(again, "model");
    assert_int_equal(ek_graph_op_by_name(again.g, "group_deps", &next), EK_OK);
    assert_int_equal(ek_run(again.s, .target = { next }), EK_OK);
    again.w = ek_variable_by_name(again.g, "w");
    assert_true(value_of(again, again.w) == 5);
    assert_int_equal(ek_saver_save(again.saver, again.s, "model", .global_step = 5, .path = &path), EK_OK);
    assert_string_equal(path, "model-5");
    ek_free(path);
    counting_end(again);
}

static void a_subset_and_other_names(void **state)
{
    counting m = counting_make(false, NULL);
    ek_saver *only = ek_saver_create(m.g, .var_list = EK_LIST(m.step), .name = "only");
    ek_saver *renamed = ek_saver_create(m.g, .named = EK_NAMED_VARIABLES({ "old/w", m.w }), .name = "old");
    ek_saver_save_options o = { .size = sizeof o, .global_step = -1, .prefix = "old" };
    ek_bundle *b = NULL;

    (void)state;
    counting_steps(m, 2);
    assert_int_equal(ek_saver_save_with(renamed, m.s, &o, EK_HERE), EK_OK);
    counting_save(m, "all", -1);
    assert_int_equal(ek__bundle_open("old", &b, NULL), EK_OK);
    assert_int_equal(ek__bundle_count(b), 1);
    assert_string_equal(ek__bundle_at(b, 0)->name, "old/w");
    ek__bundle_close(b);
    counting_steps(m, 5);
    assert_int_equal(ek_saver_restore(only, m.s, "all", NULL), EK_OK);
    assert_true(value_of(m, m.step) == 2 && value_of(m, m.w) == 7);
    assert_int_equal(ek_saver_restore(renamed, m.s, "old", NULL), EK_OK);
    assert_true(value_of(m, m.w) == 2);
    assert_int_equal(ek_saver_restore(only, m.s, "old", NULL), EK_NOT_FOUND);
    counting_end(m);
}

static void another_shape_of_as_many_elements_with_reshape(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_saver_options o = counting_saver();
    counting m = counting_make(false, NULL), flat = { .g = g };

    (void)state;
    counting_steps(m, 6);
    counting_save(m, "model", -1);
    counting_end(m);
    flat.w = ek_get_variable(g, "w", .shape = EK_SHAPE(2, 1, 1));
    o.graph = g;
    o.reshape = true;
    flat.saver = ek_saver_create_with(&o, EK_HERE);
    flat.s = ek_session_create(g);
    counting_restore(flat, "model");
    assert_true(value_of(flat, flat.w) == 6);
    counting_end(flat);
}

static void what_is_kept_besides_is_in_the_same_checkpoint(void **state)
{
    counting m = counting_make(false, NULL);
    const int64_t counters[3] = { 1, -2, INT64_MAX };
    ek_array *array = ek_array_of(EK_INT64, EK_SHAPE(3), counters), *back = NULL;
    const ek_named_array extra[] = { { "_evenkeel/counters", array }, { "w", array } };
    ek_error err = { .code = EK_OK };
    ek_bundle *b = NULL;

    (void)state;
    counting_steps(m, 3);
    for (int i = 0; i < 3; i++) { /* over the same prefix */
        assert_int_equal(ek_saver_save(m.saver, m.s, "model", .extra = extra, .n_extra = 1), EK_OK);
        assert_int_equal(test_folder_count(".", "_temp"), 0);
        counting_steps(m, 1);
        counting_restore(m, "model");
        assert_true(value_of(m, m.w) == 3);
        assert_int_equal(ek__bundle_open("model", &b, NULL), EK_OK);
        assert_int_equal(ek__bundle_count(b), 3);
        assert_int_equal(ek__bundle_read(b, ek__bundle_find(b, "_evenkeel/counters"), NULL, &back, NULL), EK_OK);
        assert_true(ek__array_equal(back, array));
        ek_array_unref(back);
        ek__bundle_close(b);
    }
    /* A variable's name is taken: nothing of the attempt is left, what was there stays. */
    assert_int_equal(ek_saver_save(m.saver, m.s, "model", .extra = extra, .n_extra = 2, .error = &err),
                     EK_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "w"));
    assert_int_equal(test_folder_count(".", "_temp"), 0);
    counting_restore(m, "model");
    ek_array_unref(array);
    counting_end(m);
}

static void savers_in_shards_and_of_nothing(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_saver_options o = counting_saver();
    counting m;

    (void)state;
    o.sharded = true;
    m = counting_make(true, &o);
    counting_steps(m, 2);
    counting_save(m, "run/model", 1);
    assert_int_equal(test_folder_count("run", "_temp"), 0);
    counting_steps(m, 2);
    counting_restore(m, "run/model-1");
    assert_true(value_of(m, m.w) == 2);
    counting_end(m);
    assert_int_equal(ek_checkpoint_remove("run/model-1", NULL), EK_OK);
    o = counting_saver();
    o.graph = g;
    o.allow_empty = true;
    (void)ek_constant(g, ek_float(1));
    ek_saver *nothing = ek_saver_create_with(&o, EK_HERE);
    ek_session *s = ek_session_create(g);
    char *path = NULL;
    assert_non_null(nothing);
    assert_int_equal(ek_saver_save(nothing, s, "run/model", .global_step = 7, .path = &path), EK_OK);
    assert_null(path);
    assert_true(there("run/model-7.meta") && !there("run/model-7.index"));
    assert_int_equal(ek_saver_restore(nothing, s, "run/model-7", NULL), EK_OK);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* ---- rotation ---------------------------------------------------------------------------------------------------- */

/* The very files and the very text that TensorFlow leaves after each save. */
static void rotation_is_tensorflows(void **state)
{
    const char *path = ek_test_data("tf-files/ckpt-rotation/expected.json");
    ek_saver_options o;
    counting m;
    json *want;
    int step = 10;

    (void)state;
    if (path == NULL) skip();
    want = json_load(path);
    o = counting_saver();
    o.max_to_keep = 3;
    m = counting_make(false, &o);
    for (const json *files = json_get(want, "files after each save")->child; files != NULL;
         files = files->next, step += 10) {
        int n = 0;
        assert_int_equal(
            ek_saver_save(m.saver, m.s, "model", .global_step = step, .no_meta_graph = step != 10 && step != 50),
            EK_OK);
        for (const json *name = files->child; name != NULL; name = name->next, n++)
            if (!there(name->string)) fail_msg("after step %d %s is missing", step, name->string);
        assert_int_equal(test_folder_count(".", NULL), n);
    }
    assert_text("checkpoint", json_string(want, "state"));
    json_free(want);
    counting_end(m);
}

static void rotation_goes_on_after_a_restart(void **state)
{
    ek_saver_options o = counting_saver();
    counting m;
    char *kept;

    (void)state;
    o.max_to_keep = 2;
    m = counting_make(false, &o);
    for (int i = 1; i <= 3; i++) counting_save(m, "model", i);
    counting_end(m);
    m = counting_make(false, &o);
    assert_int_equal(ek_saver_recover_last_checkpoints(m.saver, ".", NULL, NULL), EK_OK);
    kept = ek_saver_last_checkpoint(m.saver, 0);
    assert_string_equal(kept, "./model-2");
    ek_free(kept);
    assert_null(ek_saver_last_checkpoint(m.saver, 2));
    counting_save(m, "./model", 4);
    counting_save(m, "./model", 5);
    assert_true(there("model-4.index") && there("model-5.index") && there("model-5.meta"));
    assert_false(there("model-2.index") || there("model-3.index") || there("model-2.meta"));
    assert_text("checkpoint", "model_checkpoint_path: \"model-5\"\nall_model_checkpoint_paths: \"model-4\"\n"
                              "all_model_checkpoint_paths: \"model-5\"\n");
    assert_int_equal(ek_saver_recover_last_checkpoints(m.saver, "elsewhere", NULL, NULL), EK_OK);
    counting_end(m);
}

static void write_text(const char *name, const char *text)
{
    FILE *f = fopen(name, "wb");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void a_state_file_cannot_have_other_files_deleted(void **state)
{
    ek_saver_options o = counting_saver();
    counting m;
    ek_error err = { .code = EK_OK };

    (void)state;
    o.max_to_keep = 1;
    m = counting_make(false, &o);
    assert_int_equal(mkdir("run", 0777), 0);
    counting_save(m, "other", 1);
    write_text("thesis.tex", "years of work");
    write_text("run/notes", "a week of work");
    write_text("run/notes.meta", "of the notes");
    write_text("run/checkpoint",
               "model_checkpoint_path: \"model-2\"\nall_model_checkpoint_paths: \"../thesis.tex\"\n"
               "all_model_checkpoint_paths: \"../other-1\"\nall_model_checkpoint_paths: \"checkpoint\"\n"
               "all_model_checkpoint_paths: \"notes\"\n");
    assert_int_equal(ek_saver_recover_last_checkpoints(m.saver, "run", NULL, NULL), EK_OK);
    counting_save(m, "run/model", 3);
    assert_true(there("thesis.tex") && there("other-1.index") && there("other-1.meta") && there("run/checkpoint"));
    assert_true(there("run/notes") && there("run/notes.meta") && there("run/model-3.index"));
    assert_int_equal(ek_checkpoint_remove("thesis.tex", &err), EK_INVALID_ARGUMENT);
    assert_string_equal(err.text, "'thesis.tex' is not deleted: it is no checkpoint");
    assert_true(there("thesis.tex"));
    counting_end(m);
}

static void one_in_so_many_hours_stays(void **state)
{
    ek_saver_options o = counting_saver();
    counting m;

    (void)state;
    o.max_to_keep = 1;
    o.keep_checkpoint_every_n_hours = 1e-12; /* each is older than that */
    m = counting_make(false, &o);
    for (int i = 1; i <= 4; i++) counting_save(m, "model", i);
    assert_true(there("model-1.index") && there("model-2.index") && there("model-3.index") && there("model-4.index"));
    assert_text("checkpoint", "model_checkpoint_path: \"model-4\"\nall_model_checkpoint_paths: \"model-4\"\n");
    counting_end(m);
    o.max_to_keep = 0; /* all stay, the last is named */
    o.keep_checkpoint_every_n_hours = 10000;
    m = counting_make(false, &o);
    for (int i = 5; i <= 7; i++) counting_save(m, "model", i);
    assert_true(there("model-5.index") && there("model-6.index") && there("model-7.index"));
    assert_text("checkpoint", "model_checkpoint_path: \"model-7\"\nall_model_checkpoint_paths: \"model-7\"\n");
    counting_end(m);
}

static void the_same_name_again_counts_once(void **state)
{
    counting m = counting_make(false, NULL);

    (void)state;
    for (int i = 0; i < 7; i++) {
        counting_steps(m, 1);
        counting_save(m, "model", -1);
    }
    assert_text("checkpoint", "model_checkpoint_path: \"model\"\nall_model_checkpoint_paths: \"model\"\n");
    assert_int_equal(test_folder_count(".", NULL), 4);
    counting_restore(m, "model");
    assert_true(value_of(m, m.w) == 7);
    counting_end(m);
}

static void numbers_in_names_and_paths_in_the_state(void **state)
{
    ek_saver_options o = counting_saver();
    char absolute[700], want[1500];
    counting m;

    (void)state;
    o.pad_step_number = true;
    m = counting_make(false, &o);
    snprintf(absolute, sizeof absolute, "%s/model", test_folder);
    counting_save(m, absolute, 42);
    snprintf(want, sizeof want, "model_checkpoint_path: \"%s-00000042\"\nall_model_checkpoint_paths: \"%s-00000042\"\n",
             absolute, absolute);
    assert_text("checkpoint", want);
    counting_end(m);
    o = counting_saver();
    o.save_relative_paths = true;
    m = counting_make(false, &o);
    assert_int_equal(ek_saver_save(m.saver, m.s, absolute, .global_step = 43, .latest_filename = "latest"), EK_OK);
    assert_text("latest", "model_checkpoint_path: \"model-43\"\nall_model_checkpoint_paths: \"model-43\"\n");
    assert_int_equal(
        ek_saver_save(m.saver, m.s, absolute, .global_step = 44, .latest_filename = "none", .no_state = true), EK_OK);
    assert_true(there("model-44.index") && !there("none"));
    counting_end(m);
}

/* ---- refused ----------------------------------------------------------------------------------------------------- */

static void what_cannot_be_saved_is_told(void **state)
{
    counting m = counting_make(false, NULL), other = counting_make(false, NULL);
    ek_error err = { .code = EK_OK };
    char *path = (char *)(uintptr_t)1;
    ek_session *fresh = ek_session_create(m.g);

    (void)state;
#define REFUSED(want, words, saver, session, ...)                                                  \
    do {                                                                                           \
        err = (ek_error){ .code = EK_OK };                                                         \
        assert_int_equal(ek_saver_save(saver, session, __VA_ARGS__, .error = &err), want);         \
        if (strstr(err.text, words) == NULL) fail_msg("'%s' is not in '%s'", words, err.text);     \
    } while (0)
    REFUSED(EK_NOT_FOUND, "Parent directory of a/b/model doesn't exist, can't save.", m.saver, m.s, "a/b/model",
            .path = &path);
    assert_null(path);
    REFUSED(EK_INVALID_ARGUMENT, "'latest_filename' must not contain path components", m.saver, m.s, "m",
            .latest_filename = "a/b");
    REFUSED(EK_INVALID_ARGUMENT, "'latest_filename' collides with 'save_path': 'checkpoint' and 'run/checkpoint'",
            m.saver, m.s, "run/checkpoint");
    REFUSED(EK_INVALID_ARGUMENT, "'run/' is a folder", m.saver, m.s, "run/");
    REFUSED(EK_INVALID_ARGUMENT, "the prefix of a checkpoint is needed", m.saver, m.s, "");
    REFUSED(EK_INVALID_ARGUMENT, "another graph", m.saver, other.s, "m");
    REFUSED(EK_INVALID_ARGUMENT, "a saver and a session are needed", NULL, m.s, "m");
    REFUSED(EK_INVALID_ARGUMENT, ".extra has 3 items and is not there", m.saver, m.s, "m", .n_extra = 3);
    REFUSED(EK_INVALID_ARGUMENT, "no integer of zero or more", m.saver, m.s, "m", .global_step_variable = m.w);
    REFUSED(EK_FAILED_PRECONDITION, "uninitialized", m.saver, fresh, "m");
    assert_int_equal(test_folder_count(".", NULL), 0);
    ek_session_destroy(fresh);
    counting_end(other);
    counting_end(m);
}

int main(void)
{
#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, test_folder_enter, test_folder_leave)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(what_is_saved_is_restored_without_an_initializer),
        IN_FOLDER(a_graph_and_its_checkpoint_go_on_from_their_files),
        IN_FOLDER(a_subset_and_other_names),
        IN_FOLDER(another_shape_of_as_many_elements_with_reshape),
        IN_FOLDER(what_is_kept_besides_is_in_the_same_checkpoint),
        IN_FOLDER(savers_in_shards_and_of_nothing),
        IN_FOLDER(rotation_is_tensorflows),
        IN_FOLDER(rotation_goes_on_after_a_restart),
        IN_FOLDER(a_state_file_cannot_have_other_files_deleted),
        IN_FOLDER(one_in_so_many_hours_stays),
        IN_FOLDER(the_same_name_again_counts_once),
        IN_FOLDER(numbers_in_names_and_paths_in_the_state),
        IN_FOLDER(what_cannot_be_saved_is_told),
    };

    return cmocka_run_group_tests_name("saving", tests, NULL, NULL);
}
