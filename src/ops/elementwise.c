/* ops/elementwise.c - broadcasting and cutting for all element-wise ops.
 *
 * prepare turns the shapes into as few dimensions as describe them: one run of elements
 * where all inputs are scalars or of the output's shape, else rows of the innermost
 * collapsed dimension. Chunks are cut from the output's row-major order by size alone.
 */
#include "ops/elementwise.h"

#include "ops/rules.h"

enum { MAX_IN = EK_ELEMENTWISE_MAX_INPUTS };

/* ---- shapes -------------------------------------------------------------------------------- */

/* Dimension `axis` of a shape seen with `rank` dimensions: missing leading ones are 1. */
static int64_t dim_of(const ek_shape *s, int rank, int axis)
{
    const int own = axis - (rank - s->rank);

    return own < 0 ? 1 : s->dim[own];
}

/* One dimension of both; -2 where they contradict. */
static int64_t broadcast_dim(int64_t x, int64_t y)
{
    if (x == y || y == 1) return x;
    if (x == 1) return y;
    if (x < 0) return y > 1 ? y : -1;
    if (y < 0) return x > 1 ? x : -1;
    return -2;
}

bool ek__broadcast(const ek_shape *x, const ek_shape *y, ek_shape *out, int64_t *x_dim, int64_t *y_dim)
{
    ek_shape s = EK_UNKNOWN_SHAPE;

    if (x->rank >= 0 && y->rank >= 0) {
        s.rank = x->rank > y->rank ? x->rank : y->rank;
        for (int i = 0; i < s.rank; i++) {
            *x_dim = dim_of(x, s.rank, i);
            *y_dim = dim_of(y, s.rank, i);
            s.dim[i] = broadcast_dim(*x_dim, *y_dim);
            if (s.dim[i] == -2) return false;
        }
    }
    *out = s;
    return true;
}

ek_status ek__binary_shape(ek_shape_ctx *c)
{
    int64_t x = 0, y = 0;

    if (ek__broadcast(&c->in[0], &c->in[1], &c->out[0], &x, &y)) return EK_OK;
    if (!c->running)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Dimensions must be equal, but are %lld and %lld", (long long)x,
                       (long long)y);
    return EK_FAIL(c->err, INVALID_ARGUMENT, "Incompatible shapes: %s vs. %s", EK_CC(&c->in[0]), EK_CC(&c->in[1]));
}

ek_status ek__same_shape(ek_shape_ctx *c)
{
    c->out[0] = c->in[0];
    for (int i = 1; i < c->n_in; i++) {
        if (!c->running) EK_TRY(ek__merge_shapes(c, &c->out[0], &c->in[i], &c->out[0]));
        else if (!ek_shape_equal(&c->in[0], &c->in[i]))
            return EK_FAIL(c->err, INVALID_ARGUMENT,
                           "Inputs to operation {{node}} of type %s must have the same size and shape.  "
                           "Input 0: %s != input %d: %s",
                           c->def->name, EK_CC(&c->in[0]), i, EK_CC(&c->in[i]));
    }
    return EK_OK;
}

/* ---- prepared forms ------------------------------------------------------------------------ */

/* Dimensions are outermost first, the last is the row; strides are elements of the input, 0 where it is broadcast. */
typedef struct elementwise {
    ek_elementwise_fn fn;
    ek_fallible_fn fallible; /* instead of fn */
    const void *state;
    int64_t count;
    int n_in, n_dims;
    int step[MAX_IN];
    bool whole[MAX_IN]; /* as large as the output: in its order */
    size_t in_size[MAX_IN], out_size;
    int64_t dim[EK_MAX_RANK], stride[MAX_IN][EK_MAX_RANK];
} elementwise;

/* Everything at once: what a small tensor costs is the loop and this call. */
static ek_status run_whole(const ek_run_args *a, int64_t chunk)
{
    const elementwise *const e = a->state;

    EK_UNUSED(chunk);
    e->fn(e->count, a->in, e->step, a->out[0], e->state);
    return EK_OK;
}

/* n elements at given places. */
static ek_status run_piece(const elementwise *e, int64_t n, const void *const *in, const int *step, void *out,
                           ek_error *err)
{
    if (e->fallible != NULL) return e->fallible(n, in, step, out, e->state, err);
    e->fn(n, in, step, out, e->state);
    return EK_OK;
}

static ek_status run_flat(const ek_run_args *a, int64_t chunk)
{
    const elementwise *const e = a->state;
    const int64_t from = chunk * EK_ELEMENTWISE_CHUNK, left = e->count - from;
    const void *in[MAX_IN];

    for (int k = 0; k < e->n_in; k++)
        in[k] = (const char *)a->in[k] + (size_t)(from * e->step[k]) * e->in_size[k];
    return run_piece(e, left < EK_ELEMENTWISE_CHUNK ? left : EK_ELEMENTWISE_CHUNK, in, e->step,
                     (char *)a->out[0] + (size_t)from * e->out_size, a->err);
}

