/* ops/matrix.c - parts of matrices: bands, diagonals; and rows reversed by length: MatrixBandPart, MatrixDiag,
 * MatrixDiagPart, MatrixSetDiag, ReverseSequence. */
#include "ops/index.h"
#include "ops/move.h"
#include "ops/rules.h"
#include "ops/walk.h"

enum { INPUT, DIAGONAL };

/* ---- MatrixBandPart -------------------------------------------------------------------------------------- */

enum { LOWER = 1, UPPER };

typedef struct band_state {
    ek_dtype dtype;
    int64_t matrices, rows, columns, lower, upper; /* negative: all */
} band_state;

static ek_status band_check(const ek_shape_ctx *c, int input, const char *name, int32_t axis)
{
    const ek_shape *const x = &c->in[INPUT];
    const ek_array *const v = c->in_value[input];

    EK_TRY(ek__want_rank(c, input, 0));
    if (v == NULL || v->count != 1 || x->rank < 2) return EK_OK;
    const int64_t size = x->dim[x->rank - axis], n = ek__array_int(v, 0);
    if (!c->running || size < 0 || n <= size) return EK_OK;
    return EK_FAIL(c->err, INVALID_ARGUMENT, "%s must be negative or less or equal to number of %s (%lld) got: %lld",
                   name, axis == 2 ? "rows" : "columns", (long long)size, (long long)n);
}

static ek_status band_shape(ek_shape_ctx *c)
{
    if (c->running && c->in[INPUT].rank < 2)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "input must be at least 2-dim, received shape: %s",
                       EK_CC(&c->in[INPUT]));
    EK_TRY(ek__want_rank_at_least(c, INPUT, 2));
    EK_TRY(band_check(c, LOWER, "num_lower", 2));
    EK_TRY(band_check(c, UPPER, "num_upper", 1));
    c->out[0] = c->in[INPUT];
    return EK_OK;
}

/* One matrix: each row is zeros, what lies in the band, zeros. */
static ek_status band_run(const ek_run_args *a, int64_t chunk)
{
    const band_state *const s = a->state;
    const size_t size = ek_dtype_size(s->dtype);

    for (int64_t i = 0; i < s->rows; i++) {
        const size_t at = (size_t)((chunk * s->rows + i) * s->columns) * size;
        char *const out = (char *)a->out[0] + at;
        int64_t from = s->lower < 0 || i < s->lower ? 0 : i - s->lower;
        int64_t to = s->upper < 0 || s->upper >= s->columns - i ? s->columns : i + s->upper + 1;

        from = from < s->columns ? from : s->columns;
        to = to > from ? to : from;
        memset(out, 0, (size_t)from * size);
        EK_TRY(ek__move(s->dtype, out + (size_t)from * size, (const char *)a->in[INPUT] + at + (size_t)from * size,
                        to - from, a->err));
        memset(out + (size_t)to * size, 0, (size_t)(s->columns - to) * size);
    }
    return EK_OK;
}

static ek_status band_prepare(ek_prepare_ctx *c)
{
    const ek_shape *const x = &c->in[INPUT];
    band_state *const s = EK_ARENA_NEW(c->arena, band_state, 1);

    if (s == NULL) return ek__no_memory(c);
    if (c->out_dtype[0] == EK_STRING)
        return EK_FAIL(c->err, UNIMPLEMENTED, "%s has no kernel for string", c->def->name);
    if (ek__empty(c)) return EK_OK;
    *s = (band_state){ c->out_dtype[0], ek__dims(x, 0, x->rank - 2), x->dim[x->rank - 2], x->dim[x->rank - 1],
                       ek__int_at(c->in_value, LOWER, 0), ek__int_at(c->in_value, UPPER, 0) };
    c->state = s;
    ek__add_phase(c, band_run, s->matrices);
    return EK_OK;
}

const ek_op_def ek__op_MatrixBandPart = {
    .name = "MatrixBandPart",
    .inputs = "input: T, num_lower: Tindex, num_upper: Tindex",
    .outputs = "band: T",
    .attrs = "T: type; Tindex: {int32, int64} = int64",
    .shape = band_shape,
    .prepare = band_prepare,
    .value_inputs = 1u << LOWER | 1u << UPPER,
};

/* ---- diagonals ------------------------------------------------------------------------------------------------ */

static int64_t shorter(const ek_shape *matrix)
{
    const int64_t rows = matrix->dim[matrix->rank - 2], columns = matrix->dim[matrix->rank - 1];

    return rows < columns ? rows : columns;
}

static ek_status diag_shape(ek_shape_ctx *c)
{
    const ek_shape *const x = &c->in[0];

    if (c->running && x->rank < 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "diagonal must be at least 1-dim, received shape: %s", EK_CC(x));
    EK_TRY(ek__want_rank_at_least(c, 0, 1));
    return x->rank < 0 ? EK_OK : ek__insert_dim(c, x, x->rank, x->dim[x->rank - 1], &c->out[0]);
}

