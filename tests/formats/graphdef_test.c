/* GraphDefs in and out: bytes kept, what is checked and in which words, what a built graph becomes. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/text.h"
#include "evenkeel/files.h"
#include "formats/graph_io.h"
#include "support/support.h"

static ek_graph *load_text(const char *text)
{
    ek_graph *g;
    ek_error err = { .code = EK_OK };

    if (ek_graph_load_bytes(text, strlen(text), &g, &err) != EK_OK) fail_msg("%s", err.text);
    return g;
}

/* ---- bytes are kept ------------------------------------------------------------------------------- */

static void same_bytes(const char *path, bool may_be_refused)
{
    size_t size, saved_size;
    void *saved;
    ek_graph *g;
    ek_error err = { .code = EK_OK };
    char *bytes = ek_test_read(path, &size);

    assert_non_null(bytes);
    if (ek_graph_load(path, &g, &err) != EK_OK) {
        if (!may_be_refused) fail_msg("%s: %s", path, err.text);
        free(bytes);
        return;
    }
    assert_int_equal(ek_graph_save_bytes(g, false, &saved, &saved_size, &err), EK_OK);
    assert_int_equal(saved_size, size);
    assert_memory_equal(saved, bytes, size);
    ek_free(saved);
    ek_graph_destroy(g);
    free(bytes);
}

/* Every folder's `file`, below a folder of the data. */
static int each_case(const char *folder, const char *file, void (*fn)(const char *path, bool flag), bool flag)
{
    const char *root = ek_test_data(folder);
    char path[4600], top[4000];
    struct dirent *e;
    int n = 0;

    if (root == NULL) skip();
    snprintf(top, sizeof top, "%s", root);
    DIR *d = opendir(top);
    while ((e = readdir(d)) != NULL) {
        snprintf(path, sizeof path, "%s/%s/%s", top, e->d_name, file);
        FILE *f = e->d_name[0] != '.' ? fopen(path, "rb") : NULL;
        if (f == NULL) continue;
        fclose(f);
        fn(path, flag);
        n++;
    }
    closedir(d);
    return n;
}

static void goldens_keep_their_bytes(void **state)
{
    EK_UNUSED(state);
    assert_true(each_case("tf115-graphs", "graph.pb", same_bytes, false) >= 45);
}

/* Frozen graphs of others; those with a half-precision mistake are refused, as TensorFlow does. */
static void frozen_graphs_keep_their_bytes(void **state)
{
    EK_UNUSED(state);
    assert_true(each_case("tf-graphs", "graph.pb", same_bytes, true) >= 60);
    same_bytes(ek_test_data("tf-files/text-attributes/graph.pb"), false);
    same_bytes(ek_test_data("tf-models/kws/DNN_S.pb"), false);
    same_bytes(ek_test_data("tf-models/addition.pb"), false);
}

/* All texts of the folder mean graph.pb, which has an op that nobody defines and reads an output that NoOp has not. */
static void every_kind_of_attribute(void **state)
{
    static const char *const form[] = { "graph.pb", "graph.pbtxt", "graph-one-line.pbtxt", "graph-odd-but-legal.pbtxt" };
    char *want;
    size_t want_size;

    EK_UNUSED(state);
    if (ek_test_data("tf-files/text-attributes/graph.pbtxt") == NULL) skip();
    want = ek_test_read(ek_test_data("tf-files/text-attributes/graph.pbtxt"), &want_size);
    for (int i = 0; i < EK_COUNT_OF(form); i++) {
        char relative[200];
        ek_graph *g;
        void *text;
        size_t size;
        ek_error err = { .code = EK_OK };
        snprintf(relative, sizeof relative, "tf-files/text-attributes/%s", form[i]);
        if (ek_graph_load(ek_test_data(relative), &g, &err) != EK_OK) fail_msg("%s: %s", form[i], err.text);
        assert_int_equal(ek_graph_save_bytes(g, true, &text, &size, &err), EK_OK);
        assert_int_equal(size, want_size);
        assert_memory_equal(text, want, size);
        ek_free(text);
        ek_graph_destroy(g);
    }
    free(want);
}

