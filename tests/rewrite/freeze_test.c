/* Freezing: node for node what TensorFlow's convert_variables_to_constants makes, and what must be refused. */
#include <string.h>

#include "codec/text.h"
#include "evenkeel/evenkeel.h"
#include "graph/node.h"
#include "graph/nodedef.h"
#include "support/support.h"

/* A NodeDef as text, maps sorted. Static storage, two at a time. */
static const char *node_text(const ek_graph *g, const ek_node *n)
{
    static char text[2][1 << 16];
    static int turn;
    ek_buf bytes = { .data = NULL }, out = { .data = NULL };

    ek__nodedef_write(&bytes, g, n);
    assert_int_equal(ek__text_print(ek__proto(EK_PROTO_NODE_DEF), (ek_span){ (uint8_t *)bytes.data, bytes.size }, 0, &out, NULL), EK_OK);
    turn = !turn;
    snprintf(text[turn], sizeof text[0], "%s", out.data);
    ek__buf_fini(&bytes);
    ek__buf_fini(&out);
    return text[turn];
}

static void assert_same_nodes(const ek_graph *found, const ek_graph *want)
{
    for (int64_t i = 0; i < want->n_nodes && i < found->n_nodes; i++)
        assert_string_equal(node_text(found, found->node[i]), node_text(want, want->node[i]));
    assert_int_equal(found->n_nodes, want->n_nodes);
}

static ek_op op_of(const ek_graph *g, const char *name)
{
    ek_op op;

    assert_int_equal(ek_graph_op_by_name(g, name, &op), EK_OK);
    return op;
}

/* ---- TensorFlow's own ---------------------------------------------------------------------------------------- */

/* The values that stand in TensorFlow's frozen graph go into a session of the original. */
static void the_frozen_graph_is_tensorflows_node_for_node(void **state)
{
    const char *path = ek_test_data("tf-files/frozen-with-original/model.meta");
    ek_graph *original, *want, *found;
    ek_session *s;
    int set = 0;

    (void)state;
    if (path == NULL) skip();
    assert_int_equal(ek_meta_graph_load(path, &original), EK_OK);
    assert_int_equal(ek_graph_load(ek_test_data("tf-files/frozen-with-original/frozen.pb"), &want, NULL), EK_OK);
    s = ek_session_create(original);
    for (int64_t i = 0; i < want->n_nodes; i++) {
        const ek_variable v = ek_variable_by_name(original, want->node[i]->name);
        if (!ek_variable_ok(v)) continue;
        assert_int_equal(ek_session_set(s, v, want->node[i]->constant), EK_OK);
        set++;
    }
    assert_int_equal(set, 12);
    assert_int_equal(ek_freeze(original, &found, .outputs = EK_LIST(op_of(original, "probabilities")), .session = s), EK_OK);
    assert_same_nodes(found, want);
    ek_graph_destroy(found);
    /* By a tensor it is the same. */
    const ek_tensor p = ek_op_output(op_of(original, "probabilities"), 0);
    assert_int_equal(ek_freeze(original, &found, .outputs = EK_LIST(p), .session = s), EK_OK);
    assert_same_nodes(found, want);
    ek_graph_destroy(found);
    ek_session_destroy(s);
    ek_graph_destroy(original);
    ek_graph_destroy(want);
}

/* Of a checkpoint in the data folder, by its index. */
static const char *prefix_of(const char *index)
{
    static char prefix[2][4096];
    static int turn;

    turn = !turn;
    snprintf(prefix[turn], sizeof prefix[0], "%s", ek_test_data(index));
    prefix[turn][strlen(prefix[turn]) - strlen(".index")] = '\0';
    return prefix[turn];
}

