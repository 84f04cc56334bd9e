/* cli/model.c - models: what was given, its graph, a session with its values. */
#include "cli/model.h"

#include <unistd.h>

#include "base/file.h"
#include "saver/by_name.h"


static bool complain(const cli_args *args, const ek_error *err)
{
    cli_complain_error(args->command, err);
    return false;
}

/* ---- graphs ---------------------------------------------------------------------------------------------- */

static bool open_graph_def(const cli_args *args, const char *path, cli_model *m)
{
    const char *what = cli_looks_like(path);
    ek_error err = { .code = EK_OK };

    if (what != NULL) {
        cli_complain(args->command, "'%s' is no model; it looks like %s", path, what);
        return false;
    }
    if (ek_graph_load(path, &m->graph, &err) == EK_OK) return true;
    cli_complain_error(args->command, &err);
    if (err.code == EK_INVALID_ARGUMENT || err.code == EK_DATA_LOSS)
        fprintf(stderr, "    '%s' was expected to be a GraphDef, binary or text\n", path);
    return false;
}

static bool open_meta_graph(const cli_args *args, const char *path, cli_model *m)
{
    ek_error err = { .code = EK_OK };

    return ek_meta_graph_load(path, &m->graph, .error = &err) == EK_OK || complain(args, &err);
}

/* ---- checkpoints ------------------------------------------------------------------------------------------- */

static bool exists(const char *prefix, int size, const char *ending)
{
    ek_buf path = { 0 };
    bool there;

    ek__buf_printf(&path, "%.*s%s", size, prefix, ending);
    there = !path.failed && access(path.data, F_OK) == 0;
    ek__buf_fini(&path);
    return there;
}

/* One of the files with the data of a checkpoint: nothing in it says so, but what stands beside it does. */
static bool is_shard(const char *path)
{
    const char *at = strstr(path, ".data-");

    return at != NULL && exists(path, (int)(at - path), ".index");
}

/* The prefix that is meant: of one of its files, of the latest in a folder, or as it stands. */
static char *prefix_of(const cli_args *args, const char *given)
{
    static const char *const endings[] = { ".index", ".meta", ".data-" };
    int size = (int)strlen(given);
    char *latest = ek_latest_checkpoint(given, NULL), *copy;

    if (latest != NULL) return latest;
    for (int i = 0; i < EK_COUNT_OF(endings); i++) {
        const char *at = strstr(given, endings[i]);

        for (const char *next = at; next != NULL; next = strstr(next + 1, endings[i])) at = next;
        if (at == NULL || !exists(given, (int)(at - given), ".index")) continue;
        if (i < 2 && at[strlen(endings[i])] != '\0') continue;
        size = (int)(at - given);
        break;
    }
    copy = ek__alloc((size_t)size + 1);
    if (copy == NULL) {
        (void)cli_no_memory(args->command);
        return NULL;
    }
    memcpy(copy, given, (size_t)size);
    copy[size] = '\0';
    return copy;
}

char *cli_find_checkpoint(const cli_args *args, const char *given)
{
    char *prefix = prefix_of(args, given);

    if (prefix == NULL || ek_checkpoint_exists(prefix)) return prefix;
    cli_complain(args->command, "there is no checkpoint '%s'", given);
    ek__free(prefix);
    return NULL;
}

/* What --checkpoint says, if it was given. */
static bool take_checkpoint(const cli_args *args, cli_model *m)
{
    const char *given = cli_text(args, CLI_CHECKPOINT, cli_text(args, CLI_TRAIN_CHECKPOINT, NULL));

    if (given == NULL) return true;
    m->checkpoint = cli_find_checkpoint(args, given);
    return m->checkpoint != NULL;
}

/* Beside what has its values with it --checkpoint is one too many. False after complaining. */
static bool has_no_checkpoint(const cli_args *args, const char *path, const cli_model *m)
{
    if (!cli_has(args, CLI_CHECKPOINT) && !cli_has(args, CLI_TRAIN_CHECKPOINT)) return true;
    cli_complain(args->command, "'%s' is %s, which has its values with it: --checkpoint goes with a MetaGraphDef or GraphDef",
                 path, ek__file_kind_name(m->kind));
    return false;
}

/* The MetaGraphDef that was saved with a checkpoint: the prefix without "-00000-of-00002", and ".meta". False after
 * complaining where it cannot be read. */