static void text_is_kept(void **state)
{
    const char *path = ek_test_data("tf115-graphs/bn_renorm_training/graph.pbtxt");
    size_t size, saved_size;
    void *saved;
    ek_graph *g;
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    if (path == NULL) skip();
    char *text = ek_test_read(path, &size);
    assert_int_equal(ek_graph_load(path, &g, &err), EK_OK);
    assert_int_equal(ek_graph_save_bytes(g, true, &saved, &saved_size, &err), EK_OK);
    assert_int_equal(saved_size, size);
    assert_memory_equal(saved, text, size);
    ek_free(saved);
    ek_graph_destroy(g);
    free(text);
}

static void unknown_fields_survive_wherever_they_stand(void **state)
{
    /* versions before the nodes, an unknown field between them and inside one, a library behind */
    static const char bytes[] = "\x22\x03\x08\x86\x01" "\x0a\x0d\x0a\x01" "a\x12\x04NoOp\x7a\x02xy" "\x78\x07" "\x0a\x09\x0a\x01" "b\x12\x04NoOp" "\x12\x00";
    ek_graph *g;
    void *saved;
    size_t size;
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    assert_int_equal(ek_graph_load_bytes(bytes, sizeof bytes - 1, &g, &err), EK_OK);
    assert_int_equal(g->producer, 134);
    assert_int_equal(ek_graph_save_bytes(g, false, &saved, &size, &err), EK_OK);
    assert_int_equal(size, sizeof bytes - 1);
    assert_memory_equal(saved, bytes, size);
    ek_free(saved);
    ek_graph_destroy(g);
}

/* A graph whose nodes forgot their bytes is encoded anew, to the same. */
static void encoded_anew(const char *path, bool flag)
{
    size_t size, saved_size;
    void *saved;
    ek_graph *g;
    ek_error err = { .code = EK_OK };
    char *bytes = ek_test_read(path, &size);

    EK_UNUSED(flag);
    assert_int_equal(ek_graph_load(path, &g, &err), EK_OK);
    for (int64_t i = 0; i < g->n_nodes; i++) {
        g->node[i]->raw = NULL;
        for (int32_t k = 0; k < g->node[i]->n_attr; k++)
            if (g->node[i]->attr[k].value.kind != EK_ATTR_TENSOR) g->node[i]->attr[k].value.raw = NULL; /* of repeated values */
    }
    assert_int_equal(ek_graph_save_bytes(g, false, &saved, &saved_size, &err), EK_OK);
    if (saved_size != size || memcmp(saved, bytes, size) != 0) fail_msg("%s is encoded otherwise", path);
    ek_free(saved);
    ek_graph_destroy(g);
    free(bytes);
}

static void goldens_are_encoded_to_the_same_bytes(void **state)
{
    EK_UNUSED(state);
    assert_true(each_case("tf115-graphs", "graph.pb", encoded_anew, false) >= 45);
}

/* What is printed of unknown fields alone is text again, though it happens to be a message too. */
static void text_of_unknown_fields_alone_is_text(void **state)
{
    ek_graph *g = load_text("9: 81919\n");
    void *saved;
    size_t size;

    EK_UNUSED(state);
    assert_int_equal(ek_graph_save_bytes(g, false, &saved, &size, NULL), EK_OK);
    assert_int_equal(size, 4);
    assert_memory_equal(saved, "\x48\xff\xff\x04", 4);
    ek_free(saved);
    ek_graph_destroy(g);
}

