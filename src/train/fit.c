/* train/fit.c - the training loop: what is asked for, steps, and when what else is due. */
#include "train/fitting.h"

#include <math.h>

#include "runtime/runtime.h"
#include "train/dataset.h"

/* ---- feeds and numbers ------------------------------------------------------------------------------------ */

int ek__fit_feeds(const ek_fitting *f, const ek_feed *extra, ek_feed *room)
{
    int n = 0;

    for (; n < f->n_feeds; n++) room[n] = (ek_feed){ f->o.feed[n].tensor, NULL };
    for (int i = 0; i < EK_FIT_EXTRAS && extra[i].tensor.graph != NULL; i++) room[n++] = extra[i];
    return n;
}

void ek__fit_values(const ek_fitting *f, const ek_array *const *columns, const ek_feed *extra, const ek_array **value)
{
    int n = 0;

    for (; n < f->n_feeds; n++) value[n] = columns[f->o.feed[n].column];
    for (int i = 0; i < EK_FIT_EXTRAS && extra[i].tensor.graph != NULL; i++) value[n++] = extra[i].value;
}

static const char *number_name(const ek_fitting *f, int i) { return i == 0 ? "loss" : f->o.metric[i - 1].name; }

ek_status ek__fit_sums(const ek_fitting *f, ek_array *const *fetched, int64_t rows, ek_fit_numbers *sums)
{
    char shape[256];

    for (int i = 0; i < f->n_numbers; i++) {
        const ek_array *a = fetched[i];
        const int64_t n = ek_array_count(a);
        double sum = 0;

        if (n == 0 || (n != 1 && n % rows != 0)) {
            ek_shape_format(&a->shape, shape, sizeof shape);
            return EK_FAIL(f->err, INVALID_ARGUMENT,
                           "'%s' has shape %s for a batch of %lld rows; a number, or one per row, is "
                           "needed",
                           number_name(f, i), shape, (long long)rows);
        }
        for (int64_t k = 0; k < n; k++) sum += ek_array_get(a, k);
        sums->at[i] = sum / (double)n * (double)rows;
        if (n == rows) sums->at[i] = sum; /* exactly, however rows are cut into batches */
    }
    return EK_OK;
}

/* ---- what is asked for ------------------------------------------------------------------------------------ */

static ek_status check_feed(const ek_fitting *f, const ek_dataset *d, const ek_fit_feed *feed, const char *whose)
{
    ek_shape want = ek_tensor_shape(feed->tensor), row;
    char name[256], found[256], wanted[256];

    if (d == NULL) return EK_OK;
    if (feed->column < 0 || feed->column >= ek_dataset_columns(d))
        return EK_FAIL(f->err, INVALID_ARGUMENT, "%s has %d columns; there is no column %d", whose,
                       ek_dataset_columns(d), feed->column);
    ek_tensor_name(feed->tensor, name, sizeof name);
    row = ek_dataset_shape(d, feed->column);
    if (ek_tensor_dtype(feed->tensor) != ek_dataset_dtype(d, feed->column))
        return EK_FAIL(f->err, INVALID_ARGUMENT, "column %d of %s holds %s, '%s' is %s; ek_dataset_convert changes it",
                       feed->column, whose, ek_dtype_name(ek_dataset_dtype(d, feed->column)), name,
                       ek_dtype_name(ek_tensor_dtype(feed->tensor)));
    if (want.rank < 0) return EK_OK;
    const ek_shape batch = ek__rows_shape(&row, -1);
    if (ek_shape_compatible(&want, &batch)) return EK_OK;
    ek_shape_format(&batch, found, sizeof found);
    ek_shape_format(&want, wanted, sizeof wanted);
    return EK_FAIL(f->err, INVALID_ARGUMENT,
                   "batches of column %d of %s have shape %s, '%s' is %s; ek_dataset_reshape changes it", feed->column,
                   whose, found, name, wanted);
}

