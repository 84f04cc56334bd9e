/* .npz files: what numpy wrote (tools/make_npz_samples.py), the way back, damage of every byte, full disks. */
#include "codec/npz.h"

#include <stdlib.h>
#include <unistd.h>

#include "support/faults.h"
#include "support/folder.h"
#include "support/support.h"

#define CORPUS EK_SOURCE_DIR "/fuzz/corpus/npz/"

static const char *const samples[] = { CORPUS "stored.npz", CORPUS "deflated.npz", CORPUS "stream.npz" };

static void archives_of_numpy_are_read(void **state)
{
    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(samples); i++) {
        ek_npz *z;

        if (ek_npz_load(samples[i], &z, NULL) != EK_OK) fail_msg("%s: %s", samples[i], ek_last_error()->text);
        assert_int_equal(ek_npz_count(z), 4);
        assert_string_equal(ek_npz_at(z, 1).name, "b/c");
        const ek_array *a = ek_npz_find(z, "a"), *b = ek_npz_find(z, "b/c"), *text = ek_npz_find(z, "text");
        assert_true(ek_array_dtype(a) == EK_FLOAT32 && ek_shape_equal(ek_array_shape(a), &EK_SHAPE(2, 3)));
        for (int k = 0; k < 6; k++) assert_true(ek_array_get(a, k) == k);
        assert_true(ek_array_dtype(b) == EK_INT64 && ek_array_get(b, 1) == -2);
        assert_true(ek_array_dtype(text) == EK_STRING && ((const ek_string *)ek_array_cdata(text))[1].size == 2);
        assert_int_equal(ek_array_count(ek_npz_find(z, "zeros")), 2000);
        assert_null(ek_npz_find(z, "notes.txt"));
        assert_null(ek_npz_at(z, 4).name);
        ek_npz_free(z);
    }
}

static void an_archive_of_nothing_is_one(void **state)
{
    ek_npz *z;

    EK_UNUSED(state);
    assert_int_equal(ek_npz_load(CORPUS "empty.npz", &z, NULL), EK_OK);
    assert_int_equal(ek_npz_count(z), 0);
    ek_npz_free(z);
}

static ek_status decode(const char *data, size_t size, ek_error *err)
{
    char *exact = malloc(size > 0 ? size : 1);
    ek_npz *z = NULL;
    ek_status st;

    memcpy(exact, data, size);
    *err = (ek_error){ .code = EK_OK };
    st = ek__npz_decode(exact, size, &z, err);
    assert_true((st == EK_OK) == (z != NULL));
    ek_npz_free(z);
    free(exact);
    return st;
}

static void every_cut_is_noticed(void **state)
{
    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(samples); i++) {
        size_t size;
        char *file = ek_test_read(samples[i], &size);
        ek_error err;

        assert_non_null(file);
        for (size_t n = 0; n < size; n++)
            if (decode(file, n, &err) == EK_OK) fail_msg("%s: %zu of %zu bytes were taken", samples[i], n, size);
        free(file);
    }
}

/* Headers of members, dates and versions do not count; what counts is caught, the rest changes nothing. Nothing crashes. */
static void damage_to_numbers_is_noticed(void **state)
{
    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(samples); i++) {
        size_t size;
        char *file = ek_test_read(samples[i], &size);
        ek_error err;
        ek_npz *whole;
        size_t refused = 0;

        assert_non_null(file);
        assert_int_equal(ek__npz_decode(file, size, &whole, &(ek_error){ .code = EK_OK }), EK_OK);
        for (size_t at = 0; at < size; at++) {
            ek_npz *z = NULL;

            file[at] = (char)(file[at] ^ 0x21);
            err = (ek_error){ .code = EK_OK };
            if (ek__npz_decode(file, size, &z, &err) != EK_OK) refused++;
            for (int64_t k = 0; k < ek_npz_count(z); k++) {
                const ek_array *same = ek_npz_find(whole, ek_npz_at(z, k).name);
                if (same != NULL && !ek__array_equal(same, ek_npz_at(z, k).array)) fail_msg("byte %zu changed an array", at);
            }
            ek_npz_free(z);
            file[at] = (char)(file[at] ^ 0x21);
        }
        assert_true(refused > size / 2);
        ek_npz_free(whole);
        free(file);
    }
}

static void what_is_no_archive_is_refused(void **state)
{
    static const char cut[] = "PK\3\4 and no more of it than that";
    ek_npz *z = NULL;
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    assert_int_equal(decode(cut, sizeof cut, &err), EK_DATA_LOSS);
    assert_int_equal(decode("\x93NUMPY", 6, &err), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "not a zip archive"));
    assert_int_equal(ek_npz_load("/nonexistent/x.npz", &z, NULL), EK_NOT_FOUND);
    assert_int_equal(ek_npz_load(NULL, &z, NULL), EK_INVALID_ARGUMENT);
    assert_null(z);
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

