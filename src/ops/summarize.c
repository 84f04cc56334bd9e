/* ops/summarize.c - ScalarSummary, HistogramSummary, MergeSummary: numbers as the messages that TensorBoard reads.
 *
 * A summary is a serialized protocol buffer in a string tensor. Fields that have their default are left out, as
 * protocol buffers do.
 */
#include <float.h>
#include <math.h>

#include "codec/wire.h"
#include "ops/rules.h"

enum { TAG, VALUES };
enum { F_SUMMARY_VALUE = 1, F_VALUE_TAG = 1, F_VALUE_SIMPLE = 2, F_VALUE_HISTOGRAM = 5 };
enum {
    F_HISTOGRAM_MIN = 1, F_HISTOGRAM_MAX = 2, F_HISTOGRAM_NUM = 3, F_HISTOGRAM_SUM = 4, F_HISTOGRAM_SQUARES = 5,
    F_HISTOGRAM_LIMIT = 6, F_HISTOGRAM_BUCKET = 7
};

/* What was written becomes the op's result. */
static ek_status finish(const ek_run_args *a, ek_buf *b)
{
    const bool ok = !b->failed && ek__string_set(a->out[0], b->data, b->size);

    ek__buf_fini(b);
    return ok ? EK_OK : EK_FAIL(a->err, RESOURCE_EXHAUSTED, "no memory for a summary");
}

static void put_tag(ek_buf *b, const ek_string *tag)
{
    if (tag->size > 0) ek__put_bytes(b, F_VALUE_TAG, tag->data, tag->size);
}

/* ---- scalars -------------------------------------------------------------------------------------------- */

typedef struct summary_state {
    ek_dtype dtype;
    int64_t n;
    size_t size;
} summary_state;

static ek_status scalar_shape(ek_shape_ctx *c)
{
    if (c->running && !ek_shape_equal(&c->in[TAG], &c->in[VALUES])) {
        const ek_array *tag = c->in_value[TAG];
        const bool one = tag != NULL && tag->count == 1;
        const ek_string *s = one ? tag->data : NULL;
        return EK_FAIL(c->err, INVALID_ARGUMENT, "tags and values are not the same shape: %s != %s%s%.*s%s", EK_CC(&c->in[TAG]),
                       EK_CC(&c->in[VALUES]), one ? " (tag '" : "", one ? (int)s->size : 0, one ? s->data : "", one ? "')" : "");
    }
    return ek__scalar_rule(c);
}

static ek_status scalar_run(const ek_run_args *a, int64_t chunk)
{
    const summary_state *s = a->state;
    const ek_string *tag = a->in[TAG];
    ek_buf b = { 0 };

    EK_UNUSED(chunk);
    for (int64_t i = 0; i < s->n; i++) {
        float v;
        const size_t mark = ek__put_open(&b, F_SUMMARY_VALUE);
        ek__convert(s->dtype, (const char *)a->in[VALUES] + (size_t)i * s->size, EK_FLOAT32, &v, 1);
        put_tag(&b, &tag[i]);
        ek__put_float(&b, F_VALUE_SIMPLE, v);
        ek__put_close(&b, mark);
    }
    return finish(a, &b);
}

