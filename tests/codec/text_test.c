/* The text form both ways: what TensorFlow wrote, what is odd but legal, what must be refused and where. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/text.h"
#include "support/support.h"

static ek_status parse(ek_proto_id id, const char *text, size_t size, ek_buf *out, ek_error *err)
{
    *err = (ek_error){ .code = EK_OK };
    *out = (ek_buf){ .data = NULL };
    return ek__text_parse(ek__proto(id), text, size, out, err);
}

static void assert_bytes(const ek_buf *got, const char *want, size_t size)
{
    assert_int_equal(got->size, size);
    assert_memory_equal(got->data, want, size);
}

/* A graph's text gives its bytes, and its bytes its text. */
static void both_ways(const char *pb, const char *pbtxt)
{
    size_t pb_size, text_size;
    char *want_pb = ek_test_read(pb, &pb_size), *want_text = ek_test_read(pbtxt, &text_size);
    ek_buf bytes, text = { .data = NULL };
    ek_error err;

    assert_non_null(want_pb);
    assert_non_null(want_text);
    if (parse(EK_PROTO_GRAPH_DEF, want_text, text_size, &bytes, &err) != EK_OK) fail_msg("%s: %s", pbtxt, err.text);
    assert_bytes(&bytes, want_pb, pb_size);
    assert_int_equal(ek__wire_check(ek__proto(EK_PROTO_GRAPH_DEF), (ek_span){ (uint8_t *)want_pb, pb_size }, NULL, &err), EK_OK);
    assert_int_equal(ek__text_print(ek__proto(EK_PROTO_GRAPH_DEF), (ek_span){ (uint8_t *)want_pb, pb_size }, 0, &text, &err), EK_OK);
    assert_bytes(&text, want_text, text_size);
    ek__buf_fini(&bytes);
    ek__buf_fini(&text);
    free(want_pb);
    free(want_text);
}

/* The map entries of this graph.pb are in no order, so the printed forms are compared. */
static void every_kind_of_attribute(void **state)
{
    static const char *const form[] = { "graph.pb", "graph.pbtxt", "graph-one-line.pbtxt", "graph-odd-but-legal.pbtxt" };
    const char *first = ek_test_data("tf-files/text-attributes/graph.pbtxt");
    char *want;
    size_t want_size;

    EK_UNUSED(state);
    if (first == NULL) skip();
    want = ek_test_read(first, &want_size);
    for (int i = 0; i < EK_COUNT_OF(form); i++) {
        char relative[200];
        size_t size;
        ek_buf bytes = { .data = NULL }, text = { .data = NULL };
        ek_error err = { .code = EK_OK };
        snprintf(relative, sizeof relative, "tf-files/text-attributes/%s", form[i]);
        char *source = ek_test_read(ek_test_data(relative), &size);
        if (i == 0) ek__buf_add(&bytes, source, size);
        else if (parse(EK_PROTO_GRAPH_DEF, source, size, &bytes, &err) != EK_OK) fail_msg("%s: %s", form[i], err.text);
        const ek_span span = { (uint8_t *)bytes.data, bytes.size };
        assert_int_equal(ek__wire_check(ek__proto(EK_PROTO_GRAPH_DEF), span, NULL, &err), EK_OK);
        assert_int_equal(ek__text_print(ek__proto(EK_PROTO_GRAPH_DEF), span, 0, &text, &err), EK_OK);
        assert_bytes(&text, want, want_size);
        ek__buf_fini(&bytes);
        ek__buf_fini(&text);
        free(source);
    }
    free(want);
}

static void whole_graphs(void **state)
{
    static const char *const name[] = { "article_training_flag", "bn_renorm_training", "convnet", "while_loop", "names",
                                        "optimizers", "bn_float16_float64" };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(name); i++) {
        char relative[200], pb[4096];
        snprintf(relative, sizeof relative, "tf115-graphs/%s/graph.pb", name[i]);
        const char *path = ek_test_data(relative);
        if (path == NULL) skip();
        snprintf(pb, sizeof pb, "%s", path);
        snprintf(relative, sizeof relative, "tf115-graphs/%s/graph.pbtxt", name[i]);
        both_ways(pb, ek_test_data(relative));
    }
}

