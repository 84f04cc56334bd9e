/* Products: every dtype, transposition and size class against a plain loop; threads' cuts; messages. */
#include "base/pool.h"
#include "dnn/dnn.h"
#include "kernels/levels.h"
#include "ops/one_op.h"
#include "ops/registry.h"

static ek_array *random_matrix(ek_dtype t, int64_t rows, int64_t columns, uint64_t seed)
{
    ek_array *f = ek_array_of(EK_FLOAT64, EK_SHAPE(rows, columns), NULL),
             *a = ek_array_of(t, EK_SHAPE(rows, columns), NULL);
    const bool whole = ek_dtype_is_integer(t);

    for (int64_t i = 0; i < rows * columns; i++)
        ek_array_f64(f)[i] = whole ? floor(9 * test_uniform(&seed)) : test_uniform(&seed);
    ek__convert(EK_FLOAT64, ek_array_data(f), t, ek_array_data(a), rows * columns);
    for (int64_t i = 0; ek_dtype_is_complex(t) && i < rows * columns; i++) {
        if (t == EK_COMPLEX64) ((float *)ek_array_data(a))[2 * i + 1] = (float)test_uniform(&seed);
        else ((double *)ek_array_data(a))[2 * i + 1] = test_uniform(&seed);
    }
    ek_array_unref(f);
    return a;
}

/* Element (i, j) of the matrix, transposed if so; real and imaginary part. */
static void element(const ek_array *a, bool transposed, int64_t i, int64_t j, double v[2])
{
    const int64_t at = transposed ? j * ek_array_dim(a, -1) + i : i * ek_array_dim(a, -1) + j;
    const void *p = (const char *)ek_array_cdata(a) + (size_t)at * ek_dtype_size(ek_array_dtype(a));
    double pair[2] = { 0, 0 };

    ek__convert(ek_array_dtype(a), p, EK_COMPLEX128, pair, 1);
    v[0] = pair[0];
    v[1] = pair[1];
}

static double tolerance(ek_dtype t, int64_t k)
{
    switch (t) {
    case EK_FLOAT16: return 2e-3 * sqrt((double)k + 1);
    case EK_BFLOAT16: return 1.6e-2 * sqrt((double)k + 1);
    case EK_FLOAT32: case EK_COMPLEX64: return 3e-7 * (double)(k + 2);
    default: return 1e-15 * (double)(k + 2);
    }
}

static void check(ek_dtype t, int64_t m, int64_t n, int64_t k, bool ta, bool tb)
{
    ek_array *a = random_matrix(t, ta ? k : m, ta ? m : k, 3), *b = random_matrix(t, tb ? n : k, tb ? k : n, 4), *c;

    run_op("MatMul", ATTRS(ATTR_BOOL("transpose_a", ta), ATTR_BOOL("transpose_b", tb)), INPUTS(a, b), 1, &c);
    assert_int_equal(ek_array_dim(c, 0), m);
    assert_int_equal(ek_array_dim(c, 1), n);
    for (int64_t i = 0; i < m; i += 1 + m / 9)
        for (int64_t j = 0; j < n; j += 1 + n / 9) {
            double re = 0, im = 0, u[2], v[2], got[2];
            for (int64_t p = 0; p < k; p++) {
                element(a, ta, i, p, u);
                element(b, tb, p, j, v);
                re += u[0] * v[0] - u[1] * v[1];
                im += u[0] * v[1] + u[1] * v[0];
            }
            element(c, false, i, j, got);
            if (fabs(got[0] - re) + fabs(got[1] - im) > tolerance(t, k))
                fail_msg("%s %lldx%lldx%lld at %lld, %lld: %g, not %g", ek_dtype_name(t), (long long)m, (long long)n,
                         (long long)k, (long long)i, (long long)j, got[0], re);
        }
    ek_array_unref(a);
    ek_array_unref(b);
    ek_array_unref(c);
}

static void every_dtype_and_size(void **state)
{
    static const ek_dtype types[] = { EK_FLOAT32, EK_FLOAT64, EK_FLOAT16,   EK_BFLOAT16,
                                     EK_INT32,   EK_INT64,   EK_COMPLEX64, EK_COMPLEX128 };
    static const int64_t sizes[][3] = {{2, 3, 4},   {1, 100, 50},  {1, 1, 7}, {60, 10, 100}, {17, 33, 21}, {16, 16, 16},
                                       { 31, 40, 1 }, { 129, 5, 300 }, { 3, 2, 0 }, { 0, 4, 3 },     { 4, 0, 3 },
                                       { 5, 250, 300 }, { 70, 211, 19 } };

    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (int w = 0; w < 4; w++) check(types[t], sizes[s][0], sizes[s][1], sizes[s][2], w & 1, w & 2);
}

