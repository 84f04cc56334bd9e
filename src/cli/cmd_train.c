/* cli/cmd_train.c - evenkeel train: which of its two forms was asked for. */
#include "cli/training.h"

int cli_train(const cli_args *args)
{
    if (args->n_operands == 1) return cli_only_options(args, CLI_TRAIN_META, "with MODEL") ? cli_train_meta(args) : CLI_USAGE;
    cli_complain(args->command, "MODEL is missing");
    return cli_see_help(args->command);
}
