/* Saving over a checkpoint that is there, and making one of several: whatever call of the system fails, wherever the
 * disk is full, at whichever call the process is killed, the old checkpoint or the new one restores; and nothing is
 * left behind. */
#include <math.h>
#include <stdlib.h>

#include "codec/bundle.h"
#include "support/faults.h"
#include "support/folder.h"
#include "support/support.h"

static char prefix[4096];

static int make_folder(void **state)
{
    EK_UNUSED(state);
    return test_folder_setup_path(prefix, sizeof prefix, "sub/model");
}

/* A checkpoint whose numbers are all `value`; large enough for several writes. */
enum { NUMBERS = 40000 };

static ek_status save_at(const char *where, float value, const char *extra, ek_error *err)
{
    static float numbers[NUMBERS];
    const ek_slice half[2] = {{.rank = 1, .start = {0}, .length = {2}}, {.rank = 1, .start = {2}, .length = {2}}};
    ek_bundle_writer *w;
    ek_status st = ek__bundle_writer_open(where, &w, err);

    if (st != EK_OK) return st;
    for (int i = 0; i < NUMBERS; i++) numbers[i] = value;
    st = ek__bundle_add(w, "numbers", EK_FLOAT32, &EK_SHAPE(NUMBERS), numbers, NULL, NULL, err);
    for (int i = 0; i < 2 && st == EK_OK; i++)
        st = ek__bundle_add(w, "slices", EK_FLOAT32, &EK_SHAPE(2), numbers, &EK_SHAPE(4), &half[i], err);
    if (st == EK_OK && extra != NULL) st = ek__bundle_add(w, extra, EK_FLOAT32, &EK_SCALAR, numbers, NULL, NULL, err);
    if (st == EK_OK) return ek__bundle_finish(w, err);
    ek__bundle_abandon(w);
    return st;
}

static ek_status save(float value, ek_error *err)
{
    return save_at(prefix, value, NULL, err);
}

/* Restores everything; all of it must be of one checkpoint. Which: its value. */
static float restored(void)
{
    ek_error err = { .code = EK_OK };
    ek_bundle *b;
    float value = NAN;

    if (ek__bundle_open(prefix, &b, &err) != EK_OK) fail_msg("%s", err.text);
    for (int64_t i = 0; i < ek__bundle_count(b); i++) {
        ek_array *a;
        if (ek__bundle_read(b, ek__bundle_at(b, i), NULL, &a, &err) != EK_OK) fail_msg("%s", err.text);
        if (i == 0) value = ek_array_f32(a)[0];
        for (int64_t k = 0; k < ek_array_count(a); k++) assert_true(ek_array_f32(a)[k] == value);
        ek_array_unref(a);
    }
    ek__bundle_close(b);
    return value;
}

static bool exists(void)
{
    ek_error err = { .code = EK_OK };
    ek_bundle *b;
    const ek_status st = ek__bundle_open(prefix, &b, &err);

    assert_true(st == EK_OK || st == EK_NOT_FOUND);
    ek__bundle_close(b);
    return st == EK_OK;
}

static int files_left(const char *part)
{
    char sub[4096];

    snprintf(sub, sizeof sub, "%s/sub", test_folder);
    return test_folder_count(sub, part);
}

enum { FAILS, DIES, FULL, WAYS };

static test_faults faults_of(int way, long k)
{
    return (test_faults){
        .fail_at = way == FAILS ? k : 0, .die_at = way == DIES ? k : 0, .room = way == FULL ? (k - 1) * 7000 : -1};
}

/* Does `save` over a checkpoint of value 1 with everything that can go wrong, then with nothing. */
static void with_every_failure(ek_status (*again)(ek_error *err))
{
    bool done[WAYS] = { false, false, false };

    for (long k = 1; !done[FAILS] || !done[DIES] || !done[FULL]; k++) {
        for (int way = 0; way < WAYS; way++) {
            test_faults f = faults_of(way, k);
            ek_error err = { .code = EK_OK };

            if (done[way]) continue;
            assert_int_equal(save(1, &err), EK_OK);
            if (files_left(NULL) != 2)
                fail_msg("call %ld, way %d: %d files are left by the one before", k, way, files_left(NULL));
            test_faults_install(&f);
            const ek_status st = again(&err);
            test_faults_remove();
            const float now = restored();
            assert_true(now == 1 || now == 2);
            if (st == EK_OK) assert_true(now == 2);
            done[way] = st == EK_OK && (way == FULL || f.calls < k);
            if (st != EK_OK && way != DIES) {
                assert_true(err.text[0] != '\0');
                assert_int_equal(files_left(".part"), 0);
                /* the new one is there if only its folder could not be written through: then the old data is as well */
                assert_true(files_left(NULL) == (now == 1 ? 2 : 3));
                if (way == FULL) assert_true(now == 1 && st == EK_RESOURCE_EXHAUSTED);
            }
        }
        assert_true(k < 200);
    }
}

