/* tests/runtime/watch_more_test.c - watching under threads and without memory, and networks that TensorFlow wrote. */
#include "watch_net.h"

#include <pthread.h>
#include <stdlib.h>

#include "support/imported.h"

/* ---- threads --------------------------------------------------------------------------------------------- */

enum { THREADS = 6, STEPS = 40 };

typedef struct crew {
    ek_session *s;
    const net *n;
    atomic_int failures, order;
} crew;

/* Some train, with batches of several sizes, and some ask for inference. */
static void *work(void *arg)
{
    crew *c = arg;
    const int me = atomic_fetch_add(&c->order, 1);
    const bool on = true;
    bool ok = true;

    for (int i = 0; i < STEPS && ok; i++) {
        ek_array *x = rows(4 + i % 3);
        if (me % 2 == 0)
            ok = step(c->s, c->n, 4 + i % 9, &on, me == 0 ? ek_get_collection(c->n->g, EK_UPDATE_OPS) : EK_EMPTY_LIST) == EK_OK;
        else
            ok = ek_run(c->s, .feed = { { c->n->x, x } }, .fetch = { { c->n->y, NULL } }) == EK_OK;
        ek_array_unref(x);
    }
    if (!ok) atomic_fetch_add(&c->failures, 1);
    return NULL;
}

static void threads_hear_each_thing_once(void **state)
{
    (void)state;
    const net n = flagged(false, 0.99, false);
    heard h = { 0 };
    crew c = { .s = session_of(&n, &h), .n = &n };
    pthread_t thread[THREADS];
    int times[3] = { 0 };

    ek_get_collection(n.g, EK_UPDATE_OPS); /* a copy is made the first time: by one thread */
    for (int i = 0; i < THREADS; i++) assert_int_equal(0, pthread_create(&thread[i], NULL, work, &c));
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    assert_int_equal(0, atomic_load(&c.failures));
    infer(c.s, &n, 4);
    for (int i = 0; i < atomic_load(&h.n); i++)
        times[strcmp(h.at[i].rule, "BN001") == 0 ? 0 : strcmp(h.at[i].rule, "BN007") == 0 ? 1 : 2]++;
    assert_true(times[0] <= 1); /* where updates came first there was nothing to say */
    assert_int_equal(1, times[1]);
    assert_int_equal(1, times[2]);
    end(c.s, &n);
}

/* ---- no memory ------------------------------------------------------------------------------------------------ */

static net no_memory_net;
static int last_heard;

static ek_status train_without_memory(void)
{
    const net *n = &no_memory_net;
    const bool on = true;
    heard h = { 0 };
    ek_error err = { 0 };
    ek_session *s = ek_session_create(n->g, .report = hear, .report_arg = &h, .error = &err);
    ek_array *x = rows(4);
    ek_op init = { NULL, -1 };
    ek_status st = s == NULL ? err.code : x == NULL ? EK_RESOURCE_EXHAUSTED : ek_graph_op_by_name(n->g, "init", &init);

    if (st == EK_OK) st = ek_run(s, .target = { init });
    if (st == EK_OK) st = step(s, n, 4, &on, EK_EMPTY_LIST);
    if (st == EK_OK) st = ek_run(s, .feed = { { n->x, x } }, .fetch = { { n->y, NULL } });
    last_heard = atomic_load(&h.n);
    ek_array_unref(x);
    ek_session_destroy(s);
    return st;
}

static void without_memory_there_is_an_error_and_no_leak(void **state)
{
    (void)state;
    no_memory_net = flagged(false, 0.99, false);
    ek_global_variables_initializer(no_memory_net.g);
    assert_int_equal(EK_OK, ek_graph_status(no_memory_net.g, NULL));
    assert_int_equal(EK_OK, train_without_memory());
    assert_int_equal(2, last_heard); /* BN001 and BN013 */
    ek_test_refuse_each(train_without_memory, 0);
    ek_graph_destroy(no_memory_net.g);
}

/* ---- losses that are no numbers ---------------------------------------------------------------------------------- */

