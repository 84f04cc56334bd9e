/* formats/meta_write.c - a graph as a MetaGraphDef: what export_meta_graph says of it. One variable: meta_variable.c, one
 * context: meta_context.c. */
#include <stdlib.h>

#include "base/log.h"
#include "codec/fields.h"
#include "evenkeel/files.h"
#include "formats/meta.h"
#include "formats/saved_model.h"
#include "graph/nodedef.h"

void ek__put_tensor_name(ek_buf *b, uint32_t number, const ek_graph *g, ek_edge e)
{
    const size_t mark = ek__put_open(b, number);

    ek__buf_printf(b, "%s:%d", g->node[e.node]->name, (int)e.index);
    ek__put_close(b, mark);
}

/* ---- which ops are used ------------------------------------------------------------------------------- */

/* Names of ops, each once; those of functions among them, which are looked into in turn. */
typedef struct used {
    ek_span *at;
    int64_t n, cap;
    ek_map seen;
    bool failed;
} used;

static void use(used *u, ek_span op)
{
    if (op.size == 0 || ek__map_get(&u->seen, (const char *)op.at, op.size, -1) >= 0) return;
    if (!EK_GROW(u->at, u->cap, u->n + 1) || !ek__map_put(&u->seen, (const char *)op.at, op.size, u->n)) u->failed = true;
    else u->at[u->n++] = op;
}

/* The functions of the graph's library by name; their bodies. */
static bool find_functions(const ek_graph *g, ek_map *by_name, ek_span **body)
{
    const ek_span rest = { g->raw_rest, g->raw_rest_size }, library = ek__wire_bytes_of(rest, EK_F_GRAPH_LIBRARY);
    ek_wire w = ek__wire_open(library, NULL, NULL);
    ek_wire_field f;
    int64_t n = 0, cap = 0;

    while (ek__wire_next(&w, &f)) {
        const ek_span name = ek__wire_bytes_of(ek__wire_bytes_of(f.bytes, EK_F_FUNCTION_SIGNATURE), EK_F_OP_NAME);
        if (f.number != EK_F_LIBRARY_FUNCTION || name.size == 0) continue;
        if (!EK_GROW(*body, cap, n + 1) || !ek__map_put(by_name, (const char *)name.at, name.size, n)) return false;
        (*body)[n++] = f.bytes;
    }
    return true;
}

static bool is_call(ek_span op)
{
    static const char *const call[] = { "PartitionedCall", "StatefulPartitionedCall" };

    for (int i = 0; i < EK_COUNT_OF(call); i++)
        if (op.size == strlen(call[i]) && memcmp(op.at, call[i], op.size) == 0) return true;
    return false;
}

/* The function that a NodeDef calls: its attribute "f". */
static ek_span called(ek_span node)
{
    ek_wire w = ek__wire_open(node, NULL, NULL);
    ek_wire_field f;

    while (ek__wire_next(&w, &f)) {
        const ek_span key = f.number == EK_F_NODE_ATTR ? ek__wire_bytes_of(f.bytes, EK_F_ENTRY_KEY) : (ek_span){ NULL, 0 };
        if (key.size == 1 && key.at[0] == 'f')
            return ek__wire_bytes_of(ek__wire_bytes_of(ek__wire_bytes_of(f.bytes, EK_F_ENTRY_VALUE), EK_F_ATTR_FUNC), EK_F_FUNC_NAME);
    }
    return (ek_span){ NULL, 0 };
}

static void use_node(used *u, const ek_node *n)
{
    const ek_span op = { (const uint8_t *)n->type, strlen(n->type) };
    const ek_attr_value *f = is_call(op) ? ek__attr_find(n->attr, n->n_attr, "f") : NULL;

    use(u, op);
    if (f != NULL && f->kind == EK_ATTR_FUNC) use(u, (ek_span){ (const uint8_t *)f->u.func->name, strlen(f->u.func->name) });
}

