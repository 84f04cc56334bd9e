/* ops/walk.c - copies between strided views. */
#include "ops/walk.h"

#include "ops/move.h"
#include "ops/rules.h"

/* Elements of one chunk; from the problem alone. */
enum { WALK_CHUNK = 64 * 1024 };

void ek__walk_loop(ek_walk *w, int64_t dim, int64_t in_stride, int64_t out_stride)
{
    const int last = w->rank - 1;

    if (dim == 1) return;
    if (last >= 0 && w->in_stride[last] == dim * in_stride && w->out_stride[last] == dim * out_stride) {
        w->dim[last] *= dim;
        w->in_stride[last] = in_stride;
        w->out_stride[last] = out_stride;
        return;
    }
    w->dim[w->rank] = dim;
    w->in_stride[w->rank] = in_stride;
    w->out_stride[w->rank] = out_stride;
    w->rank++;
}

void ek__strides(const ek_shape *s, int64_t *stride)
{
    int64_t n = 1;

    for (int32_t d = s->rank - 1; d >= 0; d--) {
        stride[d] = n;
        n = (int64_t)((uint64_t)n * (uint64_t)s->dim[d]);
    }
}

int64_t ek__dims(const ek_shape *s, int32_t from, int32_t to)
{
    int64_t n = 1;

    for (int32_t d = from; d < to; d++) n = (int64_t)((uint64_t)n * (uint64_t)s->dim[d]);
    return n;
}

void ek__walk_broadcast(ek_walk *w, const ek_shape *in, const ek_shape *out)
{
    const int32_t more = out->rank - in->rank;
    int64_t in_stride[EK_MAX_RANK], out_stride[EK_MAX_RANK];

    ek__strides(in, in_stride);
    ek__strides(out, out_stride);
    for (int32_t d = 0; d < out->rank; d++) {
        const bool repeated = d < more || in->dim[d - more] == 1;
        ek__walk_loop(w, out->dim[d], repeated ? 0 : in_stride[d - more], out_stride[d]);
    }
}

void ek__walk_fill(ek_walk *w, const ek_shape *out)
{
    ek__walk_loop(w, ek_shape_count(out), 0, 1);
}

/* ---- the two innermost loops ----------------------------------------------------------------- */

/* rows times columns, strides in elements. */
typedef struct plane {
    int64_t rows, cols, out_row, out_col, in_row, in_col;
} plane;

typedef struct pair16 {
    uint64_t a, b;
} pair16;

/* Columns that are read down together: a line of the cache from each. */
enum { TILE = 16, LONG_ROW_BYTES = 64 };

/* Where the input runs along the rows and the output along the columns, tiles keep both in cache. */
#define PLANE(type)                                                                              \
    static void plane_##type(const plane *p, type *restrict out, const type *restrict in)        \
    {                                                                                            \
        const int64_t width = p->in_row == 1 && p->in_col != 0 ? TILE : p->cols;                 \
        for (int64_t from = 0; from < p->cols; from += width) {                                  \
            const int64_t to = p->cols - from < width ? p->cols : from + width;                  \
            for (int64_t i = 0; i < p->rows; i++) {                                              \
                type *o = out + i * p->out_row;                                                  \
                const type *x = in + i * p->in_row;                                              \
                if (p->in_col == 0)                                                              \
                    for (int64_t j = from; j < to; j++) o[j * p->out_col] = *x;                  \
                else if (p->out_col == 1)                                                        \
                    for (int64_t j = from; j < to; j++) o[j] = x[j * p->in_col];                 \
                else                                                                             \
                    for (int64_t j = from; j < to; j++) o[j * p->out_col] = x[j * p->in_col];    \
            }                                                                                    \
        }                                                                                        \
    }
PLANE(uint8_t)
PLANE(uint16_t)
PLANE(uint32_t)
PLANE(uint64_t)
PLANE(pair16)

