/* sites/set_names.c - the sets of batch norms that names tell of. */
#include <math.h>

#include "sites/sets.h"

/* What the last part of a name says. */
static const struct { const char *part; ek_site_role role; } parts[] = {
    { "gamma", EK_ROLE_GAMMA },
    { "scale", EK_ROLE_GAMMA },
    { "beta", EK_ROLE_BETA },
    { "offset", EK_ROLE_BETA },
    { "moving_mean", EK_ROLE_MEAN },
    { "running_mean", EK_ROLE_MEAN },
    { "mean", EK_ROLE_MEAN },
    { "moving_variance", EK_ROLE_VARIANCE },
    { "moving_var", EK_ROLE_VARIANCE },
    { "running_variance", EK_ROLE_VARIANCE },
    { "running_var", EK_ROLE_VARIANCE },
    { "variance", EK_ROLE_VARIANCE },
    { "var", EK_ROLE_VARIANCE },
    { "moving_std", EK_ROLE_VARIANCE },
    { "running_std", EK_ROLE_VARIANCE },
};
/* What tf.nn.moments calls its results, as an average of them is called. */
static const struct { const char *part; ek_site_role role; } moments[] = {
    { "Squeeze", EK_ROLE_MEAN },
    { "Squeeze_1", EK_ROLE_VARIANCE },
};
/* The last part where somebody averages what stands before it. */
static const char *const averages[] = { "ExponentialMovingAverage", "average" };
static const char object[] = "/.ATTRIBUTES/VARIABLE_VALUE", slot[] = "/.OPTIMIZER_SLOT/";

/* A stretch of a name. */
typedef struct piece {
    const char *at;
    size_t size;
} piece;

static bool is(piece p, const char *word)
{
    return p.size == strlen(word) && memcmp(p.at, word, p.size) == 0;
}

/* Takes the last part off. */
static piece last_part(piece *name)
{
    piece last = *name;

    while (last.size > 0 && name->at[last.size - 1] != '/') last.size--;
    const size_t scope = last.size;
    last = (piece){ name->at + scope, name->size - scope };
    name->size = scope > 0 ? scope - 1 : 0;
    return last;
}

typedef struct meaning {
    piece scope;
    ek_site_role role;
    bool deviation, said; /* said: it is called moving or running */
} meaning;

static bool role_of(piece part, meaning *m)
{
    for (int i = 0; i < EK_COUNT_OF(parts); i++) {
        if (!is(part, parts[i].part)) continue;
        m->role = parts[i].role;
        m->deviation = strstr(parts[i].part, "_std") != NULL;
        m->said = strchr(parts[i].part, '_') != NULL;
        return true;
    }
    return false;
}

/* "norm/moments/Squeeze/ExponentialMovingAverage" belongs to norm. A copy of a moving mean comes behind it and changes
 * nothing. */
static bool average_of(piece name, meaning *m)
{
    piece part = last_part(&name);
    bool found = role_of(part, m) && (m->role == EK_ROLE_MEAN || m->role == EK_ROLE_VARIANCE);

    for (int i = 0; i < EK_COUNT_OF(moments) && !found; i++) {
        if (!is(part, moments[i].part)) continue;
        m->role = moments[i].role;
        found = true;
    }
    m->said = true;
    m->scope = name;
    for (piece rest = name; rest.size > 0;)
        if (strncmp(last_part(&rest).at, "moments", 7) == 0) m->scope = rest;
    return found;
}

static piece whole(const char *name)
{
    const size_t n = strlen(name), tail = sizeof object - 1;

    return (piece){ name, n > tail && strcmp(name + n - tail, object) == 0 ? n - tail : n };
}

static bool read_name(const char *name, meaning *m)
{
    piece rest = whole(name), part;

    *m = (meaning){ .deviation = false };
    if (strstr(name, slot) != NULL) return false;
    part = last_part(&rest);
    for (int i = 0; i < EK_COUNT_OF(averages); i++)
        if (is(part, averages[i])) return average_of(rest, m);
    m->scope = rest;
    return role_of(part, m);
}

