/* ops/sparse_fill.c - tensors of one value but for a few places: OneHot, Diag; DiagPart reads those places. */
#include "ops/move.h"
#include "ops/rules.h"
#include "ops/walk.h"

/* ---- OneHot ---------------------------------------------------------------------------------- */

enum { INDICES, DEPTH, ON, OFF };

typedef struct one_hot_attrs {
    int64_t axis;
} one_hot_attrs;

static const ek_field one_hot_fields[] = { EK_FIELD(one_hot_attrs, axis, INT) };

static ek_status one_hot_shape(ek_shape_ctx *c)
{
    const int64_t axis = ((const one_hot_attrs *)c->attrs)->axis;
    const int32_t rank = c->in[INDICES].rank;
    int64_t depth = -1;

    for (int i = DEPTH; i <= OFF; i++)
        if (c->in[i].rank > 0) {
            static const char *const names[] = { [DEPTH] = "depth", [ON] = "on_value", [OFF] = "off_value" };
            return c->running ? EK_FAIL(c->err, INVALID_ARGUMENT, "%s must be a scalar, but got: %s", names[i],
                                        EK_CC(&c->in[i]))
                              : ek__want_rank(c, i, 0);
        }
    if (c->in_value[DEPTH] != NULL) {
        depth = ek__array_int(c->in_value[DEPTH], 0);
        if (depth < 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "depth must be non-negative, got: %lld", (long long)depth);
    }
    if (rank < 0) return EK_OK;
    if (axis < -1 || axis > rank)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Expected axis to be -1 or between [0, %d).  But received: %lld",
                       rank + 1, (long long)axis);
    return ek__insert_dim(c, &c->in[INDICES], axis == -1 ? rank : (int32_t)axis, depth, &c->out[0]);
}

/* The output is [outer, depth, inner], the indices [outer, inner]. */
typedef struct one_hot_state {
    ek_parts *off;
    ek_dtype index_type, dtype;
    int64_t outer, depth, inner;
} one_hot_state;

static ek_status one_hot_off(const ek_run_args *a, int64_t chunk)
{
    return ek__parts_chunk(((const one_hot_state *)a->state)->off, a, chunk);
}

static int64_t index_at(ek_dtype t, const void *in, int64_t i)
{
    return t == EK_UINT8   ? ((const uint8_t *)in)[i]
           : t == EK_INT32 ? ((const int32_t *)in)[i]
                           : ((const int64_t *)in)[i];
}

/* An index outside [0, depth) sets nothing. */
static ek_status one_hot_on(const ek_run_args *a, int64_t chunk)
{
    const one_hot_state *s = a->state;
    const size_t size = ek_dtype_size(s->dtype);

    EK_UNUSED(chunk);
    for (int64_t i = 0; i < s->outer * s->inner; i++) {
        const int64_t k = index_at(s->index_type, a->in[INDICES], i);

        if (k < 0 || k >= s->depth) continue;
        const int64_t at = (i / s->inner * s->depth + k) * s->inner + i % s->inner;
        EK_TRY(ek__move(s->dtype, (char *)a->out[0] + (size_t)at * size, a->in[ON], 1, a->err));
    }
    return EK_OK;
}

static ek_status one_hot_prepare(ek_prepare_ctx *c)
{
    const int64_t named = ((const one_hot_attrs *)c->attrs)->axis;
    const int32_t axis = (int32_t)(named == -1 ? c->in[INDICES].rank : named);
    one_hot_state *s = EK_ARENA_NEW(c->arena, one_hot_state, 1);
    ek_parts *off = ek__parts_new(c, 1);

    if (ek__empty(c)) return EK_OK;
    if (off == NULL) return EK_RESOURCE_EXHAUSTED;
    if (s == NULL) return ek__no_memory(c);
    ek__walk_fill(ek__parts_add(off, OFF, 0), &c->out[0]);
    *s = (one_hot_state){
        .off = off,
        .index_type = c->in_dtype[INDICES],
        .dtype = c->out_dtype[0],
        .outer = ek__dims(&c->in[INDICES], 0, axis),
        .depth = c->out[0].dim[axis],
        .inner = ek__dims(&c->in[INDICES], axis, c->in[INDICES].rank),
    };
    c->state = s;
    ek__parts_phase(c, off, one_hot_off);
    ek__add_phase(c, one_hot_on, s->outer * s->inner > 0);
    return EK_OK;
}

