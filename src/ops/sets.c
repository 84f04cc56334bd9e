/* ops/sets.c - sets along the last dimension, one per group of the others: DenseToDenseSetOperation, SetSize.
 *
 * A result is a sparse tensor: places, values in ascending order within their group, and a shape whose last dimension
 * is the largest set's size. The rule counts it, the run writes it.
 */
#include <stdlib.h>
#include <strings.h>

#include "ops/index.h"
#include "ops/move.h"
#include "ops/rules.h"

enum { SET1, SET2 };
enum { INDICES, VALUES, SHAPE };
enum { LEFT = 1, RIGHT = 2, BOTH = 4 }; /* what a set keeps: elements of set 1 alone, of set 2 alone, of both */

typedef struct set_attrs {
    const char *set_operation;
    bool validate_indices;
} set_attrs;

static const ek_field set_fields[] = { EK_FIELD(set_attrs, set_operation, STRING),
                                       EK_FIELD(set_attrs, validate_indices, BOOL) };

typedef struct sets {
    ek_dtype dtype;
    int keep;
    ek_shape group;
    int64_t groups, n[2];
} sets;

/* One element; a string's bytes are borrowed. */
typedef struct element {
    int64_t number;
    const ek_string *text; /* NULL: a number */
} element;

static int compare(const void *a, const void *b)
{
    const element *const x = a, *const y = b;
    const size_t n = x->text == NULL ? 0 : x->text->size < y->text->size ? x->text->size : y->text->size;
    const int bytes = n > 0 ? memcmp(x->text->data, y->text->data, n) : 0;

    if (x->text == NULL) return (x->number > y->number) - (x->number < y->number);
    if (bytes != 0) return bytes;
    return (x->text->size > y->text->size) - (x->text->size < y->text->size);
}

/* Elements of one group, each once, ascending. Returns their number. */
static int64_t read_set(const sets *s, int which, const void *data, int64_t group, element *out)
{
    const int64_t n = s->n[which], from = group * n;
    int64_t kept = 0;

    for (int64_t i = 0; i < n; i++) {
        out[i] = (element){ 0, NULL };
        if (s->dtype == EK_STRING) out[i].text = (const ek_string *)data + from + i;
        else ek__convert(s->dtype, (const char *)data + (size_t)(from + i) * ek_dtype_size(s->dtype), EK_INT64,
                         &out[i].number, 1);
    }
    if (n > 0) qsort(out, (size_t)n, sizeof *out, compare);
    for (int64_t i = 0; i < n; i++)
        if (kept == 0 || compare(&out[kept - 1], &out[i]) != 0) out[kept++] = out[i];
    return kept;
}

/* room: elements of both sets, then the result, which may have all of them. Returns the result's size. */
static int64_t one_group(const sets *s, const void *const *data, int64_t group, element *room, element **result)
{
    element *const a = room, *const b = room + s->n[SET1], *const out = b + s->n[SET2];
    const int64_t na = read_set(s, SET1, data[SET1], group, a), nb = read_set(s, SET2, data[SET2], group, b);
    int64_t i = 0, j = 0, n = 0;

    while (i < na || j < nb) {
        const int order = i == na ? 1 : j == nb ? -1 : compare(&a[i], &b[j]);

        if (s->keep & (order < 0 ? LEFT : order > 0 ? RIGHT : BOTH)) out[n++] = order > 0 ? b[j] : a[i];
        i += order <= 0;
        j += order >= 0;
    }
    *result = out;
    return n;
}

static size_t room_for(const sets *s) { return (size_t)(2 * (s->n[SET1] + s->n[SET2]) + 1) * sizeof(element); }

/* ---- shapes ------------------------------------------------------------------------------------------ */

static ek_status keep_of(const set_attrs *attrs, int *keep, ek_error *err)
{
    static const struct { const char *name; int keep; } known[] = {
        { "a-b", LEFT }, { "b-a", RIGHT }, { "intersection", BOTH }, { "union", LEFT | RIGHT | BOTH } };

    for (int i = 0; i < EK_COUNT_OF(known); i++)
        if (strcasecmp(attrs->set_operation, known[i].name) == 0) {
            *keep = known[i].keep;
            return EK_OK;
        }
    return EK_FAIL(err, INVALID_ARGUMENT, "Invalid set_operation %s.", attrs->set_operation);
}

