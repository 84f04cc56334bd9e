/* tests/train/dataset_test.c - data sets and batches: what comes in which order, again and from any place; on a thread or not. */
#include <string.h>

#include "support/support.h"
#include "values/array.h"

/* Column 0: i, 0.5 i; column 1: i. */
static ek_dataset *counted(int64_t rows)
{
    ek_array *column[2] = { ek_array_of(EK_FLOAT32, EK_SHAPE(rows, 2), NULL), ek_array_of(EK_INT64, EK_SHAPE(rows), NULL) };
    ek_dataset *d;

    for (int64_t i = 0; i < rows; i++) {
        ek_array_f32(column[0])[2 * i] = (float)i;
        ek_array_f32(column[0])[2 * i + 1] = 0.5f * (float)i;
        ek_array_i64(column[1])[i] = i;
    }
    assert_int_equal(EK_OK, ek_dataset_from_arrays(column, 2, &d, NULL));
    for (int c = 0; c < 2; c++) ek_array_unref(column[c]);
    return d;
}

static const ek_array *const *next(ek_batches *b)
{
    const ek_array *const *column;

    assert_int_equal(EK_OK, ek_batches_next(b, &column, NULL));
    return column;
}

/* Labels of the next `n` batches, one after the other; returns how many. */
static int64_t take(ek_batches *b, int n, int64_t *label)
{
    int64_t taken = 0;

    for (int i = 0; i < n; i++) {
        const ek_array *const *column = next(b);
        const int64_t rows = ek_array_dim(column[1], 0);

        assert_int_equal(rows, ek_array_dim(column[0], 0));
        for (int64_t k = 0; k < rows; k++) {
            label[taken + k] = ((const int64_t *)ek_array_cdata(column[1]))[k];
            assert_true(((const float *)ek_array_cdata(column[0]))[2 * k + 1] == 0.5f * (float)label[taken + k]);
        }
        taken += rows;
    }
    return taken;
}

static void every_row_comes_once_an_epoch(void **state)
{
    ek_dataset *d = counted(100);
    ek_batches *b = ek_batches_create(d, 10, .shuffle = true, .seed = 5);
    int64_t label[200];
    int seen[100] = { 0 }, in_place = 0;

    EK_UNUSED(state);
    assert_non_null(b);
    assert_int_equal(10, ek_batches_per_epoch(b));
    assert_int_equal(200, take(b, 20, label));
    for (int i = 0; i < 200; i++) seen[label[i]] += i < 100 ? 1 : 100;
    for (int i = 0; i < 100; i++) assert_int_equal(101, seen[i]);
    for (int i = 0; i < 100; i++) in_place += label[i] == i;
    assert_true(in_place < 10);
    assert_memory_not_equal(label, label + 100, 100 * sizeof *label);
    ek_batches_destroy(b);
    ek_dataset_destroy(d);
}

static void unshuffled_rows_come_in_order(void **state)
{
    ek_dataset *d = counted(7);
    ek_batches *b = ek_batches_create(d, 3);
    int64_t label[12];

    EK_UNUSED(state);
    assert_int_equal(12, take(b, 4, label));
    for (int i = 0; i < 12; i++) assert_int_equal(i % 6, label[i]); /* the seventh is left out */
    ek_batches_destroy(b);
    ek_dataset_destroy(d);
}

static void a_place_is_gone_on_from(void **state)
{
    ek_dataset *d = counted(50);
    ek_batches *whole = ek_batches_create(d, 8, .shuffle = true, .seed = 3);
    int64_t label[30 * 8], again[8];

    EK_UNUSED(state);
    for (int i = 0; i < 30; i++) {
        const ek_data_place at = ek_batches_place(whole);
        ek_batches *later = ek_batches_create(d, 8, .shuffle = true, .seed = 3, .from = at, .ahead = i % 4);

        assert_int_equal(at.epoch, i / 6);
        assert_int_equal(at.row, i % 6 * 8);
        take(whole, 1, label);
        take(later, 1, again);
        assert_memory_equal(label, again, sizeof again);
        assert_int_equal(ek_batches_place(whole).row, ek_batches_place(later).row);
        ek_batches_destroy(later);
    }
    ek_batches_destroy(whole);
    ek_dataset_destroy(d);
}

static void a_thread_changes_nothing(void **state)
{
    ek_dataset *d = counted(64);
    ek_batches *here = ek_batches_create(d, 7, .shuffle = true, .seed = -9, .ahead = 0);
    ek_batches *there = ek_batches_create(d, 7, .shuffle = true, .seed = -9, .ahead = 3);
    ek_batches *other = ek_batches_create(d, 7, .shuffle = true, .seed = -8, .ahead = 3);
    int64_t a[7 * 40], b[7 * 40];

    EK_UNUSED(state);
    take(here, 40, a);
    take(there, 40, b);
    assert_memory_equal(a, b, sizeof a);
    take(other, 40, b);
    assert_memory_not_equal(a, b, sizeof a);
    ek_batches_destroy(here);
    ek_batches_destroy(there);
    ek_batches_destroy(other);
    ek_dataset_destroy(d);
}

