/* cli/cmd_inspect.c - evenkeel inspect: what is in a file, whatever it is. */
#include "cli/inspect.h"

/* Options that ask for parts of a graph. */
static bool asks_for_graph(const cli_args *args)
{
    return cli_has(args, CLI_OPS) || cli_has(args, CLI_VARIABLES) || cli_has(args, CLI_COLLECTIONS) ||
           cli_has(args, CLI_SITES);
}

static int inspect(const cli_args *args, const cli_model *m)
{
    const bool values = m->checkpoint != NULL && (!asks_for_graph(args) || cli_has(args, CLI_SAVE_NPZ));
    cli_values v = { .checkpoint = NULL };
    int status = CLI_FAILED;

    if (m->checkpoint == NULL && cli_has(args, CLI_SAVE_NPZ)) {
        cli_complain(args->command, "--save-npz saves the tensors of a checkpoint; '%s' has none", args->operand[0]);
    } else if (!values || cli_values_open(args, m, &v)) {
        const bool graph = m->graph != NULL && (m->kind != EK_FILE_CHECKPOINT || asks_for_graph(args));

        status = graph ? cli_inspect_graph(args, m, values ? &v : NULL) : cli_inspect_checkpoint(args, &v);
    }
    cli_values_close(&v);
    return status;
}

/* Neither a model nor anything that complains of not being one. */
static bool may_be_data(const char *path)
{
    ek_error quiet = { .code = EK_OK };
    ek_file_kind kind;

    return ek__file_kind(path, &kind, &quiet) == EK_OK && (kind == EK_FILE_OTHER || kind == EK_FILE_NPY);
}

int cli_inspect(const cli_args *args)
{
    cli_model m;
    int status = CLI_FAILED;

    if (!cli_feed_goes_with_sites(args)) return CLI_USAGE;
    if (may_be_data(args->operand[0]) && cli_inspect_data(args, &status)) return status;
    if (cli_model_open(args, asks_for_graph(args), &m)) status = inspect(args, &m);
    cli_model_close(&m);
    return status;
}
