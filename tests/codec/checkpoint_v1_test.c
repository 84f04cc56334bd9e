/* Checkpoints of version 1: one table, several with slices, patterns, damage. */
#include <stdlib.h>

#include "codec/bundle_parts.h"
#include "codec/fields.h"
#include "support/checkpoints.h"
#include "support/folder.h"
#include "support/support.h"

static void one_table_is_read(void **state)
{
    EK_UNUSED(state);
    if (ek_test_data("tf-files") == NULL) skip();
    ek_bundle *b = test_checkpoint_open("tf-files/ckpt-v1", "model.ckpt");
    assert_int_equal(ek__bundle_version(b), 1);
    expect_checkpoint("ckpt-v1", b);
    ek__bundle_close(b);
}

static void shards_with_slices_are_read(void **state)
{
    static const char *const prefixes[] = { "model.ckpt", "model.ckpt-\?\?\?\?\?-of-00002", "model.ckpt-*" };

    EK_UNUSED(state);
    if (ek_test_data("tf-files") == NULL) skip();
    for (int i = 0; i < EK_COUNT_OF(prefixes); i++) {
        ek_bundle *b = test_checkpoint_open("tf-files/ckpt-v1-sharded-slices", prefixes[i]);
        expect_checkpoint("ckpt-v1-sharded-slices", b);
        ek__bundle_close(b);
    }
}

static void parts_are_those_of_the_whole(void **state)
{
    ek_error err = { .code = EK_OK };
    ek_array *whole, *part;
    const ek_bundle_entry *e = NULL;

    EK_UNUSED(state);
    if (ek_test_data("tf-files") == NULL) skip();
    ek_bundle *b = test_checkpoint_open("tf-files/ckpt-v1-sharded-slices", "model.ckpt");
    for (int64_t i = 0; i < ek__bundle_count(b); i++)
        if (ek__bundle_at(b, i)->n_slices > 1) e = ek__bundle_at(b, i);
    assert_non_null(e);
    assert_true(e->shape.rank == 2 && e->dtype == EK_FLOAT32);
    assert_int_equal(ek__bundle_read(b, e, NULL, &whole, &err), EK_OK);
    for (int64_t x = 0; x < e->shape.dim[0]; x++) {
        const ek_slice s = { .rank = 2, .start = { x, 0 }, .length = { e->shape.dim[0] - x, -1 } };
        assert_int_equal(ek__bundle_read(b, e, &s, &part, &err), EK_OK);
        assert_int_equal(part->count, (e->shape.dim[0] - x) * e->shape.dim[1]);
        assert_memory_equal(part->data, ek_array_f32(whole) + x * e->shape.dim[1], (size_t)part->count * sizeof(float));
        ek_array_unref(part);
    }
    ek_array_unref(whole);
    ek__bundle_close(b);
}

static void damage_is_noticed(void **state)
{
    char *folder, prefix[4096];
    size_t size;

    EK_UNUSED(state);
    if (ek_test_data("tf-files") == NULL) skip();
    folder = test_folder_make();
    test_copy_data("tf-files/ckpt-v1", "model.ckpt", folder);
    snprintf(prefix, sizeof prefix, "%s/model.ckpt", folder);
    char *data = test_read_file(folder, "model.ckpt", &size);
    for (size_t i = 0; i < size; i++) {
        ek_error err = { .code = EK_OK };
        data[i] ^= 1;
        test_write_file(folder, "model.ckpt", data, size);
        const ek_status st = test_checkpoint_read_all(prefix, &err);
        const bool unread = i >= size - 48 - 5 - 15 - 13; /* an empty block, the handles in the footer, zeros */
        if (st != EK_DATA_LOSS && !(unread && st == EK_OK)) fail_msg("byte %zu: %s", i, ek_status_name(st));
        data[i] ^= 1;
    }
    for (size_t n = 0; n < size; n++) {
        ek_error err = { .code = EK_OK };
        test_write_file(folder, "model.ckpt", data, n);
        assert_int_equal(test_checkpoint_read_all(prefix, &err), EK_DATA_LOSS);
    }
    free(data);
    test_folder_remove(folder);
}

static void a_shard_that_is_missing_is_told(void **state)
{
    char *folder, prefix[4096];
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    if (ek_test_data("tf-files") == NULL) skip();
    folder = test_folder_make();
    test_copy_data("tf-files/ckpt-v1-sharded-slices", "model.ckpt-00001-of-00002", folder);
    snprintf(prefix, sizeof prefix, "%s/model.ckpt", folder);
    const ek_status st = test_checkpoint_read_all(prefix, &err);
    assert_int_equal(st, EK_NOT_FOUND);
    assert_non_null(strstr(err.text, "is in 2 shards; 1 of their files are there"));
    snprintf(prefix, sizeof prefix, "%s/model.ckpt-00001-of-00002", folder); /* asked for by name it is read */
    assert_int_equal(test_checkpoint_read_all(prefix, &err), EK_OK);
    test_folder_remove(folder);
}

