/* sites/drift.c - how far the stored statistics of a batch norm are from those of the batches that it gets. */
#include "sites/drift.h"

#include <math.h>
#include <stdlib.h>

#include "values/array.h"

/* The one axis that statistics are not taken over; -1: there are several, or none. */
static int channel_axis(const ek_site *s)
{
    int axis = -1;

    for (int a = 0; a < s->rank; a++) {
        if ((s->axes >> a & 1u) != 0) continue;
        if (axis >= 0) return -1;
        axis = a;
    }
    return axis;
}

bool ek__drift_begin(const ek_site *s, const ek_array *mean, const ek_array *variance, ek_arena *arena, ek_drift *out,
                     ek_error *err)
{
    const int64_t n = ek_array_count(mean);
    const int axis = channel_axis(s);
    double *room;

    if (axis < 0 || n < 1 || ek_array_count(variance) != n || !ek_dtype_is_floating(mean->dtype) ||
        !ek_dtype_is_floating(variance->dtype))
        return false;
    room = EK_ARENA_NEW(arena, double, 4 * n);
    if (room == NULL) {
        (void)EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to compare statistics");
        return false;
    }
    for (int64_t c = 0; c < n; c++) {
        room[c] = ek_array_get(mean, c);
        room[n + c] = sqrt(ek_array_get(variance, c) + s->epsilon);
    }
    *out = (ek_drift){ .axis = axis, .channels = n, .epsilon = s->epsilon, .mean = room, .deviation = room + n,
                       .sum = room + 2 * n, .squares = room + 3 * n };
    return true;
}

void ek__drift_add(ek_drift *d, const ek_array *x)
{
    int64_t inner = 1;

    if (ek_array_rank(x) <= d->axis || x->shape.dim[d->axis] != d->channels || !ek_dtype_is_floating(x->dtype)) return;
    for (int a = d->axis + 1; a < x->shape.rank; a++) inner *= x->shape.dim[a];
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t c = i / inner % d->channels;
        const double v = ek_array_get(x, i) - d->mean[c];

        d->sum[c] += v;
        d->squares[c] += v * v;
    }
    d->values += x->count / d->channels;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

ek_status ek__drift_result(const ek_drift *d, ek_drift_result *out, ek_error *err)
{
    const double n = (double)d->values;
    int64_t changed = 0, far = 0;
    double *off;

    *out = (ek_drift_result){ .ratio = 1 };
    if (d->values == 0) return EK_OK;
    off = ek__calloc(2 * (size_t)d->channels, sizeof *off);
    if (off == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to compare statistics");
    double *ratio = off + d->channels;
    for (int64_t c = 0; c < d->channels; c++) {
        const double mean = d->sum[c] / n, variance = fmax(d->squares[c] / n - mean * mean, 0);

        off[c] = fabs(mean) / d->deviation[c];
        ratio[c] = sqrt(variance + d->epsilon) / d->deviation[c];
        if (isnan(off[c])) off[c] = INFINITY;
        if (isnan(ratio[c])) ratio[c] = INFINITY; /* so that there is an order */
        changed += !(off[c] <= 0.5 && ratio[c] >= 0.67 && ratio[c] <= 1.5);
        far += !(off[c] <= 3);
    }
    qsort(off, (size_t)d->channels, sizeof *off, compare);
    qsort(ratio, (size_t)d->channels, sizeof *ratio, compare);
    out->changed = (double)changed / (double)d->channels;
    out->far = (double)far / (double)d->channels;
    out->deviations = off[d->channels / 2];
    out->ratio = ratio[d->channels / 2];
    ek__free(off);
    return EK_OK;
}
