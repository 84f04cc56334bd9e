/* Checkpoints of version 2: those of TensorFlow read and written the same, slices, damage. Saving over what is there,
 * on disks that fail: bundle_atomic_test.c. */
#include <stdlib.h>
#include <unistd.h>

#include "codec/bundle_parts.h"
#include "support/checkpoints.h"
#include "support/faults.h"
#include "support/support.h"

static const char *const plain[] = {"plain", "resource", "sharded", "partitioned", "types", "adam", "many", "renamed"};
static const char *const prefixes[] = { "model", "model-5", "model", "model", "model", "model-20", "model", "model" };

static ek_bundle *open_data(const char *folder, const char *prefix)
{
    char path[4096];
    ek_error err = { .code = EK_OK };
    ek_bundle *b;

    snprintf(path, sizeof path, "%s/%s", ek_test_data(folder), prefix);
    if (ek__bundle_open(path, &b, &err) != EK_OK) fail_msg("%s: %s", path, err.text);
    return b;
}

static void checkpoints_of_tensorflow_are_read(void **state)
{
    EK_UNUSED(state);
    if (ek_test_data("tf-files") == NULL) skip();
    for (int i = 0; i < EK_COUNT_OF(plain); i++) {
        char folder[96], name[64];
        snprintf(name, sizeof name, "ckpt-v2-%s", plain[i]);
        snprintf(folder, sizeof folder, "tf-files/%s", name);
        ek_bundle *b = open_data(folder, prefixes[i]);
        assert_int_equal(ek__bundle_version(b), 2);
        expect_checkpoint(name, b);
        ek__bundle_close(b);
    }
    ek_bundle *b = open_data("tf-files/ckpt-tf2-object", "model");
    expect_checkpoint("ckpt-tf2-object", b);
    ek__bundle_close(b);
}

static void checkpoints_of_other_projects_are_read(void **state)
{
    static const char *const folders[] = { "checkpoints/regression", "checkpoints/sonnet/batch_norm_1x2x2x3",
        "checkpoints/sonnet/linear_1x1", "checkpoints/sonnet/mlp_3x4x5_1x3", "saved-models/half_plus_two/variables",
        "tf-files/ckpt-rotation", "tf-files/frozen-with-original" };
    static const char *const names[] = {"model",     "checkpoint-1", "checkpoint-1", "checkpoint-1",
                                        "variables", "model-50",     "model"};

    EK_UNUSED(state);
    if (ek_test_data("checkpoints") == NULL) skip();
    for (int i = 0; i < EK_COUNT_OF(folders); i++) {
        if (ek_test_data(folders[i]) == NULL) continue;
        ek_bundle *b = open_data(folders[i], names[i]);
        assert_true(ek__bundle_count(b) > 0);
        for (int64_t k = 0; k < ek__bundle_count(b); k++) {
            ek_error err = { .code = EK_OK };
            ek_array *a;
            if (ek__bundle_read(b, ek__bundle_at(b, k), NULL, &a, &err) != EK_OK)
                fail_msg("%s: %s", folders[i], err.text);
            ek_array_unref(a);
        }
        assert_null(ek__bundle_at(b, -1));
        assert_null(ek__bundle_at(b, ek__bundle_count(b)));
        assert_null(ek__bundle_find(b, "none of this name"));
        assert_null(ek__bundle_find(b, ""));
        ek__bundle_close(b);
    }
}

/* ---- written the same ------------------------------------------------------------------------------------- */

typedef struct stored {
    uint64_t offset;
    const ek_bundle_entry *entry;
    int32_t slice; /* -1: whole */
} stored;

static int by_offset(const void *a, const void *b)
{
    const uint64_t x = ((const stored *)a)->offset, y = ((const stored *)b)->offset;

    return x < y ? -1 : x > y;
}

