/* Signatures, assets and functions of MetaGraphs: read, set, written back; what is in a SavedModel. */
#include <stdio.h>
#include <string.h>

#include "codec/text.h"
#include "evenkeel/evenkeel.h"
#include "formats/saved_model.h"
#include "support/support.h"

#define NODES                                                                                                            \
    "graph_def { node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } } "                   \
    "node { name: 'y' op: 'Neg' input: 'x' attr { key: 'T' value { type: DT_FLOAT } } } "                                \
    "library { function { signature { name: 'f' } } function { signature { name: 'g' } } } } "

/* What the signature map of a file may hold. */
#define SIGNATURES                                                                                                       \
    "signature_def { key: 'b' value { inputs { key: 'two' value { name: 'x:0' dtype: DT_FLOAT tensor_shape { dim { size: -1 } } } } " \
    "inputs { key: 'one' value { coo_sparse { values_tensor_name: 'v:0' indices_tensor_name: 'i:0' "                     \
    "dense_shape_tensor_name: 's:0' } dtype: DT_STRING } } "                                                             \
    "inputs { key: 'parts' value { composite_tensor { components { name: 'x:0' } components { name: 'y:0' } } } } "      \
    "outputs { key: 'y' value { name: 'y:0' dtype: DT_FLOAT } } outputs { key: 'gone' value { name: 'z:0' } } "          \
    "method_name: 'm' 9: 5 } } "                                                                                         \
    "signature_def { key: 'a' value { outputs { key: 'init' value { name: 'y' tensor_shape { unknown_rank: true } } } } } " \
    "asset_file_def { tensor_info { name: 'x:0' } filename: 'names.txt' } "

static ek_graph *load_text(const char *text, const char *scope)
{
    ek_error err = { .code = EK_OK };
    ek_graph *g;

    if (ek_meta_graph_load_bytes(text, strlen(text), &g, .import_scope = scope, .error = &err) != EK_OK) fail_msg("%s", err.text);
    return g;
}

static char *saved_text(const ek_graph *g)
{
    void *data;
    size_t size;
    static char text[1 << 16];

    assert_int_equal(ek_meta_graph_save_bytes(g, &data, &size, .text = true), EK_OK);
    assert_true(size < sizeof text);
    memcpy(text, data, size);
    text[size] = '\0';
    ek_free(data);
    return text;
}

/* ---- read ---------------------------------------------------------------------------------------------------- */

static void every_kind_of_tensor_is_read(void **state)
{
    ek_graph *g = load_text(NODES SIGNATURES, NULL);
    ek_signature s;
    ek_asset asset;
    char name[8];

    (void)state;
    assert_int_equal(ek_graph_signature_count(g), 2);
    assert_true(ek_graph_signature_at(g, 0, &s));
    assert_string_equal(s.key, "a");
    assert_string_equal(s.method_name, "");
    assert_string_equal(s.outputs[0].name, "y");
    assert_true(s.outputs[0].dtype == EK_DTYPE_NONE && s.outputs[0].shape.rank == -1);
    assert_true(ek_graph_signature(g, "b", &s));
    assert_string_equal(s.method_name, "m");
    assert_int_equal(s.n_inputs, 3);
    assert_string_equal(s.inputs[0].key, "one");
    assert_int_equal(s.inputs[0].kind, EK_INFO_SPARSE);
    assert_int_equal(s.inputs[0].n_parts, 3);
    assert_string_equal(s.inputs[0].parts[2], "s:0");
    assert_int_equal(s.inputs[1].kind, EK_INFO_COMPOSITE);
    assert_int_equal(s.inputs[1].n_parts, 2);
    assert_string_equal(s.inputs[1].parts[1], "y:0");
    assert_string_equal(s.inputs[2].name, "x:0");
    assert_int_equal(s.inputs[2].dtype, EK_FLOAT32);
    assert_true(s.inputs[2].shape.rank == 1 && s.inputs[2].shape.dim[0] == -1);
    assert_string_equal(ek_op_name(ek_tensor_op(ek_signature_input(&s, "two"))), "x");
    assert_string_equal(ek_op_name(ek_tensor_op(ek_signature_output(&s, "y"))), "y");
    assert_false(ek_tensor_ok(ek_signature_output(&s, "gone")));
    assert_false(ek_tensor_ok(ek_signature_output(&s, "x")));
    assert_false(ek_graph_signature(g, "c", &s));
    assert_int_equal(ek_graph_asset_count(g), 1);
    assert_true(ek_graph_asset_at(g, 0, &asset));
    assert_string_equal(asset.filename, "names.txt");
    assert_string_equal(ek_op_name(ek_tensor_op(asset.tensor)), "x");
    assert_false(ek_graph_asset_at(g, 1, &asset));
    assert_int_equal(ek_graph_function_count(g), 2);
    assert_int_equal(ek_graph_function_name(g, 1, name, sizeof name), 1);
    assert_string_equal(name, "g");
    assert_int_equal(ek_graph_function_name(g, 2, name, sizeof name), 0);
    ek_graph_destroy(g);
}

