/* ops/summarize.c - ScalarSummary, HistogramSummary, ImageSummary, TensorSummaryV2, MergeSummary: numbers as the messages
 * that TensorBoard reads (codec/summary.h).
 *
 * A summary is a serialized protocol buffer in a string tensor.
 */
#include "codec/fields.h"
#include "codec/summary.h"
#include "ops/rules.h"

enum { TAG, VALUES };
/* What was written becomes the op's result. */
static ek_status finish(const ek_run_args *a, ek_buf *b)
{
    const bool ok = !b->failed && ek__string_set(a->out[0], b->data, b->size);

    ek__buf_fini(b);
    return ok ? EK_OK : EK_FAIL(a->err, RESOURCE_EXHAUSTED, "no memory for a summary");
}

static ek_span tag_span(const ek_string *tag) { return (ek_span){ (const uint8_t *)tag->data, tag->size }; }

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
        return EK_FAIL(c->err, INVALID_ARGUMENT, "tags and values are not the same shape: %s != %s%s%.*s%s",
                       EK_CC(&c->in[TAG]),
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
        ek__convert(s->dtype, (const char *)a->in[VALUES] + (size_t)i * s->size, EK_FLOAT32, &v, 1);
        ek__summary_scalar(&b, tag_span(&tag[i]), v);
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

enum { PART = 1 << 14, MOST_PARTS = 16 };

typedef struct histogram_state {
    summary_state s;
    int64_t parts;
    ek_bucket_limits limits;
} histogram_state;

static ek_status histogram_part(const ek_run_args *a, int64_t chunk)
{
    const histogram_state *h = a->state;
    ek_tally *t = (ek_tally *)a->scratch + chunk;
    const int64_t from = ek__part_begin(h->s.n, h->parts, chunk), end = ek__part_begin(h->s.n, h->parts, chunk + 1);
    const char *bad;

    ek__tally_init(t);
    bad = ek__tally_add(t, &h->limits, h->s.dtype, (const char *)a->in[VALUES] + (size_t)from * h->s.size, end - from);
    return bad == NULL ? EK_OK : EK_FAIL(a->err, INVALID_ARGUMENT, "%s for: {{node}}", bad);
}

static ek_status histogram_write(const ek_run_args *a, int64_t chunk)
{
    const histogram_state *h = a->state;
    ek_tally *t = a->scratch;
    ek_buf b = { 0 };

    EK_UNUSED(chunk);
    for (int64_t p = 1; p < h->parts; p++) ek__tally_join(t, &t[p]); /* in their order */
    ek__summary_histogram(&b, tag_span(a->in[TAG]), t, &h->limits);
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
    ek__bucket_limits(&h->limits);
    h->parts = 1 + h->s.n / PART < MOST_PARTS ? 1 + h->s.n / PART : MOST_PARTS;
    c->state = h;
    c->scratch_bytes = (size_t)h->parts * sizeof(ek_tally);
    ek__add_phase(c, histogram_part, h->parts);
    ek__add_phase(c, histogram_write, 1);
    return EK_OK;
}

/* ---- pictures --------------------------------------------------------------------------------------------- */

typedef struct image_attrs {
    int64_t max_images;
    ek_array *bad_color;
} image_attrs;
static const ek_field image_fields[] = {
    EK_FIELD(image_attrs, max_images, INT), EK_FIELD(image_attrs, bad_color, TENSOR),
};

static ek_status image_shape(ek_shape_ctx *c)
{
    const image_attrs *a = c->attrs;
    const ek_shape *x = &c->in[VALUES];

    if (a->bad_color->dtype != EK_UINT8)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "bad_color must be uint8, got %s",
                       ek_dtype_cc_name(a->bad_color->dtype));
    if (a->bad_color->shape.rank != 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "bad_color must be a vector, got shape %s",
                       EK_CC(&a->bad_color->shape));
    if (c->running) {
        if (ek_shape_count(&c->in[TAG]) != 1 || c->in[TAG].rank > 1)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Tags must be a scalar");
        if (x->rank != 4 || (x->dim[3] != 1 && x->dim[3] != 3 && x->dim[3] != 4))
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Tensor must be 4-D with last dim 1, 3, or 4, not %s", EK_CC(x));
        if (ek_shape_count(x) == 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "input tensor must have non-zero dims. Found: %s", EK_CC(x));
        if (a->bad_color->count < x->dim[3])
            return EK_FAIL(c->err, INVALID_ARGUMENT,
                           "expected depth <= bad_color.size, got depth = %lld, bad_color.size = %lld",
                           (long long)x->dim[3], (long long)a->bad_color->count);
    }
    return ek__scalar_rule(c);
}

static ek_status image_run(const ek_run_args *a, int64_t chunk)
{
    ek_pictures p = *(const ek_pictures *)a->state;
    ek_buf b = { 0 };
    ek_status st;

    EK_UNUSED(chunk);
    p.data = a->in[VALUES];
    st = ek__summary_images(&b, tag_span(a->in[TAG]), &p, a->err);
    if (st == EK_OK) return finish(a, &b);
    ek__buf_fini(&b);
    return st;
}

