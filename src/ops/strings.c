/* ops/strings.c - strings joined: StringJoin, ReduceJoin; and what operations on strings share.
 *
 * Not here: parts of strings (string_parts.c), numbers (string_numbers.c), bytes (string_bytes.c), splitting (string_split.c),
 * patterns (regex.c), files (files.c).
 */
#include "ops/strings.h"

#include "ops/rules.h"
#include "ops/walk.h"

ek_status ek__put_text(ek_string *to, const char *data, size_t size, ek_error *err)
{
    if (ek__string_set(to, data != NULL ? data : "", size)) return EK_OK;
    return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a string of %zu bytes", size);
}

static ek_status put_buffer(ek_string *to, ek_buf *b, ek_error *err)
{
    if (b->failed) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a string");
    return ek__put_text(to, b->data, b->size, err);
}

/* ---- a string of each string ----------------------------------------------------------------------- */

typedef struct text_map {
    ek_text_fn one;
    const void *state;
    int64_t n;
} text_map;

static ek_status map_run(const ek_run_args *a, int64_t chunk)
{
    const text_map *const m = a->state;
    const ek_string *const in = a->in[0];
    ek_string *const out = a->out[0];
    ek_buf b = { .data = NULL };
    ek_status st = EK_OK;

    EK_UNUSED(chunk);
    for (int64_t i = 0; i < m->n && st == EK_OK; i++) {
        b.size = 0;
        st = m->one(m->state, &in[i], &b, a->err);
        if (st == EK_OK) st = put_buffer(&out[i], &b, a->err);
    }
    ek__buf_fini(&b);
    return st;
}

ek_status ek__prepare_text(ek_prepare_ctx *c, ek_text_fn one, const void *state)
{
    text_map *const m = EK_ARENA_NEW(c->arena, text_map, 1);

    if (m == NULL) return ek__no_memory(c);
    *m = (text_map){ one, state, ek_shape_count(&c->out[0]) };
    c->state = m;
    ek__add_phase(c, map_run, 1);
    return EK_OK;
}

/* ---- StringJoin ------------------------------------------------------------------------------------ */

typedef struct join_attrs {
    const char *separator;
    bool keep_dims; /* of ReduceJoin */
} join_attrs;

/* Scalars join every element of the others. */
static ek_status join_shape(ek_shape_ctx *c)
{
    ek_shape out = EK_UNKNOWN_SHAPE;
    bool scalars = true;
    int first = -1;

    for (int i = 0; i < c->n_in; i++) {
        const ek_shape *const s = &c->in[i];

        scalars = scalars && s->rank == 0;
        if (s->rank <= 0) continue;
        if (first < 0) first = i;
        if (c->running && !ek_shape_equal(&c->in[first], s))
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Input shapes do not match: %s vs. %s", EK_CC(&c->in[first]), EK_CC(s));
        EK_TRY(ek__merge_shapes(c, &out, s, &out));
    }
    c->out[0] = scalars ? EK_SCALAR : out;
    return EK_OK;
}

typedef struct join_state {
    const char *separator;
    int64_t n;
    int n_in;
    bool single[]; /* input i is a scalar */
} join_state;

static ek_status join_run(const ek_run_args *a, int64_t chunk)
{
    const join_state *const s = a->state;
    ek_buf b = { .data = NULL };
    ek_status st = EK_OK;

    EK_UNUSED(chunk);
    for (int64_t k = 0; k < s->n && st == EK_OK; k++) {
        b.size = 0;
        for (int i = 0; i < s->n_in; i++) {
            const ek_string *const in = (const ek_string *)a->in[i] + (s->single[i] ? 0 : k);

            if (i > 0) ek__buf_str(&b, s->separator);
            ek__buf_add(&b, in->data, in->size);
        }
        st = put_buffer((ek_string *)a->out[0] + k, &b, a->err);
    }
    ek__buf_fini(&b);
    return st;
}

static ek_status join_prepare(ek_prepare_ctx *c)
{
    const join_attrs *const attrs = c->attrs;
    join_state *const s = ek__arena_calloc(c->arena, 1, sizeof *s + (size_t)c->n_in * sizeof s->single[0]);

    if (s == NULL) return ek__no_memory(c);
    s->separator = attrs->separator;
    s->n = ek_shape_count(&c->out[0]);
    s->n_in = c->n_in;
    for (int i = 0; i < c->n_in; i++) s->single[i] = c->in[i].rank == 0;
    c->state = s;
    ek__add_phase(c, join_run, 1);
    return EK_OK;
}

static const ek_field join_fields[] = { EK_FIELD(join_attrs, separator, STRING) };

const ek_op_def ek__op_StringJoin = {
    .name = "StringJoin",
    .inputs = "inputs: N * string",
    .outputs = "output: string",
    .attrs = "N: int >= 1; separator: string = ''",
    .attrs_size = sizeof(join_attrs),
    .fields = join_fields,
    .n_fields = EK_COUNT_OF(join_fields),
    .shape = join_shape,
    .prepare = join_prepare,
    .no_grad_because = "it is about strings",
};

/* ---- ReduceJoin ------------------------------------------------------------------------------------ */