static bool open_meta_beside(const cli_args *args, cli_model *m)
{
    const size_t n = strlen(m->checkpoint), shard = strlen("-00000-of-00000");
    const bool sharded = n > shard && m->checkpoint[n - shard] == '-' && memcmp(m->checkpoint + n - 9, "-of-", 4) == 0;
    ek_buf path = { 0 };
    bool ok = true;

    ek__buf_add(&path, m->checkpoint, sharded ? n - shard : n);
    ek__buf_str(&path, ".meta");
    if (path.failed) {
        ok = cli_no_memory(args->command) == CLI_DONE;
    } else if (access(path.data, F_OK) == 0) {
        ok = open_meta_graph(args, path.data, m);
    }
    ek__buf_fini(&path);
    return ok;
}

static bool open_checkpoint(const cli_args *args, const char *path, bool needs_graph, cli_model *m)
{
    m->kind = EK_FILE_CHECKPOINT;
    if (!has_no_checkpoint(args, path, m)) return false;
    m->checkpoint = prefix_of(args, path);
    if (m->checkpoint == NULL || !open_meta_beside(args, m)) return false;
    if (m->graph != NULL || !needs_graph) return true;
    cli_complain(args->command, "'%s' is a checkpoint, and there is no '%s.meta' with its graph", path, m->checkpoint);
    return false;
}

/* ---- SavedModels --------------------------------------------------------------------------------------------- */

/* The tags of --tags, split at commas, in `room`; returns how many, -1 after complaining. */
static int split_tags(const cli_args *args, char *room, size_t size, const char **tag, int most)
{
    const char *given = cli_text(args, CLI_TAGS, "");
    int n = 0;

    if (strlen(given) >= size) {
        cli_complain(args->command, "--tags is longer than %zu characters", size - 1);
        return -1;
    }
    strcpy(room, given);
    for (char *rest = room, *next; (next = strsep(&rest, ",")) != NULL;) {
        if (*next == '\0') continue;
        if (n == most) {
            cli_complain(args->command, "--tags has more than %d tags", most);
            return -1;
        }
        tag[n++] = next;
    }
    return n;
}

/* The MetaGraph that --tags means; without it the only one, else the one to be served. */
static bool choose_meta_graph(const cli_args *args, cli_model *m)
{
    ek_error err = { .code = EK_OK };
    const char *tag[EK_SAVED_MODEL_TAGS];
    char room[1024];
    int n = 0;

    if (!cli_has(args, CLI_TAGS) && ek_saved_model_count(m->saved) == 1) return true;
    tag[n++] = EK_TAG_SERVE;
    if (cli_has(args, CLI_TAGS)) n = split_tags(args, room, sizeof room, tag, EK_COUNT_OF(tag));
    return n >= 0 && (ek_saved_model_find(m->saved, tag, n, &m->meta_graph, &err) == EK_OK || complain(args, &err));
}

/* The folder, and the values in it: DIR/variables/variables, if they are there. */
static bool find_variables(const cli_args *args, const char *path, cli_model *m)
{
    const size_t size = m->kind == EK_FILE_SAVED_MODEL_FOLDER ? strlen(path) : ek__file_folder_size(path);
    ek_buf folder = { 0 }, prefix = { 0 };

    ek__buf_add(&folder, size > 0 ? path : ".", size > 0 ? size : 1);
    ek__buf_printf(&prefix, "%s/variables/variables", folder.failed ? "" : folder.data);
    m->folder = folder.data;
    if (folder.failed || prefix.failed) {
        ek__buf_fini(&prefix);
        return cli_no_memory(args->command) == CLI_DONE;
    }
    if (ek_checkpoint_exists(prefix.data)) {
        m->checkpoint = prefix.data;
    } else {
        ek__buf_fini(&prefix);
    }
    return true;
}

/* By --signature, else "serving_default" if there is one. */
static bool choose_signature(const cli_args *args, cli_model *m)
{
    const char *key = cli_text(args, CLI_SIGNATURE, EK_SERVING_DEFAULT);
    ek_signature s;

    if (ek_graph_signature(m->graph, key, &m->signature)) return true;
    m->signature = (ek_signature){ .key = NULL };
    if (!cli_has(args, CLI_SIGNATURE)) return true;
    cli_complain(args->command,
                 ek_graph_signature_count(m->graph) > 0 ? "there is no signature '%s'; there are:"
                                                        : "there is no signature '%s', nor any other",
                 key);
    for (int i = 0; ek_graph_signature_at(m->graph, i, &s); i++) fprintf(stderr, "    %s\n", s.key);
    return false;
}

static bool open_saved_model(const cli_args *args, const char *path, cli_model *m)
{
    ek_error err = { .code = EK_OK };

    if (!has_no_checkpoint(args, path, m)) return false;
    if (ek_saved_model_open(path, &m->saved, &err) != EK_OK) return complain(args, &err);
    if (!choose_meta_graph(args, m) || !find_variables(args, path, m)) return false;
    return ek_saved_model_graph(m->saved, m->meta_graph, &m->graph, &err) == EK_OK || complain(args, &err);
}