/* The rate is far too high: some step's loss is no number, and its op and the step are named. */
static void a_loss_that_is_no_number_is_named(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    const ek_variable w = ek_variable_create(g, 3.0, .name = "w");
    const ek_tensor loss = ek_log(ek_variable_value(w), .name = "loss"); /* falls below 0 in the third step */
    const ek_op train = ek_minimize(ek_gradient_descent_optimizer(g, 5.0), loss, .global_step = ek_get_or_create_global_step(g));
    ek_session *s = ek_session_create(g, .check_numerics = true);
    ek_error err = { 0 };
    int steps = 0;

    EK_DIE(ek_graph_status(g, NULL));
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(g) }));
    while (steps < 10 && ek_run(s, .fetch = { { loss, NULL } }, .target = { train }, .error = &err) == EK_OK) steps++;
    assert_int_equal(2, steps);
    assert_string_equal(err.node, "loss");
    assert_string_equal(err.text, "loss:0 of type Log has NaN, first at element 0 of 1, in run 4 of the session, global_step 2\n\t "
                                  "[[{{node loss}}]]");
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* ---- what TensorFlow wrote --------------------------------------------------------------------------------------- */

/* The MetaGraph of a misuse program: from its own initializer, its own train op on made-up samples. */
static void train_misuse(const char *name, const char *rules, const char *text)
{
    heard h = { 0 };
    char file[200];
    ek_tensor x, labels;
    ek_op init, train_op;

    snprintf(file, sizeof file, "misuse/%s/model.meta", name);
    const char *path = ek_test_data(file);
    ek_graph *g = path != NULL ? case_load_graph(path) : NULL;
    if (g == NULL) skip();
    EK_DIE(ek_graph_op_by_name(g, "init", &init));
    EK_DIE(ek_graph_op_by_name(g, "GradientDescent", &train_op));
    EK_DIE(ek_graph_tensor_by_name(g, "x:0", &x));
    EK_DIE(ek_graph_tensor_by_name(g, "labels:0", &labels));
    const int64_t width = ek_tensor_shape(x).dim[1];
    ek_array *in = ek_array_of(EK_FLOAT32, EK_SHAPE(32, width), NULL), *of = ek_array_of(ek_tensor_dtype(labels), EK_SHAPE(32), NULL);
    for (int64_t i = 0; i < 32 * width; i++) ek_array_f32(in)[i] = (float)((i * 7919) % 31) / 10 - 1;
    ek_session *s = ek_session_create(g, .report = hear, .report_arg = &h);
    EK_DIE(ek_run(s, .target = { init }));
    for (int i = 0; i < 3; i++) EK_DIE(ek_run(s, .feed = { { x, in }, { labels, of } }, .target = { train_op }));
    expect_heard(&h, rules);
    if (text != NULL) assert_non_null(strstr(h.at[0].text, text));
    ek_array_unref(in);
    ek_array_unref(of);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void misused_graphs_are_told(void **state)
{
    (void)state;
    train_misuse("BN001_updates_not_run", "BN001",
                 "the moving mean and variance of norm are updated by norm/AssignMovingAvg and norm/AssignMovingAvg_1, but no path "
                 "leads from them to the train step GradientDescent,");
    train_misuse("BN008_training_graph_in_inference_mode", "BN008", "norm is trained by GradientDescent in inference mode");
    train_misuse("BN001_updates_not_run_ok", "", NULL);
    train_misuse("BN008_training_graph_in_inference_mode_ok", "", NULL);
    train_misuse("BN002_frozen_in_training_mode", "", NULL);
    train_misuse("BN004_saver_of_trainable_variables", "", NULL);
    train_misuse("BN007_momentum_too_slow", "", NULL); /* nothing here asks for inference */
    train_misuse("BN044_bias_before", "", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_hear_each_thing_once),
        cmocka_unit_test(without_memory_there_is_an_error_and_no_leak),
        cmocka_unit_test(a_loss_that_is_no_number_is_named),
        cmocka_unit_test(misused_graphs_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
