/* Errors, memory, strings, maps, numbers, JSON: the ground floor. */
#include "base/base.h"

#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "support/support.h"

static void the_first_failure_wins(void **state)
{
    ek_error err = { 0 };

    EK_UNUSED(state);
    assert_int_equal(EK_FAIL(&err, NOT_FOUND, "no '%s'", "x"), EK_NOT_FOUND);
    assert_int_equal(EK_FAIL(&err, INTERNAL, "later"), EK_INTERNAL);
    assert_int_equal(err.code, EK_NOT_FOUND);
    assert_string_equal(err.text, "no 'x'");
    assert_non_null(err.file);
    ek__fail_node(&err, "a");
    ek__fail_node(&err, "b");
    assert_string_equal(err.node, "a");
    err = (ek_error){ 0 };
    (void)EK_FAIL(&err, INVALID_ARGUMENT, "operation {{node}} of type %s", "Add");
    ek__fail_node(&err, "s/x");
    assert_string_equal(err.text, "operation s/x of type Add");
}

static void a_failure_without_a_record_goes_to_the_threads_own(void **state)
{
    ek_error from = { 0 };

    EK_UNUSED(state);
    assert_ptr_equal(ek__error_begin(NULL), ek_last_error());
    assert_int_equal(ek_last_error()->code, EK_OK);
    (void)EK_FAIL(NULL, ABORTED, "here");
    assert_string_equal(ek_last_error()->text, "here");
    ek__error_begin(NULL);
    (void)EK_FAIL(&from, DATA_LOSS, "there");
    assert_int_equal(ek__error_copy(NULL, &from), EK_DATA_LOSS);
    assert_string_equal(ek_last_error()->text, "there");
    ek__error_begin(NULL);
}

