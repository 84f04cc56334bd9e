/* sites/stored.c - what the stored values of batch norms look like: BN003, BN004, BN007, BN011, BN028, BN039. */
#include "sites/stored.h"

#include <math.h>
#include <stdlib.h>

/* ---- was it trained? ------------------------------------------------------------------------------------ */

static const char object[] = "/.ATTRIBUTES/VARIABLE_VALUE";

/* Whether the name ends with a part that is `word`. */
static bool ends_with(const char *name, const char *word)
{
    const size_t n = strlen(name), m = strlen(word);

    return n >= m && strcmp(name + n - m, word) == 0 && (n == m || name[n - m - 1] == '/');
}

bool ek__is_step_name(const char *name)
{
    return ends_with(name, "global_step") || (strstr(name, object) != NULL && strstr(name, "optimizer/iter/") != NULL);
}

/* How TensorFlow's optimizers call their slots, and whether these begin at zero. */
static const struct { const char *part; bool zero; } slots[] = {
    {"Adam", true},      {"Adam_1", true},   {"Momentum", true}, {"RMSProp", false},         {"RMSProp_1", true},
    {"RMSProp_2", true}, {"Adagrad", false}, {"Adadelta", true}, {"Adadelta_1", true},       {"Ftrl", false},
    {"Ftrl_1", true},    {"AdaMax", true},   {"AdaMax_1", true}, {"ProximalAdagrad", false},
};

bool ek__is_slot_name(const char *name)
{
    if (strstr(name, "/.OPTIMIZER_SLOT/") != NULL) return true;
    for (int i = 0; i < EK_COUNT_OF(slots); i++)
        if (ends_with(name, slots[i].part)) return true;
    return false;
}

bool ek__slot_was_used(const char *name, const ek_array *value)
{
    bool zero = false;

    if (value->dtype == EK_STRING || value->count == 0) return false;
    for (int i = 0; i < EK_COUNT_OF(slots); i++) zero = zero || (slots[i].zero && ends_with(name, slots[i].part));
    const double first = zero ? 0 : ek_array_get(value, 0);
    for (int64_t i = 0; i < value->count; i++)
        if (!(ek_array_get(value, i) == first)) return true;
    return false;
}

/* ---- looking at numbers -------------------------------------------------------------------------------------- */

static bool is_all(const ek_array *a, double v)
{
    for (int64_t i = 0; i < a->count; i++)
        if (!(ek_array_get(a, i) == v)) return false;
    return a->count > 0;
}

bool ek__parameter_moved(ek_site_role role, const ek_array *value)
{
    return value != NULL && value->count > 0 && !is_all(value, role == EK_ROLE_GAMMA ? 1 : 0);
}

