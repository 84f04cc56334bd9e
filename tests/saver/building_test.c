/* The nodes of savers: as TensorFlow makes them, in every form; and what is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evenkeel/evenkeel.h"
#include "graph/node.h"
#include "saver/saver.h"
#include "support/support.h"

/* ---- against TensorFlow's own files ------------------------------------------------------------------ */

static ek_graph *import(const char *file)
{
    const char *path = ek_test_data(file);
    ek_graph *g = NULL;
    ek_error err = { .code = EK_OK };

    if (path != NULL && ek_meta_graph_load(path, &g, .error = &err) != EK_OK) fail_msg("%s: %s", file, err.text);
    return g;
}

static ek_op op_of(ek_graph *g, const char *name)
{
    ek_op op;

    if (ek_graph_op_by_name(g, name, &op) != EK_OK) fail_msg("%s", ek_last_error()->text);
    return op;
}

/* A node of "save/" and one of "save_1/" as text that is equal where TensorFlow 1.15 makes both. */
static void print(ek_graph *g, const char *name, char *out, size_t size)
{
    char *text = ek_op_str(op_of(g, name)), *at = text, *end;
    size_t n = 0;

    assert_non_null(text);
    while (*at != '\0' && n + 1 < size) {
        static const char *const later[] = { "_has_manual_control_dependencies", "validate_shape", "_output_shapes" };
        bool skipped = false;
        for (int i = 0; i < 3; i++) {
            char begin[80];
            snprintf(begin, sizeof begin, "attr {\n  key: \"%s\"", later[i]);
            if (strncmp(at, begin, strlen(begin)) != 0) continue;
            /* Assign checks shapes in 1.15 too. */
            if (i == 1 && strstr(text, "op: \"Assign\"\n") != NULL) continue;
            end = strstr(at, "\n}\n");
            assert_non_null(end);
            at = end + 3;
            skipped = true;
        }
        if (skipped) continue;
        if (strncmp(at, "save_1/", 7) == 0) {
            n += (size_t)snprintf(out + n, size - n, "save/");
            at += 7;
            continue;
        }
        out[n++] = *at++;
    }
    out[n] = '\0';
    ek_free(text);
}

/* The saver of the file and one made like it have the same nodes; returns how many. */
static int same_as_in_file(ek_graph *g, int64_t from)
{
    static char a[200000], b[200000];
    int compared = 0;

    for (int64_t i = from; i < ek_graph_op_count(g); i++) {
        const char *name = ek_op_name(ek_graph_op_at(g, i));
        char other[300];
        assert_memory_equal(name, "save_1/", 7);
        snprintf(other, sizeof other, "save/%s", name + 7);
        print(g, name, b, sizeof b);
        print(g, other, a, sizeof a);
        assert_string_equal(a, b);
        compared++;
    }
    return compared;
}

static int in_file(ek_graph *g)
{
    int n = 0;

    for (int64_t i = 0; i < ek_graph_op_count(g); i++) n += strncmp(ek_op_name(ek_graph_op_at(g, i)), "save/", 5) == 0;
    return n;
}

static void a_saver_of_every_variable_is_that_of_the_file(void **state)
{
    static const char *const files[] = { "tf-files/ckpt-v2-plain/model.meta", "tf-files/ckpt-v2-resource/model-5.meta",
                                         "tf-files/ckpt-v2-partitioned/model.meta",
                                         "tf-files/ckpt-v2-adam/model-20.meta" };

    (void)state;
    for (int i = 0; i < 4; i++) {
        ek_graph *g = import(files[i]);
        if (g == NULL) skip();
        const int64_t before = ek_graph_op_count(g);
        ek_saver *s = ek_saver_create(g, .name = "save_1");
        if (s == NULL) fail_msg("%s: %s", files[i], g->error.text);
        assert_int_equal(same_as_in_file(g, before), in_file(g));
        assert_string_equal(ek_saver_get_def(s)->restore_op_name, "save_1/restore_all");
        ek_graph_destroy(g);
    }
}

