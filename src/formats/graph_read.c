/* formats/graph_read.c - a GraphDef as a graph.
 *
 * Steps, each over all nodes: find the nodes, read names, resolve inputs, read attributes and types, match ends of
 * edges, look for cycles, enter the graph, infer shapes. All are linear in the file.
 * Not here: one node's attributes against its definition (node_check.c).
 */
#include "codec/fields.h"
#include "evenkeel/files.h"
#include "formats/graph_io.h"
#include "formats/node_check.h"
#include "graph/attr.h"
#include "graph/scope.h"

enum {
    CONSUMER_VERSION = 1645,       /* of GraphDef; files that need a later reader are refused */
    LAST_OF_OLD_PLACEHOLDERS = 21, /* version of producers that wrote an unknown shape as a scalar's */
    MOST_UNKNOWN_OUTPUTS = 65536   /* of an op without a definition */
};
#define MOST_OUTPUTS ((int64_t)1 << 22) /* of all nodes together: a Split of twenty bytes can claim a million */

/* A node while it is read. */
typedef struct draft {
    ek_node *node;   /* in the graph's arena */
    ek_span def;
    int32_t n_names; /* inputs of both sorts */
    int32_t used;    /* outputs that consumers name */
} draft;

typedef struct reader {
    ek_graph *g;
    ek_tensor_reader tensors;
    const uint8_t *origin;
    const ek_import *how;
    draft *d;
    int64_t n, cap;
    int64_t entered; /* of them belong to the graph already */
    ek_map by_name;
    int64_t n_outputs;
    ek_error *err;
} reader;

static ek_status no_memory(reader *r)
{
    return EK_FAIL(r->err, RESOURCE_EXHAUSTED, "no memory for a graph of %lld nodes", (long long)r->n);
}

/* ---- the top ---------------------------------------------------------------------------------- */

static ek_status read_versions(reader *r, ek_span versions)
{
    ek_wire w = ek__wire_open(versions, r->origin, r->err);
    ek_wire_field f;

    while (ek__wire_next(&w, &f)) {
        if (f.number == EK_F_VERSIONS_PRODUCER) r->g->producer = (int32_t)f.value;
        if (f.number == EK_F_VERSIONS_MIN_CONSUMER) r->g->min_consumer = (int32_t)f.value;
    }
    EK_TRY(w.status);
    if (r->g->min_consumer > CONSUMER_VERSION)
        return EK_FAIL(r->err, INVALID_ARGUMENT, "GraphDef min consumer version %d above current version %d: a later program is "
                       "needed to read it", (int)r->g->min_consumer, CONSUMER_VERSION);
    if (r->g->producer < 0)
        return EK_FAIL(r->err, INVALID_ARGUMENT, "GraphDef producer version %d below min producer 0", (int)r->g->producer);
    return EK_OK;
}

/* The nodes' places; everything else is kept as it stands. */
static ek_status read_top(reader *r, ek_span graph_def)
{
    ek_wire w = ek__wire_open(graph_def, r->origin, r->err);
    ek_wire_field f;
    ek_buf rest = { .data = NULL };
    ek_status st = EK_OK;

    r->g->producer = r->g->min_consumer = 0;
    while (st == EK_OK && ek__wire_next(&w, &f)) {
        if (f.number != EK_F_GRAPH_NODE) {
            ek__buf_add(&rest, f.whole.at, f.whole.size);
            if (f.number == EK_F_GRAPH_VERSIONS) st = read_versions(r, f.bytes);
            continue;
        }
        if (r->n == INT32_MAX || !EK_GROW(r->d, r->cap, r->n + 1)) st = no_memory(r);
        else r->d[r->n++] = (draft){ .def = f.bytes };
    }
    if (st == EK_OK) st = w.status;
    if (st == EK_OK && rest.size > 0) {
        r->g->raw_rest = ek__arena_memdup(&r->g->arena, rest.data, rest.size);
        r->g->raw_rest_size = rest.size;
    }
    if (st == EK_OK && (rest.failed || (rest.size > 0 && r->g->raw_rest == NULL))) st = no_memory(r);
    ek__buf_fini(&rest);
    return st;
}

