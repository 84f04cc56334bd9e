/* ops/losses.c - cross entropy of softmax with labels, each with its gradient, and whether labels are among the best.
 *
 * Rows as in ops/softmax.c: less their largest, powers of e, sums in double. Outputs are the
 * loss of each row, log(sum) - x for the label, and its gradient, e^x / sum less the label.
 */
#include <math.h>

#include "ops/index.h"
#include "ops/rules.h"
#include "ops/softmax.h"
#include "ops/summary.h"

enum { LOGITS, LABELS };
enum { LOSS, BACKPROP };

typedef struct loss_state {
    ek_softmax s;
    size_t per_chunk;
    ek_dtype label_dtype;
    ek_shape label_shape;
    ek_elementwise_fn mul, sub; /* dense */
    int64_t step[2][2];         /* dense: elements of each input from row to row, from column to column; 0 where broadcast */
} loss_state;

/* One chunk's rows and its places in the scratch. */
typedef struct part {
    int64_t first, rows;
    char *x, *e, *labels;
    double *sum;
} part;

static part part_of(const ek_run_args *a, int64_t chunk)
{
    const loss_state *const state = a->state;
    const ek_softmax *const s = &state->s;
    part p = { .first = chunk * s->block };
    const size_t block = ek__softmax_block(s);

    p.rows = s->rows - p.first < s->block ? s->rows - p.first : s->block;
    p.x = (char *)a->scratch + (size_t)chunk * state->per_chunk;
    p.e = p.x + block;
    p.labels = p.e + block;
    p.sum = (double *)(void *)(p.labels + block);
    return p;
}

static ek_status loss_prepare(ek_prepare_ctx *c, loss_state **out)
{
    loss_state *const state = EK_ARENA_NEW(c->arena, loss_state, 1);
    const ek_shape *const y = &c->out[BACKPROP];

    if (state == NULL) return ek__no_memory(c);
    c->state = *out = state;
    ek__softmax_init(&state->s, c->in_dtype[LOGITS], y->dim[0], y->dim[1]);
    state->label_dtype = c->in_dtype[LABELS];
    state->label_shape = c->in[LABELS];
    state->per_chunk = ek__softmax_scratch(&state->s, 3);
    c->scratch_bytes = (size_t)state->s.chunks * state->per_chunk;
    return EK_OK;
}

/* The losses of n rows from `first` on, in the outputs' type. */
static void put_losses(const ek_softmax *s, const ek_run_args *a, int64_t first, int64_t n, const double *loss)
{
    ek__convert(EK_FLOAT64, loss, s->dtype, (char *)a->out[LOSS] + (size_t)first * ek_dtype_size(s->dtype), n);
}

static void put_backprop(const ek_softmax *s, const ek_run_args *a, const part *p)
{
    ek__convert(s->work, p->e, s->dtype,
                (char *)a->out[BACKPROP] + (size_t)(p->first * s->n) * ek_dtype_size(s->dtype), p->rows * s->n);
}

/* ---- labels as distributions ------------------------------------------------------------------------ */

static ek_status dense_shape(ek_shape_ctx *c)
{
    const ek_shape *const x = &c->in[LOGITS], *const y = &c->in[LABELS];
    int64_t a = 0, b = 0;
    ek_shape both;

    if (!ek__broadcast(x, y, &both, &a, &b)) {
        if (!c->running)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Dimensions must be equal, but are %lld and %lld", (long long)a,
                           (long long)b);
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "logits and labels must be broadcastable: logits_size=%s labels_size=%s", EK_CC(x), EK_CC(y));
    }
    if (c->running && both.rank != 2)
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "logits and labels must be either 2-dimensional, or broadcasted to be 2-dimensional");
    if (both.rank >= 0 && both.rank != 2)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Shape must be broadcasted with rank 2, but is rank %d", both.rank);
    c->out[LOSS] = ek__vector(both.rank == 2 ? both.dim[0] : -1);
    c->out[BACKPROP] = both.rank == 2 ? both : ek__unknown_dims(2);
    return EK_OK;
}