static void unknown_fields_alone_may_look_like_text(void **state)
{
    static const char bytes[] = "J\x0bnode { ... ";
    ek_graph *g;
    void *saved;
    size_t size;
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    if (ek_graph_load_bytes(bytes, 13, &g, &err) != EK_OK) fail_msg("%s", err.text);
    assert_int_equal(ek_graph_save_bytes(g, false, &saved, &size, &err), EK_OK);
    assert_int_equal(size, 13);
    assert_memory_equal(saved, bytes, size);
    ek_free(saved);
    ek_graph_destroy(g);
}

/* ---- what is refused -------------------------------------------------------------------------------- */

#define F32 "attr { key: 'T' value { type: DT_FLOAT } }"
#define A "node { name: 'a' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }"

static void refused_in_tensorflows_words(void **state)
{
    static const struct { const char *text, *message; } row[] = {
        { "node { name: 'a' op: 'NoOp' } node { name: 'a' op: 'NoOp' }", "Node 'a' is not unique" },
        { "node { name: 'a' op: 'Identity' input: 'q' " F32 " }", "Node 'a': Unknown input node 'q'" },
        { A "node { name: 'b' op: 'Identity' input: 'a:x' " F32 " }", "Node 'b': Unknown input node 'a:x'" },
        { "node { name: 'b' op: 'Identity' input: '' " F32 " }", "Node 'b': Unknown input node ''" },
        { "node { name: 'a' op: 'NoOp' } node { name: 'b' op: 'NoOp' input: '^a:1' }", "Node 'b': Unknown input node '^a:1'" },
        { A "node { name: 'b' op: 'Identity' input: 'a:3' " F32 " }",
          "Node 'b': Connecting to invalid output 3 of source node a which has 1 outputs." },
        { A "node { name: 'b' op: 'Identity' input: 'a' attr { key: 'T' value { type: DT_HALF } } }",
          "Input 0 of node b was passed float from a:0 incompatible with expected half." },
        { A "node { name: 'b' op: 'Assign' input: 'a' input: 'a' " F32 " }",
          "Input 0 of node b was passed float from a:0 incompatible with expected float_ref." },
        { "node { name: 'b' op: 'Identity' attr { key: 'T' value { type: DT_HALF } } }",
          "NodeDef expected inputs 'half' do not match 0 inputs specified; Op<name=Identity; signature=input: T -> output: T>; NodeDef: {{node b}}" },
        { A "node { name: 'b' op: 'Identity' input: 'a' input: 'a' " F32 " }", "NodeDef expected inputs 'float' do not match 2 inputs specified" },
        { A "node { name: 'b' op: 'Identity' input: '^a' input: 'a' " F32 " }", "Node 'b': Control dependencies must come after regular dependencies" },
        { "node { name: 'a' op: 'Identity' input: 'b' " F32 " } node { name: 'b' op: 'Identity' input: 'a' " F32 " }", "2 nodes in a cycle" },
        { "node { name: 'a' op: 'NoOp' input: '^a' }", "1 nodes in a cycle" },
        { A "node { name: 'b' op: 'Identity' input: 'a' }",
          "NodeDef missing attr 'T' from Op<name=Identity; signature=input: T -> output: T>; NodeDef: {{node b}}" },
        { "node { name: 'a' op: 'Placeholder' attr { key: 'dtype' value { i: 3 } } }", "AttrValue had value with type 'int' when 'type' expected for attr 'dtype'; NodeDef: {{node a}}" },
        { "node { name: 'a' op: 'Placeholder' attr { key: 'dtype' value { type: 77 } } }", "AttrValue has invalid DataType enum for attr 'dtype'; NodeDef: {{node a}}" },
        { "node { name: 'a' op: 'Merge' attr { key: 'N' value { i: 0 } } " F32 " }", "Value for attr 'N' of 0 must be at least minimum 1; NodeDef: {{node a}}" },
        { "node { name: 'a' op: 'Merge' attr { key: 'N' value { i: 1000000000000 } } " F32 " }", "NodeDef expected 1000000000000 inputs for 'inputs' do not match 0 inputs specified" },
        { "node { name: 'a b' op: 'NoOp' }", "Node 'a b': Node name contains invalid characters" },
        { "node { op: 'NoOp' }", "Node '': Node name contains invalid characters" },
        { "node { name: '_a' op: 'NoOp' }", "Node '_a': Node name contains invalid characters" },
        { "node { name: 'a' }", "Node 'a' has no op type" },
        { "node { name: 'a' op: 'NoOp' } versions { producer: 134 min_consumer: 99999 }", "GraphDef min consumer version 99999 above current version 1645" },
        { "node { name: 'a' op: 'Const' attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'value' value { tensor { dtype: DT_FLOAT "
          "tensor_shape { dim { size: 2 } } tensor_content: 'abc' } } } }", "Cannot parse tensor from proto: tensor_content has 3 bytes" },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(row); i++) {
        ek_graph *g;
        ek_error err = { .code = EK_OK };
        assert_int_equal(ek_graph_load_bytes(row[i].text, strlen(row[i].text), &g, &err), EK_INVALID_ARGUMENT);
        assert_null(g);
        if (strncmp(err.text, row[i].message, strlen(row[i].message)) != 0) fail_msg("%s\nwanted %s", err.text, row[i].message);
    }
}

