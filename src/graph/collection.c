/* graph/collection.c - collections: ordered lists of graph elements under a key. */
#include "graph/collection.h"

#include <regex.h>

#include "codec/wire.h"
#include "graph/scope.h"

struct ek_collections *ek__collections_create(ek_graph *g)
{
    return EK_ARENA_NEW(&g->arena, struct ek_collections, 1);
}

void ek__collections_destroy(struct ek_collections *c)
{
    if (c == NULL) return;
    for (int64_t i = 0; i < c->count; i++) ek__free(c->at[i].item);
    ek__free(c->at);
    ek__map_fini(&c->by_key);
}

const ek_collection *ek__collection(const ek_graph *g, const char *key)
{
    const int64_t i = ek__map_get(&g->collections->by_key, key, strlen(key), -1);

    return i >= 0 ? &g->collections->at[i] : NULL;
}

/* NULL without memory. */
static ek_collection *touch(ek_graph *g, const char *key)
{
    struct ek_collections *c = g->collections;
    const int64_t i = ek__map_get(&c->by_key, key, strlen(key), -1);
    char *copy;

    if (i >= 0) return &c->at[i];
    copy = ek__arena_strdup(&g->arena, key);
    if (copy == NULL || !EK_GROW(c->at, c->cap, c->count + 1) || !ek__map_put(&c->by_key, copy, strlen(copy), c->count))
        return NULL;
    c->at[c->count] = (ek_collection){ .key = copy };
    return &c->at[c->count++];
}

void ek_touch_collection(ek_graph *g, const char *key)
{
    if (g != NULL && key != NULL && touch(g, key) == NULL)
        ek__graph_fail(g, (ek_where){ 0 }, EK_RESOURCE_EXHAUSTED, "no memory for the collection '%s'", key);
}

static bool item_alive(const ek_graph *g, const ek_item *item)
{
    switch (item->kind) {
    case EK_ITEM_OP: return ek__op_in(g, item->u.op);
    case EK_ITEM_TENSOR: return ek__tensor_in(g, item->u.tensor);
    case EK_ITEM_VARIABLE: return ek__variable_in(g, item->u.variable);
    case EK_ITEM_CONTEXT: return item->u.context > 0 && item->u.context <= g->scopes->n_contexts;
    case EK_ITEM_STRING: return item->u.string != NULL;
    case EK_ITEM_INT:
    case EK_ITEM_FLOAT: return true;
    case EK_ITEM_BYTES:
    case EK_ITEM_ANY: return item->u.bytes.data != NULL || item->u.bytes.size == 0;
    default: return false;
    }
}

/* What an item points to is copied; false without memory. */
static bool keep(ek_graph *g, ek_item *item)
{
    if (item->kind == EK_ITEM_STRING) {
        item->u.string = ek__arena_strdup(&g->arena, item->u.string);
        return item->u.string != NULL;
    }
    if (item->kind != EK_ITEM_BYTES && item->kind != EK_ITEM_ANY) return true;
    item->u.bytes.data = ek__arena_strndup(&g->arena, item->u.bytes.size > 0 ? item->u.bytes.data : "", item->u.bytes.size);
    return item->u.bytes.data != NULL;
}

void ek_add_item_to_collection(ek_graph *g, const char *key, ek_item item, ek_where where)
{
    ek_collection *c;

    if (!EK_GRAPH_OK(g, where) || ek__graph_closed(g, where)) return;
    if (key == NULL || !item_alive(g, &item)) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "what is added to the collection '%s' is dead or of another graph", key != NULL ? key : "NULL");
        return;
    }
    if (item.kind == EK_ITEM_VARIABLE && g->variable[item.u.variable.id]->n_parts > 0) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "%s is in parts, which are variables of their own: add those to the collection '%s'",
                       g->variable[item.u.variable.id]->name, key);
        return;
    }
    if (ek__utf8_bad((const uint8_t *)key, strlen(key), false) >= 0) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "the name of a collection is not UTF-8");
        return;
    }
    c = touch(g, key);
    if (c == NULL || !EK_GROW(c->item, c->cap, c->count + 1) || !keep(g, &item)) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for the collection '%s'", key);
        return;
    }
    c->item[c->count++] = item;
}

