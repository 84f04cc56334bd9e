/* formats/meta_context.c - control-flow contexts, to and from CondContextDef and WhileContextDef.
 *
 * A cond becomes a context as if it had been built here. A loop is kept as its message (under the scope), because
 * nothing here can build inside one; its nodes know that they are in it.
 */
#include <stdlib.h>

#include "codec/fields.h"
#include "formats/meta.h"

/* ---- reading ------------------------------------------------------------------------------------- */

typedef struct context_fields {
    ek_span name, pred, pivot, values;
    int64_t branch;
} context_fields;

/* Both messages number the name alike; the rest of a loop's is in the message that is kept. */
static context_fields read_fields(ek_span def, bool loop)
{
    ek_wire w = ek__wire_open(def, NULL, NULL);
    ek_wire_field f;
    context_fields out = { .branch = 0 };

    while (ek__wire_next(&w, &f)) {
        if (f.number == EK_F_COND_NAME) out.name = f.bytes;
        if (f.number == (loop ? EK_F_WHILE_VALUES : EK_F_COND_VALUES)) out.values = f.bytes;
        if (!loop && f.number == EK_F_COND_PRED) out.pred = f.bytes;
        if (f.number == (loop ? EK_F_WHILE_PIVOT_FOR_BODY : EK_F_COND_PIVOT)) out.pivot = f.bytes;
        if (!loop && f.number == EK_F_COND_BRANCH) out.branch = (int64_t)f.value;
    }
    return out;
}

/* What comes from outside. The outer tensor may have stayed behind, where the file is a part of a graph: *absent then. */
static ek_status read_external(ek_meta_reader *r, ek_context *c, ek_span entry, bool *absent, ek_error *err)
{
    ek_wire w = ek__wire_open(entry, NULL, NULL);
    ek_wire_field f;
    ek_span key = { (const uint8_t *)"", 0 }, value = { (const uint8_t *)"", 0 };
    ek_error own = { .code = EK_OK };
    ek_edge outer, inner;

    while (ek__wire_next(&w, &f)) {
        if (f.number == EK_F_ENTRY_KEY) key = f.bytes;
        if (f.number == EK_F_ENTRY_VALUE) value = f.bytes;
    }
    EK_TRY(ek__meta_tensor(r, value, &inner, err));
    if (ek__meta_tensor(r, key, &outer, &own) != EK_OK) {
        *absent = true;
        return own.code == EK_RESOURCE_EXHAUSTED ? ek__error_copy(err, &own) : EK_OK;
    }
    if (ek__context_map(r->g, c, outer, inner)) return EK_OK;
    return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a control-flow context");
}

static bool is_external(const ek_context *c, ek_edge e)
{
    return ek__map_get(&c->by_outer, (const char *)&e, sizeof e, -1) >= 0;
}

/* What belongs to the context, and with it the nodes, but for those that are seen from inside only. */
static ek_status read_value(ek_meta_reader *r, ek_context *c, ek_span name, bool absent, ek_error *err)
{
    ek_error own = { .code = EK_OK };
    ek_edge e;

    if (ek__meta_tensor(r, name, &e, &own) != EK_OK)
        return absent && own.code != EK_RESOURCE_EXHAUSTED ? EK_OK : ek__error_copy(err, &own);
    if (!is_external(c, e)) r->g->node[e.node]->context = c->id;
    c->told[c->n_told++] = e;
    return EK_OK;
}

