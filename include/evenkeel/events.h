/* evenkeel/events.h - the files that TensorBoard reads: written while a program trains, and read.
 *
 *     ek_event_writer *w;
 *     EK_DIE(ek_event_writer_open("logs/train", &w, .graph = g));
 *     for (...) EK_DIE(ek_event_write_scalar(w, "loss", loss, step, NULL));
 *     EK_DIE(ek_event_writer_close(w, NULL));
 */
#ifndef EVENKEEL_EVENTS_H
#define EVENKEEL_EVENTS_H

#include "evenkeel/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- writing ------------------------------------------------------------------------------------------------- */

typedef struct ek_event_writer ek_event_writer;

typedef struct ek_event_writer_options {
    size_t size;
    ek_event_writer **out;       /* required: the caller's, to be given to ek_event_writer_close; NULL on failure */
    ek_graph *graph;             /* shown under "Graphs", with its MetaGraphDef; NULL: none */
    const char *filename_suffix; /* "" */
    double flush_seconds;        /* 120: an event that old is on the disk as soon as another is written */
    ek_error *error;             /* NULL: ek_last_error() has it */
} ek_event_writer_options;
/* tf.summary.FileWriter: a file "events.out.tfevents.<seconds>.<host><suffix>" of its own in the folder, which is made
 * where it is missing, with those above it. Its first event is the version, "brain.Event:2".
 *
 * Events go to the disk when there are 64 KiB of them, when flush_seconds have passed, at a flush and at the end. What
 * is on the disk stays: nothing is overwritten. When writing fails, the call that met it says so; the events since the
 * last time on the disk are lost, those before and those after are not.
 * Threads  Any number may write to one writer.
 * Errors   what the operating system says; RESOURCE_EXHAUSTED; of a graph as ek_meta_graph_save. */
#define ek_event_writer_open(logdir, ...)                                                                     \
    EK_CALL(ek_status, ek_event_writer_open_with, ((logdir),), ek_event_writer_options, .filename_suffix = "", \
            .flush_seconds = 120, .out = __VA_ARGS__)
EK_API EK_MUST_CHECK ek_status ek_event_writer_open_with(const char *logdir, const ek_event_writer_options *o,
                                                         ek_where where);
EK_API const char *ek_event_writer_path(const ek_event_writer *w); /* of the file; borrowed */
EK_API EK_MUST_CHECK ek_status ek_event_writer_flush(ek_event_writer *w, ek_error *err);
/* Flushes, and frees w whatever happens. NULL is allowed. */
EK_API EK_MUST_CHECK ek_status ek_event_writer_close(ek_event_writer *w, ek_error *err);

/* FileWriter.add_summary, add_graph and add_session_log; the others make what tf.summary's operations of these names
 * would. One event each, of the present time. Errors besides those of writing: INVALID_ARGUMENT, as said.
 *
 * summary    what a fetched summary says (evenkeel/summary.h): a string scalar; no Summary in it is refused. Of values
 *            that come again under their tag the metadata is left out, as TensorFlow does
 * scalar     a float in the file
 * histogram  an array of any real type and shape; NaN and infinities are refused
 * image      [n, height, width, 1, 3 or 4] of uint8, float16, float32 or float64, of which at most `most` become images
 *            "<tag>/image/0", ... (most 1: "<tag>/image"); scaled as ek_summary_image does
 * text       Markdown, which TensorBoard renders; UTF-8
 * graph      with the shapes of its tensors, and its MetaGraphDef
 * session_log  START: curves of a run before it end at `step` (what it wrote beyond is thrown away by TensorBoard);
 *            CHECKPOINT: where one was saved. Path and message may be NULL */
typedef enum ek_session_status {
    EK_SESSION_START = 1, EK_SESSION_STOP = 2, EK_SESSION_CHECKPOINT = 3
} ek_session_status;
EK_API EK_MUST_CHECK ek_status ek_event_write_summary(ek_event_writer *w, const ek_array *summary, int64_t step,
                                                      ek_error *err);
EK_API EK_MUST_CHECK ek_status ek_event_write_scalar(ek_event_writer *w, const char *tag, double value, int64_t step,
                                                     ek_error *err);
