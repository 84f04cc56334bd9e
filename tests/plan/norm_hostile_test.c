/* Batch norms as one op for each half, with what callers may do to them: every inner tensor fetched or fed, shapes that
 * change, numbers that are none, several threads, no memory. */
#include "plan/twins.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- inner tensors ------------------------------------------------------------------------------------ */

typedef struct base {
    ek_fetch fetch[MOST];
    ek_array *got[MOST];
    int64_t n;
} base;

/* Results of each site that a run without writes gives: what is fetched besides. */
static void read_base(twins *t, base *b)
{
    ek_array *names = case_graph_value(&t->values, "step1/run1");
    const ek_string *s;

    b->n = 0;
    assert_non_null(names);
    s = ek_array_cdata(names);
    for (int64_t i = 0; i < ek_array_count(names); i++) {
        ek_tensor tensor;

        if (ek_graph_tensor_by_name(t->g, s[i].data, &tensor) != EK_OK) continue;
        const ek_node *n = t->g->node[tensor.op];
        if (n->spec == NULL || n->out_dtype[tensor.index] == EK_STRING) continue; /* summaries */
        b->got[b->n] = NULL;
        b->fetch[b->n] = (ek_fetch){ tensor, &b->got[b->n] };
        b->n++;
    }
    ek_array_unref(names);
}

static void add_to_base(base *b, ek_graph *g, ek_edge e)
{
    if (e.node < 0 || b->n >= MOST - 1 || ek_dtype_is_ref(g->node[e.node]->out_dtype[e.index])) return;
    b->got[b->n] = NULL;
    b->fetch[b->n] = (ek_fetch){ { g, e.node, e.index }, &b->got[b->n] };
    b->n++;
}

/* And what every half gives: then each is one op of the plan. */
static void add_results(base *b, ek_graph *g, const ek_sites *sites)
{
    for (int i = 0; i < sites->n; i++) {
        add_to_base(b, g, sites->at[i].y);
        for (int k = 0; k < sites->at[i].n_gradients; k++) {
            const ek_site_gradient *way = &sites->at[i].gradient[k];

            add_to_base(b, g, way->dx);
            add_to_base(b, g, way->dgamma);
            add_to_base(b, g, way->dbeta);
        }
    }
}

/* The same fetches, nothing fetched yet. */
static void begin_base(base *b, const base *like)
{
    b->n = like->n;
    for (int64_t i = 0; i < b->n; i++) {
        b->got[i] = NULL;
        b->fetch[i] = (ek_fetch){ like->fetch[i].tensor, &b->got[i] };
    }
}

static void free_base(base *b)
{
    for (int64_t i = 0; i < b->n; i++) ek_array_unref(b->got[i]);
}

static ek_status run(const twins *t, ek_session *s, const ek_feed *more, const base *b, const ek_fetch *also,
                     ek_error *err)
{
    ek_feed feed[MOST];
    ek_fetch fetch[MOST];
    int64_t n_feeds = t->n_feeds, n_fetches = 0;

    memcpy(feed, t->feed, sizeof *feed * (size_t)n_feeds);
    if (more != NULL) feed[n_feeds++] = *more;
    for (int64_t i = 0; b != NULL && i < b->n; i++) fetch[n_fetches++] = b->fetch[i];
    if (also != NULL) fetch[n_fetches++] = *also;
    return ek_run(s, .feeds = feed, .n_feeds = n_feeds, .fetches = fetch, .n_fetches = n_fetches, .error = err);
}

