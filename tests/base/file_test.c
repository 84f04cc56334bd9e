/* Files written whole or not at all, and logs, on disks and systems that fail. */
#include "base/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/faults.h"
#include "support/folder.h"
#include "support/support.h"

static char path[4096];

static int make_folder(void **state)
{
    EK_UNUSED(state);
    return test_folder_setup_path(path, sizeof path, "file");
}

static void expect_content(const char *text, size_t size)
{
    size_t found;
    char *data = ek_test_read(path, &found);

    assert_non_null(data);
    assert_int_equal(found, size);
    assert_memory_equal(data, text, size);
    free(data);
}

/* Pieces below and above what is gathered. */
enum { LARGE = 100000 };
static char large[LARGE];

static ek_status write_pieces(ek_error *err)
{
    ek_file_out *f;
    ek_status st = ek__file_create(path, &f, err);

    if (st != EK_OK) return st;
    for (int i = 0; i < 3 && st == EK_OK; i++) {
        st = ek__file_put(f, "abc", 3, err);
        if (st == EK_OK) st = ek__file_put(f, large, LARGE, err);
    }
    if (st == EK_OK) return ek__file_commit(f, err);
    assert_int_equal(ek__file_put(f, "x", 1, NULL), EK_FAILED_PRECONDITION);
    ek__file_abandon(f);
    return st;
}

static void expect_pieces(void)
{
    char *whole = malloc(3 * (3 + LARGE));

    for (int i = 0; i < 3; i++) {
        memcpy(whole + i * (3 + LARGE), "abc", 3);
        memcpy(whole + i * (3 + LARGE) + 3, large, LARGE);
    }
    expect_content(whole, 3 * (3 + LARGE));
    free(whole);
}

static void pieces_become_a_file(void **state)
{
    ek_error err = { .code = EK_OK };
    ek_file_out *f;
    struct stat s;

    EK_UNUSED(state);
    memset(large, 'l', sizeof large);
    assert_int_equal(ek__file_write(path, "old", 3, &err), EK_OK);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(ek__file_create(path, &f, &err), EK_OK);
    assert_int_equal(ek__file_put(f, large, LARGE, &err), EK_OK);
    expect_content("old", 3);
    assert_int_equal(test_folder_count(test_folder, NULL), 2);
    ek__file_abandon(f);
    assert_int_equal(test_folder_count(test_folder, NULL), 1);
    expect_content("old", 3);
    assert_int_equal(write_pieces(&err), EK_OK);
    expect_pieces();
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0640); /* the rights of the file that it replaced */
    ek__file_abandon(NULL);
}

/* Every call of the system fails once; the disk is full after any number of bytes; the process dies at any call. */
static void a_failure_leaves_what_was_there(void **state)
{
    bool done = false;

    EK_UNUSED(state);
    for (long k = 1; !done; k++) {
        for (int way = 0; way < 3; way++) {
            test_faults f = { .room = -1 };
            ek_error err = { .code = EK_OK };

            assert_int_equal(ek__file_write(path, "old", 3, NULL), EK_OK);
            if (way == 0) f.fail_at = k;
            if (way == 1) f.die_at = k;
            if (way == 2) f.room = (k - 1) * 40000;
            test_faults_install(&f);
            const ek_status st = write_pieces(&err);
            test_faults_remove();
            if (st == EK_OK) {
                expect_pieces();
                done = done || (way == 0 && f.calls < k);
                continue;
            }
            expect_content("old", 3);
            if (way == 2) assert_int_equal(st, EK_RESOURCE_EXHAUSTED);
            if (way != 1) assert_int_equal(test_folder_count(test_folder, NULL), 1); /* nothing is left of it */
            if (way == 1 &&
                test_folder_count(test_folder, ".part") > 0) { /* the dead leave theirs, under a name that tells */
                char command[4200];
                snprintf(command, sizeof command, "rm %s/*.part", test_folder);
                assert_int_equal(system(command), 0);
            }
        }
        assert_true(k < 100);
    }
}

static void the_sentence_tells_what_the_system_said(void **state)
{
    test_faults f = { .room = 0 };
    ek_error err = { .code = EK_OK };
    char text[8192];

    EK_UNUSED(state);
    test_faults_install(&f);
    assert_int_equal(ek__file_write(path, "new", 3, &err), EK_RESOURCE_EXHAUSTED);
    test_faults_remove();
    snprintf(text, sizeof text, "cannot write '%s': No space left on device", path);
    assert_string_equal(err.text, text);
    err = (ek_error){ .code = EK_OK };
    assert_int_equal(ek__file_write(test_folder, "new", 3, &err), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "a file was expected, this is a folder"));
}

static void names_of_parts_are_told(void **state)
{
    EK_UNUSED(state);
    assert_true(ek__file_is_part_of("model.index.12.0.part", "model.index", 11));
    assert_false(ek__file_is_part_of("model.index", "model.index", 11));
    assert_false(ek__file_is_part_of("model.index.part", "model.index", 11));
    assert_false(ek__file_is_part_of("model.index.12.part", "model.index", 11));
    assert_false(ek__file_is_part_of("model.index.12.x.part", "model.index", 11));
    assert_false(ek__file_is_part_of("model.index.12.0.parts", "model.index", 11));
    assert_false(ek__file_is_part_of("model.12.0.part", "model.index", 11));
}