/* A place in the output, and the elements of each input that belong there. */
typedef struct cursor {
    int64_t index[EK_MAX_RANK], place[MAX_IN];
} cursor;

static cursor cursor_at(const elementwise *e, int64_t at)
{
    cursor c = { 0 };

    for (int d = e->n_dims - 1; d >= 0; d--) {
        c.index[d] = at % e->dim[d];
        at /= e->dim[d];
        for (int k = 0; k < e->n_in; k++) c.place[k] += c.index[d] * e->stride[k][d];
    }
    return c;
}

/* To the beginning of the next row; after the last one to the first. */
static void next_row(const elementwise *e, cursor *c)
{
    const int last = e->n_dims - 1;

    for (int k = 0; k < e->n_in; k++) c->place[k] -= c->index[last] * e->stride[k][last];
    c->index[last] = 0;
    for (int d = last - 1; d >= 0; d--) {
        const bool wraps = ++c->index[d] == e->dim[d];

        for (int k = 0; k < e->n_in; k++) c->place[k] += e->stride[k][d] * (wraps ? 1 - e->dim[d] : 1);
        if (!wraps) return;
        c->index[d] = 0;
    }
}

static int64_t chunk_end(const elementwise *e, int64_t from)
{
    return e->count - from < EK_ELEMENTWISE_CHUNK ? e->count : from + EK_ELEMENTWISE_CHUNK;
}

static ek_status run_rows(const ek_run_args *a, int64_t chunk)
{
    const elementwise *const e = a->state;
    const int last = e->n_dims - 1;
    int64_t at = chunk * EK_ELEMENTWISE_CHUNK;
    const int64_t end = chunk_end(e, at);
    cursor c = cursor_at(e, at);
    const void *in[MAX_IN];

    while (at < end) {
        const int64_t left = e->dim[last] - c.index[last], n = left < end - at ? left : end - at;

        for (int k = 0; k < e->n_in; k++) in[k] = (const char *)a->in[k] + (size_t)c.place[k] * e->in_size[k];
        EK_TRY(run_piece(e, n, in, e->step, (char *)a->out[0] + (size_t)at * e->out_size, a->err));
        at += n;
        next_row(e, &c);
    }
    return EK_OK;
}

/* Rows so short that a call each would cost more than they: inputs that are broadcast are written out for a block of
 * rows first, which pays longer where one row serves all. */
enum { NARROW = 64, NARROW_ROWS = 256, BLOCK = 512 };

/* The element at `from`, n times. */
static void repeat(const char *from, int64_t n, size_t size, char *to)
{
    uint32_t four;

    if (size != sizeof four) {
        for (int64_t i = 0; i < n; i++) memcpy(to + (size_t)i * size, from, size);
        return;
    }
    memcpy(&four, from, sizeof four);
    for (int64_t i = 0; i < n; i++) memcpy(to + (size_t)i * sizeof four, &four, sizeof four);
}

/* n elements of input k from a place on, as the output sees them. */
static void write_out(const elementwise *e, int k, const char *x, cursor c, int64_t n, char *to)
{
    const int last = e->n_dims - 1;
    const size_t size = e->in_size[k];

    for (int64_t done = 0; done < n; next_row(e, &c)) {
        const int64_t left = e->dim[last] - c.index[last], m = left < n - done ? left : n - done;
        const char *const from = x + (size_t)c.place[k] * size;

        if (e->step[k] == 1) memcpy(to + (size_t)done * size, from, (size_t)m * size);
        else repeat(from, m, size, to + (size_t)done * size);
        done += m;
    }
}

/* Whether input k is one row for the whole output: written out once it serves every block of whole rows. */
static bool one_row(const elementwise *e, int k)
{
    for (int d = 0; d < e->n_dims - 1; d++)
        if (e->stride[k][d] != 0) return false;
    return true;
}

static bool is_narrow(const elementwise *e)
{
    const int64_t w = e->dim[e->n_dims - 1];
    bool rows = true;

    for (int k = 0; k < e->n_in; k++) rows = rows && (e->whole[k] || one_row(e, k));
    return e->n_dims > 1 && (w < NARROW || (rows && w <= NARROW_ROWS));
}

