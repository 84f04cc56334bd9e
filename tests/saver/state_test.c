/* The state file of a folder, in TensorFlow's very text, and the names of files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "evenkeel/saver.h"
#include "saver/path.h"
#include "support/folder.h"
#include "support/support.h"

static char folder[600];

static int enter(void **state)
{
    const int failed = test_folder_enter(state);

    snprintf(folder, sizeof folder, "%s", test_folder);
    return failed;
}

/* ---- paths, as Python 3.11 has them -------------------------------------------------------------------- */

static void names_of_files_are_pythons(void **state)
{
    static const char *const relative[][3] = {
        { "/a/b/c", "/a/b", "c" },
        { "/a/b", "/a/b", "." },
        { "/a/b", "/a/b/c", ".." },
        { "/a/x", "/a/b/c", "../../x" },
        { "/ab/c", "/a", "../ab/c" },
        { "/a/./b//c/../d", "/a", "b/d" },
        { "/", "/a", ".." },
        { "/a", "/", "a" },
        { "run/model", "run", "model" },
        { "run/model", "", "run/model" },
        { "model", "", "model" },
        { "model", "run", "../model" },
        { "./run/model", "run/", "model" },
    };
    static const char *const dirname[][2] = { { "a/b", "a" },  { "a", "" },     { "/a", "/" },
                                              { "a//b", "a" }, { "//a", "//" }, { "a/", "a" } };
    static const char *const meta[][2] = {
        { "model-100", "model-100.meta" },
        { "model-100-\?\?\?\?\?-of-00005", "model-100.meta" },
        { "model-00001-of-00002", "model.meta" },
        { "a-of-2", "a-of-2.meta" },
        { "-of-2", "-of-2.meta" },
        { "1-of-2", "1-of-2.meta" },
        { "", ".meta" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof relative / sizeof relative[0]; i++) {
        ek_buf b = { .data = NULL };
        ek__path_relative(&b, relative[i][0], relative[i][1]);
        assert_string_equal(b.data, relative[i][2]);
        ek__buf_fini(&b);
    }
    for (size_t i = 0; i < sizeof dirname / sizeof dirname[0]; i++) {
        ek_buf b = { .data = NULL };
        ek__path_dirname(&b, dirname[i][0]);
        ek__buf_add(&b, "", 0);
        assert_string_equal(b.data != NULL ? b.data : "", dirname[i][1]);
        ek__buf_fini(&b);
    }
    for (size_t i = 0; i < sizeof meta / sizeof meta[0]; i++) {
        ek_buf b = { .data = NULL };
        ek__path_of_meta(&b, meta[i][0]);
        assert_string_equal(b.data, meta[i][1]);
        ek__buf_fini(&b);
    }
}

/* ---- the file -------------------------------------------------------------------------------------------- */

static void write_text(const char *name, const char *text)
{
    FILE *f = fopen(name, "wb");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void assert_text(const char *name, const char *want)
{
    char *text = ek_test_read(name, NULL);

    assert_non_null(text);
    assert_string_equal(text, want);
    free(text);
}

static void paths_are_relative_to_a_relative_folder(void **state)
{
    const char *const paths[] = { "run/model-1", "run/model-2" };
    const double times[] = { 1.5, 1700000000.25 };
    ek_checkpoint_state s = { .model_checkpoint_path = "run/model-2",
                              .all_model_checkpoint_paths = paths,
                              .n_paths = 2 };

    (void)state;
    assert_int_equal(mkdir("run", 0777), 0);
    assert_int_equal(ek_checkpoint_state_update("run", &s, false, NULL, NULL), EK_OK);
    assert_text("run/checkpoint", "model_checkpoint_path: \"model-2\"\nall_model_checkpoint_paths: \"model-1\"\n"
                                  "all_model_checkpoint_paths: \"model-2\"\n");
    s.n_paths = 0; /* the latest is added */
    assert_int_equal(ek_checkpoint_state_update("run", &s, false, "latest", NULL), EK_OK);
    assert_text("run/latest", "model_checkpoint_path: \"model-2\"\nall_model_checkpoint_paths: \"model-2\"\n");
    s.n_paths = 2;
    s.all_model_checkpoint_timestamps = times;
    s.last_preserved_timestamp = 3;
    assert_int_equal(ek_checkpoint_state_update("run", &s, false, "timed", NULL), EK_OK);
    assert_text("run/timed", "model_checkpoint_path: \"model-2\"\nall_model_checkpoint_paths: \"model-1\"\n"
                             "all_model_checkpoint_paths: \"model-2\"\nall_model_checkpoint_timestamps: 1.5\n"
                             "all_model_checkpoint_timestamps: 1700000000.25\nlast_preserved_timestamp: 3.0\n");
}

static void paths_are_absolute_in_an_absolute_folder_unless_told_otherwise(void **state)
{
    char path[700], want[1600];
    ek_checkpoint_state s = { .model_checkpoint_path = path };

    (void)state;
    snprintf(path, sizeof path, "%s/m\"od\xc3\xa4", folder);
    assert_int_equal(ek_checkpoint_state_update(folder, &s, true, NULL, NULL), EK_OK);
    assert_text("checkpoint",
                "model_checkpoint_path: \"m\\\"od\\303\\244\"\nall_model_checkpoint_paths: \"m\\\"od\\303\\244\"\n");
    snprintf(path, sizeof path, "%s/model", folder);
    assert_int_equal(ek_checkpoint_state_update(folder, &s, false, NULL, NULL), EK_OK);
    snprintf(want, sizeof want, "model_checkpoint_path: \"%s\"\nall_model_checkpoint_paths: \"%s\"\n", path, path);
    assert_text("checkpoint", want);
}

static void the_state_is_read_back_with_its_folder(void **state)
{
    ek_checkpoint_state *s;

    (void)state;
    write_text("checkpoint",
               "model_checkpoint_path: 'model-2' # the latest\nall_model_checkpoint_paths: '/abs/model-1'\n"
               "all_model_checkpoint_paths: 'model-2'\nall_model_checkpoint_timestamps: "
               "1\nall_model_checkpoint_timestamps: 2.5\n"
               "last_preserved_timestamp: 7");
    assert_int_equal(ek_checkpoint_state_read(folder, NULL, &s, NULL), EK_OK);
    assert_int_equal(s->n_paths, 2);
    assert_string_equal(s->all_model_checkpoint_paths[0], "/abs/model-1");
    assert_string_equal(s->all_model_checkpoint_paths[1], s->model_checkpoint_path);
    assert_true(s->all_model_checkpoint_timestamps[1] == 2.5 && s->last_preserved_timestamp == 7);
    ek_free(s);
    assert_int_equal(ek_checkpoint_state_read(".", NULL, &s, NULL), EK_OK);
    assert_string_equal(s->model_checkpoint_path, "./model-2");
    ek_free(s);
    assert_int_equal(ek_checkpoint_state_read("", NULL, &s, NULL), EK_OK);
    assert_string_equal(s->model_checkpoint_path, "model-2");
    ek_free(s);
}

static void what_is_no_state_is_refused(void **state)
{
    ek_checkpoint_state *s = (void *)(uintptr_t)1;
    const ek_checkpoint_state itself = { .model_checkpoint_path = "./checkpoint" };

    (void)state;
    assert_int_equal(ek_checkpoint_state_read(folder, NULL, &s, NULL), EK_NOT_FOUND);
    assert_null(s);
    assert_null(ek_latest_checkpoint(folder, NULL));
    write_text("checkpoint", "model_checkpoint_path: ''\n");
    assert_int_equal(ek_checkpoint_state_read(".", NULL, &s, NULL), EK_INVALID_ARGUMENT);
    assert_string_equal(ek_last_error()->text, "Invalid checkpoint state loaded from .");
    write_text("checkpoint", "model_checkpoint_path: 5\n");
    assert_int_equal(ek_checkpoint_state_read(".", NULL, &s, NULL), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(ek_last_error()->text, "./checkpoint is no checkpoint state: 1:"));
    assert_int_equal(ek_checkpoint_state_update(".", &itself, false, NULL, NULL), EK_INVALID_ARGUMENT);
    assert_string_equal(ek_last_error()->text,
                        "Save path './checkpoint' conflicts with path used for checkpoint state.  Please "
                        "use a different save path.");
    assert_int_equal(ek_checkpoint_state_update("none", &itself, false, NULL, NULL), EK_NOT_FOUND);
    assert_int_equal(ek_checkpoint_state_read(NULL, NULL, &s, NULL), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_checkpoint_state_update(".", NULL, false, NULL, NULL), EK_INVALID_ARGUMENT);
    assert_false(ek_checkpoint_exists(NULL));
    assert_false(ek_checkpoint_exists("none"));
}

/* ---- TensorFlow's folder ------------------------------------------------------------------------------------ */

static void the_latest_of_tensorflows_folder(void **state)
{
    const char *path = ek_test_data("tf-files/ckpt-rotation");
    char want[4096], *latest, *prefix;

    (void)state;
    if (path == NULL) skip();
    latest = ek_latest_checkpoint(path, NULL);
    assert_non_null(latest);
    snprintf(want, sizeof want, "%s/model-50", path);
    assert_string_equal(latest, want);
    ek_free(latest);
    assert_null(ek_latest_checkpoint(path, "other"));
    prefix = strdup(ek_test_data("tf-files/ckpt-v1/model.ckpt"));
    assert_true(ek_checkpoint_exists(prefix));
    free(prefix);
    snprintf(want, sizeof want, "%s/model.ckpt", ek_test_data("tf-files/ckpt-v1-sharded-slices"));
    assert_true(ek_checkpoint_exists(want));
}

static ek_status round_trip(void)
{
    const char *const paths[] = { "model-1", "model-2" };
    const ek_checkpoint_state s = { .model_checkpoint_path = "model-2",
                                    .all_model_checkpoint_paths = paths,
                                    .n_paths = 2 };
    ek_checkpoint_state *back = NULL;
    ek_error err = { .code = EK_OK };
    ek_status st = ek_checkpoint_state_update("", &s, true, NULL, &err);

    if (st == EK_OK) st = ek_checkpoint_state_read("", NULL, &back, &err);
    ek_free(back);
    return st;
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    ek_test_refuse_each(round_trip, 0);
}

int main(void)
{
#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, enter, test_folder_leave)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(names_of_files_are_pythons),
        IN_FOLDER(paths_are_relative_to_a_relative_folder),
        IN_FOLDER(paths_are_absolute_in_an_absolute_folder_unless_told_otherwise),
        IN_FOLDER(the_state_is_read_back_with_its_folder),
        IN_FOLDER(what_is_no_state_is_refused),
        cmocka_unit_test(the_latest_of_tensorflows_folder),
        IN_FOLDER(without_memory_it_says_so),
    };

    return cmocka_run_group_tests_name("the state of checkpoints", tests, NULL, NULL);
}
