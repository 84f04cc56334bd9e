/* train/plot_run.c - the curves of a training run, from its events. */
#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>

#include "base/file.h"
#include "evenkeel/events.h"
#include "evenkeel/plot.h"
#include "graph/node.h"

/* A tag as one run has it. */
typedef struct series {
    const char *run, *tag;
    double *x, *y;
    int64_t n, cap_x, cap_y;
} series;

/* What was read so far; names are the arena's. */
typedef struct reading {
    series *at;
    int64_t n, cap;
    ek_arena arena;
    ek_error *err;
} reading;

static ek_status no_memory(reading *r) { return EK_FAIL(r->err, RESOURCE_EXHAUSTED, "no memory for the curves of a run"); }

/* ---- folders -------------------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Names in a folder that begin with `start`, in the order of their bytes: event files are then in the order of their times. A
 * folder that cannot be opened has none. */
static ek_status names_in(reading *r, const char *folder, const char *start, const char ***names, int64_t *n)
{
    DIR *d = opendir(folder);
    const char **list = NULL;
    int64_t cap = 0;
    struct dirent *e;
    bool ok = true;

    *n = 0;
    *names = NULL;
    if (d == NULL) return EK_OK;
    while (ok && (e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.' || strncmp(e->d_name, start, strlen(start)) != 0) continue;
        ok = EK_GROW(list, cap, *n + 1) && (list[*n] = ek__arena_strdup(&r->arena, e->d_name)) != NULL;
        *n += ok;
    }
    closedir(d);
    if (ok && *n > 0) {
        qsort(list, (size_t)*n, sizeof *list, by_name);
        *names = ek__arena_memdup(&r->arena, list, (size_t)*n * sizeof *list);
        ok = *names != NULL;
    }
    ek__free(list);
    return ok ? EK_OK : no_memory(r);
}

/* ---- events ----------------------------------------------------------------------------------------------------------- */

static series *find(reading *r, const char *run, const char *tag)
{
    for (int64_t i = 0; i < r->n; i++)
        if (strcmp(r->at[i].run, run) == 0 && strcmp(r->at[i].tag, tag) == 0) return &r->at[i];
    tag = ek__arena_strdup(&r->arena, tag);
    if (tag == NULL || !EK_GROW(r->at, r->cap, r->n + 1)) return NULL;
    r->at[r->n] = (series){ .run = run, .tag = tag };
    return &r->at[r->n++];
}

static bool add(reading *r, const char *run, const ek_event *e, const ek_summary_value *v)
{
    series *s;

    if (v->kind != EK_SUMMARY_SCALAR) return true;
    s = find(r, run, v->tag);
    if (s == NULL || !EK_GROW(s->x, s->cap_x, s->n + 1) || !EK_GROW(s->y, s->cap_y, s->n + 1)) return false;
    s->x[s->n] = (double)e->step;
    s->y[s->n++] = (double)v->scalar;
    return true;
}

/* A run that goes on at `step` writes what comes from there on anew. */
static void drop_from(reading *r, const char *run, int64_t step)
{
    for (int64_t i = 0; i < r->n; i++)
        while (r->at[i].run == run && r->at[i].n > 0 && r->at[i].x[r->at[i].n - 1] >= (double)step) r->at[i].n--;
}

static ek_status read_file(reading *r, const char *run, const char *path)
{
    ek_event_reader *reader;
    ek_event e;
    ek_status st;

    EK_TRY(ek_event_reader_open(path, &reader, r->err));
    for (;;) {
        ek_error err = { .code = EK_OK };
        bool ok = true;

        st = ek_event_reader_next(reader, &e, &err);
        if (st != EK_OK) {
            if (st == EK_OUT_OF_RANGE) st = EK_OK;
            else st = st == EK_RESOURCE_EXHAUSTED ? no_memory(r) : EK_FAIL(r->err, DATA_LOSS, "%s: %s", path, err.text);
            break;
        }
        if (e.kind == EK_EVENT_SESSION_LOG && e.status == EK_SESSION_START) drop_from(r, run, e.step);
        for (int64_t i = 0; i < e.n_values; i++) ok = ok && add(r, run, &e, &e.values[i]);
        if (ok) continue;
        st = no_memory(r);
        break;
    }
    ek_event_reader_close(reader);
    return st;
}

static ek_status read_run(reading *r, const char *logdir, const char *run)
{
    const char *folder = ek__arena_printf(&r->arena, "%s/%s", logdir, run), **file;
    int64_t n;

    if (folder == NULL) return no_memory(r);
    EK_TRY(names_in(r, folder, "events.out.tfevents.", &file, &n));
    for (int64_t i = 0; i < n; i++) {
        const char *path = ek__arena_printf(&r->arena, "%s/%s", folder, file[i]);

        if (path == NULL) return no_memory(r);
        EK_TRY(read_file(r, run, path));
    }
    return EK_OK;
}

static ek_status read_runs(reading *r, const char *logdir)
{
    const char **run;
    int64_t n;

    EK_TRY(names_in(r, logdir, "", &run, &n));
    for (int64_t i = 0; i < n; i++) EK_TRY(read_run(r, logdir, run[i]));
    if (r->n > 0) return EK_OK;
    return EK_FAIL(r->err, NOT_FOUND, "'%s' has no scalars to draw: folders with events.out.tfevents.* were expected in it", logdir);
}

/* ---- pictures --------------------------------------------------------------------------------------------------------- */

static ek_status draw_tag(reading *r, const char *folder, const char *tag, bool *drawn)
{
    ek_curve *curve = EK_ARENA_NEW(&r->arena, ek_curve, r->n);
    char *name = ek__arena_strdup(&r->arena, tag);
    int64_t n = 0;

    if (curve == NULL || name == NULL) return no_memory(r);
    for (int64_t i = 0; i < r->n; i++)
        if (r->at[i].n > 0 && strcmp(r->at[i].tag, tag) == 0)
            curve[n++] = (ek_curve){ r->at[i].run, r->at[i].x, r->at[i].y, r->at[i].n };
    for (char *c = name; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("-._", *c) == NULL) *c = '_';
    const char *path = ek__arena_printf(&r->arena, "%s/%s", folder, name);
    if (path == NULL) return no_memory(r);
    if (n == 0) return EK_OK;
    return ek_plot(path, .curves = curve, .n_curves = n, .title = tag, .x_label = "steps", .drawn = drawn, .error = r->err);
}

static ek_status draw(reading *r, const char *logdir, int64_t *pictures, bool *drawn)
{
    const char *folder = ek__arena_printf(&r->arena, "%s/curves", logdir);

    if (folder == NULL) return no_memory(r);
    EK_TRY(ek__file_make_folder(folder, r->err));
    for (int64_t i = 0; i < r->n; i++) {
        bool seen = false;

        for (int64_t k = 0; k < i; k++) seen = seen || strcmp(r->at[k].tag, r->at[i].tag) == 0;
        if (seen) continue;
        EK_TRY(draw_tag(r, folder, r->at[i].tag, drawn));
        ++*pictures;
    }
    return EK_OK;
}

ek_status ek_plot_run_with(const ek_plot_run_options *o, ek_where where)
{
    reading r = { .n = 0 };
    int64_t pictures = 0;
    bool drawn = false;
    ek_status st;

    if (!EK_OPTIONS_OF(NULL, o, "ek_plot_run", where)) return EK_INVALID_ARGUMENT;
    if (o->drawn != NULL) *o->drawn = false;
    if (o->pictures != NULL) *o->pictures = 0;
    r.err = ek__error_begin(o->error);
    if (o->logdir == NULL) return EK_FAIL(r.err, INVALID_ARGUMENT, "a folder with the events of a run is needed; found NULL");
    st = read_runs(&r, o->logdir);
    if (st == EK_OK) st = draw(&r, o->logdir, &pictures, &drawn);
    for (int64_t i = 0; i < r.n; i++) {
        ek__free(r.at[i].x);
        ek__free(r.at[i].y);
    }
    ek__free(r.at);
    ek__arena_fini(&r.arena);
    if (o->pictures != NULL) *o->pictures = pictures;
    if (o->drawn != NULL) *o->drawn = drawn;
    return st;
}
