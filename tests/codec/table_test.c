/* Sorted string tables: written as TensorFlow writes them, read however they are cut, and damaged. */
#include "base/base.h"
#include "codec/crc32c.h"
#include "codec/table.h"
#include "support/support.h"

#include <stdlib.h>

static ek_span span(const char *s)
{
    return (ek_span){ (const uint8_t *)s, strlen(s) };
}

/* Reads a whole table and writes what was in it. */
static ek_status copy_table(ek_span file, ek_table_writer *w, ek_error *err)
{
    ek_span key, value;
    ek_table t;
    bool found;
    ek_status st = ek__table_open(&t, file, "table", err);

    while (st == EK_OK) {
        st = ek__table_next(&t, &found, &key, &value, err);
        if (st != EK_OK || !found) break;
        ek__table_put(w, key, value);
    }
    ek__table_close(&t);
    ek__table_end(w);
    return st;
}

/* The complete index of a checkpoint with one tensor. */
static const uint8_t example[121] = {
    0x00, 0x00, 0x06, 0x08, 0x01, 0x1a, 0x02, 0x08, 0x01, 0x00,         0x01, 0x0f, 0x77, 0x08, 0x01, 0x12, 0x04,
    0x12, 0x02, 0x08, 0x02, 0x28, 0x08, 0x35, 0x59, 0x3c, 0xe5,         0x35, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00,
    0x00, 0x00, 0x00, 0x09, 0x21, 0xad, 0xc3, 0x00, 0x00, 0x00,         0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0xc0,
    0xf2, 0xa1, 0xb0, 0x00, 0x01, 0x02, 0x78, 0x00, 0x24, 0x00,         0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
    0x00, 0xab, 0x30, 0x70, 0x7f, 0x29, 0x08, 0x36, 0x0e, [113] = 0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb,
};

static void the_example_of_the_format_is_written_the_same(void **state)
{
    ek_table_writer w = { .n = 0 };
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    assert_int_equal(copy_table((ek_span){ example, sizeof example }, &w, &err), EK_OK);
    assert_int_equal(w.n, 2);
    assert_int_equal(w.out.size, sizeof example);
    assert_memory_equal(w.out.data, example, sizeof example);
    ek__table_writer_fini(&w);
}

/* Index files, and a table of version 1. */
static void files_of_tensorflow_are_written_the_same(void **state)
{
    static const char *const files[] = {
        "tf-files/ckpt-v2-plain/model.index",   "tf-files/ckpt-v2-types/model.index",
        "tf-files/ckpt-v2-many/model.index",    "tf-files/ckpt-v2-partitioned/model.index",
        "tf-files/ckpt-v2-sharded/model.index", "tf-files/ckpt-v1/model.ckpt",
        "tf-files/ckpt-v2-adam/model-20.index", "tf-files/ckpt-tf2-object/model.index",
        "checkpoints/regression/model.index",
    };

    EK_UNUSED(state);
    if (ek_test_data("tf-files") == NULL) skip();
    for (int i = 0; i < EK_COUNT_OF(files); i++) {
        ek_table_writer w = { .n = 0 };
        ek_error err = { .code = EK_OK };
        size_t size;
        const char *path = ek_test_data(files[i]);
        assert_non_null(path);
        char *data = ek_test_read(path, &size);

        assert_non_null(data);
        if (copy_table((ek_span){ (uint8_t *)data, size }, &w, &err) != EK_OK) fail_msg("%s: %s", files[i], err.text);
        assert_true(w.n > 1);
        assert_int_equal(w.out.size, size);
        assert_memory_equal(w.out.data, data, size);
        ek__table_writer_fini(&w);
        free(data);
    }
}

/* Several blocks, one of them for a value that has one to itself; every key found, and what lies between not. */
enum { KEYS = 20000 };
static char key_text[24], value_text[64];

static ek_span key_at(int i)
{
    snprintf(key_text, sizeof key_text, "layer_%05d/kernel", i);
    return span(key_text);
}

static ek_span value_at(int i)
{
    snprintf(value_text, sizeof value_text, "the value of number %d", i);
    return span(value_text);
}

static void many_blocks(ek_table_writer *w)
{
    static uint8_t large[600000];

    memset(large, 'L', sizeof large);
    for (int i = 0; i < KEYS; i++) {
        if (i == 777) ek__table_put(w, key_at(i), (ek_span){ large, sizeof large });
        else ek__table_put(w, key_at(i), value_at(i));
    }
    ek__table_end(w);
}

