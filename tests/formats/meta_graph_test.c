/* MetaGraphDefs in and out: every file of the data folder read and written back, programs exported, imports used. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/text.h"
#include "evenkeel/evenkeel.h"
#include "formats/meta.h"
#include "support/golden_programs.h"
#include "support/meta.h"

static ek_span span_of(const void *data, size_t size) { return (ek_span){ data, size }; }

/* ---- files of TensorFlow, there and back -------------------------------------------------------------- */

static char file[256][512];
static int n_files;

static int note_file(const char *path, const struct stat *s, int flag, struct FTW *ftw)
{
    const char *name = path + ftw->base, *end = strrchr(name, '.');
    const bool meta = (strncmp(name, "meta", 4) == 0 && strcmp(name + strlen(name) - 3, ".pb") == 0) ||
                      (end != NULL && strcmp(end, ".meta") == 0) || strstr(name, ".meta.pbtxt") != NULL ||
                      strcmp(name, "saved_model.pb") == 0;

    (void)s;
    if (flag == FTW_F && meta && n_files < 256) snprintf(file[n_files++], sizeof file[0], "%s", path);
    return 0;
}

/* What is read says the same when it is written, binary and as text. `want` at NULL: as it is written first. */
static bool there_and_back(const char *path, ek_span read, ek_span want)
{
    ek_error err = { .code = EK_OK };
    ek_graph *g = NULL, *again = NULL;
    void *bytes = NULL, *text = NULL, *more = NULL;
    size_t size, text_size, more_size;
    bool same;

    same = ek_meta_graph_load_bytes(read.at, read.size, &g, .error = &err) == EK_OK &&
           ek_meta_graph_save_bytes(g, &bytes, &size, .error = &err) == EK_OK &&
           ek_meta_graph_save_bytes(g, &text, &text_size, .text = true, .error = &err) == EK_OK &&
           ek_meta_graph_load_bytes(text, text_size, &again, .error = &err) == EK_OK &&
           ek_meta_graph_save_bytes(again, &more, &more_size, .error = &err) == EK_OK;
    if (!same) fprintf(stderr, "%s: %s\n", path, err.text);
    if (want.at == NULL) want = span_of(bytes, size);
    same = same && meta_same(path, want, span_of(bytes, size)) && meta_same(path, want, span_of(more, more_size));
    ek_free(bytes);
    ek_free(text);
    ek_free(more);
    ek_graph_destroy(g);
    ek_graph_destroy(again);
    return same;
}

/* TensorFlow's own file: a MetaGraph, one in text form beside the binary one, or the MetaGraphs of a SavedModel. */
static bool file_comes_back(const char *path)
{
    const bool is_text = strstr(path, ".pbtxt") != NULL;
    size_t size, binary_size;
    char binary[512], *data = ek_test_read(path, &size), *beside = NULL;
    bool same = data != NULL;
    ek_wire w = ek__wire_open(span_of(data, data != NULL ? size : 0), NULL, NULL);
    ek_wire_field f;

    snprintf(binary, sizeof binary, "%.*s", (int)(strlen(path) - (is_text ? 6 : 0)), path);
    if (strstr(path, "saved_model.pb") != NULL) {
        /* Files of before 1.9 do not say what is trainable: it is said when they are written. */
        const bool old = strstr(path, "half_plus_two") != NULL || strstr(path, "rust_regression") != NULL;
        while (same && ek__wire_next(&w, &f))
            if (f.number == 2) same = there_and_back(path, f.bytes, old ? span_of(NULL, 0) : f.bytes);
    } else if (is_text) {
        beside = ek_test_read(binary, &binary_size);
        same = same && beside != NULL && there_and_back(path, span_of(data, size), span_of(beside, binary_size));
    } else {
        same = same && there_and_back(path, span_of(data, size), span_of(data, size));
    }
    free(beside);
    free(data);
    return same;
}

static void every_file_comes_back_as_it_was(void **state)
{
    const char *root = ek_test_data("README.md");
    char folder[4000];
    int failed = 0;

    (void)state;
    if (root == NULL) skip();
    snprintf(folder, sizeof folder, "%.*s", (int)(strlen(root) - strlen("/README.md")), root);
    nftw(folder, note_file, 16, FTW_PHYS);
    assert_true(n_files >= 68);
    for (int i = 0; i < n_files; i++) failed += !file_comes_back(file[i]);
    assert_int_equal(failed, 0);
}

/* ---- programs exported --------------------------------------------------------------------------------- */

/* The programs that end with a Saver are whole trainings. What TensorFlow infers of their gradients by running what is constant
 * is not in the data folder. */
static bool same_export(const char *name, const ek_graph *g, ek_span want, ek_span found)
{
    return g->saver_def != NULL ? meta_same_or_knows_more(name, want, found) : meta_same(name, want, found);
}