static void range_of(const ek_array *a, double *least, double *most)
{
    *least = *most = NAN;
    for (int64_t i = 0; a != NULL && i < a->count; i++) {
        const double v = ek_array_get(a, i);

        if (!isfinite(v)) continue;
        if (!(v >= *least)) *least = v; /* NaN at first */
        if (!(v <= *most)) *most = v;
    }
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median_of(const double *v, int64_t n, double *room)
{
    memcpy(room, v, (size_t)n * sizeof *v);
    qsort(room, (size_t)n, sizeof *room, by_size);
    return room[n / 2];
}

/* One layer while it is looked at. */
typedef struct look {
    const ek_norm_set *set;
    const ek_array *gamma, *mean, *variance;
    const ek_trained *trained;
    bool with_graph;
    double epsilon; /* TensorFlow's default where it is not known */
    ek_arena *arena;
    ek_stored *out;
    bool failed; /* no memory */
} look;

static double variance_at(const look *l, int64_t i)
{
    const double v = ek_array_get(l->variance, i);

    return l->set->deviation ? v * v : v;
}

static void find(look *l, ek_rule rule, ek_severity severity, ek_stored_state state, const char *fmt, ...)
    EK_PRINTF(5, 6);
static void find(look *l, ek_rule rule, ek_severity severity, ek_stored_state state, const char *fmt, ...)
{
    ek_stored *out = l->out;
    char text[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (out->state == EK_STORED_UPDATED) out->state = state;
    if (out->n_findings == EK_COUNT_OF(out->finding)) return;
    ek_finding *f = &out->finding[out->n_findings++];
    *f = (ek_finding){ek__rule_id(rule), severity, ek__rule_title(rule),
                      l->set->place,     1,        ek__arena_strdup(l->arena, text)};
    l->failed = l->failed || f->text == NULL;
}

/* ---- rules ------------------------------------------------------------------------------------------------------ */

static void look_for_missing(look *l)
{
    const char *both = "moving mean and variance", *one = l->mean == NULL ? "moving mean" : "moving variance";

    if (!l->with_graph || (l->mean != NULL && l->variance != NULL)) return;
    find(l, EK_RULE_BN004, EK_SEVERITY_ERROR, EK_STORED_MISSING,
         "the checkpoint does not have the %s of %s, so restored inference uses initial values; save all global "
         "variables, not only "
         "the trainable ones, and recompute the statistics for this file",
         l->mean == NULL && l->variance == NULL ? both : one, l->set->place);
}

/* How many channels of a statistic are of a kind, and the worst. */
typedef struct tally {
    int64_t nan, infinite, negative, at;
    double worst;
} tally;

static tally count_bad(const ek_array *a, bool is_variance)
{
    tally t = { .at = -1 };

    for (int64_t i = 0; a != NULL && i < a->count; i++) {
        const double v = ek_array_get(a, i);
        const bool negative = is_variance && v < 0;

        t.nan += isnan(v);
        t.infinite += isinf(v);
        t.negative += negative && isfinite(v);
        if (isfinite(v) && !negative) continue;
        if (t.at >= 0 && !(v < t.worst)) continue;
        t.at = i;
        t.worst = v;
    }
    return t;
}

static void look_for_bad(look *l, const ek_array *a, bool is_variance)
{
    const tally t = count_bad(a, is_variance);
    const char *what = is_variance ? "variance" : "mean";

    if (t.at < 0) return;
    if (t.nan + t.infinite > 0) {
        find(l, EK_RULE_BN011, EK_SEVERITY_ERROR, EK_STORED_NOT_FINITE,
             "%s has %lld channel%s with %s %s (first: channel %lld), so inference is undefined there; recompute the "
             "statistics and "
             "guard against batches whose %s is not finite, the likely cause",
             l->set->place, (long long)(t.nan + t.infinite), t.nan + t.infinite == 1 ? "" : "s",
             t.nan > 0 ? "NaN" : "infinite", what, (long long)t.at, what);
    } else if (t.worst >= -1e-6) {
        find(l, EK_RULE_BN011, EK_SEVERITY_WARNING, EK_STORED_NEGATIVE,
             "%s has %lld channel%s with a variance just below 0 (worst %.9g in channel %lld), as rounding leaves it; "
             "clamp it to 0",
             l->set->place, (long long)t.negative, t.negative == 1 ? "" : "s", t.worst, (long long)t.at);
    } else {
        find(l, EK_RULE_BN011, EK_SEVERITY_ERROR, EK_STORED_NEGATIVE,
             "%s has %lld channel%s with negative variance (worst %.9g in channel %lld), so inference is %s there; "
             "recompute the "
             "statistics and guard against two updates of one average in a step, the likely cause",
             l->set->place, (long long)t.negative, t.negative == 1 ? "" : "s", t.worst, (long long)t.at,
             t.worst + l->epsilon > 0 ? "finite but wrong" : "undefined");
    }
}

/* k updates on nothing but zeros leave the variance at momentum^k: a pass that only probed sizes. 0: it is no such. */
static int dummy_passes(const look *l, double *momentum)
{
    static const double usual[] = { 0.9, 0.99, 0.997, 0.999 };
    const double v = variance_at(l, 0);

    if (!is_all(l->mean, 0) || !is_all(l->variance, ek_array_get(l->variance, 0))) return 0;
    if (!(v < 1) || fabs(v - (1 - l->epsilon)) < 1e-6) return 0; /* folded on purpose */
    for (int i = -1; i < EK_COUNT_OF(usual); i++)
        for (int k = 1; k <= 3; k++) {
            *momentum = i < 0 ? l->set->momentum : usual[i];
            if (fabs(v - pow(*momentum, k)) < 1e-6) return k;
        }
    return 0;
}

static void look_for_untouched(look *l)
{
    const ek_trained *t = l->trained;
    char evidence[300];
    double momentum;
    int passes;

    if (l->mean == NULL || l->variance == NULL || l->out->state != EK_STORED_UPDATED) return;
    if (t->step > 0) {
        snprintf(evidence, sizeof evidence, "for %lld steps", (long long)t->step);
    } else {
        snprintf(evidence, sizeof evidence, "(%s is not as it began)", t->slot != NULL ? t->slot : t->parameter);
    }
    if (is_all(l->mean, 0) && is_all(l->variance, 1)) {
        const bool maybe_folded = !l->with_graph && t->step <= 0 && t->slot == NULL;

        find(l, EK_RULE_BN003, maybe_folded ? EK_SEVERITY_WARNING : EK_SEVERITY_ERROR, EK_STORED_NEVER_UPDATED,
             "%s still holds mean 0 and variance 1 although the model was trained %s; its averages were never "
             "updated%s: recompute "
             "them from training data and make the train step run the updates (see BN001, BN008)",
             l->set->place, evidence, maybe_folded ? ", unless they were folded into gamma and beta on purpose" : "");
    } else if ((passes = dummy_passes(l, &momentum)) > 0) {
        find(l, EK_RULE_BN003, EK_SEVERITY_ERROR, EK_STORED_NEVER_UPDATED,
             "%s holds mean 0 and variance %g^%d although the model was trained %s: its averages saw nothing but "
             "zeros, in %d update%s; "
             "recompute them from training data (see BN001, BN008)",
             l->set->place, momentum, passes, evidence, passes, passes == 1 ? "" : "s");
    }
}

static void look_for_residue(look *l)
{
    const double m = l->set->momentum, steps = (double)l->trained->step, left = pow(m, steps);

    if (l->out->state != EK_STORED_UPDATED || isnan(m) || steps <= 0 || !(left > 0.01)) return;
    find(l, EK_RULE_BN007, left > 0.1 ? EK_SEVERITY_ERROR : EK_SEVERITY_WARNING, EK_STORED_SUSPICIOUS,
         "%s averages with momentum %.6g; after %lld steps %.2g per cent of the initial value is still in its "
         "statistics; use a momentum "
         "of at most %.3g, train on, or recompute the statistics",
         l->set->place, m, (long long)l->trained->step, 100 * left, floor(1000 * pow(0.01, 1 / steps)) / 1000);
}

/* Channels that hardly varied and are blown up. Says which ones in `collapsed`. */
static void look_for_collapsed(look *l, bool *collapsed, double *v, double *scale, double *room)
{
    const int64_t n = l->variance->count;
    const bool has_gamma = l->gamma != NULL && l->gamma->count == n;
    double most = 0;
    int64_t k = 0;

    for (int64_t i = 0; i < n; i++) {
        v[i] = variance_at(l, i);
        scale[i] = (has_gamma ? fabs(ek_array_get(l->gamma, i)) : 1) / sqrt(v[i] + l->epsilon);
    }
    const double usual = median_of(v, n, room), usual_scale = median_of(scale, n, room);
    for (int64_t i = 0; i < n; i++) {
        collapsed[i] = v[i] < l->epsilon && v[i] < 1e-4 * usual;
        if (!collapsed[i] || !(scale[i] > 10 * usual_scale)) continue;
        k++;
        most = fmax(most, scale[i]);
    }
    if (k == 0) return;
    find(l, EK_RULE_BN028, EK_SEVERITY_WARNING, EK_STORED_SUSPICIOUS,
         "%lld of %lld channels of %s had almost no variance in training and are scaled by up to %.3g; prune them or "
         "set their scale to 0",
         (long long)k, (long long)n, l->set->place, most);
}

static void look_for_large_means(look *l, const bool *collapsed, const double *v)
{
    double most = 0;
    int64_t at = 0, k = 0;

    for (int64_t i = 0; i < l->mean->count; i++) {
        const double ratio = fabs(ek_array_get(l->mean, i)) / sqrt(v[i]);

        if (collapsed[i] || !(v[i] > 0) || !(ratio > 100)) continue;
        k++;
        if (ratio > most) at = i;
        most = fmax(most, ratio);
    }
    if (k == 0) return;
    find(l, EK_RULE_BN039, EK_SEVERITY_WARNING, EK_STORED_SUSPICIOUS,
         "%lld channel%s of %s ha%s a mean of more than 100 standard deviations (most: %.3g, channel %lld), where a "
         "variance taken in one "
         "pass is unreliable; centre the input, or use a kernel that takes two passes",
         (long long)k, k == 1 ? "" : "s", l->set->place, k == 1 ? "s" : "ve", most, (long long)at);
}

/* Channel by channel. */
static void look_at_channels(look *l)
{
    const size_t n = l->variance != NULL ? (size_t)l->variance->count : 0;
    double *v, *scale, *room;
    bool *collapsed;

    if (n == 0 || l->mean == NULL || l->mean->count != l->variance->count || l->out->state == EK_STORED_NEVER_UPDATED ||
        l->out->state == EK_STORED_NOT_FINITE)
        return;
    v = EK_ARENA_NEW(l->arena, double, n);
    scale = EK_ARENA_NEW(l->arena, double, n);
    room = EK_ARENA_NEW(l->arena, double, n);
    collapsed = EK_ARENA_NEW(l->arena, bool, n);
    l->failed = l->failed || v == NULL || scale == NULL || room == NULL || collapsed == NULL;
    if (l->failed) return;
    look_for_collapsed(l, collapsed, v, scale, room);
    look_for_large_means(l, collapsed, v);
}

ek_status ek__stored_look(const ek_norm_set *set, const ek_array *const value[EK_SITE_ROLES], const ek_trained *trained,
                          bool with_graph, ek_arena *arena, ek_stored *out, ek_error *err)
{
    look l = {.set = set,
              .gamma = value[EK_ROLE_GAMMA],
              .mean = value[EK_ROLE_MEAN],
              .variance = value[EK_ROLE_VARIANCE],
              .trained = trained,
              .with_graph = with_graph,
              .epsilon = isnan(set->epsilon) ? 1e-3 : set->epsilon,
              .arena = arena,
              .out = out};
    const ek_array *any = l.mean != NULL ? l.mean : l.variance;

    *out = (ek_stored){ .set = set, .channels = any != NULL ? any->count : 0 };
    range_of(l.mean, &out->mean_least, &out->mean_most);
    range_of(l.variance, &out->variance_least, &out->variance_most);
    look_for_missing(&l);
    look_for_bad(&l, l.mean, false);
    look_for_bad(&l, l.variance, true);
    if (ek__was_trained(trained)) {
        look_for_untouched(&l);
        look_for_residue(&l);
        look_at_channels(&l);
    } else if (out->state == EK_STORED_UPDATED) {
        out->state = EK_STORED_INITIAL;
    }
    return l.failed ? EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for what %s looks like", set->place) : EK_OK;
}

const char *ek__stored_state_name(ek_stored_state state)
{
    switch (state) {
    case EK_STORED_UPDATED: return "updated";
    case EK_STORED_INITIAL: return "as initialized";
    case EK_STORED_MISSING: return "missing";
    case EK_STORED_NEVER_UPDATED: return "never updated";
    case EK_STORED_NOT_FINITE: return "not finite";
    case EK_STORED_NEGATIVE: return "negative variance";
    case EK_STORED_SUSPICIOUS: return "suspicious";
    }
    return "?";
}