static ek_status run_narrow(const ek_run_args *a, int64_t chunk)
{
    static const int each[MAX_IN] = { 1, 1, 1 };
    const elementwise *const e = a->state;
    const int64_t from = chunk * EK_ELEMENTWISE_CHUNK, end = chunk_end(e, from);
    const int64_t block = BLOCK - BLOCK % e->dim[e->n_dims - 1];
    _Alignas(64) char written[MAX_IN][BLOCK * 16];
    const void *in[MAX_IN];

    for (int64_t at = from; at < end; at += block) {
        const int64_t n = end - at < block ? end - at : block;

        for (int k = 0; k < e->n_in; k++) {
            in[k] = e->whole[k] ? (const char *)a->in[k] + (size_t)at * e->in_size[k] : written[k];
            if (!e->whole[k] && (at == from || !one_row(e, k)))
                write_out(e, k, a->in[k], cursor_at(e, at), n, written[k]);
        }
        EK_TRY(run_piece(e, n, in, each, (char *)a->out[0] + (size_t)at * e->out_size, a->err));
    }
    return EK_OK;
}

/* Merges dimension d of the output into the last collapsed one, or opens a new one. */
static void push_dim(elementwise *e, int64_t dim, const int64_t *stride)
{
    const int last = e->n_dims - 1;
    bool follows = last >= 0;

    for (int k = 0; k < e->n_in && follows; k++) follows = e->stride[k][last] == stride[k] * dim;
    if (!follows) e->n_dims++;
    e->dim[e->n_dims - 1] = follows ? e->dim[last] * dim : dim;
    for (int k = 0; k < e->n_in; k++) e->stride[k][e->n_dims - 1] = stride[k];
}

/* Strides of each input along the output's dimensions, collapsed. Dimensions of one element say nothing. */
static void collapse(elementwise *e, const ek_prepare_ctx *c)
{
    const ek_shape *const out = &c->out[0];
    int64_t stride[EK_MAX_RANK][MAX_IN];

    for (int k = 0; k < e->n_in; k++) {
        int64_t size = 1;

        for (int d = out->rank - 1; d >= 0; d--) {
            const int64_t dim = dim_of(&c->in[k], out->rank, d);

            stride[d][k] = dim == 1 ? 0 : size;
            size *= dim;
        }
    }
    for (int d = 0; d < out->rank; d++)
        if (out->dim[d] != 1) push_dim(e, out->dim[d], stride[d]);
    if (e->n_dims == 0) push_dim(e, 1, (int64_t[MAX_IN]){ 0 });
    for (int k = 0; k < e->n_in; k++) e->step[k] = (int)e->stride[k][e->n_dims - 1];
}

static ek_status prepare(ek_prepare_ctx *c, ek_elementwise_fn fn, ek_fallible_fn fallible, const void *state)
{
    elementwise *const e = EK_ARENA_NEW(c->arena, elementwise, 1);

    if (e == NULL) return EK_FAIL(c->err, RESOURCE_EXHAUSTED, "no memory to prepare %s", c->def->name);
    EK_ASSERT(c->n_in <= MAX_IN);
    e->fn = fn;
    e->fallible = fallible;
    e->state = state;
    e->count = ek_shape_count(&c->out[0]);
    e->n_in = c->n_in;
    e->out_size = ek_dtype_size(c->out_dtype[0]);
    for (int k = 0; k < e->n_in; k++) {
        e->in_size[k] = ek_dtype_size(c->in_dtype[k]);
        e->whole[k] = ek_shape_count(&c->in[k]) == e->count;
    }
    if (e->count > 0) collapse(e, c);
    else e->n_dims = 1; /* the other dimensions may be larger than their product could be */
    c->state = e;
    c->n_phases = 1;
    c->phase[0].chunks = (e->count + EK_ELEMENTWISE_CHUNK - 1) / EK_ELEMENTWISE_CHUNK;
    c->phase[0].run = is_narrow(e)                            ? run_narrow
                      : e->n_dims > 1                         ? run_rows
                      : c->phase[0].chunks == 1 && fn != NULL ? run_whole
                                                              : run_flat;
    return EK_OK;
}

ek_status ek__elementwise_prepare_loop(ek_prepare_ctx *c, ek_elementwise_fn fn, const void *state)
{
    if (fn != NULL) return prepare(c, fn, NULL, state);
    return EK_FAIL(c->err, UNIMPLEMENTED, "%s has no kernel for %s; cast its operands to another type", c->def->name,
                   ek_dtype_name(c->in_dtype[c->n_in - 1]));
}

ek_status ek__elementwise_prepare_fallible(ek_prepare_ctx *c, ek_fallible_fn fn, const void *state)
{
    return prepare(c, NULL, fn, state);
}

ek_status ek__elementwise_prepare(ek_prepare_ctx *c)
{
    const void *state = NULL;
    const ek_elementwise_fn fn = c->def->elementwise(c, &state);

    return ek__elementwise_prepare_loop(c, fn, state);
}
