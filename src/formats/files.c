/* formats/files.c - the public calls of files.h: whole files of graphs, binary or text. */
#include "evenkeel/files.h"

#include "base/file.h"
#include "codec/text.h"
#include "formats/meta.h"

/* Whether a file of no other kind is meant as text: printable all through its first part. A message of unknown fields alone
 * may be printable too; it is text only where it begins as ek__text_print begins such a one: "77: ". */
static bool looks_like_text(ek_span s)
{
    const size_t n = s.size < 1024 ? s.size : 1024;
    ek_error quiet = { .code = EK_OK };
    size_t digits = 0;

    while (digits < n && s.at[digits] >= '0' && s.at[digits] <= '9') digits++;
    const bool numbered = digits > 0 && digits + 1 < n && s.at[digits] == ':' && s.at[digits + 1] == ' ';
    if (!numbered && ek__wire_check(ek__proto(EK_PROTO_GRAPH_DEF), s, NULL, &quiet) == EK_OK) return false;
    for (size_t i = 0; i < n; i++)
        if (s.at[i] < ' ' && (s.at[i] < '\t' || s.at[i] > '\r')) return false;
    return true;
}

/* Takes over the reference to `source`. */
static ek_status load_source(ek_source *source, const char *what, ek_graph **out, ek_error *err)
{
    const ek_span all = { source->data, source->size };
    ek_file_kind kind = ek__bytes_kind(all);
    ek_status st;

    if (kind == EK_FILE_OTHER && looks_like_text(all)) kind = EK_FILE_GRAPH_DEF_TEXT;
    switch (kind) {
    case EK_FILE_GRAPH_DEF_TEXT:
        st = ek__source_from_text(EK_PROTO_GRAPH_DEF, &source, err);
        break;
    case EK_FILE_GRAPH_DEF:
    case EK_FILE_OTHER: /* the importer says what is wrong with it, and where */
        st = EK_OK;
        break;
    default:
        st = EK_FAIL(err, INVALID_ARGUMENT, "%s is %s, a GraphDef is needed", what, ek__file_kind_name(kind));
        break;
    }
    if (st == EK_OK) st = ek__graph_import(source, (ek_span){ source->data, source->size }, out, err);
    ek__source_unref(source);
    return st;
}

ek_status ek_graph_load(const char *path, ek_graph **out, ek_error *err)
{
    ek_source *source;

    err = ek__error_begin(err);
    if (out == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "there is no place for the graph");
    *out = NULL;
    if (path == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "the path is NULL");
    EK_TRY(ek__source_open(path, &source, err));
    return load_source(source, path, out, err);
}

ek_status ek_graph_load_bytes(const void *data, size_t size, ek_graph **out, ek_error *err)
{
    ek_source *source;

    err = ek__error_begin(err);
    if (out == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "there is no place for the graph");
    *out = NULL;
    if (data == NULL && size > 0) return EK_FAIL(err, INVALID_ARGUMENT, "%zu bytes at NULL", size);
    EK_TRY(ek__source_copy(data, size, &source, err));
    return load_source(source, "what was given", out, err);
}

/* The file's contents in `out`. */
static ek_status graph_bytes(const ek_graph *g, bool text, ek_buf *out, ek_error *err)
{
    ek_buf bytes = { .data = NULL };
    ek_status st;

    if (g == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "there is no graph");
    st = ek__graph_export(g, text ? &bytes : out, err);
    if (st == EK_OK && text)
        st = ek__text_print(ek__proto(EK_PROTO_GRAPH_DEF), (ek_span){ (const uint8_t *)bytes.data, bytes.size }, 0, out, err);
    ek__buf_fini(&bytes);
    return st;
}

ek_status ek_graph_save(const ek_graph *g, const char *path, bool text, ek_error *err)
{
    ek_buf out = { .data = NULL };
    ek_status st;

    err = ek__error_begin(err);
    if (path == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "the path is NULL");
    st = graph_bytes(g, text, &out, err);
    if (st == EK_OK) st = ek__file_write(path, out.data, out.size, err);
    ek__buf_fini(&out);
    return st;
}

ek_status ek_graph_save_bytes(const ek_graph *g, bool text, void **data, size_t *size, ek_error *err)
{
    ek_buf out = { .data = NULL };
    ek_status st;

    err = ek__error_begin(err);
    if (g == NULL || data == NULL || size == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "a graph and places for its bytes and their number are needed");
    *data = NULL;
    *size = 0;
    st = graph_bytes(g, text, &out, err);
    if (st == EK_OK) ek__buf_add(&out, "", 0); /* an empty graph has an address too */
    if (st == EK_OK && out.failed) st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the bytes of the graph");
    if (st != EK_OK) {
        ek__buf_fini(&out);
        return st;
    }
    *data = out.data;
    *size = out.size;
    return EK_OK;
}

