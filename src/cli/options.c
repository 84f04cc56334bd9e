/* cli/options.c - the option table, and everything that follows from it. */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#define ALL (CLI_RUN | CLI_INSPECT | CLI_DOT)

const cli_option cli_options[CLI_OPTION_COUNT] = {
    [CLI_FEED] = { "feed", "NAME=VALUE", CLI_RUN | CLI_INSPECT | CLI_DOT,
                   "what tensor NAME is: a .npy file, a number, or a list like [[1,2],[3,4]]; may be repeated" },
    [CLI_FETCH] = { "fetch", "NAME[=OUT]", CLI_RUN,
                    "compute tensor NAME and print it, or save it as the .npy file OUT; may be repeated" },
    [CLI_REPEAT] = { "repeat", "N", CLI_RUN, "after one run to warm up, time N more: median and spread" },
    [CLI_THREADS] = { "threads", "N", CLI_RUN, "use at most N threads (default: one per processor)" },
    [CLI_OPS] = { "ops", NULL, CLI_INSPECT, "list the operations, in the order of the file" },
    [CLI_VARIABLES] = { "variables", NULL, CLI_INSPECT, "list the variables" },
    [CLI_COLLECTIONS] = { "collections", NULL, CLI_INSPECT, "list the collections" },
    [CLI_SITES] = { "sites", NULL, CLI_INSPECT | CLI_DOT, "the batch norms, forward and backward; --feed sets their flags" },
    [CLI_JSON] = { "json", NULL, CLI_RUN | CLI_INSPECT, "print JSON, for programs" },
    [CLI_HELP] = { "help", NULL, ALL | CLI_TOP, "print this" },
    [CLI_VERSION] = { "version", NULL, CLI_TOP, "print the version" },
};

/* ---- complaints ------------------------------------------------------------------------------- */

/* Files and arguments may bring what steers a terminal. */
static void put_readable(const char *s)
{
    for (; *s != '\0'; s++) fputc((*s > 0 && *s < ' ' && *s != '\n' && *s != '\t') || *s == 0x7f ? '?' : *s, stderr);
}

void cli_complain(const cli_command *command, const char *fmt, ...)
{
    char text[4096];
    va_list args;

    fprintf(stderr, "evenkeel%s%s: ", command != NULL ? " " : "", command != NULL ? command->name : "");
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    put_readable(text);
    fputc('\n', stderr);
}

int cli_no_memory(const cli_command *command)
{
    cli_complain(command, "no memory");
    return CLI_FAILED;
}

int cli_complain_error(const cli_command *command, const ek_error *err)
{
    cli_complain(command, "%s: %s", ek_status_name(err->code), err->text);
    if (err->node[0] != '\0' && strstr(err->text, err->node) == NULL) {
        fputs("    at node '", stderr);
        put_readable(err->node);
        fputs("'\n", stderr);
    }
    return CLI_FAILED;
}

int cli_see_help(const cli_command *command)
{
    if (command != NULL) {
        fprintf(stderr, "Try 'evenkeel help %s'.\n", command->name);
    } else {
        fprintf(stderr, "Try 'evenkeel help'.\n");
    }
    return CLI_USAGE;
}

/* ---- the nearest name --------------------------------------------------------------------------- */