static ek_status read_values(ek_meta_reader *r, ek_context *c, ek_span values, ek_error *err)
{
    ek_wire w = ek__wire_open(values, NULL, NULL);
    ek_wire_field f;
    bool absent = false;
    int64_t n = 0;

    while (ek__wire_next(&w, &f)) {
        if (f.number == EK_F_VALUES_EXTERNAL) EK_TRY(read_external(r, c, f.bytes, &absent, err));
        n += f.number == EK_F_VALUES_VALUE;
    }
    c->told = EK_ARENA_NEW(&r->g->arena, ek_edge, n + 1);
    if (c->told == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a control-flow context");
    w = ek__wire_open(values, NULL, NULL);
    while (ek__wire_next(&w, &f))
        if (f.number == EK_F_VALUES_VALUE) EK_TRY(read_value(r, c, f.bytes, absent, err));
    c->told_nodes = r->g->n_nodes;
    return EK_OK;
}

static ek_status read_context(ek_meta_reader *r, ek_span def, bool loop, int32_t outer, int32_t *out, ek_error *err);

static ek_status read_nested(ek_meta_reader *r, ek_span def, int32_t outer, ek_error *err)
{
    ek_wire w = ek__wire_open(def, NULL, NULL);
    ek_wire_field f, last = { .number = 0 };
    int32_t id;

    while (ek__wire_next(&w, &f))
        if (f.number == EK_F_CONTEXT_COND || f.number == EK_F_CONTEXT_WHILE) last = f;
    if (last.number == 0) return EK_FAIL(err, INVALID_ARGUMENT, "a context inside is neither that of a cond nor of a loop");
    return read_context(r, last.bytes, last.number == EK_F_CONTEXT_WHILE, outer, &id, err);
}

/* The names in a loop's message, and in the contexts inside, under the scope. */
static void scope_loop(const ek_meta_reader *r, ek_span def, bool loop, ek_buf *out);

static void scope_nested(const ek_meta_reader *r, ek_span def, ek_buf *out)
{
    ek_wire w = ek__wire_open(def, NULL, NULL);
    ek_wire_field f;

    while (ek__wire_next(&w, &f)) {
        const size_t mark = ek__put_open(out, f.number);
        scope_loop(r, f.bytes, f.number == EK_F_CONTEXT_WHILE, out);
        ek__put_close(out, mark);
    }
}

static void scope_values(const ek_meta_reader *r, ek_span values, ek_buf *out)
{
    ek_wire w = ek__wire_open(values, NULL, NULL);
    ek_wire_field f;

    while (ek__wire_next(&w, &f)) {
        if (f.number == EK_F_VALUES_EXTERNAL) {
            const size_t mark = ek__put_open(out, f.number);
            ek__scope_fields(r, f.bytes, 1u << EK_F_ENTRY_KEY | 1u << EK_F_ENTRY_VALUE, out);
            ek__put_close(out, mark);
        } else {
            ek__scope_fields(r, f.whole, 1u << EK_F_VALUES_VALUE, out);
        }
    }
}

static void scope_loop(const ek_meta_reader *r, ek_span def, bool loop, ek_buf *out)
{
    static const uint32_t names[2] = { 1u << 1 | 1u << 2 | 1u << 3,
                                       1u << 1 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 8 | 1u << 10 | 1u << 11 };
    const uint32_t values = loop ? EK_F_WHILE_VALUES : EK_F_COND_VALUES, nested = loop ? EK_F_WHILE_NESTED : EK_F_COND_NESTED;
    ek_wire w = ek__wire_open(def, NULL, NULL);
    ek_wire_field f;

    while (ek__wire_next(&w, &f)) {
        if (f.number != values && f.number != nested) {
            ek__scope_fields(r, f.whole, names[loop], out);
            continue;
        }
        const size_t mark = ek__put_open(out, f.number);
        if (f.number == values) scope_values(r, f.bytes, out);
        else scope_nested(r, f.bytes, out);
        ek__put_close(out, mark);
    }
}

/* Under a scope a loop's frames are called as its context is, so that two copies of a loop are two loops. */
static ek_status rename_frame(ek_node *n, const ek_context *c, ek_error *err)
{
    for (int i = 0; i < n->n_attr; i++) {
        ek_attr_value *v = &n->attr[i].value;
        if (strcmp(n->attr[i].name, "frame_name") != 0 || v->kind != EK_ATTR_STRING) continue;
        v->raw = NULL;
        v->raw_size = 0;
        v->u.s = (ek_string){ (char *)(uintptr_t)c->name, strlen(c->name) };
    }
    return n->attrs != NULL ? ek__attrs_parse(n->spec, n->attr, n->n_attr, (void *)(uintptr_t)n->attrs, err) : EK_OK;
}

static ek_status rename_frames(ek_meta_reader *r, const ek_context *c, ek_error *err)
{
    for (int64_t i = 0; r->scope != NULL && i < c->n_told; i++) {
        ek_node *n = r->g->node[c->told[i].node];
        if (strcmp(n->type, "Enter") == 0 || strcmp(n->type, "RefEnter") == 0) EK_TRY(rename_frame(n, c, err));
    }
    return EK_OK;
}

static ek_status keep_loop(ek_meta_reader *r, ek_context *c, ek_span def, ek_error *err)
{
    ek_buf out = { .data = NULL };

    scope_loop(r, def, true, &out);
    if (!out.failed) c->imported = ek__arena_strndup(&r->g->arena, out.data != NULL ? out.data : "", out.size);
    c->imported_size = out.size;
    ek__buf_fini(&out);
    return c->imported != NULL ? EK_OK : EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a control-flow context");
}

static ek_status read_ends(ek_meta_reader *r, ek_context *c, const context_fields *f, bool loop, ek_error *err)
{
    c->pred = (ek_edge){ -1, 0 };
    EK_TRY(ek__meta_tensor(r, f->pivot, &c->pivot, err));
    if (loop) return EK_OK;
    EK_TRY(ek__meta_tensor(r, f->pred, &c->pred, err));
    if (f->branch != 0 && f->branch != 1)
        return EK_FAIL(err, INVALID_ARGUMENT, "a cond has branches 0 and 1, this context is of branch %lld", (long long)f->branch);
    c->branch = (int)f->branch;
    return EK_OK;
}

static ek_status read_context(ek_meta_reader *r, ek_span def, bool loop, int32_t outer, int32_t *out, ek_error *err)
{
    const context_fields f = read_fields(def, loop);
    const char *name = ek__scoped_name(r, f.name);
    ek_context *c = name != NULL ? ek__context_restore(r->g, name, outer) : NULL;
    ek_wire w = ek__wire_open(def, NULL, NULL);
    ek_wire_field field;

    if (c == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a control-flow context");
    *out = c->id;
    EK_TRY(read_ends(r, c, &f, loop, err));
    EK_TRY(read_values(r, c, f.values, err));
    if (loop) EK_TRY(rename_frames(r, c, err));
    if (loop) EK_TRY(keep_loop(r, c, def, err));
    while (ek__wire_next(&w, &field))
        if (field.number == (loop ? EK_F_WHILE_NESTED : EK_F_COND_NESTED)) EK_TRY(read_nested(r, field.bytes, *out, err));
    return EK_OK;
}

ek_status ek__context_read(ek_meta_reader *r, ek_span def, bool loop, int32_t *out, ek_error *err)
{
    EK_TRY(ek__wire_check(ek__proto(loop ? EK_PROTO_WHILE_CONTEXT : EK_PROTO_COND_CONTEXT), def, NULL, err));
    return read_context(r, def, loop, 0, out, err);
}

/* ---- writing: who is where --------------------------------------------------------------------------- */

/* A Switch that brings a tensor in gives the context one output. */
static void find_only(const ek_context_index *x, const ek_context *c)
{
    for (int64_t i = 0; i < c->n_external; i++) {
        const ek_external *e = &c->external[i];
        if (!e->result && e->inner.node >= 0 && (e->inner.node != e->outer.node || e->inner.index != e->outer.index) &&
            x->g->node[e->inner.node]->context == c->id)
            x->only[e->inner.node] = e->inner.index;
    }
}

bool ek__context_index_init(ek_context_index *x, const ek_graph *g)
{
    const int64_t n = g->n_nodes, m = g->scopes->n_contexts + 1;
    int32_t *all = ek__alloc((size_t)(2 * n + 3 * m) * sizeof *all);

    *x = (ek_context_index){ .g = g };
    if (all == NULL) return false;
    for (int64_t i = 0; i < 2 * n + 3 * m; i++) all[i] = -1;
    x->first_node = all;
    x->first_child = all + m;
    x->next_child = all + 2 * m;
    x->next_node = all + 3 * m;
    x->only = all + 3 * m + n;
    for (int64_t i = n - 1; i >= 0; i--) {
        x->next_node[i] = x->first_node[g->node[i]->context];
        x->first_node[g->node[i]->context] = (int32_t)i;
    }
    for (int32_t id = (int32_t)m - 1; id > 0; id--) {
        const ek_context *c = ek__context(g, id);
        x->next_child[id] = x->first_child[c->outer];
        x->first_child[c->outer] = id;
        find_only(x, c);
    }
    return true;
}

void ek__context_index_fini(ek_context_index *x)
{
    ek__free(x->first_node); /* the others are in the same block */
    x->first_node = NULL;
}

/* ---- writing: a context --------------------------------------------------------------------------------- */

/* Names, to be sorted; each is a string of its own. */
typedef struct names {
    char **at;
    int64_t n, cap;
    bool failed;
} names;

static void add_name(names *list, const ek_graph *g, ek_edge e)
{
    const char *node = e.node >= 0 ? g->node[e.node]->name : "";
    const size_t room = strlen(node) + 16;

    if (e.node < 0) return;
    if (!EK_GROW(list->at, list->cap, list->n + 1) || (list->at[list->n] = ek__alloc(room)) == NULL) {
        list->failed = true;
        return;
    }
    snprintf(list->at[list->n++], room, "%s:%d", node, (int)e.index);
}

/* What nodes numbered from `from` give inside context `id` and the contexts in it. */
static void add_nodes(names *list, const ek_context_index *x, int32_t id, int64_t from)
{
    for (int32_t i = x->first_node[id]; i >= 0; i = x->next_node[i]) {
        if (i < from) continue;
        if (x->only[i] >= 0) add_name(list, x->g, (ek_edge){ i, x->only[i] });
        for (int32_t k = 0; x->only[i] < 0 && k < x->g->node[i]->n_out; k++) add_name(list, x->g, (ek_edge){ i, k });
    }
    for (int32_t child = x->first_child[id]; child >= 0; child = x->next_child[child]) add_nodes(list, x, child, from);
}

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static void write_values(ek_buf *b, const ek_context_index *x, const ek_context *c)
{
    const size_t mark = ek__put_open(b, EK_F_COND_VALUES);
    names list = { .at = NULL };

    for (int64_t i = 0; i < c->n_told; i++) add_name(&list, x->g, c->told[i]);
    if (c->told == NULL) {
        add_name(&list, x->g, c->pred);
        add_name(&list, x->g, c->pivot);
        for (int64_t i = 0; i < c->n_external; i++) add_name(&list, x->g, c->external[i].outer);
    }
    add_nodes(&list, x, c->id, c->told_nodes);
    if (list.n > 0) qsort(list.at, (size_t)list.n, sizeof *list.at, compare_names);
    for (int64_t i = 0; i < list.n; i++)
        if (i == 0 || strcmp(list.at[i], list.at[i - 1]) != 0) ek__put_str(b, EK_F_VALUES_VALUE, list.at[i]);
    for (int64_t i = 0; i < c->n_external; i++) {
        const size_t entry = ek__put_open(b, EK_F_VALUES_EXTERNAL);
        ek__put_tensor_name(b, EK_F_ENTRY_KEY, x->g, c->external[i].outer);
        ek__put_tensor_name(b, EK_F_ENTRY_VALUE, x->g, c->external[i].inner);
        ek__put_close(b, entry);
    }
    for (int64_t i = 0; i < list.n; i++) ek__free(list.at[i]);
    ek__free(list.at);
    b->failed = b->failed || list.failed;
    ek__put_close(b, mark);
}

void ek__context_write(ek_buf *b, const ek_context_index *x, const ek_context *c)
{
    if (c->imported != NULL) {
        ek__buf_add(b, c->imported, c->imported_size);
        return;
    }
    ek__put_str(b, EK_F_COND_NAME, c->name);
    ek__put_tensor_name(b, EK_F_COND_PRED, x->g, c->pred);
    ek__put_tensor_name(b, EK_F_COND_PIVOT, x->g, c->pivot);
    if (c->branch != 0) ek__put_int(b, EK_F_COND_BRANCH, c->branch);
    write_values(b, x, c);
    for (int32_t child = x->first_child[c->id]; child >= 0; child = x->next_child[child]) {
        const size_t nested = ek__put_open(b, EK_F_COND_NESTED);
        const size_t mark = ek__put_open(b, ek__context(x->g, child)->imported != NULL ? EK_F_CONTEXT_WHILE : EK_F_CONTEXT_COND);
        ek__context_write(b, x, ek__context(x->g, child));
        ek__put_close(b, mark);
        ek__put_close(b, nested);
    }
}
