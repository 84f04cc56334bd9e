/* cli/main.c - the command evenkeel: finds the subcommand and runs it. */
#include <errno.h>

#include "cli/commands.h"

const cli_command cli_commands[] = {
    { CLI_RUN, "run", { "MODEL" }, 1, "[--feed NAME=VALUE ...] [--fetch NAME[=OUT] ...]", "run a graph: feed tensors, fetch tensors",
      "Runs the graph of MODEL and prints the fetched tensors as numpy prints arrays. MODEL is a GraphDef or MetaGraphDef,\n"
      "binary or text, the prefix of a checkpoint that has its .meta beside it, a folder with such a checkpoint, or a\n"
      "SavedModel. Without feeds and fetches it says what can be fed and fetched. Tensors are named as in TensorFlow, with or\n"
      "without ':0'; any tensor can be fed, not only placeholders; what has a signature goes by its names as well, and gives\n"
      "all its outputs where nothing is fetched. A VALUE takes the type of the tensor it feeds: a number (1, 2.5e-3, nan),\n"
      "True or False, a string in quotes, a list in brackets of those, or the name of a .npy file.",
      cli_run },
    { CLI_INSPECT, "inspect", { "MODEL" }, 1, "[--ops] [--variables] [--collections] [--sites] [--save-npz OUT.npz]",
      "say what is in a model, a checkpoint or a file of data",
      "Says what is in MODEL. Of a graph: how many operations of which types, what can be fed and fetched, variables, and\n"
      "types that this version cannot run; of a MetaGraphDef or SavedModel also collections, tags, saver, signatures. Lists\n"
      "are in TensorFlow's printed forms. With --sites: where batch normalization is applied, and where its gradients are,\n"
      "whatever ops they are written in; a site that a flag switches is listed once, unless --feed says what the flag is.\n"
      "Of a checkpoint: its tensors, and what the moving statistics of each batch norm look like: as initialized, never\n"
      "updated, not finite, suspicious; which variables they are is told by the graph (PREFIX.meta, or MODEL with\n"
      "--checkpoint), else by names. Of arrays (.npy, .npz, IDX), records and events: what they hold.",
      cli_inspect },
    { CLI_TRAIN | CLI_TRAIN_META, "train", { "MODEL" }, 0, "[--model NAME] [--data DIR] [--steps N] [--logdir DIR] ...",
      "train a built-in network, or a graph that TensorFlow wrote",
      "Without MODEL: trains a built-in network on images with labels and says how many unseen ones it names rightly. With\n"
      "--logdir it leaves checkpoints that TensorFlow reads and events for TensorBoard; Ctrl-C saves and stops (status 130), and\n"
      "--resume goes on with the same numbers as if nothing had happened. The last partial batch of an epoch is left out.\n"
      "\n"
      "With MODEL, --train-op and --steps: trains the MetaGraphDef in the file MODEL. In each step its train op and what is\n"
      "fetched run once, so that a loss is that before the step. Feeds are as for run; an array with one axis more than its\n"
      "placeholder holds a feed per step, used in turn and over again, and a placeholder of unknown rank takes the array whole.\n"
      "Variables begin with the values of --checkpoint, else with those of their initializers.\n"
      "\n"
      "What the session notices about its batch norms is told once per rule.",
      cli_train },
    { CLI_DOT, "dot", { "MODEL" }, 1, "[--sites]", "print a graph in Graphviz's language",
      "Prints the graph in the file MODEL for Graphviz: evenkeel dot model.pb | dot -Tsvg > model.svg\n"
      "With --sites each batch norm is one box, and so is each of its gradients; --feed as for inspect --sites.",
      cli_dot },
    { CLI_CONVERT, "convert", { "IN", "OUT" }, 2, "[--to FORM] [--checkpoint PREFIX] [--fetch NAME ...] [--text]",
      "write a model or a checkpoint in another form",
      "Writes IN (a GraphDef, a MetaGraphDef, a SavedModel, or the prefix of a checkpoint) as OUT. What OUT is to be, --to says:\n"
      "    checkpoint   the values: of the variables, or of a GraphDef of nothing but constants, by their names\n"
      "    frozen       a GraphDef with the variables as constants, cut down to the outputs\n"
      "    graphdef     the graph alone; of a checkpoint a GraphDef of constants\n"
      "    meta         OUT.meta, and the checkpoint OUT beside it where there are values\n"
      "    saved-model  a folder, new or empty; --fetch names what is served where IN has no signatures\n"
      "A GraphDef of nothing but constants becomes a checkpoint without being told, and a checkpoint a GraphDef of constants.\n"
      "Files take the place of old ones only when they are whole.",
      cli_convert },
    { CLI_FREEZE, "freeze", { "MODEL" }, 1, "--output FILE [--checkpoint PREFIX] [--fetch NAME ...] [--text]",
      "make one file of a graph and its variables",
      "Writes the graph of MODEL (a GraphDef or MetaGraphDef with --checkpoint, or a SavedModel) with its variables as constants,\n"
      "cut down to what the outputs need. Batch norms stay what they are; it says which would still use batch statistics.",
      cli_freeze },
    { CLI_HELP_COMMAND, "help", { "COMMAND" }, 0, NULL, "print what a command does and takes",
      "Prints what COMMAND does and which options it takes; without one, which commands there are.",
      cli_help },
};
const int cli_command_count = EK_COUNT_OF(cli_commands);

/* A result that did not reach its reader is a failure. */
static int finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    cli_complain(NULL, "cannot write the result: %s", strerror(errno));
    return CLI_FAILED;
}

static int run_command(int argc, char **argv)
{
    const cli_command *command = cli_find_command(argv[0]);
    cli_args args;
    int status;

    if (command == NULL) return cli_see_help(NULL);
    status = cli_parse(command, argc, argv, &args);
    if (status != CLI_DONE) return status;
    if (cli_has(&args, CLI_HELP)) {
        cli_print_help(stdout, command);
    } else {
        status = command->run(&args);
    }
    cli_args_free(&args);
    return status;
}

int main(int argc, char **argv)
{
    cli_args top;
    int status = cli_parse(NULL, argc, argv, &top);

    if (status != CLI_DONE) return status;
    if (cli_has(&top, CLI_VERSION)) {
        printf("evenkeel %s\n", ek_version());
    } else if (cli_has(&top, CLI_HELP)) {
        cli_print_help(stdout, NULL);
    } else if (top.n_operands == 0) {
        cli_print_help(stderr, NULL);
        status = CLI_USAGE;
    } else {
        status = run_command(top.n_operands, top.operand);
    }
    cli_args_free(&top);
    return finish(status);
}
