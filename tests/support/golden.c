/* tests/support/golden.c - see golden.h. */
#include "support/golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/json.h"

static const char *case_file(const char *name, const char *file, bool *skipped)
{
    char relative[256];
    const char *path;

    snprintf(relative, sizeof relative, "tf115-graphs/%s/%s", name, file);
    path = ek_test_data(relative);
    *skipped = path == NULL;
    return path;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static bool same_node(const char *name, const ek_graph *want, const ek_graph *found, int64_t i)
{
    char *a = ek_op_str(ek_graph_op_at(want, i)), *b = ek_op_str(ek_graph_op_at(found, i));
    const bool same = a != NULL && b != NULL && strcmp(a, b) == 0;

    if (!same)
        fprintf(stderr, "%s: node %lld differs. TensorFlow 1.15:\n%s\nhere:\n%s\n", name, (long long)i,
                a != NULL ? a : "(no memory)", b != NULL ? b : "(no memory)");
    ek_free(a);
    ek_free(b);
    return same;
}

static bool same_count(const char *name, const ek_graph *want, const ek_graph *found)
{
    const int64_t n = ek_graph_op_count(want), m = ek_graph_op_count(found);

    if (n == m) return true;
    fprintf(stderr, "%s: TensorFlow 1.15 makes %lld nodes, here are %lld; the first too %s is %s\n", name, (long long)n,
            (long long)m, m > n ? "many" : "few",
            ek_op_name(m > n ? ek_graph_op_at(found, n) : ek_graph_op_at(want, m)));
    return false;
}

bool golden_same_nodes(const char *name, const ek_graph *g, int first, bool *skipped)
{
    const char *path = case_file(name, "graph.pb", skipped);
    ek_graph *want = NULL;
    ek_error err = { 0 };
    bool same = true;

    if (path == NULL) return true;
    if (ek_graph_load(path, &want, &err) != EK_OK) {
        fprintf(stderr, "%s: %s\n", path, err.text);
        return false;
    }
    const int64_t n = first > 0 ? first : ek_graph_op_count(want);
    for (int64_t i = 0; same && i < n && i < ek_graph_op_count(g); i++) same = same_node(name, want, g, i);
    if (same && (first == 0 || ek_graph_op_count(g) < n)) same = same_count(name, want, g);
    ek_graph_destroy(want);
    return same;
}

/* ---- collections --------------------------------------------------------------------------------- */

/* An item as collections.json writes it: a JSON object's text, fields in its order. */
static void print_item(ek_graph *g, ek_item item, char *text, size_t size)
{
    const char *name = ek_item_name(g, item);
    size_t at;

    switch (item.kind) {
    case EK_ITEM_OP:
        snprintf(text, size, "operation %s type %s", name, ek_op_type(item.u.op));
        return;
    case EK_ITEM_TENSOR:
        snprintf(text, size, "tensor %s dtype %s", name, ek_dtype_name(ek_tensor_dtype(item.u.tensor)));
        return;
    case EK_ITEM_CONTEXT:
        snprintf(text, size, "context %s", name);
        return;
    case EK_ITEM_VARIABLE: break;
    default: snprintf(text, size, "%s", name); return;
    }
    const ek_shape shape = ek_variable_shape(item.u.variable);
    at = (size_t)snprintf(text, size, "variable %s dtype %s shape [", name,
                          ek_dtype_name(ek_dtype_base(ek_variable_dtype(item.u.variable))));
    for (int i = 0; i < shape.rank && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, " %lld", (long long)shape.dim[i]);
    if (at < size)
        snprintf(text + at, size - at, " ] resource %d initializer %s", ek_variable_is_resource(item.u.variable),
                 ek_op_name(ek_variable_initializer(item.u.variable)));
}

static void print_expected(const json *item, char *text, size_t size)
{
    const json *resource = json_get(item, "resource");
    size_t at;

    if (json_string(item, "operation") != NULL) {
        snprintf(text, size, "operation %s type %s", json_string(item, "operation"), json_string(item, "type"));
    } else if (json_string(item, "tensor") != NULL) {
        snprintf(text, size, "tensor %s dtype %s", json_string(item, "tensor"), json_string(item, "dtype"));
    } else if (json_string(item, "context") != NULL) {
        snprintf(text, size, "context %s", json_string(item, "context"));
    } else if (json_string(item, "variable") != NULL) {
        at = (size_t)snprintf(text, size, "variable %s dtype %s shape [", json_string(item, "variable"),
                              json_string(item, "dtype"));
        for (const json *d = json_get(item, "shape")->child; d != NULL && at < size; d = d->next)
            at += (size_t)snprintf(text + at, size - at, " %.0f", d->number);
        if (at < size)
            snprintf(text + at, size - at, " ] resource %d initializer %s", resource != NULL && resource->boolean,
                     json_string(item, "initializer"));
    } else {
        snprintf(text, size, "%s", item->string != NULL ? item->string : "?");
    }
}

static bool same_collection(const char *name, ek_graph *g, const json *want)
{
    const ek_list found = ek_get_collection(g, want->key);
    char a[512], b[512];
    int64_t i = 0;

    for (const json *item = want->child; item != NULL; item = item->next, i++) {
        print_expected(item, a, sizeof a);
        snprintf(b, sizeof b, "nothing");
        if (i < found.count) print_item(g, found.item[i], b, sizeof b);
        if (strcmp(a, b) == 0) continue;
        fprintf(stderr, "%s: collection %s, item %lld: TensorFlow 1.15 has\n%s\nhere is\n%s\n", name, want->key,
                (long long)i, a, b);
        return false;
    }
    if (i == found.count) return true;
    fprintf(stderr, "%s: collection %s has %lld items, here are %lld\n", name, want->key, (long long)i,
            (long long)found.count);
    return false;
}

bool golden_same_collections(const char *name, ek_graph *g, bool *skipped)
{
    const char *path = case_file(name, "collections.json", skipped);
    json *want = path != NULL ? json_load(path) : NULL;
    bool same = true;

    if (path == NULL) return true;
    if (want == NULL) return false;
    for (const json *c = want->child; same && c != NULL; c = c->next) same = same_collection(name, g, c);
    for (int i = 0; same && i < ek_collection_count(g); i++) {
        same = json_get(want, ek_collection_key(g, i)) != NULL;
        if (!same) fprintf(stderr, "%s: collection %s is not in TensorFlow 1.15\n", name, ek_collection_key(g, i));
    }
    if (same && json_count(want) != ek_collection_count(g)) {
        fprintf(stderr, "%s: TensorFlow 1.15 has %d collections, here are %d\n", name, json_count(want),
                ek_collection_count(g));
        same = false;
    }
    json_free(want);
    return same;
}

/* ---- results ---------------------------------------------------------------------------------------- */

static const golden_result *result_of(const golden_results *r, const char *name)
{
    for (int i = 0; i < r->count; i++)
        if (strcmp(r->at[i].name, name) == 0) return &r->at[i];
    return NULL;
}

/* The items from *next on, lists in lists one after the other. */
static bool same_items(const char *name, ek_graph *g, const char *key, const json *want, const golden_result *found, int *next)
{
    if (want->kind == JSON_ARRAY) {
        for (const json *item = want->child; item != NULL; item = item->next)
            if (!same_items(name, g, key, item, found, next)) return false;
        return true;
    }
    const bool there = *next < found->count && found->item[*next].kind != EK_ITEM_NONE;
    const char *a = want->kind == JSON_STRING ? want->string : "None";
    const char *b = there ? ek_item_name(g, found->item[*next]) : *next < found->count ? "None" : "missing";
    ++*next;
    if (strcmp(a, b) == 0) return true;
    fprintf(stderr, "%s: result %s, number %d: TensorFlow 1.15 returns %s, here it is %s\n", name, key, *next, a, b);
    return false;
}

static bool same_result(const char *name, ek_graph *g, const json *want, const golden_result *found)
{
    int n = 0;

    if (found == NULL) fprintf(stderr, "%s: result %s is not noted here\n", name, want->key);
    if (found == NULL || !same_items(name, g, want->key, want, found, &n)) return false;
    if (n == found->count) return true;
    fprintf(stderr, "%s: result %s: TensorFlow 1.15 returns %d things, here %d\n", name, want->key, n, found->count);
    return false;
}

bool golden_same_results(const char *name, ek_graph *g, const golden_results *r, bool *skipped)
{
    const char *path = case_file(name, "results.json", skipped);
    json *want = path != NULL ? json_load(path) : NULL;
    bool same = true;

    if (path == NULL) return true;
    if (want == NULL) return false;
    for (const json *j = want->child; same && j != NULL; j = j->next)
        same = same_result(name, g, j, result_of(r, j->key));
    json_free(want);
    return same;
}
