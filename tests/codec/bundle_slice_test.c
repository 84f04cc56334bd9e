/* Slices in checkpoints of version 2: their text, their keys, wholes and parts put together from any of them. */
#include <stdlib.h>
#include <unistd.h>

#include "codec/bundle_parts.h"
#include "support/checkpoints.h"
#include "support/folder.h"
#include "support/support.h"

static void slices_are_told_from_text(void **state)
{
    static const char *const wrong[][2] = {
        { "0,3", "Need least two elements in shape_and_slice specification: 0,3" },
        { "5 x", "Expected a pair of numbers or '-' but got 'x': string = x" },
        { "5 0,0", "Expected non-negative start and positive length but got start = 0, length = 0: string = 0,0" },
        { "5 -1,2", "Expected non-negative start and positive length but got start = -1, length = 2: string = -1,2" },
        { "a -", "Non numerical dimension in shape_and_slice: a -" },
        { "5 -:-", "Mismatching ranks: shape = [5], slice = -:-" },
        { "5 3 -:2,2", "Extent in dimension 1 out of bounds: shape = [5,3], slice = -:2,2" },
        { "5 9223372036854775807,9223372036854775807", "Extent in dimension 0 out of bounds: shape = [5], slice = "
          "9223372036854775807,9223372036854775807" },
        { "5 5,", "Expected a pair of numbers or '-' but got '5,': string = 5," },
        { "", "Need least two elements in shape_and_slice specification: " },
    };
    ek_shape full, part;
    ek_slice s;

    EK_UNUSED(state);
    assert_int_equal(ek__slice_parse("5 3 0,3:-", 9, &full, &s, &part, NULL), EK_OK);
    assert_true(full.rank == 2 && full.dim[0] == 5 && full.dim[1] == 3);
    assert_true(s.rank == 2 && s.start[0] == 0 && s.length[0] == 3 && s.start[1] == 0 && s.length[1] == -1);
    assert_true(part.rank == 2 && part.dim[0] == 3 && part.dim[1] == 3);
    for (int i = 0; i < EK_COUNT_OF(wrong); i++) {
        ek_error err = { .code = EK_OK };
        assert_int_equal(ek__slice_parse(wrong[i][0], strlen(wrong[i][0]), &full, &s, &part, &err),
                         EK_INVALID_ARGUMENT);
        assert_string_equal(err.text, wrong[i][1]);
    }
}

static void expect_key(const ek_slice *s, const char *name, const void *want, size_t size)
{
    ek_buf b = { .data = NULL };

    ek__slice_key(&b, name, s);
    assert_int_equal(b.size, size);
    assert_memory_equal(b.data, want, size);
    ek__buf_fini(&b);
}

static void keys_of_slices_keep_the_order_of_numbers(void **state)
{
    static const int64_t rising[] = {0,
                                     1,
                                     63,
                                     64,
                                     67,
                                     8191,
                                     8192,
                                     1048575,
                                     1048576,
                                     1 << 30,
                                     INT64_C(1) << 40,
                                     INT64_C(1) << 54,
                                     (INT64_C(1) << 55) - 1,
                                     INT64_C(1) << 55,
                                     (INT64_C(1) << 62) - 1,
                                     INT64_C(1) << 62,
                                     INT64_MAX};
    ek_slice s = { .rank = 2, .start = { 0, 0 }, .length = { 2, -1 } };
    ek_buf before = { .data = NULL };

    EK_UNUSED(state);
    expect_key(&s, "w", "\x00w\x00\x01\x01\x02\x80\x82\x80\x7f", 10);
    s = (ek_slice){ .rank = 1, .start = { 67 }, .length = { 8192 } };
    expect_key(&s, "a\xff", "\x00" "a\xff\x00\x00\x01\x01\x01\xc0\x43\xe0\x20\x00", 13);
    s = (ek_slice){ .rank = 1, .start = { 0 }, .length = { 1048576 } };
    expect_key(&s, "", "\x00\x00\x01\x01\x01\x80\xf0\x10\x00\x00", 10);
    for (int i = 0; i < EK_COUNT_OF(rising); i++) {
        ek_buf now = { .data = NULL };
        s.start[0] = rising[i];
        ek__slice_key(&now, "w", &s);
        assert_true(i == 0 || ek__span_compare((ek_span){ (uint8_t *)before.data, before.size },
                                               (ek_span){ (uint8_t *)now.data, now.size }) < 0);
        ek__buf_fini(&before);
        before = now;
    }
    ek__buf_fini(&before);
}

