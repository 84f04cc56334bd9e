/* formats/saved_model.c - saved_model.pb and .pbtxt: which MetaGraphs are in it, one of them as a graph.
 *
 * Variables and assets lie beside it and are read by saver/saved_model_load.c.
 */
#include "formats/saved_model.h"

#include <sys/stat.h>
#include <unistd.h>

#include "codec/fields.h"
#include "evenkeel/files.h"

enum { SCHEMA_VERSION = 1 }; /* the only one there is */

/* ---- what is in it ------------------------------------------------------------------------------------------ */

static bool read_tags(ek_saved_model *m, ek_saved_graph *out)
{
    const ek_span info = ek__wire_bytes_of(out->whole, EK_F_META_INFO);
    ek_wire w = ek__wire_open(info, NULL, NULL);
    ek_wire_field f;
    int room = 0;

    while (ek__wire_next(&w, &f)) room += f.number == EK_F_INFO_TAGS;
    out->tag = EK_ARENA_NEW(&m->arena, const char *, room + 1);
    if (out->tag == NULL) return false;
    w = ek__wire_open(info, NULL, NULL);
    while (ek__wire_next(&w, &f)) {
        if (f.number != EK_F_INFO_TAGS) continue;
        out->tag[out->n_tags] = ek__arena_strndup(&m->arena, (const char *)f.bytes.at, f.bytes.size);
        if (out->tag[out->n_tags++] == NULL) return false;
    }
    return true;
}

static ek_status read_graphs(ek_saved_model *m, ek_span all, ek_error *err)
{
    ek_wire w = ek__wire_open(all, NULL, NULL);
    ek_wire_field f;
    int room = 0;
    bool ok = true;

    while (ek__wire_next(&w, &f)) {
        room += f.number == EK_F_SAVED_MODEL_META_GRAPH;
        if (f.number == EK_F_SAVED_MODEL_VERSION) m->schema_version = (int64_t)f.value;
    }
    if (m->schema_version > SCHEMA_VERSION)
        return EK_FAIL(err, UNIMPLEMENTED, "a SavedModel of schema version %lld; version %d is understood",
                       (long long)m->schema_version, SCHEMA_VERSION);
    m->graph = EK_ARENA_NEW(&m->arena, ek_saved_graph, room + 1);
    ok = m->graph != NULL;
    w = ek__wire_open(all, NULL, NULL);
    while (ok && ek__wire_next(&w, &f)) {
        if (f.number != EK_F_SAVED_MODEL_META_GRAPH) continue;
        m->graph[m->n_graphs].whole = f.bytes;
        ok = read_tags(m, &m->graph[m->n_graphs++]);
    }
    return ok ? EK_OK : EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a SavedModel");
}

ek_status ek__saved_model_read(ek_source *source, const char *folder, ek_saved_model **out, ek_error *err)
{
    ek_saved_model *m = ek__calloc(1, sizeof *m);
    ek_file_kind kind;
    ek_status st;

    *out = NULL;
    if (m == NULL) {
        ek__source_unref(source);
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a SavedModel");
    }
    m->source = source;
    if (folder != NULL && (m->folder = ek__arena_strdup(&m->arena, folder)) == NULL) {
        st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a SavedModel");
        goto done;
    }
    kind = ek__bytes_kind((ek_span){ source->data, source->size });
    if (kind == EK_FILE_SAVED_MODEL_TEXT) EK_TRY_DONE(ek__source_from_text(EK_PROTO_SAVED_MODEL, &m->source, err));
    const ek_span all = { m->source->data, m->source->size };
    EK_TRY_DONE(ek__wire_check(ek__proto(EK_PROTO_SAVED_MODEL), all, all.at, err));
    EK_TRY_DONE(read_graphs(m, all, err));
    if (m->n_graphs == 0) st = EK_FAIL(err, INVALID_ARGUMENT, "a SavedModel without a MetaGraph");
done:
    if (st == EK_OK) *out = m;
    else ek_saved_model_close(m);
    return st;
}

/* ---- the file ------------------------------------------------------------------------------------------------- */

/* "a/b" of "a/b/c", "." of "c". */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const size_t n = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
    char *out = ek__alloc(n + 1);

    if (out == NULL) return NULL;
    memcpy(out, slash == NULL ? "." : path, n);
    out[n] = '\0';
    return out;
}

/* The message of the folder: saved_model.pb before saved_model.pbtxt. */
static ek_status find_message(const char *folder, ek_buf *path, ek_error *err)
{
    static const char *const name[] = { "saved_model.pb", "saved_model.pbtxt" };

    for (int i = 0; i < EK_COUNT_OF(name); i++) {
        path->size = 0;
        ek__buf_printf(path, "%s/%s", folder, name[i]);
        if (path->failed) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a path");
        if (access(path->data, F_OK) == 0) return EK_OK;
    }
    return EK_FAIL(err, NOT_FOUND, "SavedModel file does not exist at: %s/{saved_model.pbtxt|saved_model.pb}", folder);
}

