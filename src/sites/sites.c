/* sites/sites.c - the search as a whole: each setting of the flags that nobody knows, joined, in a form that
 * outlives it. */
#include "sites/sites.h"

#include <stdlib.h>

#include "sites/search.h"

const char *ek__site_mode_name(ek_site_mode mode)
{
    static const char *const name[] = {"train", "inference", "switched"};
    return name[mode];
}

ek_status ek__search_no_memory(const ek_search *q)
{
    return EK_FAIL(q->err, RESOURCE_EXHAUSTED, "no memory to look for batch norms among %lld nodes",
                   (long long)q->s->n_nodes);
}

/* One site per output; the first that is found stays. */
ek_status ek__search_add(ek_search *q, const ek_found *f)
{
    if (q->by_output[f->y] != 0) return EK_OK;
    if (!EK_GROW(q->found, q->cap_found, q->n_found + 1)) return ek__search_no_memory(q);
    q->found[q->n_found++] = *f;
    q->found[q->n_found - 1].next = q->by_x[f->x];
    q->by_output[f->y] = q->by_x[f->x] = (int32_t)q->n_found;
    return EK_OK;
}

static ek_status search(ek_search *q)
{
    q->by_output = ek__calloc((size_t)q->s->n_tensors + 1, sizeof *q->by_output);
    q->by_x = ek__calloc((size_t)q->s->n_tensors + 1, sizeof *q->by_x);
    q->mark = ek__calloc((size_t)q->s->n_nodes + 1, 1);
    if (!ek__env_open(&q->env, q->s) || !ek__queue_open(&q->queue, q->s) || q->by_output == NULL || q->by_x == NULL ||
        q->mark == NULL)
        return ek__search_no_memory(q);
    EK_TRY(ek__find_fused(q));
    EK_TRY(ek__find_composed(q));
    return ek__find_gradients(q);
}

static void close_search(ek_search *q)
{
    ek__env_close(&q->env);
    ek__queue_close(&q->queue);
    ek__free(q->found);
    ek__free(q->anchor);
    ek__free(q->by_output);
    ek__free(q->by_x);
    ek__free(q->mark);
}

/* ---- what is told of a site ----------------------------------------------------------------------------- */

/* The product or convolution before x or, if there is none, that reads y. */
static int32_t linear_beside(const ek_scene *s, const ek_found *f)
{
    static const char *const linear[] = {
        "MatMul", "Conv2D", "DepthwiseConv2dNative", "Conv3D", "Conv2DBackpropInput", "BatchMatMul", "BatchMatMulV2"};
    static const char *const bias[] = {"BiasAdd", "Add", "AddV2", "Reshape", "Transpose"};
    const ek_node *n = ek__scene_node(s, f->x);

    for (int i = 0; i < 4 && n->n_in > 0 && ek__is_one_of(n, bias, EK_COUNT_OF(bias)); i++) {
        if ((ek__is_type(n, "Add") || ek__is_type(n, "AddV2")) && s->data[n->in[1].node])
            break; /* a sum of two branches */
        n = ek__scene_node(s, ek__scene_root_in(s, n, 0));
    }
    if (ek__is_one_of(n, linear, EK_COUNT_OF(linear))) return n->id;
    for (int32_t u = s->user_first[f->y]; u < s->user_first[f->y + 1]; u++)
        if (ek__is_one_of(s->g->node[s->user[u]], linear, EK_COUNT_OF(linear))) return s->user[u];
    return -1;
}

/* The common scope of the names of the nodes behind the roles. */
static const char *common_scope(ek_arena *arena, const ek_graph *g, const ek_edge *role, int n)
{
    const char *first = "";
    size_t size = 0;

    for (int i = 0, any = 0; i < n; i++) {
        const char *name = role[i].node >= 0 ? g->node[role[i].node]->name : NULL;
        size_t same = 0;

        if (name == NULL) continue;
        if (any++ == 0) {
            first = name;
            size = strlen(name);
        }
        while (same < size && name[same] == first[same]) same++;
        size = same;
    }
    while (size > 0 && first[size] != '/') size--;
    return ek__arena_strndup(arena, first, size);
}

