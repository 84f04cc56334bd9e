/* tests/train/resume_test.c - the folder of a training run: what is left there, and going on from it with the same bits. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "codec/bundle.h"
#include "evenkeel/saver.h"
#include "support/support.h"
#include "train_net.h"
#include "values/array.h"

static char folder[40], logdir[90];

static int new_folder(void **state)
{
    *state = NULL;
    strcpy(folder, "/tmp/ek_fit_XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    snprintf(logdir, sizeof logdir, "%s/run", folder);
    return 0;
}

static int drop_folder(void **state)
{
    char command[100];

    EK_UNUSED(state);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* mlp with dropout on its input: steps draw random numbers. */
static net dropping(void)
{
    net n = { .graph = ek_graph_create(), .yes = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ true }) };

    ek_set_random_seed(n.graph, 1);
    n.c.x = ek_placeholder(n.graph, EK_FLOAT32, .shape = EK_SHAPE(-1, 28, 28, 1), .name = "x");
    n.c.labels = ek_placeholder(n.graph, EK_INT64, .shape = EK_SHAPE(-1), .name = "labels");
    n.c.is_training = ek_placeholder_with_default(n.graph, ek_bool(false), .name = "is_training");
    const ek_tensor h = ek_dropout(n.c.x, 0.3, .training = n.c.is_training);
    const ek_tensor logits = ek_model_mlp(h, .training = n.c.is_training);
    n.c.loss = ek_losses_sparse_softmax_cross_entropy(n.c.labels, logits);
    n.c.right = ek_cast(ek_equal(ek_argmax(logits, .axis = 1), n.c.labels), EK_FLOAT32);
    n.train = ek_tensor_op(ek_train_op(n.c.loss, ek_adam_optimizer(n.graph, 0.005), .check_numerics = false));
    const ek_op init = ek_global_variables_initializer(n.graph);
    n.session = ek_session_create(n.graph, .threads = 1, .watch = EK_NO);
    assert_int_equal(EK_OK, ek_run(n.session, .target = { init }));
    assert_int_equal(EK_OK, ek_dataset_from_digits(1, NET_ROWS, &n.data, NULL));
    assert_int_equal(EK_OK, ek_dataset_from_digits(2, 130, &n.test, NULL));
    return n;
}

static void assert_same_variables(const net *a, const net *b)
{
    const ek_list x = ek_get_collection(a->graph, EK_GLOBAL_VARIABLES), y = ek_get_collection(b->graph, EK_GLOBAL_VARIABLES);

    assert_int_equal(x.count, y.count);
    for (int64_t i = 0; i < x.count; i++) {
        ek_array *u, *v;

        assert_int_equal(EK_OK, ek_session_get(a->session, x.item[i].u.variable, &u));
        assert_int_equal(EK_OK, ek_session_get(b->session, y.item[i].u.variable, &v));
        if (!ek__array_equal(u, v)) fail_msg("%s differs", ek_item_name(a->graph, x.item[i]));
        ek_array_unref(u);
        ek_array_unref(v);
    }
}

#define FILES_FIT(n) \
    NET_FIT(n), .logdir = logdir, .steps = 60, .save_every = 20, .eval_every = 15, .eval_data = (n).test, .held_out = (n).test

static bool stop_at(const ek_fit_progress *p, void *step)
{
    return p->step < *(const int64_t *)step;
}

static void a_resumed_run_ends_with_the_same_bits(void **state)
{
    net whole = dropping();
    char other[90];
    ek_fit_result a, b;

    EK_UNUSED(state);
    snprintf(other, sizeof other, "%s/other", folder);
    assert_int_equal(EK_OK, ek_fit(whole.session, whole.train, FILES_FIT(whole), .logdir = other, .result = &a));
    assert_false(a.resumed);
    for (int64_t stop = 7; stop < 60; stop += 22) {
        net part = dropping();

        assert_int_equal(EK_OK, ek_fit(part.session, part.train, FILES_FIT(part), .resume = stop > 7, .callback = stop_at,
                                       .callback_arg = &stop, .result = &b));
        assert_int_equal(EK_FIT_STOPPED, b.end);
        assert_int_equal(stop, b.step);
        net_destroy(&part);
    }
    net rest = dropping();
    assert_int_equal(EK_OK, ek_fit(rest.session, rest.train, FILES_FIT(rest), .resume = true, .result = &b));
    assert_true(b.resumed);
    assert_int_equal(EK_FIT_DONE, b.end);
    assert_same_variables(&whole, &rest);
    assert_true(a.eval_loss == b.eval_loss && a.best == b.best && a.best_step == b.best_step && a.loss == b.loss);
    assert_int_equal(a.epoch, b.epoch);
    net_destroy(&whole);
    net_destroy(&rest);
}

