/* ops/matmul.c - MatMul, BatchMatMul, BatchMatMulV2: attributes, shapes, which matrices meet. */
#include "ops/after.h"
#include "ops/product.h"
#include "ops/rules.h"

enum { A, B };

typedef struct matmul_attrs {
    bool transpose_a, transpose_b;
} matmul_attrs;
static const ek_field matmul_fields[] = { EK_FIELD(matmul_attrs, transpose_a, BOOL),
                                         EK_FIELD(matmul_attrs, transpose_b, BOOL) };

typedef struct batch_attrs {
    bool adj_x, adj_y;
} batch_attrs;
static const ek_field batch_fields[] = { EK_FIELD(batch_attrs, adj_x, BOOL), EK_FIELD(batch_attrs, adj_y, BOOL) };

/* ---- shapes ------------------------------------------------------------------------------------------ */

static ek_status same_ranks(const ek_shape_ctx *c)
{
    if (c->in[A].rank != c->in[B].rank)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "In[0] and In[1] has different ndims: %s vs. %s", EK_CC(&c->in[A]),
                       EK_CC(&c->in[B]));
    return EK_OK;
}

/* The two last dimensions, of which the inner ones must agree. Ranks are known. */
static ek_status outer_sizes(const ek_shape_ctx *c, bool transpose_a, bool transpose_b, int64_t *m, int64_t *n)
{
    const ek_shape *a = &c->in[A], *b = &c->in[B];
    const int64_t inner_a = a->dim[a->rank - (transpose_a ? 2 : 1)], inner_b = b->dim[b->rank - (transpose_b ? 1 : 2)];

    *m = a->dim[a->rank - (transpose_a ? 1 : 2)];
    *n = b->dim[b->rank - (transpose_b ? 2 : 1)];
    if (inner_a < 0 || inner_b < 0 || inner_a == inner_b) return EK_OK;
    if (c->running)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Matrix size-incompatible: In[0]: %s, In[1]: %s", EK_CC(a), EK_CC(b));
    return EK_FAIL(c->err, INVALID_ARGUMENT, "Dimensions must be equal, but are %lld and %lld", (long long)inner_a,
                   (long long)inner_b);
}

static ek_status matmul_shape(ek_shape_ctx *c)
{
    const matmul_attrs *t = c->attrs;
    int64_t m = -1, n = -1;

    if (c->running) EK_TRY(same_ranks(c));
    EK_TRY(ek__want_rank(c, A, 2));
    EK_TRY(ek__want_rank(c, B, 2));
    if (c->in[A].rank == 2 && c->in[B].rank == 2) EK_TRY(outer_sizes(c, t->transpose_a, t->transpose_b, &m, &n));
    else if (c->in[A].rank == 2) m = c->in[A].dim[t->transpose_a ? 1 : 0];
    else if (c->in[B].rank == 2) n = c->in[B].dim[t->transpose_b ? 0 : 1];
    c->out[0] = EK_SHAPE(m, n);
    return EK_OK;
}

static ek_status batch_shape(ek_shape_ctx *c)
{
    const batch_attrs *t = c->attrs;
    ek_shape out;

    if (c->running) EK_TRY(same_ranks(c));
    EK_TRY(ek__want_rank_at_least(c, A, 2));
    EK_TRY(ek__want_rank_at_least(c, B, 2));
    if (c->in[A].rank < 0 || c->in[B].rank < 0) return EK_OK;
    if (c->in[A].rank != c->in[B].rank)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Shapes must be equal rank, but are %d and %d", c->in[A].rank - 2,
                       c->in[B].rank - 2);
    out = c->in[A];
    for (int i = 0; i < out.rank - 2; i++) {
        const int64_t b = c->in[B].dim[i];
        if (out.dim[i] >= 0 && b >= 0 && out.dim[i] != b)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "In[0].dim(%d) and In[1].dim(%d) must be the same: %s vs %s", i, i,
                           EK_CC(&c->in[A]), EK_CC(&c->in[B]));
        if (out.dim[i] < 0) out.dim[i] = b;
    }
    EK_TRY(outer_sizes(c, t->adj_x, t->adj_y, &out.dim[out.rank - 2], &out.dim[out.rank - 1]));
    c->out[0] = out;
    return EK_OK;
}

/* Batch dimension i of a shape seen as one of rank `rank`: 1 where it has none. */
static int64_t batch_dim(const ek_shape *s, int rank, int i)
{
    const int own = i - (rank - s->rank);
    return own < 0 ? 1 : s->dim[own];
}

