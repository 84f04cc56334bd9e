/* values/histogram.c - see histogram.h. */
#include "values/histogram.h"

#include <float.h>
#include <math.h>

enum { SIDE = EK_BUCKETS / 2, BLOCK = 512 };

void ek__bucket_limits(ek_bucket_limits *out)
{
    double side[SIDE];
    int n = 0;

    for (double v = 1e-12; v < 1e20 && n < SIDE - 1; v *= 1.1) side[n++] = v;
    side[n++] = DBL_MAX;
    for (int i = 0; i < n; i++) {
        out->at[n - 1 - i] = -side[i];
        out->at[n + 1 + i] = side[i];
    }
    out->at[n] = 0;
    out->n = 2 * n + 1;
}

/* The first bucket whose limit lies above v; the last for the largest number of all. */
static int bucket_of(const ek_bucket_limits *limits, double v)
{
    int low = 0, high = limits->n - 1;

    while (low < high) {
        const int middle = (low + high) / 2;
        if (limits->at[middle] > v) high = middle;
        else low = middle + 1;
    }
    return low;
}

void ek__tally_init(ek_tally *t)
{
    memset(t, 0, sizeof *t);
    t->min = DBL_MAX;
    t->max = -DBL_MAX;
}

const char *ek__tally_add(ek_tally *t, const ek_bucket_limits *limits, ek_dtype dtype, const void *data, int64_t n)
{
    const size_t size = ek_dtype_size(dtype);
    double v[BLOCK];

    for (int64_t i = 0, part; i < n; i += part) {
        part = n - i < BLOCK ? n - i : BLOCK;
        ek__convert(dtype, (const char *)data + (size_t)i * size, EK_FLOAT64, v, part);
        for (int64_t k = 0; k < part; k++) {
            if (!isfinite(v[k])) return isnan(v[k]) ? "Nan in summary histogram" : "Infinity in Histogram";
            t->count[bucket_of(limits, v[k])]++;
            t->min = v[k] < t->min ? v[k] : t->min;
            t->max = v[k] > t->max ? v[k] : t->max;
            t->sum += v[k];
            t->squares += v[k] * v[k];
        }
        t->num += (double)part;
    }
    return NULL;
}

void ek__tally_join(ek_tally *t, const ek_tally *more)
{
    t->min = more->min < t->min ? more->min : t->min;
    t->max = more->max > t->max ? more->max : t->max;
    t->num += more->num;
    t->sum += more->sum;
    t->squares += more->squares;
    for (int i = 0; i < EK_BUCKETS; i++) t->count[i] += more->count[i];
}

int ek__tally_buckets(const ek_tally *t, const ek_bucket_limits *limits, double limit[EK_BUCKETS],
                      double count[EK_BUCKETS])
{
    int n = 0;

    for (int i = 0; i < limits->n; i++) {
        const bool empty = t->count[i] == 0;
        if (n == 0 || !empty || count[n - 1] != 0) n++;
        limit[n - 1] = limits->at[i];
        count[n - 1] = t->count[i];
    }
    return n;
}
