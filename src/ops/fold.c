/* ops/fold.c - folding over axes: how an array is cut for the one loop of kernels/reduce_lv.c.
 *
 * Axes of size 1 vanish and neighbours of one kind merge, which leaves kept and reduced
 * groups in turn. The innermost ones are a block of `rows` rows of w kept columns (w is 1
 * where the last group is reduced). A block narrower than 16 columns is read as fewer rows
 * of k * w numbers, a multiple of 16, whose k parts are joined at the end; a wide one is cut into tiles. The
 * groups outside become ko * ro blocks: ro of them are folded into each of ko results. A
 * long fold is cut into parts, joined in order by a second phase.
 */
#include <math.h>

#include "kernels/kernels.h"
#include "ops/fold.h"

enum { MAX_GROUPS = EK_MAX_RANK / 2 + 1, LANES = 16, TILE = 256, PART = 65536, OUT_BATCH = 64 };

typedef void (*fold_fn)(int64_t rows, int64_t stride, int64_t w, const void *x, void *acc);

/* Accumulators: double, int64, uint64 or two doubles. */
typedef enum acc_kind { ACC_NONE, ACC_F, ACC_I, ACC_U, ACC_C } acc_kind;

typedef struct group {
    int64_t size, stride;
} group;

typedef struct fold_state {
    fold_fn fold, join;
    ek_fold_op op;
    ek_fold_end end;
    acc_kind acc;
    ek_dtype dtype, acc_dtype;
    size_t size, acc_size;
    int64_t count;              /* elements folded into one output */
    int nk, nr;
    group kept[MAX_GROUPS], reduced[MAX_GROUPS]; /* outside the block, innermost first */
    int64_t ko, ro;
    int64_t w, k, rows, tail;   /* a block: rows of k * w, then one of tail numbers (0: none) */
    int64_t tile, tiles;        /* columns at a time; one tile where k > 1 */
    int64_t part, parts;        /* rows (tails count) of all ro blocks per part */
    int64_t units, batch;       /* ko * tiles; units per chunk */
} fold_state;

/* ---- which loop ----------------------------------------------------------------------- */

