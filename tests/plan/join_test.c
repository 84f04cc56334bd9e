/* Ops that write variables of their own are one step; who touches another's variable, or reads what it wrote, keeps its
 * turn. */
#include "runtime/build.h"

#include "plan/plan.h"
#include "runtime/runtime.h"

enum { N = 4, BATCH = 32, IN = 48 };
static const int64_t width[N] = { 1, 40, 64, 2000 };

/* var_i -= rate * x^T dy_i for N matrices, and var_i's count of steps goes up. */
typedef struct network {
    ek_graph *g;
    ek_tensor x, var[N], count[N], gradient[N], dy[N], negative; /* of gradient 1 */
    ek_op init[2 * N], update[2 * N];
} network;

static ek_array *numbers(ek_shape shape, uint64_t seed)
{
    ek_array *a = f32(shape, NULL);

    for (int64_t i = 0; i < ek_array_count(a); i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        ek_array_f32(a)[i] = (float)(seed >> 40) / (float)(1 << 23) - 1;
    }
    return a;
}

static ek_tensor product(ek_graph *g, const char *name, ek_tensor x, ek_tensor dy)
{
    const ek_attribute a = { .name = "transpose_a", .kind = EK_A_BOOL, .u.b = true };

    return out(ek_op_build(g, "MatMul", .name = name, .inputs = (ek_tensor[]){ x, dy }, .n_inputs = 2, .attributes = &a,
                           .n_attributes = 1), 0);
}

static network network_make(void)
{
    network w = { .g = ek_graph_create() };
    ek_graph *const g = w.g;
    const ek_tensor rate = constant(g, "rate", scalar_f32(0.25f)), one = constant(g, "one", scalar_f32(1));
    const ek_tensor zero = constant(g, "zero", scalar_f32(0));

    w.x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(-1, IN));
    for (int i = 0; i < N; i++) {
        char name[32];

        snprintf(name, sizeof name, "var%d", i);
        w.var[i] = variable(g, "VariableV2", name, EK_SHAPE(IN, width[i]));
        w.init[i] = write_to(g, "Assign", "set", w.var[i], constant(g, "start", numbers(EK_SHAPE(IN, width[i]), 9)), NULL, 0);
        w.count[i] = variable(g, "VariableV2", "count", EK_SCALAR);
        w.init[N + i] = write_to(g, "Assign", "zero", w.count[i], zero, NULL, 0);
        w.dy[i] = constant(g, "dy", numbers(EK_SHAPE(BATCH, width[i]), (uint64_t)i));
        w.gradient[i] = product(g, "gradient", w.x, w.dy[i]);
        if (i == 1) w.negative = unary(g, "Neg", "negative", w.gradient[1]);
        w.update[i] = ek_op_build(g, "ApplyGradientDescent", .name = "update", .n_inputs = 3,
                                  .inputs = (ek_tensor[]){ w.var[i], rate, w.gradient[i] });
        w.update[N + i] = write_to(g, "AssignAdd", "counted", w.count[i], one, NULL, 0);
    }
    EK_DIE(ek_graph_status(g, NULL));
    return w;
}

/* ---- what a plan looks like ------------------------------------------------------------------------------ */

static ek_status slot_of(void *self, const ek_node *n, ek_slot **slot, ek_error *err)
{
    return ek__store_slot(self, n, slot, err);
}

static void updates_and_what_gives_to_them_are_one_step(void **state)
{
    const network w = network_make();
    ek_store *store = ek_store_create();
    ek_array *x = numbers(EK_SHAPE(BATCH, IN), 5);
    const ek_edge feed = { w.x.op, 0 };
    int32_t target[2 * N];
    int steps[2];

    (void)state;
    for (int i = 0; i < 2 * N; i++) target[i] = w.update[i].id;
    for (int fuse = 0; fuse < 2; fuse++) {
        const ek_plan_host host = { .self = store, .variable = slot_of, .frame_destroy = ek__frame_destroy,
                                    .fuse = fuse != 0, .fold = true, .inplace = true, .reuse = true };
        const ek_goal goal = { .graph = w.g, .n_feeds = 1, .n_targets = 2 * N, .feed = &feed,
                               .feed_value = (const ek_array *const[]){ x }, .target = target };
        ek_error err = { 0 };
        ek_plan *p = NULL;

        if (ek__plan_build(&goal, &host, &p, &err) != EK_OK) fail_msg("%s", err.text);
        steps[fuse] = p->n_steps;
        if (fuse) assert_int_equal(p->step[0].n_written, 2 * N);
        ek__plan_unref(p);
    }
    assert_int_equal(steps[0], 3 * N);
    assert_int_equal(steps[1], 1);
    ek_array_unref(x);
    ek_store_unref(store);
    ek_graph_destroy(w.g);
}