static void renamed_variables_are_saved_under_their_new_names(void **state)
{
    ek_graph *g = import("tf-files/ckpt-v2-renamed/model.meta");

    (void)state;
    if (g == NULL) skip();
    const int64_t before = ek_graph_op_count(g);
    const ek_variable a = ek_variable_by_name(g, "new/a"), b = ek_variable_by_name(g, "new/b");
    assert_non_null(ek_saver_create(g, .name = "save_1", .named = EK_NAMED_VARIABLES({ "old/a", a }, { "b", b })));
    assert_int_equal(same_as_in_file(g, before), in_file(g));
    ek_graph_destroy(g);
}

/* ---- in shards ---------------------------------------------------------------------------------------------- */

static const char *device(ek_graph *g, const char *name) { return ek_op_device(op_of(g, name)); }

/* TensorFlow 2.15 makes the temporary name in another way; the rest is as 1.15 has it. */
static void a_sharded_saver_is_that_of_the_file(void **state)
{
    static const char *const other[] = { "StringJoin/inputs_1", "StringJoin" };
    ek_graph *g = import("tf-files/ckpt-v2-sharded/model.meta");
    static char a[200000], b[200000];
    int compared = 0;

    (void)state;
    if (g == NULL) skip();
    const int64_t before = ek_graph_op_count(g);
    assert_non_null(ek_saver_create(g, .name = "save_1", .sharded = true));
    for (int64_t i = before; i < ek_graph_op_count(g); i++) {
        const char *name = ek_op_name(ek_graph_op_at(g, i)) + 7;
        char here[300], there[300];
        if (strcmp(name, other[0]) == 0 || strcmp(name, other[1]) == 0) continue;
        snprintf(here, sizeof here, "save_1/%s", name);
        snprintf(there, sizeof there, "save/%s", name);
        print(g, here, b, sizeof b);
        print(g, there, a, sizeof a);
        if (strcmp(name, "MergeV2Checkpoints") == 0) { /* an attribute of later versions */
            char *later = strstr(a, "attr {\n  key: \"allow_missing_files\""), *end = strstr(later, "\n}\n") + 3;
            memmove(later, end, strlen(end) + 1);
        }
        assert_string_equal(a, b);
        compared++;
    }
    assert_int_equal(compared, in_file(g) - 5); /* StaticRegexFullMatch, Const_1, Const_2, Select, StringJoin */
    assert_string_equal(device(g, "save_1/Assign_8"), "/job:localhost/replica:0/task:0/device:CPU:2");
    assert_string_equal(device(g, "save_1/StringJoin"), "");
    ek_graph_destroy(g);
}

static void shards_are_found_by_the_devices_of_variables(void **state)
{
    static const char *const names[][3] = {
        { "", "", "/device:CPU:0" },
        { "/cpu:1", "/device:CPU:1", "/device:CPU:0" },
        { "/device:GPU", "/device:GPU:*", "/device:CPU:0" },
        { "/job:ps/task:3/replica:1/gpu:2", "/job:ps/replica:1/task:3/device:GPU:2",
          "/job:ps/replica:1/task:3/device:CPU:0" },
    };
    ek_graph *g = ek_graph_create();

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_string_equal(ek__device_name(g, names[i][0], false), names[i][1]);
        assert_string_equal(ek__device_name(g, names[i][0], true), names[i][2]);
    }
    ek_graph_destroy(g);
}

/* ---- names and collections ------------------------------------------------------------------------------------ */

