/* ops/pad.c - a tensor with a margin: Pad, PadV2, MirrorPad; the gradient of a mirrored one, MirrorPadGrad. */
#include "ops/elementwise.h"
#include "ops/rules.h"
#include "ops/walk.h"

enum { INPUT, PADDINGS, VALUE };

typedef struct mirror_attrs {
    const char *mode;
} mirror_attrs;

static int64_t before(const ek_array *const *value, int32_t d)
{
    return ek__int_at(value, PADDINGS, 2 * d);
}

static int64_t after(const ek_array *const *value, int32_t d)
{
    return ek__int_at(value, PADDINGS, 2 * d + 1);
}

/* ---- shape ----------------------------------------------------------------------------------- */

/* The rank that the paddings' shape tells, or -1. `comma` is how the op's message joins two shapes. */
static ek_status paddings_rank(const ek_shape_ctx *c, const char *comma, int32_t *rank)
{
    const ek_shape *p = &c->in[PADDINGS];

    *rank = -1;
    if (p->rank < 0) return EK_OK;
    if (p->rank != 2 || (p->dim[1] >= 0 && p->dim[1] != 2))
        return c->running ? EK_FAIL(c->err, INVALID_ARGUMENT, "paddings must be a matrix with 2 columns: %s", EK_CC(p))
               : p->rank != 2
                   ? ek__want_rank(c, PADDINGS, 2)
                   : EK_FAIL(c->err, INVALID_ARGUMENT, "Dimension must be 2 but is %lld", (long long)p->dim[1]);
    if (p->dim[0] < 0) return EK_OK;
    if (c->in[INPUT].rank >= 0 && c->in[INPUT].rank != p->dim[0])
        return c->running ? EK_FAIL(c->err, INVALID_ARGUMENT,
                                    "The first dimension of paddings must be the rank of inputs%s%s %s", EK_CC(p),
                                    comma, EK_CC(&c->in[INPUT]))
                          : EK_FAIL(c->err, INVALID_ARGUMENT, "Shape must be rank %lld but is rank %d",
                                    (long long)p->dim[0], c->in[INPUT].rank);
    if (p->dim[0] > EK_MAX_RANK)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "paddings for %lld dimensions, %d are supported", (long long)p->dim[0],
                       EK_MAX_RANK);
    *rank = (int32_t)p->dim[0];
    return EK_OK;
}

static ek_status padded_shape(ek_shape_ctx *c, const char *comma)
{
    int32_t rank;

    EK_TRY(paddings_rank(c, comma, &rank));
    if (rank < 0) rank = c->in[INPUT].rank;
    if (rank < 0) return EK_OK;
    c->out[0] = ek__unknown_dims(rank);
    if (c->in_value[PADDINGS] == NULL) return EK_OK;
    for (int32_t d = 0; d < rank; d++) {
        const int64_t a = before(c->in_value, d), b = after(c->in_value, d);
        const int64_t n = c->in[INPUT].rank < 0 ? -1 : c->in[INPUT].dim[d];

        if (a < 0 || b < 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Paddings must be non-negative: %lld %lld", (long long)a,
                           (long long)b);
        if (a > INT64_MAX / 4 || b > INT64_MAX / 4 || n > INT64_MAX / 4)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Paddings are too large: %lld %lld", (long long)a, (long long)b);
        c->out[0].dim[d] = n < 0 ? -1 : a + n + b;
    }
    return EK_OK;
}

static ek_status pad_shape(ek_shape_ctx *c)
{
    return padded_shape(c, "");
}

static ek_status pad_v2_shape(ek_shape_ctx *c)
{
    if (c->running && c->in[VALUE].rank > 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "constant_values must be a scalar. Found: %s", EK_CC(&c->in[VALUE]));
    return padded_shape(c, "");
}

