/* Checkpoints of version 2: those of TensorFlow read and written the same. Slices: bundle_slice_test.c; damage and
 * memory that runs out: bundle_damage_test.c; saving over what is there, on disks that fail: bundle_atomic_test.c. */
#include <stdlib.h>
#include <unistd.h>

#include "codec/bundle_parts.h"
#include "support/checkpoints.h"
#include "support/folder.h"
#include "support/support.h"

static const char *const plain[] = {"plain", "resource", "sharded", "partitioned", "types", "adam", "many", "renamed"};
static const char *const prefixes[] = { "model", "model-5", "model", "model", "model", "model-20", "model", "model" };

static void checkpoints_of_tensorflow_are_read(void **state)
{
    EK_UNUSED(state);
    if (ek_test_data("tf-files") == NULL) skip();
    for (int i = 0; i < EK_COUNT_OF(plain); i++) {
        char folder[96], name[64];
        snprintf(name, sizeof name, "ckpt-v2-%s", plain[i]);
        snprintf(folder, sizeof folder, "tf-files/%s", name);
        ek_bundle *b = test_checkpoint_open(folder, prefixes[i]);
        assert_int_equal(ek__bundle_version(b), 2);
        expect_checkpoint(name, b);
        ek__bundle_close(b);
    }
    ek_bundle *b = test_checkpoint_open("tf-files/ckpt-tf2-object", "model");
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
        ek_bundle *b = test_checkpoint_open(folders[i], names[i]);
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
        ek_bundle *b = test_checkpoint_open(data, prefixes[i]);
        write_again(b, prefix);
        ek__bundle_close(b);
        expect_same_file(folder, "again.index", data, index);
        expect_same_file(folder, "again.data-00000-of-00001", data, shard);
        assert_int_equal(test_folder_count(folder, NULL), 2);
        test_folder_remove(folder);
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checkpoints_of_tensorflow_are_read),
        cmocka_unit_test(checkpoints_of_other_projects_are_read),
        cmocka_unit_test(written_again_they_have_tensorflows_bytes),
        cmocka_unit_test(reading_one_tensor_does_not_read_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
