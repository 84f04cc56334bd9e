/* runtime/notes.c - what a session says of its batch norms: counting, deciding, the words.
 *
 * What may be said of a layer is a note, made when the plan is. A run only sets it down as due, while the store is locked;
 * once the run is over and no lock is held, those of one rule are said together.
 */
#include "runtime/runtime.h"

#include <math.h>
#include <stdlib.h>

enum { NOT_SAID, BEING_WRITTEN, DUE, SAID };

struct ek_note {
    ek_note_args args;
    atomic_int state;
    /* set down with it */
    bool touched;  /* BN001: the statistics are not as they began */
    int64_t moved; /* BN007 */
    double momentum, left;
};

/* ---- life -------------------------------------------------------------------------------------------- */

bool ek__notes_init(ek_notes *n, const ek_session_options *o)
{
    const char *env = getenv("EK_WATCH");

    n->on = o->watch == EK_DEFAULT ? env == NULL || strcmp(env, "0") != 0 : o->watch == EK_YES;
    n->report = o->report;
    n->arg = o->report_arg;
    return pthread_mutex_init(&n->lock, NULL) == 0;
}

void ek__notes_fini(ek_notes *n)
{
    ek__free(n->at);
    ek__arena_fini(&n->arena);
    pthread_mutex_destroy(&n->lock);
}

static ek_note *find(const ek_notes *n, const ek_note_args *args)
{
    for (int64_t i = 0; i < n->n; i++)
        if (n->at[i]->args.rule == args->rule && n->at[i]->args.set == args->set) return n->at[i];
    return NULL;
}

static ek_note *add(ek_notes *n, const ek_note_args *args)
{
    ek_note *note = EK_ARENA_NEW(&n->arena, ek_note, 1);
    const char *place = ek__arena_strdup(&n->arena, args->place);

    if (note == NULL || place == NULL || !EK_GROW(n->at, n->cap, n->n + 1)) return NULL;
    note->args = *args;
    note->args.place = place;
    return n->at[n->n++] = note;
}

ek_status ek__note_for(void *self, const ek_note_args *args, ek_note **out, ek_error *err)
{
    ek_notes *n = &((ek_session *)self)->notes;

    pthread_mutex_lock(&n->lock);
    *out = find(n, args);
    if (*out == NULL) *out = add(n, args);
    pthread_mutex_unlock(&n->lock);
    return *out != NULL ? EK_OK : EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to watch %s", args->place);
}

/* ---- counting ------------------------------------------------------------------------------------------ */

static ek_variable_slot *of(ek_slot *slot) { return (ek_variable_slot *)slot; /* its first member */ }

void ek__notes_reset(ek_slot *slot)
{
    of(slot)->moved = 0;
}

static bool is_all(const ek_array *a, double v)
{
    for (int64_t i = 0; a != NULL && i < a->count; i++)
        if (ek_array_get(a, i) != v) return false;
    return a != NULL && a->count > 0;
}

/* As good as nothing is left of the first value: no need to count on, down to numbers that processors are slow with. */
static const double gone = 1e-9;

static void count(const ek_move *m)
{
    ek_variable_slot *v = of(m->slot);

    if ((v->moved > 0 && !(v->left > gone)) || m->slot->value == NULL) return;
    if (v->moved++ == 0) {
        v->fresh = is_all(m->slot->value, m->of_variance ? 1 : 0);
        v->left = 1;
    }
    v->momentum = m->momentum;
    v->left *= m->momentum;
}

void ek__notes_before(ek_session *s, const ek_watch *w)
{
    for (int32_t i = 0; i < w->n_resets; i++) ek__notes_reset(w->reset[i]);
    for (int32_t i = 0; i < w->n_moves; i++) count(&w->move[i]);
    if (w->trains && !s->store->trained) s->store->trained = true;
}

/* ---- deciding ------------------------------------------------------------------------------------------- */

enum { MUCH = 10, LITTLE = 100 }; /* a tenth of the first value is an error, a hundredth is worth a warning */

static int64_t moved(ek_slot *slot) { return slot != NULL ? of(slot)->moved : 0; }

static bool is_untouched(const ek_remark *r)
{
    return (r->mean == NULL || is_all(r->mean->value, 0)) && (r->variance == NULL || is_all(r->variance->value, 1));
}

/* The note is ours to fill in: nobody else did, or will. */
static bool take(ek_note *note)
{
    int expected = NOT_SAID;

    return atomic_compare_exchange_strong(&note->state, &expected, BEING_WRITTEN);
}

static void set_down(ek_notes *n, ek_note *note)
{
    atomic_store(&note->state, DUE);
    atomic_fetch_add(&n->due, 1);
}

