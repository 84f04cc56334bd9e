/* Batch norm as lowered ops use it: every view, type, activation and port against double; the same bits for 1, 2 and 7
 * threads at every CPU level and at any address; nothing and one element. */
#include <math.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/pool.h"
#include "kernels/levels.h"
#include "ops/bn.h"

enum { X, DY, SCALE, OFFSET, MEAN, LOW, INVERSE, ACTIVATED, MOVING_MEAN, MOVING_VARIANCE, DECAY, INPUTS };
enum {
    Y,
    BEFORE,
    BATCH_MEAN,
    BATCH_VARIANCE,
    SAVED_LOW,
    SAVED_INVERSE,
    MOVED_MEAN,
    MOVED_VARIANCE,
    DSCALE,
    DOFFSET,
    OUTPUTS
};
static const float epsilon = 1e-3f, decay = 0.1f;

/* What one op reads and writes. Elements lie `shift` floats beyond an aligned address. */
typedef struct problem {
    ek_bn_spec spec;
    int64_t count, channels, total;
    int shift;
    void *block[INPUTS + OUTPUTS];
    void *in[INPUTS], *out[OUTPUTS];
} problem;

static size_t size_of(const problem *p)
{
    return ek_dtype_size(p->spec.dtype);
}

/* Statistics and parameters of 16-bit floats are floats. */
static ek_dtype narrow(const problem *p)
{
    return p->spec.dtype == EK_FLOAT64 ? EK_FLOAT64 : EK_FLOAT32;
}

static double element(ek_dtype t, const void *at, int64_t i)
{
    double v;

    ek__convert(t, (const char *)at + (size_t)i * ek_dtype_size(t), EK_FLOAT64, &v, 1);
    return v;
}
static double x_at(const problem *p, const void *at, int64_t i)
{
    return element(p->spec.dtype, at, i);
}
static double c_at(const problem *p, const void *at, int64_t c)
{
    return element(narrow(p), at, c);
}

static void set(ek_dtype t, void *at, int64_t i, double v)
{
    ek__convert(EK_FLOAT64, &v, t, (char *)at + (size_t)i * ek_dtype_size(t), 1);
}

static int64_t place(const problem *p, int64_t r, int64_t c)
{
    const ek_bn_view *v = &p->spec.view;

    return (r / v->inner * v->channels + c) * v->inner + r % v->inner;
}

static problem make(ek_dtype dtype, ek_bn_view view, double mean, int shift)
{
    problem p = {.spec = {.at = EK_BN_NO_PORTS,
                          .dtype = dtype,
                          .view = view,
                          .decay = (double)decay,
                          .epsilon = (double)epsilon},
                 .count = view.outer * view.inner,
                 .channels = view.channels,
                 .shift = shift};
    uint64_t seed = 7;

    p.total = p.count * p.channels;
    for (int i = 0; i < INPUTS + OUTPUTS; i++) {
        p.block[i] = aligned_alloc(64, ((size_t)(p.total + p.channels + 64) * 8 + 63) / 64 * 64);
        assert_non_null(p.block[i]);
        void *at = (char *)p.block[i] + (size_t)shift * (dtype == EK_FLOAT64 ? 8 : 4);
        if (i < INPUTS)
            p.in[i] = at;
        else
            p.out[i - INPUTS] = at;
    }
    for (int64_t i = 0; i < p.total; i++) {
        set(dtype, p.in[X], i, mean + test_uniform(&seed) + test_uniform(&seed));
        set(dtype, p.in[DY], i, test_uniform(&seed));
    }
    for (int64_t c = 0; c < p.channels; c++) {
        set(narrow(&p), p.in[SCALE], c, 1.5 + test_uniform(&seed));
        set(narrow(&p), p.in[OFFSET], c, test_uniform(&seed));
        set(narrow(&p), p.in[MEAN], c, mean + 0.1 * test_uniform(&seed));
        set(narrow(&p), p.in[LOW], c, 0);
        set(narrow(&p), p.in[INVERSE], c, 1.2 + 0.5 * test_uniform(&seed));
        set(narrow(&p), p.in[MOVING_MEAN], c, test_uniform(&seed));
        set(narrow(&p), p.in[MOVING_VARIANCE], c, 1 + test_uniform(&seed));
    }
    set(narrow(&p), p.in[DECAY], 0, 0.25);
    return p;
}

