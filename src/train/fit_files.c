/* train/fit_files.c - the folder of a training run: checkpoints with what resuming needs. */
#include "train/fitting.h"

ek_status ek__fit_files_open(ek_fitting *f) { EK_UNUSED(f); return EK_OK; }
void ek__fit_files_close(ek_fitting *f) { EK_UNUSED(f); }
ek_status ek__fit_files_save(ek_fitting *f) { EK_UNUSED(f); return EK_OK; }
ek_status ek__fit_files_save_best(ek_fitting *f) { EK_UNUSED(f); return EK_OK; }
ek_status ek__fit_log(ek_fitting *f, ek_fit_curve curve, const ek_fit_numbers *numbers) { EK_UNUSED(f); EK_UNUSED(curve); EK_UNUSED(numbers); return EK_OK; }
ek_status ek__fit_log_histograms(ek_fitting *f) { EK_UNUSED(f); return EK_OK; }