/* ---- names ------------------------------------------------------------------------------------- */

static const char *copy_span(reader *r, ek_span s)
{
    return ek__arena_strndup(&r->g->arena, (const char *)s.at, s.size);
}

static bool scoped(const reader *r) { return r->how->scope != NULL; }

/* The node's name, the file's behind the scope. *file_name is the file's part of it. */
static const char *name_in_scope(reader *r, ek_span s, const char **file_name)
{
    const size_t before = scoped(r) ? strlen(r->how->scope) + 1 : 0;
    char *name = scoped(r) ? ek__arena_printf(&r->g->arena, "%s/%.*s", r->how->scope, (int)s.size, (const char *)s.at)
                           : ek__arena_strndup(&r->g->arena, (const char *)s.at, s.size);

    *file_name = name != NULL ? name + before : NULL;
    return name;
}

/* Name, type, device; room for inputs and attributes. */
static ek_status read_names(reader *r, int64_t i)
{
    draft *d = &r->d[i];
    ek_node *n = EK_ARENA_NEW(&r->g->arena, ek_node, 1);
    ek_wire w = ek__wire_open(d->def, r->origin, r->err);
    ek_span name = { NULL, 0 }, type = { NULL, 0 }, device = { NULL, 0 };
    ek_wire_field f;
    int64_t n_attr = 0;
    const char *file_name;

    while (ek__wire_next(&w, &f)) {
        if (f.number == EK_F_NODE_NAME) name = f.bytes;
        if (f.number == EK_F_NODE_OP) type = f.bytes;
        if (f.number == EK_F_NODE_DEVICE) device = f.bytes;
        if (f.number == EK_F_NODE_INPUT) d->n_names++;
        if (f.number == EK_F_NODE_ATTR) n_attr++;
    }
    EK_TRY(w.status);
    if (n == NULL) return no_memory(r);
    d->node = n;
    n->name = name_in_scope(r, name, &file_name);
    n->type = copy_span(r, type);
    n->device = device.size > 0 && !r->how->clear_devices ? copy_span(r, device) : "";
    n->in = EK_ARENA_NEW(&r->g->arena, ek_edge, d->n_names);
    n->control = EK_ARENA_NEW(&r->g->arena, int32_t, d->n_names);
    n->attr = EK_ARENA_NEW(&r->g->arena, ek_attr, n_attr);
    if (!scoped(r) && (device.size == 0 || !r->how->clear_devices)) {
        n->raw = d->def.at;
        n->raw_size = d->def.size;
    }
    if (n->name == NULL || n->type == NULL || n->device == NULL || n->in == NULL || n->control == NULL || n->attr == NULL)
        return no_memory(r);
    if (!ek__name_valid(file_name, false))
        return EK_FAIL(r->err, INVALID_ARGUMENT, "Node '%s': Node name contains invalid characters", file_name);
    if (n->type[0] == '\0') return EK_FAIL(r->err, INVALID_ARGUMENT, "Node '%s' has no op type", n->name);
    if (ek__map_get(&r->by_name, file_name, name.size, -1) >= 0)
        return EK_FAIL(r->err, INVALID_ARGUMENT, "Node '%s' is not unique", n->name);
    return ek__map_put(&r->by_name, file_name, name.size, i) ? EK_OK : no_memory(r);
}

/* ---- inputs ------------------------------------------------------------------------------------ */

/* "name" or "name:3"; anything else is a name that no node has. */
static ek_edge find_output(const reader *r, ek_span s)
{
    size_t size = s.size;
    int64_t index = 0, scale = 1;

    while (size > 0 && s.at[size - 1] >= '0' && s.at[size - 1] <= '9' && s.size - size < 9) {
        index += (s.at[--size] - '0') * scale;
        scale *= 10;
    }
    if (size == s.size || size == 0 || s.at[size - 1] != ':') {
        size = s.size + 1;
        index = 0;
    }
    return (ek_edge){ (int32_t)ek__map_get(&r->by_name, (const char *)s.at, size - 1, -1), (int32_t)index };
}

