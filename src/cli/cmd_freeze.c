/* cli/cmd_freeze.c - evenkeel freeze: a model as one GraphDef, its variables constants. */
#include "cli/keep.h"

int cli_freeze(const cli_args *args)
{
    cli_model m;
    int status = CLI_FAILED;

    if (!cli_has(args, CLI_OUTPUT)) {
        cli_complain(args->command, "where is the frozen graph to go? --output FILE");
        return cli_see_help(args->command);
    }
    if (cli_model_open(args, true, &m))
        status = cli_freeze_to(args, &m, cli_text(args, CLI_OUTPUT, NULL), cli_has(args, CLI_AS_TEXT));
    cli_model_close(&m);
    return status;
}