/* ---- what it computes ---------------------------------------------------------------------------------------- */

/* Three steps; the variables, then what is made of a gradient in the first. */
static void train(const network *w, int threads, ek_tristate fuse, ek_array **got)
{
    ek_session *s = ek_session_create(w->g, .threads = threads, .fuse = fuse);
    ek_array *x = numbers(EK_SHAPE(BATCH, IN), 5);

    for (int i = 0; i < 2 * N; i++) EK_DIE(ek_run(s, .target = { w->init[i] }));
    for (int step = 0; step < 3; step++) {
        ek_op u[2 * N];

        memcpy(u, w->update, sizeof u);
        EK_DIE(ek_run(s, .feed = { { w->x, x } }, .fetch = { { w->negative, step == 0 ? &got[2 * N] : NULL } },
                      .target = { u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7] }));
    }
    for (int i = 0; i < N; i++) {
        EK_DIE(ek_run(s, .fetch = { { w->var[i], &got[i] }, { w->count[i], &got[N + i] } }));
        assert_floats(got[N + i], 1, (float[]){ 3 });
    }
    ek_array_unref(x);
    ek_session_destroy(s);
}

static void joined_or_not_on_any_number_of_threads_the_bits_are_the_same(void **state)
{
    static const int threads[] = { 1, 2, 7 };
    const network w = network_make();
    ek_array *want[2 * N + 1] = { 0 };

    (void)state;
    train(&w, 1, EK_NO, want);
    for (int t = 0; t < COUNT(threads); t++) {
        ek_array *got[2 * N + 1] = { 0 };

        train(&w, threads[t], EK_YES, got);
        for (int i = 0; i < 2 * N + 1; i++) {
            assert_memory_equal(ek_array_cdata(got[i]), ek_array_cdata(want[i]), 4 * (size_t)ek_array_count(want[i]));
            ek_array_unref(got[i]);
        }
    }
    for (int i = 0; i < 2 * N + 1; i++) ek_array_unref(want[i]);
    ek_graph_destroy(w.g);
}

/* ---- order ----------------------------------------------------------------------------------------------------- */

static void who_touches_the_same_variable_keeps_its_turn(void **state)
{
    enum { SIZE = 300000 };
    const ek_shape shape = EK_SHAPE(SIZE);
    float *const fill = test_malloc(sizeof *fill * SIZE);

    (void)state;
    for (int i = 0; i < SIZE; i++) fill[i] = 1;
    for (int fuse = 0; fuse < 2; fuse++) {
        ek_graph *g = ek_graph_create();
        const ek_tensor v = variable(g, "VariableV2", "v", shape), other = variable(g, "VariableV2", "other", shape);
        const ek_tensor third = variable(g, "VariableV2", "third", shape), fourth = variable(g, "VariableV2", "fourth", shape);
        const ek_tensor one = constant(g, "one", f32(shape, fill)), two = binary(g, "AddV2", "two", one, one);
        const ek_op first = write_to(g, "Assign", "first", v, one, NULL, 0);
        const ek_op beside = write_to(g, "Assign", "beside", other, two, NULL, 0);
        const ek_op add = write_to(g, "AssignAdd", "add", v, two, &first, 1);                 /* v = 3 */
        const ek_tensor read = out(ek_op_build(g, "Identity", .name = "read", .inputs = &v, .n_inputs = 1, .control = &add,
                                               .n_control = 1), 0);
        const ek_op copy = write_to(g, "Assign", "copy", fourth, read, NULL, 0);              /* fourth = 3 */
        const ek_op more = write_to(g, "AssignAdd", "more", other, read, &beside, 1);         /* other = 5 */
        const ek_tensor twice = binary(g, "AddV2", "twice", read, read);                      /* 6 */
        const ek_op from = write_to(g, "Assign", "from", third, twice, &beside, 1);           /* third = 6 */
        const ek_op readers[] = { { g, twice.op }, from, copy, more };
        const ek_op last = write_to(g, "Assign", "last", v, two, readers, 4);
        ek_session *s = ek_session_create(g, .threads = 2, .fuse = fuse ? EK_YES : EK_NO);
        ek_array *got[5] = { 0 };

        EK_DIE(ek_graph_status(g, NULL));
        EK_DIE(ek_run(s, .fetch = { { twice, &got[0] } }, .target = { last, from, beside }));
        EK_DIE(ek_run(s, .fetch = { { v, &got[1] }, { other, &got[2] }, { third, &got[3] }, { fourth, &got[4] } }));
        for (int k = 0; k < 5; k++) {
            static const float want[] = { 6, 2, 5, 6, 3 };

            for (int i = 0; i < SIZE; i++)
                if (ek_array_f32(got[k])[i] != want[k]) fail_msg("tensor %d has %g", k, (double)ek_array_f32(got[k])[i]);
            ek_array_unref(got[k]);
        }
        ek_session_destroy(s);
        ek_graph_destroy(g);
    }
    test_free(fill);
}