/* Rows [first, first + rows) of an input in the working type, broadcast. */
static void take_rows(const loss_state *state, const ek_run_args *a, int input, const part *p, char *to)
{
    const ek_softmax *const s = &state->s;
    const size_t size = ek_dtype_size(s->dtype), work = ek_dtype_size(s->work);
    const int64_t row = state->step[input][0], column = state->step[input][1];
    const char *const from = (const char *)a->in[input] + (size_t)(p->first * row) * size;

    if (row == s->n && column == 1) {
        ek__convert(s->dtype, from, s->work, to, p->rows * s->n);
        return;
    }
    for (int64_t r = 0; r < p->rows; r++)
        for (int64_t j = 0; j < s->n; j++)
            ek__convert(s->dtype, from + (size_t)(r * row + j * column) * size, s->work,
                        to + (size_t)(r * s->n + j) * work, 1);
}

static ek_status dense_run(const ek_run_args *a, int64_t chunk)
{
    static const int each[2] = { 1, 1 };
    const loss_state *const state = a->state;
    const ek_softmax *const s = &state->s;
    const part p = part_of(a, chunk);
    const int64_t n = p.rows * s->n;

    take_rows(state, a, LOGITS, &p, p.x);
    take_rows(state, a, LABELS, &p, p.labels);
    ek__softmax_powers(s, p.rows, p.x, p.e, p.sum);
    s->over(p.rows, s->n, p.e, p.sum, p.e);
    ek__softmax_logs(s, p.rows, p.sum);
    s->minus(p.rows, s->n, p.x, p.sum, p.x);
    state->mul(n, (const void *const[]){ p.x, p.labels }, each, p.x, NULL);
    state->sub(n, (const void *const[]){ p.e, p.labels }, each, p.e, NULL);
    s->sums(p.rows, s->n, p.x, p.sum);
    for (int64_t r = 0; r < p.rows; r++) p.sum[r] = 0 - p.sum[r];
    put_losses(s, a, p.first, p.rows, p.sum);
    put_backprop(s, a, &p);
    return EK_OK;
}

/* Without classes there is nothing to add up. */
static ek_status no_classes_run(const ek_run_args *a, int64_t chunk)
{
    const loss_state *const state = a->state;

    EK_UNUSED(chunk);
    for (int64_t r = 0; r < state->s.rows; r++) put_losses(&state->s, a, r, 1, &(double){ 0 });
    return EK_OK;
}

static ek_status dense_prepare(ek_prepare_ctx *c)
{
    const ek_shape *const y = &c->out[BACKPROP];
    loss_state *state;

    EK_TRY(loss_prepare(c, &state));
    state->mul = ek__loop(&ek__loops_mul, state->s.work);
    state->sub = ek__loop(&ek__loops_sub, state->s.work);
    for (int i = 0; i < 2; i++) {
        const ek_shape *const x = &c->in[i];
        const int64_t columns = x->rank > 0 ? x->dim[x->rank - 1] : 1;

        state->step[i][0] = x->rank == 2 && x->dim[0] == y->dim[0] ? columns : 0;
        state->step[i][1] = columns == y->dim[1] ? 1 : 0;
    }
    if (y->dim[1] == 0) ek__add_phase(c, no_classes_run, 1);
    else ek__add_phase(c, dense_run, state->s.chunks);
    return EK_OK;
}

const ek_op_def ek__op_SoftmaxCrossEntropyWithLogits = {
    .name = "SoftmaxCrossEntropyWithLogits",
    .inputs = "features: T, labels: T",
    .outputs = "loss: T, backprop: T",
    .attrs = "T: {half, bfloat16, float, double}",
    .shape = dense_shape,
    .prepare = dense_prepare,
};

/* ---- labels as places ------------------------------------------------------------------------------- */

static ek_status sparse_sizes(const ek_shape_ctx *c)
{
    const ek_shape *const x = &c->in[LOGITS], *const y = &c->in[LABELS];

    if (x->rank != 2) return EK_FAIL(c->err, INVALID_ARGUMENT, "logits must be 2-D, but got shape %s", EK_CC(x));
    if (y->rank != 1) return EK_FAIL(c->err, INVALID_ARGUMENT, "labels must be 1-D, but got shape %s", EK_CC(y));
    if (x->dim[0] != y->dim[0])
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "logits and labels must have the same first dimension, got logits shape %s and labels shape %s",
                       EK_CC(x), EK_CC(y));
    if (x->dim[1] == 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Must have at least one class, but got logits shape %s", EK_CC(x));
    return EK_OK;
}

