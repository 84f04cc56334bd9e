/* products - our products of matrices and convolutions, forward and both gradients, beside oneDNN's and TensorFlow's, one
 * thread and two.
 *
 *     products [--quick]
 *
 * A cell is the median of rounds in which both take turns, each after a rest in which idle threads of both fall asleep.
 * Both start from plain arrays (channels last, weights as TensorFlow stores them) and end with plain ones: oneDNN is left
 * to choose its weights' layout and the reorder is timed, as ours is. Ratios are oneDNN's time over ours:
 *     products_t1, products_t2, convs_t1, convs_t2   geometric means
 *     smallest                                       the worst of all
 *     tf_products, tf_convs                          TensorFlow's over ours, both thread counts; 0 where there is none
 * TensorFlow's times come from a script beside this file, run where a Python with tensorflow is found ($EK_TF_PYTHON,
 * else python3). --quick makes one short round: for the form, not for the figures.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <oneapi/dnnl/dnnl.h>

#include "bench.h"
#include "ops/conv_dnn.h"
#include "ops/registry.h"
#include "prepared.h"

void omp_set_num_threads(int threads); /* libgomp's, which oneDNN brings */

enum { MOST_ROUNDS = 15, WAYS = 3, THREADS = 2 };

/* A product (images 0): in by channels times channels by out. A convolution: SAME, square. */
typedef struct shape {
    int64_t images, size, in, kernel, out, stride;
} shape;
static const shape shapes[] = {
    { 0, 60, 784, 0, 100, 0 },   { 0, 60, 100, 0, 100, 0 },   { 0, 60, 100, 0, 10, 0 },    { 0, 256, 1024, 0, 1024, 0 },
    { 32, 56, 64, 3, 64, 1 },    { 128, 32, 3, 3, 16, 1 },    { 128, 32, 16, 3, 32, 2 },
    { 128, 16, 32, 3, 64, 2 },
};
/* Of a product: y = x w, dx = dy w^T, dw = x^T dy. */
static const char *const way_name[WAYS] = { "forward", "by input", "by weights" };

static int rounds = 9;
static double block_s = 4e-3;

static void die(const char *what)
{
    fprintf(stderr, "products: %s\n", what);
    exit(1);
}

static float *numbers(int64_t n)
{
    float *v = aligned_alloc(64, ((size_t)n * sizeof *v + 63) / 64 * 64);

    if (v == NULL) die("no memory");
    for (int64_t i = 0; i < n; i++) v[i] = (float)(i % 13) / 8 - 0.75f;
    return v;
}

/* ---- contestants ---------------------------------------------------------------------------------------- */

typedef struct contestant {
    void (*run)(struct contestant *c);
    int threads;
    double seconds[MOST_ROUNDS];
    /* ours */
    ek_arena arena;
    ek_prepare_ctx prepared;
    ek_run_args args;
    const void *in[2];
    void *out[1];
    /* oneDNN's: up to a reorder before and one after */
    dnnl_stream_t stream;
    int n_primitives;
    dnnl_primitive_t primitive[2];
    dnnl_exec_arg_t arg[2][3];
    int n_args[2];
} contestant;

static void run_ours(contestant *c)
{
    bench_run(&c->prepared, &c->args, c->threads);
}

static void run_dnnl(contestant *c)
{
    for (int i = 0; i < c->n_primitives; i++)
        dnnl_primitive_execute(c->primitive[i], c->stream, c->n_args[i], c->arg[i]);
    dnnl_stream_wait(c->stream);
}

static ek_window window_of(const shape *s)
{
    ek_window w = { .channels_first = false };

    for (int i = 0; i < 2; i++) {
        w.in[i] = s->size;
        w.out[i] = (s->size + s->stride - 1) / s->stride;
        w.kernel[i] = s->kernel;
        w.stride[i] = s->stride;
        w.dilation[i] = 1;
        const int64_t total = (w.out[i] - 1) * s->stride + s->kernel - s->size;
        w.before[i] = total > 0 ? total / 2 : 0;
        w.after[i] = total > 0 ? total - total / 2 : 0;
    }
    return w;
}