/* Every program whose MetaGraph the data folder has; of those that end with a Saver, which is not there yet, the collections. */
static void programs_export_what_tensorflow_exports(void **state)
{
    const golden_program *p;
    char folder[4000];
    int compared = 0, failed = 0;

    (void)state;
    if (ek_test_data("tf115-graphs") == NULL) skip();
    snprintf(folder, sizeof folder, "%s", ek_test_data("tf115-graphs"));
    for (int i = 0; (p = golden_program_at(i)) != NULL; i++) {
        golden_results results = { .count = 0 };
        ek_error err = { .code = EK_OK };
        char path[4600];
        void *bytes;
        size_t size, want_size;

        snprintf(path, sizeof path, "%s/%s/meta.pb", folder, p->name);
        char *want = ek_test_read(path, &want_size);
        if (want == NULL) continue;
        ek_graph *g = ek_graph_create();
        p->build(g, &results);
        if (ek_meta_graph_save_bytes(g, &bytes, &size, .error = &err) != EK_OK) fail_msg("%s: %s", p->name, err.text);
        failed += p->first == 0 ? !same_export(p->name, g, span_of(want, want_size), span_of(bytes, size))
                                : !meta_same_collections(p->name, span_of(want, want_size), span_of(bytes, size), EK_SUMMARIES);
        compared++;
        ek_free(bytes);
        ek_graph_destroy(g);
        free(want);
    }
    assert_int_equal(compared, 13); /* all but the while loop */
    assert_int_equal(failed, 0);
}

/* ---- small files ------------------------------------------------------------------------------------- */

#define FLOAT "attr { key: 'T' value { type: DT_FLOAT } } "
#define DTYPE "attr { key: 'dtype' value { type: DT_FLOAT } } "
/* A variable w of two elements, as TensorFlow 1 makes it, and what reads it. */
#define NODES                                                                                                           \
    "node { name: 'c' op: 'Const' " DTYPE "attr { key: 'value' value { tensor { dtype: DT_FLOAT tensor_shape { dim { "    \
    "size: 2 } } float_val: 3 } } } } "                                                                                  \
    "node { name: 'w' op: 'VariableV2' device: '/cpu:0' " DTYPE "attr { key: 'shape' value { shape { dim { size: 2 } } } } } "            \
    "node { name: 'w/Assign' op: 'Assign' input: 'w' input: 'c' " FLOAT "attr { key: '_class' value { list { s: 'loc:@w' } } } } "   \
    "node { name: 'w/read' op: 'Identity' input: 'w' " FLOAT "} "                                                            \
    "node { name: 'y' op: 'Neg' input: 'w/read' input: '^w/Assign' " FLOAT "} versions { producer: 27 } "
#define W "variable_name: 'w:0' initializer_name: 'w/Assign' snapshot_name: 'w/read:0' "

/* A VariableDef and its like stand in a bytes_list as wire bytes: text of `type`, escaped. */
static const char *embedded(ek_proto_id type, const char *text)
{
    static char slot[4][2000];
    static int next;
    char *out = slot[next++ % 4], *at = out;
    ek_buf b = { .data = NULL };

    assert_int_equal(ek__text_parse(ek__proto(type), text, strlen(text), &b, NULL), EK_OK);
    for (size_t i = 0; i < b.size; i++) at += sprintf(at, "\\%03o", (unsigned)(unsigned char)b.data[i]);
    *at = '\0';
    ek__buf_fini(&b);
    return out;
}

static char source[20000];

/* meta_info_def, the nodes above, and what is given. */
static const char *meta_text(const char *fmt, ...)
{
    va_list args;
    int n = snprintf(source, sizeof source, "meta_info_def { tensorflow_version: '1.13.1' } graph_def { %s } ", NODES);

    va_start(args, fmt);
    vsnprintf(source + n, sizeof source - (size_t)n, fmt, args);
    va_end(args);
    return source;
}

static ek_graph *load_text(const char *text, const char *scope)
{
    ek_error err = { .code = EK_OK };
    ek_graph *g;

    if (ek_meta_graph_load_bytes(text, strlen(text), &g, .import_scope = scope, .error = &err) != EK_OK) fail_msg("%s", err.text);
    return g;
}

static const char *repr(ek_graph *g, const char *key)
{
    static char text[2000];
    char *s = ek_list_repr(ek_get_collection(g, key));

    snprintf(text, sizeof text, "%s", s);
    ek_free(s);
    return text;
}

static char *saved_text(ek_graph *g)
{
    ek_error err = { .code = EK_OK };
    void *data;
    size_t size;

    if (ek_meta_graph_save_bytes(g, &data, &size, .text = true, .error = &err) != EK_OK) fail_msg("%s", err.text);
    return data;
}

/* ---- what is read -------------------------------------------------------------------------------------- */

