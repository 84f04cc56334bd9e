/* train/fit_files.h - what is written in the folder of a training run. */
#ifndef EK_TRAIN_FIT_FILES_H
#define EK_TRAIN_FIT_FILES_H

#include "evenkeel/saver.h"
#include "train/fitting.h"

enum { EK_FIT_PATH = 960 }; /* with what is added it fits the paths of a result */

typedef struct ek_fit_files {
    ek_saver *saver; /* the graph's */
    char best[EK_FIT_PATH], prefix[EK_FIT_PATH], best_prefix[EK_FIT_PATH];
    struct ek_fit_events *events;
} ek_fit_files;

/* fit_events.c */
ek_status ek__fit_events_open(ek_fitting *f);
ek_status ek__fit_events_flush(ek_fitting *f);
ek_status ek__fit_events_close(ek_fitting *f); /* what is not written yet */

#endif