/* A bare GraphDef and a checkpoint, without a session. */
static void a_graph_and_a_checkpoint_are_frozen_alike(void **state)
{
    const char *path = ek_test_data("tf-files/frozen-with-original/original.pb");
    ek_graph *original, *want, *found;

    (void)state;
    if (path == NULL) skip();
    assert_int_equal(ek_graph_load(path, &original, NULL), EK_OK);
    assert_int_equal(ek_graph_load(ek_test_data("tf-files/frozen-with-original/frozen.pb"), &want, NULL), EK_OK);
    assert_int_equal(ek_freeze(original, &found, .outputs = EK_LIST(op_of(original, "probabilities")),
                               .checkpoint = prefix_of("tf-files/frozen-with-original/model.index")), EK_OK);
    assert_same_nodes(found, want);
    ek_graph_destroy(found);
    assert_int_equal(ek_freeze(original, &found, .outputs = EK_LIST(op_of(original, "probabilities")),
                               .checkpoint = prefix_of("tf-files/ckpt-v2-types/model.index")), EK_NOT_FOUND);
    assert_non_null(strstr(ek_last_error()->text, "not found in checkpoint"));
    assert_int_equal(ek_freeze(original, &found, .outputs = EK_LIST(op_of(original, "probabilities")), .checkpoint = "/no/such"), EK_NOT_FOUND);
    assert_null(found);
    ek_graph_destroy(original);
    ek_graph_destroy(want);
}

/* ---- variables of both kinds -------------------------------------------------------------------------------------- */

/* y = x * v + v, v read by what is made. A session with v = { 2, 3 }. */
static ek_graph *small(bool resource, ek_session **s)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(2), .name = "x");
    ek_array *two = ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){ 2, 3 });
    ek_variable v;

    ek_use_resource_variables(g, resource);
    v = ek_get_variable(g, "v", .shape = EK_SHAPE(2));
    const ek_tensor a = ek_variable_value(v), b = ek_variable_value(v);
    (void)ek_add(ek_multiply(x, a), b, .name = "y");
    *s = ek_session_create(g);
    assert_int_equal(ek_graph_status(g, NULL), EK_OK);
    assert_int_equal(ek_session_set(*s, v, two), EK_OK);
    ek_array_unref(two);
    return g;
}

static void assert_runs_alike(ek_graph *frozen)
{
    ek_session *s = ek_session_create(frozen);
    ek_array *x = ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){ 1, 10 }), *y = NULL;

    assert_int_equal(ek_run(s, .feed = { { ek_op_output(op_of(frozen, "x"), 0), x } }, .fetch = { { ek_op_output(op_of(frozen, "y"), 0), &y } }), EK_OK);
    assert_true(ek_array_get(y, 0) == 4 && ek_array_get(y, 1) == 33);
    ek_array_unref(x);
    ek_array_unref(y);
    ek_session_destroy(s);
}

static void variables_become_constants_of_their_names(void **state)
{
    (void)state;
    for (int resource = 0; resource < 2; resource++) {
        ek_session *s;
        ek_graph *g = small(resource != 0, &s), *frozen;
        const char *text;

        assert_int_equal(ek_freeze(g, &frozen, .outputs = EK_LIST(op_of(g, "y")), .session = s), EK_OK);
        ek_session_destroy(s);
        ek_graph_destroy(g);
        text = node_text(frozen, frozen->node[op_of(frozen, "v").id]);
        assert_non_null(strstr(text, "op: \"Const\""));
        assert_null(strstr(text, "_class"));
        int reads = 0;
        for (int64_t i = 0; i < frozen->n_nodes; i++) {
            assert_string_not_equal(frozen->node[i]->type, "ReadVariableOp");
            reads += strcmp(frozen->node[i]->type, "Identity") == 0;
        }
        assert_int_equal(reads, resource + 1);
        assert_runs_alike(frozen);
        ek_graph_destroy(frozen);
    }
}

/* ---- what hands handles on --------------------------------------------------------------------------------------------- */

#define HANDLE "attr { key: 'T' value { type: DT_RESOURCE } } "
#define V "node { name: 'v' op: 'VarHandleOp' attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'shape' value { shape { dim { size: 3 } } } } } "
#define P "node { name: 'p' op: 'Placeholder' attr { key: 'dtype' value { type: DT_BOOL } } } "
#define READ(name, from) \
    "node { name: '" name "' op: 'ReadVariableOp' input: '" from "' input: '^p' attr { key: 'dtype' value { type: DT_FLOAT } } } "

