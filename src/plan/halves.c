/* plan/halves.c - which halves of batch norms one plan runs as one op each, and who gets what from them.
 *
 * What was found in the graph holds for this plan if nothing inside is fed or dead, the shapes are those of a batch
 * norm, the numbers that the finding rests on are these shapes' too, and no variable is written between the reads.
 */
#include "plan/recognise.h"

#include <math.h>

enum { FEW = 16 }; /* at inference these are a chain or two anyway, whose last bits are those of TensorFlow's */

/* ---- asking ---------------------------------------------------------------------------------------- */

ek_half *ek__half_for(const ek_builder *b, int32_t at, int32_t reader)
{
    if (b->provider == NULL || b->provider[at] == 0) return NULL;
    ek_half *h = &b->half[b->provider_half[at]];

    return reader > h->rank ? h : NULL;
}

int ek__half_term(const ek_builder *b, const ek_node *n, int32_t i, ek_half **half)
{
    if (b->summand == NULL || b->summand[n->id] == 0) return 0;
    *half = &b->half[b->summand[n->id] - 1];
    return (*half)->term[i];
}

void ek__want_output(const ek_builder *b, ek_half *from, int32_t at, uint8_t *need)
{
    if (from != NULL)
        from->want |= 1u << (b->provider[at] - 1);
    else
        need[at] = 1;
}

bool ek__half_gave(const ek_builder *b, int32_t at)
{
    if (b->provider == NULL || b->provider[at] == 0) return false;
    const ek_half *h = &b->half[b->provider_half[at]];

    return h->lowered && h->value[b->provider[at] - 1] >= 0;
}

/* Roles that the wanted outputs of a half follow from. What passes an activation that is recomputed takes all. */
static bool takes(const ek_half *h, int role)
{
    const bool stored = role == EK_ROLE_MEAN || role == EK_ROLE_VARIANCE;
    const bool again = h->activator != NULL && h->in[EK_IN_ACTIVATED] == NULL;

    if (stored && h->site->mode == EK_SITE_TRAIN) return false;
    if (h->part == EK_HALF_STATISTICS) return role == EK_ROLE_X;
    if (h->gradient == NULL)
        return role == EK_ROLE_X || stored ||
               ((role == EK_ROLE_GAMMA || role == EK_ROLE_BETA) &&
                (h->want & (1u << EK_HALF_Y | 1u << EK_HALF_ACTIVATED)) != 0);
    if (role == EK_ROLE_BETA) return again;
    if (role == EK_ROLE_GAMMA) return again || ((h->want & 1u << EK_HALF_DX) != 0 && !h->gradient->before_gamma);
    if (role == EK_ROLE_X || stored) return again || (h->want & ~(1u << EK_HALF_DBETA)) != 0;
    return role == EK_ROLE_DY || role == EK_IN_ACTIVATED;
}

static void need_edge(const ek_builder *b, const ek_half *h, ek_edge e, uint8_t *need)
{
    const int32_t at = ek__out_at(b->program, e);
    ek_half *from = ek__half_for(b, at, INT32_MAX);

    ek__want_output(b, from != NULL && from < h ? from : NULL, at, need); /* later halves come too late */
}

void ek__half_needs(ek_builder *b, ek_half *h, uint8_t *need)
{
    if (h->want == 0) return;
    for (int r = 0; r < EK_HALF_INS; r++) {
        const ek_site_entry *e = h->in[r];

        if (e == NULL) continue;
        if (!takes(h, r)) {
            h->in[r] = NULL;
            continue;
        }
        if (r == EK_ROLE_X && h->linear != NULL) continue;
        need_edge(b, h, ek__at(b->program, e->node)->in[e->input], need);
    }
    if (h->bias != NULL) need_edge(b, h, h->bias->in[1], need);
    for (int32_t i = 0; h->linear != NULL && i < h->linear->n_in; i++) need_edge(b, h, h->linear->in[i], need);
    if (h->forward >= 0 && takes(h, EK_ROLE_X))
        b->half[h->forward].want |= 1u << EK_HALF_MEAN | 1u << EK_HALF_MEAN_LOW | 1u << EK_HALF_INVERSE;
}

/* ---- whether it holds here --------------------------------------------------------------------------- */

