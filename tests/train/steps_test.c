/* Whole training steps, with all that surrounds an optimizer: the same numbers from reference and resource variables, from
 * one thread and two, fused or not; and no allocation after the first. */
#include <math.h>

#include "support/building.h"

enum { STEPS = 6, ROWS = 8, NEW_BRANCH = 3 };

typedef struct network {
    ek_graph *g;
    ek_tensor x, y, is_training, train;
} network;

static ek_tensor layer(ek_tensor h, int64_t units, int64_t seed, ek_tensor is_training)
{
    h = ek_dense(h, units, .kernel_initializer = ek_glorot_uniform_initializer(.seed = seed),
                 .kernel_regularizer = ek_l2_regularizer(1e-3));
    return ek_relu(ek_batch_normalization(h, .training = is_training, .momentum = 0.9));
}

static ek_gradient_list clip(ek_gradient_list gradients, ek_list variables, void *arg)
{
    (void)variables;
    (void)arg;
    return ek_clip_by_global_norm(gradients, 0.5).gradients;
}

static network build(ek_tristate resource)
{
    network n = { .g = ek_graph_create() };

    ek_use_resource_variables(n.g, resource == EK_YES);
    n.x = ek_placeholder(n.g, EK_FLOAT32, .shape = EK_SHAPE(-1, 5), .name = "x");
    n.y = ek_placeholder(n.g, EK_FLOAT32, .shape = EK_SHAPE(-1, 1), .name = "y");
    n.is_training = ek_placeholder_with_default(n.g, ek_bool(false));
    ek_tensor h = layer(layer(n.x, 7, 1, n.is_training), 6, 2, n.is_training);
    h = ek_dense(h, 1, .kernel_initializer = ek_glorot_uniform_initializer(.seed = 3));
    ek_losses_mean_squared_error(n.y, h);
    ek_variable step = ek_get_or_create_global_step(n.g);
    ek_tensor rate = ek_times(ek_piecewise_constant(step, EK_INTS(NEW_BRANCH - 1), EK_NUMBERS(0.05, 0.02)),
                              ek_exponential_decay(1.0, step, 3, 0.9));
    ek_tensor loss = ek_train_op(ek_losses_get_total_loss(n.g), ek_adam_optimizer(n.g, rate), .transform = clip);
    ek_moving_average *ema = ek_exponential_moving_average(n.g, 0.9, .num_updates = EK_OPERAND(step));
    ek_op averaged;
    ek_with_control_dependencies(n.g, EK_LIST(loss)) averaged = ek_moving_average_apply(ema, EK_EMPTY_LIST);
    n.train = ek_with_dependencies(loss, EK_LIST(averaged));
    expect_fine(n.g);
    return n;
}

/* Batches: numbers that look random. */
static void fill(ek_array *x, ek_array *y, int step)
{
    float *a = ek_array_data(x), *b = ek_array_data(y);

    for (int r = 0; r < ROWS; r++) {
        b[r] = 0.0f;
        for (int c = 0; c < 5; c++) {
            a[5 * r + c] = (float)((r * 37 + c * 53 + step * 71) % 19) / 9.0f - 1.0f;
            b[r] += a[5 * r + c] * (float)(c - 2);
        }
    }
}

/* Allocations in each step, where they are wanted. */
static void train(network n, ek_session *s, float *loss, ek_test_allocator *t, long *allocations)
{
    ek_array *x = ek_array_of(EK_FLOAT32, EK_SHAPE(ROWS, 5), NULL), *y = ek_array_of(EK_FLOAT32, EK_SHAPE(ROWS, 1), NULL);
    ek_array *yes = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ true }), *now = NULL;

    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(n.g) }));
    for (int i = 0; i < STEPS; i++) {
        const long before = t != NULL ? t->calls : 0;
        fill(x, y, i);
        EK_DIE(ek_run(s, .feed = { { n.x, x }, { n.y, y }, { n.is_training, yes } }, .fetch = { { n.train, &now } }));
        loss[i] = (float)ek_array_get(now, 0);
        if (t != NULL) allocations[i] = t->calls - before;
    }
    ek_array_unref(x);
    ek_array_unref(y);
    ek_array_unref(yes);
    ek_array_unref(now);
}

static void losses_of(ek_tristate resource, int threads, ek_tristate fuse, float *loss)
{
    network n = build(resource);
    ek_session *s = ek_session_create(n.g, .threads = threads, .fuse = fuse);

    train(n, s, loss, NULL, NULL);
    ek_session_destroy(s);
    ek_graph_destroy(n.g);
}

static void expect_near(const float *one, const float *other)
{
    for (int i = 0; i < STEPS; i++)
        if (!(fabsf(one[i] - other[i]) <= 2e-5f * fabsf(one[i]))) fail_msg("step %d: %g and %g", i, one[i], other[i]);
}

/* Node by node both sorts of variables give the same bits; what is fused may be put together otherwise. */
static void all_ways_of_a_step_agree(void **state)
{
    float fused[STEPS], plain[STEPS], other[STEPS];

    (void)state;
    losses_of(EK_NO, 1, EK_YES, fused);
    assert_true(fused[STEPS - 1] < fused[0]);
    losses_of(EK_NO, 2, EK_YES, other);
    assert_memory_equal(fused, other, sizeof fused);
    losses_of(EK_NO, 1, EK_NO, plain);
    expect_near(fused, plain);
    losses_of(EK_YES, 2, EK_NO, other);
    assert_memory_equal(plain, other, sizeof plain);
    losses_of(EK_YES, 1, EK_YES, other);
    expect_near(fused, other);
}

/* The rate's second piece is another branch, prepared when it is first taken. */
static void a_step_allocates_nothing_after_the_first(void **state)
{
    float loss[STEPS];
    long allocations[STEPS];
    ek_test_allocator t;

    (void)state;
    ek_test_allocator_install(&t, 0);
    network n = build(EK_NO);
    ek_session *s = ek_session_create(n.g, .threads = 1);
    train(n, s, loss, &t, allocations);
    ek_session_destroy(s);
    ek_graph_destroy(n.g);
    assert_int_equal(t.live, 0);
    ek_test_allocator_remove();
    assert_true(allocations[0] > 0);
    for (int i = 1; i < STEPS; i++)
        if (i != NEW_BRANCH && allocations[i] != 0) fail_msg("%ld allocations in step %d", allocations[i], i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_ways_of_a_step_agree),
        cmocka_unit_test(a_step_allocates_nothing_after_the_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