#define REAL_LOOPS(t)                                                                                                  \
    {                                                                                                                  \
        offsetof(ek_kernels, reduce_max_##t), offsetof(ek_kernels, reduce_min_##t),                                    \
            offsetof(ek_kernels, reduce_prod_##t), offsetof(ek_kernels, reduce_sum_##t),                               \
            offsetof(ek_kernels, reduce_sumsq_##t)                                                                     \
    }
#define COMPLEX_LOOPS(t)                                                                         \
    { 0, 0, offsetof(ek_kernels, reduce_prod_##t), offsetof(ek_kernels, reduce_sum_##t),         \
      offsetof(ek_kernels, reduce_sumsq_##t) }

static const struct {
    acc_kind acc;
    size_t loop[EK_FOLD_OPS]; /* places in the kernel table; 0: none */
} by_dtype[EK_DTYPE_COUNT] = {
    [EK_FLOAT16] = { ACC_F, REAL_LOOPS(f16) },   [EK_BFLOAT16] = { ACC_F, REAL_LOOPS(bf16) },
    [EK_FLOAT32] = { ACC_F, REAL_LOOPS(f32) },   [EK_FLOAT64] = { ACC_F, REAL_LOOPS(f64) },
    [EK_INT8] = { ACC_I, REAL_LOOPS(i8) },       [EK_INT16] = { ACC_I, REAL_LOOPS(i16) },
    [EK_INT32] = { ACC_I, REAL_LOOPS(i32) },     [EK_INT64] = { ACC_I, REAL_LOOPS(i64) },
    [EK_UINT8] = { ACC_U, REAL_LOOPS(u8) },      [EK_UINT16] = { ACC_U, REAL_LOOPS(u16) },
    [EK_UINT32] = { ACC_U, REAL_LOOPS(u32) },    [EK_UINT64] = { ACC_U, REAL_LOOPS(u64) },
    [EK_COMPLEX64] = { ACC_C, COMPLEX_LOOPS(c64) }, [EK_COMPLEX128] = { ACC_C, COMPLEX_LOOPS(c128) },
    [EK_BOOL] = { ACC_U, REAL_LOOPS(u8) },
};

static fold_fn loop_at(size_t place)
{
    fold_fn fn;
    memcpy(&fn, (const char *)ek__kernels() + place, sizeof fn);
    return fn;
}

static ek_status pick_loops(fold_state *s, ek_error *err)
{
    static const ek_dtype acc_dtype[] = { [ACC_F] = EK_FLOAT64, [ACC_I] = EK_INT64, [ACC_U] = EK_UINT64,
                                          [ACC_C] = EK_COMPLEX128 };
    const size_t place = (int)s->dtype < EK_DTYPE_COUNT ? by_dtype[s->dtype].loop[s->op] : 0;

    if (place == 0) return EK_FAIL(err, UNIMPLEMENTED, "no such reduction of %s", ek_dtype_name(s->dtype));
    s->acc = by_dtype[s->dtype].acc;
    s->acc_dtype = acc_dtype[s->acc];
    s->size = ek_dtype_size(s->dtype);
    s->acc_size = ek_dtype_size(s->acc_dtype);
    s->fold = loop_at(place);
    s->join = loop_at(by_dtype[s->acc_dtype].loop[s->op == EK_FOLD_SUMSQ ? EK_FOLD_SUM : s->op]);
    return EK_OK;
}

/* ---- accumulators ---------------------------------------------------------------------- */

static void acc_clear(const fold_state *s, int64_t n, void *acc)
{
    static const double f[EK_FOLD_OPS] = { -(double)INFINITY, (double)INFINITY, 1, 0, 0 };
    static const int64_t i[EK_FOLD_OPS] = { INT64_MIN, INT64_MAX, 1, 0, 0 };
    static const uint64_t u[EK_FOLD_OPS] = { 0, UINT64_MAX, 1, 0, 0 };

    switch (s->acc) {
    case ACC_F: for (int64_t j = 0; j < n; j++) ((double *)acc)[j] = f[s->op]; return;
    case ACC_I: for (int64_t j = 0; j < n; j++) ((int64_t *)acc)[j] = i[s->op]; return;
    case ACC_U: for (int64_t j = 0; j < n; j++) ((uint64_t *)acc)[j] = u[s->op]; return;
    case ACC_C: for (int64_t j = 0; j < 2 * n; j++) ((double *)acc)[j] = j % 2 == 0 ? f[s->op] : 0; return;
    case ACC_NONE: return;
    }
}

/* The identity of a maximum or minimum of integers, which only an empty fold leaves, is the dtype's own. */
static void acc_clamp(const fold_state *s, int64_t n, void *acc)
{
    const int bits = (int)(8 * s->size);

    for (int64_t j = 0; j < n && s->acc == ACC_I; j++) {
        int64_t *v = (int64_t *)acc + j;
        const int64_t top = INT64_MAX >> (64 - bits);
        *v = *v > top ? top : *v < -top - 1 ? -top - 1 : *v;
    }
    for (int64_t j = 0; j < n && s->acc == ACC_U; j++) {
        uint64_t *v = (uint64_t *)acc + j;
        const uint64_t top = s->dtype == EK_BOOL ? 1 : UINT64_MAX >> (64 - bits);
        *v = *v > top ? top : *v;
    }
}

/* Divides or takes the root, in the accumulator's type: the root of integers after they have wrapped to their own. */
static void acc_end(const fold_state *s, int64_t n, void *acc)
{
    const int64_t values = s->acc == ACC_C ? 2 * n : n;

    if (s->acc == ACC_F || s->acc == ACC_C) {
        double *v = acc;
        for (int64_t j = 0; j < values; j++)
            v[j] = s->end == EK_FOLD_MEAN ? v[j] / (double)s->count : s->end == EK_FOLD_HALF ? v[j] / 2 : sqrt(v[j]);
        return;
    }
    for (int64_t j = 0; j < n; j++) {
        uint64_t wrapped, *v = (uint64_t *)acc + j;
        if (s->end == EK_FOLD_ROOT) {
            ek__convert(s->acc_dtype, v, s->dtype, &wrapped, 1);
            ek__convert(s->dtype, &wrapped, s->acc_dtype, v, 1);
        }
        const bool negative = s->acc == ACC_I && (int64_t)*v < 0;
        const uint64_t magnitude = negative ? -*v : *v;
        if (s->end == EK_FOLD_MEAN) {
            const uint64_t q = s->count > 0 ? magnitude / (uint64_t)s->count : 0;
            *v = negative ? -q : q;
        } else {
            *v = negative ? 0 : (uint64_t)sqrt((double)magnitude);
        }
    }
}

static void store(const fold_state *s, int64_t n, void *acc, void *out)
{
    if (s->op == EK_FOLD_MAX || s->op == EK_FOLD_MIN) {
        if (s->count == 0) acc_clamp(s, n, acc);
    }
    if (s->end != EK_FOLD_PLAIN) acc_end(s, n, acc);
    ek__convert(s->acc_dtype, acc, s->dtype, out, n);
}

/* ---- running --------------------------------------------------------------------------- */

static int64_t offset_of(const group *g, int n, int64_t index)
{
    int64_t at = 0;

    for (int i = 0; i < n; i++) {
        at += index % g[i].size * g[i].stride;
        index /= g[i].size;
    }
    return at;
}

/* Width of a unit's accumulators, and how many of its outputs they become. */
static int64_t unit_width(const fold_state *s, int64_t unit)
{
    const int64_t column = unit % s->tiles * s->tile;
    return s->k > 1 ? s->k * s->w : column + s->tile < s->w ? s->tile : s->w - column;
}

/* Rows [from, to) of the unit's ro blocks, numbered through, tails included. */
static void fold_rows(const fold_state *s, const void *x, int64_t unit, int64_t from, int64_t to, void *acc)
{
    const int64_t per_block = s->rows + (s->tail > 0), width = unit_width(s, unit), row = s->k * s->w;
    const int64_t first = offset_of(s->kept, s->nk, unit / s->tiles) + unit % s->tiles * s->tile;

    while (from < to) {
        const int64_t block = from / per_block, r = from % per_block;
        const int64_t at = first + offset_of(s->reduced, s->nr, block) + r * row;
        const int64_t last = to - block * per_block < per_block ? to - block * per_block : per_block;
        const int64_t whole = last < s->rows ? last : s->rows;

        if (r < whole) s->fold(whole - r, row, width, (const char *)x + (size_t)at * s->size, acc);
        if (last > s->rows)
            s->fold(1, row, s->tail, (const char *)x + (size_t)(at + (s->rows - r) * row) * s->size, acc);
        from += last - r;
    }
}

/* Joins the k columns that stand for one, in order; the first w accumulators then hold the result. */
static void join_columns(const fold_state *s, void *acc)
{
    const int64_t used = s->rows > 0 ? s->k : (s->tail + s->w - 1) / s->w;

    for (int64_t q = 1; q < used; q++)
        s->join(1, s->w, s->w, (const char *)acc + (size_t)(q * s->w) * s->acc_size, acc);
}

static int64_t unit_outputs(const fold_state *s, int64_t unit)
{
    return s->k > 1 ? s->w : unit_width(s, unit);
}

static int64_t output_at(const fold_state *s, int64_t unit)
{
    return unit / s->tiles * s->w + unit % s->tiles * s->tile;
}

/* Whole folds: units [chunk * batch, ...). Results of a batch are converted together where they are short. */
static ek_status fold_units(const ek_run_args *a, int64_t chunk)
{
    const fold_state *s = a->state;
    const int64_t first = chunk * s->batch, last = first + s->batch < s->units ? first + s->batch : s->units;
    _Alignas(64) unsigned char acc[TILE * sizeof(double[2])], ready[OUT_BATCH * sizeof(double[2])];
    int64_t waiting = 0, at = 0;

    for (int64_t u = first; u < last; u++) {
        const int64_t n = unit_outputs(s, u), total = s->ro * (s->rows + (s->tail > 0));

        acc_clear(s, s->rows > 0 || s->tail == 0 ? unit_width(s, u) : s->tail, acc);
        fold_rows(s, a->in[0], u, 0, total, acc);
        join_columns(s, acc);
        if (n > OUT_BATCH / 2) {
            store(s, n, acc, (char *)a->out[0] + (size_t)output_at(s, u) * s->size);
            continue;
        }
        if (waiting == 0) at = output_at(s, u);
        memcpy(ready + (size_t)waiting * s->acc_size, acc, (size_t)n * s->acc_size);
        waiting += n;
        if (waiting > OUT_BATCH / 2 || u + 1 == last) {
            store(s, waiting, ready, (char *)a->out[0] + (size_t)at * s->size);
            waiting = 0;
        }
    }
    return EK_OK;
}

/* Part chunk % parts of unit chunk / parts, into the scratch. */
static ek_status fold_part(const ek_run_args *a, int64_t chunk)
{
    const fold_state *s = a->state;
    const int64_t unit = chunk / s->parts, from = chunk % s->parts * s->part;
    const int64_t total = s->ro * (s->rows + (s->tail > 0)), to = from + s->part < total ? from + s->part : total;
    void *acc = (char *)a->scratch + (size_t)chunk * TILE * s->acc_size;

    acc_clear(s, unit_width(s, unit), acc);
    fold_rows(s, a->in[0], unit, from, to, acc);
    return EK_OK;
}

static ek_status join_parts(const ek_run_args *a, int64_t unit)
{
    const fold_state *s = a->state;
    const int64_t width = unit_width(s, unit);
    char *acc = (char *)a->scratch + (size_t)(unit * s->parts) * TILE * s->acc_size;

    for (int64_t p = 1; p < s->parts; p++) s->join(1, TILE, width, acc + (size_t)p * TILE * s->acc_size, acc);
    join_columns(s, acc);
    store(s, unit_outputs(s, unit), acc, (char *)a->out[0] + (size_t)output_at(s, unit) * s->size);
    return EK_OK;
}

/* ---- preparing -------------------------------------------------------------------------- */

/* Sizes of an empty array may be too large to multiply; what comes of it is then never used. */
static int64_t times(int64_t a, int64_t b)
{
    int64_t product;

    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

/* The shape as groups of axes, kept and reduced in turn; reduced[i] says which. Returns their number. */
static int merge_axes(const ek_shape *x, uint32_t mask, int64_t *size, bool *reduced)
{
    int n = 0;

    for (int i = 0; i < x->rank; i++) {
        const bool r = (mask >> i & 1) != 0;
        if (x->dim[i] == 1) continue;
        if (n > 0 && reduced[n - 1] == r) {
            size[n - 1] = times(size[n - 1], x->dim[i]);
        } else {
            size[n] = x->dim[i];
            reduced[n++] = r;
        }
    }
    return n;
}

static void cut(fold_state *s, const ek_shape *x, uint32_t mask)
{
    int64_t size[EK_MAX_RANK], stride = 1, n = 1;
    bool reduced[EK_MAX_RANK];
    int groups = merge_axes(x, mask, size, reduced);

    s->w = s->ko = s->ro = s->k = 1;
    if (groups > 0 && !reduced[groups - 1]) stride = s->w = size[--groups];
    if (groups > 0 && reduced[groups - 1]) {
        n = size[--groups];
        stride = times(stride, n);
    }
    for (int i = groups - 1; i >= 0; i--) {
        group *g = reduced[i] ? &s->reduced[s->nr++] : &s->kept[s->nk++];
        *g = (group){ size[i], stride };
        stride = times(stride, size[i]);
        if (reduced[i]) s->ro = times(s->ro, size[i]);
        else s->ko = times(s->ko, size[i]);
    }

    while (s->w < LANES && s->k * s->w % LANES != 0) s->k++;
    s->rows = n / s->k;
    s->tail = n % s->k * s->w;
    s->count = times(n, s->ro);
}

ek_status ek__fold_prepare(ek_prepare_ctx *c, ek_fold_op op, ek_fold_end end, ek_dtype dtype, const ek_shape *x,
                           uint32_t mask)
{
    fold_state *s = EK_ARENA_NEW(c->arena, fold_state, 1);

    if (s == NULL) return EK_FAIL(c->err, RESOURCE_EXHAUSTED, "no memory to plan a reduction");
    s->op = op;
    s->end = end;
    s->dtype = dtype;
    EK_TRY(pick_loops(s, c->err));
    cut(s, x, mask);

    const int64_t total = s->ro * (s->rows + (s->tail > 0));
    s->tile = s->k > 1 ? s->w : TILE;
    s->tiles = s->k > 1 ? 1 : (s->w + TILE - 1) / TILE;
    s->units = s->ko * s->tiles;
    const int64_t width = s->k > 1 ? s->k * s->w : s->w < TILE ? s->w : TILE;
    s->part = width > 0 ? (PART + width - 1) / width : 1;
    s->parts = total > 2 * s->part && s->units < 64 ? (total + s->part - 1) / s->part : 1;
    c->state = s;
    if (s->parts > 1) {
        c->scratch_bytes = (size_t)(s->units * s->parts) * TILE * s->acc_size;
        c->n_phases = 2;
        c->phase[0] = (ek_phase){ fold_part, s->units * s->parts };
        c->phase[1] = (ek_phase){ join_parts, s->units };
        return EK_OK;
    }
    const int64_t unit_work = total * width + 64;
    s->batch = unit_work < PART ? PART / unit_work : 1;
    c->n_phases = 1;
    c->phase[0] = (ek_phase){ fold_units, s->w > 0 ? (s->units + s->batch - 1) / s->batch : 0 };
    return EK_OK;
}