/* The matrices of a product: rows, columns and inner size, and which are stored transposed. */
static void product_of(const shape *s, int way, int64_t *mnk, bool *transposed)
{
    const int64_t sizes[WAYS][3] = { { s->size, s->out, s->in }, { s->size, s->in, s->out }, { s->in, s->out, s->size } };

    memcpy(mnk, sizes[way], sizeof sizes[way]);
    transposed[0] = way == 2;
    transposed[1] = way == 1;
}

/* What the ways read and write, in elements of x, w and y. */
static void counts_of(const shape *s, int64_t *x, int64_t *w, int64_t *y)
{
    const ek_window win = s->images > 0 ? window_of(s) : (ek_window){ .out = { s->size, 1 } };
    const int64_t images = s->images > 0 ? s->images : 1, pixels = s->images > 0 ? s->size * s->size : s->size;

    *x = images * pixels * s->in;
    *w = s->in * s->out * (s->images > 0 ? s->kernel * s->kernel : 1);
    *y = images * win.out[0] * win.out[1] * s->out;
}

static void set_ours(contestant *c, const shape *s, int way, int threads)
{
    static ek_error err;
    static ek_shape in[2], out;
    static ek_dtype types[2] = { EK_FLOAT32, EK_FLOAT32 };
    static const ek_array *known[2];
    static bool transposed[2];
    ek_status st;

    c->run = run_ours;
    c->threads = threads;
    c->prepared = (ek_prepare_ctx){ .arena = &c->arena, .err = &err, .in_value = known, .n_in = 2, .n_out = 1, .in = in,
                                    .out = &out, .in_dtype = types, .out_dtype = types, .one_thread = threads == 1 };
    if (s->images > 0) {
        const ek_conv conv = { window_of(s), s->images, s->in, s->out };
        st = ek__conv_dnn_prepare(&c->prepared, (ek_dnn_way)way, &conv, 0, 1, NULL);
    } else {
        int64_t mnk[3];
        product_of(s, way, mnk, transposed);
        in[0] = transposed[0] ? EK_SHAPE(mnk[2], mnk[0]) : EK_SHAPE(mnk[0], mnk[2]);
        in[1] = transposed[1] ? EK_SHAPE(mnk[1], mnk[2]) : EK_SHAPE(mnk[2], mnk[1]);
        out = EK_SHAPE(mnk[0], mnk[1]);
        c->prepared.def = ek__registry_find(ek__ops_registry(), "MatMul")->def;
        c->prepared.attrs = transposed; /* transpose_a, transpose_b */
        st = c->prepared.def->prepare(&c->prepared);
    }
    if (st != EK_OK) die("ours could not be prepared");
    c->args = (ek_run_args){ .in = c->in, .out = c->out, .state = c->prepared.state, .err = &err,
                             .scratch = aligned_alloc(64, (c->prepared.scratch_bytes + 64) / 64 * 64) };
}

static void expect(dnnl_status_t status)
{
    if (status != dnnl_success) die("oneDNN refused");
}

static dnnl_memory_t memory_of(dnnl_engine_t e, const dnnl_memory_desc_t *md, const void *at)
{
    dnnl_memory_t m;

    expect(dnnl_memory_create(&m, md, e, at == NULL ? DNNL_MEMORY_ALLOCATE : (void *)(uintptr_t)at));
    return m;
}

static void add_primitive(contestant *c, dnnl_primitive_desc_t pd, int n, const dnnl_exec_arg_t *arg)
{
    const int i = c->n_primitives++;

    expect(dnnl_primitive_create(&c->primitive[i], pd));
    dnnl_primitive_desc_destroy(pd);
    memcpy(c->arg[i], arg, (size_t)n * sizeof *arg);
    c->n_args[i] = n;
}

