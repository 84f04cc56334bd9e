/* batch_norm - our batch norm beside oneDNN's, over the shapes that count: training forward, backward, inference, one
 * thread and two.
 *
 *     batch_norm [--quick] [--one] [GROUP]     GROUP: resnet, cifar, mlp, skinny, article
 *
 * One thread is timed by its processor time, two by the clock. Each cell is a median of rounds in which ours and every
 * layout of oneDNN's take turns, each round after a rest in which idle threads of both fall asleep. Images are timed as
 * nhwc and nchw beside oneDNN in the same layout, and beside its blocked one, which we do not have; rows of channels
 * have one layout, which oneDNN can be told in three ways: the fastest counts. Behind each line stands the variant that
 * ours took, and in brackets the time of the same with the other kind of stores, plain or past the caches, where x is
 * beyond the second cache. Two threads are called slower than one where ours on one, by the same clock in the same
 * rounds, is faster in three quarters of them and by 2 % in their median. "memory" is what the reads and writes take
 * that cannot be saved, from a copy and a read of the same arrays timed in the same rounds: channels last reads its
 * inputs twice, channels first once, and as much is written as x is large. Ratios are oneDNN's time over ours, both
 * thread counts counted:
 *     resnet_*, cifar, mlp_*, skinny   geometric means over shapes and layouts, the same layout for both
 *     smallest      the worst of all those, article included
 *     best_layout   the worst of oneDNN's fastest layout over our fastest
 *     limit         the worst share of memory's time in ours, of shapes whose x does not fit the caches that a thread can
 *                   hope for (ek__cache_share): 0 where there is none
 * How often the kernel gave a processor to somebody else tells how quiet the run was: two threads need both in peace.
 * --one leaves out two threads. --quick makes one short round of the small shapes: for the form, not for the figures.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <oneapi/dnnl/dnnl.h>

#include "base/cpu.h"
#include "bench.h"
#include "ops/bn_state.h"
#include "prepared.h"

void omp_set_num_threads(int threads); /* libgomp's, which oneDNN brings */

enum { FORWARD, BACKWARD, INFERENCE, KINDS };
enum { NHWC, NCHW, BLOCKED, LAYOUTS };
enum { RESNET, CIFAR, MLP, SKINNY, ARTICLE, GROUPS };
enum { MAX_ROUNDS = 16, OURS = 0, OTHERS = 2, ALONE = 4, THEIRS = 6, MEMORY = 9, CONTESTANTS = 12 };
static const char *const kind_name[] = {"forward", "backward", "inference"};
static const char *const layout_name[] = {"nhwc", "nchw", "blocked"};
static const char *const group_name[] = {"resnet", "cifar", "mlp", "skinny", "article"};

typedef struct shape {
    int group;
    int64_t n, h, w, c; /* h 0: rows of channels */
} shape;
static const shape shapes[] = {
    {RESNET, 32, 112, 112, 64}, {RESNET, 32, 56, 56, 64},  {RESNET, 32, 56, 56, 256},  {RESNET, 32, 28, 28, 128},
    {RESNET, 32, 28, 28, 512},  {RESNET, 32, 14, 14, 256}, {RESNET, 32, 14, 14, 1024}, {RESNET, 32, 7, 7, 512},
    {RESNET, 32, 7, 7, 2048},   {CIFAR, 128, 32, 32, 16},  {CIFAR, 128, 16, 16, 32},   {CIFAR, 128, 8, 8, 64},
    {MLP, 32, 0, 0, 1},         {MLP, 60, 0, 0, 100},      {MLP, 64, 0, 0, 256},       {MLP, 256, 0, 0, 1024},
    {MLP, 1024, 0, 0, 1024},    {MLP, 4096, 0, 0, 512},    {SKINNY, 1000000, 0, 0, 1}, {SKINNY, 1000000, 0, 0, 3},
    {ARTICLE, 3, 0, 0, 1},
};

static float *x, *dy, *y, *parameters; /* parameters: scale, offset, mean, variance, results */
static int rounds = 7;
static double block_s = 2e-3;
static bool quick;

static void die(const char *what)
{
    fprintf(stderr, "batch_norm: %s\n", what);
    exit(1);
}