static void refused_where(void **state)
{
    static const struct { const char *file, *starts; } row[] = {
        { "bad-enum", "1:60: Enum type \"tensorflow.DataType\" has no value named DT_FLAOT." },
        { "bad-number", "1:22: Couldn't parse integer: 12x" },
        { "twice", "1:24: Message type \"tensorflow.NodeDef\" should not have multiple \"name\" fields." },
        { "unclosed", "366:19: Expected \"}\"" },
        { "unknown-field", "1:29: Message type \"tensorflow.NodeDef\" has no field named \"colour\"." },
        { "unterminated-string", "1:14: String missing ending quote" },
        { "wrong-close", "1:29: Expected identifier or number, got >" },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(row); i++) {
        char relative[200];
        size_t size;
        ek_buf bytes;
        ek_error err;
        snprintf(relative, sizeof relative, "tf-files/text-attributes/refuse/%s.pbtxt", row[i].file);
        const char *path = ek_test_data(relative);
        if (path == NULL) skip();
        char *text = ek_test_read(path, &size);
        assert_int_equal(parse(EK_PROTO_GRAPH_DEF, text, size, &bytes, &err), EK_INVALID_ARGUMENT);
        if (strncmp(err.text, row[i].starts, strlen(row[i].starts)) != 0) fail_msg("%s: %s", row[i].file, err.text);
        ek__buf_fini(&bytes);
        free(text);
    }
}

/* `text` means the same as `plain`. */
static void odd_but_legal(void **state)
{
    static const struct { ek_proto_id type; const char *text, *plain; } row[] = {
        { EK_PROTO_ATTR_VALUE, "list{i:[1,2 , -3]}", "list { i: 1 i: 2 i: -3 }" },
        { EK_PROTO_ATTR_VALUE, "list{i:[]}", "list { }" },
        { EK_PROTO_ATTR_VALUE, "list<shape:[{unknown_rank:t},<>]>", "list { shape { unknown_rank: true } shape { } }" },
        { EK_PROTO_ATTR_VALUE, "list{i:0x1F i:017 i:-0x10 f:1 f:2 i:3}", "list { i: 31 i: 15 i: -16 f: 1.0 f: 2.0 i: 3 }" },
        { EK_PROTO_ATTR_VALUE, "f: - 1.5e+3f # minus apart", "f: -1500.0" },
        { EK_PROTO_ATTR_VALUE, "f:Infinity", "f: inf" },
        { EK_PROTO_ATTR_VALUE, "f:.5", "f: 0.5" },
        { EK_PROTO_ATTR_VALUE, "b:1", "b: true" },
        { EK_PROTO_ATTR_VALUE, "b:False;", "b: false" },
        { EK_PROTO_ATTR_VALUE, "type:1", "type: DT_FLOAT" },
        { EK_PROTO_ATTR_VALUE, "type:999", "type: 999" },
        { EK_PROTO_ATTR_VALUE, "s:'a\\x41\\101\\u00e9'\"\\?\\'\"\n'' ", "s: \"aAA\\303\\251?'\"" },
        { EK_PROTO_ATTR_VALUE, "s:''", "s: \"\"" },
        { EK_PROTO_ATTR_VALUE, "i:-9223372036854775808", "i: -9223372036854775808" },
        { EK_PROTO_VERSION_DEF, "producer:0, min_consumer:7;bad_consumers:[4]bad_consumers:5", "min_consumer: 7 bad_consumers: 4 bad_consumers: 5" },
        { EK_PROTO_VERSION_DEF, "77: \"\\377\" 78: 5 79: 0x00000005 80: 0x0000000000000005 ", "77: '\\xff' 78: 5 79: 0x00000005 80: 0x0000000000000005" },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(row); i++) {
        ek_buf a, b, text = { .data = NULL }, again;
        ek_error err;
        if (parse(row[i].type, row[i].text, strlen(row[i].text), &a, &err) != EK_OK) fail_msg("%s: %s", row[i].text, err.text);
        if (parse(row[i].type, row[i].plain, strlen(row[i].plain), &b, &err) != EK_OK) fail_msg("%s: %s", row[i].plain, err.text);
        if (a.size != b.size || memcmp(a.data, b.data, a.size) != 0) fail_msg("%s", row[i].text);
        const ek_span span = { (uint8_t *)a.data, a.size };
        assert_int_equal(ek__wire_check(ek__proto(row[i].type), span, NULL, &err), EK_OK);
        assert_int_equal(ek__text_print(ek__proto(row[i].type), span, 0, &text, &err), EK_OK);
        assert_int_equal(parse(row[i].type, text.data, text.size, &again, &err), EK_OK);
        if (strncmp(row[i].text, "list{i:0x1F", 11) != 0) assert_bytes(&again, a.data, a.size); /* i, f, i are printed i, i, f */
        ek__buf_fini(&a);
        ek__buf_fini(&b);
        ek__buf_fini(&text);
        ek__buf_fini(&again);
    }
}

