/* cli/cmd_train_model.c - evenkeel train: builds a network, trains it, evaluates it. */
#include <errno.h>

#include "base/file.h"
#include "cli/train_model.h"
#include "evenkeel/saved_model.h"

/* ---- what is asked for ---------------------------------------------------------------------------------------- */

static void read_options(cli_training *t, const cli_args *args)
{
    t->args = args;
    t->model = cli_text(args, CLI_MODEL, "mlp");
    t->data = cli_text(args, CLI_DATA, "digits");
    t->optimizer = cli_text(args, CLI_OPTIMIZER, "adam");
    t->decay = cli_text(args, CLI_DECAY, "cosine");
    t->logdir = cli_text(args, CLI_LOGDIR, NULL);
    t->export_to = cli_text(args, CLI_EXPORT, NULL);
    t->init_from = cli_text(args, CLI_INIT_FROM, NULL);
    t->steps = cli_integer(args, CLI_STEPS, 3000);
    t->batch_size = cli_integer(args, CLI_BATCH_SIZE, 60);
    t->seed = cli_integer(args, CLI_SEED, 1);
    t->threads = cli_integer(args, CLI_THREADS, 0);
    t->eval_every = cli_integer(args, CLI_EVAL_EVERY, 1000);
    t->eval_batch_size = cli_integer(args, CLI_EVAL_BATCH_SIZE, 1000);
    t->save_every = cli_integer(args, CLI_SAVE_EVERY, 1000);
    t->keep = cli_integer(args, CLI_KEEP, 5);
    t->hold_out = cli_integer(args, CLI_HOLD_OUT, 0);
    t->patience = cli_integer(args, CLI_PATIENCE, 0);
    t->learning_rate = cli_real(args, CLI_LEARNING_RATE, 0.01);
    t->batch_norm = !cli_has(args, CLI_NO_BATCH_NORM);
    t->resume = cli_has(args, CLI_RESUME);
    t->json = cli_has(args, CLI_JSON);
}

/* Whether nothing is there, or an empty folder. Better said before training than after. */
static bool is_free(const char *path)
{
    return !ek__file_folder_in_use(path) && (errno == 0 || errno == ENOENT);
}

/* What does not go together. */
static int check_options(const cli_training *t)
{
    const cli_command *command = t->args->command;

    if (t->resume && t->logdir == NULL) {
        cli_complain(command, "--resume goes on with what is in --logdir, which is missing");
    } else if (t->resume && t->init_from != NULL) {
        cli_complain(command, "--resume goes on from a checkpoint of its own; --init-from is for a new run");
    } else if (t->export_to != NULL && !is_free(t->export_to)) {
        cli_complain(command, "--export writes into a new folder, or an empty one; there is something in '%s'",
                     t->export_to);
        return CLI_FAILED;
    } else if (t->patience > 0 && t->hold_out == 0) {
        cli_complain(command, "--patience waits for better results on --hold-out rows, which is missing");
    } else {
        return CLI_DONE;
    }
    return cli_see_help(command);
}

/* ---- the network ------------------------------------------------------------------------------------------------- */

static int build(cli_training *t)
{
    ek_error err = { .code = EK_OK };

    t->graph = ek_graph_create();
    if (t->graph == NULL) return cli_no_memory(t->args->command);
    ek_set_random_seed(t->graph, t->seed);
    t->net = ek_classifier_build(t->graph, ek_model_named(t->model), .image = ek_dataset_shape(t->train, 0),
                                 .batch_norm = t->batch_norm);
    t->rate = ek_decay_named(t->graph, t->decay, t->learning_rate, t->steps, EK_HERE);
    ek_optimizer *optimizer = ek_optimizer_named(t->graph, t->optimizer, EK_OPERAND(t->rate), EK_HERE);
    t->step = ek_tensor_op(ek_train_op(t->net.loss, optimizer, .check_numerics = false));
    t->init = ek_global_variables_initializer(t->graph);
    if (ek_graph_status(t->graph, &err) != EK_OK) return cli_complain_error(t->args->command, &err);
    t->session = ek_session_create(t->graph, .threads = (int)t->threads, .report = cli_say_finding,
                                   .report_arg = &t->progress, .error = &err);
    if (t->session == NULL || ek_run(t->session, .target = { t->init }, .error = &err) != EK_OK)
        return cli_complain_error(t->args->command, &err);
    return CLI_DONE;
}

static void say_skipped(const char *variable, const char *why, void *training)
{
    const cli_training *t = training;

    cli_complain(t->args->command, "--init-from: %s %s", variable, why);
}

static int init_from(cli_training *t)
{
    ek_error err = { .code = EK_OK };
    int64_t restored;
    int status = CLI_DONE;

    if (t->init_from == NULL) return CLI_DONE;
    char *prefix = cli_find_checkpoint(t->args, t->init_from);
    if (prefix == NULL) return CLI_FAILED;
    if (ek_init_from(t->session, prefix, .skipped = say_skipped, .arg = t, .restored = &restored, .error = &err) ==
        EK_OK)
        fprintf(stderr, "%lld variables begin with the values of %s\n", (long long)restored, prefix);
    else
        status = cli_complain_error(t->args->command, &err);
    ek__free(prefix);
    return status;
}

/* ---- training ------------------------------------------------------------------------------------------------ */

