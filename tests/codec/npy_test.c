/* .npy files: what numpy wrote (golden/npy.txt, made by tools/make_npy_samples.py), hostile headers, the way back. */
#include "codec/npy.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/support.h"

/* Turns each "\n" of two characters into a newline, in place. */
static void unescape(char *text)
{
    char *out = text;

    for (; *text != '\0'; text++) {
        if (text[0] == '\\' && text[1] == 'n') {
            *out++ = '\n';
            text++;
        } else {
            *out++ = *text;
        }
    }
    *out = '\0';
}

static void check_sample(const char *name, char *expected)
{
    char path[512];
    ek_array *a = NULL;

    snprintf(path, sizeof path, EK_SOURCE_DIR "/fuzz/corpus/npy/%s.npy", name);
    if (expected[0] == '!') {
        assert_int_equal(ek_npy_load(path, &a), EK_INVALID_ARGUMENT);
        assert_non_null(strstr(ek_last_error()->text, expected + 1));
        return;
    }
    if (ek_npy_load(path, &a) != EK_OK) fail_msg("%s: %s", name, ek_last_error()->text);
    char *text = ek_array_repr(a);
    if (strcmp(text, expected) != 0) fail_msg("%s: wanted\n%s\nfound\n%s", name, expected, text);
    ek_free(text);
    ek_array_unref(a);
}

static void files_of_numpy_are_read(void **state)
{
    char *text = ek_test_read(EK_SOURCE_DIR "/tests/codec/golden/npy.txt", NULL), *rest = NULL;
    int n = 0;

    EK_UNUSED(state);
    assert_non_null(text);
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest), n++) {
        char *tab = strchr(line, '\t');

        assert_non_null(tab);
        *tab = '\0';
        unescape(tab + 1);
        check_sample(line, tab + 1);
    }
    assert_true(n > 60);
    free(text);
}

static ek_status decode(const char *header, const char *data, size_t size, ek_array **out, ek_error *err)
{
    char file[4096] = "\x93NUMPY\x01";
    const size_t n = strlen(header);

    file[8] = (char)(n & 0xff);
    file[9] = (char)(n >> 8);
    memcpy(file + 10, header, n);
    if (size > 0) memcpy(file + 10 + n, data, size);
    *err = (ek_error){ .code = EK_OK };
    return ek__npy_decode(file, 10 + n + size, out, err);
}

static void spelling_of_the_header_is_free(void **state)
{
    static const char *const headers[] = {
        "{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }      \n",
        "{\"shape\":(2L,),\"descr\":\"=i2\",\"fortran_order\":True}",
        "  { 'fortran_order' : False ,\n'shape' : ( 2 , ) , 'descr' : 'i2' , }",
    };
    ek_error err;

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(headers); i++) {
        ek_array *a = NULL;

        assert_int_equal(decode(headers[i], "\1\0\2\0", 4, &a, &err), EK_OK);
        assert_int_equal(ek_array_count(a), 2);
        assert_int_equal(ek__array_int(a, 1), 2);
        ek_array_unref(a);
    }
}

#define HEADER(descr, order, shape) "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }"

