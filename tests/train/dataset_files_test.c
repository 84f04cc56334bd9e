/* tests/train/dataset_files_test.c - data sets from IDX folders, .npz files and TFRecords of tf.Examples. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "support/support.h"

static void mnist_is_read(void **state)
{
    const char *dir = ek_test_data("mnist");
    ek_dataset *d;

    EK_UNUSED(state);
    if (dir == NULL) skip();
    assert_int_equal(EK_OK, ek_dataset_from_idx(dir, "t10k", &d, NULL));
    assert_int_equal(10000, ek_dataset_rows(d));
    const ek_shape shape = ek_dataset_shape(d, 0);
    assert_true(ek_shape_equal(&shape, &EK_SHAPE(28, 28, 1)));
    assert_int_equal(EK_FLOAT32, ek_dataset_dtype(d, 0));
    assert_int_equal(EK_INT64, ek_dataset_dtype(d, 1));
    ek_batches *b = ek_batches_create(d, 2);
    const ek_array *const *column;
    assert_int_equal(EK_OK, ek_batches_next(b, &column, NULL));
    assert_true(ek_array_get(column[1], 0) == 7 && ek_array_get(column[1], 1) == 2); /* the famous first two */
    double most = 0;
    for (int64_t i = 0; i < ek_array_count(column[0]); i++)
        if (ek_array_get(column[0], i) > most) most = ek_array_get(column[0], i);
    assert_true(most == 1);
    ek_batches_destroy(b);
    ek_dataset_destroy(d);
}

static void a_folder_without_files_is_told(void **state)
{
    ek_error err = { .code = EK_OK };
    ek_dataset *d;

    EK_UNUSED(state);
    assert_int_equal(EK_NOT_FOUND, ek_dataset_from_idx("/nowhere", "train", &d, &err));
    assert_null(d);
    assert_string_equal("there is no /nowhere/train-images-idx3-ubyte, nor /nowhere/train-images-idx3-ubyte.gz; a folder with "
                        "MNIST's four files is expected", err.text);
}

static void npz_columns_are_found_by_name(void **state)
{
    char path[] = "/tmp/ek_npz_XXXXXX";
    const int fd = mkstemp(path);
    ek_array *x = ek_array_of(EK_UINT8, EK_SHAPE(3, 2, 2), NULL), *y = ek_array_of(EK_UINT8, EK_SHAPE(3, 1), (uint8_t[]){ 4, 5, 6 });
    ek_error err = { .code = EK_OK };
    ek_dataset *d;

    EK_UNUSED(state);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(EK_OK, ek_npz_save(path, (ek_named_array[]){ { "y", y }, { "x", x } }, 2, NULL));
    assert_int_equal(EK_OK, ek_dataset_from_npz(path, (const char *[]){ "x", "y" }, 2, &d, NULL));
    assert_int_equal(EK_OK, ek_dataset_as_images(d, NULL));
    const ek_shape shape = ek_dataset_shape(d, 0);
    assert_true(ek_shape_equal(&shape, &EK_SHAPE(2, 2, 1)));
    ek_dataset_destroy(d);
    assert_int_equal(EK_NOT_FOUND, ek_dataset_from_npz(path, (const char *[]){ "x", "z" }, 2, &d, &err));
    assert_non_null(strstr(err.text, "there is no array 'z' in"));
    assert_null(d);
    unlink(path);
    ek_array_unref(x);
    ek_array_unref(y);
}

static char records_path[] = "/tmp/ek_rec_XXXXXX";