/* ---- tables of one's own ----------------------------------------------------------------------------------------- */

static ek_span span_of(const ek_buf *b)
{
    return (ek_span){ (const uint8_t *)b->data, b->size };
}

/* A tensor "w" of n float32 with one slice, which holds `values` of them. */
static void write_v1(const char *folder, int64_t n, int values, int min_consumer)
{
    const ek_slice all = ek__slice_full(1);
    ek_buf meta = { .data = NULL }, data = { .data = NULL }, key = { .data = NULL };
    ek_table_writer w = { .n = 0 };

    const size_t m = ek__put_open(&meta, EK_F_SAVED_META), t = ek__put_open(&meta, EK_F_SAVED_META_TENSOR);
    ek__put_str(&meta, EK_F_SAVED_TENSOR_NAME, "w");
    const size_t shape = ek__put_open(&meta, EK_F_SAVED_TENSOR_SHAPE), dim = ek__put_open(&meta, EK_F_SHAPE_DIM);
    ek__put_int(&meta, EK_F_DIM_SIZE, n);
    ek__put_close(&meta, dim);
    ek__put_close(&meta, shape);
    ek__put_int(&meta, EK_F_SAVED_TENSOR_TYPE, EK_FLOAT32);
    const size_t slice = ek__put_open(&meta, EK_F_SAVED_TENSOR_SLICE);
    ek__slice_write(&meta, &all);
    ek__put_close(&meta, slice);
    ek__put_close(&meta, t);
    const size_t v = ek__put_open(&meta, EK_F_SAVED_META_VERSIONS);
    ek__put_int(&meta, EK_F_VERSIONS_MIN_CONSUMER, min_consumer);
    ek__put_close(&meta, v);
    ek__put_close(&meta, m);
    const size_t d = ek__put_open(&data, EK_F_SAVED_DATA);
    ek__put_str(&data, EK_F_SAVED_SLICE_NAME, "w");
    const size_t tensor = ek__put_open(&data, EK_F_SAVED_SLICE_DATA);
    for (int i = 0; i < values; i++) ek__put_float(&data, EK_F_TENSOR_FLOAT, (float)i);
    ek__put_close(&data, tensor);
    ek__put_close(&data, d);
    ek__slice_key(&key, "w", &all);
    ek__table_put(&w, (ek_span){ NULL, 0 }, span_of(&meta));
    ek__table_put(&w, span_of(&key), span_of(&data));
    ek__table_end(&w);
    test_write_file(folder, "m", w.out.data, w.out.size);
    ek__buf_fini(&meta);
    ek__buf_fini(&data);
    ek__buf_fini(&key);
    ek__table_writer_fini(&w);
}

static void claims_are_not_believed(void **state)
{
    char *folder = test_folder_make(), prefix[4096];
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    snprintf(prefix, sizeof prefix, "%s/m", folder);
    write_v1(folder, 3, 3, 0);
    assert_int_equal(test_checkpoint_read_all(prefix, &err), EK_OK);
    write_v1(folder, INT64_C(1) << 40, 3, 0); /* four terabytes in a file of a hundred bytes */
    assert_int_equal(test_checkpoint_read_all(prefix, &err), EK_DATA_LOSS);
    err = (ek_error){ .code = EK_OK };
    write_v1(folder, 3, 3, 2);
    assert_int_equal(test_checkpoint_read_all(prefix, &err), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "min consumer version 2 above current version 1"));
    test_folder_remove(folder);
}

static char starving[4096];

static ek_status read_again(void)
{
    ek_error err = { .code = EK_OK };

    return test_checkpoint_read_all(starving, &err);
}

static void memory_that_runs_out_is_told(void **state)
{
    EK_UNUSED(state);
    if (ek_test_data("tf-files") == NULL) skip();
    snprintf(starving, sizeof starving, "%s/model.ckpt", ek_test_data("tf-files/ckpt-v1-sharded-slices"));
    ek_test_refuse_each(read_again, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_table_is_read),
        cmocka_unit_test(shards_with_slices_are_read),
        cmocka_unit_test(parts_are_those_of_the_whole),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(a_shard_that_is_missing_is_told),
        cmocka_unit_test(claims_are_not_believed),
        cmocka_unit_test(memory_that_runs_out_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