/* A tensor of 6 x 5 x 4 in six pieces that are cut both ways, of numbers and of strings; read by every part of it. */
static const int64_t cuts0[] = { 0, 1, 4, 6 }, cuts1[] = { 0, 3, 5 };

static void add_pieces(ek_bundle_writer *w, const char *name, ek_dtype dtype)
{
    const ek_shape full = EK_SHAPE(6, 5, 4);
    ek_error err = { .code = EK_OK };

    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 2; j++) {
            const ek_slice s = { .rank = 3, .start = { cuts0[i], cuts1[j], 0 },
                                 .length = { cuts0[i + 1] - cuts0[i], cuts1[j + 1] - cuts1[j], -1 } };
            const ek_shape shape = EK_SHAPE(s.length[0], s.length[1], 4);
            ek_array *a = ek_array_of(dtype, shape, NULL);
            for (int64_t k = 0; k < a->count; k++) {
                const int64_t x = k / 4 / shape.dim[1] + s.start[0], y = k / 4 % shape.dim[1] + s.start[1], z = k % 4;
                const int value = (int)(100 * x + 10 * y + z);
                char text[8];
                if (dtype == EK_INT32) ek_array_i32(a)[k] = value;
                else
                    assert_int_equal(ek_array_set_string(a, k, text, (size_t)snprintf(text, sizeof text, "%d", value)),
                                     EK_OK);
            }
            if (ek__bundle_add(w, name, dtype, &shape, a->data, &full, &s, &err) != EK_OK) fail_msg("%s", err.text);
            ek_array_unref(a);
        }
    }
}

static void expect_part(ek_bundle *b, const char *name, const ek_slice *part)
{
    ek_error err = { .code = EK_OK };
    ek_array *a;
    int64_t k = 0;

    if (ek__bundle_read(b, ek__bundle_find(b, name), part, &a, &err) != EK_OK) fail_msg("%s: %s", name, err.text);
    for (int64_t x = 0; x < part->length[0]; x++)
        for (int64_t y = 0; y < part->length[1]; y++)
            for (int64_t z = 0; z < part->length[2]; z++, k++) {
                const int64_t value = 100 * (x + part->start[0]) + 10 * (y + part->start[1]) + z + part->start[2];
                if (a->dtype == EK_INT32) assert_int_equal(ek_array_i32(a)[k], value);
                else assert_int_equal(atoi(((ek_string *)a->data)[k].data), value);
            }
    assert_int_equal(a->count, k);
    ek_array_unref(a);
}

static void any_part_is_put_together_from_any_slices(void **state)
{
    static const char *const names[] = { "numbers", "strings", "whole" };
    char *folder = test_folder_make();
    char prefix[4096];
    ek_error err = { .code = EK_OK };
    ek_bundle_writer *w;
    ek_bundle *b;
    int32_t whole[120];

    EK_UNUSED(state);
    for (int i = 0; i < 120; i++) whole[i] = 100 * (i / 20) + 10 * (i / 4 % 5) + i % 4;
    snprintf(prefix, sizeof prefix, "%s/m", folder);
    assert_int_equal(ek__bundle_writer_open(prefix, &w, &err), EK_OK);
    add_pieces(w, "numbers", EK_INT32);
    add_pieces(w, "strings", EK_STRING);
    assert_int_equal(ek__bundle_add(w, "whole", EK_INT32, &EK_SHAPE(6, 5, 4), whole, NULL, NULL, &err), EK_OK);
    assert_int_equal(ek__bundle_finish(w, &err), EK_OK);
    assert_int_equal(ek__bundle_open(prefix, &b, &err), EK_OK);
    assert_int_equal(ek__bundle_count(b), 3);
    assert_int_equal(ek__bundle_find(b, "numbers")->n_slices, 6);
    for (int n = 0; n < 3; n++)
        for (int64_t x = 0; x < 6; x++)
            for (int64_t y = 0; y < 5; y++)
                for (int64_t z = 0; z < 4; z++) {
                    const ek_slice part = { .rank = 3, .start = { x, y, z }, .length = { 6 - x, 5 - y, 4 - z } },
                                   one = { .rank = 3, .start = { x, y, z }, .length = { 1, 1, 1 } },
                                   low = { .rank = 3, .length = { x + 1, y + 1, z + 1 } };
                    expect_part(b, names[n], &part);
                    expect_part(b, names[n], &one);
                    expect_part(b, names[n], &low);
                }
    ek__bundle_close(b);
    test_folder_remove(folder);
}