static void variables_are_variables_again(void **state)
{
    const char *w = embedded(EK_PROTO_VARIABLE_DEF, W "initial_value_name: 'c:0' trainable: true aggregation: VARIABLE_AGGREGATION_MEAN "
                             "save_slice_info_def { full_name: 'whole' full_shape: 4 var_offset: 2 var_shape: 2 }");
    ek_graph *g = load_text(meta_text("collection_def { key: 'variables' value { bytes_list { value: '%s' } } } collection_def { "
                                      "key: 'trainable_variables' value { bytes_list { value: '%s' } } }", w, w), NULL);
    const ek_variable v = ek_variable_by_name(g, "w");
    const ek_shape shape = ek_variable_shape(v);
    ek_session *s;
    ek_array *value = NULL;
    char *text;

    (void)state;
    assert_true(ek_variable_ok(v));
    assert_int_equal(g->n_variables, 1); /* one, in two collections */
    assert_int_equal(ek_get_collection(g, EK_GLOBAL_VARIABLES).item[0].u.variable.id, v.id);
    assert_int_equal(ek_trainable_variables(g).item[0].u.variable.id, v.id);
    assert_string_equal(repr(g, "variables"), "[<tf.Variable 'w:0' shape=(2,) dtype=float32_ref>]");
    assert_true(ek_variable_is_trainable(v) && !ek_variable_is_resource(v));
    assert_int_equal(ek_variable_aggregation(v), EK_AGGREGATION_MEAN);
    assert_int_equal(shape.dim[0], 2);
    assert_string_equal(ek_op_name(ek_variable_initializer(v)), "w/Assign");
    assert_string_equal(ek_op_name(ek_tensor_op(ek_variable_initial_value(v))), "c");
    assert_string_equal(ek_op_name(ek_tensor_op(ek_variable_value(v))), "w/read");
    s = ek_session_create(g);
    assert_int_equal(ek_run(s, .target = { ek_global_variables_initializer(g) }), EK_OK);
    assert_int_equal(ek_run(s, .target = { ek_tensor_op(ek_assign_add(v, ek_times(ek_variable_value(v), 2.0))) }), EK_OK);
    assert_int_equal(ek_session_get(s, v, &value), EK_OK);
    assert_true(ek_array_get(value, 1) == 9.0);
    text = saved_text(g);
    assert_non_null(strstr(text, "\\n\\005whole\\022\\001\\004\\032\\001\\002\\\"\\001\\002")); /* the slice */
    ek_free(text);
    ek_array_unref(value);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* get_variable shares what it made itself, as in TensorFlow: an imported variable is not among that, but its name is taken. */
static void get_variable_does_not_find_imported_variables(void **state)
{
    const char *w = embedded(EK_PROTO_VARIABLE_DEF, W);
    ek_graph *g = load_text(meta_text("collection_def { key: 'variables' value { bytes_list { value: '%s' } } } ", w), NULL);

    (void)state;
    assert_string_equal(ek_variable_name(ek_get_variable(g, "w", .shape = EK_SHAPE(2))), "w_1:0");
    assert_int_equal(ek_global_variables(g).count, 2);
    ek_graph_destroy(g);
    g = load_text(source, NULL);
    ek_with_variable_scope(g, "", .reuse = EK_REUSE) (void)ek_get_variable(g, "w", .shape = EK_SHAPE(2));
    assert_int_equal(ek_graph_status(g, NULL), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(ek_last_error()->text, "Variable w does not exist, or was not created with tf.get_variable()."));
    ek_graph_destroy(g);
}

/* Which are trainable was not said before 1.9: those in the collection are. */
static void variables_of_old_files(void **state)
{
    const char *w = embedded(EK_PROTO_VARIABLE_DEF, W);

    (void)state;
    for (int old = 0; old < 2; old++) {
        char text[20000], *version;
        snprintf(text, sizeof text, "%s", meta_text("collection_def { key: 'trainable_variables' value { bytes_list { value: '%s' } } } ", w));
        version = strstr(text, "1.13.1");
        memcpy(version, old ? "1.8.0 " : "1.9.0 ", 6);
        ek_graph *g = load_text(text, NULL);
        assert_int_equal(ek_variable_is_trainable(ek_variable_by_name(g, "w")), old);
        ek_graph_destroy(g);
    }
}

static void every_kind_of_collection(void **state)
{
    static const char more[] =
        "collection_def { key: 'nodes' value { node_list { value: 'y' value: 'y:0' } } } "
        "collection_def { key: 'ints' value { int64_list { value: 1 value: -7 } } } "
        "collection_def { key: 'floats' value { float_list { value: 0.5 value: inf } } } "
        "collection_def { key: 'texts' value { bytes_list { value: 'a' value: '\\000b' } } } "
        "collection_def { key: 'any' value { any_list { value { type_url: 't' value: 'v' } } } } "
        "collection_def { key: 'none' } collection_def { key: 'empty' value { node_list { } } } "
        "collection_def { key: 'savers' value { bytes_list { value: '\\n\\001f' } } } "
        "saver_def { filename_tensor_name: 'w:0' restore_op_name: 'y' max_to_keep: 3 sharded: true keep_checkpoint_every_n_hours: 0.5 version: V2 } "
        "signature_def { key: 's' value { method_name: 'm' } } asset_file_def { filename: 'f' } 77: 5";
    char want[20000];
    ek_graph *g, *again;
    ek_saver_def saver;
    ek_meta_info info;
    char *text, *second;

    (void)state;
    snprintf(want, sizeof want, "meta_info_def { tags: 'serve' tags: 'gpu' tensorflow_version: '1.13.1' } graph_def { %s } %s", NODES, more);
    g = load_text(want, NULL);
    assert_string_equal(repr(g, "nodes"), "[<tf.Operation 'y' type=Neg>, <tf.Tensor 'y:0' shape=(2,) dtype=float32>]");
    assert_string_equal(repr(g, "ints"), "[1, -7]");
    assert_string_equal(repr(g, "floats"), "[0.5, inf]");
    assert_string_equal(repr(g, "texts"), "['a', b'\\x00b']");
    assert_int_equal(ek_get_collection(g, "any").item[0].kind, EK_ITEM_ANY);
    assert_int_equal(ek_collection_count(g), 6);
    assert_true(ek_graph_saver_def(g, &saver));
    assert_string_equal(saver.filename_tensor_name, "w:0");
    assert_true(saver.save_tensor_name == NULL && saver.max_to_keep == 3 && saver.sharded && saver.version == 2);
    assert_true(saver.keep_checkpoint_every_n_hours == 0.5f);
    assert_true(ek_graph_meta_info(g, &info));
    assert_string_equal(info.tensorflow_version, "1.13.1");
    assert_int_equal(info.n_tags, 2);
    assert_string_equal(info.tags[1], "gpu");
    text = saved_text(g);
    again = load_text(text, NULL);
    second = saved_text(again);
    assert_string_equal(text, second);
    assert_non_null(strstr(text, "int64_list {\n      value: 1\n      value: -7\n"));
    assert_non_null(strstr(text, "float_list {\n      value: 0.5\n      value: inf\n"));
    assert_non_null(strstr(text, "value: \"a\"\n      value: \"\\000b\"\n"));
    assert_non_null(strstr(text, "type_url: \"t\"\n        value: \"v\"\n"));
    assert_non_null(strstr(text, "method_name: \"m\""));
    assert_non_null(strstr(text, "filename: \"f\""));
    assert_non_null(strstr(text, "77: 5"));
    assert_non_null(strstr(text, "max_to_keep: 3\n"));
    assert_null(strstr(text, "none"));
    ek_free(text);
    ek_free(second);
    ek_graph_destroy(again);
    ek_graph_destroy(g);
    g = ek_graph_create();
    assert_false(ek_graph_saver_def(g, &saver));
    assert_false(ek_graph_meta_info(g, &info));
    ek_graph_destroy(g);
}

static void devices_can_be_left_out(void **state)
{
    const char *text = meta_text(" ");
    ek_graph *g, *bare;
    void *data;
    size_t size;
    ek_op w;

    (void)state;
    g = load_text(text, NULL);
    assert_int_equal(ek_graph_op_by_name(g, "w", &w), EK_OK);
    assert_string_equal(ek_op_device(w), "/cpu:0");
    assert_int_equal(ek_meta_graph_save_bytes(g, &data, &size, .clear_devices = true), EK_OK);
    assert_int_equal(ek_meta_graph_load_bytes(data, size, &bare), EK_OK);
    assert_int_equal(ek_graph_op_by_name(bare, "w", &w), EK_OK);
    assert_string_equal(ek_op_device(w), "");
    ek_graph_destroy(bare);
    ek_free(data);
    assert_int_equal(ek_meta_graph_load_bytes(text, strlen(text), &bare, .clear_devices = true), EK_OK);
    assert_int_equal(ek_graph_op_by_name(bare, "w", &w), EK_OK);
    assert_string_equal(ek_op_device(w), "");
    char *out = saved_text(bare);
    assert_null(strstr(out, "device"));
    ek_free(out);
    ek_graph_destroy(bare);
    ek_graph_destroy(g);
}

/* ---- under a scope ------------------------------------------------------------------------------------- */

static void names_go_under_the_scope(void **state)
{
    const char *w = embedded(EK_PROTO_VARIABLE_DEF, W "save_slice_info_def { full_name: 'whole' }");
    const char *text = meta_text("collection_def { key: 'variables' value { bytes_list { value: '%s' } } } collection_def { key: 'nodes' "
                                 "value { node_list { value: 'y' } } } collection_def { key: 'texts' value { bytes_list { value: 'a' } } } "
                                 "saver_def { filename_tensor_name: 'w:0' restore_op_name: 'y' }", w);
    ek_graph *g = load_text(text, "old/net/");
    ek_saver_def saver;
    ek_op op;
    char *s;

    (void)state;
    assert_int_equal(ek_graph_op_by_name(g, "old/net/y", &op), EK_OK);
    assert_string_equal(ek_op_name(ek_op_control_input(op, 0)), "old/net/w/Assign");
    assert_string_equal(ek_variable_name(ek_variable_by_name(g, "old/net/w")), "old/net/w:0");
    assert_string_equal(repr(g, "nodes"), "[<tf.Operation 'old/net/y' type=Neg>]");
    assert_string_equal(repr(g, "texts"), "['old/net/a']");
    assert_true(ek_graph_saver_def(g, &saver));
    assert_string_equal(saver.filename_tensor_name, "old/net/w:0");
    assert_string_equal(saver.restore_op_name, "old/net/y");
    assert_int_equal(ek_graph_op_by_name(g, "old/net/w/Assign", &op), EK_OK);
    s = ek_op_str(op);
    assert_non_null(strstr(s, "loc:@old/net/w\""));
    ek_free(s);
    s = saved_text(g);
    assert_non_null(strstr(s, "old/net/whole"));
    assert_non_null(strstr(s, "producer: 27"));
    ek_free(s);
    assert_string_equal(ek_unique_name(g, "old/net"), "old/net_1");
    ek_graph_destroy(g);
}

static void loops_go_under_the_scope(void **state)
{
    const char *path = ek_test_data("tf-files/meta-cond-while/model.meta");
    ek_error err = { .code = EK_OK };
    ek_graph *g;
    ek_op op;
    char *s;

    (void)state;
    if (path == NULL) skip();
    if (ek_meta_graph_load(path, &g, .import_scope = "s", .error = &err) != EK_OK) fail_msg("%s", err.text);
    assert_int_equal(ek_graph_op_by_name(g, "s/loop/Enter", &op), EK_OK);
    s = ek_op_str(op);
    assert_non_null(strstr(s, "s: \"s/loop/while_context\""));
    ek_free(s);
    s = saved_text(g);
    assert_non_null(strstr(s, "s/loop/LoopCond:0"));
    assert_null(strstr(s, "nloop/"));
    assert_null(strstr(s, "\"loop/"));
    ek_free(s);
    ek_graph_destroy(g);
}

/* ---- used ------------------------------------------------------------------------------------------------ */

static ek_list twice(ek_graph *g, void *arg)
{
    ek_tensor *x = arg;
    return EK_RESULTS(g, ek_times(x[0], x[1]), x[0]);
}

static ek_list inner_true(ek_graph *g, void *arg) { return EK_RESULTS(g, ek_square(((ek_tensor *)arg)[1])); }
static ek_list inner_false(ek_graph *g, void *arg) { return EK_RESULTS(g, ((ek_tensor *)arg)[0]); }

static ek_list nested(ek_graph *g, void *arg)
{
    ek_tensor *x = arg;
    return EK_RESULTS(g, ek_first(ek_cond(x[2], inner_true, inner_false, .arg = arg)), ek_negative(x[1]));
}

static void add_gradients(ek_graph *g)
{
    ek_tensor x, w, y[2];

    assert_int_equal(ek_graph_tensor_by_name(g, "x:0", &x), EK_OK);
    assert_int_equal(ek_graph_tensor_by_name(g, "w/read:0", &w), EK_OK);
    assert_int_equal(ek_graph_tensor_by_name(g, "cond/Merge:0", &y[0]), EK_OK);
    assert_int_equal(ek_graph_tensor_by_name(g, "cond/Merge_1:0", &y[1]), EK_OK);
    (void)ek_gradients(EK_LIST(y[0], y[1]), EK_LIST(x, w));
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
}

/* The gradient of a cond that came from a file has the nodes that it has where the cond was built; and the same branches. */
static void gradients_go_through_an_imported_cond(void **state)
{
    ek_graph *built = ek_graph_create(), *loaded;
    ek_tensor in[3];
    void *data, *first, *second;
    size_t size, first_size, second_size;

    (void)state;
    in[0] = ek_placeholder(built, EK_FLOAT32, .shape = EK_SHAPE(-1, 2), .name = "x");
    in[1] = ek_variable_value(ek_get_variable(built, "w", .shape = EK_SHAPE(2)));
    in[2] = ek_placeholder(built, EK_BOOL, .shape = EK_SCALAR, .name = "q");
    (void)ek_cond(ek_placeholder(built, EK_BOOL, .shape = EK_SCALAR, .name = "p"), nested, twice, .arg = in);
    assert_int_equal(ek_meta_graph_save_bytes(built, &data, &size), EK_OK);
    assert_int_equal(ek_meta_graph_load_bytes(data, size, &loaded), EK_OK);
    const int64_t from = ek_graph_op_count(built);
    add_gradients(built);
    add_gradients(loaded);
    assert_true(ek_graph_op_count(built) > from + 10);
    assert_int_equal(ek_graph_op_count(loaded), ek_graph_op_count(built));
    for (int64_t i = from; i < ek_graph_op_count(built); i++) {
        char *a = ek_op_str(ek_graph_op_at(built, i)), *b = ek_op_str(ek_graph_op_at(loaded, i));
        assert_string_equal(a, b);
        ek_free(a);
        ek_free(b);
    }
    assert_int_equal(ek_meta_graph_save_bytes(built, &first, &first_size), EK_OK);
    assert_int_equal(ek_meta_graph_save_bytes(loaded, &second, &second_size), EK_OK);
    assert_true(meta_same("after the gradients", span_of(first, first_size), span_of(second, second_size)));
    ek_free(data);
    ek_free(first);
    ek_free(second);
    ek_graph_destroy(built);
    ek_graph_destroy(loaded);
}

/* Batch 0 of the ten. */
static ek_array *first_batch(const char *npy)
{
    char path[200];
    ek_array *all = NULL, *one;
    ek_shape shape;

    snprintf(path, sizeof path, "trajectories/mlp_sgd/%s", npy);
    assert_int_equal(ek_npy_load(ek_test_data(path), &all), EK_OK);
    shape = *ek_array_shape(all);
    for (int i = 1; i < shape.rank; i++) shape.dim[i - 1] = shape.dim[i];
    shape.rank--;
    one = ek_array_of(ek_array_dtype(all), shape, ek_array_data(all));
    ek_array_unref(all);
    return one;
}

/* A network of TensorFlow's is trained by its own op, and by gradients and updates that are added to it here. */
static void an_imported_network_is_trained_on(void **state)
{
    const char *path = ek_test_data("trajectories/mlp_sgd/meta.pb");
    ek_graph *g;

    (void)state;
    if (path == NULL) skip();
    assert_int_equal(ek_meta_graph_load(path, &g), EK_OK);
    const ek_tensor loss = ek_list_tensor(ek_get_collection(g, "golden_loss"), 0);
    const ek_list in = ek_get_collection(g, "golden_inputs"), train = ek_get_collection(g, "golden_train_op"),
                  variables = ek_trainable_variables(g);
    const ek_gradient_list d = ek_gradients(EK_LIST(loss), variables);
    ek_op step[16];
    for (int64_t i = 0; i < d.count; i++)
        step[i] = ek_tensor_op(ek_assign_sub(variables.item[i].u.variable, ek_times(d.at[i].value, 0.5)));
    const ek_op init = ek_global_variables_initializer(g);
    ek_session *s = ek_session_create(g);
    ek_array *on = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ true }), *x = first_batch("x.npy"), *labels = first_batch("labels.npy"),
             *at[3] = { NULL };
    ek_error err = { .code = EK_OK };

    assert_int_equal(variables.count, 10);
    if (ek_run(s, .target = { init }, .error = &err) != EK_OK) fail_msg("%s", err.text);
    for (int i = 0; i < 40; i++) {
        const ek_feed feed[3] = { { ek_list_tensor(in, 0), x }, { ek_list_tensor(in, 1), labels }, { ek_list_tensor(in, 2), on } };
        ek_array **to = &at[i < 20 ? i > 0 : 2];
        if (ek_run(s, .feeds = feed, .n_feeds = 3, .fetch = { { loss, to } }, .also = i < 20 ? train : EK_EMPTY_LIST,
                   .targets = step, .n_targets = i < 20 ? 0 : d.count, .error = &err) != EK_OK)
            fail_msg("%s", err.text);
    }
    assert_true(ek_array_get(at[1], 0) < 0.9 * ek_array_get(at[0], 0));
    assert_true(ek_array_get(at[2], 0) < 0.9 * ek_array_get(at[1], 0));
    for (int i = 0; i < 3; i++) ek_array_unref(at[i]);
    ek_array_unref(on);
    ek_array_unref(x);
    ek_array_unref(labels);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* ---- what is written ---------------------------------------------------------------------------------------- */