/* The dimensions before the last. */
static ek_shape group_of(const ek_shape *s)
{
    ek_shape group = *s;

    if (group.rank > 0) group.rank--;
    return group;
}

static ek_status fit(const ek_shape_ctx *c)
{
    const ek_shape a = group_of(&c->in[SET1]), b = group_of(&c->in[SET2]);

    for (int i = 0; i < 2; i++)
        if (c->in[i].rank >= 0 && c->in[i].rank < 2)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Shape %s has rank %d < 2", EK_CC(&c->in[i]), c->in[i].rank);
    if (!ek_shape_compatible(&a, &b))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Mismatched shapes %s vs %s", EK_CC(&a), EK_CC(&b));
    return EK_OK;
}

static sets sets_of(ek_dtype t, const ek_shape *a, const ek_shape *b, int keep)
{
    const ek_shape group = group_of(a);

    return (sets){ t, keep, group, ek_shape_count(&group), { a->dim[a->rank - 1], b->dim[b->rank - 1] } };
}

/* How many there are. */
static ek_status count(const ek_shape_ctx *c, int64_t *n)
{
    const ek_array *const a = c->in_value[SET1], *const b = c->in_value[SET2];
    const void *const data[] = { a->data, b->data };
    sets s = sets_of(a->dtype, &a->shape, &b->shape, 0);
    element *room, *result;

    EK_TRY(keep_of(c->attrs, &s.keep, c->err));
    room = ek__alloc(room_for(&s));
    if (room == NULL) return EK_FAIL(c->err, RESOURCE_EXHAUSTED, "no memory to compare sets");
    *n = 0;
    for (int64_t g = 0; g < s.groups; g++) *n += one_group(&s, data, g, room, &result);
    ek__free(room);
    return EK_OK;
}

static ek_status set_shape(ek_shape_ctx *c)
{
    const ek_shape *const a = &c->in[SET1], *const b = &c->in[SET2];
    const int32_t rank = a->rank >= 0 ? a->rank : b->rank;
    ek_shape both;
    int64_t n = -1;

    if (c->running) EK_TRY(fit(c));
    EK_TRY(ek__want_rank_at_least(c, a->rank >= 0 ? SET1 : SET2, 2));
    if (rank >= 0) EK_TRY(ek__want_rank(c, SET2, rank));
    if (a->rank >= 0 && b->rank >= 0) {
        const ek_shape x = group_of(a), y = group_of(b);
        EK_TRY(ek__merge_shapes(c, &x, &y, &both));
    }
    if (c->in_value[SET1] != NULL && c->in_value[SET2] != NULL) EK_TRY(count(c, &n));
    c->out[INDICES] = ek__unknown_dims(2);
    c->out[INDICES].dim[0] = n;
    c->out[INDICES].dim[1] = rank;
    c->out[VALUES] = ek__vector(n);
    c->out[SHAPE] = ek__vector(rank);
    return EK_OK;
}

/* ---- running ------------------------------------------------------------------------------------------- */

typedef struct set_state {
    sets s;
    int64_t limit;
} set_state;

/* The place of element k of a group: the group's own, then k. */
static void put_place(const sets *s, int64_t group, int64_t k, int64_t *place)
{
    for (int32_t d = s->group.rank - 1; d >= 0; d--) {
        place[d] = group % s->group.dim[d];
        group /= s->group.dim[d];
    }
    place[s->group.rank] = k;
}

static ek_status put_value(const sets *s, const element *e, void *values, int64_t at, ek_error *err)
{
    char *const to = (char *)values + (size_t)at * ek_dtype_size(s->dtype);

    if (e->text != NULL) return ek__move(EK_STRING, to, e->text, 1, err);
    ek__convert(EK_INT64, &e->number, s->dtype, to, 1);
    return EK_OK;
}

