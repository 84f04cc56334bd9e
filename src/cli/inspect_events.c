/* cli/inspect_events.c - evenkeel inspect of an event file, as TensorBoard reads it: tags, and the steps they have. */
#include <stdlib.h>

#include "cli/inspect.h"
#include "evenkeel/events.h"

/* What was written under one tag. */
typedef struct series {
    char *tag;
    const char *kind; /* "scalar" */
    int64_t n, first, last;
    double value; /* of a scalar, the last */
} series;

typedef struct events {
    series *at;
    int64_t n, cap, count, graphs, logs, sessions; /* count: of all events */
    ek_map place;   /* by tag */
    bool no_memory;
} events;

static const char *const kinds[] = { [EK_SUMMARY_OTHER] = "other", [EK_SUMMARY_SCALAR] = "scalar", [EK_SUMMARY_HISTOGRAM] = "histogram",
                                     [EK_SUMMARY_IMAGE] = "image", [EK_SUMMARY_TENSOR] = "tensor" };

static series *series_of(events *e, const ek_summary_value *v, int64_t step)
{
    const int64_t i = ek__map_get(&e->place, v->tag, strlen(v->tag), -1);
    series s = { .kind = strcmp(v->plugin, "text") == 0 ? "text" : kinds[v->kind], .first = step };

    if (i >= 0) return &e->at[i];
    s.tag = ek__alloc(strlen(v->tag) + 1);
    if (s.tag == NULL) return NULL;
    strcpy(s.tag, v->tag);
    if (!EK_GROW(e->at, e->cap, e->n + 1) || !ek__map_put(&e->place, s.tag, strlen(s.tag), e->n)) {
        ek__free(s.tag);
        return NULL;
    }
    e->at[e->n] = s;
    return &e->at[e->n++];
}

static void take_event(events *e, const ek_event *event)
{
    e->count++;
    e->graphs += event->kind == EK_EVENT_GRAPH || event->kind == EK_EVENT_META_GRAPH;
    e->logs += event->kind == EK_EVENT_LOG;
    e->sessions += event->kind == EK_EVENT_SESSION_LOG;
    for (int64_t i = 0; i < event->n_values && !e->no_memory; i++) {
        series *s = series_of(e, &event->values[i], event->step);

        e->no_memory = s == NULL;
        if (s == NULL) return;
        s->n++;
        s->last = event->step;
        s->value = (double)event->values[i].scalar;
    }
}

static void print_text(ek_buf *out, const events *e)
{
    ek__buf_printf(out, "events: %lld\n", (long long)e->count);
    if (e->graphs > 0) ek__buf_printf(out, "graphs: %lld\n", (long long)e->graphs);
    if (e->logs > 0) ek__buf_printf(out, "log messages: %lld\n", (long long)e->logs);
    if (e->sessions > 0) ek__buf_printf(out, "session logs: %lld\n", (long long)e->sessions);
    ek__buf_printf(out, "tags: %lld\n", (long long)e->n);
    for (int64_t i = 0; i < e->n; i++) {
        const series *s = &e->at[i];

        ek__buf_printf(out, "  %s  %s  %lld, steps %lld to %lld", s->tag, s->kind, (long long)s->n, (long long)s->first, (long long)s->last);
        if (strcmp(s->kind, "scalar") == 0) ek__buf_printf(out, ", the last %.6g", s->value);
        ek__buf_str(out, "\n");
    }
}

static void print_json(ek_json *j, const events *e)
{
    ek__json_open(j, '{');
    ek__json_key(j, "kind");
    ek__json_str(j, "events");
    cli_json_number(j, "events", e->count);
    cli_json_number(j, "graphs", e->graphs);
    ek__json_key(j, "tags");
    ek__json_open(j, '[');
    for (int64_t i = 0; i < e->n; i++) {
        const series *s = &e->at[i];

        ek__json_open(j, '{');
        ek__json_key(j, "tag");
        ek__json_str(j, s->tag);
        ek__json_key(j, "kind");
        ek__json_str(j, s->kind);
        cli_json_number(j, "count", s->n);
        cli_json_number(j, "first_step", s->first);
        cli_json_number(j, "last_step", s->last);
        if (strcmp(s->kind, "scalar") == 0) {
            ek__json_key(j, "last");
            ek__json_double(j, s->value);
        }
        ek__json_close(j, '}');
    }
    ek__json_close(j, ']');
    ek__json_close(j, '}');
}

/* All events up to the end, or to what is damaged. */
static ek_status read_all(const char *path, events *e, ek_error *err)
{
    ek_event_reader *r;
    ek_event event;
    ek_status st;

    EK_TRY(ek_event_reader_open(path, &r, err));
    while ((st = ek_event_reader_next(r, &event, err)) == EK_OK && !e->no_memory) take_event(e, &event);
    ek_event_reader_close(r);
    if (e->no_memory) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the tags of '%s'", path);
    return st == EK_OUT_OF_RANGE ? EK_OK : st;
}

bool cli_is_event_file(const char *path)
{
    ek_error quiet = { .code = EK_OK };
    ek_event event = { .kind = EK_EVENT_NONE };
    ek_event_reader *r;
    bool is;

    if (!cli_begins_with_record(path) || ek_event_reader_open(path, &r, &quiet) != EK_OK) return false;
    is = ek_event_reader_next(r, &event, &quiet) == EK_OK && event.kind == EK_EVENT_FILE_VERSION;
    ek_event_reader_close(r);
    return is;
}

int cli_inspect_events(const cli_args *args, const char *path)
{
    ek_buf out = { 0 };
    ek_json json = { .out = &out };
    events e = { .n = 0 };
    ek_error err = { .code = EK_OK };
    const bool as_json = cli_has(args, CLI_JSON);
    const ek_status st = read_all(path, &e, &err);
    int status = CLI_DONE;

    if (as_json) {
        print_json(&json, &e);
    } else {
        print_text(&out, &e);
    }
    if (st == EK_RESOURCE_EXHAUSTED || out.failed) {
        status = cli_no_memory(args->command);
    } else {
        printf(as_json ? "%s\n" : "%s", out.data);
        if (st != EK_OK) status = cli_complain_error(args->command, &err); /* what stands before the damage is good */
    }
    for (int64_t i = 0; i < e.n; i++) ek__free(e.at[i].tag);
    ek__free(e.at);
    ek__map_fini(&e.place);
    ek__buf_fini(&out);
    return status;
}