static void hostile_headers_are_refused(void **state)
{
    static const struct { const char *header; ek_status status; const char *says; } cases[] = {
        { "", EK_INVALID_ARGUMENT, "byte 10" },
        { "{", EK_INVALID_ARGUMENT, "byte 11" },
        { "{}", EK_INVALID_ARGUMENT, "lacks one of" },
        { "{'descr': '<f4'}", EK_INVALID_ARGUMENT, "lacks one of" },
        { "{'descr", EK_INVALID_ARGUMENT, "does not end" },
        { "{'descr' '<f4'}", EK_INVALID_ARGUMENT, "colon" },
        { "{'dtype': '<f4'}", EK_INVALID_ARGUMENT, "unknown key" },
        { HEADER("'<f4'", "Maybe", "(1,)"), EK_INVALID_ARGUMENT, "True or False" },
        { HEADER("'<f4'", "False", "1"), EK_INVALID_ARGUMENT, "tuple" },
        { HEADER("'<f4'", "False", "(1"), EK_INVALID_ARGUMENT, "dimension was expected" },
        { HEADER("'<f4'", "False", "(-1,)"), EK_INVALID_ARGUMENT, "dimension was expected" },
        { HEADER("'<f4'", "False", "(99999999999999999999,)"), EK_INVALID_ARGUMENT, "too large" },
        { HEADER("'<f4'", "False", "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)"), EK_INVALID_ARGUMENT, "16 dimensions" },
        { HEADER("'<f4'", "False", "(4294967296, 4294967296, 4294967296)"), EK_DATA_LOSS, "cut off" },
        { HEADER("'<f4'", "False", "(3,)"), EK_DATA_LOSS, "3 elements of 4 bytes" },
        { HEADER("'|S0'", "False", "(1000000000,)"), EK_RESOURCE_EXHAUSTED, "too many" },
        { HEADER("'<f4'", "False", "(1,)") "x", EK_INVALID_ARGUMENT, "text after" },
        { HEADER("'<f3'", "False", "(1,)"), EK_INVALID_ARGUMENT, "'<f3'" },
        { HEADER("'<f4x'", "False", "(1,)"), EK_INVALID_ARGUMENT, "'<f4x'" },
        { HEADER("'|S99999999999999999999'", "False", "(1,)"), EK_INVALID_ARGUMENT, "'|S99999999999999999999'" },
        { HEADER("''", "False", "(1,)"), EK_INVALID_ARGUMENT, "''" },
        { HEADER("'|O'", "False", "(1,)"), EK_INVALID_ARGUMENT, "pickled" },
        { HEADER("[('a', '<f4'), ('b', '<f4')]", "False", "(1,)"), EK_INVALID_ARGUMENT, "[('a', '<f4')" },
        { HEADER("[('qint8', '<f4')]", "False", "(1,)"), EK_INVALID_ARGUMENT, "structured" },
        { HEADER("<f4", "False", "(1,)"), EK_INVALID_ARGUMENT, "quoted string" },
        { HEADER("'<U1'", "False", "(2,)"), EK_INVALID_ARGUMENT, "is no character" },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(cases); i++) {
        ek_error err;
        ek_array *a = NULL;
        const ek_status st = decode(cases[i].header, "\0\xd8\0\0\0\0\0\0", 8, &a, &err);

        if (st != cases[i].status || strstr(err.text, cases[i].says) == NULL)
            fail_msg("%s: %s: %s", cases[i].header, ek_status_name(st), err.text);
        assert_null(a);
    }
}

static void every_cut_is_noticed(void **state)
{
    size_t size;
    char *file = ek_test_read(EK_SOURCE_DIR "/fuzz/corpus/npy/f4_le.npy", &size);

    EK_UNUSED(state);
    assert_non_null(file);
    for (size_t n = 0; n < size; n++) {
        char *part = malloc(n + 1);
        ek_error err = { .code = EK_OK };
        ek_array *a = NULL;

        memcpy(part, file, n);
        assert_true(ek__npy_decode(part, n, &a, &err) != EK_OK);
        assert_null(a);
        free(part);
    }
    free(file);
}

static void every_type_comes_back(void **state)
{
    char path[] = "/tmp/evenkeel_npy_XXXXXX";
    const int fd = mkstemp(path);

    EK_UNUSED(state);
    assert_true(fd >= 0);
    close(fd);
    for (int t = 1; t < EK_DTYPE_COUNT; t++) {
        ek_array *a = NULL, *b = NULL;

        if (t == EK_RESOURCE || t == EK_VARIANT) continue;
        for (int rank = 0; rank < 3; rank++) {
            const ek_shape shape = { .dim = { rank > 0 ? 3 : 0, rank > 1 ? 2 : 0 }, .rank = rank };

            assert_int_equal(ek_array_create((ek_dtype)t, shape, NULL, &a), EK_OK);
            for (int64_t i = 0; i < a->count; i++) {
                char *at = (char *)a->data + (size_t)i * ek_dtype_size(a->dtype);

                if (t == EK_STRING) assert_int_equal(ek_array_set_string(a, i, "\0abcdefghijk", (size_t)(2 * i)), EK_OK);
                if (t != EK_STRING) assert_true(ek__convert(EK_INT64, &i, a->dtype, at, 1));
            }
            if (ek_npy_save(path, a) != EK_OK) fail_msg("%s", ek_last_error()->text);
            assert_int_equal(ek_npy_load(path, &b), EK_OK);
            assert_true(ek__array_equal(a, b));
            ek_array_unref(b);
            ek_array_unref(a);
        }
    }
    unlink(path);
}