static void names_of_signatures_go_under_the_scope(void **state)
{
    ek_graph *g = load_text(NODES SIGNATURES, "old");
    ek_signature s;
    char *text;

    (void)state;
    assert_true(ek_graph_signature(g, "b", &s));
    assert_string_equal(ek_op_name(ek_tensor_op(ek_signature_input(&s, "two"))), "old/x");
    assert_string_equal(s.inputs[0].parts[0], "old/v:0");
    assert_string_equal(s.inputs[1].parts[0], "old/x:0");
    text = saved_text(g);
    assert_non_null(strstr(text, "indices_tensor_name: \"old/i:0\""));
    assert_non_null(strstr(text, "filename: \"names.txt\""));
    assert_non_null(strstr(text, "9: 5"));
    ek_graph_destroy(g);
}

/* ---- set ----------------------------------------------------------------------------------------------------- */

static void a_signature_is_set_replaced_and_taken_away(void **state)
{
    ek_graph *g = ek_graph_create(), *again;
    const ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 3), .name = "x"), y = ek_relu(x, .name = "y");
    ek_signature s;
    char *text;

    (void)state;
    assert_int_equal(ek_signature_set(g, "other", .outputs = { { "y", y } }, .method_name = EK_METHOD_CLASSIFY), EK_OK);
    assert_int_equal(ek_signature_set(g, EK_SERVING_DEFAULT, .outputs = { { "z", y } }), EK_OK);
    assert_int_equal(ek_signature_set(g, EK_SERVING_DEFAULT, .inputs = { { "x", x } }, .outputs = { { "y", y }, { "copy", x } }), EK_OK);
    assert_int_equal(ek_graph_signature_count(g), 2);
    assert_true(ek_graph_signature(g, EK_SERVING_DEFAULT, &s));
    assert_int_equal(s.n_outputs, 2);
    assert_string_equal(s.outputs[0].key, "copy");
    assert_true(ek_signature_output(&s, "y").op == y.op);
    assert_false(ek_graph_meta_info(g, &(ek_meta_info){ 0 }));
    text = saved_text(g);
    assert_non_null(strstr(text, "tensorflow_version: \"1.15.0\""));
    again = load_text(text, NULL);
    assert_true(ek_graph_signature(again, EK_SERVING_DEFAULT, &s));
    assert_string_equal(s.method_name, EK_METHOD_PREDICT);
    assert_true(s.inputs[0].shape.rank == 2 && s.inputs[0].shape.dim[0] == -1 && s.inputs[0].shape.dim[1] == 3);
    assert_int_equal(ek_signature_remove(again, "no such", NULL), EK_OK);
    assert_int_equal(ek_signature_remove(again, "other", NULL), EK_OK);
    assert_int_equal(ek_graph_signature_count(again), 1);
    assert_int_equal(ek_signature_remove(again, NULL, NULL), EK_OK);
    assert_int_equal(ek_graph_signature_count(again), 0);
    assert_null(strstr(saved_text(again), "signature_def"));
    ek_graph_destroy(again);
    ek_graph_destroy(g);
}