static int64_t rows_of(const shape *s)
{
    return s->h > 0 ? s->n * s->h * s->w : s->n;
}

/* ---- contestants: ours, oneDNN's, memory's ----------------------------------------------- */

typedef struct contestant {
    void (*run)(struct contestant *c);
    int threads;
    bool by_clock;
    double seconds[MAX_ROUNDS], median;
    /* ours */
    ek_arena arena;
    ek_prepare_ctx prepared;
    ek_run_args args;
    const void *in[5];
    void *out[5];
    /* oneDNN's */
    dnnl_primitive_t primitive;
    dnnl_stream_t stream;
    dnnl_exec_arg_t arg[9];
    int n_args;
    /* memory's */
    int64_t count;
    int inputs;
} contestant;

static void run_ours(contestant *c)
{
    bench_run(&c->prepared, &c->args, c->threads);
}

static bool make_ours(contestant *c, const shape *s, int kind, int layout, int threads)
{
    static const ek_op_def def = {.name = "BatchNorm"};
    ek_bn_spec spec = {.at = EK_BN_NO_PORTS,
                       .dtype = EK_FLOAT32,
                       .training = kind != INFERENCE,
                       .epsilon = 1e-3,
                       .view =
                           layout == NHWC ? (ek_bn_view){rows_of(s), s->c, 1} : (ek_bn_view){s->n, s->c, s->h * s->w}};
    ek_bn_ports *at = &spec.at;

    *c = (contestant){.run = run_ours, .threads = threads, .by_clock = threads > 1};
    const void *in[5] = {x, parameters, parameters + s->c, parameters + 2 * s->c, parameters + 3 * s->c};
    void *out[5] = {y, parameters + 4 * s->c, parameters + 5 * s->c};
    at->x = at->y = 0;
    at->scale = 1;
    if (kind == BACKWARD) {
        in[2] = dy;
        at->dy = 2;
        at->dscale = 1;
        at->doffset = 2;
    } else
        at->offset = 2;
    if (kind == FORWARD) {
        at->saved_mean = 1;
        at->saved_variance = 2;
    } else {
        at->mean = 3;
        at->variance = 4;
    }
    memcpy(c->in, in, sizeof in);
    memcpy(c->out, out, sizeof out);
    c->prepared = (ek_prepare_ctx){.def = &def, .arena = &c->arena};
    if ((kind == BACKWARD ? ek__bn_prepare_gradient(&c->prepared, &spec)
                          : ek__bn_prepare_forward(&c->prepared, &spec)) != EK_OK)
        die("cannot prepare");
    c->args = (ek_run_args){.in = c->in,
                            .out = c->out,
                            .state = c->prepared.state,
                            .scratch = aligned_alloc(64, (c->prepared.scratch_bytes + 127) / 64 * 64)};
    if (c->args.scratch == NULL) die("no memory");
    return true;
}

static void check(dnnl_status_t status, const char *what)
{
    if (status != dnnl_success) die(what);
}

static dnnl_engine_t engine;

static void run_onednn(contestant *c)
{
    check(dnnl_primitive_execute(c->primitive, c->stream, c->n_args, c->arg), "oneDNN's execution failed");
}

static void bind(contestant *c, int arg, const dnnl_memory_desc_t *md, void *at)
{
    dnnl_memory_t m;

    check(dnnl_memory_create(&m, md, engine, at), "no oneDNN memory");
    c->arg[c->n_args++] = (dnnl_exec_arg_t){arg, m};
}

static dnnl_format_tag_t tag_of(int layout)
{
    const bool wide = dnnl_get_effective_cpu_isa() >= dnnl_cpu_isa_avx512_core;

    return layout == NHWC ? dnnl_nhwc : layout == NCHW ? dnnl_nchw : wide ? dnnl_nChw16c : dnnl_nChw8c;
}

