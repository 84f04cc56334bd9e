/* tests/support/made.c - see made.h. */
#include "support/made.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "graph/node.h"
#include "support/cases.h"

/* ---- the file ------------------------------------------------------------------------------------ */

static ek_graph *load(const char *folder, const char *name)
{
    char path[512];
    ek_error err = { 0 };
    ek_graph *g = NULL;
    size_t size = 0, cap = 1 << 20;
    char *bytes = malloc(cap);
    gzFile f;

    snprintf(path, sizeof path, "%s/%s.pb.gz", folder, name);
    f = gzopen(path, "rb");
    for (int n = 1; f != NULL && bytes != NULL && n > 0; size += n > 0 ? (size_t)n : 0) {
        if (size == cap) bytes = realloc(bytes, cap *= 2);
        n = bytes != NULL ? gzread(f, bytes + size, (unsigned)(cap - size)) : 0;
    }
    if (f == NULL || bytes == NULL || ek_graph_load_bytes(bytes, size, &g, &err) != EK_OK)
        fprintf(stderr, "%s: %s\n", path, err.text);
    if (f != NULL) gzclose(f);
    free(bytes);
    return g;
}

static bool is_beyond(const char *name)
{
    return strncmp(name, "collection/", 11) == 0 || (strncmp(name, "step", 4) == 0 && strchr(name, '/') != NULL &&
                                                     name[4] >= '1' && name[4] <= '9');
}

/* How many nodes are the program's. */
static int64_t own_nodes(const ek_graph *want)
{
    int64_t n = 0;

    while (n < want->n_nodes && !is_beyond(want->node[n]->name)) n++;
    return n;
}

/* ---- nodes and collections ------------------------------------------------------------------------- */

static bool same_nodes(const char *name, const ek_graph *want, const ek_graph *g)
{
    const int64_t n = own_nodes(want);
    bool same = true;

    for (int64_t i = 0; same && i < n && i < g->n_nodes; i++) {
        char *a = ek_op_str(ek_graph_op_at(want, i)), *b = ek_op_str(ek_graph_op_at(g, i));
        same = a != NULL && b != NULL && strcmp(a, b) == 0;
        if (!same) fprintf(stderr, "%s: node %lld differs. TensorFlow:\n%s\nhere:\n%s\n", name, (long long)i, a, b);
        ek_free(a);
        ek_free(b);
    }
    if (same && n != g->n_nodes)
        fprintf(stderr, "%s: TensorFlow makes %lld nodes, here are %lld\n", name, (long long)n, (long long)g->n_nodes);
    return same && n == g->n_nodes;
}

static bool same_collection(const char *name, ek_graph *g, const char *key, const ek_array *want)
{
    const ek_list found = ek_get_collection(g, key);
    const ek_string *const names = want->data;

    for (int64_t i = 0; i < want->count || i < found.count; i++) {
        const char *a = i < want->count ? names[i].data : "nothing";
        const char *b = i < found.count ? ek_item_name(g, found.item[i]) : "nothing";
        if (strcmp(a, b) == 0) continue;
        fprintf(stderr, "%s: item %lld of collection %s is %s, TensorFlow has %s\n", name, (long long)i, key, b, a);
        return false;
    }
    return true;
}

static bool same_collections(const char *name, const ek_graph *want, ek_graph *g)
{
    bool same = true;

    for (int64_t i = 0; same && i < want->n_nodes; i++)
        if (strncmp(want->node[i]->name, "collection/", 11) == 0)
            same = same_collection(name, g, want->node[i]->name + 11, want->node[i]->constant);
    for (int i = 0; same && i < ek_collection_count(g); i++) {
        char node[256];
        snprintf(node, sizeof node, "collection/%s", ek_collection_key(g, i));
        same = strcmp(ek_collection_key(g, i), EK_COND_CONTEXT) == 0 || ek__node_find(want, node, strlen(node)) >= 0;
        if (!same) fprintf(stderr, "%s: TensorFlow has no collection %s\n", name, ek_collection_key(g, i));
    }
    return same;
}

/* ---- values ------------------------------------------------------------------------------------------ */

enum { MOST = 64 };
typedef struct step {
    ek_feed feed[MOST];
    ek_fetch fetch[MOST];
    const ek_node *want[MOST];
    ek_array *got[MOST];
    int n_feeds, n_fetches;
} step;

