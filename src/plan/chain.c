/* plan/chain.c - runs a chain of element-wise loops, tile by tile.
 *
 * Between two links numbers stay in tiles on the stack. The loops see blocks of the same elements in the same order as
 * they would one by one over memory, and each output depends on its own elements only: the bits are the same.
 */
#include "plan/ir.h"

enum {
    TILE_BYTES = 16 * 1024,  /* all tiles of a chain: half of a small first cache */
    CHUNK = 64 * 1024        /* elements; below that one thread is faster than two */
};

/* Where a link's operand is: the chain's inputs, then its outputs, then its tiles stand in one table of addresses. */
typedef struct operand {
    int32_t at;
    int32_t bytes; /* that it moves per element; 0 for a scalar or a tile, which stay */
} operand;

enum { MAX_ADDRESSES = 512 };

typedef struct compiled_link {
    ek_elementwise_fn fn;
    const void *state;
    int32_t n_in;
    int step[EK_LINK_MAX_IN];
    operand in[EK_LINK_MAX_IN], out;
} compiled_link;

typedef struct chain {
    int64_t count, tile; /* elements */
    size_t tile_bytes;
    int32_t n_in, n_out, n_tiles, n_links;
    compiled_link link[];
} chain;

static void list_addresses(const chain *c, const ek_run_args *a, char *tiles, char **address)
{
    for (int32_t i = 0; i < c->n_in; i++) *address++ = (char *)(uintptr_t)a->in[i];
    for (int32_t o = 0; o < c->n_out; o++) *address++ = a->out[o];
    for (int32_t t = 0; t < c->n_tiles; t++) *address++ = tiles + (size_t)t * c->tile_bytes;
}

static ek_status chain_run(const ek_run_args *a, int64_t chunk)
{
    const chain *c = a->state;
    const int64_t end = (chunk + 1) * CHUNK < c->count ? (chunk + 1) * CHUNK : c->count;
    _Alignas(64) char tiles[TILE_BYTES];
    char *address[MAX_ADDRESSES];

    list_addresses(c, a, tiles, address);
    for (int64_t at = chunk * CHUNK; at < end; at += c->tile) {
        const int64_t n = end - at < c->tile ? end - at : c->tile;

        for (int32_t j = 0; j < c->n_links; j++) {
            const compiled_link *l = &c->link[j];
            const void *in[EK_LINK_MAX_IN];

            for (int32_t i = 0; i < l->n_in; i++) in[i] = address[l->in[i].at] + at * l->in[i].bytes;
            l->fn(n, in, l->step, address[l->out.at] + at * l->out.bytes, l->state);
        }
    }
    return EK_OK;
}

/* All elements fit a tile: once through the links, from the beginning of everything. */
static ek_status tile_run(const ek_run_args *a, int64_t chunk)
{
    const chain *c = a->state;
    const int64_t n = c->count;
    _Alignas(64) char tiles[TILE_BYTES];
    char *address[MAX_ADDRESSES];

    EK_UNUSED(chunk);
    list_addresses(c, a, tiles, address);
    for (const compiled_link *l = c->link, *end = l + c->n_links; l < end; l++) {
        const void *in[EK_LINK_MAX_IN] = { address[l->in[0].at], address[l->in[1].at] };

        for (int32_t i = 2; i < l->n_in; i++) in[i] = address[l->in[i].at];
        l->fn(n, in, l->step, address[l->out.at], l->state);
    }
    return EK_OK;
}

/* One link: no tiles. */
static ek_status link_run(const ek_run_args *a, int64_t chunk)
{
    const chain *c = a->state;
    const compiled_link *l = &c->link[0];
    const int64_t at = chunk * CHUNK, n = c->count - at < CHUNK ? c->count - at : CHUNK;
    const void *in[EK_LINK_MAX_IN];

    for (int32_t i = 0; i < l->n_in; i++) in[i] = (const char *)a->in[i] + at * l->in[i].bytes;
    l->fn(n, in, l->step, (char *)a->out[0] + at * l->out.bytes, l->state);
    return EK_OK;
}

/* One link and one chunk: the arguments are the loop's as they stand. */
static ek_status whole_link_run(const ek_run_args *a, int64_t chunk)
{
    const chain *c = a->state;
    const compiled_link *l = &c->link[0];

    EK_UNUSED(chunk);
    l->fn(c->count, a->in, l->step, a->out[0], l->state);
    return EK_OK;
}

/* ---- tiles --------------------------------------------------------------------------------- */

