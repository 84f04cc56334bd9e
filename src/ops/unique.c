/* ops/unique.c - each value once, in the order of first occurrence: Unique, UniqueV2, with counts, and what is in one
 * list but not in another: ListDiff.
 *
 * Slices are compared by their elements (floats as numbers, strings by content) and found by
 * hashing. The rule counts them, the run writes them.
 */
#include "ops/index.h"
#include "ops/move.h"
#include "ops/rules.h"
#include "ops/walk.h"

enum { X, AXIS };
enum { Y, PLACES, COUNTS };

/* A tensor as [outer, n, inner]: slice i is all elements with i in the middle. */
typedef struct slices {
    ek_dtype dtype;
    const void *data;
    int64_t outer, n, inner;
} slices;

static uint64_t hash_of(const slices *s, int64_t i)
{
    const size_t size = ek_dtype_size(s->dtype);
    uint64_t h = 0;

    for (int64_t o = 0; o < s->outer; o++)
        for (int64_t j = 0; j < s->inner; j++) {
            const char *const at = (const char *)s->data + (size_t)((o * s->n + i) * s->inner + j) * size;
            const ek_string *const text = (const ek_string *)(const void *)at;
            double v = 1;

            if (s->dtype == EK_FLOAT32 || s->dtype == EK_FLOAT64) ek__convert(s->dtype, at, EK_FLOAT64, &v, 1);
            if (s->dtype == EK_STRING) h = ek__hash(text->data, text->size, h);
            else if (v == 0) h = ek__hash("", 0, h);
            else if (v != v) h = ek__hash(&i, sizeof i, h); /* equals nothing: anywhere will do */
            else h = ek__hash(at, size, h);
        }
    return h;
}

static bool same_element(ek_dtype t, const char *a, const char *b)
{
    const ek_string *const x = (const ek_string *)(const void *)a, *const y = (const ek_string *)(const void *)b;

    switch (t) {
    case EK_STRING: return x->size == y->size && (x->size == 0 || memcmp(x->data, y->data, x->size) == 0);
    case EK_FLOAT32: return *(const float *)(const void *)a == *(const float *)(const void *)b;
    case EK_FLOAT64: return *(const double *)(const void *)a == *(const double *)(const void *)b;
    default: return memcmp(a, b, ek_dtype_size(t)) == 0;
    }
}

static bool same_slice(const slices *a, int64_t i, const slices *b, int64_t k)
{
    const size_t size = ek_dtype_size(a->dtype);

    for (int64_t o = 0; o < a->outer; o++)
        for (int64_t j = 0; j < a->inner; j++)
            if (!same_element(a->dtype, (const char *)a->data + (size_t)((o * a->n + i) * a->inner + j) * size,
                              (const char *)b->data + (size_t)((o * b->n + k) * b->inner + j) * size))
                return false;
    return true;
}

/* ---- finding ------------------------------------------------------------------------------------------------ */

/* Open addressing over slices of one tensor; -1: free. */
typedef struct table {
    const slices *of;
    int64_t cap;
    int64_t *slot;
} table;

static int64_t table_cap(int64_t n)
{
    int64_t cap = 16;

    while (cap < 2 * n) cap *= 2;
    return cap;
}

/* Where slice i of `s` is in the table, or would go. */
static int64_t *find(const table *t, const slices *s, int64_t i)
{
    int64_t at = (int64_t)(hash_of(s, i) & (uint64_t)(t->cap - 1));

    while (t->slot[at] >= 0 && !same_slice(t->of, t->slot[at], s, i)) at = (at + 1) & (t->cap - 1);
    return &t->slot[at];
}

/* The first occurrence of each slice: first[i] is the place of the first slice equal to i. Returns how many differ.
 * `slot` has table_cap(n) elements. */
static int64_t find_first(const slices *s, int64_t *slot, int64_t *first)
{
    const table t = { s, table_cap(s->n), slot };
    int64_t found = 0;

    memset(slot, 0xff, (size_t)t.cap * sizeof *slot);
    for (int64_t i = 0; i < s->n; i++) {
        int64_t *const at = find(&t, s, i);

        if (*at < 0) {
            *at = i;
            found++;
        }
        if (first != NULL) first[i] = *at;
    }
    return found;
}

/* ---- Unique -------------------------------------------------------------------------------------------------- */

