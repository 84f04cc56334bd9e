/* cli/origin.c - see origin.h. */
#include "cli/origin.h"

#include "evenkeel/saved_model.h"

static bool complain(const cli_args *args, const ek_error *err)
{
    cli_complain_error(args->command, err);
    return false;
}

/* `size` bytes of a path as a string; NULL after complaining. */
static char *keep(const cli_args *args, const char *path, size_t size)
{
    char *kept = ek__alloc(size + 1);

    if (kept == NULL) {
        (void)cli_no_memory(args->command);
        return NULL;
    }
    memcpy(kept, path, size);
    kept[size] = '\0';
    return kept;
}

/* The prefix, also by the name of its index. */
static bool take_checkpoint(const cli_args *args, cli_origin *o, const char *path)
{
    static const char index[] = ".index";
    const size_t n = strlen(path), ending = strlen(index);
    const bool named = n > ending && strcmp(path + n - ending, index) == 0;

    o->checkpoint = keep(args, path, named ? n - ending : n);
    o->has_values = o->checkpoint != NULL;
    return o->has_values;
}

/* The only graph of a SavedModel, else the one to be served. */
static bool open_saved_model(const cli_args *args, cli_origin *o, const char *path)
{
    static const char *const serve[] = { EK_TAG_SERVE };
    const char *end = strrchr(path, '/');
    const bool is_folder = o->kind == EK_FILE_SAVED_MODEL_FOLDER;
    ek_error err = { .code = EK_OK };
    int i = 0;

    if (ek_saved_model_open(path, &o->saved, &err) != EK_OK) return complain(args, &err);
    if (ek_saved_model_count(o->saved) > 1 && ek_saved_model_find(o->saved, serve, 1, &i, &err) != EK_OK)
        return complain(args, &err);
    if (ek_saved_model_graph(o->saved, i, &o->graph, &err) != EK_OK) return complain(args, &err);
    o->has_values = ek_global_variables(o->graph).count > 0;
    o->folder = is_folder     ? keep(args, path, strlen(path))
                : end != NULL ? keep(args, path, (size_t)(end - path))
                              : keep(args, ".", 1);
    return o->folder != NULL;
}

/* A GraphDef or MetaGraphDef. */
static bool open_graph(const cli_args *args, cli_origin *o, const char *path)
{
    const bool meta = o->kind == EK_FILE_META_GRAPH || o->kind == EK_FILE_META_GRAPH_TEXT;
    const char *what = meta ? NULL : cli_looks_like(path);
    ek_error err = { .code = EK_OK };
    ek_status st;

    if (what != NULL) {
        cli_complain(args->command, "'%s' is no model; it looks like %s", path, what);
        return false;
    }
    st = meta ? ek_meta_graph_load(path, &o->graph, .error = &err) : ek_graph_load(path, &o->graph, &err);
    return st == EK_OK || complain(args, &err);
}

bool cli_origin_open(const cli_args *args, cli_origin *o)
{
    const char *path = args->operand[0], *given = cli_text(args, CLI_VALUES, NULL);
    ek_error err = { .code = EK_OK };

    *o = (cli_origin){ .kind = EK_FILE_OTHER };
    if (ek__file_kind(path, &o->kind, &err) != EK_OK) return complain(args, &err);
    if (o->kind == EK_FILE_CHECKPOINT || o->kind == EK_FILE_SAVED_MODEL_FOLDER || o->kind == EK_FILE_SAVED_MODEL ||
        o->kind == EK_FILE_SAVED_MODEL_TEXT) {
        if (given == NULL)
            return o->kind == EK_FILE_CHECKPOINT ? take_checkpoint(args, o, path) : open_saved_model(args, o, path);
        cli_complain(args->command,
                     "'%s' is %s, which has its values with it: --checkpoint goes with a MetaGraphDef or GraphDef",
                     path, ek__file_kind_name(o->kind));
        return false;
    }
    return open_graph(args, o, path) && (given == NULL || take_checkpoint(args, o, given));
}

static ek_status restore(cli_origin *o, ek_error *err)
{
    ek_saver *saver = ek_saver_of_graph(o->graph);

    if (saver == NULL) saver = ek_saver_create(o->graph);
    if (saver == NULL) return ek_graph_status(o->graph, err);
    return ek_saver_restore(saver, o->session, o->checkpoint, err);
}

bool cli_origin_start(const cli_args *args, cli_origin *o)
{
    ek_error err = { .code = EK_OK };
    ek_status st = EK_OK;

    o->session = ek_session_create(o->graph, .error = &err);
    if (o->session == NULL) return complain(args, &err);
    if (o->saved != NULL) st = ek_saved_model_restore(o->session, o->folder, &err);
    else if (o->checkpoint != NULL) st = restore(o, &err);
    return st == EK_OK || complain(args, &err);
}

void cli_origin_close(cli_origin *o)
{
    ek_session_destroy(o->session);
    ek_graph_destroy(o->graph);
    ek_saved_model_close(o->saved);
    ek__free(o->checkpoint);
    ek__free(o->folder);
    *o = (cli_origin){ .kind = EK_FILE_OTHER };
}
