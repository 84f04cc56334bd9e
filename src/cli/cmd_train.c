/* cli/cmd_train.c - evenkeel train: which of its two forms was asked for. */
#include "cli/training.h"

int cli_train(const cli_args *args)
{
    if (args->n_operands == 1)
        return cli_only_options(args, CLI_TRAIN_META, "a MODEL") ? cli_train_meta(args) : CLI_USAGE;
    return cli_only_options(args, CLI_TRAIN, "a built-in network (no MODEL is given)") ? cli_train_model(args) : CLI_USAGE;
}
