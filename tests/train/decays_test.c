/* Learning rates that follow the global step: nodes and values are TensorFlow's; what cannot be is refused. */
#include <math.h>

#include "support/building.h"

typedef struct vectors {
    const char *schedule, *names; /* NULL: not compared */
    double rate[8];
} vectors;
static const vectors all_vectors[] = {
#include "decay_vectors.h"
};
static const int64_t at_step[] = { 0, 1, 37, 99, 100, 101, 250, 700 };

static ek_tensor rate_of(const char *name, ek_variable step)
{
    if (strcmp(name, "exponential") == 0) return ek_exponential_decay(0.1, step, 100, 0.96);
    if (strcmp(name, "staircase") == 0)
        return ek_exponential_decay(0.1, step, 100, 0.96, .staircase = true, .name = "rate");
    if (strcmp(name, "natural_exp") == 0) return ek_natural_exp_decay(0.1, step, 100, 0.5);
    if (strcmp(name, "inverse_time") == 0) return ek_inverse_time_decay(0.1, step, 100, 0.5);
    if (strcmp(name, "polynomial") == 0)
        return ek_polynomial_decay(0.1, step, 100, .end_learning_rate = EK_OPERAND(0.01), .power = EK_OPERAND(0.5));
    if (strcmp(name, "cycle") == 0)
        return ek_polynomial_decay(0.1, step, 100, .end_learning_rate = EK_OPERAND(0.01), .power = EK_OPERAND(2.0),
                                   .cycle = true);
    if (strcmp(name, "cosine") == 0) return ek_cosine_decay(0.1, step, 100, .alpha = 0.1);
    if (strcmp(name, "restarts") == 0) return ek_cosine_decay_restarts(0.1, step, 100, .m_mul = 0.5);
    if (strcmp(name, "equal_restarts") == 0)
        return ek_cosine_decay_restarts(0.1, step, 100, .t_mul = 1.0, .alpha = 0.2);
    if (strcmp(name, "two_pieces") == 0) return ek_piecewise_constant(step, EK_INTS(100), EK_NUMBERS(0.1, 0.05));
    assert_string_equal(name, "four_pieces");
    return ek_piecewise_constant(step, EK_INTS(37, 100, 250), EK_NUMBERS(0.1, 0.05, 0.01, 0.001));
}

static void follow(const vectors *v)
{
    ek_graph *g = ek_graph_create();
    ek_variable step = ek_get_or_create_global_step(g);
    const int64_t before = ek_graph_op_count(g);
    ek_tensor rate = rate_of(v->schedule, step);
    ek_array *got = NULL;

    expect_fine(g);
    if (v->names != NULL) expect_names(g, before, v->names);
    ek_session *s = ek_session_create(g);
    for (int i = 0; i < 8; i++) {
        ek_array *now = ek_array_of(EK_INT64, EK_SCALAR, &at_step[i]);
        EK_DIE(ek_run(s, .feed = { { ek_variable_value(step), now } }, .fetch = { { rate, &got } }));
        ek_array_unref(now);
        const double x = ek_array_get(got, 0);
        if (!(fabs(x - v->rate[i]) <= 3e-7 * 0.1 + 2e-6 * v->rate[i]))
            fail_msg("%s at step %d: %.9g, TensorFlow's %.9g", v->schedule, (int)at_step[i], x, v->rate[i]);
    }
    ek_array_unref(got);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void rates_are_tensorflows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof all_vectors / sizeof all_vectors[0]; i++) follow(&all_vectors[i]);
}

static void what_cannot_change_is_refused(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_variable step = ek_get_or_create_global_step(g);
    const ek_int_list none = { NULL, 0 };

    (void)state;
    ek_piecewise_constant(step, EK_INTS(10, 20), EK_NUMBERS(0.1, 0.2));
    expect_failure(g, "The length of boundaries should be 1 less than the length of values");
    g = ek_graph_create();
    ek_piecewise_constant(ek_constant(g, ek_float(3)), EK_INTS(10), EK_NUMBERS(0.1, 0.2));
    expect_failure(g, "Boundaries (<dtype: 'int32'>) must have the same dtype as x (<dtype: 'float32'>).");
    g = ek_graph_create();
    step = ek_get_or_create_global_step(g);
    ek_piecewise_constant(step, none, EK_NUMBERS(0.1));
    expect_failure(g, "a learning rate of 1 pieces; 2 to 64 are possible");
    g = ek_graph_create();
    ek_exponential_decay(NAN, ek_get_or_create_global_step(g), 10, 0.5);
    expect_failure(g, "what a learning rate begins with, or changes by, is nan; it must be a finite number");
    g = ek_graph_create();
    ek_polynomial_decay(0.1, ek_get_or_create_global_step(g), 0);
    expect_failure(g, "the number of steps of a decay is 0; it must be above 0");
    g = ek_graph_create();
    ek_piecewise_constant(ek_get_or_create_global_step(g), EK_INTS(5, 2), EK_NUMBERS(1, 2, 3));
    expect_failure(g, "boundaries must ascend; 2 comes after 5");
    assert_false(ek_tensor_ok(ek_exponential_decay(0.1, 3, 100, 0.5)));
    assert_string_equal(ek_last_error()->text, "a learning rate that changes needs the global step: a variable or a tensor");
}

static ek_status everything(ek_graph *g)
{
    ek_variable step = ek_get_or_create_global_step(g);
    rate_of("natural_exp", step);
    rate_of("cycle", step);
    rate_of("restarts", step);
    rate_of("four_pieces", step);
    return ek_graph_status(g, NULL);
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    ek_test_refuse_each_on_graph(everything, 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_tensorflows),
        cmocka_unit_test(what_cannot_change_is_refused),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
