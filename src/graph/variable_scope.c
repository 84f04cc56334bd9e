/* graph/variable_scope.c - opening and closing variable scopes, and the numbers of default names.
 *
 * Not here: get_variable itself (layers/get_variable.c), name scopes (scope.c).
 */
#include "graph/variable_scope.h"

/* How often a variable scope of this name was opened: default names count by it. */
typedef struct ek_vscope_count {
    const char *name;
    int64_t count;
    int64_t taken, era; /* name_1 .. name_<taken> are taken as well, as long as s->era has not moved on */
} ek_vscope_count;

typedef struct ek_vscope_change {
    int64_t place, before;
} ek_vscope_change;

/* Closing a re-entered scope brings back the counts as they were when it was opened: while one is open,
 * every change is written down. */
struct ek_vscopes {
    ek_map store;
    ek_map place; /* name -> place in count */
    ek_vscope_count *count;
    int64_t n, cap;
    ek_vscope_change *change;
    int64_t n_changes, cap_changes;
    int64_t n_reentered;
    int64_t era; /* counts how often a name became free again */
};

static struct ek_vscopes *scopes_of(ek_graph *g)
{
    if (g->variable_scopes == NULL) g->variable_scopes = EK_ARENA_NEW(&g->arena, struct ek_vscopes, 1);
    return g->variable_scopes;
}

void ek__vscopes_fini(ek_graph *g)
{
    struct ek_vscopes *s = g->variable_scopes;

    if (s == NULL) return;
    ek__map_fini(&s->store);
    ek__map_fini(&s->place);
    ek__free(s->count);
    ek__free(s->change);
    g->variable_scopes = NULL;
}

/* ---- the store ------------------------------------------------------------------------------ */

int32_t ek__vstore_find(const ek_graph *g, const char *full)
{
    const struct ek_vscopes *s = g->variable_scopes;

    return s == NULL ? -1 : (int32_t)ek__map_get(&s->store, full, strlen(full), -1);
}

bool ek__vstore_add(ek_graph *g, const char *full, int32_t variable)
{
    struct ek_vscopes *s = scopes_of(g);

    return s != NULL && ek__map_put(&s->store, full, strlen(full), variable);
}

/* ---- counts ------------------------------------------------------------------------------------ */

static int64_t count_of(const struct ek_vscopes *s, const char *name)
{
    const int64_t at = ek__map_get(&s->place, name, strlen(name), -1);

    return at < 0 ? 0 : s->count[at].count;
}

static bool set_count(struct ek_vscopes *s, int64_t at, int64_t count)
{
    if (s->count[at].count == count) return true;
    if (count == 0) s->era++;
    if (s->n_reentered > 0) {
        if (!EK_GROW(s->change, s->cap_changes, s->n_changes + 1)) return false;
        s->change[s->n_changes++] = (ek_vscope_change){ at, s->count[at].count };
    }
    s->count[at].count = count;
    return true;
}

/* `name` lives in the arena. */
static bool count_one_more(struct ek_vscopes *s, const char *name)
{
    int64_t at = ek__map_get(&s->place, name, strlen(name), -1);

    if (at < 0) {
        if (!EK_GROW(s->count, s->cap, s->n + 1)) return false;
        if (!ek__map_put(&s->place, name, strlen(name), s->n)) return false;
        at = s->n++;
        s->count[at] = (ek_vscope_count){ .name = name, .count = 0 };
    }
    return set_count(s, at, s->count[at].count + 1);
}

/* `default_name`, or with the first free "_1", "_2", ... among the scopes below `outer`. NULL without memory. */
static const char *unique_default(ek_graph *g, struct ek_vscopes *s, const char *outer, const char *default_name)
{
    const char *slash = outer[0] != '\0' ? "/" : "", *unique = NULL;
    ek_buf full = { 0 };
    int64_t at, i;

    ek__buf_printf(&full, "%s%s%s", outer, slash, default_name);
    if (full.failed) goto done;
    const size_t size = full.size, skip = strlen(outer) + strlen(slash);
    at = ek__map_get(&s->place, full.data, size, -1);
    if (at < 0 || s->count[at].count == 0) {
        unique = ek__arena_strdup(&g->arena, default_name);
        goto done;
    }
    i = s->count[at].era == s->era ? s->count[at].taken : 0;
    do {
        full.size = size;
        ek__buf_printf(&full, "_%lld", (long long)++i);
    } while (!full.failed && count_of(s, full.data) > 0);
    if (full.failed) goto done;
    s->count[at].taken = i;
    s->count[at].era = s->era;
    unique = ek__arena_strdup(&g->arena, full.data + skip);
done:
    ek__buf_fini(&full);
    return unique;
}

/* ---- leaving ------------------------------------------------------------------------------------- */

typedef struct ek_vscope_entry {
    const char *name;
    int64_t mark; /* of the changes when it was re-entered; -1: opened by name */
} ek_vscope_entry;