/* The predicate of a Switch or Select among the covered nodes or just before them that was assumed; -1. */
static int32_t assumed_predicate(const ek_scene *s, const ek_found *f)
{
    for (int i = 0; i < f->n_covers; i++) {
        const ek_node *n = s->g->node[f->covers[i]];

        for (int k = -1; k < n->n_in; k++) {
            const ek_node *c = k < 0 ? n : s->g->node[n->in[k].node];

            if (!s->guess[c->id]) continue;
            return ek__scene_root_in(s, c, ek__is_type(c, "Select") || ek__is_type(c, "SelectV2") ? 0 : 1);
        }
    }
    return -1;
}

static ek_status tell(ek_search *q, const ek_found *f, ek_site *out)
{
    const ek_scene *s = q->s;

    *out = (ek_site){.fused = f->fused,
                     .averages = f->averages,
                     .mode = f->train ? EK_SITE_TRAIN : EK_SITE_INFERENCE,
                     .x = ek__scene_edge(s, f->x),
                     .y = ek__scene_edge(s, f->y),
                     .gamma = ek__scene_edge(s, f->gamma),
                     .beta = ek__scene_edge(s, f->beta),
                     .mean = ek__scene_edge(s, f->mean),
                     .variance = ek__scene_edge(s, f->variance),
                     .predicate = ek__scene_edge(s, assumed_predicate(s, f)),
                     .axes = f->axes,
                     .rank = f->rank,
                     .epsilon = f->epsilon,
                     .linear = linear_beside(s, f),
                     .covers = f->covers,
                     .n_covers = f->n_covers,
                     .gradient = f->gradient,
                     .n_gradients = f->n_gradients};
    const ek_edge role[] = {out->gamma, out->beta, out->mean, out->variance};
    out->set = common_scope(q->arena, s->g, role, EK_COUNT_OF(role));
    if (out->set == NULL) return ek__search_no_memory(q);
    return ek__tell_terms(q, f, out);
}

/* ---- one setting of the flags ------------------------------------------------------------------------------ */

typedef struct setting {
    uint8_t *never; /* in the arena */
    int32_t *first_out;
    ek_site *at; /* ek__alloc */
    int64_t n, cap;
    int32_t *end; /* per site: the last Merge that hands its output on, as a node; -1: none. ek__alloc */
    int64_t cap_end;
    bool assumed;
    int64_t evaluated;
} setting;

/* Marks what the ways back cover: a site there is a part of them. */
static void mark_gradients(ek_search *q, uint8_t mark)
{
    for (int64_t i = 0; i < q->n_found; i++)
        for (int k = 0; k < q->found[i].n_gradients; k++)
            for (int c = 0; c < q->found[i].gradient[k].n_covers; c++)
                q->mark[q->found[i].gradient[k].covers[c]] = mark;
}

static ek_status collect(ek_search *q, setting *out)
{
    int32_t *merge = ek__calloc((size_t)q->s->n_tensors + 1, sizeof *merge);
    ek_status st = merge != NULL ? EK_OK : ek__search_no_memory(q);

    for (int64_t t = 0; st == EK_OK && t < q->s->n_tensors; t++) merge[t] = -1;
    for (int64_t o = 0; st == EK_OK && o < q->s->n_nodes; o++) {
        const ek_node *n = q->s->g->node[q->s->order[o]];

        if (ek__is_type(n, "Merge") && n->n_out > 0 && !q->s->dead_node[n->id])
            merge[q->s->root[q->s->first[n->id]]] = n->id;
    }
    mark_gradients(q, 1);
    for (int64_t i = 0; st == EK_OK && i < q->n_found; i++) {
        const ek_found *f = &q->found[i];

        if (f->look_alike || (!f->fused && q->mark[q->s->node_of[f->y]])) continue;
        if (!EK_GROW(out->at, out->cap, out->n + 1) || !EK_GROW(out->end, out->cap_end, out->n + 1)) {
            st = ek__search_no_memory(q);
            break;
        }
        out->end[out->n] = merge[f->y];
        st = tell(q, f, &out->at[out->n++]);
    }
    mark_gradients(q, 0);
    ek__free(merge);
    return st;
}

static ek_status no_memory(ek_error *err)
{
    return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to look for batch norms");
}

