/* tests/saver/by_name_test.c - the values of a checkpoint for a bare GraphDef: by the names of its variables' nodes. */
#include "saver/by_name.h"

#include <stdio.h>
#include <string.h>

#include "evenkeel/files.h"
#include "support/folder.h"
#include "support/support.h"

static const char graph[] =
    "node { name: 'v' op: 'VariableV2' attr { key: 'dtype' value { type: DT_FLOAT } }"
    "       attr { key: 'shape' value { shape { dim { size: 2 } } } } }"
    "node { name: 'r' op: 'VarHandleOp' attr { key: 'dtype' value { type: DT_INT32 } } attr { key: 'shape' value { shape { } } }"
    "       attr { key: 'shared_name' value { s: 'r' } } }"
    "node { name: 'read' op: 'ReadVariableOp' input: 'r' attr { key: 'dtype' value { type: DT_INT32 } } }";

typedef struct bench {
    char *folder, prefix[400];
    ek_graph *g;
    ek_session *s;
} bench;

/* The graph, and a checkpoint of v and r. */
static void open_bench(bench *b, const char *text, const ek_array *v, const ek_array *r)
{
    const ek_named_array values[] = { { "other", v }, { "r", r }, { "v", v } };

    b->folder = test_folder_make();
    snprintf(b->prefix, sizeof b->prefix, "%s/model", b->folder);
    assert_int_equal(EK_OK, ek_checkpoint_write(b->prefix, values, r != NULL ? 3 : 1, NULL));
    assert_int_equal(EK_OK, ek_graph_load_bytes(text, strlen(text), &b->g, NULL));
    b->s = ek_session_create(b->g);
    assert_non_null(b->s);
}

static void close_bench(bench *b)
{
    ek_session_destroy(b->s);
    ek_graph_destroy(b->g);
    test_folder_remove(b->folder);
}

static ek_array *fetch(bench *b, const char *name)
{
    ek_array *value = NULL;
    ek_tensor t;

    assert_int_equal(EK_OK, ek_graph_tensor_by_name(b->g, name, &t));
    assert_int_equal(EK_OK, ek_run(b->s, .fetch = { { t, &value } }));
    return value;
}

static void reference_and_resource_variables_get_the_tensors_of_their_names(void **state)
{
    ek_array *v = ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){ 3, -1 }), *r = ek_array_of(EK_INT32, EK_SCALAR, (int32_t[]){ 7 });
    bench b;

    (void)state;
    open_bench(&b, graph, v, r);
    assert_int_equal(EK_OK, ek__restore_by_name(b.s, b.g, b.prefix, NULL));
    ek_array *got_v = fetch(&b, "v:0"), *got_r = fetch(&b, "read:0");
    assert_true(ek_array_get(got_v, 0) == 3 && ek_array_get(got_v, 1) == -1);
    assert_true(ek_array_get(got_r, 0) == 7);
    ek_array_unref(got_v);
    ek_array_unref(got_r);
    close_bench(&b);
    ek_array_unref(v);
    ek_array_unref(r);
}

/* What is said, and that no variable got a value. */
static void expect_refusal(const char *text, const ek_array *v, const ek_array *r, ek_status code, const char *said)
{
    ek_error err = { .code = EK_OK };
    ek_array *value = NULL;
    ek_tensor t;
    bench b;

    open_bench(&b, text, v, r);
    assert_int_equal(code, ek__restore_by_name(b.s, b.g, b.prefix, &err));
    assert_string_equal(said, err.text);
    if (ek_graph_tensor_by_name(b.g, "v:0", &t) == EK_OK)
        assert_int_equal(EK_FAILED_PRECONDITION, ek_run(b.s, .fetch = { { t, &value } }));
    close_bench(&b);
}

static void what_does_not_fit_is_refused_before_anything_is_set(void **state)
{
    ek_array *v = ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){ 3, -1 }), *r = ek_array_of(EK_INT32, EK_SCALAR, (int32_t[]){ 7 });
    ek_array *three = ek_array_of(EK_FLOAT32, EK_SHAPE(3), NULL), *wide = ek_array_of(EK_INT64, EK_SCALAR, NULL);

    (void)state;
    expect_refusal(graph, v, NULL, EK_NOT_FOUND, "Key v not found in checkpoint");
    expect_refusal(graph, three, r, EK_INVALID_ARGUMENT, "variable 'v' has shape [2], the checkpoint has [3]");
    expect_refusal(graph, v, wide, EK_INVALID_ARGUMENT, "variable 'r' is int32, the checkpoint has int64");
    expect_refusal("node { name: 'a' op: 'NoOp' }", v, r, EK_FAILED_PRECONDITION, "the graph has no variable to give a value");
    ek_array_unref(v);
    ek_array_unref(r);
    ek_array_unref(three);
    ek_array_unref(wide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_and_resource_variables_get_the_tensors_of_their_names),
        cmocka_unit_test(what_does_not_fit_is_refused_before_anything_is_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