static void long_texts_are_cut(void **state)
{
    char text[2000];
    ek_error err = { 0 };

    EK_UNUSED(state);
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)EK_FAIL(&err, INTERNAL, "%s", text);
    ek__fail_node(&err, text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_int_equal(strlen(err.node), sizeof err.node - 1);
    err = (ek_error){ 0 };
    (void)EK_FAIL(&err, INTERNAL, "{{node}}%s", text);
    ek__fail_node(&err, text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

static void status_and_dtype_names(void **state)
{
    EK_UNUSED(state);
    assert_string_equal(ek_status_name(EK_INVALID_ARGUMENT), "INVALID_ARGUMENT");
    assert_string_equal(ek_status_name((ek_status)99), "?");
    assert_string_equal(ek_version(), EK_VERSION);
    assert_string_equal(ek_dtype_name(ek_dtype_ref(EK_FLOAT32)), "float32_ref");
    assert_string_equal(ek_dtype_cc_name(EK_FLOAT16), "half");
    assert_string_equal(ek_dtype_name((ek_dtype)77), "?");
    assert_int_equal(ek_dtype_size(EK_COMPLEX128), 16);
    assert_int_equal(ek_dtype_size(ek_dtype_ref(EK_INT64)), 8);
    assert_int_equal(ek_dtype_size(EK_DTYPE_NONE), 0);
    assert_int_equal(ek_dtype_size(EK_STRING), sizeof(ek_string));
    assert_int_equal(ek_dtype_from_name("double"), EK_FLOAT64);
    assert_int_equal(ek_dtype_from_name("float64"), EK_FLOAT64);
    assert_int_equal(ek_dtype_from_name("half_ref"), ek_dtype_ref(EK_FLOAT16));
    assert_int_equal(ek_dtype_from_name("nothing"), EK_DTYPE_NONE);
    assert_true(ek_dtype_is_floating(EK_BFLOAT16) && !ek_dtype_is_floating(EK_COMPLEX64));
    assert_true(ek_dtype_is_integer(EK_UINT64) && !ek_dtype_is_integer(EK_BOOL) && !ek_dtype_is_integer(EK_QINT8));
    assert_true(ek_dtype_is_quantized(EK_QINT32) && ek_dtype_is_complex(ek_dtype_ref(EK_COMPLEX64)));
}

/* Every float16 and bfloat16 survives the way to float and back. */
static void sixteen_bit_floats_round_trip(void **state)
{
    EK_UNUSED(state);
    for (uint32_t b = 0; b < 65536; b++) {
        const float h = ek_float16_to_float((uint16_t)b), g = ek_bfloat16_to_float((uint16_t)b);

        if (!isnan(h)) assert_int_equal(ek_float_to_float16(h), b);
        if (isnan(h)) assert_true(isnan(ek_float16_to_float(ek_float_to_float16(h))));
        if (!isnan(g)) assert_int_equal(ek_float_to_bfloat16(g), b);
        if (isnan(g)) assert_true(isnan(ek_bfloat16_to_float(ek_float_to_bfloat16(g))));
    }
}

/* Between two neighbours: the nearer, and of two equally near the even one. */
static void sixteen_bit_floats_round_to_nearest_even(void **state)
{
    EK_UNUSED(state);
    for (uint16_t b = 0; b < 0x7bff; b++) {
        const float low = ek_float16_to_float(b), high = ek_float16_to_float((uint16_t)(b + 1));
        const float middle = low + (high - low) / 2;

        assert_int_equal(ek_float_to_float16(middle), b % 2 == 0 ? b : b + 1);
        assert_int_equal(ek_float_to_float16(nextafterf(middle, 0)), b);
        assert_int_equal(ek_float_to_float16(nextafterf(middle, INFINITY)), b + 1);
        assert_int_equal(ek_float_to_float16(-middle), (b % 2 == 0 ? b : b + 1) | 0x8000);
    }
    assert_int_equal(ek_float_to_float16(65519.996f), 0x7bff);
    assert_int_equal(ek_float_to_float16(65520.0f), 0x7c00);
    assert_int_equal(ek_float_to_float16(INFINITY), 0x7c00);
    for (uint16_t b = 0; b < 0x7f7f; b++) {
        const float low = ek_bfloat16_to_float(b), high = ek_bfloat16_to_float((uint16_t)(b + 1));
        const float middle = low + (high - low) / 2;

        assert_int_equal(ek_float_to_bfloat16(middle), b % 2 == 0 ? b : b + 1);
        assert_int_equal(ek_float_to_bfloat16(nextafterf(middle, 0)), b);
        assert_int_equal(ek_float_to_bfloat16(nextafterf(middle, INFINITY)), b + 1);
    }
}

static void arrays_grow_and_keep_what_they_hold(void **state)
{
    int *a = NULL;
    int64_t cap = 0;

    EK_UNUSED(state);
    for (int i = 0; i < 1000; i++) {
        assert_true(EK_GROW(a, cap, i + 1));
        a[i] = i;
    }
    for (int i = 0; i < 1000; i++) assert_int_equal(a[i], i);
    assert_false(ek__grow((void **)&a, &cap, INT64_MAX / 2, 1000));
    assert_int_equal(a[999], 999);
    ek__free(a);
    assert_null(ek__calloc(SIZE_MAX / 2, 4));
    assert_null(ek__alloc(SIZE_MAX));
    a = ek__alloc(0);
    assert_non_null(a);
    assert_int_equal((uintptr_t)a % 64, 0);
    ek__free(a);
    ek__free(NULL);
}

static void an_arena_gives_aligned_pieces_of_any_size(void **state)
{
    ek_arena arena = { .block_size = 4096 };

    EK_UNUSED(state);
    for (size_t size = 0; size < 9000; size += 37) {
        const size_t align = (size_t)1 << size % 7;
        unsigned char *p = ek__arena_alloc(&arena, size, align);

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % align, 0);
        memset(p, 0xa5, size);
    }
    assert_string_equal(ek__arena_strdup(&arena, "evenkeel"), "evenkeel");
    assert_string_equal(ek__arena_strndup(&arena, "evenkeel", 4), "even");
    assert_string_equal(ek__arena_printf(&arena, "%s/%d", "a", 12), "a/12");
    assert_memory_equal(ek__arena_memdup(&arena, "a\0b", 3), "a\0b", 3);
    assert_null(ek__arena_calloc(&arena, SIZE_MAX / 2, 3));
    assert_null(ek__arena_alloc(&arena, SIZE_MAX, 1));
    assert_null(ek__arena_strndup(&arena, "", SIZE_MAX));
    ek__arena_fini(&arena);
    assert_null(arena.head);
}

static void a_map_finds_what_was_put(void **state)
{
    ek_arena arena = { 0 };
    ek_map map = { 0 };

    EK_UNUSED(state);
    assert_int_equal(ek__map_get(&map, "a", 1, -7), -7);
    for (int i = 0; i < 5000; i++) {
        const char *key = ek__arena_printf(&arena, "key/%d", i);
        assert_true(ek__map_put(&map, key, strlen(key), i));
    }
    assert_true(ek__map_put(&map, NULL, 0, 77));
    assert_true(ek__map_put(&map, "key/7", 5, 8));
    assert_int_equal(map.used, 5001);
    for (int i = 0; i < 5000; i++) {
        const char *key = ek__arena_printf(&arena, "key/%d", i);
        assert_int_equal(ek__map_get(&map, key, strlen(key), -1), i == 7 ? 8 : i);
    }
    assert_int_equal(ek__map_get(&map, "", 0, -1), 77);
    assert_int_equal(ek__map_get(&map, "key/5000", 8, -1), -1);
    ek__map_fini(&map);
    ek__arena_fini(&arena);
    assert_true(ek__hash("a", 1, 0) != ek__hash("a\0", 2, 0));
    assert_true(ek__hash("a", 1, 0) != ek__hash("a", 1, 1));
}

static void numbers_have_their_shortest_digits(void **state)
{
    static const struct { double v; const char *text; } doubles[] = {
        { 0, "0.0" }, { -0.0, "-0.0" }, { 1, "1.0" }, { 0.1, "0.1" }, { 1e-5, "1e-05" }, { 1e-4, "0.0001" },
        { 123456.75, "123456.75" }, { 1e16, "1e+16" }, { 1e15, "1000000000000000.0" }, { 5e-324, "5e-324" },
        { 1.7976931348623157e308, "1.7976931348623157e+308" }, { 9007199254740993.0, "9007199254740992.0" },
        { 9.5367431640625e-07, "9.5367431640625e-07" }, { 2.0 / 3, "0.6666666666666666" }, { -1.5e-10, "-1.5e-10" },
        { INFINITY, "inf" }, { -INFINITY, "-inf" }, { NAN, "nan" }, { 0.001, "0.001" }, { 1234567890123456.7, "1234567890123456.8" },
    };
    static const struct { float v; const char *text; } floats[] = {
        { 0.1f, "0.1" }, { 1e-5f, "1e-05" }, { 16777216.0f, "16777216.0" }, { 3.4028235e38f, "3.4028235e+38" },
        { 1e-45f, "1e-45" }, { 0.33333334f, "0.33333334" }, { 1.17549435e-38f, "1.1754944e-38" }, { 0.99f, "0.99" },
        { 0.001f, "0.001" }, { 9.8607613e-32f, "9.8607613e-32" },
    };
    char buf[40];

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(doubles); i++) {
        assert_int_equal(ek__format_double(buf, doubles[i].v), strlen(doubles[i].text));
        assert_string_equal(buf, doubles[i].text);
    }
    for (int i = 0; i < EK_COUNT_OF(floats); i++) {
        assert_int_equal(ek__format_float(buf, floats[i].v), strlen(floats[i].text));
        assert_string_equal(buf, floats[i].text);
    }
}