/* The last link that reads each link's result. */
static void find_last_uses(const ek_lowered *op, int32_t *last)
{
    for (int32_t j = 0; j < op->n_links; j++) {
        last[j] = j;
        for (int32_t i = 0; i < op->link[j].n_in; i++)
            if (op->link[j].in[i] >= 0) last[op->link[j].in[i]] = j;
    }
}

/* Gives every inner result a tile, reused after its last reader; returns how many there are. A result may lie over an
 * operand that dies with it only where the sizes agree: tiles of dying operands are free a link later. */
static int32_t assign_tiles(const ek_lowered *op, const int32_t *last, int32_t *tile, int32_t *busy_until)
{
    int32_t n = 0;

    for (int32_t j = 0; j < op->n_links; j++) {
        int32_t t = 0;

        if (op->link[j].out >= 0) continue;
        while (t < n && busy_until[t] >= j) t++;
        if (t == n) n++;
        busy_until[t] = last[j];
        tile[j] = t;
    }
    return n;
}

/* Where the result of link j is. */
static int32_t result_at(const ek_lowered *op, const int32_t *tile, int32_t j)
{
    return op->link[j].out >= 0 ? op->n_in + op->link[j].out : op->n_in + op->n_out + tile[j];
}

static void compile_links(const ek_lowered *op, const int32_t *tile, chain *c)
{
    for (int32_t j = 0; j < op->n_links; j++) {
        const ek_link *l = &op->link[j];
        compiled_link *out = &c->link[j];

        out->fn = l->fn;
        out->state = l->state;
        out->n_in = l->n_in;
        for (int32_t i = 0; i < l->n_in; i++) {
            const int32_t from = l->in[i];
            const ek_dtype t = from >= 0 ? op->link[from].dtype : op->in[-1 - from].dtype;
            const bool moves = l->step[i] != 0 && (from < 0 || op->link[from].out >= 0);

            out->step[i] = l->step[i];
            out->in[i] =
                (operand){ from < 0 ? -1 - from : result_at(op, tile, from), moves ? (int32_t)ek_dtype_size(t) : 0 };
        }
        out->out = (operand){ result_at(op, tile, j), l->out >= 0 ? (int32_t)ek_dtype_size(l->dtype) : 0 };
    }
}

/* No larger than they need to be, and an odd number of cache lines: tiles whole pages apart would be in each other's
 * way, for a processor compares addresses of loads with those of stores before them within a page only. */
static size_t tile_bytes(int32_t n_tiles, size_t count, size_t widest)
{
    const size_t lines = TILE_BYTES / 64 / (size_t)(n_tiles > 0 ? n_tiles : 1);

    if (count <= TILE_BYTES / widest && (count * widest + 63) / 64 <= lines) return (count * widest + 63) / 64 * 64;
    return ((lines - 1) | 1) * 64;
}

ek_status ek__chain_prepare(ek_builder *b, const ek_lowered *op, ek_step *step)
{
    const int32_t n = op->n_links;
    chain *c = ek__arena_calloc(b->arena, 1, sizeof *c + sizeof c->link[0] * (size_t)n);
    int32_t *scratch = ek__arena_calloc(&b->scratch, (size_t)n * 3, sizeof *scratch);
    size_t widest = 1;

    if (c == NULL || scratch == NULL) return ek__plan_no_memory(b->err);
    find_last_uses(op, scratch);
    const int32_t n_tiles = assign_tiles(op, scratch, scratch + n, scratch + 2 * n);
    for (int32_t j = 0; j < n; j++)
        if (ek_dtype_size(op->link[j].dtype) > widest) widest = ek_dtype_size(op->link[j].dtype);
    c->count = op->count;
    c->n_links = n;
    c->n_in = op->n_in;
    c->n_out = op->n_out;
    c->n_tiles = n_tiles;
    EK_ASSERT(c->n_in + c->n_out + c->n_tiles <= MAX_ADDRESSES);
    c->tile_bytes = tile_bytes(n_tiles, (size_t)op->count, widest);
    c->tile = (int64_t)(c->tile_bytes / widest);
    compile_links(op, scratch + n, c);
    step->state = c;
    step->n_phases = 1;
    step->phase[0].chunks = (op->count + CHUNK - 1) / CHUNK;
    if (n == 1)
        step->phase[0].run = step->phase[0].chunks == 1 ? whole_link_run : link_run;
    else
        step->phase[0].run = op->count <= c->tile ? tile_run : chain_run;
    return EK_OK;
}