/* `last` remembers per node the consumer (its place + 1) that named it as a control input: twice counts once. */
static ek_status read_input(reader *r, int64_t i, ek_span s, int32_t *last)
{
    ek_node *n = r->d[i].node;
    const bool control = s.size > 0 && s.at[0] == '^';
    const int shown = s.size < 200 ? (int)s.size : 200;

    if (control) {
        const int64_t from = ek__map_get(&r->by_name, (const char *)s.at + 1, s.size - 1, -1);
        if (from < 0) return EK_FAIL(r->err, INVALID_ARGUMENT, "Node '%s': Unknown input node '%.*s'", n->name, shown, (const char *)s.at);
        if (last[from] != (int32_t)i + 1) n->control[n->n_control++] = (int32_t)from;
        last[from] = (int32_t)i + 1;
        return EK_OK;
    }
    if (n->n_control > 0)
        return EK_FAIL(r->err, INVALID_ARGUMENT, "Node '%s': Control dependencies must come after regular dependencies", n->name);
    const ek_edge e = find_output(r, s);
    if (e.node < 0) return EK_FAIL(r->err, INVALID_ARGUMENT, "Node '%s': Unknown input node '%.*s'", n->name, shown, (const char *)s.at);
    if (r->d[e.node].used <= e.index) r->d[e.node].used = e.index + 1;
    n->in[n->n_in++] = e;
    return EK_OK;
}

static ek_status read_inputs(reader *r)
{
    int32_t *last = ek__calloc((size_t)r->n + 1, sizeof *last);
    ek_status st = EK_OK;

    if (last == NULL) return no_memory(r);
    for (int64_t i = 0; i < r->n && st == EK_OK; i++) {
        ek_wire w = ek__wire_open(r->d[i].def, r->origin, r->err);
        ek_wire_field f;
        while (st == EK_OK && ek__wire_next(&w, &f))
            if (f.number == EK_F_NODE_INPUT) st = read_input(r, i, f.bytes, last);
    }
    ek__free(last);
    return st;
}

/* ---- attributes and types ------------------------------------------------------------------------ */

/* The nodes that this one is placed with are under the scope too. */
static ek_status scope_colocation(reader *r, ek_attr_value *v)
{
    static const char loc[] = "loc:@";

    for (int32_t i = 0; v->kind == (EK_ATTR_LIST | EK_ATTR_STRING) && i < v->count; i++) {
        ek_string *s = &v->u.ss[i];
        if (s->size < strlen(loc) || memcmp(s->data, loc, strlen(loc)) != 0) continue;
        s->data = ek__arena_printf(&r->g->arena, "%s%s/%s", loc, r->how->scope, s->data + strlen(loc));
        if (s->data == NULL) return no_memory(r);
        s->size = strlen(s->data);
        v->raw = NULL;
        v->raw_size = 0;
    }
    return EK_OK;
}

/* One entry of the map; a key that comes again replaces what it had. */
static ek_status read_attr(reader *r, ek_node *n, ek_map *seen, ek_span entry)
{
    ek_wire w = ek__wire_open(entry, r->origin, r->err);
    ek_wire_field f;
    ek_span key = { (const uint8_t *)"", 0 }, value = { NULL, 0 };
    const ek_attr_spec *spec;
    int64_t at;

    while (ek__wire_next(&w, &f)) {
        if (f.number == EK_F_ENTRY_KEY) key = f.bytes;
        if (f.number == EK_F_ENTRY_VALUE) value = f.bytes;
    }
    EK_TRY(w.status);
    at = ek__map_get(seen, (const char *)key.at, key.size, n->n_attr);
    ek__attrs_release(&n->attr[at], 1);
    n->attr[at].name = copy_span(r, key);
    if (n->attr[at].name == NULL || !ek__map_put(seen, n->attr[at].name, key.size, at)) return no_memory(r);
    if (at == n->n_attr) n->n_attr++;
    spec = n->spec != NULL ? ek__attr_spec(n->spec, n->attr[at].name) : NULL;
    EK_TRY(ek__attr_read(&r->g->arena, &r->tensors, value, spec != NULL, &n->attr[at].value, r->err));
    /* "[]" has no kind in a file; the node's list has the attribute's. */
    if (spec != NULL && n->attr[at].value.kind == EK_ATTR_LIST && (spec->kind & EK_ATTR_LIST) != 0)
        n->attr[at].value.kind = spec->kind;
    return scoped(r) && strcmp(n->attr[at].name, "_class") == 0 ? scope_colocation(r, &n->attr[at].value) : EK_OK;
}