static void numbers_read_back(void **state)
{
    uint64_t x = 88172645463325252u;
    char buf[40];

    EK_UNUSED(state);
    for (int i = 0; i < 4000; i++) {
        double d;
        float f;

        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        memcpy(&d, &x, sizeof d);
        memcpy(&f, &x, sizeof f);
        ek__format_double(buf, d);
        assert_true(isnan(d) || strtod(buf, NULL) == d);
        ek__format_float(buf, f);
        assert_true(isnan(f) || strtof(buf, NULL) == f);
    }
}

static void json_has_its_commas_and_escapes(void **state)
{
    ek_buf out = { 0 };
    ek_json j = { .out = &out };

    EK_UNUSED(state);
    ek__json_open(&j, '{');
    ek__json_key(&j, "a\"\n");
    ek__json_open(&j, '[');
    ek__json_int(&j, -1);
    ek__json_double(&j, 0.5);
    ek__json_double(&j, NAN);
    ek__json_bool(&j, true);
    ek__json_str(&j, NULL);
    ek__json_open(&j, '[');
    ek__json_close(&j, ']');
    ek__json_close(&j, ']');
    ek__json_key(&j, "b");
    ek__json_string(&j, "\xc3\xa9\xff\xc0\x80\x01\0", 7);
    ek__json_close(&j, '}');
    assert_false(out.failed);
    assert_string_equal(out.data, "{\"a\\\"\\n\": [-1, 0.5, null, true, null, []], "
                                  "\"b\": \"\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\\u0001\\u0000\"}");
    ek__buf_fini(&out);
}

