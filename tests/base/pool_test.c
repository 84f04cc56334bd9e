/* The thread pool: every chunk once, whoever runs it. Meant to be run under a thread sanitizer too. */
#include "base/pool.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/support.h"

enum { N = 5000 };

typedef struct loop {
    int seen[N]; /* not atomic: two threads on one chunk are a race to be reported */
    int threads;
    atomic_int running, most;
} loop;

static void count(void *arg, int64_t i)
{
    loop *l = arg;
    const int now = atomic_fetch_add(&l->running, 1) + 1;

    if (now > atomic_load(&l->most)) atomic_store(&l->most, now);
    l->seen[i]++;
    atomic_fetch_sub(&l->running, 1);
}

static void check(const loop *l, int n, int times)
{
    for (int i = 0; i < n; i++) assert_int_equal(l->seen[i], times);
    for (int i = n; i < N; i++) assert_int_equal(l->seen[i], 0);
}

static void every_chunk_runs_once(void **state)
{
    EK_UNUSED(state);
    for (int threads = 0; threads <= 5; threads++) {
        static const int sizes[] = { 0, 1, 2, 3, 7, 100, N };

        for (int k = 0; k < EK_COUNT_OF(sizes); k++) {
            static loop l;

            memset(&l, 0, sizeof l);
            ek__parallel_for(threads, sizes[k], count, &l);
            check(&l, sizes[k], 1);
            assert_true(atomic_load(&l.most) <= (threads > 1 ? threads : 1));
        }
    }
}

static void many_short_loops_in_a_row(void **state)
{
    static loop l;

    EK_UNUSED(state);
    memset(&l, 0, sizeof l);
    for (int i = 0; i < 20000; i++) ek__parallel_for(2, 4, count, &l);
    check(&l, 4, 20000);
}

static void workers_that_fell_asleep_wake_up(void **state)
{
    static loop l;

    EK_UNUSED(state);
    memset(&l, 0, sizeof l);
    for (int i = 0; i < 20; i++) {
        usleep(3000);
        ek__parallel_for(3, 100, count, &l);
    }
    check(&l, 100, 20);
}

static void nested(void *arg, int64_t i)
{
    EK_UNUSED(i);
    ek__parallel_for(4, 50, count, arg);
}

static void nested_loops_run_inline(void **state)
{
    static loop l[1];

    EK_UNUSED(state);
    memset(&l, 0, sizeof l);
    ek__parallel_for(1, 3, nested, l);
    check(l, 50, 3);
}

static void wide_nested(void *arg, int64_t i)
{
    loop *l = arg;

    ek__parallel_for(4, 50, count, &l[i]);
}

static void nested_loops_of_several_threads(void **state)
{
    static loop l[8];

    EK_UNUSED(state);
    memset(&l, 0, sizeof l);
    ek__parallel_for(3, 8, wide_nested, l);
    for (int i = 0; i < 8; i++) {
        check(&l[i], 50, 1);
        assert_int_equal(atomic_load(&l[i].most), 1);
    }
}

static void *caller(void *arg)
{
    loop *l = arg;

    for (int i = 0; i < 300; i++) ek__parallel_for(l->threads, 64, count, l);
    return NULL;
}

static void several_callers_at_once(void **state)
{
    static loop l[8];
    pthread_t thread[8];

    EK_UNUSED(state);
    memset(&l, 0, sizeof l);
    for (int i = 0; i < 8; i++) {
        l[i].threads = 1 + i % 4;
        assert_int_equal(pthread_create(&thread[i], NULL, caller, &l[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(thread[i], NULL);
        check(&l[i], 64, 300);
        assert_true(atomic_load(&l[i].most) <= l[i].threads);
    }
}

static void sum(void *arg, int64_t i)
{
    atomic_fetch_add((atomic_int_least64_t *)arg, i);
}

static void more_chunks_than_pieces(void **state)
{
    atomic_int_least64_t total = 0;
    const int64_t n = 200001;

    EK_UNUSED(state);
    ek__parallel_for(3, n, sum, &total);
    assert_int_equal(atomic_load(&total), n * (n - 1) / 2);
}

/* The child of a fork has no workers: it makes its own. */
static void a_forked_child_has_a_pool(void **state)
{
    static loop l;
    int status = -1;

    EK_UNUSED(state);
#ifdef __SANITIZE_THREAD__
    skip(); /* the sanitizer refuses threads after a fork */
#endif
    memset(&l, 0, sizeof l);
    ek__parallel_for(4, 100, count, &l);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(20);
        for (int i = 0; i < 100; i++) ek__parallel_for(4, 100, count, &l);
        _exit(l.seen[0] == 101 && l.seen[99] == 101 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    ek__parallel_for(4, 100, count, &l);
    check(&l, 100, 2);
}

static void there_is_a_processor(void **state)
{
    EK_UNUSED(state);
    assert_true(ek__cpu_count() >= 1);
    assert_true(ek__cpu_count() <= sysconf(_SC_NPROCESSORS_CONF));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_chunk_runs_once),          cmocka_unit_test(many_short_loops_in_a_row),
        cmocka_unit_test(workers_that_fell_asleep_wake_up), cmocka_unit_test(nested_loops_run_inline),
        cmocka_unit_test(nested_loops_of_several_threads), cmocka_unit_test(several_callers_at_once),
        cmocka_unit_test(more_chunks_than_pieces),        cmocka_unit_test(a_forked_child_has_a_pool),
        cmocka_unit_test(there_is_a_processor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
