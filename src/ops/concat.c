/* ops/concat.c - joining along an axis: Concat, ConcatV2, ConcatOffset, Pack. Taking apart is in split.c. */
#include "ops/rules.h"
#include "ops/walk.h"

/* ---- Concat, ConcatV2 ------------------------------------------------------------------------ */

/* Where the axis and the values are among the inputs. */
typedef struct ends {
    int axis, first, n;
} ends;

static ends axis_first(int n_in)
{
    return (ends){ 0, 1, n_in - 1 };
}

static ends axis_last(int n_in)
{
    return (ends){ n_in - 1, 0, n_in - 1 };
}

/* What the kernel of TensorFlow checks, once everything is known. */
static ek_status concat_check(const ek_shape_ctx *c, ends e, int64_t axis)
{
    const ek_shape *first = &c->in[e.first];

    if (first->rank == 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "ConcatOp : Can't concatenate scalars (use tf.stack instead)");
    if (axis < -first->rank || axis >= first->rank)
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "ConcatOp : Expected concatenating dimensions in the range [%d, %d), but got %lld", -first->rank,
                       first->rank, (long long)axis);
    if (axis < 0) axis += first->rank;
    for (int i = 1; i < e.n; i++) {
        const ek_shape *s = &c->in[e.first + i];

        if (s->rank != first->rank)
            return EK_FAIL(c->err, INVALID_ARGUMENT,
                           "ConcatOp : Ranks of all input tensors should match: shape[0] = %s vs. shape[%d] = %s",
                           EK_CC(first), i, EK_CC(s));
        for (int32_t d = 0; d < s->rank; d++)
            if (d != axis && s->dim[d] != first->dim[d])
                return EK_FAIL(c->err, INVALID_ARGUMENT,
                               "ConcatOp : Dimension %d in both shapes must be equal: shape[0] = %s vs. shape[%d] = %s",
                               d, EK_CC(first), i, EK_CC(s));
    }
    return EK_OK;
}

/* Without the axis only the rank is known: that of any input. */
static ek_status concat_rank_only(ek_shape_ctx *c, ends e)
{
    for (int i = 0; i < e.n; i++)
        if (c->in[e.first + i].rank >= 0) {
            EK_TRY(ek__want_rank_at_least(c, e.first + i, 1));
            c->out[0] = ek__unknown_dims(c->in[e.first + i].rank);
            return EK_OK;
        }
    return EK_OK;
}

/* Adds input s along the axis to what *out holds so far. */
static ek_status concat_join(const ek_shape_ctx *c, const ek_shape *s, int32_t axis, ek_shape *out)
{
    ek_shape a = *out, b = *s;
    const int64_t n = a.dim[axis], m = b.dim[axis];

    if (n > INT64_MAX - (m > 0 ? m : 0))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "the joined dimension has too many elements");
    a.dim[axis] = b.dim[axis] = n < 0 || m < 0 ? -1 : n + m;
    return ek__merge_shapes(c, &a, &b, out);
}

static ek_status concat_rule(ek_shape_ctx *c, ends e)
{
    const ek_array *value = c->in_value[e.axis];
    ek_shape out = EK_UNKNOWN_SHAPE;
    bool known = true;

    EK_TRY(ek__want_rank(c, e.axis, 0));
    if (value == NULL) return concat_rank_only(c, e);
    const int64_t named = ek__array_int(value, 0);
    for (int i = 0; i < e.n; i++) known = known && ek_shape_is_known(&c->in[e.first + i]);
    if (c->running && known) EK_TRY(concat_check(c, e, named));
    if (named < -EK_MAX_RANK || named >= EK_MAX_RANK)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "axis %lld is out of range", (long long)named);

    /* An input of unknown rank makes the joined dimension unknown and adds nothing else. */
    bool all_ranks = true;
    int32_t axis = -1;
    for (int i = 0; i < e.n; i++) {
        const ek_shape *s = &c->in[e.first + i];

        if (s->rank < 0) {
            all_ranks = false;
            continue;
        }
        EK_TRY(ek__want_rank_at_least(c, e.first + i, (int32_t)(named < 0 ? -named : named + 1)));
        if (axis < 0) {
            axis = (int32_t)(named < 0 ? named + s->rank : named);
            out = *s;
        } else if (s->rank != out.rank) {
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Shape must be rank %d but is rank %d", out.rank, s->rank);
        } else {
            EK_TRY(concat_join(c, s, axis, &out));
        }
    }
    if (axis >= 0 && !all_ranks) out.dim[axis] = -1;
    c->out[0] = out;
    return EK_OK;
}