/* What is in a bundle, in the order in which it was added. */
static int list_stored(ek_bundle *b, stored *out)
{
    int n = 0;
    ek_error err = { .code = EK_OK };

    for (int64_t i = 0; i < ek__bundle_count(b); i++) {
        const ek_bundle_record *r = &b->record[b->first + i], *piece = r;

        for (int32_t k = 0; k < r->entry.n_slices; k++) {
            const ek_slice s = ek__bundle_slice_at(r, k);
            ek_slice resolved;
            ek_shape shape = { .rank = s.rank };
            assert_true(ek__slice_resolve(&s, &r->entry.shape, &resolved));
            memcpy(shape.dim, resolved.length, sizeof shape.dim);
            assert_int_equal(ek__bundle_v2_slice(b, r, k, &shape, &piece, &err), EK_OK);
            out[n++] = (stored){ piece->offset, &r->entry, k };
        }
        if (r->entry.n_slices == 0) out[n++] = (stored){ r->offset, &r->entry, -1 };
    }
    qsort(out, (size_t)n, sizeof *out, by_offset);
    return n;
}

static void write_again(ek_bundle *b, const char *prefix)
{
    static stored all[1000];
    const int n = list_stored(b, all);
    ek_error err = { .code = EK_OK };
    ek_bundle_writer *w;

    assert_int_equal(ek__bundle_writer_open(prefix, &w, &err), EK_OK);
    for (int i = 0; i < n; i++) {
        const ek_bundle_entry *e = all[i].entry;
        const bool whole = all[i].slice < 0;
        const ek_slice part = whole ? ek__slice_full(e->shape.rank)
                                    : ek__bundle_slice_at((const ek_bundle_record *)(const void *)e, all[i].slice);
        ek_array *a;
        assert_int_equal(ek__bundle_read(b, e, &part, &a, &err), EK_OK);
        const ek_status st = ek__bundle_add(w, e->name, e->dtype, &a->shape, a->data, whole ? NULL : &e->shape,
                                            whole ? NULL : &part, &err);
        if (st != EK_OK) fail_msg("%s", err.text);
        ek_array_unref(a);
    }
    if (ek__bundle_finish(w, &err) != EK_OK) fail_msg("%s", err.text);
}

static void expect_same_file(const char *folder, const char *name, const char *data_folder, const char *data_name)
{
    size_t size, want_size;
    char *found = test_read_file(folder, name, &size),
         *want = test_read_file(ek_test_data(data_folder), data_name, &want_size);

    if (size != want_size || memcmp(found, want, size) != 0)
        fail_msg("%s: %s is written otherwise", data_folder, data_name);
    free(found);
    free(want);
}

static void written_again_they_have_tensorflows_bytes(void **state)
{
    EK_UNUSED(state);
    if (ek_test_data("tf-files") == NULL) skip();
    for (int i = 0; i < EK_COUNT_OF(plain); i++) {
        char data[64], prefix[4096], index[64], shard[64];
        if (strcmp(plain[i], "sharded") == 0) continue;
        char *folder = test_folder_make();
        snprintf(data, sizeof data, "tf-files/ckpt-v2-%s", plain[i]);
        snprintf(prefix, sizeof prefix, "%s/again", folder);
        snprintf(index, sizeof index, "%s.index", prefixes[i]);
        snprintf(shard, sizeof shard, "%s.data-00000-of-00001", prefixes[i]);
        ek_bundle *b = open_data(data, prefixes[i]);
        write_again(b, prefix);
        ek__bundle_close(b);
        expect_same_file(folder, "again.index", data, index);
        expect_same_file(folder, "again.data-00000-of-00001", data, shard);
        assert_int_equal(test_folder_count(folder, NULL), 2);
        test_folder_remove(folder);
    }
}

/* ---- slices -------------------------------------------------------------------------------------------------- */

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

/* ---- what is not read -------------------------------------------------------------------------------------------- */