static void signatures_that_say_nothing_are_refused(void **state)
{
    ek_graph *g = ek_graph_create(), *other = ek_graph_create();
    const ek_tensor x = ek_placeholder(g, EK_FLOAT32), y = ek_placeholder(other, EK_FLOAT32);
    const ek_named_tensor more[] = { { "a", x } };

    (void)state;
    assert_int_equal(ek_signature_set(g, NULL, .outputs = { { "x", x } }), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_signature_set(g, "", .outputs = { { "x", x } }), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_signature_set(g, "\xff", .outputs = { { "x", x } }), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_signature_set(g, "s", .inputs = { { "x", x } }), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(ek_last_error()->text, "has no output"));
    assert_int_equal(ek_signature_set(g, "s", .outputs = { { "y", y } }), EK_INVALID_ARGUMENT);
    assert_string_equal(ek_last_error()->text, "output 'y' of the signature is no tensor of this graph");
    assert_int_equal(ek_signature_set(g, "s", .outputs = { { "a", x }, { "a", x } }), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_signature_set(g, "s", .outputs = { { "a", x } }, .more_outputs = more, .n_more_outputs = 1), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_signature_set(g, "s", .outputs = { { "a", x } }, .n_more_inputs = 1), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_graph_signature_count(g), 0);
    ek_graph_destroy(g);
    ek_graph_destroy(other);
}

/* ---- SavedModels ------------------------------------------------------------------------------------------------ */

static ek_saved_model *open_text(const char *text, ek_error *err)
{
    ek_source *source;
    ek_saved_model *m;

    assert_int_equal(ek__source_copy(text, strlen(text), &source, NULL), EK_OK);
    (void)ek__saved_model_read(source, NULL, &m, err);
    return m;
}

static void a_metagraph_is_chosen_by_all_its_tags(void **state)
{
    ek_error err = { .code = EK_OK };
    ek_saved_model *m = open_text("saved_model_schema_version: 1 meta_graphs { meta_info_def { tags: 'serve' tags: 'gpu' } " NODES "} "
                                  "meta_graphs { meta_info_def { tags: 'serve' } } meta_graphs { }", &err);
    int i;

    (void)state;
    assert_non_null(m);
    assert_true(ek_saved_model_schema_version(m) == 1 && ek_saved_model_count(m) == 3);
    assert_int_equal(ek_saved_model_find(m, (const char *[]){ "gpu", "serve" }, 2, &i, NULL), EK_OK);
    assert_int_equal(i, 0);
    assert_int_equal(ek_saved_model_find(m, (const char *[]){ "serve" }, 1, &i, NULL), EK_OK);
    assert_int_equal(i, 1);
    assert_int_equal(ek_saved_model_find(m, NULL, 0, &i, NULL), EK_OK);
    assert_int_equal(i, 2);
    assert_int_equal(ek_saved_model_find(m, (const char *[]){ "gpu" }, 1, &i, NULL), EK_NOT_FOUND);
    assert_string_equal(ek_last_error()->text,
                        "this SavedModel has no MetaGraph with exactly the tags {gpu}; it has 3: {serve, gpu}, {serve}, {}");
    ek_saved_model_close(m);
}

static void what_is_no_saved_model_is_refused(void **state)
{
    static const struct { const char *text, *why; } wrong[] = {
        { "saved_model_schema_version: 2 meta_graphs { }", "of schema version 2" },
        { "saved_model_schema_version: 1", "without a MetaGraph" },
        { "meta_graphs { no_such_field: 1 }", "no_such_field" },
        { "nonsense", "" },
    };
    ek_saved_model *m;

    (void)state;
    for (int i = 0; i < EK_COUNT_OF(wrong); i++) {
        ek_error err = { .code = EK_OK };
        assert_null(open_text(wrong[i].text, &err));
        assert_true(err.code != EK_OK);
        assert_non_null(strstr(err.text, wrong[i].why));
    }
    assert_int_equal(ek_saved_model_open("/no/such/folder", &m, NULL), EK_NOT_FOUND);
    assert_string_equal(ek_last_error()->text, "SavedModel file does not exist at: /no/such/folder/{saved_model.pbtxt|saved_model.pb}");
}

static void assets_stay_inside_their_folder(void **state)
{
    static const char *const outside[] = { "", "/etc/passwd", "..", "../x", "a/../../x", "a//b", "a/", "./a", "." };
    static const char *const inside[] = { "a", "a.txt", "..a", "a/b", "..." };

    (void)state;
    for (int i = 0; i < EK_COUNT_OF(outside); i++) {
        char text[1000];
        ek_error err = { .code = EK_OK };
        ek_graph *g;

        assert_false(ek__asset_filename_ok(outside[i]));
        snprintf(text, sizeof text, "meta_graphs { " NODES "asset_file_def { tensor_info { name: 'x:0' } filename: '%s' } }", outside[i]);
        ek_saved_model *m = open_text(text, &err);
        assert_non_null(m);
        assert_int_equal(ek_saved_model_graph(m, 0, &g, &err), EK_INVALID_ARGUMENT);
        assert_non_null(strstr(err.text, "inside the folder assets was expected"));
        ek_saved_model_close(m);
    }
    for (int i = 0; i < EK_COUNT_OF(inside); i++) assert_true(ek__asset_filename_ok(inside[i]));
}