/* As after kill -9: what came after the last checkpoint is lost, and comes again. */
static void what_was_not_saved_comes_again(void **state)
{
    net whole = dropping(), killed = dropping(), rest = dropping();
    char other[90], command[400];

    EK_UNUSED(state);
    snprintf(other, sizeof other, "%s/other", folder);
    assert_int_equal(EK_OK, ek_fit(whole.session, whole.train, FILES_FIT(whole), .logdir = other));
    assert_int_equal(EK_OK, ek_fit(killed.session, killed.train, FILES_FIT(killed)));
    snprintf(command, sizeof command, "cd %s && rm model.ckpt-60* && printf 'model_checkpoint_path: \"model.ckpt-40\"\\n' > checkpoint", logdir);
    assert_int_equal(0, system(command));
    assert_int_equal(EK_OK, ek_fit(rest.session, rest.train, FILES_FIT(rest), .resume = true));
    assert_same_variables(&whole, &rest);
    net_destroy(&whole);
    net_destroy(&killed);
    net_destroy(&rest);
}

static void the_last_checkpoints_and_the_best_are_kept(void **state)
{
    net n = net_create(true);
    ek_fit_result r;
    char prefix[160];

    EK_UNUSED(state);
    assert_int_equal(EK_OK, ek_fit(n.session, n.train, FILES_FIT(n), .keep = 2, .result = &r));
    for (int i = 0; i <= 60; i += 20) {
        snprintf(prefix, sizeof prefix, "%s/model.ckpt-%d", logdir, i);
        assert_int_equal(i >= 40, ek_checkpoint_exists(prefix));
    }
    assert_string_equal(prefix, r.checkpoint);
    assert_true(r.best_step > 0 && r.best > 0.3);
    snprintf(prefix, sizeof prefix, "%s/best/model.ckpt-%d", logdir, (int)r.best_step);
    assert_string_equal(prefix, r.best_checkpoint);
    for (int i = 15; i <= 60; i += 15) {
        snprintf(prefix, sizeof prefix, "%s/best/model.ckpt-%d", logdir, i);
        assert_int_equal(i == r.best_step, ek_checkpoint_exists(prefix));
    }
    net_destroy(&n);
}

static void a_checkpoint_that_a_killed_process_forgot_is_removed(void **state)
{
    net n = dropping(), rest = dropping();
    char command[900], path[120];

    EK_UNUSED(state);
    assert_int_equal(EK_OK, ek_fit(n.session, n.train, FILES_FIT(n), .keep = 2));
    for (int best = 0; best < 2; best++) {
        snprintf(command, sizeof command, "cd %s%s && for f in model.ckpt-*.*; do cp $f model.ckpt-1.${f#*.*.}; cp $f $f.txt; done && "
                 "cp model.ckpt-1.data-00000-of-00002 model.ckpt-2.data-00000-of-00002 && cp model.ckpt-1.meta model.ckpt-3.meta && "
                 "touch checkpoint.12.3.part model.ckpt-60.meta.12.3.part model.ckpt-2.data-00001-of-00002.9.9.part notes.1.2.part",
                 logdir, best ? "/best" : "");
        assert_int_equal(0, system(command));
    }
    assert_int_equal(EK_OK, ek_fit(rest.session, rest.train, FILES_FIT(rest), .keep = 2, .steps = 70, .resume = true));
    snprintf(path, sizeof path, "%s/model.ckpt-1", logdir);
    assert_false(ek_checkpoint_exists(path));
    snprintf(path, sizeof path, "%s/best/model.ckpt-1", logdir);
    assert_false(ek_checkpoint_exists(path));
    snprintf(command, sizeof command, "ls %s %s/best | grep -vE 'txt$|notes' | grep -E 'ckpt-[123][.]|part$'", logdir, logdir);
    assert_int_not_equal(0, system(command));
    /* What only looks like one stays. */
    snprintf(path, sizeof path, "%s/notes.1.2.part", logdir);
    assert_int_equal(0, access(path, F_OK));
    snprintf(path, sizeof path, "%s/model.ckpt-60.index.txt", logdir);
    assert_int_equal(0, access(path, F_OK));
    net_destroy(&n);
    net_destroy(&rest);
}

