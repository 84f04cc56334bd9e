/* graph/import.c - nodes that come from files: entered as they are, shapes inferred afterwards in an order that edges
 * to later nodes and loops allow. */
#include "graph/attr.h"
#include "graph/build.h"

/* A few bytes of a file may ask for a node of many outputs. Real graphs have one or two for each node. */
enum { MANY_OUTPUTS = 1 << 20, MANY_OUTPUTS_EACH = 16 };

static bool too_many_outputs(const ek_graph *g, const ek_node *n)
{
    return g->n_outputs + n->n_out > MANY_OUTPUTS + MANY_OUTPUTS_EACH * g->n_nodes;
}

static void find_constant(ek_node *n)
{
    const ek_attr_value *v = strcmp(n->type, "Const") == 0 ? ek__attr_find(n->attr, n->n_attr, "value") : NULL;

    if (v != NULL && v->kind == EK_ATTR_TENSOR) n->constant = v->u.tensor;
}

ek_status ek__graph_enter(ek_graph *g, ek_node *n, ek_error *err)
{
    const size_t size = strlen(n->name);

    if (g->n_nodes >= INT32_MAX) return EK_FAIL(err, RESOURCE_EXHAUSTED, "a graph holds at most 2^31 operations");
    if (ek__node_find(g, n->name, size) >= 0)
        return EK_FAIL(err, INVALID_ARGUMENT, "Duplicate node name in graph: '%s'", n->name);
    find_constant(n);
    pthread_rwlock_wrlock(&g->lock); /* sessions may be planning */
    const bool ok =
        EK_GROW(g->node, g->cap_nodes, g->n_nodes + 1) && ek__map_put(&g->by_name, n->name, size, g->n_nodes);
    if (ok) {
        n->id = (int32_t)g->n_nodes;
        g->node[g->n_nodes++] = n;
        g->n_outputs += n->n_out;
        g->version++;
    }
    pthread_rwlock_unlock(&g->lock);
    return ok ? EK_OK : EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for an operation");
}