/* Before version 22 a Placeholder of unknown shape was written as one of no dimensions. Only what we make of it changes, the
 * node's bytes stay. */
static void mend_old_placeholder(ek_node *n)
{
    for (int32_t i = 0; i < n->n_attr && strcmp(n->type, "Placeholder") == 0; i++) {
        ek_attr_value *v = &n->attr[i].value;
        if (strcmp(n->attr[i].name, "shape") == 0 && v->kind == EK_ATTR_SHAPE && v->u.shape->rank == 0)
            *v->u.shape = EK_UNKNOWN_SHAPE;
    }
}

static ek_status read_attrs(reader *r, draft *d)
{
    ek_node *n = d->node;
    ek_wire w = ek__wire_open(d->def, r->origin, r->err);
    ek_map seen = { .slot = NULL };
    ek_wire_field f;
    ek_status st = EK_OK;

    n->spec = ek__registry_find(r->g->registry, n->type);
    while (st == EK_OK && ek__wire_next(&w, &f))
        if (f.number == EK_F_NODE_ATTR) st = read_attr(r, n, &seen, f.bytes);
    ek__map_fini(&seen);
    if (st == EK_OK && r->g->producer <= LAST_OF_OLD_PLACEHOLDERS) mend_old_placeholder(n);
    return st;
}

/* Types of both sides: from the definition, or as many outputs as somebody reads. */
static ek_status read_types(reader *r, draft *d)
{
    ek_node *n = d->node;

    if (n->spec != NULL) {
        EK_TRY(ek__node_check(&r->g->arena, n, r->err));
    } else {
        if (d->used > MOST_UNKNOWN_OUTPUTS)
            return EK_FAIL(r->err, RESOURCE_EXHAUSTED, "Node '%s': output %d is wanted; an op without a definition may have %d",
                           n->name, (int)d->used - 1, MOST_UNKNOWN_OUTPUTS);
        n->n_out = d->used > 0 ? d->used : 1;
        n->out_dtype = EK_ARENA_NEW(&r->g->arena, ek_dtype, n->n_out);
        n->in_dtype = EK_ARENA_NEW(&r->g->arena, ek_dtype, n->n_in + 1);
        if (n->out_dtype == NULL || n->in_dtype == NULL) return no_memory(r);
    }
    r->n_outputs += n->n_out;
    if (r->n_outputs > MOST_OUTPUTS + r->n)
        return EK_FAIL(r->err, RESOURCE_EXHAUSTED, "Node '%s': the nodes so far have %lld outputs, too many for one graph", n->name,
                       (long long)r->n_outputs);
    return EK_OK;
}

/* ---- edges -------------------------------------------------------------------------------------- */

/* An op that we lack may read an output that we know nothing of, of a later version of its input's op: the output is
 * let be, without a type. Only a run that needs it, and thus the op that we lack, fails. */
