/* formats/signature.c - signatures and assets of a MetaGraphDef: read for those who ask, and set.
 *
 * They stand among the fields that a graph keeps as they came (meta->rest) and are written from there. What is set goes there
 * too, and is then read as if a file had brought it. The functions of a library are listed here as well.
 */
#include "formats/signature.h"

#include <stdlib.h>

#include "codec/fields.h"
#include "formats/meta.h"

/* ---- names under a scope ---------------------------------------------------------------------------------- */

typedef void rewrite_fn(const ek_meta_reader *r, ek_span message, ek_buf *out);

/* Appends a message, the fields numbered `number` rewritten by f. */
static void rewrite(const ek_meta_reader *r, ek_span message, uint32_t number, rewrite_fn *f, ek_buf *out)
{
    ek_wire w = ek__wire_open(message, NULL, NULL);
    ek_wire_field field;

    while (ek__wire_next(&w, &field)) {
        if (field.number != number) {
            ek__buf_add(out, field.whole.at, field.whole.size);
            continue;
        }
        const size_t mark = ek__put_open(out, number);
        f(r, field.bytes, out);
        ek__put_close(out, mark);
    }
}

static void scope_parts(const ek_meta_reader *r, ek_span message, ek_buf *out)
{
    ek__scope_fields(r, message, 1u << EK_F_SPARSE_VALUES | 1u << EK_F_SPARSE_INDICES | 1u << EK_F_SPARSE_SHAPE, out);
}

static void scope_info(const ek_meta_reader *r, ek_span message, ek_buf *out);

static void scope_composite(const ek_meta_reader *r, ek_span message, ek_buf *out)
{
    rewrite(r, message, EK_F_COMPOSITE_COMPONENT, scope_info, out);
}

/* Components of components come to an end: the depth of a message that was checked is bounded. */
static void scope_info(const ek_meta_reader *r, ek_span message, ek_buf *out)
{
    ek_buf named = { .data = NULL }, sparse = { .data = NULL };

    ek__scope_fields(r, message, 1u << EK_F_TENSOR_INFO_NAME, &named);
    rewrite(r, (ek_span){ (const uint8_t *)named.data, named.size }, EK_F_TENSOR_INFO_SPARSE, scope_parts, &sparse);
    rewrite(r, (ek_span){ (const uint8_t *)sparse.data, sparse.size }, EK_F_TENSOR_INFO_COMPOSITE, scope_composite, out);
    out->failed |= named.failed || sparse.failed;
    ek__buf_fini(&named);
    ek__buf_fini(&sparse);
}

static void scope_entry(const ek_meta_reader *r, ek_span message, ek_buf *out)
{
    rewrite(r, message, EK_F_ENTRY_VALUE, scope_info, out);
}

static void scope_signature(const ek_meta_reader *r, ek_span message, ek_buf *out)
{
    ek_buf inputs = { .data = NULL };

    rewrite(r, message, EK_F_SIGNATURE_INPUT, scope_entry, &inputs);
    rewrite(r, (ek_span){ (const uint8_t *)inputs.data, inputs.size }, EK_F_SIGNATURE_OUTPUT, scope_entry, out);
    out->failed |= inputs.failed;
    ek__buf_fini(&inputs);
}

static void scope_asset(const ek_meta_reader *r, ek_span message, ek_buf *out)
{
    rewrite(r, message, EK_F_ASSET_TENSOR, scope_info, out);
}