/* A session whose variable v holds { 1, 2, 3 }. */
static ek_graph *with_v(const char *nodes, ek_session **s)
{
    static const char set[] = "node { name: 'c' op: 'Const' attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'value' value { tensor { dtype: DT_FLOAT "
                              "tensor_shape { dim { size: 3 } } float_val: 1 float_val: 2 float_val: 3 } } } } "
                              "node { name: 'set' op: 'AssignVariableOp' input: 'v' input: 'c' attr { key: 'dtype' value { type: DT_FLOAT } } } ";
    char text[8000];
    ek_error err = { .code = EK_OK };
    ek_graph *g;

    snprintf(text, sizeof text, V P "%s%s versions { producer: 26 }", nodes, set);
    if (ek_graph_load_bytes(text, strlen(text), &g, &err) != EK_OK) fail_msg("%s", err.text);
    *s = ek_session_create(g);
    assert_int_equal(ek_run(*s, .target = { op_of(g, "set") }), EK_OK);
    return g;
}

static void handles_that_are_handed_on_become_values(void **state)
{
    ek_session *s;
    ek_graph *g = with_v("node { name: 'i' op: 'Identity' input: 'v' device: '/cpu:0' " HANDLE "} "
                         "node { name: 'sw' op: 'Switch' input: 'i' input: 'p' " HANDLE "} "
                         "node { name: 'm' op: 'Merge' input: 'sw' input: 'sw:1' " HANDLE "attr { key: 'N' value { i: 2 } } } "
                         READ("r", "m"), &s), *frozen;

    (void)state;
    assert_int_equal(ek_freeze(g, &frozen, .outputs = EK_LIST(op_of(g, "r")), .session = s), EK_OK);
    assert_int_equal(ek_graph_op_count(frozen), 6);
    for (int i = 0; i < 3; i++) {
        const char *text = node_text(frozen, frozen->node[op_of(frozen, ((const char *[]){ "i", "sw", "m" })[i]).id]);
        assert_non_null(strstr(text, "type: DT_FLOAT"));
        assert_null(strstr(text, "DT_RESOURCE"));
    }
    assert_string_equal(ek_op_device(op_of(frozen, "i")), "/cpu:0");
    assert_string_equal(node_text(frozen, frozen->node[op_of(frozen, "r").id]),
                        "name: \"r\"\nop: \"Identity\"\ninput: \"m\"\nattr {\n  key: \"T\"\n  value {\n    type: DT_FLOAT\n  }\n}\n");
    ek_session_destroy(s);
    ek_graph_destroy(g);
    ek_graph_destroy(frozen);
}

static void a_gather_from_a_variable_is_one_from_a_constant(void **state)
{
    ek_session *s;
    ek_graph *g = with_v("node { name: 'at' op: 'Placeholder' attr { key: 'dtype' value { type: DT_INT32 } } } "
                         "node { name: 'r' op: 'ResourceGather' input: 'v' input: 'at' attr { key: 'dtype' value { type: DT_FLOAT } } "
                         "attr { key: 'Tindices' value { type: DT_INT32 } } } ", &s), *frozen;
    ek_array *at = ek_array_of(EK_INT32, EK_SHAPE(2), (int32_t[]){ 2, 0 }), *out = NULL;

    (void)state;
    assert_int_equal(ek_freeze(g, &frozen, .outputs = EK_LIST(op_of(g, "r")), .session = s), EK_OK);
    ek_session_destroy(s);
    s = ek_session_create(frozen);
    assert_string_equal(ek_op_type(op_of(frozen, "r")), "GatherV2");
    assert_int_equal(ek_run(s, .feed = { { ek_op_output(op_of(frozen, "at"), 0), at } }, .fetch = { { ek_op_output(op_of(frozen, "r"), 0), &out } }), EK_OK);
    assert_true(ek_array_get(out, 0) == 3 && ek_array_get(out, 1) == 1);
    ek_array_unref(at);
    ek_array_unref(out);
    ek_session_destroy(s);
    ek_graph_destroy(g);
    ek_graph_destroy(frozen);
}

/* ---- refusals ---------------------------------------------------------------------------------------------------------------- */