static void look(ek_notes *n, const ek_remark *r)
{
    bool broken = true;

    if (r->rule == EK_RULE_BN001) broken = moved(r->mean) == 0 && moved(r->variance) == 0;
    if (r->rule == EK_RULE_BN008) broken = is_untouched(r);
    if (!broken || !take(r->note)) return;
    r->note->touched = !is_untouched(r);
    set_down(n, r->note);
}

/* The statistic of the two that more of its first value is in; NULL: neither, as far as is known. */
static const ek_variable_slot *slower(const ek_remark *r)
{
    const ek_variable_slot *worst = NULL, *both[] = { of(r->mean), of(r->variance) };

    for (int i = 0; i < 2; i++)
        if (both[i]->moved > 0 && both[i]->fresh && both[i]->left * LITTLE > 1 &&
            (worst == NULL || both[i]->left > worst->left))
            worst = both[i];
    return worst;
}

static void read(ek_notes *n, const ek_remark *r)
{
    const ek_variable_slot *v;

    if (atomic_load_explicit(&r->note->state, memory_order_relaxed) != NOT_SAID) return;
    v = slower(r);
    if (v == NULL || !take(r->note)) return;
    r->note->moved = v->moved;
    r->note->momentum = v->momentum;
    r->note->left = v->left;
    set_down(n, r->note);
}

void ek__notes_after(ek_session *s, ek_watch *w)
{
    if (!atomic_load_explicit(&w->looked, memory_order_relaxed) && !atomic_exchange(&w->looked, true))
        for (int32_t i = 0; i < w->n_remarks; i++) look(&s->notes, &w->remark[i]);
    for (int32_t i = 0; i < w->n_readings && s->store->trained; i++) read(&s->notes, &w->reading[i]);
}

/* ---- words ----------------------------------------------------------------------------------------------- */

enum { TEXT_SIZE = 2048 };

typedef struct text {
    char at[TEXT_SIZE];
    size_t size;
} text;

static void say(text *t, const char *fmt, ...) EK_PRINTF(2, 3);
static void say(text *t, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(t->at + t->size, sizeof t->at - t->size, fmt, args);
    va_end(args);
    if (n > 0) t->size += (size_t)n;
    if (t->size >= sizeof t->at) t->size = sizeof t->at - 1;
}

/* Notes that are said together: of one rule, all due. */
typedef struct chorus {
    const ek_note *first;
    int64_t places, n_ops;
    bool all_touched, all_collected;
    const char *op[EK_COUNT_OF(((ek_note_args *)0)->op)];
} chorus;

static void say_place(text *t, const chorus *c)
{
    say(t, "%s", c->first->args.place);
    if (c->places > 1) say(t, " (%lld layers in all)", (long long)c->places);
}

static void say_ops(text *t, const chorus *c)
{
    const int64_t shown = c->n_ops < EK_COUNT_OF(c->op) ? c->n_ops : EK_COUNT_OF(c->op);

    for (int64_t i = 0; i < shown; i++)
        say(t, "%s%s", i == 0 ? "" : i == shown - 1 && shown == c->n_ops ? " and " : ", ", c->op[i]);
    if (shown < c->n_ops) say(t, " and %lld more", (long long)(c->n_ops - shown));
}

static const char *step_of(const chorus *c)
{
    return c->first->args.step != NULL ? c->first->args.step : "?";
}

static void say_not_updated(text *t, const chorus *c)
{
    const char *then = c->all_touched ? "go on using what they hold now" : "use their initial values";

    say(t, "%s", c->n_ops > 0 ? "the moving mean and variance of " : "nothing updates the moving mean and variance of ");
    say_place(t, c);
    if (c->n_ops == 0) {
        say(t, " while %s trains it, so inference will %s; in each step assign momentum * old + (1 - momentum) * batch to both, "
               "as ek_batch_normalization does", step_of(c), then);
        return;
    }
    say(t, " are updated by ");
    say_ops(t, c);
    say(t, ", but no path leads from them to the train step %s, so inference will %s; ", step_of(c), then);
    if (c->all_collected)
        say(t, "make the train step by ek_train_op(loss, optimizer), or put ek_with_control_dependencies(g, ek_get_collection(g, "
               "EK_UPDATE_OPS)) before ek_minimize, or run them with it: .also = ek_get_collection(g, EK_UPDATE_OPS)");
    else
        say(t, "add these ops as control inputs of the train step, or run them with it: .targets");
}

static void say_one_value(text *t, const chorus *c)
{
    const long long samples = (long long)c->first->args.samples;

    say_place(t, c);
    say(t, " sees one value per channel for a batch of %lld, so its variance is 0 and its output carries no information; "
           "drop the last partial batch, use a batch of at least 2, or put this layer in inference mode", samples);
}