static ek_status sparse_shape(ek_shape_ctx *c)
{
    const ek_shape *const x = &c->in[LOGITS], *const y = &c->in[LABELS];

    if (c->running) EK_TRY(sparse_sizes(c));
    EK_TRY(ek__want_rank(c, LOGITS, 2));
    EK_TRY(ek__want_rank(c, LABELS, 1));
    const int64_t rows = x->rank < 0 ? -1 : x->dim[0], labels = y->rank < 0 ? -1 : y->dim[0];
    if (rows >= 0 && labels >= 0 && rows != labels)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Dimensions must be equal, but are %lld and %lld", (long long)rows,
                       (long long)labels);
    c->out[LOSS] = ek__vector(rows < 0 ? labels : rows);
    c->out[BACKPROP] = x->rank < 0 ? ek__unknown_dims(2) : *x;
    c->out[BACKPROP].dim[0] = rows < 0 ? labels : rows;
    return EK_OK;
}

/* The least label where that is below 0, else the largest, is told. */
static ek_status sparse_check(const ek_run_args *a, int64_t chunk)
{
    const loss_state *const s = a->state;
    int64_t least = 0, most = -1;
    ek_buf all = { 0 };
    ek_status st;

    EK_UNUSED(chunk);
    for (int64_t r = 0; r < s->s.rows; r++) {
        const int64_t label = ek__get_int(s->label_dtype, a->in[LABELS], r);

        if (label < least) least = label;
        if (label > most) most = label;
    }
    if (least >= 0 && most < s->s.n) return EK_OK;
    ek__summary(&all, s->label_dtype, &s->label_shape, a->in[LABELS], -1);
    st = EK_FAIL(a->err, INVALID_ARGUMENT,
                 "Received a label value of %lld which is outside the valid range of [0, %lld).  Label values: %s",
                 (long long)(least < 0 ? least : most), (long long)s->s.n, all.failed ? "" : all.data);
    ek__buf_fini(&all);
    return st;
}

static double get(const ek_softmax *s, const char *x, int64_t at)
{
    if (s->work == EK_FLOAT32) return (double)((const float *)(const void *)x)[at];
    return ((const double *)(const void *)x)[at];
}

static void take_one(const ek_softmax *s, char *x, int64_t at)
{
    if (s->work == EK_FLOAT32) ((float *)(void *)x)[at] -= 1;
    else ((double *)(void *)x)[at] -= 1;
}

static ek_status sparse_run(const ek_run_args *a, int64_t chunk)
{
    const loss_state *const state = a->state;
    const ek_softmax *const s = &state->s;
    const part p = part_of(a, chunk);

    ek__convert(s->dtype, (const char *)a->in[LOGITS] + (size_t)(p.first * s->n) * ek_dtype_size(s->dtype), s->work,
                p.x, p.rows * s->n);
    ek__softmax_powers(s, p.rows, p.x, p.e, p.sum);
    s->over(p.rows, s->n, p.e, p.sum, p.e);
    ek__softmax_logs(s, p.rows, p.sum);
    for (int64_t r = 0; r < p.rows; r++) {
        const int64_t at = r * s->n + ek__get_int(state->label_dtype, a->in[LABELS], p.first + r);

        p.sum[r] -= get(s, p.x, at);
        take_one(s, p.e, at);
    }
    put_losses(s, a, p.first, p.rows, p.sum);
    put_backprop(s, a, &p);
    return EK_OK;
}

static ek_status sparse_prepare(ek_prepare_ctx *c)
{
    loss_state *state;

    EK_TRY(loss_prepare(c, &state));
    ek__add_phase(c, sparse_check, 1);
    ek__add_phase(c, sparse_run, state->s.chunks);
    return EK_OK;
}

const ek_op_def ek__op_SparseSoftmaxCrossEntropyWithLogits = {
    .name = "SparseSoftmaxCrossEntropyWithLogits",
    .inputs = "features: T, labels: Tlabels",
    .outputs = "loss: T, backprop: T",
    .attrs = "T: {half, bfloat16, float, double}; Tlabels: {int32, int64} = int64",
    .shape = sparse_shape,
    .prepare = sparse_prepare,
};