enum { REDUCED, AXES };

/* axis[0 .. n): those that are reduced, in the order given: the first turns fastest. *kept: bit per axis that stays. */
typedef struct reduction {
    int n;
    int axis[EK_MAX_RANK];
    uint32_t reduced;
} reduction;

static ek_status read_axes(const ek_array *axes, int rank, reduction *r, ek_error *err)
{
    *r = (reduction){ .n = 0 };
    for (int64_t i = 0; i < axes->count; i++) {
        const int64_t given = ek__array_int(axes, i), axis = given < 0 ? given + rank : given;

        if (axis < 0 || axis >= rank)
            return EK_FAIL(err, OUT_OF_RANGE, "Invalid reduction dimension %lld for input with %d dimension(s)", (long long)given,
                           rank);
        if ((r->reduced >> axis & 1) != 0)
            return EK_FAIL(err, INVALID_ARGUMENT, "Duplicate reduction dimension %lld", (long long)given);
        r->reduced |= 1u << axis;
        r->axis[r->n++] = (int)axis;
    }
    return EK_OK;
}

static ek_status reduce_shape(ek_shape_ctx *c)
{
    const join_attrs *const attrs = c->attrs;
    const ek_shape *const x = &c->in[REDUCED];
    reduction r;

    if (x->rank < 0) return EK_OK;
    if (c->in_value[AXES] == NULL) {
        if (attrs->keep_dims) c->out[0] = ek__unknown_dims(x->rank);
        return EK_OK;
    }
    EK_TRY(read_axes(c->in_value[AXES], x->rank, &r, c->err));
    c->out[0] = EK_SCALAR;
    for (int d = 0; d < x->rank; d++) {
        if ((r.reduced >> d & 1) == 0) c->out[0].dim[c->out[0].rank++] = x->dim[d];
        else if (attrs->keep_dims) c->out[0].dim[c->out[0].rank++] = 1;
    }
    return EK_OK;
}

typedef struct reduce_state {
    const char *separator;
    reduction r;
    ek_shape in;
    int64_t n, each; /* results, and elements of each */
} reduce_state;

/* The first element of result k. */
static int64_t first_of(const reduce_state *s, const int64_t *stride, int64_t k)
{
    int64_t at = 0;

    for (int d = s->in.rank - 1; d >= 0; d--) {
        if ((s->r.reduced >> d & 1) != 0) continue;
        at += k % s->in.dim[d] * stride[d];
        k /= s->in.dim[d];
    }
    return at;
}

static int64_t further(const reduce_state *s, const int64_t *stride, int64_t i)
{
    int64_t at = 0;

    for (int k = 0; k < s->r.n; k++) {
        at += i % s->in.dim[s->r.axis[k]] * stride[s->r.axis[k]];
        i /= s->in.dim[s->r.axis[k]];
    }
    return at;
}

static ek_status reduce_run(const ek_run_args *a, int64_t chunk)
{
    const reduce_state *const s = a->state;
    const ek_string *const in = a->in[REDUCED];
    int64_t stride[EK_MAX_RANK];
    ek_buf b = { .data = NULL };
    ek_status st = EK_OK;

    EK_UNUSED(chunk);
    ek__strides(&s->in, stride);
    for (int64_t k = 0; k < s->n && st == EK_OK; k++) {
        const int64_t first = first_of(s, stride, k);

        b.size = 0;
        for (int64_t i = 0; i < s->each; i++) {
            const ek_string *const one = &in[first + further(s, stride, i)];

            if (i > 0) ek__buf_str(&b, s->separator);
            ek__buf_add(&b, one->data, one->size);
        }
        st = put_buffer((ek_string *)a->out[0] + k, &b, a->err);
    }
    ek__buf_fini(&b);
    return st;
}

static ek_status reduce_prepare(ek_prepare_ctx *c)
{
    reduce_state *const s = EK_ARENA_NEW(c->arena, reduce_state, 1);

    if (s == NULL) return ek__no_memory(c);
    s->separator = ((const join_attrs *)c->attrs)->separator;
    s->in = c->in[REDUCED];
    s->n = ek_shape_count(&c->out[0]);
    s->each = 1;
    EK_TRY(read_axes(c->in_value[AXES], s->in.rank, &s->r, c->err));
    for (int k = 0; k < s->r.n; k++) s->each *= s->in.dim[s->r.axis[k]];
    c->state = s;
    ek__add_phase(c, reduce_run, 1);
    return EK_OK;
}

static const ek_field reduce_fields[] = { EK_FIELD(join_attrs, keep_dims, BOOL), EK_FIELD(join_attrs, separator, STRING) };

const ek_op_def ek__op_ReduceJoin = {
    .name = "ReduceJoin",
    .inputs = "inputs: string, reduction_indices: int32",
    .outputs = "output: string",
    .attrs = "keep_dims: bool = false; separator: string = ''",
    .attrs_size = sizeof(join_attrs),
    .fields = reduce_fields,
    .n_fields = EK_COUNT_OF(reduce_fields),
    .shape = reduce_shape,
    .value_inputs = 1u << AXES,
    .prepare = reduce_prepare,
    .no_grad_because = "it is about strings",
};
