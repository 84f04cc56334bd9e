/* sites/provide.c - what whoever replaces the halves of a site must know: where roles enter, which inner tensors are
 * statistics, and the numbers that the recognition rests on.
 */
#include "sites/search.h"

/* ---- one half ----------------------------------------------------------------------------------------- */

typedef struct half {
    ek_search *q;
    const int32_t *covers;
    int n_covers;
    int32_t role[EK_SITE_ROLES]; /* roots; -1: none */
    ek_site_entry *entry;
    ek_site_number *number;
    ek_site_terms *out;
} half;

static bool is_uniform(const ek_array *a, double *v)
{
    if (a == NULL || a->count == 0 || a->dtype == EK_STRING) return false;
    *v = ek_array_get(a, 0);
    for (int64_t i = 1; i < a->count; i++)
        if (ek_array_get(a, i) != *v) return false;
    return true;
}

static void read_input(half *h, const ek_node *n, int i)
{
    const ek_scene *s = h->q->s;
    const int32_t t = ek__scene_in(s, n, i);
    double v;

    for (int r = 0; r < EK_SITE_ROLES; r++)
        if (h->role[r] >= 0 && s->root[t] == h->role[r] && !ek__among(h->covers, h->n_covers, n->in[i].node))
            h->entry[h->out->n_entries++] = (ek_site_entry){n->id, i, (ek_site_role)r};
    if (s->floats[t] && (is_uniform(s->value[t], &v) || is_uniform(s->g->node[n->in[i].node]->constant, &v)))
        h->number[h->out->n_numbers++] = (ek_site_number){n->in[i], v};
}

static ek_status read_half(half *h)
{
    const ek_scene *s = h->q->s;
    size_t inputs = 0;

    for (int i = 0; i < h->n_covers; i++) inputs += (size_t)s->g->node[h->covers[i]]->n_in;
    h->entry = ek__arena_alloc(h->q->arena, sizeof *h->entry * (inputs * EK_SITE_ROLES + 1), _Alignof(ek_site_entry));
    h->number = ek__arena_alloc(h->q->arena, sizeof *h->number * (inputs + 1), _Alignof(ek_site_number));
    if (h->entry == NULL || h->number == NULL) return ek__search_no_memory(h->q);
    for (int i = 0; i < h->n_covers; i++) {
        const ek_node *n = s->g->node[h->covers[i]];

        h->out->assumed |= s->guess[n->id] != 0;
        for (int k = 0; k < n->n_in; k++) {
            h->out->assumed |= s->guess[n->in[k].node] != 0;
            read_input(h, n, k);
        }
    }
    h->out->entry = h->entry;
    h->out->number = h->number;
    return EK_OK;
}

static ek_status read_gradient(ek_search *q, const ek_found *f, ek_site_gradient *g)
{
    half h = {.q = q, .covers = g->covers, .n_covers = g->n_covers, .out = &g->terms};

    h.role[EK_ROLE_X] = f->x;
    h.role[EK_ROLE_DY] = q->s->root[q->s->first[g->dy.node] + g->dy.index];
    h.role[EK_ROLE_GAMMA] = f->gamma;
    h.role[EK_ROLE_BETA] = f->beta;
    h.role[EK_ROLE_MEAN] = f->mean;
    h.role[EK_ROLE_VARIANCE] = f->variance;
    return read_half(&h);
}

/* ---- statistics ------------------------------------------------------------------------------------------- */

static ek_status read_statistics(ek_search *q, const ek_found *f, ek_site *out)
{
    const ek_scene *s = q->s;
    const uint32_t reduced = f->axes & ek__axes_above_one(&s->shape[f->x]);
    ek_edge *means = ek__arena_alloc(q->arena, sizeof *means * (2 * (size_t)f->n_covers + 1), _Alignof(ek_edge));
    ek_edge *variances = means + f->n_covers;
    ek_coef mean, variance;

    if (means == NULL) return ek__search_no_memory(q);
    out->batch_mean = means;
    out->batch_variance = variances;
    if (!f->train || reduced == 0) return EK_OK;
    ek__env_restart(&q->env, f->x, -1, reduced);
    q->env.kept_known = true;
    q->env.kept = f->kept & ek__axes_above_one(&s->shape[f->x]);
    if (!ek__env_moments(&q->env, &mean, &variance)) return EK_OK;
    for (int i = 0; i < f->n_covers; i++) {
        const int32_t t = s->first[f->covers[i]];
        const ek_poly *p = s->g->node[f->covers[i]]->n_out > 0 ? ek__env_value(&q->env, t) : NULL;

        if (p == NULL || !ek__poly_pure(p) || !p->deps.sum_x || s->root[t] != t) continue;
        const ek_coef c = ek__env_lay(&q->env, p);
        if (c.at == NULL) continue;
        if (ek__coef_same(c, mean)) means[out->n_batch_means++] = ek__scene_edge(s, t);
        if (ek__coef_same(c, variance)) variances[out->n_batch_variances++] = ek__scene_edge(s, t);
    }
    return q->env.pool.failed ? ek__search_no_memory(q) : EK_OK;
}

/* ---- all of it ----------------------------------------------------------------------------------------------- */

ek_status ek__tell_terms(ek_search *q, const ek_found *f, ek_site *out)
{
    half h = {.q = q, .covers = f->covers, .n_covers = f->n_covers, .out = &out->terms};
    double count = 1;

    for (int a = 0; a < f->rank && ek__scene_sized(q->s, f->x); a++)
        if (f->axes >> a & 1u) count *= (double)q->s->shape[f->x].dim[a];
    h.role[EK_ROLE_X] = f->x;
    h.role[EK_ROLE_DY] = -1;
    h.role[EK_ROLE_GAMMA] = f->gamma;
    h.role[EK_ROLE_BETA] = f->beta;
    h.role[EK_ROLE_MEAN] = f->mean;
    h.role[EK_ROLE_VARIANCE] = f->variance;
    EK_TRY(read_half(&h));
    out->terms.count = count;
    for (int i = 0; i < f->n_gradients; i++) {
        EK_TRY(read_gradient(q, f, &f->gradient[i]));
        f->gradient[i].terms.count = count;
    }
    return f->fused ? EK_OK : read_statistics(q, f, out);
}
