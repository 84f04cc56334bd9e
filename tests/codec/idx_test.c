/* IDX files: MNIST, every type, plain and in gzip form; what is cut, damaged or claims too much. Samples are of
 * tools/make_npz_samples.py. */
#include "codec/idx.h"

#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "support/support.h"

#define CORPUS EK_SOURCE_DIR "/fuzz/corpus/idx/"

static void every_type_is_read(void **state)
{
    static const struct { const char *name; ek_dtype dtype; } types[] = {
        { "u1", EK_UINT8 }, { "i1", EK_INT8 }, { "i2", EK_INT16 }, { "i4", EK_INT32 }, { "f4", EK_FLOAT32 }, { "f8", EK_FLOAT64 },
    };
    static const double want[] = { 1, 2, 3, 100, 5, 6 };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(types); i++) {
        char path[512];
        ek_array *a;

        snprintf(path, sizeof path, CORPUS "%s", types[i].name);
        if (ek_idx_load(path, &a) != EK_OK) fail_msg("%s: %s", path, ek_last_error()->text);
        assert_int_equal(ek_array_dtype(a), types[i].dtype);
        assert_true(ek_shape_equal(ek_array_shape(a), &EK_SHAPE(2, 3)));
        for (int k = 0; k < 6; k++) assert_true(ek_array_get(a, k) == want[k]);
        ek_array_unref(a);
    }
}

static void labels_in_gzip_form_are_the_same(void **state)
{
    static const uint8_t want[] = { 7, 2, 1, 0, 4 };
    static const char *const names[] = { CORPUS "labels.gz", CORPUS "two_members.gz" };
    ek_array *a;

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(names); i++) {
        assert_int_equal(ek_idx_load(names[i], &a), EK_OK);
        assert_int_equal(ek_array_count(a), 5);
        assert_memory_equal(ek_array_cdata(a), want, sizeof want);
        ek_array_unref(a);
    }
}

static void no_dimension_and_no_element_are_fine(void **state)
{
    ek_array *a;

    EK_UNUSED(state);
    assert_int_equal(ek_idx_load(CORPUS "scalar", &a), EK_OK);
    assert_true(ek_array_rank(a) == 0 && ek_array_get(a, 0) == 9);
    ek_array_unref(a);
    assert_int_equal(ek_idx_load(CORPUS "empty", &a), EK_OK);
    assert_true(ek_shape_equal(ek_array_shape(a), &EK_SHAPE(0, 3)));
    ek_array_unref(a);
}

static void mnist_is_read(void **state)
{
    const char *images = ek_test_data("mnist/t10k-images-idx3-ubyte.gz"), *labels = ek_test_data("mnist/t10k-labels-idx1-ubyte.gz");
    ek_array *x, *y;
    int64_t ink = 0;

    EK_UNUSED(state);
    if (images == NULL || labels == NULL) skip();
    assert_int_equal(ek_idx_load(images, &x), EK_OK);
    assert_int_equal(ek_idx_load(labels, &y), EK_OK);
    assert_true(ek_shape_equal(ek_array_shape(x), &EK_SHAPE(10000, 28, 28)));
    assert_true(ek_array_dtype(x) == EK_UINT8 && ek_array_dtype(y) == EK_UINT8 && ek_array_count(y) == 10000);
    assert_true(ek_array_get(y, 0) == 7 && ek_array_get(y, 1) == 2 && ek_array_get(y, 9999) == 6);
    for (int64_t i = 0; i < ek_array_count(x); i++) ink += ((const uint8_t *)ek_array_cdata(x))[i];
    assert_int_equal(ink, 264923200); /* numpy's sum */
    ek_array_unref(x);
    ek_array_unref(y);
}

static ek_status decode(const void *data, size_t size, ek_error *err)
{
    char *exact = malloc(size > 0 ? size : 1); /* so that a sanitizer sees reads past the end */
    ek_array *a = NULL;
    ek_status st;

    memcpy(exact, data, size);
    *err = (ek_error){ .code = EK_OK };
    st = ek__idx_decode(exact, size, &a, err);
    assert_true((st == EK_OK) == (a != NULL));
    ek_array_unref(a);
    free(exact);
    return st;
}

