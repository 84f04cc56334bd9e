/* sites/set_graph.c - the sets of batch norms of a graph: what its sites read, and what is averaged for them. */
#include <math.h>

#include "sites/averages.h"
#include "sites/scene.h"
#include "sites/sets.h"

enum { MOST_FLAGS = 64 };

typedef struct entry {
    ek_norm_set set;
    int32_t variable[EK_SITE_ROLES]; /* nodes; -1: none */
} entry;

typedef struct collector {
    const ek_graph *g;
    entry *at;
    int64_t n, cap;
    ek_arena *arena;
    bool switched; /* there is something to be on or off */
} collector;

/* The set that a site belongs to: its averages decide, and where it has none, its parameters. */
static entry *find(const collector *c, const entry *e)
{
    static const ek_site_role order[] = { EK_ROLE_MEAN, EK_ROLE_VARIANCE, EK_ROLE_GAMMA, EK_ROLE_BETA };

    for (int k = 0; k < EK_COUNT_OF(order); k++) {
        if (e->variable[order[k]] < 0) continue;
        for (int64_t i = 0; i < c->n; i++)
            if (c->at[i].variable[order[k]] == e->variable[order[k]]) return &c->at[i];
        if (order[k] == EK_ROLE_VARIANCE && e->variable[EK_ROLE_MEAN] >= 0) break;
    }
    return NULL;
}

/* What the site adds to what is known of its set. */
static bool merge(collector *c, const entry *e)
{
    entry *known = find(c, e);

    if (known == NULL) {
        if (!EK_GROW(c->at, c->cap, c->n + 1)) return false;
        c->at[c->n++] = *e;
        return true;
    }
    for (int role = 0; role < EK_SITE_ROLES; role++)
        if (known->variable[role] < 0) known->variable[role] = e->variable[role];
    if (isnan(known->set.epsilon)) known->set.epsilon = e->set.epsilon;
    if (isnan(known->set.momentum)) known->set.momentum = e->set.momentum;
    if (known->set.place[0] == '\0') known->set.place = e->set.place;
    return true;
}

static bool add_site(collector *c, const ek_sites *sites, const ek_site_averages *averages, int i)
{
    const ek_site *s = &sites->at[i];
    entry e = { .set = { .epsilon = s->epsilon, .momentum = NAN } };

    for (int role = 0; role < EK_SITE_ROLES; role++) e.variable[role] = -1;
    e.variable[EK_ROLE_GAMMA] = ek__variable_behind(c->g, s->gamma);
    e.variable[EK_ROLE_BETA] = ek__variable_behind(c->g, s->beta);
    e.variable[EK_ROLE_MEAN] = ek__variable_behind(c->g, s->mean);
    e.variable[EK_ROLE_VARIANCE] = ek__variable_behind(c->g, s->variance);
    for (int k = 0; k < averages->n; k++) {
        const ek_site_average *a = &averages->at[k];

        if (a->site != i) continue;
        e.variable[a->of_variance ? EK_ROLE_VARIANCE : EK_ROLE_MEAN] = a->variable;
        e.set.momentum = a->momentum;
    }
    e.set.place = ek__arena_strdup(c->arena, s->set);
    return e.set.place != NULL && merge(c, &e);
}

/* What can be fed to say whether it is training: one boolean, whatever its default. */
static bool is_flag(const ek_node *n)
{
    static const char *const fed[] = { "Placeholder", "PlaceholderV2", "PlaceholderWithDefault" };

    return ek__is_one_of(n, fed, EK_COUNT_OF(fed)) && n->n_out == 1 && n->out_dtype[0] == EK_BOOL &&
           n->out_shape[0].rank <= 0;
}

/* The flags of the graph, all on or all off; and what else decides is taken for the same. What is averaged, and by which
 * momentum, is known of one way at a time. */
static ek_status look(collector *c, bool on, ek_error *err)
{
    ek_array *value = ek_array_of(EK_BOOL, EK_SCALAR, &on), **values = EK_ARENA_NEW(c->arena, ek_array *, MOST_FLAGS);
    ek_tensor *flag = EK_ARENA_NEW(c->arena, ek_tensor, MOST_FLAGS);
    ek_site_averages averages;
    ek_sites sites = { .n = 0 };
    ek_status st = EK_OK;
    int n = 0;

    if (value == NULL || values == NULL || flag == NULL)
        st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the flags of a graph");
    for (int32_t i = 0; st == EK_OK && i < c->g->n_nodes && n < MOST_FLAGS; i++) {
        if (!is_flag(c->g->node[i])) continue;
        values[n] = value;
        flag[n++] = ek__tensor(c->g, (ek_edge){ i, 0 });
    }
    if (st == EK_OK) st = ek__sites_find_fed(c->g, n, flag, values, on ? EK_BRANCH_TRUE : EK_BRANCH_FALSE, &sites, err);
    c->switched = c->switched || n > 0 || sites.switched;
    if (st == EK_OK) st = ek__site_averages_find(c->g, &sites, &sites.arena, &averages, err);
    for (int i = 0; st == EK_OK && i < sites.n; i++)
        if (!add_site(c, &sites, &averages, i))
            st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the batch norms of a graph");
    ek__sites_free(&sites);
    ek_array_unref(value);
    return st;
}

/* The scope of what it is called; the name itself where there is none. */
static const char *scope_of(collector *c, const char *name)
{
    const char *end = strrchr(name, '/');

    return ek__arena_strndup(c->arena, name, end != NULL ? (size_t)(end - name) : strlen(name));
}

/* Those with a moving average. */
static ek_status collect(collector *c, ek_norm_sets *out, ek_error *err)
{
    ek_norm_set *list = EK_ARENA_NEW(&out->arena, ek_norm_set, c->n + 1);

    for (int64_t i = 0; list != NULL && i < c->n; i++) {
        entry *e = &c->at[i];

        for (int role = EK_ROLE_GAMMA; role < EK_SITE_ROLES; role++)
            e->set.variable[role] = e->variable[role] >= 0 ? c->g->node[e->variable[role]]->name : NULL;
        const char *mean = e->set.variable[EK_ROLE_MEAN],
                   *any = mean != NULL ? mean : e->set.variable[EK_ROLE_VARIANCE];
        if (any == NULL) continue;
        if (e->set.place[0] == '\0') e->set.place = scope_of(c, any);
        if (e->set.place == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the batch norms of a graph");
        list[out->n++] = e->set;
    }
    out->at = list;
    return list != NULL ? EK_OK : EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the batch norms of a graph");
}

ek_status ek__norm_sets_of_graph(const ek_graph *g, ek_norm_sets *out, ek_error *err)
{
    collector c = { .g = g, .arena = &out->arena };
    ek_status st;

    *out = (ek_norm_sets){ .n = 0 };
    st = look(&c, true, err);
    if (st == EK_OK && c.switched) st = look(&c, false, err);
    if (st == EK_OK) st = collect(&c, out, err);
    ek__free(c.at);
    return st;
}