static void use_body(used *u, ek_span body)
{
    ek_wire w = ek__wire_open(body, NULL, NULL);
    ek_wire_field f;

    while (ek__wire_next(&w, &f))
        if (f.number == EK_F_FUNCTION_NODE) {
            const ek_span op = ek__wire_bytes_of(f.bytes, EK_F_NODE_OP);
            use(u, op);
            if (is_call(op)) use(u, called(f.bytes));
        }
}

static int compare_spans(const void *a, const void *b)
{
    const ek_span *x = a, *y = b;
    const int order = memcmp(x->at, y->at, x->size < y->size ? x->size : y->size);

    return order != 0 ? order : x->size < y->size ? -1 : x->size > y->size;
}

/* The ops of all nodes, also of functions that are called: sorted, functions themselves left out. */
static bool find_used(const ek_graph *g, used *u)
{
    ek_map functions = { .slot = NULL };
    ek_span *body = NULL;
    int64_t kept = 0;
    bool ok = find_functions(g, &functions, &body);

    for (int64_t i = 0; i < g->n_nodes; i++) use_node(u, g->node[i]);
    for (int64_t i = 0; ok && i < u->n; i++) {
        const int64_t at = ek__map_get(&functions, (const char *)u->at[i].at, u->at[i].size, -1);
        if (at >= 0) use_body(u, body[at]);
    }
    for (int64_t i = 0; i < u->n; i++)
        if (ek__map_get(&functions, (const char *)u->at[i].at, u->at[i].size, -1) < 0) u->at[kept++] = u->at[i];
    u->n = kept;
    if (kept > 0) qsort(u->at, (size_t)kept, sizeof *u->at, compare_spans);
    ek__map_fini(&functions);
    ek__free(body);
    return ok && !u->failed;
}

/* ---- the list of ops ------------------------------------------------------------------------------------ */

/* The definitions that the graph's file brought. */
static bool find_brought(const ek_graph *g, ek_map *by_name, ek_span **def)
{
    ek_wire w = ek__wire_open(g->meta != NULL ? g->meta->ops : (ek_span){ NULL, 0 }, NULL, NULL);
    ek_wire_field f;
    int64_t n = 0, cap = 0;

    while (ek__wire_next(&w, &f)) {
        const ek_span name = ek__wire_bytes_of(f.bytes, EK_F_OP_NAME);
        if (f.number != EK_F_OP_LIST_OP) continue;
        if (!EK_GROW(*def, cap, n + 1) || !ek__map_put(by_name, (const char *)name.at, name.size, n)) return false;
        (*def)[n++] = f.bytes;
    }
    return true;
}

static void write_op(ek_buf *b, const ek_graph *g, ek_span name, const ek_span *brought)
{
    char text[256];
    const ek_op_spec *spec = NULL;

    snprintf(text, sizeof text, "%.*s", name.size < 255 ? (int)name.size : 255, (const char *)name.at);
    if (brought == NULL) spec = ek__registry_find(g->registry, text);
    if (brought == NULL && spec == NULL) return; /* nobody knows it */
    const size_t mark = ek__put_open(b, EK_F_OP_LIST_OP);
    if (brought != NULL) ek__buf_add(b, brought->at, brought->size);
    else ek__op_def_write(b, spec);
    ek__put_close(b, mark);
}

static bool write_ops(ek_buf *b, const ek_graph *g)
{
    ek_map by_name = { .slot = NULL };
    ek_span *def = NULL;
    used u = { .at = NULL };
    const bool ok = find_used(g, &u) && find_brought(g, &by_name, &def);
    const size_t mark = ek__put_open(b, EK_F_INFO_OPS);

    for (int64_t i = 0; ok && i < u.n; i++) {
        const int64_t at = ek__map_get(&by_name, (const char *)u.at[i].at, u.at[i].size, -1);
        write_op(b, g, u.at[i], at >= 0 ? &def[at] : NULL);
    }
    ek__put_close(b, mark);
    ek__map_fini(&by_name);
    ek__map_fini(&u.seen);
    ek__free(u.at);
    ek__free(def);
    return ok;
}

