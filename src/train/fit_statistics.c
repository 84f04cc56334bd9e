/* train/fit_statistics.c - after training: are the stored statistics of the batch norms those of the batches?
 *
 * In inference mode each layer's input is looked at over some batches: of training (BN018: the weights moved on after
 * the statistics were taken) and of evaluation (BN019: its data are of another kind). Statistics that are no numbers are
 * BN011, and compared with nothing.
 */
#include <math.h>

#include "base/rules.h"
#include "evenkeel/variables.h"
#include "sites/averages.h"
#include "sites/drift.h"
#include "train/fitting.h"
#include "values/array.h"

enum { MOST_BATCHES = 20, MOST_SITES = 256 };

typedef struct survey {
    ek_fitting *f;
    ek_sites sites;
    ek_arena arena;
    int n;                            /* sites that can be measured */
    int broken;                       /* sites whose stored statistics are not finite */
    const ek_site *first_broken;
    const ek_site *site[MOST_SITES];
    ek_drift drift[MOST_SITES];
    ek_fetch fetch[MOST_SITES];
    ek_array *x[MOST_SITES];
} survey;

/* ---- sites and their stored statistics ------------------------------------------------------------------ */

static ek_variable variable_of(ek_graph *g, int32_t node)
{
    const ek_list all = ek_global_variables(g);

    for (int64_t i = 0; i < all.count; i++)
        if (all.item[i].kind == EK_ITEM_VARIABLE && ek_variable_op(all.item[i].u.variable).id == node)
            return all.item[i].u.variable;
    return (ek_variable){ g, -1 };
}

/* *out stays NULL where the tensor is no variable, or one without a value. */
static ek_status stored(survey *s, ek_edge e, ek_array **out)
{
    const int32_t node = e.node >= 0 ? ek__variable_behind(s->f->graph, e) : -1;
    const ek_variable v = node >= 0 ? variable_of(s->f->graph, node) : (ek_variable){ s->f->graph, -1 };

    *out = NULL;
    if (!ek_variable_ok(v)) return EK_OK;
    const ek_status st = ek_session_get(s->f->session, v, out);
    return st == EK_RESOURCE_EXHAUSTED ? ek__error_copy(s->f->err, ek_last_error()) : EK_OK;
}

static ek_status add_site(survey *s, const ek_site *site)
{
    const ek_node *n = s->f->graph->node[site->x.node];
    ek_array *mean, *variance = NULL;
    ek_status st;

    if (s->n == MOST_SITES || n->unfetchable) return EK_OK; /* inside a cond */
    st = stored(s, site->mean, &mean);
    if (st == EK_OK) st = stored(s, site->variance, &variance);
    if (st == EK_OK && mean != NULL && variance != NULL && !(ek__array_is_finite(mean) && ek__array_is_finite(variance))) {
        if (s->broken++ == 0) s->first_broken = site;
    } else if (st == EK_OK && mean != NULL && variance != NULL) {
        if (ek__drift_begin(site, mean, variance, &s->arena, &s->drift[s->n], s->f->err)) {
            s->site[s->n] = site;
            s->fetch[s->n].tensor = (ek_tensor){ s->f->graph, site->x.node, site->x.index };
            s->fetch[s->n].value = &s->x[s->n];
            s->n++;
        } else {
            st = s->f->err->code;
        }
    }
    ek_array_unref(mean);
    ek_array_unref(variance);
    return st;
}

/* ---- batches ---------------------------------------------------------------------------------------------- */

static ek_status look_at(survey *s, const ek_array *const *columns)
{
    const ek_array *value[EK_FIT_VALUES];
    ek_feed feed[EK_FIT_VALUES];
    ek_run_options run = {
        .size = sizeof run, .feeds = feed, .fetches = s->fetch, .n_fetches = s->n, .error = s->f->err};

    run.n_feeds = ek__fit_feeds(s->f, s->f->o.eval_also, feed);
    ek__fit_values(s->f, columns, s->f->o.eval_also, value);
    for (int64_t i = 0; i < run.n_feeds; i++) feed[i].value = value[i];
    EK_TRY(ek_run_with(s->f->session, &run, s->f->where));
    for (int i = 0; i < s->n; i++) ek__drift_add(&s->drift[i], s->x[i]);
    return EK_OK;
}

static ek_status look(survey *s, const ek_dataset *d)
{
    const int64_t rows = ek_dataset_rows(d), size = s->f->o.batch_size < rows ? s->f->o.batch_size : rows;
    ek_batches *b = ek_batches_create(d, size, .shuffle = true, .seed = s->f->o.seed, .ahead = 0, .epochs = 1,
                                      .error = s->f->err);
    ek_status st = b != NULL ? EK_OK : s->f->err->code;
    int64_t n = b != NULL ? ek_batches_per_epoch(b) : 0;

    for (int i = 0; i < s->n; i++) {
        ek_drift *drift = &s->drift[i];

        memset(drift->sum, 0, (size_t)drift->channels * sizeof *drift->sum);
        memset(drift->squares, 0, (size_t)drift->channels * sizeof *drift->squares);
        drift->values = 0;
    }
    for (n = n < MOST_BATCHES ? n : MOST_BATCHES; n > 0 && st == EK_OK; n--) {
        const ek_array *const *columns;

        st = ek_batches_next(b, &columns, s->f->err);
        if (st == EK_OK) st = look_at(s, columns);
    }
    ek_batches_destroy(b);
    return st;
}

