/* Disks that fill up, calls that fail, memory that is refused, threads that train meanwhile: what the state file names
 * restores. */
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/bundle.h"
#include "support/counting.h"
#include "support/faults.h"
#include "support/folder.h"
#include "support/support.h"


/* ---- files that fail --------------------------------------------------------------------------------------- */

/* How a checkpoint is written: under a name with a step or not, with something besides or not, in shards or not. */
typedef struct way {
    const char *name;
    bool steps, extra, sharded;
    int keep;
} way;
static const way ways[] = {
    { "a name for each step", true, false, false, 1 },
    { "one name", false, false, false, 5 },
    { "with more in it", true, true, false, 2 },
    { "with more in it under one name", false, true, false, 1 },
    { "in shards", true, false, true, 1 },
};

static ek_status save_as(counting m, const way *w, int64_t step)
{
    ek_array *count = ek_array_of(EK_INT64, EK_SCALAR, &step);
    const ek_named_array extra = { "extra", count };
    ek_error err = { .code = EK_OK };
    const ek_status st = ek_saver_save(m.saver, m.s, "model", .global_step = w->steps ? step : -1,
                                       .extra = w->extra ? &extra : NULL, .n_extra = w->extra, .error = &err);

    ek_array_unref(count);
    return st;
}

/* What the state file names is whole, and one of the two. */
static int64_t found(counting m, const way *w, const char *when)
{
    ek_checkpoint_state *state = NULL;
    char *latest = ek_latest_checkpoint("", NULL);
    int64_t now;

    if (latest == NULL) fail_msg("%s, %s: there is no checkpoint", w->name, when);
    if (ek_saver_restore(m.saver, m.s, latest, NULL) != EK_OK)
        fail_msg("%s, %s: %s", w->name, when, ek_last_error()->text);
    now = counting_now(m);
    if (now != 3 && now != 5) fail_msg("%s, %s: step %lld", w->name, when, (long long)now);
    ek_free(latest);
    assert_int_equal(ek_checkpoint_state_read("", NULL, &state, NULL), EK_OK);
    for (int64_t i = 0; i < state->n_paths; i++)
        if (ek_saver_restore(m.saver, m.s, state->all_model_checkpoint_paths[i], NULL) != EK_OK)
            fail_msg("%s, %s: %s", w->name, when, ek_last_error()->text);
    ek_free(state);
    return now;
}

/* Step 3 is saved well, then 5 with this fault. Returns how many calls there were; *st what it said. */
static long try(const way *w, test_faults f, ek_status *st, const char *when)
{
    ek_saver_options o = counting_saver();
    test_faults none = { .room = -1 }; /* but the disk rests */
    counting m;

    assert_int_equal(test_folder_enter(NULL), 0);
    o.max_to_keep = w->keep;
    o.sharded = w->sharded;
    m = counting_make(false, &o);
    counting_steps(m, 3);
    test_faults_install(&none);
    assert_int_equal(save_as(m, w, 3), EK_OK);
    counting_steps(m, 2);
    test_faults_install(&f);
    *st = save_as(m, w, 5);
    test_faults_remove();
    const int64_t now = found(m, w, when);
    if (*st == EK_OK && now != 5) fail_msg("%s, %s: saved, and not found", w->name, when);
    /* The next one succeeds. */
    test_faults_install(&none);
    assert_int_equal(save_as(m, w, 7), EK_OK);
    test_faults_remove();
    counting_end(m);
    assert_int_equal(test_folder_leave(NULL), 0);
    return f.calls;
}

static void every_call_may_fail(void **state)
{
    char when[80];
    ek_status st;

    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        const long calls = try(&ways[i], (test_faults){ .room = -1 }, &st, "no fault");
        int refused = 0;
        assert_int_equal(st, EK_OK);
        for (long k = 1; k <= calls; k++) {
            snprintf(when, sizeof when, "call %ld of %ld fails", k, calls);
            try(&ways[i], (test_faults){ .fail_at = k, .room = -1 }, &st, when);
            refused += st != EK_OK;
            snprintf(when, sizeof when, "it ends at call %ld of %ld", k, calls);
            try(&ways[i], (test_faults){ .die_at = k, .room = -1 }, &st, when);
        }
        assert_true(refused > 8);
    }
}

static void the_disk_may_be_full_at_any_byte(void **state)
{
    char when[80];
    ek_status st;

    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        int refused = 0;
        st = EK_RESOURCE_EXHAUSTED;
        for (int64_t room = 0; st != EK_OK; room = room * 5 / 4 + 7) {
            snprintf(when, sizeof when, "room for %lld bytes", (long long)room);
            try(&ways[i], (test_faults){ .room = room }, &st, when);
            assert_true(st == EK_OK || st == EK_RESOURCE_EXHAUSTED);
            refused += st != EK_OK;
        }
        assert_true(refused > 8);
    }
}

