/* ops/softmax.c - Softmax, LogSoftmax over the last axis, block by block.
 *
 * A few rows at a time stay in cache: less the row's largest, exp, divided by the sum;
 * or less the logarithm of the sum. Sums are taken in double.
 */
#include "ops/softmax.h"

#include "ops/rules.h"

enum { BLOCK = 8192 };

/* ---- what losses use as well ----------------------------------------------------------------------- */

void ek__softmax_init(ek_softmax *s, ek_dtype dtype, int64_t rows, int64_t n)
{
    const ek_kernels *k = ek__kernels();
    const ek_dtype work = dtype == EK_FLOAT64 ? EK_FLOAT64 : EK_FLOAT32;

    *s = (ek_softmax){ .dtype = dtype, .work = work, .rows = rows, .n = n, .block = BLOCK / (n + 1) + 1 };
    if (s->block > s->rows) s->block = s->rows;
    s->chunks = s->block > 0 ? (s->rows + s->block - 1) / s->block : 0;
    s->less_largest = work == EK_FLOAT64 ? k->softmax_less_largest_f64 : k->softmax_less_largest_f32;
    s->sums = work == EK_FLOAT64 ? k->softmax_sums_f64 : k->softmax_sums_f32;
    s->minus = work == EK_FLOAT64 ? k->softmax_minus_f64 : k->softmax_minus_f32;
    s->over = work == EK_FLOAT64 ? k->softmax_over_f64 : k->softmax_over_f32;
    s->exp = ek__loop(&ek__loops_exp, work);
    s->log_double = ek__loop(&ek__loops_log, EK_FLOAT64);
}

size_t ek__softmax_block(const ek_softmax *s)
{
    return ek__whole_lines((size_t)(s->block * s->n) * ek_dtype_size(s->work));
}

size_t ek__softmax_scratch(const ek_softmax *s, int blocks)
{
    return (size_t)blocks * ek__softmax_block(s) + ek__whole_lines((size_t)s->block * sizeof(double));
}

void ek__softmax_logs(const ek_softmax *s, int64_t rows, double *sum)
{
    s->log_double(rows, (const void *const[]){ sum }, (const int[]){ 1 }, sum, NULL);
}

void ek__softmax_powers(const ek_softmax *s, int64_t rows, void *x, void *e, double *sum)
{
    s->less_largest(rows, s->n, x);
    s->exp(rows * s->n, (const void *const[]){ x }, (const int[]){ 1 }, e, NULL);
    s->sums(rows, s->n, e, sum);
}

/* ---- Softmax, LogSoftmax ---------------------------------------------------------------------------- */

typedef struct softmax_state {
    ek_softmax s;
    bool log;
    size_t per_chunk; /* scratch of one */
} softmax_state;

static ek_status softmax_run(const ek_run_args *a, int64_t chunk)
{
    const softmax_state *state = a->state;
    const ek_softmax *const s = &state->s;
    const int64_t first = chunk * s->block, rows = s->rows - first < s->block ? s->rows - first : s->block,
                  count = rows * s->n;
    const size_t in_size = ek_dtype_size(s->dtype);
    char *x = (char *)a->scratch + (size_t)chunk * state->per_chunk, *e = x + ek__softmax_block(s);
    double *const sum = (double *)(void *)(e + ek__softmax_block(s));

    ek__convert(s->dtype, (const char *)a->in[0] + (size_t)(first * s->n) * in_size, s->work, x, count);
    ek__softmax_powers(s, rows, x, e, sum);
    if (state->log) {
        ek__softmax_logs(s, rows, sum);
        s->minus(rows, s->n, x, sum, x);
    } else {
        s->over(rows, s->n, e, sum, x);
    }
    ek__convert(s->work, x, s->dtype, (char *)a->out[0] + (size_t)(first * s->n) * in_size, count);
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
    const ek_shape *x = &c->in[0];
    const int64_t n = x->dim[x->rank - 1];
    softmax_state *state = EK_ARENA_NEW(c->arena, softmax_state, 1);

    if (state == NULL) return ek__no_memory(c);
    c->state = state;
    state->log = log;
    ek__softmax_init(&state->s, c->in_dtype[0], n > 0 ? ek_shape_count(x) / n : 0, n);
    state->per_chunk = ek__softmax_scratch(&state->s, 2);
    c->scratch_bytes = (size_t)state->s.chunks * state->per_chunk;
    ek__add_phase(c, softmax_run, state->s.chunks);
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