/* Record i: bytes "abcd" + i, label i, two weights, a word. */
static void write_records(int n)
{
    ek_record_writer *w;
    const int fd = mkstemp(strcpy(records_path, "/tmp/ek_rec_XXXXXX"));

    close(fd);
    assert_int_equal(EK_OK, ek_record_writer_open(records_path, EK_COMPRESSION_NONE, &w, NULL));
    for (int i = 0; i < n; i++) {
        const char bytes[4] = { (char)('a' + i), 'b', 'c', 'd' };
        const ek_string raw = { (char *)(uintptr_t)bytes, 4 }, word = { (char *)(uintptr_t)bytes, (size_t)i };
        ek_array *a[4] = { ek_array_of(EK_STRING, EK_SHAPE(1), &raw), ek_array_of(EK_INT64, EK_SHAPE(1), (int64_t[]){ i }),
                           ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){ (float)i, 0.5f }),
                           ek_array_of(EK_STRING, EK_SHAPE(1), &word) };
        const ek_named_array feature[] = { { "image", a[0] }, { "label", a[1] }, { "weights", a[2] }, { "word", a[3] } };
        void *data;
        size_t size;

        assert_int_equal(EK_OK, ek_example_encode(feature, 4, &data, &size, NULL));
        assert_int_equal(EK_OK, ek_record_writer_write(w, data, size, NULL));
        ek_free(data);
        for (int k = 0; k < 4; k++) ek_array_unref(a[k]);
    }
    assert_int_equal(EK_OK, ek_record_writer_close(w, NULL));
}

static const ek_feature features[] = { { "image", EK_UINT8, { { 2, 2 }, 2 } },
                                       { "label", EK_INT32, { { 0 }, 0 } },
                                       { "weights", EK_FLOAT32, { { 2 }, 1 } },
                                       { "word", EK_STRING, { { 0 }, 0 } } };

static void examples_become_columns(void **state)
{
    ek_dataset *d;
    const ek_array *const *column;

    EK_UNUSED(state);
    write_records(3);
    const char *const twice[] = { records_path, records_path };
    assert_int_equal(EK_OK, ek_dataset_from_records(twice, 2, EK_COMPRESSION_BY_CONTENT, features, 4, &d, NULL));
    assert_int_equal(6, ek_dataset_rows(d));
    ek_batches *b = ek_batches_create(d, 6);
    assert_int_equal(EK_OK, ek_batches_next(b, &column, NULL));
    for (int i = 0; i < 6; i++) {
        assert_true(ek_array_get(column[0], 4 * i) == 'a' + i % 3);
        assert_true(ek_array_get(column[1], i) == i % 3);
        assert_true(ek_array_get(column[2], 2 * i) == i % 3);
        assert_int_equal(i % 3, ((const ek_string *)ek_array_cdata(column[3]))[i].size);
    }
    ek_batches_destroy(b);
    ek_dataset_destroy(d);
    unlink(records_path);
}

static void examples_of_another_kind_are_told(void **state)
{
    const char *const path[] = { records_path };
    ek_error err = { .code = EK_OK };
    ek_dataset *d;

    EK_UNUSED(state);
    write_records(2);
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_from_records(path, 1, EK_COMPRESSION_NONE,
                     (const ek_feature[]){ { "weights", EK_FLOAT32, { { 3 }, 1 } } }, 1, &d, &err));
    assert_non_null(strstr(err.text, "feature 'weights' has 2 values in record 0"));
    err.code = EK_OK;
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_from_records(path, 1, EK_COMPRESSION_NONE,
                     (const ek_feature[]){ { "image", EK_UINT8, { { 5 }, 1 } } }, 1, &d, &err));
    assert_int_equal(EK_NOT_FOUND, ek_dataset_from_records(path, 1, EK_COMPRESSION_NONE,
                     (const ek_feature[]){ { "nobody", EK_FLOAT32, { { 3 }, 1 } } }, 1, &d, NULL));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_from_records(path, 1, EK_COMPRESSION_NONE,
                     (const ek_feature[]){ { "label", EK_FLOAT32, { { -1 }, 1 } } }, 1, &d, NULL));
    assert_null(d);
    unlink(records_path);
}

static ek_status read_all(void)
{
    const char *const path[] = { records_path };
    ek_error err = { .code = EK_OK };
    ek_dataset *d;
    const ek_status st = ek_dataset_from_records(path, 1, EK_COMPRESSION_NONE, features, 4, &d, &err);

    ek_dataset_destroy(d);
    return st;
}

static void no_memory_is_an_error(void **state)
{
    EK_UNUSED(state);
    write_records(2);
    ek_test_refuse_each(read_all, 0);
    unlink(records_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mnist_is_read),
        cmocka_unit_test(a_folder_without_files_is_told),
        cmocka_unit_test(npz_columns_are_found_by_name),
        cmocka_unit_test(examples_become_columns),
        cmocka_unit_test(examples_of_another_kind_are_told),
        cmocka_unit_test(no_memory_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