/* ---- MetaGraphDefs ------------------------------------------------------------------------------------- */

/* Takes over the reference to `source`. */
static ek_status load_meta_source(ek_source *source, const char *what, const ek_meta_graph_load_options *o, ek_error *err)
{
    const ek_span all = { source->data, source->size };
    const ek_meta_how how = { o->import_scope, o->clear_devices };
    ek_file_kind kind = ek__bytes_kind(all);
    ek_status st = EK_OK;

    if (kind == EK_FILE_OTHER && looks_like_text(all)) kind = EK_FILE_META_GRAPH_TEXT;
    if (kind == EK_FILE_META_GRAPH_TEXT) st = ek__source_from_text(EK_PROTO_META_GRAPH_DEF, &source, err);
    else if (kind != EK_FILE_META_GRAPH && kind != EK_FILE_OTHER)
        st = EK_FAIL(err, INVALID_ARGUMENT, "%s is %s, a MetaGraphDef is needed", what, ek__file_kind_name(kind));
    if (st == EK_OK) st = ek__wire_check(ek__proto(EK_PROTO_META_GRAPH_DEF), (ek_span){ source->data, source->size }, NULL, err);
    if (st == EK_OK) st = ek__meta_graph_read(source, (ek_span){ source->data, source->size }, &how, o->out, err);
    ek__source_unref(source);
    return st;
}

/* False after a failure. */
static bool load_options_ok(const ek_meta_graph_load_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return false;
    if (o->out != NULL) *o->out = NULL;
    else (void)EK_FAIL(ek__error_begin(o->error), INVALID_ARGUMENT, "there is no place for the graph");
    return o->out != NULL;
}

ek_status ek_meta_graph_load_with(const char *path, const ek_meta_graph_load_options *o, ek_where where)
{
    ek_source *source;
    ek_error *err;

    if (!load_options_ok(o, where)) return EK_INVALID_ARGUMENT;
    err = ek__error_begin(o->error);
    if (path == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "the path is NULL");
    EK_TRY(ek__source_open(path, &source, err));
    return load_meta_source(source, path, o, err);
}

ek_status ek_meta_graph_load_bytes_with(const void *data, size_t size, const ek_meta_graph_load_options *o, ek_where where)
{
    ek_source *source;
    ek_error *err;

    if (!load_options_ok(o, where)) return EK_INVALID_ARGUMENT;
    err = ek__error_begin(o->error);
    if (data == NULL && size > 0) return EK_FAIL(err, INVALID_ARGUMENT, "%zu bytes at NULL", size);
    EK_TRY(ek__source_copy(data, size, &source, err));
    return load_meta_source(source, "what was given", o, err);
}

static ek_status meta_bytes(const ek_graph *g, const ek_meta_graph_save_options *o, ek_buf *out, ek_error *err)
{
    const ek_meta_write how = { .saver = o->saver, .clear_devices = o->clear_devices };
    ek_buf bytes = { .data = NULL };
    ek_status st;

    if (g == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "there is no graph");
    st = ek__meta_graph_write(g, &how, o->text ? &bytes : out, err);
    if (st == EK_OK && o->text)
        st = ek__text_print(ek__proto(EK_PROTO_META_GRAPH_DEF), (ek_span){ (const uint8_t *)bytes.data, bytes.size }, 0, out, err);
    ek__buf_fini(&bytes);
    return st;
}

ek_status ek_meta_graph_save_with(const ek_graph *g, const ek_meta_graph_save_options *o, ek_where where)
{
    ek_buf out = { .data = NULL };
    ek_error *err;
    ek_status st;

    if (!EK_OPTIONS_OK(NULL, o, where)) return EK_INVALID_ARGUMENT;
    err = ek__error_begin(o->error);
    if (o->path == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "the path is NULL");
    st = meta_bytes(g, o, &out, err);
    if (st == EK_OK) st = ek__file_write(o->path, out.data, out.size, err);
    ek__buf_fini(&out);
    return st;
}

ek_status ek_meta_graph_save_bytes_with(const ek_graph *g, void **data, size_t *size, const ek_meta_graph_save_options *o,
                                        ek_where where)
{
    ek_buf out = { .data = NULL };
    ek_error *err;
    ek_status st;

    if (!EK_OPTIONS_OK(NULL, o, where)) return EK_INVALID_ARGUMENT;
    err = ek__error_begin(o->error);
    if (data == NULL || size == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "places for the bytes and their number are needed");
    *data = NULL;
    *size = 0;
    st = meta_bytes(g, o, &out, err);
    if (st != EK_OK) {
        ek__buf_fini(&out);
        return st;
    }
    *data = out.data;
    *size = out.size;
    return EK_OK;
}
