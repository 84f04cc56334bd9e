/* plan/watch.c - what a session that watches its batch norms must know of a plan: which moving averages its runs move,
 * which layers it trains in which mode, on how many values. What is said of it, and when, is runtime/notes.c's.
 *
 * A variable is trained where an optimizer's op changes it, or another write by what comes from a batch norm's gradient.
 * Parts of the plan that follow a split may still write, so they count as writing.
 */
#include <math.h>

#include "graph/collection.h"
#include "plan/recognise.h"

enum { FEW_VALUES = 8, MOST_BEHIND = 32 };

/* The variables behind a site, as nodes; -1: none. */
typedef struct layer {
    const ek_site *site;
    int32_t gamma, beta, mean, variance;
} layer;

typedef struct watcher {
    ek_builder *b;
    const ek_graph *g;
    const ek_recognised *r;
    ek_watch *w;
    uint8_t *here;              /* per node: this region runs it */
    uint8_t *flows;             /* per node: a gradient of a batch norm goes in */
    uint8_t *written, *trained; /* per node that is a variable */
    uint8_t *average;           /* per node: it updates a moving average */
    layer *layer;               /* per site */
    const char *step;
    int64_t cap_moves, cap_resets, cap_remarks, cap_readings;
} watcher;

static ek_status no_memory(const watcher *t) { return ek__plan_no_memory(t->b->err); }

/* ---- writes ------------------------------------------------------------------------------------------ */

static void seed(watcher *t, ek_edge e)
{
    if (e.node >= 0) t->flows[e.node] = 1;
}

static void seed_gradients(watcher *t)
{
    for (int i = 0; i < t->r->sites.n; i++)
        for (int k = 0; k < t->r->sites.at[i].n_gradients; k++) {
            const ek_site_gradient *way = &t->r->sites.at[i].gradient[k];

            seed(t, way->dx);
            seed(t, way->dgamma);
            seed(t, way->dbeta);
        }
}

static void write_at(watcher *t, const ek_node *n, int i)
{
    const int32_t v = ek__variable_behind(t->g, n->in[i]);
    const bool by_gradient = t->flows[n->id] != 0 && t->average[n->id] == 0;

    if (v < 0) return;
    t->written[v] = 1;
    if (i != 0 || !(ek__applies_gradient(n) || by_gradient)) return;
    t->trained[v] = 1;
    t->w->trains = true;
    if (t->step == NULL) t->step = n->name;
}

/* All that this plan and its tails may run, in order. */
static void find_writes(watcher *t)
{
    const ek_program *p = t->b->program;

    for (int32_t k = 0; k < p->n_order; k++) {
        const ek_node *n = ek__at(p, p->order[k]);

        if (!ek__is_run(t->b, n->id)) continue;
        t->here[n->id] = k >= t->b->begin && k < t->b->end;
        for (int32_t i = 0; i < n->n_in && t->flows[n->id] == 0; i++) t->flows[n->id] = t->flows[n->in[i].node];
        for (int i = 0; n->spec->def->writes != 0 && i < n->n_in && i < 32; i++)
            if (ek__bit(n->spec->def->writes, i)) write_at(t, n, i);
    }
    if (p->n_targets > 0) t->step = ek__at(p, p->target[0])->name;
}

/* ---- moves and resets ------------------------------------------------------------------------------------ */

static ek_slot *slot_at(const watcher *t, const ek_node *n)
{
    const int32_t v = ek__variable_of_input(t->b, n, 0);

    return v >= 0 ? t->b->plan->variable[v].slot : NULL;
}

static ek_status add_move(watcher *t, const ek_site_average *a)
{
    ek_slot *slot = slot_at(t, ek__at(t->b->program, a->write));
    ek_watch *w = t->w;

    if (slot == NULL) return EK_OK;
    for (int32_t i = 0; i < w->n_moves; i++)
        if (w->move[i].slot == slot) {
            w->move[i].momentum *= a->momentum;
            return EK_OK;
        }
    if (!EK_GROW(w->move, t->cap_moves, w->n_moves + 1)) return no_memory(t);
    w->move[w->n_moves++] = (ek_move){ slot, a->momentum, a->of_variance };
    return EK_OK;
}

static ek_status find_moves(watcher *t)
{
    for (int i = 0; i < t->r->averages.n; i++)
        if (t->here[t->r->averages.at[i].write] != 0) EK_TRY(add_move(t, &t->r->averages.at[i]));
    return EK_OK;
}

