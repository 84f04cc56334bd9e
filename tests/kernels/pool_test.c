/* Pooling: every level gives base's bits, for odd channels, windows past the image, and numbers that are none. */
#include <math.h>

#include "kernels/levels.h"

enum { MOST = 4000 };

static const ek_pool geometry[] = {
    { 1, { 1, 4, 4 }, { 1, 2, 2 }, { 1, 2, 2 }, { 1, 2, 2 }, { 0, 0, 0 } },
    { 3, { 1, 5, 7 }, { 1, 3, 4 }, { 1, 3, 3 }, { 1, 2, 2 }, { 0, 1, 1 } },
    { 67, { 1, 3, 3 }, { 1, 3, 3 }, { 1, 2, 2 }, { 1, 1, 1 }, { 0, 0, 0 } },
    { 16, { 3, 4, 5 }, { 2, 2, 3 }, { 2, 3, 3 }, { 2, 2, 2 }, { 1, 1, 1 } },
    { 130, { 1, 2, 2 }, { 1, 2, 2 }, { 1, 9, 9 }, { 1, 1, 1 }, { 0, 4, 4 } },
    { 2, { 1, 3, 3 }, { 1, 3, 1 }, { 1, 1, 1 }, { 1, 3, 3 }, { 0, 3, 0 } }, /* a window of nothing but padding */
};

static int64_t count(const int64_t dim[3])
{
    return dim[0] * dim[1] * dim[2];
}

typedef struct results {
    float max[MOST], mean[MOST], max_grad[MOST], mean_grad[MOST];
    int32_t winner[MOST];
} results;

static void run(const ek_kernels *k, const ek_pool *p, const float *x, const float *dy, results *r)
{
    memset(r, 0x5a, sizeof *r);
    k->pool_max_f32(p, x, r->max, 0, 1);
    k->pool_max_f32(p, x, r->max, 1, p->out[0] * p->out[1]); /* rows are independent */
    k->pool_mean_f32(p, x, r->mean, 0, p->out[0] * p->out[1]);
    k->pool_winners_f32(p, x, r->winner, 0, p->out[0] * p->out[1]);
    k->pool_max_grad_f32(p, x, dy, r->max_grad);
    k->pool_mean_grad_f32(p, dy, r->mean_grad);
}

static void levels_agree(void **state)
{
    static float x[MOST], dy[MOST];
    static results want, got;
    const ek_kernels *level[8];
    const int n = ek__kernel_levels(level, 8);
    uint64_t seed = 11;

    (void)state;
    for (int i = 0; i < MOST; i++) {
        x[i] = i % 97 == 5 ? NAN : i % 41 == 7 ? -INFINITY : (float)test_uniform(&seed);
        dy[i] = (float)test_uniform(&seed);
    }
    for (int g = 0; g < (int)(sizeof geometry / sizeof *geometry); g++) {
        assert_true(count(geometry[g].in) * geometry[g].channels <= MOST);
        run(level[0], &geometry[g], x, dy, &want);
        for (int l = 1; l < n; l++) {
            run(level[l], &geometry[g], x, dy, &got);
            assert_memory_equal(&got, &want, sizeof got);
        }
    }
}

static void winners_are_where_the_largest_stand(void **state)
{
    const ek_kernels *k = ek__kernels();
    const ek_pool *p = &geometry[3];
    static float x[MOST], dy[MOST];
    static results r;
    const int64_t outputs = count(p->out) * p->channels, inputs = count(p->in) * p->channels;
    double sum = 0, back = 0, back_mean = 0;
    uint64_t seed = 12;

    (void)state;
    for (int i = 0; i < MOST; i++) {
        x[i] = (float)test_uniform(&seed);
        dy[i] = (float)test_uniform(&seed);
    }
    run(k, p, x, dy, &r);
    for (int64_t j = 0; j < outputs; j++) {
        assert_true(x[r.winner[j] * p->channels + j % p->channels] == r.max[j]);
        sum += (double)dy[j];
    }
    for (int64_t j = 0; j < inputs; j++) {
        back += (double)r.max_grad[j];
        back_mean += (double)r.mean_grad[j];
    }
    assert_true(fabs(back - sum) < 1e-4 && fabs(back_mean - sum) < 1e-4); /* all of dy arrives, once */
}

static void a_window_of_padding_alone_has_no_winner(void **state)
{
    static float x[MOST], dy[MOST];
    static results r;

    (void)state;
    run(ek__kernels(), &geometry[5], x, dy, &r);
    assert_int_equal(r.winner[0], -1);
    assert_true(r.max[0] < -3e38f);
    assert_int_equal(r.winner[2], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_agree),
        cmocka_unit_test(winners_are_where_the_largest_stand),
        cmocka_unit_test(a_window_of_padding_alone_has_no_winner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
