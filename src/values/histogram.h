/* values/histogram.h - how numbers are spread over TensorBoard's buckets. */
#ifndef EK_VALUES_HISTOGRAM_H
#define EK_VALUES_HISTOGRAM_H

#include "values/array.h"

enum { EK_BUCKETS = 1551 };

/* 0, and 1e-12 times powers of 1.1 below 1e20 and the largest number, on both sides. A bucket holds what lies below its
 * limit and not below the one before. */
typedef struct ek_bucket_limits {
    int n;
    double at[EK_BUCKETS];
} ek_bucket_limits;
void ek__bucket_limits(ek_bucket_limits *out);

/* What numbers come to. */
typedef struct ek_tally {
    double min, max, num, sum, squares; /* of no numbers: the largest and the smallest there are, zeros */
    double count[EK_BUCKETS];
} ek_tally;
void ek__tally_init(ek_tally *t);
/* Adds n numbers of a real type. NULL, or TensorFlow's words for the first that is not finite. */
const char *ek__tally_add(ek_tally *t, const ek_bucket_limits *limits, ek_dtype dtype, const void *data, int64_t n);
void ek__tally_join(ek_tally *t, const ek_tally *more);
/* The buckets, empty ones in a row being one. Returns how many there are. */
int ek__tally_buckets(const ek_tally *t, const ek_bucket_limits *limits, double limit[EK_BUCKETS],
                      double count[EK_BUCKETS]);

#endif