static void destroy(problem *p)
{
    for (int i = 0; i < INPUTS + OUTPUTS; i++) free(p->block[i]);
}

/* ---- running ----------------------------------------------------------------------------- */

typedef struct phase_run {
    const ek_run_args *args;
    ek_run_fn run;
} phase_run;

static void run_chunk(void *arg, int64_t chunk)
{
    const phase_run *r = arg;

    if (r->run(r->args, chunk) != EK_OK) abort();
}

static ek_status run(problem *p, bool gradient, int threads)
{
    static const ek_op_def def = {.name = "BatchNorm"};
    ek_arena arena = {0};
    ek_error err = {0};
    ek_prepare_ctx c = {.def = &def, .arena = &arena, .err = &err};
    const ek_status st = gradient ? ek__bn_prepare_gradient(&c, &p->spec) : ek__bn_prepare_forward(&c, &p->spec);

    if (st == EK_OK) {
        void *scratch = aligned_alloc(64, (c.scratch_bytes + 127) / 64 * 64);
        const ek_run_args args = {
            .in = (const void *const *)p->in, .out = p->out, .state = c.state, .scratch = scratch, .err = &err};
        memset(scratch, 0xa5, c.scratch_bytes);
        for (int i = 0; i < c.n_phases; i++) {
            phase_run r = {&args, c.phase[i].run};
            ek__parallel_for(threads, c.phase[i].chunks, run_chunk, &r);
        }
        free(scratch);
    }
    ek__arena_fini(&arena);
    return st;
}

static void forward_ports(problem *p, bool training, ek_bn_activation f)
{
    ek_bn_ports *at = &p->spec.at;

    *at = EK_BN_NO_PORTS;
    at->x = X;
    at->scale = SCALE;
    at->offset = OFFSET;
    at->y = Y;
    at->batch_mean = BATCH_MEAN;
    at->batch_variance = BATCH_VARIANCE;
    at->saved_mean_low = SAVED_LOW;
    at->saved_inverse = SAVED_INVERSE;
    if (training) {
        at->moving_mean = MOVING_MEAN;
        at->moving_variance = MOVING_VARIANCE;
        at->moved_mean = MOVED_MEAN;
        at->moved_variance = MOVED_VARIANCE;
    } else {
        at->mean = MEAN;
        at->variance = MOVING_VARIANCE;
    }
    p->spec.training = training;
    p->spec.activation = f;
}

static void gradient_ports(problem *p, bool training, ek_bn_activation f)
{
    ek_bn_ports *at = &p->spec.at;

    *at = EK_BN_NO_PORTS;
    at->x = X;
    at->dy = DY;
    at->scale = SCALE;
    at->offset = OFFSET;
    at->mean = MEAN;
    at->mean_low = LOW;
    at->inverse = INVERSE;
    at->activated = f == EK_BN_SIGMOID || f == EK_BN_TANH ? ACTIVATED : -1;
    at->y = Y;
    at->dscale = DSCALE;
    at->doffset = DOFFSET;
    p->spec.training = training;
    p->spec.activation = f;
}

/* ---- against double ---------------------------------------------------------------------- */

static double activated(ek_bn_activation f, double v)
{
    switch (f) {
    case EK_BN_RELU:
        return v < 0 ? 0 : v;
    case EK_BN_RELU6:
        return v < 0 ? 0 : v > 6 ? 6 : v;
    case EK_BN_SIGMOID:
        return 1 / (1 + exp(-v));
    case EK_BN_TANH:
        return tanh(v);
    default:
        return v;
    }
}