static ek_status set_run(const ek_run_args *a, int64_t chunk)
{
    const set_state *const state = a->state;
    const sets *const s = &state->s;
    const int32_t rank = s->group.rank + 1;
    int64_t *const shape = a->out[SHAPE], at = 0;
    element *result;

    EK_UNUSED(chunk);
    for (int32_t d = 0; d < s->group.rank; d++) shape[d] = s->group.dim[d];
    shape[rank - 1] = 0;
    for (int64_t g = 0; g < s->groups; g++) {
        const int64_t n = one_group(s, a->in, g, a->scratch, &result);

        if (n > state->limit - at) return EK_FAIL(a->err, INTERNAL, "sets changed while they were counted");
        for (int64_t k = 0; k < n; k++, at++) {
            put_place(s, g, k, (int64_t *)a->out[INDICES] + at * rank);
            EK_TRY(put_value(s, &result[k], a->out[VALUES], at, a->err));
        }
        if (n > shape[rank - 1]) shape[rank - 1] = n;
    }
    return at == state->limit ? EK_OK : EK_FAIL(a->err, INTERNAL, "sets changed while they were counted");
}

static ek_status set_prepare(ek_prepare_ctx *c)
{
    set_state *const state = EK_ARENA_NEW(c->arena, set_state, 1);

    if (state == NULL) return ek__no_memory(c);
    state->s = sets_of(c->in_dtype[SET1], &c->in[SET1], &c->in[SET2], 0);
    state->limit = c->out[VALUES].dim[0];
    EK_TRY(keep_of(c->attrs, &state->s.keep, c->err));
    c->state = state;
    c->scratch_bytes = room_for(&state->s);
    ek__add_phase(c, set_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_DenseToDenseSetOperation = {
    .name = "DenseToDenseSetOperation",
    .inputs = "set1: T, set2: T",
    .outputs = "result_indices: int64, result_values: T, result_shape: int64",
    .attrs = "set_operation: string; validate_indices: bool = true; T: {int8, int16, int32, int64, uint8, uint16, string}",
    .attrs_size = sizeof(set_attrs),
    .fields = set_fields,
    .n_fields = EK_COUNT_OF(set_fields),
    .shape = set_shape,
    .prepare = set_prepare,
    .no_grad_because = "its inputs are integers or strings",
};

/* ---- SetSize -------------------------------------------------------------------------------------------- */

/* Ports are those of a result: INDICES, VALUES, SHAPE. */

static ek_status size_sizes(const ek_shape_ctx *c)
{
    const ek_shape *const places = &c->in[INDICES], *const values = &c->in[VALUES], *const shape = &c->in[SHAPE];

    if (shape->rank != 1) return EK_FAIL(c->err, INVALID_ARGUMENT, "Shape must be a 1D tensor.");
    if (places->rank != 2)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "indices must be a matrix, but got: %s", EK_CC(places));
    if (values->rank != 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "values must be a vector, but got: %s", EK_CC(values));
    if (places->dim[0] != values->dim[0])
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "indices and values rows (indexing dimension) must match. (indices = %lld, values = %lld)",
                       (long long)places->dim[0], (long long)values->dim[0]);
    if (shape->dim[0] < 2) return EK_FAIL(c->err, INVALID_ARGUMENT, "Invalid rank %lld.", (long long)shape->dim[0]);
    if (places->dim[1] != shape->dim[0] || shape->dim[0] > EK_MAX_RANK)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Order length must be SparseTensor rank.");
    return EK_OK;
}

/* While building TensorFlow says nothing. */
static ek_status size_shape(ek_shape_ctx *c)
{
    ek_shape whole;

    if (!c->running) return EK_OK;
    EK_TRY(size_sizes(c));
    EK_TRY(ek__input_as_full_shape(c, SHAPE, &whole));
    if (whole.rank >= 0) c->out[0] = group_of(&whole);
    return EK_OK;
}

typedef struct size_state {
    sets s;
    ek_shape shape;
    int64_t rows;
} size_state;