static void what_a_built_graph_says(void **state)
{
    const ek_saver_def saver = { "save/Const:0", "save/control_dependency:0", "save/restore_all", 5, false, 10000.0f, 2 };
    ek_graph *g = ek_graph_create();
    ek_variable w = ek_get_variable(g, "w", .shape = EK_SHAPE(2), .trainable = false);
    void *data;
    size_t size;

    (void)state;
    ek_add_to_collection(g, "mine", w); /* a key of no message: the variable's name */
    ek_add_to_collection(g, "epochs", 3);
    ek_add_to_collection(g, "mixed", 3);
    ek_add_to_collection(g, "mixed", w);
    ek_add_to_collection(g, EK_LOCAL_VARIABLES, ek_variable_value(w)); /* no variable */
    ek_touch_collection(g, "empty");
    assert_int_equal(ek_meta_graph_save_bytes(g, &data, &size, .text = true, .saver = &saver), EK_OK);
    assert_non_null(strstr(data, "tensorflow_version: \"1.15.0\"\n  tensorflow_git_version: \"evenkeel "));
    assert_non_null(strstr(data, "key: \"mine\"\n  value {\n    node_list {\n      value: \"w:0\"\n"));
    assert_non_null(strstr(data, "key: \"epochs\"\n  value {\n    int64_list {\n      value: 3\n"));
    assert_non_null(strstr(data, "saver_def {\n  filename_tensor_name: \"save/Const:0\"\n  save_tensor_name: "
                                 "\"save/control_dependency:0\"\n  restore_op_name: \"save/restore_all\"\n  max_to_keep: 5\n  "
                                 "keep_checkpoint_every_n_hours: 10000.0\n  version: V2\n}"));
    assert_null(strstr(data, "mixed"));
    assert_null(strstr(data, "local_variables"));
    assert_null(strstr(data, "key: \"empty\""));
    assert_null(strstr(data, "trainable"));
    ek_free(data);
    ek_op_build(g, "Strange", .name = "a");
    assert_int_equal(ek_meta_graph_save_bytes(g, &data, &size), EK_NOT_FOUND);
    assert_null(data);
    ek_graph_destroy(g);
}