ek_origin ek__origin_of(const ek_scan *s, ek_edge e)
{
    const ek_builder *b = s->b;
    ek_origin o = { e, -1 };

    for (;;) {
        const ek_node *n = ek__at(b->program, o.at.node);
        const ek_op_def *d = n->spec->def;
        int32_t k = -1;

        if (b->facts->fact[ek__out_at(b->program, o.at)].feed >= 0) return o;
        if (d->kind == EK_KIND_ALIAS && o.at.index < n->n_in) k = o.at.index;
        if (d->kind == EK_KIND_SWITCH && b->facts->taken[n->id] >= 0) k = 0;
        if (d->kind == EK_KIND_MERGE && b->facts->taken[n->id] >= 0 && o.at.index == 0) k = b->facts->taken[n->id];
        if (d->snapshot && o.at.index == 0 && n->n_in > 0) {
            k = 0;
            o.read = s->position[n->id];
        }
        if (k < 0 || n->in[k].node >= b->program->n_nodes) return o;
        o.at = n->in[k];
    }
}

/* Notes where a role enters; all entries must be the same tensor, with no write of a variable between them. */
static const char *enter(const ek_scan *s, ek_half *h, const ek_site_terms *terms, ek_site_role role, int32_t *low,
                         int32_t *high)
{
    const ek_builder *b = s->b;

    for (int i = 0; i < terms->n_entries; i++) {
        const ek_site_entry *e = &terms->entry[i], *had = h->in[role];
        const ek_node *n = ek__at(b->program, e->node);

        if (e->role != role || !ek__is_run(b, e->node) || (n->spec->def->kind == EK_KIND_SWITCH && e->input > 0)) continue;
        if (ek__shape_input(n->spec, e->input, n->n_in)) continue;
        const ek_edge at = n->in[e->input];
        const ek_origin o = ek__origin_of(s, at);
        const ek_fact *f = &b->facts->fact[ek__out_at(b->program, at)];
        const int32_t read = o.read >= 0 ? o.read : s->position[e->node];

        if (f->dead) return "a part of it is not run";
        if (ek_dtype_base(n->in_dtype[e->input]) != h->dtype) return "its types differ";
        if (f->variable >= 0 && read < *low) *low = read;
        if (f->variable >= 0 && read > *high) *high = read;
        if (had != NULL) {
            const ek_edge first = ek__at(b->program, had->node)->in[had->input];

            if (!ek__same_edge(o.at, ek__origin_of(s, first).at)) return "it is given different tensors for one";
            if (b->rank[first.node] <= b->rank[at.node]) continue;
        }
        h->in[role] = e;
    }
    return NULL;
}