/* Files of a few bytes that claim much. */
static void hostile_files_are_refused(void **state)
{
    static const struct { const char *text, *message; } row[] = {
        { "node { name: 'a' op: 'Const' attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'value' value { tensor { dtype: DT_FLOAT "
          "tensor_shape { dim { size: 1099511627776 } } float_val: 1 } } } }", "Cannot parse tensor from proto: shape [1099511627776] of float takes" },
        { "node { name: 'a' op: 'Strange' } node { name: 'b' op: 'Stranger' input: 'a:999999999' }", "Node 'a': output 999999999 is wanted" },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(row); i++) {
        ek_graph *g;
        ek_error err = { .code = EK_OK };
        assert_int_equal(ek_graph_load_bytes(row[i].text, strlen(row[i].text), &g, &err), EK_RESOURCE_EXHAUSTED);
        if (strncmp(err.text, row[i].message, strlen(row[i].message)) != 0) fail_msg("%s", err.text);
    }
}

static void other_files_are_named(void **state)
{
    static const struct { const char *bytes; size_t size; ek_status code; const char *message; } row[] = {
        { "\x93NUMPY\x01\x00", 8, EK_INVALID_ARGUMENT, "what was given is an array (.npy), a GraphDef is needed" },
        { "meta_info_def { }", 17, EK_INVALID_ARGUMENT, "what was given is a MetaGraphDef in text form, a GraphDef is needed" },
        { "hello, world", 12, EK_INVALID_ARGUMENT, "1:1: Message type \"tensorflow.GraphDef\" has no field named \"hello\"." },
        { "\x00\x01\x02", 3, EK_DATA_LOSS, "byte 0: a field has a number out of range" },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(row); i++) {
        ek_graph *g;
        ek_error err = { .code = EK_OK };
        assert_int_equal(ek_graph_load_bytes(row[i].bytes, row[i].size, &g, &err), row[i].code);
        assert_string_equal(err.text, row[i].message);
    }
}

/* A GraphDef cut at any byte is whole, or refused. */
static void cut_anywhere(void **state)
{
    const char *path = ek_test_data("tf115-graphs/article_training_flag/graph.pb");
    size_t size;

    EK_UNUSED(state);
    if (path == NULL) skip();
    char *bytes = ek_test_read(path, &size);
    for (size_t n = 0; n < size; n += 7) {
        char *cut = malloc(n + 1); /* of its own, so that a sanitizer sees a read behind it */
        ek_graph *g = NULL;
        ek_error err = { .code = EK_OK };
        memcpy(cut, bytes, n);
        if (ek_graph_load_bytes(cut, n, &g, &err) == EK_OK) ek_graph_destroy(g);
        else assert_true(err.text[0] != '\0');
        free(cut);
    }
    free(bytes);
}

