/* evenkeel/plot.h - curves as pictures, drawn by gnuplot (TensorFlow has no such call): any, or those that a training
 * run wrote for TensorBoard.
 *
 * What is drawn stays beside the picture as text, so that it can be drawn again in another way: the numbers and the
 * script.
 */
#ifndef EVENKEEL_PLOT_H
#define EVENKEEL_PLOT_H

#include "evenkeel/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Points in the order in which a line joins them; borrowed. A number that is not finite leaves a gap. */
typedef struct ek_curve {
    const char *name; /* in the legend; NULL: not there */
    const double *x, *y;
    int64_t count;
} ek_curve;

typedef struct ek_plot_options {
    size_t size;
    const ek_curve *curves; /* required: one at least */
    int64_t n_curves;
    const char *title, *x_label, *y_label; /* NULL: none */
    double y_min, y_max;    /* of the picture; both 0: as the numbers are */
    int width, height;      /* pixels */
    bool *drawn;            /* whether there is a picture now; NULL: of no interest */
    ek_error *error;        /* NULL: ek_last_error() has it */
} ek_plot_options;
/* ek_plot("out/accuracy", .curves = two, .n_curves = 2, .title = "Test accuracy") writes out/accuracy.tsv (the numbers,
 * a block for each curve) and out/accuracy.gp (the script: `gnuplot accuracy.gp` in that folder draws again), runs
 * gnuplot, and so makes out/accuracy.png. The folder must exist; files that are there are replaced.
 * Where gnuplot is not installed the two texts are written all the same, *drawn is false, and the call succeeds.
 * Errors  INVALID_ARGUMENT: no path, no curve, a curve without numbers, y_min above y_max, a width or height outside 16
 *         to 16384; what the operating system says of the files; FAILED_PRECONDITION: gnuplot ended with an error;
 *         RESOURCE_EXHAUSTED. */
#define ek_plot(path, ...)                                                                                \
    EK_CALL(ek_status, ek_plot_with, ((path),), ek_plot_options, .title = NULL, .width = 720, .height = 480, \
            __VA_ARGS__)
EK_API EK_MUST_CHECK ek_status ek_plot_with(const char *path, const ek_plot_options *o, ek_where where);

typedef struct ek_plot_run_options {
    size_t size;
    const char *logdir; /* required */
    int64_t *pictures;  /* how many pairs of texts were written; NULL: of no interest */
    bool *drawn;        /* whether they are pictures, too */
    ek_error *error;
} ek_plot_run_options;
/* The scalars of a run's events, LOGDIR/<run>/events.out.tfevents.*, as ek_fit and others leave them: a picture for
 * each tag, LOGDIR/curves/loss.png and so on, with a curve for each run (train, eval). Where training went on after a
 * stop the curve does too: what was written beyond the checkpoint is left out. In a tag's file name everything but
 * letters, digits, '-', '.' and '_' is '_'.
 * Errors  NOT_FOUND: no such folder, or no scalars in it; DATA_LOSS: a file is damaged; those of ek_plot. */
#define ek_plot_run(...) \
    EK_CALL(ek_status, ek_plot_run_with, (), ek_plot_run_options, .pictures = NULL, .logdir = __VA_ARGS__)
EK_API EK_MUST_CHECK ek_status ek_plot_run_with(const ek_plot_run_options *o, ek_where where);

#ifdef __cplusplus
}
#endif
#endif