static void what_a_constant_cannot_be_is_refused(void **state)
{
    static const struct { const char *nodes, *why; } wrong[] = {
        { "node { name: 'r' op: 'VarIsInitializedOp' input: 'v' } ", "'r' of type VarIsInitializedOp uses the handle of the variable 'v'" },
        { "node { name: 'w' op: 'VariableV2' attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'shape' value { shape { } } } } "
          "node { name: 'r' op: 'RefSwitch' input: 'w' input: 'p' attr { key: 'T' value { type: DT_FLOAT } } } ",
          "'r' of type RefSwitch takes by reference the variable 'w'" },
        { "node { name: 'table' op: 'Placeholder' attr { key: 'dtype' value { type: DT_RESOURCE } } } " READ("r", "table"),
          "Cannot find the variable that is an input to the ReadVariableOp 'r'." },
        { "node { name: 'r' op: 'VariableV2' attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'shape' value { shape { } } } } ",
          "Attempting to use uninitialized value r" },
    };

    (void)state;
    for (int i = 0; i < EK_COUNT_OF(wrong); i++) {
        ek_error err = { .code = EK_OK };
        ek_session *s;
        ek_graph *g = with_v(wrong[i].nodes, &s), *frozen;

        assert_true(ek_freeze(g, &frozen, .outputs = EK_LIST(op_of(g, "r")), .session = s, .error = &err) != EK_OK);
        if (strstr(err.text, wrong[i].why) == NULL) fail_msg("%s", err.text);
        assert_null(frozen);
        ek_session_destroy(s);
        ek_graph_destroy(g);
    }
}

static void options_without_sense_are_refused(void **state)
{
    ek_session *s, *other;
    ek_graph *g = small(false, &s), *h = small(false, &other), *frozen;

    (void)state;
    assert_int_equal(ek_freeze(g, NULL, .outputs = EK_LIST(op_of(g, "y")), .session = s), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_freeze(g, &frozen, .session = s), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(ek_last_error()->text, "name the outputs"));
    assert_int_equal(ek_freeze(g, &frozen, .outputs = EK_LIST(op_of(h, "y")), .session = s), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_freeze(g, &frozen, .outputs = EK_LIST(op_of(g, "y")), .session = other), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_freeze(g, &frozen, .outputs = EK_LIST(op_of(g, "y"))), EK_INVALID_ARGUMENT);
    ek_session_destroy(s);
    ek_session_destroy(other);
    ek_graph_destroy(g);
    ek_graph_destroy(h);
}

static ek_status everything(void)
{
    ek_error err = { .code = EK_OK };
    ek_graph *g = ek_graph_create(), *frozen = NULL;
    ek_session *s = NULL;
    ek_array *two = NULL;
    ek_status st;

    if (g == NULL) return EK_RESOURCE_EXHAUSTED;
    ek_use_resource_variables(g, true);
    const ek_variable v = ek_get_variable(g, "v", .shape = EK_SHAPE(2));
    const ek_tensor y = ek_relu(ek_variable_value(v));
    st = ek_graph_status(g, &err);
    if (st == EK_OK) st = ek_array_create(EK_FLOAT32, EK_SHAPE(2), NULL, &two);
    if (st == EK_OK && (s = ek_session_create(g)) == NULL) st = EK_RESOURCE_EXHAUSTED;
    if (st == EK_OK) st = ek_session_set(s, v, two);
    if (st == EK_OK) st = ek_freeze(g, &frozen, .outputs = EK_LIST(y), .session = s, .error = &err);
    ek_array_unref(two);
    ek_session_destroy(s);
    ek_graph_destroy(frozen);
    ek_graph_destroy(g);
    return st;
}

static void without_memory_there_is_an_error_and_no_leak(void **state)
{
    (void)state;
    ek_test_refuse_each(everything, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_frozen_graph_is_tensorflows_node_for_node),
        cmocka_unit_test(a_graph_and_a_checkpoint_are_frozen_alike),
        cmocka_unit_test(variables_become_constants_of_their_names),
        cmocka_unit_test(handles_that_are_handed_on_become_values),
        cmocka_unit_test(a_gather_from_a_variable_is_one_from_a_constant),
        cmocka_unit_test(what_a_constant_cannot_be_is_refused),
        cmocka_unit_test(options_without_sense_are_refused),
        cmocka_unit_test(without_memory_there_is_an_error_and_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