/* ---- words ---------------------------------------------------------------------------------------------------- */

static const char *place(const survey *s, const ek_site *site)
{
    return site->set[0] != '\0' ? site->set : s->f->graph->node[site->y.node]->name;
}

static void tell(const survey *s, const ek_site *site, int64_t places, ek_rule rule, const char *text)
{
    const ek_finding f = { .rule = ek__rule_id(rule), .severity = ek__rule_severity(rule),
                           .title = ek__rule_title(rule), .place = place(s, site), .places = places, .text = text };

    s->f->o.report(&f, s->f->o.report_arg);
}

static void tell_broken(const survey *s)
{
    char text[1024];

    snprintf(text, sizeof text,
             "the moving mean or variance of %s%s is not finite, so inference is undefined; begin again with a lower "
             "learning rate, or look for batches with values that are not finite",
             place(s, s->first_broken), s->broken > 1 ? ", and of further layers," : "");
    tell(s, s->first_broken, s->broken, EK_RULE_BN011, text);
}

static ek_status check_weights(survey *s)
{
    ek_drift_result r, first = { .changed = 0 };
    int at = -1, places = 0;
    char text[1024];

    EK_TRY(look(s, s->f->o.data));
    for (int i = 0; i < s->n; i++) {
        EK_TRY(ek__drift_result(&s->drift[i], &r, s->f->err));
        if (!ek__drift_is_bn018(&r)) continue;
        if (places++ > 0) continue;
        at = i;
        first = r;
    }
    if (places == 0) return EK_OK;
    snprintf(text, sizeof text,
             "the weights before %s no longer match its stored statistics: over the training batches %.0f per cent "
             "of its channels are off, the median by %.2g standard deviations in the mean and a factor of %.2g in the "
             "deviation%s; let "
             "the learning rate fall, use a smaller momentum for the averages, or recompute the statistics with the "
             "final weights",
             place(s, s->site[at]), 100 * first.changed, first.deviations, first.ratio,
             places > 1 ? ", and further layers as well" : "");
    tell(s, s->site[at], places, EK_RULE_BN018, text);
    return EK_OK;
}

static bool near(double v, double target) { return fabs(v / target - 1) < 0.1; }

static ek_status check_inputs(survey *s)
{
    ek_drift_result r;
    char text[1024], hint[160] = "";

    if (s->f->o.eval_data == NULL || s->n == 0) return EK_OK;
    EK_TRY(look(s, s->f->o.eval_data));
    EK_TRY(ek__drift_result(&s->drift[0], &r, s->f->err));
    if (!ek__drift_is_bn019(&r)) return EK_OK;
    for (int i = 0; i < 3; i++) {
        const double scale = (const double[]){ 255, 127.5, 1.0 / 255 }[i];

        if (near(r.ratio, scale))
            snprintf(hint, sizeof hint, ", which is the scale of pixels from 0 to 255 against 0 to 1");
    }
    snprintf(text, sizeof text,
             "at %s, the first batch norm, the evaluation data lie %.2g standard deviations from the stored "
             "statistics in the median channel, and more than 3 in %.0f per cent of them (their deviation is %.2g "
             "times the stored "
             "one%s); check the input scaling and channel order before anything else",
             place(s, s->site[0]), r.deviations, 100 * r.far, r.ratio, hint);
    tell(s, s->site[0], 1, EK_RULE_BN019, text);
    return EK_OK;
}

static ek_status check(survey *s)
{
    EK_TRY(ek__sites_find_fed(s->f->graph, 0, NULL, NULL, EK_BRANCH_FALSE, &s->sites, s->f->err));
    for (int i = 0; i < s->sites.n; i++)
        if (s->sites.at[i].mode == EK_SITE_INFERENCE) EK_TRY(add_site(s, &s->sites.at[i]));
    if (s->broken > 0) tell_broken(s);
    if (s->n == 0) return EK_OK;
    EK_TRY(check_weights(s));
    return check_inputs(s);
}

ek_status ek__fit_check_statistics(ek_fitting *f)
{
    survey *s;
    ek_status st;

    if (f->o.report == NULL || f->o.check_statistics == EK_NO) return EK_OK;
    if (f->o.check_statistics == EK_DEFAULT && f->o.eval_data == NULL) return EK_OK;
    s = ek__calloc(1, sizeof *s);
    if (s == NULL) return EK_FAIL(f->err, RESOURCE_EXHAUSTED, "no memory to compare statistics");
    s->f = f;
    st = check(s);
    for (int i = 0; i < s->n; i++) ek_array_unref(s->x[i]);
    ek__sites_free(&s->sites);
    ek__arena_fini(&s->arena);
    ek__free(s);
    return st;
}
