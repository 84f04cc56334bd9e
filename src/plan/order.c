/* plan/order.c - the order of execution: creation order within what data and control edges demand.
 *
 * Graphs built here are in such an order already; files may hold nodes in any order. Then the smallest ready node
 * goes first, always.
 */
#include "plan/ir.h"

static bool edge_counts(const ek_program *p, const ek_node *n, int32_t i)
{
    return i >= n->n_in || ek__feed_of(p, n->in[i]) < 0;
}

/* Source of input i, data inputs first. */
static int32_t source_of(const ek_node *n, int32_t i)
{
    return i < n->n_in ? n->in[i].node : n->control[i - n->n_in];
}

static bool in_order(const ek_program *p)
{
    for (int32_t k = 0; k < p->n_order; k++) {
        const ek_node *n = ek__at(p, p->order[k]);

        for (int32_t i = 0; i < n->n_in + n->n_control; i++)
            if (source_of(n, i) >= n->id && edge_counts(p, n, i)) return false;
    }
    return true;
}

/* ---- a heap of node ids, smallest on top ------------------------------------------------------ */

static void heap_push(int32_t *heap, int32_t n, int32_t id)
{
    while (n > 0 && heap[(n - 1) / 2] > id) {
        heap[n] = heap[(n - 1) / 2];
        n = (n - 1) / 2;
    }
    heap[n] = id;
}

static int32_t heap_pop(int32_t *heap, int32_t n)
{
    const int32_t top = heap[0], last = heap[n - 1];
    int32_t at = 0;

    for (int32_t child = 1; child < n - 1; child = 2 * at + 1) {
        if (child + 1 < n - 1 && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= last) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return top;
}

/* ---- Kahn's algorithm ------------------------------------------------------------------------------ */

typedef struct edges {
    int32_t *waits;  /* per node: live inputs not yet placed */
    int32_t *first;  /* per node: place of its first consumer in `user`; one more at the end */
    int32_t *user;
    int32_t *heap;
} edges;

/* Counts edges, then fills consumers behind each node. false without memory. */
static bool collect_edges(const ek_program *p, ek_arena *scratch, edges *e)
{
    int64_t total = 0;

    e->waits = EK_ARENA_NEW(scratch, int32_t, p->n_nodes);
    e->first = EK_ARENA_NEW(scratch, int32_t, p->n_nodes + 2);
    e->heap = EK_ARENA_NEW(scratch, int32_t, p->n_order + 1);
    if (e->waits == NULL || e->first == NULL || e->heap == NULL) return false;
    for (int32_t k = 0; k < p->n_order; k++) {
        const ek_node *n = ek__at(p, p->order[k]);

        for (int32_t i = 0; i < n->n_in + n->n_control; i++) {
            if (!edge_counts(p, n, i)) continue;
            e->waits[n->id]++;
            e->first[source_of(n, i) + 2]++;
            total++;
        }
    }
    for (int64_t i = 2; i < p->n_nodes + 2; i++) e->first[i] += e->first[i - 1];
    e->user = EK_ARENA_NEW(scratch, int32_t, total + 1);
    if (e->user == NULL) return false;
    for (int32_t k = 0; k < p->n_order; k++) {
        const ek_node *n = ek__at(p, p->order[k]);

        for (int32_t i = 0; i < n->n_in + n->n_control; i++)
            if (edge_counts(p, n, i)) e->user[e->first[source_of(n, i) + 1]++] = n->id;
    }
    return true;
}

/* Puts p->order in order; returns how many nodes have a place, fewer than there are where there is a cycle. */
static int32_t place_nodes(ek_program *p, edges *e)
{
    int32_t waiting = 0, done = 0;

    for (int32_t k = 0; k < p->n_order; k++)
        if (e->waits[p->order[k]] == 0) heap_push(e->heap, waiting++, p->order[k]);
    while (waiting > 0) {
        const int32_t id = heap_pop(e->heap, waiting--);

        p->order[done++] = id;
        for (int32_t u = e->first[id]; u < e->first[id + 1]; u++)
            if (--e->waits[e->user[u]] == 0) heap_push(e->heap, waiting++, e->user[u]);
    }
    return done;
}

static ek_status sort(ek_builder *b)
{
    ek_program *p = b->program;
    edges e = { 0 };

    if (!collect_edges(p, &b->scratch, &e)) return ek__plan_no_memory(b->err);
    const int32_t done = place_nodes(p, &e);
    if (done == p->n_order) return EK_OK;
    for (int32_t id = 0; id < p->n_nodes; id++) {
        if (e.waits[id] == 0) continue;
        (void)EK_FAIL(b->err, INVALID_ARGUMENT, "Graph is invalid, contains a cycle with %d nodes, including: %s",
                      p->n_order - done, ek__at(p, id)->name);
        ek__fail_at(b->err, ek__at(p, id)->name);
        break;
    }
    return EK_INVALID_ARGUMENT;
}

bool ek__order_nodes(const ek_graph *g, ek_arena *scratch, int32_t *rank)
{
    ek_program all = { .graph = g, .n_nodes = g->n_nodes, .n_order = (int32_t)g->n_nodes };
    edges e = { 0 };

    all.mark = EK_ARENA_NEW(scratch, uint8_t, g->n_nodes + 1);
    all.order = EK_ARENA_NEW(scratch, int32_t, g->n_nodes + 1);
    if (all.mark == NULL || all.order == NULL) return false;
    for (int32_t id = 0; id < g->n_nodes; id++) {
        all.order[id] = id;
        rank[id] = INT32_MAX;
    }
    if (!collect_edges(&all, scratch, &e)) return false;
    const int32_t done = place_nodes(&all, &e);
    for (int32_t k = 0; k < done; k++) rank[all.order[k]] = k;
    return true;
}

ek_status ek__pass_order(ek_builder *b)
{
    ek_program *p = b->program;

    for (int32_t id = 0; id < p->n_nodes; id++) p->n_order += p->live[id] != EK_LIVE_NOT;
    p->order = EK_ARENA_NEW(&p->arena, int32_t, p->n_order + 1);
    p->first_out = EK_ARENA_NEW(&p->arena, int32_t, p->n_nodes);
    if (p->order == NULL || p->first_out == NULL) return ek__plan_no_memory(b->err);
    p->n_order = 0;
    for (int32_t id = 0; id < p->n_nodes; id++) {
        const ek_node *n = ek__at(p, id);

        if (p->live[id] == EK_LIVE_NOT && (p->mark[id] & EK_MARK_FED) == 0) continue;
        if (p->live[id] != EK_LIVE_NOT) p->order[p->n_order++] = id;
        p->first_out[id] = p->n_outs; /* fed nodes need a place even where nothing runs them */
        p->n_outs += n->n_out;
        if (n->n_in > p->max_in) p->max_in = n->n_in;
        if (n->n_out > p->max_out) p->max_out = n->n_out;
    }
    return in_order(p) ? EK_OK : sort(b);
}