static ek_status keep_dead(const ek_scene *s, ek_arena *arena, setting *out, ek_error *err)
{
    out->never = EK_ARENA_NEW(arena, uint8_t, s->n_tensors + 1);
    out->first_out = ek__arena_memdup(arena, s->first, sizeof *s->first * (size_t)(s->n_nodes + 1));
    if (out->never == NULL || out->first_out == NULL) return no_memory(err);
    for (int64_t t = 0; t < s->n_tensors; t++) out->never[t] = s->dead[t] == EK_DEAD_SURELY;
    return EK_OK;
}

static ek_status look(const ek_view *view, bool assume, ek_arena *arena, setting *out, ek_error *err)
{
    ek_scene scene;
    ek_search *q = ek__calloc(1, sizeof *q);
    ek_status st = ek__scene_open(&scene, view, assume, err);

    if (q == NULL && st == EK_OK) st = no_memory(err);
    if (st == EK_OK) {
        *q = (ek_search){.s = &scene, .arena = arena, .err = err};
        st = search(q);
        if (st == EK_OK) st = collect(q, out);
        if (st == EK_OK) st = keep_dead(&scene, arena, out, err);
        out->assumed = scene.assumed;
        out->evaluated = q->env.evaluated;
    }
    if (q != NULL) close_search(q);
    ek__free(q);
    ek__scene_close(&scene);
    return st;
}

/* ---- both ways --------------------------------------------------------------------------------------------- */

static bool same_edge(ek_edge a, ek_edge b)
{
    return a.node == b.node && (a.node < 0 || a.index == b.index);
}

static bool same_way_back(const ek_site_gradient *a, const ek_site_gradient *b)
{
    return same_edge(a->dy, b->dy) && same_edge(a->dx, b->dx) && same_edge(a->dgamma, b->dgamma) &&
           same_edge(a->dbeta, b->dbeta);
}

/* The ways back of both; those that are there both ways once. */
static bool join_gradients(ek_site *a, const ek_site *b, ek_arena *arena)
{
    ek_site_gradient *all = ek__arena_calloc(arena, (size_t)(a->n_gradients + b->n_gradients) + 1, sizeof *all);
    int n = a->n_gradients;

    if (all == NULL) return false;
    if (n > 0) memcpy(all, a->gradient, (size_t)n * sizeof *all);
    for (int k = 0; k < b->n_gradients; k++) {
        bool again = false;

        for (int i = 0; i < a->n_gradients && !again; i++) again = same_way_back(&all[i], &b->gradient[k]);
        if (!again) all[n++] = b->gradient[k];
    }
    a->gradient = all;
    a->n_gradients = n;
    return true;
}

/* The training way's where both have one of the kind. */
static ek_status join(ek_site *a, int32_t end, const ek_site *b, ek_arena *arena, const ek_graph *g, ek_error *err)
{
    const bool once = a->mode == b->mode;
    const ek_edge y = same_edge(a->y, b->y) ? a->y : (ek_edge){end, 0};
    const ek_site first = a->mode == EK_SITE_INFERENCE ? *b : *a, second = a->mode == EK_SITE_INFERENCE ? *a : *b;

    if (once && same_edge(a->mean, b->mean)) a->predicate = (ek_edge){-1, 0};
    if (!once) {
        *a = first;
        a->mean = second.mean;
        a->variance = second.variance;
        if (a->predicate.node < 0) a->predicate = second.predicate;
        a->mode = EK_SITE_SWITCHED;
    }
    a->y = y;
    const ek_edge role[] = {a->gamma, a->beta, a->mean, a->variance};
    a->set = common_scope(arena, g, role, EK_COUNT_OF(role));
    return a->set != NULL && join_gradients(a, once ? b : &second, arena) ? EK_OK : no_memory(err);
}

/* 1 + the site of `a` per node that gives its output, and per last Merge: both ways describe one place where either is
 * the same. NULL without memory. */
static int32_t *places_of(const setting *a, const ek_graph *g)
{
    int32_t *at = ek__calloc(2 * (size_t)g->n_nodes + 1, sizeof *at);

    for (int64_t i = a->n - 1; at != NULL && i >= 0; i--) {
        at[a->at[i].y.node] = (int32_t)i + 1;
        if (a->end[i] >= 0) at[g->n_nodes + a->end[i]] = (int32_t)i + 1;
    }
    return at;
}

