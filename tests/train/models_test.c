/* Training steps of networks built here: bits, memory, allocations. The networks are those that bench/train times. */
#include "../../bench/models.h"
#include "runtime/build.h"

#include "ops/registry.h"
#include "runtime/runtime.h"

enum { VARIABLES = 200 };

static const bench_model *model_named(const char *name)
{
    for (int i = 0; i < BENCH_MODELS; i++)
        if (strcmp(bench_models[i].name, name) == 0) return &bench_models[i];
    fail_msg("no model %s", name);
    return NULL;
}

typedef struct trained {
    float loss[6];
    int64_t n;
    ek_array *variable[VARIABLES];
} trained;

/* A few steps from the same start, and what every variable is after them. */
static trained train(const bench_model *m, int64_t batch, int threads)
{
    const bench_net net = bench_net_make(m);
    const ek_list variables = ek_get_collection(net.graph, EK_GLOBAL_VARIABLES);
    ek_session *s = ek_session_create(net.graph, .threads = threads);
    ek_array *x = bench_images(m, batch), *labels = bench_labels(batch), *loss = NULL;
    trained t = { .n = variables.count };

    assert_true(t.n <= VARIABLES);
    EK_DIE(ek_run(s, .target = { net.init }));
    for (int i = 0; i < EK_COUNT_OF(t.loss); i++) {
        EK_DIE(ek_run(s, .feed = { { net.x, x }, { net.labels, labels } }, .fetch = { { net.loss, &loss } }, .target = { net.train }));
        t.loss[i] = *ek_array_f32(loss);
    }
    for (int64_t i = 0; i < t.n; i++) EK_DIE(ek_session_get(s, variables.item[i].u.variable, &t.variable[i]));
    ek_array_unref(x);
    ek_array_unref(labels);
    ek_array_unref(loss);
    ek_session_destroy(s);
    ek_graph_destroy(net.graph);
    return t;
}

static void release(trained *t)
{
    for (int64_t i = 0; i < t->n; i++) ek_array_unref(t->variable[i]);
}

static void assert_same(const trained *a, const trained *b)
{
    assert_memory_equal(a->loss, b->loss, sizeof a->loss);
    assert_int_equal(a->n, b->n);
    for (int64_t i = 0; i < a->n; i++)
        assert_memory_equal(ek_array_cdata(a->variable[i]), ek_array_cdata(b->variable[i]),
                            (size_t)ek_array_count(a->variable[i]) * ek_dtype_size(ek_array_dtype(a->variable[i])));
}

static void a_step_has_the_same_bits_for_any_number_of_threads_and_again(void **state)
{
    EK_UNUSED(state);
    for (int i = 0; i < BENCH_MODELS; i++) {
        const int64_t batch = bench_models[i].rank == 2 ? 60 : 9; /* parts of it differ in size */
        trained one = train(&bench_models[i], batch, 1);

        assert_true(one.loss[5] < one.loss[0]);
        for (int threads = 1; threads <= 3; threads++) {
            trained other = train(&bench_models[i], batch, threads);

            assert_same(&one, &other);
            release(&other);
        }
        release(&one);
    }
}

static void a_step_after_the_first_allocates_nothing(void **state)
{
    EK_UNUSED(state);
    assert_non_null(ek__ops_registry()); /* of the process: not counted */
    for (int i = 0; i < BENCH_MODELS; i++) {
        const bench_model *m = &bench_models[i];
        ek_test_allocator t;
        long calls = 0;

        ek_test_allocator_install(&t, 0);
        const bench_net net = bench_net_make(m);
        ek_session *s = ek_session_create(net.graph, .threads = 2);
        ek_array *x = bench_images(m, 5), *labels = bench_labels(5), *loss = NULL;
        EK_DIE(ek_run(s, .target = { net.init }));
        for (int k = 0; k < 8; k++) {
            if (k == 2) calls = t.calls; /* in the first there is no array for the loss yet */
            EK_DIE(ek_run(s, .feed = { { net.x, x }, { net.labels, labels } }, .fetch = { { net.loss, &loss } }, .target = { net.train }));
        }
        assert_int_equal(t.calls, calls);
        ek_array_unref(x);
        ek_array_unref(labels);
        ek_array_unref(loss);
        ek_session_destroy(s);
        ek_graph_destroy(net.graph);
        assert_int_equal(t.live, 0);
        ek_test_allocator_remove();
    }
}

/* bench/train measures the peak of TensorFlow's allocator: 33.3 MB with its oneDNN, 52.8 MB without. */
static void the_convnet_takes_less_memory_than_in_tensorflow(void **state)
{
    const size_t peak = 33300000;
    const bench_model *m = model_named("convnet");
    const bench_net net = bench_net_make(m);
    ek_session *s = ek_session_create(net.graph, .threads = 2);
    ek_array *x = bench_images(m, m->batch), *labels = bench_labels(m->batch), *loss = NULL;
    size_t bytes = 0;

    EK_UNUSED(state);
    EK_DIE(ek_run(s, .target = { net.init }));
    EK_DIE(ek_run(s, .feed = { { net.x, x }, { net.labels, labels } }, .fetch = { { net.loss, &loss } }, .target = { net.train }));
    for (int i = 0; i < EK_CACHE_SIZE; i++) {
        const ek_entry *e = atomic_load(&s->cache.entry[i]);

        if (e != NULL && e->n_fetches > 0) bytes = e->plan->block_bytes + e->plan->scratch_bytes;
    }
    assert_true(bytes > 0 && bytes <= peak);
    ek_array_unref(x);
    ek_array_unref(labels);
    ek_array_unref(loss);
    ek_session_destroy(s);
    ek_graph_destroy(net.graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_has_the_same_bits_for_any_number_of_threads_and_again),
        cmocka_unit_test(a_step_after_the_first_allocates_nothing),
        cmocka_unit_test(the_convnet_takes_less_memory_than_in_tensorflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