static void a_full_folder_is_refused(void **state)
{
    net n = net_create(true);
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    assert_int_equal(EK_ALREADY_EXISTS, ek_fit(n.session, n.train, FILES_FIT(n), .logdir = "/usr", .error = &err));
    assert_string_equal("the folder '/usr' is not empty; resume what is in it, or choose another", err.text);
    /* An empty one is not, nor is resuming where there is nothing yet. */
    assert_int_equal(EK_OK, ek_fit(n.session, n.train, FILES_FIT(n), .steps = 2, .resume = true));
    net_destroy(&n);
}

/* Beginning again from the first step would overwrite what is there. */
static void a_folder_that_does_not_tell_its_last_checkpoint_stays_as_it_is(void **state)
{
    static const struct { const char *damage, *words; } cases[] = {
        { "echo garbage > checkpoint", "is no checkpoint state" },
        { ": > checkpoint", "Invalid checkpoint state" },
        { "rm checkpoint", "has the checkpoint model.ckpt-40 and no file 'checkpoint'" },
        { "echo 'model_checkpoint_path: \"model.ckpt-50\"' > checkpoint", "Couldn't match files for checkpoint" },
        { "echo garbage > best/checkpoint", "is no checkpoint state" },
    };
    net n = net_create(true);
    ek_array *settings;
    char command[400];

    EK_UNUSED(state);
    assert_int_equal(EK_OK, ek_fit(n.session, n.train, FILES_FIT(n), .steps = 40));
    snprintf(command, sizeof command, "cp -r %s %s.whole", logdir, logdir);
    assert_int_equal(0, system(command));
    for (int i = 0; i < EK_COUNT_OF(cases); i++) {
        ek_error err = { .code = EK_OK };

        snprintf(command, sizeof command, "rm -r %s && cp -r %s.whole %s && cd %s && %s", logdir, logdir, logdir, logdir,
                 cases[i].damage);
        assert_int_equal(0, system(command));
        assert_int_equal(EK_NOT_FOUND, ek_fit(n.session, n.train, FILES_FIT(n), .resume = true, .error = &err));
        if (strstr(err.text, cases[i].words) == NULL) fail_msg("expected '%s' in: %s", cases[i].words, err.text);
        snprintf(command, sizeof command, "diff -r -x checkpoint %s %s.whole", logdir, logdir);
        assert_int_equal(0, system(command));
        if (strstr(cases[i].damage, "best") == NULL)
            assert_int_equal(EK_NOT_FOUND, ek_fit_settings_load(logdir, &settings, NULL));
    }
    net_destroy(&n);
}

static void other_settings_are_refused(void **state)
{
    net n = net_create(true);
    ek_error err = { .code = EK_OK };
    const ek_fit_setting was[] = { { "rate", "0.1" }, { "model", "mlp" } }, now[] = { { "model", "mlp" }, { "rate", "0.2" } };
    const ek_fit_setting new_one[] = { { "seed", "3" } };
    char expected[300];

    EK_UNUSED(state);
    assert_int_equal(EK_OK, ek_fit(n.session, n.train, FILES_FIT(n), .steps = 2, .settings = was, .n_settings = 2));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_fit(n.session, n.train, FILES_FIT(n), .resume = true, .settings = now,
                                                 .n_settings = 2, .error = &err));
    snprintf(expected, sizeof expected, "rate is '0.2' now; the run of %s/model.ckpt-2 was made with '0.1'", logdir);
    assert_non_null(strstr(err.text, expected));
    err.code = EK_OK;
    assert_int_equal(EK_INVALID_ARGUMENT, ek_fit(n.session, n.train, FILES_FIT(n), .resume = true, .settings = new_one,
                                                 .n_settings = 1, .error = &err));
    assert_non_null(strstr(err.text, "was made with none"));
    assert_int_equal(EK_OK, ek_fit(n.session, n.train, FILES_FIT(n), .steps = 3, .resume = true, .settings = was, .n_settings = 2));
    net_destroy(&n);
}