/* A mirror shows the edge (SYMMETRIC) or begins beside it (REFLECT): no margin is wider than what there is to show. */
static ek_status mirror_shape(ek_shape_ctx *c)
{
    const bool reflect = strcmp(((const mirror_attrs *)c->attrs)->mode, "REFLECT") == 0;

    EK_TRY(padded_shape(c, ","));
    if (!c->running || c->in_value[PADDINGS] == NULL || c->in[INPUT].rank < 0) return EK_OK;
    for (int32_t d = 0; d < c->in[INPUT].rank; d++) {
        const int64_t a = before(c->in_value, d), b = after(c->in_value, d), n = c->in[INPUT].dim[d];

        if (n < 0 || (a + reflect <= n && b + reflect <= n) || (a == 0 && b == 0)) continue;
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       reflect ? "paddings must be less than the dimension size: %lld, %lld not less than %lld"
                               : "paddings must be no greater than the dimension size: %lld, %lld greater than %lld",
                       (long long)a, (long long)b, (long long)n);
    }
    return EK_OK;
}

/* ---- Pad, PadV2 ------------------------------------------------------------------------------ */

static ek_status pad_fill(const ek_run_args *a, int64_t chunk)
{
    return ek__parts_chunk(&((const ek_parts *)a->state)[0], a, chunk);
}

static ek_status pad_copy(const ek_run_args *a, int64_t chunk)
{
    return ek__parts_chunk(&((const ek_parts *)a->state)[1], a, chunk);
}

/* The whole is filled, then the inside is copied. */
static ek_status pad_prepare_from(ek_prepare_ctx *c, int from)
{
    const ek_shape *in = &c->in[INPUT], *out = &c->out[0];
    int64_t in_stride[EK_MAX_RANK], out_stride[EK_MAX_RANK];
    ek_parts *p = ek__parts_pair(c, 1, 1);

    if (ek__empty(c)) return EK_OK;
    if (p == NULL) return EK_RESOURCE_EXHAUSTED;
    ek__walk_fill(ek__parts_add(&p[0], from, 0), out);
    ek_walk *w = ek__parts_add(&p[1], INPUT, 0);
    ek__strides(in, in_stride);
    ek__strides(out, out_stride);
    for (int32_t d = 0; d < in->rank; d++) {
        w->out_at += before(c->in_value, d) * out_stride[d];
        ek__walk_loop(w, in->dim[d], in_stride[d], out_stride[d]);
    }
    c->state = p;
    ek__parts_phase(c, &p[0], pad_fill);
    ek__parts_phase(c, &p[1], pad_copy);
    return EK_OK;
}

static ek_status pad_prepare(ek_prepare_ctx *c)
{
    return pad_prepare_from(c, EK_FROM_CONSTANT);
}

static ek_status pad_v2_prepare(ek_prepare_ctx *c)
{
    return pad_prepare_from(c, VALUE);
}

const ek_op_def ek__op_Pad = {
    .name = "Pad",
    .kind = EK_KIND_PURE,
    .inputs = "input: T, paddings: Tpaddings",
    .outputs = "output: T",
    .attrs = "T: type; Tpaddings: {int32, int64} = int32",
    .shape = pad_shape,
    .prepare = pad_prepare,
    .value_inputs = 1u << PADDINGS,
    .alias_whole = true,
};

const ek_op_def ek__op_PadV2 = {
    .name = "PadV2",
    .kind = EK_KIND_PURE,
    .inputs = "input: T, paddings: Tpaddings, constant_values: T",
    .outputs = "output: T",
    .attrs = "T: type; Tpaddings: {int32, int64} = int32",
    .shape = pad_v2_shape,
    .prepare = pad_v2_prepare,
    .value_inputs = 1u << PADDINGS,
    .alias_whole = true,
};

/* ---- MirrorPad ------------------------------------------------------------------------------- */

static const ek_field mirror_fields[] = { EK_FIELD(mirror_attrs, mode, STRING) };

/* One dimension is the mirrored start, the middle, the mirrored end: each a run with a direction. */
typedef struct run {
    int64_t in_at, out_at, n, step;
} run;

static int runs_of(int64_t a, int64_t n, int64_t b, bool reflect, run *out)
{
    int k = 0;

    if (a > 0) out[k++] = (run){ reflect ? a : a - 1, 0, a, -1 };
    out[k++] = (run){ 0, a, n, 1 };
    if (b > 0) out[k++] = (run){ reflect ? n - 2 : n - 1, a + n, b, -1 };
    return k;
}