static ek_status diag_part_shape(ek_shape_ctx *c)
{
    const ek_shape *const x = &c->in[INPUT];

    if (c->running && x->rank < 2)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "input must be at least 2-dim, received shape: %s", EK_CC(x));
    EK_TRY(ek__want_rank_at_least(c, INPUT, 2));
    if (x->rank < 0) return EK_OK;
    c->out[0] = *x;
    c->out[0].rank--;
    c->out[0].dim[x->rank - 2] = shorter(x);
    return EK_OK;
}

static ek_status set_diag_shape(ek_shape_ctx *c)
{
    const ek_shape *const x = &c->in[INPUT], *const d = &c->in[DIAGONAL];
    bool fits = true;

    if (c->running && x->rank < 2)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "input must be at least 2-dim, received shape: %s", EK_CC(x));
    EK_TRY(ek__want_rank_at_least(c, INPUT, 2));
    EK_TRY(ek__want_rank_at_least(c, DIAGONAL, 1));
    c->out[0] = *x;
    if (x->rank < 0 || d->rank < 0) return EK_OK;
    fits = d->rank == x->rank - 1;
    for (int32_t i = 0; fits && i < d->rank; i++) {
        const int64_t want = i == d->rank - 1 ? shorter(x) : x->dim[i];

        fits = want < 0 || d->dim[i] < 0 || want == d->dim[i];
    }
    if (fits) return EK_OK;
    return EK_FAIL(c->err, INVALID_ARGUMENT,
                   "Either first dimensions of diagonal don't match input.shape[:-2], or diagonal.shape[:-1] is not "
                   "equal to the longests diagonal in range [lower_diag_index:upper_diag_index].");
}

/* Between the diagonals of `matrix` and what holds them densely. */
static void add_diagonals(ek_walk *w, const ek_shape *matrix, bool from_matrix)
{
    const int64_t rows = matrix->dim[matrix->rank - 2], columns = matrix->dim[matrix->rank - 1], n = shorter(matrix);
    const int64_t dim[2] = { ek__dims(matrix, 0, matrix->rank - 2), n };
    const int64_t in_matrix[2] = { rows * columns, columns + 1 }, dense[2] = { n, 1 };

    for (int i = 0; i < 2; i++)
        ek__walk_loop(w, dim[i], from_matrix ? in_matrix[i] : dense[i], from_matrix ? dense[i] : in_matrix[i]);
}

static ek_status first_run(const ek_run_args *a, int64_t chunk) { return ek__parts_chunk(a->state, a, chunk); }
static ek_status second_run(const ek_run_args *a, int64_t chunk)
{
    return ek__parts_chunk((const ek_parts *)a->state + 1, a, chunk);
}

/* A matrix that is zero, or another one, first; then its diagonal. */
static ek_status diagonal_over(ek_prepare_ctx *c, int diagonal)
{
    const ek_shape *const out = &c->out[0];
    ek_parts *parts;

    if (ek__empty(c)) return EK_OK;
    if ((parts = ek__parts_pair(c, 1, 1)) == NULL) return EK_RESOURCE_EXHAUSTED;
    c->state = parts;
    if (diagonal == 0) ek__walk_fill(ek__parts_add(&parts[0], EK_FROM_CONSTANT, 0), out);
    else ek__walk_loop(ek__parts_add(&parts[0], INPUT, 0), ek_shape_count(out), 1, 1);
    add_diagonals(ek__parts_add(&parts[1], diagonal, 0), out, false);
    ek__parts_phase(c, &parts[0], first_run);
    ek__parts_phase(c, &parts[1], second_run);
    return EK_OK;
}

static ek_status diag_prepare(ek_prepare_ctx *c) { return diagonal_over(c, 0); }
static ek_status set_diag_prepare(ek_prepare_ctx *c) { return diagonal_over(c, DIAGONAL); }

static ek_status diag_part_prepare(ek_prepare_ctx *c)
{
    ek_parts *parts;

    if (ek__empty(c)) return EK_OK;
    if ((parts = ek__parts_new(c, 1)) == NULL) return EK_RESOURCE_EXHAUSTED;
    add_diagonals(ek__parts_add(parts, INPUT, 0), &c->in[INPUT], true);
    ek__parts_only(c, parts);
    return EK_OK;
}

const ek_op_def ek__op_MatrixDiag = {
    .name = "MatrixDiag",
    .inputs = "diagonal: T",
    .outputs = "output: T",
    .attrs = "T: type",
    .shape = diag_shape,
    .prepare = diag_prepare,
};

const ek_op_def ek__op_MatrixDiagPart = {
    .name = "MatrixDiagPart",
    .inputs = "input: T",
    .outputs = "diagonal: T",
    .attrs = "T: type",
    .shape = diag_part_shape,
    .prepare = diag_part_prepare,
};

const ek_op_def ek__op_MatrixSetDiag = {
    .name = "MatrixSetDiag",
    .inputs = "input: T, diagonal: T",
    .outputs = "output: T",
    .attrs = "T: type",
    .shape = set_diag_shape,
    .prepare = set_diag_prepare,
};

/* ---- ReverseSequence ------------------------------------------------------------------------------------------- */

enum { LENGTHS = 1 };

typedef struct reverse_attrs {
    int64_t seq_dim, batch_dim;
} reverse_attrs;