/* A graph of our own is one of TensorFlow 1.15. */
static bool write_info(ek_buf *b, const ek_graph *g, const ek_meta_write *how)
{
    const size_t mark = ek__put_open(b, EK_F_META_INFO);
    const bool ok = write_ops(b, g);

    if (g->meta != NULL && g->meta->loaded) {
        ek__saved_model_info(b, g->meta->info, how);
    } else {
        ek__put_str(b, EK_F_INFO_TF_VERSION, "1.15.0");
        const size_t git = ek__put_open(b, EK_F_INFO_TF_GIT_VERSION);
        ek__buf_printf(b, "evenkeel %s", ek_version());
        ek__put_close(b, git);
    }
    for (int i = 0; i < how->n_tags; i++) ek__put_str(b, EK_F_INFO_TAGS, how->tags[i]);
    ek__put_close(b, mark);
    return ok;
}

/* ---- the graph -------------------------------------------------------------------------------------------- */

static bool has_shapes(const ek_node *n)
{
    return ek__attr_find(n->attr, n->n_attr, "_output_shapes") != NULL;
}

static void write_shapes(ek_buf *b, const ek_node *n)
{
    ek_attr_value v = { .kind = EK_ATTR_LIST | EK_ATTR_SHAPE, .count = n->n_out };
    const size_t entry = ek__put_open(b, EK_F_NODE_ATTR);

    v.u.shapes = n->out_shape;
    ek__put_str(b, EK_F_ENTRY_KEY, "_output_shapes");
    const size_t value = ek__put_open(b, EK_F_ENTRY_VALUE);
    ek__attr_write(b, &v);
    ek__put_close(b, value);
    ek__put_close(b, entry);
}

/* A node's own bytes where it has some, but for its device. */
static void write_raw(ek_buf *b, const ek_node *n)
{
    ek_wire w = ek__wire_open((ek_span){ n->raw, n->raw_size }, NULL, NULL);
    ek_wire_field f;

    while (ek__wire_next(&w, &f))
        if (f.number != EK_F_NODE_DEVICE) ek__buf_add(b, f.whole.at, f.whole.size);
}

/* How many outputs an op without a definition has is not known: it keeps what it came with. */
static void write_node(ek_buf *b, const ek_graph *g, const ek_node *n, const ek_meta_write *how)
{
    ek_node bare = *n;
    const size_t mark = ek__put_open(b, EK_F_GRAPH_NODE);

    if (how->clear_devices) bare.device = "";
    if (how->clear_devices && n->raw != NULL) write_raw(b, n);
    else ek__nodedef_write(b, g, &bare);
    if (n->n_out > 0 && n->spec != NULL && !has_shapes(n)) write_shapes(b, n);
    ek__put_close(b, mark);
}

static void write_graph(ek_buf *b, const ek_graph *g, const ek_meta_write *how)
{
    const size_t mark = ek__put_open(b, EK_F_META_GRAPH);

    for (int64_t i = 0; i < g->n_nodes; i++) write_node(b, g, g->node[i], how);
    ek__graph_write_rest(b, g);
    ek__put_close(b, mark);
}

/* ---- a collection ------------------------------------------------------------------------------------------- */

static uint32_t list_for(const ek_collection *c)
{
    if (ek__collection_form(c->key) != EK_FORM_BY_ITEM) return EK_F_COLLECTION_BYTES_LIST;
    switch (c->item[0].kind) {
    case EK_ITEM_STRING:
    case EK_ITEM_BYTES: return EK_F_COLLECTION_BYTES_LIST;
    case EK_ITEM_INT: return EK_F_COLLECTION_INT64_LIST;
    case EK_ITEM_FLOAT: return EK_F_COLLECTION_FLOAT_LIST;
    case EK_ITEM_ANY: return EK_F_COLLECTION_ANY_LIST;
    default: return EK_F_COLLECTION_NODE_LIST;
    }
}