/* Large blocks that an arena leaves may serve the next one, but never cross from one allocator to another. */
static void blocks_of_arenas_go_back_to_their_allocator(void **state)
{
    ek_test_allocator t;
    ek_arena arena = { 0 };

    EK_UNUSED(state);
    for (int round = 0; round < 3; round++) {
        for (size_t size = 1 << 10; size <= 4 << 20; size *= 2) {
            unsigned char *p = ek__arena_alloc(&arena, size, 64);

            assert_non_null(p);
            memset(p, round, size);
        }
        ek__arena_fini(&arena);
        ek_test_allocator_install(&t, 0);
        for (size_t size = 1 << 16; size <= 1 << 20; size *= 2) assert_non_null(ek__arena_alloc(&arena, size, 64));
        assert_true(t.live >= 5);
        ek__arena_fini(&arena);
        assert_int_equal(t.live, 0);
        ek_test_allocator_remove();
    }
}

/* Everything above that allocates, with allocation k refused: no crash, nothing kept. */
static void without_memory_everything_says_so(void **state)
{
    ek_test_allocator t;

    EK_UNUSED(state);
    for (long k = 1; k <= 12; k++) {
        ek_arena arena = { 0 };
        ek_map map = { 0 };
        ek_buf buf = { 0 };
        bool all = true;

        ek_test_allocator_install(&t, k);
        for (int i = 0; i < 100; i++) {
            const char *key = ek__arena_printf(&arena, "%d", i);
            all = all && key != NULL && ek__map_put(&map, key, strlen(key), i);
            ek__buf_printf(&buf, "number %d, ", i);
        }
        all = all && ek__arena_alloc(&arena, 1 << 20, 64) != NULL;
        all = all && !buf.failed;
        assert_int_equal(all, t.calls < k);
        ek__map_fini(&map);
        ek__arena_fini(&arena);
        ek__buf_fini(&buf);
        assert_int_equal(t.live, 0);
        ek_test_allocator_remove();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_failure_wins),
        cmocka_unit_test(a_failure_without_a_record_goes_to_the_threads_own),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(status_and_dtype_names),
        cmocka_unit_test(sixteen_bit_floats_round_trip),
        cmocka_unit_test(sixteen_bit_floats_round_to_nearest_even),
        cmocka_unit_test(arrays_grow_and_keep_what_they_hold),
        cmocka_unit_test(an_arena_gives_aligned_pieces_of_any_size),
        cmocka_unit_test(a_map_finds_what_was_put),
        cmocka_unit_test(numbers_have_their_shortest_digits),
        cmocka_unit_test(numbers_read_back),
        cmocka_unit_test(json_has_its_commas_and_escapes),
        cmocka_unit_test(blocks_of_arenas_go_back_to_their_allocator),
        cmocka_unit_test(without_memory_everything_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