static void every_cut_and_every_byte_too_many_is_noticed(void **state)
{
    static const char *const names[] = { CORPUS "i4", CORPUS "labels.gz", CORPUS "two_members.gz" };
    ek_error err;

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(names); i++) {
        size_t size;
        char *file = ek_test_read(names[i], &size);

        assert_non_null(file);
        for (size_t n = 0; n < size; n++)
            if (decode(file, n, &err) == EK_OK) fail_msg("%s: %zu of %zu bytes were taken", names[i], n, size);
        file[size] = 'x'; /* the NUL behind what was read */
        assert_int_equal(decode(file, size + 1, &err), EK_DATA_LOSS);
        free(file);
    }
}

/* A few bits of a gzip file mean nothing (time, padding); the others are noticed. */
static void damage_in_gzip_form_is_noticed(void **state)
{
    static const uint8_t want[] = { 7, 2, 1, 0, 4 };
    size_t size, refused = 0;
    char *file = ek_test_read(CORPUS "labels.gz", &size);

    EK_UNUSED(state);
    assert_non_null(file);
    for (size_t i = 0; i < size; i++) {
        ek_error err = { .code = EK_OK };
        ek_array *a = NULL;

        file[i] = (char)(file[i] ^ 0x10);
        if (ek__idx_decode(file, size, &a, &err) != EK_OK) refused++;
        else if (a->count != 5 || memcmp(a->data, want, sizeof want) != 0) fail_msg("byte %zu changed the labels", i);
        ek_array_unref(a);
        file[i] = (char)(file[i] ^ 0x10);
    }
    assert_true(refused > size * 2 / 3);
    free(file);
}

static void what_is_no_idx_is_refused(void **state)
{
    static const struct { const char *data; size_t size; ek_status status; const char *says; } cases[] = {
        { "\x93NUMPY", 6, EK_INVALID_ARGUMENT, "93 4e 55 4d" },
        { "\0\0\x0a\1\0\0\0\0", 8, EK_INVALID_ARGUMENT, "00 00 0a 01" },
        { "\0\0\x08\x11", 4, EK_INVALID_ARGUMENT, "17 dimensions" },
        { "\0\0\x08\3\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff!", 17, EK_DATA_LOSS, "(4294967295, 4294967295, 4294967295)" },
        { "\0\0\x0d\1\0\0\0\2abcd", 12, EK_DATA_LOSS, "(2,) elements of 4 bytes" },
        { "", 0, EK_DATA_LOSS, "cut off" },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(cases); i++) {
        ek_error err;

        if (decode(cases[i].data, cases[i].size, &err) != cases[i].status || strstr(err.text, cases[i].says) == NULL)
            fail_msg("case %d: %s: %s", i, ek_status_name(err.code), err.text);
    }
}

/* A few bytes that claim gigabytes: refused before any memory is asked for. */
static void a_small_gz_cannot_claim_much(void **state)
{
    static const uint8_t header[] = { 0, 0, 8, 2, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1 };
    uint8_t packed[128];
    z_stream z = { 0 };
    ek_test_allocator t;
    ek_error err;

    EK_UNUSED(state);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (z_const Bytef *)header;
    z.avail_in = sizeof header;
    z.next_out = packed;
    z.avail_out = sizeof packed;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    ek_test_allocator_install(&t, 0);
    assert_int_equal(decode(packed, (size_t)z.total_out, &err), EK_DATA_LOSS);
    assert_true(t.bytes < 1 << 20);
    ek_test_allocator_remove();
}

static void files_that_are_not_there(void **state)
{
    ek_array *a = NULL;

    EK_UNUSED(state);
    assert_int_equal(ek_idx_load("/nonexistent/x", &a), EK_NOT_FOUND);
    assert_int_equal(ek_idx_load("/", &a), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_idx_load(NULL, &a), EK_INVALID_ARGUMENT);
    assert_null(a);
}

static ek_status load_packed(void)
{
    ek_array *a = NULL;
    const ek_status st = ek_idx_load(CORPUS "labels.gz", &a);

    ek_array_unref(a);
    return st;
}

static void without_memory_it_says_so(void **state)
{
    EK_UNUSED(state);
    ek_test_refuse_each(load_packed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(labels_in_gzip_form_are_the_same),
        cmocka_unit_test(no_dimension_and_no_element_are_fine),
        cmocka_unit_test(mnist_is_read),
        cmocka_unit_test(every_cut_and_every_byte_too_many_is_noticed),
        cmocka_unit_test(damage_in_gzip_form_is_noticed),
        cmocka_unit_test(what_is_no_idx_is_refused),
        cmocka_unit_test(a_small_gz_cannot_claim_much),
        cmocka_unit_test(files_that_are_not_there),
        cmocka_unit_test(without_memory_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