static void every_level_gives_the_same_bits(void **state)
{
    enum { M = 7, N = 45, K = 19 };
    const ek_kernels *level[8];
    const int levels = ek__kernel_levels(level, 8);
    static double a[2 * M * K], b[2 * K * N], expect[2 * M * N], got[2 * M * N];
    static float af[2 * M * K], bf[2 * K * N], ef[2 * M * N], gf[2 * M * N];
    uint64_t seed = 5;

    (void)state;
    for (int i = 0; i < 2 * M * K; i++) af[i] = (float)(a[i] = test_uniform(&seed));
    for (int i = 0; i < 2 * K * N; i++) bf[i] = (float)(b[i] = test_uniform(&seed));
#define SAME(name, x, y, e, g, size)                                 \
    do {                                                             \
        level[0]->name(M, N, K, x, K, 1, y, N, e, N);                \
        level[l]->name(M, N, K, x, K, 1, y, N, g, N);                \
        assert_memory_equal(e, g, (size_t)(size) * M * N);           \
    } while (0)
    for (int l = 1; l < levels; l++) {
        SAME(matmul_f32, af, bf, ef, gf, 4);
        SAME(matmul_c64, af, bf, ef, gf, 8);
        SAME(matmul_i32, af, bf, ef, gf, 4);
        SAME(matmul_f64, a, b, expect, got, 8);
        SAME(matmul_c128, a, b, expect, got, 16);
        SAME(matmul_i64, a, b, expect, got, 8);
        level[0]->matmul_dots_f32(N, K, bf, K, af, ef);
        level[l]->matmul_dots_f32(N, K, bf, K, af, gf);
        assert_memory_equal(ef, gf, sizeof(float) * N);
    }
#undef SAME
}

/* ---- cuts ---------------------------------------------------------------------------------------------- */

typedef struct shared_phase {
    const ek_phase *phase;
    const ek_run_args *args;
} shared_phase;

static void run_chunk(void *arg, int64_t chunk)
{
    const shared_phase *p = arg;

    if (p->phase->run(p->args, chunk) != EK_OK) fail_msg("%s", p->args->err->text);
}

/* a times b into c as one thread, or several, would do it. */
static void run_on(int threads, const ek_shape *in, const ek_shape *out, bool *transposed, const void *const *data, float *c)
{
    const ek_dtype types[] = { EK_FLOAT32, EK_FLOAT32 };
    const ek_array *known[] = { NULL, NULL };
    ek_arena arena = { 0 };
    ek_error err = { 0 };
    ek_prepare_ctx p = { .def = ek__registry_find(ek__ops_registry(), "MatMul")->def, .attrs = transposed, .n_in = 2,
                         .n_out = 1, .in = in, .out = out, .in_dtype = types, .out_dtype = types, .in_value = known,
                         .arena = &arena, .one_thread = threads == 1, .err = &err };

    assert_int_equal(p.def->prepare(&p), EK_OK);
    const ek_run_args args = { .in = data, .out = (void *const[]){ c }, .state = p.state,
                               .scratch = ek__alloc(p.scratch_bytes), .err = &err };
    for (int i = 0; i < p.n_phases; i++)
        ek__parallel_for(threads, p.phase[i].chunks, run_chunk, &(shared_phase){ &p.phase[i], &args });
    ek__free(args.scratch);
    ek__arena_fini(&arena);
}

/* Nearly all sizes are short of a cut's units; every kind of cut has some. */
static void any_number_of_threads_gives_the_same_bits(void **state)
{
    enum { SHAPES = 240, MOST = 1200 };
    static float one[MOST * MOST], many[MOST * MOST];
    uint64_t seed = 11;

    (void)state;
    for (int s = 0; s < SHAPES; s++) {
        int64_t size[3];
        for (int i = 0; i < 3; i++) size[i] = (int64_t)exp((test_uniform(&seed) + 1) / 2 * log(s % 8 == 0 ? MOST : MOST / 4));
        if (s % 3 == 0) size[s / 3 % 3] = (size[s / 3 % 3] + 15) / 16 * 16;
        const int64_t m = size[0], n = size[1], k = size[2];
        bool t[] = { s & 1, s & 2 };
        const ek_shape in[] = { t[0] ? EK_SHAPE(k, m) : EK_SHAPE(m, k), t[1] ? EK_SHAPE(n, k) : EK_SHAPE(k, n) };
        const ek_shape out = EK_SHAPE(m, n);
        ek_array *a = random_matrix(EK_FLOAT32, m, k, (uint64_t)s), *b = random_matrix(EK_FLOAT32, k, n, (uint64_t)s + 1);
        const void *const data[] = { ek_array_cdata(a), ek_array_cdata(b) };
        run_on(1, in, &out, t, data, one);
        for (int threads = 2; threads <= 7; threads += 5) {
            memset(many, 0x7f, sizeof(float) * (size_t)(m * n));
            run_on(threads, in, &out, t, data, many);
            if (memcmp(one, many, sizeof(float) * (size_t)(m * n)) != 0)
                fail_msg("%lldx%lldx%lld %d%d: %d threads give other bits than one", (long long)m, (long long)n,
                         (long long)k, t[0], t[1], threads);
        }
        ek_array_unref(a);
        ek_array_unref(b);
    }
}

