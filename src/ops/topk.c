/* ops/topk.c - the largest elements of each row, with their places: TopK, TopKV2. */
#include "ops/elementwise.h"
#include "ops/rules.h"

enum { X, K };
enum { VALUES, PLACES };

typedef struct top_attrs {
    int64_t k;
    bool sorted;
} top_attrs;

static const ek_field fields_v1[] = { EK_FIELD(top_attrs, k, INT), EK_FIELD(top_attrs, sorted, BOOL) };
static const ek_field fields_v2[] = { EK_FIELD(top_attrs, sorted, BOOL) };

/* An element as a number that is larger where it is; equal ones go by place. */
typedef struct entry {
    uint64_t key;
    int64_t place;
} entry;

typedef struct top_state {
    ek_dtype dtype;
    int64_t rows, n, k, rows_per_chunk;
} top_state;

static ek_status k_of(const ek_shape_ctx *c, int64_t *k)
{
    *k = -1;
    if (c->n_in == 1) *k = ((const top_attrs *)c->attrs)->k;
    else if (c->in_value[K] != NULL && c->in_value[K]->count == 1) *k = ek__array_int(c->in_value[K], 0);
    else return ek__want_rank(c, K, 0);
    return *k >= 0 ? EK_OK : EK_FAIL(c->err, INVALID_ARGUMENT, "Need k >= 0, got %lld", (long long)*k);
}

static ek_status top_shape(ek_shape_ctx *c)
{
    const ek_shape *const x = &c->in[X];
    int64_t k;

    if (c->running && x->rank == 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "input must be >= 1-D, got shape %s", EK_CC(x));
    EK_TRY(ek__want_rank_at_least(c, X, 1));
    EK_TRY(k_of(c, &k));
    if (x->rank < 0) return EK_OK;
    const int64_t n = x->dim[x->rank - 1];
    if (n >= 0 && n < k)
        return c->running
                   ? EK_FAIL(c->err, INVALID_ARGUMENT, "input must have at least k columns. Had %lld, needed %lld",
                             (long long)n, (long long)k)
                   : EK_FAIL(c->err, INVALID_ARGUMENT, "input must have last dimension >= k = %lld but is %lld",
                             (long long)k, (long long)n);
    c->out[VALUES] = *x;
    c->out[VALUES].dim[x->rank - 1] = k;
    c->out[PLACES] = c->out[VALUES];
    return EK_OK;
}

static uint64_t key_of(ek_dtype t, const void *x, int64_t i)
{
    const uint64_t top = UINT64_C(1) << 63;
    uint64_t bits = 0;
    double v;

    if (t == EK_UINT64) return ((const uint64_t *)x)[i];
    if (t == EK_FLOAT32 || t == EK_FLOAT64 || t == EK_FLOAT16 || t == EK_BFLOAT16) {
        ek__convert(t, (const char *)x + (size_t)i * ek_dtype_size(t), EK_FLOAT64, &v, 1);
        if (v == 0) v = 0; /* -0.0 is no smaller */
        memcpy(&bits, &v, sizeof bits);
        if (v == 0) bits = 0;
        return (bits & top) != 0 ? ~bits : bits | top;
    }
    ek__convert(t, (const char *)x + (size_t)i * ek_dtype_size(t), EK_INT64, &bits, 1);
    return bits ^ top;
}

static bool before(const entry *a, const entry *b)
{
    return a->key > b->key || (a->key == b->key && a->place < b->place);
}

/* A heap whose root is the last in order; moves entry i of n down to its place. */
static void sift(entry *heap, int64_t n, int64_t i)
{
    const entry moved = heap[i];

    for (int64_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(&heap[child], &heap[child + 1])) child++;
        if (!before(&moved, &heap[child])) break;
        heap[i] = heap[child];
    }
    heap[i] = moved;
}

/* The first k of n in order. */
static void best_of(const top_state *s, const void *row, entry *heap)
{
    for (int64_t i = 0; i < s->k; i++) heap[i] = (entry){ key_of(s->dtype, row, i), i };
    for (int64_t i = s->k / 2 - 1; i >= 0; i--) sift(heap, s->k, i);
    for (int64_t i = s->k; i < s->n; i++) {
        const entry e = { key_of(s->dtype, row, i), i };

        if (!before(&e, &heap[0])) continue;
        heap[0] = e;
        sift(heap, s->k, 0);
    }
    for (int64_t left = s->k - 1; left > 0; left--) {
        const entry last = heap[0];

        heap[0] = heap[left];
        heap[left] = last;
        sift(heap, left, 0);
    }
}

static ek_status top_run(const ek_run_args *a, int64_t chunk)
{
    const top_state *const s = a->state;
    const size_t size = ek_dtype_size(s->dtype);
    const int64_t from = chunk * s->rows_per_chunk;
    const int64_t to = s->rows - from < s->rows_per_chunk ? s->rows : from + s->rows_per_chunk;
    entry *const heap = (entry *)a->scratch + chunk * s->k;

    for (int64_t r = from; r < to; r++) {
        const char *const row = (const char *)a->in[X] + (size_t)(r * s->n) * size;
        char *const values = (char *)a->out[VALUES] + (size_t)(r * s->k) * size;

        best_of(s, row, heap);
        for (int64_t i = 0; i < s->k; i++) {
            memcpy(values + (size_t)i * size, row + (size_t)heap[i].place * size, size);
            ((int32_t *)a->out[PLACES])[r * s->k + i] = (int32_t)heap[i].place;
        }
    }
    return EK_OK;
}

static ek_status top_prepare(ek_prepare_ctx *c)
{
    const ek_shape *const x = &c->in[X];
    top_state *const s = EK_ARENA_NEW(c->arena, top_state, 1);

    if (s == NULL) return ek__no_memory(c);
    if (ek__empty(c)) return EK_OK;
    s->dtype = c->in_dtype[X];
    s->n = x->dim[x->rank - 1];
    s->k = c->out[VALUES].dim[x->rank - 1];
    s->rows = ek_shape_count(&c->out[VALUES]) / s->k;
    s->rows_per_chunk = EK_ELEMENTWISE_CHUNK / s->n + 1;
    const int64_t chunks = (s->rows + s->rows_per_chunk - 1) / s->rows_per_chunk;
    c->scratch_bytes = (size_t)(chunks * s->k) * sizeof(entry);
    c->state = s;
    ek__add_phase(c, top_run, chunks);
    return EK_OK;
}

#define REALS                                                                                                \
    "T: {float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64}"

const ek_op_def ek__op_TopK = {
    .name = "TopK",
    .inputs = "input: T",
    .outputs = "values: T, indices: int32",
    .attrs = "k: int >= 0; sorted: bool = true; " REALS,
    .attrs_size = sizeof(top_attrs),
    .fields = fields_v1,
    .n_fields = EK_COUNT_OF(fields_v1),
    .shape = top_shape,
    .prepare = top_prepare,
};

const ek_op_def ek__op_TopKV2 = {
    .name = "TopKV2",
    .inputs = "input: T, k: int32",
    .outputs = "values: T, indices: int32",
    .attrs = "sorted: bool = true; " REALS,
    .attrs_size = sizeof(top_attrs),
    .fields = fields_v2,
    .n_fields = EK_COUNT_OF(fields_v2),
    .shape = top_shape,
    .prepare = top_prepare,
    .value_inputs = 1u << K,
};
