/* train/fit_events.c - the curves of a training run for TensorBoard. */
#include "train/fit_files.h"

ek_status ek__fit_events_open(ek_fitting *f) { EK_UNUSED(f); return EK_OK; }
ek_status ek__fit_events_flush(ek_fitting *f) { EK_UNUSED(f); return EK_OK; }
void ek__fit_events_close(ek_fitting *f) { EK_UNUSED(f); }
ek_status ek__fit_log(ek_fitting *f, ek_fit_curve curve, const ek_fit_numbers *numbers) { EK_UNUSED(f); EK_UNUSED(curve); EK_UNUSED(numbers); return EK_OK; }
ek_status ek__fit_log_histograms(ek_fitting *f) { EK_UNUSED(f); return EK_OK; }