static void signatures_of_tensorflows_saved_models(void **state)
{
    const char *path = ek_test_data("tf-files/saved-model-v1");
    ek_saved_model *m;
    ek_signature s;
    ek_asset asset;
    ek_graph *g;
    int i;

    (void)state;
    if (path == NULL) skip();
    assert_int_equal(ek_saved_model_open(path, &m, NULL), EK_OK);
    assert_int_equal(ek_saved_model_count(m), 2);
    assert_int_equal(ek_saved_model_find(m, (const char *[]){ "serve" }, 1, &i, NULL), EK_OK);
    assert_int_equal(ek_saved_model_graph(m, i, &g, NULL), EK_OK);
    ek_saved_model_close(m);
    assert_int_equal(ek_graph_signature_count(g), 2);
    assert_true(ek_graph_signature(g, "names", &s));
    assert_string_equal(s.method_name, EK_METHOD_PREDICT);
    assert_string_equal(ek_op_name(ek_tensor_op(ek_signature_output(&s, "best"))), "best");
    assert_true(ek_graph_asset_at(g, 0, &asset));
    assert_string_equal(asset.filename, "names.txt");
    assert_string_equal(asset.tensor_name, "names_file:0");
    assert_true(ek_tensor_ok(asset.tensor));
    ek_graph_destroy(g);
}

static void the_functions_of_a_keras_model_are_listed(void **state)
{
    const char *path = ek_test_data("tf-files/saved-model-keras/saved_model.pb");
    char name[100];
    ek_saved_model *m;
    ek_signature s;
    ek_graph *g;

    (void)state;
    if (path == NULL) skip();
    assert_int_equal(ek_saved_model_open(path, &m, NULL), EK_OK);
    assert_int_equal(ek_saved_model_graph(m, 0, &g, NULL), EK_OK);
    ek_saved_model_close(m);
    assert_int_equal(ek_graph_function_count(g), 23);
    ek_graph_function_name(g, 0, name, sizeof name);
    assert_string_equal(name, "__inference_sequential_layer_call_fn_975");
    assert_true(ek_graph_signature(g, EK_SERVING_DEFAULT, &s));
    assert_string_equal(s.inputs[0].name, "serving_default_input_1:0");
    assert_string_equal(s.outputs[0].name, "StatefulPartitionedCall:0");
    ek_graph_destroy(g);
}

static ek_status everything(void)
{
    ek_error err = { .code = EK_OK };
    ek_saved_model *m = NULL;
    ek_source *source;
    ek_graph *g = NULL;
    ek_status st;
    static const char text[] = "meta_graphs { " NODES SIGNATURES "}";

    st = ek__source_copy(text, strlen(text), &source, &err);
    if (st == EK_OK) st = ek__saved_model_read(source, "/folder", &m, &err);
    if (st == EK_OK) st = ek_saved_model_graph(m, 0, &g, &err);
    if (st == EK_OK) st = ek_signature_set(g, "b", .outputs = { { "y", ek_op_output(ek_graph_op_at(g, 1), 0) } }, .error = &err);
    if (st == EK_OK) st = ek_signature_remove(g, "a", &err);
    ek_saved_model_close(m);
    ek_graph_destroy(g);
    return st;
}

static void without_memory_there_is_an_error_and_no_leak(void **state)
{
    (void)state;
    ek_test_refuse_each(everything, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_tensor_is_read),
        cmocka_unit_test(names_of_signatures_go_under_the_scope),
        cmocka_unit_test(a_signature_is_set_replaced_and_taken_away),
        cmocka_unit_test(signatures_that_say_nothing_are_refused),
        cmocka_unit_test(a_metagraph_is_chosen_by_all_its_tags),
        cmocka_unit_test(what_is_no_saved_model_is_refused),
        cmocka_unit_test(assets_stay_inside_their_folder),
        cmocka_unit_test(signatures_of_tensorflows_saved_models),
        cmocka_unit_test(the_functions_of_a_keras_model_are_listed),
        cmocka_unit_test(without_memory_there_is_an_error_and_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
