/* Conds of the first version: Switch and Merge with branches that are known when planning, and with such as are not. */
#include "build.h"

typedef struct cond {
    ek_graph *g;
    ek_tensor pred, x, pivot_t, pivot_f, y, taken, in_true;
    ek_tensor w;
    ek_op init, bump;
} cond;

/* cond(pred, x + w after w += 1, x - 5), as tf.cond builds it. `pred` may be anything. */
static cond build(ek_graph *g, ek_tensor pred)
{
    cond c = { .g = g, .pred = pred };

    c.x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(-1));
    c.w = variable(g, "VariableV2", "w", EK_SCALAR);
    c.init = write_to(g, "Assign", "w/Assign", c.w, constant(g, "zero", scalar_f32(0)), NULL, 0);
    const ek_op sw = node(g, "Switch", "cond/Switch", (ek_tensor[]){ pred, pred }, 2);
    c.pivot_t = unary(g, "Identity", "cond/switch_t", out(sw, 1));
    c.pivot_f = unary(g, "Identity", "cond/switch_f", out(sw, 0));
    const ek_tensor id = unary(g, "Identity", "cond/pred_id", pred);
    const ek_op in_t = ek_tensor_op(c.pivot_t), in_f = ek_tensor_op(c.pivot_f);
    const ek_op ref = node(g, "RefSwitch", "cond/w/Switch", (ek_tensor[]){ c.w, id }, 2);
    const ek_op xs = node(g, "Switch", "cond/x/Switch", (ek_tensor[]){ c.x, id }, 2);
    c.bump = write_to(g, "AssignAdd", "cond/AssignAdd", out(ref, 1),
                      constant_under(g, "cond/one", scalar_f32(1), &in_t, 1), NULL, 0);
    const ek_tensor more = binary(g, "AddV2", "cond/add", out(xs, 1), out(c.bump, 0));
    const ek_op xf = node(g, "Switch", "cond/x/Switch_1", (ek_tensor[]){ c.x, id }, 2);
    const ek_tensor less =
        binary(g, "Sub", "cond/sub", out(xf, 0), constant_under(g, "cond/five", scalar_f32(5), &in_f, 1));
    const ek_op merge = node(g, "Merge", "cond/Merge", (ek_tensor[]){ less, more }, 2);
    c.y = out(merge, 0);
    c.taken = out(merge, 1);
    c.in_true = more;
    EK_DIE(ek_graph_status(g, NULL));
    return c;
}

static float get(ek_session *s, ek_tensor w)
{
    ek_array *a = NULL;
    float v;

    EK_DIE(ek_run(s, .fetch = { { w, &a } }));
    v = *(const float *)ek_array_cdata(a);
    ek_array_unref(a);
    return v;
}

static void check(const cond *c, const ek_feed *more, int n_more, bool pred_true, ek_session *s)
{
    ek_array *x = f32(EK_SHAPE(2), (float[]){ 10, 20 }), *y = NULL, *taken = NULL;
    ek_feed feed[4] = { { c->x, x } };
    const float before = get(s, c->w);
    ek_error err = { 0 };

    for (int i = 0; i < n_more; i++) feed[1 + i] = more[i];
    assert_int_equal(ek_run(s, .feeds = feed, .n_feeds = 1 + n_more, .fetch = { { c->y, &y }, { c->taken, &taken } }),
                     EK_OK);
    if (pred_true)
        assert_floats(y, 2, (float[]){ 11 + before, 21 + before });
    else
        assert_floats(y, 2, (float[]){ 5, 15 });
    assert_int_equal(*(const int32_t *)ek_array_cdata(taken), pred_true ? 1 : 0);
    assert_true(get(s, c->w) == before + (pred_true ? 1 : 0));

    /* what is dead cannot be fetched; a dead operation may be run */
    ek_run(s, .feeds = feed, .n_feeds = 1 + n_more, .fetch = { { c->y, &y }, { c->in_true, &y } }, .error = &err);
    if (pred_true)
        assert_int_equal(err.code, EK_OK);
    else
        assert_error(&err, EK_INVALID_ARGUMENT, "Retval[1] does not have value");
    assert_int_equal(ek_run(s, .feeds = feed, .n_feeds = 1 + n_more, .target = { c->bump }), EK_OK);
    ek_array_unref(x);
    ek_array_unref(y);
    ek_array_unref(taken);
}