/* TensorFlow takes 5 dimensions; more only cost more parts. */
enum { MIRROR_MAX_PARTS = 2187 };

static ek_status mirror_prepare(ek_prepare_ctx *c)
{
    const bool reflect = strcmp(((const mirror_attrs *)c->attrs)->mode, "REFLECT") == 0;
    const ek_shape *in = &c->in[INPUT];
    int64_t in_stride[EK_MAX_RANK], out_stride[EK_MAX_RANK], n_parts = 1;
    run runs[EK_MAX_RANK][3];
    int n_runs[EK_MAX_RANK];

    if (ek__empty(c)) return EK_OK;
    ek__strides(in, in_stride);
    ek__strides(&c->out[0], out_stride);
    for (int32_t d = 0; d < in->rank; d++) {
        n_runs[d] = runs_of(before(c->in_value, d), in->dim[d], after(c->in_value, d), reflect, runs[d]);
        n_parts *= n_runs[d];
        if (n_parts > MIRROR_MAX_PARTS)
            return EK_FAIL(c->err, UNIMPLEMENTED, "MirrorPad of so many dimensions; 7 can be padded");
    }
    ek_parts *p = ek__parts_new(c, n_parts);
    if (p == NULL) return EK_RESOURCE_EXHAUSTED;
    for (int64_t k = 0; k < n_parts; k++) {
        ek_walk *w = ek__parts_add(p, INPUT, 0);
        int64_t rest = k;

        for (int32_t d = 0; d < in->rank; d++) {
            const run *r = &runs[d][rest % n_runs[d]];

            rest /= n_runs[d];
            w->in_at += r->in_at * in_stride[d];
            w->out_at += r->out_at * out_stride[d];
            ek__walk_loop(w, r->n, r->step * in_stride[d], out_stride[d]);
        }
    }
    ek__parts_only(c, p);
    return EK_OK;
}

const ek_op_def ek__op_MirrorPad = {
    .name = "MirrorPad",
    .kind = EK_KIND_PURE,
    .inputs = "input: T, paddings: Tpaddings",
    .outputs = "output: T",
    .attrs = "T: type; Tpaddings: {int32, int64} = int32; mode: {'REFLECT', 'SYMMETRIC'}",
    .attrs_size = sizeof(mirror_attrs),
    .fields = mirror_fields,
    .n_fields = EK_COUNT_OF(mirror_fields),
    .shape = mirror_shape,
    .prepare = mirror_prepare,
    .value_inputs = 1u << PADDINGS,
    .alias_whole = true,
};

/* ---- MirrorPadGrad --------------------------------------------------------------------------- */

