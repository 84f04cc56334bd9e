/* ops/product.c - how products of matrices are cut, and by which loop each is computed.
 *
 * float32 goes to oneDNN unless the product is small, is one row, or the session wants the
 * same bits at every CPU level. Everything else goes to our own loops, which want b with
 * dense rows and no conjugates: a first phase copies what is stored otherwise. Halves are
 * multiplied as floats and rounded once.
 *
 * Rows or columns are cut by the problem's size; an element's sum is never cut. oneDNN copies
 * b into an order of its own in every part, so where b is the larger matrix each part takes
 * columns of it. Its prepared products take dense matrices alone: for parts of the columns there
 * is its sgemm, which is also the faster one where a is stored transposed.
 */
#include "ops/product.h"

#include "dnn/dnn.h"
#include "ops/after.h"
#include "ops/rules.h"

enum {
    SMALL_SIDE = 16,
    MOST_PARTS = 8,
    LEAST_ROWS = 30,     /* of a part */
    LEAST_COLUMNS = 96,
    COLUMN_UNIT = 16,    /* columns are cut at multiples: whole vectors in either part */
    HALVE_WORK = 1 << 18, /* multiplications from which a second thread helps */
    PART_WORK = 1 << 27,
    LOOP_WORK = 1 << 19
};

typedef enum way { BY_LOOPS, BY_DOTS, BY_DNN, BY_GEMM } way;

typedef struct product_state {
    ek_product_spec spec;
    way way;
    ek_dtype dtype;             /* that the loops compute in */
    size_t size, in_size;       /* of its element, of an input's */
    void (*loop)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row, int64_t a_col, const void *b,
                 int64_t b_row, void *c, int64_t c_row);
    int64_t batches_a, batches_b;
    bool copy_a, copy_b;        /* into the scratch, as it is to be used */
    bool columns;               /* what is cut; else rows */
    int64_t parts, unit;        /* of one product; each begins at a multiple of unit */
    int64_t at_a, at_b, at_c, per_part; /* places in the scratch, in bytes */
    ek_dnn *dnn[2];             /* for a part of the larger and of the smaller height */
    ek_after after;             /* beyond what oneDNN does itself */
    int bias;                   /* the input that oneDNN adds, or -1 */
    ek_then then;
} product_state;

/* ---- copies ------------------------------------------------------------------------------------ */

static void conjugate(ek_dtype t, void *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (t == EK_COMPLEX64) ((float *)x)[2 * i + 1] = -((float *)x)[2 * i + 1];
        else ((double *)x)[2 * i + 1] = -((double *)x)[2 * i + 1];
    }
}

static void transpose(const char *from, int64_t rows, int64_t columns, size_t size, char *to)
{
    enum { TILE = 16 };

    for (int64_t r0 = 0; r0 < rows; r0 += TILE)
        for (int64_t c0 = 0; c0 < columns; c0 += TILE)
            for (int64_t r = r0; r < rows && r < r0 + TILE; r++)
                for (int64_t c = c0; c < columns && c < c0 + TILE; c++)
                    memcpy(to + (size_t)(c * rows + r) * size, from + (size_t)(r * columns + c) * size, size);
}

/* Chunk: a matrix of a, then those of b. A copy of b has dense rows; one of a keeps its layout. */
static ek_status copy_matrix(const ek_run_args *args, int64_t chunk)
{
    const product_state *s = args->state;
    const ek_product_spec *p = &s->spec;
    const int64_t first_b = s->copy_a ? s->batches_a : 0;
    const bool is_b = chunk >= first_b;
    const int64_t which = is_b ? chunk - first_b : chunk, count = p->k * (is_b ? p->n : p->m);
    const char *from = (const char *)args->in[is_b] + (size_t)(which * count) * s->in_size;
    char *to = (char *)args->scratch + (is_b ? s->at_b : s->at_a) + which * count * (int64_t)s->size;

    if (is_b && p->transpose_b && s->dtype == p->dtype) {
        transpose(from, p->n, p->k, s->size, to);
    } else if (is_b && p->transpose_b) { /* halves: widened column by column */
        for (int64_t j = 0; j < p->n; j++)
            for (int64_t q = 0; q < p->k; q++)
                ek__convert(p->dtype, from + (size_t)(j * p->k + q) * s->in_size, s->dtype,
                            to + (size_t)(q * p->n + j) * s->size, 1);
    } else {
        ek__convert(p->dtype, from, s->dtype, to, count);
    }
    if (is_b ? p->conjugate_b : p->conjugate_a) conjugate(s->dtype, to, count);
    return EK_OK;
}