static ek_status plane_strings(const plane *p, ek_string *out, const ek_string *in, ek_error *err)
{
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t j = 0; j < p->cols; j++)
            EK_TRY(
                ek__move(EK_STRING, &out[i * p->out_row + j * p->out_col], &in[i * p->in_row + j * p->in_col], 1, err));
    return EK_OK;
}

static ek_status move_plane(const plane *p, ek_dtype t, char *out, const char *in, ek_error *err)
{
    const int64_t size = (int64_t)ek_dtype_size(t);

    if (t == EK_STRING) return plane_strings(p, (ek_string *)(void *)out, (const ek_string *)(const void *)in, err);
    if (p->out_col == 1 && p->in_col == 1 && p->cols * size >= LONG_ROW_BYTES) {
        for (int64_t i = 0; i < p->rows; i++)
            memcpy(out + i * p->out_row * size, in + i * p->in_row * size, (size_t)(p->cols * size));
        return EK_OK;
    }
    switch (size) {
    case 1: plane_uint8_t(p, (uint8_t *)out, (const uint8_t *)in); break;
    case 2: plane_uint16_t(p, (uint16_t *)(void *)out, (const uint16_t *)(const void *)in); break;
    case 4: plane_uint32_t(p, (uint32_t *)(void *)out, (const uint32_t *)(const void *)in); break;
    case 8: plane_uint64_t(p, (uint64_t *)(void *)out, (const uint64_t *)(const void *)in); break;
    default: plane_pair16(p, (pair16 *)(void *)out, (const pair16 *)(const void *)in); break;
    }
    return EK_OK;
}

/* ---- all loops ------------------------------------------------------------------------------- */

/* A walk under way: the index it is at, and what that means on both sides. */
typedef struct position {
    int64_t at[EK_WALK_RANK], in, out;
} position;

static void position_at(const ek_walk *w, int64_t index, position *p)
{
    p->in = w->in_at;
    p->out = w->out_at;
    for (int d = w->rank - 1; d >= 0; d--) {
        p->at[d] = index % w->dim[d];
        index /= w->dim[d];
        p->in += p->at[d] * w->in_stride[d];
        p->out += p->at[d] * w->out_stride[d];
    }
}

