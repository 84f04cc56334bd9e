/* cli/options.h - what the command understands: one table of options, one of commands. Parsing, help, and whatever else
 * must know them (a man page, completion) read these tables.
 */
#ifndef EK_CLI_OPTIONS_H
#define EK_CLI_OPTIONS_H

#include "base/base.h"

typedef enum cli_option_id {
    CLI_FEED, CLI_FETCH, CLI_REPEAT, CLI_THREADS, CLI_OPS, CLI_VARIABLES, CLI_COLLECTIONS, CLI_SITES, CLI_JSON, CLI_HELP,
    CLI_VERSION, CLI_OPTION_COUNT
} cli_option_id;

typedef enum cli_command_id { CLI_RUN = 1, CLI_INSPECT = 2, CLI_DOT = 4, CLI_TOP = 8 /* before any command */ } cli_command_id;

typedef struct cli_option {
    const char *name;
    const char *argument; /* what help calls it; NULL: none */
    unsigned commands;    /* those that take it */
    const char *help;
} cli_option;
extern const cli_option cli_options[CLI_OPTION_COUNT];

enum { CLI_MAX_GIVEN = 4096 };

/* A command line, parsed. Strings are argv's. */
typedef struct cli_args {
    const struct cli_command *command;
    struct {
        cli_option_id id;
        const char *value;
    } *given;        /* options in the order given */
    int n_given;
    char **operand;
    int n_operands;
} cli_args;

typedef struct cli_command {
    cli_command_id id;
    const char *name, *operands, *summary, *details;
    int (*run)(const cli_args *args); /* returns the exit status */
} cli_command;
extern const cli_command cli_commands[];
extern const int cli_command_count;

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* The n-th value of an option (0: the first); NULL when there are fewer. An option without argument has the value "". */
const char *cli_value(const cli_args *args, cli_option_id id, int n);
static inline bool cli_has(const cli_args *args, cli_option_id id) { return cli_value(args, id, 0) != NULL; }
/* The last value of an option as a number in [1, most]; `missing` when it was not given. False after complaining. */
bool cli_number(const cli_args *args, cli_option_id id, int most, int missing, int *out);

/* Parses argv (from the command's own name on). CLI_DONE: args is filled, the caller frees it by cli_args_free; else the
 * exit status, after complaining. --help and --version are given like any other option. */
int cli_parse(const cli_command *command, int argc, char **argv, cli_args *args);
void cli_args_free(cli_args *args);

const cli_command *cli_find_command(const char *name);
void cli_print_help(FILE *f, const cli_command *command); /* NULL: of the whole */

/* ---- complaints, on stderr -------------------------------------------------------------- */

/* "evenkeel run: ..." */
void cli_complain(const cli_command *command, const char *fmt, ...) EK_PRINTF(2, 3);
/* The same from a record; returns CLI_FAILED. */
int cli_no_memory(const cli_command *command); /* says so; CLI_FAILED */
int cli_complain_error(const cli_command *command, const ek_error *err);
/* Points to the help; returns CLI_USAGE. */
int cli_see_help(const cli_command *command);

/* The nearest of n names to what was typed, NULL where none is near. name(arg, i) gives them. */
const char *cli_nearest(const char *typed, int64_t n, const char *(*name)(const void *arg, int64_t i), const void *arg);

#endif