static void strings_come_back_but_for_a_last_nul(void **state)
{
    char path[] = "/tmp/evenkeel_npy_XXXXXX";
    const int fd = mkstemp(path);
    ek_array *a = ek_array_of(EK_STRING, EK_SHAPE(3), NULL), *b;

    EK_UNUSED(state);
    close(fd);
    assert_int_equal(ek_array_set_string(a, 0, "a\0b", 3), EK_OK);
    assert_int_equal(ek_array_set_string(a, 2, "caf\xc3\xa9", 5), EK_OK);
    assert_int_equal(ek_npy_save(path, a), EK_OK);
    assert_int_equal(ek_npy_load(path, &b), EK_OK);
    assert_true(ek__array_equal(a, b));
    assert_int_equal(ek_array_set_string(a, 1, "a\0", 2), EK_OK);
    assert_int_equal(ek_npy_save(path, a), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(ek_last_error()->text, "string 1 ends in a NUL"));
    ek_array_unref(a);
    ek_array_unref(b);
    unlink(path);
}

static void files_that_are_not_there(void **state)
{
    ek_array *a = ek_array_of(EK_INT8, EK_SCALAR, NULL), *b = NULL;

    EK_UNUSED(state);
    assert_int_equal(ek_npy_load("/nonexistent/x.npy", &b), EK_NOT_FOUND);
    assert_int_equal(ek_npy_load("/", &b), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_npy_load("/dev/null", &b), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_npy_save("/nonexistent/x.npy", a), EK_NOT_FOUND);
    assert_int_equal(ek_npy_save("/dev/null", a), EK_OK);
    if (access("/dev/full", W_OK) == 0) assert_int_equal(ek_npy_save("/dev/full", a), EK_RESOURCE_EXHAUSTED);
    assert_null(b);
    ek_array_unref(a);
}

/* A failed write leaves the file that was there, and nothing beside it. */
static void a_failed_save_leaves_the_old_file(void **state)
{
    char folder[] = "/tmp/evenkeel_npy_XXXXXX", path[64];
    ek_array *a = ek_array_of(EK_INT8, EK_SCALAR, NULL), *b;

    EK_UNUSED(state);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.npy", folder);
    assert_int_equal(ek_npy_save(path, a), EK_OK);
    if (geteuid() != 0) {
        chmod(folder, 0500);
        assert_int_equal(ek_npy_save(path, a), EK_PERMISSION_DENIED);
        chmod(folder, 0700);
    }
    assert_int_equal(ek_npy_load(path, &b), EK_OK);
    assert_true(ek__array_equal(a, b));
    ek_array_unref(a);
    ek_array_unref(b);
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
}

static void without_memory_files_say_so(void **state)
{
    static const char *const names[] = { "f4_be_fortran", "unicode", "bytes" };
    ek_test_allocator t;

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(names); i++) {
        bool done = false;

        for (long k = 1; !done && k < 100; k++) {
            char path[512];
            ek_array *a = NULL;
            ek_status st;

            snprintf(path, sizeof path, EK_SOURCE_DIR "/fuzz/corpus/npy/%s.npy", names[i]);
            ek_test_allocator_install(&t, k);
            st = ek_npy_load(path, &a);
            if (st == EK_OK) st = ek_npy_save("/dev/null", a);
            done = t.calls < k;
            assert_int_equal(st, done ? EK_OK : EK_RESOURCE_EXHAUSTED);
            ek_array_unref(a);
            assert_int_equal(t.live, 0);
            ek_test_allocator_remove();
        }
        assert_true(done);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_numpy_are_read),
        cmocka_unit_test(spelling_of_the_header_is_free),
        cmocka_unit_test(hostile_headers_are_refused),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(every_type_comes_back),
        cmocka_unit_test(strings_come_back_but_for_a_last_nul),
        cmocka_unit_test(files_that_are_not_there),
        cmocka_unit_test(a_failed_save_leaves_the_old_file),
        cmocka_unit_test(without_memory_files_say_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