/* What makes it so is an assignment in the fifth step. */
static void numbers_that_are_none_are_not_saved(void **state)
{
    net n = net_create(true);
    ek_error err = { .code = EK_OK };
    ek_fit_result r;
    char prefix[160], expected[300];
    const ek_variable w = ek_variable_by_name(n.graph, "logits/bias");
    const ek_tensor step = ek_cast(ek_get_global_step(n.graph), EK_FLOAT32);
    const ek_tensor poison = ek_assign_add(w, ek_add(ek_zeros(n.graph, EK_SHAPE(10)), ek_log(ek_minimum(ek_minus(5.0, step), 1.0))));

    EK_UNUSED(state);
    assert_int_equal(EK_ABORTED, ek_fit(n.session, n.train, FILES_FIT(n), .save_every = 1, .then = { ek_tensor_op(poison) },
                                        .result = &r, .error = &err));
    assert_int_equal(EK_FIT_NOT_FINITE, r.end);
    assert_int_equal(5, r.step);
    snprintf(prefix, sizeof prefix, "%s/model.ckpt-4", logdir);
    assert_string_equal(prefix, r.checkpoint);
    assert_true(ek_checkpoint_exists(prefix));
    snprintf(expected, sizeof expected, "variable 'logits/bias:0' is not finite after step 5, so nothing was saved; training "
                                        "stopped, the last good checkpoint is %s", prefix);
    assert_non_null(strstr(err.text, expected));
    net_destroy(&n);
}

static void a_checkpoint_of_others_is_told(void **state)
{
    net n = net_create(true);
    ek_saver *saver = ek_saver_create(n.graph);
    ek_error err = { .code = EK_OK };
    char prefix[160];

    EK_UNUSED(state);
    assert_int_equal(EK_OK, ek_fit(n.session, n.train, FILES_FIT(n), .steps = 1));
    snprintf(prefix, sizeof prefix, "%s/model.ckpt", logdir);
    assert_int_equal(EK_OK, ek_saver_save(saver, n.session, prefix, .global_step = 9));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_fit(n.session, n.train, FILES_FIT(n), .resume = true, .error = &err));
    assert_non_null(strstr(err.text, "model.ckpt-9 has no place to go on from"));
    net_destroy(&n);
}

typedef struct skips {
    int n;
    char last[200];
} skips;

static void skip_one(const char *variable, const char *why, void *arg)
{
    skips *k = arg;

    k->n++;
    snprintf(k->last, sizeof k->last, "%s %s", variable, why);
}

static void variables_that_fit_begin_where_another_run_ended(void **state)
{
    net n = net_create(true), same = net_create(true), other = net_create(false);
    skips s = { 0 };
    int64_t restored;
    ek_fit_result r;
    ek_array *u, *v;
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    assert_int_equal(EK_OK, ek_fit(n.session, n.train, FILES_FIT(n), .steps = 5, .result = &r));
    assert_int_equal(EK_OK, ek_init_from(same.session, r.checkpoint, .skipped = skip_one, .arg = &s, .restored = &restored));
    assert_int_equal(0, s.n);
    assert_int_equal(ek_global_variables(n.graph).count - 1, restored);
    assert_int_equal(EK_OK, ek_session_get(n.session, ek_variable_by_name(n.graph, "dense/kernel"), &u));
    assert_int_equal(EK_OK, ek_session_get(same.session, ek_variable_by_name(same.graph, "dense/kernel"), &v));
    assert_true(ek__array_equal(u, v));
    ek_array_unref(u);
    ek_array_unref(v);
    assert_int_equal(EK_OK, ek_session_get(same.session, ek_get_global_step(same.graph), &v));
    assert_true(ek_array_get(v, 0) == 0);
    ek_array_unref(v);
    assert_int_equal(EK_OK, ek_init_from(other.session, r.checkpoint, .skipped = skip_one, .arg = &s));
    assert_int_equal(3 * 3, s.n); /* biases with what Adam keeps of them */
    assert_string_equal("dense_2/bias/Adam_1 is not in the checkpoint", s.last);
    assert_int_equal(EK_NOT_FOUND, ek_init_from(other.session, "/nowhere/model", .error = &err));
    net_destroy(&n);
    net_destroy(&same);
    net_destroy(&other);
}