/* One more fetch gives what the nodes give and changes no bit of the others. */
static void fetch_beside(const twins *t, const base *want, ek_tensor inner)
{
    base with;
    ek_array *value = NULL, *right = NULL, *alone = NULL;
    ek_error err[2] = { { .code = EK_OK }, { .code = EK_OK } };
    const char *name = t->g->node[inner.op]->name;

    begin_base(&with, want);
    const ek_status st = run(t, t->fused, NULL, &with, &(ek_fetch){ inner, &value }, &err[0]);
    assert_int_equal(run(t, t->single, NULL, NULL, &(ek_fetch){ inner, &right }, &err[1]), st);
    if (st != EK_OK) return; /* dead, on a branch that is not taken */
    assert_close(t, name, value, right);
    for (int64_t i = 0; i < with.n; i++)
        if (memcmp(ek_array_cdata(with.got[i]), ek_array_cdata(want->got[i]), ek_array_bytes(want->got[i])) != 0)
            fail_msg("%s: with %s fetched as well, the bits of %s are others", t->name, name,
                     t->g->node[with.fetch[i].tensor.op]->name);
    EK_DIE(run(t, t->fused, NULL, NULL, &(ek_fetch){ inner, &alone }, NULL));
    if (memcmp(ek_array_cdata(alone), ek_array_cdata(value), ek_array_bytes(value)) != 0)
        fail_msg("%s: %s has other bits when nothing else is fetched", t->name, name);
    ek_array_unref(alone);
    ek_array_unref(value);
    ek_array_unref(right);
    free_base(&with);
}

/* Fed with numbers of its own, an inner tensor counts for all that comes behind it. */
static void feed_inside(const twins *t, const base *want, ek_tensor inner)
{
    ek_array *value = NULL;
    base a, b;
    ek_error err[2] = { { .code = EK_OK }, { .code = EK_OK } };

    if (run(t, t->single, NULL, NULL, &(ek_fetch){ inner, &value }, &err[0]) != EK_OK) return;
    for (int64_t i = 0; i < ek_array_count(value); i++) ek_array_f32(value)[i] *= 1.25f;
    begin_base(&a, want);
    begin_base(&b, want);
    err[0].code = EK_OK;
    const ek_feed feed = { inner, value };
    const ek_status st = run(t, t->fused, &feed, &a, NULL, &err[0]);
    assert_int_equal(run(t, t->single, &feed, &b, NULL, &err[1]), st);
    if (st != EK_OK) assert_string_equal(err[0].text, err[1].text);
    for (int64_t i = 0; i < a.n && st == EK_OK; i++) {
        char what[2000];

        snprintf(what, sizeof what, "%s fed: %s", t->g->node[inner.op]->name, t->g->node[a.fetch[i].tensor.op]->name);
        assert_close(t, what, a.got[i], b.got[i]);
    }
    free_base(&a);
    free_base(&b);
    ek_array_unref(value);
}

/* Returns how many tensors there were. */
static int each_node(const twins *t, const base *want, const int32_t *covers, int n)
{
    int tried = 0;

    for (int i = 0; i < n; i++) {
        const ek_node *node = t->g->node[covers[i]];

        if (node->n_out != 1 || node->out_dtype[0] != EK_FLOAT32) continue;
        const ek_tensor inner = { t->g, node->id, 0 };
        fetch_beside(t, want, inner);
        if (!node->unfeedable) feed_inside(t, want, inner);
        tried++;
    }
    return tried;
}

/* For the flags as they are fed. */
static void find_sites(const twins *t, ek_sites *sites)
{
    ek_error err = { .code = EK_OK };
    ek_tensor flag[MOST];
    ek_array *value[MOST];
    int n = 0;

    for (int64_t i = 0; i < t->n_feeds; i++) {
        if (ek_array_dtype(t->fed[i]) != EK_BOOL) continue;
        flag[n] = t->feed[i].tensor;
        value[n++] = t->fed[i];
    }
    EK_DIE(ek__sites_find_fed(t->g, n, flag, value, EK_BRANCH_TRUE, sites, &err));
}

static int each_site(twins *t)
{
    base want;
    ek_sites sites;
    int tried = 0;

    find_sites(t, &sites);
    read_base(t, &want);
    add_results(&want, t->g, &sites);
    EK_DIE(run(t, t->fused, NULL, &want, NULL, NULL));
    for (int i = 0; i < sites.n; i++) {
        const ek_edge x = sites.at[i].x;

        if (t->g->node[x.node]->out_dtype[x.index] == EK_FLOAT32)
            fetch_beside(t, &want, (ek_tensor){ t->g, x.node, x.index });
        tried += each_node(t, &want, sites.at[i].covers, sites.at[i].n_covers);
        for (int k = 0; k < sites.at[i].n_gradients; k++)
            tried += each_node(t, &want, sites.at[i].gradient[k].covers, sites.at[i].gradient[k].n_covers);
    }
    ek__sites_free(&sites);
    free_base(&want);
    return tried;
}