/* ---- what comes in ------------------------------------------------------------------------------------ */

static void nodes_in_any_order(void **state)
{
    ek_graph *g = load_text("node { name: 'b' op: 'Identity' input: 'a:0' input: '^c' input: '^c' " F32 " } "
                            "node { name: 'c' op: 'NoOp' } " A);
    ek_op b;

    EK_UNUSED(state);
    assert_int_equal(ek_graph_op_by_name(g, "b", &b), EK_OK);
    assert_string_equal(ek_op_name(ek_tensor_op(ek_op_input(b, 0))), "a");
    assert_int_equal(ek_op_control_input_count(b), 1);
    assert_int_equal(ek_tensor_dtype(ek_op_output(b, 0)), EK_FLOAT32);
    ek_graph_destroy(g);
}

static void ops_without_a_definition_come_along(void **state)
{
    ek_graph *g = load_text(A "node { name: 's' op: 'Strange' input: 'a' attr { key: 'colour' value { s: 'red' } } "
                              "attr { key: 'odd' value { tensor { dtype: DT_VARIANT } } } }"
                              "node { name: 't' op: 'Stranger' input: 's:2' input: '^a' }"
                              "node { name: 'b' op: 'Identity' input: 's:1' " F32 " }");
    ek_op s, t;
    void *text;
    size_t size;

    EK_UNUSED(state);
    assert_int_equal(ek_graph_op_by_name(g, "s", &s), EK_OK);
    assert_int_equal(ek_op_output_count(s), 3);
    assert_int_equal(ek_tensor_dtype(ek_op_output(s, 1)), EK_FLOAT32);
    assert_int_equal(ek_tensor_dtype(ek_op_output(s, 2)), EK_DTYPE_NONE);
    assert_int_equal(ek_graph_op_by_name(g, "t", &t), EK_OK);
    assert_int_equal(ek_op_output_count(t), 1);
    assert_int_equal(ek_graph_save_bytes(g, true, &text, &size, NULL), EK_OK);
    assert_non_null(strstr(text, "DT_VARIANT"));
    assert_non_null(strstr(text, "red"));
    ek_free(text);
    ek_graph_destroy(g);
}

static void loops_are_no_cycles(void **state)
{
    const char *path = ek_test_data("tf115-graphs/while_loop/graph.pb");
    ek_graph *g;
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    if (path == NULL) skip();
    if (ek_graph_load(path, &g, &err) != EK_OK) fail_msg("%s", err.text);
    ek_graph_destroy(g);
}

static void attributes_that_a_definition_lacks_are_kept(void **state)
{
    ek_graph *g = load_text("node { name: 'a' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } "
                            "attr { key: 'later' value { b: true } } attr { key: '_mine' value { list { i: [1, 2] } } } }");
    void *text;
    size_t size;

    EK_UNUSED(state);
    assert_int_equal(ek_graph_save_bytes(g, true, &text, &size, NULL), EK_OK);
    assert_non_null(strstr(text, "later"));
    assert_non_null(strstr(text, "_mine"));
    assert_null(strstr(text, "shape")); /* a default is not written back */
    ek_free(text);
    ek_graph_destroy(g);
}

static void old_placeholders_of_no_dimensions_have_an_unknown_shape(void **state)
{
    static const struct { int producer, rank; } row[] = { { 0, -1 }, { 21, -1 }, { 22, 0 }, { 134, 0 } };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(row); i++) {
        char text[300];
        ek_tensor a;
        snprintf(text, sizeof text, "node { name: 'a' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } "
                 "attr { key: 'shape' value { shape { } } } } versions { producer: %d }", row[i].producer);
        ek_graph *g = load_text(text);
        assert_int_equal(ek_graph_tensor_by_name(g, "a:0", &a), EK_OK);
        assert_int_equal(ek_tensor_shape(a).rank, row[i].rank);
        ek_graph_destroy(g);
    }
}