/* ---- InTopK ------------------------------------------------------------------------------------------- */

typedef struct top_k_attrs {
    int64_t k;
} top_k_attrs;

static const ek_field top_k_fields[] = { EK_FIELD(top_k_attrs, k, INT) };

enum { PREDICTIONS, TARGETS, K };

typedef struct top_k {
    int64_t k, rows, classes; /* k -1: input K has it */
    ek_dtype dtype;
} top_k;

static ek_status top_k_shape(ek_shape_ctx *c)
{
    const ek_shape *const x = &c->in[PREDICTIONS], *const y = &c->in[TARGETS];

    if (c->running && x->rank != 2) return EK_FAIL(c->err, INVALID_ARGUMENT, "predictions must be 2-dimensional");
    if (c->running && y->rank != 1) return EK_FAIL(c->err, INVALID_ARGUMENT, "targets must be 1-dimensional");
    EK_TRY(ek__want_rank(c, PREDICTIONS, 2));
    EK_TRY(ek__want_rank(c, TARGETS, 1));
    if (c->n_in > K) EK_TRY(ek__want_rank(c, K, 0));
    const int64_t rows = x->rank < 0 ? -1 : x->dim[0], targets = y->rank < 0 ? -1 : y->dim[0];
    if (rows >= 0 && targets >= 0 && rows != targets) {
        if (c->running)
            return EK_FAIL(c->err, INVALID_ARGUMENT,
                           "First dimension of predictions %lld must match length of targets %lld", (long long)rows,
                           (long long)targets);
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Dimensions must be equal, but are %lld and %lld", (long long)rows,
                       (long long)targets);
    }
    c->out[0] = ek__vector(rows < 0 ? targets : rows);
    return EK_OK;
}

/* Whether fewer than k classes are better; no answer where a number is not finite. */
static bool among_best(const float *row, int64_t classes, int64_t target, int64_t k)
{
    int64_t better = 0;

    if (target < 0 || target >= classes || !isfinite(row[target])) return false;
    for (int64_t j = 0; j < classes; j++) {
        if (!isfinite(row[j])) return false;
        better += row[j] > row[target];
    }
    return better < k;
}

static ek_status top_k_run(const ek_run_args *a, int64_t chunk)
{
    const top_k *const s = a->state;
    const int64_t k = s->k >= 0 ? s->k : ek__get_int(s->dtype, a->in[K], 0);

    EK_UNUSED(chunk);
    for (int64_t r = 0; r < s->rows; r++)
        ((bool *)a->out[0])[r] = among_best((const float *)a->in[PREDICTIONS] + r * s->classes, s->classes,
                                            ek__get_int(s->dtype, a->in[TARGETS], r), k);
    return EK_OK;
}

static ek_status top_k_prepare(ek_prepare_ctx *c)
{
    top_k *const s = EK_ARENA_NEW(c->arena, top_k, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (top_k){ c->n_in > K ? -1 : ((const top_k_attrs *)c->attrs)->k, c->in[PREDICTIONS].dim[0],
                  c->in[PREDICTIONS].dim[1], c->in_dtype[TARGETS] };
    if (c->n_in <= K && s->k < 0) s->k = 0;
    c->state = s;
    ek__add_phase(c, top_k_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_InTopK = {
    .name = "InTopK",
    .inputs = "predictions: float, targets: T",
    .outputs = "precision: bool",
    .attrs = "k: int; T: {int32, int64} = int32",
    .attrs_size = sizeof(top_k_attrs),
    .fields = top_k_fields,
    .n_fields = EK_COUNT_OF(top_k_fields),
    .shape = top_k_shape,
    .prepare = top_k_prepare,
    .no_grad_because = "its output is a bool",
};

const ek_op_def ek__op_InTopKV2 = {
    .name = "InTopKV2",
    .inputs = "predictions: float, targets: T, k: T",
    .outputs = "precision: bool",
    .attrs = "T: {int32, int64} = int32",
    .shape = top_k_shape,
    .prepare = top_k_prepare,
    .no_grad_because = "its output is a bool",
};
