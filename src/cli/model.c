/* cli/model.c - models: what was given, its graph, a session with its values. */
#include "cli/model.h"

#include <sys/stat.h>

static bool is_folder(const char *path)
{
    struct stat s;

    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

/* What was expected, below the complaint. */
static void explain(const char *path, const ek_error *err)
{
    if (err->code == EK_INVALID_ARGUMENT || err->code == EK_DATA_LOSS)
        fprintf(stderr, "    '%s' was expected to be a GraphDef, binary or text\n", path);
}

static bool open_graph_def(const cli_args *args, const char *path, cli_model *m)
{
    const char *what = cli_looks_like(path);
    ek_error err = { .code = EK_OK };

    if (what != NULL) {
        cli_complain(args->command, "'%s' is no GraphDef; it looks like %s", path, what);
        return false;
    }
    if (ek_graph_load(path, &m->graph, &err) == EK_OK) return true;
    cli_complain_error(args->command, &err);
    explain(path, &err);
    return false;
}

static bool open_meta_graph(const cli_args *args, const char *path, cli_model *m)
{
    ek_error err = { .code = EK_OK };

    if (ek_meta_graph_load(path, &m->graph, .error = &err) == EK_OK) return true;
    cli_complain_error(args->command, &err);
    return false;
}

bool cli_model_open(const cli_args *args, cli_model *m)
{
    const char *path = args->operand[0];
    ek_error err = { .code = EK_OK };

    *m = (cli_model){ .kind = EK_FILE_OTHER };
    if (ek__file_kind(path, &m->kind, &err) != EK_OK) {
        cli_complain_error(args->command, &err);
        return false;
    }
    if (m->kind == EK_FILE_META_GRAPH || m->kind == EK_FILE_META_GRAPH_TEXT) return open_meta_graph(args, path, m);
    if (is_folder(path)) {
        cli_complain(args->command, "'%s' is a folder (a SavedModel?); a file with a GraphDef was expected", path);
        return false;
    }
    if (m->kind == EK_FILE_CHECKPOINT) {
        cli_complain(args->command, "'%s' is the prefix of a checkpoint; a file with a GraphDef was expected", path);
        return false;
    }
    return open_graph_def(args, path, m);
}

bool cli_model_open_graph(const cli_args *args, cli_model *m)
{
    return cli_model_open(args, m);
}

/* Every variable its initial value. */
static ek_status initialize(cli_model *m, ek_error *err)
{
    const ek_op globals = ek_global_variables_initializer(m->graph), locals = ek_local_variables_initializer(m->graph);

    EK_TRY(ek_graph_status(m->graph, err));
    return ek_run(m->session, .target = { globals, locals }, .error = err);
}

bool cli_model_start(const cli_args *args, cli_model *m, const cli_start *how)
{
    ek_error err = { .code = EK_OK };
    ek_status st = EK_OK;

    m->session = ek_session_create(m->graph, .threads = (int)cli_integer(args, CLI_THREADS, 0), .report = how->report,
                                   .report_arg = how->report_arg, .error = &err);
    if (m->session == NULL) st = err.code;
    if (st == EK_OK && how->initialize) st = initialize(m, &err);
    if (st == EK_OK) return true;
    cli_complain_error(args->command, &err);
    return false;
}

int cli_model_save(const cli_args *args, cli_model *m, const char *prefix)
{
    EK_UNUSED(m);
    cli_complain(args->command, "'%s' cannot be written: checkpoints are not there yet", prefix);
    return CLI_FAILED;
}

void cli_model_close(cli_model *m)
{
    ek_session_destroy(m->session);
    ek_graph_destroy(m->graph);
    *m = (cli_model){ .kind = EK_FILE_OTHER };
}