static bool make_onednn(contestant *c, const shape *s, int kind, int layout, int threads)
{
    const bool rows =
        s->h == 0; /* the layout is then one of three ways to say it: [R, C], R images of a pixel, one image */
    const dnnl_dims_t dims = {rows && layout == BLOCKED ? 1 : s->n, s->c, rows ? layout == BLOCKED ? s->n : 1 : s->h,
                              rows ? 1 : s->w};
    const dnnl_dims_t two = {2, s->c}, one = {s->c};
    dnnl_memory_desc_t data, scale, vector;
    dnnl_batch_normalization_desc_t desc;
    dnnl_primitive_desc_t pd, hint;

    *c = (contestant){.run = run_onednn, .threads = threads, .by_clock = threads > 1};
    omp_set_num_threads(threads);
    const dnnl_format_tag_t tag = !rows ? tag_of(layout) : layout == NHWC ? dnnl_nc : dnnl_nhwc;
    check(dnnl_memory_desc_init_by_tag(&data, rows && layout == NHWC ? 2 : 4, dims, dnnl_f32, tag), "layout");
    check(dnnl_memory_desc_init_by_tag(&scale, 2, two, dnnl_f32, dnnl_nc), "scale");
    check(dnnl_memory_desc_init_by_tag(&vector, 1, one, dnnl_f32, dnnl_x), "vector");
    const unsigned flags = dnnl_use_scaleshift | (kind == INFERENCE ? dnnl_use_global_stats : 0u);
    check(dnnl_batch_normalization_forward_desc_init(
              &desc, kind == INFERENCE ? dnnl_forward_inference : dnnl_forward_training, &data, 1e-3f, flags),
          "descriptor");
    if (dnnl_primitive_desc_create(&hint, &desc, NULL, engine, NULL) != dnnl_success) return false;
    pd = hint;
    if (kind == BACKWARD) {
        check(dnnl_batch_normalization_backward_desc_init(&desc, dnnl_backward, &data, &data, 1e-3f, flags),
              "descriptor");
        if (dnnl_primitive_desc_create(&pd, &desc, NULL, engine, hint) != dnnl_success) return false;
        dnnl_primitive_desc_destroy(hint);
    }
    check(dnnl_primitive_create(&c->primitive, pd), "no oneDNN primitive");
    dnnl_primitive_desc_destroy(pd);
    check(dnnl_stream_create(&c->stream, engine, dnnl_stream_default_flags), "no oneDNN stream");
    bind(c, DNNL_ARG_SRC, &data, x);
    bind(c, DNNL_ARG_SCALE_SHIFT, &scale, parameters);
    bind(c, DNNL_ARG_MEAN, &vector, parameters + (kind == FORWARD ? 4 : 2) * s->c);
    bind(c, DNNL_ARG_VARIANCE, &vector, parameters + (kind == FORWARD ? 5 : 3) * s->c);
    if (kind == BACKWARD) {
        bind(c, DNNL_ARG_DIFF_DST, &data, dy);
        bind(c, DNNL_ARG_DIFF_SRC, &data, y);
        bind(c, DNNL_ARG_DIFF_SCALE_SHIFT, &scale, parameters + 4 * s->c);
    } else
        bind(c, DNNL_ARG_DST, &data, y);
    return true;
}

/* One chunk of memory's work: reads the inputs, and writes y where `count` is positive. */
enum { MEMORY_CHUNK = 1 << 16 };
static volatile float sink;

static void copy_chunk(void *arg, int64_t chunk)
{
    const contestant *c = arg;
    const int64_t first = chunk * MEMORY_CHUNK, n = c->count - first < MEMORY_CHUNK ? c->count - first : MEMORY_CHUNK;
    static const float mean = 0, a = 1, b = 0;
    const ek_bn_columns plain = {.mean = &mean, .a = &a, .b = &b, .gc = &b, .gd = &b, .stream = true};

    if (c->inputs == 1)
        ek__kernels()->bn_apply_plane_f32(n, x + first, &plain, y + first);
    else
        ek__kernels()->bn_grad_apply_plane_f32(n, x + first, dy + first, &plain, y + first);
}

static void move_chunk(void *arg, int64_t chunk)
{
    const contestant *c = arg;
    const int64_t first = chunk * MEMORY_CHUNK, n = c->count - first < MEMORY_CHUNK ? c->count - first : MEMORY_CHUNK;

    memcpy(y + first, x + first, (size_t)n * sizeof *x);
}