static void reading_one_tensor_does_not_read_the_others(void **state)
{
    char *folder = test_folder_make(), *data;
    char path[4096];
    ek_error err = { .code = EK_OK };
    ek_bundle *b;
    ek_array *a;
    size_t size;

    EK_UNUSED(state);
    if (ek_test_data("tf-files") == NULL) skip();
    test_copy_data("tf-files/ckpt-v2-sharded", "model.index", folder);
    test_copy_data("tf-files/ckpt-v2-sharded", "model.data-00001-of-00003", folder);
    snprintf(path, sizeof path, "%s/model", folder);
    assert_int_equal(ek__bundle_open(path, &b, &err), EK_OK); /* two shards are not there at all */
    assert_int_equal(ek__bundle_read(b, ek__bundle_find(b, "part1/v1"), NULL, &a, &err), EK_OK);
    ek_array_unref(a);
    assert_int_equal(ek__bundle_read(b, ek__bundle_find(b, "part0/v1"), NULL, &a, &err), EK_NOT_FOUND);
    assert_null(a);
    assert_non_null(strstr(err.text, "model.data-00000-of-00003"));
    ek__bundle_close(b);
    /* a neighbour that is damaged in the same shard */
    data = test_read_file(folder, "model.data-00001-of-00003", &size);
    err = (ek_error){ .code = EK_OK };
    assert_int_equal(ek__bundle_open(path, &b, &err), EK_OK);
    const ek_bundle_record *r = (const ek_bundle_record *)(const void *)ek__bundle_find(b, "part1/v0");
    data[r->offset] ^= 1;
    test_write_file(folder, "model.data-00001-of-00003", data, size);
    assert_int_equal(ek__bundle_read(b, ek__bundle_find(b, "part1/v1"), NULL, &a, &err), EK_OK);
    ek_array_unref(a);
    assert_int_equal(ek__bundle_read(b, ek__bundle_find(b, "part1/v0"), NULL, &a, &err), EK_DATA_LOSS);
    assert_non_null(strstr(err.text, "Checksum does not match: stored "));
    assert_non_null(strstr(err.text, "part1/v0: TensorBundle at "));
    ek__bundle_close(b);
    free(data);
    test_folder_remove(folder);
}

/* ---- damage ---------------------------------------------------------------------------------------------------- */

/* Everything that is in a checkpoint, read. */
static ek_status read_all(const char *prefix, ek_error *err)
{
    ek_bundle *b;
    ek_status st = ek__bundle_open(prefix, &b, err);

    for (int64_t i = 0; st == EK_OK && i < ek__bundle_count(b); i++) {
        ek_array *a;
        st = ek__bundle_read(b, ek__bundle_at(b, i), NULL, &a, err);
        ek_array_unref(a);
    }
    ek__bundle_close(b);
    return st;
}

static void small_checkpoint(const char *prefix, float last)
{
    const float numbers[3] = { 1, 2, last };
    const ek_string strings[2] = { { (char *)(intptr_t)"abc", 3 }, { NULL, 0 } };
    const ek_slice half[2] = {{.rank = 1, .start = {0}, .length = {1}}, {.rank = 1, .start = {1}, .length = {1}}};
    ek_error err = { .code = EK_OK };
    ek_bundle_writer *w;

    assert_int_equal(ek__bundle_writer_open(prefix, &w, &err), EK_OK);
    assert_int_equal(ek__bundle_add(w, "numbers", EK_FLOAT32, &EK_SHAPE(3), numbers, NULL, NULL, &err), EK_OK);
    assert_int_equal(ek__bundle_add(w, "strings", EK_STRING, &EK_SHAPE(2), strings, NULL, NULL, &err), EK_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            ek__bundle_add(w, "halves", EK_FLOAT32, &EK_SHAPE(1), &numbers[i], &EK_SHAPE(2), &half[i], &err), EK_OK);
    if (ek__bundle_finish(w, &err) != EK_OK) fail_msg("%s", err.text);
}

static void expect_refused(ek_status st, const ek_error *err, const char *what, size_t at)
{
    if (st != EK_DATA_LOSS && st != EK_OUT_OF_RANGE) fail_msg("%s at %zu: %s", what, at, ek_status_name(st));
    assert_true(err->text[0] != '\0');
}

