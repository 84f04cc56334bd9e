/* Optimizer steps: every level gives base's bits for any length and cut, nothing is written beyond the end, and the
 * steps are those of the formulas in double. */
#include <math.h>
#include <stdio.h>

#include "kernels/levels.h"
#include "kernels/loops.h"

typedef void update_fn(int64_t n, void *const *var, const void *grad, const void *scalar);

enum { MAX_N = 2 * 256 + 19, PAD = 8, ROOM = MAX_N + PAD, MAX_VARS = 4 };
enum { T_f16, T_bf16, T_f32, T_f64 };
static const size_t type_size[] = { 2, 2, 4, 8 };

#define ENTRY(name, type) { #name "_" #type, offsetof(ek_kernels, update_##name##_##type), T_##type, 0 },
#define EK_UPDATE(name, variables) EK_TYPES_FLOAT(ENTRY, name) { NULL, 0, 0, variables },
/* An entry without a name closes its optimizer and says how many variables it has. */
static struct update {
    const char *name;
    size_t place;
    int type, variables;
} updates[] = {
#include "kernels/optimizer.def"
};
enum { N_UPDATES = sizeof updates / sizeof *updates };

static update_fn *update_at(const ek_kernels *k, const struct update *u)
{
    update_fn *fn;

    memcpy(&fn, (const char *)k + u->place, sizeof fn);
    return fn;
}

static int setup(void **state)
{
    (void)state;
    for (int i = N_UPDATES - 1, variables = 0; i >= 0; i--) {
        if (updates[i].name == NULL) variables = updates[i].variables;
        updates[i].variables = variables;
    }
    return 0;
}

static void put(int type, void *x, int64_t i, double v)
{
    switch (type) {
    case T_f16: ((uint16_t *)x)[i] = ek_float_to_float16((float)v); break;
    case T_bf16: ((uint16_t *)x)[i] = ek_float_to_bfloat16((float)v); break;
    case T_f32: ((float *)x)[i] = (float)v; break;
    default: ((double *)x)[i] = v;
    }
}

/* Parameters of any sign, slots that are sums of squares or means: positive, and some zero. */
typedef struct memory {
    double var[MAX_VARS][ROOM], grad[ROOM];
} memory;

static void fill(memory *m, int type, int variables)
{
    uint64_t seed = 77;

    memset(m, 0x5a, sizeof *m);
    for (int64_t i = 0; i < MAX_N; i++) {
        put(type, m->grad, i, i % 17 == 3 ? 0.0 : test_uniform(&seed) * 2);
        for (int k = 0; k < variables; k++)
            put(type, m->var[k], i, k == 0 ? test_uniform(&seed) : i % 29 == 5 ? 0.0 : fabs(test_uniform(&seed)) + 1);
    }
}

static const double numbers[] = { 0.1, 0.2, 0.05, 0.9, 0.99, 1e-3 };

static const void *scalars(int type)
{
    static float f[6];
    static double d[6];

    for (int i = 0; i < 6; i++) d[i] = numbers[i], f[i] = (float)numbers[i];
    return type == T_f64 ? (const void *)d : f;
}

static void step(update_fn *fn, memory *m, int type, int64_t from, int64_t n)
{
    void *var[MAX_VARS];
    const size_t at = (size_t)from * type_size[type];

    for (int k = 0; k < MAX_VARS; k++) var[k] = (char *)m->var[k] + at;
    fn(n, var, (const char *)m->grad + at, scalars(type));
}

static void test_levels_agree(void **state)
{
    static memory base, other;
    static const int64_t length[] = { 0, 1, 2, 7, 15, 16, 17, 33, 255, 256, 257, MAX_N };
    const ek_kernels *level[8];
    const int levels = ek__kernel_levels(level, 8);

    (void)state;
    for (int u = 0; u < N_UPDATES; u++) {
        const struct update *const up = &updates[u];

        if (up->name == NULL) continue;
        for (size_t i = 0; i < sizeof length / sizeof *length; i++) {
            fill(&base, up->type, up->variables);
            step(update_at(level[0], up), &base, up->type, 0, length[i]);
            for (int l = 0; l < levels; l++) {
                fill(&other, up->type, up->variables);
                step(update_at(level[l], up), &other, up->type, 0, length[i] / 3);
                step(update_at(level[l], up), &other, up->type, length[i] / 3, length[i] - length[i] / 3);
                if (memcmp(&base, &other, sizeof base) != 0)
                    fail_msg("%s at %s, n = %lld", up->name, level[l]->level, (long long)length[i]);
            }
        }
    }
}

/* A parameter that is its own slot: read first, then written. */
static void test_equal_pointers_are_harmless(void **state)
{
    const ek_kernels *level[8];
    const int levels = ek__kernel_levels(level, 8);

    (void)state;
    for (int l = 0; l < levels; l++) {
        float x[37], h[2] = { 0.5f, 0.5f };

        for (int i = 0; i < 37; i++) x[i] = (float)i;
        level[l]->update_momentum_f32(37, (void *const[]){ x, x }, x, h);
        for (int i = 0; i < 37; i++) assert_true(x[i] == 0.25f * (float)i || x[i] == 1.5f * (float)i);
    }
}

static void expect_near(double x, double expected, double tolerance)
{
    if (!(fabs(x - expected) <= tolerance)) fail_msg("expected %.17g, got %.17g", expected, x);
}

static void test_formulas(void **state)
{
    const ek_kernels *const k = ek__kernels();
    double v = 2, m = 0.5, s = 4;
    const double g = 3, adam[] = { 0.9, 0.99, 0.1, 0.9, 0.99, 1e-3 }, rate[] = { 0.1, 0.9 };

    (void)state;
    k->update_gradient_descent_f64(1, (void *const[]){ &v }, &g, rate);
    expect_near(v, 2 - 0.1 * 3, 1e-15);
    v = 2;
    k->update_nesterov_f64(1, (void *const[]){ &v, &m }, &g, rate);
    expect_near(m, 0.5 * 0.9 + 3, 1e-15);
    expect_near(v, 2 - (0.1 * 3 + 3.45 * 0.9 * 0.1), 1e-15);
    v = 2, m = 0.5;
    k->update_adam_f64(1, (void *const[]){ &v, &m, &s }, &g, adam);
    expect_near(m, 0.9 * 0.5 + 0.1 * 3, 1e-15);
    expect_near(s, 0.99 * 4 + 0.01 * 9, 1e-15);
    expect_near(v, 2 - 0.1 * sqrt(0.01) / 0.1 * m / (sqrt(s) + 1e-3), 1e-14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_agree),
        cmocka_unit_test(test_equal_pointers_are_harmless),
        cmocka_unit_test(test_formulas),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
