/* cli/help.c - what a command does and takes, for a terminal. */
#include "cli/options.h"

static void print_options(FILE *f, unsigned mask)
{
    for (int i = 0; i < CLI_OPTION_COUNT; i++) {
        const cli_option *o = &cli_options[i];
        char left[128];

        if ((o->commands & mask) == 0) continue;
        snprintf(left, sizeof left, o->argument != NULL ? "--%s %s" : "--%s", o->name, o->argument);
        if (strlen(left) > 20) fprintf(f, "  %s\n%23s%s\n", left, "", o->help);
        else fprintf(f, "  %-20s %s\n", left, o->help);
    }
}

void cli_print_synopsis(FILE *f, const cli_command *command)
{
    fputs(command->name, f);
    for (int i = 0; i < CLI_MAX_OPERANDS && command->operand[i] != NULL; i++)
        fprintf(f, i < command->least ? " %s" : " [%s]", command->operand[i]);
    if (command->options != NULL) fprintf(f, " %s", command->options);
}

void cli_print_help(FILE *f, const cli_command *command)
{
    if (command != NULL) {
        fputs("evenkeel ", f);
        cli_print_synopsis(f, command);
        fprintf(f, "\n\n%s\n\nOptions:\n", command->details);
        print_options(f, command->id);
        return;
    }
    fprintf(f, "evenkeel COMMAND ...\n\nTensorFlow 1's graphs from the command line.\n\nCommands:\n");
    for (int i = 0; i < cli_command_count; i++)
        fprintf(f, "  %-20s %s\n", cli_commands[i].name, cli_commands[i].summary);
    fprintf(f, "\nOptions:\n");
    print_options(f, CLI_TOP);
    fprintf(f, "\nResults go to standard output, complaints to standard error.\n"
               "Exit status: 0 done, 1 failed, 2 wrong usage.\n");
}