/* Two halves of the rows give the bits of the whole: one thread may compute either. */
static void halves_of_rows_give_the_same_bits(void **state)
{
    enum { M = 60, N = 100, K = 784 };
    ek_arena arena = { 0 };
    ek_dnn *whole, *half;
    static float a[M * K], b[K * N], c[M * N], d[M * N];
    uint64_t seed = 7;
    char *scratch;

    (void)state;
    for (int i = 0; i < M * K; i++) a[i] = (float)test_uniform(&seed);
    for (int i = 0; i < K * N; i++) b[i] = (float)test_uniform(&seed);
    assert_int_equal(ek__dnn_matmul(&arena, &(ek_dnn_matmul){ .m = M, .n = N, .k = K, .stride_a = K }, &whole, NULL),
                     EK_OK);
    assert_int_equal(ek__dnn_matmul(&arena, &(ek_dnn_matmul){ .m = M / 2, .n = N, .k = K, .stride_a = K }, &half, NULL),
                     EK_OK);
    scratch = ek__alloc(ek__dnn_scratch(whole) + ek__dnn_scratch(half));
    assert_int_equal(ek__dnn_run(whole, a, b, NULL, c, scratch, NULL), EK_OK);
    assert_int_equal(ek__dnn_run(half, a, b, NULL, d, scratch, NULL), EK_OK);
    assert_int_equal(ek__dnn_run(half, a + M / 2 * K, b, NULL, d + M / 2 * N, scratch, NULL), EK_OK);
    assert_memory_equal(c, d, sizeof c);
    ek__free(scratch);
    ek__arena_fini(&arena);
}

static void batches_broadcast(void **state)
{
    ek_array *a = random_matrix(EK_FLOAT32, 6, 4, 1), *b = random_matrix(EK_FLOAT32, 12, 5, 2), *c;
    ek_array *x, *y;

    (void)state;
    assert_int_equal(ek_array_create(EK_FLOAT32, EK_SHAPE(2, 1, 3, 4), ek_array_data(a), &x), EK_OK);
    assert_int_equal(ek_array_create(EK_FLOAT32, EK_SHAPE(3, 4, 5), ek_array_data(b), &y), EK_OK);
    run_op("BatchMatMulV2", NO_ATTRS, INPUTS(x, y), 1, &c);
    assert_true(ek_shape_equal(ek_array_shape(c), &EK_SHAPE(2, 3, 3, 5)));
    for (int64_t i = 0; i < ek_array_count(c); i++) {
        const int64_t col = i % 5, row = i / 5 % 3, q = i / 15 % 3, p = i / 45;
        double sum = 0;
        for (int64_t s = 0; s < 4; s++)
            sum += ek_array_get(a, (p * 3 + row) * 4 + s) * ek_array_get(b, (q * 4 + s) * 5 + col);
        assert_true(fabs(sum - ek_array_get(c, i)) < 1e-6);
    }
    ek_array *all[] = { a, b, c, x, y };
    for (int i = 0; i < 5; i++) ek_array_unref(all[i]);
}

static void adjoints_conjugate(void **state)
{
    static const float x[] = { 1, 2, 3, 4 }, y[] = { 5, 6, 7, 8 };
    ek_array *a = ek_array_of(EK_COMPLEX64, EK_SHAPE(2, 1), x), *b = ek_array_of(EK_COMPLEX64, EK_SHAPE(1, 2), y), *c;

    (void)state;
    run_op("BatchMatMul", ATTRS(ATTR_BOOL("adj_x", true), ATTR_BOOL("adj_y", true)), INPUTS(a, b), 1, &c);
    /* (1-2i)(5-6i) + (3-4i)(7-8i) = (-7-16i) + (-11-52i) */
    assert_true(((float *)ek_array_data(c))[0] == -18 && ((float *)ek_array_data(c))[1] == -68);
    ek_array_unref(a);
    ek_array_unref(b);
    ek_array_unref(c);
}

static void wrong_calls(void **state)
{
    ek_array *a = ek_array_of(EK_FLOAT32, EK_SHAPE(2, 3), NULL), *b = ek_array_of(EK_FLOAT32, EK_SHAPE(4, 5), NULL);
    ek_array *v = ek_array_of(EK_FLOAT32, EK_SHAPE(3), NULL);

    (void)state;
    refuse_op("MatMul", NO_ATTRS, INPUTS(a, b), 1, EK_INVALID_ARGUMENT,
              "Matrix size-incompatible: In[0]: [2,3], In[1]: [4,5]");
    refuse_op("MatMul", NO_ATTRS, INPUTS(v, b), 1, EK_INVALID_ARGUMENT,
              "In[0] and In[1] has different ndims: [3] vs. [4,5]");
    refuse_op("BatchMatMulV2", NO_ATTRS, INPUTS(v, b), 1, EK_INVALID_ARGUMENT, "In[0] ndims must be >= 2: 1");
    ek_array_unref(a);
    ek_array_unref(b);
    ek_array_unref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dtype_and_size), cmocka_unit_test(every_level_gives_the_same_bits),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(halves_of_rows_give_the_same_bits), cmocka_unit_test(batches_broadcast),
        cmocka_unit_test(adjoints_conjugate), cmocka_unit_test(wrong_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
