/* tests/train/curves_test.c - what a training run writes for TensorBoard. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "evenkeel/events.h"
#include "support/support.h"
#include "train_net.h"

static char folder[64];

static int new_folder(void **state)
{
    *state = NULL;
    strcpy(folder, "/tmp/ek_cur_XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int drop_folder(void **state)
{
    char command[100];

    EK_UNUSED(state);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* What one tag has in a folder's files, in the order in which they were made. */
typedef struct curve {
    int64_t step[64];
    double value[64]; /* of a histogram: how many numbers */
    int n;
    int64_t start;    /* step of a session log that says START; -1: there is none */
    bool graph;
} curve;

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static void read_file(const char *path, const char *tag, curve *c)
{
    ek_event_reader *r;
    ek_event e;
    ek_error err = { .code = EK_OK };

    assert_int_equal(EK_OK, ek_event_reader_open(path, &r, NULL));
    while (ek_event_reader_next(r, &e, &err) == EK_OK) {
        if (e.kind == EK_EVENT_SESSION_LOG && e.status == EK_SESSION_START) c->start = e.step;
        c->graph = c->graph || e.kind == EK_EVENT_GRAPH;
        for (int64_t i = 0; i < e.n_values; i++) {
            if (strcmp(e.values[i].tag, tag) != 0) continue;
            c->step[c->n] = e.step;
            c->value[c->n++] = e.values[i].kind == EK_SUMMARY_HISTOGRAM ? e.values[i].histogram.num : (double)e.values[i].scalar;
        }
    }
    assert_int_equal(EK_OUT_OF_RANGE, err.code);
    ek_event_reader_close(r);
}

static curve read_curve(const char *run, const char *tag)
{
    curve c = { .start = -1 };
    struct dirent **entry;
    char dir[200], path[500];

    snprintf(dir, sizeof dir, "%s/run/%s", folder, run);
    const int n = scandir(dir, &entry, NULL, by_name);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, entry[i]->d_name);
        if (strstr(entry[i]->d_name, "tfevents") != NULL) read_file(path, tag, &c);
        free(entry[i]);
    }
    if (n >= 0) free(entry);
    return c;
}

static void assert_steps(const curve *c, int64_t every, int n)
{
    assert_int_equal(n, c->n);
    for (int i = 0; i < n; i++) assert_int_equal(every * (i + 1), c->step[i]);
}

static net net_with_rate(ek_tensor *rate)
{
    net n = net_create(true);

    *rate = ek_decay_named(n.graph, "linear", 0.5, 100, EK_HERE);
    return n;
}

#define CURVES_FIT(n) \
    NET_FIT(n), .logdir = logdir, .log_every = 10, .eval_every = 20, .save_every = 20, .eval_data = (n).test

static void curves_have_tensorboards_tags(void **state)
{
    ek_tensor rate;
    net n = net_with_rate(&rate);
    char logdir[80];
    ek_fit_result r;
    curve c;

    EK_UNUSED(state);
    snprintf(logdir, sizeof logdir, "%s/run", folder);
    assert_int_equal(EK_OK, ek_fit(n.session, n.train, CURVES_FIT(n), .steps = 40, .learning_rate = rate, .result = &r));
    c = read_curve("train", "loss");
    assert_steps(&c, 10, 4);
    assert_true(c.graph && c.start == -1 && c.value[3] < c.value[0]);
    c = read_curve("train", "accuracy");
    assert_steps(&c, 10, 4);
    c = read_curve("train", "learning_rate");
    assert_steps(&c, 10, 4);
    for (int i = 0; i < 4; i++) assert_true(c.value[i] > 0.5 * (1 - 0.1 * (i + 1)) - 1e-6 && c.value[i] < 0.5 * (1 - 0.1 * (i + 1)) + 1e-6);
    c = read_curve("eval", "loss");
    assert_steps(&c, 20, 2);
    assert_true(c.value[1] == (double)(float)r.eval_loss);
    for (int i = 0; i < 4; i++) {
        c = read_curve("train", (const char *[]){ "batch_normalization/gamma", "batch_normalization_2/beta",
                                                  "batch_normalization_1/moving_mean", "batch_normalization/moving_variance" }[i]);
        assert_steps(&c, 20, 2);
        assert_true(c.value[0] == 100);
    }
    net_destroy(&n);
}

static void a_resumed_run_says_where_it_starts(void **state)
{
    net n = net_create(true), m = net_create(true);
    char logdir[80];
    curve c;

    EK_UNUSED(state);
    snprintf(logdir, sizeof logdir, "%s/run", folder);
    assert_int_equal(EK_OK, ek_fit(n.session, n.train, CURVES_FIT(n), .steps = 40));
    assert_int_equal(EK_OK, ek_fit(m.session, m.train, CURVES_FIT(m), .steps = 60, .resume = true));
    c = read_curve("train", "loss");
    assert_int_equal(41, c.start);
    assert_int_equal(6, c.n);
    c = read_curve("eval", "accuracy");
    assert_int_equal(41, c.start);
    assert_int_equal(3, c.n);
    net_destroy(&n);
    net_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(curves_have_tensorboards_tags, new_folder, drop_folder),
        cmocka_unit_test_setup_teardown(a_resumed_run_says_where_it_starts, new_folder, drop_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
