/* plan/place.c - one block for all values of a region: an offset for each, reused once a value has died.
 *
 * Large values first, the largest foremost: each at the lowest offset where none that lives at the same time lies. What is
 * then left of a training step's block is little more than what lives at once. All others behind them, in a walk over the
 * steps with a list of gaps, in order of offsets: the first that fits is taken. Everything starts at a multiple of 64 bytes.
 */
#include "plan/ir.h"

#include <stdlib.h>

enum { ALIGN = 64, LARGE = 64 << 10, MOST_LARGE = 2048 };
#define MOST_BYTES ((size_t)1 << 46) /* of a run: far from where sums overflow */

typedef struct gap {
    size_t at, size;
} gap;

typedef struct heap {
    gap *gap; /* neighbours never touch */
    int64_t n, cap;
    size_t top; /* beyond it everything is free */
} heap;

static size_t rounded(size_t bytes)
{
    return bytes == 0 ? ALIGN : (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t heap_take(heap *h, size_t size)
{
    for (int64_t i = 0; i < h->n; i++) {
        gap *g = &h->gap[i];

        if (g->size < size) continue;
        const size_t at = g->at;
        g->at += size;
        g->size -= size;
        if (g->size == 0) {
            memmove(g, g + 1, sizeof *g * (size_t)(h->n - i - 1));
            h->n--;
        }
        return at;
    }
    h->top += size;
    return h->top - size;
}

/* false without memory */
static bool heap_give(heap *h, size_t at, size_t size)
{
    int64_t i = h->n;

    while (i > 0 && h->gap[i - 1].at > at) i--;
    const bool joins_left = i > 0 && h->gap[i - 1].at + h->gap[i - 1].size == at;
    const bool joins_right = i < h->n && at + size == h->gap[i].at;
    if (joins_left && joins_right) {
        h->gap[i - 1].size += size + h->gap[i].size;
        memmove(&h->gap[i], &h->gap[i + 1], sizeof(gap) * (size_t)(h->n - i - 1));
        h->n--;
    } else if (joins_left) {
        h->gap[i - 1].size += size;
    } else if (joins_right) {
        h->gap[i].at = at;
        h->gap[i].size += size;
    } else {
        if (!EK_GROW(h->gap, h->cap, h->n + 1)) return false;
        memmove(&h->gap[i + 1], &h->gap[i], sizeof(gap) * (size_t)(h->n - i));
        h->gap[i] = (gap){ at, size };
        h->n++;
    }
    return true;
}

/* ---- large values ------------------------------------------------------------------------------------ */

/* Memory of one or more values, each of which took over that of the one before. */
typedef struct life {
    int32_t value;       /* the first */
    int32_t from, to;    /* ops, both included */
    size_t size, at;
} life;

static int32_t first_of(const ek_builder *b, int32_t v)
{
    while (b->value[v].shares >= 0) v = b->value[v].shares;
    return v;
}

/* false: more than are placed so, or one that no run can have, which the walk refuses. */
static bool find_lives(const ek_builder *b, life *list, int32_t *n, int32_t *life_of)
{
    for (int32_t k = 0; k < b->n_ops; k++) {
        const ek_lowered *op = &b->op[k];

        for (int32_t o = 0; o < op->n_out && op->kind != EK_LOWERED_GONE; o++) {
            const ek_value *v = &b->value[op->out[o].value];
            const int32_t first = first_of(b, op->out[o].value);

            if (v->place.home != EK_HOME_BLOCK || v->bytes < LARGE) continue;
            if (v->shares < 0) {
                if (*n == MOST_LARGE || v->bytes > MOST_BYTES) return false;
                list[*n] = (life){ .value = first, .from = k, .to = v->last, .size = rounded(v->bytes) };
                life_of[first] = ++*n;
            }
            life *const l = &list[life_of[first] - 1];
            if (v->last > l->to) l->to = v->last;
        }
    }
    return true;
}

static int by_size(const void *a, const void *b)
{
    const life *const p = a, *const q = b;

    if (p->size != q->size) return p->size > q->size ? -1 : 1;
    return p->from - q->from;
}

/* The lowest offset for l among those that are placed, which are in the order of their offsets. */
static size_t lowest_for(const life *l, const life *const *placed, int32_t n)
{
    size_t at = 0;

    for (int32_t i = 0; i < n; i++) {
        const life *const p = placed[i];

        if (p->from > l->to || l->from > p->to || p->at + p->size <= at) continue;
        if (p->at >= at + l->size) break;
        at = p->at + p->size;
    }
    return at;
}

/* Places large values from offset 0; *top: where they end. */
static ek_status place_large(ek_builder *b, size_t *top)
{
    int32_t *const life_of = EK_ARENA_NEW(&b->scratch, int32_t, b->n_values + 1), n = 0;
    life *const list = EK_ARENA_NEW(&b->scratch, life, MOST_LARGE);
    const life **const placed = EK_ARENA_NEW(&b->scratch, const life *, MOST_LARGE);

    *top = 0;
    if (life_of == NULL || list == NULL || placed == NULL) return ek__plan_no_memory(b->err);
    if (!find_lives(b, list, &n, life_of)) return EK_OK;
    qsort(list, (size_t)n, sizeof *list, by_size);
    for (int32_t i = 0; i < n; i++) {
        life *const l = &list[i];
        int32_t k = i;

        l->at = lowest_for(l, placed, i);
        for (; k > 0 && placed[k - 1]->at > l->at; k--) placed[k] = placed[k - 1];
        placed[k] = l;
        b->value[l->value].place.offset = l->at;
        b->value[l->value].placed = true;
        if (l->at + l->size > *top) *top = l->at + l->size;
    }
    return EK_OK;
}

/* ---- all others ---------------------------------------------------------------------------------------- */

static void place_output(ek_builder *b, heap *h, ek_value *v)
{
    if (v->place.home == EK_HOME_STRINGS) {
        v->place.offset = b->plan->string_count * sizeof(ek_string);
        b->plan->string_count += (size_t)v->count;
    } else if (v->place.home == EK_HOME_BLOCK && v->shares >= 0) {
        const ek_value *const from = &b->value[v->shares];

        v->place.offset = from->place.offset;
        v->placed = from->placed;
    } else if (v->place.home == EK_HOME_BLOCK && !v->placed) {
        v->place.offset = heap_take(h, rounded(v->bytes));
    }
}

/* Gives back what dies at op k. */
static bool release(ek_builder *b, heap *h, const ek_port *port, int32_t n, int32_t k)
{
    for (int32_t i = 0; i < n; i++) {
        ek_value *v = &b->value[port[i].value];

        if (v->place.home != EK_HOME_BLOCK || v->last != k || v->taken || v->placed) continue;
        v->taken = true; /* once, however often it is an input */
        if (!heap_give(h, v->place.offset, rounded(v->bytes))) return false;
    }
    return true;
}

/* After every value, so that no sum comes near its end. */
static ek_status believed(const ek_builder *b, const heap *h, const ek_node *n)
{
    if (h->top <= MOST_BYTES && b->plan->string_count <= MOST_BYTES / sizeof(ek_string)) return EK_OK;
    (void)EK_FAIL(b->err, RESOURCE_EXHAUSTED, "a run would need more than 2^46 bytes");
    ek__fail_at(b->err, n->name);
    return EK_RESOURCE_EXHAUSTED;
}

ek_status ek__pass_place(ek_builder *b)
{
    heap h = { 0 };
    ek_status st = EK_OK;
    bool ok = true;
    size_t sum = 0;

    if (b->host->reuse) EK_TRY(place_large(b, &h.top));

    for (int32_t k = 0; k < b->n_ops && ok && st == EK_OK; k++) {
        const ek_lowered *op = &b->op[k];

        if (op->kind == EK_LOWERED_GONE) continue;
        for (int32_t o = 0; o < op->n_out && st == EK_OK; o++) {
            place_output(b, &h, &b->value[op->out[o].value]);
            sum += b->value[op->out[o].value].bytes;
            st = believed(b, &h, op->node);
        }
        if (st == EK_OK && b->host->reuse) ok = release(b, &h, op->in, op->n_in, k) && release(b, &h, op->out, op->n_out, k);
    }
    ek__free(h.gap);
    if (!ok) return ek__plan_no_memory(b->err);
    EK_TRY(st);
    b->plan->block_bytes = h.top;
    if (ek__log_on("place")) ek__log("place", "%zu bytes for %zu bytes of values", h.top, sum);
    return EK_OK;
}
