/* cli/train_model.h - what the files share that train a built-in model. */
#ifndef EK_CLI_TRAIN_MODEL_H
#define EK_CLI_TRAIN_MODEL_H

#include "cli/training.h"

/* What the command line says. Numbers are numbers, everything else is argv's. */
typedef struct cli_training {
    const cli_args *args;
    const char *model, *data, *optimizer, *decay, *logdir, *export_to, *init_from;
    int64_t steps, batch_size, seed, threads, eval_every, eval_batch_size, save_every, keep, hold_out, patience;
    double learning_rate;
    bool batch_norm, resume, json;

    ek_dataset *train, *held_out, *test;
    ek_graph *graph;
    ek_classifier net;
    ek_tensor rate;
    ek_op step, init;
    ek_session *session;
    ek_fit_result result;
    cli_progress progress;
    bool exported;
} cli_training;

/* The command line of a run that goes on: recorded settings first, so that what was typed counts (train_recorded.c).
 * Strings are the arena's. The exit status, after complaining; CLI_DONE: to be given to cli_args_free. */
int cli_train_recorded(const cli_args *typed, ek_arena *arena, cli_args *out);
/* Whether a checkpoint of a run has that among its settings (cmd_train_model.c). */
bool cli_is_setting(const char *name);
/* The rows to train on, to hold out, and to test with (train_data.c). The exit status, after complaining. */
int cli_train_data(cli_training *t);

/* An ek_fit_callback, on standard error: the progress line, and one for each evaluation (train_show.c). */
bool cli_train_progress(const ek_fit_progress *p, void *training);
/* On standard output: how it ended. The exit status. */
int cli_train_summary(cli_training *t);

#endif