void ek__signature_scope(const ek_meta_reader *r, const ek_wire_field *f, ek_buf *out)
{
    const bool asset = f->number == EK_F_META_ASSET;

    if (r->scope == NULL || (!asset && f->number != EK_F_META_SIGNATURE)) {
        ek__buf_add(out, f->whole.at, f->whole.size);
        return;
    }
    const size_t mark = ek__put_open(out, f->number);
    if (asset) scope_asset(r, f->bytes, out);
    else rewrite(r, f->bytes, EK_F_ENTRY_VALUE, scope_signature, out);
    ek__put_close(out, mark);
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

/* A string of the graph's; sets *ok to false without memory. */
static const char *text_of(ek_graph *g, ek_span s, bool *ok)
{
    const char *text = ek__arena_strndup(&g->arena, (const char *)s.at, s.size);

    *ok = *ok && text != NULL;
    return text;
}

static int count_fields(ek_span message, uint32_t number)
{
    ek_wire w = ek__wire_open(message, NULL, NULL);
    ek_wire_field f;
    int n = 0;

    while (ek__wire_next(&w, &f)) n += f.number == number;
    return n;
}

static bool read_sparse(ek_graph *g, ek_span s, ek_tensor_info *out)
{
    const char **part = EK_ARENA_NEW(&g->arena, const char *, 3);
    bool ok = part != NULL;

    if (ok) part[0] = text_of(g, ek__wire_bytes_of(s, EK_F_SPARSE_VALUES), &ok);
    if (ok) part[1] = text_of(g, ek__wire_bytes_of(s, EK_F_SPARSE_INDICES), &ok);
    if (ok) part[2] = text_of(g, ek__wire_bytes_of(s, EK_F_SPARSE_SHAPE), &ok);
    out->kind = EK_INFO_SPARSE;
    out->parts = part;
    out->n_parts = 3;
    return ok;
}

static bool read_composite(ek_graph *g, ek_span s, ek_tensor_info *out)
{
    const int n = count_fields(s, EK_F_COMPOSITE_COMPONENT);
    const char **part = EK_ARENA_NEW(&g->arena, const char *, n + 1);
    ek_wire w = ek__wire_open(s, NULL, NULL);
    ek_wire_field f;
    bool ok = part != NULL;
    int i = 0;

    while (ok && ek__wire_next(&w, &f))
        if (f.number == EK_F_COMPOSITE_COMPONENT)
            part[i++] = text_of(g, ek__wire_bytes_of(f.bytes, EK_F_TENSOR_INFO_NAME), &ok);
    out->kind = EK_INFO_COMPOSITE;
    out->parts = part;
    out->n_parts = n;
    return ok;
}

static bool read_info(ek_graph *g, ek_span info, ek_tensor_info *out)
{
    ek_wire w = ek__wire_open(info, NULL, NULL);
    ek_wire_field f;
    ek_error quiet = { .code = EK_OK };
    bool ok = true;

    out->name = "";
    out->shape = EK_UNKNOWN_SHAPE;
    out->tensor = ek__dead(g);
    while (ok && ek__wire_next(&w, &f)) {
        switch (f.number) {
        case EK_F_TENSOR_INFO_NAME: out->name = text_of(g, f.bytes, &ok); break;
        case EK_F_TENSOR_INFO_DTYPE: out->dtype = f.value < INT32_MAX ? (ek_dtype)f.value : EK_DTYPE_NONE; break;
        case EK_F_TENSOR_INFO_SHAPE: if (!ek__shape_read(f.bytes, &out->shape)) out->shape = EK_UNKNOWN_SHAPE; break;
        case EK_F_TENSOR_INFO_SPARSE: ok = read_sparse(g, f.bytes, out); break;
        case EK_F_TENSOR_INFO_COMPOSITE: ok = read_composite(g, f.bytes, out); break;
        default: break;
        }
    }
    if (ok && out->kind != EK_INFO_TENSOR) out->name = "";
    if (ok && ek__tensor_by_name(g, out->name, &out->tensor, &quiet) != EK_OK) out->tensor = ek__dead(g);
    return ok;
}

static int by_key(const void *a, const void *b)
{
    const ek_tensor_info *x = a, *y = b;
    return strcmp(x->key, y->key);
}

/* One of the two maps of a SignatureDef. */
static bool read_infos(ek_graph *g, ek_span signature, uint32_t number, const ek_tensor_info **out, int *n)
{
    const int room = count_fields(signature, number);
    ek_tensor_info *info = EK_ARENA_NEW(&g->arena, ek_tensor_info, room + 1);
    ek_wire w = ek__wire_open(signature, NULL, NULL);
    ek_wire_field f;
    bool ok = info != NULL;

    *out = info;
    *n = 0;
    while (ok && ek__wire_next(&w, &f)) {
        if (f.number != number) continue;
        info[*n].key = text_of(g, ek__wire_bytes_of(f.bytes, EK_F_ENTRY_KEY), &ok);
        ok = ok && read_info(g, ek__wire_bytes_of(f.bytes, EK_F_ENTRY_VALUE), &info[(*n)++]);
    }
    if (ok && *n > 1) qsort(info, (size_t)*n, sizeof *info, by_key);
    return ok;
}

static bool read_signature(ek_graph *g, ek_span entry, ek_signature *out)
{
    const ek_span def = ek__wire_bytes_of(entry, EK_F_ENTRY_VALUE);
    bool ok = true;

    out->key = text_of(g, ek__wire_bytes_of(entry, EK_F_ENTRY_KEY), &ok);
    out->method_name = text_of(g, ek__wire_bytes_of(def, EK_F_SIGNATURE_METHOD), &ok);
    return ok && read_infos(g, def, EK_F_SIGNATURE_INPUT, &out->inputs, &out->n_inputs) &&
           read_infos(g, def, EK_F_SIGNATURE_OUTPUT, &out->outputs, &out->n_outputs);
}

static bool read_asset(ek_graph *g, ek_span def, ek_asset *out)
{
    ek_tensor_info info = { .key = "" };
    bool ok = true;

    out->filename = text_of(g, ek__wire_bytes_of(def, EK_F_ASSET_FILENAME), &ok);
    ok = ok && read_info(g, ek__wire_bytes_of(def, EK_F_ASSET_TENSOR), &info);
    out->tensor_name = info.name;
    out->tensor = info.tensor;
    return ok;
}

static int compare_signatures(const void *a, const void *b)
{
    const ek_signature *x = a, *y = b;
    return strcmp(x->key, y->key);
}

/* A map has a key once: the last counts. */
static int without_doubles(ek_signature *at, int n)
{
    int kept = 0;

    for (int i = 0; i < n; i++) {
        if (i + 1 < n && strcmp(at[i].key, at[i + 1].key) == 0) continue;
        at[kept++] = at[i];
    }
    return kept;
}

/* Files of TensorFlow 1's builder have the assets in a collection, each in an Any. */
static bool read_collected_assets(ek_graph *g)
{
    const ek_collection *c = ek__collection(g, EK_SAVED_MODEL_ASSETS);
    ek_asset *asset = EK_ARENA_NEW(&g->arena, ek_asset, (c != NULL ? c->count : 0) + 1);
    bool ok = asset != NULL;

    g->meta->assets = asset;
    for (int64_t i = 0; ok && c != NULL && i < c->count; i++) {
        ek_error quiet = { .code = EK_OK };
        if (c->item[i].kind != EK_ITEM_ANY) continue;
        const ek_span any = { c->item[i].u.bytes.data, c->item[i].u.bytes.size };
        if (ek__wire_check(ek__proto(EK_PROTO_ANY), any, NULL, &quiet) != EK_OK) continue;
        const ek_span def = ek__wire_bytes_of(any, EK_F_ANY_VALUE);
        if (ek__wire_check(ek__proto(EK_PROTO_ASSET_FILE_DEF), def, NULL, &quiet) != EK_OK) continue;
        ok = read_asset(g, def, &asset[g->meta->n_assets++]);
    }
    return ok;
}

ek_status ek__signatures_read(ek_graph *g, ek_error *err)
{
    struct ek_graph_meta *m = g->meta;
    ek_signature *signature = EK_ARENA_NEW(&g->arena, ek_signature, count_fields(m->rest, EK_F_META_SIGNATURE) + 1);
    ek_asset *asset = EK_ARENA_NEW(&g->arena, ek_asset, count_fields(m->rest, EK_F_META_ASSET) + 1);
    ek_wire w = ek__wire_open(m->rest, NULL, NULL);
    ek_wire_field f;
    bool ok = signature != NULL && asset != NULL;
    int n = 0;

    m->signatures = signature;
    m->assets = asset;
    m->n_signatures = m->n_assets = 0;
    while (ok && ek__wire_next(&w, &f)) {
        if (f.number == EK_F_META_SIGNATURE) ok = read_signature(g, f.bytes, &signature[n++]);
        if (f.number == EK_F_META_ASSET) ok = read_asset(g, f.bytes, &asset[m->n_assets++]);
    }
    if (ok && n > 1) qsort(signature, (size_t)n, sizeof *signature, compare_signatures);
    if (ok) m->n_signatures = without_doubles(signature, n);
    if (ok && m->n_assets == 0) ok = read_collected_assets(g);
    return ok ? EK_OK : EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for signatures");
}

/* ---- asking ------------------------------------------------------------------------------------------------- */

int ek_graph_signature_count(const ek_graph *g) { return g != NULL && g->meta != NULL ? g->meta->n_signatures : 0; }

bool ek_graph_signature_at(const ek_graph *g, int i, ek_signature *out)
{
    const bool there = i >= 0 && i < ek_graph_signature_count(g);

    if (out != NULL) *out = there ? g->meta->signatures[i] : (ek_signature){ .key = NULL };
    return there;
}

bool ek_graph_signature(const ek_graph *g, const char *key, ek_signature *out)
{
    for (int i = 0; key != NULL && i < ek_graph_signature_count(g); i++)
        if (strcmp(g->meta->signatures[i].key, key) == 0) return ek_graph_signature_at(g, i, out);
    return ek_graph_signature_at(g, -1, out);
}

static ek_tensor find_info(const ek_tensor_info *info, int n, const char *key)
{
    for (int i = 0; key != NULL && i < n; i++)
        if (strcmp(info[i].key, key) == 0) return info[i].tensor;
    return ek__dead(NULL);
}

ek_tensor ek_signature_input(const ek_signature *s, const char *key)
{
    return s != NULL ? find_info(s->inputs, s->n_inputs, key) : ek__dead(NULL);
}

ek_tensor ek_signature_output(const ek_signature *s, const char *key)
{
    return s != NULL ? find_info(s->outputs, s->n_outputs, key) : ek__dead(NULL);
}

int ek_graph_asset_count(const ek_graph *g) { return g != NULL && g->meta != NULL ? g->meta->n_assets : 0; }

bool ek_graph_asset_at(const ek_graph *g, int i, ek_asset *out)
{
    const bool there = i >= 0 && i < ek_graph_asset_count(g);

    if (out != NULL) *out = there ? g->meta->assets[i] : (ek_asset){ .filename = NULL };
    return there;
}
