/* plan/recognise.c - the batch norms of the whole graph, once per setting of its flags: kept for every signature.
 *
 * The whole graph is looked at, not what a run needs of it: then another fetch finds the same. How the halves lie in one
 * plan is in halves.c.
 */
#include "plan/recognise.h"

#include <stdlib.h>

enum {
    MOST_KEPT = 8,       /* settings of flags */
    MOST_FLAGS = 64,
    MOST_VISITED = 20000 /* nodes between a half and what it is given */
};

static ek_status no_memory(ek_builder *b)
{
    return ek__plan_no_memory(b->err);
}

/* ---- flags ---------------------------------------------------------------------------------------- */

static void add_flag(ek_flag *list, int32_t *n, ek_edge at, bool value)
{
    for (int32_t i = 0; i < *n; i++)
        if (ek__same_edge(list[i].at, at)) return;
    if (*n < MOST_FLAGS) list[(*n)++] = (ek_flag){ at, value };
}

/* Booleans that are fed, of a tail those that its root was made for, and what decides the plan's Switches. */
static int32_t flags_of(const ek_builder *b, ek_flag *list)
{
    const ek_program *p = b->program;
    int32_t n = 0;

    for (int32_t i = 0; i < p->n_feeds && i < 64; i++) {
        const ek_fact *f = &b->facts->fact[ek__out_at(p, p->feed[i])];

        if (f->known != NULL && (b->plan->outer == NULL || (b->plan->root->steering >> i & 1) != 0))
            add_flag(list, &n, p->feed[i], *(const bool *)f->known->data);
    }
    for (int32_t k = b->begin; k < b->end; k++) {
        const ek_node *node = ek__at(p, p->order[k]);

        if (node->spec->def->kind != EK_KIND_SWITCH || b->facts->taken[node->id] < 0) continue;
        if (ek__at(p, node->in[1].node)->constant == NULL)
            add_flag(list, &n, node->in[1], b->facts->taken[node->id] == 1);
    }
    return n;
}

static bool is_for(const ek_recognised *r, const ek_graph *g, const ek_flag *flag, int32_t n)
{
    if (r->version != g->version || r->n_flags != n) return false;
    for (int32_t i = 0; i < n; i++)
        if (!ek__same_edge(r->flag[i].at, flag[i].at) || r->flag[i].value != flag[i].value) return false;
    return true;
}

/* ---- ranks ------------------------------------------------------------------------------------------ */

/* Creation order where that is an order, else the one of ek__pass_order: the smallest node that is ready goes first. */
static bool rank_nodes(const ek_graph *g, ek_arena *arena, int32_t *rank)
{
    bool in_order = true;

    for (int32_t id = 0; id < g->n_nodes; id++) {
        const ek_node *n = g->node[id];

        rank[id] = id;
        for (int32_t i = 0; i < n->n_in; i++) in_order &= n->in[i].node < id;
        for (int32_t i = 0; i < n->n_control; i++) in_order &= n->control[i] < id;
    }
    return in_order || ek__order_nodes(g, arena, rank);
}

/* ---- convexity ---------------------------------------------------------------------------------------- */

typedef struct walk {
    const ek_graph *g;
    const ek_sites *sites;
    const int32_t *rank;
    uint32_t *seen, now; /* per node: stamps */
    uint8_t *inside;     /* per node: what the half computes from what it is given */
    int32_t *stack;
} walk;

/* Whether a number comes in there: not a shape alone, nor what a branch that is not taken would give. */
static bool carries(const walk *w, const ek_node *n, int32_t i)
{
    if (w->sites->never[w->sites->first_out[n->in[i].node] + n->in[i].index] != 0) return false;
    return n->spec == NULL || !ek__shape_input(n->spec, i, n->n_in);
}

enum { ALL_ROLES = (1 << EK_SITE_ROLES) - 1 };

static bool has_role(unsigned roles, const ek_site_entry *e)
{
    return (roles >> e->role & 1u) != 0;
}

/* Marks the covered nodes that values flow through from some of the roles; what is static is anybody's. Returns their
 * lowest rank. */