static void every_flipped_byte_and_every_cut_is_noticed(void **state)
{
    static const char *const files[] = { "m.index", "m.data-00000-of-00001" };
    char *folder = test_folder_make();
    char prefix[4096];

    EK_UNUSED(state);
    snprintf(prefix, sizeof prefix, "%s/m", folder);
    small_checkpoint(prefix, 3);
    assert_int_equal(read_all(prefix, NULL), EK_OK);
    for (int f = 0; f < 2; f++) {
        size_t size;
        char *data = test_read_file(folder, files[f], &size);
        /* behind the data block of an index: an empty block and its handle, and zeros, which nobody reads */
        const size_t meta = f == 0 ? size - 48 - 5 - 15 - 13 : size, footer = f == 0 ? size - 48 : size;
        for (size_t i = 0; i < size; i++) {
            ek_error err = { .code = EK_OK };
            data[i] ^= 0x10;
            test_write_file(folder, files[f], data, size);
            const ek_status st = read_all(prefix, &err);
            const bool unread = (i >= meta && i < meta + 13) || (i >= footer && i < size - 8);
            if (!unread || st != EK_OK) expect_refused(st, &err, files[f], i);
            data[i] ^= 0x10;
        }
        for (size_t n = 0; n < size; n++) {
            ek_error err = { .code = EK_OK };
            test_write_file(folder, files[f], data, n);
            expect_refused(read_all(prefix, &err), &err, files[f], n);
        }
        test_write_file(folder, files[f], data, size);
        assert_int_equal(read_all(prefix, NULL), EK_OK);
        free(data);
    }
    test_folder_remove(folder);
}

/* An index of one's own, whose checksums are right and whose claims are not. */
static void write_index(const char *folder, ek_span header, const char *key, size_t key_size, ek_span entry)
{
    ek_table_writer w = { .n = 0 };

    ek__table_put(&w, (ek_span){ NULL, 0 }, header);
    if (key_size > 0) ek__table_put(&w, (ek_span){ (const uint8_t *)key, key_size }, entry);
    ek__table_end(&w);
    test_write_file(folder, "m.index", w.out.data, w.out.size);
    ek__table_writer_fini(&w);
}

typedef struct claim {
    const char *header, *entry; /* bytes */
    size_t header_size, entry_size;
    ek_status status;
    const char *text; /* part of the sentence */
} claim;
#define BYTES(h, e) (h), (e), sizeof(h) - 1, sizeof(e) - 1
#define GOOD_HEADER "\x08\x01\x1a\x02\x08\x01"