/* ---- running --------------------------------------------------------------------------------------- */

static const char *matrix(const ek_run_args *args, const product_state *s, int input, int64_t product)
{
    const ek_product_spec *p = &s->spec;
    const int64_t *which = input == 0 ? p->matrix_a : p->matrix_b;
    const int64_t at = (which != NULL ? which[product] : product) * p->k * (input == 0 ? p->m : p->n);
    const bool copied = input == 0 ? s->copy_a : s->copy_b;

    return copied ? (const char *)args->scratch + (input == 0 ? s->at_a : s->at_b) + at * (int64_t)s->size
                  : (const char *)args->in[input] + (size_t)at * s->in_size;
}

/* Where part i of a product begins: a row or a column. */
static int64_t cut_at(const product_state *s, int64_t i)
{
    const int64_t size = s->columns ? s->spec.n : s->spec.m;
    const int64_t at = ek__part_begin((size + s->unit - 1) / s->unit, s->parts, i) * s->unit;

    return at < size ? at : size;
}

/* A part of a product: m rows and n columns of it. */
typedef struct piece {
    int64_t m, n, first_column;
    int64_t c_at; /* its first element, in the output */
    const char *a, *b;
    char *c;
} piece;

static piece piece_of(const ek_run_args *args, const product_state *s, int64_t chunk)
{
    const ek_product_spec *p = &s->spec;
    const int64_t product = chunk / s->parts, part = chunk % s->parts, size = (int64_t)s->size;
    const int64_t first = cut_at(s, part), count = cut_at(s, part + 1) - first;
    piece q = { .m = p->m, .n = p->n, .c_at = product * p->m * p->n, .a = matrix(args, s, 0, product),
                .b = matrix(args, s, 1, product) };

    if (s->columns) {
        q.n = count;
        q.first_column = first;
        q.c_at += first;
        q.b += first * size * (p->transpose_b && !s->copy_b ? p->k : 1);
    } else {
        q.m = count;
        q.c_at += first * p->n;
        q.a += first * size * (p->transpose_a ? 1 : p->k);
    }
    q.c = (s->dtype == p->dtype ? (char *)args->out[0] : (char *)args->scratch + s->at_c) + q.c_at * size;
    return q;
}

static ek_status multiply(const ek_run_args *args, const product_state *s, int64_t chunk, const piece *q)
{
    const ek_product_spec *p = &s->spec;
    const int64_t row_a = p->transpose_a ? p->m : p->k, row_b = p->transpose_b ? p->k : p->n;
    const float *bias = s->bias < 0 ? NULL : args->in[s->bias];

    switch (s->way) {
    case BY_DNN:
        return ek__dnn_run(s->dnn[q->m != cut_at(s, 1)], q->a, q->b, bias, q->c,
                           (char *)args->scratch + s->at_c + chunk * s->per_part, args->err);
    case BY_GEMM:
        return ek__dnn_gemm(&(ek_dnn_gemm){ .m = q->m, .n = q->n, .k = p->k, .transpose_a = p->transpose_a,
                                            .transpose_b = p->transpose_b, .row_a = row_a, .row_b = row_b, .row_c = p->n },
                            (const float *)(const void *)q->a, (const float *)(const void *)q->b,
                            (float *)(void *)q->c, args->err);
    case BY_DOTS:
        ek__kernels()->matmul_dots_f32(q->n, p->k, (const float *)(const void *)q->b, p->k,
                                       (const float *)(const void *)q->a, (float *)(void *)q->c);
        break;
    case BY_LOOPS:
        s->loop(q->m, q->n, p->k, q->a, p->transpose_a ? 1 : p->k, p->transpose_a ? p->m : 1, q->b, p->n, q->c, p->n);
        break;
    }
    return EK_OK;
}

