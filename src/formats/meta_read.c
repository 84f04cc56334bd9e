/* formats/meta_read.c - a MetaGraphDef as a graph: its nodes, and then its collections in TensorFlow's order.
 *
 * Not here: one variable (meta_variable.c), one context (meta_context.c). What must be refused is refused in the words of
 * import_meta_graph, with the collection and the item.
 */
#include <stdlib.h>

#include "codec/fields.h"
#include "formats/meta.h"
#include "formats/signature.h"

#define UNBOUND "unbound_inputs"

ek_collection_form ek__collection_form(const char *key)
{
    static const char *const variables[] = { EK_GLOBAL_VARIABLES, EK_TRAINABLE_VARIABLES, EK_LOCAL_VARIABLES, EK_MODEL_VARIABLES,
                                             EK_METRIC_VARIABLES, EK_MOVING_AVERAGE_VARIABLES, EK_GLOBAL_STEP };

    for (int i = 0; i < EK_COUNT_OF(variables); i++)
        if (strcmp(key, variables[i]) == 0) return EK_FORM_VARIABLE;
    if (strcmp(key, EK_COND_CONTEXT) == 0) return EK_FORM_COND;
    if (strcmp(key, EK_WHILE_CONTEXT) == 0) return EK_FORM_WHILE;
    if (strcmp(key, EK_SAVERS) == 0) return EK_FORM_SAVER;
    return strcmp(key, EK_QUEUE_RUNNERS) == 0 ? EK_FORM_QUEUE_RUNNER : EK_FORM_BY_ITEM;
}

/* ---- names ----------------------------------------------------------------------------------------- */

/* How much of a name stands before what is named: "^", "loc:@". */
static size_t mark_of(ek_span name)
{
    static const char loc[] = "loc:@";

    if (name.size > 0 && name.at[0] == '^') return 1;
    return name.size >= strlen(loc) && memcmp(name.at, loc, strlen(loc)) == 0 ? strlen(loc) : 0;
}

const char *ek__scoped_name(const ek_meta_reader *r, ek_span name)
{
    const size_t mark = mark_of(name);

    if (r->scope == NULL) return ek__arena_strndup(&r->g->arena, (const char *)name.at, name.size);
    return ek__arena_printf(&r->g->arena, "%.*s%s/%.*s", (int)mark, (const char *)name.at, r->scope, (int)(name.size - mark),
                            (const char *)name.at + mark);
}

void ek__scope_fields(const ek_meta_reader *r, ek_span message, uint32_t names, ek_buf *out)
{
    ek_wire w = ek__wire_open(message, NULL, NULL);
    ek_wire_field f;

    while (ek__wire_next(&w, &f)) {
        if (r->scope == NULL || f.number > 31 || (names >> f.number & 1) == 0 || f.type != EK_WIRE_BYTES) {
            ek__buf_add(out, f.whole.at, f.whole.size);
            continue;
        }
        const size_t mark = mark_of(f.bytes), field = ek__put_open(out, f.number);
        ek__buf_add(out, f.bytes.at, mark);
        ek__buf_str(out, r->scope);
        ek__buf_str(out, "/");
        ek__buf_add(out, f.bytes.at + mark, f.bytes.size - mark);
        ek__put_close(out, field);
    }
}