static void claims_are_not_believed(void **state)
{
    static const claim claims[] = {
        {BYTES("\x08\x01\x10\x01\x1a\x02\x08\x01", ""), EK_UNIMPLEMENTED, "big-endian"},
        {BYTES("\x08\x01\x1a\x04\x08\x01\x10\x02", ""), EK_INVALID_ARGUMENT,
         "min consumer version 2 above current version 1"},
        {BYTES("\x0a\x01", ""), EK_DATA_LOSS, "unable to parse header"},
        {BYTES(GOOD_HEADER, "\x08\x01\x12\x04\x12\x02\x08\x03\x28\x08"), EK_DATA_LOSS,
         "Invalid size in bundle entry: key a; stored size 8; expected size 12"},
        {BYTES(GOOD_HEADER, "\x08\x01\x12\x04\x12\x02\x08\x02\x20\xe4\x01\x28\x08"), EK_OUT_OF_RANGE,
         "Read less bytes than requested"},
        {BYTES(GOOD_HEADER, "\x08\x01\x12\x04\x12\x02\x08\x02\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x28\x08"),
         EK_OUT_OF_RANGE, "Read less bytes"},
        {BYTES(GOOD_HEADER, "\x08\x01\x12\x04\x12\x02\x08\x02\x28\x08"), EK_DATA_LOSS,
         "Checksum does not match: stored "},
        {BYTES(GOOD_HEADER, "\x08\x01\x12\x04\x12\x02\x08\x02\x18\x01\x28\x08"), EK_DATA_LOSS,
         "said to be in shard 1 of 1"},
        {BYTES(GOOD_HEADER, "\x08\x01\x12\x0d\x12\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), EK_DATA_LOSS,
         "Invalid tensor shape"},
        {BYTES(GOOD_HEADER, "\x08\x01\x12\x02\x18\x01"), EK_DATA_LOSS, "Invalid tensor shape"},
        {BYTES(GOOD_HEADER, "\x08\x07\x12\x07\x12\x05\x08\x80\x80\x80\x40\x28\x08"), EK_DATA_LOSS,
         "expected size is at least 134217728"},
        {BYTES(GOOD_HEADER, "\x08\x18\x12\x04\x12\x02\x08\x08\x28\x08"), EK_UNIMPLEMENTED, "not known here"},
        {BYTES(GOOD_HEADER, "\x08\x14\x12\x04\x12\x02\x08\x01\x28\x08"), EK_UNIMPLEMENTED, "resource"},
        {BYTES(GOOD_HEADER, "\x0a\x01"), EK_DATA_LOSS, "Entry for key a not parseable"},
        {BYTES(GOOD_HEADER, "\x08\x01\x12\x04\x12\x02\x08\x02\x3a\x04\x0a\x02\x10\x02"), EK_DATA_LOSS,
         "slice 0 of a not found"},
        {BYTES(GOOD_HEADER, "\x08\x01\x12\x04\x12\x02\x08\x02\x3a\x04\x0a\x02\x10\x03"), EK_DATA_LOSS,
         "slice 0 of a is none of its shape"},
        {BYTES(GOOD_HEADER, "\x08\x01\x12\x04\x12\x02\x08\x02\x3a\x00"), EK_DATA_LOSS,
         "slice 0 of a is none of its shape"},
    };
    char *folder = test_folder_make();
    char prefix[4096];

    EK_UNUSED(state);
    snprintf(prefix, sizeof prefix, "%s/m", folder);
    test_write_file(folder, "m.data-00000-of-00001", "12345678", 8);
    for (int i = 0; i < EK_COUNT_OF(claims); i++) {
        const claim *c = &claims[i];
        ek_error err = { .code = EK_OK };
        write_index(folder, (ek_span){ (const uint8_t *)c->header, c->header_size }, "a", c->entry_size > 0,
                    (ek_span){ (const uint8_t *)c->entry, c->entry_size });
        const ek_status st = read_all(prefix, &err);
        if (st != c->status || strstr(err.text, c->text) == NULL)
            fail_msg("claim %d: %s: %s", i, ek_status_name(st), err.text);
    }
    test_folder_remove(folder);
}

/* Two slices that are the same bytes: as many could be claimed as one likes. */
static void slices_cannot_share_their_bytes(void **state)
{
    static const char half[] = "\x08\x01\x12\x04\x12\x02\x08\x02\x28\x08", whole[] = "\x08\x01\x12\x04\x12\x02\x08\x04"
        "\x3a\x04\x0a\x02\x10\x02\x3a\x06\x0a\x04\x08\x02\x10\x02";
    char *folder = test_folder_make(), prefix[4096];
    ek_table_writer w = { .n = 0 };
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    snprintf(prefix, sizeof prefix, "%s/m", folder);
    test_write_file(folder, "m.data-00000-of-00001", "12345678", 8);
    ek__table_put(&w, (ek_span){ NULL, 0 }, (ek_span){ (const uint8_t *)GOOD_HEADER, sizeof GOOD_HEADER - 1 });
    for (int64_t i = 0; i < 2; i++) {
        const ek_slice s = { .rank = 1, .start = { 2 * i }, .length = { 2 } };
        ek_buf key = { .data = NULL };
        ek__slice_key(&key, "a", &s);
        ek__table_put(&w, (ek_span){(const uint8_t *)key.data, key.size},
                      (ek_span){(const uint8_t *)half, sizeof half - 1});
        ek__buf_fini(&key);
    }
    ek__table_put(&w, (ek_span){ (const uint8_t *)"a", 1 }, (ek_span){ (const uint8_t *)whole, sizeof whole - 1 });
    ek__table_end(&w);
    test_write_file(folder, "m.index", w.out.data, w.out.size);
    ek__table_writer_fini(&w);
    assert_int_equal(read_all(prefix, &err), EK_DATA_LOSS);
    assert_string_equal(err.text, "the slices of a take more than their files hold");
    test_folder_remove(folder);
}

static void a_header_without_a_version_is_accepted(void **state)
{
    char *folder = test_folder_make();
    char prefix[4096];
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    snprintf(prefix, sizeof prefix, "%s/m", folder);
    write_index(folder, (ek_span){ (const uint8_t *)"\x08\x01", 2 }, NULL, 0, (ek_span){ NULL, 0 });
    assert_int_equal(read_all(prefix, &err), EK_OK);
    test_folder_remove(folder);
}

static void what_is_no_checkpoint_is_told(void **state)
{
    char *folder = test_folder_make();
    char prefix[4096], text[9000];
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    snprintf(prefix, sizeof prefix, "%s/none", folder);
    assert_int_equal(read_all(prefix, &err), EK_NOT_FOUND);
    snprintf(text, sizeof text, "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for %s",
             prefix);
    assert_string_equal(err.text, text);
    snprintf(prefix, sizeof prefix, "%s/m", folder);
    small_checkpoint(prefix, 3);
    snprintf(prefix, sizeof prefix, "%s/m.index", folder);
    err = (ek_error){ .code = EK_OK };
    assert_int_equal(read_all(prefix, &err), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "is the index of a checkpoint; give its prefix"));
    snprintf(prefix, sizeof prefix, "%s/m.data-00000-of-00001", folder);
    err = (ek_error){ .code = EK_OK };
    assert_int_equal(read_all(prefix, &err), EK_DATA_LOSS);
    assert_non_null(strstr(err.text, "perhaps your file is in a different file format"));
    test_folder_remove(folder);
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

static char starving[4096];

static ek_status write_and_read(void)
{
    const float numbers[3] = { 1, 2, 3 };
    const ek_string string = { (char *)(intptr_t)"abc", 3 };
    const ek_slice half[2] = {{.rank = 1, .start = {0}, .length = {1}}, {.rank = 1, .start = {1}, .length = {1}}};
    ek_error err = { .code = EK_OK };
    ek_bundle_writer *w;
    ek_status st = ek__bundle_writer_open(starving, &w, &err);

    if (st != EK_OK) return st;
    st = ek__bundle_add(w, "numbers", EK_FLOAT32, &EK_SHAPE(3), numbers, NULL, NULL, &err);
    if (st == EK_OK) st = ek__bundle_add(w, "strings", EK_STRING, &EK_SCALAR, &string, NULL, NULL, &err);
    for (int i = 0; i < 2 && st == EK_OK; i++)
        st = ek__bundle_add(w, "halves", EK_FLOAT32, &EK_SHAPE(1), &numbers[i], &EK_SHAPE(2), &half[i], &err);
    if (st == EK_OK) st = ek__bundle_finish(w, &err);
    else ek__bundle_abandon(w);
    return st == EK_OK ? read_all(starving, &err) : st;
}

static void memory_that_runs_out_is_told(void **state)
{
    char *folder = test_folder_make();

    EK_UNUSED(state);
    snprintf(starving, sizeof starving, "%s/m", folder);
    ek_test_refuse_each(write_and_read, 0);
    assert_int_equal(read_all(starving, NULL), EK_OK);
    assert_int_equal(test_folder_count(folder, NULL), 2);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checkpoints_of_tensorflow_are_read),
        cmocka_unit_test(checkpoints_of_other_projects_are_read),
        cmocka_unit_test(written_again_they_have_tensorflows_bytes),
        cmocka_unit_test(slices_are_told_from_text),
        cmocka_unit_test(keys_of_slices_keep_the_order_of_numbers),
        cmocka_unit_test(any_part_is_put_together_from_any_slices),
        cmocka_unit_test(slices_that_contradict_each_other_are_refused),
        cmocka_unit_test(reading_one_tensor_does_not_read_the_others),
        cmocka_unit_test(every_flipped_byte_and_every_cut_is_noticed),
        cmocka_unit_test(claims_are_not_believed),
        cmocka_unit_test(slices_cannot_share_their_bytes),
        cmocka_unit_test(a_header_without_a_version_is_accepted),
        cmocka_unit_test(what_is_no_checkpoint_is_told),
        cmocka_unit_test(memory_that_runs_out_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
