/* cli/options.h - what the command understands: one table of options, one of commands. Parsing, help, the man page and
 * completion read these tables and have no lists of their own.
 */
#ifndef EK_CLI_OPTIONS_H
#define EK_CLI_OPTIONS_H

#include "base/base.h"

/* Two commands may mean different things by one name: two ids, and no command has both. */
typedef enum cli_option_id {
    CLI_CHECKPOINT,
    CLI_TRAIN_CHECKPOINT,
    CLI_TAGS,
    CLI_SIGNATURE,
    CLI_FEED,
    CLI_FETCH,
    CLI_OUTPUT_NAME,
    CLI_TO,
    CLI_OUTPUT,
    CLI_AS_TEXT,
    CLI_TRAIN_OP,
    CLI_TRAIN_FEED,
    CLI_TRAIN_FETCH,
    CLI_STEPS,
    CLI_SAVE,
    CLI_REPEAT,
    CLI_THREADS,
    CLI_SAVE_NPZ,
    CLI_OPS,
    CLI_VARIABLES,
    CLI_COLLECTIONS,
    CLI_SITES,
    CLI_JSON,
    CLI_MODEL,
    CLI_DATA,
    CLI_BATCH_SIZE,
    CLI_OPTIMIZER,
    CLI_LEARNING_RATE,
    CLI_DECAY,
    CLI_SEED,
    CLI_EVAL_EVERY,
    CLI_EVAL_BATCH_SIZE,
    CLI_SAVE_EVERY,
    CLI_KEEP,
    CLI_LOGDIR,
    CLI_HOLD_OUT,
    CLI_PATIENCE,
    CLI_NO_BATCH_NORM,
    CLI_EXPORT,
    CLI_INIT_FROM,
    CLI_RESUME,
    CLI_MAN,
    CLI_COMPLETION,
    CLI_HELP,
    CLI_VERSION,
    CLI_OPTION_COUNT
} cli_option_id;

/* A bit each, for cli_option.commands; a command that has two forms has two. */
enum {
    CLI_RUN = 1 << 0,
    CLI_INSPECT = 1 << 1,
    CLI_DOT = 1 << 2,
    CLI_HELP_COMMAND = 1 << 3,
    CLI_TOP = 1 << 4 /* before any command */,
    CLI_TRAIN = 1 << 5 /* a built-in model */,
    CLI_TRAIN_META = 1 << 6 /* a MODEL */,
    CLI_CONVERT = 1 << 7,
    CLI_FREEZE = 1 << 8
};

/* What an argument is: the parser refuses what is not, completion offers what may be. */
typedef enum cli_kind {
    CLI_TEXT,    /* anything */
    CLI_FILE,    /* "NAME=FILE": what stands behind the '=' */
    CLI_FOLDER,  /* of words in lower case among the alternatives ("DIR|digits") each is one, too */
    CLI_PREFIX,  /* of a checkpoint */
    CLI_WORD,    /* one of the alternatives: "sgd|adam" */
    CLI_INTEGER, /* in [least, most] */
    CLI_REAL
} cli_kind;

typedef struct cli_option {
    const char *name;
    const char *argument; /* what help calls it; NULL: none */
    unsigned commands;    /* those that take it */
    const char *help;
    cli_kind kind;
    double least, most;   /* integers up to 2^53 */
} cli_option;
extern const cli_option cli_options[CLI_OPTION_COUNT];

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

enum { CLI_MAX_OPERANDS = 2 };

typedef struct cli_command {
    unsigned id; /* its bits */
    const char *name;
    const char *operand[CLI_MAX_OPERANDS]; /* what help calls them; NULL: no more */
    int least;                             /* so many of them must be given */
    const char *options;                   /* those that the first line of its help shows */
    const char *summary, *details;
    int (*run)(const cli_args *args); /* returns the exit status */
} cli_command;
extern const cli_command cli_commands[];
extern const int cli_command_count;

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* The n-th value of an option (0: the first); NULL when there are fewer. An option without argument has the value "". */
const char *cli_value(const cli_args *args, cli_option_id id, int n);
static inline bool cli_has(const cli_args *args, cli_option_id id) { return cli_value(args, id, 0) != NULL; }
int cli_count(const cli_args *args, cli_option_id id);
/* The last value of an option, which is what counts where only one makes sense; `missing` when it was not given. */
const char *cli_text(const cli_args *args, cli_option_id id, const char *missing);
int64_t cli_integer(const cli_args *args, cli_option_id id, int64_t missing);
double cli_real(const cli_args *args, cli_option_id id, double missing);
/* Of a command with several forms: whether every option given is one of this form. False after complaining: "option
 * '--save' does not go with " and what `form` says. */
bool cli_only_options(const cli_args *args, unsigned bit, const char *form);

/* Parses argv (from the command's own name on) and checks what the tables say of options and operands. CLI_DONE: args is
 * filled, the caller frees it by cli_args_free; else the exit status, after complaining. --help and --version are given
 * like any other option, and nothing is asked of the operands beside them. */
int cli_parse(const cli_command *command, int argc, char **argv, cli_args *args);
void cli_args_free(cli_args *args);

const cli_command *cli_find_command(const char *name);

/* ---- help, in its forms (help.c, manual.c, completion.c) -------------------------------------- */

void cli_print_help(FILE *f, const cli_command *command); /* NULL: of the whole */
/* "run MODEL [--feed NAME=VALUE ...]" */
void cli_print_synopsis(FILE *f, const cli_command *command);
void cli_print_manual(FILE *f);     /* evenkeel.1 */
void cli_print_completion(FILE *f); /* for bash */
/* Calls f for each of the words in lower case among the alternatives of an argument, "sgd|adam". */
void cli_each_word(const cli_option *option, void (*f)(void *arg, const char *word, int size), void *arg);

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