EK_API EK_MUST_CHECK ek_status ek_event_write_histogram(ek_event_writer *w, const char *tag, const ek_array *values,
                                                        int64_t step, ek_error *err);
EK_API EK_MUST_CHECK ek_status ek_event_write_image(ek_event_writer *w, const char *tag, const ek_array *images,
                                                    int64_t most, int64_t step, ek_error *err);
EK_API EK_MUST_CHECK ek_status ek_event_write_text(ek_event_writer *w, const char *tag, const char *text, int64_t step,
                                                   ek_error *err);
EK_API EK_MUST_CHECK ek_status ek_event_write_graph(ek_event_writer *w, const ek_graph *g, int64_t step, ek_error *err);
EK_API EK_MUST_CHECK ek_status ek_event_write_session_log(ek_event_writer *w, ek_session_status status,
                                                          const char *checkpoint_path, const char *message,
                                                          int64_t step, ek_error *err);

/* ---- reading ------------------------------------------------------------------------------------------------- */

typedef enum ek_summary_kind {
    EK_SUMMARY_OTHER, /* sound, an old histogram, nothing */
    EK_SUMMARY_SCALAR, EK_SUMMARY_HISTOGRAM, EK_SUMMARY_IMAGE, EK_SUMMARY_TENSOR
} ek_summary_kind;

/* Numbers in buckets: bucket[i] of them below limit[i] and not below the limit before. */
typedef struct ek_histogram {
    double min, max, num, sum, sum_squares;
    int64_t n;
    const double *limit, *bucket;
} ek_histogram;

typedef struct ek_summary_value {
    const char *tag, *node_name, *plugin; /* "" where it says nothing; plugin "text": text, in `tensor` */
    ek_summary_kind kind;
    float scalar;
    ek_histogram histogram;
    struct {
        int height, width, colorspace; /* colorspace: 1 gray, 3 RGB, 4 RGBA */
        const void *png;
        size_t size;
    } image;
    const ek_array *tensor;
} ek_summary_value;

typedef enum ek_event_kind {
    EK_EVENT_NONE, EK_EVENT_FILE_VERSION, EK_EVENT_GRAPH, EK_EVENT_SUMMARY, EK_EVENT_LOG, EK_EVENT_SESSION_LOG,
    EK_EVENT_RUN_METADATA, EK_EVENT_META_GRAPH
} ek_event_kind;

/* What belongs to another kind is 0, NULL or "". */
typedef struct ek_event {
    double wall_time; /* seconds since 1970 */
    int64_t step;
    ek_event_kind kind;
    const char *text; /* the version; the path of a session log; the tag of run metadata; a log's message */
    const char *message;      /* of a session log */
    ek_session_status status; /* of a session log */
    const void *data;         /* GRAPH: the GraphDef, META_GRAPH, SUMMARY, RUN_METADATA: likewise, serialized */
    size_t size;
    const ek_summary_value *values; /* of a SUMMARY */
    int64_t n_values;
} ek_event;

typedef struct ek_event_reader ek_event_reader;
/* tf.train.summary_iterator: reads what is in the file now. *out is the caller's, NULL on failure. Errors: what the
 * operating system says of `path`; RESOURCE_EXHAUSTED. */
EK_API EK_MUST_CHECK ek_status ek_event_reader_open(const char *path, ek_event_reader **out, ek_error *err);
/* The next event; all it points to is valid until the next call with this reader.
 * Errors  OUT_OF_RANGE: the end; so is an event that is cut off, which a killed run leaves (ek_event_reader_cut tells);
 *         DATA_LOSS, INVALID_ARGUMENT: damage, with the byte: nothing behind it is read; RESOURCE_EXHAUSTED. */
EK_API EK_MUST_CHECK ek_status ek_event_reader_next(ek_event_reader *r, ek_event *out, ek_error *err);
EK_API bool ek_event_reader_cut(const ek_event_reader *r); /* whether the file ended within an event */
EK_API void ek_event_reader_close(ek_event_reader *r); /* NULL is allowed */

#ifdef __cplusplus
}
#endif
#endif
