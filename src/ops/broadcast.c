/* ops/broadcast.c - arithmetic on shapes that are tensors: BroadcastArgs, BroadcastGradientArgs. */
#include "ops/rules.h"

enum { A, B };

/* Two vectors of dimensions aligned at their ends; a missing dimension counts as 1. n is the longer one's length. */
typedef struct aligned {
    int64_t n;
    bool equal; /* as they came: of one length, element by element */
    int64_t a[EK_MAX_RANK], b[EK_MAX_RANK], out[EK_MAX_RANK];
} aligned;

static int64_t dim_from_end(const ek_array *v, int64_t k)
{
    return k < v->count ? ek__array_int(v, v->count - 1 - k) : 1;
}

static ek_shape as_shape(const ek_array *v)
{
    ek_shape s = { .rank = (int32_t)v->count };

    for (int32_t d = 0; d < s.rank; d++) s.dim[d] = ek__array_int(v, d);
    return s;
}

static ek_status align(const ek_array *va, const ek_array *vb, aligned *out, ek_error *err)
{
    out->n = va->count > vb->count ? va->count : vb->count;
    if (out->n > EK_MAX_RANK)
        return EK_FAIL(err, INVALID_ARGUMENT, "a shape of %lld dimensions, %d are supported", (long long)out->n,
                       EK_MAX_RANK);
    out->equal = va->count == vb->count;
    for (int64_t d = 0; d < out->n; d++) {
        const int64_t a = dim_from_end(va, out->n - 1 - d), b = dim_from_end(vb, out->n - 1 - d);

        if (a != b && a != 1 && b != 1) {
            const ek_shape sa = as_shape(va), sb = as_shape(vb);
            return EK_FAIL(err, INVALID_ARGUMENT, "Incompatible shapes: %s vs. %s", EK_CC(&sa), EK_CC(&sb));
        }
        out->equal = out->equal && a == b;
        out->a[d] = a;
        out->b[d] = b;
        out->out[d] = a == 1 ? b : a;
    }
    return EK_OK;
}

static ek_status want_vectors(const ek_shape_ctx *c)
{
    for (int i = 0; i < 2; i++)
        if (c->in[i].rank >= 0 && c->in[i].rank != 1)
            return c->running ? EK_FAIL(c->err, INVALID_ARGUMENT, "In[%d] must be a vector.%s", i, EK_CC(&c->in[i]))
                              : ek__want_rank(c, i, 1);
    return EK_OK;
}

/* Several vectors of integers, made when preparing. */
typedef struct vectors {
    ek_dtype type;
    int64_t n[2];
    int64_t value[2][EK_MAX_RANK];
} vectors;

static ek_status vectors_run(const ek_run_args *a, int64_t k)
{
    const vectors *s = a->state;

    for (int64_t i = 0; i < s->n[k]; i++) ek__store_int(s->type, a->out[k], i, s->value[k][i]);
    return EK_OK;
}

static ek_status vectors_prepare(ek_prepare_ctx *c, const vectors *v)
{
    c->state = ek__arena_memdup(c->arena, v, sizeof *v);
    if (c->state == NULL) return ek__no_memory(c);
    ek__add_phase(c, vectors_run, c->n_out);
    return EK_OK;
}

/* ---- BroadcastArgs: the shape that both broadcast to ----------------------------------------- */

static ek_status args_shape(ek_shape_ctx *c)
{
    aligned both;

    EK_TRY(want_vectors(c));
    if (ek__values_known(c)) EK_TRY(align(c->in_value[A], c->in_value[B], &both, c->err));
    const int64_t a = c->in[A].rank == 1 ? c->in[A].dim[0] : -1, b = c->in[B].rank == 1 ? c->in[B].dim[0] : -1;
    c->out[0] = ek__vector(a < 0 || b < 0 ? -1 : a > b ? a : b);
    return EK_OK;
}

static ek_status args_prepare(ek_prepare_ctx *c)
{
    vectors v = { .type = c->out_dtype[0] };
    aligned both;

    EK_TRY(align(c->in_value[A], c->in_value[B], &both, c->err));
    v.n[0] = both.n;
    memcpy(v.value[0], both.out, sizeof both.out);
    return vectors_prepare(c, &v);
}

const ek_op_def ek__op_BroadcastArgs = {
    .name = "BroadcastArgs",
    .kind = EK_KIND_PURE,
    .inputs = "s0: T, s1: T",
    .outputs = "r0: T",
    .attrs = "T: {int32, int64} = int32",
    .shape = args_shape,
    .prepare = args_prepare,
    .value_inputs = 1u << A | 1u << B,
    .no_grad_because = "its output is integers",
};

/* ---- BroadcastGradientArgs: over which axes each gradient must be summed --------------------- */

/* An axis is summed for an operand that was repeated along it; where both have 1 it is summed for both, which changes
 * nothing and is what TensorFlow gives. Equal shapes need no sums at all. */
static void axes_to_sum(const aligned *both, vectors *v)
{
    if (both->equal) return;
    for (int64_t d = 0; d < both->n; d++) {
        if (both->a[d] == 1) v->value[A][v->n[A]++] = d;
        if (both->b[d] == 1) v->value[B][v->n[B]++] = d;
    }
}

static ek_status gradient_args_shape(ek_shape_ctx *c)
{
    vectors v = { .type = EK_INT32 };
    aligned both;

    EK_TRY(want_vectors(c));
    c->out[A] = c->out[B] = ek__vector(-1);
    if (!c->running) return EK_OK; /* as TensorFlow, which does not look while building */
    EK_TRY(align(c->in_value[A], c->in_value[B], &both, c->err));
    axes_to_sum(&both, &v);
    c->out[A] = ek__vector(v.n[A]);
    c->out[B] = ek__vector(v.n[B]);
    return EK_OK;
}

static ek_status gradient_args_prepare(ek_prepare_ctx *c)
{
    vectors v = { .type = c->out_dtype[0] };
    aligned both;

    EK_TRY(align(c->in_value[A], c->in_value[B], &both, c->err));
    axes_to_sum(&both, &v);
    return vectors_prepare(c, &v);
}

const ek_op_def ek__op_BroadcastGradientArgs = {
    .name = "BroadcastGradientArgs",
    .kind = EK_KIND_PURE,
    .inputs = "s0: T, s1: T",
    .outputs = "r0: T, r1: T",
    .attrs = "T: {int32, int64} = int32",
    .shape = gradient_args_shape,
    .prepare = gradient_args_prepare,
    .value_inputs = 1u << A | 1u << B,
    .no_grad_because = "its outputs are integers",
};
