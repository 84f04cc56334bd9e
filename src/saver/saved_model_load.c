/* saver/saved_model_load.c - a SavedModel with its variables: restored, initialized, ready to run. */
#include "evenkeel/saved_model.h"

#include "formats/saved_model.h"
#include "runtime/runtime.h"

/* ---- restoring -------------------------------------------------------------------------------------------------- */

/* TensorFlow 2 restores by a function. */
static bool calls_a_function(const ek_graph *g, const char *op)
{
    const int32_t id = op != NULL ? ek__node_find(g, op, strlen(op)) : -1;

    return id >= 0 && strstr(g->node[id]->type, "PartitionedCall") != NULL;
}

/* The saver that came with the graph, one of all variables where none did; *out is NULL without variables. */
static ek_status find_saver(ek_graph *g, const char *dir, ek_saver **out, ek_error *err)
{
    ek_saver_def def;

    *out = NULL;
    if (!ek_graph_saver_def(g, &def)) {
        if (ek_global_variables(g).count == 0) return EK_OK;
        *out = ek_saver_create(g);
        return *out != NULL ? EK_OK : ek_graph_status(g, err);
    }
    if (calls_a_function(g, def.restore_op_name))
        return EK_FAIL(
            err, UNIMPLEMENTED,
            "'%.200s' is a SavedModel of TensorFlow 2: operation '%s' of type %s, which restores its variables, calls "
            "a "
            "function, and functions are not run here. Its signatures and functions can be listed, its variables read "
            "from '%.200s/variables/variables'",
            dir, def.restore_op_name, g->node[ek__node_find(g, def.restore_op_name, strlen(def.restore_op_name))]->type,
            dir);
    *out = ek_saver_of_graph(g);
    return *out != NULL ? EK_OK : ek__error_copy(err, ek_last_error());
}

static ek_status restore(ek_graph *g, ek_session *s, const char *dir, ek_error *err)
{
    ek_saver *saver;
    ek_buf prefix = { .data = NULL };
    ek_status st;

    EK_TRY(find_saver(g, dir, &saver, err));
    if (saver == NULL) return EK_OK;
    ek__buf_printf(&prefix, "%s/variables/variables", dir);
    st = prefix.failed ? EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a path")
                       : ek_saver_restore(saver, s, prefix.data, err);
    ek__buf_fini(&prefix);
    return st;
}

/* ---- initializing -------------------------------------------------------------------------------------------------- */

/* What is to be run: the op that the signature names, else the first of the collection. kind NONE: nothing. */
static ek_status find_init(ek_graph *g, ek_item *out, ek_error *err)
{
    static const char *const key[] = { EK_SAVED_MODEL_MAIN_OP, EK_LEGACY_INIT_OP };
    ek_signature s;

    *out = (ek_item){ .kind = EK_ITEM_NONE };
    if (ek_graph_signature(g, EK_INIT_SIGNATURE, &s) && s.n_outputs > 0) {
        ek_op op;
        if (ek_tensor_ok(s.outputs[0].tensor)) {
            *out = ek_item_of_tensor(s.outputs[0].tensor);
            return EK_OK;
        }
        EK_TRY(ek__op_by_name(g, s.outputs[0].name, &op, err));
        *out = ek_item_of_op(op);
        return EK_OK;
    }
    for (int i = 0; i < EK_COUNT_OF(key) && out->kind == EK_ITEM_NONE; i++) {
        const ek_list list = ek_get_collection(g, key[i]);
        if (list.count == 0) continue;
        if (list.item[0].kind != EK_ITEM_OP && list.item[0].kind != EK_ITEM_TENSOR)
            return EK_FAIL(err, INVALID_ARGUMENT, "collection '%s' holds no operation", key[i]);
        *out = list.item[0];
    }
    return EK_OK;
}

/* The asset's path as a string scalar. */
static ek_status path_array(const ek_graph *g, const ek_asset *asset, ek_array **out, ek_error *err)
{
    ek_buf path = { .data = NULL };
    ek_status st = ek__array_new(EK_STRING, &EK_SCALAR, NULL, out, err);

    if (st != EK_OK) return st;
    ek__buf_printf(&path, "%s/%s", g->meta->assets_folder != NULL ? g->meta->assets_folder : "assets", asset->filename);
    if (path.failed || !ek__string_set(ek_array_data(*out), path.data, path.size))
        st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the path of an asset");
    ek__buf_fini(&path);
    return st;
}