static ek_status scalar_prepare(ek_prepare_ctx *c)
{
    summary_state *s = EK_ARENA_NEW(c->arena, summary_state, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (summary_state){ c->in_dtype[VALUES], ek_shape_count(&c->in[VALUES]), ek_dtype_size(c->in_dtype[VALUES]) };
    c->state = s;
    ek__add_phase(c, scalar_run, 1);
    return EK_OK;
}

/* ---- histograms ------------------------------------------------------------------------------------------- */

enum { SIDE = 775, BUCKETS = 2 * SIDE + 1, BLOCK = 512, PART = 1 << 14, MOST_PARTS = 16 };

/* What a part of the numbers comes to. */
typedef struct tally {
    double min, max, sum, squares;
    double count[BUCKETS];
} tally;

typedef struct histogram_state {
    summary_state s;
    int64_t parts;
    int n_limits;
    double limit[BUCKETS]; /* a bucket holds what lies below its limit and not below the one before */
} histogram_state;

/* 0, and 1e-12 times powers of 1.1 below 1e20 and the largest number, on both sides. */
static void set_limits(histogram_state *h)
{
    double side[SIDE];
    int n = 0;

    for (double v = 1e-12; v < 1e20; v *= 1.1) side[n++] = v;
    side[n++] = DBL_MAX;
    for (int i = 0; i < n; i++) {
        h->limit[n - 1 - i] = -side[i];
        h->limit[n + 1 + i] = side[i];
    }
    h->limit[n] = 0;
    h->n_limits = 2 * n + 1;
}

/* The first bucket whose limit lies above v; the last for the largest number of all. */
static int bucket_of(const histogram_state *h, double v)
{
    int low = 0, high = h->n_limits - 1;

    while (low < high) {
        const int middle = (low + high) / 2;
        if (h->limit[middle] > v) high = middle;
        else low = middle + 1;
    }
    return low;
}

static ek_status histogram_part(const ek_run_args *a, int64_t chunk)
{
    const histogram_state *h = a->state;
    tally *t = (tally *)a->scratch + chunk;
    const int64_t end = ek__part_begin(h->s.n, h->parts, chunk + 1);
    double v[BLOCK];

    memset(t, 0, sizeof *t);
    t->min = DBL_MAX;
    t->max = -DBL_MAX;
    for (int64_t i = ek__part_begin(h->s.n, h->parts, chunk), n; i < end; i += n) {
        n = end - i < BLOCK ? end - i : BLOCK;
        ek__convert(h->s.dtype, (const char *)a->in[VALUES] + (size_t)i * h->s.size, EK_FLOAT64, v, n);
        for (int64_t k = 0; k < n; k++) {
            if (!isfinite(v[k]))
                return EK_FAIL(a->err, INVALID_ARGUMENT, "%s for: {{node}}", isnan(v[k]) ? "Nan in summary histogram" : "Infinity in Histogram");
            t->count[bucket_of(h, v[k])]++;
            t->min = v[k] < t->min ? v[k] : t->min;
            t->max = v[k] > t->max ? v[k] : t->max;
            t->sum += v[k];
            t->squares += v[k] * v[k];
        }
    }
    return EK_OK;
}

/* The parts' tallies in their order, in the first. */
static const tally *add_tallies(const histogram_state *h, tally *t)
{
    for (int64_t p = 1; p < h->parts; p++) {
        t->min = t[p].min < t->min ? t[p].min : t->min;
        t->max = t[p].max > t->max ? t[p].max : t->max;
        t->sum += t[p].sum;
        t->squares += t[p].squares;
        for (int i = 0; i < h->n_limits; i++) t->count[i] += t[p].count[i];
    }
    return t;
}

/* Buckets in a row that are empty become one. Returns how many remain: limits and counts. */
static int join_empty(const histogram_state *h, const tally *t, double *limit, double *count)
{
    int n = 0;

    for (int i = 0; i < h->n_limits; i++) {
        const bool empty = t->count[i] == 0;
        if (n == 0 || !empty || count[n - 1] != 0) n++;
        limit[n - 1] = h->limit[i];
        count[n - 1] = t->count[i];
    }
    return n;
}

static void put_number(ek_buf *b, uint32_t field, double v)
{
    if (v != 0 || signbit(v)) ek__put_double(b, field, v);
}

static void put_numbers(ek_buf *b, uint32_t field, const double *v, int n)
{
    const size_t mark = ek__put_open(b, field);

    for (int i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &v[i], sizeof bits);
        ek__put_fixed64(b, bits);
    }
    ek__put_close(b, mark);
}

static ek_status histogram_write(const ek_run_args *a, int64_t chunk)
{
    const histogram_state *h = a->state;
    const tally *t = add_tallies(h, a->scratch);
    double limit[BUCKETS], count[BUCKETS];
    const int n = join_empty(h, t, limit, count);
    ek_buf b = { 0 };

    EK_UNUSED(chunk);
    const size_t value = ek__put_open(&b, F_SUMMARY_VALUE);
    put_tag(&b, a->in[TAG]);
    const size_t histogram = ek__put_open(&b, F_VALUE_HISTOGRAM);
    put_number(&b, F_HISTOGRAM_MIN, t->min);
    put_number(&b, F_HISTOGRAM_MAX, t->max);
    put_number(&b, F_HISTOGRAM_NUM, (double)h->s.n);
    put_number(&b, F_HISTOGRAM_SUM, t->sum);
    put_number(&b, F_HISTOGRAM_SQUARES, t->squares);
    put_numbers(&b, F_HISTOGRAM_LIMIT, limit, n);
    put_numbers(&b, F_HISTOGRAM_BUCKET, count, n);
    ek__put_close(&b, histogram);
    ek__put_close(&b, value);
    return finish(a, &b);
}

static ek_status histogram_shape(ek_shape_ctx *c)
{
    if (c->running && c->in[TAG].rank != 0) return EK_FAIL(c->err, INVALID_ARGUMENT, "tags must be scalar");
    return ek__scalar_rule(c);
}