static void refused_with_a_sentence(void **state)
{
    static const struct { ek_proto_id type; const char *text, *message; } row[] = {
        { EK_PROTO_ATTR_VALUE, "i: 9223372036854775808", "1:4: Value out of range: 9223372036854775808" },
        { EK_PROTO_ATTR_VALUE, "i: 1.5", "1:4: Couldn't parse integer: 1.5" },
        { EK_PROTO_ATTR_VALUE, "i: 08", "1:4: Couldn't parse integer: 08" },
        { EK_PROTO_ATTR_VALUE, "i: \"1\"", "1:4: Expected an integer, got \"1\"" },
        { EK_PROTO_ATTR_VALUE, "f: 0x10", "1:4: Couldn't parse float: 0x10" },
        { EK_PROTO_ATTR_VALUE, "f: 1..2", "1:4: Couldn't parse float: 1..2" },
        { EK_PROTO_ATTR_VALUE, "f: infinite", "1:4: Expected a number, got infinite" },
        { EK_PROTO_ATTR_VALUE, "b: 2", "1:4: Expected \"true\" or \"false\", got 2" },
        { EK_PROTO_ATTR_VALUE, "b: maybe", "1:4: Expected \"true\" or \"false\", got maybe" },
        { EK_PROTO_ATTR_VALUE, "i 3", "1:3: Expected \":\", got 3" },
        { EK_PROTO_ATTR_VALUE, "i: 1 f: 2", "1:9: Field \"f\" is specified along with field \"i\", another member of the same oneof." },
        { EK_PROTO_ATTR_VALUE, "s: \"\\q\"", "1:4: Invalid escape sequence in string literal: \\q" },
        { EK_PROTO_ATTR_VALUE, "s: \"\\400\"", "1:4: Invalid escape sequence in string literal: \\400 is no byte" },
        { EK_PROTO_ATTR_VALUE, "list { i: [1 2] }", "1:14: Expected \"]\" or \",\", got 2" },
        { EK_PROTO_ATTR_VALUE, "i: [1]", "1:4: Expected an integer, got [" },
        { EK_PROTO_ATTR_VALUE, "\n\n  }", "3:3: Expected identifier or number, got }" },
        { EK_PROTO_ATTR_VALUE, "[type.googleapis.com/x] {}", "1:1: extensions and types in brackets are not read" },
        { EK_PROTO_ATTR_VALUE, "placeholder: \"a\\000b\"", "1:14: field \"placeholder\" holds a NUL character (byte 1 of the string)" },
        { EK_PROTO_ATTR_VALUE, "placeholder: \"\\377\"", "1:14: field \"placeholder\" is not UTF-8 (byte 0 of the string)" },
        { EK_PROTO_ATTR_VALUE, "3: 4", "1:1: field 3 of \"tensorflow.AttrValue\" goes by the name \"i\"" },
        { EK_PROTO_ATTR_VALUE, "\001", "1:1: Expected identifier or number, got the byte 0x01" },
        { EK_PROTO_ATTR_VALUE, "shape", "1:6: Expected \"{\", the text ends" },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(row); i++) {
        ek_buf bytes;
        ek_error err;
        assert_int_equal(parse(row[i].type, row[i].text, strlen(row[i].text), &bytes, &err), EK_INVALID_ARGUMENT);
        assert_string_equal(err.text, row[i].message);
        ek__buf_fini(&bytes);
    }
}

