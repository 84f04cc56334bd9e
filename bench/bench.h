/* bench/bench.h - what benchmarks share: the clocks and the median. */
#ifndef EK_BENCH_BENCH_H
#define EK_BENCH_BENCH_H

#include <stdlib.h>
#include <time.h>

static inline double bench_seconds_of(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
static inline double bench_seconds(void) { return bench_seconds_of(CLOCK_MONOTONIC); }
static inline double bench_us(void) { return bench_seconds() * 1e6; }
/* Of this thread its own time, so that what others do to the clock is left out. */
static inline double bench_thread_seconds(void) { return bench_seconds_of(CLOCK_THREAD_CPUTIME_ID); }

static inline int bench_compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts v. */
static inline double bench_median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, bench_compare);
    return v[n / 2];
}

#endif