/* A text may begin with any of its fields. */
static void texts_are_told_by_their_first_word(void **state)
{
    static const char *const text[] = { "meta_info_def {", "graph_def {", "saver_def {", "collection_def {", "signature_def {", "asset_file_def {" };

    (void)state;
    for (int i = 0; i < EK_COUNT_OF(text); i++)
        assert_int_equal(ek__bytes_kind(span_of(text[i], strlen(text[i]))), EK_FILE_META_GRAPH_TEXT);
}

static void paths(void **state)
{
    const char *path = EK_BUILD_DIR "/meta_graph_test.meta";
    ek_graph *g = load_text(meta_text(" "), NULL), *back;
    ek_error err = { .code = EK_OK };

    (void)state;
    for (int text = 0; text < 2; text++) {
        assert_int_equal(ek_meta_graph_save(g, path, .text = text != 0), EK_OK);
        assert_int_equal(ek_meta_graph_load(path, &back), EK_OK);
        assert_int_equal(ek_graph_op_count(back), 5);
        ek_graph_destroy(back);
    }
    remove(path);
    assert_int_equal(ek_meta_graph_load(path, &back, .error = &err), EK_NOT_FOUND);
    assert_null(back);
    assert_int_equal(ek_meta_graph_save(g, NULL), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_meta_graph_save(NULL, path), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_meta_graph_load(NULL, &back), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_meta_graph_load(path, NULL), EK_INVALID_ARGUMENT);
    ek_graph_destroy(g);
}

