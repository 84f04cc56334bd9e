/* sites/drift.h - how far the stored statistics of a batch norm are from those of the batches that it gets.
 */
#ifndef EK_SITES_DRIFT_H
#define EK_SITES_DRIFT_H

#include <math.h>

#include "sites/sites.h"

/* What was seen of a site's input, per channel: of differences to the stored mean, so that a large mean costs no
 * digits. */
typedef struct ek_drift {
    int axis;           /* of the channels */
    int64_t channels;
    double epsilon;
    const double *mean, *deviation; /* stored; with epsilon in it, so that a dead channel is not far off */
    double *sum, *squares;
    int64_t values;     /* per channel, so far */
} ek_drift;

/* All of it in the arena. False: the site is none that can be measured (no stored statistics, several channel axes),
 * *out is untouched; *err then says whether there was no memory. */
bool ek__drift_begin(const ek_site *s, const ek_array *mean, const ek_array *variance, ek_arena *arena, ek_drift *out,
                     ek_error *err);
/* Adds a batch; one of another number of channels is left out. */
void ek__drift_add(ek_drift *d, const ek_array *x);

typedef struct ek_drift_result {
    double changed;     /* share of channels whose mean is off by more than half a deviation, or whose deviation is
                         * not within 0.67 to 1.5 times the stored one */
    double far;         /* share of channels whose mean is off by more than 3 deviations */
    double deviations;  /* how far the means are off: the median over the channels, in stored deviations */
    double ratio;       /* of the deviations, batches' to stored: the median */
} ek_drift_result;
/* RESOURCE_EXHAUSTED is the only error. No values: all zeros, a ratio of 1. */
ek_status ek__drift_result(const ek_drift *d, ek_drift_result *out, ek_error *err);

/* The rules. BN018: weights changed after the statistics were taken. BN019: the first layer's inputs are of another
 * kind. Where medians are not finite, neither are the values that were seen or stored: another fault than these. */
static inline bool ek__drift_is_finite(const ek_drift_result *r) { return isfinite(r->deviations) && isfinite(r->ratio); }
static inline bool ek__drift_is_bn018(const ek_drift_result *r) { return r->changed > 0.25 && ek__drift_is_finite(r); }
static inline bool ek__drift_is_bn019(const ek_drift_result *r) { return r->far > 0.5 && ek__drift_is_finite(r); }

#endif