static void add_reorder(contestant *c, dnnl_engine_t e, const dnnl_memory_desc_t *from, dnnl_memory_t from_at,
                        const dnnl_memory_desc_t *to, dnnl_memory_t to_at)
{
    dnnl_primitive_desc_t pd;

    expect(dnnl_reorder_primitive_desc_create(&pd, from, e, to, e, NULL));
    add_primitive(c, pd, 2, (dnnl_exec_arg_t[]){ { DNNL_ARG_FROM, from_at }, { DNNL_ARG_TO, to_at } });
}

static void set_dnnl_product(contestant *c, dnnl_engine_t e, const shape *s, int way)
{
    int64_t mnk[3];
    bool t[2];
    dnnl_memory_desc_t a, b, r;
    dnnl_matmul_desc_t desc;
    dnnl_primitive_desc_t pd;

    product_of(s, way, mnk, t);
    const dnnl_dims_t da = { mnk[0], mnk[2] }, db = { mnk[2], mnk[1] }, dr = { mnk[0], mnk[1] };
    expect(dnnl_memory_desc_init_by_tag(&a, 2, da, dnnl_f32, t[0] ? dnnl_ba : dnnl_ab));
    expect(dnnl_memory_desc_init_by_tag(&b, 2, db, dnnl_f32, t[1] ? dnnl_ba : dnnl_ab));
    expect(dnnl_memory_desc_init_by_tag(&r, 2, dr, dnnl_f32, dnnl_ab));
    expect(dnnl_matmul_desc_init(&desc, &a, &b, NULL, &r));
    expect(dnnl_primitive_desc_create(&pd, &desc, NULL, e, NULL));
    add_primitive(c, pd, 3, (dnnl_exec_arg_t[]){ { DNNL_ARG_SRC, memory_of(e, &a, c->in[0]) },
                                                 { DNNL_ARG_WEIGHTS, memory_of(e, &b, c->in[1]) },
                                                 { DNNL_ARG_DST, memory_of(e, &r, c->out[0]) } });
}