static void the_rest_is_kept_or_filled_up(void **state)
{
    ek_dataset *d = counted(10);
    ek_batches *keep = ek_batches_create(d, 4, .partial = EK_PARTIAL_KEEP, .epochs = 1);
    ek_batches *wrap = ek_batches_create(d, 4, .partial = EK_PARTIAL_WRAP, .epochs = 1);
    const ek_array *const *column;
    int64_t label[16];

    EK_UNUSED(state);
    assert_int_equal(3, ek_batches_per_epoch(keep));
    assert_int_equal(10, take(keep, 3, label));
    for (int i = 0; i < 10; i++) assert_int_equal(i, label[i]);
    assert_int_equal(EK_OUT_OF_RANGE, ek_batches_next(keep, &column, NULL));
    assert_null(column);
    assert_int_equal(12, take(wrap, 3, label));
    for (int i = 0; i < 12; i++) assert_int_equal(i % 10, label[i]);
    assert_int_equal(EK_OUT_OF_RANGE, ek_batches_next(wrap, &column, NULL));
    ek_batches_destroy(keep);
    ek_batches_destroy(wrap);
    ek_dataset_destroy(d);
}

static void columns_are_converted_and_reshaped(void **state)
{
    ek_array *bytes = ek_array_of(EK_UINT8, EK_SHAPE(2, 2, 2), (uint8_t[]){ 0, 51, 102, 255, 1, 2, 3, 4 });
    ek_dataset *d;
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    assert_int_equal(EK_OK, ek_dataset_from_arrays(&bytes, 1, &d, NULL));
    assert_int_equal(EK_OK, ek_dataset_convert(d, 0, EK_FLOAT32, 255, NULL));
    assert_int_equal(EK_OK, ek_dataset_reshape(d, 0, EK_SHAPE(4), NULL));
    assert_int_equal(EK_FLOAT32, ek_dataset_dtype(d, 0));
    ek_batches *b = ek_batches_create(d, 2);
    const ek_array *x = next(b)[0];
    assert_int_equal(2, ek_array_rank(x));
    assert_true(ek_array_get(x, 0) == 0 && ek_array_get(x, 3) == 1 && (float)ek_array_get(x, 1) == 51.0f / 255.0f);
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_reshape(d, 0, EK_SHAPE(5), &err));
    assert_string_equal("rows of column 0 have shape (4,), which cannot be (5,)", err.text);
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_convert(d, 0, EK_STRING, 1, NULL));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_convert(d, 0, EK_INT64, 255, NULL));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_convert(d, 1, EK_INT64, 1, NULL));
    ek_batches_destroy(b);
    ek_dataset_destroy(d);
    ek_array_unref(bytes);
}

static void strings_are_batched(void **state)
{
    ek_array *words = ek_array_of(EK_STRING, EK_SHAPE(3), NULL);
    ek_dataset *d;

    EK_UNUSED(state);
    for (int i = 0; i < 3; i++) assert_int_equal(EK_OK, ek_array_set_string(words, i, "abc", (size_t)i + 1));
    assert_int_equal(EK_OK, ek_dataset_from_arrays(&words, 1, &d, NULL));
    ek_batches *b = ek_batches_create(d, 1);
    for (int i = 0; i < 7; i++) assert_int_equal(i % 3 + 1, ((const ek_string *)ek_array_cdata(next(b)[0]))->size);
    ek_batches_destroy(b);
    ek_dataset_destroy(d);
    ek_array_unref(words);
}

static void a_part_holds_its_rows_only(void **state)
{
    ek_dataset *d = counted(20), *part;
    int64_t label[8];

    EK_UNUSED(state);
    assert_int_equal(EK_OK, ek_dataset_part(d, 12, 8, &part, NULL));
    ek_dataset_destroy(d);
    ek_batches *b = ek_batches_create(part, 4, .epochs = 1);
    assert_int_equal(8, take(b, 2, label));
    for (int i = 0; i < 8; i++) assert_int_equal(12 + i, label[i]);
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_part(part, 1, 8, &d, NULL));
    assert_null(d);
    ek_batches_destroy(b);
    ek_dataset_destroy(part);
}