/* ---- memory that is refused ------------------------------------------------------------------------------------ */

static ek_status build(ek_graph *g)
{
    const ek_variable w = ek_get_variable(g, "w", .shape = EK_SHAPE(2)),
                      v = ek_get_variable(g, "v", .shape = EK_SHAPE(3), .use_resource = EK_YES);

    (void)ek_saver_create(g, .sharded = true);
    (void)ek_saver_create(g, .reshape = true, .name = "second", .named = EK_NAMED_VARIABLES({ "a", w }, { "b", v }));
    return ek_graph_status(g, NULL);
}

static ek_status save_and_restore(void)
{
    ek_graph *g = ek_graph_create();
    ek_session *s = NULL;
    ek_array *extra_array = ek_array_of(EK_FLOAT32, EK_SHAPE(2), NULL);
    const ek_named_array extra = { "extra", extra_array };
    ek_saver *saver = NULL;
    char *latest = NULL;
    ek_status st = extra_array != NULL && g != NULL ? EK_OK : EK_RESOURCE_EXHAUSTED;

    if (st == EK_OK) {
        (void)ek_get_variable(g, "w", .shape = EK_SHAPE(2), .initializer = ek_zeros_initializer());
        const ek_op init = ek_global_variables_initializer(g);
        saver = ek_saver_create(g, .max_to_keep = 1);
        st = ek_graph_status(g, NULL);
        if (st == EK_OK) s = ek_session_create(g, .threads = 1);
        if (st == EK_OK) st = s != NULL ? ek_run(s, .target = { init }) : EK_RESOURCE_EXHAUSTED;
    }
    for (int i = 0; st == EK_OK && i < 2; i++)
        st = ek_saver_save(saver, s, "model", .global_step = i, .extra = &extra, .n_extra = i,
                           .path = i == 1 ? &latest : NULL);
    if (st == EK_OK) st = ek_saver_recover_last_checkpoints(saver, "", NULL, NULL);
    if (st == EK_OK) st = ek_saver_restore(saver, s, latest, NULL);
    ek_free(latest);
    ek_session_destroy(s);
    ek_graph_destroy(g);
    ek_array_unref(extra_array);
    return st;
}

/* What is only tidied up may fail without a word: the run is then well, and everything is there. */
static void without_memory_it_says_so_and_leaks_nothing(void **state)
{
    ek_test_allocator t = { .calls = LONG_MAX };
    test_faults none = { .room = -1 };

    (void)state;
    ek_test_refuse_each_on_graph(build, 400);
    test_faults_install(&none);
    for (long k = 1; t.calls >= k; k += k < 800 ? 13 : 1) {
        ek_test_allocator_install(&t, k);
        const ek_status st = save_and_restore();
        ek_test_allocator_remove();
        if (t.live != 0 || (st != EK_OK && st != EK_RESOURCE_EXHAUSTED))
            fail_msg("allocation %ld refused: %s, %ld blocks are left", k, ek_status_name(st), t.live);
    }
    test_faults_remove();
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

typedef struct training {
    counting m;
    _Atomic bool over;
} training;

static void *train(void *arg)
{
    training *t = arg;

    while (!t->over) counting_steps(t->m, 1);
    return NULL;
}

/* What is saved while others train is of one instant; what is restored meanwhile too. */
static void saving_and_restoring_while_others_train(void **state)
{
    training t = { .m = counting_make(false, NULL) };
    pthread_t thread;
    counting copy = counting_make(false, NULL);

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, train, &t), 0);
    for (int i = 0; i < 25; i++) {
        counting_save(t.m, "model", i % 3);
        counting_restore(copy, i % 3 == 0 ? "model-0" : i % 3 == 1 ? "model-1" : "model-2");
        assert_true(counting_now(copy) >= 0);
        if (i % 5 == 4) counting_restore(t.m, "model-1");
    }
    t.over = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(counting_now(t.m) >= 0);
    counting_end(copy);
    counting_end(t.m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_may_fail),
        cmocka_unit_test(the_disk_may_be_full_at_any_byte),
        cmocka_unit_test_setup_teardown(without_memory_it_says_so_and_leaks_nothing, test_folder_enter, test_folder_leave),
        cmocka_unit_test_setup_teardown(saving_and_restoring_while_others_train, test_folder_enter, test_folder_leave),
    };

    return cmocka_run_group_tests_name("saving when things fail", tests, NULL, NULL);
}
