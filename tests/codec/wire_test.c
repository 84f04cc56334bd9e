/* Wire bytes: the cursor, the check of a message, what is refused and at which byte. */
#include <string.h>

#include "codec/wire.h"
#include "support/support.h"

static void refused_where(void **state)
{
    static const struct { const char *bytes; size_t size; ek_status code; const char *message; } row[] = {
#define ROW(bytes, code, message) { bytes, sizeof bytes - 1, EK_##code, message }
        ROW("\x0a", DATA_LOSS, "byte 1: a length is cut off or too long"),
        ROW("\x0a\x05" "abc", DATA_LOSS, "byte 0: a field reaches past the end: it claims more bytes than there are"),
        ROW("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", DATA_LOSS, "byte 0: a field reaches past the end: it claims more bytes than there are"),
        ROW("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", DATA_LOSS, "byte 1: a number is cut off or longer than ten bytes"),
        ROW("\x18\x80", DATA_LOSS, "byte 1: a number is cut off or longer than ten bytes"),
        ROW("\x00\x00", DATA_LOSS, "byte 0: a field has a number out of range"),
        ROW("\x0e", DATA_LOSS, "byte 0: a field has a wire type that does not exist"),
        ROW("\x7d\x01\x02", DATA_LOSS, "byte 1: a number is cut off"),
        ROW("\x08\x01", DATA_LOSS, "byte 0: field \"node\" of tensorflow.GraphDef has wire type 0, 2 is right"),
        ROW("\x0a\x03\x0a\x01\xff", INVALID_ARGUMENT, "byte 4: field \"name\" of tensorflow.NodeDef is not UTF-8"),
        ROW("\x0a\x03\x0a\x01\x00", INVALID_ARGUMENT, "byte 4: field \"name\" of tensorflow.NodeDef holds a NUL character"),
        ROW("\x22\x00\x22\x00", DATA_LOSS, "byte 2: field \"versions\" of tensorflow.GraphDef is there twice"),
        ROW("\x22\x03\x1a\x01\x80", DATA_LOSS, "byte 4: the last number of field \"bad_consumers\" is cut off or longer than ten bytes"),
        ROW("\x7b\x7b", DATA_LOSS, "byte 0: a group is never closed"),
        ROW("\x7b\x74", DATA_LOSS, "byte 1: a group is closed that is not open"),
        ROW("\x7c", DATA_LOSS, "byte 0: a group is closed that is not open"),
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(row); i++) {
        ek_error err = { .code = EK_OK };
        assert_int_equal(ek__wire_check(ek__proto(EK_PROTO_GRAPH_DEF), (ek_span){ (const uint8_t *)row[i].bytes, row[i].size }, NULL, &err),
                         row[i].code);
        assert_string_equal(err.text, row[i].message);
    }
}

static void unknown_fields_are_fine(void **state)
{
    static const char bytes[] = "\x7b\x08\x01\x7b\x7c\x7c" "\x78\x05" "\x7a\x02\xff\x00" "\x0a\x03\x0a\x01" "a";
    static const uint32_t number[] = { 15, 15, 15, 1 };
    ek_wire w = ek__wire_open((ek_span){ (const uint8_t *)bytes, sizeof bytes - 1 }, NULL, NULL);
    ek_wire_field f;
    size_t total = 0;

    EK_UNUSED(state);
    assert_int_equal(ek__wire_check(ek__proto(EK_PROTO_GRAPH_DEF), (ek_span){ (const uint8_t *)bytes, sizeof bytes - 1 }, NULL, NULL), EK_OK);
    for (int i = 0; i < 4; i++) {
        assert_true(ek__wire_next(&w, &f));
        assert_int_equal(f.number, number[i]);
        total += f.whole.size;
    }
    assert_false(ek__wire_next(&w, &f));
    assert_int_equal(w.status, EK_OK);
    assert_int_equal(total, sizeof bytes - 1);
}