static ek_status widen(reader *r, ek_node *from, int32_t n_out)
{
    ek_dtype *wider = n_out <= MOST_UNKNOWN_OUTPUTS ? EK_ARENA_NEW(&r->g->arena, ek_dtype, n_out) : NULL;

    if (wider == NULL) return EK_FAIL(r->err, RESOURCE_EXHAUSTED, "Node '%s': no room for output %d", from->name, (int)n_out - 1);
    if (from->n_out > 0) memcpy(wider, from->out_dtype, (size_t)from->n_out * sizeof *wider);
    from->out_dtype = wider;
    from->n_out = n_out;
    return EK_OK;
}

static ek_status match_edge(reader *r, ek_node *n, int32_t i)
{
    const ek_edge e = n->in[i];
    ek_node *from = r->d[e.node].node;
    ek_dtype *given, wanted = n->in_dtype[i];

    if (e.index >= from->n_out && n->spec == NULL) EK_TRY(widen(r, from, r->d[e.node].used));
    if (e.index >= from->n_out)
        return EK_FAIL(r->err, INVALID_ARGUMENT, "Node '%s': Connecting to invalid output %d of source node %s which has %d outputs.",
                       n->name, (int)e.index, from->name, (int)from->n_out);
    given = &from->out_dtype[e.index];
    if (n->spec == NULL) n->in_dtype[i] = *given;
    /* An op without a definition gives what its first consumer with one expects. */
    else if (from->spec == NULL && *given == EK_DTYPE_NONE) *given = ek_dtype_is_ref(wanted) ? wanted : ek_dtype_base(wanted);
    else if (*given != EK_DTYPE_NONE && *given != wanted && ek_dtype_base(*given) != wanted)
        return EK_FAIL(r->err, INVALID_ARGUMENT, "Input %d of node %s was passed %s from %s:%d incompatible with expected %s.", (int)i,
                       n->name, ek_dtype_cc_name(*given), from->name, (int)e.index, ek_dtype_cc_name(wanted));
    return EK_OK;
}

static bool is_one_of(const char *type, const char *a, const char *b)
{
    return strcmp(type, a) == 0 || strcmp(type, b) == 0;
}

/* Whether the node waits for the edge: a Merge of a loop does not wait for its NextIteration. */
static bool waits(const reader *r, const ek_node *n, int32_t from)
{
    return !is_one_of(n->type, "Merge", "RefMerge") || !is_one_of(r->d[from].node->type, "NextIteration", "RefNextIteration");
}

/* Per node its consumers, one after the other; `pending` counts what each waits for. */
typedef struct fans {
    int64_t *first;
    int32_t *consumer, *pending, *ready;
} fans;

static int32_t edge_source(const ek_node *n, int32_t k) { return k < n->n_in ? n->in[k].node : n->control[k - n->n_in]; }

static bool make_fans(reader *r, fans *f)
{
    int64_t edges = 0;

    for (int64_t i = 0; i < r->n; i++) edges += r->d[i].node->n_in + r->d[i].node->n_control;
    f->first = ek__calloc((size_t)r->n + 2, sizeof *f->first);
    f->consumer = ek__calloc((size_t)edges + 1, sizeof *f->consumer);
    f->pending = ek__calloc((size_t)r->n + 1, sizeof *f->pending);
    f->ready = ek__calloc((size_t)r->n + 1, sizeof *f->ready);
    if (f->first == NULL || f->consumer == NULL || f->pending == NULL || f->ready == NULL) return false;
    for (int64_t i = 0; i < r->n; i++)
        for (int32_t k = 0; k < r->d[i].node->n_in + r->d[i].node->n_control; k++) {
            const int32_t from = edge_source(r->d[i].node, k);
            if (!waits(r, r->d[i].node, from)) continue;
            f->first[from + 2]++;
            f->pending[i]++;
        }
    for (int64_t i = 0; i < r->n; i++) f->first[i + 2] += f->first[i + 1];
    for (int64_t i = 0; i < r->n; i++)
        for (int32_t k = 0; k < r->d[i].node->n_in + r->d[i].node->n_control; k++) {
            const int32_t from = edge_source(r->d[i].node, k);
            if (waits(r, r->d[i].node, from)) f->consumer[f->first[from + 1]++] = (int32_t)i;
        }
    return true;
}