static ek_status check_rows(const ek_fitting *f, const ek_dataset *d, const char *whose)
{
    return d == NULL || ek_dataset_rows(d) > 0 ? EK_OK : EK_FAIL(f->err, INVALID_ARGUMENT, "%s has no rows", whose);
}

static ek_status check_feeds(ek_fitting *f)
{
    EK_TRY(check_rows(f, f->o.data, "the data set"));
    EK_TRY(check_rows(f, f->o.eval_data, "the data set of evaluation"));
    EK_TRY(check_rows(f, f->o.held_out, "the held-out data set"));
    for (int i = 0; i < EK_FIT_FEEDS && f->o.feed[i].tensor.graph != NULL; i++) {
        if (!ek_tensor_ok(f->o.feed[i].tensor))
            return EK_FAIL(f->err, INVALID_ARGUMENT, "feed %d of ek_fit is a tensor that could not be built", i);
        EK_TRY(check_feed(f, f->o.data, &f->o.feed[i], "the data set"));
        EK_TRY(check_feed(f, f->o.eval_data, &f->o.feed[i], "the data set of evaluation"));
        EK_TRY(check_feed(f, f->o.held_out, &f->o.feed[i], "the held-out data set"));
        f->n_feeds = i + 1;
    }
    return EK_OK;
}

static ek_status check_options(ek_fitting *f)
{
    const ek_fit_options *o = &f->o;

    if (!ek_op_ok(o->train_op))
        return EK_FAIL(f->err, INVALID_ARGUMENT, "ek_fit needs a train op; building it failed, or it is missing");
    if (!ek_tensor_ok(o->loss))
        return EK_FAIL(f->err, INVALID_ARGUMENT, "ek_fit needs a loss; building it failed, or it is missing");
    if (o->data == NULL) return EK_FAIL(f->err, INVALID_ARGUMENT, "ek_fit needs data");
    if ((o->steps > 0) == (o->epochs > 0) || o->steps < 0 || o->epochs < 0)
        return EK_FAIL(f->err, INVALID_ARGUMENT,
                       "ek_fit needs a number of steps or of epochs, found %lld steps and %lld epochs",
                       (long long)o->steps, (long long)o->epochs);
    if (o->resume && o->logdir == NULL)
        return EK_FAIL(f->err, INVALID_ARGUMENT, "there is nothing to resume from: .logdir is missing");
    for (int64_t i = 0; i < o->n_settings; i++)
        if (o->settings == NULL || o->settings[i].name == NULL || o->settings[i].value == NULL)
            return EK_FAIL(f->err, INVALID_ARGUMENT, "setting %lld of %lld has no name or no value", (long long)i,
                           (long long)o->n_settings);
    if (o->n_settings < 0)
        return EK_FAIL(f->err, INVALID_ARGUMENT, "%lld settings were given", (long long)o->n_settings);
    if (o->patience > 0 && o->held_out == NULL)
        return EK_FAIL(f->err, INVALID_ARGUMENT, "patience needs held-out data to tell what is better");
    f->n_numbers = 1;
    for (int i = 0; i < EK_FIT_METRICS && o->metric[i].name != NULL; i++) {
        if (!ek_tensor_ok(o->metric[i].tensor))
            return EK_FAIL(f->err, INVALID_ARGUMENT, "the metric '%s' is a tensor that could not be built",
                           o->metric[i].name);
        f->n_numbers++;
    }
    return check_feeds(f);
}

/* ---- getting ready --------------------------------------------------------------------------------------------- */

ek_callable *ek__fit_callable(ek_fitting *f, const ek_fit_run *r)
{
    ek_feed feed[EK_FIT_VALUES];
    ek_fetch fetch[EK_FIT_NUMBERS] = { { f->o.loss, NULL } };
    ek_run_options run = { .size = sizeof run, .feeds = feed, .target = { r->op }, .also = r->also, .fetches = fetch,
                           .n_fetches = r->with_numbers ? f->n_numbers : 0, .error = f->err };

    for (int i = 1; i < f->n_numbers; i++) fetch[i] = (ek_fetch){ f->o.metric[i - 1].tensor, NULL };
    run.n_feeds = ek__fit_feeds(f, r->extra, feed);
    return ek_callable_create_with(f->session, &run, f->where);
}