ek_status ek_saved_model_open(const char *path, ek_saved_model **out, ek_error *err)
{
    ek_buf file = { .data = NULL };
    ek_source *source = NULL;
    char *folder = NULL;
    struct stat info;
    ek_status st;

    err = ek__error_begin(err);
    if (out == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "there is no place for the SavedModel");
    *out = NULL;
    if (path == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "the path is NULL");
    const bool is_file = stat(path, &info) == 0 && !S_ISDIR(info.st_mode);
    if (is_file) ek__buf_str(&file, path);
    else EK_TRY_DONE(find_message(path, &file, err));
    folder = is_file ? folder_of(path) : NULL;
    if (file.failed || (is_file && folder == NULL))
        EK_TRY_DONE(EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a path"));
    EK_TRY_DONE(ek__source_open(file.data, &source, err));
    st = ek__saved_model_read(source, is_file ? folder : path, out, err);
done:
    ek__buf_fini(&file);
    ek__free(folder);
    return st;
}

void ek_saved_model_close(ek_saved_model *m)
{
    if (m == NULL) return;
    ek__source_unref(m->source);
    ek__arena_fini(&m->arena);
    ek__free(m);
}

/* ---- asking -------------------------------------------------------------------------------------------------------- */

int64_t ek_saved_model_schema_version(const ek_saved_model *m) { return m != NULL ? m->schema_version : 0; }

int ek_saved_model_count(const ek_saved_model *m) { return m != NULL ? m->n_graphs : 0; }

int ek_saved_model_tags(const ek_saved_model *m, int i, const char *const **out)
{
    const bool there = m != NULL && i >= 0 && i < m->n_graphs;

    if (out != NULL) *out = there ? m->graph[i].tag : NULL;
    return there ? m->graph[i].n_tags : -1;
}

static bool has(const char *const *tag, int n, const char *wanted)
{
    for (int i = 0; i < n; i++)
        if (strcmp(tag[i], wanted) == 0) return true;
    return false;
}

/* As sets. */
static bool same_tags(const ek_saved_graph *a, const char *const *tag, int n)
{
    for (int i = 0; i < n; i++)
        if (!has(a->tag, a->n_tags, tag[i])) return false;
    for (int i = 0; i < a->n_tags; i++)
        if (!has(tag, n, a->tag[i])) return false;
    return true;
}

static void put_tags(ek_buf *b, const char *const *tag, int n)
{
    ek__buf_str(b, "{");
    for (int i = 0; i < n; i++) ek__buf_printf(b, "%s%.60s", i > 0 ? ", " : "", tag[i]);
    ek__buf_str(b, "}");
}

/* What was wanted and what there is. */
static ek_status no_such_tags(const ek_saved_model *m, const char *const *tag, int n, ek_error *err)
{
    ek_buf wanted = { .data = NULL }, found = { .data = NULL };
    ek_status st;

    put_tags(&wanted, tag, n);
    for (int i = 0; i < m->n_graphs && found.size < 300; i++) {
        if (i > 0) ek__buf_str(&found, ", ");
        put_tags(&found, m->graph[i].tag, m->graph[i].n_tags);
    }
    if (wanted.failed || found.failed) st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a message");
    else
        st = EK_FAIL(err, NOT_FOUND, "this SavedModel has no MetaGraph with exactly the tags %.200s; it has %d: %.400s",
                     wanted.data, m->n_graphs, found.data);
    ek__buf_fini(&wanted);
    ek__buf_fini(&found);
    return st;
}

ek_status ek_saved_model_find(const ek_saved_model *m, const char *const *tags, int n, int *out, ek_error *err)
{
    err = ek__error_begin(err);
    if (m == NULL || out == NULL || n < 0 || (tags == NULL && n > 0))
        return EK_FAIL(err, INVALID_ARGUMENT, "a SavedModel, tags and a place for a number are needed");
    for (int i = 0; i < m->n_graphs; i++) {
        if (!same_tags(&m->graph[i], tags, n)) continue;
        *out = i;
        return EK_OK;
    }
    *out = -1;
    return no_such_tags(m, tags, n, err);
}

/* ---- a graph ------------------------------------------------------------------------------------------------------ */

bool ek__asset_filename_ok(const char *filename)
{
    if (filename[0] == '\0' || filename[0] == '/') return false;
    for (const char *part = filename; part != NULL; part = strchr(part, '/')) {
        if (part[0] == '/') part++;
        const size_t n = strcspn(part, "/");
        if (n == 0 || (n <= 2 && strncmp(part, "..", n) == 0)) return false;
    }
    return true;
}

/* Every asset may be fed. */
static ek_status check_assets(const ek_graph *g, ek_error *err)
{
    for (int i = 0; i < g->meta->n_assets; i++)
        if (!ek__asset_filename_ok(g->meta->assets[i].filename))
            return EK_FAIL(
                err, INVALID_ARGUMENT,
                "the asset of tensor '%.100s' is called '%.200s': a file inside the folder assets was expected",
                g->meta->assets[i].tensor_name, g->meta->assets[i].filename);
    return EK_OK;
}

ek_status ek__saved_model_graph(const ek_saved_model *m, int i, const ek_meta_how *how, ek_graph **out, ek_error *err)
{
    ek_graph *g = NULL;
    ek_status st;

    *out = NULL;
    EK_TRY(ek__meta_graph_read(m->source, m->graph[i].whole, how, &g, err));
    EK_TRY_DONE(check_assets(g, err));
    if (m->folder != NULL) {
        g->meta->assets_folder = ek__arena_printf(&g->arena, "%s/assets", m->folder);
        if (g->meta->assets_folder == NULL) EK_TRY_DONE(EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a path"));
    }
    *out = g;
    g = NULL;
done:
    ek_graph_destroy(g);
    return st;
}

ek_status ek_saved_model_graph(const ek_saved_model *m, int i, ek_graph **out, ek_error *err)
{
    err = ek__error_begin(err);
    if (out == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "there is no place for the graph");
    *out = NULL;
    if (m == NULL || i < 0 || i >= m->n_graphs)
        return EK_FAIL(err, INVALID_ARGUMENT, "there is no MetaGraph %d: the SavedModel has %d", i,
                       ek_saved_model_count(m));
    return ek__saved_model_graph(m, i, &(ek_meta_how){ .import_scope = NULL }, out, err);
}