ek_status ek__meta_tensor(const ek_meta_reader *r, ek_span name, ek_edge *out, ek_error *err)
{
    const char *full = ek__scoped_name(r, name);
    ek_tensor t;

    if (full == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a name");
    EK_TRY(ek__tensor_by_name(r->g, full, &t, err));
    *out = ek__edge(t);
    return EK_OK;
}

ek_status ek__meta_op(const ek_meta_reader *r, ek_span name, int32_t *out, ek_error *err)
{
    const char *full = ek__scoped_name(r, name);
    ek_op op;

    if (full == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a name");
    EK_TRY(ek__op_by_name(r->g, full, &op, err));
    *out = op.id;
    return EK_OK;
}

/* ---- items --------------------------------------------------------------------------------------------- */

/* An operation or a tensor, as the name has a colon or not. */
static ek_status read_element(const ek_meta_reader *r, ek_span name, ek_item *out, ek_error *err)
{
    ek_edge e;
    int32_t op;

    if (name.size == 0 || memchr(name.at, ':', name.size) == NULL) {
        EK_TRY(ek__meta_op(r, name, &op, err));
        *out = ek_item_of_op((ek_op){ r->g, op });
        return EK_OK;
    }
    EK_TRY(ek__meta_tensor(r, name, &e, err));
    *out = ek_item_of_tensor(ek__tensor(r->g, e));
    return EK_OK;
}

/* Bytes that mean nothing here; a string where they are text. Strings go under the scope, as TensorFlow has it. */
static ek_status read_bytes(const ek_meta_reader *r, ek_span s, ek_item *out, ek_error *err)
{
    const char *text = ek__utf8_bad(s.at, s.size, false) < 0 ? ek__scoped_name(r, s) : "";

    *out = ek__utf8_bad(s.at, s.size, false) < 0 ? ek_item_of_string(text) : ek_item_of_bytes(s.at, s.size);
    return text != NULL ? EK_OK : EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a string");
}

/* A message that is kept, its names under the scope. */
static ek_status read_message(const ek_meta_reader *r, ek_proto_id type, uint32_t names, ek_span s, ek_buf *held, ek_item *out,
                              ek_error *err)
{
    EK_TRY(ek__wire_check(ek__proto(type), s, NULL, err));
    ek__scope_fields(r, s, names, held);
    if (held->failed) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a message");
    *out = ek_item_of_bytes(held->data != NULL ? held->data : "", held->size);
    return EK_OK;
}

static ek_status read_context_item(ek_meta_reader *r, ek_span s, bool loop, ek_item *out, ek_error *err)
{
    int32_t id;

    EK_TRY(ek__context_read(r, s, loop, &id, err));
    *out = (ek_item){ .kind = EK_ITEM_CONTEXT, .u.context = id };
    return EK_OK;
}

/* An element of a bytes_list. `held`: what the item may point into. */
static ek_status read_bytes_item(ek_meta_reader *r, const char *key, ek_span s, ek_buf *held, ek_item *out, ek_error *err)
{
    ek_variable v;

    switch (ek__collection_form(key)) {
    case EK_FORM_VARIABLE:
        EK_TRY(ek__variable_read(r, s, strcmp(key, EK_TRAINABLE_VARIABLES) == 0, &v, err));
        *out = ek_item_of_variable(v);
        return EK_OK;
    case EK_FORM_COND: return read_context_item(r, s, false, out, err);
    case EK_FORM_WHILE: return read_context_item(r, s, true, out, err);
    case EK_FORM_SAVER:
        return read_message(r, EK_PROTO_SAVER_DEF, 1u << EK_F_SAVER_FILENAME | 1u << EK_F_SAVER_SAVE | 1u << EK_F_SAVER_RESTORE, s,
                            held, out, err);
    case EK_FORM_QUEUE_RUNNER:
        return read_message(r, EK_PROTO_QUEUE_RUNNER, 1u << 1 | 1u << 2 | 1u << 3 | 1u << 4, s, held, out, err);
    default: return read_bytes(r, s, out, err);
    }
}

/* ---- a collection ------------------------------------------------------------------------------------------ */

static ek_status add(ek_meta_reader *r, const char *key, ek_item item, ek_error *err)
{
    ek_add_item_to_collection(r->g, key, item, (ek_where){ 0 });
    return r->g->error.code == EK_OK ? EK_OK : ek__error_copy(err, &r->g->error);
}

/* One element of a list that is no packed number. */
static ek_status read_item(ek_meta_reader *r, const char *key, uint32_t list, ek_span s, ek_error *err)
{
    ek_buf held = { .data = NULL };
    ek_item item = { .kind = EK_ITEM_ANY, .u.bytes = { s.at, s.size } };
    ek_status st = EK_OK;

    if (list == EK_F_COLLECTION_NODE_LIST) st = read_element(r, s, &item, err);
    if (list == EK_F_COLLECTION_BYTES_LIST) st = read_bytes_item(r, key, s, &held, &item, err);
    if (st == EK_OK) st = add(r, key, item, err);
    ek__buf_fini(&held);
    return st;
}

/* Numbers of one field, packed or not. */
static ek_status read_numbers(ek_meta_reader *r, const char *key, uint32_t list, const ek_wire_field *f, ek_error *err)
{
    const bool whole = list == EK_F_COLLECTION_INT64_LIST;
    size_t offset = 0;
    uint64_t bits;

    while (ek__wire_packed(f, whole ? EK_WIRE_VARINT : EK_WIRE_FIXED32, &offset, &bits))
        EK_TRY(add(r, key, whole ? ek_item_of_int((int64_t)bits) : ek_item_of_float((double)ek__wire_float(bits)), err));
    return EK_OK;
}

static ek_status read_list(ek_meta_reader *r, const char *key, uint32_t list, ek_span elements)
{
    const bool numbers = list == EK_F_COLLECTION_INT64_LIST || list == EK_F_COLLECTION_FLOAT_LIST;
    ek_wire w = ek__wire_open(elements, NULL, NULL);
    ek_wire_field f;
    int64_t i = 0;

    while (ek__wire_next(&w, &f)) {
        ek_error own = { .code = EK_OK };
        if (f.number != EK_F_LIST_VALUE) continue;
        if (numbers) (void)read_numbers(r, key, list, &f, &own);
        else (void)read_item(r, key, list, f.bytes, &own);
        if (own.code != EK_OK)
            return ek__fail(r->err, own.code, own.file, own.line, "collection '%s', item %lld: %s", key, (long long)i, own.text);
        i++;
    }
    return EK_OK;
}

/* What kind of list it is: the last member counts, as in any oneof. A collection of no kind is left out. */
static ek_wire_field list_of(ek_span collection)
{
    ek_wire w = ek__wire_open(collection, NULL, NULL);
    ek_wire_field f, last = { .number = 0 };

    while (ek__wire_next(&w, &f))
        if (f.number >= EK_F_COLLECTION_NODE_LIST && f.number <= EK_F_COLLECTION_ANY_LIST) last = f;
    return last;
}

/* ---- all collections ---------------------------------------------------------------------------------------- */

typedef struct entry {
    const char *key;
    ek_span collection;
    int64_t place;
} entry;

typedef struct entries {
    entry *at;
    int64_t n, cap;
} entries;

/* Trainable variables first: what they say of a variable counts. The others as sorted() has them; of one key the last. */
static int compare_entries(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    const bool first = strcmp(x->key, EK_TRAINABLE_VARIABLES) == 0, second = strcmp(y->key, EK_TRAINABLE_VARIABLES) == 0;
    const int by_key = first == second ? strcmp(x->key, y->key) : (int)second - (int)first;

    return by_key != 0 ? by_key : x->place < y->place ? -1 : 1;
}

static ek_status find_entries(ek_meta_reader *r, ek_span whole, entries *list)
{
    ek_wire w = ek__wire_open(whole, NULL, NULL);
    ek_wire_field f, part;

    while (ek__wire_next(&w, &f)) {
        if (f.number != EK_F_META_COLLECTION) continue;
        ek_span key = { (const uint8_t *)"", 0 }, value = { (const uint8_t *)"", 0 };
        ek_wire in = ek__wire_open(f.bytes, NULL, NULL);
        while (ek__wire_next(&in, &part)) {
            if (part.number == EK_F_ENTRY_KEY) key = part.bytes;
            if (part.number == EK_F_ENTRY_VALUE) value = part.bytes;
        }
        if (!EK_GROW(list->at, list->cap, list->n + 1)) return EK_FAIL(r->err, RESOURCE_EXHAUSTED, "no memory for collections");
        list->at[list->n] = (entry){ ek__arena_strndup(&r->g->arena, (const char *)key.at, key.size), value, list->n };
        if (list->at[list->n++].key == NULL) return EK_FAIL(r->err, RESOURCE_EXHAUSTED, "no memory for collections");
    }
    if (list->n > 0) qsort(list->at, (size_t)list->n, sizeof *list->at, compare_entries);
    return EK_OK;
}

static ek_status read_collections(ek_meta_reader *r, ek_span whole)
{
    entries list = { .at = NULL };
    ek_status st = find_entries(r, whole, &list);

    for (int64_t i = 0; st == EK_OK && i < list.n; i++) {
        const entry *e = &list.at[i];
        const ek_wire_field elements = list_of(e->collection);
        const bool again = i + 1 < list.n && strcmp(list.at[i + 1].key, e->key) == 0;
        if (again || elements.number == 0 || strcmp(e->key, UNBOUND) == 0) continue;
        st = read_list(r, e->key, elements.number, elements.bytes);
    }
    ek__free(list.at);
    return st;
}

/* A part of a graph whose inputs stayed behind. There is no way to give them here. */
static ek_status refuse_unbound(ek_span whole, ek_error *err)
{
    const ek_meta_graph m = { .whole = whole };
    ek_buf names = { .data = NULL };
    ek_span collection = { NULL, 0 };
    ek_wire_field f, list = { .number = 0 };
    ek_status st = EK_OK;

    if (ek__meta_graph_collection(&m, UNBOUND, &collection)) list = list_of(collection);
    ek_wire w = ek__wire_open(list.bytes, NULL, NULL);
    while (list.number <= EK_F_COLLECTION_BYTES_LIST && ek__wire_next(&w, &f)) {
        if (f.number != EK_F_LIST_VALUE || names.size > 200) continue;
        if (names.size > 0) ek__buf_str(&names, ",");
        ek__buf_add(&names, f.bytes.at, f.bytes.size);
    }
    if (list.number != 0 && list.bytes.size > 0)
        st = EK_FAIL(err, INVALID_ARGUMENT, "Graph contains unbound inputs: %.250s. Must provide these inputs through input_map.",
                     names.data != NULL && !names.failed ? names.data : "?");
    ek__buf_fini(&names);
    return st;
}

/* ---- the rest ------------------------------------------------------------------------------------------------- */

static bool keep_bytes(ek_graph *g, ek_buf *b, ek_span *out)
{
    *out = (ek_span){ ek__arena_memdup(&g->arena, b->data != NULL ? b->data : "", b->size), b->size };
    return !b->failed && out->at != NULL;
}

/* The MetaInfoDef in two: the list of ops, which is long and stays where it is, and everything else. */
static bool keep_info(ek_graph *g, ek_span info)
{
    ek_wire w = ek__wire_open(info, NULL, NULL);
    ek_wire_field f;
    ek_buf rest = { .data = NULL };
    bool ok;

    while (ek__wire_next(&w, &f)) {
        if (f.number == EK_F_INFO_OPS) g->meta->ops = f.bytes;
        else ek__buf_add(&rest, f.whole.at, f.whole.size);
    }
    ok = keep_bytes(g, &rest, &g->meta->info);
    ek__buf_fini(&rest);
    return ok;
}

static ek_status keep_rest(ek_meta_reader *r, ek_span whole)
{
    ek_graph *g = r->g;
    ek_wire w = ek__wire_open(whole, NULL, NULL);
    ek_wire_field f;
    ek_buf rest = { .data = NULL }, saver = { .data = NULL };
    bool ok = (g->meta = EK_ARENA_NEW(&g->arena, struct ek_graph_meta, 1)) != NULL;

    if (ok) g->meta->loaded = true;
    while (ok && ek__wire_next(&w, &f)) {
        switch (f.number) {
        case EK_F_META_INFO: ok = keep_info(g, f.bytes); break;
        case EK_F_META_GRAPH:
        case EK_F_META_COLLECTION: break;
        case EK_F_META_SAVER:
            ek__scope_fields(r, f.bytes, 1u << EK_F_SAVER_FILENAME | 1u << EK_F_SAVER_SAVE | 1u << EK_F_SAVER_RESTORE, &saver);
            ok = keep_bytes(g, &saver, &g->meta->saver);
            break;
        default: ek__signature_scope(r, &f, &rest);
        }
    }
    ok = ok && keep_bytes(g, &rest, &g->meta->rest);
    ek__buf_fini(&rest);
    ek__buf_fini(&saver);
    return ok ? EK_OK : EK_FAIL(r->err, RESOURCE_EXHAUSTED, "no memory for a MetaGraphDef");
}

/* Whether the writer was of version 1.9 or later, or does not say. */
static bool says_trainable(ek_span whole)
{
    ek_wire w = ek__wire_open(whole, NULL, NULL), in;
    ek_wire_field f, part;
    int major = 1, minor = 9;
    char text[32];

    while (ek__wire_next(&w, &f)) {
        in = ek__wire_open(f.bytes, NULL, NULL);
        while (f.number == EK_F_META_INFO && ek__wire_next(&in, &part)) {
            if (part.number != EK_F_INFO_TF_VERSION) continue;
            snprintf(text, sizeof text, "%.*s", part.bytes.size < 31 ? (int)part.bytes.size : 31, (const char *)part.bytes.at);
            if (sscanf(text, "%9d.%9d", &major, &minor) != 2) return true;
        }
    }
    return major > 1 || (major == 1 && minor >= 9);
}

/* ---- all of it -------------------------------------------------------------------------------------------------- */

/* The scope, without its '/'; its name is taken, as any scope's. */
static ek_status enter_scope(ek_meta_reader *r)
{
    if (r->scope == NULL) return EK_OK;
    return ek__name_mark(r->g, r->scope) ? EK_OK : EK_FAIL(r->err, RESOURCE_EXHAUSTED, "no memory for a name scope");
}

static ek_status check_scope(const char *given, char *scope, size_t room, ek_error *err)
{
    const size_t n = strlen(given);

    if (!ek__name_valid(given, false)) return EK_FAIL(err, INVALID_ARGUMENT, "'%.200s' is not a valid scope name", given);
    if (n >= room) return EK_FAIL(err, INVALID_ARGUMENT, "a scope name of %zu characters is longer than %zu", n, room - 1);
    memcpy(scope, given, n + 1);
    if (scope[n - 1] == '/') scope[n - 1] = '\0';
    return EK_OK;
}

ek_status ek__meta_graph_read(ek_source *source, ek_span whole, const ek_meta_how *how, ek_graph **out, ek_error *err)
{
    const bool scoped = how->import_scope != NULL && how->import_scope[0] != '\0';
    ek_meta_reader r = { .has_trainable = says_trainable(whole), .err = err };
    ek_span graph_def = { (const uint8_t *)"", 0 };
    char scope[1024];
    ek_wire w = ek__wire_open(whole, NULL, NULL);
    ek_wire_field f;
    ek_status st;

    *out = NULL;
    if (scoped) EK_TRY(check_scope(how->import_scope, scope, sizeof scope, err));
    r.scope = scoped ? scope : NULL;
    EK_TRY(refuse_unbound(whole, err));
    while (ek__wire_next(&w, &f))
        if (f.number == EK_F_META_GRAPH) graph_def = f.bytes;
    EK_TRY(ek__graph_import_as(source, graph_def, &(ek_import){ r.scope, how->clear_devices }, &r.g, err));
    EK_TRY_DONE(enter_scope(&r));
    EK_TRY_DONE(keep_rest(&r, whole));
    EK_TRY_DONE(ek__meta_describe(r.g, err));
    EK_TRY_DONE(read_collections(&r, whole));
    EK_TRY_DONE(ek__signatures_read(r.g, err));
    *out = r.g;
    r.g = NULL;
done:
    ek__map_fini(&r.variables);
    ek_graph_destroy(r.g);
    return st;
}