static ek_status histogram_prepare(ek_prepare_ctx *c)
{
    histogram_state *h = EK_ARENA_NEW(c->arena, histogram_state, 1);

    if (h == NULL) return ek__no_memory(c);
    h->s = (summary_state){ c->in_dtype[VALUES], ek_shape_count(&c->in[VALUES]), ek_dtype_size(c->in_dtype[VALUES]) };
    set_limits(h);
    h->parts = 1 + h->s.n / PART < MOST_PARTS ? 1 + h->s.n / PART : MOST_PARTS;
    c->state = h;
    c->scratch_bytes = (size_t)h->parts * sizeof(tally);
    ek__add_phase(c, histogram_part, h->parts);
    ek__add_phase(c, histogram_write, 1);
    return EK_OK;
}

/* ---- many in one ------------------------------------------------------------------------------------------- */

typedef struct merge_state {
    int n;
    int64_t *count; /* of each input's strings */
} merge_state;

/* The tag in a value; an empty one where it has none. False: damage. */
static bool tag_of(ek_span value, ek_span *tag)
{
    ek_error err = { 0 };
    ek_wire w = ek__wire_open(value, value.at, &err);
    ek_wire_field f;

    *tag = (ek_span){ NULL, 0 };
    while (ek__wire_next(&w, &f))
        if (f.number == F_VALUE_TAG && f.type == EK_WIRE_BYTES) *tag = f.bytes;
    return w.status == EK_OK;
}

static ek_status merge_one(const ek_run_args *a, const ek_string *s, ek_map *seen, ek_buf *b)
{
    const ek_span message = { (const uint8_t *)s->data, s->size };
    ek_error err = { 0 };
    ek_wire w = ek__wire_open(message, message.at, &err);
    ek_wire_field f;

    while (ek__wire_next(&w, &f)) {
        ek_span tag;
        if (f.number != F_SUMMARY_VALUE) continue;
        if (f.type != EK_WIRE_BYTES || !tag_of(f.bytes, &tag))
            return EK_FAIL(a->err, INVALID_ARGUMENT, "Could not parse one of the summary inputs");
        if (tag.size > 0 && ek__map_get(seen, (const char *)tag.at, tag.size, 0) != 0)
            return EK_FAIL(a->err, INVALID_ARGUMENT, "Duplicate tag %.*s found in summary inputs", (int)tag.size, (const char *)tag.at);
        if (tag.size > 0 && !ek__map_put(seen, (const char *)tag.at, tag.size, 1))
            return EK_FAIL(a->err, RESOURCE_EXHAUSTED, "no memory for a summary");
        ek__put_bytes(b, F_SUMMARY_VALUE, f.bytes.at, f.bytes.size);
    }
    return w.status == EK_OK ? EK_OK : EK_FAIL(a->err, INVALID_ARGUMENT, "Could not parse one of the summary inputs");
}

static ek_status merge_run(const ek_run_args *a, int64_t chunk)
{
    const merge_state *s = a->state;
    ek_buf b = { 0 };
    ek_map seen = { 0 };
    ek_status st = EK_OK;

    EK_UNUSED(chunk);
    for (int i = 0; i < s->n; i++)
        for (int64_t k = 0; k < s->count[i] && st == EK_OK; k++) st = merge_one(a, (const ek_string *)a->in[i] + k, &seen, &b);
    ek__map_fini(&seen);
    if (st == EK_OK) return finish(a, &b);
    ek__buf_fini(&b);
    return st;
}

static ek_status merge_prepare(ek_prepare_ctx *c)
{
    merge_state *s = EK_ARENA_NEW(c->arena, merge_state, 1);

    if (s == NULL) return ek__no_memory(c);
    s->n = c->n_in;
    s->count = EK_ARENA_NEW(c->arena, int64_t, c->n_in);
    if (s->count == NULL) return ek__no_memory(c);
    for (int i = 0; i < c->n_in; i++) s->count[i] = ek_shape_count(&c->in[i]);
    c->state = s;
    ek__add_phase(c, merge_run, 1);
    return EK_OK;
}

/* ---- definitions -------------------------------------------------------------------------------------------- */

#define REALS "{float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64}"

const ek_op_def ek__op_ScalarSummary = {
    .name = "ScalarSummary",
    .inputs = "tags: string, values: T",
    .outputs = "summary: string",
    .attrs = "T: " REALS,
    .shape = scalar_shape,
    .prepare = scalar_prepare,
    .no_grad_because = "it gives text",
};

const ek_op_def ek__op_HistogramSummary = {
    .name = "HistogramSummary",
    .inputs = "tag: string, values: T",
    .outputs = "summary: string",
    .attrs = "T: " REALS " = float",
    .shape = histogram_shape,
    .prepare = histogram_prepare,
    .no_grad_because = "it gives text",
};

const ek_op_def ek__op_MergeSummary = {
    .name = "MergeSummary",
    .inputs = "inputs: N * string",
    .outputs = "summary: string",
    .attrs = "N: int >= 1",
    .shape = ek__scalar_rule,
    .prepare = merge_prepare,
    .no_grad_because = "it gives text",
};
