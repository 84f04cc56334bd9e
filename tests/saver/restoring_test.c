/* Restoring what TensorFlow wrote: every kind of checkpoint, through the saver of its own MetaGraph. And what does
 * not fit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evenkeel/evenkeel.h"
#include "graph/node.h"
#include "support/support.h"
#include "values/array.h"

static char folder[4000];

static bool have(const char *name)
{
    char relative[300];
    const char *path;

    snprintf(relative, sizeof relative, "tf-files/%s", name);
    path = ek_test_data(relative);
    if (path != NULL) snprintf(folder, sizeof folder, "%s", path);
    return path != NULL;
}

static const char *in_folder(const char *name)
{
    static char path[2][4300];
    static int next;
    char *out = path[next++ % 2];

    snprintf(out, sizeof path[0], "%s/%s", folder, name);
    return out;
}

/* ---- TensorFlow's checkpoints ---------------------------------------------------------------------------- */

typedef struct imported {
    ek_graph *g;
    ek_session *s;
} imported;

static imported import(const char *meta)
{
    imported m = { .g = NULL };
    ek_error err = { .code = EK_OK };

    if (ek_meta_graph_load(in_folder(meta), &m.g, .error = &err) != EK_OK) fail_msg("%s", err.text);
    m.s = ek_session_create(m.g, .threads = 1);
    assert_non_null(m.s);
    return m;
}

static void leave(imported m)
{
    ek_session_destroy(m.s);
    ek_graph_destroy(m.g);
}

/* The value of the checkpoint, which is a Const "value/<name>" of expected.pb. */
static const ek_array *expected(const ek_graph *all, const char *name)
{
    char node[400];
    ek_op op;

    snprintf(node, sizeof node, "value/%s", name);
    if (ek_graph_op_by_name(all, node, &op) != EK_OK) fail_msg("%s", ek_last_error()->text);
    return ek__node(all, op.id)->constant;
}

static void assert_variable(imported m, ek_variable v, const ek_array *want)
{
    ek_array *value = NULL;

    assert_int_equal(ek_session_get(m.s, v, &value), EK_OK);
    if (!ek__array_equal(value, want)) fail_msg("%s is not what the checkpoint has", ek_variable_name(v));
    ek_array_unref(value);
}

/* Every variable, which is called as its key is; returns how many. */
static int64_t restore_and_compare(const char *meta, const char *prefix)
{
    imported m = import(meta);
    ek_graph *all = NULL;
    ek_error err = { .code = EK_OK };
    const ek_list variables = ek_global_variables(m.g);

    if (ek_saver_restore(ek_saver_of_graph(m.g), m.s, in_folder(prefix), &err) != EK_OK) fail_msg("%s", err.text);
    assert_int_equal(ek_graph_load(in_folder("expected.pb"), &all, NULL), EK_OK);
    for (int64_t i = 0; i < variables.count; i++) {
        const ek_variable v = variables.item[i].u.variable;
        assert_variable(m, v, expected(all, m.g->variable[v.id]->name));
    }
    ek_graph_destroy(all);
    leave(m);
    return variables.count;
}

static void plain_resource_and_sharded_variables(void **state)
{
    (void)state;
    if (!have("ckpt-v2-plain")) skip();
    assert_int_equal(restore_and_compare("model.meta", "model"), 4);
    assert_true(have("ckpt-v2-resource"));
    assert_int_equal(restore_and_compare("model-5.meta", "model-5"), 4);
    assert_true(have("ckpt-v2-sharded"));
    assert_int_equal(restore_and_compare("model.meta", "model"), 9);
    assert_true(have("ckpt-v1"));
    assert_int_equal(restore_and_compare("model.ckpt.meta", "model.ckpt"), 4);
}

