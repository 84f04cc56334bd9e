/* train/fitting.h - a training run under way: what the files of ek_fit share. */
#ifndef EK_TRAIN_FITTING_H
#define EK_TRAIN_FITTING_H

#include "base/base.h"
#include "evenkeel/fit.h"

enum { EK_FIT_NUMBERS = 1 + EK_FIT_METRICS, EK_FIT_VALUES = EK_FIT_FEEDS + EK_FIT_EXTRAS };

/* The loss and the metrics, in this order. */
typedef struct ek_fit_numbers {
    double at[EK_FIT_NUMBERS];
} ek_fit_numbers;

typedef struct ek_fitting {
    ek_session *session;
    ek_graph *graph;
    ek_fit_options o;
    ek_error *err;
    ek_where where;
    ek_fit_result *r;
    int n_feeds, n_numbers;

    ek_batches *batches;
    ek_callable *step, *then[EK_FIT_OPS];
    ek_array *fetched[EK_FIT_NUMBERS];

    int64_t done, steps;
    ek_data_place place;      /* where the next batch begins */
    ek_fit_numbers now, mean; /* of the step; lately */
    double mean_weight;
    ek_fit_numbers eval;
    int64_t saved_at, evaluated_at; /* steps; -1: never */
    double best;
    int64_t best_step;        /* -1: none yet */
    int64_t waited;           /* evaluations since */
    bool asked_to_stop;

    int64_t began_ns, window_ns, window_step;
    double steps_per_second;

    struct ek_fit_files *files; /* NULL: nothing is written */
} ek_fitting;

/* ---- fit.c -------------------------------------------------------------------------------------------- */

/* Options of a run: `extra` fed besides the columns of the batch. The feeds are `room` for EK_FIT_VALUES. */
int ek__fit_feeds(const ek_fitting *f, const ek_feed *extra, ek_feed *room);
/* A run on batches, bound: with what is fed besides the columns, what it runs, and whether loss and metrics are fetched. */
typedef struct ek_fit_run {
    const ek_feed *extra;
    ek_op op;
    ek_list also;
    bool with_numbers;
} ek_fit_run;
ek_callable *ek__fit_callable(ek_fitting *f, const ek_fit_run *r);
/* The values of a batch in the order of ek__fit_feeds. */
void ek__fit_values(const ek_fitting *f, const ek_array *const *columns, const ek_feed *extra, const ek_array **value);
/* Loss and metrics of a batch, as sums over its rows. */
ek_status ek__fit_sums(const ek_fitting *f, ek_array *const *fetched, int64_t rows, ek_fit_numbers *sums);
/* Tells the callback. */
void ek__fit_tell(ek_fitting *f, ek_fit_moment moment);

/* ---- fit_eval.c --------------------------------------------------------------------------------------- */

/* Loss and metrics over all rows of a data set, nothing trained. */
ek_status ek__fit_evaluate(ek_fitting *f, const ek_dataset *d, ek_fit_numbers *out);

/* ---- fit_files.c -------------------------------------------------------------------------------------- */

/* Opens the folder; where it resumes, variables, random streams, place and the rest of *f are those of the last
 * checkpoint. */
ek_status ek__fit_files_open(ek_fitting *f);
void ek__fit_files_close(ek_fitting *f);
/* The end of a run that went well: all of its curves are on the disk. */
ek_status ek__fit_files_finish(ek_fitting *f);
/* A checkpoint of now. ABORTED, and nothing written, where a variable is not finite. */
ek_status ek__fit_files_save(ek_fitting *f);
ek_status ek__fit_files_save_best(ek_fitting *f);

/* ---- fit_events.c ------------------------------------------------------------------------------------- */

typedef enum ek_fit_curve { EK_FIT_TRAIN, EK_FIT_EVAL, EK_FIT_HELD_OUT, EK_FIT_CURVES } ek_fit_curve;
/* Loss and metrics after `f->done` steps; of training also the learning rate of the step to come. */
ek_status ek__fit_log(ek_fitting *f, ek_fit_curve curve, const ek_fit_numbers *numbers);
/* What the batch norms hold. */
ek_status ek__fit_log_histograms(ek_fitting *f);

/* ---- fit_statistics.c --------------------------------------------------------------------------------- */

/* Whether stored statistics fit the batches of training (BN018) and evaluation (BN019); told to the reporter. */
ek_status ek__fit_check_statistics(ek_fitting *f);

#endif