static ek_status save_two(ek_error *err)
{
    return save(2, err);
}

static void saving_over_a_checkpoint_loses_nothing(void **state)
{
    EK_UNUSED(state);
    with_every_failure(save_two);
}

static void a_first_save_that_fails_leaves_nothing(void **state)
{
    EK_UNUSED(state);
    for (long k = 1;; k++) {
        test_faults f = { .fail_at = k, .room = -1 };
        ek_error err = { .code = EK_OK };

        test_faults_install(&f);
        const ek_status st = save(2, &err);
        test_faults_remove();
        if (f.calls < k) break;
        /* a folder that cannot be made, or is there; a sweep that fails, when there is nothing to sweep */
        if (st != EK_OK && !exists() && test_folder_count(test_folder, NULL) == 1) assert_int_equal(files_left(NULL), 0);
        assert_int_equal(ek__bundle_delete(prefix, &err), EK_OK);
        assert_true(k < 200);
    }
    assert_true(restored() == 2);
}

static void every_instant_of_a_save_has_a_checkpoint(void **state)
{
    float before = 1;

    EK_UNUSED(state);
    assert_int_equal(save(before, NULL), EK_OK);
    for (long k = 1; k < 40; k++) { /* killed again and again, never a save that ends well */
        test_faults f = { .die_at = k % 23 + 1, .room = -1 };
        ek_error err = { .code = EK_OK };

        test_faults_install(&f);
        (void)save((float)(k + 1), &err);
        test_faults_remove();
        const float now = restored();
        assert_true(now == before || now == (float)(k + 1));
        before = now;
    }
    assert_int_equal(save(1000, NULL), EK_OK);
    assert_true(restored() == 1000);
    assert_int_equal(files_left(NULL), 2);
}

static void a_neighbour_with_a_longer_name_stays(void **state)
{
    char other[4200];
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    assert_int_equal(save(1, &err), EK_OK);
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = { "-1", ".data", "l" };
        snprintf(other, sizeof other, "%s%s", prefix, names[i]);
        assert_int_equal(save_at(other, 5, NULL, &err), EK_OK);
    }
    assert_int_equal(save(2, &err), EK_OK);
    assert_int_equal(files_left(NULL), 8);
    assert_true(restored() == 2);
    assert_int_equal(ek__bundle_delete(prefix, &err), EK_OK);
    assert_int_equal(files_left(NULL), 6);
    assert_false(exists());
    assert_int_equal(ek__bundle_delete(prefix, &err), EK_OK); /* there is none any more */
}

/* ---- merging ---------------------------------------------------------------------------------------------- */

static const char *part_name(int i)
{
    static char name[2][4200];

    snprintf(name[i], sizeof name[i], "%s/parts/part-%d", test_folder, i);
    return name[i];
}

/* Two checkpoints that have the slices of one tensor between them. */
static ek_status save_part(int i, float value, ek_error *err)
{
    const ek_slice half = { .rank = 1, .start = { 2 * i }, .length = { 2 } };
    const float two[2] = { value, value };
    ek_bundle_writer *w;
    ek_status st = ek__bundle_writer_open(part_name(i), &w, err);

    if (st != EK_OK) return st;
    st = ek__bundle_add(w, i == 0 ? "first" : "second", EK_FLOAT32, &EK_SHAPE(2), two, NULL, NULL, err);
    if (st == EK_OK) st = ek__bundle_add(w, "slices", EK_FLOAT32, &EK_SHAPE(2), two, &EK_SHAPE(4), &half, err);
    if (st == EK_OK) return ek__bundle_finish(w, err);
    ek__bundle_abandon(w);
    return st;
}

static void save_parts(void)
{
    for (int i = 0; i < 2; i++) assert_int_equal(save_part(i, 2, NULL), EK_OK);
}