static void renamed_variables(void **state)
{
    imported m;
    ek_graph *all = NULL;

    (void)state;
    if (!have("ckpt-v2-renamed")) skip();
    m = import("model.meta");
    assert_int_equal(ek_saver_restore(ek_saver_of_graph(m.g), m.s, in_folder("model"), NULL), EK_OK);
    assert_int_equal(ek_graph_load(in_folder("expected.pb"), &all, NULL), EK_OK);
    assert_variable(m, ek_variable_by_name(m.g, "new/a"), expected(all, "old/a"));
    assert_variable(m, ek_variable_by_name(m.g, "new/b"), expected(all, "b"));
    ek_graph_destroy(all);
    leave(m);
}

/* Part `name` is rows or columns of the whole from (row, column) on. */
static void assert_part(imported m, const char *name, const ek_array *whole, int64_t row, int64_t column)
{
    ek_array *part = NULL;

    if (ek_session_get(m.s, ek_variable_by_name(m.g, name), &part) != EK_OK)
        fail_msg("%s: %s", name, ek_last_error()->text);
    const int64_t columns = ek_array_dim(part, 1);
    for (int64_t i = 0; i < ek_array_count(part); i++)
        assert_true(ek_array_get(part, i) ==
                    ek_array_get(whole, (row + i / columns) * ek_array_dim(whole, 1) + column + i % columns));
    ek_array_unref(part);
}

static void parts_of_variables(void **state)
{
    imported m;
    ek_graph *all = NULL;

    (void)state;
    if (!have("ckpt-v2-partitioned")) skip();
    m = import("model.meta");
    assert_int_equal(ek_saver_restore(ek_saver_of_graph(m.g), m.s, in_folder("model"), NULL), EK_OK);
    assert_int_equal(ek_graph_load(in_folder("expected.pb"), &all, NULL), EK_OK);
    assert_part(m, "rows/part_0", expected(all, "rows"), 0, 0);
    assert_part(m, "rows/part_2", expected(all, "rows"), 7, 0);
    assert_part(m, "columns/part_1", expected(all, "columns"), 0, 4);
    assert_variable(m, ek_variable_by_name(m.g, "whole"), expected(all, "whole"));
    leave(m);
    ek_graph_destroy(all);
    assert_true(have("ckpt-v1-sharded-slices"));
    m = import("model.ckpt.meta");
    assert_int_equal(ek_saver_restore(ek_saver_of_graph(m.g), m.s, in_folder("model.ckpt-\?\?\?\?\?-of-00002"), NULL),
                     EK_OK);
    assert_int_equal(ek_graph_load(in_folder("expected.pb"), &all, NULL), EK_OK);
    assert_part(m, "sliced/part_1", expected(all, "sliced"), 3, 0);
    assert_variable(m, ek_variable_by_name(m.g, "counter"), expected(all, "counter"));
    assert_variable(m, ek_variable_by_name(m.g, "flag"), expected(all, "flag"));
    /* It would write version 1. */
    assert_int_equal(ek_saver_save(ek_saver_of_graph(m.g), m.s, "/nowhere/model"), EK_UNIMPLEMENTED);
    ek_graph_destroy(all);
    leave(m);
}

static void a_trained_network_answers_as_it_did(void **state)
{
    ek_array *x = NULL, *want = NULL, *y = NULL;
    ek_tensor in, out;
    imported m;

    (void)state;
    if (!have("ckpt-v2-adam")) skip();
    restore_and_compare("model-20.meta", "model-20");
    m = import("model-20.meta");
    assert_int_equal(ek_saver_restore(ek_saver_of_graph(m.g), m.s, in_folder("model-20"), NULL), EK_OK);
    assert_int_equal(ek_npy_load(in_folder("x.npy"), &x), EK_OK);
    assert_int_equal(ek_npy_load(in_folder("probabilities.npy"), &want), EK_OK);
    assert_int_equal(ek_graph_tensor_by_name(m.g, "x:0", &in), EK_OK);
    assert_int_equal(ek_graph_tensor_by_name(m.g, "probabilities:0", &out), EK_OK);
    assert_int_equal(ek_run(m.s, .feed = { { in, x } }, .fetch = { { out, &y } }), EK_OK);
    assert_true(ek_shape_equal(ek_array_shape(y), ek_array_shape(want)));
    for (int64_t i = 0; i < ek_array_count(want); i++) {
        const double a = ek_array_get(y, i), b = ek_array_get(want, i);
        assert_true((a > b ? a - b : b - a) <= 1e-6 + 1e-5 * b);
    }
    ek_array_unref(x);
    ek_array_unref(y);
    ek_array_unref(want);
    leave(m);
}

