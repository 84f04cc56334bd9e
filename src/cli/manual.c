/* cli/manual.c - the man page, evenkeel(1), in the macros of man(7): made from the tables. */
#include "cli/options.h"
#include "evenkeel/status.h"

/* What the library reads in the environment (evenkeel/session.h). */
static const struct { const char *name, *what; } environment[] = {
    { "EK_LOG=plan", "print what the planner decides; or prune, shape, infer, fuse, place, all" },
    { "EK_WATCH=0", "say nothing of batch norms that are used wrongly" },
    { "EK_FUSE=0", "run node by node" },
    { "EK_CHECK=nan", "name the first node whose result is not finite" },
    { "EK_TRACE=FILE.json", "write what ran when, for chrome://tracing" },
    { "EK_CPU=base", "cap the instruction set; or avx2, avx512" },
};

/* Text as troff takes it: '\' and '-' stand for themselves, and no line begins with a request. */
static void put_text(FILE *f, const char *s)
{
    bool begins = true;

    for (; *s != '\0'; s++) {
        if (begins && (*s == '.' || *s == '\'')) fputs("\\&", f);
        begins = *s == '\n';
        if (*s == '\\') {
            fputs("\\e", f);
        } else if (*s == '-') {
            fputs("\\-", f);
        } else if (*s == '\'') {
            fputs("\\(aq", f);
        } else {
            fputc(*s, f);
        }
    }
}

static void print_options(FILE *f, unsigned mask)
{
    for (int i = 0; i < CLI_OPTION_COUNT; i++) {
        const cli_option *o = &cli_options[i];

        if ((o->commands & mask) == 0 || (i == CLI_HELP && mask != CLI_TOP)) continue;
        fputs(".TP\n.BI \\-\\-", f);
        put_text(f, o->name);
        if (o->argument != NULL) {
            fputs(" \" ", f);
            put_text(f, o->argument);
            fputc('"', f);
        }
        fputc('\n', f);
        put_text(f, o->help);
        fputs(".\n", f);
    }
}

static void print_command(FILE *f, const cli_command *command)
{
    fprintf(f, ".SS %s\n.B evenkeel %s\n", command->name, command->name);
    for (int i = 0; i < CLI_MAX_OPERANDS && command->operand[i] != NULL; i++)
        fprintf(f, i < command->least ? ".I %s\n" : ".RI [ %s ]\n", command->operand[i]);
    if (command->options != NULL) {
        put_text(f, command->options);
        fputc('\n', f);
    }
    fputs(".PP\n", f);
    put_text(f, command->details);
    fputc('\n', f);
    print_options(f, command->id);
}

void cli_print_manual(FILE *f)
{
    fprintf(f, ".\\\" Made by: evenkeel help --man\n.TH EVENKEEL 1 \"\" \"evenkeel %s\"\n", ek_version());
    fputs(".SH NAME\nevenkeel \\- TensorFlow 1\\(aqs graphs from the command line\n"
          ".SH SYNOPSIS\n.B evenkeel\n.I COMMAND\n.RI [ OPTION ]...\n"
          ".SH DESCRIPTION\n", f);
    for (int i = 0; i < cli_command_count; i++) {
        fprintf(f, ".TP\n.B %s\n", cli_commands[i].name);
        put_text(f, cli_commands[i].summary);
        fputs(".\n", f);
    }
    fputs(".PP\nResults go to standard output, complaints to standard error.\n", f);
    print_options(f, CLI_TOP);
    fputs(".SH COMMANDS\n", f);
    for (int i = 0; i < cli_command_count; i++) print_command(f, &cli_commands[i]);
    fputs(".SH EXIT STATUS\n0 done, 1 failed, 2 wrong usage.\n.SH ENVIRONMENT\n", f);
    for (int i = 0; i < EK_COUNT_OF(environment); i++) {
        fputs(".TP\n.B ", f);
        put_text(f, environment[i].name);
        fputc('\n', f);
        put_text(f, environment[i].what);
        fputs(".\n", f);
    }
}
