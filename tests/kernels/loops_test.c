/* Element-wise loops: every level gives base's bits, whatever the length, the cut and the steps. */
#include <math.h>
#include <stdio.h>

#include "kernels/levels.h"
#include "kernels/loops.h"

typedef void loop_fn(int64_t n, const void *const *in, const int *step, void *out, const void *state);

enum { MAX_N = 2 * 16 + 3, MAX_BYTES = MAX_N * 16, TRUTH = 1, SAME = 0 };
enum { T_f16, T_bf16, T_f32, T_f64, T_i8, T_u8, T_i16, T_u16, T_i32, T_u32, T_i64, T_u64, T_c64, T_c128, T_b };
static const size_t type_size[] = { 2, 2, 4, 8, 1, 1, 2, 2, 4, 4, 8, 8, 8, 16, 1 };

#define ENTRY(op, type) { #op "_" #type, offsetof(ek_kernels, op##_##type), T_##type, 0, 0 },
#define EK_LOOPS(op, types, inputs, result) EK_TYPES_##types(ENTRY, op) { NULL, 0, 0, inputs, result },
/* An entry without a name closes its op and says its inputs and result. */
static struct loop {
    const char *name;
    size_t place;
    int type, inputs, result;
} loops[] = {
#include "kernels/elementwise.def"
};
enum { N_LOOPS = sizeof loops / sizeof *loops };

static loop_fn *loop_at(const ek_kernels *k, const struct loop *loop)
{
    loop_fn *fn;

    memcpy(&fn, (const char *)k + loop->place, sizeof fn);
    return fn;
}

static int setup(void **state)
{
    (void)state;
    for (int i = N_LOOPS - 1, inputs = 0, result = 0; i >= 0; i--) {
        if (loops[i].name == NULL) inputs = loops[i].inputs, result = loops[i].result;
        loops[i].inputs = inputs;
        loops[i].result = result;
    }
    return 0;
}

static const double special[] = { 0.0,    -0.0,  1.0,    -1.0,  0.5,    -2.0, 88.0,  -88.0,    104.0,
                                 -104.0, 710.0, -745.0, 1e-30, -1e-40, 3e38, -3e38, INFINITY, -INFINITY,
                                 NAN,    1e-7,  16.5,   2.5,   -3.5,   1e10, 6.0,   0.7 };

/* One element: special values first, then random ones of moderate size. */
static double number(uint64_t *seed, int64_t i)
{
    const double u = test_uniform(seed);

    if (i < (int64_t)(sizeof special / sizeof *special)) return special[i];
    return (test_next(seed) & 7) == 0 ? special[test_next(seed) % (sizeof special / sizeof *special)] : u * 12.0;
}

static void put(int type, unsigned char *at, uint64_t *seed, int64_t i)
{
    const double v = number(seed, i), w = number(seed, i + 3);
    const uint64_t bits = (i & 1) != 0 ? test_next(seed) : (uint64_t)(int64_t)(test_uniform(seed) * 9.0);
    const uint16_t f16 = ek_float_to_float16((float)v), bf16 = ek_float_to_bfloat16((float)v);
    const float f32[2] = { (float)v, (float)w };
    const double f64[2] = { v, w };

    switch (type) {
    case T_f16: memcpy(at, &f16, 2); break;
    case T_bf16: memcpy(at, &bf16, 2); break;
    case T_f32: case T_c64: memcpy(at, f32, type_size[type]); break;
    case T_f64: case T_c128: memcpy(at, f64, type_size[type]); break;
    case T_b: *at = (unsigned char)(bits & 1); break;
    default: memcpy(at, &bits, type_size[type]);
    }
}

static void fill(int type, unsigned char *x, int64_t n, uint64_t seed)
{
    for (int64_t i = 0; i < n; i++) put(type, x + (size_t)i * type_size[type], &seed, (i * 7 + (int64_t)seed % 5) % 31);
}

static bool is_nan(int type, const unsigned char *p)
{
    uint16_t h;
    float f;
    double d;

    memcpy(&h, p, sizeof h);
    if (type == T_f16) return (h & 0x7fff) > 0x7c00;
    if (type == T_bf16) return (h & 0x7fff) > 0x7f80;
    memcpy(&f, p, sizeof f);
    if (type == T_f32 || type == T_c64) return isnan(f);
    memcpy(&d, p, type_size[type] >= 8 ? sizeof d : 0);
    return (type == T_f64 || type == T_c128) && isnan(d);
}