/* Insertions, deletions and replacements that make b of a; names beyond 100 characters count as far. */
static int distance(const char *a, const char *b)
{
    const size_t n = strlen(a), m = strlen(b);
    int row[101];

    if (n > 100 || m > 100) return 1000;
    for (size_t j = 0; j <= m; j++) row[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int diagonal = row[0];

        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            const int above = row[j];
            int best = diagonal + (a[i - 1] != b[j - 1]);

            if (above + 1 < best) best = above + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[m];
}

const char *cli_nearest(const char *typed, int64_t n, const char *(*name)(const void *arg, int64_t i), const void *arg)
{
    const char *best = NULL;
    int least = (int)strlen(typed) / 2 + 1; /* more than every second character wrong is another word */

    for (int64_t i = 0; i < n; i++) {
        const char *candidate = name(arg, i);
        const int d = candidate != NULL ? distance(typed, candidate) : 1000;

        if (d < least) {
            least = d;
            best = candidate;
        }
    }
    return best;
}

/* ---- parsing -------------------------------------------------------------------------------------- */

static const char *option_name(const void *commands, int64_t i)
{
    return (cli_options[i].commands & *(const unsigned *)commands) != 0 ? cli_options[i].name : NULL;
}

static const char *command_name(const void *arg, int64_t i)
{
    EK_UNUSED(arg);
    return cli_commands[i].name;
}

/* Says what is wrong with the word that getopt_long stopped at. */
static int refuse(const cli_command *command, unsigned mask, int problem, const char *word, int id)
{
    char typed[128];
    const char *near = NULL;

    if (problem == ':') {
        cli_complain(command, "option '--%s' needs %s", cli_options[id].name, cli_options[id].argument);
        return cli_see_help(command);
    }
    snprintf(typed, sizeof typed, "%s", word + strspn(word, "-"));
    typed[strcspn(typed, "=")] = '\0';
    if (id >= 0) {
        cli_complain(command, "option '--%s' takes no value", cli_options[id].name);
        return cli_see_help(command);
    }
    near = cli_nearest(typed, CLI_OPTION_COUNT, option_name, &mask);
    if (near != NULL) {
        cli_complain(command, "unknown option '%s'; did you mean '--%s'?", word, near);
    } else {
        cli_complain(command, "unknown option '%s'", word);
    }
    return cli_see_help(command);
}

int cli_parse(const cli_command *command, int argc, char **argv, cli_args *args)
{
    const unsigned mask = command != NULL ? command->id : CLI_TOP;
    struct option table[CLI_OPTION_COUNT + 1] = { 0 };
    int n = 0, c;

    *args = (cli_args){ .command = command };
    args->given = ek__calloc((size_t)argc + 1, sizeof *args->given);
    if (args->given == NULL) return cli_no_memory(command);
    for (int i = 0; i < CLI_OPTION_COUNT; i++) {
        if ((cli_options[i].commands & mask) == 0) continue;
        table[n++] = (struct option){ cli_options[i].name, cli_options[i].argument != NULL ? required_argument : no_argument,
                                      NULL, 256 + i };
    }
    optind = 0; /* restarts getopt */
    opterr = 0;
    /* What stands before a command ends at the command. */
    while ((c = getopt_long(argc, argv, command != NULL ? ":" : "+:", table, NULL)) != -1) {
        if (c < 256) {
            const int status = refuse(command, mask, c, argv[optind - 1], optopt >= 256 ? optopt - 256 : -1);

            cli_args_free(args);
            return status;
        }
        args->given[args->n_given].id = (cli_option_id)(c - 256);
        args->given[args->n_given++].value = optarg != NULL ? optarg : "";
    }
    args->operand = argv + optind;
    args->n_operands = argc - optind;
    return CLI_DONE;
}

void cli_args_free(cli_args *args)
{
    ek__free(args->given);
    args->given = NULL;
}

const char *cli_value(const cli_args *args, cli_option_id id, int n)
{
    for (int i = 0; i < args->n_given; i++)
        if (args->given[i].id == id && n-- == 0) return args->given[i].value;
    return NULL;
}

bool cli_number(const cli_args *args, cli_option_id id, int most, int missing, int *out)
{
    const char *text = NULL, *next;
    char *end;
    long v;

    for (int i = 0; (next = cli_value(args, id, i)) != NULL; i++) text = next;
    *out = missing;
    if (text == NULL) return true;
    errno = 0;
    v = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || v < 1 || v > most) {
        cli_complain(args->command, "option '--%s' needs a number from 1 to %d, found '%s'", cli_options[id].name, most, text);
        return false;
    }
    *out = (int)v;
    return true;
}

const cli_command *cli_find_command(const char *name)
{
    const char *near;

    for (int i = 0; i < cli_command_count; i++)
        if (strcmp(cli_commands[i].name, name) == 0) return &cli_commands[i];
    near = cli_nearest(name, cli_command_count, command_name, NULL);
    if (near != NULL) {
        cli_complain(NULL, "unknown command '%s'; did you mean '%s'?", name, near);
    } else {
        cli_complain(NULL, "unknown command '%s'", name);
    }
    return NULL;
}

/* ---- help ------------------------------------------------------------------------------------------- */

static void print_options(FILE *f, unsigned mask)
{
    for (int i = 0; i < CLI_OPTION_COUNT; i++) {
        const cli_option *o = &cli_options[i];
        char left[64];

        if ((o->commands & mask) == 0) continue;
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->argument != NULL ? " " : "", o->argument != NULL ? o->argument : "");
        fprintf(f, "  %-20s %s\n", left, o->help);
    }
}

void cli_print_help(FILE *f, const cli_command *command)
{
    if (command != NULL) {
        fprintf(f, "evenkeel %s %s\n\n%s\n\nOptions:\n", command->name, command->operands, command->details);
        print_options(f, command->id);
        return;
    }
    fprintf(f, "evenkeel COMMAND ...\n\nTensorFlow 1's graphs from the command line.\n\nCommands:\n");
    for (int i = 0; i < cli_command_count; i++) fprintf(f, "  %-20s %s\n", cli_commands[i].name, cli_commands[i].summary);
    fprintf(f, "  %-20s %s\n\nOptions:\n", "help [COMMAND]", "print what a command does and takes");
    print_options(f, CLI_TOP);
    fprintf(f, "\nResults go to standard output, complaints to standard error.\n"
               "Exit status: 0 done, 1 failed, 2 wrong usage.\n");
}
