/* Clipping: nodes and values are TensorFlow's; None and rows are told apart; what cannot be is refused. */
#include <math.h>

#include "support/building.h"

typedef struct clipped {
    ek_graph *g;
    ek_tensor x;
    ek_gradient list[3]; /* dense, None, rows */
    int64_t before;
} clipped;

static clipped build(void)
{
    clipped c = { .g = ek_graph_create() };
    ek_array *rows = ek_array_of(EK_INT32, EK_SHAPE(2), (int32_t[]){ 1, 0 });

    c.x = ek_placeholder(c.g, EK_FLOAT32, .shape = EK_SHAPE(2, 3), .name = "x");
    c.list[0] = ek_gradient_of(c.x);
    c.list[1] = ek_gradient_of((ek_tensor){ c.g, -1, 0 });
    c.list[2] = ek_gradient_of(c.x);
    c.list[2].indices = ek_constant(c.g, ek_value(rows));
    c.before = ek_graph_op_count(c.g);
    ek_array_unref(rows);
    return c;
}

static ek_gradient_list list_of(const clipped *c) { return (ek_gradient_list){ c->g, c->list, 3 }; }

static const float usual[] = { 1, -2, 0.5f, 0.25f, 3, -1 };

/* Of x. Leaves the graph. */
static void expect_values(const clipped *c, const float *x, ek_tensor t, const double *want)
{
    ek_session *s = ek_session_create(c->g);
    ek_array *in = ek_array_of(EK_FLOAT32, EK_SHAPE(2, 3), x), *got = NULL;

    expect_fine(c->g);
    EK_DIE(ek_run(s, .feed = { { c->x, in } }, .fetch = { { t, &got } }));
    for (int64_t i = 0; i < ek_array_count(got); i++)
        if (!(fabs(ek_array_get(got, i) - want[i]) <= 1e-6 * fabs(want[i])) && !(isnan(want[i]) && isnan(ek_array_get(got, i))))
            fail_msg("[%d] is %.9g, TensorFlow's %.9g", (int)i, ek_array_get(got, i), want[i]);
    ek_array_unref(in);
    ek_array_unref(got);
    ek_session_destroy(s);
}

/* 2.15's numbers. */
static const double by_norm[] = { 0.511101246, -1.02220249, 0.255550623, 0.127775311, 1.53330374, -0.511101246 };
static const double by_row[] = { 0.872871518, -1.74574304, 0.436435759, 0.157622084, 1.89146495, -0.630488336 };
static const double by_average[] = { 0.766651869, -1.53330374, 0.383325934, 0.191662967, 2.29995561, -0.766651869 };
static const double by_global[] = { 0.542104721, -1.08420944, 0.271052361, 0.13552618, 1.62631416, -0.542104721 };

static void tensors_are_clipped_by_norm(void **state)
{
    clipped c = build();
    ek_tensor t = ek_clip_by_norm(c.x, 2.0);

    (void)state;
    expect_names(c.g, c.before,
        "clip_by_norm/mul clip_by_norm/Const clip_by_norm/Sum clip_by_norm/Greater/y clip_by_norm/Greater "
        "clip_by_norm/ones_like/Shape clip_by_norm/ones_like/Const clip_by_norm/ones_like clip_by_norm/Select "
        "clip_by_norm/Sqrt clip_by_norm/Select_1 clip_by_norm/mul_1/y clip_by_norm/mul_1 clip_by_norm/Maximum/y "
        "clip_by_norm/Maximum clip_by_norm/truediv clip_by_norm");
    expect_values(&c, usual, t, by_norm);
    expect_values(&c, usual, ek_clip_by_norm(c.x, 2.0, .axes = EK_AXES(1), .name = "rows"), by_row);
    expect_values(&c, (const float[6]){ 0 }, t, (const double[6]){ 0 });
    c.before = ek_graph_op_count(c.g);
    t = ek_clip_by_average_norm(c.x, 0.5);
    expect_names(c.g, c.before,
        "clip_by_average_norm/Size clip_by_average_norm/Cast clip_by_average_norm/mul clip_by_average_norm/Rank "
        "clip_by_average_norm/range/start clip_by_average_norm/range/delta clip_by_average_norm/range "
        "clip_by_average_norm/Sum clip_by_average_norm/Rsqrt clip_by_average_norm/mul_1/y clip_by_average_norm/mul_1 "
        "clip_by_average_norm/mul_2 clip_by_average_norm/Const clip_by_average_norm/truediv/y "
        "clip_by_average_norm/truediv clip_by_average_norm/Minimum clip_by_average_norm/mul_3 clip_by_average_norm");
    expect_values(&c, usual, t, by_average);
    ek_graph_destroy(c.g);
}