static void every_key_of_many_blocks_is_found(void **state)
{
    ek_table_writer w = { .n = 0 };
    ek_error err = { .code = EK_OK };
    ek_span key, value;
    ek_table t;
    bool found;

    EK_UNUSED(state);
    many_blocks(&w);
    assert_false(w.out.failed);
    assert_int_equal(ek__table_open(&t, (ek_span){ (uint8_t *)w.out.data, w.out.size }, "table", &err), EK_OK);
    for (int i = 0; i < KEYS; i++) {
        assert_int_equal(ek__table_next(&t, &found, &key, &value, &err), EK_OK);
        assert_true(found && ek__span_compare(key, key_at(i)) == 0);
        assert_true(i == 777 ? value.size == 600000 : ek__span_compare(value, value_at(i)) == 0);
    }
    assert_int_equal(ek__table_next(&t, &found, &key, &value, &err), EK_OK);
    assert_false(found);
    for (int i = 0; i < KEYS; i += 61) {
        const int at = (i * 7919 + 13) % KEYS;
        assert_int_equal(ek__table_find(&t, key_at(at), &found, &value, &err), EK_OK);
        assert_true(found && (at == 777 || ek__span_compare(value, value_at(at)) == 0));
        key_text[5] = '!'; /* before the key with '_' */
        assert_int_equal(ek__table_find(&t, span(key_text), &found, &value, &err), EK_OK);
        assert_false(found);
    }
    assert_int_equal(ek__table_find(&t, span("zzz"), &found, &value, &err), EK_OK);
    assert_false(found);
    ek__table_close(&t);
    ek__table_writer_fini(&w);
}

/* What TensorFlow's writer makes of them was computed once by its own code; here: the ends of blocks. */
static void blocks_end_where_tensorflows_do(void **state)
{
    ek_table_writer w = { .n = 0 };
    ek_error err = { .code = EK_OK };
    ek_table t;
    bool found;
    ek_span key, value;

    EK_UNUSED(state);
    many_blocks(&w);
    assert_int_equal(ek__table_open(&t, (ek_span){ (uint8_t *)w.out.data, w.out.size }, "table", &err), EK_OK);
    assert_int_equal(ek__table_next(&t, &found, &key, &value, &err), EK_OK);
    /* a name between the last key of the block, 00776, and the first of the next, as short as can be: none is shorter
     * */
    assert_int_equal(t.index.key.size, strlen("layer_00776/kernel"));
    assert_memory_equal(t.index.key.data, "layer_00776/kernel", t.index.key.size);
    while (found) assert_int_equal(ek__table_next(&t, &found, &key, &value, &err), EK_OK);
    assert_int_equal(t.index.key.size, 1); /* behind everything */
    assert_memory_equal(t.index.key.data, "m", 1);
    ek__table_close(&t);
    ek__table_writer_fini(&w);
}

/* ---- Snappy ---------------------------------------------------------------------------------------------- */

static void snappy_is_unpacked(void **state)
{
    /* "abcd", then 6 bytes from 4 back (it overlaps), then 64 from 10 back by the two-byte form, then one by the
     * four-byte form */
    static const uint8_t packed[] = {75, 3 << 2,     'a', 'b', 'c', 'd', (6 - 4) << 2 | 1, 4, 63 << 2 | 2, 10,
                                     0,  0 << 2 | 3, 1,   0,   0,   0};
    uint8_t out[75];
    size_t size;

    EK_UNUSED(state);
    assert_true(ek__snappy_size((ek_span){ packed, sizeof packed }, &size));
    assert_int_equal(size, sizeof out);
    assert_true(ek__snappy_unpack((ek_span){ packed, sizeof packed }, out, size));
    for (int i = 0; i < 74; i++) assert_int_equal(out[i], "abcdabcdab"[i % 10]);
    assert_int_equal(out[74], out[73]);
    for (size_t cut = 0; cut < sizeof packed; cut++) assert_false(ek__snappy_unpack((ek_span){packed, cut}, out, size));
    assert_false(ek__snappy_unpack((ek_span){ packed, sizeof packed }, out, 74));
}

static void snappy_that_lies_is_refused(void **state)
{
    static const uint8_t no_distance[] = { 5, 0, 'a', 1, 0 }, before_the_start[] = { 5, 0, 'a', 1, 2 };
    static const uint8_t too_long[] = { 3, 0, 'a', 1, 1 }, literal_too_long[] = { 2, 2 << 2, 'a', 'b', 'c' };
    static const uint8_t endless[] = { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1 };
    uint8_t out[16];
    size_t size;

    EK_UNUSED(state);
    assert_false(ek__snappy_unpack((ek_span){ no_distance, sizeof no_distance }, out, 5));
    assert_false(ek__snappy_unpack((ek_span){ before_the_start, sizeof before_the_start }, out, 5));
    assert_false(ek__snappy_unpack((ek_span){ too_long, sizeof too_long }, out, 3));
    assert_false(ek__snappy_unpack((ek_span){ literal_too_long, sizeof literal_too_long }, out, 2));
    assert_false(ek__snappy_size((ek_span){ endless, sizeof endless }, &size));
}

/* A table of one compressed block, made by hand. */
static void put_block(ek_buf *b, const void *data, size_t size, uint8_t type)
{
    const size_t from = b->size;

    ek__buf_add(b, data, size);
    ek__buf_add(b, &type, 1);
    ek__put_fixed32(b, ek__crc32c_mask(ek__crc32c(0, b->data + from, size + 1)));
}