/* ---- whatever it is --------------------------------------------------------------------------------------------- */

static bool open_model(const cli_args *args, const char *path, bool needs_graph, cli_model *m)
{
    ek_error err = { .code = EK_OK };

    if (ek__file_kind(path, &m->kind, &err) != EK_OK) return complain(args, &err);
    switch (m->kind) {
    case EK_FILE_SAVED_MODEL:
    case EK_FILE_SAVED_MODEL_TEXT:
    case EK_FILE_SAVED_MODEL_FOLDER: return open_saved_model(args, path, m);
    case EK_FILE_CHECKPOINT: return open_checkpoint(args, path, needs_graph, m);
    case EK_FILE_META_GRAPH:
    case EK_FILE_META_GRAPH_TEXT: return open_meta_graph(args, path, m) && take_checkpoint(args, m);
    case EK_FILE_FOLDER:
        cli_complain(args->command, "'%s' is a folder without a saved_model.pb or a checkpoint", path);
        return false;
    default: break;
    }
    if (is_shard(path)) return open_checkpoint(args, path, needs_graph, m);
    return open_graph_def(args, path, m) && take_checkpoint(args, m);
}

bool cli_model_open(const cli_args *args, bool needs_graph, cli_model *m)
{
    *m = (cli_model){ .kind = EK_FILE_OTHER };
    if (!open_model(args, args->operand[0], needs_graph, m)) return false;
    return m->graph == NULL || choose_signature(args, m);
}

/* ---- values -------------------------------------------------------------------------------------------------------- */

/* Every variable its initial value. */
static ek_status initialize(cli_model *m, ek_error *err)
{
    const ek_op globals = ek_global_variables_initializer(m->graph), locals = ek_local_variables_initializer(m->graph);

    EK_TRY(ek_graph_status(m->graph, err));
    return ek_run(m->session, .target = { globals, locals }, .error = err);
}

/* The graph's own saver; one made for its variables where it came with none. NULL after a failure, in *err. */
static ek_saver *saver_of(cli_model *m, ek_error *err)
{
    ek_saver *saver = ek_saver_of_graph(m->graph);

    if (saver == NULL) saver = ek_saver_create(m->graph);
    if (saver == NULL && ek_graph_status(m->graph, err) == EK_OK) *err = *ek_last_error();
    return saver;
}

/* A bare GraphDef says of no variable that it is one, so that a saver finds none. */
static ek_status restore(cli_model *m, ek_error *err)
{
    ek_saver *saver;

    if (ek_global_variables(m->graph).count == 0) return ek__restore_by_name(m->session, m->graph, m->checkpoint, err);
    saver = saver_of(m, err);
    return saver != NULL ? ek_saver_restore(saver, m->session, m->checkpoint, err) : err->code;
}

bool cli_model_start(const cli_args *args, cli_model *m, const cli_start *how)
{
    ek_error err = { .code = EK_OK };
    ek_status st = EK_OK;

    m->session = ek_session_create(m->graph, .threads = (int)cli_integer(args, CLI_THREADS, 0), .report = how->report,
                                   .report_arg = how->report_arg, .error = &err);
    if (m->session == NULL) st = err.code;
    if (st == EK_OK && m->saved != NULL) {
        st = ek_saved_model_restore(m->session, m->folder, &err);
    } else if (st == EK_OK && m->checkpoint != NULL) {
        st = restore(m, &err);
    } else if (st == EK_OK && how->initialize) {
        st = initialize(m, &err);
    }
    return st == EK_OK || complain(args, &err);
}

int cli_model_save(const cli_args *args, cli_model *m, const char *prefix)
{
    ek_error err = { .code = EK_OK };
    ek_saver *saver = saver_of(m, &err);

    /* One that writes version 1 is left as it is. */
    if (saver != NULL && ek_saver_get_def(saver)->version == 1) saver = ek_saver_create(m->graph);
    if (saver != NULL && ek_saver_save(saver, m->session, prefix, .error = &err) == EK_OK) return CLI_DONE;
    return cli_complain_error(args->command, &err);
}

void cli_model_close(cli_model *m)
{
    ek_session_destroy(m->session);
    ek_graph_destroy(m->graph);
    ek_saved_model_close(m->saved);
    ek_free(m->checkpoint);
    ek_free(m->folder);
    *m = (cli_model){ .kind = EK_FILE_OTHER };
}