/* Adds the sites of `b` that are not in `a`; those that are become one. */
static ek_status join_all(setting *a, const setting *b, ek_arena *arena, const ek_graph *g, ek_error *err)
{
    int32_t *place = places_of(a, g);
    ek_status st = place != NULL ? EK_OK : no_memory(err);

    for (int64_t k = 0; st == EK_OK && k < b->n; k++) {
        const int32_t by_merge = b->end[k] >= 0 ? place[g->n_nodes + b->end[k]] : 0;
        const int32_t i = place[b->at[k].y.node] > 0 ? place[b->at[k].y.node] : by_merge;

        if (i > 0) {
            st = join(&a->at[i - 1], a->end[i - 1], &b->at[k], arena, g, err);
            continue;
        }
        if (!EK_GROW(a->at, a->cap, a->n + 1) || !EK_GROW(a->end, a->cap_end, a->n + 1)) {
            st = no_memory(err);
            break;
        }
        a->end[a->n] = b->end[k];
        a->at[a->n++] = b->at[k];
    }
    ek__free(place);
    return st;
}

static int by_output(const void *a, const void *b)
{
    const ek_edge x = ((const ek_site *)a)->y, y = ((const ek_site *)b)->y;

    return x.node != y.node ? (x.node > y.node) - (x.node < y.node) : (x.index > y.index) - (x.index < y.index);
}

ek_status ek__sites_find(const ek_view *view, ek_branch assume, ek_sites *out, ek_error *err)
{
    setting on = {.n = 0}, off = {.n = 0};
    ek_status st;

    *out = (ek_sites){.n = 0};
    st = look(view, assume != EK_BRANCH_FALSE, &out->arena, &on, err);
    if (st == EK_OK && assume == EK_BRANCH_UNKNOWN && on.assumed) {
        st = look(view, false, &out->arena, &off, err);
        if (st == EK_OK) st = join_all(&on, &off, &out->arena, view->graph, err);
    }
    out->switched = on.assumed;
    if (assume != EK_BRANCH_UNKNOWN) {
        out->never = on.never;
        out->first_out = on.first_out;
    }
    out->evaluated = on.evaluated + off.evaluated;
    if (st == EK_OK && on.n > 0) {
        qsort(on.at, (size_t)on.n, sizeof *on.at, by_output);
        out->at = ek__arena_memdup(&out->arena, on.at, (size_t)on.n * sizeof *on.at);
        out->n = (int)on.n;
        if (out->at == NULL) st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for %lld batch norms", (long long)on.n);
    }
    ek__free(on.at);
    ek__free(on.end);
    ek__free(off.at);
    ek__free(off.end);
    if (st != EK_OK) ek__sites_free(out);
    return st;
}

void ek__sites_free(ek_sites *sites)
{
    ek__arena_fini(&sites->arena);
    *sites = (ek_sites){.n = 0};
}

/* ---- with feeds --------------------------------------------------------------------------------------------- */

ek_status ek__sites_find_fed(const ek_graph *g, int n, const ek_tensor *fed, ek_array *const *value, ek_branch assume,
                             ek_sites *out, ek_error *err)
{
    ek_arena arena = {.block_size = 0};
    int32_t *first = EK_ARENA_NEW(&arena, int32_t, g->n_nodes + 1);
    ek_array **constant = EK_ARENA_NEW(&arena, ek_array *, g->n_outputs + 1);
    const ek_view view = {.graph = g, .n_nodes = g->n_nodes, .first_out = first, .constant = constant};
    ek_status st = EK_OK;
    int32_t outputs = 0;

    *out = (ek_sites){.n = 0};
    if (first == NULL || constant == NULL) st = no_memory(err);
    for (int64_t i = 0; st == EK_OK && i < g->n_nodes; i++) {
        first[i] = outputs;
        for (int k = 0; k < g->node[i]->n_out; k++) constant[outputs++] = g->node[i]->constant;
    }
    for (int i = 0; st == EK_OK && i < n; i++) constant[first[fed[i].op] + fed[i].index] = value[i];
    if (st == EK_OK) st = ek__sites_find(&view, assume, out, err);
    ek__arena_fini(&arena);
    return st;
}