/* ---- what goes out ------------------------------------------------------------------------------------ */

static void a_graph_that_grew_keeps_what_it_had(void **state)
{
    ek_graph *g = load_text(A "library { gradient { function_name: 'f' gradient_func: 'h' } } versions { producer: 1645 } 77: 5");
    ek_tensor a;
    ek_op b;
    void *text;
    size_t size;

    EK_UNUSED(state);
    assert_int_equal(ek_graph_tensor_by_name(g, "a:0", &a), EK_OK);
    b = ek_op_build(g, "Identity", .inputs = &a, .n_inputs = 1, .name = "b");
    assert_true(ek_op_ok(b));
    assert_int_equal(ek_graph_save_bytes(g, true, &text, &size, NULL), EK_OK);
    assert_string_equal(text, "node {\n  name: \"a\"\n  op: \"Placeholder\"\n  attr {\n    key: \"dtype\"\n    value {\n      type: DT_FLOAT\n    }\n  }\n}\n"
                              "node {\n  name: \"b\"\n  op: \"Identity\"\n  input: \"a\"\n  attr {\n    key: \"T\"\n    value {\n      type: DT_FLOAT\n    }\n  }\n}\n"
                              "library {\n  gradient {\n    function_name: \"f\"\n    gradient_func: \"h\"\n  }\n}\nversions {\n  producer: 1645\n}\n77: 5\n");
    ek_free(text);
    ek_graph_destroy(g);
}

static void a_built_graph(void **state)
{
    ek_graph *g = ek_graph_create(), *back;
    const ek_attribute attr[] = { { .name = "dtype", .kind = EK_A_TYPE, .u.type = EK_FLOAT32 },
                                  { .name = "_z", .kind = EK_A_STRING, .u.s = "x", .count = -1 },
                                  { .name = "_a", .kind = EK_A_INT, .u.i = 3 } };
    ek_op a = ek_op_build(g, "Placeholder", .attributes = attr, .n_attributes = 3, .name = "a");
    ek_op y = ek_op_build(g, "NoOp", .name = "y"), x = ek_op_build(g, "NoOp", .name = "x");
    ek_tensor in = ek_op_output(a, 0);
    void *text, *bytes;
    size_t size;
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    ek_op_build(g, "Identity", .inputs = &in, .n_inputs = 1, .control = (ek_op[]){ y, x }, .n_control = 2, .name = "b", .device = "/cpu:0");
    assert_int_equal(ek_graph_status(g, &err), EK_OK);
    assert_int_equal(ek_graph_save_bytes(g, true, &text, &size, &err), EK_OK);
    assert_string_equal(text,
                        "node {\n  name: \"a\"\n  op: \"Placeholder\"\n  attr {\n    key: \"_a\"\n    value {\n      i: 3\n    }\n  }\n"
                        "  attr {\n    key: \"_z\"\n    value {\n      s: \"x\"\n    }\n  }\n"
                        "  attr {\n    key: \"dtype\"\n    value {\n      type: DT_FLOAT\n    }\n  }\n"
                        "  attr {\n    key: \"shape\"\n    value {\n      shape {\n        unknown_rank: true\n      }\n    }\n  }\n}\n"
                        "node {\n  name: \"y\"\n  op: \"NoOp\"\n}\nnode {\n  name: \"x\"\n  op: \"NoOp\"\n}\n"
                        "node {\n  name: \"b\"\n  op: \"Identity\"\n  input: \"a\"\n  input: \"^x\"\n  input: \"^y\"\n  device: \"/cpu:0\"\n"
                        "  attr {\n    key: \"T\"\n    value {\n      type: DT_FLOAT\n    }\n  }\n}\nversions {\n  producer: 134\n}\n");
    assert_int_equal(ek_graph_save_bytes(g, false, &bytes, &size, &err), EK_OK);
    assert_int_equal(ek_graph_load_bytes(bytes, size, &back, &err), EK_OK);
    assert_int_equal(ek_graph_op_count(back), 4);
    ek_free(text);
    ek_free(bytes);
    ek_graph_destroy(back);
    ek_graph_destroy(g);
}