/* The axis: 0, or input 1, which may be empty. */
static ek_status axis_of(const ek_shape_ctx *c, int32_t *axis)
{
    const ek_array *const v = c->n_in > AXIS ? c->in_value[AXIS] : NULL;
    const int32_t rank = c->in[X].rank;

    *axis = c->n_in > AXIS && v == NULL ? -1 : 0;
    if (c->n_in <= AXIS || v == NULL || v->count == 0) {
        if (rank < 0 || rank == 1 || *axis < 0) return EK_OK;
        return c->running ? EK_FAIL(c->err, INVALID_ARGUMENT, "unique expects a 1D vector.") : ek__want_rank(c, X, 1);
    }
    const int64_t named = ek__array_int(v, 0);
    if (v->count > 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "axis does not support input tensors larger than 1 elements");
    if (named < -(int64_t)rank || named >= rank)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "axis has to be between [0, %d)", rank);
    *axis = (int32_t)(named < 0 ? named + rank : named);
    return EK_OK;
}

static slices slices_of(ek_dtype t, const ek_shape *x, int32_t axis, const void *data)
{
    return (slices){ t, data, ek__dims(x, 0, axis), x->dim[axis], ek__dims(x, axis + 1, x->rank) };
}

static ek_status unique_shape(ek_shape_ctx *c)
{
    const ek_shape *const x = &c->in[X];
    const ek_array *const v = c->in_value[X];
    int32_t axis;

    c->out[PLACES] = ek__vector(-1);
    if (c->n_out > COUNTS) c->out[COUNTS] = ek__vector(-1);
    if (x->rank < 0) {
        if (c->n_in == 1) c->out[Y] = ek__vector(-1);
        return EK_OK;
    }
    EK_TRY(axis_of(c, &axis));
    c->out[Y] = axis < 0 ? ek__unknown_dims(x->rank) : *x;
    if (axis < 0) return EK_OK;
    c->out[PLACES].dim[0] = x->dim[axis];
    c->out[Y].dim[axis] = -1;
    if (v == NULL) return EK_OK;
    const slices s = slices_of(v->dtype, x, axis, v->data);
    int64_t *const slot = ek__alloc((size_t)table_cap(s.n) * sizeof *slot);
    if (slot == NULL) return EK_FAIL(c->err, RESOURCE_EXHAUSTED, "no memory to count what is unique");
    c->out[Y].dim[axis] = find_first(&s, slot, NULL);
    ek__free(slot);
    if (c->n_out > COUNTS) c->out[COUNTS].dim[0] = c->out[Y].dim[axis];
    return EK_OK;
}

typedef struct unique_state {
    slices s;
    ek_dtype place_dtype;
    int64_t limit; /* slices in the output */
    bool counts;
} unique_state;

static ek_status put_slice(const slices *s, int64_t from, void *out, int64_t n_out, int64_t to, ek_error *err)
{
    const size_t size = ek_dtype_size(s->dtype);

    for (int64_t o = 0; o < s->outer; o++)
        EK_TRY(ek__move(s->dtype, (char *)out + (size_t)((o * n_out + to) * s->inner) * size,
                        (const char *)s->data + (size_t)((o * s->n + from) * s->inner) * size, s->inner, err));
    return EK_OK;
}

static ek_status unique_run(const ek_run_args *a, int64_t chunk)
{
    const unique_state *const u = a->state;
    slices s = u->s;
    int64_t *const first = a->scratch, *const slot = first + s.n;
    int64_t n = 0;

    EK_UNUSED(chunk);
    s.data = a->in[X];
    if (find_first(&s, slot, first) != u->limit)
        return EK_FAIL(a->err, INTERNAL, "what is unique changed while it was counted");
    for (int64_t k = 0; u->counts && k < u->limit; k++) ek__store_int(u->place_dtype, a->out[COUNTS], k, 0);
    for (int64_t i = 0; i < s.n; i++) {
        if (first[i] == i) EK_TRY(put_slice(&s, i, a->out[Y], u->limit, n, a->err));
        const int64_t place = first[i] == i ? n++ : slot[first[i]];
        slot[i] = place; /* the table has served; it is longer than the list */
        ek__store_int(u->place_dtype, a->out[PLACES], i, place);
        if (u->counts)
            ek__store_int(u->place_dtype, a->out[COUNTS], place, ek__get_int(u->place_dtype, a->out[COUNTS], place) + 1);
    }
    return EK_OK;
}

static ek_status unique_prepare(ek_prepare_ctx *c)
{
    const ek_shape *const x = &c->in[X];
    const ek_array *const v = c->n_in > AXIS ? c->in_value[AXIS] : NULL;
    const int64_t named = v != NULL && v->count > 0 ? ek__array_int(v, 0) : 0;
    const int32_t axis = (int32_t)(named < 0 ? named + x->rank : named);
    unique_state *const u = EK_ARENA_NEW(c->arena, unique_state, 1);

    if (u == NULL) return ek__no_memory(c);
    *u = (unique_state){ slices_of(c->in_dtype[X], x, axis, NULL), c->out_dtype[PLACES], c->out[Y].dim[axis],
                         c->n_out > COUNTS };
    c->state = u;
    c->scratch_bytes = (size_t)(u->s.n + table_cap(u->s.n)) * sizeof(int64_t);
    ek__add_phase(c, unique_run, u->s.n > 0);
    return EK_OK;
}