static char path[4096];

static int make_folder(void **state)
{
    EK_UNUSED(state);
    return test_folder_setup_path(path, sizeof path, "x.npz");
}

static ek_status save_two(const char *first, const char *second, ek_error *err)
{
    ek_array *a = ek_array_of(EK_FLOAT32, EK_SHAPE(3), (float[]){ 1, 2, 3 }), *b = ek_array_of(EK_BOOL, EK_SCALAR, NULL);
    const ek_named_array both[] = { { first, a }, { second, b } };
    const ek_status st = a != NULL && b != NULL ? ek_npz_save(path, both, 2, err) : EK_RESOURCE_EXHAUSTED;

    ek_array_unref(a);
    ek_array_unref(b);
    return st;
}

static void what_was_saved_comes_back(void **state)
{
    ek_npz *z;

    EK_UNUSED(state);
    assert_int_equal(save_two("layer/kernel", "flag", NULL), EK_OK);
    assert_int_equal(ek_npz_load(path, &z, NULL), EK_OK);
    assert_int_equal(ek_npz_count(z), 2);
    assert_string_equal(ek_npz_at(z, 0).name, "layer/kernel");
    assert_true(ek_array_get(ek_npz_find(z, "layer/kernel"), 2) == 3);
    assert_int_equal(ek_array_dtype(ek_npz_find(z, "flag")), EK_BOOL);
    ek_npz_free(z);
    assert_int_equal(ek_npz_save(path, NULL, 0, NULL), EK_OK);
    assert_int_equal(ek_npz_load(path, &z, NULL), EK_OK);
    assert_int_equal(ek_npz_count(z), 0);
    ek_npz_free(z);
}

static void names_must_be_there_and_differ(void **state)
{
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    assert_int_equal(save_two("x", "x", &err), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "called 'x'"));
    assert_int_equal(save_two("x", NULL, NULL), EK_INVALID_ARGUMENT);
    assert_int_equal(save_two("x", "", NULL), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_npz_save(path, &(ek_named_array){ "x", NULL }, 1, NULL), EK_INVALID_ARGUMENT);
    assert_int_equal(test_folder_count(test_folder, NULL), 0);
}

static void a_failed_save_leaves_the_old_file(void **state)
{
    test_faults f = { .room = -1 };
    ek_npz *z;
    ek_status st = EK_UNKNOWN;

    EK_UNUSED(state);
    assert_int_equal(save_two("old", "flag", NULL), EK_OK);
    for (long k = 1; st != EK_OK && k < 100; k++) {
        f = (test_faults){ .fail_at = k, .room = -1 };
        test_faults_install(&f);
        st = save_two("new", "flag", &(ek_error){ .code = EK_OK });
        test_faults_remove();
        assert_true((st == EK_OK) || test_folder_count(test_folder, NULL) >= 1);
        assert_int_equal(ek_npz_load(path, &z, NULL), EK_OK);
        assert_true((ek_npz_find(z, "old") != NULL) != (ek_npz_find(z, "new") != NULL));
        if (st == EK_OK) assert_non_null(ek_npz_find(z, "new"));
        ek_npz_free(z);
    }
    assert_int_equal(st, EK_OK);
    f = (test_faults){ .room = 100 };
    test_faults_install(&f);
    assert_int_equal(save_two("newer", "flag", NULL), EK_RESOURCE_EXHAUSTED);
    test_faults_remove();
    assert_int_equal(ek_npz_load(path, &z, NULL), EK_OK);
    assert_non_null(ek_npz_find(z, "new"));
    ek_npz_free(z);
}

static ek_status save_and_load(void)
{
    ek_npz *z = NULL;
    ek_status st = save_two("x", "y", NULL);

    if (st == EK_OK) st = ek_npz_load(path, &z, NULL);
    ek_npz_free(z);
    if (st == EK_OK) st = ek_npz_load(samples[1], &z, NULL);
    ek_npz_free(z);
    return st;
}

static void without_memory_it_says_so(void **state)
{
    EK_UNUSED(state);
    ek_test_refuse_each(save_and_load, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(archives_of_numpy_are_read),
        cmocka_unit_test(an_archive_of_nothing_is_one),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(damage_to_numbers_is_noticed),
        cmocka_unit_test(what_is_no_archive_is_refused),
        cmocka_unit_test_setup_teardown(what_was_saved_comes_back, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(names_must_be_there_and_differ, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(a_failed_save_leaves_the_old_file, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(without_memory_it_says_so, make_folder, test_folder_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