/* n steps of loop d, which stays within its dimension or just reaches its end; carries over to the outer loops. */
static void position_move(const ek_walk *w, position *p, int d, int64_t n)
{
    p->at[d] += n;
    p->in += n * w->in_stride[d];
    p->out += n * w->out_stride[d];
    for (; d > 0 && p->at[d] == w->dim[d]; d--) {
        p->in += w->in_stride[d - 1] - w->dim[d] * w->in_stride[d];
        p->out += w->out_stride[d - 1] - w->dim[d] * w->out_stride[d];
        p->at[d] = 0;
        p->at[d - 1]++;
    }
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Elements [from, to) of the loops' index space, in order: whole rows of the two innermost loops at once. */
static ek_status walk_range(const ek_walk *w, ek_dtype t, char *out, const char *in, int64_t from, int64_t to,
                            ek_error *err)
{
    const int64_t size = (int64_t)ek_dtype_size(t);
    const int last = w->rank - 1;
    position p;

    position_at(w, from, &p);
    if (w->rank == 0) return ek__move(t, out + p.out * size, in + p.in * size, to - from, err);
    while (from < to) {
        const int64_t cols = w->dim[last], whole = (to - from) / cols;
        plane rect = { 1, least(cols - p.at[last], to - from), 0, w->out_stride[last], 0, w->in_stride[last] };
        const int64_t out_at = p.out * size, in_at = p.in * size;

        if (p.at[last] == 0 && whole > 0 && last > 0) {
            rect.rows = least(w->dim[last - 1] - p.at[last - 1], whole);
            rect.out_row = w->out_stride[last - 1];
            rect.in_row = w->in_stride[last - 1];
            position_move(w, &p, last - 1, rect.rows);
        } else {
            position_move(w, &p, last, rect.cols);
        }
        EK_TRY(move_plane(&rect, t, out + out_at, in + in_at, err));
        from += rect.rows * rect.cols;
    }
    return EK_OK;
}

/* Loops may come in any order. The output runs along the last one; where the input does not, the loop that it runs
 * along becomes the last but one, for the tiles. */
static void arrange(ek_walk *w)
{
    const int last = w->rank - 1;
    int along = last;

    for (int d = 0; d < last; d++)
        if (w->in_stride[d] == 1) along = d;
    if (last < 2 || w->in_stride[last] == 0 || w->in_stride[last] == 1 || along >= last - 1) return;
    const int64_t dim = w->dim[along], in_stride = w->in_stride[along], out_stride = w->out_stride[along];
    for (int d = along; d < last - 1; d++) {
        w->dim[d] = w->dim[d + 1];
        w->in_stride[d] = w->in_stride[d + 1];
        w->out_stride[d] = w->out_stride[d + 1];
    }
    w->dim[last - 1] = dim;
    w->in_stride[last - 1] = in_stride;
    w->out_stride[last - 1] = out_stride;
}

/* ---- lists of parts -------------------------------------------------------------------------- */

static bool parts_init(ek_prepare_ctx *c, ek_parts *p, int64_t cap)
{
    *p = (ek_parts){ .dtype = c->out_dtype[0], .cap = cap, .part = EK_ARENA_NEW(c->arena, ek_part, cap + 1) };
    return p->part != NULL;
}

ek_parts *ek__parts_pair(ek_prepare_ctx *c, int64_t cap_first, int64_t cap_second)
{
    ek_parts *p = EK_ARENA_NEW(c->arena, ek_parts, 2);

    if (p != NULL && parts_init(c, &p[0], cap_first) && parts_init(c, &p[1], cap_second)) return p;
    (void)ek__no_memory(c);
    return NULL;
}

ek_parts *ek__parts_new(ek_prepare_ctx *c, int64_t cap)
{
    return ek__parts_pair(c, cap, 0);
}

ek_walk *ek__parts_add(ek_parts *p, int in, int out)
{
    ek_part *part = &p->part[p->n++];

    EK_ASSERT(p->n <= p->cap);
    part->in = in;
    part->out = out;
    return &part->walk;
}

void ek__parts_phase(ek_prepare_ctx *c, ek_parts *p, ek_run_fn run)
{
    int64_t chunks = 0;

    for (int64_t k = 0; k < p->n; k++) {
        ek_part *part = &p->part[k];

        arrange(&part->walk);
        part->count = 1;
        for (int d = 0; d < part->walk.rank; d++) part->count *= part->walk.dim[d];
        part->first_chunk = chunks;
        chunks += (part->count + WALK_CHUNK - 1) / WALK_CHUNK;
    }
    ek__add_phase(c, run, chunks);
}

ek_status ek__parts_chunk(const ek_parts *p, const ek_run_args *a, int64_t chunk)
{
    int64_t low = 0, high = p->n - 1;

    /* The last part that begins at or before the chunk; empty parts share their beginning with the next. */
    while (low < high) {
        const int64_t middle = (low + high + 1) / 2;
        if (p->part[middle].first_chunk <= chunk)
            low = middle;
        else
            high = middle - 1;
    }
    const ek_part *part = &p->part[low];
    const int64_t from = (chunk - part->first_chunk) * WALK_CHUNK;
    const int64_t to = part->count - from < WALK_CHUNK ? part->count : from + WALK_CHUNK;
    const void *in = part->in == EK_FROM_CONSTANT ? part->constant : a->in[part->in];
    return walk_range(&part->walk, p->dtype, a->out[part->out], in, from, to, a->err);
}

static ek_status parts_run(const ek_run_args *a, int64_t chunk)
{
    return ek__parts_chunk(a->state, a, chunk);
}

void ek__parts_only(ek_prepare_ctx *c, ek_parts *p)
{
    c->state = p;
    ek__parts_phase(c, p, parts_run);
}
