/* tf.Examples: what TensorFlow wrote, what is odd but legal, the way back, damage of every byte. */
#include <stdlib.h>

#include "support/json.h"
#include "support/support.h"
#include "values/array.h"

#define FILES "tf-files/tfrecord/"

static void expect_bytes(const ek_string *got, const char *hex)
{
    assert_int_equal(got->size, strlen(hex) / 2);
    for (size_t i = 0; i < got->size; i++) {
        unsigned v;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &v), 1);
        assert_int_equal((uint8_t)got->data[i], v);
    }
}

static void expect_feature(const ek_example *e, const json *want)
{
    ek_array *a = NULL;
    int64_t i = 0;

    if (want->child == NULL) {
        assert_int_equal(ek_example_get(e, want->key, &a, NULL), EK_NOT_FOUND);
        assert_non_null(strstr(ek_last_error()->text, "has no values"));
        return;
    }
    assert_int_equal(ek_example_get(e, want->key, &a, NULL), EK_OK);
    assert_int_equal(ek_array_count(a), json_count(want->child));
    assert_string_equal(ek_dtype_name(ek_array_dtype(a)), strcmp(want->child->key, "bytes") == 0 ? "string" :
                        strcmp(want->child->key, "float") == 0 ? "float32" : "int64");
    for (const json *v = want->child->child; v != NULL; v = v->next, i++) {
        if (ek_array_dtype(a) == EK_STRING) expect_bytes((const ek_string *)ek_array_cdata(a) + i, v->string);
        else assert_true(ek_array_get(a, i) == v->number);
    }
    ek_array_unref(a);
}

static void examples_of_tensorflow_are_read(void **state)
{
    const char *file = ek_test_data(FILES "examples.tfrecord"), *expected = ek_test_data(FILES "examples.json");
    ek_record_reader *r;

    EK_UNUSED(state);
    if (file == NULL || expected == NULL) skip();
    json *want = json_load(expected);
    assert_int_equal(ek_record_reader_open(file, EK_COMPRESSION_BY_CONTENT, &r, NULL), EK_OK);
    for (const json *w = want->child; w != NULL; w = w->next) {
        const void *data;
        size_t size;
        ek_example *e;

        assert_int_equal(ek_record_reader_next(r, &data, &size, NULL), EK_OK);
        assert_int_equal(ek_example_parse(data, size, &e, NULL), EK_OK);
        assert_int_equal(ek_example_count(e), json_count(w));
        for (const json *f = w->child; f != NULL; f = f->next) expect_feature(e, f);
        ek_example_free(e);
    }
    ek_record_reader_close(r);
    json_free(want);
}

static ek_example *load(const char *name)
{
    char path[512];
    size_t size;
    ek_example *e;

    snprintf(path, sizeof path, EK_SOURCE_DIR "/fuzz/corpus/example/%s", name);
    char *data = ek_test_read(path, &size);
    assert_non_null(data);
    assert_int_equal(ek_example_parse(data, size, &e, NULL), EK_OK);
    free(data);
    return e;
}

/* Numbers one by one instead of packed, a name twice: the later counts. */
static void what_is_odd_but_legal_is_read(void **state)
{
    ek_example *e = load("unpacked");
    ek_dtype dtype;
    ek_array *a;

    EK_UNUSED(state);
    assert_int_equal(ek_example_count(e), 2);
    assert_string_equal(ek_example_name(e, 0, &dtype), "x");
    assert_int_equal(dtype, EK_FLOAT32);
    assert_int_equal(ek_example_get(e, "y", &a, NULL), EK_OK);
    assert_true(ek_array_count(a) == 2 && ek_array_get(a, 1) == 2);
    ek_array_unref(a);
    assert_null(ek_example_name(e, 2, &dtype));
    assert_int_equal(ek_example_get(e, "z", &a, NULL), EK_NOT_FOUND);
    assert_null(a);
    ek_example_free(e);
    e = load("empty");
    assert_int_equal(ek_example_count(e), 0);
    ek_example_free(e);
}

