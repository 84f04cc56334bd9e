/* elementwise - what element-wise ops cost: time of one prepared run over shapes that count, beside memcpy of as many
 * bytes.
 *
 * Every row is prepared once, then run by one thread until it used 50 ms of the processor. GB/s counts the bytes of
 * operands and result. Inputs are written before they are read: untouched pages would be one shared page. */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "kernels/kernels.h"
#include "ops/elementwise.h"
#include "ops/registry.h"

enum { MOST = 1 << 22 };

static float *x, *y, *z;

static const ek_op_def *find(const char *name)
{
    int n;
    const ek_op_def *const *ops = ek__ops(&n);

    for (int i = 0; i < n; i++)
        if (strcmp(ops[i]->name, name) == 0) return ops[i];
    return NULL;
}

/* Seconds of one run of the prepared op. */
static double time_run(const ek_prepare_ctx *p)
{
    const void *const in[2] = { x, y };
    void *const out[1] = { z };
    const ek_run_args a = { .in = in, .out = out, .state = p->state };
    const double start = bench_seconds();
    long runs = 0, batch = 1;
    double t = 0;

    for (; t < 0.05; batch *= 2) {
        for (long r = 0; r < batch; r++)
            for (int64_t chunk = 0; chunk < p->phase[0].chunks; chunk++)
                if (p->phase[0].run(&a, chunk) != EK_OK) exit(1);
        runs += batch;
        t = bench_seconds() - start;
    }
    return t / (double)runs;
}

static double bench(const char *name, int n_in, ek_shape a, ek_shape b)
{
    const ek_op_def *def = find(name);
    const ek_shape in[2] = { a, b };
    const ek_dtype type[2] = { EK_FLOAT32, EK_FLOAT32 };
    const ek_array *const value[2] = { NULL, NULL };
    ek_arena arena = { 0 };
    ek_shape out = a;
    int64_t d0, d1;
    double t = 0;
    ek_prepare_ctx p = { .def = def,
                        .n_in = n_in,
                        .n_out = 1,
                        .in = in,
                        .out = &out,
                        .in_dtype = type,
                        .out_dtype = type,
                        .in_value = value,
                        .arena = &arena };

    if (n_in == 2 && !ek__broadcast(&a, &b, &out, &d0, &d1)) exit(1);
    if (def->prepare(&p) != EK_OK) exit(1);
    t = time_run(&p);

    const double bytes =
        4.0 * (double)(ek_shape_count(&out) + ek_shape_count(&a) + (n_in == 2 ? ek_shape_count(&b) : 0));
    char as[64], bs[64];
    ek_shape_format_cc(&a, as, sizeof as);
    ek_shape_format_cc(&b, bs, sizeof bs);
    printf("%-10s %-14s %-12s %10.3f us %8.1f GB/s %8.2f ns per element\n", name, as, n_in == 2 ? bs : "", t * 1e6,
           bytes / t * 1e-9, t * 1e9 / (double)ek_shape_count(&out));
    ek__arena_fini(&arena);
    return t;
}

static void bench_copy(int64_t n)
{
    const double start = bench_seconds();
    long runs = 0;
    double t = 0;

    for (; t < 0.05; t = bench_seconds() - start, runs++) memcpy(z, x, (size_t)n * 4);
    t /= (double)runs;
    printf("%-10s [%lld]%*s %10.3f us %8.1f GB/s\n", "memcpy", (long long)n, 17, "", t * 1e6,
           8.0 * (double)n / t * 1e-9);
}

int main(void)
{
    static const char *const functions[] = { "Relu",  "Rsqrt",   "Exp",  "Expm1",   "Log",
                                            "Log1p", "Sigmoid", "Tanh", "Softplus" };
    static const int64_t columns[] = { 1, 3, 16, 64, 100, 1024 };
    double tiny;

    x = aligned_alloc(64, MOST * 4);
    y = aligned_alloc(64, MOST * 4);
    z = aligned_alloc(64, MOST * 4);
    if (x == NULL || y == NULL || z == NULL) return 1;
    for (int i = 0; i < MOST; i++) x[i] = (float)(i % 977) * 0.01f + 0.5f, y[i] = (float)(i % 31) + 1.0f, z[i] = 0.0f;
    printf("level %s\n", ek__kernels()->level);
    tiny = bench("AddV2", 2, EK_SCALAR, EK_SCALAR);
    bench("AddV2", 2, EK_SHAPE(3, 1), EK_SHAPE(1));
    bench("AddV2", 2, EK_SHAPE(8), EK_SHAPE(8));
    bench_copy(4096);
    bench("AddV2", 2, EK_SHAPE(4096), EK_SHAPE(4096));
    bench("Mul", 2, EK_SHAPE(4096), EK_SCALAR);
    bench_copy(MOST);
    bench("AddV2", 2, EK_SHAPE(MOST), EK_SHAPE(MOST));
    for (int i = 0; i < EK_COUNT_OF(columns); i++)
        bench("Mul", 2, EK_SHAPE(65536 / columns[i], columns[i]), EK_SHAPE(columns[i]));
    bench("Mul", 2, EK_SHAPE(1024, 64), EK_SHAPE(1024, 1));
    for (int i = 0; i < EK_COUNT_OF(functions); i++) bench(functions[i], 1, EK_SHAPE(4096), EK_SCALAR);
    printf("RESULT tiny_add_ns=%.1f\n", tiny * 1e9);
    free(x);
    free(y);
    free(z);
    return 0;
}