/* ---- what does not fit ------------------------------------------------------------------------------------- */

static void assert_refused(ek_saver *saver, ek_session *s, const char *prefix, ek_status code, const char *text)
{
    ek_error err = { .code = EK_OK };

    assert_int_equal(ek_saver_restore(saver, s, prefix, &err), code);
    if (strstr(err.text, text) == NULL) fail_msg("'%s' is not in\n%s", text, err.text);
}

/* A graph with one variable w of this shape, the value 7 in it, and a saver that finds it under `name`. */
static void try_shape(bool resource, ek_shape shape, const char *name, ek_status code, const char *text)
{
    ek_graph *g = ek_graph_create();
    const ek_variable other =
        ek_get_variable(g, "zzz", .shape = EK_SHAPE(2, 2), .use_resource = resource ? EK_YES : EK_NO);
    const ek_variable w = ek_get_variable(g, "deep/w", .shape = shape, .initializer = ek_constant_initializer(7.0),
                                          .use_resource = resource ? EK_YES : EK_NO);
    ek_saver *saver = ek_saver_create(g, .named = EK_NAMED_VARIABLES({ name, w }, { "w", other }));
    ek_session *s = ek_session_create(g, .threads = 1);
    ek_array *value = NULL;

    assert_non_null(saver);
    assert_int_equal(ek_run(s, .target = { ek_global_variables_initializer(g) }), EK_OK);
    assert_refused(saver, s, in_folder("model"), code, text);
    assert_int_equal(ek_session_get(s, w, &value), EK_OK);
    assert_true(ek_array_get(value, 0) == 7.0);
    ek_array_unref(value);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void another_shape_names_the_variable_and_both_and_restores_nothing(void **state)
{
    (void)state;
    if (!have("ckpt-v2-plain")) skip();
    for (int resource = 0; resource < 2; resource++) {
        const bool r = resource != 0;
        try_shape(
            r, EK_SHAPE(5, 3), "scope/bias", EK_INVALID_ARGUMENT,
            "Restoring from checkpoint failed. This is most likely due to a mismatch between the current graph and the "
            "graph "
            "from the checkpoint. Please ensure that you have not altered the graph expected based on the checkpoint. "
            "Original error:\n\nAssign requires shapes of both tensors to match. lhs shape= [5,3] rhs shape= ");
        try_shape(r, EK_SHAPE(5, 3), "scope/bias", EK_INVALID_ARGUMENT, "The variable is deep/w");
        try_shape(r, EK_SHAPE(3), "missing/key", EK_NOT_FOUND,
                  "Restoring from checkpoint failed. This is most likely due to a Variable name or other graph key "
                  "that is missing "
                  "from the checkpoint. Please ensure that you have not altered the graph expected based on the "
                  "checkpoint. Original "
                  "error:\n\nKey missing/key not found in checkpoint\n\t [[{{node save/RestoreV2}}]]");
    }
}

static void another_type_is_told(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_session *s;

    (void)state;
    if (!have("ckpt-v2-plain")) {
        ek_graph_destroy(g);
        skip();
    }
    (void)ek_get_variable(g, "w", .dtype = EK_INT32, .shape = EK_SHAPE(4, 3));
    ek_saver *saver = ek_saver_create(g);
    s = ek_session_create(g);
    assert_refused(saver, s, in_folder("model"), EK_INVALID_ARGUMENT,
                   "tensor_name = w; expected dtype int32 does not equal original dtype float");
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void what_is_no_checkpoint_is_refused(void **state)
{
    ek_graph *g = ek_graph_create(), *other = ek_graph_create();
    ek_session *s;

    (void)state;
    (void)ek_get_variable(g, "w", .shape = EK_SHAPE(2));
    ek_saver *saver = ek_saver_create(g);
    s = ek_session_create(g);
    assert_refused(saver, s, "none/model", EK_INVALID_ARGUMENT,
                   "The passed save_path is not a valid checkpoint: none/model");
    assert_refused(saver, s, NULL, EK_INVALID_ARGUMENT, "Can't load save_path when it is None.");
    assert_refused(NULL, s, "m", EK_INVALID_ARGUMENT, "a saver and a session are needed");
    assert_refused(saver, NULL, "m", EK_INVALID_ARGUMENT, "a saver and a session are needed");
    assert_null(ek_saver_of_graph(g));
    assert_null(ek_saver_of_graph(NULL));
    ek_session_destroy(s);
    s = ek_session_create(other);
    assert_refused(saver, s, "m", EK_INVALID_ARGUMENT, "another graph");
    ek_session_destroy(s);
    ek_graph_destroy(other);
    ek_graph_destroy(g);
}

static void an_object_based_checkpoint_is_told_apart(void **state)
{
    ek_graph *g;
    ek_session *s;

    (void)state;
    if (!have("ckpt-tf2-object")) skip();
    g = ek_graph_create();
    (void)ek_get_variable(g, "w", .shape = EK_SHAPE(2));
    ek_saver *saver = ek_saver_create(g);
    s = ek_session_create(g);
    assert_refused(saver, s, in_folder("model"), EK_NOT_FOUND, "It is an object-based checkpoint of TensorFlow 2");
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* A file may say anything of its saver. */
static void a_saver_def_that_names_what_is_not_there_is_no_saver(void **state)
{
#define NODES "graph_def { node { name: 'x' op: 'NoOp' } versions { producer: 27 } } "
    static const char *const files[][2] = {
        { NODES "saver_def { filename_tensor_name: 'a:0' save_tensor_name: 'b:0' restore_op_name: 'x' }", "'a:0'" },
        { NODES "saver_def { filename_tensor_name: 'a:0' save_tensor_name: 'b:0' }", "restore_op_name is missing" },
        { NODES "saver_def { filename_tensor_name: 'x' save_tensor_name: 'x' restore_op_name: 'x' }", "x" },
        { NODES "saver_def { max_to_keep: 5 }", "filename_tensor_name is missing" },
    };

    (void)state;
    for (int i = 0; i < 4; i++) {
        ek_graph *g = NULL;
        assert_int_equal(ek_meta_graph_load_bytes(files[i][0], strlen(files[i][0]), &g), EK_OK);
        assert_null(ek_saver_of_graph(g));
        if (strstr(ek_last_error()->text, files[i][1]) == NULL) fail_msg("%s", ek_last_error()->text);
        ek_graph_destroy(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_resource_and_sharded_variables),
        cmocka_unit_test(renamed_variables),
        cmocka_unit_test(parts_of_variables),
        cmocka_unit_test(a_trained_network_answers_as_it_did),
        cmocka_unit_test(another_shape_names_the_variable_and_both_and_restores_nothing),
        cmocka_unit_test(another_type_is_told),
        cmocka_unit_test(what_is_no_checkpoint_is_refused),
        cmocka_unit_test(an_object_based_checkpoint_is_told_apart),
        cmocka_unit_test(a_saver_def_that_names_what_is_not_there_is_no_saver),
    };

    return cmocka_run_group_tests_name("restoring", tests, NULL, NULL);
}