static ek_status mirror_grad_shape(ek_shape_ctx *c)
{
    const bool reflect = strcmp(((const mirror_attrs *)c->attrs)->mode, "REFLECT") == 0;
    const ek_shape *dy = &c->in[INPUT];
    int32_t rank;

    EK_TRY(paddings_rank(c, ",", &rank));
    if (rank < 0) rank = dy->rank;
    if (rank < 0) return EK_OK;
    c->out[0] = ek__unknown_dims(rank);
    for (int32_t d = 0; d < rank && c->in_value[PADDINGS] != NULL; d++) {
        const int64_t a = before(c->in_value, d), b = after(c->in_value, d);

        if (a < 0 || b < 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Paddings must be non-negative: %lld, %lld", (long long)a, (long long)b);
        if (dy->rank < 0 || dy->dim[d] < 0) continue;
        const int64_t n = a > dy->dim[d] || b > dy->dim[d] ? -1 : dy->dim[d] - a - b;
        if (n < 0 || a + reflect > n || b + reflect > n)
            return EK_FAIL(c->err, INVALID_ARGUMENT,
                           reflect ? "paddings must be less than the output dimension size: %lld, %lld not less than %lld"
                                   : "paddings must be no greater than the output dimension size: %lld, %lld greater than %lld",
                           (long long)a, (long long)b, (long long)n);
        c->out[0].dim[d] = n;
    }
    return EK_OK;
}

typedef struct mirror_grad_state {
    ek_elementwise_fn add;
    size_t size;
    int32_t rank;
    int64_t in_stride[EK_MAX_RANK], out_stride[EK_MAX_RANK];
    int n_runs[EK_MAX_RANK];
    run runs[EK_MAX_RANK][3]; /* in: of the gradient by the whole; out: of what has a margin */
} mirror_grad_state;

static void add_numbers(const mirror_grad_state *s, const char *dy, char *dx, int64_t n)
{
    s->add(n, (const void *const[]){ dx, dy }, (const int[]){ 1, 1 }, dx, NULL);
}

/* What dimensions d and after have for one place in those before. */
static void collect(const mirror_grad_state *s, int32_t d, const char *dy, char *dx)
{
    if (d == s->rank) add_numbers(s, dy, dx, 1);
    for (int k = 0; d < s->rank && k < s->n_runs[d]; k++) {
        const run *r = &s->runs[d][k];
        const char *from = dy + (size_t)(r->out_at * s->out_stride[d]) * s->size;
        if (d == s->rank - 1 && r->step == 1) {
            add_numbers(s, from, dx + (size_t)r->in_at * s->size, r->n);
            continue;
        }
        for (int64_t i = 0; i < r->n; i++)
            collect(s, d + 1, from + (size_t)(i * s->out_stride[d]) * s->size,
                    dx + (size_t)((r->in_at + i * r->step) * s->in_stride[d]) * s->size);
    }
}

/* One place of the first dimension: it is the place of what was mirrored, so that chunks do not meet. */
static ek_status mirror_grad_run(const ek_run_args *a, int64_t place)
{
    const mirror_grad_state *s = a->state;
    const int64_t n = s->rank > 0 ? s->in_stride[0] : 1;
    char *dx = (char *)a->out[0] + (size_t)(place * n) * s->size;

    memset(dx, 0, (size_t)n * s->size);
    if (s->rank == 0) collect(s, 0, a->in[INPUT], dx);
    for (int k = 0; s->rank > 0 && k < s->n_runs[0]; k++) {
        const run *r = &s->runs[0][k];
        const int64_t i = r->step * (place - r->in_at);
        if (i < 0 || i >= r->n) continue;
        collect(s, 1, (const char *)a->in[INPUT] + (size_t)((r->out_at + i) * s->out_stride[0]) * s->size, dx);
    }
    return EK_OK;
}

static ek_status mirror_grad_prepare(ek_prepare_ctx *c)
{
    const bool reflect = strcmp(((const mirror_attrs *)c->attrs)->mode, "REFLECT") == 0;
    const ek_shape *dx = &c->out[0];
    mirror_grad_state *s = EK_ARENA_NEW(c->arena, mirror_grad_state, 1);

    if (s == NULL) return ek__no_memory(c);
    c->state = s;
    s->add = ek__loop(&ek__loops_add, c->out_dtype[0]);
    if (s->add == NULL) return EK_FAIL(c->err, UNIMPLEMENTED, "MirrorPadGrad of %s", ek_dtype_name(c->out_dtype[0]));
    s->size = ek_dtype_size(c->out_dtype[0]);
    s->rank = dx->rank;
    ek__strides(dx, s->in_stride);
    ek__strides(&c->in[INPUT], s->out_stride);
    for (int32_t d = 0; d < dx->rank; d++)
        s->n_runs[d] = runs_of(before(c->in_value, d), dx->dim[d], after(c->in_value, d), reflect, s->runs[d]);
    if (!ek__empty(c)) ek__add_phase(c, mirror_grad_run, dx->rank > 0 ? dx->dim[0] : 1);
    return EK_OK;
}

const ek_op_def ek__op_MirrorPadGrad = {
    .name = "MirrorPadGrad",
    .kind = EK_KIND_PURE,
    .inputs = "input: T, paddings: Tpaddings",
    .outputs = "output: T",
    .attrs = "T: type; Tpaddings: {int32, int64} = int32; mode: {'REFLECT', 'SYMMETRIC'}",
    .attrs_size = sizeof(mirror_attrs),
    .fields = mirror_fields,
    .n_fields = EK_COUNT_OF(mirror_fields),
    .shape = mirror_grad_shape,
    .prepare = mirror_grad_prepare,
    .value_inputs = 1u << PADDINGS,
    .alias_whole = true,
};
