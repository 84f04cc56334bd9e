/* graph/graph.c - a graph's life: creation, failure, seeds, its end. Building is build.c's, looking up is lookup.c's.
 * */
#include "graph/attr.h"
#include "graph/collection.h"
#include "graph/scope.h"
#include "graph/variable_scope.h"

ek_graph *ek__graph_create(const ek_registry *registry)
{
    ek_graph *g = ek__calloc(1, sizeof *g);

    if (g == NULL) return NULL;
    g->registry = registry;
    g->producer = 134;
    pthread_rwlock_init(&g->lock, NULL);
    pthread_mutex_init(&g->fold_lock, NULL);
    g->scopes = EK_ARENA_NEW(&g->arena, struct ek_graph_scopes, 1);
    g->collections = ek__collections_create(g);
    if (g->scopes == NULL || g->collections == NULL) {
        ek_graph_destroy(g);
        return NULL;
    }
    g->scopes->now.name = "";
    return g;
}

static void release_node(ek_node *n)
{
    ek__attrs_release(n->attr, n->n_attr);
    for (int32_t k = 0; n->folded != NULL && k < n->n_out; k++) ek_array_unref(n->folded[k]);
}

static void release_scopes(struct ek_graph_scopes *s)
{
    if (s == NULL) return;
    for (int64_t i = 0; i < s->n_contexts; i++) {
        ek__map_fini(&s->context[i]->by_outer);
        ek__free(s->context[i]->external);
    }
    ek__free(s->context);
    ek__free(s->frame);
    ek__map_fini(&s->used);
}

void ek_graph_destroy(ek_graph *g)
{
    if (g == NULL) return;
    if (g->scopes != NULL) ek__scope_close_all(g);
    for (int64_t i = 0; i < g->n_nodes; i++) release_node(g->node[i]);
    ek__free(g->node);
    ek__free(g->variable);
    ek__map_fini(&g->by_name);
    ek__map_fini(&g->worked_out);
    release_scopes(g->scopes);
    ek__vscopes_fini(g);
    ek__collections_destroy(g->collections);
    if (g->source_release != NULL) g->source_release(g->source);
    pthread_rwlock_destroy(&g->lock);
    pthread_mutex_destroy(&g->fold_lock);
    ek__arena_fini(&g->arena);
    ek__free(g);
}

/* ---- failure --------------------------------------------------------------------------------- */

void ek__graph_fail(ek_graph *g, ek_where where, ek_status code, const char *fmt, ...)
{
    char text[sizeof g->error.text];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    ek__fail(g != NULL ? &g->error : ek__error_begin(NULL), code, where.file, where.line, "%s", text);
}

void ek__graph_fail_from(ek_graph *g, ek_where where, const ek_error *from, const char *node)
{
    if (g == NULL) return;
    ek__fail(&g->error, from->code, where.file != NULL ? where.file : from->file,
             where.file != NULL ? where.line : from->line, "%s", from->text);
    if (node != NULL) ek__fail_node(&g->error, node);
}

bool ek__options_ok(ek_graph *g, const void *o, size_t size, size_t needed, const char *who, ek_where where)
{
    if (o != NULL && size >= needed) return true;
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                   o == NULL ? "%s was given no options: NULL" :
                               "%s was given options of size %zu, expected %zu; set .size = sizeof(options), and build "
                               "against this library's headers",
                   who, size, needed);
    return false;
}

bool ek__graph_ok(const ek_graph *g, const char *who, ek_where where)
{
    if (g == NULL) ek__graph_fail(NULL, where, EK_INVALID_ARGUMENT, "%s needs a graph, NULL was given", who);
    return g != NULL;
}

bool ek__list_ok(ek_graph *g, const void *at, int64_t n, const char *what, ek_where where)
{
    if (n == 0 || (n > 0 && at != NULL)) return true;
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                   n < 0 ? "the list %s has a length of %lld" : "the list %s has a length of %lld and is NULL", what,
                   (long long)n);
    return false;
}

bool ek__graph_closed(ek_graph *g, ek_where where)
{
    if (!g->finalized) return false;
    ek__graph_fail(g, where, EK_FAILED_PRECONDITION, "Graph is finalized and cannot be modified.");
    return true;
}

ek_status ek_graph_status(const ek_graph *g, ek_error *err)
{
    const ek_scope_frame *open;

    err = ek__error_begin(err);
    if (g == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "there is no graph; was there memory for ek_graph_create?");
    if (g->error.code != EK_OK) return ek__error_copy(err, &g->error);
    open = ek__scope_open(g);
    if (open == NULL) return EK_OK;
    return ek__fail(err, EK_FAILED_PRECONDITION, open->where.file, open->where.line,
                    "the %s%s%s%s opened here is still open; close it with ek_scope_pop, or use the ek_with_... form",
                    open->what, open->name != NULL ? " '" : "", open->name != NULL ? open->name : "",
                    open->name != NULL ? "'" : "");
}

/* ---- settings -------------------------------------------------------------------------------- */

void ek_set_random_seed(ek_graph *g, int64_t seed)
{
    if (g == NULL) return;
    g->has_graph_seed = true;
    g->graph_seed = seed;
}

void ek_use_resource_variables(ek_graph *g, bool on)
{
    if (g != NULL) g->use_resource = on;
}

void ek_graph_finalize(ek_graph *g)
{
    if (g != NULL) g->finalized = true;
}

int64_t ek_graph_version(const ek_graph *g) { return g != NULL ? g->n_nodes : 0; }
