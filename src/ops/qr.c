/* ops/qr.c - Qr: matrices as an orthogonal one times an upper triangular one. */
#include <math.h>

#include "ops/rules.h"
#include "values/array.h"

enum { INPUT };
enum { Q, R };

typedef struct qr_attrs {
    bool full_matrices;
} qr_attrs;

static const ek_field qr_fields[] = { EK_FIELD(qr_attrs, full_matrices, BOOL) };

/* ---- shapes ------------------------------------------------------------------------------------- */

static ek_status qr_shape(ek_shape_ctx *c)
{
    const ek_shape *x = &c->in[INPUT];
    int64_t rows, columns, least;

    if (c->running && x->rank < 2)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Input tensor 0 must have rank >= 2, got %d", x->rank);
    EK_TRY(ek__want_rank_at_least(c, INPUT, 2));
    if (x->rank < 0) return EK_OK;
    rows = x->dim[x->rank - 2];
    columns = x->dim[x->rank - 1];
    least = rows < 0 || columns < 0 ? -1 : rows < columns ? rows : columns;
    if (((const qr_attrs *)c->attrs)->full_matrices) least = rows;
    c->out[Q] = c->out[R] = *x;
    c->out[Q].dim[x->rank - 1] = least;
    c->out[R].dim[x->rank - 2] = least;
    return EK_OK;
}

/* ---- Householder's reflections, in double whatever the type ------------------------------------- */

/* Rows lie one after the other; inner loops go along them, so that a sum over rows is one of vectors, in order. */
typedef struct matrix {
    int64_t rows, columns;
    double *at;
} matrix;

/* m -= tau * v * (v^T m) for rows from `i` and columns from `first` on, where v is 1 and what lies below (i, i) in `a`. */
static void reflect(matrix m, const matrix *a, int64_t i, double tau, int64_t first, double *w)
{
    for (int64_t j = first; j < m.columns; j++) w[j] = m.at[i * m.columns + j];
    for (int64_t r = i + 1; r < m.rows; r++) {
        const double v = a->at[r * a->columns + i];
        for (int64_t j = first; j < m.columns; j++) w[j] += v * m.at[r * m.columns + j];
    }
    for (int64_t j = first; j < m.columns; j++) m.at[i * m.columns + j] -= tau * w[j];
    for (int64_t r = i + 1; r < m.rows; r++) {
        const double v = tau * a->at[r * a->columns + i];
        for (int64_t j = first; j < m.columns; j++) m.at[r * m.columns + j] -= v * w[j];
    }
}

/* The reflection that leaves of column i nothing below (i, i), in whose place it writes v. What stays has the sign that
 * cancels nothing; where there is nothing below, nothing is done. */
static double eliminate(matrix a, int64_t i, double *w)
{
    double *const head = &a.at[i * a.columns + i], below = 0, beta, tau;

    for (int64_t r = i + 1; r < a.rows; r++) below += a.at[r * a.columns + i] * a.at[r * a.columns + i];
    if (below == 0) return 0;
    beta = sqrt(*head * *head + below);
    if (*head >= 0) beta = -beta;
    for (int64_t r = i + 1; r < a.rows; r++) a.at[r * a.columns + i] /= *head - beta;
    tau = (beta - *head) / beta;
    *head = beta;
    reflect(a, &a, i, tau, i + 1, w);
    return tau;
}

/* ---- running: a matrix a chunk ------------------------------------------------------------------ */

typedef struct qr_state {
    ek_dtype dtype;
    int64_t rows, columns, steps; /* steps: the smaller of both */
    int64_t inner;                /* columns of q, rows of r */
    size_t q, tau, w, per_matrix; /* places in a chunk's scratch, after the matrix itself */
} qr_state;

static void put(const qr_state *s, void *out, int64_t chunk, const double *at, int64_t n)
{
    ek__convert(EK_FLOAT64, at, s->dtype, (char *)out + (size_t)(chunk * n) * ek_dtype_size(s->dtype), n);
}

/* The reflections, last one first, of the identity. */
static void write_q(const qr_state *s, const matrix *a, const double *tau, double *w, matrix q)
{
    memset(q.at, 0, (size_t)(q.rows * q.columns) * sizeof *q.at);
    for (int64_t i = 0; i < q.rows && i < q.columns; i++) q.at[i * q.columns + i] = 1;
    for (int64_t i = s->steps - 1; i >= 0; i--)
        if (tau[i] != 0) reflect(q, a, i, tau[i], i, w);
}