/* One was killed and left its name; the process that comes after may have the same number. */
static void a_part_that_was_left_is_in_nobodys_way(void **state)
{
    ek_error err = { .code = EK_OK };
    char left[4200];

    EK_UNUSED(state);
    for (int i = 0; i < 200; i++) {
        snprintf(left, sizeof left, "%s.%ld.%d.part", path, (long)getpid(), i);
        const int fd = open(left, O_WRONLY | O_CREAT, 0600);
        assert_true(fd >= 0);
        close(fd);
    }
    assert_int_equal(ek__file_write(path, "new", 3, &err), EK_OK);
    expect_content("new", 3);
}

static void folders(void **state)
{
    ek_error err = { .code = EK_OK };
    char sub[4200];

    EK_UNUSED(state);
    snprintf(sub, sizeof sub, "%s/a", test_folder);
    assert_int_equal(ek__file_make_folder(sub, &err), EK_OK);
    assert_int_equal(ek__file_make_folder(sub, &err), EK_OK); /* it is there */
    assert_int_equal(ek__file_sync_folder(sub, &err), EK_OK);
    assert_int_equal(ek__file_sync_folder("file", &err), EK_OK);
    snprintf(sub, sizeof sub, "%s/b/c", test_folder);
    assert_int_equal(ek__file_make_folder(sub, &err), EK_NOT_FOUND); /* those above are not made */
    assert_int_equal(ek__file_folder_size("a/b/c"), 4);
    assert_int_equal(ek__file_folder_size("c"), 0);
    assert_int_equal(ek__file_folder_size("/c"), 1);
}

static void a_log_grows(void **state)
{
    ek_error err = { .code = EK_OK };
    ek_file_log *f;

    EK_UNUSED(state);
    assert_int_equal(ek__file_write(path, "old", 3, &err), EK_OK);
    assert_int_equal(ek__file_append(path, &f, &err), EK_OK);
    assert_int_equal(ek__file_log_put(f, "+1", 2, &err), EK_OK);
    expect_content("old", 3);
    assert_int_equal(ek__file_log_flush(f, &err), EK_OK);
    expect_content("old+1", 5);
    assert_int_equal(ek__file_log_put(f, "+2", 2, &err), EK_OK);
    assert_int_equal(ek__file_log_close(f, &err), EK_OK);
    expect_content("old+1+2", 7);
    assert_int_equal(ek__file_log_close(NULL, &err), EK_OK);
}

/* The disk is full in the middle of a piece, then has room again. */
static void a_log_holds_whole_pieces_only(void **state)
{
    test_faults faults = { .room = 6 };
    ek_error err = { .code = EK_OK };
    ek_file_log *f;

    EK_UNUSED(state);
    remove(path);
    assert_int_equal(ek__file_append(path, &f, &err), EK_OK);
    test_faults_install(&faults);
    assert_int_equal(ek__file_log_put(f, "1234", 4, &err), EK_OK);
    assert_int_equal(ek__file_log_flush(f, &err), EK_OK);
    assert_int_equal(ek__file_log_put(f, "5678", 4, &err), EK_OK);
    assert_int_equal(ek__file_log_flush(f, &err), EK_RESOURCE_EXHAUSTED);
    expect_content("1234", 4);
    faults.room = -1;
    assert_int_equal(ek__file_log_put(f, "9", 1, &err), EK_OK);
    assert_int_equal(ek__file_log_flush(f, &err), EK_OK);
    expect_content("12349", 5);
    /* Half a piece that stays: nothing may come after it. */
    faults.room = 1;
    faults.fail_at = faults.calls + 3; /* write, write, and the cut */
    err = (ek_error){ .code = EK_OK };
    assert_int_equal(ek__file_log_put(f, "ab", 2, &err), EK_OK);
    assert_int_equal(ek__file_log_flush(f, &err), EK_RESOURCE_EXHAUSTED);
    faults.room = -1;
    assert_int_equal(ek__file_log_put(f, "cd", 2, &err), EK_OK);
    assert_int_equal(ek__file_log_flush(f, &err), EK_FAILED_PRECONDITION);
    assert_int_equal(ek__file_log_close(f, NULL), EK_OK);
    test_faults_remove();
    expect_content("12349a", 6);
}

static ek_status everything(void)
{
    ek_error err = { .code = EK_OK };
    ek_file_log *f;

    EK_TRY(write_pieces(&err));
    EK_TRY(ek__file_sync_folder(path, &err));
    EK_TRY(ek__file_append(path, &f, &err));
    const ek_status st = ek__file_log_put(f, "abc", 3, &err);
    const ek_status closed = ek__file_log_close(f, &err);
    return st != EK_OK ? st : closed;
}

static void without_memory_nothing_is_written(void **state)
{
    EK_UNUSED(state);
    ek_test_refuse_each(everything, 0);
    assert_int_equal(test_folder_count(test_folder, ".part"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pieces_become_a_file, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(a_failure_leaves_what_was_there, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(the_sentence_tells_what_the_system_said, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(names_of_parts_are_told, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(a_part_that_was_left_is_in_nobodys_way, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(folders, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(a_log_grows, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(a_log_holds_whole_pieces_only, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(without_memory_nothing_is_written, make_folder, test_folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