static void say_few_values(text *t, const chorus *c)
{
    const long long samples = (long long)c->first->args.samples;

    say_place(t, c);
    say(t, " estimates its statistics from %lld values per channel (%lld sample%s), which is too few to be stable; use a "
           "larger batch, drop the last partial one, put this layer in inference mode, or use another normalizer",
        (long long)c->first->args.values, samples, samples == 1 ? "" : "s");
}

static void say_slow(text *t, const chorus *c)
{
    const ek_note *n = c->first;
    const double most = floor(pow(1.0 / LITTLE, 1.0 / (double)n->moved) * 1000) / 1000;
    const double steps = ceil(log(1.0 / LITTLE) / log(n->momentum));

    say_place(t, c);
    say(t, " averages with momentum %.6g; after %lld step%s %.3g per cent of the initial value is still in its statistics; "
           "train for %.0f steps before inference, use a momentum of at most %g, or recompute the statistics",
        n->momentum, (long long)n->moved, n->moved == 1 ? "" : "s", 100 * n->left, steps, most);
}

static void say_not_normalizing(text *t, const chorus *c)
{
    say_place(t, c);
    say(t, " is trained by %s in inference mode with mean 0 and variance 1, so it does not normalize anything; build the "
           "training graph with .training = EK_TRUE, or feed true for the layer's flag, or restore its statistics if it is "
           "meant to be frozen", step_of(c));
}

static void say_rule(text *t, const chorus *c)
{
    switch (c->first->args.rule) {
    case EK_RULE_BN001: say_not_updated(t, c); break;
    case EK_RULE_BN006: say_one_value(t, c); break;
    case EK_RULE_BN007: say_slow(t, c); break;
    case EK_RULE_BN008: say_not_normalizing(t, c); break;
    default: say_few_values(t, c); break;
    }
}

/* ---- saying ------------------------------------------------------------------------------------------------- */

/* Of two notes the one that is worse is told of. */
static bool is_worse(const ek_note *a, const ek_note *b)
{
    return a->args.rule == EK_RULE_BN007 ? a->left > b->left : a->args.values < b->args.values;
}

static void join(chorus *c, const ek_note *note)
{
    for (int i = 0; i < note->args.n_ops; i++, c->n_ops++)
        if (c->n_ops < EK_COUNT_OF(c->op) && i < EK_COUNT_OF(note->args.op)) c->op[c->n_ops] = note->args.op[i];
    c->all_touched = note->touched && (c->places == 0 || c->all_touched);
    c->all_collected = note->args.collected && (c->places == 0 || c->all_collected);
    if (c->places++ == 0 || is_worse(note, c->first)) c->first = note;
}

/* Takes what is due of the first rule, and of one kind: ops that update it are known, or none are. False: nothing is due. */
static bool gather(ek_notes *n, chorus *c)
{
    ek_rule rule = EK_RULES;

    *c = (chorus){ .places = 0 };
    for (int64_t i = 0; i < n->n; i++)
        if (atomic_load(&n->at[i]->state) == DUE && n->at[i]->args.rule < rule) rule = n->at[i]->args.rule;
    for (int64_t i = 0; i < n->n; i++) {
        ek_note *note = n->at[i];

        if (note->args.rule != rule || atomic_load(&note->state) != DUE) continue;
        if (c->places > 0 && (note->args.n_ops > 0) != (c->n_ops > 0)) continue;
        join(c, note);
        atomic_store(&note->state, SAID);
        atomic_fetch_sub(&n->due, 1);
    }
    return c->places > 0;
}

static ek_severity severity_of(const ek_note *note)
{
    if (note->args.rule == EK_RULE_BN007 && note->left * MUCH > 1) return EK_SEVERITY_ERROR;
    return ek__rule_severity(note->args.rule);
}

static void report(const ek_notes *n, const chorus *c)
{
    const ek_rule rule = c->first->args.rule;
    text t = { .size = 0 };

    t.at[0] = '\0';
    say_rule(&t, c);
    const ek_finding f = { .rule = ek__rule_id(rule), .severity = severity_of(c->first), .title = ek__rule_title(rule),
                           .place = c->first->args.place, .places = c->places, .text = t.at };
    if (n->report != NULL)
        n->report(&f, n->arg);
    else
        fprintf(stderr, "evenkeel: %s %s: %s\n", f.rule, ek_severity_name(f.severity), f.text);
}

void ek__notes_say(ek_notes *n)
{
    chorus c;
    bool any;

    do {
        pthread_mutex_lock(&n->lock);
        any = gather(n, &c);
        pthread_mutex_unlock(&n->lock);
        if (any) report(n, &c);
    } while (any);
}