/* ---- what is refused ------------------------------------------------------------------------------------------- */

static void expect_refusal(const char *text, const char *words)
{
    ek_error err = { .code = EK_OK };
    ek_graph *g;

    if (ek_meta_graph_load_bytes(text, strlen(text), &g, .error = &err) == EK_OK) fail_msg("read: %s", words);
    assert_null(g);
    if (strstr(err.text, words) == NULL) fail_msg("expected: %s\nfound:    %s", words, err.text);
}

static void refusals_name_collection_and_item(void **state)
{
    static const struct { const char *key; ek_proto_id type; const char *text, *words; } row[] = {
        { "variables", EK_PROTO_VARIABLE_DEF, "variable_name: 'q:0' initializer_name: 'w/Assign' snapshot_name: 'w/read:0'",
          "collection 'variables', item 1: The name 'q:0' refers to a Tensor which does not exist. The operation, 'q', does not exist in the graph." },
        { "variables", EK_PROTO_VARIABLE_DEF, "variable_name: 'w:0' snapshot_name: 'w/read:0'",
          "collection 'variables', item 1: The name '' refers to an Operation not in the graph." },
        { "variables", EK_PROTO_VARIABLE_DEF, "variable_name: 'w:0' initializer_name: 'w/Assign' snapshot_name: 'w/read'",
          "item 1: The name 'w/read' refers to an Operation, not a Tensor." },
        { "variables", EK_PROTO_VARIABLE_DEF, "variable_name: 'y:0' initializer_name: 'w/Assign' snapshot_name: 'w/read:0'",
          "item 1: 'y' (Neg) gives no reference: it is no variable" },
        { "local_variables", EK_PROTO_VARIABLE_DEF, W "is_resource: true", "collection 'local_variables', item 1: 'w' (VariableV2) gives no resource" },
        { "variables", EK_PROTO_VARIABLE_DEF, W "synchronization: 7", "item 1: Invalid variable synchronization mode: 7 for variable: w:0" },
        { "variables", EK_PROTO_VARIABLE_DEF, W "aggregation: 9", "item 1: Invalid variable aggregation mode: 9 for variable: w:0" },
        { "variables", EK_PROTO_VARIABLE_DEF, W "synchronization: VARIABLE_SYNCHRONIZATION_ON_READ trainable: true",
          "ON_READ only for non-trainable variables" },
        { "cond_context", EK_PROTO_COND_CONTEXT, "context_name: 'c' pred_name: 'y:0' pivot_name: 'q:0'", "collection 'cond_context', item 1: The name 'q:0'" },
        { "cond_context", EK_PROTO_COND_CONTEXT, "context_name: 'c' pred_name: 'y:0' pivot_name: 'y:0' branch: 2", "of branch 2" },
        { "cond_context", EK_PROTO_COND_CONTEXT, "context_name: 'c' pred_name: 'y:0' pivot_name: 'y:0' values_def { values: 'q:0' }", "item 1: The name 'q:0'" },
        { "cond_context", EK_PROTO_COND_CONTEXT, "context_name: 'c' pred_name: 'y:0' pivot_name: 'y:0' nested_contexts { }",
          "item 1: a context inside is neither that of a cond nor of a loop" },
        { "while_context", EK_PROTO_WHILE_CONTEXT, "context_name: 'c'", "collection 'while_context', item 1: The name ''" },
    };

    (void)state;
    for (int i = 0; i < EK_COUNT_OF(row); i++) {
        static const char *const good[] = { [EK_PROTO_VARIABLE_DEF] = W,
                                            [EK_PROTO_COND_CONTEXT] = "context_name: 'c' pred_name: 'y:0' pivot_name: 'y:0'",
                                            [EK_PROTO_WHILE_CONTEXT] = "context_name: 'c' pivot_for_body_name: 'y:0'" };
        expect_refusal(meta_text("collection_def { key: '%s' value { bytes_list { value: '%s' value: '%s' } } }", row[i].key,
                                 embedded(row[i].type, good[row[i].type]), embedded(row[i].type, row[i].text)), row[i].words);
    }
    expect_refusal(meta_text("collection_def { key: 'variables' value { bytes_list { value: '\\n\\007w' } } }"),
                   "collection 'variables', item 0: byte 0: a field reaches past the end");
    expect_refusal(meta_text("collection_def { key: 'savers' value { bytes_list { value: '\\n\\007w' } } }"), "collection 'savers', item 0: byte 0:");
    expect_refusal(meta_text("collection_def { key: 'k' value { node_list { value: 'y' value: 'y:1' } } }"),
                   "collection 'k', item 1: The name 'y:1' refers to a Tensor which does not exist. The operation, 'y', exists but only has 1 outputs.");
    expect_refusal(meta_text("collection_def { key: 'unbound_inputs' value { bytes_list { value: '$unbound_inputs_a' value: 'b' } } }"),
                   "Graph contains unbound inputs: $unbound_inputs_a,b. Must provide these inputs through input_map.");
    expect_refusal("node { name: 'a' op: 'NoOp' }", "what was given is a GraphDef in text form, a MetaGraphDef is needed");
    expect_refusal("meta_info_def { tag: 'a' }", "1:17: ");
    expect_refusal("\n\007w", "byte 0: a field reaches past the end");
}

