/* cli/options.c - the option table, and the parser that follows from it. */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#define ALL (CLI_RUN | CLI_INSPECT | CLI_DOT | CLI_TRAIN | CLI_TRAIN_META | \
             CLI_CONVERT | CLI_FREEZE | CLI_HELP_COMMAND)

#define FLAG(id, n, c, h) [id] = { .name = (n), .commands = (c), .help = (h) }
#define TAKES(id, n, a, k, c, h) [id] = { .name = (n), .argument = (a), .kind = (k), .commands = (c), .help = (h) }
#define NUMBER(id, n, a, k, from, to, c, h) \
    [id] = { .name = (n), .argument = (a), .kind = (k), .least = (from), .most = (to), .commands = (c), .help = (h) }

const cli_option cli_options[CLI_OPTION_COUNT] = {
    TAKES(CLI_OUTPUT_NAME, "fetch", "NAME", CLI_TEXT, CLI_CONVERT | CLI_FREEZE,
          "an output to be kept or served, by default those of the signature serving_default; may be repeated"),
    TAKES(CLI_TO, "to", "checkpoint|frozen|graphdef|meta|saved-model", CLI_WORD, CLI_CONVERT, "what OUT is to be"),
    TAKES(CLI_OUTPUT, "output", "FILE", CLI_FILE, CLI_FREEZE, "where the frozen graph goes"),
    FLAG(CLI_AS_TEXT, "text", CLI_CONVERT | CLI_FREEZE, "write the graph in text form"),
    TAKES(CLI_CHECKPOINT, "checkpoint", "PREFIX", CLI_PREFIX, CLI_RUN | CLI_INSPECT | CLI_DOT | CLI_CONVERT | CLI_FREEZE,
          "the checkpoint with the values of MODEL's variables, or a folder: its latest"),
    TAKES(CLI_TRAIN_CHECKPOINT, "checkpoint", "PREFIX", CLI_PREFIX, CLI_TRAIN_META,
          "the checkpoint whose values the variables have at first; without it their initializers run"),
    TAKES(CLI_TAGS, "tags", "TAG,...", CLI_TEXT, CLI_RUN | CLI_INSPECT | CLI_DOT | CLI_CONVERT | CLI_FREEZE,
          "of a SavedModel, the graph that has these tags and no others (default: serve, or the only one)"),
    TAKES(CLI_SIGNATURE, "signature", "KEY", CLI_TEXT, CLI_RUN,
          "feed and fetch by the names that signature KEY gives (default: serving_default, where there is one)"),
    TAKES(CLI_FEED, "feed", "NAME=VALUE", CLI_FILE, CLI_RUN | CLI_INSPECT | CLI_DOT,
          "what tensor NAME is: a .npy file, a number, or a list like [[1,2],[3,4]]; may be repeated"),
    TAKES(CLI_FETCH, "fetch", "NAME[=OUT]", CLI_FILE, CLI_RUN,
          "compute tensor NAME and print it, or save it as the .npy file OUT; may be repeated"),
    TAKES(CLI_TRAIN_OP, "train-op", "NAME", CLI_TEXT, CLI_TRAIN_META, "the operation that is one step of training"),
    TAKES(CLI_TRAIN_FEED, "feed", "NAME=VALUE", CLI_FILE, CLI_TRAIN_META,
          "what tensor NAME is, as for run; an array with one axis more than NAME holds a feed per step, used in turn and over again"),
    TAKES(CLI_TRAIN_FETCH, "fetch", "NAME[=OUT]", CLI_FILE, CLI_TRAIN_META,
          "save tensor NAME of every step, one below the other, as the .npy file OUT; without OUT print the last"),
    NUMBER(CLI_STEPS, "steps", "N", CLI_INTEGER, 1, 1e15, CLI_TRAIN | CLI_TRAIN_META, "train for N steps (default, without MODEL: 3000)"),
    TAKES(CLI_SAVE, "save", "PREFIX", CLI_PREFIX, CLI_TRAIN_META, "save the checkpoint PREFIX at the end, and where Ctrl-C stops it"),
    NUMBER(CLI_REPEAT, "repeat", "N", CLI_INTEGER, 1, 1000000, CLI_RUN,
           "after one run to warm up, time N more: median and spread"),
    NUMBER(CLI_THREADS, "threads", "N", CLI_INTEGER, 1, 1024, CLI_RUN | CLI_TRAIN | CLI_TRAIN_META, "use at most N threads (default: one per processor)"),
    TAKES(CLI_SAVE_NPZ, "save-npz", "OUT.npz", CLI_FILE, CLI_INSPECT, "save all tensors of the checkpoint for numpy"),
    FLAG(CLI_OPS, "ops", CLI_INSPECT, "list the operations, in the order of the file"),
    FLAG(CLI_VARIABLES, "variables", CLI_INSPECT, "list the variables"),
    FLAG(CLI_COLLECTIONS, "collections", CLI_INSPECT, "list the collections"),
    FLAG(CLI_SITES, "sites", CLI_INSPECT | CLI_DOT, "the batch norms, forward and backward; --feed sets their flags"),
    FLAG(CLI_JSON, "json", CLI_RUN | CLI_INSPECT | CLI_TRAIN | CLI_TRAIN_META, "print JSON, for programs"),
    TAKES(CLI_MODEL, "model", "mlp|convnet|resnet20", CLI_WORD, CLI_TRAIN, "the network to train (default: mlp)"),
    TAKES(CLI_DATA, "data", "DIR|digits", CLI_FOLDER, CLI_TRAIN,
          "a folder with MNIST's four files, a .npz file with x_train, y_train, x_test and y_test, or drawn digits (the default)"),
    NUMBER(CLI_BATCH_SIZE, "batch-size", "N", CLI_INTEGER, 1, 1e9, CLI_TRAIN, "images a step (default: 60)"),
    TAKES(CLI_OPTIMIZER, "optimizer", "adam|sgd|momentum|nesterov|rmsprop|adagrad|adadelta|ftrl", CLI_WORD, CLI_TRAIN,
          "how weights follow their gradients (default: adam)"),
    NUMBER(CLI_LEARNING_RATE, "learning-rate", "X", CLI_REAL, 1e-30, 1e30, CLI_TRAIN, "at the beginning (default: 0.01)"),
    TAKES(CLI_DECAY, "decay", "cosine|linear|exponential|step|none", CLI_WORD, CLI_TRAIN,
          "how the learning rate falls over the steps (default: cosine)"),
    NUMBER(CLI_SEED, "seed", "N", CLI_INTEGER, -9e15, 9e15, CLI_TRAIN, "of first weights and of the order of images (default: 1)"),
    NUMBER(CLI_EVAL_EVERY, "eval-every", "N", CLI_INTEGER, 1, 1e12, CLI_TRAIN,
           "test every N steps, with the moving averages (default: 1000)"),
    NUMBER(CLI_EVAL_BATCH_SIZE, "eval-batch-size", "N", CLI_INTEGER, 1, 1e9, CLI_TRAIN,
           "images at a time then, which changes no result (default: 1000)"),
    NUMBER(CLI_SAVE_EVERY, "save-every", "N", CLI_INTEGER, 1, 1e12, CLI_TRAIN, "a checkpoint every N steps (default: 1000)"),
    NUMBER(CLI_KEEP, "keep", "N", CLI_INTEGER, 1, 1e6, CLI_TRAIN, "how many checkpoints to keep (default: 5)"),
    TAKES(CLI_LOGDIR, "logdir", "DIR", CLI_FOLDER, CLI_TRAIN,
          "where checkpoints and TensorBoard's events go; without it nothing is written"),
    NUMBER(CLI_HOLD_OUT, "hold-out", "N", CLI_INTEGER, 1, 1e9, CLI_TRAIN,
           "train without the last N images, and keep the checkpoint that names most of them rightly"),
    NUMBER(CLI_PATIENCE, "patience", "N", CLI_INTEGER, 1, 1e6, CLI_TRAIN,
           "stop after N evaluations that are no better on --hold-out"),
    FLAG(CLI_NO_BATCH_NORM, "no-batch-norm", CLI_TRAIN, "the same network with biases instead of batch norms"),
    TAKES(CLI_EXPORT, "export", "DIR", CLI_FOLDER, CLI_TRAIN, "write a SavedModel for inference at the end"),
    TAKES(CLI_INIT_FROM, "init-from", "PREFIX", CLI_PREFIX, CLI_TRAIN,
          "begin with the variables of this checkpoint (of a folder: its latest) that fit by name and shape"),
    FLAG(CLI_RESUME, "resume", CLI_TRAIN, "go on from the last checkpoint in --logdir"),
    FLAG(CLI_MAN, "man", CLI_HELP_COMMAND, "print the man page: evenkeel help --man | man -l -"),
    TAKES(CLI_COMPLETION, "completion", "bash", CLI_WORD, CLI_HELP_COMMAND,
          "print what teaches a shell to complete: source <(evenkeel help --completion bash)"),
    FLAG(CLI_HELP, "help", ALL | CLI_TOP, "print this"),
    FLAG(CLI_VERSION, "version", CLI_TOP, "print the version"),
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

/* Of the argument's alternatives, "sgd|adam|FILE", the words that stand for themselves. */
void cli_each_word(const cli_option *option, void (*f)(void *arg, const char *word, int size), void *arg)
{
    for (const char *at = option->argument; at != NULL && *at != '\0';) {
        const size_t n = strcspn(at, "|");

        if (*at >= 'a' && *at <= 'z') f(arg, at, (int)n);
        at += n + (at[n] == '|');
    }
}

/* What was typed, and the word that is nearest to it. */
typedef struct choice {
    const char *typed;
    char word[32][32];
    int n;
    bool exact;
} choice;

static void choose(void *arg, const char *word, int size)
{
    choice *c = arg;

    c->exact = c->exact || (strncmp(word, c->typed, (size_t)size) == 0 && c->typed[size] == '\0');
    if (c->n < EK_COUNT_OF(c->word)) snprintf(c->word[c->n++], sizeof c->word[0], "%.*s", size, word);
}

static const char *chosen(const void *arg, int64_t i)
{
    return ((const choice *)arg)->word[i];
}

static bool word_fits(const cli_command *command, const cli_option *o, const char *text)
{
    choice c = { .typed = text };
    const char *near;

    cli_each_word(o, choose, &c);
    if (c.exact) return true;
    near = cli_nearest(text, c.n, chosen, &c);
    if (near != NULL) {
        cli_complain(command, "option '--%s' needs %s, found '%s'; did you mean '%s'?", o->name, o->argument, text, near);
    } else {
        cli_complain(command, "option '--%s' needs %s, found '%s'", o->name, o->argument, text);
    }
    return false;
}

static bool number_fits(const cli_command *command, const cli_option *o, const char *text)
{
    char *end;
    double v;

    errno = 0;
    v = o->kind == CLI_INTEGER ? (double)strtoll(text, &end, 10) : strtod(text, &end);
    if (end != text && *end == '\0' && errno == 0 && v >= o->least && v <= o->most) return true; /* no NaN */
    cli_complain(command, "option '--%s' needs a number from %.16g to %.16g, found '%s'", o->name, o->least, o->most, text);
    return false;
}

/* False after complaining of an argument that is not what the table calls it. */
static bool argument_fits(const cli_command *command, const cli_option *o, const char *text)
{
    if (o->argument == NULL || o->kind == CLI_TEXT) return true;
    if (o->kind == CLI_WORD) return word_fits(command, o, text);
    if (o->kind == CLI_INTEGER || o->kind == CLI_REAL) return number_fits(command, o, text);
    if (text[0] != '\0') return true;
    cli_complain(command, "option '--%s' needs %s, found nothing", o->name, o->argument);
    return false;
}

/* False after complaining of too few operands, or too many. */
static bool operands_fit(const cli_command *command, int n)
{
    int most = 0;

    while (most < CLI_MAX_OPERANDS && command->operand[most] != NULL) most++;
    if (n < command->least) {
        cli_complain(command, "%s is missing", command->operand[n]);
    } else if (n > most && most == 0) {
        cli_complain(command, "it takes no operand, found %d", n);
    } else if (n > most && most == 1) {
        cli_complain(command, "one %s was expected, found %d", command->operand[0], n);
    } else if (n > most) {
        cli_complain(command, "%s and %s were expected, found %d operands", command->operand[0], command->operand[1], n);
    } else {
        return true;
    }
    return false;
}

/* The options of a command as getopt_long wants them; 256 and up are ids. */
static void fill_table(unsigned mask, struct option *table)
{
    for (int i = 0; i < CLI_OPTION_COUNT; i++)
        if ((cli_options[i].commands & mask) != 0)
            *table++ = (struct option){ cli_options[i].name,
                                        cli_options[i].argument != NULL ? required_argument : no_argument, NULL, 256 + i };
}

/* The options, into args->given; CLI_USAGE after complaining. */
static int parse_options(unsigned mask, int argc, char **argv, cli_args *args)
{
    const cli_command *command = args->command;
    struct option table[CLI_OPTION_COUNT + 1] = { 0 };
    int c;

    fill_table(mask, table);
    optind = 0; /* restarts getopt */
    opterr = 0;
    /* What stands before a command ends at the command. */
    while ((c = getopt_long(argc, argv, command != NULL ? ":" : "+:", table, NULL)) != -1) {
        if (c < 256) return refuse(command, mask, c, argv[optind - 1], optopt >= 256 ? optopt - 256 : -1);
        args->given[args->n_given].id = (cli_option_id)(c - 256);
        args->given[args->n_given++].value = optarg != NULL ? optarg : "";
        if (!argument_fits(command, &cli_options[c - 256], optarg)) return cli_see_help(command);
    }
    args->operand = argv + optind;
    args->n_operands = argc - optind;
    return CLI_DONE;
}

int cli_parse(const cli_command *command, int argc, char **argv, cli_args *args)
{
    int status;

    *args = (cli_args){ .command = command };
    args->given = ek__calloc((size_t)argc + 1, sizeof *args->given);
    if (args->given == NULL) return cli_no_memory(command);
    status = parse_options(command != NULL ? command->id : CLI_TOP, argc, argv, args);
    if (status == CLI_DONE && command != NULL && !cli_has(args, CLI_HELP) && !operands_fit(command, args->n_operands))
        status = cli_see_help(command);
    if (status != CLI_DONE) cli_args_free(args);
    return status;
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

int cli_count(const cli_args *args, cli_option_id id)
{
    int n = 0;

    for (int i = 0; i < args->n_given; i++) n += args->given[i].id == id;
    return n;
}

const char *cli_text(const cli_args *args, cli_option_id id, const char *missing)
{
    const int n = cli_count(args, id);

    return n > 0 ? cli_value(args, id, n - 1) : missing;
}

int64_t cli_integer(const cli_args *args, cli_option_id id, int64_t missing)
{
    const char *text = cli_text(args, id, NULL);

    return text != NULL ? strtoll(text, NULL, 10) : missing;
}

double cli_real(const cli_args *args, cli_option_id id, double missing)
{
    const char *text = cli_text(args, id, NULL);

    return text != NULL ? strtod(text, NULL) : missing;
}

bool cli_only_options(const cli_args *args, unsigned bit, const char *form)
{
    for (int i = 0; i < args->n_given; i++) {
        const cli_option *o = &cli_options[args->given[i].id];

        if ((o->commands & bit) != 0) continue;
        cli_complain(args->command, "option '--%s' does not go with %s", o->name, form);
        (void)cli_see_help(args->command);
        return false;
    }
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