/* Whoever gives a variable its value, an initializer or a restored file, begins its average anew. */
static ek_status find_resets(watcher *t)
{
    const ek_program *p = t->b->program;

    for (int32_t k = t->b->begin; k < t->b->end; k++) {
        const ek_node *n = ek__at(p, p->order[k]);

        if (!n->spec->def->assigns || !ek__is_run(t->b, n->id)) continue;
        if (t->average != NULL && t->average[n->id] != 0) continue;
        ek_slot *slot = slot_at(t, n);
        if (slot == NULL) continue;
        if (!EK_GROW(t->w->reset, t->cap_resets, t->w->n_resets + 1)) return no_memory(t);
        t->w->reset[t->w->n_resets++] = slot;
    }
    return EK_OK;
}

/* ---- a layer ---------------------------------------------------------------------------------------------- */

static layer layer_of(const watcher *t, const ek_site *s)
{
    return (layer){ s, ek__variable_behind(t->g, s->gamma), ek__variable_behind(t->g, s->beta),
                    ek__variable_behind(t->g, s->mean), ek__variable_behind(t->g, s->variance) };
}

static bool same(int32_t a, int32_t b) { return a >= 0 && a == b; }

static bool shares(const layer *a, const layer *b)
{
    return same(a->gamma, b->gamma) || same(a->beta, b->beta) || same(a->mean, b->mean);
}

/* Whether it updates an average of the layer: of this site, or of another one with the same parameters. */
static bool belongs(const watcher *t, const layer *l, const ek_site_average *a)
{
    const layer *other = &t->layer[a->site];

    return other->site == l->site || shares(l, other);
}

static bool runs(const watcher *t, const ek_site *s)
{
    for (int i = 0; i < s->n_covers; i++)
        if (s->covers[i] >= t->b->program->n_nodes || (t->b->program->mark[s->covers[i]] & EK_MARK_FED) != 0) return false;
    return !s->terms.assumed && s->predicate.node < 0 && t->here[s->y.node] != 0;
}

/* Whether this run changes the layer's parameters or its kernel, or where it has neither, something through its gradient.
 * A layer with parameters that stay as they are is frozen, or another network's that the gradient only passes. */
static bool is_trained(const watcher *t, const layer *l)
{
    const int32_t kernel = ek__site_kernel(t->g, l->site);

    if (l->gamma >= 0 && t->trained[l->gamma] != 0) return true;
    if (l->beta >= 0 && t->trained[l->beta] != 0) return true;
    if (kernel >= 0) return t->trained[kernel] != 0;
    if (l->gamma >= 0 || l->beta >= 0) return false;
    for (int k = 0; k < l->site->n_gradients; k++) {
        const int32_t dx = l->site->gradient[k].dx.node;

        if (t->w->trains && dx >= 0 && t->here[dx] != 0) return true;
    }
    return false;
}

/* The scope of a node's name; the name where it has none. */
static const char *scope_of(const watcher *t, int32_t node)
{
    const char *name = t->g->node[node]->name, *end = strrchr(name, '/');

    return ek__arena_strndup(&t->b->scratch, name, end != NULL ? (size_t)(end - name) : strlen(name));
}

static const char *place_of(const watcher *t, const layer *l)
{
    if (l->site->set[0] != '\0') return l->site->set;
    return scope_of(t, l->mean >= 0 ? l->mean : l->site->y.node);
}

/* What stands for the layer, whichever of its sites is looked at. */
static int32_t set_of(const layer *l)
{
    if (l->mean >= 0) return l->mean;
    if (l->gamma >= 0) return l->gamma;
    return l->beta >= 0 ? l->beta : l->site->y.node;
}

/* ---- remarks ----------------------------------------------------------------------------------------------- */

static ek_status slot_of(const watcher *t, int32_t variable, ek_slot **out)
{
    *out = NULL;
    return variable < 0 ? EK_OK : t->b->host->variable(t->b->host->self, t->g->node[variable], out, t->b->err);
}

static ek_status remark(watcher *t, const layer *l, ek_note_args *args)
{
    const bool reads = args->rule == EK_RULE_BN007;
    ek_watch *w = t->w;
    ek_remark one = { .rule = args->rule };

    args->set = set_of(l);
    args->place = place_of(t, l);
    args->step = t->step;
    if (args->place == NULL) return no_memory(t);
    EK_TRY(slot_of(t, l->mean, &one.mean));
    EK_TRY(slot_of(t, l->variance, &one.variance));
    EK_TRY(t->b->host->note(t->b->host->self, args, &one.note, t->b->err));
    if (reads ? !EK_GROW(w->reading, t->cap_readings, w->n_readings + 1)
              : !EK_GROW(w->remark, t->cap_remarks, w->n_remarks + 1))
        return no_memory(t);
    if (reads)
        w->reading[w->n_readings++] = one;
    else
        w->remark[w->n_remarks++] = one;
    return EK_OK;
}