static ek_status run_part(const ek_run_args *args, int64_t chunk)
{
    const product_state *s = args->state;
    const ek_product_spec *p = &s->spec;
    const piece q = piece_of(args, s, chunk);
    const bool dense = q.n == p->n;

    EK_TRY(multiply(args, s, chunk, &q));
    for (int64_t i = 0; ek__after_any(&s->after) && i < (dense ? 1 : q.m); i++)
        ek__after_rows(args, &s->after, q.first_column, dense ? q.m : 1, q.n, (float *)(void *)q.c + i * p->n);
    if (s->dtype != p->dtype) /* parts of it are of rows, or of the columns of one */
        ek__convert(s->dtype, q.c, p->dtype, (char *)args->out[0] + (size_t)q.c_at * s->in_size, q.m * q.n);
    for (int64_t i = 0; i < (dense ? 1 : q.m); i++)
        ek__then(args, &s->then, q.c_at + i * p->n, dense ? q.m * q.n : q.n);
    return EK_OK;
}

/* ---- preparing ---------------------------------------------------------------------------------------- */

static ek_status pick_loop(product_state *s, ek_error *err)
{
    const ek_kernels *k = ek__kernels();

    s->dtype = s->spec.dtype;
    switch (s->dtype) {
    case EK_FLOAT16:
    case EK_BFLOAT16: s->dtype = EK_FLOAT32; s->loop = k->matmul_f32; break;
    case EK_FLOAT32: s->loop = k->matmul_f32; break;
    case EK_FLOAT64: s->loop = k->matmul_f64; break;
    case EK_INT32: s->loop = k->matmul_i32; break;
    case EK_INT64: s->loop = k->matmul_i64; break;
    case EK_COMPLEX64: s->loop = k->matmul_c64; break;
    case EK_COMPLEX128: s->loop = k->matmul_c128; break;
    default: return EK_FAIL(err, UNIMPLEMENTED, "no product of %s matrices", ek_dtype_name(s->dtype));
    }
    s->size = ek_dtype_size(s->dtype);
    s->in_size = ek_dtype_size(s->spec.dtype);
    return EK_OK;
}

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Multiplications of one product, as far as they matter for a cut. */
static int64_t work_of(const ek_product_spec *p)
{
    const double work = (double)p->m * (double)p->n * (double)p->k;
    return work < 0x1p60 ? (int64_t)work : INT64_MAX / 4;
}

/* Parts of at least so many rows or columns: two from HALVE_WORK on, more only for much work. */
static int64_t parts_of(const ek_product_spec *p, int64_t size, int64_t least)
{
    const int64_t work = work_of(p), by_work = work < HALVE_WORK ? 1 : work / PART_WORK < 2 ? 2 : work / PART_WORK;
    int64_t parts = by_work < MOST_PARTS ? by_work : MOST_PARTS;

    if (parts > 2 && size / parts < least) parts = 2;
    return size / parts < least ? 1 : parts;
}

static ek_dnn_matmul rows_of(const product_state *s, int64_t rows)
{
    const ek_product_spec *p = &s->spec;

    return (ek_dnn_matmul){ .m = rows, .n = p->n, .k = p->k, .transpose_a = p->transpose_a, .transpose_b = p->transpose_b,
                            .stride_a = p->transpose_a ? p->m : p->k, .bias = s->bias >= 0 };
}

/* One thread need not cut where no row's bits depend on the cut. */
static bool whole_is_the_same(const product_state *s)
{
    const ek_dnn_matmul whole = rows_of(s, s->spec.m), larger = rows_of(s, cut_at(s, 1));
    const ek_dnn_matmul smaller = rows_of(s, s->spec.m / s->parts);

    return ek__dnn_rows_alone(&whole) && ek__dnn_rows_alone(&larger) && ek__dnn_rows_alone(&smaller);
}

/* Rows, by a primitive. UNIMPLEMENTED: oneDNN has nothing for this. */
static ek_status use_primitives(ek_prepare_ctx *c, product_state *s, ek_error *err)
{
    const ek_product_spec *p = &s->spec;

    if (p->after.scale < 0 && !p->after.clamp) s->bias = p->after.bias; /* one that nothing else follows */
    s->parts = parts_of(p, p->m, LEAST_ROWS);
    if (s->parts > 1 && c->one_thread && whole_is_the_same(s)) s->parts = 1;
    for (int i = 0; i < 2; i++) {
        const ek_dnn_matmul spec = rows_of(s, cut_at(s, 1) - i);
        if (i == 1 && p->m % s->parts == 0) break;
        EK_TRY(ek__dnn_matmul(c->arena, &spec, &s->dnn[i], err));
        const int64_t scratch = (int64_t)ek__far_apart(ek__dnn_scratch(s->dnn[i]));
        if (scratch > s->per_part) s->per_part = scratch;
    }
    if (s->bias >= 0) s->after.bias = -1;
    return EK_OK;
}