/* The axis, counted from the front. */
static int32_t axis_at(const ek_prepare_ctx *c, int input, int32_t rank)
{
    const int64_t axis = ek__int_at(c->in_value, input, 0);

    return (int32_t)(axis < 0 ? axis + rank : axis);
}

static ek_status concat_parts(ek_prepare_ctx *c, ends e)
{
    const ek_shape *out = &c->out[0];
    const int32_t axis = axis_at(c, e.axis, out->rank);
    const int64_t outer = ek__dims(out, 0, axis), row = ek__dims(out, axis, out->rank);
    ek_parts *p = ek__parts_new(c, e.n);
    int64_t at = 0;

    if (ek__empty(c)) return EK_OK;
    if (p == NULL) return EK_RESOURCE_EXHAUSTED;
    for (int i = 0; i < e.n; i++) {
        const int64_t mine = ek__dims(&c->in[e.first + i], axis, out->rank);
        ek_walk *w = ek__parts_add(p, e.first + i, 0);

        w->out_at = at;
        ek__walk_loop(w, outer, mine, row);
        ek__walk_loop(w, mine, 1, 1);
        at += mine;
    }
    ek__parts_only(c, p);
    return EK_OK;
}

static ek_status concat_shape(ek_shape_ctx *c)
{
    return concat_rule(c, axis_first(c->n_in));
}

static ek_status concat_prepare(ek_prepare_ctx *c)
{
    return concat_parts(c, axis_first(c->n_in));
}

static ek_status concat_v2_shape(ek_shape_ctx *c)
{
    return concat_rule(c, axis_last(c->n_in));
}

static ek_status concat_v2_prepare(ek_prepare_ctx *c)
{
    return concat_parts(c, axis_last(c->n_in));
}

const ek_op_def ek__op_Concat = {
    .name = "Concat",
    .kind = EK_KIND_PURE,
    .inputs = "concat_dim: int32, values: N * T",
    .outputs = "output: T",
    .attrs = "N: int >= 2; T: type",
    .shape = concat_shape,
    .prepare = concat_prepare,
    .value_inputs = 1u << 0,
};

const ek_op_def ek__op_ConcatV2 = {
    .name = "ConcatV2",
    .kind = EK_KIND_PURE,
    .inputs = "values: N * T, axis: Tidx",
    .outputs = "output: T",
    .attrs = "N: int >= 2; T: type; Tidx: {int32, int64} = int32",
    .shape = concat_v2_shape,
    .prepare = concat_v2_prepare,
    .value_inputs = 1u << 1,
};

/* ---- ConcatOffset: where each of the joined begins ------------------------------------------- */

static ek_status offset_shape(ek_shape_ctx *c)
{
    for (int k = 0; k < c->n_out; k++) {
        EK_TRY(ek__want_rank(c, k + 1, 1));
        c->out[k] = c->in[k + 1];
    }
    return EK_OK;
}

typedef struct offset_state {
    int n;
    int64_t rank;
} offset_state;

static void put_vector(char *text, size_t size, const int32_t *v, int64_t n)
{
    size_t at = 0;

    for (int64_t d = 0; d < n && at + 16 < size; d++)
        at += (size_t)snprintf(text + at, size - at, d > 0 ? " %d" : "%d", v[d]);
    text[at] = '\0';
}

static ek_status offset_mismatch(const ek_run_args *a, int64_t axis, int i, int64_t rank)
{
    char mine[200], first[200];

    put_vector(mine, sizeof mine, a->in[i + 1], rank);
    put_vector(first, sizeof first, a->in[1], rank);
    return EK_FAIL(
        a->err, INVALID_ARGUMENT,
        "All dimensions except %lld must match. Input %d has shape [%s] and doesn't match input 0 with shape "
        "[%s].",
        (long long)axis, i, mine, first);
}