static void turn_flags(const twins *t)
{
    for (int64_t i = 0; i < t->n_feeds; i++) {
        if (ek_array_dtype(t->fed[i]) != EK_BOOL) continue;
        bool *flag = ek_array_data(t->fed[i]);
        *flag = !*flag;
    }
}

static void every_inner_tensor_may_be_fetched_and_fed(void **state)
{
    static const struct {
        const char *name;
        int tensors; /* that there are at least inside its sites, for both settings of its flags */
    } graph[] = {
        { "bn_training_values", 80 },      { "gradients_bn_composed", 130 }, { "article_training_flag", 20 },
        { "bn_options", 60 },              { "bn_shared_by_name", 150 },     { "bn_renorm_training", 28 },
        { "mlp_sgd", 330 },                { "mlp_adam", 330 },              { "bn_rank5_flag", 20 },
        { "bn_rank4_composed_axis1", 36 }, { "bn_virtual_batch", 40 },       { "gradients_bn_fused", 6 },
        { "bn_rank4_fused_nchw_flag", 0 }, { "convnet", 0 }, /* of convnet the inference: in training it draws lots */
    };

    (void)state;
    for (int i = 0; i < COUNT(graph); i++) {
        twins t;

        if (!open_twins(&t, graph[i].name, 1)) {
            print_message("the data folder is absent\n");
            return;
        }
        read_feeds(&t, 1);
        int tried = strcmp(t.name, "convnet") == 0 ? 0 : each_site(&t);
        set_variables(&t); /* runs may have moved the averages, of one session more than of the other */
        turn_flags(&t);
        tried += each_site(&t);
        if (tried < graph[i].tensors) fail_msg("%s: %d tensors inside, not %d", t.name, tried, graph[i].tensors);
        close_twins(&t);
    }
}

/* ---- a training graph ----------------------------------------------------------------------------------- */

/* Puts a batch of its own in the place of x and labels. */
static void feed_batch(twins *t, int64_t rows, double odd)
{
    for (int64_t i = 0; i < t->n_feeds; i++) {
        const ek_dtype dtype = ek_array_dtype(t->fed[i]);
        ek_shape shape = *ek_array_shape(t->fed[i]);

        if (dtype == EK_BOOL) continue;
        shape.dim[0] = rows;
        ek_array *a = ek_array_of(dtype, shape, NULL);
        for (int64_t k = 0; k < ek_array_count(a); k++) {
            if (dtype == EK_FLOAT32) ek_array_f32(a)[k] = (float)((k * 7919) % 101) * 0.01f;
            if (dtype == EK_INT64) ((int64_t *)ek_array_data(a))[k] = k % 10;
            if (dtype == EK_INT32) ((int32_t *)ek_array_data(a))[k] = (int32_t)(k % 10);
        }
        if (dtype == EK_FLOAT32 && odd != 0 && rows > 0) ek_array_f32(a)[ek_array_count(a) / 2] = (float)odd;
        ek_array_unref(t->fed[i]);
        t->fed[i] = a;
        t->feed[i].value = a;
    }
}

/* Where a NaN comes of a batch's moments that inference multiplies by zero: the half does not compute them, its numbers
 * are those without. */
static void forgive_moments(ek_array *got, const ek_array *single)
{
    for (int64_t i = 0; ek_array_dtype(single) == EK_FLOAT32 && i < ek_array_count(single); i++)
        if (isnan(ek_array_get(single, i))) ek_array_f32(got)[i] = NAN;
}

