/* cli/train_recorded.c - the command line of a run that goes on: what its checkpoint says it was made with, then what
 * was typed. */
#include "cli/train_model.h"

/* As an option of the command line; NULL, and nothing wrong, where there is nothing to say. */
static const char *as_option(const ek_string *name, const ek_string *value, ek_arena *arena, bool *failed)
{
    const char *n = ek__arena_strndup(arena, name->data != NULL ? name->data : "", name->size);
    const char *v = ek__arena_strndup(arena, value->data != NULL ? value->data : "", value->size);
    char *option;

    if (n == NULL || v == NULL) {
        *failed = true;
        return NULL;
    }
    if (!cli_is_setting(n)) return NULL; /* a folder of somebody else's may say what it likes */
    if (strcmp(n, "batch-norm") == 0) return strcmp(v, "no") == 0 ? "--no-batch-norm" : NULL;
    if (strcmp(n, "hold-out") == 0 && strcmp(v, "0") == 0) return NULL;
    option = ek__arena_printf(arena, "--%s=%s", n, v);
    *failed = *failed || option == NULL;
    return option;
}

static const char *as_typed(const cli_args *args, int i, ek_arena *arena)
{
    const cli_option *o = &cli_options[args->given[i].id];

    return o->argument == NULL ? ek__arena_printf(arena, "--%s", o->name)
                               : ek__arena_printf(arena, "--%s=%s", o->name, args->given[i].value);
}

int cli_train_recorded(const cli_args *typed, ek_arena *arena, cli_args *out)
{
    ek_array *recorded;
    ek_error err = { .code = EK_OK };
    bool failed = false;
    int n = 0;

    if (ek_fit_settings_load(cli_text(typed, CLI_LOGDIR, ""), &recorded, &err) != EK_OK)
        return cli_complain_error(typed->command, &err);
    const int64_t most = ek_array_count(recorded) / 2 + typed->n_given + 2;
    const char **argv = EK_ARENA_NEW(arena, const char *, most);
    const ek_string *s = ek_array_cdata(recorded);
    if (argv != NULL) argv[n++] = typed->command->name;
    for (int64_t i = 0; argv != NULL && i + 1 < ek_array_count(recorded); i += 2) {
        const char *option = as_option(&s[i], &s[i + 1], arena, &failed);

        if (option != NULL) argv[n++] = option;
    }
    for (int i = 0; argv != NULL && i < typed->n_given; i++) {
        argv[n] = as_typed(typed, i, arena);
        failed = failed || argv[n++] == NULL;
    }
    ek_array_unref(recorded);
    if (argv == NULL || failed) return cli_no_memory(typed->command);
    return cli_parse(typed->command, n, (char **)(uintptr_t)argv, out);
}