/* The rate is computed in the step as well: an update must not come before it, be it part of a gradient or not. */
static void a_rate_of_this_step_is_waited_for(void **state)
{
    float got[2][4][IN * 40];

    (void)state;
    for (int way = 0; way < 4; way++) {
        ek_graph *g = ek_graph_create();
        const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(-1, IN));
        const ek_tensor rates = placeholder(g, "rates", EK_FLOAT32, EK_SHAPE(3));
        ek_session *s = ek_session_create(g, .threads = 1 + way % 2, .fuse = way < 2 ? EK_NO : EK_YES);
        ek_array *in = numbers(EK_SHAPE(BATCH, IN), 5), *value = NULL;
        ek_tensor v[2], gradient[2];
        ek_op init[2], update[2];

        for (int i = 0; i < 2; i++) {
            v[i] = variable(g, "VariableV2", i == 0 ? "a" : "b", EK_SHAPE(IN, 40));
            init[i] = write_to(g, "Assign", "set", v[i], constant(g, "start", numbers(EK_SHAPE(IN, 40), 9)), NULL, 0);
            gradient[i] = product(g, "gradient", x, constant(g, "dy", numbers(EK_SHAPE(BATCH, 40), 3)));
        }
        const ek_tensor rate = binary(g, "Max", "rate", rates, constant(g, "axis", vector_i32(1, (int32_t[]){ 0 })));
        for (int i = 0; i < 2; i++)
            update[i] = ek_op_build(g, "ApplyGradientDescent", .name = "update", .n_inputs = 3,
                                    .inputs = (ek_tensor[]){ v[i], rate, gradient[i] });
        EK_DIE(ek_graph_status(g, NULL));
        EK_DIE(ek_run(s, .target = { init[0], init[1] }));
        for (int step = 0; step < 3; step++) {
            ek_array *r = f32(EK_SHAPE(3), (float[]){ 0.01f, 0.25f * (float)(step + 1), 0.02f });

            EK_DIE(ek_run(s, .feed = { { x, in }, { rates, r } }, .target = { update[0], update[1] }));
            ek_array_unref(r);
        }
        for (int i = 0; i < 2; i++) {
            EK_DIE(ek_run(s, .fetch = { { v[i], &value } }));
            memcpy(got[i][way], ek_array_cdata(value), sizeof got[i][way]);
            assert_memory_equal(got[i][way], got[i][0], sizeof got[i][0]);
        }
        ek_array_unref(value);
        ek_array_unref(in);
        ek_session_destroy(s);
        ek_graph_destroy(g);
    }
}

static void an_error_names_the_op_that_it_comes_from(void **state)
{
    const network w = network_make();
    ek_session *s = ek_session_create(w.g);
    ek_array *x = numbers(EK_SHAPE(BATCH, IN), 5);

    (void)state;
    for (int i = 0; i < 2 * N; i++)
        if (i != 3) EK_DIE(ek_run(s, .target = { w.init[i] }));
    assert_int_equal(ek_run(s, .feed = { { w.x, x } }, .target = { w.update[1], w.update[3], w.update[2] }),
                     EK_FAILED_PRECONDITION);
    assert_non_null(strstr(ek_last_error()->text, "uninitialized value var3"));
    assert_non_null(strstr(ek_last_error()->text, "{{node update_3}}"));
    ek_array_unref(x);
    ek_session_destroy(s);
    ek_graph_destroy(w.g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(updates_and_what_gives_to_them_are_one_step),
        cmocka_unit_test(joined_or_not_on_any_number_of_threads_the_bits_are_the_same),
        cmocka_unit_test(who_touches_the_same_variable_keeps_its_turn),
        cmocka_unit_test(a_rate_of_this_step_is_waited_for),
        cmocka_unit_test(an_error_names_the_op_that_it_comes_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
