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
        n *= s->dim[d];
    }
}

int64_t ek__dims(const ek_shape *s, int32_t from, int32_t to)
{
    int64_t n = 1;

    for (int32_t d = from; d < to; d++) n *= s->dim[d];
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

/* ---- one run of the innermost loop --------------------------------------------------------- */

typedef struct pair16 {
    uint64_t a, b;
} pair16;

#define STRIDED(type)                                                                               \
    do {                                                                                            \
        type *restrict to = out;                                                                    \
        const type *restrict from = in;                                                             \
        if (from_stride == 0) {                                                                     \
            const type v = *from;                                                                   \
            for (int64_t i = 0; i < n; i++) to[i * to_stride] = v;                                  \
        } else {                                                                                    \
            for (int64_t i = 0; i < n; i++) to[i * to_stride] = from[i * from_stride];              \
        }                                                                                           \
    } while (0)

static ek_status move_strings(ek_string *to, int64_t to_stride, const ek_string *from, int64_t from_stride, int64_t n,
                              ek_error *err)
{
    for (int64_t i = 0; i < n; i++) EK_TRY(ek__move(EK_STRING, &to[i * to_stride], &from[i * from_stride], 1, err));
    return EK_OK;
}

static ek_status move_run(ek_dtype t, void *out, int64_t to_stride, const void *in, int64_t from_stride, int64_t n,
                          ek_error *err)
{
    if (t == EK_STRING) return move_strings(out, to_stride, in, from_stride, n, err);
    if (to_stride == 1 && from_stride == 1) {
        memcpy(out, in, (size_t)n * ek_dtype_size(t));
        return EK_OK;
    }
    switch (ek_dtype_size(t)) {
    case 1: STRIDED(uint8_t); break;
    case 2: STRIDED(uint16_t); break;
    case 4: STRIDED(uint32_t); break;
    case 8: STRIDED(uint64_t); break;
    default: STRIDED(pair16); break;
    }
    return EK_OK;
}

/* Elements [from, to) of the loops' index space, in order. */
static ek_status walk_range(const ek_walk *w, ek_dtype t, char *out, const char *in, int64_t from, int64_t to,
                            ek_error *err)
{
    const int64_t size = (int64_t)ek_dtype_size(t);
    const int last = w->rank - 1;
    int64_t at[EK_WALK_RANK], in_at = w->in_at, out_at = w->out_at, rest = from;

    if (w->rank == 0) return move_run(t, out + out_at * size, 1, in + in_at * size, 1, to - from, err);
    for (int d = last; d >= 0; d--) {
        at[d] = rest % w->dim[d];
        rest /= w->dim[d];
        in_at += at[d] * w->in_stride[d];
        out_at += at[d] * w->out_stride[d];
    }
    while (from < to) {
        const int64_t left = w->dim[last] - at[last], n = left < to - from ? left : to - from;

        EK_TRY(move_run(t, out + out_at * size, w->out_stride[last], in + in_at * size, w->in_stride[last], n, err));
        from += n;
        in_at -= at[last] * w->in_stride[last];
        out_at -= at[last] * w->out_stride[last];
        at[last] = 0;
        for (int d = last - 1; d >= 0; d--) {
            in_at += w->in_stride[d];
            out_at += w->out_stride[d];
            if (++at[d] < w->dim[d]) break;
            in_at -= w->dim[d] * w->in_stride[d];
            out_at -= w->dim[d] * w->out_stride[d];
            at[d] = 0;
        }
    }
    return EK_OK;
}

/* ---- lists of parts ---------------------------------------------------------------------------- */

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