static void several_savers_and_what_a_meta_graph_says_of_them(void **state)
{
    ek_graph *g = ek_graph_create(), *again = NULL;
    const ek_variable w = ek_get_variable(g, "w", .shape = EK_SHAPE(2));
    ek_saver *first = ek_saver_create(g), *second, *third;
    ek_saver_def def;
    void *bytes;
    size_t size;

    (void)state;
    ek_add_to_collection(g, EK_SAVEABLE_OBJECTS,
                         ek_get_variable(g, "local", .shape = EK_SHAPE(3), .collections = EK_KEYS("mine")));
    second = ek_saver_create(g, .max_to_keep = 2, .keep_checkpoint_every_n_hours = 0.5);
    third = ek_saver_create(g, .var_list = EK_LIST(w), .name = "best");
    assert_string_equal(ek_saver_get_def(first)->save_tensor_name, "save/control_dependency:0");
    assert_string_equal(ek_saver_get_def(second)->filename_tensor_name, "save_1/Const:0");
    assert_string_equal(ek_saver_get_def(third)->restore_op_name, "best/restore_all");
    assert_int_equal(ek_op_input_count(op_of(g, "save/SaveV2")), 4);
    assert_int_equal(ek_op_input_count(op_of(g, "save_1/SaveV2")), 5); /* with the saveable object */
    ek_add_item_to_collection(g, EK_SAVERS, ek_saver_item(second), EK_HERE);
    assert_int_equal(ek_meta_graph_save_bytes(g, &bytes, &size), EK_OK);
    assert_int_equal(ek_meta_graph_load_bytes(bytes, size, &again, .import_scope = "old"), EK_OK);
    assert_true(ek_graph_saver_def(again, &def));
    assert_string_equal(def.restore_op_name, "old/best/restore_all");
    assert_string_equal(ek_saver_get_def(ek_saver_of_graph(again))->filename_tensor_name, "old/best/Const:0");
    const ek_item item = ek_get_collection(again, EK_SAVERS).item[0];
    assert_int_equal(item.kind, EK_ITEM_BYTES);
    assert_non_null(memmem(item.u.bytes.data, item.u.bytes.size, "old/save_1/restore_all", 22));
    assert_int_equal(ek_saver_item(NULL).kind, EK_ITEM_NONE);
    ek_free(bytes);
    ek_graph_destroy(again);
    ek_graph_destroy(g);
}

static void order_of_names_is_that_of_bytes(void **state)
{
    ek_graph *g = ek_graph_create();
    const char *const names[] = { "b", "a/part_2", "a", "C", "a/part_10" };
    ek_op save;

    (void)state;
    for (int i = 0; i < 5; i++) (void)ek_get_variable(g, names[i], .shape = EK_SHAPE(1));
    assert_non_null(ek_saver_create(g));
    save = op_of(g, "save/SaveV2");
    const char *const sorted[] = { "C", "a", "a/part_10", "a/part_2", "b" };
    for (int i = 0; i < 5; i++) assert_string_equal(ek_op_name(ek_tensor_op(ek_op_input(save, 3 + i))), sorted[i]);
    ek_graph_destroy(g);
}

/* ---- refused ----------------------------------------------------------------------------------------------------- */

static void assert_failed(ek_graph *g, const ek_saver *saver, const char *text)
{
    ek_error err = { .code = EK_OK };

    assert_null(saver);
    assert_int_not_equal(ek_graph_status(g, &err), EK_OK);
    if (strstr(err.text, text) == NULL) fail_msg("'%s' is not in '%s'", text, err.text);
    assert_string_equal(err.file, __FILE__);
    ek_graph_destroy(g);
}

typedef struct two {
    ek_graph *g;
    ek_variable a, b;
    ek_tensor no_variable;
} two;

static two fresh(void)
{
    two t = { .g = ek_graph_create() };

    t.a = ek_get_variable(t.g, "a", .shape = EK_SHAPE(2));
    t.b = ek_get_variable(t.g, "b", .shape = EK_SHAPE(2));
    t.no_variable = ek_constant(t.g, ek_float(1), .name = "c");
    return t;
}