/* What decides the numbers of a run, for its checkpoints. "steps" is last: without a decay longer is no other beginning. */
enum { SETTINGS = 10 };
static const char *const setting_names[SETTINGS] = { "model", "data", "optimizer", "decay", "batch-norm", "learning-rate",
                                                     "batch-size", "seed", "hold-out", "steps" };

bool cli_is_setting(const char *name)
{
    for (int i = 0; i < SETTINGS; i++)
        if (strcmp(setting_names[i], name) == 0) return true;
    return false;
}

static int settings(const cli_training *t, ek_fit_setting *s, char text[SETTINGS][32])
{
    const int64_t whole[] = { t->batch_size, t->seed, t->hold_out, t->steps };
    const char *value[SETTINGS] = { t->model, t->data, t->optimizer, t->decay, t->batch_norm ? "yes" : "no" };
    int n = 5;

    snprintf(text[n], sizeof text[n], "%.17g", t->learning_rate);
    value[n] = text[n];
    for (int i = 0; i < EK_COUNT_OF(whole); i++) {
        n++;
        snprintf(text[n], sizeof text[n], "%lld", (long long)whole[i]);
        value[n] = text[n];
    }
    for (int i = 0; i < SETTINGS; i++) s[i] = (ek_fit_setting){ setting_names[i], value[i] };
    return strcmp(t->decay, "none") == 0 ? SETTINGS - 1 : SETTINGS;
}

static int train(cli_training *t)
{
    ek_array *yes = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ true });
    ek_fit_setting setting[SETTINGS];
    char text[SETTINGS][32];
    ek_error err = { .code = EK_OK };
    ek_status st;

    if (yes == NULL) return cli_no_memory(t->args->command);
    cli_catch_stop();
    st = ek_fit(t->session, t->step, .loss = t->net.loss, .metric = { { "accuracy", t->net.right } }, .data = t->train,
                .feed = { { t->net.x, 0 }, { t->net.labels, 1 } }, .also = { { t->net.is_training, yes } },
                .batch_size = t->batch_size, .steps = t->steps, .seed = t->seed, .eval_data = t->test,
                .held_out = t->held_out, .eval_every = t->eval_every, .eval_batch_size = t->eval_batch_size,
                .patience = (int)t->patience, .logdir = t->logdir, .resume = t->resume, .save_every = t->save_every,
                .keep = (int)t->keep, .learning_rate = t->rate, .settings = setting,
                .n_settings = settings(t, setting, text), .callback = cli_train_progress, .callback_arg = t,
                .stop = cli_stop(), .report = cli_say_finding, .report_arg = &t->progress, .result = &t->result,
                .error = &err);
    ek_array_unref(yes);
    cli_progress_clear(&t->progress);
    return st == EK_OK ? CLI_DONE : cli_complain_error(t->args->command, &err);
}

/* The same network in inference mode, on the variables that were trained. */
static ek_status export_model(const cli_training *t, ek_error *err)
{
    ek_graph *g = ek_graph_create();
    ek_session *s = NULL;
    ek_status st = EK_RESOURCE_EXHAUSTED;

    if (g != NULL) {
        const ek_classifier c =
            ek_classifier_build(g, ek_model_named(t->model), .image = ek_dataset_shape(t->train, 0),
                                .batch_norm = t->batch_norm, .inference = true);

        s = ek_session_create(g, .threads = (int)t->threads, .store = ek_session_store(t->session), .error = err);
        st = s == NULL ? err->code
                       : ek_saved_model_save(s, t->export_to, .inputs = { { "x", c.x } },
                                             .outputs = { { "probabilities", c.probabilities },
                                                          { "classes", c.classes } },
                                             .error = err);
    }
    ek_session_destroy(s);
    ek_graph_destroy(g);
    return st;
}

static int export_if_asked(cli_training *t)
{
    ek_error err = { .code = EK_OK };

    if (t->export_to == NULL || t->result.end == EK_FIT_STOPPED) return CLI_DONE;
    if (export_model(t, &err) != EK_OK) return cli_complain_error(t->args->command, &err);
    t->exported = true;
    return CLI_DONE;
}

static void release(cli_training *t)
{
    ek_session_destroy(t->session);
    ek_graph_destroy(t->graph);
    ek_dataset_destroy(t->held_out);
    ek_dataset_destroy(t->train);
    ek_dataset_destroy(t->test);
}

static int run(const cli_args *args)
{
    cli_training t = { .resume = false };
    int status;

    read_options(&t, args);
    cli_progress_begin(&t.progress, args->command, 0, t.steps);
    status = check_options(&t);
    if (status == CLI_DONE) status = cli_train_data(&t);
    if (status == CLI_DONE) status = build(&t);
    if (status == CLI_DONE) status = init_from(&t);
    if (status == CLI_DONE) status = train(&t);
    if (status == CLI_DONE) status = export_if_asked(&t);
    if (status == CLI_DONE) status = cli_train_summary(&t);
    release(&t);
    return status;
}

int cli_train_model(const cli_args *args)
{
    cli_args whole;
    ek_arena arena = { 0 };
    int status;

    if (!cli_has(args, CLI_RESUME) || !cli_has(args, CLI_LOGDIR)) return run(args);
    status = cli_train_recorded(args, &arena, &whole);
    if (status == CLI_DONE) {
        status = run(&whole);
        cli_args_free(&whole);
    }
    ek__arena_fini(&arena);
    return status;
}