ek_status ek__node_append(ek_graph *g, ek_node *n, ek_error *err)
{
    int n_in = 0, n_out = 0;
    void *parsed = NULL;

    if (n->spec == NULL) n->spec = ek__registry_find(g->registry, n->type);
    if (n->device == NULL) n->device = "";
    if (n->spec != NULL && n->attrs == NULL && n->spec->def->attrs_size > 0) {
        parsed = ek__arena_alloc(&g->arena, n->spec->def->attrs_size, 16);
        if (parsed == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for an operation");
        EK_TRY(ek__attrs_parse(n->spec, n->attr, n->n_attr, parsed, err));
        n->attrs = parsed;
    }
    if (n->spec != NULL && n->in_dtype == NULL && n->out_dtype == NULL) {
        EK_TRY(ek__op_types(n->spec, n->attr, n->n_attr, &g->arena, &n_in, &n->in_dtype, &n_out, &n->out_dtype, err));
        if (n_in != n->n_in)
            return EK_FAIL(err, INVALID_ARGUMENT, "NodeDef expected %d inputs but has %d: '%s' of Op %s", n_in, n->n_in,
                           n->name, n->type);
        n->n_out = n_out;
    }
    if (too_many_outputs(g, n))
        return EK_FAIL(err, RESOURCE_EXHAUSTED,
                       "'%s' brings the graph to %lld outputs for %lld operations, more than is believed of a file",
                       n->name, (long long)(g->n_outputs + n->n_out), (long long)g->n_nodes);
    n->out_shape = EK_ARENA_NEW(&g->arena, ek_shape, n->n_out + 1);
    if (n->out_shape == NULL || !ek__name_mark(g, n->name))
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for an operation");
    for (int32_t k = 0; k < n->n_out; k++) n->out_shape[k] = EK_UNKNOWN_SHAPE;
    return ek__graph_enter(g, n, err);
}

/* ---- order ----------------------------------------------------------------------------------- */

/* Consumers of each new node, as lists in one array: those of node i are at[first[i] .. first[i + 1]). */
typedef struct fan {
    int64_t from, n;
    int64_t *first;
    int32_t *at, *waits; /* waits: inputs of a node that are not inferred yet */
} fan;

/* A loop is cut where NextIteration comes back to its Merge. */
static bool counts(const ek_graph *g, const fan *f, ek_edge e)
{
    return e.node >= f->from && strcmp(g->node[e.node]->type, "NextIteration") != 0 &&
           strcmp(g->node[e.node]->type, "RefNextIteration") != 0;
}

static bool fan_out(const ek_graph *g, fan *f)
{
    int64_t edges = 0;

    for (int64_t i = 0; i < f->n; i++) edges += g->node[f->from + i]->n_in;
    f->first = ek__calloc((size_t)f->n + 2, sizeof *f->first);
    f->waits = ek__calloc((size_t)f->n + 1, sizeof *f->waits);
    f->at = ek__calloc((size_t)edges + 1, sizeof *f->at);
    if (f->first == NULL || f->waits == NULL || f->at == NULL) return false;
    /* Counts land two places up, so that filling moves them to where the lists begin. */
    for (int64_t i = 0; i < f->n; i++) {
        const ek_node *n = g->node[f->from + i];
        for (int32_t k = 0; k < n->n_in; k++) {
            if (!counts(g, f, n->in[k])) continue;
            f->waits[i]++;
            f->first[n->in[k].node - f->from + 2]++;
        }
    }
    for (int64_t i = 2; i <= f->n; i++) f->first[i] += f->first[i - 1];
    for (int64_t i = 0; i < f->n; i++) {
        const ek_node *n = g->node[f->from + i];
        for (int32_t k = 0; k < n->n_in; k++)
            if (counts(g, f, n->in[k])) f->at[f->first[n->in[k].node - f->from + 1]++] = (int32_t)i;
    }
    return true;
}

/* What an exporter knew, which is more than can be inferred where a loop comes back. */
static ek_status merge_written(ek_node *n, ek_error *err)
{
    const ek_attr_value *v = ek__attr_find(n->attr, n->n_attr, "_output_shapes");
    char have[300], written[300];

    if (v == NULL || v->kind != (EK_ATTR_LIST | EK_ATTR_SHAPE)) return EK_OK;
    if (v->count < n->n_out)
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "Node '%s' has %d outputs but the _output_shapes attribute specifies shapes for %d outputs",
                       n->name, n->n_out, v->count);
    for (int32_t k = 0; k < n->n_out; k++) {
        if (ek_shape_merge(&n->out_shape[k], &v->u.shapes[k], &n->out_shape[k])) continue;
        ek_shape_format_cc(&n->out_shape[k], have, sizeof have);
        ek_shape_format_cc(&v->u.shapes[k], written, sizeof written);
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "Node '%s' has an _output_shapes attribute inconsistent with the GraphDef for output #%d: "
                       "it says %s where %s is inferred",
                       n->name, k, written, have);
    }
    return EK_OK;
}

static ek_status infer_in_order(ek_graph *g, fan *f, int32_t *queue, ek_error *err)
{
    int64_t done = 0, ready = 0;

    for (int64_t i = 0; i < f->n; i++)
        if (f->waits[i] == 0) queue[ready++] = (int32_t)i;
    for (; done < ready; done++) {
        const int32_t i = queue[done];
        EK_TRY(ek__node_shapes(g, g->node[f->from + i], err));
        EK_TRY(merge_written(g->node[f->from + i], err));
        for (int64_t k = f->first[i]; k < f->first[i + 1]; k++)
            if (--f->waits[f->at[k]] == 0) queue[ready++] = f->at[k];
    }
    if (done == f->n) return EK_OK;
    for (int64_t i = 0; i < f->n; i++) {
        if (f->waits[i] == 0) continue;
        (void)EK_FAIL(err, INVALID_ARGUMENT, "%lld nodes in a cycle", (long long)(f->n - done));
        ek__fail_node(err, g->node[f->from + i]->name);
    }
    return EK_INVALID_ARGUMENT;
}

ek_status ek__graph_infer(ek_graph *g, int64_t from, ek_error *err)
{
    fan f = { .from = from, .n = g->n_nodes - from };
    int32_t *queue = ek__calloc((size_t)f.n + 1, sizeof *queue);
    ek_status st;

    if (queue == NULL || !fan_out(g, &f)) st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to infer shapes");
    else st = infer_in_order(g, &f, queue, err);
    ek__free(queue);
    ek__free(f.first);
    ek__free(f.at);
    ek__free(f.waits);
    return st;
}
