/* The nodes of savers: as TensorFlow makes them, in every form; and what is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evenkeel/evenkeel.h"
#include "graph/node.h"
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
                                         "tf-files/ckpt-v2-partitioned/model.meta", "tf-files/ckpt-v2-adam/model-20.meta" };

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_saver_of_every_variable_is_that_of_the_file),
        cmocka_unit_test(renamed_variables_are_saved_under_their_new_names),
    };

    return cmocka_run_group_tests_name("building savers", tests, NULL, NULL);
}
