/* plan/fuse.c - joins element-wise ops of one element count into chains, which run tile by tile in the first cache.
 *
 * An op joins a chain that came before it when everything it reads from outside was there before the chain began:
 * then no path leaves the chain and returns, and running the op earlier changes nothing. What reads a variable's
 * memory joins only if nobody wrote in between. The loops are the definitions' own, so the bits are those of the ops
 * one by one.
 */
#include "plan/ir.h"

enum {
    CANDIDATES = 4, /* chains looked at, latest first */
    MAX_LINKS = 128,
    MAX_PORTS = 128
};

/* Room for `need` elements in an array of the scratch arena. */
static bool room(ek_arena *a, void **array, int32_t n, int32_t *cap, int32_t need, size_t size)
{
    if (need <= *cap) return true;
    const int32_t wanted = need > *cap * 2 ? need : *cap * 2;
    void *bigger = ek__arena_alloc(a, (size_t)wanted * size, 16);

    if (bigger == NULL) return false;
    if (n > 0) memcpy(bigger, *array, (size_t)n * size);
    *array = bigger;
    *cap = wanted;
    return true;
}
#define ROOM(arena, array, n, cap, need) room((arena), (void **)&(array), (n), &(cap), (need), sizeof *(array))

static bool may_join(const ek_builder *b, int32_t chain, int32_t k, int32_t last_effect)
{
    const ek_lowered *g = &b->op[chain], *op = &b->op[k];

    if (g->count != op->count || g->n_links + 1 > MAX_LINKS || g->n_in + op->n_in > MAX_PORTS) return false;
    if (op->pinned && last_effect > chain) return false;
    for (int32_t i = 0; i < op->n_in; i++)
        if (b->value[op->in[i].value].def > chain) return false;
    return true;
}

/* The place of an outside value among the chain's inputs, added where it is new; -1 without memory. */
static int32_t port_of(ek_builder *b, int32_t chain, const ek_port *port)
{
    ek_lowered *g = &b->op[chain];
    ek_value *v = &b->value[port->value];

    if (v->port_of == chain) return v->port;
    if (!ROOM(&b->scratch, g->in, g->n_in, g->cap_in, g->n_in + 1)) return -1;
    v->port_of = chain;
    v->port = g->n_in;
    g->in[g->n_in] = *port;
    return g->n_in++;
}

static ek_status join(ek_builder *b, int32_t chain, int32_t k)
{
    ek_lowered *g = &b->op[chain], *op = &b->op[k];
    ek_link link = op->link[0];

    for (int32_t i = 0; i < link.n_in; i++) {
        const ek_value *v = &b->value[op->in[i].value];

        if (v->def == chain && v->link >= 0) {
            link.in[i] = v->link;
            continue;
        }
        const int32_t at = port_of(b, chain, &op->in[i]);
        if (at < 0) return ek__plan_no_memory(b->err);
        link.in[i] = -1 - at;
    }
    if (!ROOM(&b->scratch, g->link, g->n_links, g->cap_links, g->n_links + 1) ||
        !ROOM(b->arena, g->covers, g->n_covers, g->cap_covers, g->n_covers + 1))
        return ek__plan_no_memory(b->err);
    b->value[link.value].def = chain;
    b->value[link.value].link = g->n_links;
    g->link[g->n_links++] = link;
    g->covers[g->n_covers++] = op->covers[0];
    g->pinned = g->pinned || op->pinned;
    op->kind = EK_LOWERED_GONE;
    return EK_OK;
}

/* The first op of a chain has its inputs as ports already. */
static void open_chain(ek_builder *b, int32_t k)
{
    for (int32_t i = 0; i < b->op[k].n_in; i++) {
        ek_value *v = &b->value[b->op[k].in[i].value];

        if (v->port_of == k) continue;
        v->port_of = k;
        v->port = i;
    }
}

/* Checks before an op that joined a chain come before the chain, unless something was written in between: then what is
 * checked is no input of the op, which would not have joined, and the check stays behind the write. */
static void move_checks(ek_builder *b, const int32_t *moved)
{
    ek_plan *p = b->plan;

    for (int32_t i = 0; i < p->n_checks; i++)
        if (p->check[i].step < b->n_ops) p->check[i].step = moved[p->check[i].step];
    for (int32_t i = 1; i < p->n_checks; i++) {
        const ek_plan_check c = p->check[i];
        int32_t at = i;

        for (; at > 0 && p->check[at - 1].step > c.step; at--) p->check[at] = p->check[at - 1];
        p->check[at] = c;
    }
}

/* Which links somebody outside reads: those become outputs, the others stay in tiles. */
static ek_status find_outputs(ek_builder *b)
{
    for (int32_t k = 0; k < b->n_ops; k++)
        if (b->op[k].kind != EK_LOWERED_GONE)
            for (int32_t i = 0; i < b->op[k].n_in; i++) b->value[b->op[k].in[i].value].used = true;
    for (int32_t k = 0; k < b->n_ops; k++) {
        ek_lowered *g = &b->op[k];
        ek_port *out;
        int32_t n = 0;

        if (g->kind != EK_LOWERED_CHAIN || g->n_links == 1) continue;
        out = ek__arena_alloc(&b->scratch, sizeof *out * (size_t)g->n_links, _Alignof(ek_port));
        if (out == NULL) return ek__plan_no_memory(b->err);
        for (int32_t j = 0; j < g->n_links; j++) {
            ek_value *v = &b->value[g->link[j].value];
            const bool outside = v->used || v->keep;

            g->link[j].out = outside ? n : -1;
            if (outside)
                out[n++] = (ek_port){ g->link[j].value, g->link[j].dtype, g->out[0].shape };
            else
                v->place = (ek_place){ .home = EK_HOME_TILE };
        }
        g->out = out;
        g->n_out = n;
    }
    return EK_OK;
}

static bool is_effect(const ek_lowered *op)
{
    return op->kind == EK_LOWERED_SNAPSHOT || (op->kind == EK_LOWERED_OP && op->pinned);
}

ek_status ek__pass_fuse(ek_builder *b)
{
    int32_t recent[CANDIDATES], n_recent = 0, last_effect = -1;
    int32_t *moved = ek__arena_alloc(&b->scratch, sizeof(int32_t) * (size_t)(b->n_ops + 1), sizeof(int32_t));

    if (moved == NULL) return ek__plan_no_memory(b->err);
    for (int32_t k = 0; k < b->n_ops; k++) {
        moved[k] = k;
        if (is_effect(&b->op[k])) last_effect = k;
        if (b->op[k].kind != EK_LOWERED_CHAIN) continue;
        for (int32_t c = 0; c < n_recent && moved[k] == k; c++)
            if (may_join(b, recent[c], k, last_effect)) moved[k] = recent[c];
        if (moved[k] != k) {
            EK_TRY(join(b, moved[k], k));
            if (last_effect > moved[k]) moved[k] = k;
            continue;
        }
        open_chain(b, k);
        if (n_recent < CANDIDATES) n_recent++;
        memmove(recent + 1, recent, sizeof *recent * (size_t)(n_recent - 1));
        recent[0] = k;
    }
    move_checks(b, moved);
    EK_TRY(find_outputs(b));
    if (ek__log_on("fuse"))
        for (int32_t k = 0; k < b->n_ops; k++)
            if (b->op[k].kind == EK_LOWERED_CHAIN && b->op[k].n_links > 1)
                ek__log("fuse", "%s and %d more: %d in, %d out, %lld elements", b->op[k].node->name,
                        b->op[k].n_links - 1, b->op[k].n_in, b->op[k].n_out, (long long)b->op[k].count);
    return EK_OK;
}