static void floats_as_tensorflow_prints_them(void **state)
{
    static const struct { const char *in, *out; } row[] = {
        { "0.1", "0.1" }, { "1", "1.0" }, { "1.00053e-42", "1.00053e-42" }, { "1e-45", "1.4013e-45" }, { "16777216", "16777216.0" },
        { "3.4028235e38", "3.4028235e+38" }, { "1e16", "1e+16" }, { "1e15", "1000000000000000.0" }, { "0.0001", "0.0001" },
        { "0.00001", "1e-05" }, { "0.0099999998", "0.01" }, { "0.0099999905", "0.00999999" }, { "1.17549435e-38", "1.1754944e-38" },
        { "-0.0", "-0.0" }, { "123456.78", "123456.78" }, { "100", "100.0" }, { "12.5", "12.5" }, { "-1e-7", "-1e-07" },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(row); i++) {
        char source[64], want[64];
        ek_buf bytes, text = { .data = NULL };
        ek_error err;
        snprintf(source, sizeof source, "f: %s", row[i].in);
        snprintf(want, sizeof want, "f: %s\n", row[i].out);
        assert_int_equal(parse(EK_PROTO_ATTR_VALUE, source, strlen(source), &bytes, &err), EK_OK);
        assert_int_equal(ek__text_print(ek__proto(EK_PROTO_ATTR_VALUE), (ek_span){ (uint8_t *)bytes.data, bytes.size }, 0, &text, &err), EK_OK);
        assert_string_equal(text.data, want);
        ek__buf_fini(&bytes);
        ek__buf_fini(&text);
    }
}

static void depth_is_limited(void **state)
{
    ek_buf text = { .data = NULL }, bytes;
    ek_error err;

    EK_UNUSED(state);
    for (int i = 0; i < 100000; i++) ek__buf_str(&text, "func{attr{value{");
    assert_int_equal(parse(EK_PROTO_ATTR_VALUE, text.data, text.size, &bytes, &err), EK_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(err.text, "nested more than 100 deep"));
    ek__buf_fini(&bytes);
    ek__buf_fini(&text);
}

static void later_values_win_and_maps_are_sorted(void **state)
{
    /* Two maps entries with one key, an entry without value, a single field twice; keys out of order. */
    static const char wire[] = "\x2a\x07\x0a\x01z\x12\x02\x18\x01" "\x2a\x07\x0a\x01" "a\x12\x02\x18\x02" "\x2a\x07\x0a\x01z\x12\x02\x18\x03"
                               "\x2a\x03\x0a\x01m" "\x0a\x01p" "\x0a\x01q";
    ek_buf text = { .data = NULL };
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    assert_int_equal(ek__text_print(ek__proto(EK_PROTO_NODE_DEF), (ek_span){ (const uint8_t *)wire, sizeof wire - 1 }, 1, &text, &err), EK_OK);
    assert_string_equal(text.data, "  name: \"q\"\n  attr {\n    key: \"a\"\n    value {\n      i: 2\n    }\n  }\n"
                                   "  attr {\n    key: \"m\"\n    value {\n    }\n  }\n"
                                   "  attr {\n    key: \"z\"\n    value {\n      i: 3\n    }\n  }\n");
    ek__buf_fini(&text);
}

/* Of a oneof the member that stands last counts. */
static void one_of_a_oneof(void **state)
{
    static const char wire[] = "\x3a\x00\x18\x05\x12\x01x\x7a\x00";
    ek_buf text = { .data = NULL };
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    assert_int_equal(ek__text_print(ek__proto(EK_PROTO_ATTR_VALUE), (ek_span){ (const uint8_t *)wire, sizeof wire - 1 }, 0, &text, &err), EK_OK);
    assert_string_equal(text.data, "s: \"x\"\n15: \"\"\n");
    ek__buf_fini(&text);
}

static void no_memory(void **state)
{
    static const char source[] = "node { name: 'a' op: 'NoOp' attr { key: 'x' value { list { i: [1, 2] } } } attr { key: 'b' value { s: 'y' } } }";

    EK_UNUSED(state);
    for (long k = 1;; k++) {
        ek_test_allocator t;
        ek_buf bytes, text = { .data = NULL };
        ek_error err;
        ek_test_allocator_install(&t, k);
        ek_status st = parse(EK_PROTO_GRAPH_DEF, source, sizeof source - 1, &bytes, &err);
        if (st == EK_OK) st = ek__text_print(ek__proto(EK_PROTO_GRAPH_DEF), (ek_span){ (uint8_t *)bytes.data, bytes.size }, 0, &text, &err);
        ek__buf_fini(&bytes);
        ek__buf_fini(&text);
        ek_test_allocator_remove();
        assert_int_equal(t.live, 0);
        if (st == EK_OK && t.calls < k) break;
        assert_int_equal(st, EK_RESOURCE_EXHAUSTED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_attribute), cmocka_unit_test(whole_graphs), cmocka_unit_test(refused_where),
        cmocka_unit_test(odd_but_legal), cmocka_unit_test(refused_with_a_sentence),
        cmocka_unit_test(floats_as_tensorflow_prints_them), cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(later_values_win_and_maps_are_sorted), cmocka_unit_test(one_of_a_oneof), cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