static void slices_that_contradict_each_other_are_refused(void **state)
{
    char *folder = test_folder_make();
    char prefix[4096];
    const ek_slice first = {.rank = 1, .start = {0}, .length = {2}}, overlap = {.rank = 1, .start = {1}, .length = {2}},
                   outside = {.rank = 1, .start = {4}, .length = {2}};
    const float two[2] = { 1, 2 };
    ek_error err = { .code = EK_OK };
    ek_bundle_writer *w;
    ek_bundle *b;
    ek_array *a;

    EK_UNUSED(state);
    snprintf(prefix, sizeof prefix, "%s/m", folder);
    assert_int_equal(ek__bundle_writer_open(prefix, &w, &err), EK_OK);
    assert_int_equal(ek__bundle_add(w, "w", EK_FLOAT32, &EK_SHAPE(2), two, &EK_SHAPE(5), &first, &err), EK_OK);
    assert_int_equal(ek__bundle_add(w, "w", EK_FLOAT32, &EK_SHAPE(2), two, &EK_SHAPE(5), &overlap, &err), EK_OK);
    assert_int_equal(ek__bundle_add(w, "gap", EK_FLOAT32, &EK_SHAPE(2), two, &EK_SHAPE(5), &first, &err), EK_OK);
    assert_int_equal(ek__bundle_finish(w, &err), EK_OK);
    assert_int_equal(ek__bundle_open(prefix, &b, &err), EK_OK);
    assert_int_equal(ek__bundle_read(b, ek__bundle_find(b, "w"), NULL, &a, &err), EK_DATA_LOSS);
    assert_string_equal(err.text, "Overlapping slices: number 0 and 1 of w");
    err = (ek_error){ .code = EK_OK };
    assert_int_equal(ek__bundle_read(b, ek__bundle_find(b, "gap"), NULL, &a, &err), EK_INVALID_ARGUMENT);
    assert_string_equal(err.text,
                        "Does not have sufficient slices for partitioned tensor gap to restore in slice_spec: -");
    err = (ek_error){ .code = EK_OK };
    assert_int_equal(ek__bundle_read(b, ek__bundle_find(b, "gap"), &first, &a, &err), EK_OK);
    ek_array_unref(a);
    ek__bundle_close(b);
    for (int i = 0; i < 5; i++) {
        static const char *const texts[] = {"w: the slice is none of the tensor's shape, or has another shape",
                                            "w: its slices have different dtypes or are of different shapes",
                                            "w: its slices have different dtypes or are of different shapes",
                                            "Adding duplicate key: w", "Adding duplicate key: w"};
        err = (ek_error){ .code = EK_OK };
        assert_int_equal(ek__bundle_writer_open(prefix, &w, &err), EK_OK);
        assert_int_equal(ek__bundle_add(w, "w", EK_FLOAT32, &EK_SHAPE(2), two, &EK_SHAPE(5), &first, &err), EK_OK);
        const ek_slice *s = i == 0 ? &outside : i == 4 ? &first : &overlap;
        const ek_shape full = i == 1 ? EK_SHAPE(7) : EK_SHAPE(5);
        const ek_dtype dtype = i == 2 ? EK_INT32 : EK_FLOAT32;
        const ek_status st = i == 3 ? ek__bundle_add(w, "w", dtype, &EK_SHAPE(2), two, NULL, NULL, &err)
                                    : ek__bundle_add(w, "w", dtype, &EK_SHAPE(2), two, &full, s, &err);
        assert_int_equal(st, EK_INVALID_ARGUMENT);
        assert_string_equal(err.text, texts[i]);
        assert_int_equal(ek__bundle_finish(w, NULL), EK_FAILED_PRECONDITION);
        assert_int_equal(test_folder_count(folder, NULL), 2);
    }
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_are_told_from_text),
        cmocka_unit_test(keys_of_slices_keep_the_order_of_numbers),
        cmocka_unit_test(any_part_is_put_together_from_any_slices),
        cmocka_unit_test(slices_that_contradict_each_other_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
