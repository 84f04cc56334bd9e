/* sites/fused.c - batch norm that is one op: TensorFlow's fused ops of every version, and their gradients. */
#include "sites/search.h"

static const char *const forward[] = {"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "_FusedBatchNormEx"};
static const char *const backward[] = {"FusedBatchNormGrad", "FusedBatchNormGradV2", "FusedBatchNormGradV3"};
static const char *const oldest[] = {"BatchNormWithGlobalNormalization"};

/* A parameter that is a constant of nothing but `v` does nothing. */
static int32_t unless_constant(const ek_scene *s, int32_t t, double v)
{
    const ek_node *n = ek__scene_node(s, t);
    const ek_array *a = n->constant;

    if (ek__is_type(n, "Fill") && n->n_in == 2) a = s->value[ek__scene_in(s, n, 1)];
    if (a == NULL && ek__is_type(n, "Fill")) return t;
    if (a == NULL || a->dtype == EK_STRING || a->count == 0) return t;
    for (int64_t i = 0; i < a->count; i++)
        if (ek_array_get(a, i) != v) return t;
    return -1;
}

static bool read_fused(const ek_scene *s, const ek_node *n, ek_found *f)
{
    const bool old = ek__is_one_of(n, oldest, 1);
    int in[5];

    if (n->n_in < 5 || n->n_out < 1) return false;
    for (int i = 0; i < 5; i++) in[i] = ek__scene_root_in(s, n, i);
    *f = (ek_found){.fused = true, .x = in[0], .y = s->first[n->id], .anchor = -1};
    f->train = !old && ek__attr_bool(n, "is_training", true);
    const double factor = ek__attr_float(n, "exponential_avg_factor", 1);
    f->averages = f->train && factor != 1 && factor != 0; /* 0: a graph of 1.15, which has no such thing */
    f->mean = f->train ? -1 : old ? in[1] : in[3];
    f->variance = f->train ? -1 : old ? in[2] : in[4];
    f->gamma = old ? (ek__attr_bool(n, "scale_after_normalization", true) ? in[4] : -1) : in[1];
    f->beta = old ? in[3] : in[2];
    if (f->gamma >= 0) f->gamma = unless_constant(s, f->gamma, 1);
    f->beta = unless_constant(s, f->beta, 0);
    f->epsilon = ek__attr_float(n, old ? "variance_epsilon" : "epsilon", (double)1e-4f);
    const int rank = ek__scene_sized(s, f->x) ? s->shape[f->x].rank : 4;
    if (rank < 2) return false;
    f->rank = rank;
    f->kept = 1u << (ek__attr_channels_first(n) ? 1 : rank - 1);
    f->axes = ((1u << rank) - 1) & ~f->kept;
    return true;
}

ek_status ek__find_fused(ek_search *q)
{
    const ek_scene *s = q->s;

    for (int64_t o = 0; o < s->n_nodes; o++) {
        const ek_node *n = s->g->node[s->order[o]];
        ek_found f;

        if (s->dead_node[n->id]) continue;
        if (!ek__is_one_of(n, forward, EK_COUNT_OF(forward)) && !ek__is_one_of(n, oldest, 1)) continue;
        if (!read_fused(s, n, &f)) continue;
        f.look_alike = f.train && ek__is_look_alike(q, &f, false);
        f.covers = ek__arena_memdup(q->arena, &n->id, sizeof n->id);
        f.n_covers = 1;
        if (f.covers == NULL) return ek__search_no_memory(q);
        EK_TRY(ek__search_add(q, &f));
    }
    return EK_OK;
}

/* ---- the way back ---------------------------------------------------------------------------------- */

static ek_status add_gradient(ek_search *q, ek_found *f, const ek_node *n, const ek_node *turned)
{
    const ek_scene *s = q->s;
    int32_t dy = ek__scene_root_in(s, n, 0), dx = s->first[n->id], covers[4], count = 0;
    ek_site_gradient g = {.stopped = false};

    covers[count++] = n->id;
    if (turned != NULL) {
        const ek_node *up = ek__scene_node(s, dy);

        covers[count++] = turned->id;
        if (ek__is_type(up, "Transpose")) {
            covers[count++] = up->id;
            dy = ek__scene_root_in(s, up, 0);
        }
        for (int32_t u = s->user_first[dx]; u < s->user_first[dx + 1]; u++)
            if (ek__is_type(s->g->node[s->user[u]], "Transpose")) {
                covers[count++] = s->user[u];
                dx = s->first[s->user[u]];
                break;
            }
    }
    g.dy = ek__scene_edge(s, dy);
    g.dx = ek__scene_edge(s, dx);
    g.dgamma = f->gamma >= 0 ? (ek_edge){n->id, 1} : (ek_edge){-1, 0};
    g.dbeta = f->beta >= 0 ? (ek_edge){n->id, 2} : (ek_edge){-1, 0};
    for (int i = 1; i < count; i++)
        for (int k = i; k > 0 && covers[k] < covers[k - 1]; k--) {
            const int32_t c = covers[k];
            covers[k] = covers[k - 1];
            covers[k - 1] = c;
        }
    g.covers = ek__arena_memdup(q->arena, covers, (size_t)count * sizeof *covers);
    g.n_covers = count;
    ek_site_gradient *more =
        ek__arena_alloc(q->arena, (size_t)(f->n_gradients + 1) * sizeof *more, _Alignof(ek_site_gradient));
    if (g.covers == NULL || more == NULL) return ek__search_no_memory(q);
    if (f->n_gradients > 0) memcpy(more, f->gradient, (size_t)f->n_gradients * sizeof *more);
    more[f->n_gradients++] = g;
    f->gradient = more;
    return EK_OK;
}

/* The statistics that a gradient is given: those that the forward op saved, or the stored mean. */
static bool belongs(const ek_scene *s, const ek_found *f, const ek_node *n)
{
    const int32_t saved = ek__scene_root_in(s, n, 3);

    if (ek__attr_bool(n, "is_training", true) != f->train) return false;
    return f->train ? saved == f->y + 3 && s->node_of[saved] == s->node_of[f->y] : saved == f->mean;
}

/* The ways back of the sites of one x by one op, which may read it transposed. */
static ek_status add_to_sites(ek_search *q, const ek_node *n, int32_t x, const ek_node *turned)
{
    for (int64_t i = q->by_x[x]; i > 0; i = q->found[i - 1].next) {
        ek_found *f = &q->found[i - 1];

        if (f->fused && !f->look_alike && belongs(q->s, f, n)) EK_TRY(add_gradient(q, f, n, turned));
    }
    return EK_OK;
}

ek_status ek__find_fused_gradients(ek_search *q)
{
    const ek_scene *s = q->s;

    for (int64_t o = 0; o < s->n_nodes; o++) {
        const ek_node *n = s->g->node[s->order[o]];

        if (s->dead_node[n->id] || n->n_in < 5 || n->n_out < 3 || !ek__is_one_of(n, backward, EK_COUNT_OF(backward)))
            continue;
        const int32_t x = ek__scene_root_in(s, n, 1);
        const ek_node *turned = ek__scene_node(s, x);
        EK_TRY(add_to_sites(q, n, x, NULL));
        if (ek__is_type(turned, "Transpose")) EK_TRY(add_to_sites(q, n, ek__scene_root_in(s, turned, 0), turned));
    }
    return EK_OK;
}