/* Gradients of what cancels are rounding noise: they are held to the largest number of their run. */
static void both_agree(const twins *t, const base *want, int64_t rows, double odd, bool inference)
{
    base a, b;
    ek_error err[2] = { { .code = EK_OK }, { .code = EK_OK } };
    double largest = 0.05;
    char why[900];

    begin_base(&a, want);
    begin_base(&b, want);
    const ek_status st = run(t, t->fused, NULL, &a, NULL, &err[0]);
    assert_int_equal(run(t, t->single, NULL, &b, NULL, &err[1]), st);
    if (st != EK_OK) assert_string_equal(err[0].text, err[1].text);
    for (int64_t i = 0; i < a.n && st == EK_OK; i++) largest = fmax(largest, largest_of(b.got[i]));
    for (int64_t i = 0; i < a.n && st == EK_OK && inference && !isfinite((float)odd); i++)
        forgive_moments(a.got[i], b.got[i]);
    for (int64_t i = 0; i < a.n && st == EK_OK; i++)
        if (!case_close(a.got[i], b.got[i], &(case_tolerance){ .absolute = 2e-5 * largest }, why, sizeof why))
            fail_msg("%s: %d rows with %g: %s: %s", t->name, (int)rows, odd, t->g->node[a.fetch[i].tensor.op]->name, why);
    free_base(&a);
    free_base(&b);
}

static void training_graphs_take_any_batch(void **state)
{
    static const int64_t rows[] = { 20, 7, 1, 300, 0, 20 };
    static const double odd[] = { 0, (double)NAN, (double)INFINITY, -(double)INFINITY, 1e30 };
    twins t;

    (void)state;
    if (!open_twins(&t, "mlp_sgd", 2)) skip();
    read_feeds(&t, 1);
    for (int turn = 0; turn < 2; turn++) {
        base want;
        ek_sites sites;

        find_sites(&t, &sites);
        read_base(&t, &want);
        add_results(&want, t.g, &sites);
        for (int i = 0; i < COUNT(rows) * COUNT(odd); i++) {
            feed_batch(&t, rows[i % COUNT(rows)], odd[i / COUNT(rows)]);
            both_agree(&t, &want, rows[i % COUNT(rows)], odd[i / COUNT(rows)], turn == 1);
            set_variables(&t); /* NaN would stay in the averages */
        }
        ek__sites_free(&sites);
        turn_flags(&t);
    }
    close_twins(&t);
}

/* ---- a layer in a session ------------------------------------------------------------------------------ */

typedef struct layer {
    ek_graph *g;
    ek_tensor x, flag, y;
    ek_session *fused, *single;
} layer;

static bool open_layer(layer *m, int64_t channels)
{
    *m = (layer){ .g = ek_graph_create() };
    if (m->g == NULL) return false;
    m->x = ek_placeholder(m->g, EK_FLOAT32, .shape = EK_SHAPE(-1, channels), .name = "x");
    m->flag = ek_placeholder(m->g, EK_BOOL, .shape = EK_SCALAR, .name = "flag");
    const ek_tensor y = ek_batch_normalization(m->x, .training = m->flag);
    ek_with_control_dependencies(m->g, ek_get_collection(m->g, EK_UPDATE_OPS)) m->y = ek_identity(y);
    m->fused = ek_session_create(m->g, .fuse = EK_YES);
    m->single = ek_session_create(m->g, .fuse = EK_NO);
    return m->fused != NULL && m->single != NULL && ek_graph_status(m->g, NULL) == EK_OK;
}

static void close_layer(layer *m)
{
    ek_session_destroy(m->fused);
    ek_session_destroy(m->single);
    ek_graph_destroy(m->g);
}

static void step(const layer *m, const ek_array *x, bool train)
{
    ek_array *flag = scalar_bool(train), *got = NULL, *want = NULL;
    char why[900];

    EK_DIE(ek_run(m->fused, .feed = { { m->x, x }, { m->flag, flag } }, .fetch = { { m->y, &got } }));
    EK_DIE(ek_run(m->single, .feed = { { m->x, x }, { m->flag, flag } }, .fetch = { { m->y, &want } }));
    const case_tolerance t = { .absolute = 2e-5 * largest_of(want) };
    if (!case_close(got, want, &t, why, sizeof why)) fail_msg("%s", why);
    ek_array_unref(got);
    ek_array_unref(want);
    ek_array_unref(flag);
}