static int32_t mark_inside(walk *w, const int32_t *covers, int n, const ek_site_terms *terms, unsigned roles)
{
    int32_t lowest = INT32_MAX;
    bool again = true;

    for (int i = 0; i < terms->n_entries; i++)
        if (has_role(roles, &terms->entry[i]) && carries(w, w->g->node[terms->entry[i].node], terms->entry[i].input))
            w->inside[terms->entry[i].node] = 1;
    while (again) { /* once where ids are an order */
        again = false;
        for (int i = 0; i < n; i++) {
            const ek_node *node = w->g->node[covers[i]];

            for (int32_t k = 0; k < node->n_in && w->inside[node->id] == 0; k++) {
                if (w->inside[node->in[k].node] == 0 || !carries(w, node, k)) continue;
                w->inside[node->id] = 1;
                again = true;
            }
        }
    }
    for (int i = 0; i < n; i++)
        if (w->inside[covers[i]] != 0 && w->rank[covers[i]] < lowest) lowest = w->rank[covers[i]];
    return lowest;
}

/* Whether what enters as one of the roles depends on what is computed inside. */
static bool returns(walk *w, const ek_site_terms *terms, int32_t lowest, unsigned roles)
{
    int32_t n = 0, visited = 0;

    w->now++;
    for (int i = 0; i < terms->n_entries; i++) {
        const ek_node *by = w->g->node[terms->entry[i].node];
        const int32_t from = by->in[terms->entry[i].input].node;

        if (!has_role(roles, &terms->entry[i]) || w->seen[from] == w->now || w->rank[from] < lowest) continue;
        w->seen[from] = w->now;
        w->stack[n++] = from;
    }
    while (n > 0) {
        const ek_node *node = w->g->node[w->stack[--n]];

        if (w->inside[node->id] != 0 || ++visited > MOST_VISITED) return true;
        for (int32_t i = 0; i < node->n_in; i++) {
            const int32_t from = node->in[i].node;

            if (w->seen[from] == w->now || w->rank[from] < lowest || !carries(w, node, i)) continue;
            w->seen[from] = w->now;
            w->stack[n++] = from;
        }
    }
    return false;
}

/* Whether what is computed from the roles `inside` is not what the roles `given` need. */
static bool is_convex(walk *w, const int32_t *covers, int n, const ek_site_terms *terms, unsigned inside, unsigned given)
{
    const int32_t lowest = mark_inside(w, covers, n, terms, inside);
    const bool convex = !returns(w, terms, lowest, given);

    for (int i = 0; i < n; i++) w->inside[covers[i]] = 0;
    return convex;
}

/* ---- halves ------------------------------------------------------------------------------------------- */

static int32_t highest(const walk *w, const ek_site_terms *terms, int32_t from, unsigned roles)
{
    for (int i = 0; i < terms->n_entries; i++) {
        const ek_site_entry *e = &terms->entry[i];
        const int32_t r = w->rank[w->g->node[e->node]->in[e->input].node];

        if (r > from && has_role(roles, e)) from = r;
    }
    return from;
}

static const char s_depends[] = "what it is given depends on its statistics";

static ek_found_half forward_half(walk *w, const ek_site *s)
{
    ek_found_half h = { .site = s, .forward = -1, .applied = -1, .rank = highest(w, &s->terms, -1, ALL_ROLES) };

    if (s->terms.assumed || s->predicate.node >= 0)
        h.why_not = "which way it goes is not known when planning";
    else if (h.rank == INT32_MAX)
        h.why_not = "it is on a loop";
    else if (!is_convex(w, s->covers, s->n_covers, &s->terms, ALL_ROLES, ALL_ROLES))
        h.why_not = s_depends;
    return h;
}

/* What is given depends on the statistics, and these on x alone: they are a half of their own, before what they are
 * applied in. Both stand at list[0] and list[1], the first at `at` among all. */
static bool split(walk *w, const ek_found_half *whole, int32_t at, ek_found_half *list)
{
    const ek_site *s = whole->site;
    const unsigned x = 1u << EK_ROLE_X, parameters = 1u << EK_ROLE_GAMMA | 1u << EK_ROLE_BETA;

    if (whole->why_not != s_depends || s->fused || s->mode != EK_SITE_TRAIN) return false;
    if (!is_convex(w, s->covers, s->n_covers, &s->terms, ALL_ROLES, x) ||
        !is_convex(w, s->covers, s->n_covers, &s->terms, parameters, ALL_ROLES))
        return false;
    list[0] = list[1] = *whole;
    list[0].why_not = list[1].why_not = NULL;
    list[0].part = EK_HALF_STATISTICS;
    list[0].rank = highest(w, &s->terms, -1, x);
    list[1].part = EK_HALF_APPLICATION;
    list[1].forward = at;
    return true;
}