static void read_chunk(void *arg, int64_t chunk)
{
    const contestant *c = arg;
    const int64_t first = chunk * MEMORY_CHUNK, n = c->count - first < MEMORY_CHUNK ? c->count - first : MEMORY_CHUNK;
    float sum[64] = {0};

    for (int k = 0; k < c->inputs; k++)
        for (int64_t i = first; i + 64 <= first + n; i += 64)
            for (int j = 0; j < 64; j++) sum[j] += (k == 0 ? x : dy)[i + j];
    sink = sum[0] + sum[63];
}

static void run_memory(contestant *c, void (*fn)(void *, int64_t))
{
    ek__parallel_for(c->threads, (c->count + MEMORY_CHUNK - 1) / MEMORY_CHUNK, fn, c);
}
static void run_copy(contestant *c)
{
    run_memory(c, copy_chunk);
}
static void run_move(contestant *c)
{
    run_memory(c, move_chunk);
}
static void run_read(contestant *c)
{
    run_memory(c, read_chunk);
}

static void destroy(contestant *c)
{
    ek__arena_fini(&c->arena);
    free(c->args.scratch);
    for (int i = 0; i < c->n_args; i++) dnnl_memory_destroy(c->arg[i].memory);
    if (c->primitive != NULL) dnnl_primitive_destroy(c->primitive);
    if (c->stream != NULL) dnnl_stream_destroy(c->stream);
}

/* ---- timing ------------------------------------------------------------------------------ */

/* Two threads are timed by the clock. */
static double now(const contestant *c)
{
    return c->by_clock ? bench_seconds() : bench_thread_seconds();
}

/* Seconds a call, over a block that is long enough. */
static double time_block(contestant *c)
{
    long calls = 1;

    usleep(quick ? 0 : 4000);
    omp_set_num_threads(c->threads);
    c->run(c);
    for (;;) {
        const double start = now(c);
        for (long i = 0; i < calls; i++) c->run(c);
        const double t = now(c) - start;
        if (t >= block_s) return t / (double)calls;
        calls = t > 0 ? (long)((double)calls * block_s * 1.3 / t) + 1 : calls * 10;
    }
}

static void race(contestant *c, int n)
{
    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < n; i++)
            if (c[i].run != NULL) c[i].seconds[r] = time_block(&c[i]);
    for (int i = 0; i < n; i++)
        if (c[i].run != NULL) {
            double sorted[MAX_ROUNDS];
            memcpy(sorted, c[i].seconds, sizeof sorted);
            c[i].median = bench_median(sorted, rounds);
        }
}

/* Whether c takes longer than `than`, round by round, by more than chance explains. */
static bool is_slower(const contestant *c, const contestant *than)
{
    double ratio[MAX_ROUNDS];

    for (int r = 0; r < rounds; r++) ratio[r] = c->seconds[r] / than->seconds[r];
    return bench_median(ratio, rounds) > 1.02 && ratio[rounds / 4] > 1;
}

/* ---- what comes out ---------------------------------------------------------------------- */

typedef struct mean {
    double log_sum;
    int n;
} mean;
static mean means[GROUPS][KINDS];
static double smallest = INFINITY, best_layout = INFINITY, limit = INFINITY;
static int slower;

static double geometric(const mean *a, int n)
{
    double sum = 0;
    int count = 0;

    for (int i = 0; i < n; i++) {
        sum += a[i].log_sum;
        count += a[i].n;
    }
    return count > 0 ? exp(sum / count) : 0;
}

static void count_ratio(const shape *s, int kind, double ratio)
{
    means[s->group][kind].log_sum += log(ratio);
    means[s->group][kind].n++;
    if (ratio < smallest) smallest = ratio;
}

static const char *variant(const contestant *c, int layout)
{
    static char text[64];
    const ek_bn_state *s = c->prepared.state;

    if (c->prepared.scratch_bytes == 0 && layout == NHWC)
        snprintf(text, sizeof text, "tiny");
    else if (layout == NCHW)
        snprintf(text, sizeof text, "planes by %lld%s", (long long)s->group, s->big ? ", streamed" : "");
    else if (s->parts == 1)
        snprintf(text, sizeof text, "one chunk of %lld", (long long)s->width);
    else
        snprintf(text, sizeof text, "%lld parts of %lld%s", (long long)s->parts, (long long)s->width,
                 s->big ? ", streamed" : "");
    return text;
}