static ek_status use_dnn(ek_prepare_ctx *c, product_state *s, ek_error *err)
{
    const ek_product_spec *p = &s->spec;

    s->columns = p->n > p->m && p->n >= 2 * LEAST_COLUMNS;
    s->unit = s->columns ? COLUMN_UNIT : 1;
    s->way = s->columns || p->transpose_a ? BY_GEMM : BY_DNN;
    if (s->way == BY_DNN) return use_primitives(c, s, err);
    s->parts = s->columns ? parts_of(p, p->n, LEAST_COLUMNS) : parts_of(p, p->m, LEAST_ROWS);
    return EK_OK;
}

/* What the loops cannot read in place is copied; whole rows are cut by work. */
static void use_loops(product_state *s)
{
    const ek_product_spec *p = &s->spec;
    const bool widened = s->dtype != p->dtype;

    s->bias = -1;
    s->unit = 1;
    s->columns = p->m == 1;
    const int64_t parts = divide_up(work_of(p), LOOP_WORK), cut = divide_up(s->columns ? p->n : p->m, 16);
    s->way = s->columns && p->transpose_b && s->dtype == EK_FLOAT32 && !widened ? BY_DOTS : BY_LOOPS;
    s->parts = parts < 1 ? 1 : parts < cut ? parts : cut;
    s->copy_a = widened || p->conjugate_a;
    s->copy_b = s->way == BY_LOOPS && (widened || p->conjugate_b || p->transpose_b);
}

static int64_t matrices(const ek_shape *s)
{
    int64_t n = 1;

    for (int i = 0; i < s->rank - 2; i++) n *= s->dim[i];
    return n;
}

ek_status ek__product_prepare(ek_prepare_ctx *c, const ek_product_spec *spec)
{
    product_state *s = EK_ARENA_NEW(c->arena, product_state, 1);
    const int64_t m = spec->m, n = spec->n, k = spec->k;

    if (s == NULL) return ek__no_memory(c);
    s->spec = *spec;
    s->after = spec->after;
    s->bias = -1;
    c->state = s;
    EK_TRY(pick_loop(s, c->err));
    s->batches_a = matrices(&c->in[0]);
    s->batches_b = matrices(&c->in[1]);
    const bool small = m == 1 || k == 0 || (m <= SMALL_SIDE && n <= SMALL_SIDE && k <= SMALL_SIDE);
    ek_error why = { 0 };
    ek_status st = EK_UNIMPLEMENTED;
    if (spec->dtype == EK_FLOAT32 && !small && !c->deterministic && m * n * spec->batch > 0) st = use_dnn(c, s, &why);
    if (st == EK_UNIMPLEMENTED) use_loops(s);
    else if (st != EK_OK) return ek__error_copy(c->err, &why);

    const int64_t size = (int64_t)s->size;
    s->at_b = s->copy_a ? (int64_t)ek__whole_lines((size_t)(s->batches_a * m * k * size)) : 0;
    s->at_c = s->at_b + (s->copy_b ? (int64_t)ek__whole_lines((size_t)(s->batches_b * k * n * size)) : 0);
    const int64_t widened = s->dtype != spec->dtype ? spec->batch * m * n * size : 0;
    c->scratch_bytes = (size_t)(s->at_c + widened + (s->way == BY_DNN ? s->per_part * s->parts * spec->batch : 0));
    if (m * n * spec->batch == 0) return EK_OK;
    s->then = c->then;
    c->then_taken = true;
    ek__add_phase(c, copy_matrix, (s->copy_a ? s->batches_a : 0) + (s->copy_b ? s->batches_b : 0));
    ek__add_phase(c, run_part, spec->batch * s->parts);
    return EK_OK;
}
