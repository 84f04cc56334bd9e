/* A deterministic session: products and convolutions by own loops, the same bits at every CPU level. */
#include "build.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { M = 37, K = 301, N = 45, SIDE = 9, IN = 20, OUT = 24, WINDOW = 3 };

/* Numbers between -1/2 and 1/2 with all their digits. */
static ek_array *numbers(ek_shape shape, uint64_t seed)
{
    ek_array *a = ek_array_of(EK_FLOAT32, shape, NULL);

    for (int64_t i = 0; i < ek_array_count(a); i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        ek_array_f32(a)[i] = (float)((double)(seed >> 11) / 9007199254740992.0 - 0.5);
    }
    return a;
}

/* What y is fed with x and w. */
static ek_array *run(ek_graph *g, bool deterministic, ek_tensor x, ek_array *xv, ek_tensor w, ek_array *wv, ek_tensor y)
{
    ek_session *s = ek_session_create(g, .threads = 1, .deterministic = deterministic);
    ek_array *got = NULL;

    EK_DIE(ek_run(s, .feed = { { x, xv }, { w, wv } }, .fetch = { { y, &got } }));
    ek_session_destroy(s);
    return got;
}

/* Float sums in the order of k, as the own loop adds at every level; returns how many elements are others. */
static int product_differs(bool deterministic)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor a = placeholder(g, "a", EK_FLOAT32, EK_SHAPE(M, K));
    const ek_tensor b = placeholder(g, "b", EK_FLOAT32, EK_SHAPE(K, N));
    ek_array *av = numbers(EK_SHAPE(M, K), 1), *bv = numbers(EK_SHAPE(K, N), 2);
    ek_array *got = run(g, deterministic, a, av, b, bv, binary(g, "MatMul", "c", a, b));
    int others = 0;

    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            volatile float sum = 0;

            for (int k = 0; k < K; k++) sum = sum + ek_array_f32(av)[i * K + k] * ek_array_f32(bv)[k * N + j];
            others += sum != ek_array_f32(got)[i * N + j];
        }
    ek_array_unref(av);
    ek_array_unref(bv);
    ek_array_unref(got);
    ek_graph_destroy(g);
    return others;
}

static float convolved(const float *x, const float *w, int row, int column, int o)
{
    volatile float sum = 0;

    for (int r = 0; r < WINDOW; r++)
        for (int c = 0; c < WINDOW; c++)
            for (int i = 0; i < IN; i++)
                sum = sum + x[((row + r) * SIDE + column + c) * IN + i] * w[((r * WINDOW + c) * IN + i) * OUT + o];
    return sum;
}

static int convolution_differs(bool deterministic)
{
    enum { INNER = SIDE - WINDOW + 1 };
    ek_graph *g = ek_graph_create();
    const int64_t ones[] = { 1, 1, 1, 1 };
    const ek_tensor in[] = { placeholder(g, "x", EK_FLOAT32, EK_SHAPE(1, SIDE, SIDE, IN)),
                             placeholder(g, "w", EK_FLOAT32, EK_SHAPE(WINDOW, WINDOW, IN, OUT)) };
    const ek_attribute attr[] = { { .name = "strides", .kind = EK_A_INTS, .u.is = ones, .count = 4 },
                                  { .name = "padding", .kind = EK_A_STRING, .u.s = "VALID", .count = -1 } };
    const ek_tensor y = out(ek_op_build(g, "Conv2D", .name = "y", .inputs = in, .n_inputs = 2, .attributes = attr,
                                        .n_attributes = 2), 0);
    ek_array *xv = numbers(EK_SHAPE(1, SIDE, SIDE, IN), 3), *wv = numbers(EK_SHAPE(WINDOW, WINDOW, IN, OUT), 4);
    ek_array *got = run(g, deterministic, in[0], xv, in[1], wv, y);
    int others = 0;

    for (int i = 0; i < INNER * INNER * OUT; i++)
        others += convolved(ek_array_f32(xv), ek_array_f32(wv), i / OUT / INNER, i / OUT % INNER, i % OUT) !=
                  ek_array_f32(got)[i];
    ek_array_unref(xv);
    ek_array_unref(wv);
    ek_array_unref(got);
    ek_graph_destroy(g);
    return others;
}

/* The level is settled once a process, so each has one of its own; before anything here asks for a kernel. */
static void own_loops_give_the_same_bits_at_every_level(void **state)
{
    static const char *const level[] = { "base", "avx2", "avx512" };

    (void)state;
    for (int i = 0; i < COUNT(level); i++) {
        const pid_t child = fork();
        int status = 0;

        assert_true(child >= 0);
        if (child == 0) {
            setenv("EK_CPU", level[i], 1);
            _exit((product_differs(true) > 0) + 2 * (convolution_differs(true) > 0));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail_msg("%s: status %d", level[i], status);
    }
    assert_int_equal(product_differs(true), 0);
    assert_int_equal(convolution_differs(true), 0);
}

/* The sums above are not oneDNN's: or the test says nothing. */
static void other_sessions_leave_them_to_oneDNN(void **state)
{
    (void)state;
    assert_true(product_differs(false) > 0);
    assert_true(convolution_differs(false) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_loops_give_the_same_bits_at_every_level),
        cmocka_unit_test(other_sessions_leave_them_to_oneDNN),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
