/* plan/place.c - one block for all values of a region: an offset for each, reused once a value has died.
 *
 * A walk over the steps with a list of gaps, in order of offsets: the first that fits is taken. Everything starts at a
 * multiple of 64 bytes.
 */
#include "plan/ir.h"

enum { ALIGN = 64 };
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

static void place_output(ek_builder *b, heap *h, ek_value *v)
{
    if (v->place.home == EK_HOME_STRINGS) {
        v->place.offset = b->plan->string_count * sizeof(ek_string);
        b->plan->string_count += (size_t)v->count;
    } else if (v->place.home == EK_HOME_BLOCK) {
        v->place.offset = v->shares >= 0 ? b->value[v->shares].place.offset : heap_take(h, rounded(v->bytes));
    }
}

/* Gives back what dies at op k. */
static bool release(ek_builder *b, heap *h, const ek_port *port, int32_t n, int32_t k)
{
    for (int32_t i = 0; i < n; i++) {
        ek_value *v = &b->value[port[i].value];

        if (v->place.home != EK_HOME_BLOCK || v->last != k || v->taken) continue;
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