#define UNIQUE(Name, axis_in, axis_attr, counts_out, values)                                                 \
    const ek_op_def ek__op_##Name = {                                                                         \
        .name = #Name, .inputs = "x: T" axis_in, .outputs = "y: T, idx: out_idx" counts_out,                  \
        .attrs = "T: type; " axis_attr "out_idx: {int32, int64} = int32", .shape = unique_shape,              \
        .prepare = unique_prepare, .value_inputs = values,                                                    \
    };
#define AXIS_ATTR "Taxis: {int32, int64} = int64; "
UNIQUE(Unique, "", "", "", 0)
UNIQUE(UniqueV2, ", axis: Taxis", AXIS_ATTR, "", 1u << AXIS)
UNIQUE(UniqueWithCounts, "", "", ", count: out_idx", 0)
UNIQUE(UniqueWithCountsV2, ", axis: Taxis", AXIS_ATTR, ", count: out_idx", 1u << AXIS)

/* ---- ListDiff --------------------------------------------------------------------------------------------------- */

enum { OTHERS = 1 };

/* left = the places in x of what `others` lack, in order; returns their number. `slot` has table_cap(others->n). */
static int64_t list_diff(const slices *x, const slices *others, int64_t *slot, int64_t *left)
{
    const table t = { others, table_cap(others->n), slot };
    int64_t n = 0;

    (void)find_first(others, slot, NULL);
    for (int64_t i = 0; i < x->n; i++)
        if (*find(&t, x, i) < 0) left[n++] = i;
    return n;
}

static ek_status diff_shape(ek_shape_ctx *c)
{
    const ek_array *const x = c->in_value[X], *const others = c->in_value[OTHERS];

    for (int i = 0; i < 2; i++) {
        if (c->running && c->in[i].rank != 1)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "%s should be a 1D vector.", i == X ? "x" : "y");
        EK_TRY(ek__want_rank(c, i, 1));
        c->out[i] = ek__vector(-1);
    }
    if (x == NULL || others == NULL) return EK_OK;
    const slices a = { x->dtype, x->data, 1, x->count, 1 }, b = { others->dtype, others->data, 1, others->count, 1 };
    int64_t *const slot = ek__alloc((size_t)(table_cap(b.n) + a.n) * sizeof *slot);
    if (slot == NULL) return EK_FAIL(c->err, RESOURCE_EXHAUSTED, "no memory to compare two lists");
    c->out[0].dim[0] = c->out[1].dim[0] = list_diff(&a, &b, slot, slot + table_cap(b.n));
    ek__free(slot);
    return EK_OK;
}

typedef struct diff_state {
    ek_dtype dtype, place_dtype;
    int64_t n, others, limit;
} diff_state;

static ek_status diff_run(const ek_run_args *a, int64_t chunk)
{
    const diff_state *const d = a->state;
    const slices x = { d->dtype, a->in[X], 1, d->n, 1 }, others = { d->dtype, a->in[OTHERS], 1, d->others, 1 };
    int64_t *const slot = a->scratch, *const left = slot + table_cap(d->others);

    EK_UNUSED(chunk);
    if (list_diff(&x, &others, slot, left) != d->limit)
        return EK_FAIL(a->err, INTERNAL, "what differs changed while it was counted");
    for (int64_t k = 0; k < d->limit; k++) {
        EK_TRY(put_slice(&x, left[k], a->out[0], d->limit, k, a->err));
        ek__store_int(d->place_dtype, a->out[1], k, left[k]);
    }
    return EK_OK;
}

static ek_status diff_prepare(ek_prepare_ctx *c)
{
    diff_state *const d = EK_ARENA_NEW(c->arena, diff_state, 1);

    if (d == NULL) return ek__no_memory(c);
    *d = (diff_state){ c->in_dtype[X], c->out_dtype[1], c->in[X].dim[0], c->in[OTHERS].dim[0], c->out[0].dim[0] };
    c->state = d;
    c->scratch_bytes = (size_t)(table_cap(d->others) + d->n) * sizeof(int64_t);
    ek__add_phase(c, diff_run, d->n > 0);
    return EK_OK;
}

const ek_op_def ek__op_ListDiff = {
    .name = "ListDiff",
    .inputs = "x: T, y: T",
    .outputs = "out: T, idx: out_idx",
    .attrs = "T: type; out_idx: {int32, int64} = int32",
    .shape = diff_shape,
    .prepare = diff_prepare,
    .no_grad_because = "its outputs are places",
};