static ek_status offset_run(const ek_run_args *a, int64_t chunk)
{
    const offset_state *s = a->state;
    const int64_t named = *(const int32_t *)a->in[0], axis = named < 0 ? named + s->rank : named;
    const int32_t *first = a->in[1];
    int32_t sum = 0;

    EK_UNUSED(chunk);
    if (axis < 0 || axis >= s->rank)
        return EK_FAIL(a->err, INVALID_ARGUMENT, "Concat dim is out of range: %lld vs. %lld", (long long)named,
                       (long long)s->rank);
    for (int i = 0; i < s->n; i++) {
        const int32_t *shape = a->in[i + 1];
        int32_t *out = a->out[i];

        for (int64_t d = 0; d < s->rank; d++) {
            if (d != axis && shape[d] != first[d]) return offset_mismatch(a, axis, i, s->rank);
            out[d] = d == axis ? sum : 0;
        }
        sum = (int32_t)((uint32_t)sum + (uint32_t)shape[axis]);
    }
    return EK_OK;
}

static ek_status offset_prepare(ek_prepare_ctx *c)
{
    offset_state *s = EK_ARENA_NEW(c->arena, offset_state, 1);

    if (s == NULL) return ek__no_memory(c);
    for (int i = 1; i < c->n_out; i++)
        if (c->in[i + 1].dim[0] != c->in[1].dim[0])
            return EK_FAIL(c->err, INVALID_ARGUMENT, "input %d should contain %lld elements, but got %lld", i,
                           (long long)c->in[1].dim[0], (long long)c->in[i + 1].dim[0]);
    if (c->in[0].rank != 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Concat dim tensor should be a scalar integer, but got shape %s",
                       EK_CC(&c->in[0]));
    *s = (offset_state){ c->n_out, c->in[1].dim[0] };
    c->state = s;
    ek__add_phase(c, offset_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_ConcatOffset = {
    .name = "ConcatOffset",
    .kind = EK_KIND_PURE,
    .inputs = "concat_dim: int32, shape: N * int32",
    .outputs = "offset: N * int32",
    .attrs = "N: int >= 2",
    .shape = offset_shape,
    .prepare = offset_prepare,
    .no_grad_because = "its outputs are integers",
};

/* ---- Pack ------------------------------------------------------------------------------------ */

typedef struct pack_attrs {
    int64_t axis;
} pack_attrs;

static const ek_field pack_fields[] = { EK_FIELD(pack_attrs, axis, INT) };

static ek_status pack_shape(ek_shape_ctx *c)
{
    const int64_t axis = ((const pack_attrs *)c->attrs)->axis;
    ek_shape all = EK_UNKNOWN_SHAPE;

    for (int i = 0; i < c->n_in; i++) {
        if (c->running && !ek_shape_compatible(&c->in[0], &c->in[i]))
            return EK_FAIL(c->err, INVALID_ARGUMENT,
                           "Shapes of all inputs must match: values[0].shape = %s != values[%d].shape = %s",
                           EK_CC(&c->in[0]), i, EK_CC(&c->in[i]));
        EK_TRY(ek__merge_shapes(c, &all, &c->in[i], &all));
    }
    if (all.rank < 0) return EK_OK;
    const int64_t rank = all.rank + 1;
    if (axis < -rank || axis >= rank)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "axis = %lld not in [%lld, %lld)", (long long)axis, (long long)-rank,
                       (long long)rank);
    return ek__insert_dim(c, &all, (int32_t)(axis < 0 ? axis + rank : axis), c->n_in, &c->out[0]);
}

static ek_status pack_prepare(ek_prepare_ctx *c)
{
    const int64_t named = ((const pack_attrs *)c->attrs)->axis;
    const ek_shape *out = &c->out[0];
    const int32_t axis = (int32_t)(named < 0 ? named + out->rank : named);
    const int64_t outer = ek__dims(out, 0, axis), inner = ek__dims(out, axis + 1, out->rank);
    ek_parts *p = ek__parts_new(c, c->n_in);

    if (ek__empty(c)) return EK_OK;
    if (p == NULL) return EK_RESOURCE_EXHAUSTED;
    for (int i = 0; i < c->n_in; i++) {
        ek_walk *w = ek__parts_add(p, i, 0);

        w->out_at = i * inner;
        ek__walk_loop(w, outer, inner, inner * c->n_in);
        ek__walk_loop(w, inner, 1, 1);
    }
    ek__parts_only(c, p);
    return EK_OK;
}

const ek_op_def ek__op_Pack = {
    .name = "Pack",
    .kind = EK_KIND_PURE,
    .inputs = "values: N * T",
    .outputs = "output: T",
    .attrs = "N: int >= 1; T: type; axis: int = 0",
    .attrs_size = sizeof(pack_attrs),
    .fields = pack_fields,
    .n_fields = EK_COUNT_OF(pack_fields),
    .shape = pack_shape,
    .prepare = pack_prepare,
};