static void a_fed_predicate_steers_the_plan(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    const cond c = build(g, placeholder(g, "p", EK_BOOL, EK_SCALAR));
    ek_session *s = ek_session_create(g);
    ek_array *yes = scalar_bool(true), *no = scalar_bool(false);

    EK_DIE(ek_run(s, .target = { c.init }));
    for (int i = 0; i < 3; i++) {
        check(&c, &(ek_feed){ c.pred, yes }, 1, true, s);
        check(&c, &(ek_feed){ c.pred, no }, 1, false, s);
    }
    ek_array_unref(yes);
    ek_array_unref(no);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void a_function_of_fed_predicates_steers_too(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    const ek_tensor p = placeholder(g, "p", EK_BOOL, EK_SCALAR), q = placeholder(g, "q", EK_BOOL, EK_SCALAR);
    const cond c = build(g, binary(g, "LogicalAnd", "both", p, unary(g, "LogicalNot", "not", q)));
    ek_session *s = ek_session_create(g);
    ek_array *flag[] = { scalar_bool(false), scalar_bool(true) };

    EK_DIE(ek_run(s, .target = { c.init }));
    for (int i = 0; i < 8; i++)
        check(&c, (ek_feed[]){ { p, flag[i & 1] }, { q, flag[i >> 1 & 1] } }, 2, (i & 3) == 1, s);
    ek_array_unref(flag[0]);
    ek_array_unref(flag[1]);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void a_predicate_from_numbers_splits_the_run(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    const ek_tensor a = placeholder(g, "a", EK_FLOAT32, EK_SCALAR);
    const cond c = build(g, binary(g, "Less", "less", a, constant(g, "limit", scalar_f32(0))));
    ek_session *s = ek_session_create(g);
    ek_array *low = scalar_f32(-1), *high = scalar_f32(1);

    EK_DIE(ek_run(s, .target = { c.init }));
    for (int i = 0; i < 3; i++) {
        check(&c, &(ek_feed){ a, low }, 1, true, s);
        check(&c, &(ek_feed){ a, high }, 1, false, s);
    }
    ek_array_unref(low);
    ek_array_unref(high);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void a_constant_predicate_leaves_one_branch(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    const cond c = build(g, constant(g, "yes", scalar_bool(true)));
    ek_session *s = ek_session_create(g);

    EK_DIE(ek_run(s, .target = { c.init }));
    check(&c, NULL, 0, true, s);
    check(&c, NULL, 0, true, s);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* Fourteen conds one after the other, each decided by a number: 16384 outcomes, of which a few are kept. */
static void many_conds_in_a_row(void **state)
{
    (void)state;
    enum { N = 14 };
    ek_graph *g = ek_graph_create();
    const ek_tensor bits = placeholder(g, "bits", EK_INT32, EK_SCALAR);
    ek_tensor y = constant(g, "y", scalar_f32(0));
    for (int i = 0; i < N; i++) {
        const int32_t mask = 1 << i;
        const ek_tensor bit =
            binary(g, "BitwiseAnd", "bit", bits, constant(g, "mask", ek_array_of(EK_INT32, EK_SCALAR, &mask)));
        const ek_tensor p = binary(g, "Greater", "p", bit, constant(g, "none", ek_array_of(EK_INT32, EK_SCALAR, NULL)));
        const ek_op sw = node(g, "Switch", "sw", (ek_tensor[]){ y, p }, 2);

        y = out(node(g, "Merge", "m",
                     (ek_tensor[]){ out(sw, 0),
                                    binary(g, "AddV2", "more", out(sw, 1), constant(g, "w", scalar_f32((float)mask))) },
                     2),
                0);
    }
    EK_DIE(ek_graph_status(g, NULL));
    ek_session *s = ek_session_create(g);
    ek_array *got = NULL;
    for (int i = 0; i < 300; i++) {
        const int32_t v = (i * 2654435 >> 3) & ((1 << N) - 1);
        ek_array *in = ek_array_of(EK_INT32, EK_SCALAR, &v);

        EK_DIE(ek_run(s, .feed = { { bits, in } }, .fetch = { { y, &got } }));
        assert_floats(got, 1, (float[]){ (float)v });
        ek_array_unref(in);
    }
    ek_array_unref(got);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fed_predicate_steers_the_plan),
        cmocka_unit_test(a_function_of_fed_predicates_steers_too),
        cmocka_unit_test(a_predicate_from_numbers_splits_the_run),
        cmocka_unit_test(a_constant_predicate_leaves_one_branch),
        cmocka_unit_test(many_conds_in_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