static void arrays_become_an_example(void **state)
{
    static const ek_dtype types[] = { EK_FLOAT32, EK_FLOAT64, EK_FLOAT16, EK_BFLOAT16, EK_INT8, EK_UINT8, EK_INT16, EK_UINT16,
                                      EK_INT32, EK_UINT32, EK_INT64, EK_UINT64, EK_BOOL };
    EK_UNUSED(state);
    for (int t = 0; t < EK_COUNT_OF(types); t++) {
        ek_array *a = ek_array_of(types[t], EK_SHAPE(2, 2), NULL), *text = ek_array_of(EK_STRING, EK_SHAPE(1), NULL), *back;
        const double one = 1;
        ek_example *e;
        void *data;
        size_t size;

        ek__convert(EK_FLOAT64, &one, types[t], (char *)a->data + 3 * ek_dtype_size(types[t]), 1);
        assert_int_equal(ek_array_set_string(text, 0, "a\0b", 3), EK_OK);
        assert_int_equal(ek_example_encode((ek_named_array[]){ { "x", a }, { "t", text } }, 2, &data, &size, NULL), EK_OK);
        assert_int_equal(ek_example_parse(data, size, &e, NULL), EK_OK);
        assert_int_equal(ek_example_get(e, "x", &back, NULL), EK_OK);
        assert_int_equal(ek_array_dtype(back), ek_dtype_is_floating(types[t]) ? EK_FLOAT32 : EK_INT64);
        assert_true(ek_array_count(back) == 4 && ek_array_get(back, 2) == 0 && ek_array_get(back, 3) == 1);
        ek_array_unref(back);
        assert_int_equal(ek_example_get(e, "t", &back, NULL), EK_OK);
        assert_true(ek__array_equal(back, text));
        ek_array_unref(back);
        ek_example_free(e);
        ek_free(data);
        ek_array_unref(a);
        ek_array_unref(text);
    }
}

static void what_no_example_can_hold_is_refused(void **state)
{
    ek_array *a = ek_array_of(EK_COMPLEX64, EK_SHAPE(1), NULL), *b = ek_array_of(EK_UINT64, EK_SCALAR, (uint64_t[]){ UINT64_MAX });
    ek_array *c = ek_array_of(EK_INT8, EK_SCALAR, NULL);
    const struct { ek_named_array x[2]; int64_t n; const char *says; } cases[] = {
        { { { "x", a } }, 1, "complex64" }, { { { "x", b } }, 1, "18446744073709551615" }, { { { "x", c }, { "x", c } }, 2, "called 'x'" },
        { { { NULL, c } }, 1, "no name" }, { { { "x", NULL } }, 1, "no array" }, { { { "\xff", c } }, 1, "UTF-8" },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(cases); i++) {
        void *data;
        size_t size;

        assert_int_equal(ek_example_encode(cases[i].x, cases[i].n, &data, &size, NULL), EK_INVALID_ARGUMENT);
        if (strstr(ek_last_error()->text, cases[i].says) == NULL) fail_msg("%d: %s", i, ek_last_error()->text);
        assert_null(data);
    }
    ek_array_unref(a);
    ek_array_unref(b);
    ek_array_unref(c);
}

static void damage_never_crashes(void **state)
{
    size_t size, refused = 0;
    char *data = ek_test_read(EK_SOURCE_DIR "/fuzz/corpus/example/all_kinds", &size);

    EK_UNUSED(state);
    assert_non_null(data);
    for (size_t i = 0; i < 2 * size; i++) {
        char *exact = malloc(size);
        ek_example *e;
        const size_t n = i < size ? i : size; /* cut, then flipped */

        memcpy(exact, data, size);
        if (i >= size) exact[i - size] = (char)(exact[i - size] ^ 0x15);
        exact = realloc(exact, n > 0 ? n : 1);
        if (ek_example_parse(exact, n, &e, NULL) != EK_OK) refused++;
        for (int64_t k = 0; k < ek_example_count(e); k++) {
            ek_array *a = NULL;
            if (ek_example_get(e, ek_example_name(e, k, NULL), &a, NULL) == EK_OK) assert_true(ek_array_count(a) <= (int64_t)size);
            ek_array_unref(a);
        }
        ek_example_free(e);
        free(exact);
    }
    assert_true(refused > size);
    free(data);
}

static ek_status there_and_back(void)
{
    ek_array *a = ek_array_of(EK_INT32, EK_SHAPE(300), NULL), *b = NULL;
    ek_example *e = NULL;
    void *data = NULL;
    size_t size = 0;
    ek_status st = a == NULL ? EK_RESOURCE_EXHAUSTED : ek_example_encode(&(ek_named_array){ "x", a }, 1, &data, &size, NULL);

    if (st == EK_OK) st = ek_example_parse(data, size, &e, NULL);
    if (st == EK_OK) st = ek_example_get(e, "x", &b, NULL);
    ek_array_unref(a);
    ek_array_unref(b);
    ek_example_free(e);
    ek_free(data);
    return st;
}

static void without_memory_it_says_so(void **state)
{
    EK_UNUSED(state);
    ek_test_refuse_each(there_and_back, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_tensorflow_are_read),
        cmocka_unit_test(what_is_odd_but_legal_is_read),
        cmocka_unit_test(arrays_become_an_example),
        cmocka_unit_test(what_no_example_can_hold_is_refused),
        cmocka_unit_test(damage_never_crashes),
        cmocka_unit_test(without_memory_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