/* "[0,1]" */
static void format_place(const int64_t *place, int32_t rank, char *text, size_t size)
{
    ek_shape s = { .rank = rank };

    for (int32_t d = 0; d < rank; d++) s.dim[d] = place[d];
    ek_shape_format_cc(&s, text, size);
}

/* Places lie inside the shape, in order, each once. */
static ek_status check_place(const size_state *state, const int64_t *places, int64_t row, ek_error *err)
{
    const int32_t rank = state->shape.rank;
    const int64_t *const at = places + row * rank;
    int64_t order = row == 0 ? 1 : 0;
    char text[400];

    format_place(at, rank, text, sizeof text);
    for (int32_t d = 0; d < rank; d++) {
        if (at[d] < 0 || at[d] >= state->shape.dim[d])
            return EK_FAIL(err, INVALID_ARGUMENT, "indices[%lld] = %s is out of bounds: need 0 <= index < %s", (long long)row,
                           text, EK_CC(&state->shape));
        if (order == 0) order = at[d] - at[d - rank];
    }
    if (order > 0) return EK_OK;
    if (order == 0) return EK_FAIL(err, INVALID_ARGUMENT, "indices[%lld] = %s is repeated", (long long)row, text);
    return EK_FAIL(err, INVALID_ARGUMENT, "indices[%lld] = %s is out of order. Many sparse ops require sorted indices.",
                   (long long)row, text);
}

static int64_t group_at(const size_state *state, const int64_t *place)
{
    int64_t group = 0;

    for (int32_t d = 0; d < state->s.group.rank; d++) group = group * state->s.group.dim[d] + place[d];
    return group;
}

/* Rows of a group stand together, as they are in order. */
static ek_status size_run(const ek_run_args *a, int64_t chunk)
{
    const size_state *const state = a->state;
    const int64_t *const places = a->in[INDICES];
    int32_t *const size = a->out[0];
    const int32_t rank = state->shape.rank;

    EK_UNUSED(chunk);
    for (int64_t g = 0; g < state->s.groups; g++) size[g] = 0;
    for (int64_t row = 0; row < state->rows; row++) EK_TRY(check_place(state, places, row, a->err));
    for (int64_t row = 0, end; row < state->rows; row = end) {
        const int64_t g = group_at(state, places + row * rank);
        sets one = state->s;

        for (end = row + 1; end < state->rows && group_at(state, places + end * rank) == g;) end++;
        one.n[0] = end - row;
        size[g] = (int32_t)read_set(&one, 0, (const char *)a->in[VALUES] + (size_t)row * ek_dtype_size(one.dtype), 0,
                                    a->scratch);
    }
    return EK_OK;
}

static ek_status size_prepare(ek_prepare_ctx *c)
{
    size_state *const state = EK_ARENA_NEW(c->arena, size_state, 1);

    if (state == NULL) return ek__no_memory(c);
    state->rows = c->in[VALUES].dim[0];
    state->shape = (ek_shape){ .rank = (int32_t)c->in[SHAPE].dim[0] };
    for (int32_t d = 0; d < state->shape.rank; d++) state->shape.dim[d] = ek__array_int(c->in_value[SHAPE], d);
    state->s = (sets){ .dtype = c->in_dtype[VALUES], .group = group_of(&state->shape),
                       .groups = ek_shape_count(&c->out[0]) };
    c->state = state;
    c->scratch_bytes = (size_t)(state->rows + 1) * sizeof(element);
    ek__add_phase(c, size_run, 1);
    return EK_OK;
}

static const ek_field size_fields[] = { EK_FIELD(set_attrs, validate_indices, BOOL) };

const ek_op_def ek__op_SetSize = {
    .name = "SetSize",
    .inputs = "set_indices: int64, set_values: T, set_shape: int64",
    .outputs = "size: int32",
    .attrs = "validate_indices: bool = true; T: {int8, int16, int32, int64, uint8, uint16, string}",
    .attrs_size = sizeof(set_attrs),
    .fields = size_fields,
    .n_fields = EK_COUNT_OF(size_fields),
    .shape = size_shape,
    .value_inputs = 1u << SHAPE,
    .prepare = size_prepare,
    .no_grad_because = "its output is a number of elements",
};