/* What dy is times, v before the activation and y behind it. */
static double slope(ek_bn_activation f, double v, double y)
{
    switch (f) {
    case EK_BN_RELU:
        return v > 0;
    case EK_BN_RELU6:
        return v > 0 && v < 6;
    case EK_BN_SIGMOID:
        return y * (1 - y);
    case EK_BN_TANH:
        return 1 - y * y;
    default:
        return 1;
    }
}

static double tolerance(const problem *p)
{
    return p->spec.dtype == EK_FLOAT64   ? 1e-12
           : p->spec.dtype == EK_FLOAT32 ? 2e-6
           : p->spec.dtype == EK_FLOAT16 ? 2e-3
                                         : 1.6e-2;
}

static void moments(const problem *p, int64_t c, double *mean, double *variance)
{
    double s1 = 0, s2 = 0;

    for (int64_t r = 0; r < p->count; r++) s1 += x_at(p, p->in[X], place(p, r, c));
    *mean = s1 / (double)p->count;
    for (int64_t r = 0; r < p->count; r++) s2 += pow(x_at(p, p->in[X], place(p, r, c)) - *mean, 2);
    *variance = s2 / (double)p->count;
}

#define NEAR(a, b, t)                                                                                                  \
    do {                                                                                                               \
        const double a_ = (a), b_ = (b);                                                                               \
        if (!(fabs(a_ - b_) <= (t) * (1 + fabs(b_)))) fail_msg("%s is %.9g, not %.9g", #a, a_, b_);                    \
    } while (0)

static void check_forward(problem *p, bool training, ek_bn_activation f, bool before)
{
    const double t = tolerance(p), fine = p->spec.dtype == EK_FLOAT64 ? 1e-12 : 1e-6;

    forward_ports(p, training, f);
    if (before) p->spec.at.before = BEFORE;
    assert_int_equal(run(p, false, 2), EK_OK);
    for (int64_t c = 0; c < p->channels; c++) {
        double mean = c_at(p, p->in[MEAN], c), variance = c_at(p, p->in[MOVING_VARIANCE], c);
        if (training) moments(p, c, &mean, &variance);
        const double inverse = 1 / sqrt(variance + (double)epsilon), n = (double)p->count;
        const double leaving = p->spec.unbiased && training ? variance * n / (n > 1 ? n - 1 : 1) : variance;
        NEAR(c_at(p, p->out[BATCH_MEAN], c), mean, fine);
        NEAR(c_at(p, p->out[BATCH_VARIANCE], c), leaving, fine);
        NEAR(c_at(p, p->out[SAVED_INVERSE], c), inverse, fine);
        NEAR(c_at(p, p->out[BATCH_MEAN], c) + c_at(p, p->out[SAVED_LOW], c), mean, fine / 10);
        if (training) {
            const double d = p->spec.at.decay >= 0 ? 0.25 : narrow(p) == EK_FLOAT64 ? p->spec.decay : (double)decay;
            const double m = c_at(p, p->in[MOVING_MEAN], c), v = c_at(p, p->in[MOVING_VARIANCE], c);
            NEAR(c_at(p, p->out[MOVED_MEAN], c), m - (m - mean) * d, fine);
            NEAR(c_at(p, p->out[MOVED_VARIANCE], c), v - (v - leaving) * d, fine);
        }
        for (int64_t r = 0; r < p->count; r++) {
            const int64_t i = place(p, r, c);
            const double v =
                (x_at(p, p->in[X], i) - mean) * inverse * c_at(p, p->in[SCALE], c) + c_at(p, p->in[OFFSET], c);
            NEAR(x_at(p, p->out[Y], i), activated(f, v), t);
            if (before) NEAR(x_at(p, p->out[BEFORE], i), v, t);
        }
    }
}

/* The mask of a rectifier may fall the other way where v is a rounding error from its ends: no such v here. */
static bool near_an_end(ek_bn_activation f, double v)
{
    return (f == EK_BN_RELU || f == EK_BN_RELU6) && (fabs(v) < 1e-5 || fabs(v - 6) < 1e-5);
}

static void check_gradient(problem *p, bool training, ek_bn_activation f)
{
    const double t = tolerance(p), n = (double)p->count;

    gradient_ports(p, training, f);
    for (int64_t c = 0; c < p->channels; c++)
        for (int64_t r = 0; r < p->count; r++) {
            const int64_t i = place(p, r, c);
            const double v = (x_at(p, p->in[X], i) - c_at(p, p->in[MEAN], c)) * c_at(p, p->in[INVERSE], c) *
                                 c_at(p, p->in[SCALE], c) +
                             c_at(p, p->in[OFFSET], c);
            set(p->spec.dtype, p->in[ACTIVATED], i, activated(f, v));
        }
    assert_int_equal(run(p, true, 2), EK_OK);
    for (int64_t c = 0; c < p->channels; c++) {
        const double mean = c_at(p, p->in[MEAN], c), inverse = c_at(p, p->in[INVERSE], c),
                     scale = c_at(p, p->in[SCALE], c);
        double s1 = 0, s2 = 0, size = 0;
        double *g = malloc((size_t)p->count * sizeof *g + 1);
        bool close = false;
        for (int64_t r = 0; r < p->count; r++) {
            const int64_t i = place(p, r, c);
            const double d = x_at(p, p->in[X], i) - mean, v = d * inverse * scale + c_at(p, p->in[OFFSET], c);
            g[r] = x_at(p, p->in[DY], i) * slope(f, v, x_at(p, p->in[ACTIVATED], i));
            close = close || near_an_end(f, v);
            s1 += g[r];
            s2 += g[r] * d;
            size += fabs(g[r]);
        }
        for (int64_t r = 0; r < p->count && !close; r++) {
            const int64_t i = place(p, r, c);
            const double d = x_at(p, p->in[X], i) - mean;
            NEAR(x_at(p, p->out[Y], i),
                 scale * inverse * (training ? g[r] - s1 / n - d * inverse * inverse * s2 / n : g[r]), 3 * t);
        }
        if (!close) {
            const double fine = (p->spec.dtype == EK_FLOAT64 ? 1e-12 : 1e-6) * (1 + size);
            NEAR(c_at(p, p->out[DOFFSET], c), s1, fine);
            NEAR(c_at(p, p->out[DSCALE], c), p->count > 0 ? inverse * s2 : 0, 3 * fine);
        }
        free(g);
    }
}

static const ek_bn_view views[] = {
    {1, 1, 1},  {3, 1, 1},    {32, 1, 1},   {60, 100, 1}, {1, 5, 1},     {7, 3, 5},     {1, 4, 33},
    {5, 2, 49}, {900, 17, 1}, {2, 3, 9000}, {3, 1500, 2}, {90000, 1, 1}, {300, 300, 1}, {70, 1100, 1},
};

static void every_view_type_and_activation(void **state)
{
    static const ek_dtype types[] = {EK_FLOAT32, EK_FLOAT64, EK_FLOAT16, EK_BFLOAT16};

    (void)state;
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        for (int t = 0; t < 4; t++)
            for (int f = EK_BN_PLAIN; f <= EK_BN_TANH; f++) {
                problem p = make(types[t], views[i], 1, 0);
                if (p.total > 20000 && t > 0 && f > EK_BN_RELU) {
                    destroy(&p);
                    continue;
                }
                p.spec.unbiased = f % 2 == 1;
                check_forward(&p, true, (ek_bn_activation)f, f == EK_BN_RELU6 || f == EK_BN_TANH);
                check_forward(&p, false, (ek_bn_activation)f, false);
                check_gradient(&p, true, (ek_bn_activation)f);
                check_gradient(&p, false, (ek_bn_activation)f);
                destroy(&p);
            }
}

/* A rectifier's gradient gives the same whether its output is given or recomputed. */
static void given_outputs_and_recomputed_ones(void **state)
{
    static const ek_dtype types[] = {EK_FLOAT32, EK_FLOAT64, EK_BFLOAT16};

    (void)state;
    for (int t = 0; t < 3; t++)
        for (int f = EK_BN_RELU; f <= EK_BN_RELU6; f++)
            for (int v = 3; v < 8; v++) {
                problem p = make(types[t], views[v], 1, 0);
                check_gradient(&p, true, (ek_bn_activation)f);
                const size_t bytes = (size_t)p.total * size_of(&p);
                void *first = malloc(bytes);
                memcpy(first, p.out[Y], bytes);
                p.spec.at.activated = ACTIVATED;
                assert_int_equal(run(&p, true, 1), EK_OK);
                if (p.spec.dtype != EK_BFLOAT16) assert_memory_equal(first, p.out[Y], bytes);
                free(first);
                destroy(&p);
            }
}

/* The forward half's mean, what it lost and the inverse deviation give its y again, whatever the mean: the gradient
 * lets dy through exactly where y is above 0. */
static void a_gradient_sees_its_forward_half(void **state)
{
    (void)state;
    for (int v = 3; v < 9; v++) {
        problem p = make(EK_FLOAT32, views[v], 4096.3, 0);
        forward_ports(&p, true, EK_BN_RELU);
        assert_int_equal(run(&p, false, 1), EK_OK);
        float *y = malloc((size_t)p.total * 4);
        memcpy(y, p.out[Y], (size_t)p.total * 4);
        gradient_ports(&p, false, EK_BN_RELU);
        memcpy(p.in[MEAN], p.out[BATCH_MEAN], (size_t)p.channels * 4);
        memcpy(p.in[LOW], p.out[SAVED_LOW], (size_t)p.channels * 4);
        memcpy(p.in[INVERSE], p.out[SAVED_INVERSE], (size_t)p.channels * 4);
        assert_int_equal(run(&p, true, 1), EK_OK);
        for (int64_t i = 0; i < p.total; i++) assert_int_equal(y[i] > 0, ((float *)p.out[Y])[i] != 0);
        free(y);
        destroy(&p);
    }
}

static void ports_that_may_be_absent(void **state)
{
    problem p = make(EK_FLOAT32, (ek_bn_view){20, 6, 1}, 0, 0);

    (void)state;
    forward_ports(&p, true, EK_BN_PLAIN);
    p.spec.at.decay = DECAY;
    check_forward(&p, true, EK_BN_PLAIN, false);
    p.spec.at = EK_BN_NO_PORTS;
    p.spec.at.x = X;
    p.spec.at.y = Y;
    assert_int_equal(run(&p, false, 1), EK_OK); /* no scale, no offset */
    for (int64_t c = 0; c < p.channels; c++) {
        double mean, variance;
        moments(&p, c, &mean, &variance);
        for (int64_t r = 0; r < p.count; r++)
            NEAR(x_at(&p, p.out[Y], place(&p, r, c)),
                 (x_at(&p, p.in[X], place(&p, r, c)) - mean) / sqrt(variance + (double)epsilon), 2e-6);
    }
    p.spec.at.y = -1;
    p.spec.at.batch_mean = BATCH_MEAN;
    memset(p.out[Y], 0x11, 4);
    assert_int_equal(run(&p, false, 1), EK_OK); /* statistics alone */
    assert_int_equal(*(int *)p.out[Y], 0x11111111);
    gradient_ports(&p, true, EK_BN_SIGMOID);
    p.spec.at.activated = -1;
    assert_int_equal(run(&p, true, 1), EK_UNIMPLEMENTED);
    p.spec.dtype = EK_INT32;
    assert_int_equal(run(&p, false, 1), EK_UNIMPLEMENTED);
    destroy(&p);
}

static void nothing_and_no_channels(void **state)
{
    static const ek_bn_view none[] = {{0, 3, 1}, {0, 3, 4}, {5, 0, 1}, {5, 0, 3}, {2, 3, 0}};
    static const ek_dtype types[] = {EK_FLOAT32, EK_FLOAT64, EK_FLOAT16};

    (void)state;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        for (int t = 0; t < 3; t++) {
            problem p = make(types[t], none[i], 0, 0);
            forward_ports(&p, true, EK_BN_RELU);
            assert_int_equal(run(&p, false, 2), EK_OK);
            for (int64_t c = 0; c < p.channels; c++) assert_true(isnan(c_at(&p, p.out[BATCH_MEAN], c)));
            forward_ports(&p, false, EK_BN_TANH);
            assert_int_equal(run(&p, false, 2), EK_OK);
            check_gradient(&p, true, EK_BN_RELU);
            check_gradient(&p, false, EK_BN_TANH);
            destroy(&p);
        }
}

/* The mean is infinite where x is, variance and y are not numbers; the channels beside know nothing of it. */
static void infinity_and_nan(void **state)
{
    static const ek_dtype types[] = {EK_FLOAT32, EK_FLOAT64, EK_BFLOAT16};
    static const int64_t places[] = {0, 3, 40, 699};

    (void)state;
    for (int t = 0; t < 3; t++)
        for (int v = 0; v < 3; v++)
            for (int k = 0; k < 8; k++) {
                const ek_bn_view view[] = {{700, 3, 1}, {7, 3, 100}, {700, 80, 1}};
                problem p = make(types[t], view[v], 1, 0);
                set(p.spec.dtype, p.in[X], place(&p, places[k / 2], 1), k % 2 == 0 ? (double)INFINITY : (double)NAN);
                forward_ports(&p, true, EK_BN_PLAIN);
                assert_int_equal(run(&p, false, 2), EK_OK);
                const double mean = c_at(&p, p.out[BATCH_MEAN], 1);
                assert_true(k % 2 == 0 ? isinf(mean) && mean > 0 : isnan(mean));
                assert_true(isnan(c_at(&p, p.out[BATCH_VARIANCE], 1)));
                for (int64_t r = 0; r < p.count; r++) {
                    assert_true(isnan(x_at(&p, p.out[Y], place(&p, r, 1))));
                    assert_true(isfinite(x_at(&p, p.out[Y], place(&p, r, 0))));
                }
                destroy(&p);
            }
}

/* y over x; dx over dy and over x. */
static void in_place(void **state)
{
    (void)state;
    for (int v = 3; v < 14; v++)
        for (int k = 0; k < 3; k++) {
            problem p = make(EK_FLOAT32, views[v], 1, 0);
            const bool gradient = k > 0;
            void *y = p.out[Y], *apart = malloc((size_t)p.total * 4);
            if (gradient)
                gradient_ports(&p, true, EK_BN_RELU);
            else
                forward_ports(&p, true, EK_BN_RELU);
            assert_int_equal(run(&p, gradient, 1), EK_OK);
            memcpy(apart, y, (size_t)p.total * 4);
            p.out[Y] = p.in[k == 1 ? DY : X];
            assert_int_equal(run(&p, gradient, 2), EK_OK);
            assert_memory_equal(apart, p.out[Y], (size_t)p.total * 4);
            free(apart);
            destroy(&p);
        }
}

/* ---- bits -------------------------------------------------------------------------------- */

static uint64_t hash_outputs(const problem *p, bool gradient, uint64_t h)
{
    h = ek__hash(p->out[Y], (size_t)p->total * size_of(p), h);
    for (int k = gradient ? DSCALE : BATCH_MEAN; k <= (gradient ? DOFFSET : MOVED_VARIANCE); k++)
        h = ek__hash(p->out[k], (size_t)p->channels * ek_dtype_size(narrow(p)), h);
    return h;
}

static uint64_t hash_of_everything(int threads)
{
    uint64_t h = 0;

    for (size_t v = 0; v < sizeof views / sizeof *views; v++)
        for (int shift = 0; shift < 2; shift++)
            for (int f = EK_BN_PLAIN; f <= EK_BN_SIGMOID; f += 1 + (f == EK_BN_RELU)) {
                problem p = make(EK_FLOAT32, views[v], 1, 0);
                memcpy(p.in[ACTIVATED], p.in[DY], (size_t)p.total * 4);
                problem q = p; /* the same numbers elsewhere */
                for (int i = 0; i < OUTPUTS; i++) q.out[i] = (char *)p.out[i] + 4 * shift;
                if (shift > 0)
                    memmove((char *)q.in[X] + 4, q.in[X], (size_t)q.total * 4), q.in[X] = (char *)q.in[X] + 4;
                forward_ports(&q, true, (ek_bn_activation)f);
                if (run(&q, false, threads) != EK_OK) abort();
                h = hash_outputs(&q, false, h);
                gradient_ports(&q, true, (ek_bn_activation)f);
                if (run(&q, true, threads) != EK_OK) abort();
                h = hash_outputs(&q, true, h);
                destroy(&p);
            }
    return h;
}

/* A process decides on its level once: one process for each. */
static uint64_t hash_at(const char *level, int threads)
{
    int ends[2], status;
    uint64_t h = 0;

    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        setenv("EK_CPU", level, 1);
        h = hash_of_everything(threads);
        _exit(strcmp(ek__kernels()->level, level) == 0 && write(ends[1], &h, sizeof h) == sizeof h ? 0 : 1);
    }
    assert_true(child > 0);
    assert_int_equal(read(ends[0], &h, sizeof h), sizeof h);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(ends[0]);
    close(ends[1]);
    return h;
}