/* Removes nodes that wait for nothing until none is left. */
static ek_status look_for_cycles(reader *r)
{
    fans f = { .first = NULL };
    int64_t n_ready = 0, done = 0;
    const bool ok = make_fans(r, &f);

    for (int64_t i = 0; ok && i < r->n; i++)
        if (f.pending[i] == 0) f.ready[n_ready++] = (int32_t)i;
    for (; ok && done < n_ready; done++)
        for (int64_t k = f.first[f.ready[done]]; k < f.first[f.ready[done] + 1]; k++)
            if (--f.pending[f.consumer[k]] == 0) f.ready[n_ready++] = f.consumer[k];
    ek__free(f.first);
    ek__free(f.consumer);
    ek__free(f.pending);
    ek__free(f.ready);
    if (!ok) return no_memory(r);
    if (done < r->n) return EK_FAIL(r->err, INVALID_ARGUMENT, "%lld nodes in a cycle", (long long)(r->n - done));
    return EK_OK;
}

/* ---- all of it ----------------------------------------------------------------------------------- */

static ek_status read_nodes(reader *r, ek_span graph_def)
{
    EK_TRY(read_top(r, graph_def));
    for (int64_t i = 0; i < r->n; i++) EK_TRY(read_names(r, i));
    EK_TRY(read_inputs(r));
    for (int64_t i = 0; i < r->n; i++) {
        ek_status st = read_attrs(r, &r->d[i]);
        if (st == EK_OK) st = read_types(r, &r->d[i]);
        if (st != EK_OK) ek__fail_node(r->err, r->d[i].node->name);
        EK_TRY(st);
    }
    for (int64_t i = 0; i < r->n; i++)
        for (int32_t k = 0; k < r->d[i].node->n_in; k++) EK_TRY(match_edge(r, r->d[i].node, k));
    EK_TRY(look_for_cycles(r));
    for (; r->entered < r->n; r->entered++) EK_TRY(ek__node_append(r->g, r->d[r->entered].node, r->err));
    return ek__graph_infer(r->g, 0, r->err);
}

void ek__graph_origin_release(void *origin)
{
    ek_graph_origin *o = origin;

    ek__source_unref(o->source);
    ek__free(o);
}

static ek_status keep_origin(reader *r, ek_source *source, ek_span graph_def)
{
    ek_graph_origin *o = ek__alloc(sizeof *o);

    if (o == NULL) return no_memory(r);
    *o = (ek_graph_origin){ ek__source_ref(source), graph_def, r->n };
    r->g->source = o;
    r->g->source_release = ek__graph_origin_release;
    r->g->imported_whole = true;
    return EK_OK;
}

ek_status ek__graph_import(ek_source *source, ek_span graph_def, ek_graph **out, ek_error *err)
{
    return ek__graph_import_as(source, graph_def, &(ek_import){ .scope = NULL }, out, err);
}

ek_status ek__graph_import_as(ek_source *source, ek_span graph_def, const ek_import *how, ek_graph **out, ek_error *err)
{
    reader r = { .g = ek_graph_create(), .tensors = { source, EK_TENSOR_EXPANSION }, .origin = source->data, .how = how,
                 .err = err };
    ek_status st;

    *out = NULL;
    if (r.g == NULL) return no_memory(&r);
    EK_TRY_DONE(ek__wire_check(ek__proto(EK_PROTO_GRAPH_DEF), graph_def, source->data, err));
    EK_TRY_DONE(read_nodes(&r, graph_def));
    EK_TRY_DONE(keep_origin(&r, source, graph_def));
    *out = r.g;
    r.g = NULL;
done:
    for (int64_t i = r.entered; i < r.n; i++)
        if (r.d[i].node != NULL) ek__attrs_release(r.d[i].node->attr, r.d[i].node->n_attr);
    ek__map_fini(&r.by_name);
    ek__free(r.d);
    ek_graph_destroy(r.g);
    return st;
}
