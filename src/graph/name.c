/* graph/name.c - unique names and what a valid name is. */
#include <ctype.h>

#include "graph/scope.h"

static bool word_char(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("_.-/", c) != NULL);
}

bool ek__name_valid(const char *name, bool inner)
{
    if (name == NULL || (!inner && !isalnum((unsigned char)name[0]) && name[0] != '.')) return false;
    for (; *name != '\0'; name++)
        if (!word_char(*name)) return false;
    return true;
}

static char *lowered(ek_arena *arena, const char *name)
{
    char *key = ek__arena_strdup(arena, name);

    for (char *p = key; p != NULL && *p != '\0'; p++) *p = (char)tolower((unsigned char)*p);
    return key;
}

bool ek__name_mark(ek_graph *g, const char *full)
{
    char *key = lowered(&g->arena, full);

    if (key == NULL) return false;
    return ek__map_get(&g->scopes->used, key, strlen(key), 0) > 0 || ek__map_put(&g->scopes->used, key, strlen(key), 1);
}

const char *ek__unique_name_in(ek_graph *g, const char *prefix, const char *name, bool mark)
{
    ek_map *used = &g->scopes->used;
    char *full = prefix[0] == '\0' ? ek__arena_strdup(&g->arena, name)
                                   : ek__arena_printf(&g->arena, "%s/%s", prefix, name);
    char *key = full != NULL ? lowered(&g->arena, full) : NULL;
    char *numbered, *numbered_key;
    int64_t i;

    if (key == NULL) return NULL;
    i = ek__map_get(used, key, strlen(key), 0);
    if (i == 0) return mark && !ek__map_put(used, key, strlen(key), 1) ? NULL : full;
    /* 24 bytes hold '_' and any number. */
    numbered = ek__arena_alloc(&g->arena, strlen(full) + 24, 1);
    numbered_key = ek__arena_alloc(&g->arena, strlen(full) + 24, 1);
    if (numbered == NULL || numbered_key == NULL) return NULL;
    do sprintf(numbered_key, "%s_%lld", key, (long long)i++);
    while (ek__map_get(used, numbered_key, strlen(numbered_key), 0) > 0);
    /* Names are never freed, so the next search may start where this one ended. */
    if (mark && (!ek__map_put(used, key, strlen(key), i) || !ek__map_put(used, numbered_key, strlen(numbered_key), 1)))
        return NULL;
    sprintf(numbered, "%s_%lld", full, (long long)(i - 1));
    return numbered;
}

const char *ek_unique_name(ek_graph *g, const char *name)
{
    const char *unique;

    if (g == NULL || name == NULL) return "";
    unique = ek__unique_name_in(g, ek__scope_now(g)->name, name, true);
    if (unique == NULL) ek__graph_fail(g, (ek_where){ 0 }, EK_RESOURCE_EXHAUSTED, "no memory for a name");
    return unique != NULL ? unique : "";
}

const char *ek__name_scope_enter(ek_graph *g, const char *name, ek_where where)
{
    const char *current = ek__scope_now(g)->name, *next;
    const size_t size = name != NULL ? strlen(name) : 0;

    if (size == 0) return "";
    if (!ek__name_valid(name, current[0] != '\0')) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "'%s' is not a valid scope name", name);
        return NULL;
    }
    next = name[size - 1] == '/' ? ek__arena_strndup(&g->arena, name, size - 1)
                                 : ek__unique_name_in(g, current, name, true);
    if (next == NULL) ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for a name scope");
    return next;
}

const char *ek_name_scope(ek_graph *g)
{
    const char *name = g != NULL ? ek__scope_now(g)->name : "", *slashed;

    if (name[0] == '\0') return "";
    slashed = ek__arena_printf(&g->arena, "%s/", name);
    if (slashed == NULL) ek__graph_fail(g, (ek_where){ 0 }, EK_RESOURCE_EXHAUSTED, "no memory for a name");
    return slashed != NULL ? slashed : "";
}