static void set_dnnl_conv(contestant *c, dnnl_engine_t e, const shape *s, int way)
{
    const ek_window w = window_of(s);
    const dnnl_dims_t in = { s->images, s->in, s->size, s->size }, out = { s->images, s->out, w.out[0], w.out[1] };
    const dnnl_dims_t weights = { s->out, s->in, s->kernel, s->kernel }, stride = { s->stride, s->stride };
    const dnnl_dims_t none = { 0, 0 }, before = { w.before[0], w.before[1] }, after = { w.after[0], w.after[1] };
    const dnnl_prop_kind_t kind = way == EK_DNN_FORWARD ? dnnl_forward_inference : dnnl_forward_training;
    dnnl_memory_desc_t x, any, y, plain;
    dnnl_convolution_desc_t desc;
    dnnl_primitive_desc_t hint, pd;

    expect(dnnl_memory_desc_init_by_tag(&x, 4, in, dnnl_f32, dnnl_nhwc));
    expect(dnnl_memory_desc_init_by_tag(&y, 4, out, dnnl_f32, dnnl_nhwc));
    expect(dnnl_memory_desc_init_by_tag(&any, 4, weights, dnnl_f32, dnnl_format_tag_any));
    expect(dnnl_memory_desc_init_by_tag(&plain, 4, weights, dnnl_f32, dnnl_hwio));
    expect(dnnl_dilated_convolution_forward_desc_init(&desc, kind, dnnl_convolution_direct, &x, &any, NULL, &y, stride,
                                                      none, before, after));
    expect(dnnl_primitive_desc_create(&hint, &desc, NULL, e, NULL));
    pd = hint;
    if (way == EK_DNN_INPUT)
        expect(dnnl_dilated_convolution_backward_data_desc_init(&desc, dnnl_convolution_direct, &x, &any, &y, stride,
                                                                none, before, after));
    if (way == EK_DNN_WEIGHTS)
        expect(dnnl_dilated_convolution_backward_weights_desc_init(&desc, dnnl_convolution_direct, &x, &any, NULL, &y,
                                                                   stride, none, before, after));
    if (way != EK_DNN_FORWARD) {
        expect(dnnl_primitive_desc_create(&pd, &desc, NULL, e, hint));
        dnnl_primitive_desc_destroy(hint);
    }
    const dnnl_memory_desc_t inside = *dnnl_primitive_desc_query_md(
        pd, way == EK_DNN_WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
    const dnnl_memory_t packed = memory_of(e, &inside, NULL);
    const dnnl_memory_t given = memory_of(e, &plain, way == EK_DNN_WEIGHTS ? c->out[0] : c->in[1]);
    const dnnl_memory_t image = memory_of(e, &x, way == EK_DNN_INPUT ? c->out[0] : c->in[0]);
    const dnnl_memory_t result = memory_of(e, &y, c->in[way == EK_DNN_WEIGHTS]);
    const dnnl_exec_arg_t arg[WAYS][3] = {
        { { DNNL_ARG_SRC, image }, { DNNL_ARG_WEIGHTS, packed }, { DNNL_ARG_DST, memory_of(e, &y, c->out[0]) } },
        { { DNNL_ARG_DIFF_DST, result }, { DNNL_ARG_WEIGHTS, packed }, { DNNL_ARG_DIFF_SRC, image } },
        { { DNNL_ARG_SRC, image }, { DNNL_ARG_DIFF_DST, result }, { DNNL_ARG_DIFF_WEIGHTS, packed } },
    };
    if (way != EK_DNN_WEIGHTS) add_reorder(c, e, &plain, given, &inside, packed);
    add_primitive(c, pd, 3, arg[way]);
    if (way == EK_DNN_WEIGHTS) add_reorder(c, e, &inside, packed, &plain, given);
}

/* ---- timing ------------------------------------------------------------------------------------------------ */

/* Seconds of one run, over as many as fill a block. */
static double time_block(contestant *c)
{
    int runs = 0;

    omp_set_num_threads(c->threads);
    nanosleep(&(struct timespec){ 0, 3000000 }, NULL);
    c->run(c);
    const double start = bench_seconds();
    do {
        c->run(c);
        runs++;
    } while (bench_seconds() - start < block_s);
    return (bench_seconds() - start) / runs;
}

/* Ours and oneDNN's: medians in seconds. */
static void time_way(const shape *s, int way, int threads, double *ours, double *dnnl)
{
    static dnnl_engine_t engine;
    contestant c[2] = { { .threads = threads }, { .threads = threads, .run = run_dnnl } };
    int64_t x, w, y;

    if (engine == NULL) expect(dnnl_engine_create(&engine, dnnl_cpu, 0));
    counts_of(s, &x, &w, &y);
    float *data[] = { numbers(x), numbers(w), numbers(y) };
    float *const of[WAYS][3] = { { data[0], data[1], data[2] }, { data[2], data[1], data[0] }, { data[0], data[2], data[1] } };
    for (int i = 0; i < 2; i++) {
        c[i].in[0] = of[way][0];
        c[i].in[1] = of[way][1];
        c[i].out[0] = of[way][2];
    }
    set_ours(&c[0], s, way, threads);
    omp_set_num_threads(threads);
    expect(dnnl_stream_create(&c[1].stream, engine, dnnl_stream_default_flags));
    if (s->images > 0) set_dnnl_conv(&c[1], engine, s, way);
    else set_dnnl_product(&c[1], engine, s, way);
    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < 2; i++) c[(r + i) % 2].seconds[r] = time_block(&c[(r + i) % 2]);
    *ours = bench_median(c[0].seconds, rounds);
    *dnnl = bench_median(c[1].seconds, rounds);
    ek__arena_fini(&c[0].arena);
    free(c[0].args.scratch);
    for (int i = 0; i < 3; i++) free(data[i]);
}