static ek_status prepare(ek_fitting *f)
{
    f->batches = ek_batches_create(f->o.data, f->o.batch_size, .shuffle = f->o.shuffle, .seed = f->o.seed,
                                   .partial = f->o.partial, .from = f->place, .error = f->err);
    if (f->batches == NULL) return f->err->code;
    f->steps = f->o.steps;
    if (f->steps == 0 && __builtin_mul_overflow(f->o.epochs, ek_batches_per_epoch(f->batches), &f->steps))
        return EK_FAIL(f->err, INVALID_ARGUMENT, "%lld epochs have more steps than can be counted",
                       (long long)f->o.epochs);
    f->step = ek__fit_callable(f, &(ek_fit_run){ f->o.also, f->o.train_op, f->o.also_run, true });
    if (f->step == NULL) return f->err->code;
    for (int i = 0; i < EK_FIT_OPS && f->o.then[i].graph != NULL; i++) {
        f->then[i] = ek__fit_callable(f, &(ek_fit_run){ .extra = f->o.also, .op = f->o.then[i] });
        if (f->then[i] == NULL) return f->err->code;
    }
    f->began_ns = f->window_ns = ek__now_ns();
    f->window_step = f->done;
    return EK_OK;
}

/* ---- telling ----------------------------------------------------------------------------------------------------- */

static double seconds_since(int64_t ns) { return (double)(ek__now_ns() - ns) * 1e-9; }

/* The rate of about the last second. */
static void measure(ek_fitting *f)
{
    const double seconds = seconds_since(f->window_ns);

    if (seconds < 1 && f->steps_per_second > 0) return;
    if (seconds < 0.1 || f->done == f->window_step) return;
    f->steps_per_second = (double)(f->done - f->window_step) / seconds;
    if (seconds < 1) return;
    f->window_ns = ek__now_ns();
    f->window_step = f->done;
}

void ek__fit_tell(ek_fitting *f, ek_fit_moment moment)
{
    const ek_fit_numbers *numbers = moment == EK_FIT_EVALUATED ? &f->eval : &f->now;
    ek_fit_progress p = { .moment = moment, .step = f->done, .steps = f->steps, .epoch = f->place.epoch,
                          .loss = numbers->at[0], .mean_loss = f->mean.at[0], .resumed = f->r->resumed,
                          .checkpoint = f->r->checkpoint[0] != '\0' ? f->r->checkpoint : NULL };

    if (f->o.callback == NULL) return;
    if (moment == EK_FIT_STEP) measure(f);
    p.seconds = seconds_since(f->began_ns);
    p.steps_per_second = f->steps_per_second;
    for (int i = 1; i < f->n_numbers; i++) {
        p.metric[i - 1] = numbers->at[i];
        p.mean_metric[i - 1] = f->mean.at[i];
    }
    if (!f->o.callback(&p, f->o.callback_arg)) f->asked_to_stop = true;
}

/* ---- a step -------------------------------------------------------------------------------------------------- */

static ek_status not_finite(ek_fitting *f)
{
    const char *kept = f->r->checkpoint;

    f->r->end = EK_FIT_NOT_FINITE;
    return EK_FAIL(f->err, ABORTED,
                   "the loss of step %lld is %g; training stopped%s%s%s; a lower learning rate may help, and "
                   "EK_CHECK=nan in the environment names the first operation that gives such a number",
                   (long long)f->done, f->now.at[0], kept[0] != '\0' ? ", the last good checkpoint is " : "", kept,
                   kept[0] != '\0' ? "" : ", nothing was saved");
}