/* Whether an op is the write, or hands it on: out of a cond, say. */
static bool hands_on(const ek_graph *g, int32_t from, int32_t write)
{
    int32_t list[MOST_BEHIND] = { from };
    int n = 1;

    for (int at = 0; at < n; at++) {
        const ek_node *node = g->node[list[at]];

        if (node->id == write) return true;
        for (int32_t i = 0; i < node->n_in && n < MOST_BEHIND; i++) list[n++] = node->in[i].node;
        for (int32_t i = 0; i < node->n_control && n < MOST_BEHIND; i++) list[n++] = node->control[i];
    }
    return false;
}

static bool is_collected(const ek_graph *g, int32_t write)
{
    const ek_collection *c = ek__collection(g, EK_UPDATE_OPS);

    for (int64_t i = 0; c != NULL && i < c->count; i++) {
        const ek_item *item = &c->item[i];
        const int32_t op = item->kind == EK_ITEM_OP ? item->u.op.id : item->kind == EK_ITEM_TENSOR ? item->u.tensor.op : -1;

        if (op >= 0 && hands_on(g, op, write)) return true;
    }
    return false;
}

/* The moving statistics of a layer in training, by what updates them. True: some are written in this run. */
static bool find_averages(const watcher *t, layer *l)
{
    bool written = false;

    for (int i = 0; i < t->r->averages.n; i++) {
        const ek_site_average *a = &t->r->averages.at[i];

        if (!belongs(t, l, a)) continue;
        written = written || t->written[a->variable] != 0;
        if (a->of_variance ? l->variance < 0 : l->mean < 0) *(a->of_variance ? &l->variance : &l->mean) = a->variable;
    }
    return written;
}

static void name_updates(const watcher *t, const layer *l, ek_note_args *args)
{
    args->collected = true;
    for (int i = 0; i < t->r->averages.n; i++) {
        const ek_site_average *a = &t->r->averages.at[i];

        if (!belongs(t, l, a)) continue;
        if (args->n_ops < EK_COUNT_OF(args->op)) args->op[args->n_ops] = t->g->node[a->write]->name;
        args->n_ops++;
        args->collected = args->collected && is_collected(t->g, a->write);
    }
}

/* Nothing updates it: what an inference site with the same parameters reads. */
static ek_status find_counterpart(const watcher *t, layer *l, bool *written)
{
    const ek_sites *both = ek__recognise_both_ways(t->b, t->r);

    if (both == NULL) return t->b->err->code;
    for (int i = 0; i < both->n && l->mean < 0; i++) {
        const layer other = layer_of(t, &both->at[i]);

        if (other.mean < 0 || !shares(l, &other)) continue;
        l->mean = other.mean;
        l->variance = other.variance;
        *written = t->written[other.mean] != 0 || (other.variance >= 0 && t->written[other.variance] != 0);
    }
    return EK_OK;
}

static ek_status watch_updates(watcher *t, layer *l, bool written)
{
    ek_note_args args = { .rule = EK_RULE_BN001 };

    if (l->mean < 0 && l->variance < 0) EK_TRY(find_counterpart(t, l, &written));
    if (written || (l->mean < 0 && l->variance < 0)) return EK_OK;
    name_updates(t, l, &args);
    return remark(t, l, &args);
}

/* Numbers that a statistic is taken over; -1: not known. */
static int64_t values_of(const watcher *t, const ek_site *s, int64_t *samples)
{
    const ek_program *p = t->b->program;
    int64_t n = 1;

    if (p->live[s->x.node] == EK_LIVE_NOT && (p->mark[s->x.node] & EK_MARK_FED) == 0) return -1;
    const ek_shape *shape = &t->b->facts->shape[ek__out_at(p, s->x)];
    if (!ek_shape_is_known(shape) || shape->rank != s->rank) return -1;
    for (int a = 0; a < s->rank; a++)
        if ((s->axes >> a & 1u) != 0) n *= shape->dim[a];
    *samples = shape->dim[0];
    return n;
}

static ek_status watch_training(watcher *t, layer *l)
{
    ek_note_args args = { .rule = EK_RULE_BN013 };
    const bool moves = find_averages(t, l);

    args.values = values_of(t, l->site, &args.samples);
    if (args.values == 1) args.rule = EK_RULE_BN006;
    if (args.values > 0 && args.values < FEW_VALUES && (t->w->trains || (args.values == 1 && moves)))
        EK_TRY(remark(t, l, &args));
    return is_trained(t, l) ? watch_updates(t, l, moves) : EK_OK;
}