static void the_same_bits_everywhere(void **state)
{
    static const int threads[] = {1, 2, 7};
    const ek_kernels *level[8];
    const int n = ek__kernel_levels(level, 8);
    uint64_t first = 0;

    (void)state;
    for (int l = 0; l < n; l++)
        for (int t = 0; t < 3; t++) {
            const uint64_t h = hash_at(level[l]->level, threads[t]);
            if (l + t == 0) first = h;
            assert_true(h == first);
        }
}

/* ---- views ------------------------------------------------------------------------------- */

static void views_of_shapes(void **state)
{
    const struct {
        ek_shape x;
        uint32_t axes;
        bool fine;
        ek_bn_view view;
    } rows[] = {
        {EK_SHAPE(60, 100), 1, true, {60, 100, 1}},
        {EK_SHAPE(2, 3, 4, 5), 7, true, {24, 5, 1}},
        {EK_SHAPE(2, 3, 4, 5), 13, true, {2, 3, 20}},
        {EK_SHAPE(2, 3, 4, 5), 1, true, {2, 60, 1}},
        {EK_SHAPE(2, 3, 4, 5), 5, false, {0, 0, 0}},
        {EK_SHAPE(2, 3, 1, 1), 13, true, {2, 3, 1}},
        {EK_SHAPE(1, 3, 1, 5), 4, true, {1, 15, 1}},
        {EK_SHAPE(2, 0, 4), 5, true, {2, 0, 4}},
        {EK_SHAPE(6), 1, true, {6, 1, 1}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ek_bn_view v;
        assert_int_equal(ek__bn_view_of(&rows[i].x, rows[i].axes, &v), rows[i].fine);
        if (rows[i].fine) assert_memory_equal(&v, &rows[i].view, sizeof v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_bits_everywhere), /* before this process has threads */
        cmocka_unit_test(every_view_type_and_activation),
        cmocka_unit_test(given_outputs_and_recomputed_ones),
        cmocka_unit_test(a_gradient_sees_its_forward_half),
        cmocka_unit_test(ports_that_may_be_absent),
        cmocka_unit_test(nothing_and_no_channels),
        cmocka_unit_test(infinity_and_nan),
        cmocka_unit_test(in_place),
        cmocka_unit_test(views_of_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
