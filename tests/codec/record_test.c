/* TFRecord files: what TensorFlow wrote, however compressed, cut off and damaged; the way back; full disks. */
#include "codec/record.h"

#include <stdlib.h>

#include "codec/crc32c.h"
#include "support/faults.h"
#include "support/folder.h"
#include "support/json.h"
#include "support/support.h"

#define FILES "tf-files/tfrecord/"

static char path[4096];

static int make_folder(void **state)
{
    EK_UNUSED(state);
    return test_folder_setup_path(path, sizeof path, "x.tfrecord");
}

/* All records of a file, one behind the other; how many there are, how it ended. */
typedef struct content {
    ek_buf bytes;
    size_t length[32];
    int n;
    ek_status end;
    ek_error err;
} content;

static void read_file(const char *file, ek_compression compression, content *c)
{
    ek_record_reader *r;
    const void *data;
    size_t size;

    *c = (content){ .n = 0 };
    if (ek_record_reader_open(file, compression, &r, &c->err) != EK_OK) fail_msg("%s: %s", file, c->err.text);
    while ((c->end = ek_record_reader_next(r, &data, &size, &c->err)) == EK_OK) {
        assert_true(c->n < EK_COUNT_OF(c->length));
        c->length[c->n++] = size;
        ek__buf_add(&c->bytes, data, size);
    }
    assert_int_equal(ek_record_reader_next(r, &data, &size, &(ek_error){ .code = EK_OK }), c->end);
    ek_record_reader_close(r);
}

static void files_of_tensorflow_are_read(void **state)
{
    static const char *const names[] = { FILES "examples.tfrecord", FILES "examples.tfrecord.gzip", FILES "examples.tfrecord.zlib" };
    static const ek_compression as[] = { EK_COMPRESSION_NONE, EK_COMPRESSION_GZIP, EK_COMPRESSION_ZLIB };
    const char *expected = ek_test_data(FILES "expected.json");
    content c[3];

    EK_UNUSED(state);
    if (expected == NULL) skip();
    json *want = json_load(expected);
    for (int i = 0; i < 3; i++) {
        const json *length = json_get(want, "lengths")->child;

        read_file(ek_test_data(names[i]), EK_COMPRESSION_BY_CONTENT, &c[i]);
        assert_int_equal(c[i].end, EK_OUT_OF_RANGE);
        assert_int_equal(c[i].n, (int)json_get(want, "records")->number);
        for (int k = 0; k < c[i].n; k++, length = length->next) assert_int_equal(c[i].length[k], (size_t)length->number);
        assert_int_equal(c[i].bytes.size, c[0].bytes.size);
        assert_memory_equal(c[i].bytes.data, c[0].bytes.data, c[0].bytes.size);
    }
    for (int i = 0; i < 3; i++) {
        content asked;
        read_file(ek_test_data(names[i]), as[i], &asked);
        assert_int_equal(asked.bytes.size, c[0].bytes.size);
        ek__buf_fini(&asked.bytes);
        read_file(ek_test_data(names[i]), as[(i + 1) % 3], &asked);
        assert_int_equal(asked.end, EK_DATA_LOSS);
        ek__buf_fini(&asked.bytes);
    }
    for (int i = 0; i < 3; i++) ek__buf_fini(&c[i].bytes);
    json_free(want);
}

static void an_empty_file_has_no_record(void **state)
{
    const char *file = ek_test_data(FILES "empty.tfrecord");
    content c;

    EK_UNUSED(state);
    if (file == NULL) skip();
    read_file(file, EK_COMPRESSION_BY_CONTENT, &c);
    assert_true(c.n == 0 && c.end == EK_OUT_OF_RANGE);
    ek__buf_fini(&c.bytes);
}

static void damaged_files_of_tensorflow_say_where(void **state)
{
    static const struct { const char *name; int records; const char *says; } cases[] = {
        { FILES "truncated.tfrecord", 1, "truncated record at 134" },
        { FILES "flipped-bit.tfrecord", 0, "corrupted record at 0: the checksum of its 118 bytes" },
        { FILES "flipped-length-crc.tfrecord", 0, "corrupted record at 0: the checksum of its length does not fit (is this a" },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(cases); i++) {
        const char *file = ek_test_data(cases[i].name);
        content c;

        if (file == NULL) skip();
        read_file(file, EK_COMPRESSION_BY_CONTENT, &c);
        if (c.n != cases[i].records || c.end != EK_DATA_LOSS || strstr(c.err.text, cases[i].says) == NULL)
            fail_msg("%s: %d records, %s", cases[i].name, c.n, c.err.text);
        ek__buf_fini(&c.bytes);
    }
}

/* ---- what is written ------------------------------------------------------------------------------------------ */

static const char *const records[] = { "one", "", "three" };
enum { LARGE = 200000 };
static char large[LARGE];

