/* Checkpoints through the public calls. What is in the files: tests/codec/bundle_test.c. */
#include "evenkeel/checkpoint.h"

#include <stdio.h>

#include "support/folder.h"
#include "support/support.h"

static char prefix[4096];

static int make_folder(void **state)
{
    (void)state;
    return test_folder_setup_path(prefix, sizeof prefix, "model");
}

static ek_array *some_strings(void)
{
    ek_array *a = ek_array_of(EK_STRING, EK_SHAPE(2), NULL);

    assert_int_equal(ek_array_set_string(a, 0, "a\0b", 3), EK_OK);
    return a;
}

static void what_is_written_is_read(void **state)
{
    ek_array *w = ek_array_of(EK_FLOAT32, EK_SHAPE(2, 2), (float[]){ 1, 2, 3, 4 }), *s = some_strings(),
             *none = ek_array_of(EK_INT64, EK_SHAPE(0, 3), NULL), *found;
    ek_checkpoint_entry e;
    ek_checkpoint *c;

    (void)state;
    EK_DIE(ek_checkpoint_write(prefix, (ek_named_array[]){ { "w", w }, { "strings", s }, { "none", none } }, 3, NULL));
    EK_DIE(ek_checkpoint_open(prefix, &c, NULL));
    assert_int_equal(ek_checkpoint_count(c), 3);
    assert_true(ek_checkpoint_at(c, 0, &e));
    assert_string_equal(e.name, "none");
    assert_true(e.dtype == EK_INT64 && e.shape.rank == 2 && e.shape.dim[1] == 3 && e.slices == 0);
    assert_false(ek_checkpoint_at(c, 3, &e));
    assert_false(ek_checkpoint_at(c, -1, &e));
    assert_true(ek_checkpoint_find(c, "w", &e));
    assert_false(ek_checkpoint_find(c, "v", &e));
    EK_DIE(ek_checkpoint_read(c, "w", &found, NULL));
    assert_memory_equal(ek_array_cdata(found), ek_array_cdata(w), 16);
    ek_array_unref(found);
    EK_DIE(ek_checkpoint_read(c, "strings", &found, NULL));
    assert_int_equal(((const ek_string *)ek_array_cdata(found))[0].size, 3);
    assert_memory_equal(((const ek_string *)ek_array_cdata(found))[0].data, "a\0b", 3);
    ek_array_unref(found);
    EK_DIE(ek_checkpoint_read(c, "none", &found, NULL));
    assert_int_equal(ek_array_count(found), 0);
    ek_array_unref(found);
    ek_checkpoint_close(c);
    ek_array_unref(w);
    ek_array_unref(s);
    ek_array_unref(none);
}

static void mistakes_are_told(void **state)
{
    ek_array *w = ek_array_of(EK_FLOAT32, EK_SCALAR, (float[]){ 1 }), *found;
    ek_error err = { .code = EK_OK };
    ek_checkpoint *c;

    (void)state;
    assert_int_equal(ek_checkpoint_open(prefix, &c, &err), EK_NOT_FOUND);
    assert_null(c);
    assert_int_equal(ek_checkpoint_open(NULL, &c, &err), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_checkpoint_write(prefix, (ek_named_array[]){{"w", w}, {"w", w}}, 2, &err), EK_INVALID_ARGUMENT);
    assert_string_equal(err.text, "Adding duplicate key: w");
    assert_int_equal(ek_checkpoint_write(prefix, (ek_named_array[]){ { "", w } }, 1, &err), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_checkpoint_write(prefix, (ek_named_array[]){ { "w", NULL } }, 1, &err), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_checkpoint_write("/no/such/folder/w", (ek_named_array[]){ { "w", w } }, 1, &err), EK_NOT_FOUND);
    assert_int_equal(ek_checkpoint_write("folder/", (ek_named_array[]){ { "w", w } }, 1, &err), EK_INVALID_ARGUMENT);
    assert_int_equal(test_folder_count(test_folder, NULL), 0);
    EK_DIE(ek_checkpoint_write(prefix, (ek_named_array[]){ { "w", w } }, 1, NULL));
    EK_DIE(ek_checkpoint_open(prefix, &c, NULL));
    assert_int_equal(ek_checkpoint_read(c, "v", &found, &err), EK_NOT_FOUND);
    assert_string_equal(err.text, "Key v not found in checkpoint");
    assert_null(found);
    ek_checkpoint_close(c);
    ek_checkpoint_close(NULL);
    assert_int_equal(ek_checkpoint_count(NULL), 0);
    ek_array_unref(w);
}

static ek_status write_and_read(void)
{
    ek_array *w = ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){ 1, 2 }), *found = NULL;
    ek_checkpoint *c = NULL;
    ek_status st = w != NULL ? ek_checkpoint_write(prefix, &(ek_named_array){"w", w}, 1, NULL) : EK_RESOURCE_EXHAUSTED;

    if (st == EK_OK) st = ek_checkpoint_open(prefix, &c, NULL);
    if (st == EK_OK) st = ek_checkpoint_read(c, "w", &found, NULL);
    ek_array_unref(found);
    ek_array_unref(w);
    ek_checkpoint_close(c);
    return st;
}

static void memory_that_runs_out_is_told(void **state)
{
    (void)state;
    ek_test_refuse_each(write_and_read, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_read, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(mistakes_are_told, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(memory_that_runs_out_is_told, make_folder, test_folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
