/* cli/completion.c - what teaches bash to complete the command: made from the tables. */
#include "cli/options.h"

/* Candidates for the word under the cursor; a folder's name goes on behind its slash. */
static const char prologue[] =
    "# Completes the command evenkeel in bash. Made by: evenkeel help --completion bash\n"
    "_evenkeel_files()\n"
    "{\n"
    "    compopt -o filenames 2> /dev/null\n"
    "    mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen \"$1\" -- \"$cur\")\n"
    "}\n"
    "_evenkeel_words()\n"
    "{\n"
    "    mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -W \"$1\" -- \"$cur\")\n"
    "}\n"
    "_evenkeel_prefixes() # of checkpoints: what stands before .index\n"
    "{\n"
    "    _evenkeel_files -d\n"
    "    mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -f -X '!*.index' -- \"$cur\" | sed 's/\\.index$//')\n"
    "}\n"
    "_evenkeel()\n"
    "{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} options= operand=\n"
    "    COMPREPLY=()\n"
    "    if [ \"$cur\" = = ]; then # a word of its own\n"
    "        cur=\n"
    "        [[ $prev == --* ]] || prev='='\n"
    "    elif [ \"$prev\" = = ] && [[ ${COMP_WORDS[COMP_CWORD - 2]} == --* ]]; then\n"
    "        prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "    fi\n"
    "    if [ \"$COMP_CWORD\" = 1 ]; then\n"
    "        case $cur in\n";

static const char epilogue[] =
    "    esac\n"
    "    case $cur in\n"
    "    -*) _evenkeel_words \"$options\" ;;\n"
    "    *)\n"
    "        if [ \"$operand\" = files ]; then\n"
    "            _evenkeel_files -f\n"
    "        else\n"
    "            _evenkeel_words \"$operand\"\n"
    "        fi\n"
    "        ;;\n"
    "    esac\n"
    "}\n"
    "complete -F _evenkeel evenkeel\n";

static void print_names(FILE *f, unsigned mask)
{
    const char *space = "";

    for (int i = 0; i < CLI_OPTION_COUNT; i++) {
        if ((cli_options[i].commands & mask) == 0) continue;
        fprintf(f, "%s--%s", space, cli_options[i].name);
        space = " ";
    }
}

static void print_commands(FILE *f)
{
    for (int i = 0; i < cli_command_count; i++) fprintf(f, "%s%s", i > 0 ? " " : "", cli_commands[i].name);
}

static void print_word(void *f, const char *word, int size)
{
    fprintf(f, "%.*s ", size, word);
}

static void has_word(void *any, const char *word, int size)
{
    EK_UNUSED(word);
    EK_UNUSED(size);
    *(bool *)any = true;
}

/* What may stand behind an option: one arm of a case. */
static void print_argument(FILE *f, const cli_option *o)
{
    bool words = false;

    fprintf(f, "        --%s)\n", o->name);
    cli_each_word(o, has_word, &words);
    if (words) {
        fprintf(f, "            _evenkeel_words '");
        cli_each_word(o, print_word, f);
        fprintf(f, "'\n");
    }
    /* NAME=FILE: the file stands behind another word, '='. */
    if (o->kind == CLI_FILE && strchr(o->argument, '=') == NULL) fprintf(f, "            _evenkeel_files -f\n");
    if (o->kind == CLI_FOLDER) fprintf(f, "            _evenkeel_files -d\n");
    if (o->kind == CLI_PREFIX) fprintf(f, "            _evenkeel_prefixes\n");
    fprintf(f, "            return\n            ;;\n");
}

static void print_command(FILE *f, const cli_command *command)
{
    fprintf(f, "    %s)\n        options='", command->name);
    print_names(f, command->id);
    fprintf(f, "'\n");
    if (command->id == CLI_HELP_COMMAND) {
        fprintf(f, "        operand='");
        print_commands(f);
        fprintf(f, "'\n");
    } else if (command->operand[0] != NULL) {
        fprintf(f, "        operand=files\n");
    }
    fprintf(f,
            "        case $prev in\n        =)\n            _evenkeel_files -f\n            return\n            ;;\n");
    for (int i = 0; i < CLI_OPTION_COUNT; i++)
        if ((cli_options[i].commands & command->id) != 0 && cli_options[i].argument != NULL)
            print_argument(f, &cli_options[i]);
    fprintf(f, "        esac\n        ;;\n");
}

void cli_print_completion(FILE *f)
{
    fputs(prologue, f);
    fprintf(f, "        -*) _evenkeel_words '");
    print_names(f, CLI_TOP);
    fprintf(f, "' ;;\n        *) _evenkeel_words '");
    print_commands(f);
    fprintf(f, "' ;;\n        esac\n        return\n    fi\n    case ${COMP_WORDS[1]} in\n");
    for (int i = 0; i < cli_command_count; i++) print_command(f, &cli_commands[i]);
    fputs(epilogue, f);
}
