/* ops/segment.c - rows joined by the segment they belong to: SegmentSum and kin, over sorted ids; UnsortedSegment...;
 * SparseSegment..., which takes the rows by index. */
#include <float.h>
#include <math.h>

#include "ops/index.h"
#include "ops/move.h"
#include "ops/rules.h"
#include "ops/scatter.h"
#include "ops/walk.h"

/* ---- sorted ids ------------------------------------------------------------------------------------------ */

typedef enum segment_end { PLAIN, MEAN, ROOT_MEAN } segment_end;

/* Data is rows of `width`; a segment is a run of equal ids; segments that nobody has are `gap`. */
typedef struct segment_state {
    ek_scatter s; /* its loop and types */
    segment_end end;
    ek_elementwise_fn div;
    uint64_t gap[2];
    int ids, indices;  /* which inputs; indices 0: row i of the data is for id i */
    ek_dtype id_dtype;
    int64_t n, width, rows, segments;
} segment_state;

static ek_status segments_of(ek_shape_ctx *c, int ids, int64_t *segments)
{
    const ek_array *const v = c->in_value[ids];

    *segments = -1;
    if (v == NULL) return EK_OK;
    const int64_t last = v->count > 0 ? ek__array_int(v, v->count - 1) : -1;
    if (v->count > 0 && last < 0) return EK_FAIL(c->err, INVALID_ARGUMENT, "segment ids must be >= 0");
    if (last >= INT32_MAX) return EK_FAIL(c->err, INVALID_ARGUMENT, "segment id %lld is too large", (long long)last);
    *segments = last + 1;
    return EK_OK;
}

static ek_status segment_rule(ek_shape_ctx *c, int ids, int rows, const char *unequal)
{
    const ek_shape *const data = &c->in[0], *const id = &c->in[ids], *const row = &c->in[rows];
    int64_t segments;

    EK_TRY(ek__want_rank_at_least(c, 0, 1));
    EK_TRY(ek__want_rank(c, ids, 1));
    if (rows != 0) EK_TRY(ek__want_rank(c, rows, 1));
    if (id->rank == 1 && row->rank > 0 && id->dim[0] >= 0 && row->dim[0] >= 0 && id->dim[0] != row->dim[0])
        return c->running ? EK_FAIL(c->err, INVALID_ARGUMENT, "%s", unequal)
                          : EK_FAIL(c->err, INVALID_ARGUMENT, "Dimensions must be equal, but are %lld and %lld",
                                    (long long)row->dim[0], (long long)id->dim[0]);
    EK_TRY(segments_of(c, ids, &segments));
    c->out[0] = *data;
    if (data->rank > 0) c->out[0].dim[0] = segments;
    return EK_OK;
}

static ek_status segment_shape(ek_shape_ctx *c)
{
    return segment_rule(c, 1, 0, "segment_ids should be the same size as dimension 0 of input.");
}

static ek_status sparse_segment_shape(ek_shape_ctx *c)
{
    return segment_rule(c, 2, 1, "segment_ids and indices should have same size.");
}

static int64_t id_at(const segment_state *s, const ek_run_args *a, int64_t i)
{
    return ek__get_int(s->id_dtype, a->in[s->ids], i);
}

static int64_t source_of(const segment_state *s, const ek_run_args *a, int64_t i)
{
    return s->indices > 0 ? ek__get_int(s->s.index_dtype, a->in[s->indices], i) : i;
}

static ek_status segment_check(const ek_run_args *a, int64_t chunk)
{
    const segment_state *const s = a->state;

    EK_UNUSED(chunk);
    for (int64_t i = 0; i < s->n; i++)
        if (id_at(s, a, i) < (i > 0 ? id_at(s, a, i - 1) : 0))
            return EK_FAIL(a->err, INVALID_ARGUMENT, "segment ids are not increasing");
    for (int64_t i = 0; i < s->n; i++) {
        const int64_t id = id_at(s, a, i), row = source_of(s, a, i);

        if (id >= s->segments)
            return EK_FAIL(a->err, INVALID_ARGUMENT, "Segment id %lld out of range [0, %lld)", (long long)id,
                           (long long)s->segments);
        if (row < 0 || row >= s->rows)
            return EK_FAIL(a->err, INVALID_ARGUMENT, "Bad: indices[%lld] == %lld out of range [0, %lld)", (long long)i,
                           (long long)row, (long long)s->rows);
    }
    return EK_OK;
}