static void depth_is_limited(void **state)
{
    ek_buf b = { .data = NULL };
    ek_error err = { .code = EK_OK };
    size_t mark[300];

    EK_UNUSED(state);
    for (int i = 0; i < 300; i++) mark[i] = ek__put_open(&b, i % 3 == 0 ? 10 : 2); /* func, attr, value */
    for (int i = 299; i >= 0; i--) ek__put_close(&b, mark[i]);
    assert_int_equal(ek__wire_check(ek__proto(EK_PROTO_ATTR_VALUE), (ek_span){ (uint8_t *)b.data, b.size }, NULL, &err), EK_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(err.text, "messages are nested more than 100 deep"));
    ek__buf_fini(&b);

    b = (ek_buf){ .data = NULL };
    err = (ek_error){ .code = EK_OK };
    for (int i = 0; i < 20000; i++) ek__buf_str(&b, "\x7b");
    assert_int_equal(ek__wire_check(ek__proto(EK_PROTO_ATTR_VALUE), (ek_span){ (uint8_t *)b.data, b.size }, NULL, &err), EK_RESOURCE_EXHAUSTED);
    ek__buf_fini(&b);
}

static void numbers_packed_or_not(void **state)
{
    ek_buf b = { .data = NULL };
    ek_wire_field f;
    uint64_t v, sum = 0;
    size_t offset = 0;
    ek_wire w;

    EK_UNUSED(state);
    size_t mark = ek__put_open(&b, 3);
    ek__put_varint(&b, 300);
    ek__put_varint(&b, 7);
    ek__put_close(&b, mark);
    ek__put_int(&b, 3, -1);
    w = ek__wire_open((ek_span){ (uint8_t *)b.data, b.size }, NULL, NULL);
    assert_true(ek__wire_next(&w, &f));
    while (ek__wire_packed(&f, EK_WIRE_VARINT, &offset, &v)) sum += v;
    assert_int_equal(sum, 307);
    assert_true(ek__wire_next(&w, &f));
    offset = 0;
    assert_true(ek__wire_packed(&f, EK_WIRE_VARINT, &offset, &v));
    assert_int_equal((int64_t)v, -1);
    assert_false(ek__wire_packed(&f, EK_WIRE_VARINT, &offset, &v));
    ek__buf_fini(&b);
}

static void long_contents_get_long_lengths(void **state)
{
    static const size_t size[] = { 0, 1, 127, 128, 16383, 16384, 300000 };
    static char filler[300000];

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(size); i++) {
        ek_buf a = { .data = NULL }, b = { .data = NULL };
        memset(filler, 'x', sizeof filler);
        ek__put_bytes(&a, 5, filler, size[i]);
        size_t mark = ek__put_open(&b, 5);
        ek__buf_add(&b, filler, size[i]);
        ek__put_close(&b, mark);
        assert_int_equal(a.size, b.size);
        assert_memory_equal(a.data, b.data, a.size);
        ek__buf_fini(&a);
        ek__buf_fini(&b);
    }
}

static void utf8(void **state)
{
    static const struct { const char *s; size_t n; int64_t bad; } row[] = {
        { "plain", 5, -1 }, { "\xc3\xa9", 2, -1 }, { "\xe2\x82\xac", 3, -1 }, { "\xf0\x9f\x98\x80", 4, -1 }, { "a\xc3", 2, 1 },
        { "\xc0\x80", 2, 0 }, { "\xed\xa0\x80", 3, 0 }, { "\xf4\x90\x80\x80", 4, 0 }, { "\xe0\x80\x80", 3, 0 }, { "ab\x00", 3, 2 },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(row); i++)
        assert_int_equal(ek__utf8_bad((const uint8_t *)row[i].s, row[i].n, false), row[i].bad);
    assert_int_equal(ek__utf8_bad((const uint8_t *)"a\0b", 3, true), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_where), cmocka_unit_test(unknown_fields_are_fine), cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(numbers_packed_or_not), cmocka_unit_test(long_contents_get_long_lengths), cmocka_unit_test(utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