const ek_op_def ek__op_OneHot = {
    .name = "OneHot",
    .kind = EK_KIND_PURE,
    .inputs = "indices: TI, depth: int32, on_value: T, off_value: T",
    .outputs = "output: T",
    .attrs = "axis: int = -1; T: type; TI: {uint8, int32, int64} = int64",
    .attrs_size = sizeof(one_hot_attrs),
    .fields = one_hot_fields,
    .n_fields = EK_COUNT_OF(one_hot_fields),
    .shape = one_hot_shape,
    .prepare = one_hot_prepare,
    .value_inputs = 1u << DEPTH,
    .no_grad_because = "TensorFlow declares it constant, its two values too",
};

/* ---- Diag, DiagPart -------------------------------------------------------------------------- */

static ek_status diag_shape(ek_shape_ctx *c)
{
    const ek_shape *in = &c->in[0];

    if (in->rank == 0) return EK_FAIL(c->err, INVALID_ARGUMENT, "Input must be at least rank 1, got 0");
    if (in->rank < 0) return EK_OK;
    if (2 * in->rank > EK_MAX_RANK)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "the diagonal of %d dimensions would have more than %d", in->rank,
                       EK_MAX_RANK);
    c->out[0] = *in;
    c->out[0].rank = 2 * in->rank;
    for (int32_t d = 0; d < in->rank; d++) c->out[0].dim[in->rank + d] = in->dim[d];
    return EK_OK;
}

static ek_status diag_zero(const ek_run_args *a, int64_t chunk)
{
    return ek__parts_chunk(&((const ek_parts *)a->state)[0], a, chunk);
}

static ek_status diag_copy(const ek_run_args *a, int64_t chunk)
{
    return ek__parts_chunk(&((const ek_parts *)a->state)[1], a, chunk);
}

static ek_status diag_prepare(ek_prepare_ctx *c)
{
    const int64_t n = ek_shape_count(&c->in[0]);
    ek_parts *p = ek__parts_pair(c, 1, 1);

    if (p == NULL) return EK_RESOURCE_EXHAUSTED;
    ek__walk_fill(ek__parts_add(&p[0], EK_FROM_CONSTANT, 0), &c->out[0]);
    ek__walk_loop(ek__parts_add(&p[1], 0, 0), n, 1, n + 1);
    c->state = p;
    ek__parts_phase(c, &p[0], diag_zero);
    ek__parts_phase(c, &p[1], diag_copy);
    return EK_OK;
}

#define DIAG_TYPES "T: {bfloat16, half, float, double, int32, int64, complex64, complex128}"

const ek_op_def ek__op_Diag = {
    .name = "Diag",
    .kind = EK_KIND_PURE,
    .inputs = "diagonal: T",
    .outputs = "output: T",
    .attrs = DIAG_TYPES,
    .shape = diag_shape,
    .prepare = diag_prepare,
};

static ek_status diag_part_shape(ek_shape_ctx *c)
{
    const ek_shape *in = &c->in[0];
    ek_shape out = EK_SCALAR;

    if (in->rank < 0) return EK_OK;
    if (in->rank == 0 || in->rank % 2 != 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Input must have even and non-zero rank, input rank is %d", in->rank);
    out.rank = in->rank / 2;
    for (int32_t d = 0; d < out.rank; d++) {
        const int64_t a = in->dim[d], b = in->dim[d + out.rank];

        if (a >= 0 && b >= 0 && a != b)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Invalid shape %s: dimensions %d and %d do not match.", EK_CC(in),
                           d, d + out.rank);
        out.dim[d] = a >= 0 ? a : b;
    }
    c->out[0] = out;
    return EK_OK;
}

static ek_status diag_part_prepare(ek_prepare_ctx *c)
{
    const int64_t n = ek_shape_count(&c->out[0]);
    ek_parts *p = ek__parts_new(c, 1);

    if (p == NULL) return EK_RESOURCE_EXHAUSTED;
    ek__walk_loop(ek__parts_add(p, 0, 0), n, n + 1, 1);
    ek__parts_only(c, p);
    return EK_OK;
}

const ek_op_def ek__op_DiagPart = {
    .name = "DiagPart",
    .kind = EK_KIND_PURE,
    .inputs = "input: T",
    .outputs = "diagonal: T",
    .attrs = DIAG_TYPES,
    .shape = diag_part_shape,
    .prepare = diag_part_prepare,
};