/* The first place whose id is `id` or more. */
static int64_t first_of(const segment_state *s, const ek_run_args *a, int64_t id)
{
    int64_t low = 0, high = s->n;

    while (low < high) {
        const int64_t middle = low + (high - low) / 2;

        if (id_at(s, a, middle) < id) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* Rows [from, to) into one. */
static ek_status join_rows(const segment_state *s, const ek_run_args *a, int64_t from, int64_t to, char *out)
{
    static const int each[2] = { 1, 1 }, by_one[2] = { 1, 0 };
    const size_t row_bytes = (size_t)s->width * ek_dtype_size(s->s.dtype);
    const char *const data = a->in[0];
    const double count = s->end == ROOT_MEAN ? sqrt((double)(to - from)) : (double)(to - from);
    uint64_t divisor[2] = { 0 };

    memcpy(out, data + (size_t)source_of(s, a, from) * row_bytes, row_bytes);
    for (int64_t i = from + 1; i < to; i++)
        s->s.loop(s->width, (const void *const[]){out, data + (size_t)source_of(s, a, i) * row_bytes}, each, out, NULL);
    if (s->end == PLAIN) return EK_OK;
    ek__convert(EK_FLOAT64, &count, s->s.dtype, divisor, 1);
    s->div(s->width, (const void *const[]){ out, divisor }, by_one, out, NULL);
    return EK_OK;
}

static ek_status segment_run(const ek_run_args *a, int64_t chunk)
{
    const segment_state *const s = a->state;
    const int64_t from = ek__part_begin(s->segments, s->s.chunks, chunk), to = ek__part_begin(s->segments, s->s.chunks, chunk + 1);
    const size_t row_bytes = (size_t)s->width * ek_dtype_size(s->s.dtype);
    int64_t i = first_of(s, a, from);

    for (int64_t id = from; id < to; id++) {
        char *const out = (char *)a->out[0] + (size_t)id * row_bytes;
        const int64_t first = i;

        while (i < s->n && id_at(s, a, i) == id) i++;
        if (i > first) EK_TRY(join_rows(s, a, first, i, out));
        else ek__fill_elements(s->s.dtype, out, s->width, s->gap);
    }
    return EK_OK;
}

static ek_status segment_prepare(ek_prepare_ctx *c, ek_scatter_op op, segment_end end, double gap, bool sparse)
{
    segment_state *const s = EK_ARENA_NEW(c->arena, segment_state, 1);
    const ek_shape *const data = &c->in[0];
    const ek_dtype t = c->out_dtype[0];

    if (s == NULL) return ek__no_memory(c);
    EK_TRY(ek__scatter_init(&s->s, c, op, t));
    s->end = end;
    s->div = ek__loop(ek__loop(&ek__loops_div, t) != NULL ? &ek__loops_div : &ek__loops_trunc_div, t);
    ek__convert(EK_FLOAT64, &gap, t, s->gap, 1);
    s->ids = sparse ? 2 : 1;
    s->indices = sparse ? 1 : 0;
    s->id_dtype = c->in_dtype[s->ids];
    s->s.index_dtype = c->in_dtype[s->indices];
    s->n = c->in[s->ids].dim[0];
    s->rows = data->dim[0];
    s->segments = c->out[0].dim[0];
    s->width = ek_shape_count(&c->out[0]) > 0 ? ek__dims(data, 1, data->rank) : 0;
    ek__scatter_size(&s->s, s->n > s->segments ? s->n : s->segments, s->width);
    c->state = s;
    ek__add_phase(c, segment_check, 1);
    ek__add_phase(c, segment_run, s->s.chunks);
    return EK_OK;
}

/* ---- unsorted ids ------------------------------------------------------------------------------------------ */

enum { DATA, IDS, NUM };

static ek_status unsorted_shape(ek_shape_ctx *c)
{
    const ek_shape *const data = &c->in[DATA], *const ids = &c->in[IDS];
    const ek_array *const num = c->in_value[NUM];
    const int64_t n = num != NULL && num->count == 1 ? ek__array_int(num, 0) : -1;
    ek_shape rest = EK_SCALAR;

    EK_TRY(ek__want_rank(c, NUM, 0));
    if (num != NULL && n < 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Input num_segments == %lld must not be negative.", (long long)n);
    if (data->rank < 0 || ids->rank < 0) return EK_OK;
    bool starts = data->rank >= ids->rank;
    for (int32_t d = 0; starts && d < ids->rank; d++)
        starts = data->dim[d] == ids->dim[d] || data->dim[d] < 0 || ids->dim[d] < 0;
    if (!starts)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "data.shape = %s does not start with segment_ids.shape = %s",
                       EK_CC(data), EK_CC(ids));
    for (int32_t d = ids->rank; d < data->rank; d++) rest.dim[rest.rank++] = data->dim[d];
    return ek__insert_dim(c, &rest, 0, n, &c->out[0]);
}

typedef struct unsorted_state {
    ek_scatter s;
    ek_shape target;
    uint64_t start[2];
    int64_t count;
} unsorted_state;

static ek_status unsorted_open(const ek_run_args *a, int64_t chunk)
{
    const unsorted_state *const s = a->state;

    EK_UNUSED(chunk);
    for (int64_t i = 0; i < s->s.n; i++) {
        const int64_t id = ek__get_int(s->s.index_dtype, a->in[IDS], i);

        if (id >= s->target.dim[0])
            return EK_FAIL(a->err, INVALID_ARGUMENT, "segment_ids%s = %lld is out of range [0, %lld)",
                           EK_AT(&s->s.places, i), (long long)id, (long long)s->target.dim[0]);
    }
    ek__fill_elements(s->s.dtype, a->out[0], s->count, s->start);
    return EK_OK;
}

static ek_status unsorted_run(const ek_run_args *a, int64_t chunk)
{
    const unsorted_state *const s = a->state;

    return ek__scatter_chunk(&s->s, &s->target, a->in[IDS], a->in[DATA], a->out[0], chunk, a->err);
}

/* The number that loses against every other in a maximum; in a minimum where `top`. */
static void extreme(ek_dtype t, bool top, uint64_t *out)
{
    const bool is_unsigned = t == EK_UINT8 || t == EK_UINT16 || t == EK_UINT32 || t == EK_UINT64;
    const double sign = top ? 1 : -1;
    const int bits = 8 * (int)ek_dtype_size(t);
    double v = t == EK_FLOAT64 ? DBL_MAX : t == EK_FLOAT32 ? (double)FLT_MAX : t == EK_FLOAT16 ? 65504.0 : 0x1.fep127;

    v *= sign;
    if (t == EK_FLOAT32 || t == EK_FLOAT64 || t == EK_FLOAT16 || t == EK_BFLOAT16)
        ek__convert(EK_FLOAT64, &v, t, out, 1);
    else if (is_unsigned)
        out[0] = top ? UINT64_MAX : 0;
    else
        out[0] = top ? UINT64_MAX >> (65 - bits) : UINT64_C(1) << (bits - 1);
}

static ek_status unsorted_prepare(ek_prepare_ctx *c, ek_scatter_op op)
{
    unsorted_state *const s = EK_ARENA_NEW(c->arena, unsorted_state, 1);
    const ek_shape *const data = &c->in[DATA], *const ids = &c->in[IDS];
    const double start = op == EK_SCATTER_MUL ? 1 : 0;

    if (s == NULL) return ek__no_memory(c);
    EK_TRY(ek__scatter_init(&s->s, c, op, c->out_dtype[0]));
    s->s.index_dtype = c->in_dtype[IDS];
    s->s.places = *ids;
    s->target = c->out[0];
    s->count = ek_shape_count(&c->out[0]);
    if (op == EK_SCATTER_MIN || op == EK_SCATTER_MAX) extreme(s->s.dtype, op == EK_SCATTER_MIN, s->start);
    else ek__convert(EK_FLOAT64, &start, s->s.dtype, s->start, 1);
    ek__scatter_size(&s->s, ek_shape_count(ids), ek_shape_count(data) > 0 ? ek__dims(data, ids->rank, data->rank) : 0);
    c->state = s;
    ek__add_phase(c, unsorted_open, 1);
    ek__add_phase(c, unsorted_run, s->s.chunks);
    return EK_OK;
}

/* ---- gradients of the means by index ------------------------------------------------------------------------ */

enum { GRAD, INDICES, SEGMENTS, ROWS };

static ek_status mean_grad_shape(ek_shape_ctx *c)
{
    const ek_array *const rows = c->in_value[ROWS];

    EK_TRY(ek__want_rank_at_least(c, GRAD, 1));
    EK_TRY(ek__want_rank(c, INDICES, 1));
    EK_TRY(ek__want_rank(c, SEGMENTS, 1));
    EK_TRY(ek__want_rank(c, ROWS, 0));
    if (c->running && c->in[INDICES].dim[0] != c->in[SEGMENTS].dim[0])
        return EK_FAIL(c->err, INVALID_ARGUMENT, "segment_ids and indices should have same size.");
    c->out[0] = c->in[GRAD];
    if (c->in[GRAD].rank < 0) return EK_OK;
    c->out[0].dim[0] = rows != NULL ? ek__array_int(rows, 0) : -1;
    if (rows != NULL && c->out[0].dim[0] < 0) return EK_FAIL(c->err, INVALID_ARGUMENT, "Cannot specify a negative value for output_dim0");
    return EK_OK;
}

typedef struct mean_grad_state {
    ek_dtype dtype, index_dtype;
    bool root;
    int64_t n, width, segments, rows;
} mean_grad_state;

/* Adds row `id` of the gradient, divided by `by`, to a row of the output. */
static void add_row(const mean_grad_state *s, const ek_run_args *a, int64_t id, int64_t row, double by)
{
    for (int64_t i = 0; i < s->width; i++) {
        if (s->dtype == EK_FLOAT64)
            ((double *)a->out[0])[row * s->width + i] += ((const double *)a->in[GRAD])[id * s->width + i] / by;
        else
            ((float *)a->out[0])[row * s->width + i] += ((const float *)a->in[GRAD])[id * s->width + i] / (float)by;
    }
}

static ek_status mean_grad_run(const ek_run_args *a, int64_t chunk)
{
    const mean_grad_state *const s = a->state;
    const int32_t *const id = a->in[SEGMENTS];
    int64_t *const count = a->scratch;

    EK_UNUSED(chunk);
    memset(count, 0, (size_t)s->segments * sizeof *count);
    memset(a->out[0], 0, (size_t)(s->rows * s->width) * ek_dtype_size(s->dtype));
    for (int64_t i = 0; i < s->n; i++) {
        if (id[i] < 0 || id[i] >= s->segments)
            return EK_FAIL(a->err, INVALID_ARGUMENT, "Segment id %d out of range [0, %lld).", id[i], (long long)s->segments);
        count[id[i]]++;
    }
    for (int64_t i = 0; i < s->n; i++) {
        const int64_t row = ek__get_int(s->index_dtype, a->in[INDICES], i);
        if (row < 0 || row >= s->rows)
            return EK_FAIL(a->err, INVALID_ARGUMENT, "Index %lld out of range [0, %lld).", (long long)row, (long long)s->rows);
        add_row(s, a, id[i], row, s->root ? sqrt((double)count[id[i]]) : (double)count[id[i]]);
    }
    return EK_OK;
}

static ek_status mean_grad_prepare(ek_prepare_ctx *c, bool root)
{
    mean_grad_state *const s = EK_ARENA_NEW(c->arena, mean_grad_state, 1);
    const ek_shape *const dy = &c->in[GRAD];

    if (s == NULL) return ek__no_memory(c);
    *s = (mean_grad_state){ .dtype = c->out_dtype[0], .index_dtype = c->in_dtype[INDICES], .root = root,
                            .n = c->in[INDICES].dim[0], .segments = dy->dim[0], .rows = c->out[0].dim[0] };
    s->width = ek__dims(dy, 1, dy->rank);
    c->state = s;
    c->scratch_bytes = (size_t)s->segments * sizeof(int64_t);
    if (ek_shape_count(&c->out[0]) > 0) ek__add_phase(c, mean_grad_run, 1);
    return EK_OK;
}

/* ---- definitions --------------------------------------------------------------------------------------------- */

#define NUMBERS                                                                                              \
    "T: {float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, "      \
    "uint16, complex128, half, uint32, uint64}; "
#define REALS                                                                                                \
    "T: {float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64}; "
#define INDEX_TYPES "Tindices: {int32, int64}"

#define SEGMENT(Name, op, end, gap, types)                                                                   \
    static ek_status Name##_prepare(ek_prepare_ctx *c) { return segment_prepare(c, op, end, gap, false); }    \
    const ek_op_def ek__op_##Name = {                                                                         \
        .name = #Name, .inputs = "data: T, segment_ids: Tindices", .outputs = "output: T",                    \
        .attrs = types INDEX_TYPES, .shape = segment_shape, .prepare = Name##_prepare,                        \
    };
SEGMENT(SegmentMax, EK_SCATTER_MAX, PLAIN, 0, REALS)
SEGMENT(SegmentMean, EK_SCATTER_ADD, MEAN, 0, NUMBERS)
SEGMENT(SegmentMin, EK_SCATTER_MIN, PLAIN, 0, REALS)
SEGMENT(SegmentProd, EK_SCATTER_MUL, PLAIN, 1, NUMBERS)
SEGMENT(SegmentSum, EK_SCATTER_ADD, PLAIN, 0, NUMBERS)

#define SPARSE_SEGMENT(Name, end, types)                                                                     \
    static ek_status Name##_prepare(ek_prepare_ctx *c) { return segment_prepare(c, EK_SCATTER_ADD, end, 0, true); } \
    const ek_op_def ek__op_##Name = {                                                                         \
        .name = #Name, .inputs = "data: T, indices: Tidx, segment_ids: int32", .outputs = "output: T",        \
        .attrs = types "Tidx: {int32, int64} = int32", .shape = sparse_segment_shape,                         \
        .prepare = Name##_prepare,                                                                            \
    };