static ek_found_half backward_half(walk *w, const ek_found_half *forward, int32_t at, const ek_site_gradient *g)
{
    const bool train = forward->site->mode == EK_SITE_TRAIN;
    ek_found_half h = { .site = forward->site, .gradient = g, .forward = train ? at : -1,
                        .applied = train ? at + (forward->part == EK_HALF_STATISTICS) : -1 };

    h.rank = highest(w, &g->terms, forward->rank, ALL_ROLES);
    if (g->terms.assumed)
        h.why_not = "which way it goes is not known when planning";
    else if (h.rank == INT32_MAX)
        h.why_not = "it is on a loop";
    else if (forward->why_not != NULL)
        h.why_not = "its forward half is not one op";
    else if (!is_convex(w, g->covers, g->n_covers, &g->terms, ALL_ROLES, ALL_ROLES))
        h.why_not = "what it is given depends on its results";
    return h;
}

static int by_rank(const void *a, const void *b)
{
    const ek_found_half *x = a, *y = b;

    if (x->rank != y->rank) return (x->rank > y->rank) - (x->rank < y->rank);
    if ((x->gradient != NULL) != (y->gradient != NULL)) return x->gradient != NULL ? 1 : -1;
    return (x->part > y->part) - (x->part < y->part);
}

static int32_t place_among(const ek_recognised *r, const ek_site *site, ek_half_part part)
{
    int32_t i = 0;

    while (r->half[i].site != site || r->half[i].gradient != NULL || r->half[i].part != part) i++;
    return i;
}

/* Halves by rank; those that they refer to are found again by their site. */
static void sort_halves(ek_recognised *r)
{
    for (int32_t i = 0; i < r->n_halves; i++) /* places, before they change: the parts will do */
        if (r->half[i].gradient != NULL && r->half[i].forward >= 0)
            r->half[i].part = r->half[r->half[i].forward].part;
    if (r->n_halves > 0) qsort(r->half, (size_t)r->n_halves, sizeof *r->half, by_rank);
    for (int32_t i = 0; i < r->n_halves; i++) {
        ek_found_half *h = &r->half[i];
        const bool apart = h->part != EK_HALF_WHOLE;

        if (h->forward < 0) continue;
        h->forward = place_among(r, h->site, apart ? EK_HALF_STATISTICS : EK_HALF_WHOLE);
        if (h->gradient != NULL) h->applied = place_among(r, h->site, apart ? EK_HALF_APPLICATION : EK_HALF_WHOLE);
        if (h->gradient != NULL) h->part = EK_HALF_WHOLE;
    }
}

static ek_status list_halves(ek_builder *b, ek_recognised *r)
{
    const ek_graph *g = b->program->graph;
    ek_arena scratch = { .block_size = 0 };
    walk w = { .g = g, .sites = &r->sites, .rank = r->rank };
    int64_t most = 0;
    ek_status st = EK_OK;

    for (int i = 0; i < r->sites.n; i++) most += 2 + r->sites.at[i].n_gradients;
    r->half = EK_ARENA_NEW(&r->arena, ek_found_half, most + 1);
    w.seen = EK_ARENA_NEW(&scratch, uint32_t, g->n_nodes + 1);
    w.inside = EK_ARENA_NEW(&scratch, uint8_t, g->n_nodes + 1);
    w.stack = EK_ARENA_NEW(&scratch, int32_t, g->n_nodes + 1);
    if (r->half == NULL || w.seen == NULL || w.inside == NULL || w.stack == NULL) st = no_memory(b);
    for (int i = 0; i < r->sites.n && st == EK_OK; i++) {
        const ek_site *s = &r->sites.at[i];
        const int32_t at = r->n_halves;

        const ek_found_half whole = forward_half(&w, s);
        if (split(&w, &whole, at, &r->half[at]))
            r->n_halves += 2;
        else
            r->half[r->n_halves++] = whole;
        for (int k = 0; k < s->n_gradients; k++)
            r->half[r->n_halves++] = backward_half(&w, &r->half[at], at, &s->gradient[k]);
    }
    if (st == EK_OK) sort_halves(r);
    ek__arena_fini(&scratch);
    return st;
}

/* ---- one setting ------------------------------------------------------------------------------------------ */

static void recognised_free(ek_recognised *r)
{
    ek__sites_free(&r->sites);
    if (r->both != NULL) ek__sites_free(r->both);
    ek__free(r->both);
    ek__arena_fini(&r->arena);
    ek__free(r);
}

void ek__recognised_free(ek_recognised *list)
{
    while (list != NULL) {
        ek_recognised *next = list->next;

        recognised_free(list);
        list = next;
    }
}