static bool variant_big(const contestant *c)
{
    return ((const ek_bn_state *)c->prepared.state)->big;
}

/* The times that memory alone would take: [layout]. */
static void limits(const contestant *copy, const contestant *move, const contestant *read, int kind, double *out)
{
    const double best = kind != BACKWARD && move->median < copy->median ? move->median : copy->median;

    out[NHWC] = kind == INFERENCE ? best : best + read->median;
    out[NCHW] = best;
}

static double min_of(const contestant *c, int n)
{
    double best = INFINITY;

    for (int i = 0; i < n; i++)
        if (c[i].run != NULL && c[i].median < best) best = c[i].median;
    return best;
}

/* Ours with the other kind of stores, to tell what choosing otherwise would have cost. */
static void make_other(contestant *c, const shape *s, int kind, int layout, int threads)
{
    if ((size_t)(rows_of(s) * s->c) * sizeof *x <= ek__cache_bytes(EK_CACHE_SECOND)) return;
    make_ours(c, s, kind, layout, threads);
    ((ek_bn_state *)c->prepared.state)->big ^= true;
}

static void make_all(contestant *c, const shape *s, int kind, int threads, int layouts)
{
    static void (*const runs[])(contestant *) = {run_copy, run_move, run_read};

    for (int l = 0; l < layouts; l++) {
        make_ours(&c[OURS + l], s, kind, l, threads);
        make_other(&c[OTHERS + l], s, kind, l, threads);
        if (threads == 1) continue;
        c[ALONE + l] = c[OURS + l]; /* the same places: what differs is the threads */
        c[ALONE + l].threads = 1;
    }
    for (int l = 0; l < LAYOUTS; l++)
        if (!make_onednn(&c[THEIRS + l], s, kind, l, threads)) c[THEIRS + l].run = NULL;
    for (int i = 0; i < 3; i++)
        c[MEMORY + i] = (contestant){.run = runs[i],
                                     .threads = threads,
                                     .by_clock = threads > 1,
                                     .count = rows_of(s) * s->c,
                                     .inputs = kind == BACKWARD ? 2 : 1};
}

static void print_name(const shape *s)
{
    char name[48];

    if (s->h > 0)
        snprintf(name, sizeof name, "%lldx%lldx%lldx%lld", (long long)s->n, (long long)s->h, (long long)s->w,
                 (long long)s->c);
    else
        snprintf(name, sizeof name, "(%lld, %lld)", (long long)s->n, (long long)s->c);
    printf("%-7s %-17s ", group_name[s->group], name);
}

/* One line of the table. */
static void print_line(const shape *s, int kind, int layout, const contestant *c, double same, double bound)
{
    const contestant *ours = &c[OURS + layout], *other = &c[OTHERS + layout], *alone = &c[ALONE + layout];
    const double t = ours->median, best = min_of(c + THEIRS, LAYOUTS);
    const bool is_late = ours->threads > 1 && is_slower(ours, alone);

    print_name(s);
    printf("%-9s %s %d %11.2f %11.2f %6.2f %11.2f %6.2f %11.2f %6.2f  %s", kind_name[kind], layout_name[layout],
           ours->threads, t * 1e6, same * 1e6, same / t, best * 1e6, best / t, bound * 1e6, bound / t,
           variant(ours, layout));
    if (other->run != NULL) printf(" (%s %.2f)", variant_big(ours) ? "plain" : "streamed", other->median * 1e6);
    printf("%s\n", is_late ? "  SLOWER THAN ONE THREAD" : "");
    slower += is_late;
}