static void attributes_of_later_versions_are_written_where_they_matter(void **state)
{
    ek_graph *g = load_text(A);
    const ek_attribute off = { .name = "incompatible_shape_error", .kind = EK_A_BOOL, .u.b = false };
    ek_tensor a;
    void *text;
    size_t size;

    EK_UNUSED(state);
    assert_int_equal(ek_graph_tensor_by_name(g, "a:0", &a), EK_OK);
    const ek_tensor in[] = { a, a };
    ek_op_build(g, "Equal", .inputs = in, .n_inputs = 2);
    assert_int_equal(ek_graph_save_bytes(g, true, &text, &size, NULL), EK_OK);
    assert_null(strstr(text, "incompatible"));
    ek_free(text);
    ek_op_build(g, "Equal", .inputs = in, .n_inputs = 2, .attributes = &off, .n_attributes = 1);
    assert_int_equal(ek_graph_save_bytes(g, true, &text, &size, NULL), EK_OK);
    assert_non_null(strstr(text, "incompatible"));
    ek_free(text);
    ek_graph_destroy(g);
}

static void a_failed_graph_is_not_saved(void **state)
{
    ek_graph *g = ek_graph_create();
    void *bytes;
    size_t size;

    EK_UNUSED(state);
    ek_op_build(g, "Strange", .name = "a");
    assert_int_not_equal(ek_graph_save_bytes(g, false, &bytes, &size, NULL), EK_OK);
    assert_null(bytes);
    ek_graph_destroy(g);
}

/* ---- files ----------------------------------------------------------------------------------------------- */

static void files_are_told_by_content(void **state)
{
    static const struct { const char *path; ek_file_kind kind; } row[] = {
        { "tf115-graphs/names/graph.pb", EK_FILE_GRAPH_DEF }, { "tf115-graphs/names/graph.pbtxt", EK_FILE_GRAPH_DEF_TEXT },
        { "tf-files/text-attributes/graph-odd-but-legal.pbtxt", EK_FILE_GRAPH_DEF_TEXT },
        { "tf115-graphs/article_training_flag/meta.pb", EK_FILE_META_GRAPH }, { "tf-models/xor.meta", EK_FILE_META_GRAPH },
        { "tf-models/cond_test.meta", EK_FILE_META_GRAPH }, { "tf-models/word_cnn.meta", EK_FILE_META_GRAPH },
        { "tf-files/meta-cond-while/model.meta", EK_FILE_META_GRAPH }, { "tf-files/meta-cond-while/model.meta.pbtxt", EK_FILE_META_GRAPH_TEXT },
        { "saved-models/half_plus_two", EK_FILE_SAVED_MODEL_FOLDER }, { "tf-files/saved-model-v1/saved_model.pb", EK_FILE_SAVED_MODEL },
        { "tf-graphs/batch_norm/in.npy", EK_FILE_NPY }, { "tf-ops/ops.pbtxt", EK_FILE_OTHER }, { "README.md", EK_FILE_OTHER },
        { "mnist", EK_FILE_FOLDER },
    };

    EK_UNUSED(state);
    if (ek_test_data("README.md") == NULL) skip();
    for (int i = 0; i < EK_COUNT_OF(row); i++) {
        ek_file_kind kind;
        ek_error err = { .code = EK_OK };
        const char *path = ek_test_data(row[i].path);
        if (path == NULL) continue;
        assert_int_equal(ek__file_kind(path, &kind, &err), EK_OK);
        if (kind != row[i].kind) fail_msg("%s is %s", path, ek__file_kind_name(kind));
    }
}