/* TensorFlow's seconds by shape, way and thread count; 0: none. */
static void time_tensorflow(double (*tf)[WAYS][THREADS])
{
    const char *python = getenv("EK_TF_PYTHON") != NULL ? getenv("EK_TF_PYTHON") : "python3";
    char command[8192], line[256];
    int at = snprintf(command, sizeof command, "'%s' '%s/products_tf.py'", python, EK_BENCH_DIR);

    for (int i = 0; i < EK_COUNT_OF(shapes); i++) {
        const shape *s = &shapes[i];
        at += snprintf(command + at, sizeof command - (size_t)at, " %lld,%lld,%lld,%lld,%lld,%lld", (long long)s->images,
                       (long long)s->size, (long long)s->in, (long long)s->kernel, (long long)s->out,
                       (long long)s->stride);
    }
    snprintf(command + at, sizeof command - (size_t)at, " 2>/dev/null");
    FILE *f = popen(command, "r");
    if (f == NULL) return;
    while (fgets(line, sizeof line, f) != NULL) {
        int i, way, threads;
        double us;
        if (sscanf(line, "%d %d %d %lf", &i, &way, &threads, &us) == 4 && i >= 0 && i < EK_COUNT_OF(shapes) && way >= 0 &&
            way < WAYS && threads >= 1 && threads <= THREADS)
            tf[i][way][threads - 1] = us * 1e-6;
    }
    if (pclose(f) != 0) printf("no TensorFlow for %s: nothing of its to compare with (set EK_TF_PYTHON)\n", python);
}

typedef struct mean {
    double sum;
    int n;
} mean;

static void add(mean *m, double ratio)
{
    if (ratio <= 0) return;
    m->sum += log(ratio);
    m->n++;
}

static double value(const mean *m)
{
    return m->n > 0 ? exp(m->sum / m->n) : 0;
}

int main(int argc, char **argv)
{
    static double tf[EK_COUNT_OF(shapes)][WAYS][THREADS];
    mean dnnl_mean[2][THREADS] = { 0 }, tf_mean[2] = { 0 };
    double smallest = INFINITY;

    if (argc > 1 && strcmp(argv[1], "--quick") == 0) {
        rounds = 1;
        block_s = 1e-4;
    } else {
        time_tensorflow(tf);
    }
    printf("%-26s %-10s %7s %10s %10s %10s\n", "", "", "threads", "ours us", "oneDNN us", "TF us");
    for (int i = 0; i < EK_COUNT_OF(shapes); i++)
        for (int way = 0; way < WAYS; way++)
            for (int t = 1; t <= THREADS; t++) {
                const shape *s = &shapes[i];
                double ours, dnnl;
                char name[80];
                time_way(s, way, t, &ours, &dnnl);
                if (s->images == 0)
                    snprintf(name, sizeof name, "(%lld,%lld,%lld)", (long long)s->size, (long long)s->in, (long long)s->out);
                else
                    snprintf(name, sizeof name, "%lldx%lldx%lldx%lld to %lld /%lld", (long long)s->images,
                             (long long)s->size, (long long)s->size, (long long)s->in, (long long)s->out,
                             (long long)s->stride);
                printf("%-26s %-10s %7d %10.1f %10.1f %10.1f   %.2f %.2f\n", name, way_name[way], t, ours * 1e6, dnnl * 1e6,
                       tf[i][way][t - 1] * 1e6, dnnl / ours, tf[i][way][t - 1] / ours);
                add(&dnnl_mean[s->images > 0][t - 1], dnnl / ours);
                add(&tf_mean[s->images > 0], tf[i][way][t - 1] / ours);
                if (dnnl / ours < smallest) smallest = dnnl / ours;
            }
    printf("RESULT products_t1=%.2f products_t2=%.2f convs_t1=%.2f convs_t2=%.2f smallest=%.2f tf_products=%.2f "
           "tf_convs=%.2f\n",
           value(&dnnl_mean[0][0]), value(&dnnl_mean[0][1]), value(&dnnl_mean[1][0]), value(&dnnl_mean[1][1]), smallest,
           value(&tf_mean[0]), value(&tf_mean[1]));
    return 0;
}