static void leave(ek_graph *g, void *arg)
{
    struct ek_vscopes *s = g->variable_scopes;
    const ek_vscope_entry *entry = arg;

    if (entry->mark >= 0) {
        while (s->n_changes > entry->mark) {
            const ek_vscope_change *c = &s->change[--s->n_changes];
            s->count[c->place].count = c->before;
            if (c->before == 0) s->era++;
        }
        s->n_reentered--;
        return;
    }
    /* Opened by name: default names inside start again next time. */
    const size_t size = strlen(entry->name);
    for (int64_t i = 0; i < s->n; i++) {
        const char *name = s->count[i].name;
        if (strncmp(name, entry->name, size) == 0 && name[size] == '/' && !set_count(s, i, 0))
            ek__graph_fail(g, (ek_where){ 0 }, EK_RESOURCE_EXHAUSTED, "no memory to close the variable scope \"%s\"",
                           entry->name);
    }
}

/* ---- opening ------------------------------------------------------------------------------------------ */

static const ek_vscope root_scope = {
    .name = "", .name_scope = "", .reuse = EK_VSCOPE_NEW, .dtype = EK_FLOAT32, .use_resource = EK_DEFAULT,
};

const ek_vscope *ek__vscope_now(const ek_graph *g)
{
    const ek_vscope *now = ek__scope_now(g)->variable;

    return now != NULL ? now : &root_scope;
}

static const char *last_part(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash != NULL ? slash + 1 : name;
}

/* The name scope that opens beside: its name with the slash for *with_slash; the current one where there is none. */
static bool open_name_scope(ek_graph *g, const ek_vscope_args *a, const char *name, ek_scope_state *next,
                            const char **with_slash, ek_where where)
{
    *with_slash = NULL;
    if (a->no_name_scope) {
        *with_slash = next->name[0] == '\0' ? "" : ek__arena_printf(&g->arena, "%s/", next->name);
        return *with_slash != NULL;
    }
    if (name[0] == '\0') return true;
    next->name = ek__name_scope_enter(g, name, where);
    if (next->name == NULL) return false;
    *with_slash = ek__arena_printf(&g->arena, "%s/", next->name);
    return *with_slash != NULL;
}

static void inherit(ek_vscope *v, const ek_vscope *from, const ek_vscope_args *a)
{
    v->reuse = a->reuse != EK_VSCOPE_NEW ? a->reuse : from->reuse;
    v->dtype = a->dtype != EK_DTYPE_NONE ? a->dtype : from->dtype;
    v->use_resource = a->use_resource != EK_DEFAULT ? a->use_resource : from->use_resource;
    v->initializer = a->initializer != NULL ? a->initializer : from->initializer;
    v->regularizer = a->regularizer != NULL ? a->regularizer : from->regularizer;
    v->partitioner = a->partitioner != NULL ? a->partitioner : from->partitioner;
    v->constraint = a->constraint;
}

/* The body of the macro runs all the same: the graph has failed, and what is built in it is dead. */
static ek_scope no_scope(ek_graph *g)
{
    return (ek_scope){ .graph = g, .depth = 0, .once = true };
}

static ek_scope no_memory(ek_graph *g, ek_where where)
{
    ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory to open a variable scope");
    return no_scope(g);
}

/* `name` extends the current variable scope, `beside` is the name scope to open. */
static ek_scope push(ek_graph *g, struct ek_vscopes *s, const ek_vscope_args *a, const char *name, const char *beside,
                     ek_where where)
{
    const ek_vscope *now = ek__vscope_now(g);
    ek_scope_state next = *ek__scope_now(g);
    ek_vscope *v = EK_ARENA_NEW(&g->arena, ek_vscope, 1);
    ek_vscope_entry *entry = EK_ARENA_NEW(&g->arena, ek_vscope_entry, 1);
    const char *opened;

    if (v == NULL || entry == NULL) return no_memory(g, where);
    if (!open_name_scope(g, a, beside, &next, &opened, where))
        return g->error.code != EK_OK ? no_scope(g) : no_memory(g, where);
    inherit(v, a->again != NULL ? a->again : now, a);
    if (a->again != NULL) {
        v->name = a->again->name;
        v->name_scope = a->again->name_scope;
    } else {
        v->name = now->name[0] == '\0' ? ek__arena_strdup(&g->arena, name)
                                       : ek__arena_printf(&g->arena, "%s/%s", now->name, name);
        v->name_scope = opened != NULL ? opened : "";
    }
    if (v->name == NULL || !count_one_more(s, v->name)) return no_memory(g, where);
    *entry = (ek_vscope_entry){ .name = v->name, .mark = -1 };
    if (a->again != NULL) {
        entry->mark = s->n_changes;
        s->n_reentered++;
    }
    next.variable = v;
    return ek__scope_push(g, &next, "variable scope", v->name, where, leave, entry);
}

ek_scope ek__vscope_push(ek_graph *g, const ek_vscope_args *a, ek_where where)
{
    struct ek_vscopes *s = scopes_of(g);
    const char *name = a->again != NULL ? a->again->name : a->name;

    if (s == NULL) return no_memory(g, where);
    if (name == NULL && a->default_name == NULL) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "If default_name is None then name_or_scope is required");
        return no_scope(g);
    }
    if (name == NULL && a->reuse != EK_VSCOPE_NEW) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "reuse=True cannot be used without a name_or_scope");
        return no_scope(g);
    }
    if (name != NULL) return push(g, s, a, name, a->again != NULL ? last_part(name) : name, where);
    /* The name scope takes the plain default name (the graph makes it unique), the variable scope its own number. */
    name = unique_default(g, s, ek__vscope_now(g)->name, a->default_name);
    if (name == NULL) return no_memory(g, where);
    return push(g, s, a, name, a->default_name, where);
}