static void shapes_and_numbers_may_be_any(void **state)
{
    static const int64_t rows[] = { 7, 1, 300, 0, 7, 2, 1000, 64 }, channels[] = { 1, 3, 0, 20 };

    (void)state;
    for (int c = 0; c < COUNT(channels); c++) {
        layer m;

        assert_true(open_layer(&m, channels[c]));
        EK_DIE(ek_run(m.fused, .target = { ek_global_variables_initializer(m.g) }));
        EK_DIE(ek_run(m.single, .target = { ek_global_variables_initializer(m.g) }));
        for (int r = 0; r < COUNT(rows) * 2; r++) {
            const int64_t n = rows[r % COUNT(rows)] * channels[c];
            ek_array *x = f32(EK_SHAPE(rows[r % COUNT(rows)], channels[c]), NULL);

            for (int64_t i = 0; i < n; i++) ek_array_f32(x)[i] = (float)((i * 7919) % 101) * 0.1f - 3;
            step(&m, x, r % 3 != 2 && n > 0);
            step(&m, x, false);
            ek_array_unref(x);
        }
        for (int k = 0; k < 3 && channels[c] > 0; k++) {
            ek_array *x = f32(EK_SHAPE(40, channels[c]), NULL);

            for (int64_t i = 0; i < 40 * channels[c]; i++) ek_array_f32(x)[i] = (float)(i % 13);
            ek_array_f32(x)[5] = k == 0 ? NAN : k == 1 ? INFINITY : -INFINITY;
            step(&m, x, true);
            step(&m, x, false);
            ek_array_unref(x);
        }
        close_layer(&m);
    }
}

/* ---- threads ---------------------------------------------------------------------------------------------- */

typedef struct worker {
    const layer *m;
    bool train;
    atomic_int *failures;
} worker;

static void *work(void *arg)
{
    const worker *w = arg;
    ek_array *flag = scalar_bool(w->train), *y = NULL;

    for (int i = 0; i < 200; i++) {
        ek_array *x = f32(EK_SHAPE(20 + i % 3, 5), NULL);

        for (int64_t k = 0; k < ek_array_count(x); k++) ek_array_f32(x)[k] = (float)(k % 17);
        if (ek_run(w->m->fused, .feed = { { w->m->x, x }, { w->m->flag, flag } }, .fetch = { { w->m->y, &y } }) != EK_OK)
            atomic_fetch_add(w->failures, 1);
        ek_array_unref(x);
    }
    ek_array_unref(y);
    ek_array_unref(flag);
    return NULL;
}

static void training_and_inference_share_a_session(void **state)
{
    (void)state;
    layer m;
    atomic_int failures = 0;
    pthread_t thread[2];

    assert_true(open_layer(&m, 5));
    EK_DIE(ek_run(m.fused, .target = { ek_global_variables_initializer(m.g) }));
    worker w[2] = { { &m, true, &failures }, { &m, false, &failures } };
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&thread[i], NULL, work, &w[i]), 0);
    for (int i = 0; i < 2; i++) pthread_join(thread[i], NULL);
    assert_int_equal(failures, 0);
    close_layer(&m);
}

/* ---- memory ---------------------------------------------------------------------------------------------- */

static ek_status everything(void)
{
    layer m;
    ek_array *x = f32(EK_SHAPE(20, 3), NULL), *flag = scalar_bool(true), *y = NULL;
    ek_status st = EK_RESOURCE_EXHAUSTED;

    if (open_layer(&m, 3) && x != NULL && flag != NULL) {
        st = ek_run(m.fused, .target = { ek_global_variables_initializer(m.g) });
        if (st == EK_OK) st = ek_run(m.fused, .feed = { { m.x, x }, { m.flag, flag } }, .fetch = { { m.y, &y } });
    }
    ek_array_unref(x);
    ek_array_unref(flag);
    ek_array_unref(y);
    close_layer(&m);
    return st;
}

static void every_failure_to_allocate_is_reported(void **state)
{
    (void)state;
    ek_test_refuse_each(everything, 2000);
}

static int once(void **state)
{
    (void)state;
    ek_graph_destroy(ek_graph_create());
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_inner_tensor_may_be_fetched_and_fed),
        cmocka_unit_test(training_graphs_take_any_batch),
        cmocka_unit_test(shapes_and_numbers_may_be_any),
        cmocka_unit_test(training_and_inference_share_a_session),
        cmocka_unit_test(every_failure_to_allocate_is_reported),
    };
    return cmocka_run_group_tests(tests, once, NULL);
}