static ek_status fill_feeds(const ek_graph *g, ek_feed *feed, ek_array **value, ek_error *err)
{
    ek_asset asset;

    for (int i = 0; ek_graph_asset_at(g, i, &asset); i++) {
        if (!ek_tensor_ok(asset.tensor))
            return EK_FAIL(err, INVALID_ARGUMENT,
                           "the asset '%s' belongs to the tensor '%s', which is not in the graph", asset.filename,
                           asset.tensor_name);
        EK_TRY(path_array(g, &asset, &value[i], err));
        feed[i] = (ek_feed){ asset.tensor, value[i] };
    }
    return EK_OK;
}

static ek_status initialize(ek_graph *g, ek_session *s, ek_error *err)
{
    const int n = ek_graph_asset_count(g);
    ek_item init;
    ek_feed *feed;
    ek_array **value;
    ek_status st;

    EK_TRY(find_init(g, &init, err));
    if (init.kind == EK_ITEM_NONE) return EK_OK;
    feed = ek__calloc((size_t)n + 1, sizeof *feed);
    value = ek__calloc((size_t)n + 1, sizeof(ek_array *));
    st = feed != NULL && value != NULL ? fill_feeds(g, feed, value, err)
                                       : EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for assets");
    if (st == EK_OK)
        st = ek_run(s, .feeds = feed, .n_feeds = n, .also = { g, &init, 1 }, .error = err);
    for (int i = 0; value != NULL && i < n; i++) ek_array_unref(value[i]);
    ek__free(value);
    ek__free(feed);
    return st;
}

/* ---- all of it --------------------------------------------------------------------------------------------------------- */

static ek_status open_graph(const char *dir, const ek_saved_model_load_options *o, ek_graph **out, ek_error *err)
{
    static const char *const serve[] = { EK_TAG_SERVE };
    ek_saved_model *m = NULL;
    int n = 0, i = 0;
    ek_status st;

    while (n < EK_SAVED_MODEL_TAGS && o->tags[n] != NULL) n++;
    EK_TRY_DONE(ek_saved_model_open(dir, &m, err));
    EK_TRY_DONE(ek_saved_model_find(m, n > 0 ? o->tags : serve, n > 0 ? n : 1, &i, err));
    st = ek_saved_model_graph(m, i, out, err);
done:
    ek_saved_model_close(m);
    return st;
}

/* err is a record of the caller's. */
static ek_status restore_and_initialize(ek_session *s, const char *dir, ek_error *err)
{
    EK_TRY(restore(s->graph, s, dir, err));
    return initialize(s->graph, s, err);
}

ek_status ek_saved_model_restore(ek_session *s, const char *dir, ek_error *err)
{
    err = ek__error_begin(err);
    if (s == NULL || dir == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "a session and the folder of its SavedModel are needed");
    return restore_and_initialize(s, dir, err);
}

ek_status ek_saved_model_load_with(const char *dir, const ek_saved_model_load_options *o, ek_where where)
{
    ek_error *err;
    ek_status st;

    if (!EK_OPTIONS_OK(NULL, o, where)) return EK_INVALID_ARGUMENT;
    err = ek__error_begin(o->error);
    if (o->graph != NULL) *o->graph = NULL;
    if (o->session != NULL) *o->session = NULL;
    if (o->graph == NULL || o->session == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "places for the graph and the session are needed");
    if (dir == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "the path is NULL");
    st = open_graph(dir, o, o->graph, err);
    if (st == EK_OK) *o->session = ek_session_create(*o->graph, .threads = o->threads, .error = err);
    if (st == EK_OK) st = *o->session != NULL ? restore_and_initialize(*o->session, dir, err) : err->code;
    if (st == EK_OK) return EK_OK;
    ek_session_destroy(*o->session);
    ek_graph_destroy(*o->graph);
    *o->session = NULL;
    *o->graph = NULL;
    return st;
}
