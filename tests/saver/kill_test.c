/* kill -9 at any instant of a training that saves all the time: its checkpoints restore, and it goes on from the
 * latest.
 *
 * EK_KILL_ROUNDS says how often (25); EK_KILL_SEED which instants. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "codec/bundle.h"
#include "support/counting.h"
#include "support/folder.h"
#include "support/support.h"

static uint64_t random_state;

static uint64_t next_random(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return random_state >> 33;
}

static counting start(void)
{
    ek_saver_options o = counting_saver();

    o.max_to_keep = 2;
    return counting_make(false, &o);
}

/* Step after step until it is killed, with what the checkpoint says besides. Says when it begins. */
static void train_for_ever(bool one_name, int begun)
{
    counting m = start();
    char *latest = ek_latest_checkpoint("", NULL);

    if (latest != NULL) counting_restore(m, latest);
    assert_int_equal(ek_saver_recover_last_checkpoints(m.saver, "", NULL, NULL), EK_OK);
    if (write(begun, "", 1) != 1) exit(1);
    for (;;) {
        int64_t now;
        counting_steps(m, 1);
        now = counting_now(m);
        ek_array *count = ek_array_of(EK_INT64, EK_SCALAR, &now);
        const ek_named_array extra = { "count", count };
        if (ek_saver_save(m.saver, m.s, "model", .global_step = one_name ? -1 : now, .extra = &extra,
                          .n_extra = now % 2) != EK_OK)
            exit(1);
        ek_array_unref(count);
    }
}

/* Every checkpoint of the state file is whole: tensors, what stands besides, the MetaGraph. The steps of the latest. */
static int64_t check(void)
{
    ek_checkpoint_state *state = NULL;
    counting m = start();
    int64_t now = 0;

    if (ek_checkpoint_state_read("", NULL, &state, NULL) == EK_OK) {
        for (int64_t i = 0; i < state->n_paths; i++) {
            const char *path = state->all_model_checkpoint_paths[i];
            char meta[600];
            ek_graph *g = NULL;
            counting_restore(m, path);
            now = counting_now(m);
            if (now < 1) fail_msg("%s holds what does not belong together", path);
            snprintf(meta, sizeof meta, "%s.meta", path);
            assert_int_equal(ek_meta_graph_load(meta, &g), EK_OK);
            ek_graph_destroy(g);
        }
        assert_string_equal(state->all_model_checkpoint_paths[state->n_paths - 1], state->model_checkpoint_path);
        ek_free(state);
    }
    assert_true(test_folder_count(".", "_temp") <= 1); /* of the save that was killed: the next one uses it up */
    counting_end(m);
    return now;
}

static int64_t round_of(bool one_name, int64_t before)
{
    const struct timespec wait = { 0, (long)(next_random() % 300000) * 1000 };
    int status = 0, begun[2];
    char byte;

    assert_int_equal(pipe(begun), 0);
    const pid_t child = fork();
    if (child == 0) {
        train_for_ever(one_name, begun[1]);
        _exit(2);
    }
    assert_true(child > 0);
    close(begun[1]);
    assert_true(read(begun[0], &byte, 1) == 1);
    close(begun[0]);
    nanosleep(&wait, NULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    const int64_t now = check();
    if (now < before) fail_msg("the latest was step %lld and is step %lld", (long long)before, (long long)now);
    return now;
}

static void killed_at_any_instant_the_latest_checkpoint_restores(void **state)
{
    const char *rounds = getenv("EK_KILL_ROUNDS"), *seed = getenv("EK_KILL_SEED");
    const int n = rounds != NULL ? atoi(rounds) : 25;

    (void)state;
    random_state = seed != NULL ? strtoull(seed, NULL, 10) : 1;
    for (int one_name = 0; one_name < 2; one_name++) {
        char *folder = test_folder_make();
        int64_t now = 0;
        assert_int_equal(chdir(folder), 0);
        for (int i = 0; i < (n + 1) / 2; i++) now = round_of(one_name != 0, now);
        print_message("%d kills, %s: step %lld\n", (n + 1) / 2, one_name ? "one name" : "a name for each step",
                      (long long)now);
        assert_int_equal(chdir(EK_SOURCE_DIR), 0);
        test_folder_remove(folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(killed_at_any_instant_the_latest_checkpoint_restores) };

    return cmocka_run_group_tests_name("killed while saving", tests, NULL, NULL);
}