/* Whether an item can stand in the list: by its key's message, else by the first item's kind. */
static bool fits(const ek_collection *c, uint32_t list, ek_item_kind kind)
{
    switch (ek__collection_form(c->key)) {
    case EK_FORM_VARIABLE: return kind == EK_ITEM_VARIABLE;
    case EK_FORM_COND:
    case EK_FORM_WHILE: return kind == EK_ITEM_CONTEXT;
    case EK_FORM_SAVER:
    case EK_FORM_QUEUE_RUNNER: return kind == EK_ITEM_BYTES || kind == EK_ITEM_STRING;
    default: break;
    }
    switch (list) {
    case EK_F_COLLECTION_BYTES_LIST: return kind == EK_ITEM_STRING || kind == EK_ITEM_BYTES;
    case EK_F_COLLECTION_INT64_LIST: return kind == EK_ITEM_INT;
    case EK_F_COLLECTION_FLOAT_LIST: return kind == EK_ITEM_FLOAT || kind == EK_ITEM_INT;
    case EK_F_COLLECTION_ANY_LIST: return kind == EK_ITEM_ANY;
    default: return kind == EK_ITEM_OP || kind == EK_ITEM_TENSOR || kind == EK_ITEM_VARIABLE || kind == EK_ITEM_CONTEXT;
    }
}

/* TensorFlow leaves out a collection that no list can hold, and says so. */
static bool can_be_written(const ek_collection *c)
{
    if (c->count == 0) return false;
    for (int64_t i = 0; i < c->count; i++) {
        if (fits(c, list_for(c), c->item[i].kind)) continue;
        if (ek__log_on("files"))
            ek__log("files", "collection '%s' is left out: its item %lld does not go with what a file has for it", c->key,
                    (long long)i);
        return false;
    }
    return true;
}

static void write_number(ek_buf *b, uint32_t list, const ek_item *item)
{
    const float f = item->kind == EK_ITEM_FLOAT ? (float)item->u.real : (float)item->u.integer;
    uint32_t bits;

    memcpy(&bits, &f, sizeof bits);
    if (list == EK_F_COLLECTION_FLOAT_LIST) ek__put_fixed32(b, bits);
    else ek__put_varint(b, (uint64_t)item->u.integer);
}

static void write_item(ek_buf *b, const ek_graph *g, const ek_context_index *x, uint32_t list, const ek_item *item)
{
    const bool message = list == EK_F_COLLECTION_BYTES_LIST;
    const size_t mark = ek__put_open(b, EK_F_LIST_VALUE);

    switch (item->kind) {
    case EK_ITEM_OP: ek__buf_str(b, g->node[item->u.op.id]->name); break;
    case EK_ITEM_TENSOR: ek__buf_printf(b, "%s:%d", g->node[item->u.tensor.op]->name, (int)item->u.tensor.index); break;
    case EK_ITEM_VARIABLE:
        if (message) ek__variable_write(b, g, g->variable[item->u.variable.id]);
        else ek__buf_printf(b, "%s:0", g->variable[item->u.variable.id]->name);
        break;
    case EK_ITEM_CONTEXT:
        if (message) ek__context_write(b, x, ek__context(g, item->u.context));
        else ek__buf_str(b, ek__context(g, item->u.context)->name);
        break;
    case EK_ITEM_STRING: ek__buf_str(b, item->u.string); break;
    default: ek__buf_add(b, item->u.bytes.data, item->u.bytes.size);
    }
    ek__put_close(b, mark);
}

static void write_collection(ek_buf *b, const ek_graph *g, const ek_context_index *x, const ek_collection *c)
{
    const uint32_t list = list_for(c);
    const bool numbers = list == EK_F_COLLECTION_INT64_LIST || list == EK_F_COLLECTION_FLOAT_LIST;
    const size_t entry = ek__put_open(b, EK_F_META_COLLECTION);

    ek__put_str(b, EK_F_ENTRY_KEY, c->key);
    const size_t value = ek__put_open(b, EK_F_ENTRY_VALUE), kind = ek__put_open(b, list);
    const size_t packed = numbers ? ek__put_open(b, EK_F_LIST_VALUE) : 0;
    for (int64_t i = 0; i < c->count; i++) {
        if (numbers) write_number(b, list, &c->item[i]);
        else write_item(b, g, x, list, &c->item[i]);
    }
    if (numbers) ek__put_close(b, packed);
    ek__put_close(b, kind);
    ek__put_close(b, value);
    ek__put_close(b, entry);
}

