/* Many threads share one session: runs are atomic, plans are found and made at the same time. */
#include "build.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { THREADS = 8, RUNS = 300 };

typedef struct shared {
    ek_session *s;
    ek_tensor x, flag, y, a, b;
    ek_op up;
    atomic_int failures;
} shared;

/* y = x * 2 or -x by a flag; a and b are variables that every update moves together. */
static shared build(ek_graph *g)
{
    shared m = { .x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(-1)),
                 .flag = placeholder(g, "flag", EK_BOOL, EK_SCALAR) };
    const ek_op sw = node(g, "Switch", "sw", (ek_tensor[]){ m.x, m.flag }, 2);

    m.y = out(node(g, "Merge", "y", (ek_tensor[]){ unary(g, "Neg", "n", out(sw, 0)),
                                                   binary(g, "AddV2", "t", out(sw, 1), out(sw, 1)) }, 2), 0);
    m.a = variable(g, "VariableV2", "a", EK_SHAPE(64));
    m.b = variable(g, "VariableV2", "b", EK_SHAPE(64));
    const ek_tensor zeros = constant(g, "zeros", f32(EK_SHAPE(64), NULL));
    float ones[64];
    for (int i = 0; i < 64; i++) ones[i] = 1;
    const ek_tensor one = constant(g, "ones", f32(EK_SHAPE(64), ones));
    const ek_op ia = write_to(g, "Assign", "ia", m.a, zeros, NULL, 0),
                ib = write_to(g, "Assign", "ib", m.b, zeros, NULL, 0);
    const ek_op ua = write_to(g, "AssignAdd", "ua", m.a, one, NULL, 0);
    m.up = write_to(g, "AssignAdd", "ub", m.b, one, &ua, 1);
    EK_DIE(ek_graph_status(g, NULL));
    m.s = ek_session_create(g);
    EK_DIE(ek_run(m.s, .target = { ia, ib }));
    return m;
}

static void *work(void *arg)
{
    shared *m = arg;
    ek_array *y = NULL, *a = NULL, *b = NULL, *flag[] = { scalar_bool(false), scalar_bool(true) };
    bool ok = true;

    for (int i = 0; i < RUNS && ok; i++) {
        const int n = 1 + i % 5;
        const float v[5] = { 1, 2, 3, 4, 5 };
        ek_array *x = f32((ek_shape){ .dim = { n }, .rank = 1 }, v);

        ok = ek_run(m->s, .feed = { { m->x, x }, { m->flag, flag[i % 2] } }, .fetch = { { m->y, &y } }) == EK_OK;
        for (int k = 0; k < n && ok; k++)
            ok = ((const float *)ek_array_cdata(y))[k] == (i % 2 != 0 ? 2 * v[k] : -v[k]);
        if (ok && i % 3 == 0) ok = ek_run(m->s, .target = { m->up }) == EK_OK;
        if (ok) ok = ek_run(m->s, .fetch = { { m->a, &a }, { m->b, &b } }) == EK_OK;
        if (ok)
            ok = memcmp(ek_array_cdata(a), ek_array_cdata(b), 64 * sizeof(float)) == 0; /* no run sees half an update */
        ek_array_unref(x);
    }
    if (!ok) atomic_fetch_add(&m->failures, 1);
    ek_array_unref(y);
    ek_array_unref(a);
    ek_array_unref(b);
    ek_array_unref(flag[0]);
    ek_array_unref(flag[1]);
    return NULL;
}

static void eight_threads_share_a_session(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    shared m = build(g);
    pthread_t thread[THREADS];
    ek_array *a = NULL;

    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&thread[i], NULL, work, &m), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    assert_int_equal(m.failures, 0);
    EK_DIE(ek_run(m.s, .fetch = { { m.a, &a } }));
    assert_true(*(const float *)ek_array_cdata(a) == (float)(THREADS * RUNS / 3));
    ek_array_unref(a);
    ek_session_destroy(m.s);
    ek_graph_destroy(g);
}

static void *build_on(void *arg)
{
    shared *m = arg;
    ek_tensor t = m->x;

    for (int i = 0; i < 500; i++) t = unary(m->x.graph, "Neg", "more", t);
    return NULL;
}

static void a_graph_grows_while_it_runs(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    shared m = build(g);
    pthread_t runner[2], builder;

    assert_int_equal(pthread_create(&builder, NULL, build_on, &m), 0);
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&runner[i], NULL, work, &m), 0);
    pthread_join(builder, NULL);
    for (int i = 0; i < 2; i++) pthread_join(runner[i], NULL);
    assert_int_equal(m.failures, 0);
    EK_DIE(ek_graph_status(g, NULL));

    ek_array *x = f32(EK_SHAPE(1), (float[]){ 3 }), *y = NULL;
    const ek_tensor last = out(ek_graph_op_at(g, ek_graph_op_count(g) - 1), 0); /* later than the session */
    EK_DIE(ek_run(m.s, .feed = { { m.x, x } }, .fetch = { { last, &y } }));
    assert_floats(y, 1, (float[]){ 3 });
    ek_array_unref(x);
    ek_array_unref(y);
    ek_session_destroy(m.s);
    ek_graph_destroy(g);
}

/* Large element-wise work is cut into chunks; their number follows from the size alone, so the bits are the same. */
static void the_number_of_threads_changes_no_bit(void **state)
{
    (void)state;
    enum { N = 300 * 1000 };
    ek_graph *g = ek_graph_create();
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(-1));
    const ek_tensor y = unary(g, "Tanh", "y", binary(g, "Mul", "m", x, unary(g, "Exp", "e", x)));
    float *v = malloc(N * sizeof *v);
    ek_array *got[4] = { NULL };

    for (int i = 0; i < N; i++) v[i] = (float)(i % 1013) / 500.0f - 1.0f;
    ek_array *in = f32(EK_SHAPE(N), v);
    EK_DIE(ek_graph_status(g, NULL));
    for (int k = 0; k < 4; k++) {
        ek_session *s = ek_session_create(g, .threads = k % 2 == 0 ? 1 : 4, .fuse = k < 2 ? EK_YES : EK_NO);

        EK_DIE(ek_run(s, .feed = { { x, in } }, .fetch = { { y, &got[k] } }));
        assert_memory_equal(ek_array_cdata(got[k]), ek_array_cdata(got[0]), N * sizeof(float));
        ek_session_destroy(s);
    }
    for (int k = 0; k < 4; k++) ek_array_unref(got[k]);
    ek_array_unref(in);
    free(v);
    ek_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_threads_share_a_session),
        cmocka_unit_test(a_graph_grows_while_it_runs),
        cmocka_unit_test(the_number_of_threads_changes_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