/* Flags that are not fed have their defaults. */
static void add_defaults(const ek_graph *g, ek_flag *list, int32_t *n)
{
    for (int32_t id = 0; id < g->n_nodes; id++) {
        const ek_node *node = g->node[id];

        if (node->spec == NULL || !node->spec->def->feed_point || node->n_in != 1 || node->n_out != 1) continue;
        const ek_array *value = g->node[node->in[0].node]->constant;
        if (value != NULL && value->dtype == EK_BOOL && value->count == 1)
            add_flag(list, n, (ek_edge){ id, 0 }, *(const bool *)value->data);
    }
}

/* The whole graph with the flags as constants. */
static ek_status find_sites(ek_builder *b, ek_recognised *r)
{
    const ek_graph *g = b->program->graph;
    ek_flag flag[MOST_FLAGS];
    ek_tensor tensor[MOST_FLAGS];
    ek_array *value[MOST_FLAGS] = { NULL };
    int32_t n = r->n_flags;
    ek_status st = EK_OK;

    if (n > 0) memcpy(flag, r->flag, sizeof *flag * (size_t)n);
    add_defaults(g, flag, &n);
    for (int32_t i = 0; i < n && st == EK_OK; i++) {
        tensor[i] = ek__tensor(g, flag[i].at);
        st = ek__array_new(EK_BOOL, &EK_SCALAR, &flag[i].value, &value[i], b->err);
    }
    if (st == EK_OK) st = ek__sites_find_fed(g, n, tensor, value, EK_BRANCH_TRUE, &r->sites, b->err);
    for (int32_t i = 0; i < n; i++) ek_array_unref(value[i]);
    return st;
}

static ek_recognised *look(ek_builder *b, const ek_flag *flag, int32_t n)
{
    const ek_graph *g = b->program->graph;
    ek_recognised *r = ek__calloc(1, sizeof *r);
    ek_arena scratch = { .block_size = 0 };
    ek_status st = EK_OK;

    if (r == NULL) {
        (void)no_memory(b);
        return NULL;
    }
    r->version = g->version;
    r->n_flags = n;
    r->flag = EK_ARENA_NEW(&r->arena, ek_flag, n + 1);
    r->rank = EK_ARENA_NEW(&r->arena, int32_t, g->n_nodes + 1);
    if (r->flag == NULL || r->rank == NULL || !rank_nodes(g, &scratch, r->rank)) st = no_memory(b);
    if (st == EK_OK && n > 0) memcpy(r->flag, flag, sizeof *flag * (size_t)n);
    ek__arena_fini(&scratch);
    if (st == EK_OK) st = find_sites(b, r);
    if (st == EK_OK) st = list_halves(b, r);
    if (st == EK_OK) st = ek__site_averages_find(g, &r->sites, &r->arena, &r->averages, b->err);
    if (st == EK_OK) return r;
    recognised_free(r);
    return NULL;
}

/* The newest stands first, the oldest goes. */
static void keep(ek_recognised **list, ek_recognised *r)
{
    int n = 1;

    r->next = *list;
    *list = r;
    while (n < MOST_KEPT && r->next != NULL) {
        r = r->next;
        n++;
    }
    ek__recognised_free(r->next);
    r->next = NULL;
}

const ek_recognised *ek__recognise(ek_builder *b)
{
    const ek_graph *g = b->program->graph;
    ek_flag flag[MOST_FLAGS + 1];
    const int32_t n = flags_of(b, flag);
    ek_recognised **list = b->host->recognised, **at = list;

    while (*at != NULL && !is_for(*at, g, flag, n)) at = &(*at)->next;
    if (*at != NULL) {
        ek_recognised *r = *at;

        *at = r->next;
        r->next = *list;
        *list = r;
        return r;
    }
    ek_recognised *r = look(b, flag, n);
    if (r != NULL) keep(list, r);
    return r;
}

const ek_sites *ek__recognise_both_ways(ek_builder *b, const ek_recognised *r)
{
    ek_recognised *kept = *b->host->recognised;
    ek_sites *both;

    while (kept != r) kept = kept->next;
    if (kept->both != NULL) return kept->both;
    both = ek__calloc(1, sizeof *both);
    if (both == NULL) {
        (void)no_memory(b);
        return NULL;
    }
    if (ek__sites_find_fed(b->program->graph, 0, NULL, NULL, EK_BRANCH_UNKNOWN, both, b->err) != EK_OK) {
        ek__free(both);
        return NULL;
    }
    return kept->both = both;
}
