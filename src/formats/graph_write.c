/* formats/graph_write.c - a graph as a GraphDef. One node's encoding is graph/nodedef.c's. */
#include "codec/fields.h"
#include "formats/graph_io.h"
#include "graph/nodedef.h"

/* The GraphDef a graph came from, if nothing was added, and no node touched, since. */
static const ek_graph_origin *untouched(const ek_graph *g)
{
    const ek_graph_origin *o = g->source;

    if (!g->imported_whole || g->source_release != ek__graph_origin_release || o->n_nodes != g->n_nodes) return NULL;
    for (int64_t i = 0; i < g->n_nodes; i++)
        if (g->node[i]->raw == NULL) return NULL;
    return o;
}

static void write_versions(ek_buf *out, const ek_graph *g)
{
    const size_t mark = ek__put_open(out, EK_F_GRAPH_VERSIONS);

    if (g->producer != 0) ek__put_int(out, EK_F_VERSIONS_PRODUCER, g->producer);
    if (g->min_consumer != 0) ek__put_int(out, EK_F_VERSIONS_MIN_CONSUMER, g->min_consumer);
    ek__put_close(out, mark);
}

void ek__graph_write_rest(ek_buf *out, const ek_graph *g)
{
    if (g->raw_rest != NULL) ek__buf_add(out, g->raw_rest, g->raw_rest_size);
    if (!g->imported_whole) write_versions(out, g);
}

ek_status ek__graph_export(const ek_graph *g, ek_buf *out, ek_error *err)
{
    const ek_graph_origin *o;

    if (g->error.code != EK_OK) return ek__error_copy(err, &g->error);
    o = untouched(g);
    if (o != NULL) ek__buf_add(out, o->graph_def.at, o->graph_def.size);
    for (int64_t i = 0; o == NULL && i < g->n_nodes; i++) {
        const size_t mark = ek__put_open(out, EK_F_GRAPH_NODE);
        ek__nodedef_write(out, g, g->node[i]);
        ek__put_close(out, mark);
    }
    if (o == NULL) ek__graph_write_rest(out, g);
    if (out->failed) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the bytes of the graph");
    if (out->size > EK_WIRE_MAX_BYTES)
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "the graph takes %zu bytes; a GraphDef has at most 2 GiB, keep large values in variables",
                       out->size);
    return EK_OK;
}
