/* ops/softmax.c - Softmax, LogSoftmax over the last axis, from the element-wise loops and folds there are.
 *
 * A few rows at a time stay in cache: less the row's largest, exp, divided by the sum;
 * or less the logarithm of the sum. Sums are taken in double, in 16 lanes.
 */
#include <math.h>

#include "ops/elementwise.h"
#include "ops/rules.h"

enum { BLOCK = 8192, LANES = 16 };

typedef struct softmax_state {
    bool log;
    ek_dtype dtype, work; /* halves are computed as floats */
    int64_t rows, n, block; /* rows of n; rows at a time */
    size_t per_chunk;       /* scratch of one */
    void (*max)(int64_t rows, int64_t stride, int64_t w, const void *x, void *acc);
    void (*sum)(int64_t rows, int64_t stride, int64_t w, const void *x, void *acc);
    ek_elementwise_fn sub, exp, div, log_double;
} softmax_state;

/* Folds a row in 16 lanes, joined in order. */
static double fold_row(void (*fold)(int64_t, int64_t, int64_t, const void *, void *),
                       void (*join)(int64_t, int64_t, int64_t, const void *, void *), double start, int64_t n,
                       const void *x, size_t size)
{
    double acc[LANES];
    const int64_t whole = n / LANES;

    for (int i = 0; i < LANES; i++) acc[i] = start;
    fold(whole, LANES, LANES, x, acc);
    fold(1, LANES, n % LANES, (const char *)x + (size_t)(whole * LANES) * size, acc);
    join(LANES - 1, 1, 1, acc + 1, acc);
    return acc[0];
}

/* out[0 .. n) = in op v, v in the working type. */
static void with_scalar(ek_elementwise_fn fn, ek_dtype t, int64_t n, const void *in, double v, void *out)
{
    const float f = (float)v;

    fn(n, (const void *const[]){ in, t == EK_FLOAT32 ? (const void *)&f : &v }, (const int[]){ 1, 0 }, out, NULL);
}

static ek_status softmax_run(const ek_run_args *a, int64_t chunk)
{
    const softmax_state *s = a->state;
    const ek_kernels *k = ek__kernels();
    const int64_t first = chunk * s->block, rows = s->rows - first < s->block ? s->rows - first : s->block,
                  count = rows * s->n;
    const size_t size = ek_dtype_size(s->work), in_size = ek_dtype_size(s->dtype);
    char *x = (char *)a->scratch + (size_t)chunk * s->per_chunk, *e = x + (size_t)(s->block * s->n) * size;
    char *out = (char *)a->out[0] + (size_t)(first * s->n) * in_size;

    ek__convert(s->dtype, (const char *)a->in[0] + (size_t)(first * s->n) * in_size, s->work, x, count);
    for (int64_t r = 0; r < rows; r++) {
        char *row = x + (size_t)(r * s->n) * size;
        with_scalar(s->sub, s->work, s->n, row, fold_row(s->max, k->reduce_max_f64, -(double)INFINITY, s->n, row, size),
                    row);
    }
    s->exp(count, (const void *const[]){ x }, (const int[]){ 1 }, e, NULL);
    for (int64_t r = 0; r < rows; r++) {
        char *row = x + (size_t)(r * s->n) * size, *powers = e + (size_t)(r * s->n) * size;
        double sum = fold_row(s->sum, k->reduce_sum_f64, 0, s->n, powers, size);
        if (s->log) {
            s->log_double(1, (const void *const[]){ &sum }, (const int[]){ 1 }, &sum, NULL);
            with_scalar(s->sub, s->work, s->n, row, sum, row);
        } else {
            with_scalar(s->div, s->work, s->n, powers, sum, row);
        }
    }
    ek__convert(s->work, x, s->dtype, out, count);
    return EK_OK;
}

static ek_status softmax_shape(ek_shape_ctx *c)
{
    if (c->running && c->in[0].rank < 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "logits must have >= 1 dimension, got %s", EK_CC(&c->in[0]));
    EK_TRY(ek__want_rank_at_least(c, 0, 1));
    c->out[0] = c->in[0];
    return EK_OK;
}

static ek_status softmax_prepare(ek_prepare_ctx *c, bool log)
{
    const ek_kernels *k = ek__kernels();
    const ek_shape *x = &c->in[0];
    softmax_state *s = EK_ARENA_NEW(c->arena, softmax_state, 1);

    if (s == NULL) return ek__no_memory(c);
    c->state = s;
    s->log = log;
    s->dtype = c->in_dtype[0];
    s->work = s->dtype == EK_FLOAT64 ? EK_FLOAT64 : EK_FLOAT32;
    s->n = x->dim[x->rank - 1];
    s->rows = s->n > 0 ? ek_shape_count(x) / s->n : 0;
    s->block = BLOCK / (s->n + 1) + 1;
    if (s->block > s->rows) s->block = s->rows;
    s->max = s->work == EK_FLOAT64 ? k->reduce_max_f64 : k->reduce_max_f32;
    s->sum = s->work == EK_FLOAT64 ? k->reduce_sum_f64 : k->reduce_sum_f32;
    s->sub = ek__loop(&ek__loops_sub, s->work);
    s->exp = ek__loop(&ek__loops_exp, s->work);
    s->div = ek__loop(&ek__loops_div, s->work);
    s->log_double = ek__loop(&ek__loops_log, EK_FLOAT64);
    const int64_t chunks = s->block > 0 ? (s->rows + s->block - 1) / s->block : 0;
    s->per_chunk = ((size_t)(2 * s->block * s->n) * ek_dtype_size(s->work) + 63) / 64 * 64;
    c->scratch_bytes = (size_t)chunks * s->per_chunk;
    ek__add_phase(c, softmax_run, chunks);
    return EK_OK;
}

static ek_status plain_prepare(ek_prepare_ctx *c)
{
    return softmax_prepare(c, false);
}

static ek_status log_prepare(ek_prepare_ctx *c)
{
    return softmax_prepare(c, true);
}

#define SOFTMAX(NAME, OUTPUT, PREPARE)                     \
    const ek_op_def ek__op_##NAME = {                      \
        .name = #NAME,                                     \
        .inputs = "logits: T",                             \
        .outputs = OUTPUT ": T",                           \
        .attrs = "T: {half, bfloat16, float, double}",     \
        .shape = softmax_shape,                            \
        .prepare = PREPARE,                                \
    }
SOFTMAX(LogSoftmax, "logsoftmax", log_prepare);
SOFTMAX(Softmax, "softmax", plain_prepare);
