/* saver/saved_model_build.c - a SavedModel's folder, written: variables and assets first, its message last. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/file.h"
#include "codec/fields.h"
#include "codec/source.h"
#include "codec/text.h"
#include "evenkeel/saved_model.h"
#include "formats/saved_model.h"
#include "runtime/runtime.h"
#include "saver/saver.h"

struct ek_saved_model_builder {
    char *dir;
    ek_buf message;      /* a SavedModel, as far as it goes */
    bool with_variables; /* the first graph was added */
    bool made_dir;       /* it was not there before */
    ek_arena arena;
    struct copied {      /* files in assets/ */
        const char *from, *name;
    } *copied;
    int64_t n_copied, cap_copied;
};

/* ---- the folder -------------------------------------------------------------------------------------------------- */

/* NOT_FOUND is no failure: there is none yet. */
static ek_status check_empty(const char *dir, ek_error *err)
{
    if (!ek__file_folder_in_use(dir))
        return errno == 0 || errno == ENOENT ? EK_OK : ek__fail_system(err, "open", dir);
    return EK_FAIL(err, ALREADY_EXISTS,
                   "Export directory already exists, and isn't empty. Please choose a different export "
                   "directory, or delete all the contents of the specified directory: %.300s",
                   dir);
}

/* A folder and all that is in it, folders to that depth. No heap: it is needed when there is none left, too. */
static void remove_folder(const char *path, int depth)
{
    DIR *d = opendir(path);
    const struct dirent *e;
    char inner[PATH_MAX];

    while (d != NULL && (e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (snprintf(inner, sizeof inner, "%s/%s", path, e->d_name) >= (int)sizeof inner) continue;
        if (ek__file_remove(inner, &(ek_error){ .code = EK_OK }) != EK_OK && depth > 0) remove_folder(inner, depth - 1);
    }
    if (d != NULL) closedir(d);
    (void)ek__file_remove_folder(path);
}

/* After a failure: what was written would be in the way of the next attempt. The folder was empty, so all of it is ours. */
static void take_away(const ek_saved_model_builder *b)
{
    static const char *const part[] = { "variables", "assets" };
    char path[PATH_MAX];

    for (int i = 0; i < EK_COUNT_OF(part); i++)
        if (snprintf(path, sizeof path, "%s/%s", b->dir, part[i]) < (int)sizeof path) remove_folder(path, 1);
    if (b->made_dir) (void)ek__file_remove_folder(b->dir);
}

/* Makes the folders above the last part of `path`, and with `whole` that one too. */
static ek_status make_folders(const char *path, bool whole, ek_error *err)
{
    char *part = ek__alloc(strlen(path) + 1);
    ek_status st = EK_OK;

    if (part == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a path");
    strcpy(part, path);
    for (char *slash = strchr(part + (part[0] == '/'), '/'); st == EK_OK && slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        st = ek__file_make_folder(part, err);
        *slash = '/';
    }
    if (st == EK_OK && whole) st = ek__file_make_folder(part, err);
    ek__free(part);
    return st;
}

ek_status ek_saved_model_builder_create(const char *dir, ek_saved_model_builder **out, ek_error *err)
{
    ek_saved_model_builder *b;
    bool there;
    ek_status st;

    err = ek__error_begin(err);
    if (out == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "there is no place for the builder");
    *out = NULL;
    if (dir == NULL || dir[0] == '\0') return EK_FAIL(err, INVALID_ARGUMENT, "a SavedModel needs a folder");
    EK_TRY(check_empty(dir, err));
    there = access(dir, F_OK) == 0;
    EK_TRY(make_folders(dir, true, err));
    b = ek__calloc(1, sizeof *b);
    if (b == NULL || (b->dir = ek__arena_strdup(&b->arena, dir)) == NULL) {
        ek_saved_model_builder_destroy(b);
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a builder");
    }
    b->made_dir = !there;
    ek__put_int(&b->message, EK_F_SAVED_MODEL_VERSION, 1);
    st = b->message.failed ? EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a builder") : EK_OK;
    if (st == EK_OK) *out = b;
    else ek_saved_model_builder_destroy(b);
    return st;
}

void ek_saved_model_builder_destroy(ek_saved_model_builder *b)
{
    if (b == NULL) return;
    ek__buf_fini(&b->message);
    ek__free(b->copied);
    ek__arena_fini(&b->arena);
    ek__free(b);
}

/* What may stand in a message. */
static bool is_text(const char *s) { return ek__utf8_bad((const uint8_t *)s, strlen(s), false) < 0; }

/* ---- assets ------------------------------------------------------------------------------------------------------- */

/* The name under which a file goes to assets/: its own, with a number where another file has that. */
static const char *name_for(ek_saved_model_builder *b, const char *wanted, const char *from, bool *there, ek_error *err)
{
    const char *name = wanted;
    int64_t number = 1;

    *there = false;
    for (int64_t i = 0; name != NULL && i < b->n_copied; i++) {
        if (strcmp(b->copied[i].name, name) != 0) continue;
        if (strcmp(b->copied[i].from, from) == 0) {
            *there = true;
            return b->copied[i].name;
        }
        name = ek__arena_printf(&b->arena, "%s_%lld", wanted, (long long)number++);
        i = -1;
    }
    if (name == wanted) name = ek__arena_strdup(&b->arena, wanted);
    if (name == NULL) (void)EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for assets");
    return name;
}

static ek_status copy_file(const ek_saved_model_builder *b, const char *from, const char *name, ek_error *err)
{
    ek_buf to = { .data = NULL };
    ek_source *source = NULL;
    ek_status st;

    ek__buf_printf(&to, "%s/assets/%s", b->dir, name);
    if (to.failed) EK_TRY_DONE(EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a path"));
    EK_TRY_DONE(ek__source_open(from, &source, err));
    EK_TRY_DONE(make_folders(to.data, false, err));
    st = ek__file_write(to.data, source->data, source->size, err);
done:
    ek__source_unref(source);
    ek__buf_fini(&to);
    return st;
}

/* Copies a file and gives the tensor's row of the assets. */
static ek_status add_asset(ek_saved_model_builder *b, ek_tensor tensor, const char *from, const char *wanted,
                           ek_asset *out, ek_error *err)
{
    bool there;
    const char *name = name_for(b, wanted, from, &there, err);

    if (name == NULL) return EK_RESOURCE_EXHAUSTED;
    *out = (ek_asset){ name, ek_op_name(ek_tensor_op(tensor)), tensor };
    if (there) return EK_OK;
    EK_TRY(copy_file(b, from, name, err));
    if (!EK_GROW(b->copied, b->cap_copied, b->n_copied + 1))
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for assets");
    b->copied[b->n_copied] = (struct copied){ ek__arena_strdup(&b->arena, from), name };
    return b->copied[b->n_copied++].from != NULL ? EK_OK : EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for assets");
}

static const char *last_part(const char *path) { return path + ek__file_folder_size(path); }

/* One that the caller or a collection names. */
static ek_status add_given(ek_saved_model_builder *b, const ek_graph *g, ek_tensor tensor, const char *path,
                           ek_asset *out, ek_error *err)
{
    ek_array *value = NULL;
    ek_status st;

    if (!ek__tensor_in(g, tensor)) return EK_FAIL(err, INVALID_ARGUMENT, "an asset needs a tensor of this graph");
    if (path == NULL) {
        value = ek__constant_value(g, ek__edge(tensor));
        if (value == NULL || value->dtype != EK_STRING || value->count != 1) {
            ek_array_unref(value);
            return EK_FAIL(err, INVALID_ARGUMENT,
                           "the asset of '%s' has no path: give one, or a constant string as tensor",
                           ek_op_name(ek_tensor_op(tensor)));
        }
        const ek_string *s = ek_array_cdata(value);
        path = ek__arena_strndup(&b->arena, s->data != NULL ? s->data : "", s->size);
        ek_array_unref(value);
        if (path == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for assets");
    }
    st = ek__asset_filename_ok(last_part(path)) && is_text(last_part(path))
             ? add_asset(b, tensor, path, last_part(path), out, err)
             : EK_FAIL(err, INVALID_ARGUMENT, "the asset '%.300s' is no file, or its name is not UTF-8", path);
    return st;
}

/* One that came with the graph from another SavedModel. */
static ek_status add_brought(ek_saved_model_builder *b, const ek_graph *g, const ek_asset *asset, ek_asset *out,
                             ek_error *err)
{
    const char *from = ek__arena_printf(&b->arena, "%s/%s", g->meta->assets_folder, asset->filename);

    if (from == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for assets");
    if (!ek_tensor_ok(asset->tensor))
        return EK_FAIL(err, INVALID_ARGUMENT, "the asset '%s' belongs to the tensor '%s', which is not in the graph",
                       asset->filename, asset->tensor_name);
    return add_asset(b, asset->tensor, from, asset->filename, out, err);
}

/* All assets of a graph that is added: *out is in the builder's arena. */
static ek_status add_assets(ek_saved_model_builder *b, ek_graph *g, const ek_saved_model_add_options *o, ek_asset **out,
                            int *n, ek_error *err)
{
    const ek_list collected = ek_get_collection(g, EK_ASSET_FILEPATHS);
    const int brought = g->meta != NULL && g->meta->assets_folder != NULL ? g->meta->n_assets : 0;
    const int more = o->more_assets != NULL ? o->n_more_assets : 0;
    ek_asset *asset =
        EK_ARENA_NEW(&b->arena, ek_asset, EK_SAVED_MODEL_ASSETS_INLINE + more + brought + collected.count + 1);

    *out = asset;
    *n = 0;
    if (asset == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for assets");
    for (int i = 0; i < EK_SAVED_MODEL_ASSETS_INLINE && o->assets[i].tensor.graph != NULL; i++)
        EK_TRY(add_given(b, g, o->assets[i].tensor, o->assets[i].path, &asset[(*n)++], err));
    for (int i = 0; i < more; i++)
        EK_TRY(add_given(b, g, o->more_assets[i].tensor, o->more_assets[i].path, &asset[(*n)++], err));
    for (int i = 0; *n == i && i < brought; i++) EK_TRY(add_brought(b, g, &g->meta->assets[i], &asset[(*n)++], err));
    for (int64_t i = 0; *n == i && i < collected.count; i++)
        if (collected.item[i].kind == EK_ITEM_TENSOR)
            EK_TRY(add_given(b, g, collected.item[i].u.tensor, NULL, &asset[(*n)++], err));
    return EK_OK;
}

/* ---- a graph ------------------------------------------------------------------------------------------------------- */

static ek_status check_add(const ek_saved_model_builder *b, const ek_graph *g, const ek_saved_model_add_options *o,
                           bool variables, ek_error *err)
{
    if (b == NULL || g == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "a builder and a graph to be added are needed");
    if (g->error.code != EK_OK) return ek__error_copy(err, &g->error);
    if (variables && b->with_variables)
        return EK_FAIL(err, FAILED_PRECONDITION,
                       "Graph state including variables and assets has already been saved. Please invoke "
                       "`add_meta_graph()` instead.");
    if (!variables && !b->with_variables)
        return EK_FAIL(err, FAILED_PRECONDITION,
                       "Graph state including variables and assets has not been saved yet. Please invoke "
                       "`add_meta_graph_and_variables()` first.");
    if (o->n_more_assets < 0 || (o->more_assets == NULL && o->n_more_assets > 0))
        return EK_FAIL(err, INVALID_ARGUMENT, "%d assets at NULL", o->n_more_assets);
    for (int i = 0; i < EK_SAVED_MODEL_TAGS && o->tags[i] != NULL; i++)
        if (o->tags[i][0] == '\0' || !is_text(o->tags[i]))
            return EK_FAIL(err, INVALID_ARGUMENT, "tag %d is empty or not UTF-8", i);
    if (o->main_op.graph != NULL && !ek__op_in(g, o->main_op))
        return EK_FAIL(err, INVALID_ARGUMENT, ".main_op is no operation of this graph");
    return EK_OK;
}

/* The message of one MetaGraph behind those that are there; after a failure they are as they were. */
static ek_status add_message(ek_saved_model_builder *b, const ek_graph *g, const ek_meta_write *how, ek_error *err)
{
    const size_t before = b->message.size, mark = ek__put_open(&b->message, EK_F_SAVED_MODEL_META_GRAPH);
    ek_status st = ek__meta_graph_write(g, how, &b->message, err);

    if (st == EK_OK) ek__put_close(&b->message, mark);
    if (st == EK_OK && b->message.failed) st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a SavedModel");
    if (st != EK_OK && !b->message.failed) b->message.size = before;
    return st;
}

static ek_status write_variables(const ek_saved_model_builder *b, ek_saver *saver, ek_session *s, ek_error *err)
{
    ek_buf path = { .data = NULL };
    ek_status st;

    ek__buf_printf(&path, "%s/variables/variables", b->dir);
    if (path.failed) EK_TRY_DONE(EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a path"));
    EK_TRY_DONE(make_folders(path.data, false, err));
    if (!saver->is_empty)
        st = ek_saver_save(saver, s, path.data, .no_meta_graph = true, .no_state = true, .error = err);
done:
    ek__buf_fini(&path);
    return st;
}

static ek_status saver_of(ek_graph *g, const ek_saved_model_add_options *o, ek_saver **out, ek_error *err)
{
    *out = o->saver != NULL ? o->saver : ek_saver_create(g, .sharded = true, .allow_empty = true);
    if (*out == NULL) return ek_graph_status(g, err);
    return (*out)->graph == g ? EK_OK : EK_FAIL(err, INVALID_ARGUMENT, ".saver is one of another graph");
}

/* s NULL: the variables are written already. */
static ek_status add(ek_saved_model_builder *b, ek_graph *g, ek_session *s, const ek_saved_model_add_options *o,
                     ek_error *err)
{
    static const char *const serve[] = { EK_TAG_SERVE };
    ek_meta_write how = { .clear_devices = o->clear_devices, .tags = o->tags, .saved_model = true };
    ek_asset *assets;
    ek_saver *saver;

    while (how.n_tags < EK_SAVED_MODEL_TAGS && o->tags[how.n_tags] != NULL) how.n_tags++;
    if (how.n_tags == 0) how.tags = serve, how.n_tags = 1;
    if (o->main_op.graph != NULL) how.main_op = ek_op_name(o->main_op);
    EK_TRY(add_assets(b, g, o, &assets, &how.n_assets, err));
    how.assets = assets;
    EK_TRY(saver_of(g, o, &saver, err));
    if (s != NULL) EK_TRY(write_variables(b, saver, s, err));
    how.saver = &saver->def;
    how.no_saver = saver->is_empty;
    EK_TRY(add_message(b, g, &how, err));
    b->with_variables = true;
    return EK_OK;
}

ek_status ek_saved_model_builder_add_meta_graph_and_variables_with(ek_saved_model_builder *b,
                                                                   const ek_saved_model_add_options *o, ek_where where)
{
    ek_error *err;

    if (!EK_OPTIONS_OK(NULL, o, where)) return EK_INVALID_ARGUMENT;
    err = ek__error_begin(o->error);
    if (o->session == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "there is no session");
    EK_TRY(check_add(b, o->session->graph, o, true, err));
    return add(b, o->session->graph, o->session, o, err);
}

ek_status ek_saved_model_builder_add_meta_graph_with(ek_saved_model_builder *b, const ek_saved_model_add_options *o,
                                                     ek_where where)
{
    ek_error *err;

    if (!EK_OPTIONS_OK(NULL, o, where)) return EK_INVALID_ARGUMENT;
    err = ek__error_begin(o->error);
    EK_TRY(check_add(b, o->graph, o, false, err));
    return add(b, o->graph, NULL, o, err);
}

/* ---- the message ----------------------------------------------------------------------------------------------------- */

ek_status ek_saved_model_builder_save(ek_saved_model_builder *b, bool text, ek_error *err)
{
    ek_buf path = { .data = NULL }, printed = { .data = NULL };
    const ek_buf *out = text ? &printed : b != NULL ? &b->message : NULL;
    ek_status st;

    err = ek__error_begin(err);
    if (b == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "there is no builder");
    if (!b->with_variables)
        return EK_FAIL(err, FAILED_PRECONDITION, "a SavedModel needs a MetaGraph: add one before it is saved");
    if (b->message.size > EK_WIRE_MAX_BYTES)
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "the SavedModel's message takes %zu bytes; it has at most 2 GiB",
                       b->message.size);
    ek__buf_printf(&path, "%s/saved_model.%s", b->dir, text ? "pbtxt" : "pb");
    if (path.failed) EK_TRY_DONE(EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a path"));
    if (text)
        EK_TRY_DONE(ek__text_print(ek__proto(EK_PROTO_SAVED_MODEL),
                                   (ek_span){ (const uint8_t *)b->message.data, b->message.size }, 0, &printed, err));
    st = ek__file_write(path.data, out->data, out->size, err);
done:
    ek__buf_fini(&path);
    ek__buf_fini(&printed);
    return st;
}

/* ---- all at once -------------------------------------------------------------------------------------------------------- */

static ek_status set_signature(ek_graph *g, const ek_saved_model_save_options *o, ek_error *err)
{
    ek_signature_options how = { .size = sizeof how, .key = EK_SERVING_DEFAULT, .error = err };

    if (o->outputs[0].key == NULL && o->n_more_outputs == 0 && o->inputs[0].key == NULL && o->n_more_inputs == 0)
        return EK_OK;
    memcpy(how.inputs, o->inputs, sizeof how.inputs);
    memcpy(how.outputs, o->outputs, sizeof how.outputs);
    how.more_inputs = o->more_inputs;
    how.n_more_inputs = o->n_more_inputs;
    how.more_outputs = o->more_outputs;
    how.n_more_outputs = o->n_more_outputs;
    return ek_signature_set_with(g, &how, EK_HERE);
}

ek_status ek_saved_model_save_with(ek_session *s, const ek_saved_model_save_options *o, ek_where where)
{
    ek_saved_model_builder *b = NULL;
    ek_saved_model_add_options add_options;
    ek_error *err;
    ek_status st;

    if (!EK_OPTIONS_OK(NULL, o, where)) return EK_INVALID_ARGUMENT;
    err = ek__error_begin(o->error);
    if (s == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "there is no session");
    add_options = o->add;
    add_options.size = sizeof add_options;
    add_options.session = s;
    add_options.error = err;
    EK_TRY_DONE(set_signature(s->graph, o, err));
    EK_TRY_DONE(ek_saved_model_builder_create(o->dir, &b, err));
    EK_TRY_DONE(ek_saved_model_builder_add_meta_graph_and_variables_with(b, &add_options, where));
    st = ek_saved_model_builder_save(b, o->text, err);
done:
    if (st != EK_OK && b != NULL) take_away(b);
    ek_saved_model_builder_destroy(b);
    return st;
}