/* Bytes of an element of input k: select begins with a truth. */
static size_t input_size(const struct loop *loop, int k)
{
    return k == 0 && loop->name != NULL && strncmp(loop->name, "select", 6) == 0 ? 1 : type_size[loop->type];
}

/* Bits, but any NaN for a NaN. */
static bool same(const struct loop *loop, const unsigned char *a, const unsigned char *b, int64_t n)
{
    const size_t part = loop->result == TRUTH  ? 1
                        : loop->type == T_c64  ? 4
                        : loop->type == T_c128 ? 8
                                               : type_size[loop->type];
    const size_t bytes = loop->result == TRUTH ? (size_t)n : (size_t)n * type_size[loop->type];

    for (size_t i = 0; i < bytes; i += part) {
        if (memcmp(a + i, b + i, part) == 0) continue;
        if (loop->result == TRUTH || !is_nan(loop->type, a + i) || !is_nan(loop->type, b + i)) return false;
    }
    return true;
}

static unsigned char x[3][MAX_BYTES], expect[MAX_BYTES + 1], got[MAX_BYTES + 1];
static const float parameter = 0.25f;

static void check(const struct loop *loop, const ek_kernels *base, const ek_kernels *level, int64_t n, int steps)
{
    const void *const in[3] = { x[0], x[1], x[2] };
    const int step[3] = { steps & 1, (steps >> 1) & 1, (steps >> 2) & 1 };
    const size_t size = loop->result == TRUTH ? 1 : type_size[loop->type], end = (size_t)n * size;

    memset(expect, 0x5a, sizeof expect);
    memset(got, 0x5a, sizeof got);
    loop_at(base, loop)(n, in, step, expect, &parameter);
    loop_at(level, loop)(n, in, step, got, &parameter);
    if (!same(loop, expect, got, n))
        fail_msg("%s differs at level %s, n %d, steps %d", loop->name, level->level, (int)n, steps);
    if (expect[end] != 0x5a || got[end] != 0x5a) fail_msg("%s writes past %d elements", loop->name, (int)n);
}

static void levels_agree(void **state)
{
    const ek_kernels *level[8];
    const int n_levels = ek__kernel_levels(level, 8);

    (void)state;
    for (int i = 0; i < N_LOOPS; i++) {
        if (loops[i].name == NULL) continue;
        for (int k = 0; k < 3; k++) fill(loops[i].type, x[k], MAX_N, 11 + (uint64_t)k);
        for (int64_t n = 0; n <= MAX_N; n++)
            for (int steps = 0; steps < 1 << loops[i].inputs; steps++)
                for (int l = 0; l < n_levels; l++) check(&loops[i], level[0], level[l], n, steps);
    }
}

/* Element by element, and in place over each input, as over the whole. */
static void cuts_and_places_do_not_matter(void **state)
{
    const ek_kernels *level[8];
    const int n_levels = ek__kernel_levels(level, 8);

    (void)state;
    for (int i = 0; i < N_LOOPS * n_levels; i++) {
        const struct loop *const loop = &loops[i / n_levels];
        const size_t out_size = loop->result == TRUTH ? 1 : type_size[loop->type], size[3] = {
            input_size(loop, 0), input_size(loop, 1), input_size(loop, 2) };
        const int step[3] = { 1, 1, 1 };

        if (loop->name == NULL) continue;
        for (int k = 0; k < 3; k++) fill(loop->type, x[k], MAX_N, 21 + (uint64_t)k);
        loop_at(level[i % n_levels], loop)(MAX_N, (const void *const[3]){ x[0], x[1], x[2] }, step, expect, &parameter);
        for (size_t at = 0; at < MAX_N; at++)
            loop_at(level[i % n_levels],
                    loop)(1, (const void *const[3]){ x[0] + at * size[0], x[1] + at * size[1], x[2] + at * size[2] },
                          step, got + at * out_size, &parameter);
        if (!same(loop, expect, got, MAX_N)) fail_msg("%s depends on the cut", loop->name);
        for (int k = 0; k < loop->inputs; k++) {
            const void *in[3] = { x[0], x[1], x[2] };

            if (out_size != size[k]) continue;
            memcpy(got, x[k], MAX_BYTES);
            in[k] = got;
            loop_at(level[i % n_levels], loop)(MAX_N, in, step, got, &parameter);
            if (!same(loop, expect, got, MAX_N)) fail_msg("%s is wrong in place of input %d", loop->name, k);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(levels_agree), cmocka_unit_test(cuts_and_places_do_not_matter) };

    return cmocka_run_group_tests(tests, setup, NULL);
}
