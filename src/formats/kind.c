/* formats/kind.c - what a file is, told by its content; MetaGraphDefs as far as a graph needs them. */
#include <sys/stat.h>
#include <unistd.h>

#include "codec/bundle.h"
#include "codec/fields.h"
#include "codec/table.h"
#include "codec/text.h"
#include "formats/graph_io.h"

/* ---- bytes --------------------------------------------------------------------------------------- */

static bool fits(ek_proto_id type, ek_span s)
{
    ek_error quiet = { .code = EK_OK };
    return ek__wire_check(ek__proto(type), s, NULL, &quiet) == EK_OK;
}

/* Calls nothing damaged: s was checked. First occurrence of a field of bytes. */
static bool find_bytes(ek_span s, uint32_t number, ek_span *out)
{
    ek_error quiet = { .code = EK_OK };
    ek_wire w = ek__wire_open(s, NULL, &quiet);
    ek_wire_field f;

    while (ek__wire_next(&w, &f)) {
        if (f.number != number || f.type != EK_WIRE_BYTES) continue;
        *out = f.bytes;
        return true;
    }
    return false;
}

/* Every field is one of a GraphDef, and the first node has a type. */
static bool is_graph_def(ek_span s)
{
    ek_error quiet = { .code = EK_OK };
    ek_wire w = ek__wire_open(s, NULL, &quiet);
    ek_wire_field f;
    ek_span node, op;

    if (!fits(EK_PROTO_GRAPH_DEF, s)) return false;
    if (find_bytes(s, EK_F_GRAPH_NODE, &node)) return find_bytes(node, EK_F_NODE_OP, &op);
    while (ek__wire_next(&w, &f))
        if (f.number < EK_F_GRAPH_LIBRARY || f.number > EK_F_GRAPH_VERSIONS) return false;
    return true;
}

static bool is_meta_graph(ek_span s)
{
    ek_span graph_def;

    return fits(EK_PROTO_META_GRAPH_DEF, s) && find_bytes(s, EK_F_META_GRAPH, &graph_def) && is_graph_def(graph_def);
}

static bool is_saved_model(ek_span s)
{
    ek_span meta;

    return fits(EK_PROTO_SAVED_MODEL, s) && find_bytes(s, EK_F_SAVED_MODEL_META_GRAPH, &meta);
}

/* The first word of a text, behind comments. */
static bool starts_with_word(ek_span s, const char *word)
{
    const char *at = (const char *)s.at, *end = at + s.size;
    const size_t n = strlen(word);

    while (at < end && (*at == '#' || (*at >= '\t' && *at <= '\r') || *at == ' ')) {
        if (*at == '#') while (at < end && *at != '\n') at++;
        else at++;
    }
    return (size_t)(end - at) > n && memcmp(at, word, n) == 0 && strchr(" \t\r\n:{<", at[n]) != NULL;
}

ek_file_kind ek__bytes_kind(ek_span s)
{
    static const struct { const char *word; ek_file_kind kind; } text[] = {
        { "node", EK_FILE_GRAPH_DEF_TEXT }, { "versions", EK_FILE_GRAPH_DEF_TEXT }, { "version", EK_FILE_GRAPH_DEF_TEXT },
        { "library", EK_FILE_GRAPH_DEF_TEXT },
        { "meta_info_def", EK_FILE_META_GRAPH_TEXT }, { "graph_def", EK_FILE_META_GRAPH_TEXT },
        { "saver_def", EK_FILE_META_GRAPH_TEXT }, { "collection_def", EK_FILE_META_GRAPH_TEXT },
        { "saved_model_schema_version", EK_FILE_SAVED_MODEL_TEXT }, { "meta_graphs", EK_FILE_SAVED_MODEL_TEXT },
        { "signature_def", EK_FILE_META_GRAPH_TEXT }, { "asset_file_def", EK_FILE_META_GRAPH_TEXT },
    };

    if (s.size > 6 && memcmp(s.at, "\x93NUMPY", 6) == 0) return EK_FILE_NPY;
    if (is_graph_def(s)) return EK_FILE_GRAPH_DEF;
    if (is_meta_graph(s)) return EK_FILE_META_GRAPH;
    if (is_saved_model(s)) return EK_FILE_SAVED_MODEL;
    for (int i = 0; i < EK_COUNT_OF(text); i++)
        if (starts_with_word(s, text[i].word)) return text[i].kind;
    return EK_FILE_OTHER;
}

const char *ek__file_kind_name(ek_file_kind kind)
{
    switch (kind) {
    case EK_FILE_GRAPH_DEF: return "a GraphDef";
    case EK_FILE_GRAPH_DEF_TEXT: return "a GraphDef in text form";
    case EK_FILE_META_GRAPH: return "a MetaGraphDef";
    case EK_FILE_META_GRAPH_TEXT: return "a MetaGraphDef in text form";
    case EK_FILE_SAVED_MODEL:
    case EK_FILE_SAVED_MODEL_TEXT:
    case EK_FILE_SAVED_MODEL_FOLDER: return "a SavedModel";
    case EK_FILE_FOLDER: return "a folder";
    case EK_FILE_CHECKPOINT: return "a checkpoint";
    case EK_FILE_NPY: return "an array (.npy)";
    default: return "no file of a known kind";
    }
}

