/* cli/cmd_help.c - evenkeel help: the table of options in each of its forms. */
#include "cli/commands.h"

int cli_help(const cli_args *args)
{
    const cli_command *command = NULL;

    if (args->n_operands > 0 && (command = cli_find_command(args->operand[0])) == NULL) return cli_see_help(NULL);
    if (cli_has(args, CLI_MAN)) {
        cli_print_manual(stdout);
    } else if (cli_has(args, CLI_COMPLETION)) {
        cli_print_completion(stdout);
    } else {
        cli_print_help(stdout, command);
    }
    return CLI_DONE;
}
