/* evenkeel/fit.h - the training loop: batches in, steps, evaluation, checkpoints, events, and going on after a stop.
 *
 *     ek_fit_result r;
 *     EK_DIE(ek_fit(s, train_op, .loss = loss, .data = train, .feed = { { x, 0 }, { labels, 1 } },
 *                   .also = { { is_training, yes } }, .metric = { { "accuracy", right } }, .steps = 3000,
 *                   .batch_size = 60, .eval_data = test, .eval_every = 500, .logdir = "run1", .result = &r));
 *
 * The library prints nothing: a callback gets what there is to show.
 */
#ifndef EVENKEEL_FIT_H
#define EVENKEEL_FIT_H

#include "evenkeel/data.h"
#include "evenkeel/session.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { EK_FIT_FEEDS = 16, EK_FIT_EXTRAS = 8, EK_FIT_METRICS = 4, EK_FIT_OPS = 8 };

/* Which placeholder gets which column of the data set. */
typedef struct ek_fit_feed {
    ek_tensor tensor;
    int column;
} ek_fit_feed;

/* A number to watch. The mean of the tensor's elements over the rows of a batch: of a tensor with one element per row
 * each counts once, whatever the batch size; a scalar counts for all rows of its batch. */
typedef struct ek_fit_metric {
    const char *name; /* "accuracy": its tag in events */
    ek_tensor tensor;
} ek_fit_metric;

/* What a run was made with: kept in its checkpoints, and resuming with another value is refused. */
typedef struct ek_fit_setting {
    const char *name, *value;
} ek_fit_setting;

typedef enum ek_fit_moment {
    EK_FIT_STARTED,   /* before the first step; `resumed` says whether it goes on from a checkpoint */
    EK_FIT_STEP,
    EK_FIT_EVALUATED, /* loss and metric are those of the evaluation */
    EK_FIT_SAVED,
    EK_FIT_ENDED
} ek_fit_moment;

typedef struct ek_fit_progress {
    ek_fit_moment moment;
    int64_t step, steps;     /* done, and to be done */
    int64_t epoch;           /* of the next batch, from 0 */
    double loss;             /* of the step: of its batch before the update */
    double metric[EK_FIT_METRICS];
    double mean_loss;        /* lately: the last step weighs a fiftieth */
    double mean_metric[EK_FIT_METRICS];
    double seconds;          /* since this call began */
    double steps_per_second; /* lately; 0: not known yet */
    bool resumed;
    const char *checkpoint;  /* the last that was written; NULL: none */
} ek_fit_progress;
/* Called on the thread of ek_fit, no run in progress: it may use the session. false asks to stop: training saves and
 * ends. */
typedef bool ek_fit_callback(const ek_fit_progress *p, void *arg);

typedef enum ek_fit_end {
    EK_FIT_DONE,      /* all steps */
    EK_FIT_STOPPED,   /* asked to, by the callback or `stop` */
    EK_FIT_PATIENCE,  /* nothing better for `patience` evaluations */
    EK_FIT_NOT_FINITE /* the loss, or a variable that was to be saved */
} ek_fit_end;

typedef struct ek_fit_result {
    ek_fit_end end;
    int64_t step, epoch;
    double seconds;          /* of this call */
    double loss, metric[EK_FIT_METRICS];           /* lately */
    double eval_loss, eval_metric[EK_FIT_METRICS]; /* of the last evaluation; NaN: there was none */
    int64_t best_step;       /* -1: none was kept */
    double best;             /* the held-out metric, or loss, there */
    bool resumed;
    char checkpoint[1024];   /* the last that was written: a prefix; "": none */
    char best_checkpoint[1024];
} ek_fit_result;