/* ---- files ---------------------------------------------------------------------------------------- */

/* Whether there is a file called path followed by `ending`. */
static bool exists_beside(const char *path, const char *ending)
{
    ek_buf name = { .data = NULL };
    bool there;

    ek__buf_str(&name, path);
    ek__buf_str(&name, ending);
    there = !name.failed && access(name.data, R_OK) == 0;
    ek__buf_fini(&name);
    return there;
}

/* Of a checkpoint; also of a damaged one, whose reader will say what is wrong. */
static bool is_prefix(const char *path)
{
    ek_error quiet = { .code = EK_OK };
    ek_bundle *b = NULL;
    const ek_status st = exists_beside(path, ".index") ? EK_OK : ek__bundle_open(path, &b, &quiet);

    ek__bundle_close(b);
    return st != EK_NOT_FOUND;
}

ek_status ek__file_kind(const char *path, ek_file_kind *out, ek_error *err)
{
    ek_source *source;
    struct stat info;

    *out = EK_FILE_OTHER;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        *out = exists_beside(path, "/saved_model.pb") || exists_beside(path, "/saved_model.pbtxt") ? EK_FILE_SAVED_MODEL_FOLDER
               : exists_beside(path, "/checkpoint")                                              ? EK_FILE_CHECKPOINT
                                                                                                 : EK_FILE_FOLDER;
        return EK_OK;
    }
    if (access(path, F_OK) != 0 && is_prefix(path)) {
        *out = EK_FILE_CHECKPOINT;
        return EK_OK;
    }
    EK_TRY(ek__source_open(path, &source, err));
    *out = ek__bytes_kind((ek_span){ source->data, source->size });
    if (*out == EK_FILE_OTHER && ek__table_is((ek_span){ source->data, source->size })) *out = EK_FILE_CHECKPOINT;
    ek__source_unref(source);
    return EK_OK;
}

ek_status ek__source_from_text(ek_proto_id type, ek_source **source, ek_error *err)
{
    ek_buf bytes = { .data = NULL };
    ek_source *made = NULL;
    ek_status st = ek__text_parse(ek__proto(type), (const char *)(*source)->data, (*source)->size, &bytes, err);

    if (st == EK_OK) st = ek__source_take(&bytes, &made, err);
    ek__buf_fini(&bytes);
    if (st != EK_OK) return st;
    ek__source_unref(*source);
    *source = made;
    return EK_OK;
}

/* ---- MetaGraphDefs -------------------------------------------------------------------------------- */

ek_status ek__meta_graph_open(const char *path, ek_meta_graph *out, ek_error *err)
{
    ek_file_kind kind;
    ek_status st;

    *out = (ek_meta_graph){ .source = NULL };
    EK_TRY(ek__source_open(path, &out->source, err));
    kind = ek__bytes_kind((ek_span){ out->source->data, out->source->size });
    if (kind == EK_FILE_META_GRAPH_TEXT) {
        EK_TRY_DONE(ek__source_from_text(EK_PROTO_META_GRAPH_DEF, &out->source, err));
    } else if (kind != EK_FILE_META_GRAPH) {
        st = EK_FAIL(err, INVALID_ARGUMENT, "%s is %s, a MetaGraphDef is needed", path, ek__file_kind_name(kind));
        goto done;
    }
    out->whole = (ek_span){ out->source->data, out->source->size };
    st = find_bytes(out->whole, EK_F_META_GRAPH, &out->graph_def) ? EK_OK : EK_FAIL(err, INVALID_ARGUMENT, "%s has no graph", path);
done:
    if (st != EK_OK) ek__meta_graph_close(out);
    return st;
}

void ek__meta_graph_close(ek_meta_graph *m)
{
    ek__source_unref(m->source);
    *m = (ek_meta_graph){ .source = NULL };
}

bool ek__meta_graph_collection(const ek_meta_graph *m, const char *key, ek_span *out)
{
    ek_error quiet = { .code = EK_OK };
    ek_wire w = ek__wire_open(m->whole, NULL, &quiet);
    ek_wire_field f;

    while (ek__wire_next(&w, &f)) {
        ek_span name;
        if (f.number != EK_F_META_COLLECTION || !find_bytes(f.bytes, EK_F_ENTRY_KEY, &name)) continue;
        if (name.size == strlen(key) && memcmp(name.at, key, name.size) == 0 && find_bytes(f.bytes, EK_F_ENTRY_VALUE, out)) return true;
    }
    return false;
}
