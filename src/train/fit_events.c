/* train/fit_events.c - the curves of a training run for TensorBoard: one run each for training, evaluation, held-out
 * data. */
#include "evenkeel/events.h"
#include "evenkeel/variables.h"
#include "sites/sets.h"
#include "train/fit_files.h"
#include "values/array.h"

struct ek_fit_events {
    ek_event_writer *writer[EK_FIT_CURVES]; /* NULL: no such curve */
    ek_norm_sets sets;                      /* whose histograms are written */
};

static const char *const curve_names[EK_FIT_CURVES] = { "train", "eval", "held_out" };

static ek_status open_curve(ek_fitting *f, ek_fit_curve curve)
{
    char dir[EK_FIT_PATH];
    ek_event_writer **w = &f->files->events->writer[curve];

    snprintf(dir, sizeof dir, "%.*s/%s", EK_FIT_PATH - 16, f->o.logdir, curve_names[curve]);
    EK_TRY(ek_event_writer_open(dir, w, .graph = curve == EK_FIT_TRAIN && !f->r->resumed ? f->graph : NULL,
                                .error = f->err));
    if (!f->r->resumed) return EK_OK;
    /* What the run before wrote beyond the checkpoint comes again: TensorBoard drops it. */
    return ek_event_write_session_log(*w, EK_SESSION_START, f->r->checkpoint, NULL, f->done + 1, f->err);
}

ek_status ek__fit_events_open(ek_fitting *f)
{
    f->files->events = ek__calloc(1, sizeof *f->files->events);
    if (f->files->events == NULL) return EK_FAIL(f->err, RESOURCE_EXHAUSTED, "no memory for the curves of a run");
    EK_TRY(ek__norm_sets_of_graph(f->graph, &f->files->events->sets, f->err));
    EK_TRY(open_curve(f, EK_FIT_TRAIN));
    if (f->o.eval_data != NULL) EK_TRY(open_curve(f, EK_FIT_EVAL));
    return f->o.held_out != NULL ? open_curve(f, EK_FIT_HELD_OUT) : EK_OK;
}

ek_status ek__fit_events_flush(ek_fitting *f)
{
    for (int i = 0; i < EK_FIT_CURVES; i++)
        if (f->files->events->writer[i] != NULL) EK_TRY(ek_event_writer_flush(f->files->events->writer[i], f->err));
    return EK_OK;
}

ek_status ek__fit_events_close(ek_fitting *f)
{
    struct ek_fit_events *e = f->files->events;
    ek_status st = EK_OK;

    if (e == NULL) return EK_OK;
    for (int i = 0; i < EK_FIT_CURVES; i++) {
        ek_error err = { .code = EK_OK };

        /* An error that is there already stays. */
        if (ek_event_writer_close(e->writer[i], &err) != EK_OK && st == EK_OK && f->err->code == EK_OK)
            st = ek__error_copy(f->err, &err);
    }
    ek__norm_sets_free(&e->sets);
    ek__free(e);
    f->files->events = NULL;
    return st;
}

static ek_status log_rate(ek_fitting *f, ek_event_writer *w)
{
    ek_array *rate = NULL;
    ek_status st;

    if (!ek_tensor_ok(f->o.learning_rate)) return EK_OK;
    st = ek_run(f->session, .fetch = { { f->o.learning_rate, &rate } }, .error = f->err);
    if (st == EK_OK) st = ek_event_write_scalar(w, "learning_rate", ek_array_get(rate, 0), f->done, f->err);
    ek_array_unref(rate);
    return st;
}

ek_status ek__fit_log(ek_fitting *f, ek_fit_curve curve, const ek_fit_numbers *numbers)
{
    ek_event_writer *w = f->files != NULL ? f->files->events->writer[curve] : NULL;

    if (w == NULL) return EK_OK;
    for (int i = 0; i < f->n_numbers; i++)
        EK_TRY(ek_event_write_scalar(w, i == 0 ? "loss" : f->o.metric[i - 1].name, numbers->at[i], f->done, f->err));
    return curve == EK_FIT_TRAIN ? log_rate(f, w) : EK_OK;
}

/* A variable without a value, or with one that is not finite, is left out: whoever saves will say so. */
static ek_status log_histogram(ek_fitting *f, ek_event_writer *w, const char *name)
{
    const ek_variable v = ek_variable_by_name(f->graph, name);
    ek_array *value = NULL;
    ek_error err = { .code = EK_OK };
    ek_status st = EK_OK;

    if (!ek_variable_ok(v) || ek_session_get(f->session, v, &value) != EK_OK) return EK_OK;
    if (ek_event_write_histogram(w, name, value, f->done, &err) != EK_OK && err.code != EK_INVALID_ARGUMENT)
        st = ek__error_copy(f->err, &err);
    ek_array_unref(value);
    return st;
}

ek_status ek__fit_log_histograms(ek_fitting *f)
{
    const struct ek_fit_events *e = f->files != NULL ? f->files->events : NULL;

    for (int i = 0; e != NULL && i < e->sets.n; i++)
        for (int role = EK_ROLE_GAMMA; role < EK_SITE_ROLES; role++)
            if (e->sets.at[i].variable[role] != NULL)
                EK_TRY(log_histogram(f, e->writer[EK_FIT_TRAIN], e->sets.at[i].variable[role]));
    return EK_OK;
}