/* An average in which the last fifty steps or so weigh. */
static void average(ek_fitting *f)
{
    static const double keep = 0.98;

    f->mean_weight = f->mean_weight * keep + (1 - keep);
    for (int i = 0; i < f->n_numbers; i++)
        f->mean.at[i] += (f->now.at[i] - f->mean.at[i]) * (1 - keep) / f->mean_weight;
}

static ek_status one_step(ek_fitting *f)
{
    const ek_array *const *columns, *value[EK_FIT_VALUES];
    int64_t rows;

    EK_TRY(ek_batches_next(f->batches, &columns, f->err));
    rows = columns[0]->shape.dim[0];
    ek__fit_values(f, columns, f->o.also, value);
    EK_TRY(ek_callable_run(f->step, value, f->fetched));
    for (int i = 0; i < EK_FIT_OPS && f->then[i] != NULL; i++) EK_TRY(ek_callable_run(f->then[i], value, NULL));
    EK_TRY(ek__fit_sums(f, f->fetched, rows, &f->now));
    for (int i = 0; i < f->n_numbers; i++) f->now.at[i] /= (double)rows;
    f->done++;
    f->place = ek_batches_place(f->batches);
    average(f);
    return isfinite(f->now.at[0]) ? EK_OK : not_finite(f);
}

/* ---- what is due after a step -------------------------------------------------------------------------------- */

static bool is_due(const ek_fitting *f, int64_t every) { return every > 0 && f->done % every == 0; }

/* A curve has its last point too, and a short run has one. */
static bool is_logged(const ek_fitting *f)
{
    return is_due(f, f->o.log_every) || (f->o.log_every > 0 && f->done == f->steps);
}

/* Better than the best so far: the first metric, or the loss. */
static bool is_better(const ek_fitting *f, double v)
{
    const bool by_loss = f->o.best_by_loss || f->n_numbers == 1;

    return f->best_step < 0 ? !isnan(v) : by_loss ? v < f->best : v > f->best;
}

static ek_status judge(ek_fitting *f)
{
    ek_fit_numbers numbers;
    double v;

    if (f->o.held_out == NULL) return EK_OK;
    EK_TRY(ek__fit_evaluate(f, f->o.held_out, &numbers));
    EK_TRY(ek__fit_log(f, EK_FIT_HELD_OUT, &numbers));
    v = numbers.at[f->o.best_by_loss || f->n_numbers == 1 ? 0 : 1];
    f->waited++;
    if (!is_better(f, v)) return EK_OK;
    f->best = v;
    f->best_step = f->done;
    f->waited = 0;
    return ek__fit_files_save_best(f);
}

static ek_status evaluate(ek_fitting *f)
{
    const int64_t since = ek__now_ns();

    if ((f->o.eval_data == NULL && f->o.held_out == NULL) || f->evaluated_at == f->done) return EK_OK;
    f->evaluated_at = f->done;
    EK_TRY(judge(f));
    EK_TRY(ek__fit_log_histograms(f));
    if (f->o.eval_data == NULL) return EK_OK;
    EK_TRY(ek__fit_evaluate(f, f->o.eval_data, &f->eval));
    EK_TRY(ek__fit_log(f, EK_FIT_EVAL, &f->eval));
    f->window_ns += ek__now_ns() - since; /* the rate is that of steps */
    ek__fit_tell(f, EK_FIT_EVALUATED);
    return EK_OK;
}

static ek_status save(ek_fitting *f)
{
    const int64_t since = ek__now_ns();

    if (f->files == NULL || f->saved_at == f->done) return EK_OK;
    EK_TRY(ek__fit_files_save(f));
    f->saved_at = f->done;
    f->window_ns += ek__now_ns() - since;
    ek__fit_tell(f, EK_FIT_SAVED);
    return EK_OK;
}