typedef struct ek_fit_options {
    size_t size;
    ek_op train_op;                      /* required: one step */
    ek_list also_run;                    /* what else runs with it, in the same run */
    ek_op then[EK_FIT_OPS];              /* after it, on the same batch, each a run of its own: a generator, say */
    ek_tensor loss;                      /* required: a scalar */
    ek_fit_metric metric[EK_FIT_METRICS];
    const ek_dataset *data;              /* required */
    ek_fit_feed feed[EK_FIT_FEEDS];      /* ends with a tensor that is zeroed */
    ek_feed also[EK_FIT_EXTRAS];         /* fed to steps besides: is_training = true */
    ek_feed eval_also[EK_FIT_EXTRAS];    /* fed to evaluation besides. is_training is not fed: its default is false */
    int64_t batch_size;                  /* required */
    int64_t steps, epochs;               /* how long, counted from the very first; one of them */
    bool shuffle;                        /* true */
    int64_t seed;                        /* of the order */
    ek_partial partial;                  /* of the last batch of an epoch: EK_PARTIAL_DROP */

    const ek_dataset *eval_data;         /* evaluated every eval_every steps and at the end; NULL: never */
    const ek_dataset *held_out;          /* decides what is best, and when nothing gets better */
    int64_t eval_every;                  /* 0: at the end only */
    int64_t eval_batch_size;             /* 1000. No result depends on it but by rounding */
    bool best_by_loss;                   /* otherwise by the first metric, the higher the better, if there is one */
    int patience;                        /* evaluations without a better one before it stops; 0: it does not */

    const char *logdir;                  /* where checkpoints and events go; NULL: nothing is written. It must be
                                          * empty or new unless `resume` */
    bool resume;                         /* goes on from the last checkpoint there, if there is one */
    int64_t save_every;                  /* steps; 0: at the end only */
    int keep;                            /* the last 5 */
    int64_t log_every;                   /* events of loss and metrics, and after the last step: 100 */
    ek_tensor learning_rate;             /* an event, too */
    const ek_fit_setting *settings;
    int64_t n_settings;

    ek_fit_callback *callback;
    void *callback_arg;
    const int *stop;                     /* read at every step, other than 0: stop. A signal handler may set it */
    ek_tristate check_statistics;        /* whether the end looks for stored statistics far from those of batches
                                          * (BN018, BN019); EK_DEFAULT: where there is eval_data */
    ek_reporter *report;                 /* is told of them; NULL: nobody */
    void *report_arg;
    ek_fit_result *result;               /* filled in any case */
    ek_error *error;
} ek_fit_options;
/* Trains, as a loop in tf.train.MonitoredTrainingSession with its hooks does. Variables are initialized by the caller,
 * also where it resumes: a checkpoint then overwrites them.
 *
 * Steps       Each is one run of train_op, with the loss and metrics of its batch before the update.
 * Evaluation  All rows once, in order, the last batch a smaller one; train_op does not run, so nothing is learned or
 *             moved.
 * Files       logdir/model.ckpt-STEP and logdir/checkpoint, which TensorFlow's Saver reads; logdir/best/ the one with
 *             the best held-out number; logdir/train, logdir/eval and logdir/held_out for TensorBoard.
 *             A saver of all variables is added to the graph for it.
 * Resuming    A checkpoint also has the places of random streams and of the shuffle, under names that TensorFlow
 *             ignores ("_evenkeel/..."), so that a run that was killed and resumed ends with the same bits as one that
 *             was not.
 * Errors      INVALID_ARGUMENT: something required is missing, tensors do not fit columns, a setting other than the one
 *             recorded; ALREADY_EXISTS: logdir is not empty; ABORTED: the loss, or a variable, is not finite: the last
 *             good checkpoint is named and kept; those of runs and files. */
#define ek_fit(s, ...)                                                                                          \
    EK_CALL(ek_status, ek_fit_with, ((s),), ek_fit_options, .shuffle = true, .partial = EK_PARTIAL_DROP,        \
            .eval_batch_size = 1000, .keep = 5, .log_every = 100, .check_statistics = EK_DEFAULT,               \
            .learning_rate = { NULL, -1, 0 }, .train_op = __VA_ARGS__)
EK_API ek_status ek_fit_with(ek_session *s, const ek_fit_options *o, ek_where where);

/* The settings that the last checkpoint in a run's folder was made with: strings [n, 2], names and values; a new
 * reference. NULL, and EK_OK, where there is no checkpoint yet, or none with settings.
 * Errors  as of opening a checkpoint; DATA_LOSS: they are no such strings. */
EK_API EK_MUST_CHECK ek_status ek_fit_settings_load(const char *logdir, ek_array **out, ek_error *err);

/* ---- beginning with another network's variables -------------------------------------------------------------- */

/* A variable that keeps its value, by its name in checkpoints; why: "is not in the checkpoint", "has shape .. in the
 * checkpoint, .. here", and the like for types. */
typedef void ek_init_from_skipped(const char *variable, const char *why, void *arg);
typedef struct ek_init_from_options {
    size_t size;
    const char *prefix;            /* required: of a checkpoint */
    ek_init_from_skipped *skipped; /* NULL: nobody is told */
    void *arg;
    int64_t *restored;             /* how many; NULL: not asked */
    ek_error *error;
} ek_init_from_options;
/* tf.train.init_from_checkpoint, at once: gives global variables the values that a checkpoint has under their names,
 * where type and shape are the same; the others keep theirs, and so does the global step, because a new training
 * begins:
 *     ek_init_from(s, "other/model.ckpt-3000", .skipped = say)
 * Errors  NOT_FOUND: no checkpoint, or nothing in it fits; DATA_LOSS: it is damaged; RESOURCE_EXHAUSTED. What was
 *         restored by then stays so. */
#define ek_init_from(s, ...) EK_CALL(ek_status, ek_init_from_with, ((s),), ek_init_from_options, .prefix = __VA_ARGS__)
EK_API EK_MUST_CHECK ek_status ek_init_from_with(ek_session *s, const ek_init_from_options *o, ek_where where);

#ifdef __cplusplus
}
#endif
#endif