static ek_status write_file(ek_compression compression, ek_error *err)
{
    ek_record_writer *w;
    ek_status st = ek_record_writer_open(path, compression, &w, err);

    if (st != EK_OK) return st;
    for (unsigned i = 0; i < LARGE; i++) large[i] = (char)(i * i >> 7);
    for (int i = 0; i < 3 && st == EK_OK; i++) st = ek_record_writer_write(w, records[i], strlen(records[i]), err);
    if (st == EK_OK) st = ek_record_writer_write(w, large, LARGE, err);
    if (st == EK_OK) return ek_record_writer_close(w, err);
    assert_int_equal(ek_record_writer_write(w, "x", 1, &(ek_error){ .code = EK_OK }), st);
    assert_int_equal(ek_record_writer_close(w, &(ek_error){ .code = EK_OK }), st);
    return st;
}

static void expect_records(void)
{
    content c;

    read_file(path, EK_COMPRESSION_BY_CONTENT, &c);
    assert_true(c.n == 4 && c.end == EK_OUT_OF_RANGE);
    assert_true(c.length[0] == 3 && c.length[1] == 0 && c.length[2] == 5 && c.length[3] == LARGE);
    assert_memory_equal(c.bytes.data, "onethree", 8);
    assert_memory_equal(c.bytes.data + 8, large, LARGE);
    ek__buf_fini(&c.bytes);
}

static void what_was_written_comes_back(void **state)
{
    EK_UNUSED(state);
    for (ek_compression c = EK_COMPRESSION_BY_CONTENT; c <= EK_COMPRESSION_ZLIB; c++) {
        assert_int_equal(write_file(c, NULL), EK_OK);
        expect_records();
    }
}

static void what_was_written_has_tensorflows_bytes(void **state)
{
    const char *file = ek_test_data(FILES "examples.tfrecord");
    ek_buf again = { 0 };
    ek_record_reader *r;
    const void *data;
    size_t size;

    EK_UNUSED(state);
    if (file == NULL) skip();
    char *want = ek_test_read(file, &size);
    const size_t whole = size;
    assert_int_equal(ek_record_reader_open(file, EK_COMPRESSION_NONE, &r, NULL), EK_OK);
    while (ek_record_reader_next(r, &data, &size, NULL) == EK_OK) ek__record_put(&again, data, size);
    assert_int_equal(ek_record_reader_offset(r), whole);
    assert_int_equal(again.size, whole);
    assert_memory_equal(again.data, want, whole);
    ek_record_reader_close(r);
    ek__buf_fini(&again);
    free(want);
}

static void rewound_a_file_is_read_again(void **state)
{
    ek_record_reader *r;
    const void *data;
    size_t size;

    EK_UNUSED(state);
    for (ek_compression c = EK_COMPRESSION_NONE; c <= EK_COMPRESSION_ZLIB; c++) {
        assert_int_equal(write_file(c, NULL), EK_OK);
        assert_int_equal(ek_record_reader_open(path, c, &r, NULL), EK_OK);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(ek_record_reader_next(r, &data, &size, NULL), EK_OK);
            assert_true(size == 3 && memcmp(data, "one", 3) == 0);
            while (i > 0 && ek_record_reader_next(r, &data, &size, NULL) == EK_OK) {}
            ek_record_reader_rewind(r);
            assert_int_equal(ek_record_reader_offset(r), 0);
        }
        ek_record_reader_close(r);
    }
}

static void an_abandoned_file_is_not_there(void **state)
{
    ek_record_writer *w;

    EK_UNUSED(state);
    assert_int_equal(ek_record_writer_open(path, EK_COMPRESSION_GZIP, &w, NULL), EK_OK);
    assert_int_equal(ek_record_writer_write(w, "x", 1, NULL), EK_OK);
    ek_record_writer_abandon(w);
    assert_int_equal(test_folder_count(test_folder, NULL), 0);
    assert_int_equal(ek_record_writer_close(NULL, NULL), EK_OK);
    assert_int_equal(ek_record_writer_open("/nonexistent/x", EK_COMPRESSION_NONE, &w, NULL), EK_NOT_FOUND);
    assert_null(w);
}

/* ---- damage --------------------------------------------------------------------------------------------------- */

/* Records of bytes; whether it ended without a complaint. */
static bool read_bytes(const char *data, size_t size, ek_buf *out)
{
    ek_error err = { .code = EK_OK };
    ek_source *source;
    ek_record_reader *r;
    const void *record;
    size_t n;
    ek_status st;

    assert_int_equal(ek__source_copy(data, size, &source, &err), EK_OK);
    assert_int_equal(ek__record_reader_of(source, EK_COMPRESSION_BY_CONTENT, &r, &err), EK_OK);
    ek__source_unref(source);
    out->size = 0;
    while ((st = ek_record_reader_next(r, &record, &n, &err)) == EK_OK) ek__buf_add(out, record, n);
    ek_record_reader_close(r);
    assert_true(st == EK_OUT_OF_RANGE || st == EK_DATA_LOSS);
    return st == EK_OUT_OF_RANGE;
}

