/* ops/product.c - how products of matrices are cut, and by which loop each is computed.
 *
 * float32 goes to oneDNN unless the product is small, is one row, or the session wants the
 * same bits at every CPU level. Everything else goes to our own loops, which want b with
 * dense rows and no conjugates: a first phase copies what is stored otherwise. Halves are
 * multiplied as floats and rounded once.
 *
 * Rows are cut by the problem's size; an element's sum is never cut.
 */
#include "ops/product.h"

#include "dnn/dnn.h"
#include "ops/after.h"
#include "ops/rules.h"

enum { SMALL_SIDE = 16, HALVES_FROM = 30, MOST_PARTS = 8, PART_WORK = 1 << 26, LOOP_WORK = 1 << 19 };

typedef enum way { BY_LOOPS, BY_DOTS, BY_DNN } way;

typedef struct product_state {
    ek_product_spec spec;
    way way;
    ek_dtype dtype;             /* that the loops compute in */
    size_t size, in_size;       /* of its element, of an input's */
    void (*loop)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row, int64_t a_col, const void *b,
                 int64_t b_row, void *c, int64_t c_row);
    int64_t batches_a, batches_b;
    bool copy_a, copy_b;        /* into the scratch, as it is to be used */
    int64_t parts;              /* of one product: of its rows, or of its columns where there is one row */
    int64_t at_a, at_b, at_c, per_part; /* places in the scratch, in bytes */
    ek_dnn *dnn[2];             /* for a part of the larger and of the smaller height */
    ek_after after;             /* beyond what oneDNN does itself */
    int bias;                   /* the input that oneDNN adds, or -1 */
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

static ek_status run_part(const ek_run_args *args, int64_t chunk)
{
    const product_state *s = args->state;
    const ek_product_spec *p = &s->spec;
    const bool columns = p->m == 1;
    const int64_t product = chunk / s->parts, part = chunk % s->parts, cut = columns ? p->n : p->m;
    const int64_t first = ek__part_begin(cut, s->parts, part), n = ek__part_begin(cut, s->parts, part + 1) - first;
    const int64_t a_row = p->transpose_a ? 1 : p->k, a_col = p->transpose_a ? p->m : 1, b_row = p->n;
    const char *a = matrix(args, s, 0, product), *b = matrix(args, s, 1, product);
    const int64_t c_at = product * p->m * p->n + first * (columns ? 1 : p->n), size = (int64_t)s->size;
    char *c = s->dtype == p->dtype ? (char *)args->out[0] : (char *)args->scratch + s->at_c;

    c += c_at * size;
    switch (s->way) {
    case BY_DNN:
        EK_TRY(ek__dnn_run(s->dnn[n != ek__part_begin(cut, s->parts, 1)], a + first * a_row * size, b,
                           s->bias < 0 ? NULL : args->in[s->bias], c,
                           (char *)args->scratch + s->at_c + chunk * s->per_part, args->err));
        break;
    case BY_DOTS:
        ek__kernels()->matmul_dots_f32(n, p->k, (const float *)b + first * p->k, p->k, (const float *)a, (float *)c);
        break;
    case BY_LOOPS:
        if (columns) s->loop(1, n, p->k, a, a_row, a_col, b + first * size, b_row, c, p->n);
        else s->loop(n, p->n, p->k, a + first * a_row * size, a_row, a_col, b, b_row, c, p->n);
        break;
    }
    if (ek__after_any(&s->after))
        ek__after_rows(args, &s->after, columns ? first : 0, columns ? 1 : n, columns ? n : p->n, (float *)(void *)c);
    if (s->dtype != p->dtype)
        ek__convert(s->dtype, c, p->dtype, (char *)args->out[0] + (size_t)c_at * s->in_size, columns ? n : n * p->n);
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

/* oneDNN's parts: two from 30 rows on, more only for much work. UNIMPLEMENTED: it has nothing for this. */
static ek_status use_dnn(ek_prepare_ctx *c, product_state *s, ek_error *err)
{
    const ek_product_spec *p = &s->spec;
    const int64_t by_work = work_of(p) / PART_WORK;
    const int bias = p->after.scale < 0 && !p->after.clamp ? p->after.bias : -1; /* one that nothing else follows */

    s->parts = p->m < HALVES_FROM ? 1 : by_work < 2 ? 2 : by_work > MOST_PARTS ? MOST_PARTS : by_work;
    if (s->parts > 2 && p->m / s->parts < HALVES_FROM) s->parts = 2;
    for (int i = 0; i < 2; i++) {
        const int64_t rows = ek__part_begin(p->m, s->parts, 1) - i;
        const ek_dnn_matmul spec = { .m = rows, .n = p->n, .k = p->k, .transpose_a = p->transpose_a,
                                     .transpose_b = p->transpose_b, .stride_a = p->transpose_a ? p->m : p->k,
                                     .bias = bias >= 0 };
        if (i == 1 && p->m % s->parts == 0) break;
        EK_TRY(ek__dnn_matmul(c->arena, &spec, &s->dnn[i], err));
        const int64_t scratch = (int64_t)ek__whole_lines(ek__dnn_scratch(s->dnn[i]));
        if (scratch > s->per_part) s->per_part = scratch;
    }
    s->bias = bias;
    if (bias >= 0) s->after.bias = -1;
    s->way = BY_DNN;
    return EK_OK;
}

/* What the loops cannot read in place is copied; whole rows are cut by work. */
static void use_loops(product_state *s)
{
    const ek_product_spec *p = &s->spec;
    const int64_t parts = divide_up(work_of(p), LOOP_WORK), cut = divide_up(p->m == 1 ? p->n : p->m, 16);
    const bool widened = s->dtype != p->dtype;

    s->way = p->m == 1 && p->transpose_b && s->dtype == EK_FLOAT32 && !widened ? BY_DOTS : BY_LOOPS;
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
    ek__add_phase(c, copy_matrix, (s->copy_a ? s->batches_a : 0) + (s->copy_b ? s->batches_b : 0));
    ek__add_phase(c, run_part, spec->batch * s->parts);
    return EK_OK;
}