SPARSE_SEGMENT(SparseSegmentMean, MEAN, "T: {float, double}; ")
SPARSE_SEGMENT(SparseSegmentSqrtN, ROOT_MEAN, "T: {float, double}; ")
SPARSE_SEGMENT(SparseSegmentSum, PLAIN, REALS)

#define UNSORTED(Name, op, types)                                                                            \
    static ek_status Name##_prepare(ek_prepare_ctx *c) { return unsorted_prepare(c, op); }                    \
    const ek_op_def ek__op_##Name = {                                                                         \
        .name = #Name, .inputs = "data: T, segment_ids: Tindices, num_segments: Tnumsegments",                \
        .outputs = "output: T", .attrs = types INDEX_TYPES "; Tnumsegments: {int32, int64} = int32",          \
        .shape = unsorted_shape, .prepare = Name##_prepare, .value_inputs = 1u << NUM,                        \
    };
UNSORTED(UnsortedSegmentMax, EK_SCATTER_MAX, REALS)
UNSORTED(UnsortedSegmentMin, EK_SCATTER_MIN, REALS)
UNSORTED(UnsortedSegmentProd, EK_SCATTER_MUL, NUMBERS)
UNSORTED(UnsortedSegmentSum, EK_SCATTER_ADD, NUMBERS)

#define MEAN_GRAD(Name, root)                                                                                \
    static ek_status Name##_prepare(ek_prepare_ctx *c) { return mean_grad_prepare(c, root); }                 \
    const ek_op_def ek__op_##Name = {                                                                         \
        .name = #Name, .inputs = "grad: T, indices: Tidx, segment_ids: int32, output_dim0: int32",            \
        .outputs = "output: T", .attrs = "T: {float, double}; Tidx: {int32, int64} = int32",                  \
        .shape = mean_grad_shape, .prepare = Name##_prepare, .value_inputs = 1u << ROWS,                      \
    };
MEAN_GRAD(SparseSegmentMeanGrad, false)
MEAN_GRAD(SparseSegmentSqrtNGrad, true)