static void mistakes_are_told(void **state)
{
    ek_array *two = ek_array_of(EK_FLOAT32, EK_SHAPE(2), NULL), *three = ek_array_of(EK_FLOAT32, EK_SHAPE(3), NULL);
    ek_array *scalar = ek_array_of(EK_FLOAT32, EK_SCALAR, NULL), *both[2] = { two, three };
    ek_dataset *d, *none;
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_from_arrays(both, 2, &none, &err));
    assert_string_equal("columns of a data set have the same number of rows: column 0 has 2, column 1 has 3", err.text);
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_from_arrays(&scalar, 1, &none, NULL));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_from_arrays(&two, 0, &none, NULL));
    assert_int_equal(EK_NOT_FOUND, ek_dataset_from_npy((const char *[]){ "/nowhere.npy" }, 1, &none, NULL));
    assert_int_equal(EK_OK, ek_dataset_from_arrays(&two, 1, &d, NULL));
    assert_null(ek_batches_create(d, 3, .error = &err));
    assert_non_null(strstr(err.text, "a batch of 3 from 2 rows"));
    assert_null(ek_batches_create(d, 0, .error = &err));
    assert_string_equal("a batch size is 1 at least, found 0", err.text);
    assert_null(ek_batches_create(d, 2, .from = { 0, 1 }));
    ek_dataset_destroy(d);
    ek_array_unref(two);
    ek_array_unref(three);
    ek_array_unref(scalar);
}

static void later_batches_allocate_nothing(void **state)
{
    ek_test_allocator t;
    int64_t label[4];

    EK_UNUSED(state);
    ek_test_allocator_install(&t, 0);
    ek_dataset *d = counted(10);
    ek_batches *b = ek_batches_create(d, 4, .shuffle = true, .partial = EK_PARTIAL_KEEP);
    take(b, 1, label);
    const long before = t.calls;
    for (int i = 0; i < 100; i++) take(b, 1, label);
    assert_int_equal(before, t.calls);
    ek_batches_destroy(b);
    ek_dataset_destroy(d);
    assert_int_equal(0, t.live);
    ek_test_allocator_remove();
}

static void what_is_null_is_told(void **state)
{
    ek_dataset *d = (ek_dataset *)(uintptr_t)1, *left = NULL;
    const ek_feature f = { .name = "a", .dtype = EK_FLOAT32 };
    const char *const names[] = { "a" }, *const none[] = { NULL };
    const ek_array *const *column;
    ek_array *a = ek_array_of(EK_FLOAT32, EK_SHAPE(10), NULL);

    EK_UNUSED(state);
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_from_arrays(NULL, 1, &d, NULL));
    assert_null(d);
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_from_arrays(&a, 1, NULL, NULL));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_from_digits(1, 1, NULL, NULL));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_from_npy(NULL, 1, &d, NULL));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_from_npy(none, 1, &d, NULL));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_from_npz(NULL, names, 1, &d, NULL));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_from_npz("a.npz", NULL, 1, &d, NULL));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_from_npz("a.npz", names, 1, NULL, NULL));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_from_idx(NULL, "train", &d, NULL));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_from_idx("/tmp", NULL, &d, NULL));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_from_records(NULL, 1, EK_COMPRESSION_NONE, &f, 1, &d, NULL));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_from_records(none, 1, EK_COMPRESSION_NONE, &f, 1, &d, NULL));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_from_records(names, 1, EK_COMPRESSION_NONE, NULL, 1, &d, NULL));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_part(NULL, 0, 1, &d, NULL));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_batches_next(NULL, &column, NULL));
    assert_int_equal(EK_OK, ek_dataset_from_arrays(&a, 1, &left, NULL));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_dataset_part(left, 0, 1, NULL, NULL));
    assert_null(ek_batches_create(left, 3, .from = { .epoch = INT64_MAX }));
    ek_batches *b = ek_batches_create(left, 3);
    assert_int_equal(EK_INVALID_ARGUMENT, ek_batches_next(b, NULL, NULL));
    ek_batches_destroy(b);
    ek_dataset_destroy(left);
    ek_array_unref(a);
}

static ek_status everything(void)
{
    ek_error err = { .code = EK_OK };
    const ek_array *const *column;
    ek_dataset *d;
    ek_status st = ek_dataset_from_digits(1, 3, &d, &err);

    if (st != EK_OK) return st;
    ek_batches *b = ek_batches_create(d, 2, .partial = EK_PARTIAL_KEEP, .error = &err);
    st = b != NULL ? ek_batches_next(b, &column, &err) : err.code;
    ek_batches_destroy(b);
    ek_dataset_destroy(d);
    return st;
}

static void no_memory_is_an_error(void **state)
{
    EK_UNUSED(state);
    ek_test_refuse_each(everything, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_comes_once_an_epoch),
        cmocka_unit_test(unshuffled_rows_come_in_order),
        cmocka_unit_test(a_place_is_gone_on_from),
        cmocka_unit_test(a_thread_changes_nothing),
        cmocka_unit_test(the_rest_is_kept_or_filled_up),
        cmocka_unit_test(columns_are_converted_and_reshaped),
        cmocka_unit_test(strings_are_batched),
        cmocka_unit_test(a_part_holds_its_rows_only),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(what_is_null_is_told),
        cmocka_unit_test(later_batches_allocate_nothing),
        cmocka_unit_test(no_memory_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
