/* autodiff/reach.c - what lies between the xs and the ys. */
#include "autodiff/walk.h"

/* Who reads each node's outputs: consumer[from[i] .. from[i + 1]); -1 where no gradient flows through what is read. */
typedef struct readers {
    int64_t *from;
    int32_t *consumer;
} readers;

static bool find_readers(ek_walk *w, readers *r)
{
    const ek_graph *g = w->g;
    int64_t edges = 0;

    for (int64_t i = 0; i < w->n; i++) edges += g->node[i]->n_in;
    r->from = EK_ARENA_NEW(&w->arena, int64_t, w->n + 2);
    r->consumer = EK_ARENA_NEW(&w->arena, int32_t, edges + 1);
    if (r->from == NULL || r->consumer == NULL) return false;
    for (int64_t i = 0; i < w->n; i++)
        for (int32_t k = 0; k < g->node[i]->n_in; k++) r->from[g->node[i]->in[k].node + 2]++;
    for (int64_t i = 1; i <= w->n; i++) r->from[i + 1] += r->from[i];
    for (int64_t i = 0; i < w->n; i++) {
        for (int32_t k = 0; k < g->node[i]->n_in; k++) {
            const ek_edge e = g->node[i]->in[k];
            r->consumer[r->from[e.node + 1]++] = ek__walk_flows(g->node[e.node]->out_dtype[e.index]) ? (int32_t)i : -1;
        }
    }
    return true;
}

/* Everything that an x has influence on. */
static bool *reached_from(ek_walk *w, const ek_edge *xs, int64_t n_xs)
{
    bool *reached = EK_ARENA_NEW(&w->arena, bool, w->n + 1);
    int32_t *queue = EK_ARENA_NEW(&w->arena, int32_t, w->n + 1);
    int64_t head = 0, tail = 0;
    readers r;

    if (reached == NULL || queue == NULL || !find_readers(w, &r)) return NULL;
    for (int64_t i = 0; i < n_xs; i++) {
        if (!reached[xs[i].node]) queue[tail++] = xs[i].node;
        reached[xs[i].node] = true;
    }
    while (head < tail) {
        const int32_t node = queue[head++];
        for (int64_t i = r.from[node]; i < r.from[node + 1]; i++) {
            const int32_t next = r.consumer[i];
            if (next < 0 || reached[next]) continue;
            reached[next] = true;
            queue[tail++] = next;
        }
    }
    return reached;
}

bool ek__walk_reach(ek_walk *w, const ek_edge *ys, int64_t n_ys, const ek_edge *xs, int64_t n_xs)
{
    const bool *reached = reached_from(w, xs, n_xs);
    int64_t head = 0, tail = 0;

    if (reached == NULL) return false;
    for (int64_t i = 0; i < n_ys; i++) {
        if (!reached[ys[i].node] || w->between[ys[i].node]) continue;
        w->between[ys[i].node] = true;
        w->queue[tail++] = ys[i].node;
    }
    while (head < tail) {
        const ek_node *n = ek__node(w->g, w->queue[head++]);
        for (int32_t i = 0; i < n->n_in; i++) {
            const int32_t from = n->in[i].node;
            if (!reached[from]) continue;
            w->pending[from]++;
            if (w->between[from]) continue;
            w->between[from] = true;
            w->queue[tail++] = from;
        }
    }
    return true;
}