static ek_status qr_run(const ek_run_args *args, int64_t chunk)
{
    const qr_state *const s = args->state;
    char *const scratch = (char *)args->scratch + (size_t)chunk * s->per_matrix;
    const size_t size = ek_dtype_size(s->dtype);
    const matrix a = { s->rows, s->columns, (double *)(void *)scratch };
    const matrix q = { s->rows, s->inner, (double *)(void *)(scratch + s->q) };
    double *const tau = (double *)(void *)(scratch + s->tau), *const w = (double *)(void *)(scratch + s->w);

    ek__convert(s->dtype, (const char *)args->in[INPUT] + (size_t)(chunk * a.rows * a.columns) * size, EK_FLOAT64, a.at,
                a.rows * a.columns);
    for (int64_t i = 0; i < s->steps; i++) tau[i] = eliminate(a, i, w);
    write_q(s, &a, tau, w, q);
    put(s, args->out[Q], chunk, q.at, q.rows * q.columns);
    for (int64_t i = 1; i < s->inner; i++)
        for (int64_t j = 0; j < i && j < a.columns; j++) a.at[i * a.columns + j] = 0;
    put(s, args->out[R], chunk, a.at, s->inner * a.columns);
    return EK_OK;
}

static bool scratch_of(qr_state *s)
{
    size_t a, q;

    if (__builtin_mul_overflow((size_t)s->rows, (size_t)s->columns, &a) || __builtin_mul_overflow(a, sizeof(double), &a) ||
        __builtin_mul_overflow((size_t)s->rows, (size_t)s->inner, &q) || __builtin_mul_overflow(q, sizeof(double), &q) ||
        a > SIZE_MAX / 8 || q > SIZE_MAX / 8)
        return false;
    s->q = ek__whole_lines(a);
    s->tau = s->q + ek__whole_lines(q);
    s->w = s->tau + ek__whole_lines((size_t)s->steps * sizeof(double));
    s->per_matrix = s->w + ek__whole_lines((size_t)(s->columns + s->inner) * sizeof(double));
    return true;
}

static ek_status qr_prepare(ek_prepare_ctx *c)
{
    const ek_shape *const x = &c->in[INPUT];
    const int64_t rows = x->dim[x->rank - 2], columns = x->dim[x->rank - 1];
    const int64_t inner = c->out[Q].dim[x->rank - 1];
    int64_t matrices = 1;
    qr_state *s;

    if (c->in_dtype[INPUT] == EK_COMPLEX64 || c->in_dtype[INPUT] == EK_COMPLEX128)
        return EK_FAIL(c->err, UNIMPLEMENTED, "Qr has no kernel for %s", ek_dtype_name(c->in_dtype[INPUT]));
    if (ek_shape_count(&c->out[Q]) == 0 && ek_shape_count(&c->out[R]) == 0) return EK_OK;
    s = EK_ARENA_NEW(c->arena, qr_state, 1);
    if (s == NULL) return ek__no_memory(c);
    *s = (qr_state){ .dtype = c->in_dtype[INPUT], .rows = rows, .columns = columns, .inner = inner,
                     .steps = rows < columns ? rows : columns };
    for (int i = 0; i < x->rank - 2; i++) matrices *= x->dim[i];
    if (!scratch_of(s) || __builtin_mul_overflow(s->per_matrix, (size_t)matrices, &c->scratch_bytes))
        return ek__no_memory(c);
    c->state = s;
    ek__add_phase(c, qr_run, matrices);
    return EK_OK;
}

const ek_op_def ek__op_Qr = {
    .name = "Qr",
    .kind = EK_KIND_PURE,
    .inputs = "input: T",
    .outputs = "q: T, r: T",
    .attrs = "full_matrices: bool = false; T: {double, float, half, complex64, complex128}",
    .attrs_size = sizeof(qr_attrs),
    .fields = qr_fields,
    .n_fields = EK_COUNT_OF(qr_fields),
    .shape = qr_shape,
    .prepare = qr_prepare,
};