/* ---- sets --------------------------------------------------------------------------------------------- */

/* A scope, and what stands in it. */
typedef struct entry {
    ek_norm_set set;
    piece scope;
    bool said;
} entry;

typedef struct finder {
    ek_map place; /* scopes, to an entry each */
    entry *at;
    int64_t n, cap;
} finder;

static bool add(finder *f, const char *name)
{
    meaning m;

    if (!read_name(name, &m)) return true;
    int64_t i = ek__map_get(&f->place, m.scope.at, m.scope.size, -1);
    if (i < 0) {
        i = f->n;
        if (!EK_GROW(f->at, f->cap, f->n + 1) || !ek__map_put(&f->place, m.scope.at, m.scope.size, i)) return false;
        f->at[f->n++] = (entry){ .set = { .epsilon = NAN, .momentum = NAN }, .scope = m.scope };
    }
    entry *e = &f->at[i];
    const bool statistic = m.role == EK_ROLE_MEAN || m.role == EK_ROLE_VARIANCE;
    /* "moving_mean" beside a plain "mean": the one that says so. */
    if (e->set.variable[m.role] != NULL && !(m.said && !e->said)) return true;
    e->set.variable[m.role] = name;
    if (m.role == EK_ROLE_VARIANCE) e->set.deviation = m.deviation;
    if (statistic) e->said = e->said || m.said;
    return true;
}

/* Statistics make a batch norm; plain words only as a pair. */
static bool is_norm(const entry *e)
{
    const bool mean = e->set.variable[EK_ROLE_MEAN] != NULL, variance = e->set.variable[EK_ROLE_VARIANCE] != NULL;

    return e->said ? mean || variance : mean && variance;
}

/* By hand, gamma and beta often stand one scope further out: bn/gamma and bn/bn/moments/... */
static void adopt(const finder *f, entry *e)
{
    piece around = e->scope;

    if (e->set.variable[EK_ROLE_GAMMA] != NULL || e->set.variable[EK_ROLE_BETA] != NULL || around.size == 0) return;
    (void)last_part(&around);
    const int64_t i = ek__map_get(&f->place, around.at, around.size, -1);
    if (i < 0 || is_norm(&f->at[i])) return;
    e->set.variable[EK_ROLE_GAMMA] = f->at[i].set.variable[EK_ROLE_GAMMA];
    e->set.variable[EK_ROLE_BETA] = f->at[i].set.variable[EK_ROLE_BETA];
    if (e->set.variable[EK_ROLE_GAMMA] != NULL || e->set.variable[EK_ROLE_BETA] != NULL) e->scope = around;
}

static bool collect(finder *f, ek_norm_sets *out)
{
    ek_norm_set *list = EK_ARENA_NEW(&out->arena, ek_norm_set, f->n + 1);

    for (int64_t i = 0; list != NULL && i < f->n; i++) {
        entry *e = &f->at[i];

        if (!is_norm(e)) continue;
        adopt(f, e);
        e->set.place = e->scope.size > 0 ? ek__arena_strndup(&out->arena, e->scope.at, e->scope.size)
                       : e->set.variable[EK_ROLE_MEAN] != NULL ? e->set.variable[EK_ROLE_MEAN]
                                                               : e->set.variable[EK_ROLE_VARIANCE];
        if (e->set.place == NULL) return false;
        list[out->n++] = e->set;
    }
    out->at = list;
    return list != NULL;
}

ek_status ek__norm_sets_of_names(const char *const *name, int64_t n, ek_norm_sets *out, ek_error *err)
{
    finder f = { .n = 0 };
    bool ok = true;

    *out = (ek_norm_sets){ .n = 0 };
    for (int64_t i = 0; ok && i < n; i++) ok = add(&f, name[i]);
    ok = ok && collect(&f, out);
    ek__map_fini(&f.place);
    ek__free(f.at);
    return ok ? EK_OK
              : EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to look for batch norms among %lld names", (long long)n);
}

void ek__norm_sets_free(ek_norm_sets *sets)
{
    ek__arena_fini(&sets->arena);
    *sets = (ek_norm_sets){ .n = 0 };
}