/* ---- what goes wrong below ------------------------------------------------------------------------------------ */

static ek_file_ops failing;
static long calls, fail_at;

static bool fails(void)
{
    if (++calls != fail_at) return false;
    errno = ENOSPC;
    return true;
}

static ssize_t failing_write(int fd, const void *data, size_t size) { return fails() ? -1 : ek__file_system.write(fd, data, size); }
static int failing_fsync(int fd) { return fails() ? -1 : ek__file_system.fsync(fd); }
static int failing_rename(const char *from, const char *to) { return fails() ? -1 : ek__file_system.rename(from, to); }

/* A call that writes fails, one after the other: it is told, and what was saved before is gone on from, to the same bits. */
static void a_full_disk_loses_nothing(void **state)
{
    net whole = dropping();
    char other[90];

    EK_UNUSED(state);
    snprintf(other, sizeof other, "%s/other", folder);
    assert_int_equal(EK_OK, ek_fit(whole.session, whole.train, FILES_FIT(whole), .steps = 20, .save_every = 5, .logdir = other));
    failing = ek__file_system;
    failing.write = failing_write;
    failing.fsync = failing_fsync;
    failing.rename = failing_rename;
    for (fail_at = 1; ; fail_at += 1 + fail_at / 4) {
        net part = dropping(), rest = dropping();
        ek_error err = { .code = EK_OK };
        ek_status st;

        snprintf(logdir, sizeof logdir, "%s/run%ld", folder, fail_at);
        calls = 0;
        ek__file_ops_set(&failing);
        st = ek_fit(part.session, part.train, FILES_FIT(part), .steps = 20, .save_every = 5, .error = &err);
        ek__file_ops_set(NULL);
        if (calls < fail_at) assert_int_equal(EK_OK, st);
        if (st != EK_OK) assert_non_null(strstr(err.text, "No space left on device"));
        assert_int_equal(EK_OK, ek_fit(rest.session, rest.train, FILES_FIT(rest), .steps = 20, .save_every = 5, .resume = true));
        assert_same_variables(&whole, &rest);
        net_destroy(&part);
        net_destroy(&rest);
        if (calls < fail_at) break;
    }
    assert_true(fail_at > 50);
    net_destroy(&whole);
}

static void no_memory_is_an_error(void **state)
{
    ek_test_allocator t;
    ek_error err;
    long k = 1;

    EK_UNUSED(state);
    ek_test_allocator_install(&t, 0);
    net n = net_create(true);
    for (bool done = false; !done; k += 1 + k / 8) {
        snprintf(logdir, sizeof logdir, "%s/run%ld", folder, k);
        err.code = EK_OK;
        t.fail_at = t.calls + k;
        const ek_status st = ek_fit(n.session, n.train, FILES_FIT(n), .steps = 2, .save_every = 1, .eval_every = 1, .error = &err);
        done = t.calls < t.fail_at;
        t.fail_at = 0;
        if (st != EK_OK) assert_int_equal(EK_RESOURCE_EXHAUSTED, st);
        if (ek_graph_status(n.graph, NULL) == EK_OK) continue;
        net_destroy(&n); /* the saver's nodes could not be built: the graph keeps that */
        n = net_create(true);
    }
    assert_true(k > 100);
    net_destroy(&n);
    assert_int_equal(0, t.live);
    ek_test_allocator_remove();
}

int main(void)
{
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, new_folder, drop_folder)
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(a_resumed_run_ends_with_the_same_bits), IN_A_FOLDER(what_was_not_saved_comes_again),
        IN_A_FOLDER(a_checkpoint_that_a_killed_process_forgot_is_removed),
        IN_A_FOLDER(the_last_checkpoints_and_the_best_are_kept), IN_A_FOLDER(a_full_folder_is_refused),
        IN_A_FOLDER(other_settings_are_refused), IN_A_FOLDER(numbers_that_are_none_are_not_saved),
        IN_A_FOLDER(a_checkpoint_of_others_is_told),
        IN_A_FOLDER(a_folder_that_does_not_tell_its_last_checkpoint_stays_as_it_is),
        IN_A_FOLDER(a_full_disk_loses_nothing), IN_A_FOLDER(no_memory_is_an_error),
        IN_A_FOLDER(variables_that_fit_begin_where_another_run_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