/* A training loop asks every step: what was copied is given out again until the collection grows. */
ek_list ek_get_collection(ek_graph *g, const char *key)
{
    const int64_t i = g != NULL && key != NULL ? ek__map_get(&g->collections->by_key, key, strlen(key), -1) : -1;
    ek_collection *c = i >= 0 ? &g->collections->at[i] : NULL;
    ek_item *copy;

    if (c == NULL || c->count == 0) return (ek_list){ g, NULL, 0 };
    if (c->n_copied != c->count) {
        copy = ek__arena_memdup(&g->arena, c->item, (size_t)c->count * sizeof *copy);
        if (copy == NULL) {
            ek__graph_fail(g, (ek_where){ 0 }, EK_RESOURCE_EXHAUSTED, "no memory for a copy of '%s'", key);
            return (ek_list){ g, NULL, 0 };
        }
        c->copy = copy;
        c->n_copied = c->count;
    }
    return (ek_list){ g, c->copy, c->count };
}

ek_list ek_get_collection_scope(ek_graph *g, const char *key, const char *scope)
{
    const ek_list all = ek_get_collection(g, key);
    ek_list list = { g, NULL, 0 };
    ek_item *some;
    regex_t pattern;

    if (scope == NULL || scope[0] == '\0' || all.count == 0) return all;
    if (regcomp(&pattern, scope, REG_EXTENDED) != 0) {
        ek__graph_fail(g, (ek_where){ 0 }, EK_INVALID_ARGUMENT, "'%s' is no regular expression", scope);
        return list;
    }
    some = EK_ARENA_NEW(&g->arena, ek_item, all.count);
    if (some == NULL) ek__graph_fail(g, (ek_where){ 0 }, EK_RESOURCE_EXHAUSTED, "no memory for a part of '%s'", key);
    for (int64_t i = 0; some != NULL && i < all.count; i++) {
        regmatch_t match;
        /* Python's re.match: the match begins where the name does. */
        if (regexec(&pattern, ek_item_name(g, all.item[i]), 1, &match, 0) == 0 && match.rm_so == 0)
            some[list.count++] = all.item[i];
    }
    regfree(&pattern);
    list.item = some;
    return list;
}

int ek_collection_count(const ek_graph *g) { return g != NULL ? (int)g->collections->count : 0; }

const char *ek_collection_key(const ek_graph *g, int i)
{
    return g != NULL && i >= 0 && i < g->collections->count ? g->collections->at[i].key : "";
}

/* ---- items ----------------------------------------------------------------------------------- */

ek_item ek_item_of_op(ek_op op) { return (ek_item){ .kind = EK_ITEM_OP, .u.op = op }; }
ek_item ek_item_of_tensor(ek_tensor t) { return (ek_item){ .kind = EK_ITEM_TENSOR, .u.tensor = t }; }
ek_item ek_item_of_variable(ek_variable v) { return (ek_item){ .kind = EK_ITEM_VARIABLE, .u.variable = v }; }
ek_item ek_item_of_string(const char *s) { return (ek_item){ .kind = EK_ITEM_STRING, .u.string = s }; }
ek_item ek_item_of_int(int64_t v) { return (ek_item){ .kind = EK_ITEM_INT, .u.integer = v }; }
ek_item ek_item_of_float(double v) { return (ek_item){ .kind = EK_ITEM_FLOAT, .u.real = v }; }

ek_item ek_item_of_bytes(const void *data, size_t size)
{
    return (ek_item){ .kind = EK_ITEM_BYTES, .u.bytes = { data, size } };
}

const char *ek_item_name(ek_graph *g, ek_item item)
{
    const char *name = "";

    if (item.kind == EK_ITEM_STRING) return item.u.string != NULL ? item.u.string : "";
    if (g == NULL) return name;
    switch (item.kind) {
    case EK_ITEM_OP: return ek_op_name(item.u.op);
    case EK_ITEM_TENSOR:
        if (ek__tensor_in(item.u.tensor.graph, item.u.tensor))
            name = ek__arena_printf(&g->arena, "%s:%d", ek_op_name(ek_tensor_op(item.u.tensor)), item.u.tensor.index);
        break;
    case EK_ITEM_VARIABLE:
        if (item.u.variable.id >= 0 && item.u.variable.id < g->n_variables)
            name = ek__arena_printf(&g->arena, "%s:0", g->variable[item.u.variable.id]->name);
        break;
    case EK_ITEM_CONTEXT:
        if (item.u.context > 0 && item.u.context <= g->scopes->n_contexts) return ek__context(g, item.u.context)->name;
        break;
    default: break;
    }
    if (name == NULL) ek__graph_fail(g, (ek_where){ 0 }, EK_RESOURCE_EXHAUSTED, "no memory for a name");
    return name != NULL ? name : "";
}