static bool tensor_of(const char *name, const ek_graph *g, const char *op, ek_tensor *out)
{
    char text[512];

    snprintf(text, sizeof text, "%s:0", op);
    if (ek_graph_tensor_by_name(g, text, out) == EK_OK) return true;
    fprintf(stderr, "%s: %s\n", name, ek_last_error()->text);
    return false;
}

/* False where there is nothing of this kind in step k. */
static bool read_step(const char *name, const ek_graph *want, const ek_graph *g, int k, const char *kind, step *s)
{
    char feed[32], fetch[32];

    memset(s, 0, sizeof *s);
    snprintf(feed, sizeof feed, "step%d/feed/", k);
    snprintf(fetch, sizeof fetch, "step%d/%s/", k, kind);
    for (int64_t i = 0; i < want->n_nodes; i++) {
        const ek_node *n = want->node[i];
        if (strncmp(n->name, feed, strlen(feed)) == 0 && s->n_feeds < MOST) {
            s->feed[s->n_feeds].value = n->constant;
            if (!tensor_of(name, g, n->name + strlen(feed), &s->feed[s->n_feeds++].tensor)) return false;
        }
        if (strncmp(n->name, fetch, strlen(fetch)) == 0 && s->n_fetches < MOST) {
            s->want[s->n_fetches] = n;
            s->fetch[s->n_fetches].value = &s->got[s->n_fetches];
            if (!tensor_of(name, g, n->name + strlen(fetch), &s->fetch[s->n_fetches++].tensor)) return false;
        }
    }
    return s->n_fetches > 0;
}

static bool same_values(const char *name, const step *s)
{
    char why[256];

    for (int i = 0; i < s->n_fetches; i++) {
        const ek_array *want = s->want[i]->constant;
        const case_tolerance t = { want->dtype == EK_FLOAT16 ? 1e-3 : 4e-6, want->dtype == EK_FLOAT16 ? 1e-3 : 1e-6, true };
        if (case_close(s->got[i], want, &t, why, sizeof why)) continue;
        fprintf(stderr, "%s: %s: %s\n", name, s->want[i]->name, why);
        return false;
    }
    return true;
}

static bool run_step(const char *name, ek_session *session, step *s)
{
    const ek_run_options o = { .size = sizeof o, .feeds = s->feed, .n_feeds = s->n_feeds, .fetches = s->fetch,
                               .n_fetches = s->n_fetches };
    bool same = ek_run_with(session, &o, EK_HERE) == EK_OK;

    if (!same) fprintf(stderr, "%s: %s\n", name, ek_last_error()->text);
    same = same && same_values(name, s);
    for (int i = 0; i < s->n_fetches; i++) ek_array_unref(s->got[i]);
    return same;
}

static bool same_steps(const char *name, const ek_graph *want, ek_graph *g)
{
    const ek_op init = ek_local_variables_initializer(g);
    ek_session *session = ek_session_create(g);
    bool same = session != NULL && ek_run(session, .target = { init }) == EK_OK;
    int k = 1;
    step s;

    if (!same) fprintf(stderr, "%s: %s\n", name, ek_last_error()->text);
    for (; same && read_step(name, want, g, k, "fetch", &s); k++) {
        same = run_step(name, session, &s);
        if (same && read_step(name, want, g, k, "after", &s)) same = run_step(name, session, &s);
    }
    ek_session_destroy(session);
    return same && k > 1;
}

/* ---- all --------------------------------------------------------------------------------------------- */

static bool same_as_made(const char *folder, const char *name, void (*build)(ek_graph *g), bool values_only)
{
    ek_graph *want = load(folder, name), *g = ek_graph_create();
    ek_error err = { 0 };
    bool same = want != NULL && g != NULL;

    if (same) build(g);
    if (same && ek_graph_status(g, &err) != EK_OK) {
        fprintf(stderr, "%s: %s:%d: %s\n", name, err.file, err.line, err.text);
        same = false;
    }
    if (!values_only) same = same && same_nodes(name, want, g) && same_collections(name, want, g);
    same = same && same_steps(name, want, g);
    ek_graph_destroy(g);
    ek_graph_destroy(want);
    return same;
}

bool made_same_in(const char *folder, const char *name, void (*build)(ek_graph *g))
{
    return same_as_made(folder, name, build, false);
}

bool made_same_values_in(const char *folder, const char *name, void (*build)(ek_graph *g))
{
    return same_as_made(folder, name, build, true);
}