/* Where all that enters is there. */
static int32_t place_of(const ek_builder *b, int32_t rank)
{
    int32_t low = b->begin, high = b->end;

    while (low < high) {
        const int32_t mid = low + (high - low) / 2;

        if (b->rank[b->program->order[mid]] > rank)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

static const char *find_inputs(const ek_scan *s, ek_half *h)
{
    const ek_builder *b = s->b;

    h->place = place_of(b, h->rank);
    for (int r = 0; r < EK_SITE_ROLES; r++) {
        int32_t low = INT32_MAX, high = -1;

        if (h->part == EK_HALF_STATISTICS && r != EK_ROLE_X) continue;
        for (int from = 0; from < 2; from++) {
            if (from == 1 && h->gradient == NULL) break;
            const ek_site_terms *terms = from == 0 ? &h->site->terms : &h->gradient->terms;
            const char *why = enter(s, h, terms, (ek_site_role)r, &low, &high);
            if (why != NULL) return why;
        }
        if (h->in[r] == NULL) continue;
        const ek_edge at = ek__at(b->program, h->in[r]->node)->in[h->in[r]->input];
        const ek_fact *f = &b->facts->fact[ek__out_at(b->program, at)];
        if (f->feed >= 0 || f->variable < 0) continue;
        if (!f->snapshot && h->place < low) low = h->place;
        if (!f->snapshot && h->place > high) high = h->place;
        if (s->first_write[f->variable] >= 0 && low <= s->last_write[f->variable] &&
            high >= s->first_write[f->variable])
            return "a variable is written between its parts";
    }
    return NULL;
}

static const char *check_nodes(const ek_scan *s, const ek_half *h, int *live)
{
    const ek_builder *b = s->b;
    const ek_program *p = b->program;
    int n;
    const int32_t *covers = ek__half_covers(h, &n);

    for (int i = 0; i < n; i++) {
        const int32_t id = covers[i];

        if (id >= p->n_nodes) return "the graph has grown";
        if ((p->mark[id] & EK_MARK_FED) != 0) return "a tensor inside is fed";
        if (p->live[id] != EK_LIVE_RUN) continue;
        if (b->facts->node_dead[id] != 0) return "a part of it is not run";
        if (!ek__in_region(s, id)) return "it is split where shapes follow from data";
        ++*live;
    }
    return NULL;
}

/* ---- shapes and numbers ------------------------------------------------------------------------------------ */

/* The same but for axes of size 1. */
static bool same_sizes(const ek_shape *a, const ek_shape *b)
{
    int32_t i = 0, k = 0;

    for (;;) {
        while (i < a->rank && a->dim[i] == 1) i++;
        while (k < b->rank && b->dim[k] == 1) k++;
        if (i >= a->rank || k >= b->rank) return i >= a->rank && k >= b->rank;
        if (a->dim[i++] != b->dim[k++]) return false;
    }
}

/* What the half gives, one tensor after the other; false: no more. */
static bool output_at(const ek_half *h, int i, ek_edge *at, ek_half_out *what)
{
    static const ek_half_out fused[] = { EK_HALF_Y, EK_HALF_MEAN, EK_HALF_UNBIASED, EK_HALF_MEAN, EK_HALF_VARIANCE };
    const ek_site *s = h->site;
    const ek_site_gradient *g = h->gradient;

    if (g != NULL) {
        const bool part = g->n_own > 0; /* of a sum with what comes from elsewhere */

        *what = (ek_half_out)(EK_HALF_DX + i);
        *at = i == 0 ? (part ? g->own[0] : g->dx) : i == 1 ? g->dgamma : g->dbeta;
        if (i == 0 && g->n_own > 1) at->node = -1;
        return i < 3;
    }
    *what = EK_HALF_Y;
    *at = s->y;
    if (i == 0 && h->part == EK_HALF_STATISTICS) at->node = -1;
    if (i == 0) return true;
    if (h->part == EK_HALF_APPLICATION) return false;
    if (s->fused) { /* its other outputs, as all versions of the op have them */
        *what = fused[i < EK_COUNT_OF(fused) ? i : 0];
        *at = (ek_edge){ s->y.node, i };
        return s->mode == EK_SITE_TRAIN && i < EK_COUNT_OF(fused);
    }
    *what = i <= s->n_batch_means ? EK_HALF_MEAN : EK_HALF_VARIANCE;
    if (i <= s->n_batch_means)
        *at = s->batch_mean[i - 1];
    else if (i - s->n_batch_means <= s->n_batch_variances)
        *at = s->batch_variance[i - 1 - s->n_batch_means];
    else
        return false;
    return true;
}

/* Why parameters of so many numbers do not fit; NULL: they do, or it is not known. */
static const char *unfit(const ek_half *h, int64_t parameters)
{
    if (parameters < 0 || parameters == h->view.channels) return NULL;
    return parameters > 0 && h->view.channels % parameters == 0 ? "it has more statistics than parameters (a virtual batch?)"
                                                                : "its parameters do not have one number per channel";
}

/* Of a parameter that may not be read here: with it the half would be left to its nodes. */
static const char *misfits(const ek_builder *b, const ek_half *h, ek_edge role)
{
    if (role.node < 0 || role.node >= b->program->n_nodes) return NULL;
    const ek_node *n = ek__at(b->program, role.node);
    const bool handle = n->out_dtype[role.index] == EK_RESOURCE && n->out_handle != NULL;
    const ek_shape *shape = handle ? &n->out_handle[role.index] : &n->out_shape[role.index];

    return unfit(h, ek_shape_is_known(shape) ? ek_shape_count(shape) : -1);
}

static const char *check_shapes(const ek_builder *b, ek_half *h)
{
    const ek_site_entry *x = h->in[EK_ROLE_X] != NULL ? h->in[EK_ROLE_X] : h->in[EK_ROLE_DY];
    const char *why;
    ek_half_out what;
    ek_edge at;

    const ek_shape *shape = &b->facts->shape[ek__out_at(b->program, ek__at(b->program, x->node)->in[x->input])];
    if (shape->rank != h->site->rank || !ek_shape_is_known(shape) ||
        !ek__bn_view_of(shape, h->site->axes, &h->view))
        return "the axes of its statistics do not lie side by side";
    if ((why = misfits(b, h, h->site->gamma)) != NULL || (why = misfits(b, h, h->site->beta)) != NULL) return why;
    for (int r = 0; r < EK_SITE_ROLES; r++) {
        if (h->in[r] == NULL) continue;
        const ek_node *n = ek__at(b->program, h->in[r]->node);
        const ek_shape *in = &b->facts->shape[ek__out_at(b->program, n->in[h->in[r]->input])];
        if (r <= EK_ROLE_DY && !same_sizes(in, shape)) return "what it is given does not have the shape of x";
        if (r > EK_ROLE_DY && (why = unfit(h, ek_shape_count(in))) != NULL) return why;
    }
    for (int i = 0; output_at(h, i, &at, &what); i++) {
        if (at.node < 0 || !ek__is_run(b, at.node)) continue;
        const ek_shape *out = &b->facts->shape[ek__out_at(b->program, at)];
        if (ek_dtype_base(ek__at(b->program, at.node)->out_dtype[at.index]) != h->dtype) return "its types differ";
        if (what == EK_HALF_Y ? !same_sizes(out, shape) : ek_shape_count(out) != h->view.channels)
            return "its results do not have the shape of a batch norm's";
    }
    return NULL;
}

/* ---- terms of a sum ---------------------------------------------------------------------------------------- */

/* dx that is several terms of a sum with others: which inputs of the sum they are. */
static const char *find_terms(const ek_scan *s, ek_half *h)
{
    const ek_builder *b = s->b;
    const ek_site_gradient *g = h->gradient;
    int found = 0;

    if (g == NULL || g->n_own < 2 || !ek__is_run(b, g->dx.node)) return NULL;
    const ek_node *sum = ek__at(b->program, g->dx.node);
    uint8_t *term = ek__arena_calloc(&s->b->scratch, (size_t)sum->n_in + 1, 1);
    if (term == NULL) {
        (void)ek__plan_no_memory(b->err);
        return "there is no memory for its terms";
    }
    for (int32_t i = 0; i < sum->n_in; i++) {
        const ek_edge at = ek__origin_of(s, sum->in[i]).at;

        for (int k = 0; k < g->n_own && term[i] == 0; k++)
            if (ek__same_edge(at, g->own[k])) term[i] = found++ == 0 ? 2 : 1;
    }
    if (found != g->n_own || found == sum->n_in) return "the terms of its gradient are not those of one sum";
    if (!ek__in_region(s, sum->id)) return "it is split where shapes follow from data";
    if (b->rank[sum->id] <= h->rank || b->summand[sum->id] != 0) return "others add to its gradient too early";
    h->term = term;
    return NULL;
}

static bool near(double a, double b) { return fabs(a - b) <= 1e-6 * fabs(b); }

/* What `v`, taken for a function of `count` elements, is for `n`. */
static double number_for(double v, double count, double n)
{
    const double f[] = { count, 1 / count, count - 1, 1 / (count - 1), count / (count - 1), (count - 1) / count };
    const double to[] = { n, 1 / n, n - 1, 1 / (n - 1), n / (n - 1), (n - 1) / n };

    for (int i = 0; i < EK_COUNT_OF(f); i++)
        if (near(fabs(v), f[i])) return v < 0 ? -to[i] : to[i];
    return v;
}

static bool is_number(const ek_array *a, double v)
{
    for (int64_t i = 0; i < a->count; i++)
        if (!near(ek_array_get(a, i), v)) return false;
    return true;
}

static const char *check_numbers(const ek_builder *b, const ek_half *h, const ek_site_terms *terms)
{
    const double n = (double)(h->view.outer * h->view.inner);

    for (int i = 0; i < terms->n_numbers; i++) {
        const ek_site_number *want = &terms->number[i];

        if (!ek__is_run(b, want->at.node)) continue;
        const ek_array *a = b->facts->constant[ek__out_at(b->program, want->at)];
        const double v = n == terms->count ? want->value : number_for(want->value, terms->count, n);
        if (a == NULL && v == 0) continue; /* zeros of any size, too many to be kept */
        if (a == NULL || !is_number(a, v)) return "a number inside is not that of these sizes";
    }
    return NULL;
}

/* ---- the pass ------------------------------------------------------------------------------------------- */

/* What became of a half that was found. */
typedef struct verdict {
    const char *why; /* it is left to its nodes; NULL: it is one op */
    int live;        /* nodes of it that run here */
    int32_t place;   /* among the plan's halves; -1 */
} verdict;

static ek_dtype dtype_of_x(const ek_builder *b, const ek_half *h)
{
    const ek_node *n = ek__at(b->program, h->site->x.node);
    const ek_dtype t = ek_dtype_base(n->out_dtype[h->site->x.index]);

    if (t != EK_RESOURCE) return t;
    const ek_node *y = ek__at(b->program, h->site->y.node);
    return ek_dtype_base(y->out_dtype[h->site->y.index]);
}

/* Why the half is left to its nodes; NULL: it is one op. *live: how many of its nodes run here. */
static const char *adopt(const ek_scan *s, const ek_found_half *f, ek_half *h, int *live)
{
    const char *why;
    int others = 0;

    *h = (ek_half){ .site = f->site, .gradient = f->gradient, .part = f->part, .forward = f->forward, .applied = f->applied,
                    .rank = f->rank };
    for (int k = 0; k < EK_HALF_OUTS; k++) h->value[k] = -1;
    h->dtype = dtype_of_x(s->b, h);
    why = check_nodes(s, h, live);
    if (why != NULL || *live == 0) return why;
    if (f->gradient != NULL && (why = check_nodes(s, &(ek_half){ .site = f->site }, &others)) != NULL) return why;
    if (f->why_not != NULL) return f->why_not;
    if (f->site->averages) return "its statistics are averages with others";
    if (h->dtype != EK_FLOAT32) return "it is not of float32";
    if ((why = find_inputs(s, h)) != NULL) return why;
    if (h->in[EK_ROLE_X] == NULL && h->in[EK_ROLE_DY] == NULL) { /* of all its nodes, only constants run */
        *live = 0;
        return NULL;
    }
    if ((why = check_shapes(s->b, h)) != NULL) return why;
    if ((why = find_terms(s, h)) != NULL) return why;
    if (h->gradient == NULL && f->site->mode == EK_SITE_INFERENCE &&
        h->view.outer * h->view.channels * h->view.inner <= FEW)
        return "so few numbers are no faster as one";
    return check_numbers(s->b, h, f->gradient != NULL ? &f->gradient->terms : &f->site->terms);
}

/* EK_LOG=fuse: what became of a half that has nodes in this region; where it is one op, its lowering says so. */
static void log_half(const ek_builder *b, const ek_found_half *f, const verdict *v)
{
    if (v->why != NULL && v->live > 0)
        ek__log("fuse", "%s %s: %d nodes one by one: %s", ek__half_name(b->program->graph, f->site),
                f->gradient != NULL ? "backward" : "forward", v->live, v->why);
}

/* Registers what the half at `at` gives. */
static void provide(ek_builder *b, int32_t at)
{
    const ek_half *h = &b->half[at];
    ek_half_out what;
    ek_edge e;

    if (h->term != NULL) b->summand[h->gradient->dx.node] = 1 + at;
    for (int i = 0; output_at(h, i, &e, &what); i++) {
        if (e.node < 0 || !ek__is_run(b, e.node)) continue;
        const int32_t out = ek__out_at(b->program, e);
        if (b->provider[out] != 0 || b->facts->constant[out] != NULL || b->facts->fact[out].feed >= 0) continue;
        b->provider[out] = (uint8_t)(1 + what);
        b->provider_half[out] = at;
    }
}

static ek_status open_scan(ek_scan *s, ek_builder *b)
{
    const ek_program *p = b->program;
    const int64_t n_vars = b->plan->n_variables + 1;

    s->b = b;
    s->position = EK_ARENA_NEW(&b->scratch, int32_t, p->n_nodes + 1);
    s->first_write = EK_ARENA_NEW(&b->scratch, int32_t, n_vars);
    s->last_write = EK_ARENA_NEW(&b->scratch, int32_t, n_vars);
    if (s->position == NULL || s->first_write == NULL || s->last_write == NULL) return ek__plan_no_memory(b->err);
    for (int64_t i = 0; i < p->n_nodes; i++) s->position[i] = -1;
    for (int64_t v = 0; v < n_vars; v++) s->first_write[v] = s->last_write[v] = -1;
    for (int32_t k = 0; k < p->n_order; k++) s->position[p->order[k]] = k;
    for (int32_t k = b->begin; k < b->end; k++) {
        const ek_node *n = ek__at(p, p->order[k]);

        for (int i = 0; n->spec->def->writes != 0 && i < n->n_in && i < 32; i++) {
            const int32_t v = ek__bit(n->spec->def->writes, i) ? ek__variable_of_input(b, n, i) : -1;

            if (v < 0) continue;
            if (s->first_write[v] < 0) s->first_write[v] = k;
            s->last_write[v] = k;
        }
    }
    return EK_OK;
}

static bool keeps_order(const ek_builder *b)
{
    for (int32_t k = b->begin + 1; k < b->end; k++)
        if (b->rank[b->program->order[k]] <= b->rank[b->program->order[k - 1]]) return false;
    return true;
}

/* What was found was found for the booleans that are fed. */
void ek__rest_on_flags(ek_builder *b)
{
    for (int32_t i = 0; i < b->program->n_feeds && i < 64; i++)
        if (b->facts->fact[ek__out_at(b->program, b->program->feed[i])].known != NULL)
            b->plan->steering |= (uint64_t)1 << i;
}

static void adopt_all(const ek_scan *s, const ek_recognised *r, verdict *verdicts)
{
    ek_builder *b = s->b;
    const bool ordered = keeps_order(b);

    for (int32_t i = 0; i < r->n_halves; i++) {
        const ek_found_half *f = &r->half[i];
        ek_half *h = &b->half[b->n_halves];
        verdict *v = &verdicts[i];

        *v = (verdict){ .place = -1 };
        v->why = adopt(s, f, h, &v->live);
        if (v->why == NULL && !ordered) v->why = "feeds change the order of its nodes";
        if (v->why == NULL && f->forward >= 0 && verdicts[f->forward].place < 0) v->why = "its forward half is not one op";
        if (v->why != NULL || v->live == 0) continue;
        if (f->forward >= 0) h->forward = verdicts[f->forward].place;
        if (f->applied >= 0) h->applied = verdicts[f->applied].place;
        h->n_live = v->live;
        v->place = b->n_halves;
        provide(b, b->n_halves++);
    }
    if (b->n_halves == 0) return;
    if (b->plan->outer == NULL) ek__rest_on_flags(b);
    ek__find_beside(s);
}

ek_status ek__pass_recognise(ek_builder *b)
{
    const ek_program *p = b->program;
    const ek_recognised *r;
    ek_scan s;

    if (b->host->recognised == NULL || !ek__sites_possible(&b->facts->view)) return EK_OK;
    r = ek__recognise(b);
    if (r == NULL) return b->err->code;
    if (r->n_halves == 0) return EK_OK;
    b->rank = r->rank;
    verdict *verdicts = EK_ARENA_NEW(&b->scratch, verdict, r->n_halves);
    b->half = EK_ARENA_NEW(&b->scratch, ek_half, r->n_halves);
    b->provider = EK_ARENA_NEW(&b->scratch, uint8_t, p->n_outs + 1);
    b->provider_half = EK_ARENA_NEW(&b->scratch, int32_t, p->n_outs + 1);
    b->summand = EK_ARENA_NEW(&b->scratch, int32_t, p->n_nodes + 1);
    if (verdicts == NULL || b->half == NULL || b->provider == NULL || b->provider_half == NULL || b->summand == NULL)
        return ek__plan_no_memory(b->err);
    EK_TRY(open_scan(&s, b));
    adopt_all(&s, r, verdicts);
    if (b->err->code != EK_OK) return b->err->code;
    if (ek__log_on("fuse"))
        for (int32_t i = 0; i < r->n_halves; i++) log_half(b, &r->half[i], &verdicts[i]);
    return EK_OK;
}
