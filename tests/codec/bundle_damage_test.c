/* Checkpoints of version 2 that are damaged, claim what they have not, or are none; and memory that runs out. */
#include <stdlib.h>
#include <unistd.h>

#include "codec/bundle_parts.h"
#include "support/checkpoints.h"
#include "support/folder.h"
#include "support/support.h"

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
    assert_int_equal(test_checkpoint_read_all(prefix, NULL), EK_OK);
    for (int f = 0; f < 2; f++) {
        size_t size;
        char *data = test_read_file(folder, files[f], &size);
        /* behind the data block of an index: an empty block and its handle, and zeros, which nobody reads */
        const size_t meta = f == 0 ? size - 48 - 5 - 15 - 13 : size, footer = f == 0 ? size - 48 : size;
        for (size_t i = 0; i < size; i++) {
            ek_error err = { .code = EK_OK };
            data[i] ^= 0x10;
            test_write_file(folder, files[f], data, size);
            const ek_status st = test_checkpoint_read_all(prefix, &err);
            const bool unread = (i >= meta && i < meta + 13) || (i >= footer && i < size - 8);
            if (!unread || st != EK_OK) expect_refused(st, &err, files[f], i);
            data[i] ^= 0x10;
        }
        for (size_t n = 0; n < size; n++) {
            ek_error err = { .code = EK_OK };
            test_write_file(folder, files[f], data, n);
            expect_refused(test_checkpoint_read_all(prefix, &err), &err, files[f], n);
        }
        test_write_file(folder, files[f], data, size);
        assert_int_equal(test_checkpoint_read_all(prefix, NULL), EK_OK);
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
        const ek_status st = test_checkpoint_read_all(prefix, &err);
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
    assert_int_equal(test_checkpoint_read_all(prefix, &err), EK_DATA_LOSS);
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
    assert_int_equal(test_checkpoint_read_all(prefix, &err), EK_OK);
    test_folder_remove(folder);
}

static void what_is_no_checkpoint_is_told(void **state)
{
    char *folder = test_folder_make();
    char prefix[4096], text[9000];
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    snprintf(prefix, sizeof prefix, "%s/none", folder);
    assert_int_equal(test_checkpoint_read_all(prefix, &err), EK_NOT_FOUND);
    snprintf(text, sizeof text, "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for %s",
             prefix);
    assert_string_equal(err.text, text);
    snprintf(prefix, sizeof prefix, "%s/m", folder);
    small_checkpoint(prefix, 3);
    snprintf(prefix, sizeof prefix, "%s/m.index", folder);
    err = (ek_error){ .code = EK_OK };
    assert_int_equal(test_checkpoint_read_all(prefix, &err), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "is the index of a checkpoint; give its prefix"));
    snprintf(prefix, sizeof prefix, "%s/m.data-00000-of-00001", folder);
    err = (ek_error){ .code = EK_OK };
    assert_int_equal(test_checkpoint_read_all(prefix, &err), EK_DATA_LOSS);
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
    return st == EK_OK ? test_checkpoint_read_all(starving, &err) : st;
}

static void memory_that_runs_out_is_told(void **state)
{
    char *folder = test_folder_make();

    EK_UNUSED(state);
    snprintf(starving, sizeof starving, "%s/m", folder);
    ek_test_refuse_each(write_and_read, 0);
    assert_int_equal(test_checkpoint_read_all(starving, NULL), EK_OK);
    assert_int_equal(test_folder_count(folder, NULL), 2);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flipped_byte_and_every_cut_is_noticed),
        cmocka_unit_test(claims_are_not_believed),
        cmocka_unit_test(slices_cannot_share_their_bytes),
        cmocka_unit_test(a_header_without_a_version_is_accepted),
        cmocka_unit_test(what_is_no_checkpoint_is_told),
        cmocka_unit_test(memory_that_runs_out_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
