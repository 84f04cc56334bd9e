/* train/event_reader.c - event files, read. Writing them: event_writer.c. */
#include "codec/fields.h"
#include "codec/record.h"
#include "codec/tensor.h"
#include "evenkeel/events.h"

struct ek_event_reader {
    ek_record_reader *records;
    ek_arena arena;     /* of the event in hand */
    ek_array **tensor;  /* of its values, in the arena */
    int64_t n_tensors;
    ek_error failed;    /* damage stays damage */
    bool cut;
};

ek_status ek_event_reader_open(const char *path, ek_event_reader **out, ek_error *err)
{
    ek_event_reader *r;
    ek_status st;

    err = ek__error_begin(err);
    if (out != NULL) *out = NULL;
    if (path == NULL || out == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "a path and a place for the reader were expected, found NULL");
    r = ek__calloc(1, sizeof *r);
    if (r == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a reader of events");
    r->arena.block_size = 4096;
    st = ek_record_reader_open(path, EK_COMPRESSION_BY_CONTENT, &r->records, err);
    if (st == EK_OK) *out = r;
    else ek__free(r);
    return st;
}

static void forget(ek_event_reader *r)
{
    for (int64_t i = 0; i < r->n_tensors; i++) ek_array_unref(r->tensor[i]);
    r->n_tensors = 0;
    r->tensor = NULL;
    ek__arena_fini(&r->arena);
}

void ek_event_reader_close(ek_event_reader *r)
{
    if (r == NULL) return;
    forget(r);
    ek_record_reader_close(r->records);
    ek__free(r);
}

bool ek_event_reader_cut(const ek_event_reader *r) { return r != NULL && r->cut; }

/* ---- summaries ---------------------------------------------------------------------------------------------- */

static ek_status no_memory(ek_error *err) { return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for an event"); }

static ek_status take_string(ek_event_reader *r, ek_span s, const char **out, ek_error *err)
{
    *out = ek__arena_strndup(&r->arena, (const char *)s.at, s.size);
    return *out != NULL ? EK_OK : no_memory(err);
}

/* The numbers of a repeated field, wherever they stand in the message. */
static ek_status take_numbers(ek_event_reader *r, ek_span message, uint32_t field, const double **out, int64_t *n,
                              ek_error *err)
{
    double *at = EK_ARENA_NEW(&r->arena, double, message.size / 8 + 1);
    ek_wire w = ek__wire_open(message, NULL, err);
    ek_wire_field f;

    if (at == NULL) return no_memory(err);
    *n = 0;
    *out = at;
    while (ek__wire_next(&w, &f)) {
        size_t offset = 0;
        uint64_t bits;

        if (f.number != field) continue;
        while (ek__wire_packed(&f, EK_WIRE_FIXED64, &offset, &bits)) at[(*n)++] = ek__wire_double(bits);
    }
    return EK_OK;
}

static ek_status take_histogram(ek_event_reader *r, ek_span message, ek_histogram *h, ek_error *err)
{
    ek_wire w = ek__wire_open(message, NULL, err);
    ek_wire_field f;
    int64_t limits;

    *h = (ek_histogram){ 0 };
    while (ek__wire_next(&w, &f)) {
        const double v = ek__wire_double(f.value);
        switch (f.number) {
        case EK_F_HISTOGRAM_MIN: h->min = v; break;
        case EK_F_HISTOGRAM_MAX: h->max = v; break;
        case EK_F_HISTOGRAM_NUM: h->num = v; break;
        case EK_F_HISTOGRAM_SUM: h->sum = v; break;
        case EK_F_HISTOGRAM_SQUARES: h->sum_squares = v; break;
        default: break;
        }
    }
    EK_TRY(take_numbers(r, message, EK_F_HISTOGRAM_LIMIT, &h->limit, &limits, err));
    EK_TRY(take_numbers(r, message, EK_F_HISTOGRAM_BUCKET, &h->bucket, &h->n, err));
    if (limits != h->n)
        return EK_FAIL(err, INVALID_ARGUMENT, "a histogram has %lld limits and %lld buckets", (long long)limits,
                       (long long)h->n);
    return EK_OK;
}

static void take_image(ek_span message, ek_summary_value *v)
{
    ek_error err = { .code = EK_OK };
    ek_wire w = ek__wire_open(message, NULL, &err);
    ek_wire_field f;

    while (ek__wire_next(&w, &f)) {
        switch (f.number) {
        case EK_F_IMAGE_HEIGHT: v->image.height = (int)f.value; break;
        case EK_F_IMAGE_WIDTH: v->image.width = (int)f.value; break;
        case EK_F_IMAGE_COLORSPACE: v->image.colorspace = (int)f.value; break;
        case EK_F_IMAGE_ENCODED:
            v->image.png = f.bytes.at;
            v->image.size = f.bytes.size;
            break;
        default: break;
        }
    }
}

static ek_status take_tensor(ek_event_reader *r, ek_span message, ek_summary_value *v, ek_error *err)
{
    ek_tensor_reader tensors = { .expansion = EK_TENSOR_EXPANSION / 64 };

    EK_TRY(ek__tensor_read(&tensors, message, &r->tensor[r->n_tensors], err));
    v->tensor = r->tensor[r->n_tensors++];
    return EK_OK;
}

/* metadata { plugin_data { plugin_name } } */
static ek_status take_plugin(ek_event_reader *r, ek_span message, ek_summary_value *v, ek_error *err)
{
    ek_wire w = ek__wire_open(message, NULL, err);
    ek_wire_field f;

    while (ek__wire_next(&w, &f)) {
        if (f.number != EK_F_METADATA_PLUGIN) continue;
        ek_wire inner = ek__wire_open(f.bytes, NULL, err);
        while (ek__wire_next(&inner, &f))
            if (f.number == EK_F_PLUGIN_NAME) EK_TRY(take_string(r, f.bytes, &v->plugin, err));
    }
    return EK_OK;
}

/* A value is one thing: of several in a message the last counts, as everywhere in protobuf. */
static void become(ek_summary_value *v, ek_summary_kind kind)
{
    *v = (ek_summary_value){ .tag = v->tag, .node_name = v->node_name, .plugin = v->plugin, .kind = kind };
}

static ek_status take_value(ek_event_reader *r, ek_span message, ek_summary_value *v, ek_error *err)
{
    ek_wire w = ek__wire_open(message, NULL, err);
    ek_wire_field f;

    v->tag = v->node_name = v->plugin = "";
    while (ek__wire_next(&w, &f)) {
        switch (f.number) {
        case EK_F_SUMMARY_TAG: EK_TRY(take_string(r, f.bytes, &v->tag, err)); break;
        case EK_F_SUMMARY_NODE: EK_TRY(take_string(r, f.bytes, &v->node_name, err)); break;
        case EK_F_SUMMARY_METADATA: EK_TRY(take_plugin(r, f.bytes, v, err)); break;
        case EK_F_SUMMARY_SIMPLE:
            become(v, EK_SUMMARY_SCALAR);
            v->scalar = ek__wire_float(f.value);
            break;
        case EK_F_SUMMARY_HISTOGRAM:
            become(v, EK_SUMMARY_HISTOGRAM);
            EK_TRY(take_histogram(r, f.bytes, &v->histogram, err));
            break;
        case EK_F_SUMMARY_IMAGE:
            become(v, EK_SUMMARY_IMAGE);
            take_image(f.bytes, v);
            break;
        case EK_F_SUMMARY_TENSOR:
            become(v, EK_SUMMARY_TENSOR);
            EK_TRY(take_tensor(r, f.bytes, v, err));
            break;
        default: break;
        }
    }
    return EK_OK;
}

static ek_status take_summary(ek_event_reader *r, ek_event *e, ek_error *err)
{
    const ek_span message = { e->data, e->size };
    ek_wire w = ek__wire_open(message, NULL, err);
    ek_summary_value *values;
    ek_wire_field f;
    int64_t n = 0;

    while (ek__wire_next(&w, &f)) n += f.number == EK_F_SUMMARY_VALUE;
    values = EK_ARENA_NEW(&r->arena, ek_summary_value, n + 1);
    r->tensor = EK_ARENA_NEW(&r->arena, ek_array *, n + 1);
    if (values == NULL || r->tensor == NULL) return no_memory(err);
    e->values = values;
    w = ek__wire_open(message, NULL, err);
    while (ek__wire_next(&w, &f))
        if (f.number == EK_F_SUMMARY_VALUE) EK_TRY(take_value(r, f.bytes, &values[e->n_values++], err));
    return EK_OK;
}

/* ---- events --------------------------------------------------------------------------------------------------- */

static ek_status take_session_log(ek_event_reader *r, ek_span message, ek_event *e, ek_error *err)
{
    ek_wire w = ek__wire_open(message, NULL, err);
    ek_wire_field f;

    while (ek__wire_next(&w, &f)) {
        if (f.number == EK_F_SESSION_STATUS) e->status = (ek_session_status)f.value;
        if (f.number == EK_F_SESSION_CHECKPOINT) EK_TRY(take_string(r, f.bytes, &e->text, err));
        if (f.number == EK_F_SESSION_MSG) EK_TRY(take_string(r, f.bytes, &e->message, err));
    }
    return EK_OK;
}

/* A message of a string and bytes, of which either may be missing: field numbers, 0 for none. */
static ek_status take_pair(ek_event_reader *r, ek_span message, uint32_t text, uint32_t data, ek_event *e,
                           ek_error *err)
{
    ek_wire w = ek__wire_open(message, NULL, err);
    ek_wire_field f;

    while (ek__wire_next(&w, &f)) {
        if (f.number == text) EK_TRY(take_string(r, f.bytes, &e->text, err));
        if (f.number == data) {
            e->data = f.bytes.at;
            e->size = f.bytes.size;
        }
    }
    return EK_OK;
}

/* What the event says; field `f` of it. */
static ek_status take_what(ek_event_reader *r, const ek_wire_field *f, ek_event *e, ek_error *err)
{
    static const ek_event_kind kinds[] = {
        [EK_F_EVENT_VERSION] = EK_EVENT_FILE_VERSION, [EK_F_EVENT_GRAPH] = EK_EVENT_GRAPH, [EK_F_EVENT_SUMMARY] = EK_EVENT_SUMMARY,
        [EK_F_EVENT_LOG] = EK_EVENT_LOG, [EK_F_EVENT_SESSION_LOG] = EK_EVENT_SESSION_LOG,
        [EK_F_EVENT_RUN_METADATA] = EK_EVENT_RUN_METADATA, [EK_F_EVENT_META_GRAPH] = EK_EVENT_META_GRAPH,
    };

    if (f->number >= EK_COUNT_OF(kinds) || kinds[f->number] == EK_EVENT_NONE) return EK_OK;
    e->kind = kinds[f->number];
    switch (f->number) {
    case EK_F_EVENT_VERSION: return take_string(r, f->bytes, &e->text, err);
    case EK_F_EVENT_LOG: return take_pair(r, f->bytes, EK_F_LOG_MESSAGE, 0, e, err);
    case EK_F_EVENT_RUN_METADATA: return take_pair(r, f->bytes, EK_F_TAGGED_TAG, EK_F_TAGGED_RUN_METADATA, e, err);
    case EK_F_EVENT_SESSION_LOG: return take_session_log(r, f->bytes, e, err);
    default:
        e->data = f->bytes.at;
        e->size = f->bytes.size;
        return f->number == EK_F_EVENT_SUMMARY ? take_summary(r, e, err) : EK_OK;
    }
}

static ek_status take_event(ek_event_reader *r, ek_span message, ek_event *e, ek_error *err)
{
    ek_wire w = ek__wire_open(message, NULL, err);
    ek_wire_field f, what = { .number = 0 };

    EK_TRY(ek__wire_check(ek__proto(EK_PROTO_EVENT), message, NULL, err));
    while (ek__wire_next(&w, &f)) {
        if (f.number == EK_F_EVENT_TIME) e->wall_time = ek__wire_double(f.value);
        else if (f.number == EK_F_EVENT_STEP) e->step = (int64_t)f.value;
        else if (f.number <= EK_F_EVENT_META_GRAPH) what = f; /* one of them: the last */
    }
    return take_what(r, &what, e, err);
}

/* The next record as an event. */
static ek_status next(ek_event_reader *r, ek_event *out, ek_error *err)
{
    const int64_t at = ek_record_reader_offset(r->records);
    ek_error why = { .code = EK_OK };
    const void *data;
    size_t size;
    ek_status st = ek_record_reader_next(r->records, &data, &size, err);

    if (st == EK_DATA_LOSS && ek__record_reader_cut(r->records)) {
        r->cut = true;
        *err = (ek_error){ .code = EK_OK };
        return EK_FAIL(err, OUT_OF_RANGE, "the end of the events; one more at byte %lld is cut off", (long long)at);
    }
    EK_TRY(st);
    st = take_event(r, (ek_span){ data, size }, out, &why);
    if (st != EK_OK)
        return ek__fail(err, st, why.file, why.line, "the event at byte %lld of the file: %s", (long long)at, why.text);
    return EK_OK;
}

ek_status ek_event_reader_next(ek_event_reader *r, ek_event *out, ek_error *err)
{
    err = ek__error_begin(err);
    if (r == NULL || out == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "a reader and a place for the event were expected, found NULL");
    forget(r);
    *out = (ek_event){ .text = "", .message = "" };
    if (r->failed.code == EK_OK && next(r, out, &r->failed) == EK_OK) return EK_OK;
    *out = (ek_event){ .text = "", .message = "" };
    return ek__error_copy(err, &r->failed);
}