/* A shape, a kind, a number of threads: a line for each layout of ours. */
static void cell(const shape *s, int kind, int threads)
{
    contestant c[CONTESTANTS] = {{.run = NULL}};
    const int layouts = s->h > 0 ? 2 : 1;
    const bool beyond = (size_t)(rows_of(s) * s->c) * sizeof *x > ek__cache_share();
    double bound[2];

    make_all(c, s, kind, threads, layouts);
    race(c, CONTESTANTS);
    limits(&c[MEMORY], &c[MEMORY + 1], &c[MEMORY + 2], kind, bound);
    for (int l = 0; l < layouts; l++) {
        const double same = min_of(&c[THEIRS + (layouts == 1 ? 0 : l)], layouts == 1 ? LAYOUTS : 1);
        const double t = c[OURS + l].median;
        print_line(s, kind, l, c, same, bound[l]);
        if (isfinite(same)) count_ratio(s, kind, same / t);
        if (beyond && bound[l] / t < limit) limit = bound[l] / t;
    }
    best_layout = fmin(best_layout, min_of(c + THEIRS, LAYOUTS) / min_of(c + OURS, 2));
    for (int i = 0; i < CONTESTANTS; i++)
        if (i < ALONE || i >= THEIRS) destroy(&c[i]); /* ALONE's are OURS' */
    fflush(stdout);
}

static void fill(float *at, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        at[i] = (float)(seed >> 40) * 0x1p-24f + 0.25f;
    }
}

int main(int argc, char **argv)
{
    const size_t most = (size_t)32 * 112 * 112 * 64, few = 6 * 2048 + 64;
    const char *only = NULL;
    int most_threads = 2;

    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--quick") == 0)
            quick = true;
        else if (strcmp(argv[i], "--one") == 0)
            most_threads = 1;
        else
            only = argv[i];
    if (quick) {
        rounds = 1;
        block_s = 0;
    }
    x = ek__alloc(most * sizeof *x);
    y = ek__alloc(most * sizeof *y);
    dy = ek__alloc(most * sizeof *dy);
    parameters = aligned_alloc(64, few * sizeof *parameters);
    if (x == NULL || y == NULL || dy == NULL || parameters == NULL) die("no memory");
    const size_t used = quick ? (size_t)1 << 22 : most;
    fill(x, used, 1);
    fill(dy, used, 2);
    fill(y, used, 3);
    fill(parameters, few, 4);
    check(dnnl_engine_create(&engine, dnnl_cpu, 0), "no oneDNN engine");
    const dnnl_version_t *v = dnnl_version();
    printf("level %s, second cache %zu KiB, last %zu KiB of which %zu counted on, %d processors, oneDNN %d.%d.%d\n",
           ek__kernels()->level, ek__cache_bytes(EK_CACHE_SECOND) >> 10, ek__cache_bytes(EK_CACHE_LAST) >> 10,
           ek__cache_share() >> 10, ek__cpu_count(), v->major, v->minor, v->patch);
    printf("microseconds    shape       kind  layout threads       ours      oneDNN  ratio oneDNN best  ratio      "
           "memory  share  variant\n");
    for (int i = 0; i < EK_COUNT_OF(shapes); i++) {
        const shape *s = &shapes[i];
        if ((only != NULL && strcmp(group_name[s->group], only) != 0) || (quick && rows_of(s) * s->c > 1 << 20))
            continue;
        for (int kind = 0; kind < KINDS; kind++) {
            for (int threads = 1; threads <= most_threads; threads++) cell(s, kind, threads);
        }
    }
    struct rusage used_up;
    getrusage(RUSAGE_SELF, &used_up);
    printf("two threads slower than one: %d; pushed off a processor %ld times\n", slower, used_up.ru_nivcsw);
    printf("RESULT resnet_forward=%.2f resnet_backward=%.2f resnet_inference=%.2f cifar=%.2f mlp_forward=%.2f "
           "mlp_backward=%.2f skinny=%.2f smallest=%.2f best_layout=%.2f limit=%.2f\n",
           geometric(&means[RESNET][FORWARD], 1), geometric(&means[RESNET][BACKWARD], 1),
           geometric(&means[RESNET][INFERENCE], 1), geometric(means[CIFAR], KINDS), geometric(&means[MLP][FORWARD], 1),
           geometric(&means[MLP][BACKWARD], 1), geometric(means[SKINNY], KINDS), smallest, best_layout,
           isfinite(limit) ? limit : 0);
    dnnl_engine_destroy(engine);
    ek__free(x);
    ek__free(y);
    ek__free(dy);
    free(parameters);
    return 0;
}
