/* tests/support/summaries.c - comparing serialized summaries by what they say. */
#include "support/summaries.h"

#include <math.h>
#include <stdlib.h>

#include "codec/wire.h"

enum { MOST_BUCKETS = 1600, NUMBERS = 5, MOST_DROPPED = 16 };

/* One value: a scalar, or a histogram. */
typedef struct summary_value {
    ek_span tag;
    bool is_scalar;
    double scalar, number[NUMBERS]; /* min, max, num, sum, sum of squares */
    int n[2];
    double bucket[2][MOST_BUCKETS]; /* limits, counts */
} summary_value;

static bool read_buckets(const ek_wire_field *f, double *out, int *n)
{
    size_t at = 0;
    uint64_t bits;

    for (; ek__wire_packed(f, EK_WIRE_FIXED64, &at, &bits); (*n)++) {
        if (*n == MOST_BUCKETS) return false;
        out[*n] = ek__wire_double(bits);
    }
    return true;
}

static bool read_histogram(ek_span message, summary_value *v)
{
    ek_error err = { 0 };
    ek_wire w = ek__wire_open(message, message.at, &err);
    ek_wire_field f;

    while (ek__wire_next(&w, &f)) {
        if (f.number >= 1 && f.number <= NUMBERS && f.type == EK_WIRE_FIXED64) v->number[f.number - 1] = ek__wire_double(f.value);
        else if ((f.number != 6 && f.number != 7) || !read_buckets(&f, v->bucket[f.number - 6], &v->n[f.number - 6])) return false;
    }
    return w.status == EK_OK && v->n[0] == v->n[1] && v->n[0] > 0;
}

/* The next value of a summary; false at its end and at damage, which *bad tells. */
static bool next_value(ek_wire *w, summary_value *v, bool *bad)
{
    ek_wire_field f;
    ek_error err = { 0 };
    int contents = 0;

    memset(v, 0, sizeof *v);
    if (!ek__wire_next(w, &f)) {
        *bad = *bad || w->status != EK_OK;
        return false;
    }
    if (f.number != 1 || f.type != EK_WIRE_BYTES) *bad = true;
    ek_wire inner = ek__wire_open(f.bytes, f.bytes.at, &err);
    while (!*bad && ek__wire_next(&inner, &f)) {
        if (f.number == 1 && f.type == EK_WIRE_BYTES) {
            v->tag = f.bytes;
            continue;
        }
        contents++;
        v->is_scalar = f.number == 2 && f.type == EK_WIRE_FIXED32;
        if (v->is_scalar) v->scalar = (double)ek__wire_float(f.value);
        else *bad = f.number != 5 || f.type != EK_WIRE_BYTES || !read_histogram(f.bytes, v);
    }
    *bad = *bad || inner.status != EK_OK || contents != 1;
    return !*bad;
}

/* How many numbers lie in buckets up to this limit. */
static double below(const summary_value *v, double limit)
{
    double n = 0;

    for (int i = 0; i < v->n[0] && v->bucket[0][i] <= limit; i++) n += v->bucket[1][i];
    return n;
}

static bool close_to(double got, double want, double scale, const case_tolerance *t)
{
    return fabs(got - want) <= t->relative * fmax(scale, fabs(want)) + t->absolute;
}

static double largest(const summary_value *v)
{
    return fmax(fabs(v->number[0]), fabs(v->number[1]));
}

/* What is left of a bias before a batch norm. */
#define NOISE 5e-4

static bool values_close(const summary_value *g, const summary_value *w, const case_tolerance *t)
{
    const double n = w->number[2], squares = w->number[4], spread = sqrt(n * squares);

    if (g->is_scalar != w->is_scalar || g->tag.size != w->tag.size || memcmp(g->tag.at, w->tag.at, w->tag.size) != 0) return false;
    if (w->is_scalar) return close_to(g->scalar, w->scalar, 0, t);
    if (g->number[2] != n) return false;
    if (largest(g) < NOISE && largest(w) < NOISE) return true;
    if (!close_to(g->number[0], w->number[0], 0, t) || !close_to(g->number[1], w->number[1], 0, t) ||
        !close_to(g->number[3], w->number[3], spread, t) || !close_to(g->number[4], squares, 0, t))
        return false;
    for (int i = 0; i < w->n[0]; i++)
        if (fabs(below(g, w->bucket[0][i]) - below(w, w->bucket[0][i])) > n / 1000 + 1) return false;
    for (int i = 0; i < g->n[0]; i++)
        if (fabs(below(g, g->bucket[0][i]) - below(w, g->bucket[0][i])) > n / 1000 + 1) return false;
    return true;
}

static bool messages_close(ek_span got, ek_span want, const case_tolerance *t)
{
    ek_error err = { 0 };
    ek_wire a = ek__wire_open(got, got.at, &err), b = ek__wire_open(want, want.at, &err);
    static summary_value g, w;
    bool bad = false;

    for (int n = 0;; n++) {
        const bool more = next_value(&a, &g, &bad);
        if (next_value(&b, &w, &bad) != more || bad) return false;
        if (!more) return n > 0;
        if (!values_close(&g, &w, t)) return false;
    }
}

/* numpy, which wrote what is wanted, drops zero bytes at the end of a string. */
bool summaries_close(const ek_string *got, const ek_string *want, const case_tolerance *t)
{
    uint8_t *padded = calloc(1, want->size + MOST_DROPPED);
    bool close = false;

    if (padded == NULL) return false;
    if (want->size > 0) memcpy(padded, want->data, want->size);
    for (size_t more = 0; more < MOST_DROPPED && !close; more++)
        close = messages_close((ek_span){ (const uint8_t *)got->data, got->size }, (ek_span){ padded, want->size + more }, t);
    free(padded);
    return close;
}