static void compressed_blocks_are_read(void **state)
{
    /* the entry k -> 28 times 'v': 4 bytes of entry, a literal 'v', a copy of 27, the restarts */
    static const uint8_t packed[] = {40, 4 << 2, 0, 1, 28, 'k', 'v', (27 - 1) << 2 | 2, 1, 0, 7 << 2, 0,
                                     0,  0,      0, 1, 0,  0,   0};
    static const uint8_t meta[] = { 0, 0, 0, 0, 1, 0, 0, 0 };
    uint8_t index[] = { 0, 1, 2, 'l', 0, sizeof packed, 0, 0, 0, 0, 1, 0, 0, 0 };
    ek_buf b = { .data = NULL };
    ek_error err = { .code = EK_OK };
    ek_span key, value;
    ek_table t;
    bool found;

    EK_UNUSED(state);
    put_block(&b, packed, sizeof packed, 1);
    const size_t meta_at = b.size;
    put_block(&b, meta, sizeof meta, 0);
    const size_t index_at = b.size;
    put_block(&b, index, sizeof index, 0);
    const size_t footer = b.size;
    ek__put_varint(&b, meta_at);
    ek__put_varint(&b, sizeof meta);
    ek__put_varint(&b, index_at);
    ek__put_varint(&b, sizeof index);
    while (b.size < footer + 40) ek__buf_add(&b, "", 1);
    ek__buf_add(&b, example + 113, 8);
    assert_int_equal(ek__table_open(&t, (ek_span){ (uint8_t *)b.data, b.size }, "table", &err), EK_OK);
    if (ek__table_next(&t, &found, &key, &value, &err) != EK_OK) fail_msg("%s", err.text);
    assert_true(found && ek__span_compare(key, span("k")) == 0);
    assert_int_equal(value.size, 28);
    for (int i = 0; i < 28; i++) assert_int_equal(value.at[i], 'v');
    ek__table_close(&t);
    ek__buf_fini(&b);
}

/* ---- damage ------------------------------------------------------------------------------------------------- */

static ek_status walk(ek_span file, ek_error *err)
{
    ek_table_writer w = { .n = 0 };
    const ek_status st = copy_table(file, &w, err);

    ek__table_writer_fini(&w);
    return st;
}

static void every_flipped_byte_and_every_cut_is_noticed(void **state)
{
    uint8_t damaged[sizeof example];

    EK_UNUSED(state);
    for (size_t i = 0; i < sizeof example; i++) {
        ek_error err = { .code = EK_OK };

        memcpy(damaged, example, sizeof example);
        damaged[i] ^= 0x20;
        const bool unused =
            (i >= 41 && i < 54) || i == 73 || i == 74 || (i >= 77 && i < 113); /* the empty block and padding */
        const ek_status st = walk((ek_span){ damaged, sizeof damaged }, &err);
        if (st == EK_OK && !unused) fail_msg("byte %zu: not noticed", i);
        assert_true(st == EK_OK || st == EK_DATA_LOSS);
        assert_true(st == EK_OK || err.text[0] != '\0');
    }
    for (size_t n = 0; n < sizeof example; n++) {
        ek_error err = { .code = EK_OK };
        assert_int_equal(walk((ek_span){ example, n }, &err), EK_DATA_LOSS);
    }
}

static void the_words_are_tensorflows(void **state)
{
    uint8_t damaged[sizeof example];
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    memcpy(damaged, example, sizeof example);
    damaged[sizeof example - 1] ^= 1;
    assert_int_equal(walk((ek_span){ damaged, sizeof damaged }, &err), EK_DATA_LOSS);
    assert_string_equal(err.text, "'table': not an sstable (bad magic number)");
    damaged[sizeof example - 1] ^= 1;
    damaged[60] ^= 1;
    err = (ek_error){ .code = EK_OK };
    assert_int_equal(walk((ek_span){ damaged, sizeof damaged }, &err), EK_DATA_LOSS);
    assert_string_equal(err.text, "'table': block checksum mismatch at byte 54");
}

static ek_status everything(void)
{
    ek_table_writer w = { .n = 0 };
    ek_error err = { .code = EK_OK };
    ek_status st = copy_table((ek_span){ example, sizeof example }, &w, &err);

    if (st == EK_OK && w.out.failed) st = EK_RESOURCE_EXHAUSTED;
    ek__table_writer_fini(&w);
    return st;
}

static void memory_that_runs_out_is_told(void **state)
{
    EK_UNUSED(state);
    ek_test_refuse_each(everything, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_format_is_written_the_same),
        cmocka_unit_test(files_of_tensorflow_are_written_the_same),
        cmocka_unit_test(every_key_of_many_blocks_is_found),
        cmocka_unit_test(blocks_end_where_tensorflows_do),
        cmocka_unit_test(snappy_is_unpacked),
        cmocka_unit_test(snappy_that_lies_is_refused),
        cmocka_unit_test(compressed_blocks_are_read),
        cmocka_unit_test(every_flipped_byte_and_every_cut_is_noticed),
        cmocka_unit_test(the_words_are_tensorflows),
        cmocka_unit_test(memory_that_runs_out_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