/* Whether another site of the layer is in training in this run: then this one is there to be looked at. */
static bool trains_elsewhere(const watcher *t, const layer *l)
{
    for (int i = 0; i < t->r->sites.n; i++) {
        const layer *other = &t->layer[i];

        if (other->site->mode != EK_SITE_INFERENCE && runs(t, other->site) && shares(l, other)) return true;
    }
    return false;
}

static ek_status watch_inference(watcher *t, const layer *l)
{
    if (l->mean < 0 || l->variance < 0) return EK_OK;
    if (!t->w->trains) return remark(t, l, &(ek_note_args){ .rule = EK_RULE_BN007 });
    if (!is_trained(t, l) || trains_elsewhere(t, l)) return EK_OK;
    return remark(t, l, &(ek_note_args){ .rule = EK_RULE_BN008 });
}

/* ---- the pass ----------------------------------------------------------------------------------------------- */

static ek_status open_watcher(watcher *t)
{
    const int64_t n = t->b->program->n_nodes + 1;

    t->here = EK_ARENA_NEW(&t->b->scratch, uint8_t, n);
    t->flows = EK_ARENA_NEW(&t->b->scratch, uint8_t, n);
    t->written = EK_ARENA_NEW(&t->b->scratch, uint8_t, n);
    t->trained = EK_ARENA_NEW(&t->b->scratch, uint8_t, n);
    t->average = EK_ARENA_NEW(&t->b->scratch, uint8_t, n);
    t->layer = EK_ARENA_NEW(&t->b->scratch, layer, t->r->sites.n);
    if (t->here == NULL || t->flows == NULL || t->written == NULL || t->trained == NULL || t->average == NULL ||
        t->layer == NULL)
        return no_memory(t);
    for (int i = 0; i < t->r->sites.n; i++) t->layer[i] = layer_of(t, &t->r->sites.at[i]);
    for (int i = 0; i < t->r->averages.n; i++) t->average[t->r->averages.at[i].write] = 1;
    return EK_OK;
}

static ek_status watch_sites(watcher *t)
{
    EK_TRY(open_watcher(t));
    seed_gradients(t);
    find_writes(t);
    EK_TRY(find_moves(t));
    for (int i = 0; i < t->r->sites.n; i++) {
        layer l = t->layer[i];

        if (!runs(t, l.site)) continue;
        if (l.site->mode == EK_SITE_TRAIN) EK_TRY(watch_training(t, &l));
        if (l.site->mode == EK_SITE_INFERENCE) EK_TRY(watch_inference(t, &l));
    }
    return EK_OK;
}

/* Into the plan's arena, where there is anything. */
static ek_status keep(watcher *t)
{
    ek_watch *w = t->w, *kept;

    if (!w->trains && w->n_moves + w->n_resets + w->n_remarks + w->n_readings == 0) return EK_OK;
    kept = ek__arena_memdup(t->b->arena, w, sizeof *w);
    if (kept == NULL) return no_memory(t);
    kept->move = ek__arena_memdup(t->b->arena, w->move, sizeof *w->move * (size_t)w->n_moves);
    kept->reset = ek__arena_memdup(t->b->arena, w->reset, sizeof(ek_slot *) * (size_t)w->n_resets);
    kept->remark = ek__arena_memdup(t->b->arena, w->remark, sizeof *w->remark * (size_t)w->n_remarks);
    kept->reading = ek__arena_memdup(t->b->arena, w->reading, sizeof *w->reading * (size_t)w->n_readings);
    if (kept->move == NULL || kept->reset == NULL || kept->remark == NULL || kept->reading == NULL) return no_memory(t);
    t->b->plan->watch = kept;
    if (t->b->plan->outer == NULL && t->r != NULL) ek__rest_on_flags(t->b);
    return EK_OK;
}

ek_status ek__pass_watch(ek_builder *b)
{
    ek_watch w = { .trains = false };
    watcher t = { .b = b, .g = b->program->graph, .w = &w };
    ek_status st = EK_OK;

    if (b->plan->n_variables == 0) return EK_OK;
    if (ek__sites_possible(&b->facts->view)) {
        t.r = ek__recognise(b);
        st = t.r != NULL ? EK_OK : b->err->code;
    }
    if (st == EK_OK && t.r != NULL && t.r->sites.n > 0) st = watch_sites(&t);
    if (st == EK_OK) st = find_resets(&t);
    if (st == EK_OK) st = keep(&t);
    ek__free(w.move);
    ek__free(w.reset);
    ek__free(w.remark);
    ek__free(w.reading);
    return st;
}