static bool is_over(ek_fitting *f)
{
    if (f->o.stop != NULL && __atomic_load_n(f->o.stop, __ATOMIC_RELAXED) != 0) f->asked_to_stop = true;
    f->r->end = f->asked_to_stop ? EK_FIT_STOPPED : EK_FIT_DONE;
    if (f->o.patience > 0 && f->waited >= f->o.patience) f->r->end = EK_FIT_PATIENCE;
    return f->done >= f->steps || f->r->end != EK_FIT_DONE;
}

static ek_status loop(ek_fitting *f)
{
    if (f->done == 0) EK_TRY(save(f)); /* there is a good one from the beginning */
    ek__fit_tell(f, EK_FIT_STARTED);
    while (!is_over(f)) {
        EK_TRY(one_step(f));
        if (is_logged(f)) EK_TRY(ek__fit_log(f, EK_FIT_TRAIN, &f->now));
        ek__fit_tell(f, EK_FIT_STEP);
        if (is_due(f, f->o.eval_every)) EK_TRY(evaluate(f));
        if (is_due(f, f->o.save_every)) EK_TRY(save(f));
    }
    return EK_OK;
}

static ek_status finish(ek_fitting *f)
{
    if (f->r->end != EK_FIT_STOPPED) EK_TRY(evaluate(f));
    EK_TRY(save(f));
    if (f->r->end != EK_FIT_STOPPED) EK_TRY(ek__fit_check_statistics(f));
    EK_TRY(ek__fit_files_finish(f));
    ek__fit_tell(f, EK_FIT_ENDED);
    return EK_OK;
}

/* ---- the whole ----------------------------------------------------------------------------------------------- */

static void fill_result(ek_fitting *f)
{
    ek_fit_result *r = f->r;

    r->step = f->done;
    r->epoch = f->place.epoch;
    r->seconds = f->began_ns > 0 ? seconds_since(f->began_ns) : 0;
    r->loss = f->mean.at[0];
    r->eval_loss = f->eval.at[0];
    r->best_step = f->best_step;
    r->best = f->best;
    for (int i = 1; i < EK_FIT_NUMBERS; i++) {
        r->metric[i - 1] = f->mean.at[i];
        r->eval_metric[i - 1] = f->eval.at[i];
    }
}

static void release(ek_fitting *f)
{
    ek__fit_files_close(f);
    ek_batches_destroy(f->batches);
    ek_callable_destroy(f->step);
    for (int i = 0; i < EK_FIT_OPS; i++) ek_callable_destroy(f->then[i]);
    for (int i = 0; i < EK_FIT_NUMBERS; i++) ek_array_unref(f->fetched[i]);
}

static ek_status fit(ek_fitting *f)
{
    EK_TRY(check_options(f));
    EK_TRY(ek__fit_files_open(f));
    EK_TRY(prepare(f));
    EK_TRY(loop(f));
    return finish(f);
}

ek_status ek_fit_with(ek_session *s, const ek_fit_options *o, ek_where where)
{
    ek_fitting f = { .session = s, .where = where, .saved_at = -1, .evaluated_at = -1, .best_step = -1, .best = NAN };
    const size_t has_error = offsetof(ek_fit_options, error) + sizeof f.o.error;
    ek_error *err = ek__error_begin(o != NULL && o->size >= has_error ? o->error : NULL);
    ek_error record = { .code = EK_OK }; /* the thread's own is written by calls whose failure is no matter */
    ek_fit_result own = { .step = 0 };
    ek_status st;

    if (s == NULL || o == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "ek_fit needs a session; did ek_session_create fail?");
    memcpy(&f.o, o, o->size < sizeof f.o ? o->size : sizeof f.o);
    f.err = &record;
    f.graph = s->graph;
    f.r = f.o.result != NULL ? f.o.result : &own;
    *f.r = own;
    f.r->best_step = -1;
    for (int i = 0; i < EK_FIT_NUMBERS; i++) f.eval.at[i] = NAN;
    st = fit(&f);
    fill_result(&f);
    release(&f);
    if (st == EK_OK) return st;
    err = ek__error_begin(err);
    return ek__error_copy(err, &record);
}