static const ek_field reverse_fields[] = {
    EK_FIELD(reverse_attrs, seq_dim, INT),
    EK_FIELD(reverse_attrs, batch_dim, INT),
};

/* The tensor is [a, m, b, n, inner]; the sequence runs along n, the lengths along m, or the other way round. */
typedef struct reverse_state {
    ek_dtype dtype, length_dtype;
    int64_t a, m, b, n, inner;
    bool sequence_first; /* the sequence runs along m */
    int32_t seq_dim;
} reverse_state;

static ek_status reverse_shape(ek_shape_ctx *c)
{
    const reverse_attrs *const at = c->attrs;
    const ek_shape *const x = &c->in[INPUT], *const lengths = &c->in[LENGTHS];

    EK_TRY(ek__want_rank(c, LENGTHS, 1));
    c->out[0] = *x;
    if (x->rank < 0) return EK_OK;
    if (at->batch_dim < 0 || at->batch_dim >= x->rank)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "batch_dim must be < input rank: %lld vs. %d",
                       (long long)at->batch_dim, x->rank);
    if (at->seq_dim < 0 || at->seq_dim >= x->rank || at->seq_dim == at->batch_dim)
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "seq_dim must be < input rank, and another than batch_dim: %lld vs. %d", (long long)at->seq_dim,
                       x->rank);
    const int64_t batch = x->dim[at->batch_dim], n = lengths->rank == 1 ? lengths->dim[0] : -1;
    if (batch >= 0 && n >= 0 && batch != n)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Length of seq_lengths != input.dims(%lld), (%lld vs. %lld)",
                       (long long)at->batch_dim, (long long)n, (long long)batch);
    return EK_OK;
}

static ek_status reverse_check(const ek_run_args *a, int64_t chunk)
{
    const reverse_state *const s = a->state;
    const int64_t batch = s->sequence_first ? s->n : s->m, sequence = s->sequence_first ? s->m : s->n;

    EK_UNUSED(chunk);
    for (int64_t i = 0; i < batch; i++) {
        const int64_t length = ek__get_int(s->length_dtype, a->in[LENGTHS], i);

        if (length < 0) return EK_FAIL(a->err, INVALID_ARGUMENT, "seq_lens(%lld) < 0", (long long)i);
        if (length > sequence)
            return EK_FAIL(a->err, INVALID_ARGUMENT, "seq_lens(%lld) > input.dims(%d)", (long long)i, s->seq_dim);
    }
    return EK_OK;
}

static ek_status reverse_run(const ek_run_args *a, int64_t chunk)
{
    const reverse_state *const s = a->state;
    const size_t row = (size_t)s->inner * ek_dtype_size(s->dtype);

    for (int64_t k = 0; k < s->m * s->b * s->n; k++) {
        const int64_t i = k / (s->b * s->n), j = k % s->n;
        const int64_t at = s->sequence_first ? i : j;
        const int64_t length = ek__get_int(s->length_dtype, a->in[LENGTHS], s->sequence_first ? j : i);
        const int64_t step = at < length ? length - 1 - 2 * at : 0; /* to where it comes from */
        const int64_t from = k + step * (s->sequence_first ? s->b * s->n : 1), base = chunk * s->m * s->b * s->n;

        EK_TRY(ek__move(s->dtype, (char *)a->out[0] + (size_t)(base + k) * row,
                        (const char *)a->in[INPUT] + (size_t)(base + from) * row, s->inner, a->err));
    }
    return EK_OK;
}

static ek_status reverse_prepare(ek_prepare_ctx *c)
{
    const reverse_attrs *const at = c->attrs;
    const ek_shape *const x = &c->in[INPUT];
    const int32_t seq = (int32_t)at->seq_dim, batch = (int32_t)at->batch_dim;
    const int32_t first = seq < batch ? seq : batch, second = seq < batch ? batch : seq;
    reverse_state *const s = EK_ARENA_NEW(c->arena, reverse_state, 1);

    if (s == NULL) return ek__no_memory(c);
    if (ek__empty(c)) return EK_OK;
    *s = (reverse_state){
        .dtype = c->out_dtype[0], .length_dtype = c->in_dtype[LENGTHS], .a = ek__dims(x, 0, first), .m = x->dim[first],
        .b = ek__dims(x, first + 1, second), .n = x->dim[second], .inner = ek__dims(x, second + 1, x->rank),
        .sequence_first = seq < batch, .seq_dim = seq,
    };
    c->state = s;
    ek__add_phase(c, reverse_check, 1);
    ek__add_phase(c, reverse_run, s->a);
    return EK_OK;
}

const ek_op_def ek__op_ReverseSequence = {
    .name = "ReverseSequence",
    .inputs = "input: T, seq_lengths: Tlen",
    .outputs = "output: T",
    .attrs = "seq_dim: int; batch_dim: int = 0; T: type; Tlen: {int32, int64} = int64",
    .attrs_size = sizeof(reverse_attrs),
    .fields = reverse_fields,
    .n_fields = EK_COUNT_OF(reverse_fields),
    .shape = reverse_shape,
    .prepare = reverse_prepare,
};