static void every_cut_and_every_flipped_bit_is_noticed(void **state)
{
    static const char *const names[] = { "plain", "gzip", "zlib" };
    ek_buf whole = { 0 }, got = { 0 };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(names); i++) {
        char file[512];
        size_t size, silent = 0;

        snprintf(file, sizeof file, EK_SOURCE_DIR "/fuzz/corpus/record/%s", names[i]);
        char *data = ek_test_read(file, &size);
        assert_non_null(data);
        assert_true(read_bytes(data, size, &whole) && whole.size == 103);
        for (size_t n = 1; n < size; n++) /* between two records it is the end */
            if (read_bytes(data, n, &got) && (i > 0 || (n != 19 && n != 35))) fail_msg("%s: %zu of %zu bytes", names[i], n, size);
        for (size_t bit = 0; bit < 8 * size; bit++) {
            data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
            if (read_bytes(data, size, &got)) {
                silent++;
                if (got.size != whole.size || memcmp(got.data, whole.data, got.size) != 0) fail_msg("%s: bit %zu changes records", names[i], bit);
            }
            data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
        }
        assert_true(i == 0 ? silent == 0 : silent < 8 * 10); /* gzip's header says things that nobody needs */
        free(data);
    }
    ek__buf_fini(&whole);
    ek__buf_fini(&got);
}

/* A length that fits its checksum and not the file. */
static void a_record_cannot_claim_much_memory(void **state)
{
    ek_buf b = { 0 }, got = { 0 };
    ek_test_allocator t;

    EK_UNUSED(state);
    ek_test_allocator_install(&t, 0);
    ek__put_fixed64(&b, (uint64_t)1 << 61);
    ek__put_fixed32(&b, ek__crc32c_mask(ek__crc32c(0, b.data, 8)));
    assert_false(read_bytes(b.data, b.size, &got));
    assert_true(t.bytes < 1 << 20);
    ek__buf_fini(&b);
    ek__buf_fini(&got);
    ek_test_allocator_remove();
}

static void a_failed_write_leaves_the_old_file(void **state)
{
    EK_UNUSED(state);
    for (ek_compression c = EK_COMPRESSION_NONE; c <= EK_COMPRESSION_GZIP; c++) {
        test_faults f = { .room = -1 };
        ek_status st = EK_UNKNOWN;

        assert_int_equal(write_file(EK_COMPRESSION_ZLIB, NULL), EK_OK);
        for (long k = 1; st != EK_OK && k < 100; k++) {
            f = (test_faults){ .fail_at = k, .room = -1 };
            test_faults_install(&f);
            st = write_file(c, &(ek_error){ .code = EK_OK });
            test_faults_remove();
            expect_records();
            assert_int_equal(test_folder_count(test_folder, "x.tfrecord"), 1 + (st != EK_OK && test_folder_count(test_folder, ".part") > 0));
        }
        assert_int_equal(st, EK_OK);
        f = (test_faults){ .room = 1000 };
        test_faults_install(&f);
        assert_int_equal(write_file(c, NULL), EK_RESOURCE_EXHAUSTED);
        test_faults_remove();
        expect_records();
    }
}

static ek_status write_and_read(void)
{
    ek_record_reader *r = NULL;
    const void *data;
    size_t size;
    ek_status st = write_file(EK_COMPRESSION_GZIP, NULL);

    if (st == EK_OK) st = ek_record_reader_open(path, EK_COMPRESSION_BY_CONTENT, &r, NULL);
    while (st == EK_OK) st = ek_record_reader_next(r, &data, &size, NULL);
    ek_record_reader_close(r);
    return st == EK_OUT_OF_RANGE ? EK_OK : st;
}

static void without_memory_it_says_so(void **state)
{
    EK_UNUSED(state);
    ek_test_refuse_each(write_and_read, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_tensorflow_are_read),
        cmocka_unit_test(an_empty_file_has_no_record),
        cmocka_unit_test(damaged_files_of_tensorflow_say_where),
        cmocka_unit_test_setup_teardown(what_was_written_comes_back, make_folder, test_folder_teardown),
        cmocka_unit_test(what_was_written_has_tensorflows_bytes),
        cmocka_unit_test_setup_teardown(rewound_a_file_is_read_again, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(an_abandoned_file_is_not_there, make_folder, test_folder_teardown),
        cmocka_unit_test(every_cut_and_every_flipped_bit_is_noticed),
        cmocka_unit_test(a_record_cannot_claim_much_memory),
        cmocka_unit_test_setup_teardown(a_failed_write_leaves_the_old_file, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(without_memory_it_says_so, make_folder, test_folder_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