static ek_status image_prepare(ek_prepare_ctx *c)
{
    const image_attrs *at = c->attrs;
    const ek_shape *x = &c->in[VALUES];
    ek_pictures *p = EK_ARENA_NEW(c->arena, ek_pictures, 1);

    if (p == NULL) return ek__no_memory(c);
    *p = (ek_pictures){ .dtype = c->in_dtype[VALUES], .n = x->dim[0], .height = x->dim[1], .width = x->dim[2],
                        .depth = (int)x->dim[3], .most = at->max_images };
    memcpy(p->bad, at->bad_color->data, (size_t)(at->bad_color->count < 4 ? at->bad_color->count : 4));
    c->state = p;
    ek__add_phase(c, image_run, 1);
    return EK_OK;
}

/* ---- any tensor --------------------------------------------------------------------------------------------- */

enum { METADATA = 2 };

static ek_status tensor_shape(ek_shape_ctx *c)
{
    for (int i = 0; c->running && i < c->n_in; i += METADATA)
        if (c->in[i].rank != 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "%s must be scalar", i == TAG ? "tag"
                           : "serialized_summary_metadata");
    return ek__scalar_rule(c);
}

/* A view of what is summarized. */
static ek_status tensor_run(const ek_run_args *a, int64_t chunk)
{
    const ek_string *metadata = a->in[METADATA];
    ek_array view = *(const ek_array *)a->state;
    ek_buf b = { 0 };

    EK_UNUSED(chunk);
    if (ek__wire_check(ek__proto(EK_PROTO_SUMMARY_METADATA), tag_span(metadata), NULL,
                       &(ek_error){ .code = EK_OK }) != EK_OK)
        return EK_FAIL(a->err, INVALID_ARGUMENT, "Could not parse the summary metadata of {{node}}");
    view.data = (void *)(uintptr_t)a->in[VALUES];
    ek__summary_tensor(&b, tag_span(a->in[TAG]), &view, tag_span(metadata));
    return finish(a, &b);
}

static ek_status tensor_prepare(ek_prepare_ctx *c)
{
    ek_array *view = EK_ARENA_NEW(c->arena, ek_array, 1);

    if (view == NULL) return ek__no_memory(c);
    if (c->in_dtype[VALUES] == EK_RESOURCE || c->in_dtype[VALUES] == EK_VARIANT)
        return EK_FAIL(c->err, UNIMPLEMENTED, "a summary of %s is not possible", ek_dtype_name(c->in_dtype[VALUES]));
    view->dtype = c->in_dtype[VALUES];
    view->shape = c->in[VALUES];
    view->count = ek_shape_count(&view->shape);
    c->state = view;
    ek__add_phase(c, tensor_run, 1);
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
        if (f.number == EK_F_SUMMARY_TAG && f.type == EK_WIRE_BYTES) *tag = f.bytes;
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
        if (f.number != EK_F_SUMMARY_VALUE) continue;
        if (f.type != EK_WIRE_BYTES || !tag_of(f.bytes, &tag))
            return EK_FAIL(a->err, INVALID_ARGUMENT, "Could not parse one of the summary inputs");
        if (tag.size > 0 && ek__map_get(seen, (const char *)tag.at, tag.size, 0) != 0)
            return EK_FAIL(a->err, INVALID_ARGUMENT, "Duplicate tag %.*s found in summary inputs", (int)tag.size,
                           (const char *)tag.at);
        if (tag.size > 0 && !ek__map_put(seen, (const char *)tag.at, tag.size, 1))
            return EK_FAIL(a->err, RESOURCE_EXHAUSTED, "no memory for a summary");
        ek__put_bytes(b, EK_F_SUMMARY_VALUE, f.bytes.at, f.bytes.size);
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
        for (int64_t k = 0; k < s->count[i] && st == EK_OK; k++)
            st = merge_one(a, (const ek_string *)a->in[i] + k, &seen, &b);
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

const ek_op_def ek__op_ImageSummary = {
    .name = "ImageSummary",
    .inputs = "tag: string, tensor: T",
    .outputs = "summary: string",
    .attrs = "max_images: int >= 1 = 3; T: {uint8, float, half, double} = float; bad_color: tensor = uint8[255, 0, 0, 255]",
    .attrs_size = sizeof(image_attrs),
    .fields = image_fields,
    .n_fields = EK_COUNT_OF(image_fields),
    .shape = image_shape,
    .prepare = image_prepare,
    .no_grad_because = "it gives text",
};

const ek_op_def ek__op_TensorSummaryV2 = {
    .name = "TensorSummaryV2",
    .inputs = "tag: string, tensor: T, serialized_summary_metadata: string",
    .outputs = "summary: string",
    .attrs = "T: type",
    .shape = tensor_shape,
    .prepare = tensor_prepare,
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