static int compare_keys(const void *a, const void *b)
{
    const ek_collection *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

/* Sorted by key. */
static bool write_collections(ek_buf *b, const ek_graph *g, const ek_meta_write *how)
{
    const struct ek_collections *all = g->collections;
    const ek_collection **sorted = ek__alloc((size_t)all->count * sizeof *sorted);
    ek_context_index x = { .g = NULL };
    const bool ok = sorted != NULL && ek__context_index_init(&x, g);

    for (int64_t i = 0; ok && i < all->count; i++) sorted[i] = &all->at[i];
    if (ok && all->count > 0) qsort(sorted, (size_t)all->count, sizeof *sorted, compare_keys);
    for (int64_t i = 0; ok && i < all->count; i++)
        if (!ek__saved_model_replaces(how, sorted[i]->key) && can_be_written(sorted[i])) write_collection(b, g, &x, sorted[i]);
    ek__context_index_fini(&x);
    ek__free(sorted);
    return ok;
}

/* ---- the saver ------------------------------------------------------------------------------------------------ */

void ek__saver_def_write(ek_buf *b, const ek_saver_def *s)
{
    if (s->filename_tensor_name != NULL) ek__put_str(b, EK_F_SAVER_FILENAME, s->filename_tensor_name);
    if (s->save_tensor_name != NULL) ek__put_str(b, EK_F_SAVER_SAVE, s->save_tensor_name);
    if (s->restore_op_name != NULL) ek__put_str(b, EK_F_SAVER_RESTORE, s->restore_op_name);
    if (s->max_to_keep != 0) ek__put_int(b, EK_F_SAVER_MAX_TO_KEEP, s->max_to_keep);
    if (s->sharded) ek__put_int(b, EK_F_SAVER_SHARDED, 1);
    if (s->keep_checkpoint_every_n_hours != 0) ek__put_float(b, EK_F_SAVER_HOURS, s->keep_checkpoint_every_n_hours);
    if (s->version != 0) ek__put_int(b, EK_F_SAVER_FORMAT, s->version);
}

/* The one that is given, the last that was made, the one that came with the graph's file. */
static void write_saver(ek_buf *b, const ek_graph *g, const ek_saver_def *given)
{
    if (given == NULL) given = g->saver_def;
    if (given == NULL && (g->meta == NULL || g->meta->saver.at == NULL)) return;
    const size_t mark = ek__put_open(b, EK_F_META_SAVER);
    if (given != NULL) ek__saver_def_write(b, given);
    else ek__buf_add(b, g->meta->saver.at, g->meta->saver.size);
    ek__put_close(b, mark);
}

/* ---- all of it -------------------------------------------------------------------------------------------------- */

ek_status ek__meta_graph_write(const ek_graph *g, const ek_meta_write *how, ek_buf *out, ek_error *err)
{
    bool ok;

    if (g->error.code != EK_OK) return ek__error_copy(err, &g->error);
    ok = write_info(out, g, how);
    write_graph(out, g, how);
    if (!how->no_saver) write_saver(out, g, how->saver);
    ok = write_collections(out, g, how) && ok;
    ek__saved_model_collections(out, g, how);
    if (g->meta != NULL) ek__saved_model_rest(out, g->meta->rest, how);
    if (out->failed || !ok) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the bytes of the graph");
    if (out->size > EK_WIRE_MAX_BYTES)
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "the MetaGraphDef takes %zu bytes; it has at most 2 GiB, keep large values in "
                       "variables", out->size);
    return EK_OK;
}