static void what_cannot_be_saved_is_refused(void **state)
{
    ek_graph *g = ek_graph_create();
    two t;

    (void)state;
    assert_failed(g, ek_saver_create(g), "No variables to save");
    t = fresh();
    assert_failed(t.g, ek_saver_create(t.g, .var_list = EK_EMPTY_LIST), "No variables to save");
    t = fresh();
    assert_failed(t.g, ek_saver_create(t.g, .var_list = EK_LIST(t.a, t.a)),
                  "At least two variables have the same name: a");
    t = fresh();
    assert_failed(t.g, ek_saver_create(t.g, .named = EK_NAMED_VARIABLES({ "x", t.a }, { "y", t.a })),
                  "The same saveable will be restored with two names: y");
    t = fresh();
    assert_failed(t.g, ek_saver_create(t.g, .named = EK_NAMED_VARIABLES({ "x", t.a }, { "x", t.b })),
                  "At least two variables have the same name: x");
    t = fresh();
    assert_failed(t.g, ek_saver_create(t.g, .var_list = EK_LIST(t.no_variable)),
                  "Variable to save is not a Variable: c:0");
    t = fresh();
    assert_failed(t.g, ek_saver_create(t.g, .named = EK_NAMED_VARIABLES({ NULL, t.a })),
                  "Not a variable: number 0, '(no name)'");
    t = fresh();
    assert_failed(t.g, ek_saver_create(t.g, .var_list = EK_LIST(t.a), .named = EK_NAMED_VARIABLES({ "x", t.a })),
                  "give one");
    t = fresh();
    assert_failed(t.g, ek_saver_create(t.g, .write_version = 1), "checkpoints V1 are read, not written");
    t = fresh();
    assert_failed(t.g, ek_saver_create(t.g, .max_to_keep = -1), "max_to_keep must be greater or equal to zero");
    t = fresh();
    assert_failed(t.g, ek_saver_create(t.g, .keep_checkpoint_every_n_hours = -1), "cannot be below zero");
    t = fresh();
    ek_graph_finalize(t.g);
    assert_failed(t.g, ek_saver_create(t.g), "finalized");
    assert_null(ek_saver_create(NULL));
    assert_non_null(strstr(ek_last_error()->text, "graph"));
}

static void parts_of_variables_that_do_not_go_together(void **state)
{
    ek_graph *g = import("tf-files/ckpt-v2-partitioned/model.meta");
    ek_variable r0, r1, c0, whole;

    (void)state;
    if (g == NULL) skip();
    ek_graph_destroy(g);
#define WITH_PARTS(call, text)                                                                     \
    do {                                                                                           \
        g = import("tf-files/ckpt-v2-partitioned/model.meta");                                     \
        r0 = ek_variable_by_name(g, "rows/part_0"), r1 = ek_variable_by_name(g, "rows/part_1");    \
        c0 = ek_variable_by_name(g, "columns/part_0"), whole = ek_variable_by_name(g, "whole");    \
        assert_failed(g, call, text);                                                              \
    } while (0)
    WITH_PARTS(ek_saver_create(g, .name = "s", .named = EK_NAMED_VARIABLES({ "x", r0 }, { "x", c0 })),
               "Slices must all be from the same tensor: rows != columns");
    WITH_PARTS(ek_saver_create(g, .name = "s", .named = EK_NAMED_VARIABLES({ "x", r0 }, { "x", whole })),
               "Slices must all be slices: whole");
    g = import("tf-files/ckpt-v2-partitioned/model.meta");
    r0 = ek_variable_by_name(g, "rows/part_0"), r1 = ek_variable_by_name(g, "rows/part_1");
    /* Under a name of their own; one alone is a tensor like any other. */
    assert_non_null(ek_saver_create(g, .name = "s", .named = EK_NAMED_VARIABLES({ "x", r1 }, { "x", r0 })));
    const ek_shape part = ek_tensor_shape(ek_op_output(op_of(g, "s/RestoreV2"), 0));
    assert_true(part.rank == 2 && part.dim[0] == 3 && part.dim[1] == 3);
    char *slices = ek_op_str(op_of(g, "s/SaveV2/shape_and_slices"));
    assert_non_null(strstr(slices, "10 3 4,3:0,3"));
    ek_free(slices);
    ek_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_saver_of_every_variable_is_that_of_the_file),
        cmocka_unit_test(renamed_variables_are_saved_under_their_new_names),
        cmocka_unit_test(a_sharded_saver_is_that_of_the_file),
        cmocka_unit_test(shards_are_found_by_the_devices_of_variables),
        cmocka_unit_test(several_savers_and_what_a_meta_graph_says_of_them),
        cmocka_unit_test(order_of_names_is_that_of_bytes),
        cmocka_unit_test(what_cannot_be_saved_is_refused),
        cmocka_unit_test(parts_of_variables_that_do_not_go_together),
    };

    return cmocka_run_group_tests_name("building savers", tests, NULL, NULL);
}