static ek_status batch_v2_shape(ek_shape_ctx *c)
{
    const batch_attrs *t = c->attrs;
    const ek_shape *a = &c->in[A], *b = &c->in[B];
    ek_shape out = { .rank = a->rank > b->rank ? a->rank : b->rank };

    for (int i = A; i <= B; i++)
        if (c->running && c->in[i].rank < 2)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "In[%d] ndims must be >= 2: %d", i, c->in[i].rank);
    EK_TRY(ek__want_rank_at_least(c, A, 2));
    EK_TRY(ek__want_rank_at_least(c, B, 2));
    if (a->rank < 0 || b->rank < 0) return EK_OK;
    for (int i = 0; i < out.rank - 2; i++) {
        const int64_t p = batch_dim(a, out.rank, i), q = batch_dim(b, out.rank, i);
        if (p > 1 && q > 1 && p != q)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "In[0] and In[1] must have compatible batch dimensions: %s vs. %s",
                           EK_CC(a), EK_CC(b));
        /* an unknown dimension beside one above 1 is that one or 1: the result is known either way */
        out.dim[i] = p == 1 ? q : q == 1 ? p : p < 0 ? q : p;
        if ((p == 0 || q == 0) && p != q && p != 1 && q != 1 && p >= 0 && q >= 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "In[0] and In[1] must have compatible batch dimensions: %s vs. %s",
                           EK_CC(a), EK_CC(b));
    }
    EK_TRY(outer_sizes(c, t->adj_x, t->adj_y, &out.dim[out.rank - 2], &out.dim[out.rank - 1]));
    c->out[0] = out;
    return EK_OK;
}

/* ---- preparing ----------------------------------------------------------------------------------------- */

static ek_product_spec spec_of(const ek_prepare_ctx *c, bool transpose_a, bool transpose_b)
{
    const ek_shape *a = &c->in[A], *out = &c->out[0];
    ek_product_spec p = { .dtype = c->in_dtype[A], .transpose_a = transpose_a, .transpose_b = transpose_b, .batch = 1,
                          .after = ek__after_nothing() };

    p.m = out->dim[out->rank - 2];
    p.n = out->dim[out->rank - 1];
    p.k = a->dim[a->rank - (transpose_a ? 2 : 1)];
    for (int i = 0; i < out->rank - 2; i++) p.batch *= out->dim[i];
    return p;
}

static ek_status matmul_prepare_after(ek_prepare_ctx *c, const ek_after *after)
{
    const matmul_attrs *t = c->attrs;
    ek_product_spec p = spec_of(c, t->transpose_a, t->transpose_b);

    p.after = *after;
    return ek__product_prepare(c, &p);
}

static ek_status matmul_prepare(ek_prepare_ctx *c)
{
    const ek_after nothing = ek__after_nothing();

    return matmul_prepare_after(c, &nothing);
}

/* For each product, which matrix of an input it takes, batch dimensions broadcast. */
static void which_matrix(const ek_shape *in, const ek_shape *out, int64_t n, int64_t *which)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i, stride = 1;
        which[i] = 0;
        for (int d = out->rank - 3; d >= 0; rest /= out->dim[d--]) {
            const int64_t size = batch_dim(in, out->rank, d);
            if (size > 1) which[i] += rest % out->dim[d] * stride;
            stride *= size;
        }
    }
}

static ek_status batch_prepare(ek_prepare_ctx *c)
{
    const batch_attrs *t = c->attrs;
    ek_product_spec p = spec_of(c, t->adj_x, t->adj_y);

    p.conjugate_a = t->adj_x && ek_dtype_is_complex(p.dtype);
    p.conjugate_b = t->adj_y && ek_dtype_is_complex(p.dtype);
    for (int i = A; i <= B; i++) {
        int64_t *which = ek__arena_alloc(c->arena, (size_t)p.batch * sizeof *which, sizeof *which);
        if (which == NULL) return ek__no_memory(c);
        which_matrix(&c->in[i], &c->out[0], p.batch, which);
        *(i == A ? &p.matrix_a : &p.matrix_b) = which;
    }
    return ek__product_prepare(c, &p);
}

/* ---- definitions ------------------------------------------------------------------------------------------- */

#define TYPES "T: {bfloat16, half, float, double, int32, int64, complex64, complex128}"

const ek_op_def ek__op_MatMul = {
    .name = "MatMul",
    .inputs = "a: T, b: T",
    .outputs = "product: T",
    .attrs = "transpose_a: bool = false; transpose_b: bool = false; " TYPES,
    .attrs_size = sizeof(matmul_attrs),
    .fields = matmul_fields,
    .n_fields = EK_COUNT_OF(matmul_fields),
    .shape = matmul_shape,
    .prepare = matmul_prepare,
    .prepare_after = matmul_prepare_after,
};

#define BATCH(NAME, SHAPE)                                    \
    const ek_op_def ek__op_##NAME = {                         \
        .name = #NAME,                                        \
        .inputs = "x: T, y: T",                               \
        .outputs = "output: T",                               \
        .attrs = TYPES "; adj_x: bool = false; adj_y: bool = false", \
        .attrs_size = sizeof(batch_attrs),                    \
        .fields = batch_fields,                               \
        .n_fields = EK_COUNT_OF(batch_fields),                \
        .shape = SHAPE,                                       \
        .prepare = batch_prepare,                             \
    }
BATCH(BatchMatMul, batch_shape);
BATCH(BatchMatMulV2, batch_v2_shape);