static void lists_are_clipped_together(void **state)
{
    clipped c = build();
    const ek_clipped_gradients d = ek_clip_by_global_norm(list_of(&c), 3.0);

    (void)state;
    expect_names(c.g, c.before,
        "global_norm/L2Loss global_norm/L2Loss_1 global_norm/stack global_norm/Const global_norm/Sum "
        "global_norm/Const_1 global_norm/mul global_norm/global_norm clip_by_global_norm/truediv/x "
        "clip_by_global_norm/truediv clip_by_global_norm/Const clip_by_global_norm/truediv_1/y "
        "clip_by_global_norm/truediv_1 clip_by_global_norm/Minimum clip_by_global_norm/mul/x clip_by_global_norm/mul "
        "clip_by_global_norm/IsFinite clip_by_global_norm/Const_1 clip_by_global_norm/Select clip_by_global_norm/mul_1 "
        "clip_by_global_norm/clip_by_global_norm/_0 clip_by_global_norm/mul_2 clip_by_global_norm/clip_by_global_norm/_2");
    assert_int_equal(d.gradients.count, 3);
    assert_false(ek_gradient_ok(d.gradients.at[1]));
    assert_true(ek_gradient_is_rows(d.gradients.at[2]) && d.gradients.at[2].indices.op == c.list[2].indices.op);
    expect_values(&c, usual, d.gradients.at[0].value, by_global);
    expect_values(&c, usual, d.gradients.at[2].value, by_global);
    expect_values(&c, usual, d.norm, (const double[]){ 5.53398609 });
    expect_values(&c, (const float[]){ 1, INFINITY, 0, 0, 0, 0 }, d.gradients.at[0].value,
                  (const double[]){ NAN, NAN, NAN, NAN, NAN, NAN });
    ek_graph_destroy(c.g);
}

static void lists_are_clipped_one_by_one(void **state)
{
    clipped c = build();
    ek_gradient_list d = ek_clip_gradients_by_norm(list_of(&c), 2.0);

    (void)state;
    assert_false(ek_gradient_ok(d.at[1]));
    assert_true(ek_gradient_is_rows(d.at[2]));
    expect_values(&c, usual, d.at[2].value, by_norm);
    d = ek_clip_gradients_by_value(list_of(&c), -1.5, 1.0);
    expect_values(&c, usual, d.at[0].value, (const double[]){ 1, -1.5, 0.5, 0.25, 1, -1 });
    ek_graph_destroy(c.g);
}

static void a_given_norm_is_used(void **state)
{
    clipped c = build();
    const ek_tensor ten = ek_constant(c.g, ek_float(10));

    (void)state;
    expect_values(&c, usual, ek_clip_by_global_norm(list_of(&c), 5.0, .use_norm = ten).gradients.at[0].value,
                  (const double[]){ 0.5, -1, 0.25, 0.125, 1.5, -0.5 });
    ek_graph_destroy(c.g);
}

static void what_has_no_norm_is_refused(void **state)
{
    clipped c = build();

    (void)state;
    c.list[0] = c.list[2] = c.list[1];
    ek_clip_by_global_norm(list_of(&c), 1.0);
    expect_failure(c.g, "a norm of no gradients: all 3 are None");
    c = build();
    ek_clip_by_norm(c.list[1].value, 1.0);
    expect_failure(c.g, "ek_clip_by_norm was given a dead tensor");
    clipped other = build();
    c = build();
    c.list[0] = other.list[0];
    ek_global_norm(list_of(&c));
    ek_graph_destroy(other.g);
    expect_failure(c.g, "gradient 0 is of another graph than its list");
}

static ek_status everything(ek_graph *g)
{
    const ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(2));
    const ek_gradient d[] = { ek_gradient_of(x), ek_gradient_of(ek_clip_by_average_norm(x, 1.0)) };
    const ek_gradient_list list = { g, d, 2 };
    ek_clip_by_global_norm(ek_clip_gradients_by_norm(list, 3.0), 2.0);
    return ek_graph_status(g, NULL);
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    ek_test_refuse_each_on_graph(everything, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_clipped_by_norm),
        cmocka_unit_test(lists_are_clipped_together),
        cmocka_unit_test(lists_are_clipped_one_by_one),
        cmocka_unit_test(a_given_norm_is_used),
        cmocka_unit_test(what_has_no_norm_is_refused),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