static ek_status merge(ek_error *err)
{
    const char *const parts[] = { part_name(0), part_name(1) };

    return ek__bundle_merge(parts, 2, prefix, true, err);
}

static void several_become_one(void **state)
{
    ek_error err = { .code = EK_OK };
    ek_bundle *b;

    EK_UNUSED(state);
    save_parts();
    if (merge(&err) != EK_OK) fail_msg("%s", err.text);
    assert_true(restored() == 2);
    assert_int_equal(ek__bundle_open(prefix, &b, &err), EK_OK);
    assert_int_equal(ek__bundle_count(b), 3);
    assert_int_equal(ek__bundle_find(b, "slices")->n_slices, 2);
    ek__bundle_close(b);
    assert_int_equal(files_left("-of-00002"), 2);
    assert_int_equal(files_left(NULL), 3);
    assert_int_equal(test_folder_count(test_folder, NULL), 1); /* the folder of the parts is gone */
}

static void merging_over_a_checkpoint_loses_nothing(void **state)
{
    bool done = false;

    EK_UNUSED(state);
    for (long k = 1; !done; k++) {
        for (int way = 0; way < 2; way++) {
            test_faults f = faults_of(way, k);
            ek_error err = { .code = EK_OK };

            assert_int_equal(save(1, &err), EK_OK);
            assert_int_equal(files_left(NULL), 2);
            save_parts();
            test_faults_install(&f);
            const ek_status st = merge(&err);
            test_faults_remove();
            const float now = restored();
            assert_true(st == EK_OK ? now == 2 : now == 1 || now == 2);
            if (st != EK_OK && way == FAILS) assert_int_equal(files_left(".part"), 0);
            if (st != EK_OK && way == FAILS && now == 1) { /* it can be done again */
                assert_int_equal(files_left(NULL), 2);
                err = (ek_error){ .code = EK_OK };
                if (merge(&err) != EK_OK) fail_msg("again: %s", err.text);
                assert_true(restored() == 2);
            }
            for (int i = 0; i < 2; i++) assert_int_equal(ek__bundle_delete(part_name(i), &err), EK_OK);
            done = done || (way == FAILS && f.calls < k);
        }
        assert_true(k < 200);
    }
}

static void what_cannot_be_merged_is_refused(void **state)
{
    const char *const twice[] = { part_name(0), part_name(0) }, *const missing[] = { part_name(0), "/none" };
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    save_parts();
    assert_int_equal(ek__bundle_merge(twice, 2, prefix, true, &err), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "encountered, when merging prefix: "));
    err = (ek_error){ .code = EK_OK };
    assert_int_equal(ek__bundle_merge(missing, 2, prefix, true, &err), EK_NOT_FOUND);
    assert_false(exists());
    err = (ek_error){ .code = EK_OK };
    assert_int_equal(ek__bundle_merge(twice, 1, "/tmp/", true, &err), EK_INVALID_ARGUMENT);
    err = (ek_error){ .code = EK_OK };
    assert_int_equal(ek__bundle_merge(twice, 1, prefix, true, &err), EK_OK); /* one alone is half of the slices */
    assert_true(exists());
}

static ek_status merge_all(void)
{
    ek_error err = { .code = EK_OK };
    ek_status st = save_part(0, 2, &err);

    if (st == EK_OK) st = save_part(1, 2, &err);
    return st == EK_OK ? merge(&err) : st;
}

static void memory_that_runs_out_is_told(void **state)
{
    EK_UNUSED(state);
    assert_int_equal(merge_all(), EK_OK);
    for (long k = 1;; k++) {
        ek_test_allocator t;

        ek_test_allocator_install(&t, k);
        const ek_status st = merge_all();
        const long live = t.live, calls = t.calls;
        ek_test_allocator_remove();
        assert_int_equal(live, 0);
        if (calls < k) break;
        /* cleaning up is not worth failing for */
        if (st != EK_RESOURCE_EXHAUSTED && st != EK_OK) fail_msg("allocation %ld: %s", k, ek_status_name(st));
        assert_true(restored() == 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(saving_over_a_checkpoint_loses_nothing, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(a_first_save_that_fails_leaves_nothing, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(every_instant_of_a_save_has_a_checkpoint, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(a_neighbour_with_a_longer_name_stays, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(several_become_one, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(merging_over_a_checkpoint_loses_nothing, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_merged_is_refused, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(memory_that_runs_out_is_told, make_folder, test_folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