static void save_and_load_a_path(void **state)
{
    const char *path = EK_BUILD_DIR "/graphdef_test.pb";
    ek_graph *g = load_text(A), *back;
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    for (int text = 0; text < 2; text++) {
        assert_int_equal(ek_graph_save(g, path, text, &err), EK_OK);
        assert_int_equal(ek_graph_load(path, &back, &err), EK_OK);
        assert_int_equal(ek_graph_save(back, path, text, &err), EK_OK); /* onto itself */
        assert_int_equal(ek_graph_op_count(back), 1);
        ek_graph_destroy(back);
    }
    remove(path);
    assert_int_equal(ek_graph_load(path, &back, &err), EK_NOT_FOUND);
    assert_int_equal(ek_graph_save(g, EK_BUILD_DIR "/no/such/folder.pb", false, &err), EK_NOT_FOUND);
    ek_graph_destroy(g);
}

static void no_memory(void **state)
{
    static const char source[] = A "node { name: 's' op: 'Strange' input: 'a' attr { key: 'x' value { list { s: 'r' s: 'q' } } } attr { key: 'f' value { func { name: 'g' "
                                   "attr { key: 't' value { tensor { dtype: DT_FLOAT float_val: 1 } } } } } } attr { key: 'l' value { list { tensor { dtype: DT_INT32 } shape { } } } } }"
                                   "node { name: 'c' op: 'Const' attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'value' value { tensor { dtype: DT_FLOAT "
                                   "tensor_shape { dim { size: 2 } } float_val: 1 } } } } node { name: 'b' op: 'Identity' input: 'c' input: '^a' " F32 " } 77: 5";

    EK_UNUSED(state);
    ek_graph_destroy(ek_graph_create()); /* what is made once per process is made */
    for (long k = 1;; k++) {
        ek_test_allocator t;
        ek_graph *g = NULL;
        void *bytes = NULL;
        size_t size;
        ek_error err = { .code = EK_OK };
        ek_test_allocator_install(&t, k);
        ek_status st = ek_graph_load_bytes(source, sizeof source - 1, &g, &err);
        if (st == EK_OK) st = ek_graph_save_bytes(g, true, &bytes, &size, &err);
        ek_free(bytes);
        ek_graph_destroy(g);
        ek_test_allocator_remove();
        if (t.live != 0) fail_msg("allocation %ld: %ld blocks are lost", k, t.live);
        if (st == EK_OK && t.calls < k) break;
        if (st != EK_RESOURCE_EXHAUSTED) fail_msg("allocation %ld: %s", k, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goldens_keep_their_bytes), cmocka_unit_test(goldens_are_encoded_to_the_same_bytes),
        cmocka_unit_test(frozen_graphs_keep_their_bytes), cmocka_unit_test(text_is_kept),
        cmocka_unit_test(every_kind_of_attribute),
        cmocka_unit_test(unknown_fields_survive_wherever_they_stand),
        cmocka_unit_test(unknown_fields_alone_may_look_like_text),
        cmocka_unit_test(text_of_unknown_fields_alone_is_text), cmocka_unit_test(refused_in_tensorflows_words),
        cmocka_unit_test(hostile_files_are_refused), cmocka_unit_test(other_files_are_named), cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(nodes_in_any_order), cmocka_unit_test(ops_without_a_definition_come_along),
        cmocka_unit_test(loops_are_no_cycles), cmocka_unit_test(attributes_that_a_definition_lacks_are_kept),
        cmocka_unit_test(old_placeholders_of_no_dimensions_have_an_unknown_shape),
        cmocka_unit_test(a_graph_that_grew_keeps_what_it_had), cmocka_unit_test(a_built_graph),
        cmocka_unit_test(attributes_of_later_versions_are_written_where_they_matter),
        cmocka_unit_test(a_failed_graph_is_not_saved), cmocka_unit_test(files_are_told_by_content),
        cmocka_unit_test(save_and_load_a_path), cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