static void scopes_that_are_none_are_refused(void **state)
{
    const char *text = meta_text(" ");
    char long_name[1100];
    ek_error err = { .code = EK_OK };
    ek_graph *g;

    (void)state;
    assert_int_equal(ek_meta_graph_load_bytes(text, strlen(text), &g, .import_scope = "a b", .error = &err), EK_INVALID_ARGUMENT);
    assert_string_equal(err.text, "'a b' is not a valid scope name");
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(ek_meta_graph_load_bytes(text, strlen(text), &g, .import_scope = long_name), EK_INVALID_ARGUMENT);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static ek_status read_and_write(void)
{
    ek_error err = { .code = EK_OK };
    ek_graph *g = NULL, *scoped = NULL;
    void *bytes = NULL, *text = NULL;
    size_t size, text_size;
    ek_status st = ek_meta_graph_load_bytes(source, strlen(source), &g, .error = &err);

    if (st == EK_OK) st = ek_meta_graph_save_bytes(g, &bytes, &size, .error = &err);
    if (st == EK_OK) st = ek_meta_graph_load_bytes(bytes, size, &scoped, .import_scope = "s", .error = &err);
    if (st == EK_OK) st = ek_meta_graph_save_bytes(scoped, &text, &text_size, .text = true, .error = &err);
    ek_free(bytes);
    ek_free(text);
    ek_graph_destroy(g);
    ek_graph_destroy(scoped);
    return st;
}

static void running_out_of_memory(void **state)
{
    const char *w = embedded(EK_PROTO_VARIABLE_DEF, W "initial_value_name: 'c:0' save_slice_info_def { full_name: 'whole' }");
    const char *c = embedded(EK_PROTO_COND_CONTEXT, "context_name: 'c' pred_name: 'y:0' pivot_name: 'y:0' values_def { values: 'y:0' values: 'w:0' external_values { "
                             "key: 'w:0' value: 'w/read:0' } } nested_contexts { cond_ctxt { context_name: 'd' pred_name: 'y:0' pivot_name: 'w/read:0' } }");
    const char *l = embedded(EK_PROTO_WHILE_CONTEXT, "context_name: 'l' pivot_for_body_name: 'c:0' values_def { values: 'c:0' }");

    (void)state;
    ek_graph_destroy(ek_graph_create()); /* what is made once per process is made */
    (void)meta_text("collection_def { key: 'variables' value { bytes_list { value: '%s' } } } collection_def { key: 'cond_context' value { "
                    "bytes_list { value: '%s' } } } collection_def { key: 'while_context' value { bytes_list { value: '%s' } } } "
                    "collection_def { key: 'k' value { node_list { value: 'y' } } } collection_def { key: 't' value { bytes_list { value: 'a' "
                    "value: '\\000' } } } collection_def { key: 'savers' value { bytes_list { value: '\\n\\001f' } } } saver_def { restore_op_name: 'y' }", w, c, l);
    ek_test_refuse_each(read_and_write, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_comes_back_as_it_was),
        cmocka_unit_test(programs_export_what_tensorflow_exports),
        cmocka_unit_test(variables_are_variables_again),
        cmocka_unit_test(get_variable_does_not_find_imported_variables),
        cmocka_unit_test(variables_of_old_files),
        cmocka_unit_test(every_kind_of_collection),
        cmocka_unit_test(devices_can_be_left_out),
        cmocka_unit_test(names_go_under_the_scope),
        cmocka_unit_test(loops_go_under_the_scope),
        cmocka_unit_test(gradients_go_through_an_imported_cond),
        cmocka_unit_test(an_imported_network_is_trained_on),
        cmocka_unit_test(what_a_built_graph_says),
        cmocka_unit_test(texts_are_told_by_their_first_word),
        cmocka_unit_test(paths),
        cmocka_unit_test(refusals_name_collection_and_item),
        cmocka_unit_test(scopes_that_are_none_are_refused),
        cmocka_unit_test(running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
