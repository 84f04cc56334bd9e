/* train/event_writer.c - event files for TensorBoard, written. Reading them: event_reader.c. The values of summaries are
 * codec/summary.h's. */
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "codec/fields.h"
#include "codec/record.h"
#include "codec/summary.h"
#include "evenkeel/events.h"
#include "evenkeel/files.h"
#include "graph/node.h"

struct ek_event_writer {
    char *path;
    ek_file_log *log;
    double flush_seconds, flushed; /* when it was last on the disk */
    pthread_mutex_t lock;          /* over all that follows */
    ek_buf event, record;
    ek_arena tags;
    ek_map seen; /* tags whose metadata is in the file */
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- opening and closing ------------------------------------------------------------------------------------- */

/* The folder and those above it, where they are missing. */
static ek_status make_folders(const char *folder, ek_error *err)
{
    const size_t size = strlen(folder);
    char *path = ek__alloc(size + 1);
    ek_status st = EK_OK;

    if (path == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the name of a folder");
    memcpy(path, folder, size + 1);
    for (size_t i = 1; i <= size && st == EK_OK; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        path[i] = '\0';
        st = access(path, F_OK) == 0 ? EK_OK : ek__file_make_folder(path, err);
        path[i] = folder[i];
    }
    ek__free(path);
    return st;
}

/* A name that no file has: TensorBoard reads the files of a folder by their names' order, and one after the other. */
static ek_status name_file(ek_event_writer *w, const char *logdir, const char *suffix, ek_error *err)
{
    const size_t room = strlen(logdir) + strlen(suffix) + HOST_NAME_MAX + 64;
    char host[HOST_NAME_MAX + 1] = "localhost";
    long long seconds = (long long)time(NULL);

    w->path = ek__alloc(room);
    if (w->path == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for an event writer");
    if (gethostname(host, sizeof host) != 0) snprintf(host, sizeof host, "localhost");
    host[HOST_NAME_MAX] = '\0';
    do {
        snprintf(w->path, room, "%s/events.out.tfevents.%010lld.%s%s", logdir, seconds++, host, suffix);
    } while (access(w->path, F_OK) == 0);
    return EK_OK;
}

static void release(ek_event_writer *w)
{
    pthread_mutex_destroy(&w->lock);
    ek__buf_fini(&w->event);
    ek__buf_fini(&w->record);
    ek__map_fini(&w->seen);
    ek__arena_fini(&w->tags);
    ek__free(w->path);
    ek__free(w);
}

/* ---- one event --------------------------------------------------------------------------------------------------- */

/* Its head; the caller, who then holds the lock, adds what it says. */
static void open_event(ek_event_writer *w, int64_t step)
{
    pthread_mutex_lock(&w->lock);
    w->event.size = 0;
    ek__put_double(&w->event, EK_F_EVENT_TIME, now());
    if (step != 0) ek__put_int(&w->event, EK_F_EVENT_STEP, step);
}

/* The event to the log, unless `st` is a failure already; and the lock is given back. */
static ek_status close_event(ek_event_writer *w, ek_status st, ek_error *err)
{
    w->record.size = 0;
    if (st == EK_OK && !w->event.failed) ek__record_put(&w->record, w->event.data, w->event.size);
    if (st == EK_OK && (w->event.failed || w->record.failed))
        st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for an event");
    if (w->event.failed) ek__buf_fini(&w->event);
    if (w->record.failed) ek__buf_fini(&w->record);
    if (st == EK_OK) st = ek__file_log_put(w->log, w->record.data, w->record.size, err);
    if (st == EK_OK && now() - w->flushed >= w->flush_seconds) {
        st = ek__file_log_flush(w->log, err);
        w->flushed = now();
    }
    pthread_mutex_unlock(&w->lock);
    return st;
}

/* A part of the event's message made of bytes. */
static ek_status write_bytes(ek_event_writer *w, uint32_t field, ek_span bytes, int64_t step, ek_error *err)
{
    open_event(w, step);
    ek__put_bytes(&w->event, field, bytes.at, bytes.size);
    return close_event(w, EK_OK, err);
}

static ek_status begin(ek_event_writer *w, const ek_event_writer_options *o, ek_error *err)
{
    EK_TRY(write_bytes(w, EK_F_EVENT_VERSION, ek__span_of("brain.Event:2"), 0, err));
    if (o->graph != NULL) EK_TRY(ek_event_write_graph(w, o->graph, 0, err));
    return ek__file_log_flush(w->log, err);
}

ek_status ek_event_writer_open_with(const char *logdir, const ek_event_writer_options *o, ek_where where)
{
    ek_event_writer *w;
    ek_error *err;
    ek_status st;

    if (!EK_OPTIONS_OK(NULL, o, where)) return EK_INVALID_ARGUMENT;
    err = ek__error_begin(o->error);
    if (o->out != NULL) *o->out = NULL;
    if (logdir == NULL || logdir[0] == '\0' || o->out == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "a folder and a place for the writer were expected, found none");
    w = ek__calloc(1, sizeof *w);
    if (w == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for an event writer");
    pthread_mutex_init(&w->lock, NULL);
    w->flush_seconds = o->flush_seconds;
    w->flushed = now();
    st = make_folders(logdir, err);
    if (st == EK_OK) st = name_file(w, logdir, o->filename_suffix != NULL ? o->filename_suffix : "", err);
    if (st == EK_OK) st = ek__file_append(w->path, &w->log, err);
    if (st == EK_OK) st = begin(w, o, err);
    if (st == EK_OK) {
        *o->out = w;
        return EK_OK;
    }
    if (w->log != NULL && ek__file_log_close(w->log, err) != EK_OK) st = err->code;
    release(w);
    return st;
}

const char *ek_event_writer_path(const ek_event_writer *w) { return w != NULL ? w->path : ""; }

static bool given(const ek_event_writer *w, const void *what, const char *name, ek_error *err)
{
    if (w != NULL && what != NULL) return true;
    EK_FAIL(err, INVALID_ARGUMENT, "%s was expected, found NULL", w == NULL ? "an event writer" : name);
    return false;
}

ek_status ek_event_writer_flush(ek_event_writer *w, ek_error *err)
{
    ek_status st;

    err = ek__error_begin(err);
    if (!given(w, w, "", err)) return err->code;
    pthread_mutex_lock(&w->lock);
    st = ek__file_log_flush(w->log, err);
    w->flushed = now();
    pthread_mutex_unlock(&w->lock);
    return st;
}

ek_status ek_event_writer_close(ek_event_writer *w, ek_error *err)
{
    ek_status st;

    err = ek__error_begin(err);
    if (w == NULL) return EK_OK;
    st = ek__file_log_close(w->log, err);
    release(w);
    return st;
}

/* ---- summaries ------------------------------------------------------------------------------------------------------- */

/* The tag of a value, and whether it has metadata; what stands in it was checked. */
static ek_span tag_of(ek_span value, bool *metadata)
{
    ek_error err = { .code = EK_OK };
    ek_wire in = ek__wire_open(value, NULL, &err);
    ek_span tag = { (const uint8_t *)"", 0 };
    ek_wire_field f;

    *metadata = false;
    while (ek__wire_next(&in, &f)) {
        if (f.number == EK_F_SUMMARY_TAG) tag = f.bytes;
        if (f.number == EK_F_SUMMARY_METADATA) *metadata = true;
    }
    return tag;
}

/* A value with metadata: as it is the first time, later without. */
static ek_status put_value(ek_event_writer *w, const ek_wire_field *value, ek_error *err)
{
    bool metadata;
    const ek_span tag = tag_of(value->bytes, &metadata);

    if (metadata && ek__map_get(&w->seen, (const char *)tag.at, tag.size, 0) != 0) {
        const size_t mark = ek__put_open(&w->event, EK_F_SUMMARY_VALUE);
        ek_wire in = ek__wire_open(value->bytes, NULL, err);
        ek_wire_field f;

        while (ek__wire_next(&in, &f))
            if (f.number != EK_F_SUMMARY_METADATA) ek__buf_add(&w->event, f.whole.at, f.whole.size);
        ek__put_close(&w->event, mark);
        return EK_OK;
    }
    ek__buf_add(&w->event, value->whole.at, value->whole.size);
    if (!metadata) return EK_OK;
    const char *key = ek__arena_strndup(&w->tags, (const char *)tag.at, tag.size);
    if (key == NULL || !ek__map_put(&w->seen, key, tag.size, 1))
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for an event");
    return EK_OK;
}

/* A checked Summary as an event. */
static ek_status write_summary(ek_event_writer *w, ek_span summary, int64_t step, ek_error *err)
{
    ek_wire in = ek__wire_open(summary, NULL, err);
    ek_status st = EK_OK;
    ek_wire_field f;
    size_t mark;

    open_event(w, step);
    mark = ek__put_open(&w->event, EK_F_EVENT_SUMMARY);
    while (st == EK_OK && ek__wire_next(&in, &f)) {
        if (f.number == EK_F_SUMMARY_VALUE) st = put_value(w, &f, err);
        else ek__buf_add(&w->event, f.whole.at, f.whole.size);
    }
    ek__put_close(&w->event, mark);
    return close_event(w, st, err);
}

/* What a function of codec/summary.h made. */
static ek_status write_made(ek_event_writer *w, ek_buf *b, int64_t step, ek_error *err)
{
    const ek_status st = b->failed ? EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for an event")
                                   : write_summary(w, (ek_span){ (const uint8_t *)b->data, b->size }, step, err);

    ek__buf_fini(b);
    return st;
}

static ek_status check_tag(const char *tag, ek_error *err)
{
    if (tag[0] != '\0' && ek__utf8_bad((const uint8_t *)tag, strlen(tag), false) < 0) return EK_OK;
    return EK_FAIL(err, INVALID_ARGUMENT, "a tag of UTF-8 was expected, found '%s'", tag);
}

ek_status ek_event_write_summary(ek_event_writer *w, const ek_array *summary, int64_t step, ek_error *err)
{
    const ek_string *s;
    ek_error why = { .code = EK_OK };

    err = ek__error_begin(err);
    if (!given(w, summary, "a summary", err)) return err->code;
    if (summary->dtype != EK_STRING || summary->count != 1)
        return EK_FAIL(err, INVALID_ARGUMENT, "a summary is one string, this is %s of %lld elements",
                       ek_dtype_name(summary->dtype), (long long)summary->count);
    s = summary->data;
    const ek_span bytes = { (const uint8_t *)s->data, s->size };
    if (ek__wire_check(ek__proto(EK_PROTO_SUMMARY), bytes, NULL, &why) != EK_OK)
        return EK_FAIL(err, INVALID_ARGUMENT, "the string is no serialized Summary: %s", why.text);
    return write_summary(w, bytes, step, err);
}

ek_status ek_event_write_scalar(ek_event_writer *w, const char *tag, double value, int64_t step, ek_error *err)
{
    ek_buf b = { 0 };

    err = ek__error_begin(err);
    if (!given(w, tag, "a tag", err)) return err->code;
    EK_TRY(check_tag(tag, err));
    ek__summary_scalar(&b, ek__span_of(tag), (float)value);
    return write_made(w, &b, step, err);
}

ek_status ek_event_write_histogram(ek_event_writer *w, const char *tag, const ek_array *values, int64_t step,
                                   ek_error *err)
{
    struct { ek_bucket_limits limits; ek_tally tally; } *of;
    ek_buf b = { 0 };
    const char *bad;
    double probe;

    err = ek__error_begin(err);
    if (!given(w, tag, "a tag", err) || !given(w, values, "an array", err)) return err->code;
    EK_TRY(check_tag(tag, err));
    if (ek_dtype_is_complex(values->dtype) || !ek__convert(values->dtype, values->data, EK_FLOAT64, &probe, 0))
        return EK_FAIL(err, INVALID_ARGUMENT, "a histogram is of real numbers, '%s' is of %s", tag,
                       ek_dtype_name(values->dtype));
    of = ek__alloc(sizeof *of);
    if (of == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a histogram");
    ek__bucket_limits(&of->limits);
    ek__tally_init(&of->tally);
    bad = ek__tally_add(&of->tally, &of->limits, values->dtype, values->data, values->count);
    if (bad == NULL) ek__summary_histogram(&b, ek__span_of(tag), &of->tally, &of->limits);
    ek__free(of);
    if (bad != NULL) return EK_FAIL(err, INVALID_ARGUMENT, "%s for: %s", bad, tag);
    return write_made(w, &b, step, err);
}

ek_status ek_event_write_image(ek_event_writer *w, const char *tag, const ek_array *images, int64_t most, int64_t step,
                               ek_error *err)
{
    ek_buf b = { 0 };
    ek_status st;

    err = ek__error_begin(err);
    if (!given(w, tag, "a tag", err) || !given(w, images, "an array", err)) return err->code;
    EK_TRY(check_tag(tag, err));
    const ek_shape *s = &images->shape;
    const ek_dtype t = images->dtype;
    if (s->rank != 4 || (s->dim[3] != 1 && s->dim[3] != 3 && s->dim[3] != 4) || most < 1 ||
        (t != EK_UINT8 && t != EK_FLOAT16 && t != EK_FLOAT32 && t != EK_FLOAT64)) {
        char text[512];

        ek_shape_format(s, text, sizeof text);
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "images are [n, height, width, 1, 3 or 4] of uint8 or a floating type, and at least "
                       "one is to be shown; '%s' is %s of %s, %lld to be shown", tag, text, ek_dtype_name(t), (long long)most);
    }
    st = ek__summary_images(&b, ek__span_of(tag), &(ek_pictures){ .dtype = t, .data = images->data, .n = s->dim[0],
                            .height = s->dim[1], .width = s->dim[2], .depth = (int)s->dim[3], .most = most,
                            .bad = { 255, 0, 0, 255 } }, err);
    if (st == EK_OK) return write_made(w, &b, step, err);
    ek__buf_fini(&b);
    return st;
}

ek_status ek_event_write_text(ek_event_writer *w, const char *tag, const char *text, int64_t step, ek_error *err)
{
    ek_array *a = NULL;
    ek_buf b = { 0 };

    err = ek__error_begin(err);
    if (!given(w, tag, "a tag", err) || !given(w, text, "a text", err)) return err->code;
    EK_TRY(check_tag(tag, err));
    EK_TRY(ek__array_new(EK_STRING, &EK_SCALAR, NULL, &a, err));
    if (!ek__string_set(a->data, text, strlen(text))) b.failed = true;
    ek__summary_tensor(&b, ek__span_of(tag), a, ek__span_of(EK_TEXT_METADATA));
    ek_array_unref(a);
    return write_made(w, &b, step, err);
}

/* ---- graphs and sessions ------------------------------------------------------------------------------------------ */

ek_status ek_event_write_graph(ek_event_writer *w, const ek_graph *g, int64_t step, ek_error *err)
{
    void *data = NULL;
    size_t size = 0;
    ek_wire_field f;
    ek_status st;

    err = ek__error_begin(err);
    if (!given(w, g, "a graph", err)) return err->code;
    EK_TRY(ek_meta_graph_save_bytes(g, &data, &size, .error = err));
    /* The GraphDef in it is the one with shapes. */
    ek_wire in = ek__wire_open((ek_span){ data, size }, NULL, err);
    st = EK_OK;
    while (st == EK_OK && ek__wire_next(&in, &f))
        if (f.number == EK_F_META_GRAPH) st = write_bytes(w, EK_F_EVENT_GRAPH, f.bytes, step, err);
    if (st == EK_OK) st = write_bytes(w, EK_F_EVENT_META_GRAPH, (ek_span){ data, size }, step, err);
    ek_free(data);
    return st;
}

ek_status ek_event_write_session_log(ek_event_writer *w, ek_session_status status, const char *checkpoint_path,
                                     const char *message, int64_t step, ek_error *err)
{
    size_t mark;

    err = ek__error_begin(err);
    if (!given(w, w, "", err)) return err->code;
    if (status < EK_SESSION_START || status > EK_SESSION_CHECKPOINT)
        return EK_FAIL(err, INVALID_ARGUMENT, "%d is no status of a session", (int)status);
    open_event(w, step);
    mark = ek__put_open(&w->event, EK_F_EVENT_SESSION_LOG);
    ek__put_int(&w->event, EK_F_SESSION_STATUS, status);
    if (checkpoint_path != NULL && checkpoint_path[0] != '\0')
        ek__put_str(&w->event, EK_F_SESSION_CHECKPOINT, checkpoint_path);
    if (message != NULL && message[0] != '\0') ek__put_str(&w->event, EK_F_SESSION_MSG, message);
    ek__put_close(&w->event, mark);
    return close_event(w, EK_OK, err);
}
